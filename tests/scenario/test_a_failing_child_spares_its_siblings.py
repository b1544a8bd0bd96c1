"""A child that fails leaves its siblings alone; what needs the whole is skipped at once."""

from dagbook.engine.events import Kind
from dagbook.errors import NodeFailed
from tests.conftest import failure

SOURCE = """
def xs(): return [1, 0, 2]

@node(each={"x": "xs"})
def inverse(x): return 12 // x

def total(inverse): return sum(inverse)

def other(xs): return len(xs)
"""


def test_siblings_go_on_and_their_results_are_kept(lab):
    lab.cell(SOURCE)
    run = lab.run()
    assert run.executed == ["xs", "inverse", "other", "inverse[0]", "inverse[1]", "inverse[2]"] or sorted(
        run.executed
    ) == sorted(["xs", "inverse", "other", "inverse[0]", "inverse[1]", "inverse[2]"])
    assert run.named(Kind.NODE_SKIPPED) == ["total"]
    assert run.named(Kind.NODE_FAILED) == ["inverse", "inverse[1]"]
    assert lab.why("total") == "total: skipped, because inverse failed."
    assert "ZeroDivisionError" in lab.why("inverse[1]")
    lab.cell(SOURCE.replace("12 // x", "12 // x if x else 0"))
    lab.ran()
    assert lab["total"] == 18


def test_only_the_failed_child_is_tried_again(lab, gate):
    lab.cell(
        "import sys\ndef xs(): return [1, 2, 3]\n@node(each={'x': 'xs'})\ndef a(x):\n"
        "    if x == 2: sys.modules['gate'].fail()\n    return x\ndef total(a): return sum(a)"
    )
    gate.failures = 1
    run = lab.run()
    assert run.named(Kind.NODE_FAILED) == ["a", "a[1]"]
    assert lab.ran() == ["a", "a[1]", "total"]
    assert lab["total"] == 6


def test_the_error_names_the_child(lab):
    lab.cell(SOURCE)
    error = failure(lab.run())
    assert isinstance(error, NodeFailed)
    assert error.node == "inverse[1]"
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert "1 below it skipped: total" in str(error)


def test_what_needs_the_whole_is_skipped_before_the_siblings_end(lab, gate):
    lab.cell(
        "import sys\ndef xs(): return [0, 1]\n@node(each={'x': 'xs'})\ndef a(x):\n"
        "    if x: sys.modules['gate'].hold()\n    return 1 // x\ndef total(a): return sum(a)"
    )
    run = lab.session.start()
    assert gate.entered.wait(5)
    while run.stories["total"].how is not Kind.NODE_SKIPPED:
        gate.opened.wait(0.005)
    assert run.status == "running"
    gate.opened.set()
    run.wait()
    assert run.stories["a[1]"].how is Kind.NODE_RAN
