"""The ``dag`` object of a notebook: values of nodes as attributes, commands as methods."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dagbook.engine.why import changes_text
from dagbook.errors import DagbookError, NodeNotFoundError
from dagbook.notebook.tracebacks import E, dress, way

if TYPE_CHECKING:
    from dagbook.notebook.extension import Notebook


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

    def run(self, *targets: str, force: Any = (), fail_fast: bool = False, workers: int | None = None) -> None:
        """Bring ``targets`` (everything, without any) up to date, shown live. Raises NodeFailed, RunCancelled."""
        force = [force] if isinstance(force, str) else list(force)
        self._notebook.run(*targets, force=force, fail_fast=fail_fast, workers=workers)

    def plan(self, *targets: str) -> None:
        """Print what a run would do, and why."""
        self._notebook.print_plan(*targets)

    def status(self) -> None:
        """Print how each node stands."""
        self._notebook.print_status()

    def why(self, name: str) -> str:
        """Why a node ran, or did not, in one sentence."""
        return self._notebook.why(name)

    def show(self, form: str | None = None) -> None:
        """Show the graph: live, or as ``text``, ``mermaid``, ``svg``, ``dot``."""
        self._notebook.show(form)

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
