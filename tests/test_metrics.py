"""metrics: accuracy and R^2 by hand and against scikit-learn, for labels of every dtype and at the extremes."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from jaxmlp.metrics import accuracy, r2

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(6, 3))
T = 2 * RNG.normal(size=(6, 3)) + 1
LOGITS = 3 * RNG.normal(size=(6, 4))
LABELS = np.array([0, 3, 1, 1, 2, 3])
ONE_HOT = np.eye(4)[LABELS]


def refuses(error, text):
    """The block raises `error` with exactly this text (JAX may add a note below it)."""
    return pytest.raises(error, match=rf"^{re.escape(text)}(\n|$)")


def close(left, right, rtol=1e-12):
    np.testing.assert_allclose(left, right, rtol=rtol, atol=1e-300)


def test_accuracy_by_hand():
    logits = jnp.array([[0.1, 0.9, 0.0], [0.8, 0.2, 0.1], [0.0, 0.1, 0.2]])
    assert accuracy(logits, [1, 0, 0]) == pytest.approx(2 / 3)
    assert accuracy(logits, jnp.eye(3)[jnp.array([1, 0, 0])]) == pytest.approx(2 / 3)
    assert accuracy(logits, jnp.eye(3, dtype=int)[jnp.array([1, 0, 0])]) == pytest.approx(2 / 3)


def test_of_equal_logits_the_first_counts():
    logits = jnp.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])
    assert accuracy(logits, [0, 1]) == 1
    assert accuracy(logits, [1, 2]) == 0


@pytest.mark.parametrize("labels", [(5,), (5, 1)])
def test_accuracy_of_one_logit_is_of_its_sign(labels):
    logits = [[2.0], [0.0], [-1.0], [0.1], [-3.0]]
    assert accuracy(logits, np.array([1, 0, 0, 1, 1]).reshape(labels)) == pytest.approx(4 / 5)


def test_accuracy_of_two_classes_with_one_hot_labels():
    assert accuracy([[2.0, 1.0], [0.0, 3.0], [1.0, 4.0]], np.eye(2)[[0, 1, 0]]) == pytest.approx(2 / 3)


def test_accuracy_with_leading_axes_equals_scikit_learn():
    expected = sklearn.metrics.accuracy_score(LABELS, LOGITS.argmax(1))
    assert accuracy(LOGITS.reshape(3, 2, 4), LABELS.reshape(3, 2)) == pytest.approx(expected)
    assert accuracy(LOGITS[1], LABELS[1]) == float(LOGITS[1].argmax() == LABELS[1])
    assert accuracy(LOGITS[1:2], ONE_HOT[1:2]) == float(LOGITS[1].argmax() == LABELS[1])


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_accuracy_is_a_float32_whatever_the_logits(dtype):
    logits = jnp.asarray(np.eye(1001, 2, 1), dtype)
    value = jax.jit(accuracy)(logits, np.zeros(1001, np.uint8))
    assert (value.shape, value.dtype) == ((), jnp.float32)
    assert value == pytest.approx(1000 / 1001)


def test_accuracy_in_float64(x64):
    assert accuracy(jnp.eye(3), jnp.array([0, 1, 1])).dtype == jnp.float64


@pytest.mark.parametrize(("logits", "labels"), [((5, 3), (5, 1)), ((5, 3), (3,)), ((5, 1), (1,)), ((5, 3), (1, 3))])
def test_accuracy_never_broadcasts(logits, labels):
    with refuses(ValueError, f"accuracy: labels must be of shape (5,), got {labels}"):
        accuracy(np.zeros(logits), np.zeros(labels, int))


def test_accuracy_refuses_a_scalar():
    with refuses(ValueError, "accuracy: logits must be of shape (..., classes), got ()"):
        accuracy(np.zeros(()), np.zeros((), int))


def test_r2_by_hand():
    assert r2(jnp.array([1.0, 2.0, 6.0]), jnp.array([1.0, 3.0, 5.0])) == 1 - 2 / 8
    assert r2(jnp.full(3, 3.0), jnp.array([1.0, 3.0, 5.0])) == 0


def test_r2_equals_scikit_learn(x64):
    close(r2(Y, T), sklearn.metrics.r2_score(T, Y))
    close(r2(Y[:, 0], T[:, 0]), sklearn.metrics.r2_score(T[:, 0], Y[:, 0]))


def test_accuracy_takes_flat_logits_beside_flat_labels():
    assert accuracy(jnp.array([2.0, -1.0, 0.5, -3.0]), jnp.array([1, 1, 1, 0])) == 0.75
