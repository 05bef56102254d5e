"""The two pytrees that hold data."""

from typing import Any, NamedTuple, Self

import jax
import jax.core
import numpy as np

from jaxmlp.data.preparation import Preparation
from jaxmlp.types import PyTree

__all__ = ["Array", "Batch", "Data"]

Array = jax.Array | np.ndarray


class Batch(NamedTuple):
    """Rows of a data set: inputs, their targets and, if rows count differently, their weights.

    Attributes:
      inputs: (n, features) float32.
      targets: (n,) int32 labels, or (n, outputs) float32 numbers; int32 of 0 and 1 in multi-label classification.
      weights: (n,) float32 of at least 0: how much each row counts in losses and metrics; None if all count alike.

    Example:
      >>> import numpy as np
      >>> Batch(np.zeros((3, 2), np.float32), np.arange(3, dtype=np.int32))
      Batch(inputs=float32[3, 2], targets=int32[3])
    """

    inputs: Array
    targets: Array
    weights: Array | None = None

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={_shown(self.weights)}"
        return f"Batch(inputs={_shown(self.inputs)}, targets={_shown(self.targets)}{weights})"


class _Splits(NamedTuple):
    train: Batch
    validation: Batch
    test: Batch


class Data(_Splits):
    """A data set in three splits, and how it was prepared.

    A pytree of the arrays of its three splits, like a tuple of three. `preparation` is neither a leaf nor part of the
    structure: another preparation does not trigger recompilation, and inside of jit and vmap there is none. Outside,
    `jax.device_put` and `jax.tree.map` keep it as long as the inputs keep their number of columns.

    Attributes:
      train: the rows to train on.
      validation: the rows by which settings and epochs are chosen.
      test: the rows to report results on.
      preparation: a `Preparation` that encodes new inputs and decodes predictions; None if it is not known.

    Example:
      >>> from jaxmlp.data import load
      >>> load("moons", rows=100)
      Data(
        train=Batch(inputs=float32[70, 2], targets=int32[70]),
        validation=Batch(inputs=float32[15, 2], targets=int32[15]),
        test=Batch(inputs=float32[15, 2], targets=int32[15]),
        preparation=Preparation(classification, 2 features, 2 classes),
      )
    """

    preparation: Preparation | None = None

    def __new__(cls, train: Any, validation: Any, test: Any, preparation: Preparation | None = None) -> Self:
        self = super().__new__(cls, train, validation, test)
        self.preparation = preparation
        return self

    def encode(self, rows: PyTree) -> np.ndarray:
        """New rows as network inputs, (n, features) float32; see `Preparation.encode`."""
        return self._known("encode").encode(rows)

    def decode(self, outputs: PyTree) -> np.ndarray:
        """Predictions as class names or in the units of the targets; see `Preparation.decode`."""
        return self._known("decode").decode(outputs)

    def _known(self, function: str) -> Preparation:
        rule = "have a preparation, as from load(...)"
        if self.preparation is None:
            raise ValueError(f"{function}: data must {rule}, got None")
        return self.preparation

    def _replace(self, **changes: Any) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self)(**{**self._asdict(), "preparation": self.preparation, **changes})

    def __repr__(self) -> str:
        shown = {**self._asdict(), "preparation": self.preparation}
        lines = [f"  {name}={value!r},\n" for name, value in shown.items() if value is not None]
        return "Data(\n" + "".join(lines) + ")"


class _Unseen:
    """A preparation that the structure of a pytree carries along and that never tells two structures apart."""

    def __init__(self, preparation: Preparation | None) -> None:
        self.preparation = preparation

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unseen)

    def __hash__(self) -> int:
        return hash(_Unseen)

    def __repr__(self) -> str:
        return "preparation"


def _flatten(data: Data) -> tuple[tuple[Any, ...], _Unseen]:
    return tuple(data), _Unseen(data.preparation)


def _flatten_with_keys(data: Data) -> tuple[list[tuple[Any, Any]], _Unseen]:
    keyed = [(jax.tree_util.GetAttrKey(name), split) for name, split in data._asdict().items()]
    return keyed, _Unseen(data.preparation)


def _unflatten(unseen: _Unseen, splits: Any) -> Data:
    preparation = unseen.preparation
    is_known = preparation is not None and all(_has_columns(split, preparation.features) for split in splits)
    return Data(*splits, preparation=preparation if is_known else None)


def _has_columns(split: Any, features: int) -> bool:
    """Whether a split has concrete inputs (n, features): a compiled function would return stale preparations."""
    inputs = split.inputs if isinstance(split, Batch) else None
    if not isinstance(inputs, (np.ndarray, jax.Array)) or isinstance(inputs, jax.core.Tracer):
        return False
    return inputs.ndim == 2 and inputs.shape[1] == features


jax.tree_util.register_pytree_with_keys(Data, _flatten_with_keys, _unflatten, _flatten)


def _shown(array: Any) -> str:
    """The dtype and shape of an array; anything else as it is."""
    is_array = hasattr(array, "dtype") and hasattr(array, "shape")
    return f"{array.dtype}{list(array.shape)}" if is_array else repr(array)
