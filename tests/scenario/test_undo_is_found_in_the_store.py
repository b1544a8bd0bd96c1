"""What was computed once is found again: undoing an edit runs nothing."""

ONE = "def a(): return 1\ndef b(a): return a + 1\ndef c(b): return b * 10"
TWO = ONE.replace("return 1", "return 5")


def test_an_undone_edit_runs_nothing(lab):
    lab.cell(ONE)
    lab.ran()
    lab.cell(TWO)
    assert lab.ran() == ["a", "b", "c"]
    lab.cell(ONE)
    assert lab.ran() == []
    assert lab["c"] == 20
    assert "Its code changed" in lab.why("a")
    assert "that run's result fits" in lab.why("a")


def test_undone_after_a_restart_too(lab):
    lab.cell(ONE)
    lab.ran()
    lab.cell(TWO)
    lab.ran()
    lab.restart()
    lab.cell(ONE)
    assert lab.ran() == []
    assert lab["c"] == 20


def test_a_parameter_set_back_runs_nothing(lab):
    lab.cell("def a(n): return n * 2\ndef b(a): return -a")
    for n, expected in ((1, ["a", "b"]), (2, ["a", "b"]), (1, []), (3, ["a", "b"]), (2, [])):
        lab.dag.set(n=n)
        assert lab.ran() == expected
        assert lab["b"] == -2 * n


def test_what_two_nodes_have_in_common_is_their_own(lab):
    """Two nodes of equal code are two nodes; one result may serve both, but never under the wrong name."""
    lab.cell("def a(): return 1\ndef b(): return 1\ndef c(a, b): return a + b")
    lab.ran()
    lab.cell("def a(): return 1\ndef b(): return 2\ndef c(a, b): return a + b")
    lab.ran()
    assert (lab["a"], lab["b"], lab["c"]) == (1, 2, 3)
