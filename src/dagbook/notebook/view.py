"""Sends what the view shows to the pages: one thread a run, few messages, and never a wait for a browser."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from dagbook.errors import UsageError
from dagbook.notebook.control import Control
from dagbook.notebook.details import Details
from dagbook.notebook.flusher import Flusher
from dagbook.notebook.picture import QUIET, Message, Packet, Picture
from dagbook.notebook.summaries import meta

if TYPE_CHECKING:
    from dagbook.engine.events import Log
    from dagbook.engine.kept_run import KeptRun
    from dagbook.engine.ports import Listener
    from dagbook.notebook.control import Send
    from dagbook.notebook.widget import DagWidget, LineView
    from dagbook.session import Session

__all__ = ["View", "meta"]

RATE = 30
"""Messages a second to all pages together: the Jupyter server drops what is far above."""

SAVE = 1.0
LINES = 0.25
"""Seconds between two updates of the saved state, and of the lines under cells, while a run goes on."""

TOLD = 300
"""Graphs up to this many nodes have their details sent as nodes settle; for larger ones the page asks."""

AT_ONCE = 20
LAST_WORDS = 0.1
"""Details in one message, and the seconds that the end of a run may take for those that are left."""


class Sink(Protocol):
    """A widget, as the flusher knows it."""

    kind: str

    def tell(self, message: Message, buffers: list[bytes]) -> None:
        """Send one message to the page."""
        ...

    def keep(self, picture: Picture) -> int:
        """Bring the saved state up to date; how many messages that took."""
        ...


class View:
    """Keeps all widgets of a session up to date.

    It hears of every run of the session by itself. Call :meth:`finish` on the caller's thread when a run has ended,
    :meth:`refresh` when the graph has changed. ``run(targets, force)`` is called when a page asks for a run, on the
    thread that its message came on. A failure in here never reaches a run.
    """

    def __init__(self, session: Session, run: Callable[[tuple[str, ...], bool], None] | None = None) -> None:
        self.session = session
        self.control = Control(self, run)
        self.picture = Picture(session)
        self._widgets: list[Sink] = []
        self._lock = threading.RLock()
        self._flusher: Flusher | None = None
        self._sent = 0
        self._saved_at = self._lined_at = 0.0
        self._open = False  # a run has begun, and its last message has not been sent
        self._graph: DagWidget | None = None
        self._lines: list[LineView] = []
        self._whole = True  # the widgets could be made
        session.observers.append(self.begin)

    # -- widgets

    def bundle(self) -> dict[str, Any]:
        """The live graph, to be put into a display bundle; empty when the page's code is missing."""
        with self._complete():
            if self._graph is None:
                from dagbook.notebook.widget import DagWidget

                self.control.listen()
                self._graph = DagWidget(self)
            return _mime(self._graph)
        return {}

    def line(self, names: Sequence[str], change: object = None) -> dict[str, Any]:
        """The live line under the cell that defines ``names``, to be put into a display bundle."""
        self.refresh()
        gone = [w for w in self._lines if set(w.names) & set(names) or not any(n in self.session.dag for n in w.names)]
        for widget in gone:
            self._lines.remove(widget)
            widget.close()
        with self._complete():
            from dagbook.notebook.widget import LineView

            widget = LineView(self, names)
            self._lines.append(widget)
            return _mime(widget)
        return {}

    @contextmanager
    def _complete(self) -> Iterator[None]:
        """Without the page's code there are still pictures: it is said once."""
        try:
            yield
        except UsageError as error:
            if self._whole:
                warnings.warn(str(error), RuntimeWarning, stacklevel=4)
            self._whole = False

    def close(self) -> None:
        """Free all widgets, and hear no more runs."""
        if self.begin in self.session.observers:
            self.session.observers.remove(self.begin)
        with self._lock:
            self._end()
        self.control.close()
        for widget in (*self._lines, *([self._graph] if self._graph is not None else [])):
            widget.close()
        self._lines, self._graph = [], None

    def attach(self, widget: Sink) -> None:
        """Send to this widget too; it starts with the picture as it is now."""
        with self._lock:
            if widget.kind == "graph":
                self._send_changes()
            self._widgets.append(widget)
            widget.keep(self.picture)

    def detach(self, widget: Sink) -> None:
        """Send nothing more to this widget."""
        with self._lock:
            self._widgets = [w for w in self._widgets if w is not widget]

    # -- the session's side

    def refresh(self) -> None:
        """Show the graph as it stands between runs. Does nothing while one goes on."""
        with self._lock, _never_fatal():
            if not self._open:
                self.picture.refresh()
                self._broadcast(self.picture.snapshot())
                self._save(("graph", "line"))

    def begin(self, run: KeptRun) -> Listener:
        """Show a run that is about to start. What it returns takes less than a microsecond an event."""
        emit: Listener = _deaf
        with self._lock, _never_fatal():
            self._end()
            emit = self.picture.begin(run)
            self._open = True
            self._broadcast(self.picture.snapshot())
            self._save(("graph", "line"))
        flusher = self._flusher = Flusher(self._tick)
        ready, wake = flusher.news.is_set, flusher.news.set

        def listener(log: Log, start: int, stop: int) -> None:
            emit(log, start, stop)
            if not ready():
                wake()

        flusher.start()
        return listener

    def finish(self) -> None:
        """Send the last of the run that has ended, here and now. Waits for nobody."""
        with self._lock, _never_fatal():
            self._end()
            run = self.picture.current
            if run is not None and len(run.plan.steps) < len(run.plan.topology):
                self.refresh()

    # -- the page's side

    def answer_snapshot(self, send: Send) -> None:
        """The whole picture, for a page that has just come or has lost a message."""
        with self._lock:
            self._send_changes()
            send(*self.picture.snapshot())

    def answer_detail(self, name: str, send: Send) -> bool:
        """The details of one node; False when there is none of this name."""
        with self._lock:
            i = self.picture.index.get(name)
            if i is None:
                return False
            self._send_changes()
            send({"t": "detail", "detail": Details(self.picture).of(i)}, [])
            return True

    def known(self, names: Sequence[str]) -> tuple[str, ...] | None:
        """The nodes of the graph that a page calls so; None when one of them is not there."""
        with self._lock:
            indexes = [self.picture.index.get(name) for name in names]
            found = [self.picture.names[i] for i in indexes if i is not None and "parent" not in self.picture.nodes[i]]
            return tuple(found) if len(found) == len(names) else None

    # -- sending; with the lock

    def _tick(self) -> float | None:
        """Send what is new. Returns the seconds to wait before the next time, None when the run has ended."""
        with self._lock, _never_fatal():
            self._sent = 0
            self._flush()
            if not self.picture.live:
                self._end()
                return None
            now = time.monotonic()
            due = [("graph", self._saved_at + SAVE), ("line", self._lined_at + LINES)]
            self._save([kind for kind, when in due if when <= now])
            return min(1.0, max(1, self._sent) / RATE)
        return None

    def _flush(self) -> None:
        self._send_changes()
        self._send_details(AT_ONCE)

    def _end(self) -> None:
        """The last messages of a run, once."""
        flusher, self._flusher = self._flusher, None
        if flusher is not None:
            flusher.stop()
        if not self._open:
            return
        self._open = False
        self._send_changes()
        stop = time.monotonic() + LAST_WORDS
        while self.picture.settled and time.monotonic() < stop:
            self._send_details(AT_ONCE)
        if len(self.picture.nodes) > QUIET:
            self._broadcast(self.picture.snapshot())  # with the facts that were not told one by one
        self._save(("graph", "line"))

    def _send_changes(self) -> None:
        packet = self.picture.delta()
        if packet is not None:
            self._broadcast(packet)

    def _send_details(self, count: int) -> None:
        settled = self.picture.settled
        if len(self.picture.nodes) > TOLD or not any(w.kind == "graph" for w in self._widgets):
            settled.clear()
        chosen: dict[int, None] = {}
        while settled and len(chosen) < count:
            chosen[settled.popleft()] = None
        if chosen:
            details = Details(self.picture)
            first, *more = [details.of(i) for i in chosen]
            self._broadcast(({"t": "detail", "detail": first} | ({"more": more} if more else {}), []))

    def _broadcast(self, packet: Packet) -> None:
        for widget in self._widgets:
            if widget.kind == "graph":
                with _never_fatal():
                    widget.tell(*packet)
                    self._sent += 1

    def _save(self, kinds: Sequence[str]) -> None:
        for widget in self._widgets:
            if widget.kind in kinds:
                with _never_fatal():
                    self._sent += widget.keep(self.picture)
        now = time.monotonic()
        if "graph" in kinds:
            self._saved_at = now
        if "line" in kinds:
            self._lined_at = now


@contextmanager
def _never_fatal() -> Iterator[None]:
    """What goes wrong with a picture is said, and the run goes on."""
    try:
        yield
    except Exception as error:  # a listener never changes a run
        warnings.warn(f"the live graph could not be brought up to date: {error!r}", RuntimeWarning, stacklevel=3)


def _mime(widget: DagWidget) -> dict[str, Any]:
    bundle, _ = widget._repr_mimebundle_()
    return {key: value for key, value in bundle.items() if key != "text/plain"}


def _deaf(log: Log, start: int, stop: int) -> None:
    """Hears nothing: the listener of a picture that could not be made."""
