"""A result: what is known of a value, and the value itself when somebody wants it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

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


class Result:
    """A value that exists: in memory, in the store (loaded when first asked for), or made of its children's values.

    ``value()`` may hand the same object to several readers; :meth:`intact` says whether they left it as it was.
    """

    __slots__ = ("_children", "_exposed", "_keys", "_lock", "_store", "_value", "record", "volatile")

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
        self._exposed = False
        self._lock = threading.Lock()

    @property
    def loaded(self) -> bool:
        """Whether the value is in memory."""
        return self._value is not _ABSENT

    @property
    def children(self) -> tuple[Result, ...]:
        """The results of a mapped node's children, in order."""
        return self._children

    def value(self) -> object:
        """The value. Raises Lost when it was stored, and is damaged or gone."""
        if self.record.children is not None:
            return self._compose([child.value() for child in self._children])
        with self._lock:
            if self._exposed and not self._same():
                self._value = _ABSENT
            self._exposed = False
            if self._value is _ABSENT:
                self._value = self._load()
            return self._value

    def expose(self) -> object:
        """The value for code outside the graph, which may change it: it is checked before the next use."""
        if self.record.children is not None:
            return self._compose([child.expose() for child in self._children])
        value = self.value()
        self._exposed = True
        return value

    def intact(self) -> bool:
        """Whether the value in memory still has its fingerprint; if not, it is forgotten, and loaded anew next time."""
        if self.record.children is not None:
            return all([child.intact() for child in self._children])
        with self._lock:
            if self._same():
                return True
            self._value = _ABSENT
            return False

    def _same(self) -> bool:
        if self._value is _ABSENT or immutable(self._value) or not known(self.record.value):
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
