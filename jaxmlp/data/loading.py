"""load: read, split, encode, scale, send to the device."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np

from jaxmlp.checks import check_choice, check_count, check_non_negative, check_rate, require
from jaxmlp.data.bundled import BUNDLED, read_bundled
from jaxmlp.data.files import SUFFIXES
from jaxmlp.data.mnist import URLS, read_mnist
from jaxmlp.data.preparation import Preparation
from jaxmlp.data.preparing import prepared
from jaxmlp.data.rows import Rows, array_rows, is_plain, table_rows, without_missing
from jaxmlp.data.stratified import check_fractions, check_seed
from jaxmlp.data.synthetic import GATES, SHAPES, curves, gate
from jaxmlp.data.tables import ColumnName, is_frame
from jaxmlp.data.types import Data

__all__ = ["NAMES", "Source", "kind_of", "load"]

Source: TypeAlias = Any
"""A name, a path, a DataFrame, or arrays (inputs, targets) or (inputs, targets, weights)."""

_IMAGES = ("digits", *URLS)
NAMES = (*BUNDLED, *URLS, *GATES, *SHAPES)
_KINDS = {"bundled": BUNDLED, "idx": tuple(URLS), "gate": tuple(GATES), "made": tuple(SHAPES)}


def load(
    source: Source,
    *,
    target: ColumnName | Sequence[ColumnName] | None = None,
    weights: Any = None,
    task: str | None = None,
    validation: float | Source = 0.15,
    test: float | Source = 0.15,
    seed: int = 0,
    scale: str | None = "auto",
    missing: str = "refuse",
    ignore: ColumnName | Sequence[ColumnName] | None = None,
    categories: ColumnName | Sequence[ColumnName] | None = None,
    header: bool | None = None,
    folder: str | Path | None = None,
    rows: int | None = None,
    noise: float | None = None,
) -> Data:
    """Reads a data set, splits it, encodes and scales it, and puts it on the device.

    Files may be separated by commas, semicolons, tabs, bars or blanks, have decimal commas, be compressed (.gz), and be
    encoded in UTF-8, UTF-16 or Windows-1252. A first line of column names is recognized, and an unnamed first column of
    row labels is left out. A column of numbers is one input. A column of text or bools is one-hot encoded: one input of
    0 or 1 for each category of the training rows; another category in other rows becomes zeros, with a warning. Cells
    such as an empty one, NA, N/A, ?, -, nan, null and None are missing values. Dates, free text and numbers with
    thousands separators, percent or currency signs are refused.

    A target column is taken as labels if it is text, bools or integers throughout, else as numbers to predict; targets
    in an array of their own are labels unless their dtype is floating. Labels 0..k - 1 number the distinct values in
    sorted order. Several target columns of integers or bools, which must be 0 or 1, are labels of which a row may have
    any number (multi-label classification). `task` overrides all this.

    Everything is learned from the training rows alone: categories, imputed values, scales. `data.preparation` keeps
    it, `data.encode` applies it to new rows, and `data.decode` turns predictions into class names or original units.

    Args:
      source: one of "digits", "breast_cancer", "iris", "wine", "diabetes" (scikit-learn's copies);
        "fashion_mnist", "mnist" (their official test rows are the test split, and `test` does not apply);
        "and", "or", "xor" (the same 4 rows in every split); "moons", "circles", "spirals" (two classes);
        a path to a table (a str such as "wine.csv" or "wine.tsv.gz", or a Path); a pandas DataFrame; or a pair: inputs
        (n, features), an array, masked array or DataFrame, and targets, (n,) or (n, outputs); weights (n,) may follow.
      target: for files and DataFrames, the name or position of the target column, or a list of several; the last one by
        default.
      weights: for files, DataFrames and pairs, how much each row counts in losses and metrics, numbers of at least 0:
        (n,) of them, or for files and DataFrames the name or position of their column. Scales do not depend on them.
      task: for files, DataFrames and pairs, "classification", "regression" or "multi-label".
      validation: fraction of all rows (if the test rows are given: of the others), below 1; for files, DataFrames and
        pairs also rows of their own, given like `source`. With 0, all these rows are for training, and
        `data.validation` is `data.train`: what is then monitored is the error on the training rows
        (`data._replace(validation=data.test)` monitors the test rows instead, as some published set-ups do).
      test: fraction of all rows, above 0 and below 1; or rows of their own, as above.
      seed: an integer of at least 0, for shuffling before the split and for the noise of synthetic data sets.
      scale: "standard", "range" or None (as in `scaled`), or "auto": "range" for images, else "standard". Numbers to
        predict are standardized with the inputs. Gates, one-hot inputs and indicators are never scaled.
      missing: for files, DataFrames and pairs, what to do with missing values: "refuse" names the first; "drop" leaves
        out rows that have one; "impute" puts the median of the column, or its most frequent category, and adds an
        input of 0 or 1 that marks where, for each column in which training rows lack values. Targets are not imputed.
      ignore: for files and DataFrames, columns to leave out, by name or position.
      categories: for files and DataFrames, columns whose numbers are names of categories, by name or position. In
        DataFrames, columns of dtype category or bool are categories without it.
      header: for files, whether the first line holds column names; None to find out.
      folder: for "fashion_mnist" and "mnist", the folder of their four IDX files. Without it they are looked for in
        the folder that the environment variable JAXMLP_DATA names (or a folder in it named after the set), then where
        Debian installs them, and finally downloaded into the user's cache.
      rows: for "moons", "circles", "spirals", the number of rows in all; 1000 by default.
      noise: for the same, the standard deviation of the noise in the plane; 0.1 by default.

    Returns:
      Data of JAX arrays: inputs (n, features) float32, targets (n,) int32 labels, (n, labels) int32 that are 0 or 1, or
      (n, outputs) float32; weights (n,) float32 if given.

    Raises:
      ValueError: if the source is unknown, an argument is out of range or does not apply to this source, or the
        content is not as described; the error names the file, line and column.
      FileNotFoundError, OSError: if files are missing and cannot be downloaded.
      ImportError: if pandas, scikit-learn or pooch is needed and not installed.

    Example:
      >>> data = load("digits")
      >>> data.train.inputs.shape, data.validation.targets.shape
      ((1257, 64), (270,))
      >>> colors = ([["red"], ["blue"]] * 10, ["stop", "go"] * 10)
      >>> data = load(colors)
      >>> data.preparation.feature_names, data.preparation.classes
      (('column 0=blue', 'column 0=red'), ('go', 'stop'))
      >>> data.encode([["red"]]).tolist(), data.decode([1]).tolist()
      ([[0.0, 1.0]], ['stop'])

    References:
      https://scikit-learn.org/stable/datasets/toy_dataset.html, http://yann.lecun.com/exdb/mnist/,
      https://github.com/zalandoresearch/fashion-mnist
    """
    kind = kind_of(source)
    check_seed("load", seed)
    only_for = {"folder": folder, "target": target, "task": task, "rows": rows, "noise": noise}
    only_for |= {"ignore": ignore, "categories": categories, "header": header}
    only_for |= {"missing": None if missing == "refuse" else missing, "weights": weights}
    _check_applies(kind, source, only_for, scale)
    fractions, own = _fractions_and_own(kind, source, {"validation": validation, "test": test})
    if kind == "gate":
        return jax.device_put(Data(*gate(source), preparation=Preparation("classification", 2, classes=(0, 1))))
    if kind == "idx":
        train, official = read_mnist(source, folder)
        read, own_rows, dropped = array_rows("load", train, None), {"test": array_rows("load", official, None)}, 0
    elif kind in _TABULAR:
        layout = {"target": target, "ignore": ignore, "categories": categories, "header": header}
        read, own_rows, dropped = _tables(source, own, task, missing, layout, weights)
    else:
        read, own_rows, dropped = array_rows("load", _arrays(kind, source, seed, rows, noise), task), {}, 0
    how = _auto_scale(kind, source) if scale == "auto" else scale
    how = {"seed": seed, "scale": how, "missing": missing, "dropped": dropped}
    return _on_device(prepared("load", read, own_rows, fractions, **how))


def kind_of(source: Source) -> str:
    """The kind of a source: bundled, idx, gate, made, csv (a table in a file), frame or arrays."""
    if isinstance(source, str) and source in NAMES:
        return next(kind for kind, names in _KINDS.items() if source in names)
    if isinstance(source, Path) or _is_path(source):
        return "csv"
    if is_frame(source):
        return "frame"
    if isinstance(source, (tuple, list)) and len(source) in (2, 3):
        return "arrays"
    rule = f"be one of {', '.join(NAMES)}, a Path, a path ending in {', '.join(SUFFIXES)} or these and .gz, "
    rule += "a DataFrame, or a pair (inputs, targets)"
    require(False, "load", "source", rule, source if isinstance(source, str) else type(source).__name__)
    raise AssertionError


_TABULAR = ("csv", "frame", "arrays")


def _is_path(source: Any) -> bool:
    return isinstance(source, str) and source.lower().removesuffix(".gz").endswith(SUFFIXES)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _check_applies(kind: str, source: Source, only_for: dict[str, Any], scale: str | None) -> None:
    """Refuses arguments that a source does not use, instead of ignoring them."""
    frame = ("target", "weights", "task", "missing", "ignore", "categories")
    uses = {"csv": (*frame, "header"), "frame": frame, "arrays": ("task", "weights", "missing")}
    uses |= {"idx": ("folder",), "made": ("rows", "noise")}
    what = source if isinstance(source, str) else kind
    for argument, value in only_for.items():
        fits = value is None or argument in uses.get(kind, ())
        require(fits, "load", argument, f"be left out for {what}", value)
    check_choice("load", ("auto", "standard", "range"), scale="auto" if scale is None else scale)
    require(kind != "gate" or scale in ("auto", None), "load", "scale", f"be left out for {what}", scale)
    if only_for["task"] is not None:
        check_choice("load", ("classification", "regression", "multi-label"), task=only_for["task"])
    if only_for["missing"] is not None:
        check_choice("load", ("refuse", "drop", "impute"), missing=only_for["missing"])
    is_bool = only_for["header"] in (None, True, False)
    require(is_bool, "load", "header", "be True, False or None", only_for["header"])


def _fractions_and_own(
    kind: str, source: Source, asked: Mapping[str, Any]
) -> tuple[dict[str, float], dict[str, Source]]:
    """({split: fraction of the rows}, {split: rows of its own}); validation is in neither if it is 0."""
    own = {name: value for name, value in asked.items() if not _is_number(value)}
    fractions = {name: value for name, value in asked.items() if name not in own}
    what = source if isinstance(source, str) else kind
    for name, value in own.items():
        require(kind in _TABULAR, "load", name, f"be a fraction for {what}", type(value).__name__)
        is_other = is_frame(value) or isinstance(value, (tuple, list, Path)) or _is_path(value)
        require(is_other, "load", name, "be a fraction or rows of their own", value)
    if kind == "idx":
        fractions.pop("test", None)
    if "validation" in fractions and check_rate("load", validation=fractions["validation"]) == 0:
        del fractions["validation"]
    check_fractions("load", **fractions)
    return fractions, own


def _tables(
    source: Source, own: Mapping[str, Source], task: str | None, missing: str, layout: dict[str, Any], weights: Any
) -> tuple[Rows, dict[str, Rows], int]:
    """(rows, splits that are rows of their own, the number of rows dropped) of files, DataFrames and pairs."""
    pairs = [other[0] for other in (source, *own.values()) if kind_of(other) == "arrays"]
    # Arrays stay arrays only if all sources are.
    as_table = len(pairs) < 1 + len(own) or not all(is_plain("load", inputs) for inputs in pairs)

    def read(source: Source, task: str | None, weights: Any, like: Rows | None) -> tuple[Rows, int]:
        if kind_of(source) == "arrays":
            found = array_rows("load", _with_weights(source, weights), task, as_table=as_table, like=like)
        else:
            found = table_rows("load", source, task=task, weights=weights, like=like, **layout)
        return without_missing("load", found, missing)

    train, dropped = read(source, task, weights, None)
    # Weights in an array are those of the source alone; a column of weights is in every table.
    column = weights if isinstance(weights, (str, int)) else None
    others = {
        name: read(value, train.targets.task, None if kind_of(value) == "arrays" else column, train)
        for name, value in own.items()
    }
    for name, (rows, _) in others.items():
        _check_features(name, train, rows)
    return train, {name: rows for name, (rows, _) in others.items()}, dropped + sum(more for _, more in others.values())


def _with_weights(arrays: Any, weights: Any) -> tuple[Any, Any, Any]:
    """(inputs, targets, weights) of arrays, which may have weights of their own."""
    inputs, targets = arrays[:2]
    own = arrays[2] if len(arrays) > 2 else None
    rule = "be an array (n,), because arrays have no columns with names"
    require(not isinstance(weights, (str, int)), "load", "weights", rule, weights)
    rule = "be left out for a source that has weights"
    require(own is None or weights is None, "load", "weights", rule, type(weights).__name__)
    return inputs, targets, weights if own is None else own


def _check_features(name: str, train: Rows, other: Rows) -> None:
    if isinstance(train.inputs, np.ndarray) and isinstance(other.inputs, np.ndarray):
        features, count = train.inputs.shape[1], other.inputs.shape[1]
        require(count == features, "load", name, f"have as many features as the training rows ({features})", count)


def _arrays(kind: str, source: str, seed: int, rows: int | None, noise: float | None) -> tuple[Any, Any]:
    """(inputs, targets) of a named source."""
    if kind == "bundled":
        return read_bundled(source)
    rows, noise = 1000 if rows is None else rows, 0.1 if noise is None else noise
    check_count("load", rows=rows)
    check_non_negative("load", noise=noise)
    return curves(source, rows, noise, seed)


def _auto_scale(kind: str, source: Source) -> str | None:
    """Images share one scale, so that a pixel that is always dark stays dark."""
    return "range" if kind in ("bundled", "idx") and source in _IMAGES else "standard"


def _on_device(data: Data) -> Data:
    """The arrays on the device; training rows that also serve as validation rows are sent once."""
    sent = {id(batch): batch for batch in data}
    sent = {key: jax.device_put(batch) for key, batch in sent.items()}
    return Data(*(sent[id(batch)] for batch in data), preparation=data.preparation)
