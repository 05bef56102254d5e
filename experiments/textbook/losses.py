"""How hard does a loss punish a confident mistake?

A network for digits (64-32-10, ReLU) is first trained on wrong labels, each shifted by one class, until it is sure of
them. Then the labels are corrected, and it trains on under cross-entropy or under the squared error of its
probabilities, by SGD in batches of 64, each loss at the best of its learning rates. Fresh networks do the same, for
comparison. On a confident mistake the error signal of cross-entropy is about 1, however sure the network is; that of
the squared error goes to 0 with the probability of the true class (Golik et al. 2013, "Cross-entropy vs. squared error
training").

Two more losses of the course: the summed squared error is the mean squared error with a learning rate n times larger
(diabetes, linear, full batches), and gradient descent on the sum of distances in clustering leads each center to the
mean of its points (iris, three centers).
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, LOOK, STYLES, panel

SIZES = (64, 32, 10)
RATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
EARLY = 3  # epochs after which the recoveries are compared
CENTERS = 3


def squared_error(logits, labels):
    """The squared error of the probabilities, summed over the classes."""
    classes = logits.shape[-1]
    return jaxmlp.mse(jax.nn.softmax(logits), jax.nn.one_hot(labels, classes)) * classes


LOSSES = {"cross-entropy": jaxmlp.cross_entropy, "squared error": squared_error}
STARTS = ("sure and wrong", "fresh")
LIGHT = (COLORS[5], COLORS[4])  # of fresh networks in the figure, beside the colors of the two losses


def run(seeds=20, epochs=12, rates=RATES):
    data = jaxmlp.load("digits")
    fresh = [jaxmlp.init(jax.random.key(seed), SIZES) for seed in range(seeds)]
    wrong = [train(params, jaxmlp.cross_entropy, 0.3, shifted(data), epochs).params for params in fresh]
    curves = {
        (start, name): recovery(networks, loss, data, epochs, rates)
        for start, networks in zip(STARTS, (wrong, fresh), strict=True)
        for name, loss in LOSSES.items()
    }
    doubt, signals = mistakes(wrong, data.train)
    numbers = {
        "validation accuracy by epochs done, mean over seeds": {
            f"{start}, {name}": curve.mean(axis=0).round(4) for (start, name), curve in curves.items()
        },
        "error signal on the mistakes, mean": {name: values.mean() for name, values in signals.items()},
        "probability of the true class at the start, median": doubt,
    }
    judged = [*judge(curves, signals), *judge_the_others(seeds)]
    return Finding(judged, numbers, draw(curves, doubt))


def judge(curves, signals):
    wrong, fresh = ([curves[start, name][:, EARLY] for name in LOSSES] for start in STARTS)
    decades = np.log10(signals["cross-entropy"] / signals["squared error"])
    claims = (
        f"sure and wrong, a network recovers faster under cross-entropy (validation accuracy after {EARLY} epochs)",
        "the lead of cross-entropy is larger there than from fresh weights",
        "on such mistakes the error signal of cross-entropy is at least ten times that of the squared error",
    )
    return [
        verdicts.greater(claims[0], *wrong),
        verdicts.greater(claims[1], wrong[0] - wrong[1], fresh[0] - fresh[1]),
        verdicts.mean(claims[2], decades, at_least=1, unit=" decades"),
    ]


def judge_the_others(seeds):
    sums = "the summed squared error trains like the mean one at a learning rate n times larger"
    means = "gradient descent on the sum of distances ends with every center at the mean of its points"
    return [
        verdicts.equal(sums, [sum_against_mean(seed) for seed in range(seeds)], within=1e-4),
        verdicts.equal(means, [centers_from_means(seed) for seed in range(seeds)], within=1e-3),
    ]


def shifted(data):
    """The data with wrong labels: each label is moved to the next class."""
    return jax.tree.map(lambda array: (array + 1) % 10 if array.ndim == 1 else array, data)


def train(params, loss, rate, data, epochs):
    learner = jaxmlp.classifier(SIZES, optimizer=jaxmlp.sgd(rate), loss=loss)
    learner = learner._replace(init=Partial(given, params))
    return jaxmlp.fit(jax.random.key(0), learner, data, epochs=epochs)


def given(params, key):
    """An initializer that returns given parameters."""
    return params


def recovery(networks, loss, data, epochs, rates):
    """Validation accuracy (seeds, epochs done) at the learning rate with the best mean after `EARLY` epochs."""
    start = [
        jaxmlp.accuracy(jaxmlp.apply(params, data.validation.inputs), data.validation.targets) for params in networks
    ]
    runs = [[train(params, loss, rate, data, epochs) for params in networks] for rate in rates]
    later = np.array([[one.history["validation_accuracy"] for one in row] for row in runs], float)
    best = np.nan_to_num(later[:, :, EARLY - 1]).mean(axis=1).argmax()
    return np.column_stack([start, later[best]])


def mistakes(networks, batch):
    """The median probability of the true class; and each loss's mean error signal on the mistakes, (seeds,)."""
    logits = jnp.stack([jaxmlp.apply(params, batch.inputs) for params in networks])
    doubt = np.median(jnp.take_along_axis(jax.nn.softmax(logits), batch.targets[None, :, None], axis=-1))
    wrong = jnp.argmax(logits, axis=-1) != batch.targets[None]

    def signal(loss):
        # The loss is a mean over rows: multiplied by their number, each row has its own gradient.
        each = len(batch.targets) * jnp.stack([jax.grad(loss)(one, batch.targets) for one in logits])
        return np.asarray(jnp.mean(jnp.linalg.norm(each, axis=-1), axis=1, where=wrong), float)

    return float(doubt), {name: signal(loss) for name, loss in LOSSES.items()}


def descend(loss_fn, rate, params, batch, steps):
    optimizer = jaxmlp.gd(rate)
    train_step = jaxmlp.make_train_step(loss_fn, optimizer)
    state = jaxmlp.init_state(params, optimizer, jax.random.key(0))
    for _ in range(steps):
        state, _ = train_step(state, batch)
    return state.params


def sum_against_mean(seed, rate=0.03, steps=100):
    """The largest difference between the weights that the two losses lead to."""
    batch = jaxmlp.load("diabetes").train
    start = jaxmlp.init(jax.random.key(seed), (10, 1))

    def weights(loss, rate):
        learner = jaxmlp.regressor((10, 1), optimizer=jaxmlp.gd(rate), loss=loss)
        return descend(learner.loss, rate, start, batch, steps)[0]["w"]

    return np.abs(weights(jaxmlp.mse, rate) - weights(jaxmlp.sse, rate / len(batch.inputs))).max()


def centers_from_means(seed, rate=0.5, steps=300):
    """The largest distance between a center and the mean of its points."""
    batch = jaxmlp.load("iris").train
    start = jax.random.choice(jax.random.key(seed), batch.inputs, (CENTERS,), replace=False)
    points, centers = np.asarray(batch.inputs), np.asarray(descend(distance_sum, rate, start, batch, steps))
    nearest = np.linalg.norm(points[:, None] - centers[None], axis=-1).argmin(axis=1)
    return max(np.linalg.norm(points[nearest == k].mean(axis=0) - centers[k]) for k in set(nearest))


def distance_sum(centers, batch, key):
    return jaxmlp.inertia(batch.inputs, centers) / len(batch.inputs)


def draw(curves, doubt):
    p = np.linspace(1e-3, 1, 400)
    # One wrong class has the probability 1 - p; the signal is the gradient by the logit of the true class.
    shapes = {"cross-entropy": (-np.log(p), 1 - p), "squared error": (2 * (1 - p) ** 2, 4 * p * (1 - p) ** 2)}
    with plt.rc_context(LOOK):
        loss, left = panel("Loss of one example")
        signal, right = panel("Error signal of one example")
        for place, (name, (height, slope)) in enumerate(shapes.items()):
            style = {"color": COLORS[place], "linestyle": STYLES[place], "linewidth": 2}
            left.plot(p, height, label=name, **style)
            right.plot(p, slope, label=name, **style)
        left.set(xlabel="probability of the true class", ylabel="loss: nats, or squares", ylim=(0, 6))
        left.legend()
        right.annotate(
            f"sure and wrong:\nthe median is {doubt:.4f}", (doubt, 0), (0.2, 0.05), arrowprops={"arrowstyle": "->"}
        )
        right.set(xlabel="probability of the true class", ylabel="|∂L/∂z| of the true class")
        right.legend(loc="upper right")
        return {"losses": draw_recovery(curves), "losses_of_one": loss, "losses_signal": signal}


def draw_recovery(curves):
    seeds = len(next(iter(curves.values())))
    figure, axis = panel(
        "Recovery from wrong labels", f"Lines: means of {seeds} seeds; bands: 10 % to 90 %.", height=3.3
    )
    for place, name in enumerate(LOSSES):
        for start, marker, style, color in zip(STARTS, "os", ("-", ":"), (COLORS[place], LIGHT[place]), strict=True):
            curve = 100 * curves[start, name]
            epochs, (low, high) = range(curve.shape[1]), np.quantile(curve, (0.1, 0.9), axis=0)
            line = {"color": color, "linestyle": style, "linewidth": 2, "marker": marker, "markersize": 5}
            axis.plot(epochs, curve.mean(axis=0), label=f"{name}, {start}", **line)
            axis.fill_between(epochs, low, high, color=color, alpha=0.15, linewidth=0)
    axis.set(xlabel="epochs with the right labels", ylabel="validation accuracy, %", ylim=(0, 100))
    axis.legend(loc="lower right", fontsize=10.5)
    return figure
