"""penalties: values and gradients by hand; norms that neither overflow nor underflow; the rest stays to the bit."""

import functools
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxmlp.penalties import l1, l2, max_norm

RNG = np.random.default_rng(0)
PARAMS = [
    {"w": jnp.array([[3.0, 0.3, 0.0], [-4.0, 0.4, 0.0]]), "b": jnp.array([7.0, -8.0, 9.0])},
    {"w": jnp.array([[1.0], [-2.0], [2.0]]), "b": jnp.array([5.0])},
]


def refuses(error, text):
    """The block raises `error` with exactly this text (JAX may add a note below it)."""
    return pytest.raises(error, match=rf"^{re.escape(text)}(\n|$)")


def test_penalties_leave_biases_out():
    assert l1(PARAMS) == pytest.approx(3 + 4 + 0.3 + 0.4 + 5)
    assert l2(PARAMS) == pytest.approx(9 + 16 + 0.09 + 0.16 + 9)


def test_penalty_gradients():
    for penalty, of_weight in [(l1, np.sign), (l2, lambda w: 2 * w)]:
        for layer, gradient in zip(PARAMS, jax.jit(jax.grad(penalty))(PARAMS), strict=True):
            np.testing.assert_allclose(gradient["w"], of_weight(np.asarray(layer["w"])))
            np.testing.assert_array_equal(gradient["b"], 0)


def test_max_norm_projects_only_columns_beyond_the_limit():
    projected = max_norm(PARAMS, 1.0)
    np.testing.assert_allclose(projected[0]["w"], [[0.6, 0.3, 0], [-0.8, 0.4, 0]], rtol=1e-6)
    np.testing.assert_allclose(projected[1]["w"], [[1 / 3], [-2 / 3], [2 / 3]], rtol=1e-6)


def test_max_norm_leaves_the_rest_to_the_bit():
    projected = max_norm(PARAMS, 4.9)
    np.testing.assert_array_equal(projected[0]["w"][:, 1:], PARAMS[0]["w"][:, 1:])
    np.testing.assert_array_equal(projected[1]["w"], PARAMS[1]["w"])
    for layer, before in zip(projected, PARAMS, strict=True):
        np.testing.assert_array_equal(layer["b"], before["b"])
    np.testing.assert_array_equal(max_norm(PARAMS, 5.0)[0]["w"], PARAMS[0]["w"])


def test_max_norm_takes_a_traced_limit():
    project = jax.jit(chex.assert_max_traces(max_norm, n=1))
    for limit in (0.5, 2.0, 100.0):
        norms = jnp.linalg.norm(project(PARAMS, limit)[0]["w"], axis=0)
        np.testing.assert_allclose(norms, np.minimum([5, 0.5, 0], limit), rtol=1e-6)


@pytest.mark.parametrize("limit", [0.5, 2.0])
def test_max_norm_s_gradient_is_finite_at_zero_weights(limit):
    gradient = jax.jit(jax.grad(lambda params: max_norm(params, limit)[0]["w"].sum()))(PARAMS)
    chex.assert_tree_all_finite(gradient)
    np.testing.assert_array_equal(gradient[0]["w"][:, 2], 1)


def test_max_norm_keeps_other_entries_of_a_layer_and_the_dtype():
    params = [{"w": jnp.full((2, 2), 9, jnp.bfloat16), "b": jnp.ones(2), "name": jnp.zeros(1)}]
    projected = max_norm(params, jnp.float32(1.0))
    chex.assert_trees_all_equal_shapes_and_dtypes(projected, params)


@pytest.mark.parametrize("function", [l1, l2, functools.partial(max_norm, limit=1.0)])
@pytest.mark.parametrize("params", [{"w": 1.0}, 3.0, [1.0], [{"b": 1.0}], [{"w": 1.0}, (2.0,)]])
def test_penalties_refuse_what_is_no_list_of_layers(function, params):
    name = getattr(function, "__name__", "max_norm")
    text = f'{name}: params must be a list of {{"w", "b"}}, as from init, got {jax.tree.structure(params)!r}'
    with refuses(TypeError, text):
        function(params)


def test_penalties_take_tuples_of_layers():
    assert l1(tuple(PARAMS)) == l1(PARAMS)


def test_the_limit_is_above_0():
    with refuses(ValueError, "max_norm: limit must be a finite number above 0, got 0.0"):
        max_norm(PARAMS, 0.0)


def test_gradients_of_the_penalties_numerically(x64):
    params = [{"w": jnp.array(RNG.normal(size=shape)), "b": jnp.ones(shape[1])} for shape in [(6, 3), (3, 6)]]

    def total(params, limit):
        projected = max_norm(params, limit)
        return l1(params) + l2(projected) + sum((layer["w"] ** 3).sum() for layer in projected)

    check_grads(jax.jit(total), (params, 2.0), order=1, modes=["rev"])


# Every dtype, and its extremes.


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("size", [1e-38, 1e-30, 1e-20, 1e-7, 1.0, 3e4, 1e20, 1e30, 1e38])
def test_max_norm_neither_overflows_nor_underflows(size, dtype):
    w = (size * jnp.array([[3.0, 0.0, 0.3], [-3.0, 0.0, 0.0]])).astype(dtype)
    if not (jnp.isfinite(w).all() and float(w[0, 2]) > 0):
        size, w = 1.0, jnp.array([[3.0, 0.0, 0.3], [-3.0, 0.0, 0.0]], dtype)
    project = jax.jit(lambda w, limit: max_norm([{"w": w, "b": jnp.zeros(3)}], limit)[0]["w"])
    projected = project(w, 0.5 * size)
    assert projected.dtype == dtype
    half = 0.5 * size / np.sqrt(2)
    expected = [[half, 0, float(w[0, 2])], [-half, 0, 0]]
    rounding = {"rtol": 2 * float(jnp.finfo(dtype).eps), "atol": float(jnp.finfo(dtype).smallest_subnormal)}
    np.testing.assert_allclose(np.float64(projected), expected, **rounding)
    np.testing.assert_array_equal(project(w, 5 * size), w)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_max_norm_in_half_precision_of_squares_beyond_its_range(dtype):
    """300^2 is infinite in float16, and 1e-4^2 is 0."""
    for size in (300.0, 1e-4):
        w = jnp.full((100, 1), size, dtype)
        norm = 10 * float(w[0, 0])
        kept, halved = (max_norm([{"w": w, "b": jnp.zeros(1)}], limit)[0]["w"] for limit in (1.01 * norm, norm / 2))
        np.testing.assert_array_equal(kept, w)
        np.testing.assert_allclose(np.float64(halved), float(w[0, 0]) / 2, rtol=2 * float(jnp.finfo(dtype).eps))


def test_scaling_before_the_norm_changes_no_bits():
    w = jnp.array(RNG.normal(size=(50, 40)) * 10 ** RNG.uniform(-3, 3, 40), jnp.float32)
    norm = jnp.sqrt(jnp.sum(jnp.square(w), axis=0, keepdims=True))
    plain = jnp.where(norm > 3.0, w * (3.0 / norm), w)
    np.testing.assert_array_equal(max_norm([{"w": w, "b": jnp.zeros(40)}], 3.0)[0]["w"], plain)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_max_norm_s_gradient_at_every_size(size, x64):
    """The same as in float64, for columns above, below and at zero."""
    w = size * np.array([[3.0, 0.3, 0.0], [-4.0, 0.4, 0.0]])

    def total(w):
        return jnp.sum(
            max_norm([{"w": w, "b": jnp.zeros(3)}], size)[0]["w"] * np.arange(6).reshape(2, 3).astype(w.dtype)
        )

    exact, found = (jax.grad(total)(jnp.array(w, dtype)) for dtype in (jnp.float64, jnp.float32))
    np.testing.assert_allclose(found, exact, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_penalties_of_half_precision_are_summed_in_float32(dtype):
    for size in (1e-4, 300.0):
        params = [{"w": jnp.full((100, 100), size, dtype), "b": jnp.zeros(100)}]
        weight = float(params[0]["w"][0, 0])
        for penalty, each, slope in [(l1, weight, 1), (l2, weight**2, 2 * weight)]:
            value, gradient = jax.value_and_grad(penalty)(params)
            assert value.dtype == jnp.float32
            assert value == pytest.approx(1e4 * each, rel=1e-4)
            assert gradient[0]["w"].dtype == dtype
            np.testing.assert_allclose(np.float64(gradient[0]["w"]), slope, rtol=0.01)


@pytest.mark.parametrize("function", [l1, l2, functools.partial(max_norm, limit=0.5)])
def test_integer_weights_are_refused(function):
    name = getattr(function, "__name__", "max_norm")
    with refuses(TypeError, f"{name}: params must hold floating weights, got 'int32'"):
        function([{"w": jnp.ones((2, 2), int), "b": jnp.ones(2)}])


def test_the_gradient_of_a_column_on_an_axis():
    """A column (2, 0) is projected to limit * w / |w|, whose gradient is orthogonal to w."""

    def total(w):
        return jnp.sum(max_norm([{"w": w, "b": jnp.zeros(1)}], 1.0)[0]["w"])

    np.testing.assert_array_equal(jax.grad(total)(jnp.array([[2.0], [0.0]])), [[0], [0.5]])
