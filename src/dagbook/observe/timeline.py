"""A run's log put in order: who ran where and when, and what the run had to wait for."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from math import inf
from typing import Any

from dagbook.engine.events import TERMINAL, Kind, Log

WORD = {
    Kind.NODE_RAN: "ran",
    Kind.NODE_REUSED: "reused",
    Kind.NODE_CUT_OFF: "cut off",
    Kind.NODE_FAILED: "failed",
    Kind.NODE_TIMED_OUT: "timed out",
    Kind.NODE_SKIPPED: "skipped",
    Kind.NODE_CANCELLED: "cancelled",
    Kind.NODE_EXPANDED: "expanded",
    Kind.RUN_PAUSED: "paused",
    Kind.RUN_RESUMED: "resumed",
    Kind.RUN_CANCELLING: "cancelling",
}
"""The moments of a run, and the ends of its nodes, in words."""

OUTCOMES = ("ran", "reused", "cut off", "failed", "timed out", "skipped", "cancelled", "running")
"""What can have become of a node, in the order in which it is told."""

_MOMENTS_OF_RUN = frozenset({Kind.RUN_PAUSED, Kind.RUN_RESUMED, Kind.RUN_CANCELLING})


@dataclass(slots=True)
class Attempt:
    """One go at a node. ``opened`` and ``closed`` are its first and last events; ``closed`` is None while it runs."""

    node: int
    number: int
    row: int
    opened: int
    start: float
    end: float
    closed: int | None = None


class Timeline:
    """What a log says about time, read in one pass, as far as the log had come.

    Attempts stand in rows, in which they never overlap: a row is a lane, and a lane where several attempts go on at
    once, such as an event loop, has more than one. A clock that jumps back makes an attempt short, never negative.
    A node comes after another when its events do: times only tell which of several was the last.
    """

    def __init__(self, log: Log, preds: Callable[[int], Sequence[int]]) -> None:
        self.log = log
        self.size = len(log.time)
        count = len(log.names)
        self.attempts: list[Attempt] = []
        self.rows: list[tuple[int, int]] = []  # the lane, and which of its rows
        self.moments: list[int] = []  # events that took no time
        self.pauses: list[tuple[float, float]] = []
        self.status = "running"
        self.work = array("d", [0.0]) * count
        self.first = array("q", [-1]) * count  # of each node: its first and last attempts,
        self.last = array("q", [-1]) * count
        self._queued = array("q", [-1]) * count  # and the events with which it was ready and ended
        self._ended = array("q", [-1]) * count
        self._expanded: dict[int, tuple[int, range]] = {}
        self._parent: dict[int, int] = {}
        self._free: dict[int, list[int]] = {}  # of each lane: rows where nothing runs
        self._width: Counter[int] = Counter()
        self._until: list[float] = []  # of each row: when its last attempt ended
        self._paused: float | None = None
        self._preds = preds
        for seq in range(self.size):
            self._take(seq, Kind(log.kind[seq]), log.node[seq])
        self.wall = max([0.0, *self._until, *log.time[self.size - 1 : self.size]])
        self._end_all()

    # -- the pass

    def _take(self, seq: int, kind: Kind, node: int) -> None:
        if kind is Kind.NODE_STARTED:
            self._open(seq, node)
        elif kind is Kind.NODE_QUEUED:
            if self._queued[node] < 0 and self.first[node] < 0:
                self._queued[node] = seq
        elif kind is Kind.NODE_EXPANDED:
            self._expand(seq, node)
        elif kind is Kind.NODE_RETRIED:
            self._close(seq, node)
        elif kind is Kind.RUN_FINISHED:
            self.status = str(self.detail(seq).get("status", "done"))
        elif kind in TERMINAL:
            self._ended[node] = seq
            if not self._close(seq, node):
                self.moments.append(seq)
        elif kind in _MOMENTS_OF_RUN:
            self.moments.append(seq)
            self._pause(seq, kind)

    def _open(self, seq: int, node: int) -> None:
        row = self._row(self.detail(seq).get("lane", 0))
        start = max(self.log.time[seq], self._until[row])
        before, new = self.last[node], len(self.attempts)
        number = self.attempts[before].number + 1 if before >= 0 else 1
        if number == 1:
            self.first[node] = new
        self.last[node] = new
        self.attempts.append(Attempt(node, number, row, seq, start, start))

    def _row(self, lane: int) -> int:
        free = self._free.setdefault(lane, [])
        if free:
            return heappop(free)
        self.rows.append((lane, self._width[lane]))
        self._width[lane] += 1
        self._until.append(0.0)
        return len(self.rows) - 1

    def _close(self, seq: int, node: int) -> bool:
        """End the open attempt of ``node``; False when it has none."""
        attempt = self.attempts[self.last[node]] if self.last[node] >= 0 else None
        if attempt is None or attempt.closed is not None:
            return False
        attempt.closed = seq
        self._end(attempt, self.log.time[seq])
        heappush(self._free[self.rows[attempt.row][0]], attempt.row)
        return True

    def _end(self, attempt: Attempt, time: float) -> None:
        attempt.end = self._until[attempt.row] = max(attempt.start, time)
        self.work[attempt.node] += attempt.end - attempt.start

    def _end_all(self) -> None:
        for attempt in self.attempts:
            if attempt.closed is None:
                self._end(attempt, self.wall)
        if self._paused is not None:
            self.pauses.append((self._paused, max(self._paused, self.wall)))

    def _expand(self, seq: int, node: int) -> None:
        detail = self.detail(seq)
        first = detail.get("first", 0)
        children = range(first, first + detail.get("count", 0))
        self._expanded[node] = (seq, children)
        self._parent.update(dict.fromkeys(children, node))
        self.moments.append(seq)
        self._close(seq, node)

    def _pause(self, seq: int, kind: Kind) -> None:
        time = self.log.time[seq]
        if kind is Kind.RUN_PAUSED:
            self._paused = time
        elif self._paused is not None:
            self.pauses.append((self._paused, max(self._paused, time)))
            self._paused = None

    # -- looking

    def detail(self, seq: int) -> Mapping[str, Any]:
        """What the log says besides of event ``seq``."""
        return self.log.detail.get(seq, {})

    def nodes(self) -> Iterator[int]:
        """The nodes that began or ended, in the order of the graph."""
        return (i for i, end in enumerate(self._ended) if end >= 0 or self.first[i] >= 0)

    def started(self) -> Iterator[int]:
        """The nodes that began, in the order in which they did."""
        return (attempt.node for attempt in self.attempts if attempt.number == 1)

    def outcome(self, i: int) -> str:
        """What became of node ``i``, one of OUTCOMES."""
        end = self._ended[i]
        return WORD[Kind(self.log.kind[end])] if end >= 0 else "running"

    def status_of(self, attempt: Attempt) -> str:
        """What became of one attempt."""
        retried = attempt.closed is not None and self.log.kind[attempt.closed] == Kind.NODE_RETRIED
        return "retried" if retried else self.outcome(attempt.node)

    def sources(self, i: int) -> Sequence[int]:
        """The nodes that ``i`` comes after: its inputs, and the node that it is a child of."""
        parent, preds = self._parent.get(i), self._preds(i)
        return preds if parent is None or parent in preds else (*preds, parent)

    def busy(self) -> list[tuple[int, float]]:
        """The rows in the order of their lanes, with the seconds in which something ran there."""
        total = [0.0] * len(self.rows)
        for attempt in self.attempts:
            total[attempt.row] += attempt.end - attempt.start
        return sorted(enumerate(total), key=lambda row: self.rows[row[0]])

    def row_name(self, row: int) -> str:
        """``caller``, ``worker 1`` …, with a number for a further row of the lane."""
        lane, copy = self.rows[row]
        name = f"worker {lane}" if lane else "caller"
        return f"{name} ({copy + 1})" if copy else name

    # -- the critical path

    @cached_property
    def path(self) -> list[int]:
        """The nodes that the run had to wait for: from the one that ended last back, first to last."""
        return [i for i, _ in self._walked]

    @cached_property
    def waiting(self) -> float:
        """Seconds that nodes of the path were ready and did not begin; pauses do not count."""
        return sum(self._waited(i, since) for i, since in self._walked)

    @cached_property
    def _walked(self) -> list[tuple[int, int]]:
        walked = list(self._walk_back())
        while walked and self.first[walked[-1][0]] < 0:
            walked.pop()  # what was there from the beginning cost no time
        return walked[::-1]

    def _walk_back(self) -> Iterator[tuple[int, int]]:
        """The path, last node first, each with the event that let it go on. Steps go back in the log, so they end."""
        i = max(self.started(), key=lambda i: self._when(self._ended_at(i)), default=None)
        at = self.size
        while i is not None:
            child = self._last_child(i, at)
            if child is not None:  # the node waited for its children, in the end for this one
                i, at = child, self._ended_at(child)
                continue
            began = min(at, self._began_at(i))
            sources = [(self._settled_at(p, began), p) for p in self.sources(i)]
            at, following = max(sources, key=lambda s: self._when(s[0]), default=(-1, -1))
            yield i, at
            i = following if at >= 0 else None

    def _when(self, seq: int) -> tuple[float, int]:
        """For sorting moments: by time, and by their order where that is the same."""
        if seq < 0:
            return -1.0, seq
        return self.log.time[seq] if seq < self.size else inf, seq

    def _began_at(self, i: int) -> int:
        first = self.first[i]
        return self.attempts[first].opened if first >= 0 else self._ended[i]

    def _ended_at(self, i: int) -> int:
        return self._ended[i] if self._ended[i] >= 0 else self.size

    def _settled_at(self, i: int, before: int) -> int:
        """The last event of node ``i`` before ``before`` that let others go on: it ended, or had children. Or -1."""
        expanded = self._expanded[i][0] if i in self._expanded else -1
        return max((at for at in (self._ended[i], expanded) if at < before), default=-1)

    def _last_child(self, i: int, before: int) -> int | None:
        if i not in self._expanded:
            return None
        limit = min(before, self._ended_at(i))
        ended = (c for c in self._expanded[i][1] if 0 <= self._ended[c] < limit)
        return max(ended, key=lambda c: self._when(self._ended[c]), default=None)

    def _waited(self, i: int, since: int) -> float:
        if self.first[i] < 0:
            return 0.0
        ready_at = self._queued[i] if self._queued[i] >= 0 else since
        ready = self.log.time[ready_at] if ready_at >= 0 else 0.0
        start = self.attempts[self.first[i]].start
        paused = sum(max(0.0, min(start, end) - max(ready, begin)) for begin, end in self.pauses)
        return max(0.0, start - ready - paused)
