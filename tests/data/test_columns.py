"""Categories, bools and missing values: what becomes of them, by values; DataFrames, Series and masked arrays."""

import re

import numpy as np
import pandas as pd
import pytest

from jaxmlp.data import Batch, load

ROWS = 40
PARITY = np.arange(ROWS) % 2


def column(values):
    """Inputs of one column of text, as pairs take them."""
    return np.array(values, object)[:, None]


def everything(data):
    """(inputs, targets) of all splits together."""
    return tuple(np.concatenate([batch[i] for batch in data]) for i in range(2))


def fewer(**options):
    return {"validation": 0.25, "test": 0.25, "scale": None, **options}


def test_categories_become_one_input_each_in_sorted_order():
    data = load((column(["red", "blue", "green", "red"] * 10), PARITY), **fewer())
    assert data.preparation.feature_names == ("column 0=blue", "column 0=green", "column 0=red")
    inputs, _ = everything(data)
    assert inputs.sum(axis=0).tolist() == [10, 10, 20] and inputs.sum(axis=1).tolist() == [1] * ROWS
    assert data.encode([["green"], ["red"]]).tolist() == [[0, 1, 0], [0, 0, 1]]


def test_numbers_are_scaled_and_one_hot_inputs_are_not():
    frame = pd.DataFrame({"x": np.arange(ROWS) * 3.0, "c": ["a", "b"] * 20, "t": PARITY})
    for scale, low in (("standard", None), ("range", 0)):
        data = load(frame, scale=scale)
        x, a, b = data.train.inputs.T
        assert set(np.unique(a)) == set(np.unique(b)) == {0, 1}
        assert (x.min() == low and x.max() == 1) if scale == "range" else abs(float(x.std()) - 1) < 1e-6
    only = load(frame[["c", "t"]], scale="range")
    assert set(np.unique(only.train.inputs)) == {0, 1}


def test_a_category_without_training_rows_becomes_zeros_and_is_told():
    text = "load: inputs row 1, column 'column 0': no training row has 'b', 'c'; encoded as zeros"
    other = (column(["a", "b", "c", "b"]), np.zeros(4))
    with pytest.warns(UserWarning, match=f"^{text}$"):
        again = load((column(["a"] * 4), np.zeros(4)), validation=(column(["a"]), np.zeros(1)), test=other, scale=None)
    assert again.test.inputs.tolist() == [[1], [0], [0], [0]]
    with pytest.warns(
        UserWarning, match=r"^encode: inputs row 1, column 'column 0': no training row has 'z'; encoded as zeros$"
    ):
        assert again.encode([["a"], ["z"]]).tolist() == [[1], [0]]


def test_rows_with_missing_values_are_dropped_from_inputs_and_targets():
    frame = pd.DataFrame({"x": np.arange(ROWS, dtype=float), "c": ["a", "b"] * 20, "t": ["p", "q"] * 20})
    frame.loc[3, "x"], frame.loc[5, "c"], frame.loc[8, "t"] = np.nan, None, "?"
    data = load(frame, missing="drop", scale=None)
    inputs, targets = everything(data)
    kept = sorted(set(range(ROWS)) - {3, 5, 8})
    order = np.argsort(inputs[:, 0])
    assert inputs[order, 0].tolist() == kept and targets[order].tolist() == [row % 2 for row in kept]
    assert data.preparation.dropped == 3
    assert repr(data.preparation) == "Preparation(classification, 3 features of 2 columns, 2 classes, 3 rows dropped)"


def test_imputed_values_are_the_median_and_the_mode_of_training_rows_with_an_indicator():
    x = np.arange(ROWS, dtype=float) ** 2
    x[::4] = np.nan
    words = np.array((["a"] * 3 + ["b"]) * 10, object)
    words[1::4] = None
    frame = pd.DataFrame({"x": x, "c": words, "full": PARITY * 1.0, "t": PARITY})
    data = load(frame, missing="impute", **fewer())
    assert data.preparation.feature_names == ("x", "x is missing", "c=a", "c=b", "c is missing", "full")
    numbers, words = data.preparation.columns[:2]
    train = np.asarray(data.train.inputs)
    known = train[train[:, 1] == 0, 0]
    assert numbers.fill == np.median(known) and numbers.fill not in (np.nanmedian(x), 0)
    assert words.fill == "a"
    assert (train[train[:, 1] == 1, 0] == numbers.fill).all() and (train[train[:, 4] == 1, 2] == 1).all()
    inputs, _ = everything(data)
    assert inputs[:, 1].sum() == np.isnan(x).sum() == 10 and inputs[:, 4].sum() == 10
    row = data.encode({"x": [None], "c": ["?"], "full": [1]})
    assert row.tolist() == [[numbers.fill, 1, 1, 0, 1, 1]]


def test_a_column_that_lacks_values_outside_of_training_alone_has_no_indicator():
    train = pd.DataFrame({"x": [1.0, 2.0, 4.0, 9.0], "t": [0, 1, 0, 1]})
    other = pd.DataFrame({"x": [np.nan], "t": [1]})
    data = load(train, validation=other, test=other, missing="impute", scale=None)
    assert data.preparation.feature_names == ("x",) and data.test.inputs.tolist() == [[3]]


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (np.array([[1.0, 2.0], [3.0, np.nan]] * 20), "inputs row 1, column 'column 1'"),
        (
            np.ma.masked_array(np.ones((ROWS, 2)), np.arange(2 * ROWS).reshape(ROWS, 2) == 5),
            "inputs row 2, column 'column 1'",
        ),
        (np.ma.masked_array(np.ones((ROWS, 1), int), np.arange(ROWS)[:, None] == 7), "inputs row 7, column 'column 0'"),
        (column([1, None] * 20), "inputs row 1, column 'column 0'"),
        (column(["a", "NA"] * 20), "inputs row 1, column 'column 0'"),
        (pd.DataFrame({"x": pd.array([1, None] * 20, dtype="Int64")}), "DataFrame row 1, column 'x'"),
        (pd.DataFrame({"x": pd.Series(["a", pd.NA] * 20, dtype="string")}), "DataFrame row 1, column 'x'"),
        (pd.DataFrame({"x": pd.Series(["a", None] * 20, dtype="category")}), "DataFrame row 1, column 'x'"),
        (pd.DataFrame({"x": pd.Series([True, None] * 20, dtype="boolean")}), "DataFrame row 1, column 'x'"),
    ],
)
def test_missing_inputs_of_every_type_are_named(inputs, text):
    with pytest.raises(ValueError, match=re.escape(f"load: {text} must have a value (missing='drop'")):
        load((inputs, PARITY))
    dropped = load((inputs, np.arange(ROWS) // 2 % 2), missing="drop").preparation.dropped
    assert dropped == (1 if isinstance(inputs, np.ma.MaskedArray) else 20)
    filled = load((inputs, PARITY), missing="impute")
    assert "is missing" in filled.preparation.feature_names[-1] and filled.preparation.dropped == 0


@pytest.mark.parametrize(
    "targets",
    [
        ["a", None] * 20,
        np.array(["a", "NA"] * 20),
        np.array([1, None] * 20, object),
        np.array([1.5, np.nan] * 20),
        np.ma.masked_array([3] * ROWS, PARITY == 1),
        pd.Series([1, None] * 20, dtype="Int64"),
        pd.Series(["a", None] * 20, dtype="category"),
        pd.Series([True, None] * 20, dtype="boolean"),
        np.array([[1.5, 2.0], [1.0, np.nan]] * 20),
    ],
    ids=lambda targets: str(getattr(targets, "dtype", type(targets).__name__)),
)
def test_missing_targets_of_every_type_are_named_and_only_dropped(targets):
    inputs = np.arange(ROWS)[:, None]
    for missing in ("refuse", "impute"):
        with pytest.raises(
            ValueError, match=re.escape("load: targets row 1 must have a value (a target cannot be imputed")
        ):
            load((inputs, targets), missing=missing)
    data = load((inputs, targets), missing="drop", scale=None)
    assert data.preparation.dropped == 20
    assert sorted(everything(data)[0].ravel().tolist()) == list(range(0, ROWS, 2))


@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        (["b", "a"] * 20, ("a", "b")),
        (np.array(["b", "a"] * 20), ("a", "b")),
        (np.array(["b", "a"] * 20, object), ("a", "b")),
        (np.array([b"b", b"a"] * 20), ("a", "b")),
        (np.array([10, 9] * 20), (9, 10)),
        (np.array([10, 9] * 20, object), (9, 10)),
        (np.array([3, 1] * 20, np.uint8), (1, 3)),
        (np.array([True, False] * 20), (False, True)),
        (pd.Series([True, False] * 20, index=range(100, 140)), (False, True)),
        (pd.Series(["b", "a"] * 20, dtype="category"), ("a", "b")),
        (pd.Series([2.0, 1.0] * 20, dtype="category"), (1, 2)),
        (pd.DataFrame({"y": ["b", "a"] * 20}), ("a", "b")),
    ],
    ids=lambda value: str(getattr(value, "dtype", type(value).__name__)),
)
def test_labels_of_every_form_are_numbered_and_keep_their_names(targets, classes):
    data = load((np.arange(ROWS)[:, None], targets), scale=None)
    assert data.preparation.classes == classes and data.preparation.task == "classification"
    assert [type(name) for name in data.preparation.classes] == [type(name) for name in classes]  # pyright: ignore[reportOptionalIterable]
    inputs, labels = everything(data)
    np.testing.assert_array_equal(labels, 1 - inputs.ravel().astype(int) % 2)
    assert data.decode(labels).tolist() == [classes[label] for label in labels]


def test_a_task_overrides_the_form_of_targets():
    inputs = np.arange(ROWS)[:, None]
    assert load((inputs, np.array([0.5, 0.25] * 20)), task="classification").preparation.classes == (0.25, 0.5)
    assert load((inputs, pd.Series([1, 2] * 20)), task="regression").train.targets.shape == (28, 1)
    assert load((inputs, ["1", "2"] * 20), task="regression").preparation.classes is None
    with pytest.raises(ValueError, match=re.escape("load: targets row 0 must be a number, got 'a'")):
        load((inputs, ["a", "b"] * 20), task="regression")


def frame():
    return pd.DataFrame(
        {
            "size": [1.0, 2.0, 3.0, 4.0] * 10,
            "color": ["red", "blue"] * 20,
            "old": [True, False, False, True] * 10,
            "floor": pd.Categorical([1, 2] * 20),
            "price": np.arange(ROWS) / 8,
        },
        index=[f"house {i}" for i in range(ROWS)],
    )


def test_data_frames_by_the_types_of_their_columns():
    data = load(frame(), scale=None)
    names = ("size", "color=blue", "color=red", "old=False", "old=True", "floor=1", "floor=2")
    assert data.preparation.feature_names == names
    assert data.preparation.target == "price" and data.preparation.task == "regression"
    inputs, targets = everything(data)
    order = np.argsort(targets.ravel())
    assert inputs[order][:4].tolist() == [
        [1, 0, 1, 0, 1, 1, 0],
        [2, 1, 0, 1, 0, 0, 1],
        [3, 0, 1, 1, 0, 1, 0],
        [4, 1, 0, 0, 1, 0, 1],
    ]
    for floor in ([2], np.array([2]), pd.Series([2]), pd.Categorical([2]), ["2"], [" 2"]):
        assert data.encode({"size": 5, "color": "red", "old": True, "floor": floor}).tolist() == [[5, 0, 1, 0, 1, 0, 1]]
    named = load(frame().assign(floor=[1, 2] * 20), categories="floor", target="price").preparation
    assert named.feature_names == data.preparation.feature_names
    other = load(frame(), target="color", ignore=["price", 2])
    assert other.preparation.classes == ("blue", "red") and other.preparation.feature_names == (
        "size",
        "floor=1",
        "floor=2",
    )


def test_a_frame_and_a_series_are_the_same_as_their_arrays():
    numbers, labels = np.random.default_rng(0).normal(size=(ROWS, 3)), np.array(["b", "a"] * 20)
    expected = load((numbers, labels))
    for inputs, targets in ((pd.DataFrame(numbers), pd.Series(labels)), (np.ma.masked_array(numbers), labels)):
        for found, batch in zip(load((inputs, targets)), expected, strict=True):
            np.testing.assert_array_equal(found.inputs, batch.inputs)
            np.testing.assert_array_equal(found.targets, batch.targets)


def test_row_labels_that_pandas_read_as_a_column_are_left_out():
    assert load(frame().reset_index().rename(columns={"index": "Unnamed: 0"})).preparation == load(frame()).preparation


def test_a_frame_and_its_file_are_the_same(tmp_path):
    frame().to_csv(tmp_path / "houses.csv", index=False)
    found, expected = load(tmp_path / "houses.csv", ignore="floor"), load(frame(), ignore="floor")
    for batch, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(batch.inputs, other.inputs)
        np.testing.assert_array_equal(batch.targets, other.targets)
    assert found.preparation == expected.preparation


@pytest.mark.parametrize(
    ("source", "options", "text"),
    [
        (frame().assign(day=pd.Timestamp("2020-01-01")), {"target": "price"}, r"column 'day' must hold numbers or text, no dates or times \(.*\), got 'datetime64"),
        (frame().assign(z=1j), {"target": "price"}, "column 'z' must hold real numbers, got 'complex128'"),
        (frame().set_axis(list("aabcd"), axis=1), {}, r"DataFrame must have a different name for each column, got \['a', 'a', 'b', 'c', 'd'\]"),
        (frame().assign(day=[f"2020-01-{i % 28 + 1}" for i in range(ROWS)]), {"target": "price"}, "DataFrame row 0, column 'day' must be a number or a category, not a date"),
        (frame().assign(note=[f"text {i}" for i in range(ROWS)]), {"target": "price"}, "DataFrame row 0, column 'note' must be a number or one of at most 20 categories in 40 rows .*, got 40 different texts"),
        (frame().assign(size=[np.inf] * ROWS), {}, "DataFrame row 0, column 'size' must be a finite float32 number, got inf"),
        (frame().assign(size=np.nan), {"missing": "impute"}, "DataFrame column 'size' must have at least one value in the training rows"),
        (frame()[["size"]], {}, r"DataFrame must have at least 2 columns, got \['size'\]"),
        (frame().iloc[:0], {}, "DataFrame must have at least one row, got 0"),
        (frame().assign(size=np.nan), {"missing": "drop"}, "DataFrame must have a row without missing values, got 0"),
        (frame(), {"header": True}, "header must be left out for frame, got True"),
        (frame(), {"rows": 3}, "rows must be left out for frame, got 3"),
        ((np.zeros((3, 2, 2)), [0, 1, 0]), {}, r"inputs must be of shape \(n, features\), got \(3, 2, 2\)"),
        ((pd.DataFrame(), []), {}, r"inputs must have at least one row and one feature, got \(0, 0\)"),
        ((frame()[["size"]], [0, 1]), {}, r"targets must have as many rows as inputs \(40\), got 2"),
        (([[1], [1, 2]], [0, 1]), {}, "inputs must be an array or lists of equal length, got setting an array element"),
        (([[1], [2]], [[1], [1, 2]]), {}, "targets must be an array or lists of equal length, got setting an array element"),
        ((np.zeros((2, 1)), np.array([1, 2**53])), {}, r"targets row 1 must be a label below 2\*\*53"),
    ],
)  # fmt: skip
def test_wrong_frames_are_refused(source, options, text):
    with pytest.raises(ValueError, match="^load: " + text):
        load(source, **options)


def test_batches_are_pairs():
    assert load(Batch(np.ones((ROWS, 1)), ["a", "b"] * 20)).preparation.classes == ("a", "b")
