"""The journal: what it has acknowledged stays, for every thread and process, and it never begins anew in silence."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

import dagbook
from dagbook.engine.events import NO_NODE, Kind, Log
from dagbook.engine.ports import Blob, Child, Journal, Record, Summary
from dagbook.errors import StoreError, StoreVersionError
from dagbook.fingerprint.parts import Part, unknown
from dagbook.storage.journal import VERSION, DiskJournal
from dagbook.storage.memory import MemoryJournal
from dagbook.storage.store import open_store

SOURCES = str(Path(dagbook.__file__).parents[1])
EMPTY = Log([])


@pytest.fixture(autouse=True)
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGBOOK_KEY_FILE", str(tmp_path / "user" / "key"))


@pytest.fixture
def disk(tmp_path: Path) -> DiskJournal:
    return open_store(tmp_path / "store")[1]


@pytest.fixture(params=["disk", "memory"])
def journal(request: pytest.FixtureRequest) -> Journal:
    return request.getfixturevalue("disk") if request.param == "disk" else MemoryJournal()


def digest(i: int) -> bytes:
    return i.to_bytes(16, "big")


def record(node: str = "n", key: int = 1, value: int = 1, **more: Any) -> Record:
    return Record(node, digest(key), digest(value), **more)


def commit(journal: Journal, *records: Record) -> None:
    journal.commit(1, EMPTY, 0, 0, records)


def rows(path: Path, query: str) -> list[Any]:
    with sqlite3.connect(path) as db:
        return db.execute(query).fetchall()


# ---- the same on disk and in memory ----

FULL = Record(
    node='stats["ä\udc80/../\x00"]',
    key=digest(7),
    value=digest(8),
    blob=Blob("ab" * 32, "pickle-1", 12345678901),
    files=(("data/trips.csv", digest(9)), ("odd\udc80name", digest(10))),
    parts=(Part("code", "clean", digest(11), "cell 3", "def clean(): ..."), Part("package", "pandas 2.3.1", unknown())),
    shown=({"kind": "stream", "text": "hällo\n"}, {"kind": "data", "data": {"text/html": "<b>"}, "n": [1, 2.5, None]}),
    children=(Child("0", digest(12), digest(13)), Child("AA", digest(14), unknown())),
    mapping=True,
    summary=Summary("DataFrame", (327346, 20), 1 << 40, "…"),
    seconds=0.1,
    finished=1700000000.123456,
    run=3,
)


def test_runs_are_numbered_from_one(journal: Journal) -> None:
    assert [journal.begin("dag", 1.5) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("one", [record(), FULL], ids=["smallest", "fullest"])
def test_a_record_comes_back_as_it_was(journal: Journal, one: Record) -> None:
    commit(journal, one)
    (found,) = journal.find(one.key)
    expected = one if isinstance(journal, MemoryJournal) or one is not FULL else with_readable_name(one)
    assert found == expected
    assert journal.last([one.node]) == {one.node: expected}


def with_readable_name(one: Record) -> Record:
    from dataclasses import replace

    return replace(one, node='stats["ä\\udc80/../\x00"]')


def test_records_with_one_key_come_newest_first(journal: Journal) -> None:
    commit(journal, record(value=1), record(value=2))
    commit(journal, record(value=3), record(key=2, value=9))
    assert [r.value for r in journal.find(digest(1))] == [digest(3), digest(2), digest(1)]
    assert list(journal.find(digest(3))) == []


def test_of_records_with_equal_key_files_and_value_the_newest_stays(journal: Journal) -> None:
    seen = (("a.csv", digest(5)),)
    commit(journal, record(seconds=1.0), record(seconds=2.0, files=seen), record(value=2, seconds=3.0))
    commit(journal, record(seconds=4.0), record(seconds=5.0, files=seen))
    assert [(r.value, r.files, r.seconds) for r in journal.find(digest(1))] == [
        (digest(1), seen, 5.0),
        (digest(1), (), 4.0),
        (digest(2), (), 3.0),
    ]


def test_last_is_the_newest_record_of_each_name_that_has_one(journal: Journal) -> None:
    commit(journal, record("a", 1), record("b", 2), record("a", 3))
    assert {name: r.key for name, r in journal.last(["a", "b", "c"]).items()} == {"a": digest(3), "b": digest(2)}


def test_durations_are_the_last_ones_oldest_first(journal: Journal) -> None:
    for i in range(30):
        commit(journal, record("a", i, seconds=float(i)), record("b", 100 + i))
    assert list(journal.durations("a")) == [float(i) for i in range(6, 30)]
    assert list(journal.durations("a", 2)) == [28.0, 29.0]
    assert list(journal.durations("c")) == []


# ---- events ----


def test_a_range_of_events_is_kept_with_names_and_details(disk: DiskJournal) -> None:
    log = Log(["load"])
    log.add(Kind.RUN_STARTED, NO_NODE, 0.0)
    log.add(Kind.NODE_STARTED, 0, 0.25)
    log.add(Kind.NODE_FAILED, 0, 0.5, {"error": {"type": "ValueError", "message": "\udc80"}})
    log.add(Kind.RUN_FINISHED, NO_NODE, 0.75)
    run = disk.begin("dag", 12.5)
    disk.commit(run, log, 0, 2, [])
    disk.commit(run, log, 2, 4, [])
    disk.finish(run, "failed", 13.25)
    assert rows(disk.path, "SELECT * FROM timeline") == [
        (1, 0, "run_started", None, 0.0, None),
        (1, 1, "node_started", "load", 0.25, None),
        (1, 2, "node_failed", "load", 0.5, '{"error":{"type":"ValueError","message":"\\udc80"}}'),
        (1, 3, "run_finished", None, 0.75, None),
    ]
    assert rows(disk.path, "SELECT * FROM runs") == [(1, "dag", "failed", 12.5, 13.25)]


def test_events_and_records_are_committed_all_or_none(disk: DiskJournal) -> None:
    log = Log(["n"])
    log.add(Kind.NODE_RAN, 0, 1.0)
    disk.commit(1, log, 0, 1, [record()])
    with pytest.raises(StoreError, match=r"journal\.db cannot be used \(UNIQUE"):
        disk.commit(1, log, 0, 1, [record(key=2)])  # the event is there already
    assert list(disk.find(digest(2))) == []
    disk.commit(1, log, 0, 0, [record(key=3)])
    assert len(disk.find(digest(3))) == 1


# ---- threads, processes, forks ----


def test_threads_share_a_journal(disk: DiskJournal) -> None:
    failed: list[BaseException] = []

    def work(base: int) -> None:
        try:
            for i in range(base, base + 20):
                commit(disk, record("n", i))
                assert len(disk.find(digest(i))) == 1
                disk.last(["n"])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(base,)) for base in (0, 100, 200)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert failed == []
    assert rows(disk.path, "SELECT count(*) FROM records") == [(60,)]


WRITER = """
    import sys
    from dagbook.engine.events import Log
    from dagbook.engine.ports import Record
    from dagbook.storage.store import open_store
    sys.stdin.readline()
    store, journal = open_store({root!r})
    me = int(sys.argv[1])
    for i in range(40):
        blob = store.put(["shared", i % 10])
        record = Record(f"n{{i}}", bytes([me, i] * 8), b"v" * 16, blob)
        journal.commit(journal.begin("dag", 0.0), Log([]), 0, 0, [record])
        assert store.get(journal.find(bytes([me, i] * 8))[0].blob) == ["shared", i % 10]
"""


def test_processes_that_start_cold_together_lose_no_row(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    script = textwrap.dedent(WRITER.format(root=root))
    command = [sys.executable, "-W", "error", "-c", script]
    environment = os.environ | {"PYTHONPATH": SOURCES}
    writers = [
        subprocess.Popen([*command, str(me)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for me in range(3)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate()[1] for writer in writers] == [""] * 3
    path = tmp_path / "store" / "journal.db"
    assert rows(path, "SELECT count(*) FROM records") == [(120,)]
    assert rows(path, "SELECT count(*), max(id) FROM runs") == [(120, 120)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert not list((tmp_path / "store").rglob("*.tmp"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_with_open_connections_is_safe_for_parent_and_children(disk: DiskJournal) -> None:
    """Other threads are in the middle of commits, the parent closes before the children write, all rows are there."""
    stop, written = threading.Event(), []

    def busy() -> None:
        while not stop.is_set():
            commit(disk, record("busy", 10_000 + len(written)))
            written.append(1)

    thread = threading.Thread(target=busy)
    thread.start()
    context = multiprocessing.get_context("fork")
    children = []
    try:
        for me in range(6):
            commit(disk, record("parent", 100 + me))
            gate = context.Event()
            child = context.Process(target=_child, args=(disk, me, gate))
            child.start()
            children.append(child)
            disk.close()
            gate.set()
    finally:
        stop.set()
        thread.join()
        for child in children:
            child.join(30)
    assert [child.exitcode for child in children] == [0] * 6
    assert rows(disk.path, "PRAGMA integrity_check") == [("ok",)]
    counts = dict(rows(disk.path, "SELECT node, count(*) FROM records GROUP BY node"))
    assert counts == {"parent": 6, "child": 120, "busy": len(written)}


def _child(journal: DiskJournal, me: int, gate: Any) -> None:
    gate.wait(20)
    for i in range(20):
        commit(journal, record("child", 1000 + 100 * me + i))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_no_open_connection_crosses_a_fork(disk: DiskJournal) -> None:
    with disk._database.connection():
        pass
    assert len(disk._database._idle) == 1
    pid = os.fork()
    if pid == 0:
        os._exit(len(disk._database._idle))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    endless = WRITER.replace("assert store", "print(i, flush=True)\n        assert store").replace("40", "9999")
    script = textwrap.dedent(endless.replace("i] * 8", "i % 256] * 8").format(root=str(tmp_path / "store")))
    writer = subprocess.Popen(
        [sys.executable, "-c", script, "0"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": SOURCES},
    )  # fmt: skip
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write("go\n")
    writer.stdin.flush()
    for _ in range(30):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    acknowledged = 29 + len(writer.communicate()[0].splitlines())
    store, journal = open_store(tmp_path / "store")
    for i in range(acknowledged + 1):
        (found,) = journal.last([f"n{i}"]).values()
        assert found.blob is not None
        assert store.get(found.blob) == ["shared", i % 10]


# ---- damage, versions, and a journal that goes away ----


def test_a_damaged_journal_is_never_replaced_in_silence(disk: DiskJournal, tmp_path: Path) -> None:
    commit(disk, *[record("n", i, shown=({"text": "x" * 500},)) for i in range(50)])
    disk.close()
    content = disk.path.read_bytes()
    for damaged in (b"", b"no journal at all" * 500, content[:3000], content[:4096] + bytes(len(content) - 4096)):
        disk.path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"journal\.db .*Move it away"):
            open_store(tmp_path / "store")[1].find(digest(1))
        assert disk.path.read_bytes() == damaged
    disk.path.unlink()
    with pytest.warns(RuntimeWarning, match="is gone; a new one is started"):
        journal = open_store(tmp_path / "store")[1]
    commit(journal, record())
    assert len(journal.find(digest(1))) == 1


def test_a_journal_of_a_newer_version_is_refused_with_the_version_that_it_needs(
    disk: DiskJournal, tmp_path: Path
) -> None:
    with sqlite3.connect(disk.path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
        db.execute("UPDATE about SET value = 'dagbook 7.1 or later' WHERE name = 'needs'")
    before = disk.path.read_bytes()
    with pytest.raises(StoreVersionError, match=r"newer dagbook.*needs dagbook 7\.1 or later: upgrade"):
        open_store(tmp_path / "store")
    assert disk.path.read_bytes() == before


def test_a_store_of_a_newer_version_is_refused(disk: DiskJournal, tmp_path: Path) -> None:
    note = tmp_path / "store" / "store.json"
    note.write_text(note.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(StoreVersionError, match=r"newer dagbook.*upgrade"):
        open_store(tmp_path / "store")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_journal_that_is_removed_while_in_use_is_an_error_not_a_loss(disk: DiskJournal, replaced: bool) -> None:
    commit(disk, record())
    content = disk.path.read_bytes()
    disk.path.rename(disk.path.with_suffix(".moved"))
    if replaced:
        disk.path.write_bytes(content)
    with pytest.raises(StoreError, match="was removed or replaced while it was in use"):
        commit(disk, record(key=2))
    assert disk.path.exists() == replaced


def test_a_journal_can_be_used_after_it_was_closed(disk: DiskJournal) -> None:
    commit(disk, record())
    disk.close()
    assert len(disk.find(digest(1))) == 1
