"""The comparison: every optimizer on every problem by one protocol."""

import inspect
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
from threadpoolctl import threadpool_limits

import jaxmlp
from jaxmlp.compare.axes import SCHEDULES
from jaxmlp.compare.contestants import Contestant, Optimizers, parse_contestants
from jaxmlp.compare.errors import UserError
from jaxmlp.compare.escape import for_file_name
from jaxmlp.compare.machine import environment
from jaxmlp.compare.outcomes import Outcome, outcome_of
from jaxmlp.compare.problems import Problem, ProblemLike, find_problem
from jaxmlp.compare.protocols import PROTOCOLS, Protocol
from jaxmlp.compare.search import SPACE, untuned

_MOST_AT_ONCE = 32
Follow: TypeAlias = Callable[[Problem, Contestant, str, int, int], object]
"""`follow(problem, contestant, text, runs_done, runs_in_total)`, called as runs end."""


class Comparison(NamedTuple):
    """What was compared, by which rules, on which machine, and with what results.

    Attributes:
      protocol: the rules.
      problems: the problems, in the order given.
      contestants: the optimizers, in the order given.
      outcomes: for each (problem's name, optimizer's name) an `Outcome`.
      environment: versions and devices that the numbers depend on.
      seconds: time of the comparison.
    """

    protocol: Protocol
    problems: tuple[Problem, ...]
    contestants: tuple[Contestant, ...]
    outcomes: dict[tuple[str, str], Outcome]
    environment: dict[str, str]
    seconds: float

    @property
    def names(self) -> list[str]:
        """The names of the optimizers, in the order given."""
        return [one.name for one in self.contestants]

    def of(self, problem: Problem) -> dict[str, Outcome]:
        """The outcomes on a problem that have a score, by the optimizer's name."""
        found = {name: outcome for (where, name), outcome in self.outcomes.items() if where == problem.name}
        return {name: outcome for name, outcome in found.items() if outcome.trouble is None}

    def troubles(self) -> list[Outcome]:
        """The outcomes that have none."""
        return [outcome for outcome in self.outcomes.values() if outcome.trouble is not None]


def compare(
    optimizers: Optimizers,
    problems: ProblemLike | Sequence[ProblemLike],
    protocol: str | Protocol = "standard",
    *,
    directory: str | Path | None = None,
    executor: Any = None,
    follow: Follow | None = None,
    **changes: Any,
) -> Comparison:
    """Compares optimizers on problems; a faulty optimizer is reported and does not end the comparison.

    Split, tuning and fresh runs are one repetition; what `analyze` computes is over repetitions.

    Main arguments:

    Args:
      optimizers: a text such as `"adam,optax:lion"`, or a dict from name to a function of a learning rate that
        returns a pair (init, update).
      problems: a Problem, a name in `PROBLEMS`, the path of a CSV file, or a list of these. `find_problem` says how a
        file is read: `find_problem("my.csv", reading={"target": "price", "missing": "impute"})`.
      protocol: a name in `PROTOCOLS`, or a Protocol.

    Other arguments:

    Args:
      directory: where runs are stored as they end; the same call resumes from there. None: in memory only.
      executor: where runs take place, if not in this process: as in `train_many`, such as a
        `dask.distributed.Client` or `jaxmlp.workers(...)`. Several optimizers run at the same time; results are the
        same. Time per run is not measured then.
      follow: a function of (problem, contestant, text, runs done, runs in total), for a progress bar.
      **changes: fields of the protocol to change, such as `repetitions=30`.

    Returns:
      A `Comparison`, to be passed to `analyze`.

    Raises:
      UserError: if an argument or the workers cannot be used.

    Example:
      >>> import jaxmlp
      >>> def network(optimizer):
      ...     return jaxmlp.classifier((2, 8, 2), optimizer=optimizer)
      >>> moons = Problem("moons", "two half-moons", jaxmlp.load("moons", rows=200), network, epochs=3, target=0.8)
      >>> comparison = compare({"adam": jaxmlp.adam, "gd": jaxmlp.gd}, moons, repetitions=3, trials=3)
      >>> comparison.of(moons)["adam"].fresh["repetition"].tolist()  # two fresh seeds in each
      [0, 0, 1, 1, 2, 2]
    """
    protocol = checked_protocol(protocol, changes)
    found = checked_problems(problems)
    contestants = checked_contestants(optimizers, protocol)
    check_widths(found, protocol)
    began = time.perf_counter()
    crew = None if executor is None else jaxmlp.workers(executor)
    told = follow if follow is None or crew is None else _one_at_a_time(follow)
    pairs = list(itertools.product(found, contestants))
    calls = [partial(_outcome, problem, one, protocol, directory, told, crew) for problem, one in pairs]
    # Each device has a thread of its own. Threads of LAPACK's own would wait for these (with them a step of Shampoo
    # took twenty times as long on two busy cores), and the last bits of QR would depend on their number.
    with threadpool_limits(1, user_api="blas"):
        ended = [call() for call in calls] if crew is None else crew.together(calls, most=_at_once(crew))
    outcomes = {(one.problem, one.contestant): one for one in ended}
    return Comparison(protocol, found, contestants, outcomes, environment(), time.perf_counter() - began)


def _outcome(
    problem: Problem,
    contestant: Contestant,
    protocol: Protocol,
    directory: str | Path | None,
    follow: Follow | None,
    crew: jaxmlp.Workers | None,
) -> Outcome:
    where = None if directory is None else Path(directory) / for_file_name(problem.name)
    told = None if follow is None else _bound(follow, problem, contestant, protocol)
    return outcome_of(problem, contestant, protocol, where, told, crew)


def _at_once(crew: jaxmlp.Workers) -> int:
    """How many optimizers run at the same time: a tuning alone has too few runs for many workers."""
    return min(crew.count() + 1, _MOST_AT_ONCE)


def _one_at_a_time(follow: Follow) -> Follow:
    lock = threading.Lock()

    def locked(*facts: Any) -> None:
        with lock:
            follow(*facts)

    return locked


def checked_protocol(protocol: str | Protocol, changes: dict[str, Any] | None = None) -> Protocol:
    """The protocol of a name with some fields changed; None leaves a field unchanged.

    Raises:
      UserError: if there is no such protocol or field, or a field is out of range.
    """
    known = PROTOCOLS.get(protocol, protocol) if isinstance(protocol, str) else protocol
    if not isinstance(known, Protocol):
        raise UserError(f"unknown protocol {known!r}: must be one of {', '.join(PROTOCOLS)}, or a Protocol")
    changes = {name: value for name, value in (changes or {}).items() if value is not None}
    unknown = sorted(set(changes) - set(Protocol._fields))
    if unknown:
        elsewhere = "what belongs to a problem, such as how its file is read, is an argument of find_problem"
        raise UserError(f"a protocol has no {unknown[0]!r}: it has {', '.join(Protocol._fields)}; {elsewhere}")
    known = known._replace(**changes)
    _check_counts(known)
    if not 0 < known.low < known.high:
        raise UserError(f"learning rates must rise from low to high, got {known.low:g} to {known.high:g}")
    for name, choices in _CHOICES.items():
        if getattr(known, name) not in choices:
            raise UserError(f"{name} must be one of {', '.join(choices)}, got {getattr(known, name)!r}")
    names = {"learning_rate", "nothing", "all", *SPACE}
    wrong = sorted(set(known.tune.split(",")) - names)
    if wrong:
        raise UserError(f"tune must be names of {', '.join(sorted(names))}, separated by commas, got {wrong[0]!r}")
    if known.tune not in ("learning_rate", "nothing") and known.search == "grid":
        return known._replace(search="random")  # a grid of several hyperparameters would be too coarse in each
    return known


_CHOICES = {
    "search": ("grid", "random"),
    "schedule": SCHEDULES,
    "choice": ("smooth", "best"),
    "split": ("fresh", "fixed"),
    "score": ("metric", "time"),
}
_LEAST = {"trials": 2, "tuning_seeds": 1, "repetitions": 1, "studies": 1, "seeds": 0, "seed": 0}


def _check_counts(protocol: Protocol) -> None:
    """Checks the numbers of a protocol."""
    for name, least in _LEAST.items():
        if getattr(protocol, name) < least:
            raise UserError(f"{name} must be at least {least}, got {getattr(protocol, name)}")
    if protocol.repetitions == 1 and protocol.seeds < 2:
        rule = "seeds must be at least 2 if there is one repetition"
        raise UserError(f"{rule}, got {protocol.seeds}: one run says nothing about the spread")
    if protocol.repetitions == 1 and protocol.studies > 1:
        raise UserError(f"repetitions must be at least 2 for studies, got {protocol.repetitions}")
    if not protocol.margin > 0:
        raise UserError(f"margin must be above 0, got {protocol.margin:g}")


def checked_contestants(optimizers: Optimizers, protocol: Protocol) -> tuple[Contestant, ...]:
    """The optimizers, at their usual learning rates if nothing is tuned.

    Raises:
      UserError: if one cannot be used, or has no usual learning rate; or if the baseline is not among them.
    """
    contestants = tuple(parse_contestants(optimizers))
    names = [one.name for one in contestants]
    if protocol.baseline not in ("", *names):
        raise UserError(f"baseline must be one of the optimizers, {', '.join(names)}, got {protocol.baseline!r}")
    return untuned(contestants) if protocol.tune == "nothing" else contestants


def check_widths(problems: Sequence[Problem], protocol: Protocol) -> None:
    """Checks that hidden widths can be tuned if they are to be.

    Raises:
      UserError: for a problem whose learner takes none.
    """
    fixed = [one.name for one in problems if "hidden" not in inspect.signature(one.learner).parameters]
    if fixed and "hidden" in protocol.tune.split(","):
        raise UserError(f"problem {fixed[0]!r} has no hidden width to tune: write learner(optimizer, hidden=1.0)")


def checked_problems(problems: ProblemLike | Sequence[ProblemLike]) -> tuple[Problem, ...]:
    """The problems, found and traced.

    Raises:
      UserError: if one cannot be found or trained, or two have one name.
    """
    several = isinstance(problems, (list, tuple)) and not isinstance(problems, Problem)
    found = [find_problem(problem) for problem in (problems if several else [problems])]  # pyright: ignore
    names = [problem.name for problem in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"two problems are called {twice[0]!r}: rename one of them, as in other=path/to/{twice[0]}.csv")
    return tuple(traced(problem) for problem in found)


def traced(problem: Problem) -> Problem:
    """The problem after a trace with gradient descent, so that later errors are due to the optimizer.

    Raises:
      UserError: if it cannot be trained, or does not evaluate its metric.
    """
    learner = problem.learner(jaxmlp.gd(0.1))
    options: dict[str, Any] = {"epochs": problem.epochs, "batch_size": problem.batch_size, "order": problem.order}
    try:
        for data in [problem.data, problem.fresh_data] if problem.refit else [problem.data]:
            jax.eval_shape(lambda key, data=data: jaxmlp.fit(key, learner, data, **options), jax.random.key(0))
        known = jax.eval_shape(lambda key: learner.evaluate(learner.init(key), problem.data.test), jax.random.key(0))
    except (ValueError, TypeError) as error:
        raise UserError(f"problem {problem.name!r} cannot be trained: {error}") from error
    for name in {problem.metric, problem.tuned_on, "loss"}:
        if name not in known:
            raise UserError(f"problem {problem.name!r} must evaluate {name!r}; it evaluates {', '.join(known)}")
    if problem.refit and problem.keep != "last":
        raise UserError(f"problem {problem.name!r} must keep the last epoch: refit leaves no validation rows")
    return problem


def _bound(
    follow: Follow, problem: Problem, contestant: Contestant, protocol: Protocol
) -> Callable[[str, int], object]:
    tuned = contestant.rate is None
    tuning = tuned * protocol.trials * protocol.tuning_seeds
    fresh = protocol.seeds or (0 if tuned else protocol.tuning_seeds)
    total = protocol.repetitions * protocol.studies * (tuning + fresh)
    total += (protocol.repetitions - 1) * protocol.seeds * (tuned and protocol.crossed)
    return lambda text, done: follow(problem, contestant, text, done, total)
