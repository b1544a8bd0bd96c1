"""The files that a block reads are seen, those of others and of Python itself are not, and digests tell edits."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagbook.fingerprint.files import digests, expand, file_digest, recording
from dagbook.fingerprint.parts import known


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.json").write_text("[1]")
    return tmp_path


def read_pandas(path: str, **options: Any) -> object:
    return pytest.importorskip("pandas").read_csv(path, **options)


def read_numpy(path: str) -> object:
    numpy = pytest.importorskip("numpy")
    return numpy.loadtxt(path, delimiter=",", skiprows=1)


def read_csv() -> object:
    with open("a.csv", newline="") as file:
        return list(csv.reader(file))


READERS: dict[str, Callable[[], object]] = {
    "open": lambda: open("a.csv").close(),
    "binary": lambda: open(b"a.csv", "rb").close(),
    "pathlib": lambda: Path("a.csv").read_text(),
    "os.open": lambda: os.close(os.open("a.csv", os.O_RDONLY)),
    "csv": read_csv,
    "read and write": lambda: open("a.csv", "r+").close(),
    "pandas": lambda: read_pandas("a.csv"),
    "pandas in Python": lambda: read_pandas("a.csv", engine="python"),
    "numpy": lambda: read_numpy("a.csv"),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_file_that_is_read_is_seen(folder: Path, read: Callable[[], object]) -> None:
    with recording() as seen:
        read()
    assert seen.paths == (str(folder / "a.csv"),)


def test_a_file_that_was_not_there_is_seen_too(folder: Path) -> None:
    with recording() as seen, pytest.raises(FileNotFoundError):
        Path("later.csv").read_text()
    assert seen.paths == (str(folder / "later.csv"),)


def test_a_folder_that_is_listed_is_seen(folder: Path) -> None:
    with recording() as seen:
        assert sorted(path.name for path in Path("data").parent.glob("*.csv")) == ["a.csv"]
    before = digests(seen.paths)
    (folder / "c.csv").write_text("")
    assert digests(seen.paths) != before


def test_what_the_block_wrote_itself_is_no_input(folder: Path) -> None:
    with recording() as seen:
        Path("out.txt").write_text("1")
        Path("out.txt").read_text()
        Path("part.tmp").write_text("2")
        os.replace("part.tmp", "done.txt")
        Path("done.txt").read_text()
    assert seen.paths == ()


def test_what_is_read_and_then_written_is_an_input(folder: Path) -> None:
    with recording() as seen:
        text = Path("a.csv").read_text()
        Path("a.csv").write_text(text + "3,4\n")
    assert seen.paths == (str(folder / "a.csv"),)


def test_python_and_packages_are_no_files_of_the_user(folder: Path) -> None:
    (folder / "dbsome.py").write_text("K = 1\n")
    sys.path.insert(0, str(folder))
    try:
        with recording() as seen:
            import this  # noqa: F401

            import dbsome  # type: ignore[import-not-found]  # noqa: F401

            json.loads("[1]")
            Path("/proc/self/status").read_text()
            Path(json.__file__).read_text()
            Path(pytest.__file__).read_text()
            os.makedirs(".dagbook", exist_ok=True)
            Path(".dagbook/x").touch()
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("dbsome", None)
    assert seen.paths == ()


def test_blocks_on_other_threads_do_not_mix(folder: Path) -> None:
    both = threading.Barrier(2)
    seen: dict[str, tuple[str, ...]] = {}

    def run(name: str) -> None:
        with recording() as watch:
            both.wait()
            for _ in range(50):
                Path(name).read_text()
            both.wait()
        seen[name] = watch.paths

    threads = [threading.Thread(target=run, args=[name]) for name in ("a.csv", "b.json")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {name: (str(folder / name),) for name in ("a.csv", "b.json")}


def test_a_block_in_a_block_keeps_its_own(folder: Path) -> None:
    with recording() as outer:
        Path("a.csv").read_text()
        with recording() as inner:
            Path("b.json").read_text()
    assert (outer.paths, inner.paths) == ((str(folder / "a.csv"),), (str(folder / "b.json"),))


def test_nothing_is_hooked_into_python_until_it_is_needed() -> None:
    script = (
        "import sys; hooks = []; sys.addaudithook(lambda e, a: hooks.append(e) if e == 'sys.addaudithook' else None)\n"
        "from dagbook.fingerprint.files import recording\nassert not hooks\n"
        "with recording(): pass\nwith recording(): pass\nassert len(hooks) == 1, hooks"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment).returncode == 0


def test_an_edit_that_keeps_size_and_time_stamp_is_seen(folder: Path) -> None:
    path = folder / "a.csv"
    status = path.stat()
    before = file_digest(path)
    path.write_text("x,y\n1,3\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_digest(path) != before


def test_an_old_file_is_read_once(folder: Path) -> None:
    os.utime("a.csv", (1, 1))
    first = file_digest("a.csv")
    with recording() as seen:
        assert file_digest("a.csv") == first
    assert seen.paths == ()
    os.utime("b.json")
    file_digest("b.json")
    with recording() as seen:
        file_digest("b.json")
    assert seen.paths == (str(folder / "b.json"),)


def test_missing_empty_and_folder_have_different_digests(folder: Path) -> None:
    (folder / "empty").touch()
    (folder / "sub").mkdir()
    found = [file_digest(name) for name in ("nowhere", "empty", "sub", "a.csv", "a.csv/below")]
    assert len(set(found)) == 4
    assert found[0] == found[4]
    assert not known(file_digest("/dev/null"))


def test_paths_are_relative_below_the_working_directory_only(folder: Path) -> None:
    found = digests([str(folder / "b.json"), "a.csv", str(folder.parent / "elsewhere")])
    assert [path for path, _ in found] == [str(folder.parent / "elsewhere"), "a.csv", "b.json"]


def test_patterns_and_folders_stand_for_what_is_there(folder: Path) -> None:
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "sub" / "deep" / "c.csv").touch()
    assert expand(["*.csv", "nowhere/*.csv"]) == ("a.csv", "nowhere/*.csv")
    assert expand(["sub"]) == ("sub", "sub/deep", "sub/deep/c.csv")
