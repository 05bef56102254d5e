"""What all figures share: their size, their titles, logarithmic axes, and labels at the ends of lines."""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from sklearn.isotonic import isotonic_regression

from jaxmlp.compare.escape import for_figure
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol
from jaxmlp.compare.style import INK, Look

WIDTH = 4.3  # inches: 310 points, the width of a column on a phone
LINE = 0.19  # inches between two lines of text
_LONGEST_NAME = 17


class Drawn(NamedTuple):
    """A figure with the question that it answers, and with what a reader must know to read it."""

    figure: Figure
    title: str
    caption: str


def new_figure(title: str, height: float) -> Figure:
    """An empty figure with its title; the height in inches is without it."""
    lines = textwrap.wrap(title, 38)
    figure = Figure(figsize=(WIDTH, height + 0.25 * len(lines)))
    figure.suptitle("\n".join(map(for_figure, lines)), x=0.012, ha="left", fontsize=13, fontweight="bold")
    return figure


def in_percent(problem: Problem, protocol: Protocol) -> bool:
    """Whether scores are fractions that figures show in percent."""
    return problem.in_percent and protocol.score == "metric"


def shortened(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name that fits beside a plot: of a long one the middle is left out, for names often differ at their ends."""
    if len(name) <= longest:
        return for_figure(name)
    kept = longest - 1
    return for_figure(f"{name[: kept - kept // 2]}…{name[len(name) - kept // 2 :]}")


def height_for(labels: int, least: float = 3.0) -> float:
    """The height of a figure with so many labels beside it."""
    return max(least, LINE * labels + 0.7)


def log_axis(axis: Axis, low: float, high: float) -> None:
    """A logarithmic axis with some plain numbers on it, however short it is; linear if it is very short."""
    decades = np.log10(high / low)
    name = "x" if axis is axis.axes.xaxis else "y"
    if decades > 0.2:
        axis.axes.set(**{f"{name}scale": "log"})
        fine = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0) if decades < 0.8 else (1.0, 2.0, 5.0) if decades < 2 else (1.0,)
        axis.set_major_locator(LogLocator(subs=fine))
        axis.set_minor_locator(LogLocator(subs="auto") if decades >= 2 else NullLocator())
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.axes.set(**{f"{name}lim": (low, high)})


def label_lines(axes: Axes, ends: Sequence[tuple[str, float, Look]]) -> None:
    """The name of each line at its right end, which is at the edge of the plot; labels make way for each other.

    Args:
      axes: the plot; its limits are final.
      ends: for each line its name, its last value and its look.
    """
    low, high = axes.get_ylim()
    to_height = axes.transScale.transform
    (_, bottom), (_, top) = to_height([(1.0, low), (1.0, high)])
    heights = [(to_height([(1.0, min(max(last, low), high))])[0, 1] - bottom) / (top - bottom) for _, last, _ in ends]
    figure: Any = axes.figure
    gap = LINE / (0.72 * figure.get_figheight())
    places = spread(heights, gap)
    for (name, _, look), height, place in zip(ends, heights, places, strict=True):
        line = {"color": look["color"], "linestyle": look["linestyle"], "linewidth": 1.8}
        inside = {"transform": axes.transAxes, "clip_on": False, "in_layout": False}
        axes.plot([1.0, 1.025, 1.09], [height, place, place], **line, **inside)
        axes.text(1.11, place, shortened(name), transform=axes.transAxes, va="center", color=INK)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Places near the given ones, between 0 and 1 if they fit, at least a gap apart."""
    order, steps = np.argsort(places, kind="stable"), gap * np.arange(len(places))
    moved = isotonic_regression(np.asarray(places, float)[order] - steps)
    found = np.empty(len(places))
    found[order] = np.clip(moved, 0.0, max(0.0, 1.0 - gap * (len(places) - 1))) + steps
    return found.tolist()
