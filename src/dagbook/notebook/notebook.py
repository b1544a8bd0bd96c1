"""A notebook: a session, the cells that define its graph, its live view, and its commands, put together."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from types import CodeType
from typing import Any, NoReturn

from dagbook.engine.events import Kind
from dagbook.engine.interrupts import held
from dagbook.engine.kept_run import KeptRun
from dagbook.engine.options import RunOptions
from dagbook.engine.plan import Asked, Plan
from dagbook.errors import DagbookError, NodeFailed, NodeNotFoundError, UsageError
from dagbook.fingerprint.origin import PROJECT, of_path
from dagbook.graph.dag import Change
from dagbook.launch import number_of_workers
from dagbook.notebook import outputs, pictures
from dagbook.notebook.accessor import Dag
from dagbook.notebook.caller import Caller, Standing
from dagbook.notebook.cells import Cell, Cells, Registration, head
from dagbook.notebook.request import Choice, Request, check_resources, choose
from dagbook.notebook.still import cards_of, still_picture
from dagbook.notebook.texts import plan_text, status_text
from dagbook.notebook.tracebacks import dress, failure
from dagbook.notebook.view import View
from dagbook.observe.trace import Trace
from dagbook.session import Session

VALUES_SHOWN = 5
"""How many targets of a run are shown by value."""


class Notebook:
    """One kernel's notebook. ``shell`` is its IPython shell; ``standing`` is what every run in it is asked for too.

    ``resources`` are the capacities that nodes share.
    """

    def __init__(self, shell: Any, directory: Path, standing: Standing | None = None) -> None:
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
        self.resources: dict[str, float] = {}
        self.caller = Caller(standing, shell.display_pub.publish)
        self._trace: Trace | None = None  # of the last run
        self._registration = Registration(lambda: self._cell, self.cells)

    # -- a cell begins, and registers what it defines

    def before_cell(self, info: Any) -> None:
        """IPython is about to run a cell."""
        source = info.raw_cell or ""
        self._cell = Cell(source, getattr(info, "cell_id", None) or "", "this cell", head(source))
        self.caller.defined += self._cell.rest is not None

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

    def run(self, request: Request) -> None:
        """Do what is asked for, shown live; then show the values of what was named. A dry run is only told of.

        Raises NodeFailed or RunCancelled when something that was not left out is missing at the end.
        """
        if self._goes_on():
            raise dress(UsageError("a run is going on already. `%dag cancel` ends it."))
        try:
            choice, options, plan = self._chosen(request)
            if request.dry_run or self.caller.dry:
                self._tell_plan(choice, options, plan)
                return
            run = self._watched(choice, options)
        except DagbookError as error:
            raise dress(error) from None
        if self._trace is not None:
            self.caller.write(self._trace, bool(run.executed))
        if run.status != "done":
            self._raise(run, choice.targets)
        for name in choice.targets[: min(len(request.targets), VALUES_SHOWN)]:
            self._show_value(run, name)

    def _chosen(self, request: Request) -> tuple[Choice, RunOptions, Plan]:
        """What a request comes to; what is wrong with it is said before anything is shown."""
        topology = self.session.dag.topology()
        choice = self.caller.joined(choose(topology, request), topology)
        options = request.options(self.caller.request, self.resources)
        plan = self.session.plan(*choice.targets, force=choice.force)
        check_resources(plan, choice.left_out, self.resources)
        return choice, options, plan

    def _watched(self, choice: Choice, options: RunOptions) -> KeptRun:
        live = self.in_kernel and self._cell is not None and bool(self._cell.cell_id)
        handle = self._publish(self._live_bundle()) if live else None
        with outputs.routed(self.shell, self.title) as emit:
            try:
                run = self.session.run(
                    *choice.targets,
                    force=choice.force,
                    options=options,
                    asked=Asked(leave_out=choice.left_out),
                    observers=[self._begin(emit, hold=not live)],
                )
            finally:
                with held():  # the run has ended already: there is nothing to stop any more
                    self._close(handle)
        self.caller.settled.update(run.named(Kind.NODE_RAN))
        return run

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
            self._trace = Trace(run.log, run.preds, self.session.dag.name, time.time())
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
                forced = targets if force else ()
                check_resources(self.session.plan(*targets, force=forced), {}, self.resources)
                self.session.run(
                    *targets,
                    force=forced,
                    options=RunOptions(resources=self.resources),
                    observers=[self._begin(emit, hold=True)],
                )
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

    def _show_value(self, run: KeptRun, name: str) -> None:
        if run.stories[name].how is Kind.NODE_SKIPPED:
            print(self.session.why(name))
            return
        value = self.session.value(name)
        if isinstance(value, str) and "\n" in value:
            print(value)
        elif value is None or isinstance(value, bool | int | float | complex | str | list | tuple | dict | set):
            outputs.display_value(_Named(name, value, self.shell))
        else:
            outputs.display_value(value)

    def _tell_plan(self, choice: Choice, options: RunOptions, plan: Plan) -> None:
        """Say what a run would do, and why. In a dry run of the whole notebook each node is told of once."""
        workers, left_out = number_of_workers(options.workers), choice.left_out
        text = plan_text(plan, self._last_kind, left_out, self._usual_seconds, workers, self.caller.told)
        if self.caller.dry:
            self.caller.settled.update(plan.steps[i].name for i in plan.pending)
            self.caller.answer("plan", text)
        else:
            print(text)

    def _usual_seconds(self, name: str) -> float | None:
        """How long a node takes: the median of its past."""
        past = self.session.journal.durations(name)
        return median(past) if past else None

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

    def trace(self, path: str | os.PathLike[str] | None = None) -> None:
        """Print where the time of the last run went; with ``path``, write it there for Perfetto too."""
        if self._trace is None:
            self._absent("no run has begun yet. `%dag run` begins one.")
        print(self._trace.summary())
        if path is not None:
            try:
                self._trace.to_chrome_trace(path)
            except OSError as error:
                raise dress(UsageError(f"the trace could not be written to {path}: {error.strerror}.")) from None
            print(f"written to {path}; https://ui.perfetto.dev opens it")

    def require_made(self, name: str) -> None:
        """Raise UsageError when the shell wants no run, or not of this node, and it has no current value."""
        if not self.caller.selective or name not in self.session.dag:
            return
        if self.session.status()[name].result is not None:
            return
        story = self.session.story(name)
        if self.caller.dry:
            self._absent(f"{name} would have to run first, and in a dry run nothing does.")
        elif story is None and self.caller.request.nodes is not None:
            self._absent(f"{name} has not run, and was not asked for.")
        elif story is not None and story.how is Kind.NODE_SKIPPED and self.session.runs[-1].status == "done":
            self._absent(f"{name} was skipped: {story.reason}.")

    def _absent(self, message: str) -> NoReturn:
        """Refuse what comes of a run only."""
        if self.caller.selective:
            self.caller.answer("absent", message)
        raise dress(UsageError(message))

    def set_resources(self, amounts: Mapping[str, float]) -> None:
        """Say how much there is of what nodes ask for; without any, print what was said."""
        try:
            self.resources = dict(RunOptions(resources={**self.resources, **amounts}).resources)
        except DagbookError as error:
            raise dress(error) from None
        if not amounts:
            print(", ".join(f"{name} {amount:g}" for name, amount in self.resources.items()) or "no resources")

    def show(self, form: str | None = None) -> None:
        """Show the graph: live, or as ``text``, ``mermaid``, ``svg``, ``dot``."""
        cards, edges = cards_of(self.session, stored=True)
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
        return still_picture(self.session)

    def _live_bundle(self) -> dict[str, Any]:
        picture = self.picture()
        return picture | self.view.bundle() if self.in_kernel else {"text/plain": picture["text/plain"]}

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
        self.view.close()
        if self.namespace.get("dag") is self.dag:
            del self.namespace["dag"]


class _Named:
    """``name = value``, shown the way the shell shows the value."""

    def __init__(self, name: str, value: object, shell: Any) -> None:
        self._text = f"{name} = {shell.display_formatter.formatters['text/plain'](value)}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self._text)
