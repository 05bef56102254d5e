"""Is A better than B: the probability of improvement, pairs over common seeds, many comparisons at once."""

from typing import NamedTuple

import numpy as np

from jaxmlp.checks import require
from jaxmlp.statistics.aggregates import location
from jaxmlp.statistics.samples import Interval, real_array, run_scores, scipy_stats, tail


def probability_of_improvement(a, b, *, confidence=0.95):
    """The probability that a run of A scores above one of B, ties counted half, averaged over the tasks.

        estimate:  p = mean over tasks of (pairs won + pairs tied / 2) / (runs of A * runs of B)
        interval:  Wilson's, |p - P| <= z sqrt(r P (1 - P)),  r = variance of p / (p (1 - p))

    The variance is that of the placements (DeLong; Brunner & Munzel), drawn towards that of exponential scores (Hanley
    & McNeil) with the weight of one run, for where one side nearly always wins the placements do not vary. It covered
    94.5-97.8 % at 10, 20 and 30 runs a side, normal and exponential, p from 0.5 to 0.98, one task and three; the upper
    end where p is near 1. Two samples of one distribution differ in 4.4-5.3 %.

    Args:
      a: finite, (runs of A,) or (runs of A, tasks), two runs or more; higher is better.
      b: likewise, with the same tasks.
      confidence: above 0 and below 1.

    Returns:
      An `Interval` within [0, 1]. A and B differ where it leaves out 0.5.

    Raises:
      ValueError: for other shapes, a score that is not finite, a confidence out of range.

    >>> probability_of_improvement([2.0, 3.0, 9.0], [1.0, 3.0]).estimate
    0.75

    Source: Agarwal et al. 2021, rliable's `probability_of_improvement`, which has quantiles of a bootstrap, a point
    where one side always wins.
    """
    function = "probability_of_improvement"
    a, b = run_scores(function, "a", a), run_scores(function, "b", b)
    require(a.shape[1] == b.shape[1], function, "b", f"have the {a.shape[1]} tasks of a", b.shape[1])
    z = scipy_stats(function).norm.isf(tail(function, confidence))
    won = (a[:, None] > b[None]) + 0.5 * (a[:, None] == b[None])
    estimate = float(won.mean())
    low, high = _wilson(estimate, z**2 * _relative_variance(won))
    return Interval(estimate, low, high)


def _wilson(p, squared):
    """The P at which (p - P)^2 = squared * P (1 - P)."""
    centre = (p + squared / 2) / (1 + squared)
    half = np.sqrt(squared * p * (1 - p) + squared**2 / 4) / (1 + squared)
    return max(float(centre - half), 0.0), min(float(centre + half), 1.0)


def _relative_variance(won):
    """The variance of the mean of (runs of A, runs of B, tasks) comparisons, over that of one of them."""
    runs_a, runs_b, tasks = won.shape
    p = won.mean(axis=(0, 1))
    if p.mean() in (0.0, 1.0):
        return np.sum(_exponential_variance(p, runs_a, runs_b)) / tasks**2
    placements = np.var(won.mean(axis=1), axis=0, ddof=1) / runs_a + np.var(won.mean(axis=0), axis=0, ddof=1) / runs_b
    half_a_pair = 0.5 / (runs_a * runs_b)
    inside = np.clip(p, half_a_pair, 1 - half_a_pair)
    exponential = inside * (1 - inside) * _exponential_variance(inside, runs_a, runs_b)
    contested = 2 * min(runs_a, runs_b) * np.minimum(p, 1 - p)
    variances = (contested * placements + exponential) / (contested + 1)
    return np.sum(variances) / tasks**2 / (p.mean() * (1 - p.mean()))


def _exponential_variance(p, runs_a, runs_b):
    """Hanley & McNeil's variance over p (1 - p), for exponential scores, in Newcombe's symmetric form."""
    others = (runs_a + runs_b) / 2 - 1
    return (1 + others * ((1 - p) / (2 - p) + p / (1 + p))) / (runs_a * runs_b)


class Paired(NamedTuple):
    """A minus B over common seeds.

    - `difference`: the mean difference, an `Interval`;
    - `p_value`: of a mean difference of 0; at most 1 - confidence just where the interval leaves out 0;
    - `effect_size`: the mean difference in standard deviations of the differences, d_z by Hedges; NaN for two pairs;
    - `wins`, `ties`, `losses` of A, and `n`, the number of pairs.
    """

    difference: Interval
    p_value: float
    effect_size: float
    wins: int
    ties: int
    losses: int
    n: int


def paired(a, b, *, confidence=0.95):
    """A minus B, seed by seed: runs that share initial weights and batches differ by less than strangers.

    The mean of 2 X - X', for X as in `mean`, was covered in 94.8-96.5 % at 10, 20 and 30 pairs; two of
    one distribution differed in 3.3-5.2 %.

    Args:
      a: finite, (runs,), two or more.
      b: likewise; b[i] shares its seed with a[i].
      confidence: above 0 and below 1.

    Returns:
      A `Paired`, its interval and test as in `mean`. Differences that are all 0 give p 1 and effect 0; others that are
      all the same give p 0 and an infinite effect.

    Raises:
      ValueError: for other shapes, a score that is not finite, a confidence out of range.

    >>> result = paired([0.9, 0.8, 0.7, 0.9], [0.8, 0.8, 0.5, 0.6])
    >>> round(result.difference.estimate, 2), round(result.p_value, 3), (result.wins, result.ties, result.losses)
    (0.15, 0.103, (3, 1, 0))

    Source: the effect size: Cohen 1988, Hedges 1981; the interval: see `mean`. The p value is that of
    `scipy.stats.ttest_rel`, or a larger one where the differences are skewed.
    """
    a, b = run_scores("paired", "a", a, (1,)), run_scores("paired", "b", b, (1,))
    require(a.shape == b.shape, "paired", "b", f"have the {len(a)} runs of a", len(b))
    differences, stats = a - b, scipy_stats("paired")
    where = location(differences)
    return Paired(
        where.interval(stats, tail("paired", confidence)),
        where.p_value(stats),
        _effect_size(where, len(a)),
        int(np.sum(differences > 0)),
        int(np.sum(differences == 0)),
        int(np.sum(differences < 0)),
        len(a),
    )


def _effect_size(where, runs):
    """Cohen's d_z, without the bias that Hedges found in it."""
    if where.error == 0:
        return float(np.sign(where.estimate) * np.inf) if where.estimate else 0.0
    if runs == 2:
        return float("nan")
    return float(where.estimate / (where.error * np.sqrt(runs)) * (1 - 3 / (4 * (runs - 1) - 1)))


def holm(p_values):
    """p values of many comparisons, raised so that a false finding anywhere is as rare as one of one comparison.

        sorted p_1 <= ... <= p_m:  adjusted p_i = min(1, max over j <= i of (m - j + 1) p_j)

    Args:
      p_values: in [0, 1], (comparisons,).

    Returns:
      (comparisons,) adjusted p values, in the order given.

    Raises:
      ValueError: for other shapes, a value outside [0, 1].

    >>> holm([0.01, 0.04, 0.02]).tolist()
    [0.03, 0.04, 0.04]

    Source: Holm 1979.
    """
    p_values = real_array("holm", "p_values", p_values)
    require(p_values.ndim == 1, "holm", "p_values", "be of shape (comparisons,)", p_values.shape)
    wrong = p_values[~((p_values >= 0) & (p_values <= 1))]
    require(wrong.size == 0, "holm", "p_values", "be at least 0 and at most 1", wrong[:1].tolist())
    order = np.argsort(p_values)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    return np.minimum(adjusted, 1.0)
