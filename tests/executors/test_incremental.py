"""An incremental execution runs what a change can have affected, and stops where a value is equal."""

from __future__ import annotations

import gc
import threading

import pytest

from dagbook import DagbookError, IncrementalExecutor, NodeNotFoundError, UsageError
from tests.executors.conftest import graph, statuses


def chain_of_ten(middle=None):
    """A graph of ten in a row and two beside it; the first reads a box that no key sees."""
    box = {"level": 0}
    tasks = {"n0": _reader(box)}
    for i in range(1, 10):
        tasks[f"n{i}"] = _adder(i, middle if i == 1 else None)
    tasks |= {"x": lambda: "x", "y": lambda x: x * 2}
    return box, graph(">".join(f"n{i}" for i in range(10)), "x>y"), tasks


def _reader(box):
    import sys

    sys.modules["box_of_the_test"] = (
        box  # read by import: what a task imports by a computed name has no part in its key
    )

    def n0():
        import sys

        return sys.modules["box_of_" + "the_test"]["level"]

    return n0


def _adder(i, middle):
    space = {}
    body = f"n{i - 1} + 1" if middle is None else f"n{i - 1} {middle}"
    exec(f"def n{i}(n{i - 1}): return {body}", space)
    return space[f"n{i}"]


CHAIN = [f"n{i}" for i in range(10)]


@pytest.mark.parametrize("again", [True, False], ids=["tasks given again", "the tasks of the last time"])
@pytest.mark.parametrize(
    ("level", "middle", "count"), [(5, None, 10), (6, "// 100", 2), (0, None, 1)], ids=["10", "2", "1"]
)
def test_of_ten_affected_nodes_as_many_run_as_have_a_changed_input(level, middle, count, again):
    box, dag, tasks = chain_of_ten(middle)
    executor = IncrementalExecutor(dag)
    executor.execute(tasks)
    box["level"] = level
    result = executor.execute(tasks if again else None, changed_nodes=["n0"])
    assert result.recomputed == CHAIN[:count]
    assert result.early_cutoff == ([] if count == 10 else [CHAIN[count - 1]])
    assert result.reused == [*CHAIN[count:], "x", "y"]
    assert (result.succeeded, len(result.node_results)) == (12, 12)
    assert result["n9"].result == executor.execute(tasks)["n9"].result


def test_without_tasks_nothing_runs_when_nothing_is_declared():
    _, dag, tasks = chain_of_ten()
    executor = IncrementalExecutor(dag)
    executor.execute(tasks)
    result = executor.execute(None)
    assert (result.recomputed, result.succeeded) == ([], 12)
    assert result["n9"].result == 9
    assert set(statuses(result).values()) == {"COMPLETED"}


def test_without_tasks_only_what_is_declared_is_looked_at():
    level = [1]
    dag = graph("a>b", "c")
    tasks = {"a": lambda: level[0], "b": lambda a: a + 1, "c": lambda: "c"}
    executor = IncrementalExecutor(dag)
    executor.execute(tasks)
    level[0] = 2
    assert executor.execute(None, ["c"]).recomputed == ["c"]
    assert executor.execute(tasks).recomputed == ["a", "b"]


def test_an_equal_value_that_nothing_needs_cuts_nothing_off():
    _, dag, tasks = chain_of_ten()
    executor = IncrementalExecutor(dag)
    executor.execute(tasks)
    for given in (tasks, None):
        result = executor.execute(given, ["n9", "y"])
        assert (result.recomputed, result.early_cutoff) == (["n9", "y"], [])


def test_many_changes_one_after_another_equal_a_clean_run():
    box, dag, tasks = chain_of_ten()
    executor = IncrementalExecutor(dag)
    executor.execute(tasks)
    for level in (3, 3, 8, 0, 8):
        box["level"] = level
        values = {n: r.result for n, r in executor.execute(None, ["n0"]).node_results.items()}
        assert values == {n: r.result for n, r in IncrementalExecutor(dag).execute(tasks).node_results.items()}


def test_a_failed_node_and_what_it_skipped_run_the_next_time_also_without_tasks(account):
    box, dag, tasks = chain_of_ten("* (1 // (99 - n0))")
    executor = IncrementalExecutor(dag)
    executor.execute(tasks)
    box["level"] = 99
    result = executor.execute(None, ["n0"])
    assert (result.failed, result.skipped) == (1, 8)
    box["level"] = 98
    again = executor.execute(None, ["n0"])
    assert again.recomputed == CHAIN
    assert again["n9"].result == 106
    assert isinstance(result["n1"].error, ZeroDivisionError), "an older result still says what it said"


def test_a_node_that_failed_runs_again_though_nothing_is_declared(account):
    box, dag, tasks = chain_of_ten("* (1 // (99 - n0))")
    box["level"] = 99
    executor = IncrementalExecutor(dag, fail_fast=False)
    assert executor.execute(tasks).failed == 1
    assert executor.execute(None).recomputed == ["n1"]


def test_the_graph_may_be_edited_between_two_executions(account):
    dag = graph("a>b")
    executor = IncrementalExecutor(dag)
    tasks = {"a": lambda: 1, "b": lambda a: a + 1}
    executor.execute(tasks)
    dag.add_edge("b", "c")
    tasks["c"] = lambda b: b + 1
    result = executor.execute(tasks)
    assert (result.recomputed, result.reused, result["c"].result) == (["c"], ["a", "b"], 3)


def test_an_edge_without_a_parameter_counts_too(account):
    """What runs after a node may read what the node has written."""
    dag = graph("write>read")
    executor = IncrementalExecutor(dag)
    written = ["one", "two"]
    tasks = {"write": lambda: written.pop(), "read": lambda: "read"}
    executor.execute(tasks)
    result = executor.execute(tasks, ["write"])
    assert result.recomputed == ["write", "read"]


def test_values_are_never_compared_with_equals(account):
    class Hostile:
        def __init__(self, n):
            self.n = n

        def __eq__(self, other):
            raise AssertionError("compared")

        __hash__ = None

    dag = graph("a>b")
    executor = IncrementalExecutor(dag)
    tasks = {"a": lambda: Hostile(1), "b": lambda a: a.n}
    executor.execute(tasks)
    assert executor.execute(tasks, ["a"])["b"].result == 1


def test_names_and_tasks_that_do_not_fit_are_refused_before_anything_runs(account):
    dag = graph("a>b")
    executor = IncrementalExecutor(dag)
    tasks = account.tasks(dag)
    with pytest.raises(NodeNotFoundError, match="'c'"):
        executor.execute(tasks, changed_nodes=["c"])
    with pytest.raises(UsageError, match="list of names"):
        executor.execute(tasks, changed_nodes="a")
    with pytest.raises(UsageError, match="'b'"):
        executor.execute({"a": tasks["a"]})
    with pytest.raises(UsageError, match="'c'"):
        executor.execute(tasks | {"c": len})
    with pytest.raises(UsageError, match="'b'"):
        executor.execute(tasks | {"b": 3})
    with pytest.raises(DagbookError):
        executor.execute(None)
    assert account.ran == []
    executor.execute(tasks)
    with pytest.raises(NodeNotFoundError, match="'c'"):
        executor.execute(None, changed_nodes=["c"])


def test_executors_that_are_gone_leave_no_threads():
    _, dag, tasks = chain_of_ten()
    IncrementalExecutor(dag).execute(tasks)
    before = threading.active_count()
    for _ in range(20):
        IncrementalExecutor(dag).execute(tasks)
    gc.collect()
    assert threading.active_count() <= before + 4
