"""Plans and standings as lines of text."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence

from dagbook.engine.events import Kind
from dagbook.engine.plan import Plan, Step
from dagbook.engine.why import changes_text
from dagbook.notebook.pictures import listed
from dagbook.notebook.summaries import duration

FAILED = (Kind.NODE_FAILED, Kind.NODE_TIMED_OUT)
Last = Callable[[str], Kind | None]
"""The last event of a node, None before its first run in this kernel."""

WIDTH = 100
"""Columns of the line that names what is current."""

SHORTEST = 0.05
"""Seconds that are worth telling."""


def plan_text(
    plan: Plan,
    last: Last,
    left_out: Mapping[str, str],
    seconds: Callable[[str], float | None],
    workers: int,
    told: Container[str] = (),
) -> str:
    """A plan for people: what would run, and why; what does not, and why; about how long it takes.

    ``left_out`` are nodes that are not to run, with the reason; ``seconds`` is how long a node usually takes. Nodes
    that were ``told`` of before are passed over.
    """
    skipped = _skipped(plan, left_out)
    pending = [i for i in plan.pending if plan.steps[i].name not in told]
    kept = [step.name for step in plan.steps.values() if step.result is not None or step.name in told]
    if not pending:
        return f"nothing to run: {len(kept)} current"
    width = max(len(plan.steps[i].name) for i in pending)
    lines = []
    for i in pending:
        step = plan.steps[i]
        text = skipped.get(i) or f"{_reason(step, last(step.name))}{_expected(step)}"
        lines.append(f"{step.name:<{width}}  {text}")
    if kept:
        lines.append(listed("current: ", kept, WIDTH))
    runs = [i for i in pending if i not in skipped]
    counts = [f"{len(runs)} may run", f"{len(kept)} current"]
    if len(runs) < len(pending):
        counts.append(f"{len(pending) - len(runs)} left out")
    return "\n".join([*lines, ", ".join(counts) + _about(plan, runs, seconds, workers)])


def _skipped(plan: Plan, left_out: Mapping[str, str]) -> dict[int, str]:
    """The nodes of a plan that have no value and get none, each with the reason."""
    found: dict[int, str] = {}
    for i in plan.pending:
        step = plan.steps[i]
        reason = left_out.get(step.name)
        above = next((plan.topology.names[p] for p in plan.topology.preds[i] if p in found), None)
        if reason is not None:
            unless = ", unless its stored value still fits" if step.verdict == "maybe" else ""
            found[i] = f"left out{unless}: {reason}"
        elif above is not None:
            found[i] = f"left out with {above}, which it needs"
    return found


def _about(plan: Plan, runs: Sequence[int], seconds: Callable[[str], float | None], workers: int) -> str:
    """About how long these nodes take: the longest way through them, or all their work shared by the workers."""
    known = {i: took for i in runs if (took := seconds(plan.steps[i].name)) is not None}
    ways: dict[int, float] = {}
    for i in runs:
        ways[i] = known.get(i, 0.0) + max((ways[p] for p in plan.topology.preds[i] if p in ways), default=0.0)
    total = max(max(ways.values(), default=0.0), sum(known.values()) / workers)
    if total < SHORTEST:
        return ""
    most = "at most " if any(plan.steps[i].verdict == "maybe" for i in runs) else ""
    new = len(runs) - len(known)
    return f"; {most}about {duration(total)}" + (f", without {new} of unknown length" if new else "")


def _expected(step: Step) -> str:
    return f" (took {step.seconds:.1f} s)" if step.seconds and step.seconds >= SHORTEST else ""


def _reason(step: Step, last: Kind | None) -> str:
    match step.verdict:
        case "never":
            return "failed when it last ran" if last in FAILED else "has never run"
        case "maybe":
            return f"may have to: {step.cause} runs first"
        case "forced":
            return "runs in any case"
        case _:
            return changes_text(step.changes) or "its stored result is gone"


def status_text(steps: Sequence[Step], last: Last) -> str:
    """How each node stands, a line each."""
    if not steps:
        return "no nodes yet. Start a cell with %%dag"
    width = max(len(s.name) for s in steps)
    return "\n".join(f"{s.name:<{width}}  {_standing(s, last(s.name))}" for s in steps)


def _standing(step: Step, last: Kind | None) -> str:
    if step.result is not None:
        volatile = step.result.volatile
        return f"current (not stored: {volatile}; runs again after a restart)" if volatile else "current"
    if last in FAILED:
        return "failed"
    if last is Kind.NODE_SKIPPED:
        return "skipped"
    if step.verdict == "never":
        return "never run"
    return f"may be stale: {step.cause} runs first" if step.verdict == "maybe" else f"stale: {_reason(step, last)}"
