"""Prodigy: Adam that estimates its own learning rate."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_non_negative, check_positive, check_rate, require
from jaxmlp.leaves import Static, bind
from jaxmlp.optimizers.base import (
    Optimizer,
    at,
    cast,
    check_same_shapes,
    common_dtype,
    debiased,
    ema,
    first_count,
    incremented,
    like,
    map_leaves,
    root,
    scheduled,
    squared,
    wide,
    widened,
    zeros,
)
from jaxmlp.types import Array, Params, PyTree, Scalar, ScalarOrSchedule


class ProdigyState(NamedTuple):
    """The state of `prodigy`, in at least float32: gradients are scaled by d, which starts near 0.

    Attributes:
      count: () int32, the number of steps done.
      mu: m, the running average of d * g, shaped like the parameters.
      nu: v, the running average of (d * g)^2, real.
      grad_sum: s, the decaying sum of d * g, weighted by the steps.
      params0: w0, the parameters at the start.
      estim_lr: () d, the estimated distance from the start to a solution.
      numerator: () r, the decaying sum of how far the steps have gone along the gradients.
    """

    count: Array
    mu: PyTree
    nu: PyTree
    grad_sum: PyTree
    params0: PyTree
    estim_lr: Array
    numerator: Array


def prodigy(
    learning_rate: ScalarOrSchedule = 1.0,
    betas: Sequence[Scalar] = (0.9, 0.999),
    beta3: Scalar | None = None,
    eps: Scalar = 1e-8,
    estim_lr0: Scalar = 1e-6,
    estim_lr_coef: Scalar = 1.0,
    weight_decay: ScalarOrSchedule = 0.0,
    safeguard_warmup: bool = False,
) -> Optimizer:
    """Prodigy: Adam with a learning rate that grows to the distance from the start to a solution.

        h = eta * d * sqrt(1 - b2^t) / (1 - b1^t)
        m <- b1 * m + (1 - b1) * d * g
        v <- b2 * v + (1 - b2) * (d * g)^2
        r <- b3 * r + (d / d0) * h * <g, w0 - w>
        s <- b3 * s + (d / d0) * h * g
        d <- max(d, c * r / |s|_1)
        w <- w - h * (m / (sqrt(v) + d * eps) + lambda * w)

    For a first result without tuning: leave the learning rate at 1, with a schedule that decays to 0 if there is one.
    All parameters share one d, so a change in one layer changes the steps of all.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      betas: b1 and b2, the decays of m and v, in [0, 1).
      beta3: b3, the decay of the estimate, in [0, 1); None for the root of b2.
      eps: outside the root, at least 0.
      estim_lr0: d0, the first d, above 0; it should be an underestimate.
      estim_lr_coef: c, a factor of the estimate, at least 0.
      weight_decay: lambda, at least 0, or a schedule; it is multiplied by the learning rate.
      safeguard_warmup: leave eta and the bias correction out of s, so that small rates of a warm-up do not inflate d.

    Returns:
      An `Optimizer`; its update needs the params.

    Raises:
      ValueError: for a concrete number out of range, or anything else than two betas; in `update`, for missing params.

    Example:
      >>> params = jnp.array([1.0, -2.0])
      >>> optimizer = prodigy(estim_lr0=0.01)
      >>> state = optimizer.init(params)
      >>> for _ in range(100):  # the gradient of sum(params^2) / 2 is params
      ...     updates, state = optimizer.update(params, state, params)
      ...     params = params + updates
      >>> bool(jnp.abs(params).max() < 0.1), bool(state.estim_lr > 0.1)
      (True, True)

    References:
      Mishchenko & Defazio 2023, algorithm 4, https://arxiv.org/abs/2306.06101. As in optax.contrib; of complex
      parameters, v averages squared magnitudes, and if all gradients are zero, d stays.
    """
    pair = isinstance(betas, Sequence) and len(betas) == 2
    require(pair, "prodigy", "betas", "be two numbers, b1 and b2", betas)
    b1, b2 = (check_rate("prodigy", **{f"betas[{i}]": beta}) for i, beta in enumerate(betas))
    numbers = {
        "learning_rate": scheduled("prodigy", learning_rate=learning_rate),
        "b1": b1,
        "b2": b2,
        "b3": b2**0.5 if beta3 is None else check_rate("prodigy", beta3=beta3),
        "eps": check_non_negative("prodigy", eps=eps),
        "d0": (d0 := check_positive("prodigy", estim_lr0=estim_lr0)),
        "coefficient": check_non_negative("prodigy", estim_lr_coef=estim_lr_coef),
        "weight_decay": scheduled("prodigy", weight_decay=weight_decay),
    }
    update = bind(_prodigy_update, **numbers, safeguard_warmup=Static(bool(safeguard_warmup)))
    return Optimizer(bind(_prodigy_init, d0=d0), update)


def _prodigy_init(params: Params, *, d0: Scalar) -> ProdigyState:
    mu, grad_sum = zeros(widened(params)), zeros(widened(params))
    start = jax.tree.map(jnp.array, widened(params))  # a copy: the parameters themselves may be donated
    dtype = common_dtype(params)
    return ProdigyState(first_count(), mu, wide(params), grad_sum, start, jnp.asarray(d0, dtype), jnp.zeros((), dtype))


def _prodigy_update(
    grads,
    state,
    params=None,
    *,
    learning_rate,
    b1,
    b2,
    b3,
    eps,
    d0,
    coefficient,
    weight_decay,
    safeguard_warmup,
    **extra,
):
    require(params is not None, "prodigy.update", "params", "be given, as distances need them", params)
    check_same_shapes("prodigy.update", "grads", grads, state.params0)
    check_same_shapes("prodigy.update", "params", params, state.params0)
    count, d = incremented(state.count), state.estim_lr
    step = d * cast(at(learning_rate, state.count), d) * _correction(b1, b2, count, d)
    growth = d * cast(1 / d0, d) * (d if safeguard_warmup else step)

    def moments(g, m, v, s):
        scaled = cast(d, g) * g
        return g, ema(b1, m, scaled), ema(b2, v, squared(scaled)), cast(b3, s) * s + cast(growth, s) * g

    wide_grads, mu, nu, grad_sum = map_leaves("prodigy.update", moments, grads, state.mu, state.nu, state.grad_sum)
    travelled = _sum(_inner, d, wide_grads, state.params0, widened(params))
    numerator = cast(b3, d) * state.numerator + d * cast(1 / d0, d) * step * travelled
    size = _sum(jnp.abs, d, grad_sum)
    estimate = cast(coefficient, d) * numerator / jnp.where(size == 0, 1, size)
    new = jnp.maximum(d, jnp.where(size == 0, d, estimate))
    decay = at(weight_decay, state.count)

    def change(m, v, p):
        size = root(v) + cast(new * cast(eps, new), v)
        with jax.numpy_dtype_promotion("standard"):  # the root of a complex parameter's square is real
            return -cast(step, m) * (m / size + cast(decay, m) * p)

    updates = jax.tree.map(change, mu, nu, widened(params))
    return like(updates, grads), ProdigyState(count, mu, nu, grad_sum, state.params0, new, numerator)


def _correction(b1: Scalar, b2: Scalar, count: Array, d: Array) -> Array:
    """sqrt(1 - b2^t) / (1 - b1^t)."""
    one = jnp.ones_like(d)
    return debiased(one, b1, count) / root(debiased(one, b2, count))


def _inner(g: Array, start: Array, p: Array) -> Array:
    """g * (start - p), real for complex parameters too."""
    far = start - p
    return g * far if not jnp.iscomplexobj(g) else g.real * far.real + g.imag * far.imag


def _sum(function, d, *trees) -> Array:
    """The sum over all elements of all leaves, in the dtype of d."""
    parts = [jnp.sum(function(*leaves), dtype=d.dtype) for leaves in zip(*map(jax.tree.leaves, trees), strict=True)]
    return sum(parts, jnp.zeros_like(d))
