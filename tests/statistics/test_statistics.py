"""Statistics: values by hand and by independent definitions, coverage by simulation, errors in words."""

import itertools
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from jaxmlp import statistics

INF, NAN = np.inf, np.nan
SKEWED = [1.0, 2.0, 3.0, 6.0]
RUNS = [3.1, 0.2, 4.4, 1.9, 7.5, 2.2, 0.9, 5.3, 12.4, 2.8, 3.3]


def test_without_scipy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError) as caught:
        statistics.iqm([1.0, 2.0])
    assert str(caught.value) == "iqm: scipy must be installed: pip install 'jaxmlp[experiments]'"


# The mean


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


def student_interval(scores, confidence=0.95):
    interval = stats.ttest_1samp(scores, 0.0).confidence_interval(confidence)
    return interval.low, interval.high


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("sign", [1, -1])
def test_mean_is_the_hull_of_students_interval_and_halls(sign, confidence):
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


def test_mean_of_tasks_without_skewness_is_welchs_interval():
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


def test_equal_scores_give_a_point():
    # 0.1 is no sum of powers of two: its mean is a little off.
    assert statistics.mean(np.full(7, 0.1)) == (0.1, 0.1, 0.1)
    scores = np.column_stack([np.full(11, 0.1), RUNS])
    alone = statistics.mean(RUNS)
    assert statistics.mean(scores) == pytest.approx([(0.1 + value) / 2 for value in alone])


# The interquartile mean


def winsorised_iqm(scores):
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
    # 1 of 5, 2 of 11, and of 6 runs by 2 tasks 3 at either end
    assert statistics.iqm([5.0, 1.0, 2.0, 90.0, 4.0]).estimate == pytest.approx(11 / 3)
    assert statistics.iqm(RUNS).estimate == pytest.approx(np.mean(sorted(RUNS)[2:-2]))
    scores = np.array([[1.0, 2, 3, 4, 5, 6], [0, 0, 0, 100, 200, 300]]).T
    assert statistics.iqm(scores).estimate == pytest.approx((1 + 2 + 3 + 4 + 5 + 6) / 6)


def test_iqm_of_few_scores_is_tukeys_and_mclaughlins():
    scores = np.array(RUNS[:9])
    low, high = stats.mstats.trimmed_mean_ci(scores, limits=(2 / 9, 2 / 9))
    interval = statistics.iqm(scores)
    assert interval == pytest.approx((stats.trim_mean(scores, 0.25), low, high), rel=1e-9)
    estimate, error = winsorised_iqm(scores.reshape(3, 3))
    t = stats.t.ppf(0.95, 5 - 3)
    wanted = (estimate, estimate - t * error, estimate + t * error)
    assert statistics.iqm(scores.reshape(3, 3), confidence=0.9) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("shape", [(11, 1), (4, 3)])
def test_iqm_interval_is_a_studentised_bootstrap_within_tasks(shape):
    scores = np.array([*RUNS, 8.8])[: shape[0] * shape[1]].reshape(shape)
    estimate, error = winsorised_iqm(scores)
    drawn = np.random.default_rng(5).integers(shape[0], size=(300, *shape))
    pivots = []
    for resample in drawn:
        mean, spread = winsorised_iqm(np.take_along_axis(scores, resample, axis=0))
        pivots += [(mean - estimate) / spread] if spread > 0 else []
    low, high = np.quantile(pivots, [0.05, 0.95])
    interval = statistics.iqm(scores, confidence=0.9, resamples=300, seed=5)
    assert interval == pytest.approx((estimate, estimate - high * error, estimate - low * error), rel=1e-9)


def test_iqm_follows_its_seed():
    assert statistics.iqm(RUNS, seed=3) == statistics.iqm(RUNS, seed=3) != statistics.iqm(RUNS, seed=4)


def test_iqm_of_two_runs_is_students():
    assert statistics.iqm([1.0, 4.0]) == pytest.approx((2.5, *student_interval(np.array([1.0, 4.0]))))


def test_iqm_resamples_from_ten_scores_on():
    assert statistics.iqm(RUNS[:10], seed=3) != statistics.iqm(RUNS[:10], seed=4)
    assert statistics.iqm(RUNS[:9], seed=3) == statistics.iqm(RUNS[:9], seed=4)
    assert statistics.iqm(RUNS) == statistics.iqm(RUNS, confidence=0.95, resamples=2000, seed=0)


def test_iqm_of_scores_whose_middle_is_equal_is_a_point():
    assert statistics.iqm([1.0] * 11 + [5.0]) == (1.0, 1.0, 1.0)
    assert statistics.iqm(np.full((5, 4), 0.1)) == pytest.approx((0.1, 0.1, 0.1))


# The probability of improvement


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


def test_probability_is_mann_whitneys_share_averaged_over_tasks():
    assert statistics.probability_of_improvement(A, B).estimate == pytest.approx(9.5 / 15)
    assert stats.mannwhitneyu(A, B).statistic == 9.5
    both = statistics.probability_of_improvement(np.array([A, A]).T, np.array([B, [9.0, 9.0, 8.0]]).T)
    assert both.estimate == pytest.approx(10 / 30)


def test_probability_interval_of_one_task():
    p, weight = 9.5 / 15, 2 * 3 * 5.5 / 15
    variance = (weight * brunner_munzel_error(A, B) + hanley_mcneil(p, 5, 3)) / (weight + 1)
    low, high = wilson(p, stats.norm.ppf(0.95) ** 2 * variance / (p * (1 - p)))
    assert statistics.probability_of_improvement(A, B, confidence=0.9) == pytest.approx((p, low, high), rel=1e-9)


def test_probability_interval_of_tasks_some_always_won():
    a, b = np.array([A, A, A]).T, np.array([B, [0.0, 1.0, 1.5], [9.0, 9.0, 9.0]]).T
    p, weight = (9.5 / 15 + 1) / 3, 2.2
    # Half a pair of fifteen from certainty, on either side.
    contested = (weight * brunner_munzel_error(A, B) + hanley_mcneil(9.5 / 15, 5, 3)) / (weight + 1)
    variance = (contested + 2 * hanley_mcneil(1 / 30, 5, 3)) / 9
    low, high = wilson(p, stats.norm.ppf(0.975) ** 2 * variance / (p * (1 - p)))
    assert statistics.probability_of_improvement(a, b) == pytest.approx((p, low, high), rel=1e-9)


def test_probability_where_one_side_always_wins():
    # r = (1 + (2.5 - 1) / 2) / 6 for 2 runs against 3, low = 1 / (1 + z^2 r)
    z = stats.norm.ppf(0.975) ** 2
    won, lost = (statistics.probability_of_improvement(*pair) for pair in (([4, 5], [1, 2, 3]), ([1, 2, 3], [4, 5])))
    assert won == pytest.approx((1.0, 1 / (1 + z * 1.75 / 6), 1.0))
    assert lost == pytest.approx((0.0, 0.0, 1 - won.low))
    twice = statistics.probability_of_improvement([[4, 4], [5, 5]], [[1, 1], [2, 2], [3, 3]])
    assert twice.low == pytest.approx(1 / (1 + z * 1.75 / 12))


def test_probability_turns_with_the_sides():
    there, back = statistics.probability_of_improvement(A, B), statistics.probability_of_improvement(B, A)
    assert there == pytest.approx((1 - back.estimate, 1 - back.high, 1 - back.low))


# Pairs


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


def test_paired_p_value_of_skewed_differences_is_halls():
    differences = np.array(RUNS) - 7.0  # below 0 with a long tail above: Student is too sure
    k = stats.skew(differences) / np.sqrt(11)
    t = differences.mean() / stats.sem(differences)
    skewed = t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6
    assert abs(skewed) < abs(t)
    assert statistics.paired(differences, np.zeros(11)).p_value == pytest.approx(2 * stats.t.sf(abs(skewed), 10))


def test_paired_without_any_difference():
    assert statistics.paired(RUNS, RUNS) == ((0.0, 0.0, 0.0), 1.0, 0.0, 0, 11, 0, 11)


def test_paired_with_one_difference_throughout():
    result = statistics.paired([0.5, 1.0, 2.0], [0.75, 1.25, 2.25])
    assert result == ((-0.25, -0.25, -0.25), 0.0, -INF, 0, 0, 3, 3)


def test_two_pairs_have_no_effect_size():
    assert np.isnan(statistics.paired([1.0, 2.0], [0.5, 0.0]).effect_size)


def test_holm_by_hand():
    assert statistics.holm([0.3, 0.01, 0.02, 0.5]) == pytest.approx([0.6, 0.04, 0.06, 0.6])
    assert statistics.holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert statistics.holm([0.02, 0.0, 1.0]).tolist() == [0.04, 0.0, 1.0] and statistics.holm([]).shape == (0,)


# Times


def test_time_to_target():
    history = [[0.5, 0.8, 0.9, 0.7], [0.6, 0.7, NAN, NAN], [0.8, 0.1, 0.9, 0.9], [0.1, 0.2, 0.3, 0.81]]
    assert statistics.time_to_target(history, 0.8).tolist() == [2.0, INF, 1.0, 4.0]
    assert statistics.time_to_target(history, 0.15, mode="min").tolist() == [INF, INF, 2.0, 1.0]
    assert statistics.time_to_target(history, 0.1, mode="min").tolist() == [INF, INF, 2.0, 1.0]
    assert statistics.time_to_target(jnp.asarray(history), jnp.float32(0.9)).tolist() == [3.0, INF, 3.0, INF]


TIMES = np.array([64.0, 1.0, 512.0, 4.0, 2.0, 128.0, 8.0, 16.0, 256.0, 32.0])
# Ten runs: X_2 and X_9 cover by 1 - 22 / 1024, X_3 and X_8 by 1 - 112 / 1024.
SHARE = (0.05 - 22 / 1024) / (90 / 1024)
WEIGHT = 8 * SHARE / (2 + 6 * SHARE)


def test_median_time_by_hand():
    interval = statistics.median_time(TIMES, 1000)
    assert interval == pytest.approx((16.0, 2 + WEIGHT * 2, 256 - WEIGHT * 128))
    assert statistics.median_time([3.0, 1.0, 2.0], 9) == (2.0, 0.0, INF)


def test_median_time_of_runs_cut_off():
    # Four are beyond 50, wherever: the upper end is not known.
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


def test_median_time_with_limits_of_their_own():
    # S: 7/8 at 1, 7/10 more... each step times 1 - 1 / (runs still watched): 8, 6, 4, 3, 2, 1
    survival = np.cumprod([7 / 8, 5 / 6, 3 / 4, 2 / 3, 1 / 2])
    greenwood = np.cumsum([1 / (8 * 7), 1 / (6 * 5), 1 / (4 * 3), 1 / (3 * 2), 1 / (2 * 1)])
    spread = np.exp(stats.norm.ppf(0.9) * np.sqrt(greenwood) / np.abs(np.log(survival)))
    at = np.array([1.0, 3.0, 5.0, 6.0, 8.0])
    wanted = [at[np.argmax(curve <= 0.5)] for curve in (survival, survival**spread, survival ** (1 / spread))]
    assert wanted == [6.0, 3.0, 8.0]
    assert statistics.median_time(*OWN, confidence=0.8) == tuple(wanted)
    assert statistics.median_time(*OWN).high == INF


def test_median_time_with_limits_of_their_own_at_the_edges():
    assert statistics.median_time([INF, INF, 5.0, INF], [9, 9, 2, 8]) == (INF, 9.0, INF)
    assert statistics.median_time([1.0, 1.0, 1.0], [1, 2, 3]) == (1.0, 1.0, INF)
    # Reached at the very limit; and by just half of the runs.
    assert statistics.median_time([3.0, 5.0, 9.0], [3.0, 5.0, 6.0]).estimate == 5.0
    for runs in range(4, 40, 2):
        limits = np.full(runs, 99.0)
        limits[-1] = 98.0
        assert statistics.median_time(np.arange(1.0, runs + 1), limits).estimate == runs / 2
    # A run cut off before anyone arrived: no band yet, and no bound from there.
    assert statistics.median_time([INF, 5.0, 5.0, 6.0, 7.0], [1, 9, 9, 9, 9]).low == 5.0


# Profiles

COSTS = [[10.0, 20.0, 10.0], [30.0, 10.0, INF], [5.0, 25.0, 15.0], [INF, INF, INF]]


def test_profile_by_hand():
    taus, shares = statistics.performance_profile(COSTS)
    # ratios: 1 2 1 / 3 1 inf / 1 5 3 / nobody
    assert taus.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert shares.tolist() == [[0.5, 0.25, 0.25], [0.5, 0.5, 0.25], [0.75, 0.5, 0.5], [0.75, 0.5, 0.5]]


def test_profile_at_given_taus():
    taus, shares = statistics.performance_profile(COSTS, taus=[1.5, 3.0, 5.0])
    assert taus.tolist() == [1.5, 3.0, 5.0]
    assert shares.tolist() == [[0.5, 0.25, 0.25], [0.75, 0.5, 0.5], [0.75, 0.75, 0.5]]


def test_profile_score_is_the_area():
    profile = statistics.performance_profile(COSTS)
    assert statistics.profile_score(profile) == pytest.approx([1.75 / 3, 1.25 / 3, 1.0 / 3])
    fine = np.linspace(1, 4, 30_001)
    by_grid = np.trapezoid(statistics.performance_profile(COSTS, fine).shares, fine, axis=0) / 3
    assert statistics.profile_score(profile) == pytest.approx(by_grid, abs=1e-4)
    given = statistics.performance_profile(COSTS, taus=[1.5, 3.0, 5.0])
    assert statistics.profile_score(given) == pytest.approx([(0.75 + 1.5) / 3.5, 1.375 / 3.5, 1.375 / 3.5])


def test_profile_scores_at_the_ends():
    assert statistics.profile_score(statistics.performance_profile([[1.0, 4.1], [2.0, INF]])).tolist() == [1.0, 0.0]
    assert statistics.profile_score(statistics.performance_profile([[INF, INF]])).tolist() == [0.0, 0.0]


# Planning


def differences_of_effect(effect):
    """Five differences whose mean over deviation is `effect`."""
    return np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) / np.sqrt(2.5) + effect


def test_seeds_needed():
    # Cohen's tables and G*Power: t test of pairs, two-sided 5 %
    assert statistics.seeds_needed(differences_of_effect(0.5)) == 44
    assert statistics.seeds_needed(differences_of_effect(-0.5), power=0.8) == 34
    assert statistics.seeds_needed(3 * differences_of_effect(0.8), power=0.8) == 15
    assert statistics.seeds_needed(differences_of_effect(0.05)) == 4205
    assert statistics.seeds_needed(differences_of_effect(0.5), confidence=0.99) == 63
    assert [statistics.seeds_needed(differences_of_effect(effect)) for effect in (0.9, 2.0, 3.0)] == [16, 5, 4]
    # By noncentral t too, though more than a thousand are counted by the normal distribution.
    assert statistics.seeds_needed(differences_of_effect(0.06), confidence=0.99) == 4137


def test_seeds_needed_by_normal_and_by_noncentral_t_agree():
    for effect in (0.103, 0.104):  # on either side of a thousand seeds
        deviates = stats.norm.ppf(0.975) + stats.norm.ppf(0.9)
        assert statistics.seeds_needed(differences_of_effect(effect)) == pytest.approx(
            deviates**2 / effect**2 + 2, abs=1
        )


def test_seeds_needed_at_the_ends():
    assert statistics.seeds_needed([0.0, 0.0, 0.0]) == INF == statistics.seeds_needed([1.0, -1.0])
    assert statistics.seeds_needed([0.5, 0.5, 0.5]) == 2 == statistics.seeds_needed(differences_of_effect(1e9))


def test_seeds_needed_have_the_power():
    seeds = int(statistics.seeds_needed(differences_of_effect(0.7)))
    draws = np.random.default_rng(0).normal(0.7, 1.0, size=(20_000, seeds))
    p_values = np.asarray(stats.ttest_1samp(draws, 0, axis=1)[1])
    assert np.mean(p_values < 0.05) == pytest.approx(0.9, abs=0.015)


RATES = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


def test_sensitivity_by_hand():
    scores = np.array([[0.1, 0.3], [0.7, 0.9], [0.9, 0.9], [0.5, 0.9], [NAN, 0.9]])
    # means 0.2 0.8 0.9 0.7 diverged; 0.75 lies 1/12 below -3 and 3/4 above -2
    found = statistics.sensitivity(RATES, scores, tolerance=0.15)
    assert found == pytest.approx((0.01, 10 ** (-3 - 1 / 12), 10**-1.25, 11 / 6, False))
    up_to_the_cliff = statistics.sensitivity(RATES, scores, tolerance=0.2)
    assert up_to_the_cliff == pytest.approx((0.01, 10 ** (-3 - 1 / 6), 0.1, 2 + 1 / 6, False))
    assert statistics.sensitivity(RATES, -scores, tolerance=0.15, mode="min") == pytest.approx(found)


def test_sensitivity_counts_the_unbroken_stretch_only():
    found = statistics.sensitivity(RATES, [0.9, 0.1, 1.0, 0.1, 0.9], tolerance=0.45)
    assert found == pytest.approx((0.01, 10**-2.5, 10**-1.5, 1.0, False))


def test_sensitivity_goes_by_the_spacing_of_the_grid():
    found = statistics.sensitivity([1e-6, 1e-3, 1e-1], [0.0, 1.0, 0.5], tolerance=0.25)
    assert found == pytest.approx((1e-3, 10**-3.75, 1e-2, 1.75, False))


def test_sensitivity_without_tolerance_keeps_equal_rates():
    assert statistics.sensitivity(RATES[:4], [0.1, 0.8, 0.8, 0.1], tolerance=0) == pytest.approx(
        (1e-3, 1e-3, 1e-2, 1, False)
    )


def test_sensitivity_at_the_ends_of_the_grid():
    assert statistics.sensitivity(RATES[:2], [0.5, 0.6], tolerance=0.2) == pytest.approx((1e-3, 1e-4, 1e-3, 1, True))
    assert statistics.sensitivity(RATES[:3], [0.9, 0.8, 0.0], tolerance=0.1).open
    assert statistics.sensitivity(RATES[:3], [0.0, 0.8, 0.9], tolerance=0.05).open
    alone = statistics.sensitivity(RATES[:3], [NAN, 0.8, INF], tolerance=0.1)
    assert alone == pytest.approx((1e-3, 1e-3, 1e-3, 0.0, False))
    assert statistics.sensitivity(RATES[:3], [0.1, 0.8, 0.2], tolerance=0).decades == 0


# Coverage: 400 samples each; of the long simulations' 93-97 % they leave room for five standard errors.

DRAWS = {
    "normal": (lambda rng, size: rng.normal(size=size), stats.norm()),
    "exponential": (lambda rng, size: rng.exponential(size=size), stats.expon()),
}
HALF = np.linspace(0.25, 0.75, 20_001)


def covered(intervals, truth):
    return np.mean([low <= truth <= high for _, low, high in intervals])


@pytest.mark.parametrize("runs", [10, 30])
@pytest.mark.parametrize("name", DRAWS)
def test_intervals_cover(name, runs):
    draw, distribution = DRAWS[name]
    samples = draw(np.random.default_rng(runs), (400, runs))
    means = [statistics.mean(sample) for sample in samples]
    assert 0.91 <= covered(means, distribution.mean()) <= 0.98
    middle = distribution.ppf(HALF).mean()
    assert 0.91 <= covered([statistics.iqm(sample, resamples=300) for sample in samples], middle) <= 0.985
    times = [statistics.median_time(np.exp(sample), np.exp(distribution.ppf(0.8))) for sample in samples]
    assert 0.91 <= covered(times, np.exp(distribution.median())) <= 0.98


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_probability_of_improvement_covers(shift):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(400, 10, 3)) + shift, rng.normal(size=(400, 10, 3))
    intervals = [statistics.probability_of_improvement(*pair) for pair in zip(a, b, strict=True)]
    assert 0.91 <= covered(intervals, stats.norm.cdf(shift / np.sqrt(2))) <= 0.985


@pytest.mark.parametrize("name", DRAWS)
def test_two_of_one_kind_are_told_apart_no_more_than_they_should(name):
    draws = DRAWS[name][0](np.random.default_rng(2), (400, 2, 10))
    false = [statistics.paired(*pair).p_value < 0.05 for pair in draws]
    assert np.mean(false) <= 0.08
    chances = [statistics.probability_of_improvement(*pair) for pair in draws]
    assert np.mean([not low <= 0.5 <= high for _, low, high in chances]) <= 0.08


# Errors

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
    (lambda: statistics.median_time([1.0, NAN], 3), ValueError, "median_time: times must be above 0, got [nan]"),
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
    (
        lambda: statistics.performance_profile([1.0, 2.0]),
        ValueError,
        "performance_profile: costs must be of shape (problems, solvers), not empty, got (2,)",
    ),
    (
        lambda: statistics.performance_profile(np.ones((0, 2))),
        ValueError,
        "performance_profile: costs must be of shape (problems, solvers), not empty, got (0, 2)",
    ),
    (
        lambda: statistics.performance_profile([[1.0, NAN]]),
        ValueError,
        "performance_profile: costs must be above 0 (inf where missed), got [nan]",
    ),
    (
        lambda: statistics.performance_profile([[1.0, 0.0]]),
        ValueError,
        "performance_profile: costs must be above 0 (inf where missed), got [0.0]",
    ),
    (
        lambda: statistics.performance_profile([[1.0]], []),
        ValueError,
        "performance_profile: taus must be of shape (taus,), not empty, got (0,)",
    ),
    (
        lambda: statistics.performance_profile([[1.0]], [0.5, 2.0]),
        ValueError,
        "performance_profile: taus must increase from 1 or above, finite, got [0.5, 2.0]",
    ),
    (
        lambda: statistics.performance_profile([[1.0]], [1.0, 1.0]),
        ValueError,
        "performance_profile: taus must increase from 1 or above, finite, got [1.0, 1.0]",
    ),
    (
        lambda: statistics.performance_profile([[1.0]], [1.0, INF]),
        ValueError,
        "performance_profile: taus must increase from 1 or above, finite, got [1.0, inf]",
    ),
    (
        lambda: statistics.profile_score(statistics.performance_profile([[1.0]], [1.0])),
        ValueError,
        "profile_score: profile must have two taus or more, got 1",
    ),
    (
        lambda: statistics.seeds_needed([0.1]),
        ValueError,
        "seeds_needed: differences must be of shape (runs,) with two runs or more, got (1,)",
    ),
    (
        lambda: statistics.seeds_needed([0.1, NAN]),
        ValueError,
        "seeds_needed: differences must be finite (decide first what a diverged run is worth), got nan",
    ),
    (
        lambda: statistics.seeds_needed([0.1, 0.2], power=1),
        ValueError,
        "seeds_needed: power must be above 0 and below 1, got 1.0",
    ),
    (
        lambda: statistics.sensitivity([1.0], [1.0], tolerance=0.1),
        ValueError,
        "sensitivity: rates must be two or more, above 0 and increasing, got [1.0]",
    ),
    (
        lambda: statistics.sensitivity([0.2, 0.1], [1.0, 1.0], tolerance=0.1),
        ValueError,
        "sensitivity: rates must be two or more, above 0 and increasing, got [0.2, 0.1]",
    ),
    (
        lambda: statistics.sensitivity([0.1, 0.3, 0.3], [1.0, 1.0, 1.0], tolerance=0.1),
        ValueError,
        "sensitivity: rates must be two or more, above 0 and increasing, got [0.1, 0.3, 0.3]",
    ),
    (
        lambda: statistics.sensitivity([0.1, 0.2], np.ones((2, 0)), tolerance=0.1),
        ValueError,
        "sensitivity: scores must be of shape (2,) or (2, runs), got (2, 0)",
    ),
    (
        lambda: statistics.sensitivity([0.0, 0.1], [1.0, 1.0], tolerance=0.1),
        ValueError,
        "sensitivity: rates must be two or more, above 0 and increasing, got [0.0, 0.1]",
    ),
    (
        lambda: statistics.sensitivity([0.1, INF], [1.0, 1.0], tolerance=0.1),
        ValueError,
        "sensitivity: rates must be two or more, above 0 and increasing, got [0.1, inf]",
    ),
    (
        lambda: statistics.sensitivity([0.1, 0.2], [1.0], tolerance=0.1),
        ValueError,
        "sensitivity: scores must be of shape (2,) or (2, runs), got (1,)",
    ),
    (
        lambda: statistics.sensitivity([0.1, 0.2], [NAN, NAN], tolerance=0.1),
        ValueError,
        "sensitivity: scores must be finite at one rate at least, got [[nan], [nan]]",
    ),
    (
        lambda: statistics.sensitivity([0.1, 0.2], [1.0, 1.0], tolerance=-1),
        ValueError,
        "sensitivity: tolerance must be a finite number of at least 0, got -1.0",
    ),
    (
        lambda: statistics.sensitivity([0.1, 0.2], [1.0, 1.0], tolerance=1, mode="up"),
        ValueError,
        "sensitivity: mode must be one of max, min, got 'up'",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=itertools.count())
def test_errors_say_function_argument_rule_and_value(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_every_public_name_is_documented():
    assert sorted(statistics.__all__) == list(statistics.__all__)
    assert all(getattr(statistics, name).__doc__ for name in statistics.__all__)


def test_arrays_of_jax_are_welcome():
    scores = jnp.asarray(RUNS, jnp.float32)
    assert statistics.mean(scores) == pytest.approx(statistics.mean(RUNS), rel=1e-6)
