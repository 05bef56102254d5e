"""Verdicts: a claim, and what a test over seeds says of it. Every one of them can come out the other way."""

from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


class Verdict(NamedTuple):
    """A claim with its evidence: `holds` is True, False (the contrary was seen), or None (these seeds cannot tell)."""

    claim: str
    holds: bool | None
    evidence: str

    def __str__(self):
        word = {True: "yes", False: "NO", None: "cannot tell"}[self.holds]
        return f"{word}: {self.claim} ({self.evidence})"


def share(claim, successes, *, at_least=None, at_most=None):
    """How often something happens: the share of seeds, with Wilson's interval, against a bound.

    Args:
      claim: in words.
      successes: (seeds,) of bools.
      at_least, at_most: give one of them: the share that is claimed, from 0 to 1.
    """
    successes = np.asarray(successes, bool).ravel()
    interval = stats.binomtest(int(successes.sum()), successes.size).proportion_ci(CONFIDENCE, "wilson")
    evidence = f"{successes.sum()} of {successes.size} seeds, {interval.low:.0%} to {interval.high:.0%}"
    return Verdict(claim, _side(interval, at_least, at_most), evidence)


def mean(claim, values, *, at_least=None, at_most=None, unit=""):
    """How large something is: the mean over seeds, with Student's interval, against a bound.

    Args:
      claim: in words.
      values: (seeds,) of finite numbers, at least two.
      at_least, at_most: give one of them: the bound that is claimed.
      unit: written after the numbers.
    """
    low, middle, high = mean_interval(values)
    evidence = f"mean {middle:.3g}{unit}, {low:.3g} to {high:.3g} over {np.size(values)} seeds"
    return Verdict(claim, _side((low, high), at_least, at_most), evidence)


def greater(claim, larger, smaller, *, by=0.0, unit=""):
    """Whether one thing is larger than another on the same seeds, by the mean difference of pairs."""
    difference = np.asarray(larger, float) - np.asarray(smaller, float)
    low, middle, high = mean_interval(difference)
    evidence = f"difference {middle:.3g}{unit}, {low:.3g} to {high:.3g} over {difference.size} seeds"
    return Verdict(claim, _decided(low > by, high <= by), evidence)  # what is equal everywhere is not greater


def equal(claim, errors, *, within, unit=""):
    """Whether two computations agree on every seed: the largest of their differences against a tolerance."""
    worst = float(np.max(np.abs(errors)))
    evidence = f"largest difference {worst:.2g}{unit}, allowed {within:.2g}, {np.size(errors)} seeds"
    return Verdict(claim, bool(worst <= within), evidence)


def mean_interval(values):
    """(low, mean, high): Student's t interval of a mean."""
    values = np.asarray(values, float).ravel()
    half = stats.t.ppf((1 + CONFIDENCE) / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return values.mean() - half, values.mean(), values.mean() + half


def _side(interval, at_least, at_most):
    """On which side of the bound the whole interval lies: True for the claimed one, None where it lies on both."""
    low, high = interval
    if at_least is not None:
        return _decided(low >= at_least, high < at_least)
    return _decided(high <= at_most, low > at_most)


def _decided(yes, no):
    return bool(yes) if yes or no else None
