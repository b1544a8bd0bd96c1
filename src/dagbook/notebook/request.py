"""What a run is asked to do: the same words in a ``%dag`` line, in a method, and in a shell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dagbook.engine.options import RunOptions
from dagbook.errors import UsageError, did_you_mean, nearest
from dagbook.graph.selection import UNASKED, find, select
from dagbook.graph.topology import Topology

if TYPE_CHECKING:
    from dagbook.engine.plan import Plan

WORDS = {
    "full": "run everything that is asked for, current or not",
    "dry_run": "only show what would run, why, and about how long it takes",
    "types": "run nodes of these types only (of the others a stored value serves)",
    "nodes": "run these and all that is below them, current or not",
    "exclude_tags": "leave out nodes with one of these tags (a stored value serves)",
    "continue_on_error": "go on with what does not need a node that failed",
    "fail_fast": "start nothing more after a failure",
    "retry": "try a node that fails again, up to N times",
    "workers": "how many nodes run at once",
}
"""What each word means, for people."""


@dataclass(frozen=True, slots=True)
class Request:
    """``targets`` are to be brought up to date (everything, without any), and those of ``force`` run in any case.

    ``nodes`` are run too, with all that is below them. ``types`` and ``exclude_tags`` leave nodes out. ``retry`` is how
    often a node that fails is tried again, ``timeout`` the seconds of the whole run. None: not said.
    """

    targets: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    full: bool = False
    dry_run: bool = False
    types: tuple[str, ...] | None = None
    nodes: tuple[str, ...] | None = None
    exclude_tags: tuple[str, ...] | None = None
    fail_fast: bool | None = None
    retry: int | None = None
    workers: int | None = None
    timeout: float | None = None

    def options(self, shell: Request, resources: Mapping[str, float]) -> RunOptions:
        """How the run is to go; what the ``shell`` said counts more. Raises UsageError for a number without sense."""
        fail_fast = self.fail_fast if shell.fail_fast is None else shell.fail_fast
        retry = self.retry if shell.retry is None else shell.retry
        workers = self.workers if shell.workers is None else shell.workers
        return RunOptions(workers, bool(fail_fast), self.timeout, resources=resources, retries=retry or 0)


NOTHING = Request()
"""Everything is to be brought up to date, and nothing is said of how."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a request comes to in a graph. Without ``targets``: everything. ``left_out`` are not to run, and why."""

    targets: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def joined(self, other: Choice, force: Iterable[str]) -> Choice:
        """Both together; ``force`` are the nodes of ``other`` that run in any case."""
        left_out = {**_meant(other.left_out, self.targets), **self.left_out}
        forced = dict.fromkeys(name for name in (*self.force, *force) if name not in left_out)
        targets = dict.fromkeys((*self.targets, *other.targets))
        return Choice(tuple(targets), tuple(forced), left_out)


def _meant(left_out: Mapping[str, str], targets: Sequence[str]) -> Mapping[str, str]:
    """What is left out for a reason of its own: where something is asked for by name, the rest is not all there is."""
    return {name: why for name, why in left_out.items() if why != UNASKED} if targets else left_out


def listed(what: str, given: object) -> tuple[str, ...] | None:
    """Names from ``"a, b"`` or a list of such texts; None for None. Raises UsageError when there is none."""
    if given is None:
        return None
    texts: list[Any] = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not all(isinstance(text, str) for text in texts):
        raise UsageError(f'{what} takes names, like "a" or ["a", "b"], not {given!r}.')
    names = tuple(name for text in texts for part in text.split(",") if (name := part.strip()))
    if not names:
        raise UsageError(f"{what} names nothing. Write what is meant, or leave it out.")
    return tuple(dict.fromkeys(names))


def request_of(*targets: str, **given: Any) -> Request:
    """A request from the words of a method. Raises UsageError."""
    for name in ("types", "nodes", "exclude_tags"):
        given[name] = listed(f"{name}=", given.get(name))
    given["force"] = listed("force=", given.get("force") or None) or ()
    if given.pop("continue_on_error", False):
        if given.get("fail_fast"):
            raise UsageError("continue_on_error and fail_fast are opposites; leave one of them out.")
        given["fail_fast"] = False
    return Request((listed("a run", targets) or ()) if targets else (), **given)


def choose(topology: Topology, request: Request, *, whole: bool = True) -> Choice:
    """What the request comes to. Raises NodeNotFoundError, or UsageError, with the names that there are.

    Unless the graph is ``whole``, types and tags that no node has may still come.
    """
    if whole:
        _check("type", "is of type", request.types, (node.options.type for node in topology.nodes))
        tags = (tag for node in topology.nodes for tag in node.options.tags)
        _check("tag", "is tagged", request.exclude_tags, tags)
    chosen = select(
        topology,
        full=request.full,
        types=request.types,
        names=request.nodes,
        exclude_tags=request.exclude_tags,
    )
    named = [topology.names[find(topology, name)] for name in request.targets]
    force = [topology.names[find(topology, name)] for name in request.force]
    for name in force:
        if name in chosen.left_out:
            raise UsageError(f"{name} is to be forced and left out: {chosen.left_out[name]}. Ask for one of the two.")
    below = chosen.targets if request.nodes is not None else ()
    forced = (*force, *(name for name in topology.names if name in chosen.forced))
    left_out = _meant(chosen.left_out, named)
    return Choice(tuple(dict.fromkeys((*named, *below))), tuple(dict.fromkeys(forced)), left_out)


def _check(what: str, phrase: str, wanted: Iterable[str] | None, found: Iterable[str | None]) -> None:
    known = sorted({name for name in found if name})
    for name in wanted or ():
        if name not in known:
            there = f" The {what}s are {', '.join(known)}." if known else f" No node has a {what}."
            guess = did_you_mean(nearest(name, known))
            raise UsageError(f"no node {phrase} {name!r}{guess}{there} `@node({_OPTION[what]})` gives it one.")


_OPTION = {"type": 'type="…"', "tag": 'tags=["…"]'}


def check_resources(plan: Plan, left_out: Mapping[str, str], resources: Mapping[str, float]) -> None:
    """Raise UsageError for a node that may run, and asks for more than there is."""
    for i in plan.pending:
        name = plan.topology.names[i]
        for resource, amount in plan.topology.nodes[i].options.resources.items():
            if name not in left_out and amount > resources.get(resource, 0.0):
                there = f"there is {resources[resource]:g}" if resource in resources else "nothing is known of it"
                raise UsageError(
                    f"{name} asks for {amount:g} of {resource!r}, and {there}. "
                    f"`%dag resources {resource}={amount:g}` says that there is so much; nothing has run."
                )
