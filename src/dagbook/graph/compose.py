"""Graphs that change while they run: a node whose result is a graph, and nodes that come and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagbook.errors import GraphError
from dagbook.graph.node import Node


@dataclass(frozen=True, slots=True)
class Branch:
    """One child: its label, and the values that it gets for some of the parameters."""

    label: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Splice:
    """A result that is a graph: the branches run in the node's place, and the node ends with them.

    The node's value is then a dict by ``keys`` when there are any, else a list, of the branches' values in order.
    """

    branches: tuple[Branch, ...]
    keys: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class NewNode:
    """A node that is added while a run goes on: it needs ``needs``, and ``needed_by`` need it."""

    name: str
    fn: Callable[..., Any]
    needs: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Growth:
    """What an expansion does to a graph: all of it or nothing. New nodes may need each other in any order."""

    add: tuple[NewNode, ...] = ()
    remove: tuple[str, ...] = ()


ELEMENT = "[element]"
"""In a graph that is mapped: the source of the parameter that takes the element."""


class PerBranch:
    """A graph input that is another value in each branch of a mapped node."""

    def at(self, labels: Sequence[str]) -> object:
        """The value in the branch with this label, after those of the branches around it."""
        raise NotImplementedError


def child_name(node: str, label: str) -> str:
    """What a child is called: ``stats[0]`` or ``stats["a.csv"]``."""
    return f"{node}[{label}]" if label.isdigit() else f'{node}["{label}"]'


def map_over(node: Node, sources: Mapping[str, Any]) -> Splice:
    """The splice of a mapped node. ``sources``: for each parameter in ``each=``, the list or dict it is mapped over.

    Raises GraphError for anything else, and for lists or dicts that do not fit together.
    """
    for parameter, source in sources.items():
        if not isinstance(source, list | tuple | dict):
            raise GraphError(
                f"{node.name} is mapped over {node.options.each[parameter]}, which must be a list or a dict, and is of "
                f"type {type(source).__name__}. Return list(...) there."
            )
    first_name, first = next(iter(sources.items()))
    keys = _keys(first)
    for parameter, source in sources.items():
        if len(source) != len(first) or _keys(source) != keys:
            raise GraphError(
                f"{node.name} is mapped over {node.options.each[first_name]} ({len(first)} elements) and "
                f"{node.options.each[parameter]} ({len(source)} elements); they must have the same length, and the "
                "same keys in the same order."
            )
    labels = _labels(first)
    columns = {p: list(s.values()) if isinstance(s, dict) else s for p, s in sources.items()}
    branches = tuple(Branch(label, {p: c[n] for p, c in columns.items()}) for n, label in enumerate(labels))
    return Splice(branches, keys)


def _keys(source: Any) -> tuple[Any, ...] | None:
    return tuple(source) if isinstance(source, dict) else None


def _labels(source: Any) -> Sequence[str]:
    """Keys of a dict; a list of different short strings names its own elements, any other list counts them."""
    elements = list(source)
    if all(type(e) is str and 0 < len(e) <= 80 and not e.isdigit() for e in elements) and len(set(elements)) == len(
        elements
    ):
        return elements
    if isinstance(source, dict):
        named = [e if type(e) is str else repr(e) if type(e) in (int, float, bool, tuple) else "" for e in elements]
        if "" not in named and len(set(named)) == len(named):
            return named
    return [str(n) for n in range(len(elements))]
