"""Errors as a notebook shows them: the user's own lines, and words that say what to do; never our frames."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from dagbook.engine.failures import describe_error
from dagbook.engine.story import Story

E = TypeVar("E", bound=BaseException)
Title = Callable[[str], str]
"""What to call a file of the user's (``cell 3``); "" for files whose frames are left out."""

_RED, _DIM, _BOLD, _OFF = "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"
_AROUND = 1
_CAUSES = 5
"""How many earlier exceptions are shown of a chain."""


def dress(error: E, above: Callable[[], Sequence[str]] = tuple) -> E:
    """Give ``error`` the traceback that IPython is to show: the lines ``above()``, then its own words."""
    def render() -> list[str]:
        return [*above(), f"{_RED}{type(error).__name__}{_OFF}: {error}"]

    error._render_traceback_ = render  # type: ignore[attr-defined]
    return error


def way(error: BaseException, title: Title) -> list[str]:
    """The user's lines that ``error`` came through."""
    return _frames(describe_error(error, title)["frames"])


def failure(story: Story, exception: BaseException | None, title: Title) -> list[str]:
    """How a node failed: the user's lines and the exception, those that led to it first."""
    lines: list[str] = []
    for earlier, led in reversed(list(_chain(exception))):
        lines += [*_told(describe_error(earlier, title)), f"{_DIM}{led}{_OFF}", ""]
    described = story.error or {}
    return lines if described.get("ours") and not described["frames"] else lines + _told(described)


def _chain(exception: BaseException | None) -> Iterator[tuple[BaseException, str]]:
    """The exceptions behind one, the nearest first, and how each led to the next."""
    for _ in range(_CAUSES):
        if exception is None:
            return
        if exception.__cause__ is not None:
            exception, led = exception.__cause__, "that was the cause of this:"
        elif exception.__context__ is not None and not exception.__suppress_context__:
            exception, led = exception.__context__, "while that was handled, this happened:"
        else:
            return
        yield exception, led


def _told(described: Mapping[str, Any]) -> list[str]:
    lines = _frames(described.get("frames", ()))
    if described.get("hidden"):
        lines.append(f"{_DIM}{described['hidden']} frames in {described['hidden_in']} hidden{_OFF}")
    if described.get("type"):
        lines += [f"{_RED}{described['type']}{_OFF}: {described['message']}", ""]
    return lines


def _frames(frames: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for frame in frames:
        lines.append(f"{_BOLD}{frame['title']}, line {frame['line']}, in {frame['name']}{_OFF}")
        lines += _source(frame)
    return lines


def _source(frame: Mapping[str, Any]) -> list[str]:
    shown = []
    for number, text in around(frame["file"], frame["line"], _AROUND, first=frame["first"]):
        if text.strip() or number == frame["line"]:
            arrow = "→" if number == frame["line"] else " "
            shown.append(f"{arrow} {number:>4} {text}")
    return shown


def around(filename: str, line: int, margin: int, first: int = 1) -> Sequence[tuple[int, str]]:
    """The source lines about ``line``: (number, text), none before ``first``."""
    numbers = range(max(first, line - margin), line + margin + 1)
    return [(n, text.rstrip("\n")) for n in numbers if (text := linecache.getline(filename, n))]
