"""The claims of the course, measured.

python -m experiments                 lists the experiments
python -m experiments NAME            runs one and writes its figures and its numbers
python -m experiments --all           runs all of them and writes the gallery
jaxmlp compare                        compares optimizers: which one is better, and how sure that is
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import jaxmlp
from experiments.experiment import NAMES, question, run
from experiments.gallery import write_gallery

_MARKS = {True: "[green]yes[/green]        ", False: "[red]NO[/red]         ", None: "[yellow]cannot tell[/yellow]"}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options, checked."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments to run; without a name they are listed")
    parser.add_argument("--all", action="store_true", help="run all of them and write the gallery")
    parser.add_argument("--seeds", type=int, help="number of seeds, at least 2 (default: depends on the experiment)")
    parser.add_argument("--full", action="store_true", help="run at the published size if the default is reduced")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder to write to (default: results)")
    parser.add_argument("--gallery", type=Path, help="page that --all writes (default: README.md in the folder)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"NAME must be one of {', '.join(NAMES)}, got {', '.join(unknown)}")
    if options.seeds is not None and options.seeds < 2:
        parser.error(f"--seeds must be at least 2, got {options.seeds}")
    options.gallery = options.gallery or options.out / "README.md"
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Lists experiments or runs them."""
    options = parse(arguments)
    console = Console(highlight=False)
    names = NAMES if options.all else options.names
    if not names:
        _show_list(console)
        return
    jaxmlp.use_cpu_devices()
    for name in names:
        console.print(f"[bold]{name}[/bold]  {question(name)}")
        finding, files, seconds = run(name, options.out, options.seeds, options.full)
        for verdict in [*finding.verdicts, *finding.timings]:
            console.print(f"  {_MARKS[verdict.holds]}  {verdict.claim}", f"[dim]({verdict.evidence})[/dim]")
        console.print(f"  {seconds:.0f} s of processor time; {', '.join(str(options.out / file) for file in files)}\n")
    if options.all:
        write_gallery(options.out, options.gallery)
        console.print(f"The gallery: {options.gallery}")


def _show_list(console):
    table = Table("name", "question", box=None, header_style="bold")
    for name in NAMES:
        table.add_row(name, question(name))
    console.print(table)


if __name__ == "__main__":
    main()
