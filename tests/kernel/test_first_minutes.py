"""The first five minutes with dagbook, as the documentation tells them, cell by cell."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel

pytestmark = pytest.mark.slow

CELL = """%%dag
import time

def raw() -> list:
    time.sleep(0.2)                # pretend this is a download
    return [3, 1, 2]

def clean(raw):
    print("cleaning", len(raw), "rows")
    return sorted(raw)

def total(clean):
    return sum(clean)
"""
EDITS = [
    ("return sorted(raw)", {"clean"}, "its code changed"),
    ("return sorted(raw, reverse=True)", {"clean", "total"}, "the value of clean changed"),
    ("return sorted(raw, reverse=True)  # the largest first", set(), "Nothing that it depends on has changed"),
    ("return sorted(list(raw))", {"clean"}, ""),
    ("return sorted(raw)", set(), ""),
    ("return sorted(tuple(raw))", {"clean"}, "its value is unchanged"),
]


def edited(body: str) -> str:
    return CELL.replace("return sorted(raw)", body)


def begin(kernel: Kernel, cell: str = CELL) -> None:
    kernel.must("%load_ext dagbook", "load")
    reply = kernel.must(cell, "define")
    assert [d["data"]["text/plain"] for d in reply.displays] == ["raw → clean → total"]


def run(kernel: Kernel) -> str:
    """Run the cell that asks for ``total``; what it shows, without the picture of the graph."""
    reply = kernel.must("%dag run total", "run")
    assert reply.text == "cleaning 3 rows\n"
    values = [d["data"]["text/plain"] for d in reply.displays if "image/svg+xml" not in d["data"]]
    pictures = [u["data"]["text/plain"] for u in reply.updates]
    assert pictures == ["raw → clean → total\n3 nodes, all current"]
    return "\n".join(values)


def test_the_first_five_minutes_go_as_told_and_after_a_restart_nothing_runs(kernel: Kernel) -> None:
    begin(kernel)
    assert "nothing has run yet" in str(kernel.value("dag._notebook.view._lines[-1].line"))
    assert run(kernel) == "total = 6"
    assert kernel.executed() == ["raw", "clean", "total"]
    for _ in range(2):
        assert run(kernel) == "total = 6"
        assert kernel.executed() == []
    for body, runs, says in EDITS[1:]:
        kernel.must(edited(body), "define")
        assert run(kernel) == "total = 6"
        assert set(kernel.executed()) == runs, body
        assert says in kernel.must("%dag why total").text, body
    kernel.restart()
    begin(kernel, edited(EDITS[-1][0]))
    assert run(kernel) == "total = 6"
    assert kernel.executed() == []
    assert kernel.value("[dag.raw, dag.clean, dag.total]") == [[3, 1, 2], [1, 2, 3], 6]


def test_the_same_edits_the_second_time_and_in_a_new_kernel_run_nothing(kernel: Kernel) -> None:
    begin(kernel)
    bodies = [body for body, _, _ in EDITS]
    for body in bodies:
        kernel.must(edited(body), "define")
        run(kernel)
    for body in bodies:
        kernel.must(edited(body), "define")
        run(kernel)
        assert kernel.executed() == [], f"again: {body}"
    kernel.restart()
    begin(kernel)
    for body in bodies:
        kernel.must(edited(body), "define")
        run(kernel)
        assert kernel.executed() == [], f"after a restart: {body}"


def test_each_edit_across_a_restart_runs_what_it_reaches(kernel: Kernel) -> None:
    begin(kernel)
    run(kernel)
    for body, runs, _ in EDITS[1:]:
        kernel.restart()
        begin(kernel, edited(body))
        run(kernel)
        assert set(kernel.executed()) == runs, body
