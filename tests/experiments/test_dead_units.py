"""Dead units: the verdicts at a reduced size, and faults that reverse each of them."""

import jax
import numpy as np
import pytest

import jaxmlp
from experiments.textbook import dead_units

SMALL = {"seeds": 5, "rates": (0.003, 0.1), "biases": (-2.0, 0.0), "epochs": 3, "later_epochs": 10}


def holds():
    return [verdict.holds for verdict in dead_units.run(**SMALL).verdicts]


@pytest.mark.slow
def test_dying_and_reviving():
    turned = holds()
    assert turned[:2] == [True, True] and turned[3:] == [False, True, True, True]
    assert turned[2] is not False  # a few units come back, and so few seeds cannot tell


def test_a_remedy_without_effect(monkeypatch):
    """Networks that are dead from the start, and ReLU in place of leaky ReLU."""
    monkeypatch.setitem(dead_units.REMEDIES, "leaky ReLU", jaxmlp.relu)
    data = jaxmlp.load("digits")
    networks = [jaxmlp.init(jax.random.key(seed), dead_units.SIZES, bias=-4.0) for seed in range(3)]
    by = {
        name: np.array([dead_units.after(params, activation, data, 2) for params in networks])
        for name, activation in dead_units.REMEDIES.items()
    }
    columns = {rate: np.zeros(3) for rate in (0.0, 0.003, 0.1)}
    judged = dead_units.judge(columns, columns, dict.fromkeys(dead_units.DAMAGED, by))
    assert [verdict.holds for verdict in judged] == [False, False, True, False, True, False, False]


def test_an_activation_that_does_not_die(monkeypatch):
    monkeypatch.setattr(dead_units, "ACTIVATION", jaxmlp.leaky_relu)
    monkeypatch.setattr(dead_units, "remedies", lambda *parts: {name: np.zeros((5, 2)) for name in dead_units.REMEDIES})
    monkeypatch.setattr(dead_units, "draw", lambda *parts: None)
    assert holds()[:2] == [False, False]
