"""Predictions for rows in the user's own units, and models that another process loads."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.special
from jax.tree_util import Partial

import jaxmlp
from jaxmlp import Batch, Data, classifier, load_model, predict, prediction, regressor, save_model
from jaxmlp.data import Preparation
from jaxmlp.storage import DamagedFileError

KEY = jax.random.key(5)
ROWS = 90
RNG = np.random.default_rng(0)


def refuses(error, text):
    """The block raises `error` with a text that begins so."""
    return pytest.raises(error, match=rf"^{re.escape(text)}")


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    """A CSV file with text, missing cells and class names, its data, and a trained classifier."""
    color = RNG.choice(["red", "green", "blue"], ROWS)
    weight = RNG.normal(50, 20, ROWS).round(2)
    kind = np.where(color == "red", "fox", np.where(weight > 50, "cow", "frog"))
    frame = pd.DataFrame({"kind": kind, "weight": weight, "color": color})
    frame.loc[::11, "weight"] = np.nan
    path = tmp_path_factory.mktemp("animals") / "animals.csv"
    frame.to_csv(path, index=False)
    data = jaxmlp.load(path, target="kind", missing="impute")
    learner = classifier((data.preparation.features, 16, 3), optimizer=jaxmlp.adam(0.03), activation="tanh")
    return path, data, learner, jaxmlp.fit(KEY, learner, data, epochs=40)


@pytest.fixture(scope="module")
def diabetes():
    data = jaxmlp.load("diabetes")
    learner = regressor((10, 8, 1), optimizer=jaxmlp.adam(0.01), dtype=jnp.bfloat16)
    return data, learner, jaxmlp.fit(KEY, learner, data, epochs=5)


# Predictions.


def test_rows_of_a_file_become_class_names(animals):
    path, data, learner, result = animals
    frame = pd.read_csv(path)
    found = predict(learner, result, path, data)
    assert (found == frame["kind"]).mean() > 0.9
    for rows in (frame, frame[["color", "weight"]], frame[["color", "weight"]].to_dict("series")):
        assert predict(learner, result.params, rows, data.preparation).tolist() == found.tolist()
    assert predict(learner, result, frame.iloc[3:4], data).tolist() == found[3:4].tolist()


def test_probabilities_and_logits_are_those_of_the_learner_s_own_network(animals):
    path, data, learner, result = animals
    inputs = data.encode(path)
    own = jaxmlp.apply(result.params, inputs, activation="tanh")
    logits = predict(learner, result, path, data, "logits")
    np.testing.assert_allclose(logits, own, rtol=1e-5, atol=1e-5)
    assert np.abs(logits - jaxmlp.apply(result.params, inputs)).max() > 0.1
    probabilities = predict(learner, result, path, data, output="probabilities")
    np.testing.assert_allclose(probabilities, scipy.special.softmax(np.asarray(logits, float), axis=1), rtol=1e-12)
    assert data.preparation.classes == ("cow", "fox", "frog")
    labels = predict(learner, result, path, data, "labels")
    assert labels.tolist() == [data.preparation.classes[i] for i in probabilities.argmax(axis=1)]


def test_numbers_return_to_the_units_of_the_targets(diabetes):
    data, learner, result = diabetes
    raw = data.preparation.inputs.unscale(np.asarray(data.test.inputs))
    values = predict(learner, result, raw, data)
    own = jaxmlp.apply(result.params, data.test.inputs, dtype=jnp.bfloat16)
    np.testing.assert_allclose(values, data.decode(own), rtol=1e-3)
    assert values.shape == (66, 1) and 100 < values.mean() < 200
    assert (predict(learner, result, raw, data, "values") == values).all()


def test_one_logit_has_two_probabilities():
    data = jaxmlp.load("moons")
    learner = classifier((2, 1), optimizer=jaxmlp.gd(0.1))
    params = [{"w": jnp.array([[1.0], [0.0]]), "b": jnp.array([0.25])}]
    rows = data.preparation.inputs.unscale(np.array([[1.0, 5.0], [-2.0, 0.0], [80.0, 0.0], [-0.25, 0.0]]))
    logits = np.array([1.25, -1.75, 80.25, 0.0])
    assert predict(learner, params, rows, data).tolist() == [1, 0, 1, 0]
    found = predict(learner, params, rows, data, "probabilities")
    np.testing.assert_allclose(
        found, np.stack([scipy.special.expit(-logits), scipy.special.expit(logits)], 1), rtol=1e-4
    )


def test_several_labels_are_independent():
    bits = np.stack([np.arange(40) % 2, np.arange(40) % 3 == 0], axis=1).astype(int)
    data = jaxmlp.load((np.arange(80.0).reshape(40, 2), bits))
    learner = classifier((2, 2), optimizer=jaxmlp.gd(0.1), multi_label=True)
    params = [{"w": jnp.eye(2), "b": jnp.array([0.5, -0.5])}]
    rows = data.preparation.inputs.unscale(np.array([[0.0, 0.0], [-1.0, 2.0], [-0.25, 0.25]]))
    logits = np.array([[0.5, -0.5], [-0.5, 1.5], [0.25, -0.25]])
    assert predict(learner, params, rows, data).tolist() == [[1, 0], [0, 1], [1, 0]]
    found = predict(learner, params, rows, data, "probabilities")
    np.testing.assert_allclose(found, scipy.special.expit(logits), rtol=1e-5)


def test_a_batch_of_runs_predicts_as_an_ensemble():
    data = jaxmlp.load("wine")
    learner = classifier((13, 4, 3), optimizer=jaxmlp.adam(0.02))
    runs = jax.vmap(lambda key: jaxmlp.fit(key, learner, data, epochs=2))(jax.random.split(KEY, 3))
    rows = data.preparation.inputs.unscale(np.asarray(data.test.inputs))
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], runs.params) for i in range(3)]
    probabilities = np.mean([predict(learner, one, rows, data, "probabilities") for one in each], axis=0)
    np.testing.assert_allclose(predict(learner, runs, rows, data, "probabilities"), probabilities, rtol=1e-6)
    assert predict(learner, runs, rows, data).tolist() == probabilities.argmax(1).tolist()
    logits = np.mean([predict(learner, one, rows, data, "logits") for one in each], axis=0)
    np.testing.assert_allclose(predict(learner, runs, rows, data, "logits"), logits, rtol=1e-5, atol=1e-6)


def test_data_without_a_preparation_are_as_the_network_takes_them():
    x = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    params = [{"w": jnp.array([[1.0], [-1.0]]), "b": jnp.array([0.5])}]
    learner = regressor((2, 1), optimizer=jaxmlp.gd(0.1))
    for targets in (np.ones(3, np.float32), np.ones((3, 1), np.float32)):
        batch = Batch(x, targets)
        assert predict(learner, params, x, Data(batch, batch, batch)).tolist() == [[-0.5]] * 3
    batch = Batch(x, np.array([0, 1, 1]))
    learner = classifier((2, 1), optimizer=jaxmlp.gd(0.1))
    assert predict(learner, params, x, Data(batch, batch, batch)).tolist() == [0, 0, 0]


def test_your_own_model_predicts_too():
    def outputs(params, inputs):
        return params * inputs[:, 0]

    plain = classifier((2, 1), optimizer=jaxmlp.gd(0.1))
    learner = jaxmlp.Learner(plain.init, plain.loss, plain.evaluate, plain.optimizer, outputs=outputs)
    assert predict(learner, 2.0, [[3.0, 0.0]], Preparation("regression", 2)).tolist() == [6.0]


def test_many_rows_go_through_in_blocks_and_other_numbers_of_rows_are_compiled_once(monkeypatch):
    monkeypatch.setattr(prediction, "_MOST_ROWS", 16)
    shapes = []

    def outputs(params, inputs):
        shapes.append(inputs.shape)
        return inputs @ params

    plain = regressor((2, 1), optimizer=jaxmlp.gd(0.1))
    learner = plain._replace(outputs=outputs)
    x = np.arange(100.0, dtype=np.float32).reshape(50, 2)
    found = predict(learner, jnp.array([[1.0], [2.0]]), x, Preparation("regression", 2))
    np.testing.assert_array_equal(found, x @ [[1.0], [2.0]])
    for rows in (9, 12, 16, 33):
        assert len(predict(learner, jnp.array([[1.0], [2.0]]), x[:rows], Preparation("regression", 2))) == rows
    assert shapes == [(16, 2)]


def test_numbers_of_the_network_do_not_trigger_recompilation(animals):
    path, data, learner, result = animals
    traces = []

    def activation(x, slope):
        traces.append(slope)
        return jaxmlp.leaky_relu(x, slope)

    for slope in (0.1, 0.3):
        learner = classifier((5, 16, 3), optimizer=jaxmlp.gd(0.1), activation=Partial(activation, slope=slope))
        logits = predict(learner, result, path, data, "logits")
        own = jaxmlp.apply(result.params, data.encode(path), activation=Partial(jaxmlp.leaky_relu, slope=slope))
        np.testing.assert_allclose(logits, own, rtol=1e-4, atol=1e-5)
    assert len(traces) == 1


def test_wrong_rows_and_outputs_are_refused(animals, diabetes):
    path, data, learner, result = animals
    frame = pd.read_csv(path)
    with refuses(ValueError, "predict: DataFrame must have a column 'color', got ['kind', 'weight']"):
        predict(learner, result, frame[["kind", "weight"]], data)
    with refuses(ValueError, "predict: rows must have 2 columns: weight, color, got 3"):
        predict(learner, result, frame.to_numpy(object), data)
    with refuses(ValueError, "predict: output must be one of labels, probabilities, logits, got 'values'"):
        predict(learner, result, frame, data, "values")
    with refuses(ValueError, "predict: DataFrame row 0, column 'weight' must be a number, got 'heavy'"):
        predict(learner, result, frame.assign(weight="heavy"), data)
    data, regression, run = diabetes
    with refuses(ValueError, "predict: rows must be of shape (n, 10), got (1, 9)"):
        predict(regression, run, np.zeros((1, 9)), data)
    with refuses(ValueError, "predict: rows must be of shape (n, 10), got (10,)"):
        predict(regression, run, np.zeros(10), data)
    with refuses(ValueError, "predict: rows must be at least one row, got (0, 10)"):
        predict(regression, run, np.zeros((0, 10)), data)
    with refuses(ValueError, "predict: rows must be finite float32 numbers, got 1 that are not, the first in row 1"):
        predict(regression, run, np.where(np.arange(20) == 13, np.nan, 1.0).reshape(2, 10), data)
    with refuses(ValueError, "predict: output must be one of values, got 'labels'"):
        predict(regression, run, np.zeros((1, 10)), data, "labels")


def test_wrong_learners_and_data_are_refused(animals, diabetes):
    path, data, learner, result = animals
    rule = "have outputs, a function (params, inputs) -> logits or predicted targets, as from classifier(...)"
    with refuses(TypeError, f"predict: learner must {rule}, got Learner("):
        predict(learner._replace(outputs=None), result, path, data)
    with refuses(TypeError, "predict: data must be a Data or a Preparation, got 'PosixPath'"):
        predict(learner, result, path, path)
    with refuses(ValueError, "predict: params must be known now (inside of jit and vmap use learner.outputs), got"):
        jax.jit(lambda params: predict(learner, params, path, data))(result.params)
    two = classifier((5, 2), optimizer=jaxmlp.gd(0.1))
    with refuses(ValueError, "predict: the learner's outputs must be of shape (n, 3), one for each class, got (90, 2)"):
        predict(two, two.init(KEY), path, data)
    three = regressor((10, 3), optimizer=jaxmlp.gd(0.1))
    with refuses(ValueError, "predict: the learner's outputs must be of shape (n, 1), as the targets, got (1, 3)"):
        predict(three, three.init(KEY), np.zeros((1, 10)), diabetes[0])
    bad = jax.tree.map(lambda leaf: leaf * jnp.nan, result.params)
    with refuses(ValueError, "predict: the learner's outputs must not be NaN, got '90 rows with NaN'"):
        predict(learner, bad, path, data)


def test_a_transfer_guard_lets_predictions_and_models_through(animals, tmp_path):
    path, data, learner, result = animals
    expected = predict(learner, result, path, data, "logits")
    with jax.transfer_guard("disallow"):
        np.testing.assert_array_equal(predict(learner, result, path, data, "logits"), expected)
        save_model(tmp_path, learner, result, data)
        np.testing.assert_array_equal(load_model(tmp_path).predict(path, "logits"), expected)


# Studies.


def recipe(learning_rate, slope):
    activation = Partial(jaxmlp.leaky_relu, slope=slope)
    return classifier((13, 6, 3), optimizer=jaxmlp.adam(learning_rate), activation=activation)


@pytest.fixture(scope="module")
def wines():
    data = jaxmlp.load("wine")
    grids = {"learning_rate": [0.01, 0.1], "slope": [0.0, 0.5]}
    return data, jaxmlp.train_many(recipe, data, seeds=1, epochs=3, progress=False, **grids)


def test_each_trial_of_a_study_predicts_with_its_own_network(wines):
    data, study = wines
    rows = data.preparation.inputs.unscale(np.asarray(data.test.inputs))
    every = []
    for trial, row in enumerate(study.trials):
        own = predict(recipe(0.1, row["slope"]), study.params(trial), rows, data, "probabilities")
        every.append(own)
        np.testing.assert_array_equal(study.predict(rows, trial, "probabilities"), own)
        assert study.predict(rows, trial).tolist() == own.argmax(axis=1).tolist()
    np.testing.assert_allclose(study.predict(rows, output="probabilities"), np.mean(every, axis=0), rtol=1e-12)
    some = study.predict(rows, study.table()["slope"] == 0.5, "probabilities")
    np.testing.assert_allclose(some, np.mean(every[1::2], axis=0), rtol=1e-12)
    assert (
        repr(study.model([0, 3]))
        == "Model(Preparation(classification, 13 features, 3 classes), 2 members, 210 parameters)"
    )


def test_a_study_of_several_recipes_is_one_ensemble(tmp_path):
    data = jaxmlp.load("wine")
    recipes = {
        "wide": lambda rate: classifier((13, 9, 3), optimizer=jaxmlp.gd(rate), activation="tanh"),
        "narrow": lambda rate: classifier((13, 2, 3), optimizer=jaxmlp.gd(rate)),
    }
    study = jaxmlp.train_many(recipes, data, seeds=1, epochs=1, rate=[0.1], progress=False)
    rows = data.preparation.inputs.unscale(np.asarray(data.test.inputs))
    each = [study.predict(rows, trial, "probabilities") for trial in (0, 1)]
    together = study.predict(rows, output="probabilities")
    np.testing.assert_allclose(together, np.mean(each, axis=0), rtol=1e-12)
    study.model().save(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path).predict(rows, "probabilities"), together)


def test_a_study_from_a_directory_is_told_its_learner_and_data(wines, tmp_path):
    data, study = wines
    study.save(tmp_path)
    again, row = jaxmlp.load_study(tmp_path), np.zeros((1, 13))
    rule = "be given for a study that does not know it, as from load_study, got None"
    with refuses(ValueError, f"Study.model: learner must {rule}"):
        again.predict(row, 1, data=data)
    with refuses(ValueError, f"Study.model: data must {rule}"):
        again.predict(row, 1, learner=recipe(0.1, 0.5))
    found = again.predict(row, 1, "logits", learner=recipe(0.1, 0.5), data=data)
    np.testing.assert_array_equal(found, study.predict(row, 1, "logits"))
    with refuses(ValueError, "Study.model: trials must be one or several trials that have ended, got []"):
        study.predict(row, [])


def test_recipes_with_functions_of_their_own_predict(wines):
    optax = pytest.importorskip("optax")
    data, _ = wines
    study = jaxmlp.train_many(
        lambda rate: classifier((13, 3), optimizer=optax.sgd(rate)), data, seeds=1, epochs=1, rate=[0.1], progress=False
    )
    own = jaxmlp.apply(study.params(0), data.encode(np.ones((2, 13))))
    np.testing.assert_allclose(study.predict(np.ones((2, 13)), 0, "logits"), own, rtol=1e-4)


# Saved models.

ELSEWHERE = """
import json, sys
import pandas
from jaxmlp import load_model
model = load_model(sys.argv[1])
print(json.dumps([model.predict(sys.argv[2]).tolist(), model.predict(sys.argv[2], "probabilities").tolist()]))
"""


def test_another_process_predicts_the_same_without_the_script(animals, tmp_path):
    path, data, learner, result = animals
    save_model(tmp_path / "deep" / "model", learner, result, data)
    assert sorted(file.name for file in (tmp_path / "deep" / "model").iterdir()) == ["model.json", "params.safetensors"]
    command = [sys.executable, "-c", ELSEWHERE, tmp_path / "deep" / "model", path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(jaxmlp.__file__).parents[1])
    labels, probabilities = json.loads(done.stdout)
    assert labels == predict(learner, result, path, data).tolist()
    np.testing.assert_allclose(probabilities, predict(learner, result, path, data, "probabilities"), rtol=1e-4)


def test_a_model_is_the_same_after_the_disk(animals, diabetes, tmp_path):
    path, data, learner, result = animals
    save_model(tmp_path / "a", learner, result, data)
    model = load_model(tmp_path / "a")
    assert model.preparation == data.preparation
    assert repr(model) == "Model(Preparation(classification, 5 features of 2 columns, 3 classes), 147 parameters)"
    np.testing.assert_array_equal(model.predict(path, "logits"), predict(learner, result, path, data, "logits"))
    data, learner, result = diabetes
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), result.params)
    save_model(tmp_path / "b", learner, half, data)
    model, rows = load_model(tmp_path / "b"), np.ones((3, 10))
    assert model.members[0][1][0]["w"].dtype == jnp.bfloat16
    assert "bfloat16" in json.dumps(json.loads((tmp_path / "b" / "model.json").read_text())["content"]["outputs"])
    np.testing.assert_array_equal(model.predict(rows), predict(learner, half, rows, data))


def test_ensembles_and_numbers_of_activations_are_saved(wines, tmp_path):
    _, study = wines
    study.model().save(tmp_path)
    row = np.ones((2, 13))
    np.testing.assert_array_equal(load_model(tmp_path).predict(row, "logits"), study.predict(row, output="logits"))
    study.model(2).save(tmp_path / "one")
    np.testing.assert_array_equal(load_model(tmp_path / "one").predict(row, "logits"), study.predict(row, 2, "logits"))


def test_any_reader_of_safetensors_opens_the_parameters(animals, tmp_path):
    _, data, learner, result = animals
    save_model(tmp_path, learner, result, data)
    content = (tmp_path / "params.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert sorted(header.pop("__metadata__")) == ["model", "sha256"]
    assert sorted(header) == ["params/0/b", "params/0/w", "params/1/b", "params/1/w"]
    start, end = header["params/0/w"]["data_offsets"]
    np.testing.assert_array_equal(
        np.frombuffer(content[8 + size :][start:end], np.float32).reshape(5, 16), result.params[0]["w"]
    )


def test_an_activation_of_your_own_must_be_importable(animals, tmp_path, monkeypatch):
    path, data, _, result = animals

    def make(activation):
        return classifier((5, 16, 3), optimizer=jaxmlp.gd(0.1), activation=activation)

    rule = "be importable by another process: defined at the top level of a module that is not the script itself"
    text = f"save_model: the functions of the network must {rule}, got 'test_an_activation_of_your_own_must_be_"
    with refuses(ValueError, text):
        save_model(tmp_path / "a", make(lambda x: x), result, data)
    assert not (tmp_path / "a").exists()
    (tmp_path / "my_acts.py").write_text("import jax.numpy as jnp\n\ndef cube(x):\n    return x * x * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    import my_acts  # pyright: ignore[reportMissingImports]

    for name, activation in {"b": my_acts.cube, "c": jax.nn.relu6, "d": jnp.sin}.items():
        save_model(tmp_path / name, make(activation), result, data)
        own = predict(make(activation), result, path, data, "logits")
        np.testing.assert_array_equal(load_model(tmp_path / name).predict(path, "logits"), own)
    for name, spelled in {"b": "my_acts:cube", "c": "jax.nn:relu6", "d": "jax.numpy:sin"}.items():
        assert spelled in (tmp_path / name / "model.json").read_text()
    monkeypatch.delitem(sys.modules, "my_acts")
    (tmp_path / "my_acts.py").unlink()
    rule = "be importable here, as in the process that saved it, got No module named 'my_acts'"
    with refuses(ValueError, f"load_model: my_acts:cube must {rule}"):
        load_model(tmp_path / "b")


def test_damaged_and_mixed_files_are_noticed(animals, tmp_path):
    _, data, learner, result = animals
    for name in ("a", "b"):
        save_model(tmp_path / name, learner, result, data)
    (tmp_path / "a" / "params.safetensors").replace(tmp_path / "b" / "params.safetensors")
    whole = f"load_model: {tmp_path}/b/params.safetensors must be an undamaged file of this model, got"
    with refuses(DamagedFileError, f"{whole} a file of another model; save the model again"):
        load_model(tmp_path / "b")
    content = bytearray((tmp_path / "b" / "params.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "b" / "params.safetensors").write_bytes(content)
    with refuses(DamagedFileError, f"{whole} damage"):
        load_model(tmp_path / "b")
    with refuses(DamagedFileError, f"load_model: {tmp_path}/a/params.safetensors must be an undamaged file"):
        load_model(tmp_path / "a")
    text = (tmp_path / "a" / "model.json").read_text()
    (tmp_path / "a" / "model.json").write_text(text.replace("cow", "cat"))
    with refuses(
        DamagedFileError, f"load_model: {tmp_path}/a/model.json must be an undamaged file of this model, got damage"
    ):
        load_model(tmp_path / "a")


def test_a_model_is_never_overwritten_and_needs_a_directory(animals, tmp_path):
    _, data, learner, result = animals
    save_model(tmp_path / "a", learner, result, data)
    with refuses(FileExistsError, f"save_model: directory must not hold a model already, got {tmp_path}/a"):
        save_model(tmp_path / "a", learner, result, data)
    with refuses(FileNotFoundError, f"load_model: directory must hold a model.json, got {tmp_path}/b"):
        load_model(tmp_path / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="save_model: directory must be writable, got"):
        save_model(tmp_path / "file" / "model", learner, result, data)


def test_params_that_names_cannot_rebuild_are_refused(animals, tmp_path):
    _, data, learner, result = animals
    with refuses(ValueError, "save_model: params must be made of lists and of dicts with texts as keys"):
        save_model(tmp_path, learner, tuple(result.params), data)
