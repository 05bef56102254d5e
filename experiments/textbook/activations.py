"""What is a deep network without activation functions?

Networks of one, three and six layers (16 hidden units each) learn two moons (700 training points, noise 0.15) with and
without ReLU between the layers: Adam, learning rate 0.02, 300 steps on all rows. Without an activation each layer is
linear in its input, so that the network equals a single matrix, the product of its weights, at any depth; and its loss
cannot be lower than the minimum of logistic regression, which scikit-learn finds. With ReLU neither is true.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, INK, LOOK, STYLES, panel

DEPTHS = (1, 3, 6)
WIDTH = 16
WITHOUT, WITH = "without activation", "with ReLU"
ACTIVATIONS = {WITHOUT: jaxmlp.linear, WITH: jaxmlp.relu}


def run(seeds=20, steps=300, depths=DEPTHS):
    data = jaxmlp.load("moons", noise=0.15)
    trained = {
        (name, depth): [train(seed, data.train, depth, activation, steps) for seed in range(seeds)]
        for name, activation in ACTIVATIONS.items()
        for depth in depths
    }
    accuracies = {case: scores(case, networks, data.test, jaxmlp.accuracy) for case, networks in trained.items()}
    losses = {case: scores(case, networks, data.train, jaxmlp.cross_entropy) for case, networks in trained.items()}
    differences = {
        case: np.array([from_one_matrix(params, data.test.inputs, ACTIVATIONS[case[0]]) for params in networks])
        for case, networks in trained.items()
    }
    floor = logistic_regression(data.train)
    numbers = {
        "test accuracy, mean": {
            f"{name}, depth {depth}": values.mean() for (name, depth), values in accuracies.items()
        },
        "training loss, mean": {f"{name}, depth {depth}": values.mean() for (name, depth), values in losses.items()},
        "largest difference from one matrix, relative": {
            f"{name}, depth {depth}": values.max() for (name, depth), values in differences.items()
        },
        "training loss of logistic regression": floor,
    }
    judged = judge(max(depths), accuracies, losses, differences, floor)
    return Finding(judged, numbers, draw(data.train, trained, accuracies))


def judge(deepest, accuracies, losses, differences, floor):
    one = np.max([values for (name, _), values in differences.items() if name == WITHOUT], axis=0)
    below = np.min([values for (name, _), values in losses.items() if name == WITHOUT], axis=0) < floor - 1e-5
    return [
        verdicts.equal("without activations a network of any depth equals one matrix (relative)", one, within=1e-4),
        verdicts.share("without activations no depth gets below the loss of logistic regression", below, at_most=0.2),
        verdicts.mean(
            f"with ReLU between its {deepest} layers a network differs from that matrix (relative)",
            differences[WITH, deepest],
            at_least=0.1,
        ),
        verdicts.greater(
            f"with ReLU {deepest} layers have a higher test accuracy, by at least 0.05",
            accuracies[WITH, deepest],
            accuracies[WITHOUT, deepest],
            by=0.05,
        ),
    ]


def train(seed, batch, depth, activation, steps):
    sizes = (2, *[WIDTH] * (depth - 1), 2)
    optimizer = jaxmlp.adam(0.02)
    learner = jaxmlp.classifier(sizes, optimizer=optimizer, activation=activation, weight_init="glorot_normal")
    train_step = jaxmlp.make_train_step(learner.loss, optimizer)
    state = jaxmlp.init_state(learner.init(jax.random.key(seed)), optimizer, jax.random.key(0))
    for _ in range(steps):
        state, _ = train_step(state, batch)
    return state.params


def scores(case, networks, batch, score):
    outputs = [jaxmlp.apply(params, batch.inputs, ACTIVATIONS[case[0]]) for params in networks]
    return np.array([score(logits, batch.targets) for logits in outputs], float)


def from_one_matrix(params, inputs, activation):
    """The largest difference of the network from the product of its weights, over the largest output."""
    w, b = jnp.eye(2), jnp.zeros(2)
    for layer in params:
        w, b = w @ layer["w"], b @ layer["w"] + layer["b"]
    outputs = jaxmlp.apply(params, inputs, activation)
    return float(jnp.max(jnp.abs(outputs - (inputs @ w + b[None]))) / jnp.max(jnp.abs(outputs)))


def logistic_regression(batch):
    """The lowest training loss of a single layer."""
    inputs, labels = np.asarray(batch.inputs, float), np.asarray(batch.targets)
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(inputs, labels)
    return -np.mean(np.log(model.predict_proba(inputs)[np.arange(len(labels)), labels]))


def draw(batch, trained, accuracies):
    deepest = max(depth for _, depth in trained)
    shown = {
        "line": (WITHOUT, min(depth for _, depth in trained)),
        "linear": (WITHOUT, deepest),
        "relu": (WITH, deepest),
    }
    with plt.rc_context(LOOK):
        figures = {
            f"activations_{place}": draw_regions(batch, trained[case][0], *case) for place, case in shown.items()
        }
        return {"activations": draw_accuracies(accuracies)} | figures


def draw_accuracies(accuracies):
    seeds = len(next(iter(accuracies.values())))
    figure, axis = panel("Accuracy by number of layers", f"Lines: means of {seeds} seeds; bands: 10 % to 90 %.")
    for place, name in enumerate(ACTIVATIONS):
        depths = [depth for other, depth in accuracies if other == name]
        runs = 100 * np.array([accuracies[name, depth] for depth in depths])
        style = {"color": COLORS[place], "linestyle": STYLES[place], "marker": "os"[place], "linewidth": 2}
        axis.plot(depths, runs.mean(axis=1), label=name, **style)
        axis.fill_between(depths, *np.quantile(runs, (0.1, 0.9), axis=1), color=COLORS[place], alpha=0.2, linewidth=0)
    axis.set(xlabel="layers", ylabel="test accuracy, %", xticks=depths, yticks=range(80, 101, 5), ylim=(79, 101))
    axis.legend(loc="center right")
    return figure


def draw_regions(batch, params, name, depth):
    note = "Dots: training rows, the colors their labels; behind them the label that the network gives. One seed."
    figure, axis = panel(f"{depth} layer{'s' * (depth > 1)} {name}", note, height=3.6)
    x, y = np.meshgrid(np.linspace(-2.5, 2.5, 200), np.linspace(-2.5, 2.5, 200))
    logits = jaxmlp.apply(params, jnp.asarray(np.stack([x, y], axis=-1), jnp.float32), ACTIVATIONS[name])
    side = np.asarray(logits[..., 1] - logits[..., 0])
    axis.contourf(x, y, side, levels=[-np.inf, 0, np.inf], colors=[COLORS[0], COLORS[4]], alpha=0.25)
    axis.contour(x, y, side, levels=[0], colors=INK, linewidths=1.5)
    for label, (color, marker) in enumerate(zip((COLORS[0], COLORS[1]), "ox", strict=True)):
        rows = np.asarray(batch.inputs)[np.asarray(batch.targets) == label]
        axis.plot(*rows.T, marker, color=color, markersize=3, alpha=0.5)
    axis.set(xlabel="first input, standard deviations", ylabel="second input, standard deviations", aspect="equal")
    axis.grid(visible=False)
    return figure
