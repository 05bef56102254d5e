"""Adam and its family: adam, nadam, adamw, amsgrad, radam, adamax."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp.checks import check_non_negative, check_range, check_rate
from jaxmlp.optimizers.base import (
    Optimizer,
    Static,
    cast,
    debiased,
    descend,
    ema,
    first_count,
    map_leaves,
    mask_leaf,
    scheduled,
    squared,
    with_decay,
    zeros,
)


class AdamState(NamedTuple):
    """Steps done, and the running averages of gradients and of squared gradients (adamax: their running maximum)."""

    count: Any
    mu: Any
    nu: Any


def adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8, eps_root=0.0, mu_dtype=None, *, nesterov=False):
    """Adam: momentum, and a step size for each weight.

        m <- b1 * m + (1 - b1) * g                 m' = m / (1 - b1^t)
        v <- b2 * v + (1 - b2) * g^2               v' = v / (1 - b2^t)
        w <- w - eta * m' / (sqrt(v' + eps_root) + eps)

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      b1: decay of the mean gradient, in [0, 1).
      b2: decay of the mean square, in [0, 1).
      eps: outside the root, at least 0.
      eps_root: inside the root, at least 0; above 0 where one differentiates through the update.
      mu_dtype: of m; None: the parameters'.
      nesterov: Nesterov's look-ahead, that is `nadam`.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    >>> optimizer = adam(1e-3)
    >>> state = optimizer.init({"w": jnp.float32(1.0)})
    >>> updates, state = optimizer.update({"w": jnp.float32(5.0)}, state)
    >>> round(float(updates["w"]), 6)
    -0.001

    Source: Kingma & Ba 2015, algorithm 1. As optax and PyTorch; Keras has eps 1e-7.
    """
    numbers = _adam_numbers("adam", learning_rate, b1, b2, eps, eps_root)
    flags = Static(bool(nesterov))
    return Optimizer(Partial(_adam_init, Static(mu_dtype)), Partial(_adam_update, flags, *numbers))


def nadam(learning_rate, b1=0.9, b2=0.999, eps=1e-8, eps_root=0.0, mu_dtype=None):
    """Adam with Nesterov's look-ahead: m' = b1 * m / (1 - b1^(t+1)) + (1 - b1) * g / (1 - b1^t).

    Args:
      learning_rate, b1, b2, eps, eps_root, mu_dtype: as in `adam`.

    Returns:
      An `Optimizer`.

    >>> optimizer = nadam(1e-3)

    Source: Dozat 2016, algorithm 2, without its factor b2 in v', as in optax. PyTorch's also schedules b1.
    """
    return adam(learning_rate, b1, b2, eps, eps_root, mu_dtype, nesterov=True)


def adamw(
    learning_rate,
    b1=0.9,
    b2=0.999,
    eps=1e-8,
    eps_root=0.0,
    mu_dtype=None,
    weight_decay=1e-4,
    mask=None,
    *,
    nesterov=False,
):
    """Adam with decoupled weight decay: w <- w - eta * (adam's direction + lambda * w).

    Args:
      learning_rate, b1, b2, eps, eps_root, mu_dtype, nesterov: as in `adam`.
      weight_decay: lambda, at least 0, or a schedule; it is multiplied by the learning rate.
      mask: where to decay: a tree of bools, or a function from params to one; None: everywhere, biases too.

    Returns:
      An `Optimizer`; its update needs the params.

    >>> optimizer = adamw(1e-3, weight_decay=1e-2)

    Source: Loshchilov & Hutter 2019. As optax; PyTorch's default weight decay is 1e-2.
    """
    numbers = _adam_numbers("adamw", learning_rate, b1, b2, eps, eps_root)
    decay = (scheduled("adamw", "weight_decay", weight_decay), mask_leaf(mask))
    update = Partial(_adamw_update, Static(bool(nesterov)), *decay, *numbers)
    return Optimizer(Partial(_adam_init, Static(mu_dtype)), update)


def _adam_numbers(function, learning_rate, b1, b2, eps, eps_root):
    return (
        scheduled(function, "learning_rate", learning_rate),
        check_rate(function, "b1", b1),
        check_rate(function, "b2", b2),
        check_non_negative(function, "eps", eps),
        check_non_negative(function, "eps_root", eps_root),
    )


def _adam_init(mu_dtype, params):
    return AdamState(first_count(), zeros(params, mu_dtype.value), zeros(params))


def _adam_update(nesterov, learning_rate, b1, b2, eps, eps_root, grads, state, params=None):
    directions, new = _adam_directions("adam.update", nesterov, b1, b2, eps, eps_root, grads, state)
    return descend(learning_rate, state.count, directions), new


def _adamw_update(nesterov, weight_decay, mask, learning_rate, b1, b2, eps, eps_root, grads, state, params=None):
    directions, new = _adam_directions("adamw.update", nesterov, b1, b2, eps, eps_root, grads, state)
    directions = with_decay("adamw.update", weight_decay, mask, directions, params, state.count)
    return descend(learning_rate, state.count, directions), new


def _adam_directions(function, nesterov, b1, b2, eps, eps_root, grads, state):
    count = state.count + 1

    def rule(g, m, v):
        m, v = ema(b1, m, g), ema(b2, v, squared(g))
        mean = _mean(nesterov.value, b1, count, g, m)
        return _normalised(mean, debiased(v, b2, count), eps, eps_root), m, v

    directions, mu, nu = map_leaves(function, rule, grads, state.mu, state.nu)
    return directions, AdamState(count, mu, nu)


def _mean(nesterov, b1, count, g, m):
    if nesterov:
        return ema(b1, debiased(m, b1, count + 1), debiased(g, b1, count))
    return debiased(m, b1, count)


def _normalised(mean, square, eps, eps_root):
    return mean / (jnp.sqrt(square + cast(eps_root, square)) + cast(eps, square))


class AmsgradState(NamedTuple):
    """Steps done, the averages of gradients and of their squares, and the largest of the latter so far."""

    count: Any
    mu: Any
    nu: Any
    nu_max: Any


def amsgrad(
    learning_rate,
    b1=0.9,
    b2=0.999,
    eps=1e-8,
    eps_root=0.0,
    mu_dtype=None,
    bias_correction_mu=True,
    bias_correction_nu=True,
):
    """Adam whose step sizes never grow: v' = max(v', v / (1 - b2^t)).

    Args:
      learning_rate, b1, b2, eps, eps_root, mu_dtype: as in `adam`.
      bias_correction_mu, bias_correction_nu: flags; False for both is the paper's own form.

    Returns:
      An `Optimizer`.

    >>> optimizer = amsgrad(1e-3)

    Source: Reddi, Kale & Kumar 2018. As optax; PyTorch takes the maximum before the bias correction.
    """
    numbers = _adam_numbers("amsgrad", learning_rate, b1, b2, eps, eps_root)
    flags = Static((bool(bias_correction_mu), bool(bias_correction_nu)))
    return Optimizer(Partial(_amsgrad_init, Static(mu_dtype)), Partial(_amsgrad_update, flags, *numbers))


def _amsgrad_init(mu_dtype, params):
    return AmsgradState(first_count(), zeros(params, mu_dtype.value), zeros(params), zeros(params))


def _amsgrad_update(flags, learning_rate, b1, b2, eps, eps_root, grads, state, params=None):
    correct_mu, correct_nu = flags.value
    count = state.count + 1

    def rule(g, m, v, v_max):
        m, v = ema(b1, m, g), ema(b2, v, squared(g))
        mean = debiased(m, b1, count) if correct_mu else m
        v_max = jnp.maximum(v_max, debiased(v, b2, count) if correct_nu else v)
        return _normalised(mean, v_max, eps, eps_root), m, v, v_max

    directions, *moments = map_leaves("amsgrad.update", rule, grads, *state[1:])
    return descend(learning_rate, state.count, directions), AmsgradState(count, *moments)


def radam(learning_rate, b1=0.9, b2=0.999, eps=1e-8, eps_root=0.0, threshold=5.0, *, nesterov=False):
    """Adam that warms up by itself: adaptive only once the mean square can be trusted.

        rho_inf = 2 / (1 - b2) - 1,   rho_t = rho_inf - 2 * t * b2^t / (1 - b2^t)
        r = sqrt((rho_t - 4) (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t))
        w <- w - eta * r * m' / (sqrt(v' + eps_root) + eps)       where rho_t >= threshold
        w <- w - eta * m'                                         before

    Args:
      learning_rate, b1, b2, eps, eps_root, nesterov: as in `adam`.
      threshold: at least 4 (below, r is no number); in the paper 4, in optax and here 5.

    Returns:
      An `Optimizer`.

    >>> optimizer = radam(1e-3)

    Source: Liu et al. 2020, algorithm 2.
    """
    numbers = _adam_numbers("radam", learning_rate, b1, b2, eps, eps_root)
    threshold = check_range("radam", "threshold", threshold, 4.0, float("inf"), "be a finite number of at least 4")
    update = Partial(_radam_update, Static(bool(nesterov)), threshold, *numbers)
    return Optimizer(Partial(_adam_init, Static(None)), update)


def _radam_update(nesterov, threshold, learning_rate, b1, b2, eps, eps_root, grads, state, params=None):
    count = state.count + 1
    rho, rectification = _rectification(b2, count)

    def rule(g, m, v):
        m, v = ema(b1, m, g), ema(b2, v, squared(g))
        mean = _mean(nesterov.value, b1, count, g, m)
        adaptive = cast(rectification, mean) * _normalised(mean, debiased(v, b2, count), eps, eps_root)
        return jnp.where(rho >= threshold, adaptive, mean), m, v

    directions, mu, nu = map_leaves("radam.update", rule, grads, state.mu, state.nu)
    return descend(learning_rate, state.count, directions), AdamState(count, mu, nu)


def _rectification(b2, count):
    """rho_t and r, in float32 up."""
    dtype = jnp.result_type(b2, float)
    steps = count.astype(dtype)
    power = jax.lax.pow(jnp.asarray(b2, dtype), steps)
    rho_inf = jnp.asarray(2.0 / (1.0 - b2) - 1.0, dtype)
    rho = rho_inf - 2.0 * steps * power / (1.0 - power)
    ratio = (rho - 4.0) * (rho - 2.0) * rho_inf / ((rho_inf - 4.0) * (rho_inf - 2.0) * rho)
    return rho, jnp.sqrt(ratio)


def adamax(learning_rate, b1=0.9, b2=0.999, eps=1e-8):
    """Adam with the largest recent gradient in place of the root of the mean square.

        m <- b1 * m + (1 - b1) * g,   u <- max(b2 * u, |g| + eps)
        w <- w - eta * m / (1 - b1^t) / u

    Args:
      learning_rate, b1, b2: as in `adam`.
      eps: at least 0, added to |g|.

    Returns:
      An `Optimizer`.

    >>> optimizer = adamax(2e-3)

    Source: Kingma & Ba 2015, algorithm 2 (which has no eps).
    """
    numbers = (
        scheduled("adamax", "learning_rate", learning_rate),
        check_rate("adamax", "b1", b1),
        check_rate("adamax", "b2", b2),
        check_non_negative("adamax", "eps", eps),
    )
    return Optimizer(Partial(_adam_init, Static(None)), Partial(_adamax_update, *numbers))


def _adamax_update(learning_rate, b1, b2, eps, grads, state, params=None):
    count = state.count + 1

    def rule(g, m, u):
        m, u = ema(b1, m, g), jnp.maximum(jnp.abs(g) + cast(eps, u), cast(b2, u) * u)
        return debiased(m, b1, count) / u, m, u

    directions, mu, nu = map_leaves("adamax.update", rule, grads, state.mu, state.nu)
    return descend(learning_rate, state.count, directions), AdamState(count, mu, nu)
