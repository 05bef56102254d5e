"""What to run next: how many more seeds, and how finely to tune the learning rate."""

import math
from typing import NamedTuple

import numpy as np

from jaxmlp.checks import check_choice, check_non_negative, check_range, require
from jaxmlp.statistics.samples import real_array, run_scores, scipy_stats, tail

LARGE = 1000


def seeds_needed(differences, *, power=0.9, confidence=0.95):
    """How many seeds in all until a paired t test would tell the sign of such a mean difference.

        the least n with P(t test at 1 - confidence rejects, with the right sign | d) >= power,  d = mean / deviation

    It takes the mean and the deviation of the differences at hand for the true ones: of few pairs, or of a difference
    that is not settled yet, it says no more than the order of magnitude.

    Args:
      differences: finite, (pairs,), two or more.
      power: above 0 and below 1.
      confidence: above 0 and below 1, of the two-sided test.

    Returns:
      A whole number of at least 2, as a float; inf where the mean difference is 0.

    Raises:
      ValueError: for other shapes, a difference that is not finite, numbers out of range.

    >>> seeds_needed([0.1, 0.3, -0.1, 0.2, 0.0])
    29.0

    Source: the power of the t test: Cohen 1988, by the noncentral t distribution.
    """
    function = "seeds_needed"
    differences = run_scores(function, "differences", differences, (1,))[:, 0]
    outside, stats = tail(function, confidence), scipy_stats(function)
    power = check_range(function, "power", power, np.nextafter(0, 1), 1.0, "be above 0 and below 1")
    mean = abs(float(differences.mean()))
    if mean == 0:
        return math.inf
    if np.ptp(differences) == 0:
        return 2.0
    effect = mean / float(differences.std(ddof=1))
    sure, strong = stats.norm.isf(outside), stats.norm.ppf(float(power))
    by_normal = ((sure + strong) / effect) ** 2 + sure**2 / 2
    if by_normal > LARGE:
        return float(math.ceil(by_normal))
    seeds = np.arange(2, 2 * LARGE)
    # SciPy's distribution is not made for shifts in the millions, and beyond a thousand any power is reached.
    shift = np.minimum(effect * np.sqrt(seeds), 1000.0)
    powers = stats.nct.sf(stats.t.isf(outside, seeds - 1), seeds - 1, shift)
    return float(seeds[np.argmax(powers >= power)])


class Sensitivity(NamedTuple):
    """How much room a hyperparameter leaves.

    - `best`: the rate of the best mean score;
    - `low`, `high`: the rates around it between which the mean score stays within the tolerance;
    - `decades`: log10(high / low);
    - `open`: whether that range reaches an end of the grid, so that `decades` is at least so many.
    """

    best: float
    low: float
    high: float
    decades: float
    open: bool


def sensitivity(rates, scores, *, tolerance, mode="max"):
    """The span of learning rates, in decades, within which the mean score stays within a tolerance of the best.

    The mean score between two rates of the grid is taken as a straight line over log10(rate), and the span ends where
    that line leaves the tolerance, or at the last good rate where the next one diverges. Only the unbroken stretch
    around the best rate counts.

    Args:
      rates: above 0, increasing, (rates,), two or more.
      scores: (rates,) or (rates, runs); a rate with a run that is NaN or infinite counts as diverged.
      tolerance: at least 0, in the units of the scores.
      mode: "max": higher scores are better; "min": lower ones are.

    Returns:
      A `Sensitivity`; the first of equal best rates counts.

    Raises:
      ValueError: for other shapes, rates that do not increase, a tolerance out of range, scores that are all diverged.

    >>> sensitivity([0.001, 0.01, 0.1, 1.0], [0.5, 0.9, 0.8, float("nan")], tolerance=0.2)
    Sensitivity(best=0.01, low=0.0031622776601683794, high=0.1, decades=1.5, open=False)

    Source: DeepOBS (Schneider et al. 2019) draws these curves; the span is this library's summary of them.
    """
    function = "sensitivity"
    tolerance = float(check_non_negative(function, "tolerance", tolerance))
    check_choice(function, "mode", mode, ("max", "min"))
    rates = real_array(function, "rates", rates)
    places, means = _curve(function, rates, scores, mode)
    best = int(means.argmax())
    inside = means >= means[best] - tolerance
    right = _end(places, means, inside, best, 1, tolerance)
    left = _end(places, means, inside, best, -1, tolerance)
    is_open = bool(left <= places[0] or right >= places[-1])
    return Sensitivity(float(rates[best]), float(10**left), float(10**right), float(right - left), is_open)


def _curve(function, rates, scores, mode):
    """log10 of the rates, and the mean scores, higher better, -inf where diverged."""
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
    """Where the curve leaves the tolerance, going from the best place in one direction."""
    i = best
    while 0 <= i + direction < len(places) and inside[i + direction]:
        i += direction
    beyond = i + direction
    if not 0 <= beyond < len(places) or np.isinf(means[beyond]):
        return places[i]
    fraction = (means[i] - (means[best] - tolerance)) / (means[i] - means[beyond])
    return places[i] + fraction * (places[beyond] - places[i])
