"""Schedule-free learning: gradients are taken at one point, the model is judged at an average."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_non_negative, check_positive, check_rate, require
from jaxmlp.leaves import Static, bind
from jaxmlp.numerics import promoted
from jaxmlp.optimizers.adam_family import normalized
from jaxmlp.optimizers.base import (
    Optimizer,
    at,
    cast,
    common_dtype,
    debiased,
    ema,
    first_count,
    incremented,
    like,
    map_leaves,
    scheduled,
    squared,
    wide,
    with_decay,
)
from jaxmlp.optimizers.evaluation import in_place_of
from jaxmlp.types import Array, DTypeLike, Params, PyTree, Scalar, ScalarOrSchedule


class ScheduleFreeState(NamedTuple):
    """The state of `schedule_free_sgd` and `schedule_free_adamw`; the parameters are y.

    Attributes:
      count: () int32, the number of steps done.
      z: where the steps alone would lead, in at least float32.
      x: the weighted average of all z, at which the model is judged, in at least float32.
      nu: of AdamW, the running average of squared gradients, in at least float32.
      weight_sum: () the sum of the weights of all z in x.
      max_lr: () the largest learning rate so far.
    """

    count: Array
    z: PyTree
    x: PyTree
    nu: PyTree
    weight_sum: Array
    max_lr: Array

    def evaluation_params(self, params: Params) -> Params:
        """The average x; see `jaxmlp.evaluation_params`."""
        return in_place_of(self.x, params)


def schedule_free_sgd(
    learning_rate: ScalarOrSchedule = 1.0,
    warmup_steps: Scalar | None = None,
    b1: Scalar = 0.9,
    weight_decay: ScalarOrSchedule | None = None,
    weight_lr_power: Scalar = 2.0,
    state_dtype: DTypeLike = None,
) -> Optimizer:
    """Schedule-free SGD: averaging in place of a learning rate that decays.

        z <- z - eta * (g(y) + lambda * y)
        x <- (1 - c) * x + c * z,   c = a / (sum of all a so far),   a = (largest eta so far)^power
        y <- b1 * x + (1 - b1) * z

    The parameters are y, and `evaluation_params` gives x. For trainings whose length is not known beforehand: at every
    moment, x is about as good as a schedule that decays to 0 by then would have been. Give it a constant learning rate,
    larger than that of a schedule.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      warmup_steps: eta grows linearly from 0 over this many steps, above 0; None for no warm-up.
      b1: share of x in y, in [0, 1): the larger, the more like momentum.
      weight_decay: lambda, at least 0, or a schedule; it is multiplied by the learning rate. None for no decay.
      weight_lr_power: the exponent of a, at least 0; of 0 makes x the plain average.
      state_dtype: dtype of z and x; None for that of the parameters, and at least float32.

    Returns:
      An `Optimizer`; its update needs the params.

    Raises:
      ValueError: for a concrete number out of range; in `update`, for missing params.

    Example:
      >>> from jaxmlp.optimizers import evaluation_params
      >>> params = jnp.array([1.0, -2.0])
      >>> optimizer = schedule_free_sgd(0.5)
      >>> state = optimizer.init(params)
      >>> for _ in range(20):  # the gradient of sum(params^2) / 2 is params
      ...     updates, state = optimizer.update(params, state, params)
      ...     params = params + updates
      >>> [round(float(p), 3) for p in evaluation_params(state, params)]
      [-0.034, 0.069]

    References:
      Defazio et al. 2024, algorithm 1, https://arxiv.org/abs/2405.15682. As in optax.contrib, which recomputes x from y
      where this keeps it, so that b1 must be above 0. As there, a learning rate that changes enters c one step ahead.
    """
    numbers = _numbers("schedule_free_sgd", learning_rate, warmup_steps, b1, weight_lr_power)
    decay = None if weight_decay is None else scheduled("schedule_free_sgd", weight_decay=weight_decay)
    init = bind(_init, with_squares=Static(False), state_dtype=Static(state_dtype))
    return Optimizer(init, bind(_schedule_free_sgd_update, **numbers, weight_decay=decay))


def schedule_free_adamw(
    learning_rate: ScalarOrSchedule = 0.0025,
    warmup_steps: Scalar | None = None,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_lr_power: Scalar = 2.0,
    state_dtype: DTypeLike = None,
) -> Optimizer:
    """Schedule-free AdamW: averaging in place of momentum and of a learning rate that decays.

        v <- b2 * v + (1 - b2) * g(y)^2            v' = v / (1 - b2^t)
        z <- z - eta * (g(y) / (sqrt(v') + eps) + lambda * y)
        x <- (1 - c) * x + c * z,   c = a / (sum of all a so far),   a = (largest eta so far)^power
        y <- b1 * x + (1 - b1) * z

    The parameters are y, and `evaluation_params` gives x. Use it where you would use AdamW with a schedule. A warm-up
    over a few percent of the training helps; the best learning rate is larger than Adam's.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      warmup_steps: eta grows linearly from 0 over this many steps, above 0; None for no warm-up.
      b1: share of x in y, in [0, 1): the larger, the more like momentum.
      b2: decay of the mean square, in [0, 1).
      eps: outside the root, at least 0.
      weight_decay: lambda, at least 0, or a schedule; it is multiplied by the learning rate.
      weight_lr_power: the exponent of a, at least 0; of 0 makes x the plain average.
      state_dtype: dtype of z and x; None for that of the parameters, and at least float32.

    Returns:
      An `Optimizer`; its update needs the params.

    Raises:
      ValueError: for a concrete number out of range; in `update`, for missing params.

    Example:
      >>> from jaxmlp.optimizers import evaluation_params
      >>> params = jnp.array([1.0, -2.0])
      >>> optimizer = schedule_free_adamw(0.25)
      >>> state = optimizer.init(params)
      >>> for _ in range(50):  # the gradient of sum(params^2) / 2 is params
      ...     updates, state = optimizer.update(params, state, params)
      ...     params = params + updates
      >>> bool(jnp.abs(evaluation_params(state, params)).max() < 0.1)
      True

    References:
      Defazio et al. 2024, algorithm 1, https://arxiv.org/abs/2405.15682. As in optax.contrib, which recomputes x from y
      where this keeps it, so that b1 must be above 0. As there, a learning rate that changes enters c one step ahead.
    """
    numbers = _numbers("schedule_free_adamw", learning_rate, warmup_steps, b1, weight_lr_power)
    numbers |= {
        "b2": check_rate("schedule_free_adamw", b2=b2),
        "eps": check_non_negative("schedule_free_adamw", eps=eps),
        "weight_decay": scheduled("schedule_free_adamw", weight_decay=weight_decay),
    }
    init = bind(_init, with_squares=Static(True), state_dtype=Static(state_dtype))
    return Optimizer(init, bind(_schedule_free_adamw_update, **numbers))


def _numbers(
    function: str, learning_rate: ScalarOrSchedule, warmup_steps: Scalar | None, b1: Scalar, weight_lr_power: Scalar
) -> dict[str, Any]:
    """The numbers that both share, checked, by name."""
    return {
        "learning_rate": scheduled(function, learning_rate=learning_rate),
        "warmup_steps": None if warmup_steps is None else check_positive(function, warmup_steps=warmup_steps),
        "b1": check_rate(function, b1=b1),
        "weight_lr_power": check_non_negative(function, weight_lr_power=weight_lr_power),
    }


def _init(params: Params, *, with_squares: bool, state_dtype: DTypeLike) -> ScheduleFreeState:
    def copied(p):  # the parameters themselves may be donated
        return jnp.array(p, state_dtype or promoted(jnp.result_type(p), "float32"))

    zero = jnp.zeros((), common_dtype(params))
    z, x = jax.tree.map(copied, params), jax.tree.map(copied, params)
    return ScheduleFreeState(first_count(), z, x, wide(params) if with_squares else None, zero, zero)


def _schedule_free_sgd_update(grads, state, params=None, *, weight_decay, **numbers):
    function, directions = "schedule_free_sgd.update", grads
    if weight_decay is not None:
        directions = with_decay(grads, params, function=function, count=state.count, weight_decay=weight_decay)
    return _step(function, directions, grads, state, params, **numbers)


def _schedule_free_adamw_update(grads, state, params=None, *, b2, eps, weight_decay, **numbers):
    function, count = "schedule_free_adamw.update", incremented(state.count)

    def rule(g, v):
        v = ema(b2, v, squared(g))
        return normalized(g, debiased(v, b2, count), eps, 0.0), v

    directions, nu = map_leaves(function, rule, grads, state.nu)
    directions = with_decay(directions, params, function=function, count=state.count, weight_decay=weight_decay)
    return _step(function, directions, grads, state._replace(nu=nu), params, **numbers)


def _step(function, directions, grads, state, params, *, learning_rate, warmup_steps, b1, weight_lr_power, **extra):
    """z, x and y after a step of z along -directions; as an update, the way of y."""
    require(params is not None, function, "params", "be given, as the average needs them", params)
    count = incremented(state.count)
    rate = _rate(learning_rate, warmup_steps, state.count)
    max_lr = jnp.maximum(state.max_lr, cast(_rate(learning_rate, warmup_steps, count), state.max_lr))
    weight = jnp.power(max_lr, cast(weight_lr_power, max_lr))
    weight_sum = state.weight_sum + weight
    share = weight / jnp.where(weight_sum == 0, 1, weight_sum)

    def rule(d, p, z, x):
        z = z - cast(rate, d) * d
        x = cast(1 - share, x) * x + cast(share, x) * z
        return ema(b1, x, z) - p, p, z, x

    updates, _, z, x = map_leaves(function, rule, directions, params, state.z, state.x)
    return like(updates, grads), ScheduleFreeState(count, z, x, state.nu, weight_sum, max_lr)


def _rate(learning_rate: ScalarOrSchedule, warmup_steps: Scalar | None, count: Array) -> Any:
    """The learning rate at a step, warm-up included."""
    rate = at(learning_rate, count)
    if warmup_steps is None:
        return rate
    done = count.astype(jnp.result_type(float))
    return rate * jnp.minimum(done * cast(1 / warmup_steps, done), 1)
