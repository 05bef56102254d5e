"""Shampoo: a preconditioner for every axis of a parameter."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxmlp.checks import check_choice, check_count, check_non_negative, check_range, check_rate, is_concrete, require
from jaxmlp.leaves import Static, bind
from jaxmlp.numerics import promoted
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
from jaxmlp.types import Array, Mask, Params, PyTree, Scalar, ScalarOrSchedule

GRAFTINGS = ("none", "sgd", "adagrad")


class ShampooState(NamedTuple):
    """The state of `shampoo`.

    Attributes:
      count: () int32, the number of steps done.
      mu: the running average of gradients, shaped like the parameters.
      statistics: for every axis of a parameter, of length n, an (n, n) matrix L, or its diagonal (n,); in at least
        float32.
      roots: for every matrix of `statistics` its inverse root, and None for every diagonal.
      nu: sums of squared gradients, shaped like the parameters, for "adagrad" grafting; otherwise None for each.
    """

    count: Array
    mu: PyTree
    statistics: PyTree
    roots: PyTree
    nu: PyTree


def shampoo(
    learning_rate: ScalarOrSchedule,
    momentum: Scalar = 0.0,
    b2: Scalar = 1.0,
    eps: Scalar = 1e-4,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask = None,
    precondition_frequency: Scalar = 1,
    max_precond_dim: int = 10000,
    *,
    precondition_1d: bool = False,
    grafting: str = "none",
) -> Optimizer:
    """Shampoo: full-matrix AdaGrad with a Kronecker product as its matrix.

        L <- L + g g^T                             R <- R + g^T g
        m <- momentum * m + (1 - momentum) * g
        w <- w - eta * ((L + eps)^(-1/4) m (R + eps)^(-1/4) + lambda * w)

    For weight matrices whose gradients are correlated, where Adam sees the elements alone. An array of k axes has k
    matrices and the exponent -1/(2k); vectors take the diagonal alone, which is AdaGrad. The roots need an
    eigendecomposition of each matrix, so raise `precondition_frequency` to 10 or 100 for layers of some hundred units.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`.
      momentum: decay of the mean gradient, in [0, 1); the authors used 0.9.
      b2: decay of the statistics, in (0, 1]. 1 sums them up; below, they are bias-corrected averages, as in Adam.
      eps: added to every eigenvalue, at least 0; above 0 unless all gradients have full rank.
      weight_decay: lambda, at least 0, or a schedule; multiplied by the learning rate.
      mask: which weights decay: a tree of bools, or a function from params to one; None for all.
      precondition_frequency: steps between two computations of the roots, a whole number of at least 1; may be traced.
        Under `jax.vmap` the roots are computed in every step, and dropped in most.
      max_precond_dim: axes longer than this have a diagonal instead of a matrix; a fixed number.
      precondition_1d: give vectors a matrix too.
      grafting: where each parameter's step takes its length: "none" for its own; "sgd" for that of m; "adagrad" for
        that of m / sqrt(sum of g^2 + eps), which is RMSProp's for b2 below 1.

    Returns:
      An `Optimizer`; with weight decay its update needs the params.

    Raises:
      ValueError: for a concrete number out of range; in `update`, for missing params or a mask of another structure.

    Example:
      >>> grads = jnp.array([[3.0, 0.0], [0.0, -0.1]])
      >>> optimizer = shampoo(0.1, eps=0.0)
      >>> updates, state = optimizer.update(grads, optimizer.init(grads))
      >>> [[round(float(u), 3) + 0.0 for u in row] for row in updates]  # whatever the singular values
      [[-0.1, 0.0], [0.0, 0.1]]

    References:
      Gupta, Koren & Singer 2018, algorithms 1 and 2, https://arxiv.org/abs/1802.09568. Grafting and averages: Anil et
      al. 2020, https://arxiv.org/abs/2002.09018. Some libraries have the exponent -1/k.
    """
    numbers = {
        "learning_rate": scheduled("shampoo", learning_rate=learning_rate),
        "momentum": check_rate("shampoo", momentum=momentum),
        "b2": check_range("shampoo", _ABOVE_0, _ABOVE_1, "be above 0 and at most 1", b2=b2),
        "eps": check_non_negative("shampoo", eps=eps),
        "weight_decay": scheduled("shampoo", weight_decay=weight_decay),
        "mask": mask_leaf(mask),
        "precondition_frequency": check_every("shampoo", precondition_frequency=precondition_frequency),
    }
    grafting = check_choice("shampoo", GRAFTINGS, grafting=grafting)
    limit = {"max_precond_dim": Static(check_count("shampoo", max_precond_dim=max_precond_dim))}
    init = bind(_shampoo_init, **limit, precondition_1d=Static(bool(precondition_1d)), grafting=Static(grafting))
    return Optimizer(init, bind(_shampoo_update, **numbers, grafting=Static(grafting)))


_ABOVE_0, _ABOVE_1 = float(np.nextafter(0.0, 1.0)), float(np.nextafter(1.0, 2.0))


def check_every(function: str, /, **named: Any) -> float | Array:
    """A whole number of at least 1 that may be traced, as a leaf."""
    ((argument, value),) = named.items()
    rule = "be a whole number of at least 1"
    checked = check_range(function, 1.0, np.inf, rule, **named)
    require(not is_concrete(value) or float(value).is_integer(), function, argument, rule, value)
    return checked


def is_due(count: Array, every: Scalar) -> Array:
    """Whether a number of steps is a multiple of `every`."""
    return count % jnp.asarray(every, count.dtype) == 0


def matrices(p: Array, max_precond_dim: int, precondition_1d: bool) -> tuple[Array | None, ...]:
    """A zero matrix for every axis, in at least float32; None for long axes, and for that of a vector."""
    dtype, shape = promoted(jnp.result_type(p), "float32"), jnp.shape(p)
    has_any = len(shape) > 1 or precondition_1d
    return tuple(jnp.zeros((n, n), dtype) if has_any and n <= max_precond_dim else None for n in shape)


def gram(g: Array, axis: int) -> Array:
    """(n, n), the inner products of the n slices along an axis: g g^T for axis 0 of a matrix."""
    slices = jnp.moveaxis(g, axis, 0).reshape(g.shape[axis], -1)
    return slices @ slices.conj().T


def along(matrix: Array, g: Array, axis: int) -> Array:
    """The product of a matrix with the slices along an axis: matrix @ g for axis 0 of a matrix."""
    return jnp.moveaxis(jnp.tensordot(matrix, g, axes=(1, axis)), 0, axis)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def inverse_root(matrix: Array, eps: Array, power: int) -> Array:
    """(matrix + eps)^(-1/power) of a positive semidefinite matrix; eigenvalues of 0 stay 0.

    Unlike eigenvectors, it has derivatives for equal eigenvalues too.
    """
    r, vectors = _eigen_roots(matrix, eps, power)
    return (vectors * r[None, :]) @ vectors.conj().T


@inverse_root.defjvp
def _inverse_root_jvp(power, primals, tangents):
    (matrix, eps), (d_matrix, d_eps) = primals, tangents
    r, vectors = _eigen_roots(matrix, eps, power)
    back = vectors.conj().T
    # With x = 1 / r the divided difference (r_i - r_j) / (x_i^p - x_j^p) is -r_i r_j / (sum of x_i^k x_j^(p-1-k)).
    x = jnp.where(r == 0, 0, 1 / jnp.where(r == 0, 1, r))
    sums = sum(jnp.outer(x**k, x ** (power - 1 - k)) for k in range(power))
    slopes = -jnp.outer(r, r) / jnp.where(sums == 0, 1, sums)
    moved = back @ d_matrix @ vectors + cast(d_eps, matrix) * jnp.eye(len(r), dtype=matrix.dtype)
    return (vectors * r[None, :]) @ back, vectors @ (slopes * moved) @ back


def _eigen_roots(matrix, eps, power):
    """The inverse roots of the eigenvalues, and the eigenvectors, in the dtype of the matrix."""
    values, vectors = jnp.linalg.eigh(matrix)
    return cast(_power(jnp.maximum(values, 0) + eps, power), matrix), vectors


def _power(x, power):
    """x^(-1/power), and 0 for 0."""
    return jnp.where(x == 0, 0, jnp.where(x == 0, 1, x) ** (-1 / power))


def _shampoo_init(params: Params, *, max_precond_dim: int, precondition_1d: bool, grafting: str) -> ShampooState:
    roots = jax.tree.map(lambda p: matrices(jnp.atleast_1d(p), max_precond_dim, precondition_1d), params)
    squares = wide(params)

    def statistic(v, roots):
        return tuple(jnp.zeros(n, v.dtype) if r is None else r for n, r in zip(v.shape or (1,), roots, strict=True))

    nu = squares if grafting == "adagrad" else jax.tree.map(lambda p: None, params)
    return ShampooState(first_count(), zeros(params), jax.tree.map(statistic, squares, roots), roots, nu)


def _shampoo_update(
    grads, state, params=None, *, learning_rate, momentum, b2, eps, weight_decay, mask, precondition_frequency,
    grafting, **extra
):  # fmt: skip
    count = incremented(state.count)
    due = is_due(state.count, precondition_frequency)

    def rule(g, m, statistics, roots, v):
        m, slices = ema(momentum, m, g), jnp.atleast_1d(g)
        statistics = tuple(_added(s, b2, _statistic(slices, axis, s)) for axis, s in enumerate(statistics))
        means = tuple(_mean(s, b2, count) for s in statistics)
        roots = lax.cond(due, partial(_fresh, eps=eps), lambda means, roots: roots, means, roots)
        direction = _preconditioned(jnp.atleast_1d(m), means, roots, eps).reshape(g.shape)
        if grafting == "none":
            return direction, m, statistics, roots, v
        v = None if v is None else _added(v, b2, squared(g))
        goal = m if v is None else m * _power(_mean(v, b2, count) + cast(eps, v), 2)
        return direction * cast(_norm(goal) * _inverse_norm(direction), direction), m, statistics, roots, v

    others = (state.statistics, state.roots, state.nu)
    directions, *moments = map_leaves("shampoo.update", rule, grads, state.mu, others=others)
    directions = with_decay(
        directions, params, function="shampoo.update", count=state.count, weight_decay=weight_decay, mask=mask
    )
    return descend(learning_rate, state.count, directions, grads), ShampooState(count, *moments)


def _statistic(g, axis, like):
    """The Gram matrix along an axis, or its diagonal."""
    if like.ndim == 2:
        return gram(g, axis)
    return jnp.sum(squared(g), axis=tuple(other for other in range(g.ndim) if other != axis))


def _added(statistic, b2, new):
    """The sum for b2 = 1, and a running average otherwise."""
    return cast(b2, statistic) * statistic + cast(jnp.where(b2 == 1, 1, 1 - b2), statistic) * new


def _mean(statistic, b2, count):
    is_sum = jnp.asarray(b2) == 1
    return jnp.where(is_sum, statistic, debiased(statistic, jnp.where(is_sum, 0.5, b2), count))


def _fresh(means, roots, *, eps):
    """The inverse roots of all matrices."""

    def fresh(mean, r):
        return None if r is None else inverse_root(mean, cast(eps, mean.real), 2 * len(means))

    return tuple(fresh(mean, r) for mean, r in zip(means, roots, strict=True))


def _preconditioned(direction, means, roots, eps):
    for axis, (mean, r) in enumerate(zip(means, roots, strict=True)):
        if r is None:
            diagonal = _power(mean + cast(eps, mean), 2 * len(means)).astype(direction.dtype)
            shape = tuple(-1 if axis == other else 1 for other in range(direction.ndim))
            direction = diagonal.reshape(shape) * direction
        else:
            direction = along(r, direction, axis)
    return direction


def _norm(x):
    return root(jnp.sum(squared(x)))


def _inverse_norm(x):
    norm = _norm(x)
    return 1 / jnp.where(norm == 0, 1, norm)
