"""What all statistics share: the interval type, checks of their input arrays, and the lazy import of SciPy."""

from types import ModuleType
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxmlp.checks import check_fraction, require
from jaxmlp.types import Scalar

FloatArray: TypeAlias = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and its confidence interval, in the units of the scores.

    Attributes:
      estimate: the value computed from the sample.
      low: the lower confidence limit; NaN if the sample cannot give one.
      high: the upper confidence limit; NaN if the sample cannot give one.
    """

    estimate: float
    low: float
    high: float


def scipy_stats(function: str) -> ModuleType:
    """The module `scipy.stats`, or an error on behalf of `function` that says how to install it."""
    try:
        from scipy import stats
    except ImportError as error:
        raise ImportError(f"{function}: scipy must be installed: pip install 'jaxmlp[compare]'") from error
    return stats


def real_array(function: str, argument: str, values: ArrayLike) -> FloatArray:
    """The values as a float64 array; a TypeError if they are not numbers."""
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        require(False, function, argument, "be an array of numbers", values, TypeError)
        raise


def run_scores(function: str, argument: str, values: ArrayLike, dimensions: tuple[int, ...] = (1, 2)) -> FloatArray:
    """Scores as a float64 array (runs, tasks) of at least two runs; only the caller knows what a diverged run is worth.

    `dimensions` holds the accepted numbers of dimensions: 1 for (runs,), 2 for (runs, tasks).
    """
    scores = real_array(function, argument, values)
    shapes = " or ".join("(runs,)" if number == 1 else "(runs, tasks)" for number in dimensions)
    fits = scores.ndim in dimensions and scores.shape[0] >= 2 and scores.size > 0
    require(fits, function, argument, f"be of shape {shapes} with two runs or more", scores.shape)
    finite = np.isfinite(scores)
    rule = "be finite (decide first what a diverged run is worth)"
    require(finite.all(), function, argument, rule, None if finite.all() else float(scores[~finite][0]))
    return scores.reshape(len(scores), -1)


def tail(function: str, confidence: Scalar) -> float:
    """The probability left out on each side of a two-sided interval."""
    return (1.0 - float(check_fraction(function, confidence=confidence))) / 2.0
