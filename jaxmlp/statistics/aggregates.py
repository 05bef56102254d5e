"""One number for many runs, and how sure it is: the mean, the interquartile mean."""

from typing import NamedTuple

import numpy as np

from jaxmlp.checks import check_count
from jaxmlp.statistics.samples import Interval, run_scores, scipy_stats, tail

TRIMMED = 0.25
FEWEST_FOR_RESAMPLING = 10


def mean(scores, *, confidence=0.95):
    """The mean over runs and tasks: the smallest interval that holds both Student's and Hall's.

        T = (m - mu) / se,  k = third moment of m / se^3
        Student: |T| <= t;    Hall: |((1 + k T / 3)^3 - 1) / k + k / 6| <= t

    Student's interval misses too often for skewed scores (exponential, ten runs: it covers 90 %), Hall's, which
    corrects T for the skewness, for heavy tails. Both together covered 94.5-96.8 % of normal, uniform, Laplace, t3,
    lognormal (0.5) and exponential samples of 10, 20 and 30 runs, and 93-97.5 % at five. Runs are drawn anew within
    every task, the tasks are given: the errors of the tasks' means add up, with Welch's degrees of freedom.

    Args:
      scores: finite, (runs,) or (runs, tasks), two runs or more.
      confidence: above 0 and below 1.

    Returns:
      An `Interval`; a point where the runs of no task differ.

    Raises:
      ValueError: for other shapes, a score that is not finite, a confidence out of range.

    >>> [round(value, 2) for value in mean([1.0, 2.0, 3.0, 6.0])]
    [3.0, -0.44, 16.99]

    Source: Hall 1992; Welch 1947. rliable's `aggregate_mean` has the same estimate.
    """
    scores = run_scores("mean", "scores", scores)
    return location(scores).interval(scipy_stats("mean"), tail("mean", confidence))


class Location(NamedTuple):
    """A mean of tasks' means, with what is known of its error: `skewness` is its own, not that of one score."""

    estimate: float
    error: float
    skewness: float
    freedom: float

    def interval(self, stats, outside):
        """The hull of Student's interval and Hall's."""
        t = stats.t.isf(outside, self.freedom)
        hall_low, hall_high = self._unskewed(t), self._unskewed(-t)
        low = self.estimate - self.error * max(t, hall_low)
        return Interval(self.estimate, float(low), float(self.estimate - self.error * min(-t, hall_high)))

    def p_value(self, stats):
        """Of the mean being 0: below 1 - confidence just where the interval leaves out 0."""
        if self.error == 0:
            return float(self.estimate == 0)
        t = self.estimate / self.error
        return float(2 * stats.t.sf(min(abs(t), abs(self._skewed(t))), self.freedom))

    def _skewed(self, t):
        """Hall's transformation: increasing, and about Student's where the skewness is the sample's."""
        if abs(self.skewness) < 1e-6:
            return t
        return ((1 + self.skewness * t / 3) ** 3 - 1) / self.skewness + self.skewness / 6

    def _unskewed(self, t):
        """The inverse of `_skewed`."""
        if abs(self.skewness) < 1e-6:
            return t
        return 3 / self.skewness * (np.cbrt(1 + self.skewness * (t - self.skewness / 6)) - 1)


def location(scores):
    """The `Location` of (runs, tasks) scores."""
    runs, tasks = scores.shape
    constant = np.ptp(scores, axis=0) == 0  # rounding leaves equal scores a little off their mean
    deviations = np.where(constant, 0.0, scores - scores.mean(axis=0))
    variances = np.sum(deviations**2, axis=0) / (runs - 1) / runs
    estimate = float(np.where(constant, scores[0], scores.mean(axis=0)).mean())
    total = np.sum(variances)
    if total == 0:
        return Location(estimate, 0.0, 0.0, runs - 1.0)
    third = np.sum(np.mean(deviations**3, axis=0)) / runs**2
    skewness = third / (total * (runs - 1) / runs) ** 1.5
    freedom = total**2 / np.sum(variances**2) * (runs - 1)
    return Location(estimate, float(np.sqrt(total) / tasks), float(skewness), float(freedom))


def iqm(scores, *, confidence=0.95, resamples=2000, seed=0):
    """The interquartile mean: the mean of the middle half of all scores, runs and tasks together.

        bootstrap:  T* = (iqm* - iqm) / se*,  runs drawn anew within every task
        interval:   iqm - se * (upper, lower quantile of T*)
        se^2 = runs * sum over tasks of the variance of the winsorised scores / (scores kept)^2

    It covered 94-96.6 % of normal, uniform, t3, lognormal and exponential samples of 10, 20 and 30 runs, and of ten
    runs of five tasks; at three runs of five tasks 96-98 %. Plain quantiles of the resampled means covered 93-94 %,
    and 78-85 %.

    Args:
      scores: finite, (runs,) or (runs, tasks), two runs or more.
      confidence: above 0 and below 1.
      resamples: of the bootstrap.
      seed: of the bootstrap.

    Returns:
      An `Interval`. Below ten scores in all resampling breaks down, and it is Tukey and McLaughlin's, by Student's t
      (five runs: 90-95 %).

    Raises:
      ValueError: for other shapes, a score that is not finite, numbers out of range.

    >>> iqm([1.0, 2.0, 4.0, 90.0]).estimate
    3.0

    Source: Agarwal et al. 2021, rliable's `aggregate_iqm`, which has the plain quantiles; the studentised bootstrap:
    Efron 1981, Hall 1988; the error: Tukey & McLaughlin 1963. The number cut at either end is rounded down.
    """
    check_count("iqm", "resamples", resamples)
    scores, outside, stats = run_scores("iqm", "scores", scores), tail("iqm", confidence), scipy_stats("iqm")
    estimate, error = (float(value) for value in _trimmed(stats, scores))
    if scores.size < FEWEST_FOR_RESAMPLING:
        freedom = max(scores.size - 2 * _cut(scores.size) - scores.shape[1], 1)
        high = stats.t.isf(outside, freedom)
        low = -high
    else:
        low, high = _studentised(stats, scores, estimate, outside, resamples, seed)
    return Interval(estimate, float(estimate - error * high), float(estimate - error * low))


def _studentised(stats, scores, estimate, outside, resamples, seed):
    """The lower and upper quantile of T over resamples of the runs within every task."""
    runs, tasks = scores.shape
    drawn = np.random.default_rng(seed).integers(runs, size=(resamples, runs, tasks))
    estimates, errors = _trimmed(stats, scores[drawn, np.arange(tasks)])
    varied = errors > 0  # a resample of one value over and over says nothing of T
    if not varied.any():
        return 0.0, 0.0
    return np.quantile((estimates[varied] - estimate) / errors[varied], [outside, 1 - outside])


def _trimmed(stats, scores):
    """The interquartile means of (..., runs, tasks) scores, and their standard errors."""
    *_, runs, tasks = scores.shape
    pooled = np.sort(scores.reshape(*scores.shape[:-2], runs * tasks), axis=-1)
    cut = _cut(runs * tasks)
    low, high = pooled[..., cut, None, None], pooled[..., runs * tasks - cut - 1, None, None]
    variances = np.var(np.clip(scores, low, high), axis=-2, ddof=1)
    errors = np.sqrt(runs * np.sum(variances, axis=-1)) / (runs * tasks - 2 * cut)
    return stats.trim_mean(pooled, TRIMMED, axis=-1), errors


def _cut(size):
    return int(TRIMMED * size)
