"""No face starts a node, holds a pool, a thread or a queue, or keeps more than the documents demand."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import dagbook.executors

MODULES = sorted(Path(dagbook.executors.__file__).parent.glob("*.py"))

PERFORMING = {"concurrent", "queue", "multiprocessing", "dagbook.backends", "dagbook.engine.driver"}
"""What could run something, were it imported."""


def trees(but=""):
    return [pytest.param(ast.parse(path.read_text()), id=path.name) for path in MODULES if path.name != but]


@pytest.mark.parametrize("tree", trees())
def test_nothing_that_could_run_a_node_is_imported(tree):
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert not any(name == other or name.startswith(other + ".") for other in PERFORMING), name
        if isinstance(node, ast.ImportFrom) and node.module == "threading":
            assert {a.name for a in node.names} <= {"Event"}, "only to say what a cancel_event is"


@pytest.mark.parametrize("tree", trees())
def test_no_thread_task_or_executor_is_made(tree):
    made = {"Thread", "Timer", "create_task", "gather", "run_in_executor", "to_thread", "TaskGroup", "ensure_future"}
    called = {getattr(n.func, "attr", getattr(n.func, "id", "")) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    assert not called & made


@pytest.mark.parametrize("tree", trees(but="attempt.py"))  # that one has a whole run made again for a damaged value
def test_no_face_loops_until_something_is_done(tree):
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.While | ast.AsyncFor)]


def faces():
    """The classes that a user executes with, by their names."""
    classes = [n for path in MODULES for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef)]
    return [pytest.param(c, id=c.name) for c in classes if c.name.endswith(("Executor", "Runner", "Pipeline"))]


@pytest.mark.parametrize("face", faces())
def test_a_face_keeps_nothing_of_an_execution(face):
    for function in ast.walk(face):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name != "__init__":
            assert not [*set_on_self(function)]


def set_on_self(function):
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) else []:
            if isinstance(target, ast.Attribute) and getattr(target.value, "id", "") == "self":
                yield target.attr
