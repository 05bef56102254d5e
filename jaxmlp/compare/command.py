"""`jaxmlp compare`: which optimizer is better on this data, and how sure is that?"""

import argparse
import json
import sys
import textwrap
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jaxmlp
from jaxmlp.compare.axes import SCHEDULES
from jaxmlp.compare.cluster import client_of
from jaxmlp.compare.comparison import checked_contestants, checked_problems, checked_protocol, compare
from jaxmlp.compare.contestants import OPTIMIZERS, split_outside_brackets
from jaxmlp.compare.errors import UserError
from jaxmlp.compare.escape import for_file_name
from jaxmlp.compare.files import exists
from jaxmlp.compare.findings import analyze
from jaxmlp.compare.problems import PROBLEMS, Problem, find_problem
from jaxmlp.compare.protocols import PROTOCOLS, Protocol
from jaxmlp.compare.reading import add_reading_options, reading_of
from jaxmlp.compare.report import write_report
from jaxmlp.compare.terminal import Follower, Screen, describe, show_findings

_OF_PROTOCOL = tuple(name for name in Protocol._fields if name != "name")
_OF_PROBLEM = {"epochs": "epochs", "batch_size": "batch_size", "target": "target_value"}
_OTHER_DATA = "iris, gates, moons, circles, spirals, mnist, fashion_mnist"


def _wrapped(names: Iterable[str]) -> str:
    """Names on indented lines."""
    return textwrap.fill(", ".join(names), 80, initial_indent="  ", subsequent_indent="  ")


_EPILOG = f"""\
optimizers:
{_wrapped(OPTIMIZERS)}
  momentum(decay=0.99)        with other arguments
  cautious(adamw)             around another, as are averaged(adam, decay=0.99),
                              swa(adam, 1000) and lookahead(adam)
  optax:lion                  from an installed module
  my_file.py:my_optimizer     your own function of a learning rate, which
                              returns a pair (init, update)
  adam@1e-3                   at this learning rate, not tuned
  lion@1e-5..1e-2             tuned between these learning rates
  tenth=adam@1e-4             under another name

problems:
{_wrapped(PROBLEMS)}
  {_OTHER_DATA}
                              other data of jaxmlp.load, with one hidden layer
  my_data.csv                 the last column is the target, or that of --target
  my_folder                   of four IDX files, such as MNIST
  my_file.py:my_problem       your own jaxmlp.compare.Problem, or a function
                              that returns one
  other=my_data.csv           under another name

protocols:
  standard                    a minute or so for a small problem
  deepobs                     Schneider, Balles & Hennig 2019, on one split
  algoperf                    the AlgoPerf benchmark: 3 studies of 5 random
                              trials, scored by the time to the target
  valley_untuned, valley_small, valley_medium, valley_large
                              Schmidt, Schneider & Hennig 2021: budgets of
                              random search; with --schedule and without

The report is written to a folder of its own for each set of problems and
protocol. An interrupted comparison resumes when the same command is run again.
"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="jaxmlp compare",
        description="Compare optimizers: split, tuned and run repeatedly; intervals and verdicts.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    optimizers = "gd,momentum,adagrad,rmsprop,adam"
    add = parser.add_argument_group("main options").add_argument
    add("--optimizers", default=optimizers, help="separated by commas; see below (default: %(default)s)")
    add("--problems", "--data", default="digits", help="separated by commas; see below (default: %(default)s)")
    add("--protocol", default="standard", help=f"the rules: {', '.join(PROTOCOLS)} (default: %(default)s)")
    repetitions = "how often split, tuning and fresh seeds are repeated"
    add("--repetitions", type=int, help=f"{repetitions} ({_defaults('repetitions')})")
    add("--out", type=Path, help="folder of the results (default: results/optimizers-PROBLEMS-PROTOCOL)")
    cluster = "run on Dask workers: those of the scheduler at this address, or `local` for one per core"
    add("--cluster", metavar="ADDRESS", help=f"{cluster} (default: in this process)")
    add("--list", action="store_true", help="list optimizers, problems and protocols, and exit")
    _add_protocol_options(parser)
    _add_problem_options(parser)
    add_reading_options(parser)
    return parser


def _add_protocol_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("changes to the protocol").add_argument
    add("--seeds", type=int, help=f"fresh seeds in each repetition ({_defaults('seeds')})")
    split = "whether each repetition splits the rows anew"
    add("--split", choices=("fresh", "fixed"), help=f"{split} ({_defaults('split')})")
    add("--seed", type=int, help=f"another number repeats all of it with other randomness ({_defaults('seed')})")
    add("--tuning-seeds", type=int, help=f"seeds per trial of the tuning ({_defaults('tuning_seeds')})")
    trials = "trials of the tuning: learning rates on a log grid, or random points"
    add("--trials", "--rates", type=int, help=f"{trials} ({_defaults('trials')})")
    add("--low", type=float, help=f"lowest learning rate ({_defaults('low')})")
    add("--high", type=float, help=f"highest learning rate ({_defaults('high')})")
    choice = "whether the tuning curve is smoothed before the best rate is chosen"
    add("--choice", choices=("smooth", "best"), help=f"{choice} ({_defaults('choice')})")
    add("--studies", type=int, help=f"tunings in each repetition, whose median counts ({_defaults('studies')})")
    add("--search", choices=("grid", "random"), help=f"how trials are placed ({_defaults('search')})")
    tune = "what is tuned with the learning rate: all of an optimizer's own numbers, or names such as "
    tune += "weight_decay,warmup,schedule,batch_size,hidden,b2; both imply --search random; nothing for the usual "
    tune += "learning rates"
    add("--tune", metavar="NAMES", help=f"{tune} ({_defaults('tune')})")
    add("--schedule", choices=SCHEDULES, help=f"of the learning rate ({_defaults('schedule')})")
    score = "what is compared: the test metric, or the epochs to the target"
    add("--score", choices=("metric", "time"), help=f"{score} ({_defaults('score')})")
    baseline = "test each of the others against this optimizer only, instead of all pairs"
    add("--baseline", metavar="NAME", help=f"{baseline} (default: all pairs)")
    margin = "no difference: within so many standard deviations of a score over repetitions"
    add("--margin", type=float, help=f"{margin} ({_defaults('margin')})")


def _add_problem_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("changes to all problems").add_argument
    own = "(default: the problem's own)"
    add(
        "--folder",
        help="of the IDX files of mnist and fashion_mnist (default: as jaxmlp.load finds them)",
    )
    add("--epochs", type=int, help="epochs of each run (default: the problem's own; 30 for your data)")
    add("--batch-size", type=int, help="rows per step (default: the problem's own; at most 64 for your data)")
    add("--hidden", help="widths of the hidden layers, such as 128,64, or none (default: the problem's own; 128)")
    add("--target-value", type=float, help=f"value of the metric to reach {own}")


def _defaults(field: str) -> str:
    """The values of a field in the protocols, as in a help text: that of `standard` first, then what differs."""
    others: dict[str, list[str]] = {}
    usual = _shown(getattr(PROTOCOLS["standard"], field))
    for name, protocol in PROTOCOLS.items():
        if (value := _shown(getattr(protocol, field))) != usual:
            others.setdefault(value, []).append(name)
    valley = [name for name in PROTOCOLS if name.startswith("valley_")]
    for names in others.values():
        if set(valley) <= set(names):
            names[:] = [*(name for name in names if name not in valley), "valley_*"]
    return "; ".join([f"default: {usual}", *(f"{value} in {', '.join(names)}" for value, names in others.items())])


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the comparison of a command line, writes the report, and shows tables and verdicts."""
    options, screen = make_parser().parse_args(arguments), Screen()
    if options.list:
        show_list(screen)
        return
    if options.cluster is None:
        jaxmlp.use_cpu_devices()
    try:
        run(options, screen)
    except UserError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Finished trials are saved; run the same command again to resume.")


def run(options: argparse.Namespace, screen: Screen) -> None:
    """The comparison of a command line."""
    protocol = checked_protocol(options.protocol, {name: getattr(options, name) for name in _OF_PROTOCOL})
    contestants = checked_contestants(options.optimizers, protocol)
    given = [options.problems] if exists(options.problems) else split_outside_brackets(options.problems)
    given = [source.strip() for source in given]
    reading = reading_of(options, given)
    problems = checked_problems([_problem_of(source, options, reading) for source in given])
    out = options.out or _default_folder(options, given, reading, problems, protocol)
    describe(screen, protocol, problems, contestants)
    with client_of(options.cluster) as executor, Follower(screen) as follow:
        comparison = compare(
            contestants, problems, protocol, directory=out / "studies", executor=executor, follow=follow
        )
    found = analyze(comparison)
    report = write_report(found, out)  # before anything is shown: no screen can lose it
    show_findings(screen, found)
    screen.say(f"Report: {report}; tables, figures and the raw data of every trial are in the same folder.")


def show_list(screen: Screen) -> None:
    """Shows what the command line accepts by name."""
    screen.say(f"Optimizers: {', '.join(OPTIMIZERS)}; optax:name; my_file.py:name")
    screen.say(f"Problems: {', '.join(PROBLEMS)}; data of jaxmlp.load: {_OTHER_DATA}; my_data.csv; my_file.py:name")
    screen.say(f"Protocols: {', '.join(PROTOCOLS)}")


def _problem_of(source: str, options: argparse.Namespace, reading: Mapping[str, Any]) -> Problem:
    """A problem with the budget and target of the command line."""
    problem = find_problem(source, options.folder, _hidden_of(options), reading)
    changes: dict[str, Any] = {name: getattr(options, option) for name, option in _OF_PROBLEM.items()}
    return problem._replace(**{name: value for name, value in changes.items() if value is not None})


def _hidden_of(options: argparse.Namespace) -> tuple[int, ...] | None:
    """The widths of hidden layers of the command line."""
    if options.hidden in (None, "none", ""):
        return None if options.hidden is None else ()
    try:
        return tuple(int(width) for width in options.hidden.split(","))
    except ValueError as error:
        raise UserError(f"--hidden must be whole numbers such as 128,64, or none, got {options.hidden!r}") from error


def _default_folder(
    options: argparse.Namespace,
    sources: Sequence[str],
    reading: Mapping[str, Any],
    problems: Sequence[Problem],
    protocol: Protocol,
) -> Path:
    """A folder that no other protocol, changed problem or equally named file shares."""
    changed = {name: getattr(options, name) for name in (*_OF_PROBLEM.values(), "hidden", "folder")}
    changed = {name: value for name, value in changed.items() if value is not None} | dict(reading)
    if protocol != PROTOCOLS.get(protocol.name):
        changed["protocol"] = protocol
    own = [str(Path(source).resolve()) for source in sources if source not in PROBLEMS]
    name = f"optimizers-{'-'.join(problem.name for problem in problems)}-{protocol.name}"
    if changed or own:
        name += f"-{zlib.crc32(json.dumps([changed, own], default=str).encode()):08x}"
    return Path("results") / for_file_name(name)
