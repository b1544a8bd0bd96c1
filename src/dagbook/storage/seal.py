"""Authenticity: what was not written by this user is not used.

Loading a pickle is running code, so a digest is not enough: whoever can write to a store could write a blob and its
digest too. Everything that leads to a decode carries a tag that only the holder of the key can make. Whoever can write
both the store and the key can run code as you.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from typing import Literal

from dagbook.errors import StoreError
from dagbook.storage.fs import FileSystem

Posture = Literal["off", "on", "strict"]
"""What happens to an entry that does not verify: it is used, it is a miss with a warning, or it is an error."""

KEY_SIZE = 32


class Seal:
    """Tags that nobody can make without the key."""

    def __init__(self, key: bytes, posture: Posture = "on") -> None:
        self.posture = posture
        self._key = key

    def tag(self, *fields: bytes) -> bytes:
        """A tag of these fields, in this order; no other list of fields has the same."""
        hasher = blake2b(key=self._key, digest_size=32, person=b"dagbook seal")
        for field in fields:
            hasher.update(len(field).to_bytes(8, "little"))
            hasher.update(field)
        return hasher.digest()

    def verify(self, tag: bytes, *fields: bytes) -> bool:
        """Whether ``tag`` was made with this key from these fields."""
        return self.posture == "off" or compare_digest(tag, self.tag(*fields))


def open_seal(fs: FileSystem, posture: Posture = "on", path: Path | None = None) -> Seal:
    """The seal of this user. Its key is made when there is none; without a posture, none is needed."""
    if posture == "off":
        return Seal(bytes(KEY_SIZE), posture)
    return Seal(_load_key(fs, path or key_path()), posture)


def key_path() -> Path:
    """Where this user's key is: ``$DAGBOOK_KEY_FILE``, or in the user's data directory, outside every store."""
    given = os.environ.get("DAGBOOK_KEY_FILE")
    if given:
        return Path(given).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(data):
        return Path(data) / "dagbook" / "key"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "dagbook" / "key"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "dagbook" / "key"
    return Path.home() / ".local" / "share" / "dagbook" / "key"


def _load_key(fs: FileSystem, path: Path) -> bytes:
    try:
        if not path.exists():
            _create_key(fs, path)
        _check_private(path)
        key = bytes(fs.read(path))
    except OSError as error:
        raise StoreError(
            f"the key file {path} cannot be used ({error.strerror}). Stored results are authenticated with it: "
            "make it readable, or set DAGBOOK_KEY_FILE to a file of your own."
        ) from error
    if len(key) != KEY_SIZE:
        raise StoreError(
            f"the key file {path} is damaged: it has {len(key)} bytes instead of {KEY_SIZE}. Move it away; a new key "
            "is made then, and results that were stored with the old one are computed again."
        )
    return key


def _create_key(fs: FileSystem, path: Path) -> None:
    fs.make_directories(path.parent)
    try:
        fs.publish(path, [secrets.token_bytes(KEY_SIZE)])
    except FileExistsError:
        pass  # another process was faster; its key is the one


def _check_private(path: Path) -> None:
    if sys.platform == "win32":
        return  # the user's data directory is private there by its access list
    found = path.stat()
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise StoreError(
            f"the key file {path} can be read or written by other users. If nobody has had it yet, run "
            f"`chmod 600 '{path}'`; otherwise move it away, and a new one is made."
        )
    if found.st_uid not in (os.geteuid(), 0):
        raise StoreError(f"the key file {path} belongs to another user. Set DAGBOOK_KEY_FILE to a file of your own.")
