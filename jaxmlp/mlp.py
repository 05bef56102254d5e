"""The network: `init` creates the parameters, `apply` runs the network. Parameters are a list of `{"w", "b"}`."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.activations import activation_function, relu
from jaxmlp.checks import check_choice, check_key, check_positive, check_rate, check_scalar, is_floating, require
from jaxmlp.leaves import Static, as_partial, bind
from jaxmlp.masks import dropout
from jaxmlp.threefry import fold_in, fused, split
from jaxmlp.types import Activation, Array, ArrayLike, DTypeLike, Key, Layers, Scalar, WeightInit

__all__ = ["apply", "init", "truncated_normal"]

_WEIGHT_INITS = ("he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal", "lecun_uniform")


@jax.transfer_guard("allow")  # its own constants may go to devices
def init(
    key: Key,
    sizes: Sequence[int],
    weight_init: str | WeightInit = "he_normal",
    bias: Scalar = 0.0,
    dtype: DTypeLike = jnp.float32,
) -> list[dict[str, Array]]:
    """The initial parameters of a multi-layer perceptron.

    Args:
      key: a typed key, as from `jax.random.key`.
      sizes: the widths of the layers, `(inputs, hidden, ..., outputs)`: two or more whole numbers of at least 1.
        `(inputs, outputs)` is a single layer: a perceptron, linear or logistic regression.
      weight_init: `he_normal` or `he_uniform` for ReLU, `glorot_normal` or `glorot_uniform` for tanh and sigmoid,
        `lecun_normal` or `lecun_uniform`, or a function `(key, shape, dtype) -> array` such as `truncated_normal(0.03)`
        or any of `jax.nn.initializers`.
      bias: the initial value of every bias; may be traced.
      dtype: of the parameters, a floating dtype.

    Returns:
      A list with a `{"w": (inputs, outputs), "b": (outputs,)}` for each layer.

    Raises:
      ValueError: for sizes, names and shapes that break these rules.
      TypeError: for a key that is not typed.

    Example:
      >>> params = init(jax.random.key(0), (64, 128, 10))
      >>> [layer["w"].shape for layer in params]
      [(64, 128), (128, 10)]

    References:
      he: He et al. 2015, https://arxiv.org/abs/1502.01852. glorot: Glorot & Bengio 2010,
      https://proceedings.mlr.press/v9/glorot10a.html. lecun: LeCun et al. 1998, *Efficient BackProp*.
      The arithmetic and the random numbers are those of `jax.nn.initializers`.
    """
    check_key("init", key=key)
    sizes = checked_sizes("init", sizes)
    require(jnp.issubdtype(dtype, jnp.floating), "init", "dtype", "be floating", dtype)
    check_scalar("init", bias=bias)
    make_weight = weight_init_function(weight_init, "init")
    keys = split(key, len(sizes) - 1)
    return [_layer(*arguments, make_weight, bias, dtype) for arguments in zip(keys, sizes[:-1], sizes[1:], strict=True)]


def _layer(
    key: Key, fan_in: int, fan_out: int, make_weight: WeightInit, bias: Scalar, dtype: DTypeLike
) -> dict[str, Array]:
    w = make_weight(key, (fan_in, fan_out), dtype)
    require(jnp.shape(w) == (fan_in, fan_out), "init", "weight_init", f"return shape {(fan_in, fan_out)}", jnp.shape(w))
    return {"w": w, "b": jnp.full((fan_out,), bias, dtype)}


def checked_sizes(function: str, sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes as a tuple of ints, or an error of the named function."""
    rule = "be two or more whole numbers of at least 1"
    is_list = isinstance(sizes, (tuple, list)) and len(sizes) >= 2
    fits = is_list and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 1 for n in sizes)
    require(fits, function, "sizes", rule, sizes)
    return tuple(int(n) for n in sizes)


def weight_init_function(weight_init: str | WeightInit, function: str) -> WeightInit:
    """The initializer of that name, or the given function, as a pytree; errors name `function`."""
    if isinstance(weight_init, str):
        check_choice(function, _WEIGHT_INITS, weight_init=weight_init)
        return bind(_initial_weight, name=Static(weight_init))
    require(callable(weight_init), function, "weight_init", "be a name or a function", weight_init, TypeError)
    return as_partial(weight_init)


def _initial_weight(key, shape, dtype, *, name):
    # A fused key gives the same numbers and compiles in a fraction of the time.
    return getattr(jax.nn.initializers, name)()(fused(key), shape, dtype)


def truncated_normal(stddev: Scalar) -> WeightInit:
    """A weight initializer: normal with the given standard deviation, truncated at two standard deviations.

    Args:
      stddev: the standard deviation before truncation (afterwards 0.88 of it), above 0; may be traced.

    Returns:
      A function `(key, shape, dtype) -> array` for `init`.

    Raises:
      ValueError: for a concrete standard deviation out of range.

    Example:
      >>> params = init(jax.random.key(0), (784, 100), weight_init=truncated_normal(0.03))
      >>> bool(jnp.abs(params[0]["w"]).max() <= 0.06)
      True

    References:
      As `jax.nn.initializers.truncated_normal`; TensorFlow's initializer of that name has the same convention.
    """
    return bind(_truncated_normal, stddev=check_positive("truncated_normal", stddev=stddev))


def _truncated_normal(key, shape, dtype, *, stddev):
    return jax.random.truncated_normal(fused(key), -2.0, 2.0, shape, dtype) * jnp.asarray(stddev, dtype)


@jax.transfer_guard("allow")  # its own constants may go to devices
def apply(
    params: Layers,
    inputs: ArrayLike,
    activation: str | Activation = relu,
    dropout_rate: Scalar | None = None,
    input_dropout_rate: Scalar | None = None,
    key: Key | None = None,
    dtype: DTypeLike = None,
) -> Array:
    """Runs the network: `h = activation(h @ w + b)` layer by layer, the last layer without activation.

    Args:
      params: a list of `{"w", "b"}`, as from `init`.
      inputs: floating, (..., inputs): one example, a batch, or more leading axes.
      activation: a name or a function, applied after every layer except the last.
      dropout_rate: the fraction of each hidden layer's units dropped, 0 <= rate < 1; may be traced. None for none.
      input_dropout_rate: the same for the inputs.
      key: a typed key for dropout; None uses all units, as at test time. Layer i draws its mask from `fold_in(key, i)`;
        the inputs are layer 0.
      dtype: of the matrix products and their operands, such as `jnp.bfloat16`; sums, biases and activations stay in the
        dtype of the parameters. None for the dtype of the parameters.

    Returns:
      (..., outputs): logits or predictions, in the dtype of the parameters.

    Raises:
      ValueError: for shapes that do not fit the network, unknown names and rates out of range.
      TypeError: for inputs that are not floating, and parameters or keys of another kind.

    Example:
      >>> params = init(jax.random.key(0), (2, 8, 1))
      >>> apply(params, jnp.zeros((5, 2)), activation="tanh").shape
      (5, 1)
    """
    activation = activation_function(activation, "apply")
    inputs = _checked_inputs(params, inputs)
    require(dtype is None or jnp.issubdtype(dtype, jnp.floating), "apply", "dtype", "be floating", dtype)
    rates = [input_dropout_rate] + [dropout_rate] * (len(params) - 1)
    for name, rate in (("dropout_rate", dropout_rate), ("input_dropout_rate", input_dropout_rate)):
        if rate is not None:
            check_rate("apply", **{name: rate})
    if key is not None:
        check_key("apply", key=key)

    hidden = inputs
    for index, (layer, rate) in enumerate(zip(params, rates, strict=True)):
        if index > 0:
            hidden = activation(hidden)
        if key is not None and rate is not None:
            hidden = dropout(fold_in(key, index), hidden, rate)
        hidden = _affine(layer, hidden, dtype)
    return hidden


def _affine(layer: Any, inputs: Array, dtype: DTypeLike) -> Array:
    w, b = layer["w"], layer["b"]
    dtype = w.dtype if dtype is None else dtype
    product = jnp.matmul(inputs.astype(dtype), w.astype(dtype), preferred_element_type=w.dtype)
    return product + jnp.expand_dims(b, tuple(range(product.ndim - 1)))


def _checked_inputs(params: Any, inputs: ArrayLike) -> Array:
    is_list = isinstance(params, (list, tuple)) and bool(params)
    is_params = is_list and all(isinstance(layer, dict) and set(layer) == {"w", "b"} for layer in params)
    rule = 'be a list of {"w", "b"}, as from init'
    require(is_params, "apply", "params", rule, jax.tree.structure(params), TypeError)
    inputs = jnp.asarray(inputs)
    require(is_floating(inputs), "apply", "inputs", "be floating", str(inputs.dtype), TypeError)
    width = params[0]["w"].shape[0]
    fits = inputs.ndim >= 1 and inputs.shape[-1] == width
    require(fits, "apply", "inputs", f"be of shape (..., {width})", inputs.shape)
    return inputs
