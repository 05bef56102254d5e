"""The comparison itself: equal chances, validation only, faulty optimizers, going on after an interruption, verdicts."""

from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import threadpoolctl

import jaxmlp
from jaxmlp import statistics
from jaxmlp.compare import Comparison, Problem, Protocol, UserError, compare, trainer
from jaxmlp.compare.choice import chosen_point
from jaxmlp.compare.contestants import parse_contestants
from jaxmlp.compare.escape import for_file_name
from jaxmlp.compare.findings import analyze
from jaxmlp.compare.inclusions import inclusion_lines, inclusion_table
from jaxmlp.compare.observations import oriented
from jaxmlp.compare.outcomes import Outcome, fresh_table, tuning_table
from jaxmlp.compare.pairs import BETTER, SAME, SOONER, UNKNOWN, Pair, all_pairs, judged
from jaxmlp.compare.rulebook import rules
from jaxmlp.compare.summary import costs, normalized, ranked, summary_table
from jaxmlp.compare.terminal import Screen, show_findings
from jaxmlp.compare.verdicts import in_words

# One repetition, whose seeds are the observations; `test_repetitions.py` has several.
TINY = Protocol("tiny", "grid", 3, 1e-3, 1.0, tuning_seeds=2, choice="best", repetitions=1, split="fixed", seeds=10)


def bowl(optimizer, start=4.0):
    """A Learner with one parameter: loss w^2, plus noise that the rows bring."""
    return jaxmlp.Learner(
        init=lambda key: jnp.float32(start) + 0.1 * jax.random.normal(key, ()),
        loss=lambda w, batch, key: w**2 + w * jnp.mean(batch.inputs),
        evaluate=lambda w, batch: {"loss": w**2 + jnp.mean(batch.inputs)},
        optimizer=optimizer,
    )


ROWS = jaxmlp.Batch(jnp.linspace(-1, 1, 40)[:, None], jnp.zeros(40))
BOWL = Problem(
    "bowl", "a parabola", jaxmlp.Data(ROWS, ROWS, ROWS), bowl, epochs=6, target=0.5, batch_size=10, metric="loss", mode="min", keep="last"
)  # fmt: skip


@pytest.fixture(scope="module")
def comparison():
    """Two copies of one optimizer, the same at a tenth of its tuned rate (which is 1), and another one."""
    return compare("adam,copy=adam,gd,tenth=adam@0.1", BOWL, TINY)


def untrained_comparison(optimizers, problems=(BOWL,), outcomes=None):
    """A comparison without any training."""
    return Comparison(TINY, problems, tuple(parse_contestants(optimizers)), outcomes or {}, {}, 0.0)


def test_every_optimizer_gets_the_same_trials_and_seeds(comparison):
    tuned = [comparison.outcomes["bowl", name].tuning for name in ("adam", "copy", "gd")]
    assert all(len(table) == 3 * 2 for table in tuned)
    assert len({tuple(table["learning_rate"]) for table in tuned}) == 1
    fresh = [tuple(outcome.fresh["seed"]) for outcome in comparison.outcomes.values()]
    assert set(fresh) == {tuple(range(10))} and not set(fresh[0]) & set(tuned[0]["seed"])
    assert comparison.outcomes["bowl", "tenth"].tuning.empty


class OfOnePool(ThreadPoolExecutor):
    """Its workers die of an optimizer."""

    def submit(self, function, parcel, block, data):
        if b"deadly" not in parcel.source:
            return super().submit(function, parcel, block, data)
        future = Future()
        future.set_exception(BrokenExecutor("killed"))
        return future


def deadly(learning_rate):
    init, update = jaxmlp.gd(learning_rate)
    return lambda params: init(params), update


def failing(learning_rate):
    raise ValueError("no such rate")


def test_on_workers_a_comparison_is_the_same_to_the_bit(comparison):
    """Several optimizers at the same time; one that is faulty, and one that kills workers, are reported as always."""
    names, told = {"adam": "adam", "gd": "gd", "tenth": "adam@0.1", "failing": failing, "deadly": deadly}, []
    with OfOnePool(2) as executor, pytest.warns(UserWarning, match=r"trials \[.*\] killed three workers in a row"):
        found = compare(names, BOWL, TINY, executor=executor, follow=lambda *facts: told.append(facts[1:]))
    for name in ("adam", "gd", "tenth"):
        ours, theirs = found.outcomes["bowl", name], comparison.outcomes["bowl", name]
        assert ours.fresh.equals(theirs.fresh) and ours.tuning.equals(theirs.tuning) and ours.chosen == theirs.chosen
        assert all(ours.curves[metric].equals(theirs.curves[metric]) for metric in theirs.curves)
        assert (
            np.isnan(ours.seconds)
            and max(done for one, _, done, _ in told if one.name == name) == len(ours.tuning) + 10
        )
    assert "raised ValueError: no such rate" in str(found.outcomes["bowl", "failing"].trouble)
    assert str(found.outcomes["bowl", "deadly"].trouble).endswith(
        "of its runs killed every worker that they were given to"
    )
    assert list(found.outcomes) == [("bowl", name) for name in names]


def test_workers_that_cannot_be_used_end_a_comparison_and_blame_no_optimizer():
    class Dead(OfOnePool):
        def submit(self, function, parcel, block, data):
            return super().submit(function, parcel._replace(source=b"deadly"), block, data)

    with Dead(1) as executor, pytest.raises(UserError, match="train_many: executor must have workers that live"):
        compare("gd", BOWL, TINY, executor=executor)


def test_the_choice_is_by_validation_data_and_never_by_test_rows(comparison):
    shifted = BOWL.data._replace(test=ROWS._replace(inputs=ROWS.inputs + 3.0))
    plain = comparison.outcomes["bowl", "gd"]
    other = compare("gd", BOWL._replace(data=shifted), TINY).outcomes["bowl", "gd"]
    assert plain.chosen == other.chosen
    np.testing.assert_allclose(plain.fresh["score"] + 3.0, other.fresh["score"], rtol=1e-5)
    losses = plain.tuning.groupby("learning_rate")["validation_loss"].mean()
    assert plain.chosen[0]["learning_rate"] == pytest.approx(losses.idxmin())


def test_a_rate_at_which_one_seed_diverged_is_not_chosen():
    table = pd.DataFrame({"point": [0, 0, 1, 1], "tuned": [0.9, -np.inf, 0.1, 0.2], "time": [1.0, np.inf, 5.0, 9.0]})
    table = table.assign(excess=np.nan, learning_rate=[0.1, 0.1, 1.0, 1.0])
    assert chosen_point(TINY, table) == 1
    assert chosen_point(TINY._replace(score="time"), table.assign(tuned=[3, 4, 1, 2])) == 1
    missed = table.assign(time=np.inf, tuned=[0.5, 0.5, 0.1, 0.2])
    assert chosen_point(TINY._replace(score="time"), missed) == 0


def test_two_copies_of_one_optimizer_show_no_difference(comparison):
    (pair,) = [pair for pair in all_pairs(comparison) if {pair.first, pair.second} == {"adam", "copy"}]
    assert (pair.verdict, pair.ties, pair.p_value) == (SAME, 10, 1.0)
    assert in_words(pair, BOWL, TINY) == f"{pair.first} and {pair.second}: no difference (identical in all 10 seeds)."


def test_adam_at_a_tenth_of_its_tuned_rate_is_told_apart(comparison):
    assert comparison.outcomes["bowl", "adam"].chosen[0]["learning_rate"] == pytest.approx(1.0)
    (pair,) = [pair for pair in all_pairs(comparison) if {pair.first, pair.second} == {"adam", "tenth"}]
    assert (pair.first, pair.verdict, pair.wins) == ("adam", BETTER, 10)
    assert "adam is better than tenth: by +" in in_words(pair, BOWL, TINY)


def with_outcomes(scores, times, names="ab"):
    """A comparison of optimizers on the bowl with given losses and epochs to the target, a row each."""
    fresh = [
        pd.DataFrame({"score": score, "time": time, "status": "finished"})
        for score, time in zip(scores, times, strict=True)
    ]
    outcomes = {
        ("bowl", name): Outcome("bowl", name, fresh=table, chosen=({"learning_rate": 0.1},), tuning=[])
        for name, table in zip(names, fresh, strict=True)
    }
    return untrained_comparison(",".join(f"{name}=adam" for name in names), outcomes=outcomes)


NOISE = np.random.default_rng(3).normal(size=(2, 12))
# As good as each other: the second loses by a five-hundredth of the spread.
NEAR = NOISE[0] + [[0.0], [0.002]] + 0.02 * np.stack([np.zeros(12), NOISE[1] - NOISE[1].mean()])
FAR = NOISE[0] + [[0.0], [9.0]]


@pytest.mark.parametrize(
    ("scores", "times", "verdict", "sooner", "text"),
    [
        (
            NOISE,
            ([2.0] * 11 + [3.0], [4.0] * 12),
            SOONER,
            "a",
            "a reaches loss 0.5 sooner than b: a median of 2 epochs against 4",
        ),
        (
            NOISE,
            ([9.0] * 12, [4.0] * 11 + [5.0]),
            SOONER,
            "b",
            "b reaches loss 0.5 sooner than a: a median of 4 epochs against 9",
        ),
        (NOISE, ([2.0, 4.0] * 6, [4.0, 2.0] * 6), UNKNOWN, "", "cannot tell"),
        (NOISE, ([np.inf] * 12, [np.inf] * 12), UNKNOWN, "", "cannot tell"),
        (NOISE, ([3.0, 2.0] * 6, [np.inf] * 12), SOONER, "a", "a median of 2.5 epochs against inf; p < 0.0001"),
        (NEAR, ([2.0, 3.0] * 6, [4.0] * 12), SOONER, "a", "By test loss: no difference beyond 0.791 in loss (diff"),
        (NEAR, ([2.0] * 12, [2.0] * 12), SAME, "", "a and b: no difference beyond 0.791 in loss (difference +0.002"),
        (FAR, ([9.0, 8.0] * 6, [4.0] * 12), BETTER, "b", "a is better than b"),
    ],
)
def test_where_the_score_leaves_it_open_the_time_to_the_target_may_tell(scores, times, verdict, sooner, text):
    assert NOISE[0].mean() < NOISE[1].mean()  # so `a` is the first of the pair
    comparison = with_outcomes(scores, times)
    (pair,) = all_pairs(comparison)
    assert (pair.first, pair.verdict, pair.sooner) == ("a", verdict, sooner)
    assert (pair.epochs_first, pair.epochs_second) == (np.median(times[0]), np.median(times[1]))
    assert text in in_words(pair, BOWL, TINY)
    leading = analyze(comparison).verdicts["bowl"]
    said = {"a": "it reaches loss 0.5 sooner than b (test loss", "b": "it reaches loss 0.5 later than b (test loss"}
    assert (said.get(sooner, "reaches loss") in leading) == (verdict == SOONER)


def test_scores_and_times_of_all_pairs_are_one_family(comparison):
    fresh = {name: outcome.fresh for (_, name), outcome in comparison.outcomes.items()}
    found, raw, equal = {}, {}, {}
    for pair in all_pairs(comparison):
        names = pair.first, pair.second
        found |= {("score", *names): pair.p_value, ("time", *names): pair.sooner_p_value}
        scores, speeds = (-fresh[name]["score"] for name in names), (1 / fresh[name]["time"] for name in names)
        for kind, (a, b), least in (("score", scores, 1e-4), ("time", speeds, 1 / 36)):
            test = statistics.paired(a, b, resolution=least)
            (equal if np.array_equal(a, b) else raw)[kind, *names] = test.p_value
    assert len(raw) == 9 and equal == {
        ("score", "adam", "copy"): 1.0,
        ("time", "adam", "copy"): 1.0,
        ("time", "gd", "tenth"): 1.0,
    }
    assert found == pytest.approx(equal | dict(zip(raw, statistics.holm(list(raw.values())), strict=True)))
    by_time = all_pairs(comparison._replace(protocol=TINY._replace(score="time")))
    assert all(pair.p_value == pair.sooner_p_value and pair.verdict != SOONER for pair in by_time)
    assert {pair.verdict for pair in by_time} == {BETTER, SAME}


def test_with_a_baseline_only_its_pairs_are_tested(comparison):
    """Fewer tests are corrected for; the baseline is the subject of the verdict, wherever it stands."""
    protocol = TINY._replace(baseline="gd")
    found = analyze(comparison._replace(protocol=protocol))
    every = {(pair.first, pair.second): pair for pair in all_pairs(comparison)}
    assert [{pair.first, pair.second} for pair in found.pairs] == [{"gd", name} for name in ("adam", "copy", "tenth")]
    assert all(pair.p_value < every[pair.first, pair.second].p_value for pair in found.pairs)
    assert found.verdicts["bowl"] == "adam has the best mean. gd is better than tenth; it is worse than adam and copy."
    assert "the scores and times of every optimizer with gd on a problem" in " ".join(rules(protocol))
    with pytest.raises(UserError, match="baseline must be one of the optimizers, gd, got 'sgd'"):
        compare("gd", BOWL, TINY, baseline="sgd")


def test_a_wild_score_of_one_optimizer_leaves_the_others_alone():
    """Digits are reported to the size of a score, and what they cannot show is no difference: each pair by its own."""
    losses, times = np.concatenate([FAR[::-1], FAR[:1]]), np.full((3, 12), 2.0)
    losses[2, 0] = 1e9

    def verdicts(count):
        comparison = with_outcomes(losses[:count], times[:count], "abc"[:count])
        return {(pair.first, pair.second): pair for pair in all_pairs(comparison)}

    alone, beside = verdicts(2)["b", "a"], verdicts(3)["b", "a"]
    assert alone.verdict == beside.verdict == BETTER and beside.effect_size == alone.effect_size
    hedges = 1 - 3 / 43
    assert verdicts(3)["b", "c"].effect_size == pytest.approx(12**-0.5 * hedges)  # by the wild score alone


def test_verdicts_on_known_numbers():
    random = np.random.default_rng(0)
    seeds = random.normal(size=20)
    cases = [
        (seeds + 1.0 + 0.1 * random.normal(size=20), seeds, BETTER),
        (seeds, seeds, SAME),
        (seeds + 0.01 * random.normal(size=20), seeds, SAME),
        (seeds + 0.3, random.normal(size=20), UNKNOWN),
    ]
    for first, second, verdict in cases:
        test = statistics.paired(first, second)
        assert judged(test.difference, test.p_value, 0.2, np.array_equal(first, second)) == verdict


def test_equally_good_optimizers_are_seldom_told_apart():
    random = np.random.default_rng(1)
    found = []
    for _ in range(200):
        first, second = random.normal(size=(2, 10))
        test = statistics.paired(first, second)
        found.append(judged(test.difference, test.p_value, 0.2, False) == BETTER)
    assert sum(found) <= 18  # a test at 5 %: 10 expected


def faulty():
    def raises(learning_rate):
        def update(grads, state, params=None):
            raise RuntimeError("out of ideas")

        return (lambda params: (), update)

    def state_grows(learning_rate):
        return (lambda params: (), lambda grads, state, params=None: (grads, (*state, 1.0)))

    return {
        "raises": raises,
        "changes the tree": lambda learning_rate: (lambda params: (), lambda g, s, p=None: (jax.tree.leaves(g), s)),
        "NaN": lambda learning_rate: (
            lambda params: (),
            lambda g, s, p=None: (jax.tree.map(lambda x: x * jnp.nan, g), s),
        ),
        "diverges": lambda learning_rate: jaxmlp.gd(1e20 * learning_rate),
        "branches": lambda learning_rate: jaxmlp.gd(0.1) if learning_rate > 0.1 else jaxmlp.gd(learning_rate),
        "state grows": state_grows,
        "nothing": lambda learning_rate: None,
        "no argument": lambda: jaxmlp.gd(0.1),
        "sound": jaxmlp.gd,
    }


@pytest.mark.slow
def test_faulty_optimizers_are_reported_and_end_nothing(tmp_path):
    comparison = compare(faulty(), BOWL, TINY, directory=tmp_path)
    words = {outcome.contestant: outcome.trouble for outcome in comparison.troubles()}
    assert list(comparison.of(BOWL)) == ["sound"]
    for name, text in {
        "raises": "raised RuntimeError: out of ideas",
        "changes the tree": "raised ValueError: apply_updates: updates must have the parameters' structure",
        "NaN": "diverged in every trial of its tuning",
        "diverges": "diverged in every trial of its tuning",
        "branches": "must not branch on a hyperparameter",
        "state grows": "raised TypeError: scan body function carry input and carry output must have the same pytree",
        "nothing": "optimizer must be a pair (init, update)",
        "no argument": "takes 0 positional arguments but 1 was given",
    }.items():
        assert text in str(words[name])
    found = analyze(comparison)
    assert set(found.summary["trouble"]) == {"", *words.values()}
    assert found.verdicts["bowl"].startswith("Only sound has a score")


def test_where_nobody_finishes(capsys):
    broken = {("bowl", "adam"): Outcome("bowl", "adam", "raised ValueError: no")}
    found = analyze(untrained_comparison("adam", outcomes=broken))
    assert found.verdicts["bowl"].startswith("No optimizer finished")
    assert found.summary["trouble"].tolist() == ["raised ValueError: no"] and not found.pairs
    assert repr(found) == f"bowl: {found.verdicts['bowl']} {found.scopes['bowl']}"
    show_findings(Screen(), found)
    assert capsys.readouterr().out.endswith("\nadam on bowl: raised ValueError: no\n")


def test_where_nobody_reaches_the_target():
    far = compare("gd@0.001", BOWL._replace(target=-1.0), TINY)
    assert analyze(far).verdicts["bowl"].endswith("No run of any optimizer reached the target, -1.")
    assert np.isinf(summary_table(far)["epochs_to_target"]).all() and (summary_table(far)["reached_target"] == 0).all()


def test_fresh_runs_that_diverge_count_as_untrained_where_the_last_epoch_is_scored(comparison):
    lost = compare({"blown up": "gd@1e30"}, BOWL, TINY)
    outcome = lost.outcomes["bowl", "blown up"]
    assert (outcome.fresh["status"] == "diverged").all()
    np.testing.assert_allclose(outcome.fresh["score"], BOWL.untrained())
    both = untrained_comparison(
        "adam,copy=adam,gd,tenth=adam,blown up=gd", outcomes={**comparison.outcomes, **lost.outcomes}
    )
    assert ranked(both, BOWL)[-1] == "blown up"
    assert summary_table(both).set_index("optimizer")["diverged"].to_dict()["blown up"] == 10


def test_the_metric_its_direction_and_the_time_to_the_target(comparison):
    outcome = comparison.outcomes["bowl", "adam"]
    fresh = outcome.fresh
    np.testing.assert_allclose(fresh["score"], fresh["test_loss"])
    np.testing.assert_allclose(oriented(BOWL, TINY, outcome), -fresh["score"])
    curve = outcome.curves["validation_loss"].to_numpy()
    assert np.isfinite(fresh["time"]).all()
    assert fresh["time"].tolist() == [1 + int(np.argmax(row <= 0.5)) for row in curve]
    row = summary_table(comparison).set_index("optimizer").loc["adam"]
    assert row["steps_to_target"] == 4 * row["epochs_to_target"]


@pytest.mark.slow
def test_studies_are_independent_and_scored_by_time():
    protocol = Protocol("by time", "random", 4, 0.01, 0.3, repetitions=2, studies=3, seeds=1, score="time")
    comparison = compare("momentum", BOWL, protocol, tune="all")
    outcome = comparison.outcomes["bowl", "momentum"]
    assert [len(outcome.tuning), len(outcome.fresh), len(outcome.chosen)] == [24, 6, 6]
    assert len({chosen["learning_rate"] for chosen in outcome.chosen}) == 6 and "decay" in outcome.chosen[0]
    for place, chosen in enumerate(outcome.chosen):
        here = (outcome.tuning["repetition"] == place // 3) & (outcome.tuning["study"] == place % 3)
        mine = outcome.tuning[here].sort_values(["time", "tuned"], ascending=[True, False])
        assert chosen["learning_rate"] == pytest.approx(mine["learning_rate"].iloc[0])
    speeds = np.where(np.isinf(outcome.fresh["time"]), 0, 1 / outcome.fresh["time"])
    np.testing.assert_allclose(oriented(BOWL, protocol, outcome), np.median(speeds.reshape(2, 3), axis=1))


@pytest.mark.slow
def test_refit_trains_on_validation_rows_too_and_scores_the_last_epoch():
    problem = BOWL._replace(refit=True)
    outcome = compare("gd", problem, TINY).outcomes["bowl", "gd"]
    assert set(outcome.tuning["steps"]) == {6 * 4} and set(outcome.fresh["steps"]) == {6 * 8}
    np.testing.assert_allclose(outcome.fresh["score"], outcome.curves["validation_loss"].iloc[:, -1], rtol=1e-5)


@pytest.mark.slow
def test_the_same_comparison_goes_on_and_another_optimizer_begins_anew(tmp_path, monkeypatch):
    trained = []
    plain = jaxmlp.train_many

    def counting(recipe, data, **options):
        told = options["callback"]
        options["callback"] = lambda now: (trained.append(now.done), told(now))
        return plain(recipe, data, **options)

    monkeypatch.setattr(trainer.jaxmlp, "train_many", counting)
    first = compare({"mine": jaxmlp.gd}, BOWL, TINY, directory=tmp_path)
    assert trained
    trained.clear()
    again = compare({"mine": jaxmlp.gd}, BOWL, TINY, directory=tmp_path)
    assert not trained
    pd.testing.assert_frame_equal(first.outcomes["bowl", "mine"].fresh, again.outcomes["bowl", "mine"].fresh)
    assert first.outcomes["bowl", "mine"].seconds == again.outcomes["bowl", "mine"].seconds
    changed = compare({"mine": jaxmlp.momentum}, BOWL, TINY, directory=tmp_path)
    assert trained and changed.outcomes["bowl", "mine"].trouble is None
    assert (tmp_path / "bowl" / "mine" / "repetition-0" / "tuning-before-1" / "study.json").exists()


def test_folders_of_different_names_differ():
    names = ["adam", "adam(b1=0.8)", "adam[b1=0.8]", "a/b", "a_b", "adam@1e-3", "größer"]
    folders = [for_file_name(name) for name in names]
    assert len(set(folders)) == len(names) and folders[0] == "adam"
    assert all("/" not in folder for folder in folders)


def test_inclusions_fail_where_the_special_one_is_better():
    comparison = untrained_comparison("gd,momentum,special=nesterov(decay=0.5)")
    nothing = statistics.Interval(0.0, 0.0, 0.0)

    def verdict(first, second, word):
        return Pair("bowl", first, second, word, nothing, 0.95, 0.1, 0.01, 1.0, nothing, 1, 0, 0, 1.0, nothing)

    won = verdict("gd", "momentum", BETTER)
    assert inclusion_table(comparison, [won])["holds"].tolist() == [False]
    assert inclusion_table(comparison, [verdict("momentum", "gd", BETTER)])["holds"].tolist() == [True]
    assert inclusion_table(comparison, [verdict("gd", "momentum", UNKNOWN)])["holds"].tolist() == [True]
    assert inclusion_table(comparison, [verdict("gd", "special", BETTER)]).empty
    lines = inclusion_lines(comparison, [won])
    assert lines[0] == "gd ⊆ momentum is violated on bowl (1 problem)."
    assert lines[-1].startswith("Only learning rates were tuned")


def test_over_all_problems_a_miss_is_infinite_and_scores_are_normalized(comparison):
    twin = BOWL._replace(name="twin")
    outcomes = comparison.outcomes | {("twin", name): outcome for (_, name), outcome in comparison.outcomes.items()}
    both = untrained_comparison("adam,copy=adam,gd,tenth=adam", (BOWL, twin), outcomes)
    assert np.isfinite(costs(both)[:, 0]).all() and np.isinf(costs(both)[:, -1]).all()
    assert normalized(both, both.contestants[0]).mean(axis=0) == pytest.approx([1.0, 1.0], abs=0.01)
    best = analyze(both).overall.iloc[0]
    assert (best["optimizer"], best["profile_score"], best["targets_reached"]) == ("adam", 1.0, 2)


class Fake:
    """A study of two trials of one point."""

    def __init__(self, **columns):
        self.columns = {"status": "finished", "best_epoch": 0, **columns}

    def table(self):
        return pd.DataFrame(self.columns, index=[0, 1])

    def history(self, name):
        return pd.DataFrame(np.ones((2, 3)))


def test_non_finite_scores_become_untrained_ones():
    assert fresh_table(BOWL, Fake(test_loss=[np.nan, 1.0]))["score"].tolist() == [pytest.approx(BOWL.untrained()), 1.0]


def test_in_tuning_less_loss_is_better_and_a_diverged_run_is_the_worst_there_is():
    table = tuning_table(BOWL, Fake(validation_loss=[0.1, 0.2], status=["diverged", "finished"]), 2)
    assert table["tuned"].tolist() == [-np.inf, -0.2] and table["point"].tolist() == [0, 0]
    upwards = BOWL._replace(metric="accuracy", mode="max")
    assert tuning_table(upwards, Fake(validation_accuracy=[0.1, 0.2]), 1)["tuned"].tolist() == [0.1, 0.2]


def test_while_optimizers_are_compared_lapack_has_one_thread():
    seen = []

    def look(*now):
        seen.extend(pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas")

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        compare("gd@0.1", BOWL, repetitions=2, follow=look)
        after = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    assert set(seen) == {1} and set(after) == {2}
