"""Comparisons: values by hand and by independent definitions."""

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxmlp import statistics
from tests.statistics.cases import INF, NAN, RUNS, student_interval


def brunner_munzel_error(a, b):
    """The variance of the share of pairs won, by loops (DeLong et al. 1988)."""
    won = [[(x > y) + 0.5 * (x == y) for y in b] for x in a]
    rows, columns = [np.mean(row) for row in won], [np.mean(column) for column in zip(*won, strict=True)]
    return np.var(rows, ddof=1) / len(a) + np.var(columns, ddof=1) / len(b)


def hanley_mcneil(p, n, m):
    """Variance of the area under the curve for exponential scores, with (n + m) / 2 - 1 for both sample sizes less 1."""
    q1, q2 = p / (2 - p), 2 * p**2 / (1 + p)
    return (p * (1 - p) + ((n + m) / 2 - 1) * (q1 - p**2 + q2 - p**2)) / (n * m)


def wilson(p, squared):
    """Both P of (p - P)^2 = squared P (1 - P)."""
    return sorted(np.roots([1 + squared, -2 * p - squared, p**2]).real)


A = [3.0, 5.0, 2.0, 8.0, 4.0]


B = [1.0, 3.0, 6.0]


def test_probability_is_the_mann_whitney_share_averaged_over_tasks():
    assert statistics.probability_of_improvement(A, B).estimate == pytest.approx(9.5 / 15)
    assert stats.mannwhitneyu(A, B).statistic == 9.5
    both = statistics.probability_of_improvement(np.array([A, A]).T, np.array([B, [9.0, 9.0, 8.0]]).T)
    assert both.estimate == pytest.approx(10 / 30)


def test_probability_interval_of_one_task():
    p, weight = 9.5 / 15, 2 * 3 * 5.5 / 15
    variance = (weight * brunner_munzel_error(A, B) + hanley_mcneil(p, 5, 3)) / (weight + 1)
    low, high = wilson(p, stats.norm.ppf(0.95) ** 2 * variance / (p * (1 - p)))
    assert statistics.probability_of_improvement(A, B, confidence=0.9) == pytest.approx((p, low, high), rel=1e-9)


def test_probability_interval_if_some_tasks_are_always_won():
    a, b = np.array([A, A, A]).T, np.array([B, [0.0, 1.0, 1.5], [9.0, 9.0, 9.0]]).T
    p, weight = (9.5 / 15 + 1) / 3, 2.2
    # Certain tasks count as half a pair of fifteen away from 0 or 1.
    contested = (weight * brunner_munzel_error(A, B) + hanley_mcneil(9.5 / 15, 5, 3)) / (weight + 1)
    variance = (contested + 2 * hanley_mcneil(1 / 30, 5, 3)) / 9
    low, high = wilson(p, stats.norm.ppf(0.975) ** 2 * variance / (p * (1 - p)))
    assert statistics.probability_of_improvement(a, b) == pytest.approx((p, low, high), rel=1e-9)


def test_probability_if_one_side_always_wins():
    # r = (1 + (2.5 - 1) / 2) / 6 for 2 runs against 3, low = 1 / (1 + z^2 r)
    z = stats.norm.ppf(0.975) ** 2
    won, lost = (statistics.probability_of_improvement(*pair) for pair in (([4, 5], [1, 2, 3]), ([1, 2, 3], [4, 5])))
    assert won == pytest.approx((1.0, 1 / (1 + z * 1.75 / 6), 1.0))
    assert lost == pytest.approx((0.0, 0.0, 1 - won.low))
    twice = statistics.probability_of_improvement([[4, 4], [5, 5]], [[1, 1], [2, 2], [3, 3]])
    assert twice.low == pytest.approx(1 / (1 + z * 1.75 / 12))


def test_probability_intervals_stay_within_0_and_1():
    # Without clipping, rounding leads out of [0, 1] for some numbers of runs.
    for runs_a in range(2, 30):
        for runs_b in (2, 3, 7, 20):
            won = statistics.probability_of_improvement(np.ones(runs_a), np.zeros(runs_b))
            lost = statistics.probability_of_improvement(np.zeros(runs_a), np.ones(runs_b))
            assert 0 < won.low < won.high <= 1 and 0 <= lost.low < lost.high < 1


def test_probability_of_swapped_sides_is_the_complement():
    there, back = statistics.probability_of_improvement(A, B), statistics.probability_of_improvement(B, A)
    assert there == pytest.approx((1 - back.estimate, 1 - back.high, 1 - back.low))


def test_paired_by_hand():
    result = statistics.paired([0.9, 0.8, 0.7, 0.9, 0.1], [0.8, 0.8, 0.5, 0.6, 0.2])
    differences = np.array([0.1, 0.0, 0.2, 0.3, -0.1])
    assert (result.wins, result.ties, result.losses, result.n) == (3, 1, 1, 5)
    # mean 0.1, deviation sqrt(0.1 / 4), Hedges' factor 1 - 3 / 15
    assert result.effect_size == pytest.approx(0.1 / np.sqrt(0.025) * 0.8)
    # These differences are symmetric: Hall's interval is Student's.
    assert result.difference == pytest.approx((0.1, *student_interval(differences)))
    assert result.p_value == pytest.approx(stats.ttest_1samp(differences, 0)[1])
    assert statistics.paired(differences, np.zeros(5), confidence=0.8).difference == pytest.approx(
        (0.1, *student_interval(differences, 0.8))
    )


@pytest.mark.parametrize("shift", [-9.0, -5.0, -2.0, -1.0, 0.5, 3.0])
def test_paired_p_value_agrees_with_the_interval(shift):
    result = statistics.paired(np.array(RUNS) + shift, np.zeros(11))
    assert result.p_value >= stats.ttest_rel(np.array(RUNS) + shift, np.zeros(11))[1] - 1e-15
    edge = statistics.paired(np.array(RUNS) + shift, np.zeros(11), confidence=1 - result.p_value).difference
    nearer = edge.low if edge.estimate > 0 else edge.high
    assert nearer == pytest.approx(0.0, abs=1e-9)


def test_paired_p_value_of_skewed_differences_uses_halls_transformation():
    differences = np.array(RUNS) - 7.0  # negative with a long upper tail: the t test is too confident
    k = stats.skew(differences) / np.sqrt(11)
    t = differences.mean() / stats.sem(differences)
    skewed = t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6
    assert abs(skewed) < abs(t)
    assert statistics.paired(differences, np.zeros(11)).p_value == pytest.approx(2 * stats.t.sf(abs(skewed), 10))


def test_paired_without_any_difference():
    result = statistics.paired(RUNS, RUNS)
    assert result[1:] == (1.0, 0.0, 0, 11, 0, 11)
    assert result.difference == pytest.approx((0.0, NAN, NAN), nan_ok=True)


@pytest.mark.parametrize("n", [2, 5, 6, 30])
def test_identical_differences_are_judged_by_the_sign_test(n):
    result = statistics.paired([0.5] * n, [0.75] * n)
    p = stats.binomtest(0, n).pvalue
    assert result[1:] == (pytest.approx(p), -INF, 0, 0, n, n)
    limits = (-0.25, -0.25) if p < 0.05 else (NAN, NAN)
    assert result.difference == pytest.approx((-0.25, *limits), nan_ok=True)
    # Six pairs give p = 1 / 32: not significant at 3 %, just significant at 1 / 32.
    assert np.isnan(statistics.paired([2.0] * 6, [1.0] * 6, confidence=0.97).difference.low)
    assert statistics.paired([2.0] * 6, [1.0] * 6, confidence=1 - 1 / 32).difference == (1.0, 1.0, 1.0)


def test_differences_that_vary_by_rounding_count_as_identical():
    scores = np.array([0.1, 0.2, 0.3, 0.7, 0.9])
    assert np.ptp(scores + 0.1 - scores) > 0
    result = statistics.paired(scores + 0.1, scores)
    assert result.p_value == 1 / 16 and result.effect_size == INF
    assert result.difference == pytest.approx((0.1, NAN, NAN), nan_ok=True)
    # The tolerance is four units in the last place of the largest score.
    eps = np.finfo(float).eps
    assert statistics.paired([2.0, 2.0 - 8 * eps, 2.0], [1.0, 1.0, 1.0]).effect_size == INF
    assert statistics.paired([2.0, 2.0 - 9 * eps, 2.0], [1.0, 1.0, 1.0]).effect_size < INF
    assert statistics.paired([0.5, 0.5, 0.5], [-2.0, 8 * eps - 2.0, -2.0]).effect_size == INF


def test_two_pairs_have_no_effect_size():
    assert np.isnan(statistics.paired([1.0, 2.0], [0.5, 0.0]).effect_size)


def test_holm_by_hand():
    assert statistics.holm([0.3, 0.01, 0.02, 0.5]) == pytest.approx([0.6, 0.04, 0.06, 0.6])
    assert statistics.holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert statistics.holm([0.02, 0.0, 1.0]).tolist() == [0.04, 0.0, 1.0] and statistics.holm([]).shape == (0,)


def test_holm_confidences_by_hand():
    # Sorted 0.01, 0.02, 0.3, 0.5: 4 * 0.01 < 0.05, but 3 * 0.02 >= 0.05 ends the procedure at a third of 0.05.
    found = statistics.holm_confidence([0.3, 0.01, 0.02, 0.5])
    assert found == pytest.approx([1 - 0.05 / 3, 1 - 0.05 / 4, 1 - 0.05 / 3, 1 - 0.05 / 3])
    assert statistics.holm_confidence([0.001, 0.002], confidence=0.9) == pytest.approx([0.95, 0.9])
    assert statistics.holm_confidence([]).shape == (0,)


def test_holm_and_its_intervals_agree():
    random = np.random.default_rng(0)
    for _ in range(60):
        scores = random.normal(size=(6, 8)) + 0.8 * random.normal(size=6)[:, None]
        plain = [statistics.paired(row, np.zeros(8)).p_value for row in scores]
        levels = statistics.holm_confidence(plain)
        for row, adjusted, confidence in zip(scores, statistics.holm(plain), levels, strict=True):
            low, high = statistics.paired(row, np.zeros(8), confidence=confidence).difference[1:]
            assert (low > 0 or high < 0) == (adjusted < 0.05)


def test_the_resolution_is_a_floor_of_the_error():
    a, b = np.full(12, 0.75), np.full(12, 0.5)
    result = statistics.paired(a, b, resolution=0.1)
    error = np.sqrt(2 * 0.1**2 / 12 / 12)
    half = stats.t.ppf(0.975, 11) * error
    assert result.difference == pytest.approx((0.25, 0.25 - half, 0.25 + half))
    assert result.p_value == pytest.approx(max(2 * stats.t.sf(0.25 / error, 11), 2.0**-11))
    few = statistics.paired(a[:5], b[:5], resolution=0.1)
    assert np.isnan(few.difference.low) and few.p_value >= 1 / 16
    varied = RUNS + np.arange(11.0)
    assert statistics.paired(varied, RUNS, resolution=0.1) == statistics.paired(varied, RUNS)
    nearly = statistics.paired(np.array([0.75, 0.7500001] * 6), b, resolution=0.1).difference
    assert nearly.high - nearly.low == pytest.approx(2 * half, rel=1e-6)
    same = statistics.paired(b, b, resolution=0.1)
    assert (same.p_value, same.difference) == (1.0, pytest.approx((0.0, -half, half)))


def test_overlapping_splits_widen_the_error():
    a = np.array(RUNS)
    plain, wider = (statistics.paired(a, np.full(11, 3.0), overlap=overlap) for overlap in (0.0, 0.25))
    factor = np.sqrt(1 / 11 + 0.25) / np.sqrt(1 / 11)
    for end in ("low", "high"):
        ends = [getattr(one.difference, end) - one.difference.estimate for one in (plain, wider)]
        assert ends[1] == pytest.approx(factor * ends[0])
    assert wider.p_value > plain.p_value and (wider.wins, wider.n) == (plain.wins, plain.n)


WRONG = [
    (
        lambda: statistics.holm_confidence([2.0]),
        ValueError,
        "holm_confidence: p_values must be at least 0 and at most 1, got [2.0]",
    ),
    (
        lambda: statistics.holm_confidence([0.5], confidence=0.0),
        ValueError,
        "holm_confidence: confidence must be above 0 and below 1, got 0.0",
    ),
    (
        lambda: statistics.paired([1.0, 2.0], [0.0, 1.0], resolution=-1.0),
        ValueError,
        "paired: resolution must be a finite number of at least 0, got -1.0",
    ),
    (
        lambda: statistics.paired([1.0, 2.0], [0.0, 1.0], overlap=-1.0),
        ValueError,
        "paired: overlap must be a finite number of at least 0, got -1.0",
    ),
    (lambda: statistics.holm(0.5), ValueError, "holm: p_values must be of shape (comparisons,), got ()"),
    (
        lambda: statistics.probability_of_improvement(np.ones((3, 2)), np.ones((4, 1))),
        ValueError,
        "probability_of_improvement: b must have the 2 tasks of a, got 1",
    ),
    (lambda: statistics.paired([1.0, 2.0, 3.0], [1.0, 2.0]), ValueError, "paired: b must have the 3 runs of a, got 2"),
    (
        lambda: statistics.probability_of_improvement([1.0, 2.0], [[1.0, 2.0], [2.0, 1.0]]),
        ValueError,
        "probability_of_improvement: b must have the 1 tasks of a, got 2",
    ),
    (
        lambda: statistics.probability_of_improvement([1.0, 2.0], [1.0]),
        ValueError,
        "probability_of_improvement: b must be of shape (runs,) or (runs, tasks) with two runs or more, got (1,)",
    ),
    (lambda: statistics.paired([1.0, 2.0], [1.0, 2.0, 3.0]), ValueError, "paired: b must have the 2 runs of a, got 3"),
    (
        lambda: statistics.paired([[1.0], [2.0]], [1.0, 2.0]),
        ValueError,
        "paired: a must be of shape (runs,) with two runs or more, got (2, 1)",
    ),
    (
        lambda: statistics.paired([1.0, 2.0], [1.0, INF]),
        ValueError,
        "paired: b must be finite (decide first what a diverged run is worth), got inf",
    ),
    (lambda: statistics.holm([[0.1]]), ValueError, "holm: p_values must be of shape (comparisons,), got (1, 1)"),
    (
        lambda: statistics.holm([0.1, NAN, 2.0]),
        ValueError,
        "holm: p_values must be at least 0 and at most 1, got [nan]",
    ),
    (lambda: statistics.holm([1.5]), ValueError, "holm: p_values must be at least 0 and at most 1, got [1.5]"),
    (lambda: statistics.holm([-0.1]), ValueError, "holm: p_values must be at least 0 and at most 1, got [-0.1]"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=itertools.count())
def test_errors_say_function_argument_rule_and_value(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
