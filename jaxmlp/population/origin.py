"""Where the trials of a study come from: their learners and data."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxmlp.data import Data, Preparation
from jaxmlp.data.resampling import Pool, preparation_at, sample_at
from jaxmlp.population.trials import AXES
from jaxmlp.training import Learner


class Origin(NamedTuple):
    """What a study in memory knows, and one from a directory does not.

    Attributes:
      learner: from a trial's number to its learner.
      data: as given to `train_many`.
      source: what trials get their data from: the same, or the pool of its folds, splits or bootstraps.
    """

    learner: Callable[[int], Learner]
    data: Any
    source: Any

    def place(self, row: dict[str, Any]) -> int | None:
        """The place in the pool of a trial's data; None if there is no pool."""
        return next(int(row[name]) for name in AXES.values() if name in row) if isinstance(self.source, Pool) else None

    def preparation(self, row: dict[str, Any]) -> Preparation | None:
        """That of a trial's data; None if it is not known."""
        known, place = getattr(self.data, "preparation", None), self.place(row)
        return known if known is None or place is None else preparation_at(self.source, known, place)

    def data_of(self, row: dict[str, Any]) -> Data:
        """A trial's data."""
        place = self.place(row)
        if place is None:
            return self.data
        return sample_at(self.source, place)._replace(preparation=self.preparation(row))
