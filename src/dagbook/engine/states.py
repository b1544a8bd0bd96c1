"""Where a node stands in a run, which steps are legal, and what the log says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from dagbook.engine.events import Kind


class State(IntEnum):
    """Where a node stands in a run."""

    ABSENT = 0
    WAITING = 1  # for its inputs
    SETTLED = 2  # its inputs are there; is there a result with its key?
    READY = 3  # no: it is to run
    RUNNING = 4
    EXPANDED = 5  # it runs as its children
    RAN = 6
    REUSED = 7
    CUT_OFF = 8
    FAILED = 9
    TIMED_OUT = 10
    SKIPPED = 11
    CANCELLED = 12


class Place(IntEnum):
    """Where a node has to run."""

    CALLER = 0  # on the thread that waits for the run
    WORKER = 1  # on any thread of the pool
    LOOP = 2  # in the caller's event loop


GOOD = frozenset({State.RAN, State.REUSED, State.CUT_OFF})
ENDED = frozenset(s for s in State if s >= State.RAN)
NOT_STARTED = frozenset({State.WAITING, State.SETTLED, State.READY})

STATES = tuple(State)

# The same as plain numbers, for the columns.
ABSENT, WAITING, SETTLED, READY, RUNNING, EXPANDED, RAN, REUSED, CUT_OFF, FAILED, TIMED_OUT, SKIPPED = map(
    int, list(State)[:12]
)
CANCELLED = int(State.CANCELLED)
STARTED_EVENT, RAN_EVENT = int(Kind.NODE_STARTED), int(Kind.NODE_RAN)

EVENT_OF: Mapping[int, Kind] = {
    READY: Kind.NODE_QUEUED,
    RUNNING: Kind.NODE_STARTED,
    EXPANDED: Kind.NODE_EXPANDED,
    RAN: Kind.NODE_RAN,
    REUSED: Kind.NODE_REUSED,
    CUT_OFF: Kind.NODE_CUT_OFF,
    FAILED: Kind.NODE_FAILED,
    TIMED_OUT: Kind.NODE_TIMED_OUT,
    SKIPPED: Kind.NODE_SKIPPED,
    CANCELLED: Kind.NODE_CANCELLED,
}
_STOPPING = {SKIPPED, CANCELLED}
LEGAL: Mapping[int, frozenset[int]] = {
    WAITING: frozenset({SETTLED, READY, RUNNING, *_STOPPING}),
    SETTLED: frozenset({READY, REUSED, CUT_OFF, FAILED, *_STOPPING}),
    READY: frozenset({RUNNING, *_STOPPING}),
    RUNNING: frozenset({READY, EXPANDED, RAN, FAILED, TIMED_OUT, *_STOPPING}),
    EXPANDED: frozenset({RAN, FAILED, *_STOPPING}),
}
WORDS = {TIMED_OUT: "timed out", CANCELLED: "was cancelled", SKIPPED: "was skipped"}

class Sparse(dict[int, int]):
    """A column of which only a few entries are not 0."""

    def __missing__(self, i: int) -> int:
        return 0

    def extend(self, zeros: bytes) -> None:
        """More entries, all 0: nothing to keep."""


CHANGED: Mapping[str, Any] = {"changed": True}
EQUAL: Mapping[str, Any] = {"changed": False}


class _Lanes(Sequence[Mapping[str, Any]]):
    """What the log says of a start, by lane: one object for each lane, however many nodes it runs."""

    def __init__(self) -> None:
        self._made: list[Mapping[str, Any]] = [{}]

    def __len__(self) -> int:
        return len(self._made)

    def __getitem__(self, lane: Any) -> Any:
        while len(self._made) <= lane:
            self._made.append({"lane": len(self._made)})
        return self._made[lane]


LANES: Sequence[Mapping[str, Any]] = _Lanes()
