"""The command line: `jaxmlp compare ...` and `jaxmlp suite ...`, or `python -m jaxmlp compare ...`."""

import argparse
import sys
from collections.abc import Sequence

import jaxmlp


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command.

    Args:
      arguments: such as `["compare", "--list"]`; None: those of this process.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] in (["compare"], ["suite"]):
        _run(arguments[0], arguments[1:])
        return
    parser = argparse.ArgumentParser(
        prog="jaxmlp",
        description="Multi-layer perceptrons in JAX: thousands of trainings at once.",
        epilog="jaxmlp COMMAND --help describes a command and its defaults.",
    )
    parser.add_argument("--version", action="version", version=f"jaxmlp {jaxmlp.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    commands.add_parser("compare", help="compare optimizers on data: verdicts with intervals, and a report")
    commands.add_parser("suite", help="run optimizers on many tiny tasks that show how optimizers fail")
    parser.parse_args(arguments)
    parser.print_help()


def _run(name: str, arguments: Sequence[str]) -> None:
    """A command, which needs more than the core."""
    try:
        from jaxmlp.compare import command
        from jaxmlp.compare.suite import suite_command
    except ImportError as error:
        sys.exit(f"{error}")
    {"compare": command, "suite": suite_command}[name].main(arguments)


if __name__ == "__main__":
    main()
