"""A task is called exactly as often as the log says that it was started, whatever happens around it."""

import threading
from collections import Counter

import pytest

from dagbook.engine.options import RunOptions
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run


class Tasks:
    """Tasks that count their calls; those in ``failing`` fail so often."""

    def __init__(self, dag, **failing):
        self.calls, self.failing = Counter(), Counter(failing)
        self.lock = threading.Lock()
        self.functions = {name: self.task(name) for name in dag}

    def task(self, name):
        def run():
            with self.lock:
                self.calls[name] += 1
                self.failing[name] -= 1
                failing = self.failing[name] >= 0
            if failing:
                raise ValueError(name)

        return run


CHAIN = [(f"n{i}", f"n{i + 1}") for i in range(6)]


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("failing", ["n0", "n3", "n6"])
def test_a_node_that_fails_in_the_middle_of_a_chain_is_called_once(workers, failing):
    dag = DAG()
    dag.add_edges(CHAIN)
    tasks = Tasks(dag, **{failing: 9})
    run = plain_run(dag, tasks.functions, RunOptions(workers=workers)).wait()
    assert tasks.calls == Counter(run.executed)
    assert run.executed == [f"n{i}" for i in range(int(failing[1]) + 1)]
    assert run.status == "failed"


@pytest.mark.parametrize("workers", [1, 3])
def test_nodes_that_are_tried_again_are_called_once_for_each_attempt(workers):
    dag = DAG()
    for n in range(40):
        dag.add_edge(f"a{n}", f"b{n}")
    tasks = Tasks(dag, **{f"b{n}": n % 3 for n in range(40)})
    run = plain_run(dag, tasks.functions, RunOptions(workers=workers, retries=2)).wait()
    assert run.status == "done"
    assert tasks.calls == Counter(run.executed)
    assert all(tasks.calls[f"b{n}"] == n % 3 + 1 for n in range(40))


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_failure_elsewhere_stops_a_chain_after_the_node_that_it_is_at(workers):
    dag, at, failed = DAG(), threading.Event(), threading.Event()
    dag.add_edges([("bad", "below"), *CHAIN])
    tasks = Tasks(dag)

    def bad():
        if workers > 1:
            at.wait(5)
        failed.set()
        raise ValueError

    def n3():
        tasks.calls["n3"] += 1
        at.set()
        failed.wait(5)
        while run.state(run.index("bad")).name == "RUNNING":
            threading.Event().wait(0.001)

    functions = tasks.functions | {"bad": bad, "n3": n3}
    run = plain_run(dag, functions, RunOptions(workers=workers, fail_fast=True))
    run.wait()
    run.driver.scheduler.validate()
    assert tasks.calls + Counter(["bad"]) == Counter(run.executed)
    assert "n5" not in run.executed


@pytest.mark.parametrize("workers", [1, 2])
def test_a_condition_that_raises_fails_its_node_even_if_it_may_be_tried_again(workers):
    dag = DAG()
    dag.add_edges([("a", "b"), ("b", "c")])
    options = RunOptions(workers=workers, retries=2, conditions={("a", "b"): lambda value: value / 0})
    run = plain_run(dag, {"a": lambda: 1, "b": int, "c": int}, options).wait()
    assert [run.state(i).name for i in range(3)] == ["RAN", "FAILED", "SKIPPED"]


def test_a_pause_or_a_cancel_after_the_end_adds_nothing_to_the_log():
    dag = DAG()
    dag.add_edges(CHAIN)
    run = plain_run(dag, Tasks(dag).functions).wait()
    before = list(run.log)
    for late in (run.pause, run.resume, run.cancel, run.stop, run.driver.interrupt):
        late()
    assert list(run.log) == before
    assert run.status == "done"
