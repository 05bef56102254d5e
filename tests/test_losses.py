"""losses: against values by hand, NumPy, SciPy, scikit-learn and optax; nothing broadcasts; extremes stay finite."""

import re

import chex
import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import sklearn.cluster
import sklearn.metrics
from hypothesis import strategies as st
from jax.test_util import check_grads

from jaxmlp import r2
from jaxmlp.losses import binary_cross_entropy, cross_entropy, huber, inertia, mse, perceptron, sse

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(6, 3))
T = 2 * RNG.normal(size=(6, 3)) + 1
LOGITS = 3 * RNG.normal(size=(6, 4))
LABELS = np.array([0, 3, 1, 1, 2, 3])
ONE_HOT = np.eye(4)[LABELS]
SOFT = RNG.dirichlet(np.ones(4), size=6)
EXTREME = np.array([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4]], np.float32)


def refuses(error, text):
    """The block raises `error` with exactly this text (JAX may add a note below it)."""
    return pytest.raises(error, match=rf"^{re.escape(text)}(\n|$)")


def close(left, right, rtol=1e-12):
    np.testing.assert_allclose(left, right, rtol=rtol, atol=1e-300)


# Squared and Huber errors.


def test_mse_and_sse_by_hand():
    assert mse([1.0, 2.0, -1.0], [1.0, 4.0, 3.0]) == pytest.approx(20 / 3)
    assert sse([1.0, 2.0, -1.0], [1.0, 4.0, 3.0]) == 20


def test_mse_and_sse_in_float64(x64):
    close(mse(Y, T), sklearn.metrics.mean_squared_error(T, Y))
    close(sse(Y, T), ((Y - T) ** 2).sum())


def test_gradients_of_mse_and_sse(x64):
    close(jax.grad(mse)(jnp.array(Y), T), 2 * (Y - T) / Y.size)
    close(jax.grad(sse)(jnp.array(Y), T), 2 * (Y - T))


def test_huber_by_hand():
    errors = np.array([0.0, 0.5, -0.5, 2.0, -2.0, 3.0, -5.0])
    by_hand = [0, 0.125, 0.125, 2.0, 2.0, 4.0, 8.0]
    for error, value in zip(errors, by_hand, strict=True):
        assert huber(error, 0.0, delta=2.0) == value
    assert huber(errors, np.zeros(7), delta=2.0) == pytest.approx(sum(by_hand) / 7)


@pytest.mark.parametrize("delta", [0.3, 1.0, 2.5])
def test_huber_equals_optax(delta, x64):
    close(huber(jnp.array(Y), T, delta), optax.huber_loss(jnp.array(Y), jnp.array(T), delta=delta).mean())
    close(jax.grad(huber)(jnp.array(Y), T, delta), np.clip(Y - T, -delta, delta) / Y.size)


def test_the_default_delta_is_1(x64):
    close(huber(jnp.array(Y), T), huber(jnp.array(Y), T, 1.0))


def test_huber_s_gradient_at_0_at_delta_and_far_away():
    gradient = jax.jit(jax.grad(huber))
    assert [float(gradient(e, 0.0, 2.0)) for e in (0.0, 2.0, -2.0, 1e4, -1e4)] == [0, 2, -2, 2, -2]


@pytest.mark.parametrize("loss", [mse, sse, huber, r2])
def test_integer_targets_and_lists(loss):
    assert loss(jnp.array([1.5, 2.0, 4.0]), jnp.array([1, 2, 3])) == loss([1.5, 2.0, 4.0], [1, 2, 3])


@pytest.mark.parametrize("loss", [mse, sse, huber, r2])
def test_errors_are_scalars_of_the_wider_dtype(loss):
    for one, other, wider in [
        ("bfloat16", "float32", "float32"),
        ("float16", "float16", "float16"),
        ("bfloat16", "int32", "bfloat16"),
    ]:
        for left, right in [(one, other), (other, one)]:
            value = jax.eval_shape(loss, jnp.array([1.0, 2.0, 3.0], left), jnp.array([2.0, 2.0, 5.0], right))
            assert (value.shape, value.dtype) == ((), wider)


@pytest.mark.parametrize("loss", [mse, sse, huber, r2])
def test_errors_never_broadcast(loss):
    text = "{}: targets must be of shape {}, got {}"
    for predictions, targets in [((4,), (4, 1)), ((4, 1), (4,)), ((4,), ()), ((1, 3), (4, 3))]:
        with refuses(ValueError, text.format(loss.__name__, predictions, targets)):
            loss(np.ones(predictions), np.ones(targets))


def test_delta_is_above_0():
    with refuses(ValueError, "huber: delta must be a finite number above 0, got -1.0"):
        huber(1.0, 0.0, -1.0)


def test_a_float32_delta_leaves_the_dtype():
    assert jax.eval_shape(huber, jnp.bfloat16(1), jnp.bfloat16(3), jnp.float32(2)).dtype == jnp.bfloat16


def test_traced_delta_traces_once():
    loss = jax.jit(chex.assert_max_traces(huber, n=1))
    assert [float(loss(3.0, 0.0, delta)) for delta in (0.5, 1.0, 4.0)] == [1.375, 2.5, 4.5]


# Cross-entropy.


def reference(logits, labels, smoothing=0.0):
    labels = (1 - smoothing) * labels + smoothing / logits.shape[-1]
    return -np.mean(np.sum(labels * scipy.special.log_softmax(logits, axis=-1), axis=-1))


def test_cross_entropy_by_hand():
    logits = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]]))
    assert cross_entropy(logits, jnp.array([0, 0])) == pytest.approx((np.log(2) + np.log(8)) / 2)


def test_cross_entropy_of_integer_labels(x64):
    close(cross_entropy(LOGITS, LABELS), reference(LOGITS, ONE_HOT))
    probabilities = scipy.special.softmax(LOGITS, axis=1)
    close(cross_entropy(LOGITS, LABELS), sklearn.metrics.log_loss(LABELS, probabilities))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float32", "float64"])
def test_cross_entropy_of_one_hot_labels(dtype, x64):
    close(cross_entropy(LOGITS, ONE_HOT.astype(dtype)), reference(LOGITS, ONE_HOT))


def test_cross_entropy_of_soft_labels(x64):
    close(cross_entropy(LOGITS, SOFT), reference(LOGITS, SOFT))
    close(cross_entropy(LOGITS, SOFT), optax.softmax_cross_entropy(jnp.array(LOGITS), jnp.array(SOFT)).mean())


@pytest.mark.parametrize("smoothing", [0.1, 0.9])
@pytest.mark.parametrize("labels", [LABELS, ONE_HOT, SOFT], ids=["integer", "one-hot", "soft"])
def test_label_smoothing(labels, smoothing, x64):
    targets = ONE_HOT if labels is LABELS else labels
    smoothed = optax.smooth_labels(jnp.array(targets), smoothing)
    expected = optax.softmax_cross_entropy(jnp.array(LOGITS), smoothed).mean()
    close(cross_entropy(LOGITS, labels, smoothing), expected)
    close(expected, reference(LOGITS, targets, smoothing))


def test_traced_smoothing_traces_once(x64):
    loss = jax.jit(chex.assert_max_traces(lambda eps: cross_entropy(LOGITS, LABELS, eps), n=1))
    for smoothing in (0.0, 0.1, 0.5):
        close(loss(smoothing), reference(LOGITS, ONE_HOT, smoothing))


def test_cross_entropy_with_leading_axes(x64):
    logits = LOGITS.reshape(2, 3, 4)
    for labels in (LABELS.reshape(2, 3), ONE_HOT.reshape(2, 3, 4), ONE_HOT.astype(int).reshape(2, 3, 4)):
        close(cross_entropy(logits, labels), reference(LOGITS, ONE_HOT))
    close(cross_entropy(logits, LABELS.reshape(2, 3), 0.1), reference(LOGITS, ONE_HOT, 0.1))


def test_cross_entropy_of_one_example(x64):
    close(cross_entropy(LOGITS[0], LABELS[0]), reference(LOGITS[:1], ONE_HOT[:1]))
    close(cross_entropy(LOGITS[0], SOFT[0]), reference(LOGITS[:1], SOFT[:1]))


@pytest.mark.parametrize("labels", [LABELS, ONE_HOT], ids=["integer", "one-hot"])
def test_the_gradient_of_cross_entropy_is_softmax_minus_label(labels, x64):
    expected = (scipy.special.softmax(LOGITS, axis=1) - ONE_HOT) / 6
    np.testing.assert_allclose(jax.grad(cross_entropy)(jnp.array(LOGITS), labels), expected, rtol=1e-11, atol=1e-15)
    smoothed = (scipy.special.softmax(LOGITS, axis=1) - 0.9 * ONE_HOT - 0.1 / 4) / 6
    gradient = jax.grad(cross_entropy)(jnp.array(LOGITS), labels, 0.1)
    np.testing.assert_allclose(gradient, smoothed, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("labels", [np.array([1, 2]), np.eye(3, dtype=np.float32)[[1, 2]]], ids=["integer", "one-hot"])
def test_extreme_logits_stay_finite(labels, smoothing):
    value, gradient = jax.jit(jax.value_and_grad(cross_entropy))(EXTREME, labels, smoothing)
    # Label 1 of row 0 lies 2e4 below the largest logit, label 2 of row 1 is the largest; a row's mean lies 1e4 below.
    assert value == pytest.approx((1 - smoothing) * 1e4 + smoothing * 1e4)
    chex.assert_tree_all_finite(gradient)


def test_a_class_may_be_ruled_out_by_a_logit_of_minus_infinity():
    assert cross_entropy([[0.0, 0.0, -np.inf]], [1]) == pytest.approx(np.log(2))


def test_extreme_logits_by_hand():
    assert cross_entropy(EXTREME, np.array([1, 2])) == 1e4
    assert cross_entropy(EXTREME, np.array([0, 2])) == 0


@pytest.mark.parametrize(("dtype", "classes"), [("int8", 200), ("uint8", 300), ("uint32", 200)])
def test_narrow_label_types_count_every_class(dtype, classes):
    labels = np.array([3, 100], dtype)
    values = [run(jnp.ones((2, classes)), labels) for run in (cross_entropy, jax.jit(cross_entropy))]
    assert values == pytest.approx([np.log(classes)] * 2)


@pytest.mark.parametrize(("labels", "got"), [([0, 4], 4), ([-1, 3], -1), ([-1, 9], -1)])
def test_a_concrete_label_out_of_range_is_refused(labels, got):
    with refuses(ValueError, f"cross_entropy: labels must be at least 0 and below 4 (the classes), got {got}"):
        cross_entropy(np.zeros((2, 4)), jnp.array(labels))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("label", [4, -1])
def test_a_traced_label_out_of_range_gives_nan(label, smoothing):
    loss = jax.jit(cross_entropy)
    assert np.isnan(loss(jnp.zeros((2, 4)), jnp.array([0, label]), smoothing))
    assert np.isfinite(loss(jnp.zeros((2, 4)), jnp.array([0, 3]), smoothing))


def test_a_traced_label_beyond_int32_is_no_smaller_label(x64):
    assert np.isnan(jax.jit(cross_entropy)(np.zeros((1, 4)), np.array([2**32])))


@pytest.mark.parametrize("make", [np.array, jnp.array])
def test_labels_may_be_constants_of_a_compiled_function(make):
    labels = make([0, 1])
    assert jax.jit(lambda z: cross_entropy(z, labels))(jnp.zeros((2, 2))) == pytest.approx(np.log(2))
    assert jax.jit(lambda z: binary_cross_entropy(z, labels))(jnp.zeros(2)) == pytest.approx(np.log(2))


def test_the_default_smoothing_is_none(x64):
    assert cross_entropy(LOGITS, LABELS) == cross_entropy(LOGITS, LABELS, 0.0)


@pytest.mark.parametrize("loss", [cross_entropy, binary_cross_entropy, perceptron])
def test_no_labels_at_all_are_in_range(loss):
    logits, labels = np.zeros((0, 3) if loss is cross_entropy else 0), jnp.zeros(0, int)
    assert jax.eval_shape(lambda logits: loss(logits, labels), logits).shape == ()


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        ((5, 3), (5, 1), "(5,)"),
        ((5, 3), (4,), "(5,)"),
        ((5, 3), (), "(5,)"),
        ((5, 3), (1, 3), "(5,)"),
        ((5,), (5,), "()"),
    ],
)
def test_cross_entropy_never_broadcasts_integer_labels(logits, labels, expected):
    with refuses(ValueError, f"cross_entropy: labels must be of shape {expected}, got {labels}"):
        cross_entropy(np.zeros(logits), np.zeros(labels, int))


@pytest.mark.parametrize("labels", [(5,), (5, 1), (1, 3), (3,), (5, 4)])
def test_cross_entropy_never_broadcasts_soft_labels(labels):
    with refuses(ValueError, f"cross_entropy: labels must be of shape (5, 3), got {labels}"):
        cross_entropy(np.zeros((5, 3)), np.zeros(labels))


def test_cross_entropy_refuses_a_scalar_and_a_smoothing_out_of_range():
    with refuses(ValueError, "cross_entropy: logits must be of shape (..., classes), got ()"):
        cross_entropy(np.zeros(()), np.zeros((), int))
    with refuses(ValueError, "cross_entropy: label_smoothing must be at least 0 and below 1, got 1.0"):
        cross_entropy(LOGITS, LABELS, 1.0)


@pytest.mark.parametrize(
    "labels", [LABELS, ONE_HOT.astype(bool), ONE_HOT.astype(int)], ids=["integer", "bool", "one-hot"]
)
def test_cross_entropy_keeps_the_logits_dtype(labels):
    for smoothing in (0.0, 0.1, np.float32(0.1)):
        value = jax.eval_shape(cross_entropy, jnp.array(LOGITS, jnp.bfloat16), labels, smoothing)
        assert (value.shape, value.dtype) == ((), jnp.bfloat16)


def test_soft_labels_are_not_rounded_to_the_logits_dtype():
    """0.999 is 1 in bfloat16."""
    logits, soft = jnp.array([[8.0, -8.0]], jnp.bfloat16), jnp.array([[0.999, 0.001]])
    assert cross_entropy(logits, soft) == pytest.approx(0.016, rel=1e-3)
    assert binary_cross_entropy(2 * logits[:, 0], soft[:, 0]) == pytest.approx(0.016, rel=1e-3)


# Two classes, one logit.

Z = np.array([2.0, -1.5, 0.25, -3.0])
BITS = np.array([1, 1, 0, 0])


def test_binary_cross_entropy_by_hand():
    logits = scipy.special.logit(np.array([0.5, 0.25, 0.25], np.float32))
    assert binary_cross_entropy(logits, [1, 0, 1]) == pytest.approx((np.log(2) + np.log(4 / 3) + np.log(4)) / 3)


def test_binary_cross_entropy_in_float64(x64):
    close(binary_cross_entropy(Z, BITS), sklearn.metrics.log_loss(BITS, scipy.special.expit(Z)))
    soft = np.array([0.9, 0.2, 0.5, 0.0])
    expected = optax.sigmoid_binary_cross_entropy(jnp.array(Z), jnp.array(soft)).mean()
    close(binary_cross_entropy(Z, soft), expected)
    close(jax.grad(binary_cross_entropy)(jnp.array(Z), soft), (scipy.special.expit(Z) - soft) / 4)


def test_binary_cross_entropy_is_cross_entropy_of_logits_0_and_z(x64):
    close(binary_cross_entropy(Z, BITS), cross_entropy(np.stack([0 * Z, Z], 1), BITS))


@pytest.mark.parametrize("loss", [binary_cross_entropy, perceptron])
def test_one_logit_with_or_without_its_axis(loss):
    loss = jax.jit(loss)
    expected = pytest.approx(float(loss(Z, BITS)), rel=1e-6)
    for logits, labels in [((4, 1), (4,)), ((4, 1), (4, 1)), ((2, 2), (2, 2)), ((2, 2, 1), (2, 2))]:
        assert loss(Z.reshape(logits), BITS.reshape(labels)) == expected
    assert loss(Z.reshape(4, 1), BITS.astype(bool)) == expected


def test_extreme_binary_logits():
    value, gradient = jax.value_and_grad(binary_cross_entropy)(jnp.array([1e4, -1e4, 1e4, -1e4]), [1, 0, 0, 1])
    assert value == 5000
    np.testing.assert_array_equal(gradient, [0, 0, 0.25, -0.25])


@pytest.mark.parametrize("loss", [binary_cross_entropy, perceptron])
@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ((4,), (4, 1), (4,)),
        ((4, 1), (1,), (4,)),
        ((4, 2), (4,), (4, 2)),
        ((4,), (), (4,)),
        ((4, 1, 1), (4,), (4, 1, 1)),
    ],
)
def test_binary_losses_never_broadcast(loss, scores, labels, expected):
    with refuses(ValueError, f"{loss.__name__}: labels must be of shape {expected}, got {labels}"):
        loss(np.zeros(scores), np.zeros(labels))


@pytest.mark.parametrize("loss", [binary_cross_entropy, perceptron])
@pytest.mark.parametrize(("labels", "got"), [([-1, 1], -1.0), ([0, 2], 2.0), ([-1, 2], -1.0), ([0.5, np.nan], np.nan)])
def test_binary_labels_lie_between_0_and_1(loss, labels, got):
    with refuses(ValueError, f"{loss.__name__}: labels must be at least 0 and at most 1, got {got}"):
        loss(np.zeros(2), np.array(labels))


@pytest.mark.parametrize("loss", [binary_cross_entropy, perceptron])
def test_binary_losses_take_traced_labels_and_keep_the_dtype(loss):
    value = jax.jit(loss)(jnp.array(Z, jnp.bfloat16), jnp.array(BITS))
    assert (value.shape, value.dtype) == ((), jnp.bfloat16)
    assert float(value) == pytest.approx(float(loss(Z, BITS)), rel=0.02)


# The perceptron.


def test_perceptron_by_hand():
    """|z| for each mistake: of 2 (right), -1.5 (wrong), 0.25 (wrong), -3 (right)."""
    assert perceptron(Z, BITS) == 1.75 / 4


def test_the_perceptron_s_gradient_is_its_rule():
    scores = jnp.array([2.0, -1.5, 0.25, -3.0, 0.0, 0.0])
    labels = np.array([1, 1, 0, 0, 1, 0])
    mistakes = (np.array([1, 0, 1, 0, 0, 0]) - labels) / 6
    np.testing.assert_allclose(jax.grad(perceptron)(scores, labels), mistakes, rtol=1e-6)


def test_the_perceptron_learns_and_from_zero_weights():
    inputs = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    labels = jnp.array([0, 0, 0, 1])
    params = (jnp.zeros(2), jnp.zeros(()))
    gradient = jax.jit(jax.grad(lambda params: perceptron(inputs @ params[0] + params[1], labels)))
    for _ in range(30):
        params = jax.tree.map(lambda p, g: p - g, params, gradient(params))
    np.testing.assert_array_equal(inputs @ params[0] + params[1] > 0, labels)


# K-means.


def test_inertia_by_hand():
    inputs = [[0.0, 0.0], [1.0, 2.0], [10.0, 0.0]]
    assert inertia(inputs, [[0.0, 1.0], [9.0, 2.0]]) == 1 + 2 + 5
    assert inertia(inputs, [[1.0, 0.0]]) == 1 + 4 + 81


def test_inertia_equals_scikit_learn(x64):
    fitted = sklearn.cluster.KMeans(3, n_init="auto", random_state=0).fit(np.concatenate([Y, T]))
    close(inertia(np.concatenate([Y, T]), fitted.cluster_centers_), fitted.inertia_)


def test_the_gradient_of_inertia_pulls_each_center_to_its_inputs():
    inputs = jnp.array([[0.0], [1.0], [5.0]])
    gradient = jax.jit(jax.grad(inertia, 1))(inputs, jnp.array([[2.0], [4.0], [100.0]]))
    np.testing.assert_array_equal(gradient, [[2 * (2 + 1)], [2 * (4 - 5)], [0]])


@pytest.mark.parametrize(
    ("inputs", "centers", "text"),
    [
        ((3,), (2, 3), "inputs must be of shape (n, features), got (3,)"),
        ((3, 2, 2), (2, 2), "inputs must be of shape (n, features), got (3, 2, 2)"),
        ((3, 2), (2,), "centers must be of shape (k, 2), got (2,)"),
        ((3, 2), (2, 3), "centers must be of shape (k, 2), got (2, 3)"),
        ((3, 2), (0, 2), "centers must be of shape (k, 2), got (0, 2)"),
        ((3, 2), (1, 2, 2), "centers must be of shape (k, 2), got (1, 2, 2)"),
    ],
)
def test_inertia_refuses(inputs, centers, text):
    with refuses(ValueError, f"inertia: {text}"):
        inertia(np.zeros(inputs), np.zeros(centers))


# All together.


def test_gradients_numerically(x64):
    def total(y, z, q, delta, smoothing):
        return (
            mse(y, T)
            + sse(y, T)
            + huber(y, T, delta)
            + cross_entropy(z, LABELS, smoothing)
            + cross_entropy(z, q)
            + binary_cross_entropy(y[:, 0], LABELS > 1)
            + inertia(y, T)
            + r2(y, T)
        )

    check_grads(jax.jit(total), (jnp.array(Y), jnp.array(LOGITS), jnp.array(SOFT), 0.7, 0.2), order=1, modes=["rev"])


def test_every_loss_runs_under_vmap():
    y, t = jnp.array(Y, jnp.float32), jnp.array(T, jnp.float32)
    for loss in (mse, sse, huber, r2):
        rows = [jax.jit(loss)(a, b) for a, b in zip(y, t, strict=True)]
        np.testing.assert_allclose(jax.jit(jax.vmap(loss))(y, t), rows, rtol=1e-5)
    rows = [reference(z, label) for z, label in zip(LOGITS[:, None], ONE_HOT[:, None], strict=True)]
    mapped = jax.jit(jax.vmap(cross_entropy))(jnp.array(LOGITS, jnp.float32), LABELS)
    np.testing.assert_allclose(mapped, rows, rtol=1e-5)


# Every dtype.

REALS = ["bool", "int8", "uint8", "int32", "uint32", "float16", "bfloat16", "float32"]
FLOATS = ["float16", "bfloat16", "float32"]


@pytest.mark.parametrize("loss", [mse, sse, huber])
@pytest.mark.parametrize("left", REALS)
def test_the_sides_of_an_error_may_be_of_any_dtype(loss, left):
    """One side holds fractions, whatever the other is: nothing is rounded to an integer, nothing wraps around."""
    whole = np.array([0, 1, 1, 0])
    for right in REALS:
        fractions = np.array([0.5, 2.25, 0.0, 7.0]) if right in FLOATS else np.array([1, 2, 0, 7])
        one, other = jnp.array(whole).astype(left), jnp.array(fractions).astype(right)
        expected = loss(jnp.array(whole, jnp.float32), other.astype(jnp.float32))
        assert loss(one, other) == loss(other, one)
        assert float(loss(one, other)) == pytest.approx(float(expected), rel=0.01)
        assert jnp.issubdtype(loss(one, other).dtype, jnp.floating)


def test_an_error_of_integers_in_float64(x64):
    large = np.array([2**40 + 1, 0])
    assert mse(large, np.array([2**40, 0])) == mse(np.array([2**40, 0]), large) == 0.5
    assert mse(np.array([1, 2]), np.array([0.5, 2.0], np.float32)) == 0.125


@pytest.mark.parametrize("loss", [binary_cross_entropy, perceptron])
@pytest.mark.parametrize("scores", ["int8", "int32", "float16", "float32"])
def test_binary_losses_of_every_dtype(loss, scores):
    """A soft label stays soft beside integer scores."""
    z, soft = np.array([3, -2, 0, 1]), np.array([0.25, 0.5, 1.0, 0.0], np.float32)
    expected = float(loss(z.astype(np.float32), soft))
    assert loss(jnp.array(z, scores), soft) == pytest.approx(expected, rel=1e-6)
    for labels in ("bool", "uint8", "int32", "bfloat16"):
        hard = loss(jnp.array(z, scores), jnp.array([1, 0, 1, 0]).astype(labels))
        assert float(hard) == pytest.approx(float(loss(z.astype(np.float32), [1, 0, 1, 0])), rel=0.01)


def test_cross_entropy_of_integer_logits():
    logits = np.array([[3, -1, 0], [0, 2, 2]])
    for labels in (
        [0, 2],
        np.eye(3)[[0, 2]],
        np.eye(3, dtype=bool)[[0, 2]],
        np.array([[0.5, 0.5, 0], [0, 0.25, 0.75]]),
    ):
        expected = float(cross_entropy(logits.astype(np.float32), labels))
        assert cross_entropy(logits, labels) == pytest.approx(expected, rel=1e-6)


def test_inertia_of_pixels_does_not_wrap_around():
    assert inertia(np.array([[0, 255]], np.uint8), np.array([[255, 0]], np.uint8)) == 2 * 255**2
    assert inertia(np.array([[0], [3]]), np.array([[0.5]])) == 6.5


@pytest.mark.parametrize(
    ("loss", "first"),
    [
        (mse, "predictions"),
        (sse, "predictions"),
        (huber, "predictions"),
        (binary_cross_entropy, "logits"),
        (perceptron, "scores"),
        (cross_entropy, "logits"),
    ],
)
def test_complex_numbers_are_refused(loss, first):
    with refuses(TypeError, f"{loss.__name__}: {first} must be real numbers, got 'complex64'"):
        loss(jnp.ones((2, 2), jnp.complex64), jnp.ones((2, 2)))


# The extremes.


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_both_branches_of_binary_cross_entropy_keep_full_precision(dtype, x64):
    """softplus(z) - t * z is 0 at t = 1 beyond logit 8 in bfloat16, 17 in float32 and 37 in float64."""
    most = 9 if dtype == "float16" else 80
    z = jnp.linspace(-most, most, 41).astype(dtype)
    exact = np.log1p(np.exp(-np.abs(np.asarray(z, np.float64)))) + np.maximum(np.asarray(z, np.float64), 0)
    tolerance = 10 * float(jnp.finfo(dtype).eps)
    values, gradients = jax.vmap(jax.value_and_grad(binary_cross_entropy), (0, None))(z, jnp.zeros((), dtype))
    mirrored, opposite = jax.vmap(jax.value_and_grad(binary_cross_entropy), (0, None))(-z, jnp.ones((), dtype))
    for found in (values, mirrored):
        np.testing.assert_allclose(np.asarray(found, np.float64), exact, rtol=tolerance)
    for found in (gradients, -opposite):
        np.testing.assert_allclose(
            np.asarray(found, np.float64), scipy.special.expit(np.asarray(z, np.float64)), rtol=tolerance
        )


@pytest.mark.slow
@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(st.floats(-80, 80, width=32), st.floats(0, 1, width=32, allow_subnormal=False))
@hypothesis.example(30.0, 1.0)
@hypothesis.example(77.7, 0.99)
def test_binary_cross_entropy_of_soft_labels_is_exact(z, t):
    value, gradient = jax.jit(jax.value_and_grad(binary_cross_entropy))(np.float32(z), np.float32(t))
    z, t = np.float64(np.float32(z)), np.float64(np.float32(t))
    exact = t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z)
    assert value == pytest.approx(exact, rel=1e-6, abs=0)
    assert gradient == pytest.approx(scipy.special.expit(z) - t, rel=1e-5, abs=1e-7)


def test_infinite_logits_cost_nothing_if_they_are_right():
    z, right = jnp.array([jnp.inf, -jnp.inf]), jnp.array([1, 0])
    for loss in (binary_cross_entropy, perceptron):
        value, gradient = jax.value_and_grad(loss)(z, right)
        assert value == 0
        np.testing.assert_array_equal(gradient, [0, 0])
        assert loss(z, 1 - right) == np.inf
        assert np.isnan(loss(jnp.array([jnp.nan, 1.0]), right))


MASKED = np.array([[2.0, 1.0, -np.inf], [-np.inf, 0.0, 0.0]], np.float32)


@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "bool", "index"])
def test_a_class_of_logit_minus_infinity_does_not_contribute(dtype):
    labels = np.array([1, 2])
    labels = jnp.array(labels if dtype == "index" else np.eye(3)[labels]).astype("int32" if dtype == "index" else dtype)
    value, gradient = jax.jit(jax.value_and_grad(cross_entropy))(MASKED, labels)
    assert value == pytest.approx((np.log1p(np.e) + np.log(2)) / 2, rel=1e-6)
    sigmoid = scipy.special.expit(1)
    np.testing.assert_allclose(gradient, [[sigmoid / 2, -sigmoid / 2, 0], [0, 0.25, -0.25]], rtol=1e-6)


def test_a_label_at_logit_minus_infinity_costs_infinity():
    assert cross_entropy(MASKED, [2, 2]) == np.inf
    assert cross_entropy(MASKED, np.eye(3)[[2, 2]]) == np.inf
    assert cross_entropy(MASKED, [1, 2], 0.1) == jax.jit(cross_entropy)(MASKED, jnp.array([1, 2]), 0.1) == np.inf


def test_smoothing_of_zero_keeps_its_derivative():
    """The loss is linear in the smoothing."""
    slope = jax.grad(cross_entropy, 2)(jnp.array(LOGITS, jnp.float32), LABELS, 0.0)
    assert slope == pytest.approx(reference(LOGITS, ONE_HOT, 1.0) - reference(LOGITS, ONE_HOT), rel=1e-5)


def test_huber_at_the_extremes_of_its_dtype():
    assert huber(jnp.float16(300), jnp.float16(0), 400.0) == 45_000  # 300^2 is infinite in float16
    for dtype in FLOATS:
        assert huber(jnp.array(2.0, dtype), jnp.array(0.0, dtype), 1e300) == 2  # delta is infinite in the dtype
    assert jax.grad(huber)(jnp.float16(300), jnp.float16(0), 400.0) == 300


@pytest.mark.parametrize("dtype", FLOATS)
def test_gradients_are_finite_at_the_extremes(dtype):
    most = 100 if dtype == "float16" else 1e4
    z = jnp.array([[most, -most, 0.0], [0.0, 0.0, 0.0], [-most, most, most], [1e-4, -1e-4, 0.0]], dtype)
    labels = jnp.array([0, 1, 2, 1])
    for loss in (mse, sse, huber, r2, binary_cross_entropy, perceptron, cross_entropy):
        for given in (jnp.eye(3)[labels].astype(dtype), jnp.eye(3, dtype=int)[labels]):
            value, gradient = jax.value_and_grad(loss)(z, given)
            assert value.dtype == gradient.dtype == dtype
            assert np.isfinite(value), loss.__name__
            assert np.isfinite(gradient).all(), loss.__name__


# Many labels for an example.


def test_multi_label_binary_cross_entropy_is_the_mean_over_all_answers(x64):
    logits, answers = RNG.normal(size=(6, 4)), RNG.integers(0, 2, (6, 4))
    expected = sklearn.metrics.log_loss(answers.ravel(), scipy.special.expit(logits).ravel())
    for dtype in ("int32", "bool", "uint8", "float64"):
        close(binary_cross_entropy(logits, answers.astype(dtype)), expected)
    columns = [binary_cross_entropy(logits[:, i], answers[:, i]) for i in range(4)]
    close(binary_cross_entropy(logits, answers), np.mean(columns))
