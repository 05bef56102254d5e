"""What a network's outputs say about new rows: labels, probabilities, or targets in the user's own units."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxmlp.checks import check_choice, is_concrete, require
from jaxmlp.data import Data, Preparation
from jaxmlp.data.scales import plain_preparation
from jaxmlp.leaves import as_partial, strong
from jaxmlp.programs import Programs, permissive, weakened
from jaxmlp.types import Params, PyTree

__all__ = ["answered", "predicted", "preparation_of"]

_CLASSES = ("labels", "probabilities", "logits")
_ANSWERS = {"classification": _CLASSES, "multi-label": _CLASSES, "regression": ("values",)}
# Rows go through the network in blocks: memory stays bounded, and few shapes are compiled.
_MOST_ROWS = 4096


def preparation_of(function: str, data: Any) -> Preparation:
    """The preparation of data, or of arrays that are as a network takes them if none is known."""
    if isinstance(data, Preparation):
        return data
    require(isinstance(data, Data), function, "data", "be a Data or a Preparation", type(data).__name__, TypeError)
    if data.preparation is not None:
        return data.preparation
    return plain_preparation(*(np.asarray(array) for array in data.train[:2]))


def predicted(
    function: str,
    members: Sequence[tuple[Callable[..., Any], Params]],
    preparation: Preparation,
    rows: PyTree,
    output: str | None,
) -> np.ndarray:
    """What one network, or several together, say about rows in the user's own units; `Model.predict` documents it."""
    return answered(function, members, preparation, preparation.encoded(function, rows), output)


def answered(
    function: str,
    members: Sequence[tuple[Callable[..., Any], Params]],
    preparation: Preparation,
    inputs: np.ndarray,
    output: str | None,
) -> np.ndarray:
    """What `predicted` does, of rows that are encoded already."""
    answers = _ANSWERS[preparation.task]
    output = check_choice(function, answers, output=answers[0] if output is None else output)
    known = all(is_concrete(leaf) for leaf in jax.tree.leaves([params for _, params in members]))
    require(known, function, "params", "be known now (inside of jit and vmap use learner.outputs)", "traced arrays")
    require(len(inputs) > 0, function, "rows", "be at least one row", inputs.shape)
    every = [_outputs(function, outputs, params, inputs) for outputs, params in members]
    for one in every:
        _check_outputs(function, preparation, one)
    if output in ("values", "logits"):
        together = np.mean(every, axis=0) if len(every) > 1 else every[0]
        return preparation.decode(together) if output == "values" else together
    if output == "labels" and len(every) == 1:
        return preparation.decode(every[0])
    probabilities = np.mean([_probabilities(preparation.task, one) for one in every], axis=0)
    if output == "probabilities":
        return probabilities
    return preparation.decode(probabilities > 0.5 if preparation.task == "multi-label" else probabilities)


def _probabilities(task: str, logits: np.ndarray) -> np.ndarray:
    """(n, classes) float64: for several labels the sigmoid of each logit, otherwise the softmax over the classes."""
    logits = logits.astype(np.float64)
    if task == "multi-label":
        return np.exp(-np.logaddexp(0.0, -logits))
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def _check_outputs(function: str, preparation: Preparation, outputs: np.ndarray) -> None:
    """Outputs of the shape that the task asks for, and none of them NaN."""
    if preparation.classes is not None:
        count = len(preparation.classes)
        fits = outputs.shape[1:] == (count,) or (preparation.task == "classification" and outputs.shape[1:] == (1,))
        require(fits, function, "the learner's outputs", f"be of shape (n, {count}), one for each class", outputs.shape)
    elif np.ndim(preparation.targets.center) == 1:
        count = len(preparation.targets.center)
        fits = outputs.shape[1:] == (count,)
        require(fits, function, "the learner's outputs", f"be of shape (n, {count}), as the targets", outputs.shape)
    bad = np.isnan(outputs).any(axis=tuple(range(1, outputs.ndim)))
    require(not bad.any(), function, "the learner's outputs", "not be NaN", f"{int(bad.sum())} rows with NaN")


def _outputs(function: str, outputs: Callable[..., Any], params: Params, inputs: np.ndarray) -> np.ndarray:
    """(n, outputs) of one network, computed in blocks of rows."""
    weak_outputs, owners = weakened(as_partial(outputs))
    numbers, structure = jax.tree.flatten(strong(weak_outputs, np.asarray))
    compiled = _compiled_outputs(owners, structure)
    # A power of two, so that other numbers of rows rarely trigger recompilation; further rows are zeros.
    size = min(_MOST_ROWS, 1 << (len(inputs) - 1).bit_length())
    found = []
    with permissive():
        params = jax.device_put(params)
        for start in range(0, len(inputs), size):
            block = inputs[start : start + size]
            padded = np.concatenate([block, np.zeros((size - len(block), *block.shape[1:]), block.dtype)])
            found.append(jax.device_get(compiled(numbers, params, padded))[: len(block)])
    first = found[0]
    fits = hasattr(first, "shape") and first.ndim >= 1 and all(len(one) for one in found)
    require(fits, function, "the learner's outputs", "be an array of one row for each row", type(first).__name__)
    return np.concatenate(found)


def _jitted_outputs(structure: Any) -> Any:
    @jax.jit
    def outputs_of_block(numbers, params, inputs):
        return structure.unflatten(numbers)(params, inputs)

    return outputs_of_block


_compiled_outputs = Programs(_jitted_outputs)
