"""The results of a graph's nodes, in versions that share what did not change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dagbook.engine.result import Result


class Results(Mapping[int, Result]):
    """Results by index, as one run sees them.

    A run that changes a few nodes of many makes the next version in a time that depends on those few: the newest
    version holds everything, and each older one what was different then (a persistent array, as Baker described it in
    1978, in which the newest is always the root).
    """

    __slots__ = ("_behind", "_data", "_different", "_next")

    def __init__(self, data: Mapping[int, Result] | None = None) -> None:
        self._data: dict[int, Result] | None = dict(data) if data is not None else {}
        self._different: dict[int, Result | None] = {}
        self._next: Results | None = None
        self._behind: Results | None = None  # the version before this one

    def after(self) -> Results:
        """The next version, equal until it is changed; this one must not be changed any more."""
        assert self._data is not None, "only the newest version has a next one"
        new = Results()
        new._data, self._data = self._data, None
        new._behind, self._next = self, new
        self._behind = None
        return new

    def find(self, i: int) -> Result | None:
        """The result of node ``i``, if it has one."""
        version = self
        while version._data is None:
            if i in version._different:
                return version._different[i]
            assert version._next is not None
            version = version._next
        return version._data.get(i)

    def __getitem__(self, i: int) -> Result:
        found = self._data.get(i) if self._data is not None else self.find(i)
        if found is None:
            raise KeyError(i)
        return found

    def __setitem__(self, i: int, result: Result) -> None:
        assert self._data is not None, "an older version never changes"
        if self._behind is not None:
            self._behind._different.setdefault(i, self._data.get(i))
        self._data[i] = result

    def __contains__(self, i: object) -> bool:
        return isinstance(i, int) and self.find(i) is not None

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[int]:
        """The indexes that have a result."""
        newest = self
        while newest._data is None:
            assert newest._next is not None
            newest = newest._next
        return (i for i in list(newest._data) if newest is self or self.find(i) is not None)
