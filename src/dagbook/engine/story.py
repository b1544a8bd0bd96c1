"""What a run tells of one node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dagbook.engine.events import Kind
from dagbook.engine.ports import Record
from dagbook.fingerprint.key import Change
from dagbook.fingerprint.parts import Part


@dataclass(slots=True)
class Story:
    """Why a node ran, or did not, in one run. ``how`` is its last event; ``changed`` whether its value changed."""

    name: str
    run: int
    how: Kind = Kind.NODE_QUEUED
    changes: tuple[Change, ...] = ()
    first: bool = False
    forced: bool = False
    changed: bool = False
    previous: Record | None = None
    record: Record | None = None
    error: Mapping[str, Any] | None = None
    reason: str = ""
    inputs: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
