"""What every statistic shares: the interval, arrays looked at before they are used, SciPy when it is needed."""

from typing import NamedTuple

import numpy as np

from jaxmlp.checks import check_range, require


class Interval(NamedTuple):
    """An estimate and the confidence interval around it, in the units of the scores."""

    estimate: float
    low: float
    high: float


def scipy_stats(function):
    """The module `scipy.stats`, which the core of jaxmlp does without."""
    try:
        from scipy import stats
    except ImportError as error:
        raise ImportError(f"{function}: scipy must be installed: pip install 'jaxmlp[experiments]'") from error
    return stats


def real_array(function, argument, values):
    """A float64 array of what is made of numbers."""
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        require(False, function, argument, "be an array of numbers", values, TypeError)
        raise


def run_scores(function, argument, values, dimensions=(1, 2)):
    """(runs, tasks) float64 scores of two runs or more: finite, for what a diverged run is worth is not known here."""
    scores = real_array(function, argument, values)
    shapes = " or ".join("(runs,)" if number == 1 else "(runs, tasks)" for number in dimensions)
    fits = scores.ndim in dimensions and scores.shape[0] >= 2 and scores.size > 0
    require(fits, function, argument, f"be of shape {shapes} with two runs or more", scores.shape)
    finite = np.isfinite(scores)
    rule = "be finite (decide first what a diverged run is worth)"
    require(finite.all(), function, argument, rule, None if finite.all() else float(scores[~finite][0]))
    return scores.reshape(len(scores), -1)


def tail(function, confidence):
    """The probability that a two-sided interval leaves out on either side."""
    confidence = check_range(function, "confidence", confidence, np.nextafter(0, 1), 1.0, "be above 0 and below 1")
    return (1.0 - float(confidence)) / 2.0
