"""The work of a run that only passes values on: no keys, no fingerprints, nothing is kept.

What each node gets is worked out beforehand, so that running a node is a call and little else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from operator import itemgetter
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from dagbook.engine.coroutines import finish_coroutine
from dagbook.engine.events import Log
from dagbook.engine.failures import describe_error
from dagbook.engine.interrupts import catches
from dagbook.engine.options import RunOptions
from dagbook.engine.ports import Errand, Record, Remote
from dagbook.engine.states import ENDED, Place, State
from dagbook.errors import DagbookError, GraphError
from dagbook.graph.compose import Growth
from dagbook.graph.node import NodeOptions, Parameter, parameters_of
from dagbook.graph.tasks import Function, functions_of, given_options, required, takes_nothing
from dagbook.graph.topology import Topology

if TYPE_CHECKING:
    from dagbook.engine.driver import Driver
    from dagbook.engine.work import Job

Gather = int | Callable[[list[Any]], tuple[Any, ...]] | None
"""Where a node's arguments come from: nowhere, one value, or several of the list of all values."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a plain run executes: for each index of a topology the function, and where its arguments come from."""

    given: list[Function]
    functions: list[Function]
    gathers: list[Gather]
    options: Mapping[int, NodeOptions]

    @classmethod
    def of(cls, topology: Topology, tasks: Mapping[str, Function] | None) -> Program:
        """``tasks`` give each node its function. Raises UsageError or GraphError for what does not fit the graph.

        A parameter without a default gets the value of the node of its name, which must be one that the node needs.
        The same functions for the same graph are worked out once.
        """
        given = functions_of(topology, tasks)
        last = topology.memo
        if isinstance(last, Program) and last.given == given:
            return last
        functions, gathers = list(given), [None] * len(given)  # type: tuple[list[Function], list[Gather]]
        names, index, preds = topology.names, topology.index, topology.preds
        for i, fn in enumerate(given):
            if not takes_nothing(fn):
                wanted = required(names[i], fn, _among(index, preds[i]))
                functions[i], gathers[i] = bind(fn, wanted, index)
        program = topology.memo = cls(given, functions, gathers, given_options(topology))
        return program


def _among(index: Mapping[str, int], preds: Sequence[int]) -> Callable[[str], bool]:
    return lambda parameter: index.get(parameter, -1) in preds


def bind(fn: Function, parameters: Sequence[Parameter], index: Mapping[str, int]) -> tuple[Function, Gather]:
    """A function that takes its arguments by position, and where they come from."""
    sources = [index[parameter.name] for parameter in parameters]
    keywords = [parameter.name for parameter in parameters if parameter.keyword]
    called = by_keyword(fn, keywords) if keywords else fn
    if len(sources) > 1:
        return called, itemgetter(*sources)
    return called, sources[0] if sources else None


def by_keyword(fn: Function, keywords: Sequence[str]) -> Function:
    """``fn``, whose last parameters are given by position too."""
    count = len(keywords)

    @wraps(fn)
    def call(*arguments: Any) -> Any:
        return fn(*arguments[:-count], **dict(zip(keywords, arguments[-count:], strict=True)))

    return call


class Plain:
    """One run's work: ``values`` by index; only those of nodes that have run count."""

    def __init__(self, topology: Topology, program: Program, log: Log, options: RunOptions) -> None:
        self.topology = topology
        self.program = program
        self.log = log
        self.options = options
        self.driver: Driver
        self.accept: Callable[[Growth], None]
        self.remote: Remote
        self._functions = program.functions
        self._gathers = program.gathers
        self._own = False
        self.values: list[Any] = [None] * len(program.functions)
        self._names: dict[str, int] = {}  # a copy of the index, once the graph grows
        index = topology.index
        self._expanders = options.expanders
        self._conditions: dict[int, dict[int, Callable[[Any], bool]]] = {}
        for (above, below), predicate in options.conditions.items():
            self._conditions.setdefault(index[below], {})[index[above]] = predicate
        self._asynchronous = options.loop is not None
        self._apart = frozenset(i for i, o in program.options.items() if o.process)

    def place(self, i: int) -> int:
        """Where a node runs: coroutine functions in the caller's loop."""
        if not self._asynchronous or i in self._apart:
            return Place.WORKER
        return Place.LOOP if inspect.iscoroutinefunction(self._functions[i]) else Place.WORKER

    def stretches(self) -> bool:
        """Whether nodes may run one after another without anybody being asked in between."""
        timed = any(options.timeout is not None for options in self.program.options.values())
        return not (timed or self.options.cancel_event)

    def alone(self) -> Callable[[int], bool] | None:
        """Which nodes may grow the graph when they have ended."""
        if not self._expanders:
            return None
        names, expanders = self.log, self._expanders
        return lambda i: names.names[i] in expanders

    # -- deciding: only where edges have conditions

    def check(self, i: int) -> str | BaseException:
        """Why a node is not to run, or nothing; what a condition raised."""
        try:
            return self._unmet(i)
        except BaseException as error:  # a condition is user code, which may raise anything
            return error

    def _unmet(self, i: int) -> str:
        state = self.driver.scheduler.state
        conditions = self._conditions.get(i, {})
        met = not conditions
        for p in self.driver.scheduler.preds(i):
            if p not in conditions:
                if state(p) is State.SKIPPED:
                    return f"{self.log.names[p]} was skipped"
                met = True
            elif state(p) is State.RAN and not met:
                met = bool(conditions[p](self.values[p]))
        return "" if met else "none of the conditions on what leads to it is met"

    def answer(self, i: int, reason: str | BaseException) -> None:
        """The node is skipped, or to run."""
        if isinstance(reason, BaseException):
            self.driver.failed(i, reason)
        elif reason:
            self.driver.scheduler.skip(i, reason)
        else:
            self.driver.scheduler.enqueue(i)

    def join(self, i: int) -> None:
        raise AssertionError("nothing is joined in a plain run")

    # -- running

    def perform(self, job: Job) -> None:
        """Run the job's nodes one after another, until one raises or somebody wants the lane to stop."""
        i, functions = job.nodes[0], self._functions
        if i in self._apart:  # it has options, and so is alone in its job
            loop(job.nodes, {i: partial(self._call_apart, job)}, self._gathers, self.values, job)
        else:
            loop(job.nodes, functions, self._gathers, self.values, job)
        if self._expanders and not job.error and len(job.nodes) == 1:
            self._expand(job)

    def _call_apart(self, job: Job, *arguments: Any) -> Any:
        i = job.nodes[0]
        return self.remote(Errand(self.log.names[i], self._functions[i], arguments), job.started).value

    async def perform_async(self, job: Job) -> None:
        """Await the job's node in the caller's loop."""
        i = job.nodes[0]
        try:
            self.values[i] = await self._functions[i](*arguments(self._gathers[i], self.values))
            job.ends.append(monotonic())
            if self._expanders:
                self._expand(job)
        except BaseException as error:  # user code may raise anything
            job.error = error

    def _expand(self, job: Job) -> None:
        expand = self._expanders.get(self.log.names[job.nodes[0]])
        if expand is None:
            return
        try:
            job.outcome = expand(self.values[job.nodes[0]])
        except DagbookError as error:  # what it asks for cannot be done: the run cannot go on
            job.outcome = error
        except BaseException as error:  # user code may raise anything
            job.ends.clear()
            job.error = error

    def timeout(self, i: int) -> float | None:
        """How many seconds a node may take."""
        options = self.program.options.get(i)
        return None if options is None else options.timeout

    def retries(self, i: int) -> tuple[int, float]:
        """How many further attempts a node has, and how long it rests before the first."""
        options = self.program.options.get(i)
        if options is None:
            return self.options.retries, 0.0
        return max(options.retries, self.options.retries), options.backoff

    def describe(self, error: BaseException) -> dict[str, Any]:
        """An exception as plain data."""
        return describe_error(error, lambda filename: filename)

    # -- finishing

    def report(self, job: Job) -> None:
        """What became of a job: the nodes that ended, the one that raised, the graph that grew."""
        driver = self.driver
        if isinstance(job.outcome, Growth):
            try:
                self._grow(job.nodes[0], job.outcome)
            except DagbookError as error:
                driver.refuse(error)
        elif job.outcome is not None:
            driver.refuse(job.outcome)
        driver.log_ends(job)
        if job.error is not None:
            driver.failed(job.nodes[len(job.ends)], job.error)

    def _grow(self, i: int, growth: Growth) -> None:
        """Splice new nodes in, before anything that waits for node ``i`` is released. All or nothing."""
        scheduler, log = self.driver.scheduler, self.log
        index = self._index()
        self.driver.halt()  # else a lane could have come to a node that is about to be changed
        for name in (*growth.remove, *(reader for new in growth.add for reader in new.needed_by)):
            if name in index and scheduler.state(index[name]) not in _FREE:
                raise GraphError(
                    f"the expansion of {log.names[i]!r} changes {name!r}, which has already been started. Only nodes "
                    "that wait can be removed, or get more inputs."
                )
        for name in growth.remove:
            self._check_nobody_takes(name, index, growth)
        wanted = [
            () if takes_nothing(new.fn) else required(new.name, new.fn, new.needs.__contains__) for new in growth.add
        ]
        self.accept(growth)
        first = len(log.names)
        for n, new in enumerate(growth.add):
            index[new.name] = first + n
        if not self._own:
            self._functions, self._gathers = list(self._functions), list(self._gathers)
            self._own = True
        needs = [[index[p] for p in new.needs] for new in growth.add]
        for new, parameters in zip(growth.add, wanted, strict=True):
            function, gather = bind(new.fn, parameters, index) if parameters else (new.fn, None)
            self._functions.append(function)
            self._gathers.append(gather)
        self.values.extend([None] * len(growth.add))
        names = [new.name for new in growth.add]
        scheduler.grow(i, names, needs, [[index[r] for r in new.needed_by] for new in growth.add])
        for name in growth.remove:
            scheduler.remove(index.pop(name), f"removed by the expansion of {log.names[i]}")

    def _check_nobody_takes(self, name: str, index: Mapping[str, int], growth: Growth) -> None:
        """Raise GraphError when a node that stays gets the value of one that is to be removed."""
        scheduler, names = self.driver.scheduler, self.log.names
        for s in scheduler.succs(index[name]) if name in index else ():
            fn = self._functions[s]
            if names[s] in growth.remove or scheduler.state(s) in ENDED or takes_nothing(fn):
                continue
            if any(p.name == name and not p.optional for p in parameters_of(fn)):
                raise GraphError(
                    f"{name!r} cannot be removed: the task of {names[s]!r} takes its value. Remove both, or have the "
                    "task do without it."
                )

    def _index(self) -> dict[str, int]:
        if not self._names:
            self._names = dict(self.topology.index)
        return self._names

    def value(self, i: int) -> object:
        """The value of a node that has run."""
        return self.values[i]

    def told(self, start: int, stop: int) -> Sequence[Record]:
        """Nothing is recorded."""
        return ()


_FREE = frozenset({State.WAITING, State.SETTLED, State.READY, State.SKIPPED, State.CANCELLED})


def arguments(gather: Gather, values: list[Any]) -> tuple[Any, ...]:
    """The arguments of one call."""
    if gather is None:
        return ()
    return (values[gather],) if isinstance(gather, int) else gather(values)


def loop(
    nodes: Sequence[int],
    functions: list[Function] | dict[int, Function],
    gathers: list[Gather],
    values: list[Any],
    job: Job,
) -> None:
    """Call functions one after another; the innermost loop of a plain run."""
    ended, halt, clock, limit = job.ends.append, job.halt, monotonic, job.limit
    try:
        for i in nodes:
            gather = gathers[i]
            if gather is None:
                value = functions[i]()
            elif isinstance(gather, int):
                value = functions[i](values[gather])
            else:
                value = functions[i](*gather(values))
            if value.__class__ is CoroutineType:
                value = finish_coroutine(value)
            values[i] = value
            now = clock()
            ended(now)
            if halt or now > limit:
                break
    except BaseException as error:  # user code may raise anything, SystemExit and KeyboardInterrupt too
        job.error = error


catches(loop)
