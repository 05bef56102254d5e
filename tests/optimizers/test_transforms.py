"""Around an optimizer: clipping, chaining, projecting, applying."""

import inspect
import re
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial

import jaxmlp

GRADS = {"w": jnp.array([[3.0, -4.0], [0.5, 0.25]]), "b": jnp.array(-12.0)}
NORM = (9 + 16 + 0.25 + 0.0625 + 144) ** 0.5


def assert_close(actual, expected, rtol=1e-6):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol), actual, expected)


def test_clip_bounds_every_element_on_both_sides():
    updates, state = jaxmlp.clip(1.0).update(GRADS, jaxmlp.clip(1.0).init(GRADS))
    assert_close(updates, {"w": jnp.array([[1.0, -1.0], [0.5, 0.25]]), "b": jnp.array(-1.0)})
    assert state == ()


@pytest.mark.parametrize("bound", [100.0, 13.1, 13.0, 1.0, 0.0])
def test_clip_by_global_norm_scales_all_leaves_alike(bound):
    updates, state = jaxmlp.clip_by_global_norm(bound).update(GRADS, ())
    assert_close(updates, jax.tree.map(lambda g: g * min(1.0, bound / NORM), GRADS))
    assert state == ()


@pytest.mark.parametrize("name", ["clip", "clip_by_global_norm"])
def test_clipping_is_optaxs(name):
    for bound in (0.3, 5.0, 50.0):
        expected, _ = getattr(optax, name)(bound).update(GRADS, optax.EmptyState())
        assert_close(getattr(jaxmlp, name)(bound).update(GRADS, ())[0], expected)
    assert inspect.signature(getattr(jaxmlp, name)).parameters.keys() == (
        inspect.signature(getattr(optax, name)).parameters.keys()
    )


def test_zero_gradients_of_bound_zero_stay_zero():
    updates, _ = jaxmlp.clip_by_global_norm(0.0).update({"w": jnp.zeros(3)}, ())
    assert updates["w"].tolist() == [0.0, 0.0, 0.0]


def test_complex_gradients_are_clipped_by_their_magnitude():
    grads = jnp.array([3j, 4.0])
    assert_close(jaxmlp.clip_by_global_norm(1.0).update(grads, ())[0], grads / 5)


@pytest.mark.parametrize("name", ["clip", "clip_by_global_norm"])
def test_clipping_keeps_dtypes_of_a_mixed_tree_under_a_traced_bound(name):
    grads = {"w": jnp.full(4, 2.0, jnp.bfloat16), "b": jnp.full(3, -3.0)}
    with jax.enable_x64(True):
        updates = jax.jit(lambda bound: getattr(jaxmlp, name)(bound).update(grads, ())[0])(jnp.float32(1.0))
    factor = {"clip": (0.5, 1 / 3), "clip_by_global_norm": (43**-0.5, 43**-0.5)}[name]
    assert updates["w"].dtype == jnp.bfloat16
    np.testing.assert_allclose(updates["w"].astype(jnp.float32), np.full(4, 2 * factor[0]), rtol=1e-2)
    np.testing.assert_allclose(updates["b"], np.full(3, -3 * factor[1]), rtol=1e-6)


def test_the_norm_of_many_bfloat16_gradients_is_that_of_float32():
    grads = jnp.ones(1000, jnp.bfloat16) * 0.1
    updates, _ = jaxmlp.clip_by_global_norm(1.0).update({"w": grads, "v": grads}, ())
    norm = np.linalg.norm(np.tile(grads.astype(jnp.float32), 2))
    np.testing.assert_allclose(updates["w"].astype(jnp.float32)[0], float(grads[0]) / norm, rtol=5e-3)


@pytest.mark.parametrize("name", ["clip", "clip_by_global_norm"])
def test_another_bound_compiles_nothing_and_bounds_are_a_batch(name):
    traces = []

    @jax.jit
    def clipped(optimizer):
        traces.append(1)
        return optimizer.update(GRADS, ())[0]

    bounds = jnp.array([0.5, 2.0, 100.0])
    batch = jax.vmap(getattr(jaxmlp, name))(bounds)
    mapped = jax.vmap(lambda optimizer: optimizer.update(GRADS, ())[0])(batch)
    for i, bound in enumerate(bounds.tolist()):
        alone = clipped(getattr(jaxmlp, name)(bound))
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], mapped), alone)
    assert len(traces) == 1


def test_empty_trees_are_clipped_and_chained():
    optimizer = jaxmlp.chain(jaxmlp.clip(1.0), jaxmlp.clip_by_global_norm(1.0), jaxmlp.adam(0.1))
    assert optimizer.update({}, optimizer.init({}))[0] == {}


@pytest.mark.parametrize("name", ["clip", "clip_by_global_norm"])
def test_a_bound_out_of_range_is_refused(name):
    argument = {"clip": "max_delta", "clip_by_global_norm": "max_norm"}[name]
    rule = f"{name}: {argument} must be a finite number of at least 0, got -1.0"
    with pytest.raises(ValueError, match=re.escape(rule)):
        getattr(jaxmlp, name)(-1.0)


# --- chain -----------------------------------------------------------------------------------------------------------


def test_chain_feeds_each_with_the_updates_of_the_one_before():
    optimizer = jaxmlp.chain(jaxmlp.clip(1.0), jaxmlp.momentum(0.1, 0.5), jaxmlp.gd(-2.0 + 3.0))
    state = optimizer.init(GRADS)
    _, state = optimizer.update(GRADS, state)
    updates, state = optimizer.update(GRADS, state)
    assert_close(updates, jax.tree.map(lambda g: 0.1 * 1.5 * jnp.clip(g, -1, 1), GRADS))
    assert len(state) == 3
    assert_close(state[1].trace, jax.tree.map(lambda g: 1.5 * jnp.clip(g, -1, 1), GRADS))


def test_chain_hands_the_params_to_all():
    optimizer = jaxmlp.chain(jaxmlp.adamw(0.1), jaxmlp.clip(1.0))
    with pytest.raises(ValueError, match=re.escape("adamw.update: params must be given")):
        optimizer.update(GRADS, optimizer.init(GRADS))
    assert_close(
        optimizer.update(GRADS, optimizer.init(GRADS), GRADS)[0],
        jaxmlp.adamw(0.1).update(GRADS, jaxmlp.adamw(0.1).init(GRADS), GRADS)[0],
    )


def test_a_chain_of_chains_is_a_tree_of_numbers():
    optimizer = jaxmlp.chain(jaxmlp.chain(jaxmlp.clip(3.0), jaxmlp.gd(0.5)), jaxmlp.clip(1.0))
    assert jax.tree.leaves(optimizer) == [3.0, 0.5, 1.0]
    updates, _ = optimizer.update(GRADS, optimizer.init(GRADS))
    assert_close(updates, {"w": jnp.array([[-1.0, 1.0], [-0.25, -0.125]]), "b": jnp.array(1.0)})


def test_a_chain_of_one_is_that_one():
    optimizer = jaxmlp.chain(jaxmlp.gd(0.5))
    assert_close(optimizer.update(GRADS, optimizer.init(GRADS))[0], jax.tree.map(lambda g: -0.5 * g, GRADS))


def test_the_state_of_a_shorter_chain_is_refused():
    optimizer = jaxmlp.chain(jaxmlp.clip(1.0), jaxmlp.gd(0.5))
    with pytest.raises(ValueError, match="shorter"):
        optimizer.update(GRADS, optimizer.init(GRADS)[:1])


def test_a_chain_of_nothing_is_refused():
    with pytest.raises(
        ValueError, match=re.escape("chain: optimizers must be one or more pairs (init, update), got ()")
    ):
        jaxmlp.chain()


@pytest.mark.parametrize("wrong", [3, None, jaxmlp.adam, "adam", (jaxmlp.adam(0.1),), SimpleNamespace(init=len)])
@pytest.mark.parametrize(
    ("function", "make"),
    [
        ("chain", lambda wrong: jaxmlp.chain(jaxmlp.clip(1.0), wrong)),
        ("projected", lambda wrong: jaxmlp.projected(wrong, lambda params: params)),
        ("cautious", lambda wrong: jaxmlp.cautious(wrong)),
        ("averaged", lambda wrong: jaxmlp.averaged(wrong)),
        ("swa", lambda wrong: jaxmlp.swa(wrong, 10)),
        ("lookahead", lambda wrong: jaxmlp.lookahead(wrong)),
        ("make_train_step", lambda wrong: jaxmlp.make_train_step(lambda params, batch, key: 0.0, wrong)),
        ("init_state", lambda wrong: jaxmlp.init_state(GRADS, wrong, jax.random.key(0))),
    ],
)
def test_what_is_no_optimizer_is_refused(function, make, wrong):
    rule = f"{function}: optimizer must be a pair (init, update), such as adam(1e-3), got {wrong!r}"
    with pytest.raises(TypeError, match=re.escape(rule)):
        make(wrong)


# --- projected -------------------------------------------------------------------------------------------------------


def bounded(params, limit):
    return jax.tree.map(lambda p: jnp.clip(p, -limit, limit), params)


def test_projected_ends_on_the_projection_of_the_step():
    params = {"w": jnp.array([0.5, -1.0, 3.0])}
    optimizer = jaxmlp.projected(jaxmlp.gd(1.0), Partial(bounded, limit=2.0))
    updates, _ = optimizer.update({"w": jnp.array([1.0, 4.0, 0.5])}, optimizer.init(params), params)
    assert_close(jaxmlp.apply_updates(params, updates), {"w": jnp.array([-0.5, -2.0, 2.0])})


def test_projected_keeps_the_inner_state_and_hands_it_the_params():
    params, inner = {"w": jnp.array([0.5, -1.0])}, jaxmlp.adamw(0.1, weight_decay=0.3)
    optimizer = jaxmlp.projected(inner, Partial(bounded, limit=100.0))
    state = optimizer.init(params)
    assert_close(state, inner.init(params))
    assert_close(optimizer.update(params, state, params), inner.update(params, state, params))


def test_any_function_makes_a_projected_optimizer_that_jit_takes():
    optimizer = jaxmlp.projected(jaxmlp.gd(0.5), lambda params: params)
    assert jax.tree.leaves(optimizer) == [0.5]
    updates = jax.jit(lambda optimizer: optimizer.update(GRADS, optimizer.init(GRADS), GRADS)[0])(optimizer)
    assert_close(updates, jax.tree.map(lambda g: -0.5 * g, GRADS))


def test_a_batch_of_projections():
    params, grads = {"w": jnp.array([0.5, -1.0])}, {"w": jnp.array([-4.0, 4.0])}

    def stepped(limit):
        optimizer = jaxmlp.projected(jaxmlp.gd(1.0), Partial(bounded, limit=limit))
        updates, _ = optimizer.update(grads, optimizer.init(params), params)
        return jaxmlp.apply_updates(params, updates)["w"]

    assert_close(jax.vmap(stepped)(jnp.array([1.0, 3.0])), jnp.array([[1.0, -1.0], [3.0, -3.0]]))


def test_projected_without_params_is_refused():
    optimizer = jaxmlp.projected(jaxmlp.gd(1.0), lambda params: params)
    rule = "projected.update: params must be given, as the projection needs them, got None"
    with pytest.raises(ValueError, match=re.escape(rule)):
        optimizer.update(GRADS, optimizer.init(GRADS))


def test_a_projection_that_is_no_function_is_refused():
    with pytest.raises(TypeError, match=re.escape("projected: projection must be a function of params, got 3.0")):
        jaxmlp.projected(jaxmlp.gd(1.0), 3.0)


def test_a_projected_average_is_judged_at_its_projection():
    """Every step goes 0.75 outside of the interval, and half of the average with it."""
    params = {"w": jnp.array([-0.5, 0.5])}
    optimizer = jaxmlp.projected(
        jaxmlp.averaged(jaxmlp.gd(1.0), 0.5, debias=False),
        Partial(lambda params, limit: bounded(params, limit), limit=1.0),
    )
    state = optimizer.init(params)
    assert_close(jaxmlp.evaluation_params(state, params), params)
    for expected in ([-0.875, 0.875], [-1.0, 1.0], [-1.0, 1.0]):  # without projection 0.875, 1.3125, 1.53125
        updates, state = optimizer.update({"w": jnp.array([0.75, -0.75])}, state, params)
        params = jaxmlp.apply_updates(params, updates)
        assert_close(jaxmlp.evaluation_params(state, params), {"w": jnp.array(expected)})
    assert_close(params, {"w": jnp.array([-1.0, 1.0])})
    assert_close(state.inner.average, {"w": jnp.array([-1.53125, 1.53125])})


# --- cautious --------------------------------------------------------------------------------------------------------


def cautious_by_hand(update, gradient, min_share=1e-3):
    """Of one array, as the authors' code has it."""
    mask = (np.asarray(update) * np.asarray(gradient) < 0).astype(float)
    return update * mask / max(mask.mean(), min_share)


def test_cautious_leaves_out_what_points_uphill_in_each_array_by_itself():
    inner = jaxmlp.chain(jaxmlp.momentum(0.1, 0.9))
    optimizer = jaxmlp.cautious(inner)
    state, inner_state = optimizer.init(GRADS), inner.init(GRADS)
    for scale in (1.0, jnp.array([[-0.2, -0.5], [-2.0, 1.0]])):
        grads = {"w": scale * GRADS["w"], "b": GRADS["b"]}
        updates, state = optimizer.update(grads, state)
        plain, inner_state = inner.update(grads, inner_state)
        assert_close(updates, jax.tree.map(cautious_by_hand, plain, grads))
    np.testing.assert_array_equal(updates["w"] == 0, [[True, True], [False, False]])
    assert_close(state, inner_state)


def test_cautious_bounds_the_enlargement():
    grads = jnp.array([1.0] + 99 * [0.0])
    for bound, factor in ((1e-3, 100.0), (0.25, 4.0)):
        optimizer = jaxmlp.cautious(jaxmlp.gd(0.5), bound)
        updates, _ = optimizer.update(grads, optimizer.init(grads))
        np.testing.assert_allclose(updates, -0.5 * factor * grads, rtol=1e-6)
    assert optimizer.update(0.0 * grads, optimizer.init(grads))[0].tolist() == 100 * [0.0]


def test_cautious_compares_signs_even_of_numbers_whose_product_vanishes():
    grads, optimizer = jnp.array([1e-15, -1e-15]), jaxmlp.cautious(jaxmlp.gd(1e-17))
    updates, _ = optimizer.update(grads, optimizer.init(grads))
    np.testing.assert_allclose(updates, [-1e-32, 1e-32], rtol=1e-6)


def test_a_cautious_complex_step_is_that_of_two_vectors():
    optimizer = jaxmlp.cautious(jaxmlp.momentum(1.0, 0.5))
    _, state = optimizer.update(jnp.array([4.0 + 0j, 4.0]), optimizer.init(jnp.zeros(2, jnp.complex64)))
    updates, _ = optimizer.update(jnp.array([-1.0 + 2j, -1.0 + 0.5j]), state)  # Re: -(1 + 2j)(-1 - 2j) > 0, then < 0
    np.testing.assert_allclose(updates, [2 * -(1 + 2j), 0.0], rtol=1e-6)


def test_another_share_compiles_nothing_and_one_of_zero_is_refused():
    traces = []

    @jax.jit
    def updated(optimizer):
        traces.append(1)
        return optimizer.update(GRADS, optimizer.init(GRADS))[0]

    batch = jax.vmap(lambda share: jaxmlp.cautious(jaxmlp.gd(0.5), share))(jnp.array([0.5, 0.1]))
    mapped = jax.vmap(lambda optimizer: optimizer.update(GRADS, optimizer.init(GRADS))[0])(batch)
    for i, share in enumerate((0.5, 0.1)):
        alone = updated(jaxmlp.cautious(jaxmlp.gd(0.5), share))
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], mapped), alone)
    assert len(traces) == 1
    with pytest.raises(ValueError, match=re.escape("cautious: min_share must be a finite number above 0, got 0.0")):
        jaxmlp.cautious(jaxmlp.gd(0.5), 0.0)


# --- apply_updates ---------------------------------------------------------------------------------------------------


def test_apply_updates_adds_in_the_parameters_dtype():
    params = {"w": jnp.array([1.0, 2.0], jnp.bfloat16), "frozen": None}
    new = jaxmlp.apply_updates(params, {"w": jnp.array([0.5, -0.25], jnp.bfloat16), "frozen": None})
    assert new["w"].dtype == jnp.bfloat16
    assert new["w"].tolist() == [1.5, 1.75]
    assert new["frozen"] is None


@pytest.mark.usefixtures("standard_promotion")
def test_apply_updates_of_a_wider_dtype_rounds_once():
    new = jaxmlp.apply_updates(jnp.bfloat16(1.0), jnp.float32(0.503))
    assert (new.dtype, float(new)) == (jnp.bfloat16, 1.5)


@pytest.mark.parametrize("shape", [(4, 1), (1, 4), (), (1,), (5,)])
def test_apply_updates_broadcasts_nothing(shape):
    rule = f"apply_updates: updates['w'] must be of shape (4,), got {shape}"
    with pytest.raises(ValueError, match=re.escape(rule)):
        jaxmlp.apply_updates({"w": jnp.ones(4)}, {"w": jnp.ones(shape)})


def test_apply_updates_of_another_tree_is_refused():
    rule = (
        r"apply_updates: updates must have the parameters' structure PyTreeDef\({'w': \*}\), got PyTreeDef\({'v': \*}\)"
    )
    with pytest.raises(ValueError, match=rule):
        jaxmlp.apply_updates({"w": jnp.ones(4)}, {"v": jnp.ones(4)})
