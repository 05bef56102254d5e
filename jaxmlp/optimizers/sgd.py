"""Gradient descent and its momentum: gd, sgd, momentum, nesterov."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp.checks import check_rate
from jaxmlp.optimizers.base import (
    Optimizer,
    Static,
    descend,
    first_count,
    map_leaves,
    scheduled,
    zeros,
)


class SgdState(NamedTuple):
    """Steps done, and the trace of past gradients (None without momentum)."""

    count: Any
    trace: Any


def gd(learning_rate):
    """Gradient descent: w <- w - eta * g, with eta = learning_rate.

    On batches of the data it is stochastic gradient descent: the rule is the same.

    Args:
      learning_rate: at least 0, or a schedule `count -> value`.

    Returns:
      An `Optimizer`.

    >>> optimizer = gd(0.5)
    >>> updates, state = optimizer.update({"w": 2.0}, optimizer.init({"w": 1.0}))
    >>> float(updates["w"])
    -1.0

    Source: Cauchy 1847; Robbins & Monro 1951.
    """
    return sgd(learning_rate)


def momentum(learning_rate, decay=0.9):
    """Heavy ball: t <- g + mu * t, w <- w - eta * t.

    Args:
      learning_rate: eta, at least 0, or a schedule.
      decay: mu, the share of its speed that the ball keeps a step, in [0, 1).

    Returns:
      An `Optimizer`, that of `sgd(learning_rate, momentum=decay)`.

    >>> optimizer = momentum(0.5, decay=0.9)

    Source: Polyak 1964. There is no factor (1 - mu) before g: at mu = 0.9 steps grow up to ten times those of `gd`.
    """
    return sgd(learning_rate, momentum=decay)


def nesterov(learning_rate, decay=0.9):
    """Nesterov's momentum: t <- g + mu * t, w <- w - eta * (g + mu * t).

    Args:
      learning_rate: eta, at least 0, or a schedule.
      decay: mu, in [0, 1).

    Returns:
      An `Optimizer`, that of `sgd(learning_rate, momentum=decay, nesterov=True)`.

    >>> optimizer = nesterov(0.5, decay=0.9)

    Source: Nesterov 1983, in the form of Sutskever et al. 2013.
    """
    return sgd(learning_rate, momentum=decay, nesterov=True)


def sgd(learning_rate, momentum=None, nesterov=False, accumulator_dtype=None):
    """Stochastic gradient descent, with momentum and Nesterov's look-ahead if wanted.

        t <- g + mu * t                       mu = momentum
        w <- w - eta * t                      eta = learning_rate
        w <- w - eta * (g + mu * t)           with nesterov

    Args:
      learning_rate: at least 0, or a schedule `count -> value`.
      momentum: in [0, 1); None keeps no trace at all.
      nesterov: a flag, used only with momentum.
      accumulator_dtype: of the trace; None: the parameters'.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    >>> optimizer = sgd(0.1, momentum=0.9, nesterov=True)
    >>> state = optimizer.init({"w": 1.0})
    >>> updates, state = optimizer.update({"w": 1.0}, state)
    >>> round(float(updates["w"]), 3)
    -0.19

    Source: Robbins & Monro 1951; Polyak 1964; Sutskever et al. 2013. PyTorch's `dampening` is 0 here.
    """
    learning_rate = scheduled("sgd", "learning_rate", learning_rate)
    if momentum is None:
        return Optimizer(Partial(_plain_init), Partial(_plain_update, learning_rate))
    momentum = check_rate("sgd", "momentum", momentum)
    init = Partial(_momentum_init, Static(accumulator_dtype))
    return Optimizer(init, Partial(_momentum_update, Static(bool(nesterov)), learning_rate, momentum))


def _plain_init(params):
    return SgdState(first_count(), None)


def _plain_update(learning_rate, grads, state, params=None):
    return descend(learning_rate, state.count, grads), SgdState(state.count + 1, None)


def _momentum_init(accumulator_dtype, params):
    return SgdState(first_count(), zeros(params, accumulator_dtype.value))


def _momentum_update(nesterov, learning_rate, decay, grads, state, params=None):
    def rule(g, t):
        mu = jnp.asarray(decay, jnp.promote_types(g.dtype, t.dtype))
        trace = g + mu * t
        return (g + mu * trace if nesterov.value else trace), trace

    directions, trace = map_leaves("sgd.update", rule, grads, state.trace)
    return descend(learning_rate, state.count, directions), SgdState(state.count + 1, trace)
