"""Schedules and weight decay for every optimizer, what is searched, and protocols that use them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp.compare import PROTOCOLS, Protocol, UserError, compare, network
from jaxmlp.compare.axes import AXES, MULTIPLES, SCHEDULES, SIZES, configured, scheduled
from jaxmlp.compare.comparison import checked_contestants, checked_protocol
from jaxmlp.compare.contestants import parse_contestants
from jaxmlp.compare.rulebook import rules
from jaxmlp.compare.search import RATES, SPACE, points, spaces
from tests.compare.test_compare import BOWL

COUNTS = (0, 5, 10, 50, 75, 95, 100)


def one(text):
    (contestant,) = parse_contestants(text)
    return contestant


def values(name, warmup=None):
    rate = scheduled(2.0, 100, name, None, warmup)
    return [float(rate(jnp.int32(count))) for count in COUNTS]


@pytest.mark.parametrize(
    ("name", "warmup", "expected"),
    [
        ("constant", None, [2.0] * 7),
        ("constant", 0.1, [0.2, 1.2, 2.0, 2.0, 2.0, 2.0, 2.0]),
        ("cosine", None, [1 + np.cos(np.pi * count / 100) for count in COUNTS]),
        ("linear", None, [2.0 - 0.02 * count for count in COUNTS]),
        ("linear", 0.1, [0.2, 1.2, 2.0, 2 * 50 / 90, 2 * 25 / 90, 2 * 5 / 90, 0.0]),
        ("trapezoidal", None, [0.2, 1.2, 2.0, 2.0, 2.0, 1.0, 0.0]),
    ],
)
def test_schedules_by_hand(name, warmup, expected):
    assert values(name, warmup) == pytest.approx(expected, abs=1e-5)


def test_one_cycle_is_that_of_the_library():
    reference = jaxmlp.cosine_onecycle_schedule(100, 2.0, final_div_factor=1e9)
    assert values("onecycle") == pytest.approx([float(reference(count)) for count in COUNTS], abs=1e-5)


def test_the_place_of_a_schedule_is_a_number_like_any_other():
    traces = []

    @jax.jit
    def at(rate, count):
        traces.append(1)
        return rate(count)

    found = {}
    for place, name in enumerate(SCHEDULES):
        found[name] = [float(at(scheduled(2.0, 100, "", float(place), 0.2), count)) for count in COUNTS]
        assert found[name] == pytest.approx(values(name, 0.2), abs=1e-6)
    assert len(traces) == 1 and len({tuple(row) for row in found.values()}) == 5


PARAMS = [{"w": jnp.full((2, 2), 4.0), "b": jnp.full(2, 4.0)}]
GRADS = jax.tree.map(jnp.ones_like, PARAMS)


def steps(optimizer, number=2):
    state, params = optimizer.init(PARAMS), PARAMS
    for _ in range(number):
        updates, state = optimizer.update(GRADS, state, params)
        params = jaxmlp.apply_updates(params, updates)
    return float(params[0]["w"][0, 0]), float(params[0]["b"][0])


def test_weight_decay_shrinks_weights_and_not_biases():
    plain = configured(one("gd"), 100, "constant", {"learning_rate": 0.5})
    decayed = configured(one("gd"), 100, "constant", {"learning_rate": 0.5, "weight_decay": 0.1})
    assert steps(plain) == pytest.approx((3.0, 3.0))
    # w <- w - 0.5 * (1 + 0.1 * w), twice
    first = 4.0 - 0.5 * 1.4
    assert steps(decayed) == pytest.approx((first - 0.5 * (1 + 0.1 * first), 3.0))


def test_an_optimizer_with_weight_decay_of_its_own_uses_that():
    decayed = configured(one("adamw"), 100, "constant", {"learning_rate": 0.5, "weight_decay": 0.1})
    reference = jaxmlp.adamw(0.5, weight_decay=0.1, mask=[{"w": True, "b": False}])
    assert steps(decayed) == pytest.approx(steps(reference))
    wrapped = configured(one("adam"), 100, "constant", {"learning_rate": 0.5, "weight_decay": 0.1})
    assert steps(wrapped) == pytest.approx(steps(reference), rel=1e-5)


def test_decay_follows_the_schedule():
    decayed = configured(one("gd"), 2, "linear", {"learning_rate": 0.5, "weight_decay": 0.1})
    first = 4.0 - 0.5 * 1.4
    assert steps(decayed) == pytest.approx((first - 0.25 * (1 + 0.1 * first), 4.0 - 0.75))


def test_what_is_searched_for_whom():
    all_of, named = Protocol("", "random", tune="all"), Protocol("", "random", tune="b2,weight_decay,schedule")
    assert list(spaces(all_of, one("adamw"))) == ["learning_rate", "b1", "b2", "eps", "weight_decay"]
    assert list(spaces(named, one("adam"))) == ["learning_rate", "b2", "weight_decay", "schedule"]
    assert list(spaces(named, one("gd"))) == ["learning_rate", "weight_decay", "schedule"]
    found = [point for study in range(20) for point in points(named, one("gd"), study)]
    assert {point["schedule"] for point in found} == {0.0, 1.0, 2.0, 3.0, 4.0}
    counts = np.bincount([int(point["schedule"]) for point in found])
    assert counts.min() >= 30 and counts.sum() == 220
    assert all(1e-5 <= point["weight_decay"] <= 0.1 for point in found)
    assert {*AXES, *SIZES} <= set(SPACE)
    sizes = [
        point for study in range(20) for point in points(named._replace(tune="batch_size,hidden"), one("gd"), study)
    ]
    for name in SIZES:
        assert list(np.bincount([MULTIPLES.index(point[name]) for point in sizes]) >= 60) == [True] * 3


def test_spaces_are_printed_with_the_rules():
    said = rules(checked_protocol("standard", {"tune": "all,schedule,warmup"}), parse_contestants("gd,adam,nadam"))
    assert (
        "Searched too for gd: warmup 0.01 to 0.3, schedule constant, cosine, linear, onecycle or trapezoidal." in said
    )
    (both,) = [line for line in said if line.startswith("Searched too for adam and nadam: ")]
    assert "b1 0 to 0.999, b2 0.9 to 0.9999, eps 1e-10 to 1, warmup" in both
    sizes = rules(checked_protocol("standard", {"tune": "hidden"}), parse_contestants("gd"))
    assert "Searched too for gd: hidden 0.25, 1 or 4 times the problem's own." in sizes
    fixed = rules(PROTOCOLS["standard"]._replace(schedule="cosine"), parse_contestants("gd"))
    assert "Learning rates follow the cosine schedule over the whole run; those named are its peak." in fixed
    assert not any("Searched too" in line or "schedule" in line for line in rules(PROTOCOLS["standard"], [one("gd")]))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tune": "b2,colour"}, "tune must be names of all, b1, .*separated by commas, got 'colour'"),
        ({"schedule": "steps"}, "schedule must be one of constant, cosine, linear, onecycle, trapezoidal, got 'steps'"),
    ],
)
def test_unknown_names_are_refused(changes, text):
    with pytest.raises(UserError, match=text):
        checked_protocol("standard", changes)


def test_the_crowded_valley():
    small, medium, large, untuned = (PROTOCOLS[f"valley_{name}"] for name in ("small", "medium", "large", "untuned"))
    assert [one.trials for one in (small, medium, large)] == [25, 50, 75]
    assert {(one.search, one.tune, one.tuning_seeds, one.choice) for one in (small, medium, large)} == {
        ("random", "all", 1, "best")
    }
    assert all(PROTOCOLS[name].name == name for name in PROTOCOLS)
    rates = {one.name: one.rate for one in checked_contestants("adam,gd,mine=adam@0.5", untuned)}
    assert rates == {"adam": 1e-3, "gd": 1e-2, "mine": 0.5}
    known = checked_contestants(jaxmlp.compare.OPTIMIZERS, untuned)  # every one of them has a usual rate
    assert {one.name: one.rate for one in known} == RATES
    with pytest.raises(UserError, match=r"optimizer 'm' has no known default learning rate: give one, as in m@1e-3"):
        checked_contestants("m=momentum(decay=0.5)", untuned)


def test_a_search_over_schedules_and_decay_runs_and_compiles_once():
    traces, plain = [], jaxmlp.regressor((1, 1), optimizer=jaxmlp.gd(0.1))

    def loss(params, batch, key):
        traces.append(1)
        return plain.loss(params, batch, key)

    def learner(optimizer):
        return jaxmlp.Learner(plain.init, loss, plain.evaluate, optimizer)

    rows = jaxmlp.Batch(
        np.linspace(-1, 1, 40, dtype=np.float32)[:, None], np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    )
    problem = BOWL._replace(learner=learner, data=jaxmlp.Data(rows, rows, rows))
    counts = []
    for repetitions in (2, 3):
        traces.clear()
        found = compare(
            "gd", problem, "standard", tune="weight_decay,warmup,schedule", trials=6, repetitions=repetitions
        )
        outcome = found.outcomes["bowl", "gd"]
        assert outcome.trouble is None and set(outcome.chosen[0]) == {"learning_rate", *AXES}
        counts.append(len(traces))
    assert counts[0] > 0 and counts[1] == 0
    for name in SCHEDULES[1:]:
        assert compare("gd,optax:sgd", problem, "standard", schedule=name, trials=2, repetitions=2).troubles() == []


@pytest.mark.slow
def test_batch_size_and_hidden_width_are_tuned_by_one_program_each(tmp_path):
    """Each trial is the run that `fit` gives at its batch size, width and schedule; the order of trials is kept."""
    moons = network("moons", "two half-moons", jaxmlp.load("moons", rows=80), (4,), epochs=2, batch_size=8)
    changes = {"tune": "batch_size,hidden", "schedule": "cosine", "trials": 3, "repetitions": 2, "seeds": 1}
    found = compare("momentum", moons, "standard", directory=tmp_path, **changes).outcomes["moons", "momentum"]
    assert found.trouble is None and set(found.chosen[0]) == {"learning_rate", "batch_size", "hidden"}
    tuning = found.tuning[found.tuning["repetition"] == 1]
    assert (
        tuning["point"].tolist() == [0, 1, 2]
        and len(set(zip(tuning["batch_size"], tuning["hidden"], strict=True))) == 3
    )
    data = moons.repetition(2).data
    for _, row in tuning.iterrows():
        size, width = int(8 * row["batch_size"]), int(4 * row["hidden"])
        schedule = jaxmlp.cosine_decay_schedule(row["learning_rate"], 2 * (len(data.train.targets) // size))
        learner = jaxmlp.classifier((2, width, 2), optimizer=jaxmlp.momentum(schedule))
        result = jaxmlp.fit(jax.random.key(int(row["seed"])), learner, data, epochs=2, batch_size=size, patience=2)
        assert row["validation_loss"] == pytest.approx(float(result.history["validation_loss"].min()), rel=1e-4)
    again = compare("momentum", moons, "standard", directory=tmp_path, **changes).outcomes["moons", "momentum"]
    assert again.reused == 6 + 2 + len(again.crossed)
    np.testing.assert_array_equal(again.tuning["validation_loss"], found.tuning["validation_loss"])


def test_only_networks_have_a_width_to_tune():
    with pytest.raises(
        UserError, match=r"problem 'bowl' has no hidden width to tune: write learner\(optimizer, hidden="
    ):
        compare("gd", BOWL, tune="hidden")


def test_a_batch_holds_a_row_at_least_and_all_rows_at_most():
    plain = BOWL._replace(batch_size=None)  # 40 rows
    assert [plain.sized(multiple).batch_size for multiple in MULTIPLES] == [10, None, 40]
    assert BOWL._replace(batch_size=1).sized(0.25).batch_size == 1
