"""The same hyperparameters and seed give the same row, in any study that they are part of, wherever it runs."""

import tempfile

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxmlp
from jaxmlp import load_study, train_many

DATA = jaxmlp.load("moons", rows=40)
PLAN = {"epochs": 4, "batch_size": 9, "patience": 2, "progress": False}
RATES, DECAYS, SEEDS = (0.03, 0.5, 1e30), (0.0, 0.75), (0, 3, 2**32 - 1)


def recipe(rate, decay):
    return jaxmlp.classifier((2, 3, 2), optimizer=jaxmlp.momentum(rate, decay), dropout_rate=0.25)


def rows(study):
    """The bits of all results of a study, by hyperparameters and seed."""
    table = study.table()
    names = list(study._ended[0].result.history) if study.done else []
    histories = [study.history(name) for name in names]
    found = {}
    for trial in study.done:
        row = table.loc[trial]
        bits = [history.loc[trial].to_numpy().tobytes() for history in histories]
        bits += [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(study.params(trial))]
        numbers = row.drop(["rate", "decay", "seed", "status", "cause"]).to_numpy(float).tobytes()
        found[row["rate"], row["decay"], row["seed"]] = (row["status"], row["cause"], numbers, *bits)
    assert len(found) == len(study.done)
    return found


@pytest.fixture(scope="module")
def everything():
    """All combinations in one study on one device, among them diverged and stopped ones."""
    study = train_many(recipe, DATA, seeds=SEEDS, rate=RATES, decay=DECAYS, devices=jax.devices()[:1], **PLAN)
    assert {"diverged", "stopped", "finished"} >= set(study.table()["status"]) > {"diverged"}
    return rows(study)


def some(values):
    """A part of the values, in any order."""
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


@pytest.mark.slow
@settings(deadline=None, max_examples=5, derandomize=True)
@given(
    rates=some(RATES), decays=some(DECAYS), seeds=some(SEEDS), decays_first=st.booleans(), lanes=st.integers(1, 9),
    devices=st.integers(1, 3), shards=st.integers(1, 3),
)  # fmt: skip
def test_any_grid_order_placement_and_division_gives_the_same_rows(
    everything, rates, decays, seeds, decays_first, lanes, devices, shards
):
    grids = {"decay": decays, "rate": rates} if decays_first else {"rate": rates, "decay": decays}
    options = {"seeds": seeds, "lanes": lanes, "devices": jax.devices()[:devices], **grids, **PLAN}
    with tempfile.TemporaryDirectory() as directory:
        for index in reversed(range(shards)):
            train_many(recipe, DATA, directory=directory, shard=(index, shards), **options)
        study = load_study(directory)
    found = rows(study)
    assert found == {key: everything[key] for key in found}
    assert set(found) == {(rate, decay, seed) for rate in rates for decay in decays for seed in seeds}


@pytest.mark.slow
@settings(deadline=None, max_examples=3, derandomize=True)
@given(
    trials=st.lists(st.tuples(st.sampled_from(RATES), st.sampled_from(DECAYS)), min_size=1, max_size=5, unique=True),
    seeds=some(SEEDS), lanes=st.sampled_from([None, 1, 3, 12]), devices=st.integers(1, 3),
)  # fmt: skip
def test_any_list_of_trials_gives_the_same_rows(everything, trials, seeds, lanes, devices):
    listed = [{"rate": rate, "decay": decay} for rate, decay in trials]
    study = train_many(recipe, DATA, seeds=seeds, trials=listed, lanes=lanes, devices=jax.devices()[:devices], **PLAN)
    found = rows(study)
    assert found == {(*trial, seed): everything[(*trial, seed)] for trial in trials for seed in seeds}
    assert study.trials == [{**trial, "seed": seed} for trial in listed for seed in seeds]
