"""Nodes that need the same resource never take more of it together than there is."""

import threading

import pytest

from dagbook.engine.options import RunOptions
from dagbook.errors import UsageError
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session


class Meter:
    """How much of a resource is in use, and how much was at most."""

    def __init__(self):
        self.now, self.most, self.lock = 0, 0, threading.Lock()

    def use(self, amount):
        with self.lock:
            self.now += amount
            self.most = max(self.most, self.now)
        threading.Event().wait(0.001)
        with self.lock:
            self.now -= amount


def begin(kind, dag, tasks, **options):
    if kind == "plain":
        return plain_run(dag, tasks, RunOptions(**options))
    return Session(dag).start(tasks=tasks, options=RunOptions(**options))


@pytest.mark.parametrize("kind", ["plain", "kept"])
@pytest.mark.parametrize(("amount", "capacity"), [(1, 1), (1, 2), (2, 3), (0.5, 1)])
def test_no_more_is_in_use_than_there_is(kind, amount, capacity):
    dag, meter = DAG(), Meter()
    for n in range(12):
        dag.add_node(f"n{n}", resources={"gpu": amount}, retries=n % 2)
    failing = {"n3", "n5"}

    def task(name):
        def run():
            meter.use(amount)
            if name in failing:
                failing.discard(name)
                raise ValueError(name)

        return run

    run = begin(kind, dag, {name: task(name) for name in dag}, workers=4, resources={"gpu": capacity}).wait()
    assert run.status == "done"
    assert meter.most <= capacity


def test_what_waits_for_a_resource_holds_up_nobody_else():
    dag, released = DAG(), threading.Event()
    for name in ("first", "second"):
        dag.add_node(name, resources={"gpu": 1})
    dag.add_nodes(["other"])
    tasks = {"first": lambda: released.wait(5), "second": lambda: released.wait(5), "other": released.set}
    assert plain_run(dag, tasks, RunOptions(workers=2, resources={"gpu": 1})).wait().status == "done"


@pytest.mark.parametrize("kind", ["plain", "kept"])
@pytest.mark.parametrize("resources", [{}, {"gpu": 1}, {"cpu": 8}])
def test_a_node_that_asks_for_more_than_there_is_is_refused_before_anything_runs(kind, resources):
    dag, called = DAG(), []
    dag.add_node("big", resources={"gpu": 2})
    dag.add_nodes(["other"])
    with pytest.raises(UsageError, match=r"'big' asks for 2 of 'gpu'"):
        begin(kind, dag, {name: lambda: called.append(1) for name in dag}, workers=2, resources=resources)
    assert called == []


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), "1", True])
def test_a_capacity_that_makes_no_sense_is_refused(amount):
    with pytest.raises(UsageError, match="capacity"):
        RunOptions(resources={"gpu": amount})
