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


def run(path: Path, *, output: Path | None, timeout: float | None, kernel: str | None, quiet: bool) -> int:
    """Run the notebook and write what its cells show, into it or to ``output``. Returns the exit code.

    Raises UsageError, before anything runs, for what cannot be run or written.
    """
    began = time.monotonic()
    document = files.read(path)
    target = output or path
    files.check_writable(target)
    shown = screen(quiet)
    with Stop() as stop:
        execution = Execution(document, shown, stop, kernel=kernel, timeout=timeout)
        with shown:
            if document.remark:
                shown.say(document.remark)
            ending = asyncio.run(execution.run())
        if ending.message:
            _complain(ending.message)
        return _save(document, target, ending, shown, time.monotonic() - began)


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
