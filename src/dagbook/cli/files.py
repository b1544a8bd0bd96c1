"""Notebook files: read with clear words about what is wrong, and written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
from nbformat.validator import iter_validate

from dagbook.errors import UsageError, did_you_mean, nearest
from dagbook.storage.fs import FileSystem

NEWEST = 4
"""The notebook format that is written."""

_VIEW = "application/vnd.jupyter.widget-view+json"
_CONFLICT = re.compile(rb"^(<{7}|={7}|>{7})( |\r?$)", re.MULTILINE)
_OVERWRITTEN = re.compile(r"[^\n]*\r(?=[^\r\n])")


@dataclass(slots=True)
class Document:
    """A notebook that was read: its tree, the bytes that stood in the file, and what is to be said about it."""

    path: Path
    raw: bytes
    tree: Any
    remark: str = ""

    @property
    def kernel(self) -> str:
        """The kernel it asks for; empty when it asks for none."""
        return str(self.tree.metadata.get("kernelspec", {}).get("name") or "")


def read(path: Path) -> Document:
    """The notebook in the file. Raises UsageError for a file that is missing, or is no notebook."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        beside = [other.name for other in path.parent.glob("*.ipynb")]
        raise UsageError(f"there is no file {path}{did_you_mean(nearest(path.name, beside))}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    found = _parsed(path, raw)
    version = _version(path, found)
    tree, remark = _current(path, raw, version)
    _give_ids(tree)
    for where, what in _faults(tree):
        raise UsageError(
            f"{path} is a damaged notebook: {where}: {what}. Open it in Jupyter and save it again, or mend it by hand."
        )
    return Document(path, raw, tree, remark)


def check_writable(path: Path) -> None:
    """Raise UsageError when a notebook could not be written there: better now than after the run."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} to write {path.name} into.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder. Give the name of a file to write.")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder} cannot be written to. Use `--output` for a file elsewhere.")


def write(document: Document, path: Path) -> Path:
    """Write the notebook there, whole or not at all, and return where it is.

    Edits that somebody made in the notebook while it ran are not lost: then it is written beside it.
    """
    path = path.resolve()
    if path == document.path.resolve() and path.exists() and path.read_bytes() != document.raw:
        path = path.with_name(f"{path.stem}.ran.ipynb")
    _Modes(path).write(path, [text(document.tree).encode()])
    return path


def text(tree: Any) -> str:
    """The notebook as text, without what would differ after another run: widgets, times, how streams were cut."""
    tree.metadata.pop("widgets", None)
    for cell in tree.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = [output for output in _merged(cell.outputs) if _without_view(output)]
    return str(nbformat.v4.writes(tree)).rstrip("\n") + "\n"


def is_run(cell: Any) -> bool:
    """Whether a cell holds something to run."""
    return cell.cell_type == "code" and cell.source.strip() and "skip-execution" not in cell.metadata.get("tags", [])


# ---- reading ----


def _parsed(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        conflict = _CONFLICT.search(raw)
        if conflict:
            line = raw.count(b"\n", 0, conflict.start()) + 1
            what = f"a merge left its marks in it, on line {line}. Settle the conflict first"
        elif not raw.strip():
            what = "it is empty. Make a notebook in Jupyter, or restore the file"
        else:
            what = f"it is not JSON ({error}). Give the file that Jupyter saved, or restore it"
        raise UsageError(f"{path} is no notebook: {what}.") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no notebook: it holds {_kind(found)} where a notebook has its cells.")
    return found


def _version(path: Path, found: dict[str, Any]) -> int:
    version = found.get("nbformat")
    if not isinstance(version, int) or isinstance(version, bool):
        raise UsageError(f"{path} is no notebook: it does not say its format (`nbformat`). Was it made by Jupyter?")
    if version > NEWEST:
        raise UsageError(
            f"{path} is written in format {version}, and this dagbook knows notebooks up to format {NEWEST}. "
            "Update dagbook, or save the notebook in the older format."
        )
    if version < 1:
        raise UsageError(f"{path} is no notebook: there is no format {version}.")
    part = "cells" if version == NEWEST else "worksheets" if version > 1 else "cells"
    if not isinstance(found.get(part), list):
        raise UsageError(f"{path} is no notebook: it has no list of cells (`{part}`). Restore it, or make it anew.")
    return version


def _current(path: Path, raw: bytes, version: int) -> tuple[Any, str]:
    """The notebook in the newest format, and a remark when it was in an older one."""
    try:
        tree = nbformat.reader.reads(raw.decode("utf-8-sig"))
        if version == NEWEST:
            return tree, ""
        tree = nbformat.convert(tree, NEWEST)
    except (AttributeError, KeyError, TypeError, ValueError, nbformat.ValidationError) as error:
        raise UsageError(
            f"{path} is a damaged notebook: {error or type(error).__name__}. "
            "Open it in Jupyter and save it again, or restore it."
        ) from None
    for cell in tree.cells:
        del cell["id"]  # made up by chance
    return tree, f"{path.name} is in the old format {version}; what is written is in format {NEWEST}."


def _give_ids(tree: Any) -> None:
    """Cells that lack the id that their format demands get one, the same each time."""
    if tree.get("nbformat_minor", 0) < 5:
        return
    cells = [cell for cell in tree.cells if isinstance(cell, dict)]
    taken = {cell.get("id") for cell in cells}
    for number, cell in enumerate(cells, 1):
        if "id" not in cell:
            cell["id"] = next(i for n in range(len(cells) + 1) if (i := f"cell-{number}" + "-x" * n) not in taken)
            taken.add(cell["id"])


def _faults(tree: Any) -> Iterator[tuple[str, str]]:
    """Where the notebook breaks the rules of its format, and how."""
    minor = tree.get("nbformat_minor")
    if not isinstance(minor, int):
        yield "its format", "`nbformat_minor` is missing"
        return
    for number, cell in enumerate(tree.cells, 1):
        kind = cell.get("cell_type") if isinstance(cell, dict) else None
        if kind not in ("code", "markdown", "raw"):
            yield f"cell {number} of {len(tree.cells)}", f"it is {_kind(cell)}" if kind is None else f"type {kind!r}"
            continue
        for error in iter_validate(cell, ref=f"{kind}_cell", version=NEWEST, version_minor=minor):
            yield f"cell {number} of {len(tree.cells)}", _short(error)
    for error in iter_validate({**tree, "cells": []}, version=NEWEST, version_minor=minor):
        yield "outside its cells", _short(error)


def _short(error: Any) -> str:
    message = str(error.message)
    return message if len(message) <= 120 else f"{message[:60]} … {message[-50:]}"


def _kind(found: object) -> str:
    kinds = {dict: "an object without a type", list: "a list", str: "text", type(None): "nothing"}
    return kinds.get(type(found), "a number")


# ---- writing ----


class _Modes(FileSystem):
    """Writes a file with the permissions that it has; a new one, with those of any new file."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            self._mode = stat.S_IMODE(path.stat().st_mode)
        else:
            mask = os.umask(0)
            os.umask(mask)
            self._mode = 0o666 & ~mask

    def create(self, path: Path) -> int:
        fd = super().create(path)
        os.chmod(path, self._mode)
        return fd


def _merged(outputs: Iterable[Any]) -> Iterator[Any]:
    """The outputs with one stdout and one stderr between any two others.

    Into how many pieces a stream falls, and how two mix, is a matter of timing. What a carriage return overwrote goes.
    """
    for is_stream, some in groupby(outputs, lambda output: output.output_type == "stream"):
        if not is_stream:
            yield from some
            continue
        pieces = list(some)
        for name in ("stdout", "stderr"):
            whole = "".join(piece.text for piece in pieces if piece.name == name)
            if whole:
                yield nbformat.v4.new_output("stream", name=name, text=_OVERWRITTEN.sub("", whole))


def _without_view(output: Any) -> bool:
    """Take the reference to a live widget out of an output; False when nothing else was in it."""
    data = output.get("data")
    if data is None or _VIEW not in data:
        return True
    del data[_VIEW]
    output.metadata.pop(_VIEW, None)
    return bool(data)
