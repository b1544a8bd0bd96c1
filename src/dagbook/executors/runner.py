"""DAGRunner: composed DAGs and manifests, in runs that are recorded, and can be paused, restarted and replayed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagbook.engine.events import Kind, Log
from dagbook.engine.options import RunOptions
from dagbook.engine.ports import Journal
from dagbook.errors import RecordedRunError, UsageError
from dagbook.executors.attempt import Attempt
from dagbook.executors.callbacks import observers_of
from dagbook.executors.composition import Inputs, Setting, flatten, name_run
from dagbook.executors.provenance import DagProvenance, NullProvenance, Order, Past, Provenance, Recorder
from dagbook.executors.summary import DagRunResult, NodeExecution, Progress, count, plan_lines, planned
from dagbook.graph.dag import DAG
from dagbook.graph.manifest import Manifest, ManifestDiff
from dagbook.graph.selection import Selection, find, select
from dagbook.graph.topology import Topology
from dagbook.session import Session

if TYPE_CHECKING:
    from dagbook.engine.kept_run import KeptRun

STATE = Path("target/state")
"""Where the runs of a manifest are kept, unless something else is said."""

HOOKS = ("on_node_start", "on_node_complete")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a run is told to select, and how to take failures."""

    full: bool = False
    types: Iterable[str] | None = None
    names: Iterable[str] | None = None
    tags: Iterable[str] | None = None
    continue_on_error: bool = False
    retry: int = 0

    def select(self, topology: Topology) -> Selection:
        """What is selected of a graph."""
        return select(topology, full=self.full, types=self.types, names=self.names, exclude_tags=self.tags)

    def options(self, workers: int | None, loop: asyncio.AbstractEventLoop | None) -> RunOptions:
        """The same for the engine. Raises UsageError for a number that makes no sense."""
        return RunOptions(workers=workers, fail_fast=not self.continue_on_error, retries=self.retry, loop=loop)

    def plain(self) -> dict[str, Any]:
        """As plain data, to be recorded."""
        return {name: list(v) if isinstance(v, Iterable) else v for name, v in asdict(self).items()}


class DAGRunner:
    """Runs a DAG, or a manifest; each run is recorded, and can be taken up again.

    Inputs are wired by name or by type; independent nodes run in parallel; a node whose inputs, code and files have not
    changed keeps its value. ``provenance`` is where runs are kept: by default in memory, and those of a manifest in
    ``state_dir`` (``target/state``). ``executors`` give all nodes of a type their function, which takes the node as its
    manifest describes it. With ``old_manifest``, nodes that have never run, and are as they were in it, are run only
    when others need them. ``callbacks`` and ``hooks`` hear of nodes as they start and end; ``progress`` prints a line
    for each.
    """

    def __init__(
        self,
        dag: DAG | Manifest,
        provenance: Provenance | None = None,
        *,
        old_manifest: Manifest | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        executors: Mapping[str, Callable[..., Any]] | None = None,
        max_workers: int | None = None,
        callbacks: object | None = None,
        hooks: Iterable[object] | None = None,
        progress: bool = False,
    ) -> None:
        if not isinstance(dag, DAG | Manifest):
            raise UsageError(f"a runner takes a DAG or a Manifest, not a {type(dag).__name__}.")
        if isinstance(provenance, Manifest):
            raise UsageError("the second argument is the provenance; write old_manifest=… for an earlier manifest.")
        if provenance is not None and state_dir is not None:
            raise UsageError("give either provenance=… or state_dir=…: both say where runs are kept.")
        self.manifest = dag if isinstance(dag, Manifest) else None
        self.dag = dag.to_dag() if isinstance(dag, Manifest) else dag
        self.old_manifest = old_manifest
        self.executors = _checked(executors)
        self.max_workers = RunOptions(workers=max_workers).workers
        self.progress = progress
        if state_dir is None and provenance is None and self.manifest is not None:
            state_dir = STATE
        self.provenance = provenance or (NullProvenance() if state_dir is None else DagProvenance(state_dir))
        own = [self] if any(getattr(type(self), name) is not getattr(DAGRunner, name) for name in HOOKS) else []
        self._observers = observers_of(callbacks, [*(hooks or ()), *own])
        self._runs: set[KeptRun] = set()

    # -- to be overridden

    def on_node_start(self, node_id: str) -> None:
        """Called when a node starts."""

    def on_node_complete(self, node_id: str, result: Any) -> None:
        """Called with a node's value when it has run."""

    # -- runs

    def run(
        self,
        source_inputs: Inputs | None = None,
        dag_nsref: str | None = None,
        *,
        full: bool = False,
        dry_run: bool = False,
        node_types: Iterable[str] | None = None,
        nodes: Iterable[str] | None = None,
        exclude_tags: Iterable[str] | None = None,
        continue_on_error: bool = False,
        retry: int = 0,
    ) -> DagRunResult:
        """Run what has changed, and return when all has ended. Nodes that fail raise nothing.

        ``source_inputs`` are values for parameters that no node provides. ``full`` runs everything, ``nodes`` these and
        all below them; ``node_types`` and ``exclude_tags`` leave nodes out; ``dry_run`` only says what would run. At
        the first failure nothing new is started, unless ``continue_on_error``; ``retry`` is how often a node that fails
        is tried again. Raises before anything runs: GraphError for parameters that cannot be wired, NodeNotFoundError
        for unknown names, UsageError for what makes no sense.
        """
        wish = Wish(full, node_types, nodes, exclude_tags, continue_on_error, retry)
        if dry_run:
            return self._dry(wish, source_inputs, dag_nsref)
        return self._wait(self._begun(wish, source_inputs, dag_nsref))

    async def run_async(
        self,
        source_inputs: Inputs | None = None,
        dag_nsref: str | None = None,
        *,
        full: bool = False,
        dry_run: bool = False,
        node_types: Iterable[str] | None = None,
        nodes: Iterable[str] | None = None,
        exclude_tags: Iterable[str] | None = None,
        continue_on_error: bool = False,
        retry: int = 0,
    ) -> DagRunResult:
        """As :meth:`run`, in an event loop, which goes on meanwhile; coroutine functions run in it."""
        wish = Wish(full, node_types, nodes, exclude_tags, continue_on_error, retry)
        if dry_run:
            return self._dry(wish, source_inputs, dag_nsref)
        return await self._finished(self._begun(wish, source_inputs, dag_nsref, asyncio.get_running_loop()))

    def pause(self) -> None:
        """Start no more nodes: runs end as ``paused`` when what is running has ended, and can be restarted."""
        for run in list(self._runs):
            run.stop()

    def restart(self, run_id: str, confirm: Iterable[str] = ()) -> DagRunResult:
        """Go on with a run that was paused, failed, was cancelled, or whose process died. It keeps its ``run_id``.

        Nodes that had succeeded keep the values that they had in it, but for those whose code was edited since. A node
        with effects that was cut off fails, unless ``confirm`` names it: then it is called again. Raises
        RecordedRunError for any other run, NodeNotFoundError for an unknown name.
        """
        return self._wait(self._restarted(run_id, confirm, None))

    async def restart_async(self, run_id: str, confirm: Iterable[str] = ()) -> DagRunResult:
        """As :meth:`restart`, in an event loop."""
        return await self._finished(self._restarted(run_id, confirm, asyncio.get_running_loop()))

    def replay(self, run_id: str, rerun_nodes: Iterable[str]) -> DagRunResult:
        """Make a new run of a recorded one: ``rerun_nodes`` run again, and what depends on values that come out new.

        All other nodes have the values of the recorded run. Raises RecordedRunError, or NodeNotFoundError.
        """
        return self._wait(self._replayed(run_id, rerun_nodes, None))

    async def replay_async(self, run_id: str, rerun_nodes: Iterable[str]) -> DagRunResult:
        """As :meth:`replay`, in an event loop."""
        return await self._finished(self._replayed(run_id, rerun_nodes, asyncio.get_running_loop()))

    def print_plan(
        self,
        full: bool = False,
        node_types: Iterable[str] | None = None,
        nodes: Iterable[str] | None = None,
        exclude_tags: Iterable[str] | None = None,
        source_inputs: Inputs | None = None,
    ) -> None:
        """Print what :meth:`run` would do. Runs nothing."""
        before, topology = self._planned(Wish(full, node_types, nodes, exclude_tags), source_inputs, None)
        print("\n".join(plan_lines(before, topology)))

    # -- from what is asked for to a run

    def _begun(
        self, wish: Wish, inputs: Inputs | None, nsref: str | None, loop: asyncio.AbstractEventLoop | None = None
    ) -> Attempt:
        options = wish.options(self.max_workers, loop)
        order = self._order(wish, inputs, nsref)
        flat = self._flat(order)
        return self._attempt(flat, self._narrowed(flat, wish), options, self.provenance.begin(order))

    def _planned(self, wish: Wish, inputs: Inputs | None, nsref: str | None) -> tuple[list[NodeExecution], Topology]:
        flat = self._flat(self._order(wish, inputs, nsref), to_plan=True)
        selection = self._narrowed(flat, wish)
        plan = self._session(flat).plan(*selection.targets, force=tuple(selection.forced))
        return planned(plan, selection), flat.topology()

    def _dry(self, wish: Wish, inputs: Inputs | None, nsref: str | None) -> DagRunResult:
        wish.options(self.max_workers, None)
        before, topology = self._planned(wish, inputs, nsref)
        print("\n".join(plan_lines(before, topology)))
        return count(before, before, DagRunResult(status="planned"))

    def _restarted(self, run_id: str, confirm: Iterable[str], loop: asyncio.AbstractEventLoop | None) -> Attempt:
        past, flat, wish = self._past(run_id)
        topology = flat.topology()
        confirmed = _meant(topology, "confirm", confirm)
        selection, options = wish.select(topology), wish.options(self.max_workers, loop)
        recorder = self.provenance.restart(run_id)
        return self._attempt(flat, selection, options, recorder, past, confirmed=confirmed)

    def _replayed(self, run_id: str, names: Iterable[str], loop: asyncio.AbstractEventLoop | None) -> Attempt:
        past, flat, wish = self._past(run_id)
        topology = flat.topology()
        rerun = _meant(topology, "rerun_nodes", names)
        selection = wish.select(topology).rerun(topology, rerun)
        options = wish.options(self.max_workers, loop)
        return self._attempt(flat, selection, options, self.provenance.begin(past.order), past, rerun)

    def _past(self, run_id: str) -> tuple[Past, DAG, Wish]:
        past = self.provenance.past(run_id)
        if past.order.inputs is None:
            raise RecordedRunError(f"the source_inputs of run {run_id} could not be stored; begin a new run with them.")
        return past, self._flat(past.order), Wish(**past.order.wish)

    def _order(self, wish: Wish, inputs: Inputs | None, nsref: str | None) -> Order:
        topology = self.dag.topology()
        edges = [(topology.names[p], name) for i, name in enumerate(topology.names) for p in topology.preds[i]]
        return Order(nsref or self.dag.name, inputs or {}, edges, wish.plain())

    def _flat(self, order: Order, to_plan: bool = False) -> DAG:
        described = (self.manifest or Manifest.from_dag(self.dag)).nodes if self.executors else {}
        setting = Setting(order.nsref, order.inputs or {}, self.executors, described, to_plan)
        return flatten(self.dag, setting)

    def _session(self, flat: DAG, journal: Journal | None = None) -> Session:
        home = self.provenance
        session = Session(flat, store=home.store, journal=journal or home.journal, workers=self.max_workers)
        session.shelf = home.shelf
        return session

    def _attempt(
        self,
        flat: DAG,
        selection: Selection,
        options: RunOptions,
        recorder: Recorder,
        past: Past | None = None,
        rerun: frozenset[str] | None = None,
        confirmed: frozenset[str] | None = None,
    ) -> Attempt:
        name_run(flat, recorder.run_id)
        observers = [recorder.observe, self._follow, *self._observers]
        if self.progress:
            observers += observers_of(Progress(flat.topology(), len(selection.targets)))
        ends = self.dag.topology()
        sinks = [name for i, name in enumerate(ends.names) if not ends.succs[i]]
        session, store = self._session(flat, recorder), self.provenance.store
        run_id = recorder.run_id
        return Attempt(
            session, store, self.dag, sinks, selection, options, run_id, observers, past, rerun, confirmed
        )

    def _follow(self, run: KeptRun) -> Callable[[Log, int, int], None]:
        self._runs.add(run)

        def forget(log: Log, start: int, stop: int) -> None:
            if log.kind[stop - 1] == Kind.RUN_FINISHED:
                self._runs.discard(run)

        return forget

    def _narrowed(self, flat: DAG, wish: Wish) -> Selection:
        """What is selected; an earlier manifest leaves out what is as it was then, and has never run since."""
        selection = wish.select(flat.topology())
        if self.old_manifest is None or self.manifest is None or wish.full or wish.names is not None:
            return selection
        changed = ManifestDiff.of(self.old_manifest, self.manifest).changed
        may_run = {*changed, *self.dag.descendants(*changed)}
        verdicts = {step.name: step.verdict for step in self._session(flat).plan().steps.values()}
        return selection.only({name for name, verdict in verdicts.items() if name in may_run or verdict != "never"})

    # -- from a run to its result

    def _wait(self, attempt: Attempt) -> DagRunResult:
        for run in attempt.runs():
            run.wait()
        return attempt.result()

    async def _finished(self, attempt: Attempt) -> DagRunResult:
        for run in attempt.runs():
            await run.finished()
        return attempt.result()


def _meant(topology: Topology, what: str, names: Iterable[str]) -> frozenset[str]:
    """The nodes of these names, and those inside them."""
    if isinstance(names, str):
        raise UsageError(f"{what} is a list of names, like [{names!r}].")
    chosen = {topology.names[find(topology, name)] for name in names}
    inside = tuple(f"{name}/" for name in chosen)
    return frozenset(chosen | {name for name in topology.names if name.startswith(inside)})


def _checked(executors: Mapping[str, Callable[..., Any]] | None) -> dict[str, Callable[..., Any]]:
    if not isinstance(executors, Mapping | None):
        raise UsageError('executors= takes a dict from a type of node to a function, like {"source": load}.')
    for kind, executor in (executors or {}).items():
        if not callable(executor):
            raise UsageError(f"the executor of type {kind!r} is something that can be called, not {executor!r}.")
    return dict(executors or {})
