"""The files that user code reads: which they are, and what they hold."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from xxhash import xxh3_128

from dagbook.fingerprint import origin
from dagbook.fingerprint.digests import join, leaf
from dagbook.fingerprint.parts import Digest, unknown

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SYSTEM = ("/proc", "/sys", "/dev", "/usr", "/etc")
_COMPILED = (".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib")
_OURS = ".dagbook"
_UNLISTED = frozenset({_OURS, ".ipynb_checkpoints", "__pycache__"})
_READS_SOURCE = frozenset({"linecache.py", "tokenize.py", "inspect.py"})
_CHUNK = 1 << 20
_HEARD_FROM = 4  # frames: _is_machinery, _see, _hear_…, _hear, and then who opened the file
_RACY = 2_000_000_000  # nanoseconds: a file changed again so soon may keep its time stamp


class FileWatch:
    """The files and folders that one block of code reads. ``paths`` is complete when the block has ended."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[int, ...]] = {}
        self._written: set[str] = set()

    @property
    def paths(self) -> tuple[str, ...]:
        """The absolute paths of the files opened for reading and the folders listed, in order.

        A file that was not there is among them (its coming would be a change); what the block itself wrote first, what
        Python and installed packages are made of, caches and special files are not.
        """
        return tuple(path for path in self._read if _is_plain(path) and not _is_excluded(path))

    def saw(self, path: str, writes: bool) -> None:
        """Note that ``path`` is about to be opened."""
        if writes and path not in self._read:
            self._written.add(path)
        elif not writes and path not in self._written:
            self._read.setdefault(path, _now(path))

    def digests(self) -> tuple[tuple[str, Digest], ...]:
        """Each of ``paths`` with its digest, as :func:`digests`; what has changed since it was read has none."""
        if not self._read:
            return ()
        changed = {path for path, state in self._read.items() if _now(path) != state}
        return digests(self.paths, changed)


_current: ContextVar[FileWatch | None] = ContextVar("dagbook_files", default=None)


@contextmanager
def recording() -> Iterator[FileWatch]:
    """Note which files the block reads, by Python's own ``open``; blocks in other threads and tasks do not mix.

    Readers in C that open files themselves, and threads that the block starts, are not seen.
    """
    _install()
    watch = FileWatch()
    token = _current.set(watch)
    try:
        yield watch
    finally:
        _current.reset(token)


@cache
def _install() -> None:
    """Hook into Python, once: an audit hook can never be taken away."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Called by Python for everything that it does: so first of all, quickly, no."""
    note = _EVENTS.get(event)
    if note is not None and (watch := _current.get()) is not None:
        note(watch, arguments)


def _hear_open(watch: FileWatch, arguments: tuple[Any, ...]) -> None:
    path, mode, flags = arguments
    writes = bool(flags & _WRITES) if isinstance(flags, int) else False
    if isinstance(mode, str) and "r" in mode and "+" in mode:
        writes = False  # it reads what was there before it writes
    elif mode is None and isinstance(flags, int) and flags & os.O_RDWR and not flags & (os.O_CREAT | os.O_TRUNC):
        writes = False
    _see(watch, path, writes)


def _hear_list(watch: FileWatch, arguments: tuple[Any, ...]) -> None:
    _see(watch, arguments[0] if arguments[0] is not None else ".", False)


def _hear_rename(watch: FileWatch, arguments: tuple[Any, ...]) -> None:
    """A file that was written under another name and moved into its place was written."""
    _see(watch, arguments[1], True)


_EVENTS: dict[str, Callable[[FileWatch, tuple[Any, ...]], None]] = {
    "open": _hear_open,
    "os.listdir": _hear_list,
    "os.scandir": _hear_list,
    "os.rename": _hear_rename,
}


def _see(watch: FileWatch, path: Any, writes: bool) -> None:
    if isinstance(path, int) or _is_machinery():
        return
    try:
        watch.saw(os.path.abspath(os.fsdecode(path)), writes)
    except (TypeError, ValueError, OSError):
        return  # not a path: the call itself is about to say so


def _is_machinery() -> bool:
    """Whether Python opens a file for its own ends: to import a module, or to show source lines."""
    try:
        opener = sys._getframe(_HEARD_FROM).f_code.co_filename
    except ValueError:  # a thread of C code
        return False
    return (
        opener.startswith("<frozen importlib")
        or f"{os.sep}importlib{os.sep}" in opener
        or os.path.basename(opener) in _READS_SOURCE
    )


def _is_plain(path: str) -> bool:
    """Whether ``path`` is a regular file, a folder, or nothing."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _is_excluded(path: str) -> bool:
    if path.endswith(_COMPILED) or _OURS in path.split(os.sep):
        return True
    real = os.path.realpath(path)
    if any(real == folder or real.startswith(folder + os.sep) for folder in (*_SYSTEM, *_private_folders())):
        return True
    return origin.of_path(path) != origin.PROJECT


def _private_folders() -> list[str]:
    """Where Python is, and where libraries keep what they could make again."""
    home = os.path.expanduser("~")
    folders = [
        sys.prefix,
        sys.base_prefix,
        os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"),
        os.environ.get("MPLCONFIGDIR") or os.path.join(home, ".config", "matplotlib"),
        os.path.join(home, "Library", "Caches"),
    ]
    return [os.path.realpath(folder) for folder in folders if folder != os.sep]


_digests: dict[str, tuple[tuple[int, ...], Digest]] = {}


def file_digest(path: str | os.PathLike[str]) -> Digest:
    """What a file holds, or which names a folder has; a missing one has a digest too, one that cannot be read none.

    A file is read again only when its time, size or inode changed, or when it had changed within two seconds before it
    was last read.
    """
    name = os.path.abspath(path)
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            return join("folder", (leaf("entry", each) for each in sorted(os.listdir(name)) if each not in _UNLISTED))
        if not stat.S_ISREG(status.st_mode):
            return unknown()
        found = _digests.get(name)
        if found is not None and found[0] == _state(status):
            return found[1]
        return _read(name)
    except (FileNotFoundError, NotADirectoryError):
        return leaf("missing file")
    except OSError:
        return unknown()


def _read(name: str) -> Digest:
    hasher = xxh3_128(b"file\0")
    started = time.time_ns()
    with open(name, "rb") as file:
        before = os.fstat(file.fileno())
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
        after = os.fstat(file.fileno())
    digest = hasher.digest()
    _digests.pop(name, None)
    if _state(before) == _state(after) and after.st_mtime_ns < started - _RACY:
        _digests[name] = _state(after), digest
    return digest


def _now(path: str) -> tuple[int, ...]:
    """The state of a file at this moment; a folder has none, and neither has what is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return _state(status) if stat.S_ISREG(status.st_mode) else ()


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev, status.st_ctime_ns


def expand(patterns: Iterable[str]) -> tuple[str, ...]:
    """The files that paths and patterns (``data/*.csv``, ``**``) stand for; a folder stands for itself and all below.

    What matches nothing stays as it is, so that its coming is seen.
    """
    import glob  # seldom needed

    found: dict[str, None] = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern, recursive=True)) or [pattern]:
            found[path] = None
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(name for name in folders if name not in _UNLISTED)
                found.update(dict.fromkeys(os.path.join(folder, name) for name in (*folders, *sorted(names))))
    return tuple(found)


def digests(paths: Iterable[str], changed: Container[str] = ()) -> tuple[tuple[str, Digest], ...]:
    """Each path, relative to the working directory when it is below it, with its digest; sorted.

    Those that have ``changed`` while they were read get a digest that equals nothing.
    """
    folder = os.getcwd() + os.sep
    absolute = sorted({os.path.abspath(path) for path in paths})
    return tuple((p.removeprefix(folder), unknown() if p in changed else file_digest(p)) for p in absolute)
