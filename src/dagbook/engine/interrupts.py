"""Ctrl-C while a run is being put together: it is heard, and acted on when there is a run to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held() -> Iterator[list[int]]:
    """Interrupts that come within the block are put into the list that it yields, and raise nothing.

    Else one could fall between a run's start and the waiting for it, and the run would go on with nobody there.
    """
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # signals are not heard on other threads
        yield heard
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)
