"""A real kernel for tests, driven as a notebook front end drives it: cells with ids, outputs by cell."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

import pytest
from jupyter_client.manager import KernelManager


@dataclass
class Reply:
    """What one cell showed."""

    text: str = ""
    displays: list[dict] = field(default_factory=list)
    updates: list[dict] = field(default_factory=list)
    error: dict | None = None

    @property
    def everything(self) -> str:
        """All that a reader sees as plain text, in order of kind."""
        plain = [d["data"].get("text/plain", "") for d in self.displays]
        return "\n".join([self.text, *plain])


class Kernel:
    """A kernel whose working directory is ``folder``; ``restart`` gives a new process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._start()

    def _start(self) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(self.folder), env=os.environ | {"JUPYTER_PLATFORM_DIRS": "1"})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def restart(self) -> None:
        self.close()
        self._start()

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def send(self, source: str, cell_id: str | None = None) -> str:
        """Ask for a cell to be run; ``cell_id`` None is a headless run."""
        content = {
            "code": source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        metadata = {"cellId": cell_id} if cell_id else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def collect(self, message_id: str, timeout: float = 60, on_message: Callable[[dict], None] | None = None) -> Reply:
        """Wait for the end of a cell."""
        reply = Reply()
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=timeout)
            except Empty:
                raise TimeoutError(f"the kernel said nothing for {timeout} s") from None
            if on_message is not None:
                on_message(message)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content, kind = message["content"], message["msg_type"]
            if kind == "stream":
                reply.text += content["text"]
            elif kind in ("display_data", "execute_result"):
                reply.displays.append(content)
            elif kind == "update_display_data":
                reply.updates.append(content)
            elif kind == "error":
                reply.error = content
            elif kind == "status" and content["execution_state"] == "idle":
                return reply

    def run(self, source: str, cell_id: str | None = None, timeout: float = 60) -> Reply:
        return self.collect(self.send(source, cell_id), timeout)

    def must(self, source: str, cell_id: str | None = None) -> Reply:
        """Run a cell that has to succeed."""
        reply = self.run(source, cell_id)
        assert reply.error is None, "\n".join(reply.error["traceback"])
        return reply

    def refused(self, source: str, cell_id: str | None = None) -> str:
        """Run a cell that has to fail, with none of our frames shown. Returns what the user reads, without colours."""
        reply = self.run(source, cell_id)
        assert reply.error is not None, f"this was not refused: {source}"
        seen = plain("\n".join(reply.error["traceback"]))
        assert f"{os.sep}dagbook{os.sep}" not in seen, seen
        assert reply.error["ename"] == "SyntaxError" or reply.error["evalue"] in seen, seen
        return seen

    def value(self, expression: str) -> object:
        """A JSON value computed in the kernel."""
        reply = self.must(f"import json as _json; print(_json.dumps({expression}))")
        return json.loads(reply.text.strip().splitlines()[-1])

    def executed(self) -> list[str]:
        """The nodes that the last run started, in order."""
        found = self.value("__import__('dagbook').notebook.extension.active().session.runs[-1].executed")
        assert isinstance(found, list)
        return found


def plain(text: str) -> str:
    """``text`` without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all tests of a file, with the extension loaded; each test uses names and cells of its own."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGBOOK_KEY_FILE", str(tmp_path_factory.mktemp("key") / "key"))
        patch.delenv("DAGBOOK_DIR", raising=False)
        kernel = Kernel(folder)
        try:
            kernel.must("%load_ext dagbook")
            yield kernel
        finally:
            kernel.close()


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    monkeypatch.setenv("DAGBOOK_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("DAGBOOK_DIR", raising=False)
    folder = tmp_path / "work"
    folder.mkdir()
    kernel = Kernel(folder)
    try:
        yield kernel
    finally:
        kernel.close()
