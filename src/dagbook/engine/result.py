"""A result: what is known of a value, and the value itself when somebody wants it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

from dagbook.engine.ports import Record, Store
from dagbook.errors import RefusedError
from dagbook.fingerprint.parts import known
from dagbook.fingerprint.value import fingerprint, immutable


class Lost(RefusedError):
    """A value that was promised cannot be had any more: its stored bytes are damaged or gone."""

    def __init__(self, result: Result, why: str) -> None:
        self.result = result
        super().__init__(why)


_ABSENT = object()


class _Doubt:
    """Goes up when a value may have been changed in place: results may share objects, so each is checked once again."""

    level = 0


@dataclass(slots=True)
class Loan:
    """A value in the hands of one node, which nobody else sees: ``pieces`` are what can be changed in place."""

    value: object
    pieces: Sequence[tuple[Result, object]] = ()

    def end(self, copied: bool = False) -> bool:
        """The node has ended: whether it left the value as it was. One that had a copy need not be asked."""
        changed = 0
        for result, piece in self.pieces:  # each must be given back, whatever became of the others
            changed += not result.give_back(piece, copied)
        return not changed


class Result:
    """A value that exists: in memory, in the store (loaded when first asked for), or made of its children's values.

    The value in memory is in the hands of at most one node at a time: others that run beside it get copies.
    """

    __slots__ = (
        "_checked",
        "_children",
        "_exposed",
        "_keys",
        "_lent",
        "_lock",
        "_store",
        "_value",
        "record",
        "volatile",
    )

    def __init__(
        self,
        record: Record,
        store: Store,
        value: object = _ABSENT,
        children: Sequence[Result] = (),
        keys: tuple[object, ...] | None = None,
        volatile: str = "",
    ) -> None:
        self.record = record
        self.volatile = volatile
        self._store = store
        self._value = value
        self._children = tuple(children)
        self._keys = keys
        self._checked = _Doubt.level
        self._exposed = False
        self._lent = False
        self._lock = threading.Lock()

    @property
    def loaded(self) -> bool:
        """Whether the value is in memory."""
        return self._value is not _ABSENT

    @property
    def stored(self) -> bool:
        """Whether the value is in the store only, and would have to be loaded."""
        if self.record.children is not None:
            return any(child.stored for child in self._children)
        return not self.loaded

    @property
    def children(self) -> tuple[Result, ...]:
        """The results of a mapped node's children, in order."""
        return self._children

    def lend(self, alone: bool = False) -> Loan:
        """The value for one node, until the loan's end; ``alone`` makes sure that no other result shares an object.

        Raises Lost when the value was stored, and is damaged or gone.
        """
        if self.record.children is not None:
            loans = [child.lend(alone) for child in self._children]
            return Loan(self._compose([loan.value for loan in loans]), [p for loan in loans for p in loan.pieces])
        with self._lock:
            value = self._current()
            if immutable(value) or not known(self.record.value):
                return Loan(value)
            if self.record.blob is None:  # there is nowhere to get it from again
                value = private(value)
            elif self._lent or alone:
                value = self._load()
            else:
                self._lent = True
            return Loan(value, [(self, value)])

    def give_back(self, value: object, copied: bool = False) -> bool:
        """The end of a loan: whether ``value`` still has its fingerprint. If not, it is forgotten, and loaded anew."""
        same = copied or fingerprint(value) == self.record.value
        with self._lock:
            if value is self._value:
                self._lent = False
                if not same:
                    self._value = _ABSENT
        if not same:
            _Doubt.level += 1
        return same

    def expose(self) -> object:
        """The value for code outside the graph, which may change it: from then on it is checked before each use."""
        if self.record.children is not None:
            return self._compose([child.expose() for child in self._children])
        with self._lock:
            if self._lent:
                return self._load()
            value = self._current()
            self._exposed = not immutable(value)
        _Doubt.level += self._exposed
        return value

    def _current(self) -> object:
        in_doubt = self._exposed or self._checked != _Doubt.level
        if self._value is not _ABSENT and in_doubt and not self._lent and not self._same():
            self._value = _ABSENT
        if self._value is _ABSENT:
            self._value, self._lent, self._exposed = self._load(), False, False
        self._checked = _Doubt.level
        return self._value

    def _same(self) -> bool:
        if immutable(self._value) or not known(self.record.value):
            return True
        return fingerprint(self._value) == self.record.value

    def _compose(self, values: list[object]) -> object:
        return dict(zip(self._keys, values, strict=True)) if self._keys is not None else values

    def _load(self) -> object:
        if self.record.blob is None:
            raise Lost(self, f"the value of {self.record.node} was not stored")
        try:
            return self._store.get(self.record.blob)
        except RefusedError as error:
            raise Lost(self, str(error)) from error


def private(value: object) -> object:
    """A copy of ``value`` for one node, or itself when it cannot be changed or cannot be copied."""
    if immutable(value):
        return value
    try:
        return deepcopy(value)
    except Exception:  # the code of the value's own type ran, and may raise anything
        return value
