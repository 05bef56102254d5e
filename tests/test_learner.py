"""Learners: what is in the loss, what is not, and what is refused."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial

import jaxmlp
from jaxmlp import Batch, Data, classifier, dropout_mask, regressor
from jaxmlp.training import train_step

KEY = jax.random.key(3)
LABELLED = Batch(jnp.array([[1.0, -2.0], [0.5, 0.25], [3.0, 1.0]]), jnp.array([0, 2, 1]))
BINARY = Batch(LABELLED.inputs, jnp.array([0, 1, 1]))
NUMBERS = Batch(LABELLED.inputs, jnp.array([[0.5], [-1.0], [2.0]]))


def all_three(batch):
    return Data(batch, batch, batch)


def loss_of(learner, params, batch):
    out = learner.loss(params, batch, KEY)
    return out[0] if isinstance(out, tuple) else out


def test_a_classifier_is_cross_entropy_of_the_network():
    learner = classifier((2, 4, 3), optimizer=jaxmlp.gd(0.1), activation="tanh")
    params = learner.init(KEY)
    chex.assert_trees_all_equal(params, jaxmlp.init(KEY, (2, 4, 3)))
    logits = jaxmlp.apply(params, LABELLED.inputs, activation="tanh")
    loss, metrics = learner.loss(params, LABELLED, KEY)
    assert loss == jaxmlp.cross_entropy(logits, LABELLED.targets)
    assert metrics == {"accuracy": jaxmlp.accuracy(logits, LABELLED.targets)}
    assert learner.evaluate(params, LABELLED) == {"loss": loss, **metrics}


def test_one_output_means_binary_cross_entropy():
    learner = classifier((2, 1), optimizer=jaxmlp.gd(0.1))
    params = learner.init(KEY)
    logits = jaxmlp.apply(params, BINARY.inputs)
    assert loss_of(learner, params, BINARY) == jaxmlp.binary_cross_entropy(logits, BINARY.targets)
    assert learner.evaluate(params, BINARY)["accuracy"] == jaxmlp.accuracy(logits, BINARY.targets)


def test_a_regressor_is_mean_squared_error_and_r2():
    learner = regressor((2, 3, 1), optimizer=jaxmlp.gd(0.1))
    params = learner.init(KEY)
    predictions = jaxmlp.apply(params, NUMBERS.inputs)
    assert loss_of(learner, params, NUMBERS) == jaxmlp.mse(predictions, NUMBERS.targets)
    assert learner.evaluate(params, NUMBERS) == {
        "loss": jaxmlp.mse(predictions, NUMBERS.targets),
        "r2": jaxmlp.r2(predictions, NUMBERS.targets),
    }


def test_flat_targets_fit_one_output():
    learner = regressor((2, 3, 1), optimizer=jaxmlp.gd(0.1))
    params, flat = learner.init(KEY), Batch(NUMBERS.inputs, NUMBERS.targets[:, 0])
    assert loss_of(learner, params, flat) == loss_of(learner, params, NUMBERS)
    learner.check(all_three(flat))


@pytest.mark.parametrize("make", [lambda **o: classifier((2, 4, 3), **o), lambda **o: regressor((2, 4, 3), **o)])
def test_penalties_are_added_to_the_loss_only(make):
    plain = make(optimizer=jaxmlp.gd(0.1))
    heavy = make(optimizer=jaxmlp.gd(0.1), l1=0.3, l2=0.7)
    params = plain.init(KEY)
    batch = LABELLED if "classif" in plain.check.func.function.__name__ else Batch(LABELLED.inputs, jnp.ones((3, 3)))
    penalty = 0.3 * jaxmlp.l1(params) + 0.7 * jaxmlp.l2(params)
    np.testing.assert_allclose(loss_of(heavy, params, batch) - loss_of(plain, params, batch), penalty, rtol=1e-5)
    assert heavy.evaluate(params, batch)["loss"] == plain.evaluate(params, batch)["loss"]


@pytest.mark.parametrize("make", [classifier, regressor])
def test_dropout_is_in_training_and_not_in_evaluation(make):
    batch = LABELLED if make is classifier else Batch(LABELLED.inputs, jnp.ones((3, 3)))
    plain = make((2, 50, 3), optimizer=jaxmlp.gd(0.1))
    noisy = make((2, 50, 3), optimizer=jaxmlp.gd(0.1), dropout_rate=0.25, input_dropout_rate=0.4)
    params = plain.init(KEY)
    out = jaxmlp.apply(params, batch.inputs, dropout_rate=0.25, input_dropout_rate=0.4, key=KEY)
    loss = jaxmlp.cross_entropy(out, batch.targets) if make is classifier else jaxmlp.mse(out, batch.targets)
    assert loss_of(noisy, params, batch) == loss
    assert loss_of(plain, params, batch) != loss
    assert noisy.evaluate(params, batch) == plain.evaluate(params, batch)


def test_each_dropout_rate_goes_to_its_own_layer():
    params = jaxmlp.init(KEY, (2, 50, 3))
    only_inputs = classifier((2, 50, 3), optimizer=jaxmlp.gd(0.1), input_dropout_rate=0.4)
    mask = dropout_mask(jax.random.fold_in(KEY, 0), 0.4, (3, 2))
    dropped = jnp.where(mask, LABELLED.inputs / jnp.float32(0.6), 0)
    expected = jaxmlp.cross_entropy(jaxmlp.apply(params, dropped), LABELLED.targets)
    np.testing.assert_allclose(loss_of(only_inputs, params, LABELLED), expected, rtol=1e-5)


def test_label_smoothing_is_in_training_and_not_in_evaluation():
    learner = classifier((2, 3), optimizer=jaxmlp.gd(0.1), label_smoothing=0.3)
    params = learner.init(KEY)
    logits = jaxmlp.apply(params, LABELLED.inputs)
    assert loss_of(learner, params, LABELLED) == jaxmlp.cross_entropy(logits, LABELLED.targets, 0.3)
    assert learner.evaluate(params, LABELLED)["loss"] == jaxmlp.cross_entropy(logits, LABELLED.targets)


def test_max_norm_holds_after_every_step():
    learner = classifier((2, 4, 3), optimizer=jaxmlp.momentum(5.0), max_norm=0.5)
    state = jaxmlp.init_state(learner.init(KEY), learner.optimizer, KEY)
    for _ in range(3):
        state, _ = train_step(learner.loss, learner.optimizer, state, LABELLED)
        norms = [jnp.linalg.norm(layer["w"], axis=0) for layer in state.params]
        assert all(float(norm.max()) <= 0.5 + 1e-6 for norm in norms)


def test_bias_weight_init_and_dtype_reach_the_network():
    for make in (classifier, regressor):
        learner = make((2, 40, 3), optimizer=jaxmlp.gd(0.1), bias=0.5, weight_init="glorot_uniform", dtype=jnp.bfloat16)
        params = learner.init(KEY)
        chex.assert_trees_all_equal(params, jaxmlp.init(KEY, (2, 40, 3), "glorot_uniform", 0.5))
        batch = LABELLED if make is classifier else Batch(LABELLED.inputs, jnp.ones((3, 3)))
        out = jaxmlp.apply(params, batch.inputs, dtype=jnp.bfloat16)
        loss = jaxmlp.cross_entropy(out, batch.targets) if make is classifier else jaxmlp.mse(out, batch.targets)
        assert learner.evaluate(params, batch)["loss"] == loss


def test_another_loss_can_be_given():
    learner = regressor((2, 1), optimizer=jaxmlp.gd(0.1), loss=Partial(jaxmlp.huber, delta=0.2))
    params = learner.init(KEY)
    predictions = jaxmlp.apply(params, NUMBERS.inputs)
    assert learner.evaluate(params, NUMBERS)["loss"] == jaxmlp.huber(predictions, NUMBERS.targets, 0.2)
    learner = classifier(
        (2, 1), optimizer=jaxmlp.gd(1.0), loss=jaxmlp.perceptron, weight_init=jax.nn.initializers.zeros
    )
    gate = jaxmlp.fit(KEY, learner, jaxmlp.load("and"), epochs=40, patience=40)
    assert float(gate.history["validation_accuracy"][int(gate.best_epoch)]) == 1.0


def test_learners_are_equal_where_only_numbers_differ():
    def structure(x):
        return jax.tree.structure(
            classifier((2, 4, 3), optimizer=jaxmlp.adam(x), dropout_rate=x, l1=x, l2=x, max_norm=x, label_smoothing=x)
        )

    assert structure(0.25) == structure(0.0 + 0.5)
    other = jax.tree.structure(classifier((2, 5, 3), optimizer=jaxmlp.adam(0.1)))
    assert other != jax.tree.structure(classifier((2, 4, 3), optimizer=jaxmlp.adam(0.1)))


def test_a_batch_of_learners_is_a_vmap_over_its_maker():
    learners = jax.vmap(lambda x: classifier((2, 4, 3), optimizer=jaxmlp.adam(x), dropout_rate=x))(
        jnp.array([0.1, 0.2])
    )
    assert {leaf.shape for leaf in jax.tree.leaves(learners)} == {(2,)}


def test_optax_optimizers_are_welcome():
    learner = classifier((2, 3), optimizer=optax.sgd(0.1))
    result = jaxmlp.fit(KEY, learner, all_three(LABELLED), epochs=2)
    ours = jaxmlp.fit(KEY, classifier((2, 3), optimizer=jaxmlp.sgd(0.1)), all_three(LABELLED), epochs=2)
    chex.assert_trees_all_close(result.params, ours.params, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"sizes": (2,)}, ValueError, r"sizes must be two or more whole numbers of at least 1, got \(2,\)"),
        ({"sizes": (2, 0)}, ValueError, r"sizes must be two or more .* got \(2, 0\)"),
        ({"optimizer": 0.1}, TypeError, "optimizer must be a pair .* got 0.1"),
        ({"activation": "rellu"}, ValueError, "activation must be one of linear, .* got 'rellu'"),
        ({"weight_init": "he"}, ValueError, "weight_init must be one of he_normal, .* got 'he'"),
        ({"dropout_rate": 1.0}, ValueError, "dropout_rate must be at least 0 and below 1, got 1.0"),
        ({"input_dropout_rate": -0.1}, ValueError, "input_dropout_rate must be at least 0 and below 1, got -0.1"),
        ({"l1": -1.0}, ValueError, "l1 must be a finite number of at least 0, got -1.0"),
        ({"l2": float("nan")}, ValueError, "l2 must be a finite number of at least 0, got nan"),
        ({"max_norm": 0.0}, ValueError, "max_norm must be a finite number above 0, got 0.0"),
        ({"l2": jnp.ones(3)}, ValueError, r"l2 must be a scalar \(for a batch of values use jax.vmap\), got \(3,\)"),
    ],
)
@pytest.mark.parametrize("make", [classifier, regressor])
def test_wrong_options_are_refused(make, options, error, text):
    arguments = {"sizes": (2, 3), "optimizer": jaxmlp.gd(0.1), **options}
    with pytest.raises(error, match=f"{make.__name__}: {text}"):
        make(arguments.pop("sizes"), **arguments)


@pytest.mark.parametrize(
    ("make", "batch", "error", "text"),
    [
        (classifier, Batch(LABELLED.inputs, jnp.array([0, 3, 1])), ValueError,
         r"classifier: data.train.targets must be at least 0 and below 3 \(the classes\), got 3"),
        (classifier, Batch(LABELLED.inputs, jnp.array([0, -1, 1])), ValueError, r"data.train.targets must be .* got -1"),
        (classifier, NUMBERS, TypeError, "classifier: data.train.targets must be integer labels, got 'float32'"),
        (classifier, Batch(jnp.ones((3, 5)), LABELLED.targets), ValueError,
         r"classifier: data.train.inputs must be of shape \(n, 2\), got \(3, 5\)"),
        (regressor, NUMBERS, ValueError, r"regressor: data.train.targets must be of shape \(n, 3\), got \(3, 1\)"),
        (regressor, Batch(jnp.ones((3, 5)), NUMBERS.targets), ValueError, r"regressor: data.train.inputs must be .*5\)"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_are_refused(make, batch, error, text):
    learner = make((2, 3), optimizer=jaxmlp.gd(0.1))
    with pytest.raises(error, match=text):
        jaxmlp.fit(KEY, learner, all_three(batch), epochs=1)


def test_labels_are_checked_in_the_validation_split_too():
    wrong = Batch(LABELLED.inputs, jnp.array([0, 3, 1]))
    with pytest.raises(ValueError, match="classifier: data.validation.targets must be at least 0 and below 3"):
        classifier((2, 3), optimizer=jaxmlp.gd(0.1)).check(Data(LABELLED, wrong, LABELLED))


def test_binary_labels_are_zero_and_one():
    with pytest.raises(ValueError, match="data.train.targets must be at least 0 and below 2"):
        classifier((2, 1), optimizer=jaxmlp.gd(0.1)).check(all_three(LABELLED))


def test_smoothing_belongs_to_cross_entropy():
    with pytest.raises(
        ValueError, match="classifier: label_smoothing must be None unless the loss is cross_entropy, got 0.1"
    ):
        classifier((2, 1), optimizer=jaxmlp.gd(0.1), label_smoothing=0.1)
