"""The content of frames: pandas, polars, arrow. Blocks, chunks and slices do not count; names, types, indexes do."""

from __future__ import annotations

import sys
from typing import Any

from dagbook.fingerprint.arrays import memory
from dagbook.fingerprint.parts import Digest
from dagbook.fingerprint.plain import Node, Unknown, buffers

_STEP = 1 << 15  # what is computed at a time stays in the cache


def pandas_types() -> dict[type, Any]:
    pd = sys.modules["pandas"]
    arrays = pd.arrays
    table = {
        pd.DataFrame: _frame,
        pd.Series: _series,
        pd.Index: _index,
        pd.RangeIndex: _range_index,
        pd.MultiIndex: _multi_index,
        pd.Categorical: _categorical,
        arrays.NumpyExtensionArray: lambda array: ("array", None, [array.to_numpy()]),
        arrays.IntervalArray: lambda array: ("intervals", array.closed, [array.left, array.right]),
        arrays.SparseArray: _sparse,
        arrays.ArrowExtensionArray: _arrow_backed,
        arrays.ArrowStringArray: _arrow_backed,
        arrays.StringArray: lambda array: ("strings", _string_dtype(array.dtype), [array.tolist()]),
    }
    table |= dict.fromkeys((arrays.DatetimeArray, arrays.TimedeltaArray, arrays.PeriodArray), _times)
    return table | dict.fromkeys((arrays.IntegerArray, arrays.FloatingArray, arrays.BooleanArray), _masked)


def _frame(frame: Any) -> Node:
    columns = [column.array for _, column in frame.items()]
    return "DataFrame", _flags(frame), [frame.columns, frame.index, frame.attrs, _added(frame), *columns]


def _series(series: Any) -> Node:
    return "Series", _flags(series), [series.name, series.index, series.attrs, _added(series), series.array]


def _flags(value: Any) -> object:
    return bool(value.flags.allows_duplicate_labels)


def _added(value: Any) -> list[object]:
    """What a subclass of a frame carries on, by the way that pandas has for it."""
    return [getattr(value, name, None) for name in value._metadata if name != "_name"]


def _index(index: Any) -> Node:
    """Values, name, and the frequency of times, which decides what a shift does."""
    frequency = getattr(index, "freqstr", None)
    return "Index", (type(index).__name__, frequency), [index.name, index.array]


def _range_index(index: Any) -> Node:
    return "RangeIndex", (index.start, index.stop, index.step), [index.name]


def _multi_index(index: Any) -> Node:
    return "MultiIndex", None, [tuple(index.names), *index.levels, *index.codes]


def _categorical(array: Any) -> Node:
    return "Categorical", bool(array.ordered), [array.categories, array.codes]


def _times(array: Any) -> Node:
    return "times", str(array.dtype), [getattr(array.dtype, "tz", None), memory(array.asi8)]


def _masked(array: Any) -> Node:
    """What lies under the mask is not content."""
    kind = array.dtype.numpy_dtype
    missing = array._mask
    return "masked", str(array.dtype), [memory(array.to_numpy(kind, na_value=kind.type(0))), memory(missing)]


def _sparse(array: Any) -> Node:
    return "SparseArray", len(array), [array.sp_values, array.sp_index.indices, array.fill_value]


def _string_dtype(dtype: Any) -> object:
    return str(dtype), getattr(dtype, "storage", None), dtype.na_value is sys.modules["pandas"].NA


def _arrow_backed(array: Any) -> Node:
    return "arrow", _string_dtype(array.dtype), [array.__arrow_array__()]


def polars_types() -> dict[type, Any]:
    pl = sys.modules["polars"]
    return {pl.DataFrame: _polars_frame, pl.Series: _polars_series, pl.LazyFrame: _query}


def _polars_frame(frame: Any) -> Node:
    return "polars.DataFrame", frame.shape, frame.get_columns()


def _polars_series(series: Any) -> Node:
    pl = sys.modules["polars"]
    values = series.to_list() if series.dtype == pl.Object else series.to_arrow()
    return "polars.Series", series.name, [series.dtype, values]


def _query(_: Any) -> Node:
    raise Unknown  # a plan: what it will read is not in it


def arrow_types() -> dict[type, Any]:
    pa = sys.modules["pyarrow"]
    return {
        pa.Table: _table,
        pa.RecordBatch: _table,
        pa.Array: lambda array: ("Array", str(array.type), _column(array.type, [array])),
        pa.ChunkedArray: lambda array: ("ChunkedArray", str(array.type), _column(array.type, array.chunks)),
        pa.Scalar: lambda scalar: ("Scalar", str(scalar.type), _column(scalar.type, [pa.array([scalar], scalar.type)])),
        pa.Buffer: lambda data: ("Buffer", None, [buffers([data])]),
    }


def _table(table: Any) -> Node:
    fields = [(field.name, str(field.type), field.nullable, field.metadata) for field in table.schema]
    columns = [_column(column.type, getattr(column, "chunks", [column])) for column in table.columns]
    return "Table", (table.num_rows, fields, table.schema.metadata), [type(table), *columns]


def _column(kind: Any, chunks: list[Any]) -> list[object]:
    """Length, which are null, and the elements that are not, wherever chunks begin and whatever lies under nulls."""
    types = sys.modules["pyarrow"].types
    if types.is_run_end_encoded(kind):
        from pyarrow import compute

        return _column(kind.value_type, [compute.run_end_decode(chunk) for chunk in chunks])
    if types.is_string_view(kind) or types.is_binary_view(kind):
        large = sys.modules["pyarrow"].large_binary()
        return _column(large, [chunk.cast(large) for chunk in chunks])
    nulls = sum(chunk.null_count for chunk in chunks)
    found: list[object] = [sum(map(len, chunks)), nulls]
    if nulls and not types.is_null(kind):
        found.append(buffers(_booleans(chunk.is_valid()) for chunk in chunks))
        chunks = [chunk.drop_null() for chunk in chunks]
    return found + _elements(kind, [chunk for chunk in chunks if len(chunk)])


def _elements(kind: Any, chunks: list[Any]) -> list[object]:
    types = sys.modules["pyarrow"].types
    if types.is_null(kind):
        return []
    if types.is_boolean(kind):
        return [buffers(map(_booleans, chunks))]
    if types.is_dictionary(kind):
        return _column(kind.value_type, [chunk.dictionary_decode() for chunk in chunks])
    if isinstance(kind, sys.modules["pyarrow"].BaseExtensionType):
        settings = getattr(kind, "__arrow_ext_serialize__", bytes)()
        return [settings, *_column(kind.storage_type, [chunk.storage for chunk in chunks])]
    if types.is_struct(kind):
        columns = zip(*(chunk.flatten() for chunk in chunks), strict=True)
        return [_column(parts[0].type, list(parts)) for parts in columns]
    if types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        starts = [chunk.offsets.to_numpy() for chunk in chunks]
        found: list[object] = [_lengths(starts)]
        for name in ("keys", "items") if types.is_map(kind) else ("values",):
            inner = [getattr(chunk, name)[at[0] : at[-1]] for chunk, at in zip(chunks, starts, strict=True)]
            found += _column(inner[0].type, inner) if inner else []
        return found
    if types.is_fixed_size_list(kind):
        return _column(kind.value_type, [chunk.flatten() for chunk in chunks])
    if types.is_union(kind) or types.is_list_view(kind) or types.is_large_list_view(kind):
        return [item for chunk in chunks for item in chunk.to_pylist()]
    if chunks and len(chunks[0].buffers()) == 3:
        return [_lengths(list(map(_offsets, chunks))), buffers(map(_characters, chunks))]
    return [buffers(map(_fixed, chunks))]


def _booleans(chunk: Any) -> Any:
    return chunk.to_numpy(zero_copy_only=False).view("u1")


def _lengths(starts: list[Any]) -> Digest:
    """The digest of the distances between offsets, which are the same for short offsets and long ones."""
    import numpy as np

    small = sum(int(at[-1] - at[0]) for at in starts) < 1 << 31
    kind = "i4" if small else "i8"
    pieces = (at[start : start + _STEP + 1] for at in starts for start in range(0, len(at) - 1, _STEP))
    return buffers(np.subtract(piece[1:], piece[:-1], dtype=kind, casting="unsafe") for piece in pieces)


def _offsets(chunk: Any) -> Any:
    import numpy as np

    wide = chunk.type in (sys.modules["pyarrow"].large_string(), sys.modules["pyarrow"].large_binary())
    size = 8 if wide else 4
    return np.frombuffer(chunk.buffers()[1], f"i{size}", len(chunk) + 1, chunk.offset * size)


def _characters(chunk: Any) -> Any:
    offsets, data = _offsets(chunk), chunk.buffers()[2]
    return memoryview(data)[offsets[0] : offsets[-1]] if data is not None else b""


def _fixed(chunk: Any) -> Any:
    size = chunk.type.bit_width // 8
    return memoryview(chunk.buffers()[1])[chunk.offset * size : (chunk.offset + len(chunk)) * size]
