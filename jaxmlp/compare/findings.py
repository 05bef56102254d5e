"""What a comparison found, computed once for the screen, the tables and the report."""

from typing import NamedTuple

import pandas as pd

from jaxmlp.compare.comparison import Comparison
from jaxmlp.compare.inclusions import inclusion_lines
from jaxmlp.compare.pairs import Pair, all_pairs
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.rulebook import scope
from jaxmlp.compare.summary import budget_table, overall_table, summary_table
from jaxmlp.compare.verdicts import in_words, problem_verdict


class Findings(NamedTuple):
    """Numbers with intervals, and verdicts in words.

    Attributes:
      comparison: the comparison.
      summary: a DataFrame, one row per optimizer and problem.
      overall: a DataFrame, one row per optimizer over all problems; empty for a single problem.
      budget: a DataFrame, one row per optimizer and problem: how much seeds, tuning and split contribute to the spread.
      pairs: every pair of optimizers on every problem.
      verdicts: for each problem's name a verdict in words.
      scopes: for each problem's name a sentence that says what its verdict generalizes over.
      inclusions: the check of Choi et al. in sentences.
    """

    comparison: Comparison
    summary: pd.DataFrame
    overall: pd.DataFrame
    budget: pd.DataFrame
    pairs: list[Pair]
    verdicts: dict[str, str]
    scopes: dict[str, str]
    inclusions: list[str]

    def __repr__(self) -> str:
        """The verdicts: all fields together are pages."""
        return "\n".join(f"{name}: {verdict} {self.scopes[name]}" for name, verdict in self.verdicts.items())

    def sentences(self, problem: Problem) -> list[str]:
        """Every pair of a problem as a sentence."""
        protocol = self.comparison.protocol
        return [in_words(pair, problem, protocol) for pair in self.pairs if pair.problem == problem.name]


def analyze(comparison: Comparison) -> Findings:
    """Summarizes a comparison: means with intervals, paired tests, and verdicts.

    Args:
      comparison: from `compare`.

    Returns:
      `Findings`, for reading, or for `write_report`.

    Example:
      >>> from jaxmlp.compare import compare
      >>> found = analyze(compare("gd@0.01,adam@0.1", "moons", repetitions=6))
      >>> found.verdicts["moons"]
      'adam@0.1 has the best mean; it is better than gd@0.01.'
    """
    pairs = all_pairs(comparison)
    return Findings(
        comparison,
        summary_table(comparison),
        overall_table(comparison),
        budget_table(comparison),
        pairs,
        {problem.name: problem_verdict(comparison, problem, pairs) for problem in comparison.problems},
        {problem.name: scope(problem, comparison.protocol) for problem in comparison.problems},
        inclusion_lines(comparison, pairs),
    )
