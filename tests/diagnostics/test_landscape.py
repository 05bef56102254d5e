"""Norms, distances and sharpness by hand and against NumPy's eigenvalues; recorded as history, which changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp.diagnostics import distance, gradient_norm, norm, recorded, sharpness, update_ratio


def quadratic(eigenvalues, seed=0):
    """A loss whose Hessian has these eigenvalues, of params {"a": (2,), "b": (n - 2,)}; the Hessian; params."""
    vectors = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(eigenvalues),) * 2))[0]
    hessian = jnp.asarray(vectors @ np.diag(eigenvalues) @ vectors.T, jnp.float32)

    def loss(params):
        x = jnp.concatenate([params["a"], params["b"]])
        return 0.5 * jnp.vdot(x, hessian @ x) + 3.0 * x[0]

    return loss, {"a": jnp.array([0.5, -2.0]), "b": jnp.arange(1.0, len(eigenvalues) - 1)}


def test_norms_and_distances_by_hand():
    tree = {"w": jnp.array([[1.0, -2.0], [2.0, 0.0]]), "b": jnp.array([4.0])}
    assert float(norm(tree)) == 5.0 and float(norm({})) == 0.0 and float(norm({"w": jnp.zeros(3)})) == 0.0
    assert float(norm(jnp.array([3 + 4j, 12.0]))) == 13.0
    other = {"w": jnp.array([[1.0, -2.0], [2.0, 3.0]]), "b": jnp.array([0.0])}
    assert float(distance(tree, other)) == 5.0
    assert float(update_ratio({"w": jnp.array([0.6, 0.8])}, {"w": jnp.array([4.0, 3.0])})) == pytest.approx(0.2)
    assert np.isinf(update_ratio(jnp.ones(2), jnp.zeros(2))) and np.isnan(update_ratio(jnp.zeros(2), jnp.zeros(2)))


@pytest.mark.parametrize(
    ("value", "dtype"), [(3e30, "float32"), (3e-30, "float32"), (6e4, "float16"), (1e-6, "float16"), (3e30, "bfloat16")]
)
def test_norms_neither_overflow_nor_underflow(value, dtype):
    x = jnp.full((4,), value, dtype)
    assert norm(x).dtype == jnp.float32
    assert float(norm(x)) == pytest.approx(2 * float(x[0]), rel=1e-5)
    assert np.isinf(norm(jnp.array([jnp.inf, 1.0]))) and np.isnan(norm(jnp.array([jnp.nan, 1.0])))


def test_norms_of_mixed_dtypes(x64):
    tree = [jnp.full((9,), 1.0, jnp.float16), jnp.full((4,), 2.0, jnp.float64)]
    assert norm(tree).dtype == jnp.float64 and float(norm(tree)) == 5.0


def test_gradient_norms_by_hand():
    loss, params = quadratic([1.0, 2.0, 3.0, 4.0])
    grads = jax.grad(loss)(params)
    expected = np.linalg.norm(np.concatenate([grads["a"], grads["b"]]))
    assert float(gradient_norm(loss, params)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("eigenvalues", "largest"),
    [
        ([0.5, 1.0, 2.0, 7.0, 0.1], 7.0),
        ([-1.0, 2.0, 3.0, 6.0, 0.0], 6.0),
        ([-9.0, 2.0, 3.0, 6.0, 0.0], 6.0),  # the eigenvalue of largest size is negative
        ([-9.0, -5.0, -3.0, -2.0, -1.0], -1.0),
        ([0.0, 0.0, 0.0, 0.0, 0.0], 0.0),
    ],
)
def test_sharpness_is_the_largest_eigenvalue(eigenvalues, largest):
    loss, params = quadratic(eigenvalues)
    for value in (
        sharpness(loss, params, iterations=100),
        jax.jit(lambda p: sharpness(loss, p, iterations=100))(params),
    ):
        assert float(value) == pytest.approx(largest, abs=1e-3)


def test_few_iterations_underestimate_and_more_do_not_trace_again():
    loss, params = quadratic(np.linspace(0.5, 4.0, 12))
    few, more = (float(sharpness(loss, params, iterations=count)) for count in (1, 60))
    assert few < more - 0.1 and more == pytest.approx(4.0, abs=0.05)


def test_sharpness_of_a_network_against_its_hessian():
    params = jaxmlp.init(jax.random.key(0), (3, 4, 2))
    batch = jaxmlp.Batch(jax.random.normal(jax.random.key(1), (20, 3)), jnp.arange(20, dtype=jnp.int32) % 2)

    def loss(params):
        return jaxmlp.cross_entropy(jaxmlp.apply(params, batch.inputs, "tanh"), batch.targets)

    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    eigenvalues = np.linalg.eigvalsh(np.asarray(jax.hessian(lambda flat: loss(unflatten(flat)))(flat), np.float64))
    assert float(sharpness(loss, params, iterations=200)) == pytest.approx(eigenvalues[-1], rel=1e-3)


def test_parameters_without_gradient_are_constants():
    def loss(params):
        return params["scale"].astype(jnp.float32) * jnp.sum(jnp.square(params["x"]))

    params = {"scale": jnp.int32(3), "x": jnp.array([1.0, 2.0, 2.0])}
    assert float(gradient_norm(loss, params)) == pytest.approx(18.0)
    assert float(sharpness(loss, params)) == pytest.approx(6.0)


def test_half_precision_gives_numbers_in_float32():
    def loss(x):
        return 100 * jnp.sum(jnp.square(x))

    value = sharpness(loss, jnp.ones(5, jnp.float16))
    assert value.dtype == jnp.float32 and float(value) == pytest.approx(200.0, rel=1e-2)


def learner(optimizer):
    return jaxmlp.classifier((2, 8, 2), optimizer=optimizer, activation="tanh")


def test_recorded_history_equals_the_pure_functions_and_training_is_the_same_to_the_bit():
    data, key = jaxmlp.load("moons", rows=200), jax.random.key(3)
    plain = jaxmlp.fit(key, learner(jaxmlp.adam(0.01)), data, epochs=3)
    result = jaxmlp.fit(key, recorded(learner(jaxmlp.adam(0.01)), iterations=50), data, epochs=3)
    assert set(result.history) - set(plain.history) == {"validation_gradient_norm", "validation_sharpness"}
    for name, values in plain.history.items():
        assert (values == result.history[name]).all()
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), plain.params, result.params))

    def loss(params):
        return jaxmlp.cross_entropy(jaxmlp.apply(params, data.validation.inputs, "tanh"), data.validation.targets)

    assert float(result.history["validation_gradient_norm"][-1]) == pytest.approx(
        float(gradient_norm(loss, plain.params)), rel=1e-4
    )
    assert float(result.history["validation_sharpness"][-1]) == pytest.approx(
        float(sharpness(loss, plain.params, iterations=50)), rel=1e-4
    )


def test_a_population_records_too():
    data = jaxmlp.load("moons", rows=100)
    study = jaxmlp.train_many(
        lambda learning_rate: recorded(learner(jaxmlp.gd(learning_rate)), iterations=5),
        data,
        seeds=2,
        epochs=2,
        learning_rate=[0.1, 0.3],
        progress=False,
    )
    assert study.history("validation_sharpness").shape == (4, 2) and "validation_gradient_norm" in study.table()


def test_errors():
    with pytest.raises(TypeError, match="gradient_norm: loss must be a function params -> scalar, got 3"):
        gradient_norm(3, jnp.ones(2))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="sharpness: loss must be a function"):
        sharpness(None, jnp.ones(2))  # pyright: ignore[reportArgumentType]
    for function in (
        lambda: sharpness(jnp.sum, jnp.ones(2), iterations=0),
        lambda: recorded(learner(jaxmlp.gd(0.1)), iterations=0),
    ):
        with pytest.raises(ValueError, match="iterations must be .*at least 1.*, got 0"):
            function()
