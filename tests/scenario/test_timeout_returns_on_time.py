"""A node that takes longer than its timeout is given up on time; its late result is thrown away, the rest goes on."""

import time

import pytest

from dagbook.engine.events import Kind

SOURCE = """
import sys

@node(timeout=0.2)
def slow():
    sys.modules["gate"].hold()
    return "late"

def below(slow): return slow

def other(): return 1
"""


def test_the_run_returns_on_time_and_the_late_result_is_thrown_away(lab, gate):
    lab.cell(SOURCE)
    began = time.monotonic()
    run = lab.run()
    assert time.monotonic() - began < 2
    assert run.stories["slow"].how is Kind.NODE_TIMED_OUT
    assert run.named(Kind.NODE_SKIPPED) == ["below"]
    assert lab["other"] == 1
    assert lab.why("slow").startswith("slow: timed out, took longer than 0.2 s.")
    assert lab.why("below") == "below: skipped, because slow timed out."
    events = len(run.log)
    gate.opened.set()
    time.sleep(0.05)
    assert len(run.log) == events
    assert lab.session.status()["slow"].result is None


def test_the_next_run_tries_again(lab, gate):
    lab.cell(SOURCE)
    lab.run()
    gate.opened.set()
    assert lab.ran() == ["slow", "below"]
    assert lab["below"] == "late"


def test_a_quick_node_is_not_disturbed(lab):
    lab.cell("@node(timeout=5)\ndef a(): return 1")
    assert lab.ran() == ["a"]


@pytest.mark.parametrize("workers", [2, 3])
def test_stuck_nodes_do_not_take_the_workers_of_others(make_lab, gate, workers):
    lab = make_lab(workers=workers)
    stuck = "".join(
        f"@node(timeout=0.1)\ndef stuck{i}(): sys.modules['gate'].opened.wait(20)\n" for i in range(2 * workers)
    )
    lab.cell("import sys\n" + stuck + "def last(): return 1")
    began = time.monotonic()
    run = lab.run()
    assert time.monotonic() - began < 2.5
    assert run.stories["last"].how is Kind.NODE_RAN
    assert len(run.named(Kind.NODE_TIMED_OUT)) == 2 * workers
