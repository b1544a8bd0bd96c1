"""An exception of the user's code as plain data, for the journal, the page and the command line."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from dagbook.errors import DagbookError

MESSAGE_LIMIT = 4_000
"""Characters of a message that are kept."""


def describe_error(error: BaseException, is_ours: Callable[[str], str]) -> dict[str, Any]:
    """An exception as plain data: ``type``, ``message``, and ``frames`` of the user's code, outermost first.

    ``is_ours(filename)`` says what to call a file of the user's (``cell 3``), or "" for frames to leave out.
    """
    try:
        message = str(error)
    except BaseException:  # a user's __str__ may raise anything
        message = "(its message could not be shown)"
    frames, hidden = [], []
    for frame, line in _walk(error.__traceback__):
        code = frame.f_code
        title = is_ours(code.co_filename)
        if title:
            first = code.co_firstlineno
            place = {"title": title, "line": line, "first": first, "file": code.co_filename}
            frames.append(place | {"name": code.co_name})
        elif frames:
            hidden.append(str(frame.f_globals.get("__name__", "")).partition(".")[0])
    return {
        "type": type(error).__name__,
        "message": message[:MESSAGE_LIMIT],
        "frames": frames,
        "hidden": len(hidden),
        "hidden_in": hidden[0] if hidden else "",
        "ours": isinstance(error, DagbookError),
    }


def _walk(traceback: TracebackType | None) -> list[tuple[Any, int]]:
    found = []
    while traceback is not None:
        found.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found
