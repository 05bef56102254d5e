"""The scores of an outcome as numbers of which more is better, and the observations that statistics are about.

An observation is the mean over the seeds of a repetition, because what a rerun would change is all of it: split, tuning
and seeds. With a single repetition each seed is an observation.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol

_DIGITS = 4


def oriented(problem: Problem, protocol: Protocol, outcome: Outcome) -> np.ndarray:
    """(units,) observations: of the metric, negated if less is better; or of the speed, 1 / epochs."""
    if protocol.score == "time":
        return speeds(protocol, outcome)
    return (1.0 if problem.mode == "max" else -1.0) * scores(protocol, outcome)


def scores(protocol: Protocol, outcome: Outcome) -> np.ndarray:
    """(units,) observations of the score as the problem gives it."""
    return _observed(protocol, outcome.fresh, lambda fresh: fresh["score"])


def speeds(protocol: Protocol, outcome: Outcome) -> np.ndarray:
    """(units,) observations of 1 / epochs to the target; 0 for a run that missed it."""
    return _observed(protocol, outcome.fresh, lambda fresh: 1.0 / fresh["time"])


def times(protocol: Protocol, outcome: Outcome) -> np.ndarray:
    """(units,) epochs to the target that these speeds amount to; infinite if every run missed it."""
    with np.errstate(divide="ignore"):
        return 1.0 / speeds(protocol, outcome)


def resolution(problem: Problem, protocol: Protocol, outcome: Outcome) -> float:
    """The least difference that an observation can show: a test row, an epoch, or the last digit that is reported."""
    if protocol.score == "time":
        least = 1.0 / problem.epochs**2
    elif problem.in_percent:
        least = 1.0 / problem.rows[2]
    else:
        usual = float(np.abs(outcome.fresh["score"]).median())  # a single wild score says nothing about digits
        least = 10.0 ** (np.floor(np.log10(usual)) + 1 - _DIGITS) if usual > 0 else 10.0**-_DIGITS
    averaged = max(protocol.seeds, 1) if protocol.unit == "repetition" else 1
    return float(least / np.sqrt(averaged))


def by_seed(problem: Problem, protocol: Protocol, table: pd.DataFrame) -> np.ndarray:
    """(repetitions, seeds) scores of which more is better; repetitions that the table lacks are NaN."""
    sign = 1.0 if problem.mode == "max" else -1.0
    values: Any = 1.0 / table["time"] if protocol.score == "time" else sign * table["score"]
    found = np.full((protocol.repetitions, protocol.seeds), np.nan)
    repetition: Any
    for repetition, group in values.groupby(table["repetition"]):
        found[int(repetition)] = group.to_numpy(float)
    return found


def _observed(protocol: Protocol, fresh: pd.DataFrame, value: Callable[[pd.DataFrame], Any]) -> np.ndarray:
    """(units,): means over seeds, then medians over the studies of a repetition."""
    values: Any = value(fresh)
    if protocol.unit == "seed":
        return values.to_numpy(float)
    means = values.groupby([fresh["repetition"], fresh["study"]]).mean()
    return means.groupby(level="repetition").median().to_numpy(float)
