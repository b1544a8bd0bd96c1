"""How the nodes of a graph stand, told from the messages that the kernel sends to the page.

The messages are those of ``js/src/protocol.ts``, as :mod:`dagbook.notebook.picture` makes them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from dagbook.graph.compose import child_name
from dagbook.notebook.picture import STATUS
from dagbook.notebook.pictures import listed, visible

Message = Mapping[str, Any]

WORD = {status: status for status in STATUS} | {
    "never": "never run",
    "cutoff": "cut off",
    "timeout": "timed out",
    "maybe": "maybe stale",
}
_SETTLED = ("failed", "timeout", "skipped", "cancelled", "cutoff", "ran", "reused")
_COUNTED = ("running", *_SETTLED, "paused", "queued", "stale", "maybe", "never")
_RUNNING = STATUS.index("running")
_HAS_ENDED = frozenset(STATUS.index(status) for status in _SETTLED)


class Graph:
    """The nodes that the user wrote and the children of mapped ones, each with its status."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.parent: list[int | None] = []
        self.status = bytearray()
        self.note: dict[int, str] = {}
        self.run: Message = {"state": "idle", "number": 0}
        self._outcomes: dict[str, tuple[str, str]] = {}
        self._seq = 0
        self._touched: dict[int, None] = {}
        self._told: dict[str, int] = {}

    def restore(self, saved: Message, status: bytes) -> None:
        """Replace everything by a snapshot."""
        doc = saved["doc"]
        self.names = [visible(str(node["name"])) for node in doc["nodes"]]
        self.parent = [node.get("parent") for node in doc["nodes"]]
        self.status = bytearray(status[: len(self.names)]).ljust(len(self.names), b"\0")
        self.note = {i: visible(str(node["note"])) for i, node in enumerate(doc["nodes"]) if node.get("note")}
        self.run = doc["run"]
        self._seq = saved["seq"]
        self._touched = dict.fromkeys(range(len(self.names)))

    def apply(self, message: Message, buffer: bytes) -> None:
        """Take one message of changes in. One that does not follow on is left out; a snapshot will come."""
        if message["seq"] != self._seq:
            return
        events = struct.unpack(f"<{2 * message['n']}I", buffer)
        records = list(message.get("rec", ()))
        for k in range(message["n"]):
            while records and records[0]["at"] <= k:
                self._record(records.pop(0))
            node, status = events[2 * k] & 0xFFFFFF, events[2 * k] >> 24
            if node < len(self.names) and status < len(STATUS):
                self.status[node] = status
                self._touched[node] = None
        for record in records:
            self._record(record)
        self._seq += message["n"]

    def _record(self, record: Message) -> None:
        if record["k"] == "run":
            self.run = record["run"]
        elif record["k"] == "info" and "note" in record["info"]:
            self.note[record["i"]] = visible(str(record["info"]["note"]))
        elif record["k"] == "expand":
            owner, labels = record["parent"], record["labels"]
            place = slice(record["first"], record["first"] + len(labels))
            self.names[place] = [visible(child_name(self.names[owner], str(label))) for label in labels]
            self.parent[place] = [owner] * len(labels)
            self.status[place] = bytes(len(labels))

    # -- what is said of it

    def running(self) -> list[str]:
        """The names of what is running; the children of a mapped node together, as ``stats 3 of 16``."""
        busy = [i for i, status in enumerate(self.status) if status == _RUNNING]
        families = dict.fromkeys(parent for i in busy if (parent := self.parent[i]) is not None)
        alone = [self.names[i] for i in busy if self.parent[i] is None and i not in families]
        return alone + [self._family(owner) for owner in families]

    def _family(self, owner: int) -> str:
        children = [self.status[i] for i, parent in enumerate(self.parent) if parent == owner]
        return f"{self.names[owner]} {sum(status in _HAS_ENDED for status in children)} of {len(children)}"

    def counts(self) -> str:
        """``15 nodes: 2 running, 1 failed, 12 reused``."""
        tops = [STATUS[status] for status, parent in zip(self.status, self.parent, strict=True) if parent is None]
        parts = [f"{tops.count(status)} {WORD[status]}" for status in _COUNTED if status in tops]
        return f"{len(tops)} node{'' if len(tops) == 1 else 's'}: {', '.join(parts)}"

    def remember(self) -> None:
        """Keep what became of each node in the run that has ended; what once ran has run, though it is reused later."""
        for i, (name, parent) in enumerate(zip(self.names, self.parent, strict=True)):
            status = STATUS[self.status[i]]
            again = status in ("reused", "cutoff") and self._outcomes.get(name, ("",))[0] == "ran"
            if parent is None and status in _SETTLED and not again:
                self._outcomes[name] = status, self.note.get(i, "")

    def summary(self, width: int) -> list[str]:
        """What became of the nodes in all runs together, as lines; what was skipped with the reasons."""
        if not self._outcomes:
            return []
        words = [status for status, _ in self._outcomes.values()]
        counts = [f"{words.count(status)} {WORD[status]}" for status in _SETTLED if status in words]
        skipped: dict[str, list[str]] = {}
        for name, (status, note) in self._outcomes.items():
            if status == "skipped":
                skipped.setdefault(note, []).append(name)
        because = [listed(f"    skipped, {note}: ", names, width) for note, names in skipped.items()]
        return [f"nodes: {', '.join(counts)}", *because]

    def settled(self) -> list[tuple[str, list[str]]]:
        """What has come to an end since the last time: words, each with names. Of children only those that failed."""
        news: dict[int, list[str]] = {}
        for i in self._touched:
            name, status = self.names[i], self.status[i]
            if self._told.get(name) == status:
                continue
            self._told[name] = status
            failed = STATUS[status] in ("failed", "timeout")
            if status in _HAS_ENDED and self.run["number"] and (failed or self.parent[i] is None):
                news.setdefault(status, []).append(name)
        self._touched = {}
        return [(WORD[status], news[i]) for status in _SETTLED if (i := STATUS.index(status)) in news]


class Watch:
    """Hears the kernel's messages, and keeps the graph of the widget that was opened last."""

    def __init__(self) -> None:
        self.graph = Graph()
        self._comm = ""

    def hear(self, message: Message) -> bool:
        """Take one message of the kernel in; whether the graph may have changed."""
        content = message["content"]
        if message["msg_type"] not in ("comm_open", "comm_msg"):
            return False
        data, buffers = content["data"], message.get("buffers", [])
        if message["msg_type"] == "comm_open":
            state = data.get("state", {})
            if state.get("kind") != "graph":
                return False
            self._comm = content["comm_id"]
            return self._state(data, buffers)
        if content["comm_id"] != self._comm:
            return False
        return self._state(data, buffers) if data.get("method") == "update" else self._custom(data, buffers)

    def _custom(self, data: Message, buffers: Sequence[bytes]) -> bool:
        said = data.get("content") or {}
        if said.get("t") == "snap":
            self.graph.restore(said, bytes(buffers[0]))
        elif said.get("t") == "ev":
            self.graph.apply(said, bytes(buffers[0]))
        else:
            return False
        return True

    def _state(self, data: Message, buffers: Sequence[bytes]) -> bool:
        """The traits for late views: a whole picture each time."""
        state = data["state"]
        paths = [tuple(path) for path in data.get("buffer_paths", ())]
        snapshot = state.get("snapshot")
        if not snapshot or ("status",) not in paths:
            return False
        saved = json.loads(snapshot) if isinstance(snapshot, str) else snapshot
        self.graph.restore(saved, bytes(buffers[paths.index(("status",))]))
        return True
