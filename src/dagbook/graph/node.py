"""A node: a named computation, where it is written, and its options."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from math import isfinite
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from dagbook.errors import GraphError, ReservedNameError, did_you_mean, nearest

if TYPE_CHECKING:
    from dagbook.graph.topology import Topology

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS_ATTRIBUTE = "__dagbook_node__"
"""Where ``@node`` leaves the options on the plain function."""

RESERVED = frozenset({"dag", "self", "cls"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is written. ``cell`` is how the user knows it (``cell 3``), ``cell_id`` a hint, never identity."""

    cell: str = ""
    cell_id: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.cell}, line {self.line}" if self.cell and self.line else self.cell


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What a node asks for. Everything has a default.

    ``each`` makes a mapped node: parameter → the node (or graph input) that gives a list or dict; two entries are
    zipped. ``watch`` are files, directories or globs that count as read. ``inputs`` is ``"check"`` (a node that
    changes an input in place fails) or ``"copy"`` (it gets copies). ``retries`` further attempts after a failure, the
    first after ``backoff`` seconds at most (half of it at least), each later one after twice as long; ``timeout`` of
    one attempt, in seconds. ``cost`` in any unit ranks what is ready; ``resources`` are what the node takes of a run's
    capacities while it runs. ``tags`` and ``type`` are for selecting. ``seed`` is mixed into the node's random seed;
    None leaves the global generators alone. ``main`` keeps the node on the cell's own thread; ``process`` has its
    function called in a process of its own.
    ``effect`` says that it does something outside (sends, pays, deletes): it is never called again unasked when a call
    may have been made already.
    """

    each: Mapping[str, str] = field(default_factory=dict)
    watch: tuple[str, ...] = ()
    inputs: str = "check"
    retries: int = 0
    timeout: float | None = None
    tags: tuple[str, ...] = ()
    type: str | None = None
    seed: int | None = 0
    main: bool = False
    cost: float | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    backoff: float = 0.0
    process: bool = False
    effect: bool = False

    @classmethod
    def of(cls, **given: Any) -> NodeOptions:
        """Options from keywords, checked. Raises GraphError that names the option."""
        if not given:
            return DEFAULTS
        known = {f.name for f in fields(cls)}
        for name in given:
            if name not in known:
                raise GraphError(f"a node has no option {name!r}{did_you_mean(nearest(name, known))}")
        for name in ("watch", "tags"):
            if name in given:
                given[name] = _texts(name, given[name])
        if given.get("resources", ()) is None:
            del given["resources"]
        options = cls(**given)
        options._check()
        return options

    def _check(self) -> None:
        if not isinstance(self.each, Mapping) or not all(
            isinstance(k, str) and isinstance(v, str) for k, v in self.each.items()
        ):
            _refuse("each", 'a dict from a parameter to a node, like each={"file": "files"}', self.each)
        if self.inputs not in ("check", "copy"):
            _refuse("inputs", '"check" or "copy"', self.inputs)
        if not isinstance(self.retries, int) or isinstance(self.retries, bool) or self.retries < 0:
            _refuse("retries", "a whole number from 0 up", self.retries)
        if self.timeout is not None and (not _number(self.timeout) or self.timeout <= 0):
            _refuse("timeout", "a number of seconds above 0", self.timeout)
        if self.type is not None and not isinstance(self.type, str):
            _refuse("type", "a text, or None", self.type)
        if self.seed is not None and not isinstance(self.seed, int):
            _refuse("seed", "a whole number, or None to opt out", self.seed)
        if self.cost is not None and (not _number(self.cost) or self.cost < 0):
            _refuse("cost", "a number from 0 up", self.cost)
        if not _number(self.backoff) or self.backoff < 0:
            _refuse("backoff", "a number of seconds from 0 up", self.backoff)
        if not isinstance(self.process, bool):
            _refuse("process", "True or False", self.process)
        if not isinstance(self.effect, bool):
            _refuse("effect", "True or False", self.effect)
        if self.process and self.main:
            raise GraphError("a node runs in a process (process=True) or on the cell's thread (main=True), not both.")
        if not isinstance(self.resources, Mapping) or not all(
            isinstance(k, str) and _number(v) and v >= 0 for k, v in self.resources.items()
        ):
            _refuse("resources", 'a dict from a name to a number from 0 up, like resources={"gpu": 1}', self.resources)


def _texts(option: str, given: Any) -> tuple[str, ...]:
    texts = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(text, str) for text in texts):
        _refuse(option, f'a text or several, like {option}=["a", "b"]', given)
    return texts


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _refuse(option: str, wanted: str, given: object) -> NoReturn:
    raise GraphError(f"a node's option {option}=… is {wanted}, not {given!r}.")


DEFAULTS = NodeOptions()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a node's function that the graph may give a value to.

    ``source`` is what it is bound by: a node or graph input, or a tuple of nodes whose values come as a list; by
    default what has the parameter's own name.
    """

    name: str
    keyword: bool = False
    optional: bool = False
    source: str | tuple[str, ...] = ""


def no_function(*_: Any, **__: Any) -> NoReturn:
    """The function of a bare node: a name in a graph, for which a run is given a task."""
    raise GraphError("this node has no function of its own. Give it one: `tasks={name: function}`, or define it.")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A named computation. ``parameters`` name its inputs, in the order of the function's signature.

    A node with a ``body`` has a graph in the place of a function: it is run once for each element that is mapped over.
    """

    name: str
    fn: Callable[..., Any] = no_function
    parameters: tuple[Parameter, ...] = ()
    options: NodeOptions = DEFAULTS
    place: Place = NOWHERE
    body: Topology | None = None

    @classmethod
    def of(
        cls,
        fn: Callable[..., Any],
        name: str | None = None,
        options: NodeOptions | None = None,
        place: Place | None = None,
    ) -> Node:
        """A node of a plain or a coroutine function. Raises GraphError when it cannot be one."""
        name = name or str(getattr(fn, "__name__", ""))
        check_name(name, place)
        chosen = options if options is not None else options_of(fn)
        if inspect.isasyncgenfunction(fn):
            raise GraphError(
                f"{name}{_at(place)} is an async generator, which has no one value. "
                "Collect its items: `return [item async for item in …]`."
            )
        parameters = parameters_of(fn)
        for each in chosen.each:
            if each not in {p.name for p in parameters}:
                raise GraphError(f"{name}{_at(place)}: each= names {each!r}, which is no parameter of {name}.")
        return cls(name, fn, parameters, chosen, place or NOWHERE)

    @property
    def bare(self) -> bool:
        """Whether it has no function of its own."""
        return self.fn is no_function


def options_of(fn: Callable[..., Any]) -> NodeOptions:
    """What ``@node`` left on a function; the defaults without it."""
    options = getattr(fn, OPTIONS_ATTRIBUTE, DEFAULTS)
    return options if isinstance(options, NodeOptions) else DEFAULTS


def parameters_of(fn: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of anything callable, in order; none for a builtin that does not tell."""
    if type(fn) is FunctionType and not fn.__dict__.keys() & _REPLACED:
        return _plain_parameters(fn)  # the same as below, twenty times faster
    return _builtin_parameters(fn) if type(fn) in (type, BuiltinFunctionType) else _signature_parameters(fn)


def _signature_parameters(fn: Callable[..., Any]) -> tuple[Parameter, ...]:
    kinds = inspect.Parameter
    try:
        signature = inspect.signature(fn)
    except ValueError:
        return ()
    except TypeError:
        raise GraphError(f"a node's function is something that can be called, not {fn!r}.") from None
    return tuple(
        Parameter(p.name, p.kind is kinds.KEYWORD_ONLY, p.default is not kinds.empty)
        for p in signature.parameters.values()
        if p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    )


_builtin_parameters = lru_cache(64)(_signature_parameters)

_REPLACED = frozenset({"__wrapped__", "__signature__", "__text_signature__"})
"""What a function may carry that says more of its parameters than its own code."""


def _plain_parameters(fn: FunctionType) -> tuple[Parameter, ...]:
    code, keyword_defaults = fn.__code__, fn.__kwdefaults__ or {}
    count, names = code.co_argcount, code.co_varnames
    required = count - len(fn.__defaults__ or ())
    positional = [Parameter(names[n], False, n >= required) for n in range(count)]
    only = names[count : count + code.co_kwonlyargcount]
    return (*positional, *(Parameter(name, True, name in keyword_defaults) for name in only))


def check_label(name: object) -> None:
    """Raise GraphError unless ``name`` can be an explicit node's: any text that is not empty."""
    if not isinstance(name, str) or not name:
        raise GraphError(f"a node's name is a text that is not empty, not {name!r}.")


def _at(place: Place | None) -> str:
    return f" ({place})" if place and str(place) else ""


def check_name(name: str, place: Place | None = None) -> None:
    """Raise ReservedNameError unless ``name`` can be a node's."""
    at = _at(place)
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ReservedNameError(f"{name!r}{at} cannot be a node: its name must be a Python name.")
    if name in RESERVED:
        raise ReservedNameError(
            f"a node cannot be called {name!r}{at}: that name is dagbook's own here. Rename the function."
        )
    if name.startswith("__") and name.endswith("__"):
        raise ReservedNameError(f"a node cannot be called {name!r}{at}: such names are Python's own. Rename it.")


@overload
def node(fn: F, /) -> F: ...
@overload
def node(fn: None = None, /, **options: Any) -> Callable[[F], F]: ...


def node(fn: F | None = None, /, **options: Any) -> F | Callable[[F], F]:
    """Mark a function as a node; it stays callable as plain Python.

    ``@node`` alone, or with the options of :class:`NodeOptions`: ``@node(each={"file": "files"})`` makes one child
    for each element of what the node ``files`` returns. Raises GraphError for an unknown option.
    """
    chosen = NodeOptions.of(**options)

    def mark(function: F) -> F:
        setattr(function, OPTIONS_ATTRIBUTE, chosen)
        return function

    return mark if fn is None else mark(fn)
