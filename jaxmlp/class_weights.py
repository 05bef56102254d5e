"""Weights of classes: numbers by which a classifier's training loss weighs the rows of each class."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import check_labels, check_non_negative, check_weights, require
from jaxmlp.types import Array, ArrayLike, Scalar

__all__ = ["ClassWeight", "balanced_weights", "checked_class_weight", "weights_by_class"]

ClassWeight: TypeAlias = Mapping[int, Scalar] | Sequence[Scalar] | jax.Array | np.ndarray
"""One weight for each class, in order; or a dict of labels and weights, 1 for classes that it leaves out."""


def balanced_weights(labels: ArrayLike, weights: ArrayLike | None = None) -> np.ndarray:
    """Weights that give every class the same share of the loss, for `classifier(class_weight=...)`.

        w[c] = n / (classes * count[c])

    Use it if some classes are rare: each then counts as much as any other. With weights of rows, n and the counts are
    sums of these.

    Args:
      labels: (n,) integers 0..k - 1, such as `data.train.targets`.
      weights: (n,) of at least 0, such as `data.train.weights`; None weighs all rows alike.

    Returns:
      (k,) float64.

    Raises:
      ValueError: for labels of another kind, or a class without rows.

    Example:
      >>> balanced_weights([0, 0, 0, 1]).round(3).tolist()
      [0.667, 2.0]

    References:
      As `sklearn.utils.class_weight.compute_class_weight("balanced", ...)`.
    """
    labels = np.asarray(labels)
    are_labels = labels.ndim == 1 and labels.dtype.kind in "iub" and labels.size > 0
    rule = "be integer labels (n,), not empty"
    require(are_labels, "balanced_weights", "labels", rule, (labels.shape, str(labels.dtype)))
    check_labels("balanced_weights", np.iinfo(np.int32).max, labels=labels)
    if weights is not None:
        weights = np.asarray(check_weights("balanced_weights", weights=weights), np.float64)
        rule = f"be of shape {labels.shape}"
        require(weights.shape == labels.shape, "balanced_weights", "weights", rule, weights.shape)
    counts = np.bincount(labels, weights)
    lacking = np.flatnonzero(counts == 0).tolist()
    require(not lacking, "balanced_weights", "labels", "have rows of every class", f"none of {lacking}")
    return counts.sum() / (len(counts) * counts)


def checked_class_weight(function: str, classes: int, given: Any) -> Any:
    """The weights as one array (classes,), a leaf; None for None. They may be traced."""
    if given is None:
        return None
    rule = "be numbers, one for each class, or a dict {label: number} (balanced_weights(labels) makes such numbers)"
    is_array = hasattr(given, "shape") and hasattr(given, "dtype")
    is_known = is_array or isinstance(given, (Mapping, list, tuple))
    require(is_known, function, "class_weight", rule, given, TypeError)
    if isinstance(given, Mapping):
        unknown = [label for label in given if label not in range(classes)]
        rule = f"have integer labels of at least 0 and below {classes} (the classes)"
        require(not unknown, function, "class_weight", rule, unknown)
    numbers: Any = [given.get(label, 1.0) for label in range(classes)] if isinstance(given, Mapping) else given
    shape = numbers.shape if is_array else (len(numbers),)
    require(shape == (classes,), function, "class_weight", f"have {classes} numbers, one for each class", shape)
    dtype = jnp.result_type(float)
    if is_array:
        return check_weights(function, class_weight=numbers).astype(dtype)
    numbers = [check_non_negative(function, class_weight=number) for number in numbers]
    if any(isinstance(number, jax.Array) for number in numbers):
        return jnp.stack([jnp.asarray(number, dtype) for number in numbers])
    return np.asarray(numbers, dtype)


def weights_by_class(class_weight: Any, labels: Array, weights: Array | None) -> Array:
    """(n,): for each row the weight of its class, times the row's own; labels are (n,), (n, 1) or one-hot (n, k)."""
    if labels.ndim == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else jnp.argmax(labels, axis=1)
    of_rows = jnp.take(jnp.asarray(class_weight), labels.astype(jnp.int32))
    return of_rows if weights is None else of_rows * weights.astype(of_rows.dtype)
