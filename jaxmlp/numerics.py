"""Shapes, dtypes and scales for losses, penalties and metrics, so that nothing is cast or broadcast silently."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxmlp.checks import check_weights, require
from jaxmlp.types import Array, ArrayLike

__all__ = [
    "along",
    "as_floating",
    "at_least_float32",
    "check_shape",
    "counted",
    "mean",
    "power_of_two",
    "promoted",
    "residuals",
    "row_weights",
    "shares",
    "total",
    "weighted",
]


def promoted(*dtypes: jax.typing.DTypeLike | Array) -> jnp.dtype:
    """JAX's common dtype, even if the user forbids implicit promotion."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*dtypes)


def at_least_float32(array: Array) -> Array:
    """The array in float32, or unchanged if its dtype is wider."""
    return array.astype(promoted(array.dtype, jnp.float32))


def as_floating(function: str, /, **named: ArrayLike) -> tuple[Array, ...]:
    """The arrays in their common floating dtype: integers and bools become floats, never the other way round."""
    arrays = {name: jnp.asarray(array) for name, array in named.items()}
    for name, array in arrays.items():
        is_real = jnp.issubdtype(array.dtype, jnp.number) and not jnp.issubdtype(array.dtype, jnp.complexfloating)
        require(is_real or array.dtype == bool, function, name, "be real numbers", str(array.dtype), TypeError)
    dtype = promoted(*arrays.values())
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)
    return tuple(array.astype(dtype) for array in arrays.values())


def check_shape(function: str, shape: tuple[int, ...], /, **named: Array) -> None:
    """Raises an error unless the array is of that shape."""
    ((argument, array),) = named.items()
    require(array.shape == shape, function, argument, f"be of shape {shape}", array.shape)


def residuals(
    function: str, predictions: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None
) -> tuple[Array, Array | None]:
    """predictions - targets, of equal shapes, in their common floating dtype, 0 if the weight is; and the weights."""
    predictions, targets = as_floating(function, predictions=predictions, targets=targets)
    check_shape(function, predictions.shape, targets=targets)
    weights = row_weights(function, weights, predictions.shape)
    predictions, targets = counted(weights, predictions, targets)
    return predictions - targets, weights


def row_weights(function: str, weights: ArrayLike | None, shape: tuple[int, ...]) -> Array | None:
    """Weights of the rows, which are the leading axis of values of that shape, as floats; None for None."""
    if weights is None:
        return None
    (floating,) = as_floating(function, weights=weights)
    check_shape(function, shape[:1], weights=floating)
    check_weights(function, weights=weights)
    return floating


def counted(weights: Array | None, *arrays: Array) -> tuple[Array, ...]:
    """The arrays with zeros in rows of weight 0: what these hold cannot reach a loss, nor its derivatives."""
    if weights is None:
        return arrays
    return tuple(jnp.where(along(weights, array) == 0, jnp.zeros_like(array), array) for array in arrays)


def along(weights: Array, values: Array) -> Array:
    """Weights of rows with axes of size 1 for the further axes of `values`."""
    return jnp.reshape(weights, weights.shape + (1,) * (values.ndim - weights.ndim))


def shares(weights: Array, dtype: jnp.dtype) -> Array:
    """weights / sum(weights), or zeros if all are 0; their unit does not matter, however large or small."""
    weights = weights.astype(dtype)
    weights = weights / power_of_two(jnp.max(weights, initial=0))
    sum_of_weights = jnp.sum(weights)
    return weights * (1 / jnp.where(sum_of_weights > 0, sum_of_weights, 1))


def mean(values: Array, weights: Array | None) -> Array:
    """The mean of all values, or sum(w * m) / sum(w) of the rows' means m; 0 if all weights are 0."""
    if weights is None:
        return jnp.mean(values)
    wide = at_least_float32(values)
    rows = jnp.mean(wide, axis=tuple(range(weights.ndim, wide.ndim)))
    return jnp.sum(shares(weights, wide.dtype) * rows).astype(values.dtype)


def total(values: Array, weights: Array | None) -> Array:
    """The sum of all values, or sum(w * s) of the rows' sums s."""
    if weights is None:
        return jnp.sum(values)
    wide = at_least_float32(values)
    return jnp.sum(along(weights.astype(wide.dtype), wide) * wide).astype(values.dtype)


def weighted(weights: Array, values: Array) -> Array:
    """weights * values, with 0 * inf = 0: an event of probability 0 does not contribute."""
    return weights * jnp.where((weights == 0) & jnp.isinf(values), jnp.zeros_like(values), values)


def power_of_two(size: Array) -> Array:
    """The largest power of two up to each size >= 0: division by it is exact. A constant for derivatives.

    It and its reciprocal stay normal numbers: XLA may multiply by the reciprocal, and flushes subnormal ones to 0.
    """
    least = int(jnp.finfo(size.dtype).minexp)
    _, exponent = jnp.frexp(lax.stop_gradient(size))
    exponent = jnp.where(size > 0, jnp.clip(exponent - 1, least, -least), least)
    return jnp.ldexp(jnp.ones_like(size), exponent)
