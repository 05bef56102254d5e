"""How wide must one hidden layer be to approximate a function?

A network 1-width-1 of ReLU units learns four functions on [-1, 1] from 256 points: a slow wave sin(pi x), a fast wave
sin(6 pi x), a kink |x|, and a jump from -1 to 1. Weights that exist need not be found by training, so there are two
ways: random kinks, one in each of `width` intervals, with the output weights solved by least squares; and all weights
trained by Adam with a cosine schedule, 1,600 steps. There are 20 seeds; errors are measured on points in between. The
course: one hidden layer approximates nearly every continuous function if it is wide enough (Cybenko 1989, Hornik 1991),
though it may have to be absurdly wide.
"""

from functools import cache

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import BAND, COLORS, LOOK, STYLES, legend_above, panel

WIDTHS = (2, 4, 8, 16, 32, 64, 128)
FUNCTIONS = {
    "slow wave": lambda x: np.sin(np.pi * x),
    "fast wave": lambda x: np.sin(6 * np.pi * x),
    "kink": np.abs,
    "jump": lambda x: np.where(x > 0, 1.0, -1.0),
}
POINTS, BATCH = 256, 64
PLACES = np.linspace(-1, 1, 500, dtype=np.float32)  # at which the figure shows what networks make of the fast wave
LEARNING_RATE = 0.02


def run(seeds=20, epochs=400, widths=WIDTHS):
    recipes = {f"{width}": recipe((1, width, 1), epochs * POINTS // BATCH) for width in widths}
    grids = {"function": range(len(FUNCTIONS)), "rate": [LEARNING_RATE]}
    settings = {"seeds": seeds, "epochs": epochs, "batch_size": BATCH, "progress": False}
    data = curves(FUNCTIONS)
    study = jaxmlp.train_many(recipes, data, **grids, **settings)
    trained = {key: np.sqrt(squares) for key, squares in by_name(study, "loss", list(FUNCTIONS)).items()}
    solved = {str(width): np.array([solve(seed, width, data) for seed in range(seeds)]) for width in widths}
    solved = {(name, width): e[:, i] for width, e in solved.items() for i, name in enumerate(FUNCTIONS)}
    jump = by_name(study, "worst", list(FUNCTIONS))["jump", str(widths[-1])]
    medians = {
        way: {" of width ".join(key): np.median(values) for key, values in errors.items()}
        for way, errors in (("solved", solved), ("trained", trained))
    }
    return Finding(
        judge(solved, trained, jump, [str(width) for width in widths]),
        {"median_rms_error": medians},
        draw(fits(study, [width for width in (4, 16, 128) if width in widths]), solved, trained, widths),
    )


def solve(seed, width, data):
    """Errors (functions,) of random hidden units whose output weights are solved by least squares."""
    rng = np.random.default_rng(seed)
    kinks = 2 * (np.arange(width) + rng.uniform(0, 1, (1, width))) / width - 1  # one in each of `width` intervals
    signs = rng.choice((-1, 1), (1, width))

    def units(x):
        return np.concatenate([np.maximum(signs * (x - kinks), 0), np.ones_like(x)], axis=1)

    w = np.linalg.lstsq(units(np.asarray(data.train.inputs)), np.asarray(data.train.targets))[0]
    return np.sqrt(np.mean((units(np.asarray(data.test.inputs)) @ w - data.test.targets) ** 2, axis=0))


def curves(functions):
    """The functions as columns of the targets; validation and test points lie between the training points."""
    x = np.linspace(-1, 1, POINTS, dtype=np.float32)
    between = (x[1:] + x[:-1]) / 2
    train, validation, test = (
        jaxmlp.Batch(points[:, None], np.stack([f(points) for f in functions.values()], 1).astype(np.float32))
        for points in (x, between, between)
    )
    return jaxmlp.Data(train, validation, test)


@cache
def recipe(sizes, steps):
    """The function to learn is given by a number, so that all of them train in one compiled program."""

    def make(function, rate):
        return jaxmlp.Learner(
            init=lambda key: spread(jaxmlp.init(key, sizes), key),
            loss=lambda params, batch, key: jaxmlp.mse(*predict(params, batch, function)),
            evaluate=Partial(evaluate, function),
            optimizer=jaxmlp.adam(jaxmlp.cosine_decay_schedule(rate, steps)),
        )

    return make


def spread(params, key):
    """Biases that place the kinks of the first layer anywhere in [-1, 1]; with zero biases all kinks are at 0."""
    kinks = jax.random.uniform(jax.random.fold_in(key, 1), params[0]["b"].shape, minval=-1.0, maxval=1.0)
    return [{"w": params[0]["w"], "b": -params[0]["w"][0] * kinks}, *params[1:]]


def predict(params, batch, function):
    targets = jnp.take(batch.targets, jnp.asarray(function, jnp.int32), axis=1)
    return jaxmlp.apply(params, batch.inputs)[:, 0], targets


def evaluate(function, params, batch):
    outputs, targets = predict(params, batch, function)
    return {"loss": jaxmlp.mse(outputs, targets), "worst": jnp.max(jnp.abs(outputs - targets))}


def by_name(study, metric, names):
    """A test metric (seeds,) by function and recipe."""
    table = study.table()
    return {
        (names[int(function)], recipe): part[f"test_{metric}"].to_numpy()
        for (function, recipe), part in table.groupby(["function", "recipe"])
    }


def judge(solved, trained, jump, widths):
    continuous = [name for name in FUNCTIONS if name != "jump"]
    narrow, wide = widths[1], widths[-1]
    exists, found = (np.max([way[name, wide] for name in continuous], axis=0) for way in (solved, trained))
    gain = trained["slow wave", narrow] / trained["slow wave", wide]
    fast, slow = solved["fast wave", "8"], solved["slow wave", "8"]
    return [
        verdicts.mean(
            f"{wide} units are enough for each continuous function (error at most 0.05)", exists, at_most=0.05
        ),
        verdicts.mean(f"training finds such weights of {wide} units for each of them", found, at_most=0.05),
        verdicts.mean(
            f"trained on the slow wave, {narrow} units err at least ten times as much as {wide}", gain, at_least=10
        ),
        verdicts.greater("8 units err more on the fast wave than on the slow one, by at least 0.3", fast, slow, by=0.3),
        verdicts.mean(f"at a jump {wide} trained units still err by at least 0.5", jump, at_least=0.5),
    ]


def draw(fitted, solved, trained, widths):
    with plt.rc_context(LOOK):
        return {
            "approximation_solved": draw_errors(solved, widths, "Error, output weights solved"),
            "approximation_trained": draw_errors(trained, widths, "Error, all weights trained"),
            "approximation_wave": draw_fits(fitted),
        }


def draw_errors(errors, widths, title):
    figure, axis = panel(title, BAND.format(len(next(iter(errors.values())))), height=3.5)
    for name, color, style, marker in zip(FUNCTIONS, COLORS, STYLES, "osD^", strict=False):
        quantiles = [np.quantile(errors[name, str(width)], (0.1, 0.5, 0.9)) for width in widths]
        low, middle, high = np.maximum(np.array(quantiles).T, 1e-5)
        axis.plot(widths, middle, color=color, linestyle=style, marker=marker, linewidth=2, label=name)
        axis.fill_between(widths, low, high, color=color, alpha=0.15, linewidth=0)
    axis.set(xscale="log", yscale="log", xlabel="hidden units", ylabel="root mean squared error", ylim=(1e-4, 1.2))
    axis.set_xticks(widths, [str(width) for width in widths])
    axis.minorticks_off()
    legend_above(axis)
    return figure


def fits(study, widths):
    """What the networks of the first seed make of the fast wave, by width."""
    found = {}
    for width in widths:
        trial = study.table().query(f"recipe == '{width}' and function == 1").index[0]
        found[width] = np.asarray(jaxmlp.apply(study.params(trial), jnp.asarray(PLACES)[:, None])[:, 0])
    return found


def draw_fits(fitted):
    figure, axis = panel("The fast wave, all weights trained", "The outputs of three networks of one seed.")
    axis.plot(PLACES, FUNCTIONS["fast wave"](PLACES), color="0.75", linewidth=4, label="fast wave")
    for (width, outputs), color, style in zip(fitted.items(), COLORS[1:], STYLES[::-1], strict=False):
        axis.plot(PLACES, outputs, color=color, linestyle=style, linewidth=1.8, label=f"{width} units")
    axis.set(xlabel="input x", ylabel="output", ylim=(-1.15, 1.85), xticks=(-1, -0.5, 0, 0.5, 1))
    axis.legend(ncols=2, loc="upper center", handlelength=1.8)
    return figure
