"""Every optimizer: optax's trajectory, the paper's formula, one program for all of its numbers, and clear errors."""

import functools
import inspect
import math
import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import jaxmlp
from jaxmlp import optimizers
from jaxmlp.leaves import Static

BIASES = [{"w": False, "b": True}, True]
MATRIX = [{"w": True, "b": False}, False]


def not_the_matrix(params):
    return [{"w": False, "b": True}, True]


FADING = jaxmlp.exponential_decay(0.2, 1, 0.9)


# Where optax has no function of the name, the one that says the same.
REFERENCES = {
    "gd": lambda learning_rate: optax.sgd(learning_rate),
    "momentum": lambda learning_rate, decay=0.9: optax.sgd(learning_rate, decay),
    "nesterov": lambda learning_rate, decay=0.9: optax.sgd(learning_rate, decay, nesterov=True),
}

# optax weighs Adan's differences by 1 - b2, the paper by b2: both are the same for this one.
AS_OPTAX = {"adan": {"b2": 0.5}}

# Arguments other than the defaults, with every combination of flags that takes another path.
CASES = {
    "gd": [{}],
    "sgd": [
        {},
        {"momentum": 0.8},
        {"momentum": 0.7, "nesterov": True},
        {"nesterov": True},
    ],
    "momentum": [{"decay": 0.8}],
    "nesterov": [{"decay": 0.7}],
    "adagrad": [
        {"initial_accumulator_value": 0.3, "eps": 1e-2},
        {"initial_accumulator_value": 0.0},
    ],
    "rmsprop": [
        {"decay": 0.8, "eps": 1e-3, "initial_scale": 0.5},
        {"decay": 0.8, "eps": 1e-3, "eps_in_sqrt": False, "momentum": 0.6},
        {"decay": 0.7, "eps": 1e-2, "centered": True, "initial_scale": 0.5, "momentum": 0.6, "nesterov": True},
        {"decay": 0.7, "eps": 1e-2, "centered": True, "eps_in_sqrt": False, "initial_scale": 0.1},
        {"decay": 0.7, "eps": 1e-2, "centered": True, "bias_correction": True},
        {"decay": 0.8, "eps": 1e-3, "bias_correction": True, "momentum": 0.5},
    ],
    "adadelta": [
        {"rho": 0.8, "eps": 1e-3},
        {"rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "weight_decay_mask": BIASES},
        {"weight_decay": 0.2, "weight_decay_mask": not_the_matrix},
    ],
    "adam": [
        {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "eps_root": 1e-2},
        {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "eps_root": 1e-2, "nesterov": True},
    ],
    "nadam": [{"b1": 0.8, "b2": 0.95, "eps": 1e-3, "eps_root": 1e-2}],
    "adamw": [
        {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "eps_root": 1e-2, "weight_decay": 0.1, "nesterov": True},
        {"weight_decay": FADING, "mask": BIASES},
        {"weight_decay": 0.3, "mask": not_the_matrix},
    ],
    "amsgrad": [
        {"b1": 0.8, "b2": 0.7, "eps": 1e-3, "eps_root": 1e-2},
        {"b1": 0.8, "b2": 0.7, "eps": 1e-3, "bias_correction_mu": False},
        {"b1": 0.8, "b2": 0.7, "eps": 1e-3, "bias_correction_nu": False},
    ],
    "radam": [
        {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "eps_root": 1e-2},
        {"b1": 0.8, "b2": 0.95, "threshold": 6.0, "nesterov": True},
    ],
    "adamax": [{"b1": 0.8, "b2": 0.95, "eps": 1e-3}],
    "lion": [
        {"b1": 0.8, "b2": 0.95, "weight_decay": 0.1, "mask": BIASES},
        {"weight_decay": FADING, "mask": not_the_matrix},
    ],
    "adan": [
        {"b1": 0.8, "b2": 0.5, "b3": 0.95, "eps": 1e-3, "eps_root": 1e-2},
        {"b1": 0.7, "b2": 0.5, "b3": 0.9, "weight_decay": FADING, "mask": BIASES},
    ],
    "ademamix": [
        {"b1": 0.8, "b2": 0.95, "b3": 0.98, "alpha": 3.0, "eps": 1e-3, "eps_root": 1e-2},
        {
            "b3": jaxmlp.half_life_schedule(0.8, 0.99, 50),
            "alpha": jaxmlp.linear_schedule(0.0, 2.0, 60),
            "weight_decay": 0.1,
            "mask": not_the_matrix,
        },
    ],
    "prodigy": [
        {"betas": (0.8, 0.95), "eps": 1e-3, "estim_lr0": 0.3, "estim_lr_coef": 1.5, "weight_decay": 0.1},
        {"beta3": 0.7, "estim_lr0": 0.1, "safeguard_warmup": True},
    ],
    "schedule_free_sgd": [
        {"b1": 0.8, "weight_decay": 0.1, "weight_lr_power": 1.5},
        {"b1": 0.6},
    ],
    "schedule_free_adamw": [
        {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "weight_decay": 0.1, "weight_lr_power": 1.5},
        {"b1": 0.95, "state_dtype": "float64"},
    ],
    "muon": [
        {"beta": 0.8, "eps": 0.3, "ns_coeffs": (3.0, -3.2, 1.2), "ns_steps": 3, "adam_b1": 0.7, "adam_b2": 0.95},
        {"weight_decay": 0.1, "weight_decay_mask": MATRIX, "adam_weight_decay": 0.2, "adam_learning_rate": FADING},
        {"weight_decay": 0.1, "weight_decay_mask": not_the_matrix, "adam_eps_root": 1e-2, "nesterov": False},
        {"ns_coeffs": "dion", "adaptive": True, "mu_dtype": jnp.float64},
        {"preconditioning": "spectral", "consistent_rms": 0.3, "eps": 1e-2},
        {"preconditioning": "aol", "ns_coeffs": (1.5, -0.5, 0.0)},
        {"preconditioning": "schatten", "ns_steps": 4},
    ],
    "shampoo": [{"momentum": 0.7, "b2": 0.9, "eps": 1e-2, "precondition_frequency": 2, "grafting": "adagrad"}],
    "soap": [{"b1": 0.8, "b2": 0.7, "shampoo_beta": 0.6, "eps": 1e-2, "weight_decay": 0.0}],
}
NOT_OPTAXS = ("shampoo", "soap")  # pinned by NumPy in files of their own
OPTAXS = [name for name in CASES if name not in NOT_OPTAXS]
ROWS = [pytest.param(name, row, id=f"{name}{row}") for name in OPTAXS for row in range(len(CASES[name]))]
EACH = pytest.mark.parametrize("name", list(CASES))
EACH_OPTAXS = pytest.mark.parametrize("name", OPTAXS)
FIRST = {name: {k: v for k, v in rows[0].items() if k != "mask"} for name, rows in CASES.items()}
# These move the parameters to a point of their own, wherever they are: `updates_of` says little about them.
AVERAGING = ("schedule_free_sgd", "schedule_free_adamw")
STEPPING = pytest.mark.parametrize("name", [name for name in CASES if name not in AVERAGING])
WITH_MU_DTYPE = [name for name in CASES if "mu_dtype" in inspect.signature(getattr(jaxmlp, name)).parameters]


def ours(name, learning_rate, **arguments):
    return getattr(jaxmlp, name)(learning_rate, **arguments)


def optaxs(name, learning_rate, **arguments):
    return (REFERENCES.get(name) or of_optax(name))(learning_rate, **arguments)


def of_optax(name):
    return getattr(optax, name, None) or getattr(optax.contrib, name)


def nested(dtype=None):
    matrix = jnp.array([[0.5, -1.2, 1.4], [-0.3, 0.9, -1.6]], dtype)
    return [{"w": matrix, "b": jnp.array([1.1, -0.4], dtype)}, jnp.array(-0.7, dtype)]


def gradients_of(params):
    """Of the sum of x^4 / 4 - x^2 / 2 + 0.3 x: two valleys and a ridge."""
    return jax.tree.map(lambda x: x**3 - x + jnp.asarray(0.3, x.dtype), params)


def trajectory(optimizer, params, steps=100):
    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(gradients_of(params), state, params)
        params = jax.tree.map(jnp.add, params, updates)
        return (params, state), params

    return jax.lax.scan(step, (params, optimizer.init(params)), length=steps)[1]


@functools.cache
def optaxs_trajectory(name, row):
    with jax.numpy_dtype_promotion("standard"), jax.enable_x64(True):
        reference = optaxs(name, 0.02, **CASES[name][row])
        return jax.jit(partial(trajectory, reference))(nested())


def assert_close(actual, expected, rtol, atol=0.0):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=atol), actual, expected)


def updates_of(optimizer, gradients, params=1.5):
    """The updates for a sequence of gradients of one scalar weight, which stays where it is."""
    params = {"w": jnp.asarray(params, float)}
    state, out = optimizer.init(params), []
    for gradient in gradients:
        updates, state = optimizer.update({"w": jnp.asarray(gradient, float)}, state, params)
        out.append(float(updates["w"]))
    return out


GRADIENTS = (0.5, -2.0, 0.1, 0.8, -1.1)


# --- the table -------------------------------------------------------------------------------------------------------


def test_no_optimizer_is_missing_from_the_table():
    others = {
        *("Optimizer", "apply_updates", "as_optimizer", "evaluation_params"),
        *("averaged", "cautious", "chain", "clip", "clip_by_global_norm", "lookahead", "projected", "swa"),
    }
    assert set(optimizers.__all__) - others == set(CASES)


@pytest.mark.parametrize("name", [name for name in OPTAXS if name not in REFERENCES])
def test_signature_is_optaxs(name):
    own, theirs = (inspect.signature(made).parameters.values() for made in (getattr(jaxmlp, name), of_optax(name)))
    expected = [(p.name, p.default, p.kind) for p in theirs]
    if name == "amsgrad":
        expected.append(("maximum_first", False, inspect.Parameter.KEYWORD_ONLY))
    if name == "nadam":  # one that can turn its look-ahead off is `adam`
        expected = expected[:-1]
    if name == "adadelta":  # optax's None leaves out the minus sign too
        expected[0] = ("learning_rate", 1.0, expected[0][2])
    if name == "muon":
        renamed = {"muon_weight_dimension_numbers": "matrices"}
        expected = [(renamed.get(argument, argument), *rest) for argument, *rest in expected]
    assert [(p.name, p.default, p.kind) for p in own] == expected


# --- the formulas, with Python's numbers -----------------------------------------------------------------------------

ETA, B1, B2, EPS, ROOT = 0.1, 0.7, 0.8, 0.01, 0.02


def gd_by_hand():
    for g in GRADIENTS:
        yield -ETA * g


def momentum_by_hand():
    t = 0.0
    for g in GRADIENTS:
        t = g + B1 * t
        yield -ETA * t


def nesterov_by_hand():
    t = 0.0
    for g in GRADIENTS:
        t = g + B1 * t
        yield -ETA * (g + B1 * t)


def adagrad_by_hand():
    s = 0.3
    for g in GRADIENTS:
        s = s + g**2
        yield -ETA * g / math.sqrt(s + EPS)


def rmsprop_by_hand():
    v = 0.4
    for g in GRADIENTS:
        v = B2 * v + (1 - B2) * g**2
        yield -ETA * g / math.sqrt(v + EPS)


def centered_rmsprop_by_hand():
    m, v, t = 0.0, 0.4, 0.0
    for g in GRADIENTS:
        m = B2 * m + (1 - B2) * g
        v = B2 * v + (1 - B2) * g**2
        t = -ETA * g / (math.sqrt(v - m**2) + EPS) + B1 * t
        yield t


def debiased_rmsprop_by_hand():
    v = 0.0
    for t, g in enumerate(GRADIENTS, 1):
        v = B2 * v + (1 - B2) * g**2
        yield -ETA * g / math.sqrt(v / (1 - B2**t) + EPS)


def adadelta_by_hand():
    mean_g = mean_x = 0.0
    for g in GRADIENTS:
        g = g + 0.3 * 1.5  # the decayed weight
        mean_g = B2 * mean_g + (1 - B2) * g**2
        d = math.sqrt(mean_x + EPS) / math.sqrt(mean_g + EPS) * g
        mean_x = B2 * mean_x + (1 - B2) * d**2
        yield -ETA * d


def moments():
    """Of Adam: the step, the gradient, the raw moments."""
    m = v = 0.0
    for t, g in enumerate(GRADIENTS, 1):
        m = B1 * m + (1 - B1) * g
        v = B2 * v + (1 - B2) * g**2
        yield t, g, m, v


def adam_by_hand():
    for t, _, m, v in moments():
        yield -ETA * (m / (1 - B1**t)) / (math.sqrt(v / (1 - B2**t) + ROOT) + EPS)


def nadam_by_hand():
    for t, g, m, v in moments():
        mean = B1 * m / (1 - B1 ** (t + 1)) + (1 - B1) * g / (1 - B1**t)
        yield -ETA * mean / (math.sqrt(v / (1 - B2**t) + ROOT) + EPS)


def adamw_by_hand():
    for update in adam_by_hand():
        yield update - ETA * 0.3 * 1.5


def amsgrad_by_hand():
    largest = 0.0
    for t, _, m, v in moments():
        largest = max(largest, v / (1 - B2**t))
        yield -ETA * (m / (1 - B1**t)) / (math.sqrt(largest + ROOT) + EPS)


def radam_by_hand():
    limit = 2 / (1 - B2) - 1
    for t, _, m, v in moments():
        mean, square = m / (1 - B1**t), v / (1 - B2**t)
        rho = limit - 2 * t * B2**t / (1 - B2**t)
        if rho < 4:
            yield -ETA * mean
        else:  # from the fifth step on
            ratio = (rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)
            yield -ETA * math.sqrt(ratio) * mean / (math.sqrt(square + ROOT) + EPS)


def adamax_by_hand():
    u = 0.0
    for t, g, m, _ in moments():
        u = max(B2 * u, abs(g) + EPS)
        yield -ETA * m / (1 - B1**t) / u


def lion_by_hand():
    m = 0.0
    for g in GRADIENTS:
        yield -ETA * (math.copysign(1.0, B1 * m + (1 - B1) * g) + 0.3 * 1.5)
        m = B2 * m + (1 - B2) * g


def adan_by_hand():
    before, m, v, n = GRADIENTS[0], 0.0, 0.0, 0.0
    for t, g in enumerate(GRADIENTS, 1):
        m = B1 * m + (1 - B1) * g
        v = B2 * v + (1 - B2) * (g - before)
        n = B3 * n + (1 - B3) * (g + B2 * (g - before)) ** 2
        before = g
        mean = m / (1 - B1**t) + B2 * v / (1 - B2**t)
        yield -ETA * (mean / (math.sqrt(n / (1 - B3**t) + ROOT) + EPS) + 0.3 * 1.5)


def ademamix_by_hand():
    slow = 0.0
    for t, g, m, v in moments():
        slow = B3 * slow + (1 - B3) * g
        mean = m / (1 - B1**t) + 4.0 * slow
        yield -ETA * (mean / (math.sqrt(v / (1 - B2**t) + ROOT) + EPS) + 0.3 * 1.5)


B3 = 0.9


def muon_by_hand():
    return nadam_by_hand()  # scalars go to Adam


def shampoo_by_hand():
    mean = total = 0.0
    for g in GRADIENTS:
        mean, total = B1 * mean + (1 - B1) * g, total + g**2
        yield -ETA * (mean / math.sqrt(total + EPS) + 0.3 * 1.5)


def soap_by_hand():
    yield 0.0
    m = v = 0.0
    for t, g in enumerate(GRADIENTS[1:], 1):
        m, v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g**2
        step = ETA * m / (math.sqrt(v) + EPS) * math.sqrt(1 - B2**t) / (1 - B1**t)
        yield -step - ETA * 0.3 * (1.5 - step)


ADAM: dict[str, Any] = {"b1": B1, "b2": B2, "eps": EPS, "eps_root": ROOT}
BY_HAND = {
    gd_by_hand: jaxmlp.gd(ETA),
    momentum_by_hand: jaxmlp.momentum(ETA, B1),
    nesterov_by_hand: jaxmlp.nesterov(ETA, B1),
    adagrad_by_hand: jaxmlp.adagrad(ETA, 0.3, EPS),
    rmsprop_by_hand: jaxmlp.rmsprop(ETA, B2, EPS, initial_scale=0.4),
    centered_rmsprop_by_hand: jaxmlp.rmsprop(ETA, B2, EPS, 0.4, eps_in_sqrt=False, centered=True, momentum=B1),
    debiased_rmsprop_by_hand: jaxmlp.rmsprop(ETA, B2, EPS, bias_correction=True),
    adadelta_by_hand: jaxmlp.adadelta(ETA, B2, EPS, 0.3),
    adam_by_hand: jaxmlp.adam(ETA, **ADAM),
    nadam_by_hand: jaxmlp.nadam(ETA, **ADAM),
    adamw_by_hand: jaxmlp.adamw(ETA, **ADAM, weight_decay=0.3),
    amsgrad_by_hand: jaxmlp.amsgrad(ETA, **ADAM),
    radam_by_hand: jaxmlp.radam(ETA, **ADAM, threshold=4.0),
    adamax_by_hand: jaxmlp.adamax(ETA, B1, B2, EPS),
    lion_by_hand: jaxmlp.lion(ETA, B1, B2, weight_decay=0.3),
    adan_by_hand: jaxmlp.adan(ETA, **ADAM, b3=B3, weight_decay=0.3),
    ademamix_by_hand: jaxmlp.ademamix(ETA, **ADAM, b3=B3, alpha=4.0, weight_decay=0.3),
    muon_by_hand: jaxmlp.muon(ETA, eps=EPS, adam_b1=B1, adam_b2=B2, adam_eps_root=ROOT),
    shampoo_by_hand: jaxmlp.shampoo(ETA, B1, eps=EPS, weight_decay=0.3),
    soap_by_hand: jaxmlp.soap(ETA, B1, B2, eps=EPS, weight_decay=0.3),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("by_hand", list(BY_HAND), ids=lambda rule: rule.__name__)
def test_steps_by_hand(by_hand):
    np.testing.assert_allclose(updates_of(BY_HAND[by_hand], GRADIENTS), list(by_hand()), rtol=1e-13)


# --- against optax ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("name", "row"), ROWS)
def test_trajectory_is_optaxs_in_float64(name, row):
    own = jax.jit(trajectory)(ours(name, 0.02, **CASES[name][row]), nested())
    assert_close(own, optaxs_trajectory(name, row), rtol=1e-12)


@EACH_OPTAXS
def test_trajectory_is_optaxs_in_float32(name):
    """100 steps of float32 stay within 2e-5 of optax's of float64."""
    own = jax.jit(trajectory)(ours(name, 0.02, **CASES[name][0]), nested(jnp.float32))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(own))
    assert_close(own, optaxs_trajectory(name, 0), rtol=2e-5, atol=2e-5)


@pytest.mark.usefixtures("x64", "standard_promotion")
@pytest.mark.parametrize("name", [name for name in OPTAXS if name not in AVERAGING])
def test_defaults_are_optaxs(name):
    own, theirs = (function(name, 0.1, **AS_OPTAX.get(name, {})) for function in (ours, optaxs))
    np.testing.assert_allclose(updates_of(own, GRADIENTS), updates_of(theirs, GRADIENTS), rtol=1e-12)


@pytest.mark.usefixtures("x64", "standard_promotion")
@STEPPING
def test_a_schedule_is_read_at_the_steps_done_before(name):
    rates = [0.1 * 0.5**count for count in range(len(GRADIENTS))]
    constant = updates_of(ours(name, 1.0, **FIRST[name]), GRADIENTS)
    for schedule in (jaxmlp.exponential_decay(0.1, 1, 0.5), optax.exponential_decay(0.1, 1, 0.5)):
        actual = updates_of(ours(name, schedule, **FIRST[name]), GRADIENTS)
        np.testing.assert_allclose(actual, np.multiply(rates, constant), rtol=1e-7)  # optax's schedule is of float32
    if name in OPTAXS:
        expected = updates_of(optaxs(name, optax.exponential_decay(0.1, 1, 0.5), **FIRST[name]), GRADIENTS)
        np.testing.assert_allclose(actual, expected, rtol=1e-7)


@pytest.mark.parametrize("name", [name for name in OPTAXS if name not in ("adadelta", "prodigy", *AVERAGING)])
def test_complex_parameters_are_optaxs(name):
    params, grads = {"w": jnp.array([1 + 2j, -0.5 + 0.3j])}, {"w": jnp.array([0.3 - 1j, 2j])}
    optimizer, reference = (function(name, 0.1, **AS_OPTAX.get(name, {})) for function in (ours, optaxs))
    state = optimizer.init(params)
    for _ in range(2):
        updates, state = optimizer.update(grads, state, params)
    with jax.numpy_dtype_promotion("standard"):
        reference_state = reference.init(params)
        for _ in range(2):
            expected, reference_state = reference.update(grads, reference_state, params)
    assert_close(updates, expected, rtol=2e-5)
    assert updates["w"].dtype == params["w"].dtype


def test_complex_adadelta_averages_squared_magnitudes():
    """Where optax averages g^2: a rotation of the gradient rotates the step."""
    turn, optimizer = 0.6 + 0.8j, jaxmlp.adadelta(0.1)
    steps = []
    for grads in (jnp.array([2.0, 0.5]), jnp.array([2.0 * turn, 0.5 * turn])):
        state = optimizer.init(grads)
        for _ in range(2):
            updates, state = optimizer.update(grads, state)
        steps.append(updates)
    np.testing.assert_allclose(steps[1], np.asarray(steps[0]) * turn, rtol=1e-5)


# --- one program -----------------------------------------------------------------------------------------------------

TRACES = []


@jax.jit
def counted_update(optimizer, grads, state, params):
    TRACES.append(optimizer)
    return optimizer.update(grads, state, params)


PARAMS = {"w": [jnp.array([0.5, -1.2, 1.4])], "b": jnp.array(0.3), "m": jnp.array([[0.2, -0.9], [1.1, 0.4]])}
GRADS = {"w": [jnp.array([-0.5, 2.2, 1.0])], "b": jnp.array(-0.4), "m": jnp.array([[0.6, -0.8], [0.3, 1.7]])}
REST = {"ademamix": 2e-4}  # 1 - 0.9999 in float32; 2e-5 suffices for 1 - 0.999


def numbers(name, scale):
    """Arguments of which every number is another one at another scale."""
    parameters = list(inspect.signature(getattr(jaxmlp, name)).parameters.values())[1:]
    values = {p.name: p.default for p in parameters if isinstance(p.default, float)}
    if name in ("rmsprop", "sgd"):
        values["momentum"] = 0.9
    scaled: dict[str, Any] = {argument: value * scale for argument, value in values.items()}
    if name == "prodigy":
        scaled["betas"] = (0.9 * scale, 0.999 * scale)
    return scaled | {"threshold": 5.0 / scale} if name == "radam" else scaled


@EACH
def test_jit_changes_nothing_and_another_number_compiles_nothing(name):
    optimizer = ours(name, 0.1, **numbers(name, 1.0))
    state = optimizer.init(PARAMS)
    jitted = counted_update(optimizer, GRADS, state, PARAMS)
    assert_close(jitted, optimizer.update(GRADS, state, PARAMS), rtol=REST.get(name, 2e-5))
    before = len(TRACES)
    for scale in (0.7, 0.9):
        other = ours(name, 0.03, **numbers(name, scale))
        assert_close(counted_update(other, GRADS, state, PARAMS), other.update(GRADS, state, PARAMS), rtol=2e-5)
    assert len(TRACES) == before


@EACH
def test_vmap_over_learning_rates_is_a_loop(name):
    rates = jnp.array([0.1, 0.0, 0.03])
    batch = jax.vmap(getattr(jaxmlp, name))(rates)
    state = jax.vmap(lambda optimizer: optimizer.init(PARAMS))(batch)
    update = jax.vmap(lambda optimizer, state: optimizer.update(GRADS, state, PARAMS))
    updates, states = update(batch, state)
    for i, rate in enumerate(rates):
        optimizer = ours(name, rate)
        alone = optimizer.update(GRADS, optimizer.init(PARAMS), PARAMS)
        row = jax.tree.map(lambda leaf, i=i: leaf[i], (updates, states))
        assert_close(row, alone, rtol=REST.get(name, 2e-5), atol=1e-7)


def test_every_number_may_be_traced():
    def update(name, values):
        optimizer = ours(name, values["learning_rate"], **{k: v for k, v in values.items() if k != "learning_rate"})
        return optimizer.update(GRADS, optimizer.init(PARAMS), PARAMS)

    for name in CASES:
        values = {"learning_rate": 0.1} | numbers(name, 1.0)
        jax.eval_shape(partial(update, name), jax.tree.map(jnp.float32, values))


def test_train_step_compiles_once_for_all_numbers_of_new_optimizers():
    traces = []

    def loss_fn(params, batch, key):
        traces.append(1)
        return jnp.sum(jnp.square(params["w"][0])) + jnp.square(params["b"])

    def loss_after_a_step(optimizer):
        step = jaxmlp.make_train_step(loss_fn, optimizer)
        state, _ = step(jaxmlp.init_state(PARAMS, optimizer, jax.random.key(0)), jnp.zeros(()))
        return float(state.params["b"])

    rates = (0.1, 0.2, jnp.float32(0.3))
    after = [loss_after_a_step(jaxmlp.adamw(rate, b1=rate, eps=rate, weight_decay=rate)) for rate in rates]
    expected = [0.3 - rate * (0.6 / (0.6 + rate) + rate * 0.3) for rate in (0.1, 0.2, 0.3)]
    np.testing.assert_allclose(after, expected, rtol=1e-5)
    assert len(traces) == 1


def test_two_optimizers_of_other_numbers_are_trees_of_one_structure():
    for name in CASES:
        one, other = ours(name, 0.1, **numbers(name, 1.0)), ours(name, 0.2, **numbers(name, 0.9))
        assert jax.tree.structure(one) == jax.tree.structure(other)
        assert hash(jax.tree.structure(one)) == hash(jax.tree.structure(other))


def test_flags_are_structure():
    assert jax.tree.structure(jaxmlp.adam(0.1)) != jax.tree.structure(jaxmlp.nadam(0.1))
    assert jax.tree.leaves(Static(0.5)) == []


def test_one_can_differentiate_through_updates_by_their_numbers():
    """The slope of the weights after three steps, by central differences."""
    with jax.enable_x64(True):

        def after(x):
            optimizer = jaxmlp.adam(0.1 * x, 0.8 * x, 0.9 * x, 1e-2 * x, eps_root=1e-3)
            return jnp.sum(trajectory(optimizer, {"w": jnp.array([0.5, -1.2])}, 3)["w"])

        slope = (after(1 + 1e-6) - after(1 - 1e-6)) / 2e-6
        np.testing.assert_allclose(jax.grad(after)(1.0), slope, rtol=1e-6)


# --- structures and dtypes -------------------------------------------------------------------------------------------


def shapes_and_dtypes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), jax.eval_shape(lambda: tree))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
@EACH
def test_ten_steps_keep_structure_and_dtypes_under_traced_float64_numbers(name, dtype):
    with jax.enable_x64(True):

        def ten_steps(values, params):
            optimizer = ours(name, **values)
            carry = params, optimizer.init(params)
            return optimizer.init(params), *jax.lax.scan(partial(one_step, optimizer), carry, length=10)

        def one_step(optimizer, carry, _):
            params, state = carry
            updates, state = optimizer.update(params, state, params)
            return (jaxmlp.apply_updates(params, updates), state), updates

        values = {"learning_rate": 0.1} | numbers(name, 1.0)
        params = nested(dtype)
        first, (last_params, last_state), updates = jax.eval_shape(ten_steps, jax.tree.map(jnp.float64, values), params)
        assert jax.tree.map(lambda x: x.dtype, last_params) == jax.tree.map(lambda x: x.dtype, params)
        assert jax.tree.map(lambda x: x.dtype, updates) == jax.tree.map(lambda x: x.dtype, params)
        assert last_state == first
        averages_of_gradients = {"trace"} | ({"mu"} if name not in ("rmsprop", "prodigy") else set())
        for moment, tree in first._asdict().items():
            expected = {"count": jnp.int32}.get(moment, dtype if moment in averages_of_gradients else jnp.float32)
            assert all(leaf.dtype == expected for leaf in jax.tree.leaves(tree)), moment


@pytest.mark.usefixtures("x64")
@EACH
def test_no_array_is_computed_in_a_wider_dtype_because_a_number_has_it(name):
    """Of float32 weights, with all numbers traced in float64, only scalars are float64."""
    params = {"w": jnp.array([0.5, -1.2, 1.4], jnp.float32)}

    def update(values):
        optimizer = ours(name, **values)
        return optimizer.update(params, optimizer.init(params), params)

    values = {"learning_rate": 0.1} | numbers(name, 1.0)
    equations = jax.make_jaxpr(update)(jax.tree.map(jnp.float64, values)).eqns
    outputs = [variable.aval for equation in equations for variable in equation.outvars]
    assert {aval.dtype.name for aval in outputs if aval.shape} <= {"float32", "bool"}


@pytest.mark.parametrize("name", WITH_MU_DTYPE)
@pytest.mark.parametrize(("dtype", "mu_dtype"), [(jnp.float32, jnp.bfloat16), (jnp.bfloat16, jnp.float32)])
def test_mu_dtype_is_that_of_the_first_moment_alone(name, dtype, mu_dtype):
    params = {"w": jnp.array([0.5, -1.2, 1.4], dtype)}
    optimizer, plain = ours(name, 0.1, mu_dtype=mu_dtype), ours(name, 0.1)
    state = optimizer.init(params)
    updates, new = optimizer.update(params, state, params)
    expected, _ = plain.update(params, plain.init(params), params)
    assert state.mu["w"].dtype == new.mu["w"].dtype == mu_dtype
    assert all(m["w"].dtype == jnp.float32 for m in new[2:])
    assert updates["w"].dtype == dtype
    np.testing.assert_allclose(updates["w"].astype(jnp.float32), expected["w"].astype(jnp.float32), rtol=2e-2)


@pytest.mark.parametrize("nesterov", [False, True])
def test_accumulator_dtype_keeps_what_bfloat16_would_lose(nesterov):
    params = {"w": jnp.array([0.0], jnp.bfloat16)}
    optimizer = jaxmlp.sgd(0.1, 0.99, nesterov, accumulator_dtype=jnp.float32)
    state, trace = optimizer.init(params), 0.0
    for gradient in (1.0, 0.25, 0.5, 0.125):
        grads = {"w": jnp.array([gradient], jnp.bfloat16)}
        updates, state = optimizer.update(grads, state, params)
        trace = gradient + 0.99 * trace
    assert state.trace["w"].dtype == jnp.float32
    np.testing.assert_allclose(state.trace["w"], [trace], rtol=1e-6)
    assert updates["w"].dtype == jnp.bfloat16
    expected = -0.1 * (gradient + 0.99 * trace if nesterov else trace)
    np.testing.assert_allclose(updates["w"].astype(jnp.float32), [expected], rtol=1e-2)


def test_decay_near_one_survives_bfloat16():
    """1 - 0.999 is taken before the cast: in bfloat16 0.999 is 1."""
    params = {"w": jnp.array([2.0], jnp.bfloat16)}
    optimizer = jaxmlp.adam(0.1)
    updates, state = optimizer.update(params, optimizer.init(params))
    np.testing.assert_allclose(state.nu["w"].astype(jnp.float32), [4e-3], rtol=1e-2)
    np.testing.assert_allclose(updates["w"].astype(jnp.float32), [-0.1], rtol=2e-2)


@EACH
def test_empty_trees_and_none_leaves(name):
    optimizer = ours(name, 0.1)
    assert optimizer.update({}, optimizer.init({}), {})[0] == {}
    params, partly = {"w": jnp.array(0.5)}, {"w": jnp.array(0.5), "frozen": None}
    alone, _ = optimizer.update(params, optimizer.init(params), params)
    updates, state = optimizer.update(partly, optimizer.init(partly), partly)
    assert updates == {"w": alone["w"], "frozen": None}
    assert jax.tree.structure(state) == jax.tree.structure(optimizer.init(partly))


@EACH
def test_count_is_the_number_of_steps(name):
    optimizer = ours(name, 0.1)
    state = optimizer.init(PARAMS)
    counts = [state.count.item()]
    for _ in range(2):
        _, state = optimizer.update(GRADS, state, PARAMS)
        counts.append(state.count.item())
    assert counts == [0, 1, 2]
    assert state.count.dtype == jnp.int32


# --- relations -------------------------------------------------------------------------------------------------------

SAME = {
    "momentum 0 is gd": (jaxmlp.momentum(0.1, 0.0), jaxmlp.gd(0.1)),
    "nesterov 0 is gd": (jaxmlp.nesterov(0.1, 0.0), jaxmlp.gd(0.1)),
    "sgd is gd": (jaxmlp.sgd(0.1), jaxmlp.gd(0.1)),
    "sgd without momentum has no look-ahead": (jaxmlp.sgd(0.1, nesterov=True), jaxmlp.gd(0.1)),
    "sgd with momentum": (jaxmlp.sgd(0.1, 0.7), jaxmlp.momentum(0.1, 0.7)),
    "sgd with nesterov": (jaxmlp.sgd(0.1, 0.7, True), jaxmlp.nesterov(0.1, 0.7)),
    "nadam": (jaxmlp.nadam(0.1, **ADAM), jaxmlp.adam(0.1, **ADAM, nesterov=True)),
    "rmsprop debiased, eps outside, is adam of b1 = 0": (
        jaxmlp.rmsprop(0.1, B2, EPS, eps_in_sqrt=False, bias_correction=True),
        jaxmlp.adam(0.1, 0.0, B2, EPS),
    ),
    "rmsprop debiased, eps inside, is adam of b1 = 0 and eps_root": (
        jaxmlp.rmsprop(0.1, B2, EPS, bias_correction=True),
        jaxmlp.adam(0.1, 0.0, B2, 0.0, EPS),
    ),
    "rmsprop of momentum 0": (jaxmlp.rmsprop(0.1, momentum=0.0), jaxmlp.rmsprop(0.1)),
    "adamw of no decay is adam": (jaxmlp.adamw(0.1, **ADAM, weight_decay=0.0), jaxmlp.adam(0.1, **ADAM)),
    "adamw where nothing is decayed": (jaxmlp.adamw(0.1, **ADAM, mask={"w": False}), jaxmlp.adam(0.1, **ADAM)),
    "adamw where all is decayed": (jaxmlp.adamw(0.1, mask={"w": True}), jaxmlp.adamw(0.1)),
    "amsgrad of a forgetful b2 grows with the gradients": (
        jaxmlp.amsgrad(0.1, 0.8, 0.0),
        jaxmlp.adam(0.1, 0.8, 0.0),
    ),
    "radam of a short memory is a debiased mean": (jaxmlp.radam(0.1, 0.0, 0.5), jaxmlp.gd(0.1)),
    "adamax of no memory is the sign": (jaxmlp.adamax(0.1, 0.0, 0.0, 0.0), jaxmlp.lion(0.1, 0.0, weight_decay=0.0)),
    "adam of no memory is the sign": (jaxmlp.adam(0.1, 0.0, 0.0, 0.0), jaxmlp.lion(0.1, 0.0, weight_decay=0.0)),
    "adan without differences is adam": (jaxmlp.adan(0.1, B1, 0.0, B2, EPS, ROOT), jaxmlp.adam(0.1, **ADAM)),
    "ademamix without a slow momentum is adamw": (
        jaxmlp.ademamix(0.1, **ADAM, alpha=0.0, weight_decay=0.2),
        jaxmlp.adamw(0.1, **ADAM, weight_decay=0.2),
    ),
    "adadelta of rate None": (ours("adadelta", None), jaxmlp.adadelta(1.0)),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("relation", list(SAME))
def test_relations(relation):
    growing = (0.5, -0.8, 1.0, -1.4, 2.0)
    one, other = SAME[relation]
    np.testing.assert_allclose(updates_of(one, growing), updates_of(other, growing), rtol=1e-12)


@pytest.mark.usefixtures("x64")
def test_adam_of_a_large_eps_is_momentum():
    """Choi et al. 2019: adam(c * eps, eps=eps) -> momentum(c (1 - b1)) / (1 - b1^t) as eps grows."""
    b1, rate, eps = 0.8, 0.1, 1e9
    adam = updates_of(jaxmlp.adam(rate * eps, b1, eps=eps), GRADIENTS)
    corrections = [1 - b1**t for t in range(1, len(GRADIENTS) + 1)]
    heavy_ball = updates_of(jaxmlp.momentum(rate * (1 - b1), b1), GRADIENTS)
    np.testing.assert_allclose(adam, np.divide(heavy_ball, corrections), rtol=1e-8)


@pytest.mark.usefixtures("x64")
def test_amsgrad_remembers_what_adam_forgets():
    shrinking = (2.0, 0.5, 0.1)
    adam, amsgrad = (abs(updates_of(f(0.1, 0.0, 0.5), shrinking)[-1]) for f in (jaxmlp.adam, jaxmlp.amsgrad))
    assert amsgrad < 0.5 * adam


@pytest.mark.parametrize("eps_in_sqrt", [True, False])
def test_centered_rmsprop_survives_gradients_without_variance(eps_in_sqrt):
    """The first debiased variance is 0 up to rounding, and with eps outside its root was no number."""
    optimizer = jaxmlp.rmsprop(0.1, eps=1.0, eps_in_sqrt=eps_in_sqrt, centered=True, bias_correction=True)
    gradients = jnp.linspace(0.1, 7.0, 200)
    updates, _ = optimizer.update(gradients, optimizer.init(gradients))
    np.testing.assert_allclose(updates, -0.1 * gradients, rtol=1e-2)


def test_adagrad_stays_where_there_was_no_gradient():
    assert updates_of(jaxmlp.adagrad(0.1, 0.0, 0.0), (0.0, 2.0)) == [0.0, pytest.approx(-0.1)]


def test_weight_decay_of_zero_needs_no_params():
    undecayed = [make(0.1, weight_decay=0.0) for make in (jaxmlp.adamw, jaxmlp.lion, jaxmlp.soap)]
    for optimizer in (*undecayed, jaxmlp.muon(0.1), jaxmlp.shampoo(0.1), jaxmlp.adadelta()):
        updates, _ = optimizer.update(GRADS, optimizer.init(PARAMS))
        assert_close(updates, optimizer.update(GRADS, optimizer.init(PARAMS), PARAMS)[0], rtol=1e-6)


# --- errors ----------------------------------------------------------------------------------------------------------

MADE_BY = {"gd": "sgd", "momentum": "sgd", "nesterov": "sgd", "nadam": "adam"}
RATE, FINITE = "be at least 0 and below 1", "be a finite number of at least 0"
BAD_NUMBERS = [
    *((name, "learning_rate", value, FINITE) for name in CASES if name not in MADE_BY
      for value in (-0.1, math.nan)),
    ("adam", "learning_rate", math.inf, FINITE),
    ("sgd", "momentum", 1.0, RATE),
    ("rmsprop", "decay", 1.0, RATE),
    ("rmsprop", "eps", -1e-9, FINITE),
    ("rmsprop", "initial_scale", -1.0, FINITE),
    ("rmsprop", "momentum", -0.1, RATE),
    ("adagrad", "initial_accumulator_value", -1.0, FINITE),
    ("adagrad", "eps", -1.0, FINITE),
    ("adadelta", "rho", 1.0, RATE),
    ("adadelta", "eps", -1.0, FINITE),
    ("adadelta", "weight_decay", -1.0, FINITE),
    *((name, beta, value, RATE) for name in ("adam", "adamw", "amsgrad", "radam", "adamax", "lion", "soap")
      for beta in ("b1", "b2") for value in (1.0, -0.1, math.nan)),
    *((name, "eps", -1.0, FINITE) for name in ("adam", "adamw", "amsgrad", "radam", "adamax")),
    *((name, "eps_root", -1.0, FINITE) for name in ("adam", "adamw", "amsgrad", "radam")),
    ("adamw", "weight_decay", -1.0, FINITE),
    ("lion", "weight_decay", -1.0, FINITE),
    ("radam", "threshold", 3.9, "be a finite number of at least 4"),
    *((name, argument, value, RATE) for name, arguments in [
        ("adan", ("b1", "b2", "b3")), ("ademamix", ("b1", "b2", "b3")), ("prodigy", ("beta3",)),
        ("schedule_free_sgd", ("b1",)), ("schedule_free_adamw", ("b1", "b2")),
    ] for argument in arguments for value in (1.0, -0.1, math.nan)),
    *((name, argument, -1.0, FINITE) for name, arguments in [
        ("adan", ("eps", "eps_root", "weight_decay")), ("ademamix", ("alpha", "eps", "eps_root", "weight_decay")),
        ("prodigy", ("eps", "estim_lr_coef", "weight_decay")), ("schedule_free_sgd", ("weight_decay", "weight_lr_power")),
        ("schedule_free_adamw", ("eps", "weight_decay", "weight_lr_power")),
    ] for argument in arguments),
    ("prodigy", "estim_lr0", 0.0, "be a finite number above 0"),
    ("schedule_free_sgd", "warmup_steps", 0.0, "be a finite number above 0"),
    ("schedule_free_adamw", "warmup_steps", 0.0, "be a finite number above 0"),
    *(("muon", beta, 1.0, RATE) for beta in ("beta", "adam_b1", "adam_b2")),
    *(("muon", argument, -1.0, FINITE) for argument in ("eps", "weight_decay", "adam_eps_root", "adam_weight_decay")),
    ("shampoo", "momentum", 1.0, RATE),
    *((name, argument, -1.0, FINITE) for name in ("shampoo", "soap") for argument in ("eps", "weight_decay")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "argument", "value", "rule"), BAD_NUMBERS)
def test_a_number_out_of_range_is_refused(name, argument, value, rule):
    with pytest.raises(ValueError, match=re.escape(f"{name}: {argument} must {rule}, got {value!r}")):
        getattr(jaxmlp, name)(**{"learning_rate": 0.1} | {argument: value})


@EACH
def test_what_is_no_number_is_refused(name):
    function = MADE_BY.get(name, name)
    with pytest.raises(TypeError, match=re.escape(f"{function}: learning_rate must be a number, got '0.1'")):
        ours(name, "0.1")
    rule = "be a scalar (for a batch of values use jax.vmap)"
    with pytest.raises(ValueError, match=re.escape(f"{function}: learning_rate must {rule}, got (3,)")):
        ours(name, jnp.arange(3.0))


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("gd", "sgd")])
def test_gradients_of_another_shape_are_refused(name):
    optimizer = ours(name, 0.1)
    state = optimizer.init({"w": jnp.ones(4)})
    function = MADE_BY.get(name, name)
    with pytest.raises(ValueError, match=re.escape(f"{function}.update: grads['w'] must be of shape (4,), got (4, 1)")):
        optimizer.update({"w": jnp.ones((4, 1))}, state, {"w": jnp.ones((4, 1))})
    with pytest.raises(ValueError, match=re.escape(f"{function}.update: grads must have the parameters' structure")):
        optimizer.update({"v": jnp.ones(4)}, state, {"v": jnp.ones(4)})


def test_gd_leaves_the_shapes_to_apply_updates():
    optimizer = jaxmlp.gd(0.1)
    updates, _ = optimizer.update({"w": jnp.ones((4, 1))}, optimizer.init({"w": jnp.ones(4)}))
    with pytest.raises(ValueError, match=re.escape("apply_updates: updates['w'] must be of shape (4,), got (4, 1)")):
        jaxmlp.apply_updates({"w": jnp.ones(4)}, updates)


DECAYING = {
    "adamw": jaxmlp.adamw(0.1),
    "lion": jaxmlp.lion(0.1),
    "adadelta": jaxmlp.adadelta(0.1, weight_decay=0.1),
    "muon": jaxmlp.muon(0.1, weight_decay=0.1),
    "shampoo": jaxmlp.shampoo(0.1, weight_decay=0.1),
    "soap": jaxmlp.soap(0.1),
}


@pytest.mark.parametrize("name", list(DECAYING))
def test_weight_decay_without_its_params_is_refused(name):
    optimizer, state = DECAYING[name], DECAYING[name].init(PARAMS)
    rule = "params must be given, as weight decay needs them, got None"
    with pytest.raises(ValueError, match=re.escape(f"{name}.update: {rule}")):
        optimizer.update(GRADS, state)
    rule = "params['b'] must be of shape (), got (1,)"
    with pytest.raises(ValueError, match=re.escape(f"{name}.update: {rule}")):
        optimizer.update(GRADS, state, PARAMS | {"b": jnp.ones(1)})


@pytest.mark.parametrize("mask", [{"w": True}, lambda params: {"w": True}])
def test_a_mask_of_another_structure_is_refused(mask):
    optimizer = jaxmlp.adamw(0.1, mask=mask)
    with pytest.raises(ValueError, match=r"adamw.update: mask must have the parameters' structure .*, got .*'w'"):
        optimizer.update(GRADS, optimizer.init(PARAMS), PARAMS)
