"""The history of a run, as plain data: what the scheduler was told and asked, in order, and what it decided.

A history is written down while a real run goes on, and can be played to any later scheduler. It speaks of nodes, lanes
and answers, and not of how today's scheduler is made: when its methods change, :func:`play` translates.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from dagbook.engine.events import NO_NODE, Kind, Log
from dagbook.engine.scheduler import Scheduler

FORMAT = 1

ASKED = ("checks", "joined", "stretch", "take", "waiting")
"""What a scheduler is asked: its answers are decisions."""

TOLD = (
    "abandon", "cancel", "cut_off", "enqueue", "expand", "expire", "fail", "finish", "follow", "grow", "join",
    "leave_out", "pause", "put_back", "ran", "remove", "resume", "retry", "reuse", "skip", "time_out", "wake",
)  # fmt: skip
"""What it is told: its decisions are the events that follow."""

UNASKED = {"rank": float, "place": lambda i: 1, "demand": lambda i: {}, "alone": lambda i: False}
"""What is said of a node that nobody had asked about when the history was written."""


# -- writing


class Recorded(Scheduler):
    """A scheduler that notes what it is told and asked, and what it does."""

    def __init__(self, preds, succs, pending, log, **options):
        self.inside = False
        self.history = {
            "format": FORMAT,
            "names": list(log.names),
            "preds": [list(p) for p in preds],
            "pending": list(pending),
            "options": {name: {} if callable(value) else plain(value) for name, value in options.items()},
            "steps": [],
        }
        tables = {n: _tabled(v, self.history["options"][n]) for n, v in options.items() if callable(v)}
        super().__init__(preds, succs, pending, log, **options | tables)

    def step(self, name, arguments):
        method = getattr(super(), name)
        if self.inside:  # it tells itself
            return method(*arguments)
        first = len(self.log)
        step = [round(self.now, 6), name, plain(arguments)]
        self.inside = True
        try:
            answer = method(*arguments)
        finally:
            self.inside = False
        step += [plain(answer), [event(self.log, seq) for seq in range(first, len(self.log))]]
        steps = self.history["steps"]
        if name in TOLD or answer or not steps or step[1:] != steps[-1][1:]:  # asked in vain once more: nothing new
            steps.append(step)
        return answer


def _tabled(function, table):
    def asked(i):
        value = function(i)
        table[str(i)] = plain(value)
        return value

    return asked


def _noting(name):
    signature = inspect.signature(getattr(Scheduler, name))

    def method(self, *given, **named):
        bound = signature.bind(self, *given, **named)
        bound.apply_defaults()
        return self.step(name, bound.args[1:])

    return method


for _name in (*ASKED, *TOLD):
    setattr(Recorded, _name, _noting(_name))


@contextmanager
def recording():
    """Within the block, runs write histories; they are in the list that it yields, complete when the block ends."""
    schedulers, histories = [], []

    def made(*arguments, **options):
        schedulers.append(Recorded(*arguments, **options))
        return schedulers[-1]

    with mock.patch("dagbook.launch.Scheduler", made), mock.patch("dagbook.session.Scheduler", made):
        yield histories
    for scheduler in schedulers:
        scheduler.history["ends"] = _ends(scheduler)
        histories.append(scheduler.history)


def _ends(scheduler):
    """How each node stands at the end."""
    return [scheduler.state(i).name.lower() for i in range(len(scheduler.log.names))]


def plain(value):
    """``value`` as JSON; of an error only its type and message, which are the same everywhere."""
    if isinstance(value, range):
        return {"range": [value.start, value.stop]}
    if isinstance(value, Mapping):
        chosen = {"type", "message", "child"} if {"type", "message"} <= value.keys() else value.keys()
        return {str(name): plain(each) for name, each in value.items() if name in chosen}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return round(value, 6)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def event(log, seq):
    """An event, without its time: what, of which node, and what else is said of it."""
    node = log.node[seq]
    found = [Kind(log.kind[seq]).name.lower(), None if node == NO_NODE else node]
    return [*found, plain(log.detail[seq])] if seq in log.detail else found


def write(path, history):
    """One line for each step, so that a difference between two histories can be read."""
    head = {name: value for name, value in history.items() if name != "steps"}
    lines = ",\n  ".join(json.dumps(step, ensure_ascii=False) for step in history["steps"])
    text = json.dumps(head, ensure_ascii=False)[:-1]
    Path(path).write_text(f'{text}, "steps": [\n  {lines}\n]}}\n')


def read(path):
    """A history of any release."""
    history = json.loads(Path(path).read_text())
    assert history["format"] == FORMAT, f"{path} is of format {history['format']}: teach play() to translate it"
    return history


# -- playing


def play(history, scheduler_class=Scheduler):
    """Tell a scheduler what happened then. The first difference in what it does, or "" when there is none."""
    log = Log(list(history["names"]))
    scheduler = _begun(history, log, scheduler_class)
    for number, (now, name, arguments, answer, events) in enumerate(history["steps"]):
        first, scheduler.now = len(log), now
        where = f"step {number}, {name}({', '.join(map(str, arguments))})"
        try:
            answered = plain(getattr(scheduler, name)(*map(_argument, arguments)))
        except Exception as error:
            return f"event {first}: {where} raised {type(error).__name__}: {error}"
        done = [event(log, seq) for seq in range(first, len(log))]
        for n in range(max(len(events), len(done))):
            was, is_now = (each[n] if n < len(each) else None for each in (events, done))
            if was != is_now:
                return f"event {first + n}: it was {_said(was, log)}, and is {_said(is_now, log)}, in {where}"
        if answered != answer:
            return (
                f"event {len(log)}: {where} was answered by {_named(answer, log)}, and is by {_named(answered, log)}"
            )
    ends = _ends(scheduler)
    wrong = [i for i, end in enumerate(history["ends"]) if i >= len(ends) or ends[i] != end]
    if wrong:
        i = wrong[0]
        return f"event {len(log)}: at the end {log.names[i]} was {history['ends'][i]}, and is {ends[i]}"
    return ""


def _begun(history, log, scheduler_class):
    preds = [tuple(p) for p in history["preds"]]
    succs = [[] for _ in preds]
    for i, inputs in enumerate(preds):
        for p in inputs:
            succs[p].append(i)
    given = history["options"]
    options = {name: _from_table(name, v) if _is_table(name, v) else v for name, v in given.items()}
    return scheduler_class(preds, succs, _argument_of_pending(history), log, **options)


def _is_table(name, value):
    return name in UNASKED and isinstance(value, dict)


def _from_table(name, table):
    return lambda i: table[str(i)] if str(i) in table else UNASKED[name](i)


def _argument_of_pending(history):
    pending = history["pending"]
    everything = range(len(history["preds"]))
    return everything if pending == list(everything) else pending


def _argument(value):
    return range(*value["range"]) if isinstance(value, dict) and value.keys() == {"range"} else value


def _said(event, log):
    """An event in words."""
    if event is None:
        return "nothing"
    kind, node, *detail = event
    name = "" if node is None else f" {log.names[node]}" if node < len(log.names) else f" node {node}"
    return f"{kind}{name}{f' {detail[0]}' if detail else ''}"


def _named(answer, log):
    """An answer in words: most are nodes."""
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(log.names):
        return log.names[answer]
    return str(answer)
