"""Records as rows of the journal: columns that people can read, and the tag that seals them."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

from dagbook.engine.ports import Blob, Child, Record, Summary
from dagbook.fingerprint.parts import Part

Value = str | bytes | int | float | None
Row = Sequence[Value]

COLUMNS = (
    "node", "key", "value", "blob", "codec", "size", "files", "parts", "shown", "children", "mapping", "summary",
    "seconds", "finished", "run",
)  # fmt: skip
"""All that a record is. A row has these, then its seal."""


def to_row(record: Record) -> list[Value]:
    """The columns of a record, without the seal."""
    blob = record.blob
    return [
        readable(record.node),
        record.key,
        record.value,
        *((blob.digest, blob.codec, blob.size) if blob else (None, None, None)),
        to_json([[path, digest.hex()] for path, digest in record.files]),
        to_json([[p.kind, p.name, p.digest.hex(), p.where, p.text] for p in record.parts]),
        to_json(record.shown),
        None if record.children is None else to_json([[c.label, c.key.hex(), c.value.hex()] for c in record.children]),
        int(record.mapping),
        to_json([record.summary.type, record.summary.shape, record.summary.size, record.summary.text]),
        float(record.seconds),
        float(record.finished),
        record.run,
    ]


def from_row(row: Sequence[Any]) -> Record:
    """The record of a row that has been verified."""
    node, key, value, digest, codec, size, files, parts, shown, children, mapping, summary, seconds, finished, run = row
    kind, shape, memory, text = json.loads(summary)
    return Record(
        node=node,
        key=key,
        value=value,
        blob=None if digest is None else Blob(digest, codec, size),
        files=tuple((path, bytes.fromhex(content)) for path, content in json.loads(files)),
        parts=tuple(Part(k, name, bytes.fromhex(d), where, t) for k, name, d, where, t in json.loads(parts)),
        shown=tuple(json.loads(shown)),
        children=None if children is None else tuple(_child(*child) for child in json.loads(children)),
        mapping=bool(mapping),
        summary=Summary(kind, tuple(shape), memory, text),
        seconds=seconds,
        finished=finished,
        run=run,
    )


def fields(row: Row) -> list[bytes]:
    """What is sealed of a row: each column with its type, byte for byte."""
    return [_field(value) for value in row]


def readable(name: str) -> str:
    """``name`` as text that SQLite can hold; half a character (from a file name that is no text) becomes an escape."""
    return name.encode("utf-8", "backslashreplace").decode()


def to_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _child(label: str, key: str, value: str) -> Child:
    return Child(label, bytes.fromhex(key), bytes.fromhex(value))


def _field(value: Value) -> bytes:
    if isinstance(value, str):
        return b"s" + value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return b"b" + value
    if isinstance(value, int):
        return b"i%d" % value
    return b"n" if value is None else b"f" + struct.pack("<d", value)
