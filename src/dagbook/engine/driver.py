"""The one loop that performs what the scheduler decides.

There is one place where a node is started (:meth:`Driver._submit`) and one where it becomes finished
(:meth:`Driver._record`). Events are published after the journal has them, in its order.
"""

from __future__ import annotations

import contextvars
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from dagbook.engine.branches import Branches
from dagbook.engine.call import Capture, Outcome, Task, describe_error, perform
from dagbook.engine.events import NO_NODE, Kind, Log
from dagbook.engine.plan import Decider, Plan
from dagbook.engine.ports import Backend, Clock, Journal, Listener, Record, Store
from dagbook.engine.result import Result
from dagbook.engine.scheduler import Scheduler, State
from dagbook.engine.story import Story
from dagbook.errors import StoreError
from dagbook.fingerprint.key import Key
from dagbook.fingerprint.parts import Digest, known
from dagbook.graph.compose import Splice, child_name

GRACE = 0.4
"""How long, in seconds, an interrupt waits for running nodes before it leaves them behind."""


class _Done(NamedTuple):
    node: int
    attempt: int
    outcome: Outcome


@dataclass(slots=True)
class Environment:
    """What a driver works with; the session puts it together. ``lanes`` are the inline backend and the workers."""

    store: Store
    journal: Journal
    clock: Clock
    inline: Backend
    workers: Backend
    capture: Capture
    publish: Listener
    is_ours: Callable[[str], str]
    sequential: bool = False
    fail_fast: bool = False


class Driver:
    """Performs one run. Made on the caller's thread; :meth:`drive` may be called on any, once.

    ``stories`` tell of every node of the run by name, ``results`` hold the values by index, ``errors`` the exceptions.
    """

    def __init__(self, plan: Plan, decider: Decider, environment: Environment, dag: str = "dag") -> None:
        self.plan = plan
        self.decider = decider
        self.env = environment
        self.results: dict[int, Result] = plan.results()
        self.stories: dict[str, Story] = {}
        self.errors: dict[str, BaseException] = {}
        self.lost: list[Result] = []
        self.began = environment.clock.monotonic()
        self.number = environment.journal.begin(dag, environment.clock.wall())
        self.log = Log(plan.topology.names)
        self._forced = frozenset(plan.steps[i].name for i in plan.pending if plan.steps[i].verdict == "forced")
        pinned = _Everything() if environment.sequential else _Pinned(decider)
        self.scheduler = Scheduler(
            plan.topology.preds,
            plan.topology.succs,
            plan.pending,
            self.log,
            pinned=pinned,
            fail_fast=environment.fail_fast,
        )
        self._inbox: SimpleQueue[_Done | Callable[[], None]] = SimpleQueue()
        self._records: list[Record] = []
        self._committed = 0
        self._tasks: dict[int, tuple[Task, Key]] = {}
        self._branches: dict[int, Branches] = {}
        self._deadlines: dict[int, float] = {}
        self._lanes: dict[int, int] = {}
        self._give_up = inf
        self._last_end = -inf
        self.left_behind: list[str] = []
        self._context = contextvars.copy_context()
        self._begin()

    def _begin(self) -> None:
        self.log.add(Kind.RUN_STARTED, NO_NODE, 0.0, {"pending": len(self.plan.pending)})
        for i, step in self.plan.steps.items():
            story = self._story(self.log.names[i])
            story.changes = step.changes
            story.first = step.verdict == "never"
            story.forced = step.verdict == "forced"
            story.previous = self.decider.previous(step.name)
            story.inputs = tuple(self.log.names[p] for p in self.plan.topology.preds[i])
            if step.result is not None:
                story.how, story.record = Kind.NODE_REUSED, step.result.record
                story.parts = step.result.record.parts
                self.decider.shelf.put(step.name, step.result)
                self.log.add(Kind.NODE_REUSED, i, 0.0)

    def _story(self, name: str) -> Story:
        return self.stories.setdefault(name, Story(name, self.number))

    # -- from other threads: only enqueue

    def post(self, command: Callable[[], None]) -> None:
        """Have ``command`` called by the driver's loop, soon. Safe from any thread."""
        self._inbox.put(command)

    def cancel(self, reason: str = "the run was cancelled") -> None:
        """Start nothing more; what runs is allowed to end."""
        self.post(lambda: self.scheduler.cancel(reason))

    def pause(self) -> None:
        """Start nothing new until :meth:`resume`."""
        self.post(self.scheduler.pause)

    def resume(self) -> None:
        """Go on after a pause."""
        self.post(self.scheduler.resume)

    def interrupt(self) -> None:
        """Cancel, and wait only a moment for what runs: later results are thrown away."""
        self.post(self._interrupted)

    def _interrupted(self) -> None:
        self.scheduler.cancel("interrupted")
        self._give_up = min(self._give_up, self.env.clock.monotonic() + GRACE)

    # -- the loop

    def drive(self) -> None:
        """Run to the end. Raises nothing of the user's: that is in the stories and errors."""
        scheduler = self.scheduler
        while True:
            scheduler.now = self._time()
            self._check()
            self._start()
            self._commit()
            if scheduler.done:
                break
            self._receive()
        self.log.add(Kind.RUN_FINISHED, NO_NODE, self._time(), {"status": self.status()})
        self._commit()
        self._keep(lambda: self.env.journal.finish(self.number, self.status(), self.env.clock.wall()))

    def status(self) -> str:
        """How the run ended: ``done``, ``failed`` or ``cancelled``."""
        if any(s.how in (Kind.NODE_FAILED, Kind.NODE_TIMED_OUT) for s in self.stories.values()):
            return "failed"
        return "cancelled" if self.scheduler.cancelling else "done"

    def _time(self) -> float:
        return self.env.clock.monotonic() - self.began

    # -- deciding

    def _check(self) -> None:
        while (batch := self.scheduler.checks()) or self._join():
            for i in batch:
                if self.scheduler.state(i) is State.SETTLED:
                    self._decide(i)

    def _decide(self, i: int) -> None:
        parent = self.scheduler.parent(i)
        if parent is not None:
            key = self._branches[parent].keys[i]
        else:
            key = self.decider.key(i, self._digest)
        name = self.log.names[i]
        story = self._story(name)
        story.previous = self.decider.previous(name)
        story.changes = self.decider.changes(name, key)
        story.first = story.previous is None
        story.parts = key.parts
        story.forced = self._is_forced(i, parent)
        found = None if story.forced else self.decider.find(name, key)
        if found is None:
            self._tasks[i] = (self._task(i, parent), key)
            self.scheduler.enqueue(i)
            return
        self.results[i] = found
        story.record = found.record
        self.decider.shelf.put(name, found)
        if parent is None and story.previous is not None and story.previous.key == key.digest:
            story.how = Kind.NODE_CUT_OFF
            self.scheduler.cut_off(i)
        else:
            story.how = Kind.NODE_REUSED
            self.scheduler.reuse(i)

    def _is_forced(self, i: int, parent: int | None) -> bool:
        return self.log.names[i if parent is None else parent] in self._forced

    def _digest(self, p: int) -> Digest:
        return self.results[p].record.value

    def _task(self, i: int, parent: int | None) -> Task:
        topology = self.plan.topology
        owner = i if parent is None else parent
        node = topology.nodes[owner]
        each = node.options.each
        branch = None if parent is None else self._branches[parent].splice.branches[i - self._branches[parent].first]
        inputs: list[tuple[str, Result]] = []
        values: dict[str, Any] = dict(branch.values) if branch else {}
        for parameter in node.parameters:
            source = each.get(parameter.name, parameter.name)
            if parameter.name in values:
                continue
            if source in topology.index:
                inputs.append((parameter.name, self.results[topology.index[source]]))
            elif source in self.decider.parameters:
                values[parameter.name] = self.decider.parameters[source]
        seed = self.decider.seed(owner, branch.label if branch else "")
        return Task(self.log.names[i], node, inputs, values, child=branch is not None, seed=seed)

    # -- starting

    def _start(self) -> None:
        taken = {self._lanes[i] for i in self.scheduler.running}
        if 0 not in taken:
            for i, lane in self.scheduler.starts([0], pinned=True):
                self._submit(i, self.env.inline, lane)
        free = [lane for lane in range(1, self.env.workers.slots + 1) if lane not in taken]
        for i, lane in self.scheduler.starts(free, pinned=False):
            self._submit(i, self.env.workers, lane)

    def _submit(self, i: int, backend: Backend, lane: int) -> None:
        """The one place where a node is started."""
        self._lanes[i] = lane
        task, attempt = self._tasks[i][0], self.scheduler.attempts[i]
        timeout = task.node.options.timeout
        if timeout is not None:
            self._deadlines[i] = self.env.clock.monotonic() + timeout
        self._commit()
        store, capture, inbox, context = self.env.store, self.env.capture, self._inbox, self._context.copy()

        def call() -> None:
            inbox.put(_Done(i, attempt, context.run(perform, task, store, capture)))

        backend.submit(call)

    # -- finishing

    def _receive(self) -> None:
        """Wait for something to happen, then take all that has happened."""
        try:
            self._handle(self._inbox.get(timeout=self._patience()))
        except Empty:
            pass
        while not self._inbox.empty():  # nobody else takes from it
            self._handle(self._inbox.get())
        now = self.env.clock.monotonic()
        for i in [i for i, deadline in self._deadlines.items() if deadline <= now]:
            self._time_out(i)
        if self._give_up <= now:
            for i in list(self.scheduler.running):
                self._leave(i)

    def _patience(self) -> float | None:
        first = min(self._deadlines.values(), default=inf)
        first = min(first, self._give_up)
        return None if first == inf else max(0.0, first - self.env.clock.monotonic())

    def _leave(self, i: int) -> None:
        self._left(i)
        self.scheduler.abandon(i)

    def _left(self, i: int) -> None:
        self.left_behind.append(self.log.names[i])
        (self.env.workers if self._lanes[i] else self.env.inline).replace()

    def _handle(self, message: _Done | Callable[[], None]) -> None:
        self.scheduler.now = self._time()
        if isinstance(message, _Done):
            self._finished(message.node, message.attempt, message.outcome)
        else:
            message()

    def _time_out(self, i: int) -> None:
        seconds = self._tasks[i][0].node.options.timeout or 0.0
        self._deadlines.pop(i, None)
        if self.scheduler.time_out(i, self.scheduler.attempts[i], seconds):
            self._left(i)

    def _finished(self, i: int, attempt: int, outcome: Outcome) -> None:
        if self.scheduler.state(i) is not State.RUNNING or self.scheduler.attempts[i] != attempt:
            return  # too late: it timed out, or was left behind
        self._deadlines.pop(i, None)
        if outcome.lost is not None:
            self.lost.append(outcome.lost)
            self.scheduler.cancel("a stored value was damaged; it is made again")
            self.scheduler.abandon(i)
        elif outcome.splice is not None:
            self._expand(i, attempt, outcome.splice, outcome.element_digests)
        elif outcome.error is not None:
            self._failed(i, attempt, outcome)
        else:
            self._record(i, attempt, outcome)
        self._last_end = max(self._last_end, outcome.started + outcome.seconds)

    def _record(self, i: int, attempt: int, outcome: Outcome) -> None:
        """The one place where a node becomes finished."""
        name = self.log.names[i]
        key = self._tasks.pop(i)[1]
        record = Record(
            node=name,
            key=key.digest,
            value=outcome.digest,
            blob=outcome.blob,
            files=outcome.files,
            parts=key.parts,
            shown=outcome.shown,
            summary=outcome.summary,
            seconds=outcome.seconds,
            finished=self.env.clock.wall(),
            run=self.number,
        )
        result = Result(record, self.env.store, outcome.value, volatile=outcome.volatile)
        self.scheduler.finish(i, attempt, self._keep_result(i, name, result))

    def _keep_result(self, i: int, name: str, result: Result) -> bool:
        """Make ``result`` the node's; whether its value differs from the one before."""
        story = self._story(name)
        previous = story.previous
        story.how, story.record = Kind.NODE_RAN, result.record
        story.changed = previous is None or previous.value != result.record.value
        self.results[i] = result
        self.decider.shelf.put(name, result)
        if known(result.record.key):
            self._records.append(result.record)
        return story.changed

    def _failed(self, i: int, attempt: int, outcome: Outcome) -> None:
        error = outcome.error
        assert error is not None
        name = self.log.names[i]
        described = describe_error(error, self.env.is_ours)
        if isinstance(error, KeyboardInterrupt):
            self._interrupted()
            self.scheduler.abandon(i)
            return
        task = self._tasks[i][0]
        if outcome.changed and not task.alone and self._overlapped(outcome):
            task.alone = True
            self.scheduler.retry(i, attempt, described)
            return
        if attempt - task.alone <= task.node.options.retries and isinstance(error, Exception):
            self.scheduler.retry(i, attempt, described)
            return
        story = self._story(name)
        story.how, story.error = Kind.NODE_FAILED, described
        self.errors[name] = error
        story.record = Record(name, b"", b"", shown=outcome.shown, seconds=outcome.seconds, run=self.number)
        self.scheduler.fail(i, attempt, described)

    def _overlapped(self, outcome: Outcome) -> bool:
        """Whether another node may have changed the inputs of this one: it then runs again, with inputs of its own."""
        return len(self.scheduler.running) > 1 or bool(self.left_behind) or self._last_end > outcome.started

    # -- nodes whose result is a graph

    def _expand(self, i: int, attempt: int, splice: Splice, elements: Sequence[Mapping[str, Digest]]) -> None:
        name = self.log.names[i]
        labels = [branch.label for branch in splice.branches]
        branches = Branches(splice, len(self.log.names))
        for n, digests in enumerate(elements):
            branches.keys[branches.first + n] = self.decider.child_key(i, digests, self._digest)
        self._branches[i] = branches
        self.scheduler.expand(i, attempt, labels, [child_name(name, label) for label in labels])

    def _join(self) -> bool:
        """Finish expanded nodes whose children have all ended well; whether there was one."""
        joined = self.scheduler.joined()
        for i in joined:
            branches = self._branches[i]
            name, key = self.log.names[i], self._tasks.pop(i)[1]
            children = [self.results[child] for child in branches.keys]
            record = branches.together(name, key, children, self.env.store)
            record = replace(record, finished=self.env.clock.wall(), run=self.number)
            result = Result(record, self.env.store, children=children, keys=branches.splice.keys)
            self.scheduler.join(i, self._keep_result(i, name, result))
        return bool(joined)

    # -- remembering and telling

    def _commit(self) -> None:
        """Journal what happened since the last time, then publish it."""
        start, stop = self._committed, len(self.log)
        if start == stop:
            return
        records, self._records, self._committed = self._records, [], stop
        self._tell_stories(start, stop)
        self._keep(lambda: self.env.journal.commit(self.number, self.log, start, stop, records))
        self.env.publish(self.log, start, stop)

    def _tell_stories(self, start: int, stop: int) -> None:
        for seq in range(start, stop):
            kind = self.log.kind[seq]
            if kind in (Kind.NODE_SKIPPED, Kind.NODE_CANCELLED, Kind.NODE_FAILED, Kind.NODE_TIMED_OUT):
                story = self._story(self.log.names[self.log.node[seq]])
                detail = self.log.detail.get(seq, {})
                story.how = Kind(kind)
                story.reason = detail.get("reason", story.reason)
                story.error = story.error or detail.get("error")

    def _keep(self, write: Callable[[], None]) -> None:
        """Write to the journal; when it cannot be written the run goes on, and says so once."""
        try:
            write()
        except StoreError as error:
            warnings.warn(f"this run is not recorded: {error}", RuntimeWarning, stacklevel=2)


class _Everything:
    def __contains__(self, i: object) -> bool:
        return True


class _Pinned:
    """Which nodes must run on the cell's thread; asked when one is about to run, never for the whole graph."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    def __contains__(self, i: object) -> bool:
        return isinstance(i, int) and self._decider.pinned(i)
