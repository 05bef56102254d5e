"""How many ReLU units die, and does leaky ReLU revive them?

Networks for digits (64-64-64-10, He's initializer) train for five epochs by Adam in batches of 64. A hidden unit is
dead if its output is zero on every training row: no gradient reaches its weights (Maas et al. 2013). Dead units are
counted by learning rate, with initial biases of 0, and by initial bias, at a learning rate of 0.003. Then two kinds of
damaged networks, those of rate 0.1 and those with biases from -2, train at 0.003 for ten more epochs, either with ReLU
as before or with leaky ReLU (slope 0.01), which has a gradient everywhere: how many of their dead units come back?
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, INK, LOOK, panel

SIZES = (64, 64, 64, 10)
ACTIVATION: Any = jaxmlp.relu
REMEDIES = {"ReLU": jaxmlp.relu, "leaky ReLU": jaxmlp.leaky_relu}
RATES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)  # rate 0: counted without training
BIASES = (-3.0, -2.0, -1.0, 0.0, 1.0)
CALM = 0.003
DAMAGED = {"rate 0.1": (0.1, 0.0), "biases from -2": (CALM, -2.0)}
BATCH_SIZE = 64


def run(seeds=20, rates=RATES, biases=BIASES, epochs=5, later_epochs=10):
    data = jaxmlp.load("digits")
    trials = [{"learning_rate": rate, "bias": 0.0} for rate in rates]
    trials += [{"learning_rate": CALM, "bias": bias} for bias in biases if bias != 0]
    options = {"epochs": epochs, "batch_size": BATCH_SIZE, "progress": False}
    study = jaxmlp.train_many(recipe, data, seeds=seeds, trials=trials, **options)
    table = study.table()
    table["dead"] = [share_of_dead(ACTIVATION, study.params(trial), data.train.inputs) for trial in table.index]
    unbiased = table[table["bias"] == 0]
    by_rate = unbiased.pivot(index="seed", columns="learning_rate", values="dead")
    by_bias = table[table["learning_rate"] == CALM].pivot(index="seed", columns="bias", values="dead")
    later = {name: remedies(study, table, case, data, later_epochs) for name, case in DAMAGED.items()}
    numbers = {
        "dead units by learning rate, mean [%]": by_rate.mean().round(2).to_dict(),
        "dead units by initial bias, mean [%]": by_bias.mean().round(2).to_dict(),
        "come back [%] and test accuracy after further training, mean": {
            f"{name}, {remedy}": np.mean(values, axis=0).round(4)
            for name, by in later.items()
            for remedy, values in by.items()
        },
    }
    return Finding(judge(by_rate, by_bias, later), numbers, draw(by_rate, by_bias, later))


def recipe(learning_rate, bias):
    return jaxmlp.classifier(SIZES, optimizer=jaxmlp.adam(learning_rate), activation=ACTIVATION, bias=bias)


def judge(by_rate, by_bias, later):
    fast, low = max(by_rate), min(by_bias)
    stay = f"a large learning rate kills units: {fast:g} leaves more dead than {CALM:g}, by at least 10 points"
    bias = f"negative initial biases kill units: {low:g} leaves more dead than 0, by at least 10 points"
    judged = [
        verdicts.greater(stay, by_rate[fast], by_rate[CALM], by=10, unit=" points"),
        verdicts.greater(bias, by_bias[low], by_bias[0.0], by=10, unit=" points"),
    ]
    for name, by in later.items():
        share = {remedy: values[:, 0] for remedy, values in by.items()}
        dead, alive = f"{name}: with ReLU at most 5 % come back", f"{name}: leaky ReLU revives at least half"
        judged.append(verdicts.mean(dead, share["ReLU"], at_most=5, unit=" %"))
        judged.append(verdicts.mean(alive, share["leaky ReLU"], at_least=50, unit=" %"))
    by = later["biases from -2"]
    learns = "biases from -2: the revived network learns and the dead one does not (test accuracy, by at least 0.5)"
    return [*judged, verdicts.greater(learns, by["leaky ReLU"][:, 1], by["ReLU"][:, 1], by=0.5)]


@partial(jax.jit, static_argnums=0)
def share_of_dead(activation, params, inputs):
    """The share of hidden units that are dead, in percent."""
    dead = jaxmlp.diagnostics.dead_units(params, inputs, activation)
    return 100 * jnp.mean(jnp.concatenate(dead).astype(inputs.dtype))


def remedies(study, table, case, data, epochs):
    """For each remedy, (seeds, 2): dead units that come back in further training (%), and the test accuracy."""
    rate, bias = case
    trials = table.index[np.isclose(table["learning_rate"], rate) & (table["bias"] == bias)]
    networks = [study.params(trial) for trial in trials]
    return {
        name: np.array([after(one, function, data, epochs) for one in networks]) for name, function in REMEDIES.items()
    }


def after(params, activation, data, epochs):
    silent = speechless(params, data.train.inputs, ACTIVATION)
    params = train(params, activation, data.train, epochs)
    speaking = ~speechless(params, data.train.inputs, activation)
    accuracy = jaxmlp.accuracy(jaxmlp.apply(params, data.test.inputs, activation), data.test.targets)
    return 100 * (silent & speaking).sum() / max(silent.sum(), 1), float(accuracy)


def speechless(params, inputs, activation):
    """Hidden units without a positive weighted sum on any row; with ReLU these are dead."""
    hidden = jaxmlp.diagnostics.pre_activations(params, inputs, activation)[:-1]
    return np.concatenate([np.all(np.asarray(sums) <= 0, axis=0) for sums in hidden])


def train(params, activation, batch, epochs):
    optimizer = jaxmlp.adam(CALM)
    learner = jaxmlp.classifier(SIZES, optimizer=optimizer, activation=activation)
    train_step = jaxmlp.make_train_step(learner.loss, optimizer)
    state = jaxmlp.init_state(params, optimizer, jax.random.key(0))
    batch = jax.tree.map(np.asarray, batch)
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(batch.inputs))
        for rows in np.array_split(order, len(order) // BATCH_SIZE):
            rows = rows[:BATCH_SIZE]
            state, _ = train_step(state, jaxmlp.Batch(batch.inputs[rows], batch.targets[rows]))
    return state.params


def draw(by_rate, by_bias, later):
    note = f"A dot for each of {len(by_rate)} seeds; bars are means."
    share = "dead hidden units, %"
    with plt.rc_context(LOOK):
        rate, axis = panel("Dead units by learning rate", note)
        draw_columns(axis, by_rate, range(by_rate.shape[1]), COLORS[0])
        axis.set_xticks(range(by_rate.shape[1]), [f"{rate:g}" for rate in by_rate])
        axis.set(xlabel="learning rate of Adam (initial bias 0)", ylabel=share, ylim=(-2, 102))
        bias, axis = panel("Dead units by initial bias", note)
        draw_columns(axis, by_bias, range(by_bias.shape[1]), COLORS[1])
        axis.set_xticks(range(by_bias.shape[1]), [f"{bias:g}".replace("-", "\N{MINUS SIGN}") for bias in by_bias])
        axis.set(xlabel=f"initial bias (learning rate {CALM:g})", ylabel=share, ylim=(-2, 102))
        return {"dead_units_rate": rate, "dead_units_bias": bias, "dead_units_revived": draw_revived(later, note)}


def draw_revived(later, note):
    figure, axis = panel("Dead units that come back", note)
    for place, (remedy, color, marker) in enumerate(zip(REMEDIES, (INK, COLORS[2]), "os", strict=True)):
        columns = {name: by[remedy][:, 0] for name, by in later.items()}
        draw_columns(axis, columns, [place, place + 2.5], color, line="", marker=marker)
        axis.plot([], [], marker, color=color, label=f"with {remedy}")
    axis.legend(loc="upper left")
    axis.set_xticks([0.5, 3], [name.replace("-", "\N{MINUS SIGN}") for name in later])
    axis.set(xlabel="cause of death", ylabel="dead units that come back, %", xlim=(-0.6, 4.1), ylim=(-2, 102))
    return figure


def draw_columns(axis, columns, places, color, line="-", marker="o"):
    """A dot for each seed; bars are means, joined by a line if there is one."""
    names = list(columns)
    means = [np.mean(columns[name]) for name in names]
    for place, name, mean in zip(places, names, means, strict=True):
        axis.plot([place] * len(columns[name]), columns[name], marker, color=color, alpha=0.25, markersize=5)
        axis.plot([place - 0.25, place + 0.25], [mean, mean], color=color, linewidth=2)
    axis.plot(places, means, linestyle=line, color=color, linewidth=1.5)
