"""The look of the figures: readable in print and with any kind of color vision."""

from typing import Any, Final

# Okabe & Ito 2008, "Color Universal Design".
COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES: Final = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)))

# Text, axes and the black line: a color of its own, which the report replaces by the page's text color.
INK: Final = "#1c1e21"
_INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")
STYLE: Final[dict[Any, Any]] = {
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.12,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "jaxmlp",
    **dict.fromkeys(_INKED, INK),
}


def line_looks(names: list[str]) -> dict[str, dict[str, Any]]:
    """For each name the color and style of its line, the same in all figures."""
    colors = [INK if color == "#000000" else color for color in COLORS]
    return {
        name: {"color": colors[place % len(colors)], "linestyle": LINE_STYLES[place % len(LINE_STYLES)]}
        for place, name in enumerate(names)
    }
