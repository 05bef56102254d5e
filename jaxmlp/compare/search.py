"""Where tuning searches: one range per hyperparameter, whichever optimizer has it, and untuned learning rates."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import qmc

from jaxmlp.compare.axes import AXES, MULTIPLES, SCHEDULES, SIZES
from jaxmlp.compare.contestants import Contestant
from jaxmlp.compare.errors import UserError
from jaxmlp.compare.protocols import Protocol


def one_minus(number: float) -> float:
    """A decay at a given distance from 1: from 0.9 to 0.99 is as far as from 0 to 0.9."""
    return 1.0 - number


def place_in_schedules(number: float) -> float:
    """A place in `SCHEDULES`, each of them for as many numbers from 1 to e."""
    return float(min(int(np.log(number) * len(SCHEDULES)), len(SCHEDULES) - 1))


def multiple(number: float) -> float:
    """One of `MULTIPLES`, each of them for as many numbers from 1 to e."""
    return MULTIPLES[min(int(np.log(number) * len(MULTIPLES)), len(MULTIPLES) - 1)]


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
    # What every optimizer can have (see `axes`).
    "weight_decay": Range(1e-5, 1e-1),
    "warmup": Range(1e-2, 0.3),
    "schedule": Range(1.0, float(np.e), place_in_schedules),
    **{name: Range(1.0, float(np.e), multiple) for name in SIZES},
}
# What the papers of these methods, or their usual implementations, start from.
RATES: dict[str, float] = {
    **dict.fromkeys(("gd", "momentum", "nesterov", "adagrad"), 1e-2),
    **dict.fromkeys(("rmsprop", "adam", "nadam", "adamw", "amsgrad", "radam"), 1e-3),
    "adamax": 2e-3,
    "adadelta": 1.0,
    "lion": 1e-4,
    # The defaults of the authors' implementations; Shampoo's is that of torch-optimizer, whose other defaults are ours.
    "adan": 1e-3,
    "ademamix": 1e-3,
    "prodigy": 1.0,
    "schedule_free_sgd": 1.0,
    "schedule_free_adamw": 2.5e-3,
    "muon": 2e-2,
    "shampoo": 1e-1,
    "soap": 3e-3,
}


def untuned(contestants: Sequence[Contestant]) -> tuple[Contestant, ...]:
    """The contestants at the learning rates that their methods start from.

    Raises:
      UserError: for one whose learning rate is neither given nor known.
    """
    unknown = [one.name for one in contestants if one.rate is None and one.family not in RATES]
    if unknown:
        raise UserError(
            f"optimizer {unknown[0]!r} has no known default learning rate: give one, as in {unknown[0]}@1e-3"
        )
    return tuple(one._replace(rate=RATES[one.family or ""]) if one.rate is None else one for one in contestants)


def ends(protocol: Protocol, contestant: Contestant) -> tuple[float, float]:
    """The lowest and highest learning rate of an optimizer's tuning: its own, or the protocol's."""
    return contestant.rates or (protocol.low, protocol.high)


def spaces(protocol: Protocol, contestant: Contestant) -> dict[str, Range]:
    """The ranges that tuning searches, the learning rate's first."""
    asked = protocol.tune.split(",")
    own = [name for name in contestant.arguments if name in SPACE and (name in asked or "all" in asked)]
    names = dict.fromkeys([*own, *(name for name in (*AXES, *SIZES) if name in asked)])
    return {"learning_rate": Range(*ends(protocol, contestant)), **{name: SPACE[name] for name in names}}


def points(protocol: Protocol, contestant: Contestant, study: int) -> list[dict[str, float]]:
    """The hyperparameters that an optimizer is tried with in a study, counted over repetitions; one dict per trial."""
    if contestant.rate is not None:
        return [{"learning_rate": contestant.rate}]
    if protocol.search == "grid":
        grid = np.geomspace(*ends(protocol, contestant), protocol.trials)
        return [{"learning_rate": float(rate)} for rate in grid]
    ranges = spaces(protocol, contestant)
    random = np.random.default_rng([protocol.seed, study] if protocol.seed else study)
    unit = qmc.Halton(len(ranges), rng=random).random(protocol.trials)
    return [{name: _inside(one, place) for (name, one), place in zip(ranges.items(), row, strict=True)} for row in unit]


def _inside(one: Range, place: float) -> float:
    """The hyperparameter at a place of its range, from 0 to 1."""
    return float(one.value(one.low * (one.high / one.low) ** place))
