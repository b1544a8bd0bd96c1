"""A checkpointed execution stores each result as soon as it is there; resuming runs only what has none."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from dagbook import CheckpointExecutor, NodeStatus, UsageError
from dagbook.errors import StoreError
from tests.executors.conftest import graph, statuses

TASKS = {"load": lambda: [1, 2, 3], "total": lambda load: sum(load), "report": lambda total: f"{total} in all"}


@pytest.fixture
def dag():
    return graph("load>total>report")


def test_resuming_takes_from_the_store_what_is_there(dag, tmp_path):
    first = CheckpointExecutor(dag, tmp_path / "store").execute(TASKS)
    assert statuses(first) == dict.fromkeys(dag, "COMPLETED")
    resumed = CheckpointExecutor(dag, tmp_path / "store").resume(TASKS)
    assert statuses(resumed) == dict.fromkeys(dag, "CACHE_HIT")
    assert (resumed.succeeded, resumed["report"].result) == (3, "6 in all")
    assert resumed["load"].reason


def test_after_a_failure_only_the_rest_runs(dag, tmp_path):
    ran = []
    broken = TASKS | {"total": lambda load: sum(load) / 0}
    executor = CheckpointExecutor(dag, tmp_path / "store")
    assert (executor.execute(broken).failed, executor.checkpoint_info().completed) == (1, ("load",))
    callbacks = type("Started", (), {"on_node_start": lambda self, name: ran.append(name)})()
    resumed = CheckpointExecutor(dag, tmp_path / "store", callbacks=callbacks).resume(TASKS)
    assert ran == ["total", "report"]
    assert resumed["load"].status is NodeStatus.CACHE_HIT
    assert resumed.succeeded == 3


def test_executing_runs_everything_from_the_start(dag, tmp_path, account):
    executor = CheckpointExecutor(dag, tmp_path / "store")
    executor.execute(TASKS)
    started = []
    callbacks = type("Started", (), {"on_node_start": lambda self, name: started.append(name)})()
    again = CheckpointExecutor(dag, tmp_path / "store", callbacks=callbacks).execute(TASKS)
    assert started == ["load", "total", "report"]
    assert statuses(again) == dict.fromkeys(dag, "COMPLETED")


def test_resuming_with_nothing_stored_runs_everything(dag, tmp_path):
    assert CheckpointExecutor(dag, tmp_path / "store").resume(TASKS).succeeded == 3


def test_a_changed_task_runs_again_when_resuming(dag, tmp_path):
    CheckpointExecutor(dag, tmp_path / "store").execute(TASKS)
    changed = TASKS | {"total": lambda load: sum(load) + 1}
    resumed = CheckpointExecutor(dag, tmp_path / "store").resume(changed)
    assert statuses(resumed) == {"load": "CACHE_HIT", "total": "COMPLETED", "report": "COMPLETED"}
    assert resumed["report"].result == "7 in all"


def test_a_process_that_was_killed_loses_nothing_that_had_finished(dag, tmp_path):
    script = f"""
import os, dagbook
dag = dagbook.DAG.builder().add_edge("load", "total").add_edge("total", "report").build()
def load(): return [1, 2, 3]
def total(load): return sum(load)
def report(total):
    import os, time
    if not os.path.exists({str(tmp_path / "again")!r}):
        open({str(tmp_path / "again")!r}, "w").close()
        time.sleep(0.2)  # what has just finished is written within a few hundredths of a second
        os._exit(9)
    return total
executor = dagbook.CheckpointExecutor(dag, {str(tmp_path / "store")!r})
print([n.status.name for n in executor.resume(dict(load=load, total=total, report=report)).node_results.values()])
"""
    path = tmp_path / "script.py"
    path.write_text(script)
    killed = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60)
    assert killed.returncode == 9
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "['CACHE_HIT', 'CACHE_HIT', 'COMPLETED']"


def test_the_info_says_what_is_stored(dag, tmp_path):
    executor = CheckpointExecutor(dag, tmp_path / "store")
    assert executor.checkpoint_info() is None
    executor.execute(TASKS | {"report": lambda total: threading.Lock()})
    info = executor.checkpoint_info()
    assert (info.completed, info.remaining, info.run) == (("load", "total"), ("report",), 1)
    assert info.directory == tmp_path / "store"
    assert info.finished > 1_700_000_000


def test_a_directory_that_is_none_is_refused(dag, tmp_path):
    for wrong in (None, 3, b"store"):
        with pytest.raises(UsageError, match="checkpoint_dir"):
            CheckpointExecutor(dag, wrong)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        CheckpointExecutor(dag, tmp_path / "file")
