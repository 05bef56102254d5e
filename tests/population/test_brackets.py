"""Hyperband: its brackets are those of the paper's algorithm, and the best of a rung are trained for longer, whoever ends first."""

import random
from typing import Any

import numpy as np
import pytest

import jaxmlp
from jaxmlp import between, hyperband, train_many

SPACE = {"rate": between(1e-3, 10.0, log=True)}


@pytest.mark.parametrize(
    ("options", "brackets"),
    [
        (
            {"epochs": 81},
            [
                [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
                [(34, 3), (11, 9), (3, 27), (1, 81)],
                [(15, 9), (5, 27), (1, 81)],
                [(8, 27), (2, 81)],
                [(5, 81)],
            ],
        ),
        ({"epochs": 80, "brackets": 1}, [[(27, 2), (9, 8), (3, 26), (1, 80)]]),
        ({"epochs": 8, "factor": 2, "first": 2, "brackets": 4}, [[(4, 2), (2, 4), (1, 8)], [(3, 4), (1, 8)], [(3, 8)]]),
        ({"epochs": 1}, [[(1, 1)]]),
    ],
)
def test_brackets_are_those_of_the_paper(options, brackets):
    found = hyperband(SPACE, **options).brackets
    assert found == (brackets + brackets)[: len(found)] and len(found) == options.get("brackets", len(brackets))


def driven(tuner, order, mode="min"):
    """Has each of its trials score its rate, the lower the better, in some order, a few at a time; what was asked for."""
    asked, running = [], []
    while True:
        while len(running) < 5 and (numbers := tuner.ask()) is not None:
            running.append((len(asked), numbers))
            asked.append(numbers)
        if not running:
            return asked
        number, numbers = running.pop(order.randrange(len(running)))
        score = {"min": 1, "max": -1}[mode] * numbers["rate"]
        tuner.tell(number, numbers, [{"validation_r2": score - 1}, {"validation_r2": score + 1}])


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_of_each_rung_are_promoted_in_whichever_order_trials_end(mode):
    asked = [driven(hyperband(SPACE, 9, monitor="r2", mode=mode), random.Random(i), mode) for i in range(4)]
    trials = [sorted((one["epochs"], one["rate"]) for one in some) for some in asked]
    assert len({str(one["rate"]) for one in asked[0]}) == 17 and trials[0] == trials[1] == trials[2] == trials[3]
    draws = [one["rate"] for one in jaxmlp.draw_trials(SPACE, 17)]
    first, second = sorted(draws[:9]), sorted(draws[9:14])
    assert sorted(rate for epochs, rate in trials[0] if epochs == 3) == sorted(first[:3] + draws[9:14])
    assert sorted(rate for epochs, rate in trials[0] if epochs == 9) == sorted([first[0], second[0], *draws[14:]])


def test_what_has_no_value_is_worst_and_draws_of_equal_value_are_taken_in_turn():
    tuner = hyperband(SPACE, 3, brackets=1)
    asked: list[Any] = [tuner.ask() for _ in range(4)]
    assert asked[3] is None
    for number, value in ((2, 0.5), (0, np.nan), (1, 0.5)):
        assert tuner.ask() is None
        tuner.tell(number, asked[number], [{"validation_loss": value}])
    assert tuner.ask() == {"rate": asked[1]["rate"], "epochs": 3}


def test_more_brackets_begin_with_the_same():
    few, many = (driven(hyperband(SPACE, 9, brackets=count, monitor="r2"), random.Random(0)) for count in (1, 5))
    assert few[:9] == many[:9] and {one["rate"] for one in few} < {one["rate"] for one in many}


def recipe(rate, epochs):
    return jaxmlp.classifier((2, 3, 2), optimizer=jaxmlp.gd(jaxmlp.linear_schedule(rate, 0.1 * rate, 2 * epochs)))


def test_a_study_is_tuned_and_continued_and_its_trials_are_what_they_always_are(tmp_path):
    data = jaxmlp.load("moons", rows=60)
    options = {"seeds": 2, "batch_size": 16, "progress": False}
    for brackets in (1, 2):
        tuner = hyperband(SPACE, 3, brackets=brackets)
        study = train_many(recipe, data, trials=tuner, directory=tmp_path, **options)
        assert tuner.ask() is None
    table = study.table()
    means: Any = table.groupby(["params_epochs", "rate"], sort=False)["validation_loss"].mean()
    draws = [one["rate"] for one in jaxmlp.draw_trials(SPACE, 5)]
    assert means[1].index.tolist() == draws[:3]
    assert sorted(means[3].index) == sorted([means[1].idxmin(), *draws[3:]])
    assert table["epochs"].equals(table["params_epochs"])
    listed = [{"rate": rate, "epochs": epochs} for epochs, rate in means.index]
    assert train_many(recipe, data, trials=listed, **options).table().equals(table)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"first": 10}, "first must be at most 9, the epochs, got 10"),
        ({"factor": 1}, "factor must be at least 2, got 1"),
        ({"brackets": 0}, "brackets must be a whole number of at least 1, got 0"),
        ({"mode": "least"}, "mode must be one of min, max, got 'least'"),
        ({"how": "grid"}, "how must be one of random, sobol, halton, got 'grid'"),
        ({"space": {"rate": "fast"}}, r"rate must be between\(low, high\) or a list of values, got 'fast'"),
        ({"space": {"epochs": [1]}}, r"space must not hold epochs, which the brackets say, got \[1\]"),
    ],
)
def test_wrong_arguments_are_refused(changes, text):
    with pytest.raises(ValueError, match=f"hyperband: {text}"):
        hyperband(**{"space": SPACE, "epochs": 9, **changes})
