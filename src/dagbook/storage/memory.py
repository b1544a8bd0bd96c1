"""Store and journal of a session without a directory: the same promises, as long as the process lives."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from dagbook.engine.events import Log
from dagbook.engine.ports import Blob, Record
from dagbook.errors import RefusedError, UnstorableError
from dagbook.fingerprint.parts import Digest

REMEMBERED = 24
"""How many durations of a node are kept."""


class MemoryStore:
    """Keeps nothing: without a directory, values live where they were made, in the engine's memory."""

    def put(self, value: object) -> Blob:
        raise UnstorableError("this session has no store directory")

    def has(self, blob: Blob) -> bool:
        return False

    def get(self, blob: Blob) -> object:
        raise RefusedError("this session has no store directory; the value is computed again.")


class MemoryJournal:
    """Records by key and by node. A commit costs nothing but its records; events stay in the run's own log."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._by_key: dict[Digest, list[Record]] = {}
        self._last: dict[str, Record] = {}
        self._seconds: dict[str, deque[float]] = {}

    def begin(self, dag: str, started: float) -> int:
        with self._lock:
            self._runs += 1
            return self._runs

    def commit(self, run: int, log: Log, start: int, stop: int, records: Sequence[Record]) -> None:
        with self._lock:
            for record in records:
                same = self._by_key.get(record.key, ())
                kept = [r for r in same if r.value != record.value or r.files != record.files]
                self._by_key[record.key] = [record, *kept]
                self._last[record.node] = record
                self._seconds.setdefault(record.node, deque(maxlen=REMEMBERED)).append(record.seconds)

    def finish(self, run: int, status: str, finished: float) -> None:
        pass  # the run itself knows

    def find(self, key: Digest) -> Sequence[Record]:
        with self._lock:
            return tuple(self._by_key.get(key, ()))

    def last(self, names: Iterable[str]) -> Mapping[str, Record]:
        with self._lock:
            return {name: self._last[name] for name in names if name in self._last}

    def durations(self, name: str, limit: int = REMEMBERED) -> Sequence[float]:
        with self._lock:
            return list(self._seconds.get(name, ()))[-limit:]
