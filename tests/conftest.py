"""What the tests share: a DAG that is edited as cells of source, and sessions on it that can be restarted."""

from __future__ import annotations

import ast
import sys
import threading
from contextlib import contextmanager

import pytest

from dagbook.errors import DagbookError
from dagbook.graph.dag import DAG
from dagbook.graph.node import Node, Place, node
from dagbook.session import Session


def pytest_collection_modifyitems(items):
    """The tests in a browser come last: their driver keeps an event loop on this thread for as long as it lives."""
    items.sort(key=lambda item: "browser" in item.path.parts)


class Lab:
    """Cells that share one namespace, as in a notebook, and a session on the DAG that they define.

    ``performed`` are the calls of user code since the last :meth:`run` began, in order: an account that is kept apart
    from the run's own log.
    """

    def __init__(self, directory=None, **options):
        self.directory = directory
        self.options = {"workers": 2} | options
        self.namespace = {"__name__": "__main__", "node": node}
        self.dag = DAG()
        self.performed = []
        self.session = self._open()

    def _open(self):
        return Session(self.dag, self.directory, capture=self._note, **self.options)

    @contextmanager
    def _note(self, name):
        self.performed.append(name)
        yield []

    def cell(self, source, name="cell 1"):
        """Run a cell: its functions that are not _private are nodes, all else is what it is in Python."""
        exec(compile(source, f"<{name}>", "exec"), self.namespace)
        functions = [s.name for s in ast.parse(source).body if isinstance(s, ast.FunctionDef) and s.name[0] != "_"]
        return self.dag.define([Node.of(self.namespace[f], place=Place(name)) for f in functions], name)

    def restart(self):
        """What a new kernel knows: the same cells, and what is in the directory."""
        self.session = self._open()

    def run(self, *targets, **options):
        """Run, and check the run's own log against what was really called."""
        self.performed.clear()
        run = self.session.run(*targets, **options)
        mapped = {self.dag[n].name for n in self.dag if self.dag[n].options.each}
        assert sorted(self.performed) == sorted(n for n in run.executed if n not in mapped)
        return run

    def ran(self, *targets, **options):
        """Run, all must go well; the nodes that were started, in order."""
        run = self.run(*targets, **options)
        run.raise_for_status()
        return run.executed

    def __getitem__(self, name):
        return self.session.value(name)

    def why(self, name):
        return self.session.why(name)


@pytest.fixture
def lab(tmp_path):
    """A lab with a durable store."""
    return Lab(tmp_path / "store")


@pytest.fixture
def make_lab(tmp_path):
    """Labs with other options."""

    def make(directory=tmp_path / "store", **options):
        return Lab(directory, **options)

    return make


class Gate:
    """How a test holds nodes and makes them fail from outside, unseen by their keys: ``sys.modules["gate"]``."""

    def __init__(self):
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.failures = 0

    def hold(self):
        """In a node: say that it runs, and wait until the test opens."""
        self.entered.set()
        assert self.opened.wait(10), "the test never opened the gate"

    def fail(self):
        """In a node: fail as often as the test has ordered."""
        if self.failures > 0:
            self.failures -= 1
            raise RuntimeError("not yet")


@pytest.fixture
def gate():
    gate = sys.modules["gate"] = Gate()
    yield gate
    gate.opened.set()
    del sys.modules["gate"]


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    """No test leaves a run behind."""
    yield
    runs = [t for t in threading.enumerate() if t.name == "dagbook run"]
    for thread in runs:
        thread.join(5)
    assert not any(t.is_alive() for t in runs), "a run never ended"


def failure(run):
    """The error that a run raises for its status."""
    with pytest.raises(DagbookError) as caught:
        run.raise_for_status()
    return caught.value
