"""The scheduler alone: whatever is thrown at it, a run only does what a run may do, and it ends."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dagbook.engine.events import NO_NODE, TERMINAL, Kind, Log
from dagbook.engine.scheduler import Scheduler
from dagbook.engine.states import ENDED, GOOD, Place, State

ROUNDS = int(os.environ.get("DAGBOOK_ROUNDS", "300"))
ERROR = {"type": "ValueError", "message": "no"}
NOT_STARTED = {State.WAITING, State.SETTLED, State.READY}
MOST_NODES = 30
MODES = ["checked", "checked", "free", "in order", "stretches", "stretches", "stretches in order"]
ANSWERS = ["run", "run", "run", "reuse", "cut off", "skip", "leave out", "fail", "later"]

ENDINGS = {Kind.NODE_SKIPPED, Kind.NODE_CANCELLED}
FOLLOWS = {
    None: {
        Kind.NODE_QUEUED,
        Kind.NODE_STARTED,
        Kind.NODE_REUSED,
        Kind.NODE_CUT_OFF,
        Kind.NODE_FAILED,
        *ENDINGS,
    },
    Kind.NODE_QUEUED: {Kind.NODE_STARTED, *ENDINGS},
    Kind.NODE_STARTED: {
        Kind.NODE_RAN,
        Kind.NODE_FAILED,
        Kind.NODE_TIMED_OUT,
        Kind.NODE_RETRIED,
        Kind.NODE_EXPANDED,
        Kind.NODE_CANCELLED,
    },
    Kind.NODE_RETRIED: {Kind.NODE_QUEUED, *ENDINGS},
    Kind.NODE_EXPANDED: {Kind.NODE_RAN, Kind.NODE_FAILED, *ENDINGS},
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


def taken(scheduler, place=Place.WORKER, most=8):
    """Take up to ``most`` nodes, each on a lane of its own."""
    nodes = []
    while len(nodes) < most and (i := scheduler.take(place, len(nodes) + 1)) is not None:
        nodes.append(i)
    return nodes


def start_all(scheduler, lanes=8):
    """Enqueue all that is settled and start it; (node, attempt) of what was started."""
    for i in scheduler.checks():
        scheduler.enqueue(i)
    return [(i, scheduler.attempt(i)) for i in taken(scheduler, most=lanes)]


def run_out(scheduler):
    """Let everything succeed until the run is done; the nodes in the order of their start."""
    order = []
    while not scheduler.done:
        started = start_all(scheduler)
        assert started or scheduler.joined(), "the run never ends"
        order += [i for i, _ in started]
        for i, attempt in started:
            scheduler.finish(i, attempt)
        for i in scheduler.joined():
            scheduler.join(i)
        scheduler.validate()
    return order


def kinds(scheduler, i):
    return [event.kind for event in scheduler.story(i)]


class Lane:
    """What a lane works on: ``nodes``, of which ``seen`` are in the log and ``ended`` are over."""

    def __init__(self, nodes, lane):
        self.nodes, self.lane = nodes, lane
        self.seen = self.ended = 0

    @property
    def current(self):
        return self.nodes[self.seen]


class Storm(RuleBasedStateMachine):
    """Everything that can happen to a run, in any order."""

    @initialize(data=st.data())
    def begin(self, data):
        draw = data.draw
        size = draw(st.integers(1, 12))
        most = draw(st.integers(1, 3))
        preds = [tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=most)))) if i else () for i in range(size)]
        self.mode = draw(st.sampled_from(MODES))
        self.stretches = self.mode.startswith("stretches")
        self.one_lane = self.mode.endswith("in order")
        whole = draw(st.booleans())
        pending = range(size) if whole else sorted(draw(st.sets(st.integers(0, size - 1), min_size=1)))
        self.fail_fast = draw(st.booleans())
        anywhere = st.lists(st.sampled_from(Place), min_size=1)
        self.places = [Place.WORKER] if self.one_lane or self.stretches else draw(anywhere)
        self.capacities = {"gpu": 2, "ram": 3}
        some = st.fixed_dictionaries({}, optional={"gpu": st.integers(0, 2), "ram": st.integers(0, 3)})
        self.demands = [{}] if self.stretches else draw(st.lists(some, min_size=1, max_size=5))
        self.ranks = draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
        options = {}
        if self.demands != [{}]:
            options |= {"demand": self.demand, "capacities": self.capacities}
        if self.places != [Place.WORKER]:
            options["place"] = self.place
        if not self.one_lane:
            options["rank"] = self.rank
        self.growing = not self.stretches or draw(st.booleans())
        if self.stretches and self.growing:
            options["alone"] = self.alone
        self.s = make(
            preds, pending, checked=self.mode == "checked", in_order=self.one_lane, fail_fast=self.fail_fast, **options
        )
        self.members = set(pending)
        self.to_check = []
        self.live = {}  # the node that a lane is at, as far as the log knows -> the lane
        self.old = []  # (node, attempt) that are not live any more
        self.dropped = set()  # nodes that were skipped by a check or taken out: what needs them goes on
        self.unsettled = set()  # nodes that got another input when they were about to start
        self.grew = None  # the node that others were just added for
        self.seen = 0
        self.last = {}  # node -> kind of its last event
        self.parents = {}  # child -> expanded node

    def place(self, i):
        return self.places[i % len(self.places)]

    def where(self, i):
        """Where a node is to run; a child is asked about like any other."""
        return self.place(i)

    def alone(self, i):
        return i % 3 == 0

    def demand(self, i):
        return self.demands[i % len(self.demands)]

    def rank(self, i):
        return float(self.ranks[i % len(self.ranks)])

    # -- the answers to checks

    @rule(data=st.data())
    def check(self, data):
        found = self.s.checks()
        assert not (self.s.paused and found)
        assert len(set(found)) == len(found)
        for i in found:
            assert self.s.state(i) is State.SETTLED
            self.inputs_are_there(i)
        for i in found:
            answer = data.draw(st.sampled_from(ANSWERS))
            if self.s.state(i) is not State.SETTLED:
                continue  # an answer to another has skipped it
            match answer:
                case "run":
                    self.s.enqueue(i)
                case "reuse":
                    self.s.reuse(i)
                case "cut off":
                    self.s.cut_off(i)
                case "skip":
                    self.dropped.add(i)
                    self.s.skip(i, "a condition is not met")
                case "leave out":
                    self.s.leave_out(i, "it was left out")
                case "fail":
                    assert self.s.fail(i, self.s.attempt(i), ERROR)
                case "later":
                    self.to_check.append(i)

    @precondition(lambda self: self.to_check)
    @rule()
    def answer_check_late(self):
        i = self.to_check.pop()
        if self.s.state(i) is State.SETTLED:  # else it was skipped or cancelled meanwhile
            self.s.enqueue(i)

    # -- starts

    @rule(place=st.sampled_from(Place), data=st.data())
    def start(self, place, data):
        if self.one_lane and self.live:
            return  # it is busy
        lane = data.draw(st.integers(0, 3))
        could = self.could_start(place)
        i = self.s.take(place, lane)
        if i is None:
            assert self.one_lane or not could, "a node that is ready is not handed out"
            return
        assert not self.s.paused
        assert not self.s.cancelling
        assert i not in self.live
        assert self.s.lane(i) == lane
        assert self.one_lane or i == min(could, key=lambda j: (self.rank(j), j)), "not the most urgent"
        assert self.one_lane or self.where(i) == place
        self.inputs_are_there(i)
        nodes = list(self.s.stretch(i, data.draw(st.sampled_from([4, 2, 1])))) if self.stretches else [i]
        assert nodes[0] == i
        assert len(set(nodes)) == len(nodes)
        assert not self.promised().intersection(nodes)
        assert len(nodes) == 1 or not self.growing or not any(map(self.alone, nodes))
        self.live[i] = Lane(nodes, lane)

    def promised(self):
        """The nodes that lanes will come to."""
        return {i for lane in self.live.values() for i in lane.nodes[lane.seen + 1 :]}

    def could_start(self, place):
        """The nodes that may be started there now, told independently of the scheduler."""
        if self.s.paused or self.s.cancelling:
            return []
        promised = self.promised()
        free = {name: amount - self.in_use(name) for name, amount in self.capacities.items()}
        return [
            i
            for i in self.members
            if self.s.state(i) is State.READY
            and i not in self.s.resting
            and i not in promised
            and self.where(i) == place
            and all(free[name] >= amount for name, amount in self.demand(i).items())
        ]

    def in_use(self, name):
        return sum(self.demand(i).get(name, 0) for i in self.live)

    def inputs_are_there(self, i):
        for p in self.s.preds(i):
            assert p not in self.members or self.s.state(p) in GOOD or p in self.dropped, (i, p)

    # -- lanes that run several nodes

    @precondition(lambda self: self.stretches and self.live)
    @rule(data=st.data(), count=st.integers(1, 4))
    def run_on(self, data, count):
        """A lane ends nodes; nobody is told yet."""
        lane = self.live[data.draw(st.sampled_from(sorted(self.live)))]
        lane.ended = min(lane.ended + count, len(lane.nodes) - 1)

    @rule(halt=st.booleans())
    def catch_up(self, halt=False):
        """Log what has ended in the middle; with ``halt`` no lane goes on to another node."""
        for lane in list(self.live.values()):
            self.tell(lane)
            if halt:
                self.s.put_back(lane.nodes[lane.seen + 1 :])
                lane.nodes = lane.nodes[: lane.seen + 1]

    @precondition(lambda self: self.stretches and self.live)
    @rule(data=st.data())
    def run_to_the_end(self, data):
        """A lane has ended all its nodes, and says so."""
        lane = self.live.pop(data.draw(st.sampled_from(sorted(self.live))))
        nodes = lane.nodes[lane.seen :]
        self.s.now += 1.0
        self.old += [(i, self.s.attempt(i)) for i in nodes]
        self.s.ran(nodes, [self.s.now] * len(nodes), lane.lane)

    def tell(self, lane):
        if lane.ended > lane.seen:
            del self.live[lane.current]
            self.s.now += 1.0
            self.old += [(i, self.s.attempt(i)) for i in lane.nodes[lane.seen : lane.ended]]
            self.s.ran(lane.nodes[lane.seen :], [self.s.now] * (lane.ended - lane.seen), lane.lane)
            lane.seen = lane.ended
            self.s.follow(lane.current, self.s.now, lane.lane)
            self.live[lane.current] = lane

    # -- the answers to starts

    def pick(self, data):
        """A node that runs, whose end is told now."""
        i = data.draw(st.sampled_from(sorted(self.live)))
        self.tell(self.live[i])
        if self.stretches and self.fail_fast:
            self.catch_up(halt=True)
        i = next(j for j, lane in self.live.items() if i in lane.nodes)
        lane = self.live.pop(i)
        attempt = self.s.attempt(i)
        self.old.append((i, attempt))
        return i, attempt, lane.nodes[lane.seen + 1 :]

    @precondition(lambda self: self.live)
    @rule(data=st.data(), how=st.sampled_from(["finish", "equal", "fail", "retry", "rest", "time out", "abandon"]))
    def answer(self, data, how):
        i, attempt, rest = self.pick(data)
        match how:
            case "finish" | "equal":
                assert self.s.finish(i, attempt, how == "finish")
            case "fail":
                assert self.s.fail(i, attempt, ERROR)
            case "retry" | "rest":
                assert self.s.retry(i, attempt, ERROR, rest=how == "rest")
            case "time out":
                assert self.s.time_out(i, attempt, 0.5)
            case "abandon":
                assert self.s.abandon(i)
        self.s.put_back(rest)

    @precondition(lambda self: self.s.resting)
    @rule(data=st.data())
    def wake(self, data):
        self.s.wake(data.draw(st.sampled_from(sorted(self.s.resting))))

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

    # -- a graph that grows

    @precondition(lambda self: self.live and not self.stretches and len(self.members) < MOST_NODES)
    @rule(data=st.data(), count=st.integers(0, 4), edges=st.booleans())
    def expand(self, data, count, edges):
        i, attempt, _ = self.pick(data)
        labels = [str(n) for n in range(count)]
        few = [st.sets(st.integers(0, n - 1), max_size=2) if n else st.just(()) for n in range(count)]
        inner = [sorted(data.draw(some)) for some in few] if edges else ()
        children = self.s.expand(i, attempt, labels, [f"{self.s.log.names[i]}[{n}]" for n in labels], inner)
        assert len(children) == count
        self.members.update(children)
        self.parents.update(dict.fromkeys(children, i))

    @rule()
    def join(self):
        for i in self.s.joined():
            assert all(self.s.state(c) in GOOD for c, p in self.parents.items() if p == i)
            self.s.join(i)

    @precondition(lambda self: self.growers() and len(self.members) < MOST_NODES)
    @rule(data=st.data(), count=st.integers(1, 4))
    def grow(self, data, count):
        i = data.draw(st.sampled_from(self.growers()))
        self.catch_up(halt=True)
        first = len(self.s.log.names)
        needs = [sorted(data.draw(st.sets(st.integers(0, first + n - 1), max_size=3))) for n in range(count)]
        above = self.above({p for inputs in needs for p in inputs if p < first})
        free = sorted(j for j in self.members if self.s.state(j) in NOT_STARTED and j not in above)
        readers = [sorted(data.draw(st.sets(st.sampled_from(free), max_size=2))) if free else [] for _ in range(count)]
        for j in {j for each in readers for j in each}:
            if self.s.state(j) in (State.SETTLED, State.READY):
                self.unsettled.add(j)
        if self.mode == "checked":  # whether a skipped input keeps a new node from running, its check says
            below = {p for inputs in needs for p in inputs if p < first}
            self.dropped.update(p for p in below if self.s.state(p) is State.SKIPPED)
        new = self.s.grow(i, [f"g{first + n}" for n in range(count)], needs, readers)
        assert list(new) == list(range(first, first + count))
        self.members.update(new)
        self.grew = i
        for n, inputs in zip(new, needs):
            assert set(inputs) <= set(self.s.preds(n))
        for n, each in zip(new, readers):
            assert all(n in self.s.preds(j) for j in each)

    def growers(self):
        return sorted(i for i in self.live if self.growing and (not self.stretches or self.alone(i)))

    def above(self, nodes):
        """``nodes`` and all that has to end before they can."""
        found, stack = set(nodes), list(nodes)
        while stack:
            i = stack.pop()
            children = [c for c, p in self.parents.items() if p == i]
            for p in (*self.s.preds(i), *children):
                if p not in found:
                    found.add(p)
                    stack.append(p)
        return found

    @rule(data=st.data())
    def remove(self, data):
        self.catch_up(halt=True)
        i = data.draw(st.sampled_from(sorted(self.members)))
        could = self.s.state(i) in NOT_STARTED
        if could:
            self.dropped.add(i)
        assert self.s.remove(i, "taken out") == could
        if could:
            assert self.s.state(i) is State.SKIPPED

    # -- from outside

    @rule(what=st.sampled_from(["pause", "pause", "pause", "resume", "resume", "resume", "cancel", "expire"]))
    def command(self, what):
        if what != "resume":
            self.catch_up(halt=True)
        if what == "expire":
            self.old += [(i, self.s.attempt(i)) for i in self.live]
            self.live.clear()
            self.s.expire("the time is over")
            assert self.s.done or self.s.joined()
        else:
            getattr(self.s, what)()

    # -- what must hold after each step

    @invariant()
    def only_legal_transitions(self):
        log = self.s.log
        for seq in range(self.seen, len(log)):
            i, kind = log.node[seq], Kind(log.kind[seq])
            if i == NO_NODE:
                continue
            assert i in self.members
            if kind is Kind.NODE_EXPANDED and i == self.grew:
                self.grew = None  # it runs on
                continue
            last = self.last.get(i)
            if i in self.unsettled and last in (Kind.NODE_QUEUED, Kind.NODE_RETRIED):
                last = None  # it was looked at once more
            assert kind in FOLLOWS.get(last, ()), (i, last, kind)
            self.last[i] = kind
        self.seen = len(log)

    @invariant()
    def the_state_agrees_with_itself(self):
        self.s.validate()
        assert self.s.running == set(self.live)

    @invariant()
    def no_more_is_taken_than_there_is(self):
        for name, amount in self.capacities.items():
            assert self.in_use(name) <= amount

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
            self.drain()
            self.only_legal_transitions()
            self.the_state_agrees_with_itself()
        assert self.s.done, "the run never ends"
        ends = [self.s.log.node[seq] for seq, k in enumerate(self.s.log.kind) if Kind(k) in TERMINAL]
        assert sorted(ends) == sorted(self.members)
        assert all(self.s.state(i) in ENDED for i in self.members)

    def drain(self):
        """Let everything that can go on go on, and go well."""
        for i in list(self.s.resting):
            self.s.wake(i)
        for i in self.to_check + self.s.checks():
            if self.s.state(i) is State.SETTLED:
                self.s.enqueue(i)
        self.to_check = []
        for place in Place:
            while not (self.one_lane and self.live) and (i := self.s.take(place, 1)) is not None:
                self.inputs_are_there(i)
                self.live[i] = Lane([i], 1)
        for lane in list(self.live.values()):
            self.tell(lane)
            i = lane.current
            del self.live[i]
            assert self.s.finish(i, self.s.attempt(i))
            self.s.put_back(lane.nodes[lane.seen + 1 :])
        self.join()


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


@pytest.mark.parametrize("options", [{}, {"checked": False, "in_order": True}])
def test_a_chain_of_100_000_nodes_needs_no_recursion(options):
    size = 100_000
    scheduler = make([(), *((i,) for i in range(size - 1))], **options)
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


@pytest.mark.parametrize("options", [{}, {"in_order": True}])
def test_a_node_that_rests_is_not_started_until_it_is_woken(options):
    scheduler = make([(), (0,)], checked=False, **options)
    scheduler.retry(0, scheduler.attempt(scheduler.take()), ERROR, rest=True)
    assert scheduler.take() is None
    assert not scheduler.waiting()
    scheduler.wake(0)
    assert run_out(scheduler) == [0, 1]


def test_a_pause_starts_and_checks_nothing_until_resumed():
    scheduler = make([(), (0,), ()])
    started = dict(start_all(scheduler, lanes=1))
    scheduler.pause()
    scheduler.finish(0, started[0])
    assert scheduler.checks() == []
    assert scheduler.take() is None
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


def test_when_the_time_is_over_what_runs_timed_out_and_what_never_started_is_skipped():
    scheduler = make([(), (0,), ()])
    ((i, attempt),) = start_all(scheduler, lanes=1)
    scheduler.expire("too long")
    assert scheduler.done
    assert [scheduler.state(j) for j in (0, 1, 2)] == [State.TIMED_OUT, State.SKIPPED, State.SKIPPED]
    assert {scheduler.story(j)[-1].detail["reason"] for j in (0, 1, 2)} == {"too long"}
    assert not scheduler.finish(i, attempt)


def test_the_time_can_be_over_after_a_cancel_too():
    scheduler = make([(), (0,)])
    start_all(scheduler)
    scheduler.cancel()
    scheduler.expire("too long")
    assert scheduler.done
    assert [scheduler.state(i) for i in (0, 1)] == [State.TIMED_OUT, State.CANCELLED]


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


def test_children_may_need_each_other_and_have_children_of_their_own():
    scheduler = make([()])
    scheduler.expand(*start_all(scheduler)[0], ["a", "b"], ["n0[a]", "n0[b]"], [(), (0,)])
    scheduler.expand(*start_all(scheduler)[0], ["x"], ["n0[a][x]"])
    assert run_out(scheduler) == [3, 2]
    assert scheduler.state(0) is State.RAN


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


def test_after_a_fail_fast_stop_nothing_is_tried_again_and_nothing_is_expanded_or_added():
    scheduler = make([(), (), (), ()], fail_fast=True)
    started = dict(start_all(scheduler))
    scheduler.fail(0, started[0], ERROR)
    scheduler.retry(1, started[1], ERROR)
    scheduler.expand(2, started[2], ["0"], ["n2[0]"])
    scheduler.grow(3, ["new"], [()], [()])
    scheduler.finish(3, started[3])
    assert start_all(scheduler) == []
    assert scheduler.done


def test_a_skipped_child_is_never_called_failed():
    scheduler = make([(), (), (1,)], fail_fast=True)
    started = dict(start_all(scheduler))
    scheduler.expand(1, started[1], ["0"], ["n1[0]"])
    scheduler.fail(0, started[0], ERROR)
    assert "n1[0] failed" not in str([event.detail for event in scheduler.log])
    assert scheduler.state(1) is State.SKIPPED


def test_what_comes_to_need_a_node_whose_children_are_being_skipped_is_skipped_with_it():
    scheduler = make([()], checked=False)
    taken(scheduler)
    scheduler.expand(0, 1, ["0", "1"], ["n0[0]", "n0[1]"])
    scheduler.remove(1, "taken out")
    assert taken(scheduler) == [2]
    scheduler.grow(2, ["late"], [(0,)], [()])
    scheduler.finish(2, 1)
    assert (scheduler.state(0), scheduler.state(3)) == (State.SKIPPED, State.SKIPPED)
    assert scheduler.done
    scheduler.validate()


def test_nodes_and_their_children_start_only_where_they_are_to_run():
    scheduler = make([(), ()], place=lambda i: Place.CALLER if i else Place.WORKER)
    for i in scheduler.checks():
        scheduler.enqueue(i)
    assert (taken(scheduler), taken(scheduler, Place.CALLER)) == ([0], [1])
    scheduler.expand(1, 1, ["0"], ["n1[0]"])
    for i in scheduler.checks():
        scheduler.enqueue(i)
    assert (taken(scheduler), taken(scheduler, Place.CALLER)) == ([], [2])


def test_the_most_urgent_of_the_ready_nodes_comes_first():
    scheduler = make([()] * 4, checked=False, rank=lambda i: -i % 3)
    assert taken(scheduler) == [0, 3, 2, 1]


def test_a_node_waits_until_what_it_demands_is_free_and_others_go_first():
    scheduler = make(
        [()] * 4, checked=False, demand=lambda i: {"gpu": 1} if i % 2 == 0 else {}, capacities={"gpu": 1}
    )
    assert taken(scheduler) == [0, 1, 3]
    scheduler.finish(0, 1)
    assert taken(scheduler) == [2]


def test_a_skipped_node_releases_what_needs_it_and_one_that_is_left_out_does_not():
    scheduler = make([(), (0,), (), (2,)])
    skipped, left_out = scheduler.checks()
    scheduler.skip(skipped, "no")
    scheduler.leave_out(left_out, "no")
    assert scheduler.story(3)[-1].detail["reason"] == "n2 was left out"
    assert run_out(scheduler) == [1]


# -- stretches


@pytest.mark.parametrize("options", [{}, {"in_order": True}])
def test_a_lane_may_run_a_chain_at_one_go(options):
    scheduler = make([(), (0,), (1,), (2,)], checked=False, **options)
    nodes = scheduler.stretch(scheduler.take(lane=2))
    assert list(nodes) == [0, 1, 2, 3]
    scheduler.ran(nodes, [1.0, 2.0, 3.0, 4.0], 2)
    assert scheduler.done
    assert [(e.kind, e.node, e.time) for e in scheduler.log][:3] == [
        (Kind.NODE_STARTED, "n0", 0.0),
        (Kind.NODE_RAN, "n0", 1.0),
        (Kind.NODE_STARTED, "n1", 1.0),
    ]
    assert {e.detail["lane"] for e in scheduler.log if e.kind is Kind.NODE_STARTED} == {2}
    scheduler.validate()


def test_a_chain_ends_where_nodes_meet_or_part():
    scheduler = make([(), (0,), (1,), (1,), (2, 3), (4,)], checked=False)
    assert scheduler.stretch(scheduler.take()) == [0, 1]


def test_a_lane_may_claim_ready_nodes_and_others_get_those_that_it_puts_back():
    scheduler = make([()] * 5 + [(1,)], checked=False)
    nodes = scheduler.stretch(scheduler.take(), 3)
    assert nodes == [0, 1, 2]
    assert scheduler.take() == 3
    scheduler.ran(nodes, [1.0, 2.0])
    scheduler.put_back(nodes[2:])
    assert taken(scheduler) == [2, 4, 5]
    scheduler.validate()


def test_a_node_that_was_ready_more_than_once_is_claimed_once():
    scheduler = make([(), (0,), (), ()], checked=False, rank=lambda i: (0, 3, 1, 2)[i])
    scheduler.ran(scheduler.stretch(scheduler.take()), [1.0])
    scheduler.follow(1, 1.0)
    scheduler.retry(1, 1, ERROR)
    assert scheduler.stretch(scheduler.take(), 5) == [2, 3, 1]
    assert scheduler.take() is None


def test_the_log_catches_up_in_the_middle_of_a_stretch():
    scheduler = make([(), (0,), (1,)], checked=False)
    nodes = scheduler.stretch(scheduler.take())
    scheduler.ran(nodes, [1.0])
    scheduler.follow(1, 1.0)
    scheduler.now = 1.5
    scheduler.cancel()
    assert [scheduler.state(i) for i in nodes] == [State.RAN, State.RUNNING, State.CANCELLED]
    assert scheduler.finish(1, 1)
    assert scheduler.done
    scheduler.validate()


# -- graphs that grow


@pytest.mark.parametrize("options", [{"checked": True}, {"checked": False}, {"checked": False, "in_order": True}])
def test_what_needs_a_new_node_waits_for_it(options):
    scheduler = make([(), (0,), ()], **options)
    ((i, attempt),) = start_all(scheduler, lanes=1)
    assert list(scheduler.grow(i, ["x", "y"], [(4,), (0,)], [(1,), ()])) == [3, 4]
    scheduler.finish(i, attempt)
    order = run_out(scheduler)
    assert sorted(order) == [1, 2, 3, 4]
    assert order.index(4) < order.index(3) < order.index(1)


def test_a_node_that_was_ready_waits_again_for_a_new_one():
    scheduler = make([(), ()], checked=False)
    (i,) = taken(scheduler, most=1)
    scheduler.grow(i, ["x"], [()], [(1,)])
    assert taken(scheduler) == [2]
    scheduler.finish(2, 1)
    assert taken(scheduler) == [1]


def test_a_new_node_that_needs_a_failed_one_is_skipped_and_so_is_what_needs_it():
    scheduler = make([(), (), (1,)], checked=False)
    assert taken(scheduler) == [0, 1]
    scheduler.fail(0, 1, ERROR)
    scheduler.grow(1, ["x"], [(0,)], [(2,)])
    assert [scheduler.story(i)[-1].detail["reason"] for i in (2, 3)] == ["n0 failed"] * 2


@pytest.mark.parametrize("options", [{}, {"in_order": True}])
def test_a_node_that_was_not_started_can_be_taken_out(options):
    scheduler = make([(), (0,), (1,)], checked=False, **options)
    (i,) = taken(scheduler, most=1)
    assert not scheduler.remove(i, "no longer wanted")
    assert scheduler.remove(1, "no longer wanted")
    assert kinds(scheduler, 1) == [Kind.NODE_SKIPPED]
    scheduler.finish(i, 1)
    assert run_out(scheduler) == [2]


def test_the_story_of_a_node_is_its_events_in_order():
    scheduler = make([(), (0,)])
    run_out(scheduler)
    assert kinds(scheduler, 1) == [Kind.NODE_QUEUED, Kind.NODE_STARTED, Kind.NODE_RAN]
    assert [e.node for e in scheduler.story(1)] == ["n1"] * 3
