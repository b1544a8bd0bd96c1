"""Nodes of cells run in processes of their own: with their helpers and classes, their output in place, their errors."""

from __future__ import annotations

import os
import time

import pytest

from tests.kernel.conftest import Kernel

pytestmark = pytest.mark.slow

NODES = """%%dag
import ctypes
import os
import sys
import time
import warnings
from dataclasses import dataclass

from dagbook import node

FACTOR = 3


@dataclass
class Model:
    weight: int


def _scaled(x):
    return x * FACTOR


@node(process=True)
def where():
    print("hello from a process")
    print("and its errors", file=sys.stderr)
    warnings.warn("careful", stacklevel=1)
    return os.getpid()


@node(process=True)
def model(where):
    return Model(_scaled(2))


@node(process=True)
def wrong(model):
    return {}[model.weight]


@node(process=True)
def crash(model):
    return ctypes.string_at(0)


@node(process=True)
def endless(model):
    while True:
        pass
"""


@pytest.fixture
def loaded(shared: Kernel) -> Kernel:
    shared.must(NODES, "nodes")
    return shared


def test_classes_and_helpers_of_cells_are_the_same_there_and_here(loaded: Kernel) -> None:
    shown = loaded.must("%dag run model").everything
    assert "hello from a process\n" in shown
    assert "and its errors\n" in shown
    assert "UserWarning: careful" in shown
    assert "ipykernel_" not in shown
    assert loaded.value("dag.where != os.getpid() and isinstance(dag.model, Model) and dag.model == Model(6)")
    assert "hello from a process\n" in loaded.must("%dag run model").everything
    assert loaded.executed() == []


def test_an_error_shows_the_line_of_the_cell(loaded: Kernel) -> None:
    seen = loaded.refused("%dag run wrong")
    assert "KeyError: 6" in seen
    assert "return {}[model.weight]" in seen


def test_a_crash_leaves_the_kernel_alive(loaded: Kernel) -> None:
    pid = loaded.value("os.getpid()")
    assert "crash died: its process was killed by SIGSEGV" in loaded.refused("%dag run crash")
    assert loaded.value("os.getpid()") == pid


def test_an_interrupt_ends_it(loaded: Kernel) -> None:
    loaded.must("%dag run model")
    message = loaded.send("%dag run endless")
    time.sleep(1.0)
    began = time.monotonic()
    loaded.manager.interrupt_kernel()
    loaded.collect(message)
    assert time.monotonic() - began < 1.5
    assert loaded.value("dag.model.weight") == 6


def test_a_kernel_that_ends_leaves_no_worker(loaded: Kernel) -> None:
    loaded.must("%dag run where")
    pid = loaded.value("dag.where")
    assert isinstance(pid, int)
    loaded.restart()
    end = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")
