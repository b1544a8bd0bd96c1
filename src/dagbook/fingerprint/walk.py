"""The walk from a function to everything that it can reach.

Two ideas. *Content* is the digest of one object with what it holds inside (a function's code, defaults and closure; a
class's bases and attributes). *Bindings* are the global names that code reads: each becomes a part of its own, under
the name that people know it by, so that a difference can be named; content only queues them. A helper of a helper is
therefore never nested in its caller: no recursion, and a cycle ends because each binding is followed once.

While it walks it notes, beside each thing that it looks at, a cheap check that this thing is still the same.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum, EnumMeta
from operator import itemgetter
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, NamedTuple, get_args, get_origin

from dagbook.fingerprint import origin
from dagbook.fingerprint.bytecode import Chain, Import, Reading, read
from dagbook.fingerprint.digests import ATOMS, atom, join, leaf
from dagbook.fingerprint.parts import Digest, Part
from dagbook.fingerprint.shells import LRU_CACHE, TABLES, holds_code, inside, is_builtin, kind
from dagbook.fingerprint.text import Locate, innermost, told
from dagbook.fingerprint.text import text as text_of
from dagbook.fingerprint.value import fingerprint
from dagbook.fingerprint.watch import ADDED, MISSING, Watch, contents

ORDER = (
    "code",
    "helper",
    "class",
    "constant",
    "module",
    "missing",
    "default",
    "closure",
    "package",
    "python",
)
"""The kinds of parts of code, the most telling first."""

UNNAMED = frozenset({"code", "closure"})
"""Kinds whose name is for people only: a node and a captured variable may be renamed."""

_RANKS = {kind: rank for rank, kind in enumerate(ORDER)}
_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
_PYTHON = Part("python", _VERSION, leaf("python", _VERSION))
_SELF = leaf("self")
_NO_ATTRIBUTES = join("attributes", ())
_DEEP = 100
_SMALL = 64
_BUILT_IN = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType)
_SLOTS = (MemberDescriptorType, GetSetDescriptorType)
_LRU_CACHE = type(functools.lru_cache(len))


class _Binding(NamedTuple):
    """Some global names, to be followed later."""

    space: Mapping[str, Any]
    chain: Chain


class Walk:
    """One walk. ``parts``, ``modules`` and ``unseen`` are what it found; ``watch`` tells whether that is still true."""

    def __init__(self, space: Mapping[str, Any], place: Locate) -> None:
        self.watch = Watch()
        self.modules: set[str] = set()
        self.unseen: dict[str, None] = {}
        self._space = space
        self._place = place
        self._parts: dict[tuple[str, str], Part] = {}
        self._labels: dict[int, str] = {id(space): ""}
        self._kept: list[object] = []
        self._done: dict[int, Digest] = {}
        self._open: list[int] = []
        self._queue: deque[_Binding | tuple[Mapping[str, Any], Import]] = deque()
        self._followed: set[tuple[int, Chain]] = set()

    # -- the root ------------------------------------------------------------------------------------------------

    def root(self, value: Any) -> tuple[Part, ...]:
        """All parts of what calling ``value`` can reach, in a fixed order."""
        name = getattr(value, "__name__", type(value).__name__)
        while isinstance(value, functools.partial):
            numbered = {f"argument {number}": each for number, each in enumerate(value.args, 1)}
            for key, each in (numbered | value.keywords).items():
                self._add_data("default", key, each)
            self.watch.partial(value)
            value = value.func
        if isinstance(value, MethodType):
            self._add_data("constant", "self", value.__self__)
            value = value.__func__
        if isinstance(value, LRU_CACHE):
            value = vars(value)["__wrapped__"]
        own = innermost(value)
        if isinstance(value, FunctionType) and own is not None and not self._is_foreign(own):
            self._own_function(name, value)
        else:
            self._add("code", name, self.content(value), *told(value, self._place))
        while self._queue:
            self._follow(self._queue.popleft())
        self._parts["python", _VERSION] = _PYTHON
        return self._sorted()

    def _sorted(self) -> tuple[Part, ...]:
        named = ((_RANKS[part.kind], "" if part.kind in UNNAMED else part.name) for part in self._parts.values())
        return tuple(part for _, part in sorted(zip(named, self._parts.values(), strict=True), key=itemgetter(0)))

    def _own_function(self, name: str, function: FunctionType) -> None:
        """The node's own code is the innermost of the functions that ``functools.wraps`` put round it."""
        layers = [function]
        while isinstance(inner := vars(layers[-1]).get("__wrapped__"), FunctionType) and inner not in layers:
            layers.append(inner)
        for layer in layers:
            self._done[id(layer)] = _SELF
            self._kept.append(layer)
        for layer in layers:
            self.watch.function(layer)
            reading, code = read(layer.__code__), layer.__code__
            own = layer is layers[-1]
            pieces = [self._code(layer, reading), self._attributes(layer)]
            label = name if own else code.co_qualname.partition(".<locals>")[0]
            self._add("code" if own else "helper", label, join("own", pieces), self._place(code), text_of(code))
            self._parameters(layer)
            for variable, content in _captured(layer, reading):
                if not any(content is each for each in layers):
                    self._add_data("closure", variable, content)

    def _parameters(self, function: FunctionType) -> None:
        code, defaults = function.__code__, function.__defaults__ or ()
        names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
        pairs = [*zip(names, defaults, strict=True), *(function.__kwdefaults__ or {}).items()]
        for name, value in pairs:
            self._add_data("default", name, value)

    # -- parts ---------------------------------------------------------------------------------------------------

    def _add(self, kind: str, name: str, digest: Digest, where: str = "", text: str = "") -> str:
        """Add a part; two different things of one name are told apart by a number."""
        title, number = name, 1
        while (found := self._parts.get((kind, title))) is not None and found.digest != digest:
            number += 1
            title = f"{name}#{number}"
        self._parts[kind, title] = Part(kind, title, digest, where, text)
        return title

    def _add_data(self, kind: str, name: str, value: object) -> None:
        self._add(kind, name, self.content(value), *told(value, self._place))

    # -- bindings ------------------------------------------------------------------------------------------------

    def _label(self, space: Mapping[str, Any]) -> str:
        """What a namespace is called: nothing for the root's own, else the name of its module."""
        found = self._labels.get(id(space))
        if found is None:
            name, number = str(space.get("__name__", "?")), 1
            found = name
            while found in self._labels.values():
                number += 1
                found = f"{name}#{number}"
            self._labels[id(space)] = found
            self._kept.append(space)
        return found

    def _title(self, space: Mapping[str, Any], name: str) -> str:
        label = self._label(space)
        return f"{label}.{name}" if label else name

    def _follow(self, item: _Binding | tuple[Mapping[str, Any], Import]) -> None:
        if not isinstance(item, _Binding):
            self._import(*item)
            return
        key = id(item.space), item.chain
        if key in self._followed:
            return
        self._followed.add(key)
        name, *rest = item.chain
        value = self.watch.look_up(item.space, name)
        if isinstance(value, ModuleType):
            self._module(self._title(item.space, name), value, tuple(rest))
        elif value is MISSING:
            self._add("missing", self._title(item.space, name), leaf("missing"))
        elif (id(item.space), (name,)) not in self._followed or not rest:
            self._followed.add((id(item.space), (name,)))
            if name in item.space or not is_builtin(value):
                called = kind(value) if item.space is self._space else "module"
                self._add_data(called, self._title(item.space, name), value)

    def _module(self, title: str, module: ModuleType, chain: Chain) -> None:
        """A module that a name holds: its reached attribute, or all of it where the chain ends at the module."""
        name = module.__name__
        self._note_module(name)
        self._add("module", title, leaf("module", name), "", name)
        space = vars(module)
        if origin.of_space(space) != origin.PROJECT:
            self._installed(module, chain)
        elif not chain:
            self._whole(space)
        else:
            if chain[0] not in space and not self._load(f"{name}.{chain[0]}") and "__getattr__" in space:
                self._whole(space)
            self._queue.append(_Binding(space, chain))

    def _whole(self, space: Mapping[str, Any]) -> None:
        """Everything that a module holds now, whatever its file says since: what runs is what was imported."""
        self.watch.names(space)
        for name in space:
            if not (name.startswith("__") and name.endswith("__")):
                self._queue.append(_Binding(space, (name,)))

    def _installed(self, module: ModuleType, chain: Chain) -> None:
        """A module that is not read, only named with its version; the attributes may lead on to others."""
        self._package(module.__name__, origin.of_module(module))
        for attribute in chain:
            inner = f"{module.__name__}.{attribute}"
            value = vars(module).get(attribute, sys.modules.get(inner))
            if not isinstance(value, ModuleType):
                self._note_module(inner if origin.is_module(inner) else getattr(value, "__module__", None))
                break
            module = value
            self._note_module(module.__name__)

    def _package(self, module: str, where_from: str) -> None:
        if where_from == origin.INSTALLED:
            title = origin.version(module.partition(".")[0])
            self._add("package", title, leaf("package", title))

    def _note_module(self, name: object) -> None:
        if isinstance(name, str) and name not in ("__main__", "builtins") and name not in self.modules:
            words = name.split(".")
            self.modules.update(".".join(words[: i + 1]) for i in range(len(words)))

    def _import(self, space: Mapping[str, Any], item: Import) -> None:
        """An import inside a function means what it would bind when the function runs."""
        name = item.module
        if item.level:
            name = importlib.util.resolve_name("." * item.level + name, str(space.get("__package__") or ""))
        module = sys.modules.get(name) or self._load(name)
        if module is not None:
            self.watch.module(name)
            self._module(name, module, item.attributes)
        elif name.partition(".")[0] not in self.modules:
            self.watch.never()  # it may be installed at any time
            self._add("missing", name, leaf("missing"))

    def _load(self, name: str) -> ModuleType | None:
        """Import a module of the project, as the function itself will; of any other only note its package."""
        top = name.partition(".")[0]
        try:
            spec = importlib.util.find_spec(top)
            if spec is None:
                return None
            where_from = origin.of_path(spec.origin) if spec.has_location and spec.origin else origin.STANDARD
            if where_from == origin.PROJECT or spec.origin is None:
                return importlib.import_module(name)
        except Exception:  # user code: a module that cannot be imported is as good as missing
            return None
        self._note_module(name)
        self._package(name, where_from)
        self._add("module", name, leaf("module", name), "", name)
        return None

    # -- content -------------------------------------------------------------------------------------------------

    def content(self, value: Any) -> Digest:
        """The digest of one object with what it holds; the globals that its code reads are queued."""
        if type(value) in ATOMS:
            return atom(value)
        key = id(value)
        if key in self._done:
            return self._done[key]
        if key in self._open:
            return leaf("cycle", str(self._open.index(key)))
        self._open.append(key)
        try:
            digest = self._content(value)
        finally:
            self._open.pop()
        self._done[key] = digest
        self._kept.append(value)
        return digest

    def _content(self, value: Any) -> Digest:
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, ModuleType):
            self._module(value.__name__, value, ())
            return leaf("module", value.__name__)
        if isinstance(value, Enum):
            self._class_part(type(value))
            name = f"{type(value).__qualname__}.{value._name_}"
            return join("enum", [leaf("name", name), self.content(value._value_)])
        if callable(value) and origin.of_class(type(value)) != origin.PROJECT and (name := self._well_known(value)):
            return leaf("installed", name)
        inner = self._table(value) if type(value) in TABLES else inside(value)
        if inner is not None:
            return join(type(value).__qualname__, map(self.content, inner))
        return self._data(value)

    def _table(self, value: Any) -> Iterable[Any] | None:
        """The items of a small container that holds code (a dispatch table); any other container is data."""
        if not holds_code(value) or len(self._open) > _DEEP:
            return None
        if isinstance(value, dict | MappingProxyType):
            self.watch.items(value)
            return [each for pair in value.items() for each in pair]
        items = tuple(value)
        if isinstance(value, list | set):
            self.watch.members(value)
        return items if isinstance(value, list | tuple) else sorted(items, key=self.content)

    def _data(self, value: Any) -> Digest:
        """A value, by value; the code of its class is in its fingerprint, and a part too, so that it can be named."""
        digest = fingerprint(value)
        cls = type(value)
        self._note_module(cls.__module__)
        if cls.__flags__ & origin.HEAP_TYPE and origin.of_class(cls) == origin.PROJECT:
            self._class_part(cls)
        self.watch.data(value, digest)
        return digest

    # -- functions -----------------------------------------------------------------------------------------------

    def _is_foreign(self, function: FunctionType) -> bool:
        return origin.of_space(function.__globals__) != origin.PROJECT

    def _well_known(self, value: Any) -> str:
        name = origin.well_known(value)
        if name:
            module = name.rpartition(".")[0]
            while module not in sys.modules:  # the name may go on inside a class
                module = module.rpartition(".")[0]
            self._note_module(module)
            self._package(module, origin.of_module(sys.modules[module]))
        return name

    def _function(self, function: FunctionType) -> Digest:
        registry = vars(function).get("registry")
        if isinstance(registry, MappingProxyType) and function.__globals__ is vars(functools):
            self.watch.items(registry)  # a single-dispatch function is its table; its cache comes and goes
            return join("dispatch", [self.content(each) for pair in registry.items() for each in pair])
        if self._is_foreign(function) and (name := self._well_known(function)):
            return leaf("installed", name)
        self.watch.function(function)
        reading = read(function.__code__)
        pieces = [self._code(function, reading), self._attributes(function)]
        pieces += map(self.content, function.__defaults__ or ())
        pieces += (self.content(each) for pair in sorted((function.__kwdefaults__ or {}).items()) for each in pair)
        pieces += (self.content(content) for _, content in _captured(function, reading))
        return join("function", pieces)

    def _code(self, function: FunctionType, reading: Reading) -> Digest:
        """The code of a function and which namespace its names mean; what it reads there is queued."""
        space = function.__globals__
        if self._is_foreign(function):
            name = str(space.get("__name__"))
            self._note_module(name)
            self._package(name, origin.of_space(space))
            return join("foreign", [reading.digest, leaf("space", name)])
        self._queue.extend(_Binding(space, chain) for chain in reading.globals)
        self._queue.extend((space, item) for item in reading.imports)
        self._queue.extend(_Binding(space, (word,)) for word in reading.maybe if word in space)
        self.unseen.update(dict.fromkeys(reading.unseen))
        return join("code", [reading.digest, leaf("space", self._label(space))])

    def _attributes(self, function: FunctionType) -> Digest:
        """What was set on a function, but for our own marks."""
        table = vars(function)
        if not table:
            return _NO_ATTRIBUTES
        self.watch.items(table)
        names = sorted(name for name in table if not name.startswith("__dagbook"))
        return join("attributes", [self.content(each) for name in names for each in (name, table[name])])

    # -- classes -------------------------------------------------------------------------------------------------

    def _class_part(self, cls: type) -> str:
        """A class of the project under its own name; what holds it need only give the name."""
        space = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
        own = space is self._space or cls.__module__ == self._space.get("__name__", "builtins")
        title = cls.__qualname__ if own else f"{cls.__module__}.{cls.__qualname__}"
        return self._add("class" if own else "module", title, self.content(cls), *told(cls, self._place))

    def _class(self, cls: type) -> Digest:
        name = f"{cls.__module__}.{cls.__qualname__}"
        where_from = origin.of_class(cls)
        if where_from != origin.PROJECT:
            self._note_module(cls.__module__)
            self._package(cls.__module__, where_from)
            return leaf("installed", name)
        self.watch.class_(cls)
        pieces = [leaf("class", cls.__qualname__), self._ancestor(type(cls)), *map(self._ancestor, cls.__bases__)]
        attributes = dict(vars(cls))
        if isinstance(cls, EnumMeta):
            members: Mapping[str, Enum] = cls.__members__
            pieces += (self.content(each) for key in members for each in (key, members[key]._value_))
            attributes = {key: each for key, each in attributes.items() if _is_written(key, each)}
        for key in sorted(attributes.keys() - ADDED):
            if not _is_generated(key):
                pieces += (atom(key), self._attribute(key, attributes[key]))
        return join("class", pieces)

    def _attribute(self, name: str, value: Any) -> Digest:
        if name == "__annotations__":  # data: dataclasses and their like read it
            return join("annotations", [each for key in value for each in (atom(key), self._annotation(value[key]))])
        if name == "__dataclass_params__":
            return leaf("parameters", repr(value))
        if name in ("__dataclass_fields__", "__pydantic_fields__") and isinstance(value, dict):
            return join("fields", [each for key in value for each in (atom(key), self.content(value[key]))])
        return self.content(value)

    def _annotation(self, value: Any) -> Digest:
        """An annotation in a class, the same as a text or as the type itself."""
        if isinstance(value, str):
            return leaf("annotation", value)
        if get_origin(value) is not None:
            return join("annotation", map(self._annotation, (get_origin(value), *get_args(value))))
        if isinstance(value, type):
            if origin.of_class(value) == origin.PROJECT and id(value) not in self._open:
                self._class_part(value)
            return leaf("annotation", value.__qualname__)
        return leaf("annotation", type(value).__qualname__)

    def _ancestor(self, cls: type) -> Digest:
        """A base class or metaclass: by name when installed, by a part of its own when it is the project's."""
        if origin.of_class(cls) == origin.PROJECT and id(cls) not in self._open:
            return leaf("ancestor", self._class_part(cls))
        return self.content(cls)


def _captured(function: FunctionType, reading: Reading) -> list[tuple[str, Any]]:
    """The captured variables of a function, in the order in which its code uses them."""
    found = dict(zip(function.__code__.co_freevars, contents(function), strict=True))
    return [(name, None if found[name] is MISSING else found[name]) for name in reading.free]


def _is_written(name: str, value: object) -> bool:
    """Whether an attribute of an Enum was written by its author (the rest are its members and their tables)."""
    return isinstance(value, FunctionType | property | classmethod | staticmethod) and not name.startswith("_generate")


def _is_generated(name: str) -> bool:
    return name.startswith("__pydantic_") and name != "__pydantic_fields__"
