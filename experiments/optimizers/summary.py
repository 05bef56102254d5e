"""The outcomes in numbers: a row for each optimizer on each problem, and their standing over all problems."""

import numpy as np
import pandas as pd

from jaxmlp import statistics

# Learning rates whose score misses the best one's by less than this share of what training gained are good ones.
TOLERANCE = 0.05


def oriented(problem, protocol, outcome):
    """(runs,) scores of which more is better: the metric, its sign turned where less is; or the speed, 1 / epochs."""
    if protocol.score == "time":
        return speeds(outcome)
    return outcome.fresh["score"].to_numpy(float) * (1.0 if problem.mode == "max" else -1.0)


def speeds(outcome):
    """(runs,) of 1 / epochs to the target; a miss is infinite, its speed 0."""
    return 1.0 / outcome.fresh["time"].to_numpy(float)


def ranked(comparison, problem):
    """The names of the optimizers with a score on a problem, the best mean first."""
    found = comparison.of(problem)
    return sorted(found, key=lambda name: -oriented(problem, comparison.protocol, found[name]).mean())


def summary(comparison):
    """A DataFrame, best first within each problem; those without a score last, with their trouble."""
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


def _row(comparison, problem, outcome):
    protocol, fresh = comparison.protocol, outcome.fresh
    scores, times = fresh["score"].to_numpy(float), fresh["time"].to_numpy(float)
    mean, iqm = statistics.mean(scores), statistics.iqm(scores)
    time = statistics.median_time(times, problem.epochs)
    span = good_rates(problem, outcome)
    rates = [chosen["learning_rate"] for chosen in outcome.chosen]
    on_a_grid = len(outcome.tuning) > 0 and protocol.search == "grid"
    return {
        "problem": problem.name,
        "optimizer": outcome.contestant,
        "metric": problem.metric,
        "mean": mean.estimate,
        "mean_low": mean.low,
        "mean_high": mean.high,
        "iqm": iqm.estimate,
        "iqm_low": iqm.low,
        "iqm_high": iqm.high,
        "epochs_to_target": time.estimate,
        "epochs_low": time.low,
        "epochs_high": time.high,
        "steps_to_target": time.estimate * problem.steps_per_epoch,
        "reached_target": int(np.isfinite(times).sum()),
        "runs": len(fresh),
        "diverged": int((fresh["status"] == "diverged").sum()),
        "learning_rate": float(np.median(rates)),
        "rate_at_the_edge": on_a_grid
        and bool(np.isclose(rates, protocol.low).any() or np.isclose(rates, protocol.high).any()),
        "decades": span.decades,
        "decades_open": span.open,
        "seconds_a_run": outcome.seconds,
        "trouble": "",
    }


def tuning_curve(problem, outcome):
    """The mean tuned score at each learning rate, more being better; -inf where a run diverged."""
    if not len(outcome.tuning):
        return pd.Series(dtype=float)
    return outcome.tuning.groupby("learning_rate")["tuned"].mean()


def good_rates(problem, outcome):
    """How forgiving an optimizer is: the span of learning rates, in decades, that do nearly as well as the best one."""
    curve = tuning_curve(problem, outcome)
    alone = {"learning_rate"} == set().union(*outcome.chosen)
    if len(curve) < 2 or not alone or not np.isfinite(curve).any():
        return statistics.Sensitivity(np.nan, np.nan, np.nan, np.nan, False)
    sign = 1.0 if problem.tuned_mode == "max" else -1.0
    gained = curve.max() - sign * problem.untrained(problem.tuned_on, "validation")
    return statistics.sensitivity(curve.index.to_numpy(), curve.to_numpy(), tolerance=TOLERANCE * abs(gained))


def costs(comparison):
    """(problems, optimizers) median epochs to the target, infinite where most runs miss it or there is no score."""
    table = np.full((len(comparison.problems), len(comparison.contestants)), np.inf)
    for row, problem in enumerate(comparison.problems):
        for column, contestant in enumerate(comparison.contestants):
            outcome = comparison.outcomes[problem.name, contestant.name]
            if outcome.trouble is None:
                table[row, column] = np.median(outcome.fresh["time"])
    return table


def overall(comparison):
    """A DataFrame over all problems: the IQM of normalised scores, and the profile's score; needs two problems."""
    if len(comparison.problems) < 2:
        return pd.DataFrame()
    profile = statistics.performance_profile(costs(comparison))
    areas = np.asarray(statistics.profile_score(profile), float)
    rows = []
    for column, contestant in enumerate(comparison.contestants):
        table = normalised(comparison, contestant)
        iqm = statistics.Interval(np.nan, np.nan, np.nan) if table is None else statistics.iqm(table)
        rows.append(
            {
                "optimizer": contestant.name,
                "iqm": iqm.estimate,
                "iqm_low": iqm.low,
                "iqm_high": iqm.high,
                "profile_score": areas[column],
                "targets_reached": int(np.isfinite(costs(comparison)[:, column]).sum()),
            }
        )
    return pd.DataFrame(rows).sort_values("profile_score", ascending=False, kind="stable")


def normalised(comparison, contestant):
    """(runs, problems) scores, 0 for an untrained network and 1 for the best mean; None where one is missing."""
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
