"""``%dag run`` with words about which nodes, and how: what runs is told by a log that the nodes write themselves."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.test_commands import completions

pytestmark = pytest.mark.slow

GRAPH = """\
%%dag
import pathlib
from dagbook import node

def _did(name):
    with pathlib.Path("log").open("a") as log:
        log.write(name + " ")

@node(type="source", tags=["slow"])
def raw(start):
    _did("raw")
    return [start, 1, 2]

@node(type="step")
def clean(raw):
    _did("clean")
    return sorted(raw)

@node(type="model", tags=["slow", "gpu"])
def model(clean):
    _did("model")
    return sum(clean)

@node(type="step")
def report(model):
    _did("report")
    return model + 1

@node(type="step")
def side(clean):
    _did("side")
    return len(clean)
"""
ALL = ["raw", "clean", "model", "report", "side"]

_starts = iter(range(100, 10_000))


class Desk:
    """A kernel, and the log that the nodes write."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def renew(self) -> None:
        """Nothing has run: the source gets a value that it never had."""
        self.kernel.must("if len(dag): dag.drop(*dag)")
        self.kernel.must(f"%dag set start={next(_starts)}")
        self.kernel.must(GRAPH, "graph")

    def log(self) -> list[str]:
        """What ran since the last time, in order."""
        log = self.kernel.folder / "log"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names

    def ran(self, line: str) -> list[str]:
        """What a line runs."""
        self.log()
        self.kernel.must(line, "line")
        return self.log()


@pytest.fixture
def desk(shared: Kernel) -> Desk:
    desk = Desk(shared)
    desk.renew()
    desk.log()
    return desk


def status(desk: Desk) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in desk.kernel.must("%dag status").text.splitlines())


def test_a_dry_run_tells_the_plan_and_runs_nothing(desk: Desk) -> None:
    for line in ("%dag run --dry-run", "%dag plan", "%dag run --full --dry-run", "dag.run(dry_run=True)", "dag.plan()"):
        text = desk.kernel.must(line, "line").text
        assert [name for name in ALL if name not in text] == [], line
        assert text.endswith("5 may run, 0 current\n"), line
        assert desk.log() == []
    assert set(status(desk).values()) == {"never run"}
    assert sorted(desk.ran("%dag run")) == sorted(ALL)
    assert desk.kernel.must("%dag run --dry-run").text == "nothing to run: 5 current\n"
    text = desk.kernel.must("%dag plan --nodes model").text
    assert "model   runs in any case" in text
    assert text.endswith("current: raw, clean\n2 may run, 2 current\n")
    assert desk.log() == []


def test_full_runs_what_is_asked_for_and_all_that_it_needs(desk: Desk) -> None:
    desk.ran("%dag run")
    assert desk.ran("%dag run") == []
    assert sorted(desk.ran("%dag run --full")) == sorted(ALL)
    assert desk.ran("%dag run model --full") == ["raw", "clean", "model"]
    assert desk.ran("dag.run('model', full=True)") == ["raw", "clean", "model"]


def test_nodes_run_with_all_below_them_and_what_they_lack_first(desk: Desk) -> None:
    assert desk.ran("%dag run --nodes model") == ["raw", "clean", "model", "report"]
    assert sorted(desk.ran("%dag run --nodes model.model,side")) == ["model", "report", "side"]
    assert desk.ran("dag.run(nodes=['report'])") == ["report"]
    assert desk.ran("%dag run raw --nodes report") == ["report"]


def test_excluded_tags_are_left_out_with_what_needs_them_and_said_to_be_skipped(desk: Desk) -> None:
    assert sorted(desk.ran("%dag run --exclude-tags gpu")) == ["clean", "raw", "side"]
    stands = status(desk)
    assert (stands["model"], stands["report"], stands["side"]) == ("skipped", "skipped", "current")
    why = desk.kernel.must("%dag why model report").text
    assert why == (
        "model: skipped, because it is tagged gpu, which is excluded.\nreport: skipped, because model was left out.\n"
    )
    reply = desk.kernel.must("%dag run report --exclude-tags gpu", "line")
    assert reply.text == "report: skipped, because model was left out.\n"
    assert desk.ran("%dag run") == ["model", "report"]


def test_a_stored_value_serves_for_a_node_that_is_left_out(desk: Desk) -> None:
    desk.ran("%dag run")
    assert sorted(desk.ran("%dag run --full --exclude-tags gpu")) == ["clean", "raw", "report", "side"]
    assert desk.ran("%dag run --types model --full") == ["model"]
    assert sorted(desk.ran("%dag run --nodes clean --types step")) == ["clean", "report", "side"]
    assert set(status(desk).values()) == {"current"}


def test_types_leave_out_the_others_and_nothing_runs_without_what_it_needs(desk: Desk) -> None:
    assert desk.ran("%dag run --types step,model") == []
    assert desk.kernel.must("%dag why clean").text == "clean: skipped, because raw was left out.\n"
    assert desk.ran("%dag run --types source,model") == ["raw"]
    assert desk.ran("dag.run(types='source,step')") == ["clean", "side"]
    assert desk.ran("dag.run(types=['model'])") == ["model"]


FLAKY = """\
%%dag
import pathlib
from dagbook import node

def _count(name):
    with pathlib.Path("log").open("a") as log:
        log.write(name + " ")
    return pathlib.Path("log").read_text().split().count(name)

def flaky(start):
    if _count("flaky") < 3:
        raise OSError("not yet")
    return start

def after(flaky):
    _count("after")
    return flaky

def apart(start):
    _count("apart")
    return start
"""


@pytest.fixture
def flaky(desk: Desk) -> Desk:
    desk.kernel.must("dag.drop(*dag)")
    desk.kernel.must(f"%dag set start={next(_starts)}")
    desk.kernel.must(FLAKY, "graph")
    return desk


def test_retry_n_is_n_and_one_attempts(flaky: Desk) -> None:
    flaky.kernel.refused("%dag run after --retry 1", "line")
    assert flaky.log() == ["flaky", "flaky"]
    flaky.kernel.must("%dag run after --retry 2", "line")
    assert flaky.log() == ["flaky", "flaky", "flaky", "after"]


@pytest.mark.parametrize(("words", "apart"), [("", True), ("--continue-on-error", True), ("--fail-fast", False)])
def test_after_a_failure_what_does_not_need_it_goes_on_unless_it_is_to_fail_fast(
    flaky: Desk, words: str, apart: bool
) -> None:
    said = flaky.kernel.refused(f"%dag run --workers 1 {words}", "line")
    assert flaky.log() == (["flaky", "apart"] if apart else ["flaky"])
    assert "OSError: not yet" in said
    assert "1 below it skipped: after." in said
    assert ("1 not below it skipped." in said) is not apart


def test_a_failure_does_not_count_what_was_left_out_as_skipped_below_it(desk: Desk) -> None:
    desk.kernel.must(GRAPH.replace('_did("side")', "1 / 0"), "graph")
    said = desk.kernel.refused("%dag run --exclude-tags gpu", "line")
    assert "side failed (cell" in said
    assert "ZeroDivisionError: division by zero. 2 not below it skipped." in said


def test_a_run_that_takes_longer_than_its_timeout_ends_in_time_and_says_so(desk: Desk) -> None:
    desk.kernel.must(GRAPH.replace('_did("model")', "__import__('time').sleep(20)"), "graph")
    said = desk.kernel.refused("%dag run --timeout 0.3", "line")
    assert "model failed (cell" in said
    assert "the run took longer than 0.3 s" in said


def test_words_are_completed_with_the_names_that_there_are(desk: Desk) -> None:
    kernel = desk.kernel
    assert completions(kernel, "%dag run --ex") == ["--exclude-tags"]
    assert completions(kernel, "%dag plan --") == [
        "--exclude-tags", "--force", "--full", "--help", "--nodes", "--types",
    ]  # fmt: skip
    assert completions(kernel, "%dag run --types ") == ["model", "source", "step"]
    assert completions(kernel, "%dag run --types s") == ["source", "step"]
    assert completions(kernel, "%dag run --types model,s") == ["model,source", "model,step"]
    assert completions(kernel, "%dag run --types=s") == ["--types=source", "--types=step"]
    assert completions(kernel, "%dag run --exclude-tags slow,") == ["slow,gpu", "slow,slow"]
    assert completions(kernel, "%dag run --nodes cl") == ["clean"]
    assert "--retry" in kernel.must("%dag run?").text


def test_the_trace_of_the_last_run_is_told_and_written_for_perfetto(desk: Desk) -> None:
    desk.ran("%dag run")
    text = desk.kernel.must("%dag trace trace.json").text
    assert "critical path" in text
    assert "5: 5 ran" in text
    events = json.loads((desk.kernel.folder / "trace.json").read_text())["traceEvents"]
    assert {e["name"] for e in events if e["ph"] == "X"} >= set(ALL)
    assert "critical path" in desk.kernel.must("dag.trace()").text
    assert "could not be written to nowhere/x: No such file" in desk.kernel.refused("%dag trace nowhere/x")


def test_before_any_run_there_is_no_trace(kernel: Kernel) -> None:
    kernel.must("%load_ext dagbook")
    assert "no run has begun yet. `%dag run` begins one." in kernel.refused("%dag trace")


NEEDY = """\
%%dag
import time
from dagbook import node

def parts(start):
    return [start, 1, 2]

@node(each={"part": "parts"}, resources={"gpu": 1}, tags="gpu")
def trained(part):
    began = time.monotonic()
    time.sleep(0.1)
    return began, time.monotonic()

@node(resources={"gpu": 2}, tags="big")
def merged(trained):
    return len(trained)
"""


def test_nodes_share_what_there_is_and_more_is_refused_before_anything_runs(desk: Desk) -> None:
    kernel = desk.kernel
    kernel.must("dag.drop(*dag)")
    kernel.must(NEEDY, "graph")
    said = kernel.refused("%dag run", "line")
    assert "trained asks for 1 of 'gpu', and nothing is known of it. `%dag resources gpu=1`" in said
    assert not kernel.run("%dag run", "line").displays
    kernel.must("%dag resources gpu=1 ram=16")
    assert kernel.must("%dag resources").text == "gpu 1, ram 16\n"
    said = kernel.refused("%dag run", "line")
    assert "merged asks for 2 of 'gpu', and there is 1. `%dag resources gpu=2`" in said
    assert set(status(desk).values()) == {"never run"}
    kernel.must("%dag run --exclude-tags big --workers 3", "line")
    spans = sorted(kernel.value("[list(span) for span in dag.trained]"))  # type: ignore[call-overload]
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    kernel.must("dag.resources(gpu=2)")
    kernel.must("%dag run merged", "line")
    assert kernel.value("dag.merged") == 3
    kernel.must("%dag resources gpu=0 ram=0")
    kernel.must("%dag run", "line")
    assert "there is 0" in kernel.refused("%dag run --full", "line")
