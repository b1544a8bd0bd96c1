"""Ctrl-C: user code is stopped by it, our own code never; it is heard, and acted on when that is safe."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import Any


@contextmanager
def held() -> Iterator[list[int]]:
    """Interrupts that come within the block are put into the list that it yields, and raise nothing.

    Else one could fall between a run's start and the waiting for it, and the run would go on with nobody there.
    """
    heard: list[int] = []
    if not _on_main_thread():  # signals are not heard on other threads
        yield heard
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def passed_on(ask: Callable[[], None]) -> Iterator[None]:
    """Within the block an interrupt raises KeyboardInterrupt in user code, and calls ``ask`` anywhere else.

    A handler of the user's own is left alone. When a node runs another run, an interrupt is meant for both.
    """
    if not _on_main_thread() or signal.getsignal(signal.SIGINT) not in (signal.default_int_handler, *_ours):
        yield
        return
    outer = list(_ours.values())

    def heard(number: int, frame: FrameType | None) -> None:
        for ask_outer in outer:
            ask_outer()
        if _in_user_code(frame):
            raise KeyboardInterrupt
        ask()

    _ours[heard] = ask
    before = signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        del _ours[heard]


_ours: dict[Callable[[int, FrameType | None], None], Callable[[], None]] = {}
"""The handlers of the runs that the main thread waits for, outermost first, and whom each tells."""

_catching: set[CodeType] = set()
_serving: set[CodeType] = set()


def catches(function: Callable[..., Any]) -> None:
    """Say that ``function`` calls user code, and catches whatever is raised in what it calls."""
    assert isinstance(function, FunctionType)
    _catching.add(function.__code__)


def serves(function: Callable[..., Any]) -> None:
    """Say that ``function`` is our own code, in which nothing may be raised, up to those that it calls that catch."""
    assert isinstance(function, FunctionType)
    _serving.add(function.__code__)


def _in_user_code(frame: FrameType | None) -> bool:
    """Whether what was interrupted was called by a lane on behalf of a node, and the lane will catch what is raised."""
    innermost = frame
    while frame is not None:
        if frame.f_code in _catching:
            return frame is not innermost
        if frame.f_code in _serving:
            return False
        frame = frame.f_back
    return False


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
