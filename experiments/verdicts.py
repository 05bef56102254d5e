"""Verdicts: a claim, and what a test over seeds says about it. Every verdict can come out the other way."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95


class Verdict(NamedTuple):
    """A claim with its evidence.

    Attributes:
      claim: in words.
      holds: True; False if the opposite was observed; None if these seeds cannot tell.
      evidence: the numbers behind it, in words.
    """

    claim: str
    holds: bool | None
    evidence: str

    def __str__(self) -> str:
        word = {True: "yes", False: "NO", None: "cannot tell"}[self.holds]
        return f"{word}: {self.claim} ({self.evidence})"


def share(claim: str, successes: ArrayLike, *, at_least: float | None = None, at_most: float | None = None) -> Verdict:
    """Tests how often something happens: the share of seeds and its Wilson interval against a bound.

    Args:
      claim: in words.
      successes: (seeds,) of bools.
      at_least: lower bound of the share that is claimed, from 0 to 1; give this or `at_most`.
      at_most: upper bound.

    Returns:
      A `Verdict`.
    """
    successes = np.asarray(successes, bool).ravel()
    low, high = share_interval(successes)
    evidence = f"{successes.sum()} of {_seeds(successes.size)}, {low:.0%} to {high:.0%}"
    return Verdict(claim, _side((low, high), at_least, at_most), evidence)


def mean(
    claim: str,
    values: ArrayLike,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    unit: str = "",
    samples: str = "seeds",
) -> Verdict:
    """Tests how large something is: the mean and its Student interval against a bound.

    Args:
      claim: in words.
      values: (seeds,) of finite numbers, at least two.
      at_least: lower bound of the mean that is claimed; give this or `at_most`.
      at_most: upper bound.
      unit: written after the mean, with its space.
      samples: what the values are taken over, in the plural.

    Returns:
      A `Verdict`.
    """
    low, middle, high = mean_interval(values)
    evidence = f"mean {middle:.3g}{unit}, {low:.3g} to {high:.3g} over {np.size(values)} {samples}"
    return Verdict(claim, _side((low, high), at_least, at_most), evidence)


def greater(claim: str, larger: ArrayLike, smaller: ArrayLike, *, by: float = 0.0, unit: str = "") -> Verdict:
    """Tests whether one quantity is larger than another on the same seeds: the mean of the paired differences.

    Args:
      claim: in words.
      larger: (seeds,), the values that are claimed to be larger.
      smaller: (seeds,), the values they are compared with.
      by: least difference that is claimed.
      unit: written after the mean, with its space.

    Returns:
      A `Verdict`.
    """
    difference = np.asarray(larger, float) - np.asarray(smaller, float)
    low, middle, high = mean_interval(difference)
    evidence = f"difference {middle:.3g}{unit}, {low:.3g} to {high:.3g} over {_seeds(difference.size)}"
    return Verdict(claim, _decided(low > by, high <= by), evidence)  # equal everywhere means not greater


def equal(claim: str, errors: ArrayLike, *, within: float, unit: str = "") -> Verdict:
    """Tests whether two computations agree on every seed: their largest difference against a tolerance.

    Args:
      claim: in words.
      errors: (seeds,), the differences.
      within: the tolerance.
      unit: written after the difference, with its space.

    Returns:
      A `Verdict`.
    """
    worst = float(np.max(np.abs(errors)))
    evidence = f"largest difference {worst:.2g}{unit}, tolerance {within:.2g}, {_seeds(np.size(errors))}"
    return Verdict(claim, bool(worst <= within), evidence)


def mean_interval(values: ArrayLike) -> tuple[float, float, float]:
    """(low, mean, high): Student's t interval of a mean, at 95 %."""
    values = np.asarray(values, float).ravel()
    half = stats.t.ppf((1 + CONFIDENCE) / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return values.mean() - half, values.mean(), values.mean() + half


def share_interval(successes: ArrayLike) -> tuple[float, float]:
    """(low, high): Wilson's interval of a share of bools, at 95 %."""
    successes = np.asarray(successes, bool)
    interval = stats.binomtest(int(successes.sum()), successes.size).proportion_ci(CONFIDENCE, "wilson")
    return interval.low, interval.high


def _seeds(count):
    return f"{count} seed{'s' * (count != 1)}"


def _side(interval, at_least, at_most):
    """On which side of the bound the interval lies: True for the claimed side, None if the bound is inside."""
    low, high = interval
    if at_least is not None:
        return _decided(low >= at_least, high < at_least)
    return _decided(high <= at_most, low > at_most)


def _decided(yes, no):
    return bool(yes) if yes or no else None
