"""Shapes, dtypes and scales for losses, penalties and metrics, so that nothing is cast or broadcast silently."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxmlp.checks import require
from jaxmlp.types import Array, ArrayLike

__all__ = ["as_floating", "at_least_float32", "check_shape", "power_of_two", "promoted", "residuals", "weighted"]


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


def residuals(function: str, predictions: ArrayLike, targets: ArrayLike) -> Array:
    """predictions - targets, of equal shapes, in their common floating dtype."""
    predictions, targets = as_floating(function, predictions=predictions, targets=targets)
    check_shape(function, predictions.shape, targets=targets)
    return predictions - targets


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
