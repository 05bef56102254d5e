"""The runs of one optimizer on one problem: tuning and fresh studies, resumed if they are on disk."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import jaxmlp
from jaxmlp.compare.axes import SIZES, configured
from jaxmlp.compare.contestants import Contestant
from jaxmlp.compare.escape import for_file_name
from jaxmlp.compare.problems import Problem

_ANOTHER_STUDY = "directory must hold a study of"


def _learner(
    network: Callable[[Any], jaxmlp.Learner], contestant: Contestant, steps: int, kind: str, /, **numbers: Any
) -> jaxmlp.Learner:
    """The learner of a contestant with these hyperparameters."""
    return network(configured(contestant, steps, kind, numbers))


class Runs(NamedTuple):
    """Studies of networks or batches of different sizes, as one study.

    Attributes:
      studies: a study for each size.
      trials: for each of them the numbers of its trials among all.
      sizes: for each of them batch size and hidden width, as multiples of the problem's own.
    """

    studies: list[jaxmlp.Study]
    trials: list[np.ndarray]
    sizes: list[dict[str, float]]

    def table(self) -> pd.DataFrame:
        """One row per trial, as that of a study."""
        return self._joined([one.table().assign(**size) for one, size in zip(self.studies, self.sizes, strict=True)])

    def history(self, name: str) -> pd.DataFrame:
        """One metric over epochs, one row per trial."""
        return self._joined([one.history(name) for one in self.studies])

    def _joined(self, tables: list[pd.DataFrame]) -> pd.DataFrame:
        placed = [table.set_index(trials) for table, trials in zip(tables, self.trials, strict=True)]
        return pd.concat(placed).sort_index()


class Trainer:
    """Trains a contestant on a problem: one recipe per size, a directory per study, and the time that fresh runs took.

    Attributes:
      problem: the problem.
      contestant: the contestant.
      done: runs done, including reused ones.
      reused: runs that were on disk from an earlier call.
      seconds: for each study of fresh runs the time of one run, without compilation; none on workers.
    """

    def __init__(
        self,
        problem: Problem,
        contestant: Contestant,
        directory: str | Path | None = None,
        follow: Callable[[str, int], object] | None = None,
        schedule: str = "constant",
        executor: Any = None,
    ) -> None:
        self.problem: Problem = problem
        self.contestant: Contestant = contestant
        self.done: int = 0
        self.reused: int = 0
        self.seconds: list[float] = []
        self._directory = None if directory is None else Path(directory) / for_file_name(contestant.name)
        self._schedule = schedule
        # One object for all studies and all repetitions: each of them finds what an earlier one has compiled.
        self._recipes: dict[tuple[float, ...], Callable[..., jaxmlp.Learner]] = {}
        self._follow = follow or (lambda text, done: None)
        self._executor = executor

    def train(self, name: str, data: jaxmlp.Data, trials: Sequence[dict[str, float]], seeds: Sequence[int]) -> Runs:
        """One study for each size of batch and network, loaded from its directory as far as it is there.

        Args:
          name: of the study, such as `repetition-0/tuning`.
          data: what to train on.
          trials: hyperparameters, one dict per point.
          seeds: for each point.
        """
        groups: dict[tuple[float, ...], list[int]] = {}
        for place, trial in enumerate(trials):
            groups.setdefault(tuple(trial.get(size, 1.0) for size in SIZES), []).append(place)
        runs = Runs([], [], [])
        for sizes, places in groups.items():
            where = "-".join([name, *(f"{size}-{one:g}" for size, one in zip(SIZES, sizes, strict=True) if one != 1.0)])
            plain = [{key: value for key, value in trials[place].items() if key not in SIZES} for place in places]
            runs.studies.append(self._trained(where, name.rpartition("/")[2], data, plain, seeds, sizes))
            runs.trials.append(np.concatenate([place * len(seeds) + np.arange(len(seeds)) for place in places]))
            tuned = [size for size in SIZES if size in trials[places[0]]]
            runs.sizes.append({size: one for size, one in zip(SIZES, sizes, strict=True) if size in tuned})
        return runs

    def _trained(
        self,
        name: str,
        stage: str,
        data: jaxmlp.Data,
        trials: list[dict[str, float]],
        seeds: Sequence[int],
        sizes: tuple[float, ...],
    ) -> jaxmlp.Study:
        """The study of one size."""
        directory, compiled = None if self._directory is None else self._directory / name, sizes in self._recipes
        problem = self.problem.sized(*sizes)
        if not compiled:
            steps = problem.epochs * problem.steps_per_epoch
            self._recipes[sizes] = partial(_learner, problem.learner, self.contestant, steps, self._schedule)

        def look(now: jaxmlp.Progress) -> None:
            clock.look()
            self._follow(name.partition("/")[0].replace("-", " "), self.done + now.done)

        with _Clock(directory, compiled) as clock:
            study = self._resumed(problem, self._recipes[sizes], data, trials, seeds, directory, look)
        self.done += len(trials) * len(seeds)
        if lost := len(trials) * len(seeds) - len(study.done):
            raise RuntimeError(f"{lost} of its runs killed every worker that they were given to")
        if stage == "fresh" and self._executor is None:
            self.seconds.append(clock.seconds / (len(trials) * len(seeds)))
        return study

    def _resumed(
        self,
        problem: Problem,
        recipe: Callable[..., jaxmlp.Learner],
        data: jaxmlp.Data,
        trials: Any,
        seeds: Any,
        directory: Path | None,
        look: Callable[..., None],
    ) -> jaxmlp.Study:
        arguments: dict[str, Any] = {
            "trials": list(trials),
            "seeds": list(seeds),
            "epochs": problem.epochs,
            "batch_size": problem.batch_size,
            "order": problem.order,
            "patience": problem.epochs if problem.keep == "best" else None,
            "directory": directory,
            "shard": (0, 1),  # a comparison needs all of its runs, whatever array job it is called from
            "executor": self._executor,
            "progress": False,
            "callback": look,
        }
        there = _finished(directory, [[*trial.values(), seed] for trial in trials for seed in seeds])
        try:
            study = jaxmlp.train_many(recipe, data, **arguments)
        except ValueError as error:
            if directory is None or _ANOTHER_STUDY not in str(error):
                raise
            # The optimizer or the settings have changed: what is there belongs to another comparison.
            _set_aside(directory)
            return jaxmlp.train_many(recipe, data, **arguments)
        self.reused += there
        return study


class _Clock:
    """Seconds that a study takes, over interruptions; while it still has to compile, from its first segment on."""

    def __init__(self, directory: Path | None, compiled: bool) -> None:
        self.file = None if directory is None else directory / "seconds.json"
        self.began = time.perf_counter() if compiled else None
        self.looks: list[float] = []
        self.seconds = 0.0

    def __enter__(self) -> "_Clock":
        return self

    def look(self) -> None:
        """To be called after every segment."""
        self.looks.append(time.perf_counter())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kept = json.loads(self.file.read_text()) if self.file is not None and self.file.exists() else 0.0
        self.seconds = kept + (self.looks[-1] - (self.began or self.looks[0]) if self.looks else 0.0)
        if self.looks and self.file is not None and self.file.parent.exists():
            self.file.write_text(json.dumps(self.seconds))


def _finished(directory: Path | None, rows: list[list[Any]]) -> int:
    """The number of trials that a directory holds of these; a study of others is set aside."""
    if directory is None or not directory.exists():
        return 0
    try:
        study = jaxmlp.load_study(directory)
    except (ValueError, OSError):  # nothing yet, or damaged: train_many says which
        return 0
    if [list(row.values()) for row in study.trials] == rows:
        return len(study.done)
    # It could grow by these trials, but its seconds are those of others.
    _set_aside(directory)
    return 0


def _set_aside(directory: Path) -> None:
    """Renames a directory to the first free name of the form `directory-before-1`."""
    number = 1
    while (other := Path(f"{directory}-before-{number}")).exists():
        number += 1
    directory.rename(other)
