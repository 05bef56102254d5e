"""Metrics: the accuracy of a classifier and R^2 of a regression, pure functions of arrays that return a scalar."""

import jax.numpy as jnp
from jax import lax

from jaxmlp.checks import is_floating, require
from jaxmlp.numerics import as_floating, at_least_float32, check_shape, power_of_two, promoted, residuals
from jaxmlp.types import Array, ArrayLike

__all__ = ["accuracy", "r2"]


def accuracy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """The fraction of examples whose largest logit, or the sign of whose only logit, agrees with the label.

    With two or more logits, labels of the same shape are one-hot or soft, and their largest entry counts. With one
    logit z, the prediction is 1 if z > 0, else 0, and a soft label counts as 1 above 1/2. The first of equal largest
    entries counts. An example with a NaN among its logits is wrong.

    Args:
      logits: (..., classes), or one logit per example: (..., 1), or (n,) with labels (n,).
      labels: class numbers (...,), or one-hot or soft labels (..., classes); integer, bool or floating.

    Returns:
      A scalar in [0, 1], of JAX's default floating dtype.

    Raises:
      ValueError: for shapes that do not fit.

    Example:
      >>> float(accuracy(jnp.array([[0.1, 0.9], [0.8, 0.2]]), jnp.array([1, 1])))
      0.5
      >>> float(accuracy(jnp.array([-1.0, 2.0, 3.0, -4.0]), jnp.array([False, True, True, True])))
      0.75

    References:
      As `sklearn.metrics.accuracy_score` of the predicted classes.
    """
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    require(logits.ndim >= 1, "accuracy", "logits", "be of shape (..., classes)", logits.shape)
    logits = logits[:, None] if logits.ndim == labels.ndim == 1 else logits
    if labels.shape == logits.shape:
        labels = labels[..., 0] if logits.shape[-1] == 1 else jnp.argmax(labels, axis=-1)
    check_shape("accuracy", logits.shape[:-1], labels=labels)
    is_right = _sign_agrees(logits[..., 0], labels) if logits.shape[-1] == 1 else _largest_agrees(logits, labels)
    return jnp.mean(is_right, dtype=jnp.result_type(float))


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


def r2(predictions: ArrayLike, targets: ArrayLike) -> Array:
    """The coefficient of determination, 1 - sum((y - t)^2) / sum((t - mean(t))^2), averaged over the outputs.

    1 is perfect, 0 is as good as the mean of the targets. An output whose targets are all equal counts as 1 if its
    predictions are exact and as 0 otherwise.

    Args:
      predictions: (n,) or (n, outputs), not empty.
      targets: the same shape.

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
    errors = residuals("r2", at_least_float32(predictions), wide)
    deviations = wide - jnp.mean(wide, axis=0, keepdims=True)
    is_constant = jnp.max(wide, axis=0) == jnp.min(wide, axis=0)
    # Squares of tiny or huge targets would underflow or overflow; their ratio is the same in any unit.
    unit = power_of_two(jnp.where(is_constant, 1, jnp.max(jnp.abs(deviations), axis=0)))[None]
    unexplained = jnp.sum(jnp.square(errors / unit), axis=0)
    total = jnp.where(is_constant, 1, jnp.sum(jnp.square(deviations / unit), axis=0))
    worst = lax.stop_gradient(jnp.max(jnp.abs(errors), axis=0))
    of_constant = jnp.where(worst > 0, 0, 1 - worst)  # NaN if a prediction is
    return jnp.mean(jnp.where(is_constant, of_constant, 1 - unexplained / total)).astype(predictions.dtype)
