"""Random graphs, random edits: every value equals plain Python's, and no node runs that need not.

A round is one edit and one run. The oracle calls the same functions one after another in plain Python; the model keeps
the set of everything that was ever computed. ``DAGBOOK_SEED`` repeats a sequence, ``DAGBOOK_ROUNDS`` sets its length.
"""

from __future__ import annotations

import os
import random
import time
from copy import deepcopy
from dataclasses import dataclass, replace

import pytest

from dagbook.engine.events import Kind
from dagbook.graph.dag import DAG
from dagbook.graph.node import Node, node
from dagbook.session import Session

ROUNDS = int(os.environ.get("DAGBOOK_ROUNDS", "500"))
SEED = int(os.environ.get("DAGBOOK_SEED", str(time.time_ns() % 1_000_000)))
ROUNDS_A_GRAPH = 12
MOST_NODES = 60

FIXED = """
def _total(*values):
    total = 0
    for value in values:
        if isinstance(value, dict):
            value = list(value) + list(value.values())
        total += _total(*value) if isinstance(value, (list, tuple)) else len(value) if isinstance(value, str) else value
    return total

def _scribble(*values):
    for value in values:
        if isinstance(value, list):
            value.append(7)
    return len(values)
"""

RETURNS = {
    "number": "({total} * {c} + {extra}) % 5",
    "truth": "({total} + {extra}) % 3 == {c} % 3",
    "list": "[{total} % 3, {c}, {extra}]",
    "alias": "{{'all': [{inputs}], 'c': {c}}}",
    "pair": "({total} % 2, 'x' * ({c} % 4), {extra})",
    "items": "[n % 4 for n in range(({total} + {c}) % 6)]",
    "table": "{{f'k{{n}}': n % 3 + {extra} for n in range(({total} + {c}) % 5)}}",
    "scribble": "_scribble({inputs}) + {c}",
    "fail": "1 // ({total} * 0)",
}
ORDINARY = ["number", "number", "number", "truth", "list", "alias", "pair", "items", "table"]
LISTS = ("items", "table")


@dataclass(frozen=True)
class Spec:
    """What the source of one node says."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    c: int
    variant: int = 0
    helper: int | None = None
    constant: int | None = None
    parameter: int | None = None
    each: str | None = None

    @property
    def arguments(self):
        extra = [] if self.parameter is None else [f"p{self.parameter}"]
        return (["x"] if self.each else []) + list(self.inputs) + extra

    def source(self):
        inputs = ", ".join((["x"] if self.each else []) + list(self.inputs))
        total = f"_total({inputs})"
        if self.helper is not None:
            total = f"_h{self.helper}({total})"
        extra = [str(self.c % 2)]
        extra += [] if self.constant is None else [f"C{self.constant}"]
        extra += [] if self.parameter is None else [f"p{self.parameter}"]
        returned = RETURNS[self.kind].format(total=total, inputs=inputs, c=self.c, extra=f"({' + '.join(extra)})")
        lines = [f"@node(each={{'x': {self.each!r}}})"] if self.each else []
        lines += [f"def {self.name}({', '.join(self.arguments)}):", f"    variant = {self.variant}"]
        lines += [f"    return {returned}"]
        return "\n".join(lines)


class Program:
    """The source as it stands: specs by name, each naming only nodes before it; helpers; constants; parameters."""

    def __init__(self, rng, size):
        self.rng = rng
        self.specs = {}
        self.helpers = {n: rng.randint(1, 3) for n in range(3)}
        self.constants = {n: rng.randint(0, 3) for n in range(3)}
        self.parameters = {n: rng.randint(0, 3) for n in range(3)}
        self.made = 0
        for _ in range(size):
            self.add()

    def copy(self):
        other = object.__new__(Program)
        other.__dict__.update({k: dict(v) if isinstance(v, dict) else v for k, v in vars(self).items()})
        return other

    # -- edits

    def add(self):
        rng, names = self.rng, list(self.specs)
        name, self.made = f"n{self.made}", self.made + 1
        inputs = tuple(rng.sample(names, min(len(names), rng.choice([0, 1, 1, 2, 2, 3]))))
        lists = [n for n, s in self.specs.items() if s.kind in LISTS and not s.each]
        each = rng.choice(lists) if lists and rng.random() < 0.15 else None
        self.specs[name] = Spec(
            name,
            rng.choice(ORDINARY[:5] if each else ORDINARY),
            tuple(i for i in inputs if i != each),
            rng.randint(0, 6),
            helper=rng.choice([None, None, 0, 1, 2]),
            constant=rng.choice([None, None, None, 0, 1, 2]),
            parameter=rng.choice([None, None, None, 0, 1, 2]),
            each=each,
        )

    def remove(self):
        used = {i for s in self.specs.values() for i in (*s.inputs, s.each)}
        free = [n for n in self.specs if n not in used]
        if free and len(self.specs) > 3:
            del self.specs[self.rng.choice(free)]

    def edit(self, **changes):
        name = self.rng.choice(list(self.specs))
        spec = self.specs[name]
        if changes.get("kind") == "scribble" and spec.each:
            return
        needed = any(s.each == name for s in self.specs.values())
        if "kind" in changes and needed:
            changes["kind"] = spec.kind
        self.specs[name] = replace(spec, **changes)

    def mend(self):
        for name, spec in self.specs.items():
            if spec.kind in ("fail", "scribble"):
                self.specs[name] = replace(spec, kind="number")

    def random_edit(self):
        rng = self.rng
        match rng.choice(["code", "code", "equal", "equal", "helper", "constant", "parameter", "add", "remove", "fail",
                          "scribble", "mend", "mend", "nothing"]):
            case "code":
                self.edit(c=rng.randint(0, 6))
            case "equal":
                self.edit(variant=rng.randint(1, 1000))
            case "helper":
                self.helpers[rng.randrange(3)] = rng.randint(1, 3)
            case "constant":
                self.constants[rng.randrange(3)] = rng.randint(0, 3)
            case "parameter":
                self.parameters[rng.randrange(3)] = rng.randint(0, 3)
            case "add":
                if len(self.specs) < MOST_NODES:
                    self.add()
            case "remove":
                self.remove()
            case "fail":
                self.edit(kind="fail")
            case "scribble":
                self.edit(kind="scribble")
            case "mend":
                self.mend()

    # -- what a node depends on, told independently of the package

    def reached(self, spec):
        return (
            spec.source(),
            None if spec.helper is None else self.helpers[spec.helper],
            None if spec.constant is None else self.constants[spec.constant],
            None if spec.parameter is None else self.parameters[spec.parameter],
        )


class Kernel:
    """The namespace that the source was executed in, edited as cells are: only what changed is executed again."""

    def __init__(self):
        self.space = {"node": node, "__name__": "__main__"}
        exec(FIXED, self.space)
        self.texts = {}

    def load(self, program):
        for n, factor in program.helpers.items():
            self.execute(f"_h{n}", f"def _h{n}(v): return v * {factor}")
        for n, value in program.constants.items():
            self.execute(f"C{n}", f"C{n} = {value}")
        for name, spec in program.specs.items():
            self.execute(name, spec.source())

    def execute(self, name, text):
        if self.texts.get(name) != text:
            exec(compile(text, f"<{name}>", "exec"), self.space)
            self.texts[name] = text

    def define(self, dag, program):
        order = list(program.specs)
        program.rng.shuffle(order)
        dag.define([Node.of(self.space[name]) for name in order], "the cells")
        dag.set(**{f"p{n}": value for n, value in program.parameters.items()})


class Failed(Exception):
    pass


class Truth:
    """Plain Python's answer: ``values`` (or Failed, for a failed or skipped node), and the model's key of each call."""

    def __init__(self, program, space):
        self.values, self.keys = {}, {}
        for name, spec in program.specs.items():
            self.evaluate(program, space[name], spec)

    def evaluate(self, program, function, spec):
        needed = {i: self.values[i] for i in (*spec.inputs, *([spec.each] if spec.each else []))}
        if any(v is Failed for v in needed.values()):
            self.values[spec.name] = Failed
            return
        reached = program.reached(spec)
        shown = sorted((i, repr(v)) for i, v in needed.items())
        self.keys[spec.name] = (reached, repr(shown))
        given = {i: needed[i] for i in spec.inputs}
        if spec.parameter is not None:
            given[f"p{spec.parameter}"] = program.parameters[spec.parameter]
        if not spec.each:
            self.values[spec.name] = self.call(function, given, spec, program)
            return
        source = needed[spec.each]
        labelled = [(f'["{k}"]', v) for k, v in source.items()] if isinstance(source, dict) else [
            (f"[{n}]", v) for n, v in enumerate(source)
        ]
        children = []
        for label, element in labelled:
            rest = [pair for pair in shown if pair[0] != spec.each]
            self.keys[spec.name + label] = (reached, repr(rest), repr(element))
            children.append(self.call(function, given | {"x": element}, spec, program))
            self.values[spec.name + label] = children[-1]
        whole = dict(zip(source, children)) if isinstance(source, dict) else children
        self.values[spec.name] = Failed if any(c is Failed for c in children) else whole

    @staticmethod
    def call(function, given, spec, program):
        mine = deepcopy(given)
        try:
            value = function(**mine)
        except ZeroDivisionError:
            return Failed
        # the list of a mapped node is made anew for each reader
        mapped = {i for i in given if i in program.specs and program.specs[i].each}
        return Failed if any(repr(mine[i]) != repr(given[i]) for i in given if i not in mapped) else value


def play(rng, directory, rounds):
    """One graph and its life of ``rounds`` edits and runs."""
    program = Program(rng, rng.randint(1, MOST_NODES))
    history = [program.copy()]
    kernel, session = Kernel(), Session(DAG(), directory)
    computed = {}
    for _ in range(rounds):
        if rng.random() < 0.15:
            kernel, session = Kernel(), Session(DAG(), directory)
            if directory is None:
                computed.clear()
        kernel.load(program)
        kernel.define(session.dag, program)
        run_once(rng, session, program, kernel, computed, durable=directory is not None)
        if rng.random() < 0.2:
            program = rng.choice(history).copy()
        else:
            for _ in range(rng.choice([1, 1, 2, 4])):
                program.random_edit()
        history.append(program.copy())


def run_once(rng, session, program, kernel, computed, durable):
    truth = Truth(program, kernel.space)
    some = rng.random() < 0.2 and len(program.specs) > 3
    targets = rng.sample(list(program.specs), rng.randint(1, 3)) if some else []
    run = session.start(*targets, workers=rng.randint(1, 8))
    if rng.random() < 0.1:
        run.cancel()
    run.wait()
    for name in run.executed:
        assert name in truth.keys, f"{name} ran, though what it needs has failed"
        assert truth.keys[name] not in computed.get(name, ()), f"{name} ran needlessly: {session.why(name)}"
    for name, story in run.stories.items():
        assert session.why(name).startswith(f"{name}: ")
        if story.how is Kind.NODE_CANCELLED:
            assert run.status == "cancelled" or run.driver.scheduler.cancelling
            continue
        if truth.values[name] is Failed:
            assert story.how in (Kind.NODE_FAILED, Kind.NODE_SKIPPED), (name, story.how)
            continue
        if story.how is Kind.NODE_SKIPPED and run.driver.scheduler.cancelling:
            continue
        assert story.how in (Kind.NODE_RAN, Kind.NODE_REUSED, Kind.NODE_CUT_OFF), (name, story.how, story.error)
        assert repr(session.value(name)) == repr(truth.values[name]), f"{name}: {session.why(name)}"
        kept = computed.setdefault(name, set())
        if not durable:
            kept.clear()
        kept.add(truth.keys[name])
    run.driver.scheduler.validate()


@pytest.mark.slow
def test_every_value_is_right_and_no_node_runs_needlessly(tmp_path):
    print(f"DAGBOOK_SEED={SEED} DAGBOOK_ROUNDS={ROUNDS}")
    for number in range(-(-ROUNDS // ROUNDS_A_GRAPH)):
        rng = random.Random(f"{SEED}/{number}")
        directory = tmp_path / str(number) if rng.random() < 0.8 else None
        try:
            play(rng, directory, min(ROUNDS_A_GRAPH, ROUNDS - number * ROUNDS_A_GRAPH))
        except BaseException:
            print(f"graph {number} of seed {SEED}")
            raise
