"""Trials: which learner, which numbers, which seed. What a trial is does not depend on where it runs."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.checks import check_count, require
from jaxmlp.population.grids import Label, combinations, listed
from jaxmlp.population.recipes import Part, Sampled, Source, batch_of_learners, is_batch, maker, sorted_by_program
from jaxmlp.training import Learner

AXES = {"folds": "fold", "splits": "split", "bootstraps": "bootstrap"}
"""For each way to make many data sets of one, the column that numbers them."""

SETTINGS = ("epochs", "batch_size")
"""The settings of which a list of trials, and a tuner, may give each trial its own."""

# The table's own columns: a hyperparameter of such a name is shown as `params_<name>`.
_COLUMNS = ("recipe", "seed", "status", "cause", "epochs", "steps", "best_epoch", "surroundings", *AXES.values())
_METRICS = ("train_", "validation_", "test_")


class Group(NamedTuple):
    """The trials that share one compiled program.

    Attributes:
      name: of the recipe, with a number if it has several groups; empty if there is only one recipe and group.
      source: what its learners are made of.
      make: `numbers -> Learner`; it holds the user's functions weakly.
      owners: these functions.
      numbers: a tree of arrays (n, ...) over the group's trials.
      seeds: (n,) uint32.
      indices: (n,) the trials' numbers in the study.
      settings: those of the study's settings that this group has for itself.
    """

    name: str
    source: Source
    make: Callable[[Any], Learner]
    owners: list[Any]
    numbers: Any
    seeds: np.ndarray
    indices: np.ndarray
    settings: Mapping[str, Any] = {}


def learner_of(groups: Sequence[Group], trial: int) -> Learner:
    """The learner of a trial, with its own numbers."""
    group = next(group for group in groups if trial in group.indices)
    place = int(np.flatnonzero(group.indices == trial)[0])
    return group.make(jax.tree.map(lambda column: column[place], group.numbers))


def make_groups(
    recipe: Any,
    seeds: int | Sequence[int],
    trials: Any,
    grids: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    samples: tuple[str, int] | None = None,
) -> tuple[list[Group], list[dict[str, Any]]]:
    """The groups of a study, and its trials as rows of the table: recipe, hyperparameters, settings, seed.

    Args:
      recipe: as in `train_many`.
      seeds: as in `train_many`.
      trials: as in `train_many`.
      grids: as in `train_many`.
      settings: grids of settings, such as batch sizes.
      samples: a key of `AXES`, and how many data sets there are; None for one.
    """
    seed_values, variants = _seeds(seeds), combinations(settings or {})
    cases = [{}] if samples is None else [{AXES[samples[0]]: i} for i in range(samples[1])]
    recipes = recipe if isinstance(recipe, dict) else {"": recipe}
    require(len(recipes) > 0, "train_many", "recipe", "be a function, a batch of learners, or a dict of them", recipe)
    require(trials is None or not grids, "train_many", "trials", "be None if grids are given", trials)
    _check_names(recipes, grids)
    groups, rows = [], []
    for name, one in recipes.items():
        parts, labels = _parts(one, trials, grids)
        twice = sorted((settings or {}).keys() & labels[0].keys()) if trials is not None else []
        require(not twice, "train_many", "trials", "not hold settings that are given as lists", twice)
        shape = (len(labels), len(variants), len(cases), len(seed_values))
        numbers = len(rows) + np.arange(np.prod(shape)).reshape(shape)
        if samples is not None:
            parts = [_sampled(part, samples[1]) for part in parts]
        groups += _grouped(name, parts, variants, numbers, seed_values)
        named = {"recipe": name} if isinstance(recipe, dict) else {}
        every = [_shown({**label, **variant}) | case for label in labels for variant in variants for case in cases]
        rows += [{**named, **shown, "seed": int(seed)} for shown in every for seed in seed_values]
    return groups, rows


def _sampled(part: Part, count: int) -> Part:
    """A part whose combinations run with each of so many data sets."""
    source = part.source._replace(example=Sampled(part.source.example, 0.0))
    columns = [np.repeat(np.asarray(column), count, axis=0) for column in part.columns]
    columns.append(np.tile(np.arange(count, dtype=np.int32), len(part.places)))
    return part._replace(source=source, columns=columns)


def _grouped(
    name: str, parts: list[Part], variants: list[Label], numbers: np.ndarray, seeds: np.ndarray
) -> list[Group]:
    """The groups of a recipe, whose trials have these numbers, by combination, settings, data set and seed."""
    groups = []
    for part in parts:
        columns = [np.repeat(np.asarray(column), len(seeds), axis=0) for column in part.columns]
        for i, variant in enumerate(variants):
            own = name if len(parts) * len(variants) == 1 else f"{name}[{len(groups)}]"
            indices = numbers[part.places, i].ravel()
            settings = {key: choice.value for key, choice in {**part.settings, **variant}.items()}
            group = make_group(own, part.source, columns, np.tile(seeds, len(indices) // len(seeds)), indices)
            groups.append(group._replace(settings=settings))
    return groups


def make_group(name: str, source: Source, columns: list[np.ndarray], seeds: np.ndarray, indices: np.ndarray) -> Group:
    """The group of these trials, wherever it is made: `columns` are the leaves of its numbers."""
    make, structure, owners = maker(source)
    return Group(name, source, make, owners, jax.tree.unflatten(structure, columns), seeds, indices)


def _shown(label: Label) -> dict[str, Any]:
    """Hyperparameters as columns of the table, none of which hides one of its own."""
    taken = {name for name in label if name in _COLUMNS or name.startswith(_METRICS)}
    return {f"params_{name}" if name in taken else name: choice.shown for name, choice in label.items()}


def _parts(recipe: Any, trials: Any, grids: Mapping[str, Any]) -> tuple[list[Part], list[Label]]:
    """The combinations of a recipe, and the parts of them that share a program."""
    if is_batch(recipe):
        rule = "be None if the recipe is a batch of learners: it holds its numbers"
        require(trials is None and not grids, "train_many", "trials and grids", rule, trials or sorted(grids))
        return batch_of_learners(recipe)
    rule = "be a function of hyperparameters, a batch of learners, or a dict of them"
    require(callable(recipe), "train_many", "recipe", rule, recipe, TypeError)
    taken = {name: values for name, values in grids.items() if name in _accepted(recipe, grids)}
    if trials is None:
        labels = combinations(taken)
        return sorted_by_program(recipe, labels), labels
    labels = listed(trials)
    own = [name for name in SETTINGS if name in labels[0]]
    passed = labels[0].keys() - (set(own) - _accepted(recipe, own))
    parts = sorted_by_program(recipe, [{name: label[name] for name in label if name in passed} for label in labels])
    return [some for part in parts for some in part.by_settings(labels, own)], labels


def _accepted(recipe: Callable[..., Any], names: Iterable[str]) -> set[str]:
    parameters = inspect.signature(recipe).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return set(names)
    return {parameter.name for parameter in parameters}


def _check_names(recipes: dict[str, Any], grids: Mapping[str, Any]) -> None:
    for name in grids:
        functions = [recipe for recipe in recipes.values() if callable(recipe)]
        known = not functions or any(name in _accepted(recipe, grids) for recipe in functions)
        require(known, "train_many", name, "be an argument of the recipe", name, TypeError)


def _seeds(seeds: int | Sequence[int]) -> np.ndarray:
    if isinstance(seeds, (int, np.integer)):
        check_count("train_many", seeds=seeds)
        return np.arange(seeds, dtype=np.uint32)
    listed = np.asarray(seeds)
    rule = "be a count, or a list of different integers from 0 to 2**32 - 1"
    require(listed.ndim == 1 and listed.size > 0 and listed.dtype.kind in "iu", "train_many", "seeds", rule, seeds)
    valid = listed.min() >= 0 and listed.max() < 2**32 and len(set(listed.tolist())) == len(listed)
    require(valid, "train_many", "seeds", rule, seeds)
    return listed.astype(np.uint32)
