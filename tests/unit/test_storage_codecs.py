"""Values: what comes back from the store is what went in, private to its reader, in this kernel and in the next."""

from __future__ import annotations

import collections
import datetime
import decimal
import functools
import os
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dagbook
from dagbook.errors import RefusedError, UnstorableError
from dagbook.storage.store import DiskStore, open_store

SOURCES = str(Path(dagbook.__file__).parents[1])


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DiskStore:
    monkeypatch.setenv("DAGBOOK_KEY_FILE", str(tmp_path / "user" / "key"))
    return open_store(tmp_path / "store")[0]


def kernel(tmp_path: Path, script: str) -> str:
    """What a script prints that is run as ``__main__`` of a new process."""
    root = str(tmp_path / "store")
    head = f"import sys\nfrom dagbook.storage.store import open_store\nstore = open_store({root!r})[0]\n"
    environment = os.environ | {"PYTHONPATH": SOURCES}
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(script)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- arrays ----

ARRAYS = {
    "one number": np.array(3),
    "nothing": np.zeros((0, 3)),
    "rows": np.arange(12.0).reshape(3, 4),
    "columns": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "every second": np.arange(20)[::2],
    "backwards": np.arange(20)[::-1],
    "transposed part": np.arange(60).reshape(3, 4, 5)[:, 1:3].T,
    "one number, shown often": np.broadcast_to(np.int16(7), (3, 3)),
    "other byte order": np.arange(5, dtype=">i4"),
    "complex": np.array([1 + 2j, -0.0]),
    "not a number": np.array([np.nan, np.inf, -0.0]),
    "long double": np.array([1], dtype=np.longdouble),
    "bool": np.array([True, False]),
    "text": np.array(["a", "bcd", "µ"]),
    "empty texts": np.zeros(3, "U0"),
    "bytes": np.array([b"a\0b", b""]),
    "times": np.array(["2020-01-01", "NaT"], dtype="M8[ns]"),
    "spans": np.array([1, 2], dtype="m8[25s]"),
    "structured": np.array([(1, 2.0)], dtype=[("a", "i1"), ("b", "f8")]),
    "aligned": np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "objects": np.array([1, "a", None, [1]], dtype=object),
    "texts of any length": np.array(["x", "y" * 50], dtype=np.dtypes.StringDType()),
    "with a note": np.zeros(2, np.dtype("i4", metadata={"unit": "m"})),
}


@pytest.mark.parametrize("name", list(ARRAYS))
def test_an_array_comes_back_with_its_dtype_shape_and_content(store: DiskStore, name: str) -> None:
    array = ARRAYS[name]
    back: Any = store.get(store.put(array))
    assert type(back) is np.ndarray
    assert (back.dtype, back.shape, back.dtype.metadata) == (array.dtype, array.shape, array.dtype.metadata)
    np.testing.assert_array_equal(back, array)
    if array.dtype.kind in "fc":
        assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


def test_an_array_in_fortran_order_stays_so(store: DiskStore) -> None:
    back: Any = store.get(store.put(np.asfortranarray(np.ones((300, 400)))))
    assert back.flags.f_contiguous


def test_subclasses_of_arrays_keep_their_class(store: DiskStore) -> None:
    masked = np.ma.masked_array([1, 2], [True, False])
    back: Any = store.get(store.put(masked))
    assert type(back) is np.ma.MaskedArray
    assert back.mask.tolist() == [True, False]


@pytest.mark.parametrize("size", [100, 100_000, 2_000_000])
@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: {"in": [a]}, lambda a: pd.DataFrame({"a": a})])
def test_a_loaded_array_is_writable_and_private(store: DiskStore, size: int, wrap: Any) -> None:
    def inner(value: Any) -> Any:
        return value["in"][0] if isinstance(value, dict) else value

    blob = store.put(wrap(np.arange(size)))
    path = store._blobs.path(blob.digest)
    before = path.read_bytes()
    first: Any = inner(store.get(blob))
    second: Any = inner(store.get(blob))
    if isinstance(first, pd.DataFrame):
        first.iloc[:, 0] = -1
        first = first["a"].to_numpy()
    else:
        first[:] = -1
    assert (first == -1).all()
    for other in (second, inner(store.get(blob))):
        np.testing.assert_array_equal(np.ravel(other), np.arange(size))
    assert path.read_bytes() == before


def test_a_value_outlives_its_file(store: DiskStore) -> None:
    blob = store.put(np.arange(2_000_000))
    back: Any = store.get(blob)
    store._blobs.path(blob.digest).unlink()
    assert back.sum() == 1999999000000


# ---- frames, models, and everything else ----

FRAMES = {
    "numbers": pd.DataFrame({"a": range(5000), "b": np.linspace(0, 1, 5000)}),
    "texts": pd.DataFrame({"name": ["ä", None, "c" * 99] * 900, "n": 1}),
    "categories": pd.Series(pd.Categorical(["x", "y", "x"], categories=["y", "x"], ordered=True), name="c"),
    "times": pd.DataFrame({"t": pd.date_range("2020", periods=9, tz="Europe/Berlin")}).set_index("t", drop=False),
    "levels": pd.DataFrame({"v": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", None])),
    "missing integers": pd.DataFrame({"i": pd.array([1, None], dtype="Int64")}),
    "objects": pd.DataFrame({"o": [[1], {"a": 2}]}),
    "empty": pd.DataFrame(),
}


@pytest.mark.parametrize("name", list(FRAMES))
def test_a_frame_comes_back_equal_and_can_be_changed(store: DiskStore, name: str) -> None:
    frame = FRAMES[name]
    back: Any = store.get(store.put(frame))
    (pd.testing.assert_frame_equal if isinstance(frame, pd.DataFrame) else pd.testing.assert_series_equal)(back, frame)
    if isinstance(back, pd.DataFrame) and len(back):
        back["new"] = 1
        back.iloc[0, -1] = 2


def test_a_fitted_model_predicts_the_same(store: DiskStore) -> None:
    from sklearn.linear_model import LinearRegression

    x = np.arange(40.0).reshape(20, 2)
    model = LinearRegression().fit(x, x[:, 0])
    back: Any = store.get(store.put(model))
    np.testing.assert_array_equal(back.predict(x), model.predict(x))


VALUES = [
    None, True, 0, -(1 << 90), 1.5, float("inf"), -0.0, 1j, "", "ä\udc80", b"", bytearray(b"x"), (), (1,), [], {},
    set(), frozenset({1, "a"}), range(3), slice(1, 2), ..., int, datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    decimal.Decimal("1.10"), collections.OrderedDict(b=1, a=2), collections.Counter("aab"), collections.deque([1], 3),
    SimpleNamespace(a=1), Path("a/b"), functools.partial(int, base=2).args, {(1, 2): {"x": [{"y": (None,)}]}},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_plain_value_comes_back_with_its_type(store: DiskStore, value: object) -> None:
    back = store.get(store.put(value))
    assert type(back) is type(value)
    assert back == value
    assert repr(back) == repr(value)


def test_shared_references_and_cycles_are_kept(store: DiskStore) -> None:
    shared: list[Any] = [1]
    cycle: dict[str, Any] = {"a": shared, "b": shared}
    cycle["self"] = cycle
    back: Any = store.get(store.put(cycle))
    assert back["a"] is back["b"]
    assert back["self"] is back


def test_a_function_is_stored_with_what_it_closes_over(store: DiskStore) -> None:
    def scale(factor: int) -> Any:
        return lambda x: x * factor

    back: Any = store.get(store.put(scale(3)))
    assert back(5) == 15


def test_large_arrays_beside_a_function_are_stored_once(store: DiskStore) -> None:
    blob = store.put([np.arange(100_000), lambda: 1, np.arange(50_000)])
    back: Any = store.get(blob)
    assert (back[0].sum(), back[1](), back[2].sum()) == (4999950000, 1, 1249975000)
    assert 1_200_000 < blob.size < 1_210_000


# ---- what is defined in a notebook ----

CLASSES = """
    import dataclasses, enum
    @dataclasses.dataclass
    class Point:
        x: int
        def far(self):
            return self.x > LIMIT
    class Color(enum.Enum):
        RED = 1
    class Outer:
        class Inner(Point):
            pass
    LIMIT = 2
    make = lambda: Point(4)
"""
PLAIN = "[Point(3), Color.RED, Outer.Inner(1), Point, {}]"
VALUES_OF_CLASSES = [PLAIN, PLAIN.replace("{}", "{'f': make}")]


def stored_by_another_kernel(tmp_path: Path, value: str) -> Any:
    from dagbook.engine.ports import Blob

    printed = kernel(tmp_path, textwrap.dedent(CLASSES) + f"b = store.put({value})\nprint(b.digest, b.codec, b.size)")
    digest, codec, size = printed.split()
    return Blob(digest, codec, int(size))


@pytest.mark.parametrize("value", VALUES_OF_CLASSES)
def test_a_value_of_a_notebook_class_loads_where_the_class_is_not_defined(
    store: DiskStore, tmp_path: Path, value: str
) -> None:
    point, red, inner, cls, functions = store.get(stored_by_another_kernel(tmp_path, value))  # type: ignore[misc]
    assert (point.x, point.far(), red.name, inner.far()) == (3, True, "RED", False)
    assert type(point) is cls is type(inner).__mro__[1]
    assert all(make() == cls(4) for make in functions.values())


@pytest.mark.parametrize("value", VALUES_OF_CLASSES)
def test_a_value_of_a_notebook_class_is_an_instance_of_the_class_that_is_defined(
    store: DiskStore, tmp_path: Path, value: str
) -> None:
    blob = stored_by_another_kernel(tmp_path, value)
    check = textwrap.dedent(CLASSES) + textwrap.dedent(f"""
        from dagbook.engine.ports import Blob
        point, red, inner, cls, functions = store.get(Blob({blob.digest!r}, {blob.codec!r}, {blob.size}))
        print(point == Point(3), red is Color.RED, type(inner) is Outer.Inner, cls is Point)
        print(all(make() == Point(4) for make in functions.values()))
    """)
    assert kernel(tmp_path, check).split() == ["True"] * 5


def test_plain_values_are_stored_without_the_slow_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGBOOK_KEY_FILE", str(tmp_path / "key"))
    script = "store.get(store.put({'a': [1, 'x']}))\nprint('cloudpickle' in sys.modules, 'numpy' in sys.modules)"
    assert kernel(tmp_path, script) == "False False"


# ---- what cannot be stored ----


class Holder:
    def __init__(self, held: object) -> None:
        self.held = held


class Hostile:
    def __reduce__(self) -> Any:
        raise Unshowable


class Unshowable(Exception):
    def __str__(self) -> str:
        raise ValueError


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


UNSTORABLE = {
    "_thread.lock": threading.Lock,
    "socket.socket": socket.socket,
    "generator": lambda: (x for x in ()),
    "_io.TextIOWrapper": lambda: open(os.devnull),  # noqa: SIM115
    "_io.BufferedReader": lambda: open(os.devnull, "rb"),  # noqa: SIM115
    "memoryview": lambda: memoryview(b"x"),
    "_thread._local": threading.local,
}


@pytest.mark.parametrize("name", list(UNSTORABLE))
def test_what_cannot_be_stored_is_named_by_type_and_place(store: DiskStore, name: str) -> None:
    value: Any = UNSTORABLE[name]()
    try:
        for whole, place in ((value, "it"), ({"model": [Holder(value)]}, "['model'][0].held")):
            with pytest.raises(UnstorableError) as caught:
                store.put(whole)
            assert name in str(caught.value)
            assert f": {place}" in str(caught.value)
    finally:
        getattr(value, "close", lambda: None)()


@pytest.mark.parametrize("value", [Hostile(), nested(200_000)], ids=["hostile", "deep"])
def test_values_that_break_the_pickler_are_unstorable(store: DiskStore, value: object) -> None:
    with pytest.raises(UnstorableError, match=r"a \S+ cannot be stored"):
        store.put(value)


class Lopsided(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(a)


def test_a_value_that_cannot_be_made_again_is_refused_and_stays_where_it_is(store: DiskStore) -> None:
    blob = store.put(Lopsided(1, 2))
    with pytest.raises(RefusedError, match="cannot be made again"):
        store.get(blob)
    assert store.has(blob)
