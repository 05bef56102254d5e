"""Four steps, backpropagation and classical models: verdicts at a reduced size, and faults that reverse them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from experiments.textbook import backpropagation, corners, four_steps

pytestmark = pytest.mark.usefixtures("compiled_anew")


def outcomes(finding):
    return [verdict.holds for verdict in finding.verdicts]


def test_the_four_steps():
    finding = four_steps.run(seeds=24, epochs=60)
    assert outcomes(finding) == [True, True, True]
    assert list(finding.numbers["loss"]) == ["epoch 0", "epoch 20", "epoch 60"]


def test_an_update_up_the_gradient_raises_the_loss(monkeypatch):
    apply_updates = jaxmlp.apply_updates

    def uphill(params, updates):
        return apply_updates(params, jax.tree.map(jnp.negative, updates))

    monkeypatch.setattr(four_steps.jaxmlp, "apply_updates", uphill)
    monkeypatch.setattr(four_steps, "draw", lambda *arguments: None)
    # The step of the library is not affected by the fault.
    assert outcomes(four_steps.run(seeds=8, epochs=20)) == [False, False, False]


def test_backpropagation_by_hand():
    finding = backpropagation.run(seeds=24)
    assert outcomes(finding) == [True, True, True]
    assert len(finding.numbers["worst_relative_error_of_signals"]) == 6


def test_without_the_derivative_of_the_activation_signals_are_wrong(monkeypatch):
    monkeypatch.setitem(backpropagation.ACTIVATIONS, "tanh", (np.tanh, np.ones_like))
    monkeypatch.setattr(backpropagation, "draw", lambda: None)
    assert outcomes(backpropagation.run(seeds=4))[:2] == [False, False]


def test_shares_by_the_smallest_input_reverse_the_third_verdict(monkeypatch):
    weights = backpropagation.weights
    monkeypatch.setattr(backpropagation, "weights", lambda params: [1 / (1e-3 + jnp.abs(w)) for w in weights(params)])
    monkeypatch.setattr(backpropagation, "draw", lambda: None)
    assert outcomes(backpropagation.run(seeds=8))[2] is False


@pytest.mark.slow
def test_corners():
    finding = corners.run(seeds=4, epochs=1000, cluster_epochs=60, images=100)
    assert outcomes(finding)[:3] == [True, True, True] and outcomes(finding)[3] is not False
    assert len(finding.numbers["inertia_by_lloyd"]) == 4


@pytest.mark.slow
def test_corners_with_faults(monkeypatch):
    # Ten times the ridge penalty, an activation in the autoencoder, and inertia with a single center.
    classifier, regressor = jaxmlp.classifier, jaxmlp.regressor
    monkeypatch.setattr(jaxmlp, "classifier", lambda *sizes, l2, **settings: classifier(*sizes, l2=10 * l2, **settings))
    monkeypatch.setattr(
        jaxmlp,
        "regressor",
        lambda sizes, optimizer, **_: regressor(sizes, optimizer=optimizer, activation="relu", l2=0.1),
    )
    inertia = jaxmlp.inertia
    monkeypatch.setattr(jaxmlp, "inertia", lambda inputs, centers: inertia(inputs, centers[:1]))
    assert outcomes(corners.run(seeds=3, epochs=100, cluster_epochs=30, images=100)) == [False] * 4
