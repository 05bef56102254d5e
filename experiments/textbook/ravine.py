"""Does momentum damp the swing between the walls of a ravine?

The course says so: because momentum remembers speed and direction, steps along the ravine add up and swings from wall
to wall cancel. Each seed has its own ravine: how much steeper it is across than along (30 to 300 times), its direction,
the start, and the learning rates. Rates are in units of 1 / (curvature across), so that gradient descent diverges at 2;
it swings only near that edge.

The swing is the path length across the ravine over the distance from the floor at the start: 1 means straight down the
wall. Momentum of 0.9 adds up equal steps to ten times their length, so it is compared with gradient descent twice: at
the same learning rate, and at a tenth of it, at which both are equally fast along the floor.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, LOOK, STYLES, color_of, legend_above, panel, panels
from experiments.surfaces import along_and_across, descend, valley

DECAY = 0.9
EDGE, INSIDE = (1.9, 2.0), (0.2, 1.0)  # learning rates are drawn from these intervals
RATES = np.linspace(0.05, 1.95, 39, dtype=np.float32)  # for the figure
SHOWN = 1.9
LENGTH = 10.0  # distance from the goal along the floor, at the start
NEAR = 0.1  # a run has arrived when this share of that distance is left

PLAIN, SAME, TENTH = "gradient descent", "momentum, same rate", "momentum, a tenth of the rate"
METHODS = {
    PLAIN: lambda rate: jaxmlp.gd(rate),
    SAME: lambda rate: jaxmlp.momentum(rate, DECAY),
    TENTH: lambda rate: jaxmlp.momentum(rate * (1 - DECAY), DECAY),
}
COLOR = {PLAIN: color_of("gradient descent"), SAME: color_of("momentum"), TENTH: COLORS[4]}


def run(seeds=50, steps=2500):
    drawn = np.random.default_rng(0).uniform((EDGE[0], INSIDE[0]), (EDGE[1], INSIDE[1]), (seeds, 2))
    rates = np.concatenate([drawn, np.tile(RATES, (seeds, 1))], axis=1).astype(np.float32)
    swings, arrivals = {}, {}
    for name, make in METHODS.items():
        swings[name], arrivals[name] = map(np.asarray, walks(make, rates, steps))
    return Finding(
        verdicts=judged({name: np.log10(swing) for name, swing in swings.items()}, arrivals),
        numbers={
            "rates": RATES,
            "mean swing by rate": {name: swing[:, 2:].mean(axis=0) for name, swing in swings.items()},
            "median steps by rate": {name: np.median(steps[:, 2:], axis=0) for name, steps in arrivals.items()},
        },
        figures=draw({name: swing[:, 2:] for name, swing in swings.items()}),
    )


def judged(log_swing, arrivals):
    near, well = "near the edge (rates of 1.9 to 2)", "well below it (rates of 0.2 to 1)"
    more = "gradient descent swings more than momentum at"
    compare = verdicts.greater
    decades = " decades"
    return [
        compare(f"{near} {more} the same rate", log_swing[PLAIN][:, 0], log_swing[SAME][:, 0], unit=decades),
        compare(f"{well} {more} the same rate", log_swing[PLAIN][:, 1], log_swing[SAME][:, 1], unit=decades),
        compare(
            f"{near} {more} equal speed along the floor", log_swing[PLAIN][:, 0], log_swing[TENTH][:, 0], unit=decades
        ),
        compare(
            "at the same rate (0.2 to 1) momentum needs at most a fifth of the steps down the ravine",
            np.log10(arrivals[PLAIN][:, 1]),
            np.log10(arrivals[SAME][:, 1]),
            by=np.log10(5),
            unit=decades,
        ),
    ]


def walks(make, rates, steps):
    """(swing, steps until arrival, or all steps without one) for each seed and learning rate."""

    def walk(seed, rate):
        condition, angle, start = ravine(seed)
        path = descend(make(rate), lambda w: valley(w, condition, angle), start, steps)
        along, across = along_and_across(path, angle)
        swing = jnp.sum(jnp.abs(jnp.diff(across))) / jnp.abs(across[0])
        near = jnp.abs(along) < NEAR * LENGTH
        return swing, jnp.where(near.any(), jnp.argmax(near), steps)  # the first near one

    return jax.jit(jax.vmap(jax.vmap(walk, (None, 0))))(jnp.arange(len(rates)), jnp.asarray(rates))


def ravine(seed):
    """The ravine of a seed: (how much steeper across than along, direction in radians, start)."""
    keys = jax.random.split(jax.random.key(seed), 3)
    condition = 10 ** jax.random.uniform(keys[0], minval=1.5, maxval=2.5)
    angle = jax.random.uniform(keys[1], maxval=jnp.pi)
    height = jax.random.uniform(keys[2], minval=0.5, maxval=2.0)
    start = jnp.stack(
        [LENGTH * jnp.cos(angle) - height * jnp.sin(angle), LENGTH * jnp.sin(angle) + height * jnp.cos(angle)]
    )
    return condition, angle, start


def draw(swings, steps=60):
    """The path of each method in the coordinates of the ravine, and the swing by learning rate."""
    with plt.rc_context(LOOK):
        return {"ravine_paths": draw_paths(steps), "ravine": draw_swings(swings)}


def draw_paths(steps):
    note = "A dot for each step, 100 times steeper across than along. Above: the learning rate x curvature across."
    figure, every = panels(f"The first {steps} steps down a ravine", note, 4.2, len(METHODS), 1, sharex=True)
    for axes, (name, make) in zip(every[:, 0], METHODS.items(), strict=True):
        path = descend(make(SHOWN), lambda w: valley(w, angle=0.0), jnp.array([LENGTH, 1.0]), steps)
        axes.axhline(0, color="gray", linewidth=1)
        axes.plot(*np.asarray(path).T, color=COLOR[name], marker=".", markersize=4, linewidth=1)
        axes.set(xlim=(LENGTH + 0.4, -3.6), ylim=(-1.6, 1.6), ylabel="across")
        axes.set_title(f"{name}: {SHOWN / 10 if name == TENTH else SHOWN:.2g}", loc="left", fontsize=11)
    every[-1, 0].set_xlabel("remaining distance along the floor")
    return figure


def draw_swings(swings):
    seeds = len(swings[PLAIN])
    note = f"Lines: means of {seeds} seeds; bands, hardly wider: 10 % to 90 %."
    figure, axes = panel("Swing by learning rate", note, height=3.4)
    for (name, swing), style in zip(swings.items(), STYLES, strict=False):
        axes.plot(RATES, swing.mean(axis=0), color=COLOR[name], linestyle=style, linewidth=2, label=name)
        axes.fill_between(RATES, *np.quantile(swing, (0.1, 0.9), axis=0), color=COLOR[name], alpha=0.15, linewidth=0)
    axes.set(yscale="log", xlabel="rate of gradient descent x curvature")
    axes.set_ylabel("path length across /\ndistance at the start")
    legend_above(axes, columns=1)
    return figure
