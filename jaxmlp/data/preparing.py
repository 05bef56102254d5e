"""prepared: from rows as read to three splits, encoded and scaled by what the training rows say."""

from collections.abc import Mapping, Sequence

import numpy as np

from jaxmlp.data.columns import Column, encoded, fit_column
from jaxmlp.data.preparation import Preparation
from jaxmlp.data.rows import Rows
from jaxmlp.data.scalers import fit_scaler
from jaxmlp.data.stratified import parts
from jaxmlp.data.targets import Classes, class_codes, known_codes
from jaxmlp.data.types import Batch, Data

__all__ = ["prepared"]


def prepared(
    function: str,
    rows: Rows,
    own: Mapping[str, Rows],
    held_out: Mapping[str, float],
    *,
    seed: int,
    scale: str | None,
    missing: str = "refuse",
    dropped: int = 0,
) -> Data:
    """Splits rows, learns from the training rows, and encodes and scales all splits.

    Args:
      function: what errors call it.
      rows: of which the training rows are what `held_out` leaves.
      own: splits that are rows of their own, by "validation" or "test".
      held_out: the fractions of `rows` of the other splits. Without validation anywhere, the training rows serve.
      seed: for shuffling.
      scale: as in `scaled`.
      missing: "impute" to learn what replaces a missing value.
      dropped: how many rows were left out before.

    Returns:
      Data of NumPy arrays.
    """
    task = rows.targets.task
    codes, classes = class_codes(rows.targets.values) if rows.targets.is_label else (rows.targets.values, None)
    chosen = dict(zip(("train", *held_out), parts(function, codes, dict(held_out), seed, classes), strict=True))
    splits = {name: rows.take(numbers) for name, numbers in chosen.items()} | dict(own)
    columns = _fit_columns(function, splits["train"], missing)
    inputs = {name: _inputs(function, columns, split) for name, split in splits.items()}
    targets = {name: codes[numbers] for name, numbers in chosen.items()}
    targets |= {name: _targets(function, split, classes) for name, split in own.items()}
    flags = [flag for column in columns for flag in column.is_scaled]
    input_scaler = fit_scaler(inputs["train"], scale, flags or None)
    target_scaler = fit_scaler(targets["train"], scale if task == "regression" and scale == "standard" else None)
    dtype = np.float32 if task == "regression" else np.int32

    def batch(name: str) -> Batch:
        scaled = input_scaler.scale(inputs[name]).astype(np.float32, copy=False)
        weights = splits[name].weights
        weights = None if weights is None else weights.astype(np.float32)
        return Batch(scaled, target_scaler.scale(targets[name]).astype(dtype), weights)

    batches = {name: batch(name) for name in splits}
    features = inputs["train"].shape[1]
    names = rows.targets.labels if task == "multi-label" else classes
    preparation = Preparation(task, features, columns, names, rows.target, input_scaler, target_scaler, dropped)
    return Data(batches["train"], batches.get("validation", batches["train"]), batches["test"], preparation)


def _fit_columns(function: str, train: Rows, missing: str) -> tuple[Column, ...]:
    raw: Sequence = () if isinstance(train.inputs, np.ndarray) else train.inputs
    return tuple(fit_column(function, column, train.place, missing) for column in raw)


def _inputs(function: str, columns: tuple[Column, ...], rows: Rows) -> np.ndarray:
    inputs = rows.inputs
    return inputs if isinstance(inputs, np.ndarray) else encoded(function, columns, inputs, rows.where)


def _targets(function: str, rows: Rows, classes: Classes | None) -> np.ndarray:
    return rows.targets.values if classes is None else known_codes(function, rows.targets, classes)
