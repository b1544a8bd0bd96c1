"""A pipeline: functions whose parameters say what they need."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from threading import Event
from typing import Any, TypedDict, Unpack

from dagbook.errors import AmbiguousInputError, DuplicateNodeError, MissingInputError, UsageError, did_you_mean, nearest
from dagbook.executors.general import AsyncDAGExecutor, DAGExecutor
from dagbook.executors.results import ExecutionResult
from dagbook.graph.dag import DAG
from dagbook.graph.node import node, options_of

task = node
"""Mark a function as a task of a pipeline; it stays callable as plain Python. Takes the options of a node."""


class Settings(TypedDict, total=False):
    """The arguments of :class:`DAGExecutor` that a pipeline hands on."""

    max_workers: int | None
    costs: Mapping[str, float] | None
    callbacks: object | None
    fail_fast: bool
    enable_tracing: bool
    hooks: Iterable[object] | None
    resources: Mapping[str, float] | None


class Pipeline:
    """Functions as a graph: a parameter that is called like another task gets that task's value.

    Raises MissingInputError for a parameter that names no task and has no default, DuplicateNodeError for two tasks of
    one name, CycleError, and AmbiguousInputError for a parameter with a default that is also called like a task.
    """

    def __init__(self, tasks: Iterable[Callable[..., Any]], name: str = "pipeline") -> None:
        self.name = name
        self._tasks = _by_name(tasks)
        self.dag = DAG(name)
        for each, function in self._tasks.items():
            self.dag.add_node(each, options=options_of(function))
        edges = [(need, each) for each, function in self._tasks.items() for need in _needs(each, function, self._tasks)]
        self.dag.add_edges(edges)

    def execute(
        self, timeout: float | None = None, cancel_event: Event | None = None, **settings: Unpack[Settings]
    ) -> ExecutionResult:
        """Run all tasks and return what became of them. Takes the arguments of :class:`DAGExecutor`."""
        return DAGExecutor(self.dag, **settings).execute(self._tasks, timeout, cancel_event)

    async def execute_async(
        self, timeout: float | None = None, cancel_event: Event | None = None, **settings: Unpack[Settings]
    ) -> ExecutionResult:
        """As :meth:`execute`, with coroutine functions in the running event loop, which is never blocked."""
        return await AsyncDAGExecutor(self.dag, **settings).execute(self._tasks, timeout, cancel_event)

    def __repr__(self) -> str:
        return f"<Pipeline {self.name!r}: {', '.join(self._tasks)}>"


def _by_name(tasks: Iterable[Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for function in tasks:
        name = getattr(function, "__name__", None)
        if not callable(function) or not isinstance(name, str):
            raise UsageError(f"a pipeline is made of functions, and {function!r} is none.")
        if name in found:
            raise DuplicateNodeError(f"two tasks of the pipeline are called {name!r}. Rename one of them.")
        found[name] = function
    return found


def _needs(name: str, function: Callable[..., Any], tasks: Mapping[str, object]) -> list[str]:
    kinds = inspect.Parameter
    needs = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD):
            continue
        optional = parameter.default is not kinds.empty
        if parameter.name in tasks and optional:
            raise AmbiguousInputError(
                f"{name}: parameter {parameter.name!r} has a default, and {parameter.name!r} is also a task. To take "
                "the task's value, remove the default; to keep the default, rename the parameter."
            )
        if parameter.name in tasks:
            needs.append(parameter.name)
        elif not optional:
            raise MissingInputError(
                f"{name} needs {parameter.name!r}, and no task of the pipeline is called so"
                f"{did_you_mean(nearest(parameter.name, tasks))}"
            )
    return needs
