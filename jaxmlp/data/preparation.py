"""Preparation: what `load` learned from the training rows, to encode new inputs and to decode predictions."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from jaxmlp.checks import require
from jaxmlp.data.arrays import real_numbers
from jaxmlp.data.columns import Column, encoded, new_column
from jaxmlp.data.scalers import Scaler
from jaxmlp.data.tables import by_position, table_of
from jaxmlp.data.targets import Classes
from jaxmlp.types import PyTree

__all__ = ["Preparation"]


@dataclass(frozen=True, eq=False)
class Preparation:
    """What `load` learned from the training rows: it encodes new inputs and decodes predictions.

    A `Data` carries it as `data.preparation`; `data.encode` and `data.decode` use it. Two are equal if all their
    values are.

    Attributes:
      task: "classification", "multi-label" or "regression".
      features: the number of columns of the encoded inputs.
      columns: the input columns of a table, in order; empty for arrays of numbers, which have no names.
      classes: the names of the classes in the order of their labels, or of the labels of multi-label targets; None for
        regression.
      target: the name of the target column, or a tuple of several; None for arrays.
      inputs: the scaler of the inputs.
      targets: the scaler of the targets.
      dropped: how many rows were left out for missing values.
    """

    task: str
    features: int
    columns: tuple[Column, ...] = ()
    classes: Classes | None = None
    target: str | tuple[str, ...] | None = None
    inputs: Scaler = field(default_factory=Scaler)
    targets: Scaler = field(default_factory=Scaler)
    dropped: int = 0

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the encoded inputs."""
        if self.columns:
            return tuple(name for column in self.columns for name in column.features)
        return tuple(f"column {position}" for position in range(self.features))

    def encode(self, rows: PyTree) -> np.ndarray:
        """Encodes new rows as the training inputs were encoded.

        Args:
          rows: a DataFrame, a dict of columns or the path of a file, whose columns are found by name (others, such as
            the target, are ignored); or an array (n, columns), in the order of the input columns.

        Returns:
          (n, features) float32. A category that no training row has becomes zeros, with a warning.

        Raises:
          ValueError: if a column is missing, or a cell is not what its column holds.

        Example:
          >>> from jaxmlp.data import load
          >>> data = load(([[0.0], [2.0]] * 5, ["no", "yes"] * 5), validation=0.2, test=0.2)
          >>> data.encode([[2.0]])
          array([[1.]], dtype=float32)
        """
        return self.encoded("encode", rows)

    def encoded(self, function: str, rows: PyTree) -> np.ndarray:
        """What `encode` does; errors name the `function` that the user called."""
        return self.inputs.scale(self._raw_features(function, rows)).astype(np.float32)

    def _raw_features(self, function: str, rows: PyTree) -> np.ndarray:
        if not self.columns:
            values = real_numbers(function, "rows", rows)
            fits = values.ndim == 2 and values.shape[1] == self.features
            require(fits, function, "rows", f"be of shape (n, {self.features})", values.shape)
            return values
        table = by_position(function, table_of(function, rows), [column.name for column in self.columns])
        raw = [new_column(function, column.name, column.categories is None, table) for column in self.columns]
        return encoded(function, self.columns, raw, table.where)

    def decode(self, outputs: PyTree) -> np.ndarray:
        """Decodes predictions: labels become class names, numbers return to the units of the targets.

        Args:
          outputs: for classification, (n,) integer labels, or scores such as logits or probabilities (n, classes), of
            which the largest wins, or logits (n, 1) of the second of two classes; for multi-label classification,
            logits (n, labels), or integers that are 0 or 1; for regression, (n, outputs) or (n,).

        Returns:
          The names of the classes, (n,); or 0 or 1 for each label, (n, labels) int32; or float64 numbers, shaped like
          `outputs`.

        Raises:
          ValueError: for outputs of another shape, or labels that are not 0..k - 1.

        Example:
          >>> from jaxmlp.data import load
          >>> data = load(([[0.0], [2.0]] * 5, ["no", "yes"] * 5), validation=0.2, test=0.2)
          >>> data.decode([1, 0, 0]).tolist()
          ['yes', 'no', 'no']
        """
        values = np.asarray(outputs)
        if self.classes is None:
            return self.targets.unscale(values)
        count = len(self.classes)
        if self.task == "multi-label":
            rule = f"be logits or labels of shape (n, {count})"
            require(values.shape[1:] == (count,), "decode", "outputs", rule, values.shape)
            return (values > 0).astype(np.int32)
        if values.ndim == 2:
            is_single = values.shape[1] == 1 and count == 2
            rule = f"be labels (n,) or scores (n, {count})"
            require(is_single or values.shape[1] == count, "decode", "outputs", rule, values.shape)
            values = (values[:, 0] > 0).astype(int) if is_single else values.argmax(axis=1)
        are_labels = values.ndim <= 1 and values.dtype.kind in "iub"
        require(are_labels, "decode", "outputs", "be integer labels or scores (n, classes)", str(values.dtype))
        rule = f"be at least 0 and below {count}"
        outside = values[(values < 0) | (values >= count)]
        require(not outside.size, "decode", "outputs", rule, outside.ravel()[:1].tolist())
        return np.array(self.classes)[values.astype(int)]

    def to_json(self) -> str:
        """The preparation as text, for a file beside saved parameters; `from_json` reads it."""
        plain = {name: getattr(self, name) for name in ("task", "features", "classes", "target", "dropped")}
        columns = [vars(column) for column in self.columns]
        scalers = {name: [_packed(value) for value in vars(scaler).values()] for name, scaler in self._scalers.items()}
        return json.dumps({**plain, "columns": columns, "scalers": scalers})

    @classmethod
    def from_json(cls, text: str) -> "Preparation":
        """The preparation whose `to_json` is `text`."""
        found: dict[str, Any] = json.loads(text)
        scalers = {name: Scaler(*map(_unpacked, numbers)) for name, numbers in found.pop("scalers").items()}
        columns = tuple(Column(**{**one, "categories": _as_tuple(one["categories"])}) for one in found.pop("columns"))
        target = found.pop("target")
        target = tuple(target) if isinstance(target, list) else target
        return cls(columns=columns, classes=_as_tuple(found.pop("classes")), target=target, **scalers, **found)

    @property
    def _scalers(self) -> dict[str, Scaler]:
        return {"inputs": self.inputs, "targets": self.targets}

    @cached_property
    def _json(self) -> str:
        return self.to_json()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preparation) and (self is other or self._json == other._json)

    def __hash__(self) -> int:
        return hash(self._json)

    def __repr__(self) -> str:
        shown = f"{self.task}, {self.features} features"
        shown += f" of {len(self.columns)} columns" if self.columns else ""
        what = "labels" if self.task == "multi-label" else "classes"
        shown += f", {len(self.classes)} {what}" if self.classes else ""
        return f"Preparation({shown}{f', {self.dropped} rows dropped' if self.dropped else ''})"


def _packed(values: Any) -> list[Any]:
    """The dtype and the values of an array or a NumPy number; no dtype for a Python number."""
    return [str(values.dtype), values.tolist()] if hasattr(values, "dtype") else [None, values]


def _unpacked(found: list[Any]) -> Any:
    dtype, values = found
    return values if dtype is None else np.array(values, dtype)[()]


def _as_tuple(found: list[Any] | None) -> tuple[Any, ...] | None:
    return None if found is None else tuple(found)
