"""What can be told about a value at a glance: a description for people, and whether it can change in place."""

from __future__ import annotations

import datetime
import decimal
import fractions
import pathlib
import sys
import uuid
import zoneinfo
from enum import Enum
from itertools import islice
from typing import Any

_mro = type.__dict__["__mro__"].__get__
_name = type.__dict__["__name__"].__get__
_NUMBERS = ("float64", "int64", "bool_", "float32", "int32")
_LONGEST = 24
_MOST = 256

_IMMUTABLE = frozenset(
    map(
        id,
        (
            *(type(None), type(...), bool, int, float, complex, str, bytes, range),
            *(decimal.Decimal, fractions.Fraction, uuid.UUID),
            *(datetime.date, datetime.timedelta, datetime.timezone, zoneinfo.ZoneInfo),
            *(pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath),
        ),
    )
)
_SHOWN = frozenset(map(id, (type(None), bool, int, float, str)))
_SIZED = frozenset(map(id, (str, bytes, bytearray, list, tuple, dict, set, frozenset, range)))


def immutable(value: object) -> bool:
    """Whether ``value`` surely cannot be changed in place. Quick, and False when in doubt."""
    waiting = [value]
    for _ in range(_MOST):
        if not waiting:
            return True
        each = waiting.pop()
        cls = type(each)
        if id(cls) in _IMMUTABLE or _is_number(cls):
            continue
        if cls is tuple or cls is frozenset:
            if len(each) + len(waiting) > _MOST:  # type: ignore[arg-type]
                return False
            waiting.extend(each)  # type: ignore[arg-type]
        elif cls is datetime.datetime or cls is datetime.time:
            waiting.append(each.tzinfo)  # type: ignore[attr-defined]
        elif not _is_member(cls, each):
            return False
    return not waiting


def _is_number(cls: type) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and any(cls is getattr(numpy, name, None) for name in _NUMBERS)


def _is_member(cls: type, value: Any) -> bool:
    """Whether it is a member of an enum that holds nothing but an immutable value."""
    return any(base is Enum for base in _mro(cls)) and id(type(value._value_)) in _IMMUTABLE


def describe(value: object) -> tuple[str, tuple[int, ...], int, str]:
    """The name of its type, its shape, its size in bytes (0: not known), and a short value as text. Never raises."""
    return _name(type(value)), _ask(_shape, value, ()), _ask(_size, value, 0), _ask(_text, value, "")


def _ask(question: Any, value: object, otherwise: Any) -> Any:
    try:
        return question(value)
    except Exception:  # the code of the value's own type ran
        return otherwise


def _shape(value: Any) -> tuple[int, ...]:
    if id(type(value)) in _SIZED:
        return (len(value),)
    shape = getattr(value, "shape", ())
    return tuple(map(int, islice(shape, 32))) if isinstance(shape, tuple) else ()


def _size(value: Any) -> int:
    """Asked only of what knows it without looking at every element."""
    cls = type(value)
    if cls is str or cls is bytes or cls is bytearray:
        return len(value)
    library = cls.__module__.partition(".")[0]
    if library == "pandas":
        return _total(value.memory_usage(index=True, deep=False))
    if library == "polars":
        return int(value.estimated_size())
    size = value.nbytes if library in ("numpy", "pyarrow", "torch") else 0
    return int(size)


def _total(size: Any) -> int:
    return int(size.sum() if hasattr(size, "sum") else size)


def _text(value: Any) -> str:
    if id(type(value)) not in _SHOWN or (type(value) is int and value.bit_length() > 4 * _LONGEST):
        return ""
    if type(value) is str and len(value) > _LONGEST:
        return ""
    text = repr(value)
    return text if len(text) <= _LONGEST else ""
