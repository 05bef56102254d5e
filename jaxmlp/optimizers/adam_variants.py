"""Adam with another second moment: amsgrad, radam, adamax."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_non_negative, check_range, check_rate
from jaxmlp.leaves import Static, bind
from jaxmlp.optimizers.adam_family import AdamState, adam_init, adam_numbers, mean_gradient, normalized
from jaxmlp.optimizers.base import (
    Optimizer,
    cast,
    complement,
    debiased,
    descend,
    ema,
    first_count,
    incremented,
    map_leaves,
    rest_of,
    root,
    scheduled,
    squared,
    wide,
    zeros,
)
from jaxmlp.types import Array, DTypeLike, Params, PyTree, Scalar, ScalarOrSchedule


class AmsgradState(NamedTuple):
    """The state of `amsgrad`.

    Attributes:
      count: () int32, the number of steps done.
      mu: the running average of gradients, shaped like the parameters.
      nu: the running average of squared gradients, shaped like the parameters.
      nu_max: the largest `nu` so far, bias-corrected unless the maximum comes first, shaped like the parameters.
    """

    count: Array
    mu: PyTree
    nu: PyTree
    nu_max: PyTree


def amsgrad(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    mu_dtype: DTypeLike = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
    *,
    maximum_first: bool = False,
) -> Optimizer:
    """Adam whose step sizes never grow: v' = max(v', v / (1 - b2^t)).

    For problems where rare large gradients matter: Adam forgets them, and may then diverge.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      b1: decay of the mean gradient, in [0, 1).
      b2: decay of the mean square, in [0, 1).
      eps: outside the root, at least 0.
      eps_root: inside the root, at least 0.
      mu_dtype: dtype of m; None for that of the parameters.
      bias_correction_mu: divide m by 1 - b1^t.
      bias_correction_nu: divide v by 1 - b2^t; False for both flags is the paper's own form.
      maximum_first: take the maximum of v itself and divide that by 1 - b2^t, as PyTorch and Keras do; step sizes then
        grow while the correction fades.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> optimizer = amsgrad(0.1, b2=0.5)
      >>> state = optimizer.init(jnp.float32(0.0))
      >>> for gradient in (10.0, 1.0, 1.0):  # the large gradient keeps later steps small
      ...     updates, state = optimizer.update(jnp.float32(gradient), state)
      >>> round(float(updates), 4)
      -0.0369

    References:
      Reddi, Kale & Kumar 2018, https://arxiv.org/abs/1904.09237. As in optax.
    """
    numbers = adam_numbers("amsgrad", learning_rate=learning_rate, b1=b1, b2=b2, eps=eps, eps_root=eps_root)
    flags = {"correct_mu": bias_correction_mu, "correct_nu": bias_correction_nu, "maximum_first": maximum_first}
    fixed = {name: Static(bool(flag)) for name, flag in flags.items()}
    return Optimizer(bind(_amsgrad_init, mu_dtype=Static(mu_dtype)), bind(_amsgrad_update, **numbers, **fixed))


def _amsgrad_init(params: Params, *, mu_dtype: DTypeLike) -> AmsgradState:
    return AmsgradState(first_count(), zeros(params, mu_dtype), wide(params), wide(params))


def _amsgrad_update(
    grads, state, params=None, *, learning_rate, b1, b2, eps, eps_root, correct_mu, correct_nu, maximum_first, **extra
):
    count = incremented(state.count)

    def corrected(v):
        return debiased(v, b2, count) if correct_nu else v

    def rule(g, m, v, v_max):
        m, v = ema(b1, m, g), ema(b2, v, squared(g))
        mean = debiased(m, b1, count) if correct_mu else m
        v_max = jnp.maximum(v_max, v if maximum_first else corrected(v))
        return normalized(mean, corrected(v_max) if maximum_first else v_max, eps, eps_root), m, v, v_max

    directions, *moments = map_leaves("amsgrad.update", rule, grads, state.mu, state.nu, state.nu_max)
    return descend(learning_rate, state.count, directions, grads), AmsgradState(count, *moments)


def radam(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    threshold: Scalar = 5.0,
    *,
    nesterov: bool = False,
) -> Optimizer:
    """Adam that warms up by itself: adaptive only once the mean square can be trusted.

        rho_inf = 2 / (1 - b2) - 1,   rho_t = rho_inf - 2 * t * b2^t / (1 - b2^t)
        r = sqrt((rho_t - 4) (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t))
        w <- w - eta * r * m' / (sqrt(v' + eps_root) + eps)       if rho_t >= threshold
        w <- w - eta * m'                                         otherwise

    For when Adam needs a warm-up and you would rather not tune its length.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      b1: decay of the mean gradient, in [0, 1).
      b2: decay of the mean square, in [0, 1).
      eps: outside the root, at least 0.
      eps_root: inside the root, at least 0.
      threshold: at least 4 (below it r is undefined); 4 in the paper, 5 in optax and here.
      nesterov: use Nesterov's look-ahead in m'.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> optimizer = radam(0.1)
      >>> state = optimizer.init(jnp.float32(0.0))
      >>> for _ in range(3):  # too early to divide by the root of v: plain momentum
      ...     updates, state = optimizer.update(jnp.float32(4.0), state)
      >>> round(float(updates), 4)
      -0.4

    References:
      Liu et al. 2020, algorithm 2, https://arxiv.org/abs/1908.03265: `threshold=4.0, eps=0.0`. As in optax. PyTorch
      adds eps to sqrt(v) instead of sqrt(v'), which is eps / sqrt(1 - b2^t) here: no difference while eps is small.
    """
    numbers = adam_numbers("radam", learning_rate=learning_rate, b1=b1, b2=b2, eps=eps, eps_root=eps_root)
    rule = "be a finite number of at least 4"
    numbers["threshold"] = check_range("radam", 4.0, float("inf"), rule, threshold=threshold)
    return Optimizer(
        bind(adam_init, mu_dtype=Static(None)), bind(_radam_update, **numbers, nesterov=Static(bool(nesterov)))
    )


def _radam_update(grads, state, params=None, *, learning_rate, b1, b2, eps, eps_root, threshold, nesterov, **extra):
    count = incremented(state.count)
    rho, rectification = _rectification(b2, count, threshold)

    def rule(g, m, v):
        m, v = ema(b1, m, g), ema(b2, v, squared(g))
        mean = mean_gradient(g, m, b1, count, nesterov)
        adaptive = cast(rectification, mean) * normalized(mean, debiased(v, b2, count), eps, eps_root)
        return jnp.where(rho >= threshold, adaptive, mean), m, v

    directions, mu, nu = map_leaves("radam.update", rule, grads, state.mu, state.nu)
    return descend(learning_rate, state.count, directions, grads), AdamState(count, mu, nu)


def _rectification(b2: Scalar, count: Array, threshold: Scalar) -> tuple[Array, Array]:
    """rho_t and r, in at least float32; r is 1 unless it is used."""
    dtype = jnp.result_type(b2, float)
    steps = count.astype(dtype)
    power = jax.lax.pow(jnp.asarray(b2, dtype), steps)
    rho_inf = jnp.asarray(2.0 / rest_of(b2) - 1.0, dtype)
    near_1, rest = complement(b2)
    rho = jnp.where(near_1, _rho_near_1(rest, steps), rho_inf - 2.0 * steps * power / (1.0 - power))
    is_used = rho >= threshold
    scale = jnp.where(is_used, (rho_inf - 4.0) * (rho_inf - 2.0) * rho, 1.0)
    ratio = jnp.where(is_used, (rho - 4.0) * (rho - 2.0) * rho_inf, 1.0) / scale
    return rho, root(ratio)


def _rho_near_1(rest: Array, steps: Array) -> Array:
    """rho_t for a small rest = 1 - b2: the difference of two numbers near 2 / rest cancels, its series does not."""
    rate = -jnp.log1p(-rest)
    s = steps * rate  # b2^t = exp(-s)
    late = 2.0 / rest - 1.0 - 2.0 * steps * jnp.exp(-s) / -jnp.expm1(-s)
    s = jnp.minimum(s, 1.0)
    offset = rest / 6.0 + rest**2 / 12.0 + 19.0 * rest**3 / 360.0 + 3.0 * rest**4 / 80.0
    early = steps * (1.0 - s / 6.0 + s**3 / 360.0 - s**5 / 15120.0 + s**7 / 604800.0) + offset
    return jnp.where(steps * rate < 1.0, early, late)


def adamax(learning_rate: ScalarOrSchedule, b1: Scalar = 0.9, b2: Scalar = 0.999, eps: Scalar = 1e-8) -> Optimizer:
    """Adam with the largest recent gradient in place of the root of the mean square.

        m <- b1 * m + (1 - b1) * g,   u <- max(b2 * u, |g| + eps)
        w <- w - eta * m / (1 - b1^t) / u

    For sparse or heavy-tailed gradients: one large gradient bounds the steps until it has decayed.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      b1: decay of the mean gradient, in [0, 1).
      b2: decay of the maximum, in [0, 1).
      eps: at least 0, added to |g|.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> optimizer = adamax(0.1)
      >>> state = optimizer.init(jnp.float32(0.0))
      >>> for gradient in (8.0, 1.0):
      ...     updates, state = optimizer.update(jnp.float32(gradient), state)
      >>> round(float(updates), 4)
      -0.054

    References:
      Kingma & Ba 2015, algorithm 2 (`eps=0.0`), https://arxiv.org/abs/1412.6980. As in optax and PyTorch; Keras adds
      eps to u.
    """
    numbers = {
        "learning_rate": scheduled("adamax", learning_rate=learning_rate),
        "b1": check_rate("adamax", b1=b1),
        "b2": check_rate("adamax", b2=b2),
        "eps": check_non_negative("adamax", eps=eps),
    }
    return Optimizer(bind(adam_init, mu_dtype=Static(None)), bind(_adamax_update, **numbers))


def _adamax_update(grads, state, params=None, *, learning_rate, b1, b2, eps, **extra):
    count = incremented(state.count)

    def rule(g, m, u):
        m, u = ema(b1, m, g), jnp.maximum(jnp.abs(g) + cast(eps, u), cast(b2, u) * u)
        return debiased(m, b1, count) / u, m, u

    directions, mu, nu = map_leaves("adamax.update", rule, grads, state.mu, state.nu)
    return descend(learning_rate, state.count, directions, grads), AdamState(count, mu, nu)
