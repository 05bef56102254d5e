"""The look of the figures: one look for each optimizer's name, readable in print and with any kind of color vision."""

import zlib
from collections.abc import Sequence
from typing import Any, Final, TypedDict

# Text, axes and the black line: a color of its own, which the report replaces by the page's text color.
INK: Final = "#1c1e21"
# Seven colors of Okabe & Ito 2008, "Color Universal Design", the black as ink; and the violet that is farthest from all
# of them for the three kinds of color blindness (simulated after Machado et al. 2009).
COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK, "#8833ee")
# The next farthest, for names that the package does not know.
_MORE_COLORS: Final = ("#663311", "#990066")
LINE_STYLES: Final = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)))
MARKERS: Final = ("o", "s", "D", "^", "v")
# By the verdict on a pair; none is an optimizer's color, and all are dark enough for text.
VERDICT_COLORS: Final = {
    "better": "#0b7a3e",
    "sooner": "#6b5bd2",
    "no difference": "#5b6068",
    "cannot tell": "#a34b07",
}
# What the report uses in the dark, for colors that would be too dark there.
IN_THE_DARK: Final = {
    "#0072b2": "#3a9bdc",
    "#d55e00": "#f0762a",
    "#8833ee": "#a970ff",
    "#663311": "#c08b5c",
    "#990066": "#e0559f",
    "#0b7a3e": "#4cc38a",
    "#6b5bd2": "#a99cff",
    "#5b6068": "#a2a8b0",
    "#a34b07": "#e8a657",
}
# A row shares line style and marker, a column the color; the first eight differ in color.
_PLACES: Final = (
    ("adam", "momentum", "rmsprop", "adagrad", "lion", "adamw", "gd", "muon"),
    ("schedule_free_adamw", "nesterov", "adadelta", "soap", "adan", "nadam", "schedule_free_sgd", "ademamix"),
    ("amsgrad", "prodigy", "radam", "adamax", "shampoo"),
)
_INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")
STYLE: Final[dict[Any, Any]] = {
    "figure.constrained_layout.use": True,
    "font.size": 11.5,  # a figure is as wide in points as a phone's screen in pixels
    "axes.titlesize": 12,
    "axes.labelsize": 11.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.12,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "jaxmlp",
    **dict.fromkeys(_INKED, INK),
}


class Look(TypedDict):
    """How an optimizer is drawn, as arguments of matplotlib."""

    color: str
    linestyle: Any
    marker: str


def looks_of(names: Sequence[str]) -> dict[str, Look]:
    """For each optimizer its look, the same in all figures and tables.

    A name of the package has the same look in all comparisons. Any other name has the color that its text determines,
    or the next one that no optimizer of the comparison has.
    """
    taken = {name: place for name in names if (place := _own_place(name)) is not None}
    colors = (*COLORS, *_MORE_COLORS)
    for name in sorted(set(names) - set(taken)):
        start = zlib.crc32(name.encode(errors="surrogatepass"))
        tries = [(row, (start + step) % len(colors)) for row in range(len(names)) for step in range(len(colors))]
        colored = {column for _, column in taken.values()}
        free = [place for place in tries if place[1] not in colored] or [
            place for place in tries if place not in taken.values()
        ]
        taken[name] = free[0]
    return {
        name: Look(
            color=colors[taken[name][1]],
            linestyle=LINE_STYLES[taken[name][0] % len(LINE_STYLES)],
            marker=MARKERS[taken[name][0] % len(MARKERS)],
        )
        for name in names
    }


def _own_place(name: str) -> tuple[int, int] | None:
    """The row and column of a name of the package."""
    found = [(row, line.index(name)) for row, line in enumerate(_PLACES) if name in line]
    return found[0] if found else None
