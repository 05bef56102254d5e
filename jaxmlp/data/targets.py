"""Targets: labels 0..k - 1 and the names of their classes, 0 or 1 for each of several labels, or numbers to predict."""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.data.arrays import as_array, real_numbers
from jaxmlp.data.cells import (
    Where,
    all_numbers,
    cells_of,
    in_column,
    in_rows,
    is_missing,
    number,
    numbers,
    refuse_amount,
    texts,
)

__all__ = [
    "ClassName",
    "Classes",
    "RawTargets",
    "array_targets",
    "class_codes",
    "column_targets",
    "known_codes",
    "label_names",
    "several_targets",
]

ClassName: TypeAlias = str | int | float | bool
Classes: TypeAlias = tuple[ClassName, ...]
"""The names of classes in the order of their labels."""


@dataclass(frozen=True)
class RawTargets:
    """Targets in the user's own units.

    Attributes:
      values: class names, (n,) objects with None for missing ones; or numbers, (n, outputs) with NaN for missing ones.
      is_label: True for class names.
      labels: the names of the columns if these are 0 and 1 throughout, for multi-label classification; else None.
      where: from a row number to the words that tell where it is.
    """

    values: np.ndarray
    is_label: bool
    where: Where
    labels: Classes | None = None

    @property
    def task(self) -> str:
        """What the targets are for: "classification", "multi-label" or "regression"."""
        return "classification" if self.is_label else "regression" if self.labels is None else "multi-label"

    @property
    def missing(self) -> np.ndarray:
        """(n,) bool."""
        if self.is_label:
            return np.array([value is None for value in self.values], bool)
        return np.asarray(np.isnan(self.values).any(axis=1))

    def take(self, rows: np.ndarray) -> "RawTargets":
        """The targets of some rows."""
        return replace(self, values=self.values[rows], where=in_rows(self.where, rows))


def column_targets(function: str, column: Any, where: Where, task: str | None) -> RawTargets:
    """Targets in a column of a table: unless `task` says otherwise, text and integers are labels, fractions numbers."""
    kind, cells = cells_of(function, "target", column)
    is_text = all_numbers(cells) is None and any(number(cell) is None for cell in cells if not is_missing(cell))
    if is_text and task != "regression":
        return RawTargets(_names(function, kind, cells, where, task), True, where)
    if kind == "bool":
        cells = np.array([np.nan if is_missing(cell) else float(cell) for cell in cells])
    values = numbers(function, cells, where)
    are_whole = bool((values[~np.isnan(values)] % 1 == 0).all())
    if task == "classification" or (task is None and (kind == "category" or are_whole)):
        return RawTargets(_numbers_as_names(function, values, where), True, where)
    return RawTargets(values[:, None], False, where)


def _names(function: str, kind: str, cells: np.ndarray, where: Where, task: str | None) -> np.ndarray:
    if kind == "bool":
        found = np.empty(len(cells), object)
        found[:] = [None if is_missing(cell) else bool(cell) for cell in cells]
        return found
    found = texts(cells)
    for row, cell in enumerate(found if task is None else ()):
        if isinstance(cell, str) and "_" not in cell and number(cell) is None:
            refuse_amount(function, where(row), cell)
    return found


def _numbers_as_names(function: str, values: np.ndarray, where: Where) -> np.ndarray:
    """Class names that are numbers: Python ints if all are whole, else floats; None for NaN."""
    large = np.flatnonzero(np.abs(values) >= 2**53)
    require(not large.size, function, where(large[0] if large.size else 0), "be a label below 2**53", "a larger one")
    present = ~np.isnan(values)
    convert = int if (values[present] % 1 == 0).all() else float
    found = np.empty(len(values), object)
    found[present] = [convert(value) for value in values[present]]
    return found


def array_targets(function: str, targets: Any, rows: int, task: str | None) -> RawTargets:
    """Targets given by themselves: integers, bools and text are labels, floating point numbers are not."""
    if type(targets).__module__.split(".")[0] == "pandas" and hasattr(targets, "columns") and targets.shape[1] == 1:
        targets = targets.iloc[:, 0]
    values = targets if hasattr(targets, "to_numpy") or isinstance(targets, np.ma.MaskedArray) else None
    values = as_array(function, "targets", targets) if values is None else values
    if len(values.shape) == 2 and values.shape[1] == 1:
        values = values[:, 0]
    rule = "be of shape (n,) or (n, outputs)"
    require(len(values.shape) in (1, 2), function, "targets", rule, values.shape)
    require(values.shape[0] == rows, function, "targets", f"have as many rows as inputs ({rows})", values.shape[0])
    if isinstance(values, np.ndarray) and not isinstance(values, np.ma.MaskedArray) and _are_numbers(values, task):
        require(values.size > 0, function, "targets", "have at least one output", values.shape)
        return RawTargets(real_numbers(function, "targets", values).reshape(rows, -1), False, "targets row {}".format)
    if task == "multi-label" and len(values.shape) == 1:
        return several_targets(function, {"label 0": values}, "targets row {}".format, task)
    if len(values.shape) == 2:
        return _outputs(function, values, task)
    is_floating = cells_of(function, "targets", values).kind == "float"
    task = "regression" if is_floating and task is None else task
    return column_targets(function, values, "targets row {}".format, task)


def _are_numbers(values: np.ndarray, task: str | None) -> bool:
    """Whether an array has numbers to predict, none of them missing."""
    is_floating = jnp.issubdtype(values.dtype, np.floating)
    is_real = is_floating or values.dtype.kind in "biu"
    return is_real and (task == "regression" or (task is None and is_floating)) and not np.isnan(values).any()


def _outputs(function: str, values: Any, task: str | None) -> RawTargets:
    """(n, outputs) numbers, or 0 or 1 for each of several labels."""
    require(values.shape[1] > 0, function, "targets", "have at least one output", values.shape)
    if hasattr(values, "iloc"):
        columns = {str(name): values.iloc[:, position] for position, name in enumerate(values.columns)}
    else:
        columns = dict(zip(label_names(values.shape[1]), values.T, strict=True))
    return several_targets(function, columns, "targets row {}".format, task)


def label_names(count: int) -> tuple[str, ...]:
    """Names for the labels of multi-label targets in an array, whose columns have none."""
    return tuple(f"label {position}" for position in range(count))


def several_targets(function: str, columns: dict[str, Any], where: Where, task: str | None) -> RawTargets:
    """Targets in several columns: unless `task` says otherwise, integers and bools throughout are labels of 0 and 1."""
    found = [_numbers(function, column, in_column(where, name), task) for name, column in columns.items()]
    values = np.stack([numbers for numbers, _ in found], axis=1)
    if task == "regression" or (task is None and not all(are_whole for _, are_whole in found)):
        return RawTargets(values, False, where)
    wrong = np.argwhere(~np.isnan(values) & (values != 0) & (values != 1))
    if wrong.size:
        row, position = wrong[0]
        place = in_column(where, list(columns)[position])(row)
        rule = "be 0 or 1, as in multi-label classification (see task='regression' for numbers to predict)"
        require(False, function, place, rule, float(values[row, position]))
    return RawTargets(values, False, where, tuple(columns))


def _numbers(function: str, column: Any, where: Where, task: str | None) -> tuple[np.ndarray, bool]:
    """((n,) numbers, whether they are integers or bools) of one of several target columns."""
    kind, cells = cells_of(function, "target", column)
    words = {str(cell).strip().lower() for cell in cells if not is_missing(cell)} if kind == "text" else set()
    if task != "regression" and words and words <= {"true", "false"}:
        bits = [np.nan if is_missing(cell) else float(str(cell).strip().lower() == "true") for cell in cells]
        return np.array(bits), True
    values = column_targets(function, column, where, "regression").values[:, 0]
    is_text_of_integers = kind == "text" and bool((values[~np.isnan(values)] % 1 == 0).all())
    return values, kind in ("integer", "bool") or is_text_of_integers


def class_codes(values: np.ndarray) -> tuple[np.ndarray, Classes]:
    """((n,) labels 0..k - 1, class names in sorted order) of class names without missing ones."""
    are_text = any(isinstance(value, str) for value in values)
    found = np.unique(values.astype(str)) if are_text else sorted(set(values.tolist()))
    classes = tuple(found.tolist() if isinstance(found, np.ndarray) else found)
    codes = {name: code for code, name in enumerate(classes)}
    return np.array([codes[str(value) if are_text else value] for value in values], np.int64), classes


def known_codes(function: str, targets: RawTargets, classes: Classes) -> np.ndarray:
    """(n,) labels of class names that must be among those of training."""
    codes = {name: code for code, name in enumerate(classes)}
    are_text = any(isinstance(name, str) for name in classes)
    values = [str(value) for value in targets.values] if are_text else targets.values.tolist()
    for row, value in enumerate(values):
        rule = f"be one of the {len(classes)} classes in training"
        require(value in codes, function, targets.where(row), rule, value)
    return np.array([codes[value] for value in values], np.int64)
