"""``dagbook run``: what it writes, what it says, how it ends, and that nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import dagbook
from dagbook.cli.main import status

SOURCES = Path(dagbook.__file__).parents[1]
FAIL = ["x = 1", "print('before')\n1 / 0", "print('never')"]
ENDLESS = ["x = 1", "import os, time\nopen('started', 'w').close()\nprint('waiting', flush=True)\ntime.sleep(600)", "2"]
STUBBORN = """\
import time
open('started', 'w').close()
while True:
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        pass"""
PIPELINE = """\
%%dag
import pathlib


def raw():
    with pathlib.Path("log").open("a") as log:
        log.write("raw ")
    return [3, 1, 2]


def clean(raw):
    print("cleaning", len(raw), "rows")
    return sorted(raw)


def total(clean):
    return sum(clean)
"""


class Program(subprocess.Popen[str]):
    """The command line in a process of its own."""

    def __init__(self, *words: object, cwd: Path) -> None:
        command = [sys.executable, "-m", "dagbook.cli", *map(str, words)]
        environment = {k: v for k, v in os.environ.items() if k != "DAGBOOK_DIR"} | {"PYTHONPATH": str(SOURCES)}
        super().__init__(
            command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def ended(self, within: float = 60) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        out, err = self.communicate(timeout=within)
        return self.returncode, out, err


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Runs a notebook in the test's folder: exit code, stdout, stderr."""
    return lambda *words: Program("run", *words, cwd=tmp_path).ended()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a notebook of code cells."""

    def write(*sources: str, name: str = "note.ipynb", **metadata: Any) -> Path:
        notebook = new_notebook(metadata=metadata)
        notebook.cells = [new_code_cell(source, id=f"c{n}") for n, source in enumerate(sources, 1)]
        path = tmp_path / name
        nbformat.write(notebook, path)
        return path

    return write


def cells(path: Path) -> list[Any]:
    found: list[Any] = nbformat.read(path, as_version=4).cells
    return found


def error(cell: Any) -> str:
    return "".join(f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error")


def printed(cell: Any) -> str:
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


def wait_for(path: Path, program: Program) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert program.poll() is None, program.communicate()
        assert time.monotonic() < until, f"{path.name} never came"
        time.sleep(0.02)


def gone(processes: list[psutil.Process], within: float) -> bool:
    return not psutil.wait_procs(processes, timeout=within)[1]


# ---- what cannot be run: exit code 3, and words that say what to do ----


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", ["no notebook", "empty"], id="empty"),
        pytest.param('{"cells": [', ["no notebook", "not JSON"], id="cut off"),
        pytest.param('{\n "a": 1,\n<<<<<<< HEAD\n', ["no notebook", "merge", "line 3"], id="merge"),
        pytest.param("[1, 2]", ["no notebook", "a list"], id="a list"),
        pytest.param('{"name": "x"}', ["no notebook", "nbformat"], id="other JSON"),
        pytest.param('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', ["no list of cells"], id="no cells"),
        pytest.param('{"nbformat": 9, "cells": []}', ["format 9", "up to format 4"], id="newer"),
        pytest.param('{"nbformat": 4, "cells": [], "metadata": {}}', ["damaged", "nbformat_minor"], id="no minor"),
        pytest.param(
            json.dumps(
                {
                    "nbformat": 4,
                    "nbformat_minor": 5,
                    "metadata": {},
                    "cells": [
                        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ""},
                        {"cell_type": "code", "id": "b", "metadata": {}, "source": "1", "outputs": []},
                    ],
                }
            ),
            ["damaged", "cell 2 of 2", "execution_count"],
            id="a cell lacks a field",
        ),
    ],
)
def test_a_file_that_is_no_notebook_is_refused_with_words_about_what_is_wrong(
    content: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "note.ipynb"
    path.write_text(content)
    assert status(["run", str(path)]) == 3
    said = capsys.readouterr().err
    assert str(path) in said
    for word in words:
        assert word in said
    assert path.read_text() == content


def test_a_missing_file_is_refused_and_the_nearest_one_offered(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("1", name="flights.ipynb")
    assert status(["run", str(path.with_name("flight.ipynb"))]) == 3
    assert "Did you mean 'flights.ipynb'?" in capsys.readouterr().err


def test_a_kernel_that_is_not_installed_is_refused_before_anything_runs(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("1", kernelspec={"name": "no-such-kernel", "display_name": "?"})
    assert status(["run", str(path)]) == 3
    said = capsys.readouterr().err
    assert "'no-such-kernel'" in said
    assert "python3" in said
    assert "--kernel" in said


def test_an_output_that_cannot_be_written_is_refused_before_anything_runs(
    write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("open('ran', 'w')")
    assert status(["run", str(path), "--output", str(tmp_path / "nowhere" / "out.ipynb")]) == 3
    assert "no folder" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["note.ipynb"], "`dagbook run note.ipynb`"),
        (["run"], "Missing argument"),
        (["run", "note.ipynb", "--timeout", "0"], "--timeout"),
    ],
)
def test_a_command_that_is_wrong_ends_with_code_3_and_a_way_on(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(words) == 3
    assert said in capsys.readouterr().err


def test_alone_it_shows_its_help_and_with_version_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert status([]) == 0
    assert "run  " in capsys.readouterr().out
    assert status(["--version"]) == 0
    assert capsys.readouterr().out == f"dagbook {dagbook.__version__}\n"
    assert status(["run", "--help"]) == 0
    assert "--output" in capsys.readouterr().out


def test_help_imports_nothing_that_only_a_run_needs() -> None:
    code = (
        "import sys; from dagbook.cli.main import status; status(['--help']);"
        "print([m for m in ('nbclient', 'nbformat', 'jupyter_client', 'rich', 'IPython', 'numpy') if m in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SOURCES)}, capture_output=True, text=True
    )
    assert said.stdout.endswith("\n[]\n"), said


# ---- what is written ----


@pytest.mark.slow
def test_a_notebook_is_run_and_its_outputs_are_written_into_it(
    write: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    path = write("import os\nx = 41", "", "print('here', os.getcwd())\nx + 1")
    path.chmod(0o640)
    code, out, err = run(path.name)
    assert (code, err) == (0, "")
    first, blank, last = cells(path)
    assert [c.id for c in (first, blank, last)] == ["c1", "c2", "c3"]
    assert [c.execution_count for c in (first, blank, last)] == [1, None, 2]
    assert printed(last) == f"here {tmp_path}\n"
    assert last.outputs[-1].data == {"text/plain": "42"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["note.ipynb"]
    assert "\x1b" not in out
    assert out.splitlines()[:2] == ["[1/2] x = 41", "[2/2] print('here', os.getcwd())"]


@pytest.mark.slow
def test_what_is_written_holds_nothing_volatile_and_is_the_same_each_time(
    write: Callable[..., Path], run: Callable[..., Any]
) -> None:
    path = write(
        "import sys, time\nfor i in range(5):\n    print(i, flush=True)\n    print(-i, file=sys.stderr, flush=True)\n"
        "    time.sleep(0.01)\nprint('10%\\r20%\\rall')",
        "import ipywidgets\nipywidgets.IntSlider()",
        "from IPython.display import display\nfor word in 'ab':\n    print(word)\n    display(word)",
        widgets={"application/vnd.jupyter.widget-state+json": {"state": {}}},
    )
    given = nbformat.read(path, as_version=4)
    given.cells[0].metadata["execution"] = {"iopub.status.busy": "2020-01-01T00:00:00Z"}
    given.cells.append(new_markdown_cell("text", id="text"))
    nbformat.write(given, path)
    assert run("--quiet", path.name) == (0, "", "")
    once = path.read_bytes()
    assert run("--quiet", path.name) == (0, "", "")
    assert path.read_bytes() == once
    assert b"widget-view" not in once
    assert b"widget-state" not in once
    assert not re.search(rb"iopub|20\d\d-\d\d-\d\d|execution\"", once)
    streams, slider, shown, _ = cells(path)
    assert [(o.name, o.text) for o in streams.outputs] == [
        ("stdout", "0\n1\n2\n3\n4\nall\n"),
        ("stderr", "0\n-1\n-2\n-3\n-4\n"),
    ]
    assert [list(o.data) for o in slider.outputs] == [["text/plain"]]
    assert [o.output_type for o in shown.outputs] == ["stream", "display_data"] * 2
    nbformat.validate(nbformat.read(path, as_version=4))


@pytest.mark.slow
def test_with_output_the_notebook_stays_as_it_is(write: Callable[..., Path], run: Callable[..., Any]) -> None:
    path = write("1 + 1")
    before = path.read_bytes()
    out = path.with_name("out.ipynb")
    assert run(path.name, "--output", out.name)[0] == 0
    assert path.read_bytes() == before
    assert cells(out)[0].outputs[0].data["text/plain"] == "2"


@pytest.mark.slow
def test_edits_made_while_it_runs_are_not_overwritten(write: Callable[..., Path], run: Callable[..., Any]) -> None:
    path = write("import pathlib\nfile = pathlib.Path('note.ipynb')\nn = file.write_text(file.read_text() + ' ')\n7")
    before = path.read_text()
    code, _, err = run(path.name)
    assert code == 1
    assert "note.ran.ipynb" in err
    assert path.read_text() == before + " "
    assert cells(path.with_name("note.ran.ipynb"))[0].outputs[0].data["text/plain"] == "7"


@pytest.mark.slow
def test_a_notebook_in_an_old_format_is_upgraded_with_a_word_about_it(
    tmp_path: Path, run: Callable[..., Any]
) -> None:
    path = tmp_path / "old.ipynb"
    cell = {"cell_type": "code", "input": ["1 +\\\n", " 1"], "outputs": [], "language": "python", "metadata": {}}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": [cell]}]}
    path.write_text(json.dumps(old))
    code, out, _ = run(path.name, "--output", "one.ipynb")
    assert code == 0
    assert "old format 3" in out
    assert run(path.name, "--output", "two.ipynb")[0] == 0
    assert (tmp_path / "one.ipynb").read_bytes() == (tmp_path / "two.ipynb").read_bytes()
    (only,) = cells(tmp_path / "one.ipynb")
    assert only.outputs[0].data["text/plain"] == "2"


# ---- what fails ----


@pytest.mark.slow
def test_a_failing_cell_is_named_and_saved_and_later_cells_stay_as_they_were(
    write: Callable[..., Path], run: Callable[..., Any]
) -> None:
    path = write(*FAIL)
    given = nbformat.read(path, as_version=4)
    given.cells[2].outputs = [nbformat.v4.new_output("stream", text="old\n")]
    given.cells[2].execution_count = 7
    nbformat.write(given, path)
    code, _, err = run(path.name)
    assert code == 1
    assert "cell 2 (print('before')) failed, line 2: ZeroDivisionError: division by zero" in err
    _, failed, later = cells(path)
    assert printed(failed) == "before\n"
    assert error(failed) == "ZeroDivisionError: division by zero"
    assert (later.execution_count, printed(later)) == (7, "old\n")


@pytest.mark.slow
def test_a_kernel_that_dies_is_noticed_within_five_seconds_and_its_cell_is_named(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('child', 'w').write(str(child.pid))",
        "import os\nprint('last words', flush=True)\nopen('dying', 'w').close()\nos.kill(os.getpid(), 9)",
    )
    program = Program("run", path.name, cwd=tmp_path)
    wait_for(tmp_path / "dying", program)
    code, _, err = program.ended(within=5)
    assert code == 1
    assert "the kernel died while cell 2 (print('last words', flush=True)) ran" in err
    assert "SIGKILL" in err
    assert printed(cells(path)[1]) == "last words\n"
    assert error(cells(path)[1]).startswith("KernelDied")
    pid = int((tmp_path / "child").read_text())
    assert not psutil.pid_exists(pid) or gone([psutil.Process(pid)], within=2)


@pytest.mark.slow
@pytest.mark.parametrize("last", [ENDLESS[1], STUBBORN], ids=["yielding", "stubborn"])
def test_a_cell_that_takes_longer_than_the_timeout_is_interrupted_and_named(
    last: str, write: Callable[..., Path], run: Callable[..., Any]
) -> None:
    path = write("1", last)
    began = time.monotonic()
    code, _, err = run(path.name, "--timeout", "0.5")
    assert time.monotonic() - began < 15
    assert code == 1
    assert re.search(r"cell 2 \(.*\) took longer than 0.5 s", err)
    assert cells(path)[0].outputs[0].data["text/plain"] == "1"
    assert error(cells(path)[1])


# ---- what is stopped, or killed ----


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "last"),
    [(signal.SIGINT, ENDLESS[1]), (signal.SIGTERM, ENDLESS[1]), (signal.SIGINT, STUBBORN)],
    ids=["SIGINT", "SIGTERM", "SIGINT, stubborn"],
)
def test_a_signal_ends_it_within_five_seconds_saves_and_leaves_no_process(
    number: signal.Signals, last: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write("print('first')", last, "print('never')")
    program = Program("run", path.name, cwd=tmp_path)
    wait_for(tmp_path / "started", program)
    kernels = psutil.Process(program.pid).children(recursive=True)
    assert kernels
    program.send_signal(number)
    code, _, err = program.ended(within=5)
    assert code == 128 + number
    assert "stopped in cell 2" in err
    assert gone(kernels, within=0.1)
    first, stopped, later = cells(path)
    assert printed(first) == "first\n"
    assert error(stopped)
    assert not later.outputs


@pytest.mark.slow
def test_a_signal_while_the_kernel_starts_ends_it_too(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write("1")
    program = Program("run", path.name, cwd=tmp_path)
    me = psutil.Process(program.pid)
    while not (kernels := me.children(recursive=True)):
        assert program.poll() is None
        time.sleep(0.01)
    program.send_signal(signal.SIGINT)
    code, _, err = program.ended(within=5)
    assert (code, err) == (130, "dagbook: stopped before the first cell.\n")
    assert gone(kernels, within=0.1)
    assert not cells(path)[0].outputs


@pytest.mark.slow
def test_killed_while_it_runs_the_notebook_is_unchanged_and_the_kernel_ends(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write(*ENDLESS)
    before = path.read_bytes()
    program = Program("run", path.name, cwd=tmp_path)
    wait_for(tmp_path / "started", program)
    kernels = psutil.Process(program.pid).children(recursive=True)
    program.kill()
    program.communicate()
    assert path.read_bytes() == before
    assert gone(kernels, within=5)


def test_killed_while_it_writes_the_notebook_is_the_old_one_or_the_new_one(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write("1")
    before = path.read_bytes()
    code = (
        "import sys, pathlib, os; from dagbook.cli import files\n"
        "document = files.read(pathlib.Path(sys.argv[1]))\n"
        "document.tree.cells[0].source = 'x' * 30_000_000\n"
        "os.write(1, b'!')\n"
        "while True:\n    document.raw = files.write(document, document.path).read_bytes()"
    )
    seen = set()
    for delay in (0.0, 0.05, 0.15, 0.3):
        path.write_bytes(before)
        writer = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], env={**os.environ, "PYTHONPATH": str(SOURCES)}, stdout=-1
        )
        assert writer.stdout
        assert writer.stdout.read(1) == b"!"
        time.sleep(delay)  # wherever it is by then
        writer.kill()
        writer.communicate()
        now = nbformat.read(path, as_version=4)
        seen.add(len(now.cells[0].source))
    assert seen <= {1, 30_000_000}


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    pty = pytest.importorskip("pty")
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)
