"""How many epochs are enough, and does early stopping find the right one?

Two networks train by Adam at 3e-3 in batches of 50: one on diabetes (10-64-64-1, all rows; a noisy regression), one on
200 rows of digits (64-128-10, hardly any noise). Training, validation and test losses are recorded after every epoch.
The same trials run again with early stopping: they end after 15 epochs without a better validation loss, and the
parameters of the best epoch are kept (Prechelt 1998, "Early stopping - but when?"). "Too few" means three epochs. Each
seed has its own initial weights and its own order of the rows.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import BAND, COLORS, INK, LOOK, STYLES, legend_above, panel

CASES = {"diabetes": (jaxmlp.regressor, (10, 64, 64, 1), 309), "digits": (jaxmlp.classifier, (64, 128, 10), 200)}
UNITS = {"diabetes": "squared error / variance", "digits": "cross-entropy, nats"}
PATIENCE = 15
FEW = 3
CURVES = {"training": "train_loss", "validation": "validation_loss", "test": "validation_test_loss"}


def run(seeds=30, epochs=100):
    measured = {name: measure(name, seeds, epochs) for name in CASES}
    judged = [verdict for name, parts in measured.items() for verdict in judge(name, *parts)]
    numbers = {name: in_numbers(*parts) for name, parts in measured.items()}
    return Finding(judged, numbers, draw(measured))


def measure(name, seeds, epochs):
    """Losses (seeds, epochs); the best epochs (seeds,); and the losses of the parameters that early stopping kept."""
    make, sizes, rows = CASES[name]
    data = jaxmlp.load(name)
    data = data._replace(train=jax.tree.map(lambda array: array[:rows], data.train))
    learner = watched(make(sizes, optimizer=jaxmlp.adam(3e-3)), data.test)

    def fit(seed, patience):
        options = {"epochs": epochs, "batch_size": 50, "patience": patience}
        return jaxmlp.fit(jax.random.key(seed), learner, data, **options)

    history = stacked([fit(seed, epochs).history for seed in range(seeds)])  # so much patience never stops a run
    stopped = [fit(seed, PATIENCE) for seed in range(seeds)]
    kept = stacked([learner.evaluate(result.params, data.validation) for result in stopped])
    return history, np.array([int(result.best_epoch) for result in stopped]), kept


def watched(learner, test):
    """The learner, with the metrics of the test rows recorded beside those of the validation rows."""

    def evaluate(params, batch):
        on_test = {f"test_{name}": value for name, value in learner.evaluate(params, test).items()}
        return learner.evaluate(params, batch) | on_test

    return learner._replace(evaluate=evaluate)


def stacked(rows):
    return {name: np.array([row[name] for row in rows], float) for name in rows[0]}


def judge(name, history, best, kept):
    seeds = np.arange(len(best))
    train, validation, test = (history[key] for key in CURVES.values())
    hindsight = kept["test_loss"] / test.min(axis=1)
    restored = kept["loss"] - validation[seeds, best]
    last = f"{name}: {test.shape[1]} epochs"
    restoring = f"{name}: early stopping restores the validation loss of the best epoch"
    finding = f"{name}: the test loss after early stopping is within a tenth of the lowest of all epochs (ratio)"
    return [
        verdicts.greater(
            f"{name}: {FEW} epochs underfit (test loss above that of early stopping)",
            test[:, FEW - 1],
            kept["test_loss"],
        ),
        verdicts.greater(f"{last} fit the training rows better than the best epoch", train[seeds, best], train[:, -1]),
        verdicts.greater(
            f"{last} overfit (test loss more than a tenth above that of early stopping)",
            test[:, -1],
            1.1 * kept["test_loss"],
        ),
        verdicts.equal(restoring, restored, within=1e-5),
        verdicts.mean(finding, hindsight, at_most=1.1),
    ]


def in_numbers(history, best, kept):
    test = history["validation_test_loss"]
    return {
        "best epoch of each seed, counted from 1": best + 1,
        f"test loss after {FEW} epochs, mean": test[:, FEW - 1].mean(),
        "test loss kept by early stopping, mean": kept["test_loss"].mean(),
        f"test loss after {test.shape[1]} epochs, mean": test[:, -1].mean(),
        "loss by epoch, median": {name: np.median(history[key], axis=0).round(4) for name, key in CURVES.items()},
    }


def draw(measured):
    with plt.rc_context(LOOK):
        return {f"epochs_{case}": draw_losses(case, *found) for case, found in measured.items()}


def draw_losses(case, history, best, kept):
    note = f"{BAND.format(len(best))} Dots: the test loss of the epoch that early stopping keeps."
    noise = "noisy" if case == "diabetes" else "little noise"
    figure, axis = panel(f"Loss by epoch on {case}, {noise}", note)
    for place, (name, key) in enumerate(CURVES.items()):
        low, middle, high = np.quantile(history[key], (0.1, 0.5, 0.9), axis=0)
        epochs = np.arange(1, len(middle) + 1)
        axis.plot(epochs, middle, label=name, color=COLORS[place], linestyle=STYLES[place], linewidth=2)
        axis.fill_between(epochs, low, high, color=COLORS[place], alpha=0.15, linewidth=0)
    style = {"marker": "o", "linestyle": "", "color": INK, "markersize": 4, "alpha": 0.55}
    axis.plot(best + 1, kept["test_loss"], label="kept", **style)
    axis.set(xlabel="epoch", ylabel=UNITS[case], yscale="log")
    legend_above(axis)
    return figure
