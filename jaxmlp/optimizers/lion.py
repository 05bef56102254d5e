"""Lion: the sign of a momentum."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp.checks import check_rate
from jaxmlp.optimizers.base import (
    Optimizer,
    Static,
    descend,
    ema,
    first_count,
    map_leaves,
    mask_leaf,
    scheduled,
    with_decay,
    zeros,
)


class LionState(NamedTuple):
    """Steps done, and the running average of gradients."""

    count: Any
    mu: Any


def lion(learning_rate, b1=0.9, b2=0.99, mu_dtype=None, weight_decay=1e-3, mask=None):
    """Lion: every weight moves by the same amount, in the direction of a momentum.

        w <- w - eta * (sign(b1 * m + (1 - b1) * g) + lambda * w)
        m <- b2 * m + (1 - b2) * g

    Args:
      learning_rate: eta, at least 0, or a schedule; about a tenth of Adam's.
      b1: share of m in the direction, in [0, 1).
      b2: decay of m, in [0, 1).
      mu_dtype: of m; None: the parameters'.
      weight_decay: lambda, at least 0, or a schedule; multiplied by the learning rate.
      mask: where to decay: a tree of bools, or a function from params to one; None: everywhere.

    Returns:
      An `Optimizer`; with weight decay its update needs the params.

    >>> optimizer = lion(1e-4)

    Source: Chen et al. 2023, algorithm 2.
    """
    numbers = (
        scheduled("lion", "learning_rate", learning_rate),
        check_rate("lion", "b1", b1),
        check_rate("lion", "b2", b2),
        scheduled("lion", "weight_decay", weight_decay),
        mask_leaf(mask),
    )
    return Optimizer(Partial(_lion_init, Static(mu_dtype)), Partial(_lion_update, *numbers))


def _lion_init(mu_dtype, params):
    return LionState(first_count(), zeros(params, mu_dtype.value))


def _lion_update(learning_rate, b1, b2, weight_decay, mask, grads, state, params=None):
    def rule(g, m):
        return jnp.sign(ema(b1, m, g)), ema(b2, m, g)

    directions, mu = map_leaves("lion.update", rule, grads, state.mu)
    directions = with_decay("lion.update", weight_decay, mask, directions, params, state.count)
    return descend(learning_rate, state.count, directions), LionState(state.count + 1, mu)
