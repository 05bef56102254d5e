"""mean and iqm: values by hand and by independent definitions."""

import itertools

import numpy as np
import pytest
from scipy import optimize, stats

from jaxmlp import statistics
from tests.statistics.cases import INF, NAN, RUNS, student_interval

SKEWED = [1.0, 2.0, 3.0, 6.0]


def hall_interval(scores, confidence=0.95):
    """Hall's interval of (runs, tasks) scores by root finding, from moments that SciPy computes."""
    runs, tasks = scores.shape
    variances = stats.moment(scores, order=2, axis=0) / runs
    thirds = stats.moment(scores, order=3, axis=0) / runs**2
    k = thirds.sum() / variances.sum() ** 1.5
    errors = scores.var(axis=0, ddof=1) / runs
    freedom = errors.sum() ** 2 / (errors**2 / (runs - 1)).sum()
    t = stats.t.ppf((1 + confidence) / 2, freedom)

    def miss(statistic, wanted):
        return statistic + k * statistic**2 / 3 + k**2 * statistic**3 / 27 + k / 6 - wanted

    high, low = (optimize.brentq(miss, -300, 300, args=(wanted,)) for wanted in (-t, t))
    error = np.sqrt(errors.sum()) / tasks
    return scores.mean() - error * low, scores.mean() - error * high


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("sign", [1, -1])
def test_mean_interval_contains_those_of_student_and_hall(sign, confidence):
    scores = sign * np.array(RUNS)
    hall, student = hall_interval(scores[:, None], confidence), student_interval(scores, confidence)
    assert hall != pytest.approx(student, rel=0.01)
    wanted = (scores.mean(), min(hall[0], student[0]), max(hall[1], student[1]))
    assert statistics.mean(scores, confidence=confidence) == pytest.approx(wanted, rel=1e-9)


def test_mean_by_hand():
    # m = 3, se = sqrt(14 / 12), k = (18 / 64) / 0.875^1.5, t = 3.18245
    interval = statistics.mean(SKEWED)
    assert interval.estimate == 3.0
    assert interval.low == pytest.approx(3 - 3.182446305 * np.sqrt(14 / 12))
    k, t = 0.28125 / 0.875**1.5, -3.182446305
    high = 3 - np.sqrt(14 / 12) * 3 / k * (np.cbrt(1 + k * (t - k / 6)) - 1)
    assert interval.high == pytest.approx(high)


def test_mean_interval_of_tasks_without_skewness_is_that_of_welch():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([10.0, 14.0, 18.0])
    welch = stats.ttest_ind(a, -b, equal_var=False).confidence_interval()
    interval = statistics.mean(np.stack([a, b], axis=1))
    assert interval == pytest.approx((8.0, welch.low / 2, welch.high / 2), rel=1e-9)


def test_mean_of_skewed_tasks():
    scores = np.array([RUNS, np.square(RUNS), np.sqrt(RUNS)]).T
    interval = statistics.mean(scores)
    low, high = hall_interval(scores)
    assert interval.estimate == pytest.approx(scores.mean())
    assert interval.high == pytest.approx(high) and interval.low < low


def test_mean_shifts_and_scales_with_the_scores():
    interval = np.array(statistics.mean(RUNS))
    np.testing.assert_allclose(statistics.mean(5 + 2 * np.array(RUNS)), 5 + 2 * interval)


def test_identical_runs_leave_the_interval_undefined():
    # The mean of seven times 0.1 differs from 0.1 by rounding.
    assert statistics.mean(np.full(7, 0.1)).estimate == 0.1 != np.mean(np.full(7, 0.1))
    assert np.isnan(statistics.mean(np.full(7, 0.1))[1:]).all()
    assert statistics.mean([[1.0, 4.0], [1.0, 4.0]]) == pytest.approx((2.5, NAN, NAN), nan_ok=True)
    assert statistics.mean([0.9] * 5)[1:] == pytest.approx((NAN, NAN), nan_ok=True)


def test_identical_runs_in_every_task_leave_the_interval_undefined():
    scores = np.tile([0.1, 0.7, 0.3], (7, 1))
    assert scores.var(axis=0)[0] > 0  # by rounding
    for function in (statistics.mean, statistics.iqm):
        assert np.isnan(function(scores)[1:]).all()


def test_a_task_of_identical_runs_adds_no_error():
    scores = np.column_stack([np.full(11, 0.1), RUNS])
    alone = statistics.mean(RUNS)
    assert statistics.mean(scores) == pytest.approx([(0.1 + value) / 2 for value in alone])


def winsorized_iqm(scores):
    """The interquartile mean and its error by loops, from the definitions."""
    runs, tasks = scores.shape
    ordered = sorted(scores.ravel().tolist())
    cut = runs * tasks // 4
    kept = ordered[cut : len(ordered) - cut]
    squares = 0.0
    for task in range(tasks):
        column = [min(max(score, kept[0]), kept[-1]) for score in scores[:, task].tolist()]
        middle = sum(column) / runs
        squares += sum((score - middle) ** 2 for score in column) * runs / (runs - 1)
    return sum(kept) / len(kept), np.sqrt(squares) / len(kept)


def test_iqm_by_hand():
    # At either end 1 of 5 scores is cut, 2 of 11, and 3 of 6 runs by 2 tasks.
    assert statistics.iqm([5.0, 1.0, 2.0, 90.0, 4.0]).estimate == pytest.approx(11 / 3)
    assert statistics.iqm(RUNS).estimate == pytest.approx(np.mean(sorted(RUNS)[2:-2]))
    scores = np.array([[1.0, 2, 3, 4, 5, 6], [0, 0, 0, 100, 200, 300]]).T
    assert statistics.iqm(scores).estimate == pytest.approx((1 + 2 + 3 + 4 + 5 + 6) / 6)


def test_iqm_interval_of_few_scores_is_that_of_tukey_and_mclaughlin():
    scores = np.array(RUNS[:9])
    low, high = stats.mstats.trimmed_mean_ci(scores, limits=(2 / 9, 2 / 9))
    interval = statistics.iqm(scores)
    assert interval == pytest.approx((stats.trim_mean(scores, 0.25), low, high), rel=1e-9)
    estimate, error = winsorized_iqm(scores.reshape(3, 3))
    t = stats.t.ppf(0.95, 5 - 3)
    wanted = (estimate, estimate - t * error, estimate + t * error)
    assert statistics.iqm(scores.reshape(3, 3), confidence=0.9) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("shape", [(11, 1), (4, 3)])
def test_iqm_interval_is_a_studentized_bootstrap_within_tasks(shape):
    scores = np.array([*RUNS, 8.8])[: shape[0] * shape[1]].reshape(shape)
    estimate, error = winsorized_iqm(scores)
    drawn = np.random.default_rng(5).integers(shape[0], size=(300, *shape))
    pivots = []
    for resample in drawn:
        mean, spread = winsorized_iqm(np.take_along_axis(scores, resample, axis=0))
        pivots += [(mean - estimate) / spread] if spread > 0 else []
    low, high = np.quantile(pivots, [0.05, 0.95])
    interval = statistics.iqm(scores, confidence=0.9, resamples=300, seed=5)
    assert interval == pytest.approx((estimate, estimate - high * error, estimate - low * error), rel=1e-9)


def test_iqm_of_few_scores_keeps_one_degree_of_freedom():
    # Two runs of four tasks: eight scores minus four trimmed ones minus four means leave no degree of freedom.
    scores = np.array([[1.0, 2.0, 3.0, 4.0], [1.5, 5.0, 2.5, 7.0]])
    estimate, error = winsorized_iqm(scores)
    t = stats.t.ppf(0.975, 1)
    assert statistics.iqm(scores) == pytest.approx((estimate, estimate - t * error, estimate + t * error), rel=1e-9)


def test_a_bootstrap_of_identical_resamples_leaves_the_interval_undefined():
    scores = [0.0] * 7 + [1.0] * 3
    drawn = np.array(scores)[np.random.default_rng(0).integers(10, size=(1, 10, 1))]
    assert np.sum(drawn) <= 2  # of which both are trimmed
    interval = statistics.iqm(scores, resamples=1, seed=0)
    assert interval == pytest.approx((1 / 6, NAN, NAN), nan_ok=True)


def test_iqm_follows_its_seed():
    assert statistics.iqm(RUNS, seed=3) == statistics.iqm(RUNS, seed=3) != statistics.iqm(RUNS, seed=4)


def test_iqm_interval_of_two_runs_is_that_of_student():
    assert statistics.iqm([1.0, 4.0]) == pytest.approx((2.5, *student_interval(np.array([1.0, 4.0]))))


def test_iqm_resamples_from_ten_scores_on():
    assert statistics.iqm(RUNS[:10], seed=3) != statistics.iqm(RUNS[:10], seed=4)
    assert statistics.iqm(RUNS[:9], seed=3) == statistics.iqm(RUNS[:9], seed=4)
    assert statistics.iqm(RUNS) == statistics.iqm(RUNS, confidence=0.95, resamples=2000, seed=0)


def test_an_identical_middle_leaves_the_interval_undefined():
    for scores in ([1.0] * 11 + [5.0], [0.1] * 7, np.full((5, 4), 0.1), [[1.0, 1.0]] * 2):
        interval = statistics.iqm(scores)
        assert interval == pytest.approx((np.min(scores), NAN, NAN), nan_ok=True)


WRONG = [
    (lambda: statistics.mean("abc"), TypeError, "mean: scores must be an array of numbers, got 'abc'"),
    (lambda: statistics.mean([[1, 2], [3]]), TypeError, "mean: scores must be an array of numbers, got [[1, 2], [3]]"),
    (
        lambda: statistics.mean([1.0]),
        ValueError,
        "mean: scores must be of shape (runs,) or (runs, tasks) with two runs or more, got (1,)",
    ),
    (
        lambda: statistics.iqm([]),
        ValueError,
        "iqm: scores must be of shape (runs,) or (runs, tasks) with two runs or more, got (0,)",
    ),
    (
        lambda: statistics.iqm(np.ones((3, 0))),
        ValueError,
        "iqm: scores must be of shape (runs,) or (runs, tasks) with two runs or more, got (3, 0)",
    ),
    (
        lambda: statistics.mean(np.ones((3, 2, 2))),
        ValueError,
        "mean: scores must be of shape (runs,) or (runs, tasks) with two runs or more, got (3, 2, 2)",
    ),
    (
        lambda: statistics.iqm([1.0, NAN, INF]),
        ValueError,
        "iqm: scores must be finite (decide first what a diverged run is worth), got nan",
    ),
    (
        lambda: statistics.mean([1.0, -INF]),
        ValueError,
        "mean: scores must be finite (decide first what a diverged run is worth), got -inf",
    ),
    (
        lambda: statistics.mean([1.0, 2.0], confidence=1.0),
        ValueError,
        "mean: confidence must be above 0 and below 1, got 1.0",
    ),
    (
        lambda: statistics.iqm([1.0, 2.0], confidence=0),
        ValueError,
        "iqm: confidence must be above 0 and below 1, got 0.0",
    ),
    (
        lambda: statistics.iqm([1.0, 2.0], resamples=0),
        ValueError,
        "iqm: resamples must be a whole number of at least 1, got 0",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=itertools.count())
def test_errors_say_function_argument_rule_and_value(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_identical_runs_with_a_resolution_have_an_interval_if_there_are_enough():
    half = stats.t.ppf(0.975, 5) * 0.1 / np.sqrt(12 * 6)
    assert statistics.mean([0.5] * 6, resolution=0.1) == pytest.approx((0.5, 0.5 - half, 0.5 + half))
    assert np.isnan(statistics.mean([0.5] * 5, resolution=0.1).low) and np.isnan(statistics.mean([0.5] * 6).low)
    two = statistics.mean(np.full((6, 2), 0.5), resolution=0.1)
    assert two.high - 0.5 == pytest.approx(half / np.sqrt(2))
