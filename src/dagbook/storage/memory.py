"""Store and journal of a session without a directory: the same promises, as long as the process lives."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from dagbook.engine.events import Log
from dagbook.engine.ports import Blob, Intent, Record
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
        self._live: dict[int, str] = {}  # the runs that go on, and their DAGs
        self._intents: dict[tuple[int, str], tuple[str, Digest, float]] = {}  # DAG, key and time by run and node

    def begin(self, dag: str, started: float) -> int:
        with self._lock:
            self._runs += 1
            self._live[self._runs] = dag
            return self._runs

    def commit(self, run: int, log: Log, start: int, stop: int, records: Sequence[Record]) -> None:
        with self._lock:
            for record in records:
                same = self._by_key.get(record.key, ())
                kept = [r for r in same if r.value != record.value or r.files != record.files]
                self._by_key[record.key] = [record, *kept]
                self._last[record.node] = record
                self._seconds.setdefault(record.node, deque(maxlen=REMEMBERED)).append(record.seconds)
                if self._intents:
                    self._intents.pop((run, record.node), None)

    def finish(self, run: int, status: str, finished: float) -> None:
        with self._lock:
            self._live.pop(run, None)  # the run itself knows the rest

    def beat(self, run: int, now: float) -> None:
        pass  # no other machine can see this journal

    def standing(self, run: int, node: str, key: Digest) -> Intent | None:
        with self._lock:
            return self._standing(run, node, key)

    def intend(self, run: int, node: str, key: Digest, now: float, consent: bool) -> Intent | None:
        with self._lock:
            against = None if consent else self._standing(run, node, key)
            if against is not None:
                return against
            dag = self._live.get(run, "")
            for other, name in [*self._intents]:
                if name == node and other not in self._live and self._intents[other, name][0] == dag:
                    del self._intents[other, name]
            self._intents[run, node] = (dag, key, now)
        return None

    def withdraw(self, run: int, node: str) -> None:
        with self._lock:
            self._intents.pop((run, node), None)

    def _standing(self, run: int, node: str, key: Digest) -> Intent | None:
        for (other, name), (dag, its_key, time) in reversed(self._intents.items()):
            there = other in self._live
            same_key = its_key == key and (other != run or name == node)
            if same_key or (name == node and dag == self._live.get(run) and not there):
                return Intent(name, other, time, "this process" if there else "")
        return None

    def find(self, key: Digest) -> Sequence[Record]:
        with self._lock:
            return tuple(self._by_key.get(key, ()))

    def last(self, names: Iterable[str]) -> Mapping[str, Record]:
        with self._lock:
            return {name: self._last[name] for name in names if name in self._last}

    def durations(self, name: str, limit: int = REMEMBERED) -> Sequence[float]:
        with self._lock:
            return list(self._seconds.get(name, ()))[-limit:]
