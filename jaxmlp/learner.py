"""Learners made of the network, a loss and an optimizer: `classifier` and `regressor`."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp import losses, metrics, penalties
from jaxmlp.activations import activation_function
from jaxmlp.checks import check_non_negative, check_positive, check_rate, require
from jaxmlp.class_weights import ClassWeight, checked_class_weight, weights_by_class
from jaxmlp.leaves import Static, as_partial, bind, described
from jaxmlp.mlp import apply, checked_sizes, init, weight_init_function
from jaxmlp.optimizers import Optimizer, as_optimizer, projected
from jaxmlp.suitability import check_classification, check_multi_label, check_regression
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
    class_weight: ClassWeight | None = None,
    multi_label: bool = False,
    loss: Callable[..., Any] | None = None,
    dtype: DTypeLike = None,
) -> Learner:
    """A multi-layer perceptron that learns integer labels, or with `multi_label` any number of labels for each row.

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
      class_weight: one number of at least 0 for each class, or a dict {label: number} (1 for labels that it leaves
        out): the training loss of a batch is sum(w * l) / sum(w), where w is the weight of a row's class times the
        row's own weight. `balanced_weights(data.train.targets)` makes up for rare classes. Evaluation ignores it.
      multi_label: whether each output is an independent yes-or-no question; targets are then (n, outputs) of 0 and 1,
        and accuracy counts every one of them.
      loss: a function `(logits, labels) -> scalar`, such as `perceptron`; None for cross-entropy (binary for one output
        and for `multi_label`). It must accept `weights=`, as the losses here do, if rows or classes have weights.
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
    require(isinstance(multi_label, bool), "classifier", "multi_label", "be True or False", multi_label, TypeError)
    if loss is None:
        loss = losses.binary_cross_entropy if sizes[-1] == 1 or multi_label else losses.cross_entropy
    rule = "be None for multi_label=True, whose rows have no single class"
    require(class_weight is None or not multi_label, "classifier", "class_weight", rule, class_weight)
    return _learner(
        _MULTI_LABEL if multi_label else _CLASSIFICATION,
        sizes,
        loss=as_partial(loss),
        train_loss=_train_loss(loss, label_smoothing),
        class_weight=checked_class_weight("classifier", max(sizes[-1], 2), class_weight),
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
      loss: a function `(predictions, targets) -> scalar`, such as `huber` or `sse`; None for `mse`. It must accept
        `weights=`, as the losses here do, if rows have weights.
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
        _REGRESSION,
        sizes,
        loss=loss,
        train_loss=loss,
        class_weight=None,
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


def _learner(task, sizes, *, loss, train_loss, class_weight, network, init, rates, strengths, optimizer) -> Learner:
    """The learner of a task: its network, losses and optimizer, all numbers bound by name."""
    shared = {"network": network, "task": Static(task)}
    numbers = {"class_weight": class_weight, "strengths": strengths, "rates": rates}
    return Learner(
        init=init,
        loss=bind(_objective, **shared, loss=train_loss, **numbers),
        evaluate=bind(_evaluate, **shared, loss=loss),
        optimizer=optimizer,
        check=bind(task.check, sizes=Static(sizes)),
        outputs=network,
    )


def _objective(params, batch, key, *, network, task, loss, class_weight, strengths, rates):
    """The training loss with its penalties; a classifier also reports its accuracy."""
    outputs = network(params, batch.inputs, **rates, key=key)
    targets, weights = task.targets(batch.targets, outputs), getattr(batch, "weights", None)
    of_rows = weights if class_weight is None else weights_by_class(class_weight, targets, weights)
    objective = _with_penalties(_weighted(task, loss, outputs, targets, of_rows), params, strengths)
    if task.name == "regressor":
        return objective
    return objective, {task.metric_name: _weighted(task, task.metric, outputs, batch.targets, weights)}


def _evaluate(params, batch, *, network, task, loss):
    """The loss without penalties and dropout, and the metric."""
    outputs = network(params, batch.inputs)
    targets, weights = task.targets(batch.targets, outputs), getattr(batch, "weights", None)
    metric = _weighted(task, task.metric, outputs, targets, weights)
    return {"loss": _weighted(task, loss, outputs, targets, weights), task.metric_name: metric}


def _weighted(task, function, outputs, targets, weights):
    """A loss or metric of rows that may have weights."""
    if weights is None:
        return function(outputs, targets)
    return _accepting_weights(task.name, function)(outputs, targets, weights=weights)


def _accepting_weights(learner: str, loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss, which must accept `weights=`."""
    try:
        inspect.signature(loss).bind(None, None, weights=None)
    except TypeError:
        rule = "accept weights=, as the losses of jaxmlp do, because rows or classes have weights"
        require(False, learner, "loss", rule, described(loss), TypeError)
    except ValueError:  # a function without a signature
        pass
    return loss


def _train_loss(loss: Callable[..., Any], label_smoothing: Scalar | None) -> Partial:
    if label_smoothing is None:
        return as_partial(loss)
    rule = "be None unless the loss is cross_entropy"
    require(loss is losses.cross_entropy, "classifier", "label_smoothing", rule, label_smoothing)
    return bind(loss, label_smoothing=check_rate("classifier", label_smoothing=label_smoothing))


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


def _label_accuracy(logits, labels, weights=None):
    return metrics.accuracy(logits, labels, multi_label=True, weights=weights)


_CLASSIFICATION = _Task("classifier", _as_given, metrics.accuracy, "accuracy", check_classification)
_MULTI_LABEL = _Task("classifier", _as_given, _label_accuracy, "accuracy", check_multi_label)
_REGRESSION = _Task("regressor", _as_column, metrics.r2, "r2", check_regression)
