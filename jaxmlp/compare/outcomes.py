"""One optimizer on one problem: tuned on validation data, then run with fresh seeds, or reported as faulty."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import jaxmlp
from jaxmlp import statistics
from jaxmlp.compare.contestants import Contestant
from jaxmlp.compare.files import short
from jaxmlp.compare.problems import Problem
from jaxmlp.compare.protocols import Protocol
from jaxmlp.compare.search import points
from jaxmlp.compare.trainer import Trainer


class Outcome(NamedTuple):
    """What one optimizer achieved on one problem.

    Attributes:
      problem: the problem's name.
      contestant: the optimizer's name.
      trouble: why it has no score, in words; None if it has one.
      chosen: for each study the hyperparameters that tuning chose.
      tuning: a DataFrame with one row per trial of the tuning.
      fresh: a DataFrame with one row per fresh run; `score` is its score, `time` the epochs to the target.
      curves: for each metric of the learning curves a DataFrame of fresh runs by epochs.
      seconds: time of one fresh run, without compilation.
      reused: how many runs were on disk from an earlier call.
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


def outcome_of(
    problem: Problem,
    contestant: Contestant,
    protocol: Protocol,
    directory: str | Path | None = None,
    follow: Callable[[str, int], object] | None = None,
) -> Outcome:
    """Tunes a contestant and runs it; whatever the optimizer raises becomes an outcome with `trouble`.

    Args:
      problem: a Problem that has been trained with gradient descent, so that errors are due to the optimizer.
      contestant: a Contestant.
      protocol: a Protocol.
      directory: where its studies are stored, so that the same call resumes after an interruption; None: nowhere.
      follow: a function of (text, runs done), for a progress bar.
    """
    trainer = Trainer(problem, contestant, directory, follow)
    try:
        studies = [_study(trainer, protocol, study) for study in range(protocol.studies)]
    except BaseException as error:  # an optimizer may raise anything, SystemExit included
        if isinstance(error, KeyboardInterrupt) or _asked_to_stop(error):
            raise
        return Outcome(problem.name, contestant.name, f"raised {short(error)}")
    tuning = pd.concat([study["tuning"] for study in studies], ignore_index=True)
    if any(study["fresh"] is None for study in studies):
        return Outcome(problem.name, contestant.name, "diverged in every trial of its tuning", tuning=tuning)
    metrics = studies[0]["curves"]
    return Outcome(
        problem.name,
        contestant.name,
        chosen=tuple(study["chosen"] for study in studies),
        tuning=tuning,
        fresh=pd.concat([study["fresh"] for study in studies], ignore_index=True),
        curves={name: pd.concat([study["curves"][name] for study in studies], ignore_index=True) for name in metrics},
        seconds=trainer.seconds / protocol.runs,
        reused=trainer.reused,
    )


def _asked_to_stop(error: BaseException) -> bool:
    """Whether jaxmlp itself raised SystemExit, as `train_many` does after SIGTERM, and not the optimizer."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return isinstance(error, SystemExit) and place.startswith("jaxmlp.")


def _study(trainer: Trainer, protocol: Protocol, number: int) -> dict[str, Any]:
    """One tuning and the fresh runs that follow from it."""
    problem, tries = trainer.problem, points(protocol, trainer.contestant, number)
    tuning, chosen = pd.DataFrame(), tries[0]
    if trainer.contestant.rate is None:
        seeds = protocol.tuning_seeds_of(number)
        study = trainer.train(f"study-{number}/tuning", problem.data, tries, seeds)
        tuning = tuning_table(problem, study, len(seeds)).assign(study=number)
        if np.all(tuning["status"] == "diverged"):
            return {"tuning": tuning, "fresh": None}
        chosen = tries[best_point(protocol, tuning)]
    study = trainer.train(f"study-{number}/fresh", trainer.fresh_data, [chosen], protocol.fresh_seeds_of(number))
    names = ["train_loss", *dict.fromkeys(["validation_loss", f"validation_{problem.metric}"])]
    curves = {name: study.history(name) for name in names}
    fresh = fresh_table(problem, study).assign(study=number)
    return {"tuning": tuning, "fresh": fresh, "chosen": chosen, "curves": curves}


def tuning_table(problem: Problem, study: jaxmlp.Study, seeds: int) -> pd.DataFrame:
    """The trials of a tuning with their `point`, `tuned` (more is better) and `time` to the target."""
    table = study.table()
    sign = 1.0 if problem.tuned_mode == "max" else -1.0
    # A diverged run counts as the worst possible: its point must not win by the seeds that survived.
    healthy = (table["status"] != "diverged") & np.isfinite(table[f"validation_{problem.tuned_on}"])
    tuned = (sign * table[f"validation_{problem.tuned_on}"]).where(healthy, -np.inf)
    return table.assign(point=table.index // seeds, tuned=tuned, time=_times(problem, study))


def best_point(protocol: Protocol, tuning: pd.DataFrame) -> int:
    """The point with the best mean of metric or time to the target over its seeds; the other one breaks ties."""
    means = tuning.groupby("point").agg(tuned=("tuned", "mean"), time=("time", "mean"))
    order = ["time", "tuned"] if protocol.score == "time" else ["tuned", "time"]
    return int(means.sort_values(order, ascending=[name == "time" for name in order], kind="stable").index[0])


def fresh_table(problem: Problem, study: jaxmlp.Study) -> pd.DataFrame:
    """The fresh runs with `score`, the metric on test rows, and `time`, the epochs to the target."""
    table = study.table()
    score = table[f"test_{problem.metric}"]
    lost = ~np.isfinite(score) | (
        (table["status"] == "diverged") & ((table["best_epoch"] < 0) | (problem.keep == "last"))
    )
    return table.assign(
        score=score.where(~lost, problem.untrained() if lost.any() else 0.0), time=_times(problem, study)
    )


def _times(problem: Problem, study: jaxmlp.Study) -> np.ndarray:
    history = study.history(f"validation_{problem.metric}").to_numpy()
    return np.asarray(statistics.time_to_target(history, problem.target, problem.mode), float)
