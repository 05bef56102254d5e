"""`load_study`: the study of a directory."""

import os
from pathlib import Path

from jaxmlp.population.ended import ended_files, read_ended
from jaxmlp.population.plans import id_of, read_plans
from jaxmlp.population.study import Study
from jaxmlp.storage import DESCRIPTION, identity_of, read_description
from jaxmlp.types import Params


def load_study(directory: str | os.PathLike[str], like: Params = None) -> Study:
    """The study of a directory that `train_many` or `Study.save` wrote: the trials that all processes have finished.

    Args:
      directory: a path.
      like: params of the structure that the study's have, such as `learner.init(key)`; None for nested lists and dicts.

    Returns:
      A `Study`.

    Raises:
      FileNotFoundError: if there is no study. ValueError: for a damaged file, or one of another study.

    Example:
      >>> import tempfile, jaxmlp
      >>> def recipe(rate):
      ...     return jaxmlp.classifier((2, 4, 2), optimizer=jaxmlp.gd(rate))
      >>> data, directory = jaxmlp.load("moons"), tempfile.mkdtemp()
      >>> options = {"seeds": 3, "epochs": 2, "progress": False, "directory": directory}
      >>> study = jaxmlp.train_many(recipe, data, rate=[0.1], **options)
      >>> load_study(directory)
      Study(3 of 3 trials done)
    """
    path = Path(directory).expanduser()
    if not (path / DESCRIPTION).exists():
        raise FileNotFoundError(f"load_study: directory must hold a {DESCRIPTION}, got {directory}")
    shared, files = read_description(path), ended_files(path)  # before the plans: a trial is planned before it ends
    entries = read_plans(path, identity_of(shared))
    numbers: dict[str, int | None] = {id_of(entry): number for number, entry in enumerate(entries)}
    likes = None if like is None else dict.fromkeys(range(len(entries)), like)
    description = {**shared, "entries": entries, "trials": [entry["row"] for entry in entries]}
    return Study(description, read_ended(files, identity_of(shared), numbers, likes))
