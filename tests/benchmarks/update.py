"""One change that affects ten nodes of many: how long until they are up to date.

A change is told and everything affected is run, again and again, each time with a value that there never was.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import dagbook
from dagbook.graph.node import Node
from tests.benchmarks.graphs import Functions, Preds, bare_dag, functions, module_of, succs_of, tasks_of
from tests.benchmarks.measure import Row, medians, micro, peer, ready, repeated, show, table, times

SIZES = (1000, 10_000, 100_000)
CHAIN = 10
LAST = f"n{CHAIN - 1}"
PUSH = "floor_push"
BEST = "IncrementalExecutor, tasks as before"
PIPEFUNC_SIZE = 100
SAMPLE = 0.03
"""Seconds that the calls of one sample should take together."""
SLOW = 1.0

levels = itertools.count(1)

Update = Callable[[], object]


def floor_push(preds: Preds, succs: dict[int, list[int]], fns: Functions, values: list[Any]) -> None:
    """A change pushed by hand through a dict of successors."""
    values[0] = next(levels)
    queue = deque(succs[0])
    while queue:
        i = queue.popleft()
        values[i] = fns[i](*[values[p] for p in preds[i]])
        queue.extend(succs[i])


def chains(size: int) -> tuple[Preds, Functions]:
    """Chains of ten beside each other: each node adds one to the node before, the first ones of a chain are 0."""
    preds: Preds = [(i - 1,) if i % CHAIN else () for i in range(size)]
    return preds, functions(preds, [f"return n{i - 1} + 1" if i % CHAIN else "return 0" for i in range(size)])


def push(size: int) -> Update:
    preds, fns = chains(size)
    succs = dict(enumerate(succs_of(preds)))
    values = [i % CHAIN for i in range(size)]
    return lambda: floor_push(preds, succs, fns, values)


# -- dagbook


def incremental(size: int, give_tasks: bool) -> Update:
    """The first node is told to have changed. With ``give_tasks`` all tasks are given again, each time."""
    preds, fns = chains(size)
    executor = dagbook.IncrementalExecutor(bare_dag(preds))
    level = [0]
    tasks = tasks_of(fns) | {"n0": lambda: level[0]}
    executor.execute(tasks)

    def call() -> None:
        level[0] = next(levels)
        result = executor.execute(tasks if give_tasks else None, changed_nodes=["n0"])
        assert len(result.recomputed) == CHAIN

    return call


def session(size: int, *targets: str) -> Update:
    """The input of the first node is set."""
    _, fns = chains(size)
    space: dict[str, Any] = {"__name__": "bench"}
    exec("def n0(level): return level", space)
    dag = dagbook.DAG()
    dag.define([Node.of(space["n0"]), *(Node.of(fn) for fn in fns[1:])])
    dag.set(level=0)
    made = dagbook.Session(dag, workers=1)
    made.run()

    def call() -> None:
        made.dag.set(level=next(levels))
        assert len(made.run(*targets).executed) == CHAIN

    return call


OURS: dict[str, Callable[[int], Update]] = {
    BEST: lambda size: incremental(size, give_tasks=False),
    "IncrementalExecutor, tasks given": lambda size: incremental(size, give_tasks=True),
    "Session.run()": session,
    "Session.run(target)": lambda size: session(size, LAST),
}


# -- other projects


def hamilton(size: int, folder: str) -> Update:
    """Asked for the end of the first chain only, values cached in memory."""
    from hamilton import driver
    from hamilton.caching.stores import memory

    heads = [f"n{i}(n{i - 1}: int)" if i % CHAIN else f"n{i}()" for i in range(size)]
    bodies = [f"n{i - 1} + 1" if i % CHAIN else "0" for i in range(size)]
    heads[0], bodies[0] = "n0(level: int)", "level"
    source = "\n".join(f"def {head} -> int: return {body}" for head, body in zip(heads, bodies))
    stores = {"metadata_store": memory.InMemoryMetadataStore(), "result_store": memory.InMemoryResultStore()}
    module = module_of(source, folder, "chains_of_ten")
    made = driver.Builder().with_modules(module).with_cache(**stores).build()
    return lambda: made.execute([LAST], inputs={"level": next(levels)})


def pipefunc(size: int) -> Update:
    """Runs over the whole graph, and finds in its cache what has not changed."""
    from pipefunc import PipeFunc, Pipeline

    _, fns = chains(size)
    space: dict[str, Any] = {}
    exec("def n0(level): return level", space)
    nodes = [PipeFunc(fn, fn.__name__, cache=True) for fn in (space["n0"], *fns[1:])]
    made = Pipeline(nodes, cache_type="simple")
    return lambda: made.map({"level": next(levels)}, parallel=False, storage="dict", show_progress=False)


def peers(folder: str) -> dict[str, Update]:
    """Those that are installed and keep values between calls."""
    found = {}
    if peer("hamilton"):
        found["hamilton, one chain of 1,000 nodes"] = hamilton(1000, folder)
    if peer("pipefunc"):
        found[f"pipefunc, {PIPEFUNC_SIZE} nodes"] = pipefunc(PIPEFUNC_SIZE)
    return found


# -- figures


def warm(call: Update) -> float:
    """What the second call takes."""
    call()
    start = perf_counter()
    call()
    return perf_counter() - start


def measure(sizes: Sequence[int], folder: str) -> dict[tuple[str, int], float]:
    """Median seconds of one update, by face and size of the graph; peers have size 0.

    A sample is as many calls as make it long enough. What takes above a second is called once, and not in turns.
    """
    makers: dict[tuple[str, int], Callable[[], Update]] = {(PUSH, size): partial(push, size) for size in sizes}
    makers |= {(name, size): partial(make, size) for name, make in OURS.items() for size in sizes}
    makers |= {(name, 0): ready(call) for name, call in peers(folder).items()}
    found: dict[tuple[str, int], float] = {}
    calls: dict[tuple[str, int], tuple[Update, int]] = {}
    for key, make in makers.items():
        call = make()
        found[key] = warm(call)
        if found[key] < SLOW:
            calls[key] = call, max(1, min(500, int(SAMPLE / found[key])))
    gc.freeze()  # the graphs are no garbage: collecting between samples need not search them
    taken = medians({key: repeated(call, count) for key, (call, count) in calls.items()})
    gc.unfreeze()
    return found | {key: seconds / calls[key][1] for key, seconds in taken.items()}


def main() -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    sizes = sorted(parser.parse_args().sizes)
    print("  left out: dagron needs Python 3.12; there its signals take 0.03 ms (they never stop at an equal value),")
    print("  its incremental executor 0.85, 12 and 156 ms at 1,000, 10,000 and 100,000 nodes")
    print("  left out: dask and joblib, which keep no graph between two calls")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(sizes, folder)
    least = {size: found[PUSH, size] for size in sizes}
    lines = [
        (
            f"{name}, {size:,} nodes" if size else name,
            micro(seconds),
            times(seconds, least.get(size, least[sizes[0]])),
            times(seconds, found[name, sizes[0]]) if size else "",
        )
        for (name, size), seconds in found.items()
    ]
    table("ten nodes affected", lines, ("", "µs", PUSH, f"{sizes[0]:,} nodes"))
    rows = [Row(f"update, 10 of {size:,} nodes", found[BEST, size] / least[size], 10, PUSH) for size in sizes]
    grown = found[BEST, sizes[-1]] / found[BEST, sizes[0]]
    return [*rows, Row(f"update, growth from {sizes[0]:,} to {sizes[-1]:,} nodes", grown, 1.5)]


if __name__ == "__main__":
    show(main())
