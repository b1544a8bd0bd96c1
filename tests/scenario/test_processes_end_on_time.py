"""A timeout or an interrupt really ends a node that has a process of its own, whatever it is doing."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from dagbook.engine.events import Kind

BUSY = {
    "sleep": "time.sleep(60)",
    "loop": "while True: pass",
    "regex": "re.match(r'(a+)+$', 'a' * 60 + 'b')",
    "deaf": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
    "child": "subprocess.run(['sleep', '60'])",
}
NODES = """
import os, re, signal, subprocess, time

@node(process=True, timeout=0.6)
def stuck():
    with open(PATH, "w") as file: file.write(str(os.getpid()))
    {}

def below(stuck): return 1

def other(): return 2
"""

pytestmark = pytest.mark.slow


def gone(path, seconds=2.0):
    pid, end = int(path.read_text()), time.monotonic() + seconds
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not psutil.pid_exists(pid)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("how", BUSY)
def test_a_node_that_never_returns_times_out_and_its_process_is_gone(make_lab, tmp_path, how, workers):
    lab = make_lab(workers=workers)
    lab.namespace["PATH"] = str(tmp_path / "pid")
    lab.cell(NODES.format(BUSY[how]))
    run = lab.run()
    assert run.named(Kind.NODE_TIMED_OUT) == ["stuck"]
    began, ended = run.span(run.index("stuck"))
    assert 0.6 <= ended - began < 0.6 + 0.25
    assert run.left_behind == []
    assert run.named(Kind.NODE_SKIPPED) == ["below"]
    assert lab["other"] == 2
    assert gone(tmp_path / "pid")


def test_a_lane_goes_on_after_its_node_was_ended(make_lab):
    lab = make_lab(workers=2)
    stuck = "".join(f"@node(process=True, timeout=0.3)\ndef s{i}(): time.sleep(60)\n" for i in range(4))
    lab.cell("import time\n" + stuck + "@node(process=True)\ndef last(): return 1")
    threads = threading.active_count()
    run = lab.run()
    assert len(run.named(Kind.NODE_TIMED_OUT)) == 4
    assert lab["last"] == 1
    assert threading.active_count() <= threads + 3  # two lanes, and who keeps the time


def test_the_end_of_the_whole_run_ends_it(make_lab, tmp_path):
    from dagbook.engine.options import RunOptions

    lab = make_lab()
    lab.namespace["PATH"] = str(tmp_path / "pid")
    lab.cell(NODES.format(BUSY["regex"]).replace("timeout=0.6", "timeout=60"))
    began = time.monotonic()
    run = lab.session.run(options=RunOptions(2, timeout=0.8))
    assert time.monotonic() - began < 1.5
    assert run.status == "timed out"
    assert gone(tmp_path / "pid")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_ends_it_within_a_second(make_lab, tmp_path, workers):
    path = tmp_path / "pid"
    lab = make_lab(workers=workers)
    lab.namespace["PATH"] = str(path)
    lab.cell(NODES.format(BUSY["regex"]).replace("timeout=0.6", "timeout=60"))
    sent = []

    def interrupt():
        while not (path.exists() and path.read_text()):
            time.sleep(0.01)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    run = lab.run()
    assert time.monotonic() - sent[0] < 1.0
    assert run.status == "cancelled"
    assert run.left_behind == []
    assert gone(path)
    assert workers == 1 or lab["other"] == 2


PARENT = """
import os, sys, time
from dagbook import Session, node
from dagbook.graph.dag import DAG
from dagbook.graph.node import Node

@node(process=True)
def first():
    with open({path!r}, "w") as file: file.write(str(os.getpid()))
    {how}

@node(process=True)
def second():
    with open({path!r} + "2", "w") as file: file.write(str(os.getpid()))

dag = DAG()
dag.define([Node.of(first), Node.of(second)])
Session(dag, workers=2).run()
"""


def parent(tmp_path, how, **options):
    """A script, without any guard of its main module, whose nodes are running when this returns."""
    script = tmp_path / "script.py"
    script.write_text(PARENT.format(path=str(tmp_path / "pid"), how=BUSY[how].replace("re.", "import re; re.")))
    process = subprocess.Popen([sys.executable, str(script)], **options)
    for name in ("pid", "pid2"):
        end = time.monotonic() + 20
        while not ((tmp_path / name).exists() and (tmp_path / name).read_text()):
            assert time.monotonic() < end, "the nodes never began"
            time.sleep(0.02)
    return process


@pytest.mark.parametrize("how", ["regex", "sleep"])
def test_a_parent_that_is_killed_leaves_no_worker(tmp_path, how):
    process = parent(tmp_path, how)
    process.kill()
    process.wait(5)
    assert gone(tmp_path / "pid", 5)
    assert gone(tmp_path / "pid2", 5)  # it had ended its node, and waited for another


def test_ctrl_c_in_a_terminal_prints_nothing_of_the_workers(tmp_path):
    process = parent(tmp_path, "sleep", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to everybody in the foreground
    output = process.communicate(timeout=5)[0]
    assert "Traceback" not in output
    assert gone(tmp_path / "pid")
    assert gone(tmp_path / "pid2")


def test_a_normal_end_leaves_no_worker(tmp_path):
    process = parent(tmp_path, "sleep", env=os.environ | {"PYTHONWARNINGS": "error"})
    psutil.Process(int((tmp_path / "pid").read_text())).kill()
    assert process.wait(10) == 0
    assert gone(tmp_path / "pid2")


def test_a_worker_is_deaf_to_interrupts_of_its_own(make_lab, capfd):
    lab = make_lab(workers=1)
    lab.cell("import os\n@node(process=True)\ndef a():\n    os.kill(os.getpid(), 2)\n    return os.getpid()")
    pids = []
    for _ in range(2):
        lab.ran(force=["a"])
        pids.append(lab["a"])
        os.kill(pids[-1], signal.SIGINT)
    assert pids[0] == pids[1]
    assert capfd.readouterr().err == ""
