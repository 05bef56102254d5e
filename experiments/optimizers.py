"""Which optimizer is better on this data set, and how sure is that?

    python -m experiments.optimizers --data digits --optimizers gd,momentum,adagrad,rmsprop,adam --seeds 10

The rules, fixed before the run: every optimizer gets the same network, the same grid of learning rates and the same
tuning seeds; its learning rate is the one with the lowest mean validation loss; then it runs with fresh seeds, which
took no part in the choice, and only these are scored on the test data, once. Each run keeps its best epoch on
validation data.
"""

import argparse
import functools
import json
import platform
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from scipy import stats

import jaxmlp
from experiments.figures import learning_curves

OPTIMIZERS = (
    *("gd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta"),
    *("adam", "nadam", "adamw", "amsgrad", "radam", "adamax", "lion"),
)
FIRST_TUNING_SEED = 1_000_000
TARGETS = {"accuracy": 0.95, "r2": 0.4}


def parse(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.optimizers", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--data", default="digits", help="a name that jaxmlp.load knows, or a CSV file (default: digits)"
    )
    parser.add_argument("--folder", help="where the IDX files of mnist and fashion_mnist are")
    parser.add_argument("--optimizers", default="gd,momentum,adagrad,rmsprop,adam", help=", ".join(OPTIMIZERS))
    parser.add_argument("--seeds", type=int, default=10, help="fresh seeds for the comparison (default: 10)")
    parser.add_argument("--tuning-seeds", type=int, default=2, help="seeds for each learning rate (default: 2)")
    parser.add_argument("--rates", type=int, default=11, help="learning rates, from 1e-4 to 10 (default: 11)")
    parser.add_argument("--epochs", type=int, default=30, help="epochs of each run (default: 30)")
    parser.add_argument("--batch-size", type=int, help="rows a step (default: 64, or all where there are fewer)")
    parser.add_argument("--hidden", default="128", help="widths of the hidden layers (default: 128)")
    parser.add_argument("--target", type=float, help="validation accuracy (default 0.95) or R2 (default 0.4) to reach")
    parser.add_argument("--out", type=Path, help="where results go (default: results/optimizers-DATA)")
    options = parser.parse_args(arguments)
    options.optimizers = options.optimizers.split(",")
    unknown = [name for name in options.optimizers if name not in OPTIMIZERS]
    if unknown:
        parser.error(f"--optimizers must be of {', '.join(OPTIMIZERS)}, got {', '.join(unknown)}")
    for name in ("seeds", "tuning_seeds", "rates"):
        if getattr(options, name) < 2:
            parser.error(f"--{name.replace('_', '-')} must be at least 2, got {getattr(options, name)}")
    options.out = options.out or Path("results") / f"optimizers-{Path(options.data).stem}"
    return options


def main(arguments=None):
    """Runs the comparison, shows the table, and writes figure and raw results."""
    options = parse(arguments)
    jaxmlp.use_cpu_devices()
    console = Console()
    try:
        data = jaxmlp.load(options.data, **({"folder": options.folder} if options.folder else {}))
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(str(error)) from None
    metric = "accuracy" if jnp.issubdtype(data.train.targets.dtype, jnp.integer) else "r2"
    target = TARGETS[metric] if options.target is None else options.target
    rates = np.logspace(-4, 1, options.rates)
    describe(console, options, data)
    columns = TextColumn("{task.description:>10}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn()
    with Progress(*columns, console=console) as bar:
        results = [compare(name, data, metric, rates, options, bar) for name in options.optimizers]
    summary = pd.DataFrame([summarise(result, metric, target) for result in results])
    show(console, summary, metric, target, options)
    write(options, results, summary, metric, target)
    console.print(f"\nFigure, table and raw results are in [bold]{options.out}[/bold].")


def recipe_of(name, data, hidden, metric):
    """A recipe: from a learning rate to a learner with this optimizer."""
    inputs = data.train.inputs.shape[1]
    outputs = int(data.train.targets.max()) + 1 if metric == "accuracy" else data.train.targets.shape[1]
    sizes = (inputs, *(int(width) for width in hidden.split(",")), outputs)
    make_learner = jaxmlp.classifier if metric == "accuracy" else jaxmlp.regressor

    def recipe(learning_rate):
        return make_learner(sizes, optimizer=getattr(jaxmlp, name)(learning_rate))

    return recipe


def compare(name, data, metric, rates, options, bar):
    """Tunes one optimizer's learning rate, then runs it with fresh seeds."""
    train = functools.partial(
        jaxmlp.train_many,
        recipe_of(name, data, options.hidden, metric),
        data,
        epochs=options.epochs,
        batch_size=options.batch_size,
        patience=options.epochs,
        progress=False,
    )
    task = bar.add_task(name, total=len(rates) * options.tuning_seeds + options.seeds, text="compiling")

    def follow(stage, before):
        return lambda now: bar.update(task, completed=before + now.done, text=f"{stage} {now.done}/{now.trials}")

    began = time.perf_counter()
    tuning_seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + options.tuning_seeds)
    tuning = train(seeds=list(tuning_seeds), learning_rate=rates, callback=follow("tuning", 0))
    table = tuning.table()
    # A diverged run counts as the worst there is: its rate must not win by the seeds that survived.
    losses = table["validation_loss"].where(table["status"] != "diverged", np.inf)
    scores = pd.Series(
        {rate: losses[table["learning_rate"] == rate].mean() for rate in table["learning_rate"].unique()}
    )
    middle = time.perf_counter()
    fresh = train(seeds=options.seeds, learning_rate=[scores.idxmin()], callback=follow("fresh seeds", len(table)))
    seconds = time.perf_counter() - middle
    bar.update(task, text=f"{time.perf_counter() - began:.1f} s")
    return {"name": name, "scores": scores, "tuning": table, "fresh": fresh, "seconds": seconds / options.seeds}


def summarise(result, metric, target):
    """One optimizer in numbers."""
    table, history = result["fresh"].table(), result["fresh"].history(f"validation_{metric}")
    scores = table[f"test_{metric}"]
    reached = (history >= target).to_numpy()
    epochs = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, np.inf)
    mean, half_width = interval(scores)
    rates = result["scores"].index
    return {
        "optimizer": result["name"],
        "learning_rate": result["scores"].idxmin(),
        "rate_at_the_edge": result["scores"].idxmin() in (rates.min(), rates.max()),
        f"test_{metric}": mean,
        "half_width_95": half_width,
        "epochs_to_target": float(np.median(epochs)),
        "reached_target": int(reached.any(axis=1).sum()),
        "diverged": int((table["status"] == "diverged").sum()),
        "seconds_a_run": result["seconds"],
    }


def interval(values):
    """Mean and half the width of its 95 % interval, by Student's t."""
    values = np.asarray(values, float)
    return float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def describe(console, options, data):
    """What is going to happen, before it does."""
    rows = " / ".join(f"{len(split.targets):,}" for split in data)
    console.print(
        f"[bold]{options.data}[/bold]: {rows} rows to train, validate and test; hidden layers {options.hidden}; "
        f"{options.epochs} epochs. {options.rates} learning rates from 1e-4 to 10, {options.tuning_seeds} tuning seeds "
        f"each; then {options.seeds} fresh seeds."
    )


def show(console, summary, metric, target, options):
    """The table on the screen, best first."""
    label = "accuracy" if metric == "accuracy" else "R²"
    table = Table(title=f"{options.data}: test {label}, {options.seeds} fresh seeds", title_justify="left")
    for heading in ("optimizer", "learning rate", f"test {label} (95 % interval)", f"epochs to {target:g}", "s a run"):
        table.add_column(heading, justify="left" if heading == "optimizer" else "right")
    for row in summary.sort_values(f"test_{metric}", ascending=False).to_dict("records"):
        edge = "*" if row["rate_at_the_edge"] else " "
        misses = options.seeds - row["reached_target"]
        epochs = f"{row['epochs_to_target']:g}" if np.isfinite(row["epochs_to_target"]) else "not reached"
        table.add_row(
            row["optimizer"],
            f"{row['learning_rate']:.2g}{edge}",
            f"{row[f'test_{metric}']:.4f} ± {row['half_width_95']:.4f}",
            epochs + (f" ({misses} missed)" if 0 < misses < options.seeds else ""),
            f"{row['seconds_a_run']:.3f}",
        )
    console.print(table)
    if summary["rate_at_the_edge"].any():
        console.print(
            "* the best learning rate lies at the edge of the grid: a wider grid may serve this optimizer better."
        )
    if summary["diverged"].any():
        console.print(
            f"{summary['diverged'].sum()} of the fresh runs diverged; they count with what they had learned until then."
        )
    console.print(f"Epochs to {target:g} are the median over seeds, on validation data.")


def write(options, results, summary, metric, target):
    """Figure (PNG and SVG), summary, every trial, every learning curve, and what was run on what."""
    options.out.mkdir(parents=True, exist_ok=True)
    summary.to_csv(options.out / "summary.csv", index=False)
    trials = [
        table.assign(optimizer=result["name"], stage=stage)
        for result in results
        for stage, table in (("tuning", result["tuning"]), ("fresh", result["fresh"].table()))
    ]
    pd.concat(trials).to_csv(options.out / "trials.csv", index=False)
    curves = {result["name"]: result["fresh"].history("validation_loss") for result in results}
    pd.concat(curves, names=["optimizer"]).to_csv(options.out / "validation_loss.csv")
    figure = learning_curves(
        curves, {result["name"]: result["scores"] for result in results}, options.data, options.seeds
    )
    for ending in ("png", "svg"):
        figure.savefig(options.out / f"learning_curves.{ending}", dpi=160)
    protocol = {name: str(value) for name, value in vars(options).items()} | {"metric": metric, "target": target}
    versions = {"jaxmlp": jaxmlp.__version__, "jax": jax.__version__, "python": platform.python_version()}
    machine = {
        "devices": [str(device) for device in jax.devices()],
        "system": f"{platform.system()} {platform.machine()}",
    }
    (options.out / "protocol.json").write_text(json.dumps(protocol | versions | machine, indent=1) + "\n")


if __name__ == "__main__":
    main()
