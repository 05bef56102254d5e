"""Lion: the sign of a momentum."""

from typing import NamedTuple

import jax.numpy as jnp

from jaxmlp.checks import check_rate
from jaxmlp.leaves import Static, bind
from jaxmlp.optimizers.base import (
    Optimizer,
    descend,
    ema,
    first_count,
    incremented,
    map_leaves,
    mask_leaf,
    scheduled,
    with_decay,
    zeros,
)
from jaxmlp.types import Array, DTypeLike, Mask, Params, PyTree, Scalar, ScalarOrSchedule


class LionState(NamedTuple):
    """The state of `lion`.

    Attributes:
      count: () int32, the number of steps done.
      mu: the running average of gradients, shaped like the parameters.
    """

    count: Array
    mu: PyTree


def lion(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.99,
    mu_dtype: DTypeLike = None,
    weight_decay: ScalarOrSchedule = 1e-3,
    mask: Mask = None,
) -> Optimizer:
    """Lion: every weight moves by the same amount, in the direction of a momentum.

        w <- w - eta * (sign(b1 * m + (1 - b1) * g) + lambda * w)
        m <- b2 * m + (1 - b2) * g

    Half of Adam's memory. Start from a tenth of Adam's learning rate and ten times its weight decay.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      b1: share of m in the direction, in [0, 1).
      b2: decay of m, in [0, 1).
      mu_dtype: dtype of m; None for that of the parameters.
      weight_decay: lambda, at least 0, or a schedule; multiplied by the learning rate.
      mask: which weights decay: a tree of bools, or a function from params to one; None for all.

    Returns:
      An `Optimizer`; with weight decay its update needs the params.

    Raises:
      ValueError: for a concrete number out of range; in `update`, for missing params or a mask of another structure.

    Example:
      >>> params = jnp.array([1.0, -2.0])
      >>> optimizer = lion(0.25, weight_decay=0.0)
      >>> state = optimizer.init(params)
      >>> for _ in range(3):  # the gradient of sum(params^2) / 2 is params
      ...     updates, state = optimizer.update(params, state, params)
      ...     params = params + updates
      >>> params.tolist()
      [0.25, -1.25]

    References:
      Chen et al. 2023, algorithm 2, https://arxiv.org/abs/2302.06675.
    """
    numbers = {
        "learning_rate": scheduled("lion", learning_rate=learning_rate),
        "b1": check_rate("lion", b1=b1),
        "b2": check_rate("lion", b2=b2),
        "weight_decay": scheduled("lion", weight_decay=weight_decay),
        "mask": mask_leaf(mask),
    }
    return Optimizer(bind(_lion_init, mu_dtype=Static(mu_dtype)), bind(_lion_update, **numbers))


def _lion_init(params: Params, *, mu_dtype: DTypeLike) -> LionState:
    return LionState(first_count(), zeros(params, mu_dtype))


def _lion_update(grads, state, params=None, *, learning_rate, b1, b2, weight_decay, mask, **extra):
    def rule(g, m):
        return jnp.sign(ema(b1, m, g)), ema(b2, m, g)

    directions, mu = map_leaves("lion.update", rule, grads, state.mu)
    directions = with_decay(
        directions, params, function="lion.update", count=state.count, weight_decay=weight_decay, mask=mask
    )
    return descend(learning_rate, state.count, directions, grads), LionState(incremented(state.count), mu)
