"""The gallery: one page of all experiments, their questions, verdicts and figures, from the files that runs wrote."""

import json
import os
from pathlib import Path

from experiments.experiment import NAMES

MARKS = {True: "**yes**", False: "**no**", None: "**cannot tell**"}
HEAD = """# What the textbook says, measured

Every claim of a course on multi-layer perceptrons as an experiment: one file, one question, one figure, and a verdict
over many seeds that could have come out the other way. This page is written by `python -m experiments --all`;
`python -m experiments` lists the experiments, and `python -m experiments NAME` runs one.
"""


def write_gallery(folder, page):
    """Writes the page of the experiments whose results are in a folder."""
    done = [name for name in NAMES if (Path(folder) / f"{name}.json").exists()]
    Path(page).write_text("\n".join([HEAD, *(section(Path(folder), Path(page).parent, name) for name in done)]))


def section(folder, home, name):
    """One experiment's part of a page that lies in `home`."""
    record = json.loads((folder / f"{name}.json").read_text())
    place = Path(os.path.relpath(folder, home)).as_posix()
    lines = [f"## {name}", "", f"{record['question']} *({record['seconds']:.0f} s)*", ""]
    lines += [f"- {MARKS[row['holds']]}: {row['claim']} ({row['evidence']})" for row in record["verdicts"]]
    lines += [
        "",
        *(f"![{name}: {record['question']}]({place}/{file})" for file in record["figures"] if shown(file)),
        "",
    ]
    return "\n".join(lines)


def shown(file):
    """Whether a Markdown page can show it."""
    return file.endswith((".png", ".gif", ".svg"))
