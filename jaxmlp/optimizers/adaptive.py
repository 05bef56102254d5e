"""A step size for each weight, before Adam: adagrad, rmsprop, adadelta."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp.checks import check_non_negative, check_rate
from jaxmlp.optimizers.base import (
    Optimizer,
    Static,
    cast,
    debiased,
    descend,
    ema,
    filled,
    first_count,
    map_leaves,
    mask_leaf,
    scheduled,
    squared,
    with_decay,
    zeros,
)


class AdagradState(NamedTuple):
    """Steps done, and the sum of squared gradients."""

    count: Any
    sum_of_squares: Any


def adagrad(learning_rate, initial_accumulator_value=0.1, eps=1e-7):
    """Steps divided by the root of all squared gradients so far: rare features keep large ones.

        s <- s + g^2,   w <- w - eta * g / sqrt(s + eps)

    Args:
      learning_rate: eta, at least 0, or a schedule.
      initial_accumulator_value: where s starts, at least 0.
      eps: at least 0, inside the root. While s is 0 the step is 0.

    Returns:
      An `Optimizer`.

    >>> optimizer = adagrad(0.1)

    Source: Duchi, Hazan & Singer 2011. Optax's convention; PyTorch starts s at 0 and has eps outside the root.
    """
    learning_rate = scheduled("adagrad", "learning_rate", learning_rate)
    start = check_non_negative("adagrad", "initial_accumulator_value", initial_accumulator_value)
    eps = check_non_negative("adagrad", "eps", eps)
    return Optimizer(Partial(_adagrad_init, start), Partial(_adagrad_update, learning_rate, eps))


def _adagrad_init(start, params):
    return AdagradState(first_count(), filled(params, start))


def _adagrad_update(learning_rate, eps, grads, state, params=None):
    def rule(g, s):
        s = s + squared(g)
        return jnp.where(s > 0, jax.lax.rsqrt(s + cast(eps, s)), jnp.zeros_like(s)) * g, s

    directions, sums = map_leaves("adagrad.update", rule, grads, state.sum_of_squares)
    return descend(learning_rate, state.count, directions), AdagradState(state.count + 1, sums)


class RmspropState(NamedTuple):
    """Steps done, the averages of gradients (if centered) and of their squares, and the trace (if momentum)."""

    count: Any
    mu: Any
    nu: Any
    trace: Any


def rmsprop(
    learning_rate,
    decay=0.9,
    eps=1e-8,
    initial_scale=0.0,
    eps_in_sqrt=True,
    centered=False,
    momentum=None,
    nesterov=False,
    bias_correction=False,
):
    """Steps divided by the root of a running average of squared gradients.

        v <- decay * v + (1 - decay) * g^2
        m <- decay * m + (1 - decay) * g          with centered: v - m^2 in place of v
        w <- w - eta * g / sqrt(v + eps)          or g / (sqrt(v) + eps) without eps_in_sqrt

    Args:
      learning_rate: eta, at least 0, or a schedule.
      decay: in [0, 1).
      eps: at least 0.
      initial_scale: where v starts, at least 0.
      eps_in_sqrt, centered, nesterov, bias_correction: flags.
      momentum: in [0, 1), a trace over the steps, the learning rate included; None: no trace.

    Returns:
      An `Optimizer`.

    >>> optimizer = rmsprop(1e-3, centered=True, momentum=0.9)

    Source: Tieleman & Hinton 2012; centered: Graves 2013. Optax's convention; PyTorch has decay 0.99 and eps outside.
    """
    flags = Static((bool(eps_in_sqrt), bool(centered), bool(nesterov), bool(bias_correction)))
    numbers = (
        scheduled("rmsprop", "learning_rate", learning_rate),
        check_rate("rmsprop", "decay", decay),
        check_non_negative("rmsprop", "eps", eps),
        None if momentum is None else check_rate("rmsprop", "momentum", momentum),
    )
    start = check_non_negative("rmsprop", "initial_scale", initial_scale)
    has_trace = Static(momentum is not None)
    return Optimizer(Partial(_rmsprop_init, flags, has_trace, start), Partial(_rmsprop_update, flags, *numbers))


def _rmsprop_init(flags, has_trace, start, params):
    _, centered, _, _ = flags.value
    mu = zeros(params) if centered else None
    trace = zeros(params) if has_trace.value else None
    return RmspropState(first_count(), mu, filled(params, start), trace)


def _rmsprop_update(flags, learning_rate, decay, eps, momentum, grads, state, params=None):
    eps_in_sqrt, centered, nesterov, bias_correction = flags.value
    count = state.count + 1

    def corrected(moment):
        return debiased(moment, decay, count) if bias_correction else moment

    def rule(g, v, m=None):
        v = ema(decay, v, squared(g))
        spread = corrected(v)
        if m is not None:
            m = ema(decay, m, g)
            spread = jnp.maximum(spread - squared(corrected(m)), 0)  # rounding can take a variance below 0
        floor = cast(eps, spread)
        scale = jax.lax.rsqrt(spread + floor) if eps_in_sqrt else 1 / (jnp.sqrt(spread) + floor)
        return (scale * g, v) if m is None else (scale * g, v, m)

    moments = (state.nu, state.mu) if centered else (state.nu,)
    directions, nu, *rest = map_leaves("rmsprop.update", rule, grads, *moments)
    steps = descend(learning_rate, state.count, directions)
    trace = state.trace
    if momentum is not None:
        steps, trace = _traced(momentum, nesterov, steps, trace)
    return steps, RmspropState(count, rest[0] if centered else None, nu, trace)


def _traced(momentum, nesterov, steps, trace):
    def rule(u, t):
        t = u + cast(momentum, u) * t
        return (u + cast(momentum, u) * t if nesterov else t), t

    return map_leaves("rmsprop.update", rule, steps, trace)


class AdadeltaState(NamedTuple):
    """Steps done, and the running averages of squared gradients and of squared steps."""

    count: Any
    e_g: Any
    e_x: Any


def adadelta(learning_rate=1.0, rho=0.9, eps=1e-6, weight_decay=0.0, weight_decay_mask=None):
    """Steps in the units of the weights: the root of past squared steps over that of past squared gradients.

        G <- rho * G + (1 - rho) * g^2
        d  = sqrt(X + eps) / sqrt(G + eps) * g
        X <- rho * X + (1 - rho) * d^2,   w <- w - eta * d

    Args:
      learning_rate: eta, at least 0, or a schedule; the paper has none, hence 1.
      rho: in [0, 1).
      eps: at least 0; it sets the size of the first steps.
      weight_decay: at least 0, or a schedule; added to the gradient, before the averages.
      weight_decay_mask: None, a tree of bools, or a function from params to one: where to decay.

    Returns:
      An `Optimizer`.

    >>> optimizer = adadelta(1.0)

    Source: Zeiler 2012. In optax a learning rate of None, its default, also leaves out the minus sign: here it is 1.
    """
    learning_rate = 1.0 if learning_rate is None else learning_rate
    numbers = (
        scheduled("adadelta", "learning_rate", learning_rate),
        check_rate("adadelta", "rho", rho),
        check_non_negative("adadelta", "eps", eps),
        scheduled("adadelta", "weight_decay", weight_decay),
        mask_leaf(weight_decay_mask),
    )
    return Optimizer(Partial(_adadelta_init), Partial(_adadelta_update, *numbers))


def _adadelta_init(params):
    return AdadeltaState(first_count(), zeros(params), zeros(params))


def _adadelta_update(learning_rate, rho, eps, weight_decay, mask, grads, state, params=None):
    grads = with_decay("adadelta.update", weight_decay, mask, grads, params, state.count)

    def rule(g, e_g, e_x):
        e_g = ema(rho, e_g, squared(g))
        direction = jnp.sqrt(e_x + cast(eps, e_x)) / jnp.sqrt(e_g + cast(eps, e_g)) * g
        return direction, e_g, ema(rho, e_x, squared(direction))

    directions, e_g, e_x = map_leaves("adadelta.update", rule, grads, state.e_g, state.e_x)
    return descend(learning_rate, state.count, directions), AdadeltaState(state.count + 1, e_g, e_x)
