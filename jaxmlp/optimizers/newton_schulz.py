"""Newton-Schulz: a matrix is made orthogonal by matrix products alone."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import check_choice, check_range, require
from jaxmlp.numerics import power_of_two
from jaxmlp.optimizers.base import cast, root, squared
from jaxmlp.types import Array, Scalar

_COEFFICIENTS = {
    "standard": ((3.4445, -4.7750, 2.0315),),
    "dion": (
        (4.0848, -6.8946, 2.9270),
        (3.9505, -6.3029, 2.6377),
        (3.7418, -5.5913, 2.3037),
        (2.8769, -3.1427, 1.2046),
        (2.8366, -3.0525, 1.2012),
    ),
}


def coefficient_rows(ns_coeffs: Any) -> tuple[tuple[Any, ...], ...]:
    """The coefficients that a user of `muon` gives, as rows of three numbers."""
    if isinstance(ns_coeffs, str):
        return _COEFFICIENTS[check_choice("muon", _COEFFICIENTS, ns_coeffs=ns_coeffs)]
    parts = tuple(ns_coeffs) if isinstance(ns_coeffs, (tuple, list)) or np.ndim(ns_coeffs) else ()
    is_flat = all(not isinstance(part, (tuple, list)) and np.ndim(part) == 0 for part in parts)
    rows = [tuple(row) for row in ([parts] if is_flat else parts)]
    rule = "be three numbers, rows of three numbers, or one of standard, dion"
    require(all(len(row) == 3 for row in rows), "muon", "ns_coeffs", rule, ns_coeffs)
    return tuple(
        tuple(check_range("muon", _LOWEST, np.inf, "be finite numbers", ns_coeffs=number) for number in row)
        for row in rows
    )


def orthogonalized(matrix: Array, rows: Any, eps: Scalar, preconditioning: str = "frobenius") -> Array:
    """Newton-Schulz: the matrix with its singular values s replaced by p(... p(s / norm)), p(s) = a s + b s^3 + c s^5.

    Args:
      matrix: (rows, columns).
      rows: a, b, c for each step.
      eps: added to the norm.
      preconditioning: the norm, one of those of `muon`.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = NORMALIZED[preconditioning](matrix.T if is_tall else matrix, eps)
    for a, b, c in ([cast(number, x) for number in row] for row in rows):
        gram = x @ x.conj().T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if is_tall else x


def _by_frobenius(x: Array, eps: Scalar) -> Array:
    inverse_scale = 1 / power_of_two(jnp.max(abs(x), initial=0))  # so that no square overflows or vanishes
    x = x * cast(inverse_scale, x)
    norm = root(jnp.sum(squared(x)))
    return x * _inverse(norm + cast(eps, norm) * inverse_scale, x)


def _by_spectral(x: Array, eps: Scalar) -> Array:
    norm = jnp.linalg.norm(x, ord=2)
    return x * _inverse(norm + cast(eps, norm), x)


def _by_rows(x: Array, eps: Scalar) -> Array:
    sums = jnp.sum(abs(x @ x.conj().T), axis=1, keepdims=True)
    return x * _inverse(root(jnp.maximum(sums, _LEAST)), x)


def _by_schatten(x: Array, eps: Scalar) -> Array:
    norm = root(jnp.sum(squared(x @ x.conj().T)))
    return x * _inverse(root(jnp.maximum(norm, _LEAST)), x)


def _inverse(norm: Array, x: Array) -> Array:
    """1 / norm in the dtype of x, and 1 for a norm of 0."""
    return cast(1 / jnp.where(norm == 0, 1, norm), x)


_LEAST = 1e-8  # of a norm's square
_LOWEST = float(np.finfo(float).min)
NORMALIZED = {"frobenius": _by_frobenius, "spectral": _by_spectral, "aol": _by_rows, "schatten": _by_schatten}
