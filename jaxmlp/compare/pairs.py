"""Is one optimizer better than another? Paired tests over repetitions, for the score and for the time to the target.

better         by the paired test of the score; then, and only then, its interval excludes 0
no difference  the results are identical, or the interval lies within the margin, a share of the spread over repetitions
sooner         the score does not distinguish them, but by the same test one reaches the target in fewer epochs
cannot tell    none of these: more repetitions are needed, and about how many

Both tests of all pairs of a problem (of those with the baseline, if there is one) are one family of Holm's procedure.
The chance that any "better" or "sooner" among them is false is therefore at most 5 %, however many optimizers are
compared and whichever of them do differ.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxmlp import statistics
from jaxmlp.compare.comparison import Comparison
from jaxmlp.compare.observations import oriented, resolution, speeds, times
from jaxmlp.compare.outcomes import Outcome
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol
from jaxmlp.compare.summary import ranked

LEVEL = 0.05
BETTER, SAME, SOONER, UNKNOWN = "better", "no difference", "sooner", "cannot tell"


class Pair(NamedTuple):
    """Two optimizers on a problem; `first` has the better mean, and differences are counted in its favor.

    Attributes:
      problem: the problem's name.
      first: the optimizer with the better mean.
      second: the other one.
      verdict: `better`, `no difference`, `sooner` or `cannot tell`.
      difference: mean difference of the scores, with an interval at the confidence below; it excludes 0 exactly if
        the p-value is below 0.05.
      confidence: of this interval: 95 % and more, the level at which Holm's procedure tests the score of the pair.
      margin: the difference within which the two do not differ.
      p_value: of the paired test, after Holm's correction for both tests of all these pairs of the problem.
      effect_size: of the paired differences.
      probability: that `first` beats `second` in a repetition of its own, with its 95 % interval.
      wins: repetitions (seeds, if there is only one) in which `first` is ahead.
      ties: those in which they are equal.
      losses: those in which `second` is ahead.
      more: about how many more of them would settle the order; NaN unless the verdict is `cannot tell`.
      new_rows: the difference with its 95 % interval for other rows from the same source, wider because splits of the
        same rows overlap; NaN limits if that is not what is compared.
      sooner: the name of the one proven to reach the target in fewer epochs, or "".
      sooner_p_value: of the paired test on 1 / epochs, after the same correction.
      epochs_first: median epochs of `first` to the target.
      epochs_second: median epochs of `second` to the target.
    """

    problem: str
    first: str
    second: str
    verdict: str
    difference: statistics.Interval
    confidence: float
    margin: float
    p_value: float
    effect_size: float
    probability: statistics.Interval
    wins: int
    ties: int
    losses: int
    more: float
    new_rows: statistics.Interval
    sooner: str = ""
    sooner_p_value: float = math.nan
    epochs_first: float = math.nan
    epochs_second: float = math.nan


def all_pairs(comparison: Comparison) -> list[Pair]:
    """Every pair of optimizers, or each with the baseline, on every problem; Holm's correction is over one problem."""
    return [
        pair
        for problem in comparison.problems
        for pair in pairs_of(problem, comparison.protocol, comparison.of(problem), ranked(comparison, problem))
    ]


def pairs_of(problem: Problem, protocol: Protocol, outcomes: dict[str, Outcome], names: list[str]) -> list[Pair]:
    """The pairs of the outcomes of a problem that the protocol tests; names are given best first."""
    scores = {name: oriented(problem, protocol, outcomes[name]) for name in names}
    speed = {name: speeds(protocol, outcomes[name]) for name in names}
    couples = [one for one in itertools.combinations(names, 2) if protocol.baseline in ("", *one)]
    digits = {name: resolution(problem, protocol, outcomes[name]) for name in names}
    samples = [(scores[first], scores[second], max(digits[first], digits[second])) for first, second in couples]
    if protocol.score != "time":  # else it is the same question
        samples += [(speed[first], speed[second], 1.0 / problem.epochs**2) for first, second in couples]
    tests = tested(samples)
    found = []
    for couple, sample, by_score, by_time in zip(couples, samples, tests, tests[-len(couples) :], strict=False):
        pair = _pair(problem, protocol, couple, sample, by_score)
        epochs = [float(np.median(times(protocol, outcomes[name]))) for name in couple]
        found.append(_timed(pair, by_time.test, *epochs))
    return found


def judged(difference: statistics.Interval, p_value: float, margin: float, identical: bool) -> str:
    """The verdict on a paired difference: by its corrected p-value and the interval that belongs to it."""
    if identical:
        return SAME
    if p_value < LEVEL:
        return BETTER
    return SAME if max(abs(difference.low), abs(difference.high)) < margin else UNKNOWN


def pairs_table(pairs: list[Pair]) -> pd.DataFrame:
    """The pairs as a DataFrame, with three columns per interval."""
    rows = []
    for pair in pairs:
        row = pair._asdict()
        for name in ("difference", "probability", "new_rows"):
            interval = row.pop(name)
            row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)


class Tested(NamedTuple):
    """A test within a family of tests.

    Attributes:
      test: the paired test, its p-value after Holm's correction, its interval at the confidence below.
      confidence: the level at which Holm's procedure tests it.
      family: the number of tests that the correction counts.
    """

    test: statistics.Paired
    confidence: float
    family: int


def tested(samples: list[tuple[np.ndarray, np.ndarray, float]]) -> list[Tested]:
    """A paired test for each (first, second, resolution), corrected for the number of them.

    Those with identical values cannot be significant whatever the signs of their differences, and do not count (Tarone
    1990, https://doi.org/10.2307/2531456). So nothing is lost if no run reaches the target.
    """
    counted = [not np.array_equal(first, second) for first, second, _ in samples]
    plain = [
        statistics.paired(first, second, resolution=least).p_value
        for (first, second, least), counts in zip(samples, counted, strict=True)
        if counts
    ]
    p_values, confidences = np.ones(len(samples)), np.full(len(samples), 1.0 - LEVEL)
    p_values[counted] = statistics.holm(plain)
    confidences[counted] = statistics.holm_confidence(plain, confidence=1 - LEVEL)
    found = []
    for (first, second, least), p_value, confidence in zip(samples, p_values, confidences, strict=True):
        test = statistics.paired(first, second, confidence=float(confidence), resolution=least)
        found.append(Tested(test._replace(p_value=float(p_value)), float(confidence), max(len(plain), 1)))
    return found


def _pair(
    problem: Problem,
    protocol: Protocol,
    names: tuple[str, str],
    sample: tuple[np.ndarray, np.ndarray, float],
    by_score: Tested,
) -> Pair:
    (first, second, least), (test, confidence, number) = sample, by_score
    margin = protocol.margin * math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 2)
    verdict = judged(test.difference, test.p_value, margin, bool(np.array_equal(first, second)))
    more = math.nan
    if verdict == UNKNOWN:  # as strict as Holm's correction is on the smallest of so many p-values
        needed = statistics.seeds_needed(first - second, confidence=1 - LEVEL / number)
        more = max(needed - len(first), 1.0)
    return Pair(
        problem=problem.name,
        first=names[0],
        second=names[1],
        verdict=verdict,
        difference=test.difference,
        confidence=confidence,
        margin=margin,
        p_value=test.p_value,
        effect_size=test.effect_size,
        probability=statistics.probability_of_improvement(first, second),
        wins=test.wins,
        ties=test.ties,
        losses=test.losses,
        more=more,
        new_rows=_for_new_rows(problem, protocol, first, second, least),
    )


def _for_new_rows(
    problem: Problem, protocol: Protocol, first: np.ndarray, second: np.ndarray, least: float
) -> statistics.Interval:
    """The difference for other rows from the same source, if the splits are random ones of the same rows."""
    nothing = statistics.Interval(float(np.mean(first - second)), math.nan, math.nan)
    if protocol.unit == "seed" or protocol.split == "fixed" or problem.draw is not None or problem.fixed_test:
        return nothing
    train, validation, test = problem.rows
    ratio = test / (train + validation * problem.refit)
    return statistics.paired(first, second, resolution=least, overlap=ratio).difference


def _timed(pair: Pair, timing: statistics.Paired, epochs_first: float, epochs_second: float) -> Pair:
    """The pair with the times to the target, which decide if the score does not."""
    sooner = ""
    if timing.p_value < LEVEL:
        sooner = pair.first if timing.difference.estimate > 0 else pair.second
    return pair._replace(
        verdict=SOONER if sooner and pair.verdict in (SAME, UNKNOWN) else pair.verdict,
        sooner=sooner,
        sooner_p_value=timing.p_value,
        epochs_first=epochs_first,
        epochs_second=epochs_second,
    )
