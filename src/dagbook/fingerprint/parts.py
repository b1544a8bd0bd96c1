"""The vocabulary of keys: parts, and digests.

A digest is 16 bytes. What cannot be fingerprinted gets :func:`unknown`, a longer and unique one, so
that it equals nothing, ever, without a second code path.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

Digest = bytes
SIZE = 16


def unknown() -> Digest:
    """A digest that equals no other, past or future."""
    return b"?" + os.urandom(SIZE)


def known(digest: Digest) -> bool:
    """Whether ``digest`` says what a thing is (and so may be compared, and stored)."""
    return len(digest) == SIZE


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a result depends on.

    ``kind`` is one of ``code`` (the node's own), ``helper``, ``class``, ``constant`` (data that a global name
    holds), ``module`` (a project file or an attribute of it), ``package`` (installed: name and version),
    ``default``, ``closure``, ``missing``, ``option``, ``input`` (the value of another node), ``parameter`` (a graph
    input), ``file``, ``seed``, ``python``. ``name`` is how the user would call it (``_scale``, ``LATE``,
    ``pandas 2.3.1``, ``data/trips.csv``). ``where`` (``cell 3``, ``steps.py``) and ``text`` (the source, for a
    difference by lines; a short repr for a constant) are for people: they are not in the digest.
    """

    kind: str
    name: str
    digest: Digest
    where: str = ""
    text: str = ""
