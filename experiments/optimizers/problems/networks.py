"""Networks on data sets: the small ones at hand, those of the literature, and any data that `jaxmlp.load` reads."""

from functools import partial
from pathlib import Path

import jax.numpy as jnp

import jaxmlp
from experiments.optimizers.problems.problem import Problem

# DeepOBS holds as many rows out for validation as there are test rows, 10,000 of 60,000, and its scored runs train on
# the other 50,000 too. On all 60,000 Adam ends half a percentage point above the published accuracy.
DEEPOBS_VALIDATION = 1 / 6


def network(name, about, data, hidden=(128,), *, epochs=30, target=None, **options):
    """A multi-layer perceptron on any data: labels make a classifier scored by accuracy, numbers a regressor by R2.

    `options` are a Problem's own fields, or `learner`: a dict of what `jaxmlp.classifier` takes besides sizes.
    """
    arguments = options.pop("learner", {})
    inputs = data.train.inputs.shape[1]
    if jnp.issubdtype(data.train.targets.dtype, jnp.integer):
        make, metric, usual = jaxmlp.classifier, "accuracy", 0.95
        outputs = int(data.train.targets.max()) + 1
    else:
        make, metric, usual = jaxmlp.regressor, "r2", 0.4
        outputs = data.train.targets.shape[1]
    sizes = (inputs, *hidden, outputs)

    def learner(optimizer):
        return make(sizes, optimizer=optimizer, **arguments)

    target = usual if target is None else target
    shape = "-".join(map(str, sizes))
    return Problem(name, f"{about}; {shape}", data, learner, epochs, target, metric=metric, **options)


def bundled(name, about, folder=None, hidden=(128,)):
    """One of scikit-learn's small sets, best epoch by validation loss."""
    return network(name, about, jaxmlp.load(name), hidden)


def images(name, about, source, sizes, target, learner, folder=None, hidden=None, epochs=100, refit=False):
    """An image set with official test rows, as in the literature: scored after the last epoch."""
    data = jaxmlp.load(source, validation=DEEPOBS_VALIDATION, folder=folder)
    options = {"epochs": epochs, "target": target, "batch_size": 128, "keep": "last", "refit": refit}
    return network(name, about, data, hidden or sizes, learner=learner, **options)


def any_data(source, folder=None, hidden=(128,)):
    """Whatever `jaxmlp.load` reads by a name or from a CSV file, or a folder of four IDX files."""
    if Path(source).is_dir():
        return network(Path(source).name, f"images of {source}", jaxmlp.load("mnist", folder=source), hidden)
    data = jaxmlp.load(source, folder=folder) if folder is not None else jaxmlp.load(source)
    return network(Path(source).stem, f"{Path(source).name}", data, hidden)


# Schneider, Balles & Hennig 2019, "DeepOBS": ReLU, zero biases, no regularisation, batch 128, 100 epochs.
DEEPOBS_MLP = {"weight_init": jaxmlp.truncated_normal(0.03)}
# Kingma & Ba 2015, section 6.2 and figure 2: ReLU, dropout, batch 128.
ADAM_MLP = {"dropout_rate": 0.5}

NETWORKS = {
    "digits": partial(bundled, "digits", "8 x 8 images of handwritten digits"),
    "breast_cancer": partial(bundled, "breast_cancer", "benign or malignant, from 30 measurements"),
    "wine": partial(bundled, "wine", "three cultivars, from 13 measurements"),
    "diabetes": partial(bundled, "diabetes", "progression after a year, from 10 measurements"),
    "fmnist_mlp": partial(
        images, "fmnist_mlp", "Fashion-MNIST as in DeepOBS", "fashion_mnist", (1000, 500, 100), 0.88, DEEPOBS_MLP
    ),
    "mnist_mlp": partial(images, "mnist_mlp", "MNIST as in DeepOBS", "mnist", (1000, 500, 100), 0.98, DEEPOBS_MLP),
    "adam_mlp": partial(
        partial(images, epochs=200, refit=True),
        *("adam_mlp", "MNIST as in the Adam paper, dropout 0.5", "mnist", (1000, 1000), 0.98, ADAM_MLP),
    ),
}
