"""Graphs of coroutine functions and plain functions run wherever they are started: loop or no loop, thread or node."""

import asyncio
import threading

import pytest

from dagbook import AsyncDAGExecutor, DAGExecutor
from dagbook.engine.options import RunOptions
from dagbook.graph.dag import DAG
from dagbook.launch import plain_run
from dagbook.session import Session


def mixed():
    """A graph in which coroutine functions need plain ones, and plain ones coroutine functions."""
    dag = DAG()
    dag.add_edges([("fetch", "count"), ("count", "report"), ("read", "report")])

    async def fetch():
        await asyncio.sleep(0.001)
        return [1, 2, 3]

    async def report(count, read):
        await asyncio.sleep(0)
        return count, read

    return dag, {"fetch": fetch, "count": lambda fetch: len(fetch), "read": lambda: "rows", "report": report}


def sync_face(workers):
    dag, tasks = mixed()
    return DAGExecutor(dag, max_workers=workers).execute(tasks)["report"].result


def kept_run(workers):
    dag, tasks = mixed()
    run = Session(dag).run(tasks=tasks, options=RunOptions(workers=workers))
    return run.value(run.index("report"))


async def async_face(workers):
    dag, tasks = mixed()
    return (await AsyncDAGExecutor(dag, max_workers=workers).execute(tasks))["report"].result


def async_face_alone(workers):
    return asyncio.run(async_face(workers))


def script(call):
    return call()


def thread(call):
    found = []
    worker = threading.Thread(target=lambda: found.append(call()))
    worker.start()
    worker.join(10)
    return found[0]


def running_loop(call):
    async def main():
        return call()

    return asyncio.run(main())


def inside_a_task(call):
    dag = DAG()
    dag.add_node("outer")
    run = plain_run(dag, {"outer": call}).wait()
    return run.value(0)


def inside_a_coroutine(call):
    async def outer():
        return call()

    dag = DAG()
    dag.add_node("outer")
    return plain_run(dag, {"outer": outer}).wait().value(0)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("where", [script, thread, running_loop, inside_a_task, inside_a_coroutine])
@pytest.mark.parametrize("face", [sync_face, kept_run])
def test_the_blocking_faces_work(face, where, workers):
    assert where(lambda: face(workers)) == (3, "rows")


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("where", [script, thread, inside_a_task])
def test_the_async_face_works_with_a_loop_of_its_own(where, workers):
    assert where(lambda: async_face_alone(workers)) == (3, "rows")


@pytest.mark.parametrize("workers", [1, 3])
def test_the_async_face_works_in_a_running_loop_and_inside_a_coroutine_of_another(workers):
    async def outer():
        return await async_face(workers)

    dag = DAG()
    dag.add_node("outer")

    async def main():
        result = await AsyncDAGExecutor(dag).execute({"outer": outer})
        return result["outer"].result, await async_face(workers)

    assert asyncio.run(main()) == ((3, "rows"), (3, "rows"))


def test_many_async_faces_share_a_loop():
    async def main():
        return await asyncio.gather(*(async_face(2) for _ in range(10)))

    assert asyncio.run(main()) == [(3, "rows")] * 10


def test_the_loop_goes_on_while_plain_functions_run():
    dag, entered, go_on = DAG(), threading.Event(), threading.Event()
    dag.add_node("slow")

    async def main():
        async def tick():
            while not entered.is_set():
                await asyncio.sleep(0.001)
            go_on.set()

        _, result = await asyncio.gather(tick(), AsyncDAGExecutor(dag).execute({"slow": slow}))
        return result["slow"].result

    def slow():
        entered.set()
        return go_on.wait(5)

    assert asyncio.run(main()) is True


def test_a_cancelled_caller_ends_the_run():
    dag, ended = DAG(), []
    dag.add_edges([("a", "b")])

    async def a():
        try:
            await asyncio.sleep(5)
        finally:
            ended.append("a")

    async def main():
        await asyncio.wait_for(AsyncDAGExecutor(dag).execute({"a": a, "b": int}), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert ended == ["a"]
