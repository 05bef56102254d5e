"""Populations: a trial is the same wherever it runs, and one that goes wrong hurts nobody."""

import io
import re
from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import Status, fit, train_many
from jaxmlp.population.engine import Half, Pace
from jaxmlp.population.lanes import Orders, compiled, lane_bytes
from jaxmlp.population.placement import lanes_per_half
from jaxmlp.population.progress import Progress, Reporter
from jaxmlp.population.trials import make_groups
from jaxmlp.population.work import make_work
from jaxmlp.run import Settings

SETTINGS = Settings(6, 16, 2, 0.0, "loss", "min")
PLAN = {"epochs": 6, "batch_size": 16, "patience": 2}
QUIET = {"progress": False}


@pytest.fixture(scope="module")
def data():
    return jaxmlp.load("moons", rows=120)


def recipe(learning_rate, dropout_rate):
    return jaxmlp.classifier((2, 8, 2), optimizer=jaxmlp.adam(learning_rate), dropout_rate=dropout_rate)


def rate_only(learning_rate):
    return jaxmlp.classifier((2, 4, 2), optimizer=jaxmlp.gd(learning_rate))


def everything(study, trial):
    """All numbers of a trial, bytes compared."""
    row = study.table().loc[trial].drop(["seed"])
    history = [study.history(name).loc[trial].to_numpy() for name in ("train_loss", "validation_loss")]
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(study.params(trial))]
    return row.to_dict(), *(array.tobytes() for array in history + leaves)


@pytest.fixture(scope="module")
def seven(data):
    return train_many(recipe, data, seeds=7, learning_rate=[0.03], dropout_rate=[0.25], **PLAN, **QUIET)


def test_a_trial_is_what_fit_does_to_the_bit(data, seven):
    for seed in (0, 3, 6):
        alone = fit(jax.random.key(seed), recipe(0.03, 0.25), data, **PLAN)
        for ours, theirs in zip(jax.tree.leaves(seven.params(seed)), jax.tree.leaves(alone.params), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for name, values in alone.history.items():
            np.testing.assert_array_equal(seven.history(name).loc[seed], values)
        row = seven.table().loc[seed]
        assert row["status"] == Status(int(alone.status)).name.lower()
        assert (row["epochs"], row["steps"], row["best_epoch"]) == (alone.epochs, alone.steps, alone.best_epoch)


def test_the_test_metrics_are_those_of_the_kept_parameters(data, seven):
    learner = recipe(0.03, 0.25)
    for trial in (1, 5):
        metrics = learner.evaluate(seven.params(trial), data.test)
        row = seven.table().loc[trial]
        np.testing.assert_allclose(row["test_loss"], metrics["loss"], rtol=1e-6)
        np.testing.assert_allclose(row["test_accuracy"], metrics["accuracy"], rtol=1e-6)
        assert row["validation_loss"] == seven.history("validation_loss").loc[trial].min()


@pytest.mark.parametrize(
    ("seeds", "lanes", "devices"),
    [([3], None, 2), (range(7), 1, 1), (range(7), 1, 3), (range(64), 8, 1), (range(64), 8, 2)],
)
def test_placement_changes_nothing(data, seven, seeds, lanes, devices):
    study = train_many(
        recipe, data, seeds=list(seeds), lanes=lanes, devices=jax.devices()[:devices],
        learning_rate=[0.03], dropout_rate=[0.25], **PLAN, **QUIET,
    )  # fmt: skip
    for place, seed in enumerate(seeds):
        if seed in (0, 3, 6):
            assert everything(study, place) == everything(seven, seed)


def test_segments_of_any_length_change_nothing(data, seven, monkeypatch):
    monkeypatch.setattr(Pace, "measure", lambda self, epochs: setattr(self, "epochs", 1 + (self.epochs * 7) % 5))
    study = train_many(recipe, data, seeds=7, learning_rate=[0.03], dropout_rate=[0.25], **PLAN, **QUIET)
    assert [everything(study, i) for i in range(7)] == [everything(seven, i) for i in range(7)]


@pytest.mark.slow
def test_vmapped_lanes_agree_to_rounding(data, seven):
    """As on GPU and TPU, where a batched product may round otherwise: 1e-4 of the loss here."""
    groups, _ = make_groups(recipe, 7, None, {"learning_rate": [0.03], "dropout_rate": [0.25]})
    work = make_work(groups[0], data, jax.devices()[:1], SETTINGS)
    program = work.program._replace(batched=True)
    half = Half(work._replace(program=program, compiled=compiled(groups[0].owners, program)), 7)
    half.fill(deque(range(7)))
    losses = {}
    while half.running:
        half.dispatch(4)
        ended = half.collect()
        if ended is not None:
            losses |= dict(zip(ended.trial.tolist(), ended.result.history["validation_loss"], strict=True))
    expected = seven.history("validation_loss")
    for trial in range(7):
        np.testing.assert_allclose(losses[trial], expected.loc[trial], rtol=1e-4)


def test_bad_trials_hurt_nobody(data):
    good = [0.01, 0.1]
    clean = train_many(rate_only, data, seeds=2, learning_rate=good, **PLAN, **QUIET)
    mixed = train_many(rate_only, data, seeds=2, learning_rate=[1e6, *good, 1e30], **PLAN, **QUIET)
    table = mixed.table()
    assert [everything(mixed, i + 2) for i in range(4)] == [everything(clean, i) for i in range(4)]
    diverged = table[table["learning_rate"] == 1e30]
    assert set(diverged["status"]) == {"diverged"}
    assert set(diverged["cause"]) <= {"loss", "parameters"}
    assert len(table) == 8
    for trial in table.index:
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(mixed.params(trial)))


@pytest.mark.slow
def test_a_dict_of_recipes_is_one_study(data):
    def other(learning_rate, decay):
        return jaxmlp.classifier((2, 5, 5, 2), optimizer=jaxmlp.momentum(learning_rate, decay))

    study = train_many(
        {"wide": rate_only, "deep": other}, data, seeds=2, learning_rate=[0.1, 0.2], decay=[0.5, 0.9], **PLAN, **QUIET
    )
    table = study.table()
    assert table.groupby("recipe").size().to_dict() == {"wide": 4, "deep": 8}
    assert study.params(0)[0]["w"].shape == (2, 4)
    assert study.params(11)[0]["w"].shape == (2, 5)
    assert table.loc[11, ["learning_rate", "decay", "seed"]].tolist() == [0.2, 0.9, 1]
    alone = fit(jax.random.key(1), other(0.2, 0.9), data, **PLAN)
    np.testing.assert_array_equal(study.params(11)[1]["w"], alone.params[1]["w"])


def test_listed_trials_and_a_batch_of_learners_are_the_same_study(data):
    pairs = [(0.01, 0.1), (0.05, 0.3), (0.2, 0.0)]
    listed = train_many(
        recipe, data, seeds=2, trials=[{"learning_rate": a, "dropout_rate": b} for a, b in pairs], **PLAN, **QUIET
    )
    learners = jax.vmap(recipe)(*(jnp.asarray(column) for column in zip(*pairs, strict=True)))
    batch = train_many(learners, data, seeds=2, **PLAN, **QUIET)
    for i in range(6):
        assert listed.history("validation_loss").loc[i].equals(batch.history("validation_loss").loc[i])
    assert listed.table()["learning_rate"].tolist() == [0.01, 0.01, 0.05, 0.05, 0.2, 0.2]
    assert batch.table()["learner"].tolist() == [0, 0, 1, 1, 2, 2]


def counted(traces):
    """A recipe whose activation, a function of its own, notes each trace."""

    def activation(x):
        traces.append(1)
        return jnp.tanh(x)

    def recipe(learning_rate):
        optimizer = jaxmlp.gd(learning_rate)
        return jaxmlp.classifier((2, 4, 2), optimizer=optimizer, activation=activation)

    return recipe


def test_a_second_study_of_the_same_recipe_traces_nothing(data):
    traces = []
    recipe = counted(traces)
    train_many(recipe, data, seeds=2, learning_rate=[0.1, 0.2], **PLAN, **QUIET)
    first = len(traces)
    assert first > 0
    train_many(recipe, data, seeds=5, learning_rate=[0.3], epochs=6, batch_size=16, patience=4, min_delta=0.1, **QUIET)
    assert len(traces) == first


@pytest.mark.slow
def test_a_study_traces_its_segment_once(data):
    small, large = [], []
    train_many(counted(small), data, seeds=1, lanes=2, learning_rate=[0.1], **PLAN, **QUIET)
    train_many(counted(large), data, seeds=9, lanes=2, learning_rate=[0.1, 0.2, 1e30], **PLAN, **QUIET)
    assert len(small) == len(large) > 0


def foreign(learning_rate):
    """An optimizer whose functions hold the learning rate in themselves, as optax makes them."""
    rate = 0.5 * learning_rate
    return jaxmlp.Optimizer(lambda params: (), lambda grads, state, params=None: (scaled(-rate, grads), state))


def scaled(factor, tree):
    return jax.tree.map(lambda leaf: jnp.asarray(factor, leaf.dtype) * leaf, tree)


def made(learning_rate, dropout_rate=0.25):
    optimizer = jaxmlp.chain(jaxmlp.clip_by_global_norm(0.5), foreign(learning_rate))
    return jaxmlp.classifier((2, 8, 2), optimizer=optimizer, dropout_rate=dropout_rate, l2=1e-3)


@pytest.mark.slow
def test_a_recipe_that_makes_functions_is_traced_and_a_trial_is_still_what_fit_does(data):
    study = train_many(made, data, seeds=2, learning_rate=[0.25, 0.5], **PLAN, **QUIET)
    for trial, rate in ((1, 0.25), (3, 0.5)):
        alone = fit(jax.random.key(1), made(rate), data, **PLAN)
        assert (
            study.history("train_loss").loc[trial].to_numpy().tobytes()
            == np.asarray(alone.history["train_loss"]).tobytes()
        )
        for ours, theirs in zip(jax.tree.leaves(study.params(trial)), jax.tree.leaves(alone.params), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_what_a_recipe_computes_of_its_numbers_is_what_fit_gets(data):
    """0.1 / 3 in Python is not 0.1 / 3 in float32."""

    def third(learning_rate):
        return rate_only(learning_rate / 3)

    study = train_many(third, data, seeds=1, learning_rate=[0.1, 0.7], **PLAN, **QUIET)
    for trial, rate in enumerate((0.1, 0.7)):
        alone = fit(jax.random.key(0), third(rate), data, **PLAN)
        np.testing.assert_array_equal(study.params(trial)[0]["w"], alone.params[0]["w"])


def test_a_recipe_may_branch_if_its_learners_differ_in_numbers_only(data):
    study = train_many(branching, data, seeds=1, learning_rate=[0.05, 0.2], **PLAN, **QUIET)
    plain = train_many(rate_only, data, seeds=1, learning_rate=[0.1, 0.2], **PLAN, **QUIET)
    assert study.history("train_loss").equals(plain.history("train_loss"))


def compiled_segment(data, devices):
    groups, _ = make_groups(recipe, 4, None, {"learning_rate": [0.03], "dropout_rate": [0.25]})
    work = make_work(groups[0], data, jax.devices()[:devices], SETTINGS)
    half = Half(work, 2 * devices)
    numbers = jax.tree.map(lambda column: column[: 2 * devices], work.group.numbers)
    orders = Orders(half.fresh, numbers, work.group.seeds[: 2 * devices], half.prune)
    segment = work.compiled.segment
    return segment.lower(half.lanes, orders, work.data, work.stopping, jnp.int32(1)).compile().as_text()


def test_devices_do_not_talk_to_each_other(data):
    text = compiled_segment(data, 2)
    assert not re.findall(r"all-reduce|all-gather|all-to-all|collective|reduce-scatter|partition-id", text)


def test_memory_is_that_of_the_lanes_not_of_the_trials(data):
    groups, _ = make_groups(recipe, 10_000, None, {"learning_rate": [0.03], "dropout_rate": [0.25]})
    work = make_work(groups[0], data, jax.devices()[:2], SETTINGS)
    assert lanes_per_half(None, jax.devices()[:2], 10_000, lane_bytes(work.shape)) * 2 * 2 <= 64


def test_nothing_is_computed_for_a_trial_that_has_ended(data):
    """Epochs are counted by a callback inside the learner: as many as the trials completed."""
    seen = []

    def counting(learning_rate):
        learner = rate_only(learning_rate)

        def evaluate(params, batch):
            if batch.targets.shape == data.validation.targets.shape:
                jax.debug.callback(lambda: seen.append(1))
            return learner.evaluate(params, batch)

        return learner._replace(evaluate=evaluate)

    uneven = data._replace(test=jax.tree.map(lambda a: a[:5], data.test))
    study = train_many(
        counting, uneven, seeds=6, learning_rate=[0.5, 3.0], epochs=30, batch_size=16, patience=1, **QUIET
    )
    jax.effects_barrier()
    assert study.table()["epochs"].nunique() > 1
    assert len(seen) == study.table()["epochs"].sum()


def test_more_is_better_in_populations_too(data):
    study = train_many(rate_only, data, seeds=3, learning_rate=[0.1], monitor="accuracy", mode="max", **PLAN, **QUIET)
    history = study.history("validation_accuracy")
    assert study.table()["validation_accuracy"].tolist() == history.max(axis=1).tolist()


def test_the_callback_gets_the_facts(data):
    facts = []
    train_many(rate_only, data, seeds=5, learning_rate=[0.1, 1e30], callback=facts.append, **PLAN, **QUIET)
    last = facts[-1]
    assert (last.trials, last.done, last.running, last.diverged) == (10, 10, 0, 5)
    assert last.trials_per_second > 0
    assert last.seconds_left == 0
    assert 0 < last.best < 1


FACTS = Progress(100, 40, 8, 3, 0.123456, 12.34, 65.0, 3700.0)


def test_progress_reads_like_a_sentence():
    assert str(FACTS) == "40/100 trials, 8 running, 3 diverged, best 0.1235, 12.3/s, 1:05 elapsed, 1:01:40 remaining"
    assert str(FACTS._replace(diverged=0, seconds_left=float("nan"))).endswith("12.3/s, 1:05 elapsed, ? remaining")
    assert "3 diverged, 12.3/s, " in str(FACTS._replace(best=float("nan")))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_live_line_on_a_terminal_and_plain_lines_elsewhere():
    live, plain, silent = Terminal(), io.StringIO(), io.StringIO()
    for wanted, stream in ((True, live), (True, plain), (False, silent)):
        reporter = Reporter(wanted, None, stream)
        reporter.report(FACTS)
        reporter.report(FACTS)
        reporter.close(FACTS._replace(done=100))
    assert live.getvalue().count("\n") == 1
    assert live.getvalue().count("\r") == 3
    assert [line[:7] for line in plain.getvalue().splitlines()] == ["40/100 ", "100/100"]
    assert silent.getvalue() == ""


def branching(learning_rate):
    return rate_only(learning_rate) if learning_rate > 0.1 else rate_only(0.1)


def branching_functions(learning_rate):
    return made(learning_rate) if learning_rate > 0.1 else made(0.1)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"learning_rate": []}, ValueError, "train_many: learning_rate must be a list of one value or more, got \\[\\]"),
        ({"learning_rate": ["a"]}, TypeError, "learning_rate must be .* got 'a'"),
        ({"learning_rate": [[0.1]]}, TypeError, "learning_rate must be .* got \\(0.1,\\)"),
        ({"rate": [0.1]}, TypeError, "train_many: rate must be an argument of the recipe, got 'rate'"),
        ({"learning_rate": None}, TypeError, "train_many: learning_rate must be a list of one value or more, got None"),
        ({"seeds": 0}, ValueError, "train_many: seeds must be a whole number of at least 1, got 0"),
        ({"seeds": []}, ValueError, "train_many: seeds must be a count, or a list .* got \\[\\]"),
        ({"seeds": [1, 1]}, ValueError, "train_many: seeds must be .* different integers .* got \\[1, 1\\]"),
        ({"seeds": [-1]}, ValueError, "train_many: seeds must be .* from 0 .* got \\[-1\\]"),
        ({"recipe": 3}, TypeError, "train_many: recipe must be a function of hyperparameters, .* got 3"),
        ({"recipe": {}}, ValueError, "train_many: recipe must be a function, .* got \\{\\}"),
        ({"recipe": lambda learning_rate: 3}, TypeError, "train_many: learner must have init, loss, .* got 3"),
        ({"recipe": branching_functions}, ValueError, "train_many: recipe must not branch on a hyperparameter"),
        ({"recipe": lambda learning_rate, width: 3}, TypeError,
         "train_many: recipe must take the hyperparameters \\['learning_rate'\\] \\(missing a required argument: 'width'"),
        ({"recipe": rate_only(0.1), "learning_rate": ...}, ValueError, "train_many: a batch of learners must have one lead"),
        ({"trials": [{"learning_rate": 0.1}]}, ValueError, "train_many: trials must be None if grids are given"),
        ({"trials": [], "learning_rate": ...}, TypeError, "train_many: trials must be a list of dicts of values"),
        ({"trials": [{"learning_rate": 1}, {"rate": 1}], "learning_rate": ...}, ValueError, "trials must be .* same names"),
        ({"lanes": 0}, ValueError, "train_many: lanes must be a whole number of at least 1, got 0"),
        ({"lanes": 10**9}, ValueError, "train_many: lanes must be at most [0-9]+, as each needs .* MB, got [0-9]+"),
        ({"shard": (2, 2)}, ValueError, "train_many: shard must be \\(index, count\\) .* got \\(2, 2\\)"),
        ({"epochs": 0}, ValueError, "train_many: epochs must be a whole number of at least 1, got 0"),
        ({"monitor": "f1"}, ValueError, "train_many: monitor must be one of accuracy, loss, got 'f1'"),
    ],
)  # fmt: skip
def test_wrong_input_is_refused(data, changes, error, text):
    arguments = {"recipe": rate_only, "seeds": 2, "learning_rate": [0.1], **PLAN, **QUIET, **changes}
    arguments = {name: value for name, value in arguments.items() if value is not ...}
    with pytest.raises(error, match=text):
        train_many(arguments.pop("recipe"), data, **arguments)


def test_cpu_devices_cannot_change_once_jax_has_started():
    with pytest.raises(RuntimeError, match="use_cpu_devices: must be called before JAX starts"):
        jaxmlp.use_cpu_devices(jax.local_device_count("cpu") + 1)
