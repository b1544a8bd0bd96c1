"""The line under a ``%%dag`` cell, live: what the cell defines, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from dagbook.notebook.picture import (
    CUTOFF,
    FAILED,
    MAYBE,
    NEVER,
    QUEUED,
    RAN,
    RUNNING,
    SKIPPED,
    STALE,
    STATUS,
    TIMEOUT,
)
from dagbook.notebook.pictures import listed
from dagbook.notebook.summaries import discreet, short_change

if TYPE_CHECKING:
    from dagbook.fingerprint.key import Change
    from dagbook.notebook.picture import Message, Picture

CHAIN = 5
"""A chain of up to this many nodes is shown with arrows."""

_SAID = 3
_BELOW: Mapping[int, str] = {
    RUNNING: "running",
    FAILED: "failed",
    TIMEOUT: "timed out",
    SKIPPED: "skipped",
    STALE: "stale",
    MAYBE: "may be stale",
    QUEUED: "queued",
    CUTOFF: "cut off",
}
"""What is said of the nodes below a cell, the most urgent first."""


def line(picture: Picture, names: Sequence[str]) -> Message:
    """What is said of the nodes ``names``, as ``Line`` of the protocol."""
    own = sorted(i for name in names if (i := picture.index.get(name)) is not None)
    said = [(i, what) for i in own if (what := _what(picture, i))]
    if said:
        nodes = [_node(picture, i, what) for i, what in said[:_SAID]]
        if len(said) > _SAID:
            status = STATUS[picture.status[said[_SAID][0]]]
            nodes.append({"name": f"{len(said) - _SAID} more", "status": status, "what": "too"})
        return {"nodes": nodes + _below(picture, own), "more": "", "error": ""}
    fresh = "nothing has run yet" if own and all(picture.status[i] == NEVER for i in own) else ""
    if _is_chain(picture, own):
        return {"nodes": [_node(picture, i) for i in own], "more": fresh, "error": ""}
    shown = listed(f"{len(own)} nodes: ", [picture.nodes[i]["name"] for i in own], 72)
    return {"nodes": [], "more": f"{shown}; {fresh}" if fresh else shown, "error": ""}


def _what(picture: Picture, i: int) -> str:
    """What happened to a node, or will; "" when nothing."""
    status, name = picture.status[i], picture.names[i]
    if status == STALE:
        step = picture.steps.get(name)
        return _short(step.changes if step is not None else ()) or "stale"
    if status in (RAN, RUNNING):
        story = picture.current.stories.get(name) if picture.current is not None else None
        why = _short(story.changes if story is not None else ())
        word = STATUS[status]
        return f"{word}: {why}" if why else word if status == RUNNING else ""
    if status in (FAILED, TIMEOUT, SKIPPED):
        note = picture.nodes[i].get("note", "")
        return f"{_BELOW[status]}: {note}" if note else _BELOW[status]
    return ""


def _short(changes: Sequence[Change]) -> str:
    return short_change(discreet(changes)[0]) if changes else ""


def _node(picture: Picture, i: int, what: str = "") -> Message:
    node = {"name": picture.nodes[i]["name"], "status": STATUS[picture.status[i]]}
    return node | {"what": what} if what else node


def _below(picture: Picture, own: Sequence[int]) -> list[Message]:
    """One entry for the nodes that depend on these, by the most urgent of their states."""
    reached = set(own)
    for a, b in picture.edges:  # in topological order of b
        if a in reached:
            reached.add(b)
    states = [picture.status[i] for i in reached.difference(own)]
    worst = next((status for status in _BELOW if status in states), None)
    if worst is None:
        return []
    return [{"name": f"{states.count(worst)} below", "status": STATUS[worst], "what": _BELOW[worst]}]


def _is_chain(picture: Picture, own: Sequence[int]) -> bool:
    among = {(a, b) for a, b in picture.edges if a in own and b in own}
    return 0 < len(own) <= CHAIN and among == set(pairwise(own))
