"""Adam with a second momentum: of the differences of gradients (adan), or a slow one (ademamix)."""

from typing import NamedTuple

import jax.numpy as jnp

from jaxmlp.checks import check_non_negative, check_rate
from jaxmlp.leaves import Static, as_partial, bind
from jaxmlp.optimizers.adam_family import adam_numbers, normalized
from jaxmlp.optimizers.base import (
    Optimizer,
    at,
    cast,
    debiased,
    descend,
    ema,
    first_count,
    incremented,
    map_leaves,
    mask_leaf,
    scheduled,
    squared,
    wide,
    widened,
    with_decay,
    zeros,
)
from jaxmlp.types import Array, DTypeLike, Mask, Params, PyTree, Scalar, ScalarOrSchedule


class AdanState(NamedTuple):
    """The state of `adan`.

    Attributes:
      count: () int32, the number of steps done.
      mu: m, the running average of gradients, shaped like the parameters.
      differences: v, the running average of differences of gradients, in at least float32.
      nu: n, the running average of squared extrapolated gradients, real, in at least float32.
      grads: the gradients of the last step, in at least float32.
    """

    count: Array
    mu: PyTree
    differences: PyTree
    nu: PyTree
    grads: PyTree


def adan(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.98,
    b2: Scalar = 0.92,
    b3: Scalar = 0.99,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 1e-8,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask = None,
) -> Optimizer:
    """Adan: Adam with Nesterov's momentum, estimated from differences of gradients.

        d = g - g_before (0 in the first step)
        m <- b1 * m + (1 - b1) * g                 m' = m / (1 - b1^t)
        v <- b2 * v + (1 - b2) * d                 v' = v / (1 - b2^t)
        n <- b3 * n + (1 - b3) * (g + b2 * d)^2    n' = n / (1 - b3^t)
        w <- w - eta * ((m' + b2 * v') / (sqrt(n' + eps_root) + eps) + lambda * w)

    For large batches and long schedules, where it tolerates larger learning rates than Adam. It keeps two more copies
    of the parameters.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      b1: decay of the mean gradient, in [0, 1).
      b2: decay of the mean difference, and its weight, in [0, 1).
      b3: decay of the mean square, in [0, 1).
      eps: outside the root, at least 0.
      eps_root: inside the root, at least 0.
      weight_decay: lambda, at least 0, or a schedule; it is multiplied by the learning rate.
      mask: which weights decay: a tree of bools, or a function from params to one; None for all, biases included.

    Returns:
      An `Optimizer`; with weight decay its update needs the params.

    Raises:
      ValueError: for a concrete number out of range; in `update`, for missing params or a mask of another structure.

    Example:
      >>> optimizer = adan(0.1)
      >>> state = optimizer.init(jnp.float32(0.0))
      >>> for gradient in (1.0, 0.5):  # the gradient falls, and so will the next one
      ...     updates, state = optimizer.update(jnp.float32(gradient), state)
      >>> round(float(updates), 4)
      -0.0719

    References:
      Xie et al. 2022, algorithm 1, https://arxiv.org/abs/2208.06677, whose betas are 1 - b1, 1 - b2 and 1 - b3, and
      whose eps_root is 0. As in the authors' PyTorch code with its option `no_prox`; optax 0.2.8 weighs the differences
      by 1 - b2 in place of b2.
    """
    numbers = adam_numbers("adan", learning_rate=learning_rate, b1=b1, b2=b2, eps=eps, eps_root=eps_root)
    decay = {"weight_decay": scheduled("adan", weight_decay=weight_decay), "mask": mask_leaf(mask)}
    return Optimizer(bind(_adan_init), bind(_adan_update, **numbers, b3=check_rate("adan", b3=b3), **decay))


def _adan_init(params: Params) -> AdanState:
    differences, grads = zeros(widened(params)), zeros(widened(params))
    return AdanState(first_count(), zeros(params), differences, wide(params), grads)


def _adan_update(grads, state, params=None, *, learning_rate, b1, b2, b3, eps, eps_root, weight_decay, mask, **extra):
    count = incremented(state.count)

    def rule(g, m, v, n, before):
        difference = jnp.where(state.count == 0, jnp.zeros_like(g), g - before)
        ahead = g + cast(b2, g) * difference
        m, v, n = ema(b1, m, g), ema(b2, v, difference), ema(b3, n, squared(ahead))
        mean = debiased(m, b1, count) + cast(b2, v) * debiased(v, b2, count)
        return normalized(mean, debiased(n, b3, count), eps, eps_root), m, v, n, g

    moments = state.mu, state.differences, state.nu, state.grads
    directions, *moments = map_leaves("adan.update", rule, grads, *moments)
    directions = with_decay(
        directions, params, function="adan.update", count=state.count, weight_decay=weight_decay, mask=mask
    )
    return descend(learning_rate, state.count, directions, grads), AdanState(count, *moments)


class AdemamixState(NamedTuple):
    """The state of `ademamix`.

    Attributes:
      count: () int32, the number of steps done.
      mu: m1, the fast average of gradients, shaped like the parameters.
      slow: m2, the slow average of gradients, in at least float32: at b3 = 0.9999 it would not move in bfloat16.
      nu: the running average of squared gradients, real, in at least float32.
    """

    count: Array
    mu: PyTree
    slow: PyTree
    nu: PyTree


def ademamix(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    b3: ScalarOrSchedule = 0.9999,
    alpha: ScalarOrSchedule = 5.0,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    mu_dtype: DTypeLike = None,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask = None,
) -> Optimizer:
    """AdEMAMix: Adam with a second, much slower momentum.

        m1 <- b1 * m1 + (1 - b1) * g               m1' = m1 / (1 - b1^t)
        m2 <- b3 * m2 + (1 - b3) * g
        v  <- b2 * v  + (1 - b2) * g^2             v'  = v / (1 - b2^t)
        w  <- w - eta * ((m1' + alpha * m2) / (sqrt(v' + eps_root) + eps) + lambda * w)

    For trainings of many thousands of steps, in which gradients of long ago still help. In shorter ones take a smaller
    b3, such as 0.999. The authors let alpha and b3 grow over the training: `linear_schedule(0.0, alpha, steps)` and
    `half_life_schedule(b1, b3, steps)`.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      b1: decay of the fast mean gradient, in [0, 1).
      b2: decay of the mean square, in [0, 1).
      b3: decay of the slow mean gradient, in [0, 1), or a schedule.
      alpha: weight of the slow mean gradient, at least 0, or a schedule.
      eps: outside the root, at least 0.
      eps_root: inside the root, at least 0.
      mu_dtype: dtype of m1; None for that of the parameters.
      weight_decay: lambda, at least 0, or a schedule; it is multiplied by the learning rate.
      mask: which weights decay: a tree of bools, or a function from params to one; None for all, biases included.

    Returns:
      An `Optimizer`; with weight decay its update needs the params.

    Raises:
      ValueError: for a concrete number out of range; in `update`, for missing params or a mask of another structure.

    Example:
      >>> optimizer = ademamix(0.1, b3=0.9)
      >>> updates, state = optimizer.update(jnp.float32(4.0), optimizer.init(jnp.float32(1.0)))
      >>> round(float(updates), 4)  # Adam's 0.1, and 5 times a slow mean of a tenth of it
      -0.15

    References:
      Pagliardini, Ablin & Grangier 2024, algorithm 1, https://arxiv.org/abs/2409.03137. As in optax.contrib.
    """
    numbers = adam_numbers("ademamix", learning_rate=learning_rate, b1=b1, b2=b2, eps=eps, eps_root=eps_root)
    slow = {
        "b3": as_partial(b3) if callable(b3) else check_rate("ademamix", b3=b3),
        "alpha": as_partial(alpha) if callable(alpha) else check_non_negative("ademamix", alpha=alpha),
    }
    decay = {"weight_decay": scheduled("ademamix", weight_decay=weight_decay), "mask": mask_leaf(mask)}
    init = bind(_ademamix_init, mu_dtype=Static(mu_dtype))
    return Optimizer(init, bind(_ademamix_update, **numbers, **slow, **decay))


def _ademamix_init(params: Params, *, mu_dtype: DTypeLike) -> AdemamixState:
    return AdemamixState(first_count(), zeros(params, mu_dtype), zeros(widened(params)), wide(params))


def _ademamix_update(
    grads, state, params=None, *, learning_rate, b1, b2, b3, alpha, eps, eps_root, weight_decay, mask, **extra
):
    count = incremented(state.count)
    slow_decay, share = at(b3, state.count), at(alpha, state.count)

    def rule(g, fast, slow, v):
        fast, slow, v = ema(b1, fast, g), ema(slow_decay, slow, g), ema(b2, v, squared(g))
        mean = debiased(fast, b1, count) + cast(share, slow) * slow
        return normalized(mean, debiased(v, b2, count), eps, eps_root), fast, slow, v

    directions, *moments = map_leaves("ademamix.update", rule, grads, state.mu, state.slow, state.nu)
    directions = with_decay(
        directions, params, function="ademamix.update", count=state.count, weight_decay=weight_decay, mask=mask
    )
    return descend(learning_rate, state.count, directions, grads), AdemamixState(count, *moments)
