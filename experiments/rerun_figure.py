"""The figure of `experiments.reruns`: what reruns say of a verdict."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure

_PARTS = {"confirmed": "#0072B2", "left open": "#bbbbbb", "contradicted": "#D55E00"}


def draw(results: dict[str, Any]) -> Figure:
    """A bar for each problem and protocol: of the verdicts "better", how many a rerun confirms or contradicts."""
    bars = [(f"{problem}, {name}", one) for problem, both in results["problems"].items() for name, one in both.items()]
    with matplotlib.rc_context({"figure.constrained_layout.use": True, "font.size": 10}):
        figure = Figure(figsize=(5.4, 0.9 + 0.55 * len(bars)))
        axes = figure.subplots()
        for place, (_, one) in enumerate(bars):
            left = 0.0
            for part, color in _PARTS.items():
                share = 100 * one[part]
                axes.barh(place, share, left=left, color=color, label=part if place == 0 else None)
                if share >= 4:
                    axes.text(left + share / 2, place, f"{share:.0f}", ha="center", va="center", color="white")
                left += share
            missed = (
                f"{100 * one['contradicted']:.1f} % contradicted; means covered {100 * one['coverage']['means']:.0f} %"
            )
            axes.text(0, place - 0.5, missed, fontsize=8, va="center")
        axes.set_yticks(range(len(bars)), [label for label, _ in bars])
        axes.invert_yaxis()
        axes.set(xlabel="a rerun of a comparison that said “better”, %", xlim=(0, 100))
        axes.spines[["top", "right", "left"]].set_visible(False)
        figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return figure
