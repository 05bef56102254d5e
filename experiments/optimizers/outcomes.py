"""One optimizer on one problem: tuned on validation data, then run with fresh seeds, or reported as faulty."""

import json
import re
import time
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import jaxmlp
from experiments.optimizers.search import points
from jaxmlp import statistics

ANOTHER_STUDY = "directory must hold a study of"


class Outcome(NamedTuple):
    """What came of one optimizer on one problem.

    - `trouble`: why it has no score, in words; None where it has.
    - `chosen`: for each study the hyperparameters that tuning chose.
    - `tuning`, `fresh`: a row a trial; `fresh` has the columns `score` and `time`, the epochs to the target.
    - `curves`: a DataFrame of fresh runs by epochs for each metric of the learning curves.
    - `seconds`: of one fresh run, without compilation.
    """

    problem: str
    contestant: str
    trouble: str | None = None
    chosen: tuple[dict[str, float], ...] = ()
    tuning: Any = None
    fresh: Any = None
    curves: Any = None
    seconds: float = float("nan")


def outcome_of(problem, contestant, protocol, directory=None, follow=None):
    """Tunes a contestant and runs it; whatever goes wrong inside of it becomes an outcome with `trouble`.

    Args:
      problem: a Problem that `checked` has passed: what raises here is the optimizer.
      contestant: a Contestant; protocol: a Protocol.
      directory: where its studies are kept, so that the same call goes on after an interruption; None: nowhere.
      follow: a function of (text, runs done), for a bar of progress.
    """
    trainer = Trainer(problem, contestant, directory, follow)
    try:
        studies = [_study(trainer, protocol, study) for study in range(protocol.studies)]
    except Exception as error:  # an optimizer may raise anything
        return Outcome(problem.name, contestant.name, f"raised {type(error).__name__}: {_short(error)}")
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
    )


def _study(trainer, protocol, number):
    """One tuning and the fresh runs that follow from it."""
    problem, tries = trainer.problem, points(protocol, trainer.contestant, number)
    tuning, chosen = pd.DataFrame(), tries[0]
    if trainer.contestant.rate is None:
        seeds = protocol.tuning_seeds_of(number)
        study = trainer.train(f"study-{number}/tuning", problem.data, tries, seeds)
        tuning = tuning_table(problem, protocol, study, len(seeds)).assign(study=number)
        if (tuning["status"] == "diverged").all():
            return {"tuning": tuning, "fresh": None}
        chosen = tries[best_point(protocol, tuning)]
    study = trainer.train(f"study-{number}/fresh", trainer.fresh_data, [chosen], protocol.fresh_seeds_of(number))
    names = ["train_loss", *dict.fromkeys(["validation_loss", f"validation_{problem.metric}"])]
    curves = {name: study.history(name) for name in names}
    fresh = fresh_table(problem, study).assign(study=number)
    return {"tuning": tuning, "fresh": fresh, "chosen": chosen, "curves": curves}


def tuning_table(problem, protocol, study, seeds):
    """The trials of a tuning with the point that each belongs to, `tuned` (more is better) and `time` to the target."""
    table = study.table()
    sign = 1.0 if problem.tuned_mode == "max" else -1.0
    # A diverged run is the worst there is: its point must not win by the seeds that survived.
    healthy = (table["status"] != "diverged") & np.isfinite(table[f"validation_{problem.tuned_on}"])
    tuned = (sign * table[f"validation_{problem.tuned_on}"]).where(healthy, -np.inf)
    return table.assign(point=table.index // seeds, tuned=tuned, time=_times(problem, study))


def best_point(protocol, tuning):
    """The point with the best mean over its seeds, of metric or time to the target; the other breaks ties."""
    means = tuning.groupby("point").agg(tuned=("tuned", "mean"), time=("time", "mean"))
    order = ["time", "tuned"] if protocol.score == "time" else ["tuned", "time"]
    return int(means.sort_values(order, ascending=[name == "time" for name in order], kind="stable").index[0])


def fresh_table(problem, study):
    """The fresh trials with `score`, the metric on test rows, and `time`, the epochs to the target."""
    table = study.table()
    score = table[f"test_{problem.metric}"]
    lost = ~np.isfinite(score) | (
        (table["status"] == "diverged") & ((table["best_epoch"] < 0) | (problem.keep == "last"))
    )
    return table.assign(
        score=score.where(~lost, problem.untrained() if lost.any() else 0.0), time=_times(problem, study)
    )


def _times(problem, study):
    history = study.history(f"validation_{problem.metric}").to_numpy()
    return np.asarray(statistics.time_to_target(history, problem.target, problem.mode), float)


class Trainer:
    """The studies of a contestant on a problem: one program, a directory each, and the seconds that fresh runs took."""

    def __init__(self, problem, contestant, directory, follow):
        self.problem, self.contestant = problem, contestant
        self.directory = None if directory is None else Path(directory) / folder_name(contestant.name)
        self.follow = follow or (lambda text, done: None)
        self.fresh_data = problem.fresh_data
        self.done = 0
        self.seconds = 0.0

    def recipe(self, **numbers):
        """A learner of traced hyperparameters."""
        return self.problem.learner(self.contestant(**numbers))

    def train(self, name, data, trials, seeds):
        """One study, from its directory or anew."""
        directory = None if self.directory is None else self.directory / name
        stage = name.rpartition("/")[2]
        options: dict[str, Any] = {
            "epochs": self.problem.epochs,
            "batch_size": self.problem.batch_size,
            "patience": self.problem.epochs if self.problem.keep == "best" else None,
        }
        with Clock(directory) as clock:
            options["callback"] = lambda now: self._looked(clock, stage, now)
            study = self._resumed(data, trials, seeds, directory, options)
        self.done += len(trials) * len(seeds)
        self.seconds += clock.seconds if stage == "fresh" else 0.0
        return study

    def _looked(self, clock, stage, now):
        clock.look()
        self.follow(f"{stage} {now.done}/{now.trials}", self.done + now.done)

    def _resumed(self, data, trials, seeds, directory, options):
        arguments = {"trials": trials, "seeds": seeds, "directory": directory, "progress": False, **options}
        try:
            return jaxmlp.train_many(self.recipe, data, **arguments)
        except ValueError as error:
            if directory is None or ANOTHER_STUDY not in str(error):
                raise
        # The optimizer or the settings have changed since: what was there belongs to another comparison.
        set_aside(directory)
        return jaxmlp.train_many(self.recipe, data, **arguments)


class Clock:
    """Seconds between the first look at a study and the last: without its compilation, over interruptions."""

    def __init__(self, directory):
        self.file = None if directory is None else Path(directory) / "seconds.json"
        self.looks = []

    def __enter__(self):
        return self

    def look(self):
        """To be called after every segment."""
        self.looks.append(time.perf_counter())

    def __exit__(self, kind, error, trace):
        kept = json.loads(self.file.read_text()) if self.file is not None and self.file.exists() else 0.0
        self.seconds = kept + (self.looks[-1] - self.looks[0] if self.looks else 0.0)
        if self.file is not None and self.file.parent.exists():
            self.file.write_text(json.dumps(self.seconds))


def set_aside(directory):
    """Moves a directory out of the way, to the first free name beside it."""
    number = 1
    while (other := Path(f"{directory}-before-{number}")).exists():
        number += 1
    Path(directory).rename(other)


def folder_name(name):
    """A name as a folder: letters, digits and a few signs; where others were, a number keeps names apart."""
    plain = re.sub(r"[^A-Za-z0-9_.=@-]+", "_", name)
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}"


def _short(error, most=400):
    text = " ".join(str(error).split()) or "no message"
    return text if len(text) <= most else text[:most] + "..."
