"""How a text file writes its table: encoding, comment lines, separator, decimal sign, header."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from itertools import islice

import numpy as np

from jaxmlp.checks import require
from jaxmlp.data.cells import is_missing, number

__all__ = [
    "SAMPLE",
    "WHITESPACE",
    "decimal_points",
    "decoded",
    "first_line_is_header",
    "records",
    "separator",
    "without_comments",
]

WHITESPACE = r"\s+"
"""The separator of columns that blanks align, as pandas writes it."""

SAMPLE = 200
"""How many records tell the separator and the number of columns."""

_SEPARATORS = (";", "\t", "|", ",", WHITESPACE)
_TOKEN = re.compile(r'"[^"]*"|\S+')
_COMMA = re.compile(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*")
_POINT = re.compile(r"\s*[-+]?\d*\.\d+([eE][-+]?\d+)?\s*")
_THOUSANDS = re.compile(r"\s*[-+]?[1-9]\d{0,2},\d{3}\s*")


def decoded(name: str, content: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 or, if it is neither, Windows-1252 or Latin-1; lines end in \\n."""
    is_workbook = content[:2] == b"PK" or content[:4] in (b"PAR1", b"\xd0\xcf\x11\xe0")
    rule = "be a text file (read spreadsheets and binary formats with pandas, and pass the DataFrame)"
    require(not is_workbook, "load", name, rule, content[:4])
    text = _decoded(content)
    require("\0" not in text, "load", name, rule, content[:4])
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    head = content[:200]
    if b"\0" in head:
        # Characters of the Latin alphabet have a zero byte first in big-endian UTF-16, and second in little-endian.
        return content.decode("utf-16-be" if head[:1] == b"\0" else "utf-16-le", "replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            pass
    return content.decode("latin-1")


def without_comments(text: str) -> tuple[list[str], str]:
    """(lines that start with #, or with sep= as Excel writes it; the text after them), at the top of a file only."""
    comments = []
    while text.startswith("#") or (not comments and re.match(r'"?sep=.', text)):
        line, _, text = text.partition("\n")
        comments.append(line)
    return comments, text


def records(text: str, mark: str, most: int) -> list[list[str]]:
    """The cells of the first records of a text, blank lines left out."""
    lines = io.StringIO(text)
    if mark == WHITESPACE:
        found = ([cell.strip('"') for cell in _TOKEN.findall(line)] for line in lines)
    else:
        found = csv.reader(lines, delimiter=mark, skipinitialspace=True)
    return list(islice((record for record in found if any(cell.strip() for cell in record)), most))


def separator(comments: Sequence[str], text: str) -> str:
    """The separator that gives all of the first lines the same number of cells, at least 2."""
    named = re.match(r'"?sep=(.)', comments[0]) if comments else None
    if named:
        return named[1]
    head = text if len(text) < 200_000 else text[: text.rfind("\n", 0, 200_000) + 1]
    widths = {mark: row_widths(head, mark) for mark in _SEPARATORS}
    regular = [mark for mark in _SEPARATORS if min(widths[mark], default=0) >= 2 and len(set(widths[mark])) == 1]
    # Aligned columns may hold a tab as well.
    if regular[:1] == ["\t"] and WHITESPACE in regular and re.search(r"\S {2,}\S", text[:10_000]):
        return WHITESPACE
    if regular:
        return regular[0]
    usual = {mark: usual_width(widths[mark]) for mark in (",", ";", "\t", "|")}
    best = max(usual, key=lambda mark: usual[mark])
    return WHITESPACE if usual[best] < 2 <= usual_width(widths[WHITESPACE]) else best


def usual_width(widths: Sequence[int]) -> int:
    """The most frequent number of cells, the earlier one if two are equally frequent; 0 for none."""
    return max(widths, key=widths.count, default=0)


def row_widths(text: str, mark: str) -> list[int]:
    """The numbers of cells in the first records; if all but the first record end with a separator, it adds no cell."""
    try:
        found = records(text, mark, SAMPLE)
    except csv.Error:
        return []
    widths = [len(record) for record in found]
    ends = [record[-1].strip() == "" for record in found]
    if widths and all(ends[1:]) and len(set(widths[1:])) == 1 and widths[0] == widths[-1] - 1:
        return [widths[0]] * len(widths)
    return widths


def decimal_points(name: str, mark: str, cells: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """(n, columns) cells whose decimal commas have become points, in a file whose separator is not the comma.

    1,234 alone may be a thousand: it is a decimal only in files with semicolons, or beside numbers such as 1,5.
    """
    flat = [cell for cell in cells.ravel().tolist() if "," in cell and _COMMA.fullmatch(cell)] if mark != "," else []
    if not flat or (mark != ";" and all(_THOUSANDS.fullmatch(cell) for cell in flat)):
        return cells
    for row, position in zip(*np.nonzero(np.array([["." in cell for cell in row] for row in cells])), strict=True):
        cell = str(cells[row, position])
        place = f"{name} line {lines[row]}, column {position}"
        rule = f"have the decimal sign of {flat[0]!r}"
        require(not _POINT.fullmatch(cell), "load", place, rule, cell)
    changed = [cell.replace(",", ".") if "," in cell and _COMMA.fullmatch(cell) else cell for cell in cells.ravel()]
    return np.array(changed, object).reshape(cells.shape)


def first_line_is_header(
    name: str, first: Sequence[str] | np.ndarray, others: Sequence[Sequence[str]] | np.ndarray
) -> bool:
    """Whether a first line names the columns: text above numbers does, a number above numbers does not.

    Above text, a cell that occurs again in its column speaks against a header. Contradictions are asked about.
    """
    names, values, repeated = 0, 0, []
    for position, cell in enumerate(first):
        below = [record[position].strip() for record in others if not is_missing(record[position])]
        if not below or is_missing(cell):
            continue
        if 2 * sum(number(other) is not None for other in below) < len(below):
            repeated.append(cell.strip() in below)
        elif number(cell) is None:
            names += 1
        else:
            values += 1
    is_header = bool(names) or (bool(repeated) and not values and not any(repeated))
    is_row = (not names and (any(repeated) if values else all(repeated))) or (bool(values) and not repeated)
    rule = "say with header=True or header=False if its first line holds column names"
    is_clear = is_header != is_row and not (names and (values or any(repeated)))
    require(is_clear, "load", name, rule, list(first))
    return is_header
