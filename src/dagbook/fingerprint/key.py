"""The key of a node's result, and the difference of two keys in words."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xxhash import xxh3_128_digest

from dagbook.fingerprint.digests import join, leaf
from dagbook.fingerprint.parts import SIZE, Digest, Part, known, unknown

if TYPE_CHECKING:
    from dagbook.fingerprint.code import Reach

Named = tuple[str, Digest]

_NOTHING: Mapping[str, str] = {}

_ORDER = (
    "code",
    "missing",
    "helper",
    "class",
    "constant",
    "module",
    "default",
    "closure",
    "parameter",
    "input",
    "file",
    "package",
    "option",
    "seed",
    "python",
)
_RANKS = {kind: rank for rank, kind in enumerate(_ORDER)}

_BINDINGS = frozenset({"helper", "class", "constant", "module", "missing"})
"""The kinds of what a global name means; a name that changes its kind is still the same name."""

_VERSIONED = frozenset({"package", "python"})


def stem(code: Digest, names: Iterable[str]) -> Digest:
    """The part of a key that stays when only values change: the code, and what each value will be called."""
    return join("stem", [code, *(leaf("name", name) for name in names)])


def combine(stem: Digest, values: Sequence[Digest]) -> Digest:
    """The key for these values, in the order of the names that ``stem`` was made of; unknown when any of them is."""
    data = stem + b"".join(values)
    if len(data) != SIZE * (1 + len(values)):
        return unknown()
    return xxh3_128_digest(b"key\1" + data)


class Stem:
    """What stays of a node's keys while only values change: what its code reaches, and what each value is called.

    ``named`` are the kind and the name of each value, in the order in which :meth:`key` will be given them. Make it
    once for a node; it is good for as long as ``reach`` is.
    """

    __slots__ = ("_digest", "named", "reach")

    def __init__(self, reach: Reach, named: Iterable[tuple[str, str]] = ()) -> None:
        self.reach = reach
        self.named = tuple(named)
        self._digest = stem(reach.digest, map(" ".join, self.named))

    def key(self, values: Sequence[Digest], texts: Mapping[str, str] = _NOTHING) -> Key:
        """The key for these values; it equals no other when any of them, or the code, is unknown."""
        return Key(combine(self._digest, values), self, values, texts)


class Key:
    """The digest of all that a result depends on, and its parts."""

    __slots__ = ("_stem", "_texts", "_values", "digest")

    def __init__(self, digest: Digest, stem: Stem, values: Sequence[Digest], texts: Mapping[str, str]) -> None:
        self.digest = digest
        self._stem = stem
        self._values = tuple(values)
        self._texts = texts

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that it was made of, by name. Made anew each time: few keys are ever looked into."""
        pairs = zip(self._stem.named, self._values, strict=True)
        values = (Part(kind, name, digest, text=self._texts.get(name, "")) for (kind, name), digest in pairs)
        return (*self._stem.reach.parts, *values)


def make_key(
    reach: Reach,
    inputs: Sequence[Named],
    parameters: Sequence[Named] = (),
    options: Sequence[Named] = (),
    seed: Digest | None = None,
    texts: Mapping[str, str] = _NOTHING,
) -> Key:
    """The key of a result. ``texts`` are what people may read of values, by name (``{"n": "10"}``)."""
    kinds = {"input": inputs, "parameter": parameters, "option": options, "seed": [("seed", seed)] if seed else []}
    named = [(kind, name) for kind, pairs in kinds.items() for name, _ in pairs]
    return Stem(reach, named).key([digest for pairs in kinds.values() for _, digest in pairs], texts)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs between two keys.

    ``what`` is ``changed``, ``added``, ``removed``, or ``unknown`` (it cannot be compared). ``lines`` is how many lines
    of its text differ. ``before`` and ``after`` are short texts of it, where they tell the difference.
    """

    kind: str
    name: str
    what: str
    where: str = ""
    lines: int = 0
    before: str = ""
    after: str = ""


def difference(old: Sequence[Part], new: Sequence[Part]) -> tuple[Change, ...]:
    """What differs between the parts of two keys, the most telling first."""
    before, after = _identified(old), _identified(new)
    changes = [
        _change(before.get(identity), part)
        for identity, part in after.items()
        if identity not in before or before[identity].kind != part.kind or not _same(before[identity], part)
    ]
    changes += [_removed(part) for identity, part in before.items() if identity not in after]
    return tuple(sorted(changes, key=lambda change: _RANKS.get(change.kind, len(_RANKS))))


def _identified(parts: Sequence[Part]) -> dict[tuple[str, str], Part]:
    """The parts by what makes two of them the same thing at two times."""
    found: dict[tuple[str, str], Part] = {}
    captured = 0
    for part in parts:
        if part.kind == "code":
            found["code", ""] = part
        elif part.kind == "closure":  # a captured variable may be renamed
            found["closure", str(captured)] = part
            captured += 1
        elif part.kind in _VERSIONED:
            found[part.kind, "" if part.kind == "python" else part.name.partition(" ")[0]] = part
        else:
            found["name" if part.kind in _BINDINGS else part.kind, part.name] = part
    return found


def _change(old: Part | None, new: Part) -> Change:
    if not known(new.digest):
        return Change(new.kind, new.name, "unknown", new.where)
    if old is None:
        return Change(new.kind, new.name, "added", new.where, after=new.text if _is_literal(new.text) else "")
    if new.kind == "missing":
        return Change("missing", new.name, "added", old.where, before=old.kind)
    if old.kind == "missing":
        return Change("missing", new.name, "removed", new.where, after=new.kind)
    if new.kind in _VERSIONED:
        return Change(new.kind, new.name, "changed", before=_version(old), after=_version(new))
    if _is_literal(new.text) and old.text != new.text:
        before = old.text if _is_literal(old.text) else ""
        return Change(new.kind, new.name, "changed", new.where, 0, before, new.text)
    return Change(new.kind, new.name, "changed", new.where, lines_changed(old.text, new.text))


def _same(old: Part, new: Part) -> bool:
    return known(new.digest) and old.digest == new.digest


def _removed(old: Part) -> Change:
    return Change(old.kind, old.name, "removed", old.where)


def _version(part: Part) -> str:
    return part.name if part.kind == "python" else part.name.partition(" ")[2]


def _is_literal(text: str) -> bool:
    """Whether a text is the whole of a constant, not source code and not the name of a type."""
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def lines_changed(old: str, new: str) -> int:
    """How many lines of code differ, comments and blank lines aside; 0 when a text is not known."""
    if not old or not new:
        return 0
    from difflib import SequenceMatcher  # seldom needed

    matcher = SequenceMatcher(None, _code_lines(old), _code_lines(new), autojunk=False)
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal")


def _code_lines(text: str) -> list[str]:
    """The lines of a source text that hold code, without comments."""
    lines = text.splitlines()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    except (tokenize.TokenError, SyntaxError):
        pass  # a piece of a file need not be whole
    return [line.rstrip() for line in lines if line.strip()]


def sentence(change: Change) -> str:
    """The change as a clause without the node's name: ``helper `_scale` changed (1 line, cell 2)``."""
    if change.what == "unknown":
        return f"{_subject(change)} cannot be compared{_details(change)}"
    said = {"package": _said_of_version, "python": _said_of_version, "missing": _said_of_missing}.get(change.kind)
    if said is not None:
        return said(change)
    if change.kind == "parameter" and change.what != "removed" and change.after:
        return f"parameter `{change.name}` was set to {change.after}"
    if change.what == "added":
        return f"{_subject(change)} is used now{_details(change)}"
    if change.what == "removed":
        return f"{_subject(change)} is no longer used{_details(change)}"
    values = f" from {change.before} to {change.after}" if change.before and change.after else ""
    if change.kind == "module" and "." in change.name:
        module = change.name.rpartition(".")[0]
        return f"module `{module}` changed{_details(change, f'`{change.name}`{values}')}"
    return f"{_subject(change)} changed{values}{_details(change)}"


def _said_of_version(change: Change) -> str:
    name = "Python" if change.kind == "python" else change.name.partition(" ")[0]
    if change.what == "changed":
        return f"{name} went from {change.before} to {change.after}"
    whole = f"Python {change.name}" if change.kind == "python" else change.name
    return f"{whole} is used now" if change.what == "added" else f"{whole} is no longer used"


def _said_of_missing(change: Change) -> str:
    if change.what == "added":
        return f"`{change.name}` is {'no longer' if change.before else 'not'} defined"
    return f"`{change.name}` is {'defined now' if change.after else 'no longer used'}"


def _subject(change: Change) -> str:
    if change.kind == "code":
        return "its code"
    return "the seed" if change.kind == "seed" else f"{change.kind} `{change.name}`"


def _details(change: Change, first: str = "") -> str:
    lines = f"{change.lines} line{'s' if change.lines > 1 else ''}" if change.lines else ""
    details = [each for each in (first, lines, change.where) if each]
    return f" ({', '.join(details)})" if details else ""
