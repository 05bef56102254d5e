"""Rows: the inputs and targets of one source, read and checked, before they are split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.data.arrays import as_array, check_inputs
from jaxmlp.data.cells import RawColumn, Where, cells_of, in_column, in_rows, numbers
from jaxmlp.data.columns import new_column
from jaxmlp.data.tables import ColumnName, Table, by_position, column_name, column_names, input_names, table_of
from jaxmlp.data.targets import RawTargets, array_targets, column_targets, several_targets

__all__ = ["Rows", "array_rows", "is_plain", "table_rows", "without_missing"]


@dataclass(frozen=True)
class Rows:
    """Inputs, targets and weights in the user's own units.

    Attributes:
      place: what errors call the source.
      inputs: (n, features) numbers, or one `RawColumn` for each column of a table.
      targets: the targets.
      target: the name of the target column, or a tuple of several; None if targets were given by themselves.
      where: from a row number to the words that tell where it is.
      weights: (n,) float64 with NaN for missing ones; None if all rows count alike.
      table: the cells as read; None for arrays.
    """

    place: str
    inputs: np.ndarray | tuple[RawColumn, ...]
    targets: RawTargets
    target: str | tuple[str, ...] | None
    where: Where
    weights: np.ndarray | None = None
    table: Table | None = None

    def take(self, rows: np.ndarray) -> "Rows":
        """Some of the rows, in the order given."""
        inputs = self.inputs
        taken = inputs[rows] if isinstance(inputs, np.ndarray) else tuple(column.take(rows) for column in inputs)
        weights = None if self.weights is None else self.weights[rows]
        where = in_rows(self.where, rows)
        return replace(self, inputs=taken, targets=self.targets.take(rows), where=where, weights=weights)


def array_rows(
    function: str, arrays: Sequence[Any], task: str | None, *, as_table: bool = False, like: Rows | None = None
) -> Rows:
    """The rows of arrays (inputs, targets) or (inputs, targets, weights).

    Real numbers stay an array unless `as_table` is set. `like` has the training rows of other splits, whose columns
    decide.
    """
    inputs, targets = arrays[:2]
    weights = arrays[2] if len(arrays) > 2 else None
    if as_table:
        table = table_of(function, inputs)
        found, where = _columns(function, table, list(table.columns), like), table.where
        count = len(found[0].values) if found else 0
        require(count > 0, function, "inputs", "have at least one row and one feature", np.shape(inputs))
    else:
        found = check_inputs(function, inputs)
        count, where, table = len(found), "inputs row {}".format, None
    raw = array_targets(function, targets, count, task)
    found_weights = None if weights is None else array_weights(function, weights, count)
    return Rows("inputs", found, raw, None, where, found_weights, table)


def array_weights(function: str, weights: Any, rows: int) -> np.ndarray:
    """Weights given by themselves, one for each row."""
    is_column = hasattr(weights, "to_numpy") or isinstance(weights, np.ma.MaskedArray)
    column = weights if is_column else as_array(function, "weights", weights)
    require(tuple(column.shape) == (rows,), function, "weights", f"be of shape ({rows},)", tuple(column.shape))
    return _column_weights(function, column, "weights row {}".format)


def _column_weights(function: str, column: Any, where: Where) -> np.ndarray:
    cells = cells_of(function, "weights", column).values
    values = numbers(function, cells, where)
    wrong = np.flatnonzero(values < 0)
    if wrong.size:
        require(False, function, where(int(wrong[0])), "be a weight of at least 0", float(values[wrong[0]]))
    return values


def is_plain(function: str, inputs: Any) -> bool:
    """Whether inputs are an array without names, text and missing values, which need no table."""
    if isinstance(inputs, np.ma.MaskedArray) or hasattr(inputs, "iloc") or isinstance(inputs, dict):
        return False
    array = as_array(function, "inputs", inputs)
    is_text = array.dtype.kind in "OUS" and array.ndim == 2
    return not is_text and not (jnp.issubdtype(array.dtype, np.floating) and array.ndim == 2 and np.isnan(array).any())


def table_rows(
    function: str,
    source: Any,
    *,
    target: ColumnName | Sequence[ColumnName] | None,
    task: str | None,
    weights: Any,
    ignore: ColumnName | Sequence[ColumnName] | None,
    categories: ColumnName | Sequence[ColumnName] | None,
    header: bool | None,
    like: Rows | None = None,
) -> Rows:
    """The rows of a file or a DataFrame, of whose columns one or several are targets, and one may be weights."""
    table = table_of(function, source, header)
    names = list(table.columns)
    require(len(names) >= 2, function, table.place, "have at least 2 columns", names)
    target = target if like is None or like.target is None else like.target
    chosen, weight = _roles(function, names, target, weights)
    used = input_names(function, names, [*chosen, *weight], column_names(function, "ignore", names, ignore))
    named = column_names(function, "categories", names, categories) if like is None else []
    inputs = _columns(function, table, used, like, named)
    rows = len(inputs[0].values)
    require(rows > 0, function, table.place, "have at least one row", 0)
    targets = _table_targets(function, table, chosen, task)
    found = [_column_weights(function, table.columns[one], in_column(table.where, one)) for one in weight]
    found += [] if weight or weights is None else [array_weights(function, weights, rows)]
    name = chosen[0] if len(chosen) == 1 else tuple(chosen)
    return Rows(table.place, inputs, targets, name, table.where, found[0] if found else None, table)


def _roles(function: str, names: list[str], target: Any, weights: Any) -> tuple[list[str], list[str]]:
    """The target columns, by default the last one that is left; and the column of weights, if there is one."""
    weight = [column_name(function, "weights", names, weights)] if isinstance(weights, (str, int)) else []
    if target is None:
        return [name for name in names if name not in weight][-1:], weight
    chosen = column_names(function, "target", names, target)
    require(len(chosen) > 0, function, "target", "name at least one column", target)
    require(not set(chosen) & set(weight), function, "weights", "be another column than the target", weights)
    return chosen, weight


def _table_targets(function: str, table: Table, names: Sequence[str], task: str | None) -> RawTargets:
    if len(names) > 1 or task == "multi-label":
        return several_targets(function, {name: table.columns[name] for name in names}, table.where, task)
    return column_targets(function, table.columns[names[0]], in_column(table.where, names[0]), task)


def _columns(
    function: str, table: Table, names: Sequence[str], like: Rows | None, categories: Sequence[str] = ()
) -> tuple[RawColumn, ...]:
    if like is None:
        return table.only(names).parsed(function, categories)
    known = [(column.name, column.is_number) for column in like.inputs if isinstance(column, RawColumn)]
    table = by_position(function, table, [name for name, _ in known])
    return tuple(new_column(function, name, is_number, table) for name, is_number in known)


def without_missing(function: str, rows: Rows, missing: str) -> tuple[Rows, int]:
    """The rows that stay under the user's rule for missing values, and how many were dropped."""
    columns = () if isinstance(rows.inputs, np.ndarray) else rows.inputs
    lacks_input = np.any([column.missing for column in columns], axis=0) if columns else False
    lacks_other = rows.targets.missing | (False if rows.weights is None else np.isnan(rows.weights))
    if missing == "drop":
        kept = np.flatnonzero(~(lacks_other | lacks_input))
        require(len(kept) > 0, function, rows.place, "have a row without missing values", 0)
        return (rows if len(kept) == len(lacks_other) else rows.take(kept)), len(lacks_other) - len(kept)
    bad = np.flatnonzero(lacks_other if missing == "impute" else lacks_other | lacks_input)
    if bad.size:
        _refuse(function, rows, int(bad[0]), missing)
    return rows, 0


def _refuse(function: str, rows: Rows, row: int, missing: str) -> None:
    """The error of the first missing value in a row."""
    columns = () if isinstance(rows.inputs, np.ndarray) or missing == "impute" else rows.inputs
    name = next((column.name for column in columns if column.missing[row]), None)
    rule = "have a value (missing='drop' leaves such rows out, missing='impute' fills them in)"
    place = rows.targets.where(row) if name is None else in_column(rows.where, name)(row)
    if name is None:
        what = "target" if rows.targets.missing[row] else "weight"
        rule = f"have a value (a {what} cannot be imputed; missing='drop' leaves such rows out)"
        place = place if what == "target" else f"the weight of {rows.where(row)}"
        name = rows.target if what == "target" and isinstance(rows.target, str) else None
    cells = rows.table.columns[name] if rows.table and name is not None else None
    cell = None if cells is None else cells.iloc[row] if hasattr(cells, "iloc") else cells[row]
    require(False, function, place, rule, cell.strip() if isinstance(cell, str) else None)
