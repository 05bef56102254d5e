"""`jaxmlp suite`: which failure modes do optimizers pass?"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from jaxmlp.compare.contestants import OPTIMIZERS
from jaxmlp.compare.errors import UserError
from jaxmlp.compare.escape import for_terminal
from jaxmlp.compare.suite.catalog import TASKS
from jaxmlp.compare.suite.report import overall, write_suite_report
from jaxmlp.compare.suite.results import SuiteResult
from jaxmlp.compare.suite.running import run_suite
from jaxmlp.compare.terminal import Screen


def make_suite_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="jaxmlp suite",
        description="Run optimizers on many tiny tasks, each of which shows one way to fail.",
        epilog="Optimizers are named as in jaxmlp compare: adam, optax:lion, my_file.py:my_optimizer, adam@1e-3.",
    )
    add = parser.add_argument
    add("--optimizers", default=",".join(OPTIMIZERS), help="separated by commas (default: all built-in ones)")
    add("--seeds", type=int, default=20, help="fresh seeds per task (default: %(default)s)")
    add("--tuning-seeds", type=int, default=5, help="seeds per task and learning rate (default: %(default)s)")
    add("--rates", type=int, default=11, help="learning rates tried, on a log grid (default: %(default)s)")
    add("--low", type=float, default=1e-4, help="lowest learning rate (default: %(default)s)")
    add("--high", type=float, default=10.0, help="highest learning rate (default: %(default)s)")
    add("--out", type=Path, default=Path("results/suite"), help="folder of the results (default: %(default)s)")
    add("--list", action="store_true", help="list the tasks, and exit")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the suite of a command line, writes the report, and shows how much each optimizer passed."""
    options, screen = make_suite_parser().parse_args(arguments), Screen()
    if options.list:
        for task in TASKS:
            screen.say(f"{task.name}: {task.about} ({task.group})")
        return
    try:
        _run(options, screen)
    except UserError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted.")


def _run(options: argparse.Namespace, screen: Screen) -> None:
    if not 0 < options.low <= options.high:
        raise UserError(f"learning rates must rise from --low to --high, got {options.low:g} to {options.high:g}")
    result = run_suite(
        options.optimizers,
        seeds=options.seeds,
        tuning_seeds=options.tuning_seeds,
        rates=[float(rate) for rate in np.geomspace(options.low, options.high, max(options.rates, 0))],
        follow=lambda contestant: screen.say(f"{contestant.name}: {len(TASKS)} tasks"),
    )
    page = write_suite_report(result, options.out)
    screen.show(_table(result))
    for name, trouble in result.troubles.items():
        screen.say(f"{name} could not run: {trouble}")
    screen.say(f"Report: {page}; tables of all tasks are in the same folder.")


def _table(result: SuiteResult) -> Table:
    headings, rows = overall(result)
    table = Table(title=f"{len(result.tasks)} failure modes", title_justify="left")
    for place, heading in enumerate(headings):
        table.add_column(for_terminal(heading), justify="left" if place == 0 else "right")
    for row in rows:
        table.add_row(*map(for_terminal, row))
    return table
