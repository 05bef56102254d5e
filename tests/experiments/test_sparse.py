"""Adaptive rates on sparse data, and the first step of Adam, which needs its bias correction."""

import importlib

import numpy as np
import pytest

import jaxmlp
from experiments.textbook import sparse


@pytest.fixture(autouse=True)
def small(monkeypatch):
    frequencies = np.geomspace(0.5, 0.01, 8, dtype=np.float32)
    monkeypatch.setattr(sparse, "FREQUENCIES", frequencies)
    monkeypatch.setattr(sparse, "RARE", frequencies < 0.02)
    monkeypatch.setattr(sparse, "RATES", np.array([0.03, 0.3], np.float32))


def test_rare_features_get_larger_steps():
    verdicts = sparse.run(seeds=6, steps=150).verdicts
    assert [verdict.holds for verdict in verdicts] == [True] * len(verdicts)


def test_without_adaptive_rates_all_steps_are_alike(monkeypatch):
    monkeypatch.setattr(sparse, "ADAPTIVE", ("AdaGrad",))
    own_rate, error = sparse.train(jaxmlp.gd, *sparse.make_batches(4, 100))
    own_rate, error = np.asarray(own_rate)[:, 0], np.asarray(error)[:, 0]
    same, larger = sparse.judged_rates({"gradient descent": own_rate, "AdaGrad": own_rate})
    assert same.holds is True and larger.holds is False
    assert sparse.judged_errors({"gradient descent": error, "AdaGrad": error})[0].holds is False


def test_without_bias_correction_adams_first_step_is_another(monkeypatch):
    adam = importlib.import_module("jaxmlp.optimizers.adam_family")
    monkeypatch.setattr(adam, "debiased", lambda moment, decay, count: moment)
    assert sparse.first_step(4).holds is False
