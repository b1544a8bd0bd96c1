"""Tells listeners of the events of a run, in journal order; whatever they do, the run goes on unchanged."""

from __future__ import annotations

import warnings

from dagbook.engine.events import Log
from dagbook.engine.ports import Listener

STRIKES = 3
"""How often a listener may raise before it is no longer called."""


class Bus:
    """A listener that tells other listeners, in the order in which they were added.

    One that raises is reported by a warning, and dropped after three times; the others hear everything.
    """

    def __init__(self) -> None:
        self._listeners: list[tuple[Listener, list[str]]] = []

    def add(self, listener: Listener) -> None:
        """Let ``listener`` hear what comes; what was before, it can read in the log."""
        self._listeners.append((listener, []))

    def __call__(self, log: Log, start: int, stop: int) -> None:
        """Tell everybody of the events ``start`` to ``stop`` of ``log``."""
        for entry in list(self._listeners):
            listener, errors = entry
            try:
                listener(log, start, stop)
            except Exception as error:  # a listener never changes a run
                errors.append(repr(error))
                last = len(errors) == STRIKES
                ending = "; it is not called any more" if last else ""
                warnings.warn(f"a listener of the run raised {errors[-1]}{ending}", RuntimeWarning, stacklevel=2)
                if last:
                    self._listeners.remove(entry)
