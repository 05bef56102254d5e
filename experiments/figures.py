"""The look shared by all figures: readable in print and with any kind of color vision."""

from typing import Any

import matplotlib

matplotlib.use("Agg")  # figures are written to files: no display is needed

# Okabe & Ito 2008, "Color Universal Design"; line styles and markers tell the curves apart in print.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)))
MARKERS = "osD^v"
TITLE = {"loc": "left", "fontsize": 12}  # every panel's title
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
