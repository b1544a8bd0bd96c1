"""What the live graph costs a run: one event told to it, and one message made for the page."""

from __future__ import annotations

import argparse
import json
import statistics
from time import perf_counter

from dagbook import Session
from dagbook.notebook.picture import Picture
from tests.benchmarks.graphs import dag_of, functions, preds_of
from tests.benchmarks.measure import REPEATS, Row, show, table

FLUSH = 100
"""Events between two messages: a busy run at thirty messages a second."""


def measure(size: int) -> tuple[float, float, float]:
    """Median seconds of one event told, of one message made and encoded, and of the first picture."""
    preds = preds_of("layered", size)
    session = Session(dag_of(preds, functions(preds)), workers=1)
    run = session.run()
    told, made, first = [], [], []
    for _ in range(REPEATS):
        picture = Picture(session)
        start = perf_counter()
        listen = picture.begin(run)
        packet = picture.snapshot()
        json.dumps(packet[0])
        first.append(perf_counter() - start)
        emits = flushes = 0.0
        count = 0
        for begin in range(0, len(run.log), FLUSH):
            stop = min(begin + FLUSH, len(run.log))
            start = perf_counter()
            for seq in range(begin, stop):
                listen(run.log, seq, seq + 1)
            emits += perf_counter() - start
            start = perf_counter()
            packet = picture.delta()
            if packet is not None:
                json.dumps(packet[0])
            flushes += perf_counter() - start
            count += 1
        told.append(emits / len(run.log))
        made.append(flushes / count)
    return statistics.median(told), statistics.median(made), statistics.median(first)


def main() -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    lines: list[tuple[str, ...]] = []
    rows: list[Row] = []
    for size in parser.parse_args().sizes:
        told, made, first = (seconds * 1e3 for seconds in measure(size))
        lines.append((f"{size:,}", f"{told * 1e3:.2f} µs", f"{made:.3f} ms", f"{first:.1f} ms"))
        rows += [
            Row(f"live graph of {size:,}, an event", told * 1e3, 1, unit="µs"),
            Row(f"live graph of {size:,}, a message", made, 0.5, unit="ms"),
            Row(f"live graph of {size:,}, first picture", first, 500, unit="ms"),
        ]
    table("the live graph", lines, ("nodes", "an event", f"a message of {FLUSH}", "first picture"))
    return rows


if __name__ == "__main__":
    show(main())
