"""split and scaled: proportions, statistics of the training rows, and what inputs and targets may be."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmlp.data import Batch, Data, scaled, split, stratified


def table(*counts):
    """Inputs that number the rows, and labels with the counts given."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.arange(len(labels), dtype=np.float32)[:, None], labels


def test_split_keeps_proportions_and_rows():
    inputs, labels = table(50, 30, 20)
    data = split(inputs, labels, validation=0.2, test=0.1)
    assert [np.bincount(batch.targets).tolist() for batch in data] == [[35, 21, 14], [10, 6, 4], [5, 3, 2]]
    rows = np.concatenate([batch.inputs for batch in data]).ravel()
    np.testing.assert_array_equal(np.sort(rows), inputs.ravel())
    for batch in data:
        assert isinstance(batch.inputs, np.ndarray) and batch.inputs.dtype == np.float32
        assert batch.targets.dtype == np.int32
        np.testing.assert_array_equal(labels[batch.inputs.ravel().astype(int)], batch.targets)


def test_split_shuffles_by_the_seed():
    inputs, labels = table(30, 30)
    first, again, other = split(inputs, labels), split(inputs, labels, seed=0), split(inputs, labels, seed=1)
    np.testing.assert_array_equal(first.train.inputs, again.train.inputs)
    assert not np.array_equal(first.train.inputs, other.train.inputs)
    # Shuffled within a split too, not class after class.
    assert 5 < np.count_nonzero(np.diff(first.train.targets)) < 37
    assert first.test.inputs.ravel().tolist() == PINNED


PINNED = [7, 5, 14, 29, 41, 56, 33, 15, 31]


def test_numbers_are_shuffled_plainly():
    inputs = np.arange(20.0)[:, None]
    data = split(inputs, inputs[:, 0] / 10, validation=0.25, test=0.3)
    assert [batch.targets.shape for batch in data] == [(9, 1), (5, 1), (6, 1)]
    order = np.random.default_rng(0).permutation(20)
    assert [batch.inputs.ravel().tolist() for batch in data] == [
        order[:9].tolist(),
        order[9:14].tolist(),
        order[14:].tolist(),
    ]
    for batch in data:
        assert batch.targets.dtype == np.float32
        np.testing.assert_allclose(batch.targets, batch.inputs / 10, rtol=1e-6)
    assert split(inputs, np.zeros((20, 3))).train.targets.shape == (14, 3)


def test_split_sizes_round_half_up():
    inputs, labels = table(15, 15)
    assert [len(batch.targets) for batch in split(inputs, labels, validation=0.15, test=0.25)] == [17, 5, 8]


@pytest.mark.parametrize(
    ("total", "counts", "expected"),
    [
        (10, [50, 30, 20], [5, 3, 2]),
        (10, [34, 33, 33], [4, 3, 3]),
        (11, [34, 33, 33], [4, 4, 3]),
        (3, [98, 1, 1], [1, 1, 1]),
        (10, [98, 1, 1], [8, 1, 1]),
        (7, [5, 9, 86], [1, 1, 5]),
        (5, [25, 75], [1, 4]),
        (6, [25, 75], [2, 4]),
        (4, [7], [4]),
    ],
)
def test_apportion(total, counts, expected):
    assert stratified.apportion(total, np.array(counts)).tolist() == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=12), st.data())
def test_apportion_is_within_one_of_proportion(counts, data):
    counts = np.array(counts)
    total = data.draw(st.integers(len(counts), max(len(counts), counts.sum())))
    shares = stratified.apportion(total, counts)
    assert shares.sum() == total and shares.min() >= 1
    quota = total * counts / counts.sum()
    if quota.min() >= 1:
        assert np.abs(shares - quota).max() < 1


def data_of(train, other, targets=None):
    targets = np.zeros(len(train), np.int32) if targets is None else targets
    rows = Batch(np.array(other, float), np.zeros((len(other), *targets.shape[1:]), targets.dtype))
    return Data(Batch(np.array(train, float), targets), rows, rows)


def test_standard_uses_the_training_rows():
    data = scaled(data_of([[1, 5], [3, 5]], [[5, 6]]), "standard")
    assert data.train.inputs.tolist() == [[-1, 0], [1, 0]]
    assert data.validation.inputs.tolist() == data.test.inputs.tolist() == [[3, 1]]
    assert data.train.inputs.dtype == np.float32 and data.train.targets.dtype == np.int32


def test_standard_scales_numbers_to_predict_and_not_labels():
    data = scaled(data_of([[1], [3]], [[5]], np.array([[10.0, 7.0], [30.0, 7.0]])), "standard")
    assert data.train.targets.tolist() == [[-1, 0], [1, 0]] and data.test.targets.tolist() == [[-2, -7]]
    assert data.train.targets.dtype == np.float32
    labels = scaled(data_of([[1], [3]], [[5]], np.array([0, 1])), "standard").train.targets
    assert labels.tolist() == [0, 1] and labels.dtype == np.int32


def test_range_is_one_for_all_features_and_leaves_targets():
    data = scaled(data_of([[0, 2], [4, 8]], [[16, -8]], np.array([[10.0], [30.0]])), "range")
    assert data.train.inputs.tolist() == [[0, 0.25], [0.5, 1]] and data.test.inputs.tolist() == [[2, -1]]
    assert data.train.targets.tolist() == [[10], [30]]
    assert scaled(data_of([[2, 2], [6, 4]], [[4, 3]]), "range").train.inputs.tolist() == [[0, 0], [1, 0.5]]


def test_none_changes_dtypes_alone():
    data = scaled(data_of([[1, 5], [3, 5]], [[5, 6]]), None)
    assert data.train.inputs.tolist() == [[1, 5], [3, 5]] and data.train.inputs.dtype == np.float32


@pytest.mark.parametrize("how", ["standard", "range"])
def test_constant_inputs_become_zero(how):
    # A mean of many 0.1 is not 0.1, nor their deviation 0.
    data = scaled(data_of(np.full((999, 3), 0.1), [[0.1] * 3]), how)
    assert not data.train.inputs.any() and not data.test.inputs.any()


def test_differences_whose_squares_vanish():
    data = scaled(data_of([[0.0], [1e-200]], [[0.0]]), "standard")
    np.testing.assert_allclose(data.train.inputs, 0, atol=1e-30)


def test_large_offsets_and_halves_keep_their_digits():
    data = scaled(data_of([[1e9 + 1], [1e9 + 3]], [[1e9]]), "standard")
    assert data.train.inputs.tolist() == [[-1], [1]]
    halves = np.array([[-60000.0], [60000.0]], np.float16)
    rows = Batch(halves, np.array([0, 1]))
    for how, expected in (("range", [[0], [1]]), ("standard", [[-1], [1]])):
        assert scaled(Data(rows, rows, rows), how).train.inputs.tolist() == expected


def test_range_of_bytes_is_float32_throughout():
    rows = Batch(np.array([[0, 51], [102, 255]], np.uint8), np.array([0, 1]))
    inputs = scaled(Data(rows, rows, rows), "range").train.inputs
    np.testing.assert_allclose(inputs, [[0, 0.2], [0.4, 1]], rtol=1e-7)


def test_scaled_takes_jax_arrays_and_returns_numpy():
    rows = Batch(jnp.array([[1.0], [3.0]]), jnp.array([0, 1]))
    assert isinstance(scaled(Data(rows, rows, rows), "standard").train.inputs, np.ndarray)


def test_scaled_refuses_what_it_cannot_scale():
    rows = Batch(np.zeros((2, 1)), np.array([0.5, 0.25]))
    text = "scaled: targets must be (n,) whole numbers or (n, outputs), got ((2,), 'float64')"
    with pytest.raises(ValueError, match=re.escape(text)):
        scaled(Data(rows, rows, rows), "standard")
    with pytest.raises(ValueError, match=re.escape("scaled: how must be one of standard, range, got 'unit'")):
        scaled(data_of([[1]], [[1]]), "unit")
    with pytest.raises(TypeError, match=re.escape("scaled: data must be a Data, got 'Batch'")):
        scaled(rows, "standard")


ZEROS = np.zeros((20, 2))
HALVES = np.arange(20) % 2


def with_bad(value, rows):
    inputs = np.zeros((20, 2))
    inputs[rows, 1] = value
    return inputs


FINITE = "must be finite float32 numbers, got"


@pytest.mark.parametrize(
    ("inputs", "targets", "text"),
    [
        (with_bad(np.nan, [4, 7]), HALVES, f"split: inputs {FINITE} 2 that are not, the first in row 4"),
        (with_bad(np.inf, [9]), HALVES, f"split: inputs {FINITE} 1 that are not, the first in row 9"),
        (with_bad(-1e39, [0]), HALVES, f"split: inputs {FINITE} 1 that are not, the first in row 0"),
        (ZEROS, with_bad(np.nan, [3]), f"split: targets {FINITE} 1 that are not, the first in row 3"),
        (ZEROS, HALVES[:19], "split: targets must have as many rows as inputs (20), got 19"),
        (ZEROS[:, 0], HALVES, "split: inputs must be of shape (n, features), got (20,)"),
        (ZEROS[None], HALVES, "split: inputs must be of shape (n, features), got (1, 20, 2)"),
        (ZEROS[:0], HALVES, "split: inputs must have at least one row and one feature, got (0, 2)"),
        (ZEROS[:, :0], HALVES, "split: inputs must have at least one row and one feature, got (20, 0)"),
        (ZEROS, ZEROS[None], "split: targets must be of shape (n,) or (n, outputs), got (1, 20, 2)"),
        (ZEROS, np.float64(1), "split: targets must be of shape (n,) or (n, outputs), got ()"),
        (ZEROS, ZEROS[:, :0], "split: targets must have at least one output, got (20, 0)"),
        (np.full((20, 2), "a"), HALVES, "split: inputs must be real numbers, got '<U1'"),
        (ZEROS * 1j, HALVES, "split: inputs must be real numbers, got 'complex128'"),
        (
            ZEROS,
            2 * np.arange(20),
            "split: validation must be at least 20 rows, one per class (give numbers to predict as floating point, or "
            "say task='regression'), got 3",
        ),
        (
            *table(17, 3, 2, 20),
            "split: targets must have rows of class 2 for each of train, validation, test, got 2",
        ),
        (
            *table(4, 4, 4, 4, 4),
            "split: validation must be at least 5 rows, one per class (give numbers to predict as floating point, or say "
            "task='regression'), got 3",
        ),
        (
            ZEROS[:3],
            np.zeros(3),
            "split: validation and test must leave every split a row, of 3 in all, got "
            "{'train': 3, 'validation': 0, 'test': 0}",
        ),
    ],
)
def test_wrong_arrays_are_refused(inputs, targets, text):
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        split(inputs, targets)


def test_three_rows_of_a_class_reach_every_split():
    data = split(*table(40, 3))
    assert [np.bincount(batch.targets)[1] for batch in data] == [1, 1, 1]


def test_smallest_splits():
    data = split(np.zeros((3, 1)), np.zeros(3), validation=0.3, test=0.3)
    assert [len(batch.targets) for batch in data] == [1, 1, 1]
    data = split(*table(6, 6, 8))
    assert [np.bincount(batch.targets).tolist() for batch in data] == [[4, 4, 6], [1, 1, 1], [1, 1, 1]]


def test_split_that_leaves_no_training_row():
    text = "leave every split a row, of 2 in all, got {'train': 0, 'validation': 1, 'test': 1}"
    with pytest.raises(ValueError, match=re.escape(text)):
        split(np.zeros((2, 1)), np.zeros(2), validation=0.4, test=0.4)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"seed": -1}, "split: seed must be a whole number of at least 0, got -1"),
        ({"validation": 0.0}, "split: validation must be above 0 and below 1, got 0.0"),
        ({"test": np.nan}, "split: test must be above 0 and below 1, got nan"),
        (
            {"validation": 0.6, "test": 0.5},
            "split: validation + test must be below 1, to leave rows for training, got 1.1",
        ),
    ],
)
def test_split_checks_its_options(options, text):
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        split(ZEROS, HALVES, **options)


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["no", "yes"], ("no", "yes")),
        ([1, 2], (1, 2)),
        ([-1, 1], (-1, 1)),
        ([0, 7], (0, 7)),
        ([False, True], (False, True)),
    ],
)
def test_labels_may_be_anything_and_keep_their_names(names, classes):
    data = split(ZEROS, np.array(names)[HALVES])
    assert data.preparation.classes == classes
    assert [np.bincount(batch.targets).tolist() for batch in data] == [[6, 8], [2, 1], [2, 1]]
    assert data.decode(data.train.targets[:3]).tolist() == np.array(names)[data.train.targets[:3]].tolist()
