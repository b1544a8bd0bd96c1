"""Pickles that another kernel can load.

What is defined in a notebook lives in ``__main__``. A plain pickle would only note its name there; so functions are
written by value, and classes by name *and* by value. On loading, the class of that name in ``__main__`` wins: the key
of a result covers the code of its classes, so it is the same class, and ``isinstance``, ``==`` of dataclasses and
enum members work as if the value had just been computed. Where there is none, the class is made from its value.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import cloudpickle

from dagbook.errors import UnstorableError

SEARCHED = 100_000
LONGEST = 200
"""How many parts of a value are looked at to say where it cannot be written, and how long that may be to tell."""


def dump(value: object, buffer_callback: Callable[[pickle.PickleBuffer], bool], what: str = "stored") -> bytes:
    """The pickle of ``value``, which is to be ``what``. Raises UnstorableError that names its type and the part."""
    stream = io.BytesIO()
    pickler = _Pickler(stream, buffer_callback)
    try:
        pickler.dump(value)
    except Exception as error:  # pickling runs the methods of the user's classes
        raise UnstorableError(_why(value, pickler.last, error, what)) from error
    return stream.getvalue()


def restore_class(qualname: str, by_value: bytes) -> Any:
    """The class of this name in ``__main__``, else one made from its value. Pickles on disk name this function."""
    found: Any = sys.modules.get("__main__")
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, type) else pickle.loads(by_value)


def _refuse(value: object) -> Any:
    raise pickle.PicklingError(f"cannot pickle {type(value).__name__!r} object")


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    # cloudpickle would turn an open file into a StringIO, and a memoryview into bytes
    dispatch_table: ClassVar[Any] = ChainMap(
        {io.TextIOWrapper: _refuse, memoryview: _refuse}, cloudpickle.Pickler.dispatch_table
    )

    def __init__(self, file: io.BytesIO, buffer_callback: Callable[[pickle.PickleBuffer], bool]) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self.last: object = None

    def reducer_override(self, value: Any) -> Any:
        self.last = value
        if isinstance(value, type) and value.__module__ == "__main__" and "<locals>" not in value.__qualname__:
            return restore_class, (value.__qualname__, cloudpickle.dumps(value, protocol=5))
        return super().reducer_override(value)


def _why(value: object, culprit: object, error: Exception, what: str) -> str:
    try:
        reason = str(error)
    except Exception:  # a user's exception may fail to show itself
        reason = type(error).__name__
    path = "" if culprit is None else _path(value, culprit)
    if path:
        where = f"{path} in it, a {_type(culprit)},"
    else:
        where = "it" if culprit is None or culprit is value else f"a {_type(culprit)} in it"
    return f"a {_type(value)} cannot be {what}: {where} cannot be written ({type(error).__name__}: {reason[:500]})"


def _type(value: object) -> str:
    cls = type(value)
    return cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"


def _path(value: object, culprit: object) -> str:
    """How to get from ``value`` to ``culprit`` (``['model'].lock``), or nothing when that is not found cheaply."""
    seen = {id(value)}
    paths = [(value, "")]
    for current, path in paths:
        for step, part in _parts(current):
            if part is culprit:
                return path + step
            if id(part) not in seen and len(seen) < SEARCHED and len(path) < LONGEST:
                seen.add(id(part))
                paths.append((part, path + step))
    return ""


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if type(value) is dict:
        for key, part in value.items():
            yield (f"[{key!r}]" if type(key) in (str, int) else "[…]"), part
    elif type(value) in (list, tuple):
        for i, part in enumerate(value):  # type: ignore[arg-type]
            yield f"[{i}]", part
    elif type(value).__dictoffset__ and not isinstance(value, type) and not callable(value):
        for key, part in object.__getattribute__(value, "__dict__").items():
            yield f".{key}", part
