"""What a training run returns, and how it ended."""

import enum
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxmlp.checks import is_concrete
from jaxmlp.types import Array, Params

__all__ = ["Cause", "Result", "Status"]


class Status(enum.IntEnum):
    """How a run stands: in progress, out of epochs, stopped early, diverged, or pruned by its population."""

    RUNNING = 0
    FINISHED = 1
    STOPPED = 2
    DIVERGED = 3
    PRUNED = 4


class Cause(enum.IntEnum):
    """What became non-finite first in a run that diverged."""

    NONE = 0
    LOSS = 1
    PARAMETERS = 2
    VALIDATION = 3


class Result(NamedTuple):
    """The results of a training run, a pytree of arrays.

    Attributes:
      params: the parameters kept: those of the best epoch if patience was given, otherwise the last ones (the last
        finite ones if the run diverged).
      history: {name: (epochs,)}: `train_loss` (the mean over the epoch's batches, penalties and dropout included),
        other metrics of the loss as `train_...`, `validation_...` for each metric of `evaluate`, and `test_...` if it
        was asked for. NaN after the last epoch.
      best_epoch: () int32, index into the history of the best monitored value; -1 if no epoch was completed.
      kept_epoch: () int32, index into the history of the epoch whose parameters were kept; -1 if none was completed.
      epochs: () int32, the number of epochs completed.
      steps: () int32, the number of steps done; for a diverged run, the step (counted from 0) that failed.
      status: () int32, a code of `Status`.
      cause: () int32, a code of `Cause`.
      initial: {name: ()}: `validation_...` (and `test_...`) before the first step; empty unless it was asked for.
    """

    params: Params
    history: dict[str, Array]
    best_epoch: Array
    kept_epoch: Array
    epochs: Array
    steps: Array
    status: Array
    cause: Array
    initial: dict[str, Array]

    @property
    def reason(self) -> str:
        """Why the run ended, in words; for a single run outside of jit."""
        epochs, steps = int(self.epochs), int(self.steps)
        match Status(int(self.status)):
            case Status.STOPPED:
                return f"stopped early after {epochs} epochs; the best was epoch index {int(self.best_epoch)}"
            case Status.DIVERGED:
                what = ("", "the loss", "a parameter", "the monitored metric")[int(self.cause)]
                return f"diverged: {what} became non-finite at step {steps}"
            case Status.PRUNED:
                return f"pruned after {epochs} epochs"
            case _:
                return f"finished its {epochs} epochs"

    def __repr__(self) -> str:
        if jnp.ndim(self.status) or not is_concrete(self.status):
            return f"Result(a batch of shape {jnp.shape(self.status)})"
        size = sum(jnp.size(leaf) for leaf in jax.tree.leaves(self.params))
        return f"Result({self.reason}; {size:,} parameters, history of {', '.join(self.history)})"
