"""Is one better than the other, and how sure is that? In plain words, from runs on common seeds.

better         the paired test, corrected for the number of pairs (Holm), and the interval agree
no difference  the results are identical, or the interval lies within a fifth of the spread over seeds
sooner         the score does not tell them apart, but by the same test one is at the target in fewer epochs
cannot tell    none of these: more seeds would be needed, and about how many
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.optimizers.summary import oriented, ranked, speeds
from jaxmlp import statistics

LEVEL = 0.05
# Cohen 1988: a fifth of a standard deviation is a small effect; within it two optimizers are as good as each other.
NEGLIGIBLE = 0.2
# A difference so small that it would take this many seeds is no difference that matters.
OUT_OF_REACH = 10_000
BETTER, SAME, SOONER, UNKNOWN = "better", "no difference", "sooner", "cannot tell"

# Choi et al. 2019, "On Empirical Comparisons of Optimizers": each is the other with some of its numbers fixed.
INCLUSIONS = (
    ("gd", "momentum"),
    ("momentum", "rmsprop"),
    ("momentum", "adam"),
    ("gd", "nesterov"),
    ("nesterov", "nadam"),
)


class Pair(NamedTuple):
    """Two optimizers on a problem, `first` having the better mean. Differences count in its favour.

    `sooner` is the name of the one that is proven to be at the target in fewer epochs, if any; `epochs` are medians.
    """

    problem: str
    first: str
    second: str
    verdict: str
    difference: Any
    p_value: float
    effect_size: float
    probability: Any
    wins: int
    ties: int
    losses: int
    more_seeds: float
    sooner: str = ""
    sooner_p_value: float = math.nan
    epochs_first: float = math.nan
    epochs_second: float = math.nan


def pairs(comparison):
    """Every pair of optimizers on every problem, a list of `Pair`.

    Holm's correction is over the pairs of a problem, for the score and for the time to the target each by itself.
    """
    found = []
    for problem in comparison.problems:
        outcomes, names = comparison.of(problem), ranked(comparison, problem)
        scores = {name: oriented(problem, comparison.protocol, outcomes[name]) for name in names}
        couples = list(itertools.combinations(names, 2))
        by_score = _tested(scores, couples)
        by_time = _tested({name: speeds(outcomes[name]) for name in names}, couples)
        for (first, second), test, timing in zip(couples, by_score, by_time, strict=True):
            pair = _pair(problem.name, (first, scores[first]), (second, scores[second]), test, len(couples))
            found.append(_timed(pair, timing, outcomes[first].fresh["time"], outcomes[second].fresh["time"]))
    return found


def _tested(values, couples):
    """A paired test for each couple, its p value corrected for their number."""
    tests = [statistics.paired(values[first], values[second]) for first, second in couples]
    corrected = statistics.holm([test.p_value for test in tests]) if tests else []
    return [test._replace(p_value=float(p_value)) for test, p_value in zip(tests, corrected, strict=True)]


def _pair(problem, first, second, test, tests):
    (name, scores), (other, others) = first, second
    verdict = judged(scores, others, test.difference, test.p_value)
    more = math.nan
    if verdict == UNKNOWN:  # as strict as Holm's correction is on the smallest of so many p-values
        seeds = statistics.seeds_needed(scores - others, confidence=1 - LEVEL / tests)
        more = max(seeds - len(scores), 1.0)
    return Pair(
        problem=problem,
        first=name,
        second=other,
        verdict=verdict,
        difference=test.difference,
        p_value=test.p_value,
        effect_size=test.effect_size,
        probability=statistics.probability_of_improvement(scores, others),
        wins=test.wins,
        ties=test.ties,
        losses=test.losses,
        more_seeds=more,
    )


def _timed(pair, timing, first, second):
    """The pair with what the times to the target say, where the score leaves it open."""
    faster = timing.p_value < LEVEL and timing.difference.low > 0
    slower = timing.p_value < LEVEL and timing.difference.high < 0
    sooner = pair.first if faster else pair.second if slower else ""
    return pair._replace(
        verdict=SOONER if sooner and pair.verdict in (SAME, UNKNOWN) else pair.verdict,
        sooner=sooner,
        sooner_p_value=timing.p_value,
        epochs_first=float(np.median(first)),
        epochs_second=float(np.median(second)),
    )


def judged(first, second, difference, p_value):
    """The verdict on two arrays of scores, given their paired difference and its corrected p-value."""
    if np.array_equal(first, second):
        return SAME
    if p_value < LEVEL and difference.low > 0:
        return BETTER
    spread = np.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 2)
    near = max(abs(difference.low), abs(difference.high)) < NEGLIGIBLE * spread
    return SAME if near else UNKNOWN


def in_words(pair, problem, protocol):
    """A pair as a sentence."""
    amount, of_many = amounts(problem, protocol)
    gap = pair.difference
    size = f"{amount(gap.estimate)}, 95 % interval {amount(gap.low)} to {amount(gap.high)}{of_many}"
    seeds = pair.wins + pair.ties + pair.losses
    if pair.verdict == BETTER:
        how = "is faster than" if protocol.score == "time" else "is better than"
        p = _p_in_words(pair.p_value)
        return f"{pair.first} {how} {pair.second}: by {size}; {p} after Holm; ahead on {pair.wins} of {seeds} seeds."
    if pair.verdict == SAME and pair.ties == seeds:
        return f"{pair.first} and {pair.second}: no difference (identical on every seed)."
    by_score = f"no difference (difference {size})."
    if not math.isnan(pair.more_seeds):
        by_score = f"cannot tell (difference {size}); {needed(pair.more_seeds)}."
    if pair.verdict == SOONER:
        return f"{_sooner_in_words(pair, problem)}. By test {problem.label}: {by_score}"
    return f"{pair.first} and {pair.second}: {by_score}"


def _sooner_in_words(pair, problem):
    epochs = {pair.first: pair.epochs_first, pair.second: pair.epochs_second}
    later = pair.second if pair.sooner == pair.first else pair.first
    times = f"{epochs[pair.sooner]:g} epochs against {epochs[later]:g} in the median"
    p = _p_in_words(pair.sooner_p_value)
    return f"{pair.sooner} reaches {problem.label} {problem.target:g} sooner than {later}: {times}; {p} after Holm"


def _p_in_words(p_value):
    return f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"


def needed(more):
    """How many more seeds would settle an order, in words."""
    if more > OUT_OF_REACH:
        return "no number of seeds within reach would settle the order"
    return f"about {_seeds(more)} would settle the order"


def _seeds(more):
    """Two digits: the number is an estimate of an estimate."""
    number = int(float(f"{more:.2g}"))
    return f"{number:,} more seed" + ("" if number == 1 else "s")


def amounts(problem, protocol):
    """How a difference is written: a function of a number, and its unit."""
    if protocol.score == "time":
        return (lambda value: f"{value:+.3g}"), " in 1 / epochs to the target"
    if problem.metric == "accuracy":
        return (lambda value: f"{100 * value:+.2f}"), " percentage points"
    return (lambda value: f"{value:+.3g}"), f" in {problem.metric}"


def verdicts(comparison, every):
    """A sentence or a few for each problem, of its pairs: who leads, whom that beats, and where seeds cannot tell."""
    return {problem.name: _verdict(comparison, problem, every) for problem in comparison.problems}


def _verdict(comparison, problem, every):
    order = ranked(comparison, problem)
    if not order:
        return "No optimizer finished: there is nothing to compare."
    fast = comparison.protocol.score == "time"
    best = "is the fastest in the mean of 1 / epochs" if fast else "has the best mean"
    opening = f"{order[0]} {best}" if len(order) > 1 else f"Only {order[0]} has a score: nothing to compare it with"
    leads = [pair for pair in every if pair.problem == problem.name and pair.first == order[0]]
    reached = [np.isfinite(outcome.fresh["time"]).any() for outcome in comparison.of(problem).values()]
    target = "" if any(reached) else f" No run of any optimizer reached the target, {problem.target:g}."
    return "; it ".join([opening, *_findings(problem, fast, leads)]) + f".{target}"


def _findings(problem, fast, leads):
    """What the pairs of the leader say, each part of the sentence for those others of which it is true."""
    others = {word: [pair.second for pair in leads if pair.verdict == word] for word in (BETTER, SAME)}
    if others[BETTER]:
        yield f"is {'faster' if fast else 'better'} than {_listed(others[BETTER])}"
    if others[SAME]:
        yield f"shows no difference to {_listed(others[SAME])}"
    timed = [pair for pair in leads if pair.verdict == SOONER]
    for word, leader_is_sooner in (("sooner", True), ("later", False)):
        names = [pair.second for pair in timed if (pair.sooner == pair.first) == leader_is_sooner]
        if names:
            goal = f"reaches {problem.label} {problem.target:g} {word} than {_listed(names)}"
            yield f"{goal} (test {problem.label} does not tell them apart)"
    unknown = [pair for pair in leads if pair.verdict == UNKNOWN]
    if unknown:
        nearest = min(unknown, key=lambda pair: pair.more_seeds)
        order_of = f" from {nearest.second}" if len(unknown) > 1 else ""
        seeds = "out of reach" if nearest.more_seeds > OUT_OF_REACH else f"about {_seeds(nearest.more_seeds)}"
        yield f"cannot be told from {_listed([pair.second for pair in unknown])} (to tell it{order_of}: {seeds})"


def _listed(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def inclusions(comparison, every):
    """A DataFrame: where an optimizer and a more general one were both run, whether the general one lost.

    Well tuned it must not, for it could have been the other: a loss speaks against the tuning, not for the optimizer.
    """
    names = {one.family: one.name for one in comparison.contestants if one.family is not None and one.rate is None}
    table = {(pair.problem, pair.first, pair.second): pair for pair in every}
    rows = []
    for problem in comparison.problems:
        for special, general in INCLUSIONS:
            ahead = table.get((problem.name, names.get(special), names.get(general)))
            behind = table.get((problem.name, names.get(general), names.get(special)))
            if ahead or behind:
                lost = ahead is not None and ahead.verdict == BETTER
                rows.append({"problem": problem.name, "special": special, "general": general, "holds": not lost})
    return pd.DataFrame(rows, columns=["problem", "special", "general", "holds"])


def inclusion_lines(comparison, every):
    """Choi et al.'s check in sentences."""
    lines = []
    table = inclusions(comparison, every)
    for special, general in INCLUSIONS:
        rows = table[(table["special"] == special) & (table["general"] == general)]
        if rows.empty:
            continue
        lost = rows["problem"][~rows["holds"].astype(bool)].tolist()
        verdict = "holds" if not lost else f"is violated on {_listed(lost)}"
        lines.append(f"{special} ⊆ {general} {verdict} ({len(rows)} {'problem' if len(rows) == 1 else 'problems'}).")
    if lines and comparison.protocol.tune == "learning_rate":
        lines.append("Only learning rates were tuned: a violation says that the other hyperparameters need it too.")
    return lines


def pairs_table(every):
    """The pairs as a DataFrame, intervals spread over columns."""
    rows = []
    for pair in every:
        row = pair._asdict()
        for name in ("difference", "probability"):
            interval = row.pop(name)
            row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)
