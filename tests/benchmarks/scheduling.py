"""What the engine costs a node: no-op nodes, values passed and recorded, one after another and on four threads.

Timed is the call that executes; graphs, tasks and executors are made before. A *first* call has a graph that was never
executed, a *later* one has the same executor and tasks again; everything runs in both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from graphlib import TopologicalSorter
from time import perf_counter
from typing import Any

import dagbook
from tests.benchmarks.graphs import SHAPES, Functions, Preds, bare_dag, dag_of, functions, preds_of, tasks_of
from tests.benchmarks.measure import Prepare, Row, medians, micro, peer, ready, repeated, show, table, times

Sized = tuple[int, Prepare]
"""How many nodes a sample runs, and the sample."""

SIZES = (1000, 10_000, 100_000)
THREADS = 4
RECORD, SORTER, POOL = "floor_record", "graphlib", "threadpool"
OURS, OURS_4 = "DAGExecutor, 1 worker", "DAGExecutor, 4 workers"
PIPEFUNC_SIZE = 300
SESSION_MOST = 10_000
SAMPLE = 10_000
"""Nodes that a sample runs at least: small graphs are run several times over."""


def sample(preds: Preds, call: Callable[[], object]) -> Sized:
    """A call, as often as a sample needs."""
    count = max(1, SAMPLE // len(preds))
    return count * len(preds), repeated(call, count)


def floor_record(preds: Preds, fns: Functions) -> list[tuple[int, float, float]]:
    """A loop in topological order that passes values and notes when each node ran."""
    values: list[Any] = []
    log = []
    for i, (fn, inputs) in enumerate(zip(fns, preds)):
        start = perf_counter()
        values.append(fn(*[values[p] for p in inputs]))
        log.append((i, start, perf_counter()))
    return log


def floor_graphlib(preds: Preds, fns: Functions) -> dict[int, Any]:
    """Values passed in the order of the standard library's sorter; nothing is noted."""
    values: dict[int, Any] = {}
    for i in TopologicalSorter(dict(enumerate(preds))).static_order():
        values[i] = fns[i](*[values[p] for p in preds[i]])
    return values


def floor_threadpool(preds: Preds, fns: Functions) -> list[Any]:
    """The same functions on four threads, in no order and without each other's values."""
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(fn, *inputs) for fn, inputs in zip(fns, preds)]
        return [future.result() for future in futures]


def executor(preds: Preds, fns: Functions, workers: int) -> dict[str, Sized]:
    """First and later calls of the plain executor, and later ones after which every result is read."""
    tasks = tasks_of(fns)
    name = OURS if workers == 1 else OURS_4

    def execute(made: dagbook.DAGExecutor) -> dagbook.ExecutionResult:
        result = made.execute(tasks)
        assert result.succeeded == len(preds)
        return result

    def first() -> Callable[[], object]:
        return partial(execute, dagbook.DAGExecutor(bare_dag(preds), max_workers=workers))

    again = dagbook.DAGExecutor(bare_dag(preds), max_workers=workers)
    return {
        f"{name}, first call": (len(preds), first),
        name: sample(preds, partial(execute, again)),
        f"{name}, every result read": sample(preds, lambda: [r.result for r in execute(again).node_results.values()]),
    }


def other_faces(preds: Preds, fns: Functions) -> dict[str, Sized]:
    """A pipeline on as many threads as it likes, and a session, which keys, fingerprints and keeps each value."""
    pipeline = dagbook.Pipeline(tasks=list(fns), name="bench")
    found = {"Pipeline": sample(preds, pipeline.execute)}
    if len(preds) > SESSION_MOST:
        print(f"  left out: Session above {SESSION_MOST:,} nodes, for the time that it takes")
        return found
    dag = dag_of(preds, fns)

    def session(workers: int) -> Callable[[], object]:
        made = dagbook.Session(dag, workers=workers)

        def call() -> None:
            assert len(made.run().executed) == len(preds)

        return call

    return found | {
        "Session, kept in memory, 1 worker": (len(preds), partial(session, 1)),
        "Session, kept in memory, 4 workers": (len(preds), partial(session, THREADS)),
    }


# -- other projects


def dask_calls(preds: Preds, fns: Functions) -> dict[str, Prepare]:
    dask = peer("dask")
    if dask is None:
        return {}
    from dask import threaded

    graph = {f"n{i}": (fn, *(f"n{p}" for p in preds[i])) for i, fn in enumerate(fns)}
    keys = list(graph)
    return {
        "dask, 1 thread": ready(lambda: dask.get(graph, keys)),
        "dask, 4 threads": ready(lambda: threaded.get(graph, keys, num_workers=THREADS)),
    }


def hamilton_calls(preds: Preds) -> dict[str, Prepare]:
    if peer("hamilton") is None:
        return {}
    from hamilton import ad_hoc_utils, driver

    space: dict[str, Any] = {}
    heads = [f"n{i}({', '.join(f'n{p}: int' for p in inputs)}) -> int" for i, inputs in enumerate(preds)]
    exec("\n".join(f"def {head}: return 0" for head in heads), space)
    names = [f"n{i}" for i in range(len(preds))]
    module = ad_hoc_utils.create_temporary_module(*(space[name] for name in names))
    made = driver.Builder().with_modules(module).build()
    return {"hamilton, 1 thread": ready(lambda: made.execute(names))}


def joblib_calls(fns: Functions) -> dict[str, Prepare]:
    joblib = peer("joblib")
    if joblib is None:
        return {}

    def call() -> None:
        joblib.Parallel(THREADS, backend="threading")(joblib.delayed(fn)(0) for fn in fns[1:])

    return {"joblib, 4 threads, no graph": ready(call)}


def pipefunc_calls(preds: Preds, fns: Functions) -> dict[str, Prepare]:
    pipefunc = peer("pipefunc")
    if pipefunc is None:
        return {}
    made = pipefunc.Pipeline([pipefunc.PipeFunc(fn, f"n{i}") for i, fn in enumerate(fns)])
    run = partial(made.map, {}, storage="dict", show_progress=False)

    def threads() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            run(executor=pool)

    return {"pipefunc, 1 thread": ready(lambda: run(parallel=False)), "pipefunc, 4 threads": ready(threads)}


def peers(shape: str, size: int) -> dict[str, Sized]:
    """What is installed, and how many nodes each is given."""
    preds = preds_of(shape, size)
    fns = functions(preds)
    found: dict[str, Prepare] = {}
    if size <= 10_000:
        found |= dask_calls(preds, fns)
        found |= joblib_calls(fns) if shape == "fan" else {}
    else:
        print("  left out: dask and joblib above 10,000 nodes, for the time they take")
    if size > 1000:
        print("  left out: hamilton above 1,000 nodes, for the time that it takes to build")
    elif shape == "chain":
        print("  left out: hamilton, which recurses: a chain of 1,000 raises RecursionError")
    else:
        found |= hamilton_calls(preds)
    sized = {name: (size, call) for name, call in found.items()}
    if size <= 1000:
        print(f"  pipefunc is given {PIPEFUNC_SIZE} nodes: what it takes to build grows with their square")
        small = preds_of(shape, PIPEFUNC_SIZE)
        sized |= {n: (PIPEFUNC_SIZE, c) for n, c in pipefunc_calls(small, functions(small)).items()}
    return sized


# -- figures


def measure(shape: str, size: int) -> dict[str, float]:
    """Median seconds a node of everything on one graph."""
    preds = preds_of(shape, size)
    fns = functions(preds)
    sized = {
        RECORD: sample(preds, partial(floor_record, preds, fns)),
        SORTER: sample(preds, partial(floor_graphlib, preds, fns)),
        POOL: sample(preds, partial(floor_threadpool, preds, fns)),
        **executor(preds, fns, 1),
        **executor(preds, fns, THREADS),
        **other_faces(preds, fns),
        **peers(shape, size),
    }
    found = medians({name: call for name, (_, call) in sized.items()})
    return {name: seconds / sized[name][0] for name, seconds in found.items()}


def bars(shape: str, size: int, found: Mapping[str, float]) -> list[Row]:
    """The figures of one graph that have bars."""
    what = f"{shape} of {size:,}"
    rows = [
        Row(f"{what}, 1 worker", found[OURS] / found[RECORD], 1.3, RECORD),
        Row(f"{what}, 1 worker", found[OURS] / found[SORTER], 1.0, SORTER),
    ]
    if shape == "chain":
        rows.append(Row(f"{what}, 4 workers", found[OURS_4] / found[OURS], 3.0, "our 1 worker"))
    else:
        rows.append(Row(f"{what}, 4 workers", found[OURS_4] / found[POOL], 1.5, POOL))
    return rows


def growth(shape: str, small: int, large: int) -> list[Row]:
    """The cost of a node among ``large`` over that among ``small``; as many nodes run in both."""
    rounds = large // small
    candidates: dict[str, Prepare] = {}
    for size, count in ((small, rounds), (large, 1)):
        preds = preds_of(shape, size)
        fns = functions(preds)
        candidates[f"floor {size}"] = repeated(partial(floor_record, preds, fns), count)
        for workers in (1, THREADS):
            made = dagbook.DAGExecutor(bare_dag(preds), max_workers=workers)
            candidates[f"{workers} {size}"] = repeated(partial(made.execute, tasks_of(fns)), count)
    found = medians(candidates)
    print(f"  {shape}: floor_record itself grows {times(found[f'floor {large}'], found[f'floor {small}'])}")
    return [
        Row(
            f"growth of {shape} from {small:,} to {large:,}, {workers} worker{'s' * (workers > 1)}",
            found[f"{workers} {large}"] / found[f"{workers} {small}"],
            1.5,
        )
        for workers in (1, THREADS)
    ]


def main() -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    given = parser.parse_args()
    print("  left out: dagron needs Python 3.12; there it takes 0.6 to 1.0x of graphlib on one thread and 23 to 67x on")
    print("  four, and passes no values")
    rows: list[Row] = []
    for size in given.sizes:
        for shape in given.shapes:
            found = measure(shape, size)
            lines = [
                (name, micro(s), times(s, found[RECORD]), times(s, found[SORTER]), times(s, found[POOL]))
                for name, s in found.items()
            ]
            table(f"{shape}, {size:,} no-op nodes", lines, ("", "µs a node", RECORD, SORTER, POOL))
            rows += bars(shape, size, found)
    if max(given.sizes) > min(given.sizes):
        for shape in given.shapes:
            rows += growth(shape, min(given.sizes), max(given.sizes))
    return rows


if __name__ == "__main__":
    show(main())
