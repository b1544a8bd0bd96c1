"""Real runs on real threads, with whatever can happen at random moments: each ends, and its log is sound.

``DAGBOOK_SEED`` repeats a sequence, ``DAGBOOK_ROUNDS`` is the number of runs.
"""

import asyncio
import os
import random
import sys
import threading
import time
import warnings
from collections import Counter

import pytest

from dagbook.engine.events import NO_NODE, TERMINAL, Kind
from dagbook.engine.options import RunOptions
from dagbook.engine.states import ENDED, State
from dagbook.graph.compose import Growth, NewNode
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session

ROUNDS = int(os.environ.get("DAGBOOK_ROUNDS", "300"))
SEED = int(os.environ.get("DAGBOOK_SEED", str(time.time_ns() % 1_000_000)))


class Storm:
    """One run, what its nodes do, and what is done to it meanwhile."""

    def __init__(self, rng):
        self.rng = rng
        self.calls = []
        self.sleepy = rng.random() < 0.7
        self.dag = self.make_graph()
        self.tasks = {name: self.make_task(name) for name in self.dag}
        self.event = threading.Event() if rng.random() < 0.15 else None
        self.options = RunOptions(
            workers=rng.randint(1, 8),
            fail_fast=rng.random() < 0.3,
            timeout=rng.choice([None, None, None, None, 0.0005, 0.002, 0.01]),
            cancel_event=self.event,
            resources={"gpu": 1},
            retries=rng.choice([0, 0, 0, 1, 2]),
        )

    def make_graph(self):
        rng, dag, size = self.rng, DAG(), self.rng.randint(1, 25)
        special, chains = rng.random() < 0.3, rng.random() < 0.5
        for i in range(size):
            options = {}
            if special and rng.random() < 0.6:
                options = rng.choice(
                    [
                        {"timeout": rng.choice([0.001, 0.003, 0.02])},
                        {"retries": 2, "backoff": rng.choice([0.0, 0.0005, 0.003])},
                        {"resources": {"gpu": 1}},
                    ]
                )
            dag.add_node(f"n{i}", **options)
            above = [i - 1] if chains and rng.random() < 0.8 else rng.sample(range(i), min(i, rng.randint(0, 3)))
            dag.add_edges([(f"n{p}", f"n{i}") for p in above if p >= 0])
        return dag

    def make_task(self, name):
        rng, calls = self.rng, self.calls
        chance, delay, workers = rng.random(), rng.random() * 0.002 if self.sleepy else 0, rng.randint(1, 3)

        async def asynchronous():
            calls.append(name)
            await asyncio.sleep(delay)

        def plain():
            calls.append(name)
            if delay:
                time.sleep(delay)
            if chance < 0.04:
                raise ValueError(name)
            if chance < 0.06:
                sys.exit(1)
            if chance < 0.065:
                raise KeyboardInterrupt
            if chance < 0.1:
                inner = DAG()
                inner.add_edges([("a", "b"), ("a", "c")])
                assert plain_run(inner, dict.fromkeys(inner, int), RunOptions(workers=workers)).wait().status == "done"

        return asynchronous if 0.1 < chance < 0.14 else plain

    def expanders(self):
        """Some nodes, and some of those that they add, add three each."""
        rng = self.rng

        def expander(name):
            a, b, c = (f"{name}{letter}" for letter in "abc")
            above = {a: (name,), b: (a,), c: ()}
            growth = Growth(tuple(NewNode(new, self.make_task(new), needs) for new, needs in above.items()))
            return lambda value: growth

        names = [*self.dag, *(f"{name}a" for name in self.dag)]
        return {name: expander(name) for name in names if rng.random() < 0.15}

    def begin(self, kind):
        rng, heard = self.rng, []
        observer = lambda run: lambda log, start, stop: heard.extend(range(start, stop))
        observers = [observer] if rng.random() < 0.4 else []
        if kind == "kept":
            run = Session(self.dag).start(tasks=self.tasks, options=self.options, observers=observers)
        else:
            options = {name: getattr(self.options, name) for name in RunOptions.__slots__}
            if rng.random() < 0.3:
                options["expanders"] = self.expanders()
            run = plain_run(self.dag, self.tasks, RunOptions(**options), observers)
        return run, heard if observers else None

    def trouble(self, run):
        rng = random.Random(self.rng.random())
        for _ in range(rng.choice([0, 0, 0, 1, 2, 3])):
            time.sleep(rng.random() * 0.003)
            what = rng.choice(["cancel", "pause", "resume", "interrupt", "glance", "stop"])
            getattr(run.driver, what)()
        if self.event is not None and rng.random() < 0.5:
            self.event.set()
        run.resume()


def check(run, calls, heard):
    scheduler, log = run.driver.scheduler, run.driver.log
    scheduler.validate()
    members = [i for i in range(len(log.names)) if scheduler.state(i) is not State.ABSENT]
    assert all(scheduler.state(i) in ENDED for i in members)
    ended, live = set(), set()
    for kind, i in zip(log.kind, log.node):
        if i == NO_NODE:
            continue
        if kind == Kind.NODE_STARTED:
            assert i not in live | ended
            assert ended.issuperset(p for p in scheduler.preds(i) if scheduler.state(p) is not State.ABSENT)
            live.add(i)
        elif kind == Kind.NODE_RETRIED:
            live.discard(i)
        elif kind in TERMINAL:
            assert i not in ended
            live.discard(i)
            ended.add(i)
    assert ended == set(members)
    assert log.kind[-1] == Kind.RUN_FINISHED
    assert heard is None or heard == list(range(len(log)))
    called, started = Counter(calls), Counter(run.executed)
    if run.left_behind:  # one may have been left behind before it made its call
        assert called <= started
    elif not run.driver.scheduler.cancelling:
        assert called == started


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["plain", "kept"])
def test_each_ends_and_its_log_is_sound(kind):
    print(f"DAGBOOK_SEED={SEED} DAGBOOK_ROUNDS={ROUNDS}")
    for number in range(ROUNDS):
        storm = Storm(random.Random(f"{SEED}/{kind}/{number}"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run, heard = storm.begin(kind)
            work = [(storm.trouble, (run,)), (run.wait, ())]
            threads = [threading.Thread(target=target, args=given, daemon=True) for target, given in work]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
        assert run.driver.ended.is_set(), f"run {number} of seed {SEED} never ends"
        assert run.crash is None, (number, SEED, run.crash)
        check(run, storm.calls, heard)
