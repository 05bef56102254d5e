"""Learners made of the network, a loss and an optimizer: `classifier` and `regressor`."""

from collections.abc import Callable

import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp.activations import activation_function
from jaxmlp.checks import check_non_negative, check_positive, check_rate, require
from jaxmlp.leaves import Static, as_partial
from jaxmlp.losses import (
    accuracy,
    binary_cross_entropy,
    check_labels,
    cross_entropy,
    l1,
    l2,
    max_norm,
    mse,
    r2,
)
from jaxmlp.mlp import apply, checked_sizes, init, weight_init_function
from jaxmlp.optimizers import as_optimizer, projected
from jaxmlp.training import Learner

__all__ = ["classifier", "regressor"]


def classifier(
    sizes,
    *,
    optimizer,
    activation: str | Callable = "relu",
    weight_init: str | Callable = "he_normal",
    bias=0.0,
    dropout_rate=None,
    input_dropout_rate=None,
    l1=None,
    l2=None,
    max_norm=None,
    label_smoothing=None,
    loss=None,
    dtype=None,
):
    """A multi-layer perceptron that learns integer labels.

    Args:
      sizes: `(inputs, hidden, ..., classes)`; with one output, labels are 0 and 1 and the output is their logit.
      optimizer: a pair `(init, update)`, such as `adam(1e-3)` or one of optax's.
      activation: a name or a function.
      weight_init, bias: as in `init`.
      dropout_rate, input_dropout_rate: of the hidden layers and of the inputs, 0 <= rate < 1.
      l1, l2: strengths of the penalties on the weights, at least 0, added to the loss.
      max_norm: the largest norm of a unit's incoming weights, above 0, kept by projection after every step.
      label_smoothing: in [0, 1), for the cross-entropy.
      loss: a function `(logits, labels) -> scalar`, such as `perceptron`; None: cross-entropy, binary for one output.
      dtype: of the products, such as `jnp.bfloat16`.
      All numbers may be traced. None leaves a part out of the program; 0 keeps it in, so that a new value of a number
      never compiles again.

    Returns:
      A `Learner` that evaluates `loss` (without penalties, dropout and smoothing) and `accuracy`.

    Raises:
      ValueError, TypeError: for arguments that break these rules.

    >>> import jaxmlp
    >>> learner = classifier((64, 128, 10), optimizer=jaxmlp.adam(1e-3), dropout_rate=0.25)
    """
    sizes = checked_sizes("classifier", sizes)
    if loss is None:
        loss = binary_cross_entropy if sizes[-1] == 1 else cross_entropy
    if label_smoothing is not None:
        rule = "be None where the loss is not cross_entropy"
        require(loss is cross_entropy, "classifier", "label_smoothing", rule, label_smoothing)
        loss_fn = Partial(loss, label_smoothing=check_rate("classifier", "label_smoothing", label_smoothing))
    else:
        loss_fn = as_partial(loss)
    network = _network("classifier", activation, dtype)
    penalties = _penalties("classifier", l1, l2)
    rates = _rates("classifier", dropout_rate, input_dropout_rate)
    return Learner(
        init=_initialiser("classifier", sizes, weight_init, bias),
        loss=Partial(_classification_loss, network, loss_fn, penalties, rates),
        evaluate=Partial(_evaluate_classifier, network, as_partial(loss)),
        optimizer=_with_max_norm("classifier", optimizer, max_norm),
        check=Partial(_check_classification, Static(sizes)),
    )


def regressor(
    sizes,
    *,
    optimizer,
    activation: str | Callable = "relu",
    weight_init: str | Callable = "he_normal",
    bias=0.0,
    dropout_rate=None,
    input_dropout_rate=None,
    l1=None,
    l2=None,
    max_norm=None,
    loss=None,
    dtype=None,
):
    """A multi-layer perceptron that learns real numbers.

    Args:
      sizes: `(inputs, hidden, ..., outputs)`.
      loss: a function `(predictions, targets) -> scalar`, such as `huber` or `sse`; None: `mse`.
      optimizer, activation, weight_init, bias, dropout_rate, input_dropout_rate, l1, l2, max_norm, dtype: as in
        `classifier`.

    Returns:
      A `Learner` that evaluates `loss` and `r2`. Targets may be (n, outputs), or (n,) for one output.

    Raises:
      ValueError, TypeError: for arguments that break these rules.

    >>> import jaxmlp
    >>> learner = regressor((10, 32, 1), optimizer=jaxmlp.adam(1e-3), l2=1e-4)
    """
    sizes = checked_sizes("regressor", sizes)
    loss = as_partial(mse if loss is None else loss)
    network = _network("regressor", activation, dtype)
    penalties = _penalties("regressor", l1, l2)
    rates = _rates("regressor", dropout_rate, input_dropout_rate)
    return Learner(
        init=_initialiser("regressor", sizes, weight_init, bias),
        loss=Partial(_regression_loss, network, loss, penalties, rates),
        evaluate=Partial(_evaluate_regressor, network, loss),
        optimizer=_with_max_norm("regressor", optimizer, max_norm),
        check=Partial(_check_regression, Static(sizes)),
    )


def _initialiser(function, sizes, weight_init, bias):
    return Partial(_init, Static(sizes), weight_init_function(weight_init, function), bias)


def _init(sizes, weight_init, bias, key):
    return init(key, sizes.value, weight_init, bias)


def _network(function, activation, dtype):
    return Partial(_apply, activation_function(activation, function), Static(dtype))


def _apply(activation, dtype, params, inputs, dropout_rate=None, input_dropout_rate=None, key=None):
    return apply(params, inputs, activation, dropout_rate, input_dropout_rate, key, dtype.value)


def _rates(function, dropout_rate, input_dropout_rate):
    rates = {"dropout_rate": dropout_rate, "input_dropout_rate": input_dropout_rate}
    return {name: check_rate(function, name, rate) for name, rate in rates.items() if rate is not None}


def _penalties(function, l1, l2):
    strengths = {"l1": l1, "l2": l2}
    return {name: check_non_negative(function, name, value) for name, value in strengths.items() if value is not None}


def _penalty(strengths, params):
    """The sum of the penalties asked for; 0 where none is."""
    functions = {"l1": l1, "l2": l2}
    return sum(strength * functions[name](params) for name, strength in strengths.items())


def _with_max_norm(function, optimizer, limit):
    optimizer = as_optimizer(function, optimizer)
    if limit is None:
        return optimizer
    return projected(optimizer, Partial(max_norm, limit=check_positive(function, "max_norm", limit)))


def _classification_loss(network, loss_fn, penalties, rates, params, batch, key):
    logits = network(params, batch.inputs, **rates, key=key)
    objective = loss_fn(logits, batch.targets) + _penalty(penalties, params)
    return objective, {"accuracy": accuracy(logits, batch.targets)}


def _evaluate_classifier(network, loss_fn, params, batch):
    logits = network(params, batch.inputs)
    return {"loss": loss_fn(logits, batch.targets), "accuracy": accuracy(logits, batch.targets)}


def _regression_loss(network, loss_fn, penalties, rates, params, batch, key):
    predictions = network(params, batch.inputs, **rates, key=key)
    return loss_fn(predictions, _like(batch.targets, predictions)) + _penalty(penalties, params)


def _evaluate_regressor(network, loss_fn, params, batch):
    predictions = network(params, batch.inputs)
    targets = _like(batch.targets, predictions)
    return {"loss": loss_fn(predictions, targets), "r2": r2(predictions, targets)}


def _like(targets, predictions):
    return targets[:, None] if targets.ndim == 1 and predictions.shape[1:] == (1,) else targets


def _check_classification(sizes, data):
    classes = max(sizes.value[-1], 2)
    for name, split in _splits(data):
        _check_width("classifier", name, split, sizes.value[0])
        integer = jnp.issubdtype(split.targets.dtype, jnp.integer)
        rule = "be integer labels"
        require(integer, "classifier", f"data.{name}.targets", rule, str(split.targets.dtype), TypeError)
        check_labels("classifier", f"data.{name}.targets", split.targets, classes)


def _check_regression(sizes, data):
    for name, split in _splits(data):
        _check_width("regressor", name, split, sizes.value[0])
        fits = split.targets.shape[1:] in ((sizes.value[-1],), () if sizes.value[-1] == 1 else None)
        rule = f"be of shape (n, {sizes.value[-1]})"
        require(fits, "regressor", f"data.{name}.targets", rule, split.targets.shape)


def _check_width(function, name, split, width):
    fits = split.inputs.ndim == 2 and split.inputs.shape[1] == width
    require(fits, function, f"data.{name}.inputs", f"be of shape (n, {width})", split.inputs.shape)


def _splits(data):
    return [("train", data.train), ("validation", data.validation)]
