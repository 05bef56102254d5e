"""The comparison: every optimizer on every problem by one protocol."""

import platform
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax

import jaxmlp
from experiments.optimizers.contestants import parse_contestants
from experiments.optimizers.errors import UserError
from experiments.optimizers.outcomes import folder_name, outcome_of
from experiments.optimizers.problems import Problem, find_problem
from experiments.optimizers.protocols import PROTOCOLS, Protocol


class Comparison(NamedTuple):
    """What was compared, by which rules, on what machine, and what came of it.

    - `outcomes`: a dict from (problem's name, optimizer's name) to an `Outcome`.
    """

    protocol: Protocol
    problems: tuple[Problem, ...]
    contestants: tuple[Any, ...]
    outcomes: dict[tuple[str, str], Any]
    environment: dict[str, str]
    seconds: float

    def of(self, problem):
        """The outcomes on a problem that have a score, by optimizer."""
        found = {name: outcome for (where, name), outcome in self.outcomes.items() if where == problem.name}
        return {name: outcome for name, outcome in found.items() if outcome.trouble is None}

    def troubles(self):
        """The outcomes that have none."""
        return [outcome for outcome in self.outcomes.values() if outcome.trouble is not None]


def compare(optimizers, problems, protocol: str | Protocol = "standard", *, directory=None, follow=None, **changes):
    """Compares optimizers on problems; a faulty optimizer is reported as such and does not end the comparison.

    Args:
      optimizers: a text such as `"adam,optax:lion"`, or a dict from name to a function of a learning rate that
        returns a pair (init, update).
      problems: a Problem, a name of one, or a list of either.
      protocol: a name of `PROTOCOLS`, or a Protocol.
      directory: where trials are kept as they end; the same call goes on from there. None: in memory only.
      follow: a function of (problem, contestant, text, done, total), for a bar of progress.
      **changes: fields of the protocol to change, such as `seeds=30`.

    Returns:
      A `Comparison`, for `summary`, `pairs`, `verdicts` and `write_report`.

    Raises:
      UserError: for what cannot be compared.

    >>> import jaxmlp
    >>> def network(optimizer):
    ...     return jaxmlp.classifier((2, 8, 2), optimizer=optimizer)
    >>> moons = Problem("moons", "two half-moons", jaxmlp.load("moons", rows=200), network, epochs=3, target=0.8)
    >>> comparison = compare({"adam": jaxmlp.adam, "gd": jaxmlp.gd}, moons, seeds=3, trials=3)
    >>> len(comparison.of(moons)["adam"].fresh)
    3
    """
    protocol = checked_protocol(protocol, changes)
    given = problems if isinstance(problems, (list, tuple)) and not isinstance(problems, Problem) else [problems]
    found = tuple(checked(find_problem(problem)) for problem in given)
    contestants = tuple(parse_contestants(optimizers))
    began = time.perf_counter()
    outcomes = {}
    for problem in found:
        for contestant in contestants:
            where = None if directory is None else Path(directory) / folder_name(problem.name)
            told = None if follow is None else _for(follow, problem, contestant, protocol)
            outcomes[problem.name, contestant.name] = outcome_of(problem, contestant, protocol, where, told)
    return Comparison(protocol, found, contestants, outcomes, environment(), time.perf_counter() - began)


def _for(follow, problem, contestant, protocol):
    tuning = 0 if contestant.rate is not None else protocol.trials * protocol.tuning_seeds
    total = protocol.studies * (tuning + protocol.seeds)
    return lambda text, done: follow(problem, contestant, text, done, total)


def checked_protocol(protocol, changes=None):
    """The protocol, by its name or as it is, with its changes; or a UserError."""
    protocol = PROTOCOLS.get(protocol, protocol) if isinstance(protocol, str) else protocol
    if not isinstance(protocol, Protocol):
        raise UserError(f"unknown protocol {protocol!r}: must be one of {', '.join(PROTOCOLS)}, or a Protocol")
    changes = {name: value for name, value in (changes or {}).items() if value is not None}
    unknown = sorted(set(changes) - set(Protocol._fields))
    if unknown:
        raise UserError(f"a protocol has no {unknown[0]!r}: it has {', '.join(Protocol._fields)}")
    protocol = protocol._replace(**changes)
    for name, least in (("trials", 2), ("tuning_seeds", 1), ("studies", 1), ("seeds", 1)):
        if getattr(protocol, name) < least:
            raise UserError(f"{name} must be at least {least}, got {getattr(protocol, name)}")
    if protocol.runs < 2:
        raise UserError(f"seeds must be at least 2, got {protocol.seeds}: one run tells nothing about the spread")
    if not 0 < protocol.low < protocol.high:
        raise UserError(f"learning rates must rise from low to high, got {protocol.low:g} to {protocol.high:g}")
    if protocol.tune == "all" and protocol.search == "grid":
        return protocol._replace(search="random")  # a grid of several hyperparameters would be too coarse in each
    return protocol


def checked(problem):
    """The problem, traced once with gradient descent: what raises later is the optimizer's doing."""
    learner = problem.learner(jaxmlp.gd(0.1))
    options = {"epochs": problem.epochs, "batch_size": problem.batch_size}
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
        raise UserError(f"problem {problem.name!r} must keep the last epoch, for refit leaves no validation rows")
    return problem


def environment():
    """What the numbers depend on besides the protocol."""
    return {
        "jaxmlp": jaxmlp.__version__,
        "jax": jax.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "precision": str(jax.config.jax_default_matmul_precision or "default"),  # pyright: ignore
        "date": time.strftime("%Y-%m-%d"),
    }
