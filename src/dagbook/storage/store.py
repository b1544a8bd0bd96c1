"""A store: a folder with blobs, a journal, and a sealed note that says which store it is."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import warnings
from pathlib import Path
from typing import Any

from dagbook.engine.ports import Blob
from dagbook.errors import RefusedError, StoreError, StoreVersionError, UnstorableError
from dagbook.storage import codecs
from dagbook.storage.blobs import Blobs
from dagbook.storage.fs import FileSystem
from dagbook.storage.journal import DiskJournal, create_journal
from dagbook.storage.seal import Posture, Seal, open_seal

VERSION = 1
NOTE = "store.json"
JOURNAL = "journal.db"


class DiskStore:
    """Values by content, in files. Safe for several threads and processes."""

    def __init__(self, directory: Path, fs: FileSystem) -> None:
        self._blobs = Blobs(directory, fs)

    def put(self, value: object) -> Blob:
        """Write ``value``; it is synced to disk when this returns. Raises UnstorableError, also for a full disk."""
        codec, pieces = codecs.encode(value)
        try:
            digest, size = self._blobs.write(pieces)
        except OSError as error:
            raise UnstorableError(
                f"a {type(value).__name__} cannot be stored: {self._blobs.directory}: {error.strerror or error}"
            ) from error
        return Blob(digest, codec, size)

    def has(self, blob: Blob) -> bool:
        """Whether a blob of this size is there; it may still turn out to be damaged."""
        return self._blobs.has(blob.digest, blob.size)

    def get(self, blob: Blob) -> object:
        """A fresh copy of the value, verified before it is decoded. Raises RefusedError."""
        return codecs.decode(blob.codec, self._blobs.read(blob.digest, blob.size))


def open_store(
    directory: str | os.PathLike[str],
    posture: Posture = "on",
    fs: FileSystem | None = None,
    journal: str | os.PathLike[str] | None = None,
) -> tuple[DiskStore, DiskJournal]:
    """The store and the journal in ``directory``, which is made if need be. Raises StoreError.

    ``journal`` is the journal's file, where it is to stand somewhere else.
    ``posture`` says what happens to results that this user has not written: ``on`` warns and computes them again,
    ``strict`` raises RefusedError, and ``off`` uses them, which lets whoever wrote them run code as you.
    """
    root, fs = Path(directory).absolute(), fs or FileSystem()
    path = Path(journal).absolute() if journal is not None else root / JOURNAL
    seal = open_seal(fs, posture)
    try:
        _complete(root, path, fs, seal)
        identity, ours = _read_note(root / NOTE, fs, seal)
        opened = DiskJournal(path, seal, identity, quiet=not ours)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(
            f"the store {root} cannot be opened ({reason}). Make it readable and writable, or choose another "
            "directory with DAGBOOK_DIR."
        ) from error
    return DiskStore(root, fs), opened


def _complete(root: Path, journal: Path, fs: FileSystem, seal: Seal) -> None:
    """Make what is missing. The note is the last: where there is one, there was a journal."""
    fresh = not (root / NOTE).exists()
    if not journal.exists():
        if not fresh:
            warnings.warn(
                f"the journal of the store {root} is gone; a new one is started, and results are computed again.",
                RuntimeWarning,
                stacklevel=3,
            )
        fs.make_directories(root)
        fs.write(root / ".gitignore", [b"*\n"])
        create_journal(journal, fs)
    if not fresh:
        return
    identity = secrets.token_hex(16)
    note = {"dagbook store": identity, "version": VERSION, "seal": _tag(seal, identity, VERSION).hex()}
    try:
        fs.publish(root / NOTE, [json.dumps(note, indent=2).encode() + b"\n"])
    except FileExistsError:
        pass  # another process was faster; its note is the one


def _read_note(path: Path, fs: FileSystem, seal: Seal) -> tuple[str, bool]:
    """The id of the store, and whether the note carries our seal."""
    try:
        note: Any = json.loads(bytes(fs.read(path)))
        identity, version, tag = str(note["dagbook store"]), int(note["version"]), bytes.fromhex(note["seal"])
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            f"{path} is damaged. Move the folder {path.parent} away; results are computed again."
        ) from None
    if version > VERSION:
        raise StoreVersionError(
            f"the store {path.parent} was written by a newer dagbook (version {version}; this one reads {VERSION}): "
            "upgrade, or use another store."
        )
    if seal.verify(tag, *_fields(identity, version)):
        return identity, True
    message = (
        f"the store {path.parent} was not made with your key (another user made it, or the key file was replaced). "
        "Its results are not used, and computed again. Bring the key back, or delete the folder."
    )
    if seal.posture == "strict":
        raise RefusedError(message)
    warnings.warn(message, RuntimeWarning, stacklevel=3)
    return identity, False


def _tag(seal: Seal, identity: str, version: int) -> bytes:
    return seal.tag(*_fields(identity, version))


def _fields(identity: str, version: int) -> tuple[bytes, ...]:
    return b"store", identity.encode(), b"%d" % version
