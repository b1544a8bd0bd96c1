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
    faces = ("Session", "DAGExecutor", "IncrementalExecutor")
    statements = [STDLIB, OURS, *(f"from dagbook import {face}" for face in faces), *(f"import {p}" for p in peers)]
    found = medians({"pass": start("pass")} | {statement: start(statement) for statement in statements}, REPEATS)
    nothing = found.pop("pass")
    net = {name: seconds - nothing for name, seconds in found.items()}
    print("  left out: dagron needs Python 3.12; there it takes 1.9 to 2.4x of the standard library's modules")
    lines = [(name, f"{seconds * 1e3:.1f} ms", times(seconds, net[STDLIB])) for name, seconds in net.items()]
    table("import, net of the interpreter", lines, ("", "takes", "stdlib"))
    loaded = heavy(OURS)
    print(f"  heavy packages that it imports: {', '.join(loaded) or 'none'}")
    return [
        Row(OURS, net[OURS] / net[STDLIB], 1.3, "stdlib import"),
        Row(f"{OURS}: heavy packages", len(loaded), 0, unit="imported", sense="="),
    ]


if __name__ == "__main__":
    show(main())
