"""What the suite found: pass rates with intervals, as tables."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from jaxmlp.compare.suite.task import Task

EACH, ONE = "each task", "all tasks"


class Passes(NamedTuple):
    """The fresh runs of an optimizer, with rates chosen in one way.

    Attributes:
      rates: (tasks,) the learning rates.
      passed: (seeds, tasks) bools.
    """

    rates: np.ndarray
    passed: np.ndarray


class SuiteResult(NamedTuple):
    """What optimizers passed.

    Attributes:
      optimizers: the names of the optimizers, in the order given.
      tasks: the tasks.
      passes: for each optimizer that could run {`each task` or `all tasks`, for which its rate was chosen: Passes}.
      troubles: for each other optimizer what went wrong.
      grid: the learning rates tried.
      seconds: how long it took.
    """

    optimizers: tuple[str, ...]
    tasks: tuple[Task, ...]
    passes: dict[str, dict[str, Passes]]
    troubles: dict[str, str]
    grid: tuple[float, ...]
    seconds: float

    def table(self) -> pd.DataFrame:
        """One row per optimizer, task and way to choose rates: its rate, and how many runs passed, with an interval."""
        rows = []
        for name, ways in self.passes.items():
            for how, (rates, passed) in ways.items():
                for place, task in enumerate(self.tasks):
                    head = {"optimizer": name, "tuning": how, "group": task.group, "task": task.name}
                    rows.append({**head, "learning_rate": rates[place], **share(passed[:, place])})
        return pd.DataFrame(rows)

    def groups(self) -> pd.DataFrame:
        """One row per optimizer, group of tasks (the last one is all of them) and way to choose rates."""
        every = [task.group for task in self.tasks]
        rows = []
        for name, ways in self.passes.items():
            for how, (_, passed) in ways.items():
                for group in (*dict.fromkeys(every), "all"):
                    inside = [group in ("all", one) for one in every]
                    rows.append({"optimizer": name, "tuning": how, "group": group, **share(passed[:, inside])})
        return pd.DataFrame(rows)


def share(passed: np.ndarray | Sequence[bool]) -> dict[str, float]:
    """How many runs passed, and their share with its Clopper-Pearson interval at 95 %.

    For runs of several tasks the interval is that of the mean pass rate over these tasks. It is on the safe side there:
    a sum of runs with different chances varies less than one of runs with equal chances (Hoeffding 1956,
    https://doi.org/10.1214/aoms/1177728178).
    """
    passed = np.asarray(passed, bool)
    interval = binomtest(int(passed.sum()), passed.size).proportion_ci(0.95, "exact")
    return {
        "passed": int(passed.sum()),
        "runs": passed.size,
        "pass_rate": float(passed.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
    }
