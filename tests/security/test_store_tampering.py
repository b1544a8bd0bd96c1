"""A store that somebody has touched: nothing is decoded that this user did not write, and nobody's code runs."""

from __future__ import annotations

import os
import pickle
import random
import sqlite3
import subprocess
import sys
import warnings
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dagbook
from dagbook.engine.events import Log
from dagbook.engine.ports import Blob, Record
from dagbook.errors import RefusedError, StoreError
from dagbook.fingerprint.parts import Part
from dagbook.storage.blobs import _stream
from dagbook.storage.fs import FileSystem
from dagbook.storage.journal import DiskJournal
from dagbook.storage.rows import COLUMNS, fields
from dagbook.storage.seal import KEY_SIZE, Seal, key_path, open_seal
from dagbook.storage.store import DiskStore, open_store

SEED = int(os.environ.get("DAGBOOK_SEED") or random.randrange(1 << 30))
KEY = b"k" * 16


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGBOOK_KEY_FILE", str(tmp_path / "user" / "key"))
    return tmp_path / "user" / "key"


@pytest.fixture
def opened(tmp_path: Path, key: Path) -> tuple[DiskStore, DiskJournal]:
    return open_store(tmp_path / "store")


class Canary:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.write_text, (self.path, "it ran")


def crafted(value: object) -> bytes:
    """A whole and valid file, as anybody can make it."""
    return b"".join(_stream([pickle.dumps(value, 5)]))


def keep(opened: tuple[DiskStore, DiskJournal], value: object, node: str = "n", key: bytes = KEY) -> Record:
    store, journal = opened
    record = Record(node, key, b"v" * 16, store.put(value), parts=(Part("code", node, b"c" * 16),), run=1)
    journal.commit(1, Log([]), 0, 0, [record])
    return record


def refused(store: DiskStore, blob: Blob) -> str:
    with pytest.raises(RefusedError) as caught:
        store.get(blob)
    return str(caught.value)


# ---- blobs ----


def mutated(rng: random.Random, content: bytes) -> bytes:
    data = bytearray(content)
    at = rng.randrange(len(data))
    match rng.randrange(6):
        case 0:
            data[at] ^= 1 << rng.randrange(8)
        case 1:
            del data[at:]
        case 2:
            data[at:at] = rng.randbytes(1 + rng.randrange(64))
        case 3:
            data[at : at + 512] = bytes(len(data[at : at + 512]))
        case 4:
            data[8:16] = rng.randbytes(8)  # the number of pieces
        case _:
            data[16:24] = rng.randbytes(8)  # the size of the first
    return bytes(data)


def test_no_mutation_of_a_blob_is_decoded(tmp_path: Path, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    print("DAGBOOK_SEED", SEED)
    rng = random.Random(SEED)
    store, _ = opened
    canary = tmp_path / "canary"
    values = [Canary(canary), np.arange(50), {"a": np.arange(20_000), "c": Canary(canary)}, np.zeros(600_000)]
    for value in values:
        blob = store.put(value)
        path = store._blobs.path(blob.digest)
        content = path.read_bytes()
        for _ in range(75 if len(content) < 1 << 20 else 10):
            damaged = mutated(rng, content)
            if damaged == content:
                continue
            path.write_bytes(damaged)
            message = refused(store, blob)
            assert "is damaged" in message
            assert not path.exists()
            assert not canary.exists()
        path.write_bytes(b"")
        assert "it has 0 bytes" in refused(store, blob)
    assert len(list((tmp_path / "store" / "quarantine").iterdir())) > 200


def test_a_damaged_blob_is_put_away_and_the_value_can_be_stored_again(tmp_path: Path, opened: Any) -> None:
    store, _ = opened
    blob = store.put([1, 2])
    path = store._blobs.path(blob.digest)
    damaged = path.read_bytes()[:-1] + b"?"
    path.write_bytes(damaged)
    assert str(tmp_path / "store" / "quarantine") in refused(store, blob)
    assert [p.read_bytes() for p in (tmp_path / "store" / "quarantine").iterdir()] == [damaged]
    assert "is gone" in refused(store, blob)
    assert store.get(store.put([1, 2])) == [1, 2]


def test_a_damaged_blob_is_refused_also_where_it_cannot_be_put_away(tmp_path: Path, opened: Any) -> None:
    store, _ = opened
    blob = store.put([1, 2])
    store._blobs.path(blob.digest).write_bytes(b"x" * blob.size)
    (tmp_path / "store" / "quarantine").write_text("a file is in the way")
    assert "is damaged" in refused(store, blob)


def test_a_crafted_pickle_in_the_place_of_a_blob_never_runs(tmp_path: Path, opened: Any) -> None:
    store, _ = opened
    canary = tmp_path / "canary"
    blob = store.put("x" * len(crafted(Canary(canary))))
    path = store._blobs.path(blob.digest)
    for content in (crafted(Canary(canary)), crafted(Canary(canary)).ljust(blob.size, b"\0")):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        refused(store, blob)
    assert not canary.exists()


def test_swapped_valid_blobs_are_refused(opened: Any) -> None:
    store, _ = opened
    one, two = store.put(["one"]), store.put(["two"])
    assert one.size == two.size
    paths = [store._blobs.path(blob.digest) for blob in (one, two)]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    refused(store, one)
    refused(store, two)


def test_a_file_that_changes_after_it_was_verified_cannot_change_the_pickle(tmp_path: Path, opened: Any) -> None:
    """The look and the use are of one copy: whoever writes to the mapped file in between is too late."""
    canary = tmp_path / "canary"

    class Race(FileSystem):
        def map(self, path: Path) -> memoryview:
            self.mapped = super().map(path)
            return self.mapped

    fs = Race()
    store = open_store(tmp_path / "store", fs=fs)[0]
    blob = store.put({"large": np.zeros(1_000_000), "text": "y" * 200})
    pieces = store._blobs.read(blob.digest, blob.size)
    hostile = pickle.dumps(Canary(canary), 5)
    fs.mapped[64 : 64 + len(hostile)] = hostile
    value: Any = pickle.loads(pieces[0], buffers=pieces[1:])
    assert value["text"] == "y" * 200
    assert not canary.exists()


@pytest.mark.parametrize("digest", ["../../../etc/passwd", "", "ab", "AB" * 32, "ab" * 31 + "/x", "ab" * 32 + "\n"])
def test_a_digest_never_becomes_another_path(opened: Any, digest: str) -> None:
    store, _ = opened
    assert "is not the digest" in refused(store, Blob(digest, "pickle-1", 1))


def test_an_unknown_encoding_is_refused(opened: Any) -> None:
    store, _ = opened
    assert "'arrow-9'" in refused(store, replace(store.put(1), codec="arrow-9"))


# ---- rows ----


def edit(journal: DiskJournal, statement: str, *values: object) -> None:
    journal.close()
    with sqlite3.connect(journal.path) as db:
        assert db.execute(statement, values).rowcount > 0


EDITS: dict[str, object] = {
    "node": "m", "value": b"w" * 16, "blob": "cd" * 32, "codec": "array-1", "size": 7, "files": "[]  ",
    "parts": "[]", "shown": '[{"text/html":"<script>"}]', "children": "[]", "mapping": 1, "summary": '["x",[],0,""]',
    "seconds": 9.0, "finished": 9.0, "run": 9, "seal": b"s" * 32,
}  # fmt: skip


@pytest.mark.parametrize("column", [*COLUMNS, "seal"])
def test_a_row_that_was_edited_by_hand_is_ignored_with_one_warning(opened: Any, column: str) -> None:
    _, journal = opened
    record = keep(opened, "value")
    new = EDITS.get(column, b"q" * 16)
    edit(journal, f"UPDATE records SET {column} = ?", new)
    name, key = (new, KEY) if column == "node" else (record.node, new if column == "key" else KEY)
    with pytest.warns(RuntimeWarning, match=rf"result of '{name}' in .*journal\.db was not written with your key"):
        assert list(journal.find(key)) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(journal.find(key)) == []
        assert journal.last([name]) == {}


@pytest.mark.parametrize("value", [None, "text", 1, 1.5, b"\xff", b"s" * 31])
@pytest.mark.parametrize("column", ["node", "value", "size", "parts", "seconds", "seal"])
def test_a_column_of_another_type_is_ignored(opened: Any, column: str, value: object) -> None:
    _, journal = opened
    keep(opened, "value")
    journal.close()
    with sqlite3.connect(journal.path) as db:
        try:
            db.execute(f"UPDATE records SET {column} = ?", (value,))
        except sqlite3.IntegrityError:
            return  # the table itself does not take it
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert list(journal.find(KEY)) == []
    journal.durations("n")


def test_bytes_that_are_no_text_are_a_miss_not_an_error(opened: Any) -> None:
    _, journal = opened
    keep(opened, "value")
    edit(journal, "UPDATE records SET node = CAST(x'fffe41' AS TEXT)")
    with pytest.warns(RuntimeWarning, match="was not written with your key"):
        assert list(journal.find(KEY)) == []


def test_the_older_authentic_record_is_used_when_the_newest_was_edited(opened: Any) -> None:
    _, journal = opened
    first = keep(opened, "first", key=b"1" * 16)
    keep(opened, "second", key=b"2" * 16)
    edit(journal, "UPDATE records SET seconds = 77.0 WHERE id = 2")
    with pytest.warns(RuntimeWarning):
        assert journal.last(["n"]) == {"n": first}


def test_whoever_writes_blob_and_row_without_the_key_is_not_believed(tmp_path: Path, opened: Any) -> None:
    store, journal = opened
    keep(opened, "value")
    canary = tmp_path / "canary"
    content = crafted(Canary(canary))
    digest = blake2b(content, digest_size=32).hexdigest()
    path = store._blobs.path(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    edit(journal, "UPDATE records SET blob = ?, size = ?, codec = 'pickle-1'", digest, len(content))
    with pytest.warns(RuntimeWarning):
        assert list(journal.find(KEY)) == []
    assert not canary.exists()


def test_a_row_of_another_store_of_the_same_user_is_not_used(tmp_path: Path, opened: Any) -> None:
    keep(opened, "value")
    opened[1].close()
    other = open_store(tmp_path / "other")[1]
    other.close()
    other.path.write_bytes(opened[1].path.read_bytes())
    with pytest.warns(RuntimeWarning, match="was not written with your key"):
        assert list(open_store(tmp_path / "other")[1].find(KEY)) == []


def test_a_hostile_schema_cannot_make_a_row_authentic(opened: Any) -> None:
    _, journal = opened
    journal.close()
    with sqlite3.connect(journal.path) as db:
        db.execute(
            "CREATE TRIGGER t AFTER INSERT ON records BEGIN UPDATE records SET blob = 'ef' WHERE id = new.id; END"
        )
    keep(opened, "value")
    with pytest.warns(RuntimeWarning):
        assert list(journal.find(KEY)) == []


# ---- postures and keys ----


def test_a_store_of_another_key_warns_once_and_gives_nothing(tmp_path: Path, opened: Any, key: Path) -> None:
    for i in range(3):
        keep(opened, "value", key=bytes([i]) * 16)
    key.unlink()
    with pytest.warns(RuntimeWarning, match="was not made with your key") as caught:
        again = open_store(tmp_path / "store")
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [list(again[1].find(bytes([i]) * 16)) for i in range(3)] == [[], [], []]
    record = keep(again, "mine")
    assert list(again[1].find(KEY)) == [record]


def test_strict_raises_where_on_warns(tmp_path: Path, opened: Any, key: Path) -> None:
    keep(opened, "value")
    edit(opened[1], "UPDATE records SET seconds = 9.0")
    with pytest.raises(RefusedError, match="was not written with your key"):
        open_store(tmp_path / "store", "strict")[1].find(KEY)
    key.unlink()
    with pytest.raises(RefusedError, match="was not made with your key"):
        open_store(tmp_path / "store", "strict")


def test_off_needs_no_key_and_what_it_wrote_is_refused_by_on(tmp_path: Path, key: Path) -> None:
    opened = open_store(tmp_path / "store", "off")
    record = keep(opened, "value")
    assert list(opened[1].find(KEY)) == [record]
    assert not key.exists()
    with pytest.warns(RuntimeWarning, match="was not made with your key"):
        assert list(open_store(tmp_path / "store")[1].find(KEY)) == []


def test_the_key_is_private_and_outside_the_store(opened: Any, key: Path, tmp_path: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    secret = key.read_bytes()
    assert len(secret) == KEY_SIZE
    keep(opened, "value")
    opened[1].close()
    assert not any(secret in path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_key_that_others_can_reach_is_refused_with_the_fix(opened: Any, key: Path, tmp_path: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(StoreError, match=r"chmod 600 '.*key'"):
        open_store(tmp_path / "store")
    key.chmod(0o600)
    open_store(tmp_path / "store")


def test_a_key_of_another_user_is_refused(opened: Any, key: Path, tmp_path: Path, monkeypatch: Any) -> None:
    if os.geteuid() == 0:
        os.chown(key, 12345, -1)
    else:  # only root can give a file away: be somebody else instead
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StoreError, match="belongs to another user"):
        open_store(tmp_path / "store")


@pytest.mark.parametrize("size", [0, KEY_SIZE - 1, KEY_SIZE + 1])
def test_a_key_of_the_wrong_size_is_refused(opened: Any, key: Path, tmp_path: Path, size: int) -> None:
    key.write_bytes(b"x" * size)
    with pytest.raises(StoreError, match=f"has {size} bytes instead of 32"):
        open_store(tmp_path / "store")


def test_processes_that_need_the_first_key_at_once_get_the_same(key: Path) -> None:
    script = (
        "import sys\nfrom dagbook.storage.fs import FileSystem\nfrom dagbook.storage.seal import open_seal\n"
        "sys.stdin.readline()\nprint(open_seal(FileSystem()).tag(b'x').hex())"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(dagbook.__file__).parents[1])}
    command = [sys.executable, "-c", script]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(4)
    ]
    tags = {process.communicate("\n")[0].strip() for process in started}
    assert tags == {open_seal(FileSystem()).tag(b"x").hex()}
    assert [path.name for path in key.parent.iterdir()] == ["key"]


def test_a_key_that_another_process_has_just_made_is_the_key(key: Path) -> None:
    class Slower(FileSystem):
        def link(self, source: Path, target: Path) -> None:
            FileSystem().publish(target, [b"k" * KEY_SIZE])
            super().link(source, target)

    assert open_seal(Slower()).tag(b"x") == Seal(b"k" * KEY_SIZE).tag(b"x")
    assert key.read_bytes() == b"k" * KEY_SIZE


def test_the_key_has_its_place_in_the_users_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DAGBOOK_KEY_FILE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert key_path() == tmp_path / "dagbook" / "key"
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if sys.platform.startswith("linux"):
        assert key_path() == tmp_path / "home" / ".local" / "share" / "dagbook" / "key"


def test_no_two_values_of_a_column_are_sealed_alike() -> None:
    values = [None, 1, 1.0, "1", b"1", "n", "i1", "b1", b"s1", "", b"", 0, 0.0, -0.0]
    assert len({fields([value])[0] for value in values}) == len(values)


def test_a_tag_is_of_its_fields_and_their_borders() -> None:
    seal = Seal(b"k" * KEY_SIZE)
    tag = seal.tag(b"ab", b"c")
    assert seal.verify(tag, b"ab", b"c")
    for other in ((b"a", b"bc"), (b"abc",), (b"c", b"ab"), (b"ab", b"c", b"")):
        assert not seal.verify(tag, *other)
    assert not Seal(b"K" * KEY_SIZE).verify(tag, b"ab", b"c")
    assert not seal.verify(tag[:-1], b"ab", b"c")
