"""Files that are named by what they contain.

A blob is a list of pieces in one file: a head, which decoding interprets, and large buffers, which it only points to.
::

    "dagbook" 01 | number of pieces | size of each piece | pieces, each at a multiple of 64 bytes
"""

from __future__ import annotations

import re
import secrets
import struct
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

from dagbook.errors import RefusedError
from dagbook.storage.fs import FileSystem, Piece

MAGIC = b"dagbook\x01"
ALIGNMENT = 64
MAPPED = 4 << 20
"""From this size on a file is mapped. A mapping costs a file descriptor, so small files are read."""

_START = struct.Struct("<8sQ")
_NAME = re.compile("[0-9a-f]{64}")


class Blobs:
    """Content-addressed files: ``blobs/ab/cdef…``. What comes out is what went in, or RefusedError."""

    def __init__(self, directory: Path, fs: FileSystem) -> None:
        self.directory = directory / "blobs"
        self.quarantine = directory / "quarantine"
        self._fs = fs

    def write(self, pieces: Sequence[Piece]) -> tuple[str, int]:
        """Store ``pieces``, and return digest and size; synced to disk. What is there already is not written again."""
        stream = list(_stream(pieces))
        size = sum(map(len, stream))
        hasher = blake2b(digest_size=32)
        for chunk in stream:
            hasher.update(chunk)
        digest = hasher.hexdigest()
        path = self.path(digest)
        if self.has(digest, size):
            self._fs.sync_directory(path.parent)  # another process may have renamed it, and not yet synced that
        else:
            self._fs.make_directories(path.parent)
            self._fs.write(path, stream)
        return digest, size

    def has(self, digest: str, size: int) -> bool:
        """Whether there is a file of this name and size. Its content is checked when it is read."""
        try:
            return self._fs.size(self.path(digest)) == size
        except OSError:
            return False

    def read(self, digest: str, size: int) -> list[memoryview]:
        """The pieces, verified, in memory that only the caller can see. A damaged file is put away."""
        path = self.path(digest)
        try:
            found = self._fs.size(path)
            if found != size:
                raise self._damaged(path, f"it has {found:,} bytes, and was written with {size:,}")
            data = self._load(path, size)
        except FileNotFoundError:
            raise RefusedError(f"the stored value {path} is gone; it is computed again.") from None
        except OSError as error:
            raise RefusedError(f"the stored value {path} cannot be read ({error.strerror}).") from error
        pieces = _verified(data, digest)
        if pieces is None:
            raise self._damaged(path, "its bytes are not those that were written")
        return pieces

    def path(self, digest: str) -> Path:
        """Where the blob with this digest is, or would be."""
        if not _NAME.fullmatch(digest):
            raise RefusedError(f"{digest!r} is not the digest of a stored value.")
        return self.directory / digest[:2] / digest[2:]

    def _load(self, path: Path, size: int) -> memoryview:
        if size >= MAPPED:
            try:
                return self._fs.map(path)
            except (OSError, ValueError):
                pass  # no descriptors or address space left: a copy in memory does as well
        return self._fs.read(path)

    def _damaged(self, path: Path, why: str) -> RefusedError:
        aside = self.quarantine / f"{path.parent.name}{path.name}.{secrets.token_hex(4)}"
        try:
            self._fs.make_directories(self.quarantine)
            self._fs.rename(path, aside)
        except OSError:
            aside = path
        return RefusedError(f"the stored value {path} is damaged: {why}. It was not decoded, and is now {aside}.")


def _stream(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The bytes of a file, as they lie in memory."""
    table = _START.pack(MAGIC, len(pieces)) + b"".join(len(piece).to_bytes(8, "little") for piece in pieces)
    position = len(table)
    yield table
    for piece in pieces:
        gap = -position % ALIGNMENT
        yield bytes(gap)
        yield piece
        position += gap + len(piece)


def _verified(data: memoryview, digest: str) -> list[memoryview] | None:
    """The pieces of a file whose content has this digest, or None.

    Table and head are copied before they are hashed: a mapped file can change between the look and the use, and the
    head may be a pickle.
    """
    if len(data) < _START.size:
        return None
    magic, count = _START.unpack(data[: _START.size])
    end = _START.size + 8 * count
    if magic != MAGIC or count < 1 or end > len(data):
        return None
    table = bytes(data[_START.size : end])
    spans = []
    for (length,) in struct.iter_unpack("<Q", table):
        start = end + -end % ALIGNMENT
        end = start + length
        spans.append((start, end))
    first = _START.size + len(table)
    head = memoryview(bytes(data[first : spans[0][1]]))
    hasher = blake2b(data[: _START.size], digest_size=32)
    for chunk in (table, head, data[spans[0][1] :]):
        hasher.update(chunk)
    if end != len(data) or hasher.hexdigest() != digest:
        return None
    return [head[spans[0][0] - first :], *(data[start:end] for start, end in spans[1:])]
