"""The handle of a run that keeps its results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from dagbook.engine.driver import Driver
from dagbook.engine.events import Kind
from dagbook.engine.kept import Kept, Standing
from dagbook.engine.ports import InlineLane
from dagbook.engine.result import Result
from dagbook.engine.run import Drained, Run
from dagbook.engine.states import GOOD, State
from dagbook.engine.story import Story
from dagbook.errors import NodeFailed, RunCancelled
from dagbook.graph.node import Node

if TYPE_CHECKING:
    from dagbook.engine.plan import Plan

SUCCEEDED = frozenset({Kind.NODE_RAN, Kind.NODE_REUSED, Kind.NODE_CUT_OFF})


class KeptRun(Run):
    """A run that keeps its results: it can say of each node why it ran, or did not."""

    def __init__(
        self,
        driver: Driver,
        inline: InlineLane,
        bus: Drained,
        work: Kept,
        targets: tuple[str, ...],
        untouched: int = 0,
    ) -> None:
        super().__init__(driver, inline, work.plan.topology, bus)
        self._untouched = untouched
        self.targets = targets
        self._work = work

    def wait(self) -> KeptRun:
        """Wait for the end; see :meth:`Run.wait`. A defect of ours is raised."""
        super().wait()
        if self.crash is not None:
            raise self.crash
        return self

    @property
    def plan(self) -> Plan:
        """What the run set out to do."""
        return self._work.plan

    @property
    def stories(self) -> Mapping[str, Story]:
        """Why each node ran or did not, by name, children too."""
        return self._work.stories

    @property
    def standing(self) -> Standing | None:
        """What the next update can stand on: when every node of the graph has a result that its key led to."""
        work = self._work
        everything = self._untouched + len(work.plan.steps) == len(self.topology)
        if not everything or self.driver.ending != "done" or self.lost or work.decider.asked:
            return None
        return work.standing()

    @property
    def lost(self) -> Sequence[Result]:
        """Results whose stored values turned out to be damaged or gone."""
        return self._work.lost

    @property
    def called(self) -> Collection[str]:
        """The nodes with effects that were called: whoever runs the rest once more does not force these again."""
        return self._work.called

    def named(self, *kinds: Kind) -> list[str]:
        """The nodes whose last event is one of ``kinds``, in the order of the graph."""
        return [name for name, story in self.stories.items() if story.how in kinds]

    @property
    def untouched(self) -> int:
        """How many nodes have a result that nobody had to look at: nothing that they need has changed."""
        return self._untouched

    def state(self, i: int) -> State:
        """Where node ``i`` stands, or how it ended."""
        state = super().state(i)
        return State.REUSED if state is State.ABSENT and i in self._work.results else state

    def from_store(self, i: int) -> bool:
        """Whether a reused value was in the store only, and not in memory."""
        return i in self._work.from_store

    @property
    def results(self) -> Mapping[int, Result]:
        """The results of nodes and children by index, as they come."""
        return self._work.results

    def results_by_name(self) -> Mapping[str, Result]:
        """The results of all nodes and children that have one."""
        own = range(len(self.topology))
        return {
            self.names[i]: self._work.results[i]
            for i in self._work.results
            if i in own or super(KeptRun, self).state(i) in GOOD
        }

    def result(self, name: str) -> Result:
        """The result of a node of this run. Raises NodeFailed or RunCancelled when it has none."""
        self.raise_for_status(name)
        return self._work.results[self.index(name)]

    def raise_for_status(self, *names: str) -> None:
        """Raise NodeFailed or RunCancelled if one of ``names`` (all of them without any) has no result."""
        wanted = names or tuple(self.stories)
        failed = self.named(Kind.NODE_FAILED, Kind.NODE_TIMED_OUT)
        lacking = [n for n in wanted if self.stories[n].how not in SUCCEEDED]
        if not lacking:
            return
        if not failed:
            ran = len(self.named(Kind.NODE_RAN))
            left = ", ".join(self.left_behind)
            raise RunCancelled(
                f"cancelled: {ran} ran and {'is' if ran == 1 else 'are'} kept, {len(lacking)} did not run. "
                "Run again to go on from there."
                + (f" Still ending in the background, its result will be ignored: {left}." if left else "")
            )
        first = next((f for f in failed if f in self.errors), failed[0])
        raise NodeFailed(first, self._failure(first, failed)) from self.errors.get(first)

    def _node(self, name: str) -> Node:
        """The node of this name, or that a child belongs to."""
        topology = self.topology
        return topology.nodes[topology.index[name if name in topology.index else name.partition("[")[0]]]

    def _failure(self, first: str, failed: list[str]) -> str:
        story = self.stories[first]
        error = story.error or {}
        what = f"{error['type']}: {error['message']}" if error.get("type") else story.reason
        frames = error.get("frames") or ()
        where = f"{frames[-1]['title']}, line {frames[-1]['line']}" if frames else str(self._node(first).place)
        at = f" ({where})" if where else ""
        reached = self.topology.downstream([self.topology.index[self._node(first).name]])
        family = {self.topology.names[i] for i in reached}
        skipped = self.named(Kind.NODE_SKIPPED)
        because = [name for name in skipped if name.partition("[")[0] in family]
        below = f" {len(because)} below it skipped: {', '.join(because[:5])}." if because else ""
        below += f" {len(skipped) - len(because)} not below it skipped." if len(because) < len(skipped) else ""
        others = [f for f in failed if f != first and not f.startswith(first.partition("[")[0])]
        more = f" Also failed: {', '.join(others)}." if others else ""
        return f"{first} failed{at}: {what.removesuffix('.')}.{below}{more}"
