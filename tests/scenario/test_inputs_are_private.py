"""A node that changes its input in place fails, named with its parameter; the producer's value stays right."""

import threading

import pytest

from dagbook.engine.events import Kind

SOURCE = """
def items(): return [3, 1, 2]
{}
def first(items):
    items.sort()
    return items[0]
def last(items): return items[-1]
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_it_fails_by_name_and_nobody_sees_the_change(make_lab, workers):
    lab = make_lab(workers=workers)
    lab.cell(SOURCE.format(""))
    run = lab.run(workers=1)
    assert run.named(Kind.NODE_FAILED) == ["first"]
    assert "first changed its input 'items' in place" in run.stories["first"].error["message"]
    assert lab["items"] == [3, 1, 2]
    assert lab["last"] == 2


def test_with_copies_it_may(lab):
    lab.cell(SOURCE.format('@node(inputs="copy")'))
    lab.ran()
    assert (lab["items"], lab["first"], lab["last"]) == ([3, 1, 2], 1, 2)


def test_a_value_that_was_handed_out_can_be_changed_without_harm(lab):
    lab.cell("def a(): return [1]\ndef b(a): return sum(a)")
    lab.ran()
    lab["a"].append(99)
    lab.cell("def a(): return [1]\ndef b(a): return sum(a) + 0")
    assert lab.ran() == ["b"]
    assert lab["b"] == 1
    assert lab["a"] == [1]


def test_a_value_that_was_handed_out_can_be_changed_at_any_later_time(make_lab):
    lab = make_lab(workers=1)
    lab.cell("def a(): return [1]\ndef b(a): return sum(a)")
    lab.ran()
    mine = lab["a"]
    for more in (1, 2, 3):
        lab.cell(f"def a(): return [1]\ndef b(a): return sum(a) + {more}")
        lab.ran()
        mine.append(99)
        assert lab["b"] == 1 + more
    assert lab["a"] == [1]


def test_a_returned_input_can_be_changed_without_harm(lab):
    """Two nodes may give the same object; what the user does to one is not seen through the other."""
    lab.cell("def a(): return [1]\ndef b(a): return a\ndef c(b): return len(b)")
    lab.ran()
    lab["b"].append(2)
    assert lab["a"] == [1]
    assert lab["b"] == [1]
    lab.cell("def a(): return [1]\ndef b(a): return a\ndef c(b): return len(b) + 0")
    lab.ran()
    assert lab["c"] == 1


def test_a_change_of_a_numpy_array_is_seen(lab):
    pytest.importorskip("numpy")
    lab.cell(
        "import numpy as np\ndef a(): return np.arange(4)\ndef b(a):\n    a[0] = 9\n    return a.sum()\n"
        "def c(a): return int(a.sum())"
    )
    run = lab.run()
    assert "b changed its input 'a' in place" in run.stories["b"].error["message"]
    lab.cell("import numpy as np\ndef a(): return np.arange(4)\ndef c(a): return int(a.sum())")
    lab.ran()
    assert lab["c"] == 6


def test_without_a_store_a_changed_value_is_made_again(make_lab):
    lab = make_lab(None, workers=1)
    lab.cell(SOURCE.format(""))
    lab.run()
    lab.cell(SOURCE.format("").replace("items.sort()", "items = sorted(items)"))
    lab.ran()
    assert (lab["items"], lab["first"], lab["last"]) == ([3, 1, 2], 1, 2)


def test_a_child_that_changes_what_it_shares_fails(lab):
    lab.cell(
        "def xs(): return [1, 2]\ndef table(): return []\n"
        "@node(each={'x': 'xs'})\ndef a(x, table):\n    table.append(x)\n    return len(table)\n"
        "def n(table): return len(table)"
    )
    run = lab.run(workers=1)
    assert "a[0]" in run.named(Kind.NODE_FAILED)
    assert "changed its input 'table'" in run.stories["a[0]"].error["message"]
    assert lab["n"] == 0


def test_a_node_that_changes_its_input_and_then_raises_is_not_seen_by_others(make_lab):
    lab = make_lab(workers=1)
    lab.cell(SOURCE.format("").replace("return items[0]", "return items[0] / 0"))
    run = lab.run()
    assert run.stories["first"].error["type"] == "ZeroDivisionError"
    assert (lab["items"], lab["last"]) == ([3, 1, 2], 2)


@pytest.mark.parametrize("directory", ["store", None])
def test_nodes_that_run_beside_each_other_do_not_see_each_others_changes(make_lab, tmp_path, gate, directory):
    """One changes the shared input while the other has it in its hands: the other is right, and it is not blamed."""
    gate.barrier = threading.Barrier(2, timeout=1)
    lab = make_lab(directory and tmp_path / directory, workers=2)
    lab.cell(
        "import sys\ndef items(): return [3, 1, 2]\n"
        "def _wait(): sys.modules['gate'].barrier.wait()\n"
        "def bad(items):\n    _wait()\n    items.append(9)\n    _wait()\n    _wait()\n"
        "def good(items):\n    _wait()\n    _wait()\n    total = sum(items)\n    _wait()\n    return total\n"
    )
    run = lab.run()
    assert run.named(Kind.NODE_FAILED) == ["bad"]
    assert lab["good"] == 6
    assert lab["items"] == [3, 1, 2]


def test_who_is_not_to_blame_for_a_change_runs_again_and_is_right(lab, gate):
    """``b`` holds the very list of ``a``: one node changes it through ``b`` while another works with ``a``."""
    gate.barrier, gate.rounds = threading.Barrier(2, timeout=5), 2
    lab.cell(
        "import sys\ndef a(): return [3, 1, 2]\ndef b(a): return {'a': a}\n"
        "def _wait():\n    gate = sys.modules['gate']\n    return gate.rounds and gate.barrier.wait()\n"
        "def bad(b):\n    _wait()\n    b['a'].append(9)\n    _wait()\n"
        "def good(a, b):\n    _wait()\n    _wait()\n    sys.modules['gate'].rounds = 0\n    return sum(a)\n"
    )
    run = lab.run()
    assert run.named(Kind.NODE_FAILED) == ["bad"]
    assert (lab["good"], lab["a"], lab["b"]) == (6, [3, 1, 2], {"a": [3, 1, 2]})


def test_a_node_that_was_given_up_cannot_change_what_others_get(lab, gate):
    lab.cell(
        "import sys\ndef items(): return [3, 1, 2]\n"
        "@node(timeout=0.1)\ndef slow(items):\n    items.append(9)\n    sys.modules['gate'].opened.wait(5)\n"
        "def total(items): return sum(items)\n"
    )
    run = lab.run("slow")
    assert run.named(Kind.NODE_TIMED_OUT) == ["slow"]
    assert lab.ran("total") == ["total"]
    assert lab["total"] == 6


def test_an_output_that_holds_an_input_is_a_value_of_its_own(make_lab):
    lab = make_lab(workers=1)
    lab.cell(
        "def a(): return [1]\ndef b(a): return {'a': a}\n"
        "def c(b): b['a'].append(2)\ndef d(c, a): return 0\ndef e(a): return len(a)"
    )
    run = lab.run()
    assert "c changed its input 'b' in place" in run.stories["c"].error["message"]
    assert (lab["a"], lab["b"], lab["e"]) == ([1], {"a": [1]}, 1)


@pytest.mark.parametrize("directory", ["store", None])
def test_an_element_and_a_graph_input_are_private_too(make_lab, tmp_path, directory):
    lab = make_lab(directory and tmp_path / directory, workers=1)
    lab.cell(
        "def xs(): return [[3, 1], [2]]\n@node(each={'x': 'xs'})\ndef low(x, floor):\n    x.sort()\n"
        "    floor.append(0)\n    return x[0]\ndef n(xs, floor): return (xs[0], floor)"
    )
    floor = [5]
    lab.dag.set(floor=floor)
    lab.ran()
    assert (lab["low"], lab["n"], floor) == ([1, 2], ([3, 1], [5]), [5])
    assert lab["xs"] == [[3, 1], [2]]
    assert lab.ran() == []
