"""Diagnostics: values by hand and against `jax.grad`, under jit and vmap, in every dtype, and their errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp.activations import activation_function
from jaxmlp.diagnostics import dead_units, error_signals, layer_gradient_norms, pre_activations

# Two inputs, two hidden units, one output. On the rows below z = ((1, -3), (-1, -1)): the second unit is dead.
PARAMS = [
    {"w": jnp.array([[1.0, -1.0], [-1.0, -1.0]]), "b": jnp.array([0.0, 0.0])},
    {"w": jnp.array([[2.0], [3.0]]), "b": jnp.array([0.5])},
]
BATCH = jaxmlp.Batch(jnp.array([[2.0, 1.0], [0.0, 1.0]]), jnp.array([[0.5], [0.0]]))


def loss_fn(params, batch, key):
    return jaxmlp.mse(jaxmlp.apply(params, batch.inputs), batch.targets), {"more": jnp.float32(0)}


def random_case(seed, sizes=(3, 5, 4, 2), rows=6):
    keys = jax.random.split(jax.random.key(seed), 3)
    params = jaxmlp.init(keys[0], sizes, bias=0.1)
    return params, jaxmlp.Batch(
        jax.random.normal(keys[1], (rows, sizes[0])), jax.random.normal(keys[2], (rows, sizes[-1]))
    )


def test_pre_activations_by_hand():
    hidden, outputs = pre_activations(PARAMS, BATCH.inputs)
    np.testing.assert_array_equal(hidden, [[1, -3], [-1, -1]])
    np.testing.assert_array_equal(outputs, [[2.5], [0.5]])


@pytest.mark.parametrize("activation", ["relu", "tanh", jaxmlp.sigmoid])
def test_the_last_pre_activations_are_the_outputs(activation):
    params, batch = random_case(0)
    outputs = jaxmlp.apply(params, batch.inputs, activation=activation)
    np.testing.assert_array_equal(pre_activations(params, batch.inputs, activation)[-1], outputs)


def test_error_signals_by_hand():
    # Two rows: dL/dz of the output is 2 (y - t) / 2; of the hidden units that times 2 and 3, where z > 0.
    hidden, outputs = error_signals(PARAMS, BATCH, jaxmlp.mse)
    np.testing.assert_array_equal(outputs, [[2.0], [0.5]])
    np.testing.assert_array_equal(hidden, [[4.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", jaxmlp.leaky_relu])
def test_the_gradient_of_a_weight_is_its_input_times_the_signal(activation):
    params, batch = random_case(1)
    signals = error_signals(params, batch, jaxmlp.mse, activation)
    grads = jax.grad(lambda params: jaxmlp.mse(jaxmlp.apply(params, batch.inputs, activation), batch.targets))(params)
    function = activation_function(activation)
    inputs = [batch.inputs, *(function(z) for z in pre_activations(params, batch.inputs, activation)[:-1])]
    for layer, signal, grad in zip(inputs, signals, grads, strict=True):
        assert signal.shape == (6, grad["b"].shape[0])
        np.testing.assert_allclose(layer.T @ signal, grad["w"], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(signal.sum(axis=0), grad["b"], rtol=1e-5, atol=1e-7)


def test_error_signals_of_softmax_are_probabilities_minus_labels():
    params, batch = random_case(2)
    labels = jnp.arange(6) % 2
    logits = jaxmlp.apply(params, batch.inputs)
    expected = (jax.nn.softmax(logits) - jax.nn.one_hot(labels, 2)) / 6
    signals = error_signals(params, jaxmlp.Batch(batch.inputs, labels), jaxmlp.cross_entropy)
    np.testing.assert_allclose(signals[-1], expected, rtol=1e-5, atol=1e-7)


def test_dead_units_by_hand():
    (dead,) = dead_units(PARAMS, BATCH.inputs)
    assert dead.tolist() == [False, True] and dead.dtype == bool
    (dead,) = dead_units(PARAMS, BATCH.inputs[1:])  # on the second row alone neither unit fires
    assert dead.tolist() == [True, True]
    assert dead_units(PARAMS[:1], BATCH.inputs) == []


@pytest.mark.parametrize(("activation", "dead"), [("leaky_relu", 0), ("sigmoid", 0), ("step", 2), (jaxmlp.relu, 1)])
def test_dead_units_depend_on_the_derivative(activation, dead):
    assert int(dead_units(PARAMS, BATCH.inputs, activation)[0].sum()) == dead


@pytest.mark.parametrize(("activation", "dead"), [("gelu", [False, False, True]), ("silu", [False, False, True])])
def test_a_negative_or_small_derivative_is_alive(activation, dead):
    # At -2 the derivatives of gelu and silu are below 0; at -1000 they are 0.
    params = [{"w": jnp.array([[2.0, -2.0, -1000.0]]), "b": jnp.zeros(3)}, {"w": jnp.ones((3, 1)), "b": jnp.zeros(1)}]
    (found,) = dead_units(params, jnp.ones((4, 1)), activation)
    assert float(jax.grad(activation_function(activation))(-2.0)) < 0
    assert found.tolist() == dead
    # A row on which the third unit is alive.
    assert dead_units(params, jnp.array([[1.0], [1e-4]]), activation)[0].tolist() == [False, False, False]


def test_a_constant_hidden_layer_is_dead_though_its_outputs_are_not_zero():
    params = [{"w": jnp.array([[100.0, 1.0]]), "b": jnp.zeros(2)}, {"w": jnp.ones((2, 1)), "b": jnp.zeros(1)}]
    assert dead_units(params, jnp.ones((2, 1)), "tanh")[0].tolist() == [True, False]


def test_dead_units_over_any_leading_axes():
    params, _ = random_case(5, sizes=(3, 40, 30, 2))
    inputs = jax.random.normal(jax.random.key(6), (2, 3, 4, 3)) - 1.0
    found = dead_units(params, inputs)
    assert [dead.shape for dead in found] == [(40,), (30,)] and any(bool(dead.any()) for dead in found)
    for dead, flat in zip(found, dead_units(params, inputs.reshape(-1, 3)), strict=True):
        np.testing.assert_array_equal(dead, flat)
    alone = dead_units(PARAMS, BATCH.inputs[0])  # one example: no leading axis
    assert alone[0].tolist() == [False, True]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_dtypes_are_those_of_the_parameters(dtype):
    params, batch = jax.tree.map(lambda leaf: leaf.astype(dtype), (PARAMS, BATCH))
    assert {z.dtype for z in pre_activations(params, batch.inputs)} == {jnp.dtype(dtype)}
    assert {signal.dtype for signal in error_signals(params, batch, jaxmlp.mse)} == {jnp.dtype(dtype)}
    assert [signal.tolist() for signal in error_signals(params, batch, jaxmlp.mse)][1] == [[2.0], [0.5]]
    assert dead_units(params, batch.inputs)[0].tolist() == [False, True]


def test_dead_units_get_no_gradient():
    _, batch = random_case(3)
    params = jaxmlp.init(jax.random.key(3), (3, 40, 2), bias=-1.0)
    (dead,) = dead_units(params, batch.inputs)
    grads = jax.grad(lambda params: loss_fn(params, batch, None)[0])(params)
    assert 0 < int(dead.sum()) < 40
    np.testing.assert_array_equal(jnp.all(grads[0]["w"] == 0, axis=0), dead)


def test_gradient_norms_by_hand():
    # Gradients: (2, 1) outer (4, 0) in the first layer; hidden values (1, 0) and (0, 0) times 2 and 0.5 in the second.
    np.testing.assert_allclose(layer_gradient_norms(loss_fn, PARAMS, BATCH), [np.sqrt(8.0**2 + 4.0**2), 2.0], rtol=1e-6)


def test_gradient_norms_of_a_loss_with_and_without_metrics():
    alone = layer_gradient_norms(lambda *arguments: loss_fn(*arguments)[0], PARAMS, BATCH)
    np.testing.assert_array_equal(alone, layer_gradient_norms(loss_fn, PARAMS, BATCH))


def test_a_loss_without_dropout_gets_no_key():
    keys = []
    layer_gradient_norms(
        lambda params, batch, key: (keys.append(key), loss_fn(params, batch, key)[0])[1], PARAMS, BATCH
    )
    assert keys == [None]


def test_gradient_norms_of_a_learner_with_dropout():
    learner = jaxmlp.regressor((3, 5, 4, 2), optimizer=jaxmlp.gd(0.1), dropout_rate=0.25)
    params, batch = random_case(4)
    first, again, other = (layer_gradient_norms(learner.loss, params, batch, jax.random.key(i)) for i in (0, 0, 1))
    assert first.shape == (3,) and first.tolist() == again.tolist() != other.tolist()


def test_jit_and_vmap_over_params():
    cases = [random_case(seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(params for params, _ in cases))
    batch = cases[0][1]

    def all_of(params):
        return (
            error_signals(params, batch, jaxmlp.mse),
            dead_units(params, batch.inputs),
            layer_gradient_norms(loss_fn, params, batch),
        )

    together = jax.jit(jax.vmap(all_of))(stacked)
    for place, (params, _) in enumerate(cases):
        alone = all_of(params)
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            np.testing.assert_allclose(a, b[place], rtol=1e-5, atol=1e-7)


def test_errors_name_function_argument_rule_and_value():
    with pytest.raises(ValueError, match="dead_units: activation must be one of .*, got 'rleu'"):
        dead_units(PARAMS, BATCH.inputs, "rleu")
    with pytest.raises(ValueError, match="error_signals: activation must be one of .*, got 'rleu'"):
        error_signals(PARAMS, BATCH, jaxmlp.mse, "rleu")
    with pytest.raises(ValueError, match="pre_activations: activation must be one of .*, got 'rleu'"):
        pre_activations(PARAMS, BATCH.inputs, "rleu")
    with pytest.raises(TypeError, match="error_signals: loss must be a function .*, got 3"):
        error_signals(PARAMS, BATCH, 3)
    with pytest.raises(TypeError, match="layer_gradient_norms: loss_fn must be a function, got None"):
        layer_gradient_norms(None, PARAMS, BATCH)
    with pytest.raises(ValueError, match=r"inputs must be of shape \(..., 2\), got \(4, 3\)"):
        pre_activations(PARAMS, jnp.zeros((4, 3)))


def test_every_function_is_documented():
    names = jaxmlp.diagnostics.__all__
    assert all((getattr(jaxmlp.diagnostics, name).__doc__ or "").strip() for name in names)
