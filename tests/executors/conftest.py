"""What the tests of the executors share: small graphs, tasks that note that they ran, and readers of results."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from dagbook import DAG


def graph(*edges):
    """A graph from texts like ``a>b>c``; a name alone is a node without edges."""
    builder = DAG.builder()
    for path in edges:
        names = path.split(">")
        if len(names) == 1:
            builder.add_node(names[0])
        for upper, lower in pairwise(names):
            builder.add_edge(upper, lower)
    return builder.build()


DIAMOND = ("a>b>d", "a>c>d")


def statuses(result):
    """The name of each node's status, by node."""
    return {name: node.status.name for name, node in result.node_results.items()}


class Account:
    """Which tasks ran, in the order of their starts: kept apart from the run's own log."""

    def __init__(self):
        self.ran = []
        self._lock = threading.Lock()

    def tasks(self, dag, **special):
        """A task for each node that notes its name and returns it; ``special`` are values, or functions to call."""
        return {name: self.task(name, special.get(name, name)) for name in dag}

    def task(self, name, what):
        def noting():
            with self._lock:
                self.ran.append(name)
            return what() if callable(what) else what

        return noting

    def taken(self):
        """The names since it was last asked."""
        ran, self.ran = self.ran, []
        return ran


@pytest.fixture
def account():
    return Account()


@pytest.fixture
def released():
    """An event on which tasks may wait; it is set when the test ends."""
    event = threading.Event()
    yield event
    event.set()


def failing():
    raise RuntimeError("boom")
