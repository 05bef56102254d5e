"""Where do the classics stop: does logistic regression on raw pixels gain from more data as a network does?

Fashion-MNIST, pixels as they are: logistic regression and a network 784-64-10, from 1,000 to 16,000 images, each seed
with images of its own; Adam, the best epoch on 1,000 validation images, the 10,000 official test images. The course:
classical methods reach a plateau as data grows, and want features made by hand; networks go on climbing.

How much hangs on the setting: in the five that were tried (width 64 or 128, more or fewer epochs, batches of 50 or 100)
the network led by 1.9 to 2.6 points with 16,000 images, and logistic regression gained 1.0 to 1.6 points on the way
from 4,000. This one was kept because it takes a minute.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLOURS, LOOK, STYLES

# Images to learn from, and the most epochs: fewer for more images, so that each size gets enough steps.
EPOCHS = {1000: 40, 4000: 20, 16000: 8}
HIDDEN, BATCH = 64, 100
LEARNING_RATE = 2e-3
MODELS = ("logistic regression", "network")


def run(seeds=20, epochs=None, data=None):
    """`data`: in place of Fashion-MNIST, for a trial run."""
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
    """Test accuracy (%) of one run on `rows` images of its own."""
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
            f"from {less} to {most} images logistic regression gains a point at most",
            climbs[1],
            at_most=1,
            unit=" points",
        ),
        verdicts.greater(f"from {less} to {most} images the network gains more", *climbs, unit=" points"),
        verdicts.greater(
            f"with {most} images the network is 2 points better", network[most], line[most], by=2, unit=" points"
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
        figure, axis = plt.subplots(figsize=(8.5, 4.8))
        for model, colour, style, marker in zip(MODELS, COLOURS, STYLES, "os", strict=False):
            values = np.array([scores[model, n] for n in rows])
            low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=1)
            label = f"{model} (784-{HIDDEN}-10)" if model == "network" else model
            axis.plot(rows, middle, color=colour, linestyle=style, marker=marker, linewidth=2, label=label)
            axis.fill_between(rows, low, high, color=colour, alpha=0.2, linewidth=0)
        axis.set(xscale="log", xlabel="images to learn from", ylabel="test accuracy (%)")
        axis.set_xticks(rows, [f"{n:,}" for n in rows])
        axis.minorticks_off()
        axis.set_title("Fashion-MNIST from raw pixels: medians, and 10 % to 90 % of seeds", fontsize=12)
        axis.legend(loc="lower right")
    return figure
