"""The content of arrays: numpy, scipy.sparse, torch and PIL. How they lie in memory does not count."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from dagbook.fingerprint.parts import Digest
from dagbook.fingerprint.plain import Node, Unknown, buffer, buffers

_CHUNK = 1 << 22


def numpy_types() -> dict[type, Any]:
    np = sys.modules["numpy"]
    return {np.ndarray: ndarray, np.ma.MaskedArray: _masked, np.generic: _scalar}


def ndarray(array: Any) -> Node:
    """Data type, shape, elements in C order, and the attributes that a subclass adds."""
    np = sys.modules["numpy"]
    if isinstance(array, np.memmap):
        extra: list[object] = [str(array.filename), array.mode]
    else:
        extra = [vars(array)] if hasattr(array, "__dict__") else []
    return "ndarray", (array.shape, _dtype(array.dtype)), [*elements(np.asarray(array)), *extra]


def elements(array: Any) -> list[object]:
    """All elements: the digest of their memory where that says it all, else fields, or lists."""
    np = sys.modules["numpy"]
    dtype = array.dtype
    if dtype.names is not None:  # field by field: what lies between the fields is not content
        return [part for name in dtype.names for part in elements(array[name])]
    if dtype.hasobject or dtype.kind == "T":
        return [array.ravel().tolist()]
    if dtype.char in "gG" and np.finfo(dtype).nmant == 63:  # ten bytes of each number are used, the rest is noise
        numbers = np.ascontiguousarray(array).reshape(-1).view(np.longdouble)
        return [memory(numbers.view(np.uint8).reshape(len(numbers), -1)[:, :10])]
    return [memory(array)]


def memory(array: Any) -> Digest:
    """The digest of the bytes of a numpy array in C order, copied piece by piece where they lie otherwise."""
    if array.nbytes == 0:
        return buffer(b"")
    return buffer(_bytes(array)) if array.flags.c_contiguous else buffers(_pieces(array))


def _bytes(array: Any) -> Any:
    return array.reshape(-1).view("u1")


def _pieces(array: Any) -> Iterator[Any]:
    np = sys.modules["numpy"]
    rows = max(1, _CHUNK * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        piece = array[start : start + rows]
        if piece.nbytes > _CHUNK and piece.ndim > 1:
            yield from _pieces(piece[0])
        else:
            yield _bytes(np.ascontiguousarray(piece))


def _dtype(dtype: Any) -> object:
    """All that tells a numpy data type from another, as plain data."""
    if dtype.names is not None:
        fields = [(name, *map(str, dtype.fields[name][2:]), dtype.fields[name][1]) for name in dtype.names]
        return [dtype.itemsize, dtype.isalignedstruct, fields, [_dtype(dtype.fields[name][0]) for name in dtype.names]]
    if dtype.subdtype is not None:
        return [_dtype(dtype.subdtype[0]), dtype.subdtype[1]]
    return [dtype.str, dtype.name]


def _masked(array: Any) -> Node:
    np = sys.modules["numpy"]
    mask, data = np.ma.getmaskarray(array), np.ma.getdata(array)
    return "MaskedArray", (bool(array.hardmask),), [data, mask, np.asarray(array.fill_value), array._optinfo]


def _scalar(value: Any) -> Node:
    np = sys.modules["numpy"]
    array = np.asarray(value)
    if array.dtype.hasobject and array.dtype.names is None:
        raise Unknown
    return "numpy", _dtype(array.dtype), elements(array)


def sparse_types() -> dict[type, Any]:
    sparse = sys.modules["scipy.sparse"]
    return {sparse.sparray: _sparse, sparse.spmatrix: _sparse}


_SPARSE = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "coo": ("data", "coords"),
    "dia": ("data", "offsets"),
    "lil": ("data", "rows"),
}


def _sparse(matrix: Any) -> Node:
    """The parts of each format; what scipy notes beside them (is it sorted?) comes and goes."""
    if matrix.format == "dok":
        parts: list[object] = [list(matrix.items())]
    elif matrix.format in _SPARSE:
        parts = [getattr(matrix, name) for name in _SPARSE[matrix.format]]
    else:
        raise Unknown
    shape = tuple(map(int, matrix.shape))
    return "sparse", (type(matrix).__name__, shape, _dtype(matrix.dtype)), parts


def torch_types() -> dict[type, Any]:
    torch = sys.modules["torch"]
    return {torch.Tensor: _tensor, torch.Generator: _torch_generator}


def _tensor(tensor: Any) -> Node:
    torch = sys.modules["torch"]
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise Unknown
    head = (tuple(tensor.shape), str(tensor.dtype), str(tensor.device), bool(tensor.requires_grad))
    data = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)
    return "Tensor", head, [memory(data.numpy()), vars(tensor)]


def _torch_generator(generator: Any) -> Node:
    return "Generator", str(generator.device), [generator.get_state()]


def pillow_types() -> dict[type, Any]:
    return {sys.modules["PIL.Image"].Image: _picture}


def _picture(image: Any) -> Node:
    pixels = buffer(image.tobytes())  # first: it loads the file, which completes the rest
    return "Image", (image.mode, image.size, image.format), [pixels, image.getpalette(), image.info]
