"""Values of many types, for the tests of fingerprints. Run as a module, it prints their fingerprints as JSON."""

from __future__ import annotations

import array
import collections
import copyreg
import datetime as dt
import decimal
import enum
import fractions
import functools
import io
import itertools
import json
import operator
import pathlib
import random
import re
import socket
import tempfile
import threading
import types
import uuid
import zoneinfo
from dataclasses import dataclass
from hashlib import md5
from typing import Any, NamedTuple

import attrs
import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import scipy.sparse as sp
from matplotlib.figure import Figure
from PIL import Image
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

mpl.use("agg")


def code_by_name(code: Any) -> bytes:
    """Stands for the digest of project code."""
    return md5(getattr(code, "__qualname__", code.__name__).encode()).digest()


@dataclass
class Point:
    x: Any
    y: Any


class Slot:
    __slots__ = ("__weakref__", "a", "b")

    def __init__(self, *values: Any) -> None:
        for name, value in zip("ab", values, strict=False):
            setattr(self, name, value)


class Pair(NamedTuple):
    first: Any
    second: Any


@attrs.define
class Attrs:
    x: int
    y: set


class Model(pydantic.BaseModel):
    x: int
    y: list[str] = []


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Words(list):
    pass


class Tags(set):
    pass


class Meters(float):
    pass


class Table(pd.DataFrame):
    _metadata = ["source"]  # noqa: RUF012 (as pandas has it)

    @property
    def _constructor(self):
        return Table


class Signal(np.ndarray):
    pass


class Echo(np.ndarray):
    pass


class AsList:
    def __reduce__(self):
        return list, ((1,),)


class AsListToo(AsList):
    pass


class AsSlot:
    def __reduce__(self):
        return copyreg.__newobj__, (Slot,), {}


class AsSlotToo(AsSlot):
    pass


def table(source: str) -> Table:
    made = Table({"a": [1]})
    made.source = source
    return made


def signal(rate: int) -> Signal:
    made = np.arange(3.0).view(Signal)
    made.rate = rate
    return made


def object_array(*values: Any) -> np.ndarray:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def object_series(*values: Any) -> pd.Series:
    return pd.Series(object_array(*values), dtype=object)


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "int": [1, 2, 3],
            "str": ["x", None, "zé"],
            "category": pd.Categorical(["u", "v", "u"], categories=["v", "u", "w"]),
            "tz": pd.date_range("2020", periods=3, tz="Europe/Paris"),
            "Int64": pd.array([1, None, 3], dtype="Int64"),
            "Float64": pd.array([1.5, None, 3], dtype="Float64"),
            "boolean": pd.array([True, None, False], dtype="boolean"),
            "sparse": pd.arrays.SparseArray([0, 0, 1.5]),
            "interval": pd.interval_range(0, 3),
            "period": pd.period_range("2020", periods=3, freq="M"),
            "delta": pd.timedelta_range("1D", periods=3),
            "arrow": pd.array([1, None, 3], dtype="int64[pyarrow]"),
            "string": pd.array(["a", None, "c"], dtype="string[python]"),
            "object": object_array(1, {2, "x"}, None),
        }
    )


def polars_frame() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "int": [1, None],
            "str": ["x", "a string that is long"],
            "list": [[1], [2, 3]],
            "struct": [{"p": 1}, {"p": 2}],
            "cat": pl.Series(["a", "b"], dtype=pl.Categorical),
            "enum": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b", "c"])),
            "time": [dt.datetime(2020, 1, 1), None],
            "bool": [True, None],
            "decimal": [decimal.Decimal("1.1"), None],
            "bytes": [b"a", b"bb"],
        }
    )


def arrow_table() -> pa.Table:
    return pa.table(
        {
            "int": [1, None],
            "str": ["x", "y"],
            "list": [[1], None],
            "struct": [{"p": 1}, {"p": None}],
            "dict": pa.array(["a", "b"]).dictionary_encode(),
            "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
            "null": pa.nulls(2),
            "fixed": pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
            "view": pa.array(["a", None], pa.string_view()),
            "bytes": pa.array([b"ab", None], pa.binary(2)),
            "decimal": pa.array([decimal.Decimal("1.5"), None]),
            "time": pa.array([1, None], pa.timestamp("ns", "UTC")),
        }
    )


def _learnt(model: Any, classes: bool = False) -> Any:
    x = np.random.RandomState(0).rand(120, 3)
    y = x @ [1.0, 2.0, 3.0]
    return model.fit(x, y > 3 if classes else y)


def figure(scale: float = 1.0, title: str = "title", layout: str | None = None) -> Figure:
    made = Figure(layout=layout)
    axes = made.subplots()
    axes.plot(np.arange(300) * scale, label="line")
    drawn = axes.scatter([1, 2], [3, 4], c=[1, 2])
    axes.imshow(np.arange(4).reshape(2, 2))
    axes.hist(np.arange(9.0))
    axes.set_title(title)
    axes.legend()
    made.colorbar(drawn)
    made.suptitle(title)
    return made


ZOO: dict[str, Any] = {
    "none": lambda: None,
    "ellipsis": lambda: ...,
    "NotImplemented": lambda: NotImplemented,
    "ints": lambda: [0, -1, 2**31, 2**63, -(2**200)],
    "floats": lambda: [0.1, float("nan"), float("inf")],
    "text": lambda: ["", "a", "é", "\ud800", "x" * 100],
    "surrogate": lambda: "\udcff",
    "nested": lambda: {"a": [1, (2, {"b": None})], 3: b"x"},
    "set of strings": lambda: {"apple", "pear", "plum", "fig"},
    "mixed set": lambda: {1, "a", (2, frozenset({"b", 3.5})), None},
    "frozenset": lambda: frozenset({"apple", "pear"}),
    "sets of sets": lambda: [frozenset({frozenset({"a", "b"}), frozenset({"c", "d"})}), {"e": {"f", "g", 1}}],
    "set subclass": lambda: Tags({"apple", "pear", 1}),
    "list subclass": lambda: Words(["a"]),
    "float subclass": lambda: Meters(1.5),
    "range": lambda: range(1, 9, 2),
    "slice": lambda: slice(1, None),
    "complex": lambda: 1 + 2j,
    "bytearray": lambda: bytearray(b"abc"),
    "memoryview": lambda: memoryview(b"abc"),
    "array": lambda: array.array("d", [1, 2]),
    "OrderedDict": lambda: collections.OrderedDict(a=1, b=2),
    "defaultdict": lambda: collections.defaultdict(list, {"a": [1]}),
    "Counter": lambda: collections.Counter("abca"),
    "deque": lambda: collections.deque([1, 2], 5),
    "ChainMap": lambda: collections.ChainMap({"a": 1}),
    "namedtuple": lambda: Pair(1, 2),
    "Decimal": lambda: decimal.Decimal("1.0"),
    "Fraction": lambda: fractions.Fraction(1, 3),
    "UUID": lambda: uuid.UUID(int=5),
    "Path": lambda: pathlib.Path("a/b"),
    "date": lambda: dt.date(2020, 1, 2),
    "datetime": lambda: dt.datetime(2020, 1, 2, 3),
    "datetime utc": lambda: dt.datetime(2020, 1, 2, 3, tzinfo=dt.UTC),
    "datetime zone": lambda: dt.datetime(2020, 1, 2, 3, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    "timedelta": lambda: dt.timedelta(3),
    "pattern": lambda: re.compile("a+", re.I),
    "partial": lambda: functools.partial(int, base=3),
    "itemgetter": lambda: operator.itemgetter(1),
    "namespace": lambda: types.SimpleNamespace(a=1),
    "exception": lambda: ValueError("x"),
    "random": lambda: random.Random(1),
    "BytesIO": lambda: io.BytesIO(b"abc"),
    "StringIO": lambda: io.StringIO("abc"),
    "generic alias": lambda: list[int],
    "dataclass": lambda: Point(1, {"a", "b"}),
    "slots": lambda: Slot(1, [2]),
    "attrs": lambda: Attrs(1, {"x", "y"}),
    "pydantic": lambda: Model(x=1, y=["a"]),
    "enum": lambda: Color.RED,
    "class": lambda: Point,
    "function": lambda: code_by_name,
    "builtin": lambda: len,
    "method": lambda: "a".upper,
    "module": lambda: json,
    "ndarray": lambda: np.arange(12).reshape(3, 4),
    "empty ndarray": lambda: np.zeros((0, 3)),
    "0-d ndarray": lambda: np.array(5),
    "object ndarray": lambda: object_array(1, "a", {"x", "y"}),
    "structured": lambda: np.array([(1, 2.0)], dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "record": lambda: np.rec.array([(1, 2.0)], dtype=[("a", "i1"), ("b", "f8")]),
    "masked": lambda: np.ma.array([1, 2], mask=[0, 1]),
    "datetime64": lambda: np.array(["2020-01-02"], "M8[s]"),
    "longdouble": lambda: np.array([1.5, 2], "g"),
    "clongdouble": lambda: np.array([1.5, 2], "G"),
    "unicode": lambda: np.array(["a", "bb"]),
    "matrix": lambda: np.matrix([[1, 2]]),
    "float64": lambda: np.float64(1.5),
    "np.str_": lambda: np.str_("a"),
    "np.datetime64": lambda: np.datetime64("2020-01-02"),
    "dtype": lambda: np.dtype("f8"),
    "ufunc": lambda: np.add,
    "Generator": lambda: np.random.default_rng(1),
    "RandomState": lambda: np.random.RandomState(1),
    "array subclass": lambda: signal(3),
    "csr": lambda: sp.csr_matrix(np.eye(3)),
    "csc": lambda: sp.csc_array(np.eye(3)),
    "coo": lambda: sp.coo_array(np.eye(3)),
    "bsr": lambda: sp.bsr_array(np.eye(4)),
    "dia": lambda: sp.dia_array(np.eye(3)),
    "lil": lambda: sp.lil_matrix(np.eye(3)),
    "dok": lambda: sp.dok_matrix(np.eye(3)),
    "DataFrame": frame,
    "frame subclass": lambda: table("a"),
    "Series": lambda: pd.Series([1.0, np.nan], name="q"),
    "MultiIndex": lambda: pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["x", None]),
    "RangeIndex": lambda: pd.RangeIndex(5),
    "DatetimeIndex": lambda: pd.date_range("2020", periods=3),
    "CategoricalIndex": lambda: pd.CategoricalIndex(["a", "b"]),
    "Timestamp": lambda: pd.Timestamp("2020", tz="UTC"),
    "Timedelta": lambda: pd.Timedelta(1),
    "Period": lambda: pd.Period("2020-01"),
    "Interval": lambda: pd.Interval(0, 1),
    "NaT": lambda: pd.NaT,
    "NA": lambda: pd.NA,
    "offset": lambda: pd.offsets.MonthEnd(2),
    "polars": polars_frame,
    "polars series": lambda: pl.Series("a", [1, None]),
    "polars objects": lambda: pl.Series("a", [Point(1, 2)], dtype=pl.Object),
    "arrow": arrow_table,
    "record batch": lambda: pa.record_batch({"a": [1, 2]}),
    "arrow array": lambda: pa.array([1, None]),
    "chunked array": lambda: pa.chunked_array([[1], [None]]),
    "arrow scalar": lambda: pa.scalar(1),
    "schema": lambda: pa.schema([("a", pa.int8())]),
    "union": lambda: pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]),
    "run end": lambda: pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]),
    "linear model": lambda: _learnt(make_pipeline(StandardScaler(), LinearRegression())),
    "classifier": lambda: _learnt(LogisticRegression(), classes=True),
    "forest": lambda: _learnt(RandomForestRegressor(n_estimators=2, random_state=0)),
    "boosting": lambda: _learnt(HistGradientBoostingRegressor(max_iter=2, random_state=0)),
    "unfitted": lambda: LinearRegression(),
    "figure": figure,
    "constrained figure": lambda: figure(layout="constrained"),
    "tight figure": lambda: figure(layout="tight"),
    "axes": lambda: figure().axes[0],
    "image": lambda: Image.new("RGB", (3, 3), (1, 2, 3)),
}
"""Each makes a value, with equal content every time."""


def _changed(make: Any, change: Any) -> list[Any]:
    value = make()
    other = change(make())
    return [value, make() if other is None else other]


def _frames() -> list[Any]:
    base = {"a": [1, 2], "b": [3.0, 4.0]}
    named = pd.DataFrame(base)
    named.attrs["unit"] = "m"
    return [
        pd.DataFrame(base),
        pd.DataFrame({"a": [1, 2], "c": [3.0, 4.0]}),
        pd.DataFrame({"b": [3.0, 4.0], "a": [1, 2]}),
        pd.DataFrame({"a": [1, 2], "b": [3.0, 5.0]}),
        pd.DataFrame({"a": [1, 2], "b": [3, 4]}),
        pd.DataFrame(base, dtype="float64"),
        pd.DataFrame(base, dtype="float32"),
        pd.DataFrame(base, index=[0, 2]),
        pd.DataFrame(base, index=pd.Index([0, 1], name="i")),
        pd.DataFrame(base).rename_axis(columns="k"),
        pd.DataFrame(base).set_flags(allows_duplicate_labels=False),
        pd.DataFrame(base).convert_dtypes(),
        named,
        Table(base),
        pl.DataFrame(base),
        pa.table(base),
        base,
    ]


DIFFERENT: dict[str, Any] = {
    "scalars": lambda: [
        1,
        True,
        1.0,
        "1",
        b"1",
        1 + 0j,
        None,
        np.int64(1),
        np.float64(1),
        decimal.Decimal(1),
        Color.RED,
    ],
    "zeros": lambda: [0, False, 0.0, -0.0, "", b"", (), [], {}, set(), frozenset(), bytearray(), ..., "0"],
    "containers": lambda: [[1, 2], (1, 2), {1: 2}, {1, 2}, frozenset({1, 2}), collections.deque([1, 2]), Pair(1, 2)],
    "order": lambda: [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
    "nesting": lambda: [[[1], 2], [[1, 2]], [1, [2]], [1, 2], [[], 1, 2], [[[1]], 2]],
    "nested sets": lambda: [[{1}, 2.5], [{1, 2.5}], [{1, 2.5}, 2.5], {(1,), 2.5}, {1, (2.5,)}],
    "sets": lambda: [{1, 2}, {1, 3}, {"1", "2"}, {1.0, 2}, {1.0, 2.0}, {b"1", b"2"}, {(1, 2)}, {frozenset({1, 2})}],
    "text in pieces": lambda: [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""]],
    "large lists": lambda: [[0] * 100, [0] * 101, [0] * 99 + [False], [0] * 99 + [{0}], [0] * 99 + [{1}]],
    "decimals": lambda: [decimal.Decimal("1"), decimal.Decimal("1.0"), fractions.Fraction(1)],
    "times": lambda: [
        dt.datetime(2020, 1, 1),
        dt.datetime(2020, 1, 1, fold=1),
        dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
        dt.date(2020, 1, 1),
        pd.Timestamp(2020, 1, 1),
        np.datetime64("2020-01-01"),
    ],
    "objects": lambda: [
        Point(1, 2),
        Point(2, 1),
        Slot(1, 2),
        Slot(1),
        Pair(1, 2),
        Attrs(1, {2}),
        types.SimpleNamespace(x=1, y=2),
    ],
    "models": lambda: [Model(x=1), Model(x=1, y=[]), Model(x=1, y=["a"]), Model(x=2)],
    "subclasses": lambda: [Words([1]), [1], Tags({1}), {1}, Meters(1.5), 1.5],
    "set attributes": lambda: _changed(lambda: Tags({1}), lambda tags: setattr(tags, "note", 1) or tags),
    "enums": lambda: [Color.RED, Color.BLUE, 1],
    "classes": lambda: [Point, Slot, dict, list, Point(1, 2)],
    "counters": lambda: [collections.Counter("aab"), {"a": 2, "b": 1}, collections.OrderedDict(a=2, b=1)],
    "defaults": lambda: [collections.defaultdict(list), collections.defaultdict(dict), {}],
    "deques": lambda: [collections.deque([1]), collections.deque([1], 3)],
    "arrays": lambda: [
        np.arange(6),
        np.arange(6).reshape(2, 3),
        np.arange(6).reshape(3, 2),
        np.arange(6, dtype="i4"),
        np.arange(6, dtype=">i8"),
        np.arange(6, dtype="u8"),
        np.arange(6).view("M8[s]"),
        np.arange(6).view("M8[ms]"),
        np.arange(6).astype(object),
        np.ma.array(np.arange(6)),
        np.asmatrix(np.arange(6)),
        list(range(6)),
        sp.csr_array(np.arange(6).reshape(2, 3)),
    ],
    "0-d and scalar": lambda: [np.array(1.5), np.float64(1.5), np.array([1.5]), 1.5, np.float32(1.5)],
    "structures": lambda: [
        np.array([(1, 2)], dtype=[("a", "i8"), ("b", "i8")]),
        np.array([(1, 2)], dtype=[("a", "i8"), ("c", "i8")]),
        np.array([(2, 1)], dtype=[("a", "i8"), ("b", "i8")]),
    ],
    "masks": lambda: [np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]), np.ma.array([1, 2])],
    "array subclass": lambda: [
        *(signal(1), signal(2), np.arange(3.0)),
        *(np.arange(3.0).view(Signal), np.arange(3.0).view(Echo)),
    ],
    "pickled as another type": lambda: [AsList(), AsListToo(), [1], AsSlot(), AsSlotToo(), Slot()],
    "random": lambda: [np.random.default_rng(1), np.random.default_rng(2), np.random.RandomState(1), random.Random(1)],
    "frames": _frames,
    "frame subclass": lambda: [table("a"), table("b")],
    "missing": lambda: [
        pd.Series([None, 1], dtype="Int64"),
        pd.Series([0, 1], dtype="Int64"),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([None, 1], dtype="Float64"),
        pd.Series([np.nan, 1]),
        pd.Series([None, 1], dtype=object),
        pd.Series([np.nan, 1], dtype=object),
        pd.Series([pd.NA, 1], dtype=object),
    ],
    "string columns": lambda: [
        pd.Series(["ab", "c"], dtype="string[pyarrow]"),
        pd.Series(["a", "bc"], dtype="string[pyarrow]"),
        pd.Series(["ab", None], dtype="string[pyarrow]"),
        pd.Series(["ab", ""], dtype="string[pyarrow]"),
        pd.Series(["ab", "c"], dtype=object),
        pd.Series(["ab", "c"], dtype="string[python]"),
        pd.Series(["ab", "c"], dtype="category"),
    ],
    "categories": lambda: [
        pd.Categorical(["a", "b"]),
        pd.Categorical(["a", "b"], ordered=True),
        pd.Categorical(["a", "b"], categories=["b", "a"]),
        pd.Categorical(["a", "b"], categories=["a", "b", "c"]),
    ],
    "indexes": lambda: [
        pd.RangeIndex(3),
        pd.Index([0, 1, 2]),
        pd.Index([0, 1, 2], name="n"),
        pd.date_range("2020", periods=3),
        pd.date_range("2020", periods=3, tz="UTC"),
        pd.MultiIndex.from_arrays([[0, 1, 2]]),
    ],
    "polars": lambda: [
        pl.Series("a", ["x", "y"]),
        pl.Series("b", ["x", "y"]),
        pl.Series("a", ["x", None]),
        pl.Series("a", ["x", ""]),
        pl.Series("a", ["x", "y"], dtype=pl.Categorical),
        pl.Series("a", ["x", "y"], dtype=pl.Enum(["x", "y"])),
        pl.Series("a", ["x", "y"], dtype=pl.Enum(["x", "y", "z"])),
        pl.Series("a", [b"x", b"y"]),
        pl.DataFrame({"a": ["x", "y"]}),
    ],
    "arrow": lambda: [
        pa.array([1, 2]),
        pa.array([1, None]),
        pa.array([None, 1]),
        pa.array([1, 0]),
        pa.array([1, 2], pa.int32()),
        pa.array(["ab", "c"]),
        pa.array(["a", "bc"]),
        pa.array(["ab", "c"], pa.large_string()),
        pa.array([[1], [2, 3]]),
        pa.array([[1, 2], [3]]),
        pa.array([[1, 2], None]),
        pa.array([{"a": 1}, {"a": None}]),
        pa.array([{"a": 1}, None]),
        pa.array([True, False]),
        pa.array([True, True]),
        pa.chunked_array([[1, 2]]),
        pa.table({"a": [1, 2]}),
        pa.table({"a": [1, 2]}).replace_schema_metadata({"k": "v"}),
        pa.table({"b": [1, 2]}),
    ],
    "fitted": lambda: [
        LinearRegression(),
        LinearRegression(fit_intercept=False),
        _learnt(LinearRegression()),
        _learnt(RandomForestRegressor(n_estimators=2, random_state=0)),
        _learnt(RandomForestRegressor(n_estimators=2, random_state=1)),
        _learnt(HistGradientBoostingRegressor(max_iter=2, random_state=0)),
        _learnt(HistGradientBoostingRegressor(max_iter=3, random_state=0)),
    ],
    "figures": lambda: [
        figure(),
        figure(1 + 1e-9),
        figure(title="other"),
        Figure(),
        figure().axes[0],
        figure().axes[1],
    ],
    "constrained figures": lambda: [
        figure(layout="constrained"),
        figure(1 + 1e-9, layout="constrained"),
        figure(title="other", layout="constrained"),
    ],
    "images": lambda: [
        Image.new("RGB", (2, 3)),
        Image.new("RGB", (3, 2)),
        Image.new("RGB", (2, 3), (0, 0, 1)),
        Image.new("L", (2, 3)),
    ],
    "partials": lambda: [
        functools.partial(int, base=3),
        functools.partial(int, base=4),
        functools.partial(float, base=3),
        int,
    ],
    "bound methods": lambda: ["a".upper, "b".upper, "a".lower, Point(1, 2).__repr__, Point(1, 3).__repr__],
}
"""Each makes values, no two of which have equal content."""


def _shared() -> list[Any]:
    one = [1, {"a"}]
    text = "".join(["in", "terned"])
    return [[one, one, "interned"], [[1, {"a"}], [1, {"a"}], text]]


def _deep_frame() -> list[Any]:
    whole = pd.DataFrame({"a": np.arange(6), "b": np.arange(6) * 2, "c": np.arange(6) * 0.5})
    one_by_one = pd.DataFrame(index=pd.RangeIndex(6))
    for name in whole:
        one_by_one[name] = whole[name].to_numpy().copy()
    wider = pd.concat([whole, whole.rename(columns=str.upper)], axis=1)
    longer = pd.concat([whole, whole], ignore_index=True)
    return [
        whole,
        whole.copy(),
        one_by_one,
        wider[["a", "b", "c"]],
        longer.iloc[:6],
        longer[:6].copy(),
        whole[::-1][::-1],
    ]


def _matrix_frame() -> list[Any]:
    values = np.arange(12.0).reshape(4, 3)
    columns = list("abc")
    return [
        pd.DataFrame(values, columns=columns),
        pd.DataFrame(np.asfortranarray(values), columns=columns),
        pd.DataFrame({name: values[:, i].copy() for i, name in enumerate(columns)}),
        pd.DataFrame(np.arange(24.0).reshape(8, 3)[:4], columns=columns),
    ]


def _string_series() -> list[Any]:
    words = ["one", None, "three", "four"]
    whole = pd.Series(words, dtype="string[pyarrow]")
    joined = pd.concat([whole[:1], whole[1:]], ignore_index=True)
    return [whole, joined, pd.Series(["zero", *words], dtype=whole.dtype)[1:].reset_index(drop=True), whole.copy()]


def _arrow_chunks() -> list[Any]:
    made = []
    for kind, values in (
        (pa.string(), ["a", None, "ccc", "dd"]),
        (pa.bool_(), [True, None, False, True]),
        (pa.int16(), [1, None, 3, 4]),
        (pa.list_(pa.string()), [["a"], None, [], ["b", None]]),
        (pa.struct([("x", pa.int8())]), [{"x": 1}, None, {"x": None}, {"x": 4}]),
        (pa.map_(pa.string(), pa.int64()), [[("a", 1)], None, [], [("b", 2), ("c", None)]]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", None, "b", "a"]),
        (pa.string_view(), ["a", None, "a string that is long enough", "b"]),
        (pa.list_(pa.int8(), 2), [[1, 2], None, [3, None], [5, 6]]),
        (pa.binary(2), [b"ab", None, b"cd", b"ef"]),
    ):
        padded = pa.array([values[3], *values, values[0]], kind)
        made.append(
            [
                pa.chunked_array([pa.array(values, kind)]),
                pa.chunked_array([pa.array(values[:1], kind), pa.array([], kind), pa.array(values[1:], kind)]),
                pa.chunked_array([padded[1:3], padded[3:5]]),
                pa.chunked_array([padded[1:5]]),
            ]
        )
    return [list(columns) for columns in zip(*made, strict=True)]


def _under_nulls() -> list[Any]:
    valid = pa.py_buffer(bytes([0b101]))
    return [
        pa.Array.from_buffers(pa.int64(), 3, [valid, pa.py_buffer(np.array([1, noise, 3]).tobytes())])
        for noise in (0, 99)
    ]


def _polars_chunks() -> list[Any]:
    values = ["a", None, "a string that is long enough", "b"]
    whole = pl.DataFrame({"a": values, "n": [1, 2, 3, 4]})
    return [whole, pl.concat([whole[:1], whole[1:]], rechunk=False), pl.concat([whole, whole])[4:], whole[::-1][::-1]]


def _sparse_notes() -> list[Any]:
    one, other = sp.csr_array(np.eye(3)), sp.csr_array(np.eye(3))
    assert other.has_sorted_indices  # scipy keeps what it found out
    return [one, other]


def _padding() -> list[Any]:
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    made = []
    for noise in (0, 255):
        raw = np.full(2 * kind.itemsize, noise, dtype="u1").view(kind)
        raw["a"], raw["b"] = [1, 2], [3.0, 4.0]
        made.append(raw)
    return made


def _long_noise() -> list[Any]:
    made = []
    for noise in (0, 255):
        raw = np.full(2 * np.dtype("g").itemsize, noise, dtype="u1").view("g")
        raw[:] = [1.5, 2.5]
        made.append(raw)
    return made


SAME: dict[str, Any] = {
    "shared or copied": _shared,
    "set order": lambda: [set(range(0, 9000, 1000)), set(range(8000, -1, -1000))],
    "mixed set order": lambda: [{"a", 1, (2,)}, {(2,), 1, "a"}],
    "array layout": lambda: [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(24.0)[::2].reshape(3, 4) / 2,
        np.repeat(np.arange(12.0), 2)[::2].reshape(3, 4),
        np.arange(12.0)[::-1][::-1].reshape(3, 4),
        np.arange(24.0).reshape(3, 8)[:, :4] - np.array([[0], [4], [8]]),
    ],
    "large array layout": lambda: [np.ones((900, 900)).cumsum(0), np.asfortranarray(np.ones((900, 900)).cumsum(0))],
    "wide array layout": lambda: [np.ones((2, 700_000)).cumsum(1), np.asfortranarray(np.ones((2, 700_000)).cumsum(1))],
    "padding": _padding,
    "long doubles": _long_noise,
    "masked or not": lambda: [
        pd.Series([1, None], dtype="Int64"),
        pd.Series([5, 1, None], dtype="Int64")[1:].reset_index(drop=True),
    ],
    "frame blocks": _deep_frame,
    "frame of a matrix": _matrix_frame,
    "pandas strings": _string_series,
    "arrow chunks": _arrow_chunks,
    "arrow under nulls": _under_nulls,
    "polars chunks": _polars_chunks,
    "sparse notes": _sparse_notes,
    "memoryview": lambda: [memoryview(b"abc"), memoryview(b"xabc")[1:], memoryview(b"axbxcx")[::2]],
    "figure drawn": lambda: [figure(), _drawn(figure())],
    "constrained figure drawn": lambda: [figure(layout="constrained"), _drawn(figure(layout="constrained"))],
    "tight figure drawn": lambda: [figure(layout="tight"), _drawn(figure(layout="tight"))],
}
"""Each makes values with equal content in different shapes."""


def _drawn(made: Figure) -> Figure:
    made.savefig(io.BytesIO())
    return made


UNKNOWN: dict[str, Any] = {
    "generator": lambda: (i for i in "ab"),
    "iterator": lambda: iter([1, 2]),
    "itertools": lambda: itertools.count(),
    "map": lambda: map(str, [1]),
    "open file": lambda: tempfile.TemporaryFile(),  # noqa: SIM115
    "lock": lambda: threading.Lock(),
    "socket": lambda: socket.socket(),
    "object with a lock": lambda: Point(1, threading.Lock()),
    "thread": lambda: threading.Thread(),
    "lazy frame": lambda: pl.LazyFrame({"a": [1]}),
    "memory under a lock": lambda: types.SimpleNamespace(lock=threading.RLock()),
    "array of locks": lambda: object_array(threading.Lock(), 1),
    "frame of generators": lambda: object_series((i for i in "ab"), 1).to_frame("a"),
    "set with a lock": lambda: {1, threading.Lock()},
}

CALLED: list[str] = []


def _called(name: str) -> Any:
    def method(*_: Any) -> Any:
        CALLED.append(name)
        raise RuntimeError(name)

    return method


class _Meta(type):
    __eq__ = _called("meta eq")
    __hash__ = _called("meta hash")
    __repr__ = _called("meta repr")
    __instancecheck__ = _called("meta instancecheck")


def _hostile(**body: Any) -> Any:
    silent = {f"__{name}__": _called(name) for name in ("eq", "ne", "lt", "hash", "repr", "str", "bool", "len", "iter")}
    return lambda: type("Hostile", (), {**silent, **body})()


def _raise(*_: Any) -> Any:
    raise RuntimeError


HOSTILE: dict[str, Any] = {
    "compares": _hostile(),
    "reduce raises": _hostile(__reduce__=_raise),
    "reduce gives nonsense": _hostile(__reduce__=lambda self: 7),
    "reduce gives a name": _hostile(__reduce__=lambda self: "NAME"),
    "reduce gives itself": _hostile(__reduce__=lambda self: (self, ())),
    "reduce makes more": _hostile(__reduce__=lambda self: (type(self), (1,), None, (i for i in "ab"))),
    "state raises": _hostile(__getstate__=_raise),
    "attributes raise": _hostile(__getattribute__=_raise, __getattr__=_raise),
    "class lies": _hostile(__class__=property(lambda self: dict)),
    "class raises": _hostile(__class__=property(_raise)),
    "metaclass": lambda: _Meta("Hostile", (), {})(),
    "hostile class": lambda: _Meta("Hostile", (), {}),
    "bytes-like": lambda: _Meta("Hostile", (bytearray,), {})(b"a"),
    "int": lambda: type("Int", (int,), {"__eq__": _called("eq"), "__hash__": _called("hash"), "__int__": _raise})(3),
    "str": lambda: type("Str", (str,), {"__eq__": _called("eq"), "__hash__": str.__hash__, "encode": _raise})("a"),
    "list": lambda: type("List", (list,), {"__iter__": _raise, "__len__": _raise, "__eq__": _called("eq")})([1]),
    "set": lambda: type("Set", (set,), {"__iter__": _raise, "__len__": _raise, "__eq__": _called("eq")})([1]),
    "shape": _hostile(shape=property(_raise), nbytes=property(_raise), dtype=property(_raise)),
}

if __name__ == "__main__":
    from dagbook.fingerprint.value import fingerprint, set_code_fingerprint

    set_code_fingerprint(code_by_name)
    print(json.dumps({name: fingerprint(make()).hex() for name, make in ZOO.items()}))
