"""A node: a named computation, where it is written, and its options."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, overload

from dagbook.errors import GraphError, ReservedNameError, did_you_mean, nearest

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


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What a node asks for. Everything has a default.

    ``each`` makes a mapped node: parameter → the node (or graph input) that gives a list or dict; two entries are
    zipped. ``watch`` are files, directories or globs that count as read. ``inputs`` is ``"check"`` (a node that
    changes an input in place fails) or ``"copy"`` (it gets copies). ``retries`` further attempts after a failure;
    ``timeout`` in seconds. ``tags`` and ``type`` are for selecting. ``seed`` is mixed into the node's random seed;
    None leaves the global generators alone. ``main`` keeps the node on the cell's own thread.
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

    @classmethod
    def of(cls, **given: Any) -> NodeOptions:
        """Options from keywords, checked. Raises GraphError that names the option."""
        known = {f.name for f in fields(cls)}
        for name in given:
            if name not in known:
                raise GraphError(f"@node has no option {name!r}{did_you_mean(nearest(name, known))}")
        for name in ("watch", "tags"):
            if name in given:
                value = given[name]
                given[name] = (value,) if isinstance(value, str) else tuple(value)
        options = cls(**given)
        options._check()
        return options

    def _check(self) -> None:
        if not isinstance(self.each, Mapping) or not all(
            isinstance(k, str) and isinstance(v, str) for k, v in self.each.items()
        ):
            raise GraphError('@node(each=…) takes a dict from a parameter to a node, like each={"file": "files"}.')
        if self.inputs not in ("check", "copy"):
            raise GraphError(f'@node(inputs=…) is "check" or "copy", not {self.inputs!r}.')
        if not isinstance(self.retries, int) or self.retries < 0:
            raise GraphError(f"@node(retries=…) is a whole number from 0 up, not {self.retries!r}.")
        if self.timeout is not None and not self.timeout > 0:
            raise GraphError(f"@node(timeout=…) is a number of seconds above 0, not {self.timeout!r}.")
        if self.seed is not None and not isinstance(self.seed, int):
            raise GraphError(f"@node(seed=…) is a whole number, or None to opt out, not {self.seed!r}.")


DEFAULTS = NodeOptions()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a node's function that the graph may give a value to."""

    name: str
    keyword: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A named computation. ``parameters`` name its inputs, in the order of the function's signature."""

    name: str
    fn: Callable[..., Any]
    parameters: tuple[Parameter, ...] = ()
    options: NodeOptions = DEFAULTS
    place: Place = Place()

    @classmethod
    def of(
        cls,
        fn: Callable[..., Any],
        name: str | None = None,
        options: NodeOptions | None = None,
        place: Place | None = None,
    ) -> Node:
        """A node of a plain function. Raises GraphError when it cannot be one."""
        name = name or str(getattr(fn, "__name__", ""))
        check_name(name, place)
        chosen = options if options is not None else options_of(fn)
        at = f" ({place})" if place and str(place) else ""
        if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
            raise GraphError(
                f"{name}{at} is an async function; nodes are plain functions for now. "
                "Call it with asyncio.run(...) inside a plain function."
            )
        parameters = tuple(_parameters(fn))
        for each in chosen.each:
            if each not in {p.name for p in parameters}:
                raise GraphError(f"{name}{at}: each= names {each!r}, which is no parameter of {name}.")
        return cls(name, fn, parameters, chosen, place or Place())


def options_of(fn: Callable[..., Any]) -> NodeOptions:
    """What ``@node`` left on a function; the defaults without it."""
    options = getattr(fn, OPTIONS_ATTRIBUTE, DEFAULTS)
    return options if isinstance(options, NodeOptions) else DEFAULTS


def _parameters(fn: Callable[..., Any]) -> list[Parameter]:
    kinds = inspect.Parameter
    return [
        Parameter(p.name, p.kind is kinds.KEYWORD_ONLY, p.default is not kinds.empty)
        for p in inspect.signature(fn).parameters.values()
        if p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    ]


def check_name(name: str, place: Place | None = None) -> None:
    """Raise ReservedNameError unless ``name`` can be a node's."""
    at = f" ({place})" if place and str(place) else ""
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
