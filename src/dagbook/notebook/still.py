"""The still picture of a graph, for notebooks that are read without a kernel: nothing volatile is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagbook.engine.events import Kind
from dagbook.notebook import pictures, svg
from dagbook.notebook.pictures import Card
from dagbook.notebook.summaries import meta
from dagbook.notebook.texts import FAILED

if TYPE_CHECKING:
    from dagbook.engine.plan import Step
    from dagbook.session import Session


def still_picture(session: Session) -> dict[str, Any]:
    """The graph by outcome of this kernel's runs, as a display bundle.

    What the store holds of other nodes is left out, so that a first and a second run of a notebook show the same.
    """
    cards, edges = cards_of(session, stored=False)
    legend = pictures.summary(cards)
    drawing = svg.render(cards, edges, title=session.dag.name, legend=legend)
    text = f"{pictures.line([c.name for c in cards], edges)}\n{legend}"
    return {"text/html": svg.html(drawing, cards), "image/svg+xml": drawing, "text/plain": text}


def cards_of(session: Session, *, stored: bool) -> tuple[list[Card], list[tuple[int, int]]]:
    """A card for each node, and the edges; ``stored`` counts what only the store holds as current too."""
    steps = session.status()
    topology = session.dag.topology()
    cards = [_card(session, step, stored) for step in steps.values()]
    return cards, [(p, i) for i, preds in enumerate(topology.preds) for p in preds]


def _card(session: Session, step: Step, stored: bool) -> Card:
    mapped = bool(session.dag[step.name].options.each)
    story = session.story(step.name)
    if step.result is not None and (stored or story is not None):
        record = step.result.record
        return Card(step.name, "current", meta(record.summary), mapped, len(record.children or ()))
    if story is not None and story.run == session.runs[-1].number:
        if story.how in FAILED:
            return Card(step.name, "failed", str((story.error or {}).get("type") or story.reason), mapped)
        if story.how is Kind.NODE_SKIPPED:
            return Card(step.name, "skipped", story.reason, mapped)
        if story.record is not None and all(change.what == "unknown" for change in step.changes):
            return Card(step.name, "current", meta(story.record.summary), mapped)
    return Card(step.name, "never", "", mapped)
