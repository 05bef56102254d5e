"""A check on the tuning: an optimizer that includes another as a special case must not lose to it."""

from collections.abc import Sequence

import pandas as pd

from jaxmlp.compare.comparison import Comparison
from jaxmlp.compare.pairs import BETTER, Pair
from jaxmlp.compare.rulebook import listed

# Choi et al. 2019, "On Empirical Comparisons of Optimizers": the first is the second with some numbers fixed.
_INCLUSIONS = (
    ("gd", "momentum"),
    ("momentum", "rmsprop"),
    ("momentum", "adam"),
    ("gd", "nesterov"),
    ("nesterov", "nadam"),
)


def inclusion_table(comparison: Comparison, pairs: Sequence[Pair]) -> pd.DataFrame:
    """One row for each inclusion and problem on which both optimizers were tuned; `holds` unless the general one lost.

    A well-tuned general optimizer cannot lose, because it could equal the special one: a loss is evidence against
    the tuning, not for the optimizer.
    """
    # An optimizer with learning rates of its own is not searched as generally as the others.
    searched = [one for one in comparison.contestants if one.rate is None and one.rates is None]
    names = {one.family: one.name for one in searched if one.family is not None}
    table = {(pair.problem, pair.first, pair.second): pair for pair in pairs}
    rows = []
    for problem in comparison.problems:
        for special, general in _INCLUSIONS:
            ahead = table.get((problem.name, names.get(special, ""), names.get(general, "")))
            behind = table.get((problem.name, names.get(general, ""), names.get(special, "")))
            if ahead or behind:
                lost = ahead is not None and ahead.verdict == BETTER
                rows.append({"problem": problem.name, "special": special, "general": general, "holds": not lost})
    return pd.DataFrame(rows, columns=pd.Index(["problem", "special", "general", "holds"]))


def inclusion_lines(comparison: Comparison, pairs: Sequence[Pair]) -> list[str]:
    """The check in sentences."""
    lines = []
    table = inclusion_table(comparison, pairs)
    for special, general in _INCLUSIONS:
        rows = table[(table["special"] == special) & (table["general"] == general)]
        if rows.empty:
            continue
        lost = rows["problem"][~rows["holds"].astype(bool)].tolist()
        verdict = "holds" if not lost else f"is violated on {listed(lost)}"
        lines.append(f"{special} ⊆ {general} {verdict} ({len(rows)} {'problem' if len(rows) == 1 else 'problems'}).")
    if lines and comparison.protocol.tune == "learning_rate":
        lines.append("Only learning rates were tuned: a violation means that other hyperparameters need tuning too.")
    return lines
