"""numerics: common dtypes under strict promotion, and powers of two by which a division is exact."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import numerics


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [
        ("bool", "bool", "float32"),
        ("int8", "int32", "float32"),
        ("uint8", "bfloat16", "bfloat16"),
        ("float16", "bfloat16", "float32"),
        ("float16", "float32", "float32"),
    ],
)
def test_two_arrays_in_their_common_floating_dtype(left, right, common):
    one, other = numerics.as_floating("f", x=jnp.ones(2).astype(left), y=np.ones(2, jnp.dtype(right)))
    assert (one.dtype, other.dtype) == (common, common)


def test_integers_become_float64_in_float64(x64):
    assert numerics.as_floating("f", x=np.array([1]))[0].dtype == jnp.float64


@pytest.mark.parametrize("value", [1j, np.ones(2, np.complex64)])
def test_only_real_numbers_become_floating(value):
    with pytest.raises(
        TypeError, match=rf"^f: x must be real numbers, got {re.escape(repr(str(jnp.asarray(value).dtype)))}"
    ):
        numerics.as_floating("f", x=value)


def test_half_precision_is_widened_and_float64_stays(x64):
    for given, expected in [
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ]:
        assert numerics.at_least_float32(jnp.ones(2, given)).dtype == expected


def test_a_weight_of_zero_silences_infinity_but_not_nan():
    weights = jnp.array([0.0, 0.0, 0.0, 2.0, 2.0])
    values = jnp.array([jnp.inf, -jnp.inf, jnp.nan, -jnp.inf, 3.0])
    np.testing.assert_array_equal(numerics.weighted(weights, values), [0, 0, np.nan, -np.inf, 6])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_power_of_two_up_to_a_size(dtype, x64):
    sizes = jnp.array([1.0, 1.5, 2.0, 3.99, 0.3, 1e-30, 1e30], dtype)
    expected = 2.0 ** np.floor(np.log2(np.asarray(sizes, np.float64)))
    np.testing.assert_array_equal(jax.jit(numerics.power_of_two)(sizes), expected)
    np.testing.assert_array_equal(numerics.power_of_two(sizes), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_power_of_two_and_its_reciprocal_are_normal_numbers(dtype, x64):
    limits = jnp.finfo(dtype)
    powers = numerics.power_of_two(jnp.array([0.0, limits.tiny / 8, limits.tiny, limits.max, jnp.inf, jnp.nan], dtype))
    assert np.isfinite(powers).all()
    assert (powers >= limits.tiny).all() and (1 / powers >= limits.tiny).all()


def test_a_power_of_two_is_a_constant_for_derivatives():
    assert jax.grad(lambda x: numerics.power_of_two(x) * x)(jnp.float32(3.0)) == 2
