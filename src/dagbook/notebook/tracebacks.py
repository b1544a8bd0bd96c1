"""Errors as a notebook shows them: the user's own lines, and words that say what to do; never our frames."""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from typing import Any

from dagbook.errors import DagbookError, NodeFailed
from dagbook.engine.driver import Story

_RED, _DIM, _BOLD, _OFF = "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"
_AROUND = 1


def dress(error: DagbookError, story: Story | None = None) -> DagbookError:
    """Give ``error`` the traceback that IPython is to show."""
    lines = _node_failed(error, story) if isinstance(error, NodeFailed) and story else []
    lines.append(f"{_RED}{type(error).__name__}{_OFF}: {error}")
    error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
    return error


def _node_failed(error: NodeFailed, story: Story) -> list[str]:
    described = story.error or {}
    lines: list[str] = []
    for frame in described.get("frames", ()):
        lines.append(f"{_BOLD}{frame['title']}, line {frame['line']}, in {frame['name']}{_OFF}")
        lines += _source(frame)
    if described.get("hidden"):
        lines.append(f"{_DIM}{described['hidden']} frames in {described['hidden_in']} hidden{_OFF}")
    if described.get("type"):
        lines += [f"{_RED}{described['type']}{_OFF}: {described['message']}", ""]
    return lines


def _source(frame: Mapping[str, Any]) -> list[str]:
    shown = []
    for number, text in around(frame["file"], frame["line"], _AROUND, first=frame["first"]):
        arrow = "→" if number == frame["line"] else " "
        shown.append(f"{arrow} {number:>4} {text}")
    return shown


def around(filename: str, line: int, margin: int, first: int = 1) -> Sequence[tuple[int, str]]:
    """The source lines about ``line``: (number, text), none before ``first``."""
    numbers = range(max(first, line - margin), line + margin + 1)
    return [(n, text.rstrip("\n")) for n in numbers if (text := linecache.getline(filename, n))]
