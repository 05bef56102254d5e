"""Are the classical models special cases of the multi-layer perceptron?

Each model is trained by gradients and compared with its own method in scikit-learn: linear regression (diabetes) and
logistic regression with a ridge penalty (breast cancer) as networks without a hidden layer; PCA (wine, two components)
as a linear autoencoder 13-2-13; K-means (digits, ten centers) as gradient descent on inertia, each seed from the same
ten images as Lloyd's algorithm. All of them use the same training loop and the same optimizer, Adam with a cosine
schedule. The excess is (loss - optimal loss) / optimal loss on the training data. The course: linear and logistic
regression, K-means and PCA are the classical methods of supervised and unsupervised learning.
"""

from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial
from scipy.linalg import subspace_angles
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import BAND, COLORS, LOOK, STYLES, panel

LEARNING_RATE = 0.1
RIDGE = 1.0  # scikit-learn's C
CENTERS = 10
COMPONENTS = 2


def run(seeds=20, epochs=1000, cluster_epochs=300, images=500):
    curves = {}
    for name, corner in {"linear regression": linear, "logistic regression": logistic}.items():
        recipe, data, optimum = corner(epochs)
        curves[name] = train(recipe, data, seeds, epochs).history("train_loss").to_numpy() / optimum - 1
    recipe, data, optimum, components = autoencoder(epochs)
    study = train(recipe, data, seeds, epochs)
    curves["PCA"] = study.history("train_loss").to_numpy() / optimum - 1
    angles = np.array([degrees_between(study.params(trial), components) for trial in study.done])
    gradient, lloyd = cluster(seeds, cluster_epochs, images)
    last = {name: curve[:, -1] for name, curve in curves.items()}
    return Finding(
        judge(last, angles, gradient / lloyd - 1),
        {"excess": last, "degrees_to_pca": angles, "inertia_by_gradient": gradient, "inertia_by_lloyd": lloyd},
        draw(curves, gradient, lloyd),
    )


def train(recipe, data, seeds, epochs):
    """Full batches, one set of rows for everything: the optimum is sought, not generalization."""
    data, size = jaxmlp.Data(data, data, data), len(data.targets)
    return jaxmlp.train_many(
        recipe, data, seeds=seeds, epochs=epochs, batch_size=size, rate=[LEARNING_RATE], progress=False
    )


def adam(rate, epochs):
    return jaxmlp.adam(jaxmlp.cosine_decay_schedule(rate, epochs))


def linear(epochs):
    data = jaxmlp.load("diabetes").train
    exact = LinearRegression().fit(data.inputs, data.targets)
    optimum = float(np.mean((exact.predict(data.inputs) - np.asarray(data.targets)) ** 2))
    return lambda rate: jaxmlp.regressor((10, 1), optimizer=adam(rate, epochs)), data, optimum


def logistic(epochs):
    """scikit-learn minimizes |w|^2 / 2 + C * (sum of losses); divided by C * rows that is the loss here."""
    data = jaxmlp.load("breast_cancer").train
    strength = 1 / (2 * RIDGE * len(data.targets))
    exact = LogisticRegression(C=RIDGE, tol=1e-8, max_iter=10_000).fit(data.inputs, data.targets)
    z = exact.decision_function(data.inputs)
    losses = np.logaddexp(0, z) - np.asarray(data.targets) * z
    optimum = float(losses.mean() + strength * np.sum(exact.coef_**2))
    return lambda rate: jaxmlp.classifier((30, 1), optimizer=adam(rate, epochs), l2=strength), data, optimum


def autoencoder(epochs):
    inputs = jaxmlp.load("wine").train.inputs
    exact = PCA(COMPONENTS).fit(inputs)
    optimum = float(np.mean((exact.inverse_transform(exact.transform(inputs)) - np.asarray(inputs)) ** 2))

    def recipe(rate):
        return jaxmlp.regressor((13, COMPONENTS, 13), optimizer=adam(rate, epochs), activation="linear")

    return recipe, jaxmlp.Batch(inputs, inputs), optimum, exact.components_


def degrees_between(params, components):
    """The largest angle between the planes spanned by the rows of the decoder and by the components of PCA."""
    decoder = params[-1]["w"]
    return float(np.degrees(subspace_angles(np.asarray(decoder, float).T, np.asarray(components, float).T).max()))


def cluster(starts, epochs, images):
    """Inertia by gradient and by Lloyd's algorithm, (starts,) each, from the same first centers."""
    inputs = jaxmlp.load("digits").train.inputs[:images]
    batch = jaxmlp.Batch(inputs, inputs)
    data = jaxmlp.Data(batch, batch, batch)

    def recipe(start):
        return jaxmlp.Learner(
            init=Partial(first_centers, inputs, start),
            loss=lambda centers, batch, key: jaxmlp.inertia(batch.inputs, centers) / len(batch.inputs),
            evaluate=lambda centers, batch: {"loss": jaxmlp.inertia(batch.inputs, centers)},
            optimizer=adam(LEARNING_RATE, epochs),
        )

    settings = {"seeds": 1, "epochs": epochs, "batch_size": len(inputs), "progress": False}
    study = jaxmlp.train_many(recipe, data, start=range(starts), **settings)
    firsts: list[Any] = [np.asarray(first_centers(inputs, start)) for start in range(starts)]
    once: Any = 1
    lloyd = [KMeans(CENTERS, init=first, n_init=once).fit(inputs).inertia_ for first in firsts]
    return study.table()["test_loss"].to_numpy(), np.array(lloyd)


def first_centers(inputs, start, key=None):
    """Ten random images, given by the number of the start, so that both algorithms begin with the same centers."""
    key = jax.random.key(jnp.asarray(start, jnp.int32))
    return inputs[jax.random.choice(key, len(inputs), (CENTERS,), replace=False)]


def judge(excess, angles, inertia):
    line, curve = excess["linear regression"], excess["logistic regression"]
    return [
        verdicts.equal("linear regression reaches scikit-learn's loss within 0.1 %", line, within=1e-3),
        verdicts.equal("logistic regression reaches scikit-learn's loss within 0.1 %", curve, within=1e-3),
        verdicts.equal("a linear autoencoder finds the plane of PCA within one degree", angles, within=1.0, unit="°"),
        verdicts.mean(
            "K-means by gradient descent ends at most 1 % above the inertia of Lloyd's algorithm",
            100 * inertia,
            at_most=1,
            unit=" %",
        ),
    ]


def draw(curves, gradient, lloyd):
    with plt.rc_context(LOOK):
        return {"corners": draw_losses(curves), "corners_kmeans": draw_inertia(gradient, lloyd)}


def draw_losses(curves):
    figure, axes = panel("Distance from the optimum", BAND.format(len(next(iter(curves.values())))))
    for (name, curve), color, style in zip(curves.items(), COLORS, STYLES, strict=False):
        low, middle, high = np.quantile(np.maximum(100 * curve, 1e-4), (0.1, 0.5, 0.9), axis=0)
        steps = np.arange(1, len(middle) + 1)
        axes.plot(steps, middle, color=color, linestyle=style, linewidth=2, label=name)
        axes.fill_between(steps, low, high, color=color, alpha=0.15, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="step", ylabel="loss above the optimum, %")
    axes.legend(loc="lower left")
    return figure


def draw_inertia(gradient, lloyd):
    figure, axes = panel(
        "K-means from the same starts", f"A dot for each of {len(gradient)} seeds; on the dashed line both are equal."
    )
    ends = min(gradient.min(), lloyd.min()) - 20, max(gradient.max(), lloyd.max()) + 20
    axes.plot(ends, ends, color="0.5", linewidth=1, linestyle="--")
    axes.plot(lloyd, gradient, "o", color=COLORS[0], alpha=0.6)
    axes.set(xlabel="inertia by Lloyd's algorithm", ylabel="inertia by gradient descent", aspect="equal")
    axes.set(xlim=ends, ylim=ends)
    return figure
