"""The figures of a comparison: each answers the question in its title, readable by itself and on a phone.

An optimizer has the same look in all of them; `drawing` has what they share.
"""

import matplotlib
import numpy as np

from jaxmlp import statistics
from jaxmlp.compare.curves import draw_loss_curves, draw_metric_curves, draw_sensitivity
from jaxmlp.compare.drawing import Drawn, height_for, in_percent, label_lines, log_axis, new_figure, shortened
from jaxmlp.compare.escape import for_figure
from jaxmlp.compare.findings import Findings
from jaxmlp.compare.forest import draw_budget, draw_forest
from jaxmlp.compare.observations import scores
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.style import STYLE, looks_of
from jaxmlp.compare.summary import costs, ranked


def draw_figures(found: Findings) -> dict[tuple[str, str], Drawn]:
    """The figures by (problem's name, figure's name), answers first; the problem is "" for those over all."""
    made = {}
    draws = {
        "pairs": draw_forest,
        "ranking": draw_ranking,
        "metric_curves": draw_metric_curves,
        "loss_curves": draw_loss_curves,
        "sensitivity": draw_sensitivity,
        "targets": draw_targets,
        "budget": draw_budget,
    }
    with matplotlib.rc_context(STYLE):
        for problem in found.comparison.problems:
            for name, draw in draws.items() if found.comparison.of(problem) else ():
                drawn = draw(found, problem)
                if drawn:
                    made[problem.name, name] = drawn
        if len(found.comparison.problems) > 1:
            made["", "profile"] = draw_profile(found)
    return made


def draw_ranking(found: Findings, problem: Problem) -> Drawn:
    """The mean score with its interval, over the observations themselves."""
    comparison, protocol = found.comparison, found.comparison.protocol
    title, names = f"How good are they on {problem.name}?", ranked(comparison, problem)
    figure, looks = new_figure(title, 0.36 * len(names) + 0.8), looks_of(comparison.names)
    axes, percent = figure.subplots(), in_percent(problem, protocol)
    every = [scores(protocol, comparison.of(problem)[name]) * (100.0 if percent else 1.0) for name in names]
    for place, (name, observed) in enumerate(zip(names, every, strict=True)):
        mean, look = statistics.mean(observed), looks[name]
        low, high = np.clip([mean.low, mean.high], 0.0, 100.0) if percent else (mean.low, mean.high)
        shift = np.linspace(-0.25, 0.25, len(observed)) if len(observed) > 1 else np.zeros(1)
        axes.plot(observed, place + shift, ".", color=look["color"], alpha=0.35, markersize=5, markeredgewidth=0)
        ends = np.nan_to_num([[mean.estimate - low], [high - mean.estimate]])
        point = {"fmt": look["marker"], "color": look["color"], "markersize": 6, "capsize": 4, "linewidth": 2}
        axes.errorbar(mean.estimate, place, xerr=ends, **point)
    axes.set_yticks(range(len(names)), [shortened(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    values = np.concatenate(every)
    values = values[np.isfinite(values)]
    if not percent and len(values) and values.min() > 0 and values.max() > 30 * values.min():
        log_axis(axes.xaxis, values.min() / 1.2, values.max() * 1.2)
    label = f"test {problem.label}{', %' if percent else ''}"
    axes.set_xlabel("epochs to the target" if protocol.score == "time" else for_figure(label))
    return Drawn(figure, title, f"Means with 95 % intervals; small dots are {protocol.unit}s.")


def draw_targets(found: Findings, problem: Problem) -> Drawn:
    """The share of runs that have reached the target, against epochs."""
    comparison = found.comparison
    outcomes, looks = comparison.of(problem), looks_of(comparison.names)
    title = f"When do runs reach {problem.label} {problem.goal} on {problem.name}?"
    figure = new_figure(title, height_for(len(outcomes)))
    axes, last, ends = figure.subplots(), 1.0, []
    for name, outcome in outcomes.items():
        times = np.sort(outcome.fresh["time"].to_numpy(float))
        times = times[np.isfinite(times)]
        last = problem.epochs if len(times) < len(outcome.fresh) else max(last, times[-1])
        shares = 100.0 * np.arange(len(times) + 1) / len(outcome.fresh)
        steps = np.concatenate([[0], times, [problem.epochs]])
        look = {"color": looks[name]["color"], "linestyle": looks[name]["linestyle"], "linewidth": 1.8}
        axes.step(steps, np.concatenate([shares, shares[-1:]]), where="post", **look)
        ends.append((name, shares[-1], looks[name]))
    axes.set(xlabel="epoch", ylabel="runs that have reached it, %")
    axes.set(ylim=(-3, 103), xlim=(0, min(1.3 * last, problem.epochs)))
    label_lines(axes, ends)
    return Drawn(figure, title, f"Measured on {problem.curves_on} rows; a run that never gets there counts as such.")


def draw_profile(found: Findings) -> Drawn:
    """The performance profiles of Dolan and Moré."""
    profile = statistics.performance_profile(costs(found.comparison))
    looks, ends = looks_of(found.comparison.names), []
    title = "Which optimizer is fast on most problems?"
    figure = new_figure(title, height_for(len(looks)))
    axes = figure.subplots()
    for shares, (name, look) in zip(100.0 * np.asarray(profile.shares).T, looks.items(), strict=True):
        line = {"color": look["color"], "linestyle": look["linestyle"], "linewidth": 1.8}
        axes.step(profile.taus, shares, where="post", **line)
        ends.append((name, float(shares[-1]), look))
    axes.set(xlabel="multiple of the fastest optimizer's\nepochs to the target", ylabel="share of problems, %")
    taus = np.asarray(profile.taus)
    axes.set(ylim=(-3, 103), xlim=(float(taus[0]), float(taus[-1])))
    label_lines(axes, ends)
    caption = "On which share of the problems an optimizer needs at most so many times the epochs of the fastest one."
    return Drawn(figure, title, caption)
