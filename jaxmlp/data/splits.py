"""split: train, validation and test rows of arrays, unscaled."""

import jax.numpy as jnp
import numpy as np

from jaxmlp.data.arrays import check_inputs, real_numbers
from jaxmlp.data.preparing import prepared
from jaxmlp.data.rows import array_rows, without_missing
from jaxmlp.data.stratified import check_fractions, check_seed
from jaxmlp.data.types import Data
from jaxmlp.types import PyTree

__all__ = ["split"]


def split(
    inputs: PyTree,
    targets: PyTree,
    *,
    weights: PyTree = None,
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.15,
) -> Data:
    """Shuffles rows into train, validation and test; labels keep their proportions in each.

    `load((inputs, targets))` also scales them and puts them on the device.

    Args:
      inputs: (n, features), real numbers.
      targets: (n,) labels, which are integers, bools or text; or (n,) or (n, outputs) floating point numbers; or
        (n, labels) integers or bools that are 0 or 1, for multi-label classification.
      weights: (n,) of at least 0: how much each row counts in losses and metrics; None if all count alike.
      seed: an integer of at least 0.
      validation: fraction of all rows, above 0 and below 1; the number of rows is rounded, half up.
      test: fraction of all rows, above 0 and below 1; the remaining rows are for training.

    Returns:
      Data of NumPy arrays, unscaled: inputs (m, features) float32, targets (m,) or (m, labels) int32, or (m, outputs)
      float32.
      Labels are numbered 0..k - 1 in sorted order; `preparation.classes` has their names.

    Raises:
      ValueError: if a number is not finite, rows differ in number, a split would be empty, or a
        class has too few rows to be in every split.

    Example:
      >>> import numpy as np
      >>> data = split(np.arange(40.0).reshape(20, 2), np.arange(20) % 2)
      >>> data.train.inputs.shape, data.test.targets.shape
      ((14, 2), (3,))

    References:
      Stratified sampling with proportional allocation; the sizes are rounded by the largest remainder method.
    """
    check_seed("split", seed)
    check_fractions("split", validation=validation, test=test)
    rows = array_rows("split", (check_inputs("split", inputs), _finite(targets), weights), None)
    rows, _ = without_missing("split", rows, "refuse")
    return prepared("split", rows, {}, {"validation": validation, "test": test}, seed=seed, scale=None)


def _finite(targets: PyTree) -> PyTree:
    """Targets, which must be finite if they are numbers."""
    is_number = jnp.issubdtype(getattr(targets, "dtype", np.dtype(object)), np.floating)
    return real_numbers("split", "targets", targets) if is_number else targets
