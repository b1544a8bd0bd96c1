"""Recorded runs of every release: today's scheduler, told the same, decides the same."""

from __future__ import annotations

import pytest

from dagbook.engine.events import Kind
from dagbook.engine.scheduler import Scheduler
from tests.replay.__main__ import FIXTURES, SCENARIOS
from tests.replay.history import play, read, recording, write

RECORDED = sorted(FIXTURES.glob("*/*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=[f"{path.parent.name}-{path.stem}" for path in RECORDED])
def test_the_same_events_lead_to_the_same_decisions(path):
    difference = play(read(path))
    assert not difference, f"{path.parent.name}/{path.name}: {difference}"


def test_every_release_has_the_history_of_every_kind_of_run():
    assert RECORDED
    for folder in {path.parent for path in RECORDED}:
        found = {path.stem.rstrip("0123456789").rstrip("_") for path in folder.glob("*.json")}
        assert {scenario.__name__ for scenario in SCENARIOS} == found


def test_histories_tell_of_every_kind_of_event():
    told = {event[0] for path in RECORDED for step in read(path)["steps"] for event in step[4]}
    by_the_run = {"run_started", "run_finished"}  # said by others than the scheduler
    assert told | by_the_run == {kind.name.lower() for kind in Kind}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.__name__ for scenario in SCENARIOS])
def test_what_is_written_down_now_can_be_played_at_once(scenario, tmp_path):
    with recording() as histories:
        scenario()
    assert histories
    for history in histories:
        write(tmp_path / "history.json", history)
        assert not play(read(tmp_path / "history.json"))


# -- a scheduler that decides otherwise is found out, and the first difference is named


class Hasty(Scheduler):
    """Takes the last node instead of the first."""

    def _push(self, i):
        rank, self._rank = self._rank, lambda i: -i
        super()._push(i)
        self._rank = rank


class Forgiving(Scheduler):
    """Does not skip what needs a node that failed."""

    def _skip_below(self, i, cause):
        pass


class Stubborn(Scheduler):
    """Goes on when it is cancelled."""

    def cancel(self, reason=""):
        pass


class Mute(Scheduler):
    """Says nothing of the reason."""

    def skip(self, i, reason):
        super().skip(i, "")


@pytest.mark.parametrize(
    ("name", "scheduler", "said"),
    [
        ("plain_on_lanes", Hasty, "it was node_started b {'lane': 1}, and is node_started d"),
        ("failure_spares_the_rest", Forgiving, "it was node_skipped h"),
        ("cancel", Stubborn, "it was run_cancelling, and is nothing"),
        ("conditions", Mute, "it was node_skipped c"),
    ],
)
def test_a_scheduler_that_decides_otherwise_is_named_its_first_difference(name, scheduler, said):
    differences = [play(read(path), scheduler) for path in RECORDED if path.stem == name]
    assert differences
    for difference in differences:
        assert said in difference
        assert difference.removeprefix("event ").partition(":")[0].isdecimal()


def test_a_history_holds_no_path_and_no_value():
    for path in RECORDED:
        text = path.read_text()
        assert "/" not in text.replace("//", "")
        assert len(text) < 50_000
