"""The trace of a run: its summary is right, its picture obeys the Trace Event Format, and it tells no value."""

from __future__ import annotations

import json
import os
import random
import threading
from itertools import pairwise

import pytest

from dagbook.engine.events import NO_NODE, Kind, Log
from dagbook.engine.options import RunOptions
from dagbook.graph.compose import Growth, NewNode
from dagbook.graph.dag import DAG
from dagbook.graph.node import Node, NodeOptions
from dagbook.launch import plain_run
from dagbook.observe.trace import SCHEMA, Trace
from dagbook.session import Session

HOSTILE = (
    "\x00nul",
    "a\nb\tc\x1b[31m",
    'quote " and \\ and </script>',
    "x" * 300,
    "\u202eright to left",
    "größe 価格 🎉",
    "\ud800alone",
    "",
)


class Story:
    """A log that is written step by step: ``run("a", 0, 1)`` is a node that started at 0 s and ended at 1 s."""

    def __init__(self, **needs):
        self.names = list(needs)
        self.needs = [tuple(self.names.index(n) for n in names) for names in needs.values()]
        self.log = Log(self.names)
        self.log.add(Kind.RUN_STARTED, NO_NODE, 0.0)

    def add(self, kind, name, time, **detail):
        node = self.log.names.index(name) if name is not None else NO_NODE
        self.log.add(Kind[kind], node, time, detail or None)

    def start(self, name, time, lane=0):
        self.add("NODE_STARTED", name, time, **({"lane": lane} if lane else {}))

    def run(self, name, start, end, lane=0):
        self.start(name, start, lane)
        self.add("NODE_RAN", name, end, changed=True)

    def finish(self, time, status="done"):
        self.add("RUN_FINISHED", None, time, status=status)
        return self.trace

    @property
    def trace(self):
        return Trace(self.log, self.preds, "etl")

    def preds(self, i):
        return self.needs[i] if i < len(self.needs) else ()


def events(trace, phase=None, **fields):
    """The events of a phase from a trace that obeys the format."""
    found = check(trace.to_chrome_trace())
    return [e for e in found if phase in (None, e["ph"]) and all(e.get(k) == v for k, v in fields.items())]


def names(found):
    return [e["name"] for e in found]


def check(document):
    """The events of a document, which is plain JSON and obeys the Trace Event Format in all that we use of it."""
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    found = document["traceEvents"]
    for event in found:
        assert event["ph"] in "MXisf", event
        assert {type(event[key]) for key in ("ts", "pid", "tid")} == {int}, event
        assert min(event["ts"], event["pid"] - 1, event["tid"] - 1) >= 0, event
        assert {type(event[key]) for key in ("name", "cat")} == {str}, event
        assert list(event)[:2] == ["ph", "ts"], "a reader finds the time before any text"
    rows = check_slices([e for e in found if e["ph"] == "X"])
    check_moments([e for e in found if e["ph"] == "i"])
    check_flows([e for e in found if e["ph"] in "sf"], rows)
    check_names(found)
    return found


def check_slices(slices):
    rows = {}
    for event in slices:
        assert type(event["dur"]) is int, event
        assert event["dur"] >= 0, event
        assert isinstance(event["args"], dict), event
        rows.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    for row in rows.values():
        assert all(end <= start for (_, end), (start, _) in pairwise(sorted(row))), "slices of a row overlap"
    return rows


def check_moments(moments):
    for event in moments:
        assert event["s"] in "gpt", event
        assert "dur" not in event, event


def check_flows(flows, rows):
    begun = {e["id"]: e for e in flows if e["ph"] == "s"}
    ended = {e["id"]: e for e in flows if e["ph"] == "f"}
    assert len(begun) + len(ended) == len(flows), "an arrow has two beginnings, or two ends"
    assert begun.keys() == ended.keys()
    for number, start in begun.items():
        end = ended[number]
        assert (start["cat"], start["name"]) == (end["cat"], end["name"]), "readers match arrows by these too"
        assert start["ts"] <= end["ts"], "an arrow goes back in time"
        assert end["bp"] == "e", "else it would bind to the next slice"
        for event in (start, end):
            slices = rows[event["pid"], event["tid"]]
            assert any(a <= event["ts"] < b or a == b == event["ts"] for a, b in slices), event


def check_names(found):
    named = {(e["pid"], e["tid"]) for e in found if e["ph"] == "M" and e["name"] == "thread_name"}
    used = {(e["pid"], e["tid"]) for e in found if e["ph"] != "M"}
    assert used <= named, "a row has no name"
    assert [e["args"]["name"] for e in found if e["name"] == "process_name"], "the process has no name"


# ---- what it cost, and why


def diamond():
    story = Story(load=[], clean=["load"], count=["load"], report=["clean", "count"])
    story.run("load", 0.0, 1.0)
    story.start("clean", 1.0, lane=1)
    story.start("count", 1.0, lane=2)
    story.add("NODE_RAN", "count", 1.5)
    story.add("NODE_RAN", "clean", 3.0)
    story.run("report", 3.0, 3.5)
    return story


def test_the_critical_path_goes_back_through_the_input_that_ended_last():
    trace = diamond().finish(4.0)
    assert trace.critical_path == [("load", 1.0), ("clean", 2.0), ("report", 0.5)]


def test_work_wall_share_and_parallelism_are_sums_of_what_happened():
    trace = diamond().finish(4.0)
    assert (trace.work, trace.wall, trace.share, trace.parallelism) == (4.0, 4.0, 3.5 / 4.0, 1.0)


def test_the_summary_tells_all_of_it_in_a_few_aligned_lines():
    assert diamond().finish(4.0).summary().splitlines() == [
        "etl: done, 4.00 s",
        "  nodes          4: 4 ran",
        "  lanes          3, 33 % busy: caller 38 %, worker 1 50 %, worker 2 12 %",
        "  work           4.00 s, 1.00 nodes at once",
        "  critical path  3.50 s, 88 % of the time: load 1.00 s → clean 2.00 s → report 500 ms",
        "  waiting on it  0 ms for a free lane",
        "  slowest        clean 2.00 s, load 1.00 s, count 500 ms, report 500 ms",
    ]


def test_each_way_to_end_is_counted():
    kinds = ("REUSED", "CUT_OFF", "FAILED", "TIMED_OUT", "SKIPPED", "CANCELLED")
    story = Story(ran=[], running=[], **{kind: [] for kind in kinds})
    story.run("ran", 0.0, 1.0)
    for kind in kinds:
        story.add(f"NODE_{kind}", kind, 1.0, reason="so")
    story.start("running", 1.0)
    expected = ["ran", "reused", "cut off", "failed", "timed out", "skipped", "cancelled", "running"]
    assert story.trace.counts == dict.fromkeys(expected, 1)
    assert "8: 1 ran, 1 reused, 1 cut off, 1 failed, 1 timed out, 1 skipped, 1 cancelled" in story.trace.summary()


def test_waiting_is_the_time_that_nodes_of_the_path_were_ready_and_did_not_run():
    story = Story(a=[], other=[], b=["a"])
    story.run("a", 0.0, 1.0)
    story.run("other", 1.0, 3.0)
    story.run("b", 3.0, 4.0)
    assert story.finish(4.0).waiting == 2.0


def test_finding_out_whether_a_node_must_run_is_no_waiting():
    story = Story(a=[], b=["a"])
    story.run("a", 0.0, 1.0)
    story.add("NODE_QUEUED", "b", 1.75)
    story.run("b", 2.0, 3.0)
    assert story.finish(3.0).waiting == 0.25


def test_waiting_for_the_next_attempt_is_not_waiting_for_the_first():
    story = Story(a=[], b=["a"])
    story.run("a", 0.0, 1.0)
    story.start("b", 1.5)
    story.add("NODE_RETRIED", "b", 2.0, attempt=1)
    story.add("NODE_QUEUED", "b", 2.0)
    story.run("b", 4.0, 5.0)
    assert story.finish(5.0).waiting == 0.5


def test_a_node_that_the_log_learns_of_late_stands_where_it_was():
    story = Story(slow=[], one=[], two=["one"], end=["two", "slow"])
    story.start("one", 0.0, lane=1)
    story.run("slow", 0.0, 3.0, lane=2)
    story.add("NODE_RAN", "one", 1.0)  # one and two ran in a row, and were reported together
    story.run("two", 1.0, 2.0, lane=1)
    story.run("end", 3.0, 4.0)
    trace = story.finish(4.0)
    assert trace.critical_path == [("slow", 3.0), ("end", 1.0)]
    assert [(e["ts"], e["dur"]) for e in events(trace, "X", name="two")] == [(1_000_000, 1_000_000)]


def test_a_pause_is_no_waiting_and_is_told_of():
    story = Story(a=[], b=["a"])
    story.run("a", 0.0, 1.0)
    story.add("RUN_PAUSED", None, 0.5)
    story.add("RUN_RESUMED", None, 2.5)
    story.run("b", 3.0, 4.0)
    trace = story.finish(4.0)
    assert trace.waiting == 0.5
    assert trace.summary().startswith("etl: done, 4.00 s, paused for 2.00 s\n")


def test_a_cutoff_is_on_the_path_and_costs_nothing():
    story = Story(old=[], a=["old"], same=["a"], b=["same"])
    story.add("NODE_REUSED", "old", 0.0)
    story.run("a", 0.0, 2.0)
    story.add("NODE_CUT_OFF", "same", 2.0)
    story.run("b", 2.0, 3.0)
    assert story.finish(3.0).critical_path == [("a", 2.0), ("same", 0.0), ("b", 1.0)]


def test_the_path_goes_through_the_child_that_ended_last():
    story = Story(load=[], each=["load"], report=["each"])
    story.run("load", 0.0, 1.0)
    grown(story)
    story.run("report", 5.0, 6.0)
    assert story.finish(6.0).critical_path == [("load", 1.0), ("each", 0.5), ("each[b]", 3.5), ("report", 1.0)]


def grown(story):
    """``each`` makes two children at 1.5 s, the second of which ends at 5 s."""
    story.start("each", 1.0)
    story.log.grow(["each[a]", "each[b]"])
    first = story.log.names.index("each[a]")
    story.add("NODE_EXPANDED", "each", 1.5, first=first, count=2, labels=["a", "b"])
    story.start("each[a]", 1.5, lane=1)
    story.start("each[b]", 1.5, lane=2)
    story.add("NODE_RAN", "each[a]", 2.0)
    story.add("NODE_RAN", "each[b]", 5.0)
    story.add("NODE_RAN", "each", 5.0, changed=True)


def test_a_long_path_is_told_without_its_middle():
    chain = [f"n{i}" for i in range(30)]
    story = Story(**{name: chain[i - 1 : i] if i else [] for i, name in enumerate(chain)})
    for i, name in enumerate(chain):
        story.run(name, i, i + 1)
    trace = story.finish(30.0)
    assert len(trace.critical_path) == 30
    assert "n3 1.00 s → (22 more, 22.00 s) → n26 1.00 s" in trace.summary()


def test_a_run_without_a_node_has_a_trace():
    trace = Story().finish(0.0)
    assert (trace.wall, trace.work, trace.share, trace.parallelism, trace.critical_path) == (0, 0, 0, 0, [])
    assert "nothing ran" in trace.summary()
    assert not events(trace, "X")


def test_a_log_without_an_event_has_a_trace():
    trace = Trace(Log([]), lambda i: ())
    assert trace.summary().startswith("dag: running, 0 ms")
    check(trace.to_chrome_trace())


def test_the_trace_of_a_run_that_goes_on_says_how_things_stand_now():
    story = Story(a=[], b=["a"])
    trace = story.trace
    story.start("a", 0.0)
    story.add("NODE_QUEUED", "b", 2.0)
    assert trace.counts == {"running": 1}
    assert trace.critical_path == [("a", 2.0)]
    assert events(trace, "X")[0]["args"] == {"status": "running", "attempt": 1}
    story.add("NODE_RAN", "a", 3.0)
    assert trace.counts == {"ran": 1}


def test_nothing_is_computed_before_it_is_read():
    def preds(i):
        raise AssertionError("too early")

    repr(Trace(diamond().log, preds))


# ---- the picture


def test_lanes_are_rows_with_names():
    found = events(diamond().finish(4.0))
    rows = {e["tid"]: e["args"]["name"] for e in found if e["name"] == "thread_name"}
    assert list(rows.values()) == ["run", "caller", "worker 1", "worker 2"]
    assert {e["name"]: rows[e["tid"]] for e in found if e["ph"] == "X"} == {
        "load": "caller",
        "clean": "worker 1",
        "count": "worker 2",
        "report": "caller",
    }


def test_an_edge_between_nodes_that_ran_is_an_arrow():
    found = events(diamond().finish(4.0))
    ends = {e["id"]: enclosing(found, e) for e in found if e["ph"] == "f"}
    arrows = {(enclosing(found, e), ends[e["id"]]) for e in found if e["ph"] == "s"}
    assert arrows == {("load", "clean"), ("load", "count"), ("clean", "report"), ("count", "report")}


def enclosing(found, event):
    """The name of the slice that an event lies in."""
    row = [e for e in found if e["ph"] == "X" and e["tid"] == event["tid"]]
    (name,) = (e["name"] for e in row if e["ts"] <= event["ts"] < e["ts"] + e["dur"])
    return name


def test_slices_of_no_length_keep_their_arrows():
    story = Story(a=[], b=["a"], c=["b"])
    for name in "abc":
        story.run(name, 1.0, 1.0)
    assert len(events(story.finish(1.0), "s")) == 2


def test_an_input_that_was_reused_has_no_arrow():
    story = Story(a=[], b=["a"])
    story.add("NODE_REUSED", "a", 0.0)
    story.run("b", 0.0, 1.0)
    assert not events(story.finish(1.0), "s")


@pytest.mark.parametrize("kind", ["reused", "cut off", "skipped", "cancelled"])
def test_what_took_no_time_is_an_instant_with_its_reason(kind):
    story = Story(a=[])
    story.add(f"NODE_{kind.replace(' ', '_').upper()}", "a", 1.0, reason="b failed")
    (moment,) = events(story.finish(1.0), "i")
    assert (moment["name"], moment["ts"]) == (f"a: {kind}", 1_000_000)
    assert moment["args"] == {"status": kind, "reason": "b failed"}


def test_pause_resume_and_cancelling_are_instants_of_the_run():
    story = Story(a=[])
    for kind in ("RUN_PAUSED", "RUN_RESUMED", "RUN_CANCELLING"):
        story.add(kind, None, 1.0)
    assert names(events(story.finish(1.0, "cancelled"), "i", s="p")) == ["paused", "resumed", "cancelling"]


def test_each_attempt_is_a_slice_of_its_own():
    story = Story(a=[], b=["a"])
    story.start("a", 0.0, lane=1)
    story.add("NODE_RETRIED", "a", 1.0, attempt=1, error={"type": "OSError", "message": "no network"})
    story.run("a", 3.0, 4.0, lane=2)
    story.run("b", 4.0, 5.0)
    trace = story.finish(5.0)
    first, second = events(trace, "X", name="a")
    assert first["args"] == {"status": "retried", "attempt": 1, "error": "OSError", "message": "no network"}
    assert second["args"] == {"status": "ran", "attempt": 2, "changed": True}
    assert events(trace, "s")[0]["tid"] == second["tid"]
    assert trace.work == 3.0


def test_a_failure_tells_its_type_and_message_and_nothing_of_the_frames():
    story = Story(a=[])
    story.start("a", 0.0)
    error = {"type": "ValueError", "message": "bad", "frames": [{"file": "/home/me/secret.py"}]}
    story.add("NODE_FAILED", "a", 1.0, error=error)
    trace = story.finish(1.0, "failed")
    (piece,) = events(trace, "X")
    assert piece["args"] == {"status": "failed", "attempt": 1, "error": "ValueError", "message": "bad"}
    assert "secret.py" not in json.dumps(trace.to_json())


def test_an_expansion_is_noted_and_its_children_hang_on_it():
    story = Story(load=[], each=["load"])
    story.run("load", 0.0, 1.0)
    grown(story)
    trace = story.finish(5.0)
    (parent,) = events(trace, "X", name="each")
    assert (parent["dur"], parent["args"]) == (500_000, {"status": "ran", "attempt": 1, "children": 2})
    assert "each: expanded" in names(events(trace, "i"))
    assert len(events(trace, "s", tid=parent["tid"])) == 3  # load to each, each to both children


def test_attempts_of_one_lane_that_overlap_get_rows_of_their_own():
    story = Story(a=[], b=[], c=[])
    for name in "abc":
        story.start(name, 0.0)
    for name in "abc":
        story.add("NODE_RAN", name, 1.0)
    found = events(story.finish(1.0))
    rows = [e["args"]["name"] for e in found if e["name"] == "thread_name"]
    assert rows == ["run", "caller", "caller (2)", "caller (3)"]


def test_a_clock_that_jumps_back_makes_nothing_negative():
    story = Story(a=[], b=["a"], c=["b"])
    story.run("a", 5.0, 2.0)
    story.run("b", 2.0, -3.0)
    story.add("NODE_QUEUED", "c", 9.0)
    story.run("c", -4.0, 6.0)
    trace = story.finish(6.0)
    assert [name for name, _ in trace.critical_path] == ["a", "b", "c"]
    assert min(seconds for _, seconds in trace.critical_path) >= 0
    assert trace.waiting >= 0
    events(trace)


def test_edges_that_contradict_the_log_change_no_end():
    story = Story(a=["b"], b=["a"], c=["c"])
    for name in "abc":
        story.run(name, 0.0, 1.0)
    events(story.finish(1.0))
    assert story.trace.critical_path


def random_story(seed):
    """Any events of any nodes at any times: also such as no run makes."""
    dice = random.Random(seed)
    count = dice.randint(1, 8)
    story = Story(**{f"n{i}": [f"n{dice.randrange(count)}" for _ in range(dice.randint(0, 3))] for i in range(count)})
    time = 0.0
    for _ in range(dice.randint(0, 60)):
        time += dice.choice([0.0, 1e-7, 1e-6, 0.001, 1.0, -0.5])
        kind = dice.choice(list(Kind))
        name = None if kind < Kind.NODE_QUEUED else f"n{dice.randrange(count)}"
        story.add(kind.name, name, time, **({"lane": 1} if dice.random() < 0.4 else {}))
    return story


def test_any_log_makes_a_trace_that_obeys_the_format():
    seed = int(os.environ.get("DAGBOOK_SEED", "0")) or random.randrange(1, 10**9)
    print(f"DAGBOOK_SEED={seed}")
    for n in range(200):
        trace = random_story(seed + n).trace
        events(trace)
        assert min(trace.work, trace.waiting) >= 0, f"DAGBOOK_SEED={seed + n}"
        assert trace.summary()


# ---- hostile names


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_data(name, tmp_path):
    log = Log([name])
    log.add(Kind.NODE_STARTED, 0, 0.0)
    log.add(Kind.NODE_RAN, 0, 1.0)
    trace = Trace(log, lambda i: (), name)
    trace.to_chrome_trace(tmp_path / "chrome.json")
    trace.to_json(tmp_path / "plain.json")
    (piece,) = (e for e in check(json.loads((tmp_path / "chrome.json").read_bytes())) if e["ph"] == "X")
    assert piece["args"].get("node", piece["name"]) == name
    assert piece["name"].isprintable()
    assert all(line.isprintable() and len(line) < 200 for line in trace.summary().split("\n"))
    plain = json.loads((tmp_path / "plain.json").read_bytes())
    assert plain["events"][0]["node"] == plain["dag"] == name
    assert sorted(p.name for p in tmp_path.iterdir()) == ["chrome.json", "plain.json"]


# ---- files


def test_plain_json_has_a_version_the_edges_and_every_event():
    story = diamond()
    document = story.finish(4.0).to_json()
    assert document["schema"] == SCHEMA
    assert document["inputs"]["report"] == ["clean", "count"]
    assert len(document["events"]) == len(story.log)
    assert document["events"][3] == {"seq": 3, "kind": "node_started", "time": 1.0, "node": "clean", "lane": 1}


@pytest.mark.parametrize("method", ["to_chrome_trace", "to_json"])
def test_a_file_holds_what_is_returned(method, tmp_path):
    path = tmp_path / "trace.json"
    assert json.loads(json.dumps(getattr(diamond().trace, method)(path))) == json.loads(path.read_text())


def test_a_file_that_cannot_be_replaced_stays_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "trace.json"
    path.write_text("before")
    trace = diamond().trace
    trace.began = float("nan")  # is not JSON
    with pytest.raises(ValueError):
        trace.to_json(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_not_there_is_named_in_the_error(tmp_path):
    path = tmp_path / "nowhere" / "trace.json"
    with pytest.raises(FileNotFoundError) as caught:
        diamond().trace.to_chrome_trace(path)
    assert caught.value.filename == str(path)


# ---- real runs


def run(dag, *targets, **options):
    session = Session(dag, **options)
    return session, session.run(*targets)


def traced(run, dag):
    return Trace(run.log, run.preds, dag.name)


def dag_of(*functions, **options):
    dag = DAG()
    dag.define([Node.of(f, options=NodeOptions(**options)) for f in functions])
    return dag


def test_a_real_run_on_two_workers_makes_a_valid_trace():
    together = threading.Barrier(2, timeout=10)

    def left():
        together.wait()
        return 1

    def right():
        together.wait()
        return 2

    def both(left, right):
        return left + right

    dag = dag_of(left, right, both)
    trace = traced(run(dag, workers=2)[1], dag)
    found = events(trace)
    assert sorted(e["name"] for e in found if e["ph"] == "X") == ["both", "left", "right"]
    assert len({e["tid"] for e in found if e["name"] in ("left", "right") and e["ph"] == "X"}) == 2
    assert sum(e["ph"] == "s" for e in found) == 2
    assert [name for name, _ in trace.critical_path][-1] == "both"
    assert 0 < trace.share <= 1
    assert trace.counts == {"ran": 3}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_plain_run_makes_a_valid_trace_also_of_nodes_that_follow_each_other_on_a_lane(workers):
    dag = DAG()
    for edge in ("ab", "bc", "cf", "ad", "de", "ef"):
        dag.add_edge(*edge)
    trace = traced(plain_run(dag, {name: lambda: None for name in "abcdef"}, RunOptions(workers=workers)).wait(), dag)
    assert len(events(trace, "X")) == len(events(trace, "s")) == 6
    path = [name for name, _ in trace.critical_path]
    assert path in (["a", "b", "c", "f"], ["a", "d", "e", "f"])


def test_nodes_that_come_while_a_run_goes_on_are_in_its_trace():
    def grow(value):
        return Growth(add=tuple(NewNode(f"child {i}", lambda: None, ("top",), ("end",)) for i in range(3)))

    dag = DAG()
    dag.add_edge("top", "end")
    options = RunOptions(workers=2, expanders={"top": grow})
    trace = traced(plain_run(dag, {"top": lambda: 1, "end": lambda: 2}, options).wait(), dag)
    assert trace.counts == {"ran": 5}
    assert len(events(trace, "s")) == 7
    top, child, end = (name for name, _ in trace.critical_path)
    assert (top, child[:5], end) == ("top", "child", "end")


def test_a_node_that_runs_as_its_parts_is_in_the_trace_with_them():
    def words():
        return ["a", "b"]

    def upper(word):
        return word.upper()

    dag = DAG()
    dag.define([Node.of(words), Node.of(upper, options=NodeOptions(each={"word": "words"}))])
    trace = traced(run(dag, workers=2)[1], dag)
    assert trace.counts == {"ran": 4}
    assert events(trace, "X", name="upper")[0]["args"]["children"] == 2
    assert len(events(trace, "s")) == 3


def test_a_second_run_shows_what_was_reused():
    def one():
        return 1

    dag = dag_of(one)
    session, _ = run(dag)
    again = session.run()
    trace = traced(again, dag)
    assert trace.counts == {"reused": 1}
    assert names(events(trace, "i")) == ["one: reused"]


def test_a_failing_run_shows_the_retry_the_failure_and_what_was_skipped():
    def fails():
        raise RuntimeError("no luck")

    def below(fails):
        return 1

    dag = dag_of(fails, below, retries=1)
    trace = traced(run(dag)[1], dag)
    assert [e["args"]["status"] for e in events(trace, "X")] == ["retried", "failed"]
    assert names(events(trace, "i")) == ["below: skipped"]
    assert trace.summary().startswith("dag: failed")


def test_a_value_that_passes_through_a_run_is_not_in_its_trace():
    secret = "hunter2-" + os.urandom(8).hex()

    def source():
        return {"token": secret, "list": [secret]}

    def sink(source, extra):
        return source["token"] + extra

    dag = dag_of(source, sink)
    dag.set(extra=secret)
    trace = traced(run(dag)[1], dag)
    assert trace.counts == {"ran": 2}
    told = json.dumps([trace.to_chrome_trace(), trace.to_json()]) + trace.summary() + repr(trace)
    assert secret not in told


def test_a_detail_that_the_trace_does_not_know_stays_inside():
    story = Story(a=[])
    story.start("a", 0.0)
    story.add("NODE_EXPANDED", "a", 0.5, first=1, count=0, labels=["hunter2"], value="hunter2")
    story.add("NODE_FAILED", "a", 1.0, error={"type": "E", "message": "m", "value": "hunter2"})
    trace = story.finish(1.0)
    assert "hunter2" not in json.dumps([trace.to_chrome_trace(), trace.to_json()])


# ---- large runs


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_a_large_run_is_traced_in_linear_time_without_recursion(shape):
    count = 20_000
    log = Log([f"n{i}" for i in range(count)])
    for i in range(count):
        log.add(Kind.NODE_STARTED, i, i * 1e-5)
        log.add(Kind.NODE_RAN, i, (i + 1) * 1e-5)
    calls = []

    def preds(i):
        calls.append(i)
        if shape == "chain":
            return (i - 1,) if i else ()
        return range(i) if i == count - 1 else ()

    trace = Trace(log, preds)
    assert len(trace.critical_path) == (count if shape == "chain" else 2)
    assert sum(e["ph"] == "s" for e in trace.to_chrome_trace()["traceEvents"]) == count - 1
    assert len(calls) <= 2 * count
