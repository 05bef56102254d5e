"""The table tells the truth, whatever hyperparameters, metrics and models are called and made of."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxmlp
from jaxmlp import load_study, train_many
from jaxmlp.population.study import Study

QUIET = {"progress": False, "epochs": 2}
NAMES = ("recipe", "seed", "status", "cause", "epochs", "steps", "best_epoch", "train_loss", "test_accuracy", "mode")
NAMES = (*NAMES, "lanes", "trials", "directory", "progress")


@pytest.fixture(scope="module")
def data():
    return jaxmlp.load("moons", rows=60)


def tiny(rate, decay=0.5):
    return jaxmlp.classifier((2, 3, 2), optimizer=jaxmlp.momentum(rate, decay))


@pytest.mark.parametrize("name", NAMES)
def test_a_hyperparameter_may_have_any_name(data, name):
    namespace: dict[str, Any] = {"tiny": tiny}
    exec(f"def recipe({name}): return tiny({name})", namespace)
    study = train_many(namespace["recipe"], data, seeds=2, grid={name: [0.1, 0.2]}, **QUIET)
    plain = train_many(tiny, data, seeds=2, rate=[0.1, 0.2], **QUIET).table()
    column = f"params_{name}" if name in (*plain.columns, "recipe") else name
    table = study.table()
    assert table[column].tolist() == [0.1, 0.1, 0.2, 0.2]
    assert table.drop(columns=column).equals(plain.drop(columns="rate"))


def test_a_grid_and_keywords_make_one_product(data):
    study = train_many(tiny, data, seeds=1, rate=[0.1, 0.2], grid={"decay": [0.0, 0.9]}, **QUIET)
    assert study.table()[["decay", "rate"]].to_numpy().tolist() == [[0.0, 0.1], [0.0, 0.2], [0.9, 0.1], [0.9, 0.2]]
    with pytest.raises(ValueError, match=r"train_many: grid must not repeat hyperparameters .* got \['rate'\]"):
        train_many(tiny, data, seeds=1, rate=[0.1], grid={"rate": [0.1]}, **QUIET)


def test_a_mask_of_bools_is_a_mask(data):
    study = train_many(tiny, data, seeds=2, rate=[0.1, 0.2, 0.3], **QUIET)
    table = study.table()
    for mask in (table["rate"] == 0.3, (table["rate"] == 0.3).to_numpy(), (table["rate"] == 0.3).tolist()):
        np.testing.assert_array_equal(study.params(mask)[0]["w"], study.params([4, 5])[0]["w"])
    with pytest.raises(ValueError, match=r"Study.params: trials must be a mask of 6 bools, .* got \(2,\)"):
        study.params([True, False])
    with pytest.raises(ValueError, match="Study.params: trials must be numbers of trials that have ended"):
        study.params(table["rate"] > 1)


class Extra(NamedTuple):
    """Only this recipe reports a second metric."""

    learner: Any

    def evaluate(self, params, batch):
        return self.learner.evaluate(params, batch) | {"size": jnp.sum(jnp.abs(params[0]["w"]))}


def measured(rate):
    return tiny(rate)._replace(evaluate=Extra(tiny(rate)).evaluate)


def test_a_metric_that_only_some_recipes_have_is_nan_elsewhere(data):
    study = train_many({"plain": tiny, "measured": measured}, data, seeds=2, rate=[0.1], decay=[0.5], **QUIET)
    table = study.table()
    assert table["validation_size"].isna().tolist() == [True, True, False, False]
    assert list(study.history("validation_size").index) == [2, 3]
    assert len(study.history("validation_loss")) == 4


def test_an_empty_study_has_columns(data):
    study = Study({"trials": [{"rate": 0.1, "seed": 0}]}, [])
    assert {"rate", "seed", "status", "epochs", "best_epoch"} <= set(study.table().columns)
    assert study.table().empty
    with pytest.raises(ValueError, match="Study.history: name must be one of"):
        study.history("validation_loss")


def test_types_of_columns_are_those_of_their_values(data):
    table = train_many(tiny, data, seeds=2, rate=[0.1], decay=[0.5], **QUIET).table()
    kinds = {name: table[name].dtype.kind for name in table.columns}
    assert [kinds[name] for name in ("seed", "epochs", "steps", "best_epoch")] == ["i"] * 4
    assert [kinds[name] for name in ("rate", "train_loss", "validation_accuracy", "test_loss")] == ["f"] * 4
    assert pd.api.types.is_string_dtype(table["status"])


class Linear(eqx.Module):
    weight: jax.Array
    bias: jax.Array
    name: str = eqx.field(static=True)

    def __call__(self, inputs):
        return inputs @ self.weight + jnp.expand_dims(self.bias, 0)


def module(rate):
    def init(key):
        return {"layers": (Linear(jax.random.normal(key, (2, 2)), jnp.zeros(2), "first"),), "extra": [jnp.ones(())]}

    def loss(params, batch, key):
        return jaxmlp.cross_entropy(params["layers"][0](batch.inputs), batch.targets) + 0.0 * params["extra"][0]

    def evaluate(params, batch):
        return {"loss": loss(params, batch, None)}

    return jaxmlp.Learner(init, loss, evaluate, jaxmlp.gd(rate))


def test_params_have_the_structure_that_the_learner_gave_them(data, tmp_path):
    like = module(0.1).init(jax.random.key(0))
    for study in (
        train_many(module, data, seeds=2, rate=[0.1], directory=tmp_path, **QUIET),
        train_many(module, data, seeds=2, rate=[0.1], directory=tmp_path, **QUIET),  # read, not run
        load_study(tmp_path, like=like),
    ):
        params = study.params(1)
        assert jax.tree.structure(params) == jax.tree.structure(like)
        assert params["layers"][0](jnp.ones((3, 2))).shape == (3, 2)
    plain = load_study(tmp_path).params(1)
    np.testing.assert_array_equal(plain["layers"][0]["weight"], params["layers"][0].weight)


@pytest.mark.parametrize(
    ("hyperparameters", "text"),
    [
        ({"rate": [-0.1]}, "sgd: learning_rate must be a finite number of at least 0, got -0.1"),
        ({"rate": [0.1, float("nan")]}, "sgd: learning_rate must be a finite number of at least 0, got nan"),
        ({"decay": [0.5, 1.5]}, "sgd: momentum must be at least 0 and below 1, got 1.5"),
        ({"dropout": [0.0, 1.5]}, "classifier: dropout_rate must be at least 0 and below 1, got 1.5"),
        ({"l2": [-1.0]}, "classifier: l2 must be a finite number of at least 0, got -1.0"),
    ],
)
def test_ranges_are_checked_as_in_fit(data, hyperparameters, text):
    def recipe(rate=0.1, decay=0.5, dropout=0.0, l2=0.0):
        optimizer = jaxmlp.momentum(rate, decay)
        return jaxmlp.classifier((2, 3, 2), optimizer=optimizer, dropout_rate=dropout, l2=l2)

    with pytest.raises(ValueError, match=text):
        recipe(**{name: values[-1] for name, values in hyperparameters.items()})
    with pytest.raises(ValueError, match=text):
        train_many(recipe, data, seeds=1, **hyperparameters, **QUIET)


def test_a_test_split_that_does_not_fit_is_refused_by_name(data):
    wide = data._replace(test=data.test._replace(inputs=jnp.zeros((9, 5))))
    with pytest.raises(ValueError, match=r"classifier: data.test.inputs must be of shape \(n, 2\), got \(9, 5\)"):
        train_many(tiny, wide, seeds=1, rate=[0.1], **QUIET)
    spoiled = data._replace(test=data.test._replace(inputs=jnp.full(data.test.inputs.shape, jnp.nan)))
    with pytest.raises(ValueError, match=r"train_many: data.test.inputs must hold no NaN and no infinity"):
        train_many(tiny, spoiled, seeds=1, rate=[0.1], **QUIET)
