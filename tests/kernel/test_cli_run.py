"""``dagbook run``: what it writes, what it says, how it ends, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import dagbook
from dagbook.cli.main import status
from dagbook.cli.progress import Watch
from dagbook.cli.screen import telling
from dagbook.graph.node import Node, NodeOptions
from dagbook.notebook.view import View
from dagbook.session import Session

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
        super().__init__(command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

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
def test_a_notebook_in_an_old_format_is_upgraded_with_a_word_about_it(tmp_path: Path, run: Callable[..., Any]) -> None:
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
        "import os, time\nprint('last words', flush=True)\n"
        "time.sleep(1)  # what a kernel has not sent when it is killed is lost to everybody\n"
        "open('dying', 'w').close()\nos.kill(os.getpid(), 9)",
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


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_killed_while_it_writes_the_notebook_is_the_old_one(
    step: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write("1")
    before = path.read_bytes()
    code = f"""\
import os, pathlib, signal
from dagbook.cli import files

document = files.read(pathlib.Path("note.ipynb"))
document.tree.cells[0].source = "x" * 100_000
write = os.write

def die(first, *rest):
    if {step!r} == "write":
        write(first, rest[0][:1000])
    os.kill(os.getpid(), signal.SIGKILL)

os.{step} = die
files.write(document, document.path)
"""
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_bytes() == before


# ---- the graph ----


@pytest.mark.slow
def test_a_graph_is_told_node_by_node_and_a_second_run_reuses_it(
    write: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    path = write("%load_ext dagbook", PIPELINE, "%dag run total", "dag.total")
    code, out, err = run(path.name)
    assert (code, err) == (0, "")
    assert "[2/4] def raw():" in out
    told = [line for line in out.splitlines() if line.startswith("    ran: ")]
    assert ", ".join(line.removeprefix("    ran: ") for line in told) == "raw, clean, total"
    assert "    3 nodes: 3 ran\n[4/4] dag.total\n" in out
    assert out.count(" nodes: ") == 1
    once = path.read_bytes()
    assert printed(cells(path)[2]) == "cleaning 3 rows\n"
    code, out, err = run(path.name)
    assert (code, err) == (0, "")
    assert "    3 nodes: 3 reused\n" in out
    assert (tmp_path / "log").read_text() == "raw "
    assert (tmp_path / ".dagbook").is_dir()
    assert path.read_bytes() == once
    assert b"widget-view" not in once


@pytest.mark.slow
def test_nodes_are_told_while_they_run_and_the_children_of_a_mapped_one_only_when_they_fail(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    mapped = """\
%%dag
import pathlib
import time

from dagbook import node


def numbers():
    return [0, 1, 2]


@node(each={"number": "numbers"})
def inverse(number):
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
    return 1 / number
"""
    path = write("%load_ext dagbook", mapped, "%dag run inverse")
    program = Program("run", path.name, cwd=tmp_path)
    assert program.stdout
    seen = [program.stdout.readline() for _ in range(4)]
    assert seen[-1] == "    ran: numbers\n"
    (tmp_path / "go").touch()
    code, out, err = program.ended()
    assert code == 1
    failed = re.findall(r"failed: (.*)", out)
    assert ", ".join(failed) == "inverse[0], inverse" or ", ".join(failed) == "inverse, inverse[0]"
    assert "inverse[1]" not in out
    assert "ZeroDivisionError" in err


@pytest.mark.slow
def test_a_failing_node_is_named_with_its_cell_and_line_and_ends_with_code_1(
    write: Callable[..., Path], run: Callable[..., Any]
) -> None:
    path = write("%load_ext dagbook", PIPELINE.replace("sum(clean)", "sum(clean) / 0"), "%dag run total", "dag.raw")
    code, out, err = run(path.name)
    assert code == 1
    assert err.startswith("dagbook: total failed (cell 2, line 17): ZeroDivisionError: division by zero.")
    assert "in cell 3 (%dag run total)" in err
    assert "    3 nodes: 1 failed, 2 ran\n" in out
    assert error(cells(path)[2]).startswith("NodeFailed: total failed")
    assert not cells(path)[3].outputs


@pytest.mark.slow
def test_what_had_finished_before_ctrl_c_is_not_run_again(write: Callable[..., Path], tmp_path: Path) -> None:
    wait = "import time\n    pathlib.Path('started').touch()\n    time.sleep(600)\n    return sorted(raw)"
    path = write("%load_ext dagbook", PIPELINE.replace("return sorted(raw)", wait), "%dag run total")
    program = Program("run", path.name, cwd=tmp_path)
    wait_for(tmp_path / "started", program)
    kernels = psutil.Process(program.pid).children(recursive=True)
    program.send_signal(signal.SIGINT)
    code, _, err = program.ended(within=5)
    assert code == 130
    assert "stopped in cell 3 (%dag run total)" in err
    assert gone(kernels, within=0.1)
    assert error(cells(path)[2])
    write("%load_ext dagbook", PIPELINE, "%dag run total")
    code, out, _ = Program("run", path.name, cwd=tmp_path).ended()
    assert code == 0
    assert "    3 nodes: 2 ran, 1 reused\n" in out
    assert (tmp_path / "log").read_text() == "raw "


@pytest.mark.slow
def test_a_kernel_that_dies_in_a_node_has_the_node_named(write: Callable[..., Path], run: Callable[..., Any]) -> None:
    die = "import os, time\n    time.sleep(0.3)\n    os.kill(os.getpid(), 9)\n    return sum(clean)"
    path = write("%load_ext dagbook", PIPELINE.replace("return sum(clean)", die), "%dag run total")
    code, _, err = run(path.name)
    assert code == 1
    assert "the kernel died while total ran in cell 3 (%dag run total)" in err


@pytest.mark.slow
def test_on_a_terminal_the_picture_is_drawn_over_and_over_and_each_cell_leaves_a_line(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    pty = pytest.importorskip("pty")
    path = write(
        "%load_ext dagbook", PIPELINE.replace("    print(", "    import time; time.sleep(1)\n    print("), "%dag run"
    )
    mine, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(SOURCES), "TERM": "xterm", "COLUMNS": "80"}
    command = [sys.executable, "-m", "dagbook.cli", "run", path.name]
    program = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed when the program ends
        while piece := os.read(mine, 65536):
            shown += piece
    os.close(mine)
    text = shown.decode()
    assert program.wait(10) == 0, text
    assert "\x1b[2K" in text
    assert "running: clean" in text
    plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", text)
    assert re.search(r"✓ \[3/3\] %dag run  \d+\.\d s\r\n", plain)
    assert "    3 nodes: 3 ran\r\n" in plain


class Comm:
    """Stands where a widget stands: packs what the view sends as the kernel's comm does."""

    kind = "graph"

    def __init__(self, watch: Watch, lost: set[int], keeps: bool = True) -> None:
        self.watch, self.lost, self.keeps, self.sent = watch, lost, keeps, 0
        self._send("comm_open", {"state": {"kind": "graph"}}, [])

    def _send(self, kind: str, data: dict[str, Any], buffers: list[bytes]) -> None:
        self.watch.hear({"msg_type": kind, "content": {"comm_id": "1", "data": data}, "buffers": buffers})

    def tell(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        self.sent += 1
        if self.sent not in self.lost:
            content = json.loads(json.dumps(message))
            self._send("comm_msg", {"method": "custom", "content": content}, [memoryview(b) for b in buffers])

    def keep(self, picture: Any) -> int:
        if not self.keeps:
            return 0
        text, statuses, times = picture.saved()
        data = {"method": "update", "state": {"snapshot": text}, "buffer_paths": [["status"], ["times"]]}
        self._send("comm_msg", data, [statuses, times])
        return 1


@pytest.mark.parametrize("lost", [set(), {2}, {2, 3, 4}])
def test_the_graph_ends_right_whatever_messages_are_lost(lost: set[int]) -> None:
    def numbers() -> dict[str, int]:
        return {"one": 1, "x\x1b[2J\u202e": 0}

    def inverse(number: int) -> float:
        return 1 / number

    def after(inverse: dict[str, float]) -> float:
        return sum(inverse.values())

    def other() -> int:
        return 1

    session = Session(workers=2)
    each = NodeOptions.of(each={"number": "numbers"})
    session.dag.define([Node.of(numbers), Node.of(inverse, "inverse", each), Node.of(after), Node.of(other)])
    view, watch = View(session), Watch()
    view.attach(Comm(watch, lost))
    session.run()
    view.finish()
    graph, bad = watch.graph, 'inverse["x␛[2J‹202e›"]'
    assert graph.counts() == "4 nodes: 1 failed, 1 skipped, 2 ran"
    assert graph.names == ["numbers", "inverse", "after", "other", 'inverse["one"]', bad]
    assert list(graph.status) == list(view.picture.status)
    assert dict(graph.settled()) == {"failed": ["inverse", bad], "skipped": ["after"], "ran": ["numbers", "other"]}
    assert graph.settled() == []
    assert graph.running() == []


def test_changes_after_a_lost_message_are_left_out_until_a_snapshot_comes() -> None:
    def slow() -> int:
        time.sleep(0.2)  # so that there are several messages
        return 1

    def after(slow: int) -> int:
        return slow

    session = Session(workers=1)
    session.dag.define([Node.of(slow), Node.of(after)])
    view, watch = View(session), Watch()
    comm = Comm(watch, lost={2}, keeps=False)
    view.attach(comm)
    session.run()
    view.finish()
    assert comm.sent > 2
    assert watch.graph.counts() == "2 nodes: 2 queued"
    view.refresh()
    assert watch.graph.counts() == "2 nodes: 2 ran"


def test_the_line_of_a_cell_is_the_first_that_tells_something() -> None:
    assert telling("\n%%dag\nimport time\n\n@node(each=1)\ndef raw():\n    pass") == "def raw():"
    assert telling("#| dag: clean -> a\nx") == "#| dag: clean -> a"
    assert telling("import pandas") == "import pandas"
    assert telling("# why\n  df.head()\x1b[2J") == "df.head()␛[2J"
