"""The problems, by name. One of your own takes a few lines, in a file of yours:

    # my_problem.py
    import jaxmlp
    from experiments.optimizers import Problem

    def network(optimizer):
        return jaxmlp.classifier((2, 32, 2), optimizer=optimizer, l2=1e-4)

    moons = Problem("moons", "two half-moons", jaxmlp.load("moons"), network, epochs=30, target=0.95)

and then `python -m experiments.optimizers --problems my_problem.py:moons`, or `compare("adam,momentum", moons)`.

problem     Problem: data, learner, budget, metric, target
networks    networks on data sets
surfaces    Rosenbrock, Beale, Branin, two wells
quadratic   DeepOBS's quadratic_deep
"""

import inspect
from functools import partial
from pathlib import Path

from experiments.optimizers.errors import UserError
from experiments.optimizers.files import from_file, is_in_file
from experiments.optimizers.problems.networks import NETWORKS, any_data, network
from experiments.optimizers.problems.problem import Problem
from experiments.optimizers.problems.quadratic import quadratic_deep
from experiments.optimizers.problems.surfaces import SURFACES, surface

__all__ = ["PROBLEMS", "Problem", "find_problem", "network"]

PROBLEMS = {
    **NETWORKS,
    "quadratic_deep": quadratic_deep,
    **{name: partial(surface, name, *parts) for name, parts in SURFACES.items()},
}


def find_problem(source, folder=None, hidden=None):
    """The problem of a name, of data that `jaxmlp.load` reads, or of a user's file.

    Args:
      source: a Problem; a name of `PROBLEMS`; `my_file.py:name`; a name that `jaxmlp.load` knows, a CSV file, or a
        folder of IDX files, on which a network with one hidden layer is trained.
      folder: where the IDX files of MNIST and its like are.
      hidden: widths of the hidden layers, where the problem is a network; None: its own.

    Raises:
      UserError: for what is none of these, and for data that cannot be read.
    """
    if isinstance(source, Problem):
        return source
    if is_in_file(source):
        return _of_file(source)
    make = PROBLEMS.get(source, partial(any_data, source))
    given = {"folder": folder, "hidden": hidden}
    taken = inspect.signature(make).parameters
    options = {name: value for name, value in given.items() if value is not None and name in taken}
    try:
        return make(**options)
    except (ValueError, OSError, ImportError) as error:
        raise UserError(_words(source, error)) from error


def _of_file(source):
    problem = from_file(source)
    if callable(problem):
        try:
            problem = problem()
        except Exception as error:  # the user's code may raise anything
            raise UserError(f"problem {source!r} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(problem, Problem):
        raise UserError(f"{source} must be a Problem, or a function that returns one, got {type(problem).__name__}")
    return problem


def _words(source, error):
    unknown = source not in PROBLEMS and not Path(source).exists() and "source must be one of" in str(error)
    if not unknown:
        return f"problem {source!r} cannot be made: {error}"
    known = ", ".join(PROBLEMS)
    return f"unknown problem {source!r}: not one of {known}, nor of my_file.py:name, nor data ({error})"
