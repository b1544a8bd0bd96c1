"""The few file operations that everything on disk is made of."""

from __future__ import annotations

import mmap
import os
import secrets
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

if sys.platform != "win32":
    import fcntl

Piece = bytes | bytearray | memoryview
"""Bytes to write; a memoryview is of single bytes, in one stretch."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class FileSystem:
    """Files that are whole or not there: what :meth:`write` and :meth:`publish` have returned from survives a crash.

    The short methods do one operation each. A subclass that overrides them sees, orders or breaks every step.
    """

    def write(self, path: Path, pieces: Iterable[Piece]) -> None:
        """Make ``path`` hold ``pieces``, durably. It never has other than its old or its new content."""
        temp = self._written(path, pieces)
        try:
            self.rename(temp, path)
        except BaseException:
            self.discard(temp)
            raise
        self.sync_directory(path.parent)

    def publish(self, path: Path, pieces: Sequence[Piece]) -> None:
        """The same for a file that must not be there yet. Raises FileExistsError when somebody was faster."""
        temp = self._written(path, pieces)
        self.name(temp, path)

    def name(self, temp: Path, path: Path) -> None:
        """Give the synced file ``temp`` its final name, durably, unless that name is taken (FileExistsError)."""
        try:
            self.link(temp, path)
        finally:
            self.discard(temp)
        self.sync_directory(path.parent)

    def make_directories(self, directory: Path) -> None:
        """Make ``directory`` and those above it, readable by this user only; durable, so that what is in them is."""
        if directory.is_dir():
            return
        self.make_directories(directory.parent)
        try:
            self.make_directory(directory)
        except FileExistsError:
            if not directory.is_dir():
                raise
        self.sync_directory(directory.parent)

    def temporary(self, path: Path) -> Path:
        """A new name beside ``path`` for what is to become it."""
        return path.with_name(f".{path.name[:16]}.{secrets.token_hex(8)}.tmp")

    def _written(self, path: Path, pieces: Iterable[Piece]) -> Path:
        temp = self.temporary(path)
        try:
            fd = self.create(temp)
            try:
                for piece in pieces:
                    self.append(fd, piece)
                self.sync(fd)
            finally:
                os.close(fd)
        except BaseException:
            self.discard(temp)
            raise
        return temp

    def discard(self, temp: Path) -> None:
        """Remove a temporary file, if it is there and that can be done."""
        try:
            self.remove(temp)
        except OSError:
            pass  # nobody reads a temporary file, and the first error is the one to tell

    # -- one operation each

    def create(self, path: Path) -> int:
        return os.open(path, _CREATE, 0o600)

    def append(self, fd: int, piece: Piece) -> None:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(fd, rest) :]

    def sync(self, fd: int) -> None:
        if sys.platform == "darwin":
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # there, fsync alone leaves the data in the drive's cache
        else:
            os.fsync(fd)

    def sync_directory(self, directory: Path) -> None:
        if sys.platform == "win32":
            return  # directories cannot be opened there; the rename itself is journalled
        fd = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        """A second name, unless it is taken. Where files cannot have two, the first is given up for it."""
        if sys.platform == "win32":
            os.rename(source, target)
            return
        try:
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:
            if target.exists():
                raise FileExistsError(target) from None
            os.rename(source, target)

    def remove(self, path: Path) -> None:
        os.remove(path)

    def make_directory(self, directory: Path) -> None:
        os.mkdir(directory, 0o700)

    def size(self, path: Path) -> int:
        return os.stat(path).st_size

    def read(self, path: Path) -> memoryview:
        """The content, in memory of its own."""
        with open(path, "rb", buffering=0) as file:
            data = memoryview(bytearray(os.fstat(file.fileno()).st_size))
            filled = 0
            while count := file.readinto(data[filled:]):
                filled += count
            return data[:filled]

    def map(self, path: Path) -> memoryview:
        """The content, read from disk as it is looked at. What is written to the memory never reaches the file."""
        with open(path, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
