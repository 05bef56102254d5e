"""User text on its way out: one function for each format that it is written to.

Names, paths, error messages and numbers of users reach the terminal, figures, file names, JSON, CSV and Markdown
through these functions only. HTML is escaped by the report's Jinja environment, which uses `printable` too.
"""

import json
import math
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.text import Text

_LONGEST_FILE_NAME = 100
_RESERVED = re.compile(r"\.*|(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # names that Windows or POSIX keep for themselves
_MARKDOWN = re.compile(r"[\\`*<>\[\]|~$&#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def printable(text: object) -> str:
    """The text on one line; a character that cannot be printed becomes U+FFFD."""
    flat = " ".join(str(text).split())
    return "".join(character if character.isprintable() else "\ufffd" for character in flat)


def for_terminal(text: object, style: str = "") -> Text:
    """Text for rich, which reads no markup in it."""
    return Text(printable(text), style=style)


def for_figure(text: object) -> str:
    """Text for matplotlib: a dollar sign starts no formula, and a legend shows labels that begin with an underscore."""
    plain = printable(text).replace("$", r"\$")
    return f"\u2009{plain}" if plain.startswith("_") else plain


def for_file_name(text: str) -> str:
    """A file or folder name of letters, digits and `_ . = @ -`; a checksum keeps different texts apart.

    Texts that differ in case only get different names too, for file systems that ignore case.
    """
    plain = re.sub(r"[^A-Za-z0-9_.=@-]+", "_", text)[:_LONGEST_FILE_NAME]
    reserved = _RESERVED.fullmatch(plain.lower()) or plain.endswith(".")
    if plain == text.lower() and not reserved:
        return plain
    return f"{'_' if reserved else ''}{plain}-{zlib.crc32(text.encode(errors='surrogatepass')):08x}"


def for_markdown(text: object) -> str:
    """Text for Markdown, without any markup of its own."""
    return _MARKDOWN.sub(lambda match: "\\" + match[0], printable(text))


def write_csv(table: pd.DataFrame, path: Path, **options: Any) -> None:
    """Writes a table as CSV in UTF-8; NumPy and JAX scalars become numbers."""
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    table.assign(**{name: table[name].map(_cell) for name in texts}).to_csv(
        path, index=False, encoding="utf-8", **options
    )


def write_json(value: object, path: Path) -> None:
    """Writes a value as strict JSON in UTF-8: arrays become lists, NaN and infinities null, anything else text."""
    path.write_text(json.dumps(_jsonable(value), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _cell(value: Any) -> Any:
    if hasattr(value, "dtype") and np.ndim(value) == 0:
        return np.asarray(value).item()
    return printable(value) if isinstance(value, str) else value


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {printable(name): _jsonable(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_jsonable(inner) for inner in value]
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return _jsonable(np.asarray(value).tolist())
    if isinstance(value, (bool, int, type(None))):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return printable(value)
