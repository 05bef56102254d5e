"""dropout and its masks: jax.random.bernoulli bit for bit, under every transformation, and the same mask in both passes."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import dropout, dropout_mask

KEY = jax.random.key(17)
KEYS = jax.random.split(KEY, 3)
RATES = [0.0, 1e-9, 1e-6, 0.1, 0.25, 0.3, 0.5, 2 / 3, 0.8, 0.999, 1 - 2.0**-24]
SHAPES = [(), (1,), (7, 13), (3, 4, 5), (128, 1000), (0,), (3, 0, 2)]


def bernoulli(key, rate, shape):
    return jax.random.bernoulli(key, 1 - rate, shape)


def equal(left, right):
    assert left.dtype == right.dtype == jnp.bool_
    np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("rate", RATES)
def test_the_mask_at_every_rate(rate):
    equal(dropout_mask(KEY, rate, (64, 50)), bernoulli(KEY, rate, (64, 50)))


def test_the_mask_and_the_zeros_of_dropout_at_every_shape():
    @jax.jit
    def of_every_shape(key):
        ones = [jnp.ones(shape) for shape in SHAPES]
        return [
            (dropout_mask(key, 0.3, x.shape), dropout(key, x, 0.3) != 0, bernoulli(key, 0.3, x.shape)) for x in ones
        ]

    for shape, (mask, zeros, expected) in zip(SHAPES, of_every_shape(KEY), strict=True):
        assert mask.shape == shape
        equal(mask, expected)
        equal(zeros, expected)


@pytest.mark.parametrize(("shape", "fused"), [((7, 13), True), ((2**32 - 1,), True), ((2**16, 2**16), False)])
def test_the_bits_are_drawn_by_plain_arithmetic_below_2_to_the_32_elements(shape, fused):
    jaxpr = str(jax.make_jaxpr(lambda key: dropout_mask(key, 0.3, shape))(KEY))
    assert ("random_bits" not in jaxpr) == fused
    assert ("cond" in jaxpr) == fused


def test_the_mask_without_jit():
    equal(dropout_mask(KEY, 0.3, (3, 4, 5)), bernoulli(KEY, 0.3, (3, 4, 5)))


def test_one_trace_for_every_traced_rate():
    mask = jax.jit(chex.assert_max_traces(lambda rate: dropout_mask(KEY, rate, (64, 50)), n=1))
    for rate in np.array(RATES[:-1], np.float32):
        equal(mask(rate), bernoulli(KEY, rate, (64, 50)))


def test_ten_thousand_random_rates():
    rates = jax.random.uniform(jax.random.key(5), (10_000,))
    masks = jax.jit(lambda mask: jax.vmap(lambda rate: mask(KEY, rate, (5, 7)))(rates), static_argnums=0)
    equal(masks(dropout_mask), masks(bernoulli))


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_rate_on_either_side_of_a_draw(steps):
    """keep equal to one of the uniforms, the float32 below it and the float32 above it: only the last keeps it."""
    uniforms = np.asarray(jax.random.uniform(KEY, (9,)))
    drawn = int(np.argmax(uniforms >= 0.5))
    keep = uniforms[drawn] + np.float32(steps * 2.0**-24)
    mask = dropout_mask(KEY, np.float32(1) - keep, (9,))
    equal(mask, jax.random.bernoulli(KEY, keep, (9,)))
    assert mask[drawn] == (steps == 1)


@pytest.mark.parametrize("rate", [np.float64(0.3), np.float32(0.3), jnp.float32(0.3), jnp.bfloat16(0.3)])
def test_rates_of_every_kind(rate):
    equal(dropout_mask(KEY, rate, (7, 13)), bernoulli(KEY, rate, (7, 13)))


def test_vmap_over_keys_and_rates():
    rates = jnp.array([0.0, 0.3, 0.8])
    for axes in [(0, None), (None, 0), (0, 0)]:
        keys = KEYS if axes[0] == 0 else KEY
        given = rates if axes[1] == 0 else jnp.float32(0.3)
        mapped = jax.vmap(lambda key, rate: dropout_mask(key, rate, (7, 13)), axes)(keys, given)
        for i in range(3):
            key = KEYS[i] if axes[0] == 0 else KEY
            rate = rates[i] if axes[1] == 0 else given
            equal(mapped[i], bernoulli(key, rate, (7, 13)))


def test_inside_scan():
    _, masks = jax.lax.scan(lambda rate, key: (rate, dropout_mask(key, rate, (7, 13))), jnp.float32(0.3), KEYS)
    for key, mask in zip(KEYS, masks, strict=True):
        equal(mask, bernoulli(key, jnp.float32(0.3), (7, 13)))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.8])
def test_float64(rate, x64):
    equal(dropout_mask(KEY, rate, (128, 100)), bernoulli(KEY, rate, (128, 100)))
    equal(dropout(KEY, jnp.ones((128, 100)), rate) != 0, bernoulli(KEY, rate, (128, 100)))


def test_float64_with_a_float32_rate(x64):
    rate = jnp.float32(0.3)
    equal(dropout_mask(KEY, rate, (128, 100)), bernoulli(KEY, rate, (128, 100)))
    dropped = dropout(KEY, jnp.ones((7, 13)), rate)
    assert dropped.dtype == jnp.float64


def test_the_scale_is_of_float64(x64):
    dropped = dropout(KEY, jnp.ones(20), 0.3)
    np.testing.assert_allclose(dropped[dropped != 0], 1 / 0.7, rtol=1e-15)


def test_without_partitionable_threefry():
    with jax.threefry_partitionable(False):
        old = dropout_mask(KEY, 0.3, (7, 13))
        equal(old, bernoulli(KEY, 0.3, (7, 13)))
    assert (old != dropout_mask(KEY, 0.3, (7, 13))).any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype):
    dropped = dropout(KEY, jnp.full((7, 13), 3.0, dtype), jnp.float32(0.25))
    assert dropped.dtype == dtype
    np.testing.assert_array_equal(dropped, np.where(bernoulli(KEY, 0.25, (7, 13)), 4, 0))


def test_the_kept_are_scaled_by_1_over_1_minus_rate():
    inputs = jax.random.normal(jax.random.key(1), (7, 13))
    expected = np.where(bernoulli(KEY, 0.3, (7, 13)), np.asarray(inputs) / np.float32(0.7), 0)
    np.testing.assert_allclose(dropout(KEY, inputs, 0.3), expected, rtol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_the_expectation_is_kept(rate):
    dropped = dropout(KEY, jnp.ones((128, 1000)), rate)
    four_deviations = 4 * np.sqrt(rate / (1 - rate) / dropped.size)
    assert float(dropped.mean()) == pytest.approx(1, abs=four_deviations)


def test_rate_0_is_the_identity():
    inputs = jax.random.normal(KEY, (7, 13))
    for rate in (0, 0.0, jnp.float32(0)):
        np.testing.assert_array_equal(dropout(KEY, inputs, rate), inputs)
    np.testing.assert_array_equal(jax.jit(dropout)(KEY, inputs, 0.0), inputs)


def test_what_is_not_finite_can_be_dropped():
    dropped = dropout(KEY, jnp.full((7, 13), jnp.inf), 0.5)
    np.testing.assert_array_equal(dropped, np.where(bernoulli(KEY, 0.5, (7, 13)), np.inf, 0))


def test_lists_and_numpy_arrays_are_inputs():
    np.testing.assert_array_equal(dropout(KEY, [1.0, 2.0], 0.0), [1, 2])
    np.testing.assert_array_equal(dropout(KEY, np.ones(9, np.float32), 0.5) != 0, bernoulli(KEY, 0.5, (9,)))


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["grad", "jit of grad"])
def test_the_gradient_is_the_forward_mask_over_1_minus_rate(transform):
    inputs = jax.random.normal(jax.random.key(1), (7, 13))

    def loss(inputs, rate):
        dropped = dropout(KEY, inputs, rate)
        return dropped.sum(), dropped

    gradient, dropped = transform(jax.grad(loss, has_aux=True))(inputs, 0.25)
    mask = bernoulli(KEY, 0.25, (7, 13))
    equal(dropped != 0, mask)
    np.testing.assert_allclose(gradient, np.asarray(mask) / 0.75, rtol=1e-6)


def test_vmap_of_grad_uses_each_key_s_mask():
    gradients = jax.jit(jax.vmap(lambda key: jax.grad(lambda x: dropout(key, x, 0.5).sum())(jnp.ones(50))))(KEYS)
    for key, gradient in zip(KEYS, gradients, strict=True):
        np.testing.assert_array_equal(gradient, 2.0 * np.asarray(bernoulli(key, 0.5, (50,))))


ONES = np.ones(3)


@pytest.mark.parametrize(
    ("key", "inputs", "rate", "error", "text"),
    [
        (KEY, ONES, 1, ValueError, "rate must be at least 0 and below 1, got 1.0"),
        (KEY, ONES, -0.1, ValueError, "rate must be at least 0 and below 1, got -0.1"),
        (KEY, ONES, float("nan"), ValueError, "rate must be at least 0 and below 1, got nan"),
        (KEY, ONES, None, TypeError, "rate must be a number, got None"),
        (KEY, ONES, np.zeros(3), ValueError, "rate must be a scalar (for a batch of values use jax.vmap), got (3,)"),
        (KEY, np.ones(3, int), 0.1, TypeError, "inputs must be floating, got 'int32'"),
        (KEY, [True, False], 0.1, TypeError, "inputs must be floating, got 'bool'"),
        (
            jax.random.PRNGKey(0),
            ONES,
            0.1,
            TypeError,
            "key must be a typed key, as from jax.random.key(0), got 'uint32[2]'",
        ),
        (
            jax.random.key(0, impl="rbg"),
            ONES,
            0.1,
            ValueError,
            "key must be a threefry key (rbg repeats its first key under vmap), got 'key<rbg>'",
        ),
        (KEYS, ONES, 0.1, ValueError, "key must be one key (for a batch of keys use jax.vmap), got (3,)"),
    ],
)
def test_refusals(key, inputs, rate, error, text):
    with pytest.raises(error, match=f"^{re.escape('dropout: ' + text)}$"):
        dropout(key, inputs, rate)


def test_the_mask_refuses_the_same_by_its_own_name():
    with pytest.raises(ValueError, match=r"^dropout_mask: rate must be at least 0 and below 1, got 1.0$"):
        dropout_mask(KEY, 1.0, (3,))
    with pytest.raises(TypeError, match=r"^dropout_mask: key must be a typed key"):
        dropout_mask(0, 0.5, (3,))
