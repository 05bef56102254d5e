"""Prodigy: the paper's recurrence with parameters that move, its estimate, and what optax leaves undefined."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import jaxmlp
from tests.optimizers.test_optimizers import assert_close, gradients_of, nested, trajectory


def by_hand(safeguard_warmup, steps=4, eta=0.7, b1=0.7, b2=0.8, b3=0.6, eps=0.02, d0=0.1, c=6.0, decay=0.3):
    """d and two weights, with Python's numbers; the gradients are 2 w and w + 1."""
    w = np.array([1.5, -0.5])
    start, m, v, s, r, d = w, np.zeros(2), np.zeros(2), np.zeros(2), 0.0, d0
    for t in range(1, steps + 1):
        g = np.array([2 * w[0], w[1] + 1])
        h = eta * d * (1 - b2**t) ** 0.5 / (1 - b1**t)
        m = b1 * m + (1 - b1) * d * g
        v = b2 * v + (1 - b2) * (d * g) ** 2
        r = b3 * r + d / d0 * h * g @ (start - w)
        s = b3 * s + d / d0 * (d if safeguard_warmup else h) * g
        d = max(d, c * r / np.abs(s).sum())
        w = w - h * (m / (v**0.5 + d * eps) + decay * w)
        yield [d, *w]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("safeguard_warmup", [False, True])
def test_steps_by_hand(safeguard_warmup):
    optimizer = jaxmlp.prodigy(0.7, (0.7, 0.8), 0.6, 0.02, 0.1, 6.0, 0.3, safeguard_warmup)
    params = {"a": jnp.float64(1.5), "b": [jnp.array([-0.5])]}
    state, found = optimizer.init(params), []
    for _ in range(4):
        grads = {"a": 2 * params["a"], "b": [params["b"][0] + 1]}
        updates, state = optimizer.update(grads, state, params)
        params = jaxmlp.apply_updates(params, updates)
        found.append([float(state.estim_lr), float(params["a"]), float(params["b"][0][0])])
    expected = list(by_hand(safeguard_warmup))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert expected[0][0] < expected[1][0] < expected[3][0]  # the estimate grows


@pytest.mark.usefixtures("x64")
def test_the_estimate_is_optaxs():
    own, reference = jaxmlp.prodigy(), optax.contrib.prodigy()
    params = nested()
    state, expected = own.init(params), reference.init(params)
    with jax.numpy_dtype_promotion("standard"):
        update, reference_update = jax.jit(own.update), jax.jit(reference.update)
        for _ in range(60):
            grads = gradients_of(params)
            _, expected = reference_update(grads, expected, params)
            updates, state = update(grads, state, params)
            params = jaxmlp.apply_updates(params, updates)
    np.testing.assert_allclose(state.estim_lr, expected.estim_lr, rtol=1e-10)
    assert float(state.estim_lr) > 1e-2  # ten thousand times the first one


@pytest.mark.usefixtures("x64")
def test_a_schedule_with_moving_parameters_is_optaxs():
    fading = jaxmlp.exponential_decay(1.0, 1, 0.98)
    own = trajectory(jaxmlp.prodigy(fading, estim_lr0=0.01), nested(), 30)
    with jax.numpy_dtype_promotion("standard"):
        assert_close(own, trajectory(optax.contrib.prodigy(fading, estim_lr0=0.01), nested(), 30), rtol=1e-11)


def test_while_all_gradients_are_zero_the_estimate_stays():
    """Where optax divides 0 by 0."""
    params = {"w": jnp.array([0.5, -1.2])}
    optimizer = jaxmlp.prodigy(estim_lr0=0.25)
    state = optimizer.init(params)
    for grads in ({"w": jnp.zeros(2)}, {"w": jnp.zeros(2)}, params):
        updates, state = optimizer.update(grads, state, params)
        assert float(state.estim_lr) == 0.25
    assert bool(jnp.all(updates["w"] * params["w"] < 0))


def test_a_rotated_complex_gradient_rotates_the_steps():
    turn, optimizer = 0.6 + 0.8j, jaxmlp.prodigy(estim_lr0=0.01)

    def after(params, steps=20):
        state = optimizer.init(params)
        for _ in range(steps):
            updates, state = optimizer.update(params, state, params)
            params = params + updates
        return np.asarray(params), float(state.estim_lr)

    start = np.array([2.0, 0.5])
    (real, distance), (rotated, same) = (
        after(jnp.asarray(at, dtype)) for at, dtype in ((start, jnp.float32), (start * turn, jnp.complex64))
    )
    np.testing.assert_allclose(rotated, real * turn, rtol=1e-4, atol=1e-5)
    assert same == pytest.approx(distance, rel=1e-4)
    assert distance > 0.05


def test_float16_keeps_what_d_makes_small():
    """1e-6 times a gradient of 1e-2 is below float16."""
    params = jnp.array([1.0], jnp.float16)
    optimizer = jaxmlp.prodigy()
    state = optimizer.init(params)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(state)} == {"float32", "int32"}
    _, state = optimizer.update(jnp.array([1e-2], jnp.float16), state, params)
    np.testing.assert_allclose(state.mu, [1e-9], rtol=1e-3)
    np.testing.assert_allclose(state.nu, [1e-19], rtol=2e-3)


@pytest.mark.parametrize("betas", [0.9, (0.9,), (0.9, 0.99, 0.999), "ab"])
def test_anything_else_than_two_betas_is_refused(betas):
    with pytest.raises((ValueError, TypeError), match=r"prodigy: betas(\[0\])? must be (two numbers|a number)"):
        jaxmlp.prodigy(betas=betas)


def test_a_beta_out_of_range_is_refused():
    with pytest.raises(ValueError, match=re.escape("prodigy: betas[1] must be at least 0 and below 1, got 1.0")):
        jaxmlp.prodigy(betas=(0.9, 1.0))


def test_missing_params_are_refused():
    optimizer = jaxmlp.prodigy()
    with pytest.raises(ValueError, match=re.escape("prodigy.update: params must be given, as distances need them")):
        optimizer.update(nested(), optimizer.init(nested()))
