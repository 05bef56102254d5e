"""All of optax's optimizers, tried: each trains through our step as it does through a loop written by hand."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import jaxmlp
from jaxmlp import Batch, Data

INPUTS = np.random.default_rng(5).normal(size=(32, 2)).astype(np.float32)
BATCH = Batch(jnp.asarray(INPUTS), jnp.asarray((INPUTS.prod(1) > 0).astype(np.int32)))
SIZES = (2, 3, 2)

# Optimizers that take more than a learning rate, or something else in its place.
OTHERS = {
    "lbfgs": lambda: optax.lbfgs(),
    "polyak_sgd": lambda: optax.polyak_sgd(),
    "MultiSteps": lambda: optax.MultiSteps(optax.adam(0.1), 2),
    "apply_if_finite": lambda: optax.apply_if_finite(optax.adam(0.1), 2),
    "linesearch": lambda: optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(5)),
    "contrib.mechanize": lambda: optax.contrib.mechanize(optax.sgd(0.1)),
    "contrib.momo": lambda: optax.contrib.momo(0.1),
    "contrib.reduce_on_plateau": lambda: optax.chain(optax.sgd(0.1), optax.contrib.reduce_on_plateau(patience=1)),
    "contrib.sam": lambda: optax.contrib.sam(optax.sgd(0.1), optax.chain(optax.contrib.normalize(), optax.sgd(0.05))),
    "contrib.schedule_free": lambda: optax.contrib.schedule_free(optax.sgd(0.1), 0.1),
}


def with_a_rate(module):
    """The optimizers of a module: functions that take a learning rate and nothing else that must be given."""
    found = {}
    for name in sorted(vars(module)):
        function = getattr(module, name)
        if name.startswith("_") or inspect.isclass(function) or not inspect.isfunction(function):
            continue
        parameters = inspect.signature(function).parameters
        makes = "GradientTransformation" in str(inspect.signature(function).return_annotation)
        if makes and "learning_rate" in parameters and not name.startswith("scale_by"):
            needed = [one.name for one in parameters.values() if one.default is one.empty]
            if set(needed) <= {"learning_rate"}:
                found[name] = partial(function, learning_rate=0.05)
    return found


TRAINED = with_a_rate(optax) | {f"contrib.{name}": make for name, make in with_a_rate(optax.contrib).items()} | OTHERS


def learner_of(optimizer):
    return jaxmlp.classifier(SIZES, optimizer=optimizer)


def by_hand(optimizer, steps, names=("value", "grad", "value_fn")):
    """Steps with everything that optax documents as an extra argument."""
    optimizer = optax.with_extra_args_support(optimizer)
    params = jaxmlp.init(jax.random.key(1), SIZES)

    def loss(params):
        return jaxmlp.cross_entropy(jaxmlp.apply(params, BATCH.inputs), BATCH.targets)

    @jax.jit
    def step(params, state):
        value, grad = jax.value_and_grad(loss)(params)
        wanted = {"value": value, "grad": grad, "value_fn": loss, "obj_fn": loss}
        updates, state = optimizer.update(grad, state, params, **{name: wanted[name] for name in names})
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for _ in range(steps):
        params, state = step(params, state)
    return params


def by_our_step(optimizer, steps):
    learner = learner_of(optimizer)
    state = jaxmlp.init_state(jaxmlp.init(jax.random.key(1), SIZES), optimizer, jax.random.key(0))
    step = jaxmlp.make_train_step(learner.loss, learner.optimizer)
    for _ in range(steps):
        state, _ = step(state, BATCH)
    return state.params


def assert_same(name, steps=4):
    names = {"contrib.sophia": ("obj_fn",), "contrib.sam": ()}.get(name, ("value", "grad", "value_fn"))
    expected = by_hand(TRAINED[name](), steps, names)
    actual = by_our_step(TRAINED[name](), steps)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), actual, expected)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", ["lbfgs", "polyak_sgd", "contrib.momo", "contrib.reduce_on_plateau", "contrib.sophia"])
def test_an_optimizer_gets_what_it_asks_for(name):
    assert_same(name)


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.filterwarnings("ignore:.*deprecated", "ignore:Specifying a key")  # what optax says of two of its own
@pytest.mark.parametrize("name", sorted(TRAINED))
def test_all_of_optax_trains(name):
    assert_same(name)


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize(
    "name", ["lbfgs", "adam", "contrib.momo", "contrib.reduce_on_plateau", "contrib.schedule_free"]
)
def test_a_run_and_a_study(name):
    data = Data(BATCH, BATCH, BATCH)
    learner = learner_of(TRAINED[name]())
    result = jaxmlp.fit(jax.random.key(1), learner, data, epochs=2, batch_size=16, patience=2)
    assert result.reason == "finished its 2 epochs"
    study = jaxmlp.train_many(
        lambda: learner_of(TRAINED[name]()), data, seeds=[1], epochs=2, batch_size=16, patience=2, progress=False
    )
    np.testing.assert_array_equal(study.history("validation_loss").to_numpy()[0], result.history["validation_loss"])


def test_slow_weights_that_optax_keeps_in_the_parameters_are_refused_in_words():
    learner = learner_of(optax.lookahead(optax.sgd(0.1), sync_period=2, slow_step_size=0.5))
    with pytest.raises(ValueError, match="use jaxmlp.lookahead, which keeps them in its state"):
        jaxmlp.fit(jax.random.key(1), learner, Data(BATCH, BATCH, BATCH), epochs=1)
    with pytest.raises(ValueError, match="use jaxmlp.lookahead, which keeps them in its state"):
        jaxmlp.init_state(jaxmlp.init(jax.random.key(1), SIZES), learner.optimizer, jax.random.key(0))


def test_the_table_is_long_enough():
    assert len(TRAINED) > 45


def test_value_fn_is_the_loss_of_the_same_batch_and_dropout():
    """An optimizer that asks, and shows in its state what it got."""

    def update(grads, state, params, *, value, value_fn, grad):
        return jax.tree.map(jnp.zeros_like, grads), (value, value_fn(params), grad["w"] - grads["w"])

    def init(params):
        return jnp.float32(0), jnp.float32(0), jnp.zeros(2)

    def loss(params, batch, key):
        kept = jaxmlp.dropout(key, batch.inputs, 0.5)
        return jnp.mean(jnp.square(kept @ params["w"])), {"rows": jnp.float32(1)}

    optimizer = (init, update)
    state = jaxmlp.init_state({"w": jnp.ones(2)}, optimizer, jax.random.key(0))
    state, metrics = jaxmlp.make_train_step(loss, optimizer)(state, BATCH)
    value, again, difference = state.opt_state
    assert float(value) == float(again) == float(metrics["loss"]) > 0
    assert difference.tolist() == [0, 0]


def test_what_is_bound_already_is_not_offered():
    def update(grads, state, params, *, value):
        return jax.tree.map(lambda g: g * value, grads), state

    bound = jax.tree_util.Partial(update, value=jnp.float32(-0.5))
    optimizer = (lambda params: (), bound)
    state = jaxmlp.init_state({"w": jnp.ones(2)}, optimizer, jax.random.key(0))

    def loss(params, batch, key):
        return jnp.sum(params["w"])

    state, _ = jaxmlp.make_train_step(loss, optimizer)(state, BATCH)
    assert state.params["w"].tolist() == [0.5, 0.5]
