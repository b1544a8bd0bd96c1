"""A DAG: a namespace of nodes and the edges between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dagbook.errors import (
    AmbiguousInputError,
    CycleError,
    DuplicateNodeError,
    MissingInputError,
    NodeNotFoundError,
    did_you_mean,
    nearest,
)
from dagbook.graph.node import Node, Parameter
from dagbook.graph.topology import Topology, topological


@dataclass(frozen=True, slots=True)
class Change:
    """What a definition did to the graph: names of nodes, in definition order."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    redefined: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.redefined)


class DAG:
    """A namespace of nodes; edges come from the names of their parameters.

    Every change is all or nothing: a definition that is refused leaves the DAG as it was. ``parameters`` are the
    graph inputs that were set.
    """

    def __init__(self, name: str = "dag") -> None:
        self.name = name
        self.parameters: dict[str, object] = {}
        self._nodes: dict[str, Node] = {}
        self._owner: dict[str, str] = {}
        self._topology: Topology | None = None

    # -- definition

    def define(self, nodes: Iterable[Node], owner: str = "") -> Change:
        """Make ``nodes`` all that ``owner`` (a cell, a module) defines: others that it owned are removed.

        Raises DuplicateNodeError, AmbiguousInputError or CycleError; then nothing has changed.
        """
        new: dict[str, Node] = {}
        for node in nodes:
            self._refuse_duplicate(node, new.get(node.name), owner)
            new[node.name] = node
        gone = tuple(n for n, o in self._owner.items() if o == owner and n not in new) if owner else ()
        after = {n: node for n, node in self._nodes.items() if n not in gone} | new
        _check(after)
        change = Change(
            tuple(n for n in new if n not in self._nodes), gone, tuple(n for n in new if n in self._nodes)
        )
        self._nodes = after
        self._owner = {n: o for n, o in self._owner.items() if n not in gone} | dict.fromkeys(new, owner)
        self._topology = None
        return change

    def rename_owner(self, old: str, new: str) -> None:
        """The nodes of ``old`` are ``new``'s from now on: a cell was moved."""
        self._owner = {n: new if o == old else o for n, o in self._owner.items()}

    def remove(self, name: str) -> Node:
        """Take a node out; those that named it have a missing input then. Raises NodeNotFoundError."""
        node = self[name]
        del self._nodes[name], self._owner[name]
        self._topology = None
        return node

    def set(self, **parameters: object) -> None:
        """Give graph inputs their values. Raises AmbiguousInputError for the name of a node."""
        for name in parameters:
            if name in self._nodes:
                raise AmbiguousInputError(
                    f"{name!r} is a node{_at(self._nodes[name])}, so it cannot be set. Rename the node, or the input."
                )
        self.parameters.update(parameters)

    def _refuse_duplicate(self, node: Node, twin: Node | None, owner: str) -> None:
        if twin is None and self._owner.get(node.name, owner) != owner:
            twin = self._nodes[node.name]
        if twin is not None:
            raise DuplicateNodeError(
                f"{node.name!r} is defined twice: in {twin.place or 'another place'} and in "
                f"{node.place or 'this one'}. Rename one of them, or take the other out with "
                f"`%dag drop {node.name}` and run this cell again."
            )

    # -- queries

    def __getitem__(self, name: str) -> Node:
        try:
            return self._nodes[name]
        except KeyError:
            raise NodeNotFoundError(name, self._nodes) from None

    def __contains__(self, name: object) -> bool:
        return name in self._nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def owner(self, name: str) -> str:
        """Who defined a node: the owner that was given to :meth:`define`."""
        return self._owner[name]

    def owned(self, owner: str) -> tuple[str, ...]:
        """The nodes that ``owner`` defines."""
        return tuple(n for n, o in self._owner.items() if o == owner)

    def inputs(self, name: str) -> tuple[str, ...]:
        """The nodes that a node needs, in the order of its parameters."""
        return _inputs(self[name], self._nodes)

    def topology(self) -> Topology:
        """The frozen form; the same object until the DAG changes."""
        if self._topology is None:
            self._topology = Topology(self._nodes, _edges(self._nodes))
        return self._topology

    def ancestors(self, *names: str) -> tuple[str, ...]:
        """Everything that these nodes need, in topological order, without themselves."""
        return self._reached(names, self.topology().upstream)

    def descendants(self, *names: str) -> tuple[str, ...]:
        """Everything that needs these nodes, in topological order, without themselves."""
        return self._reached(names, self.topology().downstream)

    def _reached(self, names: Sequence[str], closure: Callable[[Iterable[int]], list[int]]) -> tuple[str, ...]:
        topology = self.topology()
        start = [topology.index[self[name].name] for name in names]
        reached = closure(start)
        return tuple(topology.names[i] for i in reached if i not in set(start))

    def require_parameters(self, names: Iterable[str]) -> None:
        """Raise MissingInputError unless each parameter of these nodes has a node, a value or a default."""
        for name in names:
            node = self._nodes[name]
            for wanted, parameter in _sources(node):
                if wanted in self._nodes or wanted in self.parameters or parameter.optional:
                    continue
                raise MissingInputError(
                    f"{name}{_at(node)} needs {wanted!r}, and nothing provides it. Define a function `{wanted}`, or "
                    f"set it with `%dag set {wanted}=…`{did_you_mean(nearest(wanted, self._nodes))}"
                )


def _at(node: Node) -> str:
    return f" ({node.place})" if str(node.place) else ""


def _sources(node: Node) -> list[tuple[str, Parameter]]:
    """What each parameter is bound by: its own name, or the node that ``each`` maps it over."""
    each = node.options.each
    return [
        (each.get(p.name, p.name), Parameter(p.name, p.keyword) if p.name in each else p) for p in node.parameters
    ]


def _inputs(node: Node, nodes: Mapping[str, Node]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for source, _ in _sources(node) if source in nodes))


def _edges(nodes: Mapping[str, Node]) -> dict[str, tuple[str, ...]]:
    return {name: _inputs(node, nodes) for name, node in nodes.items()}


def _check(nodes: Mapping[str, Node]) -> None:
    for node in nodes.values():
        for source, parameter in _sources(node):
            if parameter.optional and source in nodes:
                raise AmbiguousInputError(
                    f"{node.name}{_at(node)}: parameter {source!r} has a default, and {source!r} is also a node"
                    f"{_at(nodes[source])}. To take the node's value, remove the default; "
                    f"to keep the default, rename the parameter."
                )
    try:
        topological(_edges(nodes))
    except CycleError as error:
        places = [nodes[name].place.cell for name in error.path]
        raise CycleError(error.path, [p for p in places if p]) from None
