"""Whose a run is: the dead are told from the living, here and on other machines, and their runs are interrupted."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dagbook
from dagbook import DAG, DagProvenance, DAGRunner, Session
from dagbook.engine import driver
from dagbook.errors import RecordedRunError
from dagbook.storage.journal import DiskJournal
from dagbook.storage.seal import Seal
from dagbook.storage.store import open_store

SOURCES = str(Path(dagbook.__file__).parents[1])
STARTED = 1000.0


class Clock:
    """A clock that stands until it is set."""

    def __init__(self):
        self.now = STARTED

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    open_store(tmp_path / "store")
    return tmp_path / "store" / "journal.db"


def opened(path, clock):
    return DiskJournal(path, Seal(b"k" * 32), "store", wall=clock)


def rows(path, query, *values):
    db = sqlite3.connect(path)
    try:
        found = db.execute(query, values).fetchall()
        db.commit()
        return found
    finally:
        db.close()


def statuses(path):
    return [status for (status,) in rows(path, "SELECT status FROM runs ORDER BY id")]


def move(path, run, **changes):
    """Say that the owner of a run is another one."""
    owner = json.loads(rows(path, "SELECT owner FROM owners WHERE run = ?", run)[0][0])
    rows(path, "UPDATE owners SET owner = ? WHERE run = ?", json.dumps(owner | changes), run)


# -- other machines


def test_a_run_of_another_machine_stands_as_long_as_it_gives_signs_of_life(path, clock):
    journal = opened(path, clock)
    run = journal.begin("dag", STARTED)
    move(path, run, host="elsewhere")
    for _ in range(3):
        clock.now += 55
        journal.beat(run, clock.now)
        opened(path, clock)
        assert statuses(path) == ["running"]
    clock.now += 60
    opened(path, clock)
    assert statuses(path) == ["running"], "60 s of silence are borne"
    clock.now += 1
    opened(path, clock)
    assert rows(path, "SELECT status, finished FROM runs") == [("interrupted", STARTED + 165)]


def test_a_run_that_begins_finds_the_dead_too(path, clock):
    journal = opened(path, clock)
    move(path, journal.begin("dag", STARTED), host="elsewhere")
    clock.now += 61
    journal.begin("dag", clock.now)
    assert statuses(path) == ["interrupted", "running"]


def test_a_clock_that_was_set_back_kills_nobody(path, clock):
    journal = opened(path, clock)
    move(path, journal.begin("dag", STARTED), host="elsewhere")
    clock.now -= 10_000
    opened(path, clock)
    assert statuses(path) == ["running"]


def test_the_end_of_a_run_is_the_end_of_its_ownership(path, clock):
    journal = opened(path, clock)
    run = journal.begin("dag", STARTED)
    journal.finish(run, "done", STARTED + 1)
    assert rows(path, "SELECT * FROM owners") == []
    assert statuses(path) == ["done"]


def test_a_run_that_goes_on_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "BEAT", 0.02)
    path = tmp_path / "store" / "journal.db"

    def beats(path=str(path)):
        db = sqlite3.connect(path)
        seen, deadline = set(), time.monotonic() + 10
        while len(seen) < 4 and time.monotonic() < deadline:
            seen.add(db.execute("SELECT beat FROM owners").fetchone()[0])
            time.sleep(0.005)
        db.close()
        return sorted(seen)

    dag = DAG()
    dag.add_node("beats")
    seen = Session(dag, tmp_path / "store").run(tasks={"beats": beats}).value(0)
    assert len(seen) == 4, "the first is the begin of the run"


def test_the_record_of_an_effect_elsewhere_is_of_somebody_alive_until_he_is_silent(path, clock):
    journal = opened(path, clock)
    there, here = journal.begin("dag", STARTED), journal.begin("dag", STARTED)
    assert journal.intend(there, "send", b"key", STARTED, consent=False) is None
    move(path, there, host="elsewhere", pid=77)
    assert journal.standing(here, "send", b"key").owner == "process 77 on elsewhere"
    assert journal.standing(here, "send", b"other key") is None, "it may do the same with other inputs"
    clock.now += 61
    journal.beat(here, clock.now)
    for key in (b"key", b"other key"):
        assert journal.intend(here, "send", key, clock.now, consent=False).owner == ""
    assert journal.intend(here, "send", b"key", clock.now, consent=True) is None


# -- this machine

BEGIN = """
import os, signal, sys
from dagbook.storage.store import open_store
journal = open_store(sys.argv[1])[1]
for n in range(int(sys.argv[2])):
    journal.begin("dag", 1000.0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_runs_of_a_killed_process_are_interrupted_and_later_processes_of_its_number_fool_nobody(tmp_path):
    store, path = tmp_path / "store", tmp_path / "store" / "journal.db"
    command = [sys.executable, "-c", BEGIN, str(store), "100"]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": SOURCES}, timeout=60, check=False)
    assert statuses(path) == ["running"] * 100
    living = [int(name) for name in os.listdir("/proc") if name.isdecimal()] or [os.getpid()]
    for run in range(1, 101):
        move(path, run, pid=living[run % len(living)])
    open_store(store)
    assert statuses(path) == ["interrupted"] * 100


def test_a_run_in_this_process_goes_on_for_whoever_opens_its_journal(path, clock):
    opened(path, clock).begin("dag", STARTED)
    clock.now += 10**6
    opened(path, clock)
    assert statuses(path) == ["running"]


def test_a_recorded_run_of_a_later_process_of_the_same_number_can_be_restarted(tmp_path):
    def one() -> int:
        return 1

    dag = DAG()
    dag.node(one)
    path = tmp_path / "runs.db"
    provenance = DagProvenance(path)
    order = dagbook.executors.provenance.Order("dag", {}, (), {})
    run_id = provenance.begin(order).run_id
    with pytest.raises(RecordedRunError, match=f"still going on in process {os.getpid()}"):
        DAGRunner(dag, DagProvenance(path)).restart(run_id)
    move(path, int(run_id), began="1")
    assert DAGRunner(dag, DagProvenance(path)).restart(run_id).status == "completed"
    assert statuses(path) == ["completed", "completed"]


def test_nodes_of_an_interrupted_run_stand_as_interrupted(tmp_path):
    from dagbook.engine.events import Kind, Log

    path = tmp_path / "runs.db"
    recorder = DagProvenance(path).begin(dagbook.executors.provenance.Order("dag", {}, (), {}))
    log = Log(["a"])
    log.add(Kind.NODE_STARTED, 0, 0.0)
    recorder.commit(int(recorder.run_id), log, 0, 1, [])
    assert rows(path, "SELECT label, status FROM nodes") == [("a", "running")]
    move(path, int(recorder.run_id), boot="the one before")
    DagProvenance(path)
    assert rows(path, "SELECT label, status FROM nodes") == [("a", "interrupted")]


def test_a_journal_that_knew_no_owners_is_completed(path, clock):
    rows(path, "DROP TABLE owners")
    rows(path, "DROP TABLE intents")
    journal = opened(path, clock)
    assert journal.intend(journal.begin("dag", STARTED), "send", b"key", STARTED, consent=False) is None
