"""The pure scheduler: what happened goes in, what to do next comes out.

It knows indexes, not functions; it reads no clock, takes no lock, and does nothing. All that it decides it writes
into the run's log, and that log is the run. A run that affects ten nodes of a large graph keeps state for those ten.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dagbook.engine.events import NO_NODE, TERMINAL, Event, Kind, Log
from dagbook.engine.ready import NO_DEMAND, Ready
from dagbook.engine.states import (
    ABSENT,
    CANCELLED,
    CHANGED,
    CUT_OFF,
    ENDED,
    EQUAL,
    EVENT_OF,
    EXPANDED,
    FAILED,
    LANES,
    LEGAL,
    NOT_STARTED,
    RAN,
    RAN_EVENT,
    READY,
    REUSED,
    RUNNING,
    SETTLED,
    SKIPPED,
    STARTED_EVENT,
    STATES,
    TIMED_OUT,
    WAITING,
    WORDS,
    Place,
    Sparse,
    State,
)


class Scheduler:
    """The state machine of one run.

    ``pending`` are the nodes that may have to run, in an order in which each comes after those it needs; every other
    node counts as settled. ``preds`` and ``succs`` are the topology's. ``log`` receives every transition; its ``names``
    grow with the graph. ``place`` says where nodes run, all in one place or each in its own, ``rank(i)`` orders the
    ready ones (smallest first), ``demand(i)`` is what a node takes of the ``capacities`` while it runs, and
    ``alone(i)`` says of which nodes the end must be told before anything else is done on their lane.

    With ``checked`` each node whose inputs are settled is handed out by :meth:`checks` before it becomes ready: there
    may be a result for it, or a condition that it does not meet. With ``in_order`` one lane runs everything, one node
    after another: then nothing has to be counted.

    The caller takes :meth:`checks`, answers each with :meth:`reuse`, :meth:`cut_off`, :meth:`enqueue`, :meth:`skip` or
    :meth:`fail`, then takes nodes by :meth:`take` and answers each with :meth:`finish`, :meth:`fail`, :meth:`retry`,
    :meth:`expand` or :meth:`time_out`, until :attr:`done`. An answer for an attempt that is not the live one is
    ignored, and says so by returning False.
    """

    def __init__(
        self,
        preds: Sequence[Sequence[int]],
        succs: Sequence[Sequence[int]],
        pending: Sequence[int],
        log: Log,
        *,
        checked: bool = True,
        in_order: bool = False,
        fail_fast: bool = False,
        rank: Callable[[int], float] | None = None,
        place: Callable[[int], int] | int = Place.WORKER,
        demand: Callable[[int], Mapping[str, float]] | None = None,
        alone: Callable[[int], bool] | None = None,
        capacities: Mapping[str, float] = NO_DEMAND,
    ) -> None:
        self.log = log
        self.now = 0.0
        self.paused = False
        self.cancelling = False
        self.running: set[int] = set()
        self.resting: set[int] = set()  # to run again, but not yet
        self.claimed: set[int] = set()  # ready, and a lane will come to them
        self._preds = preds
        self._succs = succs
        self._checked = checked
        self._in_order = in_order and not checked
        self._fail_fast = fail_fast
        self._rank = rank
        self._place = place
        self._alone = alone
        self._ready = Ready(demand, capacities)
        self._stopped = ""  # why nothing is started any more: the first failure, when the run is to stop at it
        self._failures: dict[int, int] = {}
        self._lanes: dict[int, int] = {}
        self._parent: dict[int, int] = {}
        self._open: dict[int, int] = {}  # of an expanded node: children that have not ended
        self._broken: dict[int, int] = {}  # of an expanded node: its first child that failed
        self._more_preds: dict[int, list[int]] = {}  # edges that came while the run went on
        self._more_succs: dict[int, list[int]] = {}
        self._settled: deque[int] = deque()
        self._left = len(pending)
        self._order = pending
        self._next = 0  # the position of the next node, when they run in order
        self._gaps = False  # whether some of the order will not run
        self._wait: dict[int, int] | list[int] = {}
        whole = len(pending) == len(preds)
        self._state: bytearray | Sparse
        if whole:
            self._state = bytearray((WAITING,)) * len(preds)
        else:
            self._state = Sparse(dict.fromkeys(pending, WAITING))
        if not self._in_order:
            self._count(pending, whole)

    def _count(self, pending: Sequence[int], whole: bool) -> None:
        """How many inputs each node waits for; those that wait for none are settled."""
        preds, state = self._preds, self._state
        if whole:
            self._wait = list(map(len, preds))
            for i in pending:
                if not preds[i]:
                    self._settle(i)
            return
        for i in pending:
            count = sum(state[p] != ABSENT for p in preds[i])
            self._wait[i] = count
            if not count:
                self._settle(i)

    # -- what to do next

    @property
    def in_order(self) -> bool:
        """Whether one lane runs everything, one node after another."""
        return self._in_order

    @property
    def done(self) -> bool:
        """Whether every node of the run has ended."""
        return self._left == 0

    def state(self, i: int) -> State:
        """Where node ``i`` stands; ABSENT when it has no part in this run."""
        return STATES[self._state[i]]

    def parent(self, i: int) -> int | None:
        """The expanded node that ``i`` is a child of."""
        return self._parent.get(i)

    def attempt(self, i: int) -> int:
        """Which attempt of the node is the live one, or the next: 1, 2, 3 …"""
        return self._failures.get(i, 0) + 1

    def lane(self, i: int) -> int:
        """The lane on which a running node was started."""
        return self._lanes.get(i, 0)

    def preds(self, i: int) -> Sequence[int]:
        """What a node needs, edges that came later too."""
        base = self._preds[i] if i < len(self._preds) else ()
        more = self._more_preds.get(i)
        return [*base, *more] if more else base

    def succs(self, i: int) -> Sequence[int]:
        """What needs a node, by edges that came later too."""
        base = self._succs[i] if i < len(self._succs) else ()
        if not self._more_succs:
            return base
        more = self._more_succs.get(i)
        return [*base, *more] if more else base

    def checks(self) -> list[int]:
        """Nodes whose inputs are settled since the last call: answer each."""
        if self.paused or not self._settled:
            return []
        taken = [i for i in dict.fromkeys(self._settled) if self._state[i] == SETTLED]
        self._settled.clear()
        return taken

    def waiting(self, place: int = Place.WORKER) -> bool:
        """Whether a node could be started there now."""
        if self.paused or self.cancelling:
            return False
        return self._take_in_order() is not None if self._in_order else self._ready.waiting(place)

    def ready_count(self, place: int = Place.WORKER) -> int:
        """About how many nodes could be started there now; never less than there are."""
        return 1 if self._in_order else self._ready.count(place)

    def take(self, place: int = Place.WORKER, lane: int = 0) -> int | None:
        """The most urgent node to start there now; it is RUNNING from here on. None when there is none."""
        if self.paused or self.cancelling:
            return None
        i = self._take_in_order() if self._in_order else self._ready.take(place, self._startable)
        if i is None:
            return None
        self._move(i, RUNNING, LANES[lane] if lane else None)
        self.running.add(i)
        if lane:
            self._lanes[i] = lane
        return i

    def _take_in_order(self) -> int | None:
        order, state = self._order, self._state
        while self._next < len(order):
            i = order[self._next]
            if state[i] == WAITING or (state[i] == READY and i not in self.resting):
                return i
            if state[i] in (READY, RUNNING):
                return None  # it is to be tried again, in a while
            self._next += 1
        return None

    def _startable(self, i: int) -> bool:
        return self._state[i] == READY and i not in self.resting and i not in self.claimed

    def stretch(self, i: int, most: int = 1) -> Sequence[int]:
        """``i``, which was just taken, and the nodes that may follow it on its lane without anybody being asked.

        In order that is all the rest; else the chain of those that need only their forerunner, and alone need it, or
        up to ``most`` that are ready. What is not run of these is to be :meth:`put_back`. Nodes that are to be
        ``alone`` follow no other.
        """
        if self._checked or self.paused or self.cancelling or (self._alone is not None and self._alone(i)):
            return (i,)
        if self._in_order:
            state, rest = self._state, self._order[self._next :]
            if self._alone is not None:
                return (i,)
            return [i, *(j for j in rest[1:] if state[j] == WAITING)] if self._gaps else rest
        place = self._place
        if self._ready.shared or callable(place):
            return (i,)
        chain = self._chain(i)
        return [i, *self._claim(place, most - 1)] if len(chain) == 1 and most > 1 else chain

    def _chain(self, i: int) -> list[int]:
        chain = [i]
        if self._more_preds or self._more_succs or self._alone is not None:
            return chain
        preds, succs, state = self._preds, self._succs, self._state
        while len(below := succs[i]) == 1 and len(preds[i := below[0]]) == 1 and state[i] == WAITING:
            chain.append(i)
        return chain

    def _claim(self, place: int, most: int) -> list[int]:
        """Ready nodes that a lane will run after the one it has; nobody else gets them until they are put back."""
        claimed = self._ready.claim(place, most, self._startable, self._alone)
        self.claimed.update(claimed)
        return claimed

    def put_back(self, nodes: Sequence[int]) -> None:
        """Nodes of a stretch that were not run: others may have them."""
        for i in nodes:
            if i in self.claimed:
                self.claimed.discard(i)
                self._push(i)

    # -- answers to a check

    def reuse(self, i: int) -> None:
        """There is a result with this key."""
        self._end(i, REUSED)

    def cut_off(self, i: int) -> None:
        """The key is what it was, though something above ran again."""
        self._end(i, CUT_OFF)

    def enqueue(self, i: int) -> None:
        """There is none: the node is to run."""
        self._move(i, READY)
        self._push(i)

    def skip(self, i: int, reason: str) -> None:
        """The node is not to run: a condition is not met, or it was taken out of the graph.

        What needs it loses this input, and is checked when its others are there.
        """
        self._end(i, SKIPPED, {"reason": reason})
        self._release(i)

    def leave_out(self, i: int, reason: str) -> None:
        """The node is not to run, and neither is what needs it."""
        self._end(i, SKIPPED, {"reason": reason})
        self._skip_below(i, f"{self.log.names[i]} was left out")

    # -- answers to a start

    def finish(self, i: int, attempt: int, changed: bool = True) -> bool:
        """The node has a value; ``changed`` says whether it differs from the one before."""
        if not self._live(i, attempt):
            return False
        self._end(i, RAN, CHANGED if changed else EQUAL)
        return True

    def ran(self, nodes: Sequence[int], ends: Sequence[float], lane: int = 0) -> None:
        """The first ``len(ends)`` of a stretch, of which the very first is RUNNING, have values, one after another."""
        count = len(ends)
        if not count:
            return
        nodes, state = nodes[:count], self._state
        whole = False
        if isinstance(nodes, range) and isinstance(state, bytearray):
            whole = True
            state[nodes.start : nodes.stop] = bytes((RAN,)) * count
        else:
            for i in nodes:
                state[i] = RAN
        self._log_stretch(nodes, ends, lane)
        self._left -= count
        first, last = nodes[0], nodes[-1]
        self.running.discard(first)
        self._give_back(first)
        if self._in_order:
            self._next += count if whole else 0
            return
        if self.claimed:
            self.claimed.difference_update(nodes)
        if count > 1 and self._wait[nodes[1]]:  # a chain: each was all that the next one waited for
            for i in nodes[1:]:
                self._wait[i] = 0
            self._release(last)
            return
        for i in nodes:
            self._release(i)

    def _log_stretch(self, nodes: Sequence[int], ends: Sequence[float], lane: int) -> None:
        """The end of the first, then start and end of each other: each begins when the one before has ended."""
        log, count = self.log, len(nodes)
        if count == 1:
            log.add(Kind.NODE_RAN, nodes[0], ends[0])
            return
        first = len(log)
        columns = array("I", bytes(4 * (2 * count - 1)))
        columns[::2] = array("I", nodes)
        columns[1::2] = array("I", nodes[1:])
        times = array("d", bytes(8 * (2 * count - 1)))
        times[::2] = array("d", ends)
        times[1::2] = array("d", ends[:-1])
        log.extend(bytes((RAN_EVENT, STARTED_EVENT)) * (count - 1) + bytes((RAN_EVENT,)), columns, times)
        if lane:
            log.detail.update(dict.fromkeys(range(first + 1, len(log), 2), LANES[lane]))

    def follow(self, i: int, start: float, lane: int = 0) -> None:
        """A node of a stretch runs: it was started when the one before it ended."""
        self.claimed.discard(i)
        now, self.now = self.now, start
        self._move(i, RUNNING, LANES[lane] if lane else None)
        self.now = now
        self.running.add(i)
        if lane:
            self._lanes[i] = lane

    def retry(self, i: int, attempt: int, error: Mapping[str, Any], rest: bool = False) -> bool:
        """The node failed and is to run again, unless the run has stopped; with ``rest`` only after :meth:`wake`."""
        if not self._live(i, attempt):
            return False
        if self._stopped:
            return self.fail(i, attempt, error)
        self.log.add(Kind.NODE_RETRIED, i, self.now, {"attempt": attempt, "error": error})
        self.running.discard(i)
        self._failures[i] = attempt
        self._give_back(i)
        if self.cancelling:
            self._end(i, CANCELLED, {"reason": "the run was cancelled"})
            return True
        self._move(i, READY)
        if rest:
            self.resting.add(i)
        else:
            self._push(i)
        return True

    def wake(self, i: int) -> None:
        """A node has rested long enough before it is tried again."""
        if i in self.resting:
            self.resting.discard(i)
            if self._state[i] == READY:
                self._push(i)

    def fail(self, i: int, attempt: int, error: Mapping[str, Any]) -> bool:
        """The node failed: what needs it is skipped."""
        if self._state[i] != SETTLED and not self._live(i, attempt):
            return False
        self._end(i, FAILED, {"error": error})
        return True

    def time_out(self, i: int, attempt: int, seconds: float) -> bool:
        """The node took longer than it may: what needs it is skipped, and its late result is ignored."""
        if not self._live(i, attempt):
            return False
        self._end(i, TIMED_OUT, {"reason": f"took longer than {seconds:g} s"})
        return True

    def abandon(self, i: int, reason: str = "interrupted") -> bool:
        """The run will not wait for this running node; its late result is ignored."""
        if self._state[i] != RUNNING:
            return False
        self._end(i, CANCELLED, {"reason": reason})
        return True

    # -- a graph that grows

    def expand(
        self,
        i: int,
        attempt: int,
        labels: Sequence[str],
        names: Sequence[str],
        inner: Sequence[Sequence[int]] = (),
    ) -> range | None:
        """The node's result is a graph: ``len(names)`` children; it ends with them.

        ``inner[n]`` are the children that child ``n`` needs, by their position, all smaller than ``n``; without it
        every child is settled. Returns the indexes of the children, or None for an attempt that is not live.
        """
        if not self._live(i, attempt):
            return None
        self._need_counts()
        first = len(self.log.names)
        children = range(first, first + len(names))
        self._lengthen(names)
        self.running.discard(i)
        self._give_back(i)
        self._move(i, EXPANDED, {"first": first, "count": len(children), "labels": list(labels)})
        self._open[i] = len(children)
        for child in children:
            self._parent[child] = i
        for child, needs in zip(children, inner, strict=False):
            if needs:
                self._connect(child, [first + n for n in needs])
        for child in children:
            if self.cancelling:
                self._end(child, CANCELLED, {"reason": "the run was cancelled"})
            elif self._stopped:
                self._end(child, SKIPPED, {"reason": self._stopped})
            elif not self._wait[child]:
                self._settle(child)
        return children

    def grow(
        self, i: int, names: Sequence[str], needs: Sequence[Sequence[int]], needed_by: Sequence[Sequence[int]]
    ) -> range:
        """Node ``i`` has more nodes made: what each needs, and which nodes, not yet started, need it.

        Indexes may be those of the new nodes themselves. What needs a node that failed or was skipped is skipped.
        """
        self._need_counts()
        first = len(self.log.names)
        grown = range(first, first + len(names))
        self._lengthen(names)
        self.log.add(Kind.NODE_EXPANDED, i, self.now, {"first": first, "count": len(names), "labels": list(names)})
        for child, inputs in zip(grown, needs, strict=True):
            self._connect(child, inputs)
        for child, readers in zip(grown, needed_by, strict=True):
            for reader in readers:
                self._unsettle(reader)
                self._connect(reader, [child])
        for child in grown:
            self._begin(child)
        return grown

    def remove(self, i: int, reason: str) -> bool:
        """Take a node out that has not been started; False when it has been."""
        if self._state[i] not in NOT_STARTED:
            return False
        self._need_counts()
        self.skip(i, reason)
        return True

    def _begin(self, i: int) -> None:
        """A node that came later takes its part, as things stand."""
        if self._state[i] != WAITING:
            return
        bad_ends = (FAILED, TIMED_OUT, CANCELLED) if self._checked else (FAILED, TIMED_OUT, CANCELLED, SKIPPED)
        bad = next((p for p in self.preds(i) if self._state[p] in bad_ends), None)
        if self.cancelling:
            self._end(i, CANCELLED, {"reason": "the run was cancelled"})
        elif self._stopped:
            self._end(i, SKIPPED, {"reason": self._stopped})
        elif bad is not None:
            cause = f"{self.log.names[bad]} {self._word(bad)}"
            self._end(i, SKIPPED, {"reason": cause})
            self._skip_below(i, cause)
        elif not self._wait[i]:
            self._settle(i)

    def _lengthen(self, names: Sequence[str]) -> None:
        first = len(self.log.names)
        self.log.grow(names)
        self._state.extend(bytes(len(names)))
        if isinstance(self._wait, list):
            self._wait.extend([0] * len(names))
        for child in range(first, first + len(names)):
            self._state[child] = WAITING
            self._wait[child] = 0
        self._left += len(names)

    def _connect(self, i: int, needs: Sequence[int]) -> None:
        if i in self._more_preds or not isinstance(needs, list):
            self._more_preds.setdefault(i, []).extend(needs)
        else:
            self._more_preds[i] = needs  # one list for each of very many nodes: it is not copied
        for p in needs:
            self._more_succs.setdefault(p, []).append(i)
            self._wait[i] += ABSENT < self._state[p] < RAN

    def _unsettle(self, i: int) -> None:
        """A node that was about to be started gets another input first."""
        if self._state[i] in (SETTLED, READY):
            self._state[i] = WAITING

    def _need_counts(self) -> None:
        """The order does not hold any more: from here on, count what each node waits for."""
        if not self._in_order:
            return
        self._in_order = False
        for i in self.running:
            self._ready.reserve(i)
        state = self._state
        self._wait = dict.fromkeys(self._order, 0) if isinstance(state, Sparse) else [0] * len(state)
        for i in self._order[self._next :]:
            if state[i] == WAITING:
                self._wait[i] = sum(ABSENT < state[p] < RAN for p in self._preds[i])
                if not self._wait[i]:
                    self._settle(i)
            elif state[i] == READY and i not in self.resting:
                self._push(i)

    def joined(self) -> list[int]:
        """Expanded nodes whose children have all ended well: each is to be finished with their values."""
        return [i for i, left in self._open.items() if not left and self._state[i] == EXPANDED]

    def join(self, i: int, changed: bool = True) -> None:
        """The values of an expanded node's children are put together."""
        del self._open[i]
        self._end(i, RAN, CHANGED if changed else EQUAL)

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
        if self._halt():
            for i in self._members(NOT_STARTED):
                self._end(i, CANCELLED, {"reason": reason})

    def expire(self, reason: str) -> None:
        """The time of the whole run is over: what runs timed out, what was never started is skipped."""
        self._halt()
        for i in list(self.running):
            self._end(i, TIMED_OUT, {"reason": reason})
        for i in self._members(NOT_STARTED):
            if self._state[i] in NOT_STARTED:
                self._end(i, SKIPPED, {"reason": reason})

    def _halt(self) -> bool:
        if self.cancelling:
            return False
        self.resume()
        self.cancelling = True
        self.log.add(Kind.RUN_CANCELLING, NO_NODE, self.now)
        return True

    # -- inside

    def _live(self, i: int, attempt: int) -> bool:
        return self._state[i] == RUNNING and self._failures.get(i, 0) + 1 == attempt

    def _settle(self, i: int) -> None:
        if self._checked:
            self._state[i] = SETTLED
            self._settled.append(i)
        else:
            self._state[i] = READY
            self._push(i)

    def _push(self, i: int) -> None:
        if self._in_order:
            return
        place = self._place(i) if callable(self._place) else self._place
        rank = i if self._rank is None else self._rank(i)
        self._ready.push(i, place, rank)

    def _move(self, i: int, state: int, detail: Mapping[str, Any] | None = None) -> None:
        assert state in LEGAL[self._state[i]], (i, State(self._state[i]), State(state))
        self._state[i] = state
        self.log.add(EVENT_OF[state], i, self.now, detail)

    def _end(self, i: int, state: int, detail: Mapping[str, Any] | None = None) -> None:
        self._move(i, state, detail)
        if i in self.running:
            self.running.discard(i)
            self._give_back(i)
        self._left -= 1
        self._gaps = self._gaps or state >= SKIPPED
        if self._parent and i in self._parent:
            self._child_ended(i, self._parent[i], state)
        if state <= CUT_OFF:
            if not self._in_order:
                self._release(i)
        elif state != SKIPPED and not self.cancelling:
            self._skip_below(i, f"{self.log.names[i]} {self._word(i)}")
            if self._fail_fast:
                self._skip_all(i)

    def _give_back(self, i: int) -> None:
        """What a node took while it ran is free again."""
        if self._lanes:
            self._lanes.pop(i, None)
        if not self._in_order:  # in order nothing was taken
            self._ready.give_back(i)

    def _release(self, i: int) -> None:
        wait, state = self._wait, self._state
        for s in self.succs(i):
            if state[s] == WAITING:
                left = wait[s] = wait[s] - 1
                if not left:
                    self._settle(s)

    def _child_ended(self, child: int, parent: int, state: int) -> None:
        self._open[parent] -= 1
        if state > CUT_OFF:
            if parent not in self._broken and not self.cancelling:
                self._skip_below(parent, f"{self.log.names[parent]} {self._word(child)}")
            self._broken.setdefault(parent, child)
        if not self._open[parent] and parent in self._broken:
            del self._open[parent]
            self._end_broken(parent, self._broken[parent])

    def _end_broken(self, parent: int, child: int) -> None:
        if self._state[child] == CANCELLED:
            self._end(parent, CANCELLED, {"reason": "the run was cancelled"})
        elif self._state[child] == SKIPPED:
            self._end(parent, SKIPPED, {"reason": "some of its children were skipped"})
            self._skip_below(parent, f"{self.log.names[parent]} was skipped")  # what came since the first of them was
        else:
            name = self.log.names[child]
            self._end(parent, FAILED, {"error": {"type": "", "message": f"{name} {self._word(child)}", "child": name}})

    def _skip_below(self, i: int, cause: str) -> None:
        detail = {"reason": cause}
        stack = list(self.succs(i))
        while stack:
            s = stack.pop()
            if self._state[s] in NOT_STARTED:
                self._end(s, SKIPPED, detail)
                stack.extend(self.succs(s))

    def _word(self, i: int) -> str:
        return WORDS.get(self._state[i], "failed")

    def _skip_all(self, i: int) -> None:
        self._stopped = self._stopped or f"{self.log.names[i]} {self._word(i)}, and the run stops at the first failure"
        for other in self._members(NOT_STARTED):
            if self._state[other] in NOT_STARTED:  # the end of another may have skipped it
                self._end(other, SKIPPED, {"reason": self._stopped})

    def _members(self, states: frozenset[State]) -> list[int]:
        pairs = self._state.items() if isinstance(self._state, Sparse) else enumerate(self._state)
        return [i for i, state in pairs if state in states]

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
        members = self._members(frozenset(State) - {State.ABSENT})
        for i in members:
            state = self._state[i]
            assert ends.get(i, 0) == (state in ENDED), (i, State(state), ends.get(i, 0))
            assert (i in self.running) == (state == RUNNING), (i, State(state))
            if state in (SETTLED, READY, RUNNING) and not self._in_order:
                assert not self._wait[i], (i, State(state), self._wait[i])
                assert not any(ABSENT < self._state[p] < RAN for p in self.preds(i)), (i, State(state))
        assert self._left == sum(self._state[i] not in ENDED for i in members)
        for parent, left in self._open.items():
            children = [c for c, p in self._parent.items() if p == parent]
            assert left == sum(self._state[c] not in ENDED for c in children)
        for name, amount in self._ready.free.items():
            assert amount >= 0, (name, amount)
