"""The outcomes as numbers: one row per optimizer and problem, and the standing of optimizers over all problems."""

from typing import Any

import numpy as np
import pandas as pd

from jaxmlp import statistics
from jaxmlp.compare.comparison import Comparison
from jaxmlp.compare.contestants import Contestant
from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol

# A learning rate is good if its score misses the best one's by less than this share of what training gained.
TOLERANCE = 0.05


def oriented(problem: Problem, protocol: Protocol, outcome: Outcome) -> np.ndarray:
    """(runs,) scores of which more is better: the metric, negated if less is better; or the speed, 1 / epochs."""
    if protocol.score == "time":
        return speeds(outcome)
    return outcome.fresh["score"].to_numpy(float) * (1.0 if problem.mode == "max" else -1.0)


def speeds(outcome: Outcome) -> np.ndarray:
    """(runs,) of 1 / epochs to the target; 0 for a run that missed it."""
    return 1.0 / outcome.fresh["time"].to_numpy(float)


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
    fresh, times = outcome.fresh, outcome.fresh["time"].to_numpy(float)
    scores = fresh["score"].to_numpy(float)
    time, span = statistics.median_time(times, problem.epochs), good_rates(problem, outcome)
    rates = [chosen["learning_rate"] for chosen in outcome.chosen]
    return {
        "problem": problem.name,
        "optimizer": outcome.contestant,
        "metric": problem.metric,
        **_spread("mean", statistics.mean(scores)),
        **_spread("iqm", statistics.iqm(scores)),
        "epochs_to_target": time.estimate,
        "epochs_low": time.low,
        "epochs_high": time.high,
        "steps_to_target": time.estimate * problem.steps_per_epoch,
        "reached_target": int(np.isfinite(times).sum()),
        "runs": len(fresh),
        "diverged": int((fresh["status"] == "diverged").sum()),
        "learning_rate": float(np.median(rates)),
        "rate_at_the_edge": _at_the_edge(comparison.protocol, outcome, rates),
        "decades": span.decades,
        "decades_open": span.open,
        "seconds_a_run": outcome.seconds,
        "reused": outcome.reused,
        "trouble": "",
    }


def _spread(name: str, interval: statistics.Interval) -> dict[str, Any]:
    """An interval as three columns."""
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _at_the_edge(protocol: Protocol, outcome: Outcome, rates: list[float]) -> bool:
    """Whether a chosen learning rate is the first or last of the grid."""
    on_a_grid = len(outcome.tuning) > 0 and protocol.search == "grid"
    return on_a_grid and bool(np.isclose(rates, protocol.low).any() or np.isclose(rates, protocol.high).any())


def tuning_curve(problem: Problem, outcome: Outcome) -> pd.Series:
    """The mean tuned score at each learning rate, more being better; -inf if a run diverged."""
    if not len(outcome.tuning):
        return pd.Series(dtype=float)
    return outcome.tuning.groupby("learning_rate")["tuned"].mean()


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
                table[row, column] = np.median(outcome.fresh["time"])
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
    """(runs, problems) scores, 0 for an untrained network and 1 for the best mean; None if one is missing."""
    columns = []
    for problem in comparison.problems:
        outcome = comparison.outcomes[problem.name, contestant.name]
        if outcome.trouble is not None:
            return None
        start = problem.untrained()
        means = [other.fresh["score"].mean() for other in comparison.of(problem).values()]
        best = max(means) if problem.mode == "max" else min(means)
        columns.append((outcome.fresh["score"].to_numpy(float) - start) / (best - start if best != start else 1.0))
    return np.stack(columns, axis=1)
