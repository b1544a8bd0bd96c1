"""DAGRunner: composed DAGs and manifests, in runs that are recorded, and can be paused, restarted and replayed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagbook.engine.options import RunOptions
from dagbook.engine.plan import Asked, Shelf
from dagbook.engine.result import Lost, Result
from dagbook.engine.scheduler import GOOD
from dagbook.errors import RecordedRunError, UsageError
from dagbook.executors.callbacks import observers_of
from dagbook.executors.composition import Inputs, Setting, flatten, name_run
from dagbook.executors.provenance import DagProvenance, NullProvenance, Order, Past, Provenance, Recorder
from dagbook.executors.summary import DagRunResult, NodeExecution, Progress, count, performed, plan_lines, planned
from dagbook.executors.taken import taken
from dagbook.graph.dag import DAG
from dagbook.graph.manifest import Manifest
from dagbook.graph.selection import Selection, find, select
from dagbook.graph.topology import Topology
from dagbook.session import Session

if TYPE_CHECKING:
    from dagbook.engine.run import KeptRun

STATE = Path("target/state")
"""Where the runs of a manifest are kept, unless something else is said."""

_STATUS = {"done": "completed", "timed out": "failed"}


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


@dataclass(slots=True)
class _Going:
    """A run from its start to its result. ``rerun`` are the nodes of a replay that run again; else None."""

    session: Session
    selection: Selection
    options: RunOptions
    recorder: Recorder
    past: Past | None = None
    rerun: frozenset[str] | None = None
    run: KeptRun | None = None
    outputs: dict[str, Any] = field(default_factory=dict)

    def asked(self) -> Asked:
        """What stands of the recorded run that is taken up, and what is left out."""
        left_out = self.selection.left_out
        if self.past is None:
            return Asked(leave_out=left_out)
        given = taken(self.session, self.past.results, self.rerun)
        return Asked(given, self.past.results, left_out)

    def forced(self, asked: Asked) -> list[str]:
        """What is to run even when it is current."""
        forced = self.selection.forced if self.rerun is None else self.rerun
        return [name for name in forced if name not in asked.given]


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
        own = [self] if any(name in vars(c) for name in HOOKS for c in _classes_below(type(self))) else []
        self._observers = observers_of(callbacks, [*(hooks or ()), *own])
        self._shelf = Shelf()
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
        """Run what has changed, and return when all has ended. Raises only for what is refused before anything runs.

        ``source_inputs`` are values for parameters that no node provides. ``full`` runs everything, ``nodes`` these and
        all below them; ``node_types`` and ``exclude_tags`` leave nodes out; ``dry_run`` only says what would run. At
        the first failure nothing new is started, unless ``continue_on_error``; ``retry`` is how often a node that fails
        is tried again.
        """
        wish = Wish(full, node_types, nodes, exclude_tags, continue_on_error, retry)
        return self._wait(self._begin(wish, source_inputs, dag_nsref, dry_run))

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
        loop = asyncio.get_running_loop()
        return await self._finished(self._begin(wish, source_inputs, dag_nsref, dry_run, loop))

    def pause(self) -> None:
        """Start no more nodes: runs end as ``paused`` when what is running has ended, and can be restarted."""
        for run in list(self._runs):
            run.stop()

    def restart(self, run_id: str) -> DagRunResult:
        """Go on with a run that was paused, failed, was cancelled, or whose process died. It keeps its ``run_id``.

        Nodes that had succeeded keep the values that they had in it, but for those whose code was edited since. Raises
        RecordedRunError for any other run.
        """
        return self._wait(self._restarted(run_id, None))

    async def restart_async(self, run_id: str) -> DagRunResult:
        """As :meth:`restart`, in an event loop."""
        return await self._finished(self._restarted(run_id, asyncio.get_running_loop()))

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

    def _begin(
        self,
        wish: Wish,
        inputs: Inputs | None,
        nsref: str | None,
        dry_run: bool,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> _Going | DagRunResult:
        options = wish.options(self.max_workers, loop)
        if dry_run:
            before, _ = self._planned(wish, inputs, nsref)
            return count(before, before, DagRunResult(status="planned"))
        order = self._order(wish, inputs, nsref)
        flat = self._flat(order)
        selection = self._narrowed(flat, wish)
        if not selection.targets:
            before = planned(self._session(flat).plan(), selection)
            return count(before, before, DagRunResult())
        return self._going(flat, selection, options, self.provenance.begin(order))

    def _planned(
        self, wish: Wish, inputs: Inputs | None, nsref: str | None
    ) -> tuple[list[NodeExecution], Topology]:
        flat = self._flat(self._order(wish, inputs, nsref), to_plan=True)
        selection = self._narrowed(flat, wish)
        session = self._session(flat)
        asked = Asked(leave_out=selection.left_out)
        plan = session.plan(*selection.targets, force=list(selection.forced), asked=asked)
        return planned(plan, selection), flat.topology()

    def _restarted(self, run_id: str, loop: asyncio.AbstractEventLoop | None) -> _Going:
        past, flat, wish = self._past(run_id)
        going = self._going(flat, wish.select(flat.topology()), wish.options(self.max_workers, loop), None)
        going.past = past
        self._recorded_by(going, self.provenance.restart(str(run_id)))
        return going

    def _replayed(self, run_id: str, names: Iterable[str], loop: asyncio.AbstractEventLoop | None) -> _Going:
        if isinstance(names, str):
            raise UsageError(f"rerun_nodes is a list of names, like [{names!r}].")
        past, flat, wish = self._past(run_id)
        topology = flat.topology()
        chosen = {topology.names[find(topology, name)] for name in names}
        inside = tuple(f"{name}/" for name in chosen)
        rerun = chosen | {name for name in topology.names if name.startswith(inside)}
        options = wish.options(self.max_workers, loop)
        going = self._going(flat, wish.select(topology), options, self.provenance.begin(past.order))
        going.past, going.rerun = past, frozenset(rerun)
        return going
