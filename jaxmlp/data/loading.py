"""load: read, split, scale, send to the device."""

from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np

from jaxmlp.checks import check_choice, check_count, check_non_negative, require
from jaxmlp.data.arrays import check_table
from jaxmlp.data.bundled import BUNDLED, read_bundled
from jaxmlp.data.mnist import URLS, read_mnist
from jaxmlp.data.scales import scaled
from jaxmlp.data.splits import check_fractions, check_seed, parts, split_rows
from jaxmlp.data.synthetic import GATES, SHAPES, curves, gate
from jaxmlp.data.tables import read_csv
from jaxmlp.data.types import Batch, Data

__all__ = ["NAMES", "Source", "kind_of", "load"]

Source: TypeAlias = str | Path | tuple[Any, Any] | list[Any]
"""A name, a path, or a pair (inputs, targets)."""

_IMAGES = ("digits", *URLS)
NAMES = (*BUNDLED, *URLS, *GATES, *SHAPES)


def load(
    source: Source,
    *,
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.15,
    scale: str | None = "auto",
    folder: str | Path | None = None,
    target: str | int | None = None,
    task: str | None = None,
    rows: int | None = None,
    noise: float | None = None,
) -> Data:
    """Reads a data set, splits it, scales it, and puts it on the device.

    A CSV file has a header and numeric columns. Its target is taken as labels if it is text or integers throughout,
    and the labels 0..k - 1 number its distinct values in sorted order; otherwise it is taken as numbers to predict.
    Arrays of an integer dtype are labels, arrays of a floating dtype numbers. `task` overrides both.

    Args:
      source: one of "digits", "breast_cancer", "iris", "wine", "diabetes" (scikit-learn's copies);
        "fashion_mnist", "mnist" (their official test rows are the test split, and `test` does not apply);
        "and", "or", "xor" (the same 4 rows in every split); "moons", "circles", "spirals" (two classes);
        a path to a CSV file (a str ending in .csv, or a Path); or a pair of arrays: inputs (n, features), and
        targets (n,) labels 0..k - 1 or (n,) or (n, outputs) numbers.
      seed: an integer of at least 0, for shuffling before the split and for the noise of synthetic data sets.
      validation: fraction of all rows (for "fashion_mnist" and "mnist": of their training rows), above 0.
      test: fraction of all rows, above 0.
      scale: "standard", "range" or None (as in `scaled`), or "auto": "range" for images, else "standard". Numbers to
        predict are standardized with the inputs. Gates are never scaled.
      folder: for "fashion_mnist" and "mnist", the folder of their four IDX files. Without it they are looked for in
        the folder that the environment variable JAXMLP_DATA names (or a folder in it named after the set), then where
        Debian installs them, and finally downloaded into the user's cache.
      target: for CSV, the name or index of the target column; the last one by default.
      task: for CSV and arrays, "classification" or "regression".
      rows: for "moons", "circles", "spirals", the number of rows in all; 1000 by default.
      noise: for the same, the standard deviation of the noise in the plane; 0.1 by default.

    Returns:
      Data of JAX arrays: inputs (n, features) float32, targets (n,) int32 labels or (n, outputs) float32.

    Raises:
      ValueError: if the source is unknown, an argument is out of range or does not apply to this source, or the
        content is not as described.
      FileNotFoundError, OSError: if files are missing and cannot be downloaded.
      ImportError: if scikit-learn or pooch is needed and not installed.

    Example:
      >>> data = load("digits")
      >>> data.train.inputs.shape, data.validation.targets.shape
      ((1257, 64), (270,))

    References:
      https://scikit-learn.org/stable/datasets/toy_dataset.html, http://yann.lecun.com/exdb/mnist/,
      https://github.com/zalandoresearch/fashion-mnist
    """
    kind = kind_of(source)
    check_seed("load", seed)
    check_fractions("load", validation=validation, **({} if kind == "idx" else {"test": test}))
    only_for = {"folder": folder, "target": target, "task": task, "rows": rows, "noise": noise}
    _check_applies(kind, source, only_for, scale)
    if kind == "gate":
        data = gate(str(source))
    elif kind == "idx":
        data = _official_split(*read_mnist(str(source), folder), seed, validation)
    else:
        inputs, targets = _read(kind, source, seed, **only_for)
        data = split_rows("load", inputs, targets, seed, validation, test)
    return jax.device_put(scaled(data, _auto_scale(kind, source) if scale == "auto" else scale))


def kind_of(source: Source) -> str:
    """The kind of a source: bundled, idx, gate, made, csv or arrays."""
    kinds = {"bundled": BUNDLED, "idx": tuple(URLS), "gate": tuple(GATES), "made": tuple(SHAPES)}
    if isinstance(source, Path) or (isinstance(source, str) and source.lower().endswith(".csv")):
        return "csv"
    if isinstance(source, (tuple, list)) and len(source) == 2:
        return "arrays"
    rule = f"be one of {', '.join(NAMES)}, a path ending in .csv, or a pair (inputs, targets)"
    is_name = isinstance(source, str) and source in NAMES
    require(is_name, "load", "source", rule, source if isinstance(source, str) else type(source).__name__)
    return next(kind for kind, names in kinds.items() if source in names)


def _check_applies(kind: str, source: Source, only_for: dict[str, Any], scale: str | None) -> None:
    """Refuses arguments that a source does not use, instead of ignoring them."""
    uses = {"idx": ("folder",), "csv": ("target", "task"), "arrays": ("task",), "made": ("rows", "noise")}
    what = source if isinstance(source, str) else kind
    for argument, value in only_for.items():
        fits = value is None or argument in uses.get(kind, ())
        require(fits, "load", argument, f"be left out for {what}", value)
    check_choice("load", ("auto", "standard", "range"), scale="auto" if scale is None else scale)
    require(kind != "gate" or scale in ("auto", None), "load", "scale", f"be left out for {what}", scale)
    if only_for["task"] is not None:
        check_choice("load", ("classification", "regression"), task=only_for["task"])


def _read(
    kind: str,
    source: Any,
    seed: int,
    folder: None,
    target: str | int | None,
    task: str | None,
    rows: int | None,
    noise: float | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Checked (inputs, targets) of a source whose rows are not split yet."""
    if kind == "bundled":
        inputs, targets = read_bundled(source)
    elif kind == "made":
        rows, noise = 1000 if rows is None else rows, 0.1 if noise is None else noise
        check_count("load", rows=rows)
        check_non_negative("load", noise=noise)
        inputs, targets = curves(source, rows, noise, seed)
    elif kind == "csv":
        inputs, targets = read_csv(source, target, task)
    else:
        inputs, targets = source
    return check_table("load", inputs, targets, task)


def _official_split(train: Batch, test: Batch, seed: int, validation: float) -> Data:
    """Data whose test rows are given and whose validation rows are taken from the training rows."""
    inputs, targets = check_table("load", train.inputs, train.targets)
    fitted, chosen = parts("load", targets, {"validation": validation}, seed)
    return Data(Batch(inputs[fitted], targets[fitted]), Batch(inputs[chosen], targets[chosen]), test)


def _auto_scale(kind: str, source: Source) -> str | None:
    """Images share one scale, so that a pixel that is always dark stays dark; gates are 0 and 1 already."""
    if kind == "gate":
        return None
    return "range" if kind in ("bundled", "idx") and source in _IMAGES else "standard"
