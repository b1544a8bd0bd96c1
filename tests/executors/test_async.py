"""Coroutine functions and plain functions run in one graph: in a loop, in a thread, in a script."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from dagbook import AsyncDAGExecutor, DAGExecutor, UsageError
from tests.executors.conftest import graph, statuses


def mixed():
    """A graph, and tasks for it: a coroutine function, a plain function that needs it, and the other way round."""
    dag = graph("fetch>count>report", "read>report")

    async def fetch():
        await asyncio.sleep(0.001)
        return [1, 2, 3]

    async def report(count, read):
        await asyncio.sleep(0)
        return f"{count} {read}"

    return dag, {"fetch": fetch, "count": lambda fetch: len(fetch), "read": lambda: "rows", "report": report}


def test_in_a_running_loop():
    dag, tasks = mixed()
    result = asyncio.run(AsyncDAGExecutor(dag).execute(tasks))
    assert result["report"].result == "3 rows"
    assert result.succeeded == 4


def test_the_plain_executor_works_inside_a_running_loop():
    dag, tasks = mixed()

    async def main():
        return DAGExecutor(dag).execute(tasks)

    assert asyncio.run(main())["report"].result == "3 rows"


@pytest.mark.parametrize("workers", [1, 2])
def test_the_plain_executor_works_without_a_loop(workers):
    dag, tasks = mixed()
    assert DAGExecutor(dag, max_workers=workers).execute(tasks)["report"].result == "3 rows"


@pytest.mark.parametrize("executor", [DAGExecutor, AsyncDAGExecutor])
def test_in_a_thread(executor):
    dag, tasks = mixed()
    found = []

    def work():
        result = executor(dag).execute(tasks)
        found.append(asyncio.run(result) if asyncio.iscoroutine(result) else result)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert found[0]["report"].result == "3 rows"


def test_in_a_script():
    script = (
        "import asyncio, dagbook\n"
        "dag = dagbook.DAG.builder().add_edge('a', 'b').build()\n"
        "async def a(): return 1\n"
        "def b(a): return a + 1\n"
        "print(dagbook.DAGExecutor(dag).execute({'a': a, 'b': b})['b'].result)\n"
        "print(asyncio.run(dagbook.AsyncDAGExecutor(dag).execute({'a': a, 'b': b}))['b'].result)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout.split(), done.stderr) == (["2", "2"], "")


def test_the_loop_goes_on_meanwhile(released):
    dag = graph("a")

    async def main():
        async def let_go():
            await asyncio.sleep(0)
            released.set()

        other = asyncio.create_task(let_go())
        result = await AsyncDAGExecutor(dag).execute({"a": lambda: released.wait(10)})
        await other
        return result

    assert asyncio.run(main())["a"].result is True


def test_coroutines_run_at_once_and_not_only_as_many_as_there_are_workers():
    dag = graph(*[f"n{i}" for i in range(50)])

    async def main():
        meeting = asyncio.Barrier(50)

        async def wait():
            async with asyncio.timeout(10):
                await meeting.wait()

        return await AsyncDAGExecutor(dag, max_workers=1).execute(dict.fromkeys(dag, wait))

    assert asyncio.run(main()).succeeded == 50


def test_a_coroutine_that_is_given_up_is_cancelled():
    dag = graph("slow>below")
    heard = []

    async def slow():
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    async def main():
        began = time.monotonic()
        result = await AsyncDAGExecutor(dag).execute({"slow": slow, "below": lambda: 1}, timeout=0.2)
        took = time.monotonic() - began
        await asyncio.sleep(0.01)
        return result, took

    result, took = asyncio.run(main())
    assert 0.2 <= took <= 0.24
    assert statuses(result) == {"slow": "TIMED_OUT", "below": "SKIPPED"}
    assert heard == ["cancelled"]


def test_who_is_cancelled_cancels_the_run():
    dag = graph("a>b")
    heard = []

    async def a():
        try:
            await asyncio.sleep(20)
        finally:
            heard.append("a ended")

    async def main():
        execution = asyncio.create_task(AsyncDAGExecutor(dag).execute({"a": a, "b": lambda: heard.append("b")}))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        execution.cancel()
        with pytest.raises(asyncio.CancelledError):
            await execution
        await asyncio.sleep(0.01)
        return time.monotonic() - began

    assert asyncio.run(main()) < 1
    assert heard == ["a ended"]


def test_a_callable_object_and_a_lambda_may_return_a_coroutine():
    class Fetch:
        async def __call__(self):
            return "object"

    async def late():
        return "lambda"

    dag = graph("a", "b")
    tasks = {"a": Fetch(), "b": lambda: late()}
    assert [n.result for n in DAGExecutor(dag).execute(tasks).node_results.values()] == ["object", "lambda"]
    found = asyncio.run(AsyncDAGExecutor(dag).execute(tasks))
    assert [n.result for n in found.node_results.values()] == ["object", "lambda"]


def test_bad_arguments_are_refused_before_anything_runs(account):
    dag = graph("a>b")
    with pytest.raises(UsageError, match="'b'"):
        asyncio.run(AsyncDAGExecutor(dag).execute({"a": account.task("a", 1)}))
    with pytest.raises(UsageError, match="timeout"):
        asyncio.run(AsyncDAGExecutor(dag).execute(account.tasks(dag), timeout=-1))
    assert account.ran == []
