"""Searches: hyperparameters drawn from ranges, at random or evenly, as a list for `train_many(trials=...)`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.checks import check_choice, check_count, require

_WAYS = ("random", "sobol", "halton")


class Range(NamedTuple):
    """Numbers between two, evenly or evenly in their logarithm; see `between`.

    Attributes:
      low: the smallest number.
      high: the largest number.
      log: whether equal ratios are equally likely, instead of equal differences.
    """

    low: float
    high: float
    log: bool


def between(low: float, high: float, *, log: bool = False) -> Range:
    """A range of numbers for `draw_trials`.

    Args:
      low: the smallest number; above 0 if `log`.
      high: the largest number, above `low`.
      log: whether equal ratios are equally likely, as suits learning rates, instead of equal differences.

    Returns:
      A `Range`.

    Raises:
      ValueError: for numbers that break these rules.

    Example:
      >>> between(1e-4, 1.0, log=True)
      Range(low=0.0001, high=1.0, log=True)
    """
    require(np.isfinite(low) and np.isfinite(high) and low < high, "between", "low", "be below high", (low, high))
    require(not log or low > 0, "between", "low", "be above 0 for log=True", low)
    return Range(float(low), float(high), bool(log))


def draw_trials(
    space: Mapping[str, Range | Sequence[Any]], count: int, *, how: str = "random", seed: int = 0
) -> list[dict[str, Any]]:
    """Draws hyperparameters for `train_many(trials=...)`: random search, or a search that covers the space evenly.

    More trials with the same seed begin with the same ones, so a study on disk grows by the others. Of random search,
    prefer the quasi-random "sobol" or "halton": the same count leaves smaller gaps. Bergstra & Bengio 2012 show why
    either beats a grid if few of the hyperparameters matter.

    Args:
      space: for each hyperparameter a range, `between(low, high)`, or a list of values.
      count: how many trials, at least 1.
      how: "random", "sobol" or "halton"; the latter two need SciPy.
      seed: an integer of at least 0.

    Returns:
      A list of dicts.

    Raises:
      ValueError: for arguments that break these rules.

    Example:
      >>> space = {"learning_rate": between(1e-3, 1.0, log=True), "hidden": [(16,), (16, 16)]}
      >>> draw_trials(space, 2, how="halton")[1].keys()
      dict_keys(['learning_rate', 'hidden'])
      >>> draw_trials(space, 2) == draw_trials(space, 3)[:2]
      True

    References:
      Bergstra & Bengio 2012, "Random Search for Hyper-Parameter Optimization",
      https://jmlr.org/papers/v13/bergstra12a.html. Bousquet et al. 2017, "Critical Hyper-Parameters: No Random, No
      Cry", https://arxiv.org/abs/1706.03200.
    """
    check_count("draw_trials", count=count)
    return drawn("draw_trials", space, count, how, seed)


def drawn(
    function: str, space: Mapping[str, Range | Sequence[Any]], count: int, how: str, seed: int
) -> list[dict[str, Any]]:
    """As `draw_trials`, for the function that the user called."""
    check_choice(function, _WAYS, how=how)
    for name, values in space.items():
        known = isinstance(values, Range) or (
            isinstance(values, Sequence) and not isinstance(values, str) and len(values) > 0
        )
        require(known, function, name, "be between(low, high) or a list of values", values)
    points = _points(function, len(space), count, how, seed)
    return [{name: _value(values, u) for (name, values), u in zip(space.items(), row, strict=True)} for row in points]


def _points(function: str, dimensions: int, count: int, how: str, seed: int) -> np.ndarray:
    """(count, dimensions) numbers from 0 to below 1; fewer of them are the first of more."""
    if how == "random":
        return np.random.default_rng(seed).random((count, dimensions))
    try:
        from scipy.stats import qmc
    except ImportError as error:
        raise ImportError(f"{function}: SciPy must be installed: pip install 'jaxmlp[compare]'") from error
    if how == "halton":
        return qmc.Halton(dimensions, rng=seed).random(count)
    whole = 1 << (count - 1).bit_length()  # SciPy warns of other numbers
    return qmc.Sobol(dimensions, rng=seed).random(whole)[:count]


def _value(values: Range | Sequence[Any], u: float) -> Any:
    if not isinstance(values, Range):
        return values[int(u * len(values))]
    if values.log:
        return float(np.exp(np.log(values.low) + u * (np.log(values.high) - np.log(values.low))))
    return values.low + float(u) * (values.high - values.low)
