"""Performance profiles: many solvers on many problems in one figure, and one score for each solver."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxmlp.checks import require
from jaxmlp.statistics.samples import FloatArray, real_array

_FARTHEST = 4.0


class Profile(NamedTuple):
    """How often each solver is within a factor tau of the best one.

    Attributes:
      taus: the factors, increasing, (taus,).
      shares: `shares[i, s]` is the fraction of problems that solver s solves within `taus[i]` times the best cost,
        (taus, solvers).
    """

    taus: FloatArray
    shares: FloatArray


def performance_profile(costs: ArrayLike, taus: ArrayLike | None = None) -> Profile:
    """How often each solver is within a factor tau of the best solver.

        r[p, s] = cost[p, s] / min over s of cost[p, s]
        share[tau, s] = fraction of problems p with r[p, s] <= tau

    Use it to compare solvers on problems whose costs have different scales.

    Args:
      costs: above 0, (problems, solvers): the time to a target, or any other cost; inf if the target was missed. A
        problem that no solver solved counts as missed by each of them, so all shares stay below 1.
      taus: factors of at least 1, increasing, (taus,). None for 1, 4 and every ratio in between at which a share
        changes; each share then holds until the next tau, and the profile is exact.

    Returns:
      A `Profile` with taus (taus,) and shares (taus, solvers).

    Raises:
      TypeError: if the costs or the taus are not numbers.
      ValueError: for other shapes, a cost that is NaN or not above 0, or taus that do not increase from 1 or above.

    Example:
      >>> profile = performance_profile([[10.0, 20.0], [30.0, 10.0], [5.0, float("inf")]])
      >>> profile.taus.tolist(), profile.shares[:, 0].round(2).tolist()
      ([1.0, 2.0, 3.0, 4.0], [0.67, 0.67, 1.0, 1.0])

    References:
      Dolan & Moré 2002, https://arxiv.org/abs/cs/0102001. As there, a tie counts for both solvers: the share at tau 1
      is the fraction of problems on which no other solver is better.
    """
    function = "performance_profile"
    costs = real_array(function, "costs", costs)
    fits = costs.ndim == 2 and costs.size > 0
    require(fits, function, "costs", "be of shape (problems, solvers), not empty", costs.shape)
    wrong = costs[~(costs > 0)]
    require(wrong.size == 0, function, "costs", "be above 0 (inf where missed)", wrong[:1].tolist())
    best = costs.min(axis=1, keepdims=True)
    ratios = np.divide(costs, best, out=np.full(costs.shape, np.inf), where=np.isfinite(costs))
    taus = _steps(ratios) if taus is None else _checked(function, taus)
    return Profile(taus, np.mean(ratios <= taus[:, None, None], axis=1))


def _steps(ratios):
    """1, 4 and the ratios in between."""
    return np.unique(np.concatenate([[1.0, _FARTHEST], ratios[ratios <= _FARTHEST]]))


def _checked(function, taus):
    """The taus of the user as an array."""
    taus = real_array(function, "taus", taus)
    require(taus.ndim == 1 and taus.size > 0, function, "taus", "be of shape (taus,), not empty", taus.shape)
    increasing = np.isfinite(taus).all() and taus[0] >= 1 and (np.diff(taus) > 0).all()
    require(increasing, function, "taus", "increase from 1 or above, finite", taus.tolist())
    return taus


def profile_score(profile: Profile) -> FloatArray:
    """The area under each solver's profile divided by its width: the mean share between the first and the last tau.

        sum over i of share[i, s] * (tau[i + 1] - tau[i]) / (tau[-1] - tau[0])

    Use it to rank solvers by one number.

    Args:
      profile: from `performance_profile`, at least two taus. With the default taus, 1 to 4, the score is exact.

    Returns:
      Scores in [0, 1], (solvers,): 1 for a solver that is best on every problem, 0 for one that is never within the
      last tau.

    Raises:
      ValueError: for a profile of one tau.

    Example:
      >>> profile_score(performance_profile([[10.0, 20.0], [30.0, 10.0], [5.0, float("inf")]])).round(3).tolist()
      [0.778, 0.556]

    References:
      Dahl et al. 2023 (AlgoPerf), https://arxiv.org/abs/2306.07179: tau from 1 to 4, by trapezoids on a grid instead
      of exact steps.
    """
    taus, shares = profile
    require(len(taus) >= 2, "profile_score", "profile", "have two taus or more", len(taus))
    return np.diff(taus) @ shares[:-1] / (taus[-1] - taus[0])
