"""Does logistic regression on raw pixels stop gaining from more data, while a network keeps gaining?

Logistic regression and a network 784-64-10 learn Fashion-MNIST from 1,000 to 16,000 images by Adam, each seed with its
own images. The best epoch on 1,000 validation images is kept and scored on the 10,000 official test images. The course:
classical methods reach a plateau as data grows and need features made by hand; networks go on improving.

The result depends on the setting: in the five that were tried (width 64 or 128, more or fewer epochs, batches of 50 or
100) the network led by 1.9 to 2.6 points with 16,000 images, and logistic regression gained 1.0 to 1.6 points from
4,000 to 16,000. This is the fastest of them; it takes a minute or two on two cores.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import BAND, COLORS, LOOK, STYLES, panel

# Training images, and the number of epochs: fewer epochs for more images, so that each size gets enough steps.
EPOCHS = {1000: 40, 4000: 20, 16000: 8}
HIDDEN, BATCH = 64, 100
LEARNING_RATE = 2e-3
MODELS = ("logistic regression", "network")


def run(seeds=20, epochs=None, data=None):
    """`data` replaces Fashion-MNIST in a test."""
    data = jaxmlp.load("fashion_mnist") if data is None else data
    epochs = epochs or EPOCHS
    scores = {
        (model, rows): np.array([score(model, rows, epochs[rows], data, seed) for seed in range(seeds)])
        for model in MODELS
        for rows in epochs
    }
    medians = {f"{model}, {rows} images": np.median(values) for (model, rows), values in scores.items()}
    return Finding(
        judge(scores, sorted(epochs)), {"median_test_accuracy": medians}, {"plateau": draw(scores, sorted(epochs))}
    )


def score(model, rows, epochs, data, seed):
    """Test accuracy (%) of one run on the seed's own `rows` images."""
    chosen = np.random.default_rng(seed).permutation(len(data.train.targets))[:rows]
    validation = jax.tree.map(lambda array: array[:1000], data.validation)
    own = jaxmlp.Data(jax.tree.map(lambda array: array[chosen], data.train), validation, data.test)
    inputs, classes = data.train.inputs.shape[1], int(data.train.targets.max()) + 1
    sizes = (inputs, classes) if model == "logistic regression" else (inputs, HIDDEN, classes)
    learner = jaxmlp.classifier(sizes, optimizer=jaxmlp.adam(LEARNING_RATE))
    result = jaxmlp.fit(jax.random.key(seed), learner, own, epochs=epochs, batch_size=BATCH, patience=epochs)
    return 100 * float(jaxmlp.accuracy(jaxmlp.apply(result.params, data.test.inputs), data.test.targets))


def judge(scores, rows):
    few, *_, less, most = rows
    line, network = ({n: scores[model, n] for n in rows} for model in MODELS)
    climbs = network[most] - network[less], line[most] - line[less]
    return [
        verdicts.mean(
            f"from {less} to {most} images logistic regression gains at most one point",
            climbs[1],
            at_most=1,
            unit=" points",
        ),
        verdicts.greater(f"from {less} to {most} images the network gains more", *climbs, unit=" points"),
        verdicts.greater(
            f"with {most} images the network is at least 2 points better",
            network[most],
            line[most],
            by=2,
            unit=" points",
        ),
        verdicts.greater(
            "the network's lead grows with the data",
            network[most] - line[most],
            network[few] - line[few],
            unit=" points",
        ),
    ]


def draw(scores, rows):
    with plt.rc_context(LOOK):
        figure, axis = panel("Accuracy on Fashion-MNIST's raw pixels", BAND.format(len(next(iter(scores.values())))))
        for model, color, style, marker in zip(MODELS, COLORS, STYLES, "os", strict=False):
            values = np.array([scores[model, n] for n in rows])
            low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=1)
            label = f"{model} (784-{HIDDEN}-10)" if model == "network" else model
            axis.plot(rows, middle, color=color, linestyle=style, marker=marker, linewidth=2, label=label)
            axis.fill_between(rows, low, high, color=color, alpha=0.2, linewidth=0)
        axis.set(xscale="log", xlabel="training images", ylabel="test accuracy, %")
        axis.set_xticks(rows, [f"{n:,}" for n in rows])
        axis.minorticks_off()
        axis.legend(loc="lower right")
    return figure
