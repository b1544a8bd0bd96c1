"""How long sleeping tasks take on four workers, beside what no schedule can beat and a queue of ready nodes."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread
from time import sleep
from typing import Any

import dagbook
from tests.benchmarks.graphs import Functions, Preds, bare_dag, functions, succs_of, tasks_of
from tests.benchmarks.measure import Prepare, Row, medians, peer, ready, show, table, times

WORKERS = 4
QUEUE, OURS, HINTED = "ready queue", "DAGExecutor", "DAGExecutor, costs given"
NOISE = 1.02
"""Two runs of the same schedule differ by as much: sleeping is not exact."""

Work = tuple[Preds, list[float]]


def skewed_fan(rng: random.Random) -> Work:
    """One node, then 100 beside each other, most of them short and a few five times as long."""
    durations = [0.04] * 8 + [0.008] * 92
    rng.shuffle(durations)
    return [(), *[(0,)] * 100], [0.005, *durations]


def two_chains(rng: random.Random) -> Work:
    """Two chains of ten, long steps of one beside short steps of the other: whoever waits for levels loses."""
    chain: Preds = [(i - 1,) if i % 10 else () for i in range(20)]
    return chain, [0.04 if (i + i // 10) % 2 else 0.01 for i in range(20)]


def layered(rng: random.Random) -> Work:
    """Eight layers of eight, each node after two of the layer before; durations are exponential, 15 ms on average."""
    preds: Preds = [tuple(sorted(rng.sample(range(i - i % 8 - 8, i - i % 8), 2))) if i >= 8 else () for i in range(64)]
    return preds, [rng.expovariate(1 / 0.015) for _ in preds]


SHAPES: dict[str, Callable[[random.Random], Work]] = {
    "skewed fan": skewed_fan,
    "two uneven chains": two_chains,
    "layered, exponential": layered,
}


def sleepers(preds: Preds, durations: list[float]) -> Functions:
    """Functions that take their inputs, sleep, and return nothing."""
    return functions(preds, [f"sleep({seconds})" for seconds in durations])


def bound(preds: Preds, durations: list[float]) -> float:
    """What no schedule can beat: the longest way through, or all the work shared out evenly."""
    ends: list[float] = []
    for inputs, seconds in zip(preds, durations):
        ends.append(seconds + max((ends[p] for p in inputs), default=0.0))
    return max(*ends, sum(durations) / WORKERS)


def floor_ready_queue(preds: Preds, fns: Functions) -> list[Any]:
    """Threads take nodes from one queue, and put in those that have become ready."""
    succs = succs_of(preds)
    missing = [len(inputs) for inputs in preds]
    values: list[Any] = [None] * len(preds)
    left = len(preds)
    queue: SimpleQueue[int | None] = SimpleQueue()
    lock = Lock()

    def work() -> None:
        nonlocal left
        while (i := queue.get()) is not None:
            values[i] = fns[i](*[values[p] for p in preds[i]])
            with lock:
                left -= 1
                for s in succs[i]:
                    missing[s] -= 1
                    if not missing[s]:
                        queue.put(s)
                if not left:
                    for _ in range(WORKERS):
                        queue.put(None)

    for i, count in enumerate(missing):
        if not count:
            queue.put(i)
    threads = [Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return values


def executor(preds: Preds, fns: Functions, costs: dict[str, float] | None = None) -> Prepare:
    """Our plain executor, with or without being told how long each node takes."""
    tasks = tasks_of(fns)

    def prepare() -> Callable[[], object]:
        made = dagbook.DAGExecutor(bare_dag(preds), max_workers=WORKERS, costs=costs)

        def call() -> None:
            assert made.execute(tasks).succeeded == len(preds)

        return call

    return prepare


# -- other projects


def peers(preds: Preds, fns: Functions, durations: list[float]) -> dict[str, Prepare]:
    """Those that are installed and run a graph on threads."""
    found: dict[str, Prepare] = {}
    if peer("dask"):
        from dask import threaded

        graph = {f"n{i}": (fn, *(f"n{p}" for p in preds[i])) for i, fn in enumerate(fns)}
        found["dask, 4 threads"] = ready(lambda: threaded.get(graph, list(graph), num_workers=WORKERS))
    pipefunc = peer("pipefunc")
    if pipefunc is not None:
        made = pipefunc.Pipeline([pipefunc.PipeFunc(fn, f"n{i}") for i, fn in enumerate(fns)])

        def call() -> None:
            with ThreadPoolExecutor(WORKERS) as pool:
                made.map({}, executor=pool, storage="dict", show_progress=False)

        found["pipefunc, 4 threads"] = ready(call)
    if peer("hamilton"):
        found["hamilton, 4 threads"] = ready(hamilton_call(preds, durations))
    return found


def hamilton_call(preds: Preds, durations: list[float]) -> Callable[[], object]:
    """Its adapter that makes each node a future."""
    from hamilton import ad_hoc_utils, driver
    from hamilton.plugins.h_threadpool import FutureAdapter

    heads = [f"n{i}({', '.join(f'n{p}: int' for p in inputs)}) -> int" for i, inputs in enumerate(preds)]
    space: dict[str, Any] = {"sleep": sleep}
    exec("\n".join(f"def {head}: sleep({seconds})" for head, seconds in zip(heads, durations)), space)
    names = [f"n{i}" for i in range(len(preds))]
    module = ad_hoc_utils.create_temporary_module(*(space[name] for name in names))
    made = driver.Builder().with_modules(module).with_adapters(FutureAdapter(max_workers=WORKERS)).build()
    return lambda: made.execute(names)


def measure(shape: str, rng: random.Random) -> list[Row]:
    """Print how long everything takes on one shape, and give its bars."""
    preds, durations = SHAPES[shape](rng)
    fns = sleepers(preds, durations)
    costs = {f"n{i}": seconds for i, seconds in enumerate(durations)}
    least = bound(preds, durations)
    found = medians(
        {
            QUEUE: ready(partial(floor_ready_queue, preds, fns)),
            OURS: executor(preds, fns),
            HINTED: executor(preds, fns, costs),
            **peers(preds, fns, durations),
        }
    )
    lines = [("lower bound", f"{least * 1e3:.0f} ms", "1x", times(least, found[QUEUE]))]
    lines += [(n, f"{s * 1e3:.0f} ms", times(s, least), times(s, found[QUEUE])) for n, s in found.items()]
    table(f"{shape}, {len(preds)} sleeping nodes", lines, ("", "takes", "bound", QUEUE))
    rows = []
    for name in (OURS, HINTED):
        what = f"makespan, {shape}{', costs given' * (name == HINTED)}"
        rows += [Row(what, found[name] / found[QUEUE], 1.1, QUEUE), Row(what, found[name] / least, 1.2, "lower bound")]
    return [*rows, Row(f"makespan, {shape}, costs given", found[HINTED] / found[OURS], NOISE, "without costs")]


def main() -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--seed", type=int, default=3, help="of the random durations and edges")
    given = parser.parse_args()
    print("  left out: dagron needs Python 3.12; there it takes 1.9 to 2.8x of the bound, 4.3x with costs")
    print("  left out: joblib, which has no graph")
    return [row for shape in given.shapes for row in measure(shape, random.Random(given.seed))]


if __name__ == "__main__":
    show(main())
