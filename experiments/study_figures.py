"""The figures of the study of new optimizers."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from experiments.study_page import MARKS, tally
from jaxmlp.compare.style import INK, STYLE, looks_of

_LIMIT = 3.0  # standard deviations; beyond that colors no longer change


def draw_advantages(results: dict[str, Any], baseline: str) -> Figure:
    """For each schedule a table of colors: optimizers by problems, and which differences are proven."""
    with matplotlib.rc_context(STYLE):
        first = next(iter(results.values()))
        problems = list(dict.fromkeys(test["problem"] for test in first["against"]))
        names = list(tally(first))
        figure = Figure(figsize=(3.0 + 0.42 * len(problems) * len(results), 2.6 + 0.3 * len(names)))
        title = f"Better than {baseline}?"
        figure.suptitle(title, x=0.012, ha="left", fontsize=13, fontweight="bold")
        every = np.atleast_1d(figure.subplots(1, len(results), sharey=True))
        for axes, (schedule, found) in zip(every, results.items(), strict=True):
            effects = _grid(found, names, problems)
            norm = TwoSlopeNorm(0.0, -_LIMIT, _LIMIT)
            image = axes.pcolormesh(effects, cmap="PuOr_r", norm=norm, edgecolors="white", linewidth=1.5)
            for test in found["against"]:
                if mark := MARKS.get(test["verdict"]):
                    row, column = names.index(test["optimizer"]), problems.index(test["problem"])
                    color = "white" if abs(effects[row, column]) > _LIMIT / 3 else INK
                    place = {"ha": "center", "va": "center", "fontweight": "bold"}
                    axes.text(column + 0.5, row + 0.5, mark, color=color, **place)
            axes.set(title=f"{schedule} learning rate", ylim=(len(names), 0))
            axes.set_xticks(np.arange(len(problems)) + 0.5, problems, rotation=60, ha="right", rotation_mode="anchor")
            axes.set_yticks(np.arange(len(names)) + 0.5, names)
            axes.tick_params(length=0)
            axes.grid(visible=False)
            axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=list(every), shrink=0.8, aspect=30, extend="both")
        bar.set_label("mean difference in standard deviations")
        arrows = "\N{RIGHTWARDS ARROW} as good and sooner at the target, \N{LEFTWARDS ARROW} as good and later"
        figure.supxlabel(f"+ better, \N{MINUS SIGN} worse, {arrows} (p < 0.05, corrected)", fontsize=9)
        return figure


def _grid(found: dict[str, Any], names: list[str], problems: list[str]) -> np.ndarray:
    """(optimizers, problems) effect sizes."""
    effects = np.full((len(names), len(problems)), np.nan)
    for test in found["against"]:
        effects[names.index(test["optimizer"]), problems.index(test["problem"])] = test["effect_size"]
    return effects


def draw_ranks(results: dict[str, Any]) -> Figure:
    """Mean ranks with their intervals: filled with the first schedule, open with the second."""
    with matplotlib.rc_context(STYLE):
        order = [row["optimizer"] for row in next(iter(results.values()))["ranks"]]
        figure, looks = Figure(figsize=(5.2, 1.2 + 0.36 * len(order))), looks_of(order)
        figure.suptitle("Who is ahead on most problems?", x=0.012, ha="left", fontsize=13, fontweight="bold")
        axes = figure.subplots()
        for shift, (schedule, found) in zip(np.linspace(-0.16, 0.16, len(results)), results.items(), strict=True):
            filled = schedule == next(iter(results))
            for row in found["ranks"]:
                color, place = looks[row["optimizer"]]["color"], order.index(row["optimizer"]) + shift
                low, high = (row["estimate"] if row[end] is None else row[end] for end in ("low", "high"))
                ends = [[row["estimate"] - low], [high - row["estimate"]]]
                face = color if filled else "white"
                axes.errorbar(
                    row["estimate"], place, xerr=ends, fmt="o", color=color, markerfacecolor=face, capsize=2.5
                )
            axes.plot([], [], "o", color=INK, markerfacecolor=INK if filled else "white", label=schedule)
        axes.set_yticks(range(len(order)), order)
        axes.set(ylim=(len(order) - 0.4, -0.6), xlabel="mean rank over the problems (1: best)")
        axes.grid(axis="y", visible=False)
        figure.legend(loc="outside lower center", ncols=len(results))
        return figure
