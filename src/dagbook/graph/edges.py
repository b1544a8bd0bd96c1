"""Who needs whom, in integers: what a DAG keeps, and what its topologies share."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import wraps
from itertools import chain
from operator import lt
from typing import Any, TypeVar

from dagbook.errors import CycleError, DuplicateNodeError, GraphError
from dagbook.graph.compose import NewNode
from dagbook.graph.node import check_label
from dagbook.graph.topology import topological

STEP = 1 << 512
"""The room between two labels: thousands of nodes can be put between two others before labels are made anew."""

Rows = list[list[int]]
Many = TypeVar("Many", bound=Collection[Any])
Result = TypeVar("Result")


def _in_bulk(work: Callable[[Edges, Many], Result]) -> Callable[[Edges, Many], Result]:
    """Without the garbage collector when there is much to do: it would look three times at what is only being made."""

    @wraps(work)
    def working(edges: Edges, many: Many) -> Result:
        if len(many) < 1000 or not gc.isenabled():
            return work(edges, many)
        gc.disable()
        try:
            return work(edges, many)
        finally:
            gc.enable()

    return working


class Edges:
    """Nodes by number, and the edges between them, among which there is never a cycle.

    Every node has a label, and every edge goes from a smaller label to a greater one. So an edge that fits the labels
    is added without a look at the graph; for one that does not, only what lies between its ends is searched, and the
    smaller side of it gets new labels. A node's label is its number times STEP until it has to move.

    The number of a removed node stays behind without a name, and rows may still mention it, until the numbers are
    made anew. Rows are shared with topologies and copies; they are copied before their first change.
    """

    __slots__ = (
        "_copied",
        "_holes",
        "_label",
        "_natural",
        "_shared",
        "_sorted",
        "count",
        "index",
        "names",
        "preds",
        "succs",
    )

    def __init__(self) -> None:
        self.index: dict[str, int] = {}  # its order is the order of definition
        self.names: list[str] = []
        self.preds: Rows = []
        self.succs: Rows = []
        self.count = 0
        self._label: dict[int, int] = {}  # of the nodes that have moved
        self._holes = 0
        self._natural = True  # numbers are in the order of definition, and every edge goes to a greater one
        self._sorted = True  # numbers are the order that a topology has
        self._shared = 0  # rows of smaller numbers are shared, but for those in _copied: i for preds, ~i for succs
        self._copied: set[int] = set()

    # -- nodes

    @_in_bulk
    def add(self, names: Collection[str]) -> None:
        """New nodes. Raises DuplicateNodeError."""
        size = len(self.names)
        new = dict(zip(names, range(size, size + len(names)), strict=True))
        if len(new) < len(names) or not self.index.keys().isdisjoint(new):
            refuse_duplicate(names, self.index)
        self.index.update(new)
        self.names += names
        self.preds += [[] for _ in names]
        self.succs += [[] for _ in names]

    def drop(self, slots: Iterable[int]) -> None:
        """Remove nodes and their edges: numbers may change. The cost is that of their edges."""
        for slot in slots:
            self.count -= len(self.needs(slot)) + len(self.needed_by(slot))
            del self.index[self.names[slot]]
            self.names[slot] = ""
            self.preds[slot], self.succs[slot] = [], []
            self._holes += 1
        self._sorted = False
        if self._holes > len(self.index):
            self._sort()

    def needs(self, slot: int) -> list[int]:
        """The nodes that a node needs."""
        return [i for i in self.preds[slot] if self.names[i]] if self._holes else self.preds[slot]

    def needed_by(self, slot: int) -> list[int]:
        """The nodes that need a node."""
        return [i for i in self.succs[slot] if self.names[i]] if self._holes else self.succs[slot]

    # -- edges

    def has(self, a: int, b: int) -> bool:
        """Whether ``b`` needs ``a``. The shorter row is read: a node may have very many neighbours."""
        succs, preds = self.succs[a], self.preds[b]
        return b in succs if len(succs) < len(preds) else a in preds

    def link(self, a: int, b: int) -> bool:
        """Make ``b`` need ``a``; False when it does already. Raises CycleError."""
        if self.has(a, b):
            return False
        if self._at(a) >= self._at(b):
            self._make_room(a, b)
        if a > b:
            self._natural = False
        self._own(self.preds, b, b).append(a)
        self._own(self.succs, a, ~a).append(b)
        self._sorted &= self._natural
        self.count += 1
        return True

    def unlink(self, a: int, b: int) -> None:
        """Take an edge out that is there."""
        self._own(self.preds, b, b).remove(a)
        self._own(self.succs, a, ~a).remove(b)
        self._sorted &= self._natural
        self.count -= 1

    @_in_bulk
    def connect(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Add edges between names, and the nodes that are missing, which are returned; all or nothing.

        Raises CycleError, and GraphError for what is no pair of names.
        """
        if not pairs:
            return []
        _check_pairs(pairs)
        size = len(self.names)
        new: list[str] = []
        try:
            ends = list(map(self.index.__getitem__, chain.from_iterable(pairs)))
        except (KeyError, TypeError):  # a new node, or what is no name: a list cannot even be looked up
            new = self._missing(pairs)
            self.add(new)
            ends = list(map(self.index.__getitem__, chain.from_iterable(pairs)))
        link = self._link_few if len(pairs) < size // 8 else self._link_many
        try:
            link(ends[::2], ends[1::2])
        except CycleError:
            self._truncate(size)
            raise
        return new

    def _missing(self, pairs: Iterable[Iterable[Any]]) -> list[str]:
        ends = list(chain.from_iterable(pairs))
        try:
            missing = [name for name in dict.fromkeys(ends) if name not in self.index]
        except TypeError:  # a list, a dict, …: refused below like all else that is no name
            missing = ends
        for name in missing:
            check_label(name)
        return missing

    def _link_few(self, sources: list[int], targets: list[int]) -> None:
        done = []
        try:
            for pair in zip(sources, targets, strict=True):
                if self.link(*pair):
                    done.append(pair)
        except CycleError:
            for pair in reversed(done):
                self.unlink(*pair)
            raise

    def _link_many(self, sources: list[int], targets: list[int]) -> None:
        self._own_all()
        fits = not self._label and all(map(lt, sources, targets))
        preds, succs = self.preds, self.succs
        for a, b in zip(sources, targets, strict=True):
            preds[b].append(a)
            succs[a].append(b)
        if fits:
            self._sorted &= self._natural
        else:
            try:
                order = topological(self.names, preds, self.index.values())
            except CycleError:
                for a, b in zip(reversed(sources), reversed(targets), strict=True):
                    preds[b].pop()
                    succs[a].pop()
                raise
        self.count += len(sources) - self._distinct()
        if not fits:
            self._renumber(order)

    def _distinct(self) -> int:
        """Leave the first of equal edges; how many were taken out."""
        several = [row for row in self.preds if len(row) > 1]
        surplus = sum(map(len, several)) - sum(map(len, map(set, several)))
        if surplus:
            self.preds = [list(dict.fromkeys(row)) for row in self.preds]
            self.succs = [list(dict.fromkeys(row)) for row in self.succs]
        return surplus

    def _truncate(self, size: int) -> None:
        for slot in range(size, len(self.names)):
            del self.index[self.names[slot]]
        del self.names[size:], self.preds[size:], self.succs[size:]

    # -- growth

    def grow(self, add: Sequence[NewNode], remove: Collection[int]) -> None:
        """Remove nodes, and add others with their edges: all or nothing. Numbers may change. Raises CycleError.

        The cost is that of the edges that come and go, wherever in the graph that is.
        """
        if not remove and self._fan_out(add):
            return
        size = len(self.names)
        rows = [(slot, self.preds[slot], self.succs[slot]) for slot in remove]
        for slot in remove:  # no way leads through them from now on; they keep their place until all is well
            self.preds[slot], self.succs[slot] = [], []
        try:
            for node in add:
                self._place(node)
            index = self.index
            needs = [(need, node.name) for node in add for need in node.needs]
            needed = [(node.name, by) for node in add for by in node.needed_by]
            pairs = needs + needed
            self._link_few([index[a] for a, _ in pairs], [index[b] for _, b in pairs])
        except CycleError:
            self._restore(rows)
            self._truncate(size)
            if rows:
                self._spread(topological(self.names, self.preds, self.index.values()))
            raise
        self._restore(rows)
        if remove:
            self.drop(remove)

    def _fan_out(self, add: Sequence[NewNode]) -> bool:
        """Add nodes none of which needs another, when all that they need comes before all that need them."""
        index, new = self.index, {node.name for node in add}
        above = {name for node in add for name in node.needs}
        below = {name for node in add for name in node.needed_by}
        if not (new.isdisjoint(above) and new.isdisjoint(below)):
            return False
        size = len(self.names)
        low = max((self._at(index[name]) for name in above), default=-1)
        high = min((self._at(index[name]) for name in below), default=(size + 8) * STEP)
        between = low + (high - low) // 8  # one label for all: they may stand in any order
        if between <= low or (not below and low >= size * STEP):
            return False
        self.add([node.name for node in add])
        for slot, node in enumerate(add, size):
            needs = self.preds[slot] = [index[name] for name in dict.fromkeys(node.needs)]
            needed_by = self.succs[slot] = [index[name] for name in dict.fromkeys(node.needed_by)]
            for need in needs:
                self._own(self.succs, need, ~need).append(slot)
            for by in needed_by:
                self._own(self.preds, by, by).append(slot)
            self.count += len(needs) + len(needed_by)
            if below:
                self._label[slot] = between
            else:
                self._label.pop(slot, None)  # of a node that once had this number
        self._natural = self._natural and not below
        self._sorted &= self._natural
        return True

    def _restore(self, rows: Iterable[tuple[int, list[int], list[int]]]) -> None:
        for slot, preds, succs in rows:
            self.preds[slot], self.succs[slot] = preds, succs

    def _place(self, node: NewNode) -> None:
        """A new node with a label between those that it needs and those that need it, where there is such a place."""
        slot = len(self.names)
        self.add((node.name,))
        after = [i for name in node.needs if (i := self.index.get(name)) is not None]
        before = [i for name in node.needed_by if (i := self.index.get(name)) is not None]
        if not before:
            return
        high = min(map(self._at, before))
        low = max(map(self._at, after), default=high - STEP)
        if low < high:
            self._label[slot] = low + (high - low + 7) // 8

    # -- labels

    def _at(self, slot: int) -> int:
        return self._label[slot] if slot in self._label else slot * STEP

    def _make_room(self, a: int, b: int) -> None:
        """Change labels so that ``a`` comes before ``b``. Raises CycleError when ``a`` needs ``b``.

        Either what lies below ``b`` moves behind ``a``, or what lies above ``a`` moves before ``b``: both are
        searched in turns, and the side that is known first moves.
        """
        if a == b:
            raise CycleError([self.names[a], self.names[a]])
        below, above = {b: a}, {a: b}
        down, up = self._reach(below, b, a, 1), self._reach(above, a, b, -1)
        while True:
            if next(down, None) is None:
                return self._move(below, a, 1)
            if next(up, None) is None:
                return self._move(above, b, -1)

    def _reach(self, came: dict[int, int], start: int, goal: int, sign: int) -> Iterator[bool]:
        """Walk from ``start``, down or up, one node at a time and no further than the label of ``goal``."""
        rows = self.succs if sign > 0 else self.preds
        limit = sign * self._at(goal)
        queue = [start]
        for at in queue:
            for other in rows[at]:
                if other not in came and sign * self._at(other) <= limit and self.names[other]:
                    came[other] = at
                    queue.append(other)
            if goal in came:
                path = [goal, came[goal]]
                while path[-1] != goal:
                    path.append(came[path[-1]])
                raise CycleError([self.names[i] for i in path[::-sign]])
            yield True

    def _move(self, moved: Collection[int], goal: int, sign: int) -> None:
        """Give nodes labels just behind (or before) that of ``goal``, in the order that they have."""
        rows = self.succs if sign > 0 else self.preds
        limit = sign * self._at(goal)
        ahead = (sign * self._at(i) for m in moved for i in rows[m] if i not in moved and self.names[i])
        step = (min(ahead, default=limit + STEP) - limit) // (len(moved) + 8)
        if not step:
            self._spread(sorted(self.index.values(), key=self._at))
            return self._move(moved, goal, sign)
        ordered = sorted(moved, key=lambda i: sign * self._at(i))
        self._label.update((i, sign * (limit + n * step)) for n, i in enumerate(ordered, 1))
        return None

    def _spread(self, order: Iterable[int]) -> None:
        self._label = {slot: n * STEP for n, slot in enumerate(order)}

    # -- numbers and sharing

    def freeze(self) -> tuple[list[str], dict[str, int], Rows, Rows]:
        """Names, index, preds and succs for a topology: numbers without gaps, in topological order."""
        if not self._sorted:
            self._sort()
        self._share()
        return list(self.names), dict(self.index), list(self.preds), list(self.succs)

    def copy(self) -> Edges:
        """An independent copy."""
        self._share()
        twin = Edges()
        twin.names, twin.index, twin.count = list(self.names), dict(self.index), self.count
        twin.preds, twin.succs, twin._label = list(self.preds), list(self.succs), dict(self._label)
        twin._holes, twin._natural, twin._sorted = self._holes, self._natural, self._sorted
        twin._share()
        return twin

    def _sort(self) -> None:
        self._renumber(topological(self.names, self.preds, self.index.values()))

    def _renumber(self, order: list[int]) -> None:
        place = [-1] * len(self.names)
        for new, old in enumerate(order):
            place[old] = new
        self.names = [self.names[old] for old in order]
        self.preds = [[place[i] for i in self.preds[old] if place[i] >= 0] for old in order]
        self.succs = [[] for _ in order]
        for i, row in enumerate(self.preds):
            for p in row:
                self.succs[p].append(i)
        self.index = {name: place[slot] for name, slot in self.index.items()}
        self._natural = all(map(int.__eq__, self.index.values(), range(len(order))))
        self._sorted = True
        self._label.clear()
        self._holes = self._shared = 0
        self._copied.clear()

    def _share(self) -> None:
        self._shared = len(self.names)
        self._copied.clear()

    def _own(self, rows: Rows, slot: int, mark: int) -> list[int]:
        if slot < self._shared and mark not in self._copied:
            rows[slot] = list(rows[slot])
            self._copied.add(mark)
        return rows[slot]

    def _own_all(self) -> None:
        if self._shared:
            self.preds = list(map(list, self.preds))
            self.succs = list(map(list, self.succs))
            self._shared = 0
            self._copied.clear()


def refuse_duplicate(names: Iterable[str], known: Collection[str] = ()) -> None:
    """Raise DuplicateNodeError for the first name that is known, or comes a second time."""
    seen = set(known)
    for name in names:
        if name in seen:
            raise already(name)
        seen.add(name)


def already(name: str) -> DuplicateNodeError:
    """The error for a second node of one name."""
    return DuplicateNodeError(f"a node called {name!r} is there already. Give one of them another name.")


def _check_pairs(pairs: Collection[Any]) -> None:
    """Raise GraphError for what is no pair. Whether its two parts are names is seen when they are looked up."""
    if set(map(type, pairs)) <= {tuple, list} and set(map(len, pairs)) == {2}:
        return
    for pair in pairs:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise GraphError(f'an edge is a pair of names like ("load", "clean"), not {pair!r}.')
