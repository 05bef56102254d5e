"""activations: values and gradients against formulas in NumPy, at zero, around it and far from it."""

import functools
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from jax.tree_util import Partial

from jaxmlp import activations
from jaxmlp.activations import activation_function, elu, leaky_relu, relu, step

# name: (formula, its derivative), both with the convention at 0 that the library promises.
FORMULAS = {
    "linear": (lambda x: x, lambda x: np.ones_like(x)),
    "step": (lambda x: np.where(x > 0, 1.0, 0.0), lambda x: np.zeros_like(x)),
    "sigmoid": (scipy.special.expit, lambda x: scipy.special.expit(x) * scipy.special.expit(-x)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "relu": (lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, 1.0, 0.0)),
    "leaky_relu": (lambda x: np.where(x >= 0, x, 0.01 * x), lambda x: np.where(x >= 0, 1.0, 0.01)),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), lambda x: np.exp(np.minimum(x, 0))),
    "gelu": (lambda x: x * scipy.stats.norm.cdf(x), lambda x: scipy.stats.norm.cdf(x) + x * scipy.stats.norm.pdf(x)),
    "silu": (
        lambda x: x * scipy.special.expit(x),
        lambda x: scipy.special.expit(x) * (1 + x * scipy.special.expit(-x)),
    ),
    "softplus": (lambda x: np.logaddexp(0, x), scipy.special.expit),
}
NAMES = list(FORMULAS)
POINTS = np.array(
    [-1e4, -100.0, -30.0, -3.0, -1.0, -0.1, -1e-3, -1e-7, 0.0, 1e-7, 1e-3, 0.1, 1.0, 3.0, 30.0, 100.0, 1e4]
)


def value_and_gradient(function, points):
    points = jnp.asarray(points)
    values, pullback = jax.vjp(function, points)
    return values, pullback(jnp.ones_like(points))[0]


@functools.cache
def values_and_gradients(dtype):
    """The points and {name: (values, gradients)}, of all activations in one compilation."""
    with jax.enable_x64(dtype == "float64"):
        points = jnp.asarray(POINTS, dtype)
        run = jax.jit(lambda points: {name: value_and_gradient(getattr(activations, name), points) for name in NAMES})
        return jax.device_get((points, run(points)))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 1e-6)])
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name, dtype, tolerance):
    points, of_name = values_and_gradients(dtype)
    for got, formula in zip(of_name[name], FORMULAS[name], strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, formula(points.astype(np.float64)), rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_kept_and_finite(name, dtype):
    points, of_name = values_and_gradients(dtype)
    for got, formula in zip(of_name[name], FORMULAS[name], strict=True):
        assert got.dtype == dtype
        assert np.isfinite(got.astype(np.float64)).all()
        expected = formula(points.astype(np.float64))
        np.testing.assert_allclose(got.astype(np.float64), expected, rtol=0.03, atol=0.02)


def test_values_by_hand():
    x = jnp.array([-2.0, 0.0, 2.0])
    values = jax.jit(lambda x: {name: getattr(activations, name)(x) for name in NAMES})(x)
    by_hand = {
        "linear": [-2.0, 0.0, 2.0],
        "step": [0.0, 0.0, 1.0],
        "sigmoid": [0.119203, 0.5, 0.880797],
        "tanh": [-0.964028, 0.0, 0.964028],
        "relu": [0.0, 0.0, 2.0],
        "leaky_relu": [-0.02, 0.0, 2.0],
        "elu": [-0.864665, 0.0, 2.0],
        "gelu": [-0.045500, 0.0, 1.954500],
        "silu": [-0.238406, 0.0, 1.761594],
        "softplus": [0.126928, 0.693147, 2.126928],
    }
    for name in NAMES:
        np.testing.assert_allclose(values[name], by_hand[name], atol=2e-6, err_msg=name)


def test_gradients_at_zero():
    points, of_name = values_and_gradients("float32")
    at_zero = {name: float(gradients[points == 0][0]) for name, (_, gradients) in of_name.items()}
    half = {"sigmoid": 0.25, "gelu": 0.5, "silu": 0.5, "softplus": 0.5}
    assert at_zero == {"linear": 1, "step": 0, "tanh": 1, "relu": 0, "leaky_relu": 1, "elu": 1, **half}


@pytest.mark.parametrize("name", NAMES)
def test_any_shape_in_the_same_shape_out(name):
    for shape in [(), (0,), (2, 3), (2, 1, 3)]:
        assert jax.eval_shape(getattr(activations, name), np.ones(shape, np.float32)).shape == shape


def test_step_keeps_an_integer_dtype():
    np.testing.assert_array_equal(step(jnp.array([-1, 0, 3])), jnp.array([0, 0, 1]))
    assert step(jnp.array([3])).dtype == jnp.int32


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.5])
def test_leaky_relu_takes_its_slope(slope):
    values, gradients = value_and_gradient(lambda x: leaky_relu(x, slope), [-2.0, 0.0, 3.0])
    np.testing.assert_allclose(values, [-2 * slope, 0, 3])
    np.testing.assert_allclose(gradients, [slope, 1, 1])


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_elu_takes_its_alpha(alpha):
    values, gradients = value_and_gradient(lambda x: elu(x, alpha), [-2.0, 0.0, 3.0])
    np.testing.assert_allclose(values, [alpha * (np.exp(-2) - 1), 0, 3], rtol=1e-6)
    np.testing.assert_allclose(gradients, [alpha * np.exp(-2), alpha, 1], rtol=1e-6)


@pytest.mark.parametrize(("function", "per_unit"), [(leaky_relu, -2.0), (elu, np.expm1(-2.0))])
def test_slope_and_alpha_are_traced_and_differentiable(function, per_unit):
    traced = jax.jit(chex.assert_max_traces(function, n=1))
    for number in (0.1, 0.7):
        assert traced(jnp.float32(-2.0), number) == pytest.approx(number * per_unit, rel=1e-6)
    assert jax.grad(function, 1)(-2.0, 0.3) == pytest.approx(per_unit, rel=1e-6)
    assert jax.grad(function, 1)(2.0, 0.3) == 0


@pytest.mark.parametrize("function", [leaky_relu, elu])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_float32_slope_or_alpha_leaves_the_dtype(function, dtype):
    assert function(jnp.ones(2, dtype), jnp.float32(0.5)).dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_by_name_and_by_function_are_equal_pytrees(name):
    by_name, by_function = activation_function(name), activation_function(getattr(activations, name))
    assert jax.tree.structure(by_name) == jax.tree.structure(by_function)
    assert jax.tree.leaves(by_name) == []
    assert isinstance(by_name, Partial) and by_name.func is getattr(activations, name)


def test_equal_activations_share_one_compilation():
    run = jax.jit(chex.assert_max_traces(lambda activation, x: activation(x), n=1))
    assert run(activation_function("relu"), 2.0) == run(activation_function(relu), 2.0) == 2


def test_a_partial_carries_its_numbers_as_leaves():
    given = Partial(leaky_relu, slope=0.2)
    assert activation_function(given) is given
    run = jax.jit(chex.assert_max_traces(lambda activation, x: activation(x), n=1))
    assert [float(run(Partial(leaky_relu, slope=slope), -1.0)) for slope in (0.25, 0.5)] == [-0.25, -0.5]


def test_any_function_is_an_activation():
    assert activation_function(jnp.sin)(jnp.float32(0.0)) == 0


NAMES_IN_WORDS = "linear, step, sigmoid, tanh, relu, leaky_relu, elu, gelu, silu, softplus"


@pytest.mark.parametrize(
    ("activation", "error", "text"),
    [
        ("swish", ValueError, f"fit: activation must be one of {NAMES_IN_WORDS}, got 'swish'"),
        (3, TypeError, "fit: activation must be a name or a function, got 3"),
        (None, TypeError, "fit: activation must be a name or a function, got None"),
    ],
)
def test_refusals(activation, error, text):
    with pytest.raises(error, match=rf"^{re.escape(text)}(\n|$)"):
        activation_function(activation, "fit")


def test_refusals_name_activation_function_by_default():
    with pytest.raises(ValueError, match=r"^activation_function: activation must be one of"):
        activation_function("")
