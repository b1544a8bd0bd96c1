"""A mapped node has one child for each element, and each child its own key."""

import pytest

LIST = """
def files(): return {files}

@node(each={{"file": "files"}})
def size(file, unit): return len(file) * unit

def unit(): return 1

def total(size): return {total}
"""


def cell(files, total="sum(size)"):
    return LIST.format(files=files, total=total)


def test_one_more_element_of_a_list_runs_one_more_child(lab):
    lab.cell(cell(["a.csv", "bb.csv"]))
    assert lab.ran() == ["files", "unit", "size", 'size["a.csv"]', 'size["bb.csv"]', "total"]
    assert lab["size"] == [5, 6]
    lab.cell(cell(["a.csv", "ccc.csv", "bb.csv"]))
    assert lab.ran() == ["files", "size", 'size["ccc.csv"]', "total"]
    assert lab["size"] == [5, 7, 6]
    assert lab["total"] == 18


def test_one_more_entry_of_a_dict_runs_one_more_child(lab):
    total = "sum(size.values())"
    lab.cell(cell({"x": "one", "y": "three"}, total))
    lab.ran()
    assert lab["size"] == {"x": 3, "y": 5}
    lab.cell(cell({"x": "one", "z": "four", "y": "three"}, total))
    assert lab.ran() == ["files", "size", 'size["z"]', "total"]
    assert lab["size"] == {"x": 3, "z": 4, "y": 5}
    assert list(lab["size"]) == ["x", "z", "y"]


def test_one_element_less_runs_no_child(lab):
    lab.cell(cell(["a", "bb", "ccc"]))
    lab.ran()
    lab.cell(cell(["a", "ccc"]))
    assert lab.ran() == ["files", "size", "total"]
    assert lab["size"] == [1, 3]


def test_numbered_elements_that_move_are_found_by_their_content(lab):
    source = "def xs(): return {}\n@node(each={{'x': 'xs'}})\ndef double(x): return 2 * x"
    lab.cell(source.format([1, 2, 3]))
    lab.ran()
    lab.cell(source.format([9, 1, 2, 3]))
    run = lab.run()
    assert run.executed == ["xs", "double", "double[0]"]
    assert lab["double"] == [18, 2, 4, 6]


def test_a_restart_runs_no_child(lab):
    lab.cell(cell({"x": "one", 2: "two"}, "sum(size.values())"))
    lab.ran()
    lab.restart()
    assert lab.ran() == []
    assert lab["size"] == {"x": 3, 2: 3}


def test_an_edit_of_the_mapped_node_runs_every_child_and_cuts_off_below(lab):
    lab.cell(cell(["a", "bb"]))
    lab.ran()
    lab.cell(cell(["a", "bb"]).replace("len(file) * unit", "unit * len(file)"))
    assert lab.ran() == ["size", 'size["a"]', 'size["bb"]']
    assert lab["total"] == 3


def test_a_list_and_a_dict_of_the_same_values_differ(lab):
    kind = "type(size).__name__"
    lab.cell(cell(["a", "bb"], kind))
    lab.ran()
    assert lab["total"] == "list"
    lab.cell(cell({"a": "a", "bb": "bb"}, kind))
    lab.ran()
    assert lab["total"] == "dict"


@pytest.mark.parametrize("empty", ["[]", "{}"])
def test_nothing_to_map_over_gives_nothing(lab, empty):
    lab.cell(cell(empty, "len(size)"))
    assert lab.ran() == ["files", "unit", "size", "total"]
    assert lab["size"] == eval(empty)
    assert type(lab["size"]) is type(eval(empty))
    assert lab["total"] == 0
    lab.restart()
    assert lab.ran() == []
    assert lab["size"] == eval(empty)


def test_two_mapped_parameters_are_zipped(lab):
    lab.cell(
        "def xs(): return [1, 2]\ndef ys(): return [10, 20]\n"
        "@node(each={'x': 'xs', 'y': 'ys'})\ndef s(x, y): return x + y"
    )
    lab.ran()
    assert lab["s"] == [11, 22]


def test_a_graph_input_can_be_mapped_over(lab):
    lab.cell("@node(each={'x': 'xs'})\ndef s(x): return -x")
    lab.dag.set(xs=[1, 2])
    lab.ran()
    assert lab["s"] == [-1, -2]
    lab.dag.set(xs=[1, 2, 3])
    assert lab.ran() == ["s", "s[2]"]


def test_a_mapped_node_over_a_mapped_node(lab):
    lab.cell(
        "def xs(): return [1, 2]\n@node(each={'x': 'xs'})\ndef a(x): return x * 10\n"
        "@node(each={'y': 'a'})\ndef b(y): return y + 1"
    )
    lab.ran()
    assert lab["b"] == [11, 21]


def test_what_cannot_be_mapped_fails_with_what_to_write(lab):
    lab.cell("def xs(): return 5\n@node(each={'x': 'xs'})\ndef a(x): return x")
    run = lab.run()
    assert (
        run.stories["a"].error["message"].startswith("a is mapped over xs, which must be a list or a dict, and is of ")
    )


def test_a_number_and_its_text_are_different_keys_of_a_mapped_dict(lab):
    source = """
def xs(): return {KEY: 5}
@node(each={"x": "xs"})
def a(x): return x
def names(a): return [type(key).__name__ for key in a]
"""
    lab.cell(source.replace("KEY", "1"))
    lab.ran()
    assert lab.session.value("names") == ["int"]
    lab.cell(source.replace("KEY", "'1'"))
    assert "names" in lab.ran()
    assert lab.session.value("names") == ["str"]
