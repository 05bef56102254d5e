"""Resamplings: many data sets made of the rows of one, such as the folds of a cross-validation.

The rows are kept once. A data set is the positions of its rows and the scalers of its training rows, and is put
together where it is needed, on the host or on a device, to the same bits.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.checks import check_count, require
from jaxmlp.data.preparation import Preparation
from jaxmlp.data.resplitting import equal, strata, with_weights
from jaxmlp.data.scalers import Scaler, fit_scaler
from jaxmlp.data.stratified import parts
from jaxmlp.data.types import Data

__all__ = ["RESAMPLINGS", "Pool", "make_pool", "preparation_at", "sample_at"]

_SEED_OF_FOLDS = 0


class Samples(NamedTuple):
    """Data sets, with a leading axis over them.

    Attributes:
      train: (count, n) int32, the positions of their training rows.
      validation: (count, m) int32.
      test: (count, l) int32.
      scales: {"inputs": (center, factor)}, each of shape (count, ...), and "targets"; only what is scaled.
    """

    train: Any
    validation: Any
    test: Any
    scales: dict[str, tuple[Any, Any]]


class Pool(NamedTuple):
    """The rows of a data set and the data sets made of them: a pytree.

    Attributes:
      rows: those of all splits, training rows first, then validation, then test.
      samples: the data sets.
    """

    rows: Any
    samples: Samples


def sample_at(pool: Pool, place: Any) -> Data:
    """The data set at a place, without its preparation: of NumPy arrays, or traced."""
    one: Samples = jax.tree.map(lambda table: table[place], pool.samples)

    def split(positions: Any) -> Any:
        batch = jax.tree.map(lambda array: array[positions], pool.rows)
        # Differences and products alone: these round alike on the host and on a device.
        scaled = {
            name: (getattr(batch, name) - center[None]) * factor[None] for name, (center, factor) in one.scales.items()
        }
        return batch._replace(**scaled) if scaled else batch

    return Data(*map(split, one[:3]))


def make_pool(data: Any, kind: str, count: int) -> Pool:
    """The data sets of a resampling.

    Args:
      data: a `Data`, or anything with train, validation and test.
      kind: one of `RESAMPLINGS`.
      count: how many.
    """
    check_count("train_many", **{kind: count})
    data = with_weights(data) if isinstance(data, Data) else data
    splits = [jax.tree.map(np.asarray, split) for split in (data.train, data.validation, data.test)]
    pairs = ((splits[0], splits[1]), (splits[0], splits[2]), (splits[1], splits[2]))
    own = not any(equal(one, other) for one, other in pairs)
    require(own, "train_many", "data", f"have three splits of different rows for {kind}", "equal splits")
    rows = jax.tree.map(lambda *arrays: np.concatenate(arrays), *splits)
    sizes = [len(jax.tree.leaves(split)[0]) for split in splits]
    every = RESAMPLINGS[kind](rows, sizes, int(count))
    positions = [np.stack(some).astype(np.int32) for some in zip(*every, strict=True)]
    known = getattr(data, "preparation", None)
    return Pool(rows, Samples(*positions, scales={} if known is None else _scales(rows, known, positions[0])))


def _folds(rows: Any, sizes: list[int], count: int) -> list[tuple[np.ndarray, ...]]:
    """Cross-validation over training and validation rows; the test rows stay.

    Classes are dealt out in turn. All folds have the same size, so that they share a program: if the rows do not
    divide, a few, fewer than there are folds, are held out in a second fold too.
    """
    known = sizes[0] + sizes[1]
    require(2 <= count <= known, "train_many", "folds", f"be from 2 to {known}, the rows to divide", count)
    labels = strata(rows, known)[:known]
    order = np.random.default_rng(_SEED_OF_FOLDS).permutation(known)
    order = order[np.argsort(labels[order], kind="stable")]
    dealt = np.concatenate([order, order[: -known % count]])
    test = np.arange(known, sum(sizes))
    return [(np.setdiff1d(order, dealt[i::count]), dealt[i::count], test) for i in range(count)]


def _splits(rows: Any, sizes: list[int], count: int) -> list[tuple[np.ndarray, ...]]:
    """Random splits of all rows in the given sizes: those of `resplit(data, seed)` for the seeds 0, 1, 2, ..."""
    labels, total = strata(rows, min(sizes)), sum(sizes)
    held_out = {"validation": sizes[1] / total, "test": sizes[2] / total}
    return [tuple(parts("train_many", labels, held_out, seed)) for seed in range(count)]


def _bootstraps(rows: Any, sizes: list[int], count: int) -> list[tuple[np.ndarray, ...]]:
    """As many training rows as there are, drawn with replacement; validation and test rows stay."""
    others = np.split(np.arange(sizes[0], sum(sizes)), [sizes[1]])
    return [(np.random.default_rng(seed).integers(sizes[0], size=sizes[0]), *others) for seed in range(count)]


RESAMPLINGS: dict[str, Callable[[Any, list[int], int], list[tuple[np.ndarray, ...]]]] = {
    "folds": _folds,
    "splits": _splits,
    "bootstraps": _bootstraps,
}


def _scales(rows: Any, known: Preparation, train: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The scalers of each data set's training rows, as numbers for rows that are scaled already."""
    found = {}
    for name, scaler in (("inputs", known.inputs), ("targets", known.targets)):
        if scaler.how is not None:
            array = getattr(rows, name)
            fitted = [_fitted(known, name, array[positions]) for positions in train]
            shape = (len(train), *array.shape[1:])
            numbers = ([one.center for one in fitted], [1 / one.width for one in fitted])
            found[name] = tuple(_spread(some, shape, array.dtype) for some in numbers)
    return found


def _spread(numbers: list[Any], shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Numbers of data sets, or one for each of their columns, as one for each column."""
    table = np.stack([np.broadcast_to(one, shape[1:]) for one in numbers])
    return table.astype(dtype)


def _fitted(known: Preparation, name: str, values: np.ndarray) -> Scaler:
    if name == "targets":
        return fit_scaler(values, known.targets.how)
    flags = [flag for column in known.columns for flag in column.is_scaled]
    return fit_scaler(values, known.inputs.how, flags or None)


def preparation_at(pool: Pool, known: Preparation, place: int) -> Preparation:
    """The preparation of the data set at a place; `known` is that of the data that the pool was made of."""
    changed: dict[str, Any] = {
        name: getattr(known, name).then(_fitted(known, name, getattr(pool.rows, name)[pool.samples.train[place]]))
        for name in pool.samples.scales
    }
    return replace(known, **changed)
