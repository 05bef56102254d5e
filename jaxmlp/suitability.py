"""Whether data suit a learner: the checks that run before anything is compiled. Errors name the learner's function."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import check_labels, check_weights, is_concrete, require

__all__ = ["check_classification", "check_multi_label", "check_regression"]


def check_classification(data: Any, *, sizes: tuple[int, ...]) -> None:
    """Integer labels (n,), or one-hot (n, classes)."""
    classes = max(sizes[-1], 2)
    for name, split in _splits("classifier", data, sizes[0]):
        integer = jnp.issubdtype(split.targets.dtype, jnp.integer)
        rule = "be integer labels"
        require(integer, "classifier", f"data.{name}.targets", rule, str(split.targets.dtype), TypeError)
        check_labels("classifier", classes, **{f"data.{name}.targets": split.targets})
        if split.targets.ndim == 2 and split.targets.shape[1] > 1 and is_concrete(split.targets):
            rule = "have one 1 in each row (use multi_label=True if several may be 1)"
            sums = np.asarray(split.targets).sum(axis=1)
            wrong = sums[sums != 1]
            require(not wrong.size, "classifier", f"data.{name}.targets", rule, wrong[:1].tolist())


def check_multi_label(data: Any, *, sizes: tuple[int, ...]) -> None:
    """Targets (n, outputs) of 0 and 1, of any real dtype."""
    for name, split in _splits("classifier", data, sizes[0]):
        targets, argument = split.targets, f"data.{name}.targets"
        fits = targets.shape[1:] == (sizes[-1],)
        require(fits, "classifier", argument, f"be of shape (n, {sizes[-1]})", targets.shape)
        if is_concrete(targets):
            values = np.asarray(targets)
            wrong = values[(values != 0) & (values != 1)]
            require(not wrong.size, "classifier", argument, "be 0 or 1 throughout", wrong[:1].tolist())


def check_regression(data: Any, *, sizes: tuple[int, ...]) -> None:
    """Targets (n, outputs), or (n,) for one output."""
    for name, split in _splits("regressor", data, sizes[0]):
        fits = split.targets.shape[1:] in ((sizes[-1],), () if sizes[-1] == 1 else None)
        rule = f"be of shape (n, {sizes[-1]})"
        require(fits, "regressor", f"data.{name}.targets", rule, split.targets.shape)


def _splits(function: str, data: Any, width: int) -> list[tuple[str, Any]]:
    """The splits that the data have, their inputs and weights checked; `fit` does without a test split."""
    named = [(name, getattr(data, name, None)) for name in ("train", "validation", "test")]
    named = [(name, split) for name, split in named if split is not None]
    for name, split in named:
        fits = split.inputs.ndim == 2 and split.inputs.shape[1] == width
        require(fits, function, f"data.{name}.inputs", f"be of shape (n, {width})", split.inputs.shape)
        _check_weights(function, f"data.{name}.weights", getattr(split, "weights", None), len(split.inputs))
    return named


def _check_weights(function: str, argument: str, weights: Any, rows: int) -> None:
    if weights is None:
        return
    require(np.shape(weights) == (rows,), function, argument, f"be of shape ({rows},)", np.shape(weights))
    check_weights(function, **{argument: weights})
    if is_concrete(weights):
        require(np.asarray(weights).max() > 0, function, argument, "be above 0 for at least one row", 0.0)
