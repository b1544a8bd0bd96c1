"""What a cell defines is the graph, and everything stays plain Python."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel, plain

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def clean(shared: Kernel) -> None:
    """Each test begins with an empty graph."""
    shared.must("if len(dag): dag.drop(*dag)")


def names(kernel: Kernel) -> object:
    return kernel.value("list(dag)")


# -- what a cell defines


def test_a_coroutine_function_is_a_node_whose_value_is_what_it_returns(shared: Kernel) -> None:
    shared.must(
        "%%dag\nimport asyncio\nasync def fetched():\n    await asyncio.sleep(0)\n    return 3\n\n"
        "def doubled(fetched):\n    return fetched * 2\n",
        "coroutine",
    )
    shared.must("%dag run doubled")
    assert shared.value("dag.doubled") == 6
    shared.must("%dag drop fetched doubled")


def test_a_name_that_its_cell_stops_defining_is_gone_from_the_graph_and_the_namespace(shared: Kernel) -> None:
    shared.must("%%dag\ndef kept():\n    return 1\n\ndef gone(kept):\n    return 2\n", "shrinks")
    shared.must("%dag run gone")
    shared.must("%%dag\ndef kept():\n    return 1\n", "shrinks")
    assert names(shared) == ["kept"]
    assert shared.value("'gone' in globals()") is False
    assert "no node is called 'gone'" in shared.refused("dag.gone")
    shared.must("x = 1", "shrinks")  # the cell is now an ordinary one
    assert names(shared) == []
    assert shared.value("'kept' in globals()") is False


def test_a_name_that_another_cell_has_taken_since_is_left_alone(shared: Kernel) -> None:
    shared.must("%%dag\ndef taken():\n    return 1\n", "owner")
    shared.must("taken = 'mine now'")
    shared.must("%%dag\ndef instead():\n    return 1\n", "owner")
    assert names(shared) == ["instead"]
    assert shared.value("taken") == "mine now"


def test_running_a_cell_of_nodes_computes_nothing_and_shows_what_it_defines(shared: Kernel) -> None:
    reply = shared.must(
        ("%%dag\nimport pathlib\n\ndef a():\n    pathlib.Path('ran').touch()\n\ndef b(a):\n    return a\n"), "lazy"
    )
    assert [d["data"]["text/plain"] for d in reply.displays] == ["a → b"]
    assert not (shared.folder / "ran").exists()


def test_the_comment_form_means_the_same(shared: Kernel) -> None:
    reply = shared.must("#| dag\ndef a():\n    return 1\n\ndef b(a):\n    return a\n", "comment")
    assert [d["data"]["text/plain"] for d in reply.displays] == ["a → b"]
    assert names(shared) == ["a", "b"]


def test_imports_constants_classes_and_helpers_of_a_cell_are_ordinary_names(shared: Kernel) -> None:
    shared.must(
        "%%dag\nimport math\nLIMIT = 3\nclass Box: pass\ndef _half(x): return x / 2\ndef n(): return _half(LIMIT)\n",
        "names",
    )
    assert names(shared) == ["n"]
    assert shared.value("[math.floor(2.5), LIMIT, Box.__name__, _half(3)]") == [2, 3, "Box", 1.5]


def test_a_command_in_the_cell_that_defines_sees_what_it_defines(shared: Kernel) -> None:
    cell = "%%dag\ndef one():\n    return 101\n%dag run one\nprint('after', dag.one)\n%dag why one"
    reply = shared.must(cell, "inside")
    assert "one = 101" in reply.everything
    assert "after 101" in reply.text
    assert "one: ran for the first time" in reply.text


def test_a_decorated_function_in_a_plain_cell_is_a_node_and_an_imported_one_is_not(shared: Kernel) -> None:
    (shared.folder / "steps.py").write_text(
        "from dagbook import node\n\n"
        "@node(tags='io')\ndef loaded():\n    return 7\n\n"
        "@node\ndef doubled(loaded):\n    return 14\n"
    )
    shared.must("from steps import loaded, doubled\nfrom dagbook import node", "import")
    assert names(shared) == []
    assert shared.value("[loaded(), doubled(0)]") == [7, 14]
    shared.must("@node(retries=1)\ndef mine():\n    return loaded()\n\ndef plain():\n    return 2\n", "decorated")
    assert names(shared) == ["mine"]
    assert shared.must("%dag run mine").everything.endswith("mine = 7")


# -- plain Python


def test_functions_stay_callable_and_a_call_is_no_run(shared: Kernel) -> None:
    shared.must(
        ("%%dag\ndef rows():\n    return [2, 1]\n\ndef tidy(rows):\n    print('tidying')\n    return sorted(rows)\n"),
        "call",
    )
    reply = shared.must("tidy([9, 8])", "call-it")
    assert reply.everything == "tidying\n\n[8, 9]"
    assert "tidy has no value yet. `%dag run tidy` makes it." in shared.refused("dag.tidy")


def test_line_numbers_magics_and_await_work_as_in_any_cell(shared: Kernel) -> None:
    reply = shared.run("%%dag\ndef fine():\n    return 1\n\n1 / 0\n", "lines")
    assert reply.error is not None
    assert ", line 5" in plain("\n".join(reply.error["traceback"]))
    source = "%%dag\nimport asyncio\nwaited = await asyncio.sleep(0, 'slept')\nhere = !echo hi\n%time\n"
    shared.must(source + "def fine():\n    return 1\n", "lines")
    assert shared.value("[waited, list(here), 'fine' in dag]") == ["slept", ["hi"], True]


# -- the dag object


def test_the_dag_object_is_a_collection_of_names_with_values_as_attributes_and_items(shared: Kernel) -> None:
    shared.must("%%dag\ndef alpha():\n    return 1\n\ndef status(alpha):\n    return 2\n", "object")
    shared.must("%dag run")
    assert shared.value("[dag.alpha, dag['alpha'], dag['status']]") == [1, 1, 2]
    assert shared.value("callable(dag.status)") is True  # a command's name stays the command
    assert shared.value("['alpha' in dag, 'beta' in dag, len(dag), list(dag), repr(dag)]") == [
        True, False, 2, ["alpha", "status"], "<dag of 2 nodes>",
    ]  # fmt: skip
    assert shared.value("set(dir(dag)) >= {'alpha', 'run', 'why'}") is True
    assert shared.value("hasattr(dag, 'beta')") is False
    assert shared.value("sorted(dag._repr_mimebundle_())") == ["image/svg+xml", "text/html", "text/plain"]
    assert "Did you mean 'alpha'?" in shared.refused("dag.alpho")
    seen = shared.refused("def mine():\n    return dag['alpho']\n\nmine()")
    assert "line 2, in mine" in seen
    assert "Did you mean 'alpha'?" in seen


def test_a_stale_value_is_given_with_one_warning_that_says_why(shared: Kernel) -> None:
    cell = "%%dag\ndef low():\n    return 71\n\ndef high(low):\n    return low + 1\n"
    shared.must(cell, "stale")
    shared.must("%dag run high")
    assert "stale" not in shared.must("dag.low, dag.high").text
    shared.must(cell.replace("return 71", "return 75"), "stale")
    first = shared.must("print(dag.low)").text
    assert "71\n" in first
    assert "accessor.py" not in first
    assert "print(dag.low)" in first
    assert "StaleWarning: low is stale (its code changed (1 line, cell " in first
    assert "`%dag run low` renews it" in first
    assert "high is stale (low is to run again first)" in shared.must("dag.high").text
    assert shared.must("print(dag.low)").text == "71\n"
    shared.must("%dag run high")
    assert shared.must("print(dag.low, dag.high)").text == "75 76\n"


def test_what_is_done_to_a_value_outside_the_graph_is_never_seen_by_a_node(shared: Kernel) -> None:
    cell = "%%dag\ndef rows():\n    return [3, 1]\n\ndef count(rows):\n    return len(rows)\n"
    shared.must(cell, "scribble")
    shared.must("%dag run count")
    shared.must("mine = dag.rows; mine.append(99)")
    shared.must(cell + "\ndef last(rows):\n    return rows[-1]\n", "scribble")
    assert "last = 1" in shared.must("%dag run").everything + shared.must("%dag run last").everything
    assert shared.value("dag.rows") == [3, 1]
    assert shared.value("mine") == [3, 1, 99]
