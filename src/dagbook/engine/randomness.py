"""Randomness by node name: what a node draws does not depend on which other nodes ran, or on how many at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_GLOBAL = threading.RLock()
"""The global generators belong to the whole process: nodes that reach them take turns."""


@contextmanager
def seeded(seed: str | None) -> Iterator[None]:
    """Within the block, ``random`` and NumPy's global state start from ``seed``; afterwards they are as before.

    With None nothing is touched.
    """
    if seed is None:
        yield
        return
    import random  # few nodes draw anything
    from hashlib import blake2b

    number = int.from_bytes(blake2b(seed.encode(), digest_size=4).digest(), "big")
    with _GLOBAL:
        state = random.getstate()
        random.seed(number)
        numpy = sys.modules.get("numpy.random")
        numpy_state = numpy.get_state() if numpy else None
        if numpy:
            numpy.seed(number)
        try:
            yield
        finally:
            random.setstate(state)
            if numpy:
                numpy.set_state(numpy_state)
