"""Activation functions: elementwise, any shape in, the same shape out."""

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp.checks import check_choice, require

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


def linear(x):
    """The identity, `x`: with it alone a network of any depth is one matrix.

    >>> float(linear(jax.numpy.float32(-1.5)))
    -1.5
    """
    return x


def step(x):
    """1 where x > 0, else 0 (Rosenblatt 1958); its gradient is 0 everywhere, so it does not train by backpropagation.

    >>> step(jax.numpy.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    return (x > 0).astype(jnp.result_type(x))


def sigmoid(x):
    """1 / (1 + exp(-x)), in (0, 1); its gradient is at most 1/4, hence vanishing gradients in deep networks.

    >>> float(sigmoid(jax.numpy.float32(0.0)))
    0.5
    """
    return jax.nn.sigmoid(x)


def tanh(x):
    """The hyperbolic tangent, in (-1, 1).

    >>> float(tanh(jax.numpy.float32(0.0)))
    0.0
    """
    return jnp.tanh(x)


def relu(x):
    """max(x, 0), with gradient 0 at 0 (Nair & Hinton 2010).

    >>> relu(jax.numpy.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return jax.nn.relu(x)


def leaky_relu(x, slope=0.01):
    """`x` where x >= 0, else slope * x (Maas et al. 2013).

    Args:
      x: any shape.
      slope: the gradient left of zero; a number, which may be traced. To use another slope in a network give
        `jax.tree_util.Partial(leaky_relu, slope=0.2)`: the slope is then a leaf, and a new one compiles nothing.

    >>> leaky_relu(jax.numpy.array([-1.0, 2.0]), slope=0.25).tolist()
    [-0.25, 2.0]
    """
    return jnp.where(x >= 0, x, jnp.asarray(slope, jnp.result_type(x)) * x)


def elu(x, alpha=1.0):
    """`x` where x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2016).

    >>> elu(jax.numpy.array([-1000.0, 2.0]), alpha=0.5).tolist()
    [-0.5, 2.0]
    """
    # The inner `where` keeps exp from overflowing on the side that is not taken, where it would make the gradient NaN.
    negative = jnp.expm1(jnp.where(x > 0, jnp.zeros_like(x), x))
    return jnp.where(x > 0, x, jnp.asarray(alpha, jnp.result_type(x)) * negative)


def gelu(x):
    """`x` * P(X <= x) for a standard normal X, exactly, by erf (Hendrycks & Gimpel 2016).

    >>> round(float(gelu(jax.numpy.float32(1.0))), 4)
    0.8413
    """
    return jax.nn.gelu(x, approximate=False)


def silu(x):
    """`x` * sigmoid(x), also called swish (Elfwing et al. 2018).

    >>> round(float(silu(jax.numpy.float32(1.0))), 4)
    0.7311
    """
    return jax.nn.silu(x)


def softplus(x):
    """log(1 + exp(x)), a smooth ReLU (Dugas et al. 2001).

    >>> round(float(softplus(jax.numpy.float32(0.0))), 4)
    0.6931
    """
    return jax.nn.softplus(x)


_BY_NAME = {f.__name__: f for f in (linear, step, sigmoid, tanh, relu, leaky_relu, elu, gelu, silu, softplus)}


def activation_function(activation, function="activation_function"):
    """The activation of a name, or the given function itself, as a pytree that equal activations compare equal in.

    Args:
      activation: one of the names of this module, or a function of one array.
      function: the caller's name, for its error.

    Returns:
      A `jax.tree_util.Partial`: it has no leaves unless the given function carries numbers of its own.

    >>> jax.tree.structure(activation_function("relu")) == jax.tree.structure(activation_function(relu))
    True
    """
    if isinstance(activation, str):
        check_choice(function, "activation", activation, _BY_NAME)
        activation = _BY_NAME[activation]
    require(callable(activation), function, "activation", "be a name or a function", activation, TypeError)
    return activation if isinstance(activation, Partial) else Partial(activation)
