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


# Labels of every dtype.

DTYPES = ["bool", "int8", "uint8", "int32", "float16", "bfloat16", "float32"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_accuracy_of_one_logit_with_labels_of_every_dtype(dtype, shape):
    logits = jnp.array([2.0, -1.0, 0.5, -3.0]).reshape(shape)
    labels = jnp.array([1, 1, 1, 0]).astype(dtype)
    assert accuracy(logits, labels) == 0.75
    assert accuracy(logits, labels.reshape(shape)) == 0.75


@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_of_one_hot_labels_of_every_dtype(dtype):
    logits = jnp.array([[0.1, 0.9, 0.0], [0.8, 0.2, 0.1], [0.0, 0.1, 0.2]])
    assert accuracy(logits, jnp.eye(3)[jnp.array([1, 0, 0])].astype(dtype)) == pytest.approx(2 / 3)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint32", "float16", "bfloat16", "float32"])
def test_class_numbers_of_every_dtype(dtype):
    """Class 300 is 44 in uint8, and class 257 is 256 in bfloat16: neither may match by rounding."""
    logits = np.eye(301, dtype=np.float32)[[300, 257, 5]]
    labels = jnp.array([44, 256, 5]).astype(dtype)
    assert accuracy(logits, labels) == pytest.approx(1 / 3)


@pytest.mark.parametrize("logits", [[[2.0], [2.0], [-1.0]], [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]])
@pytest.mark.parametrize(
    ("labels", "expected"), [([1, 2, -1], 1 / 3), ([1.0, 2.0, -1.0], 1 / 3), ([1.0, np.nan, np.nan], 1 / 3)]
)
def test_labels_that_are_no_class_are_wrong(logits, labels, expected):
    assert accuracy(logits, np.array(labels)) == pytest.approx(expected)


def test_fractions_are_no_class_numbers():
    assert accuracy([[1.0, 0.0], [0.0, 1.0]], [0.7, 1.0]) == 0.5


def test_a_soft_label_of_one_logit_counts_as_1_above_one_half():
    assert accuracy(jnp.array([1.0, 1.0, -1.0, -1.0]), jnp.array([0.9, 0.1, 0.5, 0.51])) == 0.5


@pytest.mark.parametrize("labels", [[0, 1, 0], [[1, 0], [0, 1], [1, 0]]], ids=["index", "one-hot"])
def test_examples_with_nan_logits_are_wrong(labels):
    logits = jnp.array([[jnp.nan, jnp.nan], [0.0, jnp.nan], [1.0, 0.0]])
    assert accuracy(logits, labels) == pytest.approx(1 / 3)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_a_nan_as_only_logit_is_wrong(shape):
    logits = jnp.array([jnp.nan, jnp.nan, -1.0, 1.0]).reshape(shape)
    assert accuracy(logits, [0, 1, 0, 1]) == 0.5


def test_infinite_logits_are_ordinary():
    assert accuracy([[-np.inf, 0.0], [-np.inf, -np.inf], [0.0, np.inf]], [1, 0, 1]) == 1
    assert accuracy([np.inf, -np.inf], [1, 0]) == 1


def test_accuracy_under_strict_promotion_in_float64(x64):
    for labels in (np.array([1, 0]), np.array([1, 0], np.uint64), np.array([1.0, 0.0]), np.array([True, False])):
        for logits in (np.array([2.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2, -1])):
            assert accuracy(logits, labels) == 1


# R^2 in every dtype and unit.


@pytest.mark.parametrize("constant", [0.0, 0.1, 1.0, 1e30])
def test_r2_of_equal_targets_is_1_if_exact_and_0_otherwise(constant):
    """As in scikit-learn, also for 0.1, whose mean over seven rows is not 0.1 in floating point."""
    targets = jnp.full(7, constant)
    for predictions, expected in [
        (targets, 1),
        (targets + 1, 0 if constant < 1e30 else 1),
        (targets + 1e-6, 0 if constant < 2 else 1),
        (2 * targets + 1e-30, 0),
    ]:
        value, gradient = jax.jit(jax.value_and_grad(r2))(predictions, targets)
        assert value == expected
        np.testing.assert_array_equal(gradient, np.zeros(7))
    assert (
        sklearn.metrics.r2_score(np.ones(7), np.ones(7)) == 1 and sklearn.metrics.r2_score(np.ones(7), np.zeros(7)) == 0
    )


def test_r2_of_a_constant_column_beside_another():
    targets = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]], np.float32)
    predictions = targets + np.array([[0, 1], [0, 0], [0, 0]], np.float32)
    assert r2(predictions, targets) == 0.5
    assert r2(targets, targets) == 1
    assert np.isnan(r2(targets * np.nan, np.ones_like(targets)))


@pytest.mark.parametrize("unit", [1e-30, 1e-22, 1.0, 1e22, 1e37])
def test_r2_does_not_depend_on_the_unit(unit):
    targets, predictions = np.array([1.0, 3.0, 5.0]), np.array([1.0, 2.0, 6.0])
    value, gradient = jax.value_and_grad(r2)(
        jnp.array(predictions * unit, jnp.float32), jnp.array(targets * unit, jnp.float32)
    )
    assert value == pytest.approx(0.75, rel=1e-5)
    np.testing.assert_allclose(np.float64(gradient) * unit, [0, 0.25, -0.25], atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("unit", [2.0**-12, 1.0, 2.0**12])
def test_r2_in_half_precision(dtype, unit):
    value = r2(unit * jnp.array([1.0, 2.0, 6.0], dtype), unit * jnp.array([1.0, 3.0, 5.0], dtype))
    assert (value.dtype, float(value)) == (dtype, 0.75)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "float16"])
def test_r2_of_integers_beside_fractions(dtype):
    whole, fractions = np.array([0, 1, 1]), np.array([0.25, 0.75, 1.0], np.float32)
    assert r2(jnp.array(whole).astype(dtype), fractions) == pytest.approx(
        sklearn.metrics.r2_score(fractions, whole), rel=1e-5
    )
    assert r2(fractions, jnp.array(whole).astype(dtype)) == pytest.approx(
        sklearn.metrics.r2_score(whole, fractions), rel=1e-5
    )


@pytest.mark.parametrize("shape", [(), (0,), (0, 2), (2, 0)])
def test_r2_refuses_what_has_no_rows(shape):
    with refuses(ValueError, f"r2: predictions must be of shape (n,) or (n, outputs), not empty, got {shape}"):
        r2(np.zeros(shape), np.zeros(shape))
