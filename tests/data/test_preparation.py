"""Data keeps what load did: new rows are encoded as the training rows were, predictions decoded; jit sees arrays alone."""

import copy
import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxmlp
from jaxmlp.data import Batch, Data, Preparation, load, scaled, split

ROWS = 40


def houses(**columns):
    sizes = 50 + 3.0 * np.arange(ROWS) ** 1.5
    return pd.DataFrame({"size": sizes, "color": ["red", "blue"] * 20, **columns})


def labeled():
    return load(houses(kind=["flat", "house", "house", "hut"] * 10))


def priced():
    return load(houses(price=np.arange(ROWS) / 8.0), seed=1)


def test_training_rows_encode_to_the_training_inputs():
    table = houses(price=np.arange(ROWS) / 8.0)
    data = load(table, seed=1)
    for batch in data:
        rows = np.rint(data.decode(batch.targets).ravel() * 8).astype(int)
        np.testing.assert_array_equal(data.encode(table.iloc[rows]), batch.inputs)
        np.testing.assert_array_equal(data.encode(table[["color", "size"]].iloc[rows].to_dict("list")), batch.inputs)
        np.testing.assert_array_equal(data.encode(table[["size", "color"]].iloc[rows].to_numpy(object)), batch.inputs)
    assert data.encode(table).dtype == np.float32 and data.encode(table).shape == (ROWS, 3)


@pytest.mark.parametrize("source", ["digits", "diabetes", "moons", "xor"])
@pytest.mark.parametrize("scale", ["auto", None])
def test_arrays_encode_to_the_training_inputs(source, scale):
    data, raw = load(source, scale=scale), load(source, scale=None)
    np.testing.assert_allclose(data.encode(raw.train.inputs), data.train.inputs, rtol=1e-6, atol=1e-6)
    if source == "diabetes":
        np.testing.assert_allclose(data.decode(data.train.targets), raw.train.targets, rtol=1e-5)


def test_new_rows_may_be_a_file(tmp_path):
    data, table = priced(), houses()
    table.to_csv(tmp_path / "new.csv", index=False)
    np.testing.assert_array_equal(data.encode(tmp_path / "new.csv"), data.encode(table))
    np.testing.assert_array_equal(data.encode(str(tmp_path / "new.csv")), data.encode(table))


def test_one_row_as_a_dict_of_cells():
    data = load(pd.DataFrame({"x": [1.0, 3.0] * 10, "c": ["a", "b"] * 10, "t": [0, 0, 1, 1] * 5}), scale=None)
    assert data.encode({"x": 3.0, "c": "a"}).tolist() == [[3, 1, 0]]


def test_labels_scores_and_logits_decode_to_class_names():
    data = labeled()
    assert data.preparation.classes == ("flat", "house", "hut")
    assert data.decode(np.array([2, 0])).tolist() == ["hut", "flat"]
    assert data.decode(jnp.array([[0.1, 3.0, 2.0], [0.5, 0.2, 0.3]])).tolist() == ["house", "flat"]
    two = load((np.arange(20.0)[:, None], ["no", "yes"] * 10))
    assert two.decode(np.array([[-0.5], [0.5]])).tolist() == ["no", "yes"]
    assert two.decode(np.array([[2.0, 1.0]])).tolist() == ["no"]
    assert two.decode(np.array([True])).tolist() == ["yes"]


def test_numbers_decode_to_the_units_of_the_targets():
    data = priced()
    train = np.asarray(data.train.targets)
    assert abs(train.mean()) < 1e-6
    found = data.decode(train)
    assert found.shape == train.shape and found.dtype == np.float64
    np.testing.assert_allclose(np.sort(np.rint(found.ravel() * 8)), np.sort(found.ravel() * 8), atol=1e-5)
    assert data.decode(train[:, 0]).shape == (28,)
    center, width = data.preparation.targets.center, data.preparation.targets.width
    np.testing.assert_allclose(data.decode([[0.0], [2.0]]), [center, center + 2 * width])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: labeled().encode(houses()[["size"]]), "encode: DataFrame must have a column 'color', got ['size']"),
        (lambda: labeled().encode([[1.0]]), "encode: rows must have 2 columns: size, color, got 1"),
        (lambda: labeled().encode([1.0, 2.0]), "encode: inputs must be of shape (n, features), got (2,)"),
        (lambda: labeled().encode({"size": ["?"], "color": ["red"]}), "encode: dict row 0, column 'size' must have a value, got None"),
        (lambda: labeled().encode({"size": ["x"], "color": ["red"]}), "encode: dict row 0, column 'size' must be a number, got 'x'"),
        (lambda: labeled().encode({"size": [1, 2], "color": ["red"]}), "encode: dict must have columns of one length, got {'size': 2, 'color': 1}"),
        (lambda: load("xor").encode([[1.0, 2.0, 3.0]]), "encode: rows must be of shape (n, 2), got (1, 3)"),
        (lambda: load("xor").encode([["a", "b"]]), "encode: rows must be real numbers, got '<U1'"),
        (lambda: labeled().decode([3]), "decode: outputs must be at least 0 and below 3, got [3]"),
        (lambda: labeled().decode([-1]), "decode: outputs must be at least 0 and below 3, got [-1]"),
        (lambda: labeled().decode([0.5]), "decode: outputs must be integer labels or scores (n, classes), got 'float64'"),
        (lambda: labeled().decode([[0.5]]), "decode: outputs must be labels (n,) or scores (n, 3), got (1, 1)"),
        (lambda: Data(*load("xor")).encode([[0, 1]]), "encode: data must have a preparation, as from load(...), got None"),
        (lambda: Data(*load("xor")).decode([0]), "decode: data must have a preparation, as from load(...), got None"),
    ],
)  # fmt: skip
def test_wrong_rows_and_outputs_are_refused(call, text):
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        call()


def test_a_preparation_survives_a_file():
    imputed = load(houses(age=[1.0, 2.0, np.nan, 5.0] * 10, kind=[True, False] * 20), missing="impute")
    for data in (
        labeled(),
        priced(),
        imputed,
        load("digits"),
        load("digits", scale="range"),
        load("wine", scale="range"),
    ):
        before = data.preparation
        after = Preparation.from_json(before.to_json())
        assert after == before and hash(after) == hash(before)
        if before.columns:
            rows = {"size": [60.0, 70.0], "color": ["red", "blue"], "age": [None, 3]}
            np.testing.assert_array_equal(after.encode(rows), before.encode(rows))
        else:
            rows = np.asarray(load("digits" if before.features == 64 else "wine", scale=None).test.inputs)
            np.testing.assert_array_equal(after.encode(rows), before.encode(rows))
            assert after.encode(rows).dtype == np.float32
    assert imputed.preparation != labeled().preparation and labeled().preparation == labeled().preparation
    assert priced().preparation != load(houses(price=np.arange(ROWS) / 8.0), seed=2).preparation


def test_data_is_a_tuple_of_three_that_carries_its_preparation():
    data = labeled()
    train, validation, test = data
    assert len(data) == 3 and (train, validation, test) == (data.train, data.validation, data.test)
    for other in (
        pickle.loads(pickle.dumps(data)),
        copy.deepcopy(data),
        jax.device_put(data),
        jax.device_get(data),
        jax.tree.map(lambda leaf: leaf[:5], data),
        data._replace(train=data.test),
        Data(*data, preparation=data.preparation),
    ):
        assert isinstance(other, Data) and other.preparation == data.preparation
    assert data._replace(preparation=None).preparation is None and Data(*data).preparation is None
    assert Data._make(data).preparation is None


def test_leaves_and_paths_are_those_of_the_three_splits():
    data = labeled()
    assert len(jax.tree.leaves(data)) == 6
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(data)]
    assert paths == [f".{split}.{part}" for split in ("train", "validation", "test") for part in ("inputs", "targets")]
    assert jax.tree.structure(data) == jax.tree.structure(priced()) == jax.tree.structure(Data(*data))


def test_another_preparation_does_not_trigger_recompilation():
    traces = []

    @jax.jit
    def total(data):
        traces.append(data)
        return jnp.sum(data.train.inputs), data

    datasets = [load("moons", rows=60, seed=seed) for seed in range(3)]
    results = [total(data)[1] for data in datasets]
    total(Data(*datasets[0]))
    assert len(traces) == 1 and traces[0].preparation is None
    # A compiled function would return the preparation of its first call.
    assert [result.preparation for result in results] == [None] * 3


def test_stacked_data_have_no_preparation():
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[load("moons", rows=60, seed=seed) for seed in range(2)])
    assert stacked.train.inputs.shape == (2, 42, 2) and stacked.preparation is None
    means = jax.vmap(lambda data: jnp.mean(data.train.inputs))(stacked)
    assert means.shape == (2,)


def test_a_tree_of_anything_can_be_unflattened():
    leaves, structure = jax.tree.flatten(labeled())
    assert jax.tree.unflatten(structure, list("abcdef")).preparation is None
    assert jax.tree.unflatten(structure, leaves).preparation == labeled().preparation
    assert jax.tree.map(lambda leaf: leaf.shape, labeled()).preparation is None


def test_split_and_scaled_keep_it_too():
    inputs, names = np.arange(40.0).reshape(20, 2), ["no", "yes"] * 10
    data = scaled(split(inputs, names), "standard")
    assert data.preparation.classes == ("no", "yes") and data.preparation == load((inputs, names)).preparation
    np.testing.assert_array_equal(data.train.inputs, load((inputs, names)).train.inputs)
    twice = scaled(scaled(split(inputs, inputs), "standard"), "range")
    raw = split(inputs, inputs)
    np.testing.assert_allclose(twice.encode(raw.test.inputs), twice.test.inputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(twice.decode(twice.test.targets), raw.test.targets, rtol=1e-5)
    rows = Batch(np.array([[1.0], [3.0]]), np.array([0, 1]))
    assert scaled(Data(rows, rows, rows), "standard").encode([[3.0]]).tolist() == [[1]]


def test_reprs_show_shapes_and_counts():
    data = labeled()
    assert repr(data) == (
        "Data(\n"
        "  train=Batch(inputs=float32[28, 3], targets=int32[28]),\n"
        "  validation=Batch(inputs=float32[6, 3], targets=int32[6]),\n"
        "  test=Batch(inputs=float32[6, 3], targets=int32[6]),\n"
        "  preparation=Preparation(classification, 3 features of 2 columns, 3 classes),\n"
        ")"
    )
    assert "preparation" not in repr(Data(*data)) and repr(Batch([1], None)) == "Batch(inputs=[1], targets=None)"
    shown = []
    jax.jit(lambda data: shown.append(repr(data.train)))(data)
    assert shown == ["Batch(inputs=float32[28, 3], targets=int32[28])"]


def test_a_network_predicts_class_names_for_new_rows():
    data = labeled()
    learner = jaxmlp.classifier((3, 8, 3), optimizer=jaxmlp.adam(0.05))
    result = jaxmlp.fit(jax.random.key(0), learner, data, epochs=2)
    names = data.decode(jaxmlp.apply(result.params, data.encode({"size": [55.0], "color": ["red"]})))
    assert names.shape == (1,) and names[0] in data.preparation.classes
