"""How does the error reach every weight, and is it the gradient?

Backpropagation is written out by hand in NumPy: the error signals dL/dz of the outputs; from them those of each earlier
layer, signal = (signal of the next layer @ w.T) * activation'(z); and the gradient of a weight as its input times the
signal of its unit, summed over the examples. The result is compared with `jax.grad` on random networks (sizes 3-8-8-4),
for each activation and loss; each seed has its own weights and data. The course: every neuron gets its share of the
error from the layer after it, and the larger the input that passed through a weight, the larger its share (Rumelhart,
Hinton & Williams 1986).
"""

import itertools
import operator
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import INK, NO_GRID, panel

SIZES = (3, 8, 8, 4)
ROWS = 16
# Activations with their derivatives, and the derivatives of losses with respect to the outputs, by school calculus.
ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
}
LOSSES = {
    "mse": lambda outputs, targets: 2 * (outputs - targets) / outputs.size,
    "cross_entropy": lambda outputs, targets: (softmax(outputs) - targets) / len(outputs),
}
# The network in the figure: two inputs, two hidden layers of three units, one output, one example.
SHOWN, SHOWN_KEY = (2, 3, 3, 1), 5
EXAMPLE = jaxmlp.Batch(jnp.array([[1.0, 0.25]]), jnp.array([[1.0]]))


def run(seeds=30):
    errors = compare(seeds)
    signals, gradients, shares = (np.array([found[key] for found in errors.values()]) for key in range(3))
    return Finding(
        [
            verdicts.equal(
                "error signals by hand equal the derivatives of the loss (relative)", signals.max(0), within=1e-5
            ),
            verdicts.equal(
                "input times signal equals the gradient by jax.grad for every weight (relative)",
                gradients.max(0),
                within=1e-5,
            ),
            verdicts.share(
                "the larger the input, the larger its weight's share of a unit's gradient", shares.all(0), at_least=0.85
            ),
        ],
        {
            "worst_relative_error_of_signals": {case: found[0].max() for case, found in errors.items()},
            "worst_relative_error_of_gradients": {case: found[1].max() for case, found in errors.items()},
        },
        {"backpropagation": draw()},
    )


def compare(seeds):
    """By case and seed: the largest relative errors of signals and gradients; does the largest input have its share?"""
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    params, batches, answers = jax.device_get(jax.jit(jax.vmap(differentiate))(keys))
    return {
        f"{activation} and {loss}": np.array(
            [
                compare_one(
                    *(jax.tree.map(operator.itemgetter(seed), tree) for tree in (params, batches, answer)), *case
                )
                for seed in range(seeds)
            ]
        ).T
        for case, answer in answers.items()
        for activation, loss in [case]
    }


def compare_one(params, batch, answer, activation, loss):
    signals, grads, first_grads = answer
    own_signals, own_grads = by_hand(params, batch, activation, loss)
    largest = np.abs(batch.inputs[0]).argmax()
    has_share = np.abs(first_grads)[largest] == np.abs(first_grads).max(axis=0)  # 0 == 0 for units without a signal
    return difference(own_signals, signals), difference(own_grads, grads), has_share.all()


def differentiate(key):
    """A network, a batch, and by case JAX's signals, weight gradients, and those of the first example alone."""
    keys = jax.random.split(key, 3)
    params = jaxmlp.init(keys[0], SIZES, bias=0.1)
    targets = jax.nn.softmax(jax.random.normal(keys[2], (ROWS, SIZES[-1])))
    batch = jaxmlp.Batch(jax.random.normal(keys[1], (ROWS, SIZES[0])), targets)
    first = jax.tree.map(lambda rows: rows[:1], batch)
    answers = {}
    for activation, loss in itertools.product(ACTIVATIONS, LOSSES):
        loss_fn = getattr(jaxmlp, loss)
        gradient = jax.grad(partial(loss_of, activation, loss_fn))
        signals = jaxmlp.diagnostics.error_signals(params, batch, loss_fn, activation)
        answers[activation, loss] = signals, weights(gradient(params, batch)), weights(gradient(params, first))[0]
    return params, batch, answers


def loss_of(activation, loss_fn, params, batch):
    return loss_fn(jaxmlp.apply(params, batch.inputs, activation), batch.targets)


def weights(params):
    return [layer["w"] for layer in params]


def by_hand(params, batch, activation, loss):
    """Error signals and weight gradients of every layer, in NumPy."""
    layers = [{name: np.asarray(array, float) for name, array in layer.items()} for layer in params]
    function, derivative = ACTIVATIONS[activation]
    inputs, sums = [np.asarray(batch.inputs, float)], []
    for layer in layers:  # forward
        sums.append(inputs[-1] @ layer["w"] + layer["b"][None])
        inputs.append(function(sums[-1]))
    signals = [LOSSES[loss](sums[-1], np.asarray(batch.targets, float))]
    for layer, z in zip(layers[:0:-1], sums[-2::-1], strict=True):  # from the last layer back to the first
        signals.insert(0, (signals[0] @ layer["w"].T) * derivative(z))
    return signals, [h.T @ signal for h, signal in zip(inputs, signals, strict=False)]


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def difference(found, wanted):
    errors = [np.max(np.abs(a - b)) / np.max(np.abs(b)) for a, b in zip(found, map(np.asarray, wanted), strict=True)]
    return float(max(errors))


def draw():
    """The error of one example in a small network: units colored by signal, lines as thick as the gradients."""
    params = jaxmlp.init(jax.random.key(SHOWN_KEY), SHOWN, bias=0.2)
    signals, gradients = by_hand(params, EXAMPLE, "tanh", "mse")
    inputs = jnp.asarray(EXAMPLE.inputs)
    sums = jaxmlp.diagnostics.pre_activations(params, inputs, "tanh")
    values = [inputs, *(jaxmlp.tanh(z) for z in sums[:-1]), sums[-1]]
    spots = [[(place, row - (width - 1) / 2) for row in range(width)] for place, width in enumerate(SHOWN)]
    note = (
        "On a line: the gradient of its weight, which is its input times the signal of its unit. In a unit: its "
        "output, and below it its error signal, which flows from right to left."
    )
    with plt.rc_context(NO_GRID):
        figure, axis = panel("The error signals of one example", note, height=3.9)
        scale = max(np.abs(signal).max() for signal in signals)
        for place, gradient in enumerate(gradients):
            draw_weights(axis, spots[place], spots[place + 1], gradient, max(np.abs(g).max() for g in gradients))
        for place, layer in enumerate(values):
            signal = signals[place - 1][0] if place else None
            draw_units(axis, spots[place], np.asarray(layer)[0], signal, scale)
        bar = plt.cm.ScalarMappable(Normalize(-scale, scale), "RdBu_r")
        figure.colorbar(bar, ax=axis, label="error signal ∂L/∂z of a unit", orientation="horizontal", aspect=30, pad=0)
        axis.set(xlim=(-0.19, len(SHOWN) - 0.81), ylim=(-1.3, 1.3))
        axis.axis("off")
    return figure


def draw_weights(axis, lefts, rights, gradient, largest):
    for i, (x0, y0) in enumerate(lefts):
        for j, (x1, y1) in enumerate(rights):
            width = 0.5 + 5 * abs(gradient[i, j]) / largest
            axis.plot([x0, x1], [y0, y1], color="0.75", linewidth=width, solid_capstyle="round", zorder=1)
            box = {"boxstyle": "round,pad=0.04", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
            part = 0.6 if y0 == y1 else 0.71  # here the numbers of crossing lines do not overlap
            spot = x0 + part * (x1 - x0), y0 + part * (y1 - y0)
            axis.text(*spot, signed(gradient[i, j]), fontsize=8, ha="center", va="center", bbox=box, zorder=2)


def draw_units(axis, spots, values, signals, scale):
    for unit, spot in enumerate(spots):
        shade = "white" if signals is None else plt.get_cmap("RdBu_r")(0.5 + 0.5 * signals[unit] / scale)
        axis.scatter(*spot, s=950, color=[shade], edgecolor=INK, linewidth=1.2, zorder=3)
        dark = signals is not None and abs(signals[unit]) > 0.6 * scale
        text = signed(values[unit]) + ("" if signals is None else f"\n{signed(signals[unit])}")
        axis.text(*spot, text, ha="center", va="center", fontsize=8.5, color="white" if dark else INK, zorder=4)


def signed(number):
    """Two decimals, and a minus sign as on the axes of other figures."""
    return f"{number:.2f}".replace("-", "\N{MINUS SIGN}")
