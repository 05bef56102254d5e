"""Planning: numbers of seeds from tables of power, sensitivity curves by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxmlp import statistics
from tests.statistics.cases import INF, NAN


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
    # The noncentral t distribution gives this too; numbers above a thousand come from the normal approximation.
    assert statistics.seeds_needed(differences_of_effect(0.06), confidence=0.99) == 4137


def test_seeds_needed_as_strictly_as_holm_judges_the_smallest_of_many():
    # For 28 pairs of optimizers: by the power of the noncentral t distribution, and one seed less does not suffice.
    differences, alpha = differences_of_effect(0.5), 0.05 / 28
    seeds = int(statistics.seeds_needed(differences, confidence=1 - alpha))
    powers = [stats.nct.sf(stats.t.isf(alpha / 2, n - 1), n - 1, 0.5 * np.sqrt(n)) for n in (seeds - 1, seeds)]
    assert powers[0] < 0.9 <= powers[1] and seeds == 83


def test_seeds_needed_of_huge_effects():
    # SciPy's noncentral t distribution overflows there.
    assert statistics.seeds_needed(differences_of_effect(1e5), confidence=1 - 2e-9) == 5
    assert statistics.seeds_needed(differences_of_effect(1e12)) == 2


def test_seeds_needed_by_normal_and_by_noncentral_t_agree():
    deviates = stats.norm.ppf(0.975) + stats.norm.ppf(0.9)
    for seeds in (996, 1000, 1001, 1004):  # the largest number by noncentral t is 1000
        effect = deviates / np.sqrt(seeds - 0.5 - stats.norm.ppf(0.975) ** 2 / 2)
        assert statistics.seeds_needed(differences_of_effect(effect)) == seeds
    for effect in (0.103, 0.104):  # on either side of a thousand seeds
        deviates = stats.norm.ppf(0.975) + stats.norm.ppf(0.9)
        assert statistics.seeds_needed(differences_of_effect(effect)) == pytest.approx(
            deviates**2 / effect**2 + 2, abs=1
        )


def test_seeds_needed_at_the_ends():
    assert statistics.seeds_needed([0.0, 0.0, 0.0]) == INF == statistics.seeds_needed([1.0, -1.0])
    assert statistics.seeds_needed(differences_of_effect(1e9)) == 2


def test_identical_differences_need_the_seeds_of_the_sign_test():
    for confidence, seeds in ((0.95, 6), (0.99, 8), (0.5, 2), (0.1, 2), (1e-300, 2), (1 - 0.05 / 28, 11)):
        assert statistics.seeds_needed([0.5, 0.5, 0.5], confidence=confidence) == seeds
        assert stats.binomtest(0, seeds).pvalue <= 1 - confidence or seeds == 2
        assert stats.binomtest(0, seeds - 1).pvalue >= 1 - confidence


def test_seeds_needed_reach_the_power():
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


def test_sensitivity_interpolates_over_the_logarithm_of_the_rate():
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
    for scores in ([NAN, 0.8, INF], [[INF, -INF], [0.7, 0.9], [-INF, 0.8]]):
        alone = statistics.sensitivity(RATES[:3], scores, tolerance=0.1)
        assert alone == pytest.approx((1e-3, 1e-3, 1e-3, 0.0, False))
    assert statistics.sensitivity(RATES[:3], [0.1, 0.8, 0.2], tolerance=0).decades == 0


WRONG = [
    (
        lambda: statistics.sensitivity([0.1, 0.2], [1.0, 2.0, 3.0], tolerance=0.1),
        ValueError,
        "sensitivity: scores must be of shape (2,) or (2, runs), got (3,)",
    ),
    (
        lambda: statistics.sensitivity([[0.1, 0.2], [0.3, 0.4]], [1.0, 1.0], tolerance=0.1),
        ValueError,
        "sensitivity: rates must be two or more, above 0 and increasing, got [[0.1, 0.2], [0.3, 0.4]]",
    ),
    (
        lambda: statistics.sensitivity([0.1, 0.2], np.ones((2, 1, 1)), tolerance=0.1),
        ValueError,
        "sensitivity: scores must be of shape (2,) or (2, runs), got (2, 1, 1)",
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
