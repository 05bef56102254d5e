"""Activation functions: elementwise, with an output of the shape of the input."""

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_choice, require
from jaxmlp.leaves import as_partial
from jaxmlp.types import Activation, Array, ArrayLike, Scalar

__all__ = [
    "activation_function",
    "elu",
    "gelu",
    "leaky_relu",
    "linear",
    "relu",
    "sigmoid",
    "silu",
    "softplus",
    "step",
    "tanh",
]


def linear(x: ArrayLike) -> Array:
    """The identity, `x`.

    A network of any depth with this activation is one affine map.

    Args:
      x: any shape.

    Returns:
      x.

    Example:
      >>> float(linear(jnp.float32(-1.5)))
      -1.5
    """
    return jnp.asarray(x)


def step(x: ArrayLike) -> Array:
    """1 if x > 0, else 0.

    Its gradient is 0 everywhere, so backpropagation cannot train it: use it with the perceptron criterion, or to see
    why smooth activations are needed.

    Args:
      x: any shape.

    Returns:
      An array of the shape and dtype of x.

    Example:
      >>> step(jnp.array([-1.0, 0.0, 2.0])).tolist()
      [0.0, 0.0, 1.0]

    References:
      Rosenblatt 1958, *The Perceptron*, https://doi.org/10.1037/h0042519.
    """
    return jnp.asarray(x > 0, jnp.result_type(x))


def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(-x)), in (0, 1).

    Use it to turn a logit into a probability. Its gradient is at most 1/4, which makes gradients vanish in deep
    networks.

    Args:
      x: any shape.

    Returns:
      An array of the shape of x.

    Example:
      >>> float(sigmoid(jnp.float32(0.0)))
      0.5

    References:
      Rumelhart, Hinton & Williams 1986, *Learning representations by back-propagating errors*,
      https://doi.org/10.1038/323533a0.
    """
    return jax.nn.sigmoid(x)


def tanh(x: ArrayLike) -> Array:
    """The hyperbolic tangent, in (-1, 1).

    Prefer it to `sigmoid` in hidden layers: its outputs are centered at 0 and its gradient there is 1.

    Args:
      x: any shape.

    Returns:
      An array of the shape of x.

    Example:
      >>> float(tanh(jnp.float32(0.0)))
      0.0

    References:
      LeCun et al. 1998, *Efficient BackProp*, https://doi.org/10.1007/3-540-49430-8_2.
    """
    return jnp.tanh(x)


def relu(x: ArrayLike) -> Array:
    """max(x, 0), with gradient 0 at 0.

    The default of `apply`. Its gradient does not shrink for positive inputs, but a unit whose inputs are all negative
    receives no gradient.

    Args:
      x: any shape.

    Returns:
      An array of the shape of x.

    Example:
      >>> relu(jnp.array([-1.0, 2.0])).tolist()
      [0.0, 2.0]

    References:
      Glorot, Bordes & Bengio 2011, https://proceedings.mlr.press/v15/glorot11a.html.
    """
    return jax.nn.relu(x)


def leaky_relu(x: ArrayLike, slope: Scalar = 0.01) -> Array:
    """`x` if x >= 0, else slope * x.

    Use it if units of a ReLU network die. Another slope in a network: `bind(leaky_relu, slope=0.2)` of
    `jaxmlp.leaves`, or `jax.tree_util.Partial(leaky_relu, slope=0.2)`; the slope is then a leaf, and a new value does
    not trigger recompilation.

    Args:
      x: any shape.
      slope: the gradient for negative inputs; may be traced.

    Returns:
      An array of the shape and dtype of x.

    Example:
      >>> leaky_relu(jnp.array([-1.0, 2.0]), slope=0.25).tolist()
      [-0.25, 2.0]

    References:
      Maas, Hannun & Ng 2013, *Rectifier Nonlinearities Improve Neural Network Acoustic Models*.
    """
    return jnp.where(x >= 0, x, jnp.asarray(slope, jnp.result_type(x)) * x)


def elu(x: ArrayLike, alpha: Scalar = 1.0) -> Array:
    """`x` if x > 0, else alpha * (exp(x) - 1).

    Smoother than ReLU, with a mean output closer to 0.

    Args:
      x: any shape.
      alpha: minus the limit for large negative inputs; may be traced.

    Returns:
      An array of the shape and dtype of x.

    Example:
      >>> elu(jnp.array([-1000.0, 2.0]), alpha=0.5).tolist()
      [-0.5, 2.0]

    References:
      Clevert, Unterthiner & Hochreiter 2016, https://arxiv.org/abs/1511.07289.
    """
    # The inner `where` keeps exp from overflowing for positive inputs, which would make their gradient NaN.
    negative = jnp.expm1(jnp.where(x > 0, jnp.zeros_like(x), x))
    return jnp.where(x > 0, x, jnp.asarray(alpha, jnp.result_type(x)) * negative)


def gelu(x: ArrayLike) -> Array:
    """`x` * P(X <= x) for a standard normal X, computed exactly with erf.

    The usual choice in transformers.

    Args:
      x: any shape.

    Returns:
      An array of the shape of x.

    Example:
      >>> round(float(gelu(jnp.float32(1.0))), 4)
      0.8413

    References:
      Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415. `jax.nn.gelu` approximates by tanh unless told not to.
    """
    return jax.nn.gelu(x, approximate=False)


def silu(x: ArrayLike) -> Array:
    """`x` * sigmoid(x), also called swish.

    A smooth alternative to ReLU that passes small negative values.

    Args:
      x: any shape.

    Returns:
      An array of the shape of x.

    Example:
      >>> round(float(silu(jnp.float32(1.0))), 4)
      0.7311

    References:
      Elfwing, Uchibe & Doya 2018, https://arxiv.org/abs/1702.03118; swish: Ramachandran, Zoph & Le 2017,
      https://arxiv.org/abs/1710.05941.
    """
    return jax.nn.silu(x)


def softplus(x: ArrayLike) -> Array:
    """log(1 + exp(x)), a smooth ReLU.

    Use it for an output that must be positive, such as a variance.

    Args:
      x: any shape.

    Returns:
      An array of the shape of x.

    Example:
      >>> round(float(softplus(jnp.float32(0.0))), 4)
      0.6931

    References:
      Dugas et al. 2001, *Incorporating Second-Order Functional Knowledge for Better Option Pricing*.
    """
    return jax.nn.softplus(x)


_BY_NAME = {f.__name__: f for f in (linear, step, sigmoid, tanh, relu, leaky_relu, elu, gelu, silu, softplus)}


def activation_function(activation: str | Activation, function: str = "activation_function") -> Activation:
    """The activation of that name, or the given function, as a pytree.

    Args:
      activation: one of the names of this module, or a function of one array.
      function: the function that the user called, for errors.

    Returns:
      A `jax.tree_util.Partial`; equal activations have equal tree structures. Its leaves are the numbers that the given
      function carries, if any.

    Raises:
      ValueError: for an unknown name.
      TypeError: for anything but a name or a function.

    Example:
      >>> jax.tree.structure(activation_function("relu")) == jax.tree.structure(activation_function(relu))
      True
    """
    if isinstance(activation, str):
        activation = _BY_NAME[check_choice(function, tuple(_BY_NAME), activation=activation)]
    require(callable(activation), function, "activation", "be a name or a function", activation, TypeError)
    return as_partial(activation)
