"""The picture that is stored in a notebook: one SVG file, the same bytes for the same graph and outcomes.

It is shown as an image, so it knows no theme: light colours on white. It shows outcomes only, because what the cache
happened to hold would make a second run of the same notebook differ. It holds text and paths and nothing that acts.
"""

from __future__ import annotations

import base64
import html as markup
import math
import unicodedata
from collections.abc import Sequence

from dagbook.notebook.layout import CARD, PAD, PORT, Layout, LayoutInput, Point, cold, edge_path, gap_for, warm
from dagbook.notebook.pictures import WORD, Card, Edges, Outcome, cut, listed, summary, visible

MOST_CARDS = 300
MOST_BYTES = 100_000
AVAILABLE = 1144
"""The width to aim at: an output area on a laptop."""

INK, QUIET, SMALL, EDGE, LINE, FAIL = "#212121", "#525252", "#6b6b6b", "#919191", "#d6d6d6", "#d32f2f"
FONT = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"

RING = "m6 1.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 1 1 0-9z"
SQUARE = "m2.25.75h7.5q1.5 0 1.5 1.5v7.5q0 1.5-1.5 1.5h-7.5q-1.5 0-1.5-1.5v-7.5q0-1.5 1.5-1.5z"
GLYPHS: dict[Outcome, tuple[tuple[str, str], ...]] = {
    "current": ((RING + "m-2.5 4.7 1.8 1.8 3.3-3.7", f'stroke="{SMALL}" stroke-width="1.25"'),),
    "failed": ((SQUARE, f'fill="{FAIL}"'), ("m4 4 4 4m0-4-4 4", 'stroke="#fff" stroke-width="1.5"')),
    "skipped": ((RING + "m-3 7.5 6-6", f'stroke="{SMALL}" stroke-width="1.25"'),),
    "never": ((RING, f'stroke="{SMALL}" stroke-width="1.6" stroke-dasharray=".1 2.727"'),),
}

# Advance widths at 13 px, weight 500: the widest of the usual interface fonts, so that text elided by it fits in all.
_CHARACTERS = {
    3: "'", 3.5: "ijl", 4: " !,.:;I·", 4.5: "|", 5: "()/[\\]frt{}", 5.5: '"', 6.5: "-^`", 7: "*s",
    7.5: "1?JL_ackvxyz", 8: "27Fehnou", 8.5: "#$035689TZbdgpq", 9: "&+4<=>BEKPSXY~×", 9.5: "ADRV", 10: "CHNU",
    10.5: "GOQ", 11: "w", 11.5: "m", 12: "%M", 13: "W…", 13.5: "@",
}  # fmt: skip
WIDTHS = {c: width for width, characters in _CHARACTERS.items() for c in characters}


def render(nodes: Sequence[Card], edges: Edges, *, title: str, legend: str) -> str:
    """The SVG text of a graph: at most 300 cards and 100 kB; what does not fit is counted ("300 shown, and 12 more").

    ``title`` names the picture for screen readers; ``legend`` is its last line, usually
    :func:`~dagbook.notebook.pictures.summary`.
    """
    count = min(len(nodes), MOST_CARDS)
    while True:
        shown = [(a, b) for a, b in edges if a < count and b < count]
        drawn = _picture(nodes[:count], shown, title, legend, len(nodes) - count, _overall(nodes))
        size = len(drawn.encode())
        if size <= MOST_BYTES:
            return drawn
        count = min(count - 1, count * MOST_BYTES // size)


def html(svg: str, rows: Sequence[Card]) -> str:
    """The ``text/html`` form, which survives Jupyter's sanitiser: the picture as an image, and a table of the nodes."""
    names = [cut(visible(row.name), 60) for row in rows[:MOST_CARDS]]
    alt = listed(f"{summary(rows)}: ", names, 400) if rows else "no nodes"
    source = base64.b64encode(svg.encode()).decode()
    lines = [f'<img alt="{_escaped(alt)}" src="data:image/svg+xml;base64,{source}">', "<details>"]
    lines += ["<summary>Nodes as a table</summary>", "<table>", "<tr><th>Node</th><th>State</th><th>Detail</th></tr>"]
    for name, row in zip(names, rows, strict=False):
        state, detail = WORD[row.outcome], cut(_second(row), 60)
        cells = (name, state, "" if detail == state else detail)
        lines.append(f"<tr>{''.join(f'<td>{_escaped(cell)}</td>' for cell in cells)}</tr>")
    if len(rows) > MOST_CARDS:
        lines.append(f"<tr><td>and {len(rows) - MOST_CARDS} more</td><td></td><td></td></tr>")
    return "\n".join([*lines, "</table>", "</details>"])


# ---- parts of the picture ----


def _picture(nodes: Sequence[Card], edges: Edges, title: str, legend: str, more: int, overall: Outcome) -> str:
    names = [_name(node) for node in nodes]
    given = LayoutInput([_card_width(name) for name in names], [CARD] * len(nodes), edges)
    narrow = cold(given, 24)
    made = warm(given, gap_for(narrow.column_w, AVAILABLE), narrow)
    legend = cut(visible(legend), 120) + (f". {len(nodes)} shown, and {more} more" if more else "")
    width = max(made.width, PAD + 18 + math.ceil(text_width(legend, 12)) + PAD)
    foot = made.height + 4
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{foot + 24}" '
            f'viewBox="0 0 {width} {foot + 24}" role="img" font-family="{FONT}">',
            f"<title>{_escaped(cut(visible(title), 200))}</title>",
            f"<desc>{_escaped(_description(names, edges, legend))}</desc>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            *_edges(nodes, made),
            *_cards(nodes, names, made),
            f'<g fill="none" stroke-linecap="round" stroke-linejoin="round" transform="translate({PAD} {foot})">',
            *_glyph(overall, [(0, 0)]),
            "</g>",
            f'<text x="{PAD + 18}" y="{foot + 10}" font-size="12" fill="{QUIET}">{_escaped(legend)}</text>',
            "</svg>",
            "",
        ]
    )


def _edges(nodes: Sequence[Card], made: Layout) -> list[str]:
    """Solid where a value stands, dashed where nothing has travelled; one arrowhead a target."""
    solid: list[str] = []
    dashed: list[str] = []
    for (a, b), route in zip(made.edges, made.routes, strict=True):
        stands = nodes[a].outcome == "current" and nodes[b].outcome in ("current", "failed")
        (solid if stands else dashed).append(f'<path d="{_curve(route)}"/>')
    heads = "".join(f"M{made.x[b] - 6} {made.y[b] + PORT - 3}l5.5 3-5.5 3z" for b in sorted({b for _, b in made.edges}))
    lines = _group(f'fill="none" stroke="{EDGE}"', solid)
    lines += _group(f'fill="none" stroke="{EDGE}" stroke-dasharray="4 3"', dashed)
    return [*lines, f'<path fill="{EDGE}" d="{heads}"/>'] if heads else lines


def _curve(route: Sequence[Point]) -> str:
    path = edge_path(route)
    d = f"M{_n(path[0][0])} {_n(path[0][1])}"
    for _, y1, cx1, cy1, cx2, cy2, x2, y2 in path:
        if y1 == y2:
            d += f"H{_n(x2)}"
        else:
            d += f"C{_n(cx1)} {_n(cy1)} {_n(cx2)} {_n(cy2)} {_n(x2)} {_n(y2)}"
    return d


def _cards(nodes: Sequence[Card], names: Sequence[str], made: Layout) -> list[str]:
    """Drawn in layers, not card by card: each look is then written once, and 300 cards stay small."""
    boxes = list(zip(nodes, names, made.x, made.y, made.w, strict=True))
    stacks = [f"M{x + 4} {y + CARD + 2.5}h{w - 1.5}v-{CARD - 1.5}" for node, _, x, y, w in boxes if node.mapped]
    lines = [f'<path fill="none" stroke="{EDGE}" d="{"".join(stacks)}"/>'] if stacks else []
    for failed in (False, True):
        rects = [
            f'<rect x="{x}.5" y="{y}.5" width="{w - 1}" height="{CARD - 1}" rx="2"/>'
            for node, _, x, y, w in boxes
            if (node.outcome == "failed") is failed
        ]
        lines += _group(f'fill="#fff" stroke="{FAIL if failed else LINE}"', rects)
    glyphs: list[str] = []
    for outcome in WORD:
        glyphs += _glyph(outcome, [(x + 8, y + 7) for node, _, x, y, _ in boxes if node.outcome == outcome])
    lines += _group('fill="none" stroke-linecap="round" stroke-linejoin="round"', glyphs)
    for quiet in (False, True):
        texts = [
            f'<text x="{x + 26}" y="{y + 17.5}">{_escaped(name)}</text>'
            for node, name, x, y, _ in boxes
            if (node.outcome in ("skipped", "never")) is quiet
        ]
        lines += _group(f'font-size="13" font-weight="500" fill="{QUIET if quiet else INK}"', texts)
    for failed in (False, True):
        texts = [
            f'<text x="{x + 26}" y="{y + 31.5}">{_escaped(_end_cut(second, w - 34, 11))}</text>'
            for node, _, x, y, w in boxes
            if (node.outcome == "failed") is failed and (second := _second(node))
        ]
        lines += _group(f'font-size="11" fill="{FAIL if failed else SMALL}"', texts)
    return lines


def _glyph(outcome: Outcome, places: Sequence[tuple[int, int]]) -> list[str]:
    return [
        f'<path {look} d="{"".join(f"M{x} {y}{drawing}" for x, y in places)}"/>'
        for drawing, look in GLYPHS[outcome]
        if places
    ]


def _group(attributes: str, parts: Sequence[str]) -> list[str]:
    return [f"<g {attributes}>", *parts, "</g>"] if parts else []


def _overall(nodes: Sequence[Card]) -> Outcome:
    """The outcome that matters most."""
    present = {node.outcome for node in nodes}
    return next((outcome for outcome in WORD if outcome in present), "never")


def _description(names: Sequence[str], edges: Edges, legend: str) -> str:
    parents: dict[int, list[str]] = {}
    for a, b in dict.fromkeys(edges):
        parents.setdefault(b, []).append(names[a])
    said = [f"{name} from {' and '.join(parents[i][:8])}" if i in parents else name for i, name in enumerate(names)]
    return listed(f"{legend}: ", said, 4000) if said else legend


# ---- text that fits ----


def text_width(text: str, size: float = 13) -> float:
    """About how wide ``text`` is in an interface font: never much too little. Combining marks count a little, so that
    a pile of them is cut off."""
    return sum(WIDTHS.get(c) or _width(c) for c in text) * size / 13


def _width(c: str) -> float:
    if unicodedata.combining(c):
        return 2
    return 13.5 if unicodedata.east_asian_width(c) in "WF" else 9.5


def _card_width(name: str) -> int:
    """From the name only, so that nothing that happens in a run moves a card."""
    wanted = min(200.0, max(124.0, 34 + text_width(name)))
    return -int(-wanted // 4) * 4


def _name(node: Card) -> str:
    """The name as it is drawn: too long ones keep their beginning and their end."""
    name = visible(node.name if len(node.name) <= 200 else node.name[:100] + node.name[-100:])
    if text_width(name) <= 166:
        return name
    for kept in range(min(len(name), 40) - 1, 1, -1):
        shorter = f"{name[: (kept + 1) // 2]}…{name[len(name) - kept // 2 :]}"
        if text_width(shorter) <= 166:
            return shorter
    return "…"


def _second(node: Card) -> str:
    if node.second:
        return visible(node.second[:200])
    if node.outcome != "current":
        return WORD[node.outcome]
    return (f"{node.children} children" if node.children else "mapped") if node.mapped else ""


def _end_cut(text: str, room: float, size: float) -> str:
    if text_width(text, size) <= room:
        return text
    while text and text_width(text + "…", size) > room:
        text = text[:-1]
    return text + "…"


def _escaped(text: str) -> str:
    return markup.escape(text, quote=True)


def _n(v: float) -> str:
    """A number as short as it can be."""
    return f"{v:.2f}".rstrip("0").rstrip(".")
