"""What is documented of the runner of composed DAGs: wiring, sub-DAGs, context, pause, restart, replay, provenance.

The documents await everything; here ``run``, ``restart`` and ``replay`` are plain methods, and ``run_async`` is the
coroutine. Values come back with their types.
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass

import pytest

import dagbook
from dagbook import Dag, DagContext, DagPause, DagProvenance, DagRunner, DagRunResult, NullProvenance, inline
from dagbook.errors import AmbiguousInputError, DagbookError
from tests.seeds.conftest import assert_takes


@dataclass(frozen=True)
class Orders:
    amounts: tuple[int, ...]


@dataclass(frozen=True)
class Prices:
    price: int


@dataclass(frozen=True)
class Total:
    amount: int


@dataclass(frozen=True)
class Part:
    number: int


def load_orders() -> Orders:
    ledger = sys.modules["ledger"]
    ledger.note("load_orders")
    return Orders((1, 2, 3))


def load_prices() -> Prices:
    return Prices(10)


def total(prices: Prices, orders: Orders) -> Total:
    ledger = sys.modules["ledger"]
    ledger.note("total")
    if ledger.facts.get("broken"):
        raise RuntimeError("boom")
    return Total(sum(orders.amounts) * prices.price + ledger.facts.get("extra", 0))


def report(total: Total) -> str:
    ledger = sys.modules["ledger"]
    ledger.note("report")
    return f"total {total.amount}"


@pytest.fixture
def dag(ledger):
    """Two sources whose values are wired by type, one step on them, and one sink."""
    dag = Dag()
    both = dag.node(total)
    dag.node(load_orders) >> both
    dag.node(load_prices) >> both
    both >> dag.node(report)
    return dag


def first_part() -> Part:
    return Part(1)


def second_part() -> Part:
    return Part(2)


def gather(parts: list[Part]) -> list[int]:
    return [part.number for part in parts]


def numbers() -> list[int]:
    return [1, 2, 3]


def double(number: int) -> int:
    return 2 * number


def add_one(number: int) -> int:
    return number + 1


def summed(numbers: list[int]) -> int:
    return sum(numbers)


def one_step(function=double):
    sub = Dag()
    sub.node(function)
    return sub


def awaited(coroutine):
    """What a coroutine returns, in an event loop of its own; a run that never ends is an error, not a hanging test."""
    return asyncio.run(asyncio.wait_for(coroutine, 20))


# -- names and signatures


def test_the_documented_names_are_those_of_the_one_runner_and_graph():
    assert DagRunner is dagbook.DAGRunner
    assert Dag is dagbook.DAG
    assert issubclass(DagPause, Exception)


def test_a_runner_takes_a_dag_and_a_provenance(dag, tmp_path):
    runner = DagRunner(dag)
    assert runner.dag is dag
    assert isinstance(runner.provenance, NullProvenance)
    provenance = DagProvenance(tmp_path / "runs.db")
    assert DagRunner(dag, provenance=provenance).provenance is provenance


def test_run_takes_source_inputs_and_a_name():
    assert_takes(DagRunner.run, {"source_inputs": None, "dag_nsref": None})
    assert_takes(DagRunner.run_async, {"source_inputs": None, "dag_nsref": None})
    assert asyncio.iscoroutinefunction(DagRunner.run_async)
    assert not asyncio.iscoroutinefunction(DagRunner.run)


# -- runs and their results


def test_a_run_wires_by_type_and_returns_the_values_of_the_sinks(dag):
    result = DagRunner(dag).run()
    assert isinstance(result, DagRunResult)
    assert result.status == "completed"
    assert result.outputs == {"report": "total 60"}
    assert isinstance(result.run_id, str)
    assert result.failed_node is None
    assert result.error is None


def test_each_run_has_an_id_of_its_own(dag):
    runner = DagRunner(dag)
    assert runner.run().run_id != runner.run().run_id


def test_a_chain_is_written_in_one_line():
    dag = Dag()
    dag.node(numbers) >> dag.node(summed) >> dag.node(double)
    assert DagRunner(dag).run().outputs == {"double": 12}


def test_one_function_makes_two_nodes_under_two_labels():
    dag = Dag()
    start = dag.node(summed)
    dag.node(numbers) >> start >> dag.node(double, label="left")
    start >> dag.node(double, label="right")
    assert DagRunner(dag).run().outputs == {"left": 12, "right": 12}


def test_sources_get_the_inputs_of_the_run():
    dag = Dag()
    dag.node(double) >> dag.node(add_one)
    runner = DagRunner(dag)
    assert runner.run(source_inputs={"double": {"number": 3}}).outputs == {"add_one": 7}
    assert runner.run({"double": {"number": 4}}).outputs == {"add_one": 9}, "other inputs, another value"


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({}, "number"),
        ({"double": {"number": 1, "wrong": 1}}, "wrong"),
        ({"double": {"number": 1}, "nowhere": {"number": 1}}, "nowhere"),
    ],
    ids=["missing", "unknown parameter", "unknown node"],
)
def test_inputs_that_do_not_fit_are_refused(inputs, named):
    dag = Dag()
    dag.node(double)
    with pytest.raises(DagbookError, match=named):
        DagRunner(dag).run(source_inputs=inputs)


def test_a_failure_is_in_the_result(dag, ledger):
    ledger.facts["broken"] = True
    result = DagRunner(dag).run()
    assert (result.status, result.failed_node, result.outputs) == ("failed", "total", {})
    assert "boom" in result.error
    assert "report" not in ledger.calls


def test_outputs_hold_the_sinks_that_were_reached(dag, ledger):
    ledger.facts["broken"] = True
    runner = DagRunner(dag)
    dag.node(numbers)
    assert runner.run(continue_on_error=True).outputs == {"numbers": [1, 2, 3]}


def test_full_runs_everything_again(dag, ledger):
    runner = DagRunner(dag)
    runner.run()
    ledger.taken()
    assert runner.run(full=True).outputs == {"report": "total 60"}
    assert ledger.taken() == ["load_orders", "total", "report"]


# -- wiring


def test_several_values_of_one_type_come_as_a_list():
    dag = Dag()
    end = dag.node(gather)
    dag.node(first_part) >> end
    dag.node(second_part) >> end
    assert DagRunner(dag).run().outputs == {"gather": [1, 2]}


def test_one_value_comes_as_a_list_of_one_where_a_list_is_asked_for():
    dag = Dag()
    dag.node(first_part) >> dag.node(gather)
    assert DagRunner(dag).run().outputs == {"gather": [1]}


def test_two_values_for_one_parameter_are_an_error_that_names_both():
    def one(part: Part) -> int:
        return part.number

    def wired_and_run():
        dag = Dag()
        end = dag.node(one)
        dag.node(first_part) >> end
        dag.node(second_part) >> end
        DagRunner(dag).run()

    with pytest.raises(AmbiguousInputError, match=r"first_part.*second_part"):
        wired_and_run()


def test_a_parameter_that_nothing_fits_keeps_its_default():
    def priced(part: Part, prices: Prices = Prices(7)) -> int:
        return part.number * prices.price

    dag = Dag()
    dag.node(second_part) >> dag.node(priced)
    assert DagRunner(dag).run().outputs == {"priced": 14}


# -- sub-DAGs


def test_a_sub_dag_runs_for_each_element_of_a_list():
    sub = Dag()
    sub.node(double) >> sub.node(add_one)
    dag = Dag()
    dag.node(numbers) >> dag.map(sub, label="each")
    assert DagRunner(dag).run().outputs == {"each": [3, 5, 7]}


def test_a_sub_dag_runs_for_each_value_of_a_dict():
    def named() -> dict[str, int]:
        return {"a": 1, "b": 2}

    dag = Dag()
    dag.node(named) >> dag.map(one_step(), label="each")
    assert DagRunner(dag).run().outputs == {"each": {"a": 2, "b": 4}}


@pytest.mark.parametrize("empty", [[], {}])
def test_mapping_over_nothing_gives_nothing(empty):
    def nothing():
        return empty

    dag = Dag()
    dag.node(nothing) >> dag.map(one_step(), label="each")
    assert DagRunner(dag).run().outputs == {"each": empty}


def test_the_list_of_a_mapped_step_goes_on_as_it_is():
    dag = Dag()
    dag.node(numbers) >> dag.map(one_step(), label="each") >> dag.node(summed)
    assert DagRunner(dag).run().outputs == {"summed": 12}


def test_elements_run_beside_each_other(ledger):
    def pair() -> list[int]:
        return [1, 2]

    def meet(number: int) -> int:
        ledger = sys.modules["ledger"]
        ledger.meet("elements")
        return number

    dag = Dag()
    dag.node(pair) >> dag.map(one_step(meet), label="each")
    assert DagRunner(dag).run().outputs == {"each": [1, 2]}


def test_mapping_over_something_else_fails_and_says_what_it_was():
    def number():
        return 3

    dag = Dag()
    dag.node(number) >> dag.map(one_step(), label="each")
    result = DagRunner(dag).run()
    assert (result.status, result.failed_node) == ("failed", "each")
    for word in ("each", "int", "list", "dict"):
        assert word in result.error


def test_a_failing_element_fails_the_step():
    def fragile(number: int) -> int:
        if number == 2:
            raise ValueError("boom")
        return number

    dag = Dag()
    dag.node(numbers) >> dag.map(one_step(fragile), label="each") >> dag.node(summed)
    result = DagRunner(dag).run()
    assert (result.status, result.failed_node, result.outputs) == ("failed", "each", {})
    assert "boom" in result.error


def test_a_sub_dag_is_one_step():
    sub = Dag()
    sub.node(double) >> sub.node(add_one)
    dag = Dag()
    dag.node(numbers) >> dag.node(summed) >> dag.node(sub, label="step") >> dag.node(double, label="end")
    assert DagRunner(dag).run().outputs == {"end": 26}


def test_a_sub_dag_fails_as_one_step():
    def fragile(number: int) -> int:
        raise ValueError("boom")

    dag = Dag()
    dag.node(numbers) >> dag.node(summed) >> dag.node(one_step(fragile), label="step")
    result = DagRunner(dag).run()
    assert (result.status, result.failed_node) == ("failed", "step")
    assert "boom" in result.error


def test_sub_dags_nest():
    inner = Dag()
    inner.node(numbers_up_to) >> inner.map(one_step(), label="doubled") >> inner.node(summed)
    dag = Dag()
    dag.node(numbers) >> dag.map(inner, label="each")
    assert DagRunner(dag).run().outputs == {"each": [2, 6, 12]}


def numbers_up_to(number: int) -> list[int]:
    return list(range(1, number + 1))


@pytest.mark.parametrize("how", ["node", "map"])
def test_a_sub_dag_needs_one_source_and_one_sink(how):
    two_sources, two_sinks = Dag(), Dag()
    end = two_sources.node(gather)
    two_sources.node(first_part) >> end
    two_sources.node(second_part) >> end
    start = two_sinks.node(numbers)
    start >> two_sinks.node(summed)
    start >> two_sinks.node(numbers_up_to)

    def wired_and_run(sub):
        dag = Dag()
        dag.node(numbers) >> getattr(dag, how)(sub, label="step")
        DagRunner(dag).run()

    for sub, what in ((two_sources, "source"), (two_sinks, "sink")):
        with pytest.raises(DagbookError, match=what):
            wired_and_run(sub)


def test_a_sub_dag_needs_one_node_above(ledger):
    dag = Dag()
    step = dag.map(one_step(), label="each")
    dag.node(numbers) >> step
    dag.node(load_orders) >> step
    with pytest.raises(DagbookError, match="each"):
        DagRunner(dag).run()
    assert ledger.calls == []


# -- what a node knows of its run


def told(ctx: DagContext, number: int) -> tuple[str, str, str]:
    return ctx.dag_nsref, ctx.node_label, ctx.run_id


def told_last(number: int, ctx: DagContext) -> tuple[str, str, str]:
    return ctx.dag_nsref, ctx.node_label, ctx.run_id


@pytest.mark.parametrize("function", [told, told_last])
def test_a_context_is_given_to_the_parameter_that_is_annotated_so(function):
    dag = Dag()
    dag.node(numbers) >> dag.node(summed) >> dag.node(function, label="here")
    result = DagRunner(dag).run(dag_nsref="outer")
    assert result.outputs == {"here": ("outer", "here", result.run_id)}


class Workplace(DagContext):
    pass


def at_work(ctx: Workplace) -> type:
    return type(ctx)


def test_a_context_is_of_the_class_that_is_asked_for():
    dag = Dag()
    dag.node(at_work)
    assert DagRunner(dag).run().outputs == {"at_work": Workplace}


def test_a_context_is_given_in_each_run():
    dag = Dag()
    dag.node(told)
    runner = DagRunner(dag)
    for _ in range(2):
        result = runner.run(source_inputs={"told": {"number": 1}})
        assert result.outputs["told"][2] == result.run_id


def test_a_mapped_run_is_called_by_its_step_and_key():
    dag = Dag()
    dag.node(numbers) >> dag.map(one_step(told), label="each")
    outputs = DagRunner(dag).run(dag_nsref="outer").outputs
    assert [name for name, _, _ in outputs["each"]] == ["outer/each[0]", "outer/each[1]", "outer/each[2]"]
    assert {label for _, label, _ in outputs["each"]} == {"told"}


def test_a_mapped_run_over_a_dict_is_called_by_the_key():
    def named() -> dict[str, int]:
        return {"a": 1}

    dag = Dag()
    dag.node(named) >> dag.map(one_step(told), label="each")
    assert DagRunner(dag).run(dag_nsref="outer").outputs["each"]["a"][0] == "outer/each[a]"


def test_a_called_run_is_called_by_its_step():
    dag = Dag()
    dag.node(numbers) >> dag.node(summed) >> dag.node(one_step(told), label="step")
    assert DagRunner(dag).run(dag_nsref="outer").outputs["step"][0] == "outer/step[call]"


CALLER = contextvars.ContextVar("CALLER", default="nobody")


def who() -> str:
    return CALLER.get()


def test_context_variables_reach_the_nodes_thread():
    dag = Dag()
    dag.node(who)
    token = CALLER.set("the test")
    try:
        assert DagRunner(dag).run().outputs == {"who": "the test"}
    finally:
        CALLER.reset(token)


# -- where nodes run


def on_a_thread() -> int:
    return threading.get_ident()


@inline
def in_line() -> int:
    return threading.get_ident()


def test_plain_functions_run_on_threads_and_inline_ones_do_not():
    dag = Dag()
    dag.node(on_a_thread)
    dag.node(in_line)
    here = threading.get_ident()
    outputs = awaited(DagRunner(dag).run_async()).outputs
    assert outputs["in_line"] == here
    assert outputs["on_a_thread"] != here
    assert in_line() == here, "the function is still callable"


def test_independent_nodes_run_beside_each_other(ledger):
    def left() -> int:
        ledger = sys.modules["ledger"]
        ledger.meet("here")
        return 1

    def right() -> int:
        ledger = sys.modules["ledger"]
        ledger.meet("here")
        return 2

    dag = Dag()
    dag.node(left)
    dag.node(right)
    assert DagRunner(dag).run().outputs == {"left": 1, "right": 2}


async def slowly(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


def test_coroutine_functions_are_nodes_too():
    dag = Dag()
    dag.node(numbers) >> dag.node(summed) >> dag.node(slowly)
    assert DagRunner(dag).run().outputs == {"slowly": 7}
    assert awaited(DagRunner(dag).run_async()).outputs == {"slowly": 7}


def test_the_loop_goes_on_while_a_run_is_awaited(ledger):
    def held() -> int:
        ledger = sys.modules["ledger"]
        assert ledger.facts["released"].wait(10)
        return 1

    ledger.facts["released"] = threading.Event()
    dag = Dag()
    dag.node(held)

    async def main():
        asyncio.get_running_loop().call_later(0.05, ledger.facts["released"].set)
        return await DagRunner(dag).run_async()

    assert awaited(main()).status == "completed"


def test_run_inside_a_running_loop_works_or_says_what_to_do(dag):
    async def main():
        try:
            return DagRunner(dag).run().status
        except DagbookError as error:
            return str(error)

    said = awaited(main())
    assert said == "completed" or "run_async" in said


# -- pause and restart


def test_a_run_that_is_paused_goes_on_where_it_was(ledger):
    def first() -> Part:
        ledger = sys.modules["ledger"]
        ledger.note("first")
        ledger.facts["runner"].pause()
        return Part(1)

    def second(part: Part) -> int:
        ledger = sys.modules["ledger"]
        ledger.note("second")
        return part.number

    dag = Dag()
    dag.node(first) >> dag.node(second)
    runner = ledger.facts["runner"] = DagRunner(dag)
    paused = runner.run()
    assert (paused.status, paused.outputs, paused.failed_node, paused.error) == ("paused", {}, None, None)
    assert ledger.taken() == ["first"]

    result = runner.restart(paused.run_id)
    assert (result.status, result.outputs, result.run_id) == ("completed", {"second": 1}, paused.run_id)
    assert ledger.taken() == ["second"]


def test_a_node_pauses_the_run_and_is_asked_again(ledger):
    def first() -> Part:
        ledger = sys.modules["ledger"]
        ledger.note("first")
        return Part(1)

    def approval(part: Part) -> Total:
        ledger = sys.modules["ledger"]
        ledger.note("approval")
        if not ledger.facts["approved"]:
            raise DagPause("not approved yet")
        return Total(part.number)

    dag = Dag()
    dag.node(first) >> dag.node(approval) >> dag.node(report)
    runner = DagRunner(dag)
    ledger.facts["approved"] = False
    paused = runner.run()
    assert (paused.status, paused.outputs, paused.failed_node, paused.error) == ("paused", {}, None, None)
    assert runner.restart(paused.run_id).status == "paused"

    ledger.facts["approved"] = True
    result = runner.restart(paused.run_id)
    assert (result.status, result.outputs) == ("completed", {"report": "total 1"})
    assert ledger.calls == ["first", "approval", "approval", "approval", "report"]


def test_a_failed_run_goes_on_where_it_was(dag, ledger):
    runner = DagRunner(dag)
    ledger.facts["broken"] = True
    failed = runner.run()
    ledger.facts["broken"] = False
    ledger.taken()
    result = runner.restart(failed.run_id)
    assert (result.status, result.outputs, result.run_id) == ("completed", {"report": "total 60"}, failed.run_id)
    assert ledger.taken() == ["total", "report"]


def test_a_restart_has_the_inputs_of_its_run(ledger):
    def fragile(number: int) -> int:
        ledger = sys.modules["ledger"]
        if ledger.facts["broken"]:
            raise RuntimeError("boom")
        return number

    dag = Dag()
    dag.node(double) >> dag.node(fragile)
    runner = DagRunner(dag)
    ledger.facts["broken"] = True
    failed = runner.run(source_inputs={"double": {"number": 21}})
    runner.run(source_inputs={"double": {"number": 1}})
    ledger.facts["broken"] = False
    assert runner.restart(failed.run_id).outputs == {"fragile": 42}


def test_an_unknown_run_is_neither_restarted_nor_replayed(dag):
    runner = DagRunner(dag)
    with pytest.raises(ValueError, match="run-that-never-was"):
        runner.restart("run-that-never-was")
    with pytest.raises(ValueError, match="run-that-never-was"):
        runner.replay("run-that-never-was", {"total"})


def test_a_completed_run_is_not_restarted(dag):
    runner = DagRunner(dag)
    done = runner.run()
    with pytest.raises(ValueError) as caught:
        runner.restart(done.run_id)
    assert done.run_id in str(caught.value)
    assert "completed" in str(caught.value)


# -- replay


def test_a_replay_runs_the_named_nodes_and_what_they_change(dag, ledger):
    runner = DagRunner(dag)
    old = runner.run()
    ledger.facts["extra"] = 5
    ledger.taken()
    new = runner.replay(old.run_id, {"total"})
    assert (new.status, new.outputs) == ("completed", {"report": "total 65"}), "what is below is not stale"
    assert ledger.taken() == ["total", "report"]
    assert new.run_id != old.run_id


def test_a_replay_that_changes_nothing_ends_at_the_named_nodes(dag, ledger):
    runner = DagRunner(dag)
    old = runner.run()
    ledger.taken()
    assert runner.replay(old.run_id, {"total"}).outputs == {"report": "total 60"}
    assert ledger.taken() == ["total"]


def test_a_replay_takes_the_values_of_its_run_and_not_newer_ones():
    dag = Dag()
    dag.node(double) >> dag.node(add_one)
    runner = DagRunner(dag)
    old = runner.run(source_inputs={"double": {"number": 3}})
    runner.run(source_inputs={"double": {"number": 100}})
    assert runner.replay(old.run_id, {"add_one"}).outputs == {"add_one": 7}


# -- provenance


VALUES = {
    "tuple": (1, (2, 3)),
    "set": {1, 2},
    "bytes": b"\x00",
    "date": datetime.date(2020, 1, 2),
    "keys": {1: "one", (2, 3): "pair"},
    "object": Orders((1,)),
}


def values() -> dict:
    return VALUES


def checked(values: dict) -> dict:
    ledger = sys.modules["ledger"]
    if ledger.facts.get("broken"):
        raise RuntimeError("boom")
    return values


def test_values_come_back_with_their_types_in_another_runner(tmp_path, ledger):
    dag = Dag()
    dag.node(values) >> dag.node(checked)
    ledger.facts["broken"] = True
    failed = DagRunner(dag, provenance=DagProvenance(tmp_path / "runs.db")).run()
    assert failed.status == "failed"
    ledger.facts["broken"] = False
    result = DagRunner(dag, provenance=DagProvenance(tmp_path / "runs.db")).restart(failed.run_id)
    assert result.outputs["checked"] == VALUES
    for name, value in result.outputs["checked"].items():
        assert type(value) is type(VALUES[name])


def rows(path, query):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_provenance_is_readable_rows(dag, ledger, tmp_path):
    path = tmp_path / "runs.db"
    runner = DagRunner(dag, provenance=DagProvenance(path))
    good = runner.run(dag_nsref="accounts")
    ledger.facts["broken"] = True
    bad = runner.run(full=True, dag_nsref="accounts")

    runs = {str(run): rest for run, *rest in rows(path, "SELECT id, dag, status, started, finished FROM runs")}
    assert set(runs) == {good.run_id, bad.run_id}
    assert [runs[r.run_id][:2] for r in (good, bad)] == [["accounts", "completed"], ["accounts", "failed"]]
    assert all(0 < started <= finished for _, _, started, finished in runs.values())

    nodes = rows(path, "SELECT run, label, status, error, attempts FROM nodes")
    status = {(str(run), label): status for run, label, status, _, _ in nodes}
    assert all(status[good.run_id, label] == "completed" for label in ("load_orders", "load_prices", "total", "report"))
    assert status[bad.run_id, "total"] == "failed"
    (error,) = {error for run, label, _, error, _ in nodes if (str(run), label) == (bad.run_id, "total")}
    assert "boom" in error

    edges = [(up, down) for run, up, down in rows(path, "SELECT run, upstream, downstream FROM edges")
             if str(run) == good.run_id]  # fmt: skip
    assert sorted(edges) == [("load_orders", "total"), ("load_prices", "total"), ("total", "report")]


KILLED = """
    import os
    import sys
    import threading

    from dagbook import Dag, DagContext, DagProvenance, DagRunner, ExecutionCallbacks


    def first(ctx: DagContext) -> int:
        print("first", ctx.run_id, flush=True)
        return 20


    def second(number: int) -> int:
        print("second", flush=True)
        if os.environ.get("SEEDS_DIE"):
            sys.modules["first is kept"].wait(10)
            os._exit(9)
        return number + 1


    dag = Dag()
    dag.node(first) >> dag.node(second)


    def runner(path, callbacks=None):
        return DagRunner(dag, provenance=DagProvenance(path), callbacks=callbacks)


    def run(path):
        kept = sys.modules["first is kept"] = threading.Event()
        runner(path, ExecutionCallbacks(on_node_complete=lambda name, value: kept.set())).run()
"""


def test_a_run_whose_process_was_killed_goes_on_where_it_was(tmp_path, monkeypatch, printed):
    (tmp_path / "seeds_killed.py").write_text(textwrap.dedent(KILLED))
    path = tmp_path / "runs.db"
    source = os.path.dirname(os.path.dirname(dagbook.__file__))
    environment = os.environ | {"SEEDS_DIE": "1", "PYTHONPATH": os.pathsep.join([source, str(tmp_path)])}
    command = f"import seeds_killed; seeds_killed.run({str(path)!r})"
    child = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True, timeout=60)
    assert child.returncode == 9, child.stderr
    first, second = child.stdout.splitlines()
    assert second == "second"

    monkeypatch.syspath_prepend(tmp_path)
    import seeds_killed

    result = seeds_killed.runner(path).restart(first.split()[1])
    assert (result.status, result.outputs) == ("completed", {"second": 21})
    assert printed() == ["second"], "what was finished is not run again"
    del sys.modules["seeds_killed"]
