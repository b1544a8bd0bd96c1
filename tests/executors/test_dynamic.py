"""A graph that grows while it runs: all of a modification is made or nothing; what is made runs once, in parallel."""

from __future__ import annotations

import threading

import pytest

from dagbook import (
    CycleError,
    DagbookError,
    DuplicateNodeError,
    DynamicExecutor,
    DynamicModification,
    DynamicNodeSpec,
    ExecutionCallbacks,
    NodeNotFoundError,
    UsageError,
)
from tests.executors.conftest import failing, graph, statuses


def adding(*specs, remove=()):
    return lambda value: DynamicModification(list(specs), list(remove))


def spec(name, task=lambda: None, needs=("split",), needed_by=("join",)):
    return DynamicNodeSpec(name, task, list(needs), list(needed_by))


def test_values_reach_the_children_and_the_join(account):
    dag = graph("split>join")
    children = [spec(f"part_{i}", lambda split, i=i: split[i] * 10) for i in range(3)]
    result = DynamicExecutor(dag, {"split": adding(*children)}).execute({"split": lambda: [1, 2, 3], "join": lambda: 0})
    assert [result[f"part_{i}"].result for i in range(3)] == [10, 20, 30]
    assert list(result.node_results) == ["split", "join", "part_0", "part_1", "part_2"]


def test_children_run_in_parallel(account):
    meeting = threading.Barrier(4, timeout=10)
    dag = graph("split>join")
    children = [spec(f"part_{i}", meeting.wait) for i in range(4)]
    result = DynamicExecutor(dag, {"split": adding(*children)}, max_workers=4).execute(account.tasks(dag))
    assert result.succeeded == 6
    assert account.ran == ["split", "join"]


def test_an_expansion_of_expansions(account):
    dag = graph("n0")
    steps = 300

    def expand(name, value):
        n = int(name[1:]) + 1
        above = DynamicNodeSpec(f"n{n}", lambda n=n: n, [name])
        return DynamicModification([above]) if n <= steps else None

    result = DynamicExecutor(dag, {f"n{i}": expand for i in range(steps + 1)}).execute({"n0": lambda: 0})
    assert result.succeeded == steps + 1
    assert result[f"n{steps}"].result == steps
    assert dag.node_count() == steps + 1


def test_thousands_of_children(account):
    dag = graph("split>join")
    children = [spec(f"part_{i}", lambda i=i: i) for i in range(5000)]
    result = DynamicExecutor(dag, {"split": adding(*children)}).execute(account.tasks(dag))
    assert result.succeeded == 5002


def test_the_next_execution_takes_back_what_the_last_one_did(account):
    dag = graph("split>join", "split>obsolete>below")
    dag_before = sorted(dag), sorted(dag.predecessors("below")), dag.edge_count()
    executor = DynamicExecutor(dag, {"split": adding(spec("part"), remove=["obsolete"])})
    for _ in range(3):
        result = executor.execute(account.tasks(["split", "join", "obsolete", "below"]))
        assert set(account.taken()) == {"split", "join", "below"}
        assert result["part"].status.name == "COMPLETED"
        assert "obsolete" not in dag
        assert "part" in dag
    executor._take_back()
    assert (sorted(dag), sorted(dag.predecessors("below")), dag.edge_count()) == dag_before


def test_what_the_owner_removed_meanwhile_stays_removed(account):
    dag = graph("split>join")
    executor = DynamicExecutor(dag, {"split": adding(spec("part"))})
    executor.execute(account.tasks(dag))
    dag.remove_node("part")
    assert executor.execute(account.tasks(dag)).succeeded == 3


def test_a_refused_modification_leaves_the_graph_and_what_ran(account):
    dag = graph("first>split>join")
    expanders = {"first": adding(spec("fine", needs=["first"])), "split": adding(spec("good"), spec("join"))}
    with pytest.raises(DuplicateNodeError, match="'join'") as caught:
        DynamicExecutor(dag, expanders, max_workers=1).execute(account.tasks(dag))
    assert sorted(dag) == ["fine", "first", "join", "split"], "the first expansion stands, of the second nothing"
    result = caught.value.result
    assert result["first"].result == "first"
    assert result["split"].result == "split"
    assert "good" not in result.node_results
    assert result["join"].status.name in ("SKIPPED", "CANCELLED")
    assert "join" not in account.ran


@pytest.mark.parametrize(
    ("error", "modification"),
    [
        (CycleError, lambda: DynamicModification([spec("a", needs=["b"]), spec("b", needs=["a"])])),
        (NodeNotFoundError, lambda: DynamicModification([spec("a", needs=["nowhere"])])),
        (NodeNotFoundError, lambda: DynamicModification(remove_nodes=["nowhere"])),
        (DagbookError, lambda: DynamicModification(remove_nodes=["split"])),
        (UsageError, lambda: [spec("a")]),
        (UsageError, lambda: DynamicModification([("a", len)])),
        (UsageError, lambda: DynamicModification([spec("a", task=3)])),
        (UsageError, lambda: DynamicModification([DynamicNodeSpec("a", len, "split")])),
        (UsageError, lambda: DynamicModification(remove_nodes="join")),
        (DagbookError, lambda: DynamicModification([spec("a", lambda unknown: 1)])),
    ],
    ids=range(10),
)
def test_what_cannot_be_made_is_raised_and_changes_nothing(account, error, modification):
    dag = graph("split>join")
    with pytest.raises(error) as caught:
        DynamicExecutor(dag, {"split": lambda value: modification()}).execute(account.tasks(dag))
    assert (sorted(dag), dag.edge_count()) == (["join", "split"], 1)
    assert caught.value.result["split"].result == "split"


def test_an_expander_that_raises_fails_its_node(account):
    dag = graph("split>join", "other")
    result = DynamicExecutor(dag, {"split": lambda value: value.nothing}, fail_fast=False).execute(account.tasks(dag))
    assert statuses(result) == {"split": "FAILED", "join": "SKIPPED", "other": "COMPLETED"}
    assert isinstance(result["split"].error, AttributeError)


def test_what_needs_a_child_that_failed_is_skipped(account):
    dag = graph("split>join")
    expander = adding(spec("bad", failing), spec("good"))
    result = DynamicExecutor(dag, {"split": expander}, fail_fast=False).execute(account.tasks(dag))
    assert statuses(result) == {"split": "COMPLETED", "join": "SKIPPED", "bad": "FAILED", "good": "COMPLETED"}


def test_an_expander_may_take_name_and_value_or_the_value_alone(account):
    heard = []

    class Expander:
        def __call__(self, name, value):
            heard.append((name, value))

    dag = graph("a", "b", "c", "d")
    expanders = {
        "a": lambda value: heard.append(value),
        "b": lambda name, value: heard.append((name, value)),
        "c": lambda value, unit="m": heard.append((value, unit)),
        "d": Expander(),
    }
    DynamicExecutor(dag, expanders, max_workers=1).execute(account.tasks(dag))
    assert heard == ["a", ("b", "b"), ("c", "m"), ("d", "d")]


def test_an_expander_of_no_node_is_reported(account):
    dag = graph("split")
    with pytest.warns(RuntimeWarning, match=r"expander of 'spilt' was never asked.*Did you mean 'split'"):
        DynamicExecutor(dag, {"spilt": lambda value: None}).execute(account.tasks(dag))


def test_callbacks_hear_of_an_expansion_before_its_children_start(account):
    heard = []
    callbacks = ExecutionCallbacks(
        on_node_start=heard.append, on_dynamic_expand=lambda name, new: heard.append((name, new))
    )
    dag = graph("split>join")
    DynamicExecutor(dag, {"split": adding(spec("part"), remove=[])}, callbacks=callbacks).execute(account.tasks(dag))
    assert heard == ["split", ("split", ["part"]), "part", "join"]
    heard.clear()
    dag = graph("split>join")
    DynamicExecutor(dag, {"split": adding(remove=["join"])}, callbacks=callbacks).execute(account.tasks(dag))
    assert heard[0] == "split"
    assert all(isinstance(each, str) for each in heard), "nothing was added"


def test_bad_expanders_are_refused_when_the_executor_is_made():
    async def coroutine(value): ...

    for wrong in (3, coroutine, lambda: None, lambda a, b, c: None):
        with pytest.raises(UsageError, match="expander of 'split'"):
            DynamicExecutor(graph("split"), {"split": wrong})
    with pytest.raises(UsageError, match="expanders"):
        DynamicExecutor(graph("split"), [len])
