"""Grids of anything: what must be static is grouped by compiled program, and reads well in the table."""

import jax
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp import fit, load_study, train_many
from jaxmlp.population.trials import make_groups

QUIET = {"progress": False, "seeds": 2}


@pytest.fixture(scope="module")
def data():
    return jaxmlp.load("moons", rows=60)


def recipe(rate, hidden=(3,), activation="relu", optimizer=jaxmlp.gd, nesterov=False):
    sizes = (2, *((hidden,) if isinstance(hidden, int) else hidden), 2)
    return jaxmlp.classifier(sizes, optimizer=optimizer(rate), activation=activation)


def test_every_trial_of_a_grid_of_anything_is_what_fit_does(data, tmp_path, monkeypatch):
    grids = {
        "hidden": [(3,), [4, 2]],
        "optimizer": [optax.sgd],
        "rate": [0.1, 0.2],
        "epochs": [1, 2],
        "batch_size": [16],
    }
    study = train_many(recipe, data, directory=tmp_path, seeds=[5], progress=False, **grids)
    table = study.table()
    assert list(table.columns[:6]) == ["hidden", "optimizer", "rate", "batch_size", "params_epochs", "seed"]
    assert table["hidden"].tolist() == ["(3,)"] * 4 + ["(4, 2)"] * 4
    assert table["optimizer"].unique().tolist() == ["sgd"]
    assert table["epochs"].tolist() == table["params_epochs"].tolist() == [1, 2] * 4
    assert study.history("train_loss").isna().sum(axis=1).tolist() == [1, 0] * 4
    for trial, rate in ((5, 0.1), (7, 0.2)):
        learner = recipe(np.float32(rate), (4, 2), optimizer=optax.sgd)
        alone = fit(jax.random.key(5), learner, data, epochs=2, batch_size=16)
        jax.tree.map(np.testing.assert_array_equal, study.params(trial), alone.params)
    assert load_study(tmp_path).table().equals(table)
    monkeypatch.setattr("jaxmlp.population.lanes._segment", None)
    train_many(recipe, data, seeds=2, progress=False, **{**grids, "rate": [0.3]})  # compiles nothing


def names(groups):
    return [group.name for group in groups]


def test_learners_that_share_a_program_share_a_group():
    grids = {"rate": [0.1, 0.2], "activation": ["relu", "tanh"], "nesterov": [False, True], "hidden": [2, 5]}
    groups, rows = make_groups(recipe, 1, None, grids)
    assert names(groups) == ["[0]", "[1]", "[2]", "[3]"]  # activation and hidden, not what changes no program
    assert sorted(np.concatenate([group.indices for group in groups])) == list(range(16))
    assert rows[1] == {"rate": 0.1, "activation": "relu", "nesterov": False, "hidden": 5, "seed": 0}
    assert [rows[i]["hidden"] for i in groups[1].indices] == [5] * 4
    (group,), _ = make_groups(lambda rate, decay: recipe(rate * decay), 1, None, {"rate": [1, 2], "decay": [3]})
    assert len(group.indices) == 2  # whole numbers are numbers


def test_whole_numbers_are_structure_only_if_a_traced_recipe_cannot_do_without():
    def traced(rate, width, steps):
        return recipe(optax.linear_schedule(rate, 0.0, steps), hidden=width, optimizer=optax.sgd)

    def smooth(rate, steps):
        return recipe(rate / steps, optimizer=optax.sgd)

    assert len(make_groups(traced, 1, None, {"rate": [0.1, 0.2], "width": [2, 3], "steps": [5]})[0]) == 2
    assert len(make_groups(smooth, 1, None, {"rate": [0.1], "steps": [5, 6]})[0]) == 1


def test_a_value_that_must_be_static_says_so_and_a_dict_makes_it_static():
    def branching(rate):
        return recipe(0.5 if rate > 0.1 else 0.25, optimizer=optax.sgd)

    text = "train_many: recipe must not branch on a hyperparameter .* dict from texts to values, whose values are comp"
    with pytest.raises(ValueError, match=text):
        make_groups(branching, 1, None, {"rate": [0.1, 0.2]})
    groups, rows = make_groups(branching, 1, None, {"rate": {"low": 0.1, "high": 0.2}})
    assert len(groups) == 2 and [row["rate"] for row in rows] == ["low", "high"]


def test_listed_trials_may_hold_anything_too():
    groups, rows = make_groups(recipe, 1, [{"rate": 1, "hidden": (2,)}, {"rate": 0.5, "hidden": (3,)}], {})
    assert rows == [{"rate": 1.0, "hidden": "(2,)", "seed": 0}, {"rate": 0.5, "hidden": "(3,)", "seed": 0}]
    assert len(groups) == 2


def test_listed_trials_may_have_their_own_batch_size_and_epochs_which_a_recipe_may_take_too():
    def long(rate, epochs):
        return recipe(rate / epochs)

    trials = [{"rate": 4.0, "epochs": 2, "batch_size": 8}, {"rate": 2.0, "epochs": 1, "batch_size": 8}]
    trials += [{**trials[0], "rate": 6.0}]
    for one, rates in ((recipe, [[4, 6], [2]]), (long, [[2, 3], [2]])):
        groups, rows = make_groups(one, 1, trials, {})
        assert [group.settings for group in groups] == [{"epochs": 2, "batch_size": 8}, {"epochs": 1, "batch_size": 8}]
        assert [group.indices.tolist() for group in groups] == [[0, 2], [1]]
        found = [group.numbers.optimizer.update.keywords["learning_rate"].tolist() for group in groups]
        assert found == rates and rows[1] == {"rate": 2.0, "params_epochs": 1, "batch_size": 8, "seed": 0}
    pools = make_groups(recipe, 1, trials, {}, samples=("folds", 2))[0]
    assert [(group.indices.tolist(), group.settings["epochs"]) for group in pools] == [([0, 1, 4, 5], 2), ([2, 3], 1)]
    with pytest.raises(ValueError, match="trials must not hold settings that are given as lists, got \\['epochs'\\]"):
        make_groups(recipe, 1, trials, {}, {"epochs": [1, 2]})


@pytest.mark.parametrize(
    ("grids", "error", "text"),
    [
        ({"hidden": "relu"}, TypeError, "hidden must be a list of one value or more, got 'relu'"),
        ({"hidden": []}, ValueError, "hidden must be a list of one value or more, got \\[\\]"),
        ({"hidden": {}}, ValueError, "hidden must be a list of one value or more, or a dict from texts to values, got {}"),
        ({"hidden": {1: 2}}, ValueError, "hidden must be .* or a dict from texts to values, got \\{1: 2\\}"),
        ({"hidden": [{2}]}, TypeError, "hidden must hold numbers or hashable values, got \\{2\\}"),
        ({"activation": [lambda x: x]}, ValueError, "activation must be a dict from texts to values if these have no names"),
        ({"activation": [object()]}, ValueError, "activation must be a dict from texts to values if these have no names"),
        ({"optimizer": [jaxmlp.adam, optax.adam]}, ValueError,
         "optimizer must be a dict from texts to values if two of these have the same name, got 'adam'"),
        ({"grid": {"epochs": [1]}, "epochs": [1]}, ValueError, "grid must not repeat hyperparameters .* got \\['epochs'\\]"),
        ({"epochs": None}, ValueError, "epochs must be a whole number of at least 1, got None"),
        ({"epochs": [1, 0]}, ValueError, "epochs must be a whole number of at least 1, got 0"),
        ({"batch_size": [8, 99]}, ValueError, "batch_size must be at most 42"),
    ],
)  # fmt: skip
def test_wrong_grids_are_refused(data, grids, error, text):
    with pytest.raises(error, match=f"train_many: {text}"):
        train_many(recipe, data, rate=[0.1], **{"epochs": 1, **QUIET, **grids})
