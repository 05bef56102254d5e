"""Losses: pure functions of arrays that return a scalar. Nothing is broadcast or cast silently.

Every loss takes `weights=`, one number of at least 0 for each row, the leading axis. A mean over rows becomes
sum(w * l) / sum(w), so that only the ratios of weights matter, and a sum over rows becomes sum(w * l). A row of
weight 0 contributes nothing, whatever it holds; if all weights are 0, so is the loss.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import check_labels, check_positive, check_rate, is_concrete, require
from jaxmlp.numerics import (
    as_floating,
    at_least_float32,
    check_shape,
    counted,
    mean,
    residuals,
    row_weights,
    total,
    weighted,
)
from jaxmlp.types import Array, ArrayLike, Scalar

__all__ = ["binary_cross_entropy", "cross_entropy", "huber", "inertia", "mse", "perceptron", "sse"]


def mse(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean squared error, over all elements: mean((y - t)^2).

    The usual loss of a regression. Integers and bools become floats on either side.

    Args:
      predictions: any shape.
      targets: the same shape.
      weights: (n,) of at least 0, for a weighted mean over the rows; None weighs all alike.

    Returns:
      A scalar of the common floating dtype.

    Raises:
      ValueError: for different shapes.
      TypeError: for anything but real numbers.

    Example:
      >>> float(mse(jnp.array([1.0, 2.0]), jnp.array([1, 4])))
      2.0

    References:
      As `sklearn.metrics.mean_squared_error`; optax has it as the mean of `squared_error`.
    """
    errors, weights = residuals("mse", predictions, targets, weights)
    return mean(jnp.square(errors), weights)


def sse(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Sum of squared errors, over all elements: sum((y - t)^2).

    Its gradient grows with the batch; `mse` is easier to tune.

    Args:
      predictions: any shape.
      targets: the same shape.
      weights: (n,) of at least 0, for a weighted sum over the rows; None weighs all alike.

    Returns:
      A scalar of the common floating dtype.

    Raises:
      ValueError: for different shapes.
      TypeError: for anything but real numbers.

    Example:
      >>> float(sse(jnp.array([1.0, 2.0]), jnp.array([1, 4])))
      4.0

    References:
      Rumelhart, Hinton & Williams 1986, https://doi.org/10.1038/323533a0, has it with a factor 1/2.
    """
    errors, weights = residuals("sse", predictions, targets, weights)
    return total(jnp.square(errors), weights)


def huber(
    predictions: ArrayLike, targets: ArrayLike, delta: Scalar = 1.0, *, weights: ArrayLike | None = None
) -> Array:
    """Mean Huber loss: e^2 / 2 if |e| <= delta, else delta * (|e| - delta / 2).

    Use it for targets with outliers, which pull less than in `mse`.

    Args:
      predictions: any shape.
      targets: the same shape.
      delta: above 0, in the units of the targets; may be traced.
      weights: (n,) of at least 0, for a weighted mean over the rows; None weighs all alike.

    Returns:
      A scalar of the common floating dtype.

    Raises:
      ValueError: for different shapes, or a concrete delta out of range.
      TypeError: for anything but real numbers.

    Example:
      >>> float(huber(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0])))
      1.3125

    References:
      Huber 1964, *Robust Estimation of a Location Parameter*, https://doi.org/10.1214/aoms/1177703732. As the mean of
      optax's `huber_loss`.
    """
    check_positive("huber", delta=delta)
    errors, weights = residuals("huber", predictions, targets, weights)
    size = jnp.abs(at_least_float32(errors))  # the square of 300 overflows in float16
    largest = float(jnp.finfo(size.dtype).max)  # an infinite delta times |e| - |e| would be NaN
    delta = jnp.asarray(min(float(delta), largest) if is_concrete(delta) else delta, size.dtype)
    inside = jnp.minimum(size, delta)
    return mean(0.5 * jnp.square(inside) + delta * (size - inside), weights).astype(errors.dtype)


def cross_entropy(
    logits: ArrayLike, labels: ArrayLike, label_smoothing: Scalar = 0.0, *, weights: ArrayLike | None = None
) -> Array:
    """Mean cross-entropy of softmax(logits), in nats: -mean(sum(q * log_softmax(z))).

    The usual loss of a classifier with two classes or more. A class of label 0 does not contribute, even if its logit
    is -inf. Smoothing gives every class a probability, so a logit of -inf costs infinity (NaN for a traced smoothing
    of 0).

    Args:
      logits: (..., classes).
      labels: integer labels (...,) in [0, classes), or one-hot or soft labels (..., classes) that sum to 1.
      label_smoothing: eps, in [0, 1): q = (1 - eps) * label + eps / classes; may be traced.
      weights: (n,) of at least 0, for a weighted mean over the rows; None weighs all alike.

    Returns:
      A scalar of the logits' dtype; with floating labels of the common dtype. A label out of range that is unknown
      until the function runs under jit gives NaN.

    Raises:
      ValueError: for shapes that do not fit, a concrete label out of range, a smoothing out of range.
      TypeError: for anything but real numbers.

    Example:
      >>> round(float(cross_entropy(jnp.zeros((3, 10)), jnp.array([0, 4, 9]))), 4)
      2.3026

    References:
      Label smoothing: Szegedy et al. 2016, https://arxiv.org/abs/1512.00567. As the mean of optax's
      `softmax_cross_entropy`.
    """
    check_rate("cross_entropy", label_smoothing=label_smoothing)
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    require(logits.ndim >= 1, "cross_entropy", "logits", "be of shape (..., classes)", logits.shape)
    is_one_hot = labels.shape == logits.shape and logits.ndim > 1
    weights = row_weights("cross_entropy", weights, logits.shape[:-1])
    logits, labels = counted(weights, logits, labels)
    if jnp.issubdtype(labels.dtype, jnp.integer) and not is_one_hot:
        (logits,) = as_floating("cross_entropy", logits=logits)
        log_probabilities = jax.nn.log_softmax(logits)
        likelihood, is_known = _chosen("cross_entropy", log_probabilities, labels)
    else:
        logits, labels = as_floating("cross_entropy", logits=logits, labels=labels)
        check_shape("cross_entropy", logits.shape, labels=labels)
        log_probabilities = jax.nn.log_softmax(logits)
        likelihood, is_known = jnp.sum(weighted(labels, log_probabilities), axis=-1), True
    if not (is_concrete(label_smoothing) and label_smoothing == 0):
        smoothing = jnp.asarray(label_smoothing, logits.dtype)
        uniform = jnp.mean(log_probabilities, axis=-1)
        likelihood = (1 - smoothing) * likelihood + smoothing * uniform
    return mean(jnp.where(is_known, -likelihood, jnp.nan), weights)


def _chosen(function: str, values: Array, labels: Array) -> tuple[Array, Array]:
    """The value of each label's class, and whether there is such a class."""
    classes = values.shape[-1]
    check_shape(function, values.shape[:-1], labels=labels)
    check_labels(function, classes, labels=labels)
    labels = labels.astype(jnp.int32) if labels.dtype.itemsize < 4 else labels  # uint8 cannot count 300 classes
    chosen = _one_hot(labels, classes)
    return jnp.sum(jnp.where(chosen, values, 0), axis=-1), (labels >= 0) & (labels < classes)


def _one_hot(labels: Array, classes: int) -> Array:
    index = jnp.arange(classes, dtype=labels.dtype).reshape((1,) * labels.ndim + (classes,))
    return labels[..., None] == index


def binary_cross_entropy(logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean cross-entropy of sigmoid(logits), in nats: mean(t * softplus(-z) + (1 - t) * softplus(z)).

    The usual loss of a classifier with one logit, and of multi-label classification: with (n, k) logits and labels,
    each of the k columns is an independent yes-or-no question. Both branches keep full precision at any logit; the
    equivalent formula softplus(z) - t * z is 0 for t = 1 beyond a logit of 17 in float32.

    Args:
      logits: any shape.
      labels: 0, 1 or between, of the logits' shape; or of shape (...,) for logits (..., 1).
      weights: (n,) of at least 0, for a weighted mean over the rows; None weighs all alike.

    Returns:
      A scalar of the logits' dtype; with floating labels of the common dtype.

    Raises:
      ValueError: for shapes that do not fit, or a concrete label out of range.
      TypeError: for anything but real numbers.

    Example:
      >>> round(float(binary_cross_entropy(jnp.zeros(4), jnp.array([0, 1, 1, 0]))), 4)
      0.6931
      >>> multi_label = jnp.array([[1, 0, 1], [0, 0, 1]])
      >>> round(float(binary_cross_entropy(jnp.where(multi_label == 1, 4.0, -4.0), multi_label)), 4)
      0.0181

    References:
      Cox 1958, *The Regression Analysis of Binary Sequences*, https://doi.org/10.1111/j.2517-6161.1958.tb00292.x. As
      the mean of optax's `sigmoid_binary_cross_entropy`.
    """
    z, t, weights = _binary("binary_cross_entropy", logits, labels, weights)
    return mean(weighted(t, jax.nn.softplus(-z)) + weighted(1 - t, jax.nn.softplus(z)), weights)


def perceptron(scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """The perceptron criterion: mean((step(z) - t) * z), which is |z| for a mistake and 0 for a right answer.

    Its gradient with respect to z is the perceptron's own rule, (step(z) - t) / n. step(0) is 0, so a positive example
    counts as a mistake there, and learning can start from zero weights.

    Args:
      scores: the weighted sums z, any shape.
      labels: 0 or 1, of the scores' shape; or of shape (...,) for scores (..., 1).
      weights: (n,) of at least 0, for a weighted mean over the rows; None weighs all alike.

    Returns:
      A scalar of the scores' dtype; with floating labels of the common dtype.

    Raises:
      ValueError: for shapes that do not fit, or a concrete label out of range.
      TypeError: for anything but real numbers.

    Example:
      >>> float(perceptron(jnp.array([2.0, -3.0]), jnp.array([1, 1])))
      1.5

    References:
      Rosenblatt 1958, *The Perceptron*, https://doi.org/10.1037/h0042519.
    """
    z, t, weights = _binary("perceptron", scores, labels, weights)
    return mean(weighted((z > 0).astype(z.dtype) - t, z), weights)


def _binary(
    function: str, scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> tuple[Array, Array, Array | None]:
    """Scores and labels of one shape and dtype, the labels in [0, 1]; and the weights."""
    name = "logits" if function == "binary_cross_entropy" else "scores"
    z, t = as_floating(function, **{name: scores, "labels": labels})
    z = z[..., 0] if z.ndim == t.ndim + 1 and z.shape[-1] == 1 else z
    check_shape(function, z.shape, labels=t)
    weights = row_weights(function, weights, z.shape)
    z, t = counted(weights, z, t)
    labels = labels if weights is None else t
    if is_concrete(labels) and np.size(labels):
        low, high = float(np.asarray(labels).min()), float(np.asarray(labels).max())
        require(low >= 0 and high <= 1, function, "labels", "be at least 0 and at most 1", low if low < 0 else high)
    return z, t, weights


def inertia(inputs: ArrayLike, centers: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """The criterion of k-means: the sum over the inputs of the squared distance to the nearest center.

    Args:
      inputs: (n, features).
      centers: (k, features).
      weights: (n,) of at least 0, for a weighted sum over the rows; None weighs all alike.

    Returns:
      A scalar of the common floating dtype.

    Raises:
      ValueError: for shapes that do not fit.
      TypeError: for anything but real numbers.

    Example:
      >>> float(inertia(jnp.array([[0.0], [1.0], [5.0]]), jnp.array([[0.0], [4.0]])))
      2.0

    References:
      Lloyd 1982, *Least Squares Quantization in PCM*, https://doi.org/10.1109/TIT.1982.1056489. As `inertia_` of
      `sklearn.cluster.KMeans`.
    """
    inputs, centers = as_floating("inertia", inputs=inputs, centers=centers)
    require(inputs.ndim == 2, "inertia", "inputs", "be of shape (n, features)", inputs.shape)
    fits = centers.ndim == 2 and centers.shape[1] == inputs.shape[1] and centers.shape[0] > 0
    require(fits, "inertia", "centers", f"be of shape (k, {inputs.shape[1]})", centers.shape)
    weights = row_weights("inertia", weights, inputs.shape)
    (inputs,) = counted(weights, inputs)
    squared_distances = jnp.sum(jnp.square(inputs[:, None, :] - centers[None, :, :]), axis=-1)
    return total(jnp.min(squared_distances, axis=1), weights)
