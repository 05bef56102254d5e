"""JAX settings: the public API works under each, and gives what it gives without it."""

import contextlib
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxmlp
from jaxmlp import Batch, Data, statistics


def data():
    inputs = np.random.default_rng(0).normal(size=(24, 2)).astype(np.float32)
    batch = Batch(jnp.asarray(inputs), jnp.asarray((inputs[:, 0] > 0).astype(np.int32)))
    return Data(batch, batch, batch)


DATA = data()
EPOCHS = 5


def threefry_key():
    return jax.random.key(3, impl="threefry2x32")


def recipe(learning_rate, dropout_rate=None):
    optimizer = jaxmlp.chain(jaxmlp.clip_by_global_norm(1.0), jaxmlp.adam(learning_rate))
    return jaxmlp.classifier((2, 4, 2), optimizer=optimizer, dropout_rate=dropout_rate)


LEARNER = recipe(0.1)
PARAMS = LEARNER.init(threefry_key())


def two_steps(key, data):
    state = jaxmlp.init_state(PARAMS, LEARNER.optimizer, key)
    step = jaxmlp.make_train_step(LEARNER.loss, LEARNER.optimizer)
    for _ in range(2):
        state, metrics = step(state, data.train)
    return state.params, metrics


def a_run(key, data):
    result = jaxmlp.fit(key, LEARNER, data, epochs=EPOCHS, batch_size=12, patience=1, min_delta=10)
    return result.params, result.history


def the_study(data, **options):
    settings = {"seeds": 2, "epochs": EPOCHS, "batch_size": 12, "patience": 1, "min_delta": 10, "progress": False}
    return jaxmlp.train_many(recipe, data, learning_rate=[0.1, 0.01], **settings, **options)


def a_population(key, data):
    study = the_study(data)
    return [study.params(i) for i in range(4)], study.history("validation_loss").to_numpy()


HEAVY = {"make_train_step": two_steps, "fit": a_run, "train_many": a_population}
LIGHT = {
    "init": lambda key, data: jaxmlp.init(key, (2, 3, 1)),
    "apply": lambda key, data: jaxmlp.apply(PARAMS, data.train.inputs, dropout_rate=0.25, key=key),
    "dropout": lambda key, data: jaxmlp.dropout(key, data.train.inputs, 0.25),
    "dropout_mask": lambda key, data: jaxmlp.dropout_mask(key, 0.25, (3, 4)),
    "epoch_order": lambda key, data: jaxmlp.epoch_order(key, 10),
    "evaluate": lambda key, data: jax.jit(LEARNER.evaluate)(PARAMS, data.test),
    "load": lambda key, data: jaxmlp.load("moons").train,
    "statistics": lambda key, data: list(statistics.mean([0.1, 0.3, 0.2])),
}
CALLS = HEAVY | LIGHT


@functools.cache
def plainly(call):
    return jax.device_get(CALLS[call](threefry_key(), DATA))


@contextlib.contextmanager
def option(name, value):
    before = jax.config.values[name]
    jax.config.update(name, value)
    yield
    jax.config.update(name, before)


def mesh(devices, kind=AxisType.Explicit):
    return jax.make_mesh((devices,), ("devices",), axis_types=(kind,))


SETTINGS = {
    "debug_nans": lambda: jax.debug_nans(True),
    "debug_infs": lambda: jax.debug_infs(True),
    "disable_jit": lambda: jax.disable_jit(True),
    "transfer guard": lambda: jax.transfer_guard("disallow"),
    "default device": lambda: jax.default_device(jax.devices()[1]),
    "rbg": lambda: jax.default_prng_impl("rbg"),
    "not partitionable": lambda: jax.threefry_partitionable(False),
    "custom prng": lambda: jax.enable_custom_prng(True),
    "key reuse": lambda: jax.debug_key_reuse(True),
    "strict promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "standard promotion": lambda: jax.numpy_dtype_promotion("standard"),
    "rank promotion raises": lambda: jax.numpy_rank_promotion("raise"),
    "rank promotion warns": lambda: jax.numpy_rank_promotion("warn"),
    "matmul precision": lambda: jax.default_matmul_precision("float32"),
    "x64": lambda: jax.enable_x64(True),
    "tracer leaks": lambda: jax.checking_leaks(),
    "log_compiles": lambda: jax.log_compiles(),
    "enable_checks": lambda: option("jax_enable_checks", True),
    "few optimizations": lambda: option("jax_disable_most_optimizations", True),
    "a mesh of one": lambda: jax.set_mesh(mesh(1)),
    "a mesh of three": lambda: jax.set_mesh(mesh(3)),
    "a mesh of automatic axes": lambda: jax.set_mesh(mesh(3, AxisType.Auto)),
}


def check(call, setting, actual):
    expected = plainly(call)
    # JAX draws other numbers then, and jaxmlp draws the same as JAX.
    draws_others = setting == "not partitionable" or (setting == "x64" and call in ("apply", "dropout", "dropout_mask"))
    if draws_others:
        jax.tree.map(lambda found, like: np.testing.assert_equal(np.shape(found), np.shape(like)), actual, expected)
        return
    close = functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=1e-5)
    jax.tree.map(close, jax.device_get(actual), expected)


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("call", HEAVY)
def test_a_setting_changes_no_training(call, setting):
    plainly(call)
    key = threefry_key()
    with SETTINGS[setting]():
        actual = CALLS[call](key, DATA)
    check(call, setting, actual)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_changes_no_function(setting):
    for call in LIGHT:
        plainly(call)
        key = threefry_key()
        with SETTINGS[setting]():
            actual = CALLS[call](key, DATA)
        check(call, setting, actual)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["debug_nans", "disable_jit", "transfer guard", "a mesh of three"])
def test_a_setting_changes_no_study_on_disk(setting, tmp_path):
    """Half of the trials were run before, in a directory; the study is finished and read under the setting."""
    expected = plainly("train_many")
    the_study(DATA, directory=tmp_path, shard=(0, 2))
    with SETTINGS[setting]():
        study = the_study(DATA, directory=tmp_path)
        mean = study.ensemble(jaxmlp.apply, DATA.test.inputs)
        study.save(tmp_path / "copy")
        loaded = jaxmlp.load_study(tmp_path / "copy", like=PARAMS)
        found = [loaded.params(i) for i in range(4)]
    jax.tree.map(np.testing.assert_array_equal, found, expected[0])
    outputs = [jaxmlp.apply(one, DATA.test.inputs) for one in expected[0]]
    np.testing.assert_allclose(mean, np.mean(outputs, axis=0), rtol=1e-5)


PLACES = {
    "sharded over three devices": lambda: NamedSharding(mesh(3, AxisType.Auto), PartitionSpec("devices")),
    "explicitly sharded": lambda: NamedSharding(mesh(3), PartitionSpec("devices")),
    "explicitly replicated": lambda: NamedSharding(mesh(3), PartitionSpec()),
    "on the second device": lambda: jax.devices()[1],
}


@pytest.mark.slow
@pytest.mark.parametrize("call", HEAVY)
@pytest.mark.parametrize("place", PLACES)
def test_data_may_be_anywhere(call, place):
    check(call, place, CALLS[call](threefry_key(), jax.device_put(DATA, PLACES[place]())))


@pytest.mark.slow
@pytest.mark.parametrize("call", HEAVY)
def test_explicitly_sharded_data_in_their_mesh(call):
    with jax.set_mesh(mesh(3)):
        placed = jax.device_put(DATA, PartitionSpec("devices"))
        actual = CALLS[call](threefry_key(), placed)
    check(call, "explicit", actual)


@pytest.mark.slow
def test_runs_report_nan_themselves_under_debug_nans():
    def loss(params, batch, key):
        return jnp.sum(params["w"]) * jnp.where(batch.targets[0] >= 0, jnp.nan, 1.0)

    learner = jaxmlp.Learner(lambda key: {"w": jnp.ones(2)}, loss, lambda *_: {"loss": jnp.float32(1)}, jaxmlp.gd(0.1))
    waiting = np.isnan(plainly("fit")[1]["train_loss"])  # epochs that never came are NaN, also in the tests above
    assert waiting.tolist() == [False, False, True, True, True]
    with jax.debug_nans(True):
        assert jaxmlp.fit(threefry_key(), learner, DATA, epochs=2).reason == (
            "diverged: the loss became non-finite at step 0"
        )
        study = jaxmlp.train_many(lambda rate: learner, DATA, seeds=1, epochs=2, rate=[0.1], progress=False)
        assert study.table()["status"].tolist() == ["diverged"]
        state = jaxmlp.init_state({"w": jnp.ones(2)}, learner.optimizer, threefry_key())
        with pytest.raises(FloatingPointError, match="nan"):
            jaxmlp.make_train_step(loss, learner.optimizer)(state, DATA.train)


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
        return jax.tree.map(lambda leaf: leaf[None], CALLS[call](keys[0], DATA))

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
