"""The layout: no line through a card, the same in Python and in the browser, and little moves when little changes."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dagbook.notebook.layout import Layout, LayoutInput, cold, edge_path, gap_for, warm

GOLDEN = Path(__file__).parent.parent / "golden" / "layout.json"
SEED = int(os.environ.get("DAGBOOK_SEED") or random.randrange(1 << 30))

FLIGHT_EDGES = """
    flights-clean clean-joined weather-joined planes-joined airports-joined joined-by_carrier airlines-by_carrier
    joined-by_hour joined-features by_carrier-fig_carriers by_hour-fig_hours features-model model-score
    fig_carriers-report fig_hours-report score-report"""
FLIGHTS = """
    flights weather planes airports airlines clean joined by_hour features by_carrier fig_hours fig_carriers model
    score report"""
GROUP_EDGES = """
    0-4 2-5 3-6 1-8 4-7 5-7 6-7 7-9 8-9 7-10 7-11 4-12 9-13 9-14 10-14 11-15 12-13 13-16 14-16 14-17 15-17 16-21 17-21
    9-18 14-18 10-19 15-20 18-21 19-21 20-21"""
PLACE = {name: i for i, name in enumerate(FLIGHTS.split())}


def graph(n: int, edges: list[tuple[int, int]], widths: dict[int, int] | None = None, **heights: int) -> LayoutInput:
    high = {int(key[1:]): height for key, height in heights.items()}
    return LayoutInput([(widths or {}).get(i, 124) for i in range(n)], [high.get(i, 40) for i in range(n)], edges)


def flights() -> LayoutInput:
    return graph(15, [(PLACE[a], PLACE[b]) for a, b in (edge.split("-") for edge in FLIGHT_EDGES.split())])


def groups() -> LayoutInput:
    """22 groups, of which four are open and high."""
    edges = [(int(a), int(b)) for a, b in (edge.split("-") for edge in GROUP_EDGES.split())]
    widths = {i: 152 if i in (4, 9, 14, 18) else 108 for i in range(22)}
    return graph(22, edges, widths, n4=92, n9=132, n14=92, n18=112)


def random_graph(rng: random.Random, n: int, reach: int = 12, density: float = 1.4) -> LayoutInput:
    edges = set()
    for _ in range(int(n * density) if n > 1 else 0):
        b = rng.randrange(1, n)
        edges.add((rng.randrange(max(0, b - reach), b), b))
    name = list(range(n))
    rng.shuffle(name)
    found = [(name[a], name[b]) for a, b in sorted(edges)]
    return LayoutInput([4 * rng.randrange(31, 51) for _ in range(n)], [40] * n, found)


def cases() -> dict[str, tuple[LayoutInput, LayoutInput | None]]:
    """The shared golden graphs: by name the cold input, and the input of a warm layout after it."""
    fl, gr, mixed = flights(), groups(), random_graph(random.Random(7), 60)
    chain = graph(5, [(i, i + 1) for i in range(4)])
    unfolded = replace(fl, heights=[148 if i == 9 else 40 for i in range(15)])
    wider = replace(unfolded, widths=[172 if i == 9 else 124 for i in range(15)])
    more = random_graph(random.Random(11), 66)
    fan = [(0, i) for i in range(1, 13)]
    return {
        "empty": (graph(0, []), graph(1, [])),
        "single": (graph(1, []), graph(3, [(0, 1)])),
        "chain": (chain, graph(6, [*chain.edges, (1, 5), (5, 2)])),
        "diamond": (graph(4, [(0, 1), (0, 2), (1, 3), (2, 3)]), graph(4, [(0, 1), (1, 3), (2, 3), (1, 2)])),
        "skip": (graph(4, [(0, 1), (1, 2), (2, 3), (0, 3)], {1: 180, 2: 160}), None),
        "flights": (fl, unfolded),
        "flights wide": (fl, wider),
        "flights open": (wider, fl),
        "groups": (gr, replace(gr, heights=[40] * 22)),
        "fan out": (graph(13, fan), graph(14, [*fan, (0, 13)])),
        "fan in": (graph(13, [(b, a) for a, b in fan]), None),
        "two parts": (graph(7, [(0, 2), (2, 4), (1, 3), (3, 5), (1, 5)]), graph(8, [(0, 2), (1, 3), (6, 7)])),
        "double edge": (graph(3, [(0, 1), (1, 2), (0, 2), (0, 2)]), None),
        "random 60": (
            mixed,
            LayoutInput(
                [*mixed.widths, *[124] * 6],
                [*mixed.heights, *[40] * 6],
                [*mixed.edges, *[(k * 9, 60 + k) for k in range(6)], *[(60 + k, 61 + k) for k in range(0, 5, 2)]],
            ),
        ),
        "random 66": (more, replace(more, heights=[92 if i % 11 == 0 else 40 for i in range(66)])),
    }


def as_json(layout: Layout) -> dict[str, Any]:
    return {
        "column": layout.column, "order": layout.order, "x": layout.x, "y": layout.y, "w": layout.w, "h": layout.h,
        "columnX": layout.column_x, "columnW": layout.column_w, "width": layout.width, "height": layout.height,
        "edges": layout.edges, "routes": layout.routes,
    }  # fmt: skip


def vector(name: str, first: LayoutInput, then: LayoutInput | None) -> dict[str, Any]:
    def given(graph: LayoutInput) -> dict[str, Any]:
        return {"widths": graph.widths, "heights": graph.heights, "edges": graph.edges}

    gap = gap_for(cold(first, 24).column_w, 1100)
    made = cold(first, gap)
    out = {"name": name, "gap": gap, "input": given(first), "cold": as_json(made)}
    out["path"] = edge_path(made.routes[-1]) if made.routes else []
    if then is not None:
        out |= {"then": given(then), "warm": as_json(warm(then, gap, made))}
    return out


def test_python_and_browser_share_their_golden_vectors() -> None:
    """Write them again with DAGBOOK_GOLDEN=write when the algorithm changes on purpose."""
    made = [json.loads(json.dumps(vector(name, *case))) for name, case in cases().items()]
    if os.environ.get("DAGBOOK_GOLDEN") == "write":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text("[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in made) + "\n]\n")
    stored = json.loads(GOLDEN.read_text())
    assert [v["name"] for v in stored] == [v["name"] for v in made]
    for old, new in zip(stored, made, strict=True):
        assert new == old, old["name"]


# ---- nothing is drawn through anything ----


def points(route: list[tuple[float, float]], step: float = 1.5) -> Iterator[tuple[float, float]]:
    for x1, y1, cx1, cy1, cx2, cy2, x2, y2 in edge_path(route):
        count = max(2, int((abs(x2 - x1) + abs(y2 - y1)) / step))
        for k in range(count + 1):
            t = k / count
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            yield a * x1 + b * cx1 + c * cx2 + d * x2, a * y1 + b * cy1 + c * cy2 + d * y2


def faults(layout: Layout) -> list[str]:
    """What is wrong with a picture: cards that overlap or leave the page, lines that run through a card."""
    found = []
    boxes = list(zip(layout.x, layout.y, layout.w, layout.h, strict=True))
    for i, (x, y, w, h) in enumerate(boxes):
        if x < 16 or y < 16 or x + w > layout.width - 16 or y + h > layout.height - 16 or (x | y | w | h) % 4:
            found.append(f"card {i} is off the grid or the page")
    by_column: dict[int, list[int]] = {}
    for i, c in enumerate(layout.column):
        by_column.setdefault(c, []).append(i)
    for column in by_column.values():
        column.sort(key=lambda i: layout.y[i])
        if [layout.order[i] for i in column] != list(range(len(column))):
            found.append(f"column of {column[0]}: order is not from the top")
        for a, b in pairwise(column):
            if layout.y[b] < layout.y[a] + layout.h[a] + 12:
                found.append(f"cards {a} and {b} are too near")
    for (a, b), route in zip(layout.edges, layout.routes, strict=True):
        if layout.column[a] >= layout.column[b]:
            found.append(f"edge {a}-{b} does not go right")
        if route[0] != (layout.x[a] + layout.w[a], layout.y[a] + 20) or route[-1] != (layout.x[b], layout.y[b] + 20):
            found.append(f"edge {a}-{b} is not at its ports")
        for px, py in points(route):
            c = next((c for c, x in enumerate(layout.column_x) if x < px < x + layout.column_w[c]), None)
            for i in by_column.get(-1 if c is None else c, []):
                x, y, w, h = boxes[i]
                if x < px < x + w and y - 6 < py < y + h + 6:
                    found.append(f"edge {a}-{b} runs through card {i}, or along its border")
    return sorted(set(found))


def random_change(rng: random.Random, given: LayoutInput) -> LayoutInput:
    """Some newcomers, some edges gone, some cards unfolded or folded."""
    n, new = len(given.widths), rng.randrange(4)
    rank = cold(given, 24).column
    edges = [edge for edge in given.edges if rng.random() > 0.05]
    for _ in range(3):
        a, b = rng.randrange(n), rng.randrange(n)
        if rank[a] < rank[b] and (a, b) not in edges:
            edges.append((a, b))
    for child in range(n, n + new):
        edges += [(parent, child) for parent in rng.sample(range(n), min(n, rng.randrange(3)))]
    heights = [rng.choice([40, 40, 40, 92, 148]) for _ in range(n + new)]
    widths = [w + (100 if h > 100 else 0) for w, h in zip([*given.widths, *[124] * new], heights, strict=True)]
    return LayoutInput(widths, heights, edges)


@pytest.mark.parametrize("name", list(cases()))
def test_no_line_runs_through_a_card_of_a_golden_graph(name: str) -> None:
    first, then = cases()[name]
    made = cold(first, 32)
    assert faults(made) == []
    if then is not None:
        assert faults(warm(then, 32, made)) == []


def test_no_line_runs_through_a_card_of_200_random_graphs_cold_or_warm() -> None:
    print("DAGBOOK_SEED", SEED)
    rng = random.Random(SEED)
    for _ in range(200):
        given = random_graph(rng, rng.randrange(1, 26), rng.choice([3, 8, 25]), rng.choice([0.8, 1.3, 2.0]))
        made = cold(given, 24)
        assert faults(made) == [], given
        then = random_change(rng, given)
        assert faults(warm(then, 24, made)) == [], (given, then)


# ---- the picture is a good one ----


def bends(layout: Layout, a: str, b: str) -> bool:
    return layout.y[PLACE[a]] != layout.y[PLACE[b]]


def crossed(layout: Layout) -> int:
    """Pairs of lines that cross between two columns, counted from the finished picture."""
    steps = [
        (x1, y1, y2)
        for route in layout.routes
        for (x1, y1), (x2, y2) in pairwise(route)
        if x1 in {x + w for x, w in zip(layout.column_x, layout.column_w, strict=True)} and x2 > x1
    ]
    return sum(a[0] == b[0] and (a[1] - b[1]) * (a[2] - b[2]) < 0 for k, a in enumerate(steps) for b in steps[:k])


def test_the_flights_graph_looks_as_designed() -> None:
    made = cold(flights(), 32)
    column = {name: made.column[i] for name, i in PLACE.items()}
    assert [column[name] for name in ("flights", "airlines", "clean", "joined", "by_carrier", "model", "report")] == [
        0, 0, 1, 2, 3, 4, 6,
    ]  # fmt: skip
    assert (made.width, made.height) == (1092, 280)
    assert crossed(made) == 0
    for a, b in (("by_hour", "fig_hours"), ("features", "model"), ("model", "score"), ("score", "report")):
        assert not bends(made, a, b)


def test_swaps_and_sweeps_remove_the_crossings_that_can_be_removed() -> None:
    ladder = graph(8, [(0, 7), (1, 6), (2, 5), (3, 4)])
    assert crossed(cold(ladder, 24)) == 0
    assert crossed(cold(graph(6, [(3, 2), (3, 1), (3, 0), (2, 5), (2, 0), (5, 1)]), 24)) == 0  # only by a swap
    assert crossed(cold(groups(), 24)) <= 4


def test_a_long_edge_is_straight_where_nothing_is_in_its_way() -> None:
    chain = [(i, i + 1) for i in range(5)]
    made = cold(graph(7, [*chain, (6, 5)]), 24)
    levels = [y for _, y in made.routes[-1]][1:-1]
    assert len(set(levels)) == 1


def test_the_gap_is_the_widest_that_leaves_room_to_unfold() -> None:
    widths = [124] * 7
    room = sum(widths) + 32 + 48
    assert [gap_for(widths, room + 6 * gap) for gap in (60, 48, 47, 40, 32, 31, 0)] == [48, 48, 40, 40, 32, 24, 24]
    assert gap_for([], 100) == 48


def test_a_curve_ends_where_the_arrowhead_begins_and_level() -> None:
    path = edge_path([(100, 20), (132, 60), (256, 60), (288, 36)])
    assert [segment[:2] for segment in path] == [(100, 20), (132, 60), (256, 60)]
    assert path[-1][6:] == (283, 36)
    assert all(s[1] == s[3] and s[5] == s[7] and s[0] <= s[2] and s[4] <= s[6] for s in path)


# ---- little moves ----


def moves(before: Layout, after: Layout) -> dict[int, tuple[int, int]]:
    return {
        i: (after.x[i] - before.x[i], after.y[i] - before.y[i])
        for i in range(len(before.x))
        if (after.x[i], after.y[i]) != (before.x[i], before.y[i])
    }


def test_unfolding_moves_only_what_is_right_of_it_and_below_it() -> None:
    base = flights()
    made = cold(base, 32)
    i = PLACE["by_hour"]
    tall = replace(base, heights=[148 if k == i else 40 for k in range(15)])
    wide = replace(tall, widths=[172 if k == i else 124 for k in range(15)])
    below = {PLACE[name]: (0, 108) for name in ("features", "by_carrier")}
    right = {PLACE[name]: (48, 0) for name in ("fig_hours", "model", "fig_carriers", "score", "report")}
    assert moves(made, warm(tall, 32, made)) == below
    opened = warm(wide, 32, made)
    assert moves(made, opened) == below | right
    assert [w for k, w in enumerate(opened.w) if k != i] == [124] * 14
    assert warm(base, 32, opened) == made


def test_unfolding_the_card_with_the_longest_name_keeps_the_width_of_the_others() -> None:
    base = graph(3, [(0, 1), (0, 2)], {1: 180})
    made = cold(base, 24)
    opened = warm(replace(base, heights=[40, 148, 40], widths=[124, 240, 124]), 24, made)
    assert opened.w == [124, 240, 180]
    assert warm(base, 24, opened) == made


def test_a_newcomer_takes_free_space_beside_its_parent_and_moves_nobody() -> None:
    base = flights()
    made = cold(base, 32)
    joined = PLACE["joined"]
    more = LayoutInput([*base.widths, 124], [*base.heights, 40], [*base.edges, (joined, 15)])
    after = warm(more, 32, made)
    assert moves(made, after) == {}
    assert after.column[15] == after.column[joined] + 1
    before = [made.order[i] for i in range(15)]
    assert all(
        (before[a] < before[b]) == (after.order[a] < after.order[b])
        for a in range(15)
        for b in range(15)
        if a != b and made.column[a] == made.column[b]
    )


def test_a_new_gap_moves_columns_and_nothing_else() -> None:
    made = cold(groups(), 24)
    wide = warm(groups(), 48, made)
    assert (wide.y, wide.order, wide.column, wide.column_w) == (made.y, made.order, made.column, made.column_w)
    assert warm(groups(), 24, wide) == made


def test_a_node_that_gets_a_parent_to_its_right_moves_right_of_it() -> None:
    base = graph(4, [(0, 1), (1, 2)])
    after = warm(replace(base, edges=[*base.edges, (2, 3)]), 24, cold(base, 24))
    assert after.column == [0, 1, 2, 3]
    assert faults(after) == []


def test_fewer_nodes_than_before_are_laid_out_anew() -> None:
    assert warm(graph(2, [(0, 1)]), 24, cold(flights(), 24)) == cold(graph(2, [(0, 1)]), 24)


def test_300_nodes_take_well_under_a_second() -> None:
    given = random_graph(random.Random(3), 300, 20, 1.3)
    start = time.perf_counter()
    cold(given, 24)
    assert time.perf_counter() - start < 1.5
