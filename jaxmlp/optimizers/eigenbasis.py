"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxmlp.checks import check_count, check_non_negative, check_rate
from jaxmlp.leaves import Static, bind
from jaxmlp.optimizers.adam_family import normalized
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
    root,
    scheduled,
    squared,
    wide,
    with_decay,
    zeros,
)
from jaxmlp.optimizers.kronecker import along, check_every, gram, is_due, matrices
from jaxmlp.types import Array, Mask, Params, PyTree, Scalar, ScalarOrSchedule


class SoapState(NamedTuple):
    """The state of `soap`.

    Attributes:
      count: () int32, the number of steps done.
      mu: the running average of gradients, shaped like the parameters.
      nu: the running average of squared gradients in the eigenbasis, shaped like the parameters, in at least float32.
      statistics: for every axis of a parameter, of length n, the running average (n, n) of g g^T, or None; in at least
        float32.
      bases: the eigenvectors of each of these, in columns, or None.
    """

    count: Array
    mu: PyTree
    nu: PyTree
    statistics: PyTree
    bases: PyTree


def soap(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.95,
    b2: Scalar = 0.95,
    shampoo_beta: Scalar | None = None,
    eps: Scalar = 1e-8,
    weight_decay: ScalarOrSchedule = 0.01,
    mask: Mask = None,
    precondition_frequency: Scalar = 10,
    max_precond_dim: int = 10000,
    *,
    precondition_1d: bool = False,
) -> Optimizer:
    """SOAP: Adam, with gradients turned into the eigenbasis of Shampoo's matrices and steps turned back.

        m <- b1 * m + (1 - b1) * g                 g' = P^T g Q,  m' = P^T m Q
        v <- b2 * v + (1 - b2) * g'^2
        w <- w - eta * P (c * m' / (sqrt(v) + eps)) Q^T,   c = sqrt(1 - b2^t) / (1 - b1^t)
        w <- w - eta * lambda * w
        L <- beta * L + (1 - beta) * g g^T         R <- beta * R + (1 - beta) * g^T g
        P, Q <- QR of L P and R Q, every `precondition_frequency` steps

    For weight matrices whose gradients are correlated; rates near Adam's work. Vectors are left to Adam. The first step
    only starts L and R and their eigenvectors: it moves nothing, and t is counted from the second.

    In directions that no gradient has had yet the basis is arbitrary, and steps there are of full size even if their
    gradient is rounding alone: with a small eps, runs of float32 drift apart across libraries and processors.

    Args:
      learning_rate: eta, at least 0, or a schedule `count -> value`; the authors' rate is 3e-3.
      b1: decay of the mean gradient, in [0, 1).
      b2: decay of the mean square, in [0, 1).
      shampoo_beta: decay of L and R, in [0, 1); None for b2.
      eps: outside the root, at least 0.
      weight_decay: lambda, at least 0, or a schedule; multiplied by the learning rate.
      mask: which weights decay: a tree of bools, or a function from params to one; None for all, biases included.
      precondition_frequency: steps between two turns of the eigenbasis, a whole number of at least 1; may be traced.
        Under `jax.vmap` it is turned in every step, and the result dropped in most.
      max_precond_dim: axes longer than this are not turned; a fixed number.
      precondition_1d: turn vectors too.

    Returns:
      An `Optimizer`; with weight decay its update needs the params. Derivatives take the eigenbasis as constant.

    Raises:
      ValueError: for a concrete number out of range; in `update`, for missing params or a mask of another structure.

    Example:
      >>> grads = jnp.array([[2.0, 1.0], [1.0, 2.0]])  # of singular values 3 and 1
      >>> optimizer = soap(0.1, eps=1e-4, weight_decay=0.0)
      >>> state = optimizer.init(grads)
      >>> for _ in range(2):
      ...     updates, state = optimizer.update(grads, state)
      >>> [[round(float(u), 3) + 0.0 for u in row] for row in updates]  # both of them become 1
      [[-0.1, 0.0], [0.0, -0.1]]

    References:
      Vyas et al. 2024, algorithm 3, https://arxiv.org/abs/2409.11321, with the defaults, the idle first step, and the
      order of step and decay of the authors' code, https://github.com/nikhilvyas/SOAP.
    """
    shampoo_beta = b2 if shampoo_beta is None else check_rate("soap", shampoo_beta=shampoo_beta)
    numbers = {
        "learning_rate": scheduled("soap", learning_rate=learning_rate),
        "b1": check_rate("soap", b1=b1),
        "b2": check_rate("soap", b2=b2),
        "shampoo_beta": check_rate("soap", shampoo_beta=shampoo_beta),
        "eps": check_non_negative("soap", eps=eps),
        "weight_decay": scheduled("soap", weight_decay=weight_decay),
        "mask": mask_leaf(mask),
        "precondition_frequency": check_every("soap", precondition_frequency=precondition_frequency),
    }
    limit = Static(check_count("soap", max_precond_dim=max_precond_dim))
    init = bind(_soap_init, max_precond_dim=limit, precondition_1d=Static(bool(precondition_1d)))
    return Optimizer(init, bind(_soap_update, **numbers))


def _soap_init(params: Params, *, max_precond_dim: int, precondition_1d: bool) -> SoapState:
    empty = jax.tree.map(lambda p: matrices(p, max_precond_dim, precondition_1d), params)
    return SoapState(first_count(), zeros(params), wide(params), empty, empty)


def _soap_update(
    grads, state, params=None, *, learning_rate, b1, b2, shampoo_beta, eps, weight_decay, mask, precondition_frequency,
    **extra
):  # fmt: skip
    is_first, steps = state.count == 0, jnp.maximum(state.count, 1)
    case = jnp.where(is_first, 1, jnp.where(is_due(steps, precondition_frequency), 2, 0))

    def rule(g, m, v, statistics, bases):
        new_m, new_v = ema(b1, m, g), ema(b2, v, squared(_turned(g, bases)))
        late = cast(eps, v) * root(debiased(jnp.ones((), v.dtype), b2, steps))
        mean = _turned(debiased(new_m, b1, steps), bases)
        direction = _turned_back(normalized(mean, debiased(new_v, b2, steps), late, 0.0), bases)
        m, v = jnp.where(is_first, m, new_m), jnp.where(is_first, v, new_v)
        statistics = tuple(
            None if s is None else ema(shampoo_beta, s, gram(g, axis)) for axis, s in enumerate(statistics)
        )
        v, bases = lax.switch(case, (_kept, _eigenvectors, _power_iterated), v, lax.stop_gradient(statistics), bases)
        return jnp.where(is_first, jnp.zeros_like(g), direction), m, v, statistics, bases

    others = (state.statistics, state.bases)
    directions, *moments = map_leaves("soap.update", rule, grads, state.mu, state.nu, others=others)
    if params is not None:  # decay acts on the weights after the step
        rate = at(learning_rate, state.count)
        params = jax.tree.map(lambda p, d: jnp.where(is_first, 0, cast(p, d) - cast(rate, d) * d), params, directions)
    directions = with_decay(
        directions, params, function="soap.update", count=state.count, weight_decay=weight_decay, mask=mask
    )
    new = SoapState(incremented(state.count), *moments)
    return descend(learning_rate, state.count, directions, grads), new


def _turned(x: Array, bases: tuple[Array | None, ...]) -> Array:
    """x in the eigenbases: P^T x Q."""
    for axis, basis in enumerate(bases):
        x = x if basis is None else along(basis.conj().T, x, axis)
    return x


def _turned_back(x: Array, bases: tuple[Array | None, ...]) -> Array:
    """x from the eigenbases: P x Q^T."""
    for axis, basis in enumerate(bases):
        x = x if basis is None else along(basis, x, axis)
    return x


def _kept(v, statistics, bases):
    return v, bases


def _eigenvectors(v, statistics, bases):
    return v, tuple(None if s is None else jnp.linalg.eigh(s)[1] for s in statistics)


def _power_iterated(v, statistics, bases):
    """One step of power iteration and a QR decomposition, the largest eigenvalue first; v is sorted alike."""
    found = []
    for axis, (s, basis) in enumerate(zip(statistics, bases, strict=True)):
        if s is not None:
            product = s @ basis
            order = jnp.argsort(jnp.sum(basis.conj() * product, axis=0).real, descending=True)
            v = jnp.take(v, order, axis=axis)
            basis = jnp.linalg.qr(product[:, order])[0]
        found.append(basis)
    return v, tuple(found)
