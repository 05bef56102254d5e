"""Pictures of the race: the map with five paths, still and as a film; where each escapes from; the genealogy."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from experiments import animation
from experiments.figures import COLOURS, LOOK
from experiments.surfaces import two_wells, valley

# The course's colours, bright enough for a dark map; a marker each, for those who cannot tell the colours.
RACE = {
    "gradient descent": ("#00E5E5", "o"),
    "momentum": ("#FF4DFF", "s"),
    "AdaGrad": ("#FFFFFF", "^"),
    "RMSProp": ("#3DDC5B", "D"),
    "Adam": ("#4F86FF", "P"),
}
SIZES = dict(zip(RACE, (17, 14, 12, 8, 11), strict=True))  # of the ends: what lies below another still shows
PAPER = "#0B0D14"
INK = "#E8E8E8"
DARK = LOOK | {
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.facecolor": PAPER,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}
SIDES = (-4.2, 4.2), (-3.0, 3.0)


def still(paths, shown, rates, escaped):
    """Left the surface with a path each; right how often each escapes, by learning rate."""
    with plt.rc_context(DARK):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.4), width_ratios=(4, 3))
        draw_map(figure, left)
        for name, path in paths.items():
            line(left, name, path, label=f"{name}, rate {shown[name]}")
            left.plot(*path[-1], RACE[name][1], color=RACE[name][0], markersize=SIZES[name], markeredgecolor=PAPER)
        left.legend(loc="lower right", fontsize=11)
        left.set_title("Paths of 300 steps from one start", loc="left")
        for name, share in escaped.items():
            colour, marker = RACE[name]
            right.plot(rates, share, color=colour, marker=marker, linewidth=2, label=name)
        right.set(xscale="log", xlabel="learning rate", ylabel="share of starts that escape", ylim=(-0.03, 1.03))
        right.set_title("How often each escapes", loc="left")
        right.legend(loc="upper left")
    return figure


def film(label, paths, shown, count):
    """The race as GIF and MP4: bytes by file name."""
    with plt.rc_context(DARK):
        figure, axes = plt.subplots(figsize=(6.4, 4.8), dpi=100)
        draw_map(figure, axes)
        lines = {
            name: line(axes, name, path[:1], f"{name}, rate {shown[name]}", animated=True)
            for name, path in paths.items()
        }
        heads = {
            name: axes.plot([], [], mark, color=colour, markersize=SIZES[name], markeredgecolor=PAPER, animated=True)[0]
            for name, (colour, mark) in RACE.items()
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


def draw_map(figure, axes):
    """The two wells from above, dark enough for every colour of the race."""
    x, y = np.meshgrid(np.linspace(*SIDES[0], 211), np.linspace(*SIDES[1], 151))
    height = np.asarray(jax.vmap(jax.vmap(two_wells))(jnp.stack([x, y], axis=-1)))
    levels = np.linspace(-1.75, 2.75, 13)
    filled = axes.contourf(x, y, height, levels, cmap=dark_map(), extend="both")
    axes.contour(x, y, height, levels, colors="#59617A", linewidths=0.5, linestyles="solid")
    figure.colorbar(filled, ax=axes, label="height", shrink=0.9, ticks=[-1, 0, 1, 2])
    axes.set(xlabel="first weight", ylabel="second weight", xlim=SIDES[0], ylim=SIDES[1])
    axes.grid(False)
    axes.annotate(
        "global minimum", (-1.55, -0.48), (-3.9, -1.9), color=INK, arrowprops={"arrowstyle": "-", "color": INK}
    )
    axes.annotate("local minimum", (1.4, 0.44), (-0.4, 2.1), color=INK, arrowprops={"arrowstyle": "-", "color": INK})


def dark_map():
    return LinearSegmentedColormap.from_list("dusk", ["#000004", "#151A30", "#2A3350", "#3C4868"])


def line(axes, name, path, label, **options):
    colour, marker = RACE[name]
    look = {"color": colour, "marker": marker, "markersize": 4, "markevery": slice(0, 30, 3), "linewidth": 1.6}
    return axes.plot(*path.T, label=label, **look, **options)[0]


def by_start(rows, rates, escaped):
    """A map for each method: the start's place against the learning rate, shaded by the share that escapes."""
    with plt.rc_context(LOOK | {"axes.grid": False}):
        figure, panels = plt.subplots(1, len(escaped), figsize=(13, 4), sharey=True)
        for axes, (name, share) in zip(panels, escaped.items(), strict=True):
            image = axes.pcolormesh(edges(rates), rows, share, cmap="cividis", vmin=0, vmax=1)
            axes.set(xscale="log", xlabel="learning rate")
            axes.set_title(name, fontsize=12)
        panels[0].set_ylabel("first weight at the start\n(1.6: the local minimum, 4: the rim)")
        figure.colorbar(image, ax=panels, label="share that escapes", shrink=0.9)
    return figure


def edges(rates):
    """The edges of cells around rates that are evenly spaced in the logarithm."""
    half = np.sqrt(rates[1] / rates[0])
    return np.append(rates / half, rates[-1] * half)


def genealogy(paths, rates, falls):
    """A panel for each method: its path down the valley at its best rate, and how far it gets on average."""
    x, y = np.meshgrid(np.linspace(-3.6, 3.6, 121), np.linspace(-2.6, 3.2, 97))
    height = np.asarray(jax.vmap(jax.vmap(valley))(jnp.stack([x, y], axis=-1)))
    with plt.rc_context(LOOK | {"axes.grid": False}):
        figure, panels = plt.subplots(3, 3, figsize=(9.6, 6.2), sharex=True, sharey=True)
        for axes, (name, path) in zip(panels.flat, paths.items(), strict=True):
            axes.contour(x, y, height, (0.01, 0.1, 1.0, 4.0), colors="#B0B0B0", linewidths=0.7)
            axes.plot(*path.T, color=COLOURS[0], marker=".", markersize=4, linewidth=1)
            axes.plot(*path[-1], marker="D", color=COLOURS[1], markersize=6)
            axes.plot(0, 0, marker="+", color="black", markersize=12)
            axes.set_title(f"{name}: {falls[name].mean():.1f} decades", loc="left", fontsize=11)
            axes.text(0.03, 0.05, f"learning rate {rates[name]:.2g}", transform=axes.transAxes)
            axes.set(xlim=(-3.6, 3.6), ylim=(-2.6, 3.2))
        figure.supxlabel("first weight", fontsize=11)
        figure.supylabel("second weight", fontsize=11)
        figure.suptitle(
            "A valley 100 times steeper across than along: how far the height falls in 150 steps", fontsize=12
        )
    return figure
