"""Dropout reduces overfitting and is an ensemble, unless units are also dropped at test time, or never."""

import jax
import pytest

import jaxmlp
from experiments.textbook import dropout


@pytest.fixture(scope="module")
def trained():
    """Digits and the results of one small training, shared: the faults below concern what is done with them."""
    data = dropout.first(jaxmlp.load("digits"), 300)
    return data, dropout.train_and_measure(data, 8, 100, 128)


def ensemble(trained):
    data, found = trained
    return [verdict.holds for verdict in dropout.judged_ensemble(dropout.against_masks(found["params"], data.test))]


@pytest.mark.slow
def test_dropout_overfits_less_and_is_an_ensemble(trained):
    gap, test_loss = dropout.judged_overfitting({300: trained[1]})
    assert gap.holds is True and test_loss.holds is True
    assert dropout.judged_correlation(trained[1]).holds is True
    assert ensemble(trained) == [True, True, True, True]


@pytest.mark.slow
def test_dropout_at_test_time_is_no_ensemble(trained, monkeypatch):
    def dropping(params, inputs, dropout_rate=0.5, key=None):
        return apply(params, inputs, dropout_rate=dropout_rate, key=jax.random.key(7) if key is None else key)

    apply = jaxmlp.apply
    monkeypatch.setattr(jaxmlp, "apply", dropping)
    better_than_one, agrees, better, geometric = ensemble(trained)
    assert better_than_one is True
    assert agrees is False and better is False and geometric is False


@pytest.mark.slow
def test_without_dropout_nothing_changes(monkeypatch):
    monkeypatch.setattr("jaxmlp.mlp.dropout", lambda key, inputs, rate: inputs)
    finding = dropout.run(seeds=2, epochs=2, rows=(100,), hidden=8)
    gap, test_loss, better_than_one, _, _, _, correlation = (verdict.holds for verdict in finding.verdicts)
    assert gap is False and test_loss is False and correlation is False
    assert better_than_one is not True
    assert list(finding.figures) == ["dropout_gap", "dropout_ensemble", "dropout_correlation"]
