"""Signals that ask the program to end: heard once, acted on where it is safe."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop:
    """Hears SIGINT and SIGTERM while it is entered, in place of what they else do. ``received`` is the first one."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._tell: Callable[[], object] | None = None

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _: object) -> None:
        if self.received is None:
            self.received = number
            if self._tell is not None:
                self._tell()

    @property
    def code(self) -> int:
        """The exit code of a program that was stopped so."""
        return 128 + (self.received or 0)

    @contextmanager
    def waking(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that a signal sets, also one that came before."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        self._tell = lambda: loop.call_soon_threadsafe(event.set)
        if self.received is not None:
            event.set()
        try:
            yield event
        finally:
            self._tell = None
