"""``dagbook run`` with words about which nodes, and how: as behind each ``%dag run`` of the notebook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dagbook.cli.main import status
from tests.kernel.test_cli_run import Program, cells, printed, run, write  # noqa: F401

GRAPH = """\
%%dag
import pathlib
from dagbook import node

def _did(name):
    with pathlib.Path("log").open("a") as log:
        log.write(name + " ")

@node(type="source")
def raw():
    _did("raw")
    return [3, 1, 2]

@node(type="step")
def clean(raw):
    _did("clean")
    return sorted(raw)

@node(type="model", tags="gpu")
def model(clean):
    _did("model")
    return sum(clean)
"""
BELOW = """\
%%dag
@node(type="step")
def report(model):
    _did("report")
    return f"sum {model}"
"""
READ = ("print(dag.report)", "print(dag.raw)")
SOURCES = ("%load_ext dagbook", GRAPH, "%dag run clean", BELOW, "%dag run report", *READ)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def note(write: Callable[..., Path]) -> Path:
    return write(*SOURCES)


def log(note: Path) -> list[str]:
    """What ran since the last time."""
    path = note.with_name("log")
    names = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return names


# ---- what is refused before anything runs


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--retry", "-1"], "--retry"),
        (["--retry", "some"], "--retry"),
        (["--workers", "0"], "--workers"),
        (["--types", ","], "--types names nothing"),
        (["--nodes", ""], "--nodes names nothing"),
        (["--dry-run", "--output", "out.ipynb"], "--dry-run writes nothing; leave --output out."),
        (["--dry-run", "--trace", "t.json"], "--dry-run writes nothing; leave --trace out."),
        (["--trace", "nowhere/t.json"], "no folder"),
        (["--quickly"], "No such option"),
    ],
)
def test_words_that_make_no_sense_end_with_code_3_and_nothing_runs(
    note: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["run", str(note), *words]) == 3
    assert said in capsys.readouterr().err
    assert not note.with_name(".dagbook").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nodes", "repotr"], "no node is called 'repotr'. Did you mean 'report'"),
        (["--types", "modle"], "no node is of type 'modle'. Did you mean 'model'? The types are model, source, step."),
        (["--exclude-tags", "cpu"], "no node is tagged 'cpu'. Did you mean 'gpu'? The tags are gpu."),
    ],
)
def test_a_name_that_no_node_has_ends_with_code_3_and_the_notebook_is_as_it_was(
    note: Path, run: Run, words: list[str], said: str
) -> None:
    before = note.read_bytes()
    code, _, err = run(note.name, *words)
    assert code == 3
    assert err.startswith(f"dagbook: {said}")
    assert note.read_bytes() == before


@pytest.mark.slow
def test_a_notebook_that_never_runs_its_graph_says_that_nothing_came_of_the_words(
    write: Callable[..., Path], run: Run
) -> None:
    path = write("%load_ext dagbook", GRAPH)
    code, _, err = run(path.name, "--full")
    assert code == 3
    assert "no cell runs the graph" in err


@pytest.mark.slow
def test_a_node_that_is_defined_after_the_last_run_is_told_of(write: Callable[..., Path], run: Run) -> None:
    path = write("%load_ext dagbook", GRAPH, "%dag run clean", BELOW)
    code, _, err = run(path.name, "--nodes", "report")
    assert code == 3
    assert "when the graph was last run, no node was called report." in err


# ---- what runs


@pytest.mark.slow
def test_a_dry_run_tells_the_plan_runs_no_node_and_leaves_the_notebook_as_it_is(note: Path, run: Run) -> None:
    before = note.read_bytes()
    code, out, err = run(note.name, "--dry-run")
    assert (code, err, log(note)) == (0, "", [])
    assert note.read_bytes() == before
    assert out.splitlines() == [
        "[1/7] %load_ext dagbook",
        "[2/7] def _did(name):",
        "[3/7] %dag run clean",
        "    raw    has never run",
        "    clean  has never run",
        "    2 may run, 0 current",
        "[4/7] def report(model):",
        "[5/7] %dag run report",
        "    model   has never run",
        "    report  has never run",
        "    current: raw, clean",
        "    2 may run, 2 current",
        "[6/7] print(dag.report)",
        "    passed over: report would have to run first, and in a dry run nothing does.",
        "[7/7] print(dag.raw)",
        "    passed over: raw would have to run first, and in a dry run nothing does.",
        "no node ran; note.ipynb is as it was",
    ]
    run(note.name)
    assert log(note) == ["raw", "clean", "model", "report"]
    ran = note.read_bytes()
    code, out, _ = run(note.name, "--dry-run", "--nodes", "model")
    assert (code, log(note), note.read_bytes()) == (0, [], ran)
    assert "    model  runs in any case" in out
    assert "passed over" not in out


@pytest.mark.slow
def test_an_error_in_a_dry_run_is_still_an_error(write: Callable[..., Path], run: Run) -> None:
    path = write("%load_ext dagbook", GRAPH, "%dag run clean", "1 / 0")
    code, _, err = run(path.name, "--dry-run")
    assert code == 1
    assert "cell 4 (1 / 0) failed, line 1: ZeroDivisionError" in err


@pytest.mark.slow
def test_full_and_nodes_run_what_they_select_once_though_several_cells_run_the_graph(note: Path, run: Run) -> None:
    run(note.name)
    once = note.read_bytes()
    log(note)
    assert run(note.name, "--full")[0] == 0
    assert log(note) == ["raw", "clean", "model", "report"]
    code, out, _ = run(note.name, "--nodes", "model")
    assert (code, log(note)) == (0, ["model", "report"])
    assert "nodes: 2 ran, 2 reused\n" in out
    code, out, _ = run(note.name, "--nodes", "step.report")
    assert (code, log(note)) == (0, ["report"])
    assert note.read_bytes() == once


@pytest.mark.slow
def test_what_is_left_out_is_skipped_with_its_reason_and_cells_that_want_it_passed_over(note: Path, run: Run) -> None:
    code, out, err = run(note.name, "--exclude-tags", "gpu")
    assert (code, err, log(note)) == (0, "", ["raw", "clean"])
    assert "    passed over: report was skipped: model was left out.\n[7/7] print(dag.raw)\n" in out
    assert out.splitlines()[-4:-1] == [
        "nodes: 2 skipped, 2 ran",
        "    skipped, it is tagged gpu, which is excluded: model",
        "    skipped, model was left out: report",
    ]
    assert printed(cells(note)[4]) == "report: skipped, because model was left out.\n"
    assert printed(cells(note)[6]) == "[3, 1, 2]\n"
    run(note.name)
    assert log(note) == ["model", "report"]
    assert run(note.name, "--types", "step,source", "--full")[0] == 0
    assert log(note) == ["raw", "clean", "report"]
    assert printed(cells(note)[5]) == "sum 6\n"


FAILING = """\
%%dag
import pathlib

def _count(name):
    with pathlib.Path("log").open("a") as log:
        log.write(name + " ")
    return pathlib.Path("log").read_text().split().count(name)

def flaky():
    if _count("flaky") < 3:
        raise OSError("not yet")
    return 1

def apart():
    _count("apart")
    return 2
"""


@pytest.mark.slow
def test_continue_on_error_goes_on_with_the_cells_below_and_ends_with_code_1(
    write: Callable[..., Path], run: Run
) -> None:
    path = write("%load_ext dagbook", FAILING, "%dag run", "print(dag.apart)", "1 / 0", "print('end')")
    code, out, err = run(path.name, "--continue-on-error")
    assert (code, sorted(log(path))) == (1, ["apart", "flaky"])
    assert printed(cells(path)[3]) == "2\n"
    assert printed(cells(path)[5]) == "end\n"
    assert re.findall(r"^dagbook: (.*?)[ :(]", err, re.M) == ["flaky", "cell"]
    assert "nodes: 1 failed, 1 ran\n" in out


@pytest.mark.slow
def test_retry_and_fail_fast_reach_the_runs(write: Callable[..., Path], run: Run) -> None:
    path = write("%load_ext dagbook", FAILING, "%dag run")
    assert run(path.name, "--fail-fast", "--workers", "1")[0] == 1
    assert log(path) == ["flaky"]
    code, _, err = run(path.name, "--retry", "2", "--workers", "1")
    assert (code, err, log(path)) == (0, "", ["flaky", "flaky", "flaky", "apart"])


@pytest.mark.slow
def test_the_trace_of_the_last_run_in_which_something_ran_is_written_and_told(note: Path, run: Run) -> None:
    code, out, _ = run(note.name, "--trace", "trace.json")
    assert code == 0
    assert out.count("critical path") == 2
    events = json.loads(note.with_name("trace.json").read_text())["traceEvents"]
    assert {e["name"] for e in events if e["ph"] == "X"} == {"model", "report"}
    assert b"critical path" not in note.read_bytes()


@pytest.mark.slow
def test_a_program_that_the_notebook_starts_is_asked_for_nothing(write: Callable[..., Path], run: Run) -> None:
    path = write("%load_ext dagbook", GRAPH, "%dag run", "import os\nprint('DAGBOOK_RUN' in os.environ)")
    assert run(path.name, "--full")[0] == 0
    assert printed(cells(path)[3]) == "False\n"
