"""Do gradients vanish in deep networks, and is the sigmoid to blame?

Networks for digits have 2 to 30 hidden layers of 64 units. Before training, the gradient of the cross-entropy with
respect to the weights of each layer is measured on 256 rows. Weights are drawn by Glorot's initializer, and for each
activation by the one made for it: He's for ReLU, Glorot's for tanh, and for sigmoid "4 Glorot": Glorot's with weights
four times as large, because the slope of a sigmoid is at most 1/4 (Glorot & Bengio 2010; He et al. 2015).

Then networks of ten hidden layers are trained by SGD in batches of 128 for eight epochs, each kind at the best of its
learning rates. Finally, ReLU and sigmoid are timed: alone on a million numbers, and within a training step.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, INK, LOOK, MARKERS, STYLES, legend_above, panel

WIDTH = 64
DEPTHS = (2, 10, 20, 30)
DEEP = 10
RATES = (0.03, 0.1, 0.3, 1.0)
SCALE = 1e12  # multiplies the loss so that gradients do not underflow
FOURFOLD = jax.nn.initializers.variance_scaling(16.0, "fan_avg", "truncated_normal")
SIGMOID = "sigmoid, Glorot"
KINDS = {
    SIGMOID: (jaxmlp.sigmoid, "glorot_normal"),
    "ReLU, Glorot": (jaxmlp.relu, "glorot_normal"),
    "tanh, Glorot": (jaxmlp.tanh, "glorot_normal"),
    "ReLU, He": (jaxmlp.relu, "he_normal"),
    "sigmoid, 4 Glorot": (jaxmlp.sigmoid, FOURFOLD),
}
FOUR = "4\N{NO-BREAK SPACE}Glorot: weights four times as large."


def run(seeds=20, epochs=8, depths=DEPTHS, deep=DEEP, rates=RATES):
    data = jaxmlp.load("digits")
    measured = {(name, depth): gradients(name, depth, data.train, seeds) for name in KINDS for depth in {*depths, deep}}
    curves = {(name, deep): learning(name, deep, data, seeds, epochs, rates) for name in KINDS}
    curves[SIGMOID, 1] = learning(SIGMOID, 1, data, seeds, epochs, rates)
    times = timings(data.train, rounds=seeds)
    numbers = {
        "gradient norm of the first hidden layer over the last, decades, mean": {
            f"{name}, {depth} hidden layers": decades(values).mean() for (name, depth), values in measured.items()
        },
        "validation accuracy by epoch, mean": {
            f"{name}, {depth} hidden layers": values.mean(axis=0).round(4) for (name, depth), values in curves.items()
        },
        "microseconds, median": {f"{name}, {place}": np.median(values) for (place, name), values in times.items()},
    }
    drawn = draw(measured, curves, sorted(depths), deep)
    return Finding(judge(measured, curves, deep), numbers, drawn, judge_times(times))


def judge(norms, curves, deep):
    reach = {name: decades(norms[name, deep]) for name in KINDS}
    final = {case: values[:, -1] for case, values in curves.items()}
    tenth = f"with {deep} hidden layers the first gets at least a tenth of the gradient of the last"
    unit = " decades"
    return [
        verdicts.mean(
            f"sigmoid: with {deep} hidden layers the first gets less than a thousandth of the gradient of the last",
            reach[SIGMOID],
            at_most=-3,
            unit=unit,
        ),
        *(verdicts.mean(f"{name}: {tenth}", reach[name], at_least=-1, unit=unit) for name in list(KINDS)[2:]),
        verdicts.greater(
            f"with {deep} hidden layers ReLU learns and sigmoid does not (validation accuracy, by at least 0.5)",
            final["ReLU, He", deep],
            final[SIGMOID, deep],
            by=0.5,
        ),
        verdicts.mean(
            "the depth is to blame: sigmoid with one hidden layer learns (validation accuracy)",
            final[SIGMOID, 1],
            at_least=0.8,
        ),
        verdicts.greater(
            f"with 4 Glorot, {deep} layers of sigmoid learn as well as ReLU (validation accuracy, within 0.1)",
            final["sigmoid, 4 Glorot", deep],
            final["ReLU, He", deep],
            by=-0.1,
        ),
    ]


def judge_times(times):
    ratios = {place: times[place, "sigmoid"] / times[place, "ReLU"] for place in ("alone", "step")}
    return [
        verdicts.mean(
            "ReLU is cheap: sigmoid alone takes at least 1.5 times as long as ReLU alone",
            ratios["alone"],
            at_least=1.5,
            samples="rounds",
        ),
        verdicts.mean(
            "a training step with sigmoid takes at least 1.05 times as long as one with ReLU",
            ratios["step"],
            at_least=1.05,
            samples="rounds",
        ),
    ]


def sizes(depth):
    return (64, *[WIDTH] * depth, 10)


def gradients(name, depth, batch, seeds):
    """The gradient norms of the hidden layers, (seeds, depth)."""
    activation, weight_init = KINDS[name]
    batch = jax.tree.map(lambda array: array[:256], batch)
    networks = (jaxmlp.init(jax.random.key(seed), sizes(depth), weight_init) for seed in range(seeds))
    return np.array([norms(activation, params, batch) for params in networks], float)[:, :-1] / SCALE


@partial(jax.jit, static_argnums=0)
def norms(activation, params, batch):
    def loss(params, batch, key):
        return SCALE * jaxmlp.cross_entropy(jaxmlp.apply(params, batch.inputs, activation), batch.targets)

    return jaxmlp.diagnostics.layer_gradient_norms(loss, params, batch)


def decades(norms):
    """The gradient norm of the first hidden layer over that of the last, in powers of ten."""
    return np.log10(norms[:, 0] / norms[:, -1])


def learning(name, depth, data, seeds, epochs, rates):
    """Validation accuracy (seeds, epochs) at the learning rate with the best mean after the last epoch."""
    curves = np.array([[train(name, depth, data, seed, epochs, rate) for seed in range(seeds)] for rate in rates])
    return curves[curves[:, :, -1].mean(axis=1).argmax()]


def train(name, depth, data, seed, epochs, rate, rows=128):
    activation, weight_init = KINDS[name]
    optimizer = jaxmlp.sgd(rate)
    learner = jaxmlp.classifier(sizes(depth), optimizer=optimizer, activation=activation)
    train_step = jaxmlp.make_train_step(learner.loss, optimizer)
    params = jaxmlp.init(jax.random.key(seed), sizes(depth), weight_init)
    state = jaxmlp.init_state(params, optimizer, jax.random.key(0))
    accuracies = []
    for epoch in range(epochs):
        order = np.random.default_rng((seed, epoch)).permutation(len(data.train.inputs))
        for start in range(0, len(order) - rows + 1, rows):
            batch = jax.tree.map(
                lambda array, chosen=order[start : start + rows]: np.asarray(array)[chosen], data.train
            )
            state, _ = train_step(state, batch)
        accuracies.append(float(accuracy(activation, state.params, data.validation)))
    return accuracies


@partial(jax.jit, static_argnums=0)
def accuracy(activation, params, batch):
    return jaxmlp.accuracy(jaxmlp.apply(params, batch.inputs, activation), batch.targets)


def timings(batch, rounds, tries=5):
    """Microseconds of each call, (rounds,), in turns; each the shortest of some tries, as other programs interfere."""
    numbers = jax.random.normal(jax.random.key(0), (1000, 1000))
    batch = jax.tree.map(lambda array: array[:64], batch)
    calls = {}
    for name, activation in {"ReLU": jaxmlp.relu, "sigmoid": jaxmlp.sigmoid}.items():
        calls["alone", name] = repeated(activation, numbers)
        calls["step", name] = stepper(activation, batch)
    [call() for call in calls.values()]  # the first call compiles
    turns = [[{case: microseconds(call) for case, call in calls.items()} for _ in range(tries)] for _ in range(rounds)]
    return {case: np.array([min(turn[case] for turn in turn_of) for turn_of in turns]) for case in calls}


def repeated(function, numbers):
    """Fifty evaluations. A sum is fused with each, so that writing to memory is not part of the time."""
    total = jax.jit(lambda numbers: jnp.sum(function(numbers)))
    return lambda: [total(numbers).block_until_ready() for _ in range(50)]


def stepper(activation, batch):
    """Fifty training steps."""
    optimizer = jaxmlp.sgd(0.1)
    learner = jaxmlp.classifier((64, 128, 10), optimizer=optimizer, activation=activation)
    train_step = jaxmlp.make_train_step(learner.loss, optimizer)
    params = learner.init(jax.random.key(0))

    def steps():
        state = jaxmlp.init_state(params, optimizer, jax.random.key(0))
        for _ in range(50):
            state, _ = train_step(state, batch)
        return state.params

    return steps


def microseconds(call):
    began = time.perf_counter()
    jax.block_until_ready(call())
    return 1e6 * (time.perf_counter() - began) / 50


def draw(norms, curves, depths, deep):
    seeds = len(curves[SIGMOID, 1])
    note = f"Lines: means of {seeds} seeds; bands: 10 % to 90 %. {FOUR}"
    with plt.rc_context(LOOK):
        layers, left = panel(f"Gradients of {depths[-1]} layers before training", note, height=3.6)
        first, middle = panel("What reaches the first layer", note, height=3.6)
        training, right = panel(f"Accuracy with {deep} hidden layers", note, height=3.6)
        for place, name in enumerate(KINDS):
            style = {"color": COLORS[place], "linestyle": STYLES[place], "linewidth": 1.8, "label": name}
            style |= {"marker": MARKERS[place], "markersize": 4.5}
            deepest = norms[name, depths[-1]]
            band(left, range(1, deepest.shape[1] + 1), np.log10(deepest), power=True, **style)
            ratios = np.transpose([decades(norms[name, depth]) for depth in depths])
            band(middle, depths, ratios, power=True, **style)
            curve = 100 * curves[name, deep]
            band(right, range(1, curve.shape[1] + 1), curve, **style)
        shallow = 100 * curves[SIGMOID, 1]
        style = {"color": INK, "linestyle": (0, (5, 1)), "linewidth": 1.4, "label": f"{SIGMOID}, 1 layer"}
        band(right, range(1, shallow.shape[1] + 1), shallow, **style)
        left.set(xlabel="hidden layer", ylabel="norm of its gradient", yscale="log")
        middle.set(xlabel="number of hidden layers", ylabel="gradient norm,\nfirst over last layer", yscale="log")
        right.set(xlabel="epoch", ylabel="validation accuracy, %", ylim=(0, 100))
        for axis in (left, middle, right):
            legend_above(axis)
    return {"vanishing_layers": layers, "vanishing_first": first, "vanishing": training}


def band(axis, x, values, power=False, **style):
    """The mean of values (seeds, x) and a band from 10 % to 90 % of the seeds; of powers of ten, if they are."""
    low, high = np.quantile(values, (0.1, 0.9), axis=0)
    middle = values.mean(axis=0)
    low, middle, high = (10**edge for edge in (low, middle, high)) if power else (low, middle, high)
    axis.plot(x, middle, **style)
    axis.fill_between(x, low, high, color=style["color"], alpha=0.2, linewidth=0)
