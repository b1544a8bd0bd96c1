"""The work of a run that keeps its results: keys, look-ups, private inputs, records, and the story of each node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dagbook.engine.branches import Branches
from dagbook.engine.call import Capture, Outcome, Task, perform
from dagbook.engine.effects import Effects, repeatable
from dagbook.engine.events import NO_NODE, Kind, Log
from dagbook.engine.failures import describe_error
from dagbook.engine.options import RunOptions
from dagbook.engine.plan import Decider, Plan
from dagbook.engine.ports import Journal, Record, Remote, Store
from dagbook.engine.result import Result
from dagbook.engine.states import Place
from dagbook.engine.story import Story
from dagbook.engine.versions import Results
from dagbook.errors import RunError
from dagbook.fingerprint.key import Key
from dagbook.fingerprint.parts import Digest, known
from dagbook.fingerprint.value import fingerprint
from dagbook.graph.compose import ELEMENT, PerBranch, child_name
from dagbook.graph.node import Node

if TYPE_CHECKING:
    from dagbook.engine.driver import Driver
    from dagbook.engine.work import Job

_TOLD = frozenset({Kind.NODE_SKIPPED, Kind.NODE_CANCELLED, Kind.NODE_FAILED, Kind.NODE_TIMED_OUT})


class Standing(NamedTuple):
    """What a run leaves when every node has a result: the next one may look at a few nodes only.

    ``restless`` are the nodes whose results may be out of date though no code and no value of a node has changed.
    """

    decider: Decider
    results: Results
    restless: frozenset[int]


class Verdict(NamedTuple):
    """What :meth:`Kept.check` found: the key, the result that is stored under it, and why the node must not run."""

    key: Key
    forced: bool
    found: Result | None
    refusal: RunError | None = None


@dataclass(frozen=True, slots=True)
class Inner:
    """What a child is: node ``k`` of a decider's topology, and what it gets of its element.

    ``base`` is the index of the branch's first node when a graph is mapped, None when it is a function. ``family`` is
    the node of the DAG that it belongs to.
    """

    decider: Decider
    k: int
    base: int | None
    label: str
    values: Mapping[str, Any]
    digests: Mapping[str, Digest]
    family: str
    outer: Inner | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the branches that it is in, the outermost first."""
        return (*(() if self.outer is None else self.outer.labels), self.label)

    @property
    def shift(self) -> int:
        """Where in the run the decider's topology begins."""
        if self.base is not None:
            return self.base
        return 0 if self.outer is None else self.outer.shift

    def key(self, digest: Callable[[int], Digest]) -> Key:
        """The child's key; ``digest(i)`` is the fingerprint of the value of node ``i`` of the run."""
        make = self.decider.child_key if self.base is None else self.decider.inner_key
        return make(self.k, self.digests, lambda p: digest(self.shift + p))


def _entry(node: Node, elements: Mapping[str, Any]) -> dict[str, Any]:
    """The element under the name of the one parameter of a mapped graph's source that is not bound otherwise."""
    free = [p.name for p in node.parameters if p.source in ("", ELEMENT) and p.name not in node.options.each]
    mapped = [p.name for p in node.parameters if p.name in node.options.each]
    return dict(zip((*free, *mapped), elements.values(), strict=False))


def _of_branch(node: Node, parameters: Mapping[str, object], labels: Sequence[str]) -> dict[str, object]:
    """The graph inputs of a child that are another in each branch."""
    sources = {p.name: parameters.get(p.source) for p in node.parameters if isinstance(p.source, str)}
    return {name: value.at(labels) for name, value in sources.items() if isinstance(value, PerBranch)}


class Kept:
    """One run's work. ``stories`` tell of every node of the run by name, ``results`` hold the values by index."""

    def __init__(
        self,
        plan: Plan,
        decider: Decider,
        log: Log,
        number: int,
        *,
        store: Store,
        journal: Journal,
        capture: Capture,
        is_ours: Callable[[str], str],
        wall: Callable[[], float],
        options: RunOptions,
        remote: Remote,
        sequential: bool,
        before: Standing | None = None,
    ) -> None:
        self.plan = plan
        self.decider = decider
        self.log = log
        self.number = number
        self.results = Results(plan.results()) if before is None else before.results.after()
        self._before = before
        self.from_store: set[int] = set()
        self.stories: dict[str, Story] = {}
        self.lost: list[Result] = []
        self.called: set[str] = set()  # nodes of the graph whose effects were called
        self.driver: Driver
        self._store = store
        self._capture = capture
        self._is_ours = is_ours
        self._wall = wall
        self._options = options
        self._remote = remote
        self._sequential = sequential
        self._forced = frozenset(plan.steps[i].name for i in plan.pending if plan.steps[i].verdict == "forced")
        consented = decider.asked.confirmed
        self._effects = Effects(journal, number, self._forced if consented is None else consented, wall)
        self._final: set[int] = set()  # nodes with effects that are not to be tried again
        self._records: list[Record] = []
        self._tasks: dict[int, tuple[Task, Key]] = {}
        self._branches: dict[int, Branches] = {}
        self._inner: dict[int, Inner] = {}  # the children
        self._last_end = float("-inf")
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
                self._note_origin(i, step.result)
                self.decider.shelf.put(step.name, step.result)
                self.log.add(Kind.NODE_REUSED, i, 0.0)

    def standing(self) -> Standing:
        """What this run leaves; every node must have a result."""
        decider, results = self.decider, self.results
        looked_at = self.plan.steps if self._before is not None else range(len(self.plan.topology))
        restless = {i for i in looked_at if decider.restless(i, results[i].record)}
        if self._before is not None:
            restless |= self._before.restless.difference(looked_at)
        return Standing(decider, results, frozenset(restless))

    def _note_origin(self, i: int, result: Result) -> None:
        if result.stored:
            self.from_store.add(i)

    def _story(self, name: str) -> Story:
        story = self.stories.get(name)
        if story is None:
            story = self.stories[name] = Story(name, self.number)
        return story

    def place(self, i: int) -> int:
        """Where a node runs."""
        inner = self._inner.get(i)
        pinned = self.decider.pinned(i) if inner is None else inner.decider.pinned(inner.k)
        return Place.CALLER if self._sequential or pinned else Place.WORKER

    def taker(self, i: int) -> int:
        """The node whose options say what node ``i`` takes of the run's resources: of a child, what was mapped."""
        inner = self._inner.get(i)
        return i if inner is None or inner.base is not None or inner.outer is not None else inner.k

    def _family(self, i: int) -> str:
        """The node of the graph that a child belongs to, or the node itself."""
        inner = self._inner.get(i)
        return self.log.names[i] if inner is None else inner.family

    def _has_effect(self, i: int) -> bool:
        """Whether the call of a node has effects; what is mapped makes no call itself."""
        inner = self._inner.get(i)
        topology, k = (self.plan.topology, i) if inner is None else (inner.decider.topology, inner.k)
        options, child = topology.nodes[k].options, inner is not None and inner.base is None
        return options.effect and (child or not options.each)

    # -- deciding

    def check(self, i: int) -> Verdict:
        """The node's key, and the result that is stored under it."""
        inner = self._inner.get(i)
        key = self.decider.key(i, self._digest) if inner is None else inner.key(self._digest)
        name = self.log.names[i]
        forced = self._family(i) in self._forced
        found = None if forced else self.decider.find(name, key)
        if found is not None or not self._has_effect(i):
            return Verdict(key, forced, found)
        return Verdict(key, forced, None, self._effects.against(name, self._family(i), key, self.decider.done(key)))

    def answer(self, i: int, verdict: Verdict) -> None:
        """The node is reused, cut off, left out, or to run."""
        key, forced, found, refusal = verdict
        name, scheduler = self.log.names[i], self.driver.scheduler
        story = self._story(name)
        previous = self.decider.previous(name)
        same = previous is not None and previous.key == key.digest
        story.looked_up(previous, key, self.decider.file_changes(previous) if same and previous else ())
        story.forced = forced
        if found is None:
            self._not_found(i, name, key, refusal)
            return
        self.results[i] = found
        self._note_origin(i, found)
        story.record = found.record
        self.decider.shelf.put(name, found)
        if same and i not in self._inner:
            story.how = Kind.NODE_CUT_OFF
            scheduler.cut_off(i)
        else:
            story.how = Kind.NODE_REUSED
            scheduler.reuse(i)

    def _not_found(self, i: int, name: str, key: Key, refusal: RunError | None) -> None:
        inner = self._inner.get(i)
        reason = self.decider.asked.leave_out.get(self._family(i))
        if reason is not None:
            self.driver.scheduler.leave_out(i, reason)
            return
        if refusal is not None:
            self._final.add(i)
            self.driver.failed(i, refusal)
            return
        self._tasks[i] = (self._task(i) if inner is None else self._inner_task(i, inner), key)
        self.driver.scheduler.enqueue(i)

    def _digest(self, p: int) -> Digest:
        return self.results[p].record.value

    def _task(self, i: int) -> Task:
        inputs, values = self._bind(self.decider, i, {}, self.results.__getitem__)
        return Task(self.log.names[i], self.plan.topology.nodes[i], inputs, values, seed=self.decider.seed(i))

    def _inner_task(self, i: int, inner: Inner) -> Task:
        node = inner.decider.topology.nodes[inner.k]
        inputs, values = self._bind(
            inner.decider, inner.k, inner.values, lambda p: self.results[p + inner.shift]
        )
        child = inner.base is None  # of a mapped function, else of a mapped graph
        seed = inner.decider.seed(inner.k, inner.label)
        return Task(self.log.names[i], node, inputs, values, child=child, seed=seed)

    def _bind(
        self, decider: Decider, k: int, elements: Mapping[str, Any], result: Callable[[int], Result]
    ) -> tuple[list[tuple[str, Result]], dict[str, Any]]:
        """What each parameter gets: results of nodes, and plain values."""
        topology = decider.topology
        node = topology.nodes[k]
        inputs: list[tuple[str, Result]] = []
        values = dict(elements)
        for parameter in node.parameters:
            source = node.options.each.get(parameter.name) or parameter.source or parameter.name
            if parameter.name in values:
                continue
            if isinstance(source, tuple):
                parts = [result(topology.index[each]) for each in source]
                together = Record(node.name, b"", b"", children=())
                inputs.append((parameter.name, Result(together, self._store, children=parts)))
            elif source in topology.index:
                inputs.append((parameter.name, result(topology.index[source])))
            elif source in decider.parameters:
                values[parameter.name] = decider.parameters[source]
        return inputs, values

    # -- running

    def perform(self, job: Job) -> None:
        """Run the job's node."""
        i = job.nodes[0]
        task, key = self._tasks[i]
        apart = partial(self._remote, started=job.started)
        call = partial(perform, task, self._store, self._capture, apart, self._options.loop)
        if not self._has_effect(i):
            job.outcome = call()
            return
        self.called.add(self._family(i))
        task.alone = 3  # it cannot be tried again because another node has changed its inputs
        job.outcome = self._effects.perform(task.name, self._family(i), key, call)
        if not repeatable(job.outcome):
            self._final.add(i)

    async def perform_async(self, job: Job) -> None:
        raise NotImplementedError("coroutine functions of a run that keeps results are awaited on a worker's thread")

    def timeout(self, i: int) -> float | None:
        """How many seconds a node may take."""
        return self._tasks[i][0].node.options.timeout

    def retries(self, i: int) -> tuple[int, float]:
        """How many further attempts a node has, and how long it rests before the first."""
        if i in self._final:
            return 0, 0.0
        task = self._tasks[i][0]
        options = task.node.options
        again = 0 if options.effect else task.alone
        return max(options.retries, self._options.retries) + again, getattr(options, "backoff", 0.0)

    def value(self, i: int) -> object:
        """The value of a node that has a result."""
        return self.results[i].expose()

    def describe(self, error: BaseException) -> dict[str, Any]:
        """An exception as plain data."""
        return describe_error(error, self._is_ours)

    # -- finishing

    def report(self, job: Job) -> None:
        """What became of a node."""
        i, outcome = job.nodes[0], job.outcome
        driver = self.driver
        if outcome.lost is not None:
            self.lost.append(outcome.lost)
            driver.scheduler.cancel("a stored value was damaged; it is made again")
            driver.scheduler.abandon(i)
        elif outcome.splice is not None:
            self._expand(i, outcome)
        elif outcome.error is not None:
            self._failed(i, outcome)
        else:
            self._record(i, outcome)
        self._last_end = max(self._last_end, outcome.started + outcome.seconds)

    def _record(self, i: int, outcome: Outcome) -> None:
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
            finished=self._wall(),
            run=self.number,
        )
        result = Result(record, self._store, outcome.value, volatile=outcome.volatile)
        self._finish(i, name, result)

    def _finish(self, i: int, name: str, result: Result) -> None:
        scheduler = self.driver.scheduler
        scheduler.finish(i, scheduler.attempt(i), self._keep(i, name, result))

    def _keep(self, i: int, name: str, result: Result) -> bool:
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

    def _failed(self, i: int, outcome: Outcome) -> None:
        assert outcome.error is not None
        name, task = self.log.names[i], self._tasks[i][0]
        again = bool(outcome.changed) and task.alone < 3 and self._overlapped(outcome)
        task.alone += again
        if self.driver.failed(i, outcome.error, again):
            story = self._story(name)
            story.how, story.error = Kind.NODE_FAILED, self.describe(outcome.error)
            story.record = Record(name, b"", b"", shown=outcome.shown, seconds=outcome.seconds, run=self.number)

    def _overlapped(self, outcome: Outcome) -> bool:
        """Whether another node may have changed the inputs of this one: it then runs again, with inputs of its own."""
        driver = self.driver
        return len(driver.scheduler.running) > 1 or bool(driver.left_behind) or self._last_end > outcome.started

    # -- nodes whose result is a graph

    def _expand(self, i: int, outcome: Outcome) -> None:
        """The node runs as its children: one for each element, or one graph of them for each."""
        splice = outcome.splice
        assert splice is not None
        outer, name = self._inner.get(i), self.log.names[i]
        decider, k = (self.decider, i) if outer is None else (outer.decider, outer.k)
        body = decider.topology.nodes[k].body
        family = name if outer is None else outer.family
        branches = self._branches[i] = Branches(splice)
        names: list[str] = []
        needs: list[Sequence[int]] = []
        first = len(self.log.names)
        inside = None if body is None else decider.inner(body)
        around = () if outer is None else outer.labels
        for branch, digests in zip(splice.branches, outcome.element_digests, strict=True):
            at, label = first + len(names), child_name(name, branch.label)
            labels = (*around, branch.label)
            if body is None or inside is None:
                own = _of_branch(decider.topology.nodes[k], decider.parameters, labels)
                values, marks = {**branch.values, **own}, {**digests, **{p: fingerprint(v) for p, v in own.items()}}
                self._inner[at] = Inner(decider, k, None, branch.label, values, marks, family, outer)
                names.append(label)
                needs.append(())
                branches.sinks.append(at)
                continue
            for n, inner_name in enumerate(body.names):
                sink = not body.succs[n]
                node, own = body.nodes[n], _of_branch(body.nodes[n], decider.parameters, labels)
                values = {**(_entry(node, branch.values) if not body.preds[n] else {}), **own}
                marks = {p: fingerprint(v) for p, v in own.items()}
                marks |= _entry(node, digests) if not body.preds[n] else {}
                self._inner[at + n] = Inner(inside, n, at, branch.label, values, marks, family, outer)
                names.append(label if sink else f"{label}/{inner_name}")
                needs.append([at - first + p for p in body.preds[n]])
                if sink:
                    branches.sinks.append(at + n)
        scheduler = self.driver.scheduler
        scheduler.expand(i, scheduler.attempt(i), [branch.label for branch in splice.branches], names, needs)

    def join(self, i: int) -> None:
        """Put the values of an expanded node's children together."""
        branches = self._branches[i]
        name, key = self.log.names[i], self._tasks.pop(i)[1]
        children = [self.results[child] for child in branches.sinks]
        record = branches.together(name, key, children, self._store)
        record = replace(record, finished=self._wall(), run=self.number)
        result = Result(record, self._store, children=children, keys=branches.splice.keys)
        self.driver.scheduler.join(i, self._keep(i, name, result))

    # -- telling

    def told(self, start: int, stop: int) -> Sequence[Record]:
        """The records that belong to these events; the stories hear of those that did not run to an end."""
        log = self.log
        for seq in range(start, stop):
            kind = log.kind[seq]
            if kind in _TOLD:
                story = self._story(log.names[log.node[seq]])
                detail: Mapping[str, Any] = log.detail.get(seq, {})
                story.how = Kind(kind)
                story.reason = detail.get("reason", story.reason)
                story.error = story.error or detail.get("error")
        records, self._records = self._records, []
        return records
