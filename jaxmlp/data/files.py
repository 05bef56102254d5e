"""Text files with a table: .csv, .tsv, .txt, .data, and these compressed by gzip; read with pandas."""

import csv
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.checks import require
from jaxmlp.data import dialects
from jaxmlp.data.idx import unpacked

__all__ = ["SUFFIXES", "TextTable", "read_file"]

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat", ".test")
"""The ends of file names that `load` takes for a table, also before .gz."""


class TextTable(NamedTuple):
    """The cells of a file as text.

    Attributes:
      names: of the columns.
      cells: (n, columns) objects, each a str.
      lines: (n,) the line of the file on which each row starts, counted from 1.
    """

    names: list[str]
    cells: np.ndarray
    lines: np.ndarray


def read_file(source: str | Path, header: bool | None) -> TextTable:
    """The table in a file; `header` says if its first line holds names, None to find out."""
    path = Path(source).expanduser()
    require(path.is_file(), "load", "source", "be a file that exists", str(source), FileNotFoundError)
    comments, text = dialects.without_comments(dialects.decoded(path.name, unpacked(path)))
    mark = dialects.separator(comments, text)
    cells, lines = _cells(path.name, text, mark, len(comments))
    cells = dialects.decimal_points(path.name, mark, cells, lines)
    names = _names_in_comment(path.name, comments, mark, cells) if header is None else None
    if names is None:
        cells, lines, names = _split_header(path.name, cells, lines, header)
    require(len(cells) >= 1, "load", path.name, "have a header and at least one row", f"{len(lines)} lines")
    return _named(path.name, names, cells, lines)


def _cells(name: str, text: str, mark: str, skipped: int) -> tuple[np.ndarray, np.ndarray]:
    """((n, columns) cells, (n,) line numbers) of the rows that are not blank."""
    pandas = _pandas(name)
    width = _width(name, text, mark, skipped)
    layout: dict[str, Any] = {"sep": mark, "header": None, "names": range(width), "skip_blank_lines": False}
    try:
        frame = pandas.read_csv(
            io.StringIO(text), dtype=str, keep_default_na=False, na_filter=False, skipinitialspace=True, **layout
        )
    except pandas.errors.ParserError as error:
        raise _explained(name, error, width, skipped) from error
    cells = frame.to_numpy(object)
    breaks = np.array([sum(str(cell).count("\n") for cell in row) for row in cells] if '"' in text else 0)
    lines = 1 + skipped + np.arange(len(cells)) + np.broadcast_to(np.cumsum(breaks) - breaks, len(cells))
    kept = np.array([any(cell.strip() for cell in row) for row in cells])
    cells, lines = cells[kept], lines[kept]
    return _without_empty_end(name, text.split("\n"), mark, cells, lines, skipped), lines


def _width(name: str, text: str, mark: str, skipped: int) -> int:
    """The number of cells in a line, with the empty one after a separator at the end."""
    try:
        found = dialects.records(text, mark, dialects.SAMPLE)
    except csv.Error as error:
        raise ValueError(f"load: {name} must be a table of text, got {error}") from error
    require(len(found) >= 2, "load", name, "have a header and at least one row", f"{len(found)} lines")
    widths = [len(record) for record in found]
    width = dialects.usual_width(widths)
    has_end = all(record[-1].strip() == "" for record in found[1:]) and widths[0] == width - 1
    odd = next((row for row, count in enumerate(widths) if count != width), None)
    if odd is not None and not has_end:
        filled = [line for line, content in enumerate(text.split("\n"), 1 + skipped) if content.strip()]
        rule = f"have {width} cells, as most lines have"
        require(False, "load", f"{name} line {filled[odd]}", rule, widths[odd])
    return width


def _pandas(name: str) -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f"load: {name} needs pandas: pip install 'jaxmlp[data]'") from error
    return pandas


def _explained(name: str, error: Exception, width: int, skipped: int) -> ValueError:
    """The error of pandas in the words of this package."""
    found = re.search(r"in line (\d+), saw (\d+)", str(error))
    if found:
        line, count = int(found[1]) + skipped, int(found[2])
        return ValueError(f"load: {name} line {line} must have {width} cells, as most lines have, got {count}")
    return ValueError(f"load: {name} must be a table of text, got {error}")


def _without_empty_end(
    name: str, text: list[str], mark: str, cells: np.ndarray, lines: np.ndarray, skipped: int
) -> np.ndarray:
    """Drops a last column without any text, which separators at the ends of lines make; refuses rows that are short."""
    if cells.shape[1] > 2 and not any(cell.strip() for cell in cells[:, -1]):
        cells = cells[:, :-1]
    width = cells.shape[1]
    for row in np.flatnonzero(cells[:, -1] == ""):
        line = text[lines[row] - 1 - skipped]
        count = len((dialects.records(line, mark, 1) or [[]])[0])
        is_one_line = line.count('"') % 2 == 0
        rule = f"have {width} cells, as most lines have"
        require(count >= width or not is_one_line, "load", f"{name} line {lines[row]}", rule, count)
    return cells


def _names_in_comment(name: str, comments: list[str], mark: str, cells: np.ndarray) -> list[str] | None:
    """The cells of the last comment line, if there is one for each column and the first row looks like values."""
    found = dialects.records(comments[-1].lstrip("# "), mark, 1) if comments else []
    if not found or len(found[0]) != cells.shape[1] or comments[-1].startswith(("sep=", '"sep=')):
        return None
    return None if dialects.first_line_is_header(name, cells[0], cells[1:1000]) else found[0]


def _split_header(
    name: str, cells: np.ndarray, lines: np.ndarray, header: bool | None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    if header is None:
        header = dialects.first_line_is_header(name, cells[0], cells[1:1000])
    if header:
        return cells[1:], lines[1:], [str(cell).strip() for cell in cells[0]]
    return cells, lines, [f"column {position}" for position in range(cells.shape[1])]


def _named(name: str, names: list[str], cells: np.ndarray, lines: np.ndarray) -> TextTable:
    """A table whose columns have names, all different; an unnamed first column of row labels is left out."""
    if names[0] in ("", "Unnamed: 0") and len(set(cells[:, 0])) == len(cells):
        names, cells = names[1:], cells[:, 1:]
    require(len(names) >= 2, "load", name, "have at least 2 columns", names)
    require(all(names), "load", name, "have a name for each column", names)
    require(len(set(names)) == len(names), "load", name, "have a different name for each column", names)
    return TextTable(names, cells, lines)
