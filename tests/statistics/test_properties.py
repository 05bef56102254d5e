"""Properties that hold for all scores: order, shift and scale, swapped sides, duplicates, nested intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmlp import statistics
from tests.statistics.cases import INF

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True)
EIGHTHS = st.integers(-80, 80).map(lambda number: number / 8)
POSITIVE = st.integers(1, 80).map(lambda number: number / 8)
SHIFTS, SCALES = st.integers(-9, 9), st.sampled_from([0.25, 0.5, 2.0, 8.0])
CONFIDENCES = st.sampled_from([0.5, 0.8, 0.95, 0.99])


def runs(values=EIGHTHS, least=2, most=9):
    return st.lists(values, min_size=least, max_size=most).map(np.array)


@st.composite
def tables(draw, most=7, tasks=3):
    """Scores (runs, tasks)."""
    shape = draw(st.integers(2, most)), draw(st.integers(1, tasks))
    numbers = draw(st.lists(EIGHTHS, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    return np.array(numbers).reshape(shape)


@st.composite
def pairs(draw):
    """Two arrays of scores on common seeds."""
    a = draw(runs())
    return a, np.array(draw(st.lists(EIGHTHS, min_size=len(a), max_size=len(a))))


def close(found, wanted):
    np.testing.assert_allclose(np.array(found, float), np.array(wanted, float), rtol=1e-8, atol=1e-9)


def permuted(data, length):
    return np.array(data.draw(st.permutations(range(length))))


@EXAMPLES
@given(tables(), st.data())
def test_the_order_of_runs_and_tasks_does_not_matter(scores, data):
    for function in (statistics.mean, statistics.iqm):
        again = scores[permuted(data, len(scores))][:, permuted(data, scores.shape[1])]
        if function is statistics.mean or scores.size < 10:  # the bootstrap draws positions
            close(function(again), function(scores))
        else:
            close(function(again).estimate, function(scores).estimate)


@EXAMPLES
@given(tables(), SHIFTS, SCALES, CONFIDENCES)
def test_intervals_shift_and_scale_with_the_scores(scores, shift, scale, confidence):
    for function in (statistics.mean, statistics.iqm):
        wanted = shift + scale * np.array(function(scores, confidence=confidence))
        close(function(shift + scale * scores, confidence=confidence), wanted)


@EXAMPLES
@given(tables())
def test_negated_scores_negate_the_interval(scores):
    for function in (statistics.mean, statistics.iqm):
        there, back = function(scores), function(-scores)
        if function is statistics.mean or scores.size < 10:
            close(back, (-there.estimate, -there.high, -there.low))
        assert np.isnan(there.low) == np.isnan(there.high)
        assert np.isnan(there.low) or there.low < there.high
        assert not there.low > there.estimate or function is statistics.iqm


@EXAMPLES
@given(runs())
def test_the_interval_of_the_mean_is_undefined_only_for_identical_runs(scores):
    assert np.isnan(statistics.mean(scores).low) == (np.ptp(scores) == 0)


@EXAMPLES
@given(tables())
def test_repeated_runs_keep_the_mean_and_narrow_its_interval(scores):
    once, twice = statistics.mean(scores), statistics.mean(np.concatenate([scores, scores]))
    close(twice.estimate, once.estimate)
    assert np.isnan(once.low) or (twice.low > once.low and twice.high < once.high)
    close(statistics.iqm(np.concatenate([scores] * 4)).estimate, statistics.iqm(np.concatenate([scores] * 8)).estimate)


@EXAMPLES
@given(tables())
def test_a_repeated_task_keeps_the_mean(scores):
    close(statistics.mean(np.hstack([scores, scores])).estimate, statistics.mean(scores).estimate)


@EXAMPLES
@given(pairs())
def test_more_confidence_gives_wider_intervals(pair):
    calls = (
        lambda confidence: statistics.mean(pair[0], confidence=confidence),
        lambda confidence: statistics.iqm(pair[0], confidence=confidence),
        lambda confidence: statistics.probability_of_improvement(*pair, confidence=confidence),
        lambda confidence: statistics.median_time(1 + np.abs(pair[0]), 9, confidence=confidence),
    )
    for call in calls:
        narrow, wide = call(0.7), call(0.9)
        assert narrow.estimate == wide.estimate
        assert not (wide.low > narrow.low or wide.high < narrow.high)


@EXAMPLES
@given(runs(), runs(), st.data())
def test_probability_depends_on_order_relations_only(a, b, data):
    found = statistics.probability_of_improvement(a, b)
    close(statistics.probability_of_improvement(a[permuted(data, len(a))], b[permuted(data, len(b))]), found)
    close(statistics.probability_of_improvement(np.exp(a), np.exp(b)), found)
    back = statistics.probability_of_improvement(b, a)
    close((1 - back.estimate, 1 - back.high, 1 - back.low), found)
    assert 0 <= found.low <= found.estimate <= found.high <= 1 and found.low < found.high
    close(statistics.probability_of_improvement(np.tile(a, 3), b).estimate, found.estimate)


@EXAMPLES
@given(runs())
def test_a_sample_is_as_good_as_itself(scores):
    low, high = statistics.probability_of_improvement(scores, scores)[1:]
    close(low, 1 - high)
    assert low < 0.5


@EXAMPLES
@given(pairs(), st.data())
def test_the_order_of_pairs_does_not_matter(pair, data):
    order = permuted(data, len(pair[0]))
    found, again = statistics.paired(*pair), statistics.paired(pair[0][order], pair[1][order])
    close(again.difference, found.difference)
    close(again[1:], found[1:])


@EXAMPLES
@given(pairs())
def test_swapped_sides_swap_the_result(pair):
    there, back = statistics.paired(*pair), statistics.paired(*pair[::-1])
    close(back.difference, (-there.difference.estimate, -there.difference.high, -there.difference.low))
    close(back.p_value, there.p_value)
    close(back.effect_size, -there.effect_size)
    assert (back.wins, back.ties, back.losses) == (there.losses, there.ties, there.wins)
    assert there.wins + there.ties + there.losses == there.n == len(pair[0])


@EXAMPLES
@given(pairs(), SHIFTS, SCALES)
def test_paired_shifts_and_scales(pair, shift, scale):
    found = statistics.paired(*pair)
    common = statistics.paired(*(shift + scale * scores for scores in pair))
    close(common.difference, scale * np.array(found.difference))
    close(common[1:], found[1:])


@EXAMPLES
@given(pairs(), CONFIDENCES)
def test_the_p_value_agrees_with_the_interval(pair, confidence):
    found = statistics.paired(*pair, confidence=confidence)
    low, high = found.difference[1:]
    assert (low > 0 or high < 0) == (found.p_value <= 1 - confidence)
    assert 0 <= found.p_value <= 1


@EXAMPLES
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8).map(np.array), st.data())
def test_holm_follows_the_order_and_raises_p_values(p_values, data):
    adjusted, order = statistics.holm(p_values), permuted(data, len(p_values))
    np.testing.assert_array_equal(statistics.holm(p_values[order]), adjusted[order])
    assert np.all(adjusted >= p_values) and np.all(adjusted <= np.minimum(len(p_values) * p_values, 1))
    assert np.all(np.diff(adjusted[np.argsort(p_values)]) >= 0)
    np.testing.assert_array_equal(adjusted.min(), min(len(p_values) * p_values.min(), 1.0))


@EXAMPLES
@given(runs(), SCALES)
def test_seeds_needed_depend_on_the_effect_size_only(differences, scale):
    seeds = statistics.seeds_needed(differences)
    assert statistics.seeds_needed(-scale * differences[::-1]) == pytest.approx(seeds, abs=1)
    assert statistics.seeds_needed(differences, power=0.8) <= seeds
    assert statistics.seeds_needed(differences, confidence=0.99) >= seeds >= 2


@EXAMPLES
@given(runs(POSITIVE), st.sampled_from([3.0, 9.0, 11.0]), SCALES, st.data())
def test_median_time_scales_and_ignores_the_order(times, limit, scale, data):
    order = permuted(data, len(times))
    found = statistics.median_time(times, limit)
    close(statistics.median_time(scale * times[order], scale * limit), scale * np.array(found))
    limits = np.where(np.arange(len(times)) % 2, limit, limit + 1)
    own = statistics.median_time(times, limits)
    close(statistics.median_time(scale * times[order], scale * limits[order]), scale * np.array(own))
    assert found.low <= found.estimate <= found.high or found.estimate == INF
    late = np.where(times > limit, INF, times)
    assert statistics.median_time(late, limit) == found


@EXAMPLES
@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_profiles_ignore_order_scale_and_duplicates_of_problems(problems, solvers, data):
    numbers = st.one_of(POSITIVE, st.just(INF))
    costs = np.array(data.draw(st.lists(numbers, min_size=problems * solvers, max_size=problems * solvers)))
    costs = costs.reshape(problems, solvers)
    taus, shares = statistics.performance_profile(costs)
    rows, columns = permuted(data, problems), permuted(data, solvers)
    scale = np.array(data.draw(st.lists(SCALES, min_size=problems, max_size=problems)))[:, None]
    again = statistics.performance_profile(np.tile((scale * costs)[rows][:, columns], (2, 1)))
    np.testing.assert_array_equal(again.taus, taus)
    close(again.shares, shares[:, columns])
    assert np.all(np.diff(shares, axis=0) >= 0) and np.all((shares >= 0) & (shares <= 1))
    scores = statistics.profile_score((taus, shares))
    close(statistics.profile_score(again), scores[columns])
    assert np.all(scores >= shares[0] - 1e-12) and np.all(scores <= shares[-1] + 1e-12)


@EXAMPLES
@given(st.lists(st.one_of(EIGHTHS, st.just(-INF)), min_size=2, max_size=6), SHIFTS, SCALES, POSITIVE)
def test_sensitivity_shifts_scales_and_negates(scores, shift, scale, tolerance):
    if not np.isfinite(scores).any():
        scores[0] = 0.0
    scores, rates = np.array(scores), 10.0 ** np.arange(len(scores))
    found = statistics.sensitivity(rates, scores, tolerance=tolerance)
    moved = statistics.sensitivity(2 * rates, shift + scale * np.tile(scores[:, None], 3), tolerance=scale * tolerance)
    close(moved, (2 * found.best, 2 * found.low, 2 * found.high, found.decades, found.open))
    assert statistics.sensitivity(rates, -scores, tolerance=tolerance, mode="min") == found
    assert found.low <= found.best <= found.high and found.decades == pytest.approx(np.log10(found.high / found.low))
    assert statistics.sensitivity(rates, scores, tolerance=tolerance + 1).decades >= found.decades
