"""`fit` and `train_many` agree to the bit, whatever the learner is made of."""

import random

import jax
import numpy as np
import pytest

import jaxmlp

OPTIMIZERS = ("gd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "nadam", "adamw", "amsgrad")
OPTIMIZERS = (*OPTIMIZERS, "radam", "adamax", "lion", "muon", "shampoo", "soap")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "leaky_relu", "elu")
DRAWS = (0, 2, 4, 6, 10, 11)  # every task and every option; zero to three hidden layers


@pytest.fixture(scope="module")
def sets():
    moons, diabetes = jaxmlp.load("moons", rows=200), jaxmlp.load("diabetes")
    return {"two outputs": moons, "one output": moons, "regression": diabetes}


def own_loss(predictions, targets):
    return jaxmlp.huber(predictions, targets, 0.3) + 0.1 * jaxmlp.mse(predictions, targets)


def options(chance):
    """Parts of a learner, each of them in or out."""
    drawn = {
        "dropout_rate": chance.choice([None, None, 0.0, 0.25, 0.4]),
        "input_dropout_rate": chance.choice([None, None, None, 0.1]),
        "l1": chance.choice([None, None, 0.0, 1e-3]),
        "l2": chance.choice([None, None, 1e-3, 1e-2]),
        "max_norm": chance.choice([None, None, 0.5, 3.0]),
        "bias": chance.choice([0.0, 0.1]),
    }
    return {"activation": chance.choice(ACTIVATIONS), **{k: v for k, v in drawn.items() if v is not None}}


def drawn_recipe(chance):
    """A random learner as a function of its learning rate, and the task that it is for."""
    task, chosen = chance.choice(["two outputs", "one output", "regression"]), options(chance)
    hidden = [chance.choice([1, 1, 2, 3, 8]) for _ in range(chance.choice([0, 1, 2, 3]))]
    make, ends = (jaxmlp.regressor, (10, 1)) if task == "regression" else (jaxmlp.classifier, (2, 2))
    sizes = (ends[0], *hidden, 1 if task == "one output" else ends[1])
    if task == "regression" and chance.random() < 0.3:
        chosen["loss"] = own_loss
    optimizer = getattr(jaxmlp, chance.choice(OPTIMIZERS))

    def recipe(learning_rate):
        return make(sizes, optimizer=optimizer(learning_rate), **chosen)

    return recipe, task


def bits(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", DRAWS)
def test_fit_and_train_many_agree_to_the_bit(sets, seed):
    chance = random.Random(seed)
    recipe, task = drawn_recipe(chance)
    plan = {"epochs": 5, "batch_size": chance.choice([16, 33, 64]), "patience": chance.choice([None, 2])}
    study = jaxmlp.train_many(recipe, sets[task], seeds=3, learning_rate=[0.01, 0.3], progress=False, **plan)
    for trial, row in enumerate(study.trials):
        alone = jaxmlp.fit(jax.random.key(row["seed"]), recipe(row["learning_rate"]), sets[task], **plan)
        assert bits(study.params(trial)) == bits(alone.params)
        for name, values in alone.history.items():
            assert bits(study.history(name).loc[trial].to_numpy()) == bits(values), name
