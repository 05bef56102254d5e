"""Where the spread of a procedure's scores comes from: seeds, tuning and split."""

from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxmlp.checks import require
from jaxmlp.statistics.samples import FloatArray, Interval, real_array, run_scores, scipy_stats, tail
from jaxmlp.types import Scalar


class VarianceBudget(NamedTuple):
    """The variances of a single score of a procedure, by source; their sum is its variance over repetitions.

    Attributes:
      seeds: by what a seed decides, such as initial weights and the order of rows.
      tuning: by what tuning chose; it includes how well a choice suits its own split.
      split: by the split of the rows, or the draw of the data.
    """

    seeds: Interval
    tuning: Interval
    split: Interval

    @property
    def shares(self) -> tuple[float, float, float]:
        """The fractions of the sum, in the order of the fields; NaN if the scores do not vary."""
        parts = np.array([part.estimate for part in self])
        seeds, tuning, split = parts / parts.sum() if parts.sum() > 0 else np.full(3, np.nan)
        return float(seeds), float(tuning), float(split)


def variance_budget(
    scores: ArrayLike, crossed: ArrayLike | None = None, *, confidence: Scalar = 0.95
) -> VarianceBudget:
    """How much of the spread over repetitions comes from seeds, from tuning and from the split.

        y[r, s] = mu + split_r + tuning_r + noise[r, s],  z[r, s] the same with the choice of another repetition
        seeds   = mean over r of the mean of var_s y and var_s z
        tuning  = (mean over r of (y_r - z_r)^2 - mean over r of var_s(y - z) / S) / 2
        split   = var_r y_r - tuning - seeds / S

    Within a repetition, split and tuning vary together; z separates them: the same split and seeds, trained once more
    with the hyperparameters that tuning chose in another repetition. Use it to see what further runs should vary.

    Args:
      scores: y, finite, (repetitions, seeds), two or more of each.
      crossed: z, of the same shape; NaN in repetitions without such runs. None if nothing was tuned: tuning is then 0.
      confidence: the nominal coverage of the intervals, above 0 and below 1.

    Returns:
      A `VarianceBudget`, in squared units of the scores; what is below 0 counts as 0. The intervals assume normal
      scores; of such they covered the true variances in 93-99 % of cases, at 10 and 20 repetitions of 2 and 3 seeds.

    Raises:
      TypeError: if the scores are not numbers.
      ValueError: for other shapes, a score that is not finite, or a confidence out of range.

    Example:
      >>> own, other = [[0.9, 0.8], [0.6, 0.7], [0.4, 0.3]], [[0.8, 0.7], [0.6, 0.7], [0.3, 0.2]]
      >>> [round(part.estimate, 4) for part in variance_budget(own, other)]
      [0.005, 0.0033, 0.0575]

    References:
      The sources: Bouthillier et al. 2021, https://arxiv.org/abs/2103.03098. The estimates are those of the analysis of
      variance, the intervals the modified large-sample ones for sums and differences of mean squares: Ting et al. 1990,
      https://doi.org/10.1080/00949659008811240; Burdick & Graybill 1992, *Confidence Intervals on Variance Components*.
    """
    function = "variance_budget"
    outside, stats = tail(function, confidence), scipy_stats(function)
    own = run_scores(function, "scores", scores, (2,))
    require(own.shape[1] >= 2, function, "scores", "have two seeds or more in each repetition", own.shape)
    other = np.full_like(own, np.nan) if crossed is None else real_array(function, "crossed", crossed)
    require(other.shape == own.shape, function, "crossed", f"be of shape {own.shape}", other.shape)
    there = np.isfinite(other).all(axis=1)
    require(crossed is None or there.any(), function, "crossed", "be finite in one repetition", other.tolist())
    number, between = own.shape[1], _MeanSquare(float(np.var(own.mean(axis=1), ddof=1)), len(own) - 1)
    seeds = _within(np.concatenate([own, other[there]]))
    tuning = []
    if there.any():
        gaps = (own - other)[there]
        tuning = [(0.5, _MeanSquare(float(np.mean(gaps.mean(axis=1) ** 2)), len(gaps))), (-0.5 / number, _within(gaps))]
    split = [(1.0, between), *((-factor, part) for factor, part in tuning), (-1.0 / number, seeds)]
    return VarianceBudget(*(_combined(stats, outside, parts) for parts in ([(1.0, seeds)], tuning, split)))


class _MeanSquare(NamedTuple):
    value: float
    freedom: float


def _within(scores: FloatArray) -> _MeanSquare:
    """The mean over repetitions of the variance over seeds."""
    return _MeanSquare(float(np.var(scores, axis=1, ddof=1).mean()), scores.shape[0] * (scores.shape[1] - 1))


def _combined(stats: ModuleType, outside: float, parts: list[tuple[float, _MeanSquare]]) -> Interval:
    """A sum of mean squares times factors, with its modified large-sample interval; cut off at 0."""
    estimate = sum(factor * part.value for factor, part in parts)
    below = above = 0.0
    for factor, (value, freedom) in parts:
        less = factor * value * (1 - freedom / stats.chi2.isf(outside, freedom))
        more = factor * value * (freedom / stats.chi2.ppf(outside, freedom) - 1)
        below += (less if factor > 0 else more) ** 2
        above += (more if factor > 0 else less) ** 2
    ends = estimate, estimate - below**0.5, estimate + above**0.5
    return Interval(*(max(float(end), 0.0) for end in ends))
