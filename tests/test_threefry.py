"""threefry: the published vectors, and jax.random bit for bit."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import threefry

# Counter, key and result of threefry2x32 with 20 rounds, from the known-answer file of Random123 (Salmon et al. 2011).
KNOWN_ANSWERS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]
SEEDS = [0, 1, 2, 12345, 2**31 - 1, 2**32 - 1]
DATA = [0, 1, 2, 255, 65536, 2**31 - 1, 2**31, 2**32 - 1]


def words(values):
    return tuple(jnp.uint32(value) for value in values)


def key_bits(key):
    return jax.random.key_data(key)


def test_known_answers():
    rounds = jax.jit(threefry.threefry2x32)
    for counter, key, expected in KNOWN_ANSWERS:
        assert tuple(int(word) for word in rounds(words(key), *words(counter))) == expected


def test_counters_may_be_arrays():
    counters = [jnp.array([counter[i] for counter, _, _ in KNOWN_ANSWERS], jnp.uint32) for i in (0, 1)]
    keys = [jnp.array([key[i] for _, key, _ in KNOWN_ANSWERS], jnp.uint32) for i in (0, 1)]
    result = np.stack(jax.jit(threefry.threefry2x32)(keys, *counters), axis=1)
    np.testing.assert_array_equal(result, [expected for _, _, expected in KNOWN_ANSWERS])


def test_results_are_uint32_with_float64_on(x64):
    first, second = threefry.threefry2x32(words((1, 2)), jnp.uint32(3), jnp.arange(4, dtype=jnp.uint32))
    assert first.dtype == second.dtype == jnp.uint32


def test_key_words_are_the_key_s_data():
    key = jax.random.wrap_key_data(jnp.array([7, 2**32 - 5], jnp.uint32))
    first, second = threefry.key_words(key)
    assert (int(first), int(second)) == (7, 2**32 - 5)


def test_fold_in_equals_jax_random():
    keys = jnp.stack([jax.random.key(seed) for seed in SEEDS] + list(jax.random.split(jax.random.key(9), 20)))
    data = jnp.array(DATA, jnp.uint32)

    def over_all(fold_in):
        return jax.jit(jax.vmap(jax.vmap(fold_in, (None, 0)), (0, None)))(keys, data)

    chex.assert_trees_all_equal(key_bits(over_all(threefry.fold_in)), key_bits(over_all(jax.random.fold_in)))


@pytest.mark.parametrize(
    "data", [0, 1, 2**31, 2**32 - 1, np.int64(5), np.uint8(255), jnp.int32(7), jnp.uint32(2**32 - 1)]
)
def test_fold_in_takes_numbers_of_every_kind(data):
    key = jax.random.key(1)
    chex.assert_trees_all_equal(key_bits(threefry.fold_in(key, data)), key_bits(jax.random.fold_in(key, data)))


def test_fold_in_of_traced_int32_data():
    key = jax.random.key(1)
    folded = jax.jit(threefry.fold_in)(key, jnp.int32(2**31 - 1))
    chex.assert_trees_all_equal(key_bits(folded), key_bits(jax.random.fold_in(key, 2**31 - 1)))


def test_fold_in_returns_one_typed_threefry_key():
    folded = threefry.fold_in(jax.random.key(0), 1)
    assert folded.shape == ()
    assert str(folded.dtype) == "key<fry>"


def test_fold_in_keeps_the_kind_of_key_whatever_the_default():
    key = jax.random.key(0)
    with jax.default_prng_impl("rbg"):
        assert str(threefry.fold_in(key, 1).dtype) == "key<fry>"


def test_fold_in_is_independent_of_the_partitionable_setting():
    key = jax.random.key(4)
    with jax.threefry_partitionable(False):
        chex.assert_trees_all_equal(key_bits(threefry.fold_in(key, 3)), key_bits(jax.random.fold_in(key, 3)))


SHAPES = [(), (1,), (7, 13), (3, 4, 5), (2, 1, 3, 2), (128, 1000), (0,), (3, 0, 2)]


def test_random_words_equal_jax_random_bits():
    @jax.jit
    def of_every_shape(key):
        return [(threefry.random_words(key, shape), jax.random.bits(key, shape)) for shape in SHAPES]

    for ours, theirs in of_every_shape(jax.random.key(2)):
        chex.assert_trees_all_equal(ours, theirs)


def test_random_words_under_vmap():
    keys = jax.random.split(jax.random.key(3), 4)
    drawn = jax.jit(jax.vmap(lambda key: threefry.random_words(key, (2, 3))))(keys)
    for key, words in zip(keys, drawn, strict=True):
        chex.assert_trees_all_equal(words, jax.random.bits(key, (2, 3)))


def test_random_words_with_float64_on(x64):
    key = jax.random.key(2)
    chex.assert_trees_all_equal(threefry.random_words(key, (5,)), jax.random.bits(key, (5,), "uint32"))


@pytest.mark.parametrize("partitionable", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_split_equals_jax_random(count, partitionable):
    with jax.threefry_partitionable(partitionable):
        for seed in SEEDS:
            key = jax.random.key(seed)
            chex.assert_trees_all_equal(key_bits(threefry.split(key, count)), key_bits(jax.random.split(key, count)))


def test_split_of_several_axes_equals_jax_random():
    ours = jax.random.split(threefry.fused(jax.random.key(4)), (2, 3))
    chex.assert_trees_all_equal(key_bits(ours), key_bits(jax.random.split(jax.random.key(4), (2, 3))))


def drawn(key):
    """What JAX's functions make of a key."""
    return {
        "bits": [jax.random.bits(key, (3, 5), f"uint{width}") for width in (8, 16, 32)],
        "normal": jax.random.normal(key, (3, 5)),
        "permutation": jax.random.permutation(key, 20),
        "fold_in": jax.random.uniform(jax.random.fold_in(key, 7)),
        "split": jax.random.uniform(jax.random.split(key, 3)[1], (2, 2)),
        "initializer": jax.nn.initializers.he_normal()(key, (6, 4)),
    }


@pytest.mark.parametrize("partitionable", [True, False])
def test_a_fused_key_draws_the_same(partitionable):
    with jax.threefry_partitionable(partitionable):
        for seed in SEEDS[::2]:
            key = jax.random.key(seed)
            chex.assert_trees_all_equal(jax.jit(lambda key: drawn(threefry.fused(key)))(key), jax.jit(drawn)(key))


def test_a_fused_key_draws_the_same_under_vmap():
    keys = jax.random.split(jax.random.key(2), 4)
    ours = jax.jit(jax.vmap(lambda key: jax.random.normal(threefry.fused(key), (3,))))(keys)
    chex.assert_trees_all_equal(ours, jax.jit(jax.vmap(lambda key: jax.random.normal(key, (3,))))(keys))


def test_a_fused_key_draws_the_same_in_float64(x64):
    key = jax.random.key(1)
    ours = jax.random.uniform(threefry.fused(key), (7,), jnp.float64)
    chex.assert_trees_all_equal(ours, jax.random.uniform(key, (7,), jnp.float64))


def test_a_fused_key_of_a_seed():
    made = jax.random.key(12345, impl=jax.random.key_impl(threefry.fused(jax.random.key(0))))
    chex.assert_trees_all_equal(key_bits(made), key_bits(jax.random.key(12345)))
