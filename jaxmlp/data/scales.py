"""scaled: splits of your own, scaled by the statistics of their training rows."""

from dataclasses import replace

import numpy as np

from jaxmlp.checks import check_choice, require
from jaxmlp.data.preparation import Preparation
from jaxmlp.data.scalers import fit_scaler
from jaxmlp.data.targets import label_names
from jaxmlp.data.types import Batch, Data

__all__ = ["plain_preparation", "scaled"]


def scaled(data: Data, how: str | None) -> Data:
    """Scales all three splits by statistics of the training rows alone.

    Use it for splits of your own that are arrays already; `load` does the same for rows that it reads or splits.

    Args:
      data: inputs (n, features), targets (n,) labels, (n, labels) integers or bools that are 0 or 1 (for multi-label
        classification) or (n, outputs) numbers. Weights stay as they are.
      how: "standard" gives each feature, and each regression target, mean 0 and standard deviation 1 on the training
        rows; "range" maps the smallest and the largest training input to 0 and 1 (one pair for all features, suitable
        for images) and does not change targets; None scales nothing. A column that is constant in training becomes 0.

    Returns:
      Data of NumPy arrays of the same shapes: inputs float32, targets int32 or float32. Its `preparation` holds the
      scalers.

    Raises:
      TypeError: if `data` is not a `Data`.
      ValueError: if `how` is not one of the three, or the targets are neither labels nor of shape (n, outputs).

    Example:
      >>> import numpy as np
      >>> rows = Batch(np.array([[1.0], [3.0]]), np.array([0, 1]))
      >>> scaled(Data(rows, rows, rows), "standard").train.inputs.ravel().tolist()
      [-1.0, 1.0]
    """
    require(isinstance(data, Data), "scaled", "data", "be a Data", type(data).__name__, TypeError)
    if how is not None:
        check_choice("scaled", ("standard", "range"), how=how)
    inputs, targets = (np.asarray(values) for values in data.train[:2])
    is_regression = targets.ndim == 2 and not _are_labels(targets)
    is_known = targets.ndim == 2 or targets.dtype.kind in "biu"
    rule = "be (n,) whole numbers or (n, outputs)"
    require(is_known, "scaled", "targets", rule, (targets.shape, str(targets.dtype)))
    before = data.preparation or plain_preparation(inputs, targets)
    scalers = (fit_scaler(inputs, how), fit_scaler(targets, how if is_regression and how == "standard" else None))
    dtype = np.float32 if is_regression else np.int32

    def rescaled(batch: Batch) -> Batch:
        scaled = (scaler.scale(np.asarray(array)) for scaler, array in zip(scalers, batch[:2], strict=True))
        inputs, targets = (array.astype(kind) for array, kind in zip(scaled, (np.float32, dtype), strict=True))
        return Batch(inputs, targets, None if batch.weights is None else np.asarray(batch.weights, np.float32))

    after = replace(before, inputs=before.inputs.then(scalers[0]), targets=before.targets.then(scalers[1]))
    return Data(*(rescaled(batch) for batch in data), preparation=after)


def plain_preparation(inputs: np.ndarray, targets: np.ndarray) -> Preparation:
    """The preparation of arrays that are as a network takes them."""
    if targets.ndim == 2 and _are_labels(targets):
        return Preparation("multi-label", inputs.shape[-1], classes=label_names(targets.shape[1]))
    if targets.ndim == 2 or targets.dtype.kind not in "biu":
        return Preparation("regression", inputs.shape[-1])
    return Preparation("classification", inputs.shape[-1], classes=tuple(range(int(targets.max()) + 1)))


def _are_labels(targets: np.ndarray) -> bool:
    """Whether columns of targets are labels that are 0 or 1."""
    return targets.dtype.kind in "biu" and targets.shape[1] > 1 and bool(np.isin(targets, (0, 1)).all())
