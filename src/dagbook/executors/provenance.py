"""What is kept of a runner's runs: in a journal and its store, or in memory for as long as the provenance lives."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dagbook.engine.events import Kind, Log
from dagbook.engine.plan import Shelf
from dagbook.engine.ports import Blob, Intent, Journal, Record, Store
from dagbook.engine.result import Result, private
from dagbook.errors import RecordedRunError, RefusedError, UnstorableError
from dagbook.executors.composition import Inputs
from dagbook.fingerprint.parts import Digest
from dagbook.graph.compose import child_name
from dagbook.storage.memory import MemoryJournal, MemoryStore

if TYPE_CHECKING:
    from dagbook.engine.kept_run import KeptRun
    from dagbook.storage.journal import DiskJournal
    from dagbook.storage.ledger import Entry

ENDINGS = {"done": "completed", "timed out": "failed"}
"""What a run's ending is called in its result and its record, where the engine calls it otherwise."""

RESTARTED = frozenset({"paused", "failed", "cancelled", "interrupted"})
"""How a run must stand to be restarted; ``interrupted`` is one whose process died."""

REMEMBERED = 32
"""Of how many runs values are kept that only this process has."""

_SUCCEEDED = frozenset({Kind.NODE_RAN, Kind.NODE_REUSED, Kind.NODE_CUT_OFF})


@dataclass(frozen=True, slots=True)
class Order:
    """What a run was asked to do; ``wish`` is what it was told to select, as plain data.

    ``inputs`` are None when they could not be stored, and their process is gone.
    """

    nsref: str
    inputs: Inputs | None = field(default_factory=dict)
    edges: Sequence[tuple[str, str]] = ()
    wish: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Past:
    """A recorded run: what it was asked to do, and what the nodes that succeeded came to, where that can be had."""

    order: Order
    results: Mapping[str, Result]


class Provenance(Protocol):
    """Where runners keep their runs. ``store``, ``journal`` and ``shelf`` are those that the engine works with."""

    @property
    def store(self) -> Store: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def shelf(self) -> Shelf: ...

    def begin(self, order: Order) -> Recorder:
        """A new run."""
        ...

    def restart(self, run_id: str) -> Recorder:
        """A further attempt of a run. Raises RecordedRunError when there is none, or when it cannot be restarted."""
        ...

    def past(self, run_id: str) -> Past:
        """A recorded run. Raises RecordedRunError."""
        ...


class Recorder:
    """The journal of one run: it notes what each node came to, and passes everything on.

    ``run_id`` is the name of the run, the same in each of its attempts.
    """

    def __init__(self, home: NullProvenance | DagProvenance, id: int, number: int) -> None:
        self.run_id = str(id)
        self._home = home
        self._id = id
        self._next: int | None = number
        self._run: KeptRun | None = None

    def observe(self, run: KeptRun) -> Callable[[Log, int, int], None]:
        """The run whose results are noted; nothing is to be told of it."""
        self._run = run
        return lambda log, start, stop: None

    def begin(self, dag: str, started: float) -> int:
        """The number of the next attempt; there is a second one when a stored value turned out to be damaged."""
        number, self._next = self._next, None
        return self._home.further(self._id) if number is None else number

    def commit(self, run: int, log: Log, start: int, stop: int, records: Sequence[Record]) -> None:
        results: Mapping[int, Result] = {} if self._run is None else self._run.results
        kept = {}
        for seq in range(start, stop):
            i = log.node[seq]
            if log.kind[seq] in _SUCCEEDED and i in results:
                kept[log.names[i]] = results[i]
        self._home.commit(self._id, run, log, start, stop, records, kept)

    def finish(self, run: int, status: str, finished: float) -> None:
        status = ENDINGS.get(status, status)
        for number in {run, self._id}:  # a run stands as its last attempt has ended
            self._home.journal.finish(number, status, finished)
        self._home.finished(self._id, status)

    def beat(self, run: int, now: float) -> None:
        self._home.journal.beat(run, now)

    def standing(self, run: int, node: str, key: Digest) -> Intent | None:
        return self._home.journal.standing(run, node, key)

    def intend(self, run: int, node: str, key: Digest, now: float, consent: bool) -> Intent | None:
        return self._home.journal.intend(run, node, key, now, consent)

    def withdraw(self, run: int, node: str) -> None:
        self._home.journal.withdraw(run, node)

    def find(self, key: Digest) -> Sequence[Record]:
        return self._home.journal.find(key)

    def last(self, names: Iterable[str]) -> Mapping[str, Record]:
        return self._home.journal.last(names)

    def durations(self, name: str, limit: int = 24) -> Sequence[float]:
        return self._home.journal.durations(name, limit)


@dataclass(slots=True)
class _Held:
    """What memory has of one run."""

    order: Order
    status: str = "running"
    results: dict[str, Result] = field(default_factory=dict)


class NullProvenance:
    """Runs in memory: they can be restarted and replayed as long as this object lives; the newest 32 are kept."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.journal = MemoryJournal()
        self.shelf = Shelf()
        self._runs: dict[int, _Held] = {}

    def begin(self, order: Order) -> Recorder:
        number = self.journal.begin(order.nsref, time.time())
        self._runs[number] = _Held(replace(order, inputs=private(order.inputs)))  # type: ignore[arg-type]
        _forget(self._runs)
        return Recorder(self, number, number)

    def restart(self, run_id: str) -> Recorder:
        held = self._held(run_id)
        _check_restart(run_id, held.status, "")
        held.status = "running"
        return Recorder(self, int(run_id), self.further(int(run_id)))

    def past(self, run_id: str) -> Past:
        held = self._held(run_id)
        return Past(held.order, dict(held.results))

    def _held(self, run_id: str) -> _Held:
        number = _number(run_id)
        if number not in self._runs:
            raise _unknown(run_id, self._runs)
        return self._runs[number]

    # -- from its recorders

    def further(self, id: int) -> int:
        """The number of a further attempt."""
        return self.journal.begin(self._runs[id].order.nsref, time.time())

    def commit(
        self, id: int, run: int, log: Log, start: int, stop: int, records: Sequence[Record], kept: Mapping[str, Result]
    ) -> None:
        self.journal.commit(run, log, start, stop, records)
        self._runs[id].results.update(kept)

    def finished(self, id: int, status: str) -> None:
        self._runs[id].status = status


class DagProvenance:
    """Runs in an SQLite file, and their values beside it: they can be restarted and replayed by any later process.

    ``path`` is the file (the values are in a folder of that name with ``.values`` at its end), or a folder for both.
    Its tables and views are for reading: ``runs``, ``nodes`` (run, label, status, error, attempts, started, finished)
    and ``edges`` (run, upstream, downstream: those over which a value went). A run whose process died is
    ``interrupted`` as soon as anybody opens the file. Raises StoreError.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from dagbook.storage.ledger import Ledger
        from dagbook.storage.store import open_store

        self.path = Path(path)
        folder = self.path.is_dir() or not (self.path.suffix or self.path.exists())
        values = self.path if folder else self.path.with_name(f"{self.path.name}.values")
        opened = open_store(values, journal=None if folder else self.path)
        self.store: Store = opened[0]
        self.journal: DiskJournal = opened[1]
        self.shelf = Shelf()
        self._ledger = Ledger(self.journal)
        self._held: dict[int, _Held] = {}  # what could not be stored

    def begin(self, order: Order) -> Recorder:
        stored = self._put(order.inputs)
        number = self._ledger.open(order.nsref, time.time(), _note(order, stored))
        inputs: Any = private(order.inputs) if stored is None else None
        self._held[number] = _Held(replace(order, inputs=inputs))
        _forget(self._held)
        return Recorder(self, number, number)

    def restart(self, run_id: str) -> Recorder:
        entry = self._entry(run_id)

        def taken(entry: Entry) -> Mapping[str, Any]:
            _check_restart(run_id, entry.status, entry.owner)
            return entry.note

        return Recorder(self, entry.id, self._ledger.again(entry.id, entry.note["nsref"], time.time(), taken))

    def past(self, run_id: str) -> Past:
        entry = self._entry(run_id)
        held = self._held.get(entry.id)
        order = Order(
            entry.note["nsref"],
            self._inputs(entry.note["inputs"], held),
            [(a, b) for a, b in entry.note["edges"]],
            entry.note["wish"],
        )
        results = {} if held is None else dict(held.results)
        for name, (key, value) in self._ledger.outcomes(entry.id).items():
            found = None if name in results else self._revive(name, key, value)
            if found is not None:
                results[name] = found
        return Past(order, results)

    def close(self) -> None:
        """Close the files; the provenance can still be used."""
        self.journal.close()

    def _entry(self, run_id: str) -> Entry:
        entry = self._ledger.entry(_number(run_id))
        if entry is None:
            raise _unknown(run_id, ())
        return entry

    def _put(self, inputs: Inputs | None) -> list[Any] | None:
        """Where inputs are stored, [] for none; None when they cannot be, and memory has to keep them."""
        if not inputs:
            return []
        try:
            blob = self.store.put(inputs)
        except UnstorableError:
            return None
        return [blob.digest, blob.codec, blob.size]

    def _inputs(self, stored: Sequence[Any] | None, held: _Held | None) -> Inputs | None:
        if stored is None:
            return held.order.inputs if held is not None else None
        if not stored:
            return {}
        try:
            return self.store.get(Blob(*stored))  # type: ignore[return-value]
        except RefusedError:
            return None

    def _revive(self, name: str, key: Digest, value: Digest) -> Result | None:
        """The result that a node had then; None when its value is gone."""
        record = next((r for r in self.journal.find(key) if r.value == value), None)
        if record is None:
            return None
        record = replace(record, node=name)
        if record.children is None:
            there = record.blob is not None and self.store.has(record.blob)
            return Result(record, self.store) if there else None
        children = [self._revive(child_name(name, c.label), c.key, c.value) for c in record.children]
        found = [child for child in children if child is not None]
        if len(found) < len(children):
            return None
        if not record.mapping:
            return Result(record, self.store, children=found)
        keys = None if record.blob is None or not self.store.has(record.blob) else self.store.get(record.blob)
        return Result(record, self.store, children=found, keys=keys) if isinstance(keys, tuple) else None

    # -- from its recorders

    def further(self, id: int) -> int:
        """The number of a further attempt, which goes on at once."""
        return self._ledger.again(id, self._entry(str(id)).note["nsref"], time.time(), lambda entry: entry.note)

    def commit(
        self, id: int, run: int, log: Log, start: int, stop: int, records: Sequence[Record], kept: Mapping[str, Result]
    ) -> None:
        outcomes = [(name, result.record.key, result.record.value) for name, result in kept.items()]
        volatile = {name: result for name, result in kept.items() if result.volatile}
        if volatile and id in self._held:
            self._held[id].results.update(volatile)
        self.journal.commit(
            run, log, start, stop, records, lambda db: self._ledger.keep(db, run, outcomes) if outcomes else None
        )

    def finished(self, id: int, status: str) -> None:
        if id in self._held:
            self._held[id].status = status


def _note(order: Order, stored: list[Any] | None) -> dict[str, Any]:
    return {"nsref": order.nsref, "wish": dict(order.wish), "inputs": stored, "edges": list(order.edges)}


def _check_restart(run_id: str, status: str, owner: str) -> None:
    if status in RESTARTED:
        return
    if status == "running":
        who = f" in {owner}" if owner else ""
        raise RecordedRunError(
            f"run {run_id} is still going on{who}. Wait for its end; or make a new run of what it has so far, with "
            f"replay({run_id!r}, [])."
        )
    raise RecordedRunError(
        f"run {run_id} is {status}; there is nothing to restart. replay({run_id!r}, […]) runs some of its nodes again."
    )


def _number(run_id: object) -> int:
    text = str(run_id)
    return int(text) if text.isdecimal() else 0


def _unknown(run_id: object, known: Iterable[int]) -> RecordedRunError:
    runs = ", ".join(map(str, known))
    return RecordedRunError(f"no run {run_id!r} is recorded here{f'; there are {runs}' if runs else ''}.")


def _forget(runs: dict[int, _Held]) -> None:
    ended = [number for number, held in runs.items() if held.status != "running"]
    for number in ended[: max(0, len(runs) - REMEMBERED)]:
        del runs[number]
