"""Checks of arrays of numbers."""

import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.types import PyTree

__all__ = ["as_array", "check_inputs", "real_numbers"]


def as_array(function: str, argument: str, values: PyTree) -> np.ndarray:
    """`values` as a NumPy array; lists must be of equal length."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{function}: {argument} must be an array or lists of equal length, got {error}") from error


def check_inputs(function: str, inputs: PyTree) -> np.ndarray:
    """Inputs as a NumPy array (n, features) of real numbers, not empty."""
    inputs = real_numbers(function, "inputs", inputs)
    require(inputs.ndim == 2, function, "inputs", "be of shape (n, features)", inputs.shape)
    require(inputs.size > 0, function, "inputs", "have at least one row and one feature", inputs.shape)
    return inputs


def real_numbers(function: str, argument: str, values: PyTree) -> np.ndarray:
    """`values` as a NumPy array of numbers that float32 can hold; the error counts the others."""
    values = as_array(function, argument, values)
    is_real = any(jnp.issubdtype(values.dtype, kind) for kind in (np.bool_, np.integer, np.floating))
    require(is_real, function, argument, "be real numbers", str(values.dtype))
    # Written so that NaN, which compares as false, counts as bad.
    bad = ~(np.abs(values) <= np.finfo(np.float32).max)
    if bad.any():
        found = f"{bad.sum()} that are not, the first in row {np.argwhere(bad)[0][0]}"
        raise ValueError(f"{function}: {argument} must be finite float32 numbers, got {found}")
    return values
