"""The dynamic executor: what a node returns decides which nodes come next."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagbook.engine.run import Run
from dagbook.errors import UsageError, did_you_mean, nearest
from dagbook.executors.general import Executor, Tasks
from dagbook.executors.results import ExecutionResult
from dagbook.graph.compose import Growth, NewNode
from dagbook.graph.dag import DAG
from dagbook.graph.node import Node


@dataclass(slots=True)
class DynamicNodeSpec:
    """A node to be added while a run goes on: after ``dependencies``, and before ``dependents``."""

    name: str
    task: Callable[..., Any]
    dependencies: Sequence[str] | None = None
    dependents: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UsageError(f"the name of a new node is a text, not {self.name!r}.")
        if not callable(self.task):
            raise UsageError(f"the task of the new node {self.name!r} must be a function, not {self.task!r}.")
        for names in (self.dependencies, self.dependents):
            _check_names(names, f"dependencies and dependents of {self.name!r}")

    def as_new_node(self, same: dict[tuple[str, ...], tuple[str, ...]]) -> NewNode:
        """The same in the engine's terms. ``same`` are tuples of names to be shared: thousands may be equal."""
        needs, needed_by = tuple(self.dependencies or ()), tuple(self.dependents or ())
        return NewNode(self.name, self.task, same.setdefault(needs, needs), same.setdefault(needed_by, needed_by))


@dataclass(slots=True)
class DynamicModification:
    """What an expander does to the graph: nodes to add and nodes to remove, all of it or nothing."""

    add_nodes: Sequence[DynamicNodeSpec] | None = None
    remove_nodes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for spec in self.add_nodes or ():
            if not isinstance(spec, DynamicNodeSpec):
                raise UsageError(f"add_nodes takes DynamicNodeSpec objects, not {spec!r}.")
        _check_names(self.remove_nodes, "remove_nodes")

    def as_growth(self) -> Growth:
        """The same in the engine's terms."""
        same: dict[tuple[str, ...], tuple[str, ...]] = {}
        return Growth(tuple(spec.as_new_node(same) for spec in self.add_nodes or ()), tuple(self.remove_nodes or ()))


@dataclass(slots=True)
class _Removed:
    """A node that a modification has removed, and the edges that it had."""

    node: Node
    payload: Any
    edges: list[tuple[str, str]]

    @classmethod
    def of(cls, dag: DAG, name: str) -> _Removed:
        edges = [(above, name) for above in dag.predecessors(name)]
        edges += [(name, below) for below in dag.successors(name)]
        return cls(dag[name], dag.payload(name), edges)

    def put_back(self, dag: DAG) -> None:
        """Have the node again, without the edges."""
        dag.add_node(self.node.name, payload=self.payload, options=self.node.options)
        if not self.node.bare:
            dag.define((self.node,))


Expander = Callable[..., DynamicModification | None]
"""Called with a node's value, or with its name and value when it takes two arguments."""


class DynamicExecutor(Executor):
    """Runs a graph that grows while it runs: ``expanders`` are asked after the nodes that they are named for.

    An expander may also be named for a node that another expansion adds. The graph given is changed in place; the next
    execution first takes back what the last one did to it. The other arguments are those of :class:`DAGExecutor`.
    """

    def __init__(
        self,
        dag: DAG,
        expanders: Mapping[str, Expander],
        max_workers: int | None = None,
        callbacks: object | None = None,
        fail_fast: bool = True,
        enable_tracing: bool = False,
        *,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(dag, max_workers, None, callbacks, fail_fast, enable_tracing, resources=resources)
        if not isinstance(expanders, Mapping):
            raise UsageError(f"expanders is a dict from the name of a node to a function, not {expanders!r}.")
        self._expanders = {name: _expander(name, function) for name, function in expanders.items()}
        self._growths: list[tuple[Growth, list[_Removed]]] = []

    def execute(self, tasks: Tasks | None) -> ExecutionResult:
        """Run all, also what is added meanwhile, and return what became of each node.

        Raises DuplicateNodeError, NodeNotFoundError, CycleError or UsageError for a modification that cannot be made;
        the graph is then as it was before that modification, and what has finished is in the error's ``result``.
        """
        self._take_back()
        run = self._begin(tasks, self._grow, expanders=self._expanders).wait()
        self._warn_of_the_unknown(run)
        return self._result(run)

    def _grow(self, growth: Growth) -> None:
        """Make a modification in the graph itself, and remember how to take it back."""
        removed = [_Removed.of(self.dag, name) for name in growth.remove if name in self.dag]
        self.dag.grow(growth)
        self._growths.append((growth, removed))

    def _take_back(self) -> None:
        """Have the graph as it was before the last execution; what its owner changed meanwhile stays."""
        growths = [*reversed(self._growths)]
        self._growths.clear()
        for growth, removed in growths:
            self.dag.shrink(new.name for new in growth.add if new.name in self.dag)
            gone = [each for each in removed if each.node.name not in self.dag]
            for each in gone:
                each.put_back(self.dag)
            self.dag.add_edges((a, b) for each in gone for a, b in each.edges if a in self.dag and b in self.dag)

    def _warn_of_the_unknown(self, run: Run) -> None:
        known = set(run.names)
        for name in self._expanders:
            if name not in known and run.crash is None and run.status == "done":
                hint = did_you_mean(nearest(name, known))
                message = f"the expander of {name!r} was never asked: no node is called so{hint}"
                warnings.warn(message, RuntimeWarning, stacklevel=3)


def _expander(name: str, function: Expander) -> Callable[[Any], Growth | None]:
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise UsageError(f"the expander of {name!r} must be a plain function, not {function!r}.")
    takes_name = _arguments(name, function) == 2

    def expand(value: Any) -> Growth | None:
        modification = function(name, value) if takes_name else function(value)
        if modification is None:
            return None
        if not isinstance(modification, DynamicModification):
            raise UsageError(
                f"the expander of {name!r} returned a {type(modification).__name__}; return a DynamicModification, "
                "or None to leave the graph as it is."
            )
        return modification.as_growth()

    return expand


def _arguments(name: str, function: Expander) -> int:
    """How many arguments an expander takes: one, the value, or two, the name and the value."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a function in C may not say
        return 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in parameters if p.kind in kinds]
    required = sum(p.default is inspect.Parameter.empty for p in positional)
    several = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    if required > 2 or not (positional or several):
        raise UsageError(
            f"the expander of {name!r} takes {required} arguments; it is called with the node's value, or with its "
            "name and value."
        )
    return max(1, required)


def _check_names(names: object, what: str) -> None:
    if names is None:
        return
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):  # type: ignore[attr-defined]
        raise UsageError(f"{what} are a list of names, not {names!r}.")
