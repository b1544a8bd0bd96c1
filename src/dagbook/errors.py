"""Every exception that dagbook raises, in one tree.

::

    DagbookError
    ├── GraphError              the graph was refused; it is as it was before
    │   ├── CycleError          (also a ValueError)
    │   ├── DuplicateNodeError
    │   ├── NodeNotFoundError   (also a KeyError)
    │   ├── AmbiguousInputError
    │   ├── MissingInputError
    │   ├── ReservedNameError
    │   └── ManifestError       a file or a text is no manifest
    ├── RunError                a run ended without all that was asked for
    │   ├── NodeFailed
    │   ├── NodeDied            the process of a node ended by itself
    │   ├── UnknownOutcomeError a node with effects may have been called already, and is not called again unasked
    │   ├── RunCancelled
    │   └── RunPaused           raised by a node: the run is to stop here, and go on another time
    ├── InputChangedError       a node changed one of its inputs in place
    ├── StoreError
    │   ├── RefusedError        an entry that is damaged or not ours; never decoded
    │   ├── UnstorableError     a value that cannot be written
    │   │   └── UnreturnableError   what a node returned in its own process, and cannot be sent back
    │   └── StoreVersionError
    └── UsageError              a command was given something it cannot take
        └── RecordedRunError    no such run is recorded, or it cannot be taken up again (also a ValueError)

A message says what was wrong, where (node, cell, line), and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice


class DagbookError(Exception):
    """The root: catching it catches everything that dagbook raises on purpose."""


class GraphError(DagbookError):
    """A definition was refused. The DAG is as it was before."""


class CycleError(GraphError, ValueError):
    """The nodes would need each other. ``path`` is the cycle, its first node again at the end."""

    def __init__(self, path: Sequence[str], places: Sequence[str] = ()) -> None:
        self.path = tuple(path)
        where = f" ({', '.join(dict.fromkeys(places))})" if places else ""
        left_out = len(self.path) - 10
        shown = self.path if left_out < 3 else (*self.path[:8], f"… {left_out} more …", *self.path[-2:])
        super().__init__(
            f"cycle: {' → '.join(shown)}{where}. A node cannot need its own result: "
            "take one of these edges out, or rename a parameter or a function that makes one."
        )


class DuplicateNodeError(GraphError):
    """Two places define one node."""


class NodeNotFoundError(GraphError, KeyError):
    """No node has this name. ``nearest`` are names that look like it."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.nearest = tuple(nearest(str(name), known))
        super().__init__(f"no node is called {name!r}{did_you_mean(self.nearest)}")

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0])


class AmbiguousInputError(GraphError):
    """A parameter could mean two things; it is never guessed."""


class MissingInputError(GraphError):
    """A parameter names no node, has no default, and was not set."""


class ReservedNameError(GraphError):
    """A node may not have this name."""


class ManifestError(GraphError):
    """What was read is no manifest, or what was given cannot be one; the message names the place."""


class RunError(DagbookError):
    """A run ended without all that was asked for."""


class NodeFailed(RunError):
    """A node raised. ``node`` is its name; the user's exception is the ``__cause__``."""

    def __init__(self, node: str, message: str) -> None:
        self.node = node
        super().__init__(message)


class NodeDied(RunError):
    """The process that a node had for itself ended before the node did: a crash, an exit, memory that ran out."""


class UnknownOutcomeError(RunError):
    """A node with effects was called before, and nobody knows what came of it: it is not called again unasked."""


class RunCancelled(RunError):
    """The run was cancelled; what had finished is kept."""


class RunPaused(RunError):
    """Raise it in a node: what runs is allowed to end, and the run ends as ``paused``, to go on another time."""


class InputChangedError(DagbookError):
    """A node changed one of its inputs in place, so another reader could have seen it."""


class StoreError(DagbookError):
    """The store cannot do what was asked."""


class RefusedError(StoreError):
    """An entry is damaged, or was not written by this user; it was not decoded."""


class UnstorableError(StoreError):
    """A value cannot be written; it lives in this process only."""


class UnreturnableError(UnstorableError):
    """What a node has returned in a process of its own cannot be brought back from there."""


class StoreVersionError(StoreError):
    """The store was written by a newer dagbook."""


class UsageError(DagbookError):
    """A command was given something that it cannot take."""


class RecordedRunError(UsageError, ValueError):
    """No run of this name is recorded, or it is not one that can be taken up again."""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The at most three known names that look most like ``name``. Of very many, only the first are looked at."""
    from difflib import get_close_matches  # only for a message

    return get_close_matches(name, list(islice(known, 2000)), n=3, cutoff=0.5)


def did_you_mean(names: Sequence[str]) -> str:
    """The end of a message that offers ``names``; a full stop when there are none."""
    return f". Did you mean {' or '.join(repr(n) for n in names)}?" if names else "."
