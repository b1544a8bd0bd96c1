"""Recorded runs: restarted by whoever comes next, replayed without a stale value, readable, and never mixed up."""

from __future__ import annotations

import datetime
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from fractions import Fraction
from pathlib import Path

import pytest

import dagbook
from dagbook import DAG, DagContext, DagPause, DagProvenance, DAGRunner, NodeNotFoundError, NullProvenance
from dagbook.errors import MissingInputError, RecordedRunError, RefusedError, StoreError, UsageError
from dagbook.storage.owner import alive, this_process


class World:
    """What is outside the graph, unseen by keys: ``sys.modules["world"]``."""

    def __init__(self):
        self.calls = []
        self.broken = set()
        self.said = {}

    def node(self, name):
        self.calls.append(name)
        if name in self.broken:
            raise RuntimeError(f"{name} is broken")
        return self.said.get(name, 0)

    def taken(self):
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def world():
    world = sys.modules["world"] = World()
    yield world
    del sys.modules["world"]


@pytest.fixture(params=["memory", "file", "folder"])
def provenance(request, tmp_path):
    return {
        "memory": NullProvenance,
        "file": lambda: DagProvenance(tmp_path / "runs.db"),
        "folder": lambda: DagProvenance(tmp_path / "runs"),
    }[request.param]()


def first() -> int:
    return 10 + sys.modules["world"].node("first")


def second(n: int) -> str:
    return str(n + sys.modules["world"].node("second"))


def third(s: str) -> list[str]:
    return [s, str(sys.modules["world"].node("third"))]


def chain():
    dag = DAG()
    dag.node(first) >> dag.node(second) >> dag.node(third)
    return dag


# -- restart


def test_a_restart_takes_the_values_of_its_own_run_and_not_newer_ones(world, provenance):
    runner = DAGRunner(chain(), provenance)
    world.said["first"] = 1
    world.broken = {"third"}
    failed = runner.run()
    world.broken, world.said["first"] = set(), 2
    assert runner.run(full=True).outputs == {"third": ["12", "0"]}
    world.taken()
    assert runner.restart(failed.run_id).outputs == {"third": ["11", "0"]}
    assert world.taken() == ["third"]


def test_a_restart_runs_what_was_edited_since_and_what_that_reaches(world, provenance):
    world.broken = {"third"}
    failed = DAGRunner(chain(), provenance).run()
    world.broken = set()
    world.taken()

    def second(n: int) -> str:
        return "edited " + str(n + sys.modules["world"].node("second"))

    dag = DAG()
    dag.node(first) >> dag.node(second) >> dag.node(third)
    assert DAGRunner(dag, provenance).restart(failed.run_id).outputs == {"third": ["edited 10", "0"]}
    assert world.taken() == ["second", "third"]


def test_data_that_changed_while_a_run_waited_runs_nothing_again(provenance):
    seen, allowed = [], []

    def ask() -> int:
        seen.append("ask")
        return 1

    def act(n: int) -> int:
        seen.append("act")
        if not allowed:
            raise DagPause("may I?")
        return n

    dag = DAG()
    dag.node(ask) >> dag.node(act)
    runner = DAGRunner(dag, provenance)
    paused = runner.run()
    allowed.append(True)
    assert runner.restart(paused.run_id).status == "completed"
    assert seen == ["ask", "act", "act"]


def test_a_restart_keeps_to_what_its_run_was_asked_for(world, provenance):
    dag = DAG()
    start = dag.node(first)
    start >> dag.node(second)
    start >> dag.node(second, label="other", tags=["costly"])
    world.broken = {"second"}
    runner = DAGRunner(dag, provenance)
    failed = runner.run(exclude_tags=["costly"], continue_on_error=True)
    world.broken = set()
    again = runner.restart(failed.run_id)
    assert (again.outputs, again.skipped_nodes) == ({"second": "10"}, 1)


def test_what_was_forced_is_not_forced_twice(world, provenance):
    runner = DAGRunner(chain(), provenance)
    runner.run()
    world.broken = {"second"}
    failed = runner.run(full=True)
    world.broken = set()
    world.taken()
    assert runner.restart(failed.run_id).status == "completed"
    assert world.taken() == ["second", "third"]


def test_a_node_whose_value_is_gone_runs_again_and_what_is_below_is_not_mixed(world, tmp_path):
    provenance = DagProvenance(tmp_path / "runs.db")
    world.said["first"] = 1
    old = DAGRunner(chain(), provenance).run()
    for blob in (tmp_path / "runs.db.values").rglob("*"):
        if blob.is_file() and blob.name != "store.json":
            blob.unlink()
    world.said["first"] = 5
    world.taken()
    replayed = DAGRunner(chain(), DagProvenance(tmp_path / "runs.db")).replay(old.run_id, ["third"])
    assert replayed.outputs == {"third": ["15", "0"]}
    assert world.taken() == ["first", "second", "third"]


def test_a_damaged_value_is_made_again(world, tmp_path):
    world.broken = {"third"}
    failed = DAGRunner(chain(), DagProvenance(tmp_path / "runs.db")).run()
    for blob in (tmp_path / "runs.db.values").rglob("*"):
        if blob.is_file() and blob.name != "store.json":
            data = blob.read_bytes()
            blob.chmod(0o600)
            blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    world.broken = set()
    result = DAGRunner(chain(), DagProvenance(tmp_path / "runs.db")).restart(failed.run_id)
    assert (result.status, result.outputs) == ("completed", {"third": ["10", "0"]})


@pytest.mark.parametrize("run_id", ["99", "nothing", "", "-1", 7, None])
def test_an_unknown_run_is_refused(world, provenance, run_id):
    runner = DAGRunner(chain(), provenance)
    for take_up in (runner.restart, lambda id: runner.replay(id, [])):
        with pytest.raises(RecordedRunError, match="no run"):
            take_up(run_id)


def test_inputs_come_back_with_a_restart_or_say_that_they_are_gone(world, tmp_path):
    def use(thing: object) -> str:
        return type(thing).__name__ + str(sys.modules["world"].node("use"))

    dag = DAG()
    dag.node(use)
    world.broken = {"use"}
    runner = DAGRunner(dag, DagProvenance(tmp_path / "runs.db"))
    kept = runner.run(source_inputs={"use": {"thing": Fraction(1, 3)}})
    lost = runner.run(source_inputs={"use": {"thing": open(os.devnull)}})  # noqa: SIM115
    world.broken = set()
    assert runner.restart(lost.run_id).outputs == {"use": "TextIOWrapper0"}, "this process still has them"
    later = DAGRunner(dag, DagProvenance(tmp_path / "runs.db"))
    assert later.restart(kept.run_id).outputs == {"use": "Fraction0"}
    with pytest.raises(RecordedRunError, match="could not be stored"):
        later.replay(lost.run_id, [])


def test_what_is_refused_leaves_no_run_behind(provenance):
    def needs(x: int) -> int: ...

    dag = DAG()
    dag.node(needs)
    with pytest.raises(MissingInputError):
        DAGRunner(dag, provenance).run()
    with pytest.raises(RecordedRunError):
        provenance.past("1")


# -- values and their types

ZOO = {
    "tuple": (1, (2.5, None)),
    "set": frozenset({1, 2}),
    "bytes": b"\0\xff",
    "datetime": datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC),
    "delta": datetime.timedelta(days=1, microseconds=3),
    "fraction": Fraction(1, 3),
    "complex": 1 + 2j,
    "int keys": {1: "a", (2, "b"): None, None: 0.1},
    "path": Path("a") / "b",
    "bool and int": [True, 1, 1.0],
    "big": 10**40,
    "nested": [{"a": [(), [], {}]}],
    "range": range(3),
    "text": "\ud800 half a character",
}


@pytest.mark.parametrize("name", ZOO)
def test_a_value_comes_back_with_its_type(name, world, tmp_path):
    def make():
        return ZOO[name]

    def use(value):
        sys.modules["world"].node("use")
        return value

    dag = DAG()
    dag.node(make) >> dag.node(use)
    world.broken = {"use"}
    failed = DAGRunner(dag, DagProvenance(tmp_path / "runs.db")).run()
    world.broken = set()
    found = DAGRunner(dag, DagProvenance(tmp_path / "runs.db")).restart(failed.run_id).outputs["use"]
    assert found == ZOO[name]
    assert repr(found) == repr(ZOO[name])
    assert type(found) is type(ZOO[name])


def test_frames_and_arrays_come_back_as_they_were(world, tmp_path):
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")

    def make():
        return np.arange(6, dtype="int16").reshape(2, 3), pd.DataFrame({"a": pd.Categorical(["x", "y"])})

    def use(value):
        sys.modules["world"].node("use")
        return value

    dag = DAG()
    dag.node(make) >> dag.node(use)
    world.broken = {"use"}
    failed = DAGRunner(dag, DagProvenance(tmp_path / "runs.db")).run()
    world.broken = set()
    array, frame = DAGRunner(dag, DagProvenance(tmp_path / "runs.db")).restart(failed.run_id).outputs["use"]
    assert (array.dtype, array.shape) == (np.dtype("int16"), (2, 3))
    assert str(frame.dtypes["a"]) == "category"


# -- replay


def random_dag(rng, size):
    """A DAG in which each node adds what the world says to the sum of those above; who is above whom, by name."""
    dag, above = DAG(), {}
    for n in range(size):
        name = f"n{n}"
        above[name] = rng.sample(list(above), k=min(len(above), rng.randrange(4)))
        dag.add_node(name, payload=_summing(name, above[name]))
        dag.add_edges([(up, name) for up in above[name]])
    return dag, above


def _summing(name, above):
    source = f"def {name}({', '.join(above)}):\n    return sum([{', '.join(above)}]) // 2 + world(__name)"
    space = {"__name": name, "world": _ask}
    exec(source, space)
    return space[name]


def _ask(name):
    return sys.modules["world"].node(name)


def clean(above, said):
    values = {}
    for name, ups in above.items():
        values[name] = sum(values[up] for up in ups) // 2 + said.get(name, 0)
    return values


def test_a_replay_of_any_node_is_a_clean_run_with_that_nodes_new_value(world):
    seed = int(os.environ.get("DAGBOOK_SEED", random.randrange(10**6)))
    print(f"DAGBOOK_SEED={seed}")
    rng = random.Random(seed)
    for _ in range(10):
        dag, above = random_dag(rng, rng.randint(1, 9))
        runner = DAGRunner(dag, max_workers=rng.choice([1, 3]))
        world.said = {name: rng.randrange(4) for name in above}
        before = dict(world.said)
        old = runner.run()
        for name in above:
            world.said = before | {name: rng.randrange(4)}
            world.taken()
            replayed = runner.replay(old.run_id, {name})
            expected, was = clean(above, world.said), clean(above, before)
            assert replayed.outputs == {sink: expected[sink] for sink in replayed.outputs}
            assert replayed.outputs
            may_run = {name} | {n for n, ups in above.items() if any(expected[up] != was[up] for up in ups)}
            assert {name} <= set(world.taken()) <= may_run, "a value that an earlier replay has made serves too"


def test_a_replay_is_a_run_of_its_own_that_can_be_replayed(world, provenance):
    runner = DAGRunner(chain(), provenance)
    old = runner.run()
    world.said["second"] = 1
    new = runner.replay(old.run_id, ["second"])
    assert new.run_id != old.run_id
    world.said["third"] = 7
    assert runner.replay(new.run_id, ["third"]).outputs == {"third": ["11", "7"]}
    assert runner.replay(old.run_id, ["third"]).outputs == {"third": ["10", "7"]}


def test_a_replay_of_what_failed_makes_up_for_it(world, provenance):
    runner = DAGRunner(chain(), provenance)
    world.broken = {"second"}
    failed = runner.run()
    world.broken = set()
    world.taken()
    assert runner.replay(failed.run_id, []).status == "completed"
    assert world.taken() == ["second", "third"]


def test_replayed_nodes_must_be_there(world, provenance):
    runner = DAGRunner(chain(), provenance)
    run = runner.run()
    with pytest.raises(NodeNotFoundError, match="frist"):
        runner.replay(run.run_id, ["frist"])
    with pytest.raises(UsageError, match="list"):
        runner.replay(run.run_id, "first")


def test_a_sub_dag_is_replayed_as_one(world, provenance):
    sub, dag = DAG("sub"), DAG()
    sub.node(second) >> sub.node(third)
    dag.node(first) >> dag.node(sub, label="step")
    runner = DAGRunner(dag, provenance)
    run = runner.run()
    world.taken()
    runner.replay(run.run_id, ["step"])
    assert world.taken() == ["second", "third"]


def test_a_mapped_dag_is_restarted_where_it_was(world, provenance):
    def many() -> list[int]:
        return [1, 2, 3]

    def each(n: int) -> str:
        return str(n + sys.modules["world"].node(f"each {n}"))

    def other(s: str) -> str:
        sys.modules["world"].node(f"other {s}")
        return s

    sub, dag = DAG("sub"), DAG()
    sub.node(each) >> sub.node(other)
    dag.node(many) >> dag.map(sub, label="all")
    world.broken = {"other 2"}
    runner = DAGRunner(dag, provenance)
    failed = runner.run(continue_on_error=True)
    assert (failed.failed_node, failed.error) == ("all", "all[1]: other 2 is broken")
    world.broken = set()
    world.taken()
    assert runner.restart(failed.run_id).outputs == {"all": ["1", "2", "3"]}
    assert world.taken() == ["other 2"]


# -- a process that dies

CHILD = """
    import os, sys, time
    from dagbook import DAG, DAGRunner, DagProvenance

    def one() -> int:
        print("one", flush=True)
        return 20

    def two(n: int) -> int:
        print("two", flush=True)
        if os.environ.get("HANG"):
            time.sleep(60)
        return n + 1

    def runner(path, **more):
        dag = DAG()
        dag.node(one) >> dag.node(two)
        return DAGRunner(dag, DagProvenance(path), **more)
"""


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """A run that a process was killed in, while its second node ran."""
    (tmp_path / "killed_child.py").write_text(textwrap.dedent(CHILD))
    monkeypatch.syspath_prepend(tmp_path)
    source = Path(dagbook.__file__).parents[1]
    environment = os.environ | {"HANG": "1", "PYTHONPATH": f"{source}{os.pathsep}{tmp_path}"}
    command = "import killed_child; killed_child.runner('runs.db').run()"
    child = subprocess.Popen(
        [sys.executable, "-c", command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert [child.stdout.readline().strip() for _ in "12"] == ["one", "two"]
    path = tmp_path / "runs.db"
    deadline = time.monotonic() + 10
    while not rows(path, "SELECT 1 FROM outcomes"):
        assert time.monotonic() < deadline, "what had finished was never recorded"
        time.sleep(0.01)
    yield child, path
    child.kill()
    child.stdout.close()
    child.wait()
    sys.modules.pop("killed_child", None)


def rows(path, query):
    db = sqlite3.connect(path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def test_a_run_is_not_restarted_while_its_process_lives_and_is_when_it_was_killed(killed, capsys):
    child, path = killed
    import killed_child

    with pytest.raises(RecordedRunError, match=f"still going on in process {child.pid}"):
        killed_child.runner(path).restart("1")
    child.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while True:  # its corpse, which nobody has asked for yet, is no process either
        try:
            result = killed_child.runner(path).restart("1")
            break
        except RecordedRunError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert (result.status, result.outputs, result.run_id) == ("completed", {"two": 21}, "1")
    assert capsys.readouterr().out.split() == ["two"]
    assert rows(path, "SELECT status FROM runs") == [("completed",), ("completed",)]


def test_a_later_process_of_the_same_number_is_not_taken_for_the_owner():
    me = this_process()
    assert alive(me)
    assert not alive(me | {"began": "1"})
    assert not alive(me | {"boot": "another"})
    assert not alive(me | {"pid": 2**22 + 1})


def test_a_process_on_another_machine_lives_as_long_as_it_is_heard_of():
    elsewhere = this_process() | {"host": "elsewhere", "pid": 1, "began": "1"}
    assert alive(elsewhere, silent=59)
    assert not alive(elsewhere, silent=61)
    assert alive(this_process(), silent=10**6), "one that can be seen need not speak"


def test_a_run_has_one_owner_at_a_time(world, tmp_path):
    world.broken = {"third"}
    failed = DAGRunner(chain(), DagProvenance(tmp_path / "runs.db")).run()
    taken_up = DagProvenance(tmp_path / "runs.db").restart(failed.run_id)
    with pytest.raises(RecordedRunError, match="still going on"):
        DAGRunner(chain(), DagProvenance(tmp_path / "runs.db")).restart(failed.run_id)
    taken_up.finish(int(failed.run_id), "paused", 0.0)


# -- the file


def test_the_file_can_be_read_by_anyone(world, tmp_path):
    world.broken = {"second"}
    path = tmp_path / "runs.db"
    runner = DAGRunner(chain(), DagProvenance(path))
    runner.run(retry=1)
    world.broken = set()
    runner.restart("1")
    nodes = rows(path, "SELECT run, label, status, error, attempts, started <= finished FROM nodes ORDER BY started")
    assert [(r[0], r[1], r[2], r[4]) for r in nodes] == [
        (1, "first", "completed", 1), (1, "second", "completed", 3), (1, "third", "completed", 1)
    ]  # fmt: skip
    assert nodes[1][3] == "second is broken", "what went wrong before is not forgotten"
    assert all(ordered for *_, ordered in nodes)
    assert rows(path, "SELECT * FROM edges") == [(1, "first", "second"), (1, "second", "third")]


def test_a_note_that_somebody_else_has_written_is_refused(world, tmp_path):
    world.broken = {"third"}
    path = tmp_path / "runs.db"
    failed = DAGRunner(chain(), DagProvenance(path)).run()
    with sqlite3.connect(path) as db:
        note = json.loads(db.execute("SELECT note FROM attempts").fetchone()[0])
        db.execute("UPDATE attempts SET note = ?", (json.dumps(note | {"inputs": ["0" * 64, "pickle", 10]}),))
    db.close()
    with pytest.raises(RefusedError, match="not written with your key"):
        DAGRunner(chain(), DagProvenance(path)).restart(failed.run_id)


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(StoreError):
        DagProvenance(path)
    assert path.read_text() == "mine"


def test_old_runs_in_memory_are_let_go(world):
    runner = DAGRunner(chain())
    run_ids = [runner.run().run_id for _ in range(40)]
    with pytest.raises(RecordedRunError):
        runner.replay(run_ids[0], [])
    assert runner.replay(run_ids[-1], []).status == "completed"


def test_a_context_is_of_the_run_that_goes_on(world, provenance):
    def told(ctx: DagContext) -> str:
        sys.modules["world"].node("told")
        return ctx.run_id

    dag = DAG()
    dag.node(told)
    world.broken = {"told"}
    runner = DAGRunner(dag, provenance)
    failed = runner.run()
    runner.run()
    world.broken = set()
    assert runner.restart(failed.run_id).outputs == {"told": failed.run_id}


STEPS = """
    import os, sys, time
    from dagbook import DAG, DAGRunner, DagProvenance

    def dag():
        def begin() -> int:
            return 0

        def step(n: int) -> int:
            time.sleep(0.01)
            os.write(1, f"{n}\\n".encode())
            return n + 1

        made = DAG()
        last = made.node(begin)
        for i in range(30):
            last = last >> made.node(step, label=f"s{i}")
        return made

    def runner(path):
        return DAGRunner(dag(), DagProvenance(path))
"""


@pytest.mark.slow
def test_killed_again_and_again_a_run_ends_as_a_clean_one_and_repeats_nothing_that_was_recorded(tmp_path):
    seed = int(os.environ.get("DAGBOOK_SEED", random.randrange(10**6)))
    print(f"DAGBOOK_SEED={seed}")
    rng = random.Random(seed)
    (tmp_path / "steps_child.py").write_text(textwrap.dedent(STEPS))
    path, done = tmp_path / "runs.db", set()
    environment = os.environ | {"PYTHONPATH": f"{Path(dagbook.__file__).parents[1]}{os.pathsep}{tmp_path}"}
    for turn in range(40):
        command = f"import steps_child; r = steps_child.runner('runs.db'); {'r.restart(1)' if turn else 'r.run()'}"
        child = subprocess.Popen(
            [sys.executable, "-c", command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
        )
        said = [child.stdout.readline() for _ in range(rng.randint(1, 6))]
        time.sleep(rng.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
        child.wait()
        ran = {int(line) for line in said if line.endswith("\n")}
        assert not ran & done, "what was recorded ran again"
        done |= {int(name[1:]) for (name,) in rows(path, "SELECT node FROM outcomes WHERE node LIKE 's%'")}
        if len(done) > 24:
            break
    command = "import steps_child; print(steps_child.runner('runs.db').restart(1).outputs)"
    last = subprocess.run(
        [sys.executable, "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert last.stdout.splitlines()[-1] == "{'s29': 30}", last.stderr
    assert {int(line) for line in last.stdout.splitlines()[:-1]} == set(range(30)) - done
