"""Which gates and which data can a perceptron learn with its one line?

One layer and a step function (Rosenblatt 1958), trained by the perceptron criterion one example at a time, learns the
gates AND, OR and XOR; a diagnosis (breast cancer, 30 features); and two moons in the plane, where it is compared with a
network with a hidden layer. Each seed has its own initial weights and order of the examples, and for the data its own
split too. The course: the perceptron learns what one straight line can divide, and nothing else (Minsky & Papert 1969).
"""

from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, INK, LOOK, panel, panels

GATES = ("and", "or", "xor")
HIDDEN = 16
START = jax.nn.initializers.normal(1.0)


def run(seeds=30, gate_epochs=100, data_epochs=30):
    layers, solved = learn_gates(seeds, gate_epochs)
    scores = learn_data(seeds, data_epochs)
    accuracies = {name.replace("\n", " "): np.round(values, 4) for name, values in scores.items()}
    return Finding(
        judge_gates(solved) + judge_data(*scores.values()),
        {"seeds_solved": {gate: int(won.sum()) for gate, won in solved.items()}, "test_accuracy": accuracies},
        draw(layers, solved, scores),
    )


def learn_gates(seeds, epochs):
    """By gate: the perceptrons of all seeds, and whether each had all four examples right after any epoch."""
    runs = {gate: train(perceptron(2), [jaxmlp.load(gate)] * seeds, epochs, 1)[0] for gate in GATES}
    solved = {gate: np.any(result.history["validation_accuracy"] == 1, axis=1) for gate, result in runs.items()}
    return {gate: result.params[0] for gate, result in runs.items()}, solved


def learn_data(seeds, epochs):
    """Test accuracies (seeds,) by data set and model."""
    diagnosis, moons = ([jaxmlp.load(name, seed=seed) for seed in range(seeds)] for name in ("breast_cancer", "moons"))
    return {
        "breast cancer,\nperceptron": train(perceptron(30), diagnosis, epochs, 1)[1],
        "moons,\nperceptron": train(perceptron(2), moons, epochs, 1)[1],
        "moons,\nhidden layer": train(network(2), moons, epochs, 10)[1],
    }


def perceptron(inputs):
    # The bias starts at 0.5 and moves by whole steps, so that no line passes exactly through an example of a gate.
    settings = {"weight_init": START, "bias": 0.5, "loss": jaxmlp.perceptron}
    return jaxmlp.classifier((inputs, 1), optimizer=jaxmlp.gd(1.0), **settings)


def network(inputs):
    return jaxmlp.classifier((inputs, HIDDEN, 1), optimizer=jaxmlp.adam(0.01))


def train(learner, datasets, epochs, batch_size):
    """One run per data set, which keeps its best epoch on validation data: (results, test accuracies)."""
    data = jax.tree.map(lambda *leaves: jnp.stack(leaves), *datasets)
    return train_all(learner, jax.vmap(jax.random.key)(jnp.arange(len(datasets))), data, epochs, batch_size)


@partial(jax.jit, static_argnames=("epochs", "batch_size"))
def train_all(learner, keys, data, epochs, batch_size):
    def one(key, data):
        settings = {"patience": epochs, "monitor": "accuracy", "mode": "max"}
        result = jaxmlp.fit(key, learner, data, epochs=epochs, batch_size=batch_size, **settings)
        return result, learner.evaluate(result.params, data.test)["accuracy"]

    return jax.vmap(one)(keys, data)


def judge_gates(solved):
    return [
        verdicts.share("a perceptron learns AND", solved["and"], at_least=0.85),
        verdicts.share("a perceptron learns OR", solved["or"], at_least=0.85),
        verdicts.share("a perceptron never learns XOR, at any epoch", solved["xor"], at_most=0.15),
    ]


def judge_data(diagnosis, moons, moons_network):
    better = "on moons a hidden layer beats one line by at least 5 points"
    return [
        verdicts.mean(
            "one line diagnoses at least 95 % of new patients correctly", 100 * diagnosis, at_least=95, unit=" %"
        ),
        verdicts.greater(better, 100 * moons_network, 100 * moons, by=5, unit=" points"),
    ]


def draw(layers, solved, scores):
    seeds = len(next(iter(scores.values())))
    with plt.rc_context(LOOK):
        note = f"The line of each of {seeds} seeds; above, how many are right about all four examples."
        gates, every = panels("Lines of perceptrons for three gates", note, 2.3, 1, len(GATES), sharey=True)
        for axis, gate in zip(every[0], GATES, strict=True):
            draw_gate(axis, gate, layers[gate], solved[gate])
        every[0, 0].set_ylabel("$x_2$")
        figure, axis = panel("Accuracy on new data", f"A dot for each of {seeds} seeds; bars are means.")
        for place, (values, marker) in enumerate(zip(scores.values(), "osD", strict=True)):
            shift = np.linspace(-0.18, 0.18, len(values))
            axis.plot(place + shift, 100 * values, marker, color=COLORS[place], markersize=3.5, alpha=0.7)
            axis.plot([place - 0.3, place + 0.3], [100 * values.mean()] * 2, color=INK, linewidth=2)
        axis.set_xticks(range(len(scores)), list(scores))
        axis.set_yticks(range(80, 101, 5))
        axis.set(ylabel="test accuracy, %", xlim=(-0.5, len(scores) - 0.5))
    return {"perceptron_gates": gates, "perceptron": figure}


def draw_gate(axis, gate, layer, solved):
    """The four examples with their outputs, and the line w·x + b = 0 of every seed."""
    data = jaxmlp.load(gate).train
    x = np.array([-0.6, 1.6])
    for w, b in zip(np.asarray(layer["w"])[..., 0], np.asarray(layer["b"])[:, 0], strict=True):
        axis.plot(x, -(b + w[0] * x) / w[1], color="0.45", linewidth=0.7, alpha=0.6, zorder=1)
    for point, label in zip(np.asarray(data.inputs), np.asarray(data.targets), strict=True):
        axis.scatter(*point, s=110, marker="os"[label], color=COLORS[label], edgecolor="white", zorder=2)
        axis.text(*point, f"{label}", color="white", weight="bold", size=9, ha="center", va="center_baseline", zorder=3)
    axis.set(xlim=x, ylim=x, xticks=(0, 1), yticks=(0, 1), xlabel="$x_1$", aspect="equal")
    axis.set_title(f"{gate.upper()}: {int(solved.sum())} of {solved.size}", fontsize=10.5)
    axis.grid(visible=False)
