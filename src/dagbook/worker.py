"""The program of a worker process: it is sent one call after another, makes it, and sends back what became of it.

It is a fresh interpreter that never imports the user's main module: functions and classes that live there come by
value. It ends with the process that started it.
"""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import select
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

from dagbook.backends.channel import CALL, RAISED, STALE, TEXT, UNSENDABLE, VALUE, WARNING, Buffers, Channel
from dagbook.backends.exceptions import pack
from dagbook.backends.imported import differing
from dagbook.engine.randomness import seeded
from dagbook.errors import UnstorableError
from dagbook.fingerprint.files import recording
from dagbook.storage.by_value import dump

TEXT_SIZE = 16_000
"""Characters that are gathered at most before they are sent."""


class Outlet:
    """Sends on, in order, what a call prints; what is printed while there is no call is nobody's."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.RLock()
        self._open = False
        self._name = ""
        self._pieces: list[str] = []
        self._size = 0

    def open(self) -> None:
        with self._lock:
            self._open = True

    def close(self) -> None:
        with self._lock:
            self.flush()
            self._open = False

    def write(self, name: str, text: str) -> None:
        """Text for ``stdout`` or ``stderr``: sent at the end of a line, like to a terminal."""
        with self._lock:
            if name != self._name:
                self.flush()
                self._name = name
            self._pieces.append(text)
            self._size += len(text)
            if "\n" in text or self._size > TEXT_SIZE:
                self.flush()

    def flush(self) -> None:
        with self._lock:
            text = "".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            if text:
                self.send(TEXT, self._name, text)

    def send(self, *message: Any) -> None:
        """Send, if there is a call."""
        with self._lock:
            if self._open:
                self._channel.send(message)


class Printed(io.TextIOBase):
    """What ``sys.stdout`` and ``sys.stderr`` are here."""

    encoding = "utf-8"

    def __init__(self, name: str, outlet: Outlet) -> None:
        self.name = name
        self._outlet = outlet

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._outlet.write(self.name, text)
        return len(text)

    def flush(self) -> None:
        self._outlet.flush()

    def fileno(self) -> int:
        return 1 if self.name == "stdout" else 2


def main() -> NoReturn:
    """Serve until there is nobody to serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who waits for us hears it, and ends us
    channel = Channel(_move(0, os.open(os.devnull, os.O_RDONLY)), _move(1, 2))
    outlet = Outlet(channel)
    _redirect(outlet)
    try:
        while True:
            message, buffers = channel.receive()
            _answer(channel, outlet, message, buffers)
    except EOFError:
        os._exit(0)  # threads that a node has left must not keep us


def _move(number: int, instead: int) -> int:
    """Keep a file that we were given under a number that nobody knows; its own is for ``instead``."""
    kept = os.dup(number)
    os.dup2(instead, number)
    return kept


def _redirect(outlet: Outlet) -> None:
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (for good)
    sys.stdout, sys.stderr = Printed("stdout", outlet), Printed("stderr", outlet)

    def warned(message: Any, category: Any, filename: str, line: int, *rest: Any, **more: Any) -> None:
        outlet.flush()
        outlet.send(WARNING, category.__name__, str(message), filename, line)

    warnings.showwarning = warned  # type: ignore[assignment]
    os.register_at_fork(after_in_child=_plain_streams)


def _plain_streams() -> None:
    """A fork of this process must not send anything between our messages."""
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115


def _answer(channel: Channel, outlet: Outlet, message: tuple[Any, ...], buffers: Buffers) -> None:
    kind, setting, payload, code, seed, modules = message
    assert kind == CALL
    out: list[pickle.PickleBuffer] = []
    outlet.open()
    try:
        with _ended_with_parent(channel.reading):
            _be_in(*setting)
            for name in modules:
                import_module(name)
            function, positional, keywords = pickle.loads(payload, buffers=buffers)
            del buffers[:]
            stale = differing(function, code)
            answer = (STALE, stale) if stale else _call(function, positional, keywords, seed, out)
    except BaseException as error:  # user code may raise anything, SystemExit and KeyboardInterrupt too
        answer = (RAISED, pack(error, _dumped))
    outlet.close()
    channel.send(answer, out)


def _call(
    function: Callable[..., Any],
    positional: list[Any],
    keywords: Mapping[str, Any],
    seed: str | None,
    out: list[pickle.PickleBuffer],
) -> tuple[Any, ...]:
    with recording() as read, seeded(seed):
        value = function(*positional, **keywords)
        if asyncio.iscoroutine(value):
            value = asyncio.run(value)
    files = read.digests()
    try:
        return VALUE, dump(value, _to(out), "sent back"), files
    except UnstorableError as error:
        out.clear()
        return UNSENDABLE, str(error)


def _to(out: list[pickle.PickleBuffer]) -> Callable[[pickle.PickleBuffer], bool]:
    def apart(buffer: pickle.PickleBuffer) -> bool:
        out.append(buffer)
        return False

    return apart


def _dumped(value: object) -> bytes:
    return dump(value, lambda buffer: True)


def _be_in(folder: str, path: list[str], environment: Mapping[str, str]) -> None:
    """Be where the caller is, whatever the call before has done."""
    if os.getcwd() != folder:
        os.chdir(folder)
    sys.path[:] = path
    if dict(os.environ) != environment:
        os.environ.clear()
        os.environ.update(environment)


@contextmanager
def _ended_with_parent(requests: int) -> Iterator[None]:
    """Within the block the kernel kills this process when nobody holds the other end of the pipe of requests any more.

    It has to be the kernel: code in C may hold the interpreter for hours. Nothing else happens on this pipe meanwhile.
    Where the kernel cannot, the process ends when it next sends something.
    """
    try:
        from fcntl import F_GETFL, F_SETFL, F_SETOWN, F_SETSIG, fcntl  # type: ignore[attr-defined, unused-ignore]
    except ImportError:
        yield
        return
    flags = fcntl(requests, F_GETFL)
    fcntl(requests, F_SETOWN, os.getpid())
    fcntl(requests, F_SETSIG, int(signal.SIGKILL))
    fcntl(requests, F_SETFL, flags | os.O_ASYNC)
    if select.select([requests], [], [], 0)[0]:
        os._exit(0)  # it happened just before
    try:
        yield
    finally:
        fcntl(requests, F_SETFL, flags)
