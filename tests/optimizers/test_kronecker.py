"""Shampoo: trajectories against the paper's formulas in NumPy, the inverse root and its derivatives."""

import math
import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp.optimizers.kronecker import inverse_root

CHANCE = np.random.default_rng(5)
START = {"w": CHANCE.normal(size=(3, 4)), "b": CHANCE.normal(size=4), "t": CHANCE.normal(size=(2, 3, 2)), "s": 0.4}
RATE = 0.05


def gradients_of(params):
    return jax.tree.map(lambda x: x**3 - x + jnp.asarray(0.3, x.dtype), params)


def trajectory(optimizer, params, steps=25):
    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(gradients_of(params), state, params)
        params = jaxmlp.apply_updates(params, updates)
        return (params, state), params

    return jax.lax.scan(step, (params, optimizer.init(params)), length=steps)[1]


def power(matrix, exponent):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T


def numpys(
    w, steps=25, momentum=0.0, b2=1.0, eps=1e-4, weight_decay=0.0, every=1, limit=100, full_vectors=False, graft="none"
):  # fmt: skip
    """Algorithm 2 of the paper: a matrix for each axis, with the exponent -1/(2k) for k axes."""
    shape, w = np.shape(w), np.atleast_1d(w).astype(float)
    full = [(w.ndim > 1 or full_vectors) and n <= limit for n in w.shape]
    sums, squares, m = [np.zeros((n, n)) for n in w.shape], np.zeros_like(w), np.zeros_like(w)
    roots, found = [np.zeros(()) for _ in w.shape], []
    for t in range(1, steps + 1):
        g = w**3 - w + 0.3
        m = momentum * m + (1 - momentum) * g
        weight, correction = (1, 1) if b2 == 1 else (1 - b2, 1 - b2**t)
        squares = b2 * squares + weight * g**2
        step = m
        for axis, n in enumerate(w.shape):
            rows = np.moveaxis(g, axis, 0).reshape(n, -1)
            sums[axis] = b2 * sums[axis] + weight * rows @ rows.T
            if not full[axis] or (t - 1) % every == 0:
                mean = sums[axis] / correction + eps * np.eye(n)
                roots[axis] = power(mean if full[axis] else np.diag(np.diag(mean)), -1 / (2 * w.ndim))
            step = np.moveaxis(np.tensordot(roots[axis], step, (1, axis)), 0, axis)
        goal = {"none": step, "sgd": m, "adagrad": m / np.sqrt(squares / correction + eps)}[graft]
        step = step * np.linalg.norm(goal) / (np.linalg.norm(step) or 1.0)  # the scalar ends where its gradient is 0
        w = w - RATE * (step + weight_decay * w)
        found.append(w.reshape(shape))
    return np.array(found)


OWN = {"every": "precondition_frequency", "limit": "max_precond_dim", "graft": "grafting"}
OWN |= {"full_vectors": "precondition_1d"}
CASES: list[dict[str, Any]] = [
    {},
    {"eps": 1e-2, "weight_decay": 0.2, "every": 3, "full_vectors": True},
    {"eps": 1e-2, "momentum": 0.8, "b2": 0.7, "limit": 3},
    {"b2": 0.9, "eps": 1e-3, "graft": "sgd", "momentum": 0.5},
    {"b2": 0.9, "eps": 1e-3, "graft": "adagrad", "every": 4},
    {"eps": 1e-1, "graft": "adagrad", "momentum": 0.9},
]


def optimizer_of(case):
    return jaxmlp.shampoo(RATE, **{OWN.get(name, name): value for name, value in case.items()})


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_trajectory_is_the_papers(case):
    expected = {name: numpys(w, **CASES[case]) for name, w in START.items()}
    for dtype, rtol in ((jnp.float64, 1e-9), (jnp.float32, 2e-3)):
        start = jax.tree.map(lambda x, dtype=dtype: jnp.asarray(x, dtype), START)
        actual = jax.jit(trajectory)(optimizer_of(CASES[case]), start)
        for name in START:
            assert actual[name].dtype == dtype
            np.testing.assert_allclose(actual[name], expected[name], rtol=rtol, atol=rtol, err_msg=name)


@pytest.mark.usefixtures("x64")
def test_two_steps_of_a_diagonal_gradient_by_hand():
    """L = R = sum of g^2 on the diagonal: two fourth roots make AdaGrad."""
    optimizer, total = jaxmlp.shampoo(0.1, eps=0.3), np.zeros(2)
    state = optimizer.init(jnp.zeros((2, 2)))
    for diagonal in ([3.0, -0.5], [-1.0, 2.0]):
        updates, state = optimizer.update(jnp.diag(jnp.array(diagonal)), state)
        total = total + np.square(diagonal)
        np.testing.assert_allclose(updates, np.diag(-0.1 * np.array(diagonal) / np.sqrt(total + 0.3)), atol=1e-15)


@pytest.mark.usefixtures("x64")
def test_a_vector_with_a_matrix_is_full_matrix_adagrad():
    grads = CHANCE.normal(size=(3, 4))
    optimizer, total = jaxmlp.shampoo(0.1, eps=0.2, precondition_1d=True), 0.2 * np.eye(4)
    state = optimizer.init(jnp.zeros(4))
    for g in grads:
        updates, state = optimizer.update(jnp.asarray(g), state)
        total = total + np.outer(g, g)
        np.testing.assert_allclose(updates, -0.1 * power(total, -0.5) @ g, rtol=1e-12)


def test_axes_that_are_too_long_have_diagonals():
    params = {"w": jnp.zeros((3, 5), jnp.bfloat16), "b": jnp.zeros(2), "s": jnp.zeros(())}
    state = jaxmlp.shampoo(0.1, max_precond_dim=4).init(params)
    assert jax.tree.map(jnp.shape, state.statistics) == {"w": ((3, 3), (5,)), "b": ((2,),), "s": ((1,),)}
    assert jax.tree.map(jnp.shape, state.roots) == {"w": ((3, 3), None), "b": (None,), "s": (None,)}
    assert {leaf.dtype for leaf in jax.tree.leaves((state.statistics, state.roots))} == {jnp.dtype(jnp.float32)}
    assert jax.tree.leaves(state.nu) == []
    assert jax.tree.map(jnp.shape, jaxmlp.shampoo(0.1, grafting="adagrad").init(params).nu)["w"] == (3, 5)


# --- the inverse root ------------------------------------------------------------------------------------------------


def matrix_of(values):
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(len(values), len(values))))[0]
    return jnp.asarray((basis * np.array(values)) @ basis.T), basis


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("exponent", [2, 4, 6])
@pytest.mark.parametrize("values", [(4.0, 0.5, 2.0), (1.0, 1.0, 3.0), (2.0, 2.0, 2.0), (5.0, 1.0, 0.0)])
def test_the_inverse_root_and_its_derivative(values, exponent):
    matrix, basis = matrix_of(values)
    root = partial(inverse_root, power=exponent)
    expected = (basis * (np.array(values) + 0.1) ** (-1 / exponent)) @ basis.T
    np.testing.assert_allclose(root(matrix, jnp.asarray(0.1)), expected, rtol=1e-10, atol=1e-12)
    turn = np.random.default_rng(1).normal(size=(3, 3))
    direction = jnp.asarray(turn + turn.T)

    def moved(x):
        return root(matrix + x * direction, jnp.asarray(0.4) + x)  # no eigenvalue falls below 0 by more than eps

    slope = jax.jvp(moved, (0.0,), (1.0,))[1]
    if min(values) > 0:  # at an eigenvalue of 0 the square root bends
        np.testing.assert_allclose(slope, (moved(1e-6) - moved(-1e-6)) / 2e-6, rtol=1e-6, atol=1e-8)
    assert bool(jnp.isfinite(slope).all())


def test_eigenvalues_of_zero_stay_zero_without_eps():
    matrix, _ = matrix_of((16.0, 0.0))
    zero = jnp.zeros((2, 2))
    np.testing.assert_array_equal(inverse_root(zero, jnp.asarray(0.0), 4), zero)
    gradient = jax.grad(lambda m: jnp.sum(inverse_root(m, jnp.asarray(0.0), 4)))(zero)
    np.testing.assert_array_equal(gradient, zero)
    assert bool(jnp.isfinite(inverse_root(jnp.asarray(matrix, jnp.float32), jnp.float32(0.0), 4)).all())


def test_a_complex_matrix_has_a_hermitian_root():
    g = jnp.array([[1 + 2j, 0.5], [0.3j, -1.0]])
    r = inverse_root(g @ g.conj().T, jnp.asarray(0.0), 4)
    np.testing.assert_allclose(np.linalg.matrix_power(np.asarray(r), 4) @ (g @ g.conj().T), np.eye(2), atol=1e-4)


# --- numbers ---------------------------------------------------------------------------------------------------------

GRADS = {"w": jnp.array([[0.5, -1.0, 0.2], [2.0, 0.3, -0.7]]), "b": jnp.array([0.3, -0.1])}


def after_steps(rate, every, b2, eps, momentum=0.5):
    optimizer = jaxmlp.shampoo(rate, momentum, b2, eps, 0.1, precondition_frequency=every, grafting="adagrad")
    first = params = jax.tree.map(lambda g: jnp.asarray(g, float), GRADS)
    state = optimizer.init(params)
    for scale in (1.0, -0.5, 0.3):
        grads = jax.tree.map(lambda g, scale=scale: scale * g + g**3, first)
        updates, state = optimizer.update(grads, state, params)
        params = jaxmlp.apply_updates(params, updates)
    return params


def test_vmap_over_numbers_is_a_loop_and_compiles_once():
    traces = []

    @jax.jit
    def counted(*numbers):
        traces.append(1)
        return after_steps(*numbers)

    batch = (jnp.array([0.1, 0.2, 0.1]), jnp.array([1, 2, 3]), jnp.array([1.0, 0.9, 0.5]), jnp.array([0.1, 0.2, 0.3]))
    alone = [counted(*(numbers[i] for numbers in batch)) for i in range(3)]
    together = jax.vmap(after_steps)(*batch)
    for i, expected in enumerate(alone):
        jax.tree.map(lambda t, e, i=i: np.testing.assert_allclose(t[i], e, rtol=1e-4), together, expected)
    assert len(traces) == 1


@pytest.mark.usefixtures("x64")
def test_derivatives_are_the_limits_of_differences():
    def value(x):
        return sum(
            jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(after_steps(0.1 * x, 1, 0.9 * x, 0.2 * x, 0.5 * x))
        )

    slope = (value(1 + 1e-6) - value(1 - 1e-6)) / 2e-6
    np.testing.assert_allclose(jax.grad(value)(1.0), slope, rtol=1e-6)


@pytest.mark.parametrize("grafting", ["none", "sgd", "adagrad"])
@pytest.mark.parametrize("eps", [1e-4, 0.0])
def test_zero_gradients_keep_the_weights_and_have_finite_derivatives(grafting, eps):
    def after(rate, grads):
        optimizer = jaxmlp.shampoo(rate, eps=eps, grafting=grafting)
        return optimizer.update(grads, optimizer.init(grads))[0]

    zero = jnp.zeros((2, 3))
    assert not after(0.1, zero).any()
    slopes = jax.grad(lambda *args: jnp.sum(after(*args)), (0, 1))(0.1, zero)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in slopes)


def test_complex_gradients_turn_the_steps():
    turn = 0.6 + 0.8j
    for grafting in ("none", "adagrad"):
        optimizer = jaxmlp.shampoo(0.1, 0.5, 0.9, precondition_1d=True, grafting=grafting)
        found = []
        for factor in (1.0, turn):
            grads = jax.tree.map(lambda g, factor=factor: jnp.asarray(factor * np.asarray(g), "complex64"), GRADS)
            state = optimizer.init(grads)
            for _ in range(2):
                updates, state = optimizer.update(grads, state)
            found.append(updates)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(b, turn * np.asarray(a), rtol=1e-3, atol=1e-6), *found)


def test_half_precision_is_rounded_once():
    grads = jax.tree.map(lambda g: g.astype(jnp.bfloat16), GRADS)
    optimizer = jaxmlp.shampoo(0.1)
    half, _ = optimizer.update(grads, optimizer.init(grads))
    wide = jax.tree.map(lambda g: g.astype(jnp.float32), grads)
    full, _ = optimizer.update(wide, optimizer.init(wide))
    for a, b in zip(jax.tree.leaves(half), jax.tree.leaves(full), strict=True):
        assert a.dtype == jnp.bfloat16
        np.testing.assert_allclose(a.astype(jnp.float32), b, rtol=2**-8)


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value", "rule"),
    [
        ("b2", 0.0, "be above 0 and at most 1, got 0.0"),
        ("b2", 1.1, "be above 0 and at most 1, got 1.1"),
        ("b2", math.nan, "be above 0 and at most 1, got nan"),
        ("precondition_frequency", 0, "be a whole number of at least 1, got 0.0"),
        ("precondition_frequency", 2.5, "be a whole number of at least 1, got 2.5"),
        ("max_precond_dim", 0, "be a whole number of at least 1, got 0"),
        ("grafting", "adam", "be one of none, sgd, adagrad, got 'adam'"),
    ],
)
def test_an_argument_out_of_range_is_refused(argument, value, rule):
    with pytest.raises(ValueError, match=re.escape(f"shampoo: {argument} must {rule}")):
        jaxmlp.shampoo(0.1, **{argument: value})
