"""Figure 2 of the Adam paper: the choice of rates, both sides of the verdicts, the data, and a small run."""

import numpy as np
import pandas as pd
import pytest

import jaxmlp
from experiments.textbook import adam_paper

DIGITS = jaxmlp.load("digits")


def without_fashion_mnist(source):
    """`load` on a machine without the files and without a network."""
    if source == "fashion_mnist":
        raise OSError("load: source 'fashion_mnist' must be on this machine or downloaded")
    return DIGITS


@pytest.mark.slow
def test_adam_beats_an_adagrad_that_crawls_and_the_claims_name_the_data(monkeypatch):
    trained = {}

    def keep(curves, *rest):
        trained.update(curves)
        return judged(curves, *rest)

    judged = adam_paper.judged
    monkeypatch.setattr(adam_paper, "judged", keep)
    monkeypatch.setattr(jaxmlp, "load", without_fashion_mnist)
    slow_and_fast = {"AdaGrad": (jaxmlp.adagrad, (0.0001, 0.001)), "Adam": (jaxmlp.adam, (0.01, 0.03))}
    monkeypatch.setattr(adam_paper, "METHODS", slow_and_fast)
    finding = adam_paper.run(seeds=4, rows=256, hidden=(16, 16), epochs=30)
    assert [verdict.holds for verdict in finding.verdicts] == [True, True]
    assert all("on digits (in place of Fashion-MNIST) " in verdict.claim for verdict in finding.verdicts)
    assert finding.numbers["training rows"] == 256 and finding.numbers["sizes"] == (64, 16, 16, 10)

    crawling = {"AdaGrad": trained["Adam"], "Adam": trained["AdaGrad"]}
    assert [verdict.holds for verdict in judged(crawling, "digits")] == [False, False]


def test_no_seed_chooses_its_own_rate():
    # Rate 1 is by far the best for seed 0, rate 2 for the others: seed 0 must get rate 2.
    index = pd.MultiIndex.from_product([[1.0, 2.0], [0, 1, 2]], names=["learning_rate", "seed"])
    cost = pd.DataFrame({0: np.full(6, 9.0), 1: [0.0, 5.0, 5.0, 8.0, 4.0, 4.0]}, index=index)
    curves, chosen = adam_paper.at_best_rate(cost)
    assert chosen.tolist() == [2.0, 1.0, 1.0]
    np.testing.assert_array_equal(curves, [[9, 8], [9, 5], [9, 5]])


def test_full_is_the_published_size(monkeypatch):
    asked = {}

    def train(method, data, seeds, hidden, epochs):
        asked.update(rows=len(data.train.targets), hidden=hidden, epochs=epochs)
        raise StopIteration

    monkeypatch.setattr(adam_paper, "train", train)
    monkeypatch.setattr(jaxmlp, "load", lambda source: DIGITS)
    with pytest.raises(StopIteration):
        adam_paper.run(full=True)
    assert asked == {"rows": len(DIGITS.train.targets), "hidden": (1000, 1000), "epochs": 200}
