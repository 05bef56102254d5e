"""Drawn hyperparameters: their ranges, how evenly they lie, and that more begin with the same ones."""

import numpy as np
import pytest

from jaxmlp import between, draw_trials

SPACE = {"rate": between(1e-4, 1.0, log=True), "decay": between(-1.0, 3.0), "hidden": [(4,), (8, 8), (2,)]}


@pytest.mark.parametrize("how", ["random", "sobol", "halton"])
def test_draws_fill_their_ranges_and_more_begin_with_the_same(how):
    trials = draw_trials(SPACE, 300, how=how, seed=3)
    rates = np.log10([trial["rate"] for trial in trials])
    decays = np.array([trial["decay"] for trial in trials])
    hidden = [trial["hidden"] for trial in trials]
    assert -4 < rates.min() < -3.9 and -0.1 < rates.max() < 0 and abs(rates.mean() + 2) < 0.2
    assert -1 < decays.min() < -0.9 and 2.9 < decays.max() < 3 and abs(decays.mean() - 1) < 0.2
    assert all(75 < hidden.count(value) < 125 for value in SPACE["hidden"])
    assert draw_trials(SPACE, 7, how=how, seed=3) == trials[:7] != draw_trials(SPACE, 7, how=how, seed=4)


def test_quasi_random_draws_leave_smaller_gaps():
    gaps = {
        how: np.max(np.diff(sorted(trial["decay"] for trial in draw_trials({"decay": between(0, 1)}, 64, how=how))))
        for how in ("random", "sobol", "halton")
    }
    assert max(gaps["sobol"], gaps["halton"]) < 0.04 < gaps["random"]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: between(1, 1), r"between: low must be below high, got \(1, 1\)"),
        (lambda: between(0, 1, log=True), "between: low must be above 0 for log=True, got 0"),
        (lambda: between(0, float("inf")), "between: low must be below high"),
        (lambda: draw_trials(SPACE, 0), "draw_trials: count must be a whole number of at least 1, got 0"),
        (
            lambda: draw_trials(SPACE, 3, how="grid"),
            "draw_trials: how must be one of random, sobol, halton, got 'grid'",
        ),
        (
            lambda: draw_trials({"a": "relu"}, 1),
            r"draw_trials: a must be between\(low, high\) or a list of values, got 'relu'",
        ),
        (lambda: draw_trials({"a": []}, 1), "draw_trials: a must be between"),
    ],
)
def test_wrong_spaces_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
