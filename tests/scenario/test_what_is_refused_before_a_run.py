"""What cannot run is refused before anything runs, with what to do next."""

import pytest

from dagbook.errors import CycleError, MissingInputError, NodeNotFoundError, UsageError


def test_a_missing_input_is_named_with_who_needs_it(lab):
    lab.cell("def a(rate): return rate\ndef b(): return 1")
    with pytest.raises(MissingInputError, match=r"a \(cell 1\) needs 'rate'.*%dag set rate="):
        lab.run()
    assert lab.performed == []
    assert lab.ran("b") == ["b"]


def test_an_unknown_target_offers_the_nearest_names(lab):
    lab.cell("def clean(): return 1\ndef total(clean): return 1")
    with pytest.raises(NodeNotFoundError, match=r"no node is called 'totl'\. Did you mean 'total'"):
        lab.run("totl")
    with pytest.raises(NodeNotFoundError, match="Did you mean 'clean'"):
        lab.run(force=["claen"])
    for ask in (lab.why, lab.session.value, lab.session.result):
        with pytest.raises(NodeNotFoundError):
            ask("nope")


def test_a_cycle_shows_its_path_and_the_cells(lab):
    lab.cell("def a(): return 1\ndef b(a): return 1", "cell 1")
    with pytest.raises(CycleError, match=r"cycle: .* → .*cell \d"):
        lab.cell("def c(d): return 1\ndef d(c): return 1", "cell 2")
    assert list(lab.dag) == ["a", "b"]
    lab.ran()


def test_only_what_the_targets_need_runs(lab):
    lab.cell("def a(): return 1\ndef b(a): return 2\ndef c(a): return 3")
    assert lab.ran("b") == ["a", "b"]
    assert lab.ran("c") == ["c"]


def test_a_value_that_was_never_made_says_how_to_make_it(lab):
    lab.cell("def a(): return 1")
    with pytest.raises(UsageError, match="%dag run a"):
        lab["a"]
    assert lab.why("a") == "a: has never run."


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(make_lab, workers):
    with pytest.raises(UsageError, match="workers"):
        make_lab(workers=workers)


def test_a_run_of_nothing_is_done(lab):
    run = lab.run()
    assert run.status == "done"
    assert run.executed == []
