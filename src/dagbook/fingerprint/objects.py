"""What each type of object is made of: known types by a table, all others by what they give to pickle."""

from __future__ import annotations

import copyreg
import io
import sys
from collections.abc import Callable, Mapping
from itertools import chain
from pickle import PickleBuffer
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, ModuleType, NoneType
from typing import Any

from dagbook.fingerprint import arrays, figures, frames, origin
from dagbook.fingerprint.parts import Digest, known, unknown
from dagbook.fingerprint.plain import SCALARS, Node, Unknown, buffer, seal

Handler = Callable[[Any], Node]

_LIBRARIES: dict[str, Callable[[], Mapping[type, Handler]]] = {
    "numpy": arrays.numpy_types,
    "scipy.sparse": arrays.sparse_types,
    "torch": arrays.torch_types,
    "PIL.Image": arrays.pillow_types,
    "pandas": frames.pandas_types,
    "polars": frames.polars_types,
    "pyarrow": frames.arrow_types,
    "matplotlib.figure": figures.figure_types,
}

_NEW_OBJECT = vars(copyreg)["__newobj__"]
_HOOKS = frozenset(
    {
        *("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__"),
        *("__getattribute__", "__slots__", "__class__"),
    }
)
"""What makes pickle find something else in an object than its ``__dict__``."""

_mro = type.__dict__["__mro__"].__get__
_code_fingerprint: Callable[[object], Digest] = lambda _: unknown()  # noqa: E731


def set_code_fingerprint(function: Callable[[object], Digest]) -> None:
    """Have ``function`` tell the digest of functions, classes and modules that belong to no installed package."""
    global _code_fingerprint
    _code_fingerprint = function


def add(kind: type, function: Handler) -> None:
    """Take values of this type, and of those derived from it, apart by ``function``."""
    _derivable[id(kind)] = kind, function


def handler(cls: type) -> Handler:
    """How values of exactly this class are taken apart."""
    found = _exact.get(id(cls)) or _derivable.get(id(cls), (None, None))[1]
    if found is not None:
        return found
    _meet_libraries()
    for base in _mro(cls):
        kind, found = _derivable.get(id(base), (None, None))
        if found is not None:
            return found if kind is cls or found is _code else _derived(cls, found)
    return _iterator if hasattr(cls, "__next__") else _reduced


def _iterator(_: Any) -> Node:
    raise Unknown  # reading it would use it up


def _derived(cls: type, of_base: Handler) -> Handler:
    def take_apart(value: Any) -> Node:
        kind, head, parts = of_base(value)
        return f"derived {kind}", head, chain((cls,), parts)

    return take_apart


def _meet_libraries() -> None:
    for name, types in _LIBRARIES.items():
        if name in _met or name not in sys.modules:
            continue
        try:
            found = types()
        except (AttributeError, KeyError):  # another thread is still importing it
            continue
        for kind, function in found.items():
            _derivable.setdefault(id(kind), (kind, function))
        _met.add(name)


def _code(value: Any) -> Node:
    name = _installed(value)
    if name:
        return "installed", name, ()
    digest = _code_fingerprint(value)
    if not known(digest):
        raise Unknown
    return "code", digest, ()


def _installed(value: Any) -> str:
    """The name of an installed function, class or module, and the version of its package; else nothing."""
    if isinstance(value, ModuleType):
        name = value.__name__ if origin.of_module(value) != origin.PROJECT else ""
    elif isinstance(value, type):
        ours = origin.of_class(value) == origin.PROJECT or "<" in value.__qualname__
        name = "" if ours else f"{value.__module__}.{value.__qualname__}"
    else:
        name = origin.well_known(value)
    top = name.partition(".")[0]
    return name if not top or top in sys.stdlib_module_names else f"{name} in {origin.version(top)}"


def _builtin_function(value: Any) -> Node:
    owner = value.__self__
    return _code(value) if owner is None or isinstance(owner, ModuleType) else _reduced(value)


def _reduced(value: Any) -> Node:
    """By the protocol of pickle: what makes such an object, from what, and its state."""
    cls = type(value)
    given = _reduce(cls, value)
    if type(given) is str:
        return _global(value, given)
    if type(given) is not tuple or not 2 <= len(given) <= 6:
        raise Unknown
    maker, arguments, state, items, pairs, setter = given + (None,) * (6 - len(given))
    if maker is _NEW_OBJECT and items is pairs is setter is None and (state is None or type(state) is dict):
        flat = chain.from_iterable(state.items()) if state else ()
        return "object", (len(arguments), state is None), chain((cls,), arguments, flat)
    rest = (None if more is None else list(more) for more in (items, pairs))
    return "made", None, (cls, maker, arguments, state, *rest, setter)


def _reduce(cls: type, value: object) -> Any:
    own = copyreg.dispatch_table.get(cls) if type(cls).__hash__ is type.__hash__ else None
    reduce: Any = cls.__reduce_ex__
    return reduce(value, 5) if own is None else own(value)


def is_bare(cls: type, taken_apart_by: Handler) -> bool:
    """Whether pickle would find nothing in an object of this class but the class and the object's ``__dict__``."""
    if taken_apart_by is not _reduced or type(cls) is not type or cls in copyreg.dispatch_table:
        return False
    *bases, _ = _mro(cls)
    return all(map(_is_bare_itself, bases))


def _is_bare_itself(cls: type) -> bool:
    own = vars(cls)
    usual = type(own.get("__dict__")) in (GetSetDescriptorType, NoneType)
    return usual and bool(cls.__flags__ & origin.HEAP_TYPE) and _HOOKS.isdisjoint(own)


def bare_digest(value: Any, cls: Digest | None) -> Digest | None:
    """The digest of an object of such a class if it holds scalars only: the same as the long way gives, but sooner."""
    flat = [*chain.from_iterable(vars(value).items())]
    if cls is None or not flat or not SCALARS.issuperset(map(id, map(type, flat))):
        return None
    return seal("object", (1, False), [cls, cls, *flat])  # its type, and what it is made of: the class again


def _global(value: Any, name: str) -> Node:
    """The one object of this name in an installed module."""
    installed = _installed(value)
    if installed:
        return "installed", installed, ()
    if origin.of_class(type(value)) == origin.PROJECT:
        raise Unknown
    return "global", name, (type(value),)


def _memory(value: memoryview) -> Node:
    content = value if value.c_contiguous else value.tobytes()
    return "memoryview", (value.format, value.shape, value.readonly), [buffer(content)]


def _stream(value: Any) -> Node:
    return "stream", value.tell(), [type(value), value.getvalue(), vars(value)]


_exact: Mapping[int, Handler] = {
    id(list): lambda value: ("list", None, value),
    id(tuple): lambda value: ("tuple", None, value),
    id(dict): lambda value: ("dict", None, chain.from_iterable(value.items())),
    id(bytearray): lambda value: ("bytearray", None, [buffer(value)]),
    id(memoryview): _memory,
    id(PickleBuffer): lambda value: ("buffer", None, [buffer(value.raw())]),
    id(io.BytesIO): _stream,
    id(io.StringIO): _stream,
    id(FunctionType): _code,
    id(BuiltinFunctionType): _builtin_function,
}
_met: set[str] = set()
_derivable: dict[int, tuple[type, Handler]] = {id(kind): (kind, _code) for kind in (type, ModuleType)}
