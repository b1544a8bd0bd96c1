"""What a run's log says about time: a summary for people, a picture for Perfetto, and plain JSON for programs."""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import nlargest
from typing import Any

from dagbook.engine.events import NO_NODE, Kind, Log
from dagbook.observe.chrome import chrome_events, told, visible
from dagbook.observe.timeline import OUTCOMES, Timeline

SCHEMA = 1
"""The version of what :meth:`Trace.to_json` writes."""


class Trace:
    """Where the time of a run went: a view of its log, which holds no value and no argument of the user's.

    ``preds(i)`` are the indexes of the nodes that node ``i`` needs, ``began`` is when the run began, in seconds since
    the epoch. Nothing is computed before it is read; the trace of a run that goes on says how things stand now.
    The messages of errors are told as they were raised.
    """

    def __init__(
        self, log: Log, preds: Callable[[int], Sequence[int]], name: str = "dag", began: float | None = None
    ) -> None:
        self.log = log
        self.name = name
        self.began = began
        self._preds = preds
        self._known: Timeline | None = None

    def __repr__(self) -> str:
        return f"<Trace of {_shown(self.name)}, {len(self.log)} events>"

    # -- as data

    @property
    def wall(self) -> float:
        """Seconds from the beginning of the run to its last event."""
        return self._timeline().wall

    @property
    def work(self) -> float:
        """Seconds that all attempts took together."""
        return float(sum(self._timeline().work))

    @property
    def parallelism(self) -> float:
        """How many nodes ran at once, on average."""
        return _ratio(self.work, self.wall)

    @property
    def counts(self) -> dict[str, int]:
        """How many nodes ran, were reused, cut off …; ``running`` are those that have begun and not ended."""
        timeline = self._timeline()
        found = Counter(map(timeline.outcome, timeline.nodes()))
        return {word: found[word] for word in OUTCOMES if found[word]}

    @property
    def critical_path(self) -> list[tuple[str, float]]:
        """What the run had to wait for, first to last: names, and the seconds that each ran.

        It is what happened, not an estimate: from the node that ended last, back through the input that ended last.
        """
        timeline = self._timeline()
        return [(self.log.names[i], timeline.work[i]) for i in timeline.path]

    @property
    def share(self) -> float:
        """The part of the wall time (0 to 1) that was spent in the nodes of the critical path."""
        return _ratio(sum(seconds for _, seconds in self.critical_path), self.wall)

    @property
    def waiting(self) -> float:
        """Seconds that nodes of the critical path were ready to run, and no lane was free. Pauses do not count."""
        return self._timeline().waiting

    # -- for people

    def summary(self) -> str:
        """A few lines: how long it took, what ran, how busy the lanes were, and what to make faster."""
        timeline, counts = self._timeline(), {"ran": 0} | self.counts
        paused = sum(end - start for start, end in timeline.pauses)
        title = f"{_shown(self.name)}: {timeline.status}, {_seconds(self.wall)}"
        along = f"{_seconds(self.share * self.wall)}, {_percent(self.share)} of the time"
        rows = {
            "nodes": f"{sum(counts.values())}: " + ", ".join(f"{count} {word}" for word, count in counts.items()),
            "lanes": self._lanes(timeline),
            "work": f"{_seconds(self.work)}, {self.parallelism:.2f} nodes at once",
            "critical path": f"{along}: {_chain(self.critical_path)}",
            "waiting on it": f"{_seconds(self.waiting)} for a free lane",
            "slowest": ", ".join(self._slowest(timeline)) or "nothing ran",
        }
        title += f", paused for {_seconds(paused)}" if paused else ""
        return "\n".join([title, *(f"  {label:<14} {text}" for label, text in rows.items())])

    def _lanes(self, timeline: Timeline) -> str:
        busy = timeline.busy()
        if not busy:
            return "none"
        each = [f"{timeline.row_name(row)} {_percent(_ratio(s, timeline.wall))}" for row, s in busy[:8]]
        more = [f"{len(busy) - 8} more"] if len(busy) > 8 else []
        return f"{len(busy)}, {_percent(self.parallelism / len(busy))} busy: {', '.join(each + more)}"

    def _slowest(self, timeline: Timeline) -> list[str]:
        slowest = nlargest(5, timeline.started(), key=timeline.work.__getitem__)
        return [f"{_shown(self.log.names[i])} {_seconds(timeline.work[i])}" for i in slowest]

    # -- for programs

    def to_chrome_trace(self, path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
        """The run in the Trace Event Format, which https://ui.perfetto.dev and chrome://tracing open.

        With ``path`` it is written there too: the file is whole, or as it was before (OSError). A row is a lane, a
        slice an attempt, an arrow an edge; what took no time (reused, cut off, skipped …) is in the row ``run``.
        """
        document = {"traceEvents": list(chrome_events(self._timeline(), self.name))}
        if path is not None:
            _write(path, document, "traceEvents")
        return document

    def to_json(self, path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
        """The events as they were logged, and what each node needed, as plain JSON; with ``path`` written there too."""
        timeline, names = self._timeline(), self.log.names
        document = {
            "schema": SCHEMA,
            "dag": self.name,
            "began": self.began,
            "inputs": {names[i]: [names[p] for p in self._preds(i)] for i in timeline.nodes()},
            "events": [self._plain_event(timeline, seq) for seq in range(timeline.size)],
        }
        if path is not None:
            _write(path, document, "events")
        return document

    def _plain_event(self, timeline: Timeline, seq: int) -> dict[str, Any]:
        log, node = self.log, self.log.node[seq]
        event: dict[str, Any] = {"seq": seq, "kind": Kind(log.kind[seq]).name.lower(), "time": log.time[seq]}
        if node != NO_NODE:
            event["node"] = log.names[node]
        return event | told(timeline, seq)

    # -- inside

    def _timeline(self) -> Timeline:
        known = self._known
        if known is None or known.size != len(self.log.time):
            known = self._known = Timeline(self.log, self._preds)
        return known


# ---- text


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.9995 else f"{seconds * 1000:.3g} ms"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _shown(name: str, width: int = 40) -> str:
    """A name that fits a line."""
    text, half = visible(name), width // 2
    return text if len(text) <= width else f"{text[: half - 1]}…{text[-half:]}"


def _chain(path: Sequence[tuple[str, float]]) -> str:
    """A path in one line, a long one without its middle."""
    ends = path if len(path) <= 9 else [*path[:4], *path[-4:]]
    words = [f"{_shown(name)} {_seconds(seconds)}" for name, seconds in ends]
    if len(path) > 9:
        words.insert(4, f"({len(path) - 8} more, {_seconds(sum(seconds for _, seconds in path[4:-4]))})")
    return " → ".join(words) or "none"


# ---- files


_ROWS = 256
"""How many entries are written at once, as a line: each call of an encoder costs as much as a few entries."""


def _write(path: str | os.PathLike[str], document: Mapping[str, Any], rows: str) -> None:
    """Make ``path`` hold ``document``, its long list ``rows`` last; or raise OSError and leave it as it was."""
    target = os.path.realpath(path)
    temp = os.path.join(os.path.dirname(target), f".trace.{secrets.token_hex(8)}.tmp")
    try:
        with open(temp, "x", encoding="ascii") as file:
            file.writelines(_pieces(document, rows))
        os.replace(temp, target)
    except BaseException as error:
        if os.path.exists(temp):
            os.remove(temp)
        if isinstance(error, OSError):  # name the file that was asked for, not the one beside it
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def _pieces(document: Mapping[str, Any], rows: str) -> Iterator[str]:
    encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
    yield "{"
    for key, value in document.items():
        if key != rows:
            yield f"{encode(key)}:{encode(value)},\n"
    yield f"{encode(rows)}:[\n"
    for n in range(0, len(document[rows]), _ROWS):
        yield f"{',' if n else ''}{encode(document[rows][n : n + _ROWS])[1:-1]}\n"
    yield "]}\n"
