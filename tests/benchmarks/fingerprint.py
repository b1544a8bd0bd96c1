"""Time fingerprints against a pass over the same memory, and against pickle.

The measures of one row are taken in turns, five times each, and the medians are compared. A ratio of 1 means as fast
as the baseline; above 1 is faster.
"""

from __future__ import annotations

import argparse
import pickle
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from dagbook.fingerprint.value import fingerprint, set_code_fingerprint

ROUNDS = 5


@dataclass
class Point:
    x: int
    y: float
    name: str


def medians(*calls: Callable[[], object]) -> list[float]:
    """The median time of each call, in seconds; the calls take turns."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, taken in zip(calls, times, strict=True):
            start = perf_counter()
            call()
            taken.append(perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def row(title: str, value: object, baseline: Callable[[], object], against: str, joblib_too: bool = True) -> None:
    calls = [lambda: fingerprint(value), baseline]
    if joblib_too and joblib_hash is not None:
        calls.append(lambda: joblib_hash(value))
    ours, theirs, *other = medians(*calls)
    beside = f", {other[0] / ours:8.1f}x as fast as joblib.hash" if other else ""
    print(f"{title:34} {ours * 1e3:9.1f} ms   {theirs / ours:5.2f}x of {against}{beside}", flush=True)


def memory_pass(size: int) -> Callable[[], object]:
    """One read of as many bytes, on one thread."""
    return np.ones(max(1, size // 8)).sum


def arrays(megabytes: int) -> None:
    array = np.random.default_rng(0).random(megabytes << 17)
    row(f"numpy, {megabytes} MB", array, array.sum, "numpy.sum", joblib_too=megabytes <= 256)
    square = np.ones((4000, 1000))
    row("numpy, Fortran order, 32 MB", np.asfortranarray(square), square.sum, "numpy.sum")


def frames(rows: int) -> None:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    rng = random.Random(0)
    words = [f"value {rng.randrange(10**9)}" for _ in range(rows)]
    numbers = np.random.default_rng(0).random(rows)
    table = pa.table({"a": words, "b": words[::-1], "c": numbers})
    row(f"arrow, {rows} rows", table, memory_pass(table.nbytes), "a memory pass")
    frame = pd.DataFrame({"a": words, "b": words[::-1], "c": numbers})
    size = int(frame.memory_usage(deep=True).sum())
    row(f"pandas, {rows} rows, {frame.dtypes['a']}", frame, memory_pass(size), "a memory pass")
    objects = pd.DataFrame({"a": pd.Series(words, dtype=object)})
    row(f"pandas, {rows} rows, object", objects, lambda: pickle.dumps(objects, 5), "pickle", joblib_too=False)
    block = pd.DataFrame(np.random.default_rng(0).random((rows, 10)))
    row(f"pandas, {rows} rows, one block of 10", block, block.to_numpy().sum, "numpy.sum")
    polar = pl.DataFrame({"a": words, "b": words[::-1], "c": numbers})
    row(f"polars, {rows} rows", polar, memory_pass(int(polar.estimated_size())), "a memory pass", joblib_too=False)


def objects(count: int) -> None:
    rng = random.Random(0)
    nested = [
        {"id": i, "name": f"n{i}", "xy": (i * 0.5, rng.random()), "tags": ["a", str(i % 7)]} for i in range(count // 7)
    ]
    row(f"{count} small nested objects", nested, lambda: pickle.dumps(nested, 5), "pickle")
    floats = [rng.random() for _ in range(count)]
    row(f"{count} floats in a list", floats, lambda: pickle.dumps(floats, 5), "pickle")
    points = [Point(i, i * 0.5, f"p{i}") for i in range(count // 4)]
    row(f"{count // 4} dataclass instances", points, lambda: pickle.dumps(points, 5), "pickle")
    strings = {f"s{i}" for i in range(count)}
    row(f"a set of {count} strings", strings, lambda: pickle.dumps(strings, 5), "pickle")


def tiny() -> None:
    def many(value: object, times: int = 10_000) -> Callable[[], object]:
        return lambda: [fingerprint(value) for _ in range(times)]

    for value in (7, "name", 1.5, (1, 2), [1, "a", None], {"a": 1, "b": [1, 2]}, np.float64(1), np.arange(3)):
        (taken,) = medians(many(value))
        print(f"{value!r:34} {taken * 100:9.2f} µs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=256, help="size of the array")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the frames")
    parser.add_argument("--count", type=int, default=1_000_000, help="small objects")
    parser.add_argument("--joblib", action="store_true", help="compare with joblib.hash too, which takes long")
    options = parser.parse_args()
    joblib_hash: Callable[[object], str] | None = None
    if options.joblib:
        from joblib import hash as joblib_hash
    set_code_fingerprint(lambda code: code.__name__.encode()[:16].ljust(16))  # type: ignore[attr-defined]
    tiny()
    arrays(options.megabytes)
    frames(options.rows)
    objects(options.count)
