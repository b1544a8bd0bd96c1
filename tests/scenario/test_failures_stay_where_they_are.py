"""A node that fails skips what needs it, with the reason; all else goes on, and a mended node runs only what must."""

from dagbook.engine.events import Kind
from dagbook.errors import NodeFailed
from tests.conftest import failure

SOURCE = """
def a(): return 1
def b(a): return a / 0
def c(b): return b
def d(c): return c
def e(a): return a + 1
"""


def test_what_needs_it_is_skipped_and_the_rest_goes_on(lab):
    lab.cell(SOURCE)
    run = lab.run()
    assert sorted(run.executed) == ["a", "b", "e"]
    assert run.status == "failed"
    assert run.named(Kind.NODE_SKIPPED) == ["c", "d"]
    assert lab["e"] == 2
    assert lab.why("d") == "d: skipped, because b failed."
    assert lab.why("b").startswith("b: failed. ZeroDivisionError: division by zero")
    error = failure(run)
    assert isinstance(error, NodeFailed)
    assert error.node == "b"
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_a_failed_node_is_tried_again_by_every_run(lab):
    lab.cell(SOURCE)
    lab.run()
    assert lab.run().executed == ["b"]


def test_a_mended_node_runs_and_what_waits_for_it(lab):
    lab.cell(SOURCE)
    lab.run()
    lab.cell(SOURCE.replace("a / 0", "a / 4"))
    assert lab.ran() == ["b", "c", "d"]
    assert lab["d"] == 0.25


def test_a_failure_after_a_success_does_not_serve_the_old_value_below(lab):
    lab.cell(SOURCE.replace("a / 0", "a / 4"))
    lab.ran()
    lab.cell(SOURCE)
    run = lab.run()
    assert run.named(Kind.NODE_SKIPPED) == ["c", "d"]
    assert lab.session.status()["d"].verdict == "maybe"


def test_the_traceback_of_the_user_is_kept(lab):
    lab.cell(SOURCE)
    run = lab.run()
    last = run.driver.errors["b"].__traceback__
    while last.tb_next:
        last = last.tb_next
    assert last.tb_frame.f_code.co_name == "b"


def test_an_exception_whose_text_cannot_be_made_is_still_a_failure(lab):
    lab.cell("class _Bad(Exception):\n    def __str__(self): raise RuntimeError('no')\ndef a(): raise _Bad()")
    run = lab.run()
    assert run.stories["a"].error["type"] == "_Bad"


def test_a_generator_is_refused_with_what_to_write(lab):
    lab.cell("def a(): return (x for x in [1])\ndef b(a): return list(a)")
    run = lab.run()
    assert "Return list(...)" in run.stories["a"].error["message"]
    assert run.named(Kind.NODE_SKIPPED) == ["b"]
