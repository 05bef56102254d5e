"""An experiment is a module of `experiments.textbook`: its docstring begins with a question, `run` answers it."""

import dataclasses
import importlib
import inspect
import json
import os
import platform
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

from experiments.figures import described, save
from experiments.textbook import NAMES
from experiments.verdicts import Verdict


@dataclasses.dataclass
class Finding:
    """The result of one experiment.

    Attributes:
      verdicts: claims judged over seeds.
      numbers: what the verdicts and figures rest on, as JSON can hold it (arrays included).
      figures: by name: a Matplotlib figure, or the bytes of a file if the name has an extension (an animation).
      timings: claims about run time, judged over repeated measurements: true of the processor that ran them only.
    """

    verdicts: list[Verdict]
    numbers: dict[str, Any]
    figures: dict[str, Any]
    timings: list[Verdict] = dataclasses.field(default_factory=list)


def module(name: str) -> ModuleType:
    """The experiment's module."""
    return importlib.import_module(f"experiments.textbook.{name}")


def question(name: str) -> str:
    """The first line of the experiment's docstring."""
    return (module(name).__doc__ or "").split("\n")[0]


def run(
    name: str, folder: str | Path, seeds: int | None = None, full: bool = False
) -> tuple[Finding, list[str], float]:
    """Runs one experiment and writes its figures and a JSON record.

    Args:
      name: one of `NAMES`.
      folder: where files are written; created if missing.
      seeds: number of seeds; None means the default of the experiment.
      full: run at the published size, for experiments that are reduced by default.

    Returns:
      (finding, names of the figure files, seconds of processor time, which other programs on a machine hardly change).
    """
    function = module(name).run
    options = {} if seeds is None else {"seeds": seeds}
    if full and "full" in inspect.signature(function).parameters:
        options["full"] = True
    began = time.process_time()
    finding = function(**options)
    seconds = time.process_time() - began
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = [_save(folder, label, figure) for label, figure in finding.figures.items()]
    shown = zip(files, finding.figures.values(), strict=True)
    record = {
        "question": question(name),
        "options": options or "defaults",
        "seconds": round(seconds, 1),
        "environment": environment(),
        "verdicts": [verdict._asdict() for verdict in finding.verdicts],
        **({"timings": [verdict._asdict() for verdict in finding.timings]} if finding.timings else {}),
        "figures": {file: "" if isinstance(figure, bytes) else described(figure) for file, figure in shown},
        "numbers": finding.numbers,
    }
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1, default=_plain) + "\n")
    return finding, files, seconds


def environment() -> dict[str, Any]:
    """The processor and the versions, which decide the last bits of the numbers and all of the durations."""
    versions = {"python": platform.python_version(), "jax": jax.__version__, "numpy": np.__version__}
    return {"processor": _processor(), "cores": os.cpu_count(), **versions}


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _save(folder, label, figure):
    if isinstance(figure, bytes):
        (folder / label).write_bytes(figure)
        return label
    save(figure, folder / f"{label}.png")
    return f"{label}.png"


def _plain(value):
    """Arrays and NumPy scalars as lists and numbers, for JSON."""
    return value.tolist()


__all__ = ["NAMES", "Finding", "environment", "module", "question", "run"]
