"""Which process a run belongs to, and whether it still lives: told apart from a later process of the same number."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

UNKNOWN = "?"

SILENCE = 60.0
"""Seconds after which a process on another machine, of which nothing was heard, counts as dead."""


def this_process() -> dict[str, str | int]:
    """The process that asks: what :func:`alive` needs to find it again."""
    return {"host": platform.node(), "boot": _boot(), "pid": os.getpid(), "began": _began(os.getpid())}


def alive(owner: Mapping[str, Any], silent: float = 0.0) -> bool:
    """Whether the owner of a run is still there. ``silent`` is for how many seconds nothing was heard of it.

    A process of this machine is looked up; on another one its last sign of life must do.
    """
    if owner.get("host") != platform.node():
        return silent <= SILENCE
    if owner.get("boot") != _boot():
        return False
    began = _began(int(owner.get("pid", 0)))
    return bool(began) and (UNKNOWN in (began, owner.get("began")) or began == owner.get("began"))


def title(owner: Mapping[str, Any]) -> str:
    """What to call an owner in a message."""
    where = "" if owner.get("host") == platform.node() else f" on {owner.get('host')}"
    return f"process {owner.get('pid')}{where}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _began(pid: int) -> str:
    """When a process began, as text that no later one of its number has; "" when there is none, or only its corpse."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _asked(pid) if not Path("/proc/self/stat").exists() else ""
    return "" if after_name[0] in "ZX" else after_name[19]


def _asked(pid: int) -> str:
    command = ["ps", "-o", "state=,lstart=", "-p", str(pid)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.split(maxsplit=1)
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return said[1].strip() if len(said) > 1 and not said[0].startswith("Z") else ""
