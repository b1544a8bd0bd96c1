"""With fail_fast the first failure stops the run: what runs may end, nothing more starts."""

from dagbook.engine.events import Kind

SOURCE = """
def a(): return 1 / 0
def b(): return 1
def c(b): return 2
def d(a): return 3
"""


def test_nothing_starts_after_the_first_failure(make_lab):
    lab = make_lab(workers=1)
    lab.cell(SOURCE)
    run = lab.run(fail_fast=True)
    assert run.executed == ["a"]
    assert run.status == "failed"
    assert run.named(Kind.NODE_SKIPPED) == ["b", "c", "d"]
    assert lab.why("c") == "c: skipped, because a failed, and the run stops at the first failure."
    assert lab.why("d") == "d: skipped, because a failed."


def test_without_it_all_that_can_run_does(make_lab):
    lab = make_lab(workers=1)
    lab.cell(SOURCE)
    assert lab.run().executed == ["a", "b", "c"]


def test_the_next_run_goes_on(make_lab):
    lab = make_lab(workers=1)
    lab.cell(SOURCE)
    lab.run(fail_fast=True)
    lab.cell(SOURCE.replace("1 / 0", "1"))
    assert lab.ran(fail_fast=True) == ["a", "b", "c", "d"]
