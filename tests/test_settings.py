"""JAX settings: a step, a run and a population work under each, and give what they give without it."""

import contextlib
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

import jaxmlp
from jaxmlp import Batch, Data


def data():
    inputs = np.random.default_rng(0).normal(size=(24, 2)).astype(np.float32)
    batch = Batch(jnp.asarray(inputs), jnp.asarray((inputs[:, 0] > 0).astype(np.int32)))
    return Data(batch, batch, batch)


DATA = data()


def threefry_key():
    return jax.random.key(3, impl="threefry2x32")


def recipe(learning_rate, dropout_rate=None):
    optimizer = jaxmlp.chain(jaxmlp.clip_by_global_norm(1.0), jaxmlp.adam(learning_rate))
    return jaxmlp.classifier((2, 4, 2), optimizer=optimizer, dropout_rate=dropout_rate)


LEARNER = recipe(0.1)
PARAMS = LEARNER.init(threefry_key())


def two_steps(key):
    state = jaxmlp.init_state(PARAMS, LEARNER.optimizer, key)
    step = jaxmlp.make_train_step(LEARNER.loss, LEARNER.optimizer)
    for _ in range(2):
        state, metrics = step(state, DATA.train)
    return state.params, metrics


def a_run(key):
    result = jaxmlp.fit(key, LEARNER, DATA, epochs=2, batch_size=12, patience=2)
    return result.params, result.history


def a_population(key):
    study = jaxmlp.train_many(
        recipe, DATA, seeds=2, epochs=2, batch_size=12, patience=2, learning_rate=[0.1, 0.01], progress=False
    )
    return [study.params(i) for i in range(4)], study.history("validation_loss").to_numpy()


CALLS = {"make_train_step": two_steps, "fit": a_run, "train_many": a_population}


@functools.cache
def plainly(call):
    return jax.device_get(CALLS[call](threefry_key()))


@contextlib.contextmanager
def in_a_mesh():
    with jax.set_mesh(jax.make_mesh((1,), ("devices",))):
        yield


SETTINGS = {
    "debug_nans": lambda: jax.debug_nans(True),
    "disable_jit": lambda: jax.disable_jit(True),
    "transfer guard": lambda: jax.transfer_guard("disallow"),
    "rbg": lambda: jax.default_prng_impl("rbg"),
    "strict promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "standard promotion": lambda: jax.numpy_dtype_promotion("standard"),
    "x64": lambda: jax.enable_x64(True),
    "set_mesh": in_a_mesh,
    "key reuse": lambda: jax.debug_key_reuse(True),
}
# Not here yet: a population under debug_nans, a transfer guard, a mesh, and without jit; a run under a guard.
WORKS = {
    "make_train_step": list(SETTINGS),
    "fit": [setting for setting in SETTINGS if setting != "transfer guard"],
    "train_many": ["rbg", "strict promotion", "standard promotion", "x64", "key reuse"],
}


@pytest.mark.slow
@pytest.mark.parametrize(("call", "setting"), [(call, setting) for call, works in WORKS.items() for setting in works])
def test_a_setting_changes_nothing(call, setting):
    expected, key = plainly(call), threefry_key()
    with SETTINGS[setting]():
        actual = CALLS[call](key)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=1e-5), jax.device_get(actual), expected)


def test_keys_of_rbg_are_refused():
    with jax.default_prng_impl("rbg"):
        rule = "key must be a threefry key (rbg repeats its first key under vmap), got 'key<rbg>'"
        with pytest.raises(ValueError, match=re.escape(f"init_state: {rule}")):
            jaxmlp.init_state(PARAMS, LEARNER.optimizer, jax.random.key(0))
        with pytest.raises(ValueError, match=re.escape(f"fit: {rule}")):
            jaxmlp.fit(jax.random.key(0), LEARNER, DATA, epochs=1)


@pytest.mark.parametrize("call", ["make_train_step", "fit"])
def test_a_device_of_a_shard_map_trains_alone(call):
    mesh = jax.make_mesh((2,), ("devices",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("devices")

    def on_a_device(keys):
        return jax.tree.map(lambda leaf: leaf[None], CALLS[call](keys[0]))

    keys = jnp.stack([threefry_key(), threefry_key()])
    both = jax.shard_map(on_a_device, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)(keys)
    for device in range(2):
        one = jax.tree.map(lambda leaf, device=device: np.asarray(leaf)[device], both)
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=1e-5), one, plainly(call))


def test_a_step_of_replicated_arguments_in_a_shard_map():
    mesh = jax.make_mesh((2,), ("devices",))
    state = jaxmlp.init_state(PARAMS, LEARNER.optimizer, threefry_key())
    step = jaxmlp.make_train_step(LEARNER.loss, LEARNER.optimizer)
    sharded = jax.shard_map(step, mesh=mesh, in_specs=PartitionSpec(), out_specs=PartitionSpec())
    for _ in range(2):
        state, _ = sharded(state, DATA.train)
    expected, _ = plainly("make_train_step")
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=1e-5), state.params, expected)


def test_steps_train_integers_and_errors_of_fit_name_fit():
    def init(key):
        return {"w": jnp.ones(2), "n": jnp.int32(7)}

    def loss(params, batch, key):
        return jnp.sum(jnp.square(params["w"]))

    learner = jaxmlp.Learner(init, loss, lambda params, batch: {"loss": loss(params, batch, None)}, jaxmlp.gd(0.25))
    result = jaxmlp.fit(threefry_key(), learner, DATA, epochs=2, batch_size=24)
    assert int(result.params["n"]) == 7 and result.params["w"].tolist() == [0.25, 0.25]
    with pytest.raises(TypeError, match=re.escape("fit: loss_fn must return an array computed from params, got 0.5")):
        jaxmlp.fit(threefry_key(), learner._replace(loss=lambda *_: 0.5), DATA, epochs=1)
    with pytest.raises(TypeError, match=re.escape("fit: params['f'] must be an array")):
        jaxmlp.fit(threefry_key(), learner._replace(init=lambda key: init(key) | {"f": jnp.tanh}), DATA, epochs=1)
