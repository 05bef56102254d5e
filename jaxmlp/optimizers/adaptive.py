"""A step size for each weight, before Adam: adagrad, rmsprop, adadelta."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_non_negative, check_rate
from jaxmlp.leaves import Static, bind
from jaxmlp.optimizers.base import (
    Optimizer,
    cast,
    debiased,
    descend,
    ema,
    first_count,
    incremented,
    like,
    map_leaves,
    mask_leaf,
    root,
    scheduled,
    squared,
    wide,
    widened,
    with_decay,
    zeros,
)
from jaxmlp.types import Array, Mask, Params, PyTree, Scalar, ScalarOrSchedule


class AdagradState(NamedTuple):
    """The state of `adagrad`.

    Attributes:
      count: () int32, the number of steps done.
      sum_of_squares: the sum of all squared gradients, shaped like the parameters.
    """

    count: Array
    sum_of_squares: PyTree


def adagrad(learning_rate: ScalarOrSchedule, initial_accumulator_value: Scalar = 0.1, eps: Scalar = 1e-7) -> Optimizer:
    """Steps divided by the root of the sum of all squared gradients so far.

        s <- s + g^2,   w <- w - eta * g / sqrt(s + eps)

    For sparse features: weights whose gradients are rare keep large steps. Steps only ever shrink, so long runs stall.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      initial_accumulator_value: initial value of s, at least 0.
      eps: at least 0, inside the root. While s is 0 the step is 0.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> optimizer = adagrad(1.0, initial_accumulator_value=0.0)
      >>> state = optimizer.init(jnp.float32(0.0))
      >>> for _ in range(4):  # a constant gradient: steps fall as 1 / sqrt(t)
      ...     updates, state = optimizer.update(jnp.float32(3.0), state)
      >>> round(float(updates), 4)
      -0.5

    References:
      Duchi, Hazan & Singer 2011, https://jmlr.org/papers/v12/duchi11a.html. As in optax and Keras. PyTorch, but for its
      eps of 1e-10 outside the root: `initial_accumulator_value=0.0, eps=0.0`.
    """
    init = bind(_adagrad_init, value=check_non_negative("adagrad", initial_accumulator_value=initial_accumulator_value))
    numbers = {
        "learning_rate": scheduled("adagrad", learning_rate=learning_rate),
        "eps": check_non_negative("adagrad", eps=eps),
    }
    return Optimizer(init, bind(_adagrad_update, **numbers))


def _adagrad_init(params: Params, *, value: Scalar) -> AdagradState:
    return AdagradState(first_count(), wide(params, value))


def _adagrad_update(grads, state, params=None, *, learning_rate, eps, **extra):
    def rule(g, s):
        s = s + squared(g)
        scale = jax.lax.rsqrt(jnp.where(s > 0, s + cast(eps, s), jnp.ones_like(s)))
        return jnp.where(s > 0, scale, jnp.zeros_like(s)) * g, s

    directions, sums = map_leaves("adagrad.update", rule, grads, state.sum_of_squares)
    return descend(learning_rate, state.count, directions, grads), AdagradState(incremented(state.count), sums)


class RmspropState(NamedTuple):
    """The state of `rmsprop`.

    Attributes:
      count: () int32, the number of steps done.
      mu: the running average of gradients, shaped like the parameters; None unless centered.
      nu: the running average of squared gradients, shaped like the parameters.
      trace: the decaying sum of past steps, shaped like the parameters; None without momentum.
    """

    count: Array
    mu: PyTree
    nu: PyTree
    trace: PyTree


def rmsprop(
    learning_rate: ScalarOrSchedule,
    decay: Scalar = 0.9,
    eps: Scalar = 1e-8,
    initial_scale: Scalar = 0.0,
    eps_in_sqrt: bool = True,
    centered: bool = False,
    momentum: Scalar | None = None,
    nesterov: bool = False,
    bias_correction: bool = False,
) -> Optimizer:
    """Steps divided by the root of a running average of squared gradients.

        v <- decay * v + (1 - decay) * g^2
        m <- decay * m + (1 - decay) * g          centered: v - m^2 in place of v
        w <- w - eta * g / sqrt(v + eps)          g / (sqrt(v) + eps) without eps_in_sqrt

    AdaGrad that forgets, for non-stationary problems and long runs.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      decay: in [0, 1).
      eps: at least 0.
      initial_scale: initial value of v, at least 0.
      eps_in_sqrt: add eps inside the root instead of outside.
      centered: divide by the running standard deviation instead of the root mean square.
      momentum: in [0, 1), of a trace over the steps, the learning rate included; None for no trace.
      nesterov: use the look-ahead in that trace.
      bias_correction: divide averages by 1 - decay^t.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> optimizer = rmsprop(0.1, decay=0.5)
      >>> state = optimizer.init(jnp.float32(0.0))
      >>> for _ in range(4):  # a constant gradient: steps approach the learning rate
      ...     updates, state = optimizer.update(jnp.float32(3.0), state)
      >>> round(float(updates), 4)
      -0.1033

    References:
      Tieleman & Hinton 2012, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf; centered:
      Graves 2013, https://arxiv.org/abs/1308.0850. As in optax. PyTorch: `decay=0.99, eps_in_sqrt=False`. TensorFlow 1:
      `eps=1e-10, initial_scale=1.0`. Keras: `eps=1e-7`.
    """
    flags = {"eps_in_sqrt": eps_in_sqrt, "nesterov": nesterov, "bias_correction": bias_correction}
    numbers = {
        "learning_rate": scheduled("rmsprop", learning_rate=learning_rate),
        "decay": check_rate("rmsprop", decay=decay),
        "eps": check_non_negative("rmsprop", eps=eps),
        "momentum": None if momentum is None else check_rate("rmsprop", momentum=momentum),
    }
    init = bind(
        _rmsprop_init,
        initial_scale=check_non_negative("rmsprop", initial_scale=initial_scale),
        centered=Static(bool(centered)),
        has_trace=Static(momentum is not None),
    )
    return Optimizer(init, bind(_rmsprop_update, **numbers, **{name: Static(bool(flags[name])) for name in flags}))


def _rmsprop_init(params: Params, *, initial_scale: Scalar, centered: bool, has_trace: bool) -> RmspropState:
    # A variance is the difference of two averages, so neither may be rounded to less than float32.
    mu = widened(zeros(params)) if centered else None
    trace = zeros(params) if has_trace else None
    return RmspropState(first_count(), mu, wide(params, initial_scale), trace)


def _rmsprop_update(
    grads, state, params=None, *, learning_rate, decay, eps, momentum, eps_in_sqrt, nesterov, bias_correction, **extra
):
    count = incremented(state.count)

    def corrected(moment):
        return debiased(moment, decay, count) if bias_correction else moment

    def rule(g, v, m=None):
        v = ema(decay, v, squared(g))
        spread = corrected(v)
        if m is not None:
            m = ema(decay, m, g)
            spread = jnp.maximum(spread - squared(corrected(m)), 0)  # rounding can take a variance below 0
        floor = cast(eps, spread)
        scale = jax.lax.rsqrt(spread + floor) if eps_in_sqrt else 1 / (root(spread) + floor)
        return (scale * g, v) if m is None else (scale * g, v, m)

    moments = (state.nu,) if state.mu is None else (state.nu, state.mu)
    directions, nu, *mu = map_leaves("rmsprop.update", rule, grads, *moments)
    steps, trace = descend(learning_rate, state.count, directions, grads), state.trace
    if momentum is not None:
        steps, trace = _traced(steps, trace, momentum, nesterov)
    return steps, RmspropState(count, mu[0] if mu else None, nu, trace)


def _traced(steps, trace, momentum, nesterov):
    def rule(u, t):
        t = u + cast(momentum, u) * t
        return (u + cast(momentum, u) * t if nesterov else t), t

    directions, trace = map_leaves("rmsprop.update", rule, steps, trace)
    return like(directions, steps), trace


class AdadeltaState(NamedTuple):
    """The state of `adadelta`.

    Attributes:
      count: () int32, the number of steps done.
      e_g: the running average of squared gradients, shaped like the parameters.
      e_x: the running average of squared steps, shaped like the parameters.
    """

    count: Array
    e_g: PyTree
    e_x: PyTree


def adadelta(
    learning_rate: ScalarOrSchedule | None = 1.0,
    rho: Scalar = 0.9,
    eps: Scalar = 1e-6,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_decay_mask: Mask = None,
) -> Optimizer:
    """Steps in the units of the weights: the root of past squared steps over that of past squared gradients.

        G <- rho * G + (1 - rho) * g^2
        d  = sqrt(X + eps) / sqrt(G + eps) * g
        X <- rho * X + (1 - rho) * d^2,   w <- w - eta * d

    Needs no learning rate in principle; in practice its first steps are tiny and a rate above 1 helps.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`; the paper has none, hence 1. None also means 1.
      rho: decay of both averages, in [0, 1).
      eps: at least 0; it sets the size of the first steps.
      weight_decay: at least 0, or a schedule; added to the gradient, before the averages.
      weight_decay_mask: which weights decay: a tree of bools, or a function from params to one; None for all.

    Returns:
      An `Optimizer`; with weight decay its update needs the params.

    Raises:
      ValueError: for a concrete number out of range; in `update`, for missing params or a mask of another structure.

    Example:
      >>> optimizer = adadelta(1.0)
      >>> state = optimizer.init(jnp.float32(0.0))
      >>> for _ in range(3):  # steps start near sqrt(eps / (1 - rho)) and grow
      ...     updates, state = optimizer.update(jnp.float32(3.0), state)
      ...     print(f"{float(updates):.5f}")
      -0.00316
      -0.00324
      -0.00330

    References:
      Zeiler 2012, https://arxiv.org/abs/1212.5701. As in PyTorch; Keras: `learning_rate=1e-3, rho=0.95, eps=1e-7`. In
      optax a learning rate of None, its default, also leaves out the minus sign.
    """
    numbers = {
        "learning_rate": scheduled("adadelta", learning_rate=1.0 if learning_rate is None else learning_rate),
        "rho": check_rate("adadelta", rho=rho),
        "eps": check_non_negative("adadelta", eps=eps),
        "weight_decay": scheduled("adadelta", weight_decay=weight_decay),
        "mask": mask_leaf(weight_decay_mask),
    }
    return Optimizer(bind(_adadelta_init), bind(_adadelta_update, **numbers))


def _adadelta_init(params: Params) -> AdadeltaState:
    return AdadeltaState(first_count(), wide(params), wide(params))


def _adadelta_update(grads, state, params=None, *, learning_rate, rho, eps, weight_decay, mask, **extra):
    decayed = with_decay(
        grads, params, function="adadelta.update", count=state.count, weight_decay=weight_decay, mask=mask
    )

    def rule(g, e_g, e_x):
        e_g = ema(rho, e_g, squared(g))
        direction = root(e_x + cast(eps, e_x)) / root(e_g + cast(eps, e_g)) * g
        return direction, e_g, ema(rho, e_x, squared(direction))

    directions, e_g, e_x = map_leaves("adadelta.update", rule, decayed, state.e_g, state.e_x)
    return descend(learning_rate, state.count, directions, grads), AdadeltaState(incremented(state.count), e_g, e_x)
