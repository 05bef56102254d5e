"""resplit: the rows of a data set in other splits of the same sizes, scaled by their new training rows."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxmlp.checks import require
from jaxmlp.data.scalers import Scaler, fit_scaler
from jaxmlp.data.stratified import check_seed, parts
from jaxmlp.data.types import Batch, Data

__all__ = ["equal", "resplit", "strata", "with_weights"]


def resplit(data: Data, seed: int, *, keep_test: bool = False) -> Data:
    """The rows of a data set split anew: other rows for training, validation and testing, as many in each.

    Use it to see how much a result depends on the split. Labels keep their proportions in each split, and scalers are
    learned from the new training rows, as in `load`. Categories and imputed values stay those of the first split, so
    that inputs keep their columns. Splits with the same rows, such as those of `load("xor")`, are one set of rows.

    Args:
      data: a `Data`. Without a preparation, its rows are not rescaled.
      seed: an integer of at least 0.
      keep_test: whether the test rows stay, as where they are prescribed; only the others are then split anew.

    Returns:
      Data of NumPy arrays, with the shapes and dtypes of the given ones.

    Raises:
      TypeError: if `data` is not a `Data`.
      ValueError: for a seed that is not a whole number of at least 0.

    Example:
      >>> from jaxmlp.data import load
      >>> data = load("moons", rows=100)
      >>> other = resplit(data, seed=1)
      >>> other.train.inputs.shape, bool((other.train.targets == data.train.targets).all())
      ((70, 2), False)
    """
    require(isinstance(data, Data), "resplit", "data", "be a Data", type(data).__name__, TypeError)
    check_seed("resplit", seed)
    data = with_weights(data)
    splits = {name: jax.tree.map(np.asarray, batch) for name, batch in data._asdict().items()}
    owner = {name: next(other for other in splits if equal(splits[other], splits[name])) for name in splits}
    mixed = [name for name in dict.fromkeys(owner.values()) if not (keep_test and name == owner["test"])]
    raw = {name: _unscaled(data, batch) for name, batch in splits.items()}
    if len(mixed) > 1:
        raw |= _mixed([raw[name] for name in mixed], mixed, seed)
    scaled = _rescaled(data, {name: raw[owner[name]] for name in splits})
    return jax.tree.map(lambda new, old: np.asarray(new, np.asarray(old).dtype), scaled, data)


def with_weights(data: Data) -> Data:
    """The data with weights of 1 in splits that have none, if another split has some."""
    if all(getattr(batch, "weights", None) is None for batch in data):
        return data
    batches = {name: batch for name, batch in data._asdict().items() if batch.weights is None}
    ones = {name: np.ones(len(batch.inputs), np.float32) for name, batch in batches.items()}
    return data._replace(**{name: batch._replace(weights=ones[name]) for name, batch in batches.items()})


def equal(one: Any, other: Any) -> bool:
    """Whether two splits have the same rows."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(a.shape == b.shape and np.array_equal(a, b) for a, b in pairs)


def _mixed(batches: list[Any], names: list[str], seed: int) -> dict[str, Any]:
    """The rows of some splits in other splits of these sizes."""
    together = jax.tree.map(lambda *arrays: np.concatenate(arrays), *batches)
    sizes = [len(jax.tree.leaves(batch)[0]) for batch in batches]
    held_out = {name: size / sum(sizes) for name, size in zip(names[1:], sizes[1:], strict=True)}
    chosen = parts("resplit", strata(together, min(sizes)), held_out, seed)
    return {
        name: jax.tree.map(lambda array, rows=rows: array[rows], together)
        for name, rows in zip(names, chosen, strict=True)
    }


def strata(together: Any, smallest: int) -> np.ndarray:
    """Labels whose proportions can be kept in splits down to a size; a single class for anything else."""
    targets: Any = together.targets if isinstance(together, Batch) else jax.tree.leaves(together)[-1]
    if targets.ndim == 1 and targets.dtype.kind in "iu" and targets.min() >= 0:
        counts = np.bincount(targets)
        if len(counts) <= smallest and counts.min() >= 3 and 3 * len(counts) <= len(targets):
            return targets
    return np.zeros(len(targets), np.int32)


def _unscaled(data: Data, batch: Any) -> Any:
    if data.preparation is None:
        return batch
    known = data.preparation
    return batch._replace(inputs=_back(known.inputs, batch.inputs), targets=_back(known.targets, batch.targets))


def _back(scaler: Scaler, array: Any) -> Any:
    return array if scaler.how is None else scaler.unscale(array)


def _rescaled(data: Data, raw: dict[str, Any]) -> Data:
    """Splits in their own units, scaled as those of `data` were, by the statistics of the training rows."""
    known, train = data.preparation, raw["train"]
    if known is None:
        return Data(**raw)
    flags = [flag for column in known.columns for flag in column.is_scaled]
    inputs = fit_scaler(train.inputs, known.inputs.how, flags or None) if known.inputs.how else known.inputs
    targets = fit_scaler(train.targets, known.targets.how) if known.targets.how else known.targets

    def scaled(batch: Any) -> Any:
        changed = {"inputs": (inputs, batch.inputs), "targets": (targets, batch.targets)}
        return batch._replace(
            **{name: array if scaler.how is None else scaler.scale(array) for name, (scaler, array) in changed.items()}
        )

    preparation = replace(known, inputs=inputs, targets=targets)
    return Data(**{name: scaled(batch) for name, batch in raw.items()}, preparation=preparation)
