"""A description of a value is cheap and never raises; immutability is only claimed where it is sure."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import pathlib
import uuid
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import value_zoo

from dagbook.fingerprint.value import describe, immutable

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pd.DataFrame({"a": [1, 2]}), ("DataFrame", (2, 1), 148, "")),
        (np.zeros((2, 3)), ("ndarray", (2, 3), 48, "")),
        (pl.DataFrame({"a": [1, 2]}), ("DataFrame", (2, 1), 16, "")),
        (pa.table({"a": [1, 2]}), ("Table", (2, 1), 16, "")),
        ([1, 2, 3], ("list", (3,), 0, "")),
        ({"a": 1}, ("dict", (1,), 0, "")),
        ("word", ("str", (4,), 4, "'word'")),
        ("x" * 23, ("str", (23,), 23, "")),
        (b"abc", ("bytes", (3,), 3, "")),
        (7, ("int", (), 0, "7")),
        (10**30, ("int", (), 0, "")),
        (0.1, ("float", (), 0, "0.1")),
        (True, ("bool", (), 0, "True")),
        (None, ("NoneType", (), 0, "None")),
        (value_zoo.Point(1, 2), ("Point", (), 0, "")),
        (value_zoo.Figure(), ("Figure", (), 0, "")),
        (value_zoo.HistGradientBoostingRegressor(), ("HistGradientBoostingRegressor", (), 0, "")),
    ],
)
def test_a_description_has_type_shape_size_and_short_values(value, expected):
    assert describe(value) == expected


def test_a_number_too_long_to_print_is_not_printed():
    assert describe(10**5000) == ("int", (), 0, "")


@pytest.mark.parametrize("name", [*value_zoo.HOSTILE, *value_zoo.ZOO, *value_zoo.UNKNOWN])
def test_describing_never_raises_and_never_compares(name):
    value = {**value_zoo.HOSTILE, **value_zoo.ZOO, **value_zoo.UNKNOWN}[name]()
    value_zoo.CALLED.clear()
    kind, shape, size, text = describe(value)
    assert isinstance(kind, str)
    assert all(type(length) is int for length in shape)
    assert type(size) is int
    assert len(text) <= 24
    assert immutable(value) in (True, False)
    assert value_zoo.CALLED == []


IMMUTABLE = [
    *(None, ..., True, 3, 1.5, 2j, "a", b"a", range(3), (), (1, ("a", (None,))), frozenset({1, (2,)})),
    *(decimal.Decimal(1), fractions.Fraction(1, 2), uuid.UUID(int=1), pathlib.Path("a"), value_zoo.Color.RED),
    *(dt.date(2020, 1, 1), dt.timedelta(1), dt.datetime(2020, 1, 1), dt.time(1, tzinfo=dt.UTC)),
    *(dt.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")), np.float64(1), np.int64(1), np.bool_(True)),
]

MUTABLE = [
    *([], {}, set(), bytearray(), ([],), (1, (2, ({},))), frozenset({(1, value_zoo.Point)}), value_zoo.Point(1, 2)),
    *(np.zeros(1), pd.Series([1]), value_zoo.Pair([], 1), value_zoo.Meters(1.5), lambda: 1, (*range(1000), [])),
    np.zeros(1, dtype="i4,i4")[0],
]


@pytest.mark.parametrize("value", IMMUTABLE, ids=lambda value: type(value).__name__)
def test_what_cannot_change_is_immutable(value):
    assert immutable(value) is True


@pytest.mark.parametrize("value", MUTABLE, ids=lambda value: type(value).__name__)
def test_what_could_change_is_not_called_immutable(value):
    assert immutable(value) is False


def test_a_tuple_that_holds_itself_or_very_much_is_not_searched_to_the_end():
    box: list = []
    ring = (box,)
    box.append(ring)
    assert immutable(ring) is False
    assert immutable((1,) * 10_000_000) is False


def test_a_range_too_long_to_count_is_described_without_its_length():
    assert describe(range(5)) == ("range", (5,), 0, "")
    assert describe(range(10**30)) == ("range", (), 0, "")


def test_a_class_that_claims_to_be_of_a_library_is_not_taken_for_its_types():
    def made(module):
        return type("Decimal", (), {"__module__": module})()

    space = {}
    exec("nameless = type('Decimal', (), {})()", space)
    nameless = space["nameless"]
    with pytest.raises(AttributeError):
        type(nameless).__module__
    for value in (made("decimal"), made("no.such.library"), made(5), made("decimal.inner"), nameless):
        assert immutable(value) is False
    assert immutable((1, decimal.Decimal(1))) is True


def test_a_builtin_subclass_is_not_taken_for_the_builtin():
    class Count(int):
        pass

    assert describe(Count(3)) == ("Count", (), 0, "")
    assert immutable(Count(3)) is False
