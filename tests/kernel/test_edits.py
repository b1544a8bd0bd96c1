"""After an edit exactly the nodes that it reaches run, in a live kernel and after a restart, and `why` says why."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

pytestmark = pytest.mark.slow

HELPERS = '''
import steps
LIMIT = 2
FACTORS = {"a": 3}

class Scale:
    def apply(self, x):
        return x * FACTORS["a"]

def _inner(x):
    return x + 1

def _helper(x):
    return _inner(x) * 2

def _shift(x, by=1):
    return x + by
'''

NODES = '''%%dag
def raw():
    """Numbers of a file."""
    with open("data.txt") as file:
        return [int(word) for word in file.read().split()]

def clean(raw):
    kept = [x for x in raw if x > LIMIT]
    return kept

def scaled(clean):
    return [Scale().apply(x) for x in clean]

def helped(clean):
    return [_helper(x) for x in clean]

def shifted(clean, extra=0):
    return [_shift(x) + extra for x in clean]

def modular(clean):
    return [steps.double(x) for x in clean]

def total(scaled, helped, shifted, modular):
    return sum(scaled) + sum(helped) + sum(shifted) + sum(modular)
'''

MODULE = "def _twice(x):\n    return x * 2\n\ndef double(x):\n    return _twice(x)\n\ndef unused():\n    return 1\n"
DATA = "1 2 3 4 5"
BELOW_CLEAN = {"scaled", "helped", "shifted", "modular", "total"}


@dataclass(frozen=True)
class Edit:
    """One replacement in one text, the exact nodes that run, and what `why NODE` has to say."""

    text: str
    old: str
    new: str
    runs: frozenset[str]
    node: str
    says: tuple[str, ...]


def edit(text: str, old: str, new: str, runs: set[str], node: str, *says: str) -> Edit:
    return Edit(text, old, new, frozenset(runs), node, says)


EDITS = {
    "a comment": edit("nodes", "    kept = [", "    # only these\n    kept = [", set(), "clean", "reused"),
    "a docstring": edit("nodes", "Numbers of a file.", "The numbers.", set(), "raw", "reused"),
    "a local name": edit(
        "nodes", "    kept = [x for x in raw if x > LIMIT]\n    return kept",
        "    good = [x for x in raw if x > LIMIT]\n    return good", set(), "clean", "reused",
    ),
    "the node's own code": edit(
        "nodes", "return [Scale().apply(x) for x in clean]", "return [Scale().apply(x) + 1 for x in clean]",
        {"scaled", "total"}, "scaled", "its code changed (1 line, cell 3)", "its value changed too",
    ),
    "code that gives an equal value": edit(
        "nodes", "kept = [x for x in raw if x > LIMIT]", "kept = list(x for x in raw if x > LIMIT)",
        {"clean"}, "total", "reused", "clean ran again because its code changed (1 line, cell 3)",
        "its value is unchanged", "nothing after it ran",
    ),
    "a helper": edit(
        "helpers", "return _inner(x) * 2", "return _inner(x) * 5", {"helped", "total"},
        "helped", "helper `_helper` changed (1 line, cell 2)",
    ),
    "a helper's helper": edit(
        "helpers", "return x + 1\n", "return x + 7\n", {"helped", "total"},
        "helped", "helper `_inner` changed (1 line, cell 2)",
    ),
    "a global constant": edit(
        "helpers", "LIMIT = 2", "LIMIT = 3", {"clean", *BELOW_CLEAN}, "clean",
        "constant `LIMIT` changed from 2 to 3",
    ),
    "a mutable global": edit(
        "helpers", '{"a": 3}', '{"a": 4}', {"scaled", "total"}, "scaled", "constant `FACTORS` changed",
    ),
    "a default": edit(
        "nodes", "extra=0", "extra=1", {"shifted", "total"}, "shifted", "default `extra` changed from 0 to 1",
    ),
    "a helper's default": edit(
        "helpers", "by=1", "by=3", {"shifted", "total"}, "shifted", "helper `_shift` changed (1 line, cell 2)",
    ),
    "a class": edit(
        "helpers", 'return x * FACTORS["a"]', 'return x * FACTORS["a"] + 100', {"scaled", "total"},
        "scaled", "class `Scale", "changed",
    ),
    "an imported project module": edit(
        "module", "return x * 2", "return x * 3", {"modular", "total"}, "modular", "steps", "changed",
    ),
    "an unused part of an imported module": edit("module", "return 1", "return 2", set(), "modular", "reused"),
    "a file that the node read": edit(
        "data", "1 2 3 4 5", "1 2 3 4 6", {"raw", "clean", *BELOW_CLEAN}, "raw", "file `data.txt` changed",
    ),
    "a file whose change does not matter": edit(
        "data", "1 2 3", "0 2 3", {"raw", "clean"}, "total", "clean ran again because the value of raw changed",
        "file `data.txt` changed", "its value is unchanged",
    ),
}


class Project:
    """The four texts that a user edits, and the cells that run them."""

    def __init__(self, kernel) -> None:
        self.kernel = kernel
        self.texts = {"helpers": HELPERS, "nodes": NODES, "module": MODULE, "data": DATA}
        self.begun = False

    def write(self, name: str, text: str) -> None:
        self.texts[name] = text
        if name == "module":
            (self.kernel.folder / "steps.py").write_text(text)
        if name == "data":
            (self.kernel.folder / "data.txt").write_text(text)

    def begin(self) -> None:
        for name in ("module", "data"):
            self.write(name, self.texts[name])
        self.kernel.must("%load_ext dagbook\nimport sys, importlib; sys.dont_write_bytecode = True", "load")
        self.kernel.must(self.texts["helpers"], "helpers")
        self.kernel.must(self.texts["nodes"], "nodes")

    def apply(self, name: str, text: str) -> None:
        """What the user does: change the text, run the cell again."""
        self.write(name, text)
        if name == "module":
            self.kernel.must("importlib.reload(steps)", "reload")
        elif name != "data":
            self.kernel.must(text, name)

    def run(self) -> set[str]:
        self.kernel.must("%dag run", "run")
        return set(self.kernel.executed())

    def why(self, node: str) -> str:
        return self.kernel.must(f"%dag why {node}", "why").text


def check_words(case: Edit, sentence: str, *, live: bool) -> None:
    for words in case.says:
        if not live or "cell" not in words:  # a live kernel gives the edited cell a new number
            assert words in sentence, sentence
        else:
            assert words.partition(" (")[0].partition(", cell")[0] in sentence, sentence


def test_each_edit_in_a_live_kernel_runs_exactly_what_it_reaches_and_its_undo_runs_nothing(kernel) -> None:
    project = Project(kernel)
    project.begin()
    assert project.run() == {"raw", "clean", *BELOW_CLEAN}
    for name, case in EDITS.items():
        before = project.texts[case.text]
        assert case.old in before, name
        project.apply(case.text, before.replace(case.old, case.new))
        assert project.run() == case.runs, name
        check_words(case, project.why(case.node), live=True)
        project.apply(case.text, before)
        assert project.run() == set(), f"undo of {name}"
        assert "reused" in project.why(case.node), name


@pytest.mark.parametrize("name", EDITS)
def test_each_edit_before_a_restart_runs_exactly_what_it_reaches(kernel, name: str) -> None:
    case = EDITS[name]
    project = Project(kernel)
    project.begin()
    project.run()
    project.write(case.text, project.texts[case.text].replace(case.old, case.new))
    kernel.restart()
    project.begin()
    assert project.run() == case.runs
    check_words(case, project.why(case.node), live=False)


def test_a_restart_and_run_all_runs_no_node(kernel) -> None:
    project = Project(kernel)
    project.begin()
    first = project.run()
    value = kernel.value("dag.total")
    kernel.restart()
    project.begin()
    assert first
    assert project.run() == set()
    assert kernel.value("dag.total") == value
