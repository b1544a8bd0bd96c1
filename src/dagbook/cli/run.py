"""``dagbook run``: a notebook is read, run without a browser, and written."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from dagbook.cli import files
from dagbook.cli.execution import Ending, Execution
from dagbook.cli.screen import Screen, screen
from dagbook.cli.stopping import Stop
from dagbook.notebook.caller import Standing
from dagbook.notebook.cells import head
from dagbook.notebook.request import NOTHING, Request


def run(
    path: Path,
    *,
    output: Path | None,
    timeout: float | None,
    kernel: str | None,
    quiet: bool,
    request: Request = NOTHING,
    trace: Path | None = None,
) -> int:
    """Run the notebook and write what its cells show, into it or to ``output``. Returns the exit code.

    ``request`` is asked of each run of its graph; in a dry run no node runs, and nothing is written. The last run's
    ``trace`` is written. Raises UsageError, before anything runs, for what cannot be run or written.
    """
    began = time.monotonic()
    document = files.read(path)
    target = output or path
    for written in (target, trace):
        if written is not None:
            files.check_writable(written)
    standing = _standing(document, request, trace)
    shown = screen(quiet)
    with Stop() as stop:
        go_on = request.fail_fast is False
        execution = Execution(document, shown, stop, kernel=kernel, timeout=timeout, standing=standing, go_on=go_on)
        with shown:
            if document.remark:
                shown.say(document.remark)
            ending = asyncio.run(execution.run())
        for line in ending.summary:
            shown.say(line)
        for line in ending.message.splitlines():
            _complain(line)
        if request.dry_run or ending.refused:
            shown.say(f"{'no node ran; ' if request.dry_run else ''}{path} is as it was")
            return ending.code
        return _save(document, target, ending, shown, time.monotonic() - began)


def _standing(document: files.Document, request: Request, trace: Path | None) -> Standing | None:
    """What the kernel is to ask of each run; None when there is nothing."""
    if request == NOTHING and trace is None:
        return None
    cells = sum(files.is_run(cell) and head(cell.source) is not None for cell in document.tree.cells)
    return Standing(request, cells, str(trace.resolve()) if trace is not None else "")


def _save(document: files.Document, target: Path, ending: Ending, shown: Screen, seconds: float) -> int:
    try:
        written = files.write(document, target)
    except OSError as error:
        _complain(f"{target} could not be written: {error.strerror}. What the cells showed is lost.")
        return ending.code or 1
    ran = f"{ending.ran} cell{'' if ending.ran == 1 else 's'} ran in {seconds:.1f} s"
    shown.say(f"{ran}, saved in {written}")
    if written != target.resolve():
        _complain(f"{target} was changed while it ran, and is left so. What its cells showed is in {written}.")
        return ending.code or 1
    return ending.code


def _complain(text: str) -> None:
    print(f"dagbook: {text}", file=sys.stderr, flush=True)
