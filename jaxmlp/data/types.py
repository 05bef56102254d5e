"""The two pytrees that hold data."""

from typing import Any, NamedTuple

import jax
import numpy as np

__all__ = ["Array", "Batch", "Data"]

Array = jax.Array | np.ndarray


class Batch(NamedTuple):
    """Rows of a data set: inputs and their targets.

    Attributes:
      inputs: (n, features) float32.
      targets: (n,) int32 labels, or (n, outputs) float32 numbers.

    Example:
      >>> import numpy as np
      >>> Batch(np.zeros((3, 2), np.float32), np.arange(3, dtype=np.int32))
      Batch(inputs=float32[3, 2], targets=int32[3])
    """

    inputs: Array
    targets: Array

    def __repr__(self) -> str:
        return f"Batch(inputs={_shown(self.inputs)}, targets={_shown(self.targets)})"


class Data(NamedTuple):
    """A data set in three splits.

    Attributes:
      train: the rows to train on.
      validation: the rows by which settings and epochs are chosen.
      test: the rows to report results on.

    Example:
      >>> from jaxmlp.data import load
      >>> load("moons", rows=100)
      Data(
        train=Batch(inputs=float32[70, 2], targets=int32[70]),
        validation=Batch(inputs=float32[15, 2], targets=int32[15]),
        test=Batch(inputs=float32[15, 2], targets=int32[15]),
      )
    """

    train: Batch
    validation: Batch
    test: Batch

    def __repr__(self) -> str:
        splits = zip(self._fields, self, strict=True)
        return "Data(\n" + "".join(f"  {name}={split!r},\n" for name, split in splits) + ")"


def _shown(array: Any) -> str:
    """The dtype and shape of an array; anything else as it is."""
    is_array = hasattr(array, "dtype") and hasattr(array, "shape")
    return f"{array.dtype}{list(array.shape)}" if is_array else repr(array)
