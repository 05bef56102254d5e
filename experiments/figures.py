"""The look of all figures, that of comparisons: readable on a phone, in print and with any kind of color vision."""

import io
import textwrap
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory
from PIL import Image

from jaxmlp.compare.drawing import new_figure
from jaxmlp.compare.style import COLORS, INK, MARKERS, STYLE, looks_of
from jaxmlp.compare.style import LINE_STYLES as STYLES

matplotlib.use("Agg")  # figures are written to files: no display is needed

LOOK: Any = STYLE
BAND = "Lines: medians of {} seeds; bands: 10 % to 90 %."
NO_GRID = LOOK | {"axes.grid": False}
_NOTE = 10.0  # points
_NAMES = {"gradient descent": "gd"}


def panel(title: str, note: str = "", height: float = 3.1) -> tuple[Figure, Axes]:
    """A figure of one plot; the arguments are those of `panels`."""
    figure, axes = panels(title, note, height, 1, 1)
    return figure, axes[0, 0]


def panels(title: str, note: str, height: float, rows: int, columns: int, **options: Any) -> tuple[Figure, Any]:
    """A figure as wide as a phone's screen: pages set several side by side where there is room.

    Args:
      title: the quantity or the case that it shows; what it means is left to verdicts.
      note: below the plot, such as what dots, lines and bands are.
      height: in inches, without title and note.
      rows: of plots.
      columns: of plots.
      options: of Matplotlib's `subplots`.

    Returns:
      (figure, plots as an array (rows, columns)).
    """
    lines = textwrap.wrap(note, 52)
    figure = new_figure(title, height + 0.17 * len(lines))
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
    if note:
        figure.supxlabel("\n".join(lines), x=0.012, ha="left", fontsize=_NOTE, linespacing=1.2)
    return figure, axes


def legend_above(axes: Axes, columns: int = 2, **options: Any) -> None:
    """A legend between title and plot, from the figure's left side on, where it covers no data."""
    look: Any = {"fontsize": 10.5, "columnspacing": 1.2, "handlelength": 1.9, "borderaxespad": 0.3}
    figure: Any = axes.figure
    from_left = blended_transform_factory(figure.transFigure, axes.transAxes)
    place: Any = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "bbox_transform": from_left}
    axes.legend(ncols=columns, **place, **look, **options)


def save(figure: Figure, file: str | Path) -> None:
    """Writes a PNG; with a palette, which takes a third of the bytes, 256 colors being enough for soft edges too."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=180)
    Image.open(drawn).convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE).save(file, optimize=True)


def described(figure: Figure) -> str:
    """The figure's title and note as a text for those who do not see it."""
    words = (figure.get_suptitle(), figure.get_supxlabel())
    return " ".join(" ".join(one.split()) + "." * (one[-1] not in ".?") for one in words if one)


def color_of(method: str) -> str:
    """The color of an optimizer, known by its name in the course; the same one as in comparisons."""
    name = _NAMES.get(method, method.lower())
    return looks_of([name])[name]["color"]


__all__ = [
    "BAND",
    "COLORS",
    "INK",
    "LOOK",
    "MARKERS",
    "NO_GRID",
    "STYLES",
    "color_of",
    "described",
    "legend_above",
    "panel",
    "panels",
    "save",
]
