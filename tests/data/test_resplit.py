"""resplit: every row once, as many in each split, and scalers of the new training rows."""

import numpy as np
import pytest

import jaxmlp
from jaxmlp.data import Batch, Data, load, resplit


def own_units(data):
    """All rows in their own units, as sorted tuples."""
    known = data.preparation
    rows = [
        np.concatenate([known.inputs.unscale(np.asarray(batch.inputs)), np.asarray(batch.targets)[:, None]], axis=1)
        for batch in data
    ]
    return np.array(sorted(map(tuple, np.concatenate(rows).round(3))))


@pytest.mark.parametrize("name", ["digits", "wine", "moons"])
def test_every_row_is_in_one_split_and_labels_keep_their_proportions(name):
    data = load(name)
    first, again, other = resplit(data, 1), resplit(data, 1), resplit(data, 2)
    np.testing.assert_allclose(own_units(first), own_units(data), atol=2e-3)
    for old, new, same, further in zip(data, first, again, other, strict=True):
        assert new.inputs.shape == old.inputs.shape and new.inputs.dtype == np.float32
        assert new.targets.dtype == np.int32 and np.array_equal(new.inputs, same.inputs)
        assert not np.array_equal(new.targets, further.targets)
        gap = np.abs(np.bincount(new.targets) - np.bincount(np.asarray(old.targets)))
        assert gap.max() <= 1
    assert np.bincount(first.test.targets).min() >= 1


def test_scalers_are_those_of_the_new_training_rows():
    wine, digits = resplit(load("wine"), 3), resplit(load("digits"), 3)
    np.testing.assert_allclose(wine.train.inputs.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(wine.train.inputs.std(axis=0), 1.0, atol=1e-5)
    assert np.abs(wine.test.inputs.mean(axis=0)).max() > 0.01
    assert (digits.train.inputs.min(), digits.train.inputs.max()) == (0.0, 1.0)
    assert wine.preparation.inputs.how == "standard" and digits.preparation.inputs.how == "range"
    again = resplit(wine, 0)
    np.testing.assert_allclose(own_units(again), own_units(load("wine")), atol=2e-3)


def test_targets_of_a_regression_are_scaled_anew():
    data = resplit(load("diabetes"), 5)
    assert data.train.targets.shape == load("diabetes").train.targets.shape
    assert data.train.targets.mean() == pytest.approx(0.0, abs=1e-6)
    assert data.train.targets.std() == pytest.approx(1.0, abs=1e-5)
    back = data.decode(np.concatenate([batch.targets for batch in data]))
    assert back.min() == pytest.approx(25, abs=1e-3) and back.max() == pytest.approx(346, abs=1e-3)


def test_columns_of_categories_stay_as_they_are():
    rows = [[color, float(number)] for number, color in enumerate(["red", "blue", "green"] * 20)]
    table = ([[color, number] for color, number in rows], [float(number % 7) for _, number in rows])
    data = resplit(load(table, task="regression"), 1)
    onehot = np.asarray(data.train.inputs[:, :3])
    assert set(np.unique(onehot)) == {0.0, 1.0} and (onehot.sum(axis=1) == 1).all()
    assert data.train.inputs[:, 3].mean() == pytest.approx(0.0, abs=1e-6)


def test_prescribed_test_rows_stay():
    data = load("wine")
    other = resplit(data, 4, keep_test=True)
    known = [one.preparation.inputs.unscale(np.asarray(one.test.inputs)) for one in (data, other)]
    np.testing.assert_allclose(known[0], known[1], rtol=1e-4, atol=1e-4)
    assert np.array_equal(data.test.targets, other.test.targets)
    assert not np.array_equal(data.train.targets, other.train.targets)


def test_splits_of_the_same_rows_stay_the_same_rows():
    gate = resplit(load("xor"), 1)
    assert all(np.array_equal(split.inputs, load("xor").train.inputs) for split in gate)
    alone = load("wine", validation=0.0)
    other = resplit(alone, 1)
    assert np.array_equal(other.validation.inputs, other.train.inputs)
    assert not np.array_equal(other.test.targets, alone.test.targets)


def test_rows_without_a_preparation_are_not_scaled_and_rare_labels_are_spread_at_random():
    inputs = np.arange(24.0, dtype=np.float32).reshape(12, 2)
    labels = np.array([0] * 11 + [1], np.int32)
    data = Data(*(Batch(inputs[rows], labels[rows]) for rows in (slice(0, 6), slice(6, 9), slice(9, 12))))
    other = resplit(data, 1)
    assert sorted(np.concatenate([batch.inputs for batch in other])[:, 0].tolist()) == inputs[:, 0].tolist()
    assert [len(batch.targets) for batch in other] == [6, 3, 3] and other.preparation is None
    numbers = data._replace(train=data.train._replace(targets=np.zeros(6, np.float32)))
    assert resplit(numbers, 2).train.targets.shape == (6,)


def test_a_preparation_in_a_file_can_be_resplit_too():
    data = resplit(load("wine"), 1)
    known = jaxmlp.data.Preparation.from_json(data.preparation.to_json())
    assert known == data.preparation and known.inputs.how == "standard"
    twice = jaxmlp.scaled(jaxmlp.scaled(data, "range"), "standard")
    assert twice.preparation.inputs.how == "standard"
    assert jaxmlp.scaled(data, "range").preparation.inputs.how is None


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: resplit(3, 1), TypeError, "resplit: data must be a Data, got 'int'"),
        (lambda: resplit(load("wine"), -1), ValueError, "resplit: seed must be a whole number of at least 0, got -1"),
    ],
)
def test_errors_say_function_argument_rule_and_value(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


def test_weights_stay_with_their_rows_and_splits_without_any_count_as_1():
    rows = [Batch(np.arange(30.0)[:, None] + start, np.arange(30) % 2) for start in (0, 30, 60)]
    weighted = [batch._replace(weights=(batch.inputs[:, 0] + 1).astype(np.float32)) for batch in rows[:2]]
    data = resplit(Data(*weighted, rows[2]), 1)
    for batch in data:
        place = batch.inputs[:, 0]
        np.testing.assert_array_equal(batch.weights, np.where(place < 60, place + 1, 1))
        assert batch.weights.dtype == np.float32 and batch.targets.mean() == 0.5
