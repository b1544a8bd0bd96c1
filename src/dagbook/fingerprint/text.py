"""What people are shown of code and values: the source, a short text, where it stands. None of it is in a digest."""

from __future__ import annotations

import functools
import linecache
import os
import re
import textwrap
import weakref
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any

from dagbook.fingerprint.bytecode import codes
from dagbook.fingerprint.origin import PROJECT, of_path
from dagbook.fingerprint.shells import LRU_CACHE

Locate = Callable[[CodeType], str]

_KERNEL_FILE = re.compile(r"ipykernel_\d+")
_DEEP = 100


def told(value: Any, locate: Locate) -> tuple[str, str]:
    """Where a value stands, and its text."""
    if isinstance(value, type):
        code = _class_code(value)
        return (locate(code) if code else ""), _class_text(value)
    function = innermost(value)
    if function is not None:
        return locate(function.__code__), text(function.__code__)
    return "", short(value)


def place(code: CodeType) -> str:
    """Where people find ``code``, when nobody knows better: the name of its project file, else nothing."""
    file = code.co_filename
    if file.startswith("<") or _KERNEL_FILE.search(file) or of_path(file) != PROJECT:
        return ""
    return os.path.basename(file)


_texts: dict[int, tuple[weakref.ref[CodeType], str]] = {}


def text(code: CodeType) -> str:
    """The source lines of ``code``, as they were when it was first seen; empty when they are not known."""
    key = id(code)
    found = _texts.get(key)
    if found is not None and found[0]() is code:
        return found[1]
    source = _read_text(code)
    _texts[key] = weakref.ref(code, lambda _: _texts.pop(key, None)), source
    return source


def _read_text(code: CodeType) -> str:
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)
    last = max((line for each in codes(code) for line in _last_lines(each)), default=0)
    return textwrap.dedent("".join(lines[code.co_firstlineno - 1 : last])).rstrip()


def _last_lines(code: CodeType) -> Iterator[int]:
    return (stop for _, stop, _, _ in code.co_positions() if stop is not None)


def short(value: Any) -> str:
    """A small builtin constant as people write it; of anything else its type (a ``repr`` may be anybody's code)."""
    kind = type(value)
    if value is None or kind in (bool, float):
        return repr(value)
    if kind is int and value.bit_length() < 100:
        return repr(value)
    if kind in (str, bytes) and len(value) <= 60:
        return repr(value)
    if kind is tuple and len(value) <= 6:
        inner = [short(each) for each in value]
        return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
    return str(kind.__name__)


def _class_text(cls: type) -> str:
    """A class as text, attribute by attribute: methods by their source, data in short."""
    lines = [f"class {cls.__qualname__}({', '.join(base.__qualname__ for base in cls.__bases__)}):"]
    for name, value in vars(cls).items():
        function = getattr(value, "__func__", getattr(value, "fget", value))
        if isinstance(function, FunctionType):
            lines.append(text(function.__code__))
        elif not name.startswith("__"):
            lines.append(f"{name} = {short(value)}")
    for name, value in vars(cls).get("__annotations__", {}).items():
        lines.append(f"{name}: {value if isinstance(value, str) else getattr(value, '__qualname__', '')}")
    return "\n".join(lines)


def _class_code(cls: type) -> CodeType | None:
    """A code object that was written in the class, to tell where it stands."""
    for value in vars(cls).values():
        function = getattr(value, "__func__", getattr(value, "fget", value))
        if isinstance(function, FunctionType) and function.__code__.co_filename != "<string>":
            return function.__code__
    return None


def innermost(value: Any) -> FunctionType | None:
    """The function that people wrote, inside what may be wrapped round it."""
    for _ in range(_DEEP):
        if isinstance(value, functools.partial):
            value = value.func
        elif isinstance(value, MethodType | staticmethod | classmethod):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        elif isinstance(value, FunctionType | LRU_CACHE) and "__wrapped__" in vars(value):
            value = vars(value)["__wrapped__"]
        else:
            break
    return value if isinstance(value, FunctionType) else None
