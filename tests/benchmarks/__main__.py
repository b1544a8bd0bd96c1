"""All benchmarks one after another: ``python -m tests.benchmarks``, or some: ``python -m tests.benchmarks update``."""

from __future__ import annotations

import subprocess
import sys

NAMES = ("overhead", "update", "dynamic", "durable", "startup", "view", "fingerprint", "key")


def main() -> int:
    """Run each in a process of its own; the exit code is that of the last one that failed."""
    code = 0
    for name in sys.argv[1:] or NAMES:
        print(f"\n== {name}", flush=True)
        code = subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=False).returncode or code
    return code


if __name__ == "__main__":
    raise SystemExit(main())
