"""Muon: an orthogonalized momentum for weight matrices, Adam for the rest."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_choice, check_count, check_non_negative, check_rate
from jaxmlp.leaves import Static, bind
from jaxmlp.optimizers.adam_family import mean_gradient, normalized
from jaxmlp.optimizers.base import (
    Optimizer,
    broadcast,
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
    with_decay,
    zeros,
)
from jaxmlp.optimizers.newton_schulz import NORMALIZED, coefficient_rows, orthogonalized
from jaxmlp.types import Array, DTypeLike, Mask, Params, PyTree, Scalar, ScalarOrSchedule


class MuonState(NamedTuple):
    """The state of `muon`.

    Attributes:
      count: () int32, the number of steps done.
      mu: the running average of gradients, shaped like the parameters.
      nu: the running average of squared gradients in at least float32, and None in the place of each weight matrix.
    """

    count: Array
    mu: PyTree
    nu: PyTree


def muon(
    learning_rate: ScalarOrSchedule,
    ns_coeffs: Any = (3.4445, -4.7750, 2.0315),
    ns_steps: int = 5,
    beta: Scalar = 0.95,
    eps: Scalar = 1e-8,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_decay_mask: Mask = None,
    mu_dtype: DTypeLike = None,
    *,
    nesterov: bool = True,
    adaptive: bool = False,
    preconditioning: str = "frobenius",
    adam_b1: Scalar = 0.9,
    adam_b2: Scalar = 0.999,
    adam_eps_root: Scalar = 0.0,
    adam_weight_decay: ScalarOrSchedule = 0.0,
    adam_learning_rate: ScalarOrSchedule | None = None,
    matrices: Mask = None,
    consistent_rms: Scalar | None = None,
) -> Optimizer:
    """Muon: all singular values of a weight matrix's momentum become about 1; other parameters follow Adam.

        m <- beta * m + (1 - beta) * g             m' as in Adam, looked ahead if nesterov
        X = m' / (||m'|| + eps), then ns_steps times X <- a * X + (b * A + c * A^2) X with A = X X^T
        w <- w - eta * (sqrt(max(1, columns / rows)) * X + lambda * w)

    For hidden layers. Its authors leave the first and the last layer to Adam, at a learning rate of its own: with the
    parameters of `jaxmlp.init` that is `matrices=[False, True, ..., True, False]`. With the usual coefficients singular
    values end between about 0.7 and 1.2. Products are computed in at least float32.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`; rates near 0.02 are usual.
      ns_coeffs: a, b, c for all steps of Newton-Schulz; a row of three for each step; or "standard" or "dion".
      ns_steps: how many steps, a fixed number; with a row for each step their number counts instead.
      beta: decay of the mean gradient of matrices, in [0, 1).
      eps: added to the norm, and Adam's eps; at least 0.
      weight_decay: lambda for matrices, at least 0, or a schedule; it is multiplied by the learning rate.
      weight_decay_mask: which matrices decay: a tree of bools, or a function from params to one; None for all.
      mu_dtype: dtype of m; None for that of the parameters.
      nesterov: use Nesterov's look-ahead, in Adam too.
      adaptive: multiply X by its inner product with m', so that steps shrink as the gradient does.
      preconditioning: what m' is divided by: its "frobenius" or "spectral" norm, row by row by "aol", or by the
        "schatten" 4-norm.
      adam_b1: Adam's decay of the mean gradient, in [0, 1).
      adam_b2: Adam's decay of the mean square, in [0, 1).
      adam_eps_root: Adam's eps inside the root, at least 0.
      adam_weight_decay: Adam's weight decay, at least 0, or a schedule.
      adam_learning_rate: Adam's learning rate; None for the same one.
      matrices: which 2-d leaves are orthogonalized: a tree of bools, one of which may stand for a whole layer, or a
        function from params to one; None for all of them.
      consistent_rms: replaces the factor of X by consistent_rms * sqrt(max(rows, columns)); 0.2 resembles Adam's steps.

    Returns:
      An `Optimizer`; with weight decay its update needs the params.

    Raises:
      ValueError: for a concrete number out of range, or coefficients of another shape; in `init` and `update`, for
        missing params or a mask of another structure.

    Example:
      >>> params = [{"w": jnp.array([[1.0, 2.0], [0.0, 1.0]]), "b": jnp.array([1.0, -1.0])}]
      >>> optimizer = muon(0.1, ns_coeffs=(1.5, -0.5, 0.0), ns_steps=20)  # coefficients that converge
      >>> updates, state = optimizer.update(params, optimizer.init(params), params)
      >>> [[round(float(u), 3) for u in row] for row in updates[0]["w"]]  # a rotation times -0.1
      [[-0.071, -0.071], [0.071, -0.071]]
      >>> [round(float(u), 3) for u in updates[0]["b"]]
      [-0.147, 0.147]

    References:
      Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/. As in `optax.contrib.muon`, except that `matrices`
      takes the place of its `muon_weight_dimension_numbers`. `adaptive`: Bernstein & Newhouse 2024,
      https://arxiv.org/abs/2409.20325; "aol": Boissin et al. 2025, https://arxiv.org/abs/2512.04632; `consistent_rms`:
      Liu et al. 2025, https://arxiv.org/abs/2502.16982; "dion": Ahn et al. 2025, https://arxiv.org/abs/2504.05295.
    """
    rows, eps = coefficient_rows(ns_coeffs), check_non_negative("muon", eps=eps)
    adam_rate = learning_rate if adam_learning_rate is None else adam_learning_rate
    of_matrices = bind(
        _step_of_matrix,
        rows=rows,
        repeats=Static(check_count("muon", ns_steps=ns_steps) if len(rows) == 1 else 1),
        beta=check_rate("muon", beta=beta),
        eps=eps,
        nesterov=Static(bool(nesterov)),
        adaptive=Static(bool(adaptive)),
        preconditioning=Static(check_choice("muon", NORMALIZED, preconditioning=preconditioning)),
        consistent_rms=None if consistent_rms is None else check_non_negative("muon", consistent_rms=consistent_rms),
    )
    of_others = bind(
        _step_of_adam,
        b1=check_rate("muon", adam_b1=adam_b1),
        b2=check_rate("muon", adam_b2=adam_b2),
        eps=eps,
        eps_root=check_non_negative("muon", adam_eps_root=adam_eps_root),
        nesterov=Static(bool(nesterov)),
    )
    rates = {
        "learning_rate": scheduled("muon", learning_rate=learning_rate),
        "adam_learning_rate": scheduled("muon", adam_learning_rate=adam_rate),
        "weight_decay": scheduled("muon", weight_decay=weight_decay),
        "adam_weight_decay": scheduled("muon", adam_weight_decay=adam_weight_decay),
    }
    rules = {"of_matrices": of_matrices, "of_others": of_others, "weight_decay_mask": mask_leaf(weight_decay_mask)}
    init = bind(_muon_init, mu_dtype=Static(mu_dtype), matrices=Static(_hashable(matrices)))
    return Optimizer(init, bind(_muon_update, **rates, **rules))


def _hashable(mask: Mask) -> Any:
    """A mask as a static value: None, a function, or a tree as its structure and leaves."""
    if mask is None or callable(mask):
        return mask
    leaves, structure = jax.tree.flatten(mask)
    return structure, tuple(map(bool, leaves))


def _muon_init(params: Params, *, mu_dtype: DTypeLike, matrices: Any) -> MuonState:
    chosen = jax.tree.map(lambda p: jnp.ndim(p) == 2, params)
    if matrices is not None:
        mask = matrices(params) if callable(matrices) else matrices[0].unflatten(matrices[1])
        mask = broadcast("muon.init", "matrices", mask, params)
        chosen = jax.tree.map(lambda is_2d, chosen: is_2d and bool(chosen), chosen, mask)
    nu = jax.tree.map(lambda p, is_matrix: None if is_matrix else wide(p), params, chosen)
    return MuonState(first_count(), zeros(params, mu_dtype), nu)


def _muon_update(
    grads,
    state,
    params=None,
    *,
    of_matrices,
    of_others,
    learning_rate,
    adam_learning_rate,
    weight_decay,
    weight_decay_mask,
    adam_weight_decay,
    **extra,
):
    count = incremented(state.count)

    def rule(g, m, v):
        return (*of_matrices(count, g, m), v) if v is None else of_others(count, g, m, v)

    directions, mu, nu = map_leaves("muon.update", rule, grads, state.mu, others=(state.nu,))
    is_matrix = jax.tree.map(lambda g, v: v is None, grads, state.nu)
    is_other = jax.tree.map(lambda chosen: not chosen, is_matrix)
    mask = _both("muon.update", is_matrix, weight_decay_mask, params)
    decayed = partial(with_decay, params=params, function="muon.update", count=state.count)
    directions = decayed(directions, weight_decay=weight_decay, mask=mask)
    directions = decayed(directions, weight_decay=adam_weight_decay, mask=is_other)
    updates = descend(learning_rate, state.count, directions, grads)
    others = descend(adam_learning_rate, state.count, directions, grads)
    updates = jax.tree.map(lambda chosen, u, other: u if chosen else other, is_matrix, updates, others)
    return updates, MuonState(count, mu, nu)


def _both(function: str, is_matrix: PyTree, mask: Mask, params: Params) -> PyTree:
    """Which leaves are matrices and allowed by the mask."""
    if mask is None or params is None:
        return is_matrix
    mask = mask(params) if callable(mask) else mask
    return jax.tree.map(jnp.logical_and, is_matrix, broadcast(function, "weight_decay_mask", mask, params))


def _step_of_matrix(count, g, m, *, rows, repeats, beta, eps, nesterov, adaptive, preconditioning, consistent_rms):
    m = ema(beta, m, g)
    mean = mean_gradient(g, m, beta, count, nesterov)
    x = orthogonalized(mean, rows * repeats, eps, preconditioning)
    if adaptive:
        x = jnp.sum(mean.conj() * x) * x
    inputs, outputs = g.shape
    if consistent_rms is None:
        return cast(math.sqrt(max(1, outputs / max(1, inputs))), x) * x, m
    return cast(consistent_rms * math.sqrt(max(inputs, outputs)), x) * x, m


def _step_of_adam(count, g, m, v, *, b1, b2, eps, eps_root, nesterov):
    m, v = ema(b1, m, g), ema(b2, v, squared(g))
    mean = mean_gradient(g, m, b1, count, nesterov)
    return normalized(mean, debiased(v, b2, count), eps, eps_root), m, v
