"""A node may add nodes and take others out while the run goes on: all of what it asks for, or nothing."""

import threading

import pytest

from dagbook.engine.options import RunOptions
from dagbook.errors import CycleError, DuplicateNodeError, GraphError, NodeNotFoundError
from dagbook.graph.compose import Growth, NewNode
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run


def graph(*edges):
    dag = DAG()
    dag.add_edges(edges)
    return dag


def ended(run):
    return {name: run.state(i).name for i, name in enumerate(run.names)}


def grow(*nodes, remove=()):
    """An expander that adds these nodes."""
    return lambda value: Growth(tuple(nodes), tuple(remove))


@pytest.mark.parametrize("workers", [1, 4])
def test_children_of_children_of_children(workers):
    dag, expanders, last = graph(("n0", "end")), {}, 50

    def expander(level):
        def expand(value):
            name = f"n{level + 1}"
            return Growth((NewNode(name, lambda: level + 1, (f"n{level}",), ("end",)),)) if level < last else None

        return expand

    for level in range(last + 1):
        expanders[f"n{level}"] = expander(level)
    options = RunOptions(workers=workers, expanders=expanders)
    run = plain_run(dag, {"n0": lambda: 0, "end": lambda: "end"}, options).wait()
    assert run.crash is None
    assert run.executed == [*(f"n{level}" for level in range(last + 1)), "end"]


@pytest.mark.parametrize("workers", [1, 4])
def test_thousands_at_once_from_several_nodes(workers):
    dag = graph(("a", "end"), ("b", "end"))

    def expand(name):
        return lambda value: Growth(tuple(NewNode(f"{name}{n}", int, (name,), ("end",)) for n in range(2_000)))

    options = RunOptions(workers=workers, expanders={"a": expand("a"), "b": expand("b")})
    run = plain_run(dag, {"a": int, "b": int, "end": int}, options).wait()
    assert run.crash is None
    assert set(ended(run).values()) == {"RAN"}
    assert len(run.names) == 4_003
    assert run.executed[-1] == "end"


@pytest.mark.parametrize("workers", [1, 4])
def test_new_nodes_get_the_values_of_those_that_they_need_in_any_order(workers):
    dag = graph(("a", "end"))
    new = [NewNode("c", lambda a, b: (a, b), ("a", "b"), ("end",)), NewNode("b", lambda a: a + 1, ("a",))]
    run = plain_run(dag, {"a": lambda: 1, "end": int}, RunOptions(workers=workers, expanders={"a": grow(*new)})).wait()
    assert run.value(run.index("c")) == (1, 2)
    assert run.executed[-1] == "end"


@pytest.mark.parametrize("workers", [1, 4])
def test_a_node_that_waits_can_be_taken_out(workers):
    dag, called = graph(("a", "b"), ("b", "c")), []
    tasks = {name: (lambda name=name: called.append(name)) for name in dag}
    run = plain_run(dag, tasks, RunOptions(workers=workers, expanders={"a": grow(remove=["b"])})).wait()
    assert called == ["a", "c"]
    assert ended(run)["b"] == "SKIPPED"
    assert run.reason(run.index("b")) == "removed by the expansion of a"
    assert list(dag) == ["a", "c"]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_node_whose_value_a_task_takes_is_taken_out_only_together_with_it(workers):
    dag, tasks = graph(("a", "b"), ("b", "c")), {"a": int, "b": int, "c": lambda b: b}
    run = plain_run(dag, tasks, RunOptions(workers=workers, expanders={"a": grow(remove=["b"])})).wait()
    assert "the task of 'c' takes its value" in str(run.crash)
    assert list(dag) == ["a", "b", "c"]
    run = plain_run(dag, tasks, RunOptions(workers=workers, expanders={"a": grow(remove=["b", "c"])})).wait()
    assert ended(run) == {"a": "RAN", "b": "SKIPPED", "c": "SKIPPED"}
    assert run.status == "done"


REFUSED = {
    "a cycle": (grow(NewNode("x", int, ("c",), ("b",))), CycleError),
    "a cycle among new nodes": (grow(NewNode("x", int, ("y",)), NewNode("y", int, ("x",))), CycleError),
    "a name that is taken": (grow(NewNode("new", int), NewNode("b", int)), DuplicateNodeError),
    "a name twice": (grow(NewNode("new", int), NewNode("new", int)), DuplicateNodeError),
    "an unknown dependency": (grow(NewNode("new", int, ("nobody",))), NodeNotFoundError),
    "an unknown dependent": (grow(NewNode("new", int, (), ("nobody",))), NodeNotFoundError),
    "an unknown removal": (grow(NewNode("new", int), remove=["nobody"]), NodeNotFoundError),
    "the removal of a node that has run": (grow(NewNode("new", int), remove=["first"]), GraphError),
    "the removal of itself": (grow(NewNode("new", int), remove=["a"]), GraphError),
    "an input for a node that has run": (grow(NewNode("new", int), NewNode("x", int, (), ("first",))), GraphError),
    "a task with an unknown parameter": (grow(NewNode("new", int), NewNode("x", lambda other: 1, ("a",))), GraphError),
}


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_and_nothing_of_it_is_done(case, workers):
    dag = graph(("first", "a"), ("a", "b"), ("b", "c"))
    before = (list(dag), [dag.predecessors(name) for name in dag])
    expander, error = REFUSED[case]
    options = RunOptions(workers=workers, expanders={"a": expander})
    run = plain_run(dag, {name: (lambda: 1) for name in dag}, options).wait()
    assert isinstance(run.crash, error)
    assert (list(dag), [dag.predecessors(name) for name in dag]) == before
    assert ended(run) == {"first": "RAN", "a": "RAN", "b": "CANCELLED", "c": "CANCELLED"}
    assert run.value(run.index("first")) == 1
    assert run.status == "failed"


def test_the_removal_of_a_node_that_runs_is_refused():
    dag, entered, go_on = graph(("a", "b")), threading.Event(), threading.Event()
    dag.add_nodes(["beside"])
    tasks = {"a": lambda: entered.wait(5), "b": int, "beside": lambda: (entered.set(), go_on.wait(5))}

    def expand(value):
        return Growth(remove=("beside",))

    run = plain_run(dag, tasks, RunOptions(workers=2, expanders={"a": expand}))
    while run.driver.crash is None:
        threading.Event().wait(0.001)
    go_on.set()
    run.wait()
    assert "'beside', which has already been started" in str(run.crash)
    assert ended(run) == {"a": "RAN", "beside": "RAN", "b": "CANCELLED"}


@pytest.mark.parametrize("workers", [1, 4])
def test_an_expander_that_raises_fails_its_node_alone(workers):
    dag = graph(("a", "b"), ("c", "d"))
    options = RunOptions(workers=workers, expanders={"a": lambda value: 1 / 0})
    run = plain_run(dag, dict.fromkeys(dag, int), options).wait()
    assert ended(run) == {"a": "FAILED", "b": "SKIPPED", "c": "RAN", "d": "RAN"}
    assert isinstance(run.errors["a"], ZeroDivisionError)


def test_many_nodes_change_the_graph_while_others_are_about_to_start():
    """What gets another input at the last moment waits for it, and what is taken out is not called, on any lane."""
    for _ in range(20):
        dag = DAG()
        dag.add_nodes([f"a{n}" for n in range(10)] + [f"b{n}" for n in range(60)])
        calls, lock = [], threading.Lock()

        def task(name):
            def call():
                with lock:
                    calls.append(name)

            return call

        def expander(n):
            def expand(value):
                free = [f"b{k}" for k in range(6 * n, 6 * n + 6) if f"b{k}" not in calls]
                if not free:
                    return None
                return Growth((NewNode(f"x{n}", task(f"x{n}"), (), (free[0],)),), tuple(free[-1:]) if free[1:] else ())

            return expand

        expanders = {f"a{n}": expander(n) for n in range(10)}
        run = plain_run(dag, {name: task(name) for name in dag}, RunOptions(workers=3, expanders=expanders)).wait()
        run.driver.scheduler.validate()
        assert sorted(calls) == sorted(run.executed)
        assert run.crash is None or "already been started" in str(run.crash)
