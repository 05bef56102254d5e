"""Scaling by the statistics of the training rows."""

from typing import Any

import numpy as np

from jaxmlp.checks import check_choice, require
from jaxmlp.data.types import Batch, Data

__all__ = ["scaled", "statistics"]


def scaled(data: Data, how: str | None) -> Data:
    """Scales all three splits by statistics of the training rows alone.

    Use it for splits of your own; `load` and its `scale` do the same for rows that it splits itself.

    Args:
      data: inputs (n, features), targets (n,) labels or (n, outputs) floating point numbers.
      how: "standard" gives each feature, and each regression target, mean 0 and standard deviation 1 on the training
        rows; "range" maps the smallest and the largest training input to 0 and 1 (one pair for all features, suitable
        for images) and does not change targets; None scales nothing. A column that is constant in training becomes 0.

    Returns:
      Data of NumPy arrays of the same shapes: inputs float32, targets int32 or float32.

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
    inputs, targets = (np.asarray(values) for values in data.train)
    center, width = statistics(inputs, how)
    regression = targets.ndim == 2
    is_known = regression or targets.dtype.kind in "biu"
    rule = "be (n,) whole numbers or (n, outputs)"
    require(is_known, "scaled", "targets", rule, (targets.shape, str(targets.dtype)))
    target_center, target_width = statistics(targets, "standard" if regression and how == "standard" else None)
    dtype = np.float32 if regression else np.int32

    def rescale(batch: Batch) -> Batch:
        batch_inputs, batch_targets = (np.asarray(values) for values in batch)
        return Batch(
            ((batch_inputs - center) / width).astype(np.float32),
            ((batch_targets - target_center) / target_width).astype(dtype),
        )

    return Data(*(rescale(batch) for batch in data))


def statistics(values: np.ndarray, how: str | None) -> tuple[Any, Any]:
    """(center, width) such that (values - center) / width is scaled as `how` says."""
    if how is None:
        return 0, 1
    if how == "range":
        # float32 for images, which needs half the memory of float64; never less, because float16 could overflow.
        dtype = np.result_type(values.dtype, np.float32)
        low, high = values.min().astype(dtype), values.max().astype(dtype)
        return low, high - low if high > low else np.float32(1)
    # Compared exactly, because rounding may give a constant column a deviation other than 0.
    constant = values.min(axis=0) == values.max(axis=0)
    center = np.where(constant, values[0], values.mean(axis=0, dtype=np.float64))
    deviation = values.std(axis=0, dtype=np.float64)
    # The deviation is 0 also if the squares of tiny differences underflow.
    return center, np.where(constant | (deviation == 0), 1.0, deviation)
