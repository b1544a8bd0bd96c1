# ruff: noqa: E501, C408 (a table: one change a line)
"""A key holds all that a result depends on, and the difference of two is told truthfully, the most telling first."""

from __future__ import annotations

from typing import Any

import pytest

from dagbook.fingerprint.code import reach
from dagbook.fingerprint.digests import leaf
from dagbook.fingerprint.key import Stem, combine, difference, lines_changed, make_key, sentence, stem
from dagbook.fingerprint.parts import Part, known, unknown


def node(a, b=1):  # type: ignore[no-untyped-def]
    return a + b


A, B = leaf("value", "a"), leaf("value", "b")
REACH = reach(node)


def part(kind: str, name: str, content: str = "", text: str = "", where: str = "") -> Part:
    return Part(kind, name, leaf("test", content or text), where, text)


def said(old: list[Part], new: list[Part]) -> list[str]:
    return [sentence(change) for change in difference(old, new)]


def test_the_same_values_give_the_same_key() -> None:
    assert make_key(REACH, [("a", A), ("b", B)]).digest == make_key(REACH, [("a", A), ("b", B)]).digest


@pytest.mark.parametrize(
    "other",
    [
        dict(inputs=[("a", B), ("b", A)]),
        dict(inputs=[("b", A), ("a", B)]),
        dict(inputs=[("a", A)]),
        dict(inputs=[("a", A)], parameters=[("b", B)]),
        dict(inputs=[("a", A), ("b", B)], options=[("each", A)]),
        dict(inputs=[("a", A), ("b", B)], seed=A),
    ],
    ids=str,
)
def test_another_value_name_or_role_gives_another_key(other: dict[str, Any]) -> None:
    assert make_key(REACH, **other).digest != make_key(REACH, [("a", A), ("b", B)]).digest


def test_the_fast_way_gives_the_same_digest() -> None:
    base = stem(REACH.digest, ["input a", "parameter b"])
    assert combine(base, [A, B]) == make_key(REACH, [("a", A)], [("b", B)]).digest


@pytest.mark.parametrize("count", [1, 2, 17])
def test_one_unknown_value_makes_the_key_unknown(count: int) -> None:
    key = make_key(REACH, [("a", unknown())] * count)
    assert not known(key.digest)
    assert not known(combine(unknown(), [A] * count))
    assert key.digest != make_key(REACH, [("a", unknown())] * count).digest


SENTENCES = [
    (part("code", "n", text="a\nb\nc", where="cell 3"), part("code", "m", text="a\nB\nC", where="cell 3"), "its code changed (2 lines, cell 3)"),
    (part("helper", "_scale", text="x = 1"), part("helper", "_scale", text="x = y", where="cell 2"), "helper `_scale` changed (1 line, cell 2)"),
    (part("constant", "LATE", text="15"), part("constant", "LATE", text="20", where="cell 1"), "constant `LATE` changed from 15 to 20 (cell 1)"),
    (part("constant", "CFG", "1", "dict"), part("constant", "CFG", "2", "dict"), "constant `CFG` changed"),
    (part("constant", "BIG", "1", "0.5"), part("constant", "BIG", "2", "0.5"), "constant `BIG` changed"),
    (part("default", "n", text="3"), part("default", "n", text="5"), "default `n` changed from 3 to 5"),
    (part("class", "Trip", "1"), part("class", "Trip", "2", where="cell 4"), "class `Trip` changed (cell 4)"),
    (part("module", "steps.clean", text="a"), part("module", "steps.clean", text="b", where="steps.py"), "module `steps` changed (`steps.clean`, 1 line, steps.py)"),
    (part("input", "clean", "1"), part("input", "clean", "2"), "input `clean` changed"),
    (part("parameter", "n", "1"), part("parameter", "n", "2", "10"), "parameter `n` was set to 10"),
    (part("parameter", "n", "1"), part("parameter", "n", "2"), "parameter `n` changed"),
    (part("file", "data/trips.csv", "1"), part("file", "data/trips.csv", "2"), "file `data/trips.csv` changed"),
    (part("package", "pandas 2.3.1"), part("package", "pandas 3.0.0", "2"), "pandas went from 2.3.1 to 3.0.0"),
    (part("python", "3.11"), part("python", "3.12", "2"), "Python went from 3.11 to 3.12"),
    (part("helper", "_scale"), part("missing", "_scale", "no"), "`_scale` is no longer defined"),
    (part("missing", "_scale"), part("class", "_scale", "2"), "`_scale` is defined now"),
    (None, part("missing", "x"), "`x` is not defined"),
    (None, part("package", "pandas 3.0.0"), "pandas 3.0.0 is used now"),
    (None, part("parameter", "n", text="10"), "parameter `n` was set to 10"),
    (part("helper", "f"), None, "helper `f` is no longer used"),
    (part("seed", "seed", "1"), part("seed", "seed", "2"), "the seed changed"),
    (part("constant", "lock"), Part("constant", "lock", unknown()), "constant `lock` cannot be compared"),
    (part("helper", "X", "1"), part("constant", "X", "2", "5"), "constant `X` changed"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), SENTENCES, ids=[row[2] for row in SENTENCES])
def test_a_change_is_said_in_plain_words(old: Part | None, new: Part | None, expected: str) -> None:
    assert said([old] if old else [], [new] if new else []) == [expected]


def test_equal_parts_differ_in_nothing_whatever_their_texts_and_places_say() -> None:
    old = [part("code", "n", "1", "a", "cell 1"), part("closure", "k", "1")]
    new = [part("code", "m", "1", "b", "cell 2"), part("closure", "factor", "1")]
    assert difference(old, new) == ()


def test_the_most_telling_change_comes_first() -> None:
    kinds = ["python", "package", "file", "input", "default", "module", "constant", "class", "helper", "code"]
    changes = difference([part(k, "x 1", "1") for k in kinds], [part(k, "x 1", "2") for k in kinds if k != "constant"])
    assert (changes[0].kind, changes[-1].kind) == ("code", "python")


def test_comments_and_blank_lines_are_not_counted() -> None:
    assert lines_changed("a = 1\nb = 2", "# why\na = 1  # one\n\nb = 3") == 1
    assert lines_changed("a = '# 1'", "a = '# 2'") == 1
    assert lines_changed("", "a") == 0


def test_a_stem_gives_the_keys_that_are_made_in_one_go() -> None:
    p, s = leaf("value", "p"), leaf("value", "s")
    made = Stem(REACH, [("input", "a"), ("input", "b"), ("parameter", "p"), ("seed", "seed")])
    key = made.key([A, B, p, s], {"p": "7"})
    whole = make_key(REACH, [("a", A), ("b", B)], parameters=[("p", p)], seed=s, texts={"p": "7"})
    assert key.digest == whole.digest
    assert key.parts == whole.parts
    assert key.parts[: len(REACH.parts)] == REACH.parts
    assert [(part.kind, part.name, part.digest, part.text) for part in key.parts[-3:]] == [
        ("input", "b", B, ""),
        ("parameter", "p", p, "7"),
        ("seed", "seed", s, ""),
    ]


def test_a_key_keeps_the_values_that_it_was_made_of() -> None:
    values = [A]
    key = Stem(REACH, [("input", "a")]).key(values)
    before = key.parts
    values[0] = B
    assert key.parts == before


def test_a_stem_with_an_unknown_value_gives_a_key_that_equals_none() -> None:
    made = Stem(REACH, [("input", "a")])
    value = unknown()
    first, second = made.key([value]), made.key([value])
    assert not known(first.digest)
    assert first.digest != second.digest
