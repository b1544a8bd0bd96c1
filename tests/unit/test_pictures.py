"""Pictures of a graph: the same bytes each time, outcomes only, within limits, and harmless whatever a name holds."""

from __future__ import annotations

import base64
import random
import re
import unicodedata
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from dagbook.notebook.pictures import Card, dot, line, mermaid, summary, text, to_graphviz, visible, wide
from dagbook.notebook.svg import MOST_BYTES, html, render, text_width

RLO, LRI, ZWSP, SHY = "\u202e", "\u2066", "\u200b", "\u00ad"
HOSTILE = [
    "<script>alert(1)</script>", "</title><script>alert(1)</script>", "</text></svg><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>', "'><iframe src=javascript:alert(1)>", "<![CDATA[<script>]]>", "]]>", "<!--", "-->",
    "<!DOCTYPE x [<!ENTITY a 'b'>]>", "&a;", "&lt;script&gt;", "&#60;script&#62;", "&", "<", ">", '"', "'", "`", "\\",
    "<a href='javascript:alert(1)'>x</a>", "javascript:alert(1)", "data:text/html,<script>alert(1)</script>",
    "<style>@import 'http://evil'</style>", "<foreignObject><body onload=alert(1)>", "<use href='http://evil#x'/>",
    "<image href='http://evil/x.png'/>", '" onload="alert(1)', "' style='background:url(http://evil)",
    '"]; click n0 "javascript:alert(1)"', '"] --> n9', "`**bold** <b>`", "%%{init: {'securityLevel': 'loose'}}%%",
    "n0[evil]", "end", "subgraph x", "#quot;", "#35;", "fa:fa-bomb", "$$\\href{javascript:alert(1)}{x}$$",
    '"; n0 [URL="http://evil"]; "', "<<b>x</b>>", "<TABLE HREF='http://evil'>", "\\N\\G\\L", "x\\", '\\"', "//c",
    "/* c", "# c", "{a|b}", "a\nb", "a\r\nclick n0 evil", "a\x00b", "\x1b[31mred\x1b]0;title\x07", "\x7f\x85", "a\tb",
    f"{RLO}txt.exe", f"{LRI}a{ZWSP}b{SHY}", "\ud800", "\ufffe\uffff", "\U000e0041", "\u2028\u2029", "", " ", "\u3164",
    "a" * 100_000, "a" + "\u0301" * 5_000, "漢" * 400, "\U0001f600" * 200,
]  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


def flights() -> tuple[list[Card], list[tuple[int, int]]]:
    names = ["flights", "weather", "planes", "airports", "clean", "joined", "by_carrier", "model", "report"]
    edges = [(0, 4), (4, 5), (1, 5), (2, 5), (3, 5), (5, 6), (5, 7), (6, 8), (7, 8)]
    return [Card(name, "current", mapped=name == "by_carrier", children=16) for name in names], edges


def partly_failed() -> list[Card]:
    outcome = {"by_carrier": "failed", "report": "skipped", "model": "never"}
    return [Card(n.name, outcome.get(n.name, "current"), mapped=n.mapped, children=16) for n in flights()[0]]


def drawn(nodes: list[Card], edges: list[tuple[int, int]]) -> str:
    return render(nodes, edges, title="the graph", legend=summary(nodes))


def harmless(shown: str) -> bool:
    """No character that hides, reorders or breaks text."""
    return not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in shown)


# ---- harmless ----


def test_there_are_at_least_60_hostile_names() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_only_text_in_the_svg(name: str) -> None:
    nodes = [Card(name, "failed", second=name), Card("plain", "current"), Card(name, mapped=True)]
    svg = render(nodes, [(0, 1), (1, 2)], title=name, legend=name)
    root = ET.fromstring(svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "desc", "rect", "g", "path", "text",
    }  # fmt: skip
    assert {key for element in root.iter() for key in element.attrib} <= {
        "width", "height", "viewBox", "role", "font-family", "fill", "stroke", "stroke-width", "stroke-linecap",
        "stroke-linejoin", "stroke-dasharray", "transform", "d", "x", "y", "rx", "font-size", "font-weight",
    }  # fmt: skip
    assert not re.search(r"url\(|<!|<\?|xlink|href=", re.sub(r">[^<]*<", "><", svg))
    assert all(harmless(element.text.replace("\n", "")) for element in root.iter() if element.text)
    assert len(svg) < 20_000
    plain = next(element for element in root.iter(f"{SVG}text") if element.text == "plain")
    assert plain is not None


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.data = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(key for key, _ in attrs)))
        for key, value in attrs:
            assert key != "src" or re.fullmatch(r"data:image/svg\+xml;base64,[A-Za-z0-9+/=]+", value or "")

    def handle_data(self, data: str) -> None:
        self.data += data


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_only_text_in_the_html(name: str) -> None:
    nodes = [Card(name, "failed", second=name), Card("plain", "current")]
    made = html(drawn(nodes, [(0, 1)]), nodes)
    tags = Tags()
    tags.feed(made)
    tags.close()
    plain = Tags()
    plain.feed(html("<svg/>", [Card("a", "failed"), Card("b", "current")]))
    assert tags.seen == plain.seen
    assert harmless(tags.data.replace("\n", ""))
    assert len(made) < 20_000


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_only_a_label_in_mermaid(name: str) -> None:
    lines = mermaid([Card(name), Card(name, mapped=True)], [(0, 1)]).splitlines()
    assert len(lines) == 4
    assert lines[0] == "flowchart LR"
    label = r'"(?:[\w .,()-]|#\d+;)*"'
    assert re.fullmatch(rf"  n0\[{label}\]", lines[1])
    assert re.fullmatch(rf"  n1\[\[{label}\]\]", lines[2])
    assert lines[3] == "  n0 --> n1"


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_only_a_label_in_dot(name: str) -> None:
    lines = dot([Card(name), Card("plain")], [(0, 1)]).splitlines()
    quoted = r'(?:"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*)'
    assert re.fullmatch(rf"\tn0 \[label={quoted} style=dashed\]", lines[4])
    assert lines[5:] == ["\tn1 [label=plain style=dashed]", "\tn0 -> n1", "}"]
    assert len(lines) == 8
    assert "=<" not in lines[4]
    assert harmless(lines[4].strip())


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_stays_in_its_line_of_text(name: str) -> None:
    nodes = [Card(name), Card(name), Card("c")]
    for shown in (*text(nodes, [(0, 2), (1, 2)], 60).split("\n"), text(nodes, [(0, 1), (1, 2)], 400)):
        assert harmless(shown.replace("\n", ""))
    assert all(wide(shown) <= 60 for shown in text(nodes, [(0, 2), (1, 2)], 60).split("\n"))
    stored = line([name, name, name], [(0, 1)])
    assert "\n" not in stored
    assert wide(stored) <= 130


def test_ordinary_text_is_left_as_it_is() -> None:
    for plain in ("by_carrier", "327k × 20", "größe", "数据", "é", "x — y"):
        assert visible(plain) == plain
    assert visible("a\x1b\n\x7f") == "a␛␊␡"
    assert visible(f"{RLO}a") == "‹202e›a"


# ---- the stored picture ----


def test_the_picture_is_the_same_bytes_each_time() -> None:
    nodes, edges = flights()
    assert drawn(nodes, edges) == drawn(list(nodes), list(edges))


def test_the_picture_says_its_title_and_what_needs_what() -> None:
    nodes, edges = flights()
    root = ET.fromstring(drawn(nodes, edges))
    assert root.find(f"{SVG}title").text == "the graph"
    said = root.find(f"{SVG}desc").text
    assert said.startswith("9 nodes, all current: flights, weather")
    assert "joined from clean and weather and planes and airports" in said
    shown = [element.text for element in root.iter(f"{SVG}text")]
    assert [node.name for node in nodes] == [name for name in shown if name in {node.name for node in nodes}]
    assert shown[-1] == "9 nodes, all current"


def test_the_picture_shows_outcomes_by_shape_and_has_no_blue_and_no_style() -> None:
    nodes, edges = partly_failed(), flights()[1]
    svg = drawn(nodes, edges)
    colours = {int(c, 16) for c in re.findall(r"#([0-9a-f]{6})", svg)}
    assert all((c & 255) <= (c >> 16) for c in colours)
    assert "<style" not in svg
    assert svg.count("stroke-dasharray") == 2  # dashed edges, and the dotted ring of never
    assert "9 nodes: 1 failed, 1 skipped, 1 not run yet, 6 current" in svg
    assert "stroke-dasharray" not in drawn(*flights())


def test_an_edge_is_solid_where_a_value_stands_and_dashed_where_none_travelled() -> None:
    def dashed(a: str, b: str) -> bool:
        return 'stroke-dasharray="4 3"' in drawn([Card("a", a), Card("b", b)], [(0, 1)])

    assert [dashed("current", b) for b in ("current", "failed", "skipped", "never")] == [False, False, True, True]
    assert [dashed(a, "skipped") for a in ("failed", "skipped", "never")] == [True, True, True]
    assert [dashed(a, "current") for a in ("failed", "skipped", "never")] == [True, True, True]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_small_graphs_are_drawn(count: int) -> None:
    nodes = [Card(f"n{i}", "current") for i in range(count)]
    root = ET.fromstring(drawn(nodes, []))
    assert len(list(root.iter(f"{SVG}rect"))) == count + 1


def test_a_large_graph_is_cut_at_300_cards_and_100_kb_and_says_so() -> None:
    rng = random.Random(1)
    edges = sorted({(rng.randrange(max(0, b - 20), b), b) for b in range(1, 900) for _ in range(2)})
    short = drawn([Card(f"n{i}", "current") for i in range(900)], [(b - 1, b) for b in range(1, 900)])
    assert "900 nodes, all current. 300 shown, and 600 more" in short
    long = drawn([Card(f"node_{i}_" + "ж" * 40, "current", second="é" * 40) for i in range(900)], edges)
    assert len(long.encode()) <= MOST_BYTES
    shown, more = map(int, re.search(r"(\d+) shown, and (\d+) more", long).groups())
    assert shown + more == 900
    assert 100 < shown < 300
    table = html(long, [Card(f"n{i}") for i in range(900)])
    assert "and 600 more" in table


def test_long_names_keep_beginning_and_end_and_fit_their_card() -> None:
    nodes = [Card("average_departure_delay_by_carrier_and_month_2013", "current", second="x" * 60)]
    root = ET.fromstring(drawn(nodes, []))
    name, second, _ = (element.text for element in root.iter(f"{SVG}text"))
    assert name.startswith("average")
    assert name.endswith("2013")
    assert "…" in name
    assert text_width(name) <= 166
    assert second.endswith("…")
    assert ">xxx" in drawn([Card("x" * 300 + "_end")], [])
    assert "_end</text>" in drawn([Card("x" * 300 + "_end")], [])
    assert text_width(second, 11) <= 166


def test_the_html_form_holds_the_picture_and_a_table() -> None:
    nodes = partly_failed()
    svg = drawn(nodes, flights()[1])
    made = html(svg, nodes)
    source = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', made).group(1)
    assert base64.b64decode(source).decode() == svg
    assert 'alt="9 nodes: 1 failed, 1 skipped, 1 not run yet, 6 current: flights, weather' in made
    assert "<tr><td>by_carrier</td><td>failed</td><td></td></tr>" in made
    assert made.count("<tr>") == 10


# ---- text ----


def test_a_chain_is_one_line_and_its_outcomes_show_when_not_all_is_current() -> None:
    edges = [(2, 0), (0, 1)]
    names = ["clean", "total", "raw"]
    assert line(names, edges) == "raw → clean → total"
    assert text([Card(name, "current") for name in names], edges) == "raw → clean → total"
    mixed = [Card("clean", "failed"), Card("total", "skipped"), Card("raw", "current")]
    assert text(mixed, edges) == "✓ raw → ✗ clean → ⊘ total"


def test_another_graph_is_a_listing_in_which_each_node_follows_what_it_needs() -> None:
    assert text(partly_failed(), flights()[1]) == (
        "✓ flights   ✓ weather   ✓ planes   ✓ airports\n"
        "✓ clean          ← flights\n"
        "✓ joined         ← clean, weather, planes, airports\n"
        "✗ by_carrier[16] ← joined\n"
        "○ model          ← joined\n"
        "⊘ report         ← by_carrier, model\n"
        "9 nodes: 1 failed, 1 skipped, 1 not run yet, 6 current"
    )


def test_the_listing_fits_its_width() -> None:
    nodes, edges = flights()
    for width in (20, 33, 40, 80):
        shown = text(nodes, edges, width)
        assert all(wide(row) <= width for row in shown.split("\n"))
        assert "joined" in shown
    assert text([], []) == "0 nodes"
    assert text([Card("a", "current")], []) == "a"


def test_the_stored_line_names_few_nodes_as_a_chain_and_many_as_a_list() -> None:
    assert line(["a"], []) == "a"
    assert line([], []) == "no nodes"
    assert line(["b", "a"], []) == "2 nodes: b, a"
    assert line(list("abcde"), [(i, i + 1) for i in range(4)]) == "a → b → c → d → e"
    assert line(list("abcdef"), [(i, i + 1) for i in range(5)]) == "6 nodes: a, b, c, d, e, f"
    many = line([f"node_{i}" for i in range(15)], [])
    assert many.startswith("15 nodes: node_0, node_1")
    assert many.endswith(", …")
    assert wide(many) <= 72
    assert line(list("abc"), [(0, 1), (0, 2)]) == "3 nodes: a, b, c"
    assert line(list("abc"), [(0, 1), (0, 1), (1, 2)]) == "a → b → c"
    assert line(list("abc"), [(0, 2), (0, 1), (1, 2)]) == "3 nodes: a, b, c"


def test_a_summary_counts_what_matters_most_first() -> None:
    assert summary([Card("a", "current")]) == "1 node, current"
    assert summary([Card("a"), Card("b")]) == "2 nodes, not run yet"
    assert summary([Card("a", "current"), Card("b", "failed")]) == "2 nodes: 1 failed, 1 current"


def test_mermaid_and_graphviz_hold_every_node_and_edge() -> None:
    nodes, edges = flights()
    shown = mermaid(nodes, edges)
    assert '  n5["joined"]' in shown
    assert '  n6[["by_carrier#91;16#93;"]]' in shown
    assert shown.count("-->") == len(edges)
    made = to_graphviz(nodes, edges)
    assert type(made).__name__ == "Digraph"
    assert made.source.count("->") == len(edges)
    assert "label=joined" in made.source
