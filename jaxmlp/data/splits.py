"""Train, validation and test rows."""

import numpy as np

from jaxmlp.checks import check_fraction, require
from jaxmlp.data.arrays import check_table
from jaxmlp.data.scales import scaled
from jaxmlp.data.types import Batch, Data
from jaxmlp.types import PyTree

__all__ = ["apportion", "check_fractions", "check_seed", "parts", "split", "split_rows"]


def split(inputs: PyTree, targets: PyTree, *, seed: int = 0, validation: float = 0.15, test: float = 0.15) -> Data:
    """Shuffles rows into train, validation and test; labels keep their proportions in each.

    `load((inputs, targets))` also scales them and puts them on the device.

    Args:
      inputs: (n, features), real numbers.
      targets: (n,) integer labels 0..k - 1, or (n,) or (n, outputs) floating point numbers.
      seed: an integer of at least 0.
      validation: fraction of all rows, above 0 and below 1; the number of rows is rounded, half up.
      test: fraction of all rows, above 0 and below 1; the remaining rows are for training.

    Returns:
      Data of NumPy arrays, unscaled: inputs (m, features) float32, targets (m,) int32 or (m, outputs) float32.

    Raises:
      ValueError: if a number is not finite, rows differ in number, labels have gaps, a split would be empty, or a
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
    inputs, targets = check_table("split", inputs, targets)
    return scaled(split_rows("split", inputs, targets, seed, validation, test), None)


def check_seed(function: str, seed: int) -> None:
    """A whole number of at least 0, as NumPy's generator requires."""
    is_integer = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    require(is_integer and seed >= 0, function, "seed", "be a whole number of at least 0", seed)


def check_fractions(function: str, **fractions: float) -> None:
    """Fractions above 0 that leave rows for training."""
    for argument, value in fractions.items():
        check_fraction(function, **{argument: value})
    total = sum(fractions.values())
    require(total < 1, function, " + ".join(fractions), "be below 1, to leave rows for training", total)


def split_rows(
    function: str, inputs: np.ndarray, targets: np.ndarray, seed: int, validation: float, test: float
) -> Data:
    """Data of checked arrays, their dtypes unchanged."""
    held_out = {"validation": validation, "test": test}
    train, *others = parts(function, targets, held_out, seed)
    return Data(*(Batch(inputs[rows], targets[rows]) for rows in (train, *others)))


def parts(function: str, targets: np.ndarray, held_out: dict[str, float], seed: int) -> list[np.ndarray]:
    """Shuffled row numbers: first those for training, then one array for each held-out fraction."""
    sizes = {name: int(fraction * len(targets) + 0.5) for name, fraction in held_out.items()}
    sizes = {"train": len(targets) - sum(sizes.values()), **sizes}
    rule = f"leave every split a row, of {len(targets)} in all"
    require(min(sizes.values()) >= 1, function, " and ".join(held_out), rule, sizes)
    # Regression is treated as a single class.
    labels = targets if targets.ndim == 1 else np.zeros(len(targets), np.int32)
    allotted = _class_rows(function, np.bincount(labels), sizes)
    order = np.random.default_rng(seed).permutation(len(labels))
    part = np.empty(len(labels), np.int8)
    for label, rows in enumerate(allotted):
        part[order[labels[order] == label]] = np.repeat(np.arange(len(sizes)), rows)
    return [order[part[order] == number] for number in range(len(sizes))]


def _class_rows(function: str, counts: np.ndarray, sizes: dict[str, int]) -> np.ndarray:
    """(classes, parts): how many rows of each class go to each part; the first part gets the remaining rows."""
    held_out = [name for name in sizes if name != "train"]
    for name in held_out:
        rule = f"be at least {len(counts)} rows, one per class (numbers to predict must be floating point)"
        require(sizes[name] >= len(counts), function, name, rule, sizes[name])
    others = np.stack([apportion(sizes[name], counts) for name in held_out], axis=1)
    train = counts - others.sum(axis=1)
    scarce = int(np.argmin(train))
    rule = f"have rows of class {scarce} for each of {', '.join(sizes)}"
    require(train[scarce] >= 1, function, "targets", rule, int(counts[scarce]))
    return np.concatenate([train[:, None], others], axis=1)


def apportion(total: int, counts: np.ndarray) -> np.ndarray:
    """Shares `total` rows among classes in proportion to `counts`: one each, the rest by largest remainder.

    In integers throughout: with floats, which class gets an odd row would depend on rounding.
    """
    beyond_first = np.maximum(total * counts - counts.sum(), 0)
    shares, remainders = np.divmod(beyond_first * (total - len(counts)), max(beyond_first.sum(), 1))
    left = total - len(counts) - shares.sum()
    shares[np.argsort(-remainders, kind="stable")[:left]] += 1
    return 1 + shares
