"""Verdicts in words: a sentence for each pair of optimizers, and one for each problem."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jaxmlp.compare.comparison import Comparison
from jaxmlp.compare.pairs import BETTER, SAME, SOONER, UNKNOWN, Pair
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol, listed
from jaxmlp.compare.summary import ranked

# A difference that would take more seeds than this has no practical meaning.
_OUT_OF_REACH = 10_000


def in_words(pair: Pair, problem: Problem, protocol: Protocol) -> str:
    """A pair as a sentence."""
    amount, unit = _amounts(problem, protocol)
    gap = pair.difference
    size = f"{amount(gap.estimate)}, 95 % interval {amount(gap.low)} to {amount(gap.high)}{unit}"
    seeds = pair.wins + pair.ties + pair.losses
    if pair.verdict == BETTER:
        how = "is faster than" if protocol.score == "time" else "is better than"
        p = _p_in_words(pair.p_value)
        return f"{pair.first} {how} {pair.second}: by {size}; {p}; ahead on {pair.wins} of {seeds} seeds."
    if pair.verdict == SAME and pair.ties == seeds:
        return f"{pair.first} and {pair.second}: no difference (identical on every seed)."
    by_score = f"no difference (difference {size})."
    if not math.isnan(pair.more_seeds):
        by_score = f"cannot tell (difference {size}); {_needed(pair.more_seeds)}."
    if pair.verdict == SOONER:
        return f"{_sooner_in_words(pair, problem)}. By test {problem.label}: {by_score}"
    return f"{pair.first} and {pair.second}: {by_score}"


def problem_verdict(comparison: Comparison, problem: Problem, pairs: Sequence[Pair]) -> str:
    """Who leads on a problem, whom the leader beats, and which differences the seeds do not settle."""
    order = ranked(comparison, problem)
    if not order:
        return "No optimizer finished: there is nothing to compare."
    fast = comparison.protocol.score == "time"
    best = "is the fastest by the mean of 1 / epochs" if fast else "has the best mean"
    opening = f"{order[0]} {best}" if len(order) > 1 else f"Only {order[0]} has a score: nothing to compare it with"
    leads = [pair for pair in pairs if pair.problem == problem.name and pair.first == order[0]]
    reached = [np.isfinite(outcome.fresh["time"]).any() for outcome in comparison.of(problem).values()]
    target = "" if any(reached) else f" No run of any optimizer reached the target, {problem.target:g}."
    return "; it ".join([opening, *_findings(problem, fast, leads)]) + f".{target}"


def _sooner_in_words(pair: Pair, problem: Problem) -> str:
    epochs = {pair.first: pair.epochs_first, pair.second: pair.epochs_second}
    later = pair.second if pair.sooner == pair.first else pair.first
    times = f"a median of {epochs[pair.sooner]:g} epochs against {epochs[later]:g}"
    p = _p_in_words(pair.sooner_p_value)
    return f"{pair.sooner} reaches {problem.label} {problem.target:g} sooner than {later}: {times}; {p}"


def _p_in_words(p_value: float) -> str:
    return f"{f'p = {p_value:.2g}' if p_value >= 1e-4 else 'p < 0.0001'} after Holm's correction"


def _needed(more: float) -> str:
    """How many more seeds would settle an order, in words."""
    if more > _OUT_OF_REACH:
        return "no practical number of seeds would settle the order"
    return f"about {_seeds(more)} would settle the order"


def _seeds(more: float) -> str:
    """Two digits: the number is an estimate of an estimate."""
    number = int(float(f"{more:.2g}"))
    return f"{number:,} more seed" + ("" if number == 1 else "s")


def _amounts(problem: Problem, protocol: Protocol) -> tuple[Callable[[float], str], str]:
    """How a difference is written: a function of a number, and the unit."""
    if protocol.score == "time":
        return (lambda value: f"{value:+.3g}"), " in 1 / epochs to the target"
    if problem.in_percent:
        return (lambda value: f"{100 * value:+.2f}"), " percentage points"
    return (lambda value: f"{value:+.3g}"), f" in {problem.metric}"


def _findings(problem: Problem, fast: bool, leads: Sequence[Pair]) -> Iterator[str]:
    """What the pairs of the leader show: a part of the sentence for each verdict."""
    others = {word: [pair.second for pair in leads if pair.verdict == word] for word in (BETTER, SAME)}
    if others[BETTER]:
        yield f"is {'faster' if fast else 'better'} than {listed(others[BETTER])}"
    if others[SAME]:
        yield f"does not differ from {listed(others[SAME])}"
    timed = [pair for pair in leads if pair.verdict == SOONER]
    for word, leader_is_sooner in (("sooner", True), ("later", False)):
        names = [pair.second for pair in timed if (pair.sooner == pair.first) == leader_is_sooner]
        if names:
            goal = f"reaches {problem.label} {problem.target:g} {word} than {listed(names)}"
            yield f"{goal} (test {problem.label} does not distinguish them)"
    unknown = [pair for pair in leads if pair.verdict == UNKNOWN]
    if unknown:
        yield f"cannot be distinguished from {listed([pair.second for pair in unknown])} ({_nearest(unknown)})"


def _nearest(unknown: Sequence[Pair]) -> str:
    """How many more seeds the pair nearest to a decision needs."""
    nearest = min(unknown, key=lambda pair: pair.more_seeds)
    against = f" against {nearest.second}" if len(unknown) > 1 else ""
    return f"{_needed(nearest.more_seeds)}{against}"
