"""After a restart everything that is stored stands: nothing runs, and nothing is loaded until it is asked for."""

CELLS = """
def a(): return list(range(100))
def b(a): return {"sum": sum(a)}
def c(b): return b["sum"] + 1
"""


def test_a_restart_runs_nothing_and_gives_equal_values(lab):
    lab.cell(CELLS)
    lab.ran()
    lab.restart()
    assert lab.ran() == []
    assert lab["a"] == list(range(100))
    assert lab["b"] == {"sum": 4950}
    assert lab["c"] == 4951
    assert "reused from run 1" in lab.why("c")


def test_nothing_is_loaded_until_it_is_asked_for(lab):
    lab.cell(CELLS)
    lab.ran()
    lab.restart()
    lab.ran()
    assert [n for n in "abc" if lab.session.result(n).loaded] == []
    assert lab["b"] == {"sum": 4950}
    assert [n for n in "abc" if lab.session.result(n).loaded] == ["b"]


def test_values_can_be_read_after_a_restart_without_a_run(lab):
    lab.cell(CELLS)
    lab.ran()
    lab.restart()
    assert lab["c"] == 4951


def test_an_edit_made_while_the_kernel_was_away_runs_what_it_affects(lab):
    lab.cell(CELLS)
    lab.ran()
    lab.restart()
    lab.cell(CELLS.replace("+ 1", "+ 2"))
    assert lab.ran() == ["c"]
    assert "its code changed" in lab.why("c")
    assert lab["c"] == 4952


def test_runs_are_numbered_on(lab):
    lab.cell(CELLS)
    assert lab.run().number == 1
    lab.restart()
    assert lab.run().number == 2
