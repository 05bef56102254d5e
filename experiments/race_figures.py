"""Figures of the race: five paths on the map, still and animated; escapes by start and rate; paths down the valley."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from experiments import animation
from experiments.figures import COLORS, INK, LOOK, NO_GRID, legend_above, panel, panels
from experiments.surfaces import GLOBAL_MINIMUM, LOCAL_MINIMUM, LOCAL_WELL, two_wells, valley
from experiments.verdicts import mean_interval

# The course's colors, bright enough for a dark map, and a marker for each method.
RACE = {
    "gradient descent": ("#00E5E5", "o"),
    "momentum": ("#FF4DFF", "s"),
    "AdaGrad": ("#FFFFFF", "^"),
    "RMSProp": ("#3DDC5B", "D"),
    "Adam": ("#4F86FF", "P"),
}
SIZES = dict(zip(RACE, (17, 14, 12, 8, 11), strict=True))  # of the last points: a larger one shows behind a smaller
PAPER = "#0B0D14"
PALE = "#E8E8E8"
DARK = LOOK | {
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.facecolor": PAPER,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), PALE),
    "grid.color": PALE,
}
SIDES = (-4.2, 4.2), (-3.0, 3.0)
VALLEY_SIDES = (-1.4, 5.0), (-1.2, 3.0)


def still(paths, rate, numbers, starts):
    """The map with one path per method, and the share of starts that escape, by learning rate.

    Args:
      paths: a dict from a method to its path (steps + 1, 2).
      rate: the learning rate of all paths.
      numbers: of the finding, those on escapes.
      starts: how many starts each share is of.
    """
    steps = len(next(iter(paths.values()))) - 1
    with plt.rc_context(DARK):
        map_note = f"One start, {steps} steps, learning rate {rate:g} for all. Large: the last points."
        figure, axes = panel("The race on a map", map_note, height=4.6)
        draw_map(figure, axes, orientation="horizontal")
        for name, path in paths.items():
            line(axes, name, path, label=name)
            axes.plot(*path[-1], RACE[name][1], color=RACE[name][0], markersize=SIZES[name], markeredgecolor=PAPER)
        legend_above(axes)
        return {"race": figure, "race_rates": by_rate(rate, numbers, starts)}


def by_rate(rate, numbers, starts):
    """The share of starts that escape, by learning rate."""
    note = f"Shares of {starts} random starts; bands: 95 % intervals. Dotted: the rate of the map."
    figure, axes = panel("Starts that escape by learning rate", note, height=3.8)
    for name, share in numbers["escaped by rate"].items():
        color, marker = RACE[name]
        band = 100 * np.transpose(numbers["escaped by rate, 95 % interval"][name])
        style = {"color": color, "marker": marker, "linewidth": 1.8, "markersize": 5}
        axes.plot(numbers["rates"], 100 * np.asarray(share), label=name, **style)
        axes.fill_between(numbers["rates"], *band, color=color, alpha=0.25, linewidth=0)
    axes.axvline(rate, color=PALE, linestyle=":", linewidth=1.2)
    axes.set(xscale="log", xlabel="learning rate", ylabel="starts that escape, %", ylim=(-3, 103))
    legend_above(axes)
    return figure


def film(label, paths, rate, count):
    """The race as GIF and MP4: bytes by file name."""
    with plt.rc_context(DARK):
        figure, axes = plt.subplots(figsize=(6.4, 4.8), dpi=100)
        draw_map(figure, axes)
        axes.set_title(f"The race on a map: learning rate {rate:g} for all", loc="left", fontsize=12)
        lines = {name: line(axes, name, path[:1], name, animated=True) for name, path in paths.items()}
        heads = {
            name: axes.plot([], [], mark, color=color, markersize=SIZES[name], markeredgecolor=PAPER, animated=True)[0]
            for name, (color, mark) in RACE.items()
        }
        clock = axes.text(0.02, 0.03, "", transform=axes.transAxes, animated=True)
        axes.legend(loc="lower right", fontsize=10)

    def draw(step):
        for name, path in paths.items():
            lines[name].set_data(*path[: step + 1].T)
            heads[name].set_data(*path[step : step + 1].T)
        clock.set_text(f"step {step}")
        return [*lines.values(), *heads.values(), clock]

    pictures = animation.frames(figure, draw, count)
    plt.close(figure)
    return {f"{label}.gif": animation.gif(pictures, fps=12), f"{label}.mp4": animation.mp4(pictures, fps=12)}


def draw_map(figure, axes, orientation="vertical"):
    """The two wells from above, dark enough for every color of the race."""
    x, y = np.meshgrid(np.linspace(*SIDES[0], 211), np.linspace(*SIDES[1], 151))
    height = np.asarray(jax.vmap(jax.vmap(two_wells))(jnp.stack([x, y], axis=-1)))
    levels = np.linspace(-1.75, 2.75, 13)
    filled = axes.contourf(x, y, height, levels, cmap=dark_map(), extend="both")
    axes.contour(x, y, height, levels, colors="#59617A", linewidths=0.5, linestyles="solid")
    figure.colorbar(filled, ax=axes, label="height", orientation=orientation, shrink=0.9, ticks=[-1, 0, 1, 2])
    axes.set(xlabel="first weight", ylabel="second weight", xlim=SIDES[0], ylim=SIDES[1])
    axes.grid(False)
    arrow = {"arrowstyle": "-", "color": PALE}
    axes.annotate("global minimum", GLOBAL_MINIMUM, (-3.9, -1.9), color=PALE, arrowprops=arrow)
    axes.annotate("local minimum", LOCAL_MINIMUM, (-0.4, 2.1), color=PALE, arrowprops=arrow)


def dark_map():
    return LinearSegmentedColormap.from_list("dusk", ["#000004", "#151A30", "#2A3350", "#3C4868"])


def line(axes, name, path, label, **options):
    color, marker = RACE[name]
    look = {"color": color, "marker": marker, "markersize": 4, "markevery": slice(0, 30, 3), "linewidth": 1.6}
    return axes.plot(*path.T, label=label, **look, **options)[0]


def by_start(rows, rates, escaped):
    """A map for each method: where the descent starts against its learning rate, shaded by the share that escapes."""
    starts = len(next(iter(escaped.values())))
    x, y = LOCAL_MINIMUM
    note = (
        f"Starts between the local well's center ({LOCAL_WELL[0]:g}) and the rim ({rows[-1]:g}), {starts} in each "
        f"cell. The local minimum itself is at ({x:.2f}, {y:.2f})."
    )
    with plt.rc_context(NO_GRID):
        figure, every = panels("Starts that escape", note, 6.6, len(escaped), 1, sharex=True, sharey=True)
        for axes, (name, one) in zip(every[:, 0], escaped.items(), strict=True):
            shares = 100 * one.mean(axis=0).T
            image = axes.pcolormesh(edges(rates), rows, shares, cmap="cividis", vmin=0, vmax=100)
            axes.set(xscale="log", yticks=[2, 3, 4])
            axes.set_title(name, loc="left", fontsize=11.5)
        every[-1, 0].set_xlabel("learning rate")
        every[len(every) // 2, 0].set_ylabel("first weight at the start")
        figure.colorbar(image, ax=every, label="starts that escape, %", shrink=0.6, aspect=30)
    return figure


def edges(rates):
    """The edges of cells around rates that are evenly spaced in the logarithm."""
    half = np.sqrt(rates[1] / rates[0])
    return np.append(rates / half, rates[-1] * half)


def genealogy(paths, rates, falls):
    """A panel for each method: its path down the valley at its best rate, and the mean fall over seeds."""
    steps, seeds = len(next(iter(paths.values()))) - 1, len(next(iter(falls.values())))
    note = (
        f"Above: the best learning rate, and by how many powers of ten the height falls in {steps} steps, mean of "
        f"{seeds} starts with its 95 % interval. The path is from one start. Of Nadam the axes are wider."
    )
    with plt.rc_context(NO_GRID):
        figure, every = panels("Paths down a valley 100 times steeper across than along", note, 8.4, 5, 2)
        for axes, (name, path) in zip(every.flat, paths.items(), strict=False):
            draw_valley(axes, *sides_of(path))
            axes.plot(*path.T, color=COLORS[0], marker=".", markersize=3, linewidth=0.9, label="path, a dot per step")
            axes.plot(*path[-1], "D", color=COLORS[1], markersize=5, label=f"after {steps} steps")
            axes.plot(0, 0, "+", color=INK, markersize=11, label="minimum")
            low, middle, high = mean_interval(falls[name])
            said = f"{name}, rate {rates[name]:.2g}\n{middle:.1f} [{low:.1f}, {high:.1f}]"
            axes.set_title(said, loc="left", fontsize=9.5)
            axes.tick_params(labelsize=9)
        every[4, 0].set_xlabel("first weight")
        every[2, 0].set_ylabel("second weight")
        every[4, 1].axis("off")
        every[4, 1].legend(*every[0, 0].get_legend_handles_labels(), loc="center", fontsize=9.5)
    return figure


def sides_of(path):
    """The sides of a panel in which the whole path lies, as wide as the others if possible."""
    low, high = np.transpose(VALLEY_SIDES)
    if np.all((path >= low) & (path <= high)):
        return VALLEY_SIDES
    center, reach = (path.min(axis=0) + path.max(axis=0)) / 2, np.ptp(path, axis=0)
    factor = 1.1 * np.max(reach / (high - low))
    half = factor * (high - low) / 2
    return tuple(zip(center - half, center + half, strict=True))


def draw_valley(axes, xlim, ylim):
    """Contours of the valley in the panel's sides."""
    x, y = np.meshgrid(np.linspace(xlim[0], xlim[1], 241), np.linspace(ylim[0], ylim[1], 181))
    height = np.asarray(jax.vmap(jax.vmap(valley))(jnp.stack([x, y], axis=-1)))
    axes.contour(x, y, height, (0.01, 0.1, 1.0, 4.0, 16.0), colors="#B0B0B0", linewidths=0.7)
    axes.set(xlim=xlim, ylim=ylim)
