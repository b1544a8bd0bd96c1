"""A DAG as JSON: written and read back the same, compared, and refused with the place of what is wrong."""

from __future__ import annotations

import json
import os

import pytest

from dagbook.errors import CycleError, GraphError, ManifestError, NodeNotFoundError
from dagbook.graph.dag import DAG
from dagbook.graph.manifest import VERSION, Manifest, ManifestDiff, ManifestNode
from dagbook.graph.node import Node, NodeOptions

USERS = ManifestNode("source.users", "users", "source", ("daily",), {"table": "users", "limit": 1})
CLEAN = ManifestNode("transform.clean_users", "clean_users", "transform", (), {"dagbook": {"retries": 2}})
PLAIN = ManifestNode("report", "report")
EDGES = [("source.users", "transform.clean_users"), ("transform.clean_users", "report")]


def manifest(nodes=(USERS, CLEAN, PLAIN), edges=EDGES):
    return Manifest(nodes, edges)


def written(tmp_path, **content):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"version": 1, "nodes": [{"name": "a"}, {"name": "b"}], "edges": []} | content))
    return path


# -- files


def test_what_is_saved_is_loaded_again(tmp_path):
    path = tmp_path / "manifest.json"
    manifest().save(path)
    loaded = Manifest.load(str(path))
    assert loaded == manifest()
    assert list(loaded) == [USERS, CLEAN, PLAIN]
    assert loaded.edges == EDGES
    assert json.loads(path.read_text())["version"] == VERSION
    loaded.save(path)
    assert Manifest.load(path) == manifest()


def test_a_node_needs_only_a_name_and_its_id_is_type_and_name(tmp_path):
    path = written(tmp_path, nodes=[{"name": "a", "type": "source"}, {"name": "b"}], edges=[["source.a", "b"]])
    loaded = Manifest.load(path)
    assert list(loaded) == [ManifestNode("source.a", "a", "source"), ManifestNode("b", "b")]
    assert loaded["source.a"].config == {}


def test_a_file_that_was_there_stays_whole_when_saving_fails(tmp_path, monkeypatch):
    path = tmp_path / "manifest.json"
    manifest().save(path)
    before = path.read_bytes()
    with pytest.raises(ManifestError, match="the config of 'x' cannot be written as JSON"):
        manifest([ManifestNode("x", "x", config={"a": {1, 2}})], []).save(path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        manifest([PLAIN], []).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["manifest.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b'{"version": 1, "nodes": [{"name": "a", "config": {"x": NaN}}]}', "NaN is no number"),
        (b"[]", "it is no manifest"),
        (b'{"nodes": {}}', "it is no manifest"),
        (b'{"version": 1}', "it is no manifest"),
        (b'{"nodes": []}', '"version" is a whole number'),
        (b'{"version": true, "nodes": []}', '"version" is a whole number'),
        (b'{"version": 2, "nodes": []}', "has version 2, and this dagbook reads up to 1"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=message) as caught:
        Manifest.load(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"nodes": [{"name": "a"}, {"name": "a"}]}, r"nodes\[1\]: a node with the id 'a' is there already"),
        ({"nodes": [{"name": "a", "id": "b"}, {"name": "b"}]}, r"nodes\[1\]: a node with the id 'b'"),
        ({"edges": [["a", "b"], ["a", "bb"]]}, r"edges\[1\]: no node has the id 'bb'. Did you mean 'b'"),
        ({"nodes": ["a"]}, r"nodes\[0\] is no object"),
        ({"nodes": [{}]}, r"nodes\[0\]: the name is a text"),
        ({"nodes": [{"name": ""}]}, r"nodes\[0\]: the name is a text"),
        ({"nodes": [{"name": "a", "id": 3}]}, r"nodes\[0\]: the id is a text"),
        ({"nodes": [{"name": "a", "type": ["x"]}]}, r"nodes\[0\]: the type is a text"),
        ({"nodes": [{"name": "a", "tags": "slow"}]}, r"nodes\[0\]: the tags are a list of texts"),
        ({"nodes": [{"name": "a", "tags": [1]}]}, r"nodes\[0\]: the tags are a list of texts"),
        ({"nodes": [{"name": "a", "config": []}]}, r"nodes\[0\]: the config is an object"),
        ({"nodes": [{"name": "a", "tag": ["x"]}]}, r"nodes\[0\] has a key 'tag' .* Did you mean 'tags'"),
        ({"nodes": [{"name": "a", "config": {"dagbook": {"retries": -1}}}]}, "node 'a': .*retries"),
        ({"nodes": [{"name": "a", "config": {"dagbook": {"retry": 1}}}]}, "node 'a': .*Did you mean 'retries'"),
        ({"nodes": [{"name": "a", "config": {"dagbook": 3}}]}, "node 'a': .*an object of options"),
        ({"edges": {}}, '"edges" is a list'),
        ({"edges": ["ab"]}, r"edges\[0\] is no pair"),
        ({"edges": [["a"]]}, r"edges\[0\] is no pair"),
        ({"edges": [["a", 3]]}, r"edges\[0\] is a text"),
        ({"edge": []}, "it has a key 'edge' .* Did you mean 'edges'"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(tmp_path, content, message):
    path = written(tmp_path, **content)
    with pytest.raises(ManifestError, match=message) as caught:
        Manifest.load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there_is_told_by_name(tmp_path):
    with pytest.raises(ManifestError, match=r"nowhere\.json cannot be read: No such file"):
        Manifest.load(tmp_path / "nowhere.json")


def test_a_cycle_is_refused_with_its_path_and_the_file(tmp_path):
    nodes = [{"name": "users", "type": "source"}, {"name": "clean", "type": "transform"}]
    path = written(
        tmp_path, nodes=nodes, edges=[["source.users", "transform.clean"], ["transform.clean", "source.users"]]
    )
    with pytest.raises(ValueError, match=r"source\.users → transform\.clean → source\.users") as caught:
        Manifest.load(path)
    assert isinstance(caught.value, CycleError)
    assert str(path) in str(caught.value)
    with pytest.raises(CycleError, match="report → report"):
        manifest(edges=[("report", "report")])


# -- DAGs


def test_a_manifest_becomes_a_dag_and_back():
    dag = manifest().to_dag()
    assert dag.nodes() == ["source.users", "transform.clean_users", "report"]
    assert dag.edges() == EDGES
    assert dag["source.users"].options == NodeOptions(type="source", tags=("daily",))
    assert dag["transform.clean_users"].options.retries == 2
    assert dag.payload("source.users") is USERS
    assert Manifest.from_dag(dag) == manifest()


def test_the_manifest_of_a_dag_has_its_names_as_ids_and_its_options_and_payloads_as_config(tmp_path):
    dag = DAG()
    dag.add_node("users", type="source", tags=["daily"], timeout=3, payload={"table": "users", "columns": ("a", "b")})
    dag.add_edge("users", "report")
    dag.add_node("source.other", type="source", payload=print)
    made = Manifest.from_dag(dag)
    config = {"table": "users", "columns": ["a", "b"], "dagbook": {"timeout": 3}}
    assert made["users"] == ManifestNode("users", "users", "source", ("daily",), config)
    assert made["report"] == PLAIN
    assert made["source.other"].name == "other"
    made.save(tmp_path / "m.json")
    assert Manifest.load(tmp_path / "m.json") == made
    assert Manifest.load(tmp_path / "m.json").to_dag()["users"].options == dag["users"].options


def test_a_manifest_of_functions_gives_a_dag_with_these_functions():
    dag = DAG()
    dag.define([Node.of(lambda: 1, "a"), Node.of(lambda a: a, "b", NodeOptions.of(retries=1))])
    made = Manifest.from_dag(dag)
    again = made.to_dag()
    assert again["b"].fn is dag["b"].fn
    assert again.edges() == made.edges == [("a", "b")]
    assert again is not dag
    assert made["b"].config == {"dagbook": {"retries": 1}}


def test_changing_the_dag_of_a_manifest_leaves_the_manifest():
    dag = DAG.builder().add_edge("a", "b").build()
    made = Manifest.from_dag(dag)
    dag.add_edge("b", "c")
    made.to_dag().add_edge("b", "d")
    assert made.to_dag().nodes() == ["a", "b"]


def test_a_payload_that_is_no_json_is_told_by_name():
    dag = DAG()
    dag.add_node("a", payload={"x": object()})
    with pytest.raises(ManifestError, match="the payload of 'a' cannot be written as JSON"):
        Manifest.from_dag(dag)


def test_an_unknown_id_offers_the_nearest():
    with pytest.raises(NodeNotFoundError, match=r"Did you mean 'source\.users'"):
        manifest()["source.user"]


def test_a_manifest_error_is_an_error_of_the_graph():
    assert issubclass(ManifestError, GraphError)


# -- differences


def test_equal_manifests_do_not_differ():
    diff = manifest().diff(manifest())
    assert not diff
    assert diff == ManifestDiff([], [], [], [], [], [])


def test_what_was_added_removed_and_modified_is_told_and_what_is_touched_by_it_has_changed():
    old = manifest()
    users = ManifestNode("source.users", "users", "source", ("daily",), {"table": "users", "limit": 2})
    orders = ManifestNode("source.orders", "orders", "source")
    new = manifest(
        [users, orders, CLEAN],
        [("source.users", "transform.clean_users"), ("source.orders", "transform.clean_users")],
    )
    diff = new.diff(old)
    assert bool(diff)
    assert diff.added_nodes == ["source.orders"]
    assert diff.removed_nodes == ["report"]
    assert diff.modified_nodes == ["source.users"]
    assert diff.added_edges == [("source.orders", "transform.clean_users")]
    assert diff.removed_edges == [("transform.clean_users", "report")]
    assert diff.changed == ["source.users", "source.orders", "transform.clean_users"]
    assert ManifestDiff.of(old, new) == diff


def test_a_node_that_lost_an_input_has_changed():
    diff = manifest(edges=EDGES[:1]).diff(manifest())
    assert diff.changed == ["report"]
    assert diff.removed_edges == [EDGES[1]]
    assert (diff.added_nodes, diff.modified_nodes, diff.added_edges) == ([], [], [])


@pytest.mark.parametrize("value", [1.0, True, "1", [1], {"a": 1}, None])
def test_values_of_another_type_are_a_change(value):
    node = ManifestNode("a", "a", config={"x": value})
    assert Manifest([node]).diff(Manifest([ManifestNode("a", "a", config={"x": 1})])).modified_nodes == ["a"]


def test_the_order_of_keys_is_no_change_and_that_of_tags_and_lists_is():
    def one(config, tags=()):
        return Manifest([ManifestNode("a", "a", None, tags, config)])

    assert one({"x": 1, "y": {"p": 1, "q": 2}}) == one({"y": {"q": 2, "p": 1}, "x": 1})
    assert one({"x": [1, 2]}) != one({"x": [2, 1]})
    assert one({}, ("a", "b")) != one({}, ("b", "a"))
