"""A pipeline's edges come from parameter names; what cannot be a pipeline is refused when it is made."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dagbook import CycleError, DuplicateNodeError, Pipeline, UsageError, task
from dagbook.errors import AmbiguousInputError, MissingInputError


@task
def load():
    return [3, 1, 2]


@task
def order(load):
    return sorted(load)


@task
def first(order, *, count=1):
    return order[:count]


def test_values_go_where_the_parameters_say():
    pipeline = Pipeline([first, order, load], name="etl")
    assert pipeline.execute()["first"].result == [1]
    assert list(pipeline.dag.topology().names) == ["load", "order", "first"]
    assert repr(pipeline).startswith("<Pipeline 'etl'")


def test_a_task_stays_a_function():
    assert order([2, 1]) == [1, 2]
    assert order.__name__ == "order"


def test_a_plain_function_is_a_task_too():
    def double(load):
        return load * 2

    assert Pipeline([load, double]).execute()["double"].result == [3, 1, 2, 3, 1, 2]


def test_a_task_may_have_options():
    tries = []

    @task(retries=2)
    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("not yet")
        return "at last"

    assert Pipeline([flaky]).execute()["flaky"].result == "at last"
    with pytest.raises(Exception, match="Did you mean 'retries'"):
        task(retry=2)


def test_it_takes_what_the_executor_takes():
    heard = []

    class Heard:
        def on_node_start(self, name):
            heard.append(name)

    result = Pipeline([load, order]).execute(max_workers=1, callbacks=Heard(), enable_tracing=True, timeout=30)
    assert heard == ["load", "order"]
    assert result.trace.name == "pipeline"
    cancel = threading.Event()
    cancel.set()
    assert Pipeline([load, order]).execute(cancel_event=cancel).cancelled == 2
    with pytest.raises(TypeError, match="max_wrokers"):
        Pipeline([load]).execute(max_wrokers=1)


def test_it_runs_in_a_loop():
    @task
    async def total(load):
        await asyncio.sleep(0)
        return sum(load)

    async def main():
        return await Pipeline([load, total]).execute_async()

    assert asyncio.run(main())["total"].result == 6
    assert Pipeline([load, total]).execute()["total"].result == 6


def test_a_failure_skips_what_needs_it():
    @task
    def load():
        raise OSError("no such table")

    result = Pipeline([load, order]).execute()
    assert (result.failed, result.skipped) == (1, 1)
    assert result["order"].reason == "load failed"


def test_what_is_no_pipeline_is_refused():
    @task
    def lost(laod):
        return laod

    with pytest.raises(MissingInputError, match=r"lost needs 'laod'.*Did you mean 'load'"):
        Pipeline([load, lost])

    @task
    def unsure(load=None):
        return load

    with pytest.raises(AmbiguousInputError, match="unsure: parameter 'load' has a default"):
        Pipeline([load, unsure])
    with pytest.raises(DuplicateNodeError, match="'load'"):
        Pipeline([load, order, load])
    with pytest.raises(UsageError, match="made of functions, and 3 is none"):
        Pipeline([load, 3])

    @task
    def a(b):
        return b

    @task
    def b(a):
        return a

    with pytest.raises(CycleError, match=r"a → b → a|b → a → b"):
        Pipeline([a, b])
