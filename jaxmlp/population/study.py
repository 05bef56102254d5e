"""The study: what `train_many` found out, as a table, histories, parameters, and a directory."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.population.storage import read_arrays, read_json, write_arrays, write_json
from jaxmlp.run import Cause, Status

DESCRIPTION = "study.json"
CHUNKS = "trials-*.npz"


class Study:
    """The results of a population, a row a trial.

    - `table()`: a pandas DataFrame.
    - `history(name)`: a DataFrame of trials by epochs.
    - `params(trial)`: one trial's parameters; `params(trials)`: stacked.
    - `ensemble(predict, inputs, trials)`: the mean prediction.
    - `save(directory)`, and `load_study(directory)` for the way back.

    `description` is a dict of what was asked for; `trials` the rows `{hyperparameters, "seed"}`, whose places number
    the trials; `done` the numbers of those that have ended, in order.
    """

    def __init__(self, description, chunks):
        self.description = description
        self.trials = description["trials"]
        self._chunks = _merged(chunks)
        self._place = {int(trial): (chunk, row) for chunk in self._chunks for row, trial in enumerate(chunk["trial"])}
        self.done = sorted(self._place)

    def __repr__(self):
        return f"Study({len(self.done)} of {len(self.trials)} trials done)"

    def table(self):
        """A row for each trial that has ended.

        Returns:
          A pandas DataFrame, indexed by trial: hyperparameters, `seed`, `status`, `cause`, `epochs` (completed),
          `steps`, `best_epoch` (an index into the history, -1 for none), `train_...` and `validation_...` metrics at
          the epoch whose parameters were kept, and `test_...` metrics of those parameters. A trial that diverged before
          its first epoch was complete has NaN in the former.
        """
        rows = [{**self.trials[trial], **_summary(*self._place[trial])} for trial in self.done]
        return _pandas().DataFrame(rows, index=_pandas().Index(self.done, name="trial"))

    def history(self, name):
        """One metric over time, such as `validation_loss`.

        Returns:
          A pandas DataFrame: a row for each trial that has ended, a column for each epoch; NaN from a trial's end on.
        """
        names = sorted({key.removeprefix("history/") for chunk in self._chunks for key in chunk if "history/" in key})
        require(name in names, "Study.history", "name", f"be one of {', '.join(names)}", name)
        rows = [self._place[trial][0][f"history/{name}"][self._place[trial][1]] for trial in self.done]
        index = _pandas().Index(self.done, name="trial")
        return _pandas().DataFrame(np.stack(rows), index=index).rename_axis("epoch", axis=1)

    def params(self, trials=None):
        """Parameters: those of the best epoch where patience was given, else the last ones.

        Args:
          trials: a trial's number, or a list of numbers of trials with the same structure; None: all that have ended.

        Returns:
          The params of one trial, or stacked along a leading axis.
        """
        if isinstance(trials, (int, np.integer)):
            return jax.tree.map(lambda leaf: leaf[0], self.params([int(trials)]))
        wanted = self.done if trials is None else [int(trial) for trial in trials]
        rule = "be numbers of trials that have ended"
        require(wanted and all(trial in self._place for trial in wanted), "Study.params", "trials", rule, trials)
        recipes = {self.trials[trial].get("recipe", "") for trial in wanted}
        require(
            len(recipes) == 1, "Study.params", "trials", "be of one recipe, for others differ in shape", sorted(recipes)
        )
        names = [key for key in self._place[wanted[0]][0] if key.startswith("params/")]
        leaves = {
            name: np.stack([self._place[trial][0][name][self._place[trial][1]] for trial in wanted]) for name in names
        }
        return _nested({name.removeprefix("params/"): jnp.asarray(leaf) for name, leaf in leaves.items()})

    def ensemble(self, predict, inputs, trials=None):
        """The mean over trials of `predict(params, inputs)`: of logits, or of probabilities if predict returns them.

        Args:
          predict: a function of one trial's params and the inputs, such as `jaxmlp.apply`.
          inputs: handed to it.
          trials: as in `params`.
        """
        params = self.params(self.done if trials is None else np.atleast_1d(trials).tolist())
        return jnp.mean(jax.lax.map(lambda one: predict(one, inputs), params), axis=0)

    def save(self, directory):
        """Writes the study into a directory, which `load_study` reads."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / DESCRIPTION, self.description)
        for number, chunk in enumerate(self._chunks):
            write_arrays(directory / f"trials-saved-{number}.npz", chunk)


def load_study(directory):
    """The study of a directory that `train_many` or `Study.save` wrote: the trials that all processes have finished.

    Args:
      directory: a path.

    Returns:
      A `Study`. Nested lists and dicts of parameters come back as they were; other containers as dicts by path.

    Raises:
      FileNotFoundError: where there is no study; ValueError: for a damaged file.
    """
    path = Path(directory) / DESCRIPTION
    if not path.exists():
        raise FileNotFoundError(f"load_study: directory must hold a {DESCRIPTION}, got {directory}")
    return Study(read_json(path), read_chunks(directory))


def read_chunks(directory):
    """The chunks of finished trials of a directory."""
    return [read_arrays(path) for path in sorted(Path(directory).glob(CHUNKS))]


def _merged(chunks):
    """Chunks with the same arrays and shapes as one chunk; a trial that was finished twice counts once."""
    kinds: dict[Any, list[Any]] = {}
    for chunk in chunks:
        kinds.setdefault(tuple(sorted((name, array.shape[1:]) for name, array in chunk.items())), []).append(chunk)
    merged = [{name: np.concatenate([chunk[name] for chunk in same]) for name in same[0]} for same in kinds.values()]
    firsts = [np.unique(chunk["trial"], return_index=True)[1] for chunk in merged]
    return [{name: array[first] for name, array in chunk.items()} for chunk, first in zip(merged, firsts, strict=True)]


def _summary(chunk, row):
    status, epochs, best = Status(int(chunk["status"][row])), int(chunk["epochs"][row]), int(chunk["best_epoch"][row])
    shown = best if chunk["restored"][row] else epochs - 1
    metrics = {
        name.removeprefix("history/"): float(array[row, shown]) if shown >= 0 else float("nan")
        for name, array in chunk.items()
        if name.startswith("history/")
    }
    test = {"test_" + name.removeprefix("test/"): float(chunk[name][row]) for name in chunk if name.startswith("test/")}
    return {
        "status": status.name.lower(),
        "cause": Cause(int(chunk["cause"][row])).name.lower(),
        "epochs": epochs,
        "steps": int(chunk["steps"][row]),
        "best_epoch": best,
        **metrics,
        **test,
    }


def flat(prefix, tree):
    """A tree as a dict of NumPy arrays named by their paths, such as `params/0/w`."""
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return {
        f"{prefix}/{jax.tree_util.keystr(path, simple=True, separator='/')}": np.asarray(leaf) for path, leaf in paths
    }


def _nested(leaves):
    """The tree of a dict by path: whole numbers from 0 are places of a list, other names keys of a dict."""
    if list(leaves) == [""]:
        return leaves[""]
    heads: dict[str, Any] = {}
    for path, leaf in leaves.items():
        head, _, rest = path.partition("/")
        heads.setdefault(head, {})[rest] = leaf
    children = {head: _nested(rest) for head, rest in heads.items()}
    if sorted(children) == sorted(str(i) for i in range(len(children))):
        return [children[str(i)] for i in range(len(children))]
    return children


def _pandas():
    try:
        import pandas as pd
    except ImportError as error:
        message = "Study.table: pandas must be installed: pip install 'jaxmlp[experiments]'"
        raise ImportError(message) from error
    return pd
