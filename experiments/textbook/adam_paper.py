"""Does Adam lower the training cost fastest, as figure 2 of its paper says?

Kingma & Ba 2015 train a network of two hidden layers of 1,000 ReLUs with dropout on MNIST, batches of 128, by AdaGrad,
RMSProp, SGD with Nesterov's momentum, AdaDelta and Adam, their learning rates searched over a grid; Adam's cost is
lowest throughout. Here it is Fashion-MNIST, dropout 0.5, and seeds: reduced by default to 1,536 rows, layers of 64 and
10 epochs; the published sizes, all rows and 200 epochs with --full (hours on a GPU, days on a CPU).

The cost is the training loss with dropout, the mean over an epoch. For each seed a method's learning rate is the one of
its four with the lowest mean cost at the end over the other seeds, so that no seed helps to choose what judges it.
Without Fashion-MNIST on the machine or the network, scikit-learn's digits take its place, and the claims say so.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLOURS, LOOK, STYLES

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
    """Adam against each of the others, by the cost of the last epoch; and against all of them over all epochs."""
    claim = f"on {name} Adam ends at a lower training cost than {{}}"
    others = [method for method in curves if method != "Adam"]
    lowest = np.min([curves[method] for method in others], axis=0)
    return [
        *(
            verdicts.greater(claim.format(one), curves[one][:, -1], curves["Adam"][:, -1], unit=" nats")
            for one in others
        ),
        verdicts.greater(
            f"on {name} Adam's cost is the lowest all the way (mean over epochs, against the best of the others)",
            lowest.mean(axis=1),
            curves["Adam"].mean(axis=1),
            unit=" nats",
        ),
    ]


def images(rows):
    """(name, data): Fashion-MNIST, or the digits with a word about why."""
    try:
        name, data = "Fashion-MNIST", jaxmlp.load("fashion_mnist")
    except (OSError, ImportError):
        name, data = "digits, for want of Fashion-MNIST,", jaxmlp.load("digits")
    # What is not trained on plays no part here, so a little of it will do.
    return name, jaxmlp.Data(first(data.train, rows), first(data.validation, 100), first(data.test, 100))


def first(batch, rows):
    return jax.tree.map(lambda array: array[:rows], batch)


def train(method, data, seeds, hidden, epochs):
    """Costs: a row for each learning rate and seed, a column for each epoch; infinite from where a run diverged."""
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
    """Costs (seeds, epochs), each seed's at the learning rate that ends lowest on the other seeds; and those rates."""
    last = cost.iloc[:, -1].unstack("seed")
    others = pd.DataFrame({seed: last.drop(columns=seed).mean(axis=1) for seed in last})
    chosen = others.idxmin()
    return np.stack([cost.loc[(rate, seed)] for seed, rate in chosen.items()]), chosen


def draw(curves, rates, name, hidden):
    with plt.rc_context(LOOK):
        figure, axes = plt.subplots(figsize=(8, 4.8))
        for place, (method, curve) in enumerate(curves.items()):
            low, middle, high = np.transpose([verdicts.mean_interval(column) for column in curve.T])
            epochs = np.arange(1, len(middle) + 1)
            look = {"color": COLOURS[place], "linestyle": STYLES[place], "marker": "os^Dv"[place], "markersize": 4}
            axes.plot(epochs, middle, linewidth=1.8, label=f"{method}, rate {rates[method]:.2g}", **look)
            axes.fill_between(epochs, low, high, color=COLOURS[place], alpha=0.15, linewidth=0)
        axes.set(xlabel="epoch", ylabel="training cost with dropout (nats)")
        title = f"{name.strip(',')}: a network of {' and '.join(map(str, hidden))} hidden units with dropout"
        axes.set_title(title, loc="left", fontsize=12)
        axes.legend()
    return figure
