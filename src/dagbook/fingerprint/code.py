"""What a function can reach when it runs, as one digest and as parts with names."""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, NamedTuple

from dagbook.fingerprint import text
from dagbook.fingerprint.digests import join, leaf
from dagbook.fingerprint.parts import Digest, Part, known
from dagbook.fingerprint.text import Locate
from dagbook.fingerprint.value import immutable, set_code_fingerprint
from dagbook.fingerprint.walk import UNNAMED, Walk
from dagbook.fingerprint.watch import Check


@dataclass(frozen=True, slots=True)
class Reach:
    """All that a function can reach when it runs.

    ``parts`` begin with the function's own code; their texts and places are for people. ``digest`` is equal exactly
    when nothing that is reached differs. ``unseen`` says, in sentences, what cannot be followed. ``modules`` are the
    dotted names of all modules reached, with the packages above them. ``fixed`` says that nothing but the function
    itself is reached: as long as it has the same code, the same defaults and no attributes, this is true.
    """

    parts: tuple[Part, ...]
    digest: Digest
    unseen: tuple[str, ...]
    modules: frozenset[str]
    fixed: bool = False


class _Memo(NamedTuple):
    """A reach, and how to tell that it is still true: ``quick`` compares objects, ``costly`` reads mutable data."""

    alive: weakref.ref[Any]
    place: Locate
    reach: Reach
    quick: Sequence[Check]
    costly: Sequence[Check]


class _Walks(threading.local):
    """The objects that this thread is asking about, outermost first: data may hold the very function that reaches it.

    A digest that was cut short there is remembered like any other: asked elsewhere, the data is fingerprinted again,
    comes out otherwise, and so the function is walked anew.
    """

    def __init__(self) -> None:
        self.under_way: list[int] = []


_memos: dict[int, _Memo] = {}
_walks = _Walks()


def reach(function: Any, *, place: Locate = text.place) -> Reach:
    """All that ``function`` can reach when it is called now.

    Nothing is run, with one exception: a module of the project that the function imports inside its body is imported
    here, if it was not before. Asked again, it costs some identity checks as long as nothing has changed, and gives the
    same object; mutable data is fingerprinted again each time. ``place`` tells people where a code object stands
    (``cell 3``).
    """
    memo = _memos.get(id(function))
    if memo is not None and memo.alive() is function and (memo.place is place or memo.place == place):
        if not _holds(memo.quick):
            memo = None
        elif not memo.costly:
            return memo.reach
    else:
        memo = None
    _walks.under_way.append(id(function))
    try:
        return memo.reach if memo is not None and _holds(memo.costly) else _walk(function, place)
    finally:
        _walks.under_way.pop()


def code_digest(value: Any) -> Digest:
    """The digest of a function, class or module that is met inside a value: of all that it can reach."""
    under_way = _walks.under_way
    if id(value) in under_way:
        return leaf("cycle", str(len(under_way) - under_way.index(id(value))))
    return reach(value).digest


def digest_of(parts: Sequence[Part]) -> Digest:
    """The digest of parts together; their texts and places do not count."""
    return join("reach", [each for part in parts for each in (_title(part), part.digest)])


def _title(part: Part) -> Digest:
    return leaf(part.kind, "" if part.kind in UNNAMED else part.name)


def _holds(checks: Sequence[Check]) -> bool:
    for check in checks:  # noqa: SIM110 (this is all that most calls of `reach` do, and must be quick)
        if not check():
            return False
    return True


def _walk(function: Any, place: Locate) -> Reach:
    walk = Walk(_space(function), place)
    parts = walk.root(function)
    watch = walk.watch
    found = Reach(parts, digest_of(parts), tuple(walk.unseen), frozenset(walk.modules), watch.only(function))
    if known(found.digest) and _can_be_remembered(function):
        key = id(function)
        alive = weakref.ref(function, lambda _: _memos.pop(key, None))
        _memos[key] = _Memo(alive, place, found, tuple(watch.quick), tuple(watch.costly))
    return found


def _can_be_remembered(function: Any) -> bool:
    """Not what may hold itself by something else than code: it would never be forgotten."""
    if type(function) is functools.partial:
        arguments = *function.args, *function.keywords.values()
        return isinstance(function.func, FunctionType) and immutable(arguments)
    return isinstance(function, FunctionType | type)


def _space(function: Any) -> Mapping[str, Any]:
    """The namespace whose names need no prefix."""
    found = text.innermost(function)
    if found is not None:
        return found.__globals__
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    return vars(module) if module is not None else {}


set_code_fingerprint(code_digest)
