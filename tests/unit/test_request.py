"""What a run is asked to do: words become a choice of nodes, what makes no sense is refused, and plans are told."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from dagbook.engine.options import RunOptions
from dagbook.engine.plan import Asked
from dagbook.errors import DagbookError, NodeNotFoundError, UsageError
from dagbook.graph.node import Node, NodeOptions
from dagbook.notebook.caller import ANSWER, VARIABLE, Caller, Standing
from dagbook.notebook.details import Details
from dagbook.notebook.picture import SKIPPED
from dagbook.notebook.request import NOTHING, Request, check_resources, choose, listed, request_of
from dagbook.notebook.texts import plan_text
from dagbook.notebook.view import View
from dagbook.observe.trace import Trace
from dagbook.session import Session


def raw():
    return [3, 1, 2]


def clean(raw):
    return sorted(raw)


def model(clean):
    return sum(clean)


def report(model, clean):
    return f"{model} of {clean}"


OPTIONS = {
    "raw": NodeOptions.of(type="source", tags=["slow"]),
    "clean": NodeOptions.of(type="step"),
    "model": NodeOptions.of(type="model", tags=["slow", "gpu"], resources={"gpu": 1}),
    "report": NodeOptions.of(type="step"),
}


@pytest.fixture
def session():
    session = Session(workers=1)
    session.dag.define([Node.of(fn, options=OPTIONS[fn.__name__]) for fn in (raw, clean, model, report)])
    return session


@pytest.fixture
def topology(session):
    return session.dag.topology()


# ---- names


@pytest.mark.parametrize(
    ("given", "names"),
    [("a", ("a",)), ("a,b", ("a", "b")), (" a , b,", ("a", "b")), (["a", "b,a"], ("a", "b")), (None, None)],
)
def test_names_come_as_a_text_or_a_list_and_each_counts_once(given, names):
    assert listed("types=", given) == names


@pytest.mark.parametrize("given", ["", ",", [], [","]])
def test_a_list_of_names_without_a_name_is_refused(given):
    with pytest.raises(UsageError, match="names nothing"):
        listed("types=", given)


@pytest.mark.parametrize("given", [3, ["a", 3], True])
def test_what_is_no_name_is_refused(given):
    with pytest.raises(UsageError, match="types= takes names"):
        listed("types=", given)


def test_continue_on_error_and_fail_fast_are_opposites():
    assert request_of(continue_on_error=True).fail_fast is False
    assert request_of(fail_fast=True).fail_fast is True
    assert request_of().fail_fast is None
    with pytest.raises(UsageError, match="opposites"):
        request_of(continue_on_error=True, fail_fast=True)


# ---- what a request comes to


def test_without_words_everything_is_brought_up_to_date_and_nothing_is_forced(topology):
    choice = choose(topology, NOTHING)
    assert (choice.targets, choice.force, dict(choice.left_out)) == ((), (), {})


def test_nodes_are_forced_with_all_below_them(topology):
    choice = choose(topology, Request(nodes=("clean",)))
    assert choice.targets == choice.force == ("clean", "model", "report")


def test_nodes_and_targets_are_both_brought_up_to_date_and_only_nodes_are_forced(topology):
    choice = choose(topology, Request(targets=("raw",), nodes=("model",)))
    assert choice.targets == ("raw", "model", "report")
    assert choice.force == ("model", "report")


def test_full_forces_everything_but_what_is_left_out(topology):
    choice = choose(topology, Request(full=True, exclude_tags=("gpu",)))
    assert choice.force == ("raw", "clean", "report")
    assert dict(choice.left_out) == {"model": "it is tagged gpu, which is excluded"}


def test_types_leave_out_every_other_type_with_the_reason(topology):
    left_out = choose(topology, Request(types=("step", "source"))).left_out
    assert dict(left_out) == {"model": "it is of type model, and only source, step was asked for"}


def test_a_name_may_be_written_with_its_type(topology):
    assert choose(topology, Request(targets=("model.model",), force=("step.clean",))).force == ("clean",)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"nodes": ("modle",)}, "no node is called 'modle'. Did you mean 'model'"),
        ({"targets": ("repotr",)}, "no node is called 'repotr'. Did you mean 'report'"),
        ({"force": ("nothing",)}, "no node is called 'nothing'."),
        ({"types": ("stp",)}, "no node is of type 'stp'. Did you mean 'step'? The types are model, source, step."),
        ({"types": ("model", "zzz")}, "no node is of type 'zzz'. The types are model, source, step."),
        ({"exclude_tags": ("slwo",)}, "no node is tagged 'slwo'. Did you mean 'slow'? The tags are gpu, slow."),
        ({"force": ("model",), "exclude_tags": ("gpu",)}, "model is to be forced and left out: it is tagged gpu"),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_those_that_are(topology, words, says):
    with pytest.raises((UsageError, NodeNotFoundError)) as refused:
        choose(topology, Request(**words))
    assert says in str(refused.value)


def test_a_graph_without_types_and_tags_says_how_a_node_gets_one():
    session = Session(workers=1)
    session.dag.define([Node.of(raw)])
    with pytest.raises(UsageError, match=r'No node has a type. `@node\(type="…"\)` gives it one.'):
        choose(session.dag.topology(), Request(types=("model",)))


def test_a_node_that_asks_for_more_than_there_is_is_refused_unless_it_is_left_out_or_current(session):
    plan = session.plan()
    with pytest.raises(UsageError, match="model asks for 1 of 'gpu', and nothing is known of it"):
        check_resources(plan, {}, {})
    with pytest.raises(UsageError, match=r"and there is 0\.5"):
        check_resources(plan, {}, {"gpu": 0.5})
    check_resources(plan, {}, {"gpu": 1})
    check_resources(plan, {"model": "tagged"}, {})
    run = session.run(options=RunOptions(workers=1), asked=Asked(leave_out={"model": "it is tagged gpu"}))
    assert run.executed == ["raw", "clean"]
    session.run(options=RunOptions(workers=1, resources={"gpu": 1}))
    check_resources(session.plan(), {}, {})


def test_what_a_shell_says_of_how_a_run_goes_counts_more_than_what_a_cell_says():
    cell = Request(fail_fast=True, retry=1, workers=2, timeout=5.0)
    assert cell.options(NOTHING, {"gpu": 1}) == RunOptions(2, True, 5.0, resources={"gpu": 1}, retries=1)
    shell = Request(fail_fast=False, retry=3, workers=4)
    assert cell.options(shell, {}) == RunOptions(4, False, 5.0, retries=3)
    for bad in (Request(retry=-1), Request(workers=0), Request(timeout=0)):
        with pytest.raises(UsageError):
            bad.options(NOTHING, {})


# ---- what a shell asks of each run


@pytest.fixture
def answers():
    return []


def called(answers, standing):
    return Caller(standing, lambda bundle: answers.append(tuple(bundle[ANSWER].values())))


def test_what_a_shell_asks_for_reaches_the_kernel_and_nobody_else(monkeypatch):
    asked = Standing(Request(full=True, types=("a", "b"), retry=2, fail_fast=False), 3, "/tmp/trace.json")
    monkeypatch.setenv(VARIABLE, asked.packed())
    assert Standing.taken() == asked
    assert VARIABLE not in os.environ
    assert Standing.taken() is None


@pytest.mark.parametrize("text", ["x", "[]", "{}", '{"request": 3}', json.dumps({"request": {"unknown": 1}})])
def test_a_variable_that_nobody_of_ours_has_written_is_refused(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError, match="is set by `dagbook run` alone"):
        Standing.taken()


def test_without_a_shell_nothing_is_asked_for_and_nothing_answered(topology, answers):
    caller, choice = called(answers, None), choose(topology, Request(targets=("model",)))
    caller.answer("run", "")
    assert caller.joined(choice, topology) is choice
    assert not caller.dry
    assert not caller.selective
    assert answers == []


def test_a_cell_and_a_shell_are_both_heard_and_what_the_shell_forces_runs_once(topology, answers):
    caller = called(answers, Standing(Request(nodes=("model",), exclude_tags=("gpu",)), 0))
    own = choose(topology, Request(targets=("clean",), force=("raw",)))
    joined = caller.joined(own, topology)
    assert joined.targets == ("clean", "report")
    assert joined.force == ("raw", "report")
    assert list(joined.left_out) == ["model"]
    caller.settled.add("report")
    assert caller.joined(own, topology).force == ("raw",)
    assert caller.joined(choose(topology, NOTHING), topology).targets == ("report",)


def test_what_is_asked_for_by_name_is_not_left_out_because_nothing_else_is_selected(topology, answers):
    nothing = Request(nodes=("report",), types=("model",))
    assert list(choose(topology, nothing).left_out) == ["raw", "clean", "model", "report"]
    own = choose(topology, Request(targets=("model",)))
    joined = called(answers, Standing(nothing, 0)).joined(own, topology)
    assert joined.targets == ("model",)
    assert "model" not in joined.left_out


def test_names_that_are_not_known_yet_wait_for_the_cells_that_are_still_to_come(topology, answers):
    caller = called(answers, Standing(Request(nodes=("model", "later"), types=("later",), exclude_tags=("gpu",)), 2))
    caller.defined = 1
    assert list(caller.joined(choose(topology, NOTHING), topology).left_out) == ["raw", "clean", "model", "report"]
    assert answers == [("run", "later")]
    caller.defined = 2
    with pytest.raises(DagbookError):
        caller.joined(choose(topology, NOTHING), topology)
    kind, text = answers[-1]
    assert kind == "refused"
    assert "'later'" in text


def test_the_trace_that_a_shell_asked_for_is_of_the_last_run_in_which_something_ran(session, answers, tmp_path):
    path = tmp_path / "trace.json"
    caller = called(answers, Standing(replace(NOTHING), 0, str(path)))
    for ran in (True, False):
        run = session.run(options=RunOptions(workers=1, resources={"gpu": 1}))
        caller.write(Trace(run.log, run.preds, "dag"), bool(run.executed))
        assert bool(run.executed) is ran
    assert {e["name"] for e in json.loads(path.read_text())["traceEvents"] if e["ph"] == "X"} >= {"raw", "report"}
    assert [kind for kind, _ in answers] == ["trace"]
    called(answers, Standing(NOTHING, 0, str(tmp_path / "no" / "x"))).write(Trace(run.log, run.preds, "dag"), True)
    assert "could not be written" in answers[-1][1]


# ---- a plan, told


def told(session, left_out=(), force=(), seconds=None, workers=1, before=()):
    plan = session.plan(force=force)
    return plan_text(plan, lambda name: None, dict(left_out), (seconds or {}).get, workers, before).splitlines()


def test_a_plan_tells_what_would_run_what_is_left_out_and_what_is_left_out_with_it(session):
    assert told(session, {"model": "it is tagged gpu"}) == [
        "raw     has never run",
        "clean   has never run",
        "model   left out: it is tagged gpu",
        "report  left out with model, which it needs",
        "2 may run, 0 current, 2 left out",
    ]


def test_a_plan_tells_what_is_current_and_what_runs_in_any_case(session):
    session.run("clean", options=RunOptions(workers=1))
    assert told(session, force=["clean"]) == [
        "clean   runs in any case",
        "model   has never run",
        "report  has never run",
        "current: raw",
        "3 may run, 1 current",
    ]


def test_a_node_that_is_left_out_below_a_change_keeps_its_value_when_it_still_fits(session):
    session.run(options=RunOptions(workers=1, resources={"gpu": 1}))
    lines = told(session, {"model": "it is tagged gpu"}, force=["raw"])
    assert "model   left out, unless its stored value still fits: it is tagged gpu" in lines
    run = session.run(force=["raw"], asked=Asked(leave_out={"model": "it is tagged gpu"}))
    assert run.executed == ["raw"]
    assert session.value("report") == "6 of [1, 2, 3]"


@pytest.mark.parametrize(
    ("seconds", "workers", "said"),
    [
        ({"raw": 10, "clean": 20, "model": 30, "report": 1}, 8, "; about 1:01"),
        ({"raw": 10, "clean": 20}, 1, "; about 30.0 s, without 2 of unknown length"),
        ({"raw": 0.01}, 1, ""),
        ({}, 1, ""),
    ],
)
def test_a_plan_tells_about_how_long_it_takes(session, seconds, workers, said):
    assert told(session, seconds=seconds, workers=workers)[-1] == f"4 may run, 0 current{said}"


def test_work_beside_each_other_is_shared_by_the_workers():
    session = Session(workers=1)
    session.dag.define([Node.of((lambda n: lambda: n)(n), f"n{n}") for n in range(4)])
    seconds = {f"n{n}": 10 for n in range(4)}
    for workers, said in ((1, "40.0 s"), (2, "20.0 s"), (8, "10.0 s")):
        assert told(session, seconds=seconds, workers=workers)[-1].endswith(f"about {said}")


def test_what_was_told_before_is_passed_over(session):
    assert told(session, before={"raw", "clean"})[:2] == ["model   has never run", "report  has never run"]


# ---- how it looks


def test_the_picture_and_the_trace_show_what_was_left_out_as_skipped_with_the_reason(session):
    view = View(session)
    reason = "it is tagged gpu, which is excluded"
    run = session.run(asked=Asked(leave_out={"model": reason}))
    view.finish()
    picture = view.picture
    index = picture.index
    assert [picture.status[index[name]] == SKIPPED for name in ("clean", "model", "report")] == [False, True, True]
    assert picture.nodes[index["model"]]["note"] == reason
    detail = Details(picture).of(index["model"])
    assert (detail["head"], detail["why"]) == ("Why it did not run", "It is tagged gpu, which is excluded.")
    assert Details(picture).of(index["report"])["why"] == "model was left out."
    trace = Trace(run.log, run.preds, "dag")
    assert trace.counts == {"ran": 2, "skipped": 2}
    events = [e for e in trace.to_chrome_trace()["traceEvents"] if e.get("args", {}).get("reason")]
    assert {e["args"]["reason"] for e in events} == {reason, "model was left out"}
