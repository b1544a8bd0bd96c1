"""The composition root: the only module that knows store, journal, backends, listeners and driver together."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagbook.backends.inline import InlineBackend
from dagbook.backends.threads import ThreadsBackend
from dagbook.engine.driver import Driver, Environment
from dagbook.engine.interrupts import held
from dagbook.engine.plan import Decider, Locate, Plan, Shelf, Step, make_plan
from dagbook.engine.ports import Journal, Listener, Store
from dagbook.engine.result import Lost, Result
from dagbook.engine.run import Run
from dagbook.engine.story import Story
from dagbook.engine.why import why, why_step
from dagbook.errors import NodeNotFoundError, UsageError
from dagbook.graph.dag import DAG
from dagbook.observe.bus import Bus

Observer = Callable[[Run], Listener]
"""Told of each run before its first event; what it returns hears of the events."""

MAX_WORKERS = 8


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


@contextmanager
def no_capture(name: str) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Leaves what a node shows where it goes by itself, and keeps nothing."""
    yield []


class Session:
    """A DAG, what is known of its results, and the means to bring them up to date.

    With ``directory`` results and history are durable there, else they live in this process. ``workers`` is how many
    nodes run at once: by default one a core, at most eight; 1 runs everything on the calling thread. ``locate`` says
    where code is written (``cell 3``), ``is_ours`` what to call a file of the user's in a traceback ("": leave the
    frame out), ``capture`` collects what nodes show.
    """

    def __init__(
        self,
        dag: DAG | None = None,
        directory: str | os.PathLike[str] | None = None,
        *,
        workers: int | None = None,
        seed: int = 0,
        locate: Locate | None = None,
        is_ours: Callable[[str], str] | None = None,
        capture: Any = no_capture,
    ) -> None:
        self.dag = dag if dag is not None else DAG()
        self.directory = Path(directory) if directory is not None else None
        self.workers = number_of_workers(workers)
        self.observers: list[Observer] = []
        self._last: Run | None = None
        self._newest: dict[str, Run] = {}  # by the name of a node or child
        self.shelf = Shelf()
        self._seed = seed
        self._locate = locate
        self._is_ours = is_ours or _plain_file
        self._capture = capture
        self._clock = SystemClock()
        self._store, self.journal = _open(self.directory)
        self._pool: ThreadsBackend | None = None

    @property
    def runs(self) -> list[Run]:
        """The last run, and before it those that have the newest story of some node, oldest first."""
        kept = set(self._newest.values()) | ({self._last} if self._last is not None else set())
        return sorted(kept, key=lambda run: run.number)

    # -- looking

    def plan(self, *targets: str, force: Sequence[str] = ()) -> Plan:
        """What :meth:`run` would do. Runs nothing.

        Raises NodeNotFoundError for an unknown name, MissingInputError for a parameter that nothing provides.
        """
        return self._plan(targets, force)[1]

    def status(self) -> dict[str, Step]:
        """How each node stands now, in the order of the graph; also nodes that lack an input."""
        decider = self._decider()
        plan = make_plan(decider, range(len(decider.topology)))
        return {step.name: step for step in plan.steps.values()}

    def why(self, name: str) -> str:
        """One sentence on why a node ran, or did not, in the last run that it had a part in."""
        story = self.story(name)
        if story is not None:
            return why(name, {n: s for run in self.runs for n, s in run.stories.items() if s.run == story.run})
        if name not in self.dag:
            raise NodeNotFoundError(name, self.dag)
        return why_step(self.status()[name])

    def story(self, name: str) -> Story | None:
        """The newest story of a node or child."""
        run = self._last if self._last is not None and name in self._last.stories else self._newest.get(name)
        return run.stories[name] if run is not None else None

    def result(self, name: str) -> Result:
        """The newest result of a node. Raises NodeNotFoundError, or UsageError when it has none yet."""
        held = self.shelf.results.get(name)
        if held is not None:
            return held
        if name not in self.dag:
            raise NodeNotFoundError(name, self.dag)
        step = self.status()[name]
        if step.result is None:
            raise UsageError(f"{name} has no value yet. `%dag run {name}` makes it.")
        self.shelf.put(name, step.result)
        return step.result

    def value(self, name: str) -> object:
        """The value of a node, loaded when first asked for. Raises as :meth:`result`."""
        try:
            return self.result(name).expose()
        except Lost as lost:
            self._refuse([lost.result])
            raise UsageError(f"the stored value of {name} is damaged. `%dag run {name}` makes it again.") from lost

    # -- running

    def start(
        self,
        *targets: str,
        force: Sequence[str] = (),
        fail_fast: bool = False,
        workers: int | None = None,
        observers: Sequence[Observer] = (),
    ) -> Run:
        """Begin to bring ``targets`` (everything, without any) up to date, and return at once.

        ``observers`` are told of this run only, after the session's own.
        Call ``wait()`` on what it returns: nodes that must run on the calling thread run there.
        """
        decider, plan = self._plan(targets, force)
        inline = InlineBackend()
        pool = self._workers_for(workers)
        bus = Bus()
        environment = Environment(
            store=self._store,
            journal=self.journal,
            clock=self._clock,
            inline=inline,
            workers=pool,
            capture=self._capture,
            publish=bus,
            is_ours=self._is_ours,
            sequential=pool.slots == 1,
            fail_fast=fail_fast,
        )
        with held() as interrupts:
            run = Run(Driver(plan, decider, environment, self.dag.name), inline, targets)
            for observer in (*self.observers, *observers):
                bus.add(observer(run))
            self._remember(run)
            run.start(self._ended)
        if interrupts:
            run.driver.interrupt()
        return run

    def run(
        self,
        *targets: str,
        force: Sequence[str] = (),
        fail_fast: bool = False,
        workers: int | None = None,
        observers: Sequence[Observer] = (),
    ) -> Run:
        """Bring ``targets`` up to date, and return when all has ended.

        Raises nothing for nodes that fail: ask ``raise_for_status()``. A stored value that turns out to be damaged
        is made again.
        """
        while True:
            run = self.start(
                *targets, force=force, fail_fast=fail_fast, workers=workers, observers=observers
            ).wait()
            if not run.driver.lost:
                return run
            names = ", ".join(dict.fromkeys(result.record.node for result in run.driver.lost))
            warnings.warn(f"the stored value of {names} is damaged or gone; it is made again.", RuntimeWarning, 2)
            self._refuse(run.driver.lost)

    def close(self) -> None:
        """Let the worker threads go."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    # -- inside

    def _plan(self, targets: Sequence[str], force: Sequence[str]) -> tuple[Decider, Plan]:
        decider = self._decider()
        index = decider.topology.index
        for name in (*targets, *force):
            if name not in index:
                raise NodeNotFoundError(name, index)
        wanted = [index[name] for name in targets] or range(len(decider.topology))
        members = decider.topology.upstream(wanted)
        self.dag.require_parameters(decider.topology.names[i] for i in members)
        return decider, make_plan(decider, wanted, frozenset(index[name] for name in force))

    def _decider(self) -> Decider:
        return Decider(
            self.dag.topology(),
            dict(self.dag.parameters),
            self.shelf,
            self._store,
            self.journal,
            self._locate,
            self._seed,
        )

    def _workers_for(self, workers: int | None) -> ThreadsBackend:
        wanted = number_of_workers(workers) if workers is not None else self.workers
        if self._pool is None or self._pool.slots != wanted:
            self.close()
            self._pool = ThreadsBackend(wanted)
        return self._pool

    def _remember(self, run: Run) -> None:
        """Make this run's stories the newest of their names; free the frames of the errors before."""
        if self._last is not None:
            self._last.driver.errors.clear()
        self._last = run
        self._tell_of(run)

    def _tell_of(self, run: Run) -> None:
        for name in list(run.stories):
            past = self._newest.get(name)
            if past is None or past.number < run.number:
                self._newest[name] = run

    def _ended(self, run: Run) -> None:
        self._tell_of(run)  # children have come to it meanwhile
        if run.driver.left_behind and self._pool is not None:
            self._pool.abandon()
            self._pool = None

    def _refuse(self, lost: Sequence[Result]) -> None:
        for result in lost:
            if result.record.blob is not None:
                self.shelf.refused.add(result.record.blob.digest)
            self.shelf.results.pop(result.record.node, None)


def number_of_workers(workers: int | None) -> int:
    """``workers``, or a number that fits this machine. Raises UsageError for what is no number from 1 up."""
    if workers is None:
        return max(2, min(MAX_WORKERS, os.cpu_count() or 2))
    if not isinstance(workers, int) or workers < 1:
        raise UsageError(f"the number of workers is a whole number from 1 up, not {workers!r}.")
    return workers


def _open(directory: Path | None) -> tuple[Store, Journal]:
    if directory is None:
        from dagbook.storage.memory import MemoryJournal, MemoryStore

        return MemoryStore(), MemoryJournal()
    from dagbook.storage.store import open_store

    return open_store(directory)


def _plain_file(filename: str) -> str:
    if filename.startswith("<") or "site-packages" in filename or f"{os.sep}dagbook{os.sep}" in filename:
        return ""
    return os.path.basename(filename)
