"""Large graphs run without recursion, and a run takes less than a kilobyte a node beyond the graph and the values."""

import tracemalloc

import pytest

from dagbook.engine.options import RunOptions
from dagbook.graph.compose import Growth, NewNode
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session

pytestmark = pytest.mark.slow


def nothing():
    return None


def memory_of(act):
    """What ``act`` returns, and the most bytes that were taken meanwhile."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = act()
        return result, tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("workers", [1, 4])
def test_a_chain_of_100_000_nodes(workers):
    size = 100_000
    dag = DAG()
    dag.add_edges([(f"n{i}", f"n{i + 1}") for i in range(size - 1)])
    tasks = dict.fromkeys(dag, nothing)
    dag.topology()
    run, taken = memory_of(lambda: plain_run(dag, tasks, RunOptions(workers=workers)).wait())
    assert run.status == "done"
    assert len(run.executed) == size
    assert taken / size < 1_000


@pytest.mark.parametrize("workers", [1, 4])
def test_a_chain_of_100_000_nodes_whose_first_fails_or_is_cancelled(workers):
    dag = DAG()
    dag.add_edges([(f"n{i}", f"n{i + 1}") for i in range(99_999)])
    tasks = dict.fromkeys(dag, nothing) | {"n0": lambda: 1 / 0}
    run = plain_run(dag, tasks, RunOptions(workers=workers)).wait()
    assert run.state(99_999).name == "SKIPPED"
    run = plain_run(dag, tasks | {"n0": lambda: run.cancel()}, RunOptions(workers=workers))
    run.cancel()
    run.wait()
    assert run.state(99_999).name in ("CANCELLED", "RAN", "SKIPPED")


@pytest.mark.parametrize("workers", [1, 4])
def test_a_fan_in_of_10_000(workers):
    dag = DAG()
    dag.add_edges([(f"n{i}", "all") for i in range(10_000)])
    tasks = dict.fromkeys(dag, nothing)
    run, taken = memory_of(lambda: plain_run(dag, tasks, RunOptions(workers=workers)).wait())
    assert run.executed[-1] == "all"
    assert taken / 10_000 < 1_000


@pytest.mark.parametrize("workers", [1, 4])
def test_an_expansion_into_10_000_nodes(workers):
    dag = DAG()
    dag.add_edges([("a", "all")])
    new = tuple(NewNode(f"n{i}", nothing, ("a",), ("all",)) for i in range(10_000))
    options = RunOptions(workers=workers, expanders={"a": lambda value: Growth(new)})
    tasks = {"a": nothing, "all": nothing}
    run, taken = memory_of(lambda: plain_run(dag, tasks, options, accept=lambda growth: None).wait())
    assert run.status == "done"
    assert run.executed[-1] == "all"
    assert taken / 10_000 < 1_000


def test_a_kept_chain_of_5_000_nodes():
    dag = DAG()
    dag.add_edges([(f"n{i}", f"n{i + 1}") for i in range(4_999)])
    session = Session(dag, workers=2)
    run = session.run(tasks=dict.fromkeys(dag, nothing))
    assert len(run.executed) == 5_000
    assert session.run(tasks=dict.fromkeys(dag, nothing)).executed == []
