"""mlp: init against the formulas of its initializers, apply against a forward pass in NumPy."""

import functools
import itertools
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from jax.tree_util import Partial

from jaxmlp import apply, dropout_mask, init, leaky_relu, relu, truncated_normal
from jaxmlp.mlp import checked_sizes, weight_init_function

KEY = jax.random.key(0)
SIZES = (4, 7, 5, 3)
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(6, 4)).astype(np.float32)


def refuses(error, text):
    """The block raises `error` with exactly this text (JAX may add a note below it)."""
    return pytest.raises(error, match=rf"^{re.escape(text)}(\n|$)")


@functools.cache
def network(sizes=SIZES):
    """Parameters of NumPy's numbers, the biases not zero."""
    rng = np.random.default_rng(1)
    pairs = list(itertools.pairwise(sizes))
    return [{"w": rng.normal(size=pair), "b": rng.normal(size=pair[1])} for pair in pairs]


def as_dtype(params, dtype):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)


def forward(params, inputs, activation=lambda x: np.maximum(x, 0), scales=None):
    """The network in NumPy and float64; scales[i] multiplies what goes into layer i."""
    hidden = np.asarray(inputs, np.float64)
    for i, layer in enumerate(params):
        hidden = activation(hidden) if i > 0 else hidden
        hidden = hidden * scales[i] if scales else hidden
        hidden = hidden @ np.asarray(layer["w"], np.float64) + np.asarray(layer["b"], np.float64)
    return hidden


# init


def test_shapes_dtypes_and_biases():
    params = init(KEY, SIZES)
    assert isinstance(params, list)
    expected = [{"w": np.zeros((m, n), np.float32), "b": np.zeros(n, np.float32)} for m, n in [(4, 7), (7, 5), (5, 3)]]
    chex.assert_trees_all_equal_shapes_and_dtypes(params, expected)
    for layer in params:
        np.testing.assert_array_equal(layer["b"], 0)


def test_he_normal_is_the_default():
    chex.assert_trees_all_equal(init(KEY, SIZES), init(KEY, SIZES, "he_normal"))


# One weight of each of the two layers of init(key(0), (3, 2, 1)): another arithmetic would change every experiment.
PINNED = {
    "he_normal": (-0.7917789, -2.1430044),
    "he_uniform": (-0.8983688, -1.7067842),
    "glorot_normal": (-0.6133092, -1.7497559),
    "glorot_uniform": (-0.6958736, -1.3935835),
    "lecun_normal": (-0.5598722, -1.5153329),
    "lecun_uniform": (-0.6352427, -1.2068788),
}
FAN_IN, FAN_OUT = 400, 100
VARIANCES = {"he": 2 / FAN_IN, "glorot": 2 / (FAN_IN + FAN_OUT), "lecun": 1 / FAN_IN}


@pytest.mark.parametrize("name", PINNED)
def test_pinned_weights(name):
    first, second = init(KEY, (3, 2, 1), weight_init=name)
    assert (float(first["w"][0, 1]), float(second["w"][0, 0])) == pytest.approx(PINNED[name], rel=1e-6)


@pytest.mark.parametrize("name", PINNED)
def test_the_variance_of_each_initializer(name):
    w = np.asarray(init(KEY, (FAN_IN, FAN_OUT), weight_init=name)[0]["w"], np.float64)
    variance = VARIANCES[name.split("_")[0]]
    assert w.var() == pytest.approx(variance, rel=0.03)
    assert w.mean() == pytest.approx(0, abs=4 * np.sqrt(variance / w.size))
    # A uniform is cut at sqrt(3) deviations; the normals are cut at 2 before scaling to the variance: 2 / 0.8796.
    bound = np.sqrt(3) if name.endswith("uniform") else 2 / 0.87962566
    assert np.abs(w).max() == pytest.approx(bound * np.sqrt(variance), rel=1e-3)


def test_truncated_normal():
    w = np.asarray(init(KEY, (FAN_IN, FAN_OUT), weight_init=truncated_normal(0.03))[0]["w"], np.float64)
    assert w.std() == pytest.approx(0.87962566 * 0.03, rel=0.01)
    assert w.mean() == pytest.approx(0, abs=4 * 0.03 / np.sqrt(w.size))
    assert np.abs(w).max() <= 0.06
    assert np.abs(w).max() == pytest.approx(0.06, rel=1e-3)


def test_truncated_normal_pinned():
    w = init(KEY, (3, 2), weight_init=truncated_normal(0.5))[0]["w"]
    expected = 0.5 * jax.random.truncated_normal(jax.random.split(KEY, 1)[0], -2, 2, (3, 2))
    np.testing.assert_array_equal(w, expected)


def test_truncated_normal_takes_a_traced_deviation():
    make = jax.jit(chex.assert_max_traces(lambda stddev: init(KEY, (3, 2), weight_init=truncated_normal(stddev)), n=1))
    np.testing.assert_allclose(make(0.2)[0]["w"], 2 * make(0.1)[0]["w"], rtol=1e-6)


def test_truncated_normal_in_half_precision():
    assert init(KEY, (3, 2), truncated_normal(jnp.float32(0.1)), dtype=jnp.bfloat16)[0]["w"].dtype == jnp.bfloat16


def test_every_layer_has_a_key_of_its_own():
    layers = init(KEY, (3, 3, 3, 3), weight_init="lecun_uniform")
    for first, second in [(0, 1), (0, 2), (1, 2)]:
        assert (layers[first]["w"] != layers[second]["w"]).all()
    assert (init(jax.random.key(1), (3, 3))[0]["w"] != init(KEY, (3, 3))[0]["w"]).all()


def test_a_layer_s_weights_are_the_initializer_s_of_its_split_key():
    keys = jax.random.split(KEY, 3)
    for key, layer, shape in zip(keys, init(KEY, SIZES), [(4, 7), (7, 5), (5, 3)], strict=True):
        np.testing.assert_array_equal(layer["w"], jax.nn.initializers.he_normal()(key, shape))


def test_a_function_as_initializer():
    calls = []

    def ones(key, shape, dtype):
        calls.append((key, shape, dtype))
        return jnp.ones(shape, dtype)

    for layer in init(KEY, (4, 2, 3), weight_init=ones, dtype=jnp.float16):
        np.testing.assert_array_equal(layer["w"], jnp.ones_like(layer["w"]))
        assert layer["w"].dtype == layer["b"].dtype == jnp.float16
    assert [call[1:] for call in calls] == [((4, 2), jnp.float16), ((2, 3), jnp.float16)]
    chex.assert_trees_all_equal([call[0] for call in calls], list(jax.random.split(KEY, 2)))


def test_a_partial_as_initializer():
    scaled = Partial(lambda scale, key, shape, dtype: jnp.full(shape, scale, dtype), 0.5)
    np.testing.assert_array_equal(init(KEY, (2, 2), weight_init=scaled)[0]["w"], 0.5)


def test_equal_initializers_are_equal_pytrees():
    by_name, given = weight_init_function("he_normal", "f"), truncated_normal(0.1)
    assert jax.tree.structure(by_name) == jax.tree.structure(weight_init_function("he_normal", "f"))
    assert isinstance(weight_init_function(jnp.ones, "f"), Partial)
    assert weight_init_function(given, "f") is given


def test_the_bias_may_be_traced():
    make = jax.jit(chex.assert_max_traces(lambda bias: init(KEY, (2, 3), bias=bias)[0]["b"], n=1))
    np.testing.assert_array_equal(make(0.5), [0.5] * 3)
    np.testing.assert_array_equal(make(-2.0), [-2.0] * 3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_dtypes_of_parameters(dtype):
    params = jax.eval_shape(lambda: init(KEY, (2, 2, 1), dtype=dtype))
    chex.assert_trees_all_equal_dtypes(params, as_dtype(network((2, 2, 1)), dtype))


def test_float64_parameters(x64):
    for layer in init(KEY, (2, 1), dtype=jnp.float64, bias=0.1):
        assert layer["w"].dtype == layer["b"].dtype == jnp.float64
        assert layer["b"][0] == 0.1


def test_float32_is_the_default_with_float64_on(x64):
    assert {leaf.dtype for leaf in jax.tree.leaves(init(KEY, (2, 1)))} == {jnp.dtype("float32")}


def test_init_under_jit_and_vmap():
    keys = jax.random.split(KEY, 3)
    stacked = jax.jit(jax.vmap(lambda key: init(key, (3, 2, 1))))(keys)
    for i, key in enumerate(keys):
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], stacked), init(key, (3, 2, 1)), rtol=1e-6)


def test_a_list_of_sizes_is_as_good_as_a_tuple():
    chex.assert_trees_all_equal(init(KEY, [3, 2]), init(KEY, (3, 2)))
    assert checked_sizes("f", [3, 2]) == (3, 2)


RULE = "init: sizes must be two or more whole numbers of at least 1, got "
NAMES = "he_normal, he_uniform, glorot_normal, glorot_uniform, lecun_normal, lecun_uniform"


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0), (3, -1), (3, 2.0), (3, True), 3, "32", None, np.array([3, 2])])
def test_init_refuses_sizes(sizes):
    with refuses(ValueError, RULE + repr(sizes)):
        init(KEY, sizes)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"weight_init": "he"}, ValueError, f"weight_init must be one of {NAMES}, got 'he'"),
        ({"weight_init": 1.0}, TypeError, "weight_init must be a name or a function, got 1.0"),
        ({"weight_init": lambda k, s, d: jnp.ones(2)}, ValueError, "weight_init must return shape (3, 2), got (2,)"),
        (
            {"weight_init": lambda k, s, d: jnp.ones((2, 3))},
            ValueError,
            "weight_init must return shape (3, 2), got (2, 3)",
        ),
        ({"dtype": jnp.int32}, ValueError, "dtype must be floating, got <class 'jax.numpy.int32'>"),
        ({"dtype": "complex64"}, ValueError, "dtype must be floating, got 'complex64'"),
        ({"bias": None}, TypeError, "bias must be a number, got None"),
        ({"bias": jnp.ones(2)}, ValueError, "bias must be a scalar (for a batch of values use jax.vmap), got (2,)"),
        ({"key": 0}, TypeError, "key must be a typed key, as from jax.random.key(0), got 0"),
        (
            {"key": jax.random.split(KEY, 3)},
            ValueError,
            "key must be one key (for a batch of keys use jax.vmap), got (3,)",
        ),
    ],
)
def test_init_refuses(options, error, text):
    with refuses(error, f"init: {text}"):
        init(**{"key": KEY, "sizes": (3, 2), **options})


@pytest.mark.parametrize("stddev", [0.0, -1.0])
def test_truncated_normal_refuses(stddev):
    with refuses(ValueError, f"truncated_normal: stddev must be a finite number above 0, got {stddev}"):
        truncated_normal(stddev)


# apply

NUMPY_ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "step": lambda x: (x > 0) * 1.0,
    "linear": lambda x: x,
}


@pytest.mark.parametrize("name", NUMPY_ACTIVATIONS)
def test_apply_equals_numpy_in_float64(name, x64):
    run = jax.jit(functools.partial(apply, activation=name))
    outputs = run(as_dtype(network(), "float64"), INPUTS.astype(np.float64))
    np.testing.assert_allclose(outputs, forward(network(), INPUTS, NUMPY_ACTIVATIONS[name]), rtol=1e-12, atol=1e-13)


def test_relu_is_the_default_and_a_function_is_as_good_as_a_name():
    params = as_dtype(network(), "float32")
    default = apply(params, INPUTS)
    for activation in (relu, "relu", lambda x: x * (x > 0).astype(x.dtype)):
        np.testing.assert_array_equal(apply(params, INPUTS, activation), default)


def test_a_partial_as_activation():
    params = as_dtype(network(), "float32")
    run = jax.jit(chex.assert_max_traces(lambda slope: apply(params, INPUTS, Partial(leaky_relu, slope=slope)), n=1))
    for slope in (0.2, 0.5):
        expected = forward(params, INPUTS, lambda x, slope=slope: np.where(x >= 0, x, slope * x))
        np.testing.assert_allclose(run(slope), expected, rtol=1e-4, atol=1e-5)


def test_one_layer_is_exactly_x_w_plus_b():
    params = as_dtype(network((4, 3)), "float32")
    expected = INPUTS @ params[0]["w"] + params[0]["b"][None]
    np.testing.assert_array_equal(apply(params, INPUTS, "step"), expected)


def test_the_last_layer_has_no_activation():
    params = [{"w": jnp.eye(2), "b": jnp.array([-5.0, 0.0])}] * 2
    np.testing.assert_array_equal(apply(params, jnp.array([1.0, 2.0])), [-5, 2])


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_linear_network_is_the_product_of_its_matrices(depth, x64):
    layers = as_dtype(network(SIZES[: depth + 1]), "float64")
    layers = [{"w": layer["w"], "b": jnp.zeros_like(layer["b"])} for layer in layers]
    product = functools.reduce(np.matmul, [np.asarray(layer["w"]) for layer in layers])
    np.testing.assert_allclose(apply(layers, INPUTS, "linear"), INPUTS @ product, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 1, 2, 4), (1, 6, 4)])
def test_leading_axes(shape):
    params = as_dtype(network(), "float32")
    outputs = jax.jit(apply)(params, INPUTS.reshape(shape))
    assert outputs.shape == (*shape[:-1], 3)
    np.testing.assert_allclose(outputs.reshape(6, 3), forward(params, INPUTS), rtol=1e-4, atol=1e-5)


def test_one_example_and_none():
    params = as_dtype(network(), "float32")
    np.testing.assert_allclose(apply(params, INPUTS[2]), forward(params, INPUTS[2]), rtol=1e-4, atol=1e-5)
    assert jax.eval_shape(apply, params, INPUTS[:0]).shape == (0, 3)


def test_lists_are_inputs_and_tuples_are_params():
    params = [{"w": jnp.array([[2.0]]), "b": jnp.array([1.0])}]
    assert apply(tuple(params), [3.0]).tolist() == [7.0]


def test_vmap_over_params():
    networks = [init(key, (4, 5, 2), bias=0.1) for key in jax.random.split(KEY, 3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    outputs = jax.jit(jax.vmap(apply, (0, None)))(stacked, INPUTS)
    for params, output in zip(networks, outputs, strict=True):
        np.testing.assert_allclose(output, forward(params, INPUTS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_gradients_numerically(activation, x64):
    def loss(params, inputs):
        return jnp.sin(apply(params, inputs, activation)).sum()

    check_grads(
        jax.jit(loss), (as_dtype(network(), "float64"), jnp.array(INPUTS[:2], jnp.float64)), order=1, modes=["rev"]
    )


# apply: dropout

RATES = {"dropout_rate": 0.5, "input_dropout_rate": 0.25}


def scales(params, inputs, dropout_rate=None, input_dropout_rate=None):
    """What each layer's inputs are multiplied by, from the masks that `apply` promises."""
    rates = [input_dropout_rate] + [dropout_rate] * (len(params) - 1)
    widths = [layer["w"].shape[0] for layer in params]
    scales = []
    for i, (rate, width) in enumerate(zip(rates, widths, strict=True)):
        rate = 0.0 if rate is None else rate
        mask = dropout_mask(jax.random.fold_in(KEY, i), rate, (*inputs.shape[:-1], width))
        scales.append(np.asarray(mask) / (1 - rate))
    return scales


@pytest.mark.parametrize("names", [["dropout_rate"], ["input_dropout_rate"]], ids="+".join)
def test_dropout_by_hand(names):
    params = as_dtype(network(), "float32")
    options = {name: RATES[name] for name in names}
    outputs = jax.jit(apply)(params, INPUTS, **options, key=KEY)
    expected = forward(params, INPUTS, scales=scales(params, INPUTS, **options))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(outputs, forward(params, INPUTS))


def test_every_hidden_layer_has_a_mask_of_its_own():
    params = [{"w": jnp.eye(30), "b": jnp.zeros(30)}] * 3
    outputs = jax.jit(apply)(params, np.ones(30), dropout_rate=0.5, key=KEY)
    masks = [dropout_mask(jax.random.fold_in(KEY, i), 0.5, (30,)) for i in (1, 2)]
    np.testing.assert_array_equal(outputs, 4 * (masks[0] & masks[1]).astype(jnp.float32))


def test_without_a_key_all_units_are_used():
    params = as_dtype(network(), "float32")
    np.testing.assert_array_equal(apply(params, INPUTS, **RATES), apply(params, INPUTS))


def test_without_rates_the_key_is_not_used():
    params = as_dtype(network(), "float32")
    np.testing.assert_array_equal(apply(params, INPUTS, key=KEY), apply(params, INPUTS))


def test_a_rate_of_0_is_no_dropout():
    params = as_dtype(network(), "float32")
    outputs = apply(params, INPUTS, dropout_rate=0.0, input_dropout_rate=0.0, key=KEY)
    np.testing.assert_array_equal(outputs, apply(params, INPUTS))


def test_one_trace_for_all_rates_and_vmap_over_them():
    params = as_dtype(network(), "float32")

    def run(rate):
        return apply(params, INPUTS, dropout_rate=rate, input_dropout_rate=rate, key=KEY)

    traced = jax.jit(chex.assert_max_traces(run, n=1))
    rates = [0.0, 0.3, 0.6]
    for rate, mapped in zip(rates, jax.jit(jax.vmap(run))(jnp.array(rates)), strict=True):
        expected = forward(params, INPUTS, scales=scales(params, INPUTS, rate, rate))
        np.testing.assert_allclose(traced(rate), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(mapped, expected, rtol=1e-4, atol=1e-5)


# apply: dtypes


def bfloat16(array):
    return np.asarray(jnp.asarray(array, jnp.bfloat16), np.float64)


def test_bfloat16_products_with_float32_sums():
    """Operands rounded to bfloat16, everything else in float32."""
    params = as_dtype(network(), "float32")
    outputs = apply(params, INPUTS, "tanh", dtype=jnp.bfloat16)
    hidden = INPUTS
    for i, layer in enumerate(params):
        hidden = np.tanh(hidden) if i > 0 else hidden
        hidden = bfloat16(hidden) @ bfloat16(layer["w"]) + np.asarray(layer["b"], np.float64)
    assert outputs.dtype == jnp.float32
    np.testing.assert_allclose(outputs, hidden, rtol=2e-3, atol=2e-3)
    in_float32 = apply(params, INPUTS, "tanh")
    assert (np.abs(outputs - in_float32) > 0).any()
    np.testing.assert_allclose(outputs, in_float32, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("of_params", "given", "of_operands"),
    [("float32", "bfloat16", "bfloat16"), ("bfloat16", None, "bfloat16"), ("float16", None, "float16")],
)
def test_the_operands_and_results_of_every_product(of_params, given, of_operands):
    params = as_dtype(network(), of_params)
    jaxpr = jax.make_jaxpr(lambda params: apply(params, INPUTS, dtype=given))(params)
    products = [equation for equation in jaxpr.eqns if equation.primitive.name == "dot_general"]
    assert len(products) == 3
    for product in products:
        assert [operand.aval.dtype for operand in product.invars] == [of_operands] * 2
        assert product.outvars[0].aval.dtype == of_params


def test_outputs_have_the_parameters_dtype():
    for dtype in ("bfloat16", "float16", "float32"):
        params = as_dtype(network((4, 5, 2)), dtype)
        for product in (None, jnp.bfloat16):
            run = functools.partial(apply, dtype=product)
            assert jax.eval_shape(run, params, INPUTS).dtype == dtype


def test_the_bias_is_added_in_the_parameters_dtype():
    params = [{"w": jnp.ones((1, 1)), "b": jnp.array([2.0**-12])}]
    assert apply(params, jnp.ones(1), dtype=jnp.bfloat16)[0] == 1 + 2.0**-12


# apply: what it refuses

PARAMS = [{"w": jnp.ones((4, 2)), "b": jnp.ones(2)}]
LIST = 'params must be a list of {"w", "b"}, as from init, got '


@pytest.mark.parametrize(
    "params",
    [
        [],
        {"w": 1.0},
        None,
        3.0,
        [1.0],
        [{"w": 1.0}],
        [{"w": 1.0, "b": 1.0, "c": 1.0}],
        [("w", "b")],
        [PARAMS[0], {"b": 1.0}],
    ],
)
def test_apply_refuses_params(params):
    with refuses(TypeError, f"apply: {LIST}{jax.tree.structure(params)!r}"):
        apply(params, INPUTS)


@pytest.mark.parametrize("shape", [(), (3,), (4, 3), (2, 4, 1)])
def test_apply_refuses_inputs_of_another_width(shape):
    with refuses(ValueError, f"apply: inputs must be of shape (..., 4), got {shape}"):
        apply(PARAMS, jnp.ones(shape))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"inputs": np.ones((2, 4), int)}, TypeError, "inputs must be floating, got 'int32'"),
        ({"activation": 3}, TypeError, "activation must be a name or a function, got 3"),
        ({"dropout_rate": 1.0}, ValueError, "dropout_rate must be at least 0 and below 1, got 1.0"),
        ({"dropout_rate": -0.1, "key": KEY}, ValueError, "dropout_rate must be at least 0 and below 1, got -0.1"),
        ({"input_dropout_rate": 1.5}, ValueError, "input_dropout_rate must be at least 0 and below 1, got 1.5"),
        ({"dropout_rate": "0.5"}, TypeError, "dropout_rate must be a number, got '0.5'"),
        ({"key": 0}, TypeError, "key must be a typed key, as from jax.random.key(0), got 0"),
        (
            {"key": jax.random.key(0, impl="rbg"), "dropout_rate": 0.5},
            ValueError,
            "key must be a threefry key (rbg repeats its first key under vmap), got 'key<rbg>'",
        ),
        ({"dtype": jnp.int8}, ValueError, "dtype must be floating, got <class 'jax.numpy.int8'>"),
        ({"dtype": "complex64"}, ValueError, "dtype must be floating, got 'complex64'"),
    ],
)
def test_apply_refuses(options, error, text):
    with refuses(error, f"apply: {text}"):
        apply(**{"params": PARAMS, "inputs": INPUTS, **options})


def test_apply_refuses_an_unknown_activation():
    with pytest.raises(ValueError, match=r"^apply: activation must be one of linear, step, .*, got 'swish'$"):
        apply(PARAMS, INPUTS, "swish")


# Two compiler bugs once reported in jaxlib, either of which would make trainings wrong in silence.


def test_a_mapped_sum_of_squares_above_32768_rows():
    matrix = RNG.normal(size=(3, 2)).astype(np.float32)
    rows = RNG.normal(size=(40_000, 2)).astype(np.float32)
    sums = jax.jit(jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2)))(rows)
    np.testing.assert_allclose(sums, ((rows @ matrix.T) ** 2).sum(axis=1), rtol=1e-4, atol=1e-5)


def test_a_scaled_affine_map():
    x, w, b = (RNG.normal(size=shape).astype(np.float32) for shape in [(6, 4), (4, 3), (1, 3)])
    for alpha in (0.3, -2.0):
        scaled = jax.jit(lambda x, w, b, alpha: alpha * (x @ w + b))(x, w, b, jnp.float32(alpha))
        np.testing.assert_allclose(scaled, alpha * (x @ w + b), rtol=1e-5, atol=1e-6)


def test_sizes_may_be_numpy_numbers():
    params = init(jax.random.key(0), (np.int64(3), 2, np.int32(4)))
    assert [layer["w"].shape for layer in params] == [(3, 2), (2, 4)]
