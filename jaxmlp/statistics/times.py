"""How long runs take to reach a target, if some of them never reach it."""

import warnings

import numpy as np
from numpy.typing import ArrayLike

from jaxmlp.checks import check_choice, check_scalar, require
from jaxmlp.statistics.samples import FloatArray, Interval, real_array, scipy_stats, tail
from jaxmlp.types import Scalar


def time_to_target(history: ArrayLike, target: Scalar, mode: str = "max") -> FloatArray:
    """The first epoch at which each run reaches the target, counted from 1; inf if it never does.

    Args:
      history: the score of each run after each epoch (or evaluation, or step), (runs, epochs); NaN after a run's end.
      target: a finite number.
      mode: "max" if a run reaches the target at that score or above, "min" if at that score or below.

    Returns:
      Times, (runs,).

    Raises:
      TypeError: if the history or the target is not made of numbers.
      ValueError: for other shapes, a target that is not finite, or an unknown mode.

    Example:
      >>> time_to_target([[0.5, 0.8, 0.9], [0.6, 0.7, 0.7]], 0.8).tolist()
      [2.0, inf]
    """
    history = real_array("time_to_target", "history", history)
    fits = history.ndim == 2 and history.size > 0
    require(fits, "time_to_target", "history", "be of shape (runs, epochs), not empty", history.shape)
    target = float(check_scalar("time_to_target", target=target))
    require(np.isfinite(target), "time_to_target", "target", "be finite", target)
    check_choice("time_to_target", ("max", "min"), mode=mode)
    reached = history >= target if mode == "max" else history <= target
    return np.where(reached.any(axis=1), 1.0 + reached.argmax(axis=1), np.inf)


def median_time(times: ArrayLike, limit: ArrayLike, *, confidence: Scalar = 0.95) -> Interval:
    """The time by which half of the runs have reached the target, including the runs that were stopped before.

    If all runs have the same limit, the estimate is the least time by which at least half of them had reached the
    target. Its interval lies between the order statistics X_d and X_(n + 1 - d), each interpolated toward its inner
    neighbor so that the coverage is `confidence` instead of more (Hettmansperger & Sheather). If each run has its own
    limit, the estimate is the median of the Kaplan-Meier curve, with Brookmeyer and Crowley's interval on the log-log
    scale. At 10, 20 and 30 runs the first interval covered 93.6-96.2 % with up to three runs in ten censored, the
    second 93.6-97.5 %.

    Args:
      times: above 0, (runs,). A time of inf, or beyond the run's limit, is censored: not reached within the limit.
      limit: how long each run was observed, finite and above 0; one number or (runs,).
      confidence: the nominal coverage, above 0 and below 1.

    Returns:
      An `Interval`. The estimate or the upper limit is inf if too few runs reached the target. With too few runs for
      an interval (at 95 %: five or fewer), the limits are 0 and inf. If hardly any run reached the target, the lower
      limit is the time limit. Identical times give a point: the interval assumes nothing about their spread.

    Raises:
      TypeError: if the times or limits are not numbers.
      ValueError: for other shapes, NaN, or numbers out of range.

    Example:
      >>> median_time([3.0, 5.0, 4.0, float("inf"), 6.0, 9.0], limit=10).estimate
      5.0

    References:
      Kaplan & Meier 1958, https://doi.org/10.1080/01621459.1958.10501452; Hettmansperger & Sheather 1986,
      https://doi.org/10.1016/0167-7152(86)90021-0; Brookmeyer & Crowley 1982, https://doi.org/10.2307/2530286.
    """
    function = "median_time"
    times, outside, stats = real_array(function, "times", times), tail(function, confidence), scipy_stats(function)
    require(times.ndim == 1 and times.size >= 2, function, "times", "be of shape (runs,), two or more", times.shape)
    wrong = times[~(times > 0)]
    require(wrong.size == 0, function, "times", "be above 0", wrong[:1].tolist())
    limits = _limits(function, limit, times.shape)
    if limits.min() == limits.max():
        return _common_limit(stats, np.sort(np.where(times <= limits, times, np.inf)), limits[0], outside)
    return _own_limits(stats, times, limits, outside)


def _limits(function, limit, shape):
    """The limit of each run, (runs,)."""
    limits = real_array(function, "limit", limit)
    require(limits.shape in ((), shape), function, "limit", f"be a number or of shape {shape}", limits.shape)
    inside = (limits > 0) & np.isfinite(limits)
    require(inside.all(), function, "limit", "be above 0 and finite", np.ravel(limits)[~np.ravel(inside)][:1].tolist())
    return np.broadcast_to(limits, shape)


def _common_limit(stats, times, limit, outside):
    """The median of sorted times, inf if censored, and its interval."""
    runs = len(times)
    estimate = times[(runs + 1) // 2 - 1]
    inward = _inward(stats, runs, outside)
    if inward is None:
        return Interval(float(estimate), 0.0, np.inf)
    depth, weight = inward
    # A censored time is above the limit: the lower end may use the limit instead, the upper end is unknown.
    known = np.minimum(times, limit)
    low = known[depth - 1] + weight * (known[depth] - known[depth - 1])
    high = np.inf if np.isinf(times[-depth]) else times[-depth] + weight * (times[-depth - 1] - times[-depth])
    return Interval(float(estimate), float(low), float(high))


def _inward(stats, runs, outside):
    """The order statistic to start from, and the weight of its inner neighbor; None if there are too few runs."""
    depth = int(stats.binom.ppf(outside, runs, 0.5))
    if depth == 0:
        return None
    missed, missed_next = (2 * stats.binom.cdf(number, runs, 0.5) for number in (depth - 1, depth))
    fraction = (2 * outside - missed) / (missed_next - missed)
    return depth, (runs - depth) * fraction / (depth + (runs - 2 * depth) * fraction)


def _own_limits(stats, times, limits, outside):
    """The median of the Kaplan-Meier curve, and its interval."""
    reached = times <= limits
    data = stats.CensoredData(uncensored=times[reached], right=limits[~reached])
    curve = stats.ecdf(data).sf
    with warnings.catch_warnings():
        # The band is undefined before the first run reaches the target, and after the last one has.
        warnings.simplefilter("ignore", RuntimeWarning)
        band = curve.confidence_interval(1 - 2 * outside, method="log-log")
    half = curve.probabilities <= 0.5
    ever = (half, half | (band.low.probabilities <= 0.5), band.high.probabilities <= 0.5)
    estimate, low, high = (_first(curve.quantiles, below) for below in ever)
    return Interval(estimate, min(low, float(limits.max())), high)


def _first(times, below):
    """The first time at which the condition holds; inf if it never does."""
    return float(times[below.argmax()]) if below.any() else np.inf
