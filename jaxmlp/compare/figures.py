"""The figures of a comparison: each answers one question in one panel, readable on a phone.

An optimizer has the same color and line style in all of them.
"""

from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxmlp import statistics
from jaxmlp.compare.comparison import Comparison
from jaxmlp.compare.escape import for_figure
from jaxmlp.compare.observations import scores
from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.style import INK, STYLE, line_looks
from jaxmlp.compare.summary import costs, ranked, tuning_curve

_SIZE = (5.4, 4.0)


def draw_figures(comparison: Comparison) -> dict[tuple[str, str], tuple[Figure, str]]:
    """The figures by (problem's name, figure's name), each with its caption; the problem is "" for those over all."""
    made = {}
    draws = (_ranking, _loss_curves, _metric_curves, _sensitivity, _targets)
    with matplotlib.rc_context(STYLE):
        for problem in comparison.problems:
            for draw in draws if comparison.of(problem) else ():
                figure = Figure(figsize=_SIZE)
                caption = draw(figure.subplots(), comparison, problem)
                if caption:
                    made[problem.name, draw.__name__.lstrip("_")] = figure, caption
        if len(comparison.problems) > 1:
            figure = Figure(figsize=_SIZE)
            made["", "profile"] = figure, _profile(figure.subplots(), comparison)
    return made


def _of_each(comparison: Comparison, problem: Problem) -> Iterator[tuple[Outcome, dict[str, Any]]]:
    """The outcomes of a problem, each with the label, color and style of its line."""
    looks = line_looks([one.name for one in comparison.contestants])
    for name, outcome in comparison.of(problem).items():
        yield outcome, {"label": for_figure(name), **looks[name]}


def _ranking(axes: Axes, comparison: Comparison, problem: Problem) -> str:
    """The mean score with its interval, over the runs themselves."""
    looks, names = line_looks([one.name for one in comparison.contestants]), ranked(comparison, problem)
    protocol = comparison.protocol
    every = [scores(protocol, comparison.of(problem)[name]) for name in names]
    for place, (name, observed) in enumerate(zip(names, every, strict=True)):
        mean, color = statistics.mean(observed), looks[name]["color"]
        shift = np.linspace(-0.22, 0.22, len(observed)) if len(observed) > 1 else np.zeros(1)
        axes.plot(observed, place + shift, ".", color=color, alpha=0.35, markersize=5)
        ends = [[mean.estimate - mean.low], [mean.high - mean.estimate]]
        axes.errorbar(mean.estimate, place, xerr=ends, fmt="o", color=color, markersize=6, capsize=4, linewidth=2)
    axes.set_yticks(range(len(names)), [for_figure(name) for name in names])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    values = np.concatenate(every)
    if not problem.in_percent and values.min() > 0 and values.max() > 30 * values.min():
        axes.set_xscale("log")
    axes.set_xlabel(for_figure(f"test {problem.label}"))
    return f"The mean with its 95 % interval; small dots are the {protocol.unit}s."


def _loss_curves(axes: Axes, comparison: Comparison, problem: Problem) -> str:
    """Loss against epochs."""
    return _curves(axes, comparison, problem, "validation_loss", f"{problem.curves_on} loss", log=True)


def _metric_curves(axes: Axes, comparison: Comparison, problem: Problem) -> str | None:
    """The metric against epochs, with the target."""
    if problem.metric == "loss":
        return None
    name = f"validation_{problem.metric}"
    caption = _curves(axes, comparison, problem, name, f"{problem.curves_on} {problem.label}")
    axes.axhline(problem.target, color=INK, linewidth=1, alpha=0.6)
    low = min(outcome.curves[name].min().min() for outcome in comparison.of(problem).values())
    if low < -1.0:  # a regression that starts far off would flatten everything else
        axes.set_ylim(bottom=-1.0)
    return f"{caption} The thin line is the target, {problem.target:g}."


def _curves(axes: Axes, comparison: Comparison, problem: Problem, name: str, ylabel: str, log: bool = False) -> str:
    for outcome, look in _of_each(comparison, problem):
        values = outcome.curves[name].to_numpy(float)
        alive = np.isfinite(values).any(axis=0)
        low, middle, high = np.nanquantile(values[:, alive], (0.1, 0.5, 0.9), axis=0)
        epochs = np.flatnonzero(alive) + 1
        axes.plot(epochs, middle, linewidth=1.8, **look)
        axes.fill_between(epochs, low, high, color=look["color"], alpha=0.13, linewidth=0)
    if log and all((outcome.curves[name].min().min() or 0) > 0 for outcome in comparison.of(problem).values()):
        axes.set_yscale("log")
    axes.set(xlabel="epoch", ylabel=for_figure(ylabel))
    _legend(axes)
    return f"Median of {comparison.protocol.runs} runs; the band contains 10 % to 90 % of them."


def _sensitivity(axes: Axes, comparison: Comparison, problem: Problem) -> str | None:
    """What tuning saw: the score on validation data against the learning rate."""
    drawn = 0
    sign = 1.0 if problem.tuned_mode == "max" else -1.0
    for outcome, look in _of_each(comparison, problem):
        curve = (tuning_curve(problem, outcome) * sign).replace([np.inf, -np.inf], np.nan)
        line: dict[str, Any] = look | ({"linestyle": "none"} if comparison.protocol.search == "random" else {})
        if len(curve):
            axes.plot(curve.index, curve, marker="o", markersize=3.5, linewidth=1.4, **line)
            drawn += 1
    if not drawn:
        return None
    axes.set_xscale("log")
    if problem.tuned_on == "loss":
        axes.set_yscale("log")
    axes.set(xlabel="learning rate", ylabel=for_figure(f"validation {problem.tuned_on} in tuning"))
    _legend(axes)
    return "How the learning rates were chosen: medians over runs. A gap is a rate at which most diverged."


def _targets(axes: Axes, comparison: Comparison, problem: Problem) -> str:
    """The share of runs that have reached the target, against epochs."""
    last = 1.0
    for outcome, look in _of_each(comparison, problem):
        times = np.sort(outcome.fresh["time"].to_numpy(float))
        times = times[np.isfinite(times)]
        last = problem.epochs if len(times) < len(outcome.fresh) else max(last, times[-1])
        shares = np.arange(len(times) + 1) / len(outcome.fresh)
        steps = np.concatenate([[0], times, [problem.epochs]])
        axes.step(steps, np.concatenate([shares, shares[-1:]]), where="post", linewidth=1.8, **look)
    axes.set(xlabel="epoch", ylabel="share of runs at the target")
    axes.set(ylim=(-0.03, 1.03), xlim=(0, min(1.3 * last, problem.epochs)))
    _legend(axes)
    return f"When runs reach {problem.label} {problem.target:g} on {problem.curves_on} rows; the rest missed it."


def _profile(axes: Axes, comparison: Comparison) -> str:
    """The performance profiles of Dolan and Moré."""
    found = statistics.performance_profile(costs(comparison))
    looks = line_looks([one.name for one in comparison.contestants])
    for shares, (name, look) in zip(np.asarray(found.shares).T, looks.items(), strict=True):
        axes.step(found.taus, shares, where="post", label=for_figure(name), linewidth=1.8, **look)
    axes.set(xlabel="multiple of the fastest optimizer's epochs to the target", ylabel="share of problems")
    axes.set_ylim(-0.03, 1.03)
    _legend(axes)
    return "On which share of the problems an optimizer needs at most so many times the epochs of the fastest one."


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    columns = 2 if max(map(len, labels)) > 14 else 3 if len(labels) < 7 else 4
    axes.figure.legend(handles, labels, loc="outside upper left", ncols=columns, fontsize=9, handlelength=2.2)
