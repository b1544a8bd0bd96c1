"""What nodes show: collected for each node, shown in the order of the graph, live as far as that order allows.

An output is plain data: ``{"t": "stream", "name": "stdout", "text": …}`` or ``{"t": "display", "data": …,
"metadata": …}``. The same run, with the same nodes reused or executed, on any number of threads, shows the same.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from dagbook.engine.events import TERMINAL, Kind, Log
from dagbook.engine.interrupts import held
from dagbook.engine.kept_run import KeptRun

Output = Mapping[str, Any]
Emit = Callable[[Output], None]

TEXT_LIMIT = 1_000_000
"""Characters that one node may show; what comes after is cut, visibly."""

_CUT = "\n… cut: more than 1,000,000 characters\n"
_RAN = frozenset({Kind.NODE_RAN, Kind.NODE_FAILED, Kind.NODE_TIMED_OUT, Kind.NODE_CANCELLED, Kind.NODE_SKIPPED})

_sink: ContextVar[Sink | None] = ContextVar("dagbook_sink", default=None)


class Sink:
    """Where one node's output goes: into its list, and through, once it is this node's turn."""

    def __init__(self, emit: Emit) -> None:
        self.outputs: list[dict[str, Any]] = []
        self._emit = emit
        self._live = False
        self._size = 0
        self._lock = threading.RLock()

    def write(self, name: str, text: str) -> None:
        """Some text for ``stdout`` or ``stderr``."""
        with self._lock:
            room = TEXT_LIMIT - self._size
            if room <= 0 or not text:
                return
            self._size += len(text)
            if len(text) > room:
                text = text[:room] + _CUT
            last = self.outputs[-1] if self.outputs else {}
            if last.get("t") == "stream" and last["name"] == name:
                last["text"] += text
            else:
                self.outputs.append({"t": "stream", "name": name, "text": text})
            if self._live:
                self._emit({"t": "stream", "name": name, "text": text})

    def display(self, data: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> None:
        """A display bundle."""
        with self._lock:
            output = {"t": "display", "data": dict(data), "metadata": dict(metadata or {})}
            self.outputs.append(output)
            if self._live:
                self._emit(output)

    def go_live(self) -> None:
        """It is this node's turn: show what it has, and then what comes as it comes."""
        with self._lock:
            if not self._live:
                self._live = True
                for output in self.outputs:
                    self._emit(output)


class Stage:
    """The outputs of one run, shown in the order of its nodes."""

    def __init__(self, run: KeptRun, emit: Emit) -> None:
        self._run = run
        self._emit = emit
        self._order = [step.name for step in run.plan.steps.values()]
        self._at = 0
        self._open = False
        self._sinks: dict[str, Sink] = {}
        self._ended: dict[str, Sequence[Output] | None] = {}
        self._lock = threading.RLock()

    def sink(self, name: str) -> Sink:
        """The sink of a node that begins to run."""
        with self._lock:
            sink = self._sinks[name] = Sink(self._emit)
            self._advance()
            return sink

    def hear(self, log: Log, start: int, stop: int) -> None:
        """A listener: nodes that end let the next ones show."""
        with self._lock:
            for seq in range(start, stop):
                kind = log.kind[seq]
                if kind == Kind.NODE_EXPANDED:
                    self._expand(log, seq)
                elif kind in TERMINAL:
                    self._end(log.names[log.node[seq]], Kind(kind))
            self._advance()

    def open(self) -> None:
        """From here on outputs are shown; until then they are held."""
        with self._lock:
            self._open = True
            self._advance()

    def _expand(self, log: Log, seq: int) -> None:
        detail = log.detail[seq]
        parent = log.names[log.node[seq]]
        children = log.names[detail["first"] : detail["first"] + detail["count"]]
        at = self._order.index(parent)
        self._order[at : at + 1] = [*children, parent]
        self._sinks[parent] = Sink(self._emit)  # its children show for it

    def _end(self, name: str, kind: Kind) -> None:
        record = self._run.stories[name].record
        replayed = name not in self._sinks and kind not in _RAN and record is not None
        self._ended[name] = record.shown if replayed and record is not None else None

    def _advance(self) -> None:
        while self._open and self._at < len(self._order):
            name = self._order[self._at]
            if name in self._sinks:
                self._sinks[name].go_live()
            if name not in self._ended:
                return
            for output in self._ended[name] or ():
                self._emit(output)
            self._at += 1


class Router:
    """A stream that sends what a node writes to the node's sink, and everything else where it went before."""

    def __init__(self, name: str, original: TextIO) -> None:
        self._name = name
        self.original = original

    def write(self, text: str) -> int:
        sink = _sink.get()
        if sink is None:
            return self.original.write(text)
        sink.write(self._name, text)
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


@contextmanager
def collecting(sink: Sink) -> Iterator[list[dict[str, Any]]]:
    """Here this context's output belongs to ``sink``. New pyplot figures are shown and closed at its end."""
    before = _open_figures()
    token = _sink.set(sink)
    try:
        yield sink.outputs
        _show_figures(before)
    finally:
        _sink.reset(token)


@contextmanager
def routed(shell: Any, title: Callable[[str], str]) -> Iterator[Emit]:
    """Within the block, what nodes print, display and warn of goes to their sinks. Yields the way to really show it.

    ``title`` says what the user calls a file.
    """
    stdout, stderr = sys.stdout, sys.stderr
    publisher = shell.display_pub
    publish = publisher.publish

    def routed_publish(data: Mapping[str, Any], metadata: Any = None, **rest: Any) -> None:
        sink = _sink.get()
        if sink is None:
            publish(data, metadata, **rest)
        elif not rest.get("update"):
            sink.display(data, metadata)

    last = stdout

    def emit(output: Output) -> None:
        nonlocal last
        token = _sink.set(None)  # the node that is at its turn may be the one that emits
        try:
            if output["t"] == "stream":
                stream = stdout if output["name"] == "stdout" else stderr
                if stream is not last:
                    last.flush()  # each is sent from a buffer of its own
                    last = stream
                stream.write(output["text"])
            else:
                stdout.flush()
                stderr.flush()
                publish(output["data"], output["metadata"])
        finally:
            _sink.reset(token)

    show_warning: Callable[..., None] = warnings.showwarning

    def routed_warning(message: Any, category: Any, filename: str, number: int, *rest: Any, **more: Any) -> None:
        sink = _sink.get()
        if sink is None:
            show_warning(message, category, filename, number, *rest, **more)
        else:
            sink.write("stderr", f"{_where(filename, number, title)}{category.__name__}: {message}\n")

    sys.stdout, sys.stderr = Router("stdout", stdout), Router("stderr", stderr)
    publisher.publish = routed_publish
    warnings.showwarning = routed_warning  # type: ignore[assignment]
    try:
        yield emit
    finally:
        with held():
            warnings.showwarning = show_warning
            del publisher.publish
            sys.stdout, sys.stderr = stdout, stderr
            stdout.flush()
            stderr.flush()


def _where(filename: str, line: int, title: Callable[[str], str]) -> str:
    """Where a warning comes from, if that is the same in each kernel: the file of a cell has another name in each."""
    known = title(filename)
    return "" if known.startswith("cell ") else f"{known or os.path.basename(filename)}:{line}: "


def _open_figures() -> frozenset[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    on_main = threading.current_thread() is threading.main_thread()
    return frozenset(pyplot.get_fignums()) if pyplot is not None and on_main else frozenset()


def _show_figures(before: frozenset[int]) -> None:
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or threading.current_thread() is not threading.main_thread():
        return
    for number in [n for n in pyplot.get_fignums() if n not in before]:
        figure = pyplot.figure(number)
        pyplot.close(figure)
        display_value(figure)


def display_value(value: object) -> None:
    """Show a value as the last expression of a cell would be, figures as pictures."""
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    _draw_figures(get_ipython())
    display(value)


def _draw_figures(shell: Any) -> None:
    """Teach the shell to draw matplotlib figures, as its inline mode does, when nobody has yet."""
    figure = getattr(sys.modules.get("matplotlib.figure"), "Figure", None)
    if figure is None or shell is None:
        return
    formatter = shell.display_formatter.formatters["image/png"]
    if figure not in formatter:
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(shell, {"png"})
