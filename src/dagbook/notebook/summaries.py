"""What values are and what has changed, in the few characters that a card has, and in the longer form of the details.

Never the value: only numbers and truth values are short and harmless enough to be shown themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dagbook.engine.ports import Record, Summary
from dagbook.fingerprint.key import Change
from dagbook.fingerprint.parts import known

_NUMBER = re.compile(r"(u?int|float|complex|bool)[0-9_]*|Decimal|Fraction")
_WRITTEN = re.compile(r"True|False|[-+]?(\d[\d_]*(\.\d*)?(e[-+]?\d+)?|inf|nan)", re.IGNORECASE)
_ESTIMATORS = ("Regressor", "Classifier", "Regression", "Pipeline", "Estimator", "SearchCV")
_LONGEST = 24


def meta(summary: Summary) -> str:
    """For the second line of a card: ``327k × 20``, ``list of 3``, ``figure``, ``0.412``."""
    number = scalar(summary)
    if number:
        return number
    kind = summary.type
    if len(summary.shape) > 1:
        return " × ".join(short(n) for n in summary.shape)
    if summary.shape:
        return f"{kind} of {short(summary.shape[0])}"
    if kind == "Figure":
        return "figure"
    return "estimator" if kind.endswith(_ESTIMATORS) else kind


def shape(summary: Summary) -> str:
    """For details: ``327,346 × 20``; the number itself for a number."""
    return " × ".join(f"{n:,}" for n in summary.shape) or scalar(summary)


def scalar(summary: Summary) -> str:
    """A number or truth value as text, else ""."""
    text = summary.text
    if not text or not _NUMBER.fullmatch(summary.type) or not is_plain(text):
        return ""
    return f"{float(text):.3g}" if "." in text else text


def is_plain(text: str) -> bool:
    """Whether ``text`` is nothing, or a short number or truth value."""
    return not text or (len(text) < _LONGEST and _WRITTEN.fullmatch(text) is not None)


def short(n: int) -> str:
    """A count as a card has room for it: ``3,322``, ``26k``, ``327k``, ``1.23M``."""
    if n < 10_000:
        return f"{n:,}"
    value, unit = _scaled(float(n), ("", "k", "M", "G", "T"))
    if unit == "k":
        return f"{value:.0f}k"
    return f"{value:.0f}{unit}" if value >= 99.95 else f"{value:.1f}{unit}" if value >= 9.995 else f"{value:.2f}{unit}"


def size(count: int) -> str:
    """Bytes for people: ``51.2 MB``; "" when not known."""
    if count <= 0:
        return ""
    value, unit = _scaled(float(count), ("B", "kB", "MB", "GB", "TB"))
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def _scaled(value: float, units: Sequence[str]) -> tuple[float, str]:
    at = 0
    while value >= 999.5 and at + 1 < len(units):
        value, at = value / 1000, at + 1
    return value, units[at]


def duration(seconds: float) -> str:
    """``0.4 s``, ``24.3 s``, ``1:52``, as the page writes it."""
    if seconds < 59.95:
        return f"{max(0.0, seconds):.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def value_facts(record: Record) -> dict[str, Any]:
    """The type, shape and size of a record's value; never the value."""
    summary = record.summary
    return {
        "meta": safe(meta(summary)),
        "shape": safe(shape(summary)),
        "type": safe(summary.type),
        "size": size(summary.size or (record.blob.size if record.blob else 0)),
        "opaque": bool(record.key) and not known(record.key),
    }


def safe(text: str) -> str:
    """``text`` that every encoder takes: half of a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def discreet(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes without texts of values, but for numbers, truth values and versions."""
    return tuple(map(_discreet, changes))


def _discreet(change: Change) -> Change:
    if change.kind in ("package", "python", "missing") or all(map(is_plain, (change.before, change.after))):
        return change
    return replace(change, before="", after="")


def cause(change: Change) -> str:
    """``code, 2 lines``: what has changed, in a few words."""
    return _subject(change) + _lines(change)


def short_change(change: Change) -> str:
    """``code changed, 2 lines``: the same with its verb."""
    return f"{_subject(change)} {'is new' if change.what == 'added' else 'changed'}{_lines(change)}"


def _subject(change: Change) -> str:
    if change.kind in ("code", "seed"):
        return change.kind
    return safe(change.name if change.kind in ("constant", "file") else f"{change.kind} {change.name}")


def _lines(change: Change) -> str:
    return f", {change.lines} line{'s' if change.lines != 1 else ''}" if change.lines else ""
