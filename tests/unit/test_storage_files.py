"""Files: synced before they are acknowledged, whole or not there, whatever the disk does."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dagbook.engine.events import Kind, Log
from dagbook.engine.ports import Record
from dagbook.errors import StoreError, UnstorableError
from dagbook.storage.fs import FileSystem, Piece
from dagbook.storage.store import DiskStore, open_store


class Watched(FileSystem):
    """Logs each operation on a file, and breaks the one that ``breaks`` says."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []
        self.breaks: Callable[[int], OSError | None] = lambda count: None
        self._paths: dict[int, Path] = {}

    def _did(self, what: str, path: Path) -> None:
        broken = self.breaks(len(self.log))
        self.log.append((what, path.suffix or path.name))
        if broken is not None:
            raise broken

    def create(self, path: Path) -> int:
        self._did("create", path)
        fd = super().create(path)
        self._paths[fd] = path
        return fd

    def append(self, fd: int, piece: Piece) -> None:
        if len(piece):
            super().append(fd, memoryview(piece)[: len(piece) // 2])  # what a full disk leaves behind
            self._did("append", self._paths[fd])
            super().append(fd, memoryview(piece)[len(piece) // 2 :])

    def sync(self, fd: int) -> None:
        self._did("sync", self._paths[fd])
        super().sync(fd)

    def sync_directory(self, directory: Path) -> None:
        self._did("sync directory", directory)
        super().sync_directory(directory)

    def rename(self, source: Path, target: Path) -> None:
        self._did("rename", source)
        super().rename(source, target)

    def make_directory(self, directory: Path) -> None:
        self._did("make directory", directory)
        super().make_directory(directory)

    def operations(self) -> list[str]:
        return [what for what, _ in self.log]


@pytest.fixture
def fs() -> Watched:
    return Watched()


@pytest.fixture
def store(tmp_path: Path, fs: Watched, monkeypatch: pytest.MonkeyPatch) -> DiskStore:
    monkeypatch.setenv("DAGBOOK_KEY_FILE", str(tmp_path / "user" / "key"))
    store = open_store(tmp_path / "store", fs=fs)[0]
    fs.log.clear()
    return store


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_a_blob_is_synced_then_named_then_its_directory_is_synced_before_put_returns(
    store: DiskStore, fs: Watched
) -> None:
    blob = store.put(np.arange(3000))
    shard = blob.digest[:2]
    assert [step for step in fs.log if step[0] != "append"] == [
        ("make directory", "blobs"),
        ("sync directory", "store"),
        ("make directory", shard),
        ("sync directory", "blobs"),
        ("create", ".tmp"),
        ("sync", ".tmp"),
        ("rename", ".tmp"),
        ("sync directory", shard),
    ]
    assert fs.operations().index("append") < fs.operations().index("sync")


def test_the_record_is_committed_after_its_blob_is_synced(tmp_path: Path, fs: Watched, monkeypatch: Any) -> None:
    monkeypatch.setenv("DAGBOOK_KEY_FILE", str(tmp_path / "key"))
    store, journal = open_store(tmp_path / "store", fs=fs)
    log = Log(["n"])
    log.add(Kind.NODE_RAN, 0, 1.0)
    blob = store.put("value")
    assert fs.operations()[-3:] == ["sync", "rename", "sync directory"]
    journal.commit(journal.begin("d", 0.0), log, 0, 1, [Record("n", b"k" * 16, b"v" * 16, blob)])
    with sqlite3.connect(tmp_path / "store" / "journal.db") as other:
        assert other.execute("SELECT blob FROM records").fetchall() == [(blob.digest,)]
        assert other.execute("SELECT kind, node FROM timeline").fetchall() == [("node_ran", "n")]


def test_every_connection_syncs_every_commit(tmp_path: Path, store: DiskStore) -> None:
    journal = open_store(tmp_path / "store")[1]
    with journal._database.connection() as first, journal._database.connection() as second:
        assert first is not second
        for connection in (first, second):
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("PRAGMA busy_timeout").fetchone() == (10_000,)


def test_what_is_there_already_is_not_written_again(store: DiskStore, fs: Watched) -> None:
    first = store.put([1, 2])
    fs.log.clear()
    assert store.put([1, 2]) == first
    assert fs.operations() == ["sync directory"]


def test_a_blob_that_was_cut_short_is_written_again(store: DiskStore) -> None:
    blob = store.put([1, 2])
    path = store._blobs.path(blob.digest)
    path.write_bytes(path.read_bytes()[:-1])
    assert not store.has(blob)
    assert store.put([1, 2]) == blob
    assert store.get(blob) == [1, 2]


VALUE = {"a": np.arange(5000), "b": "x" * 100}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EMFILE, errno.EDQUOT])
def test_a_disk_error_at_any_step_leaves_nothing_half_written(
    store: DiskStore, fs: Watched, tmp_path: Path, code: int
) -> None:
    store.put(VALUE)
    steps = len(fs.log)
    assert steps > 8
    for k in range(steps):
        for path in files(tmp_path / "store" / "blobs"):
            path.unlink()
        for directory in sorted((tmp_path / "store").rglob("blobs*/*")):
            directory.rmdir()
        (tmp_path / "store" / "blobs").rmdir()
        fs.log.clear()
        fs.breaks = lambda count, k=k: OSError(code, os.strerror(code)) if count == k else None
        with pytest.raises(UnstorableError, match=os.strerror(code)):
            store.put(VALUE)
        fs.breaks = lambda count: None
        left = files(tmp_path / "store" / "blobs")
        assert all(path.suffix != ".tmp" for path in left)
        back: Any = store.get(store.put(VALUE))  # whatever is left is whole, and the next attempt succeeds
        np.testing.assert_array_equal(back["a"], VALUE["a"])


def test_publishing_never_replaces_what_is_there(fs: Watched, tmp_path: Path) -> None:
    fs.publish(tmp_path / "a", [b"first"])
    with pytest.raises(FileExistsError):
        fs.publish(tmp_path / "a", [b"second"])
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"first")]
    fs.write(tmp_path / "a", [b"sec", b"ond"])
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"second")]


@pytest.mark.parametrize("taken", [False, True])
def test_publishing_works_where_files_cannot_have_two_names(
    fs: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    if taken:
        (tmp_path / "a").write_bytes(b"first")
        with pytest.raises(FileExistsError):
            fs.publish(tmp_path / "a", [b"second"])
    else:
        fs.publish(tmp_path / "a", [b"first"])
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"first")]


def test_an_interrupt_while_writing_leaves_nothing_behind(store: DiskStore, fs: Watched, tmp_path: Path) -> None:
    fs.breaks = lambda count: KeyboardInterrupt() if fs.operations()[-1:] == ["append"] else None  # type: ignore
    with pytest.raises(KeyboardInterrupt):
        store.put(VALUE)
    assert files(tmp_path / "store" / "blobs") == []


def test_when_no_mapping_can_be_made_the_value_is_read(store: DiskStore, fs: Watched, monkeypatch: Any) -> None:
    def no_mapping(path: Path) -> memoryview:
        raise OSError(errno.EMFILE, "too many open files")

    blob = store.put(np.arange(1_000_000))
    monkeypatch.setattr(fs, "map", no_mapping)
    back: Any = store.get(blob)
    assert back.sum() == 499999500000


def test_threads_may_put_the_same_and_other_values_at_once(store: DiskStore) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for i in range(25):
                assert store.get(store.put(["value", i])) == ["value", i]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert failed == []


# ---- opening ----


def test_a_store_is_private_and_ignored_by_git(tmp_path: Path, store: DiskStore) -> None:
    store.put(1)
    root = tmp_path / "store"
    assert (root / ".gitignore").read_text() == "*\n"
    for path in [root, *root.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.filterwarnings("error")
def test_no_step_of_opening_can_fail_without_a_clear_error_or_break_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    for k in range(100):
        root = tmp_path / str(k)
        monkeypatch.setenv("DAGBOOK_KEY_FILE", str(root / "user" / "key"))
        fs = Watched()
        fs.breaks = lambda count, k=k: OSError(errno.ENOSPC, "No space left on device") if count == k else None
        try:
            open_store(root / "store", fs=fs)
            break
        except StoreError as error:
            said.append(str(error))
        open_store(root / "store")[1].begin("dag", 0.0)
        assert not list(root.rglob("*.tmp"))
    assert len(said) > 15
    assert all("No space left on device" in message for message in said)


def test_a_lost_journal_is_said(tmp_path: Path, store: DiskStore) -> None:
    (tmp_path / "store" / "journal.db").unlink()
    with pytest.warns(RuntimeWarning, match="the journal of the store .* is gone"):
        open_store(tmp_path / "store")
