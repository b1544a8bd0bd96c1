"""``%dag`` lines: what they take, what they refuse, what they offer."""

from __future__ import annotations

import json

import pytest

from tests.kernel.conftest import Kernel

pytestmark = pytest.mark.slow

COMMANDS = ["cancel", "drop", "help", "pause", "plan", "resources", "resume", "run", "set", "show", "status"]
COMMANDS += ["trace", "why"]


@pytest.fixture(autouse=True)
def graph(shared: Kernel) -> None:
    """Each test begins with the same three nodes, none of them run."""
    shared.must("if len(dag): dag.drop(*dag)")
    shared.must(
        (
            "%%dag\ndef raw():\n    return [3, 1, 2]\n\n"
            "def tidy(raw):\n    return sorted(raw)\n\n"
            "def total(tidy):\n    return sum(tidy)\n"
        ),
        "graph",
    )


def completions(kernel: Kernel, code: str) -> list[str]:
    message = kernel.client.complete(code, len(code))
    while True:
        reply = kernel.client.get_shell_msg(timeout=20)
        if reply["parent_header"].get("msg_id") == message:
            matches = reply["content"]["matches"]
            assert isinstance(matches, list)
            return sorted(matches)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("rnu", "%dag has no command 'rnu'. Did you mean 'run'? `%dag help` lists them."),
        ("zzz", "%dag has no command 'zzz'. `%dag help` lists them."),
        ("help rnu", "%dag has no command 'rnu'. Did you mean 'run'?"),
        ("run --jobs 0", "--jobs: it is a whole number from 1 up, not '0'. `%dag run --help` shows what it takes."),
        ("run --jobs two", "--jobs: it is a whole number from 1 up, not 'two'"),
        ("run --jobs", "--jobs: expected one argument"),
        ("run --quickly", "unrecognized arguments: --quickly"),
        ("run --force nothing", "no node is called 'nothing'."),
        ("why", "required: NODE"),
        ("drop", "required: NODE"),
        ("set", "required: NAME=VALUE"),
        ("set n", "%dag set takes NAME=VALUE, like n=10, not 'n'."),
        ("set 1=2", "not '1=2'"),
        ("set n=nowhere", "the value is no Python literal and no name of this notebook. Text needs quotes"),
        ("set n=open('x')", "the value is no Python literal"),
        ("set tidy=3", "'tidy' is a node (cell"),
        ("set n='half", "A quote may be missing."),
        ("show --png", "unrecognized arguments: --png"),
        ("status all", "unrecognized arguments: all"),
        ("run --retry -1", "--retry: it is a whole number from 0 up, not '-1'"),
        ("run --retry 1.5", "--retry: it is a whole number from 0 up, not '1.5'"),
        ("run --workers 0", "--workers/--jobs: it is a whole number from 1 up, not '0'"),
        ("run --timeout 0", "--timeout: it is a number of seconds above 0, not '0'"),
        ("run --timeout soon", "--timeout: it is a number of seconds above 0, not 'soon'"),
        ("run --timeout nan", "--timeout: it is a number of seconds above 0, not 'nan'"),
        ("run --types ,", "--types: it names nothing"),
        ("run --types modle", "no node is of type 'modle'. No node has a type."),
        ("run --exclude-tags slow", "no node is tagged 'slow'. No node has a tag."),
        ("run --nodes totla", "no node is called 'totla'. Did you mean 'total'?"),
        ("run raw totla", "no node is called 'totla'. Did you mean 'total'?"),
        ("run --fail-fast --continue-on-error", "not allowed with"),
        ("plan --retry 2", "unrecognized arguments: --retry"),
        ("resources gpu", "%dag resources takes NAME=NUMBER, like gpu=1, from 0 up, not 'gpu'."),
        ("resources gpu=-1", "not 'gpu=-1'."),
        ("resources gpu=lots", "not 'gpu=lots'."),
        ("resources =1", "not '=1'."),
        ("cancel", "no run is going on."),
        ("pause", "no run is going on."),
        ("resume", "no run is going on."),
    ],
)
def test_what_a_command_cannot_take_is_refused_with_the_way_on_and_nothing_is_shown(
    shared: Kernel, line: str, says: str
) -> None:
    assert says in shared.refused(f"%dag {line}", "command")
    assert not shared.run(f"%dag {line}", "command").displays
    assert shared.value("list(dag)") == ["raw", "tidy", "total"]


def test_the_methods_refuse_the_same(shared: Kernel) -> None:
    assert "the number of workers is a whole number from 1 up, not 0." in shared.refused("dag.run(workers=0)")
    assert "no node is called 'totla'. Did you mean 'total'?" in shared.refused("dag.run('totla')")
    assert "not as 'png'" in shared.refused("dag.show('png')")


@pytest.mark.parametrize("line", ["%dag run?", "%dag run??", "%dag help run", "%dag run --help", "%dag run -h"])
def test_each_way_to_ask_for_help_on_a_command_gives_it(shared: Kernel, line: str) -> None:
    text = shared.must(line).text
    assert text.startswith("usage: %dag run")
    assert "--fail-fast" in text


@pytest.mark.parametrize("line", ["%dag", "%dag help", "%dag --help"])
def test_help_lists_every_command(shared: Kernel, line: str) -> None:
    text = shared.must(line).text
    assert [c for c in COMMANDS if f"%dag {c} " not in text] == []


def test_commands_and_nodes_are_offered_and_nothing_else(shared: Kernel) -> None:
    assert completions(shared, "%dag ") == COMMANDS
    assert completions(shared, "x = 1\n%dag re") == ["resources", "resume"]
    assert completions(shared, "%dag run to") == ["total"]
    assert completions(shared, "%dag run raw ti") == ["tidy"]
    assert completions(shared, "%dag why t") == ["tidy", "total"]
    assert completions(shared, "%dag run --fo") == ["--force"]
    assert "tidy" in completions(shared, "dag.ti")
    assert "import" in completions(shared, "impor")


def test_status_plan_and_why_tell_the_state_before_and_after_a_run(shared: Kernel) -> None:
    value = shared.value("__import__('random').random()")
    shared.must(
        (
            f"%%dag\ndef raw():\n    return [{value}]\n\n"
            f"def tidy(raw):\n    return raw\n\n"
            f"def total(tidy):\n    return 1\n"
        ),
        "graph",
    )
    shared.must("%dag drop raw tidy total")
    shared.must(f"%%dag\ndef new_a():\n    return {value}\n\ndef new_b(new_a):\n    return {value}\n", "graph")
    assert shared.must("%dag status").text == "new_a  never run\nnew_b  never run\n"
    assert shared.must("%dag plan").text == "new_a  has never run\nnew_b  has never run\n2 may run, 0 current\n"
    assert "has never run" in shared.must("%dag why new_b").text
    shared.must("%dag run")
    assert shared.must("%dag status").text == "new_a  current\nnew_b  current\n"
    assert shared.must("%dag plan").text == "nothing to run: 2 current\n"
    shared.must(f"%%dag\ndef new_a():\n    return {value} + 1\n\ndef new_b(new_a):\n    return {value}\n", "graph")
    plan = shared.must("%dag plan").text
    assert "new_a  its code changed (1 line, cell" in plan
    assert "new_b  may have to: new_a runs first" in plan


def test_set_gives_an_input_its_value_and_another_value_runs_what_needs_it(shared: Kernel) -> None:
    shared.must("%%dag\ndef scaled(factor):\n    return [factor]\n\ndef apart():\n    return 1\n", "graph")
    for text, value in (("factor=2", 2), ("factor=\"'two words'\"", "two words"), ("factor=[1,2]", [1, 2])):
        shared.must(f"%dag set {text}")
        shared.must("%dag run scaled")
        assert shared.executed() == ["scaled"]
        assert shared.value("dag.scaled") == [value]
    shared.must("mine = {'a': 1}\n%dag set factor=mine")
    shared.must("%dag run scaled")
    assert shared.value("dag.scaled") == [{"a": 1}]
    shared.must("%dag set factor=2")
    shared.must("%dag run scaled")
    assert shared.executed() == []


def test_the_graph_can_be_shown_as_text_mermaid_dot_and_svg(shared: Kernel) -> None:
    assert "raw → " in shared.must("%dag show --text").text
    assert shared.must("%dag show --mermaid").text.startswith("flowchart LR")
    assert shared.must("%dag show --dot").text.startswith("digraph")
    assert "image/svg+xml" in shared.must("%dag show --svg").displays[0]["data"]
    assert "application/vnd.jupyter.widget-view+json" in shared.must("%dag show").displays[0]["data"]


def test_full_and_force_run_what_is_current(shared: Kernel) -> None:
    shared.must("%dag run")
    shared.must("%dag run --force tidy")
    assert shared.executed() == ["tidy"]
    shared.must("%dag run --full --jobs 1")
    assert shared.executed() == ["raw", "tidy", "total"]
    assert json.dumps(shared.value("dag.total")) == "6"
