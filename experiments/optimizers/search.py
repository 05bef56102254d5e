"""Where tuning looks: one range for each hyperparameter, whichever optimizer has it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import qmc


class Range(NamedTuple):
    """Numbers from `low` to `high`, searched evenly in their logarithm; `value` makes the hyperparameter of one."""

    low: float
    high: float
    value: Callable[[float], float] = float


def one_minus(number):
    """A decay is searched by its distance to 1: from 0.9 to 0.99 is as far as from 0 to 0.9."""
    return 1.0 - number


# Choi et al. 2019, appendix D, in one space: decays by their complements, eps up to where Adam becomes momentum.
SPACE = {
    "decay": Range(1e-3, 1.0, one_minus),
    "momentum": Range(1e-3, 1.0, one_minus),
    "rho": Range(1e-3, 1.0, one_minus),
    "b1": Range(1e-3, 1.0, one_minus),
    "b2": Range(1e-4, 1e-1, one_minus),
    "eps": Range(1e-10, 1.0),
}


def points(protocol, contestant, study):
    """The trials of an optimizer in a study, as a list of dicts of hyperparameters."""
    if contestant.rate is not None:
        return [{"learning_rate": contestant.rate}]
    if protocol.search == "grid":
        grid = np.geomspace(protocol.low, protocol.high, protocol.trials)
        return [{"learning_rate": float(rate)} for rate in grid]
    ranges = {"learning_rate": Range(protocol.low, protocol.high)}
    if protocol.tune == "all":
        ranges |= {name: SPACE[name] for name in contestant.arguments if name in SPACE}
    unit = qmc.Halton(len(ranges), rng=np.random.default_rng(study)).random(protocol.trials)
    return [{name: _inside(one, place) for (name, one), place in zip(ranges.items(), row, strict=True)} for row in unit]


def _inside(one, place):
    """The hyperparameter at a place of its range, from 0 to 1."""
    return float(one.value(one.low * (one.high / one.low) ** place))
