"""Data per trial: each trial is what `fit` does with its own data, and every row is predicted by those that did not see it."""

from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

import jaxmlp
from jaxmlp import fit, load_study, train_many
from jaxmlp.population.trials import make_groups

OPTIONS = {"epochs": 3, "batch_size": 16, "patience": 2, "progress": False}


def recipe(rate):
    return jaxmlp.classifier((2, 4, 2), optimizer=jaxmlp.adam(rate))


@pytest.fixture(scope="module")
def data():
    return jaxmlp.load("moons", rows=60)


@pytest.fixture(scope="module")
def studied(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("folds")
    return path, train_many(recipe, data, folds=4, seeds=[3, 1], rate=[0.03, 0.3], directory=path, **OPTIONS)


def test_a_trial_is_what_fit_does_with_its_data_to_the_bit(studied, data):
    path, study = studied
    table = study.table()
    assert table.columns[:3].tolist() == ["rate", "fold", "seed"]
    assert table["fold"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3] * 2
    for trial in (4, 15):
        rate, seed = table.loc[trial, "rate"], table.loc[trial, "seed"]
        alone = fit(jax.random.key(int(seed)), recipe(rate), study.data(trial), **{k: OPTIONS[k] for k in ("epochs", "batch_size", "patience")})  # fmt: skip
        jax.tree.map(np.testing.assert_array_equal, study.params(trial), alone.params)
        np.testing.assert_array_equal(study.history("validation_loss").loc[trial], alone.history["validation_loss"])
    assert load_study(path).table().equals(table)


def test_every_row_is_predicted_by_trials_that_have_not_seen_it(studied):
    _, study = studied
    found = study.out_of_fold(study.table()["rate"] == 0.3, "probabilities")
    pool = study._origin.source
    for fold, trials in ((0, [8, 9]), (3, [14, 15])):
        part = study.data(trials[0])
        raw = part.preparation.inputs.unscale(part.validation.inputs)
        ours = study.predict(raw, trials, "probabilities")
        rows = pool.samples.validation[fold]
        own = [row not in pool.samples.validation[:fold] for row in rows]
        assert found.shape == (51, 2) and sum(own) >= 12
        np.testing.assert_allclose(found[rows][own], ours[own], rtol=1e-4)
    assert set(study.out_of_fold()) <= {0, 1}


def test_out_of_fold_needs_all_folds_and_models_one(studied, data):
    path, study = studied
    for call, text in (
        (
            lambda: study.out_of_fold([0, 2]),
            r"Study.out_of_fold: trials must be of all folds, got 'none of folds \[2, 3\]'",
        ),
        (lambda: load_study(path).out_of_fold(), r"Study.out_of_fold: the study must be of train_many\(..., folds=\)"),
        (lambda: load_study(path).data(0), "Study.data: the study must be the result of train_many in this process"),
        (
            lambda: study.model([0, 2]),
            "Study.model: trials must be of one fold, split or bootstrap, .* got \\['0', '1'\\]",
        ),
        (
            lambda: train_many(recipe, data, folds=2, splits=2, seeds=1, epochs=1, rate=[1]),
            "folds and splits must not be g",
        ),
        (
            lambda: train_many(recipe, data, folds=5, seeds=2, rate=[0.03, 0.3], directory=path, **OPTIONS),
            "study of these folds",
        ),
    ):
        with pytest.raises(ValueError, match=text):
            call()


def test_a_finished_study_of_folds_is_read_and_its_rows_are_known(studied, data, monkeypatch):
    path, study = studied
    monkeypatch.setattr("jaxmlp.population.running.run_group", lambda work, program, lanes, session: None)
    again = train_many(recipe, data, folds=4, seeds=[3, 1], rate=[0.03, 0.3], directory=path, **OPTIONS)
    np.testing.assert_array_equal(again.out_of_fold(), study.out_of_fold())


def test_workers_give_the_same_table(studied, data):
    with ThreadPoolExecutor(2) as executor:
        again = train_many(recipe, data, folds=4, seeds=[3, 1], rate=[0.03, 0.3], executor=executor, **OPTIONS)
    assert again.table().equals(studied[1].table())


def test_samples_are_numbered_between_combinations_and_seeds():
    groups, rows = make_groups(recipe, [7, 5], None, {"rate": [0.1, 0.2]}, {"batch_size": [8, 9]}, ("splits", 3))
    assert [group.settings for group in groups] == [{"batch_size": 8}, {"batch_size": 9}]
    assert groups[1].indices.tolist() == [*range(6, 12), *range(18, 24)]
    assert groups[1].numbers.sample.tolist() == [0, 0, 1, 1, 2, 2] * 2 and groups[1].numbers.sample.dtype == np.int32
    assert rows[21] == {"rate": 0.2, "batch_size": 9, "split": 1, "seed": 5}
