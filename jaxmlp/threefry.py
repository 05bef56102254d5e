"""Threefry-2x32 written out in `jnp`, so that XLA fuses it into the layer that uses its bits.

`jax.random` runs the same rounds as an operation of its own, which on small networks costs more than the layer.
Source: Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
"""

import math

import jax
import jax.extend
import jax.numpy as jnp

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry2x32(key_words, x0, x1):
    """Twenty rounds on the counter (x0, x1); all arguments and results uint32, of shapes that broadcast."""
    k0, k1 = key_words
    schedule = (k0, k1, k0 ^ k1 ^ jnp.uint32(_PARITY))
    x0, x1 = x0 + k0, x1 + k1
    for block in range(5):
        for distance in _ROTATIONS[block % 2]:
            x0 = x0 + x1
            x1 = x0 ^ _rotate_left(x1, distance)
        x0 = x0 + schedule[(block + 1) % 3]
        x1 = x1 + schedule[(block + 2) % 3] + jnp.uint32(block + 1)
    return x0, x1


def _rotate_left(x, distance):
    return (x << jnp.uint32(distance)) | (x >> jnp.uint32(32 - distance))


def key_words(key):
    """The two uint32 words of a typed threefry key."""
    data = jax.random.key_data(key)
    return data[0], data[1]


def fold_in(key, data):
    """`jax.random.fold_in(key, data)` bit for bit, fused into what uses it instead of a kernel of its own.

    Args:
      key: a typed threefry key of shape ().
      data: a whole number from 0 to 2**32 - 1, which may be traced.

    Returns:
      A typed key of shape ().

    >>> bool(fold_in(jax.random.key(1), 7) == jax.random.fold_in(jax.random.key(1), 7))
    True
    """
    words = threefry2x32(key_words(key), jnp.uint32(0), jnp.asarray(data, jnp.uint32))
    return jax.random.wrap_key_data(jnp.stack(words), impl=jax.random.key_impl(key))


def random_words(key, shape):
    """`jax.random.bits(key, shape)` bit for bit (partitionable threefry, fewer than 2**32 elements)."""
    first, second = threefry2x32(key_words(key), jnp.uint32(0), _flat_index(shape))
    return first ^ second


def _flat_index(shape):
    index = jnp.zeros(shape, jnp.uint32)
    stride = 1
    for axis in reversed(range(len(shape))):
        index = index + jnp.uint32(stride) * jax.lax.broadcasted_iota(jnp.uint32, shape, axis)
        stride *= shape[axis]
    return index


def is_fused(shape):
    """Whether `random_words` are JAX's own words of this shape, as JAX is configured."""
    partitionable = jax.config.jax_threefry_partitionable  # pyright: ignore[reportAttributeAccessIssue]
    return partitionable and math.prod(shape) < 2**32


def fused(key):
    """The same key for the functions of `jax.random`, which then draw the same numbers by `random_words`.

    Their own rounds take XLA most of a second to compile for a network of two layers.

    Args:
      key: a typed threefry key of shape ().

    Returns:
      A typed key of shape (), of a kind that is not to be shown to users.

    >>> key = jax.random.key(3)
    >>> bool((jax.random.normal(fused(key), (5,)) == jax.random.normal(key, (5,))).all())
    True
    """
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_FUSED)


def split(key, count):
    """`jax.random.split(key, count)` bit for bit: typed keys (count,)."""
    return jax.random.wrap_key_data(jax.random.key_data(jax.random.split(fused(key), count)))


def _random_bits(words, width, shape):
    key = jax.random.wrap_key_data(words)
    if width != 32 or not is_fused(shape):
        return jax.random.bits(key, shape, f"uint{width}")
    # A conditional is not fused into what uses the words, where their rounds would be compiled once for each use.
    return jax.lax.cond(words[0] == words[0], lambda: random_words(key, shape), lambda: jnp.zeros(shape, jnp.uint32))


def _split(words, shape):
    if not is_fused(shape):
        return jax.random.key_data(jax.random.split(jax.random.wrap_key_data(words), shape))
    return jnp.stack(threefry2x32((words[0], words[1]), jnp.uint32(0), _flat_index(shape)), axis=-1)


def _fold_in(words, data):
    return jax.random.key_data(fold_in(jax.random.wrap_key_data(words), data))


def _seed(seed):
    return jax.random.key_data(jax.random.key(seed))


_FUSED = jax.extend.random.define_prng_impl(
    key_shape=(2,), seed=_seed, split=_split, random_bits=_random_bits, fold_in=_fold_in, name="fused_threefry"
)
