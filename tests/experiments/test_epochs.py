"""Epochs and early stopping: the verdicts at a reduced size, and faults that reverse each of them."""

import jax
import numpy as np
import pytest

from experiments.textbook import epochs
from jaxmlp import run

pytestmark = pytest.mark.slow  # all tests share one training of many seeds
SEEDS, EPOCHS = 15, 60


@pytest.fixture(scope="module")
def measured():
    return epochs.measure("diabetes", SEEDS, EPOCHS)


def holds(parts):
    return [verdict.holds for verdict in epochs.judge("diabetes", *parts)]


def test_too_few_and_too_many(measured):
    assert holds(measured) == [True] * 5
    assert list(epochs.draw({"diabetes": measured, "digits": measured})) == ["epochs_diabetes", "epochs_digits"]


def test_stopping_without_restoring_is_detected(measured, monkeypatch):
    finish = run.finish
    monkeypatch.setattr(run, "finish", lambda state: finish(state)._replace(params=state.state.params))
    jax.clear_caches()
    faulty = epochs.measure("diabetes", SEEDS, EPOCHS)
    jax.clear_caches()
    assert holds(faulty)[3] is False
    np.testing.assert_allclose(faulty[0]["train_loss"], measured[0]["train_loss"], rtol=1e-5)


def test_a_network_that_does_not_overfit_is_detected(measured):
    """As if the test rows were the training rows."""
    history, best, kept = measured
    history = history | {"validation_test_loss": history["train_loss"]}
    kept = kept | {"test_loss": history["train_loss"][np.arange(SEEDS), best]}
    assert holds((history, best, kept))[2] is False


def test_stopping_far_too_early_is_detected(measured):
    history, best, kept = measured
    kept = kept | {"test_loss": history["validation_test_loss"][:, 0]}
    assert holds((history, np.zeros_like(best), kept))[0] is False
    assert holds((history, np.zeros_like(best), kept))[4] is False
