"""The fingerprint of a value: 16 bytes that tell its content, by type and never by ``==``.

Plain data go through the C pickler (:mod:`~dagbook.fingerprint.plain`). Everything else is taken apart, object by
object: its type says what it is made of, as a :data:`~dagbook.fingerprint.plain.Node`, and its digest is made from
those of its parts. There is no recursion, so depth does not matter, and an object in many places is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from dagbook.fingerprint import objects
from dagbook.fingerprint.describe import describe, immutable
from dagbook.fingerprint.objects import Handler, set_code_fingerprint
from dagbook.fingerprint.parts import Digest, unknown
from dagbook.fingerprint.plain import SCALARS, Node, TooLong, Unknown, plain, scalar, seal

__all__ = ["describe", "fingerprint", "immutable", "register", "set_code_fingerprint"]

T = TypeVar("T")

_ATOMS = SCALARS | {id(bytes)}
_CONTAINERS = frozenset(map(id, (list, tuple, dict)))
_LARGE = 32  # elements: from here on it is worth a try whether a container holds plain data only
_SORTABLE = ({id(str)}, {id(int)}, {id(bytes)})


def fingerprint(value: object) -> Digest:
    """Equal digests only for equal content; ``unknown()``, which equals nothing, where the content cannot be told.

    It may err to "different", never to "same". It is stable over processes, hash seeds and operating systems. Types
    count everywhere (1, True and 1.0 differ), the order of dicts counts, that of sets does not. ``==``, ``hash`` and
    ``repr`` of a value are never called; what a type gives to pickle is taken as its content.
    """
    if id(type(value)) in _ATOMS:
        return scalar(value)
    try:
        return _plain_or_not(value)
    except Exception:  # the code of the value's own type ran, and may raise anything
        return unknown()


def register(kind: type[T], function: Callable[[T], object]) -> None:
    """Let ``function`` give what is to be fingerprinted instead of a value of this type, or of one derived from it."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    objects.add(kind, lambda value: ("registered", name, [function(value)]))


def _plain_or_not(value: object) -> Digest:
    try_plain = True
    if id(type(value)) in _CONTAINERS:
        try:
            found = plain(value)
        except TooLong:
            try_plain, found = False, None
        if found is not None:
            return found
    try:
        return _Walk(try_plain).digest(value)
    except _Cycle:
        return _Walk(try_plain, numbered=True).digest(value)


class _Cycle(Exception):
    """An object contains itself."""


class _Walk:
    """Takes one value apart.

    An object that is met again has its digest already, so it does not count whether two equal objects are one. Only
    where an object contains itself, objects are ``numbered``, and one that is met again is told by its number.
    """

    def __init__(self, try_plain: bool = True, numbered: bool = False) -> None:
        self._try_plain = try_plain
        self._numbered = numbered
        self._done: dict[int, Digest] = {}
        self._path: set[int] = set()
        self._alive: list[object] = []  # else the id of an object that was made on the way could come again
        self._handlers: dict[int, Handler] = {}
        self._bare: set[int] = set()

    def digest(self, root: object) -> Digest:
        stack = [self._open(root)]
        while True:
            owner, kind, head, parts, tokens = stack[-1]
            for part in parts:
                if id(type(part)) in SCALARS:
                    tokens.append(part)
                    continue
                token = self._done.get(id(part)) or self._at_once(part)
                if token is None:
                    stack.append(self._open(part))
                    break
                tokens.append(token)
            else:
                token = seal(kind, head, tokens)
                self._close(owner, token)
                stack.pop()
                if not stack:
                    return token
                stack[-1][4].append(token)

    def _at_once(self, value: object) -> Digest | None:
        """The digest of what need not be taken apart."""
        key = id(type(value))
        if key in _ATOMS:
            return scalar(value)
        if key in self._bare:
            return objects.bare_digest(value, self._done.get(key))
        if self._try_plain and key in _CONTAINERS and len(value) >= _LARGE:  # type: ignore[arg-type]
            try:
                return plain(value)
            except TooLong:
                self._try_plain = False
        return None

    def _open(self, value: object) -> tuple[object, str, object, Iterator[object], list[object]]:
        key = id(value)
        if key in self._path:
            raise _Cycle
        self._path.add(key)
        self._alive.append(value)
        if self._numbered:
            self._done[key] = seal("again", len(self._alive), [])
        cls = type(value)
        handler = self._handlers.get(id(cls))
        if handler is None:
            ours = issubclass(cls, (set, frozenset))
            handler = self._handlers[id(cls)] = self._set if ours else objects.handler(cls)
            if not self._numbered and objects.is_bare(cls, handler):
                self._bare.add(id(cls))
        kind, head, parts = handler(value)
        return value, kind, head, iter(parts), []

    def _close(self, value: object, token: Digest) -> None:
        self._path.discard(id(value))
        if not self._numbered:
            self._done[id(value)] = token

    def _set(self, value: Any) -> Node:
        kind = set if isinstance(value, set) else frozenset
        members = list(kind.__iter__(value))
        extra = [] if type(value) is kind else [type(value), object.__getstate__(value)]
        if {id(type(member)) for member in members} in _SORTABLE:
            return kind.__name__, sorted(members), extra
        return kind.__name__, sorted(map(self._member, members)), extra

    def _member(self, member: object) -> Digest:
        """The digest of a member of a set, whatever is around the set."""
        found = self._at_once(member)
        if found is not None:
            return found
        if not self._numbered:
            return self._done.get(id(member)) or self.digest(member)
        try:
            return _Walk(self._try_plain).digest(member)
        except _Cycle:
            raise Unknown from None  # its place among the others would depend on itself
