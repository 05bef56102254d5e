"""Scalers: the center and the width of training rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Scaler", "fit_scaler"]


@dataclass(frozen=True, eq=False)
class Scaler:
    """The map (values - center) / width.

    Attributes:
      center: a number, or one for each column.
      width: a number above 0, or one for each column.
      how: "standard" or "range" if `fit_scaler` can learn it anew from other rows; else None.
    """

    center: Any = 0
    width: Any = 1
    how: str | None = None

    def scale(self, values: np.ndarray) -> np.ndarray:
        """The values in scaled units."""
        return (values - self.center) / self.width

    def unscale(self, values: np.ndarray) -> np.ndarray:
        """Scaled values in their own units, in float64."""
        return np.asarray(values, np.float64) * self.width + self.center

    def then(self, other: "Scaler") -> "Scaler":
        """The scaler that does what this one and then the other does."""
        again = other.how == "standard" or None in (self.how, other.how)
        how = (other.how or self.how) if again else None
        return Scaler(self.center + other.center * self.width, self.width * other.width, how)


def fit_scaler(values: np.ndarray, how: str | None, is_scaled: Sequence[bool] | None = None) -> Scaler:
    """The scaler of training rows: "standard" for each column, "range" for all columns together, None for none.

    Columns that `is_scaled` excludes, such as those of categories, stay as they are.
    """
    mask = np.array(is_scaled) if is_scaled is not None and not all(is_scaled) else None
    if how is None or (mask is not None and not mask.any()):
        return Scaler()
    if how == "range":
        center, width = _range(values if mask is None else values[:, mask])
    else:
        center, width = _standard(values)
    if mask is None:
        return Scaler(center, width, how)
    return Scaler(np.where(mask, center, 0.0), np.where(mask, width, 1.0), how)


def _range(values: np.ndarray) -> tuple[Any, Any]:
    # float32 for images, which needs half the memory of float64; never less, because float16 could overflow.
    dtype = np.result_type(values.dtype, np.float32)
    low, high = values.min().astype(dtype), values.max().astype(dtype)
    return low, high - low if high > low else np.float32(1)


def _standard(values: np.ndarray) -> tuple[Any, Any]:
    # Compared exactly, because rounding may give a constant column a deviation other than 0.
    is_constant = values.min(axis=0) == values.max(axis=0)
    center = np.where(is_constant, values[0], values.mean(axis=0, dtype=np.float64))
    deviation = values.std(axis=0, dtype=np.float64)
    # The deviation is 0 also if the squares of tiny differences underflow.
    return center, np.where(is_constant | (deviation == 0), 1.0, deviation)
