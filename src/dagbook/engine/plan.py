"""What would run, what is reused, and why: keys are made, looked up, and compared with what is known.

The driver decides node by node with the same :class:`Decider` while a run goes on; a plan is the same fold, in which
a node that would run has no value yet.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import NamedTuple

from dagbook.engine.ports import Journal, Record, Store
from dagbook.engine.result import Result
from dagbook.errors import RefusedError
from dagbook.fingerprint.code import Reach, reach
from dagbook.fingerprint.files import digests, expand
from dagbook.fingerprint.key import Change, Key, Stem, difference, make_key
from dagbook.fingerprint.parts import Digest, known
from dagbook.fingerprint.value import fingerprint
from dagbook.graph.compose import child_name
from dagbook.graph.node import Node
from dagbook.graph.topology import Topology

Locate = Callable[[CodeType], str]

PYPLOT = frozenset({"matplotlib.pyplot", "pylab", "matplotlib.pylab"})
GLOBAL_RANDOM = frozenset({"random", "numpy.random"})


@dataclass(slots=True)
class Shelf:
    """What is known of nodes by name, over the runs of one process.

    ``results`` are the newest results; ``records`` the newest records, which may come from the journal of earlier
    processes; ``refused`` are the blobs whose bytes turned out to be damaged.
    """

    results: dict[str, Result] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def put(self, name: str, result: Result) -> None:
        """``result`` is now the newest of ``name``."""
        self.results[name] = result
        self.records[name] = result.record

    def drop(self, name: str) -> None:
        """Forget a node."""
        self.results.pop(name, None)
        self.records.pop(name, None)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is told about some nodes, by name, beside what is known of them.

    ``given`` results stand, whatever their keys. ``recorded`` ones are looked at first, and stand when their keys fit.
    Nodes in ``leave_out`` are not to run, with the reason: a stored result serves, else they are skipped. Nodes with
    effects in ``confirmed`` may be called again though nobody knows what came of an earlier call; None: those that are
    forced.
    """

    given: Mapping[str, Result] = field(default_factory=dict)
    recorded: Mapping[str, Result] = field(default_factory=dict)
    leave_out: Mapping[str, str] = field(default_factory=dict)
    confirmed: frozenset[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.given or self.recorded or self.leave_out or self.confirmed is not None)

    def without(self, names: Sequence[str]) -> Asked:
        """The same, but for the results of these nodes: their values are gone."""
        return Asked(
            {name: result for name, result in self.given.items() if name not in names},
            {name: result for name, result in self.recorded.items() if name not in names},
            self.leave_out,
            self.confirmed,
        )


class _Form(NamedTuple):
    """What stays of a node's keys while only values change, and which values count beside those of its inputs."""

    stem: Stem
    parameters: Sequence[str]
    watch: tuple[str, ...]
    constants: tuple[Digest, ...]


def _binding(node: Node) -> list[tuple[str, Digest]]:
    """How parameters get their values, when not simply by their names."""
    options = [("each", fingerprint(dict(node.options.each)))] if node.options.each else []
    sources = {p.name: p.source for p in node.parameters if p.source}
    return [*options, ("sources", fingerprint(sources))] if sources else options


class Decider:
    """Keys of the nodes of one topology, and the results that are stored under them."""

    def __init__(
        self,
        topology: Topology,
        parameters: Mapping[str, object],
        shelf: Shelf,
        store: Store,
        journal: Journal,
        locate: Locate | None = None,
        seed: int = 0,
        asked: Asked | None = None,
    ) -> None:
        self.asked = asked if asked is not None else Asked()
        self.topology = topology
        self.parameters = parameters
        self.shelf = shelf
        self._store = store
        self._journal = journal
        self._locate = locate
        self._seed = seed
        self._reach: dict[int, Reach] = {}
        self._forms: dict[int, _Form] = {}
        self._unknown: set[str] = set()  # names without any record
        self._file_state: dict[tuple[str, ...], tuple[tuple[str, Digest], ...]] = {}

    # -- what a node can reach

    def reach(self, i: int) -> Reach:
        """All that the node's function can reach, as it is now; taken once a run."""
        found = self._reach.get(i)
        if found is None:
            node = self.topology.nodes[i]
            found = self._reach[i] = reach(node.fn, place=self._locate) if self._locate else reach(node.fn)
        return found

    def look_again(self, nodes: Iterable[int]) -> None:
        """What was found of files, and of the code of these nodes, was true then: it may be otherwise now."""
        self._file_state.clear()
        for i in nodes:
            self._reach.pop(i, None)

    def moved(self) -> list[int]:
        """The nodes whose code reaches something else than when it was last looked at."""
        nodes, place = self.topology.nodes, self._locate
        if place is None:
            found = [i for i, known in self._reach.items() if reach(nodes[i].fn) is not known]
        else:
            found = [i for i, known in self._reach.items() if reach(nodes[i].fn, place=place) is not known]
        for i in found:
            del self._reach[i]
        return found

    def restless(self, i: int, record: Record) -> bool:
        """Whether a node's result may be out of date though no code and no value of a node has changed."""
        form = self._forms.get(i)  # there is none where files are watched
        return bool(record.files) or not known(record.key) or form is None or bool(form.parameters)

    def rebound(self, topology: Topology, changed: Iterable[int]) -> Decider:
        """A decider for the same graph, some of whose functions are others; what it knows of the rest, it keeps."""
        decider = Decider(
            topology, self.parameters, self.shelf, self._store, self._journal, self._locate, self._seed, self.asked
        )
        decider._reach, decider._forms = dict(self._reach), dict(self._forms)
        for i in changed:
            decider._reach.pop(i, None)
            decider._forms.pop(i, None)
        return decider

    def pinned(self, i: int) -> bool:
        """Whether the node must run on the cell's own thread."""
        return self.topology.nodes[i].options.main or not PYPLOT.isdisjoint(self.reach(i).modules)

    def seed(self, i: int, label: str = "") -> str | None:
        """What the global generators start from in this node, or None when it does not reach them."""
        node = self.topology.nodes[i]
        if node.options.seed is None or GLOBAL_RANDOM.isdisjoint(self.reach(i).modules):
            return None
        return f"{self._seed}/{node.options.seed}/{node.name}/{label}"

    # -- keys

    def key(self, i: int, digest: Callable[[int], Digest]) -> Key:
        """The node's key. ``digest(p)`` is the fingerprint of the value of node ``p``."""
        form = self._form(i)
        values = [digest(p) for p in self.topology.preds[i]]
        if form.parameters or form.watch:
            values += [fingerprint(self.parameters[name]) for name in form.parameters]
            values += [d for _, d in self._files(form.watch)]
        return form.stem.key([*values, *form.constants] if form.constants else values)

    def child_key(self, i: int, elements: Mapping[str, Digest], digest: Callable[[int], Digest]) -> Key:
        """The key of one child of a mapped node: what it is mapped over counts by its own element only."""
        each = self.topology.nodes[i].options.each
        whole = set(each.values())
        inputs = [
            (self.topology.names[p], digest(p)) for p in self.topology.preds[i] if self.topology.names[p] not in whole
        ]
        titles = {p: f"element {p} of {each[p]}" if p in each else f"element {p}" for p in elements}
        return self._make(i, inputs + [(titles[p], d) for p, d in elements.items()], whole)

    def inner_key(self, k: int, elements: Mapping[str, Digest], digest: Callable[[int], Digest]) -> Key:
        """The key of a node of a mapped graph, of which this decider's topology is one branch."""
        inputs = [(self.topology.names[p], digest(p)) for p in self.topology.preds[k]]
        return self._make(k, inputs + [(f"element {p}", d) for p, d in elements.items()])

    def inner(self, body: Topology) -> Decider:
        """A decider for the nodes of a mapped graph."""
        return Decider(
            body,
            self.parameters,
            self.shelf,
            self._store,
            self._journal,
            self._locate,
            self._seed,
            self.asked,
        )

    def own(self, i: int) -> Key:
        """The key without the inputs: the parts that are known before anything runs."""
        return self._make(i, [])

    def _make(self, i: int, inputs: Sequence[tuple[str, Digest]], without: Container[str] = ()) -> Key:
        node = self.topology.nodes[i]
        names = [name for name in self._set_parameters(node) if name not in without]
        watched = [(f"watch {path}", d) for path, d in self._files(expand(node.options.watch))]
        seed = self.seed(i)
        return make_key(
            self.reach(i),
            inputs,
            parameters=[(name, fingerprint(self.parameters[name])) for name in names],
            options=[*watched, *_binding(node)],
            seed=fingerprint(seed) if seed else None,
        )

    def _form(self, i: int) -> _Form:
        """What stays of a node's keys; made again when what its code reaches is otherwise."""
        form, found = self._forms.get(i), self.reach(i)
        if form is not None and form.stem.reach is found:
            return form
        node, names = self.topology.nodes[i], self.topology.names
        parameters, watch = self._set_parameters(node), expand(node.options.watch)
        options, seed = _binding(node), self.seed(i)
        named = [("input", names[p]) for p in self.topology.preds[i]]
        named += [("parameter", name) for name in parameters]
        named += [("option", f"watch {path}") for path, _ in self._files(watch)]
        named += [("option", name) for name, _ in options]
        constants = [d for _, d in options]
        if seed:
            named.append(("seed", "seed"))
            constants.append(fingerprint(seed))
        form = _Form(Stem(found, named), parameters, watch, tuple(constants))
        if not watch:  # which files a pattern stands for may be otherwise the next time
            self._forms[i] = form
        return form

    def _set_parameters(self, node: Node) -> list[str]:
        each = node.options.each
        names = dict.fromkeys(each.get(p.name) or p.source or p.name for p in node.parameters)
        return [n for n in names if isinstance(n, str) and n in self.parameters and n not in self.topology.index]

    # -- look-up

    def find(self, name: str, key: Key) -> Result | None:
        """A result with this key whose files are unchanged and whose value can be had; else None."""
        recorded = self.asked.recorded.get(name)
        if recorded is not None and recorded.record.key == key.digest and self._usable(recorded):
            return recorded
        held = self.shelf.results.get(name)
        if held is not None and held.record.key == key.digest and self._usable(held):
            return held
        for record in self._journal.find(key.digest):
            result = self._revive(replace(record, node=name))
            if result is not None:
                return result
        return None

    def done(self, key: Key) -> Record | None:
        """The record of a call with this key, even when its value is gone; none whose files have changed since."""
        return next((record for record in self._journal.find(key.digest) if self._files_same(record)), None)

    def _usable(self, result: Result) -> bool:
        if not self._files_same(result.record):
            return False
        if result.record.children is not None:
            return all(self._usable(child) for child in result.children)
        return result.loaded or self._there(result.record)

    def _revive(self, record: Record) -> Result | None:
        if not self._files_same(record):
            return None
        if record.children is None:
            return Result(record, self._store) if record.blob is not None and self._there(record) else None
        children: list[Result] = []
        for child in record.children:
            name = child_name(record.node, child.label)
            held = self.shelf.results.get(name)
            if held is not None and held.record.key == child.key and held.record.value == child.value:
                found = held if self._usable(held) else None
            else:
                found = next((r for r in self._children(name, child.key) if r.record.value == child.value), None)
            if found is None:
                return None
            children.append(found)
        if not record.mapping:
            return Result(record, self._store, children=children)
        keys = self._stored_keys(record)
        if keys is None or len(keys) != len(children):
            return None
        return Result(record, self._store, children=children, keys=keys)

    def _stored_keys(self, record: Record) -> tuple[object, ...] | None:
        """The keys of a mapped dict: labels are only for people. None when they are not stored, or are damaged."""
        if record.blob is None:
            return None
        try:
            stored = self._store.get(record.blob)
        except RefusedError:
            return None
        return stored if isinstance(stored, tuple) else None

    def _children(self, name: str, key: Digest) -> Iterable[Result]:
        for record in self._journal.find(key):
            result = self._revive(replace(record, node=name))
            if result is not None:
                yield result

    def _there(self, record: Record) -> bool:
        return record.blob is not None and record.blob.digest not in self.shelf.refused and self._store.has(record.blob)

    def _files_same(self, record: Record) -> bool:
        return not record.files or self._files(tuple(path for path, _ in record.files)) == record.files

    def _files(self, paths: Sequence[str]) -> tuple[tuple[str, Digest], ...]:
        chosen = tuple(paths)
        if not chosen:
            return ()
        if chosen not in self._file_state:
            self._file_state[chosen] = digests(chosen)
        return self._file_state[chosen]

    # -- differences

    def previous(self, name: str) -> Record | None:
        """The newest record of this name, also from earlier processes."""
        record = self.shelf.records.get(name)
        if record is None and name not in self._unknown:
            self.recall([name])
            record = self.shelf.records.get(name)
        return record

    def recall(self, names: Iterable[str]) -> None:
        """Take the newest records of all these names from the journal at once."""
        wanted = [name for name in names if name not in self.shelf.records and name not in self._unknown]
        if not wanted:
            return
        found = self._journal.last(wanted)
        self.shelf.records.update(found)
        self._unknown.update(name for name in wanted if name not in found)

    def changes(self, name: str, key: Key) -> tuple[Change, ...]:
        """How the key, and the files read, differ from those of the newest record; empty without one."""
        record = self.previous(name)
        if record is None:
            return ()
        return self.file_changes(record) if record.key == key.digest else difference(record.parts, key.parts)

    def file_changes(self, record: Record) -> tuple[Change, ...]:
        """How the files that were read differ from what they were."""
        if not record.files:
            return ()
        now = dict(self._files(tuple(path for path, _ in record.files)))
        return tuple(Change("file", path, "changed") for path, d in record.files if now.get(path) != d)


@dataclass(frozen=True, slots=True)
class Step:
    """What a run would do with one node, as far as can be told now.

    ``verdict``: ``current`` (its result stands), ``found`` (a stored one fits), ``stale`` (it would run: ``changes``
    say why), ``never`` (it would run for the first time), ``maybe`` (something above is stale: ``cause``), ``forced``.
    """

    name: str
    verdict: str
    changes: tuple[Change, ...] = ()
    cause: str = ""
    result: Result | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a run in topological order; ``pending`` are the indexes of the nodes that may run."""

    topology: Topology
    steps: Mapping[int, Step]
    pending: tuple[int, ...]

    def results(self) -> dict[int, Result]:
        """The results that stand, by index."""
        return {i: step.result for i, step in self.steps.items() if step.result is not None}


def make_plan(decider: Decider, targets: Iterable[int], force: frozenset[int] = frozenset()) -> Plan:
    """The plan that brings ``targets`` up to date; nodes in ``force`` run even when current. Runs nothing."""
    topology = decider.topology
    steps: dict[int, Step] = {}
    values: dict[int, Digest] = {}
    members = topology.upstream(targets)
    decider.recall(topology.names[i] for i in members)
    for i in members:
        waiting = next((p for p in topology.preds[i] if p not in values), None)
        given = decider.asked.given.get(topology.names[i])
        if given is not None:
            step = Step(topology.names[i], "current", result=given, seconds=given.record.seconds)
        else:
            step = _forced(decider, i) if i in force else _step(decider, i, waiting, values)
        if waiting is not None and step.verdict == "maybe":
            step = replace(step, cause=steps[waiting].cause or topology.names[waiting])
        if step.result is not None:
            values[i] = step.result.record.value
        steps[i] = step
    return Plan(topology, steps, tuple(i for i, step in steps.items() if step.result is None))


def _forced(decider: Decider, i: int) -> Step:
    name = decider.topology.names[i]
    previous = decider.previous(name)
    return Step(name, "forced", seconds=previous.seconds if previous else None)


def _step(decider: Decider, i: int, waiting: int | None, values: Mapping[int, Digest]) -> Step:
    name = decider.topology.names[i]
    previous = decider.previous(name)
    seconds = previous.seconds if previous else None
    if waiting is None:
        key = decider.key(i, values.__getitem__)
        changes = decider.changes(name, key)
        result = decider.find(name, key)
        if result is not None:
            same = previous is not None and previous.key == key.digest and not changes
            return Step(name, "current" if same else "found", changes, result=result, seconds=seconds)
        if previous is None:
            return Step(name, "never")
        return Step(name, "stale", changes, seconds=seconds)
    if previous is None:
        return Step(name, "never")
    kept = {(p.kind, p.name) for p in previous.parts if p.kind == "input"}
    own = decider.own(i)
    changes = difference([p for p in previous.parts if (p.kind, p.name) not in kept], own.parts)
    return Step(name, "stale" if changes else "maybe", changes, seconds=seconds)


def partial_plan(decider: Decider, forced: Iterable[int], doubtful: Iterable[int] = ()) -> Plan:
    """The plan of running ``forced`` nodes again, and ``doubtful`` ones and all that lies below if their keys changed.

    No other node is looked at: their results stand.
    """
    topology, forced = decider.topology, set(forced)
    names = topology.names
    cone = topology.downstream({*forced, *doubtful})
    decider.look_again(cone)
    steps = {i: Step(names[i], "forced" if i in forced else "maybe") for i in cone}
    return Plan(topology, steps, tuple(cone))
