"""What the samples share: an account of calls that no key sees, shorter naps, and readers of results and signatures."""

from __future__ import annotations

import inspect
import sys
import threading
import time

import pytest

REQUIRED = inspect.Parameter.empty


class Ledger:
    """What nodes tell a test, and a test tells nodes, unseen by keys: in a node ``sys.modules["ledger"]``."""

    def __init__(self):
        self.calls = []
        self.facts = {}
        self._meetings = {}
        self._lock = threading.Lock()

    def note(self, name):
        """In a node: it was called."""
        with self._lock:
            self.calls.append(name)

    def meet(self, place, others=2):
        """In a node: go on only when ``others`` nodes stand here at once, so they must run beside each other."""
        with self._lock:
            barrier = self._meetings.setdefault(place, threading.Barrier(others, timeout=10))
        barrier.wait()

    def taken(self):
        """In a test: the calls since the last time it asked, in order."""
        with self._lock:
            calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def ledger():
    sys.modules["ledger"] = ledger = Ledger()
    yield ledger
    del sys.modules["ledger"]


@pytest.fixture
def short_naps(monkeypatch):
    """``time.sleep`` naps a twentieth: what the samples call expensive."""
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds / 20))


@pytest.fixture
def printed(capsys):
    """The lines that were printed since it was last called."""
    return lambda: capsys.readouterr().out.splitlines()


def statuses(result):
    """The name of each node's status, by node."""
    return {name: node.status.name for name, node in result.node_results.items()}


def assert_takes(callable_, documented):
    """The documented parameters come first, in order and with these defaults; what else there is may be left out."""
    found = [p for p in inspect.signature(callable_).parameters.values() if p.name != "self"]
    assert [p.name for p in found[: len(documented)]] == list(documented)
    for parameter in found:
        default = documented.get(parameter.name, REQUIRED)
        if default is not REQUIRED:
            assert parameter.default == default, f"the default of {parameter.name}"
        elif parameter.name not in documented:
            assert parameter.default is not REQUIRED, f"{parameter.name} is not documented, so it must have a default"
