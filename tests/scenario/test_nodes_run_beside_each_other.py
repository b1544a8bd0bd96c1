"""Independent nodes run at the same time, on as many workers as there are; a result is the same on any number."""

import threading
import time

import pytest

from dagbook.engine.events import Kind


def test_as_many_run_at_once_as_there_are_workers(make_lab, gate):
    lab = make_lab(workers=3)
    gate.barrier = threading.Barrier(3, timeout=5)
    lab.cell("import sys\n" + "".join(f"def n{i}(): sys.modules['gate'].barrier.wait()\n" for i in range(3)))
    lab.ran()


def test_one_worker_runs_everything_on_the_calling_thread(make_lab):
    lab = make_lab(workers=1)
    lab.cell("from threading import *\ndef a(): return current_thread().name\ndef b(a): return get_ident()")
    lab.ran()
    assert lab["a"] == threading.current_thread().name
    assert lab["b"] == threading.get_ident()


def test_a_main_node_runs_on_the_calling_thread(lab):
    lab.cell("import threading\n@node(main=True)\ndef a(): return threading.get_ident()")
    lab.ran()
    assert lab["a"] == threading.get_ident()


def test_children_run_beside_each_other(make_lab):
    lab = make_lab(workers=8)
    lab.cell(
        "import time\ndef xs(): return list(range(8))\n@node(each={'x': 'xs'})\n"
        "def a(x):\n    time.sleep(0.1)\n    return x"
    )
    began = time.monotonic()
    lab.ran()
    assert time.monotonic() - began < 0.6
    assert lab["a"] == list(range(8))


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_random_numbers_do_not_depend_on_the_number_of_workers(make_lab, tmp_path, workers):
    lab = make_lab(tmp_path / str(workers), workers=workers)
    lab.cell("import random\n" + "".join(f"def n{i}(): return random.random()\n" for i in range(6)))
    lab.ran()
    alone = make_lab(tmp_path / f"alone {workers}", workers=1)
    alone.cell("import random\n" + "".join(f"def n{i}(): return random.random()\n" for i in range(6)))
    alone.ran()
    assert [lab[f"n{i}"] for i in range(6)] == [alone[f"n{i}"] for i in range(6)]
    assert len({lab[f"n{i}"] for i in range(6)}) == 6


def test_a_lane_holds_one_node_at_a_time(make_lab):
    lab = make_lab(workers=3)
    lab.cell("def a(): return 1\n" + "".join(f"def n{i}(a): return a\n" for i in range(20)))
    lab.ran()
    busy = {}
    for event in lab.session.runs[-1].log:
        if event.kind is Kind.NODE_STARTED:
            lane = event.detail.get("lane", 0)
            assert lane not in busy.values()
            busy[event.node] = lane
        elif event.node in busy:
            del busy[event.node]


def test_time_in_the_log_never_goes_back(make_lab):
    lab = make_lab(workers=4)
    lab.cell("def a(): return 1\n" + "".join(f"def n{i}(a): return a\n" for i in range(20)))
    run = lab.run()
    times = [event.time for event in run.log]
    assert times == sorted(times)


def test_a_run_asked_for_by_a_node_of_another_session_is_no_deadlock(lab, make_lab, tmp_path):
    inner = make_lab(tmp_path / "inner")
    inner.cell("def x(): return 5")
    inner.ran()
    assert inner["x"] == 5
