"""Timeouts are kept, late results are thrown away, threads that are left behind are named; an event cancels."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from dagbook import AsyncDAGExecutor, DAGExecutor
from tests.executors.conftest import graph, statuses


@pytest.mark.parametrize("workers", [1, 2])
def test_execute_returns_on_time(account, released, workers):
    dag = graph("slow>below", "quick")
    tasks = account.tasks(dag, slow=lambda: released.wait(3))
    began = time.monotonic()
    result = DAGExecutor(dag, max_workers=workers).execute(tasks, timeout=0.2)
    assert 0.2 <= time.monotonic() - began <= 0.24
    assert result["slow"].status.name == "TIMED_OUT"
    assert isinstance(result["slow"].error, TimeoutError)
    assert result["below"].status.name == "SKIPPED"
    assert "0.2 s" in result["below"].reason


def test_a_late_result_is_thrown_away(account, released):
    dag = graph("slow>below")
    ended = threading.Event()

    def slow():
        try:
            released.wait(10)
            return "late"
        finally:
            ended.set()

    result = DAGExecutor(dag).execute(account.tasks(dag, slow=slow), timeout=0.1)
    assert (result.left_behind, result.abandoned) == (["slow"], 1)
    assert "still ending in the background: slow" in repr(result)
    released.set()
    assert ended.wait(10)
    assert (result["slow"].result, result["slow"].status.name) == (None, "TIMED_OUT")
    assert account.ran == ["slow"]


def test_the_next_execution_has_all_its_workers(account, released):
    dag = graph("slow", "other")
    executor = DAGExecutor(dag, max_workers=2)
    executor.execute(account.tasks(dag, slow=lambda: released.wait(10)), timeout=0.1)
    meeting = threading.Barrier(2, timeout=10)
    result = executor.execute(account.tasks(dag, slow=meeting.wait, other=meeting.wait))
    assert result.succeeded == 2


def test_an_execution_in_time_is_not_disturbed(account):
    dag = graph("a>b")
    result = DAGExecutor(dag).execute(account.tasks(dag), timeout=60)
    assert result.succeeded == 2


def test_an_event_that_is_set_before_cancels_everything(account):
    cancel = threading.Event()
    cancel.set()
    dag = graph("a>b")
    result = DAGExecutor(dag).execute(account.tasks(dag), cancel_event=cancel)
    assert statuses(result) == {"a": "CANCELLED", "b": "CANCELLED"}
    assert account.ran == []
    assert result["a"].reason


def test_an_event_that_another_thread_sets_is_soon_heard(account, released):
    dag = graph("a>b", "c")
    cancel, runs = threading.Event(), threading.Event()

    def a():
        runs.set()
        assert cancel.wait(10)
        return "ended"

    thread = threading.Thread(target=lambda: (runs.wait(10), cancel.set()))
    thread.start()
    result = DAGExecutor(dag, max_workers=1).execute(account.tasks(dag, a=a), cancel_event=cancel)
    thread.join()
    assert statuses(result) == {"a": "COMPLETED", "b": "CANCELLED", "c": "CANCELLED"}


def test_an_event_cancels_coroutines_too():
    dag = graph("a>b")

    async def main():
        cancel = threading.Event()

        async def a():
            cancel.set()
            return "ended"

        async def b():
            return "never"

        return await AsyncDAGExecutor(dag).execute({"a": a, "b": b}, cancel_event=cancel)

    assert statuses(asyncio.run(main())) == {"a": "COMPLETED", "b": "CANCELLED"}


INTERRUPTED = """
import os, signal, threading, time
from dagbook import DAGExecutor, DAG
dag = DAG.builder().add_edge("quick", "slow").add_edge("slow", "below").build()

def slow():
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    time.sleep(20)

began = time.monotonic()
result = DAGExecutor(dag, max_workers=WORKERS).execute({"quick": lambda: "kept", "slow": slow, "below": lambda: 1})
print([node.status.name for node in result.node_results.values()], result["quick"].result)
assert time.monotonic() - began < 1.2
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupt_returns_within_a_second_with_what_had_finished(workers):
    script = INTERRUPTED.replace("WORKERS", workers)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert (done.stdout.strip(), done.returncode) == ("['COMPLETED', 'CANCELLED', 'CANCELLED'] kept", 0), done.stderr
