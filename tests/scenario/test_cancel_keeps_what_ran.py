"""A cancel lets running nodes end and keeps them; the next run goes on from there."""

from dagbook.engine.events import Kind
from dagbook.errors import RunCancelled
from tests.conftest import failure

SOURCE = """
import sys
def a():
    sys.modules["gate"].hold()
    return 1
def b(a): return a + 1
def c(b): return b + 1
"""


def test_what_runs_ends_and_is_kept_and_nothing_more_starts(lab, gate):
    lab.cell(SOURCE)
    run = lab.session.start()
    assert gate.entered.wait(5)
    run.cancel()
    gate.opened.set()
    run.wait()
    assert run.executed == ["a"]
    assert run.status == "cancelled"
    assert run.stories["a"].how is Kind.NODE_RAN
    assert run.named(Kind.NODE_CANCELLED) == ["b", "c"]
    assert lab.why("b") == "b: cancelled, the run was cancelled."
    error = failure(run)
    assert isinstance(error, RunCancelled)
    assert "1 ran and is kept, 2 did not run" in str(error)
    assert lab.ran() == ["b", "c"]
    assert lab["c"] == 3


def test_a_cancel_in_a_mapped_node_keeps_the_children_that_ended(make_lab, gate):
    lab = make_lab(workers=1)
    lab.cell(
        "import sys\ndef xs(): return [1, 2, 3]\n@node(each={'x': 'xs'})\ndef a(x):\n"
        "    if x == 2: sys.modules['gate'].hold()\n    return x\n"
    )
    gate.hold = lambda: lab.session.runs[-1].cancel()
    run = lab.run()
    assert run.named(Kind.NODE_CANCELLED) == ["a", "a[2]"]
    assert lab.ran() == ["a", "a[2]"]


def test_a_cancel_before_anything_runs(lab, gate):
    lab.cell(SOURCE)
    gate.opened.set()
    run = lab.session.start()
    run.cancel()
    run.cancel()
    run.wait()
    assert run.status in ("cancelled", "done")
    lab.ran()
    assert lab["c"] == 3


def test_a_cancel_after_the_end_changes_nothing(lab):
    lab.cell("def a(): return 1")
    run = lab.run()
    run.cancel()
    assert run.wait().status == "done"
