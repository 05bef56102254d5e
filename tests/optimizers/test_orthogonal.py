"""Muon: Newton-Schulz against the singular value decomposition, whole trajectories against optax, its choice of leaves."""

import math
import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax.contrib
import pytest

import jaxmlp
from jaxmlp.optimizers.newton_schulz import coefficient_rows, orthogonalized

STANDARD, CONVERGING = (3.4445, -4.7750, 2.0315), (1.5, -0.5, 0.0)
CHANCE = np.random.default_rng(3)
SHAPES = [(3, 4), (4, 4), (4, 2)]
START = [{"w": CHANCE.normal(size=shape), "b": CHANCE.normal(size=shape[1:])} for shape in SHAPES]
HIDDEN = [False, True, False]


def network(dtype: Any = None):
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), START)


def gradients_of(params):
    """Of a sum of quartics, different for every weight."""
    return jax.tree.map(lambda x: x**3 - x + jnp.asarray(0.3, x.dtype), params)


def trajectory(optimizer, params, steps=25):
    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(gradients_of(params), state, params)
        params = jaxmlp.apply_updates(params, updates)
        return (params, state), params

    return jax.lax.scan(step, (params, optimizer.init(params)), length=steps)[1]


def assert_close(actual, expected, rtol=1e-10, atol=0.0):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=atol), actual, expected)


# --- Newton-Schulz ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("norm", ["frobenius", "spectral", "schatten"])
@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 3)])
def test_converging_coefficients_give_the_orthogonal_factor(shape, norm):
    matrix = np.random.default_rng(0).normal(size=shape)
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    np.testing.assert_allclose(orthogonalized(jnp.asarray(matrix), 40 * (CONVERGING,), 0.0, norm), u @ v, atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_rows_divided_one_by_one_become_orthogonal_too():
    matrix = np.random.default_rng(0).normal(size=(3, 5))
    scaled = matrix / np.sqrt(np.abs(matrix @ matrix.T).sum(axis=1, keepdims=True))
    u, _, v = np.linalg.svd(scaled, full_matrices=False)
    for given, expected in ((matrix, u @ v), (matrix.T, (u @ v).T)):
        actual = orthogonalized(jnp.asarray(given), 40 * (CONVERGING,), 0.0, "aol")
        np.testing.assert_allclose(actual, expected, atol=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("rows", [5 * (STANDARD,), coefficient_rows("dion")])
def test_singular_values_go_through_the_polynomial(rows):
    matrix = np.random.default_rng(1).normal(size=(4, 6))
    u, values, v = np.linalg.svd(matrix, full_matrices=False)
    values = values / (np.linalg.norm(matrix) + 0.25)
    for a, b, c in rows:
        values = a * values + b * values**3 + c * values**5
    np.testing.assert_allclose(orthogonalized(jnp.asarray(matrix), rows, 0.25), (u * values) @ v, rtol=1e-10)


def test_the_usual_five_steps_end_where_the_docstring_says():
    values = np.linspace(0.03, 1.0, 10_000)
    for a, b, c in 5 * coefficient_rows("standard"):
        values = a * values + b * values**3 + c * values**5
    assert 0.65 < values.min() < values.max() < 1.25


@pytest.mark.parametrize("scale", [1e-36, 1e-20, 1.0, 1e20, 1e38])
def test_the_norm_neither_overflows_nor_vanishes(scale):
    matrix = jnp.array([[2.0, 1.0, 0.0], [0.0, -1.0, 1.5]])
    expected = orthogonalized(matrix, 5 * (STANDARD,), 0.0)
    np.testing.assert_allclose(orthogonalized(matrix * scale, 5 * (STANDARD,), 0.0), expected, rtol=1e-5, atol=1e-6)


def test_a_zero_matrix_stays_zero():
    for norm in ("frobenius", "spectral", "aol", "schatten"):
        assert not orthogonalized(jnp.zeros((2, 3)), (STANDARD,), 0.0, norm).any()


def test_a_complex_matrix_becomes_unitary():
    chance = np.random.default_rng(2)
    matrix = jnp.asarray(chance.normal(size=(4, 3)) + 1j * chance.normal(size=(4, 3)), jnp.complex64)
    for norm in ("frobenius", "spectral", "aol", "schatten"):
        unitary = orthogonalized(matrix, 30 * (CONVERGING,), 0.0, norm)
        np.testing.assert_allclose(unitary.conj().T @ unitary, np.eye(3), atol=1e-5)


# --- against optax ---------------------------------------------------------------------------------------------------

CASES: list[dict[str, Any]] = [
    {},
    {"beta": 0.8, "eps": 1e-3, "ns_steps": 3, "nesterov": False, "adam_b1": 0.7, "adam_b2": 0.9, "adam_eps_root": 0.1},
    {"weight_decay": 0.2, "adam_weight_decay": 0.1, "adam_learning_rate": 0.05, "adaptive": True},
]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_trajectory_of_a_network_is_optaxs(case):
    with jax.numpy_dtype_promotion("standard"):
        expected = jax.jit(partial(trajectory, optax.contrib.muon(0.02, **CASES[case])))(network())
    own = jax.jit(trajectory)
    assert_close(own(jaxmlp.muon(0.02, **CASES[case]), network()), expected)
    narrow = own(jaxmlp.muon(0.02, **CASES[case]), network(jnp.float32))
    assert_close(narrow, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("matrices", [HIDDEN, lambda params: [{"w": i == 1, "b": True} for i in range(len(params))]])
def test_the_choice_of_matrices_is_optaxs_dimension_numbers(matrices):
    numbers = [{"w": optax.contrib.MuonDimensionNumbers() if chosen else None, "b": None} for chosen in HIDDEN]
    with jax.numpy_dtype_promotion("standard"):
        reference = optax.contrib.muon(0.02, adam_learning_rate=0.05, muon_weight_dimension_numbers=numbers)
        expected = jax.jit(partial(trajectory, reference))(network())
    optimizer = jaxmlp.muon(0.02, adam_learning_rate=0.05, matrices=matrices)
    assert_close(jax.jit(trajectory)(optimizer, network()), expected)


@pytest.mark.usefixtures("x64")
def test_a_complex_step_is_optaxs():
    grads = {"w": jnp.array([[1 + 2j, 0.5, 1j], [0.2, -1j, 0.3 + 0.1j]])}
    updates, _ = jaxmlp.muon(0.1).update(grads, jaxmlp.muon(0.1).init(grads))
    with jax.numpy_dtype_promotion("standard"):
        reference = optax.contrib.muon(0.1)
        expected, _ = reference.update(grads, reference.init(grads), grads)
    assert_close(updates, expected)


# --- by hand ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_two_steps_by_hand():
    grads = [np.array([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]), np.array([[0.0, 0.0, 0.0], [0.0, -2.0, 0.0]])]
    optimizer = jaxmlp.muon(0.1, (2.0, -1.0, 0.5), 2, 0.5, 0.5, 0.25)
    state, w, m, found = optimizer.init(jnp.ones((2, 3))), np.ones((2, 3)), np.zeros((2, 3)), []
    for t, g in enumerate(grads, 1):
        updates, state = optimizer.update(jnp.asarray(g), state, jnp.asarray(w))
        m = 0.5 * m + 0.5 * g
        s = 0.5 * m / (1 - 0.5 ** (t + 1)) + 0.5 * g / (1 - 0.5**t)  # diagonal: its own singular values
        s = s / (math.sqrt((s**2).sum()) + 0.5)
        for _ in range(2):
            s = 2 * s - s**3 + 0.5 * s**5
        found.append((updates, -0.1 * (math.sqrt(3 / 2) * s + 0.25 * w)))
    for actual, expected in found:
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-16)


def test_a_tall_matrix_has_the_factor_one():
    for shape, factor in (((4, 2), 1.0), ((2, 4), math.sqrt(2.0)), ((3, 3), 1.0)):
        grads = jnp.asarray(CHANCE.normal(size=shape), jnp.float32)
        optimizer = jaxmlp.muon(0.1, CONVERGING, 30)
        updates, _ = optimizer.update(grads, optimizer.init(grads))
        np.testing.assert_allclose(np.linalg.svd(updates)[1], 0.1 * factor, rtol=1e-4)
        optimizer = jaxmlp.muon(0.1, CONVERGING, 30, consistent_rms=0.2)
        updates, _ = optimizer.update(grads, optimizer.init(grads))
        np.testing.assert_allclose(np.linalg.svd(updates)[1], 0.02 * math.sqrt(max(shape)), rtol=1e-4)


def test_only_the_other_leaves_have_a_second_moment():
    state = jaxmlp.muon(0.1, matrices=HIDDEN).init(network(jnp.bfloat16))
    assert [layer["w"] is None for layer in state.nu] == HIDDEN
    assert state.nu[1]["b"].dtype == state.nu[0]["w"].dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(state.mu)} == {jnp.dtype(jnp.bfloat16)}


def test_arrays_of_other_ranks_go_to_adam():
    grads = {"t": jnp.ones((2, 2, 2)), "v": jnp.array([1.0, -2.0])}
    optimizer, adam = jaxmlp.muon(0.1), jaxmlp.adam(0.1, nesterov=True)
    assert_close(optimizer.update(grads, optimizer.init(grads))[0], adam.update(grads, adam.init(grads))[0], 1e-6)


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_coefficients_are_numbers_and_compile_once():
    traces, grads = [], jnp.array([[0.5, -1.0], [2.0, 0.3]])

    @jax.jit
    def step(optimizer):
        traces.append(1)
        return optimizer.update(grads, optimizer.init(grads), grads)[0]

    for rate, coefficients in ((0.1, STANDARD), (0.2, CONVERGING), (0.3, [2.0, -1.5, 0.5]), (0.4, np.array(STANDARD))):
        optimizer = jaxmlp.muon(rate, coefficients, beta=rate, eps=rate, weight_decay=rate, consistent_rms=rate)
        assert_close(step(optimizer), optimizer.update(grads, optimizer.init(grads), grads)[0], 1e-5)
    assert len(traces) == 1


def test_rows_of_coefficients_replace_the_number_of_steps():
    grads = jnp.array([[0.5, -1.0], [2.0, 0.3]])

    def step(*arguments):
        optimizer = jaxmlp.muon(0.1, *arguments)
        return optimizer.update(grads, optimizer.init(grads))[0]

    twice = step(STANDARD, 2)
    for rows in ((STANDARD, STANDARD), [list(STANDARD)] * 2, jnp.array([STANDARD, STANDARD])):
        assert_close(step(rows, 7), twice, 1e-6)
    assert_close(step("standard", 2), twice, 0.0)


def test_vmap_over_numbers_is_a_loop():
    grads = jnp.array([[0.5, -1.0], [2.0, 0.3]])

    def step(rate, a, beta):
        optimizer = jaxmlp.muon(rate, (a, -1.0, 0.5), beta=beta)
        state = optimizer.init(grads)
        for scale in (1.0, -0.5):
            updates, state = optimizer.update(scale * grads, state)
        return updates

    batch = (jnp.array([0.1, 0.2]), jnp.array([1.5, 2.0]), jnp.array([0.9, 0.5]))
    alone = jnp.stack([step(*(float(numbers[i]) for numbers in batch)) for i in range(2)])
    assert_close(jax.vmap(step)(*batch), alone, 1e-5)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_rounded_once(dtype):
    params = network(dtype)
    grads = gradients_of(params)
    optimizer = jaxmlp.muon(0.1)
    half, _ = optimizer.update(grads, optimizer.init(params))
    wide = jax.tree.map(lambda g: g.astype(jnp.float32), grads)
    full, _ = optimizer.update(wide, optimizer.init(wide))
    eps = float(jnp.finfo(dtype).eps)
    assert {leaf.dtype for leaf in jax.tree.leaves(half)} == {jnp.dtype(dtype)}
    assert_close(jax.tree.map(lambda u: u.astype(jnp.float32), half), full, eps, 0.1 * eps)


# --- derivatives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["frobenius", "spectral", "aol", "schatten"])
@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_derivatives_are_finite(norm, scale):
    def after(rate, grads):
        optimizer = jaxmlp.muon(rate, preconditioning=norm, eps=1e-3)
        return jnp.sum(jnp.sin(optimizer.update(grads, optimizer.init(grads))[0]))

    grads = scale * jnp.array([[0.5, -1.0, 0.1], [2.0, 0.3, -0.7]])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.grad(after, (0, 1))(0.1, grads))


@pytest.mark.usefixtures("x64")
def test_derivatives_are_the_limits_of_differences():
    params = {"w": jnp.array([[0.5, -1.0, 0.1], [2.0, 0.3, -0.7]]), "b": jnp.array([0.3])}

    def after(x):
        rows = (3.0 * x, -3.2 * x, 1.2)
        optimizer = jaxmlp.muon(0.1 * x, rows, 3, 0.9 * x, 0.1 * x, 0.2 * x, adam_b1=0.8 * x, adam_b2=0.9 * x)
        final = trajectory(optimizer, params, 3)
        return sum(jnp.sum(jnp.sin(leaf[-1])) for leaf in jax.tree.leaves(final))

    slope = (after(1 + 1e-6) - after(1 - 1e-6)) / 2e-6
    np.testing.assert_allclose(jax.grad(after)(1.0), slope, rtol=1e-6)


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [(1.0, 2.0), 3.0, ((1.0, 2.0, 3.0), (1.0, 2.0)), jnp.ones((2, 4)), ()])
def test_coefficients_of_another_shape_are_refused(value):
    rule = "be three numbers, rows of three numbers, or one of standard, dion"
    with pytest.raises(ValueError, match=re.escape(f"muon: ns_coeffs must {rule}, got {value!r}")):
        jaxmlp.muon(0.1, value)


@pytest.mark.parametrize(
    ("argument", "value", "rule"),
    [
        ("ns_coeffs", "fast", "be one of standard, dion, got 'fast'"),
        ("ns_coeffs", (1.0, math.nan, 0.0), "be finite numbers, got nan"),
        ("ns_steps", 0, "be a whole number of at least 1, got 0"),
        ("preconditioning", "l1", "be one of frobenius, spectral, aol, schatten, got 'l1'"),
        ("consistent_rms", -0.2, "be a finite number of at least 0, got -0.2"),
        ("adam_learning_rate", -0.1, "be a finite number of at least 0, got -0.1"),
    ],
)
def test_an_argument_out_of_range_is_refused(argument, value, rule):
    with pytest.raises(ValueError, match=re.escape(f"muon: {argument} must {rule}")):
        jaxmlp.muon(0.1, **{argument: value})


def test_masks_of_another_structure_are_refused():
    params = network()
    with pytest.raises(ValueError, match=r"muon.init: matrices must have the parameters' structure .*, or be a prefix"):
        jaxmlp.muon(0.1, matrices=[True]).init(params)
    optimizer = jaxmlp.muon(0.1, weight_decay=0.1, weight_decay_mask=[True])
    with pytest.raises(ValueError, match=r"muon.update: weight_decay_mask must have the parameters' structure"):
        optimizer.update(params, optimizer.init(params), params)
    with pytest.raises(ValueError, match=r"muon.update: params must be given, as weight decay needs them, got None"):
        optimizer.update(params, optimizer.init(params))
