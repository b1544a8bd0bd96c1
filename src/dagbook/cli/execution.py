"""A notebook's cells, run one after the other in a fresh kernel that is gone afterwards, whatever happens."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, CellExecutionError, DeadKernelError

from dagbook.cli import USAGE
from dagbook.cli.files import Document, is_run
from dagbook.cli.progress import Watch
from dagbook.cli.screen import WIDTH, Screen, telling
from dagbook.cli.stopping import Stop
from dagbook.errors import UsageError, did_you_mean, nearest
from dagbook.notebook.caller import ANSWER, VARIABLE, Standing
from dagbook.notebook.pictures import cut, visible

GRACE = 2.0
"""Seconds that a cell has to end after an interrupt, and a kernel after it was asked to."""

PASSED_OVER = "it fails, and a cell above was passed over"

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FRAME = re.compile(r"Cell In\[(\d+)\], line (\d+)")

_CHATTER = re.compile(r"\s*$|\[\w+App\] WARNING")

_SILENT = logging.getLogger("dagbook.cli.kernel")  # what goes wrong is told in our words
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its exit code, how many cells ran to their end, and what is to be said of it.

    ``summary`` is what became of the nodes. ``refused``: what was asked for makes no sense in this notebook.
    """

    code: int
    ran: int
    message: str = ""
    summary: Sequence[str] = ()
    refused: bool = False


class _Ended(Exception):
    """No further cell runs. ``by_force``: the kernel does not react, or is dead."""

    def __init__(self, code: int, message: str, by_force: bool = False) -> None:
        self.code = code
        self.message = message
        self.by_force = by_force


class _Interrupted(Exception):
    """Work was ended by an interrupt of the kernel. ``by_force``: it did not end, and was given up."""

    def __init__(self, by_force: bool) -> None:
        self.by_force = by_force


class _Client(NotebookClient):  # type: ignore[misc]
    """Hears every message of the kernel: a widget sends from a thread, and what it sends belongs to no cell."""

    heard: Callable[[Mapping[str, Any]], bool]
    """Takes each message in; whether it was for us alone, and is not kept."""

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: Any, cell_index: int) -> None:
        while True:
            message = await self.kc.iopub_channel.get_msg(timeout=None)
            if not self.heard(message) and message["parent_header"].get("msg_id") == parent_msg_id:
                try:
                    self.process_message(message, cell, cell_index)
                except CellExecutionComplete:
                    return


class Execution:
    """One run of a document's cells. Their outputs are put into its tree as they come.

    ``standing`` is what is asked of each run of the graph. With ``go_on``, cells below one that failed run too.
    """

    def __init__(
        self,
        document: Document,
        screen: Screen,
        stop: Stop,
        *,
        kernel: str | None = None,
        timeout: float | None = None,
        standing: Standing | None = None,
        go_on: bool = False,
    ) -> None:
        self._path = document.path.resolve()
        self._cells = [(i, cell) for i, cell in enumerate(document.tree.cells) if is_run(cell)]
        self._screen = screen
        self._stop = stop
        self._timeout = timeout
        self._standing = standing
        self._go_on = go_on
        self._answers = Answers()
        self._failures: list[str] = []
        self._watch = Watch()
        self._runs_before = 0
        self._kernel = _manager(kernel or document.kernel, document.path)
        self._client = _Client(
            document.tree, km=self._kernel, log=_SILENT, store_widget_state=False, record_timing=False
        )
        self._client.heard = self._hear

    async def run(self) -> Ending:
        """Run the cells until the end, the first that fails, or a signal; then the kernel is gone."""
        ran, by_force = 0, False
        graph = self._watch.graph
        with self._stop.waking() as self._stopping, tempfile.TemporaryFile() as self._log:
            try:
                await self._start()
                for number, (index, cell) in enumerate(self._cells, 1):
                    ran += await self._run_cell(number, index, cell)
                self._check_effect()
                return Ending(1 if self._failures else 0, ran, "\n".join(self._failures), graph.summary(WIDTH))
            except _Ended as ended:
                by_force = ended.by_force
                message = "\n".join((*self._failures, ended.message))
                return Ending(ended.code, ran, message, graph.summary(WIDTH), bool(self._answers.refused))
            finally:
                await self._shut_down(by_force)

    # -- a kernel begins and ends

    async def _start(self) -> None:
        name = self._kernel.kernel_name
        try:
            await self._watched(self._start_kernel())
        except _Interrupted:
            raise _Ended(self._stop.code, "stopped before the first cell.", by_force=True) from None
        except (RuntimeError, OSError) as error:
            said = self._kernel_said() or f" {error}"
            raise _Ended(1, f"the kernel {name!r} did not start:{said}", by_force=True) from None

    async def _start_kernel(self) -> None:
        await self._client.async_start_new_kernel(
            cwd=str(self._path.parent),
            env={k: v for k, v in os.environ.items() if k != VARIABLE} | self._said(),
            stdout=self._log,
            stderr=self._log,
        )
        await self._client.async_start_new_kernel_client()

    def _said(self) -> dict[str, str]:
        """What the kernel is told by its environment."""
        asked = {VARIABLE: self._standing.packed()} if self._standing is not None else {}
        return {"JPY_SESSION_NAME": str(self._path)} | asked

    async def _shut_down(self, by_force: bool) -> None:
        """The kernel ends, and with it what it started."""
        if self._client.kc is not None:
            self._client.kc.stop_channels()
        self._kernel.shutdown_wait_time = GRACE
        if self._kernel.has_kernel:
            await self._kernel.shutdown_kernel(now=by_force)
        else:
            await self._kernel.cleanup_resources()

    def _kernel_said(self) -> str:
        """The last lines that the kernel wrote outside its cells: a crash, a missing module."""
        self._log.seek(0)
        lines = [line for line in self._log.read().decode(errors="replace").splitlines() if not _CHATTER.match(line)]
        return "".join(f"\n    {cut(visible(line), 200)}" for line in lines[-12:])

    # -- cells

    async def _run_cell(self, number: int, index: int, cell: Any) -> bool:
        """Run one cell; whether it ran to its end."""
        line, self._answers.absent = telling(cell.source), ""
        name = f"cell {number} ({cut(line, 60)})"
        self._runs_before = self._watch.graph.run["number"]
        self._screen.cell(number, len(self._cells), line)
        self._client.kc.session.metadata = {"cellId": cell.get("id", f"cell-{number}")}  # as every front end does
        ok = False
        try:
            await self._watched(self._client.async_execute_cell(cell, index, execution_count=number), self._timeout)
            ok = True
        except CellExecutionError as error:
            self._failed(_failure(error, name, number))
        except DeadKernelError:
            raise await self._died(cell, name) from None
        except _Interrupted as interrupted:
            raise self._interrupted(cell, name, interrupted.by_force) from None
        finally:
            self._screen.cell_ended(ok, self._watch.graph if self._ran_graph else None)
            self._watch.graph.remember()
            for line in self._answers.told():
                self._screen.say(line)
        if self._stop.received is not None:
            raise _Ended(self._stop.code, f"stopped after {name}.")
        return ok

    def _failed(self, message: str) -> None:
        """A cell has failed: that is the end, or it is noted."""
        answers = self._answers
        if answers.refused:
            raise _Ended(USAGE, answers.refused)
        if answers.absent or answers.passed_over:
            answers.lines.append(f"passed over: {answers.absent or PASSED_OVER}")
            answers.passed_over = True
        elif self._go_on:
            self._failures.append(message)
        else:
            raise _Ended(1, message)

    def _check_effect(self) -> None:
        """What was asked for had a run to act on."""
        if self._standing is None or self._failures:
            return
        if not self._answers.runs:
            raise _Ended(USAGE, "no cell runs the graph, so nothing came of the options. `%dag run` in a cell does.")
        if self._answers.unknown:
            raise _Ended(USAGE, f"when the graph was last run, no node was called {self._answers.unknown}.")

    async def _watched(self, work: Coroutine[Any, Any, Any], timeout: float | None = None) -> None:
        """Wait for ``work``. On a signal, or after ``timeout``, the kernel is interrupted: Interrupted is raised."""
        task, signalled = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({task, signalled}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        signalled.cancel()
        if task.done():
            task.result()
            return
        if self._kernel.has_kernel:
            await self._kernel.interrupt_kernel()
        await asyncio.wait({task}, timeout=GRACE)
        by_force = not task.done()
        if by_force:
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            by_force |= isinstance(task.exception(), DeadKernelError)
        raise _Interrupted(by_force)

    def _interrupted(self, cell: Any, name: str, by_force: bool) -> _Ended:
        if by_force:
            _mark(cell, "Interrupted", "The cell did not end when it was interrupted, so its kernel was ended.")
        if self._stop.received is not None:
            return _Ended(self._stop.code, f"stopped in {name}.", by_force)
        return _Ended(1, f"{name} took longer than {self._timeout:g} s (--timeout), and was interrupted.", by_force)

    async def _died(self, cell: Any, name: str) -> _Ended:
        running = self._watch.graph.running() if self._ran_graph else []
        what = f"{', '.join(running)} ran in {name}" if running else f"{name} ran"
        _mark(cell, "KernelDied", "The kernel died while this cell ran.")
        code = await self._kernel.provisioner.poll() if self._kernel.provisioner else None
        return _Ended(1, f"the kernel died while {what}{_cause(code)}.{self._kernel_said()}", by_force=True)

    @property
    def _ran_graph(self) -> bool:
        """Whether the cell at hand has begun a run of the graph."""
        return bool(self._watch.graph.run["number"] != self._runs_before)

    def _hear(self, message: Mapping[str, Any]) -> bool:
        try:
            if self._answers.hear(message):
                return True
            if self._watch.hear(message) and self._ran_graph:
                self._screen.news(self._watch.graph)
        except Exception:  # a message that is not understood never harms a run
            _SILENT.exception("a message of the kernel was not understood")
        return False


class Answers:
    """What the kernel has answered to what was asked of its runs.

    ``runs`` were begun; ``unknown`` are names that the last of them did not know; ``refused`` is why one was refused,
    ``absent`` is a value that a cell wanted, and the shell did not. ``lines`` are to be shown.
    """

    def __init__(self) -> None:
        self.runs = 0
        self.unknown = self.refused = self.absent = ""
        self.passed_over = False  # some cell was, because of that
        self.lines: list[str] = []

    def hear(self, message: Mapping[str, Any]) -> bool:
        """Take one message of the kernel in; whether it was an answer."""
        answer = message["content"].get("data", {}).get(ANSWER) if message["msg_type"] == "display_data" else None
        if answer is None:
            return False
        kind, text = answer["kind"], str(answer["text"])
        match kind:
            case "run":
                self.runs, self.unknown = self.runs + 1, text
            case "refused":
                self.refused = text
            case "absent":
                self.absent = text
            case _:
                self.lines += text.splitlines()
        return True

    def told(self) -> list[str]:
        """The lines that are to be shown now."""
        lines, self.lines = self.lines, []
        return [f"    {visible(line)}" for line in lines]


def _manager(name: str, path: Path) -> AsyncKernelManager:
    """A manager of the kernel with this name, or of this Python's own. Raises UsageError when it is not installed."""
    specs = KernelSpecManager(log=_SILENT)
    manager = AsyncKernelManager(kernel_name=name or "python3", kernel_spec_manager=specs, log=_SILENT)
    try:
        spec = manager.kernel_spec
    except NoSuchKernel:
        spec = None
    if spec is None:
        installed = sorted(specs.find_kernel_specs())
        if not name or name == "python3":
            raise UsageError("this Python has no kernel. Install one: `python -m pip install ipykernel`.")
        raise UsageError(
            f"{path} wants the kernel {name!r}, which is not installed{did_you_mean(nearest(name, installed))} "
            f"Installed: {', '.join(installed) or 'none'}. Choose one with `--kernel NAME`."
        )
    if manager.kernel_name == "python3" and importlib.util.find_spec("ipykernel"):
        spec.argv[0] = sys.executable  # a kernel of this name may be another Python, which has no dagbook
    return manager


def _failure(error: CellExecutionError, name: str, number: int) -> str:
    """What failed, and where: the node when it was one, and the cell."""
    said = " ".join(visible(line) for line in _ANSI.sub("", error.evalue).splitlines())
    if error.ename == "NodeFailed":
        return f"{said} It was asked for in {name}."
    lines = {int(cell): line for cell, line in reversed(_FRAME.findall(_ANSI.sub("", error.traceback)))}
    where = f", line {lines[number]}" if number in lines else ""
    return f"{name} failed{where}: {visible(error.ename)}: {said}" if said else f"{name} failed{where}: {error.ename}"


def _mark(cell: Any, kind: str, text: str) -> None:
    """Show in the cell why it has no more output."""
    if not any(output.output_type == "error" for output in cell.outputs):
        line = f"{kind}: {text}"
        cell.outputs.append(nbformat.v4.new_output("error", ename=kind, evalue=text, traceback=[line]))


def _cause(code: int | None) -> str:
    """What an exit code tells about a death."""
    if not code:
        return ""
    if code > 0:
        return f": it exited with code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
    memory = "; often that means that memory ran out" if name == "SIGKILL" else ""
    return f": it was ended by signal {-code} ({name}){memory}"
