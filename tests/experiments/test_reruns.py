"""The simulation of reruns, on made-up pools whose answers are known."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from experiments import reruns
from experiments.reruns import ONE_SPLIT, STANDARD, Pool, Simulation, agreement, pools, simulated, twins
from jaxmlp.compare import Outcome
from tests.compare.test_compare import BOWL, untrained_comparison

FEW = STANDARD._replace(repetitions=10, choice="best", tuning_seeds=1, seeds=2)


def pool_of(scores, best, times=None):
    """A pool with given scores (splits, points, seeds), in which a seed chooses the point `best[split, seed]`."""
    _, points, seeds = scores.shape
    tuning = [
        {
            seed: pd.DataFrame(
                {
                    "point": range(points),
                    "learning_rate": 10.0 ** np.arange(points),
                    "tuned": -np.abs(np.arange(points) - chosen[seed]),
                    "excess": np.nan,
                    "time": 1.0,
                }
            )
            for seed in range(seeds)
        }
        for chosen in best
    ]
    return Pool(scores, np.full(scores.shape, 2.0) if times is None else times, tuning)


def test_the_truth_is_the_mean_over_splits_tunings_and_fresh_seeds():
    scores, best = np.arange(18.0).reshape(2, 3, 3) ** 2, np.array([[0, 2, 1], [1, 1, 0]])
    pool = {"a": pool_of(scores, best), "a@10": pool_of(scores, best)._replace(fixed=1)}
    simulation = Simulation(BOWL, pool, FEW)
    assert [simulation.choice("a", split, [seed]) for split in (0, 1) for seed in range(3)] == best.ravel().tolist()
    assert simulation.choice("a", 0, [0, 1, 2]) == 1 and simulation.choice("a@10", 0, [0]) == 1
    fresh = [(split, tuned, seed) for split in (0, 1) for tuned in range(3) for seed in range(3) if seed != tuned]
    found = simulation.truth(np.random.default_rng(0), 10_000)
    assert found["a"] == pytest.approx(np.mean([scores[split, best[split, tuned], seed] for split, tuned, seed in fresh]), rel=0.02)  # fmt: skip
    assert found["a@10"] == pytest.approx(scores[:, 1].mean(), rel=0.02)


def test_a_rerun_draws_tuning_and_fresh_seeds_of_its_splits_for_all_optimizers():
    scores = np.arange(24.0).reshape(2, 3, 4)
    simulation = Simulation(BOWL, {"a": pool_of(scores, np.zeros((2, 4), int) + 2)}, FEW)
    drawn = simulation.draws(np.random.default_rng(0), 6)
    assert {split for split, _ in drawn} == {0, 1} and all(set(order) == {0, 1, 2, 3} for _, order in drawn)
    table = simulation.runs("a", drawn)
    assert table["repetition"].tolist() == [number for number in range(6) for _ in range(2)]
    assert table["seed"].tolist() == [int(seed) for _, order in drawn for seed in order[1:3]]
    assert table["score"].tolist() == [scores[split, 2, seed] for split, order in drawn for seed in order[1:3]]
    fixed = Simulation(BOWL, simulation.pool, ONE_SPLIT._replace(seeds=3)).draws(np.random.default_rng(0), 1)
    assert len(fixed) == 1 and len(simulation.runs("a", fixed)) == 2


def test_agreement_by_hand():
    said = [Counter({"better: a": 3, "better: b": 1, "sooner: b": 2, "cannot tell": 4}), Counter({"no difference": 10})]
    # 4 claims, each compared with 9 other reruns: 3 * 2 confirm, 3 * 1 + 1 * 3 contradict.
    assert agreement("better", said, 10) == pytest.approx(
        {"claims": 0.4, "confirmed": 6 / 36, "contradicted": 6 / 36, "left open": 24 / 36}
    )
    assert agreement("sooner", said, 10) == pytest.approx(
        {"claims": 0.2, "confirmed": 2 / 18, "contradicted": 0.0, "left open": 16 / 18}
    )
    assert set(agreement("better", said[1:], 10).values()) == {0.0}


@pytest.fixture(scope="module")
def results():
    """Losses that clearly favor `a`; `c` is as good as `b`, and sooner."""
    random, best = np.random.default_rng(1), np.zeros((5, 6), int)
    low, high = random.normal(size=(5, 2, 6)), 9.0 + random.normal(size=(5, 2, 6))
    late = np.full(low.shape, 4.0)
    pool = {"a": pool_of(low, best, late), "b": pool_of(high, best, late), "c": pool_of(high, best)}
    found = simulated(BOWL, pool, FEW, 2, 0)
    fixed = {
        **found,
        "twins": {},
        "agreement": {word: agreement(word, [Counter()], 2) for word in ("better", "sooner")},
    }
    return {"problems": {"bowl": {"standard": found, "one split": fixed}}}


def test_what_reruns_say_of_optimizers_that_differ(results):
    found = results["problems"]["bowl"]["standard"]
    by_pair = {(pair["first"], pair["second"]): pair for pair in found["pairs"]}
    assert by_pair["a", "b"]["better: a"] == by_pair["a", "c"]["better: a"] == by_pair["b", "c"]["sooner: c"] == 1.0
    confirmed = {"confirmed": 1.0, "contradicted": 0.0, "left open": 0.0}
    assert found["agreement"] == {"better": {"claims": 2.0, **confirmed}, "sooner": {"claims": 1.0, **confirmed}}
    assert set(found["twins"]) <= {"cannot tell", "no difference", "better"} and sum(found["twins"].values()) == 1.0
    assert 0.5 <= found["coverage"]["means"] <= 1.0 and 0.5 <= found["coverage"]["differences"] <= 1.0
    assert found["truth"]["a"] == pytest.approx(0.0, abs=0.5) and found["truth"]["b"] == pytest.approx(9.0, abs=0.5)


def test_twins_need_seeds_of_their_own():
    pool = {"a": pool_of(np.ones((2, 1, 5)), np.zeros((2, 5), int))}
    assert twins(Simulation(BOWL, pool, FEW), np.random.default_rng(0), 3) == {}
    assert twins(Simulation(BOWL, pool, FEW._replace(seeds=1)), np.random.default_rng(0), 3) == {"no difference": 1.0}


def test_results_are_written_and_drawn(results, tmp_path):
    reruns.write(results, tmp_path)
    assert json.loads((tmp_path / "reruns.json").read_text()) == results and (tmp_path / "reruns.png").exists()
    said = [text.get_text() for text in reruns.draw(results).axes[0].texts]
    assert {"bowl, standard", "“better”, said of 2.0 of 3 pairs", "“sooner”, said of 1.0 of 3 pairs", "100"} <= set(
        said
    )
    assert sum("A against A" in text for text in said) == 1


def test_pools_are_read_from_the_tuning_of_a_comparison():
    """Two splits, three rates, two seeds: the score is that of the test rows, of an untrained network if it is NaN."""
    number = np.arange(12)
    table = pd.DataFrame(
        {
            "repetition": number // 6,
            "point": number % 6 // 2,
            "learning_rate": 0.1,
            "tuned": -1.0 * number,
            "excess": 1.0 * number,
            "time": 2.0 + number,
            "test_loss": np.where(number == 5, np.nan, 10.0 * number),
        }
    )
    outcomes = {("bowl", name): Outcome("bowl", name, None, (), table) for name in ("gd", "adam")}
    made = untrained_comparison("gd,adam", outcomes=outcomes)
    found = pools(made._replace(protocol=FEW._replace(repetitions=2, trials=3, tuning_seeds=2)))
    assert [found[name].fixed for name in ("gd", "adam", "adam@1e-3")] == [None, None, 2] and len(found) == 3
    expected = 10.0 * number.reshape(2, 3, 2)
    expected[0, 2, 1] = BOWL.untrained()
    np.testing.assert_array_equal(found["gd"].scores, expected)
    np.testing.assert_array_equal(found["gd"].times, 2.0 + number.reshape(2, 3, 2))
    assert found["gd"].tuning[1][0]["tuned"].tolist() == [-6.0, -8.0, -10.0]
