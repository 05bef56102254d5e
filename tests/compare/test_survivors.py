"""Numbers and words of a comparison that would be easy to get wrong unnoticed: pinned by value."""

import numpy as np
import pandas as pd
import pytest

from jaxmlp import statistics
from jaxmlp.compare import Protocol, rules
from jaxmlp.compare.contestants import parse_contestants
from jaxmlp.compare.findings import analyze
from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.pairs import BETTER, SAME, SOONER, UNKNOWN, Pair, _timed, all_pairs, judged, pairs_table
from jaxmlp.compare.protocols import PROTOCOLS
from jaxmlp.compare.search import SPACE, points
from jaxmlp.compare.summary import summary_table
from jaxmlp.compare.tables import notes, problem_rows
from jaxmlp.compare.verdicts import in_words, problem_verdict
from tests.compare.test_compare import BOWL, TINY, untrained_comparison

NOISE = np.random.default_rng(5).normal(size=(4, 12))


def shifted(*shifts):
    """Losses of as many optimizers, on 12 seeds."""
    return NOISE[: len(shifts)] + np.array(shifts)[:, None]


def with_losses(losses, times=None, problems=(BOWL,), rates=None):
    """A comparison of optimizers with given losses, a row each, named a, b, c, ... on every problem."""
    names = "abcdef"[: len(losses)]
    outcomes = {}
    for problem in problems:
        for place, name in enumerate(names):
            table = pd.DataFrame({"score": losses[place], "time": 3.0 if times is None else times[place]})
            chosen = ({"learning_rate": 0.1 if rates is None else rates[place]},)
            tuning = pd.DataFrame({"learning_rate": [0.1, 0.1], "tuned": [-1.0, -2.0]})
            outcomes[problem.name, name] = Outcome(
                problem.name, name, None, chosen, tuning, table.assign(status="finished")
            )
    return untrained_comparison(",".join(f"{name}=adam" for name in names), problems, outcomes)


def adam(protocol, study=0):
    return points(PROTOCOLS[protocol], parse_contestants("adam")[0], study)


def test_the_deepobs_protocol_is_that_of_its_paper():
    """Schneider, Balles & Hennig 2019, section 3: 36 learning rates from 1e-5 to 1e2, one seed; ten for the best."""
    protocol = PROTOCOLS["deepobs"]
    assert (protocol.name, protocol.search, protocol.tune, protocol.score) == (
        "deepobs",
        "grid",
        "learning_rate",
        "metric",
    )
    assert (protocol.trials, protocol.tuning_seeds, protocol.studies, protocol.seeds) == (36, 1, 1, 10)
    assert (protocol.repetitions, protocol.split, protocol.choice) == (1, "fixed", "best")
    rates = [point["learning_rate"] for point in adam("deepobs")]
    np.testing.assert_allclose(np.log10(rates), -5 + 0.2 * np.arange(36), atol=1e-9)
    assert all(set(point) == {"learning_rate"} for point in adam("deepobs"))


def test_the_algoperf_protocol_is_that_of_its_rules():
    """Three studies of five quasi-random points each, the best within a study by its time, the median over studies."""
    protocol = PROTOCOLS["algoperf"]
    assert (protocol.name, protocol.search, protocol.tune, protocol.score) == ("algoperf", "random", "all", "time")
    assert (protocol.trials, protocol.tuning_seeds, protocol.studies, protocol.seeds) == (5, 1, 3, 0)
    assert (protocol.repetitions, protocol.choice, protocol.runs) == (10, "best", 30)
    studies = [adam("algoperf", study) for study in range(protocol.studies)]
    assert [len(study) for study in studies] == [5] * 3
    assert all(set(point) == {"learning_rate", "b1", "b2", "eps"} for study in studies for point in study)
    assert len({point["learning_rate"] for study in studies for point in study}) == 15
    assert adam("algoperf", 2) == studies[2]


def test_the_standard_protocol():
    protocol = PROTOCOLS["standard"]
    tuning = ("grid", 11, 1e-4, 10.0, "learning_rate", 1, "smooth")
    assert protocol == Protocol("standard", *tuning, 20, "fresh", 1, 2, "metric", "constant", 0.5, 0)
    rates = [point["learning_rate"] for point in adam("standard")]
    np.testing.assert_allclose(np.log10(rates), -4 + 0.5 * np.arange(11), atol=1e-9)
    valley = [f"valley_{budget}" for budget in ("untuned", "small", "medium", "large")]
    assert list(PROTOCOLS) == ["standard", "deepobs", "algoperf", *valley]


def test_seeds_of_tuning_and_of_scored_runs_never_meet():
    protocol = Protocol("", tuning_seeds=2, repetitions=2, studies=3, seeds=4)
    assert [protocol.tuning_seeds_of(0, study) for study in range(2)] == [
        [1_000_000, 1_000_001],
        [1_000_002, 1_000_003],
    ]
    assert protocol.tuning_seeds_of(1) == [1_000_006, 1_000_007] and protocol.fresh_seeds_of(1, 2) == [20, 21, 22, 23]
    assert [protocol.fresh_seeds_of(0, study) for study in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    again = protocol._replace(seed=3)
    assert (again.fresh_seeds_of(0)[0], again.tuning_seeds_of(0)[0]) == (6_000_000, 7_000_000)
    assert (protocol.split_seed_of(4), again.split_seed_of(0)) == (5, 6_000_001)
    assert (protocol.runs, protocol.unit, protocol.units) == (24, "repetition", 2)
    assert (protocol._replace(repetitions=1).unit, protocol._replace(repetitions=1).units) == ("seed", 4)
    assert protocol._replace(seeds=0).runs == 12


def test_decays_are_searched_below_one_and_by_their_distance_from_it():
    ends = {name: [one.value(one.low), one.value(one.high)] for name, one in SPACE.items()}
    for name in ("decay", "momentum", "rho", "b1"):
        np.testing.assert_allclose(ends.pop(name), [0.999, 0.0], atol=1e-12)
    np.testing.assert_allclose(ends.pop("b2"), [0.9999, 0.9], atol=1e-12)
    axes = {"weight_decay": [1e-5, 1e-1], "warmup": [1e-2, 0.3], "schedule": [0.0, 4.0]}
    sizes = {"batch_size": [0.25, 4.0], "hidden": [0.25, 4.0]}
    assert ends == {"eps": [1e-10, 1.0], **axes, **sizes}
    found = pd.DataFrame([point for study in range(20) for point in adam("algoperf", study)])
    assert found["b2"].between(0.9, 0.9999).all() and found["b1"].between(0.0, 0.999).all()
    assert found["learning_rate"].between(1e-4, 10.0).all() and found["eps"].between(1e-10, 1.0).all()
    # Evenly in the logarithm: half of all points are below the geometric mean.
    below = [
        1 - found["b2"] < 10**-2.5,
        1 - found["b1"] < 10**-1.5,
        found["eps"] < 1e-5,
        found["learning_rate"] < 10**-1.5,
    ]
    assert all(0.45 < column.mean() < 0.55 for column in below)


def test_an_optimizer_with_a_given_rate_is_not_searched():
    (fixed,) = parse_contestants("adam@0.25")
    assert all(points(protocol, fixed, 3) == [{"learning_rate": 0.25}] for protocol in PROTOCOLS.values())


def test_more_seeds_are_as_many_as_the_strictest_of_holms_tests_needs():
    comparison = with_losses(shifted(0.0, 0.3, 0.6))
    found = all_pairs(comparison)
    assert [pair.verdict for pair in found] == [UNKNOWN] * 3
    for pair in found:
        scores = {
            name: -comparison.outcomes["bowl", name].fresh["score"].to_numpy() for name in (pair.first, pair.second)
        }
        differences = scores[pair.first] - scores[pair.second]
        effect = differences.mean() / differences.std(ddof=1)
        assert pair.more == statistics.seeds_needed(differences, confidence=1 - 0.05 / 3) - 12
        # Roughly, by the normal quantiles for 0.05 / 3 on two sides (2.394) and for a power of 0.9 (1.2816).
        by_hand = ((2.394 + 1.2816) / effect) ** 2 + 2.394**2 / 2 - 12
        assert pair.more == pytest.approx(by_hand, rel=0.02, abs=2)
        assert pair.more > statistics.seeds_needed(differences) - 12 + 1
    two = all_pairs(with_losses(shifted(0.0, 0.3)))[0]
    assert two.more < next(pair for pair in found if {pair.first, pair.second} == {"a", "b"}).more


def test_more_seeds_are_one_at_least():
    """The interval of the mean lies above 0, but by Holm's correction the test is not sure: about none are missing."""
    losses = np.stack([NOISE[0], NOISE[0] + 0.66 + NOISE[1] - NOISE[1].mean(), NOISE[0] + 0.7 - NOISE[2], NOISE[3]])
    found = [pair for pair in all_pairs(with_losses(losses)) if pair.verdict == UNKNOWN]
    assert found and all(pair.more >= 1 for pair in found)


def pair(first, second, verdict, problem="bowl", more=np.nan, sooner=""):
    gap = statistics.Interval(0.5, 0.25, 0.75)
    times = sooner, 0.02, 2.0, 4.0
    return Pair(problem, first, second, verdict, gap, 0.95, 0.9, 0.01, 1.0, gap, 10, 1, 1, more, gap, *times)


def sentence(pairs, names=4):
    losses = np.arange(names)[:, None] + np.zeros((names, 12))
    return problem_verdict(with_losses(losses), BOWL, pairs)


def test_the_verdict_on_a_problem_is_about_its_leader_only():
    others = [pair("b", "c", BETTER), pair("b", "d", SAME), pair("c", "d", UNKNOWN, more=5.0)]
    elsewhere = [pair("a", "b", SAME, problem="another")]
    leader = [pair("a", "b", UNKNOWN, more=40.0), pair("a", "c", BETTER), pair("a", "d", BETTER)]
    assert sentence(others + elsewhere + leader) == (
        "a has the best mean; it is better than c and d; it cannot be distinguished from b "
        "(about 40 more seeds would settle the order)."
    )


def test_the_verdict_on_a_problem_names_each_kind_of_difference():
    leader = [pair("a", "b", SOONER, sooner="a"), pair("a", "c", SOONER, sooner="c"), pair("a", "d", SAME)]
    assert sentence(leader) == (
        "a has the best mean; it does not differ from d; it reaches loss 0.5 sooner than b (test loss does not "
        "distinguish them); it reaches loss 0.5 later than c (test loss does not distinguish them)."
    )


def test_of_several_undecided_pairs_the_nearest_to_a_decision_is_told():
    unknown = [
        pair("a", "b", UNKNOWN, more=400.0),
        pair("a", "c", UNKNOWN, more=37.0),
        pair("a", "d", UNKNOWN, more=90.0),
    ]
    assert sentence(unknown).endswith("from b, c and d (about 37 more seeds would settle the order against c).")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (1.0, "about 1 more seed would settle the order"), (2.0, "about 2 more seeds would"), (123.0, "about 120 more"),
        (9_960.0, "about 10,000 more seeds"), (10_000.0, "about 10,000 more seeds"),
        (10_001.0, "no practical number of seeds would settle the order"), (np.inf, "no practical number"),
    ],
)  # fmt: skip
def test_seeds_that_are_missing_in_words(more, words):
    assert words in in_words(pair("a", "b", UNKNOWN, more=more), BOWL, TINY)


@pytest.mark.parametrize(
    ("rate", "at_the_edge"), [(1e-3, True), (1.0, True), (1e-2, False), (0.999, False), (1.001e-3, False)]
)
def test_a_best_rate_at_the_edge_of_the_grid_is_marked(rate, at_the_edge):
    comparison = with_losses(shifted(0.0, 9.0), rates=(rate, 0.1))
    table = summary_table(comparison).set_index("optimizer")["at_the_edge"]
    assert (table["a"], table["b"]) == (float(at_the_edge), 0.0)
    found = analyze(comparison)
    remark = "* Chosen at the edge of the grid: a (1 of 1); a wider grid may suit these optimizers better."
    assert (remark in notes(found, BOWL)) == at_the_edge
    rows = problem_rows(found, BOWL)[1]
    assert [row[1].endswith(" *") for row in rows] == [at_the_edge, False]


def test_without_a_grid_there_is_no_edge():
    comparison = with_losses(NOISE[:2], rates=(1e-3, 1.0))
    random = comparison._replace(protocol=TINY._replace(search="random"))
    assert summary_table(comparison)["at_the_edge"].tolist() == [1.0, 1.0]
    assert summary_table(random)["at_the_edge"].tolist() == [0.0, 0.0]
    untuned = {key: outcome._replace(tuning=pd.DataFrame()) for key, outcome in comparison.outcomes.items()}
    assert not summary_table(comparison._replace(outcomes=untuned))["at_the_edge"].any()


@pytest.mark.parametrize(
    ("low", "high", "p_value", "verdict"),
    [
        (0.1, 0.2, 0.049, BETTER), (0.0, 0.2, 0.05, SAME), (-0.1, 0.9, 0.05, UNKNOWN),
        (-0.44, 0.44, 0.5, SAME), (-0.45, 0.1, 0.5, UNKNOWN), (-0.1, 0.45, 0.5, UNKNOWN), (np.nan, np.nan, 0.5, UNKNOWN),
    ],
)  # fmt: skip
def test_the_verdict_by_p_value_and_interval(low, high, p_value, verdict):
    gap = statistics.Interval((low + high) / 2, low, high)
    assert judged(gap, p_value, 0.447, identical=False) == verdict
    assert judged(gap, p_value, 0.447, identical=True) == SAME


def test_the_names_of_verdicts_and_the_table_of_pairs():
    assert (BETTER, SAME, SOONER, UNKNOWN) == ("better", "no difference", "sooner", "cannot tell")
    table = pairs_table([pair("a", "b", BETTER)])
    found = table.iloc[0]
    for name in ("difference", "probability", "new_rows"):
        assert [found[name], found[f"{name}_low"], found[f"{name}_high"]] == [0.5, 0.25, 0.75]
    assert set(table.columns) - set(Pair._fields) == {
        f"{name}_{end}" for name in ("difference", "probability", "new_rows") for end in ("low", "high")
    }


def test_the_rules_in_words():
    assert rules(PROTOCOLS["deepobs"]) == [
        "Every optimizer gets 36 trials, on a log grid, with learning rates from 1e-05 to 100, each with 1 tuning seed.",
        "Its learning rate is that of the trial with the best mean on validation data.",
        "Then each optimizer runs with 10 fresh seeds, the same for all optimizers, none used in tuning.",
        "The score is the metric on the test data, computed once per run.",
        "Holm's correction is over the scores and times of all pairs on a problem: the chance that any “better” or “sooner” among them is false is at most 5 %.",
        "A run that diverged stays in the statistics.",
    ]
    assert rules(PROTOCOLS["algoperf"]) == [
        "Every optimizer gets 5 trials, quasi-random, with learning rates from 0.0001 to 10, each with 1 tuning seed.",
        "Its hyperparameters are those of the trial that first reaches the target on validation data.",
        "The score is that of this trial itself; there are no fresh seeds.",
        "The score is the number of epochs to the target; a run that misses it counts as infinite (speed 0).",
        "These are 3 studies with other trials and seeds; their median is the score.",
        "All of this is repeated 10 times with another split of the data, the same for all optimizers, and with other seeds; intervals and tests are over these repetitions.",
        "Holm's correction is over all pairs on a problem: the chance that any “faster” among them is false is at most 5 %.",
        "A run that diverged stays in the statistics.",
    ]


ACCURACY = BOWL._replace(metric="accuracy", mode="max", target=0.875)
BY_TIME = TINY._replace(score="time")
SCORED = pair("a", "b", BETTER)
TIMED = pair("a", "b", SOONER, sooner="b")


@pytest.mark.parametrize(
    ("one", "problem", "protocol", "words"),
    [
        (SCORED, BOWL, TINY, "a is better than b: by +0.5, 95 % interval +0.25 to +0.75 in loss; p = 0.01 after Holm's correction; 10 wins, 1 tie, 1 loss in 12 seeds."),
        (SCORED, ACCURACY, TINY, "a is better than b: by +50.00, 95 % interval +25.00 to +75.00 percentage points; p = 0.01 after Holm's correction; 10 wins, 1 tie, 1 loss in 12 seeds."),
        (SCORED._replace(p_value=1e-4, wins=1, ties=0, losses=11), BOWL, BY_TIME, "a is faster than b: by +0.5, 95 % interval +0.25 to +0.75 in 1 / epochs to the target; p = 0.0001 after Holm's correction; 1 win, 0 ties, 11 losses in 12 seeds."),
        (SCORED._replace(p_value=0.99e-4), BOWL, TINY, "a is better than b: by +0.5, 95 % interval +0.25 to +0.75 in loss; p < 0.0001 after Holm's correction; 10 wins, 1 tie, 1 loss in 12 seeds."),
        (SCORED._replace(verdict=SAME), BOWL, TINY, "a and b: no difference beyond 0.9 in loss (difference +0.5, 95 % interval +0.25 to +0.75 in loss)."),
        (SCORED._replace(verdict=SAME, wins=0, ties=12, losses=0), BOWL, TINY, "a and b: no difference (identical in all 12 seeds)."),
        (SCORED._replace(verdict=UNKNOWN, more=7.0), BOWL, TINY, "a and b: cannot tell (difference +0.5, 95 % interval +0.25 to +0.75 in loss); about 7 more seeds would settle the order."),
        (SCORED._replace(verdict=UNKNOWN, more=np.inf), BOWL, TINY, "a and b: cannot tell (difference +0.5, 95 % interval +0.25 to +0.75 in loss); no practical number of seeds would settle the order."),
        (TIMED, ACCURACY, TINY, "b reaches accuracy 87.5 % sooner than a: a median of 4 epochs against 2; p = 0.02 after Holm's correction. By test accuracy: no difference beyond 90.00 percentage points (difference +50.00, 95 % interval +25.00 to +75.00 percentage points)."),
        (TIMED._replace(sooner="a", more=3.0), BOWL, TINY, "a reaches loss 0.5 sooner than b: a median of 2 epochs against 4; p = 0.02 after Holm's correction. By test loss: cannot tell (difference +0.5, 95 % interval +0.25 to +0.75 in loss); about 3 more seeds would settle the order."),
    ],
)  # fmt: skip
def test_a_pair_in_words(one, problem, protocol, words):
    assert in_words(one, problem, protocol) == words


def test_the_verdict_on_a_problem_that_is_scored_by_time():
    comparison = with_losses(NOISE[:2])._replace(protocol=BY_TIME)
    words = problem_verdict(comparison, BOWL, [pair("a", "b", BETTER)])
    assert words == "a is the fastest by the mean of 1 / epochs; it is faster than b."


def test_the_verdict_says_if_there_is_nothing_to_compare_or_no_run_reached_the_target():
    alone = with_losses(shifted(0.0))
    assert problem_verdict(alone, BOWL, []) == "Only a has a score: nothing to compare it with."
    missed, once = ([[np.inf] * 11 + [last], [np.inf] * 12] for last in (np.inf, 3.0))
    words = " No run of any optimizer reached the target, 0.5."
    assert problem_verdict(with_losses(shifted(0.0, 9.0), missed), BOWL, []).endswith(words)
    assert not problem_verdict(with_losses(shifted(0.0, 9.0), once), BOWL, []).endswith(words)


def test_the_rules_name_optimizers_with_a_given_rate():
    tail = [
        "The score is the metric on the test data, computed once per run.",
        "Holm's correction is over the scores and times of all pairs on a problem: the chance that any “better” or “sooner” among them is false is at most 5 %.",
        "A run that diverged stays in the statistics.",
    ]
    assert rules(TINY, parse_contestants("adam@0.1")) == [
        "adam@0.1 runs at its given learning rate, without tuning.",
        "Each optimizer runs with 10 fresh seeds, the same for all optimizers.",
        *tail,
    ]
    assert rules(TINY, parse_contestants("adam@0.1,gd@1,lion"))[:2] == [
        "adam@0.1 and gd@1 run at their given learning rates, without tuning.",
        "Every other optimizer gets 3 trials, on a log grid, with learning rates from 0.001 to 1, each with 2 tuning seeds.",
    ]


@pytest.mark.parametrize(
    ("low", "high", "p_value", "sooner"),
    [
        (0.1, 0.3, 0.01, "adam"),
        (-0.3, -0.1, 0.01, "gd"),
        (0.1, 0.3, 0.2, ""),  # the interval does not decide, but Holm's p-value
        (-0.3, -0.1, 0.05, ""),
    ],
)
def test_sooner_by_p_value_and_sign(low, high, p_value, sooner):
    timing = statistics.paired(np.array([1.0, 2.0, 4.0]), np.array([0.5, 1.0, 1.0]))
    timing = timing._replace(p_value=p_value, difference=statistics.Interval((low + high) / 2, low, high))
    timed = _timed(pair("adam", "gd", UNKNOWN), timing, 2.0, 5.0)
    assert timed.sooner == sooner
    assert timed.verdict == (SOONER if sooner else UNKNOWN)
    assert (timed.epochs_first, timed.epochs_second) == (2.0, 5.0)
