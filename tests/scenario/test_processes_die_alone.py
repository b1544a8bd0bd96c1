"""A node with a process of its own can exit, crash or be killed: that node has failed, and nothing else has."""

import os
import time

import psutil
import pytest

from dagbook.backends import processes
from dagbook.engine.events import Kind
from dagbook.errors import NodeDied

EXITS = [
    "sys.exit(3)",
    "sys.exit('out of here')",
    "sys.exit()",
    "raise SystemExit",
    "exit(4)",
]
DEATHS = {
    "os._exit(0)": "exit code 0",
    "os._exit(1)": "exit code 1",
    "os._exit(250)": "exit code 250",
    "threading.Thread(target=os._exit, args=(7,)).start(); time.sleep(20)": "exit code 7",
    "ctypes.string_at(0)": "SIGSEGV",
    "ctypes.memset(8, 1, 8)": "SIGSEGV",
    "ctypes.CFUNCTYPE(None)(0)()": "SIGSEGV",
    "os.kill(os.getpid(), signal.SIGSEGV)": "SIGSEGV",
    "os.abort()": "SIGABRT",
    "os.kill(os.getpid(), signal.SIGBUS)": "SIGBUS",
    "os.kill(os.getpid(), signal.SIGILL)": "SIGILL",
    "os.kill(os.getpid(), signal.SIGFPE)": "SIGFPE",
    "os.kill(os.getpid(), signal.SIGKILL); time.sleep(20)": "SIGKILL",
    "subprocess.Popen(['sleep', '30']); os.kill(os.getpid(), signal.SIGKILL); time.sleep(20)": "SIGKILL",
    "os.fork() or time.sleep(30); os._exit(9)": "exit code 9",
}
NODES = """
import ctypes, os, signal, subprocess, sys, threading, time

@node(process=True)
def broken():
    print("about to")
    {}

def below(broken): return 1

@node(process=True)
def sibling():
    time.sleep(0.05)
    return os.getpid()

@node(process=True)
def next_one(sibling): return sibling
"""

pytestmark = pytest.mark.slow


def orphans():
    """Living processes that were started here, by us or by what we started, but for workers that wait for a call."""
    spare = {worker._process.pid for worker in processes._spare}
    found = [p for p in psutil.process_iter(["pid", "ppid", "cmdline", "status"]) if p.pid != os.getpid()]
    mine = {os.getpid()}
    for _ in range(5):
        mine |= {p.pid for p in found if p.info["ppid"] in mine}
    sleeps = {p.pid for p in found if p.info["cmdline"] == ["sleep", "30"]}
    return {p.pid for p in found if p.pid in mine | sleeps and p.info["status"] != "zombie"} - {os.getpid()} - spare


def test_there_are_twenty_ways():
    assert len(EXITS) + len(DEATHS) == 20


@pytest.mark.parametrize("how", EXITS)
def test_an_exit_is_a_failure_like_any_other(make_lab, how):
    lab = make_lab()
    lab.cell(NODES.format(how))
    run = lab.run()
    assert run.named(Kind.NODE_FAILED) == ["broken"]
    assert isinstance(run.errors["broken"], SystemExit)
    assert run.named(Kind.NODE_SKIPPED) == ["below"]
    assert lab["next_one"] == lab["sibling"] != os.getpid()


@pytest.mark.parametrize("how", DEATHS)
def test_a_death_fails_one_node_and_leaves_no_process(make_lab, capsys, how):
    others = orphans()  # of other tests: kernels, for example
    lab = make_lab()
    lab.cell(NODES.format(how))
    run = lab.run()
    assert run.named(Kind.NODE_FAILED) == ["broken"]
    error = run.errors["broken"]
    assert isinstance(error, NodeDied)
    assert str(error).startswith("broken died: its process ")
    assert DEATHS[how] in str(error)
    assert run.named(Kind.NODE_SKIPPED) == ["below"]
    assert lab["next_one"] == lab["sibling"]
    assert run.left_behind == []
    assert "about to" in capsys.readouterr().out
    end = time.monotonic() + 5
    while (left := orphans() - others) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left


def test_after_a_death_there_is_a_new_process_for_the_next_call(make_lab):
    lab = make_lab(workers=1)
    lab.cell("import os\n@node(process=True, retries=2)\ndef a():\n    if not os.path.exists(PATH):\n"
             "        open(PATH, 'w').close()\n        os._exit(1)\n    return 5")
    lab.namespace["PATH"] = str(lab.directory) + ".once"
    assert lab.ran() == ["a", "a"]
    assert lab["a"] == 5


def test_a_spare_worker_that_was_killed_is_not_used(make_lab):
    lab = make_lab()
    lab.cell("import os\n@node(process=True)\ndef a(): return os.getpid()")
    lab.ran()
    for worker in processes._spare:
        os.kill(worker._process.pid, 9)
        worker._process.wait(5)
    assert lab.ran(force=["a"]) == ["a"]


def test_in_a_plain_run_too():
    from dagbook import DAG, DAGExecutor

    dag = DAG()
    dag.add_node("dies", process=True)
    dag.add_node("lives", process=True)
    dag.add_node("here")
    result = DAGExecutor(dag, max_workers=2, fail_fast=False).execute(
        {"dies": lambda: os._exit(5), "lives": lambda: os.getpid(), "here": os.getpid}
    )
    results = result.node_results
    assert "dies died: its process ended with exit code 5" in str(results["dies"].error)
    assert results["lives"].result != results["here"].result == os.getpid()
