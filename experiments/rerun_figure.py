"""The figure of `experiments.reruns`: what becomes of a verdict in a rerun."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Patch

_PARTS = {"confirmed": ("#0072B2", "white"), "left open": ("#cccccc", "black"), "contradicted": ("#D55E00", "white")}


def draw(results: dict[str, Any]) -> Figure:
    """For each problem and protocol: how many verdicts "better" and "sooner" a rerun confirms or contradicts."""
    rows = [(problem, name, one) for problem, both in results["problems"].items() for name, one in both.items()]
    with matplotlib.rc_context({"figure.constrained_layout.use": True, "font.size": 10}):
        figure = Figure(figsize=(5.4, 0.9 + 1.35 * len(rows)))
        axes = figure.subplots()
        for place, (problem, name, one) in enumerate(rows):
            for shift, (word, found) in zip((0.0, 0.25), one["agreement"].items(), strict=True):
                _bar(axes, place + shift, f"{word}: {found['claims']:.1f} of {len(one['pairs'])} pairs", found)
            axes.text(0, place - 0.5, f"{problem}, {name}", fontweight="bold", va="center")
            axes.text(0, place - 0.28, measured(one), fontsize=8, va="center", linespacing=1.3)
        axes.set(xlabel="% of these verdicts in another rerun", xlim=(0, 100), yticks=[], ylim=(len(rows) - 0.6, -0.6))
        axes.spines[["top", "right", "left"]].set_visible(False)
        marks = [Patch(color=color, label=part) for part, (color, _) in _PARTS.items()]
        figure.legend(handles=marks, loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return figure


def measured(one: dict[str, Any]) -> str:
    """Coverage and false verdicts in words."""
    held = [f"{100 * one['coverage'][what]:.1f} % of {what}" for what in ("means", "differences")]
    said = f"Intervals hold {' and '.join(held)}"
    if not one["twins"]:
        return said
    false = [f"“{word}” {100 * one['twins'].get(word, 0.0):.1f} %" for word in ("better", "sooner")]
    return f"{said}\nA against A: {', '.join(false)}"


def _bar(axes: Any, place: float, words: str, found: dict[str, float]) -> None:
    """A bar of confirmed, open and contradicted verdicts."""
    left = 0.0
    for part, (color, ink) in _PARTS.items():
        share = 100 * found[part]
        axes.barh(place, share, left=left, height=0.22, color=color)
        if share >= 5:
            axes.text(left + share / 2, place, f"{share:.0f}", ha="center", va="center", color=ink)
        left += share
    axes.text(1.02, place, words, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
