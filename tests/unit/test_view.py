"""The picture that pages get: what they make of the messages is what happened, whatever becomes of the messages."""

from __future__ import annotations

import json
import math
import os
import random
import re
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dagbook.backends.threads import ThreadsBackend
from dagbook.engine.events import NO_NODE, Kind, Log
from dagbook.engine.kept_run import KeptRun
from dagbook.engine.options import RunOptions
from dagbook.engine.plan import make_plan
from dagbook.engine.ports import Summary
from dagbook.graph.node import Node, NodeOptions
from dagbook.notebook import summaries
from dagbook.notebook.picture import STATUS, Picture
from dagbook.notebook.view import View
from dagbook.observe.bus import Bus
from dagbook.session import Session

PROTOCOL = Path(__file__).parents[2] / "js" / "src" / "protocol.ts"


class Page:
    """What a page makes of the messages: a second writing of the contract, to hold the first against."""

    def __init__(self) -> None:
        self.seq = -1
        self.nodes: list[dict[str, Any]] = []
        self.status: list[int] = []
        self.times: list[list[float]] = []
        self.verdict: list[int] = []
        self.run: dict[str, Any] = {}
        self.edges: Any = []
        self.lanes: Any = []
        self.wants_snapshot = False

    def receive(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        if message["t"] == "snap":
            self._snap(message, buffers)
        elif message["t"] == "ev":
            if message["seq"] == self.seq:
                self._events(message, buffers[0])
            elif message["seq"] + message["n"] > self.seq:
                self.wants_snapshot = True

    def _snap(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        doc = json.loads(json.dumps(message["doc"]))
        self.nodes, self.edges, self.run, self.lanes = doc["nodes"], doc["edges"], doc["run"], doc["lanes"]
        self.status = list(buffers[0])
        numbers = struct.unpack(f"<{len(buffers[1]) // 4}f", buffers[1])
        self.times = [list(numbers[k : k + 3]) for k in range(0, len(numbers), 3)]
        self.verdict = [1 if i in message["changed"] else 2 if s == 3 else 0 for i, s in enumerate(self.status)]
        self.seq, self.wants_snapshot = message["seq"], False
        assert len(self.status) == len(self.nodes) == len(self.times)

    def _events(self, message: dict[str, Any], data: bytes) -> None:
        numbers = struct.unpack(f"<{len(data) // 4}I", data)
        assert len(numbers) == 2 * message["n"]
        records = list(message.get("rec", ()))
        for k in range(message["n"]):
            while records and records[0]["at"] <= k:
                self._record(records.pop(0))
            self._event(numbers[2 * k] & 0xFFFFFF, numbers[2 * k] >> 24, numbers[2 * k + 1] * 1e-5)
        for record in records:
            self._record(record)
        self.seq += message["n"]

    def _event(self, i: int, code: int, at: float) -> None:
        if i >= len(self.nodes):
            return
        if STATUS[code] == "running":
            self.times[i][:2] = [at, math.nan]
        elif STATUS[self.status[i]] == "running":
            self.times[i][1] = at
        elif STATUS[code] == "queued":
            self.times[i][:2] = [math.nan, math.nan]
            self.verdict[i] = 0
        self.status[i] = code

    def _record(self, record: dict[str, Any]) -> None:
        match record["k"]:
            case "expand":
                owner = self.nodes[record["parent"]]["name"]
                assert record["first"] == len(self.nodes)
                for label in record["labels"]:
                    child = f"{owner}[{label}]" if label.isdigit() else f'{owner}["{label}"]'
                    self.nodes.append({"name": child, "label": label, "parent": record["parent"]})
                    self.status.append(0)
                    self.times.append([math.nan, math.nan, -1])
                    self.verdict.append(0)
            case "info":
                self.nodes[record["i"]].update(record["info"])
            case "lane":
                self.times[record["i"]][2] = record["lane"]
            case "changed":
                self.verdict[record["i"]] = 1 if record["changed"] else 2
            case "run":
                self.run = record["run"]

    def state(self) -> Any:
        """Everything but times."""
        facts = [{k: v for k, v in n.items() if v and k not in ("cell", "cellId")} for n in self.nodes]
        run = {k: v for k, v in self.run.items() if k != "elapsed"}
        changed = [i for i, v in enumerate(self.verdict) if v == 1 and STATUS[self.status[i]] == "ran"]
        return facts, self.status, changed, run, self.edges, self.lanes

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Page):
            return NotImplemented
        mine, its = self.state(), other.state()
        return mine == its and len(self.times) == len(other.times) and all(map(_close, self.times, other.times))


def _close(a: list[float], b: list[float]) -> bool:
    """Times come as ticks of 10 µs, or as 32-bit floats."""
    return a == pytest.approx(b, abs=3e-5, nan_ok=True)


class Recorder:
    """A widget without a browser: it keeps what it was sent."""

    kind = "graph"

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        self.kept: list[tuple[str, bytes, bytes]] = []

    def tell(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        self.messages.append((json.loads(json.dumps(message, allow_nan=False)), [bytes(b) for b in buffers]))

    def keep(self, picture: Picture) -> int:
        self.kept.append(picture.saved())
        return 1

    def details(self) -> dict[str, Any]:
        """The newest detail of each node."""
        found = {}
        for message, _ in self.messages:
            if message["t"] == "detail":
                found.update({d["node"]: d for d in (message["detail"], *message.get("more", ()))})
        return found


def node(fn: Any, name: str | None = None, **options: Any) -> Node:
    return Node.of(fn, name, NodeOptions.of(**options))


def session_of(*nodes: Node, workers: int = 2) -> Session:
    session = Session(workers=workers)
    session.dag.define(nodes, "cell")
    return session


def watched(session: Session) -> tuple[View, Recorder]:
    view, recorder = View(session), Recorder()
    view.refresh()
    view.attach(recorder)
    view.answer_snapshot(recorder.tell)
    return view, recorder


def three_kinds() -> Session:
    """A graph that runs, maps, fails and skips."""

    def items() -> list[str]:
        return ["p", "q", "r"]

    def half(x: str) -> int:
        if x == "q":
            raise ValueError("no half")
        return len(x)

    def total(half: list[int]) -> int:
        return sum(half)

    def other(items: list[str]) -> float:
        return 0.41234

    return session_of(node(items), node(half, each={"x": "items"}), node(total), node(other))


def replayed(recorder: Recorder) -> Page:
    page = Page()
    for message, buffers in recorder.messages:
        page.receive(message, buffers)
    return page


def fresh(view: View) -> Page:
    """A page that has only just come."""
    page = Page()
    view.answer_snapshot(page.receive)
    return page


def by_name(page: Page) -> dict[str, str]:
    return {n["name"]: STATUS[s] for n, s in zip(page.nodes, page.status, strict=True)}


# -- the contract


def test_the_statuses_are_those_of_the_page_in_the_same_order() -> None:
    text = PROTOCOL.read_text(encoding="utf-8")
    listed = re.search(r"STATUS = \[(.*?)\]", text, re.DOTALL)
    assert listed is not None
    assert tuple(re.findall(r'"(\w+)"', listed[1])) == STATUS


def test_a_detail_has_exactly_the_fields_of_the_contract() -> None:
    declared = re.search(r"interface Detail \{(.*?)\n\}", PROTOCOL.read_text(encoding="utf-8"), re.DOTALL)
    assert declared is not None
    fields = set(re.findall(r"^  (\w+)\??:", declared[1], re.MULTILINE))
    session = three_kinds()
    view, recorder = watched(session)
    session.run()
    view.finish()
    assert set(recorder.details()) == {*by_name(fresh(view))}
    for detail in recorder.details().values():
        assert set(detail) == fields


# -- what a page makes of a run


def test_snapshot_and_changes_give_the_final_state() -> None:
    session = three_kinds()
    view, recorder = watched(session)
    session.run()
    view.finish()
    page = replayed(recorder)
    assert not page.wants_snapshot
    assert page == fresh(view)
    assert by_name(page) == {
        "items": "ran",
        "half": "failed",
        "total": "skipped",
        "other": "ran",
        'half["p"]': "ran",
        'half["q"]': "failed",
        'half["r"]': "ran",
    }
    notes = {n["name"]: n.get("note") for n in page.nodes}
    assert notes['half["q"]'] == "ValueError"
    assert notes["total"] == 'half failed'
    assert page.run["state"] == "failed"
    assert page.run["number"] == 1


def test_a_page_ends_right_whatever_is_lost_doubled_or_swapped() -> None:
    seed = int(os.environ.get("DAGBOOK_SEED") or random.randrange(10**6))
    print(f"DAGBOOK_SEED={seed}")
    chance = random.Random(seed)
    session = three_kinds()
    view, recorder = watched(session)
    for n in range(3):
        session.run(force=["items"] if n else ())
        view.finish()
        view.refresh()
    wanted = fresh(view)
    sent = recorder.messages
    asked = 0
    for _ in range(300):
        page = Page()
        stream = [m for m in sent if chance.random() > 0.2]
        stream += chance.sample(sent, k=min(len(sent), chance.randrange(4)))
        for k in range(len(stream) - 1):
            if chance.random() < 0.2:
                stream[k], stream[k + 1] = stream[k + 1], stream[k]
        stream.append(sent[-1])
        for message, buffers in stream:
            page.receive(message, buffers)
            if page.wants_snapshot and chance.random() < 0.5:
                asked += 1
                view.answer_snapshot(page.receive)
        if page.wants_snapshot or page.seq != view.picture.seq:
            view.answer_snapshot(page.receive)
        assert page == wanted
    assert asked


def test_a_gap_is_seen_even_where_only_records_were_lost() -> None:
    session = three_kinds()
    picture = Picture(session)
    picture.refresh()
    page = Page()
    page.receive(*picture.snapshot())
    picture._say("run", run={"state": "lost"})
    assert picture.delta() is not None
    picture._say("run", run={"state": "seen"})
    packet = picture.delta()
    assert packet is not None
    page.receive(*packet)
    assert page.wants_snapshot


def test_everything_that_may_run_is_queued_from_the_start() -> None:
    session = three_kinds()
    pages: list[Page] = []

    def peek(run: KeptRun) -> Any:
        pages.append(fresh(view))
        return lambda log, start, stop: None

    view, _ = watched(session)
    session.observers.append(peek)
    session.run()
    assert set(by_name(pages[0]).values()) == {"queued"}
    assert pages[0].run["state"] == "running"
    view.finish()


def test_a_second_run_shows_what_stands_and_what_was_cut_off() -> None:
    def source() -> int:
        return 7

    def parity(source: int) -> int:
        return source % 2

    def last(parity: int) -> int:
        return parity + 1

    session = session_of(node(source), node(parity), node(last))
    view, recorder = watched(session)
    session.run()
    view.finish()
    session.run()
    view.finish()
    assert set(by_name(replayed(recorder)).values()) == {"reused"}
    session.run(force=["source"])
    view.finish()
    page = replayed(recorder)
    assert by_name(page) == {"source": "ran", "parity": "cutoff", "last": "cutoff"}
    assert page.verdict[page.nodes.index(next(n for n in page.nodes if n["name"] == "source"))] == 2
    detail = recorder.details()["last"]
    assert [(s["node"], s["status"], s["word"]) for s in detail["steps"]] == [
        ("source", "ran", "same value"),
        ("last", "cutoff", "did not run"),
    ]
    assert "source ran again" in detail["why"]


def test_the_children_of_a_reused_mapped_node_come_from_its_record() -> None:
    def items() -> list[int]:
        return [4, 5]

    def twice(x: int) -> int:
        return 2 * x

    session = session_of(node(items), node(twice, each={"x": "items"}))
    session.run()
    view, recorder = watched(session)
    wanted = {"items": "reused", "twice": "reused", "twice[0]": "reused", "twice[1]": "reused"}
    assert by_name(fresh(view)) == wanted
    session.run()
    view.finish()
    assert by_name(replayed(recorder)) == wanted
    session.run(force=["items"])  # twice is queued without children, then cut off with them
    view.finish()
    page = replayed(recorder)
    assert by_name(page) == wanted | {"items": "ran", "twice": "cutoff"}
    assert page == fresh(view)


def test_between_runs_the_picture_is_the_plan() -> None:
    def source() -> int:
        return 1

    def after(source: int) -> int:
        return source

    session = session_of(node(source), node(after))
    view, recorder = watched(session)
    assert by_name(replayed(recorder)) == {"source": "never", "after": "never"}
    session.run()
    view.finish()

    def edited() -> int:
        return 1 + 1

    session.dag.define([node(edited, "source"), session.dag["after"]], "cell")
    view.refresh()
    page = replayed(recorder)
    assert by_name(page) == {"source": "stale", "after": "maybe"}
    assert page.nodes[0]["note"].startswith("code")
    session.dag.define([node(source, "source"), session.dag["after"]], "cell")
    view.refresh()
    assert set(by_name(replayed(recorder)).values()) == {"reused"}


def test_a_failed_node_stays_failed_until_it_is_written_anew() -> None:
    session = three_kinds()
    view, recorder = watched(session)
    session.run()
    view.finish()
    view.refresh()
    assert by_name(replayed(recorder))["half"] == "failed"
    nodes = [session.dag[name] for name in session.dag]
    session.dag.define([*nodes[:1], node(lambda x: x, "half", each={"x": "items"}), *nodes[2:]], "cell")
    view.refresh()
    assert by_name(replayed(recorder))["half"] == "never"


def test_nodes_outside_a_run_are_shown_as_they_stand_after_it() -> None:
    def source() -> int:
        return 1

    def after(source: int) -> int:
        return source

    session = session_of(node(source), node(after))
    view, recorder = watched(session)
    session.run("source")
    view.finish()
    assert by_name(replayed(recorder)) == {"source": "ran", "after": "never"}
    assert replayed(recorder).run["targets"] == ["source"]


def test_pause_is_pausing_while_something_runs_then_paused() -> None:
    started, go = threading.Event(), threading.Event()

    def slow() -> int:
        started.set()
        go.wait(5)
        return 1

    def after(slow: int) -> int:
        return slow

    session = session_of(node(slow), node(after))
    view, recorder = watched(session)
    run = session.start()
    started.wait(5)
    run.pause()
    _until(lambda: fresh(view).run["state"] == "pausing")
    go.set()
    _until(lambda: fresh(view).run["state"] == "paused")
    assert by_name(fresh(view)) == {"slow": "ran", "after": "queued"}
    run.resume()
    run.wait()
    view.finish()
    states = [r["run"]["state"] for m, _ in recorder.messages for r in m.get("rec", ()) if r["k"] == "run"]
    assert states == ["pausing", "paused", "running", "done"]


def test_the_last_state_is_sent_also_when_nobody_calls_finish() -> None:
    session = three_kinds()
    _, recorder = watched(session)
    session.start().wait()
    _until(lambda: replayed(recorder).run["state"] == "failed" and bool(recorder.kept))
    assert json.loads(recorder.kept[-1][0])["doc"]["run"]["number"] == 1


def _until(true: Any) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to be within 5 s")


# -- many events


def burst(count: int) -> tuple[View, Recorder, Any]:
    """A run of ``count`` nodes, begun but not driven: its events are given by the test."""

    def origin() -> int:
        return 0

    def each(origin: int) -> int:
        return origin

    session = session_of(node(origin), *(node(each, f"n{i}") for i in range(count - 1)))
    view, recorder = watched(session)
    decider = session._decider()
    plan = make_plan(decider, range(count))
    run = session._make(plan, decider, RunOptions(workers=2), ThreadsBackend(2), Bus(), (), None)
    return view, recorder, run


def test_ten_thousand_events_take_few_messages_and_a_listener_is_quick() -> None:
    view, recorder, run = burst(5_000)
    listener = view.begin(run)
    log: Log = run.log
    at = len(recorder.messages)
    spent = 0.0
    listener(log, 0, len(log))
    for i in range(5_000):
        for kind in (Kind.NODE_STARTED, Kind.NODE_RAN):
            seq = log.add(kind, i, i * 1e-4)
            began = time.perf_counter()
            listener(log, seq, seq + 1)
            spent += time.perf_counter() - began
    log.add(Kind.RUN_FINISHED, NO_NODE, 0.6, {"status": "done"})
    listener(log, len(log) - 1, len(log))
    view.finish()
    sent = recorder.messages[at:]
    assert len(sent) < 100
    page = replayed(recorder)
    assert page == fresh(view)
    assert set(by_name(page).values()) == {"ran"}
    assert spent / 10_000 < 20e-6  # a bound with room for a busy machine; about 1 µs on a quiet one


def test_messages_keep_to_thirty_a_second() -> None:
    view, recorder, run = burst(50)
    listener = view.begin(run)
    log: Log = run.log
    at = len(recorder.messages)
    began = time.monotonic()
    for i in range(40):
        seq = log.add(Kind.NODE_STARTED, i, 0.0)
        listener(log, seq, seq + 1)
        time.sleep(0.01)
    spent = time.monotonic() - began
    assert len(recorder.messages) - at <= 30 * spent + 3
    view.finish()


def test_the_saved_state_of_a_thousand_nodes_is_small_and_whole() -> None:
    view, recorder, run = burst(1_000)
    view.begin(run)
    text, status, times = recorder.kept[-1]
    assert len(json.dumps(text)) + (len(status) + len(times)) * 4 / 3 <= 64_000
    doc = json.loads(text)["doc"]
    assert len(doc["nodes"]) == len(status) == 1_000
    assert len(doc["edges"]) == 999
    view.finish()


def test_a_run_of_twelve_hours_and_more_still_encodes() -> None:
    view, recorder, run = burst(3)
    listener = view.begin(run)
    seq = run.log.add(Kind.NODE_STARTED, 0, 10**9)
    listener(run.log, seq, seq + 1)
    view.finish()
    assert by_name(replayed(recorder))["origin"] == "running"


# -- details


def test_details_tell_why_with_the_changed_part_first_and_the_changed_lines(tmp_path: Path) -> None:
    module = tmp_path / "steps.py"

    def load(body: str) -> Any:
        module.write_text(f"def clean(flights):\n    rows = list(flights)\n{body}    return rows\n", encoding="utf-8")
        import importlib.util

        spec = importlib.util.spec_from_file_location("steps", module)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return loaded.clean

    def flights() -> list[int]:
        return [3, 1]

    def joined(clean: list[int]) -> int:
        return len(clean)

    session = session_of(node(flights), node(load("")), node(joined))
    view, recorder = watched(session)
    session.run()
    view.finish()
    assert recorder.details()["clean"]["why"] == "It ran for the first time."
    session.dag.define([node(flights), node(load("    rows.append(2)\n")), node(joined)], "cell")
    view.refresh()
    view.answer_detail("clean", recorder.tell)
    assert recorder.details()["clean"]["head"] == "Why it is stale"
    session.run()
    view.finish()
    view.answer_detail("clean", recorder.tell)
    detail = recorder.details()["clean"]
    assert detail["status"] == "ran"
    assert detail["head"] == "Why it ran"
    assert re.fullmatch(r"Its code changed.*\. Its value changed too, so joined ran\.", detail["why"])
    first, *rest = detail["parts"]
    assert (first["name"], first["word"]) == ("code", "changed")
    assert re.fullmatch("[0-9a-f]{4}", first["old"])
    assert first["old"] != first["now"]
    assert not any(part["changed"] for part in rest)
    assert [line["text"].strip() for line in detail["code"] if line["sign"] == "+"] == ["rows.append(2)"]
    assert detail["codeHead"] == "Code, against run 1"
    assert [(row["name"], row["word"]) for row in detail["values"]] == [("flights", "same"), ("clean", "changed")]
    assert detail["usedBy"] == ["joined"]
    assert len(detail["history"]) == 2


def test_the_details_of_a_failure_show_the_users_lines_and_what_was_skipped() -> None:
    session = three_kinds()
    session._is_ours = lambda filename: "cell 7" if filename == __file__ else ""
    view, recorder = watched(session)
    session.run()
    view.finish()
    view.answer_detail('half["q"]', recorder.tell)
    detail = recorder.details()['half["q"]']
    assert detail["error"] == "ValueError: no half"
    assert [line["text"].strip() for f in detail["frames"] for line in f["lines"] if line["sign"] == "x"] == [
        'raise ValueError("no half")'
    ]
    assert detail["skipped"] == [{"node": "total", "why": "its input half failed"}]
    assert detail["head"] == "What happened"
    assert "The 2 nodes that do not need it finished." in detail["why"]


# -- words


@pytest.mark.parametrize(
    ("summary", "short", "long"),
    [
        (Summary("DataFrame", (327_346, 20), 52_400_000), "327k × 20", "327,346 × 20"),
        (Summary("list", (3,)), "list of 3", "3"),
        (Summary("Series", (51_108,)), "Series of 51k", "51,108"),
        (Summary("float", (), 0, "0.41234"), "0.412", "0.412"),
        (Summary("bool", (), 0, "True"), "True", "True"),
        (Summary("int", (), 0, "12"), "12", "12"),
        (Summary("str", (6,), 6, "'secret'"), "str of 6", "6"),
        (Summary("float", (), 0, "secret"), "float", ""),
        (Summary("Figure"), "figure", ""),
        (Summary("HistGradientBoostingRegressor"), "estimator", ""),
    ],
)
def test_a_value_is_told_by_its_shape_and_only_numbers_by_themselves(summary: Summary, short: str, long: str) -> None:
    assert summaries.meta(summary) == short
    assert summaries.shape(summary) == long


def test_sizes_and_counts_are_as_short_as_a_card_needs() -> None:
    sizes = [summaries.size(n) for n in (0, 10, 51_200, 51_200_000, 999_600)]
    assert sizes == ["", "10 B", "51.2 kB", "51.2 MB", "1.0 MB"]
    assert [summaries.short(n) for n in (7, 999, 1_234, 99_940, 999_600)] == ["7", "999", "1,234", "100k", "1.00M"]


def test_a_name_that_no_encoder_takes_is_made_safe() -> None:
    def items() -> list[str]:
        return ["a\ud800", "‮b"]

    def same(x: str) -> int:
        return 1

    session = session_of(node(items), node(same, each={"x": "items"}))
    view, recorder = watched(session)
    session.run()
    view.finish()
    names = [n["name"] for n in replayed(recorder).nodes]
    assert 'same["a?"]' in names
    json.dumps(names, ensure_ascii=False).encode("utf-8")
    assert view.answer_detail('same["a?"]', recorder.tell)
    assert summaries.safe("plain") == "plain"
