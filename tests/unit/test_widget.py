"""The widgets: what reaches the page, what the page can do, and what is left when they are closed."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comm
import pytest
from comm.base_comm import BaseComm, CommManager
from ipywidgets.widgets import widget as ipywidgets_widget

from dagbook.errors import UsageError
from dagbook.graph.node import Node
from dagbook.notebook import control, widget
from dagbook.notebook.view import View
from dagbook.session import Session


class FakeComm(BaseComm):
    """A comm without a kernel: it keeps what is published."""

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        self.__dict__.setdefault("published", []).append((msg_type, json.loads(json.dumps(data)), list(buffers or ())))

    def arrive(self, data: Any, buffers: Any = ()) -> None:
        """A message from the page."""
        self.handle_msg({"content": {"data": data, "comm_id": self.comm_id}, "buffers": list(buffers)})

    def custom(self, content: Any) -> None:
        self.arrive({"method": "custom", "content": content})

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """The custom messages of one kind that went to the page."""
        contents = [d["content"] for m, d, _ in self.published if m == "comm_msg" and d.get("method") == "custom"]
        return [c for c in contents if c["t"] == kind]


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CommManager]:
    """Comms, and a page's code, without a kernel and without a build."""
    manager = CommManager()
    monkeypatch.setattr(comm, "create_comm", FakeComm)
    monkeypatch.setattr(comm, "get_comm_manager", lambda: manager)
    monkeypatch.setattr(widget, "STATIC", tmp_path)
    for module in ("widget.js", "line.js"):
        (tmp_path / module).write_text("export default {}", encoding="utf-8")
    (tmp_path / "widget.css").write_text(".dag {}", encoding="utf-8")
    widget.bundle.cache_clear()
    yield manager
    ipywidgets_widget.Widget.close_all()
    widget.bundle.cache_clear()


def session_of(*functions: Any) -> Session:
    session = Session(workers=2)
    session.dag.define([Node.of(fn) for fn in functions], "cell")
    return session


def raw() -> list[int]:
    return [3, 1, 2]


def clean(raw: list[int]) -> list[int]:
    return sorted(raw)


def total(clean: list[int]) -> int:
    return sum(clean)


def test_the_traits_hold_the_latest_picture_for_late_views_and_saved_notebooks() -> None:
    session = session_of(raw, clean, total)
    view = View(session)
    view.refresh()
    bundle = view.bundle()
    shown = view._graph
    assert shown is not None
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == shown.model_id
    assert "text/plain" not in bundle
    assert list(shown.status) == [0, 0, 0]
    session.run()
    view.finish()
    saved = json.loads(shown.snapshot)
    assert [n["name"] for n in saved["doc"]["nodes"]] == ["raw", "clean", "total"]
    assert saved["doc"]["run"]["state"] == "done"
    assert list(shown.status) == [3, 3, 3]
    assert len(shown.times) == 36
    assert view.bundle() == bundle  # one model, however often it is shown
    assert shown._esm == "export default {}"


def test_hello_and_resync_are_answered_with_a_snapshot_and_select_with_a_detail() -> None:
    session = session_of(raw, clean, total)
    view = View(session)
    view.refresh()
    view.bundle()
    assert view._graph is not None
    page = view._graph.comm
    page.custom({"t": "hello"})
    page.custom({"t": "resync", "seq": 3})
    assert len(page.sent("snap")) == 2
    assert page.published[-1][2][0] == b"\0\0\0"
    page.custom({"t": "select", "node": "clean"})
    assert page.sent("detail")[-1]["detail"]["node"] == "clean"
    assert view.control.ignored == 0


def test_cancel_pause_and_resume_act_on_any_thread_while_a_cell_runs() -> None:
    started, go = threading.Event(), threading.Event()

    def slow() -> int:
        started.set()
        go.wait(5)
        return 1

    def after(slow: int) -> int:
        return slow

    session = session_of(slow, after)
    view = View(session)
    view.refresh()
    view.bundle()
    assert view._graph is not None
    page = view._graph.comm

    def browse() -> None:
        started.wait(5)
        for word in ("pause", "resume", "cancel"):
            page.custom({"t": word})
        go.set()

    thread = threading.Thread(target=browse)
    thread.start()
    run = session.run()
    thread.join()
    view.finish()
    assert [m["of"] for m in page.sent("ack")] == ["pause", "resume", "cancel"]
    assert run.status == "cancelled"
    assert run.executed == ["slow"]
    assert json.loads(view._graph.snapshot)["doc"]["run"]["state"] == "cancelled"


def test_a_page_may_ask_for_a_run_of_nodes_that_exist() -> None:
    asked: list[Any] = []
    session = session_of(raw, clean)
    view = View(session, run=lambda targets, force: asked.append((targets, force)))
    view.refresh()
    view.bundle()
    assert view._graph is not None
    page = view._graph.comm
    page.custom({"t": "run", "targets": ["clean"], "force": True})
    page.custom({"t": "run", "targets": [], "force": False})
    page.custom({"t": "run", "targets": ["nobody"], "force": False})
    assert asked == [(("clean",), True), ((), False)]
    assert view.control.ignored == 1


def test_the_page_cannot_set_a_trait() -> None:
    view = View(session_of(raw))
    view.refresh()
    view.bundle()
    shown = view._graph
    assert shown is not None
    before = shown.snapshot, shown._esm
    shown.comm.arrive({"method": "update", "state": {"snapshot": "{}", "_esm": "evil"}, "buffer_paths": []})
    assert (shown.snapshot, shown._esm) == before
    assert view.control.ignored == 1
    shown.comm.arrive({"method": "request_state"})
    assert shown.comm.published[-1][1]["method"] == "update"


def test_a_page_that_opens_a_comm_of_its_own_has_the_same_commands(kernel: CommManager) -> None:
    view = View(session_of(raw))
    view.refresh()
    view.bundle()
    opened = FakeComm(target_name=control.TARGET, primary=False)
    message = {"content": {"data": {"t": "cancel"}, "comm_id": opened.comm_id, "target_name": control.TARGET}}
    kernel.targets[control.TARGET](opened, message)
    opened.arrive({"t": "pause"})
    opened.arrive({"t": "explode"})
    acks = [data for kind, data, _ in opened.published if kind == "comm_msg"]
    assert acks == [{"t": "ack", "of": "cancel"}, {"t": "ack", "of": "pause"}]
    assert view.control.ignored == 1


def test_messages_are_routed_by_their_sender_where_the_kernel_would_hold_them_back() -> None:
    base = pytest.importorskip("ipykernel.comm.comm").BaseComm
    held = base(target_name="x", primary=False)
    control.route_by_sender(held)
    if hasattr(base, "_reply_subshell_for"):
        held._reply_subshell_id = None  # what ipykernel notes when a cell on the main shell publishes
        assert held._reply_subshell_for({}, "subshell") == "subshell"
    plain = FakeComm(target_name="y", primary=False)
    control.route_by_sender(plain)
    assert not hasattr(plain, "_reply_subshell_for")


def test_closing_frees_widgets_and_the_view() -> None:
    gone = []
    for _ in range(20):
        session = session_of(raw, clean)
        view = View(session)
        view.refresh()
        view.bundle()
        view.line(["raw", "clean"])
        session.run()
        view.finish()
        view.close()
        gone.append(weakref.ref(view))
    del view, session
    for thread in threading.enumerate():
        if thread.name == "dagbook view":
            thread.join(5)
    gc.collect()
    assert not ipywidgets_widget._instances
    assert [ref for ref in gone if ref() is not None] == []


def test_a_cell_that_is_run_again_replaces_its_line() -> None:
    view = View(session_of(raw, clean))
    first = view.line(["raw", "clean"])
    second = view.line(["clean", "raw"])
    assert first != second
    assert len(view._lines) == 1
    view.close()


def test_the_line_under_a_cell_is_a_chain_then_says_what_changed_and_what_that_means_below() -> None:
    session = Session(workers=1)
    session.dag.define([Node.of(raw), Node.of(clean)], "one")
    session.dag.define([Node.of(total)], "two")
    view = View(session)
    view.line(["raw", "clean"])
    shown = view._lines[0]
    assert shown.line == {
        "nodes": [{"name": "raw", "status": "never"}, {"name": "clean", "status": "never"}],
        "more": "nothing has run yet",
        "error": "",
    }
    session.run()
    view.finish()
    assert shown.line["nodes"] == [{"name": "raw", "status": "ran"}, {"name": "clean", "status": "ran"}]

    def other(raw: list[int]) -> list[int]:
        return sorted([*raw])

    session.dag.define([Node.of(raw), Node.of(other, "clean")], "one")
    view.refresh()
    clean_, below = shown.line["nodes"]
    assert (clean_["name"], clean_["status"]) == ("clean", "stale")
    assert clean_["what"].startswith("code changed")
    assert below == {"name": "1 below", "status": "maybe", "what": "may be stale"}
    session.run()
    view.finish()
    assert shown.line["nodes"][0]["what"].startswith("ran: code changed")
    assert shown.line["nodes"][1] == {"name": "1 below", "status": "cutoff", "what": "cut off"}
    view.close()


def test_without_a_build_the_widget_says_how_to_get_one_and_a_view_goes_on(tmp_path: Path) -> None:
    (tmp_path / "widget.js").unlink()
    widget.bundle.cache_clear()
    session = session_of(raw)
    view = View(session)
    with pytest.raises(UsageError, match="npm run build"):
        widget.DagWidget(view)
    with pytest.warns(RuntimeWarning, match="widget.js"):
        assert view.bundle() == {}
    assert session.run().status == "done"
    view.finish()


def test_a_widget_that_cannot_be_reached_does_not_stop_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(raw)
    view = View(session)
    view.refresh()
    view.bundle()
    assert view._graph is not None

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("the socket is closed")

    monkeypatch.setattr(view._graph, "tell", broken)
    with pytest.warns(RuntimeWarning, match="socket is closed"):
        run = session.run()
    assert run.status == "done"


def test_the_widget_stays_thin() -> None:
    assert widget.__file__ is not None
    assert len(Path(widget.__file__).read_text(encoding="utf-8").splitlines()) < 150
