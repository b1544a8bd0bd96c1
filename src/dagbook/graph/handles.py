"""A DAG put together from functions and other DAGs: ``dag.node(load) >> dag.map(each_file, label="files")``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dagbook.errors import GraphError, UsageError
from dagbook.graph.node import Node, NodeOptions, options_of

if TYPE_CHECKING:
    from dagbook.graph.dag import DAG


@dataclass(frozen=True, eq=False)
class SubDag:
    """The function of a node that is itself a DAG, with one source and one sink.

    ``mapped``: it is run for each element of the list or dict that the node gets, else once.
    """

    dag: DAG
    mapped: bool = False

    def __call__(self) -> Any:
        raise UsageError("this node is a DAG of its own, which DAGRunner runs; no other executor can call it.")


@dataclass(frozen=True, slots=True, eq=False)
class Handle:
    """A node of a DAG that can be chained: ``a >> b``, ``a >> (b, c) >> d``, ``[a, b] >> c``."""

    dag: DAG
    label: str

    def __rshift__(self, below: Handle | Iterable[Handle]) -> Handles | Handle:
        return _chain(_several(self), below)

    def __rrshift__(self, above: Iterable[Handle]) -> Handles | Handle:
        return _chain(_several(above), self)


class Handles(tuple[Handle, ...]):
    """Several nodes beside each other in a chain."""

    def __rshift__(self, below: Handle | Iterable[Handle]) -> Handles | Handle:
        return _chain(self, below)

    def __rrshift__(self, above: Iterable[Handle]) -> Handles | Handle:
        return _chain(_several(above), self)


def _chain(above: Handles, below: Handle | Iterable[Handle]) -> Handles | Handle:
    to = _several(below)
    strangers = {h.dag.name for h in (*above, *to) if h.dag is not above[0].dag}
    if strangers:
        raise GraphError(
            f"`>>` joins nodes of one DAG; {', '.join(sorted(strangers))!r} is another. To use a DAG inside another "
            "one, write dag.node(other, label=…)."
        )
    above[0].dag.add_edges([(a.label, b.label) for a in above for b in to])
    return below if isinstance(below, Handle) else to


def _several(given: Handle | Iterable[Handle]) -> Handles:
    handles = Handles((given,)) if isinstance(given, Handle) else Handles(given) if _iterable(given) else None
    if not handles or not all(isinstance(h, Handle) for h in handles):
        raise UsageError(f"`>>` joins nodes made by dag.node(…) and dag.map(…), or tuples of them, not {given!r}.")
    return handles


def _iterable(given: object) -> bool:
    return isinstance(given, list | tuple | set | frozenset)


def node_of(dag: DAG, thing: Callable[..., Any] | DAG, label: str | None, options: dict[str, Any]) -> Handle:
    """Add a function, or a whole DAG as one step, to ``dag``."""
    return _add(dag, _body(dag, thing, mapped=False) if isinstance(thing, type(dag)) else thing, label, options)


def map_of(dag: DAG, sub_dag: DAG, label: str | None, options: dict[str, Any]) -> Handle:
    """Add a DAG that is run for each element of the list or dict that the node above gives."""
    if not isinstance(sub_dag, type(dag)):
        raise UsageError(f"dag.map(…) takes a DAG, not {sub_dag!r}. Make one with one node: sub.node(f).")
    return _add(dag, _body(dag, sub_dag, mapped=True), label, options)


def _body(dag: DAG, sub_dag: DAG, *, mapped: bool) -> SubDag:
    if sub_dag is dag:
        raise GraphError(f"the DAG {dag.name!r} cannot be a node of itself.")
    ends(sub_dag, "")
    return SubDag(sub_dag, mapped)


def _add(dag: DAG, function: Any, label: str | None, options: dict[str, Any]) -> Handle:
    if not callable(function):
        raise UsageError(f"dag.node(…) takes a function or a DAG, not {function!r}.")
    name = label or str(getattr(function, "__name__", ""))
    if not name:
        raise UsageError('give the node a name: dag.node(…, label="…").')
    chosen = options_of(function)
    if options:
        given = NodeOptions.of(**options)
        if given.effect and isinstance(function, SubDag):
            raise GraphError(f"{name} is a DAG: say effect=True of those nodes in it that have effects.")
        chosen = replace(chosen, **{option: getattr(given, option) for option in options})
    dag.add(Node(name, function, (), chosen))
    return Handle(dag, name)


def ends(sub_dag: DAG, label: str) -> tuple[str, str]:
    """The one source and the one sink of a DAG that is a node. Raises GraphError when there are none or several."""
    topology = sub_dag.topology()
    found = []
    for what, edges in (("source", topology.preds), ("sink", topology.succs)):
        names = [name for i, name in enumerate(topology.names) if not edges[i]]
        if len(names) != 1:
            which = f"these are {' and '.join(names)}" if names else "it is empty"
            raise GraphError(
                f"{label or sub_dag.name}: a DAG that is used as a node needs exactly one {what}, and {which}."
            )
        found.append(names[0])
    return found[0], found[1]
