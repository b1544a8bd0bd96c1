"""Files that a node reads count: their content, not their time; exactly their readers run again."""

import os

import pytest

SOURCE = """
def p():
    with open("p.txt") as file: return file.read()
def q():
    with open("q.txt") as file: return file.read()
def both(p, q): return p + q
def other(): return 1
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "p.txt").write_text("p")
    (folder / "q.txt").write_text("q")
    return folder


def test_an_edited_file_runs_exactly_its_readers(lab, here):
    lab.cell(SOURCE)
    lab.ran()
    (here / "p.txt").write_text("P")
    assert lab.ran() == ["p", "both"]
    assert lab["both"] == "Pq"
    assert "file `p.txt` changed" in lab.why("p")
    assert "the value of p changed" in lab.why("both")


def test_the_old_content_put_back_runs_nothing(lab, here):
    lab.cell(SOURCE)
    lab.ran()
    (here / "p.txt").write_text("P")
    lab.ran()
    (here / "p.txt").write_text("p")
    assert lab.ran() == []
    assert lab["both"] == "pq"


def test_a_touched_file_runs_nothing(lab, here):
    lab.cell(SOURCE)
    lab.ran()
    os.utime(here / "p.txt", (1, 1))
    assert lab.ran() == []


def test_after_a_restart_too(lab, here):
    lab.cell(SOURCE)
    lab.ran()
    lab.restart()
    assert lab.ran() == []
    (here / "q.txt").write_text("Q")
    lab.restart()
    assert lab.ran() == ["q", "both"]
    (here / "q.txt").write_text("q")
    lab.restart()
    assert lab.ran() == []
    assert lab["both"] == "pq"


def test_a_file_that_appears_is_a_change(lab, here):
    lab.cell("def p():\n    try: return open('new.txt').read()\n    except FileNotFoundError: return None")
    lab.ran()
    assert lab.ran() == []
    (here / "new.txt").write_text("n")
    assert lab.ran() == ["p"]
    (here / "new.txt").unlink()
    assert lab.ran() == []
    assert lab["p"] is None


def test_a_file_of_each_child_is_its_own(lab, here):
    lab.cell(
        "def names(): return ['p.txt', 'q.txt']\n@node(each={'name': 'names'})\n"
        "def text(name):\n    with open(name) as file: return file.read()"
    )
    lab.ran()
    (here / "q.txt").write_text("Q")
    assert [n for n in lab.ran() if "[" in n] == ['text["q.txt"]']
    assert lab["text"] == ["p", "Q"]
    (here / "q.txt").write_text("q")
    assert [n for n in lab.ran() if "[" in n] == []
    assert lab["text"] == ["p", "q"]


def test_watched_files_count_unread(lab, here):
    lab.cell("@node(watch='*.dat')\ndef a(): return 1")
    lab.ran()
    (here / "x.dat").write_text("1")
    assert lab.ran() == ["a"]
    (here / "x.dat").write_text("2")
    assert lab.ran() == ["a"]
    assert lab.ran() == []


def test_a_file_that_changes_during_a_run_is_seen_by_the_next(lab, here, gate):
    """The node read the old content: its result may not pass for the new one."""
    lab.cell(
        "import sys\ndef a():\n    text = open('p.txt').read()\n    sys.modules['gate'].hold()\n    return text\n"
    )
    run = lab.session.start()
    assert gate.entered.wait(5)
    (here / "p.txt").write_text("changed")
    gate.opened.set()
    run.wait()
    lab.ran()
    assert lab["a"] == "changed"
