"""Derivatives through the updates of every optimizer: finite everywhere, and right in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp.optimizers.base import root
from tests.optimizers.test_dtypes import EACH, OPTIMIZERS

GENERIC = {"w": jnp.array([0.5, -1.2, 0.7]), "b": jnp.array(0.3)}
ZERO = jax.tree.map(jnp.zeros_like, GENERIC)
GRADS = {"w": jnp.array([0.4, -0.9, 0.2]), "b": jnp.array(-0.6)}
POINTS = {"generic": (GRADS, GENERIC), "zero gradients": (ZERO, GENERIC), "all zero": (ZERO, ZERO)}


def after(name, rate, grads, params):
    """A number that depends on the parameters after three steps."""
    optimizer = OPTIMIZERS[name](rate)
    state = optimizer.init(params)
    for scale in (1.0, 0.6, 1.3):
        updates, state = optimizer.update(jax.tree.map(lambda g, scale=scale: scale * g, grads), state, params)
        params = jaxmlp.apply_updates(params, updates)
    return sum(jnp.sum(jnp.sin(leaf) + leaf) for leaf in jax.tree.leaves(params))


@EACH
def test_derivatives_are_finite(name):
    slopes = jax.vmap(jax.grad(functools.partial(after, name), argnums=(0, 1, 2)), in_axes=(None, 0, 0))
    points = jax.tree.map(lambda *leaves: jnp.stack(leaves), *POINTS.values())
    for leaf in jax.tree.leaves(slopes(jnp.float32(0.1), *points)):
        finite = [bool(np.isfinite(at).all()) for at in leaf]
        assert dict(zip(POINTS, finite, strict=True)) == dict.fromkeys(POINTS, True)


@pytest.mark.usefixtures("x64")
@EACH
def test_derivatives_are_the_limits_of_differences(name):
    point = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (jnp.float32(0.1), *POINTS["generic"]))
    leaves, structure = jax.tree.flatten(point)
    flat, sizes = jnp.concatenate([leaf.ravel() for leaf in leaves]), [leaf.size for leaf in leaves]

    def value(flat):
        parts = jnp.split(flat, np.cumsum(sizes)[:-1].tolist())
        return after(name, *structure.unflatten([p.reshape(leaf.shape) for p, leaf in zip(parts, leaves, strict=True)]))

    width = 1e-6
    moved = jax.vmap(jax.jit(value))
    steps = width * jnp.eye(flat.size)
    slopes = (moved(flat[None] + steps) - moved(flat[None] - steps)) / (2 * width)
    # Centered, the first step divides by the root of a variance of 0, up to rounding, and eps: no difference resolves it.
    rtol = 2e-2 if name == "rmsprop with everything" else 1e-6
    np.testing.assert_allclose(jax.grad(value)(flat), slopes, rtol=rtol, atol=1e-7)


@pytest.mark.parametrize("eps_in_sqrt", [True, False])
def test_a_variance_of_zero_has_finite_derivatives(eps_in_sqrt):
    optimizer = jaxmlp.rmsprop(0.1, eps=1e-3, eps_in_sqrt=eps_in_sqrt, centered=True, bias_correction=True)
    slope = jax.grad(lambda g: optimizer.update(g, optimizer.init(g))[0])(jnp.float32(0.0))
    np.testing.assert_allclose(slope, -0.1 / (1e-3**0.5 if eps_in_sqrt else 1e-3), rtol=1e-3)


def test_radam_has_derivatives_by_b2(x64):
    """b2 = 0.6 makes rho_inf 4 and the denominator of r 0; r itself is not used."""
    for b2 in (0.0, 0.6, 0.9995):

        def step(b2):
            optimizer = jaxmlp.radam(0.1, b2=b2)
            return optimizer.update(jnp.float32(1.0), optimizer.init(jnp.float32(1.0)))[0]

        assert float(jax.grad(step)(b2)) == 0.0


def test_the_root_has_slope_zero_at_zero_and_keeps_nan():
    assert [float(jax.grad(root)(x)) for x in (0.0, 0.25)] == [0.0, 1.0]
    assert float(jax.grad(jax.grad(root))(0.25)) == -2.0
    assert np.isnan(root(jnp.nan)) and np.isnan(root(-1.0)) and float(root(9.0)) == 3.0


def test_clipping_has_the_derivative_of_its_branch():
    def clipped(g):
        return jaxmlp.clip_by_global_norm(1.0).update(g, ())[0]

    np.testing.assert_array_equal(jax.jacobian(clipped)(jnp.zeros(2)), np.eye(2))
    np.testing.assert_array_equal(jax.jacobian(clipped)(jnp.array([0.3, 0.4])), np.eye(2))
    g = np.array([3.0, 4.0])
    expected = np.eye(2) / 5 - np.outer(g, g) / 125
    np.testing.assert_allclose(jax.jacobian(clipped)(jnp.asarray(g, jnp.float32)), expected, rtol=1e-5, atol=1e-7)
