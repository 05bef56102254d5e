"""Successive halving: what is pruned, and what an interruption may change of it: nothing."""

import os
import signal

import numpy as np
import pytest

import jaxmlp
from jaxmlp import load_study, train_many
from jaxmlp.population.pruning import Rungs, Verdict

RATES = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0]
PRUNER = jaxmlp.successive_halving(first=2, factor=3)
OPTIONS = {"seeds": 4, "epochs": 40, "learning_rate": RATES, "pruner": PRUNER, "lanes": 8, "progress": False}


@pytest.fixture(scope="module")
def data():
    return jaxmlp.load("moons", rows=120)


def recipe(learning_rate):
    return jaxmlp.classifier((2, 4, 2), optimizer=jaxmlp.gd(learning_rate))


@pytest.fixture(scope="module")
def undisturbed(data):
    return train_many(recipe, data, **OPTIONS)


def interrupted(data, directory, every, options):
    """The same call again and again, each interrupted by Ctrl-C after so many segments."""
    for calls in range(1, 200):
        seen = []

        def press(progress, seen=seen):
            seen.append(progress)
            if len(seen) == every:
                os.kill(os.getpid(), signal.SIGINT)

        try:
            return calls, train_many(recipe, data, directory=directory, callback=press, **options)
        except KeyboardInterrupt:
            continue
    raise AssertionError("the study never ended")


def test_pruning_ends_the_worse_trials(undisturbed):
    table = undisturbed.table()
    pruned = table[table["status"] == "pruned"]
    assert len(table) / 3 <= len(pruned) < len(table)
    assert pruned["epochs"].max() < 40
    losses = table.groupby("status")["validation_loss"].median()
    assert losses["pruned"] > losses["finished"]
    assert np.isfinite(table["test_loss"]).all()


def test_a_study_with_a_pruner_is_the_same_again(data, undisturbed):
    assert train_many(recipe, data, **OPTIONS).table().equals(undisturbed.table())


@pytest.mark.parametrize("every", [1, 2, 7])
def test_an_interrupted_study_prunes_what_an_uninterrupted_one_does(data, undisturbed, tmp_path, every):
    calls, study = interrupted(data, tmp_path, every, OPTIONS)
    assert calls > 2
    assert study.table().equals(undisturbed.table())


def test_shards_judge_by_what_the_others_have_reached(data, undisturbed, tmp_path):
    for index in range(6):
        train_many(recipe, data, directory=tmp_path, shard=(index, 6), **OPTIONS)
    pruned = (load_study(tmp_path).table()["status"] == "pruned").sum()
    alone = (undisturbed.table()["status"] == "pruned").sum()
    assert 0.75 * alone <= pruned < len(undisturbed.done)


def test_verdicts_are_on_disk_and_stand(data, tmp_path, monkeypatch):
    """A process killed between two segments: who was told to end does not get another chance."""
    calls = []

    def die(progress):
        calls.append(progress)
        if len(calls) == 4:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train_many(recipe, data, directory=tmp_path, callback=die, **OPTIONS)
    from jaxmlp.population.directory import Directory

    description = load_study(tmp_path).description
    verdicts = Directory(tmp_path, description, []).new_verdicts()
    fallen = {verdict.trial for verdict in verdicts if verdict.falls}
    assert fallen
    table = train_many(recipe, data, directory=tmp_path, **OPTIONS).table()
    assert set(table.loc[sorted(fallen), "status"]) <= {"pruned"}
    for verdict in verdicts:
        if verdict.falls:
            assert table.loc[verdict.trial, "epochs"] == verdict.rung


def test_a_rung_keeps_the_best_third_of_those_that_came():
    rungs = Rungs(jaxmlp.successive_halving(first=2, factor=3), epochs=20)
    assert list(rungs.seen) == [2, 6, 18]
    assert not rungs.falls(0, [9.0, 5.0], 2)  # alone, it is the best
    assert not rungs.falls(1, [9.0, 4.0], 2)
    assert rungs.falls(2, [9.0, 4.5], 2)
    assert not rungs.falls(3, [1.0], 1)  # not at a rung yet
    assert not rungs.falls(4, [3.0, 8.0, 7.0], 3)  # the best so far counts
    assert rungs.falls(5, [9.0, 8.0, 0.1], 3)  # judged late, by its value at the rung
    assert not rungs.falls(0, [9.0, 5.0, 5.0, 5.0, 5.0, 3.0], 6)  # judged once per rung; here alone again
    assert rungs.falls(2, [9.0, 4.5, 0.0], 3)  # the verdict stands
    assert [verdict.trial for verdict in rungs.own] == [0, 1, 2, 4, 5, 0]


def test_six_at_a_rung_leave_two():
    """One in three of six is two: the floor, not the ceiling, of five thirds counts before."""
    rungs = Rungs(jaxmlp.successive_halving(first=1, factor=3), epochs=3)
    rungs.learn([Verdict(trial, 1, float(trial), False) for trial in range(4)])
    assert rungs.falls(4, [0.5], 1)  # five so far: one goes on, the best is 0
    assert not rungs.falls(5, [0.25], 1)  # six so far: two go on


def test_the_first_verdict_on_a_trial_stands():
    rungs = Rungs(PRUNER, epochs=20)
    rungs.learn([Verdict(7, 2, 1.0, True), Verdict(7, 2, 1.0, False)])
    assert rungs.falls(7, [0.0, 0.0], 2)
    assert rungs.own == []


def test_pruners_are_checked():
    with pytest.raises(ValueError, match="successive_halving: factor must be at least 2, got 1"):
        jaxmlp.successive_halving(factor=1)
    with pytest.raises(ValueError, match="successive_halving: first must be a whole number of at least 1, got 0"):
        jaxmlp.successive_halving(first=0)
