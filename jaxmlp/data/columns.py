"""What is learned about each input column from its training rows, and how it turns new cells into numbers."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxmlp.checks import require
from jaxmlp.data.cells import RawColumn, Where, category_column, cells_of, in_column, numbers
from jaxmlp.data.tables import Table

__all__ = ["Column", "encoded", "fit_column", "new_column"]


@dataclass(frozen=True)
class Column:
    """An input column: of numbers, or of categories that become one 0 or 1 each (one-hot).

    Attributes:
      name: of the column.
      categories: those of the training rows in sorted order; None for numbers.
      fill: what replaces a missing value (the median of the training rows, or their most frequent category); None
        if a missing value is an error.
      has_indicator: True if one more feature is 1 for rows whose value was missing; training rows had some.
    """

    name: str
    categories: tuple[str, ...] | None = None
    fill: float | str | None = None
    has_indicator: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features that the column becomes: "age", or "color=red" and "color=blue"."""
        indicator = (f"{self.name} is missing",) if self.has_indicator else ()
        if self.categories is None:
            return (self.name, *indicator)
        return (*(f"{self.name}={category}" for category in self.categories), *indicator)

    @property
    def is_scaled(self) -> tuple[bool, ...]:
        """For each feature: True for numbers; features that are 0 or 1 stay unscaled."""
        return (self.categories is None, *[False] * (len(self.features) - 1))


def fit_column(function: str, column: RawColumn, place: str, missing: str) -> Column:
    """The categories and the fill of a column of training rows."""
    present = column.values[~column.missing]
    rule = "have at least one value in the training rows (leave it out with ignore=)"
    require(len(present) > 0, function, f"{place} column {column.name!r}", rule, "none")
    categories = None if column.is_number else tuple(sorted(set(present)))
    if missing != "impute":
        return Column(column.name, categories)
    fill = float(np.median(present)) if categories is None else max(categories, key=present.tolist().count)
    return Column(column.name, categories, fill, bool(column.missing.any()))


def encoded(function: str, columns: Sequence[Column], raw: Sequence[RawColumn], where: Where) -> np.ndarray:
    """(n, features) float64 of a table."""
    features = []
    for column, cells in zip(columns, raw, strict=True):
        values, is_missing = cells.values, cells.missing
        if column.fill is not None:
            values = np.where(is_missing, np.array(column.fill, values.dtype), values)
        elif is_missing.any():
            row = int(np.flatnonzero(is_missing)[0])
            require(False, function, f"{where(row)}, column {column.name!r}", "have a value", None)
        if column.categories is None:
            features.append(values)
        else:
            _warn_of_unseen(function, column, values, where)
            features += [(values == category).astype(np.float64) for category in column.categories]
        if column.has_indicator:
            features.append(is_missing.astype(np.float64))
    return np.stack(features, axis=1)


def _warn_of_unseen(function: str, column: Column, values: np.ndarray, where: Where) -> None:
    known = set(column.categories or ())
    unseen = [row for row, value in enumerate(values) if value not in known]
    if unseen:
        names = ", ".join(sorted({repr(values[row]) for row in unseen}))
        text = f"{function}: {where(unseen[0])}, column {column.name!r}: no training row has {names}; encoded as zeros"
        warnings.warn(text, UserWarning, stacklevel=2)


def new_column(function: str, name: str, is_number: bool, table: Table) -> RawColumn:
    """The cells of a known column in other rows: numbers or categories, as in the training rows."""
    require(name in table.columns, function, table.place, f"have a column {name!r}", list(table.columns))
    if not is_number:
        return category_column(function, name, table.columns[name])
    cells = cells_of(function, f"column {name!r}", table.columns[name]).values
    return RawColumn(name, numbers(function, cells, in_column(table.where, name)))
