"""With a backoff a node rests before it is tried again, twice as long each time; other nodes go on meanwhile."""

import threading

import pytest

from dagbook.engine.events import Kind
from dagbook.engine.options import RunOptions
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session

BACKOFF = 0.02


def begin(kind, dag, tasks, **options):
    if kind == "plain":
        return plain_run(dag, tasks, RunOptions(**options))
    return Session(dag).start(tasks=tasks, options=RunOptions(**options))


def failing():
    raise ValueError


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_each_rest_is_about_twice_as_long_as_the_one_before(kind, workers):
    dag = DAG()
    dag.add_node("a", retries=3, backoff=BACKOFF)
    run = begin(kind, dag, {"a": failing}, workers=workers).wait()
    starts = [e.time for e in run.log if e.kind is Kind.NODE_STARTED]
    ends = [e.time for e in run.log if e.kind is Kind.NODE_RETRIED]
    rests = [start - end for start, end in zip(starts[1:], ends)]
    assert len(rests) == 3
    for n, rest in enumerate(rests):
        assert BACKOFF * 2**n / 2 <= rest <= BACKOFF * 2**n + 0.1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_a_run_that_is_cancelled_does_not_wait_for_a_rest(kind, workers):
    dag, tried = DAG(), threading.Event()
    dag.add_node("a", retries=1, backoff=30)

    def a():
        tried.set()
        raise ValueError

    run = begin(kind, dag, {"a": a}, workers=workers)
    waiter = threading.Thread(target=run.wait)
    waiter.start()
    assert tried.wait(5)
    while "a" not in [e.node for e in run.log if e.kind is Kind.NODE_RETRIED]:
        threading.Event().wait(0.001)
    run.cancel()
    waiter.join(5)
    assert run.status == "cancelled"
    assert run.state(0).name == "CANCELLED"


def test_others_run_while_one_rests():
    dag = DAG()
    dag.add_node("a", retries=1, backoff=0.05)
    dag.add_edges([("b", "c")])
    run = plain_run(dag, {"a": failing, "b": int, "c": int}, RunOptions(workers=2)).wait()
    assert run.executed[-1] == "a"
    assert run.executed.count("a") == 2
