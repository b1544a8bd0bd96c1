"""The samples of the runner of manifests, as they are written, and what is said beside them.

That system knows how to build each type of node; here the types' functions are given as ``executors=``. So the name
``DAGRunner`` of the samples stands for dagbook's with the executors of a project. What is kept between runs is a store
and a journal below the same directory, not one JSON file.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import sys
import time
from dataclasses import fields
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, Dict  # noqa: UP035 - as the sample has it

import pytest

import dagbook
from dagbook import DAG, ExecutionStatus, ExecutionSummary, Manifest, ManifestDiff, NullProvenance, print_summary
from dagbook.engine.ports import Blob
from dagbook.errors import CycleError, DagbookError, NodeNotFoundError
from dagbook.storage.memory import MemoryJournal

NODES = {
    "source.users": {"config": {"table": "users"}},
    "source.orders": {"config": {"table": "orders"}},
    "transform.clean_users": {"config": {"sql": "select 1"}},
    "feature_group.user_features": {},
    "feature_group.order_features": {"tags": ["experimental"]},
    "feature_group.old_features": {"tags": ["deprecated"]},
    "model.churn": {"tags": ["expensive"], "config": {"depth": 3}},
}
EDGES = [
    ("source.users", "transform.clean_users"),
    ("transform.clean_users", "feature_group.user_features"),
    ("transform.clean_users", "feature_group.old_features"),
    ("source.orders", "feature_group.order_features"),
    ("feature_group.user_features", "model.churn"),
    ("feature_group.order_features", "model.churn"),
]
TYPES = ["source", "transform", "feature_group", "model", "aggregation", "rule", "exposure"]


def written(path, nodes=NODES, edges=EDGES):
    """A manifest as its file, the only place here that knows the format."""
    listed = [
        {"id": each, "type": each.split(".")[0], "name": each.split(".")[1], "tags": [], "config": {}} | more
        for each, more in nodes.items()
    ]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps({"version": 1, "nodes": listed, "edges": [list(edge) for edge in edges]}))
    return Manifest.load(path)


def built(node):
    """What every type of node does here: note that it was built, fail when told to, return a value of its config."""
    ledger = sys.modules["ledger"]
    ledger.note(node.id)
    if ledger.facts.get("failures", {}).get(node.id, 0) > 0:
        ledger.facts["failures"][node.id] -= 1
        raise RuntimeError("boom")
    time.sleep(ledger.facts.get("nap", 0.0))
    return {"rows": len(node.config)}


EXECUTORS = dict.fromkeys(TYPES, built)


@pytest.fixture
def project(tmp_path, monkeypatch, ledger):
    """A directory with a manifest, and one from before: a node of it was changed since."""
    monkeypatch.chdir(tmp_path)
    written("target/manifest.json")
    written("target/manifest.json.old", NODES | {"model.churn": {"tags": ["expensive"], "config": {"depth": 2}}})
    return tmp_path


@pytest.fixture
def DAGRunner(project):
    """dagbook's runner with the project's executors."""
    return partial(dagbook.DAGRunner, executors=EXECUTORS)


@pytest.fixture
def manifest(project):
    return Manifest.load("target/manifest.json")


@pytest.fixture
def built_before(DAGRunner, manifest, ledger):
    """Everything was built once."""
    DAGRunner(manifest).run()
    ledger.taken()


def by_id(summary):
    return {result.node_id: result.status for result in summary.results}


def plain(lines):
    """Lines without marks, rules and columns."""
    spaced = (re.sub(r"\s+", " ", line.replace("ℹ", "").replace("✓", "")).strip() for line in lines)
    return [line for line in spaced if line.strip("=")]


# -- signatures


def test_the_runner_takes_what_is_documented():
    """Two documents have another second parameter, so all but the first are given by name."""
    first, *others = signature(dagbook.DAGRunner).parameters.values()
    assert first.default is first.empty
    assert {"old_manifest", "state_dir", "provenance"} <= {p.name for p in others if p.default is None}


def test_run_takes_what_is_documented():
    documented = {
        "full": False,
        "dry_run": False,
        "node_types": None,
        "nodes": None,
        "exclude_tags": None,
        "continue_on_error": False,
        "retry": 0,
    }
    for run in (dagbook.DAGRunner.run, dagbook.DAGRunner.run_async):
        found = signature(run).parameters
        assert {name: found[name].default for name in documented} == documented


def test_a_summary_has_the_documented_fields():
    assert [field.name for field in fields(ExecutionSummary)] == [
        "total_nodes",
        "changed_nodes",
        "cached_nodes",
        "successful_nodes",
        "failed_nodes",
        "skipped_nodes",
        "total_duration",
        "results",
    ]


def test_the_documented_statuses_are_there():
    assert {"PENDING", "RUNNING", "SUCCESS", "FAILED", "CACHED", "SKIPPED"} <= set(ExecutionStatus.__members__)


# -- the quick start


def test_quick_start(DAGRunner, printed, ledger):
    manifest = Manifest.load("target/manifest.json")

    runner = DAGRunner(manifest)

    summary = runner.run()

    print_summary(summary)

    assert isinstance(summary, ExecutionSummary)
    assert (summary.total_nodes, summary.changed_nodes, summary.cached_nodes) == (7, 7, 0)
    assert (summary.successful_nodes, summary.failed_nodes, summary.skipped_nodes) == (7, 0, 0)
    assert isinstance(summary.total_duration, float)
    assert by_id(summary) == dict.fromkeys(NODES, ExecutionStatus.SUCCESS)
    assert sorted(ledger.calls) == sorted(NODES)
    for up, down in EDGES:
        assert ledger.calls.index(up) < ledger.calls.index(down)
    lines = plain(printed())
    assert "Execution Summary" in lines
    assert "Total nodes: 7" in lines
    assert "Successful: 7" in lines


def test_a_second_run_runs_nothing(DAGRunner, manifest, built_before, ledger):
    summary = DAGRunner(manifest).run()
    assert ledger.calls == []
    assert (summary.changed_nodes, summary.cached_nodes, summary.successful_nodes) == (0, 7, 0)
    assert by_id(summary) == dict.fromkeys(NODES, ExecutionStatus.CACHED)


def test_state_is_kept_in_its_directory(DAGRunner, manifest, tmp_path, ledger):
    """The sample that measures ``execution_state.json`` has no file to measure here: the directory is the state."""
    DAGRunner(manifest, state_dir=Path("elsewhere")).run()
    assert os.listdir("elsewhere")
    ledger.taken()
    assert DAGRunner(manifest, state_dir=Path("elsewhere")).run().cached_nodes == 7
    assert ledger.taken() == []
    assert DAGRunner(manifest).run().successful_nodes == 7, "another directory, another state"
    assert os.listdir("target/state")


def test_a_lost_state_is_built_again(DAGRunner, manifest, built_before, ledger):
    shutil.rmtree("target/state")
    assert DAGRunner(manifest).run().successful_nodes == 7


def test_a_failed_node_is_not_taken_for_cached(DAGRunner, manifest, ledger):
    ledger.facts["failures"] = {"model.churn": 1}
    assert DAGRunner(manifest).run().failed_nodes == 1
    ledger.taken()
    summary = DAGRunner(manifest).run()
    assert ledger.taken() == ["model.churn"]
    assert (summary.cached_nodes, summary.successful_nodes) == (6, 1)


# -- examples 1 to 7


def test_example_1_runs_what_changed(DAGRunner, printed, ledger):
    before = Manifest.load("target/manifest.json.old")
    DAGRunner(before).run()
    ledger.taken()
    printed()

    old_manifest = Manifest.load("target/manifest.json.old")
    new_manifest = Manifest.load("target/manifest.json")

    runner = DAGRunner(new_manifest, old_manifest=old_manifest)

    summary = runner.run()
    print_summary(summary)

    assert ledger.calls == ["model.churn"]
    assert (summary.changed_nodes, summary.cached_nodes, summary.successful_nodes) == (1, 6, 1)
    assert "Changed nodes: 1" in plain(printed())


def test_what_is_below_a_change_runs_as_far_as_values_differ(DAGRunner, built_before, ledger):
    """All below a changed node is rebuilt, the page says; where a value is equal it would be rebuilt needlessly."""
    equal = written("target/equal.json", NODES | {"source.users": {"config": {"table": "people"}}})
    summary = DAGRunner(equal).run()
    assert ledger.taken() == ["source.users"]
    assert (summary.successful_nodes, summary.cached_nodes) == (1, 6)

    other = written("target/other.json", NODES | {"source.users": {"config": {"table": "people", "limit": 1}}})
    DAGRunner(other).run()
    assert ledger.taken() == ["source.users", "transform.clean_users"]


def test_a_new_edge_runs_the_node_below_it(DAGRunner, built_before, ledger):
    manifest = written("target/edge.json", edges=[*EDGES, ("source.orders", "feature_group.old_features")])
    assert DAGRunner(manifest).run().successful_nodes == 1
    assert ledger.taken() == ["feature_group.old_features"]


def test_example_2_runs_everything(DAGRunner, manifest, built_before, ledger, printed):
    runner = DAGRunner(manifest)
    summary = runner.run(full=True)
    print_summary(summary)

    assert (summary.successful_nodes, summary.cached_nodes) == (7, 0)
    assert sorted(ledger.calls) == sorted(NODES)
    assert "Successful: 7" in plain(printed())


def test_example_3_runs_one_type(DAGRunner, manifest, built_before, ledger):
    runner = DAGRunner(manifest)
    summary = runner.run(
        full=True,
        node_types=["feature_group"]
    )

    assert sorted(ledger.calls) == sorted(n for n in NODES if n.startswith("feature_group"))
    assert (summary.total_nodes, summary.successful_nodes, summary.skipped_nodes) == (7, 3, 4)
    assert by_id(summary)["source.users"] == ExecutionStatus.SKIPPED


def test_a_type_whose_inputs_were_never_built_is_skipped(DAGRunner, manifest, ledger):
    summary = DAGRunner(manifest).run(full=True, node_types=["feature_group"])
    assert ledger.calls == []
    assert (summary.successful_nodes, summary.skipped_nodes) == (0, 7)
    reasons = {result.node_id: result.reason for result in summary.results}
    assert "source.orders" in reasons["feature_group.order_features"]
    assert "source" in reasons["source.orders"]


@pytest.mark.parametrize("kind", TYPES)
def test_every_documented_type_can_be_chosen(DAGRunner, kind, ledger):
    manifest = written("target/types.json", {f"{each}.it": {} for each in TYPES}, [])
    DAGRunner(manifest).run(full=True, node_types=[kind])
    assert ledger.calls == [f"{kind}.it"]


def test_example_4_runs_nodes_and_what_is_below(DAGRunner, manifest, built_before, ledger):
    runner = DAGRunner(manifest)
    summary = runner.run(
        nodes=["user_features", "order_features"]
    )

    assert sorted(ledger.calls) == ["feature_group.order_features", "feature_group.user_features", "model.churn"]
    assert summary.successful_nodes == 3


def test_nodes_bring_the_inputs_that_were_never_built(DAGRunner, manifest, ledger):
    summary = DAGRunner(manifest).run(nodes=["feature_group.order_features"])
    statuses = by_id(summary)
    needed = {"source.orders", "feature_group.order_features"}
    assert {n for n in needed if statuses[n] == ExecutionStatus.SUCCESS} == needed
    # churn is below, and needs user_features
    assert sorted(ledger.calls) == sorted(n for n in NODES if n != "feature_group.old_features")


def test_a_bare_name_that_fits_two_nodes_is_refused(DAGRunner, ledger):
    manifest = written("target/two.json", {"source.users": {}, "model.users": {}}, [("source.users", "model.users")])
    with pytest.raises(DagbookError, match=r"source\.users.*model\.users"):
        DAGRunner(manifest).run(nodes=["users"])
    DAGRunner(manifest).run(nodes=["model.users"])
    assert ledger.calls[-1] == "model.users"


def test_an_unknown_node_is_refused(DAGRunner, manifest, ledger):
    with pytest.raises(NodeNotFoundError, match="user_futures"):
        DAGRunner(manifest).run(nodes=["user_futures"])
    assert ledger.calls == []


def test_example_5_leaves_out_tags(DAGRunner, manifest, ledger):
    runner = DAGRunner(manifest)
    summary = runner.run(
        full=True,
        exclude_tags=["expensive", "experimental"]
    )

    left_out = {"feature_group.order_features", "model.churn"}
    assert sorted(ledger.calls) == sorted(set(NODES) - left_out)
    assert (summary.successful_nodes, summary.skipped_nodes) == (5, 2)
    assert {n for n, status in by_id(summary).items() if status == ExecutionStatus.SKIPPED} == left_out


def test_what_needs_an_excluded_node_is_skipped_unless_a_stored_value_serves(DAGRunner, manifest, ledger):
    summary = DAGRunner(manifest).run(exclude_tags=["experimental"])
    assert summary.skipped_nodes == 2
    reasons = {result.node_id: result.reason for result in summary.results}
    assert "experimental" in reasons["feature_group.order_features"]
    assert "order_features" in reasons["model.churn"]

    DAGRunner(manifest).run()
    ledger.taken()
    summary = DAGRunner(manifest).run(full=True, exclude_tags=["experimental"])
    assert sorted(ledger.taken()) == sorted(n for n in NODES if n != "feature_group.order_features")
    assert (summary.successful_nodes, summary.skipped_nodes) == (6, 1)


def test_example_6_goes_on_after_errors(DAGRunner, manifest, ledger, printed):
    ledger.facts["failures"] = {"transform.clean_users": 99}

    runner = DAGRunner(manifest)
    summary = runner.run(
        full=True,
        continue_on_error=True,
        retry=2,
    )
    print_summary(summary)

    assert ledger.calls.count("transform.clean_users") == 3
    assert (summary.successful_nodes, summary.failed_nodes, summary.skipped_nodes) == (3, 1, 3)
    assert by_id(summary)["feature_group.order_features"] == ExecutionStatus.SUCCESS
    assert "Failed: 1" in plain(printed())


def test_a_run_stops_at_the_first_error(DAGRunner, ledger):
    chains = {f"source.s{i}": {} for i in range(30)}
    manifest = written("target/chains.json", {"source.bad": {}} | chains, [])
    ledger.facts |= {"failures": {"source.bad": 1}, "nap": 0.02}
    summary = DAGRunner(manifest).run(full=True)
    assert summary.failed_nodes == 1
    assert summary.skipped_nodes > 0
    assert summary.successful_nodes + summary.skipped_nodes == 30


@pytest.mark.parametrize("continue_on_error", [True, False])
def test_a_node_that_succeeds_when_it_is_tried_again_has_succeeded(DAGRunner, manifest, ledger, continue_on_error):
    ledger.facts["failures"] = {"source.users": 2}
    summary = DAGRunner(manifest).run(continue_on_error=continue_on_error, retry=2)
    assert (summary.successful_nodes, summary.failed_nodes) == (7, 0)
    assert ledger.calls.count("source.users") == 3


def test_example_7_shows_what_would_run(DAGRunner, manifest, printed, ledger):
    runner = DAGRunner(manifest)

    runner.print_plan(full=True)
    shown = plain(printed())

    summary = runner.run(full=True, dry_run=True)
    print_summary(summary)

    assert ledger.calls == []
    assert shown[0] == "Execution Plan:"
    assert len(shown) == 8
    for number, line in enumerate(shown[1:], 1):
        assert line.startswith(f"{number}. RUN "), line
    assert {line.split()[2] for line in shown[1:]} == set(NODES)
    again = plain(printed())
    assert again[:8] == shown, "a dry run shows the same plan"
    assert "Total nodes: 7" in again
    assert (summary.total_nodes, summary.successful_nodes, summary.failed_nodes) == (7, 0, 0)
    assert DAGRunner(manifest).run().successful_nodes == 7, "a dry run leaves nothing behind"


def test_a_plan_shows_what_is_skipped(DAGRunner, printed):
    """What stands in brackets could be a node's type or its tags; here both are the same where they could differ."""
    nodes = {
        "source.users": {"tags": ["source"]},
        "transform.clean_users": {"tags": ["transform"]},
        "feature_group.old_features": {"tags": ["deprecated"]},
    }
    manifest = written("target/plan.json", nodes, [("source.users", "transform.clean_users")])
    DAGRunner(manifest).print_plan(full=True, exclude_tags=["deprecated"])
    assert plain(printed()) == [
        "Execution Plan:",
        "1. RUN source.users [source]",
        "2. RUN transform.clean_users [transform]",
        "3. SKIP feature_group.old_features [deprecated]",
    ]


# -- the summary


def test_a_summary_is_printed_as_documented(printed):
    summary = ExecutionSummary(
        total_nodes=15,
        changed_nodes=3,
        cached_nodes=10,
        successful_nodes=3,
        failed_nodes=0,
        skipped_nodes=0,
        total_duration=5.23,
        results=[],
    )
    print_summary(summary)
    assert plain(printed()) == [
        "Execution Summary",
        "Total nodes: 15",
        "Changed nodes: 3",
        "Cached nodes: 10",
        "Successful: 3",
        "Failed: 0",
        "Duration: 5.23s",
    ]


def test_failures_are_found_in_the_results(DAGRunner, manifest, ledger, printed):
    ledger.facts["failures"] = {"transform.clean_users": 99}
    runner = DAGRunner(manifest)
    printed()
    summary = runner.run(
        full=True,
        continue_on_error=True,
        retry=3
    )
    printed()

    if summary.failed_nodes > 0:
        for result in summary.results:
            if result.status == ExecutionStatus.FAILED:
                print(f"Failed: {result.node_id} - {result.error_message}")

    (line,) = printed()
    assert line.startswith("Failed: transform.clean_users - ")
    assert "boom" in line
    assert ledger.calls.count("transform.clean_users") == 4


def test_progress_is_printed_when_it_is_asked_for(DAGRunner, printed):
    manifest = written(
        "target/chain.json",
        {"source.users": {}, "transform.clean_users": {}},
        [("source.users", "transform.clean_users")],
    )
    DAGRunner(manifest, progress=True).run()
    lines = [re.sub(r"\d+\.\d\ds", "0.00s", line) for line in plain(printed())]
    assert lines == [
        "1/2: source.users [RUNNING]",
        "users completed in 0.00s",
        "2/2: transform.clean_users [RUNNING]",
        "clean_users completed in 0.00s",
    ]


# -- manifests


def test_a_manifest_is_saved_and_loaded(manifest):
    manifest.save("target/copy.json")
    diff = Manifest.load("target/copy.json").diff(manifest)
    assert isinstance(diff, ManifestDiff)
    assert not diff


def test_a_difference_names_nodes_and_edges(project):
    old = Manifest.load("target/manifest.json.old")
    nodes = {n: more for n, more in NODES.items() if n != "feature_group.old_features"} | {"rule.new": {}}
    edges = [edge for edge in EDGES if "feature_group.old_features" not in edge] + [("source.users", "rule.new")]
    diff = written("target/new.json", nodes, edges).diff(old)
    assert list(diff.added_nodes) == ["rule.new"]
    assert list(diff.removed_nodes) == ["feature_group.old_features"]
    assert list(diff.modified_nodes) == ["model.churn"]
    assert list(diff.added_edges) == [("source.users", "rule.new")]
    assert list(diff.removed_edges) == [("transform.clean_users", "feature_group.old_features")]
    assert diff


def test_a_cycle_is_refused_and_shown(DAGRunner, ledger):
    nodes = {"source.users": {}, "transform.clean_users": {}}
    edges = [("source.users", "transform.clean_users"), ("transform.clean_users", "source.users")]

    def loaded_and_run():
        DAGRunner(written("target/cycle.json", nodes, edges)).run()

    with pytest.raises(ValueError, match=r"source\.users.*transform\.clean_users") as caught:
        loaded_and_run()
    assert isinstance(caught.value, CycleError)
    assert ledger.calls == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 99, "nodes": [], "edges": []}', "not json"])
def test_what_is_no_manifest_is_refused(project, text):
    Path("target/bad.json").write_text(text)
    with pytest.raises(DagbookError, match=r"bad\.json"):
        Manifest.load("target/bad.json")


def test_a_dag_makes_a_manifest_that_runs(project, ledger):
    def users():
        ledger = sys.modules["ledger"]
        ledger.note("users")
        return [1, 2]

    def count(users):
        return len(users)

    dag = DAG()
    dag.add_node("users", payload=users, type="source", tags=["daily"])
    dag.add_node("count", payload=count, type="transform")
    dag.add_edge("users", "count")
    runner = dagbook.DAGRunner(Manifest.from_dag(dag))
    summary = runner.run()
    assert (summary.total_nodes, summary.successful_nodes) == (2, 2)
    assert summary.outputs == {"count": 2}
    assert runner.run(full=True, exclude_tags=["daily"]).successful_nodes == 1


# -- extending


def execute_custom_node(node: Node) -> Dict[str, Any]:  # noqa: F821, UP006 - as the sample has it
    return {
        "row_count": 100,
        "metadata": {"custom": True}
    }


def test_a_type_has_an_executor_of_its_own(project):
    manifest = written("target/custom.json", {"custom.it": {}}, [])
    runner = dagbook.DAGRunner(manifest, executors={"custom": execute_custom_node})
    (result,) = runner.run().results
    assert (result.row_count, result.metadata) == (100, {"custom": True})


def test_an_executor_gets_the_node(project, ledger):
    def looked_at(node):
        ledger = sys.modules["ledger"]
        ledger.facts["node"] = node

    manifest = written("target/custom.json", {"custom.it": {"tags": ["a"], "config": {"x": 1}}}, [])
    dagbook.DAGRunner(manifest, executors={"custom": looked_at}).run()
    node = ledger.facts["node"]
    assert (node.id, node.name, node.type) == ("custom.it", "it", "custom")
    assert list(node.tags) == ["a"]
    assert node.config == {"x": 1}


def test_a_type_without_an_executor_is_refused_before_anything_runs(project, ledger):
    manifest = written("target/custom.json", {"source.it": {}, "custom.it": {}}, [])
    with pytest.raises(DagbookError, match="custom"):
        dagbook.DAGRunner(manifest, executors={"source": built}).run()
    assert ledger.calls == []


class Hooks:
    def __init__(self):
        self.heard = []

    def on_node_start(self, node_id):
        self.heard.append(("start", node_id))

    def on_node_complete(self, node_id, result):
        self.heard.append(("complete", node_id, result))


def test_hooks_hear_of_starts_and_ends(DAGRunner, manifest, built_before):
    hooks = Hooks()
    DAGRunner(manifest, callbacks=hooks).run(nodes=["model.churn"])
    assert hooks.heard == [("start", "model.churn"), ("complete", "model.churn", {"rows": 1})]


def test_a_runner_with_hooks_of_its_own_is_told(manifest, built_before):
    """The page overrides a private method to call them; here the runner calls them by itself."""

    class DAGRunnerWithHooks(Hooks, dagbook.DAGRunner):
        def __init__(self, manifest):
            Hooks.__init__(self)
            dagbook.DAGRunner.__init__(self, manifest, executors=EXECUTORS)

    runner = DAGRunnerWithHooks(manifest)
    runner.run(nodes=["model.churn"])
    assert runner.heard == [("start", "model.churn"), ("complete", "model.churn", {"rows": 1})]


class Shelf:
    """A store of pickles in a dict."""

    def __init__(self):
        self.pickles = {}

    def put(self, value):
        data = pickle.dumps(value)
        blob = Blob(hashlib.sha256(data).hexdigest(), "pickle", len(data))
        self.pickles[blob.digest] = data
        return blob

    def has(self, blob):
        return blob.digest in self.pickles

    def get(self, blob):
        return pickle.loads(self.pickles[blob.digest])


def test_state_may_be_kept_anywhere(DAGRunner, manifest, ledger):
    """The page's back end loads and saves one dict; here the protocols of store and journal are the back end."""

    class Elsewhere(NullProvenance):
        def __init__(self):
            super().__init__()
            self.store, self.journal = Shelf(), MemoryJournal()

    elsewhere = Elsewhere()
    DAGRunner(manifest, provenance=elsewhere).run()
    assert elsewhere.store.pickles
    ledger.taken()
    assert DAGRunner(manifest, provenance=elsewhere).run().cached_nodes == 7
    assert ledger.taken() == []
    assert not os.path.exists("target/state")
