"""The losses: the verdicts at a reduced size, and faults that reverse each of them."""

import jax
import jax.numpy as jnp
import pytest

import jaxmlp
from experiments.textbook import losses

SMALL = {"seeds": 6, "epochs": 12, "rates": (0.3, 1.0, 3.0)}


@pytest.fixture
def fresh_programs():
    """Clears compiled functions, which would not contain a planted fault, or would keep it after the test."""
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.mark.slow
def test_confident_mistakes():
    finding = losses.run(**SMALL)
    assert [verdict.holds for verdict in finding.verdicts] == [True] * 5


def test_a_loss_that_punishes_no_harder_has_no_lead(monkeypatch):
    monkeypatch.setattr(losses, "LOSSES", dict.fromkeys(losses.LOSSES, losses.squared_error))
    monkeypatch.setattr(losses, "judge_the_others", lambda seeds: [])
    assert [verdict.holds for verdict in losses.run(**SMALL).verdicts] == [False, False, False]


def test_a_sum_that_is_a_mean(monkeypatch):
    monkeypatch.setattr(jaxmlp, "sse", jaxmlp.mse)
    monkeypatch.setattr(losses, "centers_from_means", lambda seed: 0.0)
    assert [verdict.holds for verdict in losses.judge_the_others(2)] == [False, True]


def test_distances_that_are_not_squared_lead_elsewhere(monkeypatch, fresh_programs):
    def distance_sum(inputs, centers):
        return jnp.sum(jnp.min(jnp.linalg.norm(inputs[:, None] - centers[None], axis=-1), axis=1))

    monkeypatch.setattr(jaxmlp, "inertia", distance_sum)
    monkeypatch.setattr(losses, "sum_against_mean", lambda seed: 0.0)
    assert [verdict.holds for verdict in losses.judge_the_others(2)] == [True, False]


@pytest.mark.parametrize(("logits", "loss"), [([0.0, 0.0], 0.5), ([50.0, -50.0], 2.0), ([-50.0, 50.0], 0.0)])
def test_the_squared_error_is_bounded(logits, loss):
    assert float(losses.squared_error(jnp.array([logits]), jnp.array([1]))) == pytest.approx(loss)
    assert jnp.isfinite(jax.grad(lambda z: losses.squared_error(z, jnp.array([1])))(jnp.array([logits]))).all()
