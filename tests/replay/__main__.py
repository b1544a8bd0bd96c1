"""Write the histories of this release: ``python -m tests.replay`` (``--again`` replaces those that are there).

They are made once for each release, and stay: tests/replay/test_recorded_runs.py plays those of all releases.
"""

from __future__ import annotations

import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import dagbook
from dagbook import DAG, DynamicExecutor, DynamicModification, DynamicNodeSpec, Session
from dagbook.engine.options import RunOptions
from dagbook.engine.plan import Asked
from dagbook.graph.node import Node, node
from dagbook.launch import plain_run
from tests.replay.history import recording, write

FIXTURES = Path(__file__).parent / "fixtures"


def dag_of(*edges, **options):
    """A graph from texts like ``a>b>c``; options of nodes by name."""
    dag = DAG()
    for name, given in options.items():
        dag.add_node(name, **given)
    for path in edges:
        names = path.split(">")
        dag.add_edges(list(pairwise(names)))
    return dag


def tasks_of(dag, **special):
    return {name: special.get(name, lambda: None) for name in dag}


def ran(dag, options=None, seconds=0.0, **special):
    """A plain run to its end; each node without a task of its own takes a while."""
    tasks = {name: lambda: time.sleep(seconds) for name in dag} | special
    return plain_run(dag, tasks, options or RunOptions(workers=2)).wait()


def broken():
    raise ValueError("it is broken")


def breaking(times):
    """A task that fails so many times."""
    left = [times]

    def task():
        left[0] -= 1
        if left[0] >= 0:
            raise ValueError("not yet")

    return task


WIDE = ("a>b>e", "a>c>e", "a>d>e", "e>f>g", "c>h")


def plain_in_order():
    ran(dag_of(*WIDE), RunOptions(workers=1))


def plain_on_lanes():
    ran(dag_of(*WIDE), seconds=0.003)


def plain_in_stretches():
    ran(dag_of("a>b>c>d>e", "v>w>x", *(f"p>q{n}>r" for n in range(9))))


def costs_decide():
    ran(dag_of("a>x", "b>y>z", "c>w"), RunOptions(workers=2, costs={"c": 9, "z": 5}), seconds=0.003)


def kept_with_cutoff():
    source = """
def a(): return {} // 2
def b(a): return a + 1
def c(b): return b * 2
def d(a): return 1
"""
    dag = DAG()
    session = Session(dag, workers=2)
    for number in (4, 5, 8):
        space = {"__name__": "__main__"}
        exec(compile(source.format(number), f"<cell {number}>", "exec"), space)
        dag.define([Node.of(space[name]) for name in "abcd"], "cell")
        session.run()


def kept_forced_and_left_out():
    dag = dag_of("a>b>c>d", "x>c")
    tasks = tasks_of(dag, a=lambda: 1)
    session = Session(dag, workers=2)
    session.run(tasks=tasks)
    session.run(tasks=tasks, force=["b"])
    fresh = Session(dag, workers=2)
    fresh.run(tasks=tasks, asked=Asked(leave_out={"b": "it was not asked for"}))


def failure_spares_the_rest():
    ran(dag_of(*WIDE), c=broken)


def failure_stops_all():
    ran(dag_of(*WIDE, "i>j>k"), RunOptions(workers=2, fail_fast=True), 0.003, c=broken)


def retries():
    dag = dag_of("a>b>c", "a>d", b={"retries": 3}, d={"retries": 1, "backoff": 0.01})
    ran(dag, b=breaking(2), d=breaking(2))


def children():
    @node(each={"n": "numbers"}, retries=1)
    def half(n):
        if n == 3:
            raise ValueError("three cannot be halved")
        return n // 2

    def numbers(upto):
        return list(range(upto))

    def total(half):
        return sum(half)

    dag = DAG()
    dag.define([Node.of(f) for f in (numbers, half, total)])
    session = Session(dag, workers=2)
    for upto in (3, 2, 5):
        dag.set(upto=upto)
        session.run()


def growth():
    def more(value):
        new = [DynamicNodeSpec(f"part{n}", lambda: None, ["split"], ["end"]) for n in range(3)]
        return DynamicModification([*new, DynamicNodeSpec("check", lambda: None, ["part1"])], ["unwanted"])

    dag = dag_of("begin>split>end", "begin>unwanted", "begin>split>unwanted>last")
    DynamicExecutor(dag, {"split": more}, max_workers=2).execute(tasks_of(dag))


def growth_in_order():
    def more(value):
        return DynamicModification([DynamicNodeSpec("between", lambda: None, ["a"], ["b"])])

    dag = dag_of("a>b>c", "x>y")
    DynamicExecutor(dag, {"a": more}, max_workers=1).execute(tasks_of(dag))


def cancel():
    begun, release = threading.Event(), threading.Event()
    dag = dag_of(*WIDE, "i>j")

    def hold():
        begun.set()
        release.wait(5)

    run = plain_run(dag, tasks_of(dag, c=hold), RunOptions(workers=2))
    begun.wait(5)
    run.cancel()
    release.set()
    run.wait()


def pause_and_resume():
    begun, release = threading.Event(), threading.Event()
    dag = dag_of(*WIDE)

    def hold():
        begun.set()
        release.wait(5)

    run = plain_run(dag, tasks_of(dag, c=hold), RunOptions(workers=2))
    begun.wait(5)
    run.pause()
    release.set()
    time.sleep(0.02)
    run.resume()
    run.wait()


def node_timeout():
    dag = dag_of(*WIDE, c={"timeout": 0.03})
    ran(dag, c=lambda: time.sleep(0.2))


def run_timeout():
    ran(dag_of(*WIDE), RunOptions(workers=2, timeout=0.05), c=lambda: time.sleep(0.2))


def resources():
    dag = dag_of("a>b", "c>d", "e>f", **{n: {"resources": {"gpu": 1}} for n in "bce"}, d={"resources": {"gpu": 2}})
    ran(dag, RunOptions(workers=3, resources={"gpu": 2}), 0.003)


def conditions():
    edges = {("a", "b"): lambda value: value > 1, ("a", "c"): lambda value: value < 1, ("c", "d"): lambda value: True}
    ran(dag_of("a>b>e", "a>c>d>e"), RunOptions(workers=2, conditions=edges), a=lambda: 2)


SCENARIOS = (
    plain_in_order, plain_on_lanes, plain_in_stretches, costs_decide, kept_with_cutoff, kept_forced_and_left_out,
    failure_spares_the_rest, failure_stops_all, retries, children, growth, growth_in_order, cancel, pause_and_resume,
    node_timeout, run_timeout, resources, conditions,
)  # fmt: skip


def main():
    folder = FIXTURES / dagbook.__version__
    if folder.exists() and "--again" not in sys.argv[1:]:
        print(f"{folder} is there already; --again replaces it, which is right until the release is out")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for scenario in SCENARIOS:
        with recording() as histories:
            scenario()
        for number, history in enumerate(histories, 1):
            name = scenario.__name__ if len(histories) == 1 else f"{scenario.__name__}_{number}"
            write(folder / f"{name}.json", history)
            print(f"{name}: {len(history['names'])} nodes, {len(history['steps'])} steps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
