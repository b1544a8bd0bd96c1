"""How everything here is measured: candidates take turns, the median of each counts, and ratios are what is told.

A benchmark is a module with ``main()``, which prints what it found and returns its bars as a list of :class:`Row`.
"""

from __future__ import annotations

import gc
import math
import statistics
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from time import perf_counter
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)

REPEATS = 5

Prepare = Callable[[], Callable[[], object]]
"""Makes everything ready, untimed, and returns the call to time."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure beside its bar: a ratio to ``floor``, or a number of ``unit``. ``sense`` is ``≤``, ``≥`` or ``=``."""

    what: str
    figure: float
    bar: float
    floor: str = ""
    unit: str = "x"
    sense: str = "≤"

    @property
    def met(self) -> bool:
        """Whether the figure keeps to the bar."""
        return {"≤": self.figure <= self.bar, "≥": self.figure >= self.bar, "=": self.figure == self.bar}[self.sense]

    @property
    def verdict(self) -> str:
        """``met``, or by how much it is missed."""
        if self.met:
            return "met"
        if self.sense == "=" or math.isnan(self.figure):
            return "missed"
        worse = self.figure / self.bar if self.sense == "≤" else self.bar / self.figure
        return f"missed by {worse - 1:.0%}" if worse < 2 else f"missed {worse:.1f}-fold"

    def cells(self) -> tuple[str, ...]:
        """What, figure, bar, verdict."""
        return self.what, f"{self._figure(self.figure)} {self.floor}".strip(), self._bar(), self.verdict

    def _figure(self, value: float) -> str:
        if self.unit == "x":
            return times(value, 1.0)
        return f"{value:.3g} {self.unit}"

    def _bar(self) -> str:
        return f"{self.sense} {self.bar:g}{'x' if self.unit == 'x' else ' ' + self.unit}"


def medians(candidates: Mapping[K, Prepare], repeats: int = REPEATS) -> dict[K, float]:
    """The median seconds of each candidate. They take turns, and garbage is collected before each call."""
    taken: dict[K, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, prepare in candidates.items():
            call = prepare()
            gc.collect()
            start = perf_counter()
            call()
            taken[name].append(perf_counter() - start)
            del call
    return {name: statistics.median(values) for name, values in taken.items()}


def ready(call: Callable[[], object]) -> Prepare:
    """A candidate that needs no preparation."""
    return lambda: call


def repeated(call: Callable[[], object], count: int) -> Prepare:
    """A candidate that makes the same short call ``count`` times: divide what it takes by that."""

    def calls() -> None:
        for _ in range(count):
            call()

    return lambda: calls


@cache
def peer(name: str) -> Any:
    """A module of another project, or None after saying, once, that it is left out."""
    try:
        return import_module(name)
    except ImportError:
        print(f"  left out: {name.partition('.')[0]} is not installed")
        return None


def table(title: str, rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> None:
    """Print aligned columns."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    print(f"\n{title}")
    for row in [head, tuple("-" * w for w in widths), *rows]:
        print("  " + "  ".join(f"{cell:{'<' if n == 0 else '>'}{widths[n]}}" for n, cell in enumerate(row)))
    print(flush=True)


def show(rows: Sequence[Row], title: str = "bars") -> list[Row]:
    """Print figures beside their bars, and give them back."""
    table(title, [row.cells() for row in rows], ("what", "measured", "bar", ""))
    return list(rows)


def bars_of(name: str) -> list[Row]:
    """The bars of one benchmark, with its own defaults."""
    sys.argv = [name]
    return list(import_module(f"tests.benchmarks.{name}").main())


def micro(seconds: float, count: int = 1) -> str:
    """Microseconds for each of ``count``."""
    return f"{seconds / count * 1e6:.1f}"


def times(value: float, floor: float) -> str:
    """A ratio, short."""
    ratio = value / floor
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"
