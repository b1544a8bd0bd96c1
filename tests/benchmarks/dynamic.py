"""Graphs that grow while they run: one node, M children, one node after all of them; children that sleep; and nodes
that each add the next.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import sleep
from typing import Any

import dagbook
from dagbook.graph.node import Node
from tests.benchmarks.measure import Prepare, Row, medians, micro, peer, ready, repeated, show, table, times

THREADS = 4
SIZES = (1000, 10_000)
POOL = "threadpool"
OURS = "DynamicExecutor, 4 workers"
STEPS = (100, 2000)


def child(i: int) -> Callable[[list[int]], int]:
    """The task of one child: it takes its element from what was found."""

    def take(find: list[int]) -> int:
        return find[i]

    return take


def floor_threadpool(size: int) -> int:
    """The same children on four threads, and the sum of what they return."""
    with ThreadPoolExecutor(THREADS) as pool:
        find = list(range(size))
        return sum(future.result() for future in [pool.submit(child(i), find) for i in range(size)])


def dynamic(size: int, workers: int) -> Prepare:
    """An expander adds a node for each element; the values of all are read in the end."""

    def grow(found: list[int]) -> dagbook.DynamicModification:
        specs = [dagbook.DynamicNodeSpec(f"c{i}", child(i), ["find"], ["join"]) for i in range(len(found))]
        return dagbook.DynamicModification(add_nodes=specs)

    def prepare() -> Callable[[], object]:
        dag = dagbook.DAG()
        dag.add_edge("find", "join")
        executor = dagbook.DynamicExecutor(dag, {"find": grow}, max_workers=workers)

        def call() -> None:
            result = executor.execute({"find": lambda: list(range(size)), "join": lambda: None})
            assert sum(result[f"c{i}"].result for i in range(size)) == size * (size - 1) // 2
            assert result.succeeded == size + 2

        return call

    return prepare


MAPPED = """
def xs(count): return list(range(count))
@node(each={"x": "xs"})
def one(x): return x
def join(one): return sum(one)
"""


def mapped(size: int, workers: int) -> Prepare:
    """A mapped node of a session, whose children are kept one by one, and a node that takes all their values."""
    space: dict[str, Any] = {"node": dagbook.node, "__name__": "bench"}
    exec(MAPPED, space)
    dag = dagbook.DAG()
    dag.define([Node.of(space[name]) for name in ("xs", "one", "join")])
    dag.set(count=size)

    def prepare() -> Callable[[], object]:
        session = dagbook.Session(dag, workers=workers)

        def call() -> None:
            session.run("join").raise_for_status()

        return call

    return prepare


def sleepers(count: int, seconds: float) -> Prepare:
    """Children that sleep, on as many workers."""

    def grow(_found: None) -> dagbook.DynamicModification:
        specs = [dagbook.DynamicNodeSpec(f"c{i}", lambda: sleep(seconds), ["find"]) for i in range(count)]
        return dagbook.DynamicModification(add_nodes=specs)

    def prepare() -> Callable[[], object]:
        dag = dagbook.DAG()
        dag.add_node("find")
        executor = dagbook.DynamicExecutor(dag, {"find": grow}, max_workers=count)
        return partial(executor.execute, {"find": lambda: None})

    return prepare


def steps(count: int) -> Callable[[], object]:
    """Each node adds the next one."""

    def grow(i: int) -> Callable[[int], dagbook.DynamicModification]:
        def expand(_value: int) -> dagbook.DynamicModification:
            after = dagbook.DynamicNodeSpec(f"s{i + 1}", lambda: i, [f"s{i}"])
            return dagbook.DynamicModification(add_nodes=[after])

        return expand

    def call() -> None:
        dag = dagbook.DAG()
        dag.add_node("s0")
        expanders = {f"s{i}": grow(i) for i in range(count - 1)}
        result = dagbook.DynamicExecutor(dag, expanders, max_workers=THREADS).execute({"s0": lambda: 0})
        assert result.succeeded == count

    return call


# -- other projects


def dask_call(size: int) -> Callable[[], object]:
    """Delayed calls are made when the first value is there; every child is given the whole list."""
    from dask import delayed, threaded

    def call() -> None:
        find = delayed(list(range(size)), traverse=False)
        children = [delayed(child(i), pure=False)(find) for i in range(size)]
        delayed(sum)(children).compute(scheduler=threaded.get, num_workers=THREADS)

    return call


def pipefunc_call(size: int) -> Callable[[], object]:
    """A mapped function over the list."""
    from pipefunc import PipeFunc, Pipeline

    nodes = [
        PipeFunc(lambda: list(range(size)), "xs", internal_shape=(size,), mapspec="... -> xs[i]"),
        PipeFunc(lambda xs: xs, "ys", mapspec="xs[i] -> ys[i]"),
        PipeFunc(lambda ys: sum(ys), "total"),
    ]
    made = Pipeline(nodes)

    def call() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            made.map({}, executor=pool, storage="dict", show_progress=False)

    return call


def joblib_call(size: int) -> Callable[[], object]:
    from joblib import Parallel, delayed

    def call() -> None:
        find = list(range(size))
        sum(Parallel(THREADS, backend="threading")(delayed(child(i))(find) for i in range(size)))

    return call


PEERS: dict[str, tuple[str, int, Callable[[int], Callable[[], object]]]] = {
    "dask": ("dask.delayed, 4 threads", 1000, dask_call),
    "pipefunc": ("pipefunc, 4 threads", 10_000, pipefunc_call),
    "joblib": ("joblib, 4 threads, no graph", 10_000, joblib_call),
}
"""By the module that must be there: what it is called, how many children it is given at most, and the call."""


def peers(size: int) -> dict[str, Prepare]:
    found = {}
    for module, (name, most, make) in PEERS.items():
        if size > most:
            print(f"  left out: {module} above {most:,} children, for the time it takes")
        elif peer(module):
            found[name] = ready(make(size))
    return found


# -- figures


def measure(size: int) -> list[Row]:
    """Print how long one node, its children and the last node take, and give the bar."""
    found = medians(
        {
            POOL: ready(partial(floor_threadpool, size)),
            OURS: dynamic(size, THREADS),
            "DynamicExecutor, 1 worker": dynamic(size, 1),
            "Session, kept, mapped node, 1 worker": mapped(size, 1),
            "Session, kept, mapped node, 4 workers": mapped(size, THREADS),
            **peers(size),
        }
    )
    lines = [(name, micro(seconds, size), times(seconds, found[POOL])) for name, seconds in found.items()]
    table(f"one node, {size:,} children, one node", lines, ("", "µs a child", POOL))
    return [Row(f"dynamic, {size:,} children", found[OURS] / found[POOL], 1.2, POOL)]


def growth() -> list[Row]:
    """What a step costs in a long chain of expansions, over that in a short one; as many steps are made in both."""
    few, many = STEPS
    found = medians({"few": repeated(steps(few), many // few), "many": ready(steps(many))})
    lines = [(f"{count:,} steps", micro(s, many)) for count, s in zip(STEPS, found.values())]
    table("nodes that each add the next", lines, ("", "µs a step"))
    return [Row(f"dynamic, a step of {many:,} over one of {few:,}", found["many"] / found["few"], 1.5)]


def main() -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    given = parser.parse_args()
    print("  left out: dagron needs Python 3.12; there it takes 0.6x of the pool at 1,000 children and 6.4x at 10,000,")
    print("  one after another and without values")
    rows = [row for size in given.sizes for row in measure(size)]
    (slept,) = medians({"sleep": sleepers(8, 0.1)}).values()
    return [*rows, Row("dynamic, 8 children of 0.1 s on 8 workers", slept, 0.13, unit="s"), *growth()]


if __name__ == "__main__":
    show(main())
