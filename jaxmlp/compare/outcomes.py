"""One optimizer on one problem: repetitions of split, tuning and fresh runs, or a report of what is faulty."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxmlp import statistics
from jaxmlp.compare.choice import chosen_point
from jaxmlp.compare.contestants import Contestant
from jaxmlp.compare.errors import UserError
from jaxmlp.compare.files import short
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol
from jaxmlp.compare.search import points
from jaxmlp.compare.trainer import Runs, Trainer


class Outcome(NamedTuple):
    """What one optimizer achieved on one problem.

    Attributes:
      problem: the problem's name.
      contestant: the optimizer's name.
      trouble: why it has no score, in words; None if it has one.
      chosen: for each study of each repetition the hyperparameters that tuning chose.
      tuning: a DataFrame with one row per trial of the tuning.
      fresh: a DataFrame with one row per fresh run; `score` is its score, `time` the epochs to the target.
      curves: for each metric of the learning curves a DataFrame of fresh runs by epochs.
      seconds: time of one run with fresh seeds, without compilation; NaN on workers, where runs overlap.
      reused: how many runs were on disk from an earlier call.
      crossed: a DataFrame of further runs, for the variance budget only: the split and the seeds of a repetition, with
        the hyperparameters that were chosen in the repetition before; no rows if untuned or if the split is fixed.
    """

    problem: str
    contestant: str
    trouble: str | None = None
    chosen: tuple[dict[str, float], ...] = ()
    tuning: Any = None
    fresh: Any = None
    curves: Any = None
    seconds: float = float("nan")
    reused: int = 0
    crossed: Any = None


class _Part(NamedTuple):
    """One study of one repetition; nothing is chosen if every trial of its tuning diverged."""

    tuning: pd.DataFrame
    chosen: dict[str, float] = {}  # noqa: RUF012 (never changed)
    fresh: Any = None
    crossed: Any = None
    curves: dict[str, Any] = {}  # noqa: RUF012


def outcome_of(
    problem: Problem,
    contestant: Contestant,
    protocol: Protocol,
    directory: str | Path | None = None,
    follow: Callable[[str, int], object] | None = None,
    executor: Any = None,
) -> Outcome:
    """Tunes a contestant and runs it, repeatedly; whatever the optimizer raises becomes an outcome with `trouble`.

    Args:
      problem: a Problem that has been trained with gradient descent, so that errors are due to the optimizer.
      contestant: a Contestant.
      protocol: a Protocol.
      directory: where its studies are stored, so that the same call resumes after an interruption; None: nowhere.
      follow: a function of (text, runs done), for a progress bar.
      executor: where runs take place; None: in this process.

    Raises:
      UserError: if the workers cannot be used.
    """
    trainer = Trainer(problem, contestant, directory, follow, protocol.schedule, executor)
    parts: list[_Part] = []
    try:
        for repetition in range(protocol.repetitions):
            before = parts[-1].chosen if parts else None
            split = problem if protocol.split == "fixed" else problem.repetition(protocol.split_seed_of(repetition))
            for study in range(protocol.studies):
                parts.append(_part(trainer, split, protocol, (repetition, study), before))
                if not parts[-1].chosen:
                    words = f"diverged in every trial of its tuning{f' in repetition {repetition}' * (repetition > 0)}"
                    return Outcome(problem.name, contestant.name, words, tuning=_joined(parts, "tuning"))
    except BaseException as error:  # an optimizer may raise anything, SystemExit included
        if isinstance(error, KeyboardInterrupt) or _asked_to_stop(error):
            raise
        if str(error).startswith("train_many: executor must"):
            raise UserError(f"{error}") from error
        return Outcome(problem.name, contestant.name, f"raised {short(error)}")
    return Outcome(
        problem.name,
        contestant.name,
        chosen=tuple(part.chosen for part in parts),
        tuning=_joined(parts, "tuning"),
        fresh=_joined(parts, "fresh"),
        crossed=_joined(parts, "crossed"),
        curves={name: pd.concat([part.curves[name] for part in parts], ignore_index=True) for name in parts[0].curves},
        seconds=float(np.median(trainer.seconds)) if trainer.seconds else float("nan"),
        reused=trainer.reused,
    )


def _joined(parts: list[_Part], name: str) -> pd.DataFrame:
    """A table of all parts."""
    tables = [table for part in parts if (table := getattr(part, name)) is not None and len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _asked_to_stop(error: BaseException) -> bool:
    """Whether jaxmlp itself raised SystemExit, as `train_many` does after SIGTERM, and not the optimizer."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return isinstance(error, SystemExit) and place.startswith("jaxmlp.")


def _part(
    trainer: Trainer, split: Problem, protocol: Protocol, place: tuple[int, int], before: dict[str, float] | None
) -> _Part:
    """One tuning, and the fresh runs that follow from it; `before` was chosen in the repetition before."""
    repetition, study = place
    where = f"repetition-{repetition}" + (f"/study-{study}" if protocol.studies > 1 else "")
    tries = points(protocol, trainer.contestant, repetition * protocol.studies + study)
    if trainer.contestant.rate is not None:
        part, before = _Part(pd.DataFrame(), tries[0]), None
    else:
        part = _tuned(trainer, split, protocol, place, where, tries)
        if not part.chosen or part.fresh is not None:
            return part
    crossing = before is not None and protocol.crossed
    both = [part.chosen, before] if crossing and before != part.chosen else [part.chosen]
    seeds = protocol.fresh_seeds_of(*place) or protocol.tuning_seeds_of(*place)
    found = trainer.train(f"{where}/fresh", split.fresh_data, both, seeds)
    table = fresh_table(split, found).assign(repetition=repetition, study=study)
    own = np.arange(len(table)) < len(seeds)
    trainer.done += len(seeds) * (crossing and len(both) == 1)  # as if they had run
    crossed = (table[~own] if len(both) > 1 else table) if crossing else None
    return part._replace(fresh=table[own], crossed=crossed, curves=_curves(split, found, own))


def _tuned(
    trainer: Trainer, split: Problem, protocol: Protocol, place: tuple[int, int], where: str, tries: list[Any]
) -> _Part:
    """One tuning: nothing is chosen if all trials diverged; without fresh seeds the chosen trial is scored itself."""
    labels, seeds = dict(zip(("repetition", "study"), place, strict=True)), protocol.tuning_seeds_of(*place)
    found = trainer.train(f"{where}/tuning", split.data, tries, seeds)
    tuning = tuning_table(split, found, len(seeds)).assign(**labels)
    if np.all(tuning["status"] == "diverged"):
        return _Part(tuning)
    part = _Part(tuning, tries[point := chosen_point(protocol, tuning)])
    if protocol.seeds:
        return part
    rows = (tuning["point"] == point).to_numpy()
    fresh = fresh_table(split, found).assign(**labels)[rows]
    return part._replace(fresh=fresh, curves=_curves(split, found, rows))


def _curves(problem: Problem, study: Runs, rows: np.ndarray) -> dict[str, Any]:
    """The learning curves of some runs of a study."""
    names = ["train_loss", *dict.fromkeys(["validation_loss", f"validation_{problem.metric}"])]
    return {name: study.history(name)[rows] for name in names}


def tuning_table(problem: Problem, study: Runs, seeds: int) -> pd.DataFrame:
    """The trials of a tuning with their `point`, `tuned` (more is better), `excess` and `time` to the target."""
    table = study.table()
    sign = 1.0 if problem.tuned_mode == "max" else -1.0
    # A diverged run counts as the worst possible: its point must not win by the seeds that survived.
    healthy = (table["status"] != "diverged") & np.isfinite(table[f"validation_{problem.tuned_on}"])
    tuned = (sign * table[f"validation_{problem.tuned_on}"]).where(healthy, -np.inf)
    # A loss, or the distance of an accuracy or R2 from 1, as if two more rows with a loss of 1 had been seen: on few
    # rows a loss near 0 is luck. Other metrics are none.
    excess = (
        -tuned
        if problem.tuned_on == "loss"
        else 1.0 - tuned
        if problem.tuned_on in ("accuracy", "balanced_accuracy", "r2")
        else np.nan
    )
    excess += 2.0 / problem.rows[1]
    return table.assign(point=table.index // seeds, tuned=tuned, excess=excess, time=_times(problem, study))


def fresh_table(problem: Problem, study: Runs) -> pd.DataFrame:
    """The fresh runs with `score`, the metric on test rows, and `time`, the epochs to the target."""
    table = study.table()
    score = table[f"test_{problem.metric}"]
    lost = ~np.isfinite(score) | (
        (table["status"] == "diverged") & ((table["best_epoch"] < 0) | (problem.keep == "last"))
    )
    return table.assign(
        score=score.where(~lost, problem.untrained() if lost.any() else 0.0), time=_times(problem, study)
    )


def _times(problem: Problem, study: Runs) -> np.ndarray:
    history = study.history(f"validation_{problem.metric}").to_numpy()
    return np.asarray(statistics.time_to_target(history, problem.target, problem.mode), float)
