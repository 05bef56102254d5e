"""Networks on data sets: small bundled sets, those of the literature, and any data that `jaxmlp.load` reads."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp

import jaxmlp
from jaxmlp.compare.problems.problem import Problem

# As many rows as there are test rows, 10,000 of 60,000, choose the hyperparameters. Scored runs train on all 60,000,
# in the same order in every epoch: published logs of DeepOBS repeat every 468 steps.
DEEPOBS_VALIDATION = 1 / 6


def network(
    name: str,
    about: str,
    data: jaxmlp.Data,
    hidden: Sequence[int] = (128,),
    *,
    epochs: int = 30,
    target: float | None = None,
    batch_size: int | None = None,
    learner: dict[str, Any] | None = None,
    **options: Any,
) -> Problem:
    """A problem that trains a multi-layer perceptron: integer targets make a classifier, others a regressor.

    Args:
      name: what reports call it.
      about: what the data is, in a few words.
      data: a `jaxmlp.Data`.
      hidden: widths of the hidden layers; () for none.
      epochs: the budget of each run.
      target: the metric to reach; None: accuracy 0.95, or R2 0.4.
      batch_size: rows per step; None: 64, or less on small data, for at least ten updates per epoch.
      learner: further arguments of `jaxmlp.classifier` or `jaxmlp.regressor`.
      **options: further fields of the `Problem`.

    Returns:
      A `Problem` scored by accuracy or R2.

    Example:
      >>> import jaxmlp
      >>> network("moons", "two half-moons", jaxmlp.load("moons"), (16,)).about
      'two half-moons; 2-16-2'
    """
    inputs = data.train.inputs.shape[1]
    if jnp.issubdtype(data.train.targets.dtype, jnp.integer):
        make, metric, usual = jaxmlp.classifier, "accuracy", 0.95
        outputs = int(data.train.targets.max()) + 1
    else:
        make, metric, usual = jaxmlp.regressor, "r2", 0.4
        outputs = data.train.targets.shape[1]
    own = hidden

    def build(optimizer: Any, hidden: float = 1.0) -> jaxmlp.Learner:
        widths = (max(round(hidden * width), 1) for width in own)
        return make((inputs, *widths, outputs), optimizer=optimizer, **(learner or {}))

    target = usual if target is None else target
    shape = "-".join(map(str, (inputs, *own, outputs)))
    batch_size = batch_size or _batch_size(len(data.train.targets))
    return Problem(name, f"{about}; {shape}", data, build, epochs, target, batch_size, metric, **options)


def _batch_size(rows: int) -> int:
    """The largest power of two up to 64 with which an epoch has at least ten updates."""
    return next(size for size in (64, 32, 16, 8, 4, 2, 1) if rows >= 10 * size or size == 1)


def any_data(
    source: str,
    folder: str | Path | None = None,
    hidden: Sequence[int] = (128,),
    reading: Mapping[str, Any] | None = None,
) -> Problem:
    """A network on whatever `jaxmlp.load` reads by a name or from a CSV file, or on a folder of four IDX files."""
    path = Path(source).expanduser()
    if path.is_dir():
        data = jaxmlp.load("mnist", folder=str(path))
        return network(path.resolve().name, f"images of {source}", data, hidden, fixed_test=True)
    options: dict[str, Any] = {**(reading or {}), **({} if folder is None else {"folder": folder})}
    data = jaxmlp.load(source, **options)
    column = data.preparation.target if data.preparation is not None else None
    about = path.name if column is None else f"{column} in {path.name}"
    draw = partial(_drawn, source) if source in _DRAWN else None
    return network(path.stem, about, data, hidden, draw=draw, fixed_test=source in _WITH_TEST_ROWS)


_DRAWN, _WITH_TEST_ROWS = ("moons", "circles", "spirals"), ("mnist", "fashion_mnist")


def _drawn(source: str, seed: int) -> jaxmlp.Data:
    """New rows of a synthetic set."""
    return jaxmlp.load(source, seed=seed)


def _bundled(name: str, about: str, folder: str | Path | None = None, hidden: Sequence[int] = (128,)) -> Problem:
    """One of the small sets of scikit-learn; keeps the best epoch by validation loss."""
    return network(name, about, jaxmlp.load(name), hidden)


def _images(
    name: str,
    about: str,
    source: str,
    sizes: Sequence[int],
    target: float,
    learner: dict[str, Any],
    folder: str | Path | None = None,
    hidden: Sequence[int] | None = None,
    epochs: int = 100,
    order: str = "reshuffled",
) -> Problem:
    """An image set with official test rows, as in the literature: scored after the last epoch, on all other rows."""
    data = jaxmlp.load(source, validation=DEEPOBS_VALIDATION, folder=folder)
    options: dict[str, Any] = {"epochs": epochs, "target": target, "batch_size": 128, "keep": "last", "order": order}
    return network(name, about, data, hidden or sizes, learner=learner, refit=True, fixed_test=True, **options)


# Schneider, Balles & Hennig 2019, "DeepOBS": ReLU, zero biases, no regularization, batch 128, 100 epochs.
_DEEPOBS_MLP = {"weight_init": jaxmlp.truncated_normal(0.03)}
# Kingma & Ba 2015, section 6.2 and figure 2: ReLU, dropout, batch 128.
_ADAM_MLP = {"dropout_rate": 0.5}

NETWORKS: dict[str, Callable[..., Problem]] = {
    "digits": partial(_bundled, "digits", "8 x 8 images of handwritten digits"),
    "breast_cancer": partial(_bundled, "breast_cancer", "benign or malignant, from 30 measurements"),
    "wine": partial(_bundled, "wine", "three cultivars, from 13 measurements"),
    "diabetes": partial(_bundled, "diabetes", "progression after a year, from 10 measurements"),
    "fmnist_mlp": partial(
        partial(_images, order="fixed"),
        *("fmnist_mlp", "Fashion-MNIST as in DeepOBS", "fashion_mnist", (1000, 500, 100), 0.88, _DEEPOBS_MLP),
    ),
    "mnist_mlp": partial(
        partial(_images, order="fixed"),
        *("mnist_mlp", "MNIST as in DeepOBS", "mnist", (1000, 500, 100), 0.98, _DEEPOBS_MLP),
    ),
    "adam_mlp": partial(
        partial(_images, epochs=200),
        *("adam_mlp", "MNIST as in the Adam paper, dropout 0.5", "mnist", (1000, 1000), 0.98, _ADAM_MLP),
    ),
}
