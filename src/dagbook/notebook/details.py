"""What the widget tells of one node: why it ran or did not, its key, code, printed text, inputs, output and past.

Never a value: types, shapes and sizes, source code, and what the user's own code printed or raised. Of values that
are written in code only numbers and truth values appear.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from dagbook.engine.story import Story
from dagbook.engine.why import where_it_stopped, why, why_step
from dagbook.fingerprint.key import Change
from dagbook.fingerprint.parts import Part, known
from dagbook.notebook import summaries
from dagbook.notebook.picture import CUTOFF, FAILED, HAVE_VALUES, NEVER, RAN, SKIPPED, STALE, STATUS, TIMEOUT
from dagbook.notebook.summaries import discreet, safe, short_change
from dagbook.notebook.tracebacks import around

if TYPE_CHECKING:
    from dagbook.engine.ports import Record
    from dagbook.notebook.picture import Message, Picture

PRINTED = 4_000
ROWS = 50
EQUAL_PARTS = 6
LONGEST_LINE = 400
CONTEXT = 2

_SOURCES = ("code", "helper", "class")
_PLAIN_NAMES = frozenset({"constant", "input", "parameter", "file", "package"})
_HEADS = {
    "ran": "Why it ran",
    "running": "Why it runs",
    "queued": "Why it is queued",
    "failed": "What happened",
    "timeout": "What happened",
    "stale": "Why it is stale",
    "maybe": "Why it may be stale",
}
_HEADLESS = re.compile(
    r"^(queued, it runs|ran|reused( from run \d+)?\.|current[.,]|stale,|may be stale,|cancelled,|skipped,) ?"
)
"""The first words of a sentence of ``why``, which the heading has said already."""


class Details:
    """Builds the details of nodes, all from one moment. ``picture`` is not folded here."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.session = picture.session
        stories = {name: story for run in self.session.runs for name, story in run.stories.items()}
        self.stories: Mapping[str, Story] = _Discreet(stories)
        self.below: dict[int, list[int]] = {}
        for a, b in picture.edges:
            self.below.setdefault(a, []).append(b)

    def of(self, i: int) -> Message:
        """The details of node ``i`` of the picture, as ``Detail`` of the protocol."""
        name = self.picture.names[i]
        return _Node(self, i, name).detail()

    def record(self, name: str) -> Record | None:
        """The newest record of a node."""
        story = self.stories.get(name)
        own = story.record if story is not None and story.record is not None and story.record.key else None
        return own or self.session.shelf.records.get(name)


class _Node:
    """One node, while its details are put together."""

    def __init__(self, whole: Details, i: int, name: str) -> None:
        self.whole = whole
        self.picture = whole.picture
        self.i = i
        self.name = name
        self.status = self.picture.status[i]
        self.step = self.picture.steps.get(name) if self.status >= STALE or self.status == NEVER else None
        self.story = whole.stories.get(name) if self.step is None else None
        self.record = whole.record(name)
        self.before = self.story.previous if self.story is not None else self.record
        self.parts = self.story.parts if self.story is not None and self.story.parts else self._recorded_parts()

    def _recorded_parts(self) -> Sequence[Part]:
        return self.record.parts if self.record is not None else ()

    def detail(self) -> Message:
        child = self._failed_child()
        failed = self.status in (FAILED, TIMEOUT) or child is not None
        parts, more = self._key()
        head, code = (child.name if child is not None else "", []) if failed else self._code()
        told = child if child is not None else self.story
        error = (told.error if told is not None else None) or {}
        made: Message = _clean(
            {
                "node": self.picture.nodes[self.i]["name"],
                "status": STATUS[self.status],
                "sub": self._sub(),
                "head": self._head(),
                "why": self._why(),
                "error": self._error(error) if failed else "",
                "skipped": self._skipped() if failed else [],
                "parts": parts,
                "moreParts": more,
                "steps": self._steps() if self.status == CUTOFF else [],
                "codeHead": head,
                "code": code,
                "frames": _frames(error) if failed else [],
                "hidden": _hidden(error) if failed else "",
                "printed": self._printed(),
                "values": self._values(),
                "usedBy": [self.picture.names[k] for k in self.whole.below.get(self.i, ())][:ROWS],
                "history": [round(s, 3) for s in self.whole.session.journal.durations(self.name)],
                "last": self._last() if failed else "",
                "next": "",
            }
        )
        return made

    def _failed_child(self) -> Story | None:
        """Of a mapped node: the first child that failed in the run that is told of."""
        if not self.picture.nodes[self.i].get("mapped") or self.story is None:
            return None
        family = (s for name, s in self.whole.stories.items() if name.startswith(f"{self.name}["))
        return next((s for s in family if s.error and s.run == self.story.run), None)

    # -- in words

    def _sub(self) -> str:
        return ", ".join(filter(None, (self.picture.nodes[self.i].get("cell", ""), self._when())))

    def _when(self) -> str:
        story, record = self.story, self.record
        took = self.picture.end[self.i] - self.picture.start[self.i]
        if self.status == RAN and record is not None:
            began = time.strftime("%H:%M:%S", time.localtime(record.finished - record.seconds))
            return f"ran {began} in {summaries.duration(record.seconds)}"
        if self.status == CUTOFF and record is not None:
            return f"did not run; last ran in run {record.run}"
        if self.status in HAVE_VALUES and record is not None:
            return f"made in run {record.run}" if record.run else "current"
        if self.status in (FAILED, TIMEOUT) and story is not None:
            word = "timed out" if self.status == TIMEOUT else "failed"
            return f"{word} after {summaries.duration(took)}" if took >= 0 else word
        return {"never": "has never run", "maybe": "may be stale"}.get(STATUS[self.status], STATUS[self.status])

    def _head(self) -> str:
        if self.status == NEVER or (self.story is None and self.step is None):
            return ""
        return _HEADS.get(STATUS[self.status], "Why it did not run")

    def _why(self) -> str:
        if self.step is not None:
            return self._told(why_step(replace(self.step, changes=discreet(self.step.changes))))
        if self.story is None:
            return ""
        if self.status in (FAILED, TIMEOUT):
            return self._why_it_failed()
        text = self._told(why(self.name, self.whole.stories))
        if self.status == RAN and self.story.changed and not self.story.first:
            ran = [self.picture.names[k] for k in self.whole.below.get(self.i, ()) if self.picture.status[k] == RAN]
            if ran and text.endswith("too."):
                text = f"{text[:-1]}, so {_listed(ran)} ran."
        return text

    def _told(self, sentence: str) -> str:
        """A sentence of ``why``, as it stands under a heading that has said the first half."""
        rest = _HEADLESS.sub("", sentence.removeprefix(f"{self.name}: "), count=1).removeprefix("because ")
        if rest.startswith("for the first time"):
            return "It ran for the first time." if self.status == RAN else "It runs for the first time."
        names = self.picture.index
        return ". ".join(part if part.split(" ")[0] in names else _capital(part) for part in rest.split("; "))

    def _why_it_failed(self) -> str:
        rest = ["It ran " + why(self.name, self.whole.stories).rpartition(" It ran ")[2]]
        if not self.picture.live:
            finished = sum(
                status in HAVE_VALUES
                for status, node in zip(self.picture.status, self.picture.nodes, strict=True)
                if "parent" not in node
            )
            if finished:
                one = "The node that does not" if finished == 1 else f"The {finished} nodes that do not"
                rest.append(f"{one} need it finished.")
        return " ".join(rest)

    def _error(self, error: Mapping[str, Any]) -> str:
        if error.get("type"):
            return f"{error['type']}: {error['message']}" if error.get("message") else str(error["type"])
        return str(error.get("message") or (self.story.reason if self.story is not None else ""))

    def _last(self) -> str:
        if self.before is None or not self.before.key:
            return ""
        took = summaries.duration(self.before.seconds)
        return f"run {self.before.run}, {took}, value {_short(self.before.value)}"

    # -- the key

    def _key(self) -> tuple[list[Message], int]:
        """The parts of the key, what changed first; and how many equal ones are left out."""
        if self.step is not None:
            gone = {_same_thing(change) for change in self.step.changes}
            rows = [self._part(part, part, _same_thing(part) in gone, "…") for part in self.parts]
        elif self.before is None:
            return [self._part(part, None, False, _short(part.digest)) | {"word": "new"} for part in self.parts][:6], 0
        else:
            old = {_same_thing(part): part for part in self.before.parts}
            rows = [self._compared(part, old.get(_same_thing(part))) for part in self.parts]
        changed = [row for row in rows if row["changed"]][:ROWS]
        equal = [row for row in rows if not row["changed"]]
        shown = max(0, EQUAL_PARTS - len(changed))
        return changed + equal[:shown], len(equal[shown:])

    def _compared(self, part: Part, old: Part | None) -> Message:
        return self._part(part, old, old is None or old.digest != part.digest, _short(part.digest))

    def _part(self, part: Part, old: Part | None, changed: bool, now: str) -> Message:
        word = self._word(part, changed)
        row = {"name": _part_name(part), "kind": part.kind, "now": now, "word": word, "changed": changed}
        if not changed:
            row["now"] = _short(part.digest)
        elif old is not None:
            row["old"] = _short(old.digest)
        return row

    def _word(self, part: Part, changed: bool) -> str:
        if changed:
            return "changed"
        index = self.picture.index.get(safe(part.name)) if part.kind == "input" else None
        again = index is not None and self.picture.status[index] == RAN
        return "ran again, same" if again and self.step is None else "same"

    # -- code

    def _code(self) -> tuple[str, list[Message]]:
        """The piece of code that changed, line by line against the last run; else the node's own."""
        old = {_same_thing(part): part for part in self.before.parts} if self.before is not None else {}
        texts = [part for part in self.parts if part.kind in _SOURCES and part.text]
        for part in texts:
            before = old.get(_same_thing(part))
            if before is not None and before.digest != part.digest and before.text and before.text != part.text:
                what = "Code" if part.kind == "code" else _capital(_part_name(part))
                run = self.before.run if self.before is not None else 0
                return f"{what}, against run {run}", _diff(before.text, part.text, self._first_line(part))
        own = next((part for part in texts if part.kind == "code"), None)
        if own is None:
            return "", []
        lines = own.text.splitlines()[:ROWS]
        return "Code", [_line(n, "", text) for n, text in enumerate(lines, self._first_line(own))]

    def _first_line(self, part: Part) -> int:
        node = self.picture.sources.get(self.name)
        return max(1, node.place.line) if node is not None and part.kind == "code" else 1

    def _printed(self) -> str:
        if self.story is None or self.story.record is None:
            record = self.record
        else:
            record = self.story.record
        shown = record.shown if record is not None else ()
        text = "".join(str(item.get("text", "")) for item in shown if item.get("t") == "stream")
        return text if len(text) <= PRINTED else text[:PRINTED] + "\n… cut"

    # -- values: what they look like, never what they are

    def _values(self) -> list[Message]:
        inputs = [self.picture.names[a] for a, b in self.picture.edges if b == self.i]
        old = {part.name: part.digest for part in self.before.parts if part.kind == "input"} if self.before else {}
        now = {part.name: part.digest for part in self.parts if part.kind == "input"}
        rows = []
        for name in inputs[:ROWS]:
            record = self.whole.record(name)
            if record is not None:
                same = "same" if old.get(name) == now.get(name) else "changed" if name in old else "new"
                rows.append(_value_row(name, record, "" if self.step else same))
        if self.status in HAVE_VALUES and self.record is not None:
            rows.append(_value_row(self.name, self.record, self._outcome()) | {"strong": True})
        return rows

    def _outcome(self) -> str:
        if self.status != RAN or self.story is None:
            return "kept"
        return "new" if self.story.first else "changed" if self.story.changed else "same"

    # -- what it did to others, and others to it

    def _skipped(self) -> list[Message]:
        """The nodes that were skipped because this one failed, nearest first."""
        start = self.picture.nodes[self.i].get("parent", self.i)
        found: dict[int, str] = {}
        level = [start]
        while level and len(found) < ROWS:
            above, level = level, []
            for a in above:
                for b in self.whole.below.get(a, ()):
                    if self.picture.status[b] == SKIPPED and b not in found:
                        near = a == start
                        name = self.picture.names[a]
                        found[b] = f"its input {name} failed" if near else f"needs {name}, which was skipped"
                        level.append(b)
        return [{"node": self.picture.names[b], "why": reason} for b, reason in found.items()]

    def _steps(self) -> list[Message]:
        """How far the change went: from the edit to where an equal value stopped it, and this node."""
        if self.story is None:
            return []
        path: list[Story] = []
        step = where_it_stopped(self.story, self.whole.stories)
        while step is not None and step not in path and len(path) < ROWS:
            path.append(step)
            step = next((self.whole.stories[c.name] for c in step.changes if c.name in self.whole.stories), None)
        rows = [self._step(story) for story in reversed(path)]
        return [*rows, {"node": self.name, "status": "cutoff", "what": "nothing changed", "word": "did not run"}]

    def _step(self, story: Story) -> Message:
        status = self.picture.status[self.picture.index[safe(story.name)]]
        what = short_change(story.changes[0]) if story.changes else "ran again"
        return {
            "node": story.name,
            "status": STATUS[status],
            "what": what,
            "word": "value changed" if story.changed else "same value",
        }


class _Discreet(Mapping[str, Story]):
    """Stories without the values of constants and parameters, but numbers and truth values."""

    def __init__(self, stories: Mapping[str, Story]) -> None:
        self._stories = stories

    def __getitem__(self, name: str) -> Story:
        story = self._stories[name]
        if not story.changes:
            return story
        told = copy(story)
        told.changes = discreet(story.changes)
        return told

    def __iter__(self) -> Iterator[str]:
        return iter(self._stories)

    def __len__(self) -> int:
        return len(self._stories)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _short(digest: bytes) -> str:
    return digest.hex()[:4] if known(digest) else "unknown"


def _same_thing(part: Part | Change) -> tuple[str, str]:
    if part.kind in ("code", "python"):
        return part.kind, ""
    return part.kind, part.name.partition(" ")[0] if part.kind == "package" else part.name


def _part_name(part: Part) -> str:
    if part.kind in ("code", "seed"):
        return part.kind
    name = part.name if part.kind in _PLAIN_NAMES else f"{part.kind} {part.name}"
    return f"{name} in {part.where}" if part.where and part.kind in ("helper", "class") else name


def _value_row(name: str, record: Record, word: str) -> Message:
    summary = record.summary
    size = summaries.size(summary.size or (record.blob.size if record.blob else 0))
    return {"name": name, "type": summary.type, "shape": summaries.shape(summary), "size": size, "word": word}


def _line(n: int | None, sign: str, text: str) -> Message:
    return {"n": n, "sign": sign, "text": text[:LONGEST_LINE]}


def _diff(old: str, new: str, first: int) -> list[Message]:
    """The lines of ``new`` with those of ``old`` that went, and two lines about each place."""
    before, after = old.splitlines(), new.splitlines()
    rows: list[Message] = []
    for group in SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(CONTEXT):
        for tag, i1, i2, j1, j2 in group:
            if tag != "equal":
                rows += [_line(None, "-", text) for text in before[i1:i2]]
            sign = "" if tag == "equal" else "+"
            rows += [_line(first + j, sign, after[j]) for j in range(j1, j2)]
    return rows[: 4 * ROWS]


def _frames(error: Mapping[str, Any]) -> list[Message]:
    """The user's own frames, outermost first, three lines each."""
    frames = []
    for frame in (error.get("frames") or ())[-8:]:
        lines = around(frame["file"], frame["line"], 1, first=frame["first"])
        frames.append(
            {
                "title": f"{frame['title']}, line {frame['line']}, in {frame['name']}",
                "lines": [_line(n, "x" if n == frame["line"] else "", text) for n, text in lines],
            }
        )
    return frames


def _hidden(error: Mapping[str, Any]) -> str:
    count, where = error.get("hidden", 0), error.get("hidden_in", "")
    if not count:
        return ""
    return f"{count} frame{'s' if count > 1 else ''}{f' in {where}' if where else ''} hidden"


def _clean(value: Any) -> Any:
    """Every text in ``value`` as all encoders take it."""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value
