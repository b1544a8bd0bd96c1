"""What the engine costs a node: no-op nodes, values passed and recorded, one after another and on four threads."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from time import perf_counter
from typing import Any

from dagbook.session import Session
from tests.benchmarks.graphs import SHAPES, dag_of, functions, preds_of
from tests.benchmarks.measure import medians, micro, ready, table, times

Preds = list[tuple[int, ...]]
Functions = list[Callable[..., Any]]


def floor_record(preds: Preds, fns: Functions) -> list[tuple[int, float, float]]:
    """A loop in topological order that passes values and notes when each node ran."""
    values: list[Any] = []
    log = []
    for i, fn in enumerate(fns):
        start = perf_counter()
        values.append(fn(*[values[p] for p in preds[i]]))
        log.append((i, start, perf_counter()))
    return log


def floor_graphlib(preds: Preds, fns: Functions) -> None:
    """The same over the standard library's sorter."""
    values: dict[int, Any] = {}
    sorter = TopologicalSorter(dict(enumerate(preds)))
    sorter.prepare()
    while sorter:
        for i in sorter.get_ready():
            values[i] = fns[i](*[values[p] for p in preds[i]])
            sorter.done(i)


def floor_threadpool(size: int) -> None:
    """As many no-ops on four threads, without any order."""
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(int) for _ in range(size)]:
            future.result()


def dagbook_run(preds: Preds, fns: Functions, workers: int) -> Callable[[], Callable[[], object]]:
    dag = dag_of(preds, fns)

    def prepare() -> Callable[[], object]:
        session = Session(dag, workers=workers)

        def call() -> None:
            run = session.run()
            assert len(run.executed) == len(preds)
            session.close()

        return call

    return prepare


def peers(preds: Preds, fns: Functions, shape: str) -> dict[str, Callable[[], object]]:
    """The other engines that are installed. (Pipefunc recurses too deep for 1,000 nodes in a chain.)"""
    found: dict[str, Callable[[], object]] = {}
    try:
        import dask
        from dask import threaded

        graph = {f"n{i}": (fn, *(f"n{p}" for p in preds[i])) for i, fn in enumerate(fns)}
        keys = list(graph)
        found["dask, 1 thread"] = lambda: dask.get(graph, keys)
        found["dask, 4 threads"] = lambda: threaded.get(graph, keys, num_workers=4)
    except ImportError:
        pass
    try:
        from joblib import Parallel, delayed

        if shape == "fan":
            found["joblib, 4 threads"] = lambda: Parallel(4, backend="threading")(delayed(fn)(0) for fn in fns[1:])
    except ImportError:
        pass
    if len(preds) <= 1000:
        found.update(_hamilton(preds, shape))
    return found


def _hamilton(preds: Preds, shape: str) -> dict[str, Callable[[], object]]:
    try:
        from hamilton import ad_hoc_utils, driver
    except ImportError:
        return {}
    if shape == "chain":
        return {}  # it recurses: a chain of 1,000 raises RecursionError
    space: dict[str, Any] = {}
    names = [f"n{i}({', '.join(f'n{p}: int' for p in inputs)}) -> int" for i, inputs in enumerate(preds)]
    exec("\n".join(f"def {name}: return 0" for name in names), space)
    module = ad_hoc_utils.create_temporary_module(*(space[f"n{i}"] for i in range(len(preds))))
    made = driver.Builder().with_modules(module).build()
    wanted = [f"n{i}" for i in range(len(preds))]
    return {"hamilton": lambda: made.execute(wanted)}


def measure(shape: str, size: int) -> list[tuple[str, ...]]:
    preds = preds_of(shape, size)
    fns = functions(preds)
    ours = {"dagbook, 1 worker": dagbook_run(preds, fns, 1), "dagbook, 4 workers": dagbook_run(preds, fns, 4)}
    found = medians(
        {
            "floor_record": ready(lambda: floor_record(preds, fns)),
            "graphlib": ready(lambda: floor_graphlib(preds, fns)),
            "threadpool": ready(lambda: floor_threadpool(size)),
            **ours,
            **{name: ready(call) for name, call in peers(preds, fns, shape).items()},
        }
    )
    return [
        (
            f"{shape} {size}: {name}",
            micro(seconds, size),
            times(seconds, found["floor_record"]),
            times(seconds, found["graphlib"]),
            times(seconds, found["threadpool"]),
        )
        for name, seconds in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES))
    given = parser.parse_args()
    for size in given.sizes:
        for shape in given.shapes:
            head = ("no-op nodes", "µs a node", "floor_record", "graphlib", "threadpool")
            table(f"{shape}, {size} nodes", measure(shape, size), head)


if __name__ == "__main__":
    main()
