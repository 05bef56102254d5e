"""Coverage by simulation: 400 samples each, with room for five standard errors around the 93-97 % of long simulations."""

import numpy as np
import pytest
from scipy import stats

from jaxmlp import statistics

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
def test_two_samples_of_one_distribution_are_rarely_told_apart(name):
    draws = DRAWS[name][0](np.random.default_rng(2), (400, 2, 10))
    false = [statistics.paired(*pair).p_value < 0.05 for pair in draws]
    assert np.mean(false) <= 0.08
    chances = [statistics.probability_of_improvement(*pair) for pair in draws]
    assert np.mean([not low <= 0.5 <= high for _, low, high in chances]) <= 0.08
