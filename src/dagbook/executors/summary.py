"""What a runner's run came to, as a value and as lines to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING, Any

from dagbook.engine.states import GOOD, State
from dagbook.graph.selection import UNASKED, qualified

if TYPE_CHECKING:
    from dagbook.engine.kept_run import KeptRun
    from dagbook.engine.plan import Plan, Step
    from dagbook.graph.selection import Selection
    from dagbook.graph.topology import Topology

RULE = "=" * 60
SETTLED = frozenset({"current", "found"})
"""The verdicts of a plan by which a node does not run."""


class ExecutionStatus(StrEnum):
    """Where a node of a runner's run stands.

    SUCCESS ran, CACHED kept the value that it had, FAILED raised or took too long, SKIPPED had no part in the run or
    lacked an input, PENDING would run or was not come to.
    """

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CACHED = "cached"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class NodeExecution:
    """What became of one node. ``reason`` says why it was skipped or left pending; ``error_message`` why it failed.

    ``duration`` is in seconds, 0 for a node that did not run. ``row_count`` and ``metadata`` are what a node that has a
    type returned under these keys of a dict.
    """

    node_id: str
    status: ExecutionStatus
    duration: float = 0.0
    error_message: str | None = None
    reason: str = ""
    row_count: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ExecutionSummary:
    """How many nodes did what. ``changed_nodes`` may have had to run; ``cached_nodes`` kept the value that they had.

    ``total_duration`` is in seconds; ``results`` are the nodes' own, in topological order.
    """

    total_nodes: int = 0
    changed_nodes: int = 0
    cached_nodes: int = 0
    successful_nodes: int = 0
    failed_nodes: int = 0
    skipped_nodes: int = 0
    total_duration: float = 0.0
    results: list[NodeExecution] = field(default_factory=list)


@dataclass(slots=True)
class DagRunResult(ExecutionSummary):
    """What a run came to. ``outputs`` are the values of the sinks that have one.

    ``status`` is ``completed``, ``failed``, ``paused`` or ``cancelled``, or ``planned`` when nothing was to run. Of a
    failed run ``failed_node`` and ``error`` say what failed first, and with which message. The run can be restarted
    and replayed by its ``run_id``.
    """

    run_id: str = ""
    status: str = "completed"
    outputs: dict[str, Any] = field(default_factory=dict)
    failed_node: str | None = None
    error: str | None = None


_STATUS = {
    State.RAN: ExecutionStatus.SUCCESS,
    State.REUSED: ExecutionStatus.CACHED,
    State.CUT_OFF: ExecutionStatus.CACHED,
    State.FAILED: ExecutionStatus.FAILED,
    State.TIMED_OUT: ExecutionStatus.FAILED,
    State.SKIPPED: ExecutionStatus.SKIPPED,
    State.CANCELLED: ExecutionStatus.PENDING,
}


def planned(plan: Plan, selection: Selection) -> list[NodeExecution]:
    """What a run of this plan would do with each node."""
    return [_planned(plan.topology.names[i], plan.steps.get(i), selection) for i in range(len(plan.topology))]


def _planned(name: str, step: Step | None, selection: Selection) -> NodeExecution:
    left_out = selection.left_out.get(name)
    if step is None or left_out is not None:
        return NodeExecution(name, ExecutionStatus.SKIPPED, reason=left_out or UNASKED)
    if step.verdict in SETTLED:
        return NodeExecution(name, ExecutionStatus.CACHED)
    return NodeExecution(name, ExecutionStatus.PENDING, reason=step.verdict)


def performed(run: KeptRun, before: Iterable[NodeExecution]) -> list[NodeExecution]:
    """What a run did with each node; ``before`` is the plan, for those that had no part in it of their own."""
    return [_performed(run, run.index(node.node_id), node) for node in before]


def _performed(run: KeptRun, i: int, before: NodeExecution) -> NodeExecution:
    status = _STATUS.get(run.state(i))
    if status is None or before.status is ExecutionStatus.SKIPPED:
        return before
    error, span = run.errors.get(before.node_id), run.span(i)
    duration = span[1] - span[0] if span is not None and status is not ExecutionStatus.CACHED else 0.0
    reason = run.reason(i)
    message = (str(error) or type(error).__name__) if error is not None else reason
    failed = status is ExecutionStatus.FAILED
    said = run.value(i) if run.state(i) is State.RAN and run.topology.nodes[i].options.type else None
    rows, more = (said.get("row_count"), said.get("metadata")) if isinstance(said, dict) else (None, None)
    return NodeExecution(
        before.node_id,
        status,
        duration,
        message if failed else None,
        "" if failed or run.state(i) in GOOD else reason,
        rows if isinstance(rows, int) else None,
        more if isinstance(more, dict) else {},
    )


def count(results: list[NodeExecution], before: Iterable[NodeExecution], into: DagRunResult) -> DagRunResult:
    """``into``, with its counts filled in. ``before`` is what the plan was."""
    numbers = {status: sum(r.status is status for r in results) for status in ExecutionStatus}
    into.results = results
    into.total_nodes = len(results)
    into.changed_nodes = sum(r.status is ExecutionStatus.PENDING for r in before)
    into.cached_nodes = numbers[ExecutionStatus.CACHED]
    into.successful_nodes = numbers[ExecutionStatus.SUCCESS]
    into.failed_nodes = numbers[ExecutionStatus.FAILED]
    into.skipped_nodes = numbers[ExecutionStatus.SKIPPED]
    return into


_VERBS = {ExecutionStatus.PENDING: "RUN", ExecutionStatus.CACHED: "CACHED", ExecutionStatus.SKIPPED: "SKIP"}


def plan_lines(before: Iterable[NodeExecution], topology: Topology) -> list[str]:
    """The plan as it is printed: a numbered line for each node, with its tags."""
    nodes = [(result, topology.nodes[topology.index[result.node_id]]) for result in before]
    lines = ["ℹ Execution Plan:", f"ℹ {RULE}"]
    for number, (result, node) in enumerate(nodes, 1):
        tags = f" [{', '.join(node.options.tags)}]" if node.options.tags else ""
        lines.append(f"{number:3d}. {_VERBS[result.status]:<6} {qualified(node)}{tags}")
    if not any(result.status is ExecutionStatus.PENDING for result, _ in nodes):
        lines.append("ℹ No changes detected. Nothing to run.")
    return [*lines, f"ℹ {RULE}"]


def print_summary(summary: ExecutionSummary) -> None:
    """Print the counts of a run, and what failed."""
    lines = [f"ℹ {RULE}", "ℹ Execution Summary", f"ℹ {RULE}"]
    counts = {
        "Total nodes": summary.total_nodes,
        "Changed nodes": summary.changed_nodes,
        "Cached nodes": summary.cached_nodes,
        "Successful": summary.successful_nodes,
        "Failed": summary.failed_nodes,
    }
    if summary.skipped_nodes:
        counts["Skipped"] = summary.skipped_nodes
    lines += [f"{name + ':':<16}{number}" for name, number in counts.items()]
    lines += [f"{'Duration:':<16}{summary.total_duration:.2f}s"]
    lines += [f"✗ {r.node_id}: {r.error_message}" for r in summary.results if r.status is ExecutionStatus.FAILED]
    print("\n".join([*lines, f"ℹ {RULE}"]))


class Progress:
    """Prints a line as each node starts and ends."""

    def __init__(self, topology: Topology, total: int, say: Callable[[str], None] = print) -> None:
        self._topology = topology
        self._total = total
        self._say = say
        self._started: dict[str, float] = {}

    def on_node_start(self, name: str) -> None:
        self._started.setdefault(name, perf_counter())
        self._say(f"ℹ {len(self._started)}/{self._total}: {self._title(name)} [RUNNING]")

    def on_node_complete(self, name: str, value: object) -> None:
        self._say(f"✓ {self._short(name)} completed in {self._seconds(name)}")

    def on_node_error(self, name: str, error: BaseException) -> None:
        self._say(f"✗ {self._short(name)} failed after {self._seconds(name)}: {error}")

    def _title(self, name: str) -> str:
        i = self._topology.index.get(name)
        return name if i is None else qualified(self._topology.nodes[i])

    def _short(self, name: str) -> str:
        i = self._topology.index.get(name)
        kind = None if i is None else self._topology.nodes[i].options.type
        return name.removeprefix(f"{kind}.") if kind else name

    def _seconds(self, name: str) -> str:
        return f"{perf_counter() - self._started.get(name, perf_counter()):.2f}s"
