"""What a durable store adds to a node, and what a restart costs when everything is stored."""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dagbook import Session
from tests.benchmarks.graphs import dag_of, functions, preds_of
from tests.benchmarks.measure import Row, medians, micro, show, table, times

FLOOR = "a file and a commit a node"


def floor_durable(size: int) -> Callable[[], Callable[[], object]]:
    """For each node one small file synced and one commit."""

    def prepare() -> Callable[[], object]:
        folder = Path(tempfile.mkdtemp())
        db = sqlite3.connect(folder / "db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE t (a INTEGER)")

        def call() -> None:
            for i in range(size):
                with open(folder / str(i), "wb") as file:
                    file.write(b"0" * 20)
                    file.flush()
                    os.fsync(file.fileno())
                db.execute("INSERT INTO t VALUES (?)", (i,))

        return call

    return prepare


def figures(size: int) -> None:
    """Print what no-op nodes cost with a durable store, and again after a restart."""
    preds = preds_of("layered", size)
    dag = dag_of(preds, functions(preds))
    folders: list[str] = []

    def durable(workers: int) -> Callable[[], object]:
        folders.append(tempfile.mkdtemp())
        session = Session(dag, folders[-1], workers=workers)
        return lambda: session.run().raise_for_status()

    def restart() -> Callable[[], object]:
        session = Session(dag, folders[-1], workers=1)

        def call() -> None:
            assert session.run().executed == []

        return call

    found = medians(
        {
            FLOOR: floor_durable(size),
            "dagbook, 1 worker": partial(durable, 1),
            "dagbook, 4 workers": partial(durable, 4),
            "restart, everything stored": restart,
        },
        3,
    )
    lines = [(name, micro(seconds, size), times(seconds, found[FLOOR])) for name, seconds in found.items()]
    table(f"a durable store, {size:,} no-op nodes in layers", lines, ("", "µs a node", FLOOR))


def share() -> Row:
    """What a durable store adds to nodes of 1 ms each."""
    preds = preds_of("layered", 200)
    dag = dag_of(preds, functions(preds, "return sleep(0.001)"))

    def run(directory: bool) -> Callable[[], object]:
        session = Session(dag, tempfile.mkdtemp() if directory else None, workers=1)
        return lambda: session.run().raise_for_status()

    found = medians({"memory": partial(run, False), "durable": partial(run, True)})
    return Row("durable store under nodes of 1 ms", found["durable"] / found["memory"], 1.25, "in memory")


def main() -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000])
    for size in parser.parse_args().sizes:
        figures(size)
    return [share()]


if __name__ == "__main__":
    show(main())
