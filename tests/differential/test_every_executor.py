"""Every executor gives what a plain loop gives, and runs each task exactly when it must.

A round is one execution of one random graph, after random edits, with tasks that fail, on one to eight workers. The
oracle calls the same functions one after another. What ran is told by the tasks themselves. ``DAGBOOK_SEED`` repeats a
sequence, ``DAGBOOK_ROUNDS`` is the number of rounds over all executors.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
import time
from dataclasses import dataclass, field, replace

import pytest

from dagbook import (
    AsyncDAGExecutor,
    CheckpointExecutor,
    DAGExecutor,
    DAGRunner,
    DynamicExecutor,
    DynamicModification,
    DynamicNodeSpec,
    IncrementalExecutor,
    Pipeline,
)
from dagbook.engine.options import RunOptions
from dagbook.fingerprint.value import fingerprint
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session

ROUNDS = int(os.environ.get("DAGBOOK_ROUNDS", "2000"))
SEED = int(os.environ.get("DAGBOOK_SEED", str(time.time_ns() % 1_000_000)))
ROUNDS_A_GRAPH = 8
SUCCEEDED = {"COMPLETED", "CACHE_HIT", "RAN", "REUSED", "CUT_OFF", "SUCCESS", "CACHED"}
UNTOLD = object()
"""In the place of a value that a result does not tell."""

FIXED = """
import sys

def _sum(*values):
    total = 0
    for value in values:
        if value is None or isinstance(value, dict):
            value = list((value or {"none": 7}).values())
        total += _sum(*value) if isinstance(value, (list, tuple)) else len(value) if isinstance(value, str) else value
    return total
"""

RETURNS = [
    "({total} + {c}) % 3",
    "({total} * {c}) % 2 == 0",
    "[{total} % 3, {c}]",
    "('x' * ({total} % 3), {c})",
    "{{'total': {total} % 2, 'c': {c}}}",
    "{total} % 4 / 2",
    "None",
]


@dataclass(frozen=True)
class Spec:
    """One task: it needs ``needs``, and gets the values of ``takes``."""

    name: str
    needs: tuple[str, ...]
    takes: tuple[str, ...]
    returns: str
    c: int
    variant: int = 0
    fails: bool = False
    waits: bool = False  # it is a coroutine function, where those are awaited

    def source(self, asynchronous):
        """Its text; what it tells of itself goes by a module, and is no part of any key."""
        total = f"int(_sum({', '.join(self.takes)}))"
        value = f"1 // ({total} * 0)" if self.fails else self.returns.format(total=total, c=self.c)
        lines = [
            f"{'async ' if asynchronous and self.waits else ''}def {self.name}({', '.join(self.takes)}):",
            f"    variant = {self.variant}",
            f"    sys.modules['account'].began('{self.name}')",
            f"    value = {value}",
            f"    sys.modules['account'].ended('{self.name}')",
            "    return value",
        ]
        return "\n".join(lines)


class Account:
    """What tasks say when they begin and end."""

    def __init__(self):
        self.lines, self._lock = [], threading.Lock()

    def began(self, name):
        with self._lock:
            self.lines.append((name, "began"))

    def ended(self, name):
        with self._lock:
            self.lines.append((name, "ended"))

    def ran(self):
        return [name for name, what in self.lines if what == "began"]


@dataclass
class World:
    """The tasks as they stand, each after those it needs, and the functions made of them."""

    rng: random.Random
    asynchronous: bool = False
    order_only: bool = True
    specs: dict[str, Spec] = field(default_factory=dict)
    made: int = 0
    space: dict = field(default_factory=dict)
    texts: dict = field(default_factory=dict)

    def __post_init__(self):
        exec(FIXED, self.space)
        for _ in range(min(self.rng.randint(1, 60), self.rng.randint(1, 60))):
            self.add()

    def add(self):
        rng, names = self.rng, list(self.specs)
        near = names[-rng.choice([1, 3, 60]) :]
        needs = tuple(rng.sample(near, min(len(near), rng.choice([0, 1, 1, 1, 2, 3]))))
        takes = tuple(n for n in needs if not self.order_only or rng.random() < 0.8)
        name, self.made = f"n{self.made}", self.made + 1
        fails, waits = rng.random() < 0.03, rng.random() < 0.3
        self.specs[name] = Spec(name, needs, takes, rng.choice(RETURNS), rng.randint(0, 5), fails=fails, waits=waits)

    def edit(self):
        rng = self.rng
        name = rng.choice(list(self.specs))
        spec = self.specs[name]
        match rng.choice(["code", "code", "equal", "equal", "fail", "mend", "mend", "add", "drop", "nothing"]):
            case "code":
                self.specs[name] = replace(spec, c=rng.randint(0, 5))
            case "equal":
                self.specs[name] = replace(spec, variant=rng.randint(1, 99))
            case "fail":
                self.specs[name] = replace(spec, fails=True)
            case "mend":
                self.specs.update({n: replace(s, fails=False) for n, s in self.specs.items()})
            case "add":
                if len(self.specs) < 60:
                    self.add()
            case "drop":
                used = {n for s in self.specs.values() for n in s.needs}
                if name not in used and len(self.specs) > 1:
                    del self.specs[name]

    def function(self, spec):
        text = spec.source(self.asynchronous)
        if self.texts.get(spec.name) != text:
            exec(compile(text, f"<{spec.name}>", "exec"), self.space)
            self.texts[spec.name] = text
        return self.space[spec.name]

    def functions(self):
        return {name: self.function(spec) for name, spec in self.specs.items()}

    def change(self, dag):
        """Have ``dag`` be this graph, by changing it in place."""
        for name in [n for n in dag if n not in self.specs]:
            dag.remove_node(name)
        for name, spec in self.specs.items():
            if name not in dag:
                dag.add_node(name)
                dag.add_edges([(need, name) for need in spec.needs])
        return dag


FAILED = object()


class Truth:
    """What a plain loop gives: the value of each task, or FAILED; a key is all that decides it."""

    def __init__(self, specs):
        self.space, self.values, self.keys, self.specs = {}, {}, {}, {}
        exec(FIXED, self.space)
        for spec in specs:
            self.evaluate(spec)

    def evaluate(self, spec):
        self.specs[spec.name] = spec
        if any(self.values[n] is FAILED for n in spec.needs):
            self.values[spec.name] = FAILED
            return
        needed = [(n, repr(self.values[n])) for n in spec.needs]
        self.keys[spec.name] = (spec.source(False), spec.waits, repr(needed))
        text = "\n".join(line for line in spec.source(False).splitlines() if "account" not in line)
        exec(text, self.space)
        try:
            self.values[spec.name] = self.space[spec.name](*(self.values[n] for n in spec.takes))
        except ZeroDivisionError:
            self.values[spec.name] = FAILED


def check(truth, account, outcome, must, may=frozenset(), stopped=False):
    """``outcome`` by name is the status and the value; ``must`` and ``may`` are the tasks that (may) have run.

    With ``stopped`` the run ended at its first failure, so fewer may have run.
    """
    ran = account.ran()
    assert len(set(ran)) == len(ran), f"twice: {sorted({n for n in ran if ran.count(n) > 1})}"
    assert set(ran) <= must | may, f"needlessly: {set(ran) - must - may}"
    if not stopped:
        assert must <= set(ran), f"not at all: {must - set(ran)}"
    at = {line: n for n, line in enumerate(account.lines)}
    for name in ran:
        for need in truth.specs[name].needs:
            assert at.get((need, "ended"), -1) < at[name, "began"], f"{name} began before {need} had ended"
            assert need not in ran or (need, "ended") in at
    for name, value in truth.values.items():
        status, found = outcome[name]
        if value is FAILED:
            assert status not in SUCCEEDED, (name, status)
        elif not (stopped and status in ("SKIPPED", "CANCELLED")):
            assert status in SUCCEEDED, (name, status)
            assert found is UNTOLD or fingerprint(found) == fingerprint(value), (name, found, value)


def told(result):
    """A face's result, as :func:`check` takes it."""
    return {name: (node.status.name, node.result) for name, node in result.node_results.items()}


def told_by(run):
    """The same of a run of the engine."""
    good = SUCCEEDED
    states = {name: (i, run.state(i).name) for i, name in enumerate(run.names)}
    return {name: (state, run.value(i) if state in good else None) for name, (i, state) in states.items()}


# -- executors that reuse nothing


def plain_rounds(begin, rng, account, rounds, **options):
    """Each round is a graph of its own, or the last one edited; all that can run must run."""
    world = None
    for _ in range(rounds):
        if world is None or rng.random() < 0.3:
            world = World(rng, **options)
        for _ in range(rng.choice([0, 1, 3])):
            world.edit()
        truth, fail_fast = Truth(world.specs.values()), rng.random() < 0.3
        account.lines.clear()
        outcome = begin(world, rng.randint(1, 8), fail_fast)
        failed = any(value is FAILED for value in truth.values.values())
        check(truth, account, outcome, set(truth.keys), stopped=fail_fast and failed)


def by_plain_run(world, workers, fail_fast):
    run = plain_run(world.change(DAG()), world.functions(), RunOptions(workers=workers, fail_fast=fail_fast)).wait()
    run.driver.scheduler.validate()
    return told_by(run)


def by_dag_executor(world, workers, fail_fast):
    executor = DAGExecutor(world.change(DAG()), max_workers=workers, fail_fast=fail_fast)
    return told(executor.execute(world.functions(), timeout=world.rng.choice([None, None, 60])))


def by_async_executor(world, workers, fail_fast):
    executor = AsyncDAGExecutor(world.change(DAG()), max_workers=workers, fail_fast=fail_fast)
    return told(asyncio.run(executor.execute(world.functions())))


def by_pipeline(world, workers, fail_fast):
    pipeline = Pipeline(world.functions().values())
    if world.rng.random() < 0.5:
        return told(pipeline.execute(max_workers=workers, fail_fast=fail_fast))
    return told(asyncio.run(pipeline.execute_async(max_workers=workers, fail_fast=fail_fast)))


def run_plain(rng, account, rounds):
    plain_rounds(by_plain_run, rng, account, rounds)


def run_dag_executor(rng, account, rounds):
    plain_rounds(by_dag_executor, rng, account, rounds, asynchronous=rng.random() < 0.3)


def run_async_executor(rng, account, rounds):
    plain_rounds(by_async_executor, rng, account, rounds, asynchronous=True)


def run_pipeline(rng, account, rounds):
    plain_rounds(by_pipeline, rng, account, rounds, order_only=False, asynchronous=rng.random() < 0.3)


# -- expansions


class Expansions:
    """What each task adds when it has ended: tasks below it, which those that need it anyhow may have to wait for."""

    def __init__(self, world):
        self.world, self.rng = world, world.rng
        self.added = {}  # of each expander: specs, and by new task those that have to wait for it
        below = {name: set() for name in world.specs}
        for name in reversed(world.specs):
            for need in world.specs[name].needs:
                below[need] |= {name, *below[name]}
        for name in world.specs:
            if self.rng.random() < 0.2:
                self.expand(name, sorted(below[name]), depth=0)

    def expand(self, name, waiting, depth):
        rng, new = self.rng, []
        for _ in range(rng.randint(1, 4)):
            earlier = [spec.name for spec, _ in new]
            needs = (name, *rng.sample(earlier, min(len(earlier), rng.randint(0, 1))))
            label, self.world.made = f"x{self.world.made}", self.world.made + 1
            spec = Spec(label, needs, needs, rng.choice(RETURNS), rng.randint(0, 5), fails=rng.random() < 0.05)
            new.append((spec, rng.sample(waiting, min(len(waiting), rng.randint(0, 2)))))
        self.added[name] = new
        if depth < 2 and rng.random() < 0.4:
            child, readers = rng.choice(new)
            self.expand(child.name, sorted(readers), depth + 1)

    def expanders(self):
        def modify(new):
            added = [DynamicNodeSpec(s.name, self.world.function(s), list(s.needs), readers) for s, readers in new]
            self.rng.shuffle(added)
            return lambda value: DynamicModification(add_nodes=added)

        return {name: modify(new) for name, new in self.added.items()}

    def truth(self):
        """A plain loop over the graph as it is in the end."""
        waits_for, pending, specs = {}, dict(self.world.specs), []
        truth = Truth(())
        while pending:
            name = next(
                n for n, s in pending.items() if all(p in truth.specs for p in (*s.needs, *waits_for.get(n, ())))
            )
            spec = pending.pop(name)
            extra = tuple(p for p in waits_for.get(name, ()) if p not in spec.needs)
            truth.evaluate(replace(spec, needs=(*spec.needs, *extra)))
            specs.append(spec)
            if truth.values[name] is not FAILED:
                for new, readers in self.added.get(name, ()):
                    pending[new.name] = new
                    for reader in readers:
                        waits_for.setdefault(reader, []).append(new.name)
        return truth


def run_dynamic(rng, account, rounds):
    for _ in range(rounds):
        world = World(rng)
        expansions = Expansions(world)
        dag = world.change(DAG())
        executor = DynamicExecutor(dag, expansions.expanders(), max_workers=rng.randint(1, 8), fail_fast=False)
        truth = expansions.truth()
        for _ in range(2):  # the second time it is the graph that it was, and grows in the same way
            account.lines.clear()
            check(truth, account, told(executor.execute(world.functions())), set(truth.keys))
        assert set(dag) == set(truth.specs)


# -- executors that keep results


class Known:
    """Which keys have a result: in a durable store all, in memory the newest for sure and older ones perhaps."""

    def __init__(self, durable):
        self.durable, self.sure, self.perhaps = durable, {}, {}

    def plan(self, truth, forced=()):
        must, may = set(), set()
        for name, key in truth.keys.items():
            if name in forced or key not in self.sure.get(name, set()) | self.perhaps.get(name, set()):
                must.add(name)
            elif key not in self.sure.get(name, set()):
                may.add(name)
        return must, may

    def learn(self, truth, names):
        for name in names:
            if truth.values[name] is not FAILED:
                sure = self.sure.setdefault(name, set())
                if not self.durable:
                    self.perhaps.setdefault(name, set()).update(sure)
                    sure.clear()
                sure.add(truth.keys[name])


def kept_rounds(execute, rng, account, rounds, durable, **options):
    """Rounds of edits of one graph; ``execute`` returns what came of it, and which tasks had to run in any case."""
    world, known = World(rng, **options), Known(durable)
    for number in range(rounds):
        for _ in range(rng.choice([0, 1, 1, 3]) if number else 0):
            world.edit()
        truth = Truth(world.specs.values())
        account.lines.clear()
        outcome, forced, fail_fast = execute(world)
        must, may = known.plan(truth, forced)
        failed = any(value is FAILED for value in truth.values.values())
        check(truth, account, outcome, must, may, stopped=fail_fast and failed)
        known.learn(truth, {n for n, (status, _) in outcome.items() if status in SUCCEEDED})


def some(rng, names):
    names = list(names)
    return rng.sample(names, min(len(names), rng.choice([0, 0, 1, 3])))


def run_incremental(rng, account, rounds):
    dag, last = DAG(), []
    fail_fast = rng.random() < 0.3
    executor = IncrementalExecutor(dag, fail_fast=fail_fast)

    def execute(world):
        world.change(dag)
        functions, changed = world.functions(), some(rng, world.specs)
        same = last == [world.specs] and rng.random() < 0.7
        last[:] = [dict(world.specs)]
        result = executor.execute(None if same else functions, changed_nodes=changed or None)
        assert set(result.recomputed) == set(account.ran())
        return told(result), changed, fail_fast

    kept_rounds(execute, rng, account, rounds, durable=False)


def run_checkpoint(rng, account, rounds, directory):
    dag = DAG()
    made = []

    def execute(world):
        world.change(dag)
        fail_fast = rng.random() < 0.3
        if not made or rng.random() < 0.4:  # as another process would
            workers = rng.randint(1, 8)
            made[:] = [CheckpointExecutor(dag, directory, max_workers=workers, fail_fast=fail_fast), fail_fast]
        if rng.random() < 0.2:
            return told(made[0].execute(world.functions())), set(world.specs), made[1]
        return told(made[0].resume(world.functions())), (), made[1]

    kept_rounds(execute, rng, account, rounds, durable=True)


def run_session(rng, account, rounds):
    dag = DAG()
    session = Session(dag)

    def execute(world):
        world.change(dag)
        forced, fail_fast = some(rng, world.specs), rng.random() < 0.2
        options = RunOptions(workers=rng.randint(1, 8), fail_fast=fail_fast)
        run = session.run(tasks=world.functions(), force=forced, options=options)
        run.driver.scheduler.validate()
        return told_by(run), forced, fail_fast

    kept_rounds(execute, rng, account, rounds, durable=False)


def run_runner(rng, account, rounds):
    dag = DAG("random")
    runner = DAGRunner(dag, max_workers=rng.randint(1, 8))

    def execute(world):
        dag.define([*map(dag_node, world.functions().values())], "the cells")
        result = runner.run(continue_on_error=True)
        return {r.node_id: (r.status.name, result.outputs.get(r.node_id, UNTOLD)) for r in result.results}, (), False

    kept_rounds(execute, rng, account, rounds, durable=False, order_only=False)


def dag_node(function):
    from dagbook.graph.node import Node

    return Node.of(function)


RUNS = [
    run_plain,
    run_dag_executor,
    run_async_executor,
    run_pipeline,
    run_dynamic,
    run_incremental,
    run_checkpoint,
    run_session,
    run_runner,
]


@pytest.fixture
def account():
    account = sys.modules["account"] = Account()
    yield account
    del sys.modules["account"]


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS)
def test_values_are_those_of_a_plain_loop_and_what_runs_is_what_must(run, account, tmp_path):
    rounds = -(-ROUNDS // len(RUNS))
    print(f"DAGBOOK_SEED={SEED} DAGBOOK_ROUNDS={ROUNDS}")
    for number in range(-(-rounds // ROUNDS_A_GRAPH)):
        rng = random.Random(f"{SEED}/{run.__name__}/{number}")
        more = {"directory": tmp_path / str(number)} if run is run_checkpoint else {}
        try:
            run(rng, account, min(ROUNDS_A_GRAPH, rounds - number * ROUNDS_A_GRAPH), **more)
        except BaseException:
            print(f"graph {number} of seed {SEED}")
            raise
