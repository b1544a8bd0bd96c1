"""The handle of a run: wait for it, ask for a pause or the end, read what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from dagbook.engine.driver import Driver
from dagbook.engine.events import TERMINAL, Kind, Log
from dagbook.engine.interrupts import passed_on
from dagbook.engine.kept import Kept
from dagbook.engine.plain import Plain
from dagbook.engine.ports import InlineLane
from dagbook.engine.result import Result
from dagbook.engine.scheduler import GOOD, State
from dagbook.engine.story import Story
from dagbook.errors import NodeFailed, RunCancelled, UsageError
from dagbook.graph.node import Node
from dagbook.graph.topology import Topology

if TYPE_CHECKING:
    from dagbook.engine.plan import Decider, Plan
    from dagbook.engine.versions import Results

SUCCEEDED = frozenset({Kind.NODE_RAN, Kind.NODE_REUSED, Kind.NODE_CUT_OFF})


class Drained(Protocol):
    """Whoever tells the listeners."""

    def drain(self) -> None:
        """Wait until they have been told everything, but not for one that hangs."""
        ...


class Run:
    """One execution. ``cancel``, ``pause``, ``resume`` and ``stop`` may be called from any thread, at any time."""

    def __init__(self, driver: Driver, inline: InlineLane, topology: Topology, bus: Drained) -> None:
        self.driver = driver
        self.topology = topology
        self._inline = inline
        self._bus = bus
        self._index: dict[str, int] = {}
        self._spans: dict[int, tuple[float, float]] = {}
        self._spans_of = 0

    def start(self, after: Callable[[], None]) -> Run:
        """Begin; ``after`` is called when everything has ended."""
        self.driver.begin(after)
        return self

    def wait(self) -> Run:
        """Wait for the end, running the nodes that belong on this thread.

        A KeyboardInterrupt cancels: the run ends within a second, and what had finished is kept.
        """
        with passed_on(self.driver.ask):
            while not self.driver.ended.is_set():
                try:
                    self._inline.serve()
                except KeyboardInterrupt:  # a handler of the user's own raised it
                    self.driver.interrupt()
            self._bus.drain()
        return self

    async def finished(self) -> Run:
        """As :meth:`wait`, in an event loop, which goes on meanwhile. When it is cancelled, so is the run."""
        import asyncio  # only where there is a loop

        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        self.driver.when_ended(lambda: loop.call_soon_threadsafe(over.set))
        self._inline.attach(lambda: loop.call_soon_threadsafe(self._inline.serve_now))
        try:
            await over.wait()
        except asyncio.CancelledError:
            self.driver.interrupt()
            await over.wait()
            raise
        await loop.run_in_executor(None, self._bus.drain)
        return self

    # -- from outside

    def cancel(self) -> None:
        """Start nothing more; what runs is allowed to end."""
        self.driver.cancel()

    def stop(self) -> None:
        """As :meth:`cancel`, to go on another time: the run ends as ``paused``."""
        self.driver.stop()

    def pause(self) -> None:
        """Start nothing new until :meth:`resume`."""
        self.driver.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self.driver.resume()

    # -- what became of it

    @property
    def number(self) -> int:
        """The run's number in its journal: 1, 2, 3 …"""
        return self.driver.number

    @property
    def log(self) -> Log:
        """The ordered events, up to now."""
        if not self.driver.ended.is_set():
            self.driver.glance()
        return self.driver.log

    @property
    def untouched(self) -> int:
        """How many nodes have a result without any event: none, but after a partial update."""
        return 0

    def from_store(self, i: int) -> bool:
        """Whether a reused value was in the store only: never in a run that reuses nothing."""
        return False

    @property
    def status(self) -> str:
        """``running``, then ``done``, ``failed``, ``cancelled``, ``paused`` or ``timed out``."""
        return self.driver.status

    @property
    def crash(self) -> BaseException | None:
        """What ended the run as a whole: an expansion that was refused, or a defect."""
        return self.driver.crash

    @property
    def names(self) -> Sequence[str]:
        """The names of the nodes by index; children and nodes that came later are at the end."""
        return self.driver.log.names

    def index(self, name: str) -> int:
        """The index of a node. Raises KeyError."""
        found = self.topology.index.get(name)
        if found is not None:
            return found
        if len(self._index) < len(self.names):
            self._index = {name: i for i, name in enumerate(self.names)}
        return self._index[name]

    def state(self, i: int) -> State:
        """Where node ``i`` stands, or how it ended."""
        return self.driver.scheduler.state(i)

    @property
    def errors(self) -> Mapping[str, BaseException]:
        """What the nodes that failed have raised, by name."""
        return self.driver.errors

    @property
    def left_behind(self) -> Sequence[str]:
        """The nodes whose calls were given up; each may still occupy a thread, and its result is ignored."""
        return self.driver.left_behind

    def value(self, i: int) -> object:
        """The value of a node that succeeded. Raises UsageError for another."""
        if self.state(i) not in GOOD:
            raise UsageError(f"{self.names[i]} has no value: it {_ENDINGS.get(self.state(i), 'has not run')}.")
        return self._value(i)

    def _value(self, i: int) -> object:
        work = self.driver.work
        assert isinstance(work, Plain)
        return work.values[i]

    def reason(self, i: int) -> str:
        """Why a node was skipped, cancelled or timed out; empty for others."""
        log = self.log
        for seq in range(len(log) - 1, -1, -1):
            if log.node[seq] == i and log.kind[seq] in TERMINAL:
                return str(log.detail.get(seq, {}).get("reason", ""))
        return ""

    def reasons(self) -> Mapping[int, str]:
        """:meth:`reason` of all nodes that have one."""
        log = self.log
        return {log.node[seq]: str(d["reason"]) for seq, d in list(log.detail.items()) if "reason" in d}

    def span(self, i: int) -> tuple[float, float] | None:
        """When the last attempt of a node began and ended, in seconds since the run began."""
        log = self.log
        if self._spans_of != len(log):
            self._spans, self._spans_of = _spans(log), len(log)
        return self._spans.get(i)

    @property
    def seconds(self) -> float:
        """How long the run took, or has taken so far."""
        log = self.log
        return log.time[-1] if len(log) else 0.0

    def preds(self, i: int) -> Sequence[int]:
        """What a node needs, by index; also of nodes that came later."""
        return self.driver.scheduler.preds(i)

    @property
    def executed(self) -> list[str]:
        """The nodes that were started, in that order: the oracle of what ran."""
        log = self.log
        return [log.names[log.node[seq]] for seq in range(len(log)) if log.kind[seq] == Kind.NODE_STARTED]


_ENDINGS = {
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.SKIPPED: "was skipped",
    State.CANCELLED: "was cancelled",
}


def _spans(log: Log) -> dict[int, tuple[float, float]]:
    found: dict[int, tuple[float, float]] = {}
    starts: dict[int, float] = {}
    ends = {*TERMINAL, Kind.NODE_RETRIED}
    for seq in range(len(log)):
        kind, i = log.kind[seq], log.node[seq]
        if kind == Kind.NODE_STARTED:
            starts[i] = log.time[seq]
        elif kind in ends and i in starts:
            found[i] = (starts[i], max(starts[i], log.time[seq]))
    return found


class KeptRun(Run):
    """A run that keeps its results: it can say of each node why it ran, or did not."""

    def __init__(
        self,
        driver: Driver,
        inline: InlineLane,
        bus: Drained,
        work: Kept,
        targets: tuple[str, ...],
        untouched: int = 0,
    ) -> None:
        super().__init__(driver, inline, work.plan.topology, bus)
        self._untouched = untouched
        self.targets = targets
        self._work = work

    def wait(self) -> KeptRun:
        """Wait for the end; see :meth:`Run.wait`. A defect of ours is raised."""
        super().wait()
        if self.crash is not None:
            raise self.crash
        return self

    @property
    def plan(self) -> Plan:
        """What the run set out to do."""
        return self._work.plan

    @property
    def stories(self) -> Mapping[str, Story]:
        """Why each node ran or did not, by name, children too."""
        return self._work.stories

    @property
    def standing(self) -> tuple[Decider, Results] | None:
        """What the next update can stand on: when every node of the graph has a result."""
        everything = self._untouched + len(self._work.plan.steps) == len(self.topology)
        complete = everything and self.driver.ending == "done" and not self.lost
        return (self._work.decider, self._work.results) if complete else None

    @property
    def lost(self) -> Sequence[Result]:
        """Results whose stored values turned out to be damaged or gone."""
        return self._work.lost

    def named(self, *kinds: Kind) -> list[str]:
        """The nodes whose last event is one of ``kinds``, in the order of the graph."""
        return [name for name, story in self.stories.items() if story.how in kinds]

    @property
    def untouched(self) -> int:
        """How many nodes have a result that nobody had to look at: nothing that they need has changed."""
        return self._untouched

    def state(self, i: int) -> State:
        """Where node ``i`` stands, or how it ended."""
        state = super().state(i)
        return State.REUSED if state is State.ABSENT and i in self._work.results else state

    def from_store(self, i: int) -> bool:
        """Whether a reused value was in the store only, and not in memory."""
        return i in self._work.from_store

    @property
    def results(self) -> Mapping[int, Result]:
        """The results of nodes and children by index, as they come."""
        return self._work.results

    def results_by_name(self) -> Mapping[str, Result]:
        """The results of all nodes and children that have one."""
        own = range(len(self.topology))
        return {
            self.names[i]: self._work.results[i]
            for i in self._work.results
            if i in own or super(KeptRun, self).state(i) in GOOD
        }

    def _value(self, i: int) -> object:
        return self._work.results[i].expose()

    def result(self, name: str) -> Result:
        """The result of a node of this run. Raises NodeFailed or RunCancelled when it has none."""
        self.raise_for_status(name)
        return self._work.results[self.index(name)]

    def raise_for_status(self, *names: str) -> None:
        """Raise NodeFailed or RunCancelled if one of ``names`` (all of them without any) has no result."""
        wanted = names or tuple(self.stories)
        failed = self.named(Kind.NODE_FAILED, Kind.NODE_TIMED_OUT)
        lacking = [n for n in wanted if self.stories[n].how not in SUCCEEDED]
        if not lacking:
            return
        if not failed:
            ran = len(self.named(Kind.NODE_RAN))
            left = ", ".join(self.left_behind)
            raise RunCancelled(
                f"cancelled: {ran} ran and {'is' if ran == 1 else 'are'} kept, {len(lacking)} did not run. "
                "Run again to go on from there."
                + (f" Still ending in the background, its result will be ignored: {left}." if left else "")
            )
        first = next((f for f in failed if f in self.errors), failed[0])
        raise NodeFailed(first, self._failure(first, failed)) from self.errors.get(first)

    def _node(self, name: str) -> Node:
        """The node of this name, or that a child belongs to."""
        topology = self.topology
        return topology.nodes[topology.index[name if name in topology.index else name.partition("[")[0]]]

    def _failure(self, first: str, failed: list[str]) -> str:
        story = self.stories[first]
        error = story.error or {}
        what = f"{error['type']}: {error['message']}" if error.get("type") else story.reason
        frames = error.get("frames") or ()
        where = f"{frames[-1]['title']}, line {frames[-1]['line']}" if frames else str(self._node(first).place)
        at = f" ({where})" if where else ""
        reached = self.topology.downstream([self.topology.index[self._node(first).name]])
        family = {self.topology.names[i] for i in reached}
        skipped = self.named(Kind.NODE_SKIPPED)
        because = [name for name in skipped if name.partition("[")[0] in family]
        below = f" {len(because)} below it skipped: {', '.join(because[:5])}." if because else ""
        below += f" {len(skipped) - len(because)} not below it skipped." if len(because) < len(skipped) else ""
        others = [f for f in failed if f != first and not f.startswith(first.partition("[")[0])]
        more = f" Also failed: {', '.join(others)}." if others else ""
        return f"{first} failed{at}: {what.removesuffix('.')}.{below}{more}"
