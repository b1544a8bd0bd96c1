"""Why a node ran, or did not: one true sentence, with its evidence."""

from __future__ import annotations

from collections.abc import Mapping

from dagbook.engine.events import Kind
from dagbook.engine.plan import Step
from dagbook.engine.story import Story
from dagbook.fingerprint.key import Change, sentence

_DEPTH = 4


def why(name: str, stories: Mapping[str, Story]) -> str:
    """The sentence for a node that had a part in a run."""
    story = stories[name]
    match story.how:
        case Kind.NODE_RAN:
            return f"{name}: ran {_because(story, stories)}; {_effect(story)}."
        case Kind.NODE_FAILED:
            return f"{name}: failed. {_error(story)} It ran {_because(story, stories)}."
        case Kind.NODE_TIMED_OUT:
            return f"{name}: timed out, {story.reason}. It ran {_because(story, stories)}."
        case Kind.NODE_SKIPPED:
            return f"{name}: skipped, because {story.reason}."
        case Kind.NODE_CANCELLED:
            return f"{name}: cancelled, {story.reason}."
        case Kind.NODE_CUT_OFF:
            return f"{name}: reused. {_cutoff(story, stories)}"
        case Kind.NODE_REUSED:
            return f"{name}: reused{_from(story)}. {_unchanged(story, stories)}"
        case _:
            return f"{name}: queued, it runs {_because(story, stories)}."


def why_step(step: Step) -> str:
    """The sentence for a node as it stands now, before any run of this kernel."""
    reasons = changes_text(step.changes)
    match step.verdict:
        case "current":
            return f"{step.name}: current. Nothing that it depends on has changed."
        case "found":
            back = f" {_capital(reasons)}, and a stored result fits what it is now." if reasons else ""
            return f"{step.name}: current, its result is in the store.{back}"
        case "never":
            return f"{step.name}: has never run."
        case "maybe":
            return f"{step.name}: may be stale, because {step.cause} is to run again first."
        case _:
            return f"{step.name}: stale, because {reasons or 'its stored result is gone'}."


def changes_text(changes: tuple[Change, ...]) -> str:
    """``its code changed (1 line, cell 2) and constant `LATE` changed``: the two most telling, then how many more."""
    texts = list(dict.fromkeys(sentence(c) for c in changes))
    if len(texts) > 2:
        return f"{texts[0]}, {texts[1]}, and {len(texts) - 2} more"
    return " and ".join(texts)


def _because(story: Story, stories: Mapping[str, Story], depth: int = 0) -> str:
    if story.forced:
        return "because it was asked to, though nothing had changed"
    if story.first:
        return "for the first time"
    own = tuple(c for c in story.changes if c.kind != "input")
    if own:
        return f"because {changes_text(own)}"
    inputs = [stories[c.name] for c in story.changes if c.name in stories and c.what != "unknown"]
    if inputs and depth < _DEPTH:
        first = inputs[0]
        if first.how is Kind.NODE_RAN:
            return f"because the value of {first.name} changed ({first.name} ran {_because(first, stories, depth + 1)})"
        return f"because the value of {first.name} changed"
    if story.changes:
        return f"because {changes_text(story.changes)}"
    if story.previous is not None and story.record is not None and story.previous.blob is None:
        return "because its last value could not be stored"
    return "because its stored result is gone"


def _effect(story: Story) -> str:
    if story.first:
        return "nothing was known of it before"
    return "its value changed too" if story.changed else f"its value is unchanged ({_short(story)})"


def _short(story: Story) -> str:
    return f"{story.record.value.hex()[:4]}…" if story.record is not None else "…"


def _error(story: Story) -> str:
    error = story.error or {}
    frames = error.get("frames") or ()
    where = f" in {frames[-1]['title']}, line {frames[-1]['line']}" if frames else ""
    kind = error.get("type")
    said = str(error.get("message", "")).removesuffix(".")
    return f"{kind}: {said}{where}." if kind else f"{error.get('message', 'It failed')}."


def _cutoff(story: Story, stories: Mapping[str, Story]) -> str:
    stop = where_it_stopped(story, stories)
    if stop is None:
        return "What it depends on was made again, and is equal."
    return (
        f"{stop.name} ran again {_because(stop, stories)}, but its value is unchanged ({_short(stop)}), "
        "so nothing after it ran."
    )


def where_it_stopped(story: Story, stories: Mapping[str, Story]) -> Story | None:
    """The nearest node above that ran and gave an equal value."""
    seen: set[str] = set()
    level = list(story.inputs)
    while level:
        below: list[str] = []
        for name in level:
            above = stories.get(name)
            if above is None or name in seen:
                continue
            seen.add(name)
            if above.how is Kind.NODE_RAN and not above.changed:
                return above
            below.extend(above.inputs)
        level = below
    return None


def _from(story: Story) -> str:
    return f" from run {story.record.run}" if story.record is not None and story.record.run else ""


def _unchanged(story: Story, stories: Mapping[str, Story]) -> str:
    own = tuple(c for c in story.changes if c.kind != "input") or story.changes
    if own:
        return f"{_capital(changes_text(own))}, and that run's result fits what it is now."
    return "Nothing that it depends on has changed."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
