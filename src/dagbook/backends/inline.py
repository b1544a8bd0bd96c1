"""Calls on the thread that waits for the run: the cell's own, where pyplot and Ctrl-C work."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue

ATTENTION = 0.2
"""Seconds: an interrupt that comes just before the thread begins to wait is heard after this time at the latest."""


class InlineBackend:
    """One slot, served by whoever calls :meth:`serve`."""

    slots = 1

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._closed = False
        self._wake: Callable[[], object] | None = None

    def submit(self, call: Callable[[], None]) -> None:
        """Hand ``call`` to the thread that serves."""
        self._queue.put(call)
        if self._wake is not None:
            self._wake()

    def attach(self, wake: Callable[[], object]) -> None:
        """Instead of waiting for calls, have ``wake`` called when there is one; :meth:`serve_now` makes them."""
        self._wake = wake
        wake()

    def serve_now(self) -> None:
        """Make the calls that there are, on this thread."""
        while not self._queue.empty():
            call = self._queue.get()
            if call is not None:
                call()

    def serve(self) -> None:
        """Make the calls on this thread until :meth:`close`. An interrupt ends the waiting, and is raised."""
        while not (self._closed and self._queue.empty()):
            try:
                call = self._queue.get(timeout=ATTENTION)
            except Empty:
                continue
            if call is not None:
                call()

    def replace(self) -> None:
        """There is only one thread that waits: what comes next has to wait too."""

    def close(self) -> None:
        """Let :meth:`serve` return when it has made the calls it has."""
        self._closed = True
        self._queue.put(None)  # wakes who waits
