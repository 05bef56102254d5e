"""Gradient descent and its momentum: gd, sgd, momentum, nesterov."""

from typing import NamedTuple

import jax.numpy as jnp

from jaxmlp.checks import check_rate
from jaxmlp.leaves import Static, bind
from jaxmlp.optimizers.base import Optimizer, descend, first_count, incremented, map_leaves, scheduled, zeros
from jaxmlp.types import Array, DTypeLike, Params, PyTree, Scalar, ScalarOrSchedule


class SgdState(NamedTuple):
    """The state of gradient descent.

    Attributes:
      count: () int32, the number of steps done.
      trace: the decaying sum of past gradients, shaped like the parameters; None without momentum.
    """

    count: Array
    trace: PyTree


def gd(learning_rate: ScalarOrSchedule) -> Optimizer:
    """Gradient descent: w <- w - eta * g, with eta = learning_rate.

    On batches of the data it is stochastic gradient descent: the rule is the same. The baseline for every other
    optimizer, and enough where features are scaled and the loss is well conditioned.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> params = jnp.array([4.0, -2.0])
      >>> optimizer = gd(0.5)
      >>> state = optimizer.init(params)
      >>> for _ in range(3):  # the gradient of sum(params^2) / 2 is params
      ...     updates, state = optimizer.update(params, state)
      ...     params = params + updates
      >>> params.tolist()
      [0.5, -0.25]

    References:
      Cauchy 1847; stochastic: Robbins & Monro 1951, https://doi.org/10.1214/aoms/1177729586.
    """
    return sgd(learning_rate)


def momentum(learning_rate: ScalarOrSchedule, decay: Scalar = 0.9) -> Optimizer:
    """Heavy ball: t <- g + mu * t, w <- w - eta * t.

    For long narrow valleys: steps along the floor add up, those between the walls cancel. There is no factor (1 - mu)
    before g: at mu = 0.9 steps grow up to ten times those of `gd`, so divide its learning rate by about ten.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      decay: mu, the share of its speed that the ball keeps per step, in [0, 1).

    Returns:
      An `Optimizer`, that of `sgd(learning_rate, momentum=decay)`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> optimizer = momentum(1.0, decay=0.5)
      >>> state = optimizer.init(jnp.float32(0.0))
      >>> for _ in range(3):  # a constant gradient: the ball gains speed
      ...     updates, state = optimizer.update(jnp.float32(1.0), state)
      ...     print(float(updates))
      -1.0
      -1.5
      -1.75

    References:
      Polyak 1964, https://doi.org/10.1016/0041-5553(64)90137-5.
    """
    return sgd(learning_rate, momentum=decay)


def nesterov(learning_rate: ScalarOrSchedule, decay: Scalar = 0.9) -> Optimizer:
    """Nesterov's momentum: t <- g + mu * t, w <- w - eta * (g + mu * t).

    Like `momentum`, but the gradient counts once more at the end of the step, which damps oscillations.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      decay: mu, in [0, 1).

    Returns:
      An `Optimizer`, that of `sgd(learning_rate, momentum=decay, nesterov=True)`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> optimizer = nesterov(1.0, decay=0.5)
      >>> state = optimizer.init(jnp.float32(0.0))
      >>> for _ in range(3):
      ...     updates, state = optimizer.update(jnp.float32(1.0), state)
      ...     print(float(updates))
      -1.5
      -1.75
      -1.875

    References:
      Nesterov 1983, in the form of Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html.
    """
    return sgd(learning_rate, momentum=decay, nesterov=True)


def sgd(
    learning_rate: ScalarOrSchedule,
    momentum: Scalar | None = None,
    nesterov: bool = False,
    accumulator_dtype: DTypeLike = None,
) -> Optimizer:
    """Stochastic gradient descent, optionally with momentum and Nesterov's look-ahead.

        t <- g + mu * t                       mu = momentum
        w <- w - eta * t                      eta = learning_rate
        w <- w - eta * (g + mu * t)           with nesterov

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      momentum: mu, in [0, 1); None keeps no trace at all.
      nesterov: use the look-ahead; without effect unless momentum is given.
      accumulator_dtype: dtype of the trace; None for that of the parameters.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> optimizer = sgd(0.1, momentum=0.9, nesterov=True)
      >>> updates, state = optimizer.update({"w": 1.0}, optimizer.init({"w": 1.0}))
      >>> round(float(updates["w"]), 3)
      -0.19

    References:
      Robbins & Monro 1951, https://doi.org/10.1214/aoms/1177729586; Polyak 1964; Sutskever et al. 2013,
      https://proceedings.mlr.press/v28/sutskever13.html. PyTorch's `dampening` is 0 here.
    """
    learning_rate = scheduled("sgd", learning_rate=learning_rate)
    if momentum is None:
        return Optimizer(bind(_plain_init), bind(_plain_update, learning_rate=learning_rate))
    momentum = check_rate("sgd", momentum=momentum)
    init = bind(_momentum_init, accumulator_dtype=Static(accumulator_dtype))
    numbers = {"learning_rate": learning_rate, "momentum": momentum}
    return Optimizer(init, bind(_momentum_update, **numbers, nesterov=Static(bool(nesterov))))


def _plain_init(params: Params) -> SgdState:
    return SgdState(first_count(), None)


def _plain_update(grads, state, params=None, *, learning_rate, **extra):
    return descend(learning_rate, state.count, grads, grads), SgdState(incremented(state.count), None)


def _momentum_init(params: Params, *, accumulator_dtype: DTypeLike) -> SgdState:
    return SgdState(first_count(), zeros(params, accumulator_dtype))


def _momentum_update(grads, state, params=None, *, learning_rate, momentum, nesterov, **extra):
    def rule(g, t):
        mu = jnp.asarray(momentum, jnp.promote_types(g.dtype, t.dtype))
        trace = g + mu * t
        return (g + mu * trace if nesterov else trace), trace

    directions, trace = map_leaves("sgd.update", rule, grads, state.trace)
    return descend(learning_rate, state.count, directions, grads), SgdState(incremented(state.count), trace)
