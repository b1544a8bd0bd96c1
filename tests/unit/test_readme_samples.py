"""What the README says of life beyond the notebook is true: its samples run, in order, and print what it shows.

And the map for those who work on dagbook names every module.
"""

from __future__ import annotations

import os
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PART = "## Beyond the notebook"

BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"\d+(\.\d+)? ?(ms|s|%|nodes at once)(?!\w)")


def samples():
    """The part's samples: where each stands in the file, its code, and the output that is shown below it."""
    readme = README.read_text(encoding="utf-8")
    start = readme.index(f"\n{PART}\n")
    part = readme[start : readme.index("\n## ", start + 1)]
    found = []
    for block in BLOCK.finditer(part):
        if block["kind"] == "python":
            line = readme.count("\n", 0, start + block.start("text"))
            found.append([line, block["text"], ""])
        else:
            assert block["kind"] == "text", f"no test knows what a block of {block['kind']} is for"
            assert not found[-1][2], "a sample has one output"
            found[-1][2] = block["text"]
    return found


def printed(sample, line, namespace):
    """Run a sample as the program's main module would; what it prints."""
    code = compile("\n" * line + sample, str(README), "exec", dont_inherit=True)
    with redirect_stdout(StringIO()) as out:
        exec(code, namespace)
    return out.getvalue()


def comparable(text):
    """Without what differs from run to run, figures with a unit, and without spaces at the ends of lines."""
    return [FIGURE.sub("# \\2", line).rstrip() for line in text.splitlines()]


@pytest.mark.skipif(os.name != "posix", reason="one sample has process=True")
def test_the_samples_run_and_print_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, sample, shown in samples():
        assert comparable(printed(sample, line, namespace)) == comparable(shown), f"README.md, line {line + 1}"


def test_every_class_that_the_part_names_can_be_imported():
    import dagbook

    readme = README.read_text(encoding="utf-8")
    part = readme[readme.index(PART) :]
    named = set(re.findall(r"`(\w*(?:Executor|Runner|Pipeline|Manifest|Provenance|DagContext))`", part))
    assert len(named) > 8
    assert [name for name in sorted(named) if not hasattr(dagbook, name)] == []


@pytest.mark.parametrize("folder", ["graph", "engine", "executors", "observe", "backends", "storage"])
def test_the_map_names_every_module(folder):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text[text.index("## The map") :]))
    modules = {path.stem for path in (ROOT / "src/dagbook" / folder).glob("*.py")} - {"__init__"}
    assert sorted(modules - named) == []
