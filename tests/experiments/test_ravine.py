"""Momentum in a ravine, and verdicts that notice when it is missing."""

import jax
import numpy as np
import pytest

import jaxmlp
from experiments.textbook import ravine


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr(ravine, "RATES", np.array([0.5, 1.9], np.float32))


def holds(**sizes):
    return [verdict.holds for verdict in ravine.run(**({"seeds": 12, "steps": 1000} | sizes)).verdicts]


def test_momentum_damps_near_the_edge_only():
    assert holds() == [True, False, True, True]


def test_without_momentum_nothing_is_damped(monkeypatch):
    monkeypatch.setitem(ravine.METHODS, ravine.SAME, jaxmlp.gd)
    near_edge, _, _, sooner = holds()
    assert near_edge is False and sooner is False


def test_the_swing_of_gradient_descent_is_a_geometric_series():
    # Each step multiplies the distance by 1 - rate: path lengths add up to rate / (1 - |1 - rate|), at rates above 1 too.
    swing, steps = ravine.walks(jaxmlp.gd, np.array([[0.5, 1.5]], np.float32), 2000)
    np.testing.assert_allclose(swing[0], [1.0, 1.5 / 0.5], rtol=1e-3)
    condition = float(ravine.ravine(0)[0])
    assert int(steps[0, 0]) == pytest.approx(np.log(ravine.NEAR) / np.log1p(-0.5 / condition), abs=2)


def test_starts_have_the_right_distance_along_and_across():
    _, angle, start = jax.vmap(ravine.ravine)(jax.numpy.arange(5))
    along, across = jax.vmap(ravine.along_and_across)(start, angle)
    np.testing.assert_allclose(along, ravine.LENGTH, rtol=1e-5)
    assert (across >= 0.49).all() and (across <= 2.01).all()
