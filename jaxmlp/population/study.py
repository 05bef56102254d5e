"""The study: the results of `train_many`, as a table, histories, parameters, and a directory."""

import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.data import Data, Preparation
from jaxmlp.data.resampling import Pool
from jaxmlp.models import Model, model_of
from jaxmlp.population.effects import best_trials, checked_metric, combination_columns, drawn_effects
from jaxmlp.population.ended import Ended, as_array, joined, write_ended
from jaxmlp.population.identity import common
from jaxmlp.population.origin import Origin
from jaxmlp.population.plans import id_of, plain_entries, write_plan
from jaxmlp.population.tables import pandas, table_of
from jaxmlp.prediction import answered, preparation_of
from jaxmlp.storage import DESCRIPTION, identity_of, write_json
from jaxmlp.training import Learner
from jaxmlp.types import Array, Params, PyTree

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Study:
    """The results of a population, one row per trial.

    Attributes:
      description: what was asked for, a dict fit for JSON.
      trials: the rows `{recipe, hyperparameters, seed}`, whose places number the trials.
      done: the numbers of the trials that have ended, in order.
    """

    def __init__(self, description: dict[str, Any], ended: list[Ended], origin: Origin | None = None) -> None:
        self.description = description
        self._origin = origin
        self.trials: list[dict[str, Any]] = description["trials"]
        self._ended = joined(ended)
        self._place = {int(trial): (batch, row) for batch in self._ended for row, trial in enumerate(batch.trial)}
        self.done: list[int] = sorted(self._place)

    def __repr__(self) -> str:
        return f"Study({len(self.done)} of {len(self.trials)} trials done)"

    def table(self) -> "pd.DataFrame":
        """One row for each trial that has ended.

        Returns:
          A pandas DataFrame, indexed by trial: hyperparameters, `seed`, `status`, `cause`, `epochs` (completed),
          `steps`, `best_epoch` (an index into the history, -1 for none), `train_...` and `validation_...` metrics at
          the epoch whose parameters were kept, `test_...` metrics of those parameters, and `initial_...` metrics from
          before the first step if they were asked for. NaN for what a trial does not have: another recipe's metric, or
          any metric if it diverged before its first epoch was complete; and `surroundings` (JAX, processor, flags) of
          trials of `workers(..., mixed=True)`. A hyperparameter named like another column is
          shown as `params_<name>`.
        """
        return table_of(self.trials, self.done, self._ended)

    def history(self, name: str) -> "pd.DataFrame":
        """One metric over time, such as `validation_loss`.

        Returns:
          A pandas DataFrame: one row for each trial that has ended and has the metric, one column for each epoch; NaN
          after a trial's last epoch.

        Raises:
          ValueError: for a name that no trial has.
        """
        names = sorted({key for batch in self._ended for key in batch.result.history})
        require(name in names, "Study.history", "name", f"be one of {', '.join(names)}", name)
        having = [trial for trial in self.done if name in self._place[trial][0].result.history]
        rows = [self._place[trial][0].result.history[name][self._place[trial][1]] for trial in having]
        index = pandas().Index(having, name="trial")
        table = np.full((len(rows), max(map(len, rows))), np.nan, np.result_type(*rows))
        for row, values in zip(table, rows, strict=True):
            row[: len(values)] = values
        return pandas().DataFrame(table, index=index).rename_axis("epoch", axis=1)

    def best(self, metric: str | None = None, mode: str | None = None) -> list[int]:
        """The trials of the best hyperparameters: those with the best mean over seeds, and over folds if there are.

        Args:
          metric: a column of the table; None for the monitored validation metric.
          mode: "min" or "max"; None for the one that the study was monitored with.

        Returns:
          The numbers of these trials, for `predict`, `model`, `params`, or `table().loc[...]`. A trial that diverged
          makes its hyperparameters the worst.

        Raises:
          ValueError: for a metric that the table does not have.
        """
        table, (metric, mode) = self.table(), self._monitored(metric, mode)
        values = checked_metric("Study.best", table, metric, mode)
        return best_trials(table, combination_columns(self.trials), values)

    def plot(self, metric: str | None = None) -> "Figure":
        """A metric over each hyperparameter that varies: every trial, and means over all others with 95 % intervals.

        Args:
          metric: a column of the table; None for the monitored validation metric.

        Returns:
          A matplotlib Figure, which notebooks show, and which has `savefig`.

        Raises:
          ValueError: for a metric that the table does not have, or if nothing varies.
        """
        table, (metric, _) = self.table(), self._monitored(metric, "min")
        checked_metric("Study.plot", table, metric, "min")
        return drawn_effects(table, combination_columns(self.trials), metric)

    def _monitored(self, metric: str | None, mode: str | None) -> tuple[str, str]:
        settings = self.description.get("settings", {"monitor": "loss", "mode": "min"})
        known = settings["mode"] if metric is None else "min" if metric.endswith("loss") else "max"
        return f"validation_{settings['monitor']}" if metric is None else metric, known if mode is None else mode

    def params(self, trials: int | Sequence[int] | Any = None) -> Params:
        """Parameters kept: those of the best epoch if patience was given, otherwise the last ones.

        Args:
          trials: a trial's number, or a list of numbers of trials with the same structure, or a mask of bools over
            `done`, such as `table["learning_rate"] == 0.1`; None for all trials that have ended.

        Returns:
          The params of one trial, or stacked along a leading axis, in the structure that the learner gave them. A
          study from `load_study` has nested lists and dicts, unless it was told the structure.

        Raises:
          ValueError: for trials that have not ended, or whose parameters differ in structure or shape.
        """
        if isinstance(trials, (int, np.integer)) and not isinstance(trials, bool):
            return jax.tree.map(lambda leaf: leaf[0], self.params([int(trials)]))
        wanted = self._numbers(trials)
        rule = "be numbers of trials that have ended"
        require(wanted and all(trial in self._place for trial in wanted), "Study.params", "trials", rule, trials)
        shapes = {self._shape(trial) for trial in wanted}
        recipes = sorted({str(self.trials[trial].get("recipe", "")) for trial in wanted})
        require(len(shapes) == 1, "Study.params", "trials", "be of one structure and shape", recipes)
        places = [self._place[trial] for trial in wanted]
        kept = [jax.tree.map(lambda leaf, row=row: leaf[row], batch.result.params) for batch, row in places]
        return jax.tree.map(lambda *leaves: jax.device_put(np.stack(leaves)), *kept)

    def _numbers(self, trials: Any) -> list[int]:
        """Numbers of trials, of a list of numbers, a mask, or None."""
        if trials is None:
            return self.done
        given = np.asarray(trials)
        if given.dtype != bool:
            return [int(trial) for trial in trials]
        rule = f"be a mask of {len(self.done)} bools, one for each trial that has ended"
        require(given.shape == (len(self.done),), "Study.params", "trials", rule, given.shape)
        return [trial for trial, chosen in zip(self.done, given, strict=True) if chosen]

    def _shape(self, trial: int) -> Any:
        leaves, structure = jax.tree.flatten(self._place[trial][0].result.params)
        return structure, tuple((leaf.shape[1:], str(leaf.dtype)) for leaf in leaves)

    def ensemble(self, predict: Callable[[Params, Any], Array], inputs: PyTree, trials: Any = None) -> Array:
        """The mean over trials of `predict(params, inputs)`: of logits, or of probabilities if it returns them.

        `Study.predict` uses each trial's own network, and takes rows in the user's own units.

        Args:
          predict: a function of one trial's params and the inputs, such as `jaxmlp.apply`.
          inputs: passed on to it.
          trials: as in `params`.
        """
        one = isinstance(trials, (int, np.integer)) and not isinstance(trials, bool)
        params = self.params([int(trials)] if one else trials)
        return jnp.mean(jax.lax.map(lambda one: predict(one, inputs), params), axis=0)

    def model(
        self, trials: Any = None, *, learner: Learner | None = None, data: Data | Preparation | None = None
    ) -> Model:
        """The networks of one or several trials as a `Model`, which predicts and can be saved.

        Args:
          trials: as in `params`, of any structure; several are an ensemble.
          learner: the learner of these trials; needed for a study from `load_study`, which knows only params.
          data: what the trials were trained with, or its preparation; needed for a study from `load_study`, and if the
            data had no preparation.

        Raises:
          ValueError: for trials that have not ended, or if learner or data are needed.
        """
        one = isinstance(trials, (int, np.integer)) and not isinstance(trials, bool)
        wanted = [int(trials)] if one else self._numbers(trials)
        make: Any = self._origin.learner if learner is None and self._origin else lambda _: learner
        known: Any = self._preparation(wanted) if data is None and self._origin else data
        rule = "be given for a study that does not know it, as from load_study"
        require(len(wanted) > 0, "Study.model", "trials", "be one or several trials that have ended", trials)
        require(learner is not None or self._origin, "Study.model", "learner", rule, None)
        require(known is not None, "Study.model", "data", rule, None)
        return model_of("Study.model", [(make(trial), self.params(trial)) for trial in wanted], known)

    def _preparation(self, trials: list[int]) -> Preparation | None:
        """That of all these trials, which are of one data set."""
        assert self._origin is not None
        places = {self._origin.place(self.trials[trial]): trial for trial in trials}
        rule = "be of one fold, split or bootstrap, which scale rows differently (train without them for one model)"
        require(len(places) <= 1, "Study.model", "trials", rule, sorted(map(str, places)))
        return self._origin.preparation(self.trials[next(iter(places.values()))]) if places else None

    def data(self, trial: int) -> Data:
        """The data that a trial was trained with: `fit` with them, its learner and its seed gives the trial again.

        Args:
          trial: its number.

        Raises:
          ValueError: for a study from `load_study`, which does not know the data.
        """
        rule = "be the result of train_many in this process, which a finished directory gives at once"
        require(self._origin is not None, "Study.data", "the study", rule, repr(self))
        assert self._origin is not None
        return self._origin.data_of(self.trials[trial])

    def out_of_fold(self, trials: Any = None, output: str | None = None) -> np.ndarray:
        """What a study with `folds=` says about each training and validation row, by trials that have not seen it.

        Several trials of a fold, such as those of all seeds, predict together, as in `Study.predict`.

        Args:
          trials: as in `params`: a list of numbers or a mask, of trials of all folds; None for all trials that have
            ended, whatever their hyperparameters.
          output: as in `Model.predict`.

        Returns:
          As from `Model.predict`, with one row for each row of `data.train`, then `data.validation`.

        Raises:
          ValueError: for a study without folds, or if a fold has no trial among these.
        """
        wanted = self._numbers(trials)
        folds: dict[int, list[int]] = {}
        for trial in wanted:
            folds.setdefault(self.trials[trial].get("fold", -1), []).append(trial)
        known = self._origin is not None and isinstance(self._origin.source, Pool) and -1 not in folds
        require(known, "Study.out_of_fold", "the study", "be of train_many(..., folds=) in this process", repr(self))
        assert self._origin is not None
        samples = self._origin.source.samples
        missing = sorted(set(range(len(samples.train))) - set(folds))
        require(not missing, "Study.out_of_fold", "trials", "be of all folds", f"none of folds {missing}")
        answers = [self._held_out(folds[fold], output) for fold in range(len(folds))]
        _, first = np.unique(np.concatenate(samples.validation), return_index=True)
        return np.concatenate(answers)[first]

    def _held_out(self, trials: list[int], output: str | None) -> np.ndarray:
        """What trials of one fold say about its rows."""
        data = self.data(trials[0])
        members = self.model(trials).members
        known, inputs = preparation_of("Study.out_of_fold", data), np.asarray(data.validation.inputs)
        return answered("Study.out_of_fold", members, known, inputs, output)

    def predict(
        self,
        rows: PyTree,
        trials: Any = None,
        output: str | None = None,
        *,
        learner: Learner | None = None,
        data: Data | Preparation | None = None,
    ) -> np.ndarray:
        """What the networks of one or several trials say about new rows, as `jaxmlp.predict`.

        Several trials predict together, by the mean of their probabilities or predicted targets. Rows and output are
        those of `Model.predict`, trials, learner and data those of `Study.model`.
        """
        return self.model(trials, learner=learner, data=data).predict(rows, output)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes the study into a directory that holds no study yet; `load_study` reads it.

        Raises:
          FileExistsError: if there is a study already.
        """
        path = Path(directory).expanduser()
        path.mkdir(parents=True, exist_ok=True)
        if (path / DESCRIPTION).exists():
            raise FileExistsError(f"Study.save: directory must not hold a study already, got {path}")
        shared = {**common(self.description), "saved": uuid.uuid4().hex}
        entries = self.description.get("entries") or plain_entries(self.trials)
        write_plan(path, identity_of(shared), entries, 0)
        for ended in self._ended:
            ids = as_array(id_of(entries[trial]) for trial in ended.trial)
            write_ended(path, ended, identity_of(shared), ids)
        write_json(path / DESCRIPTION, shared)
