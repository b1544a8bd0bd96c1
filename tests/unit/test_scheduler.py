"""The scheduler alone: whatever is thrown at it, a run only does what a run may do, and it ends."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dagbook.engine.events import NO_NODE, TERMINAL, Kind, Log
from dagbook.engine.scheduler import ENDED, GOOD, Scheduler, State

ROUNDS = int(os.environ.get("DAGBOOK_ROUNDS", "300"))
ERROR = {"type": "ValueError", "message": "no"}

FOLLOWS = {
    None: {
        Kind.NODE_QUEUED,
        Kind.NODE_REUSED,
        Kind.NODE_CUT_OFF,
        Kind.NODE_FAILED,
        Kind.NODE_SKIPPED,
        Kind.NODE_CANCELLED,
    },
    Kind.NODE_QUEUED: {Kind.NODE_STARTED, Kind.NODE_SKIPPED, Kind.NODE_CANCELLED},
    Kind.NODE_STARTED: {
        Kind.NODE_RAN,
        Kind.NODE_FAILED,
        Kind.NODE_TIMED_OUT,
        Kind.NODE_RETRIED,
        Kind.NODE_EXPANDED,
        Kind.NODE_CANCELLED,
    },
    Kind.NODE_RETRIED: {Kind.NODE_QUEUED, Kind.NODE_CANCELLED, Kind.NODE_SKIPPED},
    Kind.NODE_EXPANDED: {Kind.NODE_RAN, Kind.NODE_FAILED, Kind.NODE_CANCELLED, Kind.NODE_SKIPPED},
}
"""What the next event of one node may be, after its last one; nothing follows a terminal event."""


def make(preds, pending=None, **options):
    """A scheduler over ``preds`` (each node's inputs, all smaller numbers)."""
    succs = [[] for _ in preds]
    for i, inputs in enumerate(preds):
        for p in inputs:
            succs[p].append(i)
    log = Log([f"n{i}" for i in range(len(preds))])
    return Scheduler(preds, succs, range(len(preds)) if pending is None else pending, log, **options)


def start_all(scheduler, lanes=8):
    """Enqueue all that is settled and start it; (node, attempt) of what was started."""
    for i in scheduler.checks():
        scheduler.enqueue(i)
    started = scheduler.starts(range(1, lanes + 1), pinned=False)
    return [(i, scheduler.attempts[i]) for i, _ in started]


def run_out(scheduler):
    """Let everything succeed until the run is done; the nodes in the order of their start."""
    order = []
    while not scheduler.done:
        started = start_all(scheduler)
        order += [i for i, _ in started]
        for i, attempt in started:
            scheduler.finish(i, attempt)
        for i in scheduler.joined():
            scheduler.join(i)
        scheduler.validate()
    return order


def kinds(scheduler, i):
    return [event.kind for event in scheduler.story(i)]


class Storm(RuleBasedStateMachine):
    """Everything that can happen to a run, in any order."""

    @initialize(data=st.data())
    def begin(self, data):
        size = data.draw(st.integers(1, 12))
        self.preds = [
            tuple(sorted(data.draw(st.sets(st.integers(0, i - 1), max_size=3)))) if i else () for i in range(size)
        ]
        pending = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1)))
        self.pinned = data.draw(st.sets(st.integers(0, size - 1)))
        self.fail_fast = data.draw(st.booleans())
        self.s = make(self.preds, pending, pinned=self.pinned, fail_fast=self.fail_fast)
        self.members = set(pending)
        self.to_check = []
        self.live = {}  # node -> (attempt, lane)
        self.old = []  # (node, attempt) that are not live any more
        self.seen = 0
        self.last = {}  # node -> kind of its last event
        self.parents = {}  # child -> expanded node

    # -- the answers

    @rule(data=st.data())
    def check(self, data):
        taken = self.s.checks()
        assert not (self.s.paused and taken)
        for i in taken:
            assert self.s.state(i) is State.SETTLED
            self.inputs_are_there(i)
            answers = [self.s.reuse, self.s.cut_off, self.s.enqueue, self.s.enqueue, self.s.enqueue, None]
            answer = data.draw(st.sampled_from(answers))
            if answer:
                answer(i)
            else:
                self.to_check.append(i)

    @precondition(lambda self: self.to_check)
    @rule()
    def answer_check_late(self):
        i = self.to_check.pop()
        if self.s.state(i) is State.SETTLED:  # else it was skipped or cancelled meanwhile
            self.s.enqueue(i)

    @rule(slots=st.integers(1, 3))
    def start(self, slots):
        for pinned in (True, False):
            taken = {lane for _, lane in self.live.values()}
            lanes = [lane for lane in ([0] if pinned else range(1, slots + 1)) if lane not in taken]
            started = self.s.starts(lanes, pinned=pinned)
            assert not (started and (self.s.paused or self.s.cancelling))
            assert len({lane for _, lane in started}) == len(started)
            for i, lane in started:
                assert lane in lanes
                assert i not in self.live
                assert (self.parents.get(i, i) in self.pinned) == pinned
                self.inputs_are_there(i)
                self.live[i] = (self.s.attempts[i], lane)

    def inputs_are_there(self, i):
        for p in self.preds[i] if i < len(self.preds) else ():
            assert p not in self.members or self.s.state(p) in GOOD, (i, p)

    def pick(self, data):
        i = data.draw(st.sampled_from(sorted(self.live)))
        attempt, _ = self.live.pop(i)
        self.old.append((i, attempt))
        return i, attempt

    @precondition(lambda self: self.live)
    @rule(data=st.data(), how=st.sampled_from(["finish", "equal", "fail", "retry", "time out", "abandon"]))
    def answer(self, data, how):
        i, attempt = self.pick(data)
        match how:
            case "finish" | "equal":
                assert self.s.finish(i, attempt, how == "finish")
            case "fail":
                assert self.s.fail(i, attempt, ERROR)
            case "retry":
                assert self.s.retry(i, attempt, ERROR)
            case "time out":
                assert self.s.time_out(i, attempt, 0.5)
            case "abandon":
                assert self.s.abandon(i)

    @precondition(lambda self: self.live and len(self.parents) < 12)
    @rule(data=st.data(), count=st.integers(0, 4))
    def expand(self, data, count):
        i, attempt = self.pick(data)
        if i in self.parents:  # a child is never expanded again
            assert self.s.finish(i, attempt)
            return
        labels = [str(n) for n in range(count)]
        children = self.s.expand(i, attempt, labels, [f"n{i}[{label}]" for label in labels])
        assert len(children) == count
        self.members.update(children)
        self.parents.update(dict.fromkeys(children, i))

    @rule()
    def join(self):
        for i in self.s.joined():
            assert all(self.s.state(c) in GOOD for c, p in self.parents.items() if p == i)
            self.s.join(i)

    @precondition(lambda self: self.old)
    @rule(data=st.data())
    def late_answer(self, data):
        i, attempt = data.draw(st.sampled_from(self.old))
        before = len(self.s.log)
        assert not self.s.finish(i, attempt)
        assert not self.s.retry(i, attempt, ERROR)
        assert not self.s.time_out(i, attempt, 1.0)
        assert self.s.expand(i, attempt, ["0"], ["late[0]"]) is None
        if self.s.state(i) is not State.SETTLED:
            assert not self.s.fail(i, attempt, ERROR)
        if self.s.state(i) is not State.RUNNING:
            assert not self.s.abandon(i)
        assert len(self.s.log) == before

    # -- from outside

    @rule(what=st.sampled_from(["pause", "pause", "pause", "resume", "resume", "resume", "cancel"]))
    def command(self, what):
        getattr(self.s, what)()

    # -- what must hold after each step

    @invariant()
    def only_legal_transitions(self):
        log = self.s.log
        for seq in range(self.seen, len(log)):
            i, kind = log.node[seq], Kind(log.kind[seq])
            if i != NO_NODE:
                assert i in self.members
                assert kind in FOLLOWS.get(self.last.get(i), ()), (i, self.last.get(i), kind)
                self.last[i] = kind
        self.seen = len(log)

    @invariant()
    def the_state_agrees_with_itself(self):
        self.s.validate()
        assert self.s.running == set(self.live)

    @invariant()
    def nothing_starts_after_a_first_failure_when_told_so(self):
        if self.fail_fast:
            failed = [s for s, k in enumerate(self.s.log.kind) if k in (Kind.NODE_FAILED, Kind.NODE_TIMED_OUT)]
            started = [s for s, k in enumerate(self.s.log.kind) if k == Kind.NODE_STARTED]
            assert not failed or not started or started[-1] < failed[0]

    def teardown(self):
        if not hasattr(self, "s"):
            return
        self.s.resume()
        for _ in range(20 * len(self.members) + 20):
            if self.s.done:
                break
            for i in self.to_check + self.s.checks():
                if self.s.state(i) is State.SETTLED:
                    self.s.enqueue(i)
            self.to_check = []
            self.start(3)
            while self.live:
                i, (attempt, _) = self.live.popitem()
                self.s.finish(i, attempt)
            self.join()
            self.only_legal_transitions()
            self.the_state_agrees_with_itself()
        assert self.s.done, "the run never ends"
        ends = [self.s.log.node[seq] for seq, k in enumerate(self.s.log.kind) if Kind(k) in TERMINAL]
        assert sorted(ends) == sorted(self.members)
        assert all(self.s.state(i) in ENDED for i in self.members)


Storm.TestCase.settings = settings(
    max_examples=ROUNDS,
    stateful_step_count=40,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestStorm = pytest.mark.slow(Storm.TestCase)


def test_each_node_starts_after_all_that_it_needs():
    scheduler = make([(), (0,), (0,), (1, 2), ()])
    order = run_out(scheduler)
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert order.index(3) > max(order.index(1), order.index(2)) > order.index(0)


def test_only_pending_nodes_run_and_others_count_as_settled():
    assert run_out(make([(), (0,), (1,), (2,)], pending=[2, 3])) == [2, 3]


def test_a_chain_of_100_000_nodes_needs_no_recursion():
    size = 100_000
    scheduler = make([(), *((i,) for i in range(size - 1))])
    scheduler.fail(*start_all(scheduler)[0], ERROR)
    assert scheduler.done
    assert scheduler.state(size - 1) is State.SKIPPED


def test_what_needs_a_failed_node_is_skipped_with_its_name_and_the_rest_goes_on():
    scheduler = make([(), (), (0,), (2,), (1,)])
    started = dict(start_all(scheduler))
    scheduler.fail(0, started[0], ERROR)
    assert [scheduler.state(i) for i in (2, 3)] == [State.SKIPPED] * 2
    assert scheduler.story(3)[-1].detail["reason"] == "n0 failed"
    scheduler.finish(1, started[1])
    assert run_out(scheduler) == [4]


def test_a_node_below_two_failures_is_skipped_once_by_the_first():
    scheduler = make([(), (), (0, 1)])
    for i, attempt in start_all(scheduler):
        scheduler.fail(i, attempt, ERROR)
    assert kinds(scheduler, 2) == [Kind.NODE_SKIPPED]
    assert scheduler.done


def test_the_result_of_a_timed_out_attempt_is_ignored():
    scheduler = make([(), (0,)])
    ((i, attempt),) = start_all(scheduler)
    assert scheduler.time_out(i, attempt, 0.5)
    assert not scheduler.finish(i, attempt)
    assert scheduler.state(0) is State.TIMED_OUT
    assert scheduler.story(1)[-1].detail["reason"] == "n0 timed out"


def test_the_answer_of_an_earlier_attempt_is_ignored_while_the_next_one_runs():
    scheduler = make([()])
    ((i, first),) = start_all(scheduler)
    scheduler.retry(i, first, ERROR)
    ((_, second),) = start_all(scheduler)
    assert second == first + 1
    assert not scheduler.finish(i, first)
    assert scheduler.finish(i, second)
    assert kinds(scheduler, 0) == [
        Kind.NODE_QUEUED,
        Kind.NODE_STARTED,
        Kind.NODE_RETRIED,
        Kind.NODE_QUEUED,
        Kind.NODE_STARTED,
        Kind.NODE_RAN,
    ]


def test_a_pause_starts_and_checks_nothing_until_resumed():
    scheduler = make([(), (0,), ()])
    started = dict(start_all(scheduler, lanes=1))
    scheduler.pause()
    scheduler.finish(0, started[0])
    assert scheduler.checks() == []
    assert scheduler.starts([1, 2], pinned=False) == []
    scheduler.resume()
    assert run_out(scheduler) == [1, 2]


def test_a_cancel_lets_what_runs_end_and_starts_nothing_more():
    scheduler = make([(), (), (0,)])
    ((i, attempt),) = start_all(scheduler, lanes=1)
    scheduler.cancel()
    assert [scheduler.state(j) for j in (0, 1, 2)] == [State.RUNNING, State.CANCELLED, State.CANCELLED]
    assert scheduler.finish(i, attempt)
    assert scheduler.done
    assert scheduler.state(0) is State.RAN


def test_a_cancel_ends_a_pause():
    scheduler = make([()])
    scheduler.pause()
    scheduler.cancel()
    assert not scheduler.paused
    assert scheduler.done


def test_an_expanded_node_ends_with_its_children_and_releases_what_needs_it():
    scheduler = make([(), (0,)])
    scheduler.expand(*start_all(scheduler)[0], ["a", "b"], ["n0[a]", "n0[b]"])
    assert scheduler.joined() == []
    for i, attempt in start_all(scheduler):
        assert i in (2, 3)
        scheduler.finish(i, attempt)
    assert scheduler.joined() == [0]
    scheduler.join(0)
    assert run_out(scheduler) == [1]


def test_a_node_expanded_into_nothing_is_joined_at_once():
    scheduler = make([(), (0,)])
    scheduler.expand(*start_all(scheduler)[0], [], [])
    assert scheduler.joined() == [0]


def test_siblings_of_a_failed_child_go_on_and_what_needs_the_whole_is_skipped_at_once():
    scheduler = make([(), (0,)])
    scheduler.expand(*start_all(scheduler)[0], ["0", "1"], ["n0[0]", "n0[1]"])
    (first, second) = start_all(scheduler)
    scheduler.fail(*first, ERROR)
    assert scheduler.state(1) is State.SKIPPED
    assert scheduler.story(1)[-1].detail["reason"] == "n0 failed"
    assert scheduler.state(0) is State.EXPANDED
    scheduler.finish(*second)
    assert scheduler.state(0) is State.FAILED
    assert scheduler.story(0)[-1].detail["error"]["child"] == "n0[0]"
    assert scheduler.done


def test_fail_fast_skips_all_that_has_not_started_and_lets_the_rest_end():
    scheduler = make([(), (), (1,), ()], fail_fast=True)
    started = dict(start_all(scheduler, lanes=2))
    assert set(started) == {0, 1}
    scheduler.fail(0, started[0], ERROR)
    assert [scheduler.state(i) for i in (1, 2, 3)] == [State.RUNNING, State.SKIPPED, State.SKIPPED]
    assert "stops at the first failure" in scheduler.story(3)[-1].detail["reason"]
    scheduler.finish(1, started[1])
    assert scheduler.done


def test_after_a_fail_fast_stop_nothing_is_tried_again_and_nothing_is_expanded():
    scheduler = make([(), (), ()], fail_fast=True)
    started = dict(start_all(scheduler))
    scheduler.fail(0, started[0], ERROR)
    scheduler.retry(1, started[1], ERROR)
    scheduler.expand(2, started[2], ["0"], ["n2[0]"])
    assert start_all(scheduler) == []
    assert scheduler.done


def test_a_skipped_child_is_never_called_failed():
    scheduler = make([(), (), (1,)], fail_fast=True)
    started = dict(start_all(scheduler))
    scheduler.expand(1, started[1], ["0"], ["n1[0]"])
    scheduler.fail(0, started[0], ERROR)
    assert "n1[0] failed" not in str([event.detail for event in scheduler.log])
    assert scheduler.state(1) is State.SKIPPED


def test_pinned_nodes_and_their_children_start_in_the_first_lane_only():
    scheduler = make([(), ()], pinned={1})
    for i in scheduler.checks():
        scheduler.enqueue(i)
    assert scheduler.starts([1, 2, 3], pinned=False) == [(0, 1)]
    assert scheduler.starts([0], pinned=True) == [(1, 0)]
    scheduler.expand(1, 1, ["0"], ["n1[0]"])
    for i in scheduler.checks():
        scheduler.enqueue(i)
    assert scheduler.starts([2, 3], pinned=False) == []
    assert scheduler.starts([0], pinned=True) == [(2, 0)]


def test_the_story_of_a_node_is_its_events_in_order():
    scheduler = make([(), (0,)])
    run_out(scheduler)
    assert kinds(scheduler, 1) == [Kind.NODE_QUEUED, Kind.NODE_STARTED, Kind.NODE_RAN]
    assert [e.node for e in scheduler.story(1)] == ["n1"] * 3
