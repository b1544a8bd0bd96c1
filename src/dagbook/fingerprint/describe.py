"""What can be told about a value at a glance: a description for people, and whether it can change in place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sized
from enum import Enum
from itertools import islice
from typing import Any

Description = tuple[str, tuple[int, ...], int, str]

_mro = type.__dict__["__mro__"].__get__
_name = type.__dict__["__name__"].__get__
_module = type.__dict__["__module__"].__get__
_LONGEST = 24
_LARGE = 10**_LONGEST
_MOST = 256

_MUTABLE = frozenset(map(id, (list, dict, set, bytearray)))
_NOTHINGS: tuple[type, ...] = (type(None), type(...))
_IMMUTABLE = {id(kind): kind for kind in (*_NOTHINGS, bool, int, float, complex, str, bytes, range)}
_OF_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "datetime": ("date", "timedelta", "timezone"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "numpy": ("float64", "int64", "bool_", "float32", "int32"),
    "pathlib": ("PurePosixPath", "PureWindowsPath", "PosixPath", "WindowsPath"),
    "uuid": ("UUID",),
    "zoneinfo": ("ZoneInfo",),
}
_MOMENTS: Mapping[str, tuple[str, ...]] = {"datetime": ("datetime", "time")}
"""Immutable but for their time zone, which may be of anybody's making."""


def immutable(value: object) -> bool:
    """Whether ``value`` surely cannot be changed in place. Quick, and False when in doubt."""
    key = id(type(value))
    if key in _IMMUTABLE:
        return True
    return key not in _MUTABLE and _immutable_throughout(value)


def _immutable_throughout(value: object) -> bool:
    waiting = [value]
    for _ in range(_MOST):
        if not waiting:
            return True
        each = waiting.pop()
        cls = type(each)
        if id(cls) in _IMMUTABLE:
            continue
        if cls is tuple or cls is frozenset:
            if len(each) + len(waiting) > _MOST:  # type: ignore[arg-type]
                return False
            waiting.extend(each)  # type: ignore[arg-type]
        elif _is_of_library(cls, _MOMENTS):
            waiting.append(each.tzinfo)  # type: ignore[attr-defined]
        elif _is_of_library(cls, _OF_LIBRARIES):
            _IMMUTABLE[id(cls)] = cls
        elif not _is_member(cls, each):
            return False
    return not waiting


def _is_of_library(cls: type, types: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether it is one of these types of libraries: none is imported for the question."""
    try:
        module = _module(cls)
    except AttributeError:  # whoever wrote the class took its module away
        return False
    library = module.partition(".")[0] if type(module) is str else ""
    return any(getattr(sys.modules.get(library), name, None) is cls for name in types.get(library, ()))


def _is_member(cls: type, value: Any) -> bool:
    """Whether it is a member of an enum that holds nothing but an immutable value."""
    return any(base is Enum for base in _mro(cls)) and id(type(value._value_)) in _IMMUTABLE


def describe(value: object) -> Description:
    """The name of its type, its shape, its size in bytes (0: not known), and a short value as text. Never raises."""
    cls = type(value)
    builtin = _BUILTIN.get(id(cls))
    if builtin is not None:
        return builtin(value)
    return _name(cls), _ask(_shape, value, ()), _ask(_size, value, 0), ""


def _number(value: float) -> Description:
    return type(value).__name__, (), 0, repr(value)


def _whole_number(value: int) -> Description:
    text = repr(value) if -_LARGE < value < _LARGE else ""
    return "int", (), 0, text if len(text) <= _LONGEST else ""


def _string(value: str) -> Description:
    size = len(value)
    text = repr(value) if size <= _LONGEST else ""
    return "str", (size,), size, text if len(text) <= _LONGEST else ""


def _bytes(value: bytes) -> Description:
    return type(value).__name__, (len(value),), len(value), ""


def _container(value: Sized) -> Description:
    return type(value).__name__, (len(value),), 0, ""


_BUILTIN: Mapping[int, Callable[[Any], Description]] = {
    id(int): _whole_number,
    id(str): _string,
    **dict.fromkeys(map(id, (bool, float)), _number),
    id(type(None)): lambda _: ("NoneType", (), 0, "None"),
    **dict.fromkeys(map(id, (bytes, bytearray)), _bytes),
    **dict.fromkeys(map(id, (list, tuple, dict, set, frozenset)), _container),
    id(range): lambda value: ("range", _ask(_length, value, ()), 0, ""),
}
"""How values of exactly these types (by id: a hostile metaclass has its own ``hash``) are described."""


def _ask(question: Any, value: object, otherwise: Any) -> Any:
    try:
        return question(value)
    except Exception:  # the code of the value's own type ran
        return otherwise


def _length(value: Sized) -> tuple[int, ...]:
    return (len(value),)  # that of a range may be too large to be told


def _shape(value: Any) -> tuple[int, ...]:
    shape = getattr(value, "shape", ())
    return tuple(map(int, islice(shape, 32))) if isinstance(shape, tuple) else ()


def _size(value: Any) -> int:
    """Asked only of what knows it without looking at every element."""
    library = type(value).__module__.partition(".")[0]
    if library == "pandas":
        return _total(value.memory_usage(index=True, deep=False))
    if library == "polars":
        return int(value.estimated_size())
    size = value.nbytes if library in ("numpy", "pyarrow", "torch") else 0
    return int(size)


def _total(size: Any) -> int:
    return int(size.sum() if hasattr(size, "sum") else size)
