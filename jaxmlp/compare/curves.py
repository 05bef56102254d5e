"""The figures of training: learning curves that show the plateau, and the score against the learning rate."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import t as student

from jaxmlp.compare.comparison import Comparison
from jaxmlp.compare.drawing import LINE, Drawn, height_for, label_lines, log_axis, new_figure, shortened
from jaxmlp.compare.escape import for_figure
from jaxmlp.compare.findings import Findings
from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol
from jaxmlp.compare.rulebook import counted
from jaxmlp.compare.search import ends
from jaxmlp.compare.style import INK, Look, looks_of
from jaxmlp.compare.summary import tuning_curve


def draw_loss_curves(found: Findings, problem: Problem) -> Drawn:
    """Loss against epochs; medians, because one run can be worse than the others by orders of magnitude."""
    title, label = f"How does the loss fall on {problem.name}?", f"{problem.curves_on} loss"
    drawn = _curves(found, problem, title, "validation_loss", label, summarized=quartiles)
    caption = f"Medians over {found.comparison.protocol.unit}s; bands contain half of them."
    return drawn._replace(caption=caption + _ended(found, problem))


def draw_metric_curves(found: Findings, problem: Problem) -> Drawn | None:
    """What is missing to a perfect metric against epochs, with the target."""
    if problem.metric == "loss":
        return None
    missing, label = missing_to_perfect(problem.metric)
    title = f"How does {problem.label} improve on {problem.name}?"
    name = f"validation_{problem.metric}"
    drawn = _curves(found, problem, title, name, label.format(problem.curves_on), missing)
    target = float(missing(np.asarray(problem.target)))
    axes = drawn.figure.axes[0]
    if axes.get_ylim()[0] < target < axes.get_ylim()[1]:
        axes.axhline(target, color=INK, linewidth=1, alpha=0.6)
        return drawn._replace(caption=f"{drawn.caption} The thin line is the target, {problem.goal}.")
    return drawn


def missing_to_perfect(metric: str) -> tuple[Callable[[Any], Any], str]:
    """A function of the metric that a logarithmic axis can show near its best value, and its label."""
    if metric.endswith("accuracy"):
        label = "{} error, %" if metric == "accuracy" else "100 % \N{MINUS SIGN} {} " + metric.replace("_", " ")
        return (lambda value: 100.0 * (1.0 - value)), label
    if metric == "r2":
        return (lambda value: 1.0 - value), "1 \N{MINUS SIGN} {} R²"
    return (lambda value: value), "{} " + metric.replace("_", " ")


def of_units(protocol: Protocol, outcome: Outcome, values: np.ndarray) -> np.ndarray:
    """(units, epochs) means over the seeds of each repetition; a run that has ended keeps its last value."""
    table: Any = pd.DataFrame(np.where(np.isfinite(values), values, np.nan)).ffill(axis=1)
    if protocol.unit == "repetition":
        table = table.groupby(outcome.fresh["repetition"].to_numpy()).mean()
    return table.to_numpy(float)


def band(values: np.ndarray) -> np.ndarray:
    """(3, epochs): means over rows between the limits of their 95 % intervals, by Student's t; equal for one row."""
    count = np.isfinite(values).sum(axis=0)
    middle = np.nanmean(values, axis=0)
    error = np.nanstd(values, axis=0) / np.sqrt(np.maximum(count - 1, 1))
    reach = np.where(count > 1, student.ppf(0.975, np.maximum(count - 1, 1)) * error, 0.0)
    return np.stack([middle - reach, middle, middle + reach])


def quartiles(values: np.ndarray) -> np.ndarray:
    """(3, epochs): medians over rows between the first and third quartiles."""
    return np.nanquantile(values, (0.25, 0.5, 0.75), axis=0)


def _curves(
    found: Findings,
    problem: Problem,
    title: str,
    name: str,
    ylabel: str,
    shown: Callable[[Any], Any] = lambda value: value,
    summarized: Callable[[np.ndarray], np.ndarray] = band,
) -> Drawn:
    comparison = found.comparison
    looks, outcomes = looks_of(comparison.names), comparison.of(problem)
    figure = new_figure(title, height_for(len(outcomes)))
    axes, bands, ends = figure.subplots(), {}, []
    for optimizer, outcome in outcomes.items():
        values = of_units(comparison.protocol, outcome, shown(outcome.curves[name].to_numpy(float)))
        bands[optimizer] = summarized(values[:, np.isfinite(values).any(axis=0)])
    limits, logarithmic = _limits([middle for _, middle, _ in bands.values()])
    for optimizer, (low, middle, high) in bands.items():
        epochs, look = np.arange(1, len(middle) + 1), looks[optimizer]
        low, middle, high = (np.clip(line, *limits) for line in (low, middle, high))
        axes.plot(epochs, middle, linewidth=1.8, color=look["color"], linestyle=look["linestyle"])
        axes.fill_between(epochs, low, high, color=look["color"], alpha=min(0.15, 0.5 / len(bands)), linewidth=0)
        ends.append((optimizer, float(middle[-1]), look))
    axes.set_xlim(0, max(len(middle) for _, middle, _ in bands.values()))
    if logarithmic:
        log_axis(axes.yaxis, *limits)
    axes.set(xlabel="epoch", ylabel=for_figure(ylabel), ylim=limits)
    label_lines(axes, ends)
    unit = comparison.protocol.unit
    caption = f"Means over {unit}s with their 95 % intervals{', log scale' * logarithmic}.{_ended(found, problem)}"
    return Drawn(figure, title, caption)


def _ended(found: Findings, problem: Problem) -> str:
    """A sentence on runs that ended before the last epoch, if there are any: what the curves show of them."""
    outcomes = found.comparison.of(problem).values()
    early = sum(int((outcome.fresh["status"] == "diverged").sum()) for outcome in outcomes)
    if not early:
        return ""
    return f" {counted(early, 'run')} ended early: the curves keep the last value before."


def _limits(lines: Sequence[np.ndarray], top: float = np.inf) -> tuple[tuple[float, float], bool]:
    """Limits that show these lines below `top`, at most five decades of them; and whether on a logarithmic scale.

    Values that are 0 are drawn at the lower limit.
    """
    values = np.concatenate(lines)
    values = values[np.isfinite(values)]
    positive = values[values > 0]
    if not len(positive) or values.min() < 0:
        room = 0.05 * float(np.ptp(values)) or 1.0
        return (float(values.min()) - room, float(values.max()) + room), False
    low = float(positive.min()) * (0.9 if values.min() > 0 else 0.5)
    high = max(min(1.1 * float(positive.max()), top), 2.0 * low)
    return (max(low, 1e-5 * high), high), True


def draw_sensitivity(found: Findings, problem: Problem) -> Drawn | None:
    """What tuning saw, every run of it, against the learning rate; and below it what was chosen."""
    comparison, protocol = found.comparison, found.comparison.protocol
    outcomes = {name: one for name, one in comparison.of(problem).items() if len(one.tuning)}
    if not outcomes:
        return None
    title, looks = f"Which learning rates work on {problem.name}?", looks_of(comparison.names)
    below = LINE * len(outcomes) + 0.15
    figure = new_figure(title, 2.9 + below)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(2.3, below))
    shown, label = missing_to_perfect(problem.tuned_on)
    sign = 1.0 if problem.tuned_mode == "max" else -1.0
    curves = {name: shown(sign * tuning_curve(problem, one)) for name, one in outcomes.items()}
    untrained = float(shown(problem.untrained(problem.tuned_on, "validation")))
    limits, logarithmic = _limits([curve.to_numpy(float) for curve in curves.values()], 2.0 * untrained)
    if logarithmic:
        log_axis(upper.yaxis, *limits)
    upper.set(ylim=limits, ylabel=for_figure(label.format("validation")))
    for place, (name, outcome) in enumerate(outcomes.items()):
        shift = 10.0 ** (0.3 * ((place + 0.5) / len(outcomes) - 0.5))  # so that runs at the same rate lie side by side
        _runs(upper, outcome.tuning["learning_rate"] * shift, shown(sign * outcome.tuning["tuned"]), looks[name])
        if protocol.search == "grid":
            line = curves[name].where(np.isfinite(curves[name])).clip(lower=limits[0])
            look = {"color": looks[name]["color"], "linestyle": looks[name]["linestyle"], "linewidth": 1.6}
            upper.plot(line.index * shift, line, **look)
    _chosen(lower, _edges(comparison), outcomes, looks)
    caption = (
        "Every run of the tuning, and medians. A cross at the top is a run that diverged or left the plot; what is "
        "better than the plot shows lies on its lower edge. Below: the chosen rates, larger if chosen more often. "
        "Dotted: the limits of the search."
    )
    return Drawn(figure, title, caption)


def _runs(axes: Axes, rates: pd.Series, values: pd.Series, look: Look) -> None:
    """A point for each run, or a cross at the top."""
    low, high = axes.get_ylim()
    inside = np.isfinite(values) & (values <= high)
    axes.plot(
        rates[inside],
        np.maximum(values[inside], low),
        ".",
        color=look["color"],
        alpha=0.35,
        markersize=5,
        markeredgewidth=0,
    )
    top = np.full(int((~inside).sum()), 0.98)
    cross = {"color": look["color"], "alpha": 0.45, "markersize": 4, "transform": axes.get_xaxis_transform()}
    axes.plot(rates[~inside], top, "x", **cross)


def _edges(comparison: Comparison) -> list[float]:
    """The ends of the ranges of learning rates."""
    tuned = [one for one in comparison.contestants if one.rate is None]
    return sorted({rate for one in tuned for rate in ends(comparison.protocol, one)})


def _chosen(axes: Axes, edges: list[float], outcomes: dict[str, Outcome], looks: dict[str, Look]) -> None:
    """A row for each optimizer with the learning rates chosen for it, whose area is the number of times."""
    for place, (name, outcome) in enumerate(outcomes.items()):
        rates, times = np.unique([one["learning_rate"] for one in outcome.chosen], return_counts=True)
        sizes = 12 + 80 * times / len(outcome.chosen)
        axes.scatter(rates, np.full(len(rates), place), sizes, color=looks[name]["color"], marker=looks[name]["marker"])
    axes.set_yticks(range(len(outcomes)), [shortened(name) for name in outcomes])
    axes.tick_params(axis="y", length=0)
    axes.yaxis.tick_right()
    axes.set(ylim=(len(outcomes) - 0.4, -0.6), xlabel="learning rate", ylabel="chosen")
    axes.grid(axis="y", visible=False)
    for axis in axes.figure.axes:
        log_axis(axis.xaxis, edges[0] / 1.8, edges[-1] * 1.8)
        for edge in edges:
            axis.axvline(edge, color=INK, linestyle=":", linewidth=1, alpha=0.6)
