"""The picture that the widget shows: a pure fold of a run's events, and its encoding as snapshots and changes.

The contract with the page is ``js/src/protocol.ts``. Nothing here has a thread, sends, or waits: see
:mod:`dagbook.notebook.view`.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from math import nan
from statistics import median
from typing import TYPE_CHECKING, Any

from dagbook.engine.events import NO_NODE, Kind, Log
from dagbook.graph.compose import child_name
from dagbook.notebook.summaries import cause, safe, value_facts

if TYPE_CHECKING:
    from dagbook.engine.kept_run import KeptRun
    from dagbook.engine.plan import Step
    from dagbook.engine.ports import Listener, Record
    from dagbook.graph.node import Node
    from dagbook.graph.topology import Topology
    from dagbook.session import Session

Message = dict[str, Any]
Packet = tuple[Message, list[bytes]]

STATUS = (
    *("never", "queued", "running", "ran", "reused", "cutoff", "failed", "timeout", "skipped", "cancelled", "paused"),
    *("stale", "maybe"),
)
"""The statuses of a node by their number in messages."""

NEVER, QUEUED, RUNNING, RAN, REUSED, CUTOFF, FAILED, TIMEOUT, SKIPPED, CANCELLED, PAUSED, STALE, MAYBE = range(13)

HAVE_VALUES = frozenset({RAN, REUSED, CUTOFF})

TICKS = 100_000
"""Ticks of a message's clock in a second."""

NOTHING = 0xFFFFFF
"""The node of an event that says nothing: it numbers a message that has only records."""

QUIET = 2_000
"""With more nodes than this, facts about values are told at the end of a run and not one by one."""

KEPT = 64
"""Bytes a node that a widget's saved state may have."""

_STATUS_OF: Mapping[int, int] = {
    Kind.NODE_QUEUED: QUEUED,
    Kind.NODE_STARTED: RUNNING,
    Kind.NODE_RAN: RAN,
    Kind.NODE_REUSED: REUSED,
    Kind.NODE_CUT_OFF: CUTOFF,
    Kind.NODE_FAILED: FAILED,
    Kind.NODE_TIMED_OUT: TIMEOUT,
    Kind.NODE_SKIPPED: SKIPPED,
    Kind.NODE_CANCELLED: CANCELLED,
}
_STATE_OF: Mapping[int, str] = {Kind.RUN_RESUMED: "running", Kind.RUN_CANCELLING: "cancelling"}
_VERDICT = {"current": REUSED, "found": REUSED, "stale": STALE, "forced": STALE, "maybe": MAYBE, "never": NEVER}
_WITHOUT = frozenset({FAILED, TIMEOUT, SKIPPED, CANCELLED})
_LIVE = frozenset({"running", "pausing", "paused", "cancelling"})


class Picture:
    """The state of a session's graph as the page shows it.

    :meth:`refresh` takes the picture between runs, :meth:`begin` starts that of a run and returns its listener.
    Events are only noted by the listener; :meth:`delta` and :meth:`snapshot` fold them.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.names: list[str] = []
        self.nodes: list[Message] = []
        self.edges: list[tuple[int, int]] = []
        self.status = bytearray()
        self.start = array("d")
        self.end = array("d")
        self.lane = array("h")
        self.changed: set[int] = set()
        self.lanes: list[str] = []
        self.run: Message = {"state": "idle", "number": 0, "workers": session.workers, "elapsed": 0.0}
        self.index: dict[str, int] = {}
        self.seq = 0
        self.settled: deque[int] = deque()
        """Nodes that have come to an end since somebody last looked."""
        self.sources: dict[str, Node] = {}
        self.steps: Mapping[str, Step] = {}
        self._current: KeptRun | None = None
        self._inbox: deque[tuple[Log, int, int]] = deque()
        self._place = array("I")  # from indexes of the run's log to ours
        self._busy: set[int] = set()
        self._families: set[int] = set()
        self._events = array("I")
        self._records: list[Message] = []
        self._typical: dict[str, tuple[int, float | None]] = {}

    # -- pictures

    @property
    def live(self) -> bool:
        """Whether a run is going on, as far as events tell."""
        return self.run["state"] in _LIVE

    @property
    def current(self) -> KeptRun | None:
        """The newest run."""
        return self._current

    def refresh(self) -> None:
        """The picture as a plan sees it now. What the last run said of a node stays where it is still true."""
        topology = self.session.dag.topology()
        steps = self.steps = self.session.status()
        before = self._statuses()
        fresh = {name: self._at_rest(step, topology, before) for name, step in steps.items()}
        notes = {n: cause(s.changes[0]) for n, s in steps.items() if s.changes and fresh[n] == STALE}
        kept = {name: note for name, note in self._notes().items() if fresh.get(name) in _WITHOUT}
        self._draw(topology, fresh, kept | notes, keep_times=True)

    def begin(self, run: KeptRun) -> Listener:
        """The picture of a run that is about to start: what may have to run is queued. Returns its listener."""
        plan = run.plan
        before = self._statuses()
        pending = set(plan.pending)
        elsewhere = {name: REUSED if status in HAVE_VALUES else status for name, (status, _) in before.items()}
        fresh = {
            name: QUEUED if i in pending else REUSED if i in plan.steps else elsewhere.get(name, NEVER)
            for i, name in enumerate(plan.topology.names)
        }
        workers = run.driver.env.workers.slots
        self.run = {
            "state": "running",
            "number": run.number,
            "workers": workers,
            "elapsed": 0.0,
            "targets": [safe(t) for t in run.targets],
        }
        self.lanes = ["main thread", *(f"worker {n + 1}" for n in range(workers))]
        self._current, self.steps = run, {}
        self._inbox.clear()
        self._busy.clear()
        self.settled.clear()
        self._draw(plan.topology, fresh, {}, keep_times=False)
        self._place = array("I", range(len(plan.topology)))
        note = self._inbox.append
        return lambda log, start, stop: note((log, start, stop))

    def _at_rest(self, step: Step, topology: Topology, before: Mapping[str, tuple[int, bool]]) -> int:
        """A node's status between runs."""
        status, same = before.get(step.name, (NEVER, False))
        fresh = _VERDICT[step.verdict]
        if fresh == REUSED:
            return status if status in HAVE_VALUES else REUSED
        unchanged = same and topology.nodes[topology.index[step.name]] is self.sources.get(step.name)
        return status if status in _WITHOUT and unchanged else fresh

    def _statuses(self) -> dict[str, tuple[int, bool]]:
        return {name: (self.status[i], True) for i, name in enumerate(self.names) if "parent" not in self.nodes[i]}

    def _notes(self) -> dict[str, str]:
        return {name: node["note"] for name, node in zip(self.names, self.nodes, strict=True) if "note" in node}

    def _draw(
        self, topology: Topology, statuses: Mapping[str, int], notes: Mapping[str, str], *, keep_times: bool
    ) -> None:
        times = {n: (self.start[i], self.end[i], self.lane[i]) for i, n in enumerate(self.names)} if keep_times else {}
        changed = {self.names[i] for i in self.changed}
        shelf = self.session.shelf.records
        self.names, self.nodes, self.status, self.changed = [], [], bytearray(), set()
        self.start, self.end, self.lane = array("d"), array("d"), array("h")
        self._families = set()
        self._events, self._records = array("I"), []
        self.sources = dict(zip(topology.names, topology.nodes, strict=True))
        for name, node in self.sources.items():
            self._add(name, self._facts(node, shelf.get(name), len(topology)), statuses[name])
            if name in notes:
                self.nodes[-1]["note"] = notes[name]
        self.edges = [(p, i) for i, preds in enumerate(topology.preds) for p in preds]
        for i, name in enumerate(topology.names):
            record = shelf.get(name)
            if record is not None and record.children is not None and self.status[i] != QUEUED:
                self._add_children(i, [child.label for child in record.children], self.status[i])
        for i, name in enumerate(self.names):
            if name in times and self.status[i] in HAVE_VALUES | _WITHOUT:
                self.start[i], self.end[i], self.lane[i] = times[name]
            if name in changed and self.status[i] == RAN:
                self.changed.add(i)
        self.index = {node["name"]: i for i, node in enumerate(self.nodes)}
        self.seq += 1  # what was sent of the picture before does not go on in this one

    def _add(self, name: str, facts: Message, status: int) -> None:
        self.names.append(name)
        self.nodes.append({"name": safe(name)} | facts)
        self.status.append(status)
        self.start.append(nan)
        self.end.append(nan)
        self.lane.append(-1)

    def _add_children(self, parent: int, labels: Sequence[str], status: int) -> int:
        first = len(self.nodes)
        place = {k: v for k, v in self.nodes[parent].items() if k in ("cell", "cellId")}
        self._families.add(parent)
        for label in labels:
            name = child_name(self.names[parent], label)
            self._add(name, {"label": safe(label), "parent": parent} | place, status)
            self.index[self.nodes[-1]["name"]] = len(self.nodes) - 1
        return first

    def _facts(self, node: Node, record: Record | None, count: int) -> Message:
        """What the page is told of a node besides its status."""
        module = str(getattr(node.fn, "__module__", "") or "")
        facts: Message = {
            "cell": safe(node.place.cell),
            "cellId": node.place.cell_id,
            "mapped": bool(node.options.each),
            "over": safe(", ".join(dict.fromkeys(node.options.each.values()))),
            "module": safe(module) if module != "__main__" else "",
        }
        if record is not None:
            facts |= value_facts(record)
            facts["expected"] = self._expected(record, count)
        return {k: v for k, v in facts.items() if v}

    def _expected(self, record: Record, count: int) -> float | None:
        """How long a node takes: the median of its past, taken once after each time it ran."""
        run, seconds = self._typical.get(record.node, (-1, None))
        if run != record.run:
            past = self.session.journal.durations(record.node) if count <= QUIET else ()
            seconds = round(median(past or (record.seconds,)), 3) or None
            self._typical[record.node] = (record.run, seconds)
        return seconds

    # -- folding

    def fold(self) -> bool:
        """Take the events that have come since the last time into the picture; whether there were any."""
        any_came = False
        while self._inbox:
            log, start, stop = self._inbox.popleft()
            if self._current is not None and log is self._current.log:
                any_came = True
                for seq in range(start, stop):
                    self._event(log, seq)
        return any_came

    def _event(self, log: Log, seq: int) -> None:
        kind, at = log.kind[seq], log.node[seq]
        detail = log.detail.get(seq, {})
        if at == NO_NODE:
            self._run_event(kind, log.time[seq], detail)
            return
        i = self._place[at]
        if kind == Kind.NODE_EXPANDED:
            self._expand(i, detail)
        status = _STATUS_OF.get(kind)
        if status is None:
            return
        if status == RUNNING:
            self._busy.add(i)
            self._on_lane(i, detail.get("lane", 0))
        else:
            self._busy.discard(i)
        if status == RAN:
            self._say_changed(i, bool(detail.get("changed", True)))
        self._mark(i, status, log.time[seq])
        if status > RUNNING:
            self._settle(i, status, detail)
        if self.run["state"] == "pausing" and not self._busy:
            self._set_state("paused")

    def _mark(self, i: int, status: int, seconds: float) -> None:
        """One event, here and in the next message. The page does the same with it."""
        if status == RUNNING:
            self.start[i], self.end[i] = seconds, nan
        elif self.status[i] == RUNNING:
            self.end[i] = seconds
        elif status == QUEUED:
            self.start[i] = self.end[i] = nan
        self.status[i] = status
        self._events.append(i | status << 24)
        self._events.append(min(max(0, round(seconds * TICKS)), 0xFFFFFFFF))

    def _on_lane(self, i: int, lane: int) -> None:
        if self.lane[i] != lane:
            self.lane[i] = lane
            self._say("lane", i=i, lane=lane)

    def _say_changed(self, i: int, changed: bool) -> None:
        if changed:
            self.changed.add(i)
        else:
            self.changed.discard(i)
        if not changed or len(self.nodes) <= QUIET:  # a page that is told nothing takes it for changed
            self._say("changed", i=i, changed=changed)

    def _expand(self, i: int, detail: Mapping[str, Any]) -> None:
        labels = detail["labels"]
        first = self._add_children(i, labels, QUEUED)
        self._busy.discard(i)
        self._place.extend(range(first, first + len(labels)))
        self._say("expand", parent=i, first=first, labels=[safe(label) for label in labels])
        for child in range(first, first + len(labels)):
            self._mark(child, QUEUED, 0.0)

    def _settle(self, i: int, status: int, detail: Mapping[str, Any]) -> None:
        """Tell what became of a node besides its status."""
        self.settled.append(i)
        if status in (FAILED, TIMEOUT) and "parent" in self.nodes[i]:
            self.settled.append(self.nodes[i]["parent"])
        story = self._current.stories.get(self.names[i]) if self._current is not None else None
        record = story.record if story is not None else None
        if status in HAVE_VALUES and record is not None:
            self._restore_children(i, record, status)
            self._inform(i, value_facts(record) | {"note": ""}, quiet=True)
        elif status not in HAVE_VALUES:
            note = _note(status, detail)
            if note:
                self._inform(i, {"note": note}, quiet=status == SKIPPED)

    def _restore_children(self, i: int, record: Record, status: int) -> None:
        """The children of a mapped node that stands as a whole come from its record."""
        if status == RAN or record.children is None or i in self._families:
            return
        labels = [child.label for child in record.children]
        first = self._add_children(i, labels, QUEUED)
        self._say("expand", parent=i, first=first, labels=[safe(label) for label in labels])
        for child in range(first, first + len(labels)):
            self._mark(child, REUSED, 0.0)

    def _inform(self, i: int, info: Message, *, quiet: bool) -> None:
        node = self.nodes[i]
        news = {k: v for k, v in info.items() if (node.get(k) or "") != (v or "")}
        node.update(news)
        if news and not (quiet and len(self.nodes) > QUIET):
            self._say("info", i=i, info=news)

    def _run_event(self, kind: int, seconds: float, detail: Mapping[str, Any]) -> None:
        if kind == Kind.RUN_FINISHED and self._current is not None:
            wall = time.localtime(self._current.driver.env.clock.wall())
            self.run |= {"elapsed": round(seconds, 3), "finished": time.strftime("%H:%M:%S", wall)}
            self._set_state(str(detail.get("status", "done")))
        elif kind == Kind.RUN_PAUSED:
            self._set_state("pausing" if self._busy else "paused")
        elif kind in _STATE_OF:
            self._set_state(_STATE_OF[kind])

    def _set_state(self, state: str) -> None:
        self.run = self.run | {"state": state}
        self._say("run", run=self._run_now())

    def _run_now(self) -> Message:
        if self.live and self._current is not None:
            driver = self._current.driver
            self.run["elapsed"] = round(driver.env.clock.monotonic() - driver.began, 3)
        return dict(self.run)

    def _say(self, kind: str, **fields: Any) -> None:
        self._records.append({"k": kind, "at": len(self._events) // 2} | fields)

    # -- encoding

    def delta(self) -> Packet | None:
        """What has changed since the last :meth:`delta` or :meth:`snapshot`, as one message; None when nothing."""
        self.fold()
        if not self._events and not self._records:
            return None
        if not self._events:
            self._events.extend((NOTHING, 0))
        count = len(self._events) // 2
        message: Message = {"t": "ev", "seq": self.seq, "n": count}
        if self._records:
            message["rec"] = self._records
        packet = message, [_bytes(self._events)]
        self.seq += count
        self._events, self._records = array("I"), []
        return packet

    def snapshot(self) -> Packet:
        """The whole picture as one message. Call it after :meth:`delta` has been sent: it has everything folded."""
        return {"t": "snap"} | self._saved(self.nodes), [bytes(self.status), self._times()]

    def saved(self) -> tuple[str, bytes, bytes]:
        """The picture for late views and saved notebooks, made small: JSON text, statuses and times."""
        status, times = bytes(self.status), self._times()
        room = KEPT * max(1000, len(self.nodes))
        for keys, timed in _TIERS:
            nodes = self.nodes if keys is None else [{k: v for k, v in n.items() if k in keys} for n in self.nodes]
            text = json.dumps(self._saved(nodes), ensure_ascii=False, separators=(",", ":"))
            kept = times if timed else b""
            if len(text.encode()) + text.count('"') + (len(status) + len(kept)) * 4 // 3 <= room:
                break
        return text, status, kept

    def _saved(self, nodes: Sequence[Message]) -> Message:
        doc = {"nodes": nodes, "edges": self.edges, "run": self._run_now(), "lanes": self.lanes}
        return {"seq": self.seq, "doc": doc, "changed": sorted(self.changed)}

    def _times(self) -> bytes:
        times = array("f", bytes(12 * len(self.nodes)))
        times[0::3] = array("f", self.start)
        times[1::3] = array("f", self.end)
        times[2::3] = array("f", self.lane)
        return _bytes(times)


_TIERS: Sequence[tuple[frozenset[str] | None, bool]] = (
    (None, True),
    (frozenset({"name", "label", "parent", "cell", "mapped", "meta", "note", "expected"}), True),
    (frozenset({"name", "label", "parent", "mapped", "note"}), True),
    (frozenset({"name", "label", "parent", "mapped"}), False),
)
"""What of the nodes is saved, and whether their times are: the first that is small enough, else the last."""


def _note(status: int, detail: Mapping[str, Any]) -> str:
    """Why a node has no value, in a few words."""
    if status == CANCELLED:
        reason = str(detail.get("reason", ""))
        return "" if reason == "the run was cancelled" else safe(reason)
    error = detail.get("error") or {}
    return safe(str(error.get("type") or error.get("message") or detail.get("reason", "")))


def _bytes(numbers: array[Any]) -> bytes:
    """The numbers as the page reads them: little-endian."""
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.tobytes()
