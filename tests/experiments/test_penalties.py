"""L1 and L2 as in the course, and faults that reverse the verdicts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from experiments.textbook import penalties

SMALL = {"seeds": 22, "steps": 1500}


@pytest.fixture(autouse=True)
def few_strengths(monkeypatch):
    monkeypatch.setattr(penalties, "STRENGTHS", np.array([0.02, 0.2, 2.0], np.float32))
    monkeypatch.setattr(penalties, "CHOSEN", 1)


def path(name):
    data = jax.jit(jax.vmap(penalties.regression))(jnp.arange(SMALL["seeds"]))
    return np.asarray(penalties.train(name, data, SMALL["steps"]))


def test_l1_zeroes_and_l2_shrinks():
    *others, both_count, lasso, ridge = (verdict.holds for verdict in penalties.run(**SMALL).verdicts)
    assert [*others[:6], lasso, ridge] == [True] * 8
    assert both_count is not True  # L1 does share weight among twins that both count


def test_without_the_proximal_step_nothing_is_zero(monkeypatch):
    monkeypatch.setattr(penalties, "shrink", lambda amount, params: params)
    weights = path(penalties.L1)[:, penalties.CHOSEN]
    every = dict.fromkeys((penalties.L1, penalties.L2, penalties.GRADIENT), weights)
    assert penalties.judged_zeros(every)[0].holds is False


def test_without_its_penalty_l2_neither_shrinks_nor_shares(monkeypatch):
    monkeypatch.setattr(jaxmlp, "l2", lambda params: jnp.float32(0))
    paths = path(penalties.L2)
    weights = paths[:, penalties.CHOSEN]
    assert penalties.judged_shrinking({penalties.L2: paths}).holds is False
    assert penalties.judged_twins({penalties.L1: weights, penalties.L2: weights})[0].holds is False


def test_evenness():
    weights = np.array([[0.0] * 16 + [1.5, -0.5, 0, 0]])
    assert penalties.evenness(weights, penalties.ONE_COUNTS) == pytest.approx([1 / 3])
    assert penalties.evenness(weights, penalties.BOTH_COUNT) == [0.0]
