"""Parameters bound to the outputs above them by type: what fits exactly one thing is bound, nothing is ever guessed."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dagbook.errors import AmbiguousInputError, MissingInputError

Source = str | tuple[str, ...]
"""What a parameter is bound to: one node, or several whose values it gets as a list."""


@dataclass(frozen=True, slots=True)
class _Unresolved:
    """An annotation whose names cannot be found: it is equal only to the same text in the same module."""

    text: str
    module: str

    def __str__(self) -> str:
        return self.text


UNKNOWN: Any = inspect.Parameter.empty
"""The type of what carries no annotation, or ``Any``."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter that wants a value."""

    name: str
    type: Any = UNKNOWN
    optional: bool = False
    keyword: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """A node above, and the type of its value."""

    name: str
    type: Any = UNKNOWN


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives."""

    slots: tuple[Slot, ...]
    returns: Any = UNKNOWN


def signature(fn: Callable[..., Any]) -> Signature:
    """The parameters and types of a function; annotations that are strings are resolved where it was written."""
    found = inspect.signature(fn)
    hints = _hints(fn)
    kinds = inspect.Parameter
    slots = [
        Slot(p.name, hints.get(p.name, UNKNOWN), p.default is not kinds.empty, p.kind is kinds.KEYWORD_ONLY)
        for p in found.parameters.values()
        if p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    ]
    return Signature(tuple(slots), hints.get("return", UNKNOWN))


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    function = _function(inspect.unwrap(fn))
    names, module = _names(function), str(getattr(function, "__module__", ""))
    return {name: _resolved(a, names, module) for name, a in inspect.get_annotations(function).items()}


def _function(target: Any) -> Any:
    """Where the annotations of something callable stand: in a class's ``__init__``, in an object's ``__call__``."""
    if isinstance(target, partial):
        return _function(inspect.unwrap(target.func))
    if inspect.isclass(target):
        return target.__init__
    return target if inspect.isroutine(target) else type(target).__call__


def _names(function: Any) -> dict[str, Any]:
    """What the names in a function's annotations mean: its module, and the variables that it has captured."""
    names = dict(getattr(function, "__globals__", {}))
    try:
        names.update(inspect.getclosurevars(function).nonlocals)
    except (TypeError, ValueError):
        pass  # it is not written in Python, or has captured a variable without a value
    return names


def _resolved(annotation: Any, names: dict[str, Any], module: str) -> Any:
    holder = type("holder", (), {"__annotations__": {"it": annotation}})
    try:
        found = typing.get_type_hints(holder, names, {})["it"]
    except (NameError, AttributeError, SyntaxError, TypeError):
        return _Unresolved(str(annotation).replace(" ", ""), module)
    return UNKNOWN if found is Any else found


def wire(node: str, slots: Sequence[Slot], above: Sequence[Output]) -> dict[str, Source]:
    """What each slot is bound to; slots that nothing above fits are left out.

    The first rule that fits decides: an output of the same name (and of no other type); the one output of exactly this
    type; for ``list[X]``, all outputs of type ``X``; and, where one required slot and one output are left of which
    either says nothing of its type, these two. A slot with a default gets only what no other slot has taken. Raises
    AmbiguousInputError when two outputs fit one slot, and MissingInputError when an output fits none of the slots that
    still lack a value.
    """
    bound: dict[str, Source] = {}
    unused = list(above)
    for optional in (False, True):
        offered = unused if optional else above
        for slot in slots:
            source = (_named(slot, offered) or _typed(node, slot, offered)) if slot.optional is optional else None
            if source:
                bound[slot.name] = source
        used = {name for source in bound.values() for name in ([source] if isinstance(source, str) else source)}
        unused = [output for output in above if output.name not in used]
    lacking = [slot for slot in slots if slot.name not in bound and not slot.optional]
    if unused and lacking:
        bound[lacking[0].name] = _left_over(node, lacking, unused)
    return bound


def _named(slot: Slot, above: Sequence[Output]) -> str:
    return next((o.name for o in above if o.name == slot.name and _may_be(slot.type, o.type)), "")


def _typed(node: str, slot: Slot, above: Sequence[Output]) -> Source | None:
    if slot.type is UNKNOWN:
        return None
    exact = [output.name for output in above if output.type == slot.type]
    element = element_type(slot.type)
    parts = [output.name for output in above if element is not UNKNOWN and output.type == element]
    if len(exact) > 1 or (exact and parts):
        names = " and ".join([*exact, *parts])
        hint = f", or ask for all of them with `{slot.name}: list[{said(slot.type)}]`" if not parts else ""
        raise AmbiguousInputError(
            f"{node}: parameter {slot.name!r} ({said(slot.type)}) could be the value of {names}. Give the parameter "
            f"the name of the node that it means{hint}."
        )
    if exact:
        return exact[0]
    return tuple(parts) if parts else None


def _left_over(node: str, slots: Sequence[Slot], outputs: Sequence[Output]) -> str:
    slot, output = slots[0], outputs[0]
    if len(slots) == len(outputs) == 1 and _may_be(slot.type, output.type):
        return output.name
    wanted = ", ".join(f"{s.name}: {said(s.type)}" for s in slots)
    offered = ", ".join(f"{o.name} → {said(o.type)}" for o in outputs)
    raise MissingInputError(
        f"{node}: nothing above has a value for ({wanted}); what is left above is ({offered}). Annotate the parameter "
        "with exactly the type that the function above returns, or give it the name of that node."
    )


def _may_be(wanted: Any, given: Any) -> bool:
    """Whether a value of the one type can be what the other asks for, as far as they say."""
    if wanted is UNKNOWN or given is UNKNOWN or wanted == given:
        return True
    outer, inner = typing.get_origin(wanted) or wanted, typing.get_origin(given) or given
    if outer != inner or outer not in (list, dict, tuple, set, frozenset):
        return False
    some, others = typing.get_args(wanted), typing.get_args(given)
    return not some or not others or all(a == b or Any in (a, b) for a, b in zip(some, others, strict=False))


def element_type(annotation: Any) -> Any:
    """``X`` of ``list[X]``, else UNKNOWN."""
    if typing.get_origin(annotation) is not list:
        return UNKNOWN
    (element,) = typing.get_args(annotation)
    return UNKNOWN if element is Any else element


def said(annotation: Any) -> str:
    """A type as one would write it."""
    if annotation is UNKNOWN:
        return "no type"
    if typing.get_origin(annotation) is None and isinstance(annotation, type):
        return annotation.__qualname__.rpartition(".")[2]
    return str(annotation).replace("typing.", "")
