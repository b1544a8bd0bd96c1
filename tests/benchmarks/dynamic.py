"""One node, M children, one node that takes all their values; and children that sleep."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dagbook.graph.dag import DAG
from dagbook.graph.node import Node, node
from dagbook.session import Session
from tests.benchmarks.measure import medians, micro, ready, table, times

SOURCE = """
import time
def xs(count): return list(range(count))
@node(each={"x": "xs"})
def one(x): return x
def join(one): return sum(one)
@node(each={"x": "xs"})
def sleep(x): time.sleep(0.1)
"""


def floor(size: int) -> int:
    """The same on a pool of four threads."""
    with ThreadPoolExecutor(4) as pool:
        return sum(future.result() for future in [pool.submit(int, i) for i in range(size)])


def mapped(size: int, target: str, workers: int) -> Callable[[], Callable[[], object]]:
    space: dict[str, Any] = {"node": node, "__name__": "bench"}
    exec(SOURCE, space)
    dag = DAG()
    dag.define([Node.of(space[name]) for name in ("xs", "one", "join", "sleep")])
    dag.set(count=size)

    def prepare() -> Callable[[], object]:
        session = Session(dag, workers=workers)

        def call() -> None:
            session.run(target).raise_for_status()
            session.close()

        return call

    return prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    rows = []
    for size in parser.parse_args().sizes:
        found = medians(
            {
                "threadpool": ready(lambda: floor(size)),
                "dagbook, 1 worker": mapped(size, "join", 1),
                "dagbook, 4 workers": mapped(size, "join", 4),
            }
        )
        rows += [
            (f"{size}: {name}", micro(seconds, size), times(seconds, found["threadpool"]))
            for name, seconds in found.items()
        ]
    table("one → M children → join", rows, ("children", "µs a child", "threadpool"))
    (slept,) = medians({"sleep": mapped(8, "sleep", 8)}).values()
    print(f"  8 children that sleep 0.1 s on 8 workers: {slept:.3f} s (to be at most 0.13)")


if __name__ == "__main__":
    main()
