"""How values become bytes: each encoding has a name and a version, and what was written with it stays readable."""

from __future__ import annotations

import io
import json
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import Any

from dagbook.errors import RefusedError
from dagbook.storage.fs import Piece

ARRAY = "array-1"
PICKLE = "pickle-1"

APART = 16 << 10
"""From this size on a buffer is written as it lies in memory, beside the pickle."""

_MAIN = b"__main__"


def encode(value: object) -> tuple[str, list[Piece]]:
    """The name of the encoding, and the pieces; large buffers are views of the value's own memory.

    Raises UnstorableError that names the type, and the part that is in the way.
    """
    if _is_plain_array(value):
        return ARRAY, _from_array(value)
    return PICKLE, _pickled(value)


def decode(codec: str, pieces: Sequence[memoryview]) -> object:
    """The value of verified pieces, built on their memory. Raises RefusedError when it cannot be made here."""
    if codec not in _DECODERS:
        raise RefusedError(f"a stored value is encoded as {codec!r}, which this version of dagbook does not know.")
    try:
        return _DECODERS[codec](pieces)
    except Exception as error:  # loading runs the methods of the user's classes
        raise RefusedError(
            f"a stored value cannot be made again here ({type(error).__name__}: {_text(error)}); it is computed anew."
        ) from error


def _is_plain_array(value: Any) -> bool:
    """An array of numbers, times or texts of fixed width, all told by the short name of its dtype."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray:
        return False
    dtype = value.dtype
    return dtype.kind in "biufcmMSU" and dtype.isbuiltin != 2 and dtype.itemsize > 0 and dtype.metadata is None


def _from_array(array: Any) -> list[Piece]:
    numpy: Any = sys.modules["numpy"]
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    head = {"dtype": array.dtype.str, "shape": array.shape, "order": order}
    data = numpy.ascontiguousarray(array.reshape(-1, order=order)).view("u1")
    return [json.dumps(head).encode(), memoryview(data)]


def _to_array(pieces: Sequence[memoryview]) -> Any:
    import numpy

    head = json.loads(bytes(pieces[0]))
    return numpy.ndarray(head["shape"], head["dtype"], pieces[1], order=head["order"])


def _pickled(value: object) -> list[Piece]:
    """The pickle, then its large buffers."""
    buffers: list[Piece] = []

    def apart(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if len(view) >= APART:
            buffers.append(view)
        return len(view) < APART

    stream = io.BytesIO()
    try:
        pickle.Pickler(stream, 5, buffer_callback=apart).dump(value)
        head = stream.getvalue()
    except Exception:  # pickling runs the methods of the user's classes; the other way tells what is wrong
        head = _MAIN
    if _MAIN in head:  # something is noted by a name that another kernel need not have
        from dagbook.storage import by_value

        buffers.clear()
        head = by_value.dump(value, apart)
    return [head, *buffers]


def _unpickled(pieces: Sequence[memoryview]) -> object:
    return pickle.loads(pieces[0], buffers=pieces[1:])


def _text(error: Exception) -> str:
    try:
        return str(error)[:500]
    except Exception:  # a user's exception may fail to show itself
        return "no message"


_DECODERS: dict[str, Callable[[Sequence[memoryview]], Any]] = {ARRAY: _to_array, PICKLE: _unpickled}
