"""Every optimizer in every dtype: finite at a zero gradient, near float64 after many steps, and at the extremes."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp import optimizers

OTHERS = {
    *("Optimizer", "apply_updates", "as_optimizer", "evaluation_params"),
    *("averaged", "cautious", "chain", "clip", "clip_by_global_norm", "lookahead", "projected", "swa"),
}
OPTIMIZERS = {name: getattr(jaxmlp, name) for name in optimizers.__all__ if name not in OTHERS} | {
    "sgd with momentum": lambda rate: jaxmlp.sgd(rate, 0.9, nesterov=True),
    "rmsprop with everything": lambda rate: jaxmlp.rmsprop(
        rate, eps=0.1, centered=True, momentum=0.5, nesterov=True, bias_correction=True, eps_in_sqrt=False
    ),
    "rmsprop centered": lambda rate: jaxmlp.rmsprop(rate, centered=True),
    "adadelta with decay": lambda rate: jaxmlp.adadelta(rate, weight_decay=0.1),
    "amsgrad of the paper": lambda rate: jaxmlp.amsgrad(rate, bias_correction_mu=False, bias_correction_nu=False),
    "radam with nesterov": lambda rate: jaxmlp.radam(rate, nesterov=True),
    "prodigy": lambda rate: jaxmlp.prodigy(20 * rate, estim_lr0=0.02),
    "ademamix": lambda rate: jaxmlp.ademamix(rate, b3=0.98),
    "shampoo with matrices": lambda rate: jaxmlp.shampoo(rate, 0.5, 0.9, precondition_1d=True, grafting="adagrad"),
    "clip and adam": lambda rate: jaxmlp.chain(jaxmlp.clip(0.5), jaxmlp.adam(rate)),
    "global norm and adam": lambda rate: jaxmlp.chain(jaxmlp.clip_by_global_norm(0.5), jaxmlp.adam(rate)),
    "averaged adam": lambda rate: jaxmlp.averaged(jaxmlp.adam(rate), 0.9),
    "swa of momentum": lambda rate: jaxmlp.swa(jaxmlp.momentum(rate), 20, 3),
    "lookahead of adamw": lambda rate: jaxmlp.lookahead(jaxmlp.adamw(rate), 3, 0.75, reset_state=True),
    "cautious adam": lambda rate: jaxmlp.cautious(jaxmlp.adam(rate)),
    "projected average of adam": lambda rate: jaxmlp.projected(
        jaxmlp.averaged(jaxmlp.adam(rate)), lambda params: params
    ),
    "projected adam": lambda rate: jaxmlp.projected(jaxmlp.adam(rate), lambda params: params),
}
EACH = pytest.mark.parametrize("name", list(OPTIMIZERS))
DTYPES = ["float16", "bfloat16", "float32", "float64", "complex64"]
HALVES = pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])


def steps(optimizer, params, gradients_of, count):
    """The parameters and the state after some steps, in one program."""

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(gradients_of(params), state, params)
        return (jaxmlp.apply_updates(params, updates), state), None

    (params, state), _ = jax.lax.scan(step, (params, optimizer.init(params)), length=count)
    return params, state


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", DTYPES)
@EACH
def test_a_step_at_zero_gradient_is_finite(name, dtype):
    params, optimizer = {"w": jnp.array([0.5, -1.0], dtype), "b": jnp.zeros((), dtype)}, OPTIMIZERS[name](0.25)
    updates, state = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
    new = jaxmlp.apply_updates(params, updates)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((new, state)))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(new)} == {dtype}
    assert new["b"] == 0


CURVATURES, START = np.array([1.0, 0.3, 0.1]), np.array([1.0, -0.75, 0.5])


@functools.cache
def after_fifty(name, dtype, turn=1.0):
    rate, curvatures = 1.0 if "adadelta" in name else 0.05, jnp.asarray(CURVATURES, dtype)
    return steps(OPTIMIZERS[name](rate), jnp.asarray(START * turn, dtype), lambda w: curvatures * w, 50)[0]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", DTYPES)
@EACH
def test_fifty_steps_on_a_quadratic_are_those_of_float64_within_the_resolution(name, dtype):
    # Clipping acts on the real and the imaginary part, so it does not commute with a rotation.
    turn = 0.6 + 0.8j if dtype == "complex64" and name != "clip and adam" else 1.0
    reference = np.asarray(after_fifty(name, "float64")) * turn
    actual = np.asarray(after_fifty(name, dtype, turn))
    actual = actual.astype(np.complex128 if dtype == "complex64" else np.float64)
    assert np.all(np.abs(reference) < 0.97 * np.abs(START))  # far enough from the start to tell
    np.testing.assert_allclose(actual, reference, rtol=0, atol=16 * float(jnp.finfo(dtype).eps))


@pytest.mark.parametrize("size", [1e-3, 300.0])
@HALVES
def test_a_square_beyond_float16_is_not_lost(dtype, size):
    """1e-3 times its square is 1e-9, below the smallest float16: the step would be 1e-3 / eps, which is infinite; 300^2 overflows."""
    for name in ("adam", "amsgrad", "radam", "nadam", "adamw", "rmsprop", "adadelta", "adagrad"):
        grads = jnp.array([size], dtype)
        half, full = (
            getattr(jaxmlp, name)(0.1).update(g, getattr(jaxmlp, name)(0.1).init(g), g)[0]
            for g in (grads, grads.astype(jnp.float32))
        )
        assert half.dtype == dtype
        np.testing.assert_allclose(half.astype(jnp.float32), full, rtol=float(jnp.finfo(dtype).eps), err_msg=name)


@pytest.mark.parametrize("name", ["adam", "adamw", "nadam", "amsgrad", "radam", "adamax"])
@HALVES
def test_the_second_moment_decays_in_half_precision(name, dtype):
    """0.999 is 1 in bfloat16, and 0.999 * v rounds back to v."""
    optimizer = getattr(jaxmlp, name)(0.1)
    grads = jnp.array([1.0], dtype)
    _, state = optimizer.update(grads, optimizer.init(grads), grads)
    first = float(state.nu[0])
    for _ in range(5):
        _, state = optimizer.update(jnp.zeros_like(grads), state, grads)
    np.testing.assert_allclose(float(state.nu[0]) / first, 0.999**5, rtol=1e-5)


def test_small_steps_are_not_lost_in_the_rate_of_half_precision():
    """3e-8 is 0 in float16, and a direction of 1e7 is infinite; their product is neither."""
    grads = jnp.array([6e-5], jnp.float16)
    updates, _ = jaxmlp.adagrad(1e-6, 0.0, eps=1e-20).update(grads, jaxmlp.adagrad(1e-6, 0.0).init(grads))
    np.testing.assert_allclose(updates.astype(jnp.float32), [-1e-6], rtol=0.05)  # a subnormal number
    updates, _ = jaxmlp.gd(1e-7).update(jnp.array([1000.0], jnp.float16), jaxmlp.gd(1e-7).init(grads))
    np.testing.assert_allclose(updates.astype(jnp.float32), [-1e-4], rtol=1e-3)


@EACH
def test_a_count_stays_at_its_maximum(name):
    last = np.iinfo(np.int32).max
    params = {"w": jnp.array([0.5, -1.0])}
    optimizer = OPTIMIZERS[name](0.25)
    state = jax.tree.map(
        lambda leaf: jnp.full_like(leaf, last) if leaf.dtype == jnp.int32 else leaf, optimizer.init(params)
    )
    updates, state = optimizer.update(params, state, params)
    counts = [leaf for leaf in jax.tree.leaves(state) if leaf.dtype == jnp.int32]
    assert {int(count) for count in counts} == {last}
    assert bool(jnp.isfinite(updates["w"]).all())
    assert float(updates["w"][0]) < 0 < float(updates["w"][1])


def test_nadam_looks_ahead_of_the_maximal_count():
    optimizer = jaxmlp.nadam(0.1, eps=0.0)
    state = optimizer.init(jnp.zeros(1))._replace(count=jnp.int32(np.iinfo(np.int32).max))
    updates, _ = optimizer.update(jnp.ones(1), state)
    np.testing.assert_allclose(updates, [-0.1 * 0.19 / 0.001**0.5], rtol=1e-4)


def test_both_averages_of_a_variance_are_of_float32():
    state = jaxmlp.rmsprop(0.1, centered=True).init(jnp.ones(2, jnp.bfloat16))
    assert state.mu.dtype == state.nu.dtype == jnp.float32


# --- decays near 1 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", [5e-4, 1e-5, 1e-7])
@pytest.mark.parametrize("count", [1, 2, 10, 1000, 10**6])
def test_the_bias_correction_of_a_decay_near_1(rest, count):
    """As Python's own floats compute it; 1 - b2^t in float32 is 9 % off in Adam's first step at b2 = 1 - 1e-7."""
    square = rest * 4.0
    state = optimizers.adam_family.AdamState(
        jnp.int32(count - 1), jnp.zeros(1), jnp.full(1, square / (1 - rest), jnp.float32)
    )
    updates, _ = jaxmlp.adam(0.1, b1=0.0, b2=1 - rest).update(jnp.full(1, 1e-3), state)
    square = square + rest * 1e-6
    expected = -0.1 * 1e-3 / np.sqrt(square / -np.expm1(count * np.log1p(-rest)))
    np.testing.assert_allclose(updates, [expected], rtol=1e-5)


@pytest.mark.parametrize("rest", [8e-4, 5e-4, 1e-5, 1e-7])
def test_radam_decides_rightly_for_a_decay_near_1(rest):
    """rho_t is t - t^2 (1 - b2) / 6 for small t: below 5 at the fifth step, above at the sixth."""
    optimizer = jaxmlp.radam(0.1, b1=0.0, b2=1 - rest, eps=0.0)
    state, sizes = optimizer.init(jnp.zeros(1)), []
    for _ in range(7):
        updates, state = optimizer.update(jnp.full(1, 30.0), state)
        sizes.append(-float(updates[0]))
    np.testing.assert_allclose(sizes[:5], 5 * [3.0], rtol=1e-6)
    limit, b2 = 2 / rest - 1, 1 - rest
    for t in (6, 7):
        rho = t - t * t * rest / 6
        ratio = np.sqrt((rho - 4) * (rho - 2) / ((limit - 4) * (limit - 2) * rho) * limit)
        np.testing.assert_allclose(sizes[t - 1], 0.1 * ratio, rtol=2e-3, err_msg=f"{b2}")


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("rest", "rtol"), [(0.0999, 6e-7), (0.03, 2e-8), (8.9e-4, 3e-8), (3e-5, 3e-8)])
@pytest.mark.parametrize("steps_done", [1, 7, 300, 1200, 50_000, 10**7])
def test_rho_of_radam_near_1_is_its_formula(rest, rtol, steps_done):
    numbers = jnp.asarray(rest), jnp.asarray(float(steps_done))
    power = (1 - np.longdouble(rest)) ** steps_done
    exact = 2 / np.longdouble(rest) - 1 - 2 * steps_done * power / (1 - power)
    np.testing.assert_allclose(optimizers.adam_variants._rho_near_1(*numbers), float(exact), rtol=rtol)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999])
def test_a_bias_correction_is_exact_in_float32(decay):
    counts = np.array([1, 2, 3, 7, 20, 100, 1000, 5000, 10**6])
    exact = 1 / (1 - np.longdouble(decay) ** counts)
    known = [optimizers.base.debiased(jnp.float32(1.0), decay, jnp.int32(count)) for count in counts]
    np.testing.assert_allclose(known, exact.astype(float), rtol=5e-7)
    rounded = np.longdouble(np.float32(decay))
    traced = jax.jit(lambda d, count: optimizers.base.debiased(jnp.float32(1.0), d, count))
    found = [traced(jnp.float32(decay), jnp.int32(count)) for count in counts]
    np.testing.assert_allclose(found, (1 / (1 - rounded**counts)).astype(float), rtol=5e-7)


def test_decays_that_do_not_cancel_take_the_plain_formula_to_the_bit():
    for decay in (0.5, 0.9):
        for count in (1, 2, 7, 100):
            plain = jnp.float32(1.25) * (1 / (1 - jax.lax.pow(jnp.float32(decay), jnp.float32(count))))
            assert optimizers.base.debiased(jnp.float32(1.25), decay, jnp.int32(count)) == plain


@pytest.mark.parametrize("b2", [0.8, 0.9, 0.95, 0.99, 0.999, 0.9999])
def test_radam_rectifies_exactly_in_float32(b2):
    for count in (6, 7, 20, 100, 1000, 10**5):
        power, limit = np.longdouble(b2) ** count, 2 / (1 - np.longdouble(b2)) - 1
        rho = limit - 2 * count * power / (1 - power)
        ratio = np.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
        found = optimizers.adam_variants._rectification(b2, jnp.int32(count), 4.0)
        np.testing.assert_allclose(found, [float(rho), float(ratio)], rtol=4e-6)


@pytest.mark.parametrize("name", ["adam", "nadam", "adamw", "amsgrad", "radam"])
def test_decays_that_are_rounded_to_1_give_plain_means(name):
    """As 1 - b approaches 0, debiased averages become means: of 3 and 1 it is 2, of their squares 5."""

    @jax.jit
    def last_update(decays):
        optimizer = getattr(jaxmlp, name)(0.1, **decays, eps=0.0)
        state = optimizer.init(jnp.zeros(1))
        for gradient in (3.0, 1.0):
            update, state = optimizer.update(jnp.full(1, gradient), state, jnp.zeros(1))
        return update

    update = last_update({"b1": np.float32(1 - 1e-9), "b2": np.float32(1 - 1e-9)})
    look_ahead = {"nadam": 4.0 / 3.0 + 1.0 / 2.0}
    mean, square = look_ahead.get(name, 2.0), {"amsgrad": 9.0, "radam": 1.0}.get(name, 5.0)
    np.testing.assert_allclose(update, [-0.1 * mean / np.sqrt(square)], rtol=1e-6)


# --- norms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e-20, 1e-12, 1.0, 1e15, 1e25, 1e38])
@pytest.mark.parametrize("kind", [jnp.float32, jnp.complex64])
def test_a_norm_neither_overflows_nor_vanishes(scale, kind):
    grads = {"w": jnp.array([1.8 * scale, -2.4 * scale], kind)}
    bound = 0.3 * scale
    updates, _ = jaxmlp.clip_by_global_norm(bound).update(grads, ())
    np.testing.assert_allclose(np.asarray(updates["w"]) / scale, [0.18, -0.24], rtol=1e-5)
    updates, _ = jaxmlp.clip_by_global_norm(3.1 * scale).update(grads, ())
    np.testing.assert_array_equal(updates["w"], grads["w"])


def test_a_large_gradient_is_clipped_to_a_small_bound():
    updates, _ = jaxmlp.clip_by_global_norm(1.0).update({"w": jnp.array([3e38, 3e38, -3e38, 3e38])}, ())
    np.testing.assert_allclose(updates["w"], [0.5, 0.5, -0.5, 0.5], rtol=1e-6)
    updates, _ = jaxmlp.clip_by_global_norm(1.0).update({"w": jnp.array([300.0, 400.0], jnp.float16)}, ())
    np.testing.assert_allclose(updates["w"].astype(jnp.float32), [0.6, 0.8], rtol=1e-3)


def test_float64_norms(x64):
    for scale in (1e-300, 1e300):
        updates, _ = jaxmlp.clip_by_global_norm(scale).update(jnp.array([3.0, 4.0]) * scale, ())
        np.testing.assert_allclose(updates / scale, [0.6, 0.8], rtol=1e-12)


def test_a_gradient_that_is_not_finite_stays_so():
    for bad in (jnp.nan, jnp.inf):
        updates, _ = jaxmlp.clip_by_global_norm(1.0).update(jnp.array([bad, 1.0]), ())
        assert not bool(jnp.isfinite(updates[0]))


# --- complex parameters ----------------------------------------------------------------------------------------------


def test_complex_gradients_are_clipped_in_each_part():
    updates, _ = jaxmlp.clip(1.0).update(jnp.array([3.0 - 0.5j, 0.25 + 4j]), ())
    np.testing.assert_array_equal(updates, [1.0 - 0.5j, 0.25 + 1j])


@pytest.mark.parametrize(
    "name", ["rmsprop centered", "amsgrad of the paper", "radam with nesterov", "sgd with momentum"]
)
def test_a_rotated_complex_gradient_rotates_the_steps(name):
    turn = 0.6 + 0.8j
    real, _ = steps(OPTIMIZERS[name](0.05), jnp.array([2.0, 0.5]), lambda w: w, 10)
    rotated, _ = steps(OPTIMIZERS[name](0.05), jnp.array([2.0 * turn, 0.5 * turn]), lambda w: w, 10)
    np.testing.assert_allclose(rotated, np.asarray(real) * turn, rtol=2e-5)


def test_second_moments_of_complex_parameters_are_real():
    params = jnp.array([1 + 2j])
    for name in ("adam", "amsgrad", "radam", "adamax", "rmsprop"):
        assert getattr(jaxmlp, name)(0.1).init(params).nu.dtype == jnp.float32


# --- extra arguments -------------------------------------------------------------------------------------------------


@EACH
def test_extra_arguments_in_the_sense_of_optax_are_ignored(name):
    params = {"w": jnp.array([0.5, -1.0])}
    optimizer = OPTIMIZERS[name](0.1)
    plain = optimizer.update(params, optimizer.init(params), params)
    extra = optimizer.update(
        params, optimizer.init(params), params, value=jnp.float32(1.0), grad=params, value_fn=lambda p: 1.0
    )
    jax.tree.map(np.testing.assert_array_equal, extra, plain)
    assert any(p.kind is p.VAR_KEYWORD for p in inspect.signature(optimizer.update).parameters.values())


def by_value():
    """A foreign transformation that needs an extra argument."""
    return optax.GradientTransformationExtraArgs(
        lambda params: (),
        lambda updates, state, params=None, *, value, **_: (jax.tree.map(lambda u: value * u, updates), state),
    )


def named_value():
    """A foreign transformation that takes one extra argument by name and no others."""
    return lambda params: (), lambda updates, state, params=None, value=0.0: (value * updates, state)


@pytest.mark.parametrize("link", [by_value(), named_value()])
def test_chain_and_projected_hand_extra_arguments_to_the_links_that_accept_them(link):
    w = jnp.array([2.0])
    inner = jaxmlp.chain(optax.scale(0.5), link, jaxmlp.gd(1.0))
    for optimizer in (inner, jaxmlp.chain(jaxmlp.chain(inner)), jaxmlp.projected(inner, lambda params: params)):
        updates, _ = optimizer.update(w, optimizer.init(w), w, value=3.0, grad=w)
        np.testing.assert_allclose(updates, [-3.0])
