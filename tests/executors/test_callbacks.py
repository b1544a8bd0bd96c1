"""Callbacks hear of every node in order; whatever they do, the run and its result are the same."""

from __future__ import annotations

import threading
import time
import warnings

import pytest

from dagbook import DAGExecutor, ExecutionCallbacks, IncrementalExecutor, UsageError
from tests.executors.conftest import DIAMOND, failing, graph, statuses


class Listening:
    """Hears of everything."""

    def __init__(self, name="", heard=None, priority=0):
        self.name = name
        self.priority = priority
        self.heard = heard if heard is not None else []

    def note(self, *told):
        self.heard.append((self.name, *told) if self.name else told)

    def on_node_start(self, name):
        self.note("start", name)

    def on_node_complete(self, name, result):
        self.note("complete", name, result)

    def on_node_error(self, name, error):
        self.note("error", name, type(error).__name__)

    def on_node_skip(self, name):
        self.note("skip", name)


def test_every_node_is_told_of_in_order(account):
    dag = graph("a>b>c", "d")
    listening = Listening()
    DAGExecutor(dag, max_workers=1, callbacks=listening, fail_fast=False).execute(account.tasks(dag, b=failing))
    assert listening.heard == [
        ("start", "a"),
        ("complete", "a", "a"),
        ("start", "b"),
        ("error", "b", "RuntimeError"),
        ("skip", "c"),
        ("start", "d"),
        ("complete", "d", "d"),
    ]


def test_a_node_that_timed_out_is_an_error_and_one_that_was_cancelled_a_skip(account, released):
    dag = graph("slow>below")
    listening = Listening()
    DAGExecutor(dag, callbacks=listening).execute(account.tasks(dag, slow=lambda: released.wait(10)), timeout=0.1)
    assert listening.heard == [("start", "slow"), ("error", "slow", "TimeoutError"), ("skip", "below")]
    cancel = threading.Event()
    cancel.set()
    listening.heard.clear()
    DAGExecutor(dag, callbacks=listening).execute(account.tasks(dag), cancel_event=cancel)
    assert listening.heard == [("skip", "slow"), ("skip", "below")]


def test_functions_do_as_well_and_each_may_be_left_out(account):
    dag = graph("a>b")
    done = []
    callbacks = ExecutionCallbacks(on_node_complete=lambda name, result: done.append((name, result)))
    DAGExecutor(dag, callbacks=callbacks).execute(account.tasks(dag))
    assert done == [("a", "a"), ("b", "b")]


def test_hooks_are_called_by_priority_then_in_their_order(account):
    dag = graph("a")
    heard = []
    DAGExecutor(
        dag,
        callbacks=Listening("callbacks", heard),
        hooks=[Listening("first", heard), Listening("second", heard), Listening("urgent", heard, priority=5)],
    ).execute(account.tasks(dag))
    starts = [name for name, what, _ in (h[:3] for h in heard) if what == "start"]
    assert starts == ["urgent", "callbacks", "first", "second"]
    assert [h[1] for h in heard] == ["start"] * 4 + ["complete"] * 4, "one event after the other"


def test_one_that_raises_is_reported_each_time_and_dropped_after_three(account):
    class Bad(Listening):
        starts = 0

        def on_node_start(self, name):
            self.starts += 1
            raise ValueError(f"not {name}")

    dag = graph("a>b>c>d>e")
    bad, other = Bad(), Listening()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = DAGExecutor(dag, callbacks=bad, hooks=[other]).execute(account.tasks(dag))
    assert result.succeeded == 5
    assert bad.starts == 3
    assert [h[1] for h in bad.heard] == list("abcde"), "its other methods are still called"
    assert len(other.heard) == 10
    said = [str(w.message) for w in caught]
    assert said[0] == "the callback on_node_start raised ValueError('not a') for 'a'"
    assert [m.endswith("it is not called any more") for m in said] == [False, False, True]


def test_not_even_an_exit_in_a_callback_changes_anything(account):
    def leave(name):
        raise SystemExit(3)

    dag = graph(*DIAMOND)
    with pytest.warns(RuntimeWarning, match="SystemExit"):
        result = DAGExecutor(dag, callbacks=ExecutionCallbacks(on_node_start=leave)).execute(account.tasks(dag))
    assert result.succeeded == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_one_that_hangs_delays_nothing(account, released, workers):
    dag = graph(*DIAMOND)
    callbacks = ExecutionCallbacks(on_node_start=lambda name: released.wait(20))
    began = time.monotonic()
    with pytest.warns(RuntimeWarning, match="it is not waited for"):
        result = DAGExecutor(dag, max_workers=workers, callbacks=callbacks).execute(account.tasks(dag))
    assert time.monotonic() - began < 2
    assert statuses(result) == dict.fromkeys("abcd", "COMPLETED")


def test_all_that_was_to_be_told_has_been_told_when_execute_returns(account):
    dag = graph(*[f"n{i}" for i in range(50)])
    done = []

    def slowly(name, result):
        time.sleep(0.002)
        done.append(name)

    DAGExecutor(dag, callbacks=ExecutionCallbacks(on_node_complete=slowly)).execute(account.tasks(dag))
    assert len(done) == 50


def test_a_callback_may_cancel(account):
    dag = graph("a>b>c")
    cancel = threading.Event()

    def stop(name, result):
        cancel.set()

    def b():
        assert cancel.wait(10)
        return "b"

    callbacks = ExecutionCallbacks(on_node_complete=stop)
    result = DAGExecutor(dag, callbacks=callbacks).execute(account.tasks(dag, b=b), cancel_event=cancel)
    assert statuses(result) == {"a": "COMPLETED", "b": "COMPLETED", "c": "CANCELLED"}


def test_reused_nodes_are_told_of_as_skipped():
    dag = graph("a>b", "c")
    listening = Listening()
    executor = IncrementalExecutor(dag, callbacks=listening)
    tasks = {"a": lambda: 1, "b": lambda: 2, "c": lambda: 3}
    executor.execute(tasks)
    listening.heard.clear()
    executor.execute(tasks, changed_nodes=["a"])
    assert ("start", "a") in listening.heard
    assert sorted(h[1] for h in listening.heard if h[0] == "skip") == ["b", "c"]
    listening.heard.clear()
    executor.execute(None, changed_nodes=["c"])
    assert sorted(h[1] for h in listening.heard if h[0] == "skip") == ["a", "b"]


@pytest.mark.parametrize("wrong", ["print", object(), Listening, 3])
def test_what_has_no_callback_is_refused(wrong):
    with pytest.raises(UsageError, match="on_node_start"):
        DAGExecutor(graph("a"), callbacks=wrong)
    with pytest.raises(UsageError, match="on_node_start"):
        DAGExecutor(graph("a"), hooks=[wrong])


def test_a_callback_that_is_no_plain_function_is_refused():
    async def on_node_start(name): ...

    with pytest.raises(UsageError, match="coroutine"):
        DAGExecutor(graph("a"), callbacks=ExecutionCallbacks(on_node_start=on_node_start))
    with pytest.raises(UsageError, match="on_node_skip must be a function"):
        DAGExecutor(graph("a"), callbacks=ExecutionCallbacks(on_node_skip="print"))
    with pytest.raises(UsageError, match="a list of objects"):
        DAGExecutor(graph("a"), hooks=Listening())
