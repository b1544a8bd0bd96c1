"""Why a node ran can be asked long after: its newest story stays, and older runs are let go."""

import gc
import weakref

SOURCE = """
def xs(): return [1, 2]
@node(each={"x": "xs"})
def a(x): return x
def b(): return 1
def c(b): return b
"""


def test_a_run_is_kept_as_long_as_one_of_its_stories_is_the_newest(lab):
    lab.cell(SOURCE)
    lab.ran()
    first = weakref.ref(lab.session.runs[0])
    lab.ran("c", force=["c"])
    assert "for the first time" in lab.why("a")
    assert "for the first time" in lab.why("a[1]")
    assert "it was asked to" in lab.why("c")
    assert [run.number for run in lab.session.runs] == [1, 2]
    lab.ran(force=["a", "b", "c", "xs"])
    assert "it was asked to" in lab.why("a[1]")
    lab.ran("c", force=["c"])  # a run lets go of those before it
    assert [run.number for run in lab.session.runs] == [3, 4]
    gc.collect()
    assert first() is None


def test_the_story_of_a_child_outlives_a_run_that_only_reused_the_whole(lab):
    lab.cell(SOURCE)
    lab.ran()
    assert lab.ran() == []
    assert "for the first time" in lab.why("a[1]")
    assert "Nothing that it depends on has changed" in lab.why("a")


def test_a_run_of_nothing_changes_no_story(lab):
    lab.run()
    lab.run()
    lab.cell(SOURCE)
    lab.ran()
    assert "for the first time" in lab.why("c")
