"""Repetitions of the whole procedure: other splits, other tunings, other seeds, the same for all optimizers."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxmlp
from jaxmlp import statistics
from jaxmlp.compare import Problem, Protocol, UserError, analyze, compare
from jaxmlp.compare.comparison import checked_protocol
from jaxmlp.compare.contestants import parse_contestants
from jaxmlp.compare.observations import by_seed, oriented, resolution, speeds, times
from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.pairs import BETTER, SAME, UNKNOWN, all_pairs
from jaxmlp.compare.rulebook import rules, scope
from jaxmlp.compare.summary import budget_of, budget_table, summary_table
from jaxmlp.compare.verdicts import in_words
from tests.compare.test_compare import untrained_comparison

NOISE = np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32)
DATA = jaxmlp.Data(*(jaxmlp.Batch(NOISE[rows], np.zeros(len(NOISE[rows]), np.float32)) for rows in (slice(0, 20), slice(20, 30), slice(30, 40))))  # fmt: skip


def bowl(optimizer):
    """One parameter that seeks the mean of the rows."""
    return jaxmlp.Learner(
        init=lambda key: 3.0 + jax.random.normal(key, ()),
        loss=lambda w, batch, key: jnp.mean((w - batch.inputs) ** 2),
        evaluate=lambda w, batch: {"loss": jnp.mean((w - batch.inputs) ** 2)},
        optimizer=optimizer,
    )


BOWL = Problem(
    "bowl", "the mean", DATA, bowl, epochs=4, target=1.5, batch_size=10, metric="loss", mode="min", keep="last"
)
THREE = Protocol("three", "grid", 3, 1e-2, 1.0, repetitions=3)


@pytest.fixture(scope="module")
def comparison():
    return compare("gd,copy=gd,adam@0.1", BOWL, THREE)


def test_every_repetition_has_its_own_split_tuning_and_seeds(comparison):
    outcome = comparison.outcomes["bowl", "gd"]
    assert [len(outcome.tuning), len(outcome.fresh), len(outcome.crossed), len(outcome.chosen)] == [9, 6, 4, 3]
    assert outcome.fresh["repetition"].tolist() == [0, 0, 1, 1, 2, 2] and outcome.fresh["seed"].tolist() == list(
        range(6)
    )
    assert outcome.tuning["seed"].tolist() == [1_000_000] * 3 + [1_000_001] * 3 + [1_000_002] * 3
    # Test rows differ: the score of the best constant, 0.0 or the like, does too.
    by_hand = [BOWL.repetition(seed).data.test.inputs for seed in (1, 2, 3)]
    assert len({float(rows.sum()) for rows in by_hand}) == 3
    assert len(outcome.curves["validation_loss"]) == 6


def test_all_optimizers_share_splits_and_seeds(comparison):
    one, copy = (comparison.outcomes["bowl", name] for name in ("gd", "copy"))
    pd.testing.assert_frame_equal(one.fresh, copy.fresh)
    assert comparison.outcomes["bowl", "adam@0.1"].fresh["seed"].tolist() == one.fresh["seed"].tolist()
    (pair,) = [pair for pair in all_pairs(comparison) if {pair.first, pair.second} == {"gd", "copy"}]
    assert (pair.verdict, pair.ties, pair.p_value) == (SAME, 3, 1.0)
    assert in_words(pair, BOWL, THREE).endswith("no difference (identical in all 3 repetitions).")


def test_a_fresh_run_is_that_of_its_split_rate_and_seed(comparison):
    outcome = comparison.outcomes["bowl", "gd"]
    row, crossed = outcome.fresh.iloc[3], outcome.crossed.iloc[1]  # repetition 1, seed 3
    assert (crossed["repetition"], crossed["seed"]) == (1, 3)
    assert crossed["learning_rate"] == outcome.chosen[0]["learning_rate"]
    for run, rate in ((row, outcome.chosen[1]), (crossed, outcome.chosen[0])):
        data = BOWL.repetition(THREE.split_seed_of(1)).data
        learner = bowl(jaxmlp.gd(rate["learning_rate"]))
        result = jaxmlp.fit(jax.random.key(3), learner, data, epochs=4, batch_size=10)
        assert run["score"] == pytest.approx(float(learner.evaluate(result.params, data.test)["loss"]), rel=1e-6)


def test_an_optimizer_that_is_not_tuned_has_no_crossed_runs(comparison):
    outcome = comparison.outcomes["bowl", "adam@0.1"]
    assert outcome.tuning.empty and outcome.crossed.empty and len(outcome.fresh) == 6
    assert budget_of(BOWL, THREE, outcome).tuning == (0.0, 0.0, 0.0)


def test_another_seed_of_the_protocol_is_another_rerun(comparison):
    other = compare("gd", BOWL, THREE, seed=1, repetitions=2).outcomes["bowl", "gd"]
    assert other.fresh["seed"].tolist() == [2_000_000, 2_000_001, 2_000_002, 2_000_003]
    assert not set(other.fresh["score"]) & set(comparison.outcomes["bowl", "gd"].fresh["score"])


def test_one_split_for_all_repetitions():
    fixed = compare("gd", BOWL, THREE, split="fixed", choice="best").outcomes["bowl", "gd"]
    assert fixed.crossed.empty
    learner = bowl(jaxmlp.gd(fixed.chosen[2]["learning_rate"]))
    result = jaxmlp.fit(jax.random.key(5), learner, DATA, epochs=4, batch_size=10)
    assert fixed.fresh["score"].iloc[5] == pytest.approx(
        float(learner.evaluate(result.params, DATA.test)["loss"]), rel=1e-6
    )
    budget = budget_of(BOWL, THREE._replace(split="fixed"), fixed)
    assert (
        budget.split == (0.0, 0.0, 0.0)
        and budget.tuning == statistics.variance_budget(-by_seed(BOWL, THREE, fixed.fresh)).split
    )


def test_one_compilation_serves_all_repetitions():
    traces, plain = [], bowl(jaxmlp.gd(0.1))

    def loss(w, batch, key):
        traces.append(1)
        return plain.loss(w, batch, key)

    def learner(optimizer):
        return jaxmlp.Learner(plain.init, loss, plain.evaluate, optimizer)

    counts = []
    for repetitions in (2, 5):
        traces.clear()
        compare("gd", BOWL._replace(learner=learner), THREE, repetitions=repetitions)
        counts.append(len(traces))
    assert counts[0] > 0 and counts[1] == 0  # more repetitions trace nothing, other splits and rates included


def scored(scores, number=2):
    """A comparison with given scores: {name: (repetitions, seeds)}."""
    outcomes = {}
    for name, values in scores.items():
        values = np.asarray(values, float)
        places = {"repetition": np.repeat(range(len(values)), values.shape[1]), "study": 0, "time": 2.0}
        fresh = pd.DataFrame({**places, "score": values.ravel(), "status": "finished"})
        outcomes["bowl", name] = Outcome("bowl", name, None, ({"learning_rate": 0.1},), pd.DataFrame(), fresh)
    made = untrained_comparison(",".join(f"{name}=adam" for name in scores), (BOWL,), outcomes)
    return made._replace(protocol=THREE._replace(repetitions=len(values), seeds=values.shape[1]))


def test_statistics_are_over_repetitions_with_seeds_nested():
    random = np.random.default_rng(1)
    splits = random.normal(size=(8, 1))
    a, b = splits + 0.1 * random.normal(size=(8, 2)), splits + 0.3 + 0.1 * random.normal(size=(8, 2))
    made = scored({"a": a, "b": b})
    row = summary_table(made).set_index("optimizer").loc["a"]
    assert [row[name] for name in ("mean", "mean_low", "mean_high")] == pytest.approx(statistics.mean(a.mean(axis=1)))
    (pair,) = all_pairs(made)
    test = statistics.paired(b.mean(axis=1), a.mean(axis=1))
    assert (pair.first, pair.second, pair.verdict, pair.wins) == ("a", "b", BETTER, 8)
    assert pair.difference == pytest.approx(test.difference) and pair.p_value == pytest.approx(test.p_value)
    spread = np.sqrt((a.mean(axis=1).var(ddof=1) + b.mean(axis=1).var(ddof=1)) / 2)
    assert pair.margin == pytest.approx(0.5 * spread) and pair.confidence == pytest.approx(0.95)
    wider = statistics.paired(b.mean(axis=1), a.mean(axis=1), overlap=0.5)  # 10 test rows, 20 training rows
    assert pair.new_rows == pytest.approx(wider.difference)
    assert pair.new_rows.high - pair.new_rows.low > pair.difference.high - pair.difference.low


@pytest.mark.parametrize("seed", range(6))
def test_verdict_interval_and_p_value_never_contradict(seed):
    random = np.random.default_rng(seed)
    shifts = dict(zip("abcde", 0.3 * np.arange(5), strict=True))
    common = random.normal(size=(10, 1))
    made = scored({name: common + shift + 0.5 * random.normal(size=(10, 2)) for name, shift in shifts.items()})
    found = all_pairs(made)
    assert {pair.verdict for pair in found} >= {BETTER, UNKNOWN}
    for pair in found:
        excludes = pair.difference.low > 0 or pair.difference.high < 0
        assert excludes == (pair.p_value < 0.05) == (pair.verdict == BETTER)
        assert pair.difference.low <= pair.difference.estimate <= pair.difference.high and pair.difference.estimate >= 0


def test_identical_scores_give_an_interval_of_some_width_or_none():
    few, many = (scored({"a": np.full((number, 2), 0.25), "b": np.full((number, 2), 0.5)}) for number in (5, 12))
    (cannot_tell,), (better,) = all_pairs(few), all_pairs(many)
    assert cannot_tell.verdict == UNKNOWN and np.isnan(cannot_tell.difference.low)
    assert "cannot tell (difference +0.25 in loss each time)" in in_words(cannot_tell, BOWL, few.protocol)
    assert better.verdict == BETTER and 0.249 < better.difference.low < 0.25 < better.difference.high < 0.251
    low, high = (summary_table(made)[["mean_low", "mean_high"]].iloc[0] for made in (few, many))
    assert low.isna().all() and high["mean_low"] < 0.25 < high["mean_high"]


def test_the_resolution_of_a_score():
    made = scored({"a": np.array([[0.1234, 0.5], [0.2, 0.03]])})
    protocol, outcome = made.protocol, made.outcomes["bowl", "a"]
    assert resolution(BOWL, protocol, outcome) == pytest.approx(1e-4 / np.sqrt(2))
    assert resolution(BOWL._replace(metric="accuracy"), protocol, outcome) == pytest.approx(0.1 / np.sqrt(2))
    assert resolution(BOWL, protocol._replace(score="time"), outcome) == pytest.approx(1 / 16 / np.sqrt(2))
    outcome.fresh["score"] = 0.0
    assert resolution(BOWL, protocol, outcome) == pytest.approx(1e-4 / np.sqrt(2))


def test_the_time_of_a_repetition_is_the_harmonic_mean_of_its_seeds():
    made = scored({"a": np.zeros((2, 2))})
    outcome = made.outcomes["bowl", "a"]
    outcome.fresh["time"] = [2.0, np.inf, np.inf, np.inf]
    assert speeds(made.protocol, outcome).tolist() == [0.25, 0.0]
    assert times(made.protocol, outcome).tolist() == [4.0, np.inf]
    assert oriented(BOWL, made.protocol._replace(score="time"), outcome).tolist() == [0.25, 0.0]


def test_the_variance_budget_names_the_sources():
    random = np.random.default_rng(2)
    split, tuning = 1.0 * random.normal(size=(400, 1)), 0.5 * random.normal(size=(401, 1))
    own, crossed = (split + rates + 0.3 * random.normal(size=(400, 2)) for rates in (tuning[1:], tuning[:-1]))
    made = scored({"a": own})
    outcome = made.outcomes["bowl", "a"]._replace(crossed=scored({"a": crossed}).outcomes["bowl", "a"].fresh.iloc[2:])
    row = budget_table(made._replace(outcomes={("bowl", "a"): outcome})).iloc[0]
    assert (row["seeds"], row["tuning"], row["split"]) == pytest.approx((0.3, 0.5, 1.0), rel=0.1)
    assert row["seeds_share"] + row["tuning_share"] + row["split_share"] == pytest.approx(1.0)
    assert row["tuning_low"] < 0.5 < row["tuning_high"]
    assert budget_table(made._replace(protocol=made.protocol._replace(seeds=1))).empty


@pytest.mark.parametrize(
    ("problem", "changes", "words"),
    [
        (BOWL, {}, "random splits of these 40 rows, tunings and seeds"),
        (BOWL, {"split": "fixed"}, "this one split of the rows only"),
        (BOWL, {"repetitions": 1}, "one split and one tuning: only seeds vary"),
        (BOWL._replace(fixed_test=True), {}, "the given test rows"),
        (BOWL._replace(draw=lambda seed: DATA), {}, "new draws of the data"),
    ],
)
def test_what_a_verdict_generalizes_over_is_said(problem, changes, words):
    assert words in scope(problem, THREE._replace(**changes))
    made = scored({"a": np.arange(6.0).reshape(3, 2)})._replace(problems=(problem,))
    assert words in analyze(made._replace(protocol=made.protocol._replace(**changes))).scopes["bowl"]


def test_the_rules_say_how_often_all_is_repeated():
    said = rules(Protocol("standard"))
    assert (
        said[1]
        == "Its learning rate is that of the trial with the best mean on validation data, smoothed over neighboring rates."
    )
    assert any("repeated 20 times with another split of the data" in rule for rule in said)
    assert any("repeated 4 times with one split" in rule for rule in rules(Protocol("", repetitions=4, split="fixed")))
    assert not any("repeated" in rule for rule in rules(Protocol("", repetitions=1, seeds=3)))
    assert "adam@0.1 runs" in rules(THREE, parse_contestants("adam@0.1"))[0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"repetitions": 0}, "repetitions must be at least 1, got 0"),
        ({"repetitions": 1, "seeds": 1}, "seeds must be at least 2 if there is one repetition, got 1"),
        ({"repetitions": 1, "seeds": 3, "studies": 2}, "repetitions must be at least 2 for studies, got 1"),
        ({"split": "none"}, "split must be one of fresh, fixed, got 'none'"),
        ({"choice": "worst"}, "choice must be one of smooth, best, got 'worst'"),
        ({"margin": 0.0}, "margin must be above 0, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_protocols_that_cannot_be_used(changes, text):
    with pytest.raises(UserError) as caught:
        checked_protocol("standard", changes)
    assert text in str(caught.value)


def test_algoperf_scores_the_best_trial_of_each_study_and_takes_the_median_over_studies():
    protocol = Protocol("algo", "random", 3, 1e-2, 0.5, repetitions=2, studies=3, seeds=0, score="time", choice="best")
    outcome = compare("gd,adam@0.1", BOWL, protocol).outcomes["bowl", "gd"]
    assert [len(outcome.tuning), len(outcome.fresh)] == [18, 6] and protocol.runs == 6
    best = outcome.tuning.groupby(["repetition", "study"])["time"].min().to_numpy().reshape(2, 3)
    np.testing.assert_allclose(oriented(BOWL, protocol, outcome), np.median(1 / best, axis=1))
