"""What the key of a function costs, with three levels of reach: ``python tests/benchmarks/key.py``.

Cold: nothing is remembered, not even what the code objects say. Again: all is walked, but the code is known. Warm:
nothing has changed. Bars: cold at most 2 ms, warm at most 50 µs.
"""

from __future__ import annotations

import functools
import math
import statistics
import time
from collections.abc import Callable

from dagbook.fingerprint import bytecode, code, text
from dagbook.fingerprint.code import reach
from dagbook.fingerprint.digests import leaf
from dagbook.fingerprint.key import combine, make_key

LATE = 15
CONFIG = {"limit": [1, 2, 3]}


class Trip:
    """A class on the way."""

    factor = 3

    def length(self, rows: list[float]) -> float:
        return sum(map(_scale, rows)) * self.factor


def _root(x: float) -> float:
    return math.sqrt(abs(x)) + LATE


def _scale(x: float, k: int = 3) -> float:
    if x > CONFIG["limit"][0]:
        return _root(x) * k
    return _root(-x) / k


def times(factor: int) -> Callable[[Callable[..., float]], Callable[..., float]]:
    def decorate(function: Callable[..., float]) -> Callable[..., float]:
        @functools.wraps(function)
        def call(*arguments: object) -> float:
            return function(*arguments) * factor

        return call

    return decorate


@times(2)
def node(rows: list[float], n: int = 3) -> float:
    """The node itself."""
    late = [row for row in rows if row > LATE]
    return Trip().length(late) + _scale(n)


def forget(everything: bool) -> None:
    """Drop what is remembered."""
    code._memos.clear()
    if everything:
        bytecode._readings.clear()
        text._texts.clear()


def micros(call: Callable[[], object], rounds: int, before: Callable[[], None] = lambda: None) -> float:
    """The median time of a call in microseconds."""
    times = []
    for _ in range(rounds):
        before()
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def main() -> None:
    """Print the figures."""
    reach(node)
    inputs = [leaf("input", "a"), leaf("input", "b")]
    found = reach(node)
    print(f"parts {len(found.parts)}")
    print(f"cold  {micros(lambda: reach(node), 200, lambda: forget(True)):8.1f} µs")
    print(f"again {micros(lambda: reach(node), 200, lambda: forget(False)):8.1f} µs")
    print(f"warm  {micros(lambda: reach(node), 5000):8.1f} µs")
    print(f"key   {micros(lambda: make_key(found, [('a', inputs[0]), ('b', inputs[1])]), 5000):8.1f} µs")
    print(f"combine {micros(lambda: combine(found.digest, inputs), 5000):6.1f} µs")


if __name__ == "__main__":
    main()
