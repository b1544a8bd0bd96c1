"""What a topology tells before anything runs: levels, the longest way, what a change reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from dagbook.errors import GraphError, NodeNotFoundError
from dagbook.graph.topology import Topology


@dataclass(frozen=True, slots=True)
class ExecutionStep:
    """Nodes that need nothing of each other, and of which each needs one of the level before."""

    level: int
    nodes: list[str]


class CriticalPath(tuple[str, ...]):
    """The names along the way through a graph that costs most, and its ``cost``."""

    cost: float

    def __new__(cls, names: Iterable[str], cost: float) -> CriticalPath:
        """``names`` in the order in which they run."""
        path = super().__new__(cls, names)
        path.cost = cost
        return path

    def __repr__(self) -> str:
        return f"CriticalPath({list(self)}, cost={self.cost:g})"


def levels(topology: Topology) -> list[ExecutionStep]:
    """Every node on the first level that its inputs allow, from level 0."""
    level: list[int] = []
    steps: list[ExecutionStep] = []
    for name, preds in zip(topology.names, topology.preds, strict=True):
        own = max((level[p] for p in preds), default=-1) + 1
        level.append(own)
        if own == len(steps):
            steps.append(ExecutionStep(own, []))
        steps[own].nodes.append(name)
    return steps


def critical_path(topology: Topology, costs: Mapping[str, float]) -> CriticalPath:
    """The way that costs most, the first of equals. A node without a cost has that of its options, or 1.

    Raises NodeNotFoundError for the cost of an unknown node, GraphError for one that is no number from 0 up.
    """
    for name, cost in costs.items():
        if name not in topology.index:
            raise NodeNotFoundError(name, topology.names)
        if not isinstance(cost, int | float) or isinstance(cost, bool) or not isfinite(cost) or cost < 0:
            raise GraphError(f"the cost of {name!r} is a number from 0 up, not {cost!r}.")
    own = {name: node.options.cost for name, node in topology.described.items()}
    total: list[float] = []
    before: list[int] = []
    for name, preds in zip(topology.names, topology.preds, strict=True):
        dearest = max(preds, key=total.__getitem__, default=-1)
        given = costs[name] if name in costs else own.get(name)
        total.append((1.0 if given is None else float(given)) + (total[dearest] if preds else 0.0))
        before.append(dearest)
    if not total:
        return CriticalPath((), 0.0)
    at = last = max(range(len(total)), key=total.__getitem__)
    path = [last]
    while (at := before[at]) >= 0:
        path.append(at)
    return CriticalPath((topology.names[i] for i in reversed(path)), total[last])


def provenance(topology: Topology, changed: Iterable[int]) -> dict[str, str]:
    """Why each node that a change reaches is dirty, in topological order; of several changed ancestors it names one."""
    direct = set(changed)
    origin: dict[int, int] = {}
    for i in topology.downstream(direct):
        origin[i] = i if i in direct else next(origin[p] for p in topology.preds[i] if p in origin)
    names = topology.names
    return {names[i]: "direct change" if i == source else f"ancestor {names[source]}" for i, source in origin.items()}
