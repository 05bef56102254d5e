"""One number for many runs, with its confidence interval: the mean and the interquartile mean."""

from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxmlp.checks import check_count, check_non_negative
from jaxmlp.statistics.samples import FloatArray, Interval, run_scores, scipy_stats, tail
from jaxmlp.types import Scalar

_TRIMMED = 0.25
_FEWEST_FOR_RESAMPLING = 10


def mean(scores: ArrayLike, *, confidence: Scalar = 0.95, resolution: Scalar = 0.0) -> Interval:
    """The mean over runs and tasks, with an interval that also holds for skewed scores.

        T = (m - mu) / se,    k = third central moment of m / se^3
        Student:   |T| <= t
        Hall:      |((1 + k T / 3)^3 - 1) / k + k / 6| <= t
        interval:  the smallest that contains both

    Student's interval covers skewed scores too rarely (90 % for ten exponential runs); Hall's corrects T for the
    skewness, but covers heavy tails too rarely. The smallest interval that contains both covered the mean in
    94.5-96.8 % of normal, uniform, Laplace, t3, lognormal (0.5) and exponential samples of 10, 20 and 30 runs, and in
    93-97.5 % at five runs. The tasks are taken as given and the runs within each task as a sample: the variances of
    the tasks' means add up, with Welch's degrees of freedom.

    Args:
      scores: finite, (runs,) or (runs, tasks), at least two runs.
      confidence: the nominal coverage, above 0 and below 1.
      resolution: the least difference that a score can show, such as 1 / (test rows) for an accuracy, at least 0. The
        variance of a score counts as resolution^2 / 12 or more, that of a rounding error.

    Returns:
      An `Interval`. If the runs of every task are identical, they show nothing of the error of their mean: the limits
      are NaN, unless there is a resolution and so many runs that a sign test could decide (at 95 %: six).

    Raises:
      TypeError: if the scores are not numbers.
      ValueError: for other shapes, a score that is not finite, or a confidence out of range.

    Example:
      >>> [round(value, 2) for value in mean([1.0, 2.0, 3.0, 6.0])]
      [3.0, -0.44, 16.99]

    References:
      Hall 1992, *On the removal of skewness by transformation*, J. R. Stat. Soc. B 54, 221-228; Welch 1947,
      https://doi.org/10.1093/biomet/34.1-2.28. rliable's `aggregate_mean` computes the same estimate.
    """
    scores, floor = run_scores("mean", "scores", scores), rounding_variance("mean", resolution)
    return location(scores, floor).interval(scipy_stats("mean"), tail("mean", confidence))


def rounding_variance(function: str, resolution: Scalar) -> float:
    """The variance of the rounding error of a score with this resolution."""
    return float(check_non_negative(function, resolution=resolution)) ** 2 / 12


class Location(NamedTuple):
    """A mean of task means, with what is known about its error.

    Attributes:
      estimate: the mean.
      error: its standard error; 0 if the runs of every task are identical.
      skewness: the skewness of the mean (not of single scores).
      freedom: the degrees of freedom of the error.
      identical: whether the runs of every task are identical, so that the error is not measured but assumed.
    """

    estimate: float
    error: float
    skewness: float
    freedom: float
    identical: bool = False

    def interval(self, stats: ModuleType, outside: float) -> Interval:
        """The smallest interval that contains Student's and Hall's; NaN limits if the runs cannot give one."""
        if self.error == 0 or (self.identical and self._sign_test > 2 * outside):
            return Interval(self.estimate, np.nan, np.nan)
        t = stats.t.isf(outside, self.freedom)
        hall_low, hall_high = self._unskewed(t), self._unskewed(-t)
        low = self.estimate - self.error * max(t, hall_low)
        return Interval(self.estimate, float(low), float(self.estimate - self.error * min(-t, hall_high)))

    def p_value(self, stats: ModuleType) -> float:
        """The p-value of a mean of 0, at most 1 - confidence exactly if the interval excludes 0.

        For identical scores of one task other than 0 it is at least that of the sign test.
        """
        if self.error == 0:
            return self._sign_test if self.estimate else 1.0
        t = self.estimate / self.error
        p_value = float(2 * stats.t.sf(min(abs(t), abs(self._skewed(t))), self.freedom))
        return max(p_value, self._sign_test) if self.identical else p_value

    @property
    def _sign_test(self) -> float:
        return 2.0**-self.freedom

    def _skewed(self, t):
        """Hall's transformation: increasing in t, and distributed about like Student's t for this skewness."""
        if abs(self.skewness) < 1e-6:
            return t
        return ((1 + self.skewness * t / 3) ** 3 - 1) / self.skewness + self.skewness / 6

    def _unskewed(self, t):
        """The inverse of `_skewed`."""
        if abs(self.skewness) < 1e-6:
            return t
        return 3 / self.skewness * (np.cbrt(1 + self.skewness * (t - self.skewness / 6)) - 1)


def location(scores: FloatArray, floor: float = 0.0) -> Location:
    """The `Location` of scores (runs, tasks), whose variance counts as `floor` or more."""
    runs, tasks = scores.shape
    constant = np.ptp(scores, axis=0) == 0  # the mean of equal scores may differ from them by rounding
    deviations = np.where(constant, 0.0, scores - scores.mean(axis=0))
    variances = np.sum(deviations**2, axis=0) / (runs - 1) / runs
    estimate = float(np.where(constant, scores[0], scores.mean(axis=0)).mean())
    total = np.sum(variances)
    if total == 0:
        return Location(estimate, float(np.sqrt(floor / runs / tasks)), 0.0, runs - 1.0, True)
    third = np.sum(np.mean(deviations**3, axis=0)) / runs**2
    skewness = third / (total * (runs - 1) / runs) ** 1.5
    freedom = total**2 / np.sum(variances**2) * (runs - 1)
    return Location(estimate, float(np.sqrt(max(total, tasks * floor / runs))) / tasks, skewness, freedom)


def iqm(scores: ArrayLike, *, confidence: Scalar = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """The interquartile mean: the mean of the middle half of all scores, pooled over runs and tasks.

        bootstrap:  T* = (iqm* - iqm) / se*,  runs resampled within each task
        interval:   iqm - se * (upper, lower quantile of T*)
        se^2 = runs * (sum over tasks of the variance of the winsorized scores) / (number of scores kept)^2

    Use it instead of the mean if a few runs fail: a quarter of the scores at either end does not count. The interval
    covered the interquartile mean in 94-96.6 % of normal, uniform, t3, lognormal and exponential samples of 10, 20
    and 30 runs, and of ten runs of five tasks; in 96-98 % at three runs of five tasks. Plain quantiles of the
    resampled means covered 93-94 % and 78-85 %.

    Args:
      scores: finite, (runs,) or (runs, tasks), at least two runs.
      confidence: the nominal coverage, above 0 and below 1.
      resamples: the number of bootstrap resamples, at least 1.
      seed: the seed of the bootstrap.

    Returns:
      An `Interval`. For fewer than ten scores in total the bootstrap is unreliable, and the interval is Tukey and
      McLaughlin's, by Student's t (at five runs it covers 90-95 %). If the middle scores of every task are identical,
      they show nothing of the error: the limits are NaN.

    Raises:
      TypeError: if the scores are not numbers.
      ValueError: for other shapes, a score that is not finite, or numbers out of range.

    Example:
      >>> iqm([1.0, 2.0, 4.0, 90.0]).estimate
      3.0

    References:
      Agarwal et al. 2021, https://arxiv.org/abs/2108.13264: rliable's `aggregate_iqm`, which uses the plain
      quantiles. The studentized bootstrap: Hall 1988, https://doi.org/10.1214/aos/1176350933. The standard error:
      Tukey & McLaughlin 1963, Sankhya A 25, 331-352. The number of scores cut at either end is rounded down.
    """
    check_count("iqm", resamples=resamples)
    scores, outside, stats = run_scores("iqm", "scores", scores), tail("iqm", confidence), scipy_stats("iqm")
    estimate, error = (float(value) for value in _trimmed(stats, scores))
    if error == 0:
        return Interval(estimate, np.nan, np.nan)
    if scores.size < _FEWEST_FOR_RESAMPLING:
        freedom = max(scores.size - 2 * _cut(scores.size) - scores.shape[1], 1)
        high = stats.t.isf(outside, freedom)
        low = -high
    else:
        low, high = _studentized(stats, scores, estimate, outside, resamples, seed)
    return Interval(estimate, float(estimate - error * high), float(estimate - error * low))


def _studentized(stats, scores, estimate, outside, resamples, seed):
    """The lower and upper quantile of T over resamples of the runs within each task."""
    runs, tasks = scores.shape
    drawn = np.random.default_rng(seed).integers(runs, size=(resamples, runs, tasks))
    estimates, errors = _trimmed(stats, scores[drawn, np.arange(tasks)])
    varied = errors > 0  # a resample of identical scores shows nothing of T
    if not varied.any():
        return np.nan, np.nan
    return np.quantile((estimates[varied] - estimate) / errors[varied], [outside, 1 - outside])


def _trimmed(stats, scores):
    """The interquartile means of scores (..., runs, tasks), and their standard errors."""
    *_, runs, tasks = scores.shape
    pooled = np.sort(scores.reshape(*scores.shape[:-2], runs * tasks))
    cut = _cut(runs * tasks)
    low, high = pooled[..., cut, None, None], pooled[..., runs * tasks - cut - 1, None, None]
    winsorized = np.clip(scores, low, high)
    constant = np.ptp(winsorized, axis=-2) == 0  # rounding may give identical scores a variance above 0
    variances = np.where(constant, 0.0, np.var(winsorized, axis=-2, ddof=1))
    errors = np.sqrt(runs * np.sum(variances, axis=-1)) / (runs * tasks - 2 * cut)
    return stats.trim_mean(pooled, _TRIMMED, axis=-1), errors


def _cut(size):
    """The number of scores trimmed at either end."""
    return int(_TRIMMED * size)
