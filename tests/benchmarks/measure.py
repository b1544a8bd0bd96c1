"""How everything here is measured: candidates take turns, the median of each counts, and ratios are what is told."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping
from time import perf_counter

REPEATS = 5


def medians(candidates: Mapping[str, Callable[[], Callable[[], object]]], repeats: int = REPEATS) -> dict[str, float]:
    """The median seconds of each candidate. A candidate prepares itself, untimed, and returns the call to time."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, prepare in candidates.items():
            call = prepare()
            gc.collect()
            start = perf_counter()
            call()
            times[name].append(perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def ready(call: Callable[[], object]) -> Callable[[], Callable[[], object]]:
    """A candidate that needs no preparation."""
    return lambda: call


def table(title: str, rows: list[tuple[str, ...]], head: tuple[str, ...]) -> None:
    """Print aligned columns."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    print(f"\n{title}")
    for row in [head, tuple("-" * w for w in widths), *rows]:
        print("  " + "  ".join(f"{cell:{'<' if n == 0 else '>'}{widths[n]}}" for n, cell in enumerate(row)))


def micro(seconds: float, count: int) -> str:
    """Microseconds for each of ``count``."""
    return f"{seconds / count * 1e6:.1f}"


def times(value: float, floor: float) -> str:
    """A ratio, short."""
    ratio = value / floor
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"
