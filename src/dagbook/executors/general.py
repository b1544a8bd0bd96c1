"""The general executors: run a graph's tasks once, passing values along, and say what became of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from threading import Event
from typing import Any, TypeVar

from dagbook.engine.options import RunOptions
from dagbook.engine.run import Run
from dagbook.errors import NodeNotFoundError, UsageError
from dagbook.executors.callbacks import observers_of
from dagbook.executors.results import ExecutionResult
from dagbook.graph.compose import Growth
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run

Tasks = Mapping[str, Callable[..., Any]]
R = TypeVar("R", bound=ExecutionResult)


class Executor:
    """What the executors that reuse nothing have in common: how they are made, and how a run of theirs begins.

    ``tasks`` are the functions of the nodes by name. A parameter that is called like one of the nodes above gets that
    node's value; a function without parameters just runs after them.
    """

    def __init__(
        self,
        dag: DAG,
        max_workers: int | None = None,
        costs: Mapping[str, float] | None = None,
        callbacks: object | None = None,
        fail_fast: bool = True,
        enable_tracing: bool = False,
        hooks: Iterable[object] | None = None,
        *,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        self.dag = checked_dag(dag)
        self._options = RunOptions(max_workers, fail_fast, costs=costs or {}, resources=resources or {})
        self._observers = observers_of(callbacks, hooks)
        self._traced_as = dag.name if enable_tracing else None

    def _begin(self, tasks: Tasks | None, accept: Callable[[Growth], None] | None = None, **options: Any) -> Run:
        return plain_run(self.dag, tasks, replace(self._options, **options), self._observers, accept)

    def _result(self, run: Run) -> ExecutionResult:
        return concluded(run, ExecutionResult(run, self._traced_as))


class DAGExecutor(Executor):
    """Runs the tasks of a graph on threads, each as soon as those that it needs have ended.

    ``max_workers`` bounds the threads (1: one task after another in topological order; None: one a core, two at least
    and eight at most). ``costs``, by name and in any unit, say which tasks are long, so that they start early. With
    ``fail_fast`` nothing is started after the first failure; without, only what needs the failed task is skipped.
    ``callbacks`` is an :class:`ExecutionCallbacks` or any object with some of its methods, ``hooks`` are several, those
    of greater ``priority`` first. With ``enable_tracing`` results have a ``trace``. ``resources`` are capacities that
    running nodes share, as they ask for them. Raises UsageError for what is none of these.
    """

    def execute(
        self, tasks: Tasks | None, timeout: float | None = None, cancel_event: Event | None = None
    ) -> ExecutionResult:
        """Run all, and return what became of each node. Raises nothing for tasks that raise.

        With None for ``tasks`` the graph's own functions run. After ``timeout`` seconds, what still runs is given up,
        and what it returns later is thrown away. Once ``cancel_event`` is set, running tasks end and no other is
        started. Ctrl-C ends the run within a second. Raises before anything runs: UsageError for tasks that are
        missing, unknown or cannot be called, GraphError for one with a parameter that no node above it provides.
        """
        return self._result(self._begin(tasks, timeout=timeout, cancel_event=cancel_event).wait())


class AsyncDAGExecutor(Executor):
    """Runs coroutine functions in the caller's event loop, and plain functions on threads, in one graph.

    Made like :class:`DAGExecutor`.
    """

    async def execute(
        self, tasks: Tasks | None, timeout: float | None = None, cancel_event: Event | None = None
    ) -> ExecutionResult:
        """As :meth:`DAGExecutor.execute`, without blocking the event loop.

        When the caller is cancelled, coroutines that run are cancelled too, and nothing more is started.
        """
        import asyncio  # only where there is a loop

        loop = asyncio.get_running_loop()
        run = self._begin(tasks, timeout=timeout, cancel_event=cancel_event, loop=loop)
        return self._result(await run.finished())


class ConditionalExecutor(Executor):
    """Runs a graph in which some edges have conditions: ``conditions={("check", "deploy"): lambda ok: ok}``.

    A condition is asked with the value of the upper node. A node runs when at least one of its incoming edges is met
    (one without a condition is, once the upper node has run) and none of its inputs without a condition was skipped;
    else it is skipped, with the reason.
    The other arguments are those of :class:`DAGExecutor`.
    """

    def __init__(
        self,
        dag: DAG,
        conditions: Mapping[tuple[str, str], Callable[[Any], object]],
        max_workers: int | None = None,
        costs: Mapping[str, float] | None = None,
        callbacks: object | None = None,
        fail_fast: bool = True,
        enable_tracing: bool = False,
        hooks: Iterable[object] | None = None,
        *,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(dag, max_workers, costs, callbacks, fail_fast, enable_tracing, hooks, resources=resources)
        if not isinstance(conditions, Mapping):
            raise UsageError(f"conditions is a dict from edges to functions, not {conditions!r}.")
        self._conditions = dict(conditions)

    def execute(
        self, tasks: Tasks | None, timeout: float | None = None, cancel_event: Event | None = None
    ) -> ExecutionResult:
        """As :meth:`DAGExecutor.execute`. Raises before anything runs for a condition on an edge that is not there."""
        _check_conditions(self.dag, self._conditions)
        run = self._begin(tasks, timeout=timeout, cancel_event=cancel_event, conditions=self._conditions)
        return self._result(run.wait())


def checked_dag(dag: object) -> DAG:
    """``dag``. Raises UsageError for anything else than a DAG."""
    if isinstance(dag, DAG):
        return dag
    hint = " Call its build() first." if hasattr(dag, "build") else ""
    raise UsageError(f"an executor takes a dagbook.DAG, not a {type(dag).__name__}.{hint}")


def concluded(run: Run, result: R) -> R:
    """``result``, or the error that ended the whole run, with ``result`` in its attribute of this name."""
    if run.crash is not None:
        run.crash.result = result  # type: ignore[attr-defined]
        raise run.crash
    return result


def _check_conditions(dag: DAG, conditions: Mapping[tuple[str, str], Callable[[Any], object]]) -> None:
    for edge, condition in conditions.items():
        if not isinstance(edge, tuple) or len(edge) != 2:
            raise UsageError(f"a condition is given for a pair of names, (upper, lower), not for {edge!r}.")
        for name in edge:
            if name not in dag:
                raise NodeNotFoundError(name, dag)
        upper, lower = edge
        if not dag.has_edge(upper, lower):
            raise UsageError(f"there is a condition on the edge {upper} → {lower}, and the graph has no such edge.")
        if not callable(condition) or inspect.iscoroutinefunction(condition):
            raise UsageError(f"the condition on {upper} → {lower} must be a plain function, not {condition!r}.")
