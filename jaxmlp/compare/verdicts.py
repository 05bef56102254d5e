"""Verdicts in words: a sentence for each pair of optimizers, and one for each problem."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from jaxmlp.compare.comparison import Comparison
from jaxmlp.compare.pairs import BETTER, SAME, SOONER, UNKNOWN, Pair
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol
from jaxmlp.compare.rulebook import counted, listed
from jaxmlp.compare.summary import ranked

# A difference that would take more repetitions than this has no practical meaning.
_OUT_OF_REACH = 10_000


def in_words(pair: Pair, problem: Problem, protocol: Protocol) -> str:
    """A pair as a sentence."""
    amount, unit = _amounts(problem, protocol)
    gap, where = pair.difference, f"{protocol.unit}s"
    inside = f"{100 * pair.confidence:.3g} % interval {amount(gap.low)} to {amount(gap.high)}{unit}"
    size = f"{amount(gap.estimate)}, {inside}" if math.isfinite(gap.low) else f"{amount(gap.estimate)}{unit} each time"
    every = pair.wins + pair.ties + pair.losses
    lost = f"{pair.losses} loss" + ("" if pair.losses == 1 else "es")
    tally = f"{counted(pair.wins, 'win')}, {counted(pair.ties, 'tie')}, {lost} in {every} {where}"
    if pair.verdict == BETTER:
        how = "is faster than" if protocol.score == "time" else "is better than"
        return f"{pair.first} {how} {pair.second}: by {size}; {_p_in_words(pair.p_value)}; {tally}.{_beyond(pair)}"
    if pair.verdict == SAME and pair.ties == every:
        return f"{pair.first} and {pair.second}: no difference (identical in all {every} {where})."
    by_score = f"no difference beyond {amount(pair.margin)[1:]}{unit} (difference {size})."
    if not math.isnan(pair.more):
        by_score = f"cannot tell (difference {size}); {_needed(pair.more, protocol)}."
    if pair.verdict == SOONER:
        return f"{_sooner_in_words(pair, problem)}. By test {problem.label}: {by_score}"
    return f"{pair.first} and {pair.second}: {by_score}"


def _beyond(pair: Pair) -> str:
    """A remark on a difference between splits of the same rows that need not hold for other rows."""
    if pair.new_rows.low > 0 or math.isnan(pair.new_rows.low):
        return ""
    return " On new rows from the same source the order may differ."


def problem_verdict(comparison: Comparison, problem: Problem, pairs: Sequence[Pair]) -> str:
    """Who leads on a problem, how the leader, or the baseline, fares against the others, and what is not settled."""
    order, protocol = ranked(comparison, problem), comparison.protocol
    if not order:
        return "No optimizer finished: there is nothing to compare."
    best = "is the fastest by the mean of 1 / epochs" if protocol.score == "time" else "has the best mean"
    opening = f"{order[0]} {best}" if len(order) > 1 else f"Only {order[0]} has a score: nothing to compare it with"
    subject = protocol.baseline or order[0]
    found = list(_findings(problem, protocol, subject, [pair for pair in pairs if pair.problem == problem.name]))
    if subject != order[0] and found:
        opening += f". {subject} {found.pop(0)}"
    reached = [np.isfinite(outcome.fresh["time"]).any() for outcome in comparison.of(problem).values()]
    target = "" if any(reached) else f" No run of any optimizer reached the target, {problem.goal}."
    return "; it ".join([opening, *found]) + f".{target}"


def _sooner_in_words(pair: Pair, problem: Problem) -> str:
    epochs = {pair.first: pair.epochs_first, pair.second: pair.epochs_second}
    later = pair.second if pair.sooner == pair.first else pair.first
    times = f"a median of {epochs[pair.sooner]:g} epochs against {epochs[later]:g}"
    p = _p_in_words(pair.sooner_p_value)
    return f"{pair.sooner} reaches {problem.label} {problem.goal} sooner than {later}: {times}; {p}"


def _p_in_words(p_value: float) -> str:
    return f"{f'p = {p_value:.2g}' if p_value >= 1e-4 else 'p < 0.0001'} after Holm's correction"


def _needed(more: float, protocol: Protocol) -> str:
    """How many more repetitions would settle an order, in words; two digits, for it estimates from estimates."""
    if more > _OUT_OF_REACH:
        return f"no practical number of {protocol.unit}s would settle the order"
    return f"about {counted(int(float(f'{more:.2g}')), f'more {protocol.unit}')} would settle the order"


def _amounts(problem: Problem, protocol: Protocol) -> tuple[Callable[[float], str], str]:
    """How a difference is written: a function of a number, and the unit."""
    if protocol.score == "time":
        return (lambda value: f"{value:+.3g}"), " in 1 / epochs to the target"
    if problem.in_percent:
        return (lambda value: f"{100 * value:+.2f}"), " percentage points"
    return (lambda value: f"{value:+.3g}"), f" in {problem.metric}"


def _findings(problem: Problem, protocol: Protocol, subject: str, pairs: Sequence[Pair]) -> Iterator[str]:
    """What the pairs of one optimizer show: a part of the sentence for each verdict."""
    ahead = {pair.second: pair for pair in pairs if pair.first == subject}
    behind = {pair.first: pair for pair in pairs if pair.second == subject}
    words = ("faster", "slower") if protocol.score == "time" else ("better", "worse")
    for word, those in zip(words, (ahead, behind), strict=True):
        if names := [name for name, pair in those.items() if pair.verdict == BETTER]:
            yield f"is {word} than {listed(names)}"
    others = behind | ahead
    if names := [name for name, pair in others.items() if pair.verdict == SAME]:
        yield f"does not differ from {listed(names)}"
    timed = {name: pair.sooner for name, pair in others.items() if pair.verdict == SOONER}
    for word, is_sooner in (("sooner", True), ("later", False)):
        if names := [name for name, sooner in timed.items() if (sooner == subject) == is_sooner]:
            goal = f"reaches {problem.label} {problem.goal} {word} than {listed(names)}"
            yield f"{goal} (test {problem.label} does not distinguish them)"
    unknown = {name: pair.more for name, pair in others.items() if pair.verdict == UNKNOWN}
    if unknown:
        yield f"cannot be distinguished from {listed(list(unknown))} ({_nearest(unknown, protocol)})"


def _nearest(unknown: Mapping[str, float], protocol: Protocol) -> str:
    """How many more repetitions the pair nearest to a decision needs."""
    nearest = min(unknown, key=lambda name: unknown[name])
    against = f" against {nearest}" if len(unknown) > 1 else ""
    return f"{_needed(unknown[nearest], protocol)}{against}"
