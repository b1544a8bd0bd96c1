"""Time fingerprints against a pass over the same memory, and against pickle.

The measures of one row are taken in turns, five times each, and the medians are compared. A ratio of 1 means as fast
as the baseline; above 1 is faster.
"""

from __future__ import annotations

import argparse
import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import dagbook.fingerprint.code  # noqa: F401 - classes in values are told apart by their code
from dagbook.fingerprint.value import fingerprint
from tests.benchmarks.measure import Row, medians, peer, ready, repeated, show

PASS = "a memory pass"
FEW = 20_000
"""Small objects that joblib is given; it takes minutes for many."""

Baseline = Callable[[], object]


@dataclass
class Point:
    x: int
    y: float
    name: str


def measure(
    title: str, value: object, baseline: Baseline, against: str, bar: float = 0, joblib: Any = None
) -> list[Row]:
    """Print how fast a fingerprint is, in multiples of the baseline's speed, and give its bar, if it has one."""
    calls = {"ours": ready(partial(fingerprint, value)), "baseline": ready(baseline)}
    if joblib is not None:
        calls["joblib"] = ready(partial(joblib.hash, value))
    found = medians(calls)
    ours = found["ours"]
    beside = f", {found['joblib'] / ours:.1f}x as fast as joblib.hash" if joblib is not None else ""
    print(f"  {title:40} {ours * 1e3:9.1f} ms   {found['baseline'] / ours:5.2f}x of {against}{beside}", flush=True)
    return [Row(f"fingerprint, {title}", found["baseline"] / ours, bar, against, sense="≥")] if bar else []


def memory_pass(size: int) -> Callable[[], object]:
    """One read of as many bytes, on one thread."""
    return np.ones(max(1, size // 8)).sum


def arrays(megabytes: int, joblib: Any) -> list[Row]:
    array = np.random.default_rng(0).random(megabytes << 17)
    square = np.asfortranarray(np.ones((4000, 1000)))
    return [
        *measure(f"numpy, {megabytes} MB", array, array.sum, PASS, 0.75, joblib),
        *measure("numpy, Fortran order, 32 MB", square, square.sum, PASS, 0, joblib),
    ]


def frames(rows: int, joblib: Any) -> list[Row]:
    pd, pl, pa = peer("pandas"), peer("polars"), peer("pyarrow")
    rng = random.Random(0)
    words = [f"value {rng.randrange(10**9)}" for _ in range(rows)]
    numbers = np.random.default_rng(0).random(rows)
    columns = {"a": words, "b": words[::-1], "c": numbers}
    found: list[Row] = []
    if pa is not None:
        arrow = pa.table(columns)
        found += measure(f"arrow, {rows:,} rows", arrow, memory_pass(arrow.nbytes), PASS, 0.4, joblib)
    if pd is not None:
        frame = pd.DataFrame(columns)
        size = int(frame.memory_usage(deep=True).sum())
        bar = 0.4 if pa is not None else 0.0
        found += measure(f"pandas, {rows:,} rows, {frame.dtypes['a']}", frame, memory_pass(size), PASS, bar, joblib)
        objects = pd.DataFrame({"a": pd.Series(words, dtype=object)})
        found += measure(f"pandas, {rows:,} rows, object", objects, partial(pickle.dumps, objects, 5), "pickle")
        block = pd.DataFrame(np.random.default_rng(0).random((rows, 10)))
        found += measure(f"pandas, {rows:,} rows, one block of 10", block, block.to_numpy().sum, PASS, 0.4, joblib)
    if pl is not None:
        polar = pl.DataFrame(columns)
        size = int(polar.estimated_size())
        found += measure(f"polars, {rows:,} rows", polar, memory_pass(size), PASS, 0.4)
    return found


def nested_objects(count: int) -> list[dict[str, object]]:
    rng = random.Random(0)
    return [
        {"id": i, "name": f"n{i}", "xy": (i * 0.5, rng.random()), "tags": ["a", str(i % 7)]} for i in range(count // 7)
    ]


def objects(count: int) -> list[Row]:
    values: dict[str, tuple[object, float]] = {
        f"{count:,} small nested objects": (nested_objects(count), 0.5),
        f"{count:,} floats in a list": ([i / 7 for i in range(count)], 0),
        f"{count // 4:,} dataclass instances": ([Point(i, i * 0.5, f"p{i}") for i in range(count // 4)], 0),
        f"a set of {count:,} strings": ({f"s{i}" for i in range(count)}, 0),
    }
    rows = []
    for title, (value, bar) in values.items():
        rows += measure(title, value, partial(pickle.dumps, value, 5), "pickle", bar)
    joblib = peer("joblib")
    if joblib is not None:
        few = nested_objects(FEW)
        rows += measure(f"{FEW:,} small nested objects", few, partial(joblib.hash, few), "joblib.hash", 20)
    return rows


def tiny(calls: int = 10_000) -> None:
    for value in (7, "name", 1.5, (1, 2), [1, "a", None], {"a": 1, "b": [1, 2]}, np.float64(1), np.arange(3)):
        (taken,) = medians({"": repeated(partial(fingerprint, value), calls)}).values()
        print(f"  {value!r:40} {taken / calls * 1e6:9.2f} µs")


def main() -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=256, help="size of the array")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the frames")
    parser.add_argument("--count", type=int, default=1_000_000, help="small objects")
    parser.add_argument("--joblib", action="store_true", help="compare arrays and frames with joblib.hash too: slow")
    given = parser.parse_args()
    joblib = peer("joblib") if given.joblib else None
    tiny()
    return [*arrays(given.megabytes, joblib), *frames(given.rows, joblib), *objects(given.count)]


if __name__ == "__main__":
    show(main())
