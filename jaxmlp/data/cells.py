"""What a cell of a table is: missing, a number or text; and the one kind that all cells of a column must share."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.checks import require

__all__ = [
    "MISSING",
    "Cells",
    "RawColumn",
    "Where",
    "all_numbers",
    "category_column",
    "cells_of",
    "in_column",
    "in_rows",
    "input_column",
    "is_missing",
    "number",
    "numbers",
    "refuse_amount",
    "texts",
]

MISSING = frozenset((
    "", "?", "-", "--", "---", "\u2013", "\u2014", ".", "..", "*", "na", "n/a", "n.a.", "n.a", "nan", "-nan", "null",
    "(null)", "none", "missing", "<na>", "\\n", "#na", "#n/a", "#n/a n/a", "#null!", "#div/0!", "#value!", "#ref!",
    "#name?", "#num!", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
))  # fmt: skip
"""Texts that stand for a missing value, in lower case and without surrounding blanks."""

Where = Callable[[int], str]
"""From a row number to the words that tell the user where the row is: "wine.csv line 3"."""

_AMOUNT = re.compile(r"[-+(]?\s*[$€£¥]?\s*[-+]?\d[\d.,'_\s]*([eE][-+]?\d+)?\s*[%$€£¥)]?")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"(\d{{4}}[-/.]\d{{1,2}}([-/.]\d{{1,2}})?|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}|\d{{1,2}}[- ]{_MONTH}[- ]\d{{2,4}}"
    rf"|{_MONTH}[- ]\d{{1,2}}(,? \d{{4}})?)([ T]\d{{1,2}}:\d\d.*)?|\d{{1,2}}:\d\d(:\d\d(\.\d+)?)?",
    re.IGNORECASE,
)


def in_column(where: Where, name: str) -> Where:
    """The words for the cells of a column."""
    return lambda row: f"{where(row)}, column {name!r}"


def in_rows(where: Where, rows: np.ndarray) -> Where:
    """The words for some of the rows."""
    return lambda row: where(int(rows[row]))


class RawColumn(NamedTuple):
    """A named column in the user's own units, before anything is learned from the training rows.

    Attributes:
      name: of the column.
      values: (n,) float64 with NaN for missing, or (n,) str objects with None for missing.
    """

    name: str
    values: np.ndarray

    @property
    def is_number(self) -> bool:
        """True for numbers, False for text."""
        return self.values.dtype.kind == "f"

    @property
    def missing(self) -> np.ndarray:
        """(n,) bool."""
        return np.isnan(self.values) if self.is_number else np.array([value is None for value in self.values], bool)

    def take(self, rows: np.ndarray) -> "RawColumn":
        """The column of some rows."""
        return RawColumn(self.name, self.values[rows])


def is_missing(cell: object) -> bool:
    """True for None, NaN, pandas' NA and NaT, and the texts in `MISSING`."""
    if isinstance(cell, str):
        return cell.strip().lower() in MISSING
    return cell is None or str(cell) in ("nan", "<NA>", "NaT")


def number(cell: object) -> float | None:
    """The number that a cell holds, or None; bools and texts such as 1_000 are not numbers."""
    if isinstance(cell, (bool, np.bool_)) or (isinstance(cell, str) and "_" in cell):
        return None
    try:
        return float(cell)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return None


def numbers(function: str, cells: Sequence[Any] | np.ndarray, where: Where) -> np.ndarray:
    """(n,) float64 of cells that must all be numbers that float32 can hold; NaN for missing ones."""
    quick = all_numbers(cells)
    if quick is not None and not (np.abs(quick) > _LARGEST).any():
        return quick
    found = [np.nan if is_missing(cell) else number(cell) for cell in cells]
    for row, value in enumerate(found):
        if value is None or abs(value) > _LARGEST:
            place, cell = where(row), cells[row]
            refuse_amount(function, place, cell)
            require(value is not None, function, place, "be a number", cell)
            require(False, function, place, "be a finite float32 number", cell if isinstance(cell, str) else value)
    return np.array(found, np.float64)


_LARGEST = float(np.finfo(np.float32).max)


def all_numbers(cells: Sequence[Any] | np.ndarray) -> np.ndarray | None:
    """(n,) float64 of cells that are numbers already or texts of numbers throughout, quickly; None for others."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "f":
        return cells
    if not all(isinstance(cell, str) for cell in cells) or "_" in "".join(cells):
        return None
    try:
        return np.asarray(cells, object).astype(np.float64)
    except ValueError:
        return None


def texts(cells: Sequence[Any] | np.ndarray) -> np.ndarray:
    """(n,) objects: the cells as str without surrounding blanks, None for missing ones."""
    found = np.empty(len(cells), object)
    found[:] = [None if is_missing(cell) else str(cell).strip() for cell in cells]
    return found


class Cells(NamedTuple):
    """The cells of a column of whatever type, as NumPy has them.

    Attributes:
      kind: "integer", "float", "bool" or "category" if the dtype says so, else "text", which may hold numbers.
      values: (n,) float64 with NaN for missing numbers, else (n,) objects.
    """

    kind: str
    values: np.ndarray


def cells_of(function: str, place: str, column: Any) -> Cells:
    """The cells of a Series, an array or a masked array, read by its dtype."""
    kind = getattr(column.dtype, "kind", "O")
    is_number = kind in "iuf"
    rule = "hold numbers or text, no dates or times (replace them by numbers, or leave them out with ignore=)"
    require(kind not in "Mm", function, place, rule, str(column.dtype))
    require(kind != "c", function, place, "hold real numbers", str(column.dtype))
    if isinstance(column, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(column)
        column = column.data.astype(np.float64 if is_number else object)
        column[mask] = np.nan if is_number else None
    if is_number:
        missing = {} if isinstance(column, np.ndarray) else {"na_value": np.nan}
        values = np.asarray(column if isinstance(column, np.ndarray) else column.to_numpy(np.float64, **missing))
        return Cells("float" if kind == "f" else "integer", values.astype(np.float64))
    column = np.char.decode(column, "utf-8") if kind == "S" and isinstance(column, np.ndarray) else column
    is_category = str(column.dtype) == "category"
    return Cells("category" if is_category else "bool" if kind == "b" else "text", np.asarray(column, object))


def category_column(function: str, name: str, column: Any) -> RawColumn:
    """A column of categories, whatever its cells; integers are named 1, not 1.0."""
    kind, cells = cells_of(function, f"column {name!r}", column)
    whole = [None if np.isnan(cell) else int(cell) for cell in cells] if kind == "integer" else cells
    return RawColumn(name, texts(whole))


def input_column(function: str, name: str, column: Any, where: Where) -> RawColumn:
    """A column of numbers if any cell is a number, else of categories; dates and free text are refused."""
    kind, cells = cells_of(function, f"column {name!r}", column)
    if kind in ("bool", "category"):
        return category_column(function, name, column)
    present = [] if all_numbers(cells) is not None else [row for row, cell in enumerate(cells) if not is_missing(cell)]
    if not present or any(number(cells[row]) is not None for row in present):
        return RawColumn(name, numbers(function, cells, in_column(where, name)))
    place = in_column(where, name)(present[0])
    values = texts(cells)
    refuse_amount(function, place, values[present[0]])
    dates = [row for row in present if _DATE.fullmatch(values[row])]
    rule = "be a number or a category, not a date or time (replace it by numbers, or leave it out with ignore=)"
    require(2 * len(dates) < len(present), function, place, rule, values[present[0]])
    _check_categories(function, place, values[present])
    return RawColumn(name, values)


def _check_categories(function: str, place: str, values: np.ndarray) -> None:
    """Refuses free text and identifiers, which have too many different values to learn from."""
    most = max(10, min(100, len(values) // 2))
    count = len(set(values))
    rule = f"be a number or one of at most {most} categories in {len(values)} rows (see ignore= and categories=)"
    if count > most:
        raise ValueError(f"{function}: {place} must {rule}, got {count} different texts, the first {values[0]!r}")


def refuse_amount(function: str, place: str, cell: object) -> None:
    """Refuses texts such as 1,234 or 12 % or $5, which would become categories."""
    text = cell.strip() if isinstance(cell, str) and number(cell) is None else ""
    is_amount = _AMOUNT.fullmatch(text) and not _DATE.fullmatch(text)
    rule = "be a number without thousands separators, percent or currency signs, and with a decimal point"
    require(not is_amount, function, place, rule, cell)
