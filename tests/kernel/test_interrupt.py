"""An interrupt gives the cell back within a second, keeps what is finished, and leaves nothing running."""

from __future__ import annotations

import os
import random
import time
from threading import Timer

import pytest

from tests.kernel.conftest import Kernel, Reply, plain

pytestmark = pytest.mark.slow

LIMIT = 1.0
"""Seconds from the interrupt to the end of the cell. A busy machine gets some more, which is reported."""
SLACK = 0.5

NODES = """%%dag
import time
from dagbook import node


def first():
    return [1]


def sleeper(first):
    time.sleep(1.8)
    return 2


def busy(first):
    end = time.monotonic() + 20
    n = 0
    while time.monotonic() < end:
        n += 1
    return n


@node(main=True)
def on_main(first):
    for _ in range(2000):
        time.sleep(0.01)
    return 3


def figure(first):
    import matplotlib.pyplot as plt

    fig = plt.figure()
    for _ in range(2000):
        time.sleep(0.01)
    return fig


def step_1(first):
    time.sleep(0.1)
    return 1


def step_2(step_1):
    time.sleep(0.1)
    return 2


def step_3(step_2):
    time.sleep(0.1)
    return 3


@node(main=True)
def step_4(step_3):
    time.sleep(0.1)
    return 4


def last(step_4):
    return [step_4]
"""
FINISHED = "[n for n, s in dag._notebook.session.runs[-1].stories.items() if s.how.name == 'NODE_RAN']"


@pytest.fixture
def loaded(shared: Kernel) -> Kernel:
    shared.must(NODES, "nodes")
    return shared


def interrupted(kernel: Kernel, source: str, after: float) -> tuple[Reply, float]:
    """Run a cell and interrupt it. Returns what it showed, and the seconds from the interrupt to its end."""
    message = kernel.send(source, "run")
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.monotonic())
        kernel.manager.interrupt_kernel()

    timer = Timer(after, interrupt)
    timer.start()
    reply = kernel.collect(message)
    ended = time.monotonic()
    timer.join()
    return reply, ended - sent[0]


def threads(kernel: Kernel) -> int:
    """How many threads of ours there are."""
    count = kernel.value("sum(t.name.startswith('dagbook') for t in __import__('threading').enumerate())")
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("name", ["sleeper", "busy", "on_main", "figure"])
def test_the_cell_returns_at_once_and_what_was_finished_is_kept(loaded: Kernel, name: str) -> None:
    loaded.must("%dag run first --force first")
    reply, seconds = interrupted(loaded, f"%dag run {name}", 0.6)
    assert seconds < LIMIT + SLACK
    assert reply.error is not None
    assert reply.error["ename"] == "RunCancelled"
    said = plain("\n".join(reply.error["traceback"]))
    assert said.startswith("RunCancelled: cancelled: ")
    assert "Run again to go on from there." in said
    if name == "sleeper":
        assert "Still ending in the background, its result will be ignored: sleeper." in said
    assert loaded.value("dag.first") == [1]
    assert f"{name}: cancelled" in loaded.must(f"%dag why {name}").text
    assert loaded.must("print(dag)").text.startswith("<dag of")


def test_no_thread_is_left_when_the_abandoned_node_has_ended(loaded: Kernel) -> None:
    loaded.must("%dag run first")
    before = threads(loaded)
    interrupted(loaded, "%dag run sleeper", 0.4)
    deadline = time.monotonic() + 5
    while (left := threads(loaded)) > max(before - 1, 0) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left <= max(before - 1, 0), "the pool that was abandoned is gone"
    loaded.must("%dag run step_1")
    assert loaded.value("dag.step_1") == 1


def test_a_late_result_of_an_abandoned_node_is_not_taken(loaded: Kernel) -> None:
    interrupted(loaded, "%dag run sleeper", 0.4)
    time.sleep(1.8)  # it has ended by now
    assert "sleeper has no value yet" in loaded.refused("dag.sleeper")
    loaded.must("%dag run sleeper")
    assert loaded.executed() == ["sleeper"]


def test_a_second_interrupt_of_a_node_that_ignores_them_changes_nothing_for_the_worse(loaded: Kernel) -> None:
    loaded.must(
        "%%dag\nimport time\nfrom dagbook import node\n\n@node(main=True)\ndef stubborn():\n    for _ in range(2):\n"
        "        try:\n            time.sleep(30)\n        except KeyboardInterrupt:\n            pass\n    return 1\n",
        "stubborn",
    )
    message = loaded.send("%dag run stubborn", "run")
    for delay in (0.5, 0.3):
        time.sleep(delay)
        loaded.manager.interrupt_kernel()
    reply = loaded.collect(message, timeout=10)
    assert reply.error is None or reply.error["ename"] == "RunCancelled"
    assert loaded.value("1 + 1") == 2


def test_ten_interrupts_at_random_moments_leave_a_graph_that_goes_on(loaded: Kernel) -> None:
    seed = int(os.environ.get("DAGBOOK_SEED") or random.randrange(2**32))
    print(f"DAGBOOK_SEED={seed}")
    rng = random.Random(seed)
    slowest = 0.0
    for n in range(10):
        salt = f"{seed}-{n}"
        cell = NODES.replace("return [1]", f"return [1, {salt!r}]")
        loaded.must(cell.replace("return 1\n", f"return 1 + len(first) * {n}\n"), "nodes")
        reply, seconds = interrupted(loaded, "%dag run last", rng.uniform(0.0, 0.05 if n % 2 else 0.7))
        slowest = max(slowest, seconds)
        begun = reply.error is None or reply.error["ename"] == "RunCancelled"
        assert begun or reply.error["ename"] == "KeyboardInterrupt"
        done = loaded.value(FINISHED) if begun else []
        assert isinstance(done, list)
        loaded.must("%dag run last")
        again = set(loaded.executed())
        assert not again.intersection(done), f"{again.intersection(done)} ran twice"
        assert loaded.value("dag.last") == [4]
    print(f"slowest: {slowest:.2f} s")
    assert slowest < LIMIT + SLACK


@pytest.mark.parametrize("moment", ["start", "end"])
def test_an_interrupt_while_a_run_is_made_or_taken_down_leaves_no_run_behind(loaded: Kernel, moment: str) -> None:
    loaded.must(
        "import os, signal\nnotebook = dag._notebook\nview = notebook.view\nplainly = view.finish\n"
        "def strike(*_):\n    os.kill(os.getpid(), signal.SIGINT)\n    return lambda *_: None\n"
        "def finish():\n    strike()\n    plainly()\n"
    )
    loaded.must("notebook.session.observers.append(strike)" if moment == "start" else "view.finish = finish")
    reply = loaded.run("%dag run last --force first", "run")
    loaded.must("notebook.session.observers.remove(strike)" if moment == "start" else "del view.finish")
    assert (reply.error or {}).get("ename") == ("RunCancelled" if moment == "start" else None)
    assert loaded.value("[t.name for t in __import__('threading').enumerate() if t.name == 'dagbook run']") == []
    loaded.must("%dag run last", "run")
    assert loaded.value("dag.last") == [4]
