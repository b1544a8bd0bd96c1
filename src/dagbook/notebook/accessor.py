"""The ``dag`` object of a notebook: values of nodes as attributes, commands as methods."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dagbook.engine.why import changes_text
from dagbook.errors import DagbookError, NodeNotFoundError
from dagbook.notebook.request import Request, request_of
from dagbook.notebook.tracebacks import E, dress, way

if TYPE_CHECKING:
    from dagbook.notebook.notebook import Notebook


Names = str | Iterable[str]
"""Names, as a list or as one text."""


class StaleWarning(UserWarning):
    """A value was read that is not what a run would give now."""


class Dag:
    """The notebook's graph. ``dag.clean`` or ``dag["clean"]`` is the value of the node ``clean``.

    A value that is out of date is given with a warning, once. The commands are those of ``%dag``.
    """

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._warned: set[tuple[str, bytes]] = set()

    # -- values

    def __getitem__(self, name: str) -> Any:
        return self._value(name)

    def _value(self, name: str) -> Any:
        notebook = self._notebook
        notebook.require_made(name)
        try:
            value = notebook.session.value(name)
        except DagbookError as error:
            raise self._dressed(error) from None
        step = notebook.session.status().get(name)
        if step is not None and step.result is None and step.verdict in ("stale", "maybe"):
            mark = (name, notebook.session.shelf.records[name].key)
            if mark not in self._warned:
                self._warned.add(mark)
                reason = changes_text(step.changes) or f"{step.cause} is to run again first"
                warnings.warn(f"{name} is stale ({reason}); `%dag run {name}` renews it", StaleWarning, stacklevel=3)
        return value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._notebook.session.dag:
            raise self._dressed(AttributeError(str(NodeNotFoundError(name, self._notebook.session.dag))))
        return self._value(name)

    def _dressed(self, error: E) -> E:
        return dress(error, lambda: way(error, self._notebook.title))

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._notebook.session.dag})

    def __contains__(self, name: object) -> bool:
        return name in self._notebook.session.dag

    def __iter__(self) -> Iterator[str]:
        return iter(self._notebook.session.dag)

    def __len__(self) -> int:
        return len(self._notebook.session.dag)

    # -- commands

    def run(
        self,
        *targets: str,
        force: Names = (),
        full: bool = False,
        dry_run: bool = False,
        types: Names | None = None,
        nodes: Names | None = None,
        exclude_tags: Names | None = None,
        continue_on_error: bool = False,
        fail_fast: bool = False,
        retry: int = 0,
        workers: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Bring ``targets`` (everything, without any) up to date, shown live. Raises NodeFailed, RunCancelled.

        ``force`` and ``full`` run what is current too, ``nodes`` these and all below them. ``types`` and
        ``exclude_tags`` leave nodes out: a stored value serves, else they are skipped, and what needs them. Names come
        as a list, or as one text: ``"a, b"``. ``retry`` is how often a node that fails is tried again, ``timeout`` the
        seconds of the whole run. ``dry_run`` only says what would run, and why.
        """
        request = self._request(
            targets,
            force=force,
            full=full,
            dry_run=dry_run,
            types=types,
            nodes=nodes,
            exclude_tags=exclude_tags,
            continue_on_error=continue_on_error,
            fail_fast=fail_fast or None,
            retry=retry,
            workers=workers,
            timeout=timeout,
        )
        self._notebook.run(request)

    def plan(
        self,
        *targets: str,
        force: Names = (),
        full: bool = False,
        types: Names | None = None,
        nodes: Names | None = None,
        exclude_tags: Names | None = None,
    ) -> None:
        """Print what :meth:`run` would do with these words, and why. Runs nothing."""
        selected = {"force": force, "full": full, "types": types, "nodes": nodes, "exclude_tags": exclude_tags}
        self._notebook.run(self._request(targets, dry_run=True, **selected))

    def _request(self, targets: Sequence[str], **words: Any) -> Request:
        try:
            return request_of(*targets, **words)
        except DagbookError as error:
            raise self._dressed(error) from None

    def status(self) -> None:
        """Print how each node stands."""
        self._notebook.print_status()

    def why(self, name: str) -> str:
        """Why a node ran, or did not, in one sentence."""
        return self._notebook.why(name)

    def show(self, form: str | None = None) -> None:
        """Show the graph: live, or as ``text``, ``mermaid``, ``svg``, ``dot``."""
        self._notebook.show(form)

    def trace(self, path: str | os.PathLike[str] | None = None) -> None:
        """Print where the time of the last run went; with ``path``, write it there for Perfetto too."""
        self._notebook.trace(path)

    def resources(self, **amounts: float) -> None:
        """Say how much there is of what nodes ask for, like ``gpu=1``; without any, print what was said."""
        self._notebook.set_resources(amounts)

    def set(self, **values: object) -> None:
        """Give graph inputs their values."""
        self._notebook.set(**values)

    def drop(self, *names: str) -> None:
        """Take nodes out of the graph."""
        self._notebook.drop(*names)

    def cancel(self) -> None:
        """End the run that is going on."""
        self._notebook.cancel()

    def pause(self) -> None:
        """Start nothing new until :meth:`resume`."""
        self._notebook.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self._notebook.resume()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self._notebook.picture()

    def __repr__(self) -> str:
        return f"<dag of {len(self)} nodes>"
