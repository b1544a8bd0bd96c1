"""Nodes in processes of their own compute at the same time, on cores of their own."""

import os
import subprocess
import sys
import time

import pytest

NODES = """
import os, time

def _compute():
    began, cpu = time.monotonic(), time.thread_time()
    n = 0
    while time.thread_time() - cpu < {seconds}:
        n += 1
    return os.getpid(), began, time.monotonic()

@node({options})
def left(): return _compute()

@node({options})
def right(): return _compute()
"""


def test_they_have_processes_of_their_own_and_overlap(make_lab):
    lab = make_lab(None, workers=2)
    lab.cell(NODES.format(seconds=0.4, options="process=True"))
    lab.run().raise_for_status()
    (one, began1, ended1), (two, began2, ended2) = lab["left"], lab["right"]
    assert len({one, two, os.getpid()}) == 3
    overlap = min(ended1, ended2) - max(began1, began2)
    assert overlap > 0.2


BARE = "import time\nwhile time.thread_time() < 0.8: pass"


@pytest.mark.slow
def test_two_of_them_are_as_quick_as_two_interpreters_by_hand(make_lab):
    """The best of some tries: others may use the cores too. Threads would take twice as long where there are two."""
    lab = make_lab(None, workers=2)
    lab.cell(NODES.format(seconds=0.8, options="process=True"))
    lab.run()
    ratios = []
    while not ratios or (min(ratios) > 1.3 and len(ratios) < 6):
        began = time.monotonic()
        bare = [subprocess.Popen([sys.executable, "-c", BARE]) for _ in range(2)]
        for process in bare:
            process.wait()
        between = time.monotonic()
        lab.run(force=["left", "right"])
        ratios.append((time.monotonic() - between) / (between - began))
    assert min(ratios) <= 1.3, ratios
