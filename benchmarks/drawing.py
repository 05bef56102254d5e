"""The results as figures, each as wide as a phone's screen; pages set several side by side where there is room."""

from typing import Any

import matplotlib
import numpy as np

from benchmarks.peers import PEERS
from experiments.figures import COLORS, INK, LOOK, MARKERS, STYLES, legend_above, panel
from jaxmlp.compare.drawing import log_axis

_NETWORKS = "os^D"
_SPREAD = "Lines: medians; bands: from the fastest to the slowest round."
LAWS = {
    "width": ("width", "width of two hidden layers"),
    "depth": ("depth", "hidden layers of 128 units"),
    "batch": ("batch size", "batch size"),
    "seeds": ("seeds at once", "seeds at once (time per step of each)"),
}
_MEASURES = {"step": "one step", "run": "a complete run", "64 seeds": "64 seeds at once"}


def figures(results):
    """The figures for which there are results: a dict from name to Matplotlib figure."""
    made = {}
    rows = [row for name in ("step", "run", "seeds") for row in results.get(name, ())]
    rows = [row for row in rows if row["measure"] in _MEASURES]
    several = list(results.get("seeds", ()))
    networks = [row["network"] for row in several]
    with matplotlib.rc_context(LOOK):
        for measure in dict.fromkeys(row["measure"] for row in rows):
            made[f"side_by_side_{measure.replace(' ', '_')}"] = side_by_side(rows, measure)
        for network in dict.fromkeys(networks):
            if networks.count(network) > 1:  # one point makes no line
                made[f"seeds_{network}"] = seeds_figure([row for row in several if row["network"] == network], network)
        for law in dict.fromkeys(row["law"].split(",")[0] for row in results.get("scaling", ())):
            made[f"scaling_{law}"] = scaling_figure(results["scaling"], law)
    return made


def side_by_side(rows, measure):
    """The time of every peer over that of jaxmlp: a marker for each network."""
    mine = [row for row in rows if row["measure"] == measure]
    names = [name for name in PEERS if any(name in row["ratio"] for row in mine)]
    note = "Medians with 95 % intervals, a marker for each network; to the right of 1 jaxmlp is faster."
    figure, axes = panel(f"Time of libraries: {_MEASURES[measure]}", note, height=1.3 + 0.29 * len(names))
    for place, row in enumerate(mine):
        there = [name for name in names if name in row["ratio"]]
        # The ratios are of jaxmlp's time over the peer's: upside down, low and high change places.
        ends = [1 / np.array([row["ratio"][name][key] for name in there]) for key in ("median", "high", "low")]
        middle, low, high = ends
        heights = [names.index(name) + 0.16 * (place - 1.5) for name in there]
        look = {"fmt": _NETWORKS[place], "color": COLORS[place], "markersize": 5, "linewidth": 1.2}
        axes.errorbar(middle, heights, xerr=np.maximum([middle - low, high - middle], 0), label=row["network"], **look)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set(xscale="log", xlabel="time / time of jaxmlp", ylim=(len(names) - 0.4, -0.6))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(range(len(names)), names)
    legend_above(axes)
    return figure


def seeds_figure(rows, network):
    """Microseconds per step of one training by the number of trainings at once."""
    names = [name for name in PEERS if any(name in row["us_a_step"] for row in rows)]
    figure, axes = panel(f"Many seeds, network {network}", _SPREAD, height=3.6)
    for place, name in enumerate(names):
        there = [row for row in rows if name in row["us_a_step"]]
        line = {"linestyle": STYLES[place % len(STYLES)], "marker": MARKERS[place % len(MARKERS)]}
        look = {"color": COLORS[place % len(COLORS)], **line}
        draw_spread(axes, [row["seeds"] for row in there], [row["us_a_step"][name] for row in there], name, look)
    limits = [row["limit_us"] for row in rows]
    axes.plot([row["seeds"] for row in rows], limits, color=INK, linestyle=":", label="limit of the machine")
    axes.set(xlabel="seeds at once", ylabel="µs per step of one training")
    log_axes(axes)
    legend_above(axes)
    return figure


def scaling_figure(rows, law):
    """Microseconds per step along a law, and the limit of the machine."""
    title, label = LAWS[law]
    figure, axes = panel(f"Time of a step by {title}", _SPREAD)
    names = dict.fromkeys(row["law"] for row in rows if row["law"].split(",")[0] == law)
    for place, name in enumerate(names):
        line = [row for row in rows if row["law"] == name]
        look = {"color": COLORS[place], "linestyle": STYLES[place], "marker": MARKERS[place]}
        device = name.split(", ")[-1] if "," in name else "all devices" if len(names) > 1 else "jaxmlp"
        draw_spread(axes, [row["value"] for row in line], [row["us_a_step"] for row in line], device, look)
    line = [row for row in rows if row["law"] == law]
    limit: dict[str, Any] = {"color": INK, "linestyle": ":", "label": "matrix products and memory only"}
    axes.plot([row["value"] for row in line], [row["limit_us"] for row in line], **limit)
    axes.set(xlabel=label, ylabel="µs per step")
    log_axes(axes)
    legend_above(axes, columns=1)
    return figure


def log_axes(axes):
    """Both axes logarithmic, with plain numbers."""
    for axis, (low, high) in ((axes.xaxis, axes.dataLim.intervalx), (axes.yaxis, axes.dataLim.intervaly)):
        log_axis(axis, low / 1.2, high * 1.2)


def draw_spread(axes, places, spreads, label, look):
    """Medians, with a band from the fastest to the slowest round."""
    axes.plot(places, [one["median"] for one in spreads], label=label, markersize=4.5, linewidth=1.8, **look)
    low, high = ([one[end] for one in spreads] for end in ("least", "most"))
    axes.fill_between(places, low, high, color=look["color"], alpha=0.2, linewidth=0)
