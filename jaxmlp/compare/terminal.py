"""What a comparison shows on the terminal: its rules first, progress, tables and verdicts."""

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from rich import box
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from jaxmlp.compare.contestants import Contestant
from jaxmlp.compare.escape import for_terminal, printable
from jaxmlp.compare.findings import Findings
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol
from jaxmlp.compare.rulebook import counted, rules
from jaxmlp.compare.tables import notes, overall_rows, problem_rows

_SECONDS_BETWEEN_LINES = 30.0


class Screen:
    """The standard output, whose failures never end a comparison.

    A character that it cannot show is replaced; after a failed write, as to a closed pipe, nothing more is written.

    Attributes:
      console: the console of rich that writes to it.
    """

    def __init__(self) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
        self.console: Console = Console(highlight=False)
        self._broken = False

    def say(self, text: object, style: str = "") -> None:
        """Shows a line of text."""
        self.show(for_terminal(text, style))

    def show(self, *parts: RenderableType) -> None:
        """Shows tables or texts."""
        if self._broken:
            return
        try:
            # Text in a file is not broken into lines; a table always is.
            lines = all(isinstance(part, (str, Text)) for part in parts) and not self.console.is_terminal
            self.console.print(*parts, sep="", soft_wrap=lines)
            self.console.file.flush()
        except (OSError, ValueError):
            self._broken = True
            with contextlib.suppress(OSError, ValueError):  # else Python reports the same error when it exits
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Follower:
    """Progress: a bar for each optimizer and problem, or, if the output is redirected, a line now and then."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._tasks: dict[tuple[str, str], object] = {}
        self._last_line = time.monotonic()
        columns = TextColumn("{task.description}", markup=False), BarColumn()
        columns += TextColumn("{task.fields[text]}", markup=False), TimeElapsedColumn()
        self._bar = Progress(*columns, console=screen.console, disable=not screen.console.is_terminal)

    def __enter__(self) -> "Follower":
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def __call__(self, problem: Problem, contestant: Contestant, text: str, done: int, total: int) -> None:
        """Shows how many runs of an optimizer on a problem are done."""
        text = text if done < total else f"{total} runs"
        title = printable(f"{problem.name}: {contestant.name}")
        if not self._screen.console.is_terminal:
            if done >= total or time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
                self._last_line = time.monotonic()
                self._screen.say(f"{title}: {text}")
            return
        key = problem.name, contestant.name
        if key not in self._tasks:
            self._tasks[key] = self._bar.add_task(title, total=total, text="")
        self._bar.update(self._tasks[key], completed=done, text=text)  # pyright: ignore[reportArgumentType]


def describe(
    screen: Screen, protocol: Protocol, problems: Sequence[Problem], contestants: Sequence[Contestant]
) -> None:
    """Shows what is about to be compared, and by which rules."""
    for problem in problems:
        rows = " / ".join(f"{rows:,}" for rows in problem.rows)
        budget = f"{rows} rows for training, validation and testing; {problem.epochs} epochs"
        screen.show(for_terminal(problem.name, "bold"), for_terminal(f": {problem.about}; {budget}."))
    names = ", ".join(one.name for one in contestants)
    screen.say(f"Protocol {protocol.name}, for {names}:")
    for rule in rules(protocol, contestants):
        screen.show("  ", for_terminal(rule))


def show_findings(screen: Screen, found: Findings) -> None:
    """Shows tables and verdicts."""
    for problem in found.comparison.problems:
        screen.show(_table(found, problem))
        for note in notes(found, problem):
            screen.say(note)
        screen.say(found.verdicts[problem.name], "bold")
        screen.say(found.scopes[problem.name])
        screen.say("")
    headings, rows = overall_rows(found)
    for row in rows:
        cells = [f"{heading} {cell}" for heading, cell in zip(headings[1:], row[1:], strict=True)]
        screen.say(f"{row[0]}: {'; '.join(cells)}")
    for line in found.inclusions:
        screen.say(line)
    for outcome in found.comparison.troubles():
        where = for_terminal(f"on {outcome.problem}: {outcome.trouble}")
        screen.show(for_terminal(outcome.contestant, "bold"), " ", where)


def _table(found: Findings, problem: Problem) -> Table:
    """A problem's table without its wider columns."""
    headings, rows = problem_rows(found, problem)
    shown = [0, 1, 2, 4]
    protocol = found.comparison.protocol
    title = f"{problem.name}: {problem.about}; {counted(protocol.units, protocol.unit)}"
    table = Table(title=for_terminal(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    for place in shown:
        table.add_column(for_terminal(headings[place]), justify="left" if place == 0 else "right")
    for row in rows:
        if row[1]:  # an optimizer without a score is reported below the table
            rate, _, spread = row[1].partition(" (")  # the report has its range over repetitions
            row[1] = f"{rate} *" if spread.endswith("*") else rate
            table.add_row(*(for_terminal(row[place]) for place in shown))
    return table
