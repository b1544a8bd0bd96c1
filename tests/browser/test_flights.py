"""The whole thing as a person meets it: flights.ipynb in JupyterLab in Chromium."""

from __future__ import annotations

import time

import pytest

from tests.browser.conftest import NOTEBOOKS, Notebook, Opener

pytestmark = [pytest.mark.slow, pytest.mark.browser]

DONE = {"ran", "reused", "cutoff"}
GRAPH = 16


def graph_state(notebook: Notebook) -> dict:
    """The newest state of the run's graph; empty before it is shown."""
    states = [s for s in notebook.states() if len(s.get("nodes", ())) >= GRAPH]
    return states[0] if states else {}


def watch(notebook: Notebook, seconds: float = 240) -> list[dict[str, str]]:
    """The different pictures that the page shows until the run has ended and the kernel is idle."""
    pictures: list[dict[str, str]] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        busy = notebook.busy()
        state = graph_state(notebook)
        nodes = state.get("nodes", {})
        if busy and nodes and (not pictures or pictures[-1] != nodes):
            pictures.append(nodes)
        if not busy and state and state["run"]["state"] in ("done", "failed", "cancelled"):
            return pictures
        notebook.page.wait_for_timeout(40)
    raise AssertionError(f"the run did not end in {seconds} s; last picture {pictures[-1:]}")


def top(nodes: dict[str, str]) -> dict[str, str]:
    return {name: status for name, status in nodes.items() if "[" not in name}


def test_the_graph_is_seen_running_and_only_what_an_edit_reaches_runs_again(open_notebook: Opener) -> None:
    notebook = open_notebook(NOTEBOOKS / "flights.ipynb")
    notebook.run_all()
    pictures = watch(notebook)

    # while the cell was busy: queued, running and done nodes, in at least three different pictures
    assert len(pictures) >= 3
    seen = {status for picture in pictures for status in picture.values()}
    assert {"queued", "running", "ran"} <= seen
    assert any({"queued", "running", "ran"} <= set(picture.values()) for picture in pictures)
    assert set(top(graph_state(notebook)["nodes"]).values()) <= DONE
    assert sum(1 for name in graph_state(notebook)["nodes"] if name.startswith("by_carrier[")) == 16

    # another code for the same rows: clean runs, and nothing after it
    index = notebook.find("#| dag\ndef clean")
    source = notebook.source(index)
    assert 'flights.dropna(subset=["arr_delay"])' in source
    notebook.edit(
        index, source.replace('flights.dropna(subset=["arr_delay"])', 'flights[flights["arr_delay"].notna()]')
    )
    notebook.run_cell(index)
    notebook.ready()
    notebook.run_cell(notebook.find("%dag run report"))
    notebook.ready()
    watch(notebook)
    statuses = top(graph_state(notebook)["nodes"])
    assert [n for n, s in statuses.items() if s == "ran"] == ["clean"]
    assert statuses["report"] == statuses["model"] == "cutoff"

    # a new kernel: Run All, and no node runs
    notebook.restart_kernel()
    notebook.run_all()
    notebook.ready(120)
    watch(notebook)
    assert set(top(graph_state(notebook)["nodes"]).values()) == {"reused"}
    assert notebook.errors == []
