"""The network: `init` makes the parameters, `apply` runs them. Params are a plain list of `{"w", "b"}`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from jaxmlp.activations import activation_function, relu
from jaxmlp.checks import check_choice, check_key, check_positive, check_rate, check_scalar, is_floating, require
from jaxmlp.masks import dropout
from jaxmlp.threefry import fold_in, fused, split

__all__ = ["apply", "init", "truncated_normal"]


def _drawn(initializer):
    """JAX's initializer with its numbers, at a fraction of the time to compile."""
    return lambda key, shape, dtype: initializer(fused(key), shape, dtype)


_WEIGHT_INIT = {
    "he_normal": _drawn(jax.nn.initializers.he_normal()),
    "he_uniform": _drawn(jax.nn.initializers.he_uniform()),
    "glorot_normal": _drawn(jax.nn.initializers.glorot_normal()),
    "glorot_uniform": _drawn(jax.nn.initializers.glorot_uniform()),
    "lecun_normal": _drawn(jax.nn.initializers.lecun_normal()),
    "lecun_uniform": _drawn(jax.nn.initializers.lecun_uniform()),
}


def init(key, sizes, weight_init: str | Callable = "he_normal", bias=0.0, dtype=jnp.float32):
    """Parameters of a multi-layer perceptron.

    Args:
      key: a typed key, as from `jax.random.key`.
      sizes: the widths of the layers, `(inputs, hidden, ..., outputs)`: two or more whole numbers of at least 1.
        `(inputs, outputs)` is a network too: the perceptron, linear and logistic regression.
      weight_init: `he_normal`, `he_uniform` (He et al. 2015, right for ReLU), `glorot_normal`, `glorot_uniform`
        (Glorot & Bengio 2010, right for tanh and sigmoid), `lecun_normal`, `lecun_uniform` (LeCun et al. 1998),
        or a function `(key, shape, dtype) -> array`, such as `truncated_normal(0.03)` and any of `jax.nn.initializers`.
      bias: where every bias starts; a number, which may be traced.
      dtype: of the parameters, a floating type.

    Returns:
      A list with a `{"w": (inputs, outputs), "b": (outputs,)}` for each layer.

    Raises:
      ValueError: for sizes, names and shapes that break these rules.
      TypeError: for a key that is not typed.

    >>> params = init(jax.random.key(0), (64, 128, 10))
    >>> [layer["w"].shape for layer in params]
    [(64, 128), (128, 10)]
    """
    check_key("init", "key", key)
    sizes = checked_sizes("init", sizes)
    require(jnp.issubdtype(dtype, jnp.floating), "init", "dtype", "be floating", dtype)
    check_scalar("init", "bias", bias)
    make_weight = weight_init_function(weight_init, "init")
    keys = split(key, len(sizes) - 1)
    return [_layer(*arguments, make_weight, bias, dtype) for arguments in zip(keys, sizes[:-1], sizes[1:], strict=True)]


def _layer(key, fan_in, fan_out, make_weight, bias, dtype):
    w = make_weight(key, (fan_in, fan_out), dtype)
    require(jnp.shape(w) == (fan_in, fan_out), "init", "weight_init", f"return shape {(fan_in, fan_out)}", jnp.shape(w))
    return {"w": w, "b": jnp.full((fan_out,), bias, dtype)}


def checked_sizes(function, sizes) -> tuple[int, ...]:
    """The sizes as a tuple of ints, or an error of the named function."""
    rule = "be two or more whole numbers of at least 1"
    is_sequence = isinstance(sizes, (tuple, list))
    whole = is_sequence and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 1 for n in sizes)
    require(whole and len(sizes) >= 2, function, "sizes", rule, sizes)
    return tuple(int(n) for n in sizes)


def weight_init_function(weight_init, function):
    """The initialiser of a name, or the given function itself, as a pytree."""
    if isinstance(weight_init, str):
        check_choice(function, "weight_init", weight_init, _WEIGHT_INIT)
        weight_init = _WEIGHT_INIT[weight_init]
    require(callable(weight_init), function, "weight_init", "be a name or a function", weight_init, TypeError)
    return weight_init if isinstance(weight_init, Partial) else Partial(weight_init)


def truncated_normal(stddev):
    """A weight initialiser: normal with the given deviation, cut at two deviations from zero.

    Args:
      stddev: the deviation before the cut (after it, 0.88 of that), above 0; may be traced.

    Returns:
      A function `(key, shape, dtype) -> array` for `init`.

    >>> params = init(jax.random.key(0), (784, 100), weight_init=truncated_normal(0.03))
    >>> bool(jax.numpy.abs(params[0]["w"]).max() <= 0.06)
    True
    """
    check_positive("truncated_normal", "stddev", stddev)
    return Partial(_truncated_normal, stddev)


def _truncated_normal(stddev, key, shape, dtype):
    return jax.random.truncated_normal(fused(key), -2.0, 2.0, shape, dtype) * jnp.asarray(stddev, dtype)


def apply(params, inputs, activation=relu, dropout_rate=None, input_dropout_rate=None, key=None, dtype=None):
    """Runs the network: `h = activation(h @ w + b)` layer by layer, the last layer without activation.

    Args:
      params: a list of `{"w", "b"}`, as from `init`.
      inputs: floating, (..., inputs): one example, a batch, or more leading axes.
      activation: a name or a function, applied after every layer but the last.
      dropout_rate: the fraction of each hidden layer's units dropped, 0 <= rate < 1; may be traced. None: none.
      input_dropout_rate: the same for the inputs.
      key: a typed key for dropout. Without it all units are used, as at test time. Layer i draws its mask from
        `fold_in(key, i)`, the inputs being layer 0.
      dtype: of the products and their operands, such as `jnp.bfloat16`; sums, biases and the rest stay in the
        parameters' own. None: the parameters'.

    Returns:
      (..., outputs): logits or predictions, in the parameters' dtype.

    Raises:
      ValueError: for shapes that do not fit the network, unknown names and rates out of range.

    >>> params = init(jax.random.key(0), (2, 8, 1))
    >>> apply(params, jax.numpy.zeros((5, 2)), activation="tanh").shape
    (5, 1)
    """
    activation = activation_function(activation, "apply")
    inputs = _checked_inputs(params, inputs)
    require(dtype is None or jnp.issubdtype(dtype, jnp.floating), "apply", "dtype", "be floating", dtype)
    rates = [input_dropout_rate] + [dropout_rate] * (len(params) - 1)
    for name, rate in (("dropout_rate", dropout_rate), ("input_dropout_rate", input_dropout_rate)):
        if rate is not None:
            check_rate("apply", name, rate)
    if key is not None:
        check_key("apply", "key", key)

    hidden = inputs
    for index, (layer, rate) in enumerate(zip(params, rates, strict=True)):
        if index > 0:
            hidden = activation(hidden)
        if key is not None and rate is not None:
            hidden = dropout(fold_in(key, index), hidden, rate)
        hidden = _affine(layer, hidden, dtype)
    return hidden


def _affine(layer, inputs, dtype):
    w, b = layer["w"], layer["b"]
    dtype = w.dtype if dtype is None else dtype
    product = jnp.matmul(inputs.astype(dtype), w.astype(dtype), preferred_element_type=w.dtype)
    return product + jnp.expand_dims(b, tuple(range(product.ndim - 1)))


def _checked_inputs(params, inputs):
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
