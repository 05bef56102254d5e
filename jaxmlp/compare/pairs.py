"""Is one optimizer better than another? Paired tests on common seeds, for the score and for the time to the target.

better         the paired test, corrected for the number of pairs (Holm), and the interval agree
no difference  the results are identical, or the interval lies within a fifth of the spread over seeds
sooner         the score does not distinguish them, but by the same test one reaches the target in fewer epochs
cannot tell    none of these: more seeds are needed, and about how many
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxmlp import statistics
from jaxmlp.compare.comparison import Comparison
from jaxmlp.compare.summary import oriented, ranked, speeds

_LEVEL = 0.05
# Cohen 1988: a fifth of a standard deviation is a small effect; two optimizers within it are equally good.
_NEGLIGIBLE = 0.2
BETTER, SAME, SOONER, UNKNOWN = "better", "no difference", "sooner", "cannot tell"


class Pair(NamedTuple):
    """Two optimizers on a problem; `first` has the better mean, and differences are counted in its favor.

    Attributes:
      problem: the problem's name.
      first: the optimizer with the better mean.
      second: the other one.
      verdict: `better`, `no difference`, `sooner` or `cannot tell`.
      difference: mean difference of the scores over common seeds, with its 95 % interval.
      p_value: of the paired test, after Holm's correction for the pairs of the problem.
      effect_size: of the paired differences.
      probability: that a run of `first` beats a run of `second`, with its 95 % interval.
      wins: seeds on which `first` is ahead.
      ties: seeds on which they are equal.
      losses: seeds on which `second` is ahead.
      more_seeds: about how many more seeds would settle the order; NaN unless the verdict is `cannot tell`.
      sooner: the name of the one proven to reach the target in fewer epochs, or "".
      sooner_p_value: of the paired test on 1 / epochs, corrected in the same way.
      epochs_first: median epochs of `first` to the target.
      epochs_second: median epochs of `second` to the target.
    """

    problem: str
    first: str
    second: str
    verdict: str
    difference: statistics.Interval
    p_value: float
    effect_size: float
    probability: statistics.Interval
    wins: int
    ties: int
    losses: int
    more_seeds: float
    sooner: str = ""
    sooner_p_value: float = math.nan
    epochs_first: float = math.nan
    epochs_second: float = math.nan


def all_pairs(comparison: Comparison) -> list[Pair]:
    """Every pair of optimizers on every problem.

    Holm's correction is over the pairs of a problem, separately for the score and for the time to the target.
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


def judged(first: np.ndarray, second: np.ndarray, difference: statistics.Interval, p_value: float) -> str:
    """The verdict on two arrays of scores, given their paired difference and its corrected p-value."""
    if np.array_equal(first, second):
        return SAME
    if p_value < _LEVEL and difference.low > 0:
        return BETTER
    spread = np.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 2)
    near = max(abs(difference.low), abs(difference.high)) < _NEGLIGIBLE * spread
    return SAME if near else UNKNOWN


def pairs_table(pairs: list[Pair]) -> pd.DataFrame:
    """The pairs as a DataFrame, with three columns per interval."""
    rows = []
    for pair in pairs:
        row = pair._asdict()
        for name in ("difference", "probability"):
            interval = row.pop(name)
            row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)


def _tested(values: dict[str, np.ndarray], couples: list[tuple[str, str]]) -> list[statistics.Paired]:
    """A paired test for each couple, with its p-value corrected for their number."""
    tests = [statistics.paired(values[first], values[second]) for first, second in couples]
    corrected = statistics.holm([test.p_value for test in tests]) if tests else []
    return [test._replace(p_value=float(p_value)) for test, p_value in zip(tests, corrected, strict=True)]


def _pair(
    problem: str, first: tuple[str, np.ndarray], second: tuple[str, np.ndarray], test: statistics.Paired, tests: int
) -> Pair:
    (name, scores), (other, others) = first, second
    verdict = judged(scores, others, test.difference, test.p_value)
    more = math.nan
    if verdict == UNKNOWN:  # as strict as Holm's correction is on the smallest of so many p-values
        seeds = statistics.seeds_needed(scores - others, confidence=1 - _LEVEL / tests)
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


def _timed(pair: Pair, timing: statistics.Paired, first: pd.Series, second: pd.Series) -> Pair:
    """The pair with the times to the target, which decide if the score does not."""
    faster = timing.p_value < _LEVEL and timing.difference.low > 0
    slower = timing.p_value < _LEVEL and timing.difference.high < 0
    sooner = pair.first if faster else pair.second if slower else ""
    return pair._replace(
        verdict=SOONER if sooner and pair.verdict in (SAME, UNKNOWN) else pair.verdict,
        sooner=sooner,
        sooner_p_value=timing.p_value,
        epochs_first=float(np.median(first)),
        epochs_second=float(np.median(second)),
    )
