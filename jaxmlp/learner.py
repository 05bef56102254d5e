"""Learners made of the network, a loss and an optimizer: `classifier` and `regressor`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp import losses, metrics, penalties
from jaxmlp.activations import activation_function
from jaxmlp.checks import check_labels, check_non_negative, check_positive, check_rate, require
from jaxmlp.leaves import Static, as_partial, bind
from jaxmlp.mlp import apply, checked_sizes, init, weight_init_function
from jaxmlp.optimizers import Optimizer, as_optimizer, projected
from jaxmlp.training import Learner
from jaxmlp.types import Activation, Array, DTypeLike, OptimizerLike, Scalar, WeightInit

__all__ = ["classifier", "regressor"]


def classifier(
    sizes: Sequence[int],
    *,
    optimizer: OptimizerLike,
    activation: str | Activation = "relu",
    weight_init: str | WeightInit = "he_normal",
    bias: Scalar = 0.0,
    dropout_rate: Scalar | None = None,
    input_dropout_rate: Scalar | None = None,
    l1: Scalar | None = None,
    l2: Scalar | None = None,
    max_norm: Scalar | None = None,
    label_smoothing: Scalar | None = None,
    loss: Callable[..., Any] | None = None,
    dtype: DTypeLike = None,
) -> Learner:
    """A multi-layer perceptron that learns integer labels.

    All numbers may be traced. None leaves a part out of the program; 0 keeps it in, so that a new value of a number
    does not trigger recompilation.

    Args:
      sizes: `(inputs, hidden, ..., classes)`; with one output, labels are 0 and 1 and the output is their logit.
      optimizer: a pair `(init, update)`, such as `adam(1e-3)` or an optax transformation.
      activation: a name or a function.
      weight_init: initializer of the weights, as in `init`.
      bias: initial value of the biases.
      dropout_rate: fraction of each hidden layer's units dropped in training, 0 <= rate < 1.
      input_dropout_rate: fraction of the inputs dropped in training, 0 <= rate < 1.
      l1: strength of the penalty sum(|w|), at least 0, added to the training loss.
      l2: strength of the penalty sum(w^2), at least 0, added to the training loss.
      max_norm: the largest norm of a unit's incoming weights, above 0, kept by projection after every step.
      label_smoothing: in [0, 1), for the cross-entropy in training.
      loss: a function `(logits, labels) -> scalar`, such as `perceptron`; None for cross-entropy (binary
        for one output).
      dtype: dtype of the products, such as `jnp.bfloat16`.

    Returns:
      A `Learner` that evaluates `loss` (without penalties, dropout and smoothing) and `accuracy`.

    Raises:
      ValueError, TypeError: for arguments that break these rules.

    Example:
      >>> import jax, jaxmlp
      >>> learner = classifier((2, 16, 2), optimizer=jaxmlp.adam(0.03), dropout_rate=0.1)
      >>> result = jaxmlp.fit(jax.random.key(0), learner, jaxmlp.load("moons"), epochs=20)
      >>> bool(result.history["validation_accuracy"][-1] > 0.95)
      True
    """
    sizes = checked_sizes("classifier", sizes)
    if loss is None:
        loss = losses.binary_cross_entropy if sizes[-1] == 1 else losses.cross_entropy
    train_loss = as_partial(loss)
    if label_smoothing is not None:
        rule = "be None unless the loss is cross_entropy"
        require(loss is losses.cross_entropy, "classifier", "label_smoothing", rule, label_smoothing)
        train_loss = bind(loss, label_smoothing=check_rate("classifier", label_smoothing=label_smoothing))
    return _learner(
        _Task("classifier", _as_given, metrics.accuracy, "accuracy", _check_classification),
        sizes,
        loss=as_partial(loss),
        train_loss=train_loss,
        network=_network("classifier", activation, dtype),
        init=_initializer("classifier", sizes, weight_init, bias),
        rates=_rates("classifier", dropout_rate=dropout_rate, input_dropout_rate=input_dropout_rate),
        strengths=_strengths("classifier", l1=l1, l2=l2),
        optimizer=_with_max_norm("classifier", optimizer, max_norm),
    )


def regressor(
    sizes: Sequence[int],
    *,
    optimizer: OptimizerLike,
    activation: str | Activation = "relu",
    weight_init: str | WeightInit = "he_normal",
    bias: Scalar = 0.0,
    dropout_rate: Scalar | None = None,
    input_dropout_rate: Scalar | None = None,
    l1: Scalar | None = None,
    l2: Scalar | None = None,
    max_norm: Scalar | None = None,
    loss: Callable[..., Any] | None = None,
    dtype: DTypeLike = None,
) -> Learner:
    """A multi-layer perceptron that learns real numbers.

    Args:
      sizes: `(inputs, hidden, ..., outputs)`.
      optimizer: a pair `(init, update)`, such as `adam(1e-3)` or an optax transformation.
      activation: a name or a function.
      weight_init: initializer of the weights, as in `init`.
      bias: initial value of the biases.
      dropout_rate: fraction of each hidden layer's units dropped in training, 0 <= rate < 1.
      input_dropout_rate: fraction of the inputs dropped in training, 0 <= rate < 1.
      l1: strength of the penalty sum(|w|), at least 0, added to the training loss.
      l2: strength of the penalty sum(w^2), at least 0, added to the training loss.
      max_norm: the largest norm of a unit's incoming weights, above 0, kept by projection after every step.
      loss: a function `(predictions, targets) -> scalar`, such as `huber` or `sse`; None for `mse`.
      dtype: dtype of the products, such as `jnp.bfloat16`.

    Returns:
      A `Learner` that evaluates `loss` (without penalties and dropout) and `r2`. Targets may be (n, outputs), or (n,)
      for one output.

    Raises:
      ValueError, TypeError: for arguments that break these rules.

    Example:
      >>> import jax, jaxmlp
      >>> learner = regressor((10, 32, 1), optimizer=jaxmlp.adam(3e-3), l2=1e-4)
      >>> result = jaxmlp.fit(jax.random.key(0), learner, jaxmlp.load("diabetes"), epochs=20)
      >>> bool(result.history["validation_r2"].max() > 0.3)
      True
    """
    sizes = checked_sizes("regressor", sizes)
    loss = as_partial(losses.mse if loss is None else loss)
    return _learner(
        _Task("regressor", _as_column, metrics.r2, "r2", _check_regression),
        sizes,
        loss=loss,
        train_loss=loss,
        network=_network("regressor", activation, dtype),
        init=_initializer("regressor", sizes, weight_init, bias),
        rates=_rates("regressor", dropout_rate=dropout_rate, input_dropout_rate=input_dropout_rate),
        strengths=_strengths("regressor", l1=l1, l2=l2),
        optimizer=_with_max_norm("regressor", optimizer, max_norm),
    )


@dataclass(frozen=True)
class _Task:
    """What classification and regression differ in."""

    name: str
    targets: Callable[..., Array]
    metric: Callable[..., Array]
    metric_name: str
    check: Callable[..., None]

    def __repr__(self) -> str:
        return self.name


def _learner(task, sizes, *, loss, train_loss, network, init, rates, strengths, optimizer) -> Learner:
    """The learner of a task: its network, losses and optimizer, all numbers bound by name."""
    shared = {"network": network, "task": Static(task)}
    return Learner(
        init=init,
        loss=bind(_objective, **shared, loss=train_loss, strengths=strengths, rates=rates),
        evaluate=bind(_evaluate, **shared, loss=loss),
        optimizer=optimizer,
        check=bind(task.check, sizes=Static(sizes)),
    )


def _objective(params, batch, key, *, network, task, loss, strengths, rates):
    """The training loss with its penalties; a classifier also reports its accuracy."""
    outputs = network(params, batch.inputs, **rates, key=key)
    objective = _with_penalties(loss(outputs, task.targets(batch.targets, outputs)), params, strengths)
    if task.name == "regressor":
        return objective
    return objective, {task.metric_name: task.metric(outputs, batch.targets)}


def _evaluate(params, batch, *, network, task, loss):
    """The loss without penalties and dropout, and the metric."""
    outputs = network(params, batch.inputs)
    targets = task.targets(batch.targets, outputs)
    return {"loss": loss(outputs, targets), task.metric_name: task.metric(outputs, targets)}


def _initializer(function: str, sizes: tuple[int, ...], weight_init: str | WeightInit, bias: Scalar) -> Partial:
    weight_init = weight_init_function(weight_init, function)
    return bind(init, sizes=Static(sizes), weight_init=weight_init, bias=bias)


def _network(function: str, activation: str | Activation, dtype: DTypeLike) -> Partial:
    return bind(apply, activation=activation_function(activation, function), dtype=Static(dtype))


def _rates(function: str, **rates: Scalar | None) -> dict[str, Any]:
    return {name: check_rate(function, **{name: rate}) for name, rate in rates.items() if rate is not None}


def _strengths(function: str, **strengths: Scalar | None) -> dict[str, Any]:
    return {
        name: check_non_negative(function, **{name: value}) for name, value in strengths.items() if value is not None
    }


def _with_penalties(objective, params, strengths):
    """The objective plus the penalties asked for, in the dtype of the objective."""
    functions = {"l1": penalties.l1, "l2": penalties.l2}
    penalty = sum(strength * functions[name](params) for name, strength in strengths.items())
    return objective + jnp.asarray(penalty, jnp.result_type(objective))


def _with_max_norm(function: str, optimizer: OptimizerLike, limit: Scalar | None) -> Optimizer:
    optimizer = as_optimizer(function, optimizer)
    if limit is None:
        return optimizer
    return projected(optimizer, bind(penalties.max_norm, limit=check_positive(function, max_norm=limit)))


def _as_given(targets, outputs):
    return targets


def _as_column(targets, outputs):
    return targets[:, None] if targets.ndim == 1 and outputs.shape[1:] == (1,) else targets


def _check_classification(data, *, sizes):
    classes = max(sizes[-1], 2)
    for name, split in _splits(data):
        _check_width("classifier", name, split, sizes[0])
        integer = jnp.issubdtype(split.targets.dtype, jnp.integer)
        rule = "be integer labels"
        require(integer, "classifier", f"data.{name}.targets", rule, str(split.targets.dtype), TypeError)
        check_labels("classifier", classes, **{f"data.{name}.targets": split.targets})


def _check_regression(data, *, sizes):
    for name, split in _splits(data):
        _check_width("regressor", name, split, sizes[0])
        fits = split.targets.shape[1:] in ((sizes[-1],), () if sizes[-1] == 1 else None)
        rule = f"be of shape (n, {sizes[-1]})"
        require(fits, "regressor", f"data.{name}.targets", rule, split.targets.shape)


def _check_width(function, name, split, width):
    fits = split.inputs.ndim == 2 and split.inputs.shape[1] == width
    require(fits, function, f"data.{name}.inputs", f"be of shape (n, {width})", split.inputs.shape)


def _splits(data):
    """The splits that the data have; `fit` does without a test split."""
    named = [(name, getattr(data, name, None)) for name in ("train", "validation", "test")]
    return [(name, split) for name, split in named if split is not None]
