"""The rules of a comparison as data: fixed before the comparison runs, printed first, and stored with the results.

All optimizers share one search space and get the same number of trials. Hyperparameters are chosen on validation data
only. Fresh seeds, which took no part in the choice, give the scores; the test rows are used once, after a fresh run.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jaxmlp.compare.contestants import Contestant

# Far above any fresh seed, so that no seed serves both purposes.
_FIRST_TUNING_SEED = 1_000_000


class Protocol(NamedTuple):
    """How optimizers are tuned and scored.

    Attributes:
      name: what reports call it.
      search: `grid`, evenly spaced in the logarithm of the learning rate; or `random`, quasi-random points.
      trials: points tried for each optimizer, at least 2.
      low: lowest learning rate of the search, above 0.
      high: highest learning rate of the search.
      tune: `learning_rate` alone, or `all`: every hyperparameter for which `search.SPACE` has a range.
      tuning_seeds: seeds for each point; the point with the best mean over them is chosen.
      studies: how often tuning and fresh runs are repeated, with other points and seeds.
      seeds: fresh seeds for each study.
      score: `metric`, the problem's own on test rows; or `time`, the epochs to its target, infinite if it is missed.
    """

    name: str
    search: str = "grid"
    trials: int = 11
    low: float = 1e-4
    high: float = 10.0
    tune: str = "learning_rate"
    tuning_seeds: int = 2
    studies: int = 1
    seeds: int = 10
    score: str = "metric"

    @property
    def runs(self) -> int:
        """Scored runs of each optimizer."""
        return self.studies * self.seeds

    def tuning_seeds_of(self, study: int) -> list[int]:
        """The seeds that tuning uses."""
        first = _FIRST_TUNING_SEED + study * self.tuning_seeds
        return list(range(first, first + self.tuning_seeds))

    def fresh_seeds_of(self, study: int) -> list[int]:
        """The seeds of scored runs: all optimizers share them, and with them initial weights and batches."""
        return list(range(study * self.seeds, (study + 1) * self.seeds))


PROTOCOLS: dict[str, Protocol] = {
    # The main job: DeepOBS's procedure at a minute's cost.
    "standard": Protocol("standard"),
    # Schneider, Balles & Hennig 2019, section 3: 36 learning rates on a log grid, one seed each, ten for the winner.
    "deepobs": Protocol("deepobs", trials=36, low=1e-5, high=1e2, tuning_seeds=1, seeds=10),
    # Dahl et al. 2023, section 4: independent studies of quasi-random search, each scored by its time to the target.
    "algoperf": Protocol(
        "algoperf", search="random", trials=20, tune="all", tuning_seeds=1, studies=5, seeds=1, score="time"
    ),
}


def rules(protocol: Protocol, contestants: Sequence[Contestant] = ()) -> list[str]:
    """The rules that a comparison applies, a sentence each.

    Args:
      protocol: the protocol.
      contestants: the optimizers compared; those with a given learning rate are not tuned, and the rules say so.
    """
    fixed = [one.name for one in contestants if one.rate is not None]
    tuned = len(fixed) < len(contestants) or not contestants
    said = [_tuning(protocol, "optimizer" if not fixed else "other optimizer"), _choice(protocol)] if tuned else []
    if fixed:
        verb = "run at their given learning rates" if len(fixed) > 1 else "runs at its given learning rate"
        said.insert(0, f"{listed(fixed)} {verb}, without tuning.")
    fresh = f"{'Then each' if tuned else 'Each'} optimizer runs with {_count(protocol.seeds, 'fresh seed')}"
    said.append(f"{fresh}, the same for all optimizers{', none used in tuning' if tuned else ''}.")
    said.append(_SCORES[protocol.score])
    if protocol.studies > 1:
        said.append(f"All of this is repeated {protocol.studies} times, independently.")
    return [*said, "A run that diverged stays in the statistics."]


_SCORES = {
    "metric": "The score is the metric on the test data, computed once per run.",
    "time": "The score is the number of epochs to the target; a run that misses it counts as infinite (speed 0).",
}


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _tuning(protocol: Protocol, who: str) -> str:
    points = "on a log grid" if protocol.search == "grid" else "quasi-random"
    return (
        f"Every {who} gets {protocol.trials} trials, {points}, with learning rates from {protocol.low:g} to "
        f"{protocol.high:g}, each with {_count(protocol.tuning_seeds, 'tuning seed')}."
    )


def _choice(protocol: Protocol) -> str:
    what = "learning rate is" if protocol.tune == "learning_rate" else "hyperparameters are"
    pronoun = "that" if protocol.tune == "learning_rate" else "those"
    best = "with the best mean on" if protocol.score == "metric" else "that first reaches the target on"
    return f"Its {what} {pronoun} of the trial {best} validation data."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
