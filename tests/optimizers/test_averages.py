"""Averages and lookahead: optax's and NumPy's, training unchanged, in every dtype, under jit, vmap and fit."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp.data import Batch, Data
from tests.optimizers.test_optimizers import assert_close, gradients_of, nested, trajectory
from tests.optimizers.test_schedule_free import judged

INNER = jaxmlp.adamw(0.05, b1=0.8, weight_decay=0.1)
ALL = {
    "averaged": lambda inner=INNER: jaxmlp.averaged(inner, 0.8),
    "swa": lambda inner=INNER: jaxmlp.swa(inner, 3, 2),
    "lookahead": lambda inner=INNER: jaxmlp.lookahead(inner, 3, 0.4),
}
EACH = pytest.mark.parametrize("name", list(ALL))


def row(tree, i):
    return jax.tree.map(lambda leaf: leaf[i], tree)


# --- exponential and uniform averages --------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("decay", [0.9, 0.0, 0.9999])
def test_the_debiased_average_is_that_of_optax(decay):
    path, averages = judged(jaxmlp.averaged(INNER, decay), nested(), 25)
    assert_close(path, trajectory(INNER, nested(), 25), rtol=1e-12)
    with jax.numpy_dtype_promotion("standard"):
        ema = optax.ema(decay, debias=True)
        state = ema.init(nested())
        for i in range(25):
            expected, state = ema.update(row(path, i), state)
            assert_close(row(averages, i), expected, rtol=1e-9)


@pytest.mark.usefixtures("x64")
def test_the_average_without_correction_starts_at_the_initial_parameters():
    path, averages = judged(jaxmlp.averaged(INNER, 0.9, debias=False), nested(), 25)
    expected = nested()
    for i in range(25):
        expected = optax.incremental_update(row(path, i), expected, 0.1)
        assert_close(row(averages, i), expected, rtol=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("start", "period"), [(0, 1), (5, 1), (4, 3), (30, 1)])
def test_the_uniform_average_is_the_mean_of_what_was_taken(start, period):
    path, averages = judged(jaxmlp.swa(INNER, start, period), nested(), 25)
    assert_close(path, trajectory(INNER, nested(), 25), rtol=1e-12)
    points = jax.tree.map(lambda first, rest: np.concatenate([np.asarray(first)[None], rest]), nested(), path)
    for t in range(1, 26):
        taken = list(range(start, t + 1, period)) if t >= start else [t]
        expected = jax.tree.map(lambda leaf, taken=taken: leaf[taken].mean(axis=0), points)
        assert_close(row(averages, t - 1), expected, rtol=1e-12)


def test_two_steps_by_hand():
    for optimizer, expected in (
        (jaxmlp.averaged(jaxmlp.gd(1.0), 0.75), [-1.0, -(0.75 * 1 + 2 * 1) / 1.75]),
        (jaxmlp.averaged(jaxmlp.gd(1.0), 0.75, debias=False), [-0.25, -0.1875 - 0.5]),
        (jaxmlp.swa(jaxmlp.gd(1.0), 0), [-0.5, -1.0]),
        (jaxmlp.swa(jaxmlp.gd(1.0), 1), [-1.0, -1.5]),
    ):
        params, found = jnp.float32(0.0), []
        state = optimizer.init(params)
        for _ in range(2):
            updates, state = optimizer.update(jnp.float32(1.0), state, params)
            params = params + updates
            found.append(float(jaxmlp.evaluation_params(state, params)))
        np.testing.assert_allclose(found, expected, rtol=1e-6)


# --- lookahead -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("reset_state", [False, True])
def test_lookahead_is_optaxs(reset_state):
    path, slow = judged(jaxmlp.lookahead(INNER, 3, 0.4, reset_state), nested(), 25)
    with jax.numpy_dtype_promotion("standard"):
        reference: Any = optax.lookahead(optax.adamw(0.05, b1=0.8, weight_decay=0.1), 3, 0.4, reset_state)
        params: Any = optax.LookaheadParams.init_synced(nested())
        state = reference.init(params)
        update = jax.jit(reference.update)
        for i in range(25):
            updates, state = update(gradients_of(params.fast), state, params)
            params = optax.apply_updates(params, updates)
            assert_close(row(path, i), params.fast, rtol=1e-11)
            assert_close(row(slow, i), params.slow, rtol=1e-11)


def test_lookahead_by_hand():
    """Three steps of 1, then back to 0.25 of the way."""
    params, optimizer = jnp.float32(0.0), jaxmlp.lookahead(jaxmlp.gd(1.0), 3, 0.25)
    state, found = optimizer.init(params), []
    for _ in range(7):
        updates, state = optimizer.update(jnp.float32(-1.0), state, params)
        params = params + updates
        found.append((float(params), float(jaxmlp.evaluation_params(state, params))))
    assert found == [(1, 0), (2, 0), (0.75, 0.75), (1.75, 0.75), (2.75, 0.75), (1.5, 1.5), (2.5, 1.5)]


@pytest.mark.usefixtures("x64")
def test_lookahead_of_step_size_one_is_the_optimizer():
    assert_close(trajectory(jaxmlp.lookahead(INNER, 4, 1.0), nested(), 20), trajectory(INNER, nested(), 20), rtol=1e-12)


# --- all of them -----------------------------------------------------------------------------------------------------


@EACH
def test_before_the_first_step_it_is_judged_at_the_parameters(name):
    optimizer, params = ALL[name](), nested(jnp.float16)
    assert_close(jaxmlp.evaluation_params(optimizer.init(params), params), params, rtol=0)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.complex64])
@EACH
def test_averages_are_of_at_least_float32_and_steps_keep_every_dtype(name, dtype):
    optimizer, params = ALL[name](), nested(dtype)
    state = optimizer.init(params)
    updates, new = optimizer.update(params, state, params)
    wide = jnp.complex64 if dtype == jnp.complex64 else jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(new[1])} == {jnp.dtype(wide)}
    judged_at = jaxmlp.evaluation_params(new, params)
    assert {leaf.dtype for leaf in jax.tree.leaves((updates, judged_at))} == {jnp.dtype(dtype)}
    assert jax.tree.map(lambda leaf: leaf.dtype, new) == jax.tree.map(lambda leaf: leaf.dtype, state)


def test_a_slow_average_of_bfloat16_parameters_moves():
    """0.001 is below the resolution of bfloat16 at 1."""
    optimizer = jaxmlp.averaged(jaxmlp.gd(1.0), 0.999, debias=False)
    params = jnp.ones(1, jnp.bfloat16)
    _, state = optimizer.update(params, optimizer.init(params), params)
    np.testing.assert_allclose(state.average, [0.999], rtol=1e-6)


@EACH
def test_one_program_for_all_numbers_and_vmap_over_them(name):
    make = {
        "averaged": lambda numbers: jaxmlp.averaged(jaxmlp.adam(numbers[0]), numbers[1]),
        "swa": lambda numbers: jaxmlp.swa(jaxmlp.adam(numbers[0]), numbers[2], numbers[3]),
        "lookahead": lambda numbers: jaxmlp.lookahead(jaxmlp.adam(numbers[0]), numbers[3], numbers[1]),
    }[name]
    traces = []

    @jax.jit
    def run(optimizer):
        traces.append(1)
        return row(judged(optimizer, nested(), 8), -1)

    rows = jnp.array([[0.1, 0.5, 2.0, 3.0], [0.03, 0.9, 4.0, 1.0]])
    mapped = jax.vmap(lambda numbers: row(judged(make(numbers), nested(), 8), -1))(rows)
    for i, numbers in enumerate(rows.tolist()):
        assert_close(row(mapped, i), run(make(numbers)), rtol=1e-5, atol=1e-6)
    assert len(traces) == 1


@EACH
def test_leaves_that_the_optimizer_does_not_see_stay(name):
    params = {"w": jnp.array([0.5, -1.0]), "frozen": None}
    optimizer = ALL[name]()
    updates, state = optimizer.update(params, optimizer.init(params), params)
    assert updates["frozen"] is None
    full = params | {"frozen": jnp.int32(3)}
    assert jaxmlp.evaluation_params(state, full)["frozen"] is full["frozen"]


@EACH
def test_the_outermost_average_decides_and_chains_find_it(name):
    params = nested()
    for optimizer in (
        jaxmlp.chain(jaxmlp.clip(1.0), ALL[name]()),
        optax.chain(optax.clip(1.0), ALL[name]()),
        ALL[name](jaxmlp.chain(jaxmlp.clip(1.0), jaxmlp.averaged(INNER))),
    ):
        with jax.numpy_dtype_promotion("standard"):
            path, averages = judged(optimizer, params, 10)
        expected = ALL[name](jaxmlp.chain(jaxmlp.clip(1.0), INNER))
        assert_close((path, averages), judged(expected, params, 10), rtol=1e-5)


@EACH
def test_extra_arguments_reach_the_optimizer_inside(name):
    asks = (lambda params: (), lambda grads, state, params=None, *, value: (value * grads, state))
    optimizer = ALL[name](asks)
    w = jnp.array([2.0])
    updates, _ = optimizer.update(w, optimizer.init(w), w, value=3.0, grad=w)
    np.testing.assert_allclose(updates, [6.0])


def test_fit_evaluates_and_returns_the_average():
    """Each epoch is one step, which halves the weight: 8, 4, 2; of decay 1/2, the later one counts twice."""
    batch = Batch(jnp.zeros((4, 1)), jnp.zeros(4))
    learner = jaxmlp.Learner(
        init=lambda key: {"w": jnp.float32(8.0)},
        loss=lambda params, batch, key: params["w"] ** 2 / 2,
        evaluate=lambda params, batch: {"loss": params["w"]},
        optimizer=jaxmlp.averaged(jaxmlp.gd(0.5), 0.5),
    )
    result = jaxmlp.fit(jax.random.key(1), learner, Data(batch, batch, batch), batch_size=4, epochs=2)
    np.testing.assert_allclose(result.history["validation_loss"], [4.0, (4 + 2 * 2) / 3], rtol=1e-6)
    np.testing.assert_allclose(result.params["w"], (4 + 2 * 2) / 3, rtol=1e-6)


@EACH
def test_missing_params_are_refused(name):
    optimizer = ALL[name]()
    with pytest.raises(ValueError, match=rf"{name}.update: params must be given, as the .* them, got None"):
        optimizer.update(nested(), optimizer.init(nested()))


WHOLE_0, WHOLE_1 = "be a whole number of at least 0", "be a whole number of at least 1"


@pytest.mark.parametrize(
    ("function", "arguments", "rule"),
    [
        ("averaged", {"decay": 1.0}, "be at least 0 and below 1"),
        ("swa", {"start": -1.0}, WHOLE_0),
        ("swa", {"start": 2.5}, WHOLE_0),
        ("swa", {"start": 2, "period": 0.0}, WHOLE_1),
        ("lookahead", {"sync_period": 0.0}, WHOLE_1),
        ("lookahead", {"sync_period": 1.5}, WHOLE_1),
        ("lookahead", {"slow_step_size": -0.5}, "be a finite number of at least 0"),
    ],
)
def test_a_number_out_of_range_is_refused(function, arguments, rule):
    *_, (argument, value) = arguments.items()
    with pytest.raises(ValueError, match=re.escape(f"{function}: {argument} must {rule}, got {value!r}")):
        getattr(jaxmlp, function)(INNER, **arguments)
