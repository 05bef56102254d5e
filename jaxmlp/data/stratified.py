"""Which rows go to which split: shuffled, with the proportions of the classes kept."""

import numpy as np

from jaxmlp.checks import check_fraction, require
from jaxmlp.data.targets import Classes

__all__ = ["apportion", "check_fractions", "check_seed", "parts"]


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


def parts(
    function: str, targets: np.ndarray, held_out: dict[str, float], seed: int, classes: Classes | None = None
) -> list[np.ndarray]:
    """Shuffled row numbers: first those for training, then one array for each held-out fraction.

    All rows in their order if nothing is held out.
    """
    if not held_out:
        return [np.arange(len(targets))]
    sizes = {name: int(fraction * len(targets) + 0.5) for name, fraction in held_out.items()}
    sizes = {"train": len(targets) - sum(sizes.values()), **sizes}
    rule = f"leave every split a row, of {len(targets)} in all"
    require(min(sizes.values()) >= 1, function, " and ".join(held_out), rule, sizes)
    # Regression is treated as a single class.
    labels = targets if targets.ndim == 1 else np.zeros(len(targets), np.int32)
    allotted = _class_rows(function, np.bincount(labels), sizes, classes)
    order = np.random.default_rng(seed).permutation(len(labels))
    part = np.empty(len(labels), np.int8)
    for label, rows in enumerate(allotted):
        part[order[labels[order] == label]] = np.repeat(np.arange(len(sizes)), rows)
    return [order[part[order] == number] for number in range(len(sizes))]


def _class_rows(function: str, counts: np.ndarray, sizes: dict[str, int], classes: Classes | None) -> np.ndarray:
    """(classes, parts): how many rows of each class go to each part; the first part gets the remaining rows."""
    held_out = [name for name in sizes if name != "train"]
    for name in held_out:
        rule = f"be at least {len(counts)} rows, one per class ({_HINT})"
        require(sizes[name] >= len(counts), function, name, rule, sizes[name])
    others = np.stack([apportion(sizes[name], counts) for name in held_out], axis=1)
    train = counts - others.sum(axis=1)
    scarce = int(np.argmin(train))
    name = scarce if classes is None else classes[scarce]
    rule = f"have rows of class {name!r} for each of {', '.join(sizes)}"
    require(train[scarce] >= 1, function, "targets", rule, int(counts[scarce]))
    return np.concatenate([train[:, None], others], axis=1)


_HINT = "give numbers to predict as floating point, or say task='regression'"


def apportion(total: int, counts: np.ndarray) -> np.ndarray:
    """Shares `total` rows among classes in proportion to `counts`: one each, the rest by largest remainder.

    In integers throughout: with floats, which class gets an odd row would depend on rounding.
    """
    beyond_first = np.maximum(total * counts - counts.sum(), 0)
    shares, remainders = np.divmod(beyond_first * (total - len(counts)), max(beyond_first.sum(), 1))
    left = total - len(counts) - shares.sum()
    shares[np.argsort(-remainders, kind="stable")[:left]] += 1
    return 1 + shares
