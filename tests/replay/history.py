"""The history of a run, as plain data: what the scheduler was told and asked, in order, and what it decided.

A history is written down while a real run goes on, and can be played to any later scheduler. It speaks of nodes, lanes
and answers, and not of how today's scheduler is made: when its methods change, :func:`play` translates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from dagbook.engine.events import NO_NODE, Kind, Log
from dagbook.engine.scheduler import Scheduler

FORMAT = 1

ASKED = ("checks", "joined", "stretch", "take", "waiting")
"""What the scheduler is asked: here its answers are decisions."""

TOLD = (
    "abandon", "cancel", "cut_off", "enqueue", "expand", "expire", "fail", "finish", "follow", "grow", "join",
    "leave_out", "pause", "put_back", "ran", "remove", "resume", "retry", "reuse", "skip", "time_out", "wake",
)  # fmt: skip
"""What it is told: here its decisions are the events that follow."""


class Recorded(Scheduler):
    """A scheduler that notes what it is told and asked, and what it does."""

    def __init__(self, preds, succs, pending, log, **options):
        self.depth = 0
        self.history = {
            "format": FORMAT,
            "names": list(log.names),
            "preds": [list(p) for p in preds],
            "pending": list(pending),
            "options": {},
            "steps": [],
        }
        super().__init__(preds, succs, pending, log, **self.noted(options))

    def noted(self, options):
        """The options; functions of a node note what they say of each."""
        for name, value in options.items():
            if callable(value):
                table = self.history["options"][name] = {}
                options[name] = self.tabled(value, table)
            else:
                self.history["options"][name] = plain(value)
        return options

    @staticmethod
    def tabled(function, table):
        def asked(i):
            value = function(i)
            table[str(i)] = plain(value)
            return value

        return asked

    def step(self, name, call, arguments):
        if self.depth:  # it tells itself
            return call(*arguments)
        first = len(self.log)
        step = [round(self.now, 6), name, plain(arguments)]
        self.depth += 1
        try:
            answer = call(*arguments)
        finally:
            self.depth -= 1
        events = [event_of(self.log, seq) for seq in range(first, len(self.log))]
        step += [plain(answer), events]
        steps = self.history["steps"]
        if name not in ASKED or answer or not steps or step[1:] != steps[-1][1:]:  # to ask in vain twice says nothing
            steps.append(step)
        return answer


def _noting(name) -> Callable:
    def method(self, *given, **named):
        call = getattr(super(Recorded, self), name)
        return self.step(name, lambda *arguments: call(*arguments, **named), [*given, *named.values()] if named else given)

    return method


for _name in (*ASKED, *TOLD):
    setattr(Recorded, _name, _noting(_name))
