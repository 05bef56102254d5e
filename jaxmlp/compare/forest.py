"""The figures of an answer: every pair with its interval and verdict, and where the spread of a score comes from."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from jaxmlp.compare.drawing import Drawn, in_percent, new_figure, shortened
from jaxmlp.compare.escape import for_figure
from jaxmlp.compare.findings import Findings
from jaxmlp.compare.pairs import BETTER, Pair
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol
from jaxmlp.compare.style import INK, VERDICT_COLORS, looks_of

_MOST_PAIRS = 10  # with more of them the figure shows only those of the leader
_TEXT, _INTERVAL, _GAP = 0.2, 0.2, 0.12  # heights in inches
_LONGEST_LINE = 42  # characters that fit on a line of the figure
_SOURCES = {"seeds": "o", "tuning": "^", "split": "s"}


def draw_forest(found: Findings, problem: Problem) -> Drawn | None:
    """Each pair's difference with the interval and verdict of its test; None for fewer than two optimizers."""
    protocol = found.comparison.protocol
    every = [pair for pair in found.pairs if pair.problem == problem.name]
    pairs = every
    if len(every) > _MOST_PAIRS and not protocol.baseline:
        pairs = [pair for pair in every if pair.first == every[0].first]
    if not pairs:
        return None
    words = [_words(pair) for pair in pairs]
    height = sum(_TEXT * len(_lines(*line)) + _INTERVAL + _GAP for line in words) + _TEXT
    figure = new_figure(_question(problem, protocol), height + 0.92)
    axes = figure.subplots()
    scale = 100.0 if in_percent(problem, protocol) else 1.0
    _frame(axes, pairs, scale, height, f"{protocol.unit}s: wins\N{EN DASH}ties\N{EN DASH}losses")
    top = _TEXT + _GAP / 2
    for pair, line in zip(pairs, words, strict=True):
        top = _row(axes, pair, line, scale, top)
    where = "1 / epochs to the target" if protocol.score == "time" else f"test {problem.label}"
    unit = ", percentage points" if scale == 100.0 else ""
    axes.set_xlabel(f"how much better the first is:\n{for_figure(where)}{unit}")
    return Drawn(figure, _question(problem, protocol), _caption(pairs, len(every), protocol))


def draw_budget(found: Findings, problem: Problem) -> Drawn | None:
    """The standard deviations by seeds, tuning and split; None if they cannot be told apart."""
    protocol = found.comparison.protocol
    rows = [row for row in found.budget.to_dict("records") if row["problem"] == problem.name]
    if not rows:
        return None
    title = f"Where does the spread on {problem.name} come from?"
    figure = new_figure(title, 0.5 * len(rows) + 1.1)
    axes, scale = figure.subplots(), 100.0 if in_percent(problem, protocol) else 1.0
    looks = looks_of(found.comparison.names)
    for place, row in enumerate(rows):
        for shift, (source, marker) in zip((-0.24, 0.0, 0.24), _SOURCES.items(), strict=True):
            middle, low, high = (scale * row[f"{source}{end}"] for end in ("", "_low", "_high"))
            if math.isnan(middle):
                continue
            ends = np.nan_to_num([[middle - low], [high - middle]])
            color = looks[row["optimizer"]]["color"]
            axes.errorbar(middle, place + shift, xerr=ends, fmt=marker, color=color, markersize=5.5, linewidth=1.4)
    axes.set_yticks(range(len(rows)), [shortened(row["optimizer"]) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    unit = "percentage points" if scale == 100.0 else "1 / epochs" if protocol.score == "time" else problem.label
    axes.set_xlabel(f"standard deviation of one score:\n{for_figure(unit)}")
    marks = [Line2D([], [], marker=marker, color=INK, linewidth=1.4) for marker in _SOURCES.values()]
    figure.legend(marks, list(_SOURCES), loc="outside lower center", ncols=3, handlelength=1.6, columnspacing=1.2)
    return Drawn(
        figure,
        title,
        "Standard deviations with 95 % intervals: by seeds (initial weights, order of rows), by what tuning chose, by "
        "the split of the rows.",
    )


def _question(problem: Problem, protocol: Protocol) -> str:
    return f"Which optimizer is {'faster' if protocol.score == 'time' else 'better'} on {problem.name}?"


def _words(pair: Pair) -> tuple[str, str]:
    """The two names, and the verdict, with the one that is sooner and the repetitions that are still needed."""
    names = f"{shortened(pair.first)} vs {shortened(pair.second)}"
    said = f"{shortened(pair.sooner)} sooner" if pair.sooner and pair.verdict != BETTER else pair.verdict
    if math.isnan(pair.more):
        return names, said
    more = f"~{float(f'{pair.more:.2g}'):,.0f} more" if pair.more <= 10_000 else "out of reach"
    return names, f"{said}, {more}"


def _lines(names: str, verdict: str) -> list[str]:
    """The verdict stands on a line of its own if it does not fit beside the names."""
    return [names] if len(names) + len(verdict) < _LONGEST_LINE else [names, verdict]


def _frame(axes: Axes, pairs: list[Pair], scale: float, height: float, heading: str) -> None:
    """The limits and the heading of the tallies."""
    ends = [value * scale for pair in pairs for value in (*pair.difference, pair.margin, -pair.margin)]
    ends = [value for value in ends if math.isfinite(value)]
    room = 0.04 * (max(ends) - min(ends)) or 1.0
    axes.set(xlim=(min(ends) - room, max(ends) + room), ylim=(height, 0.0), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    axes.text(1.18, _TEXT / 2, heading, transform=axes.get_yaxis_transform(), ha="right", va="center", alpha=0.75)


def _row(axes: Axes, pair: Pair, words: tuple[str, str], scale: float, top: float) -> float:
    """Draws a pair below `top`; where the next one begins."""
    color, across = VERDICT_COLORS[pair.verdict], axes.get_yaxis_transform()
    lines = _lines(*words)
    axes.text(0.0, top + _TEXT / 2, words[0], transform=across, va="center")
    place = {"transform": across, "va": "center", "ha": "right", "color": color}
    axes.text(1.18, top + _TEXT * (len(lines) - 0.5), for_figure(words[1]), fontweight="bold", **place)
    middle = top + _TEXT * len(lines) + _INTERVAL / 2
    corner, width = (-pair.margin * scale, middle - _INTERVAL / 2), 2 * pair.margin * scale
    axes.vlines(0.0, middle - _INTERVAL / 2, middle + _INTERVAL / 2, color=INK, linewidth=1.2, alpha=0.7)
    axes.add_patch(Rectangle(corner, width, _INTERVAL, color=INK, alpha=0.1, linewidth=0))
    gap = pair.difference
    ends = scale * np.nan_to_num([[gap.estimate - gap.low], [gap.high - gap.estimate]])
    axes.errorbar(gap.estimate * scale, middle, xerr=ends, fmt="o", color=color, markersize=6, capsize=3.5, linewidth=2)
    tally = f"{pair.wins}\N{EN DASH}{pair.ties}\N{EN DASH}{pair.losses}"
    axes.text(1.18, middle, tally, transform=across, va="center", ha="right")
    return middle + _INTERVAL / 2 + _GAP


def _caption(pairs: list[Pair], every: int, protocol: Protocol) -> str:
    levels = sorted({f"{100 * pair.confidence:.3g}" for pair in pairs}, key=float)
    level = levels[0] if len(levels) == 1 else f"{levels[0]} to {levels[-1]}"
    caption = (
        f"Mean differences between paired {protocol.unit}s, with the intervals of the verdicts ({level} %, by Holm's "
        "correction): one excludes 0 exactly if the verdict is “better”. Gray: differences too small to matter."
    )
    if any(not math.isnan(pair.more) for pair in pairs):
        caption += f" “~20 more”: about how many more {protocol.unit}s would settle the order."
    if len(pairs) < every:
        caption += " The best mean against each of the others; pairs.csv has all pairs."
    return caption
