"""The figures of the study of new optimizers."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from experiments.figures import INK, LOOK, NO_GRID, legend_above, panel, panels
from experiments.study_page import MARKS, tally
from jaxmlp.compare.drawing import shortened
from jaxmlp.compare.style import looks_of

_LIMIT = 3.0  # standard deviations; beyond that colors no longer change
_DARK = 1.7  # from here on cells are dark enough for white marks


def draw_advantages(results: dict[str, Any], baseline: str) -> Figure:
    """For each schedule a table of colors: optimizers by problems, and which differences are proven."""
    with matplotlib.rc_context(NO_GRID):
        first = next(iter(results.values()))
        problems = list(dict.fromkeys(test["problem"] for test in first["against"]))
        names, count = list(tally(first)), len(results)
        note = (
            "+ better, \N{MINUS SIGN} worse; where scores do not decide, \N{RIGHTWARDS ARROW} sooner at the target, "
            "\N{LEFTWARDS ARROW} later: p < 0.05, corrected. Gray: no score."
        )
        height = count * (0.25 * len(names) + 0.35) + 2.2
        figure, every = panels(f"Better than {baseline}?", note, height, count, 1, sharex=True)
        for axes, (schedule, found) in zip(every[:, 0], results.items(), strict=True):
            image = _draw_table(axes, found["against"], names, problems)
            axes.set_title(f"{schedule} learning rate", loc="left", fontsize=11.5)
        places = np.arange(len(problems)) + 0.5
        every[-1, 0].set_xticks(places, problems, rotation=60, ha="right", rotation_mode="anchor", fontsize=10.5)
        bar = figure.colorbar(image, ax=list(every[:, 0]), orientation="horizontal", aspect=30, extend="both")
        bar.set_label("mean difference,\nstandard deviations")
        return figure


def _draw_table(axes: Any, tests: list[dict[str, Any]], names: list[str], problems: list[str]) -> Any:
    """Cells colored by effect size, and a mark on those that are proven."""
    effects = np.full((len(names), len(problems)), np.nan)
    for test in tests:
        row, column = names.index(test["optimizer"]), problems.index(test["problem"])
        effects[row, column] = test["effect_size"]
        if mark := MARKS.get(test["verdict"]):
            color = "white" if abs(effects[row, column]) > _DARK else INK
            look = {"ha": "center", "va": "center", "fontweight": "bold", "color": color}
            axes.text(column + 0.5, row + 0.5, mark, **look)
    axes.set_facecolor("#b8bcc2")
    norm = TwoSlopeNorm(0.0, -_LIMIT, _LIMIT)
    image = axes.pcolormesh(effects, cmap="PuOr_r", norm=norm, edgecolors="white", linewidth=1.2)
    axes.set_yticks(np.arange(len(names)) + 0.5, [shortened(name, 19) for name in names], fontsize=10.5)
    axes.set_ylim(len(effects), 0)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def draw_ranks(results: dict[str, Any]) -> Figure:
    """Mean ranks with their intervals: filled with the first schedule, open with the second."""
    with matplotlib.rc_context(LOOK):
        order = [row["optimizer"] for row in next(iter(results.values()))["ranks"]]
        looks, count = looks_of(order), len(results)
        note = "Mean ranks with 95 % intervals over repetitions of the whole study."
        figure, axes = panel("Who is ahead on most problems?", note, height=1.2 + 0.36 * len(order))
        for number, (schedule, found) in enumerate(results.items()):
            for row in found["ranks"]:
                color, place = looks[row["optimizer"]]["color"], order.index(row["optimizer"])
                low, high = (row["estimate"] if row[end] is None else row[end] for end in ("low", "high"))
                ends = [[row["estimate"] - low], [high - row["estimate"]]]
                face = "white" if number else color
                point: dict[str, Any] = {"fmt": "os"[number], "color": color, "markerfacecolor": face}
                shift = 0.32 * (number - (count - 1) / 2)
                axes.errorbar(row["estimate"], place + shift, xerr=ends, capsize=2.5, **point)
            face = "white" if number else INK
            axes.plot([], [], "os"[number], color=INK, markerfacecolor=face, label=schedule)
        axes.set_yticks(range(len(order)), [shortened(name, 19) for name in order], fontsize=10.5)
        axes.set(ylim=(len(order) - 0.4, -0.6), xlabel="mean rank (1: best)")
        axes.grid(axis="y", visible=False)
        legend_above(axes, title="learning rate")
        return figure
