"""Is a deep network worth more than a wide one of as many parameters?

Two measurements. Pieces: how many straight pieces does the function of twelve ReLU units have, in one layer and in two
layers of six? They are counted with weights set by hand to fold the interval, with random weights, and after training
on a zigzag. Error: networks of one, two and three hidden layers with 166 to 169 parameters learn zigzags (the tent map
composed with itself, Telgarsky 2016) and, for comparison, a smooth wave; 20 seeds, each network at the better of two
learning rates on validation points. The course: twelve units in one layer give twelve pieces, six by six give
thirty-six; depth composes (Montufar et al. 2014).
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, INK, LOOK, legend_above, panel
from experiments.textbook.approximation import BATCH, POINTS, curves, recipe, spread

LAYERS = {"12": (1, 12, 1), "6 and 6": (1, 6, 6, 1)}
SHAPES = {"56": (1, 56, 1), "11-11": (1, 11, 11, 1), "8-8-8": (1, 8, 8, 8, 1)}
RATES = (0.005, 0.02)
UNIT = " decades"


def tent(times):
    """The tent map on [-1, 1], composed with itself: 2 ** times straight pieces."""
    return (lambda x: x) if times == 0 else (lambda x: 1 - 2 * np.abs(tent(times - 1)(x)))


TARGETS = {"2 pieces": tent(1), "4 pieces": tent(2), "8 pieces": tent(3), "wave": lambda x: np.sin(2 * np.pi * x)}


def run(seeds=20, epochs=400, shapes=SHAPES):
    steps = epochs * POINTS // BATCH
    sizes = {**shapes, **LAYERS}
    grids = {"function": range(len(TARGETS)), "rate": RATES}
    settings = {"seeds": seeds, "epochs": epochs, "batch_size": BATCH, "progress": False}
    recipes = {name: recipe(one, steps) for name, one in sizes.items()}
    study = jaxmlp.train_many(recipes, curves(TARGETS), **grids, **settings)
    errors = best_rate(study, list(TARGETS))
    counts = {name: count(study, name, one, seeds) for name, one in LAYERS.items()}
    return Finding(
        judge(errors, counts),
        {
            "median_rms_error": {" by ".join(key): np.median(errors[key]) for key in errors},
            "pieces": {name: {way: np.mean(n) for way, n in ways.items()} for name, ways in counts.items()},
        },
        draw(errors, counts, list(shapes)),
    )


def best_rate(study, names):
    """Root mean squared test errors (seeds,) by target and network, at the learning rate best on validation."""
    table = study.table()
    mean = table.groupby(["recipe", "function", "rate"])["validation_loss"].mean()
    best = mean.groupby(level=["recipe", "function"]).idxmin()
    return {
        (names[int(function)], name): np.sqrt(
            table.query("recipe == @name and function == @function and rate == @rate")["test_loss"].to_numpy()
        )
        for name, function, rate in best
    }


def count(study, name, sizes, seeds):
    """Pieces on [-1, 1] with weights set by hand, random, and trained on the zigzag of 8 pieces."""
    table = study.table()
    trials = table.query(f"recipe == '{name}' and function == 2 and rate == {RATES[1]}").index
    keys = [jax.random.key(seed) for seed in range(seeds)]
    return {
        "by hand": np.array([pieces(fold(sizes))]),
        "at random": np.array([pieces(spread(jaxmlp.init(key, sizes), key)) for key in keys]),
        "trained": np.array([pieces(study.params(trial)) for trial in trials]),
    }


def pieces(params):
    """Straight pieces on [-1, 1]: one more than the points of a fine grid at which a hidden unit switches on or off."""
    # Kinks set by hand are at round numbers: the grid lies between them.
    x = jnp.asarray((np.arange(40_000) + 0.5) / 20_000 - 1, jnp.float32)[:, None]
    on = np.concatenate([np.asarray(z) > 0 for z in jaxmlp.diagnostics.pre_activations(params, x)[:-1]], axis=1)
    return 1 + int(np.any(on[1:] != on[:-1], axis=1).sum())


def fold(sizes):
    """Weights set by hand: each hidden layer folds [0, 1] onto itself as many times as it has units."""
    layers, scale, shift = [], np.full((1, 1), 0.5), 0.5  # from [-1, 1] to [0, 1]
    for width in sizes[1:-1]:
        kinks = np.arange(width) / width
        layers.append({"w": np.repeat(scale, width, axis=1), "b": shift - kinks})
        # Up with slope `width`, then down, and so on: each kink reverses the slope.
        scale, shift = width * np.where(np.arange(width) == 0, 1.0, 2.0 * (-1.0) ** np.arange(width))[:, None], 0.0
    layers.append({"w": scale, "b": np.zeros(1)})
    return jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), layers)


def judge(errors, counts):
    wide, deep = counts["12"], counts["6 and 6"]
    one, two, three = (np.log10([errors[target, name] for target in TARGETS]) for name in SHAPES)
    return [
        verdicts.equal("twelve units in one layer can give twelve pieces", wide["by hand"] - 12, within=0),
        verdicts.equal("two layers of six can give thirty-six", deep["by hand"] - 36, within=0),
        verdicts.mean("two layers of six give thirty-six with random weights", deep["at random"], at_least=36),
        verdicts.mean("two layers of six give thirty-six after training on a zigzag", deep["trained"], at_least=36),
        verdicts.greater(
            "after training two layers of six give more pieces than one of twelve", deep["trained"], wide["trained"]
        ),
        verdicts.greater(
            "on zigzags two layers err less than one with as many parameters", *zigzags(one, two), unit=UNIT
        ),
        verdicts.greater(
            "on zigzags three layers err less than one with as many parameters", *zigzags(one, three), unit=UNIT
        ),
        verdicts.greater(
            "on a wave one layer errs less than three with as many parameters", three[-1], one[-1], unit=UNIT
        ),
    ]


def zigzags(*errors):
    """The mean over the three zigzags, for each seed."""
    return [logarithms[:-1].mean(axis=0) for logarithms in errors]


def draw(errors, counts, names):
    with plt.rc_context(LOOK):
        return {"depth_pieces": draw_pieces(counts), "depth": draw_errors(errors, names)}


def draw_pieces(counts):
    seeds = len(next(iter(counts.values()))["trained"])
    figure, axis = panel("Straight pieces of a network's output", f"Means of {seeds} seeds, with standard deviations.")
    for place, (layers, ways) in enumerate(counts.items()):
        for spot, numbers in enumerate(ways.values()):
            style = {"color": COLORS[place], "hatch": "//" if place else "", "edgecolor": "white", "width": 0.38}
            where = spot + 0.4 * (place - 0.5)
            axis.bar(where, numbers.mean(), label=f"{layers} units" if spot == 0 else None, **style)
            axis.errorbar(where, numbers.mean(), numbers.std(), color=INK, capsize=4)
            axis.text(where, numbers.mean() + numbers.std() + 0.7, f"{numbers.mean():.3g}", ha="center")
    axis.set_xticks(range(3), list(counts["12"]))
    axis.set(ylabel="pieces on [\N{MINUS SIGN}1, 1]", xlabel="weights", ylim=(0, 41))
    axis.legend()
    axis.grid(axis="x", visible=False)
    return figure


def draw_errors(errors, names):
    seeds = len(next(iter(errors.values())))
    figure, axis = panel(
        "Error with equally many parameters", f"A dot for each of {seeds} seeds; bars are medians.", height=3.5
    )
    for place, (name, marker) in enumerate(zip(names, "osD", strict=False)):
        for spot, target in enumerate(TARGETS):
            values = errors[target, name]
            where = spot + 0.25 * (place - 1)
            jitter = where + np.linspace(-0.07, 0.07, len(values))
            axis.plot(jitter, values, marker, color=COLORS[place], markersize=3, alpha=0.6)
            axis.plot([where - 0.1, where + 0.1], [np.median(values)] * 2, color=INK, linewidth=2)
        axis.plot([], [], marker, color=COLORS[place], label=name)
    axis.set_xticks(range(len(TARGETS)), list(TARGETS))
    axis.set(yscale="log", xlabel="target", ylabel="root mean squared error")
    legend_above(axis, columns=3, title="hidden units")
    return figure
