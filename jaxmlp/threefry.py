"""Threefry-2x32 written in `jnp`, so that XLA fuses it into the layer that uses its bits.

`jax.random` runs the same rounds as a separate operation, which costs more than the layer in small networks.

References:
  Salmon et al. 2011, *Parallel Random Numbers: As Easy as 1, 2, 3*, https://doi.org/10.1145/2063384.2063405.
"""

import math
from collections.abc import Sequence

import jax
import jax.extend
import jax.numpy as jnp

from jaxmlp.types import Array, Key

__all__ = ["fold_in", "fused", "is_fused", "key_words", "random_words", "split", "threefry2x32"]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry2x32(words: Sequence[Array], x0: Array, x1: Array) -> tuple[Array, Array]:
    """Twenty rounds on the counter (x0, x1) with the two words of a key, all uint32, of shapes that broadcast."""
    k0, k1 = words
    schedule = (k0, k1, k0 ^ k1 ^ jnp.uint32(_PARITY))
    x0, x1 = x0 + k0, x1 + k1
    for block in range(5):
        for distance in _ROTATIONS[block % 2]:
            x0 = x0 + x1
            x1 = x0 ^ _rotate_left(x1, distance)
        x0 = x0 + schedule[(block + 1) % 3]
        x1 = x1 + schedule[(block + 2) % 3] + jnp.uint32(block + 1)
    return x0, x1


def _rotate_left(x: Array, distance: int) -> Array:
    return (x << jnp.uint32(distance)) | (x >> jnp.uint32(32 - distance))


def key_words(key: Key) -> tuple[Array, Array]:
    """The two uint32 words of a typed threefry key."""
    data = jax.random.key_data(key)
    return data[0], data[1]


def fold_in(key: Key, data: Array | int) -> Key:
    """Equals `jax.random.fold_in(key, data)` bit for bit, without a kernel of its own.

    Args:
      key: a typed threefry key of shape ().
      data: a whole number from 0 to 2**32 - 1, which may be traced.

    Returns:
      A typed key of shape ().

    Example:
      >>> bool(fold_in(jax.random.key(1), 7) == jax.random.fold_in(jax.random.key(1), 7))
      True
    """
    words = threefry2x32(key_words(key), jnp.uint32(0), jnp.asarray(data, jnp.uint32))
    return jax.random.wrap_key_data(jnp.stack(words), impl=jax.random.key_impl(key))


def random_words(key: Key, shape: tuple[int, ...]) -> Array:
    """Equals `jax.random.bits(key, shape)` bit for bit with partitionable threefry and fewer than 2**32 elements."""
    first, second = threefry2x32(key_words(key), jnp.uint32(0), _flat_index(shape))
    return first ^ second


def _flat_index(shape: tuple[int, ...]) -> Array:
    """The position of each element in row-major order, uint32."""
    index = jnp.zeros(shape, jnp.uint32)
    stride = 1
    for axis in reversed(range(len(shape))):
        index = index + jnp.uint32(stride) * jax.lax.broadcasted_iota(jnp.uint32, shape, axis)
        stride *= shape[axis]
    return index


def is_fused(shape: tuple[int, ...]) -> bool:
    """True if `random_words` equals the words of `jax.random` for this shape in JAX's current configuration."""
    partitionable = jax.config.jax_threefry_partitionable  # pyright: ignore[reportAttributeAccessIssue]
    return partitionable and math.prod(shape) < 2**32


def fused(key: Key) -> Key:
    """The same key with `random_words` as its generator: `jax.random` draws the same numbers from it.

    With JAX's own generator XLA needs most of a second to compile the initialization of a network of two layers.

    Args:
      key: a typed threefry key of shape ().

    Returns:
      A typed key of shape (), for internal use only: users keep keys of JAX's own kind.

    Example:
      >>> key = jax.random.key(3)
      >>> bool((jax.random.normal(fused(key), (5,)) == jax.random.normal(key, (5,))).all())
      True
    """
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_FUSED)


def split(key: Key, count: int) -> Key:
    """Equals `jax.random.split(key, count)` bit for bit: typed keys (count,)."""
    return _threefry_key(jax.random.key_data(jax.random.split(fused(key), count)))


def _threefry_key(words: Array) -> Key:
    """Typed threefry keys of their words, whatever the default generator is."""
    return jax.random.wrap_key_data(words, impl="threefry2x32")


def _random_bits(words, width, shape):
    key = _threefry_key(words)
    if width != 32 or not is_fused(shape):
        return jax.random.bits(key, shape, f"uint{width}")
    # XLA would compile the rounds once for each use of the words if it fused them; it does not fuse a conditional.
    return jax.lax.cond(words[0] == words[0], lambda: random_words(key, shape), lambda: jnp.zeros(shape, jnp.uint32))


def _split(words, shape):
    if not is_fused(shape):
        return jax.random.key_data(jax.random.split(_threefry_key(words), shape))
    return jnp.stack(threefry2x32((words[0], words[1]), jnp.uint32(0), _flat_index(shape)), axis=-1)


def _fold_in(words, data):
    return jax.random.key_data(fold_in(_threefry_key(words), data))


def _seed(seed):
    return jax.random.key_data(jax.random.key(seed, impl="threefry2x32"))


_FUSED = jax.extend.random.define_prng_impl(
    key_shape=(2,), seed=_seed, split=_split, random_bits=_random_bits, fold_in=_fold_in, name="fused_threefry"
)
