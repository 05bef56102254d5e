"""Weights of rows, several labels per row, and labels in any form: in files, DataFrames and arrays."""

import re

import jax
import numpy as np
import pandas as pd
import pytest

import jaxmlp
from jaxmlp.data import Batch, Data, Preparation, load, scaled, split

ROWS = 40
NUMBERS = np.arange(ROWS)
INPUTS = np.stack([NUMBERS, NUMBERS % 7], axis=1).astype(float)
LABELS = NUMBERS % 2
WEIGHTS = NUMBERS / 4 + 1
BITS = np.stack([NUMBERS % 2, NUMBERS // 2 % 2, NUMBERS % 3 == 0], axis=1).astype(int)


def refuses(text, error=ValueError):
    return pytest.raises(error, match=f"^{re.escape(text)}$")


def original(data, batch):
    """The row numbers of a split, which its first input is."""
    return np.rint(data.preparation.inputs.unscale(np.asarray(batch.inputs))[:, 0]).astype(int)


def keeps(data):
    """Each row still has its own weight, in float32."""
    for batch in data:
        assert batch.weights.dtype == np.float32 and batch.weights.shape == (len(batch.inputs),)
        np.testing.assert_array_equal(batch.weights, WEIGHTS[original(data, batch)].astype(np.float32))
    return data


def table(folder):
    frame = pd.DataFrame({"a": NUMBERS, "b": NUMBERS % 7, "w": WEIGHTS, "kind": np.where(LABELS, "yes", "no")})
    frame.to_csv(folder / "rows.csv", index=False)
    return frame, folder / "rows.csv"


# Weights.


def test_weights_of_arrays_stay_with_their_rows():
    for data in (load((INPUTS, LABELS, WEIGHTS)), load((INPUTS, LABELS), weights=WEIGHTS.tolist())):
        assert isinstance(keeps(data).train.weights, jax.Array)
    keeps(split(INPUTS, LABELS, weights=WEIGHTS))
    keeps(load((INPUTS, LABELS / 3), weights=pd.Series(WEIGHTS)))
    for batch in load((INPUTS, LABELS)):
        assert batch.weights is None


@pytest.mark.parametrize("weights", ["w", 2, -2])
def test_weights_may_be_a_column_that_is_no_input(tmp_path, weights):
    for source in table(tmp_path):
        data = keeps(load(source, target="kind", weights=weights))
        assert data.preparation.feature_names == ("a", "b") and data.preparation.classes == ("no", "yes")
    frame = table(tmp_path)[0][["a", "b", "kind", "w"]]
    assert load(frame, weights="w").preparation.target == "kind"
    assert keeps(load(frame[["a", "b", "kind"]], weights=WEIGHTS)).preparation.feature_names == ("a", "b")


def test_splits_of_their_own_have_weights_of_their_own(tmp_path):
    data = load((INPUTS, LABELS, WEIGHTS), validation=(INPUTS, LABELS, 2 * WEIGHTS), test=(INPUTS, LABELS))
    np.testing.assert_array_equal(data.train.weights, WEIGHTS.astype(np.float32))
    np.testing.assert_array_equal(data.validation.weights, 2 * WEIGHTS.astype(np.float32))
    assert data.test.weights is None
    frame, path = table(tmp_path)
    data = load(frame, target="kind", weights="w", validation=path, test=(INPUTS, frame["kind"]))
    assert keeps(data._replace(test=data.train)) is not None and data.test.weights is None
    with refuses("load: weights must be one of the columns a, b, kind, got 'w'"):
        load(frame, target="kind", weights="w", test=frame[["a", "b", "kind"]])


def test_scaled_keeps_weights():
    batch = Batch(INPUTS, LABELS, WEIGHTS)
    keeps(scaled(Data(batch, batch, batch), "standard"))


def test_rows_without_a_weight_are_refused_or_dropped(tmp_path):
    lacking = WEIGHTS.copy()
    lacking[[3, 8]] = np.nan
    hint = "have a value (a weight cannot be imputed; missing='drop' leaves such rows out)"
    for missing in ("refuse", "impute"):
        with refuses(f"load: the weight of inputs row 3 must {hint}, got None"):
            load((INPUTS, LABELS, lacking), missing=missing)
    data = keeps(load((INPUTS, LABELS, lacking), missing="drop"))
    assert data.preparation.dropped == 2
    frame, path = table(tmp_path)
    frame.assign(w=lacking).to_csv(path, index=False)
    with refuses(f"load: the weight of rows.csv line 5 must {hint}, got None"):
        load(path, target="kind", weights="w")


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (WEIGHTS[:3], "weights must be of shape (40,), got (3,)"),
        (WEIGHTS[:, None], "weights must be of shape (40,), got (40, 1)"),
        (-WEIGHTS, "weights row 0 must be a weight of at least 0, got -1.0"),
        (np.where(NUMBERS == 2, np.inf, 1.0), "weights row 2 must be a finite float32 number, got inf"),
        (["heavy"] * ROWS, "weights row 0 must be a number, got 'heavy'"),
        ("w", "weights must be an array (n,), because arrays have no columns with names, got 'w'"),
    ],
)
def test_weights_are_checked(weights, text):
    with refuses(f"load: {text}"):
        load((INPUTS, LABELS), weights=weights)


def test_weights_do_not_come_twice_or_from_nowhere(tmp_path):
    with refuses("load: weights must be left out for a source that has weights, got 'ndarray'"):
        load((INPUTS, LABELS, WEIGHTS), weights=WEIGHTS)
    with refuses("load: weights must be another column than the target, got 'kind'"):
        load(table(tmp_path)[0], target="kind", weights="kind")
    with pytest.raises(ValueError, match="^load: weights must be left out for digits, got "):
        load("digits", weights=[1.0])


def test_a_batch_shows_its_weights():
    assert (
        repr(Batch(INPUTS, LABELS, WEIGHTS)) == "Batch(inputs=float64[40, 2], targets=int64[40], weights=float64[40])"
    )


# Several labels per row.


@pytest.mark.parametrize("form", [int, bool, np.int8, "lists", "frame", "float"])
def test_columns_of_0_and_1_are_labels_of_which_a_row_has_any_number(form):
    targets = BITS.tolist() if form == "lists" else BITS if isinstance(form, str) else BITS.astype(form)
    targets = pd.DataFrame(BITS, columns=["odd", "two", "three"]) if form == "frame" else targets
    targets, task = (BITS.astype(float), "multi-label") if form == "float" else (targets, None)
    data = load((INPUTS, targets), task=task)
    for batch in data:
        assert batch.targets.dtype == np.int32
        np.testing.assert_array_equal(batch.targets, BITS[original(data, batch)])
    names = ("odd", "two", "three") if form == "frame" else ("label 0", "label 1", "label 2")
    assert data.preparation.task == "multi-label" and data.preparation.classes == names
    assert repr(data.preparation) == "Preparation(multi-label, 2 features, 3 labels)"
    assert data.decode([[-1.0, 0.0, 2.0]]).tolist() == [[0, 0, 1]]
    assert Preparation.from_json(data.preparation.to_json()) == data.preparation
    jaxmlp.classifier((2, 3), optimizer=jaxmlp.gd(0.1), multi_label=True).check(data)


def test_several_target_columns_of_a_table(tmp_path):
    frame = pd.DataFrame({"a": NUMBERS, "one": BITS[:, 0] == 1, "b": NUMBERS % 7, "two": BITS[:, 1], "x": WEIGHTS})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for source in (frame, tmp_path / "rows.csv"):
        data = load(source, target=["one", -2])
        assert data.preparation.target == ("one", "two") == data.preparation.classes
        assert data.preparation.feature_names == ("a", "b", "x")
        np.testing.assert_array_equal(data.train.targets, BITS[original(data, data.train), :2])
        assert Preparation.from_json(data.preparation.to_json()) == data.preparation
    data = load(frame, target=["a", "x"], test=frame)
    assert data.preparation.task == "regression" and data.train.targets.shape == (34, 2)
    np.testing.assert_allclose(data.decode(data.test.targets)[:, 1], WEIGHTS, rtol=1e-6)
    with refuses("load: target must name at least one column, got []"):
        load(frame, target=[])


def test_other_numbers_are_not_several_labels():
    rule = "be 0 or 1, as in multi-label classification (see task='regression' for numbers to predict)"
    with refuses(f"load: targets row 2, column 'label 0' must {rule}, got 2.0"):
        load((INPUTS, INPUTS.astype(int)))
    with refuses(f"load: targets row 2, column 'label 0' must {rule}, got 2.0"):
        load((INPUTS, INPUTS), task="multi-label")
    assert load((INPUTS, INPUTS.astype(int)), task="regression").train.targets.shape == (28, 2)
    assert load((INPUTS, BITS.astype(float))).preparation.task == "regression"
    one = load((INPUTS, LABELS), task="multi-label")
    assert one.preparation.classes == ("label 0",) and one.train.targets.shape == (28, 1)


def test_scaled_leaves_several_labels_alone():
    batch = Batch(INPUTS, BITS)
    data = scaled(Data(batch, batch, batch), "standard")
    np.testing.assert_array_equal(data.train.targets, BITS)
    assert data.train.targets.dtype == np.int32 and data.preparation.task == "multi-label"
    assert scaled(Data(*[Batch(INPUTS, INPUTS)] * 3), "standard").preparation.task == "regression"


# Labels in any form.


@pytest.mark.parametrize(
    "labels",
    [
        LABELS[:, None],
        np.where(LABELS, "yes", "no")[:, None],
        [[bool(label)] for label in LABELS],
        np.ma.masked_array(LABELS[:, None] + 1),
        pd.DataFrame({"kind": pd.Categorical(np.where(LABELS, "yes", "no"))}),
        LABELS + 1,
        np.array([["no"], ["yes"]], "S3")[LABELS],
    ],
)
def test_labels_in_one_column(labels):
    data = load((INPUTS, labels))
    np.testing.assert_array_equal(data.train.targets, LABELS[original(data, data.train)])
    assert data.train.targets.dtype == np.int32 and len(data.preparation.classes) == 2
