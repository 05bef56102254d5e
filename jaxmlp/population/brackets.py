"""Hyperband: many trials of few epochs, of which the best are trained for longer, in brackets of successive halving."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.checks import check_choice, check_count, require
from jaxmlp.population.searches import Range, drawn


class Rung(NamedTuple):
    """A step of a bracket.

    Attributes:
      trials: how many hyperparameters are tried.
      epochs: for how many epochs.
    """

    trials: int
    epochs: int


class _Entry(NamedTuple):
    """Hyperparameters at a rung; `draw` numbers those of all brackets."""

    bracket: int
    rung: int
    draw: int


class Hyperband:
    """A tuner for `train_many(trials=...)`; see `hyperband`.

    Attributes:
      brackets: for each bracket its rungs, of `trials` and `epochs`.
    """

    def __init__(self, brackets: list[list[Rung]], draws: list[dict[str, Any]], column: str, sign: float) -> None:
        self.brackets: list[list[Rung]] = brackets
        self._draws, self._column, self._sign = draws, column, sign
        numbers = [bracket for bracket, rungs in enumerate(brackets) for _ in range(rungs[0].trials)]
        self._waiting = deque(_Entry(bracket, 0, draw) for draw, bracket in enumerate(numbers))
        self._asked: list[_Entry] = []
        self._scores: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)

    def __repr__(self) -> str:
        return f"Hyperband({', '.join(' > '.join(f'{n} x {r}' for n, r in rungs) for rungs in self.brackets)})"

    def ask(self) -> dict[str, Any] | None:
        """The next hyperparameters, those that were promoted first; None if their rungs are not complete."""
        if not self._waiting:
            return None
        bracket, rung, draw = entry = self._waiting.popleft()
        self._asked.append(entry)
        return {**self._draws[draw], "epochs": self.brackets[bracket][rung].epochs}

    def tell(self, number: int, numbers: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
        """Takes the rows of what was asked for, and promotes the best of a rung that is complete by them."""
        bracket, rung, draw = self._asked[number]
        score = self._sign * float(np.mean([row[self._column] for row in rows]))
        scores, rungs = self._scores[bracket, rung], self.brackets[bracket]
        scores.append((score if np.isfinite(score) else np.inf, draw))
        if len(scores) == rungs[rung].trials and rung + 1 < len(rungs):
            best = sorted(scores)[: rungs[rung + 1].trials]
            self._waiting.extendleft(_Entry(bracket, rung + 1, draw) for _, draw in reversed(best))


def hyperband(
    space: Mapping[str, Range | Sequence[Any]],
    epochs: int,
    *,
    first: int = 1,
    factor: int = 3,
    brackets: int | None = None,
    monitor: str = "loss",
    mode: str = "min",
    how: str = "random",
    seed: int = 0,
) -> Hyperband:
    """Hyperband, a tuner for `train_many(trials=...)`: many trials of few epochs, of which the best train for longer.

    A bracket tries n hyperparameters for r epochs, then the best n / eta of them for r eta epochs, and so on up to R:

        r = R / eta^s,  n = ceil((s_max + 1) eta^s / (s + 1)),  s = s_max, ..., 0,  s_max = floor(log_eta(R / first))

    with R: epochs, eta: factor. How many epochs tell good hyperparameters from bad ones is not known beforehand; so
    brackets begin with more and more epochs, and all cost about the same. `brackets=1` is the first one alone:
    successive halving. A rung waits until all of its trials have ended, while trials of other brackets run; so which
    hyperparameters are promoted does not depend on where and in which order trials ran. `successive_halving`, a pruner,
    never waits and trains no epoch twice, but its choice depends on that order.

    What is promoted is trained from the start, to the same bits as before up to its old length, so that schedules fit
    their trial: a recipe with an argument `epochs` gets the length. This takes at most factor / (factor - 1) times the
    epochs that going on would; the paper counts epochs this way too.

    Args:
      space: for each hyperparameter a range, `between(low, high)`, or a list of values, as in `draw_trials`.
      epochs: those of the longest trials, at least 1.
      first: the least epochs of a trial, at least 1 and at most `epochs`: trials have `epochs`, `epochs / factor` and
        so on, rounded down, as long as these are at least `first`.
      factor: at least 2; one in so many goes on.
      brackets: how many, at least 1. After the last one the first comes again, with other hyperparameters. None for
        each of them once. A study in a directory grows by more brackets.
      monitor: the validation metric that says what is best, by its mean over seeds and folds. NaN, as of trials that
        have diverged, is worst.
      mode: "min" or "max".
      how: "random", "sobol" or "halton", as in `draw_trials`.
      seed: an integer of at least 0.

    Returns:
      A `Hyperband`; make it anew for each call of `train_many`.

    Raises:
      ValueError: for arguments that break these rules.

    Example:
      >>> from jaxmlp import between
      >>> tuner = hyperband({"learning_rate": between(1e-4, 1.0, log=True)}, epochs=9)
      >>> tuner  # trials x epochs
      Hyperband(9 x 1 > 3 x 3 > 1 x 9, 5 x 3 > 1 x 9, 3 x 9)
      >>> tuner.ask().keys()
      dict_keys(['learning_rate', 'epochs'])

    References:
      Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization",
      https://jmlr.org/papers/v18/16-558.html.
    """
    check_count("hyperband", epochs=epochs)
    check_count("hyperband", first=first)
    check_count("hyperband", factor=factor)
    check_choice("hyperband", ("min", "max"), mode=mode)
    require(factor >= 2, "hyperband", "factor", "be at least 2", factor)
    require(first <= epochs, "hyperband", "first", f"be at most {epochs}, the epochs", first)
    require("epochs" not in space, "hyperband", "space", "not hold epochs, which the brackets say", space.get("epochs"))
    every = _brackets(int(epochs), int(first), int(factor))
    count = len(every) if brackets is None else brackets
    check_count("hyperband", brackets=count)
    chosen = [every[i % len(every)] for i in range(count)]
    draws = drawn("hyperband", space, sum(rungs[0].trials for rungs in chosen), how, seed)
    return Hyperband(chosen, draws, f"validation_{monitor}", 1.0 if mode == "min" else -1.0)


def _brackets(epochs: int, first: int, factor: int) -> list[list[Rung]]:
    """Algorithm 1 of the paper; lengths are rounded down."""
    most = 0
    while first * factor ** (most + 1) <= epochs:
        most += 1
    found = []
    for s in range(most, -1, -1):
        trials = -(-(most + 1) * factor**s // (s + 1))
        found.append([Rung(trials // factor**i, epochs // factor ** (s - i)) for i in range(s + 1)])
    return found
