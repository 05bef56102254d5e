"""Progress: one live line on a terminal, a plain line now and then elsewhere, and the same facts for a callback."""

import math
import sys
import time
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """Facts about a study in progress; rates and times count from the start of this call."""

    trials: int
    done: int
    running: int
    diverged: int
    best: float  # best monitored validation metric of the trials done; NaN before the first
    trials_per_second: float
    seconds: float
    seconds_left: float  # NaN before the first trial is done

    def __str__(self):
        left = "?" if math.isnan(self.seconds_left) else _clock(self.seconds_left)
        diverged = f", {self.diverged} diverged" if self.diverged else ""
        return (
            f"{self.done}/{self.trials} trials, {self.running} running{diverged}, best {self.best:.4g}, "
            f"{self.trials_per_second:.1f}/s, {_clock(self.seconds)} gone, {left} left"
        )


def _clock(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Reporter:
    """Writes progress to the standard error: live on a terminal, otherwise a line every ten seconds."""

    def __init__(self, wanted, callback, stream=None):
        self.callback = callback
        self.stream: Any = (stream or sys.stderr) if wanted else None
        self.live = self.stream is not None and self.stream.isatty()
        self.next_line = 0.0

    def report(self, progress):
        if self.callback is not None:
            self.callback(progress)
        if self.live:
            self.stream.write(f"\r\x1b[2K{progress}")
            self.stream.flush()
        elif self.stream is not None and time.monotonic() >= self.next_line:
            self._line(progress)

    def close(self, progress):
        if self.live:
            self.stream.write(f"\r\x1b[2K{progress}\n")
        elif self.stream is not None:
            self._line(progress)

    def _line(self, progress):
        self.next_line = time.monotonic() + 10.0
        print(progress, file=self.stream, flush=True)
