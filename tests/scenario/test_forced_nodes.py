"""A forced node runs though nothing has changed; what is below it only if its value differs."""

SOURCE = "import itertools\ndef a(): return 1\ndef b(a): return a + 1\ndef c(b): return b"


def test_a_forced_node_runs_and_an_equal_value_stops_there(lab):
    lab.cell(SOURCE)
    lab.ran()
    assert lab.ran(force=["a"]) == ["a"]
    assert "because it was asked to, though nothing had changed" in lab.why("a")
    assert lab.ran("c", force=["b"]) == ["b"]
    assert lab.ran() == []


def test_a_forced_node_that_gives_another_value_runs_what_is_below(lab, gate):
    lab.cell("import sys\ndef a(): return sys.modules['gate'].failures\ndef b(a): return a + 1")
    lab.ran()
    gate.failures = 5
    assert lab.ran() == []
    assert lab.ran(force=["a"]) == ["a", "b"]
    assert lab["b"] == 6


def test_every_child_of_a_forced_mapped_node_runs(lab):
    lab.cell("def xs(): return [1, 2]\n@node(each={'x': 'xs'})\ndef a(x): return x")
    lab.ran()
    assert lab.ran(force=["a"]) == ["a", "a[0]", "a[1]"]
    assert lab.ran() == []
