"""Recipes: the learners that they make of combinations of hyperparameters, sorted by the program that is compiled."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.leaves import strong
from jaxmlp.population.grids import Choice, Label
from jaxmlp.programs import Weak, weak, weakened
from jaxmlp.run import checked_learner
from jaxmlp.training import Learner


class Source(NamedTuple):
    """What makes the learners of a group, held strongly: fit to be sent to another process.

    Attributes:
      recipe: traced with each trial's hyperparameters; None if a trial's numbers are its learner.
      example: a tree of the structure of one trial's numbers.
      statics: the recipe's arguments that are the same for all trials of the group, by name.
    """

    recipe: Callable[..., Any] | None
    example: Any
    statics: tuple[tuple[str, Any], ...] = ()


class Sampled(NamedTuple):
    """Numbers of a trial that has data of its own.

    Attributes:
      numbers: what its learner is made of.
      sample: the place of its data in the study's `Pool`.
    """

    numbers: Any
    sample: Any


class Part(NamedTuple):
    """Combinations whose learners share a program.

    Attributes:
      source: what makes them.
      columns: the leaves of their numbers, one row for each combination.
      places: which combinations.
      settings: those of the study's settings that these combinations have for themselves.
    """

    source: Source
    columns: list[np.ndarray]
    places: list[int]
    settings: Label = {}  # noqa: RUF012

    def by_settings(self, labels: list[Label], names: list[str]) -> "list[Part]":
        """The combinations in parts that agree in these settings, too."""
        found = []
        for places in _split(labels, self.places, set(names)):
            rows = [self.places.index(place) for place in places]
            settings = {name: labels[places[0]][name] for name in names}
            found.append(Part(self.source, [np.asarray(column)[rows] for column in self.columns], places, settings))
        return found


@dataclass(frozen=True)
class _Traced:
    """A recipe that is traced with each trial's hyperparameters; equal if the recipe is, to be compiled once.

    The numbers that the recipe itself brings, such as Adam's b1, are taken from the trial too: as constants of the
    program they would be folded, and rounded otherwise than in `fit`.
    """

    recipe: Callable[..., Any]
    statics: tuple[tuple[str, Any], ...] = ()

    def __call__(self, numbers: dict[str, Any]) -> Learner:
        leaves, structure = self.parts(numbers["hyperparameters"])
        constants = iter(numbers["constants"])
        return structure.unflatten([next(constants) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves])

    def parts(self, hyperparameters: dict[str, Any]) -> tuple[list[Any], Any]:
        """The learner's leaves, NumPy arrays for the recipe's own numbers, and its structure."""
        statics = {name: value.reference() if isinstance(value, Weak) else value for name, value in self.statics}
        learner = checked_learner("train_many", self.recipe(**hyperparameters, **statics))
        return jax.tree.flatten(strong(learner, np.asarray))


@dataclass(frozen=True)
class _OfSampled:
    """The learner of `Sampled` numbers."""

    make: Callable[[Any], Learner]

    def __call__(self, sampled: Sampled) -> Learner:
        return self.make(sampled.numbers)


def maker(source: Source) -> tuple[Callable[[Any], Learner], Any, list[Any]]:
    """`numbers -> Learner`, the structure of the numbers, and the user's functions, which the other two hold weakly."""
    example, owners = weakened(source.example)
    make = _itself
    if source.recipe is not None:
        statics = tuple((name, weak(value, owners) if callable(value) else value) for name, value in source.statics)
        make = _Traced(weak(source.recipe, owners), statics)
    if isinstance(example, Sampled):
        make = _OfSampled(make)
    return make, jax.tree.structure(example), owners


def _itself(learner: Learner) -> Learner:
    return learner


def is_batch(recipe: Any) -> bool:
    """Whether a recipe is a batch of learners."""
    return hasattr(recipe, "loss") and hasattr(recipe, "optimizer")


def sorted_by_program(recipe: Callable[..., Any], labels: list[Label]) -> list[Part]:
    """The combinations in parts that share a compiled program."""
    _check_signature(recipe, list(labels[0]))
    parts = []
    fixed = {name for label in labels for name, choice in label.items() if not choice.is_number}
    alike: dict[Any, tuple[list[Learner], list[int]]] = {}
    for places in _split(labels, range(len(labels)), fixed):
        # Made with the numbers at hand, which checks their ranges as `fit` does; the first one twice, to see whether
        # the recipe makes functions of its own.
        learners = [_made(recipe, labels[i]) for i in [*places, places[0]]]
        if _kind(learners[-1]) != _kind(learners[0]):
            parts += _traced_parts(recipe, labels, places, fixed)
            continue
        for learner, place in zip(learners, places, strict=False):
            same, where = alike.setdefault(_kind(learner), ([], []))
            same.append(learner)
            where.append(place)
    parts += [Part(*_stacked(learners), places) for learners, places in alike.values()]
    return sorted(parts, key=lambda part: part.places[0])


def _made(recipe: Callable[..., Any], label: Label) -> Learner:
    made = recipe(**{name: choice.value for name, choice in label.items()})
    return strong(checked_learner("train_many", made), np.asarray)


def _split(labels: list[Label], places: Iterable[int], names: set[str]) -> list[list[int]]:
    """The places of combinations that agree in these hyperparameters."""
    found: dict[Any, list[int]] = {}
    for i in places:
        key = tuple((name, type(choice.value), choice.value) for name, choice in labels[i].items() if name in names)
        found.setdefault(key, []).append(i)
    return list(found.values())


def _kind(learner: Learner) -> Any:
    """Learners of one kind differ in numbers only."""
    leaves, structure = jax.tree.flatten(learner)
    return structure, tuple((np.shape(leaf), str(jnp.result_type(leaf))) for leaf in leaves)


def _source(recipe: Any, example: Any, statics: tuple[tuple[str, Any], ...] = ()) -> Source:
    """Of the example, only the structure is kept."""
    return Source(recipe, jax.tree.map(lambda leaf: 0.0, example), statics)


def _stacked(learners: list[Learner]) -> tuple[Source, list[Any]]:
    """Learners that carry all their numbers as leaves: each trial's numbers are its learner."""
    columns = [np.stack(column) for column in zip(*map(jax.tree.leaves, learners), strict=True)]
    return _source(None, learners[0]), columns


def _traced_parts(recipe: Any, labels: list[Label], places: list[int], fixed: set[str]) -> list[Part]:
    """Learners with functions made by the recipe: whole numbers that cannot be traced are part of the program."""
    whole = {name for name, choice in labels[places[0]].items() if choice.is_number and isinstance(choice.value, int)}
    try:
        return [_traced(recipe, [labels[i] for i in places], places, fixed)]
    except (TypeError, ValueError):
        if not whole:
            raise
    every = fixed | whole
    return [_traced(recipe, [labels[i] for i in some], some, every) for some in _split(labels, places, whole)]


def _traced(recipe: Callable[..., Any], labels: list[Label], places: list[int], fixed: set[str]) -> Part:
    """Learners with functions made by the recipe, such as those of optax, that hold the numbers in themselves."""
    first: dict[str, Choice] = labels[0]
    statics = tuple((name, choice.value) for name, choice in first.items() if name in fixed)
    traced = [name for name in first if name not in fixed]
    columns = {name: np.asarray([label[name].value for label in labels], jnp.result_type(float)) for name in traced}
    constants = []

    def find(hyperparameters: dict[str, Any]) -> None:
        leaves, _ = _Traced(recipe, statics).parts(hyperparameters)
        constants.extend(leaf for leaf in leaves if isinstance(leaf, np.ndarray))

    try:
        jax.eval_shape(find, {name: column[0] for name, column in columns.items()})
    except jax.errors.ConcretizationTypeError as error:
        rule = "not branch on a hyperparameter or convert it if it makes functions: these are traced (use jnp.where,"
        rule = f"{rule} or a dict from texts to values, whose values are compiled one by one)"
        raise ValueError(f"train_many: recipe must {rule}, got: {str(error).splitlines()[0]}") from error
    repeated = [np.broadcast_to(leaf, (len(labels), *leaf.shape)) for leaf in constants]
    numbers = {"hyperparameters": columns, "constants": repeated}
    return Part(_source(recipe, numbers, statics), jax.tree.leaves(numbers), places)


def batch_of_learners(learner: Any) -> tuple[list[Part], list[Label]]:
    """A batch of learners as one part, its combinations numbered."""
    learner = checked_learner("train_many", learner)
    sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(learner)}
    rule = "have one leading axis of the same size on all its numbers, as from jax.vmap(recipe)(...)"
    require(len(sizes) == 1 and sizes != {()}, "train_many", "a batch of learners", rule, sorted(sizes))
    ((size,),) = sizes
    columns = jax.tree.leaves(strong(learner, np.asarray))
    labels = [{"learner": Choice(i, i, True)} for i in range(size)]
    return [Part(_source(None, learner), columns, list(range(size)))], labels


def _check_signature(recipe: Callable[..., Any], names: list[str]) -> None:
    try:
        inspect.signature(recipe).bind(**dict.fromkeys(names))
    except TypeError as error:
        rule = f"take the hyperparameters {names} ({error})"
        require(False, "train_many", "recipe", rule, str(inspect.signature(recipe)), TypeError)
