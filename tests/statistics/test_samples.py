"""What all statistics share: SciPy's import, arrays of any kind, results made of plain numbers, the public names."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import statistics
from tests.statistics.cases import RUNS

CALLS = {
    "mean": lambda: statistics.mean(RUNS),
    "iqm": lambda: statistics.iqm(RUNS),
    "probability_of_improvement": lambda: statistics.probability_of_improvement(RUNS, RUNS[:4]),
    "paired": lambda: statistics.paired(RUNS, RUNS[::-1]),
    "median_time": lambda: statistics.median_time(RUNS, 9),
    "seeds_needed": lambda: statistics.seeds_needed(RUNS),
}


@pytest.mark.parametrize("function", CALLS)
def test_without_scipy_the_error_says_what_to_install(function, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError) as caught:
        CALLS[function]()
    assert str(caught.value) == f"{function}: scipy must be installed: pip install 'jaxmlp[compare]'"


def parts(result):
    """The numbers of a result, nested intervals included."""
    return [part for value in result for part in (parts(value) if isinstance(value, tuple) else [value])]


def test_results_are_plain_numbers():
    # Their representation then is `3.0`, and not `np.float64(3.0)`.
    limits = [9.0] * 10 + [8.0]
    results = [
        statistics.mean(RUNS),
        statistics.mean([1.0, 1.0]),
        statistics.iqm(RUNS),
        statistics.iqm(RUNS[:5]),
        statistics.iqm([1.0, 1.0]),
        statistics.probability_of_improvement(RUNS, RUNS[:4]),
        statistics.probability_of_improvement([2.0, 3.0], [0.0, 1.0]),
        statistics.median_time(RUNS, 9),
        statistics.median_time(RUNS, limits),
        statistics.median_time([1.0, 2.0], 9),
        statistics.median_time([1.0, 2.0], [9, 8]),
        statistics.median_time([np.inf] * 4, [9, 9, 2, 8]),
        statistics.sensitivity([0.1, 1.0, 10.0], [0.0, 1.0, 0.0], tolerance=0.5)[:4],
        [statistics.seeds_needed(RUNS), statistics.seeds_needed([1.0, 1.0]), statistics.seeds_needed([1, 999, -999])],
        *(statistics.paired(RUNS, other)[:3] for other in (RUNS[::-1], RUNS, np.array(RUNS) + 1)),
        statistics.paired([1.0, 2.0], [0.5, 3.0])[:3],
    ]
    assert {type(part) for result in results for part in parts(result)} == {float}
    assert {type(part) for part in statistics.paired(RUNS, RUNS)[3:]} == {int}
    assert type(statistics.sensitivity([0.1, 1.0], [0.0, 1.0], tolerance=0.5).open) is bool


def test_arrays_of_jax_and_their_numbers_serve_as_well():
    scores = np.float32(RUNS)
    wanted = statistics.mean(scores, confidence=float(np.float32(0.1)))
    assert statistics.mean(jnp.asarray(scores), confidence=jnp.float32(0.1)) == wanted
    differences, confidence, power = scores - 2, jnp.float32(0.9), jnp.float32(0.85)
    needed = statistics.seeds_needed(differences, power=float(power), confidence=float(confidence))
    assert statistics.seeds_needed(jnp.asarray(differences), power=power, confidence=confidence) == needed
    found = statistics.sensitivity([1, 10, 100], [0.0, 1.0, 0.5], tolerance=jnp.float32(0.25))
    assert found == statistics.sensitivity(jnp.array([1, 10, 100]), jnp.array([0.0, 1.0, 0.5]), tolerance=0.25)
    assert statistics.time_to_target(jnp.array([[0.8, 0.9], [0.1, 0.2]]), jnp.float32(0.9)).tolist() == [2.0, np.inf]
    assert statistics.time_to_target([[99_999_999.0, 1e8]], jnp.float32(1e8)).tolist() == [2.0]  # equal in float32


def test_large_scores_keep_their_small_differences():
    # In float32 these would all be 1e8.
    large = 1e8 + np.array(RUNS)
    assert statistics.mean(large) == pytest.approx(1e8 + np.array(statistics.mean(RUNS)), rel=1e-14)
    assert statistics.iqm(large) == pytest.approx(1e8 + np.array(statistics.iqm(RUNS)), rel=1e-14)
    there, here = statistics.paired(large, np.full(11, 1e8)), statistics.paired(RUNS, np.zeros(11))
    assert parts(there) == pytest.approx(parts(here), rel=1e-6)
    assert statistics.probability_of_improvement(large + 0.1, large).estimate > 0.5
    assert statistics.time_to_target([large], 1e8 + 4).tolist() == [3.0]


def test_every_public_name_is_documented():
    assert sorted(statistics.__all__) == list(statistics.__all__)
    assert all(getattr(statistics, name).__doc__ for name in statistics.__all__)
