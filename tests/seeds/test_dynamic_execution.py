"""The samples on dynamic execution, as they are written, and what is said beside them."""

from __future__ import annotations

import pytest

import dagbook as dagron
from dagbook.errors import CycleError, DagbookError, DuplicateNodeError, NodeNotFoundError
from tests.seeds.conftest import REQUIRED, assert_takes, statuses


@pytest.fixture
def dag():
    return (
        dagron.DAG.builder()
        .add_node("discover")
        .add_node("aggregate")
        .add_edge("discover", "aggregate")
        .build()
    )


def spec(name, task=lambda: None, dependencies=("discover",), dependents=()):
    return dagron.DynamicNodeSpec(name, task, list(dependencies), list(dependents))


def adding(*specs):
    return lambda result: dagron.DynamicModification(add_nodes=list(specs))


def execute(dag, expanders, **more):
    tasks = {"discover": lambda: ["a", "b"], "aggregate": lambda: "aggregated"}
    return dagron.DynamicExecutor(dag, expanders, **more).execute(tasks)


# -- signatures


def test_the_signatures_are_the_documented_ones():
    assert_takes(dagron.DynamicExecutor, {
        "dag": REQUIRED,
        "expanders": REQUIRED,
        "max_workers": None,
        "callbacks": None,
        "fail_fast": True,
        "enable_tracing": False,
    })
    assert_takes(dagron.DynamicExecutor.execute, {"tasks": REQUIRED})
    assert_takes(dagron.DynamicModification, {"add_nodes": None, "remove_nodes": None})
    assert_takes(dagron.DynamicNodeSpec, {
        "name": REQUIRED,
        "task": REQUIRED,
        "dependencies": None,
        "dependents": None,
    })


# -- one node for each file


def test_one_node_is_added_for_each_file(printed):
    dag = (
        dagron.DAG.builder()
        .add_node("discover")
        .add_node("aggregate")
        .add_edge("discover", "aggregate")
        .build()
    )

    def discover_expander(result):
        files = result
        nodes = [
            dagron.DynamicNodeSpec(
                name=f"process_{f}",
                task=lambda f=f: f"processed {f}",
                dependencies=["discover"],
                dependents=["aggregate"],
            )
            for f in files
        ]
        return dagron.DynamicModification(add_nodes=nodes)

    executor = dagron.DynamicExecutor(
        dag,
        expanders={"discover": discover_expander},
        max_workers=4,
    )

    result = executor.execute({
        "discover": lambda: ["a.csv", "b.csv", "c.csv"],
        "aggregate": lambda: "all files processed",
    })

    print(result.succeeded)

    assert printed() == ["5"]
    names = {"discover", "process_a.csv", "process_b.csv", "process_c.csv", "aggregate"}
    assert statuses(result) == dict.fromkeys(names, "COMPLETED")
    assert result.node_results["process_b.csv"].result == "processed b.csv"
    assert result.node_results["aggregate"].result == "all files processed"
    assert isinstance(result, dagron.ExecutionResult)

    assert dag.node_count() == 5, "the DAG was changed in place"
    assert sorted(dag.predecessors("aggregate")) == ["discover", "process_a.csv", "process_b.csv", "process_c.csv"]
    assert sorted(dag.successors("discover")) == ["aggregate", "process_a.csv", "process_b.csv", "process_c.csv"]

    result = executor.execute({"discover": lambda: ["d.csv"], "aggregate": lambda: "all files processed"})
    assert set(result.node_results) == {"discover", "process_d.csv", "aggregate"}
    assert dag.node_count() == 3, "what an earlier execution added is gone"


def test_added_nodes_run_before_their_dependents_and_beside_each_other(dag, ledger):
    def part(name):
        def task():
            ledger.meet("parts")
            ledger.note(name)

        return spec(name, task, ["discover"], ["aggregate"])

    executor = dagron.DynamicExecutor(dag, {"discover": adding(part("one"), part("two"))}, max_workers=2)
    executor.execute({"discover": lambda: 0, "aggregate": lambda: ledger.note("aggregate")})
    assert sorted(ledger.calls[:2]) == ["one", "two"]
    assert ledger.calls[2:] == ["aggregate"]


# -- modifications


def test_modifications_are_made_as_documented():
    mod = dagron.DynamicModification(
        add_nodes=[
            dagron.DynamicNodeSpec("task_1", task=lambda: "result_1", dependencies=["source"]),
            dagron.DynamicNodeSpec("task_2", task=lambda: "result_2", dependencies=["source"]),
        ]
    )
    assert [(s.name, s.task(), s.dependencies) for s in mod.add_nodes] == [
        ("task_1", "result_1", ["source"]),
        ("task_2", "result_2", ["source"]),
    ]

    mod = dagron.DynamicModification(remove_nodes=["obsolete_node"])
    assert mod.remove_nodes == ["obsolete_node"]

    mod = dagron.DynamicModification(
        add_nodes=[dagron.DynamicNodeSpec("replacement", task=lambda: "new", dependencies=["source"])],
        remove_nodes=["old_task"],
    )
    assert ([s.name for s in mod.add_nodes], mod.remove_nodes) == (["replacement"], ["old_task"])


def test_a_node_is_replaced(ledger):
    dag = dagron.DAG.builder().add_edge("source", "old_task").build()
    mod = dagron.DynamicModification(
        add_nodes=[dagron.DynamicNodeSpec("replacement", task=lambda: "new", dependencies=["source"])],
        remove_nodes=["old_task"],
    )
    executor = dagron.DynamicExecutor(dag, expanders={"source": lambda result: mod})
    result = executor.execute({"source": lambda: 0, "old_task": lambda: ledger.note("old_task")})

    assert ledger.calls == []
    assert result.node_results["replacement"].result == "new"
    removed = result.node_results.get("old_task")
    assert removed is None or removed.status == dagron.NodeStatus.SKIPPED
    assert dag.has_node("replacement")
    assert not dag.has_node("old_task")


def test_a_spec_has_the_documented_fields():
    spec = dagron.DynamicNodeSpec(
        name="process_chunk_42",
        task=lambda: "chunk 42 processed",
        dependencies=["split"],
        dependents=["merge"],
    )
    assert (spec.name, spec.task(), spec.dependencies, spec.dependents) == (
        "process_chunk_42",
        "chunk 42 processed",
        ["split"],
        ["merge"],
    )


def test_a_spec_wires_its_node_into_the_graph(ledger):
    spec = dagron.DynamicNodeSpec(
        name="process_chunk_42",
        task=lambda: ledger.note("chunk"),
        dependencies=["split"],
        dependents=["merge"],
    )
    dag = dagron.DAG.builder().add_edge("split", "merge").build()
    executor = dagron.DynamicExecutor(dag, {"split": lambda result: dagron.DynamicModification(add_nodes=[spec])})
    executor.execute({"split": lambda: ledger.note("split"), "merge": lambda: ledger.note("merge")})
    assert ledger.calls == ["split", "chunk", "merge"]
    assert dag.has_edge("split", "process_chunk_42")
    assert dag.has_edge("process_chunk_42", "merge")


def test_an_expander_may_change_nothing(dag):
    result = execute(dag, {"discover": lambda result: None})
    assert result.succeeded == 2
    assert execute(dag, {"discover": lambda result: dagron.DynamicModification()}).succeeded == 2


def test_an_expander_with_two_parameters_gets_name_and_result(dag):
    seen = []
    execute(dag, {"discover": lambda name, result: seen.append((name, result))})
    assert seen == [("discover", ["a", "b"])]


def test_an_added_node_can_have_an_expander(dag):
    expanders = {"discover": adding(spec("child")), "child": adding(spec("grandchild", lambda: "deep", ["child"]))}
    result = execute(dag, expanders)
    assert statuses(result) == dict.fromkeys(("discover", "child", "grandchild", "aggregate"), "COMPLETED")
    assert result.node_results["grandchild"].result == "deep"


def test_added_nodes_may_need_each_other_in_any_order(dag, ledger):
    second = spec("second", lambda: ledger.note("second"), ["first"], ["aggregate"])
    first = spec("first", lambda: ledger.note("first"))
    assert execute(dag, {"discover": adding(second, first)}).succeeded == 4
    assert ledger.calls == ["first", "second"]


def test_the_expander_of_a_failed_node_is_not_called(dag):
    seen = []
    executor = dagron.DynamicExecutor(dag, {"discover": seen.append})
    result = executor.execute({"discover": lambda: 1 / 0, "aggregate": lambda: 0})
    assert statuses(result) == {"discover": "FAILED", "aggregate": "SKIPPED"}
    assert seen == []


# -- map and reduce


def test_map_and_reduce(printed):
    dag = (
        dagron.DAG.builder()
        .add_node("read_input")
        .add_node("reduce")
        .add_edge("read_input", "reduce")
        .build()
    )

    def map_expander(data):
        chunks = [data[i:i+100] for i in range(0, len(data), 100)]
        return dagron.DynamicModification(
            add_nodes=[
                dagron.DynamicNodeSpec(
                    name=f"map_{i}",
                    task=lambda chunk=chunk: sum(chunk),
                    dependencies=["read_input"],
                    dependents=["reduce"],
                )
                for i, chunk in enumerate(chunks)
            ]
        )

    executor = dagron.DynamicExecutor(
        dag,
        expanders={"read_input": map_expander},
        max_workers=8,
        callbacks=dagron.ExecutionCallbacks(
            on_dynamic_expand=lambda name, new_nodes: print(
                f"[EXPAND] {name} added {len(new_nodes)} nodes"
            ),
        ),
    )

    result = executor.execute({
        "read_input": lambda: list(range(500)),
        "reduce": lambda: "reduction complete",
    })

    print(f"Total nodes executed: {result.succeeded}")

    assert printed() == ["[EXPAND] read_input added 5 nodes", "Total nodes executed: 7"]
    assert [result.node_results[f"map_{i}"].result for i in range(5)] == [4950, 14950, 24950, 34950, 44950]
    assert result.node_results["reduce"].result == "reduction complete"


def test_a_callback_hears_the_names_of_the_added_nodes(dag, printed):
    callbacks = dagron.ExecutionCallbacks(
        on_dynamic_expand=lambda node_name, new_nodes: print(
            f"Node '{node_name}' expanded with: {new_nodes}"
        ),
    )
    execute(dag, {"discover": adding(spec("one"), spec("two"))}, callbacks=callbacks)
    assert printed() == ["Node 'discover' expanded with: ['one', 'two']"]


def test_no_callback_is_made_when_nothing_is_added(dag, printed):
    callbacks = dagron.ExecutionCallbacks(on_dynamic_expand=lambda node_name, new_nodes: print(node_name))
    execute(dag, {"discover": lambda result: None}, callbacks=callbacks)
    assert printed() == []


# -- constraints


@pytest.mark.parametrize(
    ("error", "added", "named"),
    [
        (DuplicateNodeError, [spec("aggregate")], "'aggregate'"),
        (DuplicateNodeError, [spec("twin"), spec("twin")], "'twin'"),
        (NodeNotFoundError, [spec("fine"), spec("lost", dependencies=["nowhere"])], "'nowhere'"),
        (NodeNotFoundError, [spec("fine"), spec("lost", dependents=["nowhere"])], "'nowhere'"),
        (CycleError, [spec("round", dependencies=["aggregate"], dependents=["aggregate"])], "round"),
        (CycleError, [spec("one", dependencies=["two"]), spec("two", dependencies=["one"])], "one"),
    ],
    ids=["existing name", "name twice", "unknown dependency", "unknown dependent", "cycle", "cycle of new nodes"],
)
def test_a_modification_that_is_refused_changes_nothing(dag, error, added, named):
    with pytest.raises(error, match=named) as caught:
        execute(dag, {"discover": adding(*added)})
    assert (dag.node_count(), dag.edge_count()) == (2, 1)
    assert caught.value.result.node_results["discover"].result == ["a", "b"], "what was finished is not lost"


@pytest.mark.parametrize("started", ["discover", "before"])
def test_a_started_node_cannot_be_removed(started):
    dag = dagron.DAG.builder().add_edge("before", "discover").build()
    mod = dagron.DynamicModification(remove_nodes=[started])
    executor = dagron.DynamicExecutor(dag, {"discover": lambda result: mod})
    with pytest.raises(DagbookError, match=started):
        executor.execute({"before": lambda: 1, "discover": lambda: 2})
    assert (dag.node_count(), dag.edge_count()) == (2, 1)


def test_removing_an_unknown_node_is_refused(dag):
    with pytest.raises(NodeNotFoundError, match="'nowhere'"):
        execute(dag, {"discover": lambda result: dagron.DynamicModification(remove_nodes=["nowhere"])})


def test_no_node_runs_twice(dag, ledger):
    late = spec("late", lambda: ledger.note("late"))
    dagron.DynamicExecutor(dag, {"discover": adding(late)}).execute({
        "discover": lambda: ledger.note("discover"),
        "aggregate": lambda: ledger.note("aggregate"),
    })
    assert sorted(ledger.calls) == ["aggregate", "discover", "late"]
