"""The widgets: thin shells between a view and the page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets as t

from dagbook.errors import UsageError
from dagbook.notebook.control import route_by_sender
from dagbook.notebook.line import line as line_of

if TYPE_CHECKING:
    from dagbook.notebook.picture import Message, Picture
    from dagbook.notebook.view import View

STATIC = Path(__file__).parent / "static"
HOT = bool(os.environ.get("ANYWIDGET_HMR"))
"""With this the page's code is given as a path, and reloads when it changes: each widget then watches the file."""


@cache
def bundle(name: str) -> str:
    """The page's code or style. Raises UsageError when it was never built."""
    try:
        return (STATIC / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"the widget's page code ({name}) is missing in this installation. Install dagbook from a wheel, or build "
            "it in a checkout: `cd js && npm ci && npm run build`."
        ) from None


class DagWidget(anywidget.AnyWidget):  # type: ignore[misc]
    """The live graph. Its traits hold the latest picture, for late views and saved notebooks.

    The page cannot set anything: of its messages only the closed table of :mod:`dagbook.notebook.control` counts.
    """

    kind = t.Unicode("graph").tag(sync=True)
    snapshot = t.Unicode("").tag(sync=True)
    status = t.Bytes(b"").tag(sync=True)
    times = t.Bytes(b"").tag(sync=True)
    line = t.Dict().tag(sync=True)
    _esm = STATIC / "widget.js" if HOT else t.Unicode().tag(sync=True)
    _css = STATIC / "widget.css" if HOT else t.Unicode().tag(sync=True)
    _module = "widget.js"

    def __init__(self, view: View, **traits: Any) -> None:
        self._graph = view
        if not HOT:
            traits |= {"_esm": bundle(self._module), "_css": bundle("widget.css")}
        super().__init__(**traits)
        route_by_sender(self.comm)
        view.attach(self)

    def tell(self, message: Message, buffers: list[bytes]) -> None:
        """Send one message to the page."""
        self.send(message, buffers=buffers)

    def keep(self, picture: Picture) -> int:
        """Bring the saved state up to date; how many messages that took."""
        text, status, times = picture.saved()
        if (text, status, times) == (self.snapshot, self.status, self.times):
            return 0
        with self.hold_sync():
            self.snapshot, self.status, self.times = text, status, times
        return 1

    def _handle_msg(self, msg: Mapping[str, Any]) -> None:
        data = msg.get("content", {}).get("data")
        method = data.get("method") if isinstance(data, dict) else None
        if method == "request_state":
            self.send_state()
        else:
            content = data.get("content") if method == "custom" else None
            self._graph.control.receive(content, msg.get("buffers") or (), self.tell)

    def close(self) -> None:
        """Free everything, in the kernel and in the page."""
        self._graph.detach(self)
        if self.comm is not None:
            self.layout.close()
        super().close()


class LineView(DagWidget):
    """The live line under a ``%%dag`` cell that defines the nodes ``names``."""

    _esm = STATIC / "line.js" if HOT else t.Unicode().tag(sync=True)
    _module = "line.js"

    def __init__(self, view: View, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(view, kind="line")

    def keep(self, picture: Picture) -> int:
        """Bring the line up to date."""
        fresh = line_of(picture, self.names)
        if fresh == self.line:
            return 0
        self.line = fresh
        return 1
