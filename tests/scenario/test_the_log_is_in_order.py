"""The log tells what happened in order: causes come before effects, and time never goes back, even if a clock does."""

import random
import time

import pytest

from dagbook.engine.events import NO_NODE, Kind
from dagbook.engine.options import RunOptions
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session


class JumpyClock:
    """A clock that now and then is set back."""

    def __init__(self):
        self.random = random.Random(1)

    def monotonic(self):
        return time.monotonic() - self.random.choice([0, 0, 0, 5])

    def wall(self):
        return time.time() - self.random.choice([0, 0, 0, 5_000])


def wide():
    dag = DAG()
    dag.add_edges([(f"a{n}", f"b{n}") for n in range(15)] + [(f"b{n}", "end") for n in range(15)])
    return dag, {name: (lambda: None) for name in dag}


def check_order(run):
    ended = set()
    for seq, kind in enumerate(run.log.kind):
        i = run.log.node[seq]
        if i != NO_NODE and kind == Kind.NODE_STARTED:
            assert ended.issuperset(run.preds(i))
        if kind == Kind.NODE_RAN:
            ended.add(i)
    assert [run.log.kind[0], run.log.kind[-1]].count(Kind.RUN_FINISHED) == 1


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("heard", [False, True])
def test_of_a_plain_run(workers, heard):
    dag, tasks = wide()
    observers = [lambda run: lambda log, start, stop: None] if heard else []
    run = plain_run(dag, tasks, RunOptions(workers=workers), observers).wait()
    check_order(run)
    spans = [run.span(i) for i in range(len(run.names))]
    assert all(0 <= start <= end <= run.seconds for start, end in spans)
    assert all(spans[p][1] <= spans[i][0] for i in range(len(run.names)) for p in run.preds(i))
    if heard:
        assert list(run.log.time) == sorted(run.log.time)


@pytest.mark.parametrize("workers", [1, 4])
def test_of_a_kept_run_with_a_clock_that_jumps_back(workers):
    dag, tasks = wide()
    session = Session(dag)
    session._clock = JumpyClock()
    run = session.run(tasks=tasks, options=RunOptions(workers=workers))
    check_order(run)
    assert list(run.log.time) == sorted(run.log.time)
    assert run.log.time[0] >= 0
