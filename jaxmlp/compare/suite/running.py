"""The suite run: all tasks and runs of an optimizer at once.

The points of all tasks are the rows of one array. The gradient of the sum of their losses holds the gradient of each
task in its row, and the optimizer is mapped over the rows, so that no task sees another one.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxmlp
from jaxmlp.compare.contestants import OPTIMIZERS, Contestant, Optimizers, parse_contestants
from jaxmlp.compare.errors import UserError
from jaxmlp.compare.files import short
from jaxmlp.compare.suite.catalog import TASKS
from jaxmlp.compare.suite.results import EACH, ONE, Passes, SuiteResult
from jaxmlp.compare.suite.task import DIMENSIONS, Noise, Task

STEPS = 1000
# Errors are averaged over the last tenth of the steps: a single point of a noisy run says little.
_LAST = 0.9
_FIRST_TUNING_SEED = 1_000_000
_BUILT_IN = ",".join(OPTIMIZERS)
_RATES = tuple(float(rate) for rate in np.geomspace(1e-4, 10.0, 11))


def run_suite(
    optimizers: Optimizers = _BUILT_IN,
    *,
    tasks: Sequence[Task] = TASKS,
    seeds: int = 20,
    tuning_seeds: int = 5,
    rates: Sequence[float] = _RATES,
    follow: Callable[[Contestant], object] | None = None,
) -> SuiteResult:
    """Runs optimizers on many tiny tasks, each of which shows one way to fail, and counts how often they pass.

    A task is passed if the error, averaged over the last 100 of 1,000 steps, is at most the task's tolerance. Learning
    rates are chosen on tuning seeds and judged on fresh ones, in two ways: the best rate for each task shows what an
    optimizer can do, the one rate that is best for all tasks together shows what it does without being tuned again.

    Use it to see where an optimizer of yours breaks, in seconds, before any comparison on real data. It says nothing
    about generalization, and tasks are not weighted by how often their difficulty occurs in practice.

    Args:
      optimizers: as for `compare`; all built-in ones by default.
      tasks: those of the suite, or others.
      seeds: fresh seeds per task, at least 2.
      tuning_seeds: seeds per task and rate for the choice of rates, at least 1.
      rates: the learning rates tried; an optimizer such as `adam@1e-3` uses its own.
      follow: called with each contestant before it runs.

    Returns:
      A `SuiteResult`. An optimizer that cannot run is named in its `troubles`.

    Raises:
      UserError: if an argument cannot be used.

    Example:
      >>> valleys = [task for task in TASKS if task.name in ("axes_1e1", "axes_1e6")]
      >>> found = run_suite("gd,adam", tasks=valleys, seeds=2, tuning_seeds=1, rates=[0.01, 0.1, 1.0])
      >>> found.table().query("tuning == 'each task'").pivot(index="optimizer", columns="task", values="pass_rate")
      task       axes_1e1  axes_1e6
      optimizer
      adam            1.0       1.0
      gd              1.0       0.0

    References:
      Schaul, Antonoglou & Silver 2013, *Unit Tests for Stochastic Optimization*, https://arxiv.org/abs/1312.6055.
    """
    for name, value, least in (("seeds", seeds, 2), ("tuning_seeds", tuning_seeds, 1), ("rates", len(rates), 1)):
        if value < least:
            raise UserError(f"{name} must be at least {least}, got {value}")
    began = time.perf_counter()
    contestants, passes, troubles = parse_contestants(optimizers), {}, {}
    for contestant in contestants:
        if follow is not None:
            follow(contestant)
        try:
            low_to_high = np.geomspace(*contestant.rates, len(rates)) if contestant.rates else rates
            own = [float(rate) for rate in low_to_high] if contestant.rate is None else [contestant.rate]
            counts = seeds, tuning_seeds
            passes[contestant.name] = _passes(contestant, tuple(tasks), own, counts, len(rates) * tuning_seeds)
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            troubles[contestant.name] = short(error)
    names = tuple(contestant.name for contestant in contestants)
    return SuiteResult(names, tuple(tasks), passes, troubles, tuple(rates), time.perf_counter() - began)


def _passes(
    contestant: Contestant, tasks: tuple[Task, ...], rates: Sequence[float], seeds: tuple[int, int], lanes: int
) -> dict[str, Passes]:
    """Tunes on seeds of its own, then runs with fresh seeds: {how rates were chosen: Passes}."""
    fresh, tuning = np.arange(seeds[0]), np.arange(_FIRST_TUNING_SEED, _FIRST_TUNING_SEED + seeds[1])
    grid = np.repeat(np.asarray(rates)[:, None], len(tasks), axis=1)
    options: dict[str, Any] = {"lanes": lanes}
    found = errors_of(contestant, tasks, np.repeat(grid, len(tuning), axis=0), np.tile(tuning, len(rates)), **options)
    each, one = chosen(found.reshape(len(rates), len(tuning), len(tasks)), tasks)
    own = {EACH: np.asarray(rates)[each], ONE: grid[one]}
    every = np.concatenate([np.repeat(rates[None], len(fresh), axis=0) for rates in own.values()])
    errors = errors_of(contestant, tasks, every, np.tile(fresh, len(own)), **options)
    passed = is_passed(errors, tasks).reshape(len(own), len(fresh), len(tasks))
    return {how: Passes(own[how], passed[place]) for place, how in enumerate(own)}


def chosen(errors: np.ndarray, tasks: Sequence[Task]) -> tuple[np.ndarray, int]:
    """(index of the best rate for each task, index of the best rate for all) by errors (rates, seeds, tasks).

    The best rate passes most often; among equals, its errors are smallest in the geometric mean.
    """
    sizes = np.clip(np.nan_to_num(errors / _tolerances(tasks), nan=np.inf), 1e-6, 1e6)
    # At most 0.3 runs, so that it decides among equals only.
    points = is_passed(errors, tasks).sum(axis=1) - 0.05 * np.log10(sizes).mean(axis=1)
    together = is_passed(errors, tasks).sum(axis=(1, 2)) - 0.05 * np.log10(sizes).mean(axis=(1, 2))
    return points.argmax(axis=0), int(together.argmax())


def is_passed(errors: np.ndarray, tasks: Sequence[Task]) -> np.ndarray:
    """Whether errors (..., tasks) are within the tolerances of their tasks; NaN is not."""
    return errors <= _tolerances(tasks)


def _tolerances(tasks: Sequence[Task]) -> np.ndarray:
    return np.array([task.tolerance for task in tasks], np.float32)


def errors_of(
    make: Callable[[Any], Any],
    tasks: tuple[Task, ...],
    rates: np.ndarray,
    seeds: np.ndarray,
    *,
    steps: int = STEPS,
    lanes: int | None = None,
) -> np.ndarray:
    """The errors of tasks at the end of runs, (runs, tasks).

    Args:
      make: from a learning rate to a pair (init, update).
      tasks: the tasks.
      rates: (runs, tasks) learning rates.
      seeds: (runs,) seeds of starts and noise.
      steps: the number of steps.
      lanes: runs at once; another number compiles anew. None: all.
    """
    lanes, parts = lanes or len(seeds), []
    program = _program(tasks, steps), _stepper(make)
    for first in range(0, len(seeds), lanes):
        rows = np.arange(first, first + lanes) % len(seeds)  # the last part is filled up
        parts.append(
            _errors(*program, jnp.asarray(rates[rows], jnp.float32), jnp.asarray(seeds[rows], jnp.uint32), steps)
        )
    return np.concatenate(parts)[: len(seeds)]


class _Program(NamedTuple):
    """Compiled functions of the tasks, which all optimizers share."""

    starts: Callable[..., Any]
    gradients: Callable[..., Any]
    errors: Callable[..., Any]


class _Stepper(NamedTuple):
    """Compiled functions of an optimizer."""

    init: Callable[..., Any]
    update: Callable[..., Any]


def _errors(program: _Program, stepper: _Stepper, rates: jax.Array, seeds: jax.Array, steps: int) -> np.ndarray:
    """(lanes, tasks). The loop is the host's, so that the tasks' gradients are compiled once for all optimizers."""
    points, keys = program.starts(seeds)
    state = stepper.init(rates, points)
    last, total = round(steps * _LAST), jnp.zeros(rates.shape)
    for index in range(steps):
        grads = program.gradients(points, keys, index)
        points, judged, state = stepper.update(rates, grads, state, points)
        total = total + program.errors(judged, index) if index >= last else total
    return np.asarray(total) / (steps - last)


@lru_cache(maxsize=4)
def _program(tasks: tuple[Task, ...], steps: int) -> _Program:
    def starts(seed: Any) -> tuple[jax.Array, Any]:
        start, noise = jax.random.split(jax.random.key(seed))
        keys = jax.random.split(start, len(tasks))
        return jnp.stack([task.start(key) for task, key in zip(tasks, keys, strict=True)]), noise

    def gradients(points: Any, key: Any, index: Any) -> jax.Array:
        noise = _noise(jax.random.fold_in(key, index), len(tasks))
        return jax.grad(_total)(points, tasks, noise, index / steps)

    def errors(points: Any, index: Any) -> jax.Array:
        return jnp.stack([task.error_at(x, (index + 1) / steps) for task, x in zip(tasks, points, strict=True)])

    lanes = (starts, jax.vmap(gradients, (0, 0, None)), jax.vmap(errors, (0, None)))
    return _Program(jax.jit(jax.vmap(lanes[0])), jax.jit(lanes[1]), jax.jit(lanes[2]))


def _stepper(make: Callable[[Any], Any]) -> _Stepper:
    """The optimizer mapped over lanes and tasks."""

    def init(rate: Any, x: Any) -> Any:
        return make(rate).init(x)

    def update(rate: Any, grads: Any, state: Any, x: Any) -> tuple[Any, Any, Any]:
        with jax.numpy_dtype_promotion("standard"):  # foreign optimizers need it
            updates, state = make(rate).update(grads, state, x)
        x = jaxmlp.apply_updates(x, updates)
        return x, jaxmlp.evaluation_params(state, x), state

    return _Stepper(*(jax.jit(jax.vmap(jax.vmap(one))) for one in (init, update)))


def _total(points: jax.Array, tasks: Sequence[Task], noise: Noise, now: Any) -> jax.Array:
    """The sum of the losses of all tasks, each at its own point and with its own noise."""
    every = zip(tasks, points, noise.normal, noise.uniform, strict=True)
    return sum((task.loss(x, Noise(normal, uniform), now) for task, x, normal, uniform in every), jnp.zeros(()))


def _noise(key: Any, tasks: int) -> Noise:
    normal, uniform = jax.random.split(key)
    shape = (tasks, DIMENSIONS)
    return Noise(jax.random.normal(normal, shape), jax.random.uniform(uniform, shape))
