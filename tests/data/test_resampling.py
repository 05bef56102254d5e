"""Folds, splits and bootstraps: which rows they hold, and that host and device put them together alike."""

import jax
import numpy as np
import pytest

import jaxmlp
from jaxmlp.data import Batch, Data
from jaxmlp.data.resampling import make_pool, preparation_at, sample_at


@pytest.fixture(scope="module")
def wine():
    return jaxmlp.load("wine")


def same(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_folds_hold_out_every_row_keep_classes_and_have_one_size(wine, count):
    pool = make_pool(wine, "folds", count)
    known = len(wine.train.inputs) + len(wine.validation.inputs)
    held = pool.samples.validation
    assert held.shape == (count, -(-known // count)) and sorted(set(held.ravel())) == list(range(known))
    labels = pool.rows.targets[held]
    for label in range(3):
        counts = (labels == label).sum(axis=1)
        assert counts.max() - counts.min() <= (2 if known % count else 1)
    for train, validation, test in zip(*pool.samples[:3], strict=True):
        assert not set(train) & set(validation) and len(train) + len(validation) == known
        assert test.tolist() == list(range(known, known + len(wine.test.inputs)))


def test_splits_are_those_of_resplit(wine):
    pool = make_pool(wine, "splits", 3)
    for i in range(3):
        ours, theirs = sample_at(pool, i), jaxmlp.resplit(wine, seed=i)
        same([split.targets for split in ours], [split.targets for split in theirs])
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), ours, theirs)
        again = preparation_at(pool, wine.preparation, i)
        np.testing.assert_allclose(again.inputs.unscale(ours.test.inputs), theirs.preparation.inputs.unscale(theirs.test.inputs), rtol=1e-5)  # fmt: skip


def test_splits_of_fewer_rows_than_classes_are_those_of_resplit_too(wine):
    pairs = zip((wine.train, wine.validation, wine.test), (60, 2, 20), strict=True)
    data = Data(*[Batch(split.inputs[:rows], split.targets[:rows]) for split, rows in pairs])
    ours, theirs = sample_at(make_pool(data, "splits", 1), 0), jaxmlp.resplit(data, seed=0)
    same([split.targets for split in ours], [split.targets for split in theirs])


def test_bootstraps_draw_training_rows_with_replacement(wine):
    samples = make_pool(wine, "bootstraps", 4).samples
    rows = len(wine.train.inputs)
    shares = [len(set(train)) / rows for train in samples.train]
    assert samples.train.shape == (4, rows) and samples.train.max() < rows
    assert 0.5 < min(shares) < max(shares) < 0.75 and len(set(shares)) > 1  # 1 - 1/e of the rows
    assert (samples.validation == samples.validation[0]).all() and samples.validation[0][0] == rows


def test_host_and_device_put_rows_together_to_the_bit_and_scale_by_training_rows():
    data = jaxmlp.load("diabetes")
    pool = make_pool(data, "folds", 4)
    ours, theirs = sample_at(pool, 3), jax.jit(sample_at)(pool, 3)
    same(ours, theirs)
    for values in ours.train[:2]:
        np.testing.assert_allclose(values.mean(axis=0), 0.0, atol=1e-5)
        np.testing.assert_allclose(values.std(axis=0), 1.0, atol=1e-5)
    assert ours.train.inputs.dtype == ours.train.targets.dtype == np.float32
    raw = data.preparation.targets.unscale(pool.rows.targets)
    again = preparation_at(pool, data.preparation, 3).targets.unscale(ours.validation.targets)
    np.testing.assert_allclose(again, raw[pool.samples.validation[3]], rtol=1e-5)


def test_range_scaling_and_data_without_a_preparation():
    digits = jaxmlp.load("digits")
    assert digits.preparation.inputs.how == "range"
    sample = sample_at(make_pool(digits, "splits", 1), 0)
    assert sample.train.inputs.min() == 0.0 and sample.train.inputs.max() == 1.0
    plain = Data(*(Batch(np.arange(i, i + 4.0), np.arange(4.0)) for i in (0, 10, 20)))
    train, validation, test = sample_at(make_pool(plain, "bootstraps", 1), 0)
    assert set(train.inputs) <= {0, 1, 2, 3} and validation.inputs.tolist() == [10, 11, 12, 13]
    assert test.inputs.tolist() == [20, 21, 22, 23]


def test_weights_travel_with_their_rows(wine):
    weights = np.arange(len(wine.train.inputs), dtype=np.float32)
    weighted = wine._replace(train=wine.train._replace(weights=weights))
    sample = sample_at(make_pool(weighted, "bootstraps", 1), 0)
    assert sample.validation.weights.tolist() == [1.0] * len(wine.validation.inputs)
    same(sample.train.weights, make_pool(wine, "bootstraps", 1).samples.train[0].astype(np.float32))


@pytest.mark.parametrize(
    ("source", "kind", "count", "text"),
    [
        ("wine", "folds", 0, "train_many: folds must be a whole number of at least 1, got 0"),
        ("wine", "folds", 1, "train_many: folds must be from 2 to 151, the rows to divide, got 1"),
        ("wine", "folds", 152, "train_many: folds must be from 2 to 151, the rows to divide, got 152"),
        (
            "xor",
            "splits",
            2,
            "train_many: data must have three splits of different rows for splits, got 'equal splits'",
        ),
    ],
)
def test_wrong_resamplings_are_refused(source, kind, count, text):
    with pytest.raises(ValueError, match=text):
        make_pool(jaxmlp.load(source), kind, count)
