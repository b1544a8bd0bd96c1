"""A value that cannot be stored lives in memory: used as long as the kernel lives, made again after a restart."""

SOURCE = """
import threading
def lock(): return threading.Lock()
def kind(lock): return type(lock).__name__
def size(kind): return len(kind)
"""


def test_it_is_used_while_the_kernel_lives(lab):
    lab.cell("def f(): return lambda x: x + iter([1]).__next__()\ndef y(f): return f(1)")
    lab.ran()
    assert lab["y"] == 2


def test_it_runs_again_after_a_restart_and_cuts_off_below(lab):
    lab.cell(SOURCE)
    assert lab.ran() == ["lock", "kind", "size"]
    assert lab["kind"] == "lock"
    assert lab.session.result("lock").volatile
    lab.restart()
    run = lab.run()
    run.raise_for_status()
    assert run.executed[0] == "lock"
    assert "size" not in run.executed
    assert lab["size"] == 4


def test_it_is_never_an_error(lab):
    lab.cell("import socket\ndef s(): return socket.socket()\ndef n(s): return s.close()")
    lab.ran()
