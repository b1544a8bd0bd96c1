"""A timeout is kept to 40 ms, for the whole run and for one node, on any number of workers; late results are lost."""

import threading
import time

import pytest

from dagbook.engine.options import RunOptions
from dagbook.engine.states import State
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session


def begin(kind, dag, tasks, **options):
    """A run of either kind."""
    if kind == "plain":
        return plain_run(dag, tasks, RunOptions(**options))
    return Session(dag).start(tasks=tasks, options=RunOptions(**options))


def states(run):
    return {name: run.state(i).name for i, name in enumerate(run.names)}


@pytest.fixture
def held():
    """Nodes wait for it for at most three seconds; it is set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_the_run_returns_on_time_and_names_what_it_left_behind(held, kind, workers):
    dag = DAG()
    dag.add_edges([("quick", "slow"), ("slow", "below")])
    late = threading.Event()

    def slow():
        try:
            held.wait(3)
            return "late"
        finally:
            late.set()

    run = begin(kind, dag, {"quick": lambda: 1, "slow": slow, "below": lambda: 3}, workers=workers, timeout=0.2)
    began = time.monotonic()
    run.wait()
    assert 0.15 < time.monotonic() - began < 0.24
    assert run.status == "timed out"
    assert states(run) == {"quick": "RAN", "slow": "TIMED_OUT", "below": "SKIPPED"}
    assert run.left_behind == ["slow"]
    assert run.reason(run.index("below")) == "the run took longer than 0.2 s"
    events = len(run.log)
    held.set()
    assert late.wait(3)
    assert len(run.log) == events
    assert run.state(1) is State.TIMED_OUT


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_a_node_is_given_up_on_time_and_the_rest_goes_on(held, kind, workers):
    dag = DAG()
    dag.add_node("slow", timeout=0.1)
    dag.add_edges([("slow", "below")])
    dag.add_nodes([f"other{i}" for i in range(5)])
    tasks = {name: (lambda: 1) for name in dag} | {"slow": lambda: held.wait(3)}
    began = time.monotonic()
    run = begin(kind, dag, tasks, workers=workers).wait()
    assert 0.1 <= time.monotonic() - began < 0.14
    assert states(run) == dict.fromkeys(dag, "RAN") | {"slow": "TIMED_OUT", "below": "SKIPPED"}
    assert run.left_behind == ["slow"]


@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_all_that_run_when_the_time_is_over_are_left_behind(held, kind):
    dag = DAG()
    dag.add_nodes(list("abcdef"))
    run = begin(kind, dag, {name: lambda: held.wait(3) for name in dag}, workers=4, timeout=0.1).wait()
    assert sorted(states(run).values()) == ["SKIPPED"] * 2 + ["TIMED_OUT"] * 4
    assert len(run.left_behind) == 4


@pytest.mark.parametrize("workers", [1, 4])
def test_a_cancelled_run_does_not_outlive_its_time(held, workers):
    dag = DAG()
    dag.add_edges([("a", "b")])
    entered = threading.Event()
    run = begin("plain", dag, {"a": lambda: (entered.set(), held.wait(3)), "b": int}, workers=workers, timeout=0.1)
    assert entered.wait(3)
    run.cancel()
    assert states(run.wait()) == {"a": "TIMED_OUT", "b": "CANCELLED"}


def test_a_node_that_timed_out_is_not_tried_again(held):
    dag = DAG()
    dag.add_node("a", timeout=0.02, retries=3)
    run = begin("plain", dag, {"a": lambda: held.wait(3)}).wait()
    assert run.executed == ["a"]
