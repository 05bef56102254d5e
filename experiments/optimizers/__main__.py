"""Which optimizer is better on this data set, and how sure is that?

    python -m experiments.optimizers --optimizers adam,my_file.py:my_optimizer,optax:lion --problems digits,wine

Optimizers: adam; momentum(decay=0.99); optax:lion; my_file.py:my_optimizer; adam@1e-3, not tuned but at this learning
rate; tenth=adam@1e-4, under another name. Problems: a name, data that jaxmlp.load knows, a CSV file, a folder of IDX
files, or my_file.py:my_problem. --list shows them all.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import jaxmlp
from experiments.optimizers.compare import checked_protocol, compare
from experiments.optimizers.contestants import OPTIMIZERS, parse_contestants, split_outside_brackets
from experiments.optimizers.errors import UserError
from experiments.optimizers.findings import findings
from experiments.optimizers.problems import PROBLEMS, find_problem
from experiments.optimizers.protocols import PROTOCOLS, rules
from experiments.optimizers.report import write_report
from experiments.optimizers.tables import notes, overall_rows, screen

OF_PROTOCOL = ("seeds", "tuning_seeds", "trials", "studies", "search", "tune", "score", "low", "high")
OF_PROBLEM = ("epochs", "batch_size", "target")


def parse(arguments=None):
    """The command line."""
    words = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(prog="python -m experiments.optimizers", description=words[0], epilog=words[2])
    add = parser.add_argument
    add("--optimizers", default="gd,momentum,adagrad,rmsprop,adam", help="separated by commas; see below")
    add("--problems", "--data", default="digits", help="separated by commas; see below (default: digits)")
    add("--folder", help="where the IDX files of mnist, fashion_mnist and their problems are")
    add("--protocol", default="standard", help=f"the rules: {', '.join(PROTOCOLS)} (default: standard)")
    add("--seeds", type=int, help="fresh seeds for the comparison")
    add("--tuning-seeds", type=int, help="seeds for each trial of the tuning")
    add("--trials", "--rates", type=int, help="trials of the tuning: learning rates on a log grid, or random points")
    add("--studies", type=int, help="independent repetitions of tuning and fresh runs")
    add("--search", choices=("grid", "random"), help="how trials are placed")
    add("--tune", choices=("learning_rate", "all"), help="what is tuned")
    add("--score", choices=("metric", "time"), help="what is compared: the test metric, or epochs to the target")
    add("--low", type=float, help="the least learning rate")
    add("--high", type=float, help="the greatest learning rate")
    add("--epochs", type=int, help="epochs of each run, for all problems")
    add("--batch-size", type=int, help="rows a step, for all problems")
    add("--hidden", help="widths of the hidden layers, such as 128,64, or none")
    add("--target", type=float, help="the value of the metric to reach")
    add(
        "--out",
        type=Path,
        help="where results are kept (default: results/optimizers-PROBLEMS)",
    )
    add("--list", action="store_true", help="list optimizers, problems and protocols, and leave")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Runs the comparison, shows tables and verdicts, and writes the report."""
    options, console = parse(arguments), Console()
    if options.list:
        listing(console)
        return
    jaxmlp.use_cpu_devices()
    try:
        run(options, console)
    except UserError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Finished trials are saved: the same command goes on from here.")


def run(options, console):
    """The comparison of the command line."""
    changes = {name: getattr(options, name) for name in OF_PROTOCOL}
    protocol = checked_protocol(options.protocol, changes)
    contestants = parse_contestants(options.optimizers)
    problems = [problem_of(source, options) for source in split_outside_brackets(options.problems)]
    out = options.out or Path("results") / f"optimizers-{'-'.join(problem.name for problem in problems)}"
    describe(console, protocol, problems, contestants)
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn()
    with Progress(*columns, console=console) as bar:
        follow = Follower(bar)
        comparison = compare(contestants, problems, protocol, directory=out / "studies", follow=follow)
    found = findings(comparison)
    show(console, found)
    report = write_report(found, out)
    console.print(f"\nReport: [bold]{report}[/bold]; tables, figures and every trial's raw data are beside it.")


def problem_of(source, options):
    """A problem with the budget and target of the command line."""
    if options.hidden in (None, "none", ""):
        hidden = None if options.hidden is None else ()
    else:
        try:
            hidden = tuple(int(width) for width in options.hidden.split(","))
        except ValueError as error:
            raise UserError(
                f"--hidden must be whole numbers such as 128,64, or none, got {options.hidden!r}"
            ) from error
    problem = find_problem(source.strip(), options.folder, hidden)
    changes = {name: getattr(options, name) for name in OF_PROBLEM if getattr(options, name) is not None}
    return problem._replace(**changes)


class Follower:
    """A bar for each optimizer on each problem."""

    def __init__(self, bar):
        self.bar = bar
        self.tasks = {}

    def __call__(self, problem, contestant, text, done, total):
        key = problem.name, contestant.name
        if key not in self.tasks:
            self.tasks[key] = self.bar.add_task(f"{problem.name}: {contestant.name}", total=total, text="")
        self.bar.update(self.tasks[key], completed=done, text=text if done < total else f"{total} runs")


def describe(console, protocol, problems, contestants):
    """What is going to happen, before it does."""
    for problem in problems:
        rows = " / ".join(f"{len(split.targets):,}" for split in problem.data)
        budget = f"{rows} rows to train, validate and test; {problem.epochs} epochs"
        console.print(f"[bold]{problem.name}[/bold]: {problem.about}; {budget}.")
    console.print(f"Protocol [bold]{protocol.name}[/bold], for {', '.join(one.name for one in contestants)}:")
    for rule in rules(protocol):
        console.print(f"  {rule}", highlight=False)


def show(console, found):
    """Tables and verdicts."""
    for problem in found.comparison.problems:
        console.print(screen(found, problem))
        for note in notes(found, problem):
            console.print(note, highlight=False)
        console.print(f"[bold]{found.verdicts[problem.name]}[/bold]\n", highlight=False)
    headings, rows = overall_rows(found)
    for row in rows:
        cells = [f"{heading} {cell}" for heading, cell in zip(headings[1:], row[1:], strict=True)]
        console.print(f"{row[0]}: {'; '.join(cells)}", highlight=False)
    for line in found.inclusions:
        console.print(line, highlight=False)
    for outcome in found.comparison.troubles():
        console.print(f"[bold]{outcome.contestant}[/bold] on {outcome.problem}: {outcome.trouble}", highlight=False)


def listing(console):
    """What can be named on the command line."""
    console.print(f"Optimizers: {', '.join(OPTIMIZERS)}; optax:name; my_file.py:name", highlight=False)
    console.print(f"Problems: {', '.join(PROBLEMS)}; data that jaxmlp.load knows; my_file.py:name", highlight=False)
    console.print(f"Protocols: {', '.join(PROTOCOLS)}", highlight=False)


if __name__ == "__main__":
    main()
