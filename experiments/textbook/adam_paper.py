"""Does Adam lower the training cost fastest, as figure 2 of its paper says?

Kingma & Ba 2015 train a network with two hidden layers of 1,000 ReLU units and dropout on MNIST, in batches of 128, by
AdaGrad, RMSProp, SGD with Nesterov momentum, AdaDelta and Adam, with learning rates from a grid; Adam has the lowest
cost throughout. Here the data are Fashion-MNIST, dropout is 0.5, and there are many seeds. By default the size is
reduced to 1,536 rows, layers of 64 units and 10 epochs; --full runs the published sizes, all rows and 200 epochs (hours
on a GPU, days on a CPU).

The cost is the training loss with dropout, averaged over an epoch. For each seed, a method gets the one of its four
learning rates with the lowest mean cost in the last epoch over the *other* seeds, so that no seed helps to choose the
rate at which it is judged. If Fashion-MNIST cannot be loaded, scikit-learn's digits replace it, and the claims say so.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import LOOK, MARKERS, STYLES, color_of, panel

BATCH_SIZE = 128
DROPOUT = 0.5
METHODS = {
    "AdaGrad": (jaxmlp.adagrad, (0.01, 0.03, 0.1, 0.3)),
    "RMSProp": (jaxmlp.rmsprop, (0.0003, 0.001, 0.003, 0.01)),
    "Nesterov": (jaxmlp.nesterov, (0.003, 0.01, 0.03, 0.1)),
    "AdaDelta": (jaxmlp.adadelta, (0.3, 1.0, 3.0, 10.0)),
    "Adam": (jaxmlp.adam, (0.0003, 0.001, 0.003, 0.01)),
}


def run(seeds=20, full=False, rows=1536, hidden=(64, 64), epochs=10):
    if full:
        rows, hidden, epochs = None, (1000, 1000), 200
    name, data = images(rows)
    cost = {method: train(method, data, seeds, hidden, epochs) for method in METHODS}
    best = {method: at_best_rate(table) for method, table in cost.items()}
    rates = {method: chosen.value_counts().idxmax() for method, (_, chosen) in best.items()}
    curves = {method: curve for method, (curve, _) in best.items()}
    return Finding(
        verdicts=judged(curves, name),
        numbers={
            "data": name,
            "training rows": len(data.train.targets),
            "sizes": (data.train.inputs.shape[1], *hidden, 10),
            "most chosen rate": rates,
            "mean cost by epoch": {method: curve.mean(axis=0) for method, curve in curves.items()},
            "mean last cost by rate": {
                method: {f"{rate:g}": last for rate, last in table.iloc[:, -1].groupby("learning_rate").mean().items()}
                for method, table in cost.items()
            },
        },
        figures={"adam_paper": draw(curves, rates, name, hidden)},
    )


def judged(curves, name):
    """Adam against each other method by the cost of the last epoch, and against the best of them over all epochs."""
    claim = f"on {name} Adam ends at a lower training cost than {{}}"
    others = [method for method in curves if method != "Adam"]
    lowest = np.min([curves[method] for method in others], axis=0)
    return [
        *(
            verdicts.greater(claim.format(one), curves[one][:, -1], curves["Adam"][:, -1], unit=" nats")
            for one in others
        ),
        verdicts.greater(
            f"on {name} the cost of Adam is the lowest throughout (mean over epochs, against the best of the others)",
            lowest.mean(axis=1),
            curves["Adam"].mean(axis=1),
            unit=" nats",
        ),
    ]


def images(rows):
    """(name, data): Fashion-MNIST, or digits if it cannot be loaded, which the name then says."""
    try:
        name, data = "Fashion-MNIST", jaxmlp.load("fashion_mnist")
    except (OSError, ImportError):
        name, data = "digits (in place of Fashion-MNIST)", jaxmlp.load("digits")
    # Validation and test rows play no part here: a few suffice.
    return name, jaxmlp.Data(first(data.train, rows), first(data.validation, 100), first(data.test, 100))


def first(batch, rows):
    return jax.tree.map(lambda array: array[:rows], batch)


def train(method, data, seeds, hidden, epochs):
    """Costs: one row per learning rate and seed, one column per epoch; infinite once a run has diverged."""
    make, rates = METHODS[method]
    sizes = (data.train.inputs.shape[1], *hidden, 10)

    def recipe(learning_rate):
        return jaxmlp.classifier(sizes, optimizer=make(learning_rate), dropout_rate=DROPOUT)

    batch_size = min(BATCH_SIZE, len(data.train.targets))
    settings = {"epochs": epochs, "batch_size": batch_size, "progress": False, "learning_rate": list(rates)}
    study = jaxmlp.train_many(recipe, data, seeds=seeds, **settings)
    history = study.history("train_loss").fillna(np.inf)
    table = study.table()
    return history.set_index(pd.MultiIndex.from_arrays([table["learning_rate"], table["seed"]]))


def at_best_rate(cost):
    """Costs (seeds, epochs), each seed at the learning rate that ends lowest on the other seeds; and those rates."""
    last = cost.iloc[:, -1].unstack("seed")
    others = pd.DataFrame({seed: last.drop(columns=seed).mean(axis=1) for seed in last})
    chosen = others.idxmin()
    return np.stack([cost.loc[(rate, seed)] for seed, rate in chosen.items()]), chosen


def draw(curves, rates, name, hidden):
    seeds = len(next(iter(curves.values())))
    note = f"{name}, {' and '.join(map(str, hidden))} hidden units. Means of {seeds} seeds, bands: 95 % intervals."
    with plt.rc_context(LOOK):
        figure, axes = panel("Training cost under dropout", note, height=3.4)
        for place, (method, curve) in enumerate(curves.items()):
            low, middle, high = np.transpose([verdicts.mean_interval(column) for column in curve.T])
            epochs = np.arange(1, len(middle) + 1)
            look = {"color": color_of(method), "linestyle": STYLES[place], "marker": MARKERS[place], "markersize": 4}
            axes.plot(epochs, middle, linewidth=1.8, label=f"{method}, rate {rates[method]:.2g}", **look)
            axes.fill_between(epochs, low, high, color=look["color"], alpha=0.15, linewidth=0)
        axes.set(xlabel="epoch", ylabel="training cost with dropout, nats")
        axes.legend()
    return figure
