"""Figures: one look for all of them, readable in print and for colour-blind readers."""

from typing import Any

import matplotlib

matplotlib.use("Agg")  # figures are files: no screen is needed

import matplotlib.pyplot as plt
import numpy as np

# Okabe & Ito 2008, "Color Universal Design": told apart with any kind of colour vision; line styles help in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)))
LOOK: Any = {
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


def learning_curves(curves, scores, data, seeds):
    """Validation loss against epochs with bands over seeds; and against the learning rate, from tuning.

    Args:
      curves: a dict from a name to a DataFrame of trials by epochs.
      scores: a dict from a name to a Series of the mean validation loss by learning rate.
      data: the name of the data set; seeds: how many, both for the titles.
    """
    with plt.rc_context(LOOK):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), width_ratios=(3, 2))
        for place, (name, curve) in enumerate(curves.items()):
            style = {"color": COLOURS[place % len(COLOURS)], "linestyle": STYLES[place % len(STYLES)]}
            low, middle, high = np.nanquantile(curve.to_numpy(), (0.1, 0.5, 0.9), axis=0)
            epochs = np.arange(1, len(middle) + 1)
            left.plot(epochs, middle, label=name, linewidth=1.8, **style)
            left.fill_between(epochs, low, high, color=style["color"], alpha=0.15, linewidth=0)
            series = scores[name].replace(np.inf, np.nan)
            right.plot(series.index, series, marker="o", markersize=3.5, linewidth=1.4, **style)
        left.set(yscale="log", xlabel="epoch", ylabel="validation loss")
        left.set_title(f"{data}: median of {seeds} seeds, band from 10 % to 90 %", loc="left", fontsize=11)
        left.legend(ncols=2)
        right.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="mean best validation loss")
        right.set_title("tuning seeds: where the rates come from", loc="left", fontsize=11)
    return figure
