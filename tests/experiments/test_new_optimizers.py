"""The study of new optimizers, on made-up scores whose verdicts are known."""

import json

import numpy as np
import pandas as pd
import pytest

from experiments import new_optimizers
from experiments.new_optimizers import OPTIMIZERS, PROBLEMS, against, ranks, results_of
from experiments.study_figures import draw_advantages, draw_ranks
from experiments.study_page import page, tally
from jaxmlp import statistics
from jaxmlp.compare import PROBLEMS as KNOWN
from jaxmlp.compare import Comparison, Outcome, Protocol, analyze
from jaxmlp.compare.contestants import parse_contestants
from tests.compare.test_compare import BOWL

NOISE = np.asarray([0.1, -0.2, 0.15, 0.05, -0.1, 0.2, -0.15, -0.05, 0.1, -0.1])
# On a bowl less is better: adan is always ahead of adamw, lion always behind, muon level with it.
LOSSES = {"adamw": 5 + NOISE, "adan": 4 + NOISE[::-1], "lion": 9 + NOISE[::-1], "muon": 5 + NOISE[::-1]}

TIMES = {"muon": 2.0, "lion": 4.0}


@pytest.fixture(scope="module")
def found():
    tune = "learning_rate,weight_decay"
    protocol = Protocol("study", search="random", repetitions=10, tune=tune, baseline="adamw")
    outcomes = {}
    for name, losses in LOSSES.items():
        # Two seeds in each repetition, around its mean.
        rows = [(place, 0, seed, loss + shift, TIMES.get(name, 3.0), "finished") for place, loss in enumerate(losses) for seed, shift in enumerate((0.5, -0.5))]  # fmt: skip
        fresh = pd.DataFrame(rows, columns=pd.Index(["repetition", "study", "seed", "score", "time", "status"]))
        tuning = pd.DataFrame({"learning_rate": [0.1, 0.2], "tuned": [0.0, 1.0]})
        outcomes["bowl", name] = Outcome("bowl", name, None, ({"learning_rate": 0.1},), tuning, fresh)
    contestants = tuple(parse_contestants(",".join(LOSSES)))
    return analyze(Comparison(protocol, (BOWL,), contestants, outcomes, {"processor": "abacus"}, 0.0))


def test_each_optimizer_is_tested_against_the_baseline_with_one_correction(found):
    tests = {test.optimizer: test for test in against(found)}
    assert {name: test.verdict for name, test in tests.items()} == {"adan": "better", "lion": "worse", "muon": "sooner"}
    names, adamw = list(tests), -LOSSES["adamw"]
    # Times that always differ alike have the least p-value that signs can have; adan's equal those of adamw.
    plain = [statistics.paired(-LOSSES[name], adamw).p_value for name in names] + [2.0**-9] * 2
    assert [test.p_value for test in tests.values()] == pytest.approx(statistics.holm(plain)[:3].tolist())
    levels = statistics.holm_confidence(plain)
    for name, test in tests.items():
        alone = statistics.paired(-LOSSES[name], adamw, confidence=float(levels[names.index(name)]))
        assert test.difference == pytest.approx(alone.difference) and test.effect_size == pytest.approx(
            alone.effect_size
        )
    assert tests["adan"].difference.estimate == pytest.approx(1.0) and tests["lion"].difference.high < 0


def test_a_baseline_that_is_better_or_sooner_is_told_from_the_other_side(found):
    nothing = statistics.Interval(1.0, 0.5, 2.0)
    pair = found.pairs[0]._replace(first="adamw", second="lion", difference=nothing, effect_size=2.0, verdict="sooner", sooner="adamw")  # fmt: skip
    told = against(found._replace(pairs=[pair, pair._replace(sooner="lion"), pair._replace(verdict="better")]))
    assert [one.verdict for one in told] == ["later", "sooner", "worse"]
    assert told[0].difference == (-1.0, -2.0, -0.5) and told[0].effect_size == -2.0 and told[0].optimizer == "lion"


def test_ranks_are_means_over_problems(found):
    table = ranks(found).set_index("optimizer")
    assert table.loc["adan", "estimate"] == 1.0 and table.loc["lion", "estimate"] == 4.0
    level = [float((LOSSES["muon"] < LOSSES["adamw"]).mean()), float((LOSSES["muon"] == LOSSES["adamw"]).mean())]
    assert table.loc["muon", "estimate"] == pytest.approx(3 - level[0] - level[1] / 2)
    assert table.index[0] == "adan"


def test_the_page_says_who_is_better_and_names_limits_and_machine(found, tmp_path):
    results = json.loads(json.dumps({"constant": results_of(found), "cosine": results_of(found)}))
    assert {name: dict(count) for name, count in tally(results["cosine"]).items()} == {
        "adan": {"better": 1}, "muon": {"sooner": 1}, "lion": {"worse": 1}
    }  # fmt: skip
    text = page(results, "adamw")
    assert "1 found the other optimizer better than adamw (bowl: adan) and 1 worse (bowl: lion)." in text
    assert "In 1 the scores did not decide, but it reached the target sooner (bowl: muon), in 0 later." in text
    row = next(line for line in text.splitlines() if line.startswith("| adan"))
    assert row.endswith("| 1 / 0 / 0 / 0 / 0 / 0 |") and "**+** " in row
    assert "## A constant learning rate" in text and "## A cosine schedule" in text and "abacus" in text
    for place, figure in enumerate((draw_advantages(results, "adamw"), draw_ranks(results))):
        figure.savefig(tmp_path / f"{place}.png")


def test_the_study_is_what_it_promises():
    names = [one.name for one in parse_contestants(OPTIMIZERS)]
    widths = [np.log10(one.rates[1] / one.rates[0]) for one in parse_contestants(OPTIMIZERS) if one.rates]
    assert len(names) == len(widths) == 14 and new_optimizers.BASELINE in names
    np.testing.assert_allclose(widths, 3.0)
    assert len(PROBLEMS) >= 8 and set(PROBLEMS) - set(KNOWN) <= {"spirals", "iris"}
