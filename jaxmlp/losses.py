"""Losses, penalties and metrics: pure functions of arrays, each returning a scalar. Nothing broadcasts silently."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import check_positive, check_rate, is_concrete, require

__all__ = [
    "accuracy",
    "binary_cross_entropy",
    "cross_entropy",
    "huber",
    "inertia",
    "l1",
    "l2",
    "max_norm",
    "mse",
    "perceptron",
    "r2",
    "sse",
]


def mse(predictions, targets):
    """Mean squared error, over all elements: mean((y - t)^2).

    Args:
      predictions: floating, any shape.
      targets: the same shape.

    Returns:
      A scalar of the predictions' dtype.

    Raises:
      ValueError: where the shapes differ.

    >>> float(mse(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
    2.0
    """
    return jnp.mean(jnp.square(_error("mse", predictions, targets)))


def sse(predictions, targets):
    """Sum of squared errors, over all elements: sum((y - t)^2).

    Args, Returns, Raises: as in `mse`.

    >>> float(sse(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
    4.0
    """
    return jnp.sum(jnp.square(_error("sse", predictions, targets)))


def huber(predictions, targets, delta=1.0):
    """Mean Huber loss: e^2 / 2 where |e| <= delta, else delta * (|e| - delta / 2).

    Args:
      predictions: floating, any shape.
      targets: the same shape.
      delta: above 0, in the units of the targets; may be traced.

    Returns:
      A scalar of the predictions' dtype.

    >>> float(huber(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0])))
    1.3125

    Source: Huber 1964. Optax's `huber_loss` without its mean.
    """
    check_positive("huber", "delta", delta)
    size = jnp.abs(_error("huber", predictions, targets))
    delta = jnp.asarray(delta, size.dtype)
    inside = jnp.minimum(size, delta)
    return jnp.mean(0.5 * jnp.square(inside) + delta * (size - inside))


def cross_entropy(logits, labels, label_smoothing=0.0):
    """Mean cross-entropy of softmax(logits), in nats: -mean(sum(q * log_softmax(z))).

    Args:
      logits: floating, (..., classes).
      labels: integer labels (...,) in [0, classes), or one-hot or soft labels (..., classes) that sum to 1.
      label_smoothing: eps, in [0, 1): q = (1 - eps) * label + eps / classes; may be traced.

    Returns:
      A scalar of the logits' dtype. A label out of range that is only known when compiled gives NaN.

    Raises:
      ValueError: for shapes that do not fit, a concrete label out of range, a smoothing out of range.

    >>> round(float(cross_entropy(jnp.zeros((3, 10)), jnp.array([0, 4, 9]))), 4)
    2.3026

    Source: label smoothing: Szegedy et al. 2016.
    """
    check_rate("cross_entropy", "label_smoothing", label_smoothing)
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    require(logits.ndim >= 1, "cross_entropy", "logits", "be of shape (..., classes)", logits.shape)
    log_probabilities = jax.nn.log_softmax(logits)
    likelihood, known = _chosen("cross_entropy", log_probabilities, labels)
    if not (is_concrete(label_smoothing) and label_smoothing == 0):
        smoothing = jnp.asarray(label_smoothing, logits.dtype)
        likelihood = (1 - smoothing) * likelihood + smoothing * jnp.mean(log_probabilities, axis=-1)
    return jnp.mean(jnp.where(known, -likelihood, jnp.nan))


def _chosen(function, values, labels):
    """Sum of label * value over the classes, and whether each label is one of them."""
    classes = values.shape[-1]
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        _check_shape(function, "labels", labels, values.shape)
        return jnp.sum(labels.astype(values.dtype) * values, axis=-1), jnp.ones(labels.shape[:-1], bool)
    if labels.shape == values.shape and values.ndim > 1:
        return jnp.sum(labels.astype(values.dtype) * values, axis=-1), jnp.ones(labels.shape[:-1], bool)
    _check_shape(function, "labels", labels, values.shape[:-1])
    check_labels(function, "labels", labels, classes)
    labels = labels.astype(jnp.int32) if labels.dtype.itemsize < 4 else labels  # uint8 cannot count 300 classes
    chosen = _one_hot(labels, classes)
    return jnp.sum(jnp.where(chosen, values, 0), axis=-1), (labels >= 0) & (labels < classes)


def _one_hot(labels, classes):
    index = jnp.arange(classes, dtype=labels.dtype).reshape((1,) * labels.ndim + (classes,))
    return labels[..., None] == index


def check_labels(function, argument, labels, classes):
    """Concrete integer labels lie in [0, classes)."""
    if is_concrete(labels) and np.size(labels):
        # np.asarray first: np.min of a JAX array is an operation of JAX, which jit would trace.
        low, high = int(np.asarray(labels).min()), int(np.asarray(labels).max())
        wrong = low if low < 0 else high
        require(0 <= wrong < classes, function, argument, f"be at least 0 and below {classes} (the classes)", wrong)


def binary_cross_entropy(logits, labels):
    """Mean cross-entropy of sigmoid(logits), in nats: mean(softplus(z) - t * z).

    Args:
      logits: floating, (...,) or (..., 1).
      labels: 0, 1 or between, of the logits' shape; or of shape (...,) for logits (..., 1).

    Returns:
      A scalar of the logits' dtype.

    >>> round(float(binary_cross_entropy(jnp.zeros(4), jnp.array([0, 1, 1, 0]))), 4)
    0.6931
    """
    logits, labels = _binary("binary_cross_entropy", logits, labels)
    return jnp.mean(jax.nn.softplus(logits) - labels * logits)


def perceptron(scores, labels):
    """The perceptron criterion: mean((step(z) - t) * z), which is |z| for each mistake and 0 for what is right.

    Its gradient by z is the perceptron's own rule, (step(z) - t) / n. At z = 0 the step is 0, so that a positive
    example is a mistake there, and learning starts from zero weights too.

    Args:
      scores: the weighted sums z, floating, (...,) or (..., 1).
      labels: 0 or 1, of the scores' shape; or of shape (...,) for scores (..., 1).

    Returns:
      A scalar of the scores' dtype.

    >>> float(perceptron(jnp.array([2.0, -3.0]), jnp.array([1, 1])))
    1.5

    Source: Rosenblatt 1958.
    """
    scores, labels = _binary("perceptron", scores, labels)
    answers = (scores > 0).astype(scores.dtype)
    return jnp.mean((answers - labels) * scores)


def _binary(function, scores, labels):
    scores, labels = jnp.asarray(scores), jnp.asarray(labels)
    if scores.ndim == labels.ndim + 1 and scores.shape[-1] == 1:
        scores = scores[..., 0]
    _check_shape(function, "labels", labels, scores.shape)
    if is_concrete(labels) and labels.size:
        low, high = float(np.asarray(labels).min()), float(np.asarray(labels).max())
        require(low >= 0 and high <= 1, function, "labels", "be at least 0 and at most 1", low if low < 0 else high)
    return scores, labels.astype(scores.dtype)


def inertia(inputs, centres):
    """K-means' criterion: the sum over the inputs of the squared distance to the nearest centre.

    Args:
      inputs: floating, (n, features).
      centres: floating, (k, features).

    Returns:
      A scalar.

    >>> float(inertia(jnp.array([[0.0], [1.0], [5.0]]), jnp.array([[0.0], [4.0]])))
    2.0

    Source: Lloyd 1982; scikit-learn's `inertia_`.
    """
    inputs, centres = jnp.asarray(inputs), jnp.asarray(centres)
    require(inputs.ndim == 2, "inertia", "inputs", "be of shape (n, features)", inputs.shape)
    fits = centres.ndim == 2 and centres.shape[1] == inputs.shape[1] and centres.shape[0] > 0
    require(fits, "inertia", "centres", f"be of shape (k, {inputs.shape[1]})", centres.shape)
    squared_distances = jnp.sum(jnp.square(inputs[:, None, :] - centres[None, :, :]), axis=-1)
    return jnp.sum(jnp.min(squared_distances, axis=1))


def l1(params):
    """The lasso penalty: the sum of |w| over all weights, biases left out.

    Args:
      params: a list of `{"w", "b"}`.

    >>> float(l1([{"w": jnp.array([[1.0, -2.0]]), "b": jnp.array([9.0, 9.0])}]))
    3.0

    Source: Tibshirani 1996.
    """
    # w * sign(w) is |w| with gradient 0 at 0; that of jnp.abs is 1 there, and would push zero weights away.
    return sum(jnp.sum(w * jnp.sign(w)) for w in _weights("l1", params))


def l2(params):
    """The ridge penalty: the sum of w^2 over all weights, biases left out. No factor 1/2.

    Args:
      params: a list of `{"w", "b"}`.

    >>> float(l2([{"w": jnp.array([[1.0, -2.0]]), "b": jnp.array([9.0, 9.0])}]))
    5.0

    Source: Hoerl & Kennard 1970.
    """
    return sum(jnp.sum(jnp.square(w)) for w in _weights("l2", params))


def max_norm(params, limit):
    """Projects the incoming weights of every unit onto the ball of norm `limit`; biases stay.

    Args:
      params: a list of `{"w", "b"}`; a unit's incoming weights are a column of `w`.
      limit: above 0; may be traced.

    Returns:
      New params. To project after every step: `projected(optimizer, Partial(max_norm, limit=3.0))`.

    >>> projected = max_norm([{"w": jnp.array([[3.0, 0.3], [4.0, 0.4]]), "b": jnp.zeros(2)}], 1.0)
    >>> [[round(float(w), 2) for w in row] for row in projected[0]["w"]]
    [[0.6, 0.3], [0.8, 0.4]]

    Source: Srebro, Rennie & Jaakkola 2004; with dropout: Srivastava et al. 2014.
    """
    check_positive("max_norm", "limit", limit)
    columns = [_bounded(w, jnp.asarray(limit, w.dtype)) for w in _weights("max_norm", params)]
    return [{**layer, "w": w} for layer, w in zip(params, columns, strict=True)]


def _bounded(w, limit):
    squared = jnp.sum(jnp.square(w), axis=0, keepdims=True)
    norm = jnp.sqrt(jnp.maximum(squared, jnp.finfo(w.dtype).tiny))  # the root's gradient at 0 would make NaN
    return jnp.where(norm > limit, w * (limit / jnp.maximum(norm, limit)), w)


def _weights(function, params):
    is_params = isinstance(params, (list, tuple)) and all(isinstance(layer, dict) and "w" in layer for layer in params)
    rule = 'be a list of {"w", "b"}, as from init'
    require(is_params, function, "params", rule, jax.tree.structure(params), TypeError)
    return [layer["w"] for layer in params]


def accuracy(logits, labels):
    """The fraction of examples whose largest logit, or for one logit whose sign, is the label's.

    Args:
      logits: (..., classes) with two classes or more; or (..., 1), or (n,) beside integer labels (n,), where z > 0
        means 1.
      labels: integer (...,), or one-hot (..., classes).

    Returns:
      A float scalar in [0, 1]. Of equal largest logits the first counts.

    >>> float(accuracy(jnp.array([[0.1, 0.9], [0.8, 0.2]]), jnp.array([1, 1])))
    0.5
    """
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    require(logits.ndim >= 1, "accuracy", "logits", "be of shape (..., classes)", logits.shape)
    if logits.ndim == 1 and labels.ndim == 1 and jnp.issubdtype(labels.dtype, jnp.integer):
        logits = logits[:, None]
    if labels.shape == logits.shape and logits.shape[-1] > 1:
        labels = jnp.argmax(labels, axis=-1)
    labels = labels[..., 0] if labels.shape == logits.shape else labels
    _check_shape("accuracy", "labels", labels, logits.shape[:-1])
    answers = logits[..., 0] > 0 if logits.shape[-1] == 1 else jnp.argmax(logits, axis=-1)
    return jnp.mean(answers.astype(jnp.int32) == labels.astype(jnp.int32), dtype=jnp.result_type(float))


def r2(predictions, targets):
    """The coefficient of determination, 1 - sum((y - t)^2) / sum((t - mean(t))^2), averaged over the outputs.

    Args:
      predictions: floating, (n,) or (n, outputs).
      targets: the same shape; a column that does not vary gives -inf or NaN.

    Returns:
      A scalar: 1 is perfect, 0 is as good as the mean.

    >>> float(r2(jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 2.0, 3.0])))
    1.0
    """
    predictions = jnp.asarray(predictions)
    targets = jnp.asarray(targets, predictions.dtype)
    residuals = jnp.sum(jnp.square(_error("r2", predictions, targets)), axis=0)
    total = jnp.sum(jnp.square(targets - jnp.mean(targets, axis=0, keepdims=True)), axis=0)
    return jnp.mean(1 - residuals / total)


def _error(function, predictions, targets):
    predictions, targets = jnp.asarray(predictions), jnp.asarray(targets)
    _check_shape(function, "targets", targets, predictions.shape)
    return predictions - targets.astype(predictions.dtype)


def _check_shape(function, argument, array, shape):
    require(array.shape == shape, function, argument, f"be of shape {shape}", array.shape)
