"""Pruning: asynchronous successive halving, at the ends of segments."""

from typing import NamedTuple

import numpy as np

from jaxmlp.checks import check_count, require


class SuccessiveHalving(NamedTuple):
    """Ends the worse trials at rungs `first`, `first * factor`, `first * factor^2`, ... epochs; see its maker."""

    first: int
    factor: int


def successive_halving(first=1, factor=3):
    """A pruner for `train_many`: at each rung, a trial goes on only if it is among the best 1 / factor so far.

    The value compared is the best monitored one up to the rung, so that a trial that is judged late is judged alike. As
    trials come to a rung at different times, which of them are pruned depends on the order in which they ran: with a
    pruner, a study on other devices may keep others.

    Args:
      first: the epochs of the first rung, at least 1.
      factor: at least 2.

    Returns:
      A `SuccessiveHalving`.

    >>> successive_halving(first=2, factor=4)
    SuccessiveHalving(first=2, factor=4)

    Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning" (ASHA), in its stopping form.
    """
    check_count("successive_halving", "first", first)
    check_count("successive_halving", "factor", factor)
    require(factor >= 2, "successive_halving", "factor", "be at least 2", factor)
    return SuccessiveHalving(int(first), int(factor))


class Rungs:
    """What trials had reached at each rung."""

    def __init__(self, pruner, epochs):
        rungs = [pruner.first * pruner.factor**i for i in range(64) if pruner.first * pruner.factor**i < epochs]
        self.factor = pruner.factor
        self.values = {rung: {} for rung in rungs}

    def falls(self, trial, history, epochs):
        """Whether a trial ends here: `history` is its monitored metric, less is better, of `epochs` epochs so far."""
        for rung, seen in self.values.items():
            if epochs < rung or trial in seen:
                continue
            seen[trial] = np.min(history[:rung])
            keep = max(1, len(seen) // self.factor)
            if seen[trial] > np.sort(list(seen.values()))[keep - 1]:
                return True
        return False
