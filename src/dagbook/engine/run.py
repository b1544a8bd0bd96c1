"""The handle of a run: wait for it, ask for a pause or the end, read what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from dagbook.engine.driver import Driver
from dagbook.engine.events import TERMINAL, Kind, Log
from dagbook.engine.interrupts import passed_on
from dagbook.engine.ports import InlineLane
from dagbook.engine.states import GOOD, State
from dagbook.errors import UsageError
from dagbook.graph.topology import Topology


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
        return self.driver.work.value(i)

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
