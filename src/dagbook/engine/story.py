"""What a run tells of one node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagbook.engine.events import Kind
from dagbook.engine.ports import Record
from dagbook.fingerprint.key import Change, Key, difference
from dagbook.fingerprint.parts import Part


class Story:
    """Why a node ran, or did not, in one run. ``how`` is its last event; ``changed`` whether its value changed.

    ``previous`` is the newest record before it, ``key`` what its result depends on now; how they differ is worked out
    when somebody asks.
    """

    __slots__ = (
        "_changes",
        "changed",
        "error",
        "first",
        "forced",
        "how",
        "inputs",
        "key",
        "name",
        "previous",
        "reason",
        "record",
        "run",
    )

    def __init__(self, name: str, run: int) -> None:
        self.name = name
        self.run = run
        self.how = Kind.NODE_QUEUED
        self.first = False
        self.forced = False
        self.changed = False
        self.previous: Record | None = None
        self.record: Record | None = None
        self.key: Key | None = None
        self.error: Mapping[str, Any] | None = None
        self.reason = ""
        self.inputs: tuple[str, ...] = ()
        self._changes: tuple[Change, ...] | None = ()

    def looked_up(self, previous: Record | None, key: Key, files: tuple[Change, ...]) -> None:
        """The node's key is known. ``files`` are the changes of files, which count when nothing else has changed."""
        self.previous, self.key, self.first = previous, key, previous is None
        differs = previous is not None and previous.key != key.digest
        self._changes = None if differs else files

    @property
    def changes(self) -> tuple[Change, ...]:
        """How what it depends on differs from the time before, the most telling first."""
        if self._changes is None:
            before = self.previous.parts if self.previous is not None else ()
            self._changes = difference(before, self.key.parts if self.key is not None else ())
        return self._changes

    @changes.setter
    def changes(self, changes: tuple[Change, ...]) -> None:
        self._changes = changes

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that its result depends on, as far as it is known."""
        if self.key is not None:
            return self.key.parts
        return self.record.parts if self.record is not None else ()
