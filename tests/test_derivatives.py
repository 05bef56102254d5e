"""Derivatives through runs: forward mode works, reverse mode is refused in words, and works through steps."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import Batch, Data
from jaxmlp.derivatives import forward_only

KEY = jax.random.key(1)
INPUTS = jnp.linspace(-1.0, 1.0, 8)[:, None]
DATA = Data(*[Batch(INPUTS, jnp.sin(3.0 * INPUTS))] * 3)
TEXT = (
    "fit: the derivative must be taken in forward mode, by jax.jvp or jax.jacfwd, as the number of epochs is not known "
    "before the run ends, got 'reverse mode'"
)


def learner(rate, optimizer=jaxmlp.adam):
    return jaxmlp.regressor((1, 3, 1), activation="tanh", optimizer=optimizer(rate))


def final_loss(rate):
    result = jaxmlp.fit(KEY, learner(rate), DATA, epochs=3, batch_size=4, patience=3)
    return result.history["validation_loss"][-1]


def test_forward_mode_through_a_run_agrees_with_differences():
    h, rates = 1e-2, jnp.array([0.03, 0.1])
    slopes = jax.vmap(jax.jacfwd(final_loss))(rates)
    differences = [(final_loss(rate + h) - final_loss(rate - h)) / (2 * h) for rate in rates]
    np.testing.assert_allclose(slopes, differences, rtol=1e-2)
    assert abs(slopes[0] - slopes[1]) > 0.1


@pytest.mark.parametrize(
    "derivative", [jax.grad, jax.jacrev, lambda f: jax.jit(jax.grad(f)), lambda f: jax.vjp(f, 0.1)[1]]
)
def test_reverse_mode_through_a_run_is_refused(derivative):
    with pytest.raises(ValueError, match=re.escape(TEXT)):
        derivative(final_loss)(jnp.float32(0.1))


def test_what_is_behind_a_run_may_be_differentiated_in_reverse():
    params = jaxmlp.fit(KEY, learner(0.1), DATA, epochs=1).params
    slope = jax.grad(lambda x: jaxmlp.apply(params, x).sum())(INPUTS)
    assert np.isfinite(slope).all()


def three_steps(rate, params):
    one = learner(rate, jaxmlp.momentum)
    step = jaxmlp.make_train_step(one.loss, one.optimizer)
    state = jaxmlp.init_state(params, one.optimizer, KEY)
    for _ in range(3):
        state, metrics = step(state, DATA.train)
    return metrics["loss"]


def test_reverse_mode_through_steps_agrees_with_forward_mode():
    params, rate = learner(0.1).init(KEY), jnp.float32(0.1)
    slope = jax.jacfwd(three_steps)(rate, params)
    assert abs(slope) > 0.1
    np.testing.assert_allclose(jax.grad(three_steps)(rate, params), slope, rtol=1e-4)
    np.testing.assert_allclose(jax.jit(jax.grad(three_steps))(rate, params), slope, rtol=1e-4)
    slopes = jax.jit(jax.jacfwd(three_steps, argnums=1))(rate, params)
    by_reverse = jax.jit(jax.grad(three_steps, argnums=1))(rate, params)
    assert jnp.linalg.norm(slopes[0]["w"]) > 0.1
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6), by_reverse, slopes)


def test_the_mark_changes_neither_values_nor_integers_nor_the_program():
    tree = {"x": jnp.arange(3.0), "n": jnp.arange(3)}
    again = forward_only("f", tree)
    jax.tree.map(np.testing.assert_array_equal, again, tree)
    assert again["n"] is tree["n"]
    with pytest.raises(ValueError, match="f: the derivative must be taken in forward mode"):
        jax.grad(lambda x: forward_only("f", {"x": x})["x"])(1.0)
    text = jax.jit(lambda x: forward_only("f", x)).lower(1.0).as_text()
    assert text == jax.jit(lambda x: x).lower(1.0).as_text()
