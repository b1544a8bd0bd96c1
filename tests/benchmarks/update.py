"""One change that affects ten nodes of many: how long until they are up to date, and how many run."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable
from typing import Any

from dagbook.session import Session
from tests.benchmarks.graphs import dag_of, functions
from tests.benchmarks.measure import medians, ready, table, times

CHAIN = 10


def preds_of_chains(size: int) -> list[tuple[int, ...]]:
    """Chains of ten beside each other."""
    return [(i - 1,) if i % CHAIN else () for i in range(size)]


def floor_push(succs: list[list[int]], fns: list[Callable[..., Any]], values: list[Any]) -> None:
    """A change pushed through lists of successors by hand."""
    values[0] += 1
    queue = deque(succs[0])
    while queue:
        i = queue.popleft()
        values[i] = fns[i](values[i - 1])
        queue.extend(succs[i])


def chains(size: int) -> tuple[list[tuple[int, ...]], list[Callable[..., Any]]]:
    """The first node of the first chain reads the graph input ``level``; every other adds one to its input."""
    preds = preds_of_chains(size)
    fns = functions(preds, "return 0")
    space: dict[str, Any] = {"__name__": "bench"}
    for i in range(1, size):
        if i % CHAIN and i < 3 * CHAIN:
            exec(f"def n{i}(n{i - 1}): return n{i - 1} + 1", space)
            fns[i] = space[f"n{i}"]
    exec("def n0(level): return level", space)
    fns[0] = space["n0"]
    return preds, fns


def session_of(size: int) -> tuple[Session, list[list[int]], list[Callable[..., Any]]]:
    """A session in which everything is current."""
    from dagbook.graph.node import Node

    preds, fns = chains(size)
    dag = dag_of(preds, fns)
    dag.define([*(dag[n] for n in dag if n != "n0"), Node.of(fns[0])])
    dag.set(level=0)
    session = Session(dag, workers=1)
    session.run()
    succs: list[list[int]] = [[] for _ in preds]
    for i, inputs in enumerate(preds):
        for p in inputs:
            succs[p].append(i)
    return session, succs, fns


def update(session: Session, *targets: str) -> Callable[[], Callable[[], object]]:
    """Set the input to what it never was, and run."""
    levels = iter(range(1, 1_000_000))

    def prepare() -> Callable[[], object]:
        session.dag.set(level=next(levels) * 1000 + len(targets))

        def call() -> None:
            assert len(session.run(*targets).executed) == CHAIN

        return call

    return prepare


def counts() -> tuple[int, int, int]:
    """How many of ten nodes run when all values differ, when the second is equal again, when the first is equal."""
    from dagbook.graph.dag import DAG
    from dagbook.graph.node import Node

    space: dict[str, Any] = {}
    exec("\n".join(f"def n{i}(n{i - 1}): return n{i - 1} + 1" for i in range(1, CHAIN)), space)
    exec("def n0(level, half): return 7 if half else level", space)
    found = []
    for middle, half in ((False, False), (True, False), (False, True)):
        if middle:
            exec("def n1(n0): return n0 % 2", space)
        dag = DAG()
        dag.define([Node.of(space[f"n{i}"]) for i in range(CHAIN)])
        session = Session(dag, workers=1)
        dag.set(level=1, half=half)
        session.run()
        dag.set(level=3)
        found.append(len(session.run().executed))
    return found[0], found[1], found[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    given = parser.parse_args()
    rows, first = [], {}
    for size in given.sizes:
        session, succs, fns = session_of(size)
        values: list[Any] = [0] * size
        found = medians(
            {
                "floor_push": ready(lambda: floor_push(succs, fns, values)),
                "run(target)": update(session, f"n{CHAIN - 1}"),
                "run()": update(session),
            }
        )
        first = first or found
        for name, seconds in found.items():
            ratio = times(seconds, found["floor_push"])
            rows.append((f"{size}: {name}", f"{seconds * 1e3:.3f} ms", ratio, times(seconds, first[name])))
        session.close()
    table("ten nodes affected", rows, ("of", "latency", "floor_push", f"{given.sizes[0]} nodes"))
    print(f"  nodes run when all differ / equal at the second / equal at the first: {counts()}, to be (10, 2, 1)")


if __name__ == "__main__":
    main()
