"""A graph as text for other programs. Names come from anywhere: none of them can say more than its own label."""

from __future__ import annotations

from dagbook.graph.topology import Topology


def graphviz(name: str, topology: Topology) -> str:
    """The graph in the DOT language."""
    lines = [f"digraph {_dot(name)} {{", '  node [shape="box"];']
    lines += [f"  n{i} [label={_dot(label)}];" for i, label in enumerate(topology.names)]
    lines += [f"  n{p} -> n{i};" for i, preds in enumerate(topology.preds) for p in preds]
    return "\n".join([*lines, "}", ""])


def mermaid(topology: Topology) -> str:
    """The graph as a Mermaid flowchart."""
    lines = ["flowchart TD"]
    lines += [f'  n{i}["{_mermaid(label)}"]' for i, label in enumerate(topology.names)]
    lines += [f"  n{p} --> n{i}" for i, preds in enumerate(topology.preds) for p in preds]
    return "\n".join([*lines, ""])


def _visible(text: str) -> str:
    """Line ends, control characters and what else cannot be seen as escapes that can."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _dot(text: str) -> str:
    """A quoted text. In labels a backslash starts an escape, and an ampersand an entity: both stand for themselves."""
    text = _visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'"{text}"'


_PLAIN = frozenset(" _-.,:/")


def _mermaid(text: str) -> str:
    """Letters, digits and little else as they are; all that Mermaid might read otherwise as a numeric entity."""
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in _visible(text))
