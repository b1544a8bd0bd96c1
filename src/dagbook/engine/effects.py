"""Nodes that do something outside: the intent is durable before each call, and none is repeated unasked.

What nobody can know is whether a call that was cut off (the process died, the call was given up) has had its effect.
So it stands against every later call of the same until somebody who knows has decided.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from contextlib import suppress
from datetime import datetime

from dagbook.engine.call import Outcome
from dagbook.engine.ports import Intent, Journal, Record
from dagbook.errors import NodeDied, RunError, StoreError, UnknownOutcomeError, UnreturnableError
from dagbook.fingerprint.key import Key
from dagbook.fingerprint.parts import known

CUT_OFF = (KeyboardInterrupt, NodeDied, UnreturnableError)
"""What a call ends with that did not come to an end by itself."""


class Effects:
    """The calls with effects of one run. ``consented`` are the nodes that are to be called whatever was before."""

    def __init__(self, journal: Journal, run: int, consented: Container[str], wall: Callable[[], float]) -> None:
        self._journal = journal
        self._run = run
        self._consented = consented
        self._wall = wall

    def against(self, name: str, family: str, key: Key, done: Record | None) -> RunError | None:
        """Why node ``name`` must not be called. ``done`` is the record of the same call, whose value is gone.

        ``family`` is the node of the graph that it belongs to.
        """
        if family in self._consented:
            return None
        intent = self._journal.standing(self._run, name, key.digest)
        if intent is not None:
            return _refusal(intent, name, family)
        return _repeated(done, name, family) if done is not None else None

    def perform(self, name: str, family: str, key: Key, call: Callable[[], Outcome]) -> Outcome:
        """Make the call, its intent being durable; or say why not. The commit of its record settles the intent."""
        try:
            intent = self._journal.intend(self._run, name, key.digest, self._wall(), family in self._consented)
        except StoreError as error:
            return Outcome(error=error)
        if intent is not None:  # of somebody who was faster
            return Outcome(error=_refusal(intent, name, family))
        outcome = call()
        if _said(outcome) or (outcome.error is None and not known(key.digest)):  # no record will be made of that
            with suppress(StoreError):  # then nobody will know, and be told so
                self._journal.withdraw(self._run, name)
        return outcome


def repeatable(outcome: Outcome) -> bool:
    """Whether a call that went wrong may be tried again as any other: it said so itself, or was not made."""
    return _said(outcome) and not isinstance(outcome.error, UnknownOutcomeError)


def _said(outcome: Outcome) -> bool:
    """Whether the call was not made, or has raised."""
    if outcome.lost is not None:
        return True
    return outcome.error is not None and not outcome.returned and not isinstance(outcome.error, CUT_OFF)


def _refusal(intent: Intent, name: str, family: str) -> RunError:
    began = f"in run {intent.run}, at {_at(intent.time)}"
    other = "" if intent.node == name else f" as {intent.node}"
    if intent.owner:
        return RunError(
            f"{name} is being run{other} by {intent.owner}, {began}. It has effects, so it is not run twice: wait for "
            "its end, and run again."
        )
    return UnknownOutcomeError(
        f"{name} was started{other} {began}, and what came of it is not known: it was cut off before it ended. It has "
        f"effects, so it is not run again unasked. Look whether it has done its work. {_ways(family)}"
    )


def _repeated(done: Record, name: str, family: str) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f"{name} has run with the same inputs in run {done.run}, at {_at(done.finished)}, and its value is gone. "
        f"It has effects, so it is not run again unasked. {_ways(family)}"
    )


def _ways(family: str) -> str:
    return (
        f"To run it again: `%dag run --force {family}`, Session.run(force=[{family!r}]), DAGRunner.run(nodes="
        f"[{family!r}]), or DAGRunner.restart(run_id, confirm=[{family!r}])."
    )


def _at(time: float) -> str:
    return datetime.fromtimestamp(time).isoformat(" ", "seconds")
