"""Graphs that grow and shrink: all or nothing, at the cost of what comes and goes, and always as a plain model says."""

from __future__ import annotations

import os
import random
import time
from graphlib import CycleError as ModelCycle
from graphlib import TopologicalSorter
from itertools import pairwise

import pytest

from dagbook.errors import CycleError, DuplicateNodeError, GraphError, NodeNotFoundError
from dagbook.graph.compose import Growth, NewNode
from dagbook.graph.dag import DAG
from dagbook.graph.node import Node, Parameter

SEED = int(os.environ.get("DAGBOOK_SEED") or random.randrange(10**9))


def new(name, needs=(), needed_by=(), fn=int):
    return NewNode(name, fn, tuple(needs), tuple(needed_by))


def shown(dag):
    return dag.nodes(), dag.edges(), dag.edge_count(), dag.topology().names, dag.topology().preds


def discovery():
    return DAG.builder().add_edges([("discover", "aggregate"), ("aggregate", "report")]).build()


def test_new_nodes_stand_between_those_they_need_and_those_that_need_them():
    dag = discovery()
    dag.grow(Growth(tuple(new(f"process_{f}", ["discover"], ["aggregate"]) for f in "abc")))
    assert dag.predecessors("aggregate") == ("discover", "process_a", "process_b", "process_c")
    assert dag.topology().names == ["discover", "process_a", "process_b", "process_c", "aggregate", "report"]
    assert dag["process_a"].fn is int


def test_new_nodes_may_need_each_other_in_any_order():
    dag = discovery()
    dag.grow(Growth((new("z", ["y"], ["aggregate"]), new("y", ["x"]), new("x", ["discover"], ["z"]))))
    assert dag.ancestors("z") == ("discover", "x", "y")
    assert dag.edge_count() == 7


def test_a_grown_node_has_the_parameters_of_its_function_which_make_no_edges():
    dag = discovery()
    dag.grow(Growth((new("one", fn=lambda discover, x=1: None),)))
    assert dag["one"].parameters == (Parameter("discover"), Parameter("x", optional=True))
    assert dag.inputs("one") == ()
    assert dag.topology().nodes[dag.topology().index["one"]] is dag["one"]


def test_what_was_removed_can_be_replaced_by_nodes_that_would_have_made_a_cycle_with_it():
    dag = discovery()
    dag.grow(Growth((new("back", ["report"], ["discover"]),), ("aggregate",)))
    assert dag.topology().names == ["report", "back", "discover"]


@pytest.mark.parametrize(
    ("growth", "error"),
    [
        (Growth((new("x", ["discover"]), new("report"))), DuplicateNodeError),
        (Growth((new("x"), new("x"))), DuplicateNodeError),
        (Growth((new("report"),), ("report",)), DuplicateNodeError),
        (Growth((new("x", ["nobody"]),)), NodeNotFoundError),
        (Growth((new("x", [], ["nobody"]),)), NodeNotFoundError),
        (Growth((new("x", ["report"]),), ("report",)), NodeNotFoundError),
        (Growth((), ("report", "nobody")), NodeNotFoundError),
        (Growth((new("x", ["discover"]), new("y", ["report"], ["discover"]))), CycleError),
        (Growth((new("x", ["y"]), new("y", ["x"]))), CycleError),
        (Growth((new("x", ["x"]),)), CycleError),
        (Growth((new("x", ["report"], ["aggregate"]),), ("discover",)), CycleError),
        (Growth((new(""),)), GraphError),
        (Growth((new("x", fn=5),)), GraphError),
    ],
)
def test_a_growth_that_is_refused_leaves_nothing_half_added(growth, error):
    dag = discovery()
    before = shown(dag)
    with pytest.raises(error):
        dag.grow(growth)
    assert shown(dag) == before
    dag.grow(Growth((new("x", ["discover"], ["report"]),), ("aggregate",)))
    assert dag.edges() == [("x", "report"), ("discover", "x")]


def test_a_refused_growth_with_removals_leaves_what_later_edges_are_checked_against():
    dag = DAG.builder().add_edges([("a", "r"), ("r", "b")]).build()
    with pytest.raises(CycleError):
        dag.grow(Growth((new("x", ["b"], ["a"]), new("y", ["a"], ["b"])), ("r",)))
    assert labels_fit(dag)
    with pytest.raises(CycleError):
        dag.add_edge("b", "a")


def test_shrinking_takes_out_what_a_growth_has_added():
    dag = discovery()
    before = shown(dag)
    for _ in range(3):
        dag.grow(Growth(tuple(new(f"p{i}", ["discover"], ["aggregate"]) for i in range(50))))
        dag.shrink(f"p{i}" for i in range(50))
        assert shown(dag) == before
    dag.shrink([])
    assert shown(dag) == before


def test_a_topology_that_a_run_works_on_is_not_touched_by_growth():
    dag = discovery()
    topology = dag.topology()
    dag.grow(Growth((new("x", ["discover"], ["aggregate"]),), ("report",)))
    assert topology.names == ["discover", "aggregate", "report"]
    assert topology.preds == [[], [0], [1]]
    assert topology.succs == [[1], [2], []]


def test_a_grown_node_that_a_parameter_waited_for_is_bound():
    dag = DAG()
    dag.define([Node("f", lambda x: None, (Parameter("x"),))])
    dag.grow(Growth((new("x"),)))
    assert dag.inputs("f") == ("x",)
    dag.grow(Growth((), ("x",)))
    with pytest.raises(CycleError):
        dag.grow(Growth((new("x", ["f"]),)))
    assert dag.nodes() == ["f"]


def test_a_node_that_a_parameter_asks_for_may_go_and_come_back():
    dag = DAG()
    dag.define([node("f", ["x"]), node("g", [])])
    for _ in range(3):
        dag.grow(Growth((new("x"), new("y", [], ["g"]))))
        assert dag.edges() == [("x", "f"), ("y", "g")]
        dag.shrink(["x", "y"])
        assert dag.edges() == []


# -- cost


def grown_seconds(size, steps):
    """The time of a chain of expansions in the middle of a chain of ``size`` nodes."""
    names = [f"n{i}" for i in range(size)]
    dag = DAG.builder().add_edges(list(pairwise(names))).build()
    dag.topology()
    last, join = names[size // 2], names[size // 2 + 1]
    began = time.perf_counter()
    for n in range(steps):
        dag.grow(Growth((new(f"x{n}", [last], [join]),)))
        last = f"x{n}"
    seconds = time.perf_counter() - began
    assert len(dag.ancestors(join)) == size // 2 + 1 + steps
    return seconds


def test_growth_costs_the_same_in_a_small_graph_and_in_the_middle_of_a_large_one():
    ratios = [grown_seconds(30_000, 200) / grown_seconds(100, 200) for _ in range(3)]
    assert min(ratios) < 20, ratios  # a look at the graph would make it hundreds


def test_long_chains_of_expansions_stay_cheap():
    assert grown_seconds(10, 20_000) < 10


def test_expansions_that_always_come_first_stay_cheap():
    dag = DAG.builder().add_edge("start", "end").build()
    first = "end"
    began = time.perf_counter()
    for n in range(5000):
        dag.grow(Growth((new(f"x{n}", ["start"], [first]),)))
        first = f"x{n}"
    assert time.perf_counter() - began < 5
    assert labels_fit(dag)
    assert dag.topology().names[:2] == ["start", "x4999"]


def test_ten_thousand_children_come_and_go_in_linear_time():
    dag = discovery()
    dag.topology()
    began = time.perf_counter()
    children = [f"p{i}" for i in range(10_000)]
    for name in children:
        dag.grow(Growth((new(name, ["discover"], ["aggregate"]),)))
    for name in children:
        dag.shrink([name])
    assert time.perf_counter() - began < 5
    assert dag.edges() == [("discover", "aggregate"), ("aggregate", "report")]


# -- any sequence of changes, beside a model


class Model:
    """The same graph as a dict of what each node needs."""

    def __init__(self, needs=None):
        self.needs = {} if needs is None else {name: dict(others) for name, others in needs.items()}

    def connect(self, pairs):
        """A new model, or None when there would be a cycle."""
        twin = Model(self.needs)
        for a, b in pairs:
            twin.needs.setdefault(a, {})
            twin.needs.setdefault(b, {})[a] = None
        try:
            TopologicalSorter(twin.needs).prepare()
        except ModelCycle:
            return None
        return twin

    def remove(self, names):
        return Model(
            {n: {p: None for p in needs if p not in names} for n, needs in self.needs.items() if n not in names}
        )


def labels_fit(dag):
    """What makes adding an edge cheap: every edge goes from a smaller label to a greater one."""
    edges = dag._edges
    return all(edges._at(p) < edges._at(i) for i in edges.index.values() for p in edges.needs(i))


def agree(dag, model):
    assert labels_fit(dag)
    names, edges = list(model.needs), {(p, n) for n, needs in model.needs.items() for p in needs}
    assert dag.nodes() == names
    assert set(dag.edges()) == edges
    assert dag.edge_count() == len(edges)
    for name in names[:5]:
        assert set(dag.predecessors(name)) == set(model.needs[name])
        assert set(dag.successors(name)) == {n for n, needs in model.needs.items() if name in needs}
        assert all(dag.has_edge(p, name) for p in model.needs[name])
    assert dag.roots() == tuple(n for n in names if not model.needs[n])


def agree_frozen(dag, model):
    topology = dag.topology()
    assert sorted(topology.names) == sorted(model.needs)
    assert topology.index == {name: i for i, name in enumerate(topology.names)}
    for i, preds in enumerate(topology.preds):
        assert {topology.names[p] for p in preds} == set(model.needs[topology.names[i]])
        assert len(set(preds)) == len(preds)
        assert all(p < i for p in preds)
    pairs = sorted((p, i) for i, preds in enumerate(topology.preds) for p in preds)
    assert pairs == sorted((i, s) for i, succs in enumerate(topology.succs) for s in succs)
    rebuilt = DAG.builder().add_nodes(dag.nodes()).add_edges(dag.edges()).build()
    assert rebuilt.topology().names == topology.names
    return topology, [list(row) for row in topology.preds], [list(row) for row in topology.succs]


class Play:
    """Random changes, each made to a DAG and to its model."""

    def __init__(self, rng):
        self.rng = rng
        self.dag, self.model = DAG(), Model()
        self.weights = [rng.choice([1, 10]), 3, rng.choice([0, 2]), 2, rng.choice([1, 10]), 1, rng.choice([0, 0, 2])]
        self.count = 0
        self.frozen = []

    def name(self, known=0.8):
        if self.model.needs and self.rng.random() < known:
            return self.rng.choice(list(self.model.needs))
        self.count += 1
        return f"n{self.count}"

    def pairs(self, most):
        found = [(self.name(), self.name()) for _ in range(self.rng.randint(0, most))]
        order = {n: i for i, n in enumerate(self.model.needs)}
        if self.rng.random() < 0.7:  # mostly forward, or nearly all large calls would be refused
            found = [(a, b) if order.get(a, 1e9) < order.get(b, 1e9) else (b, a) for a, b in found if a != b]
        return found

    def change(self, dag_change, after):
        if after is None:
            with pytest.raises(CycleError):
                dag_change()
        else:
            dag_change()
            self.model = after

    def connect(self):
        pairs = self.pairs(self.rng.choice([1, 1, 1, 3, 40]))
        if len(pairs) == 1:
            self.change(lambda: self.dag.add_edge(*pairs[0]), self.model.connect(pairs))
        else:
            self.change(lambda: self.dag.add_edges(pairs), self.model.connect(pairs))

    def add(self):
        names = [self.name(0) for _ in range(self.rng.randint(1, 3))]
        self.dag.add_nodes(names)
        for name in names:
            self.model.needs[name] = {}

    def remove(self):
        names = self.rng.sample(list(self.model.needs), min(len(self.model.needs), self.rng.randint(0, 4)))
        self.dag.shrink(names)
        self.model = self.model.remove(names)

    def unlink(self):
        edges = self.dag.edges()
        if edges:
            a, b = self.rng.choice(edges)
            self.dag.remove_edge(a, b)
            del self.model.needs[b][a]

    def grow(self):
        names = list(self.model.needs)
        gone = self.rng.sample(names, min(len(names), self.rng.choice([0, 0, 0, 1, 2])))
        fresh = [self.name(0) for _ in range(self.rng.randint(0, 4))]
        there = [n for n in names if n not in gone] + fresh
        order = {name: i for i, name in enumerate(there)}
        add = []
        for name in fresh:
            ends = sorted(self.rng.sample(there, min(len(there), self.rng.randint(0, 4))), key=order.__getitem__)
            half = self.rng.randint(0, len(ends))
            add.append(new(name, ends[:half], ends[half:]))
        before = self.model.remove(gone)
        for name in fresh:
            before.needs[name] = {}
        pairs = [(p, n.name) for n in add for p in n.needs] + [(n.name, d) for n in add for d in n.needed_by]
        self.change(lambda: self.dag.grow(Growth(tuple(add), tuple(gone))), before.connect(pairs))

    def branch(self):
        """Go on with a snapshot or with the original; the other one must not notice."""
        self.frozen.append((self.dag.snapshot(), Model(self.model.needs)))
        if self.rng.random() < 0.5:
            other, _ = self.frozen.pop()
            self.frozen.append((self.dag, Model(self.model.needs)))
            self.dag = other

    def freeze(self):
        self.frozen.append(agree_frozen(self.dag, self.model))

    def step(self):
        kinds = [self.connect, self.add, self.remove, self.unlink, self.grow, self.branch, self.freeze]
        self.rng.choices(kinds, self.weights)[0]()
        agree(self.dag, self.model)

    def end(self):
        agree_frozen(self.dag, self.model)
        for kept in self.frozen:
            if len(kept) == 2:
                agree(*kept)
            else:
                topology, preds, succs = kept
                assert topology.preds == preds
                assert topology.succs == succs


def test_any_sequence_of_changes_gives_the_graph_that_a_plain_model_has():
    print(f"DAGBOOK_SEED={SEED}")
    for number in range(60):
        print(f"play {number}")
        play = Play(random.Random(f"{SEED}/{number}"))
        for _ in range(60):
            play.step()
        play.end()


def test_edges_in_random_order_keep_their_labels_in_order():
    print(f"DAGBOOK_SEED={SEED}")
    for number in range(20):
        rng = random.Random(f"{SEED}/{number}")
        dag = DAG()
        dag.add_nodes([f"n{i}" for i in range(40)])
        order = rng.sample(dag.nodes(), 40)
        for _ in range(200):
            a, b = sorted(rng.sample(range(40), 2))
            dag.add_edge(order[a], order[b])
            assert labels_fit(dag), number


def test_labels_are_made_anew_when_there_is_no_room_between_two():
    dag = DAG.builder().add_nodes([f"n{i}" for i in range(20)]).add_edge("n0", "n9").build()
    for n in range(700):  # each between the last one and n9
        dag.add_node(f"x{n}")
        dag.add_edge(f"x{n}", "n9")
        dag.add_edge(f"x{n - 1}" if n else "n0", f"x{n}")
        assert dag._edges._at(dag._edges.index["n0"]) < dag._edges._at(dag._edges.index["n9"])
    assert labels_fit(dag)


def test_definitions_and_edges_by_hand_give_the_same_graph_in_any_order():
    print(f"DAGBOOK_SEED={SEED}")
    rng = random.Random(SEED)
    for number in range(200):
        print(f"round {number}")
        names = [f"n{i}" for i in range(rng.randint(2, 12))]
        parameters = {n: rng.sample(names[:i], rng.randint(0, min(i, 2))) for i, n in enumerate(names)}
        by_hand = [tuple(sorted(rng.sample(range(len(names)), 2))) for _ in range(rng.randint(0, 6))]
        pairs = [(names[a], names[b]) for a, b in by_hand]
        defined = [n for n in names if rng.random() < 0.6]
        expected = {(a, b) for a, b in pairs} | {(p, n) for n in defined for p in parameters[n]}
        dag = DAG()
        acts = [(dag.define, [node(n, parameters[n])], n) for n in defined]
        acts += [(dag.add_edges, [pair]) for pair in pairs] + [(dag.add_edges, [(n, f"{n}_")]) for n in names]
        rng.shuffle(acts)
        for act, *arguments in acts:
            act(*arguments)
        found = {(a, b) for a, b in dag.edges() if not b.endswith("_")}
        assert found == expected
        assert all(p < i for i, preds in enumerate(dag.topology().preds) for p in preds)


def node(name, parameters):
    return Node(name, lambda: None, tuple(map(Parameter, parameters)))
