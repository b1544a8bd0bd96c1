"""All benchmarks one after another: ``python -m tests.benchmarks``, or some: ``python -m tests.benchmarks update``."""

from __future__ import annotations

import runpy
import sys

NAMES = ("overhead", "update", "dynamic", "durable", "startup", "view", "fingerprint", "key")


def main() -> None:
    chosen, sys.argv[1:] = sys.argv[1:] or list(NAMES), []
    for name in chosen:
        print(f"\n== {name}", flush=True)
        runpy.run_module(f"tests.benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
