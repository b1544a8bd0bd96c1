"""What nodes show comes in the order of the graph, the same each time, and nothing that is stored is volatile."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tests.kernel.conftest import Kernel, Reply

pytestmark = pytest.mark.slow

LOUD = """%%dag
import sys
import time
import warnings

import matplotlib.pyplot as plt
from IPython.display import HTML, display

from dagbook import node


def slow():
    print("slow 1")
    time.sleep(0.3)
    print("slow error", file=sys.stderr)
    print("slow 2")
    return 1


def quick():
    print("quick 1")
    display(HTML("<b>quick</b>"))
    print("quick 2")
    return 2


def drawn(slow):
    print("before the figure")
    plt.plot([1, 2, 3])
    return 3


def warned(quick):
    warnings.warn("careful", stacklevel=1)
    return 4


def numbers():
    return [10, 20]


@node(each={"n": "numbers"})
def child(n):
    time.sleep(0.02 if n == 10 else 0)
    print("child", n)
    return n


def end(drawn, warned, child):
    print("the end")
    return sum(child)
"""
TEXT = (
    "slow 1\nslow error\nslow 2\nbefore the figure\nquick 1\nquick 2\nUserWarning: careful\n"
    "child 10\nchild 20\nthe end\n"
)


def shown(reply: Reply) -> tuple[str, list[str]]:
    """The text, in the order of its streams, and the kinds of what was displayed, but for the graph."""
    kinds = [next((k for k in ("text/html", "image/png") if k in d["data"]), "text/plain") for d in reply.displays]
    drawn = [k for k, d in zip(kinds, reply.displays, strict=True) if "image/svg+xml" not in d["data"]]
    return reply.text, drawn


def test_outputs_come_in_the_order_of_the_graph_made_or_reused_with_one_worker_or_four(kernel: Kernel) -> None:
    kernel.must("%load_ext dagbook")
    kernel.must(LOUD, "nodes")
    expected = (order(kernel, TEXT), ["text/html", "image/png", "text/plain"])
    for line in ("--jobs 4", "--jobs 4", "--jobs 1 --full", "--jobs 4 --full", "--jobs 1"):
        got = shown(kernel.must(f"%dag run end {line}", "run"))
        assert (got[0], sorted(got[1])) == (expected[0], sorted(expected[1])), line
    kernel.restart()
    kernel.must("%load_ext dagbook")
    kernel.must(LOUD, "nodes")
    got = shown(kernel.must("%dag run end", "run"))
    assert (got[0], sorted(got[1])) == (expected[0], sorted(expected[1]))
    assert kernel.executed() == []
    assert shown(kernel.must("%dag run slow", "run")) == ("slow 1\nslow error\nslow 2\n", ["text/plain"])


def order(kernel: Kernel, text: str) -> str:
    """``text`` with its lines in the order of the kernel's graph."""
    topology = kernel.value("dag._notebook.session.dag.topology().names")
    assert isinstance(topology, list)
    words = {"before": "drawn", "UserWarning:": "warned", "the": "end"}
    owner: Callable[[str], str] = lambda line: words.get(line.split()[0], line.split()[0])
    return "".join(sorted(text.splitlines(keepends=True), key=lambda line: topology.index(owner(line))))


def test_a_figure_is_replayed_as_the_same_picture_and_closed(kernel: Kernel) -> None:
    kernel.must("%load_ext dagbook\n%matplotlib inline")
    kernel.must(LOUD, "nodes")
    pictures = [
        [d["data"]["image/png"] for d in kernel.must("%dag run drawn").displays if "image/png" in d["data"]]
        for _ in range(2)
    ]
    assert len(pictures[0]) == 1
    assert pictures[0] == pictures[1]
    assert kernel.value("plt.get_fignums()") == []
    assert not kernel.must("1").displays[1:], "the inline mode shows it no second time"


def test_a_node_that_fails_shows_what_it_had_printed(kernel: Kernel) -> None:
    kernel.must("%load_ext dagbook")
    kernel.must("%%dag\ndef bad():\n    print('so far')\n    return 1 / 0\n", "nodes")
    reply = kernel.run("%dag run bad", "run")
    assert reply.text == "so far\n"
    assert reply.error is not None


def test_with_a_cell_id_the_picture_comes_before_the_run_and_is_updated_once_and_headless_it_comes_once_at_the_end(
    kernel: Kernel,
) -> None:
    kernel.must("%load_ext dagbook")
    kernel.must("%%dag\nimport time\n\ndef a():\n    time.sleep(0.3)\n    print('made')\n    return 1\n", "nodes")
    for cell_id, expected in (("run", ["picture", "made", "update"]), (None, ["made", "picture"])):
        seen: list[str] = []

        def note(message: dict[str, Any], seen: list[str] = seen) -> None:
            kind, content = message["msg_type"], message["content"]
            if kind == "stream" and content["text"].strip():
                seen.append(content["text"].strip())
            elif kind == "display_data" and "image/svg+xml" in content["data"]:
                seen.append("picture")
            elif kind == "update_display_data":
                seen.append("update")

        kernel.collect(kernel.send("%dag run --full", cell_id), on_message=note)
        assert sorted(seen) == sorted(expected), seen
        assert seen.index("picture") == (0 if cell_id else len(seen) - 1) or not cell_id


def headless(folder: Path, edit: Callable[[str], str] = str) -> list[list[dict[str, Any]]]:
    """The stored outputs of a notebook that is run as the command line runs it."""
    commands = ["%dag run slow quick", "%dag run end", "%dag show", "dag", "%dag show --text"]
    cells = ["%load_ext dagbook", edit(LOUD), *commands]
    notebook = new_notebook(cells=[new_code_cell(c, id=f"cell-{n}") for n, c in enumerate(cells)])
    resources = {"metadata": {"path": folder}}
    NotebookClient(notebook, store_widget_state=False, record_timing=False, resources=resources).execute()
    outputs = []
    for cell in notebook.cells:
        for output in cell.outputs:
            if "data" in output:
                output["data"].pop("application/vnd.jupyter.widget-view+json", None)
        outputs.append([dict(o) for o in cell.outputs])
    nbformat.validate(notebook)
    return outputs


VOLATILE = {
    "a duration": re.compile(r"\b\d+\.\d+\s?s\b"),
    "a path": re.compile(r"/tmp/|ipykernel_\d+"),
    "a run number": re.compile(r"\brun \d+\b"),
    "an address": re.compile(r"0x[0-9a-f]{6,}"),
    "an id": re.compile(r"[0-9a-f]{32}"),
}


def test_the_stored_outputs_of_a_cold_a_warm_and_a_partial_run_are_equal_and_hold_nothing_volatile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGBOOK_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("DAGBOOK_DIR", raising=False)
    cold = headless(tmp_path)
    assert headless(tmp_path) == cold, "warm"
    headless(tmp_path, lambda cell: cell.replace('print("quick 2")', 'print("quick 3")'))
    partial = headless(tmp_path, lambda cell: cell.replace("plt.plot([1, 2, 3])", "plt.plot([1, 2, 4])"))
    assert bundles(partial) == bundles(cold), "partial"
    for cell in cold:
        for output in cell:
            for key, value in (output.get("data") or {"text": output.get("text", "")}).items():
                for kind, pattern in VOLATILE.items():
                    assert key == "image/png" or not pattern.search(str(value)), (kind, key, str(value)[:300])


def bundles(cells: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The pictures of the graph."""
    return [o["data"] for cell in cells for o in cell if "image/svg+xml" in o.get("data", {})]
