"""What building a graph costs, beside a dict of lists: in bulk, edge by edge, in a bad order, and by decorator."""

from __future__ import annotations

import argparse
import random
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from dagbook import DAG, node
from dagbook.graph.node import Node
from tests.benchmarks.measure import Row, medians, micro, ready, repeated, show, table, times

Edges = list[tuple[str, str]]

CHAIN, MIXED, FAN_IN = "chain", "1–3 edges a node", "fan-in"


def edges_of(shape: str, names: list[str]) -> Edges:
    """Edges from earlier names to later ones."""
    if shape == CHAIN:
        return list(pairwise(names))
    if shape == FAN_IN:
        return [(name, names[-1]) for name in names[:-1]]
    rng = random.Random(1)
    return [
        (names[p], name)
        for i, name in enumerate(names[1:], 1)
        for p in sorted({rng.randrange(max(0, i - 100), i) for _ in range(rng.randint(1, 3))})
    ]


def floor(names: list[str], edges: Edges) -> dict[str, list[str]]:
    """The successors of each node."""
    succs: dict[str, list[str]] = {name: [] for name in names}
    for a, b in edges:
        succs[a].append(b)
    return succs


def floor_both(names: list[str], edges: Edges) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Successors and predecessors, which whoever runs a graph needs both."""
    succs: dict[str, list[str]] = {name: [] for name in names}
    preds: dict[str, list[str]] = {name: [] for name in names}
    for a, b in edges:
        succs[a].append(b)
        preds[b].append(a)
    return succs, preds


def built(names: list[str], edges: Edges) -> DAG:
    """By the builder, in bulk."""
    return DAG.builder().add_nodes(names).add_edges(edges).build()


def ordered(names: list[str], edges: Edges) -> DAG:
    """In bulk, with the topology that a run works on."""
    dag = DAG()
    dag.add_nodes(names)
    dag.add_edges(edges)
    dag.topology()
    return dag


def one_by_one(names: list[str], edges: Edges) -> DAG:
    """Each edge by a call of its own."""
    dag = DAG()
    for a, b in edges:
        dag.add_edge(a, b)
    return dag


def bytes_of(build: Callable[[list[str], Edges], object], names: list[str], edges: Edges) -> int:
    """What the result holds, names and pairs apart."""
    tracemalloc.start()
    result = build(names, edges)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return held


def function(raw: Any, count: int = 2, *, limit: float = 1.5) -> Any:
    """Something to decorate."""


def bulk(size: int) -> list[Row]:
    """The same edges in each way."""
    names = [f"n{i}" for i in range(size)]
    bars: list[Row] = []
    for shape in (MIXED, CHAIN, FAN_IN):
        edges = edges_of(shape, names)
        shuffled = random.Random(2).sample(edges, len(edges))
        ways: dict[str, tuple[Callable[[list[str], Edges], object], Edges]] = {
            "dict of lists": (floor, edges),
            "two dicts of lists": (floor_both, edges),
            "builder, in bulk": (built, edges),
            "in bulk, with topology": (ordered, edges),
            "in bulk, edges backwards": (ordered, [(b, a) for a, b in edges]),
            "in bulk, edges shuffled": (ordered, shuffled),
            "edge by edge": (one_by_one, edges),
        }
        found = medians({way: ready(lambda f=f, e=e: f(names, e)) for way, (f, e) in ways.items()})  # type: ignore[misc]
        least = found["dict of lists"]
        table(
            f"{shape}: {size} nodes, {len(edges)} edges",
            [
                (way, micro(seconds, size), micro(seconds, len(edges)), times(seconds, least))
                for way, seconds in found.items()
            ],
            ("", "µs a node", "µs an edge", "dict of lists"),
        )
        bars.append(Row(f"build in bulk, {shape}", found["builder, in bulk"] / size * 1e6, 1.0, unit="µs a node"))
        if shape == MIXED:
            held = bytes_of(ordered, names, edges) / size
            print(f"  a DAG and its topology hold {held:.0f} bytes a node")
            bars.append(Row("memory of a DAG and its topology", held, 1000, unit="bytes a node"))
    return bars


def decorated(count: int) -> Row:
    """A function made a node."""
    (seconds,) = medians({"decorator": repeated(lambda: Node.of(node(function)), count)}).values()
    return Row("build by decorator", seconds / count * 1e6, 10.0, unit="µs a node")


def main() -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=100_000)
    size = parser.parse_args().size
    return [*bulk(size), decorated(2000)]


if __name__ == "__main__":
    show(main())
