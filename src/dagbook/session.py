"""The composition root: the only module that knows store, journal, backends, listeners and driver together."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dagbook.backends.inline import InlineBackend
from dagbook.backends.threads import ThreadsBackend
from dagbook.engine.driver import Driver
from dagbook.engine.events import Log
from dagbook.engine.interrupts import held
from dagbook.engine.kept import Kept, Standing
from dagbook.engine.kept_run import KeptRun
from dagbook.engine.options import RunOptions
from dagbook.engine.plan import Asked, Decider, Locate, Plan, Shelf, Step, make_plan, partial_plan
from dagbook.engine.ports import Backend, Journal, Store
from dagbook.engine.result import Lost, Result
from dagbook.engine.scheduler import Scheduler
from dagbook.engine.states import Place
from dagbook.engine.story import Story
from dagbook.engine.urgency import UNKNOWN_COST, demands, ranking
from dagbook.engine.why import why, why_step
from dagbook.engine.work import Environment
from dagbook.errors import NodeNotFoundError, UsageError
from dagbook.graph.dag import DAG
from dagbook.graph.tasks import Function, functions_of, with_others, with_tasks
from dagbook.graph.topology import Topology
from dagbook.launch import Observer, SystemClock, borrow, give_back, number_of_workers, remote
from dagbook.observe.bus import Bus
from dagbook.storage.memory import MemoryJournal, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

NOTHING_ASKED = Asked()

SHORT = 1e-3
"""Seconds: what takes no longer is run by the calling thread."""


_NOTHING_SHOWN: AbstractContextManager[Sequence[Mapping[str, Any]]] = nullcontext(())


def no_capture(name: str) -> AbstractContextManager[Sequence[Mapping[str, Any]]]:
    """Leaves what a node shows where it goes by itself, and keeps nothing."""
    return _NOTHING_SHOWN


class Session:
    """A DAG, what is known of its results, and the means to bring them up to date.

    With ``directory`` results and history are durable there, with a ``store`` and a ``journal`` of another kind in
    those, else they live in this process. ``workers`` is how many nodes run at once: by default one a core, two at
    least and eight at most; 1 runs everything on the calling thread. ``seed`` is mixed into what nodes draw at random.
    ``locate`` says where code is written (``cell 3``), ``is_ours`` what to call a file of the user's in a traceback
    ("": leave the frame out), ``capture`` collects what nodes show. Raises UsageError for what makes no sense,
    StoreError when the directory cannot be used.
    """

    def __init__(
        self,
        dag: DAG | None = None,
        directory: str | os.PathLike[str] | None = None,
        *,
        store: Store | None = None,
        journal: Journal | None = None,
        workers: int | None = None,
        seed: int = 0,
        locate: Locate | None = None,
        is_ours: Callable[[str], str] | None = None,
        capture: Any = no_capture,
    ) -> None:
        self.dag = dag if dag is not None else DAG()
        self.directory = _path(directory)
        self.workers = number_of_workers(workers)
        self.observers: list[Observer] = []
        self._last: KeptRun | None = None
        self._newest: dict[str, KeptRun] = {}  # by the name of a node or child
        self.shelf = Shelf()
        self._seed = seed
        self._locate = locate
        self._is_ours = is_ours or _plain_file
        self._capture = capture
        self._clock = SystemClock()
        if (store is None) != (journal is None):
            raise UsageError("a store and a journal are given together: the journal says what the store holds.")
        self._store, self.journal = (store, journal) if store and journal else _open(self.directory)
        self._durable = directory is not None or store is not None
        self._tasks: tuple[Topology, list[Function], Topology] | None = None  # a graph, functions, and both together
        self._standing: Standing | None = None  # of the last run, when every node has a result

    @property
    def runs(self) -> list[KeptRun]:
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
            self.refuse([lost.result])
            raise UsageError(f"the stored value of {name} is damaged. `%dag run {name}` makes it again.") from lost

    # -- running

    def start(
        self,
        *targets: str,
        force: Sequence[str] = (),
        fail_fast: bool = False,
        workers: int | None = None,
        observers: Sequence[Observer] = (),
        options: RunOptions | None = None,
        tasks: Mapping[str, Function] | None = None,
        asked: Asked = NOTHING_ASKED,
    ) -> KeptRun:
        """Begin to bring ``targets`` (everything, without any) up to date, and return at once.

        ``observers`` are told of this run only, after the session's own. ``options`` say all else about the run, and
        then ``fail_fast`` and ``workers`` too. ``tasks`` give the nodes their functions. ``asked`` says what is to be
        done with some nodes. Call ``wait()`` on what it returns: nodes that must run on the calling thread run there.
        """
        decider, plan = self._plan(targets, force, tasks, asked)
        return self._begin(decider, plan, options or RunOptions(workers, fail_fast), observers, targets)

    def update(
        self,
        changed: Sequence[str],
        *,
        tasks: Mapping[str, Function] | None = None,
        fail_fast: bool = False,
        observers: Sequence[Observer] = (),
        options: RunOptions | None = None,
    ) -> KeptRun:
        """Begin to run ``changed`` again, and what their new values reach, and return at once.

        With ``tasks`` it is looked for further changes, in what the functions reach and in files that were read;
        without them the caller knows that there are none. No event is told of a node that nobody had to look at. After
        a run in which not everything succeeded, or a change of the graph, it does as :meth:`start` with ``force``.
        """
        chosen = options or RunOptions(fail_fast=fail_fast)
        topology, known, before = self.dag.topology(), self._tasks, self._standing
        if before is None or not self._still(before.decider, topology):
            again = dict(zip(topology.names, known[1], strict=True)) if known and known[0] is topology else None
            return self.start(force=changed, observers=observers, options=chosen, tasks=tasks or again)
        index = topology.index
        for name in changed:
            if name not in index:
                raise NodeNotFoundError(name, index)
        doubtful: Sequence[int] = ()
        if tasks is not None:
            before, doubtful = self._doubtful(before, functions_of(topology, tasks))
        plan = partial_plan(before.decider, [index[name] for name in changed], doubtful)
        if chosen.workers is None and self._is_short(plan):
            chosen = replace(chosen, workers=1)
        self._standing = None
        return self._begin(before.decider, plan, chosen, observers, (), before)

    def _is_short(self, plan: Plan) -> bool:
        """Whether all of it took less than it takes to wake a thread, the last time."""
        records = (self.shelf.records.get(step.name) for step in plan.steps.values())
        return sum(record.seconds if record is not None else SHORT for record in records) < SHORT

    def _still(self, decider: Decider, topology: Topology) -> bool:
        """Whether a decider is about this graph, with these inputs."""
        now, then = self.dag.parameters, decider.parameters
        same = now.keys() == then.keys() and all(value is then[name] for name, value in now.items())
        return same and self._bound(topology, None) is decider.topology

    def _doubtful(self, before: Standing, functions: list[Function]) -> tuple[Standing, Sequence[int]]:
        """The same for these functions, and the nodes whose code or files may have changed."""
        decider, known = before.decider, self._tasks
        others: dict[int, Function] = {}
        if known is not None and functions != known[1]:
            pairs = enumerate(zip(functions, known[1], strict=True))
            others = {i: new for i, (new, old) in pairs if new is not old}
            bound = with_others(known[2], others)
            self._tasks = (known[0], functions, bound)
            decider = decider.rebound(bound, others)
        return before._replace(decider=decider), [*others, *decider.moved(), *before.restless]

    def run(
        self,
        *targets: str,
        force: Sequence[str] = (),
        fail_fast: bool = False,
        workers: int | None = None,
        observers: Sequence[Observer] = (),
        options: RunOptions | None = None,
        tasks: Mapping[str, Function] | None = None,
        asked: Asked = NOTHING_ASKED,
    ) -> KeptRun:
        """Bring ``targets`` up to date, as :meth:`start` does, and return when all has ended.

        Raises nothing for nodes that fail: ask ``raise_for_status()``. A stored value that turns out to be damaged
        is made again.
        """
        chosen = options or RunOptions(workers, fail_fast)
        while True:
            run = self.start(
                *targets, force=force, observers=observers, options=chosen, tasks=tasks, asked=asked
            ).wait()
            if not run.lost:
                return run
            names = ", ".join(dict.fromkeys(result.record.node for result in run.lost))
            warnings.warn(f"the stored value of {names} is damaged or gone; it is made again.", RuntimeWarning, 2)
            self.refuse(run.lost)
            asked = asked.without(names.split(", "))
            force = [name for name in force if name not in run.called]

    def refuse(self, lost: Sequence[Result]) -> None:
        """Never use these stored values again: they are damaged or gone."""
        for result in lost:
            if result.record.blob is not None:
                self.shelf.refused.add(result.record.blob.digest)
            self.shelf.results.pop(result.record.node, None)

    # -- inside

    def _begin(
        self,
        decider: Decider,
        plan: Plan,
        options: RunOptions,
        observers: Sequence[Observer],
        targets: tuple[str, ...],
        before: Standing | None = None,
    ) -> KeptRun:
        with held() as interrupts:
            bus = Bus()
            pool = borrow(options.workers if options.workers is not None else self.workers)
            run = self._make(plan, decider, options, pool, bus, targets, before)
            for observer in (*self.observers, *observers):
                bus.add(observer(run))
            self._remember(run)
            run.start(lambda: self._ended(run, pool))
        if interrupts:
            run.driver.interrupt()
        return run

    def _make(
        self,
        plan: Plan,
        decider: Decider,
        options: RunOptions,
        pool: Backend,
        bus: Bus,
        targets: tuple[str, ...],
        before: Standing | None,
    ) -> KeptRun:
        inline = InlineBackend()
        log = Log(plan.topology.names)
        nodes = plan.topology.nodes
        topology, parallel = plan.topology, pool.slots > 1
        left_out = decider.asked.leave_out  # what they ask for need not be there
        given = {i: nodes[i].options for i in plan.pending if topology.names[i] not in left_out}
        demand = demands(topology.names, given, options)
        number = self.journal.begin(self.dag.name, self._clock.wall())
        timed = options.timeout is not None or any(nodes[i].options.timeout is not None for i in plan.pending)
        work = Kept(
            plan,
            decider,
            log,
            number,
            store=self._store,
            journal=self.journal,
            capture=self._capture,
            is_ours=self._is_ours,
            wall=self._clock.wall,
            options=options,
            remote=remote,
            sequential=pool.slots == 1 and not timed,  # nobody can leave the calling thread behind
            before=before,
        )
        scheduler = Scheduler(
            plan.topology.preds,
            plan.topology.succs,
            plan.pending,
            log,
            fail_fast=options.fail_fast,
            rank=ranking(topology.succs, plan.pending, self._cost(plan, options)) if parallel else None,
            place=work.place,
            demand=None if demand is None else lambda i: demand(work.taker(i)),
            capacities=options.resources,
        )
        environment = Environment(self.journal, self._clock, inline, pool, bus, durable=self._durable)
        places = (Place.CALLER, Place.WORKER)
        work.driver = driver = Driver(scheduler, work, environment, options, number, places)
        untouched = 0 if before is None else len(topology) - len(plan.pending)
        return KeptRun(driver, inline, bus, work, targets, untouched)

    def _cost(self, plan: Plan, options: RunOptions) -> Callable[[int], float]:
        """What a node costs: as was said, or as long as it took the last time."""
        names, records, nodes = plan.topology.names, self.shelf.records, plan.topology.nodes

        def cost(i: int) -> float:
            said = options.costs.get(names[i], nodes[i].options.cost)
            if said is not None:
                return said
            record = records.get(names[i])
            return record.seconds if record is not None else UNKNOWN_COST

        return cost

    def _plan(
        self,
        targets: Sequence[str],
        force: Sequence[str],
        tasks: Mapping[str, Function] | None = None,
        asked: Asked = NOTHING_ASKED,
    ) -> tuple[Decider, Plan]:
        index = self.dag.topology().index
        for name in (*targets, *force):
            if name not in index:
                raise NodeNotFoundError(name, index)
        decider = self._decider(tasks, asked)
        wanted = [index[name] for name in targets] or range(len(decider.topology))
        members = decider.topology.upstream(wanted)
        if tasks is None:
            self.dag.require_parameters(decider.topology.names[i] for i in members)
            _require_functions(decider.topology, members)
        return decider, make_plan(decider, wanted, frozenset(index[name] for name in force))

    def _bound(self, topology: Topology, tasks: Mapping[str, Function] | None) -> Topology:
        """The graph with the functions that were given for it, now or the last time."""
        known = self._tasks
        if tasks is None:
            return known[2] if known is not None and known[0] is topology else topology
        functions = functions_of(topology, tasks)
        if known is None or known[0] is not topology or known[1] != functions:
            known = self._tasks = (topology, functions, with_tasks(topology, tasks))
        return known[2]

    def _decider(self, tasks: Mapping[str, Function] | None = None, asked: Asked = NOTHING_ASKED) -> Decider:
        return Decider(
            self._bound(self.dag.topology(), tasks),
            dict(self.dag.parameters),
            self.shelf,
            self._store,
            self.journal,
            self._locate,
            self._seed,
            asked,
        )

    def _remember(self, run: KeptRun) -> None:
        """Make this run's stories the newest of their names; free the frames of the errors before."""
        if self._last is not None:
            self._last.driver.errors = {}  # results that were made of it keep theirs
        self._last = run
        self._tell_of(run)

    def _tell_of(self, run: KeptRun) -> None:
        for name in list(run.stories):
            past = self._newest.get(name)
            if past is None or past.number < run.number:
                self._newest[name] = run

    def _ended(self, run: KeptRun, pool: ThreadsBackend) -> None:
        give_back(pool, run)
        self._standing = run.standing
        self._tell_of(run)  # children have come to it meanwhile


def _require_functions(topology: Topology, members: Sequence[int]) -> None:
    bare = [topology.names[i] for i in members if topology.nodes[i].bare]
    if bare:
        some = f"{', '.join(map(repr, bare[:5]))}{' …' if len(bare) > 5 else ''}"
        raise UsageError(f"there is no task for {some}. Give tasks={{name: function}}; nothing has run.")


def _path(directory: str | os.PathLike[str] | None) -> Path | None:
    if directory is None:
        return None
    from pathlib import Path  # not needed for a session in memory

    return Path(directory)


def _open(directory: Path | None) -> tuple[Store, Journal]:
    if directory is None:
        return MemoryStore(), MemoryJournal()
    from dagbook.storage.store import open_store

    return open_store(directory)


def _plain_file(filename: str) -> str:
    if filename.startswith("<") or "site-packages" in filename or f"{os.sep}dagbook{os.sep}" in filename:
        return ""
    return os.path.basename(filename)
