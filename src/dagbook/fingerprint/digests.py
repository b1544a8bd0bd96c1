"""How digests are built: a leaf from tagged bytes, a node from digests. Nothing else is ever hashed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from types import EllipsisType
from typing import Any

from xxhash import xxh3_128_digest

from dagbook.fingerprint.parts import SIZE, Digest, unknown


def leaf(tag: str, data: str | bytes = b"") -> Digest:
    """The digest of ``data`` as a ``tag``; another tag gives another digest."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return xxh3_128_digest(tag.encode() + b"\0" + raw)


def join(tag: str, digests: Iterable[Digest]) -> Digest:
    """The digest of a sequence of digests; unknown when one of them is."""
    parts = list(digests)
    data = b"".join(parts)
    if len(data) != SIZE * len(parts):  # an unknown digest is longer
        return unknown()
    return xxh3_128_digest(tag.encode() + b"\1" + data)


_ATOMS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"",
    EllipsisType: lambda _: b"",
    bool: lambda value: b"1" if value else b"0",
    int: lambda value: b"%x" % value,
    float: lambda value: struct.pack("<d", value),
    complex: lambda value: struct.pack("<dd", value.real, value.imag),
    str: lambda value: value.encode("utf-8", "surrogatepass"),
    bytes: bytes,
}

ATOMS = frozenset(_ATOMS)
"""The types whose values :func:`atom` takes: exact builtins without parts."""


def atom(value: object) -> Digest:
    """The digest of a value of one of :data:`ATOMS`, by type and content: 1, True, 1.0 and "1" all differ."""
    kind = type(value)
    return leaf(kind.__name__, _ATOMS[kind](value))
