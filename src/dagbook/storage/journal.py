"""The journal: what ran, in order, and what came of it, in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from time import time as now
from typing import Any

from dagbook.engine.events import NO_NODE, SCHEMA, Kind, Log
from dagbook.engine.ports import Intent, Record
from dagbook.errors import RefusedError, StoreError, StoreVersionError
from dagbook.fingerprint.parts import Digest
from dagbook.storage import running
from dagbook.storage.database import Database
from dagbook.storage.fs import FileSystem
from dagbook.storage.rows import COLUMNS, Row, Value, fields, from_row, readable, to_json, to_row
from dagbook.storage.seal import Seal

VERSION = 100 + SCHEMA
"""What a journal says of itself: hundreds for its tables, the rest for the vocabulary of its events."""

NEEDS = "dagbook 0.1 or later"
"""The first release that reads this version."""

_TABLES = f"""
    CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE kinds (kind INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY, dag TEXT NOT NULL, status TEXT NOT NULL, started REAL NOT NULL, finished REAL
    );
    CREATE TABLE events (
        run INTEGER NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL, node TEXT, time REAL NOT NULL, detail TEXT,
        PRIMARY KEY (run, seq)
    ) WITHOUT ROWID;
    CREATE TABLE records (
        id INTEGER PRIMARY KEY, node TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
        blob TEXT, codec TEXT, size INTEGER, files TEXT NOT NULL, parts TEXT NOT NULL, shown TEXT NOT NULL,
        children TEXT, mapping INTEGER NOT NULL, summary TEXT NOT NULL, seconds REAL NOT NULL, finished REAL NOT NULL,
        run INTEGER NOT NULL, seal BLOB NOT NULL
    );
    CREATE INDEX records_by_key ON records (key);
    CREATE INDEX records_by_node ON records (node);
    {running.TABLES}
    CREATE VIEW timeline AS
        SELECT run, seq, kinds.name AS kind, node, time, detail FROM events LEFT JOIN kinds USING (kind);
    CREATE VIEW results AS
        SELECT run, node, lower(hex(key)) AS key, lower(hex(value)) AS value, summary, seconds,
               datetime(finished, 'unixepoch') AS finished, blob, size FROM records ORDER BY id;
"""
_ROW = ", ".join((*COLUMNS, "seal"))
_INSERT = f"INSERT INTO records ({_ROW}) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"
_BY_KEY = f"SELECT {_ROW} FROM records WHERE key = ? ORDER BY id DESC"
_BY_NODE = f"SELECT {_ROW} FROM records WHERE node = ? ORDER BY id DESC"


class DiskJournal:
    """The truth about runs: what :meth:`commit` has returned from survives a crash, and nobody else can have written.

    ``store`` is the id of the store that the records belong to. A record whose seal does not fit is never used:
    there is one warning, unless ``quiet``. Runs whose processes have died stand as interrupted as soon as somebody
    opens the journal, or begins a run.
    """

    def __init__(
        self, path: Path, seal: Seal, store: str, quiet: bool = False, wall: Callable[[], float] = now
    ) -> None:
        self.path = path
        self._wall = wall
        self._intended: set[tuple[int, str]] = set()  # what a commit may settle
        self._seal = seal
        self._context = (b"record", str(VERSION).encode(), store.encode())
        self._warned: set[bytes] | None = None if quiet else set()
        self._database = Database(path)
        self._check_version()
        self.bury()

    def begin(self, dag: str, started: float) -> int:
        self.bury()
        with self._database.transaction() as db:
            return running.begin(db, dag, started)

    def bury(self) -> None:
        """Have runs whose processes have died stand as interrupted."""
        with self._database.connection() as db:
            if not running.orphans(db, self._wall()):
                return
        with self._database.transaction() as db:
            running.bury(db, running.orphans(db, self._wall()))  # looked at again: one may have ended meanwhile

    def commit(
        self,
        run: int,
        log: Log,
        start: int,
        stop: int,
        records: Sequence[Record],
        also: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        """Make events and records durable, all or none; what ``also`` writes belongs to the same transaction."""
        rows = [to_row(record) for record in records]
        with self._database.transaction() as db:
            db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", _events(run, log, start, stop))
            # of equal records the newest stays; the others say nothing more
            db.executemany(
                "DELETE FROM records WHERE key = ? AND value = ? AND files = ?", ((r[1], r[2], r[6]) for r in rows)
            )
            db.executemany(_INSERT, ([*row, self._tag(row)] for row in rows))
            settled = self._intended.intersection((run, record.node) for record in records) if self._intended else ()
            for intent in settled:
                running.settle(db, *intent)
            if also is not None:
                also(db)
        self._intended.difference_update(settled)

    def finish(self, run: int, status: str, finished: float) -> None:
        with self._database.transaction() as db:
            running.finish(db, run, status, finished)

    def beat(self, run: int, now: float) -> None:
        with self._database.transaction() as db:
            running.beat(db, run, now)

    def standing(self, run: int, node: str, key: Digest) -> Intent | None:
        with self._database.connection() as db:
            return running.standing(db, run, node, key, self._wall())

    def intend(self, run: int, node: str, key: Digest, now: float, consent: bool) -> Intent | None:
        with self._database.transaction() as db:
            against = None if consent else running.standing(db, run, node, key, self._wall())
            if against is not None:
                return against
            running.intend(db, run, node, key, now)
        self._intended.add((run, node))
        return None

    def withdraw(self, run: int, node: str) -> None:
        with self._database.transaction() as db:
            running.settle(db, run, node)
        self._intended.discard((run, node))

    def find(self, key: Digest) -> Sequence[Record]:
        with self._database.connection() as db:
            return list(self._records(db, _BY_KEY, key))

    def last(self, names: Iterable[str]) -> Mapping[str, Record]:
        found = {}
        with self._database.connection() as db:
            db.execute("BEGIN")
            for name in names:
                record = next(self._records(db, _BY_NODE, readable(name)), None)
                if record is not None:
                    found[name] = record
            db.execute("COMMIT")
        return found

    def durations(self, name: str, limit: int = 24) -> Sequence[float]:
        query = "SELECT seconds FROM records WHERE node = ? AND typeof(seconds) = 'real' ORDER BY id DESC LIMIT ?"
        with self._database.connection() as db:
            return [seconds for (seconds,) in db.execute(query, (readable(name), limit))][::-1]

    def connection(self) -> AbstractContextManager[sqlite3.Connection]:
        """The database, to read what others have written beside the records."""
        return self._database.connection()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """The database, to write beside the records: all of the block or nothing."""
        return self._database.transaction()

    def sign(self, kind: bytes, row: Row) -> bytes:
        """The seal of a row of another table."""
        return self._seal.tag(kind, *self._context[1:], *fields(row))

    def signed(self, tag: object, kind: bytes, row: Row) -> bool:
        """Whether a row of another table carries our seal."""
        return isinstance(tag, bytes) and self._seal.verify(tag, kind, *self._context[1:], *fields(row))

    def close(self) -> None:
        """Close the connections that are not in use; the journal can still be used."""
        self._database.close()

    def _records(self, db: sqlite3.Connection, query: str, wanted: Value) -> Iterator[Record]:
        """The authentic ones of the rows that ``query`` finds."""
        for row in db.execute(query, (wanted,)):
            *columns, tag = row
            if isinstance(tag, bytes) and self._seal.verify(tag, *self._context, *fields(columns)):
                yield from_row(columns)
            else:
                self._refuse(row)

    def _tag(self, row: Row) -> bytes:
        return self._seal.tag(*self._context, *fields(row))

    def _refuse(self, row: Sequence[Any]) -> None:
        message = (
            f"a stored result of {row[0]!r} in {self.path} was not written with your key, or was changed since. "
            "It is not used; the node runs again."
        )
        if self._seal.posture == "strict":
            raise RefusedError(message)
        mark = b"".join(fields(row))
        if self._warned is not None and mark not in self._warned:
            self._warned.add(mark)
            warnings.warn(message, RuntimeWarning, stacklevel=4)

    def _check_version(self) -> None:
        with self._database.connection() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                db.executescript(running.TABLES)
                return
            needs = db.execute("SELECT value FROM about WHERE name = 'needs'").fetchone() if version > VERSION else ()
        if version > VERSION:
            raise StoreVersionError(
                f"the journal {self.path} was written by a newer dagbook (version {version}, not {VERSION}). "
                f"It needs {needs[0] if needs else 'a newer version'}: upgrade, or use another store."
            )
        raise StoreError(
            f"{self.path} is not a journal of dagbook (it says version {version}). Move it away; a new one is started "
            "then, and results are computed again."
        )


def _events(run: int, log: Log, start: int, stop: int) -> Iterator[Row]:
    names, detail = log.names, log.detail
    columns = zip(range(start, stop), log.kind[start:stop], log.node[start:stop], log.time[start:stop], strict=True)
    for seq, kind, node, time in columns:
        name = None if node == NO_NODE else readable(names[node])
        yield run, seq, kind, name, time, to_json(detail[seq]) if seq in detail else None


def create_journal(path: Path, fs: FileSystem) -> None:
    """Make an empty journal. It gets its name when it is complete: nobody ever sees half of one."""
    temp = fs.temporary(path)
    fd = fs.create(temp)
    try:
        with closing(sqlite3.connect(temp, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT")
            db.execute("INSERT INTO about VALUES ('needs', ?)", (NEEDS,))
            db.executemany("INSERT INTO kinds VALUES (?, ?)", [(int(kind), kind.name.lower()) for kind in Kind])
        fs.sync(fd)
    except BaseException:
        fs.discard(temp)
        raise
    finally:
        os.close(fd)
    try:
        fs.name(temp, path)
    except FileExistsError:
        pass  # another process was faster
