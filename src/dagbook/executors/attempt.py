"""One attempt at a recorded run: from what is asked for and what is recorded already, to the result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dagbook.engine.options import RunOptions
from dagbook.engine.plan import Asked
from dagbook.engine.ports import Store
from dagbook.engine.result import Lost, Result
from dagbook.engine.states import GOOD
from dagbook.executors.provenance import ENDINGS, Past
from dagbook.executors.summary import DagRunResult, ExecutionStatus, NodeExecution, count, performed, planned
from dagbook.fingerprint.code import reach
from dagbook.fingerprint.parts import Digest, Part, known
from dagbook.graph.node import Node
from dagbook.graph.selection import Selection
from dagbook.graph.topology import Topology
from dagbook.session import Session

if TYPE_CHECKING:
    from dagbook.engine.kept_run import KeptRun

TEXT = frozenset({"code", "helper", "class"})
"""What of a key is text of the program. Data may differ when a run goes on: that may be what it waited for."""


@dataclass(slots=True)
class Attempt:
    """``past`` is the recorded run that it takes up; ``rerun`` are the nodes of a replay that run again, else None.

    ``labels`` are the nodes of the user's own DAG, ``sinks`` the nodes whose values are the run's outputs.
    ``confirmed`` nodes with effects may be called again whatever was before; None: those that are forced.
    """

    session: Session
    store: Store
    labels: Collection[str]
    sinks: Sequence[str]
    selection: Selection
    options: RunOptions
    run_id: str
    observers: Sequence[Callable[[KeptRun], Any]]
    past: Past | None = None
    rerun: frozenset[str] | None = None
    confirmed: frozenset[str] | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    before: list[NodeExecution] = field(default_factory=list)
    run: KeptRun | None = None
    called: dict[str, Result] = field(default_factory=dict)
    """What came of nodes with effects: they are not forced twice."""

    def runs(self) -> Iterator[KeptRun]:
        """The run to be waited for, and further ones as long as stored values turn out to be damaged or gone."""
        lost: Sequence[Result] = ()
        while self.run is None or lost:
            chosen = self.selection
            run = self.run = self.session.start(
                *chosen.targets,
                force=tuple(chosen.forced.difference(self.called)),
                options=self.options,
                observers=self.observers,
                asked=self._asked(),  # what is given is not forced
            )
            self.before = planned(run.plan, self.selection)
            yield run
            lost = run.lost or self._take_outputs(run)
            self.session.refuse(lost)
            self.called |= {name: run.results[run.index(name)] for name in run.called if run.index(name) in run.results}

    def _take_outputs(self, run: KeptRun) -> Sequence[Result]:
        """Read the values of the sinks; those that turn out to be damaged or gone are returned."""
        try:
            self.outputs = {name: run.value(i) for name in self.sinks if run.state(i := run.index(name)) in GOOD}
        except Lost as lost:
            return [lost.result]
        return ()

    def result(self) -> DagRunResult:
        """What it came to."""
        run = self.run
        assert run is not None
        results = performed(run, self.before)
        found = DagRunResult(run_id=self.run_id, status=ENDINGS.get(run.status, run.status), outputs=self.outputs)
        found.total_duration = run.seconds
        failed = [*run.errors, *(r.node_id for r in results if r.status is ExecutionStatus.FAILED)]
        if failed and found.status == "failed":
            found.failed_node, found.error = self._told_of(run, failed[0])
        return count(results, self.before, found)

    def _told_of(self, run: KeptRun, failed: str) -> tuple[str, str]:
        """The node of the user's DAG that failed, and why; of what is inside it, the name too."""
        error, label = run.errors.get(failed), self._label(failed)
        said = run.reason(run.index(failed)) if error is None else str(error) or type(error).__name__
        return label, said if label == failed else f"{failed}: {said}"

    def _label(self, name: str) -> str:
        """The node that a child or a node of a sub-DAG belongs to."""
        ends = [n for n, character in enumerate(name) if character in "[/"]
        return next((name[:n] for n in (*ends, len(name)) if name[:n] in self.labels), name)

    # -- what stands of a recorded run

    def _asked(self) -> Asked:
        left_out, confirmed = self.selection.left_out, self.confirmed
        if self.past is None:
            return Asked(recorded=self.called, leave_out=left_out, confirmed=confirmed)
        return Asked(self._given(self.past), {**self.past.results, **self.called}, left_out, confirmed)

    def _given(self, past: Past) -> dict[str, Result]:
        """The recorded results that stand: above everything that runs again, or has no value any more."""
        topology = self.session.dag.topology()
        again = [i for i, name in enumerate(topology.names) if self._runs_again(topology.nodes[i], past.results)]
        below = set(topology.downstream(again))
        return {name: past.results[name] for i, name in enumerate(topology.names) if i not in below}

    def _runs_again(self, node: Node, results: Mapping[str, Result]) -> bool:
        result = results.get(node.name)
        if result is None or not self._there(result):
            return True
        return _edited(node, results) if self.rerun is None else node.name in self.rerun

    def _there(self, result: Result) -> bool:
        if result.record.children is not None:
            return all(map(self._there, result.children))
        blob = result.record.blob
        stored = blob is not None and blob.digest not in self.session.shelf.refused and self.store.has(blob)
        return result.loaded or stored


def _edited(node: Node, results: Mapping[str, Result]) -> bool:
    """Whether the program text of a node, or of what it maps, is another than when its results were made."""
    children = [name for name in results if name.startswith(f"{node.name}[")] if node.options.each else []
    then = {digest for name in (node.name, *children) for digest in _texts(results[name].record.parts)}
    now = {digest for function in _functions(node) for digest in _texts(reach(function).parts)}
    return not then <= now


def _texts(parts: Sequence[Part]) -> Iterator[Digest]:
    return (part.digest for part in parts if part.kind in TEXT and known(part.digest))


def _functions(node: Node) -> Iterator[Any]:
    yield node.fn
    body: Topology | None = node.body
    for inner in body.nodes if body is not None else ():
        yield from _functions(inner)
