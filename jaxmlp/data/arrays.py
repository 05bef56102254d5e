"""Checks of inputs and targets before rows are split."""

import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.types import PyTree

__all__ = ["check_table", "real_numbers"]


def check_table(
    function: str, inputs: PyTree, targets: PyTree, task: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, targets) as NumPy arrays: inputs (n, features); targets (n,) int32 or (n, outputs) of real numbers."""
    inputs = real_numbers(function, "inputs", inputs)
    require(inputs.ndim == 2, function, "inputs", "be of shape (n, features)", inputs.shape)
    require(inputs.size > 0, function, "inputs", "have at least one row and one feature", inputs.shape)
    targets = real_numbers(function, "targets", targets)
    require(targets.ndim in (1, 2), function, "targets", "be of shape (n,) or (n, outputs)", targets.shape)
    rule = f"have as many rows as inputs ({len(inputs)})"
    require(len(targets) == len(inputs), function, "targets", rule, len(targets))
    if task is None:
        task = "classification" if targets.dtype.kind in "biu" else "regression"
    if task == "classification":
        return inputs, _check_labels(function, targets)
    require(targets.size > 0, function, "targets", "have at least one output", targets.shape)
    return inputs, targets.reshape(len(targets), -1)


def real_numbers(function: str, argument: str, values: PyTree) -> np.ndarray:
    """`values` as a NumPy array of numbers that float32 can hold; the error counts the others."""
    values = np.asarray(values)
    is_real = any(jnp.issubdtype(values.dtype, kind) for kind in (np.bool_, np.integer, np.floating))
    require(is_real, function, argument, "be real numbers", str(values.dtype))
    # Written so that NaN, which compares as false, counts as bad.
    bad = ~(np.abs(values) <= np.finfo(np.float32).max)
    if bad.any():
        found = f"{bad.sum()} that are not, the first in row {np.argwhere(bad)[0][0]}"
        raise ValueError(f"{function}: {argument} must be finite float32 numbers, got {found}")
    return values


def _check_labels(function: str, targets: np.ndarray) -> np.ndarray:
    """Labels as (n,) int32: integers 0..k - 1, each of which occurs."""
    require(targets.ndim == 1, function, "targets", "be of shape (n,) for labels", targets.shape)
    # Python numbers, because NumPy 2 shows its own as np.float64(0.5).
    present = np.unique(targets).tolist()
    broken = [label for label in present if label != int(label)]
    require(not broken, function, "targets", "be whole numbers for labels", broken[:10])
    require(present[0] >= 0, function, "targets", "be labels of at least 0", present[0])
    rule = f"use every label 0..{int(present[-1])}"
    require(len(present) == present[-1] + 1, function, "targets", rule, [int(label) for label in present[:10]])
    return targets.astype(np.int32)
