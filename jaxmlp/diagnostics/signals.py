"""What happens inside a network: pure functions of params and data, for use under `jax.jit` and `jax.vmap`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxmlp.activations import activation_function
from jaxmlp.checks import require
from jaxmlp.data import Batch
from jaxmlp.mlp import apply
from jaxmlp.types import Activation, Array, Key, Layers, LossFn, PyTree

__all__ = ["dead_units", "error_signals", "layer_gradient_norms", "pre_activations"]


def pre_activations(params: Layers, inputs: Array, activation: str | Activation = "relu") -> list[Array]:
    """The weighted sums of every layer, z = h @ w + b, where h is the activation of the previous layer's z.

    The first layer's h are the inputs; the last layer's z are the outputs of the network. A histogram of each layer's
    z shows saturated units, and scales that grow or shrink with depth.

    Args:
      params: a list of `{"w", "b"}`, as from `init`.
      inputs: floating, (..., inputs).
      activation: a name or a function, as for `apply`.

    Returns:
      A list with one array (..., units) per layer.

    Raises:
      TypeError, ValueError: as `apply`.

    Example:
      >>> params = [{"w": jnp.array([[1.0, -1.0]]), "b": jnp.zeros(2)}, {"w": jnp.ones((2, 1)), "b": jnp.ones(1)}]
      >>> [z.tolist() for z in pre_activations(params, jnp.array([[3.0]]))]
      [[[3.0, -3.0]], [[4.0]]]
    """
    return _forward(params, inputs, activation_function(activation, "pre_activations"), [None] * len(params))


def error_signals(
    params: Layers, batch: Batch, loss: Callable[[Any, Any], Array], activation: str | Activation = "relu"
) -> list[Array]:
    """The error signal of every unit on every example: the derivative of the loss by the unit's weighted sum, dL/dz.

        signal = (signal of the next layer @ w.T) * activation'(z)

    Backpropagation computes them from the last layer to the first; the gradient of a weight is the sum over examples
    of its input times the signal of its unit. Signals that shrink from layer to layer are vanishing gradients.

    Args:
      params: a list of `{"w", "b"}`, as from `init`.
      batch: a `Batch` of inputs (rows, inputs) and of the targets that the loss takes.
      loss: a function `(outputs, targets) -> scalar`, such as `mse` or `cross_entropy`. If it is a mean over rows,
        every signal contains the factor 1 / rows.
      activation: a name or a function, as for `apply`.

    Returns:
      A list with one array (rows, units) per layer.

    Raises:
      TypeError, ValueError: as `apply` and the loss; a TypeError if the loss is not a function.

    Example:
      >>> import jaxmlp
      >>> params = [{"w": jnp.array([[1.0, -1.0]]), "b": jnp.zeros(2)}, {"w": jnp.ones((2, 1)), "b": jnp.zeros(1)}]
      >>> batch = jaxmlp.Batch(jnp.array([[3.0]]), jnp.array([[1.0]]))
      >>> [signal.tolist() for signal in error_signals(params, batch, jaxmlp.mse)]
      [[[4.0, 0.0]], [[4.0]]]

    References:
      Rumelhart, Hinton & Williams 1986, https://doi.org/10.1038/323533a0.
    """
    activation = activation_function(activation, "error_signals")
    require(callable(loss), "error_signals", "loss", "be a function (outputs, targets) -> scalar", loss, TypeError)

    def loss_of(offsets):
        return loss(_forward(params, batch.inputs, activation, offsets)[-1], batch.targets)

    shapes = jax.eval_shape(lambda: _forward(params, batch.inputs, activation, [None] * len(params)))
    return jax.grad(loss_of)([jnp.zeros(z.shape, z.dtype) for z in shapes])


def dead_units(params: Layers, inputs: Array, activation: str | Activation = "relu") -> list[Array]:
    """Which hidden units are dead: the derivative of the activation is 0 on every row, so they get no gradient.

    A unit that is dead on a sample may be alive on other data, so give it all the training inputs.

    Args:
      params: a list of `{"w", "b"}`, as from `init`.
      inputs: floating, (..., inputs).
      activation: a name or a function, as for `apply`. A saturated sigmoid counts as dead only if its derivative rounds
        to 0.

    Returns:
      A list with one array of bools (units,) per hidden layer; an empty list for a network without hidden layers.

    Raises:
      TypeError, ValueError: as `apply`.

    Example:
      >>> params = [{"w": jnp.array([[1.0, -1.0]]), "b": jnp.zeros(2)}, {"w": jnp.ones((2, 1)), "b": jnp.zeros(1)}]
      >>> [dead.tolist() for dead in dead_units(params, jnp.array([[3.0], [4.0]]))]
      [[False, True]]

    References:
      Maas, Hannun & Ng 2013, *Rectifier Nonlinearities Improve Neural Network Acoustic Models*,
      https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf.
    """
    activation = activation_function(activation, "dead_units")
    hidden = _forward(params, inputs, activation, [None] * len(params))[:-1]
    return [jnp.all(_derivative(activation, z) == 0, axis=tuple(range(z.ndim - 1))) for z in hidden]


def layer_gradient_norms(loss_fn: LossFn, params: Layers, batch: PyTree, key: Key | None = None) -> Array:
    """How large a gradient reaches each layer: the Euclidean norm of the gradient of the loss by its weights.

    To compare layers of different sizes, divide by the square root of the number of weights of each layer.

    Args:
      loss_fn: `(params, batch, key) -> scalar` or `-> (scalar, metrics)`, as for `make_train_step`; for instance the
        `loss` of a learner.
      params: a list of `{"w", "b"}`, as from `init`.
      batch: passed to the loss.
      key: passed to the loss, for dropout; None for no dropout.

    Returns:
      The norms, (layers,), from the first layer to the last.

    Raises:
      TypeError: if loss_fn is not a function.

    Example:
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
    """Every layer's z plus its offset; the gradient by an offset is the error signal of its unit."""
    sums = []
    for layer, offset in zip(params, offsets, strict=True):
        z = apply([layer], activation(sums[-1]) if sums else inputs)  # a network of one layer returns its weighted sum
        sums.append(z if offset is None else z + offset)
    return sums


def _derivative(activation, z):
    """The derivative of an elementwise function at z."""
    _, pullback = jax.vjp(activation, z)
    return pullback(jnp.ones_like(z))[0]
