"""``dagbook run`` and the kernel: what the shell asks of each run of a notebook, and what it is answered.

The shell asks by an environment variable, since the cells are the notebook's own. It is answered by outputs of a kind
that it takes out of the notebook again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from dagbook.errors import DagbookError, NodeNotFoundError, UsageError
from dagbook.graph.selection import find
from dagbook.graph.topology import Topology
from dagbook.notebook.request import NOTHING, Choice, Request, choose
from dagbook.observe.trace import Trace

VARIABLE = "DAGBOOK_RUN"
"""The environment variable that holds a packed :class:`Standing`."""

ANSWER = "application/vnd.dagbook.answer+json"
"""The kind of the outputs. Each has a ``text``, and a ``kind``: ``run`` (one is asked for; the text names nodes that
are not known yet), ``plan``, ``refused``, ``absent`` (a cell wants what the shell did not), ``trace``."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a shell asks of each run of a notebook.

    ``cells`` is how many cells of it define nodes: names that are not known yet may still come. ``trace`` is where the
    last run's trace is written, if anywhere.
    """

    request: Request = NOTHING
    cells: int = 0
    trace: str = ""

    def packed(self) -> str:
        """As the text of an environment variable."""
        return json.dumps(asdict(self))

    @classmethod
    def taken(cls) -> Standing | None:
        """What the environment says, and from now on no more: programs that the notebook starts are not meant."""
        text = os.environ.pop(VARIABLE, "")
        if not text:
            return None
        try:
            given = json.loads(text)
            words: dict[str, Any] = given.pop("request")
            request: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in words.items()}
            return cls(Request(**request), **given)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise UsageError(f"{VARIABLE} is set by `dagbook run` alone, and holds {text[:80]!r}. Unset it.") from None


class Caller:
    """The shell that runs a notebook, as the notebook knows it. Without ``standing`` there is none.

    ``publish`` sends an output. ``defined`` counts the cells that have defined nodes. ``settled`` are nodes that have
    run, or were told of in a dry run: they are forced once, and told of once.
    """

    def __init__(self, standing: Standing | None, publish: Callable[[Mapping[str, Any]], object]) -> None:
        self._standing = standing
        self._publish = publish
        self.request = standing.request if standing is not None else NOTHING
        self.defined = 0
        self.settled: set[str] = set()
        self._traced = False

    @property
    def dry(self) -> bool:
        """Whether no node of the notebook is to run."""
        return self.request.dry_run

    @property
    def selective(self) -> bool:
        """Whether the shell does without some values: cells that want them are passed over."""
        selected = (self.request.types, self.request.nodes, self.request.exclude_tags)
        return self.dry or any(names is not None for names in selected)

    @property
    def told(self) -> Container[str]:
        """The nodes that a dry run has told of already."""
        return self.settled if self.dry else ()

    def answer(self, kind: str, text: str) -> None:
        """Tell the shell; nothing of it is kept in the notebook."""
        if self._standing is not None:
            self._publish({ANSWER: {"kind": kind, "text": text}})

    def joined(self, choice: Choice, topology: Topology) -> Choice:
        """The choice of a cell, with what the shell asks for. Raises what :func:`choose` raises."""
        if self._standing is None:
            return choice
        whole, request, unknown = self.defined >= self._standing.cells, self.request, []
        if not whole:
            unknown = [name for name in request.nodes or () if not _there(topology, name)]
            known = tuple(name for name in request.nodes or () if name not in unknown)
            request = replace(request, nodes=known or None)
        try:
            other = choose(topology, request, whole=whole)
        except DagbookError as error:
            self.answer("refused", str(error))
            raise
        self.answer("run", ", ".join(unknown))
        return choice.joined(other, [name for name in other.force if name not in self.settled])

    def write(self, trace: Trace, ran: bool) -> None:
        """Write the trace that the shell asked for: of the last run in which something ``ran``."""
        path = self._standing.trace if self._standing is not None else ""
        if not path or (self._traced and not ran):
            return
        self._traced = True
        try:
            trace.to_chrome_trace(path)
        except OSError as error:
            self.answer("trace", f"the trace could not be written to {path}: {error.strerror}.")
        else:
            self.answer("trace", f"{trace.summary()}\nwritten to {path}")


def _there(topology: Topology, name: str) -> bool:
    try:
        find(topology, name)
    except NodeNotFoundError:
        return False
    return True
