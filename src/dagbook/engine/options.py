"""How a run is to go: workers, deadlines, costs, resources, conditions, expansions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from dagbook.errors import UsageError

if TYPE_CHECKING:
    import asyncio
    import threading

    from dagbook.graph.compose import Growth

Edge = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What may be asked of a run. Raises UsageError for a number that makes no sense.

    ``workers`` is how many nodes run at once (None: a number that fits the machine), 1 runs them one after another.
    ``timeout`` is for the whole run, in seconds. When ``cancel_event`` is set, running nodes end and nothing more is
    started. ``costs`` (any unit) rank the ready nodes by the longest way to a sink. ``resources`` are capacities that
    running nodes share. ``retries`` is the least number of further attempts of each node. ``conditions`` are
    predicates on edges. ``expanders`` are called with a node's value and may change the graph. Coroutine functions run
    in ``loop``.
    """

    workers: int | None = None
    fail_fast: bool = False
    timeout: float | None = None
    cancel_event: threading.Event | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    retries: int = 0
    conditions: Mapping[Edge, Callable[[Any], bool]] = field(default_factory=dict)
    expanders: Mapping[str, Callable[[Any], Growth | None]] = field(default_factory=dict)
    loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and not _whole(self.workers, 1):
            raise UsageError(f"the number of workers is a whole number from 1 up, not {self.workers!r}.")
        if not _whole(self.retries, 0):
            raise UsageError(f"the number of retries is a whole number from 0 up, not {self.retries!r}.")
        if self.timeout is not None and not (_number(self.timeout) and self.timeout > 0):
            raise UsageError(f"a timeout is a number of seconds above 0, not {self.timeout!r}.")
        if self.cancel_event is not None and not hasattr(self.cancel_event, "is_set"):
            raise UsageError(f"cancel_event is a threading.Event, not {self.cancel_event!r}.")
        for what, amounts in (("cost", self.costs), ("capacity", self.resources)):
            if not isinstance(amounts, Mapping):
                raise UsageError(f"each {what} is given by name, in a dict, not as {amounts!r}.")
            for name, amount in amounts.items():
                if not _number(amount) or amount < 0:
                    raise UsageError(f"the {what} of {name!r} is a number from 0 up, not {amount!r}.")


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
