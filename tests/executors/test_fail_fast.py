"""With fail-fast nothing is started after the first failure; without, only what needs the failed node is skipped."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dagbook import AsyncDAGExecutor, DAGExecutor, DynamicExecutor, IncrementalExecutor
from tests.executors.conftest import failing, graph, statuses


def test_what_runs_is_allowed_to_end(account):
    dag = graph("bad", "slow>later")
    failed = threading.Event()

    def bad():
        slow_runs.wait(10)
        failed.set()
        raise RuntimeError("boom")

    slow_runs = threading.Event()

    def slow():
        slow_runs.set()
        assert failed.wait(10)
        return "whole"

    result = DAGExecutor(dag, max_workers=2).execute(account.tasks(dag, bad=bad, slow=slow))
    assert statuses(result) == {"bad": "FAILED", "slow": "COMPLETED", "later": "SKIPPED"}
    assert result["slow"].result == "whole"
    assert "bad failed" in result["later"].reason


@pytest.mark.parametrize("fail_fast", [True, False])
def test_one_after_another_the_rest_is_skipped_or_runs(account, fail_fast):
    dag = graph("bad>below>lowest", "good>other")
    result = DAGExecutor(dag, max_workers=1, fail_fast=fail_fast).execute(account.tasks(dag, bad=failing))
    assert account.ran == (["bad"] if fail_fast else ["bad", "good", "other"])
    rest = "SKIPPED" if fail_fast else "COMPLETED"
    assert statuses(result) == {
        "bad": "FAILED",
        "below": "SKIPPED",
        "lowest": "SKIPPED",
        "good": rest,
        "other": rest,
    }


def test_every_executor_means_the_same_by_it(account):
    dag = graph("bad>below", "good")
    tasks = account.tasks(dag, bad=failing)
    for executor in (DAGExecutor(dag, fail_fast=False), IncrementalExecutor(dag, fail_fast=False)):
        assert statuses(executor.execute(tasks)) == {"bad": "FAILED", "below": "SKIPPED", "good": "COMPLETED"}
    grown = DynamicExecutor(dag, {}, fail_fast=False).execute(tasks)
    assert statuses(grown) == {"bad": "FAILED", "below": "SKIPPED", "good": "COMPLETED"}


@pytest.mark.parametrize("raised", [SystemExit(1), KeyError("k"), GeneratorExit(), BaseException("base")])
def test_whatever_a_task_raises_fails_that_node_alone(account, raised):
    def bad():
        raise raised

    dag = graph("bad>below", "good")
    result = DAGExecutor(dag, fail_fast=False).execute(account.tasks(dag, bad=bad))
    assert statuses(result) == {"bad": "FAILED", "below": "SKIPPED", "good": "COMPLETED"}
    assert result["bad"].error is raised


def test_it_holds_in_an_event_loop(account):
    async def bad():
        raise RuntimeError("boom")

    dag = graph("bad>below", "good")
    tasks = account.tasks(dag) | {"bad": bad}
    result = asyncio.run(AsyncDAGExecutor(dag, fail_fast=False).execute(tasks))
    assert statuses(result) == {"bad": "FAILED", "below": "SKIPPED", "good": "COMPLETED"}
