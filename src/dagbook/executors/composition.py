"""A composed DAG made flat: parameters bound by type, DAGs inside DAGs unfolded, contexts put in. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, get_args, get_origin

from dagbook.errors import GraphError, MissingInputError, NodeNotFoundError, UsageError
from dagbook.graph.compose import ELEMENT, PerBranch
from dagbook.graph.dag import DAG
from dagbook.graph.handles import SubDag, ends
from dagbook.graph.node import OPTIONS_ATTRIBUTE, Node, Parameter, options_of
from dagbook.graph.topology import Topology
from dagbook.graph.wiring import UNKNOWN, Output, Slot, said, signature, wire

F = TypeVar("F", bound=Callable[..., Any])
Inputs = Mapping[str, Mapping[str, Any]]
"""Values for parameters that nothing above provides: label → parameter → value."""


@dataclass(frozen=True)
class DagContext:
    """Where a node runs. A parameter annotated with this class, or with a subclass, is given one.

    ``dag_nsref`` is the name of the run's DAG, and of the nodes that it is nested in (``outer/each[3]``). It counts as
    an input like any other, so such a node runs again in each new run.
    """

    dag_nsref: str
    node_label: str
    run_id: str


def inline(fn: F) -> F:
    """Mark a function that is to run on the caller's own thread: light work, which handing over would only delay."""
    setattr(fn, OPTIONS_ATTRIBUTE, replace(options_of(fn), main=True))
    return fn


@dataclass(frozen=True, slots=True)
class Setting:
    """What a DAG is made flat for: the run, the values given from outside, and functions by type of node.

    ``described`` is what such a function is given for a node, by name. To plan, no node needs a function.
    """

    nsref: str
    inputs: Inputs = field(default_factory=dict)
    executors: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    described: Mapping[str, Any] = field(default_factory=dict)
    to_plan: bool = False


def flatten(dag: DAG, setting: Setting) -> DAG:
    """The DAG that the engine runs: plain nodes whose parameters each say where their value comes from.

    A DAG that is a node becomes its nodes ``label/name``, and its sink becomes ``label``. Raises GraphError for what
    cannot be wired, and NodeNotFoundError or UsageError for values given to what is not there.
    """
    flat = DAG(dag.name)
    flat.parameters.update(dag.parameters)
    work = _Flattening(flat, flat.parameters, setting)
    work.unfold(_Level(dag, (setting.nsref,)))
    work.check_inputs()
    return flat


def _not_given() -> None:
    """What stands in a plan for a function that only a run needs."""


def name_run(flat: DAG, run_id: str) -> None:
    """Tell the contexts which run they are of."""
    contexts = {n: v for n, v in flat.parameters.items() if "." in n and isinstance(v, DagContext | _MappedContext)}
    flat.parameters.update({name: replace(context, run_id=run_id) for name, context in contexts.items()})


@dataclass(frozen=True)
class _MappedContext(PerBranch):
    """The context of a node in a mapped DAG; between the ``parts`` of its DAG's name stand the keys of the branches."""

    kind: type[DagContext]
    parts: tuple[str, ...]
    node_label: str
    run_id: str

    def at(self, labels: Sequence[str]) -> object:
        if len(labels) < len(self.parts) - 1:
            return self  # the node is in a mapped DAG further inside
        keys = "".join(f"[{label}]{part}" for label, part in zip(labels, self.parts[1:], strict=True))
        return self.kind(self.parts[0] + keys, self.node_label, self.run_id)


@dataclass(frozen=True, slots=True)
class _Level:
    """One DAG, and where it is: ``entry`` is what its source is given, ``exit`` what its sink is called.

    ``nsref`` is its name, in parts: between them stand the keys of the branches that it is in.
    """

    dag: DAG
    nsref: tuple[str, ...]
    prefix: str = ""
    entry: Output | None = None
    exit: str = ""
    above: tuple[DAG, ...] = ()

    def context(self, kind: type[DagContext], label: str) -> DagContext | _MappedContext:
        """What a node of this level is told of where it runs."""
        return kind(self.nsref[0], label, "") if len(self.nsref) == 1 else _MappedContext(kind, self.nsref, label, "")

    def inside(self, node: Node, prefix: str, entry: Output, exit: str) -> _Level:
        """The level of the DAG that ``node`` is."""
        sub_dag = node.fn.dag  # type: ignore[attr-defined]
        above = (*self.above, self.dag)
        if any(dag is sub_dag for dag in above):
            raise GraphError(f"{node.name}: the DAG {sub_dag.name!r} contains itself.")
        *parts, last = self.nsref
        last = f"{last}/{node.name}"
        nsref = (*parts, last, "") if node.fn.mapped else (*parts, f"{last}[call]")  # type: ignore[attr-defined]
        return _Level(sub_dag, nsref, prefix, entry, exit, above)


@dataclass(slots=True)
class _Flattening:
    """``flat`` grows by the nodes of one level after another, ``parameters`` by the values that they are given.

    ``path`` is where a mapped graph belongs. ``labels`` are all nodes so far, ``given`` the inputs that were taken,
    ``missing`` says which are needed besides.
    """

    flat: DAG
    parameters: dict[str, object]
    setting: Setting
    path: str = ""
    labels: set[str] = field(default_factory=set)
    given: set[tuple[str, str]] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)

    def unfold(self, level: _Level) -> Any:
        """Add the nodes of a level; the type of its last one's value."""
        topology = level.dag.topology()
        source, sink = ends(level.dag, level.prefix.rstrip("/")) if level.above else ("", "")
        names = [level.exit if level.exit and n == sink else level.prefix + n for n in topology.names]
        types: list[Any] = []
        for i, node in enumerate(topology.nodes):
            above = [Output(names[p], types[p]) for p in topology.preds[i]]
            if level.entry is not None and node.name == source:
                above = [level.entry]
            add = self._add_sub_dag if isinstance(node.fn, SubDag) else self._add_function
            types.append(add(level, node, names[i], above))
        return types[-1] if types else UNKNOWN

    def check_inputs(self) -> None:
        """Raise for a value that is given to what is not there, or has one already, and for one that is missing."""
        for label, values in self.setting.inputs.items():
            for parameter in values:
                if (label, parameter) in self.given:
                    continue
                if label not in self.labels:
                    raise NodeNotFoundError(label, self.labels)
                free = ", ".join(p for node, p in sorted(self.given) if node == label)
                raise UsageError(
                    f"source_inputs gives {label!r} a value for {parameter!r}, which is no parameter of it that lacks "
                    f"one{f'; these do: {free}' if free else ''}."
                )
        if self.missing:
            raise MissingInputError(self.missing[0])

    # -- functions

    def _add_function(self, level: _Level, node: Node, name: str, above: Sequence[Output]) -> Any:
        executor = self.setting.executors.get(node.options.type or "")
        if executor is not None and not level.above:
            return self._add_described(node, name, executor, above)
        function = self._function(level, node)
        if function is None and not self.setting.to_plan:
            kinds = f", nor is there an executor for its type {node.options.type!r}" if node.options.type else ""
            raise UsageError(f"{name} has no function{kinds}. Give it one: dag.node(f, label={name!r}).")
        function = function or _not_given
        found = signature(function)
        each = _each(level, node)
        outside = {slot.name for slot in found.slots if self._from_outside(level, node, name, slot)}
        slots = [slot for slot in found.slots if slot.name not in each and slot.name not in outside]
        self.labels.add(self.path + name)
        bound = {**each, **wire(name, slots, [output for output in above if output.name not in each.values()])}
        parameters = tuple(
            Parameter(s.name, s.keyword, s.optional and s.name not in bound, bound[s.name])
            if s.name in bound
            else Parameter(s.name, s.keyword, s.optional, self._free(name, s))
            for s in found.slots
        )
        options = replace(node.options, each=each) if each else node.options
        self._put(Node(name, function, parameters, options, node.place), above)
        return _list_of(found.returns) if each else found.returns

    @staticmethod
    def _function(level: _Level, node: Node) -> Callable[..., Any] | None:
        """The node's own function, or for a bare node the payload that it was added with."""
        if not node.bare:
            return node.fn
        payload = level.dag.payload(node.name)
        return payload if callable(payload) else None

    def _from_outside(self, level: _Level, node: Node, name: str, slot: Slot) -> bool:
        """Whether the parameter is given its value by the run: a context, or what the caller said."""
        label = self.path + name
        kind, place = slot.type, f"{label}.{slot.name}"
        values = self.setting.inputs.get(label, {})
        if isinstance(kind, type) and issubclass(kind, DagContext):
            self.parameters[place] = level.context(kind, node.name)
            return True
        if slot.name in values:
            self.parameters[place] = values[slot.name]
            self.given.add((label, slot.name))
            return True
        return False

    def _free(self, name: str, slot: Slot) -> str:
        """Where a parameter that nothing above provides has its value from: outside, the whole graph, its default."""
        label = self.path + name
        place = f"{label}.{slot.name}"
        if place in self.parameters or (slot.optional and slot.name not in self.parameters):
            return place
        if slot.name in self.parameters:
            return slot.name
        self.missing.append(
            f"{label} needs {slot.name!r} ({said(slot.type)}), and nothing provides it: no node above returns that. "
            f"Give it from outside with source_inputs={{{label!r}: {{{slot.name!r}: …}}}}, or give it a default."
        )
        return place

    def _add_described(self, node: Node, name: str, executor: Callable[..., Any], above: Sequence[Output]) -> Any:
        """A node whose function is chosen by its type: it is given what describes the node."""
        found = signature(executor)
        if not found.slots:
            raise UsageError(f"the executor of type {node.options.type!r} takes the node as its one parameter.")
        place = f"{name}.{found.slots[0].name}"
        self.parameters[place] = self.setting.described[node.name]
        slot = found.slots[0]
        parameter = Parameter(slot.name, slot.keyword, slot.optional, place)
        self._put(Node(name, executor, (parameter,), node.options, node.place), above)
        return found.returns

    def _put(self, node: Node, above: Sequence[Output]) -> None:
        self.flat.add(node, [output.name for output in above if output.name != ELEMENT])

    # -- DAGs

    def _add_sub_dag(self, level: _Level, node: Node, name: str, above: Sequence[Output]) -> Any:
        if len(above) != 1:
            which = " and ".join(output.name for output in above) or "none"
            raise GraphError(f"{name} is a DAG, and needs exactly one node above it; there is {which}.")
        entry = above[0]
        if not node.fn.mapped:  # type: ignore[attr-defined]
            return self.unfold(level.inside(node, f"{name}/", entry, name))
        _check_collection(name, entry)
        self.labels.add(self.path + name)
        path = f"{self.path}{name}/"
        body = _Flattening(DAG(name), self.parameters, self.setting, path, self.labels, self.given, self.missing)
        returns = body.unfold(level.inside(node, "", Output(ELEMENT, _element(entry.type)), ""))
        self._put(self._mapped(node, name, entry.name, body.flat), above)
        return _collection(entry.type, returns)

    def _mapped(self, node: Node, name: str, entry: str, body: DAG) -> Node:
        """A node that runs ``body`` for each element of ``entry``."""
        topology = body.topology()
        first, last = topology.nodes[0], topology.nodes[-1]
        taking = [p.name for p in first.parameters if p.source == ELEMENT]
        if not taking:
            raise GraphError(f"{name} is a DAG whose source, {first.name}, has no parameter for the element.")
        options = replace(node.options, each={taking[0]: entry})
        if len(topology) == 1 and not first.options.each and first.body is None:
            own = [replace(p, source=entry) if p.name == taking[0] else p for p in first.parameters]
            options = replace(options, effect=first.options.effect)
            return Node(name, first.fn, tuple(own), options, node.place)
        taken = Parameter(taking[0], source=entry)
        return Node(name, last.fn, (taken, *self._depends(name, topology)), options, node.place, topology)

    def _depends(self, name: str, body: Topology) -> Iterator[Parameter]:
        """All else that a mapped graph depends on, as parameters: functions, wiring, what its nodes are given."""
        place = f"{self.path}{name}.body"
        self.parameters[place] = [(n.name, n.fn, [(p.name, p.source) for p in n.parameters]) for n in body.nodes]
        yield Parameter(place, source=place)
        for source in dict.fromkeys(p.source for node in body.nodes for p in node.parameters):
            if isinstance(source, str) and source in self.parameters:
                yield Parameter(source, source=source)


def _each(level: _Level, node: Node) -> dict[str, str]:
    """What the parameters of a mapped function are mapped over, by the names of the flat DAG."""
    return {p: level.prefix + source if source in level.dag else source for p, source in node.options.each.items()}


def _check_collection(name: str, entry: Output) -> None:
    kind = get_origin(entry.type) or entry.type
    if kind is UNKNOWN or not isinstance(kind, type) or issubclass(kind, list | dict | tuple):
        return
    raise GraphError(
        f"{name} is mapped over {entry.name}, which must be a list or a dict, and returns {said(entry.type)}. "
        "Return list(...) there."
    )


def _element(collection: Any) -> Any:
    """The type of the elements of a list, or of the values of a dict."""
    kind, inside = get_origin(collection), get_args(collection)
    if kind is list and inside:
        return inside[0]
    return inside[1] if kind is dict and inside else UNKNOWN


def _list_of(returns: Any) -> Any:
    return UNKNOWN if returns is UNKNOWN else list[returns]


def _collection(source: Any, returns: Any) -> Any:
    """The type of what a mapped DAG gives, for what it is mapped over."""
    kind: Any = get_origin(source) or source
    inside = get_args(source)
    if returns is UNKNOWN:
        return kind if kind in (list, dict) else UNKNOWN
    if kind is dict:
        return kind[inside[0], returns] if inside else kind
    return _list_of(returns) if kind is list else UNKNOWN
