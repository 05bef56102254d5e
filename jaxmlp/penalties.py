"""Penalties and constraints on weights: pure functions of the parameters of `init`. Biases are left out."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_positive, is_floating, require
from jaxmlp.numerics import at_least_float32, power_of_two
from jaxmlp.types import Array, Layers, Scalar

__all__ = ["l1", "l2", "max_norm"]


def l1(params: Layers) -> Array:
    """The lasso penalty: the sum of |w| over all weights.

    Use it to drive weights to exactly 0. Its gradient at 0 is 0.

    Args:
      params: a list of `{"w", "b"}`, as from `init`.

    Returns:
      A scalar, in at least float32.

    Raises:
      TypeError: for params of another structure, or weights that are not floating.

    Example:
      >>> float(l1([{"w": jnp.array([[1.0, -2.0]]), "b": jnp.array([9.0, 9.0])}]))
      3.0

    References:
      Tibshirani 1996, *Regression Shrinkage and Selection via the Lasso*,
      https://doi.org/10.1111/j.2517-6161.1996.tb02080.x.
    """
    # w * sign(w) has gradient 0 at 0; that of jnp.abs is 1 there, which would push zero weights away.
    weights = [at_least_float32(w) for w in _weights("l1", params)]
    return jnp.asarray(sum(jnp.sum(w * jnp.sign(w)) for w in weights))


def l2(params: Layers) -> Array:
    """The ridge penalty: the sum of w^2 over all weights, without the factor 1/2.

    Use it against overfitting; with Adam consider the decoupled decay of `adamw` instead.

    Args:
      params: a list of `{"w", "b"}`, as from `init`.

    Returns:
      A scalar, in at least float32.

    Raises:
      TypeError: for params of another structure, or weights that are not floating.

    Example:
      >>> float(l2([{"w": jnp.array([[1.0, -2.0]]), "b": jnp.array([9.0, 9.0])}]))
      5.0

    References:
      Hoerl & Kennard 1970, *Ridge Regression*, https://doi.org/10.1080/00401706.1970.10488634. `WeightDecay` in some
      libraries is half of it.
    """
    weights = [at_least_float32(w) for w in _weights("l2", params)]
    return jnp.asarray(sum(jnp.sum(jnp.square(w)) for w in weights))


def max_norm(params: Layers, limit: Scalar) -> list[dict[str, Array]]:
    """Projects the incoming weights of every unit onto the ball of norm `limit`; biases stay.

    Use it with dropout and large learning rates. `projected(optimizer, Partial(max_norm, limit=3.0))` projects after
    every step.

    Args:
      params: a list of `{"w", "b"}`, as from `init`; the incoming weights of a unit are a column of `w`.
      limit: above 0; may be traced.

    Returns:
      New params, of the same dtypes. Norms are computed in at least float32, and neither overflow nor underflow.

    Raises:
      TypeError: for params of another structure, or weights that are not floating.
      ValueError: for a concrete limit out of range.

    Example:
      >>> projected = max_norm([{"w": jnp.array([[3.0, 0.3], [4.0, 0.4]]), "b": jnp.zeros(2)}], 1.0)
      >>> [[round(float(w), 2) for w in row] for row in projected[0]["w"]]
      [[0.6, 0.3], [0.8, 0.4]]

    References:
      Srebro, Rennie & Jaakkola 2004, *Maximum-Margin Matrix Factorization*; with dropout: Srivastava et al. 2014,
      https://jmlr.org/papers/v15/srivastava14a.html.
    """
    limit = check_positive("max_norm", limit=limit)
    columns = [_bounded(w, limit) for w in _weights("max_norm", params)]
    return [{**layer, "w": w} for layer, w in zip(params, columns, strict=True)]


def _bounded(w: Array, limit: Scalar) -> Array:
    """Columns of norm `limit` or less; scaled by a power of two first, which changes no bits of the result."""
    wide = at_least_float32(w)
    limit = jnp.asarray(limit, wide.dtype)
    unit = power_of_two(jnp.max(jnp.abs(wide), axis=0, keepdims=True, initial=0.0))
    scaled = wide / unit
    squared = jnp.sum(jnp.square(scaled), axis=0, keepdims=True)
    norm = jnp.sqrt(jnp.where(squared > 0, squared, 1))  # the gradient of the root at 0 would be NaN
    size = norm * unit  # infinite if it overflows, hence above the limit
    return jnp.where(size > limit, scaled * (limit / norm), wide).astype(w.dtype)


def _weights(function: str, params: Any) -> list[Array]:
    is_params = isinstance(params, (list, tuple)) and all(isinstance(layer, dict) and "w" in layer for layer in params)
    rule = 'be a list of {"w", "b"}, as from init'
    require(is_params, function, "params", rule, jax.tree.structure(params), TypeError)
    weights = [jnp.asarray(layer["w"]) for layer in params]
    for w in weights:
        require(is_floating(w), function, "params", "hold floating weights", str(w.dtype), TypeError)
    return weights
