"""What ``import dagbook`` costs, net of the interpreter, beside parts of the standard library."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

from tests.benchmarks.measure import Prepare, Row, medians, show, table, times

REPEATS = 9
STDLIB = "import asyncio, concurrent.futures"
OURS = "import dagbook"
EXECUTOR = "from dagbook import DAGExecutor"
HEAVY = ("IPython", "anywidget", "numpy", "sqlite3")
"""What may be imported only when it is used."""


def start(statement: str) -> Prepare:
    """A fresh interpreter that runs one statement."""
    return lambda: lambda: subprocess.run([sys.executable, "-c", statement], check=True)


def heavy(statement: str) -> list[str]:
    """Which of the heavy packages a statement imports."""
    code = f"import json, sys; {statement}; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [name for name in HEAVY if name in json.loads(done.stdout)]


def main() -> list[Row]:
    peers = [name for name in ("dask", "joblib", "pipefunc", "hamilton") if find_spec(name)]
    statements = [STDLIB, OURS, EXECUTOR, "from dagbook import Session", *(f"import {name}" for name in peers)]
    found = medians({"pass": start("pass")} | {statement: start(statement) for statement in statements}, REPEATS)
    nothing = found.pop("pass")
    net = {name: seconds - nothing for name, seconds in found.items()}
    print("  left out: dagron needs Python 3.12; there it takes 1.9 to 2.4x of the standard library's modules")
    lines = [(name, f"{seconds * 1e3:.1f} ms", times(seconds, net[STDLIB])) for name, seconds in net.items()]
    table("import, net of the interpreter", lines, ("", "takes", "stdlib"))
    print("  `import dagbook` alone imports nothing but itself: what an executor costs is in the lines below it")
    loaded = {statement: heavy(statement) for statement in (OURS, EXECUTOR)}
    for statement, names in loaded.items():
        print(f"  heavy packages after `{statement}`: {', '.join(names) or 'none'}")
    return [
        Row(OURS, net[OURS] / net[STDLIB], 1.3, "stdlib import"),
        *(Row(f"{each}: heavy packages", len(names), 0, unit="there", sense="=") for each, names in loaded.items()),
    ]


if __name__ == "__main__":
    show(main())
