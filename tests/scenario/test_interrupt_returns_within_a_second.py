"""Ctrl-C ends the wait within a second, whatever a node is doing; what had finished is kept."""

import signal
import threading
import time

import pytest

from dagbook.engine.events import Kind
from dagbook.errors import RunCancelled
from tests.conftest import failure

SOURCE = """
import sys, time
def done(): return 1
def stuck(done):
    sys.modules["gate"].entered.set()
    {}
    return 2
def below(stuck): return 3
"""
BUSY = "while True: done = done + 1"
SLEEP = "time.sleep(4)"

pytestmark = pytest.mark.slow


def interrupted(lab, gate):
    """A run of everything, interrupted as soon as the stuck node runs, and how long the wait took from there."""
    at = []

    def interrupt():
        gate.entered.wait(5)
        time.sleep(0.02)
        at.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    run = lab.run()
    took = time.monotonic() - at[0]
    thread.join()
    return run, took


@pytest.mark.parametrize("what", [BUSY, SLEEP], ids=["busy", "asleep"])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_wait_ends_within_a_second_and_what_had_finished_is_kept(make_lab, gate, workers, what):
    lab = make_lab(workers=workers)
    lab.cell(SOURCE.format(what))
    run, took = interrupted(lab, gate)
    assert took < 1
    assert run.status == "cancelled"
    assert run.stories["done"].how is Kind.NODE_RAN
    assert run.named(Kind.NODE_CANCELLED) == ["stuck", "below"]
    assert isinstance(failure(run), RunCancelled)
    assert lab.session.status()["done"].verdict == "current"
    lab.cell(SOURCE.format("pass"))
    assert lab.ran() == ["stuck", "below"]


def test_a_node_that_ends_in_the_moment_of_grace_is_kept(lab, gate):
    lab.cell(SOURCE.format("time.sleep(0.2)"))
    run, took = interrupted(lab, gate)
    assert took < 1
    assert run.stories["stuck"].how is Kind.NODE_RAN
    assert run.named(Kind.NODE_CANCELLED) == ["below"]
    assert lab.ran() == ["below"]


def test_what_is_left_behind_is_named(lab, gate):
    lab.cell(SOURCE.format(SLEEP))
    run, _ = interrupted(lab, gate)
    assert "Still ending in the background, its result will be ignored: stuck" in str(failure(run))


def test_a_busy_thread_that_is_left_behind_stops_soon(lab, gate):
    before = set(threading.enumerate())
    lab.cell(SOURCE.format(BUSY))
    interrupted(lab, gate)
    for thread in set(threading.enumerate()) - before:
        thread.join(3)
        assert not thread.is_alive()


def test_a_keyboard_interrupt_that_a_node_raises_ends_the_run(lab):
    lab.cell("def a(): raise KeyboardInterrupt\ndef b(a): return 1")
    run = lab.run()
    assert run.status == "cancelled"
    assert run.named(Kind.NODE_CANCELLED) == ["a", "b"]
