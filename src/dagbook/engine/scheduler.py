"""The pure scheduler: what happened goes in, what to do next comes out.

It knows indexes, not functions; it reads no clock, takes no lock, and does nothing. All that it decides it writes
into the run's log, and that log is the run. State is kept for the nodes that may run, never for the whole graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from enum import IntEnum
from heapq import heappop, heappush
from typing import Any

from dagbook.engine.events import NO_NODE, TERMINAL, Event, Kind, Log


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


GOOD = frozenset({State.RAN, State.REUSED, State.CUT_OFF})
ENDED = frozenset(s for s in State if s >= State.RAN)
_NOT_STARTED = frozenset({State.WAITING, State.SETTLED, State.READY})
_EVENT = {
    State.READY: Kind.NODE_QUEUED,
    State.RUNNING: Kind.NODE_STARTED,
    State.EXPANDED: Kind.NODE_EXPANDED,
    State.RAN: Kind.NODE_RAN,
    State.REUSED: Kind.NODE_REUSED,
    State.CUT_OFF: Kind.NODE_CUT_OFF,
    State.FAILED: Kind.NODE_FAILED,
    State.TIMED_OUT: Kind.NODE_TIMED_OUT,
    State.SKIPPED: Kind.NODE_SKIPPED,
    State.CANCELLED: Kind.NODE_CANCELLED,
}
_LEGAL: Mapping[State, frozenset[State]] = {
    State.WAITING: frozenset({State.SETTLED, State.SKIPPED, State.CANCELLED}),
    State.SETTLED: frozenset({State.READY, State.REUSED, State.CUT_OFF, State.FAILED, State.SKIPPED, State.CANCELLED}),
    State.READY: frozenset({State.RUNNING, State.SKIPPED, State.CANCELLED}),
    State.RUNNING: frozenset(
        {State.READY, State.EXPANDED, State.RAN, State.FAILED, State.TIMED_OUT, State.SKIPPED, State.CANCELLED}
    ),
    State.EXPANDED: frozenset({State.RAN, State.FAILED, State.CANCELLED, State.SKIPPED}),
}


class Scheduler:
    """The state machine of one run.

    ``pending`` are the nodes that may have to run, in an order in which each comes after those it needs; every other
    node counts as settled. ``preds`` and ``succs`` are the topology's. ``rank(i)`` orders ready nodes (smallest
    first). ``pinned`` nodes, and their children, run in the first lane only. ``log`` receives every transition; its
    ``names`` grow when a node is expanded.

    The caller takes :meth:`checks`, answers each with :meth:`reuse`, :meth:`cut_off`, :meth:`enqueue` or :meth:`fail`,
    takes :meth:`starts` and answers each with :meth:`finish`, :meth:`fail`, :meth:`expand` or :meth:`time_out`, until
    :attr:`done`. An answer for an attempt that is not the live one is ignored, and says so by returning False.
    """

    def __init__(
        self,
        preds: Sequence[Sequence[int]],
        succs: Sequence[Sequence[int]],
        pending: Iterable[int],
        log: Log,
        *,
        rank: Callable[[int], float] = float,
        pinned: Container[int] = (),
        fail_fast: bool = False,
    ) -> None:
        self.log = log
        self.now = 0.0
        self.paused = False
        self.cancelling = False
        self.attempts: dict[int, int] = {}
        self.running: set[int] = set()
        self._succs = succs
        self._rank = rank
        self._pinned = pinned
        self._fail_fast = fail_fast
        self._stopped = ""  # why nothing is started any more: the first failure, when the run is to stop at it
        self._state: dict[int, State] = {}
        self._wait: dict[int, int] = {}
        self._parent: dict[int, int] = {}
        self._open: dict[int, int] = {}  # of an expanded node: children that have not ended
        self._broken: dict[int, int] = {}  # of an expanded node: its first child that failed
        self._settled: deque[int] = deque()
        self._ready: list[tuple[float, int]] = []
        self._ready_pinned: list[tuple[float, int]] = []
        self._left = 0
        members = list(pending)
        self._state = dict.fromkeys(members, State.WAITING)
        self._left = len(members)
        for i in members:
            count = sum(p in self._state for p in preds[i])
            if count:
                self._wait[i] = count
            else:
                self._settle(i)

    # -- what to do next

    @property
    def done(self) -> bool:
        """Whether every node of the run has ended."""
        return self._left == 0

    def state(self, i: int) -> State:
        """Where node ``i`` stands; ABSENT when it has no part in this run."""
        return self._state.get(i, State.ABSENT)

    def parent(self, i: int) -> int | None:
        """The expanded node that ``i`` is a child of."""
        return self._parent.get(i)

    def checks(self) -> list[int]:
        """Nodes whose inputs are settled since the last call: look each one's key up."""
        if self.paused or not self._settled:
            return []
        taken = [i for i in self._settled if self._state[i] is State.SETTLED]
        self._settled.clear()
        return taken

    def starts(self, lanes: Sequence[int], *, pinned: bool) -> list[tuple[int, int]]:
        """Nodes to start now, the most urgent first, each with the free lane it gets; they are RUNNING from here on.

        With ``pinned`` only those that must run in the first lane, else only the others.
        """
        if self.paused or self.cancelling:
            return []
        heap = self._ready_pinned if pinned else self._ready
        taken: list[tuple[int, int]] = []
        while heap and len(taken) < len(lanes):
            i = heappop(heap)[1]
            if self._state[i] is State.READY:
                lane = lanes[len(taken)]
                self.attempts[i] = self.attempts.get(i, 0) + 1
                self._move(i, State.RUNNING, {"lane": lane} if lane else None)
                self.running.add(i)
                taken.append((i, lane))
        return taken

    # -- answers to a check

    def reuse(self, i: int) -> None:
        """There is a result with this key."""
        self._end(i, State.REUSED)

    def cut_off(self, i: int) -> None:
        """The key is what it was, though something above ran again."""
        self._end(i, State.CUT_OFF)

    def enqueue(self, i: int) -> None:
        """There is none: the node is to run."""
        self._move(i, State.READY)
        pinned = self._parent.get(i, i) in self._pinned
        heappush(self._ready_pinned if pinned else self._ready, (self._rank(i), i))

    # -- answers to a start

    def finish(self, i: int, attempt: int, changed: bool = True) -> bool:
        """The node has a value; ``changed`` says whether it differs from the one before."""
        if not self._live(i, attempt):
            return False
        self._end(i, State.RAN, {"changed": changed})
        return True

    def retry(self, i: int, attempt: int, error: Mapping[str, Any]) -> bool:
        """The node failed and is to run again, unless the run has stopped."""
        if not self._live(i, attempt):
            return False
        if self._stopped:
            return self.fail(i, attempt, error)
        self.log.add(Kind.NODE_RETRIED, i, self.now, {"attempt": attempt, "error": error})
        self.running.discard(i)
        if self.cancelling:
            self._end(i, State.CANCELLED, {"reason": "the run was cancelled"})
        else:
            self.enqueue(i)
        return True

    def fail(self, i: int, attempt: int, error: Mapping[str, Any]) -> bool:
        """The node failed: what needs it is skipped."""
        if self._state[i] is not State.SETTLED and not self._live(i, attempt):
            return False
        self._end(i, State.FAILED, {"error": error})
        return True

    def time_out(self, i: int, attempt: int, seconds: float) -> bool:
        """The node took longer than it may: what needs it is skipped, and its late result is ignored."""
        if not self._live(i, attempt):
            return False
        self._end(i, State.TIMED_OUT, {"reason": f"took longer than {seconds:g} s"})
        return True

    def abandon(self, i: int) -> bool:
        """The run will not wait for this running node; its late result is ignored."""
        if self._state[i] is not State.RUNNING:
            return False
        self._end(i, State.CANCELLED, {"reason": "interrupted"})
        return True

    def expand(self, i: int, attempt: int, labels: Sequence[str], names: Sequence[str]) -> range | None:
        """The node's result is a graph: ``len(names)`` children, whose inputs are all settled; it ends with them.

        Returns the indexes of the children, or None for an attempt that is not live.
        """
        if not self._live(i, attempt):
            return None
        first = len(self.log.names)
        self.log.grow(names)
        children = range(first, first + len(names))
        self._left += len(children)
        self.running.discard(i)
        self._move(i, State.EXPANDED, {"first": first, "count": len(children), "labels": list(labels)})
        self._open[i] = len(children)
        for child in children:
            self._state[child] = State.WAITING
            self._parent[child] = i
        for child in children:
            if self.cancelling:
                self._end(child, State.CANCELLED, {"reason": "the run was cancelled"})
            elif self._stopped:
                self._end(child, State.SKIPPED, {"reason": self._stopped})
            else:
                self._settle(child)
        return children

    def joined(self) -> list[int]:
        """Expanded nodes whose children have all ended well: each is to be finished with their values."""
        return [i for i, left in self._open.items() if not left and self._state[i] is State.EXPANDED]

    def join(self, i: int, changed: bool = True) -> None:
        """The values of an expanded node's children are put together."""
        del self._open[i]
        self._end(i, State.RAN, {"changed": changed})

    # -- from outside

    def pause(self) -> None:
        """Start nothing new until :meth:`resume`."""
        if not self.paused and not self.cancelling:
            self.paused = True
            self.log.add(Kind.RUN_PAUSED, NO_NODE, self.now)

    def resume(self) -> None:
        """Go on after a pause."""
        if self.paused:
            self.paused = False
            self.log.add(Kind.RUN_RESUMED, NO_NODE, self.now)

    def cancel(self, reason: str = "the run was cancelled") -> None:
        """Start nothing more, ever; what runs is allowed to end."""
        if self.cancelling:
            return
        self.resume()
        self.cancelling = True
        self.log.add(Kind.RUN_CANCELLING, NO_NODE, self.now)
        for i in self._members(_NOT_STARTED):
            self._end(i, State.CANCELLED, {"reason": reason})

    # -- inside

    def _live(self, i: int, attempt: int) -> bool:
        return self._state[i] is State.RUNNING and self.attempts[i] == attempt

    def _settle(self, i: int) -> None:
        self._state[i] = State.SETTLED
        self._settled.append(i)

    def _move(self, i: int, state: State, detail: Mapping[str, Any] | None = None) -> None:
        assert state in _LEGAL[self._state[i]], (i, self._state[i], state)
        self._state[i] = state
        self.log.add(_EVENT[state], i, self.now, detail)

    def _end(self, i: int, state: State, detail: Mapping[str, Any] | None = None) -> None:
        self._move(i, state, detail)
        self.running.discard(i)
        self._left -= 1
        if i in self._parent:
            self._child_ended(i, self._parent[i], state)
        if state in GOOD:
            self._release(i)
        elif state is not State.SKIPPED and not self.cancelling:
            self._skip_below(i, self._word(i))
            if self._fail_fast:
                self._skip_all(i)

    def _release(self, i: int) -> None:
        for s in self._succ(i):
            left = self._wait.get(s)
            if left is None:
                continue
            if left > 1:
                self._wait[s] = left - 1
            else:
                del self._wait[s]
                if self._state[s] is State.WAITING:
                    self._settle(s)

    def _succ(self, i: int) -> Sequence[int]:
        return self._succs[i] if i < len(self._succs) else ()

    def _child_ended(self, child: int, parent: int, state: State) -> None:
        self._open[parent] -= 1
        if state not in GOOD:
            if parent not in self._broken and not self.cancelling:
                self._skip_below(parent, self._word(child))
            self._broken.setdefault(parent, child)
        if not self._open[parent] and parent in self._broken:
            del self._open[parent]
            self._end_broken(parent, self._broken[parent])

    def _end_broken(self, parent: int, child: int) -> None:
        if self._state[child] is State.CANCELLED:
            self._end(parent, State.CANCELLED, {"reason": "the run was cancelled"})
        elif self._state[child] is State.SKIPPED:
            self._end(parent, State.SKIPPED, {"reason": "some of its children were skipped"})
        else:
            name = self.log.names[child]
            self._end(parent, State.FAILED, {"error": {"type": "", "message": f"{name} failed", "child": name}})

    def _skip_below(self, i: int, word: str) -> None:
        cause = f"{self.log.names[i]} {word}"
        stack = [(s, cause) for s in self._succ(i)]
        while stack:
            s, reason = stack.pop()
            if self._state.get(s) in _NOT_STARTED:
                self._end(s, State.SKIPPED, {"reason": reason})
                stack.extend((below, reason) for below in self._succ(s))

    def _word(self, i: int) -> str:
        words = {State.TIMED_OUT: "timed out", State.CANCELLED: "was cancelled", State.SKIPPED: "was skipped"}
        return words.get(self._state[i], "failed")

    def _skip_all(self, i: int) -> None:
        self._stopped = self._stopped or f"{self.log.names[i]} {self._word(i)}, and the run stops at the first failure"
        for other in self._members(_NOT_STARTED):
            if self._state[other] in _NOT_STARTED:  # the end of another may have skipped it
                self._end(other, State.SKIPPED, {"reason": self._stopped})

    def _members(self, states: frozenset[State]) -> list[int]:
        return [i for i, state in self._state.items() if state in states]

    # -- for tests and for people

    def story(self, i: int) -> list[Event]:
        """The life of one node in this run, in order."""
        return [e for seq, e in enumerate(self.log) if self.log.node[seq] == i]

    def validate(self) -> None:
        """Raise AssertionError if the state contradicts itself or the log."""
        ends: dict[int, int] = {}
        for seq in range(len(self.log)):
            if Kind(self.log.kind[seq]) in TERMINAL:
                i = self.log.node[seq]
                ends[i] = ends.get(i, 0) + 1
        for i, state in self._state.items():
            assert ends.get(i, 0) == (state in ENDED), (i, state, ends.get(i, 0))
            assert (i in self.running) == (state is State.RUNNING), (i, state)
            if state in (State.SETTLED, State.READY, State.RUNNING):
                assert i not in self._wait, (i, state)
        assert self._left == sum(s not in ENDED for s in self._state.values())
        for parent, left in self._open.items():
            children = [c for c, p in self._parent.items() if p == parent]
            assert left == sum(self._state[c] not in ENDED for c in children)
