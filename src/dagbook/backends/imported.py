"""Whether a worker process imports the same code that its caller has.

Functions of a notebook travel by value, but those of the project's modules by name: a worker imports them from their
files, which may have been edited since the caller did, or had been edited before the caller loaded them again. What
would run then is not what the caller's key stands for; so both sides compare what they reach.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from dagbook.fingerprint.code import reach
from dagbook.fingerprint.parts import Digest, Part, known

_BY_NAME = frozenset({"code", "helper", "class", "constant"})
_DATA = frozenset({"bytes", "dict", "frozenset", "int", "list", "set", "str", "tuple"})


def reached(function: Any) -> dict[str, Digest]:
    """The functions, classes and plain data that a worker would have to import for ``function``, by name."""
    by_name = _is_imported(function)
    parts = [part for part in reach(function).parts if part.kind == "module" or (by_name and part.kind in _BY_NAME)]
    return {part.name: part.digest for part in parts if known(part.digest) and _is_told(part)}


def differing(function: Any, code: Mapping[str, Digest]) -> list[str]:
    """What is in ``code``, as :func:`reached` said elsewhere, and is something else here."""
    here = {part.name: part.digest for part in reach(function).parts} if code else {}
    return [name for name, digest in code.items() if here.get(name, digest) != digest]


def _is_imported(function: Any) -> bool:
    module, found = getattr(function, "__module__", None), sys.modules.get(getattr(function, "__module__", None) or "")
    if found is None or module == "__main__":
        return False
    return getattr(found, getattr(function, "__qualname__", ""), None) is function


def _is_told(part: Part) -> bool:
    """Not modules as such, and not data that is another in each process, like loggers."""
    return bool(part.where) or part.text in _DATA or not part.text.isidentifier()
