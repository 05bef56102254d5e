"""What an experiment is: a module of `experiments.textbook` with a question and a function `run`."""

import dataclasses
import importlib
import inspect
import json
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from experiments.textbook import NAMES
from experiments.verdicts import Verdict


@dataclasses.dataclass
class Finding:
    """What a run found: verdicts, the numbers behind them (what JSON can hold), and figures by name.

    A figure is a Matplotlib figure, or bytes of a file whose name has its ending, such as an animation.
    """

    verdicts: list[Verdict]
    numbers: dict[str, Any]
    figures: dict[str, Any]


def module(name):
    return importlib.import_module(f"experiments.textbook.{name}")


def question(name):
    """The first line of the experiment's docstring."""
    return (module(name).__doc__ or "").split("\n")[0]


def run(name, folder, seeds=None, full=False):
    """Runs one experiment and writes its figures and its numbers.

    Args:
      name: one of `NAMES`.
      folder: where files go.
      seeds: how many; None: as many as the experiment takes by default.
      full: the published size, for experiments that are reduced by default.

    Returns:
      (finding, names of the figures' files, seconds).
    """
    function = module(name).run
    options = {} if seeds is None else {"seeds": seeds}
    if full and "full" in inspect.signature(function).parameters:
        options["full"] = True
    began = time.perf_counter()
    finding = function(**options)
    seconds = time.perf_counter() - began
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = [_save(folder, label, figure) for label, figure in finding.figures.items()]
    record = {
        "question": question(name),
        "options": options or "defaults",
        "seconds": round(seconds, 1),
        "verdicts": [verdict._asdict() for verdict in finding.verdicts],
        "figures": files,
        "numbers": finding.numbers,
    }
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1, default=_plain) + "\n")
    return finding, files, seconds


def _save(folder, label, figure):
    if isinstance(figure, bytes):
        (folder / label).write_bytes(figure)
        return label
    file = f"{label}.png"
    figure.savefig(folder / file, dpi=150)
    plt.close(figure)
    return file


def _plain(value):
    """Arrays and their numbers as JSON has them."""
    return value.tolist()


__all__ = ["NAMES", "Finding", "module", "question", "run"]
