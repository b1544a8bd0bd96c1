"""What the key of a function costs, with three levels of reach.

Cold: the function comes from a module that was never seen. Warm: nothing has changed since the last key.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from time import perf_counter
from typing import Any

from dagbook.fingerprint.code import reach
from dagbook.fingerprint.digests import leaf
from dagbook.fingerprint.key import make_key
from tests.benchmarks.graphs import module_of
from tests.benchmarks.measure import Row, micro, show, table

COLD_ROUNDS = 50
WARM_CALLS = 2000

SOURCE = '''
import functools
import math

LATE = 15
CONFIG = {"limit": [1, 2, 3]}


class Trip:
    """A class on the way."""

    factor = 3

    def length(self, rows):
        return sum(map(_scale, rows)) * self.factor


def _root(x):
    return math.sqrt(abs(x)) + LATE


def _scale(x, k=3):
    if x > CONFIG["limit"][0]:
        return _root(x) * k
    return _root(-x) / k


def times(factor):
    def decorate(function):
        @functools.wraps(function)
        def call(*arguments):
            return function(*arguments) * factor

        return call

    return decorate


@times(2)
def node(rows, n=3):
    """The node itself."""
    late = [row for row in rows if row > LATE]
    return Trip().length(late) + _scale(n)
'''


def seconds(call: Callable[[], object], count: int = 1) -> float:
    """What a call takes."""
    start = perf_counter()
    for _ in range(count):
        call()
    return (perf_counter() - start) / count


def cold(folder: str) -> tuple[float, Any]:
    """The median of first keys, each of another module, and the last module's node."""
    nodes = [module_of(SOURCE, folder, f"reached_{n}").node for n in range(COLD_ROUNDS)]
    reach(nodes[0])
    return statistics.median(seconds(lambda node=node: reach(node)) for node in nodes[1:]), nodes[-1]


def main() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        first, node = cold(folder)
        found = reach(node)
        inputs = [(name, leaf("input", name)) for name in "ab"]
        warm = statistics.median(seconds(lambda: reach(node), WARM_CALLS) for _ in range(5))
        whole = statistics.median(seconds(lambda: make_key(reach(node), inputs), WARM_CALLS) for _ in range(5))
    lines = [("cold", micro(first)), ("warm", micro(warm)), ("warm, with two inputs", micro(whole))]
    table(f"the key of a function that reaches {len(found.parts)} parts", lines, ("", "µs"))
    return [Row("key, cold", first * 1e3, 2, unit="ms"), Row("key, warm, two inputs", whole * 1e6, 50, unit="µs")]


if __name__ == "__main__":
    show(main())
