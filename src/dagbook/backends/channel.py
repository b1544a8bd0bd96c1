"""Messages over a pair of pipes: plain data, and beside it large buffers that are not copied into it."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable, Sequence
from typing import Any

_HEAD = struct.Struct("!QI")
_SIZE = struct.Struct("!Q")
_PIECE = 1 << 20

Buffers = list[bytearray]

CALL, TEXT, WARNING, VALUE, UNSENDABLE, RAISED, STALE = range(7)
"""What a message begins with. All but the first are sent by workers; the last four end a call."""


class Channel:
    """The two ends that one side has. Sends whole messages; not to be used by two threads at once."""

    def __init__(self, reading: int, writing: int, wait: Callable[[], None] | None = None) -> None:
        """``wait`` returns when there is something to read, and raises EOFError when there will never be."""
        self.reading = reading
        self._writing = writing
        self._wait = wait

    def send(self, message: tuple[Any, ...], buffers: Sequence[pickle.PickleBuffer] = ()) -> None:
        """Raises EOFError when nobody is there to read."""
        body = pickle.dumps(message, protocol=5)
        raw = [buffer.raw() for buffer in buffers]
        sizes = b"".join(_SIZE.pack(each.nbytes) for each in raw)
        self._write(memoryview(_HEAD.pack(len(body), len(raw)) + sizes + body))
        for each in raw:
            self._write(each)

    def receive(self) -> tuple[tuple[Any, ...], Buffers]:
        """The next message and its buffers, which can be written to. Raises EOFError at the end."""
        length, count = _HEAD.unpack(self._read(_HEAD.size))
        sizes = [_SIZE.unpack(self._read(_SIZE.size))[0] for _ in range(count)]
        return pickle.loads(self._read(length)), [self._read(size) for size in sizes]

    def _write(self, data: memoryview) -> None:
        try:
            while data:
                data = data[os.write(self._writing, data[:_PIECE]) :]
        except OSError as error:
            raise EOFError from error

    def _read(self, size: int) -> bytearray:
        found = bytearray(size)
        rest = memoryview(found)
        while rest:
            if self._wait is not None:
                self._wait()
            got = os.readv(self.reading, [rest[:_PIECE]])
            if not got:
                raise EOFError
            rest = rest[got:]
        return found
