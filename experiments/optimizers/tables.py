"""The tables of a comparison: on the screen, in Markdown, in CSV, and with every trial's raw data."""

import json

import numpy as np
import pandas as pd
from rich.table import Table

from experiments.optimizers.protocols import rules
from experiments.optimizers.verdicts import pairs_table


def problem_rows(found, problem):
    """(headings, rows) of a problem's table, all of it text, best first."""
    unit = ", %" if problem.metric == "accuracy" else ""
    headings = ["optimizer", "learning rate", f"test {problem.label}{unit} (95 % interval)", "IQM"]
    headings += [f"epochs to {problem.target:g}", "reached", "diverged", "good rates, decades", "s a run"]
    table = found.summary[found.summary["problem"] == problem.name]
    return headings, [_texts(problem, row) for row in table.to_dict("records")]


def _texts(problem, row):
    if row["trouble"]:
        return [row["optimizer"], "", row["trouble"], "", "", "", "", "", ""]
    edge = " *" if row["rate_at_the_edge"] else ""
    at_least = "≥ " if row["decades_open"] else ""
    decades = "" if np.isnan(row["decades"]) else f"{at_least}{row['decades']:.1f}"
    return [
        row["optimizer"],
        f"{row['learning_rate']:.3g}{edge}",
        _interval(row, "mean", problem.written),
        _interval(row, "iqm", problem.written),
        _epochs(row),
        f"{row['reached_target']:.0f} of {row['runs']:.0f}",
        f"{row['diverged']:.0f}",
        decades,
        f"{row['seconds_a_run']:.2g}",
    ]


def _interval(row, name, written):
    return f"{written(row[name])} ({written(row[f'{name}_low'])} to {written(row[f'{name}_high'])})"


def _epochs(row):
    if np.isinf(row["epochs_to_target"]):
        return "not reached"
    ends = [f"{row[name]:.1f}" if np.isfinite(row[name]) else "∞" for name in ("epochs_low", "epochs_high")]
    return f"{row['epochs_to_target']:g} ({ends[0]} to {ends[1]})"


def notes(found, problem):
    """What a reader of a problem's table must know."""
    table = found.summary
    rows = table[(table["problem"] == problem.name) & (table["trouble"] == "")]
    lines = [f"Epochs to {problem.target:g} are medians over runs, on {problem.curves_on} rows."]
    if len(rows) and rows["rate_at_the_edge"].astype(bool).any():
        lines.append("* The best rate lies at the edge of the grid: a wider grid may serve this optimizer better.")
    if len(rows) and rows["diverged"].sum():
        kept = "what they had learned until then" if problem.keep == "best" else "an untrained start"
        lines.append(f"{int(rows['diverged'].sum())} fresh runs diverged; they count as {kept}.")
    return lines


def overall_rows(found):
    """(headings, rows) over all problems; no rows for a single one."""
    rows = []
    for row in found.overall.to_dict("records"):
        iqm = "no score on some problem" if np.isnan(row["iqm"]) else _interval(row, "iqm", "{:.3f}".format)
        reached = f"{row['targets_reached']} of {len(found.comparison.problems)}"
        rows.append([row["optimizer"], f"{row['profile_score']:.3g}", iqm, reached])
    return ["optimizer", "profile score", "IQM of normalised scores", "targets reached"], rows


def screen(found, problem):
    """A problem's table for the terminal."""
    headings, rows = problem_rows(found, problem)
    shown = [0, 1, 2, 4, 8]
    runs = found.comparison.protocol.runs
    table = Table(title=f"{problem.name}: {problem.about}; {runs} fresh runs each", title_justify="left")
    for place in shown:
        table.add_column(headings[place], justify="left" if place == 0 else "right")
    for row in rows:
        if row[1]:  # what has no score is told below the table
            table.add_row(*(row[place] for place in shown))
    return table


def markdown(found):
    """All of the tables and verdicts as Markdown."""
    comparison = found.comparison
    parts = ["# Optimizers compared", "", *(f"- **{name}**: {text}" for name, text in found.verdicts.items())]
    parts += ["", "## Protocol", "", *(f"- {rule}" for rule in rules(comparison.protocol))]
    for problem in comparison.problems:
        parts += ["", f"## {problem.name}", "", f"{problem.about}.", "", *_markdown(*problem_rows(found, problem)), ""]
        parts += ["\n\n".join(notes(found, problem)), "", *(f"- {text}" for text in found.sentences(problem))]
    headings, rows = overall_rows(found)
    parts += ["", "## Over all problems", "", *_markdown(headings, rows)] if rows else []
    parts += ["", "## Inclusions", "", *(f"- {line}" for line in found.inclusions)] if found.inclusions else []
    parts += ["", "## Environment", "", *(f"- {name}: {value}" for name, value in comparison.environment.items())]
    return "\n".join(parts) + "\n"


def _markdown(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]


def write_tables(found, folder):
    """summary.csv, pairs.csv, overall.csv, trials.csv, curves.csv, protocol.json and report.md."""
    comparison = found.comparison
    found.summary.to_csv(folder / "summary.csv", index=False)
    pairs_table(found.pairs).to_csv(folder / "pairs.csv", index=False)
    trials(comparison).to_csv(folder / "trials.csv", index=False)
    curves(comparison).to_csv(folder / "curves.csv", index=False, float_format="%.6g")
    if len(comparison.problems) > 1:
        found.overall.to_csv(folder / "overall.csv", index=False)
    (folder / "report.md").write_text(markdown(found), encoding="utf-8")
    protocol = {
        "protocol": comparison.protocol._asdict(),
        "rules": rules(comparison.protocol),
        "problems": {problem.name: _described(problem) for problem in comparison.problems},
        "optimizers": [contestant.name for contestant in comparison.contestants],
        "environment": comparison.environment,
        "seconds": comparison.seconds,
    }
    (folder / "protocol.json").write_text(json.dumps(protocol, indent=1) + "\n", encoding="utf-8")


def _described(problem):
    numbers = ("about", "epochs", "batch_size", "metric", "mode", "target", "tuned_on", "keep", "refit")
    rows = [len(split.targets) for split in problem.data]
    return {name: getattr(problem, name) for name in numbers} | {"rows": rows}


def trials(comparison):
    """Every trial of tuning and of the fresh runs, as a DataFrame."""
    parts = [
        table.assign(problem=outcome.problem, optimizer=outcome.contestant, stage=stage)
        for outcome in comparison.outcomes.values()
        for stage, table in (("tuning", outcome.tuning), ("fresh", outcome.fresh))
        if table is not None and len(table)
    ]
    if not parts:
        return pd.DataFrame()
    together = pd.concat(parts, ignore_index=True)
    first = ["problem", "optimizer", "stage", "study", "seed"]
    return together[[*first, *(name for name in together.columns if name not in first)]]


def curves(comparison):
    """Every learning curve of the fresh runs: a row for each run and curve, a column for each epoch."""
    parts = []
    for outcome in comparison.outcomes.values():
        for name, table in (outcome.curves or {}).items():
            numbered = table.set_axis(range(1, table.shape[1] + 1), axis=1)
            numbered.insert(0, "run", range(len(numbered)))
            for column, value in (("curve", name), ("optimizer", outcome.contestant), ("problem", outcome.problem)):
                numbered.insert(0, column, value)
            parts.append(numbered)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
