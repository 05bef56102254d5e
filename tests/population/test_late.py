"""Trials that are decided late: iterables and tuners drive a study, which remembers what they were asked and told."""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import optuna
import pytest

import jaxmlp
from jaxmlp import load_study, train_many
from tests.population.test_dispatch import Inline

OPTIONS = {"epochs": 2, "batch_size": 16, "progress": False}


def recipe(rate, hidden=3):
    return jaxmlp.classifier((2, hidden, 2), optimizer=jaxmlp.gd(rate))


@pytest.fixture(scope="module")
def data():
    return jaxmlp.load("moons", rows=60)


class Descent:
    """Halves the rate if the last result was worse than the one before; asks one by one, and for a second size too."""

    def __init__(self, count, stop=None, sizes=(3,)):
        self.count, self.stop, self.sizes, self.calls, self.losses = count, stop, sizes, [], []

    def ask(self):
        asked, told = (sum(call[0] == kind for call in self.calls) for kind in ("ask", "tell"))
        if asked == self.count or asked > told:
            return None
        worse = len(self.losses) > 1 and self.losses[-1] > self.losses[-2]
        rate = self.calls[-2][1]["rate"] * (0.5 if worse else 1.25) if asked else 0.1
        self.calls.append(("ask", {"rate": rate, "hidden": self.sizes[asked % len(self.sizes)]}))
        return self.calls[-1][1]

    def tell(self, number, numbers, rows):
        if number == self.stop:
            raise RuntimeError("killed")
        assert all(row[name] == numbers[name] for row in rows for name in numbers)
        self.losses.append(np.mean([row["validation_loss"] for row in rows]))
        self.calls.append(("tell", number, [row["seed"] for row in rows]))


@pytest.fixture(scope="module")
def descended(data):
    tuner = Descent(5, sizes=(3, 4))
    return tuner, train_many(recipe, data, seeds=[4, 2], trials=tuner, **OPTIONS)


def test_a_tuner_is_asked_and_told_in_turn_and_its_trials_are_what_they_always_are(data, descended):
    tuner, study = descended
    assert [call[0] for call in tuner.calls] == ["ask", "tell"] * 5
    assert [call[1:] for call in tuner.calls[1::2]] == [(number, [4, 2]) for number in range(5)]
    asked = [call[1] for call in tuner.calls[::2]]
    assert len({numbers["rate"] for numbers in asked}) == 5
    known = train_many(recipe, data, seeds=[4, 2], trials=asked, **OPTIONS)
    assert study.table().equals(known.table())
    assert study.model([2, 3]).predict(data.test.inputs).shape == (9,)  # of the second group


def test_a_study_that_is_continued_tells_a_new_tuner_the_same_again(tmp_path, data, descended):
    tuner, whole = descended
    for stop in (0, 3):
        with pytest.raises(RuntimeError, match="killed"):
            train_many(recipe, data, seeds=[4, 2], trials=Descent(4, stop, (3, 4)), directory=tmp_path, **OPTIONS)
    written = []
    for count in (4, 5, 5):
        again = Descent(count, sizes=(3, 4))
        study = train_many(recipe, data, seeds=[4, 2], trials=again, directory=tmp_path, **OPTIONS)
        assert again.calls == tuner.calls[: 2 * count] and again.losses == tuner.losses[:count]
        written.append(len(list(tmp_path.glob("trials-*"))))
    assert written[0] < written[1] == written[2]  # what has ended does not run again
    assert study.table().equals(whole.table()) and load_study(tmp_path).table().equals(whole.table())
    np.testing.assert_array_equal(study.params(9)[0]["w"], whole.params(9)[0]["w"])
    grid = train_many(recipe, data, seeds=[4], directory=tmp_path, rate=[0.1], hidden=[3], **OPTIONS)
    assert grid.table()["validation_loss"].tolist() == whole.table()["validation_loss"].tolist()[:1]  # read, not run
    text = "train_many: trials must ask for the same again when a study is continued: .* got {'rate': 0.2}"
    with pytest.raises(ValueError, match=text):
        train_many(recipe, data, seeds=[4, 2], trials=iter([{"rate": 0.2}]), directory=tmp_path, **OPTIONS)


def test_an_iterable_is_taken_from_as_lanes_are_free(data):
    taken, ended = [], []

    def rates():
        for i in range(7):
            taken.append(len(ended))
            yield {"rate": 0.1 + i / 10, "hidden": 3}

    told = []
    study = train_many(
        recipe,
        data,
        seeds=1,
        trials=rates(),
        lanes=2,
        on_trial=lambda *facts: (ended.append(0), told.append(facts)),
        **OPTIONS,
    )
    assert len(study.done) == 7 and taken[:3] == [0, 0, 1] and taken[-1] >= 5
    assert len(told) == 7  # each of them ran once
    trial, row, history = told[-1]
    assert row["rate"] == study.trials[trial]["rate"] and row["status"] == "finished" and row["epochs"] == 2
    assert row["test_loss"] == study.table().loc[trial, "test_loss"]
    np.testing.assert_array_equal(history["validation_loss"], study.history("validation_loss").loc[trial])


class Killed(BaseException):
    pass


def test_a_study_cut_off_at_any_write_goes_on_to_the_same_table(tmp_path, data, descended, monkeypatch):
    tuner, whole = descended
    options = {"seeds": [4, 2], "directory": tmp_path, **OPTIONS}
    replace = os.replace

    def write(*paths):
        left.pop()
        if not left:
            raise Killed
        replace(*paths)

    for writes in (1, 2, 3, 4, 5):
        left = [0] * writes
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", write)
            with pytest.raises(Killed):
                train_many(recipe, data, trials=Descent(5, sizes=(3, 4)), **options)
    again = Descent(5, sizes=(3, 4))
    assert train_many(recipe, data, trials=again, **options).table().equals(whole.table())
    assert again.calls == tuner.calls


class Tpe:
    def __init__(self, trials):
        self.study = optuna.create_study(sampler=optuna.samplers.TPESampler(n_startup_trials=3, seed=0))
        self.space = {"rate": optuna.distributions.FloatDistribution(1e-3, 10, log=True)}
        self.trials = trials

    def ask(self):
        return self.study.ask(self.space).params if len(self.study.trials) < self.trials else None

    def tell(self, number, numbers, rows):
        self.study.tell(number, np.mean([row["validation_loss"] for row in rows]))


def test_optuna_drives_a_study_and_remembers_it(tmp_path, data):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for trials in (5, 8):
        tuner = Tpe(trials)
        study = train_many(recipe, data, seeds=2, trials=tuner, lanes=1, directory=tmp_path, **OPTIONS)
        assert [trial.state.name for trial in tuner.study.trials] == ["COMPLETE"] * trials
        means = study.table().groupby("rate", sort=False)["validation_loss"].mean()
        assert [trial.value for trial in tuner.study.trials] == means.tolist()
    whole = train_many(recipe, data, seeds=2, trials=Tpe(8), lanes=1, **OPTIONS)
    assert whole.table().equals(study.table())


def test_workers_are_asked_for_and_told_too(tmp_path, data, descended):
    tuner, whole = descended
    with ThreadPoolExecutor(2) as executor:
        for count in (3, 5):
            again = Descent(count, sizes=(3, 4))
            options = {"seeds": [4, 2], "trials": again, "directory": tmp_path, "executor": executor, **OPTIONS}
            study = train_many(recipe, data, **options)
            assert again.calls == tuner.calls[: 2 * count]
    assert study.table().equals(whole.table())


@pytest.mark.parametrize("deadly", [[[3], [3], []], [[2, 3], [], []]])
def test_a_trial_that_kills_its_workers_is_told_as_lost_once_and_runs_again_in_the_next_call(tmp_path, data, deadly):
    class Noting(Descent):
        def tell(self, number, numbers, rows):
            super().tell(number, numbers, rows)
            notes.append([(row["status"], row["epochs"], np.isnan(row["test_loss"])) for row in rows])

    for call, some in enumerate(deadly):
        notes, tuner, executor = [], Noting(3), Inline(some)
        with pytest.warns(UserWarning, match="killed three workers in a row") if some else contextlib.nullcontext():
            options = {"trials": tuner, "directory": tmp_path, "executor": executor, **OPTIONS}
            study = train_many(recipe, data, seeds=[4, 2], **options)
        assert study.done == [trial for trial in range(6) if trial not in some]
        well = ("finished", 2, False)
        lost = [("lost", 0, True) if trial in deadly[0] else well for trial in (2, 3)]
        assert notes == [[well, well], lost, [well, well]] and np.isnan(tuner.losses).tolist() == [False, True, False]
        if call:  # the others are on disk
            assert set(executor.flat) == set(deadly[call - 1])


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"trials": iter([])}, ValueError, "train_many: trials must ask for one trial or more, got None"),
        ({"trials": 3}, TypeError, "train_many: trials must be a list of dicts, an iterable of them, or have ask and tell"),
        ({"trials": iter([0.1])}, TypeError, "train_many: trials must be a list of dicts of values"),
        ({"trials": iter([{"rate": 0.1}]), "shard": (0, 2)}, ValueError,
         "train_many: shard must be \\(0, 1\\) for trials that are decided late"),
        ({"trials": iter([{"rate": 0.1}]), "rate": [1]}, ValueError, "trials must be None if grids are given"),
    ],
)  # fmt: skip
def test_wrong_tuners_are_refused(data, changes, error, text):
    with pytest.raises(error, match=text):
        train_many(recipe, data, seeds=1, **changes, **OPTIONS)
