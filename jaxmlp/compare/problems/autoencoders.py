"""Deep autoencoders: networks that must copy images through a narrow code, a task on which gradient descent gets stuck.

    code = encoder(x),   logits = decoder(code),   loss = cross-entropy of x under sigmoid(logits), summed over pixels

Hidden units are logistic and the code is linear. There is no pretraining: from random weights, plain gradient descent
stays for long on the plateau where every output is the mean image, and methods that rescale or accumulate gradients
leave it sooner.

Sources: Hinton & Salakhutdinov 2006, "Reducing the Dimensionality of Data with Neural Networks",
https://doi.org/10.1126/science.1127647, for the task and the larger network; Martens 2010, "Deep learning via
Hessian-free optimization", https://icml.cc/Conferences/2010/papers/458.pdf, for its use as a test of optimizers and for
the squared error per image as the score.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

import jaxmlp
from jaxmlp.compare.problems.problem import Problem


def digits_autoencoder(hidden: Sequence[int] = (32, 16, 6)) -> Problem:
    """An autoencoder of digits that trains in a fraction of a second."""
    data = jaxmlp.load("digits")
    about = "deep autoencoder of 8 x 8 digits"
    return autoencoder("digits_autoencoder", about, data, hidden, epochs=40, target=2.5, batch_size=64)


def fmnist_autoencoder(folder: str | Path | None = None, hidden: Sequence[int] = (1000, 500, 250, 30)) -> Problem:
    """The network of Hinton & Salakhutdinov on Fashion-MNIST; minutes per run on CPU."""
    data = jaxmlp.load("fashion_mnist", validation=1 / 6, folder=folder)
    about = "deep autoencoder of Fashion-MNIST, as in Hinton & Salakhutdinov"
    options: dict[str, Any] = {"epochs": 20, "target": 15.0, "batch_size": 128, "fixed_test": True}
    return autoencoder("fmnist_autoencoder", about, data, hidden, **options)


def autoencoder(
    name: str,
    about: str,
    data: jaxmlp.Data,
    encoder: Sequence[int],
    *,
    epochs: int,
    target: float,
    batch_size: int,
    fixed_test: bool = False,
) -> Problem:
    """The problem of copying the inputs of data, which are from 0 to 1.

    Args:
      name: what reports call it.
      about: what the data is, in a few words.
      data: a `jaxmlp.Data`, whose targets are not used.
      encoder: widths of the encoder's layers, the last one that of the code; the decoder mirrors them.
      epochs: the budget of each run.
      target: the squared error per image to reach.
      batch_size: rows per step.
      fixed_test: whether the test rows are prescribed.
    """
    inputs = data.train.inputs.shape[1]
    sizes = (inputs, *encoder, *reversed(encoder[:-1]), inputs)
    return Problem(
        name=name,
        about=f"{about}; {'-'.join(map(str, sizes))}",
        data=jaxmlp.Data(_copied(data.train), _copied(data.validation), _copied(data.test)),
        learner=_learner_of(sizes, len(encoder)),
        epochs=epochs,
        target=target,
        batch_size=batch_size,
        metric="error",
        mode="min",
        fixed_test=fixed_test,
    )


def _copied(batch: jaxmlp.Batch) -> jaxmlp.Batch:
    """Rows whose inputs are also their targets."""
    return jaxmlp.Batch(batch.inputs, batch.inputs)


def _learner_of(sizes: Sequence[int], depth: int) -> Callable[[Any], jaxmlp.Learner]:
    """The function from an optimizer to a learner of an autoencoder whose code follows after `depth` layers."""
    pixels = sizes[0]

    def start(key: jax.Array) -> Any:
        return jaxmlp.init(key, sizes, weight_init="glorot_uniform")

    def logits(params: Any, images: Any) -> jax.Array:
        # The last layer of `apply` is linear, and so is the code.
        code = jaxmlp.apply(params[:depth], images, activation="sigmoid")
        return jaxmlp.apply(params[depth:], code, activation="sigmoid")

    def loss(params: Any, batch: jaxmlp.Batch, key: jax.Array | None = None) -> jax.Array:
        return pixels * jaxmlp.binary_cross_entropy(logits(params, batch.inputs), batch.targets)

    def evaluate(params: Any, batch: jaxmlp.Batch) -> dict[str, jax.Array]:
        outputs = logits(params, batch.inputs)
        error = pixels * jaxmlp.mse(jaxmlp.sigmoid(outputs), batch.targets)
        return {"loss": pixels * jaxmlp.binary_cross_entropy(outputs, batch.targets), "error": error}

    def learner(optimizer: Any) -> jaxmlp.Learner:
        return jaxmlp.Learner(start, loss, evaluate, optimizer)

    return learner
