"""Every optimizer: optax's trajectory, the paper's formula, one program for all of its numbers, and clear errors."""

import inspect
import math
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp import optimizers
from jaxmlp.optimizers.base import Static

BIASES = [{"w": False, "b": True}, True]


def not_the_matrix(params):
    return [{"w": False, "b": True}, True]


def fading(count):
    return 0.2 * 0.9**count


# Where optax has no function of the name, the one that says the same.
REFERENCES = {
    "gd": lambda learning_rate: optax.sgd(learning_rate),
    "momentum": lambda learning_rate, decay=0.9: optax.sgd(learning_rate, decay),
    "nesterov": lambda learning_rate, decay=0.9: optax.sgd(learning_rate, decay, nesterov=True),
}

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
        {"decay": 0.7, "eps": 1e-2, "centered": True, "eps_in_sqrt": False, "bias_correction": True},
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
        {"weight_decay": fading, "mask": BIASES},
        {"weight_decay": 0.3, "mask": not_the_matrix},
    ],
    "amsgrad": [
        {"b1": 0.8, "b2": 0.7, "eps": 1e-3, "eps_root": 1e-2},
        {"b1": 0.8, "b2": 0.7, "eps": 1e-3, "bias_correction_mu": False},
        {"b1": 0.8, "b2": 0.7, "eps": 1e-3, "bias_correction_nu": False},
    ],
    "radam": [
        {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "eps_root": 1e-2},
        {"b1": 0.8, "b2": 0.95, "threshold": 8.0, "nesterov": True},
    ],
    "adamax": [{"b1": 0.8, "b2": 0.95, "eps": 1e-3}],
    "lion": [
        {"b1": 0.8, "b2": 0.95, "weight_decay": 0.1, "mask": BIASES},
        {"weight_decay": fading},
    ],
}
ROWS = [pytest.param(name, arguments, id=f"{name}{i}") for name, rows in CASES.items() for i, arguments in enumerate(rows)]
EACH = pytest.mark.parametrize("name", list(CASES))
LAST = {name: rows[0] for name, rows in CASES.items()}
WITH_MU_DTYPE = [name for name in CASES if "mu_dtype" in inspect.signature(getattr(jaxmlp, name)).parameters]


def ours(name, learning_rate, **arguments):
    return getattr(jaxmlp, name)(learning_rate, **arguments)


def optaxs(name, learning_rate, **arguments):
    return REFERENCES.get(name, getattr(optax, name, None))(learning_rate, **arguments)


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


def both_trajectories(optimizer, reference, params):
    own = trajectory(optimizer, params)
    with jax.numpy_dtype_promotion("standard"):
        return own, trajectory(reference, params)


def assert_close(actual, expected, rtol, atol=0.0):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=atol), actual, expected)


def updates_of(optimizer, gradients, params=1.5):
    """The updates for a sequence of gradients of one scalar weight, which stays where it is."""
    params, state, out = {"w": jnp.asarray(params, float)}, None, []
    state = optimizer.init(params)
    for gradient in gradients:
        updates, state = optimizer.update({"w": jnp.asarray(gradient, float)}, state, params)
        out.append(float(updates["w"]))
    return out


GRADIENTS = (0.5, -2.0, 0.1)


# --- the table -------------------------------------------------------------------------------------------------------


def test_no_optimizer_is_missing_from_the_table():
    others = {"Optimizer", "apply_updates", "as_optimizer", "chain", "clip", "clip_by_global_norm", "projected"}
    assert set(optimizers.__all__) - others == set(CASES)


@pytest.mark.parametrize("name", [name for name in CASES if name not in REFERENCES])
def test_signature_is_optaxs(name):
    own, theirs = (inspect.signature(getattr(library, name)).parameters.values() for library in (jaxmlp, optax))
    expected = [(p.name, p.default, p.kind) for p in theirs]
    if name == "nadam":  # one that can turn its look-ahead off is `adam`
        expected = expected[:-1]
    if name == "adadelta":  # optax's None leaves out the minus sign too
        expected[0] = ("learning_rate", 1.0, expected[0][2])
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
    m = v = t = 0.0
    for step, g in enumerate(GRADIENTS, 1):
        m = B2 * m + (1 - B2) * g
        v = B2 * v + (1 - B2) * g**2
        correction = 1 - B2**step
        variance = v / correction - (m / correction) ** 2 if step > 1 else 0.0
        t = -ETA * g / (math.sqrt(variance) + EPS) + B1 * t
        yield t


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
        if rho >= 1.9:  # 1.0, 1.89, 2.71: the rectified step comes third, with a ratio of two negative products
            ratio = (rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)
            yield -ETA * math.sqrt(ratio) * mean / (math.sqrt(square + ROOT) + EPS) if ratio >= 0 else math.nan
        else:
            yield -ETA * mean


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


ADAM = {"b1": B1, "b2": B2, "eps": EPS, "eps_root": ROOT}
BY_HAND = {
    gd_by_hand: jaxmlp.gd(ETA),
    momentum_by_hand: jaxmlp.momentum(ETA, B1),
    nesterov_by_hand: jaxmlp.nesterov(ETA, B1),
    adagrad_by_hand: jaxmlp.adagrad(ETA, 0.3, EPS),
    rmsprop_by_hand: jaxmlp.rmsprop(ETA, B2, EPS, initial_scale=0.4),
    centered_rmsprop_by_hand: jaxmlp.rmsprop(
        ETA, B2, EPS, eps_in_sqrt=False, centered=True, momentum=B1, bias_correction=True
    ),
    adadelta_by_hand: jaxmlp.adadelta(ETA, B2, EPS, 0.3),
    adam_by_hand: jaxmlp.adam(ETA, **ADAM),
    nadam_by_hand: jaxmlp.nadam(ETA, **ADAM),
    adamw_by_hand: jaxmlp.adamw(ETA, **ADAM, weight_decay=0.3),
    amsgrad_by_hand: jaxmlp.amsgrad(ETA, **ADAM),
    radam_by_hand: jaxmlp.radam(ETA, **ADAM, threshold=1.9),
    adamax_by_hand: jaxmlp.adamax(ETA, B1, B2, EPS),
    lion_by_hand: jaxmlp.lion(ETA, B1, B2, weight_decay=0.3),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("by_hand", list(BY_HAND), ids=lambda rule: rule.__name__)
def test_steps_by_hand(by_hand):
    np.testing.assert_allclose(updates_of(BY_HAND[by_hand], GRADIENTS), list(by_hand()), rtol=1e-13)
