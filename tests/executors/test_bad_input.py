"""What cannot be executed is refused before anything runs, by an error that says what to do."""

from __future__ import annotations

import math

import pytest

from dagbook import DAG, DagbookError, DAGExecutor, DynamicExecutor, IncrementalExecutor, UsageError
from tests.executors.conftest import DIAMOND, graph

EXECUTORS = {
    "plain": lambda dag: DAGExecutor(dag),
    "dynamic": lambda dag: DynamicExecutor(dag, {}),
    "incremental": lambda dag: IncrementalExecutor(dag),
}


@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tasks: tasks.pop("c"), "no task for 'c'"),
        (lambda tasks: tasks.update(bb=len), r"no node is called 'bb'.*Did you mean 'b'|no node is called 'bb'"),
        (lambda tasks: tasks.update(b="b"), "'b'"),
        (lambda tasks: tasks.update(b=None), "'b'"),
        (lambda tasks: tasks.update({3: len}), "3"),
        (lambda tasks: tasks.update(b=lambda x: x), "'x'"),
        (lambda tasks: tasks.update(b=lambda c: c), "'c'"),
    ],
    ids=["missing", "unknown", "text", "none", "no name", "parameter of no node", "parameter of no upstream node"],
)
def test_tasks_that_do_not_fit(account, executor, change, said):
    dag = graph(*DIAMOND)
    tasks = account.tasks(dag)
    change(tasks)
    with pytest.raises(DagbookError, match=said):
        executor(dag).execute(tasks)
    assert account.ran == []


@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
@pytest.mark.parametrize("wrong", [[len], "abcd", 3], ids=["list", "text", "number"])
def test_tasks_that_are_no_dict(executor, wrong):
    with pytest.raises(UsageError, match="tasks"):
        executor(graph(*DIAMOND)).execute(wrong)


def test_a_graph_without_functions_needs_tasks():
    with pytest.raises(DagbookError, match=r"'a'|task"):
        DAGExecutor(graph("a")).execute(None)


def test_a_graph_with_functions_needs_none():
    from dagbook.graph.node import Node

    def load():
        return [1, 2]

    def total(load):
        return sum(load)

    dag = DAG()
    dag.define([Node.of(load), Node.of(total)])
    assert DAGExecutor(dag).execute(None)["total"].result == 3


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "4", True])
def test_workers(wrong):
    with pytest.raises(UsageError, match="workers"):
        DAGExecutor(graph("a"), max_workers=wrong)


@pytest.mark.parametrize("wrong", [0, -1.0, math.nan, math.inf, "4", True])
def test_timeouts(account, wrong):
    dag = graph("a")
    with pytest.raises(UsageError, match="timeout"):
        DAGExecutor(dag).execute(account.tasks(dag), timeout=wrong)
    assert account.ran == []


@pytest.mark.parametrize("wrong", [{"a": -1}, {"a": "much"}, {"a": math.nan}, [("a", 1)]])
def test_costs(wrong):
    with pytest.raises(UsageError, match="cost"):
        DAGExecutor(graph("a"), costs=wrong)


def test_costs_are_hints_so_other_names_are_ignored(account):
    dag = graph("a")
    assert DAGExecutor(dag, costs={"b": 3.0}).execute(account.tasks(dag)).succeeded == 1


@pytest.mark.parametrize("wrong", [True, "event", 3])
def test_a_cancel_event_that_is_none(account, wrong):
    dag = graph("a")
    with pytest.raises(UsageError, match="cancel_event"):
        DAGExecutor(dag).execute(account.tasks(dag), cancel_event=wrong)
    assert account.ran == []


@pytest.mark.parametrize("executor", [DAGExecutor, IncrementalExecutor, lambda dag: DynamicExecutor(dag, {})])
def test_a_graph_that_is_none(executor):
    with pytest.raises(UsageError, match=r"takes a dagbook.DAG, not a dict"):
        executor({"a": []})
    with pytest.raises(UsageError, match=r"Call its build\(\) first"):
        executor(DAG.builder())


def test_a_resource_request_above_the_capacity_is_no_matter_of_a_face(account):
    dag = DAG.builder().add_node("a", resources={"gpu": 2}).build()
    with pytest.raises(DagbookError, match="gpu"):
        DAGExecutor(dag).execute(account.tasks(dag))
    assert account.ran == []
