"""A DAG: a namespace of nodes and the edges between them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagbook.errors import (
    AmbiguousInputError,
    DuplicateNodeError,
    GraphError,
    MissingInputError,
    NodeNotFoundError,
    did_you_mean,
    nearest,
)
from dagbook.graph.binding import at, bound, refuse_ambiguous, sources
from dagbook.graph.compose import Growth, NewNode
from dagbook.graph.edges import Edges, already, refuse_duplicate
from dagbook.graph.node import Node, NodeOptions, check_label, parameters_of
from dagbook.graph.queries import Queries
from dagbook.graph.topology import Topology

if TYPE_CHECKING:
    from dagbook.graph.builder import DAGBuilder
    from dagbook.graph.handles import Handle


@dataclass(frozen=True, slots=True)
class Change:
    """What a definition did to the graph: names of nodes, in definition order."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    redefined: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.redefined)


class DAG(Queries):
    """A namespace of nodes. Edges are added by hand, or come from the names of functions' parameters.

    Every change is all or nothing: what is refused leaves the DAG as it was. A node need not have a function; a run is
    then given one. ``parameters`` are the graph inputs that were set. Not to be changed by two threads at once.
    """

    def __init__(self, name: str = "dag") -> None:
        self.name = name
        self.parameters: dict[str, object] = {}
        self._edges = Edges()
        self._described: dict[str, Node] = {}  # nodes with a function or options; all others are bare
        self._payloads: dict[str, Any] = {}
        self._owner: dict[str, str] = {}  # of the nodes whose parameters make edges
        self._unbound: set[str] = set()  # what parameters ask for and no node is called
        self._implied: set[str] = set()  # nodes that only an edge has named so far
        self._grown: dict[str, NewNode] = {}  # not described yet
        self._topology: Topology | None = None

    @staticmethod
    def builder(name: str = "dag") -> DAGBuilder:
        """A builder: ``DAG.builder().add_edge("a", "b").build()``."""
        from dagbook.graph.builder import DAGBuilder

        return DAGBuilder(name)

    def snapshot(self) -> DAG:
        """An independent copy; payloads, functions and values of parameters are shared."""
        twin = DAG(self.name)
        twin.parameters = dict(self.parameters)
        twin._edges = self._edges.copy()
        twin._described, twin._payloads = dict(self._described), dict(self._payloads)
        twin._owner, twin._grown = dict(self._owner), dict(self._grown)
        twin._unbound, twin._implied = set(self._unbound), set(self._implied)
        twin._topology = self._topology
        return twin

    # -- nodes and edges by hand

    def add_node(self, name: str, *, payload: Any = None, options: NodeOptions | None = None, **keywords: Any) -> None:
        """Add a node without a function. ``keywords`` are those of :class:`NodeOptions`; ``payload`` is yours.

        A node that an edge has named before gets what is given here. Raises DuplicateNodeError for a second one, and
        GraphError for a name or an option that cannot be.
        """
        check_label(name)
        if keywords:
            if options is not None:
                raise GraphError(f"{name!r} is given options twice: as options=…, and as {', '.join(keywords)}.")
            options = NodeOptions.of(**keywords)
        self.add_nodes((name,))
        if options is not None:
            self._described[name] = Node(name, options=options)
        if payload is not None:
            self._payloads[name] = payload

    def add_nodes(self, names: Iterable[str]) -> None:
        """Add bare nodes. Raises DuplicateNodeError, or GraphError for what is no name."""
        if isinstance(names, str):
            raise GraphError(f"add_nodes takes several names, like [{names!r}]; for one there is add_node.")
        names = list(names)
        if set(map(type, names)) - {str} or "" in names:
            for name in names:
                check_label(name)
        new = names
        if self._implied and not self._implied.isdisjoint(names):
            refuse_duplicate(names)
            new = [name for name in names if name not in self._implied]
        saved = self._save_for(new)
        self._edges.add(new)
        self._arrived(saved)
        self._implied.difference_update(names if self._implied else ())

    def add_edge(self, upstream: str, downstream: str) -> None:
        """Make ``downstream`` need ``upstream``; nodes that are missing are made. Raises CycleError with its path."""
        self.add_edges(((upstream, downstream),))

    def add_edges(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Add edges as (upstream, downstream), and the nodes that are missing; an edge that is there stays one.

        All or nothing. Raises CycleError with its path, and GraphError for what is no pair of names.
        """
        pairs = pairs if isinstance(pairs, list | tuple) else list(pairs)
        saved = self._edges.copy() if self._unbound else None
        new = self._edges.connect(pairs)
        self._arrived(saved if saved and not self._unbound.isdisjoint(new) else None)
        self._implied.update(new)

    def _save_for(self, names: Iterable[str]) -> Edges | None:
        """The edges as they are, when a parameter waits for one of these names."""
        return self._edges.copy() if self._unbound and not self._unbound.isdisjoint(names) else None

    def _arrived(self, saved: Edges | None) -> None:
        """Edges have changed. With ``saved``: bind what parameters waited for, or go back to that and raise."""
        if saved is not None:
            try:
                self.define(())
            except GraphError:
                self._edges = saved
                raise
        self._topology = None

    def node(self, function: Callable[..., Any] | DAG, label: str | None = None, **options: Any) -> Handle:
        """Add a function, or a whole DAG as one step, that is wired by type: ``dag.node(load) >> dag.node(clean)``."""
        from dagbook.graph.handles import node_of

        return node_of(self, function, label, options)

    def map(self, sub_dag: DAG, label: str | None = None, **options: Any) -> Handle:
        """Add a DAG that is run for each element of the list or dict that the node above gives."""
        from dagbook.graph.handles import map_of

        return map_of(self, sub_dag, label, options)

    def remove_node(self, name: str) -> Node:
        """Take a node and its edges out; functions that named it have a missing input then."""
        node = self[name]
        self.shrink((name,))
        return node

    remove = remove_node

    def remove_edge(self, upstream: str, downstream: str) -> None:
        """Take an edge out. Raises GraphError when it is not there, or when a parameter makes it."""
        a, b = self._slot(upstream), self._slot(downstream)
        if not self._edges.has(a, b):
            raise GraphError(f"there is no edge from {upstream!r} to {downstream!r}.")
        if upstream in self._asked(downstream):
            raise GraphError(
                f"{downstream!r} takes {upstream!r} as a parameter, which makes the edge. Change the function."
            )
        self._edges.unlink(a, b)
        self._topology = None

    # -- growth while a run goes on

    def grow(self, growth: Growth) -> None:
        """Remove and add nodes with their edges, at a cost that is that of the growth, not of the graph.

        Raises DuplicateNodeError, NodeNotFoundError, CycleError, or GraphError for what is no name or no function.
        """
        removed = dict.fromkeys(growth.remove)
        new = self._check_growth(growth.add, removed)
        saved, asked_for = self._save_for(new), self._asked_for(removed)
        self._edges.grow(growth.add, [self._edges.index[name] for name in removed])
        if saved is not None:
            self._arrived(saved)
        self._forget(removed, asked_for)
        self._grown.update(new)

    def _check_growth(self, add: Iterable[NewNode], removed: Collection[str]) -> dict[str, NewNode]:
        for name in removed:
            self._slot(name)
        new: dict[str, NewNode] = {}
        for node in add:
            check_label(node.name)
            if not callable(node.fn):
                raise GraphError(f"the function of {node.name!r} is something that can be called, not {node.fn!r}.")
            if node.name in new or node.name in self:
                raise already(node.name)
            new[node.name] = node
        for node in add:
            for name in (*node.needs, *node.needed_by):
                if name not in new and (name not in self or name in removed):
                    raise NodeNotFoundError(name, self)
        return new

    def shrink(self, names: Iterable[str]) -> None:
        """Remove nodes and their edges, at a cost that is that of these edges. Raises NodeNotFoundError."""
        slots = {name: self._slot(name) for name in names}
        asked_for = self._asked_for(slots)
        self._edges.drop(slots.values())
        self._forget(slots, asked_for)

    def _asked_for(self, names: Iterable[str]) -> set[str]:
        """Those of these nodes that a parameter asks for."""
        if not self._owner:
            return set()
        asked: dict[str, set[str]] = {}
        for below in dict.fromkeys(below for name in names for below in self.successors(name)):
            asked[below] = set(self._asked(below))
        return {name for name in names if any(name in asked[below] for below in self.successors(name))}

    def _forget(self, names: Iterable[str], asked_for: set[str]) -> None:
        for name in names:
            about: dict[str, Any]
            for about in (self._described, self._payloads, self._owner, self._grown):
                about.pop(name, None)
            self._implied.discard(name)
        self._unbound |= asked_for
        self._topology = None

    # -- definition by functions

    def define(self, nodes: Iterable[Node], owner: str = "") -> Change:
        """Make ``nodes`` all that ``owner`` (a cell, a module) defines: others that it owned are removed.

        Raises DuplicateNodeError, AmbiguousInputError or CycleError; then nothing has changed.
        """
        new: dict[str, Node] = {}
        for node in nodes:
            self._refuse_duplicate(node, new.get(node.name), owner)
            new[node.name] = node
        gone = dict.fromkeys(n for n in self.owned(owner) if n not in new) if owner else {}
        change = Change(tuple(n for n in new if n not in self), tuple(gone), tuple(n for n in new if n in self))
        self._describe_grown()
        owners = {n: o for n, o in self._owner.items() if n not in gone} | dict.fromkeys(new, owner)
        described = {n: node for n, node in self._described.items() if n not in gone} | new
        names = [*(n for n in self if n not in gone), *change.added]
        by_hand = {n: self._needs_by_hand(n, gone) for n in names if n in self}
        self._edges, self._unbound = bound(names, {n: described[n] for n in owners}, by_hand)
        self._described, self._owner, self._topology = described, owners, None
        self._implied.difference_update(new, gone)
        for name in gone:
            self._payloads.pop(name, None)
        return change

    def _needs_by_hand(self, name: str, gone: Collection[str]) -> list[str]:
        """What a node needs without a parameter that says so."""
        asked = self._asked(name)
        return [need for need in self.inputs(name) if need not in asked and need not in gone]

    def _asked(self, name: str) -> list[str]:
        """What the parameters of a defined node ask for."""
        return [source for source, _ in sources(self._described[name])] if name in self._owner else []

    def add(self, node: Node, needs: Iterable[str] = ()) -> None:
        """Define one more node, which also needs ``needs``: cheaper than :meth:`define`, which looks at the whole DAG.

        Raises DuplicateNodeError, NodeNotFoundError, AmbiguousInputError or CycleError; then nothing has changed.
        """
        check_label(node.name)
        if node.name in self._owner or not self._described.get(node.name, Node(node.name)).bare:
            self._refuse_duplicate(node, self[node.name], "")
        asked, needs = [source for source, _ in sources(node)], list(needs)
        for need in needs:
            self._slot(need)
        needs = [*asked, *needs]
        if node.name in self or node.name in self._unbound or node.name in needs:
            twin = self.snapshot()
            twin.define((node,))
            twin.add_edges([(need, node.name) for need in needs if need in twin])
            self.__dict__.update(twin.__dict__)
            return
        refuse_ambiguous(node, self)
        self._edges.add((node.name,))
        self._edges.connect([(need, node.name) for need in needs if need in self])
        self._described[node.name], self._owner[node.name] = node, ""
        self._unbound.update(source for source in asked if source not in self)
        self._topology = None

    def rename_owner(self, old: str, new: str) -> None:
        """The nodes of ``old`` are ``new``'s from now on: a cell was moved."""
        self._owner = {n: new if o == old else o for n, o in self._owner.items()}

    def set(self, **parameters: object) -> None:
        """Give graph inputs their values. Raises AmbiguousInputError for the name of a node."""
        for name in parameters:
            if name in self:
                raise AmbiguousInputError(
                    f"{name!r} is a node{at(self[name])}, so it cannot be set. Rename the node, or the input."
                )
        self.parameters.update(parameters)

    def _refuse_duplicate(self, node: Node, twin: Node | None, owner: str) -> None:
        if twin is None and self._owner.get(node.name, owner) != owner:
            twin = self._described[node.name]
        if twin is not None:
            raise DuplicateNodeError(
                f"{node.name!r} is defined twice: in {twin.place or 'another place'} and in "
                f"{node.place or 'this one'}. Rename one of them, or take the other out with "
                f"`%dag drop {node.name}` and run this cell again."
            )

    # -- queries about nodes

    def __getitem__(self, name: str) -> Node:
        if name in self._grown:
            self._describe_grown()
        node = self._described.get(name)
        if node is None:
            self._slot(name)
            node = Node(name)
        return node

    def _describe_grown(self) -> None:
        for name, new in self._grown.items():
            self._described[name] = Node(name, new.fn, parameters_of(new.fn))
        self._grown.clear()

    def payload(self, name: str) -> Any:
        """What :meth:`add_node` was given as payload; None without."""
        self._slot(name)
        return self._payloads.get(name)

    def owner(self, name: str) -> str:
        """Who defined a node: the owner that was given to :meth:`define`; nothing for a node without a definition."""
        self._slot(name)
        return self._owner.get(name, "")

    def owned(self, owner: str) -> tuple[str, ...]:
        """The nodes that ``owner`` defines."""
        return tuple(n for n, o in self._owner.items() if o == owner)

    def topology(self) -> Topology:
        """The frozen form; the same object until the DAG changes."""
        if self._topology is None:
            self._describe_grown()
            self._topology = Topology(*self._edges.freeze(), dict(self._described))
        return self._topology

    def require_parameters(self, names: Iterable[str]) -> None:
        """Raise MissingInputError unless each parameter of these nodes has a node, a value or a default."""
        for name in names:
            for wanted, optional in sources(self._described[name]) if name in self._owner else ():
                if optional or wanted in self or wanted in self.parameters:
                    continue
                raise MissingInputError(
                    f"{name}{at(self[name])} needs {wanted!r}, and nothing provides it. Define a function `{wanted}`, "
                    f"or set it with `%dag set {wanted}=…`{did_you_mean(nearest(wanted, self))}"
                )
