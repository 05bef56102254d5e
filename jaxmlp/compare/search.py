"""Where tuning searches: one range per hyperparameter, whichever optimizer has it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import qmc

from jaxmlp.compare.contestants import Contestant
from jaxmlp.compare.protocols import Protocol


def one_minus(number: float) -> float:
    """A decay at a given distance from 1: from 0.9 to 0.99 is as far as from 0 to 0.9."""
    return 1.0 - number


class Range(NamedTuple):
    """Numbers searched evenly in their logarithm.

    Attributes:
      low: lowest number.
      high: highest number.
      value: the hyperparameter as a function of the number.
    """

    low: float
    high: float
    value: Callable[[float], float] = float


SPACE: dict[str, Range] = {
    # Choi et al. 2019, appendix D, as one space: decays by their complements, eps up to the values at which Adam
    # becomes momentum.
    "decay": Range(1e-3, 1.0, one_minus),
    "momentum": Range(1e-3, 1.0, one_minus),
    "rho": Range(1e-3, 1.0, one_minus),
    "b1": Range(1e-3, 1.0, one_minus),
    "b2": Range(1e-4, 1e-1, one_minus),
    "eps": Range(1e-10, 1.0),
}


def points(protocol: Protocol, contestant: Contestant, study: int) -> list[dict[str, float]]:
    """The hyperparameters that an optimizer is tried with in a study, counted over repetitions; one dict per trial."""
    if contestant.rate is not None:
        return [{"learning_rate": contestant.rate}]
    if protocol.search == "grid":
        grid = np.geomspace(protocol.low, protocol.high, protocol.trials)
        return [{"learning_rate": float(rate)} for rate in grid]
    ranges = {"learning_rate": Range(protocol.low, protocol.high)}
    if protocol.tune == "all":
        ranges |= {name: SPACE[name] for name in contestant.arguments if name in SPACE}
    unit = qmc.Halton(
        len(ranges), rng=np.random.default_rng([protocol.seed, study] if protocol.seed else study)
    ).random(protocol.trials)
    return [{name: _inside(one, place) for (name, one), place in zip(ranges.items(), row, strict=True)} for row in unit]


def _inside(one: Range, place: float) -> float:
    """The hyperparameter at a place of its range, from 0 to 1."""
    return float(one.value(one.low * (one.high / one.low) ** place))
