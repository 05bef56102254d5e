"""epoch_order: a permutation at every size, the same under every transformation, without statistical structure."""

import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import shuffle
from jaxmlp.shuffle import epoch_order


@functools.cache
def orders(size, count, consecutive=True):
    """(count, size) orders, of the keys of seeds 0, 1, 2, ... or of keys split off one."""
    keys = jax.vmap(jax.random.key)(jnp.arange(count)) if consecutive else jax.random.split(jax.random.key(7), count)
    return np.asarray(jax.jit(jax.vmap(functools.partial(epoch_order, size=size)))(keys))


def chi_square(counts, expected):
    """How many standard deviations the chi-square statistic lies above its mean."""
    counts = np.ravel(counts)
    freedom = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)


def test_small_sizes_are_permutations():
    sizes = [*range(1, 18), 31, 32, 33, 63, 64, 65, 127, 128, 129, 150, 255, 256, 257, 300]
    run = jax.jit(lambda key: [epoch_order(key, size) for size in sizes])
    for size, order in zip(sizes, run(jax.random.key(3)), strict=True):
        assert order.dtype == jnp.int32
        np.testing.assert_array_equal(np.sort(order), np.arange(size))


@pytest.mark.parametrize("size", [1023, 1025, 1257, 60_000, 65_536, 65_537, 1_000_003])
def test_large_sizes_are_permutations(size):
    order = jax.jit(epoch_order, static_argnums=1)(jax.random.key(3), size)
    np.testing.assert_array_equal(np.sort(order), np.arange(size))


def test_pinned_orders():
    assert epoch_order(jax.random.key(0), 10).tolist() == PIN_10
    assert epoch_order(jax.random.key(1), 300)[:8].tolist() == PIN_300
    assert epoch_order(jax.random.fold_in(jax.random.key(5), 9), np.int64(60_000))[:5].tolist() == PIN_60000


PIN_10 = [2, 3, 5, 8, 4, 9, 6, 0, 7, 1]
PIN_300 = [19, 223, 52, 143, 92, 22, 238, 210]
PIN_60000 = [57274, 57849, 11714, 37093, 44980]


@pytest.mark.parametrize("size", [1, 1257])
def test_jit_vmap_and_scan_agree_to_the_bit(size):
    keys = jax.random.split(jax.random.key(2), 5)
    alone = np.stack([epoch_order(key, size) for key in keys])
    jitted = np.stack([jax.jit(epoch_order, static_argnums=1)(key, size) for key in keys])
    mapped = jax.vmap(lambda key: epoch_order(key, size))(keys)
    scanned = jax.jit(lambda keys: jax.lax.scan(lambda _, key: (None, epoch_order(key, size)), None, keys)[1])(keys)
    for other in (jitted, mapped, scanned):
        np.testing.assert_array_equal(alone, other)


def test_x64_changes_nothing():
    with jax.enable_x64(True):
        order = epoch_order(jax.random.key(0), 10)
        assert order.dtype == jnp.int32
    assert order.tolist() == PIN_10


def test_no_sort_and_one_dimension():
    jaxpr = str(jax.make_jaxpr(lambda key: epoch_order(key, 100))(jax.random.key(0)))
    assert "sort" not in jaxpr and "threefry" not in jaxpr
    assert epoch_order(jax.random.key(0), 100).shape == (100,)


def test_feistel_is_a_bijection_of_its_whole_domain():
    words = shuffle.round_words(jax.random.key(4))
    assert words.shape == (2 * shuffle.ROUNDS + 1,)
    for bits in (8, 9, 16):
        images = shuffle.feistel(jnp.arange(2**bits, dtype=jnp.uint32), words, bits)
        np.testing.assert_array_equal(np.sort(images), np.arange(2**bits))


def test_round_words_depend_on_both_words_of_the_key():
    words = [shuffle.round_words(jax.random.wrap_key_data(jnp.array(pair, jnp.uint32))) for pair in WORD_PAIRS]
    assert len(np.unique(np.concatenate(words))) == len(WORD_PAIRS) * (2 * shuffle.ROUNDS + 1)
    bits = np.unpackbits(np.concatenate(words).view(np.uint8)).mean()
    assert abs(bits - 0.5) < 0.05


WORD_PAIRS = [(0, 0), (0, 1), (1, 0), (1, 1), (2**32 - 1, 0), (0, 2**32 - 1)]


@pytest.mark.parametrize("consecutive", [True, False])
@pytest.mark.parametrize("size", [3, 4, 5])
def test_every_permutation_of_a_few_is_equally_likely(size, consecutive):
    found = orders(size, 24_000, consecutive)
    _, counts = np.unique(found @ size ** np.arange(size), return_counts=True)
    assert len(counts) == math.factorial(size)
    assert chi_square(counts, len(found) / len(counts)) < 4.5


@pytest.mark.parametrize("consecutive", [True, False])
@pytest.mark.parametrize("size", [8, 13, 16, 32])
def test_values_are_uniform_at_every_position(size, consecutive):
    found = orders(size, 24_000, consecutive)
    counts = np.zeros((size, size))
    np.add.at(counts, (np.arange(size)[None, :], found), 1)
    assert abs(chi_square(counts, len(found) / size)) < 4.5


@pytest.mark.parametrize("lag", [1, 2, 4, 8])
@pytest.mark.parametrize("size", [13, 16, 32])
def test_pairs_are_uniform(size, lag):
    found = orders(size, 24_000)
    counts = np.zeros((size, size))
    np.add.at(counts, (found[:, 0], found[:, lag]), 1)
    assert np.trace(counts) == 0
    off_diagonal = counts[~np.eye(size, dtype=bool)]
    assert abs(chi_square(off_diagonal, len(found) / off_diagonal.size)) < 4.5


@pytest.mark.parametrize("size", [16, 257, 1024])
def test_fixed_points_are_poisson_with_mean_one(size):
    found = orders(size, 4000)
    fixed = (found == np.arange(size)).sum(axis=1)
    assert abs(fixed.mean() - 1) < 4.5 / np.sqrt(len(found))
    assert abs(fixed.var() - 1) < 4.5 * np.sqrt(3 / len(found))
    # Two successive keys agree at as few places.
    agreeing = (found[1:] == found[:-1]).sum(axis=1)
    assert abs(agreeing.mean() - 1) < 4.5 / np.sqrt(len(found))


@pytest.mark.parametrize("size", [16, 257, 1024])
def test_output_does_not_correlate_with_index_neighbor_or_the_next_key(size):
    found = orders(size, 4000)
    index = np.arange(size) - (size - 1) / 2
    centered = (found - (size - 1) / 2) / np.sqrt((index**2).sum())
    with_index = centered @ (index / np.sqrt((index**2).sum()))
    assert abs(with_index.mean()) * np.sqrt(len(found) * (size - 1)) < 4.5
    assert abs(with_index.var() * (size - 1) - 1) * np.sqrt(len(found) / 2) < 5.5
    # A shuffle without replacement has neighbors that correlate by -1/size.
    with_neighbor = (centered[:, 1:] * centered[:, :-1]).sum(axis=1)
    assert abs(with_neighbor.mean() + 1 / size) * np.sqrt(len(found) * size) < 4.5
    with_next_key = (centered[1:] * centered[:-1]).sum(axis=1)
    assert abs(with_next_key.mean()) * np.sqrt(len(found) * (size - 1)) < 4.5


@pytest.mark.parametrize("size", [8, 9, 16, 64])
def test_half_of_the_permutations_are_odd(size):
    found = orders(size, 4000)
    inversions = np.sum([(found[:, i : i + 1] > found[:, i + 1 :]).sum(axis=1) for i in range(size)], axis=0)
    assert abs((inversions % 2).mean() - 0.5) * 2 * np.sqrt(len(found)) < 4.5


def test_permutations_of_a_whole_power_of_two_are_odd_as_often_as_even():
    size = 256
    found = orders(size, 1000)
    inversions = np.sum([(found[:, i : i + 1] > found[:, i + 1 :]).sum(axis=1) for i in range(size)], axis=0)
    assert abs((inversions % 2).mean() - 0.5) * 2 * np.sqrt(len(found)) < 4.5
    assert abs(inversions.mean() - size * (size - 1) / 4) < 4.5 * np.sqrt(size**3 / 36 / len(found))


@pytest.mark.parametrize("size", [257, 1024])
def test_even_and_low_values_spread_evenly(size):
    found = orders(size, 4000)
    half, evens = size // 2, (size + 1) // 2
    for hits, chosen in (((found[:, :half] < half), half), ((found[:, ::2] % 2 == 0), evens)):
        count, share = hits.sum(axis=1), chosen / size
        variance = chosen * share * (1 - share) * (size - chosen) / (size - 1)
        assert abs(count.mean() - chosen * share) < 4.5 * np.sqrt(variance / len(found))
        assert abs(count.var() / variance - 1) < 5.5 * np.sqrt(2 / len(found))


@pytest.mark.parametrize("lag", [1, 4, 16, 32, 128, 256])
def test_differences_do_not_repeat_within_one_order(lag):
    """A round function that is too linear keeps x[i ^ lag] ^ x[i] the same along the order."""
    size, count = 512, 1000
    found = orders(size, count)
    repeats = [repeated_differences(order, lag) for order in (found, shuffled_by_numpy(size, count))]
    spread = np.sqrt((repeats[0].var() + repeats[1].var()) / count)
    assert abs(repeats[0].mean() - repeats[1].mean()) < 4.5 * spread
    assert repeats[0].max() < 1.2 * repeats[1].max()


def repeated_differences(found, lag):
    """Per order, the sum of squares of how often each XOR difference at this lag occurs."""
    differences = found ^ found[:, np.arange(found.shape[1]) ^ lag]
    counts = np.zeros(found.shape, int)
    np.add.at(counts, (np.arange(len(found))[:, None], differences), 1)
    return (counts**2).sum(axis=1)


def shuffled_by_numpy(size, count):
    return np.random.default_rng(0).permuted(np.tile(np.arange(size), (count, 1)), axis=1)


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        (0, TypeError, "epoch_order: key must be a typed key, as from jax.random.key(0), got 0"),
        (jax.random.PRNGKey, TypeError, "epoch_order: key must be a typed key, as from jax.random.key(0), got "),
        (lambda _: jax.random.key(0, impl="rbg"), ValueError, "epoch_order: key must be a threefry key"),
        (lambda _: jax.random.split(jax.random.key(0), 3), ValueError, "epoch_order: key must be one key"),
    ],
)
def test_wrong_keys_are_refused(key, error, text):
    with pytest.raises(error, match=re.escape(text)):
        epoch_order(key(0) if callable(key) else key, 5)


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "5", None])
def test_wrong_sizes_are_refused(size):
    text = f"epoch_order: size must be a whole number of at least 1, got {size!r}"
    with pytest.raises(ValueError, match=re.escape(text)):
        epoch_order(jax.random.key(0), size)


def test_sizes_beyond_int32_are_refused():
    text = "epoch_order: size must be at most 2**31, the largest count for int32 indices, got 2147483649"
    with pytest.raises(ValueError, match=re.escape(text)):
        epoch_order(jax.random.key(0), 2**31 + 1)
    shape = jax.eval_shape(lambda key: epoch_order(key, 2**31), jax.random.key(0))
    assert shape.shape == (2**31,)
