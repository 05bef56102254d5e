"""Models: trained networks that predict from rows in the user's own units, and are saved as one directory."""

import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.data import Data, Preparation
from jaxmlp.importable import as_json, from_json
from jaxmlp.prediction import predicted, preparation_of
from jaxmlp.result import Result
from jaxmlp.storage import DamagedFileError, flat, identity_of, nested, read_arrays, read_json, write_arrays, write_json
from jaxmlp.training import Learner
from jaxmlp.types import Params, PyTree

__all__ = ["Model", "load_model", "model_of", "predict", "save_model"]

_DESCRIPTION, _ARRAYS = "model.json", "params.safetensors"
_FORMAT = 1
_LOST = "save the model again"


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network, or an ensemble of some, and how rows are prepared for it.

    From `load_model` or `Study.model`. Several members predict together: by the mean of their probabilities, or of
    their predicted targets.

    Attributes:
      members: pairs of a function `(params, inputs) -> outputs` and its params.
      preparation: encodes rows, and decodes what the network says about them.
    """

    members: tuple[tuple[Callable[..., Any], Params], ...]
    preparation: Preparation

    def predict(self, rows: PyTree, output: str | None = None) -> np.ndarray:
        """What the model says about new rows.

        Args:
          rows: in the user's own units, as `Preparation.encode` takes them: a DataFrame, a dict of columns, the path of
            a file, or an array (n, columns).
          output: for classification and multi-label classification "labels" (the default), "probabilities" or "logits";
            for regression "values".

        Returns:
          "labels": (n,) names of classes; for multi-label classification (n, labels) int32 that are 0 or 1.
          "probabilities": (n, classes) float64, in the order of `preparation.classes`; those of several labels are
          independent. "logits": (n, outputs), as the network gives them. "values": (n, outputs) float64, in the units
          of the targets.

        Raises:
          ValueError: for rows that lack a column or hold what the column does not, or for another output.
        """
        return predicted("predict", self.members, self.preparation, rows, output)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes the model into a directory that holds no model yet; `load_model` reads it.

        The parameters are in a file that any reader of safetensors opens, the rest is JSON.

        Raises:
          FileExistsError: if there is a model already.
          ValueError: for functions that another process cannot import, such as an activation defined in a script, or
            params that are not made of lists and dicts.
          OSError: for a directory that cannot be written.
        """
        path = Path(directory).expanduser()
        if (path / _DESCRIPTION).exists():
            raise FileExistsError(f"save_model: directory must not hold a model already, got {path}")
        functions = [as_json("save_model", outputs) for outputs, _ in self.members]
        params = [params for _, params in self.members]
        arrays = flat("params", params[0] if len(params) == 1 else params)
        _check_structure(params, arrays)
        description = {
            "format": _FORMAT,
            "id": uuid.uuid4().hex,
            "members": len(params),
            "outputs": functions[:1] if all(one == functions[0] for one in functions) else functions,
            "preparation": self.preparation.to_json(),
        }
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"save_model: directory must be writable, got {path}: {error.strerror}"
            raise OSError(error.errno, message) from error
        write_arrays(path / _ARRAYS, arrays, identity_of(description), "model")
        write_json(path / _DESCRIPTION, description, "model")  # last: with it, the model is complete

    def __repr__(self) -> str:
        size = sum(np.size(leaf) for leaf in jax.tree.leaves([params for _, params in self.members]))
        several = f", {len(self.members)} members" if len(self.members) > 1 else ""
        return f"Model({self.preparation!r}{several}, {size:,} parameters)"


def predict(
    learner: Learner, params: Params | Result, rows: PyTree, data: Data | Preparation, output: str | None = None
) -> np.ndarray:
    """What a trained network says about new rows, in the user's own units.

    Rows are encoded and scaled as the training rows were, go through the learner's own network (its activation, its
    dtype, without dropout), and the outputs become class names, probabilities, or numbers in the units of the targets.

    Args:
      learner: a `Learner` with `outputs`, such as `classifier(...)`.
      params: of this learner, or the `Result` of a run; a batch of results predicts as an ensemble.
      rows: new rows, such as a DataFrame or an array (n, columns), as `data.encode` takes them.
      data: the `Data` that the learner was trained with, or its preparation.
      output: "labels" (the default), "probabilities" or "logits" for a classifier, "values" for a regressor.

    Returns:
      A NumPy array with a row for each row, as `Model.predict` returns it.

    Raises:
      ValueError, TypeError: for a learner without outputs, rows of another kind, or another output.

    Example:
      >>> import jaxmlp
      >>> learner = jaxmlp.classifier((4, 16, 2), optimizer=jaxmlp.adam(0.03))
      >>> rows = [[float(i), i % 3, "red" if i % 2 else "blue"] for i in range(60)]
      >>> data = jaxmlp.load((rows, ["odd" if i % 2 else "even" for i in range(60)]))
      >>> result = jaxmlp.fit(jax.random.key(0), learner, data, epochs=30)
      >>> predict(learner, result, [[7.0, 1, "red"], [8.0, 2, "blue"]], data).tolist()
      ['odd', 'even']
      >>> predict(learner, result, [[7.0, 1, "red"]], data, "probabilities").shape
      (1, 2)
    """
    return predicted("predict", _members("predict", learner, params), preparation_of("predict", data), rows, output)


def save_model(
    directory: str | os.PathLike[str], learner: Learner, params: Params | Result, data: Data | Preparation
) -> None:
    """Saves a trained network and its preparation as one directory, from which another process predicts.

    Args:
      directory: a path, which must not hold a model yet.
      learner: as in `predict`. An activation of your own must be importable: defined in a module.
      params: as in `predict`.
      data: as in `predict`.

    Raises:
      ValueError, TypeError, OSError: as `Model.save` and `predict` raise them.

    Example:
      >>> import tempfile, jaxmlp
      >>> learner = jaxmlp.classifier((2, 8, 2), optimizer=jaxmlp.adam(0.05))
      >>> data, directory = jaxmlp.load("moons"), tempfile.mkdtemp()
      >>> save_model(directory, learner, jaxmlp.fit(jax.random.key(0), learner, data, epochs=5), data)
      >>> load_model(directory)
      Model(Preparation(classification, 2 features, 2 classes), 42 parameters)
    """
    Model(_members("save_model", learner, params), preparation_of("save_model", data)).save(directory)


def load_model(directory: str | os.PathLike[str]) -> Model:
    """The model that `save_model` wrote into a directory; it needs nothing of the script that trained it.

    Loading imports the modules that define the network's functions: jaxmlp and, if the activation is your own, yours.
    Load only models that you trust.

    Args:
      directory: a path.

    Returns:
      A `Model`.

    Raises:
      FileNotFoundError: if there is no model. ValueError: for a damaged file, or a function that is not importable.

    Example:
      >>> import tempfile, jaxmlp
      >>> learner = jaxmlp.regressor((10, 8, 1), optimizer=jaxmlp.adam(0.01))
      >>> data, directory = jaxmlp.load("diabetes"), tempfile.mkdtemp()
      >>> jaxmlp.save_model(directory, learner, jaxmlp.fit(jax.random.key(0), learner, data, epochs=2), data)
      >>> load_model(directory).predict([[59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.86, 87]]).shape
      (1, 1)
    """
    path = Path(directory).expanduser()
    if not (path / _DESCRIPTION).exists():
        raise FileNotFoundError(f"load_model: directory must hold a {_DESCRIPTION}, got {directory}")
    content = read_json(path / _DESCRIPTION, _LOST, "model")
    known = isinstance(content, dict) and content.get("format") == _FORMAT
    if not known:
        raise DamagedFileError(path / _DESCRIPTION, "another format", _LOST, "model")
    arrays = read_arrays(path / _ARRAYS, identity_of(content), _LOST, "model")
    found = nested("params", arrays)
    params = [found] if content["members"] == 1 else found
    functions = [from_json("load_model", one) for one in content["outputs"]]
    functions *= len(params) if len(functions) == 1 else 1
    params = [jax.device_put(one) for one in params]
    return Model(tuple(zip(functions, params, strict=True)), Preparation.from_json(content["preparation"]))


def model_of(function: str, members: Sequence[tuple[Learner, Params]], data: Data | Preparation) -> Model:
    """The model of learners and their params; errors name the `function` that the user called."""
    pairs = tuple(pair for learner, params in members for pair in _members(function, learner, params))
    return Model(pairs, preparation_of(function, data))


def _members(function: str, learner: Any, params: Any) -> tuple[tuple[Callable[..., Any], Params], ...]:
    """The network's function with the params, or with those of each run of a batch of results."""
    outputs: Any = getattr(learner, "outputs", None)
    rule = "have outputs, a function (params, inputs) -> logits or predicted targets, as from classifier(...)"
    require(callable(outputs), function, "learner", rule, learner, TypeError)
    if not isinstance(params, Result):
        return ((outputs, params),)
    if jnp.ndim(params.status) == 0:
        return ((outputs, params.params),)
    rule = "be one run, or a batch of runs along one axis"
    require(jnp.ndim(params.status) == 1, function, "params", rule, jnp.shape(params.status))
    return tuple(
        (outputs, jax.tree.map(lambda leaf, run=run: leaf[run], params.params)) for run in range(len(params.status))
    )


def _check_structure(params: list[Params], arrays: dict[str, np.ndarray]) -> None:
    """Params must be what names alone can rebuild."""
    found = nested("params", arrays)
    found = [found] if len(params) == 1 else found
    same = jax.tree.structure(found) == jax.tree.structure(params)
    rule = "be made of lists and of dicts with texts as keys, of which files know the structure"
    require(same, "save_model", "params", rule, jax.tree.structure(params[0]))
