"""The rules of a comparison as data: fixed before the comparison runs, printed first, and stored with the results.

All optimizers share one search space and get the same number of trials. Hyperparameters are chosen on validation data
only. Fresh seeds, which took no part in the choice, give the scores; the test rows are used once, after a fresh run.
All of this is one repetition. A comparison repeats it with other splits, tunings and seeds, because what a rerun of the
same command would change is the error that an answer must state.
"""

from typing import NamedTuple

# Far above any fresh seed, so that no seed serves both purposes.
_FIRST_TUNING_SEED = 1_000_000
_SEEDS_OF_A_RERUN = 2_000_000


class Protocol(NamedTuple):
    """How optimizers are tuned and scored.

    Attributes:
      name: what reports call it.
      search: `grid`, evenly spaced in the logarithm of the learning rate; or `random`, quasi-random points.
      trials: points tried for each optimizer, at least 2.
      low: lowest learning rate of the search, above 0.
      high: highest learning rate of the search.
      tune: `learning_rate` alone; `all`, every hyperparameter of an optimizer for which `search.SPACE` has a range;
        `nothing`, for the usual learning rates; or names separated by commas, which are tuned with the learning rate:
        of hyperparameters, and `weight_decay`, `warmup`, `schedule`, `batch_size` and `hidden` for every optimizer.
      tuning_seeds: seeds for each point.
      choice: `smooth`, the point of a grid with the best smoothed mean; or `best`, the point with the best mean.
      repetitions: how often the whole procedure is repeated: split, tuning, fresh seeds. Intervals and tests are over
        repetitions; if there is only one, they are over its seeds.
      split: `fresh`, another split of the rows for each repetition; or `fixed`, one split for all.
      studies: tunings within a repetition; the median over studies is the score of the repetition.
      seeds: fresh seeds for each study, whose mean is its score; 0: the score is that of the chosen trial itself.
      score: `metric`, the problem's own on test rows; or `time`, the epochs to its target, infinite if it is missed.
      schedule: of the learning rate, a name in `axes.SCHEDULES`.
      margin: optimizers do not differ if their difference is within this share of the standard deviation of a score
        from repetition to repetition.
      seed: another number repeats the whole comparison with other splits, tuning seeds and fresh seeds.
      baseline: the optimizer that each of the others is tested against; "" to test every pair. Fewer tests find smaller
        differences, so name the one that matters.
    """

    name: str
    search: str = "grid"
    trials: int = 11
    low: float = 1e-4
    high: float = 10.0
    tune: str = "learning_rate"
    tuning_seeds: int = 1
    choice: str = "smooth"
    repetitions: int = 20
    split: str = "fresh"
    studies: int = 1
    seeds: int = 2
    score: str = "metric"
    schedule: str = "constant"
    margin: float = 0.5
    seed: int = 0
    baseline: str = ""

    @property
    def runs(self) -> int:
        """Scored runs of each optimizer."""
        return self.repetitions * self.studies * (self.seeds or self.tuning_seeds)

    @property
    def unit(self) -> str:
        """What intervals and tests are over: `repetition`, or `seed` if there is a single repetition."""
        return "repetition" if self.repetitions > 1 else "seed"

    @property
    def units(self) -> int:
        """How many of them there are."""
        return self.repetitions if self.repetitions > 1 else self.seeds

    @property
    def crossed(self) -> bool:
        """Whether fresh seeds also run with what another repetition chose, to tell tuning from the split."""
        return self.repetitions > 1 and self.split == "fresh" and self.studies == 1 and self.seeds > 1

    def tuning_seeds_of(self, repetition: int, study: int = 0) -> list[int]:
        """The seeds that tuning uses."""
        first = self.seed * _SEEDS_OF_A_RERUN + _FIRST_TUNING_SEED
        first += (repetition * self.studies + study) * self.tuning_seeds
        return list(range(first, first + self.tuning_seeds))

    def fresh_seeds_of(self, repetition: int, study: int = 0) -> list[int]:
        """The seeds of scored runs: all optimizers share them, and with them initial weights and batches."""
        first = self.seed * _SEEDS_OF_A_RERUN + (repetition * self.studies + study) * self.seeds
        return list(range(first, first + self.seeds))

    def split_seed_of(self, repetition: int) -> int:
        """The seed of a repetition's data, which all optimizers share."""
        return self.seed * _SEEDS_OF_A_RERUN + repetition + 1


def _valley() -> dict[str, Protocol]:
    """Schmidt, Schneider & Hennig 2021, "Descending through a Crowded Valley": four budgets of random search.

    A trial has one seed; combine each budget with a `schedule` and without. All is repeated here, to know its error.
    """
    budgets = {"small": 25, "medium": 50, "large": 75}
    searched = Protocol("valley_small", "random", tune="all", choice="best", repetitions=10)
    return {
        "untuned": searched._replace(name="valley_untuned", tune="nothing"),
        **{name: searched._replace(name=f"valley_{name}", trials=trials) for name, trials in budgets.items()},
    }


PROTOCOLS: dict[str, Protocol] = {
    # The main job: the whole procedure, repeated, at a minute's cost.
    "standard": Protocol("standard"),
    # Schneider, Balles & Hennig 2019, section 3: 36 learning rates on a log grid, one seed each, ten for the winner,
    # on one split.
    "deepobs": Protocol(
        *("deepobs", "grid", 36, 1e-5, 1e2), choice="best", repetitions=1, split="fixed", tuning_seeds=1, seeds=10
    ),
    # Kasimbeg et al. 2025 (the rules of the first competition): 3 studies of 5 quasi-random trials, the best within a
    # study by its time to the target, the median over studies, infinite where it was missed. All of it is repeated
    # here, to know its error.
    "algoperf": Protocol(
        *("algoperf", "random", 5), tune="all", choice="best", repetitions=10, studies=3, seeds=0, score="time"
    ),
    **{f"valley_{name}": one for name, one in _valley().items()},
}
