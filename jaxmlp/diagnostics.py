"""What goes on inside a network: pure functions of params and data, which may be jitted and vmapped over params."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxmlp.activations import activation_function
from jaxmlp.checks import require
from jaxmlp.mlp import apply

__all__ = ["dead_units", "error_signals", "layer_gradient_norms", "pre_activations"]


def pre_activations(params, inputs, activation: str | Callable = "relu"):
    """Every layer's weighted sums z = h @ w + b, h being activation(z) of the layer before; the last are the outputs.

    Args:
      params: a list of `{"w", "b"}`, as from `init`.
      inputs: floating, (..., inputs).
      activation: a name or a function, as given to `apply`.

    Returns:
      A list with an array (..., units) for each layer.

    Raises:
      ValueError, TypeError: as `apply`.

    >>> params = [{"w": jnp.array([[1.0, -1.0]]), "b": jnp.zeros(2)}, {"w": jnp.ones((2, 1)), "b": jnp.ones(1)}]
    >>> [z.tolist() for z in pre_activations(params, jnp.array([[3.0]]))]
    [[[3.0, -3.0]], [[4.0]]]
    """
    return _forward(params, inputs, activation_function(activation, "pre_activations"), [None] * len(params))


def error_signals(params, batch, loss, activation: str | Callable = "relu"):
    """Every unit's error signal on every example: the derivative of the loss by its weighted sum, dL/dz.

    Backpropagation computes them from the last layer to the first, signal = (signal of the next layer @ w.T) *
    activation'(z); a weight's gradient is the sum over examples of its input times the signal of its unit.

    Args:
      params: a list of `{"w", "b"}`, as from `init`.
      batch: a `Batch` of inputs (rows, inputs) and the targets that the loss wants.
      loss: a function `(outputs, targets) -> scalar`, such as `mse` and `cross_entropy`. Where it is a mean over the
        rows, each signal carries the factor 1 / rows.
      activation: a name or a function, as given to `apply`.

    Returns:
      A list with an array (rows, units) for each layer.

    Raises:
      ValueError, TypeError: as `apply` and the loss.

    >>> import jaxmlp
    >>> params = [{"w": jnp.array([[1.0, -1.0]]), "b": jnp.zeros(2)}, {"w": jnp.ones((2, 1)), "b": jnp.zeros(1)}]
    >>> batch = jaxmlp.Batch(jnp.array([[3.0]]), jnp.array([[1.0]]))
    >>> [signal.tolist() for signal in error_signals(params, batch, jaxmlp.mse)]
    [[[4.0, 0.0]], [[4.0]]]

    Source: Rumelhart, Hinton & Williams 1986.
    """
    activation = activation_function(activation, "error_signals")
    require(callable(loss), "error_signals", "loss", "be a function (outputs, targets) -> scalar", loss, TypeError)

    def loss_of(offsets):
        return loss(_forward(params, batch.inputs, activation, offsets)[-1], batch.targets)

    shapes = jax.eval_shape(lambda: _forward(params, batch.inputs, activation, [None] * len(params)))
    return jax.grad(loss_of)([jnp.zeros(z.shape, z.dtype) for z in shapes])


def dead_units(params, inputs, activation: str | Callable = "relu"):
    """Which hidden units are dead: the derivative of their activation is 0 on every row, so they get no gradient.

    Args:
      params: a list of `{"w", "b"}`, as from `init`.
      inputs: floating, (..., inputs): the data to look at. A unit that is dead on a sample may live on other data.
      activation: a name or a function, as given to `apply`. A sigmoid counts where its derivative rounds to 0.

    Returns:
      A list with an array of bools (units,) for each hidden layer; empty for a network without one.

    Raises:
      ValueError, TypeError: as `apply`.

    >>> params = [{"w": jnp.array([[1.0, -1.0]]), "b": jnp.zeros(2)}, {"w": jnp.ones((2, 1)), "b": jnp.zeros(1)}]
    >>> [dead.tolist() for dead in dead_units(params, jnp.array([[3.0], [4.0]]))]
    [[False, True]]

    Source: Maas, Hannun & Ng 2013.
    """
    activation = activation_function(activation, "dead_units")
    hidden = _forward(params, inputs, activation, [None] * len(params))[:-1]
    return [jnp.all(_derivative(activation, z) == 0, axis=tuple(range(z.ndim - 1))) for z in hidden]


def layer_gradient_norms(loss_fn, params, batch, key=None):
    """How large a gradient reaches each layer: the Euclidean norm of the loss's gradient by its weights.

    Args:
      loss_fn: `(params, batch, key) -> scalar`, or `(scalar, metrics)`, as for `make_train_step`; a learner's `loss`.
      params: a list of `{"w", "b"}`, as from `init`.
      batch: handed to the loss.
      key: handed to the loss, for dropout; None: none.

    Returns:
      (layers,), from the first layer to the last. Divide by the root of a layer's number of weights to compare layers
      of different sizes.

    Raises:
      TypeError: where loss_fn is no function.

    >>> import jaxmlp
    >>> params = [{"w": jnp.array([[1.0]]), "b": jnp.zeros(1)}, {"w": jnp.array([[0.5]]), "b": jnp.zeros(1)}]
    >>> batch = jaxmlp.Batch(jnp.array([[2.0]]), jnp.array([[0.0]]))
    >>> loss_fn = lambda params, batch, key: jaxmlp.mse(jaxmlp.apply(params, batch.inputs), batch.targets)
    >>> layer_gradient_norms(loss_fn, params, batch).tolist()
    [2.0, 4.0]
    """
    require(callable(loss_fn), "layer_gradient_norms", "loss_fn", "be a function", loss_fn, TypeError)

    def loss_of(params):
        out = loss_fn(params, batch, key)
        return out[0] if isinstance(out, tuple) else out

    grads = jax.grad(loss_of)(params)
    return jnp.stack([jnp.sqrt(jnp.sum(jnp.square(layer["w"]))) for layer in grads])


def _forward(params, inputs, activation, offsets):
    """Every layer's z, each with its offset added: the gradient by an offset is the unit's error signal."""
    sums = []
    for layer, offset in zip(params, offsets, strict=True):
        z = apply([layer], activation(sums[-1]) if sums else inputs)  # a network of one layer is its weighted sum
        sums.append(z if offset is None else z + offset)
    return sums


def _derivative(activation, z):
    """An elementwise function's derivative at z."""
    _, pullback = jax.vjp(activation, z)
    return pullback(jnp.ones_like(z))[0]
