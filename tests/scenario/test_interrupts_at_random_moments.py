"""Ctrl-C at any moment: the wait ends within a second, what had finished is kept, and nothing is left running.

Each case is a process of its own that interrupts itself. ``DAGBOOK_SEED`` repeats it.
"""

import os
import subprocess
import sys
import time

import pytest

SEED = int(os.environ.get("DAGBOOK_SEED", str(time.time_ns() % 1_000_000)))
ROUNDS = 15

COMMON = """
import os, random, signal, sys, threading, time
from dagbook.engine.options import RunOptions
from dagbook.engine.states import State
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session

def interrupt_after(seconds):
    def later():
        time.sleep(seconds)
        at.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    at = []
    thread = threading.Thread(target=later, daemon=True)
    thread.start()
    return at, thread
"""

STORM = (
    COMMON
    + """
kind, workers, seed, rounds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
rng = random.Random(seed)
before = signal.getsignal(signal.SIGINT)
world = sys.modules["world"] = type(sys)("world")
for number in range(rounds):
    dag = DAG()
    for i in range(40):
        dag.add_edges([(f"n{i - 1 - rng.randrange(min(i, 4))}", f"n{i}")] if i else [])
    delays = world.delays = {name: rng.choice([0, 0.002, 0.004]) for name in dag}
    delays["n20"] = rng.choice([0, 3.0])
    done = world.done = []

    def task(name):
        def run(name=name):  # what it finds in a module is no part of its key
            world = sys.modules["world"]
            end = time.monotonic() + world.delays[name]
            while time.monotonic() < end:
                time.sleep(0.0005)
            world.done.append(name)
            return name
        return run

    tasks = {name: task(name) for name in dag}
    at, thread = interrupt_after(rng.random() * 0.06)
    run = None
    try:
        options = RunOptions(workers=workers)
        if kind == "plain":
            run = plain_run(dag, tasks, options).wait()
        else:
            session = Session(dag)
            run = session.run(tasks=tasks, options=options)
        thread.join()
        time.sleep(0.002)  # an interrupt that comes after the run is raised here
    except KeyboardInterrupt:
        assert run is None or run.status == "done" or not at or run.status == "cancelled", run.status
        print("raised outside of the run")
    ended = time.monotonic()
    thread.join()
    assert ended - at[0] < 1, f"round {number}: {ended - at[0]:.3f} s"
    assert signal.getsignal(signal.SIGINT) is before
    if run is None:
        continue
    assert run.status in ("cancelled", "done"), run.status
    run.driver.scheduler.validate()
    ran = {run.names[i] for i in range(len(run.names)) if run.state(i) is State.RAN}
    late = {name for name in done} - ran
    assert late <= set(run.left_behind), (late, run.left_behind)
    assert all(run.value(run.index(name)) == name for name in ran)
    if kind == "kept" and run.status == "cancelled":
        delays["n20"] = 0
        again = session.run(tasks=tasks, options=options)
        again.raise_for_status()
        assert not ran & set(again.executed), "what had finished ran again"
deadline = time.monotonic() + 2
while time.monotonic() < deadline and any("dagbook run" in t.name for t in threading.enumerate()):
    time.sleep(0.01)
assert not any("dagbook run" in t.name for t in threading.enumerate())
print("well")
"""
)


def python(source, *arguments):
    return subprocess.run([sys.executable, "-c", source, *arguments], capture_output=True, text=True, timeout=100)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_the_wait_ends_and_what_had_finished_is_kept(kind, workers):
    print(f"DAGBOOK_SEED={SEED}")
    done = python(STORM, kind, str(workers), str(SEED), str(ROUNDS))
    assert done.stdout.endswith("well\n"), done.stdout + done.stderr


OWN_HANDLER = (
    COMMON
    + """
class Mine(Exception):
    pass

heard = []
def mine(number, frame):
    heard.append(number)

signal.signal(signal.SIGINT, mine)
dag = DAG()
dag.add_edges([("a", "b")])
for workers in (1, 2):
    at, thread = interrupt_after(0.03)
    run = plain_run(dag, {"a": lambda: time.sleep(0.08), "b": int}, RunOptions(workers=workers)).wait()
    assert run.status == "done", run.status
assert len(heard) == 2
assert signal.getsignal(signal.SIGINT) is mine
"""
)


def test_a_handler_of_the_users_own_is_respected():
    done = python(OWN_HANDLER)
    assert done.returncode == 0, done.stderr


NESTED = (
    COMMON
    + """
outer, inner = DAG(), DAG()
outer.add_edges([("a", "b")])
inner.add_edges([("x", "y")])
for workers in (1, 2):
    def a():
        tasks = {"x": lambda: time.sleep(3), "y": int}
        return plain_run(inner, tasks, RunOptions(workers=workers)).wait().status
    at, thread = interrupt_after(0.05)
    run = plain_run(outer, {"a": a, "b": int}, RunOptions(workers=1)).wait()
    assert time.monotonic() - at[0] < 1
    assert (run.status, run.value(0)) == ("cancelled", "cancelled"), (run.status, run.value(0))
    assert run.state(1) is State.CANCELLED
"""
)


def test_an_interrupt_of_a_run_within_a_run_ends_both():
    done = python(NESTED)
    assert done.returncode == 0, done.stderr
