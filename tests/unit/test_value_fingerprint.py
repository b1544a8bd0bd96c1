"""A value's fingerprint: equal only for equal content, whatever the objects are; the same in every process."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import value_zoo
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from dagbook.fingerprint import objects
from dagbook.fingerprint.parts import known, unknown
from dagbook.fingerprint.value import fingerprint, register, set_code_fingerprint

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass")

SEED = int(os.environ.get("DAGBOOK_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
ZOO = value_zoo.ZOO
DIFFERENT = value_zoo.DIFFERENT


@pytest.fixture(autouse=True)
def _classes_by_name(monkeypatch):
    monkeypatch.setattr(objects, "_code_fingerprint", value_zoo.code_by_name)


@pytest.mark.parametrize("name", ZOO)
def test_equal_content_made_twice_has_one_fingerprint(name):
    first, second = ZOO[name](), ZOO[name]()
    assert known(fingerprint(first))
    assert fingerprint(first) == fingerprint(second)
    assert fingerprint(first) == fingerprint(first), "taking a fingerprint changed the value"
    assert fingerprint([first, [second]]) == fingerprint([first, [first]])


def test_no_two_kinds_in_the_zoo_share_a_fingerprint():
    found = {}
    for name, make in ZOO.items():
        digest = fingerprint(make())
        assert digest not in found, f"{name} has the fingerprint of {found[digest]}"
        found[digest] = name


@pytest.mark.slow
def test_fingerprints_are_the_same_in_other_processes_with_other_hash_seeds():
    ours = {name: fingerprint(make()).hex() for name, make in ZOO.items()}
    for hash_seed in ("1", "2", "77"):
        theirs = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("value_zoo.py"))],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(theirs.stdout.splitlines()[-1]) == ours


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_content_has_different_fingerprints(name):
    values = DIFFERENT[name]()
    digests = [fingerprint(value) for value in values]
    assert all(map(known, digests))
    assert len(set(digests)) == len(values)
    assert len({fingerprint({"in": (value, {1.5, ()})}) for value in values}) == len(values)


@pytest.mark.parametrize("name", value_zoo.SAME)
def test_layout_and_sharing_do_not_count(name):
    values = value_zoo.SAME[name]()
    digests = {fingerprint(value) for value in values}
    assert len(digests) == 1
    assert known(digests.pop())


@pytest.mark.parametrize("name", value_zoo.UNKNOWN)
def test_what_cannot_be_told_equals_nothing(name):
    value = value_zoo.UNKNOWN[name]()
    assert not known(fingerprint(value))
    assert fingerprint(value) != fingerprint(value)
    assert not known(fingerprint({"deep": [1, (value, 2)]}))


@pytest.mark.parametrize("name", value_zoo.HOSTILE)
def test_hostile_types_never_crash_and_are_never_compared(name):
    value_zoo.CALLED.clear()
    value = value_zoo.HOSTILE[name]()
    fingerprint(value)
    fingerprint([value, {"k": value}] * 20)
    assert value_zoo.CALLED == []


def test_a_reduce_that_raises_or_returns_nonsense_makes_the_whole_unknown():
    for name in ("reduce raises", "reduce gives nonsense", "state raises", "reduce gives a name"):
        assert not known(fingerprint([value_zoo.HOSTILE[name]()]))


def nested(wrap, leaf, depth):
    for _ in range(depth):
        leaf = wrap(leaf)
    return leaf


DEEP = {
    "lists": lambda x: [x],
    "tuples": lambda x: (x,),
    "dicts": lambda x: {"k": x},
    "objects": lambda x: value_zoo.Point(x, None),
    "beside sets": lambda x: [x, {1, "a"}],
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("depth", [400, 990, 1_500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_depth_has_no_limit(kind, depth):
    one, same, other = (fingerprint(nested(DEEP[kind], leaf, depth)) for leaf in (1, 1, 2))
    assert known(one)
    assert one == same != other
    assert fingerprint(nested(DEEP[kind], 1, depth + 1)) != one


def test_depth_has_no_limit_even_when_the_recursion_limit_was_raised():
    code = (
        "import sys; sys.setrecursionlimit(10**6)\n"
        "from dagbook.fingerprint.value import fingerprint\n"
        "x = 1\n"
        "for _ in range(200_000): x = (x,)\n"
        "print(len(fingerprint(x)))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "16")


def test_a_fingerprint_does_not_depend_on_how_deep_the_caller_is():
    value = 1
    for _ in range(400):
        value = [value]

    def from_below(levels):
        return fingerprint(value) if levels == 0 else from_below(levels - 1)

    assert len({from_below(levels) for levels in (0, 50, 300, 600)}) == 1


def test_cycles_are_told_by_their_shape():
    def ring(length, leaf):
        first = rest = [leaf]
        for _ in range(length - 1):
            rest.append([leaf])
            rest = rest[-1]
        rest.append(first)
        return first

    assert known(fingerprint(ring(1, 0)))
    digests = {fingerprint(ring(length, leaf)) for length in (1, 2, 3, 50) for leaf in (0, 1)}
    assert len(digests) == 8
    assert fingerprint(ring(3, 0)) == fingerprint(ring(3, 0))


def test_cycles_that_point_to_different_places_differ():
    def knot(back_to):
        outer, middle, inner = [0], [0], [0]
        outer.append(middle)
        middle.append(inner)
        inner.append((outer, middle, inner)[back_to])
        return outer

    assert len({fingerprint(knot(place)) for place in range(3)}) == 3


def test_a_cycle_through_a_set_of_objects_is_unknown_not_a_crash():
    node = value_zoo.Slot()
    node.a = {node, value_zoo.Slot()}
    assert not known(fingerprint(node))


@pytest.mark.slow
def test_objects_in_very_many_places_are_read_once():
    bomb, wide = [1.5], ["x"]
    for _ in range(200):
        bomb = [bomb, {2}, bomb]
    for _ in range(12):
        wide = [wide] * 50
    assert known(fingerprint(bomb))
    assert known(fingerprint(wide))


def test_a_registered_type_is_told_by_its_function():
    class Handle:
        def __init__(self, url):
            self.url, self.lock = url, threading.Lock()

    assert not known(fingerprint(Handle("a")))
    register(Handle, lambda handle: handle.url)
    try:
        assert fingerprint(Handle("a")) == fingerprint(Handle("a")) != fingerprint(Handle("b"))
        assert fingerprint(Handle("a")) != fingerprint("a")
    finally:
        del objects._derivable[id(Handle)]


def test_the_code_of_its_class_is_part_of_an_instance(monkeypatch):
    before = fingerprint(value_zoo.Point(1, 2.0))
    monkeypatch.setattr(objects, "_code_fingerprint", lambda code: b"another digest!!")
    assert fingerprint(value_zoo.Point(1, 2.0)) != before
    monkeypatch.setattr(objects, "_code_fingerprint", lambda code: unknown())
    assert not known(fingerprint(value_zoo.Point(1, 2.0)))


def test_installed_code_needs_no_seam(monkeypatch):
    monkeypatch.setattr(objects, "_code_fingerprint", lambda code: unknown())
    assert known(fingerprint([len, json.dumps, json, dict, str.upper, random.Random(3)]))
    for own in (value_zoo.Point, value_zoo.code_by_name, value_zoo, lambda: 1):
        assert not known(fingerprint([own]))


def test_set_code_fingerprint_replaces_the_seam(monkeypatch):
    monkeypatch.setattr(objects, "_code_fingerprint", None)
    set_code_fingerprint(lambda code: b"0123456789abcdef")
    assert known(fingerprint(value_zoo.Point))


LEAVES = [0, 1, True, 1.0, "1", b"1", None, -0.0, 0.0, float("inf"), "é", "", (), 1j, 2**70]
WRAPS = [
    lambda leaf, rest: [rest, leaf],
    lambda leaf, rest: (leaf, rest),
    lambda leaf, rest: {"a": rest, "leaf": leaf},
    lambda leaf, rest: {"leaf": leaf, "set": frozenset([rest, "b", 3])},
    lambda leaf, rest: value_zoo.Point(leaf, rest),
    lambda leaf, rest: value_zoo.Slot(leaf, rest),
    lambda leaf, rest: value_zoo.Pair(leaf, rest),
    lambda leaf, rest: value_zoo.object_array(leaf, rest),
    lambda leaf, rest: value_zoo.object_series(leaf, rest),
    lambda leaf, rest: [rest] * 3 + list(range(40)) + [leaf],
]


@pytest.mark.slow
@seed(SEED)
@settings(max_examples=1000, deadline=None, database=None)
@given(
    st.integers(1, 12).flatmap(lambda depth: st.lists(st.integers(0, len(WRAPS) - 1), min_size=depth, max_size=depth)),
    st.integers(0, len(LEAVES) - 1),
    st.integers(0, len(LEAVES) - 1),
    st.randoms(use_true_random=False),
)
def test_one_changed_leaf_changes_the_fingerprint(wraps, old, new, rng):
    def build(changed_to, at):
        leaves = [LEAVES[(level * 7) % len(LEAVES)] for level in range(len(wraps) + 1)]
        leaves[at] = LEAVES[changed_to]
        value = leaves[-1]
        for leaf, wrap in zip(leaves, wraps, strict=False):
            try:
                value = WRAPS[wrap](leaf, value)
            except TypeError:  # what cannot be hashed cannot be in a set
                value = [leaf, value]
        return value

    at = rng.randrange(len(wraps) + 1)
    one, same, other = (fingerprint(build(leaf, at)) for leaf in (old, old, new))
    assert known(one), f"DAGBOOK_SEED={SEED}"
    assert one == same, f"DAGBOOK_SEED={SEED}"
    assert (one == other) == (old == new), f"DAGBOOK_SEED={SEED}"


class Bare:
    def __init__(self, x):
        self.x = x


class WithState(Bare):
    def __getstate__(self):
        return {"hidden": str(self.x)}


class WithSlots(Bare):
    __slots__ = ("y",)

    def __init__(self, x):
        self.x, self.y = 0, x


class WithMore(list):
    def __init__(self, x):
        self.x = 0
        self.append(x)


class WithReduce(Bare):
    def __reduce__(self):
        return Bare, (f"made of {self.x}",)


class WithOwnDict(Bare):
    __dict__ = property(lambda self: {"shown": str(self.x)})


@pytest.mark.parametrize("kind", [Bare, WithState, WithSlots, WithMore, WithReduce, WithOwnDict])
def test_many_objects_of_a_class_are_each_told_by_their_whole_content(kind):
    first, same, other = kind(1), kind(1), kind(2)
    assert known(fingerprint([first, same]))
    assert fingerprint([first, same]) == fingerprint([first, first])
    assert len({fingerprint([first, each]) for each in (same, other, kind(True), kind(1.0), kind((1,)))}) == 5
    assert fingerprint([other, first]) != fingerprint([first, other])


def test_of_many_objects_the_order_and_the_names_of_attributes_count():
    def made(**attributes):
        box = Bare(0)
        vars(box).clear()
        vars(box).update(attributes)
        return box

    boxes = [made(a=1, b=2), made(b=2, a=1), made(a=2, b=1), made(a=1), made(), made(a="b", b=2), made(a=[1], b=2)]
    assert len({fingerprint([Bare(0), box]) for box in boxes}) == len(boxes)
    assert all(fingerprint([Bare(0), box, box]) == fingerprint([Bare(0), box, made(**vars(box))]) for box in boxes)
