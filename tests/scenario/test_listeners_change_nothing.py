"""A listener hears every event once, in order, after it is durable; whatever it does, the run is the same."""

import warnings

from dagbook.engine.events import Kind

SOURCE = "def a(): return 1\ndef b(a): return a + 1\ndef c(a): return a + 2\ndef d(b, c): return b + c"


def test_a_listener_hears_every_event_once_in_order(lab):
    lab.cell(SOURCE)
    heard = []
    lab.session.observers.append(lambda run: lambda log, start, stop: heard.extend(range(start, stop)))
    run = lab.run()
    assert heard == list(range(len(run.log)))


def test_a_listener_that_raises_is_warned_of_dropped_and_changes_nothing(lab):
    lab.cell(SOURCE)
    calls = []

    def bad(log, start, stop):
        calls.append(start)
        raise ValueError("no")

    lab.session.observers.append(lambda run: bad)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sorted(lab.ran()) == ["a", "b", "c", "d"]
    assert lab["d"] == 5
    assert len(calls) == 3
    assert any("a listener of the run raised ValueError('no')" in str(w.message) for w in caught)


def test_a_listener_may_cancel_the_run_that_it_hears_of(lab):
    lab.cell(SOURCE)

    def observer(run):
        return lambda log, start, stop: run.cancel()

    lab.session.observers.append(observer)
    assert lab.run().status == "cancelled"
    lab.session.observers.clear()
    lab.ran()
    assert lab["d"] == 5


def test_what_a_listener_hears_is_already_in_the_journal(lab):
    lab.cell(SOURCE)
    missing = []

    def observer(run):
        def listen(log, start, stop):
            for event in log[start:stop]:
                if event.kind is Kind.NODE_RAN and not lab.session.journal.find(run.stories[event.node].record.key):
                    missing.append(event.node)

        return listen

    lab.session.observers.append(observer)
    lab.ran()
    assert missing == []
