"""Activations: the verdicts at a reduced size, and faults that reverse each of them."""

import jax
import pytest

import jaxmlp
from experiments.textbook import activations

# 0 of 3 seeds cannot show that something happens in at most one of five: the second verdict is None.
SMALL = {"seeds": 3, "steps": 150, "depths": (3,)}


def holds():
    return [verdict.holds for verdict in activations.run(**SMALL).verdicts]


@pytest.mark.slow
def test_one_matrix():
    assert holds() == [True, None, True, True]


@pytest.mark.slow
def test_an_activation_where_there_should_be_none(monkeypatch):
    monkeypatch.setattr(activations, "draw", lambda *parts: None)
    monkeypatch.setitem(activations.ACTIVATIONS, activations.WITHOUT, jaxmlp.relu)
    assert holds() == [False, False, True, False]


@pytest.mark.slow
def test_relu_replaced_by_the_identity(monkeypatch):
    monkeypatch.setattr(activations, "draw", lambda *parts: None)
    monkeypatch.setattr(jax.nn, "relu", lambda x: x)
    jax.clear_caches()
    turned = holds()
    jax.clear_caches()
    assert turned == [True, None, False, False]


def test_seeds_that_never_get_below_the_floor():
    accuracies = losses = differences = {(name, 1): [0.5] * 20 for name in activations.ACTIVATIONS}
    judged = activations.judge(1, accuracies, losses, differences, floor=0.5)
    assert judged[1].holds is True
    assert activations.judge(1, accuracies, losses, differences, floor=0.6)[1].holds is False


def test_one_layer_is_its_own_matrix():
    params = jaxmlp.init(jax.random.key(0), (2, 2), bias=0.5)
    assert activations.from_one_matrix(params, jax.numpy.ones((4, 2)), jaxmlp.relu) == pytest.approx(0, abs=1e-6)
