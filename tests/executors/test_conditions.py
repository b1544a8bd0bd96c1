"""Conditions on edges: what runs, what is skipped, and why."""

from __future__ import annotations

import pytest

from dagbook import ConditionalExecutor, NodeNotFoundError, UsageError
from tests.executors.conftest import failing, graph, statuses


@pytest.mark.parametrize("ok", [True, False])
def test_of_two_branches_one_runs(account, ok):
    dag = graph("check>deploy>announce", "check>repair")
    conditions = {("check", "deploy"): lambda value: value, ("check", "repair"): lambda value: not value}
    result = ConditionalExecutor(dag, conditions).execute(account.tasks(dag, check=ok))
    assert account.ran == (["check", "deploy", "announce"] if ok else ["check", "repair"])
    assert {n for n, s in statuses(result).items() if s == "SKIPPED"} == ({"repair"} if ok else {"deploy", "announce"})
    assert "condition" in result["repair" if ok else "deploy"].reason


def test_a_join_needs_one_of_its_conditions(account):
    dag = graph("a>join", "b>join")
    conditions = {("a", "join"): bool, ("b", "join"): bool}
    for a, b, runs in ((1, 0, True), (0, 1, True), (1, 1, True), (0, 0, False)):
        result = ConditionalExecutor(dag, conditions).execute(account.tasks(dag, a=a, b=b))
        assert (result["join"].status.name == "COMPLETED") is runs


def test_a_join_of_two_branches_runs_after_the_one_that_was_taken(account):
    dag = graph("check>left>join", "check>right>join")
    conditions = {
        ("check", "left"): lambda value: value == "left",
        ("check", "right"): lambda value: value == "right",
        ("left", "join"): lambda value: True,
        ("right", "join"): lambda value: True,
    }
    result = ConditionalExecutor(dag, conditions).execute(account.tasks(dag, check="right"))
    assert account.ran == ["check", "right", "join"]
    assert (result.succeeded, result.skipped) == (3, 1)


def test_an_unconditional_input_that_was_skipped_skips(account):
    dag = graph("check>left>join", "other>join")
    result = ConditionalExecutor(dag, {("check", "left"): lambda value: False}).execute(account.tasks(dag))
    assert statuses(result) == {"check": "COMPLETED", "other": "COMPLETED", "left": "SKIPPED", "join": "SKIPPED"}
    assert result["join"].reason == "left was skipped"


def test_a_condition_that_raises_fails_the_node_below_it(account):
    dag = graph("a>b>c", "d")
    result = ConditionalExecutor(dag, {("a", "b"): lambda value: value.nothing}, fail_fast=False).execute(
        account.tasks(dag)
    )
    assert statuses(result) == {"a": "COMPLETED", "b": "FAILED", "c": "SKIPPED", "d": "COMPLETED"}
    assert isinstance(result["b"].error, AttributeError)


def test_a_failure_is_not_a_condition(account):
    dag = graph("a>b")
    result = ConditionalExecutor(dag, {("a", "b"): lambda value: True}).execute(account.tasks(dag, a=failing))
    assert statuses(result) == {"a": "FAILED", "b": "SKIPPED"}


async def _condition(value):
    return True


@pytest.mark.parametrize(
    ("conditions", "error", "said"),
    [
        ({("a", "x"): bool}, NodeNotFoundError, "'x'"),
        ({("b", "a"): bool}, UsageError, "no such edge"),
        ({("a", "b"): True}, UsageError, "must be a plain function"),
        ({("a", "b"): _condition}, UsageError, "must be a plain function"),
        ({"ab": bool}, UsageError, "pair"),
        ([("a", "b")], UsageError, "conditions"),
    ],
)
def test_conditions_that_do_not_fit_are_refused_before_anything_runs(account, conditions, error, said):
    dag = graph("a>b")
    with pytest.raises(error, match=said):
        ConditionalExecutor(dag, conditions).execute(account.tasks(dag))
    assert account.ran == []
