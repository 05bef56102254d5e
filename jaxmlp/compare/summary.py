"""The outcomes as numbers: one row per optimizer and problem, and the standing of optimizers over all problems."""

from typing import Any

import numpy as np
import pandas as pd

from jaxmlp import statistics
from jaxmlp.compare.comparison import Comparison
from jaxmlp.compare.contestants import Contestant
from jaxmlp.compare.observations import by_seed, oriented, resolution, scores, times
from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol
from jaxmlp.compare.search import ends

# A learning rate is good if its score misses the best one's by less than this share of what training gained.
TOLERANCE = 0.05


def ranked(comparison: Comparison, problem: Problem) -> list[str]:
    """The names of the optimizers with a score on a problem, the best mean first."""
    found = comparison.of(problem)
    return sorted(found, key=lambda name: -oriented(problem, comparison.protocol, found[name]).mean())


def summary_table(comparison: Comparison) -> pd.DataFrame:
    """One row per optimizer and problem, best first within each problem; those without a score last."""
    rows = []
    for problem in comparison.problems:
        found = comparison.of(problem)
        rows += [_row(comparison, problem, found[name]) for name in ranked(comparison, problem)]
        rows += [
            {"problem": problem.name, "optimizer": bad.contestant, "metric": problem.metric, "trouble": bad.trouble}
            for bad in comparison.troubles()
            if bad.problem == problem.name
        ]
    return pd.DataFrame(rows)


def _row(comparison: Comparison, problem: Problem, outcome: Outcome) -> dict[str, Any]:
    protocol, fresh, span = comparison.protocol, outcome.fresh, good_rates(problem, outcome)
    observed, least = scores(protocol, outcome), resolution(problem, protocol, outcome)
    time = statistics.median_time(times(protocol, outcome), problem.epochs)
    rates = [chosen["learning_rate"] for chosen in outcome.chosen]
    return {
        "problem": problem.name,
        "optimizer": outcome.contestant,
        "metric": problem.metric,
        **_spread("mean", statistics.mean(observed, resolution=0.0 if protocol.score == "time" else least)),
        **_spread("iqm", statistics.iqm(observed)),
        "epochs_to_target": time.estimate,
        "epochs_low": time.low,
        "epochs_high": time.high,
        "steps_to_target": time.estimate * problem.steps_per_epoch,
        "reached_target": int(np.isfinite(fresh["time"]).sum()),
        "runs": len(fresh),
        "diverged": int((fresh["status"] == "diverged").sum()),
        "learning_rate": float(np.median(rates)),
        "learning_rate_low": min(rates),
        "learning_rate_high": max(rates),
        "at_the_edge": _at_the_edge(comparison, outcome, rates),
        "decades": span.decades,
        "decades_open": span.open,
        "seconds_a_run": outcome.seconds,
        "reused": outcome.reused,
        "trouble": "",
    }


def _spread(name: str, interval: statistics.Interval) -> dict[str, Any]:
    """An interval as three columns."""
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _at_the_edge(comparison: Comparison, outcome: Outcome, rates: list[float]) -> float:
    """The share of the chosen learning rates that are the first or last of the grid; 0 without a grid."""
    if not len(outcome.tuning) or comparison.protocol.search != "grid":
        return 0.0
    contestant = next(one for one in comparison.contestants if one.name == outcome.contestant)
    low, high = ends(comparison.protocol, contestant)
    return float(np.mean(np.isclose(rates, low) | np.isclose(rates, high)))


def budget_table(comparison: Comparison) -> pd.DataFrame:
    """Where the spread of a single score comes from, for each optimizer and problem: seeds, tuning, split.

    Standard deviations with their 95 % intervals, in units of the metric (of 1 / epochs if scored by time), and shares
    of the variance. No rows for a protocol that cannot tell them apart: one repetition, one seed in each, or studies.
    """
    protocol, rows = comparison.protocol, []
    if protocol.repetitions < 2 or protocol.seeds < 2 or protocol.studies > 1:
        return pd.DataFrame()
    for problem in comparison.problems:
        for name in ranked(comparison, problem):
            budget = budget_of(problem, protocol, comparison.of(problem)[name])
            row: dict[str, Any] = {"problem": problem.name, "optimizer": name}
            for source, part, share in zip(budget._fields, budget, budget.shares, strict=True):
                row |= _spread(source, statistics.Interval(*(value**0.5 for value in part)))
                row[f"{source}_share"] = share
            rows.append(row)
    return pd.DataFrame(rows)


def budget_of(problem: Problem, protocol: Protocol, outcome: Outcome) -> statistics.VarianceBudget:
    """The variances of a single score by seeds, tuning and split."""
    own = by_seed(problem, protocol, outcome.fresh)
    if outcome.crossed is not None and len(outcome.crossed):
        return statistics.variance_budget(own, by_seed(problem, protocol, outcome.crossed))
    budget = statistics.variance_budget(own)
    if protocol.split == "fixed" and len(outcome.tuning):  # then repetitions differ in their tuning only
        return budget._replace(tuning=budget.split, split=budget.tuning)
    return budget


def tuning_curve(problem: Problem, outcome: Outcome) -> pd.Series:
    """The median tuned score at each learning rate, more being better; -inf if most runs diverged."""
    if not len(outcome.tuning):
        return pd.Series(dtype=float)
    return outcome.tuning.groupby("learning_rate")["tuned"].median()


def good_rates(problem: Problem, outcome: Outcome) -> statistics.Sensitivity:
    """How forgiving an optimizer is: the span of learning rates, in decades, with nearly the best score."""
    curve = tuning_curve(problem, outcome)
    alone = {"learning_rate"} == set().union(*outcome.chosen)
    if len(curve) < 2 or not alone or not np.isfinite(curve).any():
        return statistics.Sensitivity(np.nan, np.nan, np.nan, np.nan, False)
    sign = 1.0 if problem.tuned_mode == "max" else -1.0
    gained = curve.max() - sign * problem.untrained(problem.tuned_on, "validation")
    return statistics.sensitivity(curve.index.to_numpy(), curve.to_numpy(), tolerance=TOLERANCE * abs(gained))


def costs(comparison: Comparison) -> np.ndarray:
    """(problems, optimizers) median epochs to the target; infinite if most runs miss it or there is no score."""
    table = np.full((len(comparison.problems), len(comparison.contestants)), np.inf)
    for row, problem in enumerate(comparison.problems):
        for column, contestant in enumerate(comparison.contestants):
            outcome = comparison.outcomes[problem.name, contestant.name]
            if outcome.trouble is None:
                table[row, column] = np.median(times(comparison.protocol, outcome))
    return table


def overall_table(comparison: Comparison) -> pd.DataFrame:
    """Over all problems: the IQM of normalized scores and the profile score; empty for a single problem."""
    if len(comparison.problems) < 2:
        return pd.DataFrame()
    profile = statistics.performance_profile(costs(comparison))
    areas = np.asarray(statistics.profile_score(profile), float)
    rows = []
    for column, contestant in enumerate(comparison.contestants):
        table = normalized(comparison, contestant)
        iqm = statistics.Interval(np.nan, np.nan, np.nan) if table is None else statistics.iqm(table)
        rows.append(
            {
                "optimizer": contestant.name,
                **_spread("iqm", iqm),
                "profile_score": areas[column],
                "targets_reached": int(np.isfinite(costs(comparison)[:, column]).sum()),
            }
        )
    return pd.DataFrame(rows).sort_values("profile_score", ascending=False, kind="stable")


def normalized(comparison: Comparison, contestant: Contestant) -> np.ndarray | None:
    """(units, problems) scores, 0 for an untrained network and 1 for the best mean; None if one is missing."""
    columns, protocol = [], comparison.protocol
    for problem in comparison.problems:
        outcome = comparison.outcomes[problem.name, contestant.name]
        if outcome.trouble is not None:
            return None
        start = problem.untrained()
        means = [scores(protocol, other).mean() for other in comparison.of(problem).values()]
        best = max(means) if problem.mode == "max" else min(means)
        columns.append((scores(protocol, outcome) - start) / (best - start if best != start else 1.0))
    return np.stack(columns, axis=1)
