"""A run in the Trace Event Format, which Perfetto and chrome://tracing read.

Times are whole microseconds, so that every reader rounds alike and no two slices of a row overlap. ``ts`` stands
before all text: readers look for it first, and some of them cannot skip an escaped character. An arrow ends and begins
inside its slices, as close to where they touch as can be, because a reader finds the slice by row and time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dagbook.engine.events import NO_NODE, Kind
from dagbook.observe.timeline import WORD, Attempt, Timeline

_PROCESS = 1
_RUN_ROW = 1
_FIRST_ROW = 2

Event = dict[str, Any]


def chrome_events(timeline: Timeline, name: str) -> Iterator[Event]:
    """Rows for the run and its lanes, a slice an attempt, an arrow an edge, and what took no time in the run's row."""
    yield from _rows(timeline, name)
    incoming, outgoing = _arrows(timeline)
    for number, attempt in enumerate(timeline.attempts):
        event = _slice(timeline, attempt)
        yield event
        row, start, end = event["tid"], event["ts"], event["ts"] + event["dur"]
        for arrow in incoming.get(number, ()):
            yield _arrow("f", min(start + 1, max(start, end - 1)), row, arrow) | {"bp": "e"}
        for arrow in outgoing.get(number, ()):
            yield _arrow("s", max(start, end - 1), row, arrow)
    for seq in timeline.moments:
        yield _moment(timeline, seq)


def told(timeline: Timeline, seq: int) -> dict[str, Any]:
    """What may be passed on of an event's detail. All else could hold a value, or a path of the user's."""
    detail = timeline.detail(seq)
    found = {key: detail[key] for key in _TOLD if key in detail}
    error = detail.get("error")
    if error:
        found["error"] = {"type": str(error.get("type", "")), "message": str(error.get("message", ""))}
    return found


_TOLD = ("lane", "attempt", "changed", "reason", "first", "count", "status")


def visible(text: str) -> str:
    """``text`` with nothing in it that hides, reorders or breaks text."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"‹{ord(c):x}›" for c in text)


def _rows(timeline: Timeline, name: str) -> Iterator[Event]:
    yield _about("process_name", _RUN_ROW, name=visible(name))
    yield _about("thread_name", _RUN_ROW, name="run")
    yield _about("thread_sort_index", _RUN_ROW, sort_index=0)
    for place, (row, _) in enumerate(timeline.busy(), 1):
        yield _about("thread_name", row + _FIRST_ROW, name=timeline.row_name(row))
        yield _about("thread_sort_index", row + _FIRST_ROW, sort_index=place)


def _about(what: str, row: int, **args: object) -> Event:
    return {"ph": "M", "ts": 0, "pid": _PROCESS, "tid": row, "cat": "__metadata", "name": what, "args": args}


def _slice(timeline: Timeline, attempt: Attempt) -> Event:
    start = _microseconds(attempt.start)
    args = {"status": timeline.status_of(attempt), "attempt": attempt.number}
    return {
        "ph": "X",
        "ts": start,
        "dur": _microseconds(attempt.end) - start,
        "pid": _PROCESS,
        "tid": attempt.row + _FIRST_ROW,
        "cat": "node",
        "name": visible(timeline.log.names[attempt.node]),
        "args": args | _args(timeline, attempt.node, attempt.closed),
    }


def _moment(timeline: Timeline, seq: int) -> Event:
    node, word = timeline.log.node[seq], WORD[Kind(timeline.log.kind[seq])]
    ts = _microseconds(max(0.0, timeline.log.time[seq]))
    event: Event = {"ph": "i", "ts": ts, "s": "t", "pid": _PROCESS, "tid": _RUN_ROW, "cat": word}
    if node == NO_NODE:
        return event | {"s": "p", "cat": "run", "name": word}
    args = {"status": word} | _args(timeline, node, seq)
    return event | {"name": f"{visible(timeline.log.names[node])}: {word}", "args": args}


def _args(timeline: Timeline, node: int, seq: int | None) -> dict[str, Any]:
    found = told(timeline, seq) if seq is not None else {}
    args: dict[str, Any] = {key: found[key] for key in ("reason", "changed") if key in found}
    if "count" in found:
        args["children"] = found["count"]
    if "error" in found:
        args |= {"error": found["error"]["type"], "message": found["error"]["message"]}
    name = timeline.log.names[node]
    return args if visible(name) == name else args | {"node": name}


def _arrows(timeline: Timeline) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """The numbers of the arrows that end and that begin at each attempt."""
    incoming: dict[int, list[int]] = {}
    outgoing: dict[int, list[int]] = {}
    attempts, number = timeline.attempts, 0
    for i in timeline.started():
        target = timeline.first[i]
        for p in timeline.sources(i):
            source = timeline.last[p]
            if source >= 0 and attempts[source].end <= attempts[target].start:
                number += 1
                incoming.setdefault(target, []).append(number)
                outgoing.setdefault(source, []).append(number)
    return incoming, outgoing


def _arrow(phase: str, ts: int, row: int, number: int) -> Event:
    return {"ph": phase, "ts": ts, "pid": _PROCESS, "tid": row, "id": number, "cat": "edge", "name": "input"}


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)
