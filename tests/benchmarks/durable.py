"""What a durable store adds to a node, and what a restart costs when everything is stored."""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from dagbook.session import Session
from tests.benchmarks.graphs import dag_of, functions, preds_of
from tests.benchmarks.measure import medians, micro, table, times


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000])
    rows = []
    for size in parser.parse_args().sizes:
        preds = preds_of("layered", size)
        dag = dag_of(preds, functions(preds, "return 0"))
        last: list[str] = []

        def durable(workers: int) -> Callable[[], Callable[[], object]]:
            def prepare() -> Callable[[], object]:
                last.append(tempfile.mkdtemp())
                session = Session(dag, last[-1], workers=workers)
                return lambda: session.run().raise_for_status()

            return prepare

        def restart() -> Callable[[], object]:
            session = Session(dag, last[-1], workers=1)

            def call() -> None:
                assert session.run().executed == []

            return call

        found = medians(
            {
                "floor: fsync and a commit a node": floor_durable(size),
                "dagbook, 1 worker": durable(1),
                "dagbook, 4 workers": durable(4),
                "restart, everything stored": lambda: restart(),
            },
            3,
        )
        floor = found["floor: fsync and a commit a node"]
        rows += [(f"{size}: {name}", micro(s, size), times(s, floor)) for name, s in found.items()]
    table("a durable store, layered no-op nodes", rows, ("nodes", "µs a node", "floor"))


if __name__ == "__main__":
    main()
