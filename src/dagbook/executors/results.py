"""What an execution came to: views on a finished run, made when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dagbook.engine.events import Kind
from dagbook.engine.states import ENDED, State
from dagbook.errors import NodeNotFoundError

if TYPE_CHECKING:
    from dagbook.engine.run import Run
    from dagbook.observe.trace import Trace


class NodeStatus(Enum):
    """Where a node stands.

    COMPLETED has a value: it ran, or its value of before stands; CACHE_HIT: that value came from a store. FAILED
    raised. TIMED_OUT was running when its time was over. SKIPPED did not run because of what happened to others,
    CANCELLED because the run was to end, PAUSED because the run ended as paused.
    """

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"
    CACHE_HIT = "cache-hit"
    PAUSED = "paused"


_STATUS = {
    State.RUNNING: NodeStatus.RUNNING,
    State.EXPANDED: NodeStatus.RUNNING,
    State.RAN: NodeStatus.COMPLETED,
    State.REUSED: NodeStatus.COMPLETED,
    State.CUT_OFF: NodeStatus.COMPLETED,
    State.FAILED: NodeStatus.FAILED,
    State.TIMED_OUT: NodeStatus.TIMED_OUT,
    State.SKIPPED: NodeStatus.SKIPPED,
    State.CANCELLED: NodeStatus.CANCELLED,
}
_REUSED = frozenset({State.REUSED, State.CUT_OFF})
_WHY_REUSED = {
    State.REUSED: "it has run before with this code and these inputs",
    State.CUT_OFF: "what it needs ran again and is equal",
}
_SUCCEEDED = frozenset({State.RAN, *_REUSED})


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What became of one node. ``reason`` says why it was skipped, cancelled, timed out or reused.

    ``result`` is its value, None without one; ``error`` what it raised, or a TimeoutError; ``duration_seconds`` how
    long its last attempt took, 0 when it did not run.
    """

    name: str
    status: NodeStatus
    result: Any = None
    error: BaseException | None = None
    duration_seconds: float = 0.0
    reason: str = ""


class NodeResults(Mapping[str, NodeResult]):
    """The results of a run's nodes by name, in topological order; each is made when it is first read."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._errors = run.errors  # a session lets a run forget them when there is a newer one
        self._made: dict[str, NodeResult] = {}

    @cached_property
    def _reasons(self) -> Mapping[int, str]:
        return self._run.reasons()

    def __getitem__(self, name: str) -> NodeResult:
        """The node's result. Raises NodeNotFoundError, which is a KeyError."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(name)
        return made

    def _make(self, name: str) -> NodeResult:
        run = self._run
        try:
            i = run.index(name)
        except KeyError:
            raise NodeNotFoundError(name, run.names) from None
        state, span = run.state(i), run.span(i)
        reason = self._reasons.get(i) or _WHY_REUSED.get(state, "")
        return NodeResult(
            name=name,
            status=_status(run, i, state),
            result=run.value(i) if state in _SUCCEEDED else None,
            error=TimeoutError(f"{name}: {reason}") if state is State.TIMED_OUT else self._errors.get(name),
            duration_seconds=span[1] - span[0] if span is not None else 0.0,
            reason=reason,
        )

    def __iter__(self) -> Iterator[str]:
        names, state = self._run.names, self._run.state
        return (name for i, name in enumerate(names) if state(i) is not State.ABSENT)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<the results of {len(self)} nodes>"


def _status(run: Run, i: int, state: State) -> NodeStatus:
    if state in _REUSED and run.from_store(i):
        return NodeStatus.CACHE_HIT
    if state not in ENDED and run.status == "paused":
        return NodeStatus.PAUSED
    return _STATUS.get(state, NodeStatus.PENDING)


class ExecutionResult:
    """What an execution came to.

    ``node_results`` are the nodes' results by name, in topological order, and ``result["name"]`` is one of them
    (NodeNotFoundError, a KeyError, when there is none). ``traced_as`` is what the graph is called in the trace;
    without it there is none.
    """

    def __init__(self, run: Run, traced_as: str | None = None) -> None:
        self._run = run
        self._traced_as = traced_as
        self.node_results: Mapping[str, NodeResult] = NodeResults(run)

    def __getitem__(self, name: str) -> NodeResult:
        return self.node_results[name]

    # -- counts

    @property
    def succeeded(self) -> int:
        """How many nodes have a value: they ran, or were reused."""
        return self._ended(Kind.NODE_RAN, Kind.NODE_REUSED, Kind.NODE_CUT_OFF) + self._run.untouched

    @property
    def failed(self) -> int:
        """How many nodes raised."""
        return self._ended(Kind.NODE_FAILED)

    @property
    def skipped(self) -> int:
        """How many nodes were not run: something above them failed, the run stopped, or a condition was not met."""
        return self._ended(Kind.NODE_SKIPPED)

    @property
    def timed_out(self) -> int:
        """How many nodes were running when their time, or that of the whole run, was over."""
        return self._ended(Kind.NODE_TIMED_OUT)

    @property
    def cancelled(self) -> int:
        """How many nodes were not run because the run was cancelled."""
        return self._ended(Kind.NODE_CANCELLED)

    def _ended(self, *kinds: Kind) -> int:
        column = self._run.log.kind
        return sum(column.count(kind) for kind in kinds)

    # -- the whole

    @property
    def total_duration_seconds(self) -> float:
        """How long the whole run took, in seconds."""
        return self._run.seconds

    @property
    def left_behind(self) -> list[str]:
        """The nodes whose thread was still busy when the run ended; what they return is thrown away."""
        return list(self._run.left_behind)

    @property
    def abandoned(self) -> int:
        """How many threads were left behind."""
        return len(self._run.left_behind)

    @cached_property
    def trace(self) -> Trace | None:
        """The times of the run, when the executor was made with ``enable_tracing=True``; else None."""
        if self._traced_as is None:
            return None
        from dagbook.observe.trace import Trace

        return Trace(self._run.log, self._run.preds, self._traced_as)

    def __repr__(self) -> str:
        counts = {
            "failed": self.failed,
            "timed out": self.timed_out,
            "skipped": self.skipped,
            "cancelled": self.cancelled,
        }
        said = [f"{self.succeeded} succeeded", *(f"{count} {word}" for word, count in counts.items() if count)]
        behind = f"; still ending in the background: {', '.join(self.left_behind)}" if self.abandoned else ""
        return f"<{type(self).__name__}: {', '.join(said)} in {self.total_duration_seconds:.3f} s{behind}>"


class IncrementalResult(ExecutionResult):
    """What an incremental execution came to: also which nodes ran, which were reused, and where a change stopped."""

    @cached_property
    def recomputed(self) -> list[str]:
        """The nodes that were run, in topological order."""
        return sorted(set(self._run.executed), key=self._run.index)

    @cached_property
    def early_cutoff(self) -> list[str]:
        """The nodes that were run, had an equal value, and so spared a node that needs them."""
        log, names = self._run.log, self._run.names
        equal = [
            log.node[seq]
            for seq, kind in enumerate(log.kind)
            if kind == Kind.NODE_RAN and not log.detail.get(seq, _CHANGED)["changed"]
        ]
        return [names[i] for i in sorted(equal) if any(self._run.state(s) in _REUSED for s in self._below(i))]

    @cached_property
    def reused(self) -> list[str]:
        """The nodes that were not run, because their value stands, in topological order."""
        state = self._run.state
        return [name for i, name in enumerate(self._run.names) if state(i) in _REUSED]

    def _below(self, i: int) -> Sequence[int]:
        succs = self._run.topology.succs
        return succs[i] if i < len(succs) else ()


_CHANGED = {"changed": True}
