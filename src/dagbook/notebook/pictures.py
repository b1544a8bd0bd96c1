"""A graph as text: one line, a listing, Mermaid, and DOT.

Names come from other people's notebooks. :func:`visible` makes every character of them harmless to look at, and each
writer quotes what its own language would act on. What is written here depends on outcomes only, so that a second run
of a notebook stores the same text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dagbook.notebook.layout import depths

if TYPE_CHECKING:
    import graphviz

Outcome = Literal["current", "failed", "skipped", "never"]
Edges = Sequence[tuple[int, int]]

WORD: dict[Outcome, str] = {"failed": "failed", "skipped": "skipped", "never": "not run yet", "current": "current"}
"""The words for outcomes, the one that matters most first."""

GLYPH: dict[Outcome, str] = {"failed": "✗", "skipped": "⊘", "never": "○", "current": "✓"}


@dataclass(frozen=True, slots=True)
class Card:
    """A node as it is drawn without a kernel. ``second`` is the line under the name: shape, type, reason of a skip."""

    name: str
    outcome: Outcome = "never"
    second: str = ""
    mapped: bool = False
    children: int = 0


def summary(nodes: Sequence[Card]) -> str:
    """``15 nodes, all current``, or ``15 nodes: 1 failed, 2 skipped, 12 current``."""
    counts = [(sum(node.outcome == outcome for node in nodes), word) for outcome, word in WORD.items()]
    parts = [(count, word) for count, word in counts if count]
    total = "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
    if not parts:
        return total
    if len(parts) == 1:
        word = parts[0][1]
        return f"{total}, {word}" if len(nodes) == 1 or word == WORD["never"] else f"{total}, all {word}"
    return f"{total}: {', '.join(f'{count} {word}' for count, word in parts)}"


def line(names: Sequence[str], edges: Edges) -> str:
    """The line stored under a ``%%dag`` cell: ``raw → clean → total``, or ``15 nodes: flights, weather, …``."""
    shown = [cut(visible(name), 40) for name in names]
    order = _chain(len(names), edges)
    if order is not None and len(names) <= 5:
        return " → ".join(shown[i] for i in order)
    if not shown:
        return "no nodes"
    return listed(f"{len(shown)} nodes: ", shown, 72)


def text(nodes: Sequence[Card], edges: Edges, width: int = 80) -> str:
    """The graph as lines of at most ``width`` columns: a chain as one line, else each node after what it needs."""
    shown = [_named(node) for node in nodes]
    marked = [f"{GLYPH[node.outcome]} {name}" for node, name in zip(nodes, shown, strict=True)]
    order = _chain(len(nodes), edges)
    if order is not None:
        plain = all(node.outcome == "current" for node in nodes)
        chain = " → ".join((shown if plain else marked)[i] for i in order)
        if wide(chain) <= width:
            return chain
    parents = _parents(len(nodes), edges)
    depth = depths(len(nodes), edges)
    order = sorted(range(len(nodes)), key=lambda i: (depth[i], i))
    lines = _wrapped([marked[i] for i in order if not parents[i]], width)
    below = [i for i in order if parents[i]]
    edge = min(max((wide(marked[i]) for i in below), default=0), width // 2)
    for i in below:
        name = cut(marked[i], width // 2)
        start = name + " " * (edge - wide(name)) + " ← "
        lines.append(listed(start, [_name(nodes[p]) for p in parents[i]], width))
    return "\n".join([*lines, cut(summary(nodes), width)])


def mermaid(nodes: Sequence[Card], edges: Edges) -> str:
    """Mermaid text for a README. Whatever a name holds, it stays a label."""
    lines = ["flowchart LR"]
    for i, node in enumerate(nodes):
        label = "".join(c if c.isalnum() or c in " _-.,()" else f"#{ord(c)};" for c in _named(node))
        lines.append(f'  n{i}[["{label}"]]' if node.mapped else f'  n{i}["{label}"]')
    lines += [f"  n{a} --> n{b}" for a, b in edges]
    return "\n".join(lines) + "\n"


def to_graphviz(nodes: Sequence[Card], edges: Edges) -> graphviz.Digraph:
    """The graph for Graphviz, for those who want its layout. Names are labels only, never ids or markup."""
    import graphviz

    made = graphviz.Digraph(
        "dag",
        graph_attr={"rankdir": "LR", "nodesep": "0.2"},
        node_attr={"shape": "box", "fontname": "Helvetica", "fontsize": "11", "color": "#919191"},
        edge_attr={"color": "#919191", "arrowsize": "0.6"},
    )
    for i, node in enumerate(nodes):
        look = {"failed": {"color": "#d32f2f", "penwidth": "2"}, "current": {}}.get(node.outcome, {"style": "dashed"})
        made.node(f"n{i}", graphviz.escape(_named(node)), peripheries="2" if node.mapped else None, **look)
    for a, b in edges:
        made.edge(f"n{a}", f"n{b}")
    return made


def dot(nodes: Sequence[Card], edges: Edges) -> str:
    """DOT text of :func:`to_graphviz`."""
    return str(to_graphviz(nodes, edges).source)


# ---- text that is safe to look at ----


def visible(text: str) -> str:
    """``text`` with nothing in it that hides, reorders or breaks text: that is shown as ``␛`` or ``‹202e›``."""
    return text if text.isascii() and text.isprintable() else "".join(map(_seen, text))


def _seen(c: str) -> str:
    code = ord(c)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    kind = unicodedata.category(c)
    if kind == "Zs":
        return " "
    if kind in _UNSEEN or c in _BLANK or code & 0xFFFE == 0xFFFE or code & 0xFF000 == 0xE0000:
        return f"‹{code:x}›"
    return c


_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_BLANK = "\u034f\u115f\u1160\u2800\u3164\uffa0"  # letters and marks without ink


def wide(text: str) -> int:
    """Columns that ``text`` takes in a terminal. Combining marks count too, so that a pile of them is cut off."""
    return len(text) if text.isascii() else sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def cut(text: str, width: int) -> str:
    """``text``, or its beginning and ``…``, in at most ``width`` columns."""
    if wide(text[: width + 1]) <= width:
        return text
    kept = text[: width - 1]
    while wide(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…"


def listed(start: str, names: Sequence[str], width: int) -> str:
    """``start`` and as many names as fit, at least the beginning of one: ``15 nodes: flights, weather, …``."""
    out = start
    for k, name in enumerate(names):
        last = k + 1 == len(names)
        more = name if last else f"{name}, "
        if wide(out + more) + (0 if last else 1) > width:
            return out + "…" if k else cut(out + name, width)
        out += more
    return out


def _name(node: Card) -> str:
    return cut(visible(node.name), 60)


def _named(node: Card) -> str:
    """The name, and for a mapped node the number of its children, which is unknown before a run."""
    return f"{_name(node)}[{node.children or '…'}]" if node.mapped else _name(node)


def _wrapped(items: Iterable[str], width: int) -> list[str]:
    lines: list[str] = []
    for item in items:
        if lines and wide(lines[-1]) + 3 + wide(item) <= width:
            lines[-1] += f"   {item}"
        else:
            lines.append(cut(item, width))
    return lines


# ---- the shape of a graph ----


def _parents(n: int, edges: Edges) -> list[list[int]]:
    parents: list[list[int]] = [[] for _ in range(n)]
    for a, b in dict.fromkeys(edges):
        parents[b].append(a)
    return parents


def _chain(n: int, edges: Edges) -> list[int] | None:
    """The order of the nodes if each but the last is needed by exactly the next one, else None."""
    pairs = set(edges)
    first = set(range(n)) - {b for _, b in pairs}
    if len(first) != 1 or len(pairs) != n - 1:
        return None
    follow = dict(pairs)
    order = [first.pop()]
    while order[-1] in follow:
        order.append(follow[order[-1]])
    return order if len(order) == n else None
