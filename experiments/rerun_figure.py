"""The figure of `experiments.reruns`: what becomes of a verdict in a rerun."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.figures import INK, NO_GRID, legend_above, panel

_PARTS = {"confirmed": ("#0072b2", "white"), "left open": ("#cccccc", INK), "contradicted": ("#d55e00", "white")}
_LINE, _BAR, _GAP = 0.19, 0.21, 0.16  # heights in inches
_SMALL = 10.0  # points


def draw(results: dict[str, Any]) -> Figure:
    """For each problem and protocol: how many verdicts "better" and "sooner" a rerun confirms or contradicts."""
    rows = [(f"{problem}, {name}", one) for problem, both in results["problems"].items() for name, one in both.items()]
    height = sum(_LINE + _LINE * len(measured(one)) + 2 * (_LINE + _BAR) + _GAP for _, one in rows)
    with matplotlib.rc_context(NO_GRID):
        figure, axes = panel("What becomes of a verdict in a rerun?", height=height + 0.9)
        top = 0.0
        for heading, one in rows:
            axes.text(0, top + _LINE / 2, heading, fontweight="bold", va="center")
            for number, line in enumerate(measured(one), start=1):
                axes.text(0, top + _LINE * (number + 0.5), line, fontsize=_SMALL, va="center")
            top += _LINE * (1 + len(measured(one)))
            for word, found in one["agreement"].items():
                said = f"“{word}”, said of {found['claims']:.1f} of {len(one['pairs'])} pairs"
                axes.text(0, top + _LINE / 2, said, va="center", fontsize=_SMALL)
                _bar(axes, top + _LINE, found)
                top += _LINE + _BAR
            top += _GAP
        axes.set(xlabel="verdicts in another rerun, %", xlim=(0, 100), yticks=[], ylim=(top, 0))
        axes.spines["left"].set_visible(False)
        legend_above(axes, 3, handles=[Patch(color=color, label=part) for part, (color, _) in _PARTS.items()])
    return figure


def measured(one: dict[str, Any]) -> list[str]:
    """Coverage and false verdicts in words, a sentence on each line."""
    held = [f"{100 * one['coverage'][what]:.1f} % of {what}" for what in ("means", "differences")]
    said = [f"Intervals hold {' and '.join(held)}"]
    if one["twins"]:
        false = [f"“{word}” {100 * one['twins'].get(word, 0.0):.1f} %" for word in ("better", "sooner")]
        said.append(f"A against A: {', '.join(false)}")
    return said


def _bar(axes: Any, top: float, found: dict[str, float]) -> None:
    """A bar of confirmed, open and contradicted verdicts."""
    left, middle = 0.0, top + _BAR / 2
    for part, (color, ink) in _PARTS.items():
        share = 100 * found[part]
        axes.barh(middle, share, left=left, height=_BAR, color=color)
        if share >= 5:
            axes.text(left + share / 2, middle, f"{share:.0f}", ha="center", va="center", color=ink)
        left += share
