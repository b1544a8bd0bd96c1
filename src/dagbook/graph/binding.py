"""What the parameters of defined nodes ask for, and the edges that this makes."""

from __future__ import annotations

from collections.abc import Container, Mapping

from dagbook.errors import AmbiguousInputError, CycleError
from dagbook.graph.edges import Edges
from dagbook.graph.node import Node


def at(node: Node) -> str:
    """Where a node is written, as a message says it."""
    return f" ({node.place})" if str(node.place) else ""


def sources(node: Node) -> list[tuple[str, bool]]:
    """What each parameter is bound by, and whether it may stay without: its own name, unless it says another."""
    each, found = node.options.each, []
    for parameter in node.parameters:
        source = each.get(parameter.name) or parameter.source
        names = source if isinstance(source, tuple) else (source or parameter.name,)
        optional = parameter.optional and parameter.name not in each
        found += [(name, optional) for name in names]
    return found


def bound(names: list[str], defined: Mapping[str, Node], by_hand: Mapping[str, list[str]]) -> tuple[Edges, set[str]]:
    """The edges of ``names``, those of parameters first, and what parameters ask for and none of them is called."""
    known = dict.fromkeys(names)
    pairs: list[tuple[str, str]] = []
    unbound: set[str] = set()
    for name in names:
        if name in defined:
            refuse_ambiguous(defined[name], known, defined)
            for source, _ in sources(defined[name]):
                if source in known:
                    pairs.append((source, name))
                else:
                    unbound.add(source)
        pairs.extend((need, name) for need in by_hand.get(name, ()))
    edges = Edges()
    edges.add(names)
    try:
        edges.connect(pairs)
    except CycleError as error:
        places = [defined[name].place.cell for name in error.path if name in defined]
        raise CycleError(error.path, [p for p in places if p]) from None
    return edges, unbound


def refuse_ambiguous(node: Node, known: Container[str], defined: Mapping[str, Node] | None = None) -> None:
    """Raise AmbiguousInputError for a parameter that has a default and is called like one of the ``known`` nodes."""
    for source, optional in sources(node):
        if optional and source in known:
            twin = (defined or {}).get(source)
            raise AmbiguousInputError(
                f"{node.name}{at(node)}: parameter {source!r} has a default, and {source!r} is also a node"
                f"{at(twin) if twin else ''}. To take the node's value, remove the default; "
                f"to keep the default, rename the parameter."
            )
