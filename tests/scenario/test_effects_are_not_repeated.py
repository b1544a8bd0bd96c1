"""A node with effects is called once; when nobody knows what came of a call, it is not made again unasked."""

from __future__ import annotations

import importlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import dagbook
from dagbook import DAG, DagPause, DagProvenance, DAGRunner, NodeNotFoundError, NullProvenance, Session
from dagbook.errors import (
    GraphError,
    NodeDied,
    RunError,
    StoreError,
    UnknownOutcomeError,
    UnreturnableError,
    UsageError,
)
from dagbook.graph.node import Node, node

ROUNDS = int(os.environ.get("DAGBOOK_KILLS", "20"))

pytestmark = pytest.mark.slow


class Outside:
    """The world in which effects happen, unseen by keys: ``sys.modules["outside"]``."""

    def __init__(self):
        self.sent = []
        self.do = lambda: None

    def send(self, what):
        self.sent.append(what)
        self.do()
        return len(self.sent)


@pytest.fixture
def outside():
    outside = sys.modules["outside"] = Outside()
    yield outside
    del sys.modules["outside"]


@node(effect=True)
def send():
    return sys.modules["outside"].send("letter")


def receipt(send):
    return f"sent as {send}"


@pytest.fixture(params=["memory", "disk"])
def session(request, tmp_path):
    return session_of([send, receipt], tmp_path / "store" if request.param == "disk" else None)


def session_of(functions, directory=None, **options):
    dag = DAG("post")
    dag.define([Node.of(f) for f in functions])
    return Session(dag, directory, **options)


def cut_off(session, outside, **more):
    """A run in which ``send`` has had its effect, and nobody knows: it was given up."""
    outside.do = lambda: (_ for _ in ()).throw(KeyboardInterrupt())
    run = session.run(**more)
    assert run.status == "cancelled"
    outside.do = lambda: None
    return run


def refused(run, name="send"):
    """The error by which a node was refused; it must not have been called."""
    error = run.errors[name]
    assert type(error) is UnknownOutcomeError, error
    assert name not in run.executed
    return str(error)


# -- while the process lives


def test_an_effect_that_has_ended_is_reused_like_any_node(outside, session):
    assert session.run().value(1) == "sent as 1"
    assert session.run().executed == []
    assert outside.sent == ["letter"]


def test_an_effect_that_was_cut_off_is_refused_and_what_needs_it_is_skipped(outside, session):
    cut = cut_off(session, outside)
    run = session.run()
    assert run.status == "failed"
    said = refused(run)
    for part in ("send was started", f"in run {cut.number}", "not known", "force=['send']", "confirm=['send']"):
        assert part in said
    assert run.reason(run.index("receipt")) == "send failed"
    refused(session.run())
    assert outside.sent == ["letter"]


def test_the_intent_is_on_disk_before_the_call_and_goes_with_the_record_of_it(outside, tmp_path):
    def intents():
        with sqlite3.connect(tmp_path / "journal.db") as db:
            return db.execute("SELECT run, node FROM intents").fetchall()

    seen = []
    outside.do = lambda: seen.append(intents())
    session_of([send, receipt], tmp_path).run()
    assert seen == [[(1, "send")]]
    assert intents() == []


def test_a_forced_effect_is_called_again_once(outside, session):
    cut_off(session, outside)
    run = session.run(force=["send"])
    assert (run.status, run.value(1)) == ("done", "sent as 2")
    assert session.run().executed == []
    assert outside.sent == ["letter"] * 2


def test_consent_to_one_call_is_none_to_the_next(outside, session):
    cut_off(session, outside)
    again = cut_off(session, outside, force=["send"])
    assert f"in run {again.number}" in refused(session.run())
    assert outside.sent == ["letter"] * 2


def test_an_effect_that_was_edited_or_gets_something_else_is_refused_too(outside, tmp_path):
    cut_off(session_of([send], tmp_path), outside)
    space = {}
    exec("def send():\n    import sys\n    return sys.modules['outside'].send('another letter')", space)
    edited = session_of([node(effect=True)(space["send"])], tmp_path)
    assert "not known" in refused(edited.run())
    renamed = DAG("post")
    renamed.add(Node("dispatch", send, (), Node.of(send).options))
    assert "was started as send" in refused(Session(renamed, tmp_path).run(), "dispatch")
    assert outside.sent == ["letter"]


def test_another_dag_with_a_node_of_that_name_is_not_concerned(outside, tmp_path):
    cut_off(session_of([send], tmp_path), outside)

    def other():
        return sys.modules["outside"].send("other")

    dag = DAG("another")
    dag.add(Node("send", other, (), Node.of(send).options))
    assert Session(dag, tmp_path).run().status == "done"
    assert outside.sent == ["letter", "other"]


def test_an_effect_that_has_raised_said_so_and_runs_again(outside, session):
    def fail():
        raise RuntimeError("no paper")

    outside.do = fail
    assert str(session.run().errors["send"]) == "no paper"
    outside.do = sys.exit
    assert session.run().status == "failed"
    outside.do = lambda: None
    assert session.run().value(1) == "sent as 3"


def test_retries_of_an_effect_that_raises_are_as_of_any_node(outside, tmp_path):
    def fail():
        if len(outside.sent) < 3:
            raise RuntimeError("no paper")

    outside.do = fail
    eager = node(effect=True, retries=2)(lambda: sys.modules["outside"].send("letter"))
    dag = DAG()
    dag.add(Node("send", eager, (), eager.__dagbook_node__))
    assert Session(dag, tmp_path).run().value(0) == 3


def test_an_effect_that_asks_for_a_pause_runs_when_the_run_goes_on(outside, session):
    def pause():
        raise DagPause("wait for the stamp")

    outside.do = pause
    assert session.run().status == "paused"
    outside.do = lambda: None
    assert session.run().status == "done"


def test_an_effect_whose_value_is_refused_has_happened_and_is_not_retried(outside, tmp_path):
    @node(effect=True, retries=3)
    def changes(paper):
        paper.append("ink")
        return sys.modules["outside"].send("letter")

    def paper():
        return []

    session = session_of([paper, changes], tmp_path)
    run = session.run()
    assert "changed its input" in str(run.errors["changes"])
    refused(session.run(), "changes")
    assert outside.sent == ["letter"]


def test_an_effect_beside_a_node_that_changes_its_input_is_called_once(outside, tmp_path):
    """A node whose inputs another one has changed is tried again, with inputs of its own; effects have them at once."""
    barrier = threading.Barrier(2, timeout=5)
    sys.modules["outside"].meet = lambda: barrier.broken or barrier.wait()

    def paper():
        return []

    def folder(paper):
        return {"paper": paper}

    def spoils(folder):
        sys.modules["outside"].meet()
        folder["paper"].append("ink")
        sys.modules["outside"].meet()

    @node(effect=True)
    def sends(paper, folder):
        sys.modules["outside"].meet()
        sys.modules["outside"].meet()
        sys.modules["outside"].barrier.abort()
        return sys.modules["outside"].send(len(paper))

    sys.modules["outside"].barrier = barrier
    run = session_of([paper, folder, sends, spoils], tmp_path, workers=2).run()
    assert list(run.errors) == ["spoils"]
    assert run.value(run.index("sends")) == 1
    assert outside.sent == [0]


DYING = """
import os, threading
from dagbook.graph.node import node

@node(effect=True, process=True, retries=2)
def send():
    with open(os.environ["SENT"], "ab") as file:
        file.write(b"x")
    if os.environ["HOW"] == "exit":
        os._exit(3)
    return threading.Lock()
"""


@pytest.mark.parametrize("how", ["exit", "lock"])
def test_an_effect_whose_process_dies_or_brings_nothing_back_is_not_retried(how, tmp_path, monkeypatch):
    sent = tmp_path / "sent"
    monkeypatch.setenv("SENT", str(sent))
    monkeypatch.setenv("HOW", how)
    space = {"__name__": "__main__"}
    exec(DYING, space)
    run = session_of([space["send"]], tmp_path / "store").run()
    assert type(run.errors["send"]) is {"exit": NodeDied, "lock": UnreturnableError}[how]
    refused(session_of([space["send"]], tmp_path / "store").run())
    assert sent.read_bytes() == b"x"


def test_an_effect_that_timed_out_is_not_known(outside, tmp_path):
    release = threading.Event()
    outside.do = lambda: release.wait(10)
    slow = node(effect=True, timeout=0.1)(lambda: sys.modules["outside"].send("letter"))
    dag = DAG()
    dag.add(Node("send", slow, (), slow.__dagbook_node__))
    session = Session(dag, tmp_path)
    assert session.run().status == "failed"
    refused(session.run())
    release.set()
    assert outside.sent == ["letter"]


def test_an_effect_that_goes_on_in_another_run_is_not_called_twice(outside, session):
    begun, release = threading.Event(), threading.Event()
    outside.do = lambda: (begun.set(), release.wait(10))
    first = session.start()
    assert begun.wait(10)
    error = session.run().errors["send"]
    assert type(error) is RunError
    assert f"in run {first.number}" in str(error)
    assert "process" in str(error)
    release.set()
    assert first.wait().status == "done"
    assert session.run().status == "done"
    assert outside.sent == ["letter"]


def test_the_same_effect_with_other_inputs_may_go_on_elsewhere(outside, tmp_path):
    begun, release = threading.Event(), threading.Event()
    outside.do = lambda: (begun.set(), release.wait(10)) if len(outside.sent) == 1 else None

    @node(effect=True)
    def mail(to):
        return sys.modules["outside"].send(to)

    sessions = [session_of([mail], tmp_path) for _ in range(2)]
    for session, to in zip(sessions, ("ann", "bob"), strict=True):
        session.dag.set(to=to)
    first = sessions[0].start()
    assert begun.wait(10)
    assert sessions[1].run().status == "done"
    release.set()
    assert first.wait().status == "done"
    assert sorted(outside.sent) == ["ann", "bob"]


def test_twins_of_one_effect_in_one_run_do_not_stand_against_each_other(outside, tmp_path):
    dag = DAG()
    for name in ("left", "right"):
        dag.add(Node(name, send, (), Node.of(send).options))
    assert Session(dag, tmp_path, workers=2).run().status == "done"


def test_the_value_of_an_effect_that_is_gone_is_not_made_again_unasked(outside, tmp_path):
    session_of([send, receipt], tmp_path).run()
    for blob in tmp_path.rglob("*"):
        if blob.is_file() and blob.name not in ("store.json", ".gitignore") and "journal" not in blob.name:
            blob.unlink()
    later = session_of([send, receipt], tmp_path)
    assert "its value is gone" in refused(later.run())
    assert later.run(force=["send"]).status == "done"
    assert outside.sent == ["letter"] * 2


def test_a_value_that_cannot_be_stored_does_not_repeat_the_effect(outside, tmp_path):
    @node(effect=True)
    def opens():
        sys.modules["outside"].send("letter")
        return threading.Lock()

    session_of([opens], tmp_path).run()
    assert "its value is gone" in refused(session_of([opens], tmp_path).run(), "opens")
    assert outside.sent == ["letter"]


def test_a_forced_effect_is_called_once_even_when_a_damaged_value_makes_the_run_begin_anew(outside, tmp_path):
    @node(effect=True)
    def first():
        return sys.modules["outside"].send("letter")

    def data(first):
        return list(range(1000))

    def total(data, other):
        return sum(data) + other

    session = session_of([first, data, total], tmp_path, workers=1)
    session.dag.set(other=1)
    session.run()
    damaged = session.result("data").record.blob.digest
    for blob in tmp_path.rglob("*"):
        if blob.is_file() and blob.name in (damaged, damaged[2:]):
            content = blob.read_bytes()
            blob.chmod(0o600)
            blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    later = session_of([first, data, total], tmp_path, workers=1)
    later.dag.set(other=2)
    outside.send = lambda what: outside.sent.append(what) or 1  # an equal value: what is below is reused, and read
    with pytest.warns(RuntimeWarning, match="made again"):
        run = later.run(force=["first"])
    assert run.status == "done"
    assert outside.sent == ["letter"] * 2


def test_children_with_effects_are_each_called_once(outside, tmp_path):
    @node(effect=True, each={"to": "people"})
    def mail(to):
        return sys.modules["outside"].send(to)

    def people():
        return ["ann", "bob", "eve"]

    def stop():
        if outside.sent[-1] == "bob":
            raise KeyboardInterrupt

    outside.do = stop
    session = session_of([people, mail], tmp_path, workers=1)
    assert session.run().status == "cancelled"
    outside.do = lambda: None
    run = session.run()
    assert "force=['mail']" in refused(run, 'mail["bob"]')
    assert sorted(outside.sent) == ["ann", "bob", "eve"]


def test_an_effect_is_not_called_when_its_intent_cannot_be_written(outside, tmp_path, monkeypatch):
    session = session_of([send], tmp_path)

    def full(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(session.journal, "intend", full)
    assert "disk is full" in str(session.run().errors["send"])
    assert outside.sent == []


def test_the_option_is_true_or_false_and_belongs_to_functions(outside):
    with pytest.raises(GraphError, match="effect=… is True or False"):
        node(effect="yes")
    sub = DAG("sub")
    sub.node(send)
    with pytest.raises(GraphError, match="say effect=True of those nodes in it"):
        DAG().node(sub, label="step", effect=True)


# -- a runner


def chain():
    dag = DAG("post")
    dag.node(letter) >> dag.node(deliver, effect=True)
    return dag


def letter() -> str:
    return "letter"


def deliver(text: str) -> int:
    return sys.modules["outside"].send(text)


@pytest.fixture(params=[NullProvenance, DagProvenance])
def runner(request, tmp_path):
    null = request.param is NullProvenance
    return DAGRunner(chain(), NullProvenance() if null else DagProvenance(tmp_path / "runs.db"))


def given_up(runner, outside, **more):
    outside.do = lambda: (_ for _ in ()).throw(KeyboardInterrupt())
    result = runner.run(**more)
    assert result.status == "cancelled"
    outside.do = lambda: None
    return result


def test_a_restart_names_the_effect_and_needs_a_decision(outside, runner):
    cut = given_up(runner, outside)
    for again in (runner.restart, lambda id: runner.replay(id, []), lambda id: runner.run()):
        result = again(cut.run_id)
        assert (result.status, result.failed_node) == ("failed", "deliver")
        assert "not known" in result.error
    assert outside.sent == ["letter"]
    assert runner.restart(cut.run_id, confirm=["deliver"]).outputs == {"deliver": 2}
    assert runner.run().outputs == {"deliver": 2}
    assert outside.sent == ["letter"] * 2


@pytest.mark.parametrize("wish", [{"nodes": ["deliver"]}, {"full": True}])
def test_a_run_that_forces_the_effect_is_consent(outside, runner, wish):
    given_up(runner, outside)
    assert runner.run(**wish).status == "completed"
    assert outside.sent == ["letter"] * 2


def test_a_replay_of_the_effect_is_consent(outside, runner):
    cut = given_up(runner, outside)
    assert runner.replay(cut.run_id, ["deliver"]).status == "completed"
    assert outside.sent == ["letter"] * 2


def test_what_a_run_was_told_to_force_is_no_consent_to_its_restart(outside, runner):
    cut = given_up(runner, outside, full=True)
    assert "not known" in runner.restart(cut.run_id).error
    assert outside.sent == ["letter"]


def test_confirmed_nodes_must_be_there(outside, runner):
    cut = given_up(runner, outside)
    with pytest.raises(NodeNotFoundError, match="delivre"):
        runner.restart(cut.run_id, confirm=["delivre"])
    with pytest.raises(UsageError, match="list"):
        runner.restart(cut.run_id, confirm="deliver")


def test_an_effect_in_a_mapped_dag_stays_one(outside, tmp_path):
    sub, dag = DAG("sub"), DAG("post")
    sub.node(deliver, effect=True)

    def letters() -> list[str]:
        return ["a", "b"]

    dag.node(letters) >> dag.map(sub, label="all")
    runner = DAGRunner(dag, DagProvenance(tmp_path / "runs.db"), max_workers=1)
    cut = given_up(runner, outside)
    outside.sent.clear()
    assert 'all["a"] was started' in runner.restart(cut.run_id).error
    assert runner.restart(cut.run_id, confirm=["all"]).status == "completed"
    assert sorted(outside.sent) == ["a", "b"]


# -- a process that dies

CHILD = """
    import os, sys, time
    from dagbook import DAG, DAGRunner, DagProvenance, Session

    def text() -> str:
        return "letter"

    def send(text: str) -> int:
        pause = float(os.environ.get("PAUSE", "0"))
        if pause:
            print("began", flush=True)
            time.sleep(pause)
        with open("sent", "ab", buffering=0) as file:
            file.write(b"x")
        if pause:
            print("sent", flush=True)
            time.sleep(pause)
        return 7

    def report(count: int) -> str:
        return f"sent {count}"

    def made():
        dag = DAG("post")
        dag.node(text) >> dag.node(send, effect=True) >> dag.node(report)
        return dag

    class Sessions:
        \"\"\"A session has functions whose parameters are called like nodes.\"\"\"

        def __init__(self, path):
            dag = DAG("post")
            dag.add_node("send", effect=True)
            dag.add_edges([("text", "send"), ("send", "report")])
            self.session = Session(dag, path)
            self.tasks = {"text": text, "send": send, "report": lambda send: f"sent {send}"}

        def run(self, **how):
            return self.session.run(tasks=self.tasks, **how)

    def runner(path):
        return DAGRunner(made(), DagProvenance(path))

    if __name__ == "__main__":
        print("ready", flush=True)
        {"session": lambda: Sessions("store").run(), "runner": lambda: runner("runs.db").run()}[sys.argv[1]]()
        print("over", flush=True)
"""


class Face:
    """A session or a runner over one directory: a run that nobody was asked about, and one with consent."""

    def __init__(self, which, directory, monkeypatch):
        self.which, self.directory = which, directory
        (directory / "effects_child.py").write_text(textwrap.dedent(CHILD))
        monkeypatch.syspath_prepend(directory)
        monkeypatch.chdir(directory)
        sys.modules.pop("effects_child", None)
        self.child = importlib.import_module("effects_child")

    def begin(self, pause):
        path = f"{Path(dagbook.__file__).parents[1]}{os.pathsep}{self.directory}"
        return subprocess.Popen(
            [sys.executable, "effects_child.py", self.which],
            env=os.environ | {"PYTHONPATH": path, "PAUSE": str(pause)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def again(self, consent=False):
        """How a later run ends: its status, and what was refused."""
        if self.which == "session":
            run = self.child.Sessions("store").run(force=["send"] if consent else [])
            return run.status, str(run.errors.get("send", ""))
        runner = self.child.runner("runs.db")
        begun = self.directory / "runs.db"
        if not begun.exists():
            result = runner.run()
        elif consent:
            result = runner.restart("1", confirm=["send"])
        else:
            try:
                result = runner.restart("1")
            except dagbook.errors.RecordedRunError:  # it had not begun, or was complete
                result = runner.run()
        return {"completed": "done"}.get(result.status, result.status), result.error or ""

    @property
    def count(self):
        sent = self.directory / "sent"
        return sent.stat().st_size if sent.exists() else 0


@pytest.fixture(params=["session", "runner"])
def face(request, tmp_path, monkeypatch):
    return Face(request.param, tmp_path, monkeypatch)


def killed(child):
    child.send_signal(signal.SIGKILL)
    child.stdout.close()
    child.wait()


@pytest.mark.parametrize("happened", [False, True])
def test_an_effect_in_which_its_process_was_killed_is_done_again_only_with_consent(face, happened):
    child = face.begin(pause=30 if not happened else 0.01)
    while (said := child.stdout.readline().strip()) != ("sent" if happened else "began"):
        assert said
    child.send_signal(signal.SIGSTOP)  # in the midst of it
    killed(child)
    before = face.count
    assert before == happened
    for _ in range(2):
        status, error = face.again()
        assert status == "failed"
        assert "send was started in run 1" in error
        assert face.count == before
    assert face.again(consent=True) == ("done", "")
    assert face.count == before + 1
    assert face.again()[0] == "done"
    assert face.count == before + 1


def test_an_effect_that_another_process_is_at_is_not_unknown(face):
    child = face.begin(pause=30)
    while child.stdout.readline().strip() != "began":
        pass
    try:
        run = face.child.Sessions("store").run() if face.which == "session" else face.child.runner("runs.db").run()
        error = str(run.errors["send"]) if face.which == "session" else run.error
        assert f"is being run by process {child.pid}" in error
        assert face.count == 0
    finally:
        killed(child)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["session", "runner"])
def test_killed_at_random_moments_there_are_never_two_effects_without_consent(which, tmp_path, monkeypatch):
    seed = int(os.environ.get("DAGBOOK_SEED", random.randrange(10**6)))
    print(f"DAGBOOK_SEED={seed}")
    rng = random.Random(seed)
    seen = {"refused": 0, "done": 0}
    for turn in range(ROUNDS):
        (tmp_path / str(turn)).mkdir()
        face = Face(which, tmp_path / str(turn), monkeypatch)
        child = face.begin(pause=0.02)
        assert child.stdout.readline().strip() == "ready"
        if rng.random() < 0.7:  # between intent and finish, else anywhere
            while (said := child.stdout.readline().strip()) not in ("began", "over"):
                assert said
        time.sleep(rng.uniform(0, 0.06))
        killed(child)
        before = face.count
        status, error = face.again()
        if status == "done":
            seen["done"] += 1
            assert face.count == 1, "called once, before or after the kill"
        else:
            seen["refused"] += 1
            assert "not known" in error
            assert face.count == before <= 1
            assert face.again(consent=True) == ("done", "")
            assert face.count == before + 1
        total = face.count
        assert face.again()[0] == "done"
        assert face.count == total
    print(seen)
    assert seen["refused"] >= ROUNDS // 4
