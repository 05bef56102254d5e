"""Does dropout reduce overfitting, and is it an ensemble?

The course: in training each hidden unit is off at random (usually half of them), so that none is relied on too much;
this works like an ensemble of slightly different networks; in testing all units work. Networks 64-128-10 learn digits
from 100, 300 and 1,000 rows by Adam for 100 epochs, at four dropout rates with the same seeds. The gap is the loss on
test rows minus the loss on training rows, both with all units.

At rate 0.5 and 300 rows, 100 masks make an ensemble of thinned networks. The mean of their probabilities is compared
with one of them, and with the network with all units (activations are scaled in training). If dropout acts only below
the last layer, that network is exactly their normalized geometric mean (Baldi & Sadowski 2013), which is more confident
than the arithmetic mean.

Co-adaptation is measured by the correlation of two hidden units after the activation, over the test rows: its mean
absolute value over all pairs.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, LOOK, STYLES, legend_above, panel

RATES = (0.0, 0.25, 0.5, 0.75)
USUAL = 0.5
LEARNING_RATE = 3e-3
MASKS = (1, 3, 10, 30, 100)


def run(seeds=20, epochs=100, rows=(100, 300, 1000), hidden=128):
    data = jaxmlp.load("digits")
    measured = {size: train_and_measure(first(data, size), seeds, epochs, hidden) for size in rows}
    middle = measured[rows[len(rows) // 2]]
    ensemble = {name: np.asarray(values) for name, values in against_masks(middle["params"], data.test).items()}
    tables = {size: {name: found[name] for name in ("gap", "test", "correlation")} for size, found in measured.items()}
    return Finding(
        verdicts=[*judged_overfitting(tables), *judged_ensemble(ensemble), judged_correlation(middle)],
        numbers={
            "rates": RATES,
            "means by rows": {size: {k: v.mean(axis=1) for k, v in table.items()} for size, table in tables.items()},
            "ensemble": {name: values.mean(axis=0) for name, values in ensemble.items()},
        },
        figures=draw(tables, ensemble),
    )


def judged_overfitting(tables):
    without, usual = RATES.index(0.0), RATES.index(USUAL)
    words = {"gap": "the gap between test and training loss is smaller", "test": "the test loss is lower"}
    return [
        verdicts.greater(
            f"{size} rows: with dropout {USUAL} {claim}", table[name][without], table[name][usual], unit=" nats"
        )
        for name, claim in words.items()
        for size, table in tables.items()
    ]


def judged_ensemble(found):
    return [
        verdicts.greater(
            f"the mean of {MASKS[-1]} thinned networks beats one of them (test loss)",
            found["loss by masks"][:, 0],
            found["loss by masks"][:, -1],
            unit=" nats",
        ),
        verdicts.mean(
            f"the network with all units predicts the class that the mean of {MASKS[-1]} predicts (share of test rows)",
            found["agreement"],
            at_least=0.98,
        ),
        verdicts.greater(
            "the network with all units is better than that mean (test loss)",
            found["loss by masks"][:, -1],
            found["loss of all units"],
            unit=" nats",
        ),
        verdicts.mean(
            "the network with all units equals their geometric mean (relative difference of test losses)",
            np.abs(found["loss of all units"] / found["loss of the geometric mean"] - 1),
            at_most=0.05,
        ),
    ]


def judged_correlation(found):
    without, usual = RATES.index(0.0), RATES.index(USUAL)
    claim = f"hidden units are less correlated with dropout {USUAL}"
    return verdicts.greater(claim, found["correlation"][without], found["correlation"][usual])


def first(data, rows):
    """The data with its first training rows only; rows are shuffled already."""
    return data._replace(train=jax.tree.map(lambda array: array[:rows], data.train))


def train_and_measure(data, seeds, epochs, hidden):
    """Losses and correlations (rates, seeds) with all units on, and the parameters of each seed at the usual rate."""

    def recipe(dropout_rate):
        optimizer = jaxmlp.adam(LEARNING_RATE)
        return jaxmlp.classifier((64, hidden, 10), optimizer=optimizer, dropout_rate=dropout_rate)

    settings = {"epochs": epochs, "batch_size": 50, "progress": False, "dropout_rate": list(RATES)}
    study = jaxmlp.train_many(recipe, data, seeds=seeds, **settings)
    rates = study.table()["dropout_rate"]

    def measure(params):
        train, test = loss(params, data.train), loss(params, data.test)
        return {"gap": test - train, "test": test, "correlation": correlation(params, data.test.inputs)}

    measured = jax.jit(lambda params: jax.lax.map(measure, params))(study.params())
    trials = [np.flatnonzero(np.isclose(rates, rate)) for rate in RATES]
    by_rate = {name: np.stack([np.asarray(values)[one] for one in trials]) for name, values in measured.items()}
    return {**by_rate, "params": study.params(rates.index[np.isclose(rates, USUAL)].tolist())}


def loss(params, batch):
    return jaxmlp.cross_entropy(jaxmlp.apply(params, batch.inputs), batch.targets)


def correlation(params, inputs):
    """The mean |correlation| over pairs of hidden units, without units that are never active."""
    units = jaxmlp.relu(jaxmlp.apply(params[:1], inputs))
    units -= units.mean(axis=0, keepdims=True)
    norms = jnp.linalg.norm(units, axis=0, keepdims=True)
    alive = norms[0] > 1e-6
    units /= jnp.where(norms > 1e-6, norms, 1.0)
    pairs = alive[:, None] & alive[None] & ~jnp.eye(len(alive), dtype=bool)
    return jnp.mean(jnp.abs(units.T @ units), where=pairs)


def against_masks(params, batch):
    """Compares ensembles of thinned networks with the network with all units, for each seed."""

    def compare(params):
        whole = jaxmlp.apply(params, batch.inputs)

        def thinned(key):
            return jax.nn.log_softmax(jaxmlp.apply(params, batch.inputs, dropout_rate=USUAL, key=key))

        logs = jax.vmap(thinned)(jax.random.split(jax.random.key(1), MASKS[-1]))
        means = jnp.cumsum(jnp.exp(logs), axis=0)
        means = jnp.stack([means[count - 1] / count for count in MASKS])
        return {
            "loss by masks": jax.vmap(lambda mean: jaxmlp.cross_entropy(jnp.log(mean + 1e-9), batch.targets))(means),
            "loss of all units": jaxmlp.cross_entropy(whole, batch.targets),
            "loss of the geometric mean": jaxmlp.cross_entropy(logs.mean(axis=0), batch.targets),
            "agreement": jnp.mean(means[-1].argmax(axis=1) == whole.argmax(axis=1)),
        }

    return jax.jit(lambda params: jax.lax.map(compare, params))(params)


def draw(tables, ensemble):
    """The gap by rate and rows; the test loss of ensembles; the correlation by rate and rows."""
    note = f"Means of {len(ensemble['loss of all units'])} seeds with 95 % intervals."
    gap = "test \N{MINUS SIGN} training loss, nats"
    with plt.rc_context(LOOK):
        return {
            "dropout_gap": by_rate(tables, "gap", "Gap between test and training loss", gap, note),
            "dropout_ensemble": draw_ensemble(ensemble, note),
            "dropout_correlation": by_rate(
                tables, "correlation", "Correlation of hidden units", "mean |correlation|", note
            ),
        }


def by_rate(tables, name, title, quantity, note):
    figure, axes = panel(title, note)
    for place, (size, table) in enumerate(tables.items()):
        style = {"color": COLORS[place], "linestyle": STYLES[place], "marker": "os^"[place]}
        low, mean, high = np.transpose([verdicts.mean_interval(row) for row in table[name]])
        axes.errorbar(RATES, mean, (mean - low, high - mean), capsize=3, label=f"{size:,} rows", **style)
    axes.set(xlabel="dropout rate", ylabel=quantity, xticks=RATES)
    if name == "gap":
        axes.set(ylim=(0, None))
    legend_above(axes, columns=3)
    return figure


def draw_ensemble(ensemble, note):
    figure, axes = panel("Test loss of averaged networks", note)
    low, mean, high = np.transpose([verdicts.mean_interval(column) for column in ensemble["loss by masks"].T])
    axes.errorbar(MASKS, mean, (mean - low, high - mean), color=COLORS[0], marker="o", capsize=3)
    axes.text(MASKS[1], mean[1], "   mean of thinned networks", color=COLORS[0], va="bottom")
    low, whole, high = verdicts.mean_interval(ensemble["loss of all units"])
    axes.axhline(whole, color=COLORS[1], linestyle="--")
    axes.axhspan(low, high, color=COLORS[1], alpha=0.15, linewidth=0)
    axes.annotate("all units, scaled", (MASKS[0], low), (0, -3), textcoords="offset points", color=COLORS[1], va="top")
    axes.set(xscale="log", xlabel="thinned networks averaged", ylabel="test loss, nats", ylim=(0, None))
    return figure
