"""The children of an expanded node: how they are known while it runs, and how their values are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xxhash import xxh3_128_digest

from dagbook.engine.ports import Child, Record, Store, Summary
from dagbook.engine.result import Result
from dagbook.errors import StoreError
from dagbook.fingerprint.key import Key
from dagbook.fingerprint.parts import Digest, known, unknown
from dagbook.fingerprint.value import fingerprint
from dagbook.graph.compose import Splice


@dataclass(slots=True)
class Branches:
    """The children of one node in one run; ``sinks`` are the indexes of those whose values make its value."""

    splice: Splice
    sinks: list[int] = field(default_factory=list)

    def together(self, name: str, key: Key, children: Sequence[Result], store: Store) -> Record:
        """The record of the whole: a list or dict of the children's values, which are not stored twice."""
        keys = self.splice.keys
        records = [child.record for child in children]
        labels = [branch.label for branch in self.splice.branches]
        blob = None
        if keys is not None:
            try:
                blob = store.put(keys)
            except StoreError:
                blob = None
        return Record(
            node=name,
            key=key.digest,
            value=_composed(keys, [r.value for r in records]),
            blob=blob,
            parts=key.parts,
            shown=tuple(output for record in records for output in record.shown),
            children=tuple(Child(label, r.key, r.value) for label, r in zip(labels, records, strict=True)),
            mapping=keys is not None,
            summary=Summary("dict" if keys is not None else "list", (len(children),)),
            seconds=sum(r.seconds for r in records),
        )


def _composed(keys: tuple[object, ...] | None, values: Sequence[Digest]) -> Digest:
    """The fingerprint of a list of these values, or of a dict with these keys; unknown when any of them is."""
    parts = [*values] if keys is None else [fingerprint(keys), *values]
    if not all(known(part) for part in parts):
        return unknown()
    return xxh3_128_digest((b"list" if keys is None else b"dict") + b"".join(parts))
