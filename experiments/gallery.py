"""The gallery: one page with the question, the verdicts and the figures of every experiment, from its files."""

import html
import json
import os
from pathlib import Path

from experiments.experiment import NAMES

_MARKS = {True: "**yes**", False: "**no**", None: "**cannot tell**"}
_WIDTH = 400  # pixels
_HEAD = """# What the textbook says, measured

Every claim of a course on multi-layer perceptrons as an experiment: one question, one file, its figures, and verdicts
over many seeds that could have come out the other way. Intervals are at 95 %. A verdict is **yes** if the whole
interval supports the claim, **no** if the whole interval contradicts it, and **cannot tell** otherwise.

Numbers repeat to the bit on one processor type and one JAX version. Timing claims hold for the machine of the run shown
here.

This page is written by `python -m experiments --all`. `python -m experiments` lists the experiments;
`python -m experiments NAME` runs one.

Beside the course: [a complete comparison](results/optimizers/README.md),
[the new optimizers on small networks](results/new_optimizers/README.md) (`python -m experiments.new_optimizers`),
[how optimizers fail](results/suite/README.md), and
[whether verdicts survive a rerun](results/reruns/README.md) (`python -m experiments.reruns`).
"""


def write_gallery(folder: str | Path, page: str | Path) -> None:
    """Writes the page.

    Args:
      folder: where the results are; experiments without results are left out.
      page: the Markdown file to write.
    """
    done = [name for name in NAMES if (Path(folder) / f"{name}.json").exists()]
    Path(page).write_text("\n".join([_HEAD, *(_section(Path(folder), Path(page).parent, name) for name in done)]))


def _section(folder, home, name):
    """The part of one experiment on a page in the folder `home`."""
    record = json.loads((folder / f"{name}.json").read_text())
    place = Path(os.path.relpath(folder, home)).as_posix()
    lines = [f"## {name}", "", f"{record['question']} *({_duration(record)})*", "", *_listed(record["verdicts"])]
    if "timings" in record:
        lines += ["", f"Run times on {_machine(record)}, which differ on other processors:", ""]
        lines += _listed(record["timings"])
    images = {file: said for file, said in record["figures"].items() if file.endswith((".png", ".gif", ".svg"))}
    shown = [_image(f"{place}/{file}", f"{name}: {said or record['question']}") for file, said in images.items()]
    return "\n".join([*lines, "", *shown, ""])


def _image(source, alt):
    """Two of them fit beside each other, and one on a phone."""
    return f'<img src="{source}" alt="{html.escape(alt)}" width="{_WIDTH}">'


def _listed(verdicts):
    return [f"- {_MARKS[row['holds']]}: {row['claim']} ({row['evidence']})" for row in verdicts]


def _duration(record):
    machine = f" on {_machine(record)}" if "environment" in record else ""
    return f"{record['seconds']:.0f} s of processor time{machine}"


def _machine(record):
    where = record["environment"]
    return f"{where['processor']}, {where['cores']} cores, JAX {where['jax']}"
