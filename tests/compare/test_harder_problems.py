"""The problems on which optimizers differ, against their definitions and their known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp.compare.problems import autoencoders, conditioning, find_problem, obstacles, rarities
from tests.compare.test_problems import idx_folder


def test_the_autoencoders_loss_and_error_by_hand():
    random = np.random.default_rng(0)
    images = random.random((6, 3)).astype(np.float32)
    batch = jaxmlp.Batch(jnp.asarray(images), jnp.zeros(6, jnp.int32))
    data = jaxmlp.Data(batch, batch, batch)
    problem = autoencoders.autoencoder("x", "x", data, (4, 2), epochs=1, target=0.1, batch_size=2)
    assert problem.about.endswith("3-4-2-4-3") and (problem.data.train.targets == batch.inputs).all()
    learner = problem.learner(jaxmlp.gd(0.1))
    params = learner.init(jax.random.key(0))

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    w, b = ([np.asarray(layer[name], np.float64) for layer in params] for name in "wb")
    code = sigmoid(images @ w[0] + b[0]) @ w[1] + b[1]  # linear
    outputs = sigmoid(sigmoid(code @ w[2] + b[2]) @ w[3] + b[3])
    cross_entropy = -(images * np.log(outputs) + (1 - images) * np.log(1 - outputs)).sum(axis=1).mean()
    found = learner.evaluate(params, problem.data.test)
    assert float(found["loss"]) == pytest.approx(cross_entropy, rel=1e-5)
    assert float(learner.loss(params, problem.data.test, None)) == pytest.approx(cross_entropy, rel=1e-5)
    assert float(found["error"]) == pytest.approx(((outputs - images) ** 2).sum(axis=1).mean(), rel=1e-5)


def test_the_autoencoders_start_above_the_plateau_of_the_mean_image():
    problem = find_problem("digits_autoencoder")
    test = np.asarray(problem.data.test.inputs)
    plateau = ((test - np.asarray(problem.data.train.inputs).mean(axis=0)) ** 2).sum(axis=1).mean()
    assert problem.target < plateau - 2 and plateau == pytest.approx(4.73, abs=0.1) and problem.untrained() > 10
    assert (test.min(), test.max()) == (0.0, 1.0) and "64-32-16-6-16-32-64" in problem.about


def test_the_published_autoencoder(tmp_path):
    problem = find_problem("fmnist_autoencoder", folder=idx_folder(tmp_path))
    assert "; 20-1000-500-250-30-250-500-1000-20" in problem.about and problem.batch_size == 128
    assert problem.fixed_test and problem.rows == (200, 40, 40)
    assert "; 20-7-3-7-20" in find_problem("fmnist_autoencoder", folder=tmp_path, hidden=(7, 3)).about
    again = problem.repetition(1)
    assert (np.asarray(again.data.test.inputs) == np.asarray(problem.data.test.inputs)).all()
    assert (np.asarray(again.data.train.inputs) == np.asarray(again.data.train.targets)).all()


def test_gradient_descent_on_the_ill_conditioned_quadratic_is_as_known():
    problem, key = find_problem("ill_conditioned"), jax.random.key(3)
    learner = problem.learner(jaxmlp.gd(0.7))
    batch = problem.data.test
    hessian = np.asarray(jax.hessian(learner.loss)(jnp.zeros(100), batch, key), np.float64)
    eigenvalues, vectors = np.linalg.eigh(hessian)
    assert eigenvalues == pytest.approx(10 ** np.linspace(-4, 0, 100), rel=1e-3)
    assert np.abs(vectors).max() < 0.6  # rotated
    result = jaxmlp.fit(key, learner, problem.data, epochs=3, batch_size=1)
    start = vectors.T @ np.asarray(learner.init(jax.random.split(key, 3)[0]), np.float64)
    known = 0.5 * np.sum(eigenvalues * ((1 - 0.7 * eigenvalues) ** 60 * start) ** 2)
    found = learner.evaluate(result.params, batch)
    assert float(found["loss"]) == pytest.approx(known, rel=1e-3)
    assert float(found["log10_loss"]) == pytest.approx(np.log10(known), abs=1e-3)
    assert float(learner.evaluate(jnp.zeros(100), batch)["log10_loss"]) == pytest.approx(-20)
    assert problem.steps_per_epoch * problem.epochs == 1000


def test_gradient_descent_on_the_noisy_quadratic_is_as_expected():
    problem = find_problem("noisy_quadratic")
    learner = problem.learner(jaxmlp.gd(0.3))

    def final(key):
        params = jaxmlp.fit(key, learner, problem.data, epochs=2, batch_size=1).params
        return learner.evaluate(params, problem.data.test)["loss"]

    losses = np.asarray(jax.vmap(final)(jax.random.split(jax.random.key(0), 1000)))
    error = losses.std(ddof=1) / np.sqrt(len(losses))
    assert error < 0.02 and abs(losses.mean() - conditioning.expected_loss(0.3, 40)) < 4 * error


def test_the_expected_loss_by_its_recursion_and_its_noise_floor():
    h, second = 1 / np.arange(1.0, 101.0), np.ones(100)
    assert conditioning.expected_loss(0.3, 0) == pytest.approx(0.5 * h.sum())
    for step in range(1, 4):
        second = (1 - 0.3 * h) ** 2 * second + 0.3**2 * h
        assert conditioning.expected_loss(0.3, step) == pytest.approx(0.5 * np.sum(h * second))
    floor = 0.5 * np.sum(0.3 * h / (2 - 0.3 * h))
    assert conditioning.expected_loss(0.3, 100_000) == pytest.approx(floor)
    best = min(conditioning.expected_loss(rate, 1000) for rate in np.geomspace(0.01, 1, 100))
    assert best == pytest.approx(0.147, abs=1e-3)


def test_rare_words_have_the_frequencies_and_the_best_accuracy_that_are_told():
    problem = find_problem("rare_words")
    frequencies, weights = rarities.word_frequencies(), rarities.word_weights()
    assert (frequencies[[0, 19, 20, 499]] == [0.5, 0.5, 1 / 21, 1 / 500]).all()
    assert frequencies[20:].sum() == pytest.approx(3.2, abs=0.1)
    assert (weights[:20] == 0).all() and set(weights[20:]) == {-3.0, 3.0}
    words, labels = (np.asarray(array) for array in problem.data.test[:2])
    assert words.mean(axis=0)[:20] == pytest.approx(0.5, abs=0.04)
    chance = 1 / (1 + np.exp(-(words @ weights)))
    assert np.maximum(chance, 1 - chance).mean() == pytest.approx(0.863, abs=0.015)
    # The labels follow these chances: the best guesses are right as often as they should be.
    assert ((chance > 0.5) == labels)[chance != 0.5].mean() == pytest.approx(
        np.maximum(chance, 1 - chance)[chance != 0.5].mean(), abs=0.015
    )
    learner = problem.learner(jaxmlp.gd(0.1))
    known = [{"w": jnp.asarray(weights[:, None], jnp.float32), "b": jnp.zeros(1)}]
    assert float(learner.evaluate(known, problem.data.test)["accuracy"]) > problem.target + 0.02


def test_rare_classes_have_the_frequencies_and_the_best_accuracy_that_are_told():
    problem = find_problem("rare_classes")
    rows = np.bincount(np.asarray(problem.data.train.targets), minlength=40)
    assert rows[0] == pytest.approx(4000 / 4.279, rel=0.1) and 10 < rows[-1] < 40
    points, labels = (np.asarray(array) for array in problem.data.test[:2])
    # Scores of a row: the logarithm of its density in each class, up to a constant.
    centers = rarities.class_centers()
    logits = jnp.asarray(points @ centers.T - 0.5 * (centers**2).sum(axis=1), jnp.float32)
    assert float(rarities.balanced_accuracy(logits, jnp.asarray(labels))) == pytest.approx(0.95, abs=0.02)
    assert problem.in_percent and problem.label == "balanced accuracy" and problem.written(0.123456) == "12.35"


def test_balanced_accuracy_by_hand():
    logits = jax.nn.one_hot(jnp.array([0, 0, 1, 1, 2]), 4)
    labels = jnp.array([0, 0, 0, 1, 1])  # two of three, one of two; classes 2 and 3 have no rows
    assert float(rarities.balanced_accuracy(logits, labels)) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_the_deep_narrow_network_starts_with_vanishing_gradients():
    problem = find_problem("deep_narrow")
    learner = problem.learner(jaxmlp.gd(0.1))
    params = learner.init(jax.random.key(0))
    assert [layer["w"].shape[1] for layer in params] == [16] * 10 + [10]
    for layer in params:
        bound = layer["w"].shape[0] ** -0.5
        assert 0.9 * bound < np.abs(layer["w"]).max() <= bound and (layer["b"] == 0).all()
    usual = jaxmlp.init(jax.random.key(0), (64, *[16] * 10, 10), weight_init="glorot_uniform")
    small, large = (
        jaxmlp.diagnostics.layer_gradient_norms(learner.loss, start, problem.data.train) for start in (params, usual)
    )
    assert (small < 0.03 * large).all() and large.min() > 0.01
    assert "64-5-4-10" in find_problem("deep_narrow", hidden=(5, 4)).about


def test_two_in_five_training_labels_are_wrong_and_no_others():
    digits, problem = jaxmlp.load("digits"), find_problem("wrong_labels")
    for seed in (0, 5):
        clean, data = jaxmlp.resplit(digits, seed), problem.repetition(seed).data
        for name in ("validation", "test"):
            assert (np.asarray(getattr(data, name).targets) == getattr(clean, name).targets).all()
        away = (np.asarray(data.train.targets) - clean.train.targets) % 10
        assert (away != 0).sum() == round(0.4 * 1257)
        assert np.bincount(away)[1:] == pytest.approx(0.4 * 1257 / 9, abs=28)  # 4 standard deviations
        assert (np.asarray(data.train.inputs) == clean.train.inputs).all()
    assert (obstacles.with_wrong_labels(np.arange(10) % 3, 3, np.random.default_rng(0)) < 3).all()


@pytest.mark.parametrize("name", ["rare_words", "rare_classes", "wrong_labels", "digits_autoencoder"])
def test_a_repetition_has_other_rows_of_the_same_shapes(name):
    problem = find_problem(name)
    one, again, other = (problem.repetition(seed).data for seed in (1, 1, 2))
    assert jax.tree.map(jnp.shape, one) == jax.tree.map(jnp.shape, problem.data)
    assert all(bool((a == b).all()) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(again), strict=True))
    assert all(bool((a != b).any()) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


@pytest.mark.parametrize("name", ["ill_conditioned", "noisy_quadratic"])
def test_a_repetition_of_a_quadratic_differs_in_its_seeds_only(name):
    problem = find_problem(name)
    assert problem.repetition(4).rows == problem.rows == (20, 20, 20)
