"""Tells listeners of the events of a run, in journal order; whatever they do, the run goes on unchanged."""

from __future__ import annotations

import contextvars
import threading
import time
import warnings
from queue import SimpleQueue

from dagbook.engine.events import Log
from dagbook.engine.ports import Listener

STRIKES = 3
"""How often a listener may raise before it is no longer called."""

PATIENCE = 0.5
"""Seconds that one call of a listener may take at the end of a run before it is no longer waited for."""


class Bus:
    """A publisher that tells listeners one after another, in the order in which they were added, on its own thread.

    One that raises is reported by a warning, and dropped after three times; the others hear everything. Without
    listeners it costs nothing.
    """

    def __init__(self) -> None:
        self._listeners: list[tuple[Listener, list[str]]] = []
        self._news: SimpleQueue[tuple[Log, int, int] | threading.Event] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._called = 0.0  # since when a listener is being called; 0: none is

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Listener) -> None:
        """Let ``listener`` hear what comes; what was before, it can read in the log."""
        self._listeners.append((listener, []))

    def __call__(self, log: Log, start: int, stop: int) -> None:
        """Tell everybody, soon, of the events ``start`` to ``stop`` of ``log``."""
        if not self._listeners:
            return
        self._news.put((log, start, stop))
        if self._thread is None:
            target = contextvars.copy_context().run
            self._thread = threading.Thread(target=target, args=(self._work,), name="dagbook listeners", daemon=True)
            self._thread.start()

    def drain(self) -> None:
        """Wait until everybody has been told everything, and let the thread go; no longer than one call may take."""
        if self._thread is None:
            return
        told = threading.Event()
        self._news.put(told)
        while not told.wait(PATIENCE / 10):
            called = self._called
            if called and time.monotonic() - called > PATIENCE:
                warnings.warn(
                    f"a listener of the run has been busy for {PATIENCE:g} s; it is not waited for.",
                    RuntimeWarning,
                    stacklevel=3,
                )
                return

    def _work(self) -> None:
        while not isinstance(news := self._news.get(), threading.Event):
            for entry in list(self._listeners):
                self._tell(entry, *news)
        news.set()

    def _tell(self, entry: tuple[Listener, list[str]], log: Log, start: int, stop: int) -> None:
        listener, errors = entry
        self._called = time.monotonic()
        try:
            listener(log, start, stop)
        except BaseException as error:  # a listener never changes a run, whatever it raises
            errors.append(repr(error))
            last = len(errors) == STRIKES
            ending = "; it is not called any more" if last else ""
            warnings.warn(f"a listener of the run raised {errors[-1]}{ending}", RuntimeWarning, stacklevel=2)
            if last:
                self._listeners.remove(entry)
        finally:
            self._called = 0.0
