"""What the user gets wrong is refused with words that help, and everything is then as it was before."""

from __future__ import annotations

import re

import pytest

from tests.kernel.conftest import Kernel, plain

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def clean(shared: Kernel) -> None:
    """Each test begins with an empty graph."""
    shared.must("dagbook_dag = __import__('dagbook').current()\nif len(dagbook_dag): dagbook_dag.drop(*dagbook_dag)")


def nodes(kernel: Kernel) -> dict[str, list[str]]:
    """The graph: each node with its inputs."""
    found = kernel.value("{n: list(dag._notebook.session.dag.inputs(n)) for n in dag}")
    assert isinstance(found, dict)
    return found


CHAIN = (
    "%%dag\ndef raw():\n    return [3, 1, 2]\n\n"
    "def tidy(raw):\n    return sorted(raw)\n\n"
    "def total(tidy):\n    return sum(tidy)\n"
)
GRAPH = {"raw": [], "tidy": ["raw"], "total": ["tidy"]}


# -- definitions


def test_a_syntax_error_registers_nothing_and_the_next_good_cell_works(shared: Kernel) -> None:
    shared.must(CHAIN, "syntax")
    seen = shared.refused(CHAIN + "def broken(:\n    pass\n", "syntax")
    assert "SyntaxError" in seen
    assert "line 10" in seen
    assert nodes(shared) == GRAPH
    shared.must(CHAIN + "def more(total):\n    return total + 1\n", "syntax")
    assert nodes(shared) == GRAPH | {"more": ["total"]}
    assert shared.must("%dag run more").everything.endswith("more = 7")


def test_a_cell_that_raises_before_its_end_registers_nothing(shared: Kernel) -> None:
    shared.run("%%dag\ndef early():\n    return 1\nx = 1 / 0\n", "raises")
    assert nodes(shared) == {}


def test_a_cycle_is_shown_with_its_path_and_cells_and_the_graph_stays(shared: Kernel) -> None:
    shared.must(CHAIN, "cycle-1")
    shared.must("%%dag\ndef back(total):\n    return [total]\n", "cycle-2")
    seen = shared.refused(CHAIN.replace("raw():", "raw(back):"), "cycle-1")
    assert re.search(r"CycleError: cycle: (\w+ → ){4}\w+ \(cell \d+, cell \d+\)\. A node cannot need its own", seen)
    path = re.search(r"cycle: ([\w → ]+) \(", seen)
    assert path is not None
    names = path[1].split(" → ")
    assert names[0] == names[-1]
    assert set(names) == {"raw", "tidy", "total", "back"}
    assert nodes(shared) == GRAPH | {"back": ["total"]}
    assert shared.must("%dag run back").everything.endswith("back = [6]")


def cell_of(kernel: Kernel, source: str, cell_id: str | None, name: str) -> str:
    kernel.must(source, cell_id)
    place = kernel.value(f"dag._notebook.session.dag[{name!r}].place.cell")
    assert isinstance(place, str)
    return place.removeprefix("cell ")


@pytest.mark.parametrize("ids", [("twice-1", "twice-2"), (None, None)], ids=["with cell ids", "headless"])
def test_a_node_defined_in_two_cells_is_refused_with_both_places_and_how_to_go_on(
    shared: Kernel, ids: tuple[str | None, str | None]
) -> None:
    number = cell_of(shared, CHAIN, ids[0], "tidy")
    second = "%%dag\ndef tidy(raw):\n    return raw[:]\n"
    seen = shared.refused(second, ids[1])
    assert f"DuplicateNodeError: 'tidy' is defined twice: in cell {number}, line 5 and in cell " in seen
    assert ", line 2. Rename one of them, or take the other out with `%dag drop tidy`" in seen
    assert nodes(shared) == GRAPH
    assert shared.value("tidy([2, 1])") == [1, 2], "the name means what it meant before"
    shared.must("%dag drop tidy")
    shared.must(second, ids[1])
    assert shared.must("%dag run total").everything.endswith("total = 6")
    assert shared.value("dag.tidy") == [3, 1, 2]


def test_the_same_cell_run_again_is_an_edit_and_a_moved_cell_is_adopted(shared: Kernel) -> None:
    shared.must(CHAIN, "place-1")
    shared.must(CHAIN.replace("sorted(raw)", "sorted(raw, reverse=True)"), "place-1")
    moved = CHAIN.replace("sorted(raw)", "sorted(raw, reverse=True)")
    shared.must(moved, "place-2")
    assert nodes(shared) == GRAPH
    shared.must(moved.replace("[3, 1, 2]", "[3, 1]"), "place-2")
    assert shared.must("%dag run total").everything.endswith("total = 4")


def test_a_headless_cell_run_again_is_an_edit_when_its_text_is_the_same(shared: Kernel) -> None:
    shared.must(CHAIN)
    shared.must(CHAIN)
    assert nodes(shared) == GRAPH


def test_a_parameter_with_a_default_that_is_also_a_node_shows_the_two_ways(shared: Kernel) -> None:
    shared.must(CHAIN, "default-1")
    seen = shared.refused("%%dag\ndef other(tidy=()):\n    return tidy\n", "default-2")
    assert "parameter 'tidy' has a default, and 'tidy' is also a node (cell" in seen
    assert "remove the default" in seen
    assert "rename the parameter" in seen
    assert nodes(shared) == GRAPH


def test_a_parameter_that_nothing_provides_says_set_or_define_and_offers_near_names(shared: Kernel) -> None:
    shared.must(CHAIN, "missing-1")
    number = cell_of(shared, "%%dag\ndef scaled(totl):\n    return totl * 2\n", "missing-2", "scaled")
    seen = shared.refused("%dag run scaled")
    assert f"scaled (cell {number}, line 2) needs 'totl', and nothing provides it." in seen
    assert "Define a function `totl`" in seen
    assert "`%dag set totl=…`" in seen
    assert "Did you mean 'total'?" in seen
    shared.must("%dag set totl=5")
    assert shared.must("%dag run scaled").everything.endswith("scaled = 10")


def test_names_that_are_taken_are_refused_and_mean_what_they_meant(shared: Kernel) -> None:
    for name in ("dag", "self", "cls"):
        seen = shared.refused(f"%%dag\ndef {name}():\n    return 1\n", f"name-{name}")
        assert f"ReservedNameError: a node cannot be called {name!r}" in seen
        assert "Rename the function" in seen
    assert shared.must("print(dag)").text == "<dag of 0 nodes>\n"
    assert "SyntaxError" in shared.refused("%%dag\ndef class():\n    return 1\n", "name-class")
    assert nodes(shared) == {}


def test_underscored_and_dunder_functions_are_helpers_and_a_builtin_name_shadows_as_in_plain_python(
    shared: Kernel,
) -> None:
    shared.must(
        ("%%dag\ndef __init__():\n    return 1\n\ndef _help():\n    return 2\n\ndef max():\n    return _help()\n"),
        "odd",
    )
    assert nodes(shared) == {"max": []}
    assert shared.must("%dag run max").everything.endswith("max = 2")
    shared.must("%%dag\ndef _help():\n    return 2\n", "odd")
    assert shared.value("max(1, 5)") == 5


@pytest.mark.parametrize("first", ["%%dag body -> a, b", "%%dag body", "#| dag: body -> a"])
def test_a_body_is_refused_before_it_runs_and_says_what_to_do(shared: Kernel, first: str) -> None:
    seen = shared.refused(f"{first}\nran_the_body = 1\n", "body")
    assert "only cells of functions can be nodes here" in seen
    assert "Put the statements into a function, and begin the cell with `%%dag` alone" in seen
    assert shared.value("'ran_the_body' in globals()") is False


def test_dag_below_the_first_line_is_refused_and_blank_lines_above_it_are_not(shared: Kernel) -> None:
    for above in ("x = 1\n", "# a comment\n"):
        seen = shared.refused(f"{above}%%dag\ndef low():\n    return 1\n", "low")
        assert "`%%dag` must be the first line of its cell" in seen
    assert nodes(shared) == {}
    shared.must("\n\n%%dag\ndef low():\n    return 1\n", "low")
    assert nodes(shared) == {"low": []}


def test_an_async_generator_is_refused_with_the_way_round(shared: Kernel) -> None:
    seen = shared.refused("%%dag\nasync def later():\n    yield 1\n", "async")
    assert "later (cell" in seen
    assert "return [item async for item in …]" in seen
    assert nodes(shared) == {}


def test_an_unknown_option_of_node_is_refused_with_near_names(shared: Kernel) -> None:
    reply = shared.run("from dagbook import node\n@node(retry=2)\ndef tried():\n    return 1\n", "option")
    assert reply.error is not None
    assert reply.error["evalue"] == "a node has no option 'retry'. Did you mean 'retries'?"
    assert nodes(shared) == {}


@pytest.mark.parametrize("command", ["run", "plan", "why", "drop"])
def test_a_node_that_does_not_exist_is_answered_with_near_names(shared: Kernel, command: str) -> None:
    shared.must(CHAIN, "unknown")
    seen = shared.refused(f"%dag {command} totla", "ask")
    assert seen == "NodeNotFoundError: no node is called 'totla'. Did you mean 'total'?"
    reply = shared.run(f"%dag {command} totla", "ask")
    assert not reply.displays, "nothing is drawn for what cannot be done"
    assert nodes(shared) == GRAPH


# -- while nodes run


FAILING = """%%dag
import json
import sys


def raw():
    return [3, 1, 2]


def _inner(xs):
    return {}["gone"]


def chained(raw):
    try:
        return _inner(raw)
    except KeyError as error:
        raise ValueError("no good") from error


def below(chained):
    return chained


def fine(raw):
    return sum(raw)


def library(raw):
    return json.loads("{")


def leaves(raw):
    sys.exit(3)
"""


def test_an_exception_shows_only_the_users_lines_with_cell_and_arrow_and_what_led_to_it(shared: Kernel) -> None:
    number = cell_of(shared, FAILING, "failing", "chained")
    seen = shared.refused("%dag run below")
    assert f"cell {number}, line 18, in chained" in seen
    assert '→   18         raise ValueError("no good") from error' in seen
    assert "ValueError: no good" in seen
    assert f"cell {number}, line 11, in _inner" in seen
    assert "KeyError: 'gone'" in seen
    assert seen.index("KeyError") < seen.index("that was the cause of this") < seen.index("ValueError")
    assert seen.endswith(
        f"NodeFailed: chained failed (cell {number}, line 18): ValueError: no good. 1 below it skipped: below."
    )
    error = shared.run("%dag run below").error
    assert error is not None
    assert error["ename"] == "NodeFailed"
    cause = "import dagbook\ntry: dag.run('below')\nexcept dagbook.DagbookError as e: print(repr(e.__cause__))"
    assert shared.must(cause).text.endswith("ValueError('no good')\n")


def test_independent_nodes_go_on_and_what_hangs_on_a_failure_is_skipped_with_the_reason(shared: Kernel) -> None:
    shared.must(FAILING, "failing")
    seen = shared.refused("%dag run")
    assert "Also failed: library, leaves." in seen
    assert shared.value("dag.fine") == 6
    assert "skipped, because chained failed." in shared.must("%dag why below").text
    status = shared.must("%dag status").text
    standing = dict(line.split(None, 1) for line in status.splitlines())
    assert standing == {
        "raw": "current",
        "chained": "failed",
        "below": "skipped",
        "fine": "current",
        "library": "failed",
        "leaves": "failed",
    }
    assert "chained  failed when it last ran" in shared.must("%dag plan").text


def test_frames_of_libraries_are_counted_and_not_shown(shared: Kernel) -> None:
    shared.must(FAILING, "failing")
    seen = shared.refused("%dag run library")
    assert re.search(r"→ +30 +return json\.loads", seen)
    assert re.search(r"\d frames in json hidden", seen)
    assert "decoder.py" not in seen
    assert "JSONDecodeError: Expecting property name" in seen


def test_sys_exit_in_a_node_fails_the_node_and_the_kernel_lives(shared: Kernel) -> None:
    shared.must(FAILING, "failing")
    seen = shared.refused("%dag run leaves")
    assert "leaves failed (cell" in seen
    assert "SystemExit: 3" in seen
    assert shared.value("1 + 1") == 2


def test_a_generator_is_refused_with_the_way_round(shared: Kernel) -> None:
    number = cell_of(shared, "%%dag\ndef lazily():\n    return (n for n in [1])\n", "generator", "lazily")
    seen = shared.refused("%dag run lazily")
    assert f"lazily failed (cell {number}, line 2): TypeError: lazily returned a generator" in seen
    assert seen.endswith("which can be read only once. Return list(...) of it.")
    assert "..." in shared.must("%dag why lazily").text
    assert ".." not in shared.must("%dag why lazily").text.replace("...", "")


def test_a_mapped_node_over_what_is_no_list_is_refused_with_the_way_round(shared: Kernel) -> None:
    shared.must(
        (
            "%%dag\nfrom dagbook import node\n\n"
            "def five():\n    return 5\n\n"
            '@node(each={"n": "five"})\ndef over(n):\n    return n\n'
        ),
        "over",
    )
    seen = shared.refused("%dag run over")
    assert "over is mapped over five, which must be a list or a dict, and is of type int. Return list(...)" in seen


def test_a_node_that_changes_its_input_is_refused_and_nobody_sees_the_change(shared: Kernel) -> None:
    source = (
        "%%dag\ndef rows():\n    return [3, 1]\n\n"
        "def scribbles(rows):\n    rows.append(9)\n    return rows\n\n"
        "def count(rows, sure):\n    return len(rows)\n\n"
        "def sure():\n    return 1\n"
    )
    number = cell_of(shared, source, "scribble", "scribbles")
    seen = shared.refused("%dag run scribbles count")
    assert f"scribbles failed (cell {number}, line 5)" in seen
    assert "scribbles changed its input 'rows' in place" in seen
    assert '@node(inputs="copy")' in seen
    assert shared.value("dag.count") == 2
    assert shared.value("dag.rows") == [3, 1]


def test_two_megabytes_of_print_are_cut_visibly(shared: Kernel) -> None:
    shared.must("%%dag\ndef loud():\n    for n in range(40_000): print('x' * 50)\n    print('the end')\n", "loud")
    for _ in range(2):  # made, and reused
        text = shared.must("%dag run loud").text
        assert 1_000_000 < len(text) < 1_000_100
        assert text.endswith("\n… cut: more than 1,000,000 characters\n")


# -- names of the user's own


def test_a_variable_called_dag_is_kept_and_current_gives_the_graph(kernel: Kernel) -> None:
    kernel.must("dag = 'mine'")
    assert "The name `dag` is taken here; `dagbook.current()` gives the graph." in kernel.must("%load_ext dagbook").text
    kernel.must("import dagbook")
    assert kernel.value("dag") == "mine"
    kernel.must("%%dag\ndef one():\n    return 1\n")
    kernel.must("%dag run one")
    assert kernel.value("dagbook.current().one") == 1
    assert kernel.value("dag") == "mine"
    kernel.must("%unload_ext dagbook")
    assert kernel.value("dag") == "mine"
    seen = kernel.run("dagbook.current()").error
    assert seen is not None
    assert "Run `%load_ext dagbook` first" in plain(seen["evalue"])


# -- values and the store


def test_a_value_that_cannot_be_stored_works_in_this_kernel_and_runs_again_after_a_restart(kernel: Kernel) -> None:
    cell = (
        "%%dag\nimport threading\n\n"
        "def lock():\n    return threading.Lock()\n\n"
        "def holder():\n    return {'next': iter([]).__next__, 'lock': threading.Lock()}\n\n"
        "def free(lock):\n    return not lock.locked()\n\n"
        "def held(holder):\n    return len(holder)\n"
    )
    kernel.must("%load_ext dagbook")
    kernel.must(cell, "c")
    assert "free = True" in kernel.must("%dag run free held").everything
    status = kernel.must("%dag status").text
    assert re.search(r"lock +current \(not stored: .*; runs again after a restart\)", status)
    assert re.search(r"holder +current \(not stored: .*; runs again after a restart\)", status)
    assert re.search(r"free +stale: input `lock` cannot be compared", status)
    kernel.must("%dag run free held")
    assert "lock" not in kernel.executed()
    kernel.restart()
    kernel.must("%load_ext dagbook")
    kernel.must(cell, "c")
    assert "free = True" in kernel.must("%dag run free held").everything
    assert set(kernel.executed()) == {"lock", "holder", "free", "held"}


def test_a_damaged_stored_value_is_made_again_with_one_warning(kernel: Kernel) -> None:
    cell = "%%dag\ndef big():\n    return list(range(5000))\n\ndef size(big):\n    return len(big)\n"
    kernel.must("%load_ext dagbook")
    kernel.must(cell, "c")
    kernel.must("%dag run size")
    blobs = [p for p in (kernel.folder / ".dagbook" / "blobs").rglob("*") if p.is_file()]
    assert blobs
    for path in blobs:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.chmod(0o600)
        path.write_bytes(data)
    kernel.restart()
    kernel.must("%load_ext dagbook")
    kernel.must(cell.replace("len(big)", "len(big) + 1"), "c")
    shown = kernel.must("%dag run size")
    assert shown.everything.endswith("size = 5001")
    assert shown.text.count("Warning") == 1, shown.text
    assert set(kernel.executed()) >= {"big", "size"}
    assert kernel.value("dag.big[-1]") == 4999
    assert not kernel.must("%dag run size").text
