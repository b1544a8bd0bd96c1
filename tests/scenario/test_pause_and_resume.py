"""A paused run starts nothing new until it is resumed; nothing is lost."""

import time

from dagbook.engine.events import Kind

SOURCE = """
import sys
def a():
    sys.modules["gate"].hold()
    return 1
def b(a): return a + 1
"""


def test_a_pause_holds_what_comes_next_and_a_resume_lets_it_go(lab, gate):
    lab.cell(SOURCE)
    run = lab.session.start()
    assert gate.entered.wait(5)
    run.pause()
    gate.opened.set()
    deadline = time.monotonic() + 5
    while run.stories["a"].how is not Kind.NODE_RAN and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.03)
    assert run.executed == ["a"]
    assert run.status == "running"
    run.resume()
    run.wait()
    run.raise_for_status()
    assert run.executed == ["a", "b"]
    kinds = [e.kind for e in run.log]
    assert kinds.index(Kind.RUN_PAUSED) < kinds.index(Kind.RUN_RESUMED)


def test_a_paused_run_can_be_cancelled(lab, gate):
    lab.cell(SOURCE)
    run = lab.session.start()
    assert gate.entered.wait(5)
    run.pause()
    run.cancel()
    gate.opened.set()
    assert run.wait().status == "cancelled"
    assert run.stories["a"].how is Kind.NODE_RAN
