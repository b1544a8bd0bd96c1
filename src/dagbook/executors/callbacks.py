"""Callbacks: functions of the user's that hear of a run. Whatever they do, the run goes on unchanged."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagbook.engine.events import Kind, Log
from dagbook.errors import UsageError

if TYPE_CHECKING:
    from dagbook.engine.run import Run
    from dagbook.launch import Observer

METHODS = ("on_node_start", "on_node_complete", "on_node_error", "on_node_skip", "on_dynamic_expand")

STRIKES = 3
"""How often one callback may raise before it is no longer called."""


@dataclass(slots=True)
class ExecutionCallbacks:
    """Functions to be called as nodes start and end; each may be left out.

    They get the node's name, and then: ``on_node_complete`` its value, ``on_node_error`` the exception (a TimeoutError
    when its time was over), ``on_dynamic_expand`` the names of the nodes that it added. ``on_node_skip`` is called for
    nodes that did not run: skipped, cancelled, or reused. Any object with some of these as methods does as well.

    They are called in the order of the events, on a thread that is none of the run's: one that is slow delays nothing,
    one that raises is reported, and no longer called after three times.
    """

    on_node_start: Callable[[str], object] | None = None
    on_node_complete: Callable[[str, Any], object] | None = None
    on_node_error: Callable[[str, BaseException], object] | None = None
    on_node_skip: Callable[[str], object] | None = None
    on_dynamic_expand: Callable[[str, list[str]], object] | None = None


def observers_of(callbacks: object | None, hooks: Iterable[object] | None = None) -> tuple[Observer, ...]:
    """What tells ``callbacks`` and ``hooks`` of a run: at most one observer.

    The larger an object's ``priority`` (0 without one), the sooner it is told of an event; equal ones in the order
    given. Raises UsageError for an object that has none of the methods, or that cannot be called.
    """
    if isinstance(hooks, str) or not isinstance(hooks, Iterable | None):
        raise UsageError(f"hooks= takes a list of objects with methods like {METHODS[0]}, not {hooks!r}.")
    objects = [each for each in (callbacks, *(hooks or ())) if each is not None]
    for each in objects:
        _check(each)
    objects.sort(key=lambda each: -getattr(each, "priority", 0))
    return (lambda run: _Teller(run, objects),) if objects else ()


def _check(callbacks: object) -> None:
    if isinstance(callbacks, type) or not any(hasattr(callbacks, method) for method in METHODS):
        raise UsageError(f"callbacks need at least one of the methods {', '.join(METHODS)}; {callbacks!r} has none.")
    for method in METHODS:
        function = getattr(callbacks, method, None)
        if function is not None and not callable(function):
            raise UsageError(f"the callback {method} must be a function, not {function!r}.")
        if inspect.iscoroutinefunction(function):
            raise UsageError(f"the callback {method} is a coroutine function; callbacks are plain functions.")
    priority = getattr(callbacks, "priority", 0)
    if not isinstance(priority, int):
        raise UsageError(f"the priority of a hook is a whole number, not {priority!r}.")


class _Callback:
    """One method of one object, until it has raised too often."""

    def __init__(self, function: Callable[..., object], method: str) -> None:
        self._function = function
        self._method = method
        self._raised = 0

    def __call__(self, *arguments: object) -> None:
        if self._raised == STRIKES:
            return
        try:
            self._function(*arguments)
        except BaseException as error:  # a callback never changes a run, not by sys.exit either
            self._raised += 1
            ending = "; it is not called any more" if self._raised == STRIKES else ""
            message = f"the callback {self._method} raised {error!r} for {arguments[0]!r}{ending}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)


_Read = Callable[[Log, int], tuple[object, ...] | None]
"""What a callback is told besides the node's name, read from the log; None: it is not called."""


class _Teller:
    """The listener that turns the events of one run into calls."""

    def __init__(self, run: Run, objects: Sequence[object]) -> None:
        self._run = run
        start, complete, error, skip, expand = ([*_callbacks(objects, method)] for method in METHODS)
        self._skip = skip
        self._calls: dict[int, tuple[list[_Callback], _Read]] = {
            Kind.NODE_STARTED: (start, _nothing),
            Kind.NODE_RAN: (complete, self._value),
            Kind.NODE_FAILED: (error, self._error),
            Kind.NODE_TIMED_OUT: (error, self._late),
            Kind.NODE_SKIPPED: (skip, _nothing),
            Kind.NODE_CANCELLED: (skip, _nothing),
            Kind.NODE_REUSED: (skip, _nothing),
            Kind.NODE_CUT_OFF: (skip, _nothing),
            Kind.NODE_EXPANDED: (expand, self._children),
        }

    def __call__(self, log: Log, start: int, stop: int) -> None:
        for seq in range(start, stop):
            kind = log.kind[seq]
            if kind in self._calls:
                self._tell(log, seq, *self._calls[kind])
            elif kind == Kind.RUN_FINISHED and self._skip and self._run.untouched:
                self._tell_of_the_untouched(log)

    @staticmethod
    def _tell(log: Log, seq: int, callbacks: list[_Callback], read: _Read) -> None:
        details = read(log, seq) if callbacks else None
        if details is not None:
            for callback in callbacks:
                callback(log.names[log.node[seq]], *details)

    def _value(self, log: Log, seq: int) -> tuple[object]:
        return (self._run.value(log.node[seq]),)

    def _error(self, log: Log, seq: int) -> tuple[object]:
        error = self._run.errors.get(log.names[log.node[seq]])
        return (RuntimeError(str(log.detail[seq]["error"]["message"])) if error is None else error,)

    def _late(self, log: Log, seq: int) -> tuple[object]:
        return (TimeoutError(str(log.detail[seq]["reason"])),)

    def _children(self, log: Log, seq: int) -> tuple[object] | None:
        first, count = log.detail[seq]["first"], log.detail[seq]["count"]
        return (log.names[first : first + count],) if count else None

    def _tell_of_the_untouched(self, log: Log) -> None:
        """Nodes that a change did not reach have no event of their own."""
        told = set(log.node)
        for i, name in enumerate(log.names):
            if i not in told:
                for callback in self._skip:
                    callback(name)


def _callbacks(objects: Sequence[object], method: str) -> Iterable[_Callback]:
    for each in objects:
        function = getattr(each, method, None)
        if function is not None:
            yield _Callback(function, method)


def _nothing(log: Log, seq: int) -> tuple[()]:
    return ()
