"""The buttons work while a cell is busy."""

from __future__ import annotations

import json
import time

import nbformat
import pytest

from tests.browser.conftest import Notebook, Opener

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NODES = """%%dag
import time

def quick():
    return 1

def burn(quick):
    end = time.monotonic() + 4
    count = 0
    while time.monotonic() < end:
        count += 1
    return quick

def after(burn):
    return burn + 1

def last(after):
    return after + 1
"""

REPORT = """from dagbook.engine.events import Kind
run = __import__("dagbook").notebook.extension.active().session.runs[-1]
ends = {event.node: event.time for event in run.log if event.kind is Kind.NODE_RAN}
import json
print(json.dumps({"status": run.status, "executed": run.executed, "ends": ends, "end": run.log.time[len(run.log) - 1],
                  "hows": {n: s.how.name for n, s in run.stories.items()}}))
"""


def notebook_text(*sources: str) -> str:
    cells = [nbformat.v4.new_code_cell(source, id=f"cell{n}") for n, source in enumerate(sources)]
    return nbformat.writes(
        nbformat.v4.new_notebook(
            cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        )
    )


def wait_for(notebook: Notebook, node: str, status: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if any(s.get("nodes", {}).get(node) == status for s in notebook.states()):
            return
        notebook.page.wait_for_timeout(30)
    raise AssertionError(f"{node} was never {status}: {notebook.states()}")


def report(notebook: Notebook, index: int) -> dict:
    notebook.run_cell(index)
    notebook.ready()
    return dict(json.loads(notebook.outputs(index)[0]["text"]))


@pytest.fixture
def burning(open_notebook: Opener) -> Notebook:
    """A notebook whose node `burn` is running."""
    notebook = open_notebook(notebook_text("%load_ext dagbook", NODES, "%dag run last", REPORT))
    for index in (0, 1):
        notebook.run_cell(index)
        notebook.ready()
    notebook.run_cell(2)
    wait_for(notebook, "burn", "running")
    return notebook


def test_cancel_during_a_cpu_bound_node_ends_the_run_when_that_node_ends_and_the_next_run_goes_on(
    burning: Notebook,
) -> None:
    burning.page.get_by_role("button", name="Cancel the run").first.click()
    wait_for(burning, "after", "cancelled")
    burning.ready()
    told = report(burning, 3)
    assert told["status"] == "cancelled"
    assert told["hows"] == {
        "quick": "NODE_RAN",
        "burn": "NODE_RAN",
        "after": "NODE_CANCELLED",
        "last": "NODE_CANCELLED",
    }
    assert told["end"] - told["ends"]["burn"] < 0.5

    burning.run_cell(2)
    wait_for(burning, "last", "ran")
    burning.ready()
    assert report(burning, 3)["executed"] == ["after", "last"]


def test_what_the_user_has_selected_stays_when_the_run_ends_and_keys_stay_with_the_graph(burning: Notebook) -> None:
    cards = burning.page.evaluate("() => document.querySelector('.dagbook .dag-frame').parentElement.__dagbook.cards()")
    card = next(c for c in cards if c["name"] == "burn")
    burning.page.mouse.click(card["x"] + card["width"] / 2, card["y"] + 12)
    wait_for(burning, "last", "ran")
    burning.ready()
    burning.page.wait_for_timeout(500)
    assert [s["selected"] for s in burning.states() if s.get("nodes")] == ["burn"]
    burning.page.keyboard.press("3")
    burning.page.wait_for_timeout(200)
    assert [s["view"] for s in burning.states() if s.get("nodes")] == ["timeline"]
    assert burning.source(2) == "%dag run last"


def test_pause_starts_nothing_new_until_resume(burning: Notebook) -> None:
    burning.page.get_by_role("button", name="Pause").first.click()
    wait_for(burning, "burn", "ran")
    burning.page.wait_for_timeout(400)
    assert all(s["nodes"]["after"] == "queued" for s in burning.states() if s.get("nodes"))
    assert burning.busy()
    burning.page.get_by_role("button", name="Resume").first.click()
    wait_for(burning, "last", "ran")
    burning.ready()
    assert burning.errors == []
