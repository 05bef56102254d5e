"""Effects of hyperparameters: which combination is best on average, and a figure of each one's effect."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmlp.checks import check_choice, require
from jaxmlp.population.trials import AXES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_MOST_INTERVALS = 12


def checked_metric(function: str, table: "pd.DataFrame", metric: str, mode: str) -> Any:
    """A metric's column, less being better; trials that diverged come last."""
    check_choice(function, ("min", "max"), mode=mode)
    names = [name for name in table if table[name].dtype.kind == "f"]
    require(metric in names, function, "metric", f"be one of {', '.join(map(str, names))}", metric)
    values = table[metric] if mode == "min" else -table[metric]
    return values.where(table["status"] != "diverged", np.inf).fillna(np.inf)


def combination_columns(trials: Sequence[dict[str, Any]]) -> list[str]:
    """The columns that make up a combination: all but the seed and the fold."""
    names = dict.fromkeys(name for trial in trials for name in trial)
    return [name for name in names if name not in ("seed", *AXES.values())]


def best_trials(table: "pd.DataFrame", columns: list[str], values: Any) -> list[int]:
    """The trials of the combination with the least mean."""
    if not columns:
        return table.index.tolist()
    groups = values.groupby([table[name] for name in columns], dropna=False, sort=False)
    means = groups.transform("mean")
    return table.index[(groups.ngroup() == groups.ngroup()[means.idxmin()]).to_numpy()].tolist()


def drawn_effects(table: "pd.DataFrame", columns: list[str], metric: str) -> "Figure":
    """One panel for each hyperparameter that varies; see `Study.plot`."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Study.plot: matplotlib must be installed: pip install 'jaxmlp[compare]'") from error
    varied = [name for name in columns if len(table[name].unique()) > 1]
    require(varied, "Study.plot", "the study", "have a hyperparameter of two values or more", columns)
    columns_drawn = min(2, len(varied))  # more of them would be too small on a phone
    rows = math.ceil(len(varied) / columns_drawn)
    figure = Figure(figsize=(3.2 * columns_drawn, 2.7 * rows + 0.3), layout="constrained")
    every = figure.subplots(rows, columns_drawn, sharey=True, squeeze=False)
    for axis in every.flat[len(varied) :]:
        axis.remove()
    marks = {}
    for axis, name in zip(every.flat, varied, strict=False):
        _panel(axis, table[name], table[metric])
        marks |= {label: mark for mark, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        axis.set_xlabel(name)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in every[:, 0]:
        axis.set_ylabel(metric)
    figure.legend(list(marks.values()), list(marks), loc="outside upper left", ncols=2, frameon=False)
    return figure


def _panel(axis: Any, column: Any, values: Any) -> None:
    """Every trial as a dot, and for a few values the mean with its 95 % interval over trials."""
    is_number = column.dtype.kind in "fiu"
    column = column if is_number else column.astype(object).where(column.notna(), "None")
    kinds = sorted(column.unique()) if is_number else list(column.unique())
    places = column if is_number else column.map(kinds.index)
    axis.plot(places, values, ".", color="#5b6068", alpha=0.4, markersize=4, label="trial")
    if is_number and min(kinds) > 0 and max(kinds) >= 20 * min(kinds):
        axis.set_xscale("log")
    if not is_number:
        axis.set_xticks(range(len(kinds)), [str(kind) for kind in kinds])
    if len(kinds) <= _MOST_INTERVALS:
        found = [_interval(values[column == kind]) for kind in kinds]
        means, low, high = np.transpose(found)
        at = kinds if is_number else range(len(kinds))
        look = {"marker": "o", "color": "#0072b2", "capsize": 3, "label": "mean, 95 % interval"}
        axis.errorbar(at, means, [means - low, high - means], **look)


def _interval(values: Any) -> tuple[float, float, float]:
    from jaxmlp.statistics import mean

    finite = np.asarray(values, float)[np.isfinite(values)]
    return tuple(mean(finite)) if len(finite) > 1 else (*finite[:1],) * 3 or (np.nan,) * 3  # pyright: ignore[reportReturnType]
