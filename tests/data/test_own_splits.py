"""Splits of one's own, and all rows in training: nothing lost, nothing learned from rows that are not for training."""

import re

import jax
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxmlp
from jaxmlp.data import Batch, Data, load, mnist, scaled
from tests.data.test_mnist import write_set

ROWS = 40


def frame(rows=ROWS, start=0):
    numbers = np.arange(start, start + rows, dtype=float)
    return pd.DataFrame(
        {"x": numbers, "c": np.array(["a", "b"])[numbers.astype(int) % 2], "t": ["no", "yes"] * (rows // 2)}
    )


def numbers_of(data):
    """The row numbers in each split of `frame`, in their order."""
    return [batch.inputs[:, 0].tolist() for batch in data]


def test_without_validation_all_other_rows_are_for_training():
    data = load(frame(), validation=0, scale=None)
    assert data.validation is data.train
    train, _, test = numbers_of(data)
    assert len(train) == 34 and len(test) == 6 and sorted(train + test) == list(range(ROWS))
    learner = jaxmlp.classifier((3, 4, 2), optimizer=jaxmlp.adam(0.01))
    result = jaxmlp.fit(jax.random.key(0), learner, data, epochs=2, batch_size=34)
    on_training_rows = learner.evaluate(result.params, data.train)["loss"]
    np.testing.assert_allclose(result.history["validation_loss"][-1], on_training_rows, rtol=1e-6)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_all_rows_of_an_official_training_set(tmp_path, name):
    data = load(name, folder=write_set(tmp_path), validation=0, scale=None)
    assert data.validation is data.train and data.train.inputs.shape == (40, 6) and data.test.inputs.shape == (6, 6)
    images = np.arange(46 * 6).reshape(46, 6) % 200
    np.testing.assert_array_equal(data.train.inputs, images[:40])
    np.testing.assert_array_equal(data.test.inputs, images[40:])
    assert load(name, folder=tmp_path, validation=0).train.inputs.max() == 1
    assert mnist.FILES[0] == "train-images-idx3-ubyte.gz"


@pytest.mark.parametrize("kind", ["frame", "file", "pair", "batch"])
def test_test_rows_of_their_own(tmp_path, kind):
    train, test = frame(), frame(10, start=100)
    if kind == "file":
        train.to_csv(tmp_path / "train.csv", index=False)
        test[["t", "c", "x"]].to_csv(tmp_path / "test.tsv", index=False, sep="\t")
        train, test, options = tmp_path / "train.csv", tmp_path / "test.tsv", {"target": "t"}
    elif kind == "frame":
        test, options = test[["c", "t", "x"]], {"target": "t"}
    else:
        pairs = [(table[["x", "c"]], table["t"]) for table in (train, test)]
        (train, test), options = [Batch(*pair) for pair in pairs] if kind == "batch" else pairs, {}
    data = load(train, test=test, scale=None, **options)
    rows = numbers_of(data)
    assert rows[2] == list(range(100, 110)) and sorted(rows[0] + rows[1]) == list(range(ROWS)) and len(rows[1]) == 6
    assert data.test.targets.tolist() == [0, 1] * 5
    alone = load(train, validation=test, test=test, scale=None, **options)
    assert numbers_of(alone) == [list(range(ROWS)), list(range(100, 110)), list(range(100, 110))]
    assert numbers_of(load(train, validation=0, test=test, scale=None, **options))[0] == list(range(ROWS))


def test_the_target_of_other_rows_is_found_by_its_name():
    data = load(frame(), test=frame(10, start=100)[["t", "x", "c"]], scale=None)
    assert data.test.targets.tolist() == [0, 1] * 5 and numbers_of(data)[2] == list(range(100, 110))
    data = load(frame()[["t", "x", "c"]], test=frame(10), target=0, scale=None)
    assert data.test.targets.tolist() == [0, 1] * 5 and data.preparation.target == "t"


def test_only_training_rows_decide_scales_categories_and_imputed_values():
    train = frame().assign(c=["a", "b"] * 20)
    train.loc[4, "x"] = np.nan
    other = pd.DataFrame({"x": [1000.0, np.nan], "c": ["z", None], "t": ["no", "yes"]})
    with pytest.warns(
        UserWarning, match=re.escape("DataFrame row 0, column 'c': no training row has 'z'; encoded as zeros")
    ):
        data = load(train, validation=other, test=other, missing="impute")
    x, c = data.preparation.columns
    assert c.categories == ("a", "b") and x.fill == np.nanmedian(train["x"]) and c.fill == "a"
    filled = train["x"].fillna(x.fill)
    expected = (np.array([1000.0, x.fill]) - filled.mean()) / filled.std(ddof=0)
    np.testing.assert_allclose(data.test.inputs[:, 0], expected, rtol=1e-6)
    assert data.test.inputs[:, 1:].tolist() == [[0, 0, 0], [1, 1, 0]]


def test_scaled_does_the_same_for_arrays():
    rng = np.random.default_rng(0)
    batches = [Batch(rng.normal(size=(n, 3)) + n, rng.normal(size=(n, 1))) for n in (20, 5, 6)]
    expected = scaled(Data(*batches), "standard")
    found = load(batches[0], validation=batches[1], test=batches[2])
    jax.tree.map(np.testing.assert_array_equal, Data(*found), Data(*expected))
    assert found.preparation == expected.preparation


def test_other_rows_may_lack_values_that_training_rows_have():
    inputs = np.arange(20.0)[:, None]
    other = (np.array([[1.0], [np.nan]]), [0, 1])
    data = load((inputs, np.arange(20) % 2), validation=other, test=other, missing="impute", scale=None)
    assert data.test.inputs.tolist() == [[1], [9.5]] and data.preparation.columns[0].fill == 9.5
    data = load((inputs, np.arange(20) % 2), validation=other, test=other, missing="drop", scale=None)
    assert data.test.inputs.tolist() == [[1]] and data.preparation.dropped == 2


PAIR = (np.zeros((20, 2)), np.arange(20) % 2)


@pytest.mark.parametrize(
    ("source", "options", "text"),
    [
        (PAIR, {"test": (np.zeros((4, 2)), [0, 1, 2, 1])}, "targets row 2 must be one of the 2 classes in training, got 2"),
        (PAIR, {"test": (np.zeros((4, 3)), [0, 1, 1, 1])}, "test must have as many features as the training rows (2), got 3"),
        (PAIR, {"test": frame()}, "DataFrame must have a column 'column 0', got ['x', 'c', 't']"),
        (PAIR, {"test": (np.full((4, 2), np.nan), [0, 1, 1, 1])}, "inputs row 0, column 'column 0' must have a value (missing='drop' leaves such rows out, missing='impute' fills them in), got None"),
        (frame(), {"test": frame()[["x", "t"]]}, "DataFrame must have a column 'c', got ['x', 't']"),
        (frame(), {"test": frame()[["x", "c"]], "target": "t"}, "target must be one of the columns x, c, got 't'"),
        (frame(), {"test": frame().assign(x="u")}, "DataFrame row 0, column 'x' must be a number, got 'u'"),
        (frame(), {"test": frame().assign(t="maybe")}, "DataFrame row 0, column 't' must be one of the 2 classes in training, got 'maybe'"),
        ("iris", {"test": frame()}, "test must be a fraction for iris, got 'DataFrame'"),
        ("mnist", {"validation": "wine"}, "validation must be a fraction for mnist, got 'str'"),
        (PAIR, {"test": "iris"}, "test must be a fraction or rows of their own, got 'iris'"),
        (PAIR, {"test": None}, "test must be a fraction or rows of their own, got None"),
        (PAIR, {"test": True}, "test must be a fraction or rows of their own, got True"),
        (PAIR, {"test": 0.6, "validation": 0.6}, "validation + test must be below 1, to leave rows for training, got 1.2"),
        (PAIR, {"validation": -0.1}, "validation must be at least 0 and below 1, got -0.1"),
    ],
)  # fmt: skip
def test_wrong_splits_are_refused(source, options, text):
    with pytest.raises(ValueError, match="^" + re.escape(f"load: {text}") + "$"):
        load(source, **options)


COUNTS = st.lists(st.integers(6, 40), min_size=1, max_size=4)
FRACTIONS = st.sampled_from([0.15, 0.2, 0.3])


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.one_of(st.just(0), FRACTIONS), FRACTIONS, st.integers(0, 3), st.booleans())
def test_no_row_is_lost_or_duplicated_and_proportions_are_kept(counts, validation, test, seed, is_frame):
    labels = np.repeat([f"class {i}" for i in range(len(counts))], counts)
    numbers = np.arange(len(labels), dtype=float)
    table = pd.DataFrame({"row": numbers, "constant": "a", "label": labels})
    source = table if is_frame else (numbers[:, None], labels)
    data = load(source, validation=validation, test=test, seed=seed, scale=None)
    splits = data if validation else (data.train, data.test)
    rows = np.concatenate([batch.inputs[:, 0] for batch in splits]).astype(int)
    assert sorted(rows.tolist()) == list(range(len(labels)))
    decoded = np.concatenate([data.decode(batch.targets) for batch in splits])
    assert decoded.tolist() == labels[rows].tolist()
    for batch in splits:
        share = np.bincount(batch.targets, minlength=len(counts))
        assert np.abs(share - np.array(counts) * len(batch.targets) / len(labels)).max() < len(counts) + 1


@pytest.mark.filterwarnings("ignore:.*no training row has:UserWarning")
@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["z", "x", "", "NA", "?"]), min_size=12, max_size=30), st.integers(0, 2))
def test_dropping_drops_exactly_the_rows_with_missing_values(cells, seed):
    cells = ["x", "z"] * 4 + cells
    is_missing = np.array([cell in ("", "NA", "?") for cell in cells])
    table = pd.DataFrame({"row": np.arange(len(cells)), "word": cells, "t": 0.5})
    data = load(table, missing="drop", scale=None, seed=seed)
    rows = sorted(int(row) for batch in data for row in batch.inputs[:, 0])
    assert rows == np.flatnonzero(~is_missing).tolist() and data.preparation.dropped == is_missing.sum()
