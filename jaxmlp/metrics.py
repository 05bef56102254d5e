"""Metrics: the accuracy of a classifier and R^2 of a regression, pure functions of arrays that return a scalar."""

import jax.numpy as jnp
from jax import lax

from jaxmlp.checks import is_floating, require
from jaxmlp.numerics import (
    along,
    as_floating,
    at_least_float32,
    check_shape,
    counted,
    mean,
    power_of_two,
    promoted,
    residuals,
    row_weights,
    shares,
)
from jaxmlp.types import Array, ArrayLike

__all__ = ["accuracy", "r2"]


def accuracy(
    logits: ArrayLike, labels: ArrayLike, *, multi_label: bool = False, weights: ArrayLike | None = None
) -> Array:
    """The fraction of examples whose largest logit, or the sign of whose only logit, agrees with the label.

    With two or more logits, labels of the same shape are one-hot or soft, and their largest entry counts. With one
    logit z, the prediction is 1 if z > 0, else 0, and a soft label counts as 1 above 1/2. The first of equal largest
    entries counts. An example with a NaN among its logits is wrong. In multi-label classification each entry is a
    decision of its own, and counts as one.

    Args:
      logits: (..., classes), or one logit per example: (..., 1), or (n,) with labels (n,).
      labels: class numbers (...,), or one-hot or soft labels (..., classes); integer, bool or floating.
      multi_label: whether each of the classes is an independent yes-or-no question, with labels of the logits' shape.
      weights: (n,) of at least 0, for a weighted mean over the rows; None weighs all alike. If all are 0, so is the
        accuracy.

    Returns:
      A scalar in [0, 1], of JAX's default floating dtype.

    Raises:
      ValueError: for shapes that do not fit.

    Example:
      >>> float(accuracy(jnp.array([[0.1, 0.9], [0.8, 0.2]]), jnp.array([1, 1])))
      0.5
      >>> float(accuracy(jnp.array([-1.0, 2.0, 3.0, -4.0]), jnp.array([False, True, True, True])))
      0.75
      >>> float(accuracy(jnp.array([[1.0, -1.0], [2.0, -3.0]]), jnp.array([[1, 0], [0, 0]]), multi_label=True))
      0.75

    References:
      As `sklearn.metrics.accuracy_score` of the predicted classes; for multi-label classification one minus
      `sklearn.metrics.hamming_loss`.
    """
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    require(logits.ndim >= 1, "accuracy", "logits", "be of shape (..., classes)", logits.shape)
    is_right = _are_right(logits, labels, multi_label)
    if weights is None:
        return jnp.mean(is_right, dtype=jnp.result_type(float))
    return mean(is_right.astype(jnp.result_type(float)), row_weights("accuracy", weights, is_right.shape))


def _are_right(logits: Array, labels: Array, multi_label: bool) -> Array:
    if multi_label:
        check_shape("accuracy", logits.shape, labels=labels)
        return _sign_agrees(logits, labels)
    logits = logits[:, None] if logits.ndim == labels.ndim == 1 else logits
    if labels.shape == logits.shape:
        labels = labels[..., 0] if logits.shape[-1] == 1 else jnp.argmax(labels, axis=-1)
    check_shape("accuracy", logits.shape[:-1], labels=labels)
    return _sign_agrees(logits[..., 0], labels) if logits.shape[-1] == 1 else _largest_agrees(logits, labels)


def _sign_agrees(logits: Array, labels: Array) -> Array:
    if is_floating(labels):
        is_right = ((logits > 0) == (labels > 0.5)) & (labels >= 0) & (labels <= 1)
    else:
        is_right = _are_equal(logits > 0, labels)
    return is_right & ~jnp.isnan(logits)


def _largest_agrees(logits: Array, labels: Array) -> Array:
    # The maximum is NaN if any logit is; XLA shares it with the cross-entropy of the same logits.
    return _are_equal(jnp.argmax(logits, axis=-1), labels) & ~jnp.isnan(jnp.max(logits, axis=-1))


def _are_equal(classes: Array, labels: Array) -> Array:
    """Compared in a dtype that holds both: uint8 cannot count 300 classes, nor bfloat16 257."""
    dtype = promoted(labels.dtype, jnp.float32 if is_floating(labels) else jnp.int32)
    return classes.astype(dtype) == labels.astype(dtype)


def r2(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """The coefficient of determination, 1 - sum((y - t)^2) / sum((t - mean(t))^2), averaged over the outputs.

    1 is perfect, 0 is as good as the mean of the targets. An output whose targets are all equal counts as 1 if its
    predictions are exact and as 0 otherwise.

    Args:
      predictions: (n,) or (n, outputs), not empty.
      targets: the same shape.
      weights: (n,) of at least 0, for weighted sums and a weighted mean; None weighs all alike. Rows of weight 0 do
        not contribute; if all are 0, so is R^2.

    Returns:
      A scalar of the common floating dtype; computed in at least float32.

    Raises:
      ValueError: for shapes that do not fit.

    Example:
      >>> float(r2(jnp.array([1.0, 2.0, 6.0]), jnp.array([1.0, 3.0, 5.0])))
      0.75

    References:
      As `sklearn.metrics.r2_score`, with the same rule for equal targets.
    """
    predictions, targets = as_floating("r2", predictions=predictions, targets=targets)
    fits = predictions.ndim >= 1 and predictions.size > 0
    require(fits, "r2", "predictions", "be of shape (n,) or (n, outputs), not empty", predictions.shape)
    check_shape("r2", predictions.shape, targets=targets)
    wide = at_least_float32(targets)
    errors, weights = residuals("r2", at_least_float32(predictions), wide, weights)
    deviations, is_constant = _deviations(wide, weights)
    # Squares of tiny or huge targets would underflow or overflow; their ratio is the same in any unit.
    unit = power_of_two(jnp.where(is_constant, 1, jnp.max(jnp.abs(deviations), axis=0)))[None]
    unexplained = _total(jnp.square(errors / unit), weights)
    total = jnp.where(is_constant, 1, _total(jnp.square(deviations / unit), weights))
    worst = lax.stop_gradient(jnp.max(jnp.abs(errors), axis=0))
    of_constant = jnp.where(worst > 0, 0, 1 - worst)  # NaN if a prediction is
    explained = jnp.mean(jnp.where(is_constant, of_constant, 1 - unexplained / total)).astype(predictions.dtype)
    return explained if weights is None else jnp.where(jnp.any(weights > 0), explained, 0)


def _deviations(targets: Array, weights: Array | None) -> tuple[Array, Array]:
    """Deviations from the mean over the rows, and whether an output's targets are all equal."""
    if weights is None:
        deviations = targets - jnp.mean(targets, axis=0, keepdims=True)
        return deviations, jnp.max(targets, axis=0) == jnp.min(targets, axis=0)
    (targets,) = counted(weights, targets)
    (deviations,) = counted(weights, targets - _total(targets, weights)[None])
    counts = along(weights, targets) > 0
    low = jnp.min(targets, axis=0, initial=jnp.inf, where=counts)
    return deviations, low >= jnp.max(targets, axis=0, initial=-jnp.inf, where=counts)


def _total(values: Array, weights: Array | None) -> Array:
    """The sum over the rows; with weights, which then sum to 1, the weighted mean."""
    if weights is None:
        return jnp.sum(values, axis=0)
    return jnp.sum(along(shares(weights, values.dtype), values) * values, axis=0)
