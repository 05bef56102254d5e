"""Performance profiles by hand and by fine grids."""

import itertools

import numpy as np
import pytest

from jaxmlp import statistics
from tests.statistics.cases import INF, NAN

COSTS = [[10.0, 20.0, 10.0], [30.0, 10.0, INF], [5.0, 25.0, 15.0], [INF, INF, INF]]


def test_profile_by_hand():
    taus, shares = statistics.performance_profile(COSTS)
    # ratios: 1 2 1 / 3 1 inf / 1 5 3 / nobody
    assert taus.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert shares.tolist() == [[0.5, 0.25, 0.25], [0.5, 0.5, 0.25], [0.75, 0.5, 0.5], [0.75, 0.5, 0.5]]


def test_profile_of_unsolved_problems():
    taus, shares = statistics.performance_profile([[INF, INF], [INF, INF]])
    assert taus.tolist() == [1.0, 4.0] and not shares.any()


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


WRONG = [
    (
        lambda: statistics.performance_profile(np.ones((1, 2, 3))),
        ValueError,
        "performance_profile: costs must be of shape (problems, solvers), not empty, got (1, 2, 3)",
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
        lambda: statistics.performance_profile([[1.0]], 2.0),
        ValueError,
        "performance_profile: taus must be of shape (taus,), not empty, got ()",
    ),
    (
        lambda: statistics.performance_profile([[1.0]], [[1.0, 2.0]]),
        ValueError,
        "performance_profile: taus must be of shape (taus,), not empty, got (1, 2)",
    ),
    (
        lambda: statistics.performance_profile([[NAN, 0.0]]),
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
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=itertools.count())
def test_errors_say_function_argument_rule_and_value(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
