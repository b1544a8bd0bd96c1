"""DAGs put together from functions and DAGs: what is wired, what is refused before anything runs, what runs again."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time

import pytest

from dagbook import DAG, DagContext, DagProvenance, DAGRunner, Manifest, NullProvenance, UsageError, inline, node
from dagbook.errors import AmbiguousInputError, DuplicateNodeError, GraphError, MissingInputError, NodeNotFoundError


def numbers() -> list[int]:
    return [1, 2, 3]


def double(n: int) -> int:
    return 2 * n


def add(n: int) -> int:
    return n + 1


def summed(ns: list[int]) -> int:
    return sum(ns)


def up_to(n: int) -> list[int]:
    return list(range(n))


def chain(*functions):
    dag = DAG("sub")
    handles = [dag.node(f) for f in functions]
    for above, below in itertools.pairwise(handles):
        above >> below
    return dag


def test_a_tuple_and_a_list_stand_for_nodes_beside_each_other():
    def pair(ns: list[int]) -> str:
        return str(ns)

    dag = DAG()
    a = dag.node(numbers) >> dag.node(summed)
    a >> (dag.node(double), dag.node(add)) >> dag.node(pair)
    dag2 = DAG()
    start = dag2.node(numbers) >> dag2.node(summed)
    left, right = dag2.node(double), dag2.node(add)
    start >> [left, right]
    [left, right] >> dag2.node(pair)
    assert DAGRunner(dag).run().outputs == DAGRunner(dag2).run().outputs == {"pair": "[12, 7]"}


def test_what_cannot_be_chained_is_refused():
    dag, other = DAG("one"), DAG("other")
    first = dag.node(numbers)
    with pytest.raises(GraphError, match="'other' is another"):
        first >> other.node(summed)
    with pytest.raises(UsageError, match=r"dag\.node"):
        first >> summed
    with pytest.raises(UsageError, match="tuples"):
        first >> ()
    assert dag.edge_count() == 0


def test_a_label_is_given_once():
    dag = DAG()
    dag.node(numbers)
    with pytest.raises(DuplicateNodeError, match="numbers"):
        dag.node(numbers)
    dag.node(numbers, label="again")
    assert list(dag) == ["numbers", "again"]


def test_what_is_no_function_or_dag_is_refused():
    dag = DAG()
    with pytest.raises(UsageError, match="a function or a DAG"):
        dag.node(3, label="x")
    with pytest.raises(UsageError, match="takes a DAG"):
        dag.map(double, label="x")
    with pytest.raises(UsageError, match="label"):
        dag.map(chain(double))


def test_options_of_the_function_and_of_the_node_both_count():
    dag = DAG()
    dag.node(node(tags="a", retries=2)(double), retries=1, type="step")
    options = dag["double"].options
    assert (options.tags, options.retries, options.type) == (("a",), 1, "step")


def test_names_of_parameters_do_not_tie_nodes_together_without_an_edge():
    def n() -> int:
        return 5

    dag = DAG()
    dag.node(n)
    dag.node(double)
    with pytest.raises(MissingInputError, match=r"double needs 'n' \(int\)"):
        DAGRunner(dag).run()


def test_functions_that_name_their_inputs_run_as_in_a_notebook():
    from dagbook.graph.node import Node

    def a():
        return 1

    def b(a, step=2):
        return a + step

    dag = DAG()
    dag.define([Node.of(a), Node.of(b)])
    assert DAGRunner(dag).run().outputs == {"b": 3}
    dag.set(step=10)
    assert DAGRunner(dag).run().outputs == {"b": 11}


def test_an_edited_function_inside_a_mapped_dag_runs_again(tmp_path):
    provenance = DagProvenance(tmp_path / "runs.db")

    def outputs(*functions):
        dag = DAG()
        dag.node(numbers) >> dag.map(chain(*functions), label="each")
        return DAGRunner(dag, provenance).run().outputs["each"]

    def double(n: int) -> int:
        return 20 * n

    assert outputs(globals()["double"], add) == [3, 5, 7]
    assert outputs(double, add) == [21, 41, 61]
    assert outputs(add, double) == [40, 60, 80], "another order is another graph"


def test_dags_nest_in_every_way():
    inner = chain(up_to)
    inner_map = DAG("inner")
    inner_map.node(up_to) >> inner_map.map(chain(double, add), label="each") >> inner_map.node(summed)
    middle = DAG("middle")
    middle.node(add) >> middle.node(inner_map, label="whole") >> middle.node(double)
    dag = DAG()
    dag.node(numbers) >> dag.map(middle, label="all")
    assert DAGRunner(dag).run().outputs == {"all": [2 * sum(2 * k + 1 for k in range(n + 1)) for n in (1, 2, 3)]}
    dag = DAG()
    dag.node(numbers) >> dag.map(inner, label="all")
    assert DAGRunner(dag).run().outputs == {"all": [[0], [0, 1], [0, 1, 2]]}


def test_a_map_may_be_the_last_of_a_mapped_dag_and_the_first():
    rows = DAG("rows")
    rows.node(up_to) >> rows.map(chain(double), label="cells")
    dag = DAG()
    dag.node(numbers) >> dag.map(rows, label="rows")
    assert DAGRunner(dag).run().outputs == {"rows": [[0], [0, 2], [0, 2, 4]]}

    def grid() -> list[list[int]]:
        return [[1], [2, 3]]

    only, dag = DAG("only"), DAG()
    only.map(chain(double, add), label="cells")
    dag.node(grid) >> dag.map(only, label="rows")
    assert DAGRunner(dag).run().outputs == {"rows": [[3], [5, 7]]}


def test_one_new_element_runs_its_own_nodes_only():
    provenance, calls = NullProvenance(), []
    sys.modules["calls"] = calls

    def first(n: int) -> int:
        sys.modules["calls"].append(("first", n))
        return n

    def last(n: int) -> int:
        sys.modules["calls"].append(("last", n))
        return n

    def given(items: list[int]) -> list[int]:
        return items

    dag = DAG()
    dag.node(given) >> dag.map(chain(first, last), label="each")
    runner = DAGRunner(dag, provenance)
    runner.run({"given": {"items": [1, 2]}})
    calls.clear()
    assert runner.run({"given": {"items": [1, 2, 3]}}).outputs == {"each": [1, 2, 3]}
    assert calls == [("first", 3), ("last", 3)]
    del sys.modules["calls"]


def test_keys_of_a_mapped_dict_keep_their_types():
    def table() -> dict[int, int]:
        return {7: 1, 8: 2}

    dag = DAG()
    dag.node(table) >> dag.map(chain(double, add), label="each")
    assert DAGRunner(dag).run().outputs == {"each": {7: 3, 8: 5}}


def test_a_parameter_of_the_source_may_be_called_like_another_node_of_its_dag():
    def first(last: int) -> int:
        return last

    def last(n: int) -> int:
        return n + 1

    dag = DAG()
    dag.node(numbers) >> dag.map(chain(first, last), label="each")
    assert DAGRunner(dag).run().outputs == {"each": [2, 3, 4]}


def test_inputs_reach_into_a_sub_dag_by_its_path():
    def scale(n: int, by: str) -> int:
        return n * len(by)

    for how in ("node", "map"):
        dag = DAG()
        start = dag.node(numbers) >> dag.node(summed) if how == "node" else dag.node(numbers)
        start >> getattr(dag, how)(chain(scale, add), label="step")
        runner = DAGRunner(dag)
        with pytest.raises(MissingInputError, match=r"step/scale needs 'by' \(str\)"):
            runner.run()
        outputs = runner.run({"step/scale": {"by": "xx"}}).outputs["step"]
        assert outputs == (13 if how == "node" else [3, 5, 7])
        assert runner.run({"step/scale": {"by": "xxx"}}).outputs["step"] == (19 if how == "node" else [4, 7, 10])


def test_mapping_over_what_says_that_it_is_no_collection_is_refused_before_anything_runs():
    calls = []

    def one() -> int:
        calls.append(1)
        return 1

    dag = DAG()
    dag.node(one) >> dag.map(chain(double), label="each")
    with pytest.raises(GraphError, match=r"each is mapped over one, which must be a list or a dict, and returns int"):
        DAGRunner(dag).run()
    assert calls == []


def test_a_dag_that_contains_itself_is_refused():
    outer, inner = chain(numbers), chain(double)
    with pytest.raises(GraphError, match="itself"):
        outer.node(outer, label="me")
    outer.map(inner, label="each")
    outer.add_edge("numbers", "each")
    inner.node(outer, label="again")
    inner.add_edge("double", "again")
    with pytest.raises(GraphError, match="contains itself"):
        DAGRunner(outer).run()


def test_a_source_without_a_parameter_cannot_take_an_element():
    dag = DAG()
    dag.node(numbers) >> dag.map(chain(numbers), label="each")
    with pytest.raises(GraphError, match="no parameter for the element"):
        DAGRunner(dag).run()


def test_a_bare_node_says_what_it_lacks():
    dag = DAG()
    dag.add_node("load", type="source")
    with pytest.raises(UsageError, match="load has no function, nor is there an executor for its type 'source'"):
        DAGRunner(dag).run()
    assert DAGRunner(dag, executors={"source": lambda node: node.name}).run().outputs == {"load": "load"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"dag": 3},
        {"provenance": Manifest()},
        {"provenance": NullProvenance(), "state_dir": "x"},
        {"executors": [1]},
        {"executors": {"a": 3}},
        {"max_workers": 0},
        {"max_workers": -1},
        {"callbacks": 3},
    ],
)
def test_what_makes_no_runner_is_refused(arguments):
    with pytest.raises(UsageError):
        DAGRunner(**({"dag": DAG()} | arguments))


@pytest.mark.parametrize("words", [{"retry": -1}, {"retry": 1.5}, {"nodes": "numbers"}, {"node_types": [3]}])
def test_what_makes_no_run_is_refused_before_anything_runs(words):
    dag = DAG()
    dag.node(numbers)
    for more in ({}, {"dry_run": True}):
        with pytest.raises(UsageError):
            DAGRunner(dag).run(**words, **more)
    with pytest.raises(NodeNotFoundError):
        DAGRunner(dag).run(nodes=["nobody"])


def test_an_empty_dag_runs_to_nothing():
    assert DAGRunner(DAG()).run().outputs == {}


def test_nothing_that_is_asked_for_is_nothing_that_runs():
    dag = DAG()
    dag.node(numbers)
    result = DAGRunner(dag).run(nodes=[])
    assert (result.status, result.skipped_nodes, result.successful_nodes) == ("completed", 1, 0)


def test_what_only_an_excluded_node_needs_does_not_run():
    calls = []

    def costly(n: int) -> int:
        calls.append("costly")
        return n

    def prepared() -> int:
        calls.append("prepared")
        return 1

    dag = DAG()
    dag.node(prepared) >> dag.node(costly, tags="costly")
    other = dag.node(numbers)
    result = DAGRunner(dag).run(nodes=[other.label], exclude_tags=["costly"])
    assert (result.outputs, calls) == ({"numbers": [1, 2, 3]}, [])


def test_contexts_say_where_in_nested_dags_a_node_is():
    def where(n: int, ctx: DagContext) -> str:
        return f"{ctx.dag_nsref} {ctx.node_label}"

    inner = DAG("inner")
    inner.node(up_to) >> inner.map(chain(add, where), label="in")
    dag = DAG()
    dag.node(numbers) >> dag.map(inner, label="out")
    outputs = DAGRunner(dag).run(dag_nsref="top").outputs["out"]
    assert outputs[2] == [f"top/out[2]/in[{n}] where" for n in range(3)]


def test_inline_nodes_of_mapped_dags_run_on_the_callers_thread():
    @inline
    def here(n: int) -> int:
        return threading.get_ident()

    def there(n: int) -> int:
        return n if threading.get_ident() != n else 0

    dag = DAG()
    dag.node(numbers) >> dag.map(chain(here, there), label="each")
    assert DAGRunner(dag, max_workers=2).run().outputs == {"each": [threading.get_ident()] * 3}


def test_a_cancelled_await_cancels_the_run_and_what_had_finished_can_be_taken_up():
    calls, over = [], threading.Event()
    sys.modules["calls"], sys.modules["over"] = calls, over

    def quick() -> int:
        sys.modules["calls"].append("quick")
        return 1

    def slow(n: int) -> int:
        calls = sys.modules["calls"]
        calls.append("slow")
        if len(calls) == 2:
            sys.modules["over"].wait(10)
        return n

    dag = DAG()
    dag.node(quick) >> dag.node(slow)
    runner = DAGRunner(dag)

    async def main():
        task = asyncio.create_task(runner.run_async())
        while len(calls) < 2:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await runner.restart_async("1")

    result = asyncio.run(main())
    assert (result.status, result.outputs) == ("completed", {"slow": 1})
    assert calls == ["quick", "slow", "slow"]
    over.set()
    del sys.modules["calls"], sys.modules["over"]


def test_several_runs_of_one_runner_go_on_at_once():
    def slowly(n: int) -> int:
        time.sleep(0.02)
        return n * n

    dag = DAG()
    dag.node(slowly) >> dag.node(add)
    runner = DAGRunner(dag, max_workers=2)

    async def main():
        return await asyncio.gather(*(runner.run_async({"slowly": {"n": n}}) for n in range(8)))

    results = asyncio.run(main())
    assert [r.outputs["add"] for r in results] == [n * n + 1 for n in range(8)]
    assert len({r.run_id for r in results}) == 8
    assert all(runner.replay(r.run_id, ["add"]).outputs == r.outputs for r in results)


def test_pausing_without_a_run_pauses_nothing():
    dag = DAG()
    dag.node(numbers)
    runner = DAGRunner(dag)
    runner.pause()
    assert runner.run().status == "completed"


def test_an_ambiguity_is_found_before_anything_runs():
    calls = []

    def one() -> int:
        calls.append(1)
        return 1

    dag = DAG()
    (dag.node(one), dag.node(one, label="two"))[0] >> dag.node(double)
    dag.add_edge("two", "double")
    with pytest.raises(AmbiguousInputError, match="one and two"):
        DAGRunner(dag).run()
    assert calls == []
