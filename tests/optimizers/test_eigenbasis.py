"""SOAP: trajectories against the paper's formulas in NumPy, and against the authors' conventions in PyTorch."""

import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from tests.optimizers.test_kronecker import gradients_of, trajectory

CHANCE = np.random.default_rng(6)
START = {"w": CHANCE.normal(size=(3, 4)), "b": CHANCE.normal(size=4), "t": CHANCE.normal(size=(2, 3, 2)), "s": 0.4}
RATE = 0.02


def numpys(
    w, steps=25, b1=0.95, b2=0.95, beta=0.95, eps=1e-8, weight_decay=0.01, every=10, limit=100, full_vectors=False
):  # fmt: skip
    """Algorithm 3 of the paper, its first step idle as in the authors' code."""
    w = np.asarray(w, float)
    turned = [(w.ndim > 1 or full_vectors) and n <= limit for n in w.shape]
    statistics, bases = [np.zeros((n, n)) for n in w.shape], [np.eye(n) for n in w.shape]
    m, v, found = np.zeros_like(w), np.zeros_like(w), []

    def project(x, matrices):
        for axis, matrix in enumerate(matrices):
            x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
        return x

    for t in range(steps):
        g = w**3 - w + 0.3
        if t > 0:
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * project(g, [q.T for q in bases]) ** 2
            step = project(project(m, [q.T for q in bases]) / (np.sqrt(v) + eps), bases)
            w = w - RATE * math.sqrt(1 - b2**t) / (1 - b1**t) * step
            w = w - RATE * weight_decay * w
        for axis in range(w.ndim):
            if turned[axis]:
                rows = np.moveaxis(g, axis, 0).reshape(w.shape[axis], -1)
                statistics[axis] = beta * statistics[axis] + (1 - beta) * rows @ rows.T
                if t == 0:
                    bases[axis] = np.linalg.eigh(statistics[axis])[1]
                elif t % every == 0:
                    product = statistics[axis] @ bases[axis]
                    order = np.argsort(-np.diag(bases[axis].T @ product), kind="stable")
                    v = np.take(v, order, axis)
                    bases[axis] = np.linalg.qr(product[:, order])[0]
        found.append(w)
    return np.array(found)


OWN = {"every": "precondition_frequency", "limit": "max_precond_dim", "beta": "shampoo_beta"}
OWN |= {"full_vectors": "precondition_1d"}
CASES: list[dict[str, Any]] = [
    {"eps": 1e-2},
    {"b1": 0.9, "b2": 0.8, "beta": 0.7, "eps": 1e-2, "weight_decay": 0.2, "every": 3},
    {"b1": 0.8, "b2": 0.7, "beta": 0.9, "eps": 1e-3, "every": 1, "limit": 3, "full_vectors": True},
    {"eps": 1e-2, "every": 2, "limit": 2, "full_vectors": True, "weight_decay": 0.0},
]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_trajectory_is_the_papers(case):
    expected = {name: numpys(w, **CASES[case]) for name, w in START.items()}
    for dtype, rtol in ((jnp.float64, 1e-9), (jnp.float32, 2e-3)):
        start = jax.tree.map(lambda x, dtype=dtype: jnp.asarray(x, dtype), START)
        optimizer = jaxmlp.soap(RATE, **{OWN.get(name, name): value for name, value in CASES[case].items()})
        actual = jax.jit(trajectory)(optimizer, start)
        for name in START:
            assert actual[name].dtype == dtype
            np.testing.assert_allclose(actual[name], expected[name], rtol=rtol, atol=rtol, err_msg=name)


# After 30 steps of pytorch_optimizer 4.1.0 in float64: SOAP(lr=0.02, ...) and Shampoo(lr=0.05, ...). Its QR is of float32.
SIMPLE = [jnp.array([[0.5, -1.2, 1.4], [-0.3, 0.9, -1.6]]), jnp.array([1.1, -0.4])]
PYTORCHS = {
    "soap": (
        jaxmlp.soap(0.02, 0.9, 0.8, 0.7, 1e-2, 0.1, precondition_frequency=4),
        [[0.21493297, -1.06719942, 0.78998622], [-0.73446326, 0.75997659, -1.11675105]],
        [0.65494793, -0.93715979],
    ),
    "soap of vectors too": (
        jaxmlp.soap(0.02, eps=1e-2, precondition_1d=True),
        [[0.28694789, -1.13914022, 1.04771354], [-0.98868137, 0.80960157, -1.26013676]],
        [0.93902147, -0.98682770],
    ),
    "shampoo": (
        jaxmlp.shampoo(0.05, eps=1e-3, weight_decay=0.1, precondition_1d=True),
        [[0.14246440, -1.09766937, 0.96400374], [-0.64751641, 0.75583916, -1.21145478]],
        [0.98545001, -0.86038954],
    ),
}


@pytest.mark.parametrize("name", list(PYTORCHS))
def test_the_weights_after_thirty_steps_are_those_of_a_pytorch_package(name):
    optimizer, *expected = PYTORCHS[name]
    actual = jax.jit(lambda optimizer, params: trajectory(optimizer, params, 30))(optimizer, SIMPLE)
    for leaf, numbers in zip(actual, expected, strict=True):
        np.testing.assert_allclose(leaf[-1], np.array(numbers), atol=2e-5)


# --- by hand ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_the_first_step_moves_nothing_and_the_second_is_orthogonal():
    g = CHANCE.normal(size=(3, 3))
    u, values, v = np.linalg.svd(g)
    optimizer = jaxmlp.soap(0.1, shampoo_beta=0.75, eps=1e-9, weight_decay=0.5)
    state, ones = optimizer.init(jnp.ones((3, 3))), jnp.ones((3, 3))
    updates, state = optimizer.update(jnp.asarray(g), state, ones)
    assert not updates.any() and not state.mu.any() and not state.nu.any()
    np.testing.assert_allclose(state.statistics[0], 0.25 * g @ g.T, rtol=1e-12)
    np.testing.assert_allclose(state.statistics[1], 0.25 * g.T @ g, rtol=1e-12)
    updates, state = optimizer.update(jnp.asarray(u @ np.diag(values * [2.0, -1.0, 3.0]) @ v), state, ones)
    step = u @ np.diag([1.0, -1.0, 1.0]) @ v
    np.testing.assert_allclose(updates, (1 - 0.1 * step) * (1 - 0.1 * 0.5) - 1, atol=1e-5)


@pytest.mark.usefixtures("x64")
def test_the_basis_settles_at_the_eigenvectors_the_largest_first():
    target = np.diag([1.0, 3.0, 2.0]) @ np.linalg.qr(CHANCE.normal(size=(3, 3)))[0]
    optimizer = jaxmlp.soap(0.0, precondition_frequency=1, shampoo_beta=0.5)
    state = optimizer.init(jnp.eye(3))
    update = jax.jit(optimizer.update)
    for _ in range(40):
        _, state = update(jnp.asarray(target), state, jnp.eye(3))
    np.testing.assert_allclose(abs(state.bases[0]), np.eye(3)[:, [1, 2, 0]], atol=1e-6)
    turned = state.bases[0].T @ target @ state.bases[1]
    np.testing.assert_allclose(abs(turned), np.diag([3.0, 2.0, 1.0]), atol=1e-5)


@pytest.mark.usefixtures("x64")
def test_vectors_are_adam_one_step_late():
    adam, soap = jaxmlp.adam(0.1, 0.95, 0.95, 0.0), jaxmlp.soap(0.1, eps=0.0, weight_decay=0.0)
    state, late, zero = adam.init(jnp.zeros(3)), soap.init(jnp.zeros(3)), jnp.zeros(3)
    _, late = soap.update(jnp.ones(3), late, zero)
    for g in CHANCE.normal(size=(4, 3)):
        expected, state = adam.update(jnp.asarray(g), state)
        updates, late = soap.update(jnp.asarray(g), late, zero)
        np.testing.assert_allclose(updates, expected, rtol=1e-12)


def test_what_is_not_turned_has_no_matrices():
    params = {"w": jnp.zeros((3, 5), jnp.bfloat16), "b": jnp.zeros(2), "s": jnp.zeros(())}
    state = jaxmlp.soap(0.1, max_precond_dim=4).init(params)
    for matrices in (state.statistics, state.bases):
        assert jax.tree.map(jnp.shape, matrices) == {"w": ((3, 3), None), "b": (None,), "s": ()}
    assert {leaf.dtype for leaf in jax.tree.leaves(state[2:])} == {jnp.dtype(jnp.float32)}


# --- numbers ---------------------------------------------------------------------------------------------------------

GRADS = {"w": jnp.array([[0.5, -1.0, 0.2], [2.0, 0.3, -0.7]]), "b": jnp.array([0.3, -0.1])}


def after_steps(rate, every, beta, eps, grads=GRADS):
    optimizer = jaxmlp.soap(rate, 0.8, beta, beta, eps, 0.1, {"w": True, "b": False}, every)
    params, state = grads, optimizer.init(grads)
    for _ in range(4):
        updates, state = optimizer.update(gradients_of(params), state, params)
        params = jaxmlp.apply_updates(params, updates)
    return params


def test_vmap_over_numbers_is_a_loop_and_compiles_once():
    traces = []

    @jax.jit
    def counted(*numbers):
        traces.append(1)
        return after_steps(*numbers)

    batch = (jnp.array([0.1, 0.2, 0.1]), jnp.array([1, 2, 3]), jnp.array([0.9, 0.8, 0.5]), jnp.array([0.1, 0.2, 0.3]))
    alone = [counted(*(numbers[i] for numbers in batch)) for i in range(3)]
    together = jax.vmap(after_steps)(*batch)
    for i, expected in enumerate(alone):
        jax.tree.map(lambda t, e, i=i: np.testing.assert_allclose(t[i], e, rtol=1e-3, atol=1e-5), together, expected)
    assert len(traces) == 1


@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_derivatives_are_finite(scale):
    start = jax.tree.map(lambda g: scale * g, GRADS)
    slopes = jax.grad(
        lambda *args: sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(after_steps(*args))), (0, 2, 3, 4)
    )(0.1, 2.0, 0.9, 1e-8, start)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(slopes))


def test_derivatives_take_the_eigenbasis_as_constant():
    optimizer, grads = jaxmlp.soap(0.1, eps=1e-8), GRADS["w"]
    slopes = jax.jacobian(lambda g: optimizer.update(g, optimizer.init(g), jnp.ones_like(g))[1].bases)(grads)
    assert len(slopes) == 2 and not any(slope.any() for slope in slopes)


def test_zero_gradients_keep_the_weights():
    optimizer, zero = jaxmlp.soap(0.1, weight_decay=0.0, eps=1e-8), jnp.zeros((2, 3))
    state = optimizer.init(zero)
    for _ in range(12):
        updates, state = optimizer.update(zero, state, jnp.ones((2, 3)))
        assert not updates.any()
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state))


def test_complex_gradients_turn_the_steps():
    turn, found = 0.6 + 0.8j, []
    for factor in (1.0, turn):
        grads = jnp.asarray(factor * np.asarray(GRADS["w"])[:, :2], jnp.complex64)
        optimizer = jaxmlp.soap(0.1, eps=1e-2, weight_decay=0.0, precondition_frequency=1)
        state = optimizer.init(grads)
        for scale in (1.0, 0.5, -2.0):
            updates, state = optimizer.update(scale * grads, state)
        found.append(np.asarray(updates))
    assert np.all(found[0] != 0)
    np.testing.assert_allclose(found[1], turn * found[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_keeps_its_statistics_in_float32(dtype):
    optimizer, found = jaxmlp.soap(0.1, eps=1e-2, weight_decay=0.0, precondition_frequency=1), []
    for kind in (dtype, jnp.float32):
        grads = jnp.asarray(GRADS["w"], dtype).astype(kind)
        state = optimizer.init(grads)
        for scale in (1.0, 0.5, -2.0):
            updates, state = optimizer.update(scale * grads, state)
        assert updates.dtype == state.mu.dtype == kind
        assert {leaf.dtype for leaf in jax.tree.leaves(state[2:])} == {jnp.dtype(jnp.float32)}
        found.append(updates.astype(jnp.float32))
    np.testing.assert_allclose(*found, atol=2e-3)


@pytest.mark.parametrize(
    ("argument", "value", "rule"),
    [
        ("shampoo_beta", 1.0, "be at least 0 and below 1, got 1.0"),
        ("precondition_frequency", 0.5, "be a whole number of at least 1, got 0.5"),
        ("precondition_frequency", 1.5, "be a whole number of at least 1, got 1.5"),
        ("max_precond_dim", 2.0, "be a whole number of at least 1, got 2.0"),
    ],
)
def test_an_argument_out_of_range_is_refused(argument, value, rule):
    with pytest.raises(ValueError, match=re.escape(f"soap: {argument} must {rule}")):
        jaxmlp.soap(0.1, **{argument: value})
