"""Imports run one way, heavy libraries are imported when used, and no module imports what it must not know."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dagbook

ROOT = Path(dagbook.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

LEVEL = {
    "errors": 0,
    "graph": 1,
    "fingerprint": 2,
    "engine": 3,
    "storage": 4,
    "backends": 4,
    "observe": 4,
    "launch": 5,
    "worker": 5,
    "session": 6,
    "executors": 7,
    "notebook": 8,
    "cli": 9,
    "testing": 9,
}
"""A package may import what stands lower, and itself; packages of one level do not know each other."""

HEAVY = {
    "anywidget",
    "cloudpickle",
    "graphviz",
    "IPython",
    "ipywidgets",
    "matplotlib",
    "nbclient",
    "nbformat",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "scipy",
    "sklearn",
    "torch",
    "traitlets",
}
PURPOSE = {"storage/by_value.py": "cloudpickle"}
"""A module whose purpose is one library imports it at the top, and is itself imported when used."""

CORE = ("errors", "graph", "fingerprint", "engine", "storage", "backends", "observe", "launch", "worker", "session")


def package(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] != "__init__" else ""


def imports(tree, *, top_level_only=False):
    """(module, names) that a file imports, those for type checkers only left out."""
    pending = list(tree.body)
    while pending:
        statement = pending.pop()
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.name, ()
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, "imports name the whole path"
            yield statement.module, tuple(alias.name for alias in statement.names)
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
            pending += statement.orelse
        elif not (top_level_only and isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)):
            pending += [s for s in ast.walk(statement) if isinstance(s, ast.stmt) and s is not statement]


def known_packages(module, names):
    """The packages of dagbook that one import statement reaches."""
    if module == "dagbook":
        return [name for name in names if name in LEVEL]
    return [module.split(".")[1]] if module.startswith("dagbook.") else []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path):
    own = package(path)
    if not own:
        return  # the public names are imported when they are used
    for module, names in imports(ast.parse(path.read_text())):
        for other in known_packages(module, names):
            assert other == own or LEVEL[other] < LEVEL[own], f"{own} must not import {module}"


@pytest.mark.parametrize("path", [p for p in MODULES if package(p) in CORE], ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_imports_heavy_libraries_only_when_used(path):
    for module, _ in imports(ast.parse(path.read_text()), top_level_only=True):
        library = module.partition(".")[0]
        allowed = PURPOSE.get(path.relative_to(ROOT).as_posix())
        assert library not in HEAVY or library == allowed, f"{module} is imported at the top"


def loaded_after(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_dagbook_loads_nothing_heavy():
    loaded = {m.partition(".")[0] for m in loaded_after("import dagbook")}
    assert not loaded & (HEAVY | {"sqlite3", "xxhash", "inspect"})


def test_a_session_in_memory_loads_nothing_heavy():
    statement = "from dagbook import Session; Session().run()"
    assert not {m.partition(".")[0] for m in loaded_after(statement)} & (HEAVY | {"sqlite3"})


def test_every_public_name_is_there():
    for name in dagbook.__all__:
        assert getattr(dagbook, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        dagbook.nope
