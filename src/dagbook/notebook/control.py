"""What a page may ask for: a closed table. Everything else is ignored, and counted.

Handlers run on whatever thread a message arrives, while a cell may be running on another: they only set flags of the
run, or answer from the view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagbook.notebook.view import View

Send = Callable[[dict[str, Any], list[bytes]], None]
"""Sends a message and its buffers back to the page that asked."""

TARGET = "dagbook.control"
"""The comm target for pages: a second way in, for kernels that hold the widget's own messages back."""

LARGEST = 65_536
"""Characters of text in a message; a larger one is ignored."""

_TABLE: Mapping[str, Mapping[str, type]] = {
    "hello": {},
    "resync": {"seq": int},
    "cancel": {},
    "pause": {},
    "resume": {},
    "select": {"node": str},
    "run": {"targets": list, "force": bool},
}


@dataclass(frozen=True, slots=True)
class Command:
    """A message from a page that has been found good. ``names`` are nodes, as the page knows them."""

    kind: str
    names: tuple[str, ...] = ()
    force: bool = False


def parse(content: object, buffers: Sequence[object] = ()) -> Command | None:
    """The command that a message is; None for anything that is not exactly one of the table."""
    if type(content) is not dict or buffers:
        return None
    kind = content.get("t")
    fields = _TABLE.get(kind) if type(kind) is str else None
    if fields is None or content.keys() != {"t", *fields}:
        return None
    if any(type(content[name]) is not kind_of for name, kind_of in fields.items()):
        return None
    names = (content["node"],) if "node" in fields else tuple(content.get("targets", ()))
    if any(type(name) is not str for name in names) or sum(map(len, names)) + len(names) > LARGEST:
        return None
    return Command(str(kind), names, bool(content.get("force", False)))


class Control:
    """Acts on what pages send. ``on_run(targets, force)`` is called on whatever thread the wish for a run arrives."""

    def __init__(self, view: View, on_run: Callable[[tuple[str, ...], bool], None] | None = None) -> None:
        self.view = view
        self.on_run = on_run
        self.ignored = 0

    def receive(self, content: object, buffers: Sequence[object], send: Send) -> None:
        """Act on one message, or ignore and count it. Never raises."""
        try:
            command = parse(content, buffers)
            if command is None or not self._obey(command, send):
                self.ignored += 1
        except Exception:  # nothing that a page sends may reach the kernel's loop as an error
            self.ignored += 1

    def _obey(self, command: Command, send: Send) -> bool:
        """Do it; False when it makes no sense now."""
        match command.kind:
            case "hello" | "resync":
                self.view.answer_snapshot(send)
            case "select":
                return self.view.answer_detail(command.names[0], send)
            case "run":
                names = self.view.known(command.names)
                if self.on_run is None or names is None:
                    return False
                send({"t": "ack", "of": "run"}, [])
                self.on_run(names, command.force)
            case _:
                run = self.view.picture.current
                if run is not None:
                    {"cancel": run.cancel, "pause": run.pause, "resume": run.resume}[command.kind]()
                send({"t": "ack", "of": command.kind}, [])
        return True

    def listen(self) -> None:
        """Take commands on comms that pages open."""
        import comm

        comm.get_comm_manager().register_target(TARGET, self._opened)

    def close(self) -> None:
        """Take no more of them."""
        import comm

        manager = comm.get_comm_manager()
        if manager.targets.get(TARGET) == self._opened:
            manager.unregister_target(TARGET, self._opened)

    def _opened(self, comm: Any, message: Mapping[str, Any]) -> None:
        route_by_sender(comm)

        def send(content: dict[str, Any], buffers: list[bytes]) -> None:
            comm.send(data=content, buffers=buffers)

        def arrived(received: Mapping[str, Any]) -> None:
            self.receive(received["content"].get("data"), received.get("buffers") or (), send)

        comm.on_msg(arrived)
        if message["content"].get("data"):
            arrived(message)


def route_by_sender(comm: Any) -> None:
    """Have the page's messages handled where the page sends them, also while a cell runs.

    ipykernel 7.4 hands them to the shell that published last on the comm, which is the busy one.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = _sender


def _sender(data: object, default: object) -> object:
    return default
