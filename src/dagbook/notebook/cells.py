"""Cells become nodes. The text of a cell is read here; the cell itself runs as plain Python.

``%%dag`` (or the comment ``#| dag``) on line 1 is taken away by an input transformer, so line numbers, tracebacks and
magics stay what they are. A call that registers the cell's functions is put behind its last definition.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from dagbook.errors import DagbookError, UsageError
from dagbook.graph.dag import DAG, Change
from dagbook.graph.node import OPTIONS_ATTRIBUTE, Node, Place

_HEAD = re.compile(r"^(?:%%dag|#\|\s*dag)(?![\w.?])(?P<rest>.*)$")
_ASKED = re.compile(r"^%dag\s+(?P<command>\w+)\s*\?+\s*$")
_CALL = "__import__('dagbook.notebook.extension', fromlist=['active']).active().register()"


@dataclass(slots=True)
class Cell:
    """A cell that is being run. ``rest`` is what stands behind ``%%dag`` in its first line; None for a plain cell.

    ``functions`` are what may become nodes, with their lines; ``before`` is what these names meant before the cell.
    """

    source: str
    cell_id: str
    label: str
    rest: str | None = None
    functions: dict[str, int] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    registered: bool = False


def head(source: str) -> str | None:
    """What stands behind ``%%dag`` or ``#| dag`` on the first line that is not blank; None when it is neither."""
    for line in source.splitlines():
        if line.strip():
            match = _HEAD.match(line)
            return match["rest"].strip().lstrip(":").strip() if match else None
    return None


def transform(lines: list[str]) -> list[str]:
    """The input transformer: ``%%dag`` becomes a comment, and ``%dag run?`` a call for help, line for line."""
    lines = [_ASKED.sub(r"%dag help \g<command>\n", line) for line in lines]
    for n, line in enumerate(lines):
        if line.strip():
            if _HEAD.match(line.rstrip("\n")) and line.startswith("%%dag"):
                return [*lines[:n], "#| dag" + line[len("%%dag") :], *lines[n + 1 :]]
            break
    return lines


class Registration(ast.NodeTransformer):
    """The syntax-tree transformer: behind a cell's last definition stands the call that registers its functions.

    ``current()`` is the cell that is being run.
    """

    def __init__(self, current: Callable[[], Cell | None], cells: Cells) -> None:
        self._current = current
        self._cells = cells

    def visit_Module(self, module: ast.Module) -> ast.Module:
        cell = self._current()
        if cell is None or cell.registered:
            return module
        cell.functions = _functions(module, decorated_only=cell.rest is None)
        if cell.rest is None and not cell.functions and not self._cells.owns(cell):
            return module
        cell.registered = True
        self._cells.begin(cell)
        if cell.rest:
            module.body.clear()  # it is going to be refused
        at = _behind_definitions(module.body)
        call = ast.parse(_CALL).body[0]
        for part in ast.walk(call) if module.body else ():
            ast.copy_location(part, module.body[min(at, len(module.body) - 1)])
        module.body.insert(at, call)
        return ast.fix_missing_locations(module)


def _behind_definitions(body: list[ast.stmt]) -> int:
    """Where everything is defined, and nothing is asked for yet: before the first expression behind the functions."""
    last = max((n for n, s in enumerate(body) if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef)), default=-1)
    return next((n for n in range(last + 1, len(body)) if isinstance(body[n], ast.Expr)), len(body))


def _functions(module: ast.Module, *, decorated_only: bool) -> dict[str, int]:
    return {
        statement.name: min([statement.lineno, *(d.lineno for d in statement.decorator_list)])
        for statement in module.body
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        and not statement.name.startswith("_")
        and (statement.decorator_list or not decorated_only)
    }


class Cells:
    """Which cell owns which nodes, and the names that go when a cell no longer defines them."""

    def __init__(self, dag: DAG, namespace: MutableMapping[str, Any], *, has_document: bool) -> None:
        self._dag = dag
        self._namespace = namespace
        self._has_document = has_document
        self._sources: dict[str, str] = {}
        self._count = 0

    def owner(self, cell: Cell) -> str | None:
        """The owner that this cell is: by its id; without one, by what it defines. None: not seen before."""
        if cell.cell_id and cell.cell_id in self._sources:
            return cell.cell_id
        overlapping = {self._dag.owner(n) for n in cell.functions if n in self._dag}
        for owner in sorted(overlapping):
            same_text = self._sources.get(owner) == cell.source
            if same_text or (not cell.cell_id and not self._has_document):
                return owner
        return None

    def owns(self, cell: Cell) -> bool:
        """Whether the cell has nodes already."""
        owner = self.owner(cell)
        return owner is not None and bool(self._dag.owned(owner))

    def begin(self, cell: Cell) -> None:
        """The cell is about to run: remember what its names mean, in case it is refused."""
        cell.before = {name: self._namespace[name] for name in cell.functions if name in self._namespace}

    def define(self, cell: Cell) -> Change:
        """Make the cell's functions the nodes that it owns.

        Raises GraphError or UsageError; then the DAG is as it was, and so is what its names mean.
        """
        try:
            return self._define(cell)
        except DagbookError:
            self._namespace.update(cell.before)
            raise

    def _define(self, cell: Cell) -> Change:
        if cell.rest:
            raise UsageError(
                f"{cell.label}: `%%dag {cell.rest}` names a body, and only cells of functions can be nodes here. "
                "Put the statements into a function, and begin the cell with `%%dag` alone."
            )
        nodes = [
            Node.of(fn, name, place=Place(cell.label, cell.cell_id, line)) for name, fn, line in self._candidates(cell)
        ]
        owner = self.owner(cell)
        if owner is None:
            self._count += 1
            owner = cell.cell_id or f"cell without an id {self._count}"
        before = {name: self._dag[name].fn for name in self._dag.owned(owner)}
        change = self._dag.define(nodes, owner)
        if cell.cell_id and owner != cell.cell_id:
            self._dag.rename_owner(owner, cell.cell_id)
            self._sources.pop(owner, None)
            owner = cell.cell_id
        self._sources[owner] = cell.source
        self._forget(change.removed, before)
        return change

    def _candidates(self, cell: Cell) -> Iterable[tuple[str, Any, int]]:
        for name, line in cell.functions.items():
            fn = self._namespace.get(name)
            if not callable(fn):
                continue
            if cell.rest is None and not hasattr(fn, OPTIONS_ATTRIBUTE):
                continue
            yield name, fn, line

    def _forget(self, names: Iterable[str], before: Mapping[str, Any]) -> None:
        """A clean run would not have these names either."""
        for name in names:
            if self._namespace.get(name) is before.get(name):
                self._namespace.pop(name, None)

