"""What a comparison found, computed once for the screen, the tables and the report."""

from typing import Any, NamedTuple

from experiments.optimizers.compare import Comparison
from experiments.optimizers.summary import overall, summary
from experiments.optimizers.verdicts import in_words, inclusion_lines, pairs, verdicts


class Findings(NamedTuple):
    """Numbers with intervals, and words.

    - `summary`: a DataFrame, a row for each optimizer on each problem; `overall`: one over all problems.
    - `pairs`: a list of `Pair`s; `verdicts`: a dict from a problem's name to sentences.
    - `inclusions`: sentences on Choi et al.'s check.
    """

    comparison: Comparison
    summary: Any
    overall: Any
    pairs: list[Any]
    verdicts: dict[str, str]
    inclusions: list[str]

    def sentences(self, problem):
        """Every pair of a problem as a sentence."""
        protocol = self.comparison.protocol
        return [in_words(pair, problem, protocol) for pair in self.pairs if pair.problem == problem.name]


def findings(comparison):
    """The findings of a comparison."""
    every = pairs(comparison)
    return Findings(
        comparison,
        summary(comparison),
        overall(comparison),
        every,
        verdicts(comparison, every),
        inclusion_lines(comparison, every),
    )
