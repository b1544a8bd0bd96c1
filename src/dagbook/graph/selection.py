"""Which nodes a run is about: chosen by name, type and tag. The same words in a runner, a notebook and a shell."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dagbook.errors import NodeNotFoundError, UsageError
from dagbook.graph.node import Node
from dagbook.graph.topology import Topology

UNASKED = "it was not asked for"
"""Why a node has no part in a run that is about others."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run brings up to date, in topological order; without ``targets`` everything is left out.

    ``targets`` are wanted; ``forced`` of them run even when they are current. ``left_out`` never run, each with the
    reason: a stored value that fits serves, otherwise what needs it is skipped. What is in none of them takes part
    only when a target needs it.
    """

    targets: tuple[str, ...]
    forced: frozenset[str] = frozenset()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def only(self, names: Container[str]) -> Selection:
        """Of this only what is among ``names``; the others run when these need them."""
        wanted = tuple(name for name in self.targets if name in names)
        if wanted:
            return Selection(wanted, self.forced.intersection(wanted), self.left_out)
        return Selection((), frozenset(), dict.fromkeys(self.targets, UNASKED) | dict(self.left_out))

    def rerun(self, topology: Topology, names: Collection[str]) -> Selection:
        """This, and ``names`` even if they were left out: they are all that is forced."""
        left_out = {name: reason for name, reason in self.left_out.items() if name not in names}
        wanted = {*self.targets, *names}
        return Selection(tuple(name for name in topology.names if name in wanted), frozenset(names), left_out)


def select(
    topology: Topology,
    *,
    full: bool = False,
    types: Iterable[str] | None = None,
    names: Iterable[str] | None = None,
    exclude_tags: Iterable[str] | None = None,
) -> Selection:
    """What these words select; without any, everything.

    ``names`` are nodes (``users`` or ``source.users``), which run with all that is below them. ``types`` leaves out
    every other type, ``exclude_tags`` what carries one of the tags. ``full`` and ``names`` force what they select.
    Raises NodeNotFoundError for an unknown name, UsageError for a bare name that fits two nodes, and for one text where
    a list is meant.
    """
    wanted_types, tags = _listed("types", types), _listed("exclude_tags", exclude_tags)
    chosen = _listed("nodes", names)
    left_out = _left_out(topology, wanted_types, tags or ())
    everything = range(len(topology))
    below = everything if chosen is None else topology.downstream([find(topology, name) for name in chosen])
    targets = tuple(name for name in map(topology.names.__getitem__, below) if name not in left_out)
    if not targets:
        left_out = dict.fromkeys(topology.names, UNASKED) | left_out
    return Selection(targets, frozenset(targets if full or chosen is not None else ()), left_out)


def find(topology: Topology, name: str) -> int:
    """The node that ``name`` means: its whole name, ``type.name``, or the bare end of a ``type.name``.

    Raises NodeNotFoundError, or UsageError when it fits two.
    """
    whole = topology.index.get(name)
    if whole is not None:
        return whole
    fitting = [i for i, node in enumerate(topology.nodes) if name in _spellings(node)]
    if len(fitting) > 1:
        both = " and ".join(qualified(topology.nodes[i]) for i in fitting)
        raise UsageError(f"{name!r} could be {both}; write the one that you mean in full.")
    if not fitting:
        spellings = (spelling for node in topology.nodes for spelling in _spellings(node))
        raise NodeNotFoundError(name, dict.fromkeys((*topology.names, *spellings)))
    return fitting[0]


def qualified(node: Node) -> str:
    """``type.name`` of a node, or its name alone when it has no type."""
    kind = node.options.type
    return node.name if not kind or node.name.startswith(f"{kind}.") else f"{kind}.{node.name}"


def _spellings(node: Node) -> set[str]:
    kind = node.options.type
    return {qualified(node), node.name.removeprefix(f"{kind}.") if kind else node.name}


def _left_out(topology: Topology, types: Sequence[str] | None, tags: Sequence[str]) -> dict[str, str]:
    found = {}
    for name, node in zip(topology.names, topology.nodes, strict=True):
        tagged = [tag for tag in node.options.tags if tag in tags]
        if tagged:
            found[name] = f"it is tagged {', '.join(tagged)}, which is excluded"
        elif types is not None and node.options.type not in types:
            kind = f"of type {node.options.type}" if node.options.type else "of no type"
            found[name] = f"it is {kind}, and only {_listing(types)} was asked for"
    return found


def _listed(what: str, given: Iterable[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    listed = () if isinstance(given, str) else tuple(given)
    if isinstance(given, str) or not all(isinstance(each, str) for each in listed):
        raise UsageError(f"{what} is a list of texts, like [{str(given)!r}], not {given!r}.")
    return listed


def _listing(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
