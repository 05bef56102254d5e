"""The rules of a comparison, as data: fixed before it runs, printed before it runs, and kept with its results.

One search space for all optimizers and the same number of trials for each; selection on validation data only; then
fresh seeds, which took no part in the choice; the test rows are looked at once, at the end of a fresh run.
"""

from typing import NamedTuple

# Far from any fresh seed, so that no run can be both.
FIRST_TUNING_SEED = 1_000_000


class Protocol(NamedTuple):
    """How optimizers are tuned and scored.

    - `search`: `grid`, evenly in the logarithm of the learning rate; or `random`, quasi-random points of the space.
    - `trials`: points tried for each optimizer, between the learning rates `low` and `high`.
    - `tune`: `learning_rate` alone, or `all`: every hyperparameter that `search.SPACE` has a range for.
    - `tuning_seeds`: seeds for each point; the best mean over them is chosen.
    - `studies`: how often tuning and fresh runs are done anew, from other points and seeds.
    - `seeds`: fresh seeds for each study.
    - `score`: `metric`, the problem's own on test rows; or `time`, the epochs to its target, a miss being infinite.
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
    def runs(self):
        """Scored runs of each optimizer."""
        return self.studies * self.seeds

    def tuning_seeds_of(self, study):
        """The seeds that tuning uses."""
        first = FIRST_TUNING_SEED + study * self.tuning_seeds
        return list(range(first, first + self.tuning_seeds))

    def fresh_seeds_of(self, study):
        """The seeds of scored runs: the same for every optimizer, hence the same initial weights and batches."""
        return list(range(study * self.seeds, (study + 1) * self.seeds))


PROTOCOLS = {
    # The main job: a minute's worth of DeepOBS's idea.
    "standard": Protocol("standard"),
    # Schneider, Balles & Hennig 2019, section 3: 36 learning rates on a log grid, one seed each, ten for the winner.
    "deepobs": Protocol("deepobs", trials=36, low=1e-5, high=1e2, tuning_seeds=1, seeds=10),
    # Dahl et al. 2023, section 4: independent studies of quasi-random search, each scored by its time to the target.
    "algoperf": Protocol(
        "algoperf", search="random", trials=20, tune="all", tuning_seeds=1, studies=5, seeds=1, score="time"
    ),
}


def rules(protocol):
    """The protocol in sentences."""
    what = "learning rate is that" if protocol.tune == "learning_rate" else "hyperparameters are those"
    points = "on a log grid" if protocol.search == "grid" else "quasi-random"
    tuning = (
        f"Every optimizer gets {protocol.trials} trials, {points}, its learning rate from {protocol.low:g} to "
        f"{protocol.high:g}, with {_count(protocol.tuning_seeds, 'tuning seed')} each."
    )
    if protocol.score == "metric":
        choice = f"Its {what} of the trial with the best mean on validation data."
        score = "These are scored on the test data, once."
    else:
        choice = f"Its {what} of the trial that reaches the target on validation data first."
        score = "These are scored by the epochs that they take to the target; a miss counts as infinite (speed 0)."
    fresh = (
        f"Then it runs with {_count(protocol.seeds, 'fresh seed')}, the same for all optimizers, none used in tuning."
    )
    studies = f"All of this is done {protocol.studies} times over, independently." if protocol.studies > 1 else ""
    diverged = "A run that diverged stays in the statistics."
    return [rule for rule in (tuning, choice, fresh, score, studies, diverged) if rule]


def _count(number, word):
    return f"{number} {word}" + ("" if number == 1 else "s")
