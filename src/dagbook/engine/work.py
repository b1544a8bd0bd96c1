"""What a driver drives: the work, the jobs that its lanes have, and the surroundings in which all that happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from dagbook.engine.ports import Backend, Clock, Journal, Publisher, Record


class Job:
    """Nodes that one lane runs one after another, without asking in between.

    ``ends`` grows by the time at which each has ended; ``seen`` of them are in the log. ``error`` is what the node
    after those raised. Once ``halt`` is not empty, the lane stops after the node that it is at, and so it does after
    ``limit``. A ``dead`` job is one that nobody waits for any more; ``abort`` ends its call where that can be done, and
    the lane ``returns``.
    """

    __slots__ = (
        "abort",
        "began",
        "dead",
        "deadline",
        "ends",
        "error",
        "halt",
        "lane",
        "limit",
        "nodes",
        "outcome",
        "place",
        "returns",
        "seen",
        "task",
    )

    def __init__(self, nodes: Sequence[int], place: int, lane: int, began: float) -> None:
        self.nodes = nodes
        self.place = place
        self.lane = lane
        self.began = began
        self.ends: list[float] = []
        self.seen = 0
        self.halt: list[None] = []
        self.error: BaseException | None = None
        self.outcome: Any = None
        self.task: Any = None  # of a coroutine
        self.deadline = inf
        self.limit = inf
        self.abort: Callable[[], None] | None = None
        self.dead = False
        self.returns = False

    @property
    def current(self) -> int:
        """The node that the lane is at, as far as the log knows."""
        return self.nodes[self.seen]

    def started(self, abort: Callable[[], None] | None) -> None:
        """From here on the call can be ended by ``abort``; with None it cannot any more."""
        self.abort = abort
        if abort is not None and self.dead:
            abort()


class Work(Protocol):
    """What the nodes of a run are, and what becomes of their values."""

    def check(self, i: int) -> object:
        """What is to be done with a node whose inputs are settled. Called without the lock, on any thread."""
        ...

    def answer(self, i: int, verdict: Any) -> None:
        """Tell the scheduler what :meth:`check` found. Under the lock, like all that follows but :meth:`perform`."""
        ...

    def join(self, i: int) -> None:
        """The children of an expanded node have all ended well: put their values together."""
        ...

    def perform(self, job: Job) -> None:
        """Run the job's nodes, on the thread of its lane, and note in it what happened. Never raises."""
        ...

    async def perform_async(self, job: Job) -> None:
        """The same for a coroutine function, in the caller's event loop."""
        ...

    def report(self, job: Job) -> None:
        """Tell the scheduler what became of a job."""
        ...

    def retries(self, i: int) -> tuple[int, float]:
        """How many further attempts a node has, and the seconds to wait before the first of them."""
        ...

    def timeout(self, i: int) -> float | None:
        """How many seconds a node may take."""
        ...

    def value(self, i: int) -> object:
        """The value of a node that has one."""
        ...

    def describe(self, error: BaseException) -> dict[str, Any]:
        """An exception as plain data."""
        ...

    def told(self, start: int, stop: int) -> Sequence[Record]:
        """These events are about to be committed: what is to be recorded with them."""
        ...


@dataclass(slots=True)
class Environment:
    """What a driver works with; the session puts it together. ``inline`` is the caller's own thread."""

    journal: Journal
    clock: Clock
    inline: Backend
    workers: Backend
    publish: Publisher
    durable: bool = False
    watched: bool = True
    """Whether somebody wants to hear of each event as it comes; else they are told at the end."""

    stretches: bool = False
    """Whether a lane may run several nodes before it says so."""
