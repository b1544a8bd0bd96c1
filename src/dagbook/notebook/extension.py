"""``%load_ext dagbook``: a notebook's session, its cells, its live view, and its commands, put together."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import CodeType
from typing import Any

from dagbook.engine.events import Kind
from dagbook.engine.interrupts import held
from dagbook.engine.plan import Step
from dagbook.engine.run import KeptRun
from dagbook.errors import DagbookError, NodeFailed, NodeNotFoundError, UsageError
from dagbook.fingerprint.origin import PROJECT, of_path
from dagbook.graph.dag import Change
from dagbook.launch import number_of_workers
from dagbook.notebook import magics, outputs, pictures, svg
from dagbook.notebook.accessor import Dag
from dagbook.notebook.cells import Cell, Cells, Registration, head, transform
from dagbook.notebook.texts import FAILED, plan_text, status_text
from dagbook.notebook.tracebacks import dress, failure
from dagbook.notebook.view import View, meta
from dagbook.session import Session

VALUES_SHOWN = 5
"""How many targets of a run are shown by value."""

_active: Notebook | None = None


def active() -> Notebook:
    """The notebook of this kernel. Raises UsageError before ``%load_ext dagbook``."""
    if _active is None:
        raise UsageError("dagbook is not loaded here. Run `%load_ext dagbook` first.")
    return _active


def current() -> Dag:
    """The ``dag`` object of this kernel, also where its name is taken. Raises UsageError when there is none."""
    return active().dag


class Notebook:
    """One kernel's notebook. ``shell`` is its IPython shell."""

    def __init__(self, shell: Any, directory: Path) -> None:
        self.shell = shell
        self.namespace: dict[str, Any] = shell.user_ns
        self.in_kernel = hasattr(shell, "kernel")
        self.session = Session(
            directory=directory, locate=self._locate, is_ours=self.title, capture=self._capture
        )
        self.cells = Cells(self.session.dag, self.namespace, has_document=self.in_kernel)
        self.view = View(self.session, run=self._run_from_page)
        self.dag = Dag(self)
        self._cell: Cell | None = None
        self._stage: outputs.Stage | None = None
        self._running: KeptRun | None = None
        self._registration = Registration(lambda: self._cell, self.cells)

    # -- a cell begins, and registers what it defines

    def before_cell(self, info: Any) -> None:
        """IPython is about to run a cell."""
        source = info.raw_cell or ""
        self._cell = Cell(source, getattr(info, "cell_id", None) or "", "this cell", head(source))

    def register(self) -> None:
        """Make the functions of the cell that is running nodes, and show what that changed."""
        cell = self._cell
        if cell is None:
            return
        # Only the compiled cell knows its number for certain: the shell counts on at different moments.
        cell.label = self.title(sys._getframe(1).f_code.co_filename) or cell.label
        try:
            change = self.cells.define(cell)
        except DagbookError as error:
            raise dress(error) from None
        for name in change.removed:
            self.session.shelf.drop(name)
        if cell.rest is not None or change:
            self._show_line(cell, change)

    def _show_line(self, cell: Cell, change: Change) -> None:
        names = [n for n in cell.functions if n in self.session.dag]
        index = {name: i for i, name in enumerate(names)}
        edges = [(index[p], index[n]) for n in names for p in self.session.dag.inputs(n) if p in index]
        plain = pictures.line(names, edges)
        if self.in_kernel:
            self._publish(self.view.line(names, change) | {"text/plain": plain})
        else:
            print(plain)

    # -- commands

    def run(
        self, *targets: str, force: Sequence[str] = (), fail_fast: bool = False, workers: int | None = None
    ) -> None:
        """Bring ``targets`` up to date, shown live; then show their values.

        Raises NodeFailed or RunCancelled when something is missing at the end.
        """
        if self._goes_on():
            raise dress(UsageError("a run is going on already. `%dag cancel` ends it."))
        try:
            run = self._watched(targets, force, fail_fast, workers)
        except DagbookError as error:
            raise dress(error) from None
        self._raise(run, targets)
        for name in targets[:VALUES_SHOWN]:
            self._show_value(name)

    def _watched(self, targets: Sequence[str], force: Sequence[str], fail_fast: bool, workers: int | None) -> KeptRun:
        self.session.plan(*targets, force=force)  # what is wrong is said before anything is shown
        number_of_workers(workers)
        live = self.in_kernel and self._cell is not None and bool(self._cell.cell_id)
        handle = self._publish(self._live_bundle()) if live else None
        with outputs.routed(self.shell, self.title) as emit:
            try:
                return self.session.run(
                    *targets,
                    force=force,
                    fail_fast=fail_fast,
                    workers=workers,
                    observers=[self._begin(emit, hold=not live)],
                )
            finally:
                with held():  # the run has ended already: there is nothing to stop any more
                    self._close(handle)

    def _close(self, handle: Any) -> None:
        """The last words of a run: its picture as it ended, and what nodes showed and was held until now."""
        self.view.finish()
        stage, self._stage, self._running = self._stage, None, None
        self._publish(self._live_bundle(), update=handle)
        if stage is not None:
            stage.open()

    def _begin(self, emit: outputs.Emit, hold: bool) -> Any:
        def observer(run: KeptRun) -> Any:
            self._running = run
            stage = self._stage = outputs.Stage(run, emit)
            if not hold:
                stage.open()
            return stage.hear

        return observer

    def _run_from_page(self, targets: Sequence[str], force: bool) -> None:
        """The page's Run button: heard on any thread, carried out on the kernel's own as soon as no cell is running."""
        self.shell.kernel.io_loop.add_callback(self._run_quietly, tuple(targets), force)

    def _run_quietly(self, targets: Sequence[str], force: bool) -> None:
        """A run that no cell asked for: what nodes show is kept with their results, and errors are in the picture."""
        if self._goes_on():
            return
        with outputs.routed(self.shell, self.title) as emit:
            try:
                self.session.run(*targets, force=targets if force else (), observers=[self._begin(emit, hold=True)])
            except DagbookError as error:
                self.view.refresh()
                self.shell.log.warning("the run that the page asked for was refused: %s", error)
            finally:
                with held():
                    self.view.finish()
                    self._running = self._stage = None

    def _raise(self, run: KeptRun, targets: Sequence[str]) -> None:
        try:
            run.raise_for_status(*targets)
            run.raise_for_status()
        except NodeFailed as error:
            cause = error.__cause__
            lines = failure(run.stories[error.node], cause, self.title)
            raise dress(error, lambda: lines) from cause
        except DagbookError as error:
            raise dress(error) from None

    def _show_value(self, name: str) -> None:
        value = self.session.value(name)
        if isinstance(value, str) and "\n" in value:
            print(value)
        elif value is None or isinstance(value, bool | int | float | complex | str | list | tuple | dict | set):
            outputs.display_value(_Named(name, value, self.shell))
        else:
            outputs.display_value(value)

    def print_plan(self, *targets: str) -> None:
        """Print what a run would do, and why."""
        try:
            plan = self.session.plan(*targets)
        except DagbookError as error:
            raise dress(error) from None
        print(plan_text(list(plan.steps.values()), self._last_kind))

    def print_status(self) -> None:
        """Print how each node stands."""
        print(status_text(list(self.session.status().values()), self._last_kind))

    def _last_kind(self, name: str) -> Kind | None:
        story = self.session.story(name)
        return story.how if story is not None else None

    def why(self, name: str) -> str:
        """Why a node ran, or did not."""
        try:
            return self.session.why(name)
        except DagbookError as error:
            raise dress(error) from None

    def show(self, form: str | None = None) -> None:
        """Show the graph: live, or as ``text``, ``mermaid``, ``svg``, ``dot``."""
        cards, edges = self._cards(stored=True)
        match form:
            case None if self.in_kernel:
                self.view.refresh()
                self._publish(self._live_bundle())
            case None | "text":
                print(pictures.text(cards, edges))
            case "mermaid":
                print(pictures.mermaid(cards, edges))
            case "dot":
                print(pictures.dot(cards, edges))
            case "svg":
                picture = self.picture()
                self._publish({key: picture[key] for key in ("image/svg+xml", "text/plain")})
            case _:
                raise dress(UsageError(f"the graph can be shown as text, mermaid, svg or dot, not as {form!r}."))

    def set(self, **values: object) -> None:
        """Give graph inputs their values."""
        try:
            self.session.dag.set(**values)
        except DagbookError as error:
            raise dress(error) from None

    def drop(self, *names: str) -> None:
        """Take nodes out of the graph."""
        try:
            for name in names:
                if name not in self.session.dag:
                    raise NodeNotFoundError(name, self.session.dag)
            for name in names:
                self.session.dag.remove(name)
                self.session.shelf.drop(name)
        except DagbookError as error:
            raise dress(error) from None

    def cancel(self) -> None:
        """End the run that is going on; what has finished is kept."""
        self._going().cancel()

    def pause(self) -> None:
        """Start nothing new until :meth:`resume`."""
        self._going().pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self._going().resume()

    def _goes_on(self) -> bool:
        return self._running is not None and self._running.status == "running"

    def _going(self) -> KeptRun:
        if self._running is None or not self._goes_on():
            raise dress(UsageError("no run is going on."))
        return self._running

    # -- pictures

    def picture(self) -> dict[str, Any]:
        """The graph by outcome of this kernel's runs, as a display bundle without anything volatile.

        What the store holds of other nodes is left out, so that a first and a second run of a notebook show the same.
        """
        cards, edges = self._cards(stored=False)
        legend = pictures.summary(cards)
        drawing = svg.render(cards, edges, title=self.session.dag.name, legend=legend)
        text = f"{pictures.line([c.name for c in cards], edges)}\n{legend}"
        return {"text/html": svg.html(drawing, cards), "image/svg+xml": drawing, "text/plain": text}

    def _live_bundle(self) -> dict[str, Any]:
        picture = self.picture()
        return picture | self.view.bundle() if self.in_kernel else {"text/plain": picture["text/plain"]}

    def _cards(self, *, stored: bool) -> tuple[list[pictures.Card], list[tuple[int, int]]]:
        steps = self.session.status()
        topology = self.session.dag.topology()
        cards = [self._card(step, stored) for step in steps.values()]
        return cards, [(p, i) for i, preds in enumerate(topology.preds) for p in preds]

    def _card(self, step: Step, stored: bool) -> pictures.Card:
        mapped = bool(self.session.dag[step.name].options.each)
        story = self.session.story(step.name)
        if step.result is not None and (stored or story is not None):
            record = step.result.record
            return pictures.Card(step.name, "current", meta(record.summary), mapped, len(record.children or ()))
        if story is not None and story.run == self.session.runs[-1].number:
            if story.how in FAILED:
                return pictures.Card(step.name, "failed", str((story.error or {}).get("type") or story.reason), mapped)
            if story.how is Kind.NODE_SKIPPED:
                return pictures.Card(step.name, "skipped", story.reason, mapped)
            if story.record is not None and all(change.what == "unknown" for change in step.changes):
                return pictures.Card(step.name, "current", meta(story.record.summary), mapped)
        return pictures.Card(step.name, "never", "", mapped)

    def _publish(self, bundle: dict[str, Any], update: Any = None) -> Any:
        from IPython.display import display

        if update is not None:
            update.update(bundle, raw=True)
            return update
        if not self.in_kernel:
            print(bundle["text/plain"])
            return None
        return display(bundle, raw=True, display_id=True)

    # -- seams of the session

    def _capture(self, name: str) -> AbstractContextManager[Any]:
        stage = self._stage
        return outputs.collecting(stage.sink(name)) if stage is not None else nullcontext([])

    def title(self, filename: str) -> str:
        """What the user calls a file: ``cell 3``, or the name of a module; "" for code that is not theirs."""
        label = self.shell.compile.format_code_name(filename)
        if label is not None:
            return f"cell {label[1][3:-1]}"
        if filename.startswith("<") or os.path.join("dagbook", "") in filename or of_path(filename) != PROJECT:
            return ""
        return os.path.basename(filename)

    def _locate(self, code: CodeType) -> str:
        return self.title(code.co_filename)

    # -- life

    def close(self) -> None:
        """Take everything out of the shell again."""
        self.session.close()
        self.view.close()
        if self.namespace.get("dag") is self.dag:
            del self.namespace["dag"]


class _Named:
    """``name = value``, shown the way the shell shows the value."""

    def __init__(self, name: str, value: object, shell: Any) -> None:
        self._text = f"{name} = {shell.display_formatter.formatters['text/plain'](value)}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self._text)


# -- IPython's side


def load_ipython_extension(shell: Any) -> None:
    """Called by ``%load_ext dagbook``."""
    global _active
    if _active is not None:
        return
    notebook = Notebook(shell, Path(os.environ.get("DAGBOOK_DIR") or ".dagbook"))
    shell.input_transformers_cleanup.append(transform)
    shell.ast_transformers.append(notebook._registration)
    shell.events.register("pre_run_cell", notebook.before_cell)
    shell.register_magic_function(_line_magic, "line", "dag")
    shell.register_magic_function(_cell_magic, "cell", "dag")
    shell.register_magic_function(_misplaced, "line", "%dag")
    shell.Completer.custom_matchers.append(_complete)
    taken = notebook.namespace.get("dag")
    if taken is None or isinstance(taken, Dag):
        notebook.namespace["dag"] = notebook.dag
    else:
        print("The name `dag` is taken here; `dagbook.current()` gives the graph.")
    _active = notebook


def unload_ipython_extension(shell: Any) -> None:
    """Called by ``%unload_ext dagbook``."""
    global _active
    if _active is None:
        return
    shell.input_transformers_cleanup.remove(transform)
    shell.ast_transformers.remove(_active._registration)
    shell.events.unregister("pre_run_cell", _active.before_cell)
    shell.Completer.custom_matchers.remove(_complete)
    _active.close()
    _active = None


def _line_magic(line: str) -> Any:
    """``%dag COMMAND …``: run, plan, status, why, show, set, cancel, pause, resume, drop. ``%dag help`` tells more."""
    try:
        return magics.command(active(), line)
    except DagbookError as error:
        raise (error if hasattr(error, "_render_traceback_") else dress(error)) from None
    except KeyboardInterrupt:
        raise dress(KeyboardInterrupt("interrupted before anything ran")) from None


def _cell_magic(line: str, cell: str) -> None:
    """``%%dag`` on the first line makes each top-level function of the cell a node; its parameters name its inputs.

    Names that begin with ``_`` are ordinary helpers. ``#| dag`` means the same, and is a comment to every other tool.
    """
    _misplaced(line)


def _misplaced(line: str) -> None:
    """Where ``%%dag`` stands below the first line of a cell, it is taken for a line magic of this name."""
    raise dress(UsageError("`%%dag` must be the first line of its cell. Put what is above it into a cell of its own."))


def _complete(context: Any) -> dict[str, Any]:
    """IPython asks what may stand at the cursor; for a ``%dag`` line nobody else's answer counts."""
    from IPython.core.completer import SimpleCompletion

    line = context.text_until_cursor.rpartition("\n")[2]
    if not line.startswith("%dag "):
        return {"completions": []}
    word = line.rpartition(" ")[2]
    found = magics.complete(active(), line, word)
    return {
        "completions": [SimpleCompletion(text, type="dag") for text in found],
        "matched_fragment": word,
        "suppress": True,
    }


_complete.matcher_api_version = 2  # type: ignore[attr-defined]
_complete.matcher_priority = 1000  # type: ignore[attr-defined]  # before the one that knows Python's names
