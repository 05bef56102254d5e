"""Pruning: asynchronous successive halving, at the ends of segments."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from jaxmlp.checks import check_count, require


class SuccessiveHalving(NamedTuple):
    """Ends the worse trials at rungs of `first`, `first * factor`, `first * factor^2`, ... epochs.

    Attributes:
      first: the epochs of the first rung.
      factor: one in so many trials goes on.
    """

    first: int
    factor: int


def successive_halving(first: int = 1, factor: int = 3) -> SuccessiveHalving:
    """A pruner for `train_many`: at each rung, a trial continues only if it is among the best 1 / factor so far.

    The value compared is the best monitored one up to the rung. Trials reach a rung at different times, and each is
    judged once, against those that came before it. So which trials are pruned depends on the order in which trials ran:
    it is the same on every run with the same number of lanes and devices, interrupted by a signal or not, and may
    differ with other numbers of them, between shards that share a directory, and after a process was killed. Verdicts
    are on disk before they take effect, and no trial is judged twice.

    Args:
      first: epochs of the first rung, at least 1; also the length of a segment, so small values cost time.
      factor: at least 2.

    Returns:
      A `SuccessiveHalving`.

    Raises:
      ValueError: for numbers that break these rules.

    Example:
      >>> successive_halving(first=2, factor=4)
      SuccessiveHalving(first=2, factor=4)

    References:
      Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning" (ASHA), in its stopping form,
      https://arxiv.org/abs/1810.05934.
    """
    check_count("successive_halving", first=first)
    check_count("successive_halving", factor=factor)
    require(factor >= 2, "successive_halving", "factor", "be at least 2", factor)
    return SuccessiveHalving(int(first), int(factor))


class Verdict(NamedTuple):
    """What was decided about a trial at a rung: fit for JSON."""

    trial: int
    rung: int
    value: float
    falls: bool


class Rungs:
    """What trials had reached at each rung, and who was told to end there.

    `own` are the verdicts made here; those that other processes made are added by `learn`.
    """

    def __init__(self, pruner: SuccessiveHalving, epochs: int) -> None:
        lengths = (pruner.first * pruner.factor**i for i in range(64))
        self.first: int = pruner.first
        self.factor: int = pruner.factor
        self.seen: dict[int, dict[int, Verdict]] = {rung: {} for rung in lengths if rung < epochs}
        self.own: list[Verdict] = []

    def learn(self, verdicts: Iterable[Verdict]) -> None:
        """Takes over what was decided elsewhere or earlier; the first verdict on a trial stands."""
        for verdict in verdicts:
            if verdict.rung in self.seen:  # trials that are longer than these have further rungs
                self.seen[verdict.rung].setdefault(verdict.trial, verdict)

    def adopt(self, verdicts: Iterable[Verdict]) -> None:
        """Takes over what was decided in this process's name, by its workers."""
        self.learn(verdicts)
        self.own += verdicts

    @property
    def known(self) -> list[Verdict]:
        """All verdicts, wherever they were made."""
        return [verdict for seen in self.seen.values() for verdict in seen.values()]

    def falls(self, trial: int, history: np.ndarray, epochs: int) -> bool:
        """Whether a trial ends here.

        Args:
          trial: its number in the study.
          history: its monitored metric, less is better, of which `epochs` epochs are done.
          epochs: how many.
        """
        for rung, seen in self.seen.items():
            if epochs < rung:
                break
            if trial not in seen:
                seen[trial] = self._judge(trial, rung, float(np.min(history[:rung])))
                self.own.append(seen[trial])
            if seen[trial].falls:
                return True
        return False

    def _judge(self, trial: int, rung: int, value: float) -> Verdict:
        values = sorted([value, *(verdict.value for verdict in self.seen[rung].values())])
        keep = max(1, len(values) // self.factor)
        return Verdict(trial, rung, value, value > values[keep - 1])
