"""The handle of a run: wait for it, ask for a pause or the end, read what became of it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping

from dagbook.engine.driver import Driver
from dagbook.engine.events import Kind, Log
from dagbook.engine.ports import InlineLane
from dagbook.engine.result import Result
from dagbook.engine.story import Story
from dagbook.errors import NodeFailed, RunCancelled
from dagbook.graph.node import Node

SUCCEEDED = frozenset({Kind.NODE_RAN, Kind.NODE_REUSED, Kind.NODE_CUT_OFF})


class Run:
    """One execution of a plan. ``cancel``, ``pause`` and ``resume`` may be called from any thread, at any time."""

    def __init__(self, driver: Driver, inline: InlineLane, targets: tuple[str, ...]) -> None:
        self.driver = driver
        self.targets = targets
        self._inline = inline
        self._after: Callable[[Run], None] | None = None
        self._crash: BaseException | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._drive,), name="dagbook run", daemon=True)

    def start(self, after: Callable[[Run], None]) -> Run:
        """Begin; ``after`` is called on the driver's thread when everything has ended."""
        self._after = after
        self._thread.start()
        return self

    def _drive(self) -> None:
        try:
            self.driver.drive()
        except BaseException as error:  # a defect of ours must reach the caller, not vanish with the thread
            self._crash = error
        finally:
            try:
                if self._after is not None:
                    self._after(self)
            finally:
                self._inline.close()

    def wait(self) -> Run:
        """Wait for the end, making the calls that belong on this thread.

        A KeyboardInterrupt cancels: the run ends within a second, and what had finished is kept.
        """
        while True:
            try:
                self._inline.serve()
                self._thread.join()
                break
            except KeyboardInterrupt:
                self.driver.interrupt()
        if self._crash is not None:
            raise self._crash
        return self

    # -- from outside

    def cancel(self) -> None:
        """Start nothing more; what runs is allowed to end."""
        self.driver.cancel()

    def pause(self) -> None:
        """Start nothing new until :meth:`resume`."""
        self.driver.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self.driver.resume()

    # -- what became of it

    @property
    def number(self) -> int:
        """The run's number in its journal: 1, 2, 3 …"""
        return self.driver.number

    @property
    def log(self) -> Log:
        """The ordered events."""
        return self.driver.log

    @property
    def stories(self) -> Mapping[str, Story]:
        """Why each node ran or did not, by name, children too."""
        return self.driver.stories

    @property
    def status(self) -> str:
        """``running``, then ``done``, ``failed`` or ``cancelled``."""
        return "running" if self._thread.is_alive() else self.driver.status()

    def named(self, *kinds: Kind) -> list[str]:
        """The nodes whose last event is one of ``kinds``, in the order of the graph."""
        return [name for name, story in self.stories.items() if story.how in kinds]

    @property
    def executed(self) -> list[str]:
        """The nodes that were started, in that order: the oracle of what ran."""
        log = self.log
        return [log.names[log.node[seq]] for seq in range(len(log)) if log.kind[seq] == Kind.NODE_STARTED]

    def result(self, name: str) -> Result:
        """The result of a node of this run. Raises NodeFailed or RunCancelled when it has none."""
        self.raise_for_status(name)
        return self.driver.results[self.log.names.index(name)]

    def raise_for_status(self, *names: str) -> None:
        """Raise NodeFailed or RunCancelled if one of ``names`` (all of them without any) has no result."""
        wanted = names or tuple(self.stories)
        failed = self.named(Kind.NODE_FAILED, Kind.NODE_TIMED_OUT)
        lacking = [n for n in wanted if self.stories[n].how not in SUCCEEDED]
        if not lacking:
            return
        if not failed:
            ran = len(self.named(Kind.NODE_RAN))
            left = ", ".join(self.driver.left_behind)
            raise RunCancelled(
                f"cancelled: {ran} ran and {'is' if ran == 1 else 'are'} kept, {len(lacking)} did not run. "
                "Run again to go on from there."
                + (f" Still ending in the background, its result will be ignored: {left}." if left else "")
            )
        first = next((f for f in failed if f in self.driver.errors), failed[0])
        raise NodeFailed(first, self._failure(first, failed)) from self.driver.errors.get(first)

    def _node(self, name: str) -> Node:
        """The node of this name, or that a child belongs to."""
        topology = self.driver.plan.topology
        return topology.nodes[topology.index[name if name in topology.index else name.partition("[")[0]]]

    def _failure(self, first: str, failed: list[str]) -> str:
        story = self.stories[first]
        error = story.error or {}
        what = f"{error['type']}: {error['message']}" if error.get("type") else story.reason
        frames = error.get("frames") or ()
        where = f"{frames[-1]['title']}, line {frames[-1]['line']}" if frames else str(self._node(first).place)
        at = f" ({where})" if where else ""
        skipped = self.named(Kind.NODE_SKIPPED)
        below = f" {len(skipped)} below it skipped: {', '.join(skipped[:5])}." if skipped else ""
        others = [f for f in failed if f != first and not f.startswith(first.partition("[")[0])]
        more = f" Also failed: {', '.join(others)}." if others else ""
        return f"{first} failed{at}: {what.removesuffix('.')}.{below}{more}"
