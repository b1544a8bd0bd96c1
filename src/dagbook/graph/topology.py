"""The frozen, integer-indexed form of a DAG that the engine works on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import not_
from typing import overload

from dagbook.errors import CycleError
from dagbook.graph.node import Node


class Topology:
    """Nodes by index, in a topological order that keeps the order of definition where it is free.

    ``names[i]``, ``nodes[i]``; ``index`` maps names back. ``preds[i]`` are the distinct nodes that ``i`` needs, in the
    order of its parameters or edges; ``succs[i]`` those that need it. ``preds`` of a node are always smaller numbers
    than the node: the indexes themselves are the order. ``described`` are the nodes that have a function or options
    of their own; all others are bare. Never changed after it is made; ``memo`` is what the engine has worked out for
    it.
    """

    __slots__ = ("described", "index", "memo", "names", "nodes", "preds", "succs")

    def __init__(
        self,
        names: list[str],
        index: dict[str, int],
        preds: list[list[int]],
        succs: list[list[int]],
        described: Mapping[str, Node],
    ) -> None:
        self.names = names
        self.index = index
        self.preds = preds
        self.succs = succs
        self.described = described
        self.memo: object = None
        self.nodes: Sequence[Node] = (
            [described[name] for name in names] if len(described) == len(names) else Nodes(names, described)
        )

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


class Nodes(Sequence[Node]):
    """A node for each name; a bare one is made when it is asked for, and is then the same each time."""

    __slots__ = ("_made", "_names")

    def __init__(self, names: list[str], described: Mapping[str, Node]) -> None:
        self._names = names
        self._made = dict(described)

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, i: int) -> Node: ...
    @overload
    def __getitem__(self, i: slice) -> list[Node]: ...

    def __getitem__(self, i: int | slice) -> Node | list[Node]:
        return [self._node(name) for name in self._names[i]] if isinstance(i, slice) else self._node(self._names[i])

    def __iter__(self) -> Iterator[Node]:
        return map(self._node, self._names)

    def _node(self, name: str) -> Node:
        node = self._made.get(name)
        if node is None:
            node = self._made[name] = Node(name)
        return node


def topological(names: Sequence[str], preds: Sequence[Sequence[int]], roots: Iterable[int]) -> list[int]:
    """``roots`` and all that they need, each after those it needs. Raises CycleError.

    Depth first in the order of ``roots``, without recursion. A number without a name stands for nothing.
    """
    state = bytearray(map(not_, names))  # 0: not seen, 1: done, 2: on the path
    order: list[int] = []
    for root in roots:
        if state[root]:
            continue
        state[root] = 2
        path = [root]
        stack = [iter(preds[root])]
        while stack:
            for need in stack[-1]:
                if state[need] == 0:
                    state[need] = 2
                    path.append(need)
                    stack.append(iter(preds[need]))
                    break
                if state[need] == 2:
                    cycle = path[path.index(need) :][::-1]
                    first = cycle.index(min(cycle))
                    raise CycleError([names[i] for i in (*cycle[first:], *cycle[: first + 1])])
            else:
                stack.pop()
                at = path.pop()
                state[at] = 1
                order.append(at)
    return order
