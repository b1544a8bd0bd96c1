"""What the engine needs from outside, as Protocols, and the records that cross the border.

The engine knows stores, journals, backends and listeners only by these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dagbook.engine.events import Log
    from dagbook.fingerprint.parts import Digest, Part


@dataclass(frozen=True, slots=True)
class Blob:
    """The address of stored bytes: their content digest (hex), how they are encoded, and their size in bytes."""

    digest: str
    codec: str
    size: int


@dataclass(slots=True, unsafe_hash=True)
class Summary:
    """What a value looks like, without the value: ``DataFrame``, ``(327346, 20)``, bytes in memory (0: not known)."""

    type: str = ""
    shape: tuple[int, ...] = ()
    size: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """One element of a mapped node: its label (``0``, ``AA``), key and the fingerprint of its value."""

    label: str
    key: Digest
    value: Digest


@dataclass(slots=True)
class Record:
    """All that is remembered of one finished execution, but the value itself.

    ``key`` is what it depended on, and ``files`` what it read besides (path, content digest), checked again before
    the record is reused. ``value`` is the fingerprint of the result; ``blob`` is where the value is stored, or None
    (not stored: it lives in one process only). ``shown`` is the list of captured outputs, as plain JSON-like data.
    ``children`` is the composition of a mapped node, whose value is made of theirs and has no blob: in this case
    ``mapping`` says whether it is a dict (else a list). Times are seconds; ``finished`` is since the epoch.
    Never changed once it is made (it is not frozen, because one is made for each node that runs).
    """

    node: str
    key: Digest
    value: Digest
    blob: Blob | None = None
    files: tuple[tuple[str, Digest], ...] = ()
    parts: tuple[Part, ...] = ()
    shown: tuple[Mapping[str, Any], ...] = ()
    children: tuple[Child, ...] | None = None
    mapping: bool = False
    summary: Summary = field(default_factory=Summary)
    seconds: float = 0.0
    finished: float = 0.0
    run: int = 0


@dataclass(frozen=True, slots=True)
class Intent:
    """A call with effects that was about to be made: of which node, in which run, when (since the epoch).

    ``owner`` is the process whose run goes on and may be making the call now; "" when there is none.
    """

    node: str
    run: int
    time: float
    owner: str = ""


class Store(Protocol):
    """Values by content. Safe for several threads and processes."""

    def put(self, value: object) -> Blob:
        """Write ``value``; it is synced to disk when this returns. Raises UnstorableError."""
        ...

    def has(self, blob: Blob) -> bool:
        """Whether a blob of this size is there; it may still turn out to be damaged."""
        ...

    def get(self, blob: Blob) -> object:
        """A fresh copy of the value, verified before it is decoded. Raises RefusedError."""
        ...


class Journal(Protocol):
    """The truth about runs, in order. Safe for several threads and processes."""

    def begin(self, dag: str, started: float) -> int:
        """The number of a new run (1, 2, 3 …)."""
        ...

    def commit(self, run: int, log: Log, start: int, stop: int, records: Sequence[Record]) -> None:
        """Make events ``start`` to ``stop`` of ``log`` and ``records`` durable, all or none."""
        ...

    def finish(self, run: int, status: str, finished: float) -> None:
        """Note how a run ended."""
        ...

    def beat(self, run: int, now: float) -> None:
        """Note that the process of a run lives: nobody else can see that from another machine."""
        ...

    def standing(self, run: int, node: str, key: Digest) -> Intent | None:
        """The intent that speaks against a call with effects in this run: nobody knows what came of it.

        It is of a node of this name in the same DAG, or of the same key.
        """
        ...

    def intend(self, run: int, node: str, key: Digest, now: float, consent: bool) -> Intent | None:
        """Make durable that a call with effects is about to be made; the commit of its record settles the intent.

        Without ``consent``, when another intent stands against it, nothing is noted, and that one is returned.
        """
        ...

    def withdraw(self, run: int, node: str) -> None:
        """The call was not made, or has raised: it said itself what came of it."""
        ...

    def find(self, key: Digest) -> Sequence[Record]:
        """The records with this key, newest first; only authentic ones."""
        ...

    def last(self, names: Iterable[str]) -> Mapping[str, Record]:
        """The newest record of each of these nodes that has one."""
        ...

    def durations(self, name: str, limit: int = 24) -> Sequence[float]:
        """How long the last executions of a node took in seconds, oldest first."""
        ...


class Backend(Protocol):
    """Somewhere to run calls. ``slots`` is how many run at once."""

    slots: int

    def submit(self, call: Callable[[], None]) -> None:
        """Run ``call`` some time; it reports its own outcome and never raises."""
        ...

    def replace(self) -> None:
        """One call is given up, and may never end: do not let it hold a slot."""
        ...

    def close(self) -> None:
        """Take no more work. Never waits for a call that does not end."""
        ...


class InlineLane(Backend, Protocol):
    """A backend whose calls are made by the thread that waits."""

    def serve(self) -> None:
        """Make the calls on this thread until the backend is closed and has none left."""
        ...

    def attach(self, wake: Callable[[], object]) -> None:
        """Instead of waiting for calls, have ``wake`` called when there is one; :meth:`serve_now` makes them."""
        ...

    def serve_now(self) -> None:
        """Make the calls that there are, on this thread."""
        ...


Started = Callable[[Callable[[], None] | None], None]
"""Told how a call that goes on elsewhere can be ended, and None once that cannot be any more."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A call that is to be made in another process, for ``node``."""

    node: str
    fn: Callable[..., Any]
    positional: Sequence[Any] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    seed: str | None = None


@dataclass(frozen=True, slots=True)
class Brought:
    """What an errand came back with: the value, and the files that were read (path, content digest)."""

    value: Any
    files: tuple[tuple[str, Digest], ...]


class Remote(Protocol):
    """Makes calls in other processes. What they print is printed here, what they raise is raised here."""

    def __call__(self, errand: Errand, started: Started) -> Brought:
        """Returns when the call has. Raises NodeDied when its process ended before, or was ended by ``started``."""
        ...


class Publisher(Protocol):
    """Tells listeners of events, on a thread of its own: nothing that they do is waited for."""

    def __call__(self, log: Log, start: int, stop: int) -> None:
        """Events ``start`` to ``stop`` of ``log`` may be told of."""
        ...


class Clock(Protocol):
    """Time: ``monotonic`` for durations and deadlines, ``wall`` (since the epoch) for people."""

    def monotonic(self) -> float: ...

    def wall(self) -> float: ...


Listener = Callable[["Log", int, int], None]
"""Called with a log and the range of its events that have just become durable, in order, on the driver's thread."""
