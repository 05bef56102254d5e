"""Tables: trials that have ended as a DataFrame."""

import math
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxmlp.population.ended import Ended
from jaxmlp.result import Cause, Status

if TYPE_CHECKING:
    import pandas as pd

_INTEGERS = ("epochs", "steps", "best_epoch")


def table_of(trials: list[dict[str, Any]], done: list[int], every: list[Ended]) -> "pd.DataFrame":
    """One row for each trial that is done, as `Study.table` documents it."""
    pd = pandas()
    names = list(dict.fromkeys(name for trial in trials for name in trial))
    index = pd.Index(done, name="trial", dtype="int64")
    asked = pd.DataFrame([trials[trial] for trial in done], index=index, columns=names)
    batches = [pd.DataFrame(columns_of(batch), index=batch.trial) for batch in every]
    found = pd.concat(batches) if batches else pd.DataFrame(columns=["status", "cause", *_INTEGERS])
    return asked.join(found)


def rows_of(trials: list[dict[str, Any]], ended: Ended) -> dict[int, dict[str, Any]]:
    """The rows of the table of trials that have ended, as dicts of Python's values, by their numbers."""
    columns = {name: np.asarray(values).tolist() for name, values in columns_of(ended).items()}
    return {
        int(trial): {**trials[int(trial)], **{name: values[i] for name, values in columns.items()}}
        for i, trial in enumerate(ended.trial)
    }


def row_of_lost(row: dict[str, Any], like: Ended) -> dict[str, Any]:
    """The row of a trial that was left out: its status is "lost", its metrics are NaN; `like` has shapes alone."""
    nothing: Ended = jax.tree.map(lambda leaf: np.zeros((1, *leaf.shape), leaf.dtype), like)
    found = {name: np.asarray(values).tolist()[0] for name, values in columns_of(nothing).items()}
    return {
        **row,
        **{name: math.nan if isinstance(value, float) else value for name, value in found.items()},
        "status": "lost",
    }


def columns_of(batch: Ended) -> dict[str, Any]:
    """The table's columns of trials that have ended."""
    result, rows = batch.result, np.arange(len(batch.trial))
    shown = result.kept_epoch
    metrics = {name: np.where(shown >= 0, values[rows, shown], np.nan) for name, values in result.history.items()}
    return {
        "status": [Status(int(code)).name.lower() for code in result.status],
        "cause": [Cause(int(code)).name.lower() for code in result.cause],
        **{name: np.asarray(getattr(result, name), np.int64) for name in _INTEGERS},
        **{name: values.astype(float) for name, values in metrics.items()},
        **{f"test_{name}": values.astype(float) for name, values in batch.test.items()},
        **{f"initial_{name}": values.astype(float) for name, values in result.initial.items()},
        **({"surroundings": [*batch.surroundings] * len(rows)} if batch.surroundings else {}),
    }


def pandas() -> Any:
    """The module, which is an extra."""
    try:
        import pandas as pd
    except ImportError as error:
        message = "Study.table: pandas must be installed: pip install 'jaxmlp[data]'"
        raise ImportError(message) from error
    return pd
