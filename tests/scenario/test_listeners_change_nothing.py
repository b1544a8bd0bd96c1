"""A listener hears every event once, in order, after it is durable; whatever it does, the run is the same."""

import asyncio
import threading
import time
import warnings

import pytest

from dagbook.engine.events import Kind
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run

SOURCE = "def a(): return 1\ndef b(a): return a + 1\ndef c(a): return a + 2\ndef d(b, c): return b + c"


def test_a_listener_hears_every_event_once_in_order(lab):
    lab.cell(SOURCE)
    heard = []
    lab.session.observers.append(lambda run: lambda log, start, stop: heard.extend(range(start, stop)))
    run = lab.run()
    assert heard == list(range(len(run.log)))


def test_a_listener_that_raises_is_warned_of_dropped_and_changes_nothing(make_lab):
    lab = make_lab(None)  # where nothing is written to disk, each event is told at once
    lab.cell(SOURCE)
    calls = []

    def bad(log, start, stop):
        calls.append(start)
        raise ValueError("no")

    lab.session.observers.append(lambda run: bad)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sorted(lab.ran()) == ["a", "b", "c", "d"]
    assert lab["d"] == 5
    assert len(calls) == 3
    assert any("a listener of the run raised ValueError('no')" in str(w.message) for w in caught)


def test_a_listener_may_cancel_the_run_that_it_hears_of(lab, gate):
    lab.cell("import sys\n" + SOURCE.replace("return a + 1", "return sys.modules['gate'].hold() or a + 1"))

    def observer(run):
        def listen(log, start, stop):
            run.cancel()
            gate.opened.set()

        return listen

    lab.session.observers.append(observer)
    assert lab.run().status == "cancelled"
    lab.session.observers.clear()
    lab.ran()
    assert lab["d"] == 5


def test_what_a_listener_hears_is_already_in_the_journal(lab):
    lab.cell(SOURCE)
    missing = []

    def observer(run):
        def listen(log, start, stop):
            for event in log[start:stop]:
                if event.kind is Kind.NODE_RAN and not lab.session.journal.find(run.stories[event.node].record.key):
                    missing.append(event.node)

        return listen

    lab.session.observers.append(observer)
    lab.ran()
    assert missing == []


def test_a_listener_that_hangs_changes_neither_the_result_nor_when_it_is_there(lab):
    lab.cell(SOURCE)
    release, heard = threading.Event(), []

    def observer(run):
        def listen(log, start, stop):
            heard.append(start)
            release.wait(10)

        return listen

    lab.session.observers.append(observer)
    began = time.monotonic()
    with pytest.warns(RuntimeWarning, match="is not waited for"):
        run = lab.run()
    assert time.monotonic() - began < 1
    assert run.log.time[-1] < 0.4
    assert run.executed[0] == "a"
    assert lab["d"] == 5
    release.set()


@pytest.mark.parametrize("how", [ValueError("no"), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()])
def test_whatever_a_listener_raises_the_run_is_the_same(lab, how):
    lab.cell(SOURCE)

    def bad(log, start, stop):
        raise how

    lab.session.observers.append(lambda run: bad)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lab.ran()
    assert lab["d"] == 5


def test_a_listener_may_run_the_engine_itself(lab):
    lab.cell(SOURCE)
    found = []

    def observer(run):
        def listen(log, start, stop):
            inner = DAG()
            inner.add_edges([("x", "y")])
            found.append(plain_run(inner, {"x": int, "y": int}).wait().status)
            run.pause()
            run.resume()
            len(run.log)

        return listen

    lab.session.observers.append(observer)
    lab.ran()
    assert lab["d"] == 5
    assert set(found) == {"done"}


def test_another_listener_hears_everything_beside_one_that_raises(lab):
    lab.cell(SOURCE)
    heard = []

    def bad(log, start, stop):
        raise ValueError

    lab.session.observers += [lambda run: bad, lambda run: lambda log, start, stop: heard.extend(range(start, stop))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = lab.run()
    assert heard == list(range(len(run.log)))
