"""The variance budget: values by hand, recovery of known variances, coverage."""

import numpy as np
import pytest
from scipy import stats

from jaxmlp import statistics

OWN, OTHER = [[0.9, 0.8], [0.6, 0.7], [0.4, 0.3]], [[0.8, 0.7], [0.6, 0.7], [0.3, 0.2]]


def test_the_estimates_by_hand():
    budget = statistics.variance_budget(OWN, OTHER)
    # Variances over two seeds are 0.005 everywhere. Mean gaps: 0.1, 0, 0.1; none varies over seeds.
    assert budget.seeds.estimate == pytest.approx(0.005)
    assert budget.tuning.estimate == pytest.approx((0.01 + 0.01) / 3 / 2)
    means = np.var([0.85, 0.65, 0.35], ddof=1)
    assert budget.split.estimate == pytest.approx(means - 0.01 / 3 - 0.0025)
    total = sum(part.estimate for part in budget)
    assert budget.shares == pytest.approx(tuple(part.estimate / total for part in budget))


def test_gaps_that_vary_over_seeds_count_as_noise():
    budget = statistics.variance_budget([[0.0, 0.0], [0.0, 0.0]], [[0.1, 0.3], [-0.1, 0.2]])
    noise = (np.var([0.1, 0.3], ddof=1) + np.var([-0.1, 0.2], ddof=1)) / 2 / 2
    assert budget.tuning.estimate == pytest.approx(((0.2**2 + 0.05**2) / 2 - noise) / 2)
    assert budget.seeds.estimate == pytest.approx((0.02 + 0.045) / 4)


def test_without_crossed_runs_nothing_is_due_to_tuning():
    budget = statistics.variance_budget(OWN)
    assert budget.tuning == (0.0, 0.0, 0.0)
    assert budget.split.estimate == pytest.approx(np.var([0.85, 0.65, 0.35], ddof=1) - 0.0025)
    low, high = 3 * 0.005 / stats.chi2.ppf([0.975, 0.025], 3)
    assert budget.seeds == pytest.approx((0.005, low, high))


def test_the_interval_of_a_difference_by_hand():
    budget = statistics.variance_budget(OWN, confidence=0.9)
    between, seeds = np.var([0.85, 0.65, 0.35], ddof=1), 0.0025
    less, more = ({n: n / stats.chi2.ppf(tail, n) for n in (2, 3)} for tail in (0.95, 0.05))
    low = between - seeds - np.hypot(between * (1 - less[2]), seeds * (more[3] - 1))
    high = between - seeds + np.hypot(between * (more[2] - 1), seeds * (1 - less[3]))
    assert budget.split == pytest.approx((between - seeds, max(low, 0.0), high))


def test_repetitions_without_crossed_runs_are_left_out_of_the_gaps():
    missing = [[np.nan, np.nan], *OTHER[1:]]
    assert statistics.variance_budget(OWN, missing).tuning.estimate == pytest.approx(0.01 / 2 / 2)


def test_what_is_below_zero_counts_as_zero_and_scores_that_do_not_vary_have_no_shares():
    budget = statistics.variance_budget([[0.0, 1.0], [1.0, 0.0]])
    assert budget.split == (0.0, 0.0, 0.0)
    assert np.isnan(statistics.variance_budget(np.ones((3, 2))).shares).all()


@pytest.mark.parametrize("truth", [(0.45, 0.3, 1.1), (0.4, 0.0, 0.3)])
def test_the_variances_are_recovered_and_covered(truth):
    random = np.random.default_rng(0)
    found = []
    for _ in range(300):
        seeds, tuning, split = (
            scale * random.normal(size=size) for scale, size in zip(truth, ((2, 20, 2), (21, 1), (20, 1)), strict=True)
        )
        found.append(statistics.variance_budget(split + tuning[1:] + seeds[0], split + tuning[:-1] + seeds[1]))
    for part, scale in zip(("seeds", "tuning", "split"), truth, strict=True):
        intervals = [getattr(budget, part) for budget in found]
        assert np.mean([one.estimate for one in intervals]) == pytest.approx(scale**2, rel=0.1, abs=0.015)
        assert np.mean([one.low <= scale**2 <= one.high for one in intervals]) >= 0.91


WRONG = [
    (lambda: statistics.variance_budget([1.0, 2.0]), "variance_budget: scores must be of shape (runs, tasks) with"),
    (
        lambda: statistics.variance_budget([[1.0], [2.0]]),
        "variance_budget: scores must have two seeds or more in each repetition, got (2, 1)",
    ),
    (
        lambda: statistics.variance_budget(OWN, [[1.0, 2.0]]),
        "variance_budget: crossed must be of shape (3, 2), got (1, 2)",
    ),
    (
        lambda: statistics.variance_budget(OWN, np.full((3, 2), np.nan)),
        "variance_budget: crossed must be finite in one",
    ),
    (
        lambda: statistics.variance_budget(OWN, confidence=1.0),
        "variance_budget: confidence must be above 0 and below 1",
    ),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_errors_say_function_argument_rule_and_value(call, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call()
    assert str(caught.value).startswith(message)
