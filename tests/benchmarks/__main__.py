"""All benchmarks one after another, then one table of all bars: ``python -m tests.benchmarks``.

Or some: ``python -m tests.benchmarks update dynamic``. One alone, with options of its own:
``python -m tests.benchmarks.update --help``.
"""

from __future__ import annotations

import multiprocessing
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor

from tests.benchmarks.measure import Row, bars_of, show

NAMES = (
    "scheduling",
    "build",
    "makespan",
    "update",
    "counts",
    "dynamic",
    "startup",
    "fingerprint",
    "key",
    "durable",
    "view",
)


def main() -> int:
    """Run each in a process of its own. The exit code is 1 when a benchmark broke, whatever the bars say."""
    unknown = sorted(set(sys.argv[1:]) - set(NAMES))
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}. There are: {', '.join(NAMES)}")
        return 2
    rows: list[Row] = []
    broken: list[str] = []
    for name in sys.argv[1:] or NAMES:
        print(f"\n== {name}", flush=True)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            try:
                rows += process.submit(bars_of, name).result()
            except Exception:
                traceback.print_exc()
                broken.append(name)
    missed = sum(not row.met for row in rows)
    show(rows, f"all bars: {len(rows) - missed} of {len(rows)} met")
    if broken:
        print(f"broke before their bars were known: {', '.join(broken)}")
    return bool(broken)


if __name__ == "__main__":
    raise SystemExit(main())
