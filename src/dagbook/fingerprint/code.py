"""What a function can reach when it runs, as one digest and as parts with names."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from dagbook.fingerprint import text
from dagbook.fingerprint.digests import join, leaf
from dagbook.fingerprint.parts import Digest, Part, known
from dagbook.fingerprint.text import Locate
from dagbook.fingerprint.value import set_code_fingerprint
from dagbook.fingerprint.walk import UNNAMED, Walk
from dagbook.fingerprint.watch import Check


@dataclass(frozen=True, slots=True)
class Reach:
    """All that a function can reach when it runs.

    ``parts`` begin with the function's own code; their texts and places are for people. ``digest`` is equal exactly
    when nothing that is reached differs. ``unseen`` says, in sentences, what cannot be followed. ``modules`` are the
    dotted names of all modules reached, with the packages above them.
    """

    parts: tuple[Part, ...]
    digest: Digest
    unseen: tuple[str, ...]
    modules: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Memo:
    """A reach, and how to tell that it is still true."""

    alive: weakref.ref[Any]
    place: Locate
    reach: Reach
    checks: Sequence[Check]


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
    here, if it was not before. Asked again, it costs some identity checks as long as nothing has changed; mutable data
    is fingerprinted again each time. ``place`` tells people where a code object stands (``cell 3``).
    """
    memo = _memos.get(id(function))
    _walks.under_way.append(id(function))
    try:
        if memo is not None and memo.alive() is function and memo.place == place and _holds(memo.checks):
            return memo.reach
        return _walk(function, place)
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
    return all(check() for check in checks)


def _walk(function: Any, place: Locate) -> Reach:
    walk = Walk(_space(function), place)
    parts = walk.root(function)
    found = Reach(parts, digest_of(parts), tuple(walk.unseen), frozenset(walk.modules))
    if known(found.digest) and isinstance(function, FunctionType | type):
        key = id(function)
        alive = weakref.ref(function, lambda _: _memos.pop(key, None))
        _memos[key] = _Memo(alive, place, found, walk.watch.checks)
    return found


def _space(function: Any) -> Mapping[str, Any]:
    """The namespace whose names need no prefix."""
    found = text.innermost(function)
    if found is not None:
        return found.__globals__
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    return vars(module) if module is not None else {}


set_code_fingerprint(code_digest)
