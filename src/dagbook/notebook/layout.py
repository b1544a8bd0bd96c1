"""Where cards and edges go: columns by longest path, few crossings, few bends, and nothing drawn through a card.

``js/src/layout.ts`` is the same algorithm with the same floating-point steps in the same order (so sums of floats are
loops: ``sum`` rounds differently); ``tests/golden/layout.json`` holds both equal. Change one, change the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

CARD = 40
"""Height of a folded card; a higher one is unfolded, and does not widen the other cards of its column."""
PAD = 16
"""Free space around the picture."""
PORT = 20
"""An edge starts and ends this far below the top of a card."""
ROW = 12
"""Free space below each card and each slot."""
SLOT = 4
"""Height of the slot that a long edge gets in every column it passes."""
GRID = 4
ARROW = 5
"""A line ends this far before the port, where the arrowhead begins."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LayoutInput:
    """Cards by width and height, and edges as pairs of their indexes."""

    widths: Sequence[int]
    heights: Sequence[int]
    edges: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Layout:
    """The finished layout.

    ``order`` is the place in the column, from the top, counting cards only. ``w`` and ``h`` are the cards as drawn: one
    width a column, but for unfolded cards that are wider. ``routes`` has per edge, in input order: source port, end of
    its column if the card is narrower, entry and exit of each column passed, target port.
    """

    column: list[int]
    order: list[int]
    x: list[int]
    y: list[int]
    w: list[int]
    h: list[int]
    column_x: list[int]
    column_w: list[int]
    width: int
    height: int
    edges: list[tuple[int, int]]
    routes: list[list[Point]]


@dataclass(slots=True)
class _Grid:
    """Cards, and after them the slots of long edges, in columns.

    ``before`` and ``after`` are neighbours in the column to the left and to the right; ``chains`` has per edge source,
    slots, target; ``rows`` has per column its items from top to bottom.
    """

    cards: int
    column: list[int]
    height: list[int]
    rows: list[list[int]]
    chains: list[list[int]] = field(default_factory=list)
    before: list[list[int]] = field(default_factory=list)
    after: list[list[int]] = field(default_factory=list)

    def port(self, item: int) -> int:
        return PORT if item < self.cards else SLOT // 2


def cold(given: LayoutInput, gap: int) -> Layout:
    """A layout from nothing: the same input gives the same picture."""
    grid = _grid(given, depths(len(given.widths), given.edges))
    _untangle(grid)
    return _finish(given, gap, grid, _snap(grid, _settle(grid)), None)


def warm(given: LayoutInput, gap: int, previous: Layout) -> Layout:
    """A layout that moves as little as possible.

    The nodes of ``previous`` come first and in the same order; newcomers are placed beside their parents in free space.
    A card that changes its height moves what is below it in its column, one that changes its width what is right of it,
    and nothing else moves. A node that got a parent in its own column or right of it counts as a newcomer.
    """
    if len(previous.column) > len(given.widths):
        return cold(given, gap)
    grid = _grid(given, depths(len(given.widths), given.edges, previous.column))
    kept = _kept(grid, previous)
    _seat(grid, kept)
    y = [top for top in kept if top is not None]
    for row in grid.rows:
        row.sort(key=lambda item: (y[item], item))
    return _finish(given, gap, grid, y, previous)


def gap_for(column_widths: Sequence[int], available: float) -> int:
    """The widest gap between columns that leaves room for one card to unfold."""
    free = available - sum(column_widths) - 2 * PAD - 48
    return next((gap for gap in (48, 40, 32) if gap * (len(column_widths) - 1) <= free), 24)


def edge_path(route: Sequence[Point]) -> list[tuple[float, float, float, float, float, float, float, float]]:
    """Cubic segments x1, y1, cx1, cy1, cx2, cy2, x2, y2: tangents are horizontal, each curve stays inside its gap."""
    path = []
    for k, ((x1, y1), (end, y2)) in enumerate(pairwise(route), 2):
        x2 = end - ARROW if k == len(route) else end
        bend = (x2 - x1) / 3 if y1 == y2 else max(14, (x2 - x1) / 2)
        path.append((x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2))
    return path


def depths(n: int, edges: Sequence[tuple[int, int]], least: Sequence[int] = ()) -> list[int]:
    """The column of each node: right of all its parents, as far left as that allows, never left of ``least``."""
    depth = [*least, *[0] * (n - len(least))]
    after: list[list[int]] = [[] for _ in range(n)]
    waiting = [0] * n
    for a, b in edges:
        after[a].append(b)
        waiting[b] += 1
    ready = [i for i in range(n) if not waiting[i]]
    for a in ready:  # grows while it is read
        for b in after[a]:
            depth[b] = max(depth[b], depth[a] + 1)
            waiting[b] -= 1
            if not waiting[b]:
                ready.append(b)
    return depth


def _grid(given: LayoutInput, columns: list[int]) -> _Grid:
    grid = _Grid(len(columns), columns[:], list(given.heights), [[] for _ in range(max(columns, default=-1) + 1)])
    for i, c in enumerate(columns):
        grid.rows[c].append(i)
    for a, b in given.edges:
        chain = [a]
        for c in range(columns[a] + 1, columns[b]):
            chain.append(len(grid.column))
            grid.rows[c].append(len(grid.column))
            grid.column.append(c)
            grid.height.append(SLOT)
        grid.chains.append([*chain, b])
    grid.before = [[] for _ in grid.column]
    grid.after = [[] for _ in grid.column]
    for chain in grid.chains:
        for a, b in pairwise(chain):
            grid.after[a].append(b)
            grid.before[b].append(a)
    return grid


# ---- order in the columns ----


def _untangle(grid: _Grid) -> None:
    """Orders the columns so that few edges cross: barycentre sweeps, the best is kept, then swaps of neighbours."""
    place = [0] * len(grid.column)
    for row in grid.rows:
        _number(row, place)
    best = _crossings(grid, place)
    rows = [row[:] for row in grid.rows]
    for sweep in range(16):
        if not best:
            break
        right = sweep % 2 == 0
        for row in grid.rows if right else reversed(grid.rows):
            _sort_by_neighbours(row, grid.before if right else grid.after, place)
            _number(row, place)
        now = _crossings(grid, place)
        if now < best:
            best = now
            rows = [row[:] for row in grid.rows]
    grid.rows = rows
    for row in rows:
        _number(row, place)
    for _ in range(10):
        if not best or not _swap_neighbours(grid, place):
            break


def _number(row: list[int], place: list[int]) -> None:
    for k, item in enumerate(row):
        place[item] = k


def _sort_by_neighbours(row: list[int], neighbours: list[list[int]], place: list[int]) -> None:
    mean: dict[int, float] = {}
    for item in row:
        near = neighbours[item]
        mean[item] = sum(place[m] for m in near) / len(near) if near else place[item]
    row.sort(key=lambda item: (mean[item], place[item]))


def _crossings(grid: _Grid, place: list[int]) -> int:
    """The number of crossings, by counting inversions with a tree of prefix sums."""
    total = 0
    for row, following in pairwise(grid.rows):
        size = len(following)
        tree = [0] * (size + 1)
        seen = 0
        for item in row:
            for m in grid.after[item]:
                total += seen
                k = place[m] + 1
                while k > 0:
                    total -= tree[k]
                    k -= k & -k
            for m in grid.after[item]:
                seen += 1
                k = place[m] + 1
                while k <= size:
                    tree[k] += 1
                    k += k & -k
    return total


def _swap_neighbours(grid: _Grid, place: list[int]) -> bool:
    """Swaps neighbours in a column where that saves crossings; False when no swap did."""

    def cost(upper: int, lower: int) -> int:
        before = _inversions(grid.before[upper], grid.before[lower], place)
        return before + _inversions(grid.after[upper], grid.after[lower], place)

    better = False
    for row in grid.rows:
        for k in range(1, len(row)):
            upper, lower = row[k - 1], row[k]
            if cost(lower, upper) < cost(upper, lower):
                row[k - 1], row[k] = lower, upper
                place[lower], place[upper] = k - 1, k
                better = True
    return better


def _inversions(upper: list[int], lower: list[int], place: list[int]) -> int:
    return sum(place[a] > place[b] for a in upper for b in lower)


# ---- heights ----


def _settle(grid: _Grid) -> list[float]:
    """Heights that make edges short and long edges straight.

    In each column in turn: the least squares of the wanted places under the column's order, found by merging blocks
    where they collide.
    """
    y = [0.0] * len(grid.column)
    for row in grid.rows:
        top = 0
        for item in row:
            y[item] = top
            top += grid.height[item] + ROW
    pulls = [_pulls_on(grid, item) for item in range(len(y))]
    for sweep in range(40):
        for row in reversed(grid.rows) if sweep % 2 else grid.rows:
            _settle_column(grid, y, pulls, row)
    return y


_Pulls = tuple[list[tuple[int, int, int]], int]
"""What pulls an item level: its neighbours with the weight and port of each, and the sum of the weights."""


def _pulls_on(grid: _Grid, item: int) -> _Pulls:
    """Edges pull with weight 1; the parts of long ones with more, so that they become straight first."""
    long = item >= grid.cards
    pulls = [
        (m, (40 if long else 2) if m >= grid.cards else (2 if long else 1), grid.port(m))
        for m in grid.before[item] + grid.after[item]
    ]
    return pulls, sum(w for _, w, _ in pulls)


def _settle_column(grid: _Grid, y: list[float], pulls: list[_Pulls], row: list[int]) -> None:
    blocks: list[tuple[float, float, int]] = []  # place, weight, number of items
    above = 0
    for item in row:
        weight: float = pulls[item][1] or 0.1
        at = _wanted(grid, y, pulls[item], item) - above
        count = 1
        while blocks and blocks[-1][0] > at:
            upper_at, upper_weight, upper_count = blocks.pop()
            at = (upper_at * upper_weight + at * weight) / (upper_weight + weight)
            weight = upper_weight + weight
            count += upper_count
        blocks.append((at, weight, count))
        above += grid.height[item] + ROW
    above = 0
    items = iter(row)
    for at, _, count in blocks:
        for _ in range(count):
            item = next(items)
            y[item] = at + above
            above += grid.height[item] + ROW


def _wanted(grid: _Grid, y: list[float], pulls: _Pulls, item: int) -> float:
    """Where an item would lie level with its neighbours."""
    if not pulls[1]:
        return y[item]
    total = 0.0
    for m, w, port in pulls[0]:
        total += w * (y[m] + port)
    return total / pulls[1] - grid.port(item)


def _snap(grid: _Grid, settled: list[float]) -> list[int]:
    """Onto the grid, from the top margin down; then slots are pulled level with what is before them, where free."""
    least = min(settled, default=0)
    y = [_on_grid(v - least) + PAD for v in settled]
    place = [0] * len(y)
    for row in grid.rows:
        _number(row, place)
        free = PAD
        for item in row:
            y[item] = max(y[item], free)
            free = y[item] + grid.height[item] + ROW
    for chain in grid.chains:
        for before, slot in pairwise(chain[:-1]):
            level = y[before] + grid.port(before) - SLOT // 2
            row = grid.rows[grid.column[slot]]
            upper = row[place[slot] - 1] if place[slot] else None
            lower = row[place[slot] + 1] if place[slot] + 1 < len(row) else None
            if abs(y[slot] - level) > ROW:
                continue
            if upper is not None and level < y[upper] + grid.height[upper] + ROW // 2:
                continue
            if lower is not None and level + SLOT > y[lower] - ROW // 2:
                continue
            y[slot] = level
    return y


def _on_grid(v: float) -> int:
    return math.floor(v / GRID + 0.5) * GRID


# ---- from a previous layout ----


def _kept(grid: _Grid, previous: Layout) -> list[int | None]:
    """The heights of all that stays, moved by what grew above it in its column; None for newcomers."""
    y: list[int | None] = [None] * len(grid.column)
    grown: list[list[tuple[int, int]]] = [[] for _ in grid.rows]
    stays = [c == grid.column[i] for i, c in enumerate(previous.column)]
    for i, stay in enumerate(stays):
        if stay and grid.height[i] != previous.h[i]:
            grown[grid.column[i]].append((previous.y[i], grid.height[i] - previous.h[i]))

    def moved(top: int, c: int) -> int:
        return top + sum(by for start, by in grown[c] if start < top)

    for i, stay in enumerate(stays):
        if stay:
            y[i] = moved(previous.y[i], grid.column[i])
    routes = dict(zip(previous.edges, previous.routes, strict=True))
    for chain in grid.chains:
        ends = (chain[0], chain[-1])
        if ends in routes and stays[ends[0]] and stays[ends[1]]:
            entries = routes[ends][-1 - 2 * (len(chain) - 2) : -1 : 2]
            for slot, (_, level) in zip(chain[1:-1], entries, strict=True):
                y[slot] = moved(int(level) - SLOT // 2, grid.column[slot])
    return y


def _seat(grid: _Grid, y: list[int | None]) -> None:
    """Gives each newcomer the free space nearest to level with its parents, else with its children, else at the end."""
    for row in grid.rows:
        taken = sorted((top, item) for item in row if (top := y[item]) is not None)
        for item in row:
            if y[item] is not None:
                continue
            near = grid.before[item] or grid.after[item]
            levels = [top + grid.port(m) for m in near if (top := y[m]) is not None]
            end = taken[-1][0] + grid.height[taken[-1][1]] + ROW if taken else PAD
            wish = sum(levels) / len(levels) - grid.port(item) if levels else end
            place, top = _free_place(grid, taken, item, wish)
            y[item] = top
            taken.insert(place, (top, item))


def _free_place(grid: _Grid, taken: list[tuple[int, int]], item: int, wish: float) -> tuple[int, int]:
    """Of the free places in a column the one nearest to ``wish``: its index among the items there, and its top."""
    best = (0, 0)
    distance = math.inf
    start = PAD
    for k in range(len(taken) + 1):
        low = math.ceil(start / GRID) * GRID
        top = max(low, _on_grid(wish))
        if k < len(taken):
            room = taken[k][0] - ROW - grid.height[item]
            top = max(low, min(top, room // GRID * GRID))
            start = taken[k][0] + grid.height[taken[k][1]] + ROW
            if top > room:
                continue
        if abs(top - wish) < distance:
            best = (k, top)
            distance = abs(top - wish)
    return best


# ---- the result ----


def _finish(given: LayoutInput, gap: int, grid: _Grid, y: list[int], previous: Layout | None) -> Layout:
    n = grid.cards
    column = grid.column[:n]
    w = _drawn_widths(given, grid, previous)
    column_w = [max((w[item] for item in row if item < n), default=0) for row in grid.rows]
    column_x = []
    right = PAD - gap
    for wide in column_w:
        column_x.append(right + gap)
        right += gap + wide
    order = [0] * n
    for row in grid.rows:
        for k, item in enumerate(item for item in row if item < n):
            order[item] = k
    return Layout(
        column=column,
        order=order,
        x=[column_x[c] for c in column],
        y=y[:n],
        w=w,
        h=list(given.heights),
        column_x=column_x,
        column_w=column_w,
        width=right + PAD if n else 2 * PAD,
        height=max((top + grid.height[item] for item, top in enumerate(y)), default=PAD) + PAD,
        edges=list(given.edges),
        routes=[_route(grid, y, w, chain, column_x, column_w) for chain in grid.chains],
    )


def _drawn_widths(given: LayoutInput, grid: _Grid, previous: Layout | None) -> list[int]:
    """Folded cards of a column are equally wide.

    A card that was folded never shrinks, so that unfolding the one with the longest name leaves the others as they are.
    """
    folded = [0] * len(grid.rows)
    for i, width in enumerate(given.widths):
        c = grid.column[i]
        if given.heights[i] <= CARD:
            folded[c] = max(folded[c], width)
        if previous and i < len(previous.column) and previous.column[i] == c and previous.h[i] <= CARD:
            folded[c] = max(folded[c], previous.w[i])
    return [
        max(width if given.heights[i] > CARD else 0, folded[grid.column[i]]) for i, width in enumerate(given.widths)
    ]


def _route(
    grid: _Grid, y: list[int], w: list[int], chain: list[int], column_x: list[int], column_w: list[int]
) -> list[Point]:
    route: list[Point] = []
    for k, item in enumerate(chain):
        c = grid.column[item]
        level = y[item] + grid.port(item)
        route.append((column_x[c] + (0 if k else w[item]), level))
        if k + 1 < len(chain) and (k or w[item] < column_w[c]):
            route.append((column_x[c] + column_w[c], level))
    return route
