"""One step: what it computes, what it keeps, what it compiles."""

import pickle
import re
import subprocess
import sys
from functools import partial

import chex
import cloudpickle
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial

import jaxmlp
from jaxmlp import Batch, TrainState, apply_updates, init_state, make_train_step
from jaxmlp.leaves import strong
from jaxmlp.training import train_step


def squared_loss(params, batch, key):
    return jaxmlp.mse(jaxmlp.apply(params, batch.inputs), batch.targets)


def scaled_loss(scale, params, batch, key):
    return scale * squared_loss(params, batch, key)


def noisy_loss(params, batch, key):
    return params["w"] * jax.random.uniform(key)


@pytest.fixture
def batch():
    inputs = jnp.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])
    return Batch(inputs, jnp.array([[1.0], [2.0], [3.0]]))


@pytest.fixture
def params():
    return [{"w": jnp.array([[0.5], [-0.25]]), "b": jnp.array([0.1])}]


def test_a_step_of_gradient_descent_by_hand(params, batch):
    x, t = np.asarray(batch.inputs), np.asarray(batch.targets)
    w, b = np.asarray(params[0]["w"]), np.asarray(params[0]["b"])
    error = x @ w + b - t
    step = make_train_step(squared_loss, jaxmlp.gd(0.1))
    state, metrics = step(init_state(params, jaxmlp.gd(0.1), jax.random.key(0)), batch)
    np.testing.assert_allclose(metrics["loss"], np.mean(error**2), rtol=1e-6)
    np.testing.assert_allclose(state.params[0]["w"], w - 0.1 * 2 / 3 * x.T @ error, rtol=1e-6)
    np.testing.assert_allclose(state.params[0]["b"], b - 0.1 * 2 / 3 * error.sum(0), rtol=1e-6)
    assert int(state.step) == 1


def test_a_step_takes_over_the_memory_of_the_state_that_it_was_given(params, batch):
    optimizer = jaxmlp.adam(0.1)
    before = init_state(params, optimizer, jax.random.key(0))
    after, _ = make_train_step(squared_loss, optimizer)(before, batch)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves((before.params, before.opt_state, before.step)))
    kept = (params, batch, after.params, after.opt_state, after.key, after.step)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(kept))


def test_twenty_jitted_steps_follow_a_loop_with_optax(params, batch, standard_promotion):
    optimizer = jaxmlp.adam(0.05)
    step = make_train_step(squared_loss, optimizer)
    state = init_state(params, optimizer, jax.random.key(0))
    reference = optax.adam(0.05)
    other, opt_state = params, reference.init(params)
    for _ in range(20):
        state, _ = step(state, batch)
        grads = jax.grad(squared_loss)(other, batch, None)
        updates, opt_state = reference.update(grads, opt_state, other)
        other = optax.apply_updates(other, updates)
    chex.assert_trees_all_close(state.params, other, rtol=1e-5)


def test_step_i_draws_from_the_key_folded_with_i():
    key = jax.random.key(7)
    state = init_state({"w": jnp.float32(1.0)}, jaxmlp.gd(0.0), key)
    step = make_train_step(noisy_loss, jaxmlp.gd(0.0))
    for i in range(3):
        state, metrics = step(state, None)
        assert metrics["loss"] == jax.random.uniform(jax.random.fold_in(key, i))
    assert state.key == key


def test_metrics_of_the_loss_are_handed_on(params, batch):
    def loss_fn(params, batch, key):
        return squared_loss(params, batch, key), {"twice": jnp.float32(2.0)}

    _, metrics = make_train_step(loss_fn, jaxmlp.gd(0.1))(init_state(params, jaxmlp.gd(0.1), jax.random.key(0)), batch)
    assert set(metrics) == {"loss", "twice"}
    assert metrics["twice"] == 2.0


def test_your_params_and_key_outlive_the_donated_state(params, batch):
    key, optimizer = jax.random.key(0), jaxmlp.momentum(0.1)
    state = init_state(params, optimizer, key)
    new, _ = make_train_step(squared_loss, optimizer)(state, batch)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((params, key, new)))


def test_a_state_that_holds_the_params_twice_can_be_donated(params, batch):
    lookahead = optax.contrib.schedule_free_sgd(0.1)
    state = init_state(params, lookahead, jax.random.key(0))
    make_train_step(squared_loss, lookahead)(state, batch)


def test_one_trace_for_any_number_of_any_newly_built_optimizer_or_loss(params, batch):
    traces = []

    def counted(scale, params, batch, key):
        traces.append(1)
        return scaled_loss(scale, params, batch, key)

    for rate in (0.1, 0.01, jnp.float32(0.5), np.float64(0.2), 1):
        optimizer = jaxmlp.chain(jaxmlp.clip_by_global_norm(rate), jaxmlp.adam(rate, b1=float(rate) / 2))
        step = make_train_step(Partial(counted, rate), optimizer)
        step(init_state(params, optimizer, jax.random.key(0)), batch)
    assert len(traces) == 1


def test_the_numbers_of_a_step_are_those_it_was_made_with(params, batch):
    def moved(rate):
        state, _ = make_train_step(squared_loss, jaxmlp.gd(rate))(
            init_state(params, jaxmlp.gd(rate), jax.random.key(0)), batch
        )
        return state.params[0]["w"] - params[0]["w"]

    np.testing.assert_allclose(moved(0.3), 3 * moved(0.1), rtol=1e-5)


def test_vmap_over_states_is_a_loop(params, batch):
    optimizer = jaxmlp.adam(0.1)
    step = make_train_step(squared_loss, optimizer)
    many = [jax.tree.map(lambda leaf, i=i: leaf * (1 + i), params) for i in range(3)]
    states = [init_state(one, optimizer, jax.random.key(i)) for i, one in enumerate(many)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    batched, _ = jax.vmap(step, in_axes=(0, None))(stacked, batch)
    for i, state in enumerate(states):
        one, _ = step(state, batch)
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], batched).params, one.params, rtol=1e-6)


def test_a_step_inside_scan_is_the_jitted_step(params, batch):
    optimizer = jaxmlp.adam(0.1)
    state = init_state(params, optimizer, jax.random.key(0))
    scanned, _ = jax.lax.scan(lambda s, _: train_step(squared_loss, optimizer, s, batch), state, length=3)
    step = make_train_step(squared_loss, optimizer)
    for _ in range(3):
        state, _ = step(state, batch)
    # A traced b2 is rounded to float32 before 1 - b2 is taken of it, a number in the program is not: 1e-5 of a step.
    chex.assert_trees_all_close(scanned.params, state.params, atol=1e-5)


def test_params_keep_their_dtype(batch):
    params = [{"w": jnp.ones((2, 1), jnp.bfloat16), "b": jnp.zeros(1, jnp.bfloat16)}]
    half = jax.tree.map(lambda array: array.astype(jnp.bfloat16), batch)
    optimizer = jaxmlp.adam(0.1)
    state, _ = make_train_step(squared_loss, optimizer)(init_state(params, optimizer, jax.random.key(0)), half)
    assert state.params[0]["w"].dtype == jnp.bfloat16


def test_strong_numbers_are_one_type():
    tree = {"a": 0.5, "b": jnp.float32(0.5), "c": np.float64(0.5), "d": 2, "e": True}
    dtypes = {name: leaf.dtype for name, leaf in strong(tree).items()}
    assert dtypes == {"a": "float32", "b": "float32", "c": "float32", "d": "float32", "e": "bool"}
    assert not any(leaf.weak_type for leaf in strong(tree).values())


def test_apply_updates_adds():
    assert apply_updates({"w": jnp.float32(1.5)}, {"w": jnp.float32(-0.25)})["w"] == 1.25


def test_the_state_starts_at_step_zero_with_the_optimizers_state(params):
    state = init_state(params, jaxmlp.adam(0.1), jax.random.key(3))
    assert isinstance(state, TrainState)
    assert int(state.step) == 0
    chex.assert_trees_all_equal(state.opt_state, jaxmlp.adam(0.1).init(params))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda p: init_state(p, 0.1, jax.random.key(0)),
            TypeError,
            r"init_state: optimizer must be a pair .* got 0.1",
        ),
        (lambda p: init_state(p, jaxmlp.gd(0.1), 0), TypeError, "init_state: key must be a typed key.* got 0"),
        (
            lambda p: init_state(p, jaxmlp.gd(0.1), jax.random.PRNGKey(0)),
            TypeError,
            r"init_state: key must .*uint32\[2\]",
        ),
        (lambda p: make_train_step(3, jaxmlp.gd(0.1)), TypeError, "make_train_step: loss_fn must be a function, got 3"),
        (
            lambda p: make_train_step(squared_loss, "adam"),
            TypeError,
            "make_train_step: optimizer must be a pair.*'adam'",
        ),
    ],
)
def test_wrong_input_is_refused(params, call, error, text):
    with pytest.raises(error, match=text):
        call(params)


PAIR = "make_train_step: loss_fn must return a scalar, or a pair (scalar, {name: scalar}), got "
COMPUTED = "make_train_step: loss_fn must return an array computed from params, got "
SCALAR, REAL = (
    "make_train_step: the loss must be a scalar, got ",
    "make_train_step: the loss must be a real floating number, got ",
)
BAD_LOSSES = {
    "a vector": (lambda loss: loss * jnp.ones(3), ValueError, SCALAR + "(3,)"),
    "a vector with metrics": (lambda loss: (loss * jnp.ones((3, 1)), {}), ValueError, SCALAR + "(3, 1)"),
    "a Python float": (lambda loss: 0.5, TypeError, COMPUTED + "0.5"),
    "a Python float with metrics": (lambda loss: (0.5, {"a": loss}), TypeError, COMPUTED + "0.5"),
    "a NumPy number": (lambda loss: np.float32(0.5), TypeError, COMPUTED + "np.float32(0.5)"),
    "None": (lambda loss: None, TypeError, PAIR + "'NoneType'"),
    "a dict": (lambda loss: {"loss": loss}, TypeError, PAIR + "'dict of 1'"),
    "a list": (lambda loss: [loss, {}], TypeError, PAIR + "'list of 2'"),
    "a triple": (lambda loss: (loss, {}, loss), TypeError, PAIR + "'tuple of 3'"),
    "a pair without names": (lambda loss: (loss, loss), TypeError, PAIR + "'tuple of 2'"),
    "an integer": (lambda loss: loss.astype(jnp.int32), TypeError, REAL + "'int32'"),
    "a complex number": (lambda loss: loss.astype(jnp.complex64), TypeError, REAL + "'complex64'"),
    "a metric called loss": (
        lambda loss: (loss, {"loss": loss}),
        ValueError,
        "make_train_step: metric 'loss' of loss_fn must not be called 'loss', the name of the objective, got 'loss'",
    ),
    "a vector as metric": (
        lambda loss: (loss, {"a": loss, "errors": jnp.ones(3)}),
        ValueError,
        "make_train_step: metric 'errors' of loss_fn must be a scalar, got (3,)",
    ),
    "a text as metric": (
        lambda loss: (loss, {"a": "good"}),
        TypeError,
        "make_train_step: metric 'a' of loss_fn must be a scalar, got 'str",
    ),
}


@pytest.mark.parametrize("case", list(BAD_LOSSES))
def test_a_loss_of_another_kind_is_refused(case, params, batch):
    make, error, text = BAD_LOSSES[case]
    step = make_train_step(lambda *args: make(squared_loss(*args)), jaxmlp.gd(0.1))
    with pytest.raises(error, match=re.escape(text)):
        step(init_state(params, jaxmlp.gd(0.1), jax.random.key(0)), batch)


def test_errors_of_a_step_name_the_function_that_was_called(params, batch):
    state = init_state(params, jaxmlp.gd(0.1), jax.random.key(0))
    with pytest.raises(TypeError, match=re.escape("fit: loss_fn must return an array computed from params, got 1.0")):
        train_step(lambda *_: 1.0, jaxmlp.gd(0.1), state, batch, "fit")


def test_a_metric_may_be_a_plain_number(params, batch):
    step = make_train_step(lambda *args: (squared_loss(*args), {"rate": 0.25, "n": 3}), jaxmlp.gd(0.1))
    _, metrics = step(init_state(params, jaxmlp.gd(0.1), jax.random.key(0)), batch)
    assert (float(metrics["rate"]), int(metrics["n"])) == (0.25, 3)


# --- leaves without a gradient ---------------------------------------------------------------------------------------


def mixed_loss(params, batch, key):
    return jnp.sum(jnp.square(params["w"])) * params["count"].astype(jnp.float32) + params["flag"].astype(jnp.float32)


@pytest.mark.parametrize(
    "make",
    [
        lambda: jaxmlp.adam(0.1),
        lambda: optax.adam(0.1),
        lambda: jaxmlp.adamw(0.1, weight_decay=0.0, mask={"w": True, "count": False, "flag": True, "key": False}),
        lambda: jaxmlp.projected(jaxmlp.chain(jaxmlp.clip_by_global_norm(100.0), jaxmlp.adam(0.1)), lambda p: p),
    ],
)
def test_integers_bools_and_keys_pass_a_step_unharmed(make, standard_promotion):
    params = {"w": jnp.array([1.0, -2.0]), "count": jnp.int32(3), "flag": jnp.array(True), "key": jax.random.key(5)}
    state, step = init_state(params, make(), jax.random.key(0)), make_train_step(mixed_loss, make())
    for _ in range(2):
        state, metrics = step(state, None)
    assert state.params["count"].dtype == jnp.int32 and int(state.params["count"]) == 3
    assert state.params["flag"].dtype == bool and bool(state.params["flag"])
    assert state.params["key"] == params["key"]
    np.testing.assert_allclose(state.params["w"], [0.8, -1.8], rtol=1e-3)  # two steps of Adam
    np.testing.assert_allclose(metrics["loss"], 1 + 3 * (0.9**2 + 1.9**2), rtol=1e-5)


def test_an_equinox_module_of_arrays_passes_whole(batch):
    linear = eqx.nn.Linear(2, 1, key=jax.random.key(0))

    def loss_fn(module, batch, key):
        return jaxmlp.mse(jax.vmap(module)(batch.inputs), batch.targets)

    optimizer = jaxmlp.adam(0.1)
    state, _ = make_train_step(loss_fn, optimizer)(init_state(linear, optimizer, jax.random.key(1)), batch)
    assert isinstance(state.params, eqx.nn.Linear)
    np.testing.assert_allclose(abs(state.params.weight - linear.weight), np.full((1, 2), 0.1), rtol=1e-4)


def test_a_leaf_that_is_not_an_array_is_refused(batch):
    network = eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0))
    rule = "be an array (give the arrays of a module, as of equinox.partition, and close over the rest)"
    with pytest.raises(TypeError, match=re.escape(f"init_state: params.activation must {rule}, got ")):
        init_state(network, jaxmlp.adam(0.1), jax.random.key(1))
    arrays, rest = eqx.partition(network, eqx.is_array)

    def loss_fn(arrays, batch, key):
        return jaxmlp.mse(jax.vmap(eqx.combine(arrays, rest))(batch.inputs), batch.targets)

    state = init_state(arrays, jaxmlp.gd(0.1), jax.random.key(1))
    state, _ = make_train_step(loss_fn, jaxmlp.gd(0.1))(state, batch)
    assert int(state.step) == 1


def test_steps_beyond_the_largest_integer_keep_their_own_keys():
    def loss_fn(params, batch, key):
        return jax.random.normal(key) * params["w"]

    optimizer = jaxmlp.gd(1.0)
    step, key = make_train_step(loss_fn, optimizer), jax.random.key(1)
    state = init_state({"w": jnp.float32(1.0)}, optimizer, key)._replace(step=jnp.int32(2**31 - 1))
    slopes, before = [], 1.0
    for _ in range(2):
        state, _ = step(state, None)
        slopes.append(before - float(state.params["w"]))
        before = float(state.params["w"])
    assert int(state.step) == -(2**31) + 1
    expected = [jax.random.normal(jax.random.fold_in(key, np.uint32(count))) for count in (2**31 - 1, 2**31)]
    np.testing.assert_allclose(slopes, expected, rtol=1e-5)


# --- files and masks -------------------------------------------------------------------------------------------------

PICKLED = {
    "classifier": lambda: jaxmlp.classifier(
        (2, 4, 3), optimizer=jaxmlp.adamw(0.1), dropout_rate=0.25, l2=1e-3, max_norm=2.0, label_smoothing=0.1
    ),
    "regressor": lambda: jaxmlp.regressor(
        (2, 4, 1), optimizer=jaxmlp.momentum(0.1), activation="gelu", dtype=jnp.bfloat16
    ),
    "chain": lambda: jaxmlp.chain(jaxmlp.clip(1.0), jaxmlp.clip_by_global_norm(1.0), jaxmlp.lion(0.1)),
    "schedule": lambda: jaxmlp.adam(jaxmlp.warmup_cosine_decay_schedule(0.0, 0.1, 10, 200)),
    "averaged": lambda: jaxmlp.averaged(jaxmlp.adam(0.1), 0.9),
    "swa": lambda: jaxmlp.swa(jaxmlp.adam(0.1), 3),
    "lookahead": lambda: jaxmlp.lookahead(jaxmlp.adam(0.1)),
    "cautious": lambda: jaxmlp.cautious(jaxmlp.adam(0.1)),
}
_NOT_PICKLED = ("Optimizer", "apply_updates", "as_optimizer", "evaluation_params", "projected")
PICKLED |= {
    name: partial(getattr(jaxmlp, name), 0.125)
    for name in jaxmlp.optimizers.__all__
    if name not in (*PICKLED, *_NOT_PICKLED)
}


@pytest.mark.parametrize("name", list(PICKLED))
def test_learners_and_optimizers_pickle(name):
    one = PICKLED[name]()
    other = pickle.loads(pickle.dumps(one))
    assert type(other) is type(one) and repr(other) == repr(one)
    assert jax.tree.structure(other) == jax.tree.structure(one)
    assert jax.tree.leaves(other) == jax.tree.leaves(one)


def first_loss(learner, batch):
    state = init_state(learner.init(jax.random.key(1)), learner.optimizer, jax.random.key(2))
    return float(make_train_step(learner.loss, learner.optimizer)(state, batch)[1]["loss"])


def made_on_the_spot():
    scale = jnp.float32(3.0)
    return jaxmlp.Learner(
        init=lambda key: {"w": scale},
        loss=lambda params, batch, key: jnp.mean(jnp.square(params["w"] * batch.inputs)),
        evaluate=lambda params, batch: {"loss": params["w"]},
        optimizer=jaxmlp.gd(lambda count: jnp.exp(-count.astype(scale.dtype))),
    )


@pytest.mark.parametrize(("tool", "make"), [(pickle, PICKLED["classifier"]), (cloudpickle, made_on_the_spot)])
def test_a_learner_trains_in_another_process(tool, make):
    """Where it was unpickled: by pickle if its functions can be imported, by cloudpickle if not."""
    batch = Batch(np.ones((4, 2), np.float32), np.array([0, 1, 2, 1], np.int32))
    program = "import pickle, sys; function, *arguments = pickle.load(sys.stdin.buffer); print(function(*arguments))"
    sent = tool.dumps((first_loss, make(), batch))
    run = subprocess.run([sys.executable, "-c", program], input=sent, capture_output=True, check=True)
    assert float(run.stdout) == pytest.approx(first_loss(make(), batch), rel=1e-6)


@pytest.mark.parametrize("make", [jaxmlp.adamw, partial(jaxmlp.lion, weight_decay=1e-4)])
@pytest.mark.parametrize(
    "mask", [[True, False], [{"w": True, "b": True}, {"w": False, "b": False}], lambda p: [True, False]]
)
def test_a_mask_may_be_a_prefix_of_the_params(make, mask, params, batch):
    def loss_fn(params, batch, key):
        return squared_loss(params[:1], batch, key) + 0.0 * jnp.sum(params[1]["w"])

    two = [params[0], jax.tree.map(lambda leaf: leaf + 1.0, params[0])]
    masked, free = make(0.5, weight_decay=0.5, mask=mask), make(0.5, weight_decay=0.0)
    state, _ = make_train_step(loss_fn, masked)(init_state(two, masked, jax.random.key(0)), batch)
    other, _ = make_train_step(loss_fn, free)(init_state(two, free, jax.random.key(0)), batch)
    np.testing.assert_allclose(state.params[0]["w"], other.params[0]["w"] - 0.25 * two[0]["w"], rtol=1e-5)
    np.testing.assert_array_equal(state.params[1]["w"], two[1]["w"])


def test_a_mask_of_bools_travels_with_the_numbers(params, batch):
    optimizer = jaxmlp.adamw(0.1, weight_decay=0.5, mask=[{"w": True, "b": False}])
    plain = jaxmlp.adam(0.1)
    masked, _ = make_train_step(squared_loss, optimizer)(init_state(params, optimizer, jax.random.key(0)), batch)
    free, _ = make_train_step(squared_loss, plain)(init_state(params, plain, jax.random.key(0)), batch)
    np.testing.assert_array_equal(masked.params[0]["b"], free.params[0]["b"])
    np.testing.assert_allclose(masked.params[0]["w"], free.params[0]["w"] - 0.05 * params[0]["w"], rtol=1e-5)
