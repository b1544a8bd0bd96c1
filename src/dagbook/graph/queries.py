"""What can be asked of a DAG; nothing here changes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from dagbook.errors import NodeNotFoundError
from dagbook.graph.edges import Edges
from dagbook.graph.plan import CriticalPath, ExecutionStep, critical_path, levels, provenance
from dagbook.graph.text import graphviz, mermaid
from dagbook.graph.topology import Topology


class Queries:
    """The reading half of a DAG. Names that no node has raise NodeNotFoundError."""

    name: str
    _edges: Edges

    def topology(self) -> Topology:
        """The frozen form; the same object until the DAG changes."""
        raise NotImplementedError

    def __contains__(self, name: object) -> bool:
        return name in self._edges.index

    def __iter__(self) -> Iterator[str]:
        return iter(self._edges.index)

    def __len__(self) -> int:
        return len(self._edges.index)

    def __repr__(self) -> str:
        return f"<DAG {self.name!r}: {self.node_count()} nodes, {self.edge_count()} edges>"

    # -- nodes and edges

    def node_count(self) -> int:
        """How many nodes there are."""
        return len(self)

    def edge_count(self) -> int:
        """How many edges there are; two nodes have at most one."""
        return self._edges.count

    def has_node(self, name: str) -> bool:
        """Whether a node has this name."""
        return name in self

    def has_edge(self, upstream: str, downstream: str) -> bool:
        """Whether ``downstream`` needs ``upstream`` directly; False for unknown names."""
        index = self._edges.index
        return upstream in index and downstream in index and self._edges.has(index[upstream], index[downstream])

    def nodes(self) -> list[str]:
        """All names, in the order of definition."""
        return list(self)

    def edges(self) -> list[tuple[str, str]]:
        """All edges as (upstream, downstream): by downstream nodes in the order of definition, as those need them."""
        edges, names = self._edges, self._edges.names
        return [(names[p], name) for name, slot in edges.index.items() for p in edges.needs(slot)]

    def inputs(self, name: str) -> tuple[str, ...]:
        """The nodes that a node needs, in the order of its parameters and edges."""
        return tuple(self._edges.names[i] for i in self._edges.needs(self._slot(name)))

    predecessors = inputs

    def successors(self, name: str) -> tuple[str, ...]:
        """The nodes that need a node directly."""
        return tuple(self._edges.names[i] for i in self._edges.needed_by(self._slot(name)))

    def roots(self) -> tuple[str, ...]:
        """The nodes that need nothing, in the order of definition."""
        return tuple(name for name, slot in self._edges.index.items() if not self._edges.needs(slot))

    def leaves(self) -> tuple[str, ...]:
        """The nodes that nothing needs, in the order of definition."""
        return tuple(name for name, slot in self._edges.index.items() if not self._edges.needed_by(slot))

    def _slot(self, name: str) -> int:
        try:
            return self._edges.index[name]
        except (KeyError, TypeError):
            raise NodeNotFoundError(name, self) from None

    # -- what follows from them

    def ancestors(self, *names: str) -> tuple[str, ...]:
        """Everything that these nodes need, in topological order, without themselves."""
        return self._reached(names, self.topology().upstream)

    def descendants(self, *names: str) -> tuple[str, ...]:
        """Everything that needs these nodes, in topological order, without themselves."""
        return self._reached(names, self.topology().downstream)

    def _reached(self, names: Sequence[str], closure: Callable[[Iterable[int]], list[int]]) -> tuple[str, ...]:
        start = set(self._indexes(names))
        return tuple(self.topology().names[i] for i in closure(start) if i not in start)

    def _indexes(self, names: Iterable[str]) -> list[int]:
        index = self.topology().index
        for name in names:
            self._slot(name)
        return [index[name] for name in names]

    def dirty_set(self, changed: Iterable[str]) -> list[str]:
        """The changed nodes and everything below them, in topological order."""
        topology = self.topology()
        return [topology.names[i] for i in topology.downstream(self._indexes(list(changed)))]

    def change_provenance(self, changed: Iterable[str]) -> dict[str, str]:
        """For each node of :meth:`dirty_set` why it is there: ``direct change``, or ``ancestor`` and its name."""
        return provenance(self.topology(), self._indexes(list(changed)))

    def execution_plan(self) -> list[ExecutionStep]:
        """The nodes by level: those of one level could run beside each other."""
        return levels(self.topology())

    def critical_path(self, costs: Mapping[str, float] | None = None) -> CriticalPath:
        """The names along the way that costs most, and its ``cost``. Nodes without a cost count 1."""
        return critical_path(self.topology(), costs or {})

    def to_graphviz(self) -> str:
        """The graph in the DOT language of Graphviz."""
        return graphviz(self.name, self.topology())

    def to_mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return mermaid(self.topology())
