"""Digests of bytes and of plain data, at memory speed.

Plain data are the built-in scalars, lists, tuples and dicts: nothing in them can be misread. They go through the C
pickler with its memo off, so that shared objects and equal copies, interned strings and others, give equal bytes.
"""

from __future__ import annotations

import gc
import marshal
import pickle
import sys
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any

from xxhash import xxh3_128, xxh3_128_digest

from dagbook.fingerprint.parts import Digest


class Unknown(Exception):
    """This content cannot be told honestly, so the whole value has no digest."""


Node = tuple[str, object, Iterable[object]]
"""What an object is made of: its kind, its own plain content (no objects but built-in ones), and the objects in it."""

SCALARS = frozenset(map(id, (type(None), bool, int, float, complex, str, type(...))))
"""The types (by id: a hostile metaclass has its own ``hash``) that stand for themselves in :func:`seal`."""

_PLAIN = SCALARS | set(map(id, (bytes, list, tuple, dict)))
_NODE, _BUFFER, _STREAM, _BYTES = 1, 2, 3, 4  # seeds: equal bytes of two kinds give two digests
_write: Callable[[Any, int], bytes] = marshal.dumps
_FORMAT = 2  # marshal before it told interned strings from others
_PASSED_ON = 1 << 17  # the pickler hands over its frames of 64 KiB; what is larger is one long string or bytes
_MOST = 1 << 28  # bytes of small objects: beyond this, they may be one object in very many places
_DEEPEST = 500
_USUAL_LIMIT = 5_000


def scalar(value: object) -> Digest:
    """The digest of a value of one of the types in ``SCALARS``, or of bytes."""
    if type(value) is bytes and len(value) >= _PASSED_ON:
        return xxh3_128_digest(value, _BYTES)
    return xxh3_128_digest(_write(value, _FORMAT))


def seal(kind: str, head: object, tokens: list[Any]) -> Digest:
    """The digest of one object: its kind, its own plain content, and its children (scalars, or digests as bytes)."""
    return xxh3_128_digest(_write((kind, head, tokens), _FORMAT), _NODE)


def buffer(memory: Any) -> Digest:
    """The digest of contiguous memory."""
    return xxh3_128_digest(memory, _BUFFER)


def buffers(pieces: Iterable[Any]) -> Digest:
    """The digest of memory that comes in pieces; where it is cut does not count."""
    running = xxh3_128(seed=_BUFFER)
    for piece in pieces:
        running.update(piece)
    return running.digest()


class TooLong(Exception):
    """Written out, this would be very long: perhaps one object is in very many places."""


class _NotPlain(Exception):
    pass


class _Pickler(pickle.Pickler):
    """Refuses all that the C pickler does not write by itself."""

    def reducer_override(self, value: object) -> Any:
        raise _NotPlain


class _Hashed:
    """Hashes what the pickler writes, and looks for what could be a set in it."""

    __slots__ = ("_running", "_small", "may_hold_set")

    def __init__(self) -> None:
        self._running = xxh3_128(seed=_STREAM)
        self._small = 0
        self.may_hold_set = False

    def write(self, piece: bytes) -> None:
        self._running.update(piece)
        if len(piece) < _PASSED_ON:
            self._small += len(piece)
            if self._small > _MOST:
                raise TooLong
        if not self.may_hold_set:
            self.may_hold_set = pickle.EMPTY_SET in piece or pickle.FROZENSET in piece

    def digest(self) -> Digest:
        return self._running.digest()


class _Dropped:
    def write(self, piece: bytes) -> None:
        pass


def _dump(value: object, file: Any, protocol: int) -> None:
    pickler = _Pickler(file, protocol)
    pickler.fast = True
    pickler.dump(value)


def _stream(value: object) -> Digest:
    hashed = _Hashed()
    _dump(value, hashed, 5)
    if hashed.may_hold_set:
        # The C pickler writes sets by itself, in an order that differs between processes. Protocol 3 has no code
        # for sets, so there they are refused like everything else.
        _dump(value, _Dropped(), 3)
    return hashed.digest()


def plain(value: object) -> Digest | None:
    """The digest of plain data; None when there is anything else in it, or it is too deep, or contains itself.

    Raises TooLong.
    """
    if sys.getrecursionlimit() > _USUAL_LIMIT and not _shallow(value):
        return None
    try:
        try:
            return _stream(value)
        except RecursionError:
            return _on_fresh_stack(_stream, value)
    except (_NotPlain, RecursionError, ValueError, OverflowError, pickle.PicklingError):
        return None


def _shallow(value: object) -> bool:
    """Whether the C stack is surely deep enough for plain data, where the limit of Python does not say so."""
    level = [value]
    for _ in range(_DEEPEST):
        if not level:
            return True
        if len(level) > _MOST or not _PLAIN.issuperset(map(id, map(type, level))):
            return False
        level = gc.get_referents(*level)
    return False


def _on_fresh_stack(function: Callable[[object], Digest], value: object) -> Digest:
    """Call it in a new thread, so that the outcome does not depend on how deep the caller is."""
    outcome: list[Digest] = []
    failure: list[BaseException] = []

    def call() -> None:
        try:
            outcome.append(function(value))
        except BaseException as error:  # raised again where the value was asked for
            failure.append(error)

    thread = Thread(target=call)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
