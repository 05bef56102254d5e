"""Trials: which learner, which numbers, which seed. What a trial is does not depend on where it runs."""

import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import check_count, require
from jaxmlp.leaves import strong
from jaxmlp.run import checked_learner


@dataclass(frozen=True)
class Recipe:
    """A user's function as one of numbers; equal where the function is, so that a second study compiles nothing."""

    function: Callable[..., Any]

    def __call__(self, numbers):
        return strong(checked_learner("train_many", self.function(**numbers)))


class Group(NamedTuple):
    """The trials that share one compiled program.

    `make(numbers)` returns the learner; `numbers` is a tree of arrays whose leading axis, like `seeds` and `indices`,
    runs over the group's trials; `indices` are their places in the study.
    """

    name: str
    make: Callable[[Any], Any]
    numbers: Any
    seeds: np.ndarray
    indices: np.ndarray


def make_groups(recipe, seeds, trials, grids):
    """The groups of a study, and its trials as a list of dicts `{"recipe", hyperparameters, "seed"}`."""
    seeds = _seeds(seeds)
    recipes = recipe if isinstance(recipe, dict) else {"": recipe}
    require(len(recipes) > 0, "train_many", "recipe", "be a function, a batch of learners, or a dict of them", recipe)
    require(trials is None or not grids, "train_many", "trials", "be None where grids are given", trials)
    _check_names(recipes, grids)
    groups, rows = [], []
    for name, one in recipes.items():
        make, numbers, labels = _numbers(one, trials, grids)
        chosen = np.repeat(np.arange(len(labels)), len(seeds))
        indices = np.arange(len(rows), len(rows) + len(chosen))
        numbers = jax.tree.map(lambda column, chosen=chosen: np.asarray(column)[chosen], numbers)
        groups.append(Group(name, make, numbers, np.tile(seeds, len(labels)), indices))
        named = {"recipe": name} if isinstance(recipe, dict) else {}
        rows += [{**named, **label, "seed": int(seed)} for label in labels for seed in seeds]
    return groups, rows


def _numbers(recipe, trials, grids):
    """How to make a learner of numbers, the numbers as columns, and a dict that names each combination."""
    if hasattr(recipe, "loss") and hasattr(recipe, "optimizer"):
        rule = "be None where the recipe is a batch of learners: its numbers are in it"
        require(trials is None and not grids, "train_many", "trials and grids", rule, trials or sorted(grids))
        return _batch_of_learners(recipe)
    rule = "be a function of hyperparameters, a batch of learners, or a dict of them"
    require(callable(recipe), "train_many", "recipe", rule, recipe, TypeError)
    labels = _product(recipe, grids) if trials is None else _listed(trials)
    names = list(labels[0])
    columns = {name: np.asarray([label[name] for label in labels], jnp.result_type(float)) for name in names}
    _check_signature(recipe, names)
    return Recipe(recipe), columns, labels


def _batch_of_learners(learner):
    learner = checked_learner("train_many", learner)
    sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(learner)}
    rule = "have one leading axis of the same size on all its numbers, as from jax.vmap(recipe)(...)"
    require(len(sizes) == 1 and sizes != {()}, "train_many", "a batch of learners", rule, sorted(sizes))
    ((size,),) = sizes
    return _itself, strong(learner), [{"learner": i} for i in range(size)]


def _itself(learner):
    return learner


def _product(recipe, grids):
    taken = {name: _values(name, values) for name, values in grids.items() if name in _accepted(recipe, grids)}
    return [dict(zip(taken, values, strict=True)) for values in itertools.product(*taken.values())]


def _listed(trials):
    rule = "be a list of dicts of numbers with the same names"
    is_list = isinstance(trials, (list, tuple)) and trials and all(isinstance(trial, dict) for trial in trials)
    require(is_list, "train_many", "trials", rule, trials, TypeError)
    require(all(trial.keys() == trials[0].keys() for trial in trials), "train_many", "trials", rule, trials)
    return [{name: _values(name, [value])[0] for name, value in trial.items()} for trial in trials]


def _values(name, values):
    """A grid as a list of Python floats; float32 in, the same float32 out."""
    column = np.asarray(jax.device_get(values))
    column = column[None] if column.ndim == 0 else column
    numeric = column.dtype.kind in "fiub" or jnp.issubdtype(column.dtype, jnp.floating)
    require(numeric, "train_many", name, "be a list of numbers", values, TypeError)
    require(column.ndim == 1 and column.size > 0, "train_many", name, "be a list of one number or more", values)
    return [float(value) for value in column.astype(np.float64)]


def _accepted(recipe, names):
    parameters = inspect.signature(recipe).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return set(names)
    return {parameter.name for parameter in parameters}


def _check_names(recipes, grids):
    for name in grids:
        functions = [recipe for recipe in recipes.values() if callable(recipe)]
        known = not functions or any(name in _accepted(recipe, grids) for recipe in functions)
        require(known, "train_many", name, "be an argument of the recipe", name, TypeError)


def _check_signature(recipe, names):
    try:
        inspect.signature(recipe).bind(**dict.fromkeys(names))
    except TypeError as error:
        rule = f"take the hyperparameters {names} ({error})"
        require(False, "train_many", "recipe", rule, str(inspect.signature(recipe)), TypeError)


def _seeds(seeds):
    if isinstance(seeds, (int, np.integer)):
        check_count("train_many", "seeds", seeds)
        return np.arange(seeds, dtype=np.uint32)
    listed = np.asarray(seeds)
    rule = "be a count, or a list of different whole numbers from 0 to 2**32 - 1"
    require(listed.ndim == 1 and listed.size > 0 and listed.dtype.kind in "iu", "train_many", "seeds", rule, seeds)
    fine = listed.min() >= 0 and listed.max() < 2**32 and len(set(listed.tolist())) == len(listed)
    require(fine, "train_many", "seeds", rule, seeds)
    return listed.astype(np.uint32)
