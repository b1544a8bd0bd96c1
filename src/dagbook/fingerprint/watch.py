"""Whether all that a walk looked at is still the same: identity checks, and mutable data fingerprinted again."""

from __future__ import annotations

import builtins
import functools
import itertools
import operator
import sys
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from dagbook.fingerprint.parts import Digest
from dagbook.fingerprint.value import fingerprint, immutable

Check = Callable[[], bool]

MISSING = object()

ADDED = frozenset(
    {
        "__module__",
        "__qualname__",
        "__doc__",
        "__dict__",
        "__weakref__",
        "__firstlineno__",
        "__static_attributes__",
        "__abstractmethods__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__orig_bases__",
        "__parameters__",
        "__signature__",
        "__slotnames__",
        "_abc_impl",
    }
)
"""The attributes of a class that Python adds; some of them late, and none of them code."""


class Watch:
    """Notes one check for each thing that is looked at. All hold for as long as a walk would find the same."""

    def __init__(self) -> None:
        self.quick: list[Check] = []
        self.costly: list[Check] = []

    def only(self, value: object) -> bool:
        """Whether ``value``, a function that captures nothing, is all that was looked at."""
        return isinstance(value, FunctionType) and not value.__closure__ and len(self.quick) == 1 and not self.costly

    def never(self) -> None:
        """What was found may be otherwise at any time."""
        self.quick.append(lambda: False)

    def look_up(self, space: Mapping[str, Any], name: str) -> Any:
        """What a global name means now, as the running code would find it; MISSING when nothing."""
        value = space.get(name, MISSING)
        if value is not MISSING:
            pointer = _pointer(value)
            self.quick.append(lambda: space.get(name, MISSING) is pointer())
            return value
        inner = space.get("__builtins__", builtins)
        beyond: Mapping[str, Any] = vars(inner) if isinstance(inner, ModuleType) else inner
        value = beyond.get(name, MISSING)
        self.quick.append(lambda: name not in space and beyond.get(name, MISSING) is value)
        return value

    def module(self, name: str) -> None:
        """A module that is imported under this name."""
        module = sys.modules.get(name)
        self.quick.append(lambda: sys.modules.get(name) is module)

    def names(self, space: Mapping[str, Any]) -> None:
        """The names in a namespace."""
        names = tuple(space)
        self.quick.append(lambda: tuple(space) == names)

    def members(self, container: Collection[Any]) -> None:
        """The members of a list or set."""
        members = tuple(container)
        self.quick.append(
            lambda: len(container) == len(members) and all(map(operator.is_, container, members))
        )

    def data(self, value: Any, digest: Digest) -> None:
        """The content of a value, if it can change."""
        if not immutable(value):
            self.costly.append(lambda: fingerprint(value) == digest)

    def function(self, function: FunctionType) -> None:
        """The code, defaults, captured values and attributes of a function."""
        alive = weakref.ref(function)
        code, defaults, keywords = function.__code__, function.__defaults__, function.__kwdefaults__
        table = vars(function) or None
        pointers = [_pointer(content) for content in contents(function)]

        def same() -> bool:
            found = alive()
            if found is None or found.__code__ is not code or found.__defaults__ is not defaults:
                return False
            if found.__kwdefaults__ is not keywords or (vars(found) or None) is not table:
                return False
            return not pointers or all(
                content is pointer() for content, pointer in zip(contents(found), pointers, strict=True)
            )

        self.quick.append(same)
        if keywords:
            self.items(keywords)

    def partial(self, partial: functools.partial[Any]) -> None:
        """What is called, and with what."""
        alive = weakref.ref(partial)
        pointer, arguments, keywords = _pointer(partial.func), partial.args, partial.keywords

        def same() -> bool:
            found = alive()
            if found is None or found.func is not pointer():
                return False
            return found.args is arguments and found.keywords is keywords

        self.quick.append(same)
        self.items(keywords)

    def items(self, table: Mapping[Any, Any]) -> None:
        """The keys of a mapping, and the objects under them."""
        keys = tuple(table)
        pointers = [_pointer(value) for value in table.values()]

        def same() -> bool:
            return (
                len(table) == len(keys)
                and all(map(operator.is_, table, keys))
                and all(value is pointer() for value, pointer in zip(table.values(), pointers, strict=True))
            )

        self.quick.append(same)

    def class_(self, cls: type) -> None:
        """The bases and attributes of a class."""
        alive = weakref.ref(cls)
        bases = cls.__bases__
        names = tuple(_written_names(cls))
        values = tuple(map(vars(cls).get, names))

        def same() -> bool:
            found = alive()
            if found is None or found.__bases__ is not bases or tuple(_written_names(found)) != names:
                return False
            return all(map(operator.is_, map(vars(found).get, names), values))

        self.quick.append(same)


def contents(function: FunctionType) -> list[Any]:
    """What the captured variables of a function hold; MISSING where nothing yet."""
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            found.append(MISSING)
    return found


def _written_names(cls: type) -> Iterable[str]:
    """The attributes of a class but those that Python adds, some of them late."""
    return itertools.filterfalse(ADDED.__contains__, vars(cls))


def _pointer(value: Any) -> Callable[[], Any]:
    """A reference that does not keep functions and classes alive (what is remembered of one may lead back to it)."""
    return weakref.ref(value) if isinstance(value, FunctionType | type) else lambda: value
