"""The two pytrees that data comes in."""

from typing import NamedTuple

import jax
import numpy as np

Array = jax.Array | np.ndarray


class Batch(NamedTuple):
    """Rows of a data set: `inputs` (n, features) float32; `targets` (n,) int32 or (n, outputs) float32.

    Example:
        >>> import numpy as np
        >>> Batch(np.zeros((3, 2), np.float32), np.arange(3, dtype=np.int32)).inputs.shape
        (3, 2)
    """

    inputs: Array
    targets: Array


class Data(NamedTuple):
    """A data set in three: `train` to fit, `validation` to choose by, `test` to report; each a Batch.

    Example:
        >>> from jaxmlp.data import load
        >>> load("moons", rows=100).train.inputs.shape
        (70, 2)
    """

    train: Batch
    validation: Batch
    test: Batch
