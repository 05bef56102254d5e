"""Progress: what is counted, at which rate, and what remains."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

from jaxmlp.epochs import Plan
from jaxmlp.population import progress
from jaxmlp.population.ended import Ended
from jaxmlp.population.progress import Progress, Reporter, Tally
from jaxmlp.result import Result, Status

FACTS = Progress(100, 40, 8, 0, 0.5, 1.0, 9.0, 5.0)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless a test moves it."""
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def plan(mode="min", monitor="loss"):
    return Plan("train_many", 3, 8, monitor, mode)


def ended(*losses, status=Status.FINISHED):
    """As many trials as there are learning curves."""
    count = len(losses)
    zeros, history = np.zeros(count, np.int32), {"validation_loss": np.array(losses), "train_loss": np.zeros(count)}
    codes = np.full(count, int(status), np.int32)
    result = Result({"w": np.zeros((count, 2))}, history, zeros, zeros, zeros, zeros, codes, zeros, {})
    return Ended(np.arange(count), result, {})


def test_the_rate_is_that_of_the_trials_that_ended_and_gives_the_remaining_time(clock):
    tally = Tally(plan(), 12, [])
    clock.seconds += 4.0
    tally.add(ended([0.5], [0.25]))
    facts = tally.progress(running=3)
    assert facts == Progress(12, 2, 3, 0, 0.25, 0.5, 4.0, 20.0)
    clock.seconds += 6.0
    tally.add(ended([0.7]))
    assert tally.progress(running=1)[5:] == (0.3, 10.0, 9 / 0.3)


def test_trials_of_an_earlier_call_count_as_done_and_not_for_the_rate(clock):
    before = [ended([0.5], [0.125]), ended([9.0], [9.0], [9.0], status=Status.DIVERGED)]
    tally = Tally(plan(), 12, before)
    clock.seconds += 2.0
    facts = tally.progress(running=0)
    assert (facts.done, facts.diverged, facts.best, facts.trials_per_second) == (5, 3, 0.125, 0.0)
    assert np.isnan(facts.seconds_left)
    tally.add(ended([0.5]))
    facts = tally.progress(running=0)
    assert (facts.done, facts.diverged, facts.best) == (6, 3, 0.125)
    assert (facts.trials_per_second, facts.seconds_left) == (0.5, 12.0)


def test_there_is_a_rate_in_the_first_second(clock):
    tally = Tally(plan(), 3, [])
    tally.add(ended([0.5]))
    clock.seconds += 0.5
    facts = tally.progress(running=0)
    assert (facts.trials_per_second, facts.seconds_left) == (2.0, 1.0)
    assert [type(value) for value in facts] == [int] * 4 + [float] * 4


def test_no_time_has_no_rate(clock):
    tally = Tally(plan(), 3, [])
    tally.add(ended([0.5]))
    facts = tally.progress(running=0)
    assert (facts.trials_per_second, facts.seconds) == (0.0, 0.0) and np.isnan(facts.seconds_left)


def test_only_trials_that_diverged_count_as_diverged(clock):
    tally = Tally(plan(), 9, [])
    for status in Status:
        tally.add(ended([0.5], status=status))
    assert tally.progress(running=0).diverged == 1


@pytest.mark.parametrize(("mode", "best"), [("min", -2.0), ("max", 7.0)])
def test_the_best_is_the_best_finite_value_of_all_epochs(clock, mode, best):
    tally = Tally(plan(mode), 9, [])
    assert np.isnan(tally.progress(running=0).best)
    tally.add(ended([np.nan, np.inf, -np.inf]))
    assert np.isnan(tally.progress(running=0).best)
    tally.add(ended([1.0, -2.0, np.nan], [np.inf, 7.0, 3.0]))
    tally.add(ended([0.0, 1.0, -np.inf]))
    assert tally.progress(running=0).best == best


def test_the_best_is_that_of_the_monitored_metric(clock):
    batch = ended([0.5])
    batch.result.history["validation_accuracy"] = np.array([[0.875]])
    assert Tally(plan("max", "accuracy"), 1, [batch]).progress(running=0).best == 0.875


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00"), (59.6, "1:00"), (61.0, "1:01"), (3599.0, "59:59"), (3600.0, "1:00:00"), (90061.0, "25:01:01")],
)
def test_times_are_written_as_on_a_clock(seconds, text):
    assert f", {text} elapsed, " in str(FACTS._replace(seconds=seconds))
    assert str(FACTS._replace(seconds_left=seconds)).endswith(f" elapsed, {text} remaining")


def test_elsewhere_than_on_a_terminal_there_is_a_line_every_ten_seconds_and_a_last_one(clock):
    stream, told = io.StringIO(), []
    reporter = Reporter(True, told.append, stream)
    for step in (0.0, 9.9, 0.1, 5.0, 6.0):
        clock.seconds += step
        reporter.report(FACTS._replace(done=int(clock.seconds)))
    assert [line.split("/")[0] for line in stream.getvalue().splitlines()] == ["1000", "1010", "1021"]
    assert len(told) == 5
    reporter.close(FACTS)
    assert stream.getvalue().endswith(f"\n{FACTS}\n")


class Unbuffered(io.StringIO):
    """A terminal that shows only what has been flushed, and may be closed."""

    shown = ""
    broken = None

    def isatty(self):
        return True

    def flush(self):
        self.shown = self.getvalue()

    def write(self, text):
        if self.broken is not None:
            raise self.broken
        return super().write(text)


def test_a_terminal_shows_each_report_at_once_in_place_of_the_one_before(clock):
    stream = Unbuffered()
    reporter = Reporter(True, None, stream)
    reporter.report(FACTS)
    reporter.report(FACTS._replace(done=41))
    assert stream.shown == f"\r\x1b[2K{FACTS}\r\x1b[2K{FACTS._replace(done=41)}"
    reporter.close(FACTS)
    assert stream.shown.endswith(f"\r\x1b[2K{FACTS}\n")


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), ValueError("I/O operation on closed file")])
def test_nothing_is_written_to_a_stream_that_is_closed_and_the_callback_goes_on(clock, error):
    stream, told = Unbuffered(), []
    reporter = Reporter(True, told.append, stream)
    stream.broken = error
    reporter.report(FACTS)
    stream.broken = None
    reporter.report(FACTS)
    reporter.close(FACTS)
    assert (stream.getvalue(), len(told)) == ("", 2)


def test_progress_goes_to_the_standard_error_if_it_is_wanted(clock, capsys):
    Reporter(True, None).close(FACTS)
    Reporter(False, None).close(FACTS)
    assert capsys.readouterr() == ("", f"{FACTS}\n")
