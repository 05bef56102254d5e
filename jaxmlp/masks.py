"""Dropout: masks equal to `jax.random.bernoulli` bit for bit, at a fraction of its cost."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_key, check_rate, is_floating, require
from jaxmlp.threefry import is_fused, random_words
from jaxmlp.types import Array, ArrayLike, Key, Scalar

__all__ = ["dropout", "dropout_mask"]


@jax.transfer_guard("allow")  # its own constants may go to devices
def dropout(key: Key, inputs: ArrayLike, rate: Scalar) -> Array:
    """Sets a fraction `rate` of the inputs to zero and scales the others by 1 / (1 - rate).

        mask ~ Bernoulli(1 - rate),   y = mask * x / (1 - rate)

    Use it against overfitting, with a rate of 0.5 in hidden layers and 0.2 for inputs as a start. The scaling keeps the
    expected value, so that at test time the network runs without dropout and without another factor.

    Args:
      key: a typed key, as from `jax.random.key`; the same key gives the same mask.
      inputs: floating, any shape.
      rate: the fraction dropped, 0 <= rate < 1; may be traced.

    Returns:
      An array of the shape and dtype of `inputs`.

    Raises:
      ValueError: for a rate out of range, or a key that is not one threefry key.
      TypeError: for inputs that are not floating, or a key that is not typed.

    Example:
      >>> y = dropout(jax.random.key(0), jnp.ones((2, 4)), 0.25)
      >>> sorted({round(float(value), 3) for value in y.ravel()})
      [0.0, 1.333]

    References:
      Srivastava et al. 2014, *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*,
      https://jmlr.org/papers/v15/srivastava14a.html, in the inverted form. Flax and Keras have the same convention;
      the `rate` in `jax.example_libraries` is the fraction kept.
    """
    inputs = jnp.asarray(inputs)
    require(is_floating(inputs), "dropout", "inputs", "be floating", str(inputs.dtype), TypeError)
    mask = _checked_mask("dropout", key, rate, inputs.shape)
    kept = inputs * jnp.asarray(1 / (1 - rate), inputs.dtype)
    return jnp.where(mask, kept, jnp.zeros_like(inputs))


@jax.transfer_guard("allow")  # its own constants may go to devices
def dropout_mask(key: Key, rate: Scalar, shape: tuple[int, ...]) -> Array:
    """The mask of `dropout`: True for the units that are kept.

    Args:
      key: a typed key, as from `jax.random.key`.
      rate: the fraction dropped, 0 <= rate < 1; may be traced.
      shape: a tuple of sizes.

    Returns:
      A bool array of that shape, equal to `jax.random.bernoulli(key, 1 - rate, shape)`.

    Raises:
      ValueError: for a rate out of range, or a key that is not one threefry key.
      TypeError: for a key that is not typed.

    Example:
      >>> key = jax.random.key(3)
      >>> bool((dropout_mask(key, 0.25, (5, 7)) == jax.random.bernoulli(key, 0.75, (5, 7))).all())
      True
    """
    return _checked_mask("dropout_mask", key, rate, shape)


def _checked_mask(function: str, key: Key, rate: Scalar, shape: tuple[int, ...]) -> Array:
    check_key(function, key=key)
    check_rate(function, rate=rate)
    keep = jnp.asarray(1 - rate, jnp.result_type(rate, float))
    fused = keep.dtype == jnp.float32 and is_fused(shape)
    return _mask(key, keep, shape) if fused else jax.random.bernoulli(key, keep, shape)


@partial(jax.jit, static_argnames="shape")
def _mask(key, keep, shape):
    # XLA recomputes cheap arithmetic instead of storing its result, so the mask would be computed in the forward and
    # in the backward pass. It does not recompute a conditional, which halves the cost of dropout on CPU.
    return jax.lax.cond(
        keep < 1,
        lambda: _is_below(random_words(key, shape), keep),
        lambda: jnp.ones(shape, bool),
    )


def _is_below(words: Array, keep: Array) -> Array:
    """`uniform < keep` as in `jax.random.bernoulli`, whose uniform is the 23 high bits times 2**-23."""
    threshold = jnp.ceil(keep * jnp.float32(2**23)).astype(jnp.uint32)
    return (words >> jnp.uint32(9)) < threshold
