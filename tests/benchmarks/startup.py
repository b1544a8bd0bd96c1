"""What ``import dagbook`` costs, net of the interpreter, beside parts of the standard library."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from tests.benchmarks.measure import medians, table, times


def start(statement: str) -> Callable[[], Callable[[], object]]:
    """A fresh interpreter that runs one statement."""
    return lambda: lambda: subprocess.run([sys.executable, "-c", statement], check=True)


def main() -> None:
    found = medians(
        {
            "interpreter": start("pass"),
            "stdlib": start("import asyncio, concurrent.futures"),
            "import dagbook": start("import dagbook"),
            "import and name Session": start("from dagbook import Session"),
        },
        9,
    )
    nothing = found.pop("interpreter")
    net = {name: seconds - nothing for name, seconds in found.items()}
    rows = [(name, f"{s * 1e3:.1f} ms", times(s, net["stdlib"])) for name, s in net.items()]
    table("import, net of the interpreter", rows, ("what", "time", "stdlib"))


if __name__ == "__main__":
    main()
