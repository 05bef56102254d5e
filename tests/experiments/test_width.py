"""CartPole, plateau, approximation and depth: verdicts at a reduced size, and faults that reverse them."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from experiments.textbook import approximation, cartpole, depth, plateau

pytestmark = pytest.mark.usefixtures("compiled_anew")


def outcomes(finding):
    return [verdict.holds for verdict in finding.verdicts]


ADAM = {"Adam": cartpole.OPTIMIZERS["Adam"]}


def test_cartpole():
    finding = cartpole.run(seeds=8, epochs=60, optimizers=ADAM)
    assert outcomes(finding) == [True, True]
    assert len(finding.numbers["seconds_balanced_on_test"]["Adam"]) == 8


def test_a_policy_that_does_not_look_ahead_does_not_balance(monkeypatch):
    monkeypatch.setattr(
        cartpole, "DISCOUNT", 0.0
    )  # future rewards do not count, so that no action is better than another
    assert outcomes(cartpole.run(seeds=8, epochs=15, optimizers=ADAM)) == [True, False]


def run_plateau(monkeypatch):
    """Circles, which no line divides, in place of images; scores of the two small sizes are made up."""
    score = plateau.score

    def shortened(model, rows, epochs, data, seed):
        return score(model, rows, epochs, data, seed) if rows == 800 else 50.0 + seed % 2

    monkeypatch.setattr(plateau, "score", shortened)
    data = jaxmlp.load("circles", rows=1200)
    return plateau.run(seeds=6, epochs={100: 20, 200: 20, 800: 20}, data=data)


def test_plateau(monkeypatch):
    finding = run_plateau(monkeypatch)
    assert outcomes(finding)[1:] == [True, True, True]
    assert finding.numbers["median_test_accuracy"]["network, 800 images"] > 90


def test_a_network_without_its_hidden_layer_stays_on_the_plateau(monkeypatch):
    classifier = jaxmlp.classifier
    monkeypatch.setattr(jaxmlp, "classifier", lambda sizes, **rest: classifier((sizes[0], sizes[-1]), **rest))
    _, climbs, better, grows = outcomes(run_plateau(monkeypatch))
    assert better is False and not climbs and not grows


def test_plateau_is_a_gain_of_a_point_at_most():
    scores = {(model, rows): np.array([80.0, 81, 82]) for model in plateau.MODELS for rows in (1, 2, 3)}
    assert plateau.judge(scores, [1, 2, 3])[0].holds is True
    scores["logistic regression", 3] = scores["logistic regression", 3] + 2
    assert plateau.judge(scores, [1, 2, 3])[0].holds is False


@pytest.mark.slow
def test_approximation():
    exists, found, _, fast, jump = outcomes(approximation.run(seeds=3, epochs=20, widths=(4, 8, 128)))
    assert (exists, found, fast, jump) == (
        True,
        False,
        True,
        True,
    )  # a network for the fast wave exists, but training does not find it


def test_few_units_and_no_activation_approximate_nothing(monkeypatch):
    apply = jaxmlp.apply
    monkeypatch.setattr(jaxmlp, "apply", lambda params, inputs: apply(params, inputs, "linear"))
    exists, found, gain, _, _ = outcomes(approximation.run(seeds=3, epochs=20, widths=(4, 8)))
    assert (exists, found, gain) == (False, False, False)


def test_pieces():
    assert depth.pieces(depth.fold((1, 12, 1))) == 12
    assert depth.pieces(depth.fold((1, 3, 4, 1))) == 12
    assert depth.pieces(depth.fold((1, 6, 6, 1))) == 36
    x = jnp.linspace(-1, 1, 1001)[:, None]
    folded = np.asarray(jaxmlp.apply(depth.fold((1, 3, 1)), x))
    np.testing.assert_allclose([folded.min(), folded.max()], [0, 1], atol=1e-2)
    assert [len(np.unique(np.sign(np.diff(depth.tent(n)(x[:, 0]))))) for n in (1, 2)] == [2, 2]


@pytest.mark.slow
def test_depth():
    # Networks of the same sizes are compiled once.
    finding = depth.run(seeds=3, epochs=3, shapes=dict(zip(depth.SHAPES, [*depth.LAYERS.values()] * 2, strict=False)))
    assert outcomes(finding)[:4] == [True, True, False, False]
    assert finding.numbers["pieces"]["12"]["at random"] == 13


def test_the_verdicts_on_depth_change_with_counts_and_errors():
    noise = np.array([0.9, 1.0, 1.1, 1.05])
    counts = {"12": {}, "6 and 6": {}}
    for way, few, many in (("by hand", 11, 25), ("at random", 13, 40), ("trained", 30, 45)):
        counts["12"][way], counts["6 and 6"][way] = few * noise, many + noise
    levels = dict(zip(depth.SHAPES, (0.01, 0.1, 0.2), strict=True))
    errors = {(t, name): level * noise**i for t in depth.TARGETS for i, (name, level) in enumerate(levels.items())}
    hold = [verdict.holds for verdict in depth.judge(errors, counts)]
    assert hold == [False, False, True, True, True, False, False, True]
