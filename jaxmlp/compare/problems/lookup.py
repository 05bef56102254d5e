"""A problem by its name, by data that jaxmlp.load reads, or from a user's file."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from jaxmlp.compare.errors import UserError
from jaxmlp.compare.files import exists, from_file, is_in_file, short
from jaxmlp.compare.problems.autoencoders import digits_autoencoder, fmnist_autoencoder
from jaxmlp.compare.problems.conditioning import ill_conditioned, noisy_quadratic
from jaxmlp.compare.problems.networks import NETWORKS, any_data
from jaxmlp.compare.problems.obstacles import deep_narrow, wrong_labels
from jaxmlp.compare.problems.problem import Problem
from jaxmlp.compare.problems.quadratic import quadratic_deep
from jaxmlp.compare.problems.rarities import rare_classes, rare_words
from jaxmlp.compare.problems.surfaces import SURFACES, surface

ProblemLike: TypeAlias = Problem | str | Path
"""A Problem, or what `find_problem` makes one of."""

PROBLEMS: dict[str, Callable[..., Problem]] = {
    **NETWORKS,
    "quadratic_deep": quadratic_deep,
    **{name: partial(surface, name, *parts) for name, parts in SURFACES.items()},
    "digits_autoencoder": digits_autoencoder,
    "fmnist_autoencoder": fmnist_autoencoder,
    "deep_narrow": deep_narrow,
    "wrong_labels": wrong_labels,
    "rare_words": rare_words,
    "rare_classes": rare_classes,
    "ill_conditioned": ill_conditioned,
    "noisy_quadratic": noisy_quadratic,
}
_NAMED = re.compile(r"(?P<name>[^=/\\]+)=(?P<source>.+)", re.DOTALL)


def find_problem(
    source: ProblemLike,
    folder: str | Path | None = None,
    hidden: Sequence[int] | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Problem:
    """The problem that a name, path or text stands for.

    Args:
      source: a Problem; a name in `PROBLEMS`; `my_file.py:name`; a name that `jaxmlp.load` knows, a CSV file or a
        folder of IDX files, on which a network with one hidden layer is trained; `name=` before any of these texts
        gives the problem another name.
      folder: where the IDX files of MNIST and similar sets are.
      hidden: widths of the hidden layers if the problem is a network; None: its own.
      reading: further arguments of `jaxmlp.load` for a CSV file, such as `{"target": "price"}`; other problems do not
        use them.

    Returns:
      A `Problem`.

    Raises:
      UserError: if the source is none of these, or its data cannot be read.

    Example:
      >>> find_problem("crescents=moons").name
      'crescents'
    """
    if isinstance(source, Problem):
        return source
    name, source = _name_and_source(str(source))
    if name is not None:
        return find_problem(source, folder, hidden, reading)._replace(name=name)
    if is_in_file(source):
        return _of_file(source)
    make = PROBLEMS.get(source, partial(any_data, source))
    given = {"folder": folder, "hidden": hidden, "reading": reading if is_table(source) else None}
    accepted = inspect.signature(make).parameters
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None and name in accepted}
    try:
        return make(**options)
    except (ValueError, OSError, ImportError) as error:
        raise UserError(_words(source, error)) from error


def is_table(source: str) -> bool:
    """Whether a text stands for a table in a file: a path with a suffix, which names of data sets do not have."""
    name, source = _name_and_source(source)
    if name is not None:
        return is_table(source)
    is_folder = exists(source) and Path(source).expanduser().is_dir()
    return bool(Path(source).suffix) and not is_folder and not is_in_file(source)


def _name_and_source(text: str) -> tuple[str | None, str]:
    """The two parts of `name=source`; the name is None if the text has no such form."""
    named = _NAMED.fullmatch(text)
    if named is None or exists(text) or exists(text.rpartition(".py:")[0] + ".py"):
        return None, text
    return named["name"].strip(), named["source"].strip()


def _of_file(source: str) -> Problem:
    problem = from_file(source)
    if callable(problem):
        try:
            problem = problem()
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            raise UserError(f"problem {source!r} cannot be created: {short(error)}") from error
    if not isinstance(problem, Problem):
        raise UserError(f"{source} must be a Problem, or a function that returns one, got {type(problem).__name__}")
    return problem


def _words(source: str, error: Exception) -> str:
    unknown = source not in PROBLEMS and not exists(source) and "source must be one of" in str(error)
    if not unknown:
        return f"problem {source!r} cannot be created: {error}"
    return (
        f"unknown problem {source!r}: must be one of {', '.join(PROBLEMS)}, my_file.py:name, or data that jaxmlp.load "
        f"reads ({error})"
    )
