"""Exceptions that travel: as themselves where that works, else as something like them, with all that led to them.

What is sent is plain data. A traceback is made again from where its lines stand, so that an error of another process
is shown like one of this.
"""

from __future__ import annotations

import builtins
import pickle
import sys
import traceback
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any

TEXT_LIMIT = 64_000
"""Characters of a message, and of the text of a traceback."""

PICKLE_LIMIT = 1_000_000
"""Bytes of an exception that is sent as itself."""

FRAMES = 200
RELATED = 40
"""How many exceptions that led to one, or that a group holds, are told of."""

Packed = dict[str, Any]
Frame = tuple[str, str, str, int, int]


def pack(error: BaseException, dump: Callable[[object], bytes]) -> Packed:
    """``error`` as plain data, without the frames of ours that it was raised through. Never raises."""
    while (found := error.__traceback__) is not None and _module(found).startswith("dagbook."):
        error.with_traceback(found.tb_next)
    return _pack(error, dump, [RELATED])


def _pack(error: BaseException, dump: Callable[[object], bytes], room: list[int]) -> Packed:
    room[0] -= 1
    cls = type(error)

    def related(other: object) -> Packed | None:
        return _pack(other, dump, room) if isinstance(other, BaseException) and room[0] > 0 else None

    try:
        itself = dump(error)
    except Exception:  # the code of the exception's own class ran
        itself = b""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return {
        "itself": itself if len(itself) <= PICKLE_LIMIT else b"",
        "type": cls.__qualname__,
        "module": cls.__module__,
        "base": next(c.__name__ for c in cls.__mro__ if getattr(builtins, c.__name__, None) is c),
        "text": _cut(_text(error)),
        "frames": _frames(error.__traceback__),
        "told": _cut(_told(error)),
        "cause": related(error.__cause__),
        "context": related(error.__context__),
        "suppressed": error.__suppress_context__,
        "inner": [packed for each in inner if (packed := related(each)) is not None],
    }


def _text(error: BaseException) -> str:
    try:
        if isinstance(error, BaseExceptionGroup):
            return str(error.message)
        return str(error)
    except Exception:  # a user's __str__ may raise
        return "(its message could not be shown)"


def _told(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # it shows the message, and so runs the code of the exception's own class
        return "".join(traceback.format_tb(error.__traceback__))


def _cut(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]} … ({len(text):,} characters)"


def _module(found: TracebackType) -> str:
    return str(found.tb_frame.f_globals.get("__name__", ""))


def _frames(found: TracebackType | None) -> list[Frame]:
    frames = []
    while found is not None:
        code = found.tb_frame.f_code
        frames.append((code.co_filename, code.co_name, _module(found), code.co_firstlineno, found.tb_lineno))
        found = found.tb_next
    return frames if len(frames) <= FRAMES else [*frames[: FRAMES // 2], *frames[-FRAMES // 2 :]]


def unpack(packed: Packed) -> BaseException:
    """The exception itself, or one of a class with the same name and the nearest built-in base."""
    error = _revived(packed)
    _dress(error, packed)
    return error


def _revived(packed: Packed) -> BaseException:
    error = _itself(packed["itself"])
    if error is None:
        error = _like(packed)
        where = f"{packed['module']}.{packed['type']}"
        error.add_note(f"{where} was raised in the node's own process, and could not be sent whole:\n{packed['told']}")
    return error


def _dress(error: BaseException, packed: Packed) -> None:
    """Give an exception what pickling leaves out: its traceback, and what led to it."""
    put = partial(BaseException.__setattr__, error)  # its own may refuse
    for side in ("cause", "context"):
        if packed[side] is not None:
            put(f"__{side}__", unpack(packed[side]))
    put("__suppress_context__", packed["suppressed"])
    put("__traceback__", _rebuilt(packed["frames"]))
    if isinstance(error, BaseExceptionGroup):
        for each, told in zip(error.exceptions, packed["inner"], strict=False):
            _dress(each, told)


def _itself(pickled: bytes) -> BaseException | None:
    if not pickled:
        return None
    try:
        error = pickle.loads(pickled)
    except Exception:  # the code of the exception's own class ran
        return None
    return error if isinstance(error, BaseException) else None


def _like(packed: Packed) -> BaseException:
    base, text = getattr(builtins, packed["base"]), packed["text"]
    words = {"__module__": packed["module"], "__qualname__": packed["type"]}
    name = packed["type"].rpartition(".")[2]
    if issubclass(base, BaseExceptionGroup):
        inner = [_revived(each) for each in packed["inner"]] or [RuntimeError("(left out)")]
        group: BaseException = type(name, (base,), words)(text, inner)
        return group
    words |= {"__init__": _take_nothing, "__str__": lambda error: text}
    error: BaseException = type(name, (base,), words)(text)
    return error


def _take_nothing(error: BaseException, *arguments: object) -> None:
    """Some built-in exceptions want more than a text."""


def _rebuilt(frames: list[Frame]) -> TracebackType | None:
    """A traceback whose lines are these: its frames ran nothing but the question for themselves."""
    found: TracebackType | None = None
    for file, name, module, first, line in reversed(frames):
        code = compile("here()", file, "eval").replace(co_name=name, co_firstlineno=first)
        frame = eval(code, {"here": sys._getframe, "__name__": module})
        found = TracebackType(found, frame, -1, line)
    return found
