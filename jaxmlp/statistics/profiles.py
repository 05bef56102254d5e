"""Performance profiles: one picture, and one score, of many solvers on many problems."""

from typing import NamedTuple

import numpy as np

from jaxmlp.checks import require
from jaxmlp.statistics.samples import real_array

FARTHEST = 4.0


class Profile(NamedTuple):
    """`shares[i, s]`: the fraction of the problems that solver s solves within `taus[i]` times the best cost."""

    taus: np.ndarray
    shares: np.ndarray


def performance_profile(costs, taus=None):
    """How often each solver is within a factor tau of the best one.

        r[p, s] = cost[p, s] / min over s of cost[p, s];   share[tau, s] = fraction of p with r[p, s] <= tau

    Args:
      costs: above 0, (problems, solvers): time to target, or anything else of which less is better; inf where the
        target was missed. A problem that nobody solved counts as missed by every solver, so that shares stay below 1.
      taus: 1 or above, increasing, (taus,). None: every ratio from 1 to 4 at which a share changes, 1 and 4 included,
        so that the profile is exact between them, a step that holds until the next.

    Returns:
      A `Profile` with taus (taus,) and shares (taus, solvers).

    Raises:
      ValueError: for other shapes, a cost that is NaN or not above 0, taus that do not increase from 1 or above.

    >>> profile = performance_profile([[10.0, 20.0], [30.0, 10.0], [5.0, float("inf")]])
    >>> profile.taus.tolist(), profile.shares[:, 0].round(2).tolist()
    ([1.0, 2.0, 3.0, 4.0], [0.67, 0.67, 1.0, 1.0])

    Source: Dolan & Moré 2002. Ties count for both, as there: at tau 1 a share is that of the problems won or drawn.
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
    return np.unique(np.concatenate([[1.0, FARTHEST], ratios[ratios <= FARTHEST]]))


def _checked(function, taus):
    taus = real_array(function, "taus", taus)
    require(taus.ndim == 1 and taus.size > 0, function, "taus", "be of shape (taus,), not empty", taus.shape)
    increasing = np.isfinite(taus).all() and taus[0] >= 1 and (np.diff(taus) > 0).all()
    require(increasing, function, "taus", "increase from 1 or above, finite", taus.tolist())
    return taus


def profile_score(profile):
    """The area under each solver's profile over its width: the mean share between the first tau and the last.

        sum over i of share[i, s] * (tau[i + 1] - tau[i]) / (tau[-1] - tau[0])

    Args:
      profile: a `Profile` of two taus or more; with the default taus the score is exact, from 1 to 4.

    Returns:
      (solvers,) scores in [0, 1]: 1 for a solver that is always the best, 0 for one that never comes within a factor 4.

    Raises:
      ValueError: for a profile of one tau.

    >>> profile_score(performance_profile([[10.0, 20.0], [30.0, 10.0], [5.0, float("inf")]])).round(3).tolist()
    [0.778, 0.556]

    Source: Dahl et al. 2023 (AlgoPerf), tau from 1 to 4, which sums trapezoids on a grid where this has the steps.
    """
    taus, shares = profile
    require(len(taus) >= 2, "profile_score", "profile", "have two taus or more", len(taus))
    return np.diff(taus) @ shares[:-1] / (taus[-1] - taus[0])
