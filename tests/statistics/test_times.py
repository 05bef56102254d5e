"""Times to a target: values by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxmlp import statistics
from tests.statistics.cases import INF, NAN


def test_time_to_target():
    history = [[0.5, 0.8, 0.9, 0.7], [0.6, 0.7, NAN, NAN], [0.8, 0.1, 0.9, 0.9], [0.1, 0.2, 0.3, 0.81]]
    assert statistics.time_to_target(history, 0.8).tolist() == [2.0, INF, 1.0, 4.0]
    assert statistics.time_to_target(history, 0.15, mode="min").tolist() == [INF, INF, 2.0, 1.0]
    assert statistics.time_to_target(history, 0.1, mode="min").tolist() == [INF, INF, 2.0, 1.0]


TIMES = np.array([64.0, 1.0, 512.0, 4.0, 2.0, 128.0, 8.0, 16.0, 256.0, 32.0])


# Ten runs: X_2 and X_9 cover by 1 - 22 / 1024, X_3 and X_8 by 1 - 112 / 1024.
SHARE = (0.05 - 22 / 1024) / (90 / 1024)


WEIGHT = 8 * SHARE / (2 + 6 * SHARE)


def test_median_time_by_hand():
    interval = statistics.median_time(TIMES, 1000)
    assert interval == pytest.approx((16.0, 2 + WEIGHT * 2, 256 - WEIGHT * 128))
    assert statistics.median_time([3.0, 1.0, 2.0], 9) == (2.0, 0.0, INF)


def test_median_time_of_censored_runs():
    # Four runs are above 50, at whatever time: the upper limit is unknown.
    for late in (TIMES, np.where(TIMES > 50, INF, TIMES)):
        assert statistics.median_time(late, 50) == pytest.approx((16.0, 2 + WEIGHT * 2, INF))
    assert statistics.median_time(TIMES, 15) == pytest.approx((INF, 2 + WEIGHT * 2, INF))
    assert statistics.median_time(TIMES, 16).estimate == 16.0
    assert statistics.median_time(TIMES, 3) == pytest.approx((INF, 2 + WEIGHT, INF))
    assert statistics.median_time(np.full(10, INF), 7) == (INF, 7.0, INF)


def test_median_time_needs_six_runs_for_an_interval():
    assert statistics.median_time(TIMES[:5], 999)[1:] == (0.0, INF)
    assert statistics.median_time(TIMES[:6], 999).high < INF
    assert statistics.median_time(TIMES[:5], 999, confidence=0.9).high < INF


OWN = ([1.0, 3.0, INF, 5.0, 6.0, INF, 8.0, 9.0], [20.0, 20.0, 2.0, 20.0, 20.0, 4.0, 20.0, 20.0])


def test_median_time_with_one_limit_per_run():
    # The curve is multiplied by 1 - 1 / (runs still observed) at each time reached: 8, 6, 4, 3 and 2 runs.
    survival = np.cumprod([7 / 8, 5 / 6, 3 / 4, 2 / 3, 1 / 2])
    greenwood = np.cumsum([1 / (8 * 7), 1 / (6 * 5), 1 / (4 * 3), 1 / (3 * 2), 1 / (2 * 1)])
    spread = np.exp(stats.norm.ppf(0.9) * np.sqrt(greenwood) / np.abs(np.log(survival)))
    at = np.array([1.0, 3.0, 5.0, 6.0, 8.0])
    wanted = [at[np.argmax(curve <= 0.5)] for curve in (survival, survival**spread, survival ** (1 / spread))]
    assert wanted == [6.0, 3.0, 8.0]
    assert statistics.median_time(*OWN, confidence=0.8) == tuple(wanted)
    assert statistics.median_time(*OWN).high == INF


def kaplan_meier(times, limits, confidence):
    """The median of the Kaplan-Meier curve and its log-log interval, by a loop over the times reached."""
    z, survival, greenwood = stats.norm.ppf((1 + confidence) / 2), 1.0, 0.0
    median, low, high = INF, INF, INF
    for time in sorted(times[times <= limits]):
        observed = np.sum(np.minimum(times, limits) >= time)
        survival *= 1 - 1 / observed
        greenwood += 1 / (observed * (observed - 1))
        spread = np.exp(z * np.sqrt(greenwood) / abs(np.log(survival)))
        curves = survival, survival**spread, survival ** (1 / spread)
        median, low, high = (
            min(found, time) if curve <= 0.5 else found
            for found, curve in zip((median, low, high), curves, strict=True)
        )
    return median, low, high


@pytest.mark.parametrize("confidence", [0.3, 0.5, 0.68, 0.8, 0.9, 0.95, 0.99])
def test_median_time_agrees_with_a_kaplan_meier_loop(confidence):
    rng = np.random.default_rng(7)
    times, limits = rng.permutation(np.arange(1.0, 61.0)), rng.uniform(40, 90, size=60)
    times[np.argmax(times)], limits[0] = 200.0, 95.0  # the last run observed is censored
    wanted = kaplan_meier(times, limits, confidence)
    assert wanted[1] < wanted[0] < wanted[2] < INF
    assert statistics.median_time(times, limits, confidence=confidence) == wanted


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("runs", [6, 9, 20, 31])
def test_median_time_lies_between_interpolated_order_statistics(runs, confidence):
    times = np.arange(1.0, runs + 1) ** 2
    depth = max(d for d in range(1, runs) if 2 * stats.binom.cdf(d - 1, runs, 0.5) <= 1 - confidence or d == 1)
    outer, inner = (1 - 2 * stats.binom.cdf(d - 1, runs, 0.5) for d in (depth, depth + 1))
    if outer < confidence:  # too few runs
        assert statistics.median_time(times, 9999, confidence=confidence)[1:] == (0.0, INF)
        return
    share = (outer - confidence) / (outer - inner)
    weight = (runs - depth) * share / (depth + (runs - 2 * depth) * share)
    low = (1 - weight) * times[depth - 1] + weight * times[depth]
    high = (1 - weight) * times[runs - depth] + weight * times[runs - depth - 1]
    wanted = times[(runs - 1) // 2], low, high
    assert statistics.median_time(times, 9999, confidence=confidence) == pytest.approx(wanted)


def test_median_time_with_one_limit_per_run_at_the_edges():
    assert statistics.median_time([INF, INF, 5.0, INF], [9, 9, 2, 8]) == (INF, 9.0, INF)
    assert statistics.median_time([1.0, 1.0, 1.0], [1, 2, 3]) == (1.0, 1.0, INF)
    # Reached exactly at the limit, and by exactly half of the runs.
    assert statistics.median_time([3.0, 5.0, 9.0], [3.0, 5.0, 6.0]).estimate == 5.0
    for runs in range(4, 40, 2):
        limits = np.full(runs, 99.0)
        limits[-1] = 98.0
        assert statistics.median_time(np.arange(1.0, runs + 1), limits).estimate == runs / 2
    # A run stopped before any run reached the target: the band is undefined there and gives no bound.
    assert statistics.median_time([INF, 5.0, 5.0, 6.0, 7.0], [1, 9, 9, 9, 9]).low == 5.0


WRONG = [
    (
        lambda: statistics.time_to_target(np.ones((1, 2, 3)), 0.5),
        ValueError,
        "time_to_target: history must be of shape (runs, epochs), not empty, got (1, 2, 3)",
    ),
    (
        lambda: statistics.median_time([1.0, 2.0], [-1, 0]),
        ValueError,
        "median_time: limit must be above 0 and finite, got [-1.0]",
    ),
    (
        lambda: statistics.time_to_target([0.5, 0.6], 0.5),
        ValueError,
        "time_to_target: history must be of shape (runs, epochs), not empty, got (2,)",
    ),
    (
        lambda: statistics.time_to_target(np.ones((2, 0)), 0.5),
        ValueError,
        "time_to_target: history must be of shape (runs, epochs), not empty, got (2, 0)",
    ),
    (lambda: statistics.time_to_target([[0.5]], NAN), ValueError, "time_to_target: target must be finite, got nan"),
    (
        lambda: statistics.time_to_target([[0.5]], [0.5]),
        TypeError,
        "time_to_target: target must be a number, got [0.5]",
    ),
    (
        lambda: statistics.time_to_target([[0.5]], 0.5, mode="up"),
        ValueError,
        "time_to_target: mode must be one of max, min, got 'up'",
    ),
    (
        lambda: statistics.median_time([1.0], 3),
        ValueError,
        "median_time: times must be of shape (runs,), two or more, got (1,)",
    ),
    (
        lambda: statistics.median_time([[1.0, 2.0]], 3),
        ValueError,
        "median_time: times must be of shape (runs,), two or more, got (1, 2)",
    ),
    (lambda: statistics.median_time([NAN, 0.0], 3), ValueError, "median_time: times must be above 0, got [nan]"),
    (lambda: statistics.median_time([1.0, 0.0], 3), ValueError, "median_time: times must be above 0, got [0.0]"),
    (
        lambda: statistics.median_time([1.0, 2.0], INF),
        ValueError,
        "median_time: limit must be above 0 and finite, got [inf]",
    ),
    (
        lambda: statistics.median_time([1.0, 2.0], [3, 0]),
        ValueError,
        "median_time: limit must be above 0 and finite, got [0.0]",
    ),
    (
        lambda: statistics.median_time([1.0, 2.0], [3, 3, 3]),
        ValueError,
        "median_time: limit must be a number or of shape (2,), got (3,)",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=itertools.count())
def test_errors_say_function_argument_rule_and_value(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
