"""Synthetic tables with something rare in them, whose best possible scores are known.

Gradients of what is rare are mostly zero or small. Methods with one rate per parameter take larger steps there;
gradient descent with a rate that suits what is common learns the rest last.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmlp
from jaxmlp.compare.problems.networks import network
from jaxmlp.compare.problems.problem import Problem

_WORDS, _FREQUENT, _CLASSES, _FEATURES = 500, 20, 40, 20
_ROWS = (4000, 1000, 4000)


def rare_words() -> Problem:
    """Texts as bags of words, of which the frequent ones tell nothing and the rare ones everything.

        P(word j is in a text) = 1/2 for j <= 20, else 1 / j
        P(label = 1) = sigmoid(sum of the weights of the words in the text)

    The weights are 0 for the 20 frequent words, 3 or -3 for the 480 others, of which a text has three on average. A
    logistic regression learns them; the frequent words limit the learning rate of gradient descent. The best possible
    accuracy is the mean of max(p, 1 - p) over texts, about 86 %.

    Source: Duchi, Hazan & Singer 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization",
    https://jmlr.org/papers/v12/duchi11a.html, section 1.3: "infrequently occurring features are highly informative".
    """

    def learner(optimizer: Any) -> jaxmlp.Learner:
        return jaxmlp.classifier((_WORDS, 1), optimizer=optimizer, weight_init=jax.nn.initializers.zeros)

    about = f"bags of words, most of them rare; {_WORDS}-1"
    return Problem("rare_words", about, draw_texts(0), learner, 10, target=0.82, batch_size=64, draw=draw_texts)


def draw_texts(seed: int) -> jaxmlp.Data:
    """The texts of a repetition; the weights of the words are always the same."""
    random = np.random.default_rng([seed, 1])
    train, validation, test = (_texts(random, rows) for rows in _ROWS)
    return jaxmlp.Data(train, validation, test)


def word_frequencies() -> np.ndarray:
    """The probability of each word of `rare_words` to be in a text."""
    return np.where(np.arange(_WORDS) < _FREQUENT, 0.5, 1.0 / np.arange(1, _WORDS + 1))


def word_weights() -> np.ndarray:
    """The weight of each word of `rare_words` in the logit of the label."""
    weights = np.random.default_rng(0).choice([-3.0, 3.0], _WORDS)
    return np.where(np.arange(_WORDS) < _FREQUENT, 0.0, weights)


def _texts(random: np.random.Generator, rows: int) -> jaxmlp.Batch:
    words = random.random((rows, _WORDS)) < word_frequencies()
    chance = 1 / (1 + np.exp(-np.dot(words, word_weights())))
    labels = random.random(rows) < chance
    return jaxmlp.Batch(jnp.asarray(words, jnp.float32), jnp.asarray(labels, jnp.int32))


def rare_classes() -> Problem:
    """Forty classes with frequencies 1, 1/2, 1/3, ..., scored by the mean accuracy over classes.

    A class is a normal distribution around its center in 20 dimensions. Of 4,000 training rows the most frequent class
    has about 930, the rarest 23, and both count the same in the score. To assign a row to the nearest center is the
    best that can be done if all classes count the same, about 95 %. Batches are large: gradient descent falls behind
    where little of the noise of its gradients is left, with batches of 64 rows it equals Adam.

    Source: Kunstner et al. 2024, "Heavy-Tailed Class Imbalance and Why Adam Outperforms Gradient Descent on Language
    Models", https://arxiv.org/abs/2402.19449.
    """
    about = "forty classes, most of them rare, in batches of 512"
    options: dict[str, Any] = {"epochs": 10, "target": 0.8, "batch_size": 512, "draw": draw_points}
    plain = network("rare_classes", about, draw_points(0), (64,), **options)

    def evaluate(params: Any, batch: jaxmlp.Batch) -> dict[str, jax.Array]:
        logits = jaxmlp.apply(params, batch.inputs)
        loss = jaxmlp.cross_entropy(logits, batch.targets)
        return {"loss": loss, "balanced_accuracy": balanced_accuracy(logits, batch.targets)}

    def learner(optimizer: Any) -> jaxmlp.Learner:
        return plain.learner(optimizer)._replace(evaluate=evaluate)

    return plain._replace(learner=learner, metric="balanced_accuracy", tune_on="balanced_accuracy", keep="last")


def draw_points(seed: int) -> jaxmlp.Data:
    """The rows of a repetition; the centers of the classes are always the same."""
    random = np.random.default_rng([seed, 2])
    train, validation, test = (_points(random, rows) for rows in _ROWS)
    return jaxmlp.Data(train, validation, test)


def balanced_accuracy(logits: jax.Array, labels: Any) -> jax.Array:
    """The accuracy within each class that has rows, averaged over these classes."""
    is_class = jax.nn.one_hot(labels, logits.shape[-1])
    is_correct = (jnp.argmax(logits, axis=-1) == labels).astype(is_class.dtype)
    rows = jnp.sum(is_class, axis=0)
    within = jnp.matmul(is_correct, is_class) / jnp.maximum(rows, 1.0)
    return jnp.sum(within) / jnp.sum((rows > 0).astype(rows.dtype))


def class_frequencies() -> np.ndarray:
    """The frequency of each class of `rare_classes`."""
    frequencies = 1.0 / np.arange(1, _CLASSES + 1)
    return frequencies / frequencies.sum()


def class_centers() -> np.ndarray:
    """The center of each class of `rare_classes`, (classes, features)."""
    return np.random.default_rng(0).normal(size=(_CLASSES, _FEATURES))


def _points(random: np.random.Generator, rows: int) -> jaxmlp.Batch:
    labels = random.choice(_CLASSES, rows, p=class_frequencies())
    points = class_centers()[labels] + random.normal(size=(rows, _FEATURES))
    return jaxmlp.Batch(jnp.asarray(points, jnp.float32), jnp.asarray(labels, jnp.int32))
