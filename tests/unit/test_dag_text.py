"""A graph as text for other programs: nothing in a name can say more than its own label."""

from __future__ import annotations

import re

import pytest

from dagbook.graph.dag import DAG

HOSTILE = [
    'a"]; evil -> worse; b [label="',
    '"',
    "\\",
    'x\\"',
    "x\\",
    "\\N\\G",
    "a\nb",
    "a\r\nevil -> worse",
    "a\0b",
    "&quot;]",
    "<b>bold</b>",
    "<script>alert(1)</script>",
    "]",
    "x]:::evil",
    '"]\n  evil --> worse',
    "`**markdown**`",
    "#quot;",
    "end",
    "%%{init: {'securityLevel': 'loose'}}%%",
    "%% comment",
    "---\ntitle: x\n---",
    "click n0 href 'javascript:alert(1)'",
    "a;b",
    "digraph{",
    "\u202eoverridden",
    "\u2028",
    "\ud800",
    "😀",
    " ",
]


def dag_of(names, name="dag"):
    dag = DAG(name)
    dag.add_nodes(names)
    dag.add_edges([(names[0], other) for other in names[1:]])
    return dag


def dot_texts(text):
    """The quoted texts of a DOT source, read as Graphviz reads them, and the source without them."""
    quoted = r'"((?:[^"\\]|\\.)*)"'
    return re.findall(quoted, text, re.DOTALL), re.sub(quoted, "Q", text, flags=re.DOTALL)


def test_the_dot_source_has_a_label_for_each_node_and_its_edges():
    assert dag_of(["load", "clean"], "etl").to_graphviz().splitlines() == [
        'digraph "etl" {',
        '  node [shape="box"];',
        '  n0 [label="load"];',
        '  n1 [label="clean"];',
        "  n0 -> n1;",
        "}",
    ]


def test_the_mermaid_source_has_a_label_for_each_node_and_its_edges():
    assert dag_of(["load", "clean 2"]).to_mermaid().splitlines() == [
        "flowchart TD",
        '  n0["load"]',
        '  n1["clean 2"]',
        "  n0 --> n1",
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leaves_its_quotes_in_dot(name):
    text = dag_of(["first", name], name=name).to_graphviz()
    texts, rest = dot_texts(text)
    assert rest == "digraph Q {\n  node [shape=Q];\n  n0 [label=Q];\n  n1 [label=Q];\n  n0 -> n1;\n}\n"
    assert all(c.isprintable() for c in texts[3])
    text.encode()


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leaves_its_label_in_mermaid(name):
    text = dag_of(["first", name]).to_mermaid()
    assert re.fullmatch(r'flowchart TD\n  n0\["first"\]\n  n1\["(?:[\w .,:/-]|#\d+;)*"\]\n  n0 --> n1\n', text)
    text.encode()


def test_different_names_have_different_labels():
    for text in (dag_of(HOSTILE).to_graphviz(), dag_of(HOSTILE).to_mermaid()):
        labels = re.findall(r'n\d+ ?\[(?:label=)?"(.*)"', text)
        assert len(set(labels)) == len(HOSTILE)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_drawn_is_the_name_itself(name):
    """Escapes read back as the programs read them: backslashes and entities in DOT, numeric entities in Mermaid."""
    dot = dot_texts(dag_of([name]).to_graphviz())[0][2]
    mermaid = re.search(r'n0\["(.*)"\]', dag_of([name]).to_mermaid()).group(1)
    drawn = re.sub(r"\\(.)", r"\1", dot).replace("&amp;", "&")
    assert drawn == re.sub(r"#(\d+);", lambda found: chr(int(found.group(1))), mermaid)
    if name.isprintable():
        assert drawn == name
