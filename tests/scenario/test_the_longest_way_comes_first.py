"""Of the nodes that could start, the one at the head of the longest way starts; no level waits for another."""

import threading

import pytest

from dagbook.engine.options import RunOptions
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session


def begin(kind, dag, tasks, **options):
    if kind == "plain":
        return plain_run(dag, tasks, RunOptions(**options))
    return Session(dag).start(tasks=tasks, options=RunOptions(**options))


@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_costs_decide_which_of_the_ready_nodes_starts_first(kind):
    dag = DAG()
    dag.add_edges([("root", name) for name in ("a", "b", "c", "d")] + [("c", "long")])
    dag.add_node("first", resources={"lane": 1})
    ready, go = threading.Event(), threading.Event()
    tasks = {name: (lambda: None) for name in dag} | {"first": lambda: (ready.set(), go.wait(5)), "root": go.wait}
    costs = {"a": 1, "b": 3, "c": 0.5, "d": 2, "long": 10, "root": 1, "first": 100}
    run = begin(kind, dag, tasks, workers=2, costs=costs, resources={"lane": 1})
    assert ready.wait(5)
    go.set()
    run.wait()
    order = [name for name in run.executed if name in ("a", "b", "c", "d")]
    assert order.index("c") < order.index("a")
    assert order.index("b") < order.index("a")


@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_without_costs_the_longest_chain_goes_first(kind):
    dag = DAG()
    dag.add_nodes(["x", "y", "z"])
    dag.add_edges([(f"n{i}", f"n{i + 1}") for i in range(5)])
    run = begin(kind, dag, {name: (lambda: None) for name in dag}, workers=2).wait()
    assert run.executed[0] == "n0"


@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_a_branch_runs_to_its_end_while_a_node_of_another_branchs_first_level_still_runs(kind):
    dag, reached = DAG(), threading.Event()
    dag.add_edges([("slow", "after"), ("a", "b"), ("b", "c"), ("c", "d")])
    tasks = {name: (lambda: None) for name in dag}
    tasks |= {"slow": lambda: reached.wait(5), "d": reached.set}
    run = begin(kind, dag, tasks, workers=2).wait()
    assert run.value(run.index("slow")) is True


def test_nodes_behind_a_long_one_are_not_held_up_by_it():
    dag, left = DAG(), threading.Semaphore(0)
    dag.add_nodes([f"n{i}" for i in range(60)])
    tasks = dict.fromkeys(dag, left.release)
    tasks["n0"] = lambda: [left.acquire(timeout=5) for _ in range(59)]
    run = plain_run(dag, tasks, RunOptions(workers=2)).wait()
    assert run.value(0) == [True] * 59
