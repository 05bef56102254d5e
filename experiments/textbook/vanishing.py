"""Do gradients vanish in deep networks, and is it the sigmoid's fault?

The gradients of the cross-entropy by the weights of networks for digits (2 to 30 hidden layers of 64 units, 256 rows)
are measured before training: with Glorot's initialiser, and for each activation with the one that is made for it: He's
for ReLU, Glorot's for tanh, four times Glorot's for sigmoid, whose slope is at most 1/4 (Glorot & Bengio 2010; He et
al. 2015). Then networks of ten hidden layers are trained by SGD in batches of 128 for eight epochs, each kind at the
best of its learning rates. At last ReLU and sigmoid are timed: alone on a million numbers, and in a step of training.
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
from experiments.figures import COLOURS, LOOK, STYLES

WIDTH = 64
DEPTHS = (2, 10, 20, 30)
DEEP = 10
RATES = (0.03, 0.1, 0.3, 1.0)
SCALE = 1e12  # of the loss, so that gradients do not underflow
FOURFOLD = jax.nn.initializers.variance_scaling(16.0, "fan_avg", "truncated_normal")
SIGMOID = "sigmoid, Glorot"
KINDS = {
    SIGMOID: (jaxmlp.sigmoid, "glorot_normal"),
    "ReLU, Glorot": (jaxmlp.relu, "glorot_normal"),
    "tanh, Glorot": (jaxmlp.tanh, "glorot_normal"),
    "ReLU, He": (jaxmlp.relu, "he_normal"),
    "sigmoid, 4 Glorot": (jaxmlp.sigmoid, FOURFOLD),
}


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
    judged = [*judge(measured, curves, deep), *judge_times(times)]
    return Finding(judged, numbers, {"vanishing": figure(measured, curves, sorted(depths), deep)})


def judge(norms, curves, deep):
    reach = {name: decades(norms[name, deep]) for name in KINDS}
    final = {case: values[:, -1] for case, values in curves.items()}
    tenth = f"{deep} hidden layers leave the first a tenth of the last one's gradient or more"
    unit = " decades"
    return [
        verdicts.mean(
            f"sigmoid: {deep} hidden layers leave the first less than a thousandth of the last one's gradient",
            reach[SIGMOID],
            at_most=-3,
            unit=unit,
        ),
        *(verdicts.mean(f"{name}: {tenth}", reach[name], at_least=-1, unit=unit) for name in list(KINDS)[2:]),
        verdicts.greater(
            f"of {deep} hidden layers, ReLU learns where sigmoid does not (accuracy, by 50 points)",
            final["ReLU, He", deep],
            final[SIGMOID, deep],
            by=0.5,
        ),
        verdicts.mean(
            "depth is to blame: sigmoid with one hidden layer learns (accuracy)", final[SIGMOID, 1], at_least=0.8
        ),
        verdicts.greater(
            f"the initialiser made for it lets {deep} layers of sigmoid learn as ReLU does, within 10 points",
            final["sigmoid, 4 Glorot", deep],
            final["ReLU, He", deep],
            by=-0.1,
        ),
    ]


def judge_times(times):
    ratios = {place: times[place, "sigmoid"] / times[place, "ReLU"] for place in ("alone", "step")}
    return [
        verdicts.mean("ReLU is cheap: alone, sigmoid takes at least 1.5 times as long", ratios["alone"], at_least=1.5),
        verdicts.mean("in a training step, sigmoid takes at least 1.05 times as long", ratios["step"], at_least=1.05),
    ]


def sizes(depth):
    return (64, *[WIDTH] * depth, 10)


def gradients(name, depth, batch, seeds):
    """The gradient norms of all layers but the last, (seeds, depth)."""
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
    """The first hidden layer's gradient over the last one's, in powers of ten."""
    return np.log10(norms[:, 0] / norms[:, -1])


def learning(name, depth, data, seeds, epochs, rates):
    """Validation accuracy, seeds by epochs, at the rate that is best at the end on average."""
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
    """Microseconds of each call, (rounds,): in turns, the least of some tries, for other programs disturb."""
    numbers = jax.random.normal(jax.random.key(0), (1000, 1000))
    batch = jax.tree.map(lambda array: array[:64], batch)
    calls = {}
    for name, activation in {"ReLU": jaxmlp.relu, "sigmoid": jaxmlp.sigmoid}.items():
        calls["alone", name] = repeated(activation, numbers)
        calls["step", name] = stepper(activation, batch)
    [call() for call in calls.values()]  # compiles
    turns = [[{case: microseconds(call) for case, call in calls.items()} for _ in range(tries)] for _ in range(rounds)]
    return {case: np.array([min(turn[case] for turn in turn_of) for turn_of in turns]) for case in calls}


def repeated(function, numbers):
    """A call that does fifty; their sum is fused with it, so that the time is not that of writing to memory."""
    total = jax.jit(lambda numbers: jnp.sum(function(numbers)))
    return lambda: [total(numbers).block_until_ready() for _ in range(50)]


def stepper(activation, batch):
    """A call that does fifty steps."""
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


def figure(norms, curves, depths, deep):
    with plt.rc_context(LOOK):
        drawing, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.6))
        for place, name in enumerate(KINDS):
            style = {"color": COLOURS[place], "linestyle": STYLES[place], "linewidth": 2}
            style |= {"marker": "osD^v"[place], "markersize": 5}
            layers = np.exp(np.log(norms[name, depths[-1]]).mean(axis=0))
            left.plot(range(1, len(layers) + 1), layers, label=name, **style)
            middle.plot(depths, [10 ** decades(norms[name, depth]).mean() for depth in depths], **style)
            curve = 100 * curves[name, deep].mean(axis=0)
            right.plot(range(1, len(curve) + 1), curve, **style)
        shallow = 100 * curves[SIGMOID, 1].mean(axis=0)
        right.plot(range(1, len(shallow) + 1), shallow, color="grey", linewidth=1.2, label="sigmoid, 1 hidden layer")
        left.set(xlabel=f"hidden layer (of {depths[-1]})", ylabel="norm of its gradient", yscale="log")
        left.set_title("Before training, layer by layer", loc="left", fontsize=12)
        middle.set(xlabel="hidden layers", ylabel="first layer's gradient over the last's", yscale="log")
        middle.set_title("What reaches the first layer", loc="left", fontsize=12)
        right.set(xlabel="epoch", ylabel="validation accuracy [%]", ylim=(0, 100))
        right.set_title(f"Training {deep} hidden layers", loc="left", fontsize=12)
        right.legend(loc="center right", bbox_to_anchor=(1, 0.4))
        drawing.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(KINDS))
    return drawing
