"""Adam, and the two that change one term of it: nadam and adamw."""

from typing import Any, NamedTuple

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
    map_leaves,
    mask_leaf,
    root,
    scheduled,
    squared,
    wide,
    with_decay,
    zeros,
)
from jaxmlp.types import Array, DTypeLike, Mask, Params, PyTree, Scalar, ScalarOrSchedule


class AdamState(NamedTuple):
    """The state of Adam and most of its variants.

    Attributes:
      count: () int32, the number of steps done.
      mu: the running average of gradients, shaped like the parameters.
      nu: the running average of squared gradients (adamax: the decaying maximum of |g|), shaped like the parameters, in
        at least float32.
    """

    count: Array
    mu: PyTree
    nu: PyTree


def adam(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    mu_dtype: DTypeLike = None,
    *,
    nesterov: bool = False,
) -> Optimizer:
    """Adam: momentum, and a step size for each weight.

        m <- b1 * m + (1 - b1) * g                 m' = m / (1 - b1^t)
        v <- b2 * v + (1 - b2) * g^2               v' = v / (1 - b2^t)
        w <- w - eta * m' / (sqrt(v' + eps_root) + eps)

    The usual first choice: its first steps have the size of the learning rate whatever the scale of the gradient, so
    rates near 1e-3 work for most networks.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      b1: decay of the mean gradient, in [0, 1).
      b2: decay of the mean square, in [0, 1).
      eps: outside the root, at least 0.
      eps_root: inside the root, at least 0.
      mu_dtype: dtype of m; None for that of the parameters.
      nesterov: use Nesterov's look-ahead, which makes it `nadam`.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> import jax.numpy as jnp
      >>> params = jnp.array([1.0, -2.0])
      >>> optimizer = adam(0.1)
      >>> state = optimizer.init(params)
      >>> for _ in range(3):  # the gradient of sum(params^2) / 2 is params
      ...     updates, state = optimizer.update(params, state)
      ...     params = params + updates
      >>> [round(float(p), 3) for p in params]
      [0.702, -1.701]

    References:
      Kingma & Ba 2015, algorithm 1, https://arxiv.org/abs/1412.6980. As in optax and PyTorch. Keras: `eps=1e-7`,
      added to sqrt(v) instead of sqrt(v'), the paper's epsilon-hat.
    """
    numbers = adam_numbers("adam", learning_rate=learning_rate, b1=b1, b2=b2, eps=eps, eps_root=eps_root)
    init = bind(adam_init, mu_dtype=Static(mu_dtype))
    return Optimizer(init, bind(_adam_update, **numbers, nesterov=Static(bool(nesterov))))


def nadam(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    mu_dtype: DTypeLike = None,
) -> Optimizer:
    """Adam with Nesterov's look-ahead: m' = b1 * m / (1 - b1^(t+1)) + (1 - b1) * g / (1 - b1^t).

    Worth trying wherever Adam works; it often takes slightly fewer steps at the same learning rate.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      b1: decay of the mean gradient, in [0, 1).
      b2: decay of the mean square, in [0, 1).
      eps: outside the root, at least 0.
      eps_root: inside the root, at least 0.
      mu_dtype: dtype of m; None for that of the parameters.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> import jax.numpy as jnp
      >>> optimizer = nadam(0.1)
      >>> updates, state = optimizer.update(jnp.float32(4.0), optimizer.init(jnp.float32(1.0)))
      >>> round(float(updates), 4)  # a first step larger than Adam's 0.1
      -0.1474

    References:
      Dozat 2016, algorithm 2, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ, without its factor b2 in v', as in
      optax. PyTorch and Keras weigh m and g by other decays, b1 * (1 - 0.96^(psi t) / 2) with psi = 0.004 and 1, and
      correct by the product of all of them; there is no setting for that here.
    """
    return adam(learning_rate, b1, b2, eps, eps_root, mu_dtype, nesterov=True)


def adamw(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    mu_dtype: DTypeLike = None,
    weight_decay: ScalarOrSchedule = 1e-4,
    mask: Mask = None,
    *,
    nesterov: bool = False,
) -> Optimizer:
    """Adam with decoupled weight decay: w <- w - eta * (adam's direction + lambda * w).

    Use it where you would add an L2 penalty to Adam: here the decay is not divided by the root of the mean square, so
    all weights shrink at the same rate.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      b1: decay of the mean gradient, in [0, 1).
      b2: decay of the mean square, in [0, 1).
      eps: outside the root, at least 0.
      eps_root: inside the root, at least 0.
      mu_dtype: dtype of m; None for that of the parameters.
      weight_decay: lambda, at least 0, or a schedule; it is multiplied by the learning rate.
      mask: which weights decay: a tree of bools, or a function from params to one; None for all, biases included.
      nesterov: use Nesterov's look-ahead in Adam's direction.

    Returns:
      An `Optimizer`; its update needs the params.

    Raises:
      ValueError: for a concrete number out of range; in `update`, for missing params or a mask of another structure.

    Example:
      >>> import jax.numpy as jnp
      >>> optimizer = adamw(0.1, weight_decay=0.5)
      >>> params = jnp.float32(2.0)
      >>> updates, state = optimizer.update(jnp.float32(0.0), optimizer.init(params), params)
      >>> round(float(updates), 4)  # no gradient: the decay alone, 0.1 * 0.5 * 2
      -0.1

    References:
      Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101. As in optax; PyTorch's default weight decay is 1e-2.
    """
    numbers = adam_numbers("adamw", learning_rate=learning_rate, b1=b1, b2=b2, eps=eps, eps_root=eps_root)
    decay = {"weight_decay": scheduled("adamw", weight_decay=weight_decay), "mask": mask_leaf(mask)}
    init = bind(adam_init, mu_dtype=Static(mu_dtype))
    return Optimizer(init, bind(_adamw_update, **numbers, **decay, nesterov=Static(bool(nesterov))))


def adam_numbers(
    function: str, *, learning_rate: ScalarOrSchedule, b1: Scalar, b2: Scalar, eps: Scalar, eps_root: Scalar
) -> dict[str, Any]:
    """The numbers that Adam and its variants share, checked, by name."""
    return {
        "learning_rate": scheduled(function, learning_rate=learning_rate),
        "b1": check_rate(function, b1=b1),
        "b2": check_rate(function, b2=b2),
        "eps": check_non_negative(function, eps=eps),
        "eps_root": check_non_negative(function, eps_root=eps_root),
    }


def adam_init(params: Params, *, mu_dtype: DTypeLike) -> AdamState:
    """Two zero moments."""
    return AdamState(first_count(), zeros(params, mu_dtype), wide(params))


def _adam_update(grads, state, params=None, *, learning_rate, b1, b2, eps, eps_root, nesterov, **extra):
    directions, new = _adam_directions(
        grads, state, function="adam.update", b1=b1, b2=b2, eps=eps, eps_root=eps_root, nesterov=nesterov
    )
    return descend(learning_rate, state.count, directions, grads), new


def _adamw_update(
    grads, state, params=None, *, learning_rate, b1, b2, eps, eps_root, nesterov, weight_decay, mask, **extra
):
    directions, new = _adam_directions(
        grads, state, function="adamw.update", b1=b1, b2=b2, eps=eps, eps_root=eps_root, nesterov=nesterov
    )
    directions = with_decay(
        directions, params, function="adamw.update", count=state.count, weight_decay=weight_decay, mask=mask
    )
    return descend(learning_rate, state.count, directions, grads), new


def _adam_directions(grads, state, *, function, b1, b2, eps, eps_root, nesterov):
    count = incremented(state.count)

    def rule(g, m, v):
        m, v = ema(b1, m, g), ema(b2, v, squared(g))
        mean = mean_gradient(g, m, b1, count, nesterov)
        return normalized(mean, debiased(v, b2, count), eps, eps_root), m, v

    directions, mu, nu = map_leaves(function, rule, grads, state.mu, state.nu)
    return directions, AdamState(count, mu, nu)


def mean_gradient(g: Array, m: Array, b1: Scalar, count: Array, nesterov: bool) -> Array:
    """m', the bias-corrected mean gradient, looked ahead by one step if `nesterov`."""
    if nesterov:
        return ema(b1, debiased(m, b1, incremented(count)), debiased(g, b1, count))
    return debiased(m, b1, count)


def normalized(mean: Array, square: Array, eps: Scalar, eps_root: Scalar) -> Array:
    """mean / (sqrt(square + eps_root) + eps)."""
    return mean / (root(square + cast(eps_root, square)) + cast(eps, square))
