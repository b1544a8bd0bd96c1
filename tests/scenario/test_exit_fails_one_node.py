"""sys.exit in a node fails that node alone."""

import pytest

from dagbook.engine.events import Kind


@pytest.mark.parametrize("workers", [1, 2])
def test_exit_fails_the_node_and_nothing_else(make_lab, workers):
    lab = make_lab(workers=workers)
    lab.cell("import sys\ndef a(): sys.exit(3)\ndef b(a): return 1\ndef c(): return 2")
    run = lab.run()
    assert run.named(Kind.NODE_FAILED) == ["a"]
    assert run.named(Kind.NODE_SKIPPED) == ["b"]
    assert lab["c"] == 2
    assert "SystemExit: 3" in lab.why("a")
    lab.cell("def a(): return 0\ndef b(a): return 1\ndef c(): return 2")
    assert lab.ran() == ["a", "b"]
