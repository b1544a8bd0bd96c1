"""The samples on executing tasks, as they are written, and what is said beside them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from inspect import signature

import pytest

import dagbook as dagron
from dagbook import DAGExecutor, NodeStatus, Pipeline, task
from dagbook.errors import DagbookError, MissingInputError
from tests.seeds.conftest import REQUIRED, assert_takes, statuses


@pytest.fixture
def dag():
    return (
        dagron.DAG.builder()
        .add_edge("a", "b")
        .add_edge("a", "c")
        .add_edge("b", "d")
        .add_edge("c", "d")
        .build()
    )


@pytest.fixture
def tasks():
    return {
        "a": lambda: "data",
        "b": lambda: "processed_b",
        "c": lambda: "processed_c",
        "d": lambda: "merged",
    }


@pytest.fixture
def sigint_as_before():
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


# -- DAGExecutor


def test_the_diamond_runs():
    dag = (
        dagron.DAG.builder()
        .add_edge("a", "b")
        .add_edge("a", "c")
        .add_edge("b", "d")
        .add_edge("c", "d")
        .build()
    )
    tasks = {
        "a": lambda: "data",
        "b": lambda: "processed_b",
        "c": lambda: "processed_c",
        "d": lambda: "merged",
    }
    result = dagron.DAGExecutor(dag).execute(tasks)

    assert isinstance(result, dagron.ExecutionResult)
    assert statuses(result) == dict.fromkeys("abcd", "COMPLETED")
    assert {name: nr.result for name, nr in result.node_results.items()} == {
        "a": "data",
        "b": "processed_b",
        "c": "processed_c",
        "d": "merged",
    }


def test_b_and_c_of_the_diamond_run_beside_each_other(dag, tasks, ledger):
    tasks["b"] = lambda: ledger.meet("middle")
    tasks["c"] = lambda: ledger.meet("middle")
    assert statuses(dagron.DAGExecutor(dag).execute(tasks)) == dict.fromkeys("abcd", "COMPLETED")


def test_the_constructor_takes_what_is_documented(dag):
    assert_takes(dagron.DAGExecutor, {
        "dag": REQUIRED,
        "max_workers": None,
        "costs": None,
        "callbacks": None,
        "fail_fast": True,
        "enable_tracing": False,
        "hooks": None,
    })
    dagron.DAGExecutor(
        dag,
        max_workers=None,
        costs=None,
        callbacks=None,
        fail_fast=True,
        enable_tracing=False,
        hooks=None,
    )


def test_execute_takes_what_is_documented(dag, tasks):
    assert_takes(dagron.DAGExecutor.execute, {"tasks": REQUIRED, "timeout": None, "cancel_event": None})
    executor = dagron.DAGExecutor(dag)
    result = executor.execute(
        tasks,
        timeout=None,
        cancel_event=None,
    )
    assert result.succeeded == 4


@pytest.mark.parametrize("wrong", [{"e": lambda: 0}, {"d": None}, {"d": "merged"}], ids=["unknown", "none", "text"])
def test_tasks_that_do_not_fit_are_refused_before_anything_runs(dag, tasks, ledger, wrong):
    tasks["a"] = lambda: ledger.note("a")
    with pytest.raises(DagbookError, match=repr(*wrong)):
        dagron.DAGExecutor(dag).execute(tasks | wrong)
    assert ledger.calls == []


def test_a_missing_task_is_refused_before_anything_runs(dag, tasks, ledger):
    tasks["a"] = lambda: ledger.note("a")
    del tasks["d"]
    with pytest.raises(DagbookError, match="'d'"):
        dagron.DAGExecutor(dag).execute(tasks)
    assert ledger.calls == []


def test_nothing_is_reused_between_two_calls(dag, tasks, ledger):
    tasks["a"] = lambda: ledger.note("a")
    executor = dagron.DAGExecutor(dag)
    executor.execute(tasks)
    executor.execute(tasks)
    assert ledger.calls == ["a", "a"]


# -- results


def test_a_result_counts_and_names(dag, tasks, printed):
    result = dagron.DAGExecutor(dag).execute(tasks)
    print(result.succeeded)
    print(result.failed)
    print(result.skipped)
    print(result.timed_out)
    print(result.cancelled)
    print(result.total_duration_seconds)
    for name, nr in result.node_results.items():
        print(name, nr.status, nr.result, nr.error, nr.duration_seconds)

    lines = printed()
    assert lines[:5] == ["4", "0", "0", "0", "0"]
    assert isinstance(result.total_duration_seconds, float)
    assert result.total_duration_seconds >= 0.0
    assert [line.split()[0] for line in lines[6:]] == ["a", "b", "c", "d"]


def test_a_node_result_has_the_documented_fields(dag, tasks):
    error = RuntimeError("boom")

    def failing():
        raise error

    result = dagron.DAGExecutor(dag, fail_fast=False).execute(tasks | {"b": failing})
    a, b, d = (result.node_results[name] for name in "abd")
    assert isinstance(a, dagron.NodeResult)
    assert (a.name, a.status, a.result, a.error) == ("a", NodeStatus.COMPLETED, "data", None)
    assert isinstance(a.duration_seconds, float)
    assert (b.name, b.status, b.result, b.error) == ("b", NodeStatus.FAILED, None, error)
    assert (d.name, d.status, d.result, d.error) == ("d", NodeStatus.SKIPPED, None, None)
    assert "b" in d.reason
    assert result["a"] is result.node_results["a"]


def test_there_are_the_eight_documented_statuses_and_paused():
    assert set(NodeStatus.__members__) == {
        "PENDING",
        "RUNNING",
        "COMPLETED",
        "FAILED",
        "SKIPPED",
        "TIMED_OUT",
        "CANCELLED",
        "CACHE_HIT",
        "PAUSED",
    }


def test_a_status_is_compared_with_the_enumeration(dag, tasks, printed):
    result = dagron.DAGExecutor(dag).execute(tasks)
    if result.node_results["d"].status == NodeStatus.COMPLETED:
        print("All good!")

    assert printed() == ["All good!"]


# -- failures


def test_fail_fast_skips_what_needs_the_failed_node(printed):
    def slow_a():
        time.sleep(1)
        return "ok"

    def failing_b():
        raise RuntimeError("boom")

    def depends_on_b():
        return "never reached"

    dag = dagron.DAG.builder() \
        .add_edge("a", "c") \
        .add_edge("b", "c") \
        .build()

    result = dagron.DAGExecutor(dag, fail_fast=True).execute({
        "a": slow_a,
        "b": failing_b,
        "c": depends_on_b,
    })

    print(result.node_results["b"].status)
    print(result.node_results["c"].status)

    assert [line.rpartition(".")[2].upper() for line in printed()] == ["FAILED", "SKIPPED"]
    assert statuses(result) == {"a": "COMPLETED", "b": "FAILED", "c": "SKIPPED"}, "what runs is allowed to end"
    assert result.node_results["a"].result == "ok"
    assert str(result.node_results["b"].error) == "boom"


def test_fail_fast_starts_nothing_after_the_first_failure(ledger):
    dag = dagron.DAG.builder().add_nodes(["first", "second"]).add_edge("second", "third").build()
    result = dagron.DAGExecutor(dag, max_workers=1).execute({
        "first": lambda: 1 / 0,
        "second": lambda: ledger.note("second"),
        "third": lambda: ledger.note("third"),
    })
    assert statuses(result) == {"first": "FAILED", "second": "SKIPPED", "third": "SKIPPED"}
    assert ledger.calls == []
    assert "first" in result.node_results["second"].reason
    assert (result.failed, result.skipped) == (1, 2)


def test_without_fail_fast_independent_branches_go_on(printed):
    dag = (
        dagron.DAG.builder()
        .add_edge("root", "branch_a")
        .add_edge("root", "branch_b")
        .add_edge("branch_a", "join")
        .add_edge("branch_b", "join")
        .build()
    )

    def ok():
        return "ok"

    def fail():
        raise RuntimeError("oops")

    result = dagron.DAGExecutor(dag, fail_fast=False).execute({
        "root": ok,
        "branch_a": fail,
        "branch_b": ok,
        "join": ok,
    })

    print(result.node_results["branch_b"].status)
    print(result.node_results["join"].status)

    assert [line.rpartition(".")[2].upper() for line in printed()] == ["COMPLETED", "SKIPPED"]
    assert statuses(result) == {
        "root": "COMPLETED",
        "branch_a": "FAILED",
        "branch_b": "COMPLETED",
        "join": "SKIPPED",
    }


def test_without_fail_fast_all_descendants_of_a_failed_node_are_skipped():
    """The page says "direct descendants"; what needs a node that was skipped cannot run either."""
    dag = dagron.DAG.builder().add_edge("a", "b").add_edge("b", "c").add_edge("c", "d").build()
    result = dagron.DAGExecutor(dag, fail_fast=False).execute({
        "a": lambda: 1 / 0,
        "b": lambda: 0,
        "c": lambda: 0,
        "d": lambda: 0,
    })
    assert statuses(result) == {"a": "FAILED", "b": "SKIPPED", "c": "SKIPPED", "d": "SKIPPED"}


# -- timeouts


def test_nothing_times_out_within_the_timeout(dag, tasks, printed):
    result = dagron.DAGExecutor(dag).execute(tasks, timeout=30.0)

    for name, nr in result.node_results.items():
        if nr.status == dagron.NodeStatus.TIMED_OUT:
            print(f"{name} timed out!")

    assert printed() == []
    assert result.succeeded == 4


def test_what_runs_at_the_deadline_is_timed_out_and_its_late_result_is_thrown_away(dag, tasks, printed):
    released = threading.Event()
    tasks["b"] = tasks["c"] = lambda: released.wait(10)
    began = time.monotonic()
    result = dagron.DAGExecutor(dag, max_workers=2).execute(tasks, timeout=0.5)
    took = time.monotonic() - began
    released.set()

    for name, nr in result.node_results.items():
        if nr.status == dagron.NodeStatus.TIMED_OUT:
            print(f"{name} timed out!")

    assert printed() == ["b timed out!", "c timed out!"]
    assert 0.5 <= took <= 0.6
    assert statuses(result) == {"a": "COMPLETED", "b": "TIMED_OUT", "c": "TIMED_OUT", "d": "SKIPPED"}
    assert (result.succeeded, result.timed_out, result.skipped) == (1, 2, 1)
    assert result.node_results["b"].result is None


def test_a_node_has_a_timeout_of_its_own():
    released = threading.Event()
    dag = dagron.DAG.builder().add_node("slow", timeout=0.2).add_node("other").add_edge("slow", "below").build()
    result = dagron.DAGExecutor(dag, fail_fast=False).execute({
        "slow": lambda: released.wait(10),
        "other": lambda: "other",
        "below": lambda: "below",
    })
    released.set()
    assert statuses(result) == {"slow": "TIMED_OUT", "other": "COMPLETED", "below": "SKIPPED"}


# -- cancelling


def test_an_event_that_is_never_set_cancels_nothing(dag, tasks):
    cancel = threading.Event()

    result = dagron.DAGExecutor(dag).execute(tasks, cancel_event=cancel)

    assert (result.succeeded, result.cancelled) == (4, 0)


def test_cancelling_lets_running_tasks_end_and_starts_nothing_more(dag, tasks):
    cancel = threading.Event()

    def cancelling():
        cancel.set()
        return "finished"

    result = dagron.DAGExecutor(dag).execute(tasks | {"a": cancelling}, cancel_event=cancel)
    assert statuses(result) == {"a": "COMPLETED", "b": "CANCELLED", "c": "CANCELLED", "d": "CANCELLED"}
    assert result.node_results["a"].result == "finished"
    assert (result.succeeded, result.cancelled) == (1, 3)


def test_a_signal_handler_cancels(dag, tasks, printed, sigint_as_before):
    def interrupted():
        os.kill(os.getpid(), signal.SIGINT)
        assert cancel.wait(10)

    tasks["a"] = interrupted
    cancel = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: cancel.set())
    result = dagron.DAGExecutor(dag).execute(tasks, cancel_event=cancel)
    print(result.cancelled)

    assert printed() == ["3"]
    assert result.node_results["a"].status == NodeStatus.COMPLETED


# -- callbacks


class MyCallbacks:
    def on_node_start(self, name):
        print(f"[START] {name}")

    def on_node_complete(self, name, result):
        print(f"[DONE] {name} -> {result}")

    def on_node_error(self, name, error):
        print(f"[FAIL] {name}: {error}")

    def on_node_skip(self, name):
        print(f"[SKIP] {name}")


def test_callbacks_hear_of_every_node_in_order(dag, tasks, printed):
    result = dagron.DAGExecutor(dag, callbacks=MyCallbacks()).execute(tasks)

    assert result.succeeded == 4
    lines = printed()
    assert lines[:2] == ["[START] a", "[DONE] a -> data"]
    assert sorted(lines[2:6]) == ["[DONE] b -> processed_b", "[DONE] c -> processed_c", "[START] b", "[START] c"]
    for name in "bc":
        started, done = (next(n for n, line in enumerate(lines) if line.startswith(f"[{word}] {name}"))
                         for word in ("START", "DONE"))  # fmt: skip
        assert started < done
    assert lines[6:] == ["[START] d", "[DONE] d -> merged"]


def test_callbacks_hear_of_failures_and_of_what_is_skipped(dag, tasks, printed):
    def failing():
        raise RuntimeError("boom")

    dagron.DAGExecutor(dag, callbacks=MyCallbacks(), max_workers=1, fail_fast=False).execute(tasks | {"b": failing})
    assert printed() == [
        "[START] a",
        "[DONE] a -> data",
        "[START] b",
        "[FAIL] b: boom",
        "[SKIP] d",
        "[START] c",
        "[DONE] c -> processed_c",
    ]


def test_a_callback_that_raises_fails_no_node(dag, tasks, recwarn):
    class Bad:
        calls = 0

        def on_node_start(self, name):
            self.calls += 1
            raise ValueError("not mine")

    bad = Bad()
    result = dagron.DAGExecutor(dag, callbacks=bad).execute(tasks)
    assert result.succeeded == 4
    assert bad.calls == 3, "after three times it is no longer called"


class ProgressTracker:
    def __init__(self, total):
        self.total = total
        self.done = 0

    def on_node_complete(self, name, result):
        self.done += 1
        pct = (self.done / self.total) * 100
        print(f"Progress: {self.done}/{self.total} ({pct:.0f}%)")

    def on_node_error(self, name, error):
        self.done += 1

    def on_node_skip(self, name):
        self.done += 1


def test_progress_is_counted(dag, tasks, printed):
    tracker = ProgressTracker(dag.node_count())
    result = DAGExecutor(dag, callbacks=tracker).execute(tasks)

    assert result.succeeded == tracker.done == tracker.total == 4
    assert printed() == ["Progress: 1/4 (25%)", "Progress: 2/4 (50%)", "Progress: 3/4 (75%)", "Progress: 4/4 (100%)"]


def test_progress_is_complete_when_nodes_fail(dag, tasks):
    tracker = ProgressTracker(dag.node_count())
    DAGExecutor(dag, callbacks=tracker).execute(tasks | {"b": lambda: 1 / 0})
    assert tracker.done == tracker.total


# -- costs


def test_costs_are_taken():
    dag = dagron.DAG.builder().add_edge("preprocess", "train_model").add_edge("train_model", "evaluate").build()
    tasks = {"preprocess": lambda: 1, "train_model": lambda: 2, "evaluate": lambda: 3}
    costs = {
        "train_model": 100.0,
        "evaluate": 10.0,
        "preprocess": 5.0,
    }
    result = dagron.DAGExecutor(dag, costs=costs).execute(tasks)

    assert result.succeeded == 3


def test_of_the_ready_nodes_the_one_with_the_longest_way_to_a_sink_is_started_first(ledger):
    builder = dagron.DAG.builder().add_nodes(["cheap", "dear", "leads_to_dearest"])
    dag = builder.add_edge("leads_to_dearest", "dearest").build()
    tasks = dict.fromkeys(("cheap", "dearest"), lambda: None)
    tasks |= dict.fromkeys(("dear", "leads_to_dearest"), lambda: ledger.meet("the first two"))
    costs = {"cheap": 1.0, "dear": 50.0, "leads_to_dearest": 1.0, "dearest": 100.0}
    callbacks = dagron.ExecutionCallbacks(on_node_start=ledger.note)
    dagron.DAGExecutor(dag, max_workers=2, costs=costs, callbacks=callbacks).execute(tasks)
    assert ledger.calls[:2] == ["leads_to_dearest", "dear"]


# -- AsyncDAGExecutor


def test_coroutines_run_in_the_async_executor(printed):
    dag = (
        dagron.DAG.builder()
        .add_edge("fetch_users", "enrich")
        .add_edge("fetch_orders", "enrich")
        .add_edge("enrich", "store")
        .build()
    )

    async def fetch_users():
        await asyncio.sleep(0.5)
        return [{"id": 1, "name": "Alice"}]

    async def fetch_orders():
        await asyncio.sleep(0.3)
        return [{"id": 1, "item": "Widget"}]

    async def enrich():
        return {"users": 1, "orders": 1}

    async def store():
        return "stored"

    async def main():
        executor = dagron.AsyncDAGExecutor(dag)
        result = await executor.execute({
            "fetch_users": fetch_users,
            "fetch_orders": fetch_orders,
            "enrich": enrich,
            "store": store,
        })
        print(result.succeeded)
        return result

    result = asyncio.run(main())

    assert printed() == ["4"]
    assert result.node_results["fetch_users"].result == [{"id": 1, "name": "Alice"}]
    assert result.node_results["store"].result == "stored"


def test_the_async_executor_takes_the_same_arguments():
    assert signature(dagron.AsyncDAGExecutor) == signature(dagron.DAGExecutor)
    plain, other = signature(dagron.DAGExecutor.execute), signature(dagron.AsyncDAGExecutor.execute)
    assert other.parameters == plain.parameters


def test_coroutines_run_on_the_callers_loop_and_plain_functions_in_threads(dag):
    async def main():
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        met = asyncio.Barrier(2)

        async def coroutine():
            async with asyncio.timeout(10):
                await met.wait()
            return asyncio.get_running_loop() is loop

        return thread, await dagron.AsyncDAGExecutor(dag).execute({
            "a": threading.get_ident,
            "b": coroutine,
            "c": coroutine,
            "d": threading.get_ident,
        })

    thread, result = asyncio.run(main())
    assert statuses(result) == dict.fromkeys("abcd", "COMPLETED")
    assert result.node_results["b"].result is True
    assert result.node_results["c"].result is True
    assert result.node_results["a"].result != thread
    assert result.node_results["d"].result != thread


def test_the_async_executor_times_out(dag, tasks):
    async def slow():
        await asyncio.sleep(10)

    result = asyncio.run(dagron.AsyncDAGExecutor(dag).execute(tasks | {"b": slow}, timeout=0.3))
    assert statuses(result) == {"a": "COMPLETED", "b": "TIMED_OUT", "c": "COMPLETED", "d": "SKIPPED"}


def test_the_plain_executor_runs_a_coroutine_function_to_its_value(dag, tasks):
    async def coroutine():
        await asyncio.sleep(0)
        return "value"

    result = dagron.DAGExecutor(dag).execute(tasks | {"b": coroutine})
    assert result.node_results["b"].result == "value"


# -- Pipeline


def test_a_pipeline_passes_values_by_parameter_names(printed):
    @task
    def download():
        return {"raw": [1, 2, 3]}

    @task
    def normalize(download):
        return [x * 10 for x in download["raw"]]

    @task
    def summarize(normalize):
        return {"count": len(normalize), "total": sum(normalize)}

    pipeline = Pipeline(tasks=[download, normalize, summarize], name="etl")
    result = pipeline.execute()

    print(result.node_results["summarize"].result)

    assert printed() == ["{'count': 3, 'total': 60}"]
    assert statuses(result) == dict.fromkeys(("download", "normalize", "summarize"), "COMPLETED")
    assert pipeline.name == "etl"
    assert summarize([1, 2]) == {"count": 2, "total": 3}, "a task is still callable"


def test_a_parameter_named_like_a_task_is_an_edge():
    @task
    def a():
        return 1

    @task
    def b():
        return 2

    @task
    def c(a, b):
        return a + b

    pipeline = Pipeline(tasks=[a, b, c])

    result = pipeline.execute()
    assert {name: nr.result for name, nr in result.node_results.items()} == {"a": 1, "b": 2, "c": 3}


def test_the_order_in_which_the_tasks_are_given_is_free():
    @task
    def first():
        return 1

    @task
    def second(first):
        return first + 1

    assert Pipeline(tasks=[second, first]).execute()["second"].result == 2


def test_a_pipeline_runs_in_a_loop():
    @task
    def download():
        return [1, 2, 3]

    @task
    async def total(download):
        await asyncio.sleep(0)
        return sum(download)

    pipeline = Pipeline(tasks=[download, total])

    async def main():
        result = await pipeline.execute_async()
        assert result.node_results["total"].result == 6

    asyncio.run(main())


def test_a_parameter_that_nothing_provides_is_refused_before_anything_runs(ledger):
    @task
    def a():
        ledger.note("a")

    @task
    def b(a, nothing):
        return a, nothing

    with pytest.raises(MissingInputError, match="'nothing'"):
        Pipeline(tasks=[a, b]).execute()
    assert ledger.calls == []


# -- parallelism


def test_max_workers_bounds_what_runs_at_once():
    dag = dagron.DAG.builder().add_nodes([f"n{i}" for i in range(6)]).build()
    lock, now, most = threading.Lock(), 0, 0

    def busy():
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.03)
        with lock:
            now -= 1

    tasks = dict.fromkeys([f"n{i}" for i in range(6)], busy)
    result = dagron.DAGExecutor(dag, max_workers=2).execute(tasks)

    assert result.succeeded == 6
    assert most == 2


def test_the_default_uses_more_than_one_thread(dag, tasks):
    result = dagron.DAGExecutor(dag).execute(tasks)

    assert result.succeeded == 4


def test_one_worker_runs_everything_in_topological_order(dag, ledger):
    def noting(name):
        def noted():
            ledger.note(f"{name} starts")
            time.sleep(0.02)
            ledger.note(f"{name} ends")

        return noted

    dagron.DAGExecutor(dag, max_workers=1).execute({name: noting(name) for name in "dcba"})
    assert ledger.calls == [f"{name} {what}" for name in "abcd" for what in ("starts", "ends")]


def test_the_execution_plan_is_printed_by_levels(dag, printed):
    plan = dag.execution_plan()
    for step in plan:
        print(step)

    assert printed() == [
        "ExecutionStep(level=0, nodes=['a'])",
        "ExecutionStep(level=1, nodes=['b', 'c'])",
        "ExecutionStep(level=2, nodes=['d'])",
    ]
    assert [(step.level, step.nodes) for step in plan] == [(0, ["a"]), (1, ["b", "c"]), (2, ["d"])]


# -- all of it


def test_the_complete_example(printed, tmp_path):
    dag = (
        dagron.DAG.builder()
        .add_nodes(["extract", "validate", "transform", "enrich", "load", "notify"])
        .add_edges([
            ("extract", "validate"),
            ("validate", "transform"),
            ("validate", "enrich"),
            ("transform", "load"),
            ("enrich", "load"),
            ("load", "notify"),
        ])
        .build()
    )

    def extract():
        time.sleep(0.1)
        return {"rows": 1000}

    def validate():
        return {"valid": True}

    def transform():
        time.sleep(0.2)
        return {"transformed": 1000}

    def enrich():
        time.sleep(0.15)
        return {"enriched": 1000}

    def load():
        return {"loaded": 1000}

    def notify():
        return "email sent"

    tasks = {
        "extract": extract,
        "validate": validate,
        "transform": transform,
        "enrich": enrich,
        "load": load,
        "notify": notify,
    }

    class Logger:
        def on_node_start(self, name):
            print(f" -> {name}")

        def on_node_complete(self, name, result):
            print(f" <- {name}: {result}")

        def on_node_error(self, name, error):
            print(f" !! {name}: {error}")

    cancel = threading.Event()

    result = dagron.DAGExecutor(
        dag,
        max_workers=4,
        callbacks=Logger(),
        fail_fast=True,
        enable_tracing=True,
        costs={"transform": 2.0, "enrich": 1.5},
    ).execute(tasks, timeout=60.0, cancel_event=cancel)

    print(f"\nCompleted: {result.succeeded}/{dag.node_count()}")
    print(f"Duration: {result.total_duration_seconds:.3f}s")
    for name, nr in result.node_results.items():
        print(f" {name}: {nr.status.name} ({nr.duration_seconds:.3f}s)")

    lines = printed()
    assert lines[:7] == [
        " -> extract",
        " <- extract: {'rows': 1000}",
        " -> validate",
        " <- validate: {'valid': True}",
        " -> transform",
        " -> enrich",
        " <- enrich: {'enriched': 1000}",
    ]
    assert lines[7:12] == [
        " <- transform: {'transformed': 1000}",
        " -> load",
        " <- load: {'loaded': 1000}",
        " -> notify",
        " <- notify: email sent",
    ]
    assert lines[12:14] == ["", "Completed: 6/6"]
    assert result.total_duration_seconds >= 0.3
    assert {line.split()[0]: line.split()[1] for line in lines[15:]} == {f"{name}:": "COMPLETED" for name in tasks}
    assert result.node_results["transform"].duration_seconds >= 0.2

    path = tmp_path / "trace.json"
    result.trace.to_chrome_trace(path)
    assert all(name in path.read_text() for name in tasks)
    json.loads(path.read_text())
    json.dumps(result.trace.to_json())
    assert "transform" in result.trace.summary(), "it is on the critical path"


def test_there_is_no_trace_unless_it_was_asked_for(dag, tasks):
    assert dagron.DAGExecutor(dag).execute(tasks).trace is None
