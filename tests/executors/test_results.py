"""A result is a view on the run: nothing is made before it is read, and it says the same each time."""

from __future__ import annotations

import pytest

import dagbook
from dagbook import DAGExecutor, NodeNotFoundError, NodeStatus
from tests.executors.conftest import DIAMOND, failing, graph


def test_counting_makes_no_result_of_a_node(account):
    dag = graph(*DIAMOND)
    result = DAGExecutor(dag).execute(account.tasks(dag))
    counts = (result.succeeded, result.failed, result.skipped, result.timed_out, result.cancelled)
    assert counts == (4, 0, 0, 0, 0)
    assert len(result.node_results) == 4
    assert not result.node_results._made


def test_the_results_are_in_topological_order(account):
    dag = graph("d>c>b>a")
    assert list(DAGExecutor(dag).execute(account.tasks(dag)).node_results) == ["d", "c", "b", "a"]


def test_a_node_of_another_graph_is_an_error_that_shows_names_like_it(account):
    dag = graph("load>clean")
    result = DAGExecutor(dag).execute(account.tasks(dag))
    with pytest.raises(NodeNotFoundError, match="Did you mean 'load'"):
        result["laod"]
    assert "laod" not in result.node_results
    assert result.node_results.get("laod") is None


def test_a_result_says_what_came_of_the_run(account):
    dag = graph(*DIAMOND)
    text = repr(DAGExecutor(dag, fail_fast=False).execute(account.tasks(dag, b=failing)))
    assert text.startswith("<ExecutionResult: 2 succeeded, 1 failed, 1 skipped in 0.")


def test_the_reason_is_with_the_node(account):
    dag = graph("a>b>c")
    result = DAGExecutor(dag).execute(account.tasks(dag, a=failing))
    assert result["b"].reason == "a failed"
    assert result["c"].status is NodeStatus.SKIPPED
    assert result["c"].result is None


def test_a_value_may_be_anything(account):
    dag = graph("none", "error", "lambda")
    error = ValueError("returned, not raised")
    tasks = {"none": lambda: None, "error": lambda: error, "lambda": lambda: len}
    result = DAGExecutor(dag).execute(tasks)
    assert [node.result for node in result.node_results.values()] == [None, error, len]
    assert result.succeeded == 3


def test_a_task_takes_the_values_of_the_nodes_above_by_their_names(account):
    dag = graph("a>c", "b>c", "c>d")
    result = DAGExecutor(dag).execute(
        {"a": lambda: 1, "b": lambda: 2, "c": lambda b, a: (a, b), "d": lambda c, unit="m": (c, unit)}
    )
    assert result["c"].result == (1, 2)
    assert result["d"].result == ((1, 2), "m")


def test_the_trace_is_there_when_it_was_asked_for(account):
    dag = graph(*DIAMOND)
    assert DAGExecutor(dag).execute(account.tasks(dag)).trace is None
    result = DAGExecutor(dag, enable_tracing=True).execute(account.tasks(dag))
    assert result.trace is result.trace
    assert "critical path" in result.trace.summary().lower()
    slices = [e["name"] for e in result.trace.to_chrome_trace()["traceEvents"] if e["ph"] == "X"]
    assert sorted(slices) == ["a", "b", "c", "d"]


def test_an_empty_graph_runs(account):
    result = DAGExecutor(dagbook.DAG()).execute({})
    assert (result.succeeded, dict(result.node_results)) == (0, {})
