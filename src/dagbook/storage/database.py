"""Connections to one SQLite file that threads, processes and forks can share without thinking of it."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagbook.errors import StoreError

BUSY_SECONDS = 10.0
"""How long to wait for another process that is writing."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """Each block of :meth:`connection` has a connection of its own; none is ever carried across a fork.

    SQLite's locks belong to a process, and its record of them is copied by a fork; so connections are closed before
    one, and opened again when needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = threading.Condition(threading.Lock())
        self._idle: list[sqlite3.Connection] = []
        self._busy = 0
        self._forking = False
        self._file = _identity(path)
        _open.add(self)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for this block. What it has not committed by an exception is rolled back.

        An error of SQLite becomes a StoreError that names the file, and how to go on.
        """
        self._check_there()
        with self._state:
            while self._forking:
                self._state.wait()
            self._busy += 1
            connection = self._idle.pop() if self._idle else None
        whole = False
        try:
            if connection is None:
                connection = self._connect()
            yield connection
            whole = True
        except sqlite3.Error as error:
            raise self._explained(error) from error
        finally:
            if connection is not None and not whole:
                connection.close()
            with self._state:
                if connection is not None and whole:
                    self._idle.append(connection)
                self._busy -= 1
                if not self._busy:
                    self._state.notify_all()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes become durable when the block ends, all or none."""
        with self.connection() as connection:
            _begin(connection)
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close what is not in use. The next use opens it again."""
        with self._state:
            self._close()

    def _close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",  # never makes an empty file where the journal should be
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # one thread at a time has it
        )
        connection.text_factory = _text
        for pragma in ("synchronous=FULL", "fullfsync=ON", "foreign_keys=OFF", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _check_there(self) -> None:
        """An open file can be deleted, and written to without a trace: what is acknowledged would be lost."""
        if _identity(self.path) != self._file:
            self.close()
            raise StoreError(
                f"the journal {self.path} was removed or replaced while it was in use. Open the store again "
                "(restart the kernel); results are computed again."
            )

    def _explained(self, error: sqlite3.Error) -> StoreError:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            return StoreError(
                f"the journal {self.path} is damaged ({error}). Move it away, together with the files beside it that "
                "begin with its name; a new one is started then, and results are computed again."
            )
        return StoreError(f"the journal {self.path} cannot be used ({error}).")

    def _before_fork(self) -> None:
        self._state.acquire()  # held until after the fork
        self._forking = True
        self._state.wait_for(lambda: not self._busy, BUSY_SECONDS)
        self._close()

    def _after_fork(self) -> None:
        self._forking = False
        self._state.notify_all()
        self._state.release()


def _begin(connection: sqlite3.Connection) -> None:
    """Become the one writer. SQLite would nap for 0.1 s at a time, in which a busy writer comes and goes unseen."""
    deadline = time.monotonic() + BUSY_SECONDS
    connection.execute("PRAGMA busy_timeout = 0")
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.0002, 0.002))
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _text(data: bytes) -> str:
    """Text as it is, also where somebody has written bytes that are none: the seal finds that out."""
    return data.decode("utf-8", "surrogateescape")


_open: weakref.WeakSet[Database] = weakref.WeakSet()
_fork_lock = threading.Lock()
_paused: list[Database] = []


def _before_fork() -> None:
    _fork_lock.acquire()
    _paused.extend(_open)
    for database in _paused:
        database._before_fork()


def _after_fork() -> None:
    for database in _paused:
        database._after_fork()
    _paused.clear()
    _fork_lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
