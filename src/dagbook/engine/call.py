"""The boundary where user code runs: its inputs are fetched, what it shows and reads is recorded, and whatever
happens becomes an Outcome. Everything here runs on the thread of the node; nothing here knows the scheduler.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from dagbook.engine.coroutines import finish_coroutine
from dagbook.engine.interrupts import catches
from dagbook.engine.ports import Blob, Brought, Errand, Store, Summary
from dagbook.engine.randomness import seeded
from dagbook.engine.result import Loan, Lost, Result, private
from dagbook.errors import InputChangedError, UnstorableError
from dagbook.fingerprint.files import recording
from dagbook.fingerprint.parts import Digest, known
from dagbook.fingerprint.value import describe, fingerprint
from dagbook.graph.compose import Splice, map_over
from dagbook.graph.node import Node

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

Capture = Callable[[str], AbstractContextManager[Sequence[Mapping[str, Any]]]]
"""Given a node's name: a context in which what the code shows is collected into the list that it yields."""

Apart = Callable[[Errand], Brought]
"""Makes a call in another process."""

NO_SUMMARY = Summary()


@dataclass(slots=True)
class Task:
    """One call to make. ``inputs`` are (parameter, its result); ``values`` are graph inputs and elements by parameter.

    ``seed`` None leaves the global random generators alone. ``alone`` counts how often it has been given
    inputs that share nothing.
    """

    name: str
    node: Node
    inputs: Sequence[tuple[str, Result]]
    values: Mapping[str, Any]
    child: bool = False
    seed: str | None = None
    alone: int = 0


@dataclass(slots=True)
class Outcome:
    """What became of a task. Exactly one of ``value``, ``splice``, ``error``, ``lost`` is meant.

    ``changed`` are the parameters whose values were changed in place while the node ran. ``returned`` says whether the
    function has returned, whatever was found out about its value after that.
    """

    value: object = None
    digest: Digest = b""
    blob: Blob | None = None
    volatile: str = ""
    splice: Splice | None = None
    element_digests: Sequence[Mapping[str, Digest]] = ()
    error: BaseException | None = None
    lost: Result | None = None
    changed: tuple[str, ...] = ()
    returned: bool = False
    files: tuple[tuple[str, Digest], ...] = ()
    shown: tuple[Mapping[str, Any], ...] = ()
    summary: Summary = NO_SUMMARY
    started: float = 0.0
    seconds: float = 0.0


def perform(
    task: Task, store: Store, capture: Capture, apart: Apart, loop: AbstractEventLoop | None = None
) -> Outcome:
    """Run one task to its outcome. Never raises. Coroutines are awaited in ``loop``, or in a loop of their own."""
    outcome = Outcome(started=time.monotonic())
    loans: dict[str, Loan] = {}
    try:
        try:
            _borrow(task, loans)
            _run(task, loans, outcome, capture, apart, loop)
        finally:
            copied = task.node.options.process  # nobody can change a value from another process
            outcome.changed = tuple([parameter for parameter, loan in loans.items() if not loan.end(copied)])
        if outcome.splice is None:
            _settle(task, outcome, store)
    except Lost as lost:
        outcome.lost = lost.result
    except BaseException as error:  # user code may raise anything, SystemExit and KeyboardInterrupt too
        outcome.error = error
        outcome.value = None
    outcome.seconds = time.monotonic() - outcome.started
    return outcome


catches(perform)


def _borrow(task: Task, loans: dict[str, Loan]) -> None:
    for parameter, result in task.inputs:
        loans[parameter] = result.lend(task.alone > 0)


def _run(
    task: Task,
    loans: Mapping[str, Loan],
    outcome: Outcome,
    capture: Capture,
    apart: Apart,
    loop: AbstractEventLoop | None,
) -> None:
    arguments = {parameter: loan.value for parameter, loan in loans.items()}
    if task.node.options.each and not task.child:
        _expand(task, arguments | dict(task.values), outcome)
    elif task.node.options.process:
        _call_apart(task, arguments | dict(task.values), outcome, capture, apart)
    else:
        arguments.update((parameter, private(value)) for parameter, value in task.values.items())
        _call(task, arguments, outcome, capture, loop)


def _expand(task: Task, arguments: dict[str, Any], outcome: Outcome) -> None:
    splice = map_over(task.node, {p: arguments[p] for p in task.node.options.each})
    outcome.splice = splice
    outcome.element_digests = [{p: fingerprint(v) for p, v in b.values.items()} for b in splice.branches]


def _call(
    task: Task, arguments: dict[str, Any], outcome: Outcome, capture: Capture, loop: AbstractEventLoop | None
) -> None:
    positional, keywords = bind(task.node, arguments)
    if task.node.options.inputs == "copy":
        from copy import deepcopy

        positional, keywords = deepcopy((positional, keywords))
    shown: Sequence[Mapping[str, Any]] = ()
    try:
        with recording() as read, capture(task.name) as shown, seeded(task.seed) if task.seed else _AS_IS:
            value = task.node.fn(*positional, **keywords)
            outcome.value = finish_coroutine(value, loop) if type(value) is CoroutineType else value
            outcome.returned = True
    finally:
        outcome.shown = tuple(shown)
    outcome.files = read.digests()


def _call_apart(
    task: Task, arguments: dict[str, Any], outcome: Outcome, capture: Capture, apart: Apart
) -> None:
    positional, keywords = bind(task.node, arguments)
    shown: Sequence[Mapping[str, Any]] = ()
    try:
        with capture(task.name) as shown:
            brought = apart(Errand(task.name, task.node.fn, positional, keywords, task.seed))
            outcome.returned = True
    finally:
        outcome.shown = tuple(shown)
    outcome.value, outcome.files = brought.value, brought.files


_AS_IS = nullcontext()


def bind(node: Node, arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments as the function takes them: by position as far as there is no gap, by keyword after it."""
    if not arguments:
        return [], {}
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for parameter in node.parameters:
        if parameter.name not in arguments:
            continue
        if parameter.keyword or keywords or len(positional) < node.parameters.index(parameter):
            keywords[parameter.name] = arguments[parameter.name]
        else:
            positional.append(arguments[parameter.name])
    return positional, keywords


_READ_ONCE = frozenset({GeneratorType, AsyncGeneratorType, CoroutineType})


def _settle(task: Task, outcome: Outcome, store: Store) -> None:
    value = outcome.value
    if type(value) in _READ_ONCE:
        raise TypeError(
            f"{task.name} returned a {type(value).__name__}, which can be read only once. Return list(...) of it."
        )
    changed = outcome.changed
    if changed and task.node.options.inputs != "copy":
        raise InputChangedError(
            f"{task.name} changed its input {changed[0]!r} in place, and other readers could have seen that. Work on "
            f"a copy ({changed[0]} = {changed[0]}.copy(), or sorted(...), .assign(...)), or mark the node with "
            '@node(inputs="copy").'
        )
    outcome.digest = fingerprint(value)
    outcome.summary = Summary(*describe(value))
    if not known(outcome.digest):
        outcome.volatile = f"a {outcome.summary.type} has no fingerprint"
        return
    try:
        outcome.blob = store.put(value)
    except UnstorableError as error:
        outcome.volatile = str(error)
