"""The graph alone: what depends on what, and what is refused."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import pytest

from dagbook.errors import (
    AmbiguousInputError,
    CycleError,
    DuplicateNodeError,
    GraphError,
    MissingInputError,
    NodeNotFoundError,
    ReservedNameError,
)
from dagbook.graph.compose import Branch, Splice, child_name, map_over
from dagbook.graph.dag import DAG
from dagbook.graph.node import Node, NodeOptions, Parameter, Place, node


def functions(source):
    """The functions that a piece of source defines, as nodes in order."""
    namespace = {"node": node}
    exec(source, namespace)
    return [Node.of(f) for n, f in namespace.items() if callable(f) and n not in ("node", "__builtins__")]


def dag_of(source, owner=""):
    dag = DAG()
    dag.define(functions(source), owner)
    return dag


DIAMOND = """
def a(): ...
def b(a): ...
def c(a): ...
def d(b, c): ...
"""


def topological(edges):
    """The order of a graph: name → what it needs."""
    dag = DAG()
    dag.add_nodes(edges)
    dag.add_edges([(need, name) for name, needs in edges.items() for need in needs])
    return dag.topology().names


def test_parameters_are_edges():
    dag = dag_of(DIAMOND)
    assert dag.inputs("d") == ("b", "c")
    assert dag.ancestors("d") == ("a", "b", "c")
    assert dag.descendants("a") == ("b", "c", "d")
    assert dag.descendants("a", "b") == ("c", "d")
    assert list(dag) == ["a", "b", "c", "d"]
    assert len(dag) == 4
    assert "a" in dag
    assert "z" not in dag


def test_the_order_is_topological_whatever_the_order_of_definition():
    rng = random.Random(7)
    for _ in range(50):
        size = rng.randint(1, 30)
        edges = {f"n{i}": tuple(f"n{p}" for p in rng.sample(range(i), min(i, rng.randint(0, 3)))) for i in range(size)}
        names = list(edges)
        rng.shuffle(names)
        order = topological({name: edges[name] for name in names})
        assert sorted(order) == sorted(names)
        at = {name: i for i, name in enumerate(order)}
        assert all(at[p] < at[name] for name in names for p in edges[name])


def test_where_the_order_is_free_it_is_the_order_of_definition():
    assert topological({"z": (), "b": (), "a": ()}) == ["z", "b", "a"]


def test_a_topology_numbers_inputs_below_the_nodes_that_need_them():
    topology = dag_of(DIAMOND).topology()
    assert [topology.names[i] for i in topology.upstream([topology.index["c"]])] == ["a", "c"]
    assert [topology.names[i] for i in topology.downstream([topology.index["b"]])] == ["b", "d"]
    assert all(p < i for i, preds in enumerate(topology.preds) for p in preds)
    assert len(topology) == 4


def test_the_topology_is_made_once_for_each_change():
    dag = dag_of(DIAMOND)
    first = dag.topology()
    assert dag.topology() is first
    dag.define(functions("def e(d): ..."), "cell 2")
    assert dag.topology() is not first


def test_a_cycle_is_refused_with_its_path_and_cells_and_the_dag_stays():
    dag = dag_of(DIAMOND)
    before = dag.topology()
    loop = [Node.of(n.fn, place=Place("cell 4")) for n in functions("def a(d): ...")]
    with pytest.raises(CycleError) as caught:
        dag.define(loop)
    path = caught.value.path
    assert path[0] == path[-1]
    assert set(path) in ({"a", "b", "d"}, {"a", "c", "d"})
    assert "cell 4" in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert dag.topology() is before
    assert dag.inputs("a") == ()


def test_a_cycle_path_goes_from_each_node_to_one_that_needs_it():
    with pytest.raises(CycleError) as caught:
        topological({"a": ("c",), "b": ("a",), "c": ("b",)})
    needs = {"a": "c", "b": "a", "c": "b"}
    path = caught.value.path
    assert all(needs[after] == before for before, after in pairwise(path))


def test_a_node_that_needs_itself_is_a_cycle():
    with pytest.raises(CycleError, match="x → x"):
        dag_of("def x(x): ...")


def test_a_chain_of_100_000_nodes_is_ordered_without_recursion():
    began = time.perf_counter()
    size = 100_000
    edges = {f"n{i}": (f"n{i + 1}",) if i + 1 < size else () for i in range(size)}
    assert topological(edges)[0] == f"n{size - 1}"
    assert time.perf_counter() - began < 5


def test_ten_thousand_inputs_of_one_node():
    dag = DAG()
    dag.define([*(Node(f"n{i}", lambda: None) for i in range(10_000))])
    dag.define([Node("all", lambda **_: None, tuple(Parameter(f"n{i}") for i in range(10_000)))])
    topology = dag.topology()
    assert len(topology.preds[topology.index["all"]]) == 10_000


def test_what_an_owner_no_longer_defines_is_removed():
    dag = dag_of("def a(): ...\ndef b(a): ...", "cell 1")
    change = dag.define(functions("def b(a): ...\ndef c(): ..."), "cell 1")
    assert (change.added, change.removed, change.redefined) == (("c",), ("a",), ("b",))
    assert list(dag) == ["b", "c"]
    assert dag.owned("cell 1") == ("b", "c")
    assert bool(change)
    assert not dag.define([], "cell 9")


def test_two_owners_of_one_name_are_refused_and_the_dag_stays():
    dag = dag_of("def a(): ...", "cell 1")
    with pytest.raises(DuplicateNodeError, match="'a' is defined twice"):
        dag.define(functions("def b(): ...\ndef a(): ..."), "cell 2")
    assert list(dag) == ["a"]
    assert dag.owner("a") == "cell 1"


def test_one_definition_may_not_name_a_node_twice():
    twice = [*functions("def a(): ..."), *functions("def a(): return 2")]
    with pytest.raises(DuplicateNodeError):
        DAG().define(twice)


def test_a_removed_node_leaves_a_missing_input_that_says_what_to_do():
    dag = dag_of(DIAMOND)
    dag.remove("a")
    with pytest.raises(MissingInputError, match=r"b needs 'a', and nothing provides it.*%dag set a="):
        dag.require_parameters(["b"])


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(NodeNotFoundError, match="Did you mean 'clean'") as caught:
        dag_of("def clean(): ...\ndef other(): ...")["claen"]
    assert caught.value.nearest == ("clean",)
    assert isinstance(caught.value, KeyError)


def test_a_default_that_is_also_a_node_is_refused_with_both_ways_out():
    with pytest.raises(AmbiguousInputError, match="remove the default"):
        dag_of("def n(): ...\ndef x(n=3): ...")


def test_a_node_cannot_be_set():
    dag = dag_of("def n(): ...")
    with pytest.raises(AmbiguousInputError, match="is a node"):
        dag.set(n=1)
    assert dag.parameters == {}


def test_a_parameter_that_was_set_or_has_a_default_is_not_missing():
    dag = dag_of("def x(n, m=2): ...")
    dag.set(n=1)
    dag.require_parameters(["x"])


@pytest.mark.parametrize("name", ["dag", "self", "cls", "__x__", "class", "a b", ""])
def test_names_that_cannot_be_nodes_are_refused(name):
    with pytest.raises(ReservedNameError):
        Node.of(lambda: None, name or "-")


def test_star_parameters_are_no_inputs():
    (x,) = functions("def x(a, *rest, b, c=1, **more): ...")
    assert [(p.name, p.keyword, p.optional) for p in x.parameters] == [
        ("a", False, False),
        ("b", True, False),
        ("c", True, True),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retry": 2}, "no option 'retry'. Did you mean 'retries'"),
        ({"retries": -1}, "retries"),
        ({"timeout": 0}, "timeout"),
        ({"inputs": "share"}, "inputs"),
        ({"each": "files"}, "each"),
        ({"seed": "x"}, "seed"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options, message):
    with pytest.raises(GraphError, match=message):
        node(**options)


def test_options_stay_on_the_plain_function():
    @node(tags="slow", retries=2)
    def f(x):
        return x + 1

    assert f(1) == 2
    assert Node.of(f).options == NodeOptions(tags=("slow",), retries=2)


def test_a_coroutine_function_is_a_node_and_an_async_generator_is_refused_with_what_to_write():
    (f,) = functions("async def f(x): ...")
    assert [p.name for p in f.parameters] == ["x"]
    with pytest.raises(GraphError, match=r"async for item in"):
        functions("async def g(): yield 1")


def test_each_must_name_a_parameter():
    with pytest.raises(GraphError, match="'files', which is no parameter of f"):
        functions('@node(each={"files": "files"})\ndef f(file): ...')


def mapped(**each):
    return Node.of(lambda x=None, y=None: None, "f", NodeOptions.of(each=each))


def test_a_mapped_node_depends_on_what_it_is_mapped_over():
    dag = dag_of('def files(): ...\n@node(each={"file": "files"})\ndef f(file): ...')
    assert dag.inputs("f") == ("files",)


def test_a_list_is_mapped_by_number_and_a_list_of_names_by_name():
    assert map_over(mapped(x="xs"), {"x": [5, 6]}) == Splice((Branch("0", {"x": 5}), Branch("1", {"x": 6})))
    labels = [b.label for b in map_over(mapped(x="xs"), {"x": ["a.csv", "b.csv"]}).branches]
    assert labels == ["a.csv", "b.csv"]
    assert [b.label for b in map_over(mapped(x="xs"), {"x": ["a", "a"]}).branches] == ["0", "1"]


def test_a_dict_is_mapped_by_its_keys():
    splice = map_over(mapped(x="xs"), {"x": {"p": 1, 2: 3}})
    assert splice.keys == ("p", 2)
    assert [b.label for b in splice.branches] == ["p", "2"]
    assert [dict(b.values) for b in splice.branches] == [{"x": 1}, {"x": 3}]


def test_two_lists_are_zipped():
    splice = map_over(mapped(x="xs", y="ys"), {"x": [1, 2], "y": [3, 4]})
    assert [dict(b.values) for b in splice.branches] == [{"x": 1, "y": 3}, {"x": 2, "y": 4}]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"x": 5, "y": [1]}, "xs, which must be a list or a dict, and is of type int"),
        ({"x": [1], "y": [1, 2]}, r"xs \(1 elements\) and ys \(2 elements\)"),
        ({"x": {"a": 1}, "y": {"b": 1}}, "same keys"),
        ({"x": [1], "y": {"b": 1}}, "same keys"),
    ],
)
def test_what_does_not_fit_together_is_refused(sources, message):
    with pytest.raises(GraphError, match=message):
        map_over(mapped(x="xs", y="ys"), sources)


def test_labels_of_one_node_are_all_different():
    for source in ([1, 1.0, True], {"1": 0, 1: 0}, {1: 0, "a": 0, (1, 2): 0}, ["1", "2"], ["", "x"], [None, "None"]):
        labels = [b.label for b in map_over(mapped(x="xs"), {"x": source}).branches]
        assert len(set(labels)) == len(source), labels


def test_a_child_is_called_by_number_or_quoted_name():
    assert child_name("stats", "0") == "stats[0]"
    assert child_name("stats", "a.csv") == 'stats["a.csv"]'
