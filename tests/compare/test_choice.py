"""Which point a tuning chooses: a smooth curve, a cliff beside the best rate, a lucky rate, rates that diverged."""

import numpy as np
import pandas as pd
import pytest

from jaxmlp.compare import Protocol
from jaxmlp.compare.choice import chosen_point, smoothed
from jaxmlp.compare.outcomes import tuning_table
from tests.compare.test_compare import BOWL, Fake

RATES = np.geomspace(1e-4, 10, 11)
SMOOTH, BEST = Protocol("smooth"), Protocol("best", choice="best")


def tuned(losses, times=3.0):
    losses = np.asarray(losses, float)
    columns = {"point": range(len(losses)), "learning_rate": RATES[: len(losses)], "tuned": -losses, "excess": losses}
    return pd.DataFrame({**columns, "time": times})


def test_a_parabola_in_the_logarithms_stays_what_it_is():
    parabola = 0.02 * (np.log10(RATES) + 2.2) ** 2 - 3.0
    np.testing.assert_allclose(smoothed(RATES, np.exp(parabola)), parabola, atol=1e-9)


def test_the_smoothed_value_by_hand():
    """Of three rates half a decade apart, with weights (1 - 1/27)^3 on the neighbors: a parabola through all three."""
    losses = np.array([0.4, 0.3, 0.35])
    np.testing.assert_allclose(smoothed(RATES[:3], losses), np.log(losses), atol=1e-9)
    heights = np.log([0.40, 0.36, 0.30, 0.32, 0.38])
    offsets = np.arange(-2, 3) / 3
    weights = (1 - np.abs(offsets) ** 3) ** 3
    fit = np.polynomial.polynomial.polyfit(offsets, heights, 2, w=np.sqrt(weights))
    assert smoothed(RATES[:5], np.exp(heights))[2] == pytest.approx(fit[0], abs=1e-9)


def test_a_cliff_beside_the_best_rate_does_not_push_the_choice_away():
    cliff = [2.4, 2.3, 2.0, 1.5, 0.74, 0.30, 0.155, 0.103, 0.076, 2.2, 2.3]
    assert chosen_point(SMOOTH, tuned(cliff)) == chosen_point(BEST, tuned(cliff)) == 8
    diverged = [*cliff[:9], np.inf, np.inf]
    assert chosen_point(SMOOTH, tuned(diverged)) == 8
    assert np.isinf(smoothed(RATES, np.array(diverged))[9:]).all()


def test_a_rate_that_is_good_by_luck_loses_to_a_valley():
    lucky = [1.0, 0.3, 0.12, 0.085, 0.070, 0.072, 0.09, 0.4, 0.068, 0.9, 1.5]
    assert chosen_point(BEST, tuned(lucky)) == 8
    assert chosen_point(SMOOTH, tuned(lucky)) in (4, 5)


def test_the_plain_minimum_where_nothing_can_be_smoothed():
    losses = [1.0, 0.3, 0.12, 0.085, 0.070, 0.072, 0.09, 0.4, 0.068, 0.9, 1.5]
    table = tuned(losses)
    assert chosen_point(SMOOTH._replace(search="random"), table) == 8
    assert chosen_point(SMOOTH, table.assign(excess=np.nan)) == 8
    assert chosen_point(SMOOTH, table.assign(excess=table["excess"] - 0.07)) == 8
    assert chosen_point(SMOOTH._replace(score="time"), table.assign(time=[5.0] * 3 + [2.0] + [4.0] * 7)) == 3
    assert chosen_point(SMOOTH, tuned([np.inf, np.inf, 0.5])) == 2


def test_excess_is_a_loss_with_two_more_rows():
    two = 2 / 40
    assert tuning_table(BOWL, Fake(validation_loss=[0.1, 0.2]), 1)["excess"].tolist() == pytest.approx(
        [0.1 + two, 0.2 + two]
    )
    upwards = BOWL._replace(metric="accuracy", mode="max")
    assert tuning_table(upwards, Fake(validation_accuracy=[0.75, 1.0]), 1)["excess"].tolist() == pytest.approx(
        [0.25 + two, two]
    )
    diverged = tuning_table(BOWL, Fake(validation_loss=[0.1, 0.2], status=["diverged", "finished"]), 1)
    assert diverged["excess"][0] == np.inf
    other = BOWL._replace(metric="f1", mode="max")
    assert tuning_table(other, Fake(validation_f1=[0.1, 0.2]), 1)["excess"].isna().all()
