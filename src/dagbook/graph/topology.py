"""The frozen, integer-indexed form of a DAG that the engine works on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dagbook.errors import CycleError
from dagbook.graph.node import Node


class Topology:
    """Nodes by index, in a topological order that keeps the order of definition where it is free.

    ``names[i]``, ``nodes[i]``; ``index`` maps names back. ``preds[i]`` are the distinct nodes that ``i`` needs, in the
    order of its parameters; ``succs[i]`` those that need it, in definition order. ``preds`` of a node are always
    smaller numbers than the node: the indexes themselves are the order. Never changed after it is made.
    """

    __slots__ = ("index", "names", "nodes", "preds", "succs")

    def __init__(self, nodes: Mapping[str, Node], edges: Mapping[str, Sequence[str]]) -> None:
        self.names: list[str] = topological(edges)
        self.index: dict[str, int] = {name: i for i, name in enumerate(self.names)}
        self.nodes: list[Node] = [nodes[name] for name in self.names]
        self.preds: list[tuple[int, ...]] = [tuple(self.index[p] for p in edges[name]) for name in self.names]
        self.succs: list[list[int]] = [[] for _ in self.names]
        for i, preds in enumerate(self.preds):
            for p in preds:
                self.succs[p].append(i)

    def __len__(self) -> int:
        return len(self.names)

    def upstream(self, targets: Iterable[int]) -> list[int]:
        """``targets`` and everything they need, in topological order."""
        return self._closure(targets, self.preds)

    def downstream(self, sources: Iterable[int]) -> list[int]:
        """``sources`` and everything that needs them, in topological order."""
        return self._closure(sources, self.succs)

    @staticmethod
    def _closure(start: Iterable[int], step: Sequence[Sequence[int]]) -> list[int]:
        seen = set(start)
        stack = list(seen)
        while stack:
            for other in step[stack.pop()]:
                if other not in seen:
                    seen.add(other)
                    stack.append(other)
        return sorted(seen)


def topological(edges: Mapping[str, Sequence[str]]) -> list[str]:
    """Names so that each comes after those it needs (``edges``: name → what it needs). Raises CycleError.

    Depth first in definition order, without recursion.
    """
    done: set[str] = set()
    order: list[str] = []
    for root in edges:
        if root in done:
            continue
        path: dict[str, None] = {root: None}
        stack = [iter(edges[root])]
        while stack:
            for need in stack[-1]:
                if need in path:
                    names = list(path)
                    cycle = names[names.index(need) :]
                    raise CycleError([*reversed(cycle), cycle[-1]])
                if need not in done:
                    path[need] = None
                    stack.append(iter(edges[need]))
                    break
            else:
                stack.pop()
                name, _ = path.popitem()
                done.add(name)
                order.append(name)
    return order
