"""What a run is about: names, types and tags mean the same wherever they are said."""

from __future__ import annotations

import pytest

from dagbook.errors import NodeNotFoundError, UsageError
from dagbook.graph.dag import DAG
from dagbook.graph.selection import find, qualified, select


@pytest.fixture
def topology():
    dag = DAG()
    dag.add_node("source.users", type="source")
    dag.add_node("clean", type="transform", tags=["daily"])
    dag.add_node("model.users", type="model", tags=["expensive", "daily"])
    dag.add_node("plain")
    dag.add_edges([("source.users", "clean"), ("clean", "model.users"), ("plain", "model.users")])
    return dag.topology()


def test_without_words_everything_is_wanted_and_nothing_forced(topology):
    chosen = select(topology)
    assert chosen.targets == tuple(topology.names)
    assert not chosen.forced
    assert not chosen.left_out


def test_full_forces_everything(topology):
    assert select(topology, full=True).forced == set(topology.names)


def test_names_bring_what_is_below_and_force_it(topology):
    chosen = select(topology, names=["clean"])
    assert set(chosen.targets) == chosen.forced == {"clean", "model.users"}


def test_a_tag_leaves_out_with_its_reason(topology):
    chosen = select(topology, full=True, exclude_tags=["expensive"])
    assert chosen.left_out == {"model.users": "it is tagged expensive, which is excluded"}
    assert "model.users" not in chosen.targets
    assert "model.users" not in chosen.forced


def test_types_leave_out_all_others(topology):
    chosen = select(topology, types=["model"])
    assert set(chosen.left_out) == {"source.users", "clean", "plain"}
    assert chosen.left_out["plain"] == "it is of no type, and only model was asked for"


def test_a_type_that_no_node_has_leaves_out_everything(topology):
    assert set(select(topology, types=["rule"]).left_out) == set(topology.names)


def test_no_names_at_all_select_nothing(topology):
    chosen = select(topology, names=[])
    assert chosen.targets == ()
    assert set(chosen.left_out) == set(topology.names)


@pytest.mark.parametrize("name", ["clean", "transform.clean"])
def test_a_node_is_found_by_its_name_with_and_without_its_type(topology, name):
    assert topology.names[find(topology, name)] == "clean"


def test_a_bare_name_that_fits_two_is_refused(topology):
    with pytest.raises(UsageError, match=r"'users' could be source\.users and model\.users"):
        find(topology, "users")
    assert topology.names[find(topology, "model.users")] == "model.users"


def test_an_unknown_name_is_refused_with_the_nearest(topology):
    with pytest.raises(NodeNotFoundError, match=r"transform\.clean"):
        find(topology, "transform.claen")


def test_a_text_where_a_list_is_meant_is_refused(topology):
    for words in ({"names": "clean"}, {"types": "model"}, {"exclude_tags": "daily"}, {"names": [1]}):
        with pytest.raises(UsageError, match="a list of texts"):
            select(topology, **words)


def test_a_node_is_titled_with_its_type_once(topology):
    assert [qualified(node) for node in topology.nodes] == ["source.users", "transform.clean", "plain", "model.users"]
