"""How wide must a hidden layer be to learn XOR?

Networks with one hidden layer of 1 to 16 units, ReLU or tanh, learn the four examples of XOR by Adam on the
cross-entropy, 100 seeds each. A seed has learned XOR if all four examples are right after the last epoch. The course: a
perceptron cannot do XOR; a layer of them can, by combining lines, and two lines are enough (Rumelhart, Hinton &
Williams 1986). Two lines can represent XOR; measured here is how often training finds them.
"""

from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial
from matplotlib.colors import LinearSegmentedColormap, Normalize

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, INK, LOOK, legend_above, panel

WIDTHS = (1, 2, 3, 4, 8, 16)
LEARNING_RATE = 0.05
ACTIVATIONS = ("ReLU", "tanh")
# The middle of a diverging map: pale enough for the examples and the lines to stand out.
PROBABILITIES = LinearSegmentedColormap.from_list("pale", plt.get_cmap("RdBu_r")(np.linspace(0.25, 0.75, 256)))


def run(seeds=100, epochs=500, widths=WIDTHS):
    data = jaxmlp.load("xor")
    recipes = {f"{width} units": recipe(width) for width in widths}
    study = jaxmlp.train_many(recipes, data, seeds=seeds, epochs=epochs, is_tanh=[0, 1], progress=False)
    table = study.table()
    trials = {
        (name, width): table[(table["recipe"] == f"{width} units") & (table["is_tanh"] == which)].index.to_numpy()
        for which, name in enumerate(ACTIVATIONS)
        for width in widths
    }
    right = table["test_accuracy"].to_numpy() == 1
    solved = {key: right[numbers] for key, numbers in trials.items()}
    shown = {
        "Two tanh units that learned XOR": trials["tanh", 2][solved["tanh", 2]],
        "Two ReLU units that did not learn XOR": trials["ReLU", 2][~solved["ReLU", 2]],
    }
    return Finding(
        judge(solved, max(widths)),
        {"seeds": seeds, "solved": {f"{width} {name}": int(won.sum()) for (name, width), won in solved.items()}},
        draw(solved, {title: study.params(numbers[0]) for title, numbers in shown.items() if len(numbers)}),
    )


def recipe(width):
    def make(is_tanh):
        return jaxmlp.classifier(
            (2, width, 1), optimizer=jaxmlp.adam(LEARNING_RATE), activation=Partial(either, is_tanh)
        )

    return make


def either(is_tanh, z):
    """ReLU or tanh, chosen by a number, so that both train in one compiled program."""
    return jnp.where(is_tanh > 0, jaxmlp.tanh(z), jaxmlp.relu(z))


def judge(solved, widest):
    most = [
        verdicts.share(f"two {name} units learn XOR on most seeds", solved[name, 2], at_least=0.5)
        for name in ACTIVATIONS
    ]
    either_won = solved["ReLU", 1] | solved["tanh", 1]
    return [
        verdicts.share("one hidden unit never learns XOR", either_won, at_most=0.1),
        *most,
        verdicts.share(f"{widest} ReLU units learn XOR on nearly every seed", solved["ReLU", widest], at_least=0.9),
        verdicts.greater(
            f"{widest} ReLU units learn XOR more often than two", solved["ReLU", widest], solved["ReLU", 2]
        ),
    ]


def draw(solved, params):
    with plt.rc_context(LOOK):
        lines = {"xor_tanh" if "tanh" in title else "xor_relu": draw_lines(title, one) for title, one in params.items()}
        return {"xor": draw_shares(solved)} | lines


def draw_shares(solved):
    widths = list(dict.fromkeys(width for _, width in solved))
    seeds = next(iter(solved.values())).size
    figure, axis = panel("Seeds that learn XOR", f"Shares of {seeds} seeds with 95 % intervals.")
    for place, name in enumerate(ACTIVATIONS):
        places = np.arange(len(widths)) + 0.38 * (place - 0.5)
        shares = np.array([100 * solved[name, width].mean() for width in widths])
        low, high = 100 * np.transpose([verdicts.share_interval(solved[name, width]) for width in widths])
        style: Any = {"color": COLORS[4 * place], "hatch": "//" if place else "", "edgecolor": "white"}
        axis.bar(places, shares, width=0.36, label=name, **style)
        axis.errorbar(places, shares, (shares - low, high - shares), fmt="none", color=INK, capsize=3)
    axis.set_xticks(range(len(widths)), [str(width) for width in widths])
    axis.set(xlabel="hidden units", ylabel="seeds that learn XOR, %", ylim=(0, 103))
    axis.grid(axis="x", visible=False)
    axis.legend(loc="upper left")
    return figure


def draw_lines(title, params):
    """The network's output over the plane, and for each hidden unit the line on which its weighted sum is 0."""
    figure, axis = panel(title, "On its line the weighted sum of a hidden unit is 0. One seed.", height=3.7)
    side = np.linspace(-0.5, 1.5, 161, dtype=np.float32)
    plane = jnp.asarray(np.stack(np.meshgrid(side, side), -1))
    activation = jaxmlp.tanh if "tanh" in title else jaxmlp.relu
    output = np.asarray(jax.nn.sigmoid(jaxmlp.apply(params, plane, activation))[..., 0])
    axis.contourf(side, side, output, np.linspace(0, 1, 21), cmap=PROBABILITIES, vmin=0, vmax=1)
    w, b = np.asarray(params[0]["w"]), np.asarray(params[0]["b"])
    for unit, style in enumerate(("-", "--")):
        axis.contour(side, side, plane @ w[:, unit] + b[unit], [0], colors=INK, linestyles=[style], linewidths=2)
        axis.plot([], [], color=INK, linestyle=style, linewidth=2, label=f"unit {unit + 1}")
    data = jaxmlp.load("xor").train
    for (x, y), label in zip(np.asarray(data.inputs), np.asarray(data.targets), strict=True):
        axis.scatter(x, y, s=190, marker="os"[label], color=COLORS[label], edgecolor="white", zorder=3)
        axis.text(x, y, f"{label}", color="white", weight="bold", ha="center", va="center_baseline", zorder=4)
    axis.set(xticks=(0, 1), yticks=(0, 1), xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    axis.grid(visible=False)
    bar = plt.cm.ScalarMappable(Normalize(0, 1), PROBABILITIES)
    figure.colorbar(bar, ax=axis, label="probability of label 1")
    legend_above(axis)
    return figure
