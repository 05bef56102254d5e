"""At which parameters a model is judged: declared by states, recognized in optax's, refused in words."""

import re
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import jaxmlp

PARAMS = {"w": jnp.array([[0.5, -1.2, 1.4], [-0.3, 0.9, -1.6]]), "b": [jnp.array(0.7)]}


class Scaled(NamedTuple):
    """Declares its factor times the parameters."""

    factor: Any
    inner: Any = ()

    def evaluation_params(self, params):
        return jax.tree.map(lambda p: self.factor * p, params)


def scaled(factor, params):
    return jax.tree.map(lambda p: factor * p, params)


def assert_equal(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


def assert_close(actual, expected, rtol=1e-6):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol), actual, expected)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize(
    "optimizer", [jaxmlp.adam(0.1), jaxmlp.chain(jaxmlp.clip(1.0), jaxmlp.sgd(0.1)), optax.adam(1.0)]
)
def test_without_a_declaration_it_is_the_object_itself(optimizer):
    assert jaxmlp.evaluation_params(optimizer.init(PARAMS), PARAMS) is PARAMS
    assert jaxmlp.evaluation_params((), PARAMS) is PARAMS


@pytest.mark.parametrize(
    "state", [Scaled(3.0), ((), Scaled(3.0)), [{"fast": Scaled(3.0), "slow": jnp.ones(2)}], optax.EmptyState(), None]
)
def test_a_node_declares_wherever_it_is_nested(state):
    factor = 1.0 if state in (None, ()) else 3.0
    assert_equal(jaxmlp.evaluation_params(state, PARAMS), scaled(factor, PARAMS))


def test_the_outermost_node_decides():
    assert_equal(jaxmlp.evaluation_params(((), Scaled(3.0, Scaled(5.0))), PARAMS), scaled(3.0, PARAMS))


def test_two_side_by_side_are_refused():
    rule = "opt_state must have one part that says where the model is judged, and any others inside of it, "
    with pytest.raises(ValueError, match=re.escape(f"evaluation_params: {rule}got 'Scaled, Scaled'")):
        jaxmlp.evaluation_params((Scaled(3.0), {"second": Scaled(2.0, Scaled(1.0))}), PARAMS)


def test_leaves_without_gradient_and_dtypes_stay():
    params = PARAMS | {"half": jnp.bfloat16(1.5), "count": jnp.int32(7), "frozen": None, "key": jax.random.key(0)}

    class Seen(NamedTuple):
        def evaluation_params(self, params):
            assert params["count"] is None
            assert params["key"] is None
            return jax.tree.map(lambda p: 3 * p.astype(jnp.float32), params)

    judged = jaxmlp.evaluation_params(Seen(), params)
    assert judged["count"] is params["count"]
    assert judged["key"] is params["key"]
    assert judged["frozen"] is None
    assert (judged["half"].dtype, float(judged["half"])) == (jnp.bfloat16, 4.5)
    assert_equal(judged["w"], 3 * PARAMS["w"])


def test_another_shape_is_refused():
    class Wrong(NamedTuple):
        def evaluation_params(self, params):
            return {"w": params["w"][0], "b": params["b"]}

    with pytest.raises(ValueError, match=re.escape("evaluation_params: params['w'] must be of shape (3,), got (2, 3)")):
        jaxmlp.evaluation_params(Wrong(), PARAMS)


def test_jit_and_vmap():
    factors = jnp.array([2.0, 3.0])
    judged = jax.jit(jax.vmap(jaxmlp.evaluation_params, in_axes=(0, None)))(((), Scaled(factors)), PARAMS)
    assert_equal(judged, jax.tree.map(lambda p: jnp.stack([2 * p, 3 * p]), PARAMS))


# --- optax -----------------------------------------------------------------------------------------------------------


def train(optimizer, params, steps=7) -> tuple[Any, Any]:
    state = optimizer.init(params)
    for _ in range(steps):
        grads = jax.tree.map(lambda p: p**3 - p + jnp.asarray(0.3, p.dtype), params)
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return state, params


def schedule_free(b1=0.8):
    return optax.contrib.schedule_free_adamw(0.05, warmup_steps=3, b1=b1)


def found(state):
    """The state of the schedule-free method within another state."""
    is_it = lambda node: type(node).__name__ == "ScheduleFreeState"  # noqa: E731
    return next(node for node in jax.tree.leaves(state, is_leaf=is_it) if is_it(node))


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize(
    "optimizer",
    [
        schedule_free(),
        optax.contrib.schedule_free_sgd(0.1, b1=0.7),
        optax.chain(optax.clip(1.0), schedule_free()),
        optax.apply_if_finite(schedule_free(), 3),
        optax.inject_hyperparams(optax.contrib.schedule_free_sgd)(0.1, b1=0.7),
        optax.MultiSteps(schedule_free(), 2).gradient_transformation(),
        jaxmlp.chain(jaxmlp.clip(1.0), schedule_free()),
    ],
)
def test_schedule_free_methods_of_optax_are_judged_where_optax_judges_them(optimizer):
    state, params = train(optimizer, PARAMS)
    expected = optax.contrib.schedule_free_eval_params(found(state), params)
    assert_close(jaxmlp.evaluation_params(state, params), expected)
    assert float(jnp.max(jnp.abs(expected["w"] - params["w"]))) > 1e-3


@pytest.mark.usefixtures("standard_promotion")
def test_schedule_free_methods_of_optax_in_other_dtypes():
    state, params = train(schedule_free(), jax.tree.map(lambda p: p.astype(jnp.bfloat16), PARAMS))
    expected = optax.contrib.schedule_free_eval_params(state, params)
    judged = jaxmlp.evaluation_params(state, params)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=0.03), judged, expected)
    with jax.enable_x64(True):
        state, params = train(schedule_free(), jax.tree.map(jnp.float64, PARAMS))
        expected = optax.contrib.schedule_free_eval_params(state, params)
        judged = jaxmlp.evaluation_params(state, params)
        assert_close(judged, expected, 1e-14)
    assert judged["w"].dtype == jnp.float64


@pytest.mark.usefixtures("standard_promotion")
def test_a_batch_of_schedule_free_states():
    """Inside of vmap and outside: each of two trials has its own b1."""

    def trained(b1):
        state, params = train(optax.contrib.schedule_free_sgd(0.1), PARAMS)
        return state._replace(b1=b1), params

    b1s = [jnp.float32(0.9), jnp.float32(0.5)]
    one_by_one = [jaxmlp.evaluation_params(*trained(b1)) for b1 in b1s]
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *one_by_one)
    states, params = jax.vmap(trained)(jnp.stack(b1s))
    assert_close(jax.vmap(jaxmlp.evaluation_params)(states, params), expected)
    assert_close(jaxmlp.evaluation_params(states, params), expected)


@pytest.mark.usefixtures("standard_promotion")
def test_a_masked_schedule_free_method_judges_what_it_sees():
    mask = {"w": True, "b": [False]}
    state, params = train(optax.masked(optax.contrib.schedule_free_sgd(0.1), mask), PARAMS)
    judged = jaxmlp.evaluation_params(state, params)
    inner = found(state)
    expected = optax.contrib.schedule_free_eval_params(inner._replace(z=inner.z["w"]), params["w"])
    assert_close(judged["w"], expected)
    assert_equal(judged["b"], params["b"])


@pytest.mark.usefixtures("standard_promotion")
def test_two_schedule_free_methods_side_by_side_are_refused():
    optimizer = optax.partition({"w": schedule_free(), "b": schedule_free()}, {"w": "w", "b": "b"})
    with pytest.raises(ValueError, match="got 'ScheduleFreeState, ScheduleFreeState'"):
        jaxmlp.evaluation_params(optimizer.init(PARAMS), PARAMS)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("steps", [6, 7, 8])
def test_sharpness_aware_steps_are_judged_where_they_started(steps):
    sam = optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.05), sync_period=3)
    _, last = train(sam, PARAMS, 6)
    state, params = train(sam, PARAMS | {"frozen": None}, steps)
    assert_equal(jaxmlp.evaluation_params(state, params), last | {"frozen": None})


@pytest.mark.usefixtures("standard_promotion")
def test_a_schedule_free_method_inside_of_sharpness_aware_steps():
    sam = optax.contrib.sam(optax.contrib.schedule_free_sgd(0.1), optax.sgd(0.05))
    state, params = train(sam, PARAMS, 6)
    assert_close(
        jaxmlp.evaluation_params(state, params), optax.contrib.schedule_free_eval_params(state.opt_state, params)
    )
    opaque = optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.05), opaque_mode=True).init(PARAMS)
    assert_equal(jaxmlp.evaluation_params(opaque, PARAMS), PARAMS)


def test_lookahead_of_optax_is_judged_at_its_slow_weights_or_refused():
    pair = optax.LookaheadParams(fast=PARAMS, slow=scaled(2.0, PARAMS))
    state = optax.lookahead(optax.sgd(0.1), 5, 0.5).init(pair)
    judged = jaxmlp.evaluation_params(state, pair)
    assert_equal(judged, optax.LookaheadParams(fast=pair.slow, slow=pair.slow))
    rule = "params must hold the slow weights, as optax's LookaheadParams do (or use jaxmlp.lookahead, "
    with pytest.raises(
        ValueError, match=re.escape(f"evaluation_params: {rule}which keeps them in its state), got 'dict'")
    ):
        jaxmlp.evaluation_params(state, PARAMS)
