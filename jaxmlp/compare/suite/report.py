"""What the suite found, as a page of Markdown and tables in CSV."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from jaxmlp.compare.escape import for_markdown, write_csv
from jaxmlp.compare.machine import environment
from jaxmlp.compare.suite.results import EACH, ONE, SuiteResult

_RULES = """\
A task is a loss of eight numbers that shows one way to fail. It is passed if the error, averaged over the last
100 of 1,000 steps, is at most the task's tolerance. Learning rates are chosen on tuning seeds and judged on fresh
ones: the best rate for each task, and the one rate that is best for all tasks together. Intervals are
Clopper-Pearson's at 95 %; for several tasks together they hold for the mean over these tasks and are on the safe side.

The eight numbers are a vector. Muon, Shampoo and SOAP act on matrices and follow their rules for vectors here, about
those of Nadam, AdaGrad and Adam with decays of 0.95: what they do for matrices is not seen.

Not every task can be passed within 1,000 steps by every method: those that follow the gradient alone do not get far
along a valley of condition number 1e6. Tasks are not weighted by how often their difficulty occurs in practice, and
none of them says anything about generalization. The idea is that of Schaul, Antonoglou & Silver 2013, *Unit Tests for
Stochastic Optimization*, https://arxiv.org/abs/1312.6055.
"""


def write_suite_report(result: SuiteResult, folder: str | Path) -> Path:
    """Writes README.md, passes.csv (by task) and groups.csv (by group of tasks) to a folder; returns the first."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(result.table(), folder / "passes.csv", float_format="%.4g")
    write_csv(result.groups(), folder / "groups.csv", float_format="%.4g")
    page = folder / "README.md"
    page.write_text("\n".join(_page(result)), encoding="utf-8")
    return page


def _page(result: SuiteResult) -> Iterable[str]:
    yield "# Failure modes: what each optimizer passes\n"
    yield _RULES
    where = environment()
    runs = next((len(one[EACH].passed) for one in result.passes.values()), 0)
    yield (
        f"{len(result.tasks)} tasks, {runs} fresh seeds each; {len(result.grid)} learning rates from "
        f"{min(result.grid):g} to {max(result.grid):g}. {result.seconds:.0f} s on {where['processor']}; "
        f"jaxmlp {where['jaxmlp']}, JAX {where['jax']}, {where['date']}.\n"
    )
    yield "## All tasks together\n"
    yield from markdown(*overall(result))
    yield "\n## By kind of difficulty\n\nPass rates in percent, with the best rate for each task.\n"
    yield from markdown(*_by_group(result))
    yield "\n## Task by task\n\nThe same; passes.csv has their intervals, and the pass rates with one rate for all.\n"
    yield from markdown(*_by_task(result))
    yield "\n## The tasks\n"
    rows = [[task.name, task.group, task.about, f"{task.tolerance:g}"] for task in result.tasks]
    yield from markdown(["task", "kind", "what it is", "tolerance"], rows)
    for name, trouble in result.troubles.items():
        yield f"\n{for_markdown(name)} could not run: {for_markdown(trouble)}"
    yield ""


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    is_rule = [place == 1 for place in range(len(lines))]
    return [
        "| " + " | ".join(cells if rule else map(for_markdown, cells)) + " |"
        for cells, rule in zip(lines, is_rule, strict=True)
    ]


def overall(result: SuiteResult) -> tuple[list[str], list[list[str]]]:
    """(headings, rows) of the table of all tasks together, best first."""
    found = result.groups()
    together = found[found["group"] == "all"].set_index(["optimizer", "tuning"]).sort_index()
    names = sorted(result.passes, key=lambda name: -together.loc[(name, EACH), "pass_rate"])
    rows = []
    for name in names:
        rates = [_with_interval(together.loc[(name, how)]) for how in (EACH, ONE)]
        rows.append([name, *rates, f"{result.passes[name][ONE].rates[0]:.3g}"])
    return ["optimizer", "passed, %: tuned for each task", "one rate for all", "that rate"], rows


def _with_interval(row: pd.Series) -> str:
    return f"{100 * row['pass_rate']:.0f} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"


def _by_group(result: SuiteResult) -> tuple[list[str], list[list[str]]]:
    found = result.groups()
    wide = found[found["tuning"] == EACH].pivot(index="optimizer", columns="group", values="pass_rate")
    groups = list(dict.fromkeys(task.group for task in result.tasks))
    rows = [[name, *(f"{100 * wide.loc[name, group]:.0f}" for group in groups)] for name in result.passes]
    return ["optimizer", *groups], rows


def _by_task(result: SuiteResult) -> tuple[list[str], list[list[str]]]:
    shares = {name: 100 * ways[EACH].passed.mean(axis=0) for name, ways in result.passes.items()}
    rows = [
        [task.name, *(f"{share[place]:.0f}" for share in shares.values())] for place, task in enumerate(result.tasks)
    ]
    return ["task", *shares], rows
