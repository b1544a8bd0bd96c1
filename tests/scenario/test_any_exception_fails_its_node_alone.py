"""Whatever a node raises fails that node, and nothing else; the very exception is kept, and its text within bounds."""

import asyncio

import pytest

from dagbook.engine.options import RunOptions
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session


class Unpicklable(Exception):
    def __init__(self, a, b):
        super().__init__("cannot be pickled")
        self.inner = lambda: (a, b)

    def __reduce__(self):
        raise TypeError("no")


class Mute(Exception):
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


class Rude(Exception):
    def __str__(self):
        raise SystemExit("not even that")


class Bare(BaseException):
    pass


def chained():
    try:
        raise KeyError("first")
    except KeyError as error:
        try:
            raise ValueError("second") from error
        except ValueError as other:
            return other


def endless():
    error = RuntimeError("round and round")
    error.__context__ = ValueError("other")
    error.__context__.__context__ = error
    return error


NASTY = {
    "exit": lambda: SystemExit(3),
    "generator exit": GeneratorExit,
    "base": lambda: Bare("x"),
    "cancelled": asyncio.CancelledError,
    "stop iteration": StopIteration,
    "unpicklable": lambda: Unpicklable(1, 2),
    "mute": Mute,
    "rude": Rude,
    "long": lambda: ValueError("x" * 50_000_000),
    "chained": chained,
    "endless": endless,
    "group": lambda: ExceptionGroup("several", [ValueError("a"), ExceptionGroup("more", [KeyError("b")])]),
    "base group": lambda: BaseExceptionGroup("several", [SystemExit(1), ValueError("a")]),
    "memory": MemoryError,
    "recursion": RecursionError,
    "no text": lambda: ValueError(),
    "odd text": lambda: ValueError("\ud800 \x00 \x1b[31m"),
}


def raising(error):
    def task():
        raise error

    return task


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", ["plain", "kept", "durable"])
def test_it_fails_its_node_and_nothing_else(tmp_path, kind, workers):
    dag = DAG()
    dag.add_edges([*((name, f"below {name}") for name in NASTY), ("good", "more")])
    errors = {name: make() for name, make in NASTY.items()}
    tasks = {name: (lambda: 1) for name in dag} | {name: raising(error) for name, error in errors.items()}
    options = RunOptions(workers=workers)
    if kind == "plain":
        run = plain_run(dag, tasks, options).wait()
    else:
        run = Session(dag, tmp_path if kind == "durable" else None).run(tasks=tasks, options=options)
    assert (run.crash, run.status) == (None, "failed")
    expected = dict.fromkeys(dag, "RAN") | dict.fromkeys(NASTY, "FAILED")
    expected |= {f"below {name}": "SKIPPED" for name in NASTY}
    assert {name: run.state(i).name for i, name in enumerate(run.names)} == expected
    assert run.errors.keys() == errors.keys()
    assert all(run.errors[name] is error for name, error in errors.items())
    described = {e.node: e.detail["error"] for e in run.log if "error" in e.detail}
    for name, error in errors.items():
        assert described[name]["type"] == type(error).__name__
        assert len(described[name]["message"]) <= 64_000
