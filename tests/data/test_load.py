"""load: every source, what it is given, and what it refuses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets

from jaxmlp.data import Batch, Data, bundled, load, loading

SIZES = {
    "digits": (1257, 270, 64, 10),
    "breast_cancer": (399, 85, 30, 2),
    "iris": (104, 23, 4, 3),
    "wine": (124, 27, 13, 3),
}


@pytest.mark.parametrize("name", SIZES)
def test_classification_sets_of_scikit_learn(name):
    train, held_out, features, classes = SIZES[name]
    data = load(name)
    assert [batch.inputs.shape for batch in data] == [(train, features)] + [(held_out, features)] * 2
    for batch in data:
        assert isinstance(batch.inputs, jax.Array) and isinstance(batch.targets, jax.Array)
        assert batch.inputs.dtype == jnp.float32 and batch.targets.dtype == jnp.int32
        assert batch.targets.shape == batch.inputs.shape[:1]
        assert np.unique(batch.targets).tolist() == list(range(classes))


@pytest.mark.parametrize("name", SIZES)
def test_splits_hold_each_row_once(name):
    data = load(name, scale=None, seed=3)
    expected = getattr(datasets, f"load_{name}")()
    rows = np.concatenate([np.column_stack(batch[:2]) for batch in data])
    known = np.column_stack([expected.data.astype(np.float32), expected.target])
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], known[np.lexsort(known.T)])


def test_scales_chosen_by_default():
    digits, wine = load("digits").train.inputs, load("wine").train.inputs
    assert digits.min() == 0 and digits.max() == 1 and jnp.all(digits * 16 == jnp.round(digits * 16))
    np.testing.assert_allclose(np.mean(wine, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.std(wine, axis=0), 1, atol=1e-5)
    assert load("digits", scale=None).train.inputs.max() == 16
    np.testing.assert_allclose(np.std(load("digits", scale="standard").train.inputs, axis=0).max(), 1, atol=1e-5)
    assert load("wine", scale="range").train.inputs.max() == 1
    assert load((np.arange(40.0)[:, None], np.arange(40) % 2)).train.inputs.min() < -1


def test_diabetes_is_regression_in_its_own_units():
    raw, scaled = load("diabetes", scale=None), load("diabetes")
    assert [batch.targets.shape for batch in raw] == [(310, 1), (66, 1), (66, 1)]
    assert raw.train.targets.dtype == jnp.float32
    assert raw.train.targets.max() == 346 and 19 <= raw.train.inputs[:, 0].min() < raw.train.inputs[:, 0].max() <= 79
    assert abs(float(scaled.train.targets.mean())) < 1e-6 and abs(float(scaled.train.targets.std()) - 1) < 1e-5


@pytest.mark.parametrize(("name", "outputs"), [("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1]), ("xor", [0, 1, 1, 0])])
def test_gates(name, outputs):
    for data in (load(name), load(name, scale=None)):
        for batch in data:
            assert batch.inputs.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
            assert batch.targets.tolist() == outputs
            assert batch.inputs.dtype == jnp.float32 and batch.targets.dtype == jnp.int32


def points(name, **options):
    """Inputs and targets of a made set, unscaled, all splits together."""
    data = load(name, scale=None, **options)
    return tuple(np.concatenate([batch[i] for batch in data]) for i in range(2))


@pytest.mark.parametrize("name", ["moons", "circles", "spirals"])
def test_made_sets(name):
    inputs, targets = points(name)
    assert inputs.shape == (1000, 2) and np.bincount(targets).tolist() == [500, 500]
    again, _ = points(name)
    np.testing.assert_array_equal(inputs, again)
    np.testing.assert_array_equal(inputs, points(name, rows=1000, noise=0.1)[0])
    assert not np.array_equal(inputs, points(name, seed=1)[0])
    inputs, targets = points(name, rows=51)
    assert np.bincount(targets).tolist() == [26, 25]


def noise_of(name):
    return points(name, noise=0.1, rows=4000, seed=5), points(name, noise=0, rows=4000, seed=5)


@pytest.mark.parametrize("name", ["moons", "circles", "spirals"])
def test_noise_is_normal_with_the_deviation_asked(name):
    (noisy, labels), (exact, same_labels) = noise_of(name)
    np.testing.assert_array_equal(labels, same_labels)
    np.testing.assert_allclose((noisy - exact).std(axis=0), 0.1, rtol=0.05)
    np.testing.assert_allclose((noisy - exact).mean(axis=0), 0, atol=0.008)


def test_noise_is_not_the_stream_that_shuffles():
    noisy, exact = points("moons", noise=1, rows=100), points("moons", noise=0, rows=100)
    same_stream = np.random.default_rng(0).normal(size=(100, 2))
    order = np.concatenate(
        [batch.inputs for batch in load((np.arange(100.0)[:, None], np.arange(100) % 2), scale=None)]
    )
    assert np.abs((noisy[0] - exact[0]) - same_stream[order.ravel().astype(int)]).max() > 1


def test_moons_are_half_circles():
    inputs, targets = points("moons", noise=0, rows=101)
    upper, lower = inputs[targets == 0], inputs[targets == 1]
    np.testing.assert_allclose(np.linalg.norm(upper, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(lower - [1, 0.5], axis=1), 1, atol=1e-6)
    assert upper[:, 1].min() > -1e-6 and lower[:, 1].max() < 0.5 + 1e-6
    np.testing.assert_allclose([upper[:, 0].min(), upper[:, 0].max()], [-1, 1], atol=1e-6)
    np.testing.assert_allclose([lower[:, 0].min(), lower[:, 0].max()], [0, 2], atol=0.01)


def test_circles_have_radius_one_and_one_half():
    inputs, targets = points("circles", noise=0)
    np.testing.assert_allclose(np.linalg.norm(inputs, axis=1), np.where(targets == 0, 1, 0.5), atol=1e-6)
    angles = np.arctan2(*inputs[targets == 0].T)
    assert np.histogram(angles, 4)[0].min() > 120


def test_spirals_are_two_opposite_arms_of_a_turn_and_a_half():
    inputs, targets = points("spirals", noise=0)
    first, second = inputs[targets == 0], inputs[targets == 1]
    np.testing.assert_allclose(first[np.argsort(first[:, 0])], -second[np.argsort(-second[:, 0])], atol=1e-6)
    radius = np.linalg.norm(first, axis=1)
    np.testing.assert_allclose([radius.min(), radius.max()], [0.5, 3.5], atol=1e-6)
    np.testing.assert_allclose(
        first, np.stack([np.cos(np.pi * radius), np.sin(np.pi * radius)], 1) * radius[:, None], atol=1e-5
    )


def test_fewest_rows_of_a_made_set():
    inputs, _ = points("moons", rows=6, validation=0.34, test=0.34, noise=0)
    assert inputs.shape == (6, 2)
    text = "leave every split a row, of 1 in all, got {'train': 1, 'validation': 0, 'test': 0}"
    with pytest.raises(ValueError, match=re.escape(text)):
        load("moons", rows=1)


def test_pair_of_arrays_by_dtype_and_task():
    inputs = np.arange(60.0).reshape(30, 2)
    whole = np.arange(30) % 3
    assert load((inputs, whole)).train.targets.dtype == jnp.int32
    assert load((inputs, jnp.asarray(whole, jnp.uint8))).train.targets.dtype == jnp.int32
    assert load((inputs, whole == 0)).train.targets.dtype == jnp.int32
    assert load([inputs, whole * 1.0]).train.targets.shape == (20, 1)
    assert load((inputs, whole * 1.0), task="classification").train.targets.dtype == jnp.int32
    forced = load((inputs, whole), task="regression", scale=None)
    assert forced.train.targets.shape == (20, 1) and forced.train.targets.dtype == jnp.float32
    assert set(forced.train.targets.ravel().tolist()) == {0.0, 1.0, 2.0}
    two = load((jnp.asarray(inputs, jnp.bfloat16), inputs))
    assert two.train.targets.shape == (20, 2) and two.train.inputs.dtype == jnp.float32
    assert load(Batch(inputs, whole)).test.inputs.shape == (5, 2)


def test_seed_moves_rows_and_nothing_else():
    first, again, other = load("iris"), load("iris"), load("iris", seed=1)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert not np.array_equal(first.train.targets, other.train.targets)
    np.testing.assert_array_equal(np.bincount(first.test.targets), np.bincount(other.test.targets))


def test_fractions_are_of_all_rows():
    data = load("iris", validation=0.1, test=0.4)
    assert [len(batch.targets) for batch in data] == [75, 15, 60]


def test_data_goes_into_jit():
    data = load("xor")
    mean = jax.jit(lambda data: jax.tree.map(jnp.mean, Data(*(batch.inputs for batch in data))))(data)
    assert float(mean.train) == 0.5


def test_the_array_given_is_not_aliased():
    inputs = np.arange(40, dtype=np.float32).reshape(20, 2)
    data = load((inputs, np.arange(20) % 2), scale=None)
    before = np.array(data.train.inputs)
    inputs[:] = -1
    np.testing.assert_array_equal(data.train.inputs, before)


def test_x64_keeps_float32():
    with jax.enable_x64(True):
        data = load("diabetes")
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(data)} == {"float32"}


def test_importing_starts_no_backend():
    environment = {**os.environ, "JAX_PLATFORMS": "no_such_platform"}
    subprocess.run([sys.executable, "-c", "import jaxmlp.data, jaxmlp.shuffle"], check=True, env=environment)


@pytest.mark.parametrize("name", bundled.BUNDLED)
@pytest.mark.parametrize("there", [True, False])
def test_rows_are_those_of_scikit_learn_with_and_without_its_file(monkeypatch, name, there):
    if not there:
        monkeypatch.setattr(bundled, "TABLES", dict.fromkeys(bundled.TABLES, ("moved.csv", 0)))
    options = {"scaled": False} if name == "diabetes" else {}
    inputs, targets = getattr(datasets, f"load_{name}")(return_X_y=True, **options)
    found = bundled.read_bundled(name)
    np.testing.assert_array_equal(found[0], inputs)
    np.testing.assert_array_equal(found[1], targets)
    assert found[1].dtype == targets.dtype


def test_digits_are_there_without_importing_scikit_learn():
    code = "import sys, jaxmlp; jaxmlp.load('digits'); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_scikit_learn_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(
        ImportError, match=re.escape("load: source 'iris' needs scikit-learn: pip install 'jaxmlp[data]'")
    ):
        load("iris")


NAMES = (
    "digits, breast_cancer, iris, wine, diabetes, mnist, fashion_mnist, and, or, xor, moons, circles, spirals, "
    "a Path, a path ending in .csv, .tsv, .tab, .txt, .data, .dat, .test or these and .gz, a DataFrame, or a pair "
    "(inputs, targets)"
)
PAIR = (np.zeros((20, 2)), np.arange(20) % 2)


@pytest.mark.parametrize(
    ("source", "options", "text"),
    [
        ("digitz", {}, f"load: source must be one of {NAMES}, got 'digitz'"),
        (5, {}, f"load: source must be one of {NAMES}, got 'int'"),
        ((1, 2, 3, 4), {}, f"load: source must be one of {NAMES}, got 'tuple'"),
        ("iris", {"seed": -1}, "load: seed must be a whole number of at least 0, got -1"),
        ("iris", {"seed": 1.0}, "load: seed must be a whole number of at least 0, got 1.0"),
        ("iris", {"seed": True}, "load: seed must be a whole number of at least 0, got True"),
        ("iris", {"validation": -0.1}, "load: validation must be at least 0 and below 1, got -0.1"),
        ("iris", {"test": 0}, "load: test must be above 0 and below 1, got 0.0"),
        ("iris", {"test": 1}, "load: test must be above 0 and below 1, got 1.0"),
        ("mnist", {"validation": 1.5}, "load: validation must be at least 0 and below 1, got 1.5"),
        (
            "iris",
            {"validation": 0.5, "test": 0.5},
            "load: validation + test must be below 1, to leave rows for training, got 1.0",
        ),
        ("iris", {"scale": "unit"}, "load: scale must be one of auto, standard, range, got 'unit'"),
        ("xor", {"scale": "standard"}, "load: scale must be left out for xor, got 'standard'"),
        ("iris", {"folder": "here"}, "load: folder must be left out for iris, got 'here'"),
        ("iris", {"task": "regression"}, "load: task must be left out for iris, got 'regression'"),
        ("xor", {"rows": 5}, "load: rows must be left out for xor, got 5"),
        ("mnist", {"noise": 0.1}, "load: noise must be left out for mnist, got 0.1"),
        ("moons", {"target": 0}, "load: target must be left out for moons, got 0"),
        (PAIR, {"target": 0}, "load: target must be left out for arrays, got 0"),
        (PAIR, {"task": "ranking"}, "load: task must be one of classification, regression, multi-label, got 'ranking'"),
        (Path("x"), {"rows": 3}, "load: rows must be left out for csv, got 3"),
        ("moons", {"rows": 0}, "load: rows must be a whole number of at least 1, got 0"),
        ("moons", {"noise": -0.1}, "load: noise must be a finite number of at least 0, got -0.1"),
    ],
)
def test_wrong_arguments_are_refused(source, options, text):
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        load(source, **options)


def test_every_name_has_a_kind():
    assert [loading.kind_of(name) for name in loading.NAMES] == ["bundled"] * 5 + ["idx"] * 2 + ["gate"] * 3 + [
        "made"
    ] * 3
    assert loading.kind_of("A.CSV") == loading.kind_of(Path("a.txt")) == "csv"
