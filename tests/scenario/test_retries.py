"""A node with retries runs again after a failure, as often as it may and no more."""

from dagbook.engine.events import Kind

SOURCE = "import sys\n@node(retries={})\ndef a():\n    sys.modules['gate'].fail()\n    return 7\ndef b(a): return a + 1"


def test_it_succeeds_in_the_end(lab, gate):
    lab.cell(SOURCE.format(2))
    gate.failures = 2
    assert lab.ran() == ["a", "a", "a", "b"]
    assert lab["b"] == 8
    attempts = [e.detail["attempt"] for e in lab.session.runs[-1].log if e.kind is Kind.NODE_RETRIED]
    assert attempts == [1, 2]


def test_it_fails_when_it_has_used_them_up(lab, gate):
    lab.cell(SOURCE.format(2))
    gate.failures = 3
    run = lab.run()
    assert run.executed == ["a"] * 3
    assert run.stories["a"].how is Kind.NODE_FAILED
    assert lab.why("b") == "b: skipped, because a failed."


def test_without_retries_it_fails_at_once(lab, gate):
    lab.cell(SOURCE.format(0))
    gate.failures = 1
    assert lab.run().executed == ["a"]


def test_an_exit_is_not_tried_again(lab):
    lab.cell("import sys\n@node(retries=3)\ndef a(): sys.exit(1)")
    assert lab.run().executed == ["a"]
