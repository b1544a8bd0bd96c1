"""What the terminal shows while a notebook runs: a live picture, plain lines where there is no terminal, or nothing."""

from __future__ import annotations

import os
import re
import sys
import time
from typing import Any

from dagbook.cli.progress import Graph
from dagbook.notebook.pictures import cut, listed, visible

WIDTH = 100
"""Columns of a plain line."""

_DULL = re.compile(r"\s*($|#(?!\|)|import\b|from\b|@|\"\"\"|'''|(%%|#\|\s*)dag\s*$)")


def telling(source: str) -> str:
    """The first line of a cell that tells what it is about; imports, comments and a bare ``%%dag`` do not."""
    lines = [line for line in source.splitlines() if line.strip()]
    return visible(next((line for line in lines if not _DULL.match(line)), lines[0]).strip())


class Screen:
    """Shows nothing: the screen of ``--quiet``, and the form of the others."""

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, line: str) -> None:
        """A line of its own."""

    def cell(self, number: int, total: int, line: str) -> None:
        """A cell begins."""

    def news(self, graph: Graph) -> None:
        """The graph has changed."""

    def cell_ended(self, ok: bool, graph: Graph | None) -> None:
        """The cell has ended; ``graph`` when it ran one."""


class Lines(Screen):
    """Plain lines without control codes, for logs and pipes."""

    def say(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:  # nobody reads any more: go on in silence, also when Python flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def cell(self, number: int, total: int, line: str) -> None:
        self.say(cut(f"[{number}/{total}] {line}", WIDTH))

    def news(self, graph: Graph) -> None:
        for word, names in graph.settled():
            self.say(listed(f"    {word}: ", names, WIDTH))

    def cell_ended(self, ok: bool, graph: Graph | None) -> None:
        if graph is not None:
            self.say(f"    {graph.counts()}")


class Live(Screen):
    """One line a cell, and under the one that runs the state of its graph, drawn over and over."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live as Drawn
        from rich.spinner import Spinner

        self._title = "starting the kernel"
        self._began = time.monotonic()
        self._below: list[str] = []
        self._console = Console(highlight=False, soft_wrap=True)
        self._spinner: Any = Spinner("dots")
        self._drawn = Drawn(
            console=self._console,
            get_renderable=self._picture,
            refresh_per_second=8,
            transient=True,
            redirect_stderr=False,
        )

    def __enter__(self) -> Screen:
        self._drawn.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._title = ""
        self._drawn.stop()

    def say(self, line: str) -> None:
        self._console.print(line, markup=False)

    def cell(self, number: int, total: int, line: str) -> None:
        self._title, self._began, self._below = f"[{number}/{total}] {line}", time.monotonic(), []

    def news(self, graph: Graph) -> None:
        width, running = self._console.width - 1, graph.running()
        below = [cut(f"    {graph.counts()}", width)]
        if running:
            below.append(listed("    running: ", running, width))
        self._below = below  # whole: the picture is drawn by another thread

    def cell_ended(self, ok: bool, graph: Graph | None) -> None:
        from rich.text import Text

        headed, self._title = self._headed(), ""
        self._console.print(Text.assemble(("✓ ", "green") if ok else ("✗ ", "bold red"), headed))
        if graph is not None:
            self._console.print(Text(f"    {graph.counts()}", "dim"))

    def _headed(self) -> str:
        took = f"  {time.monotonic() - self._began:.1f} s"
        return cut(self._title, self._console.width - len(took) - 3) + took

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        if not self._title:
            return Text()
        self._spinner.update(text=Text(self._headed()))
        return Group(self._spinner, *(Text(line, "dim") for line in self._below))


def screen(quiet: bool) -> Screen:
    """The screen that fits where the output goes."""
    if quiet:
        return Screen()
    return Live() if sys.stdout.isatty() and os.environ.get("TERM") != "dumb" else Lines()
