"""The figures of a comparison: one question each, one panel each, so that they stay readable on a phone.

Every optimizer keeps its colour and line style through all of them.
"""

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from experiments.figures import COLOURS, LOOK, STYLES
from experiments.optimizers.summary import costs, ranked, tuning_curve
from jaxmlp import statistics

# Text, axes and the black line: a colour of its own, so that the report can turn it with its theme.
INK = "#1c1e21"
SIZE = (5.4, 4.0)
OURS = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
STYLE = LOOK | OURS | {"grid.color": INK, "grid.alpha": 0.12, "svg.hashsalt": "jaxmlp"}


def looks(comparison):
    """A dict from an optimizer to the colour and style of its lines."""
    colours = [INK if colour == "#000000" else colour for colour in COLOURS]
    return {
        contestant.name: {"color": colours[place % len(colours)], "linestyle": STYLES[place % len(STYLES)]}
        for place, contestant in enumerate(comparison.contestants)
    }


def figures(comparison):
    """A dict from (problem's name, figure's name) to (figure, caption); the problem is empty for those over all."""
    made = {}
    with matplotlib.rc_context(STYLE):
        for problem in comparison.problems:
            for draw in (ranking, loss_curves, metric_curves, sensitivity, targets) if comparison.of(problem) else ():
                figure = Figure(figsize=SIZE)
                caption = draw(figure.subplots(), comparison, problem)
                if caption:
                    made[problem.name, draw.__name__] = figure, caption
        if len(comparison.problems) > 1:
            figure = Figure(figsize=SIZE)
            made["", "profile"] = figure, profile(figure.subplots(), comparison)
    return made


def ranking(axes, comparison, problem):
    """The mean score with its interval, over the runs themselves."""
    found, look = comparison.of(problem), looks(comparison)
    names = ranked(comparison, problem)
    for place, name in enumerate(names):
        scores = found[name].fresh["score"].to_numpy(float)
        mean = statistics.mean(scores)
        colour = look[name]["color"]
        shift = np.linspace(-0.22, 0.22, len(scores)) if len(scores) > 1 else np.zeros(1)
        axes.plot(scores, place + shift, ".", color=colour, alpha=0.35, markersize=5)
        axes.errorbar(
            mean.estimate,
            place,
            xerr=[[mean.estimate - mean.low], [mean.high - mean.estimate]],
            fmt="o",
            color=colour,
            markersize=6,
            capsize=4,
            linewidth=2,
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    values = np.concatenate([found[name].fresh["score"] for name in names])
    if problem.metric != "accuracy" and values.min() > 0 and values.max() > 30 * values.min():
        axes.set_xscale("log")
    axes.set_xlabel(f"test {problem.label}")
    return "The mean with its 95 % interval; small dots are the runs."


def loss_curves(axes, comparison, problem):
    """Loss against epochs."""
    return _curves(axes, comparison, problem, "validation_loss", f"{problem.curves_on} loss", log=True)


def metric_curves(axes, comparison, problem):
    """The metric against epochs, with the target."""
    if problem.metric == "loss":
        return None
    caption = _curves(axes, comparison, problem, f"validation_{problem.metric}", f"{problem.curves_on} {problem.label}")
    axes.axhline(problem.target, color=INK, linewidth=1, alpha=0.6)
    low = min(outcome.curves[f"validation_{problem.metric}"].min().min() for outcome in comparison.of(problem).values())
    if low < -1.0:  # a regression that starts far off would flatten all that matters
        axes.set_ylim(bottom=-1.0)
    return f"{caption} The thin line is the target, {problem.target:g}."


def _curves(axes, comparison, problem, name, ylabel, log=False):
    for contestant, outcome in comparison.of(problem).items():
        look = looks(comparison)[contestant]
        values = outcome.curves[name].to_numpy(float)
        alive = np.isfinite(values).any(axis=0)
        low, middle, high = np.nanquantile(values[:, alive], (0.1, 0.5, 0.9), axis=0)
        epochs = np.flatnonzero(alive) + 1
        axes.plot(epochs, middle, label=contestant, linewidth=1.8, **look)
        axes.fill_between(epochs, low, high, color=look["color"], alpha=0.13, linewidth=0)
    if log and all((outcome.curves[name].min().min() or 0) > 0 for outcome in comparison.of(problem).values()):
        axes.set_yscale("log")
    axes.set(xlabel="epoch", ylabel=ylabel)
    _legend(axes)
    return f"Median of {comparison.protocol.runs} runs; the band is from 10 % to 90 % of them."


def sensitivity(axes, comparison, problem):
    """What tuning saw: the score on validation data against the learning rate."""
    drawn = 0
    sign = 1.0 if problem.tuned_mode == "max" else -1.0
    for contestant, outcome in comparison.of(problem).items():
        curve = (tuning_curve(problem, outcome) * sign).replace([np.inf, -np.inf], np.nan)
        look = looks(comparison)[contestant]
        if comparison.protocol.search == "random":
            look = look | {"linestyle": "none"}
        if len(curve):
            axes.plot(curve.index, curve, marker="o", markersize=3.5, linewidth=1.4, label=contestant, **look)
            drawn += 1
    if not drawn:
        return None
    axes.set_xscale("log")
    if problem.tuned_on == "loss":
        axes.set_yscale("log")
    axes.set(xlabel="learning rate", ylabel=f"validation {problem.tuned_on} in tuning")
    _legend(axes)
    return "Where the learning rates come from: means over tuning seeds. A gap is a rate at which a run diverged."


def targets(axes, comparison, problem):
    """The share of runs that have reached the target, against epochs."""
    last = 1.0
    for contestant, outcome in comparison.of(problem).items():
        times = np.sort(outcome.fresh["time"].to_numpy(float))
        times = times[np.isfinite(times)]
        last = problem.epochs if len(times) < len(outcome.fresh) else max(last, times[-1])
        shares = np.arange(len(times) + 1) / len(outcome.fresh)
        axes.step(
            np.concatenate([[0], times, [problem.epochs]]),
            np.concatenate([shares, shares[-1:]]),
            where="post",
            label=contestant,
            linewidth=1.8,
            **looks(comparison)[contestant],
        )
    axes.set(
        xlabel="epoch",
        ylabel="share of runs at the target",
        ylim=(-0.03, 1.03),
        xlim=(0, min(1.3 * last, problem.epochs)),
    )
    _legend(axes)
    return f"How soon runs reach {problem.label} {problem.target:g} on {problem.curves_on} rows; the rest missed it."


def profile(axes, comparison):
    """Dolan and Moré's performance profiles."""
    found = statistics.performance_profile(costs(comparison))
    for column, contestant in enumerate(comparison.contestants):
        shares = np.asarray(found.shares)[:, column]
        axes.step(
            found.taus, shares, where="post", label=contestant.name, linewidth=1.8, **looks(comparison)[contestant.name]
        )
    axes.set(
        xlabel="times the fastest optimizer's epochs to the target", ylabel="share of problems", ylim=(-0.03, 1.03)
    )
    _legend(axes)
    return "On which share of the problems an optimizer is within so many times the fastest one's epochs."


def _legend(axes):
    handles, labels = axes.get_legend_handles_labels()
    columns = 2 if max(map(len, labels)) > 14 else 3 if len(labels) < 7 else 4
    axes.figure.legend(handles, labels, loc="outside upper left", ncols=columns, fontsize=9, handlelength=2.2)
