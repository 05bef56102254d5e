"""Progress: one live line on a terminal, a plain line now and then elsewhere, and the same facts for a callback."""

import math
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.epochs import Plan
from jaxmlp.population.ended import Ended
from jaxmlp.result import Status

_SECONDS_BETWEEN_LINES = 10.0


class Progress(NamedTuple):
    """Facts about a study in progress; rates and times count from the start of this call.

    Attributes:
      trials: how many trials this process has to run.
      done: how many of them have ended.
      running: how many are in lanes.
      diverged: how many have diverged.
      best: the best monitored validation metric of the trials done; NaN before the first.
      trials_per_second: trials that ended in this call, per second.
      seconds: elapsed.
      seconds_left: remaining, estimated; NaN before the first trial is done.
    """

    trials: int
    done: int
    running: int
    diverged: int
    best: float
    trials_per_second: float
    seconds: float
    seconds_left: float

    def __str__(self) -> str:
        remaining = "?" if math.isnan(self.seconds_left) else _clock(self.seconds_left)
        diverged = f", {self.diverged} diverged" if self.diverged else ""
        best = "" if math.isnan(self.best) else f", best {self.best:.4g}"
        return (
            f"{self.done}/{self.trials} trials, {self.running} running{diverged}{best}, "
            f"{self.trials_per_second:.1f}/s, {_clock(self.seconds)} elapsed, {remaining} remaining"
        )


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Tally:
    """Counts the trials of a study as they end."""

    def __init__(self, plan: Plan, trials: int, before: list[Ended]) -> None:
        self.plan = plan
        self.trials = trials
        self.done: int = 0
        self.diverged: int = 0
        self.here: int = 0
        self.best: float = float("nan")
        self.began: float = time.monotonic()
        for ended in before:
            self.add(ended)
        self.here = 0

    def add(self, ended: Ended) -> None:
        """Counts trials that have just ended."""
        self.done += len(ended.trial)
        self.here += len(ended.trial)
        self.diverged += int((ended.result.status == Status.DIVERGED).sum())
        history = ended.result.history[f"validation_{self.plan.monitor}"]
        self.best = _best([*np.ravel(history), self.best], self.plan.mode)

    def progress(self, running: int) -> Progress:
        """The facts, with so many trials in lanes."""
        seconds = time.monotonic() - self.began
        rate = self.here / seconds if seconds > 0 else 0.0
        remaining = (self.trials - self.done) / rate if rate > 0 else float("nan")
        return Progress(self.trials, self.done, running, self.diverged, self.best, rate, seconds, remaining)


def _best(values: list[Any], mode: str) -> float:
    """The best of finished trials' monitored values; NaN if there is none."""
    finite = np.asarray(values)[np.isfinite(values)]
    return float("nan") if finite.size == 0 else float(finite.min() if mode == "min" else finite.max())


class Reporter:
    """Writes progress to the standard error: live on a terminal, otherwise one line every ten seconds."""

    def __init__(self, wanted: bool, callback: Callable[[Progress], Any] | None, stream: Any = None) -> None:
        self.callback = callback
        self.stream: Any = (stream or sys.stderr) if wanted else None
        self.live = self.stream is not None and self.stream.isatty()
        self.next_line: float = 0.0

    def report(self, progress: Progress) -> None:
        """Tells the callback, and the reader if it is time."""
        if self.callback is not None:
            self.callback(progress)
        if self.live:
            self._write(f"\r\x1b[2K{progress}")
        elif time.monotonic() >= self.next_line:
            self._line(progress)

    def close(self, progress: Progress) -> None:
        """Writes the last line."""
        if self.live:
            self._write(f"\r\x1b[2K{progress}\n")
        else:
            self._line(progress)

    def _line(self, progress: Progress) -> None:
        self.next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
        self._write(f"{progress}\n")

    def _write(self, text: str) -> None:
        """Writes if anybody reads: a closed pipe must not end a study."""
        if self.stream is None:
            return
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):
            self.stream, self.live = None, False
