"""The tables of a comparison as text, in Markdown, in CSV, and with the raw data of every trial."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxmlp.compare.escape import for_markdown, write_csv, write_json
from jaxmlp.compare.findings import Findings
from jaxmlp.compare.pairs import pairs_table
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.rulebook import rules


def problem_rows(found: Findings, problem: Problem) -> tuple[list[str], list[list[str]]]:
    """(headings, rows) of a problem's table as text, best first."""
    unit = ", %" if problem.in_percent else ""
    headings = ["optimizer", "learning rate", f"test {problem.label}{unit} (95 % interval)", "IQM"]
    headings += [f"epochs to {problem.goal}", "reached", "diverged", "good rates, decades", "s per run"]
    return headings, [_texts(problem, row) for row in _rows_of(found, problem)]


def notes(found: Findings, problem: Problem) -> list[str]:
    """What a reader of a problem's table must know."""
    rows = [row for row in _rows_of(found, problem) if not row["trouble"]]
    protocol = found.comparison.protocol
    lines = [f"Epochs to {problem.goal} are medians over {protocol.unit}s, on {problem.curves_on} rows."]
    edge = [(row["optimizer"], round(row["at_the_edge"] * protocol.repetitions)) for row in rows if row["at_the_edge"]]
    if edge:
        often = ", ".join(f"{name} ({times} of {protocol.repetitions})" for name, times in edge)
        lines.append(f"* Chosen at the edge of the grid: {often}; a wider grid may suit these optimizers better.")
    diverged = sum(int(row["diverged"]) for row in rows)
    if diverged:
        kept = "what they had learned until then" if problem.keep == "best" else "an untrained network"
        lines.append(f"{diverged} fresh runs diverged; they count as {kept}.")
    reused = [f"{row['optimizer']} ({row['reused']:.0f})" for row in rows if row["reused"]]
    if reused:
        lines.append(f"Runs reused from an earlier call, tuning included: {', '.join(reused)}.")
    return lines


def overall_rows(found: Findings) -> tuple[list[str], list[list[str]]]:
    """(headings, rows) over all problems; no rows for a single problem."""
    rows = []
    for row in found.overall.to_dict("records"):
        iqm = "no score on some problem" if np.isnan(row["iqm"]) else _interval(row, "iqm", "{:.3f}".format)
        reached = f"{row['targets_reached']} of {len(found.comparison.problems)}"
        rows.append([row["optimizer"], f"{row['profile_score']:.3g}", iqm, reached])
    return ["optimizer", "profile score", "IQM of normalized scores", "targets reached"], rows


def markdown(found: Findings) -> str:
    """All tables and verdicts as Markdown."""
    comparison, text = found.comparison, for_markdown
    answers = {name: f"{verdict} {found.scopes[name]}" for name, verdict in found.verdicts.items()}
    parts = ["# Optimizers compared", "", *(f"- **{text(name)}**: {text(answer)}" for name, answer in answers.items())]
    parts += ["", "## Protocol", "", *_bullets(rules(comparison.protocol, comparison.contestants))]
    for problem in comparison.problems:
        parts += ["", f"## {text(problem.name)}", "", f"{text(problem.about)}.", ""]
        parts += [*_markdown_table(*problem_rows(found, problem)), ""]
        parts += ["\n\n".join(map(text, notes(found, problem))), "", *_bullets(found.sentences(problem))]
    headings, rows = overall_rows(found)
    parts += ["", "## Over all problems", "", *_markdown_table(headings, rows)] if rows else []
    parts += ["", "## Inclusions", "", *_bullets(found.inclusions)] if found.inclusions else []
    environment = [f"{name}: {value}" for name, value in comparison.environment.items()]
    return "\n".join([*parts, "", "## Environment", "", *_bullets(environment)]) + "\n"


def write_tables(found: Findings, folder: Path) -> None:
    """Writes summary.csv, pairs.csv, budget.csv, overall.csv, trials.csv, curves.csv, protocol.json and report.md."""
    comparison = found.comparison
    write_csv(found.summary, folder / "summary.csv")
    write_csv(pairs_table(found.pairs), folder / "pairs.csv")
    if len(found.budget):
        write_csv(found.budget, folder / "budget.csv")
    write_csv(_trials(found), folder / "trials.csv")
    write_csv(_curves(found), folder / "curves.csv", float_format="%.6g")
    if len(comparison.problems) > 1:
        write_csv(found.overall, folder / "overall.csv")
    (folder / "report.md").write_text(markdown(found), encoding="utf-8")
    protocol = {
        "protocol": comparison.protocol._asdict(),
        "rules": rules(comparison.protocol, comparison.contestants),
        "problems": {problem.name: _described(problem) for problem in comparison.problems},
        "scopes": found.scopes,
        "units": "here and in the CSV files accuracies and targets are fractions; the report has them in percent",
        "optimizers": [contestant.name for contestant in comparison.contestants],
        "environment": comparison.environment,
        "seconds": comparison.seconds,
    }
    write_json(protocol, folder / "protocol.json")


def _rows_of(found: Findings, problem: Problem) -> list[dict[str, Any]]:
    """The rows of the summary on a problem."""
    return [row for row in found.summary.to_dict("records") if row["problem"] == problem.name]


def _texts(problem: Problem, row: dict[str, Any]) -> list[str]:
    if row["trouble"]:
        return [row["optimizer"], "", row["trouble"], "", "", "", "", "", ""]
    edge = " *" if row["at_the_edge"] else ""
    rates = [f"{row[name]:.2g}" for name in ("learning_rate", "learning_rate_low", "learning_rate_high")]
    rate = rates[0] if len(set(rates)) == 1 else f"{rates[0]} ({rates[1]} to {rates[2]})"
    at_least = "≥ " if row["decades_open"] else ""
    decades = "" if np.isnan(row["decades"]) else f"{at_least}{row['decades']:.1f}"
    return [
        row["optimizer"],
        f"{rate}{edge}",
        _interval(row, "mean", problem.written),
        _interval(row, "iqm", problem.written),
        _epochs(row),
        f"{row['reached_target']:.0f} of {row['runs']:.0f}",
        f"{row['diverged']:.0f}",
        decades,
        "" if np.isnan(row["seconds_a_run"]) else f"{row['seconds_a_run']:.2g}",
    ]


def _interval(row: dict[str, Any], name: str, written: Callable[[float], str]) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if np.isnan(low) or np.isnan(high):
        return f"{written(row[name])} (too few runs)"
    return f"{written(row[name])} ({written(low)} to {written(high)})"


def _epochs(row: dict[str, Any]) -> str:
    if np.isinf(row["epochs_to_target"]):
        return "not reached"
    ends = [f"{row[name]:.3g}" if np.isfinite(row[name]) else "∞" for name in ("epochs_low", "epochs_high")]
    return f"{row['epochs_to_target']:.3g} ({ends[0]} to {ends[1]})"


def _bullets(lines: Sequence[str]) -> list[str]:
    return [f"- {for_markdown(line)}" for line in lines]


def _markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [[for_markdown(cell) for cell in line] for line in (headings, *rows)]
    lines.insert(1, ["---"] * len(headings))
    return ["| " + " | ".join(line) + " |" for line in lines]


def _described(problem: Problem) -> dict[str, Any]:
    names = ("about", "epochs", "batch_size", "metric", "mode", "target", "tuned_on", "keep", "refit", "order")
    return {name: getattr(problem, name) for name in (*names, "fixed_test", "rows")}


def _trials(found: Findings) -> pd.DataFrame:
    """Every trial of tuning, every fresh run, and the further runs of the variance budget."""
    parts = [
        table.assign(problem=outcome.problem, optimizer=outcome.contestant, stage=stage)
        for outcome in found.comparison.outcomes.values()
        for stage, table in (("tuning", outcome.tuning), ("fresh", outcome.fresh), ("crossed", outcome.crossed))
        if table is not None and len(table)
    ]
    if not parts:
        return pd.DataFrame()
    together = pd.concat(parts, ignore_index=True)
    first = ["problem", "optimizer", "stage", "repetition", "study", "seed"]
    return together.reindex(columns=[*first, *(name for name in together.columns if name not in first)])


def _curves(found: Findings) -> pd.DataFrame:
    """Every learning curve of the fresh runs: a row for each run and curve, a column for each epoch."""
    parts = []
    for outcome in found.comparison.outcomes.values():
        for name, table in (outcome.curves or {}).items():
            numbered = table.set_axis(range(1, table.shape[1] + 1), axis=1)
            numbered.insert(0, "run", range(len(numbered)))
            for column, value in (("curve", name), ("optimizer", outcome.contestant), ("problem", outcome.problem)):
                numbered.insert(0, column, value)
            parts.append(numbered)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
