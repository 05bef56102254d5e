"""The same pairs elsewhere: ours inside optax, flax and equinox; optax's inside ours."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxmlp
from jaxmlp.data import Batch, Data

PARAMS = {"w": jnp.array([0.5, -1.2, 1.4]), "b": jnp.array(0.3)}
NAMES = {"w": "kernel", "b": "bias"}


def gradients_of(params):
    return jax.tree.map(lambda x: x**3 - x + 0.3, params)


def run(optimizer, steps=5, gradients_of=gradients_of):
    """The parameters after some steps, with the usual promotion: optax's own needs it."""
    with jax.numpy_dtype_promotion("standard"):

        @jax.jit
        def step(params, state):
            updates, state = optimizer.update(gradients_of(params), state, params)
            return optax.apply_updates(params, updates), state

        params, state = PARAMS, optimizer.init(PARAMS)
        for _ in range(steps):
            params, state = step(params, state)
        return params


def assert_close(actual, expected, rtol=5e-5):  # 1 - 0.999 in float32
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=1e-6), actual, expected)


def broken_once(params):
    """Gradients that are no number where the bias is still at its start."""
    grads = gradients_of(params)
    return grads | {"b": jnp.where(params["w"][0] == PARAMS["w"][0], jnp.nan, grads["b"])}


# Each holds an Adam (and a momentum): once ours, once optax's.
INSIDE_OPTAX = {
    "chain": lambda lib: optax.chain(optax.clip(0.2), lib.adam(0.1)),
    "chain of schedule": lambda lib: optax.chain(
        lib.adam(1.0), optax.scale_by_schedule(lambda count: 0.1 / (1 + count))
    ),
    "inject_hyperparams": lambda lib: optax.inject_hyperparams(lib.adam)(0.1, b1=0.8, eps=1e-3),
    "inject_hyperparams of a schedule": lambda lib: optax.inject_hyperparams(lib.sgd)(
        optax.linear_schedule(0.1, 0.0, 4), momentum=0.8
    ),
    "MultiSteps": lambda lib: optax.MultiSteps(lib.adam(0.1), 2),
    "masked": lambda lib: optax.masked(lib.adam(0.1), {"w": True, "b": False}),
    "partition": lambda lib: optax.partition({"kernel": lib.adamw(0.1), "bias": lib.sgd(0.1, 0.9)}, NAMES),
    "apply_if_finite": lambda lib: optax.apply_if_finite(lib.adam(0.1), 2),
}


@pytest.mark.parametrize("wrapper", list(INSIDE_OPTAX))
def test_ours_inside_optax(wrapper):
    make = INSIDE_OPTAX[wrapper]
    assert_close(run(make(jaxmlp)), run(make(optax)))


def test_ours_inside_apply_if_finite_skips_what_is_no_number():
    adam: Any = jaxmlp.adam(0.1)  # not of optax's own class, says its type
    optimizer = optax.apply_if_finite(adam, 5)
    assert_close(run(optimizer, 2, broken_once), PARAMS)
    assert_close(run(optimizer, 3), run(optax.adam(0.1), 3))


def test_optaxs_apply_updates_is_ours():
    updates = jax.tree.map(lambda p: -0.1 * p, PARAMS)
    assert_close(jaxmlp.apply_updates(PARAMS, updates), optax.apply_updates(PARAMS, updates), rtol=0)


def test_map_params_finds_our_moments():
    optimizer: Any = jaxmlp.amsgrad(0.1)
    state: Any = optax.tree.map_params(optimizer, lambda moment: moment + 1.0, optimizer.init(PARAMS))
    ones = jax.tree.map(jnp.ones_like, PARAMS)
    assert_close((state.mu, state.nu, state.nu_max), (ones, ones, ones))
    assert state.count == 0


@pytest.mark.usefixtures("standard_promotion")
def test_ours_in_a_flax_optimizer():
    def after_steps(optimizer):
        model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
        flax_optimizer = nnx.Optimizer(model, optimizer, wrt=nnx.Param)

        @nnx.jit
        def step(model, flax_optimizer):
            grads = nnx.grad(lambda model: jnp.mean(jnp.square(model(jnp.ones((4, 3))) - 1.0)))(model)
            flax_optimizer.update(model, grads)

        for _ in range(3):
            step(model, flax_optimizer)
        return nnx.to_pure_dict(nnx.state(model, nnx.Param))

    assert_close(after_steps(jaxmlp.adamw(0.1)), after_steps(optax.adamw(0.1)))


@pytest.mark.usefixtures("standard_promotion")
def test_ours_in_an_equinox_loop():
    def after_steps(optimizer):
        model = eqx.nn.MLP(3, 1, 4, 1, key=jax.random.key(0))
        state = optimizer.init(eqx.filter(model, eqx.is_array))

        @eqx.filter_jit
        def step(model, state):
            grads = eqx.filter_grad(lambda model: jnp.sum(jnp.square(model(jnp.ones(3)) - 1.0)))(model)
            updates, state = optimizer.update(grads, state, eqx.filter(model, eqx.is_array))
            return eqx.apply_updates(model, updates), state

        for _ in range(3):
            model, state = step(model, state)
        return jax.tree.leaves(eqx.filter(model, eqx.is_array))

    assert_close(after_steps(jaxmlp.adamw(0.1)), after_steps(optax.adamw(0.1)))


def loss_fn(params, batch, key):
    return sum(jnp.sum(0.25 * x**4 - 0.5 * x**2 + 0.3 * x) for x in jax.tree.leaves(params))


def after_train_steps(optimizer, steps=5):
    with jax.numpy_dtype_promotion("standard"):
        train_step = jaxmlp.make_train_step(loss_fn, optimizer)
        state = jaxmlp.init_state(PARAMS, optimizer, jax.random.key(0))
        for _ in range(steps):
            state, _ = train_step(state, jnp.zeros(()))
        return state.params


MASK = {"w": True, "b": False}


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        (jaxmlp.adamw(0.1, mask=MASK), optax.adamw(0.1, mask=MASK)),
        (jaxmlp.gd(jaxmlp.exponential_decay(0.1, 2, 0.5)), optax.sgd(optax.exponential_decay(0.1, 2, 0.5))),
        (jaxmlp.gd(optax.exponential_decay(0.1, 2, 0.5)), optax.sgd(jaxmlp.exponential_decay(0.1, 2, 0.5))),
    ],
    ids=["adamw", "schedule", "swapped schedule"],
)
def test_optaxs_in_the_train_step(own, theirs):
    expected = run(theirs)
    assert_close(after_train_steps(own), expected)
    assert_close(after_train_steps(theirs), expected)


def test_optaxs_in_our_chain_and_projection():
    expected = run(optax.chain(optax.clip(0.2), optax.adam(0.1)))
    assert_close(run(jaxmlp.chain(optax.clip(0.2), jaxmlp.adam(0.1))), expected)
    assert_close(run(jaxmlp.chain(jaxmlp.clip(0.2), optax.adam(0.1))), expected)
    assert_close(run(jaxmlp.projected(optax.chain(optax.clip(0.2), optax.adam(0.1)), lambda params: params)), expected)


@pytest.mark.usefixtures("standard_promotion")
def test_optaxs_in_a_classifier():
    inputs = jax.random.normal(jax.random.key(0), (32, 2))
    batch = Batch(inputs, (inputs[:, 0] > 0).astype(jnp.int32))
    learner = jaxmlp.classifier((2, 2), optimizer=optax.chain(optax.clip(1.0), optax.adam(0.1)))
    result = jaxmlp.fit(jax.random.key(1), learner, Data(batch, batch, batch), batch_size=16, epochs=4)
    losses = result.history["validation_loss"]
    assert np.all(np.diff(losses) < 0)
