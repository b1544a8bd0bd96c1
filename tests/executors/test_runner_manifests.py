"""Runs of manifests: what an earlier manifest leaves out, and what an executor by type is given and gives."""

from __future__ import annotations

import sys

import pytest

from dagbook import DAG, DAGRunner, ExecutionStatus, Manifest, NullProvenance, print_summary
from dagbook.graph.manifest import ManifestNode

EDGES = [("source.a", "model.c"), ("source.b", "model.c"), ("source.b", "rule.d")]


def manifest(**configs):
    ids = dict.fromkeys(name for edge in EDGES for name in edge)
    nodes = [ManifestNode(id, id[-1], id[:-2], (), {"x": configs.get(id[-1], 0)}) for id in ids]
    return Manifest(nodes, EDGES)


def build(node):
    sys.modules["builder"].built.append(node.id)
    return dict(node.config)


class Builder:
    """Builds nodes, and knows which, unseen by keys: ``sys.modules["builder"]``."""

    def __init__(self):
        self.built = []

    def runner(self, manifest, provenance, **more):
        kinds = ("source", "model", "rule")
        return DAGRunner(manifest, provenance, executors=dict.fromkeys(kinds, build), **more)


@pytest.fixture
def builder():
    builder = sys.modules["builder"] = Builder()
    yield builder
    del sys.modules["builder"]


def statuses(result):
    return {node.node_id: node.status.value for node in result.results}


def test_without_state_only_what_differs_from_the_old_manifest_runs_and_what_that_needs(builder):
    result = builder.runner(manifest(c=1), NullProvenance(), old_manifest=manifest()).run()
    assert sorted(builder.built) == ["model.c", "source.a", "source.b"]
    assert statuses(result)["rule.d"] == "skipped"


def test_a_manifest_like_the_old_one_runs_nothing(builder):
    result = builder.runner(manifest(), NullProvenance(), old_manifest=manifest()).run()
    assert (builder.built, result.status, result.skipped_nodes) == ([], "completed", 4)


def test_with_state_only_what_changed_runs_and_what_its_value_reaches(builder):
    provenance = NullProvenance()
    builder.runner(manifest(), provenance).run()
    builder.built.clear()
    runner = builder.runner(manifest(a=1), provenance, old_manifest=manifest())
    result = runner.run()
    assert set(builder.built) <= {"source.a", "model.c"}
    assert "source.a" in builder.built
    assert statuses(result)["source.b"] == statuses(result)["rule.d"] == "cached"


def test_full_runs_everything_whatever_the_old_manifest_says(builder):
    builder.runner(manifest(), NullProvenance(), old_manifest=manifest()).run(full=True)
    assert len(builder.built) == 4


def test_a_replay_may_name_what_its_run_had_left_out(builder):
    runner = builder.runner(manifest(), NullProvenance())
    run = runner.run(full=True, node_types=["source"])
    builder.built.clear()
    assert statuses(runner.replay(run.run_id, ["rule.d"]))["rule.d"] == "success"
    assert builder.built == ["rule.d"]


def test_a_dry_run_is_recorded_nowhere_and_needs_no_functions(capsys):
    runner = DAGRunner(manifest(), NullProvenance())
    result = runner.run(dry_run=True)
    assert (result.status, result.run_id, result.changed_nodes) == ("planned", "", 4)
    assert {node.status for node in result.results} == {ExecutionStatus.PENDING}
    assert runner.provenance.journal.begin("next", 0.0) == 1
    assert "RUN    source.a" in capsys.readouterr().out


def test_a_summary_names_what_failed_and_what_was_skipped(capsys):
    def broken():
        raise RuntimeError("no such table")

    dag = DAG()
    dag.node(broken) >> dag.node(print, label="below")
    print_summary(DAGRunner(dag).run())
    lines = capsys.readouterr().out.splitlines()
    assert "Skipped:        1" in lines
    assert "✗ broken: no such table" in lines


def test_a_function_that_is_changed_runs_though_the_manifest_is_the_same(builder):
    provenance = NullProvenance()
    builder.runner(manifest(), provenance).run()
    other = dict.fromkeys(("source", "model", "rule"), lambda node: "other")
    result = DAGRunner(manifest(), provenance, executors=other, old_manifest=manifest()).run()
    assert result.successful_nodes == 4
