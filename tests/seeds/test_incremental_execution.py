"""The samples on incremental execution, as they are written, and what is said beside them.

The tasks of the page are constants. Cutoff goes by values, so a constant that runs again spares everything below it.
"""

from __future__ import annotations

import sys

import pytest

import dagbook as dagron
from dagbook import ExecutionResult, IncrementalResult, NodeStatus
from dagbook.errors import DagbookError
from tests.seeds.conftest import REQUIRED, assert_takes, statuses

NAMES = ["source_a", "source_b", "transform", "aggregate", "report"]


@pytest.fixture
def dag():
    return (
        dagron.DAG.builder()
        .add_edge("source_a", "transform")
        .add_edge("source_b", "transform")
        .add_edge("transform", "aggregate")
        .add_edge("aggregate", "report")
        .build()
    )


@pytest.fixture
def tasks():
    return {
        "source_a": lambda: [1, 2, 3],
        "source_b": lambda: [4, 5, 6],
        "transform": lambda: [1, 2, 3, 4, 5, 6],
        "aggregate": lambda: {"sum": 21, "count": 6},
        "report": lambda: "Report: 6 items, sum=21",
    }


@pytest.fixture
def executor(dag, tasks):
    """An executor that has run everything once."""
    executor = dagron.IncrementalExecutor(dag)
    executor.execute(tasks)
    return executor


# -- the page, from its top


def test_the_first_run_executes_everything(printed):
    dag = (
        dagron.DAG.builder()
        .add_edge("source_a", "transform")
        .add_edge("source_b", "transform")
        .add_edge("transform", "aggregate")
        .add_edge("aggregate", "report")
        .build()
    )

    tasks = {
        "source_a": lambda: [1, 2, 3],
        "source_b": lambda: [4, 5, 6],
        "transform": lambda: [1, 2, 3, 4, 5, 6],
        "aggregate": lambda: {"sum": 21, "count": 6},
        "report": lambda: "Report: 6 items, sum=21",
    }

    executor = dagron.IncrementalExecutor(dag)

    result = executor.execute(tasks)
    print(result.recomputed)
    print(result.reused)
    print(result.early_cutoff)

    assert printed() == ["['source_a', 'source_b', 'transform', 'aggregate', 'report']", "[]", "[]"]


def test_a_changed_source_runs_what_it_changes(executor, tasks, printed):
    """The page says that aggregate and report run too; transform is a constant, so it is equal and cuts them off."""
    tasks["source_a"] = lambda: [10, 20, 30]

    result = executor.execute(tasks, changed_nodes=["source_a"])
    print(result.recomputed)
    print(result.reused)
    print(result.early_cutoff)

    assert printed() == ["['source_a', 'transform']", "['source_b', 'aggregate', 'report']", "['transform']"]


def test_a_changed_node_whose_value_is_equal_cuts_off_its_own_children(executor, tasks, printed):
    """The page says that transform runs; the value of source_a is what it was, so nothing that transform needs changed.

    This is the sample beside the first run.
    """
    tasks["source_a"] = lambda: [1, 2, 3]
    tasks["transform"] = lambda: [1, 2, 3, 4, 5, 6]
    result = executor.execute(tasks, changed_nodes=["source_a"])
    print(result.recomputed)
    print(result.early_cutoff)
    print(result.reused)

    assert printed() == ["['source_a']", "['source_a']", "['source_b', 'transform', 'aggregate', 'report']"]


def test_early_cutoff_spares_what_is_below_an_equal_value(executor, tasks, printed):
    """The sample in the page's order, after another source_a: the lists are those of the page."""
    tasks["source_a"] = lambda: [10, 20, 30]
    executor.execute(tasks, changed_nodes=["source_a"])

    tasks["source_a"] = lambda: [1, 2, 3]
    tasks["transform"] = lambda: [1, 2, 3, 4, 5, 6]
    result = executor.execute(tasks, changed_nodes=["source_a"])
    print(result.recomputed)
    print(result.early_cutoff)
    print(result.reused)

    assert printed() == ["['source_a', 'transform']", "['transform']", "['source_b', 'aggregate', 'report']"]


def test_values_that_differ_are_recomputed_as_far_as_they_differ(dag):
    """The lists of the page's two samples, by tasks that use what they need."""
    tasks = {
        "source_a": lambda: [1, 2, 3],
        "source_b": lambda: [4, 5, 6],
        "transform": lambda source_a, source_b: sorted(source_a + source_b),
        "aggregate": lambda transform: {"sum": sum(transform), "count": len(transform)},
        "report": lambda aggregate: f"Report: {aggregate['count']} items, sum={aggregate['sum']}",
    }
    executor = dagron.IncrementalExecutor(dag)
    assert executor.execute(tasks).node_results["report"].result == "Report: 6 items, sum=21"

    tasks["source_a"] = lambda: [10, 20, 30]
    result = executor.execute(tasks, changed_nodes=["source_a"])
    assert result.recomputed == ["source_a", "transform", "aggregate", "report"]
    assert result.reused == ["source_b"]
    assert result.early_cutoff == []
    assert result.node_results["report"].result == "Report: 6 items, sum=75"

    tasks["source_a"] = lambda: [30, 20, 10]
    result = executor.execute(tasks, changed_nodes=["source_a"])
    assert result.recomputed == ["source_a", "transform"]
    assert result.early_cutoff == ["transform"]
    assert result.reused == ["source_b", "aggregate", "report"]
    assert result.node_results["report"].result == "Report: 6 items, sum=75"


def test_the_constructor_takes_what_is_documented(dag):
    assert_takes(dagron.IncrementalExecutor, {
        "dag": REQUIRED,
        "callbacks": None,
        "fail_fast": True,
        "enable_tracing": False,
    })
    assert_takes(dagron.IncrementalExecutor.execute, {"tasks": REQUIRED, "changed_nodes": None})
    dagron.IncrementalExecutor(
        dag,
        callbacks=None,
        fail_fast=True,
        enable_tracing=False,
    )


def test_an_incremental_result_is_an_execution_result_with_three_lists(executor, tasks, printed):
    assert issubclass(IncrementalResult, ExecutionResult)
    result = executor.execute(tasks, changed_nodes=["source_a"])

    print(result.succeeded)
    print(result.total_duration_seconds)
    for name, nr in result.node_results.items():
        print(f"{name}: {nr.status}")

    print(f"Recomputed: {result.recomputed}")
    print(f"Early cutoff: {result.early_cutoff}")
    print(f"Reused: {result.reused}")

    assert isinstance(result, IncrementalResult)
    lines = printed()
    assert lines[0] == "5"
    assert [line.partition(":")[0] for line in lines[2:7]] == NAMES
    assert lines[7:] == [
        "Recomputed: ['source_a']",
        "Early cutoff: ['source_a']",
        "Reused: ['source_b', 'transform', 'aggregate', 'report']",
    ]


def test_a_reused_node_has_succeeded_with_the_value_that_it_had(executor, tasks):
    result = executor.execute(tasks)
    assert statuses(result) == dict.fromkeys(NAMES, "COMPLETED")
    assert (result.succeeded, result.skipped) == (5, 0)
    assert result.node_results["source_b"].result == [4, 5, 6]
    assert result.node_results["source_b"].reason
    assert {name: nr.result for name, nr in result.node_results.items()} == {n: f() for n, f in tasks.items()}


# -- what changed


def test_nothing_runs_when_nothing_changed(executor, tasks):
    result = executor.execute(tasks)
    assert (result.recomputed, result.early_cutoff, result.reused) == ([], [], NAMES)


def test_changed_code_is_found_without_being_declared(executor, tasks):
    tasks["source_b"] = lambda: [7]
    result = executor.execute(tasks)
    assert result.recomputed == ["source_b", "transform"]
    assert result.node_results["source_b"].result == [7]


def test_declared_nodes_come_on_top_of_changed_code(executor, tasks):
    tasks["source_b"] = lambda: [7]
    result = executor.execute(tasks, changed_nodes=["source_a"])
    assert result.recomputed == ["source_a", "source_b", "transform"]


def test_a_declared_node_runs_though_its_code_is_the_same(dag, tasks, ledger):
    def source_a():
        ledger = sys.modules["ledger"]
        return ledger.facts["rows"]

    def transform(source_a, source_b):
        return source_a + source_b

    ledger.facts["rows"] = [1]
    tasks |= {"source_a": source_a, "transform": transform}
    executor = dagron.IncrementalExecutor(dag)
    executor.execute(tasks)
    ledger.facts["rows"] = [2]
    result = executor.execute(tasks, changed_nodes=["source_a"])
    assert result.recomputed[:2] == ["source_a", "transform"]
    assert result.node_results["transform"].result == [2, 4, 5, 6]


def test_an_unknown_changed_node_is_refused(executor, tasks):
    with pytest.raises(DagbookError, match="'source_x'"):
        executor.execute(tasks, changed_nodes=["source_x"])


def test_the_dirty_set_is_everything_below(dag, printed):
    dirty = dag.dirty_set(
        changed=["source_a"],
    )
    print(dirty)

    assert printed() == ["['source_a', 'transform', 'aggregate', 'report']"]


def test_provenance_says_why_a_node_is_dirty(dag, printed):
    provenance = dag.change_provenance(changed=["source_a"])
    for node, reason in provenance.items():
        print(f"{node}: dirty because of {reason}")

    assert printed() == [
        "source_a: dirty because of direct change",
        "transform: dirty because of ancestor source_a",
        "aggregate: dirty because of ancestor source_a",
        "report: dirty because of ancestor source_a",
    ]


# -- callbacks


class IncrementalLogger:
    def on_node_start(self, name):
        print(f" [RUN] {name}")

    def on_node_complete(self, name, result):
        print(f" [DONE] {name}")

    def on_node_skip(self, name):
        print(f" [REUSE] {name}")


def test_callbacks_hear_of_runs_and_of_reuse(dag, tasks, printed):
    executor = dagron.IncrementalExecutor(dag, callbacks=IncrementalLogger())
    result = executor.execute(tasks, changed_nodes=["source_a"])

    assert result.recomputed == NAMES, "a new executor knows no values"
    assert sorted(printed()) == sorted([f" [{word}] {name}" for name in NAMES for word in ("RUN", "DONE")])

    executor.execute(tasks, changed_nodes=["source_a"])
    lines = printed()
    assert [line for line in lines if "REUSE" not in line] == [" [RUN] source_a", " [DONE] source_a"]
    assert sorted(line.split()[1] for line in lines if "REUSE" in line) == sorted(NAMES[1:])


# -- failures


def test_a_failure_skips_what_needs_it(executor, tasks, printed):
    tasks["transform"] = lambda: (_ for _ in ()).throw(ValueError("bad data"))

    result = executor.execute(tasks, changed_nodes=["source_a"])
    print(result.failed)
    print(result.skipped)

    assert printed() == ["1", "2"]
    assert statuses(result) == {
        "source_a": "COMPLETED",
        "source_b": "COMPLETED",
        "transform": "FAILED",
        "aggregate": "SKIPPED",
        "report": "SKIPPED",
    }
    assert result.reused == ["source_b"]
    assert isinstance(result.node_results["transform"].error, ValueError)
    assert str(result.node_results["transform"].error) == "bad data"


def test_a_failed_node_runs_again_the_next_time(dag, tasks, ledger):
    def transform():
        ledger = sys.modules["ledger"]
        if ledger.facts["broken"]:
            raise ValueError("bad data")
        return "good data"

    tasks["transform"] = transform
    executor = dagron.IncrementalExecutor(dag)
    ledger.facts["broken"] = True
    assert executor.execute(tasks).failed == 1
    ledger.facts["broken"] = False
    result = executor.execute(tasks)
    assert result.recomputed == ["transform", "aggregate", "report"]
    assert result.reused == ["source_a", "source_b"]
    assert result.node_results["transform"].status == NodeStatus.COMPLETED


# -- the real-world example


def test_incremental_training(short_naps, printed):
    """feature_eng is a constant, so it is equal and training is spared: the rule, where the page prints no lists."""
    dag = (
        dagron.DAG.builder()
        .add_edge("load_data", "feature_eng")
        .add_edge("feature_eng", "train")
        .add_edge("train", "evaluate")
        .add_edge("evaluate", "report")
        .build()
    )

    def load_data():
        return {"rows": 10000, "checksum": "abc123"}

    def feature_eng():
        return {"features": 50, "checksum": "def456"}

    def train():
        import time
        time.sleep(2)
        return {"model": "xgb_v1", "accuracy": 0.95}

    def evaluate():
        return {"accuracy": 0.95, "f1": 0.93}

    def report():
        return "Model accuracy: 95%"

    tasks = {
        "load_data": load_data,
        "feature_eng": feature_eng,
        "train": train,
        "evaluate": evaluate,
        "report": report,
    }

    executor = dagron.IncrementalExecutor(dag, enable_tracing=True)

    result = executor.execute(tasks)
    print(f"First run: {result.total_duration_seconds:.1f}s, recomputed={len(result.recomputed)}")

    tasks["load_data"] = lambda: {"rows": 10001, "checksum": "abc124"}

    result = executor.execute(tasks, changed_nodes=["load_data"])
    print(f"Second run: {result.total_duration_seconds:.1f}s, recomputed={len(result.recomputed)}")
    print(f"Reused: {result.reused}")

    lines = printed()
    assert lines[0].endswith("recomputed=5")
    assert lines[1].endswith("recomputed=2")
    assert lines[2] == "Reused: ['train', 'evaluate', 'report']"
    assert result.recomputed == ["load_data", "feature_eng"]
    assert result.node_results["load_data"].result == {"rows": 10001, "checksum": "abc124"}
    assert result.node_results["report"].result == "Model accuracy: 95%"


def test_a_trace_tells_runs_from_reuse(dag, tasks, printed):
    executor = dagron.IncrementalExecutor(dag, enable_tracing=True)
    result = executor.execute(tasks, changed_nodes=["source_a"])

    if result.trace:
        print(result.trace.summary())

    assert "source_a" in "\n".join(printed())
    second = executor.execute(tasks)
    assert second.recomputed == []
    assert second.trace, "a run in which everything was reused has a trace too"
