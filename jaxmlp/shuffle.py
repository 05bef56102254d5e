"""The order of an epoch: a permutation of the rows drawn from a key without sorting.

A Feistel network is a bijection of 0..2^b - 1 whatever its round function does. Started inside 0..size - 1 and applied
until it lands there again (cycle walking), it is a bijection of 0..size - 1, every entry computed on its own.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxmlp.checks import check_count, check_key, require

# Six rounds leave lagged differences that show at size 512, seven pass every test tried: eight keep one in hand.
ROUNDS = 8
# Halves of two or three bits mix poorly, and walking through 2^8 values costs a small set next to nothing.
LEAST_BITS = 8

# Odd constants with well spread bits: 2^32 / golden ratio, and the two of MurmurHash3's finaliser (Appleby, 2011).
GOLDEN, MIX_1, MIX_2 = np.uint32(0x9E3779B9), np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)


def epoch_order(key, size):
    """A fresh order of `size` rows: every whole number 0..size - 1 once, the same under jit and vmap.

    Args:
        key: one typed threefry key, as from `jax.random.key`.
        size: the number of rows, a Python int from 1 to 2**31.

    Returns:
        (size,) int32, a permutation of 0..size - 1.

    Raises:
        TypeError, ValueError: if `key` is not one typed threefry key, or `size` is out of range.

    Example:
        >>> import jax
        >>> order = epoch_order(jax.random.key(0), 5)
        >>> sorted(order.tolist())
        [0, 1, 2, 3, 4]

    Source: Mitchell et al. 2021, "Bandwidth-Optimal Random Shuffling for GPUs", https://arxiv.org/abs/2106.06161
    """
    check_key("epoch_order", "key", key)
    check_count("epoch_order", "size", size)
    require(size <= 2**31, "epoch_order", "size", "be at most 2**31, for int32 holds no more", size)
    bits, rows = max(int(size - 1).bit_length(), LEAST_BITS), np.uint32(size)
    words = round_words(key)

    def step(x):
        return feistel(x, words, bits)

    def someone_outside(x):
        return jnp.any(x >= rows)

    def walk(x):
        return jnp.where(x >= rows, step(x), x)

    order = lax.while_loop(someone_outside, walk, step(lax.iota(jnp.uint32, int(size))))
    return order.astype(jnp.int32)


def feistel(x, words, bits):
    """A keyed bijection of 0..2^bits - 1, entry by entry; x is uint32, words is (2 ROUNDS + 1,) uint32."""
    low_bits = bits - bits // 2
    # XOR rounds only make even permutations of a power of two; an odd shift beforehand makes the odd ones too.
    x = (x + words[-1]) & np.uint32(2**bits - 1)
    high, low = x >> np.uint32(low_bits), x & np.uint32(2**low_bits - 1)
    for i in range(0, 2 * ROUNDS, 4):
        high = high ^ scramble(low, words[i], words[i + 1], bits - low_bits)
        low = low ^ scramble(high, words[i + 2], words[i + 3], low_bits)
    return (high << np.uint32(low_bits)) | low


def scramble(half, multiplier, offset, bits):
    """The round function: `bits` bits that depend on all of `half` and of two key words."""
    h = half * (multiplier | np.uint32(1)) + offset
    # Multiply-add alone is linear: its differences repeat along the permutation.
    return ((h ^ (h >> np.uint32(15))) * MIX_1) >> np.uint32(32 - bits)


def round_words(key):
    """(2 ROUNDS + 1,) uint32 words that all depend on both words of the key."""
    first, second = jax.random.key_data(key)
    counter = lax.iota(jnp.uint32, 2 * ROUNDS + 1) + np.uint32(1)
    return mixed(first ^ mixed(second + counter * GOLDEN))


def mixed(h):
    """MurmurHash3's finaliser, a bijection of 32-bit words in which every bit reaches every other."""
    h = (h ^ (h >> np.uint32(16))) * MIX_1
    h = (h ^ (h >> np.uint32(13))) * MIX_2
    return h ^ (h >> np.uint32(16))
