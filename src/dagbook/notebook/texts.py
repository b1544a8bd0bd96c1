"""Plans and standings as lines of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dagbook.engine.events import Kind
from dagbook.engine.plan import Step
from dagbook.engine.why import changes_text

FAILED = (Kind.NODE_FAILED, Kind.NODE_TIMED_OUT)
Last = Callable[[str], Kind | None]
"""The last event of a node, None before its first run in this kernel."""


def plan_text(steps: Sequence[Step], last: Last) -> str:
    """A plan for people: what would run, and why; how much stands."""
    pending = [s for s in steps if s.result is None]
    kept = len(steps) - len(pending)
    if not pending:
        return f"nothing to run: {kept} current"
    width = max(len(s.name) for s in pending)
    lines = [f"{s.name:<{width}}  {_reason(s, last(s.name))}{_expected(s)}" for s in pending]
    return "\n".join([*lines, f"{len(pending)} may run, {kept} current"])


def _expected(step: Step) -> str:
    return f" (took {step.seconds:.1f} s)" if step.seconds and step.seconds >= 0.05 else ""


def _reason(step: Step, last: Kind | None) -> str:
    match step.verdict:
        case "never":
            return "failed when it last ran" if last in FAILED else "has never run"
        case "maybe":
            return f"may have to: {step.cause} runs first"
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
