"""What kinds of object there are round code: shells that only hold functions, small tables of them, builtins."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import Field
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
from typing import Any

from dagbook.fingerprint import origin

LRU_CACHE = type(functools.lru_cache(len))

_NAMED = (
    BuiltinFunctionType,
    MethodDescriptorType,
    WrapperDescriptorType,
    MemberDescriptorType,
    GetSetDescriptorType,
)
TABLES = frozenset({list, tuple, dict, set, frozenset, MappingProxyType})
_SMALL = 64


def inside(value: Any) -> Sequence[Any] | None:
    """What is to be walked of an object that is only a shell round code; None for everything else."""
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, BuiltinFunctionType) and value.__self__ is not None:
        return [value.__name__, value.__self__]
    if isinstance(value, _NAMED):
        return [getattr(value, "__objclass__", type(value)).__qualname__, value.__name__]
    if isinstance(value, staticmethod | classmethod):
        return [value.__func__]
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    if isinstance(value, functools.cached_property):
        return [value.func]
    if isinstance(value, functools.partial | functools.partialmethod):
        return [value.func, value.args, value.keywords]
    if isinstance(value, functools.singledispatchmethod):
        return [value.func, value.dispatcher]
    if isinstance(value, LRU_CACHE):
        return [vars(value)["__wrapped__"], value.cache_parameters()]
    if isinstance(value, Field):
        return [value.name, value.default, value.default_factory, value.init, value.compare, value.kw_only]
    return None


def kind(value: object) -> str:
    """The kind of part that a global with this value is."""
    if isinstance(value, type):
        return "class"
    return "helper" if _is_code(value) or callable(value) else "constant"


def _is_code(value: object) -> bool:
    shells = (FunctionType, type, ModuleType, MethodType, BuiltinFunctionType, functools.partial, LRU_CACHE)
    return isinstance(value, (*shells, staticmethod, classmethod, property))


def holds_code(value: Any, depth: int = 3) -> bool:
    """Whether a small builtin container holds functions, classes or modules."""
    if type(value) not in TABLES or len(value) > _SMALL or not depth:
        return False
    items = value.values() if isinstance(value, dict | MappingProxyType) else value
    return any(_is_code(each) or holds_code(each, depth - 1) for each in items)


def is_builtin(value: object) -> bool:
    """Whether what the builtins hold is Python's own (IPython puts things there, and so may the user)."""
    if isinstance(value, type):
        return not value.__flags__ & origin.HEAP_TYPE
    return isinstance(value, BuiltinFunctionType) or type(value).__module__ in ("builtins", "_sitebuiltins")
