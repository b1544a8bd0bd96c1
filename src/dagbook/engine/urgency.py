"""Which of the ready nodes comes first, and what each takes while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dagbook.engine.options import RunOptions
from dagbook.engine.ready import NO_DEMAND
from dagbook.errors import UsageError
from dagbook.graph.node import NodeOptions

UNKNOWN_COST = 1e-3
"""Seconds that a node is taken to need when nothing is known of it."""


def ranking(
    succs: Sequence[Sequence[int]], pending: Sequence[int], cost: Callable[[int], float]
) -> Callable[[int], float]:
    """The rank of each node: minus the longest cost-weighted way from it to a sink, so that the longest comes first.

    ``pending`` in an order in which each comes after those it needs. Nodes that come later have the rank of their own
    index, behind all others.
    """
    ways: dict[int, float] = {}
    for i in reversed(pending):
        below = [ways[s] for s in succs[i] if s in ways]
        ways[i] = (min(below) if below else 0.0) - cost(i)
    return lambda i: ways.get(i, float(i))


def demands(
    names: Sequence[str], options: Mapping[int, NodeOptions], asked: RunOptions
) -> Callable[[int], Mapping[str, float]] | None:
    """What each node takes of the run's resources; None when no node takes any.

    Raises UsageError for a node that asks for more than there is.
    """
    wanted = {i: given.resources for i, given in options.items() if given.resources}
    for i, resources in wanted.items():
        for name, amount in resources.items():
            capacity = asked.resources.get(name, 0.0)
            if amount > capacity:
                raise UsageError(
                    f"{names[i]!r} asks for {amount:g} of {name!r}, and the run has {capacity:g}. Give "
                    f"resources={{{name!r}: {amount:g}}} (in a notebook: `%dag resources {name}={amount:g}`), or have "
                    "the node ask for less; nothing has run."
                )
    if not wanted:
        return None
    return lambda i: wanted.get(i, NO_DEMAND)
