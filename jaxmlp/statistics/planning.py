"""What to run next: how many seeds a comparison needs, and how finely to tune the learning rate."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxmlp.checks import check_choice, check_fraction, check_non_negative, require
from jaxmlp.statistics.samples import real_array, run_scores, scipy_stats, tail
from jaxmlp.types import Scalar

_LARGE = 1000


def seeds_needed(differences: ArrayLike, *, power: Scalar = 0.9, confidence: Scalar = 0.95) -> float:
    """How many seeds in total a paired t test needs to establish the sign of the mean difference.

        the least n with P(the t test at 1 - confidence rejects, with the right sign | d) >= power,
        d = mean / standard deviation of the differences

    Use it to plan the next round of runs. It takes the mean and the deviation of the given differences for the true
    ones: for few pairs, or a difference that is not yet settled, the answer is an order of magnitude.

    Args:
      differences: A minus B on common seeds, finite, (pairs,), at least two.
      power: the probability of a significant result, above 0 and below 1.
      confidence: of the two-sided test, above 0 and below 1. For the strictest of m comparisons in Holm's procedure
        give 1 - 0.05 / m.

    Returns:
      A whole number of at least 2, as a float, above a thousand by the normal approximation; inf if the mean
      difference is 0. For identical differences it is the number at which the sign test rejects, as in `paired`.

    Raises:
      TypeError: if the differences are not numbers.
      ValueError: for other shapes, a difference that is not finite, or numbers out of range.

    Example:
      >>> seeds_needed([0.1, 0.3, -0.1, 0.2, 0.0])
      29.0

    References:
      The power of the t test, by the noncentral t distribution: Cohen 1988, https://doi.org/10.4324/9780203771587.
    """
    function = "seeds_needed"
    differences = run_scores(function, "differences", differences, (1,))[:, 0]
    outside, stats = tail(function, confidence), scipy_stats(function)
    power = float(check_fraction(function, power=power))
    mean = abs(differences.mean())
    if mean == 0:
        return math.inf
    if np.ptp(differences) == 0:
        return float(max(math.ceil(-math.log2(outside)), 2))
    return _by_t_test(stats, mean / differences.std(ddof=1), outside, power)


def _by_t_test(stats, effect, outside, power):
    """The number of pairs at which a two-sided t test finds an effect with this power, and its right sign."""
    sure, strong = stats.norm.isf(outside), stats.norm.ppf(power)
    by_normal = ((sure + strong) / effect) ** 2 + sure**2 / 2
    if by_normal > _LARGE:
        return float(math.ceil(by_normal))
    seeds = np.arange(2, 2 * _LARGE)
    # SciPy's noncentral t overflows for huge shifts; by a shift of a thousand the power is near 1.
    shift = np.minimum(effect * np.sqrt(seeds), 1000.0)
    powers = stats.nct.sf(stats.t.isf(outside, seeds - 1), seeds - 1, shift)
    return float(seeds[np.argmax(powers >= power)])


class Sensitivity(NamedTuple):
    """How far a hyperparameter may be from its best value.

    Attributes:
      best: the rate with the best mean score.
      low: the lower end of the range around it in which the mean score stays within the tolerance.
      high: the upper end of that range.
      decades: the width of the range, log10(high / low).
      open: whether the range reaches an end of the grid, so that its true width is at least `decades`.
    """

    best: float
    low: float
    high: float
    decades: float
    open: bool


def sensitivity(rates: ArrayLike, scores: ArrayLike, *, tolerance: Scalar, mode: str = "max") -> Sensitivity:
    """The range of learning rates, in decades, whose mean score stays within a tolerance of the best.

    Use it to report how much tuning an optimizer needs. Between two rates of the grid the mean score is interpolated
    linearly over log10(rate). The range ends at the point at which this line leaves the tolerance, or at the last good
    rate if the next one diverges. Only the unbroken stretch around the best rate counts.

    Args:
      rates: above 0, increasing, (rates,), at least two.
      scores: (rates,) or (rates, runs); a rate counts as diverged if the score of any of its runs is not finite.
      tolerance: at least 0, in the units of the scores.
      mode: "max" if higher scores are better, "min" if lower ones are.

    Returns:
      A `Sensitivity`. Among equally good rates the lowest is `best`.

    Raises:
      TypeError: if the rates or the scores are not numbers.
      ValueError: for other shapes, rates that do not increase, a tolerance out of range, or scores of which every
        rate has diverged.

    Example:
      >>> sensitivity([0.001, 0.01, 0.1, 1.0], [0.5, 0.9, 0.8, float("nan")], tolerance=0.2)
      Sensitivity(best=0.01, low=0.0031622776601683794, high=0.1, decades=1.5, open=False)

    References:
      DeepOBS draws these curves: Schneider et al. 2019, https://arxiv.org/abs/1903.05499. Their width as a single
      number is this library's own summary.
    """
    function = "sensitivity"
    tolerance = float(check_non_negative(function, tolerance=tolerance))
    check_choice(function, ("max", "min"), mode=mode)
    rates = real_array(function, "rates", rates)
    places, means = _curve(function, rates, scores, mode)
    best = int(means.argmax())
    inside = means >= means[best] - tolerance
    right = _end(places, means, inside, best, 1, tolerance)
    left = _end(places, means, inside, best, -1, tolerance)
    is_open = bool(left <= places[0] or right >= places[-1])
    return Sensitivity(float(rates[best]), float(10**left), float(10**right), float(right - left), is_open)


def _curve(function, rates, scores, mode):
    """log10 of the rates, and their mean scores: higher is better, -inf if diverged."""
    scores = real_array(function, "scores", scores)
    shaped = rates.ndim == 1 and rates.size >= 2
    increasing = shaped and np.isfinite(rates).all() and rates[0] > 0 and (np.diff(rates) > 0).all()
    require(increasing, function, "rates", "be two or more, above 0 and increasing", rates.tolist())
    fits = scores.ndim in (1, 2) and scores.shape[0] == len(rates) and scores.size > 0
    require(fits, function, "scores", f"be of shape ({len(rates)},) or ({len(rates)}, runs)", scores.shape)
    scores = scores.reshape(len(rates), -1)
    usable = np.all(np.isfinite(scores), axis=1, keepdims=True)
    require(usable.any(), function, "scores", "be finite at one rate at least", scores.tolist())
    means = np.where(usable, scores, 0.0).mean(axis=1)
    return np.log10(rates), np.where(usable[:, 0], means if mode == "max" else -means, -np.inf)


def _end(places, means, inside, best, direction, tolerance):
    """The place at which the curve leaves the tolerance, going from the best rate in one direction."""
    i = best
    while 0 <= i + direction < len(places) and inside[i + direction]:
        i += direction
    beyond = i + direction
    if not 0 <= beyond < len(places):
        return places[i]
    fraction = (means[i] - (means[best] - tolerance)) / (means[i] - means[beyond])  # 0 if the next one diverges
    return places[i] + fraction * (places[beyond] - places[i])
