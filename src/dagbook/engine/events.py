"""What happened in a run, as columns.

A run is a fold over its events. They are kept as arrays, not objects: a log of a million events is four arrays,
and an :class:`Event` is a view made when somebody reads one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

SCHEMA = 1
"""The version of the event vocabulary; a journal from a newer one is refused."""

NO_NODE = 0xFFFFFFFF
"""The node index of events that are about the run as a whole."""


class Kind(IntEnum):
    """What an event says. Numbers are part of the journal's format: never change one, only add."""

    RUN_STARTED = 0
    RUN_PAUSED = 1
    RUN_RESUMED = 2
    RUN_CANCELLING = 3
    RUN_FINISHED = 4
    NODE_QUEUED = 10
    NODE_STARTED = 11
    NODE_RAN = 12
    NODE_REUSED = 13
    NODE_CUT_OFF = 14
    NODE_FAILED = 15
    NODE_TIMED_OUT = 16
    NODE_SKIPPED = 17
    NODE_CANCELLED = 18
    NODE_RETRIED = 19
    NODE_EXPANDED = 20


TERMINAL = frozenset(
    {
        Kind.NODE_RAN,
        Kind.NODE_REUSED,
        Kind.NODE_CUT_OFF,
        Kind.NODE_FAILED,
        Kind.NODE_TIMED_OUT,
        Kind.NODE_SKIPPED,
        Kind.NODE_CANCELLED,
    }
)
"""The events that end a node; each node of a run gets exactly one of them."""

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``seq`` counts from 0 in its run; ``time`` is seconds since the run began; ``node`` is a name."""

    seq: int
    kind: Kind
    node: str | None
    time: float
    detail: Mapping[str, Any]


class Log(Sequence[Event]):
    """The ordered events of one run. ``names`` gives node indexes their names, and may grow while the run expands.

    Columns: ``kind`` (one byte each), ``node`` (index, or NO_NODE), ``time`` (seconds since the run began); ``detail``
    holds a JSON-like mapping for the few events that need one, by sequence number: ``changed`` (bool, NODE_RAN),
    ``reason`` (NODE_SKIPPED, NODE_CANCELLED), ``error`` (NODE_FAILED: type, message, cell, line), ``first``,
    ``count``, ``labels`` (NODE_EXPANDED), ``status`` (RUN_FINISHED), ``attempt`` (NODE_RETRIED), ``lane``
    (NODE_STARTED, when it is not the first).
    """

    __slots__ = ("_own", "detail", "kind", "names", "node", "time")

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._own = False
        self.kind = bytearray()
        self.node = array("I")
        self.time = array("d")
        self.detail: dict[int, Mapping[str, Any]] = {}

    def add(self, kind: Kind, node: int, time: float, detail: Mapping[str, Any] | None = None) -> int:
        """Append one event and return its sequence number."""
        seq = len(self.kind)
        self.kind.append(kind)
        self.node.append(node)
        self.time.append(time)
        if detail is not None:
            self.detail[seq] = detail
        return seq

    def extend(self, kinds: bytes, nodes: array[int], times: array[float]) -> None:
        """Append many events at once, none of which has details."""
        self.kind += kinds
        self.node += nodes
        self.time += times

    def grow(self, names: Sequence[str]) -> None:
        """Have names for more nodes. The list that the log was made with stays as it was: runs may share it."""
        if not self._own:
            self.names, self._own = list(self.names), True
        self.names.extend(names)

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, seq: Any) -> Any:
        if isinstance(seq, slice):
            return [self[i] for i in range(*seq.indices(len(self)))]
        if seq < 0:
            seq += len(self)
        node = self.node[seq]
        name = None if node == NO_NODE else self.names[node]
        return Event(seq, Kind(self.kind[seq]), name, self.time[seq], self.detail.get(seq, NOTHING))

    def __iter__(self) -> Iterator[Event]:
        return (self[i] for i in range(len(self)))
