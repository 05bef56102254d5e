"""Trials: which learner, which numbers, which seed. What a trial is does not depend on where it runs."""

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import check_count, require
from jaxmlp.leaves import strong
from jaxmlp.programs import weak, weakened
from jaxmlp.run import checked_learner
from jaxmlp.training import Learner

# The table's own columns: a hyperparameter of such a name is shown as `params_<name>`.
_COLUMNS = ("recipe", "seed", "status", "cause", "epochs", "steps", "best_epoch", "surroundings")
_METRICS = ("train_", "validation_", "test_")


@dataclass(frozen=True)
class _Traced:
    """A recipe that is traced with each trial's hyperparameters; equal if the recipe is, to be compiled once.

    The numbers that the recipe itself brings, such as Adam's b1, are taken from the trial too: as constants of the
    program they would be folded, and rounded otherwise than in `fit`.
    """

    recipe: Callable[..., Any]

    def __call__(self, numbers: dict[str, Any]) -> Learner:
        leaves, structure = self.parts(numbers["hyperparameters"])
        constants = iter(numbers["constants"])
        return structure.unflatten([next(constants) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves])

    def parts(self, hyperparameters: dict[str, Any]) -> tuple[list[Any], Any]:
        """The learner's leaves, NumPy arrays for the recipe's own numbers, and its structure."""
        learner = checked_learner("train_many", self.recipe(**hyperparameters))
        return jax.tree.flatten(strong(learner, np.asarray))


class Source(NamedTuple):
    """What makes the learners of a group, held strongly: fit to be sent to another process.

    Attributes:
      recipe: traced with each trial's hyperparameters; None if a trial's numbers are its learner.
      example: a tree of the structure of one trial's numbers.
    """

    recipe: Callable[..., Any] | None
    example: Any


class Group(NamedTuple):
    """The trials that share one compiled program.

    Attributes:
      name: of the recipe; empty if there is only one.
      source: what its learners are made of.
      make: `numbers -> Learner`; it holds the user's functions weakly.
      owners: these functions.
      numbers: a tree of arrays (n, ...) over the group's trials.
      seeds: (n,) uint32.
      indices: (n,) the trials' numbers in the study.
    """

    name: str
    source: Source
    make: Callable[[Any], Learner]
    owners: list[Any]
    numbers: Any
    seeds: np.ndarray
    indices: np.ndarray


def learner_of(groups: Sequence[Group], trial: int) -> Learner:
    """The learner of a trial, with its own numbers."""
    group = next(group for group in groups if trial in group.indices)
    place = int(np.flatnonzero(group.indices == trial)[0])
    return group.make(jax.tree.map(lambda column: column[place], group.numbers))


def make_groups(
    recipe: Any, seeds: int | Sequence[int], trials: Any, grids: Mapping[str, Any]
) -> tuple[list[Group], list[dict[str, Any]]]:
    """The groups of a study, and its trials as rows of the table: recipe, hyperparameters, seed."""
    seed_values = _seeds(seeds)
    recipes = recipe if isinstance(recipe, dict) else {"": recipe}
    require(len(recipes) > 0, "train_many", "recipe", "be a function, a batch of learners, or a dict of them", recipe)
    require(trials is None or not grids, "train_many", "trials", "be None if grids are given", trials)
    _check_names(recipes, grids)
    groups, rows = [], []
    for name, one in recipes.items():
        source, columns, labels = _numbers(one, trials, grids)
        chosen = np.repeat(np.arange(len(labels)), len(seed_values))
        indices = np.arange(len(rows), len(rows) + len(chosen))
        columns = [np.asarray(column)[chosen] for column in columns]
        groups.append(make_group(name, source, columns, np.tile(seed_values, len(labels)), indices))
        named = {"recipe": name} if isinstance(recipe, dict) else {}
        rows += [{**named, **_shown(label), "seed": int(seed)} for label in labels for seed in seed_values]
    return groups, rows


def make_group(name: str, source: Source, columns: list[np.ndarray], seeds: np.ndarray, indices: np.ndarray) -> Group:
    """The group of these trials, wherever it is made: `columns` are the leaves of its numbers."""
    example, owners = weakened(source.example)
    make = _itself if source.recipe is None else _Traced(weak(source.recipe, owners))
    numbers = jax.tree.unflatten(jax.tree.structure(example), columns)
    return Group(name, source, make, owners, numbers, seeds, indices)


def _shown(label: dict[str, float]) -> dict[str, float]:
    """Hyperparameters as columns of the table, none of which hides one of its own."""
    taken = {name for name in label if name in _COLUMNS or name.startswith(_METRICS)}
    return {f"params_{name}" if name in taken else name: value for name, value in label.items()}


def _numbers(recipe: Any, trials: Any, grids: Mapping[str, Any]) -> tuple[Source, list[Any], list[dict[str, float]]]:
    """How to make a learner of numbers, the numbers as columns, and a dict that names each combination."""
    if hasattr(recipe, "loss") and hasattr(recipe, "optimizer"):
        rule = "be None if the recipe is a batch of learners: it holds its numbers"
        require(trials is None and not grids, "train_many", "trials and grids", rule, trials or sorted(grids))
        return _batch_of_learners(recipe)
    rule = "be a function of hyperparameters, a batch of learners, or a dict of them"
    require(callable(recipe), "train_many", "recipe", rule, recipe, TypeError)
    labels = _product(recipe, grids) if trials is None else _listed(trials)
    _check_signature(recipe, list(labels[0]))
    # Made with the numbers at hand, which checks their ranges as `fit` does; the first one twice, to see whether the
    # recipe makes functions of its own.
    learners = [strong(checked_learner("train_many", recipe(**label)), np.asarray) for label in [*labels, labels[0]]]
    if len({_kind(learner) for learner in learners}) == 1:
        return *_stacked(learners[:-1]), labels
    return *_traced(recipe, labels), labels


def _kind(learner: Learner) -> Any:
    """Learners of one kind differ in numbers only."""
    leaves, structure = jax.tree.flatten(learner)
    return structure, tuple((np.shape(leaf), str(jnp.result_type(leaf))) for leaf in leaves)


def _source(recipe: Any, example: Any) -> Source:
    """Of the example, only the structure is kept."""
    return Source(recipe, jax.tree.map(lambda leaf: 0.0, example))


def _stacked(learners: list[Learner]) -> tuple[Source, list[Any]]:
    """Learners that carry all their numbers as leaves: each trial's numbers are its learner."""
    columns = [np.stack(column) for column in zip(*map(jax.tree.leaves, learners), strict=True)]
    return _source(None, learners[0]), columns


def _traced(recipe: Callable[..., Any], labels: list[dict[str, float]]) -> tuple[Source, list[Any]]:
    """Learners with functions made by the recipe, such as those of optax, that hold the numbers in themselves."""
    columns = {name: np.asarray([label[name] for label in labels], jnp.result_type(float)) for name in labels[0]}
    constants = []

    def find(hyperparameters: dict[str, Any]) -> None:
        leaves, _ = _Traced(recipe).parts(hyperparameters)
        constants.extend(leaf for leaf in leaves if isinstance(leaf, np.ndarray))

    try:
        jax.eval_shape(find, {name: column[0] for name, column in columns.items()})
    except jax.errors.ConcretizationTypeError as error:
        rule = "not branch on a hyperparameter or convert it if it makes functions: these are traced (use jnp.where)"
        raise ValueError(f"train_many: recipe must {rule}, got: {str(error).splitlines()[0]}") from error
    repeated = [np.broadcast_to(leaf, (len(labels), *leaf.shape)) for leaf in constants]
    numbers = {"hyperparameters": columns, "constants": repeated}
    return _source(recipe, numbers), jax.tree.leaves(numbers)


def _batch_of_learners(learner: Any) -> tuple[Source, list[Any], list[dict[str, float]]]:
    learner = checked_learner("train_many", learner)
    sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(learner)}
    rule = "have one leading axis of the same size on all its numbers, as from jax.vmap(recipe)(...)"
    require(len(sizes) == 1 and sizes != {()}, "train_many", "a batch of learners", rule, sorted(sizes))
    ((size,),) = sizes
    columns = jax.tree.leaves(strong(learner, np.asarray))
    return _source(None, learner), columns, [{"learner": i} for i in range(size)]


def _itself(learner: Learner) -> Learner:
    return learner


def _product(recipe: Callable[..., Any], grids: Mapping[str, Any]) -> list[dict[str, float]]:
    taken = {name: _values(name, values) for name, values in grids.items() if name in _accepted(recipe, grids)}
    return [dict(zip(taken, values, strict=True)) for values in itertools.product(*taken.values())]


def _listed(trials: Any) -> list[dict[str, float]]:
    rule = "be a list of dicts of numbers with the same names"
    is_list = isinstance(trials, (list, tuple)) and trials and all(isinstance(trial, dict) for trial in trials)
    require(is_list, "train_many", "trials", rule, trials, TypeError)
    require(all(trial.keys() == trials[0].keys() for trial in trials), "train_many", "trials", rule, trials)
    return [{name: _values(name, [value])[0] for name, value in trial.items()} for trial in trials]


def _values(name: str, values: Any) -> list[float]:
    """A grid as a list of Python floats; float32 in, the same float32 out."""
    column = np.asarray(jax.device_get(values))
    column = column[None] if column.ndim == 0 else column
    numeric = column.dtype.kind in "fiub" or jnp.issubdtype(column.dtype, jnp.floating)
    require(numeric, "train_many", name, "be a list of numbers", values, TypeError)
    require(column.ndim == 1 and column.size > 0, "train_many", name, "be a list of one number or more", values)
    return [float(value) for value in column.astype(np.float64)]


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


def _check_signature(recipe: Callable[..., Any], names: list[str]) -> None:
    try:
        inspect.signature(recipe).bind(**dict.fromkeys(names))
    except TypeError as error:
        rule = f"take the hyperparameters {names} ({error})"
        require(False, "train_many", "recipe", rule, str(inspect.signature(recipe)), TypeError)


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
